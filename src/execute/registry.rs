//! The registry that runs and drills are made on: the embedded one, a file; or one on a PostgreSQL server, which is asked
//! through the probe `sql`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use crate::evidence::Fact;
use crate::package::Package;
use crate::probes::Place;

/// Asks the server at a URL these queries, named as the probe `sql` has them, in one snapshot; gives the probe's facts.
pub type Ask = Rc<dyn Fn(&str, &Value) -> Result<Fact, String>>;

/// A registry.
#[derive(Clone, Debug)]
pub enum Registry {
    /// A file, links followed.
    Embedded(PathBuf),
    /// A database on a server.
    Server(Server),
}

/// A database on a PostgreSQL server.
#[derive(Clone)]
pub struct Server {
    /// Its URL, as the package writes it: without a password.
    pub url: String,
    ask: Ask,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Registry {
    /// The registry that a package names.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(package: &Package, place: &Place, ask: &Ask) -> Result<Self, String> {
        let url = package.database.as_deref().unwrap_or_default();
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
                let path = place.locate(Path::new(path));
                let real = path.canonicalize();
                real.map(Self::Embedded).map_err(|error| format!("the registry {}: {error}", path.display()))
            }
            None if url.is_empty() => Err("the package's [database] names no registry".to_owned()),
            None => Ok(Self::Server(Server { url: url.to_owned(), ask: ask.clone() })),
        }
    }

    /// As an executor and its permit are told: the file, links followed, or the URL.
    pub fn address(&self) -> String {
        match self {
            Self::Embedded(path) => path.display().to_string(),
            Self::Server(server) => server.url.clone(),
        }
    }
}

impl Server {
    /// Another database that is asked in the same way.
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ask: self.ask.clone() }
    }

    /// Asks these queries in one snapshot.
    ///
    /// # Errors
    /// When the server cannot be asked, or something changed there because it was.
    pub fn ask(&self, queries: &Value) -> Result<Answers, String> {
        let facts = (self.ask)(&self.url, queries)?;
        match facts.get("unchanged") {
            Some(Fact::Bool(true)) => {}
            Some(Fact::Missing(missing)) => return Err(missing.to_string()),
            Some(_) | None => return Err("reading was not proved to change nothing".to_owned()),
        }
        match facts.get("rows") {
            Some(rows) => Ok(Answers(rows.clone())),
            None => Err("the server gave no answer".to_owned()),
        }
    }
}

/// What a server answered, by the names of the queries.
pub struct Answers(Fact);

impl Answers {
    /// The rows of one query.
    ///
    /// # Errors
    /// Why there are none: the server's own words.
    pub fn rows(&self, name: &str) -> Result<&[Fact], String> {
        match self.0.get(name) {
            // A hole in a list hides rows: then none of it is known.
            Some(Fact::List(rows)) => {
                let holes = rows.iter().filter_map(|row| if let Fact::Missing(hole) = row { Some(hole) } else { None });
                holes.map(|hole| Err(hole.to_string())).next().unwrap_or(Ok(rows))
            }
            Some(Fact::Missing(missing)) => Err(missing.to_string()),
            Some(_) | None => Err(format!("no answer to {name}")),
        }
    }

    /// The one row of a query.
    ///
    /// # Errors
    /// As [`Answers::rows`]; another number of rows.
    pub fn one(&self, name: &str) -> Result<Fact, String> {
        match self.rows(name)? {
            [row] => Ok(row.clone()),
            rows => Err(format!("{} rows in the place of one", rows.len())),
        }
    }
}

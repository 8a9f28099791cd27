//! Copies of a registry for a rehearsal: one that is worked on, and one that a dump is restored into. Production is read, and
//! nothing else.
//!
//! On PostgreSQL they are databases of a scratch server that the package names, made and filled with `psql` and `pg_dump`. It may be
//! the server of production, never the database of production. Their names stand in the scratch folder before they are made, so
//! that the next command drops them after a crash.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::registry::{Registry, Server};
use crate::evidence::Fact;

/// The file that names the databases of a rehearsal: a line for each, the server and the database.
const DATABASES: &str = "databases";

/// What the names of scratch databases begin with.
const PREFIX: &str = "cutgate_drill_";

/// Makes copies in a scratch folder.
pub struct Copies<'a> {
    /// What is copied.
    pub registry: &'a Registry,
    /// A database of the scratch server, where the registry is on one.
    pub scratch: &'a str,
    /// The scratch folder.
    pub dir: PathBuf,
}

impl Copies<'_> {
    /// A copy of the registry.
    ///
    /// # Errors
    /// When there can be none.
    pub fn of_registry(&self) -> Result<Registry, String> {
        match self.registry {
            Registry::Embedded(from) => {
                let to = self.dir.join("registry.db");
                let copied = || -> rusqlite::Result<()> {
                    let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                    connection.execute("VACUUM INTO ?1", [to.display().to_string()]).map(drop)
                };
                copied().map_err(|error| format!("cannot copy the registry: {error}"))?;
                Ok(Registry::Embedded(to))
            }
            Registry::Server(server) => {
                let copy = self.created(server, "copy")?;
                let dump =
                    piped(Command::new("pg_dump").args(["--no-owner", "--no-privileges", "-d", &server.url]), &[])?;
                self.fill(&copy, &dump)?;
                Ok(Registry::Server(copy))
            }
        }
    }

    /// A new registry from the text of a dump.
    ///
    /// # Errors
    /// When it cannot be restored.
    pub fn of_dump(&self, dump: &[u8]) -> Result<Registry, String> {
        match self.registry {
            Registry::Embedded(_) => {
                let to = self.dir.join("restored.db");
                let text = std::str::from_utf8(dump).map_err(|_| "the dump is not text".to_owned())?;
                // A dump names tables in an order of its own, so that references are looked at when all of it is there.
                let restore = || {
                    let connection = Connection::open(&to)?;
                    connection.pragma_update(None, "foreign_keys", false)?;
                    connection.execute_batch(text)
                };
                restore().map_err(|error| format!("the dump cannot be restored: {error}"))?;
                Ok(Registry::Embedded(to))
            }
            Registry::Server(server) => {
                let restored = self.created(server, "restored")?;
                self.fill(&restored, dump).map_err(|error| format!("the dump cannot be restored: {error}"))?;
                Ok(Registry::Server(restored))
            }
        }
    }

    /// Puts what was restored in the place of the copy that was worked on.
    ///
    /// # Errors
    /// When it cannot be put there.
    pub fn put(&self, restored: &Registry, copy: &Registry) -> Result<(), String> {
        let failed = |error: String| format!("cannot restore into the scratch copy: {error}");
        match (restored, copy) {
            (Registry::Embedded(from), Registry::Embedded(to)) => {
                fs::copy(from, to).map(drop).map_err(|error| failed(error.to_string()))
            }
            (Registry::Server(from), Registry::Server(to)) => {
                let (source, name) = (database_of(&from.url), database_of(&to.url));
                self.sql(&format!("DROP DATABASE {name} WITH (FORCE)")).map_err(failed)?;
                self.sql(&format!("CREATE DATABASE {name} TEMPLATE {source}")).map_err(failed)
            }
            (Registry::Embedded(_), Registry::Server(_)) | (Registry::Server(_), Registry::Embedded(_)) => {
                Err(failed("they are of two kinds".to_owned()))
            }
        }
    }

    /// A new, empty database on the scratch server, which is not that of production.
    fn created(&self, production: &Server, what: &str) -> Result<Server, String> {
        if self.scratch.is_empty() {
            return Err(
                "the package names no scratch server: `scratch` in [drill] is a database that may create others"
                    .to_owned(),
            );
        }
        let folder = self.dir.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let random = folder.rsplit('-').next().unwrap_or_default().to_owned();
        let name = format!("{PREFIX}{random}_{what}");
        let line = json!({"server": self.scratch, "database": name}).to_string() + "\n";
        let noted = || -> std::io::Result<()> {
            let mut file = File::options().create(true).append(true).open(self.dir.join(DATABASES))?;
            file.write_all(line.as_bytes())?;
            file.sync_all()
        };
        noted().map_err(|error| format!("cannot note the scratch database: {error}"))?;
        self.sql(&format!("CREATE DATABASE {name} TEMPLATE template0"))?;
        let made = production.at(&with_database(self.scratch, &name));
        if identity(production)? == identity(&made)? {
            return Err("the scratch database is that of production".to_owned());
        }
        Ok(made)
    }

    fn fill(&self, database: &Server, dump: &[u8]) -> Result<(), String> {
        psql(&database.url, dump)
    }

    fn sql(&self, statement: &str) -> Result<(), String> {
        psql(self.scratch, statement.as_bytes())
    }
}

/// Drops the databases that a scratch folder names.
///
/// # Errors
/// When one is still there.
pub fn drop_databases(dir: &Path) -> Result<(), String> {
    let named = match fs::read_to_string(dir.join(DATABASES)) {
        Ok(named) => named,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot read which databases a rehearsal made: {error}")),
    };
    for line in named.lines() {
        // A line that was cut off named a database that was not made yet.
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let (Some(server), Some(name)) = (line["server"].as_str(), line["database"].as_str()) else { continue };
        // Whatever stands in the file, nothing but a copy is dropped.
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(PREFIX) || !name.chars().all(plain) {
            return Err(format!("{name:?} is no scratch database"));
        }
        psql(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)").as_bytes())?;
    }
    Ok(())
}

/// Which server and database this is: PostgreSQL gives each cluster an identifier when it is made.
fn identity(server: &Server) -> Result<(Fact, Fact), String> {
    let sql = "SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS server, \
               pg_catalog.current_database()::text AS name";
    let answers = server.ask(&json!({"who": {"sql": sql, "columns": {"server": "text", "name": "text"}}}))?;
    let who = answers.one("who")?;
    match (who.get("server"), who.get("name")) {
        (Some(server @ Fact::Text(_)), Some(name @ Fact::Text(_))) => Ok((server.clone(), name.clone())),
        (server, name) => Err(format!("which server and database it is cannot be told: {server:?} {name:?}")),
    }
}

/// The same URL for another database.
fn with_database(url: &str, name: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgresql", url));
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let host = place.split_once('/').map_or(place, |(host, _)| host);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{host}/{name}{query}")
}

/// The database that a URL of [`with_database`] names.
fn database_of(url: &str) -> &str {
    let place = url.split_once('?').map_or(url, |(place, _)| place);
    place.rsplit_once('/').map_or("", |(_, name)| name)
}

/// Runs statements on a server, all of them or none.
fn psql(url: &str, statements: &[u8]) -> Result<(), String> {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d", url]);
    piped(&mut psql, statements).map(drop)
}

/// What a program prints, with bytes on its standard input.
fn piped(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| format!("{name}: {error}");
    let output = super::drill::piped(command.stderr(Stdio::piped()), input).map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

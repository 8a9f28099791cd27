//! Copies of a registry for a rehearsal: one that is worked on, and one that a dump is restored into. Production is read, and
//! nothing else.
//!
//! On PostgreSQL they are databases of a scratch server that the package names, made and filled with `psql`, `pg_dump` and
//! `pg_restore`. It is another server than that of production, by the identifier that PostgreSQL gives each cluster, whatever name
//! or address leads to it. The names of the copies stand in the scratch folder before they are made, so that the next command
//! drops them after a crash.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::pipes::{fed, flow};
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
                let mut dump = Command::new("pg_dump");
                dump.args(["--no-owner", "--no-privileges", "--no-password", "-d", &server.url]);
                flow(&mut dump, Stdio::null(), |head| restoring(head, &copy.url))?;
                Ok(Registry::Server(copy))
            }
        }
    }

    /// A new registry from a sealed dump, through the program that opens it. Its plain text is on no disk.
    ///
    /// # Errors
    /// When it cannot be opened or restored.
    pub fn of_dump(&self, sealed: &Path, mut open: Command) -> Result<Registry, String> {
        let dump = File::open(sealed).map_err(|error| format!("the dump {}: {error}", sealed.display()))?;
        match self.registry {
            Registry::Embedded(_) => {
                let to = self.dir.join("restored.db");
                let mut bytes = Vec::new();
                let read = (&dump).read_to_end(&mut bytes);
                read.map_err(|error| format!("the dump {}: {error}", sealed.display()))?;
                let opened =
                    fed(&mut open, &bytes).map_err(|error| format!("the dump cannot be decrypted: {error}"))?;
                let text = std::str::from_utf8(&opened).map_err(|_| "the dump is not text".to_owned())?;
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
                flow(&mut open, Stdio::from(dump), |head| restoring(head, &restored.url))
                    .map_err(|error| format!("the dump cannot be restored: {error}"))?;
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

    /// A new, empty database on the scratch server, which is not that of production: that is looked at before anything is made.
    fn created(&self, production: &Server, what: &str) -> Result<Server, String> {
        if self.scratch.is_empty() {
            return Err(
                "the package names no scratch server: `scratch` in [drill] is a database that may create others"
                    .to_owned(),
            );
        }
        if identity(production)? == identity(&production.at(self.scratch))? {
            return Err(
                "the scratch server is the server of production, by its system identifier: a rehearsal needs another one"
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
        Ok(production.at(&with_database(self.scratch, &name)))
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
        // What a killed command began the server may still be at: it would make the database after it was dropped.
        psql(server, ENDED.replace("<NAME>", name).as_bytes())?;
        psql(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)").as_bytes())?;
    }
    Ok(())
}

/// Ends sessions that make or fill a database, and waits until they are gone.
const ENDED: &str = "DO $$ BEGIN FOR round IN 1..200 LOOP \
     PERFORM pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
     WHERE pid <> pg_catalog.pg_backend_pid() AND (query LIKE '%<NAME>%' OR datname = '<NAME>'); \
     EXIT WHEN NOT FOUND; PERFORM pg_catalog.pg_sleep(0.05), pg_catalog.pg_stat_clear_snapshot(); END LOOP; END $$";

/// Which server this is: PostgreSQL gives each cluster an identifier when it is made.
fn identity(server: &Server) -> Result<String, String> {
    let sql = "SELECT system_identifier::text AS server FROM pg_catalog.pg_control_system()";
    let answers = server.ask(&json!({"who": {"sql": sql, "columns": {"server": "text"}}}))?;
    match answers.one("who")?.get("server") {
        Some(Fact::Text(server)) => Ok(server.clone()),
        other => Err(format!("which server it is cannot be told: {other:?}")),
    }
}

/// What restores a dump that begins like this: `pg_restore` knows the formats that `pg_dump` packs, `psql` the plain one.
fn restoring(head: &[u8], url: &str) -> Command {
    if head == b"PGDMP" {
        let mut restore = Command::new("pg_restore");
        restore.args(["--no-owner", "--no-privileges", "--exit-on-error", "--no-password", "-d", url]);
        return restore;
    }
    feeding(url)
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

/// Runs statements on a server, up to the first that fails.
fn psql(url: &str, statements: &[u8]) -> Result<(), String> {
    fed(&mut feeding(url), statements).map(drop)
}

/// What runs the statements that it is given, up to the first that fails.
fn feeding(url: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d", url]);
    psql
}

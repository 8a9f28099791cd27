//! Named read-only queries over SQLite or PostgreSQL; their rows become typed facts.
//!
//! It sends only the statements of the gate file, each alone, in one read-only transaction (one snapshot),
//! and never judges. What could not be answered is missing with the database's own words, query by query:
//! a table that is not visible, a right that is not held and an answer of another kind are never an empty list.
//!
//! `present` says that the database is there and could be spoken to: the SQLite file exists, or the
//! PostgreSQL session was opened. It is `false` only where absence is known (no such file, no such
//! database); after a refused connection or a wrong password it is missing, for the database may well be there.
//!
//! `unchanged` is measured, not promised. PostgreSQL: `pg_current_xact_id_if_assigned() IS NULL` at the end of
//! our transaction, which is then rolled back. SQLite: the connection was opened read-only, counted no change,
//! and no companion file (`-wal`, `-shm`, `-journal`) appeared; no digest of the file is taken, for closing a
//! second handle on it would drop the locks that SQLite holds for this process (POSIX, fcntl(2)).
//!
//! The real guard is a role that can only read. The words that are refused here keep an author from a mistake;
//! they stop no adversary.

mod address;
mod answer;
mod coding;
pub(super) mod connection;
mod failure;
mod lock;
pub(super) mod name;
mod postgres;
pub(super) mod query;
pub(super) mod server;
pub(super) mod session;
mod sqlite;

pub use self::lock::AdvisoryLock;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::address::Address;
use self::query::Query;
use super::{Door, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape};

/// The probe `sql`.
pub struct Sql;

/// The time for one statement where the gate gives none.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Probe for Sql {
    fn kind(&self) -> &'static str {
        "sql"
    }

    fn summary(&self) -> &'static str {
        "named read-only queries over SQLite or PostgreSQL, rows as typed facts"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "url",
                kind: ParameterKind::Text,
                required: true,
                doc: "\"sqlite:PATH\", or \"postgresql://user@host:port/dbname?sslmode=verify-full\", completed as libpq \
                      does it: a service file, PG* variables, ~/.pgpass; a directory as `host` is that of a Unix socket, \
                      taken as it is even where the package has a root prefix",
            },
            Parameter {
                name: "queries",
                kind: ParameterKind::Table,
                required: true,
                doc: "name = { sql = \"SELECT …\", columns = { name = \"text\" | \"int\" | \"bool\" | \"time\" } }",
            },
            Parameter {
                name: "timeout",
                kind: ParameterKind::Duration,
                required: false,
                doc: "the limit for one statement, waiting for locks included; by default 10s",
            },
            Parameter {
                name: "standby",
                kind: ParameterKind::Bool,
                required: false,
                doc: "whether a PostgreSQL server may answer that only replays what another one did, and may be behind it; by \
                      default it may not",
            },
        ]
    }

    fn shape(&self, settings: &Settings) -> Shape {
        let queries = query::parse(settings).unwrap_or_default();
        let rows = queries.iter().map(|(name, query)| {
            let columns = query.columns.iter().map(|(column, kind)| (column.as_str(), kind.shape()));
            (name.as_str(), Shape::list(Shape::record(columns)))
        });
        Shape::record([
            ("engine", Shape::Text),
            ("server", Shape::Text),
            ("version", Shape::Text),
            ("role", Shape::Text),
            ("present", Shape::Bool),
            ("unchanged", Shape::Bool),
            ("rows", Shape::record(rows)),
        ])
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let mut problems = query::parse(settings).err().unwrap_or_default();
        if let Err((message, help)) = Address::parse(settings.required_text("url")) {
            problems.push(SettingProblem { name: "url".to_owned(), message, help });
        }
        if let Ok(Address::Sqlite { .. }) = Address::parse(settings.required_text("url"))
            && settings.given("standby")
        {
            let message = "an SQLite file replays no other server".to_owned();
            problems.push(SettingProblem { name: "standby".to_owned(), message, help: "leave it out".to_owned() });
        }
        problems
    }

    fn recorded(&self, settings: &Settings) -> Settings {
        let mut recorded = settings.clone();
        let server = Address::parse(settings.required_text("url")).map(|address| address.shown());
        let server = server.unwrap_or_else(|_| "(not a URL that is understood)".to_owned());
        Arc::make_mut(&mut recorded.0).insert("url".to_owned(), server.into());
        recorded
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let unfit = |said: String| {
            let next = "run `cutgate gates check`";
            door.missing(MissingState::Error, "read the settings of the sql probe", said, next)
        };
        let address = Address::parse(settings.required_text("url")).map_err(|(said, _)| unfit(said))?;
        let queries = query::parse(settings).map_err(|problems| {
            unfit(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
        })?;
        let timeout = settings.duration("timeout").unwrap_or(TIMEOUT);
        let standby = settings.flag("standby").unwrap_or(false);
        let (engine, server, answers) = match &address {
            Address::Sqlite { path } => {
                let server = address.shown();
                let answers = sqlite::ask(path, &server, &queries, timeout, door);
                ("sqlite", server, answers)
            }
            Address::Postgres { given } => match connection::complete(given, door) {
                Ok(connection) => {
                    let answers = postgres::ask(&connection, &queries, timeout, standby, door);
                    ("postgresql", connection.server, answers)
                }
                Err(reason) => ("postgresql", address.shown(), Answers::none(&queries, &reason)),
            },
        };
        Ok(Fact::record([
            ("engine", engine.into()),
            ("server", server.into()),
            ("version", answers.version),
            ("role", answers.role),
            ("present", answers.present),
            ("unchanged", answers.unchanged),
            ("rows", Fact::Map(answers.rows)),
        ]))
    }
}

/// What a database answered.
struct Answers {
    version: Fact,
    role: Fact,
    present: Fact,
    unchanged: Fact,
    rows: BTreeMap<String, Fact>,
}

impl Answers {
    /// Nothing is known but `reason`.
    fn none(queries: &BTreeMap<String, Query>, reason: &Missing) -> Self {
        let unknown = || Fact::from(reason.clone());
        Self {
            version: unknown(),
            role: unknown(),
            present: unknown(),
            unchanged: unknown(),
            rows: queries.keys().map(|name| (name.clone(), unknown())).collect(),
        }
    }
}

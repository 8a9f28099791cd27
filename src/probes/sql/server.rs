//! What the probes that only PostgreSQL can answer share: their address, the session, and facts about the server.

use std::time::Duration;

use super::super::{Door, Parameter, ParameterKind, SettingProblem, Settings};
use super::address::Address;
use super::connection;
use super::query::{Kind, Query};
use super::session::{Known, Names, Snapshot, in_snapshot};
use crate::evidence::{Fact, Missing, MissingState, Shape};

/// The time for one statement where the gate gives none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The setting that says where the server is.
pub(in crate::probes) const URL: Parameter = Parameter {
    name: "url",
    kind: ParameterKind::Text,
    required: true,
    doc: "\"postgresql://user@host:port/dbname?sslmode=verify-full\", completed as libpq does it",
};

/// The setting that limits a statement.
pub(in crate::probes) const STATEMENT_TIMEOUT: Parameter = Parameter {
    name: "timeout",
    kind: ParameterKind::Duration,
    required: false,
    doc: "the limit for one statement, waiting for locks included; by default 10s",
};

/// What every such probe says of the server, beside facts of its own.
pub(in crate::probes) fn shapes() -> [(&'static str, Shape); 6] {
    [
        ("server", Shape::Text),
        ("version", Shape::Text),
        ("role", Shape::Text),
        ("present", Shape::Bool),
        ("unchanged", Shape::Bool),
        ("in_recovery", Shape::Bool),
    ]
}

/// The problem with a URL. An SQLite file is none: it is said when it is asked.
pub(in crate::probes) fn check_url(settings: &Settings) -> Option<SettingProblem> {
    let (message, help) = Address::parse(settings.required_text("url")).err()?;
    Some(SettingProblem { name: "url".to_owned(), message, help })
}

/// The settings as a probe has them, which were checked before.
pub(in crate::probes) fn given<T>(read: Result<T, Vec<SettingProblem>>, kind: &str, door: &Door) -> Result<T, Missing> {
    read.map_err(|problems| {
        let said: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        let tried = format!("read the settings of {kind}");
        door.missing(MissingState::Error, tried, said.join("; "), "run `cutgate gates check`")
    })
}

/// The settings without secrets.
pub(in crate::probes) fn recorded(settings: &Settings) -> Settings {
    let mut recorded = settings.clone();
    std::sync::Arc::make_mut(&mut recorded.0).insert("url".to_owned(), shown(settings).into());
    recorded
}

fn shown(settings: &Settings) -> String {
    let address = Address::parse(settings.required_text("url"));
    address.map_or_else(|_| "(not a URL that is understood)".to_owned(), |address| address.shown())
}

/// Why the session was over before everything was asked, where it was.
pub(in crate::probes) struct Ended(Option<Missing>);

impl Ended {
    /// What was found, or why it was not asked for.
    pub fn or_why(&self, found: Option<Fact>) -> Fact {
        found.unwrap_or_else(|| self.why().into())
    }

    /// The reason of something that was not asked for.
    pub fn why(&self) -> Missing {
        self.0.clone().expect("invariant: everything was asked, or the session was over before")
    }
}

/// Asks in one snapshot. `work` says what it found as it goes along; what it did not come to has the reason that this gives.
/// The facts are those of [`shapes`].
pub(in crate::probes) fn ask<W>(settings: &Settings, door: &Door, work: W) -> (Vec<(&'static str, Fact)>, Ended)
where
    W: AsyncFnOnce(&mut Snapshot<'_>) -> Result<(), Missing>,
{
    let timeout = settings.duration("timeout").unwrap_or(TIMEOUT);
    let mut in_recovery = None;
    let (server, known) = match Address::parse(settings.required_text("url")) {
        Ok(Address::Postgres { given }) => match connection::complete(&given, door) {
            Ok(connection) => {
                let known = in_snapshot(&connection, timeout, Names::OfCatalog, door, async |snapshot| {
                    in_recovery = Some(recovery(snapshot).await?);
                    work(snapshot).await
                });
                (connection.server, known)
            }
            Err(reason) => (shown(settings), Known::nothing(&reason)),
        },
        Ok(Address::Sqlite { .. }) => (shown(settings), Known::nothing(&embedded(settings, door))),
        Err((said, _)) => {
            let next = "run `cutgate gates check`";
            let reason = door.missing(MissingState::Error, "read the settings of the probe", said, next);
            (shown(settings), Known::nothing(&reason))
        }
    };
    let Known { version, role, present, unchanged, ended } = known;
    // A database that is not there is no state of a database that could be compared with a later one.
    let ended = ended.map(|reason| match reason.state.is_absent() {
        true => Missing { state: MissingState::Error, ..reason },
        false => reason,
    });
    let [version, role, unchanged] = [version, role, unchanged].map(|fact| match (&fact, &ended) {
        (Fact::Missing(_), Some(reason)) => reason.clone().into(),
        (_, _) => fact,
    });
    let ended = Ended(ended);
    let facts = vec![
        ("server", server.into()),
        ("version", version),
        ("role", role),
        ("present", present),
        ("unchanged", unchanged),
        ("in_recovery", ended.or_why(in_recovery)),
    ];
    (facts, ended)
}

/// Whether the server only replays what another one did.
pub(super) async fn recovery(snapshot: &mut Snapshot<'_>) -> Result<Fact, Missing> {
    let query = Query::of("SELECT pg_catalog.pg_is_in_recovery() AS in_recovery", &[("in_recovery", Kind::Bool)]);
    let rows = snapshot.ask("its recovery state", &query).await?;
    Ok(only(rows).get("in_recovery").cloned().expect("invariant: the column was declared"))
}

/// The only row of an answer that has one, or the reason why there is none.
pub(in crate::probes) fn only(rows: Fact) -> Row {
    match rows.into_list() {
        Ok(mut rows) if rows.len() == 1 => Row(rows.remove(0)),
        Ok(rows) => Row(Fact::List(rows)),
        Err(other) => Row(other),
    }
}

/// A row; every column of one that is missing is missing for the same reason.
pub(in crate::probes) struct Row(Fact);

impl Row {
    /// A column.
    pub fn get<'a>(&'a self, column: &str) -> Option<&'a Fact> {
        if matches!(self.0, Fact::Missing(_)) { Some(&self.0) } else { self.0.get(column) }
    }
}

/// SQLite has nothing of what these probes ask for, and that is said.
fn embedded(settings: &Settings, door: &Door) -> Missing {
    let server = shown(settings);
    let said =
        "SQLite has no roles, privileges, trigger states or system identifier: who can open the file can do everything";
    let next = "measure rows with the probe sql, declare the rest in the package, or name a postgresql:// URL";
    door.missing(MissingState::Error, format!("ask {server}"), said, next)
}

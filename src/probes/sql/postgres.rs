//! The queries of a gate over PostgreSQL, in one snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Door;
use super::Answers;
use super::connection::Connection;
use super::query::Query;
use super::server::recovery;
use super::session::{Known, Names, in_snapshot};
use crate::evidence::{Fact, Missing, MissingState};

/// Asks a PostgreSQL server. Unless it may be a `standby`, one that only replays what another did answers nothing: it may be
/// behind, and what was taken away there would still be here.
pub(super) fn ask(
    connection: &Connection,
    queries: &BTreeMap<String, Query>,
    timeout: Duration,
    standby: bool,
    door: &Door,
) -> Answers {
    let mut rows = BTreeMap::new();
    let known = in_snapshot(connection, timeout, Names::OfRole, door, async |snapshot| {
        let replays = if standby { Fact::Bool(false) } else { recovery(snapshot).await? };
        for (name, query) in queries {
            let answer = match &replays {
                Fact::Bool(false) => snapshot.ask(name, query).await?,
                Fact::Missing(_) => replays.clone(),
                Fact::Bool(true) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => {
                    behind(connection, name).into()
                }
            };
            rows.insert(name.clone(), answer);
        }
        Ok(())
    });
    let Known { version, role, present, unchanged, ended } = known;
    if let Some(reason) = ended {
        for name in queries.keys() {
            rows.entry(name.clone()).or_insert_with(|| Fact::from(reason.clone()));
        }
    }
    Answers { version, role, present, unchanged, rows }
}

fn behind(connection: &Connection, query: &str) -> Missing {
    Missing {
        state: MissingState::Unreadable,
        tried: format!("ask {} for {query}", connection.server),
        by: connection.user.clone(),
        said: "the server only replays what another one did, and may be behind it".to_owned(),
        next: "ask the server that is written to, or say `standby = true` where an older answer is good enough"
            .to_owned(),
    }
}

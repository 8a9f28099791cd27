//! The queries of a gate over PostgreSQL, in one snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Door;
use super::Answers;
use super::connection::Connection;
use super::query::Query;
use super::session::{Known, Names, in_snapshot};
use crate::evidence::Fact;

/// Asks a PostgreSQL server.
pub(super) fn ask(
    connection: &Connection,
    queries: &BTreeMap<String, Query>,
    timeout: Duration,
    door: &Door,
) -> Answers {
    let mut rows = BTreeMap::new();
    let known = in_snapshot(connection, timeout, Names::OfRole, door, async |snapshot| {
        for (name, query) in queries {
            rows.insert(name.clone(), snapshot.ask(name, query).await?);
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

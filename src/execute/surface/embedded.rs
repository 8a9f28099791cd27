//! The surface of the embedded registry: every row, read in one transaction.
//!
//! Digests are made of rows as values, so that they depend neither on the order of rows nor on free pages. A database that the
//! executor left in the middle of a transaction is rolled back by SQLite itself when it is opened afterwards; before a run
//! nothing is opened for writing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::{Asked, Reading};
use crate::evidence::{Digest256, Expected, TableDelta, TableState, canonical_json};

/// What tells that nobody wrote to the registry in between: which file it is, its size and time, the change counter of its
/// header (SQLite, "Database File Format", section 1.3.7), and the same of its write-ahead log where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    file: (u64, u64, u64, i64, i64),
    counter: [u8; 4],
    log: Option<(u64, u64, i64, i64)>,
}

/// The stamp of a registry, without opening the database.
///
/// # Errors
/// When it cannot be read.
pub fn stamp(registry: &Path) -> Result<Stamp, String> {
    let failed = |error: std::io::Error| format!("cannot look at the registry {}: {error}", registry.display());
    let file = File::open(registry).map_err(failed)?;
    let mut counter = [0; 4];
    file.read_exact_at(&mut counter, 24).map_err(failed)?;
    let seen = file.metadata().map_err(failed)?;
    let mut log = registry.as_os_str().to_owned();
    log.push("-wal");
    let log = match fs::symlink_metadata(&log) {
        Ok(log) => Some((log.ino(), log.size(), log.mtime(), log.mtime_nsec())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    Ok(Stamp { file: (seen.dev(), seen.ino(), seen.size(), seen.mtime(), seen.mtime_nsec()), counter, log })
}

/// Reads every table, the checks and the schema, in one transaction.
pub(super) fn read(registry: &Path, expected: &Expected, how: Reading) -> Result<Asked, String> {
    let connection = open(registry, how)?;
    let failed = |error: rusqlite::Error| format!("{}: {error}", registry.display());
    connection.execute_batch("BEGIN").map_err(failed)?;
    let mut tables = BTreeMap::new();
    for name in names(&connection).map_err(failed)? {
        let state = table(&connection, &name, expected.tables.get(&name));
        let state = state.map_err(|error| format!("the table {name}: {error}"))?;
        tables.insert(name, state);
    }
    let mut checks = BTreeMap::new();
    for (name, check) in &expected.checks {
        checks.insert(name.clone(), number(&connection, &check.sql)?);
    }
    let irreversible = if expected.irreversible.is_empty() { 0 } else { number(&connection, &expected.irreversible)? };
    let schema = schema(&connection).map_err(failed)?;
    connection.execute_batch("ROLLBACK").map_err(failed)?;
    Ok(Asked { tables, checks, irreversible, schema })
}

/// The one whole number that a query gives, of a registry that nothing was started on.
pub(super) fn asked(registry: &Path, sql: &str) -> Result<i64, String> {
    number(&open(registry, Reading::Before)?, sql)
}

fn open(registry: &Path, how: Reading) -> Result<Connection, String> {
    let flags = match how {
        Reading::Before => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Reading::After => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    let failed = |error: rusqlite::Error| format!("{}: {error}", registry.display());
    let connection = Connection::open_with_flags(registry, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    // The first look at the schema is what rolls an interrupted transaction back, where it may.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if sound == "ok" { Ok(connection) } else { Err(format!("{} is damaged: {sound}", registry.display())) }
}

/// The one whole number that a query gives.
fn number(connection: &Connection, sql: &str) -> Result<i64, String> {
    let failed = |error: rusqlite::Error| format!("the query {sql:?}: {error}");
    let mut statement = connection.prepare(sql).map_err(failed)?;
    if !statement.readonly() {
        return Err(format!("the query {sql:?} would write"));
    }
    let mut rows = statement.query([]).map_err(failed)?;
    let value: i64 = match rows.next().map_err(failed)? {
        Some(row) => row.get(0).map_err(failed)?,
        None => return Err(format!("the query {sql:?} gives no row")),
    };
    match rows.next().map_err(failed)? {
        None => Ok(value),
        Some(_) => Err(format!("the query {sql:?} gives more than one row")),
    }
}

/// Every table, the engine's own bookkeeping too: what a run leaves there is left as well.
fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn schema(connection: &Connection) -> rusqlite::Result<Digest256> {
    let sql = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok([row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    let rows: Vec<[String; 4]> = rows.collect::<rusqlite::Result<_>>()?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(Digest256::of(&canonical_json(&(rows, version))))
}

fn table(connection: &Connection, name: &str, delta: Option<&TableDelta>) -> rusqlite::Result<TableState> {
    let condition = |text: Option<&String>| match text {
        Some(text) if !text.is_empty() => format!("(({text}) IS TRUE)"),
        Some(_) | None => "0".to_owned(),
    };
    let (belongs, alters) = (condition(delta.map(|it| &it.belongs)), condition(delta.map(|it| &it.alters)));
    let becomes = condition(delta.map(|it| &it.becomes));
    let quoted = name.replace('"', "\"\"");
    let sql = format!("SELECT {belongs}, {alters}, ({alters} AND {becomes}), * FROM \"{quoted}\"");
    let mut statement = connection.prepare(&sql)?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let masked: Vec<bool> =
        columns.iter().map(|column| delta.is_some_and(|delta| delta.columns.contains(column))).collect();
    let (mut all, mut outside) = (Vec::new(), Vec::new());
    let (mut belonging, mut become_so) = (0, 0);
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let [mine, altered, done]: [bool; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        for (at, is_masked) in masked.iter().enumerate().skip(3) {
            let mut value = Vec::new();
            encode(row.get_ref(at)?, &mut value);
            if !(altered && *is_masked) {
                rest.extend_from_slice(&value);
            }
            whole.extend_from_slice(&value);
        }
        all.push(Digest256::of(&whole));
        if mine {
            belonging += 1;
        } else {
            outside.push(Digest256::of(&rest));
        }
        become_so += i64::from(done);
    }
    let rows = i64::try_from(all.len()).unwrap_or(i64::MAX);
    Ok(TableState { rows, digest: together(all), outside: together(outside), belonging, become_so })
}

/// One value in a form that no other value has.
fn encode(value: ValueRef<'_>, into: &mut Vec<u8>) {
    let (kind, bytes) = match value {
        ValueRef::Null => (b'n', Vec::new()),
        ValueRef::Integer(number) => (b'i', number.to_be_bytes().to_vec()),
        ValueRef::Real(number) => (b'r', number.to_bits().to_be_bytes().to_vec()),
        ValueRef::Text(text) => (b't', text.to_vec()),
        ValueRef::Blob(blob) => (b'b', blob.to_vec()),
    };
    into.push(kind);
    into.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    into.extend_from_slice(&bytes);
}

/// The digest of digests, whatever their order.
fn together(mut digests: Vec<Digest256>) -> Digest256 {
    digests.sort();
    let text: String = digests.iter().map(|digest| format!("{digest}\n")).collect();
    Digest256::of(text.as_bytes())
}

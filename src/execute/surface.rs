//! Everything that a run could have touched, read in one transaction: the embedded registry, and the watched folders.
//!
//! Digests are made of rows as values, so that they depend neither on the order of rows nor on free pages. A database that the
//! executor left in the middle of a transaction is rolled back by SQLite itself when it is opened afterwards; before a run
//! nothing is opened for writing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::evidence::{Digest256, Expected, Fingerprint, Instant, State, TableDelta, TableState, canonical_json};
use crate::package::{Package, RunRules};
use crate::probes::Place;

/// The largest file in a watched folder that is read, in bytes.
const MAX_FILE: u64 = 1 << 32;

/// Whether the database may need to be rolled back before it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing was started: it is opened read-only.
    Before,
    /// The executor had it.
    After,
}

/// The database of a package that a run can be made on.
///
/// # Errors
/// Why there is none: so far only the embedded registry is supported.
pub fn database(package: &Package, place: &Place) -> Result<PathBuf, String> {
    let url = package.database.as_deref().unwrap_or_default();
    let Some(path) = url.strip_prefix("sqlite:") else {
        return Err(format!(
            "runs and drills work on the embedded registry (sqlite:) so far, and the package's database is {}: nothing on \
             PostgreSQL is started",
            if url.is_empty() { "not named" } else { "another one" }
        ));
    };
    let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
    let path = place.locate(Path::new(path));
    path.canonicalize().map_err(|error| format!("the registry {}: {error}", path.display()))
}

/// What the rules of a package expect of one run, with the numbers asked of the registry now.
///
/// # Errors
/// A query that fails, or gives something else than one whole number.
pub fn expected(rules: &RunRules, run_id: &str, registry: &Path) -> Result<Expected, String> {
    let fill = |text: &str| text.replace("<RUN_ID>", run_id);
    let connection = open(registry, Reading::Before)?;
    let number = |sql: &str| if sql.is_empty() { Ok(0) } else { number(&connection, sql) };
    let mut tables = BTreeMap::new();
    for (name, table) in &rules.tables {
        let name = if table.table.is_empty() { name } else { &table.table };
        let delta = TableDelta {
            added: number(&fill(&table.added))?,
            belongs: fill(&table.belongs),
            altered: number(&fill(&table.altered))?,
            alters: fill(&table.alters),
            columns: table.columns.clone(),
            becomes: fill(&table.becomes),
        };
        if delta.added + delta.altered < 1 {
            return Err(format!("nothing would change in {name}: a run that writes nothing there cannot be verified"));
        }
        tables.insert(name.clone(), delta);
    }
    let mut checks = BTreeMap::new();
    for (name, check) in &rules.checks {
        let equals = number(&fill(&check.equals))?;
        checks.insert(name.clone(), crate::evidence::PostCheck { sql: fill(&check.sql), equals });
    }
    let leaves = rules.leaves.iter().map(|path| fill(path)).collect();
    Ok(Expected { tables, checks, irreversible: fill(&rules.irreversible), leaves })
}

/// Reads the state of a registry and of folders. What cannot be read leaves the whole of it unread.
pub fn read(
    registry: &Path,
    watch: &[String],
    place: &Place,
    expected: &Expected,
    how: Reading,
    now: Instant,
) -> State {
    match try_read(registry, watch, place, expected, how, now) {
        Ok(fingerprint) => State::Read(fingerprint),
        Err(reason) => State::Unread(reason),
    }
}

fn try_read(
    registry: &Path,
    watch: &[String],
    place: &Place,
    expected: &Expected,
    how: Reading,
    now: Instant,
) -> Result<Fingerprint, String> {
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
    Ok(Fingerprint { utc: now, schema, tables, checks, irreversible, files: files(watch, place)? })
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

/// The files in the watched folders, with their digests, by path as the package writes it. A folder that is not there is an
/// error: residue in it could not be seen.
fn files(watch: &[String], place: &Place) -> Result<BTreeMap<String, Digest256>, String> {
    let mut found = BTreeMap::new();
    for folder in watch {
        let real = place.locate(Path::new(folder));
        for entry in walkdir::WalkDir::new(&real) {
            let entry = entry.map_err(|error| format!("the folder {folder}: {error}"))?;
            let inside = entry.path().strip_prefix(&real).expect("invariant: the walk stays below its root");
            if inside.as_os_str().is_empty() {
                continue;
            }
            let name = format!("{}/{}", folder.trim_end_matches('/'), inside.display());
            let failed = |error: std::io::Error| format!("the file {name}: {error}");
            let kind = entry.file_type();
            let digest = if kind.is_file() {
                if entry.metadata().map_err(|error| failed(error.into()))?.len() > MAX_FILE {
                    return Err(format!("the file {name} is too large to be read"));
                }
                Digest256::of(&fs::read(entry.path()).map_err(failed)?)
            } else if kind.is_symlink() {
                Digest256::of(fs::read_link(entry.path()).map_err(failed)?.as_os_str().as_encoded_bytes())
            } else {
                Digest256::of(format!("{kind:?}").as_bytes())
            };
            found.insert(name, digest);
        }
    }
    Ok(found)
}

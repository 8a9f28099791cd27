//! Everything that a run could have touched: the registry, read as it is at one moment, and the watched folders.

mod embedded;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

pub use embedded::{Stamp, stamp};

use super::registry::Registry;
use crate::evidence::{Digest256, Expected, Fingerprint, Instant, State, TableDelta, TableState};
use crate::package::RunRules;
use crate::probes::Place;

/// The largest file in a watched folder that is read, in bytes.
const MAX_FILE: u64 = 1 << 32;

/// Whether an embedded registry may need to be rolled back before it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing was started: it is opened read-only.
    Before,
    /// The executor had it.
    After,
}

/// What a registry says of itself.
struct Asked {
    tables: BTreeMap<String, TableState>,
    checks: BTreeMap<String, i64>,
    irreversible: i64,
    schema: Digest256,
}

/// What the rules of a package expect of one run, with the numbers asked of the registry now.
///
/// # Errors
/// A query that fails, or gives something else than one whole number.
pub fn expected(rules: &RunRules, run_id: &str, registry: &Registry) -> Result<Expected, String> {
    let fill = |text: &str| text.replace("<RUN_ID>", run_id);
    let tables = rules.tables.values().flat_map(|table| [&table.added, &table.altered]);
    let all = tables.chain(rules.checks.values().map(|check| &check.equals)).map(|sql| fill(sql));
    let all: BTreeSet<String> = all.filter(|sql| !sql.is_empty()).collect();
    // In one session, and in one snapshot.
    let answers: BTreeMap<String, i64> = match registry {
        Registry::Embedded(path) => {
            let asked = |sql: String| embedded::asked(path, &sql).map(|number| (sql, number));
            all.into_iter().map(asked).collect::<Result<_, String>>()?
        }
        Registry::Server(server) => server::asked(server, all)?,
    };
    let number = |sql: &str| if sql.is_empty() { 0 } else { answers[sql] };
    let mut tables = BTreeMap::new();
    for (name, table) in &rules.tables {
        let name = if table.table.is_empty() { name } else { &table.table };
        let delta = TableDelta {
            added: number(&fill(&table.added)),
            belongs: fill(&table.belongs),
            altered: number(&fill(&table.altered)),
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
        let equals = number(&fill(&check.equals));
        checks.insert(name.clone(), crate::evidence::PostCheck { sql: fill(&check.sql), equals });
    }
    let leaves = rules.leaves.iter().map(|path| fill(path)).collect();
    Ok(Expected { tables, checks, irreversible: fill(&rules.irreversible), leaves })
}

/// What is read of a registry and of folders.
#[derive(Clone, Copy, Debug)]
pub struct Surface<'a> {
    /// The registry.
    pub registry: &'a Registry,
    /// The folders.
    pub watch: &'a [String],
    /// Where they lie.
    pub place: &'a Place,
    /// What a run may change.
    pub expected: &'a Expected,
}

impl Surface<'_> {
    /// Reads it. What cannot be read leaves the whole of it unread.
    pub fn read(&self, how: Reading, now: Instant) -> State {
        let read = || {
            let asked = match self.registry {
                Registry::Embedded(path) => embedded::read(path, self.expected, how)?,
                Registry::Server(server) => server::read(server, self.expected)?,
            };
            let Asked { tables, checks, irreversible, schema } = asked;
            Ok(Fingerprint { utc: now, schema, tables, checks, irreversible, files: files(self.watch, self.place)? })
        };
        read().map_or_else(State::Unread, State::Read)
    }
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

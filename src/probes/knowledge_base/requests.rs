//! The runs that were requested: each run's payload by its digest, and whether its approvals are spent.

use std::collections::BTreeMap;

use crate::evidence::{Consumed, Fact, Instant, Missing, MissingState, sha256_hex};
use crate::probes::markdown_tree::{self, Tree, Unreadable};
use crate::probes::{Door, Entry, FileKind, Settings};

/// The largest payload of a request that is read, in bytes.
const MAX_PAYLOAD: u64 = 4 << 20;
/// The largest record of a consumption that is read, in bytes.
const MAX_CONSUMED: u64 = 64 << 10;

/// The runs that were requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requests {
    /// The gate does not say where they are.
    NotGiven,
    /// They could not be read.
    Unreadable(Missing),
    /// Each run by its id.
    Open(BTreeMap<String, OpenRun>),
}

/// A run that was requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRun {
    /// The SHA-256 of its payload.
    pub payload_sha256: String,
    /// Whether its approvals are spent.
    pub spent: Spent,
}

/// Whether the approvals of a run are spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spent {
    /// No run consumed them.
    No,
    /// A run consumed them then.
    At(Instant),
    /// Something says so and could not be read or understood.
    Unknown(Missing),
}

/// Reads the open runs. A payload that cannot be read counts as unreadable, for the approval that carries its digest
/// cannot be told from one that does not.
pub(super) fn read(settings: &Settings, door: &Door, tree: &mut Tree) -> Requests {
    let Some(folder) = settings.text("requests") else { return Requests::NotGiven };
    let folder = folder.trim_end_matches('/');
    let mut unreadable = |path: &str, missing: &Missing| {
        let reason = markdown_tree::reason(missing);
        tree.unreadable.insert(Unreadable { path: path.to_owned(), reason });
    };
    let entries = match door.list(folder) {
        // Known not to be there: nothing was requested.
        Err(missing) if missing.state.is_absent() => return Requests::Open(BTreeMap::new()),
        Err(missing) => {
            unreadable(folder, &missing);
            return Requests::Unreadable(missing);
        }
        Ok(entries) => entries,
    };
    let mut open = BTreeMap::new();
    let mut failed = None;
    let is_file = |entry: &Entry| entry.attributes.as_ref().is_ok_and(|it| it.kind == FileKind::File);
    for entry in entries.iter().filter(|entry| !entry.name.starts_with('.') && !is_file(entry)) {
        let path = format!("{folder}/{}/payload.json", entry.name);
        match door.read(&path, MAX_PAYLOAD) {
            Ok(bytes) => {
                let path = format!("{folder}/{}/consumed.json", entry.name);
                let spent = spent(door, &path, &entry.name);
                if let Spent::Unknown(missing) = &spent {
                    unreadable(&path, missing);
                }
                open.insert(entry.name.clone(), OpenRun { payload_sha256: sha256_hex(&bytes), spent });
            }
            // A folder without a payload is no request.
            Err(missing) if missing.state.is_absent() => {}
            Err(missing) => {
                unreadable(&path, &missing);
                failed = Some(Requests::Unreadable(missing));
            }
        }
    }
    failed.unwrap_or(Requests::Open(open))
}

/// What the record of a consumption says. A broken one may be what a crash left of a run that had begun.
fn spent(door: &Door, path: &str, run_id: &str) -> Spent {
    let bytes = match door.read(path, MAX_CONSUMED) {
        Ok(bytes) => bytes,
        // A link to nothing is there.
        Err(missing) if missing.state.is_absent() && door.attributes(path).is_err_and(|it| it.state.is_absent()) => {
            return Spent::No;
        }
        Err(missing) if missing.state.is_absent() => {
            return Spent::Unknown(Missing { state: MissingState::Unreadable, ..missing });
        }
        Err(missing) => return Spent::Unknown(missing),
    };
    match Consumed::parse(&bytes, run_id) {
        Ok(consumed) => Spent::At(consumed.utc),
        Err(said) => {
            let next = format!("see what became of the run, then request another one: {path}");
            Spent::Unknown(door.missing(MissingState::Unreadable, format!("read {path}"), said, next))
        }
    }
}

/// The fact `open_runs`.
pub(super) fn fact(requests: &Requests, door: &Door) -> Fact {
    match requests {
        Requests::NotGiven => {
            let (said, next) = ("the gate gives no `requests`", "give the folder of requests in the gate file");
            door.missing(MissingState::Absent, "read the open runs", said, next).into()
        }
        Requests::Unreadable(missing) => missing.clone().into(),
        Requests::Open(open) => Fact::list(open.iter().map(|(run_id, run)| {
            let consumed = match &run.spent {
                Spent::No => Fact::from(false),
                Spent::At(_) => Fact::from(true),
                Spent::Unknown(missing) => missing.clone().into(),
            };
            Fact::record([
                ("run_id", run_id.as_str().into()),
                ("payload_sha256", run.payload_sha256.as_str().into()),
                ("consumed", consumed),
            ])
        })),
    }
}

//! A run as reports show it: what was expected, what was re-read, what became of it, and what to do next. Pure.

use serde::Serialize;

use super::dossier::utc;
use crate::classify::{RunFinding, RunOutcome, outcome};
use crate::evidence::{Ended, Evidence, Fingerprint, RunEvidence, State};
use crate::gates::{Loaded, unlike};

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunView {
    /// Its id.
    pub run_id: String,
    /// The digest of what was approved.
    pub payload_sha256: String,
    /// What became of it.
    #[serde(flatten)]
    pub finding: RunFinding,
    /// Whether the executor was started.
    pub started: bool,
    /// How the executor ended, in words; empty where it was not started.
    pub executor: String,
    /// What it claimed on the way: no ground of the result.
    pub claims: Vec<String>,
    /// Its last lines on standard error.
    pub said: Vec<String>,
    /// How the revert ended, in words; empty where none was made.
    pub revert: String,
    /// The tables that were to change.
    pub tables: Vec<TableView>,
    /// The checks afterwards.
    pub checks: Vec<CheckView>,
    /// The digest of the journal.
    pub journal_sha256: String,
    /// The one next step.
    pub next: String,
}

/// A table that was to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableView {
    /// Its name.
    pub name: String,
    /// What was approved.
    pub expected: String,
    /// Rows before, after, and after the revert; `not read` where nobody read them.
    pub before: String,
    /// After the run.
    pub after: String,
    /// After the revert; empty where none was made.
    pub reverted: String,
    /// Whether everything else in it stayed.
    pub outside: &'static str,
}

/// A check afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// The number that must come out.
    pub expected: i64,
    /// The number that did.
    pub found: String,
}

const NOT_READ: &str = "not read";

impl RunView {
    /// A run with what is to be said about it.
    pub fn of(run: &RunEvidence, loaded: &Loaded, evidence: &Evidence) -> Self {
        let disturbed = match run.post {
            Some(_) => unlike(&loaded.forbidden, &loaded.package, evidence, &run.measures),
            None => Vec::new(),
        };
        let finding = outcome(run, &disturbed);
        let (pre, post) = (fingerprint(run.pre.as_ref()), fingerprint(run.post.as_ref()));
        let reverted = fingerprint(run.reverted.as_ref());
        let rows = |state: Option<&Fingerprint>, name: &str| {
            let table = state.and_then(|state| state.tables.get(name));
            table.map_or_else(|| NOT_READ.to_owned(), |table| table.rows.to_string())
        };
        let tables = run.expected.tables.iter().map(|(name, delta)| {
            let outside = [pre, post].map(|state| state.and_then(|it| it.tables.get(name)).map(|it| &it.outside));
            TableView {
                name: name.clone(),
                expected: format!("{} rows added, {} altered", delta.added, delta.altered),
                before: rows(pre, name),
                after: rows(post, name),
                reverted: run.reverted.as_ref().map(|_| rows(reverted, name)).unwrap_or_default(),
                outside: match outside {
                    [Some(before), Some(after)] if before == after => "unchanged",
                    [Some(_), Some(_)] => "CHANGED",
                    [None, _] | [_, None] => NOT_READ,
                },
            }
        });
        let checks = run.expected.checks.iter().map(|(name, check)| {
            let found = post.and_then(|post| post.checks.get(name));
            let found = found.map_or_else(|| NOT_READ.to_owned(), ToString::to_string);
            CheckView { name: name.clone(), expected: check.equals, found }
        });
        let next = next(run, finding.outcome);
        Self {
            run_id: run.run_id.to_string(),
            payload_sha256: run.payload_sha256.to_string(),
            started: run.begun.is_some(),
            executor: ended(run.ended.as_ref(), run.begun.is_some()),
            claims: run.ended.iter().flat_map(|ended| ended.claims.clone()).collect(),
            said: run.ended.iter().flat_map(|ended| ended.said.clone()).collect(),
            revert: ended(run.revert.as_ref(), false),
            tables: tables.collect(),
            checks: checks.collect(),
            journal_sha256: run.journal_sha256.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string),
            next,
            finding,
        }
    }
}

fn fingerprint(state: Option<&State>) -> Option<&Fingerprint> {
    match state {
        Some(State::Read(fingerprint)) => Some(fingerprint),
        Some(State::Unread(_)) | None => None,
    }
}

fn ended(ended: Option<&Ended>, started: bool) -> String {
    let Some(ended) = ended else {
        return if started { "nobody saw it end".to_owned() } else { String::new() };
    };
    let how = match (ended.code, ended.signal) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no end was seen".to_owned(),
    };
    let told = if ended.told.is_empty() { String::new() } else { format!(" ({})", ended.told) };
    format!("{how}{told}, from {} to {}", utc(ended.started), utc(ended.finished))
}

fn next(run: &RunEvidence, outcome: RunOutcome) -> String {
    match outcome {
        RunOutcome::NotStarted | RunOutcome::Unseen | RunOutcome::Verified => String::new(),
        RunOutcome::RolledBack => "find out why it failed, then: cutgate request".to_owned(),
        RunOutcome::RollbackUnverified => format!("cutgate run --recover {} --revert", run.run_id),
        RunOutcome::Interrupted => format!("cutgate run --recover {}", run.run_id),
        RunOutcome::CompensationRequired => {
            format!(
                "a person compares requests/{}/pre.json with post.json, and compensates; nothing is deleted",
                run.run_id
            )
        }
    }
}

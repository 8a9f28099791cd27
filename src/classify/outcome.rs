//! What became of a run, from what was read before and after it. Pure: the run decides by it what to do next, and a replay
//! judges the recorded run again by the same functions.
//!
//! The executor's exit status and its claims never make a run good. They are compared with what was re-read, and where
//! the two disagree it is said by name.

use std::collections::BTreeSet;

use serde::Serialize;

use super::RunOutcome;
use crate::evidence::{Ended, Expected, Fingerprint, RunEvidence, State};

/// What has to be done once the executor has ended and everything was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is as it shall be, or as it was.
    Keep,
    /// The executor takes it back.
    Revert,
    /// Nothing may be taken back any more, or it is not known what there is: a person decides.
    Person,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunFinding {
    /// Its outcome.
    pub outcome: RunOutcome,
    /// The name of what went wrong, such as `FALSE PASS`; empty when nothing did.
    pub name: String,
    /// Why the outcome is that, one sentence each.
    pub reasons: Vec<String>,
    /// What is left that was not there before.
    pub residue: Vec<String>,
}

/// Where the state after the run is not what was expected. Empty where it is exactly that.
pub fn departures(expected: &Expected, pre: &Fingerprint, post: &Fingerprint) -> Vec<String> {
    let mut found = Vec::new();
    if expected.tables.is_empty() || expected.checks.is_empty() {
        found.push("nothing was expected, so that nothing can be verified".to_owned());
    }
    if pre.schema != post.schema {
        found.push("the schema is another one".to_owned());
    }
    let names: BTreeSet<&String> = pre.tables.keys().chain(post.tables.keys()).chain(expected.tables.keys()).collect();
    for name in names {
        let (Some(before), Some(after)) = (pre.tables.get(name), post.tables.get(name)) else {
            found.push(format!("the table {name} was not there before and after"));
            continue;
        };
        let Some(delta) = expected.tables.get(name) else {
            if (before.rows, &before.digest) != (after.rows, &after.digest) {
                found.push(format!("{name} changed, which no run may: {} rows, then {}", before.rows, after.rows));
            }
            continue;
        };
        if before.belonging != 0 {
            found.push(format!("{name} had {} rows of this run before it began", before.belonging));
        }
        let grown = after.rows - before.rows;
        if grown != delta.added {
            found.push(format!(
                "{name}: {} rows were to be added, its count went from {} to {}",
                delta.added, before.rows, after.rows
            ));
        }
        if after.belonging != delta.added {
            found.push(format!("{name}: {} rows belong to this run, expected are {}", after.belonging, delta.added));
        }
        if after.become_so != delta.altered {
            found.push(format!(
                "{name}: {} rows are altered as they shall be, expected are {}",
                after.become_so, delta.altered
            ));
        }
        if before.outside != after.outside {
            found.push(format!("{name}: rows of others, or columns that no run alters, changed"));
        }
    }
    for (name, check) in &expected.checks {
        match post.checks.get(name) {
            Some(value) if *value == check.equals => {}
            Some(value) => found.push(format!("the check {name} gave {value}, not {}", check.equals)),
            None => found.push(format!("the check {name} was not made")),
        }
    }
    found
}

/// Files that were not there before, or are others, apart from those that the run leaves on purpose; and lost ones.
fn files(pre: &Fingerprint, now: &Fingerprint, leaves: &[String]) -> Vec<String> {
    let changed = now.files.iter().filter(|(name, digest)| pre.files.get(*name) != Some(digest));
    let changed = changed.filter(|(name, _)| !leaves.contains(name)).map(|(name, _)| format!("the file {name}"));
    let lost = pre.files.keys().filter(|name| !now.files.contains_key(*name));
    let missing = leaves.iter().filter(|name| !now.files.contains_key(*name));
    let missing = missing.map(|name| format!("the file {name} should be there and is not"));
    changed.chain(lost.map(|name| format!("the file {name} is gone"))).chain(missing).collect()
}

/// What speaks against an executor's end, whatever it wrote.
fn against(ended: &Ended) -> Vec<String> {
    let mut found = Vec::new();
    match (ended.code, ended.signal) {
        (Some(0), _) => {}
        (Some(code), _) => found.push(format!("the executor ended with status {code}")),
        (None, Some(signal)) => found.push(format!("the executor was ended by signal {signal}")),
        (None, None) => found.push("nobody saw how the executor ended".to_owned()),
    }
    if !ended.told.is_empty() {
        found.push(format!("it was told to end: {}", ended.told));
    }
    if ended.secret {
        found.push("it printed a secret value: the output was not kept, and the secret has to be changed".to_owned());
    }
    found.extend(ended.left.iter().map(|process| format!("it left a process behind, which was killed: {process}")));
    found
}

/// What to do once the executor has ended. `disturbed` names the invariants that are not what they were.
pub fn next_step(run: &RunEvidence, disturbed: &[String]) -> Step {
    let (Some(State::Read(pre)), Some(State::Read(post))) = (&run.pre, &run.post) else { return Step::Person };
    if departures(&run.expected, pre, post).is_empty() {
        // Everything was committed: whatever else is wrong, taking it back blindly would make it worse.
        let good = !run.recovered && run.ended.as_ref().is_some_and(|ended| against(ended).is_empty());
        let clean = disturbed.is_empty() && files(pre, post, &run.expected.leaves).is_empty();
        return if good && clean { Step::Keep } else { Step::Person };
    }
    if post.irreversible > pre.irreversible {
        return Step::Person;
    }
    if post.same_state(pre) { Step::Keep } else { Step::Revert }
}

/// What became of the run. `disturbed` names the invariants that are not what they were.
pub fn outcome(run: &RunEvidence, disturbed: &[String]) -> RunFinding {
    let finding = |outcome, name: &str, reasons: Vec<String>, residue: Vec<String>| RunFinding {
        outcome,
        name: name.to_owned(),
        reasons,
        residue,
    };
    if run.begun.is_none() {
        return finding(RunOutcome::NotStarted, "REFUSED", run.refused.clone(), Vec::new());
    }
    let (Some(pre), Some(post)) = (&run.pre, &run.post) else {
        let reason = "it was started, and nobody has read the state after it: what it did is not known".to_owned();
        return finding(RunOutcome::Interrupted, "INTERRUPTED", vec![reason], vec!["not known".to_owned()]);
    };
    let (State::Read(pre), State::Read(post)) = (pre, post) else {
        let unread = [pre, post].into_iter().filter_map(|state| match state {
            State::Unread(reason) => Some(format!("the state could not be read: {reason}")),
            State::Read(_) => None,
        });
        return finding(
            RunOutcome::RollbackUnverified,
            "STATE NOT READ",
            unread.collect(),
            vec!["not known".to_owned()],
        );
    };
    let mut reasons = run.ended.as_ref().map_or_else(|| vec!["nobody saw the executor end".to_owned()], against);
    if run.recovered {
        reasons.push("the program that watched it was cut off, and another command looked after it".to_owned());
    }
    let by_status = run.ended.as_ref().is_some_and(|ended| ended.code == Some(0));
    let departures = departures(&run.expected, pre, post);
    let changed = disturbed.iter().map(|what| format!("not what it was: {what}"));
    if departures.is_empty() {
        let residue = files(pre, post, &run.expected.leaves);
        if reasons.is_empty() && residue.is_empty() && disturbed.is_empty() {
            let reason = "the state re-read after the run is exactly what was expected".to_owned();
            return finding(RunOutcome::Verified, "", vec![reason], Vec::new());
        }
        reasons.insert(0, "everything that was expected was committed; it was not taken back blindly".to_owned());
        let name = match (run.recovered, by_status) {
            (true, _) => "COMMITTED, NOT WATCHED",
            (false, true) => "COMMITTED WITH RESIDUE",
            (false, false) => "FALSE FAIL",
        };
        let residue = residue.into_iter().chain(changed).collect();
        return finding(RunOutcome::CompensationRequired, name, reasons, residue);
    }
    let wrote = !post.same_database(pre);
    let name = match (wrote, by_status) {
        (false, true) => "FALSE PASS",
        (true, true) => "WRONG WRITE",
        (false, false) => "FAILED, NOTHING WRITTEN",
        (true, false) => "FAILED, PARTLY WRITTEN",
    };
    if !wrote {
        reasons.push("nothing was written".to_owned());
    }
    reasons.extend(departures.into_iter().take(12));
    let last = match (&run.revert, &run.reverted) {
        (_, Some(State::Read(reverted))) => reverted,
        (_, Some(State::Unread(reason))) => {
            reasons.push(format!("the state after the revert could not be read: {reason}"));
            return finding(RunOutcome::RollbackUnverified, name, reasons, vec!["not known".to_owned()]);
        }
        (Some(_), None) => {
            reasons.push("it was reverted, and nobody has read the state after that".to_owned());
            return finding(RunOutcome::Interrupted, name, reasons, vec!["not known".to_owned()]);
        }
        (None, None) => post,
    };
    let residue: Vec<String> = tables(pre, last).chain(files(pre, last, &[])).chain(changed).collect();
    if let Some(revert) = &run.revert {
        reasons.extend(against(revert).into_iter().map(|said| format!("in the revert, {said}")));
    }
    if last.irreversible > pre.irreversible {
        reasons.push(format!("{} things cannot be taken back any more", last.irreversible - pre.irreversible));
        return finding(RunOutcome::CompensationRequired, name, reasons, residue);
    }
    if last.same_state(pre) && residue.is_empty() {
        reasons.push("everything re-read afterwards is as it was before the run".to_owned());
        return finding(RunOutcome::RolledBack, name, reasons, residue);
    }
    finding(RunOutcome::RollbackUnverified, name, reasons, residue)
}

/// The tables that are not as they were.
fn tables<'a>(pre: &'a Fingerprint, now: &'a Fingerprint) -> impl Iterator<Item = String> + 'a {
    let schema = (pre.schema != now.schema).then(|| "the schema is another one".to_owned());
    let names: BTreeSet<&String> = pre.tables.keys().chain(now.tables.keys()).collect();
    let changed = names.into_iter().filter_map(|name| match (pre.tables.get(name), now.tables.get(name)) {
        (Some(before), Some(after)) if (before.rows, &before.digest) == (after.rows, &after.digest) => None,
        (Some(before), Some(after)) if before.rows != after.rows => {
            Some(format!("the table {name}: {} rows, before {}", after.rows, before.rows))
        }
        (Some(_), Some(_)) => Some(format!("the table {name}: rows with another content")),
        (None, _) => Some(format!("the table {name}, which was not there before")),
        (_, None) => Some(format!("the table {name}, which is gone")),
    });
    schema.into_iter().chain(changed)
}

//! What was read in one audit and not in the other, and what had other content.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::facts::{FactChange, changes as fact_changes};
use super::{Pair, Proved};
use crate::evidence::{Evidence, Observation, Reading, Source};
use crate::report::dossier::utc;

/// What was read in one audit only, or had other content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EvidenceChange {
    /// Questions that NEW asks and OLD does not: a kind of probe with its settings.
    pub questions_new: Vec<String>,
    /// Questions that OLD asks and NEW does not.
    pub questions_vanished: Vec<String>,
    /// Sources that were read in NEW only.
    pub new: Vec<SourceChange>,
    /// Sources that were read in OLD only.
    pub vanished: Vec<SourceChange>,
    /// Sources that were read in both and had other content.
    pub changed: Vec<SourceChange>,
}

/// One source in both audits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceChange {
    /// What was read: a path as the package writes it, a database without its password, a program.
    pub what: String,
    /// How it was read in each; nothing where it was not.
    pub read: Pair<Option<ReadOnce>>,
}

/// How a source was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadOnce {
    /// By whom.
    pub by: String,
    /// When it was last read, RFC 3339 with seconds.
    pub at: String,
    /// The SHA-256 of each content that was seen or statement that was sent; nothing where only attributes were.
    pub sha256: BTreeSet<String>,
}

impl ReadOnce {
    /// Whether something else was read, whenever that was.
    pub fn unlike(&self, other: &Self) -> bool {
        self.by != other.by || self.sha256 != other.sha256
    }
}

/// The sources of observations, each once.
fn sources<'a>(observations: impl Iterator<Item = &'a Observation>) -> BTreeMap<String, ReadOnce> {
    let mut found: BTreeMap<String, ReadOnce> = BTreeMap::new();
    for Source { what, by, at, read } in observations.flat_map(|observation| &observation.sources) {
        let sha256 = match read {
            Reading::Content { sha256, .. } | Reading::Statement { sha256 } => Some(sha256.to_string()),
            Reading::Attributes => None,
        };
        let fresh = || ReadOnce { by: by.clone(), at: utc(*at), sha256: BTreeSet::new() };
        let once = found.entry(what.clone()).or_insert_with(fresh);
        once.at = utc(*at).max(std::mem::take(&mut once.at));
        once.sha256.extend(sha256);
    }
    found
}

fn beside(old: BTreeMap<String, ReadOnce>, new: BTreeMap<String, ReadOnce>) -> Vec<SourceChange> {
    let names: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
    let change = |what: String| {
        let read = Pair { old: old.get(&what).cloned(), new: new.get(&what).cloned() };
        SourceChange { what, read }
    };
    names.into_iter().map(change).collect()
}

fn unlike(change: &SourceChange) -> bool {
    match (&change.read.old, &change.read.new) {
        (Some(old), Some(new)) => old.unlike(new),
        (Some(_), None) | (None, Some(_)) => true,
        (None, None) => false,
    }
}

/// The sources of one observation in both audits: those whose reading differs; all of them where none does.
pub fn sources_between(old: Option<&Observation>, new: Option<&Observation>) -> Vec<SourceChange> {
    let all = beside(sources(old.into_iter()), sources(new.into_iter()));
    let some: Vec<_> = all.iter().filter(|change| unlike(change)).cloned().collect();
    if some.is_empty() { all } else { some }
}

/// What two audits read.
pub fn changes(old: &Evidence, new: &Evidence) -> EvidenceChange {
    let all = |evidence: &Evidence| {
        let observations = evidence.probes.values().chain(evidence.before.values()).chain(evidence.after.values());
        sources(observations)
    };
    let mut change = EvidenceChange {
        questions_new: beyond(new, old),
        questions_vanished: beyond(old, new),
        ..EvidenceChange::default()
    };
    for source in beside(all(old), all(new)).into_iter().filter(unlike) {
        match (&source.read.old, &source.read.new) {
            (None, _) => change.new.push(source),
            (_, None) => change.vanished.push(source),
            (Some(_), Some(_)) => change.changed.push(source),
        }
    }
    change
}

/// The questions that `asked` has and `other` does not.
fn beyond(asked: &Evidence, other: &Evidence) -> Vec<String> {
    let new = asked.probes.iter().filter(|(id, _)| !other.probes.contains_key(*id)).map(|(_, seen)| question(seen));
    let measures = asked.after.iter().filter(|(name, seen)| {
        other.after.get(*name).is_none_or(|then| (&then.kind, &then.settings) != (&seen.kind, &seen.settings))
    });
    let measures = measures.map(|(name, seen)| format!("measure {name}: {}", question(seen)));
    new.chain(measures).collect()
}

fn question(observation: &Observation) -> String {
    format!("{} {}", observation.kind, serde_json::json!(*observation.settings))
}

/// The measured invariants as they stood when each audit ended, where they differ.
pub fn measures(old: &Proved, new: &Proved) -> Vec<FactChange> {
    let (old, new) = (&old.recorded.evidence.after, &new.recorded.evidence.after);
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let facts = |side: &'_ BTreeMap<String, Observation>, name: &str| side.get(name).map(|seen| seen.facts.clone());
    names
        .into_iter()
        .flat_map(|name| fact_changes(name, facts(old, name).as_ref(), facts(new, name).as_ref()))
        .collect()
}

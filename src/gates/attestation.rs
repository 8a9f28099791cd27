//! The rows of the attestation: forbidden actions, and on what basis each is said not to have happened.
//!
//! They stand in the package file; they are checked here, with the gates, because they quote facts.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{COMMON, Reads, Variables, check_kebab, root};
use super::expr::Text;
use crate::package::diagnostic::{Diagnostic, suggestion};
use crate::package::file::{RawForbidden, Words};
use crate::package::{Checked, ProbeUse, Reading};

/// A forbidden action.
#[derive(Clone, Debug)]
pub struct Forbidden {
    /// The row's id.
    pub id: String,
    /// The action, in the owner's words.
    pub action: String,
    /// Why it can be said that it did not happen.
    pub basis: Basis,
    /// Those of the measured facts that others write to as well, so that a change there says nothing of who made it.
    pub others_write: Vec<String>,
    /// Those of the measured facts that may be absent before and after: then they count as equal.
    pub may_be_absent: Vec<String>,
    /// Facts of measures that are shown before and after, and prove nothing.
    pub informative: Vec<String>,
    /// What the row adds to its status; quotes facts of the measures, `params`, `paths`, `pkg` and `now`.
    pub remark: Option<Text>,
}

/// Why it can be said that an action did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Facts that are equal before and after: dotted paths whose first word is a measure; at least one.
    Measured(Vec<String>),
    /// Proved of our own process.
    Attributable(Proof),
    /// Someone says so.
    Declared(String),
}

impl Basis {
    /// The word for what was compared before and after.
    pub const MEASURED: &str = "measured";

    const WORDS: [&str; 3] = [Self::MEASURED, "attributable", "declared"];

    /// The word that package files and reports use.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Measured(_) => Self::WORDS[0],
            Self::Attributable(_) => Self::WORDS[1],
            Self::Declared(_) => Self::WORDS[2],
        }
    }
}

/// How something is proved of our own process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Every output was searched for the known secret values.
    OutputScan,
    /// Nothing was asked of a person.
    NoPrompt,
    /// The processes that were started are known.
    ProcessesStarted,
    /// The result was computed again from the recorded evidence.
    ResultRecomputed,
    /// No transaction of ours on a database was given a transaction number.
    NoTransactionId,
}

impl Proof {
    /// Every proof.
    pub const ALL: &[Self] =
        &[Self::OutputScan, Self::NoPrompt, Self::ProcessesStarted, Self::ResultRecomputed, Self::NoTransactionId];

    /// The word that package files use.
    pub fn word(self) -> &'static str {
        match self {
            Self::OutputScan => "output-scan",
            Self::NoPrompt => "no-prompt",
            Self::ProcessesStarted => "processes-started",
            Self::ResultRecomputed => "result-recomputed",
            Self::NoTransactionId => "no-transaction-id",
        }
    }
}

/// Checks the rows. `None` when something in them was reported.
pub fn check(reading: &Reading<'_>, package: &Checked) -> Option<Vec<Forbidden>> {
    let before = reading.found.borrow().len();
    let mut variables = Variables::of(Some(package));
    for (name, (span, used)) in &package.measures {
        if COMMON.contains(&name.as_str()) {
            let message = format!("`{name}` is a variable of every text and cannot name a measure");
            reading.error(span, message, "give the measure another name");
        }
        variables.add(name, used.as_ref().map(ProbeUse::shape));
    }
    let measures: BTreeSet<String> = package.measures.keys().cloned().collect();
    let mut reads = Reads::default();
    let rows = package.forbidden.iter().map(|raw| check_row(reading, raw, &variables, &measures, &mut reads));
    let rows: Vec<Option<Forbidden>> = rows.collect();
    check_twice(reading, &package.forbidden);
    if package.forbidden.is_empty() {
        let message = "the package has no [[forbidden]] row: its reports attest nothing";
        let diagnostic = Diagnostic {
            severity: crate::package::diagnostic::Severity::Warning,
            ..Diagnostic::whole_file(reading.file, message)
        };
        reading.report(diagnostic.help("add one row per forbidden action"));
    }
    for (name, (span, _)) in package
        .measures
        .iter()
        .filter(|_| reads.complete)
        .filter(|(name, _)| !reads.names.iter().any(|read| root(read) == *name))
    {
        let diagnostic = Diagnostic::warning(reading.file, span.clone(), format!("no row uses the measure `{name}`"));
        reading.report(diagnostic.help("name its facts in the measures of a [[forbidden]] row, or remove it"));
    }
    reads.names.iter().for_each(|name| package.names.note_used(name));
    let found = reading.found.borrow();
    let errors = found[before..].iter().any(|d| d.severity == crate::package::diagnostic::Severity::Error);
    if errors { None } else { rows.into_iter().collect() }
}

fn check_twice(reading: &Reading<'_>, rows: &[RawForbidden]) {
    let mut seen: BTreeMap<&str, &std::ops::Range<usize>> = BTreeMap::new();
    for id in rows.iter().filter_map(|row| row.id.as_ref()) {
        if let Some(first) = seen.insert(&id.value, &id.span) {
            let message = format!("two forbidden actions are called `{}`", id.value);
            let diagnostic = Diagnostic::error(reading.file, id.span.clone(), message);
            reading.report(diagnostic.related(reading.file, first.clone(), "the first").help("rename one of the two"));
        }
    }
}

fn check_row(
    reading: &Reading<'_>,
    raw: &RawForbidden,
    variables: &Variables,
    measures: &BTreeSet<String>,
    reads: &mut Reads,
) -> Option<Forbidden> {
    let id = raw.id.as_ref().filter(|id| check_kebab(reading, "a forbidden action", id));
    let remark = raw.remark.as_ref().map(|word| variables.text(reading, word, reads));
    let paths = raw.measures.iter().flat_map(|paths| &paths.value);
    let paths = paths.map(|word| {
        reads.names.insert(word.value.clone());
        variables.fact(reading, word, measures).then(|| word.value.clone())
    });
    let paths: Vec<Option<String>> = paths.collect();
    let informative = raw.informative.iter().flat_map(|paths| &paths.value).map(|word| {
        reads.names.insert(word.value.clone());
        variables.fact(reading, word, measures).then(|| word.value.clone())
    });
    let informative: Option<Vec<String>> = informative.collect();
    let others_write = check_others(reading, raw);
    let may_be_absent = among_the_measured(reading, raw, &raw.may_be_absent);
    let basis = raw.basis.as_ref().and_then(|word| {
        let Some(basis) = Basis::WORDS.iter().find(|known| **known == word.value) else {
            let message = format!("unknown basis `{}`", word.value);
            reading.error(&word.span, message, suggestion(&word.value, Basis::WORDS));
            return None;
        };
        check_keys(reading, raw, basis);
        if *basis == Basis::WORDS[0] {
            let paths = paths.into_iter().collect::<Option<Vec<_>>>()?;
            return (!paths.is_empty()).then_some(Basis::Measured(paths));
        }
        if *basis == Basis::WORDS[1] {
            return check_proof(reading, raw).map(Basis::Attributable);
        }
        raw.declared_by.as_ref().map(|who| Basis::Declared(who.value.clone()))
    });
    Some(Forbidden {
        id: id?.value.clone(),
        action: raw.action.as_ref()?.value.clone(),
        basis: basis?,
        others_write: others_write?,
        may_be_absent: may_be_absent?,
        informative: informative?,
        remark: remark.map_or(Some(None), |text| text.map(Some))?,
    })
}

/// What others write to is a part of what is measured: at least one fact must be equal, or the row could never say that
/// something changed.
fn check_others(reading: &Reading<'_>, raw: &RawForbidden) -> Option<Vec<String>> {
    let Some(others) = &raw.others_write else { return Some(Vec::new()) };
    let names = among_the_measured(reading, raw, &raw.others_write)?;
    if raw.measures.iter().flat_map(|paths| &paths.value).all(|path| names.contains(&path.value)) {
        let message = "others write to everything that this row measures, so that it could never say CHANGED";
        let help = "measure something as well that only a forbidden action changes, such as the rows of the target";
        reading.error(&others.span, message, help);
        return None;
    }
    Some(names)
}

/// Facts that are named once more, and must be among those that the row measures.
fn among_the_measured(reading: &Reading<'_>, raw: &RawForbidden, named: &Words) -> Option<Vec<String>> {
    let measured: Vec<&str> =
        raw.measures.iter().flat_map(|paths| &paths.value).map(|word| word.value.as_str()).collect();
    let mut sound = true;
    for word in named.iter().flat_map(|list| &list.value).filter(|word| !measured.contains(&word.value.as_str())) {
        let message = format!("`{}` is not among the `measures` of this row", word.value);
        reading.error(&word.span, message, suggestion(&word.value, measured.iter().copied()));
        sound = false;
    }
    sound.then(|| named.iter().flat_map(|list| &list.value).map(|word| word.value.clone()).collect())
}

/// Each basis has one key of its own, which must be given, and the others must not.
fn check_keys(reading: &Reading<'_>, raw: &RawForbidden, basis: &str) {
    let measures = raw.measures.as_ref().map(|list| (list.span.clone(), list.value.is_empty()));
    let [proof, declared_by] =
        [&raw.proof, &raw.declared_by].map(|word| word.as_ref().map(|word| (word.span.clone(), false)));
    let keys = [
        ("measured", "measures", "[\"surface.rows\"], the facts that must be equal before and after", measures),
        ("attributable", "proof", "\"output-scan\", or another proof", proof),
        ("declared", "declared_by", "\"who says so\"", declared_by),
    ];
    for (owner, key, hint, given) in keys {
        match given {
            None if owner == basis => {
                reading.error(&raw.header, format!("a {basis} row needs `{key}`"), format!("add {key} = {hint}"));
            }
            Some((span, true)) if owner == basis => {
                let help = format!("give {key} = {hint}; a row over nothing attests nothing");
                reading.error(&span, format!("`{key}` is empty"), help);
            }
            Some((span, _)) if owner != basis => {
                let message = format!("`{key}` belongs to a row whose basis is {owner}; this one is {basis}");
                reading.error(&span, message, format!("remove {key}, or write basis = \"{owner}\""));
            }
            None | Some(_) => {}
        }
    }
}

fn check_proof(reading: &Reading<'_>, raw: &RawForbidden) -> Option<Proof> {
    let word = raw.proof.as_ref()?;
    let proof = Proof::ALL.iter().copied().find(|proof| proof.word() == word.value);
    if proof.is_none() {
        let help = suggestion(&word.value, Proof::ALL.iter().map(|proof| proof.word()));
        reading.error(&word.span, format!("unknown proof `{}`", word.value), help);
    }
    proof
}

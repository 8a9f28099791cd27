//! From the file type of a gate to the checked type: references, probes, expressions, texts.
//!
//! Every part is checked even when another is wrong; what depends on a part that was reported is left out,
//! so that one mistake is reported once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::expr::{Expr, ExprProblem, ExprType, Scope, Text};
use super::file::{RawCheck, RawGate};
use super::{Check, Gate, Tier};
use crate::evidence::Shape;
use crate::package::diagnostic::{Diagnostic, suggestion};
use crate::package::{Checked, Located, Names, ProbeUse, Reading, SourceFile, TableAt, check_name, places};

/// Variables that every expression has.
pub const COMMON: [&str; 4] = ["now", "params", "paths", "pkg"];

/// A gate that was checked: the ids that other gates must not have, and the gate if nothing was wrong.
pub struct Outcome {
    /// The id and its place, if one was given.
    pub id: Option<Located<String>>,
    /// The gap that it closes.
    pub gap: Option<Located<String>>,
    /// Whether all of it was understood well enough to know what it reads.
    pub understood: bool,
    /// The gate; `None` when something was reported.
    pub gate: Option<Gate>,
}

/// The names that expressions read.
pub struct Reads {
    /// Dotted names, such as `keyring.certs`.
    pub names: BTreeSet<String>,
    /// Whether every expression was understood.
    pub complete: bool,
}

impl Default for Reads {
    fn default() -> Self {
        Self { names: BTreeSet::new(), complete: true }
    }
}

/// The variables of expressions: types of those that are known, and names of those whose definition was
/// reported as wrong, about which nothing more is said.
#[derive(Clone, Default)]
pub struct Variables {
    scope: Scope,
    opaque: BTreeSet<String>,
}

impl Variables {
    /// `now`, and what the package gives.
    pub fn of(package: Option<&Checked>) -> Self {
        let mut variables = Self::default();
        variables.scope.variables.insert("now".to_owned(), ExprType::Time);
        for name in COMMON.iter().filter(|name| **name != "now") {
            variables.add(name, package.and_then(|package| package.variables.get(name).cloned().flatten()));
        }
        variables
    }

    /// A variable with its shape, or one whose shape is not known.
    pub fn add(&mut self, name: &str, shape: Option<Shape>) {
        match shape {
            Some(shape) => drop(self.scope.variables.insert(name.to_owned(), ExprType::from(&shape))),
            None => drop(self.opaque.insert(name.to_owned())),
        }
    }

    /// Whether what is read can be checked.
    fn clear(&self, reads: &BTreeSet<String>) -> bool {
        !reads.iter().any(|name| self.opaque.contains(root(name)))
    }

    /// A text with its quotations checked, noting the names that it reads.
    pub fn text(&self, reading: &Reading<'_>, word: &Located<String>, reads: &mut Reads) -> Option<Text> {
        let text = Text::parse(&word.value).map_err(|problems| report(reading, word, problems)).ok();
        reads.complete &= text.is_some();
        let text = text?;
        let names = text.reads();
        reads.names.extend(names.iter().cloned());
        if self.clear(&names) {
            text.check(&self.scope).map_err(|problems| report(reading, word, problems)).ok()?;
        }
        Some(text)
    }

    fn rule(&self, reading: &Reading<'_>, word: &Located<String>, reads: &mut Reads) -> Option<Expr> {
        let expr = Expr::parse(&word.value).map_err(|problems| report(reading, word, problems)).ok();
        reads.complete &= expr.is_some();
        let expr = expr?;
        let names = expr.reads();
        reads.names.extend(names.iter().cloned());
        if names.is_empty() {
            let help = "let it read a fact of a probe";
            reading.error(&word.span, "this rule reads nothing, so that it says nothing", help);
            return None;
        }
        if !self.clear(&names) {
            return None;
        }
        match expr.check(&self.scope) {
            Ok(ExprType::Bool) => Some(expr),
            Ok(other) => {
                let message = format!("`require` is {}, not a boolean", other.name());
                let diagnostic = Diagnostic::error(reading.file, word.span.clone(), message);
                reading.report(diagnostic.help("compare it with something, so that it holds or does not"));
                None
            }
            Err(problems) => {
                report(reading, word, problems);
                None
            }
        }
    }

    /// An expression for the places that a failure speaks of.
    fn locations(&self, reading: &Reading<'_>, word: &Located<String>, reads: &mut Reads) -> Option<Expr> {
        let expr = Expr::parse(&word.value).map_err(|problems| report(reading, word, problems)).ok();
        reads.complete &= expr.is_some();
        let expr = expr?;
        let names = expr.reads();
        reads.names.extend(names.iter().cloned());
        if !self.clear(&names) {
            return None;
        }
        match expr.check(&self.scope) {
            Ok(found) if super::location::fits(&found) => Some(expr),
            Ok(other) => {
                let message = format!("`at` is {}, not a list of places", other.name());
                let diagnostic = Diagnostic::error(reading.file, word.span.clone(), message);
                reading.report(diagnostic.help("name a list of records with path, line and message"));
                None
            }
            Err(problems) => {
                report(reading, word, problems);
                None
            }
        }
    }

    /// A path to a fact of a probe, such as `keyring.certs`.
    pub fn fact(&self, reading: &Reading<'_>, word: &Located<String>, probes: &BTreeSet<String>) -> bool {
        let first = root(&word.value);
        if !probes.contains(first) {
            let message = format!("`{}` names no fact: nothing that is read here is called `{first}`", word.value);
            reading.error(&word.span, message, suggestion(first, probes.iter().map(String::as_str)));
            return false;
        }
        if self.opaque.contains(first) {
            return true;
        }
        match self.scope.type_at(&word.value) {
            Ok(_) => true,
            Err((message, help)) => {
                let help = if help.is_empty() { "name the whole of it".to_owned() } else { help };
                reading.error(&word.span, message, help);
                false
            }
        }
    }
}

/// The variable of a dotted name.
pub fn root(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn report(reading: &Reading<'_>, word: &Located<String>, problems: Vec<ExprProblem>) {
    for problem in problems {
        let span = reading.within(&word.span, problem.start..problem.end);
        // CEL's own message does not say what to write instead.
        let reserved = problem.message.contains("reserved identifier: package");
        let problem = if reserved {
            ExprProblem { help: "the texts of [package] are called pkg here: pkg.host".to_owned(), ..problem }
        } else {
            problem
        };
        reading.report(Diagnostic::error(reading.file, span, problem.message).help(problem.help));
    }
}

/// Checks one gate file against its package; `package` is `None` when that could not be read.
pub fn check(reading: Reading<'_>, source: &SourceFile, package: Option<&Checked>) -> Outcome {
    let Some(table) = reading.parse() else { return Outcome { id: None, gap: None, understood: false, gate: None } };
    let before = reading.found.borrow().len();
    // The table lives as long as this function; what leaves it is owned.
    let reading = Reading { ..reading };
    let raw = RawGate::read(reading, TableAt { table: &table, header: 0..0 });
    check_id(&reading, source, raw.id.as_ref());
    check_references(&reading, &raw, package);
    let no_names = Names::default();
    let names = package.map_or(&no_names, |package| &package.names);
    let mut variables = Variables::of(package);
    let mut probes = BTreeMap::new();
    let mut named = BTreeSet::new();
    for (name, at) in &raw.probes {
        if check_probe_name(&reading, name) {
            named.insert(name.value.as_str());
        }
        let used = match (at, package) {
            (Some(at), Some(_)) => ProbeUse::read(&reading, &format!("[probe.{}]", name.value), at, names),
            // Without a package no reference can be filled in.
            (Some(_), None) | (None, _) => None,
        };
        variables.add(&name.value, used.as_ref().map(ProbeUse::shape));
        probes.insert(name.value.clone(), used);
    }
    let probe_names: BTreeSet<String> = probes.keys().cloned().collect();
    let mut reads = Reads::default();
    let remedy = raw.remedy.as_ref().map(|word| variables.text(&reading, word, &mut reads));
    let closed_text = raw.closed_text.as_ref().map(|word| variables.text(&reading, word, &mut reads));
    // What only the remedy reads does not make a probe used: no check would judge it.
    let mut judged = Reads::default();
    let checks: Vec<Option<Check>> =
        raw.checks.iter().map(|raw| check_check(&reading, raw, &variables, &probe_names, &mut judged)).collect();
    check_set(&reading, &raw, &probe_names);
    let used = |name: &str| judged.names.iter().any(|read| root(read) == name);
    let unused = raw.probes.iter().filter(|(name, _)| named.contains(name.value.as_str()) && !used(&name.value));
    for (name, _) in unused.filter(|_| judged.complete && raw.checks_read) {
        let help = format!("let a check read {}.…, or remove the probe", name.value);
        reading.error(&name.span, format!("no check uses the probe `{}`", name.value), help);
    }
    for name in judged.names.iter().chain(&reads.names) {
        names.note_used(name);
    }
    let clean = reading.found.borrow().len() == before;
    let gate = (|| {
        Some(Gate {
            id: raw.id.as_ref()?.value.clone(),
            gap: raw.gap.as_ref()?.value.clone(),
            stage: raw.stage.as_ref()?.value.clone(),
            title: raw.title.as_ref()?.value.clone(),
            blocked_criterion: raw.blocked_criterion.as_ref().map(|word| word.value.clone()),
            remedy: remedy??,
            closed_text: closed_text.map_or(Some(None), |text| text.map(Some))?,
            probes: probes.into_iter().map(|(name, used)| Some((name, used?))).collect::<Option<_>>()?,
            checks: checks.into_iter().collect::<Option<_>>()?,
            file: source.name.clone(),
            places: places(&table),
        })
    })();
    let understood = judged.complete && reads.complete && raw.checks_read;
    Outcome { gate: gate.filter(|_| clean), understood, id: raw.id, gap: raw.gap }
}

/// An id in kebab-case: small letters and digits in words joined by single dashes, beginning with a letter.
pub fn check_kebab(reading: &Reading<'_>, what: &str, id: &Located<String>) -> bool {
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good = id.value.split('-').all(word) && id.value.starts_with(|c: char| c.is_ascii_lowercase());
    if !good {
        let message = format!("the id `{}` of {what} is not in kebab-case", id.value);
        let near: String =
            id.value.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
        reading.error(&id.span, message, format!("write \"{}\"", near.trim_matches('-')));
    }
    good
}

fn check_id(reading: &Reading<'_>, source: &SourceFile, id: Option<&Located<String>>) {
    let Some(id) = id else { return };
    if check_kebab(reading, "a gate", id) && id.value != source.stem() {
        let message = format!("the id `{}` is not the stem of the file's name", id.value);
        let help = format!("rename the file to {}.toml, or write id = \"{}\"", id.value, source.stem());
        reading.error(&id.span, message, help);
    }
}

fn check_references(reading: &Reading<'_>, raw: &RawGate<'_>, package: Option<&Checked>) {
    let Some(package) = package else { return };
    let gap = raw.gap.as_ref().filter(|gap| {
        let known = || package.gaps.iter().map(|(id, _)| id.value.as_str());
        let alias = package.gaps.iter().find(|(_, aliases)| aliases.contains(&gap.value));
        match alias {
            _ if known().any(|id| id == gap.value) => return true,
            Some((id, _)) => {
                let message = format!("`{}` is an alias of the gap {}", gap.value, id.value);
                reading.error(&gap.span, message, format!("write gap = \"{}\"", id.value));
            }
            None => {
                let message = format!("the package has no gap `{}`", gap.value);
                reading.error(&gap.span, message, suggestion(&gap.value, known()));
            }
        }
        false
    });
    let stages = || package.stages.iter().map(|stage| stage.value.as_str());
    if let Some(stage) = raw.stage.as_ref().filter(|stage| !stages().any(|id| id == stage.value)) {
        let message = format!("the package has no stage `{}`", stage.value);
        reading.error(&stage.span, message, suggestion(&stage.value, stages()));
    }
    let Some(words) = &raw.blocked_criterion else { return };
    let criterion = package.criteria.iter().find(|(known, _)| known.value == words.value);
    match (criterion, gap) {
        (None, _) => {
            let known = package.criteria.iter().map(|(known, _)| known.value.as_str());
            reading.error(&words.span, "the package has no such criterion", suggestion(&words.value, known));
        }
        (Some((known, gaps)), Some(gap)) if !gaps.contains(&gap.value) => {
            let message = format!("this criterion does not stand for {}", gap.value);
            let diagnostic = Diagnostic::error(reading.file, words.span.clone(), message);
            let diagnostic = diagnostic.related(crate::package::PACKAGE_FILE, known.span.clone(), "the criterion");
            reading.report(diagnostic.help(format!("add \"{}\" to its gaps, or name another criterion", gap.value)));
        }
        (Some(_), _) => {}
    }
}

fn check_probe_name(reading: &Reading<'_>, name: &Located<String>) -> bool {
    if COMMON.contains(&name.value.as_str()) {
        let message = format!("`{}` is a variable of every gate and cannot name a probe", name.value);
        reading.error(&name.span, message, "give the probe another name");
        return false;
    }
    check_name(reading, "probe", name)
}

/// What a set of checks must have.
fn check_set(reading: &Reading<'_>, raw: &RawGate<'_>, probes: &BTreeSet<String>) {
    if !raw.checks_read {
        return;
    }
    let at = raw.id.as_ref().map_or(0..0, |id| id.span.clone());
    if raw.checks.is_empty() {
        reading.error(&at, "the gate has no check", "add a [[check]]; a gate without one says nothing");
        return;
    }
    let essential = |check: &&RawCheck| check.tier.as_ref().is_none_or(|tier| tier.value != Tier::Completing.word());
    let mut essentials = raw.checks.iter().filter(essential).peekable();
    if essentials.peek().is_none() {
        let help = "give a check tier = \"essential\": without one the gate could close on nothing";
        reading.error(&at, "the gate has no essential check", help);
    } else if probes.is_empty() {
        reading.error(&at, "the gate has no probe", "add a [probe.<name>]: a gate judges what was read");
    }
    let mut seen: BTreeMap<&str, &Range<usize>> = BTreeMap::new();
    for id in raw.checks.iter().filter_map(|check| check.id.as_ref()) {
        if let Some(first) = seen.insert(&id.value, &id.span) {
            let diagnostic =
                Diagnostic::error(reading.file, id.span.clone(), format!("two checks are called `{}`", id.value));
            let diagnostic = diagnostic.related(reading.file, first.clone(), "the first");
            reading.report(diagnostic.help("rename one of the two"));
        }
    }
}

fn check_check(
    reading: &Reading<'_>,
    raw: &RawCheck,
    variables: &Variables,
    probes: &BTreeSet<String>,
    reads: &mut Reads,
) -> Option<Check> {
    let id = raw.id.as_ref().filter(|id| check_kebab(reading, "a check", id));
    let tier = raw.tier.as_ref().and_then(|word| {
        let tier = Tier::ALL.iter().copied().find(|tier| tier.word() == word.value);
        if tier.is_none() {
            let help = suggestion(&word.value, Tier::ALL.iter().map(|tier| tier.word()));
            reading.error(&word.span, format!("unknown tier `{}`", word.value), help);
        }
        tier
    });
    let require = raw.require.as_ref().and_then(|word| variables.rule(reading, word, reads));
    let otherwise = raw.otherwise.as_ref().and_then(|word| variables.text(reading, word, reads));
    let next = raw.next.as_ref().map(|word| variables.text(reading, word, reads));
    let at = raw.at.as_ref().map(|word| variables.locations(reading, word, reads));
    let cites = raw.cites.iter().flat_map(|cites| &cites.value);
    let cites = cites.map(|word| {
        reads.names.insert(word.value.clone());
        variables.fact(reading, word, probes).then(|| word.value.clone())
    });
    let cites: Vec<Option<String>> = cites.collect();
    Some(Check {
        id: id?.value.clone(),
        tier: tier?,
        require: require?,
        otherwise: otherwise?,
        next: next.map_or(Some(None), |text| text.map(Some))?,
        at: at.map_or(Some(None), |expr| expr.map(Some))?,
        cites: cites.into_iter().collect::<Option<_>>()?,
    })
}

//! A package with its gates as a whole: read the files, check all of them, and give either everything or
//! every problem.
//!
//! [`load`] reads and calls [`check`]; `check` is a function of the files' text and can be called with
//! recorded ones.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::{Forbidden, Gate, RequestRules, WaiverRules, attestation, check as gate_check, request, selection};
use crate::package::diagnostic::{Diagnostic, Problems, Severity, suggestion};
use crate::package::{self, Checked, Located, PACKAGE_FILE, Package, Reading, SourceFile, Sources};
use crate::probes::Place;

/// A package that is in order, with its gates.
#[derive(Debug)]
pub struct Loaded {
    /// The package.
    pub package: Package,
    /// The gates in force, in the order of their stages and then by id; at least one.
    pub gates: Vec<Gate>,
    /// The rows of the attestation, in the order of the file.
    pub forbidden: Vec<Forbidden>,
    /// What a run is requested with; `None` where the package has no `[request]`.
    pub request: Option<RequestRules>,
    /// The gates that each profile judges, by its name.
    pub profiles: BTreeMap<String, Vec<String>>,
    /// What may be waived; `None` where the package lets nobody waive.
    pub waivers: Option<WaiverRules>,
    /// What is most likely not meant; rendered as problems are.
    pub warnings: Problems,
    /// The exact bytes of the package file and of each gate in force, by logical name: what a lock pins,
    /// and what [`Sources::recorded`] takes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Where the package's paths lie on this machine.
    pub place: Place,
}

/// Reads and checks a package file and its gates.
///
/// # Errors
/// Every problem in every file, sorted.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    check(&Sources::read(path))
}

/// Checks the files of a package, reading nothing.
///
/// # Errors
/// Every problem in every file, sorted.
pub fn check(sources: &Sources) -> Result<Loaded, Problems> {
    let found = RefCell::new(Vec::new());
    let report = |diagnostic: Diagnostic| found.borrow_mut().push(diagnostic);
    if let Some(unlisted) = &sources.unlisted {
        report(Diagnostic::whole_file("gates", &unlisted.message).help(&unlisted.help));
    }
    let text = readable(&sources.package, &found);
    let package = text.and_then(|text| package::check(Reading { file: PACKAGE_FILE, text, found: &found }));
    let in_force = gates_in_force(sources, package.as_ref(), &found);
    let outcomes = outcomes(&in_force, package.as_ref(), &found);
    // What could not be understood may read anything and close any gap: then nothing is said about parameters
    // that nothing reads and gaps that no gate closes.
    let understood = outcomes.len() == in_force.len() && outcomes.iter().all(|(_, outcome)| outcome.understood);
    check_gate_set(&outcomes, package.as_ref(), understood, &found);
    let forbidden = package.as_ref().zip(text).and_then(|(package, text)| {
        let reading = Reading { file: PACKAGE_FILE, text, found: &found };
        let rows = attestation::check(&reading, package);
        // Names are complete only now: gates and rows have noted what they read.
        if understood {
            warn_unread(&reading, package);
        }
        rows
    });
    let request = package.as_ref().zip(text).and_then(|(package, text)| {
        let reading = Reading { file: PACKAGE_FILE, text, found: &found };
        let known = |id: &str| in_force.iter().any(|source| source.stem() == id);
        let gates: Vec<&Gate> = outcomes.iter().filter_map(|(_, outcome)| outcome.gate.as_ref()).collect();
        request::check(&reading, package.request.as_ref()?, package, &gates, &known)
    });
    let ids: Vec<&str> = in_force.iter().map(|source| source.stem()).collect();
    let selected = package.as_ref().zip(text).map(|(package, text)| {
        let reading = Reading { file: PACKAGE_FILE, text, found: &found };
        (selection::profiles(&reading, package, &ids), selection::waiver_rules(&reading, package, &ids))
    });
    let (profiles, waivers) = selected.unwrap_or_default();
    let found = found.into_inner();
    let shown = if found.is_empty() { BTreeMap::new() } else { sources.shown() };
    let problems = Problems::new(found, shown);
    let package = package.and_then(|package| package.package);
    match (package, forbidden) {
        (Some(package), Some(forbidden)) if problems.count(Severity::Error) == 0 => {
            let order = |gate: &Gate| package.stages.iter().position(|stage| stage.id == gate.stage);
            let mut gates: Vec<Gate> = outcomes.into_iter().filter_map(|(_, outcome)| outcome.gate).collect();
            gates.sort_by_key(|gate| (order(gate), gate.id.clone()));
            let files = std::iter::once(&sources.package).chain(in_force);
            let bytes = |file: &SourceFile| Some((file.name.clone(), file.text.as_ref().ok()?.clone().into_bytes()));
            let root = package.root.as_ref().map(|root| sources.dir.join(root));
            let place = Place { package_dir: sources.dir.clone(), root };
            Ok(Loaded {
                files: files.filter_map(bytes).collect(),
                package,
                gates,
                forbidden,
                request,
                profiles,
                waivers,
                warnings: problems,
                place,
            })
        }
        _ => Err(problems),
    }
}

/// So many gates are checked on one thread; more are worth several.
const ALONE: usize = 16;

/// The stack of a thread that checks gates: what a main thread has, for parsing recurses.
const STACK: usize = 8 << 20;

/// Checks every gate that can be read, each for itself; the outcomes are in the order of the files.
fn outcomes<'a>(
    in_force: &[&'a SourceFile],
    package: Option<&Checked>,
    found: &RefCell<Vec<Diagnostic>>,
) -> Vec<(&'a SourceFile, gate_check::Outcome)> {
    let check = |source: &&'a SourceFile| {
        let own = RefCell::new(Vec::new());
        let outcome = readable(source, &own).map(|text| {
            let reading = Reading { file: &source.name, text, found: &own };
            (*source, gate_check::check(reading, source, package))
        });
        (outcome, own.into_inner())
    };
    let several = || rayon::ThreadPoolBuilder::new().stack_size(STACK).build().ok();
    let pool = (in_force.len() > ALONE).then(several).flatten();
    let checked: Vec<(Option<_>, Vec<Diagnostic>)> = match pool {
        Some(pool) => pool.install(|| in_force.par_iter().map(check).collect()),
        None => in_force.iter().map(check).collect(),
    };
    let mut outcomes = Vec::with_capacity(checked.len());
    for (outcome, diagnostics) in checked {
        found.borrow_mut().extend(diagnostics);
        outcomes.extend(outcome);
    }
    outcomes
}

fn readable<'a>(source: &'a SourceFile, found: &RefCell<Vec<Diagnostic>>) -> Option<&'a str> {
    match &source.text {
        Ok(text) => Some(text),
        Err(unreadable) => {
            let diagnostic = Diagnostic::whole_file(&source.name, &unreadable.message);
            found.borrow_mut().push(diagnostic.help(&unreadable.help));
            None
        }
    }
}

/// The gate files in force: those that the package lists, or all. Which stock gates a package means that cannot be
/// understood, or has no gap that they could close, is not known: then nothing is said about them.
fn gates_in_force<'a>(
    sources: &'a Sources,
    package: Option<&Checked>,
    found: &RefCell<Vec<Diagnostic>>,
) -> Vec<&'a SourceFile> {
    let all: Vec<&SourceFile> = sources.gates.iter().collect();
    let Some(listed) = package.and_then(|package| package.gates.as_ref()) else {
        let homeless = package.map_or_else(Vec::new, |package| homeless(&all, package));
        if !homeless.is_empty() {
            let own: Vec<_> = all.iter().filter(|source| !source.is_stock()).map(|source| source.stem()).collect();
            let message =
                format!("all stock gates are in force, and the package has no gap for {}", homeless.join(", "));
            let help = format!("say which gates are meant, in [package]: gates = {own:?}");
            found.borrow_mut().push(Diagnostic::whole_file(PACKAGE_FILE, message).help(help));
        }
        let stock = homeless.is_empty() && package.is_some_and(|package| !package.gaps.is_empty());
        return all.into_iter().filter(|source| stock || !source.is_stock()).collect();
    };
    let mut seen: BTreeMap<&str, &Located<String>> = BTreeMap::new();
    for name in &listed.value {
        if !all.iter().any(|source| source.stem() == name.value) {
            let message = format!("there is no gate `{}`", name.value);
            let help = suggestion(&name.value, all.iter().map(|source| source.stem()));
            found.borrow_mut().push(Diagnostic::error(PACKAGE_FILE, name.span.clone(), message).help(help));
        }
        if let Some(first) = seen.insert(&name.value, name) {
            let message = format!("the gate `{}` is listed twice", name.value);
            let diagnostic = Diagnostic::error(PACKAGE_FILE, name.span.clone(), message);
            let diagnostic = diagnostic.related(PACKAGE_FILE, first.span.clone(), "the first");
            found.borrow_mut().push(diagnostic.help("remove one of the two"));
        }
    }
    for source in all.iter().filter(|source| !source.is_stock() && !seen.contains_key(source.stem())) {
        let message = format!("the gate file {} is not in force", source.name);
        let diagnostic = Diagnostic::warning(PACKAGE_FILE, listed.span.clone(), message);
        found.borrow_mut().push(diagnostic.help(format!("add \"{}\" to the list, or remove the file", source.stem())));
    }
    all.into_iter().filter(|source| seen.contains_key(source.stem())).collect()
}

/// The stock gates that close a gap which the package does not have. Where there is one, the package was not written for the
/// stock gates, and what else does not fit in them need not be said.
fn homeless<'a>(all: &[&'a SourceFile], package: &Checked) -> Vec<&'a str> {
    let gap = |source: &SourceFile| {
        let table = source.text.as_ref().ok()?.parse::<toml::Table>().ok()?;
        Some(table.get("gap")?.as_str()?.to_owned())
    };
    let known = |gap: &str| package.gaps.is_empty() || package.gaps.iter().any(|(id, _)| id.value == gap);
    let stock = all.iter().filter(|source| source.is_stock());
    stock.filter(|source| gap(source).is_some_and(|gap| !known(&gap))).map(|source| source.stem()).collect()
}

/// What must hold of the gates together: some, each id once, each gap closed by exactly one.
fn check_gate_set(
    outcomes: &[(&SourceFile, gate_check::Outcome)],
    package: Option<&Checked>,
    understood: bool,
    found: &RefCell<Vec<Diagnostic>>,
) {
    let report = |diagnostic: Diagnostic| found.borrow_mut().push(diagnostic);
    let twice = |what: &str, of: fn(&gate_check::Outcome) -> Option<&Located<String>>, help: &str| {
        let mut seen: BTreeMap<&str, (&SourceFile, &Located<String>)> = BTreeMap::new();
        for (source, name) in outcomes.iter().filter_map(|(source, outcome)| Some((source, of(outcome)?))) {
            if let Some((first, at)) = seen.get(name.value.as_str()) {
                let diagnostic =
                    Diagnostic::error(&source.name, name.span.clone(), format!("two gates {what} `{}`", name.value));
                report(diagnostic.related(&first.name, at.span.clone(), "the first").help(help));
            } else {
                seen.insert(&name.value, (source, name));
            }
        }
    };
    twice("have the id", |outcome| outcome.id.as_ref(), "rename one of the two, file and id");
    twice("close the gap", |outcome| outcome.gap.as_ref(), "make one gate of the two, or give one another gap");
    let Some(package) = package else { return };
    if outcomes.is_empty() {
        let diagnostic = Diagnostic::whole_file(PACKAGE_FILE, "the package has no gates");
        report(diagnostic.help("write gates/<id>.toml, or name stock gates: gates = [\"…\"] in [package]"));
    }
    let known = |gap: &Located<String>| package.gaps.iter().any(|(id, _)| id.value == gap.value);
    let all_known = outcomes.iter().all(|(_, outcome)| outcome.gap.as_ref().is_some_and(known));
    if outcomes.is_empty() || !understood || !all_known {
        return;
    }
    let closed = |gap: &str| outcomes.iter().any(|(_, outcome)| outcome.gap.as_ref().is_some_and(|at| at.value == gap));
    for (gap, _) in package.gaps.iter().filter(|(gap, _)| !closed(&gap.value)) {
        let diagnostic = Diagnostic::error(PACKAGE_FILE, gap.span.clone(), format!("no gate closes {}", gap.value));
        report(diagnostic.help(format!("write a gate with gap = \"{}\", or remove the gap", gap.value)));
    }
}

fn warn_unread(reading: &Reading<'_>, package: &Checked) {
    for entry in package.entries.iter().filter(|entry| !package.names.is_used(&entry.value)) {
        let diagnostic =
            Diagnostic::warning(reading.file, entry.span.clone(), format!("nothing reads {}", entry.value));
        reading.report(diagnostic.help("use it, or remove it"));
    }
}

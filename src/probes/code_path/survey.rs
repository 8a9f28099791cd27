//! What the texts of a tree say about themselves: labels, documentation of simulators, modules that
//! would write and that nobody calls. None of it proves anything; it is for the report.

use std::collections::BTreeSet;

use regex::Regex;

use super::interp::Interp;
use super::model::{Const, ExprKind, Module, Stmt, StmtKind, Target};
use super::patterns::{Glob, any_matches};
use super::tree::{SourceFile, Tree};
use super::value::{ModuleId, Spot, Value};

/// A version label.
#[derive(Debug)]
pub struct Label {
    /// The variable's name, or `__doc__`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Where.
    pub spot: Spot,
}

/// Something with a documentation text.
#[derive(Debug)]
pub struct Documented {
    /// Its dotted name.
    pub name: String,
    /// Its documentation; empty where there is none.
    pub doc: String,
    /// Where.
    pub spot: Spot,
}

const LABELS: &[&str] = &[
    "__version__",
    "__milestone__",
    "__release__",
    "__status__",
    "VERSION",
    "MILESTONE",
    "RELEASE",
    "INTERNAL_MILESTONE",
];

/// Labels longer than this are not labels.
const LABEL_LENGTH: usize = 400;

/// The version labels of the files that can matter, in their order.
pub fn labels(tree: &Tree) -> Vec<Label> {
    let spoken = Regex::new(r"(?i)\b(milestone|version)\b").expect("invariant: the expression is constant and valid");
    let mut labels = Vec::new();
    for (id, file) in tree.concerned() {
        let Ok(text) = &file.text else { continue };
        let wanted = LABELS.iter().any(|name| file.may_hold(name) && file.scan().bound.contains(*name))
            || (file.is_package && spoken.is_match(text));
        if !wanted {
            continue;
        }
        let Ok(module) = file.parsed() else { continue };
        let doc = module.doc.as_ref().filter(|doc| spoken.is_match(doc));
        labels.extend(doc.map(|doc| Label {
            name: "__doc__".to_owned(),
            text: doc.chars().take(LABEL_LENGTH).collect(),
            spot: Spot { module: id, at: 0 },
        }));
        labels.extend(module.body.iter().filter_map(|stmt| label(stmt, id)));
    }
    labels
}

fn label(stmt: &Stmt, module: ModuleId) -> Option<Label> {
    let (target, value) = match &stmt.kind {
        StmtKind::Assign(targets, value) => (targets.first()?, value),
        StmtKind::Declare(target, _, Some(value)) => (target, value),
        _ => return None,
    };
    match (target, &value.kind) {
        (Target::Name(name), ExprKind::Const(Const::Text(text))) if LABELS.contains(&&**name) => Some(Label {
            name: name.to_string(),
            text: text.chars().take(LABEL_LENGTH).collect(),
            spot: Spot { module, at: stmt.at },
        }),
        _ => None,
    }
}

/// Classes and functions of the tree, tests aside, that match a simulator's pattern; a method speaks for its
/// class. In the order of the files.
pub fn simulators(tree: &Tree, patterns: &[Glob]) -> Vec<Documented> {
    let mut found: Vec<Documented> = Vec::new();
    for (id, file, definitions) in likely(tree, patterns) {
        for definition in &definitions {
            let matching = any_matches(patterns, &definition.name)
                || definitions
                    .iter()
                    .any(|other| other.class == Some(definition.at) && any_matches(patterns, &other.name));
            let method = definition.class.is_some();
            if matching && !method && !file.is_test {
                let spot = Spot { module: id, at: definition.at };
                found.push(Documented { name: definition.name.clone(), doc: definition.doc.clone(), spot });
            }
        }
    }
    found
}

/// Classes whose methods match a sink's pattern and were entered on a live path.
pub fn live_discoverers(interp: &Interp<'_>, sinks: &[Glob], entered: &BTreeSet<(ModuleId, u32)>) -> Vec<String> {
    let called = |class: &super::interp::ClassInfo| {
        class.members.iter().any(|(name, value)| match value {
            Value::Function(closure) => {
                any_matches(sinks, &format!("{}.{name}", class.name))
                    && entered.contains(&(closure.module, closure.function.at))
            }
            _ => false,
        })
    };
    let names: BTreeSet<String> =
        interp.classes().iter().filter(|class| called(class)).map(|class| class.name.to_string()).collect();
    names.into_iter().collect()
}

/// Modules that define something that matches a sink's pattern and that no phase leads to.
pub fn unwired(tree: &Tree, interp: &Interp<'_>, sinks: &[Glob], entries: &[ModuleId]) -> Vec<(String, Spot)> {
    let reached = reached(interp, entries);
    let unreached = likely(tree, sinks).into_iter().filter(|(id, ..)| !reached.contains(id));
    let matching = unreached.filter_map(|(id, file, definitions)| {
        let first = definitions.into_iter().find(|definition| any_matches(sinks, &definition.name))?;
        Some((file.module.clone(), Spot { module: id, at: first.at }))
    });
    matching.collect()
}

/// Something that a module defines.
struct Definition {
    /// Its dotted name.
    name: String,
    /// Where.
    at: u32,
    /// Its documentation.
    doc: String,
    /// Where the class stands that it is a method of.
    class: Option<u32>,
}

/// The files, tests aside, that define a name in which one of the globs may end, with what they define.
fn likely<'t>(tree: &'t Tree, globs: &[Glob]) -> Vec<(ModuleId, &'t SourceFile, Vec<Definition>)> {
    let mut found = Vec::new();
    for (id, file) in tree.concerned() {
        // A glob ends in the last part of a name, or in how it begins: a cheap look before parsing.
        let likely = globs.iter().any(|glob| match glob.last_part() {
            Some(name) => file.may_hold(name) && file.scan().defined.contains(name),
            None => match glob.last_stem() {
                "" => glob.may_match_in(&file.module),
                stem => {
                    file.text.as_ref().is_ok_and(|text| text.contains(stem))
                        && file.scan().defined.iter().any(|name| name.starts_with(stem))
                }
            },
        });
        if !likely {
            continue;
        }
        let Ok(module) = file.parsed() else { continue };
        let mut definitions = Vec::new();
        defined(module, &file.module, &mut definitions);
        found.push((id, file, definitions));
    }
    found
}

fn reached(interp: &Interp<'_>, entries: &[ModuleId]) -> BTreeSet<ModuleId> {
    let mut reached = BTreeSet::new();
    let mut work = entries.to_vec();
    while let Some(module) = work.pop() {
        if reached.insert(module) {
            work.extend(interp.imports_of(module));
        }
    }
    reached
}

fn defined(module: &Module, name: &str, out: &mut Vec<Definition>) {
    let mut work: Vec<(&Stmt, String, Option<u32>)> =
        module.body.iter().rev().map(|stmt| (stmt, name.to_owned(), None)).collect();
    while let Some((stmt, prefix, class)) = work.pop() {
        match &stmt.kind {
            StmtKind::Function(function) => out.push(Definition {
                name: format!("{prefix}.{}", function.name),
                at: function.at,
                doc: function.doc.clone().unwrap_or_default(),
                class,
            }),
            StmtKind::Class(inner) => {
                let name = format!("{prefix}.{}", inner.name);
                let doc = inner.doc.clone().unwrap_or_default();
                work.extend(inner.body.iter().rev().map(|stmt| (stmt, name.clone(), Some(inner.at))));
                out.push(Definition { name, at: inner.at, doc, class });
            }
            _ => {}
        }
    }
}

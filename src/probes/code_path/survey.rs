//! What the texts of a tree say about themselves: labels, documentation of simulators, modules that
//! would write and that nobody calls. None of it proves anything; it is for the report.

use std::collections::BTreeSet;

use regex::Regex;

use super::interp::Interp;
use super::model::{Const, ExprKind, Module, Stmt, StmtKind, Target};
use super::patterns::{Glob, any_matches};
use super::state::Home;
use super::tree::Tree;
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
    /// The first two lines of its documentation; empty where there is none.
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

/// The version labels of a tree, tests aside, in the order of the files.
pub fn labels(tree: &Tree) -> Vec<Label> {
    let spoken = Regex::new(r"(?i)\b(milestone|version)\b").expect("invariant: the expression is constant and valid");
    let mut labels = Vec::new();
    for (index, file) in tree.files.iter().enumerate() {
        let Ok(text) = &file.text else { continue };
        let wanted =
            LABELS.iter().any(|name| file.scan.bound.contains(*name)) || (file.is_package && spoken.is_match(text));
        if file.is_test || !wanted {
            continue;
        }
        let Ok(module) = file.parsed() else { continue };
        let id = ModuleId(index);
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

/// Classes and functions, among the modules that the phases load, that match a simulator's pattern.
pub fn simulators(interp: &Interp<'_>, patterns: &[Glob]) -> Vec<Documented> {
    let mut found: Vec<Documented> = Vec::new();
    for class in interp.classes() {
        let methods = class.members.iter().filter(|(_, value)| matches!(value, Value::Function(_)));
        let mut names = methods.map(|(name, _)| format!("{}.{name}", class.name));
        if any_matches(patterns, &class.name) || names.any(|name| any_matches(patterns, &name)) {
            found.push(Documented {
                name: class.name.to_string(),
                doc: class.definition.doc.clone().unwrap_or_default(),
                spot: Spot { module: class.module, at: class.definition.at },
            });
        }
    }
    for ((home, _), value) in &interp.base.base().globals {
        if let (Home::Module(module), Value::Function(closure)) = (home, value)
            && closure.module == *module
            && any_matches(patterns, &closure.name)
        {
            found.push(Documented {
                name: closure.name.to_string(),
                doc: closure.function.doc.clone().unwrap_or_default(),
                spot: Spot { module: *module, at: closure.function.at },
            });
        }
    }
    found.sort_by(|a, b| (a.spot, &a.name).cmp(&(b.spot, &b.name)));
    found.dedup_by(|a, b| a.spot == b.spot);
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
    let mut found = Vec::new();
    for (index, file) in tree.files.iter().enumerate() {
        let id = ModuleId(index);
        if file.is_test || reached.contains(&id) {
            continue;
        }
        // A glob ends in the last part of a name, unless it ends in a star: a cheap look before parsing.
        let likely = sinks.iter().any(|glob| match glob.last_part() {
            Some(name) => file.scan.defined.contains(name),
            None => glob.may_match_in(&file.module),
        });
        if !likely {
            continue;
        }
        let Ok(module) = file.parsed() else { continue };
        let mut names = Vec::new();
        defined(module, &file.module, &mut names);
        let first = names.into_iter().find(|(name, _)| any_matches(sinks, name));
        found.extend(first.map(|(_, at)| (file.module.clone(), Spot { module: id, at })));
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

fn defined(module: &Module, name: &str, out: &mut Vec<(String, u32)>) {
    let mut work: Vec<(&Stmt, String)> = module.body.iter().rev().map(|stmt| (stmt, name.to_owned())).collect();
    while let Some((stmt, prefix)) = work.pop() {
        match &stmt.kind {
            StmtKind::Function(function) => out.push((format!("{prefix}.{}", function.name), function.at)),
            StmtKind::Class(class) => {
                let inner = format!("{prefix}.{}", class.name);
                out.push((inner.clone(), class.at));
                work.extend(class.body.iter().rev().map(|stmt| (stmt, inner.clone())));
            }
            _ => {}
        }
    }
}

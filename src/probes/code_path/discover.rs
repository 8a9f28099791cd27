//! Phases that are found by a rule, such as "classes named `*Phase` with `run`", instead of being listed.
//!
//! What a rule may have missed makes a phase of its own that cannot be decided: a rule that finds nothing, and
//! a file in which a phase may stand but that is not understood. A phase that is listed by its entry is not
//! found a second time.

use super::config::{CodePathConfig, DiscoverConfig, PhaseConfig};
use super::model::{Class, ExprKind, Stmt, StmtKind};
use super::patterns::Glob;
use super::tree::{SourceFile, Tree};

/// A phase to judge, or why one may be missing.
pub enum Found {
    /// By name.
    Phase(String, PhaseConfig),
    /// What was looked for, in the form of a phase, and what stands in the way.
    Doubt(String, PhaseConfig, String),
}

impl Found {
    /// The phase, where it is one.
    pub fn phase(&self) -> Option<&PhaseConfig> {
        match self {
            Self::Phase(_, phase) => Some(phase),
            Self::Doubt(..) => None,
        }
    }
}

/// The phases of every rule, in the order of the rules and the files; names are unique.
pub fn phases(tree: &Tree, config: &CodePathConfig) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for rule in &config.discover {
        let mut any = false;
        for file in tree.files.iter().filter(|file| !file.is_test && file.may_spell(ending(&rule.classes))) {
            let Ok(module) = file.parsed() else {
                if may_hold(file, rule) {
                    let reason = format!("{} is not understood, and a phase may stand in it", file.path);
                    found.push(Found::Doubt(format!("{} in {}", rule.classes, file.path), sought(rule), reason));
                    any = true;
                }
                continue;
            };
            for class in classes(&module.body).into_iter().filter(|class| fits(class, file, rule)) {
                any = true;
                let entry = format!("{}:{}.{}", file.module, class.name, rule.method);
                let listed = config.phases.values().any(|phase| phase.entry == entry)
                    || found.iter().any(|one| matches!(one, Found::Phase(_, phase) if phase.entry == entry));
                if !listed {
                    let name = name(&class.name, &file.module, config, &found);
                    let phase = PhaseConfig { entry, carrier: rule.carrier.clone(), drive: rule.drive };
                    found.push(Found::Phase(name, phase));
                }
            }
        }
        if !any {
            let reason = format!("no class of the tree is called {} and has a method {}", rule.classes, rule.method);
            found.push(Found::Doubt(rule.classes.clone(), sought(rule), reason));
        }
    }
    found
}

/// How the names of the classes end that a pattern admits: that stands in the text of every file that has one.
fn ending(classes: &str) -> &str {
    classes.rsplit(['*', '.']).next().unwrap_or("")
}

/// What a rule looks for, written as an entry.
fn sought(rule: &DiscoverConfig) -> PhaseConfig {
    let entry = format!("{}.{}", rule.classes, rule.method);
    PhaseConfig { entry, carrier: rule.carrier.clone(), drive: rule.drive }
}

/// The class's name, with its module where another phase is called so.
fn name(class: &str, module: &str, config: &CodePathConfig, found: &[Found]) -> String {
    let taken = |name: &str| {
        config.phases.contains_key(name)
            || found.iter().any(|one| matches!(one, Found::Phase(known, _) if known == name))
    };
    if taken(class) { format!("{module}.{class}") } else { class.to_owned() }
}

/// The classes of a module's own level, within its conditions and `try` too.
fn classes(body: &[Stmt]) -> Vec<&Class> {
    let mut all = Vec::new();
    for stmt in body {
        if let StmtKind::Class(class) = &stmt.kind {
            all.push(&**class);
        }
        all.extend(stmt.blocks().into_iter().flat_map(classes));
    }
    all
}

/// Whether a class is a phase: its name fits, and it has the method or may inherit it. An abstract one cannot be run,
/// and one that raises `NotImplementedError` and nothing else refuses every run by an exception.
fn fits(class: &Class, file: &SourceFile, rule: &DiscoverConfig) -> bool {
    let glob = Glob::new(&rule.classes);
    let named = glob.matches(&class.name) || glob.matches(&format!("{}.{}", file.module, class.name));
    let own = class.body.iter().find_map(|stmt| match &stmt.kind {
        StmtKind::Function(function) if *function.name == *rule.method => Some(function),
        _ => None,
    });
    let ends_in = |kind: &ExprKind, words: &[&str]| match kind {
        ExprKind::Name(name) | ExprKind::Attribute(_, name) => words.contains(&&**name),
        _ => false,
    };
    let base = |words: &[&str]| class.arguments.iter().any(|argument| ends_in(&argument.value.kind, words));
    let is_abstract = own.is_some_and(|function| {
        function.decorators.iter().any(|decorator| ends_in(&decorator.kind, &["abstractmethod"]))
    }) && base(&["ABC", "ABCMeta", "Protocol"]);
    let refuses = own.is_some_and(|function| {
        let mut body = function.body.iter().filter(|stmt| {
            !matches!(&stmt.kind, StmtKind::Pass)
                && !matches!(&stmt.kind, StmtKind::Expr(expr) if matches!(expr.kind, ExprKind::Const(_)))
        });
        let raised = |kind: &ExprKind| match kind {
            ExprKind::Call(callee, _) => ends_in(&callee.kind, &["NotImplementedError"]),
            other => ends_in(other, &["NotImplementedError"]),
        };
        let first =
            body.next().is_some_and(|stmt| matches!(&stmt.kind, StmtKind::Raise(Some(value)) if raised(&value.kind)));
        first && body.next().is_none()
    });
    named && !is_abstract && !refuses && (own.is_some() || !class.arguments.is_empty())
}

/// Whether the text of a file that is not understood may define such a class.
fn may_hold(file: &SourceFile, rule: &DiscoverConfig) -> bool {
    match &file.text {
        Ok(text) => text.contains("class") && text.contains(rule.method.as_str()),
        Err(_) => true,
    }
}

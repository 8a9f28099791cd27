//! Which names a body binds: they are local to its function. Works on the translated model.

use std::collections::BTreeSet;

use crate::probes::code_path::model::{Expr, ExprKind, Name, Stmt, StmtKind, Target};
use crate::probes::code_path::parts::Part;

/// What a body binds.
#[derive(Default)]
pub struct Bindings {
    /// Names bound.
    pub names: BTreeSet<Name>,
    /// Names declared to be elsewhere.
    pub elsewhere: BTreeSet<Name>,
    /// Attributes assigned to the variable asked for.
    pub attributes: BTreeSet<Name>,
}

/// Collects the bindings of a body, nested functions and classes aside. `receiver` is the variable
/// whose assigned attributes are wanted.
pub fn of(body: &[Stmt], receiver: Option<&str>) -> Bindings {
    let mut bindings = Bindings::default();
    walk(body, receiver, &mut bindings);
    bindings
}

fn walk(body: &[Stmt], receiver: Option<&str>, out: &mut Bindings) {
    for stmt in body {
        statement(stmt, receiver, out);
    }
}

fn statement(stmt: &Stmt, receiver: Option<&str>, out: &mut Bindings) {
    #[allow(clippy::wildcard_enum_match_arm, reason = "every other kind binds by its parts alone")]
    match &stmt.kind {
        StmtKind::Try { handlers, .. } => out.names.extend(handlers.iter().filter_map(|handler| handler.name.clone())),
        StmtKind::Import(names) => {
            for (module, alias) in names {
                let first = module.split('.').next().unwrap_or(module);
                out.names.insert(alias.clone().unwrap_or_else(|| first.into()));
            }
        }
        StmtKind::ImportFrom { names, .. } => out.names.extend(names.iter().map(|(_, to)| to.clone())),
        StmtKind::Function(function) => {
            out.names.insert(function.name.clone());
        }
        StmtKind::Class(class) => {
            out.names.insert(class.name.clone());
        }
        StmtKind::Global(names) | StmtKind::Nonlocal(names) => out.elsewhere.extend(names.iter().cloned()),
        _ => {}
    }
    stmt.parts(&mut |part| match part {
        Part::Expression(expr) => expression(expr, out),
        Part::Target(to) => target(to, receiver, out),
        Part::Pattern(pattern) => out.names.extend(pattern.bound().into_iter().cloned()),
        Part::Block(body) => walk(body, receiver, out),
    });
}

fn target(to: &Target, receiver: Option<&str>, out: &mut Bindings) {
    match to {
        Target::Name(name) => {
            out.names.insert(name.clone());
        }
        Target::Attribute(object, name, _) => {
            if let (ExprKind::Name(object), Some(receiver)) = (&object.kind, receiver)
                && &**object == receiver
            {
                out.attributes.insert(name.clone());
            }
        }
        Target::Item(..) => {}
        Target::Sequence(items) => items.iter().for_each(|item| target(item, receiver, out)),
        Target::Rest(inner) => target(inner, receiver, out),
    }
}

/// Only a binding expression binds inside an expression.
fn expression(expr: &Expr, out: &mut Bindings) {
    if let ExprKind::Bind(name, _) = &expr.kind {
        out.names.insert(name.clone());
    }
    expr.parts(&mut |part| expression(part, out));
}

/// Adds the names that a target binds.
pub fn of_target(to: &Target, out: &mut Bindings) {
    target(to, None, out);
}

/// Whether a body that is made of loops and tests around an expression waits for something.
pub fn waits(body: &[Stmt]) -> bool {
    body.iter().any(|stmt| match &stmt.kind {
        StmtKind::Expr(expr) => holds_await(expr),
        StmtKind::If(branches) => {
            branches.iter().any(|(test, body)| test.as_ref().is_some_and(holds_await) || waits(body))
        }
        StmtKind::For { iterable, body, .. } => holds_await(iterable) || waits(body),
        _ => false,
    })
}

fn holds_await(expr: &Expr) -> bool {
    let mut found = match &expr.kind {
        ExprKind::Await(_) => true,
        ExprKind::Comprehension(inner) => inner.loops.iter().any(|each| each.awaited),
        _ => false,
    };
    expr.parts(&mut |part| found = found || holds_await(part));
    found
}

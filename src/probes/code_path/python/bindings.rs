//! Which names a body binds: they are local to its function. Works on the translated model.

use std::collections::BTreeSet;

use crate::probes::code_path::model::{Expr, ExprKind, Name, Pattern, Stmt, StmtKind, Target};

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
    match &stmt.kind {
        StmtKind::Expr(expr) | StmtKind::Raise(Some(expr)) | StmtKind::Return(Some(expr)) => expression(expr, out),
        StmtKind::Assign(targets, value) => {
            targets.iter().for_each(|t| target(t, receiver, out));
            expression(value, out);
        }
        StmtKind::Declare(to, _, value) => {
            target(to, receiver, out);
            value.iter().for_each(|value| expression(value, out));
        }
        StmtKind::If(branches) => {
            for (test, body) in branches {
                test.iter().for_each(|test| expression(test, out));
                walk(body, receiver, out);
            }
        }
        StmtKind::While { test, body, otherwise } => {
            expression(test, out);
            walk(body, receiver, out);
            walk(otherwise, receiver, out);
        }
        StmtKind::For { target: to, iterable, body, otherwise, .. } => {
            target(to, receiver, out);
            expression(iterable, out);
            walk(body, receiver, out);
            walk(otherwise, receiver, out);
        }
        StmtKind::Try { body, handlers, otherwise, finally, .. } => {
            walk(body, receiver, out);
            for handler in handlers {
                out.names.extend(handler.name.clone());
                walk(&handler.body, receiver, out);
            }
            walk(otherwise, receiver, out);
            walk(finally, receiver, out);
        }
        StmtKind::With { items, body, .. } => {
            for (manager, to) in items.iter() {
                expression(manager, out);
                to.iter().for_each(|to| target(to, receiver, out));
            }
            walk(body, receiver, out);
        }
        StmtKind::Match(subject, cases) => {
            expression(subject, out);
            for case in cases {
                pattern(&case.pattern, out);
                case.guard.iter().for_each(|guard| expression(guard, out));
                walk(&case.body, receiver, out);
            }
        }
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
        StmtKind::Delete(targets) => targets.iter().for_each(|t| target(t, receiver, out)),
        StmtKind::Assert(test, message) => {
            expression(test, out);
            message.iter().for_each(|message| expression(message, out));
        }
        StmtKind::Raise(None)
        | StmtKind::Return(None)
        | StmtKind::Break
        | StmtKind::Continue
        | StmtKind::Pass
        | StmtKind::Opaque(_) => {}
    }
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

fn pattern(of: &Pattern, out: &mut Bindings) {
    match of {
        Pattern::Value(_) | Pattern::Same(_) => {}
        Pattern::Anything(name) => out.names.extend(name.clone()),
        Pattern::As(inner, name) => {
            out.names.insert(name.clone());
            pattern(inner, out);
        }
        Pattern::Or(inner) => inner.iter().for_each(|inner| pattern(inner, out)),
        Pattern::Structure(names)
        | Pattern::Instance(_, _, names)
        | Pattern::Items(_, names)
        | Pattern::Entries(_, names) => out.names.extend(names.iter().cloned()),
    }
}

/// Only a binding expression binds inside an expression.
fn expression(expr: &Expr, out: &mut Bindings) {
    match &expr.kind {
        ExprKind::Bind(name, value) => {
            out.names.insert(name.clone());
            expression(value, out);
        }
        ExprKind::Const(_)
        | ExprKind::Name(_)
        | ExprKind::Function(_)
        | ExprKind::Yield(None)
        | ExprKind::Opaque(_) => {}
        ExprKind::Attribute(inner, _)
        | ExprKind::Not(inner)
        | ExprKind::Await(inner)
        | ExprKind::Yield(Some(inner))
        | ExprKind::YieldFrom(inner) => expression(inner, out),
        ExprKind::Call(callee, arguments) => {
            expression(callee, out);
            arguments.iter().for_each(|argument| expression(&argument.value, out));
        }
        ExprKind::Item(object, index) | ExprKind::Update(object, index, _) => {
            expression(object, out);
            expression(index, out);
        }
        ExprKind::Text(_, items, _)
        | ExprKind::All(items)
        | ExprKind::Any(items)
        | ExprKind::Either(items)
        | ExprKind::Operation(items)
        | ExprKind::Sum(items) => items.iter().for_each(|item| expression(item, out)),
        ExprKind::Compare(first, rest) => {
            expression(first, out);
            rest.iter().for_each(|(_, operand)| expression(operand, out));
        }
        ExprKind::Choice { test, then, otherwise } => {
            [test, then, otherwise].into_iter().for_each(|part| expression(part, out));
        }
        ExprKind::Sequence(_, elements) => elements.iter().for_each(|element| expression(&element.value, out)),
        ExprKind::Table(entries) => {
            for (key, value) in entries {
                key.iter().for_each(|key| expression(key, out));
                expression(value, out);
            }
        }
        ExprKind::Comprehension(comprehension) => {
            comprehension.element.iter().for_each(|element| expression(element, out));
            for each in &comprehension.loops {
                expression(&each.iterable, out);
                each.conditions.iter().for_each(|condition| expression(condition, out));
            }
        }
    }
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
    match &expr.kind {
        ExprKind::Await(_) => true,
        ExprKind::Const(_)
        | ExprKind::Name(_)
        | ExprKind::Function(_)
        | ExprKind::Yield(None)
        | ExprKind::Opaque(_) => false,
        ExprKind::Bind(_, inner)
        | ExprKind::Attribute(inner, _)
        | ExprKind::Not(inner)
        | ExprKind::Yield(Some(inner))
        | ExprKind::YieldFrom(inner) => holds_await(inner),
        ExprKind::Call(callee, arguments) => {
            holds_await(callee) || arguments.iter().any(|argument| holds_await(&argument.value))
        }
        ExprKind::Item(first, second) | ExprKind::Update(first, second, _) => holds_await(first) || holds_await(second),
        ExprKind::Text(_, items, _)
        | ExprKind::All(items)
        | ExprKind::Any(items)
        | ExprKind::Either(items)
        | ExprKind::Operation(items)
        | ExprKind::Sum(items) => items.iter().any(holds_await),
        ExprKind::Compare(first, rest) => holds_await(first) || rest.iter().any(|(_, operand)| holds_await(operand)),
        ExprKind::Choice { test, then, otherwise } => [test, then, otherwise].into_iter().any(|part| holds_await(part)),
        ExprKind::Sequence(_, elements) => elements.iter().any(|element| holds_await(&element.value)),
        ExprKind::Table(entries) => {
            entries.iter().any(|(key, value)| key.as_ref().is_some_and(holds_await) || holds_await(value))
        }
        ExprKind::Comprehension(inner) => {
            inner.element.iter().any(holds_await)
                || inner
                    .loops
                    .iter()
                    .any(|each| each.awaited || holds_await(&each.iterable) || each.conditions.iter().any(holds_await))
        }
    }
}

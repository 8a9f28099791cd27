//! Where a module calls, assigns and returns what: an index over one module's syntax, for questions of the
//! form "what does the tree put there?". It follows no paths and judges nothing.

use std::collections::BTreeSet;

use super::model::{
    Argument, Class, Comprehension, Element, Expr, ExprKind, Function, Module, Name, Stmt, StmtKind, Target,
};
use super::parts::Part;

/// The function or class around something, by its index in [`Occurrences::scopes`].
pub type ScopeId = usize;

/// A module, class or function with what is bound directly in it.
#[derive(Debug, Default)]
pub struct Scope<'m> {
    /// The function, where it is one.
    pub function: Option<&'m Function>,
    /// The innermost class around it, itself included.
    pub class: Option<&'m Class>,
    /// The scope around it.
    pub outer: Option<ScopeId>,
    /// Variables and what is assigned to them.
    pub assigned: Vec<(Name, &'m Expr)>,
    /// What is returned.
    pub returned: Vec<&'m Expr>,
    /// Functions that are defined in it.
    pub functions: Vec<(Name, &'m Function)>,
}

/// A call.
#[derive(Debug)]
pub struct Call<'m> {
    /// What is called.
    pub callee: &'m Expr,
    /// With what.
    pub arguments: &'m [Argument],
    /// Where.
    pub scope: ScopeId,
}

/// All of one module.
#[derive(Debug, Default)]
pub struct Occurrences<'m> {
    /// The module first.
    pub scopes: Vec<Scope<'m>>,
    /// Every call.
    pub calls: Vec<Call<'m>>,
    /// `object.name = value`, and `setattr` with a constant name.
    pub attributes: Vec<(&'m Expr, Name, &'m Expr, ScopeId)>,
    /// Values under constant keys, in displays and by assignment.
    pub entries: Vec<(Name, &'m Expr, ScopeId)>,
    /// Other names for names: imported under another, or assigned.
    pub renamed: Vec<(Name, Name)>,
    /// Names that stand as values: given, kept or returned, not called.
    pub values: BTreeSet<Name>,
    /// Every class.
    pub classes: Vec<&'m Class>,
    /// Classes inside functions.
    pub inner_classes: Vec<&'m Class>,
    /// What stands before `.register`.
    pub registering: Vec<&'m Expr>,
}

impl<'m> Occurrences<'m> {
    /// Of a module.
    pub fn of(module: &'m Module) -> Self {
        let mut all = Self { scopes: vec![Scope::default()], ..Self::default() };
        all.block(&module.body, 0);
        all
    }

    /// The scope of a function.
    pub fn scope_of(&self, function: &Function) -> Option<ScopeId> {
        self.scopes.iter().position(|scope| scope.function.is_some_and(|each| std::ptr::eq(each, function)))
    }

    fn block(&mut self, body: &'m [Stmt], scope: ScopeId) {
        body.iter().for_each(|stmt| self.statement(stmt, scope));
    }

    fn statement(&mut self, stmt: &'m Stmt, scope: ScopeId) {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other kind is its parts")]
        match &stmt.kind {
            StmtKind::Assign(targets, value) => {
                self.value(value, scope);
                targets.iter().for_each(|target| self.target(target, Some(value), scope));
            }
            StmtKind::Declare(target, _, value) => {
                value.iter().for_each(|value| self.value(value, scope));
                self.target(target, value.as_ref(), scope);
            }
            StmtKind::With { items, body, .. } => {
                for (manager, target) in items.iter() {
                    self.expression(manager, scope);
                    target.iter().for_each(|target| self.target(target, Some(manager), scope));
                }
                self.block(body, scope);
            }
            StmtKind::Return(Some(value)) => {
                self.value(value, scope);
                self.scopes[scope].returned.push(value);
            }
            StmtKind::ImportFrom { names, .. } => {
                self.renamed.extend(names.iter().filter(|(name, alias)| name != alias).cloned());
            }
            StmtKind::Function(function) => self.function(function, scope),
            StmtKind::Class(class) => self.class(class, scope),
            _ => stmt.parts(&mut |part| match part {
                Part::Expression(expr) => self.expression(expr, scope),
                Part::Target(target) => self.target(target, None, scope),
                Part::Pattern(_) => {}
                Part::Block(body) => self.block(body, scope),
            }),
        }
    }

    fn function(&mut self, function: &'m Function, scope: ScopeId) {
        function.decorators.iter().for_each(|decorator| self.expression(decorator, scope));
        let defaults = function.parameters.iter().filter_map(|parameter| parameter.default.as_ref());
        defaults.for_each(|default| self.value(default, scope));
        self.scopes[scope].functions.push((function.name.clone(), function));
        let inner = self.scopes.len();
        let class = self.scopes[scope].class;
        self.scopes.push(Scope { function: Some(function), class, outer: Some(scope), ..Scope::default() });
        self.block(&function.body, inner);
    }

    fn class(&mut self, class: &'m Class, scope: ScopeId) {
        self.classes.push(class);
        if self.scopes[scope].function.is_some() {
            self.inner_classes.push(class);
        }
        class.decorators.iter().for_each(|decorator| self.expression(decorator, scope));
        class.arguments.iter().for_each(|argument| self.expression(&argument.value, scope));
        let inner = self.scopes.len();
        self.scopes.push(Scope { class: Some(class), outer: Some(scope), ..Scope::default() });
        self.block(&class.body, inner);
    }

    fn target(&mut self, target: &'m Target, value: Option<&'m Expr>, scope: ScopeId) {
        match (target, value) {
            (Target::Name(name), Some(value)) => {
                self.scopes[scope].assigned.push((name.clone(), value));
                if let Some(other) = last_name(value).filter(|_| !matches!(value.kind, ExprKind::Call(..))) {
                    self.renamed.push((other.clone(), name.clone()));
                }
            }
            (Target::Attribute(object, name, _), Some(value)) => {
                self.attributes.push((object, name.clone(), value, scope));
            }
            (Target::Item(object, index), value) => {
                self.expression(object, scope);
                self.expression(index, scope);
                if let (ExprKind::Const(super::model::Const::Text(key)), Some(value)) = (&index.kind, value) {
                    self.entries.push((key.clone(), value, scope));
                }
            }
            (Target::Sequence(targets), Some(Expr { kind: ExprKind::Sequence(_, elements), .. }))
                if targets.len() == elements.len() =>
            {
                for (target, element) in targets.iter().zip(elements) {
                    self.target(target, Some(&element.value), scope);
                }
            }
            (Target::Sequence(targets), _) => targets.iter().for_each(|target| self.target(target, None, scope)),
            (Target::Name(_) | Target::Attribute(..) | Target::Rest(_), _) => {}
        }
    }

    /// An expression whose value is kept or handed on.
    fn value(&mut self, expr: &'m Expr, scope: ScopeId) {
        if let Some(name) = last_name(expr).filter(|_| !matches!(expr.kind, ExprKind::Call(..))) {
            self.values.insert(name.clone());
        }
        self.expression(expr, scope);
    }

    fn expression(&mut self, expr: &'m Expr, scope: ScopeId) {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other kind is its parts")]
        match &expr.kind {
            ExprKind::Attribute(inner, name) => {
                if &**name == "register" {
                    self.registering.push(inner);
                }
                self.expression(inner, scope);
            }
            ExprKind::Await(inner) | ExprKind::YieldFrom(inner) => self.value(inner, scope),
            ExprKind::Call(callee, arguments) => {
                self.calls.push(Call { callee, arguments, scope });
                self.expression(callee, scope);
                arguments.iter().for_each(|argument| self.value(&argument.value, scope));
                if let [
                    object,
                    Argument { value: Expr { kind: ExprKind::Const(super::model::Const::Text(name)), .. }, .. },
                    value,
                ] = arguments.as_slice()
                    && last_name(callee).is_some_and(|callee| matches!(&**callee, "setattr" | "__setattr__"))
                {
                    self.attributes.push((&object.value, name.clone(), &value.value, scope));
                }
            }
            ExprKind::All(items) | ExprKind::Any(items) => items.iter().for_each(|item| self.value(item, scope)),
            ExprKind::Choice { test, then, otherwise } => {
                self.expression(test, scope);
                self.value(then, scope);
                self.value(otherwise, scope);
            }
            ExprKind::Sequence(_, elements) => {
                elements.iter().for_each(|Element { value, .. }| self.value(value, scope));
            }
            ExprKind::Table(entries) => {
                for (key, value) in entries {
                    key.iter().for_each(|key| self.expression(key, scope));
                    self.value(value, scope);
                    if let Some(Expr { kind: ExprKind::Const(super::model::Const::Text(key)), .. }) = key {
                        self.entries.push((key.clone(), value, scope));
                    }
                }
            }
            ExprKind::Function(function) => {
                self.function(function, scope);
            }
            ExprKind::Yield(value) => value.iter().for_each(|value| self.value(value, scope)),
            ExprKind::Comprehension(comprehension) => self.comprehension(comprehension, scope),
            ExprKind::Bind(name, value) => {
                self.value(value, scope);
                self.scopes[scope].assigned.push((name.clone(), value));
            }
            _ => expr.parts(&mut |part| self.expression(part, scope)),
        }
    }

    fn comprehension(&mut self, comprehension: &'m Comprehension, scope: ScopeId) {
        for each in &comprehension.loops {
            self.expression(&each.iterable, scope);
            each.conditions.iter().for_each(|condition| self.expression(condition, scope));
        }
        comprehension.element.iter().for_each(|element| self.value(element, scope));
    }
}

/// The last name of a dotted expression, or of the function that a call names.
pub fn last_name(expr: &Expr) -> Option<&Name> {
    match &expr.kind {
        ExprKind::Name(name) | ExprKind::Attribute(_, name) => Some(name),
        ExprKind::Call(callee, _) => last_name(callee),
        _ => None,
    }
}

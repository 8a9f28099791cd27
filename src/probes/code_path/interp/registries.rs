//! Collections that are filled while modules are imported and never after: registries whose functions and classes
//! put themselves into them by a decorator. What such a collection holds is taken as the imports left it.

use std::collections::BTreeSet;

use super::Interp;
use crate::probes::code_path::model::{
    Class, Comparison, Const, Expr, ExprKind, Function, Module, Name, Stmt, StmtKind, Target,
};
use crate::probes::code_path::parts::Part;
use crate::probes::code_path::tree::Resolution;
use crate::probes::code_path::value::{Address, ModuleId};

/// Methods that only read a collection.
const READING: &[&str] = &["get", "items", "keys", "values", "copy", "index", "count"];

/// Methods by which a collection is filled.
const FILLING: &[&str] = &["append", "add", "extend", "update", "setdefault", "insert"];

/// Functions that only look at a collection.
const LOOKING: &[&str] = &["len", "list", "tuple", "sorted", "dict", "set", "iter", "bool", "enumerate", "any", "all"];

/// Names that are followed for one collection.
const NAMES: usize = 8;

impl Interp<'_> {
    /// Whether a collection of this name, which an import has made, may be changed afterwards.
    pub(super) fn may_be_changed_later(&mut self, address: Address, name: &Name) -> bool {
        if !self.tree.may_be_changed(name) {
            return false;
        }
        if self.contested.contains(&address) {
            return true;
        }
        if let Some(known) = self.registries.get(name) {
            return !known;
        }
        let is_registry = self.is_registry(name);
        self.registries.insert(name.clone(), is_registry);
        !is_registry
    }

    /// Whether all that changes a collection of this name is done while one module is imported, and that one is
    /// imported for sure. With several modules their order, and so what comes first or last, would be open.
    fn is_registry(&mut self, name: &Name) -> bool {
        let mut filling: BTreeSet<ModuleId> = BTreeSet::new();
        let mut names = vec![(name.clone(), true)];
        let mut index = 0;
        while let Some((name, is_collection)) = names.get(index).cloned() {
            index += 1;
            for module in self.tree.files_with_word(&name) {
                let Ok(parsed) = self.tree.file(module).parsed() else { return false };
                let mut look = Look { name: &name, is_collection, ..Look::default() };
                look.module(parsed);
                if look.is_bad || names.len() > NAMES {
                    return false;
                }
                if look.fills_here {
                    filling.insert(module);
                }
                for registrar in look.registrars {
                    let next = (registrar, false);
                    if !names.contains(&next) {
                        names.push(next);
                    }
                }
            }
        }
        let sure = self.surely_imported();
        filling.len() <= 1 && filling.iter().all(|module| sure.contains(module))
    }

    /// The modules that are imported wherever the entry's module is.
    pub(super) fn surely_imported(&self) -> BTreeSet<ModuleId> {
        let mut found = BTreeSet::new();
        let mut work: Vec<ModuleId> = self.entry.into_iter().collect();
        while let Some(module) = work.pop() {
            if !found.insert(module) {
                continue;
            }
            let Ok(parsed) = self.tree.file(module).parsed() else { continue };
            for stmt in &parsed.body {
                let (base, names) = match &stmt.kind {
                    StmtKind::Import(names) => (None, names.iter().map(|(name, _)| name.to_string()).collect()),
                    StmtKind::ImportFrom { module: from, level, names } => {
                        let base = match level {
                            0 => Some(from.to_string()),
                            level => self.tree.absolute(module, *level, from),
                        };
                        let Some(base) = base else { continue };
                        let inner = names.iter().map(|(name, _)| format!("{base}.{name}")).collect::<Vec<_>>();
                        (Some(base), inner)
                    }
                    _ => continue,
                };
                for wanted in base.into_iter().chain(names) {
                    if let Resolution::Module(id) = self.tree.resolve(&wanted, Some(module)) {
                        work.push(id);
                    }
                }
            }
        }
        found
    }
}

/// What is looked for in one module: a collection, or a function that fills one.
#[derive(Default)]
struct Look<'n> {
    name: &'n str,
    is_collection: bool,
    /// The outermost function around the place that is looked at.
    function: Option<Name>,
    /// The functions that fill the collection.
    registrars: BTreeSet<Name>,
    /// Whether something is put into it while this module is imported.
    fills_here: bool,
    /// Whether something is done that is not understood.
    is_bad: bool,
}

impl Look<'_> {
    fn module(&mut self, module: &Module) {
        self.block(&module.body);
    }

    fn is(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Name(name) | ExprKind::Attribute(_, name) => **name == *self.name,
            _ => false,
        }
    }

    pub(super) fn block(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.statement(stmt));
    }

    pub(super) fn statement(&mut self, stmt: &Stmt) {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other kind is its parts")]
        match &stmt.kind {
            StmtKind::Expr(expr) => match &expr.kind {
                // A call for its effect while the module is imported.
                ExprKind::Call(callee, arguments) if !self.is_collection && self.is(callee) => {
                    self.fill();
                    self.object(callee);
                    arguments.iter().for_each(|argument| self.expression(&argument.value));
                }
                _ => self.expression(expr),
            },
            StmtKind::Assign(targets, _) if matches!(&targets[..], [Target::Name(name)] if &**name == "__all__") => {}
            StmtKind::Assign(targets, value) => {
                self.expression(value);
                targets.iter().for_each(|target| self.target(target, Some(value)));
            }
            StmtKind::Declare(target, _, value) => {
                value.iter().for_each(|value| self.expression(value));
                self.target(target, value.as_ref());
            }
            StmtKind::If(branches) => {
                for (test, body) in branches {
                    test.iter().for_each(|test| self.read(test));
                    self.block(body);
                }
            }
            StmtKind::While { test, body, otherwise } => {
                self.read(test);
                self.block(body);
                self.block(otherwise);
            }
            StmtKind::For { target, iterable, body, otherwise, .. } => {
                self.read(iterable);
                self.target(target, None);
                self.block(body);
                self.block(otherwise);
            }
            StmtKind::Assert(test, message) => {
                self.read(test);
                message.iter().for_each(|message| self.expression(message));
            }
            StmtKind::ImportFrom { names, .. } => {
                self.is_bad |=
                    names.iter().any(|(name, alias)| name != alias && (**name == *self.name || **alias == *self.name));
            }
            StmtKind::Import(names) => {
                self.is_bad |= names.iter().any(|(name, alias)| **alias.as_ref().unwrap_or(name) == *self.name);
            }
            StmtKind::Function(function) => self.function(function),
            StmtKind::Class(class) => self.class(class),
            StmtKind::Global(names) | StmtKind::Nonlocal(names) => {
                self.is_bad |= names.iter().any(|name| **name == *self.name);
            }
            StmtKind::Opaque(_) => self.is_bad = true,
            _ => {
                if let StmtKind::Try { handlers, .. } = &stmt.kind {
                    self.is_bad |= handlers.iter().any(|handler| handler.name.as_deref() == Some(self.name));
                }
                stmt.parts(&mut |part| match part {
                    Part::Expression(expr) => self.expression(expr),
                    Part::Target(target) => self.target(target, None),
                    Part::Pattern(pattern) => self.is_bad |= pattern.bound().iter().any(|bound| ***bound == *self.name),
                    Part::Block(body) => self.block(body),
                });
            }
        }
    }

    /// Something is put into the collection here.
    pub(super) fn fill(&mut self) {
        match &self.function {
            None => self.fills_here = true,
            Some(function) if self.is_collection && &**function != "<lambda>" => {
                self.registrars.insert(function.clone());
            }
            Some(_) => self.is_bad = true,
        }
    }

    /// What a name is an attribute of.
    fn object(&mut self, expr: &Expr) {
        if let ExprKind::Attribute(object, _) = &expr.kind {
            self.expression(object);
        }
    }

    /// Decorators: of a function or class of the module itself they run while it is imported.
    fn decorators(&mut self, decorators: &[Expr]) {
        for decorator in decorators {
            match &decorator.kind {
                _ if !self.is_collection && self.is(decorator) => {
                    self.fill();
                    self.object(decorator);
                }
                ExprKind::Call(callee, arguments) if !self.is_collection && self.is(callee) => {
                    self.fill();
                    self.object(callee);
                    arguments.iter().for_each(|argument| self.expression(&argument.value));
                }
                _ => self.expression(decorator),
            }
        }
    }

    fn function(&mut self, function: &Function) {
        self.decorators(&function.decorators);
        for parameter in &function.parameters {
            self.is_bad |= *parameter.name == *self.name;
            parameter.default.iter().for_each(|default| self.expression(default));
        }
        let outer = self.function.clone();
        self.function.get_or_insert_with(|| function.name.clone());
        // A function of the registrar's name elsewhere would be taken for it.
        self.is_bad |= *function.name == *self.name && self.is_collection;
        self.block(&function.body);
        self.function = outer;
    }

    pub(super) fn class(&mut self, class: &Class) {
        self.decorators(&class.decorators);
        self.is_bad |= *class.name == *self.name;
        class.arguments.iter().for_each(|argument| self.expression(&argument.value));
        self.block(&class.body);
    }

    fn target(&mut self, target: &Target, value: Option<&Expr>) {
        let fresh = value.is_some_and(|value| match &value.kind {
            ExprKind::Table(entries) => entries.is_empty(),
            ExprKind::Sequence(_, elements) => elements.is_empty(),
            ExprKind::Call(callee, arguments) => {
                arguments.is_empty()
                    && matches!(&callee.kind, ExprKind::Name(name) if matches!(&**name, "dict" | "list" | "set"))
            }
            _ => false,
        });
        match target {
            Target::Name(name) if **name == *self.name => {
                self.is_bad |= !(self.is_collection && fresh && self.function.is_none());
            }
            Target::Attribute(object, name, _) => {
                let in_init = self.function.as_deref() == Some("__init__");
                self.is_bad |= **name == *self.name && !(self.is_collection && fresh && in_init);
                self.expression(object);
            }
            Target::Item(object, index) => {
                if self.is_collection && self.is(object) {
                    self.fill();
                    self.object(object);
                } else {
                    self.expression(object);
                }
                self.expression(index);
            }
            Target::Sequence(targets) => targets.iter().for_each(|target| self.target(target, None)),
            Target::Rest(inner) => self.target(inner, None),
            Target::Name(_) => {}
        }
    }

    /// A place where a collection is only looked at.
    fn read(&mut self, expr: &Expr) {
        if self.is_collection && self.is(expr) { self.object(expr) } else { self.expression(expr) }
    }

    fn expression(&mut self, expr: &Expr) {
        if self.is(expr) {
            self.is_bad = true;
        }
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other kind is its parts")]
        match &expr.kind {
            // By its name in a text it is reached in other ways.
            ExprKind::Const(Const::Text(text)) => self.is_bad |= **text == *self.name,
            ExprKind::Opaque(_) => self.is_bad = true,
            ExprKind::YieldFrom(inner) | ExprKind::Not(inner) => self.read(inner),
            ExprKind::Call(callee, arguments) => {
                let looks = matches!(&callee.kind, ExprKind::Name(name) if LOOKING.contains(&&**name));
                match &callee.kind {
                    ExprKind::Attribute(object, method) if self.is_collection && self.is(object) => {
                        if FILLING.contains(&&**method) {
                            self.fill();
                        } else {
                            self.is_bad |= !READING.contains(&&**method);
                        }
                        self.object(object);
                    }
                    _ => self.expression(callee),
                }
                for argument in arguments {
                    if looks { self.read(&argument.value) } else { self.expression(&argument.value) }
                }
            }
            ExprKind::Item(object, index) => {
                self.read(object);
                self.expression(index);
            }
            ExprKind::Compare(first, rest) => {
                self.expression(first);
                for (op, operand) in rest {
                    match op {
                        Comparison::In | Comparison::NotIn => self.read(operand),
                        _ => self.expression(operand),
                    }
                }
            }
            ExprKind::Choice { test, then, otherwise } => {
                self.read(test);
                self.expression(then);
                self.expression(otherwise);
            }
            ExprKind::Function(function) => self.function(function),
            ExprKind::Comprehension(comprehension) => {
                for each in &comprehension.loops {
                    self.read(&each.iterable);
                    self.target(&each.target, None);
                    each.conditions.iter().for_each(|condition| self.expression(condition));
                }
                comprehension.element.iter().for_each(|element| self.expression(element));
            }
            ExprKind::Bind(name, value) => {
                self.is_bad |= **name == *self.name;
                self.expression(value);
            }
            _ => expr.parts(&mut |part| self.expression(part)),
        }
    }
}

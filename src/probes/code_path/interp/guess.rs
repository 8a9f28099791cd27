//! What an expression somewhere in the tree may be, without following paths: the classes whose instances it
//! visibly is. It finds contradictions; that it finds nothing proves nothing.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Interp, State};
use crate::probes::code_path::model::{Argument, Const, Expr, ExprKind, Function, Name, Way};
use crate::probes::code_path::occurrences::{Occurrences, ScopeId, last_name};
use crate::probes::code_path::value::{Cell, ClassId, ModuleId, Origin, Value};

/// What an expression visibly is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guess {
    /// An instance of a class of the tree.
    Of(ClassId),
    /// Null.
    Null,
    /// Something that stands for any class.
    Stand,
    /// Something of a library.
    Outer,
}

/// Guesses inside guesses.
const DEPTH: usize = 10;

/// Expressions looked at for one question.
const WORK: usize = 4_000;

/// A place in the tree from which names are seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) module: ModuleId,
    pub(super) scope: ScopeId,
}

/// One question: how deep, and how much was looked at.
#[derive(Debug, Default)]
pub(super) struct Asking {
    depth: usize,
    work: usize,
    found: BTreeSet<Guess>,
    calls: BTreeSet<(ModuleId, u32, Name)>,
}

impl Asking {
    pub(super) fn found(self) -> BTreeSet<Guess> {
        self.found
    }

    /// Whether the question may go one step further.
    fn may(&mut self) -> bool {
        self.work += 1;
        self.depth < DEPTH && self.work < WORK
    }
}

impl<'t> Interp<'t> {
    /// What a module calls, assigns and returns; nothing where it cannot be parsed.
    pub(super) fn occurrences(&mut self, module: ModuleId) -> Rc<Occurrences<'t>> {
        if let Some(known) = self.occurrences.get(&module) {
            return known.clone();
        }
        let tree = self.tree;
        let found = match tree.file(module).parsed() {
            Ok(parsed) => Occurrences::of(parsed),
            Err(_) => Occurrences { scopes: vec![Default::default()], ..Occurrences::default() },
        };
        let found = Rc::new(found);
        self.occurrences.insert(module, found.clone());
        found
    }

    /// Adds what an expression visibly is.
    pub(super) fn guess(&mut self, state: &mut State, expr: &'t Expr, view: View, asking: &mut Asking) {
        if !asking.may() {
            return;
        }
        asking.depth += 1;
        self.load(view.module);
        self.catch_up(state);
        match &expr.kind {
            ExprKind::Const(Const::None) => {
                asking.found.insert(Guess::Null);
            }
            ExprKind::Call(callee, arguments) => self.guess_call(state, callee, arguments, view, asking),
            ExprKind::Name(name) => self.guess_name(state, name, view, asking),
            ExprKind::Attribute(object, name) => self.guess_attribute(state, expr, object, name, view, asking),
            ExprKind::Choice { then, otherwise, .. } => {
                self.guess(state, then, view, asking);
                self.guess(state, otherwise, view, asking);
            }
            ExprKind::All(items) | ExprKind::Any(items) => {
                items.iter().for_each(|item| self.guess(state, item, view, asking));
            }
            ExprKind::Bind(_, inner) | ExprKind::Await(inner) => self.guess(state, inner, view, asking),
            ExprKind::Item(object, _) => {
                self.elements(object, view, asking).into_iter().for_each(|(each, view)| {
                    self.guess(state, each, view, asking);
                });
            }
            _ => {}
        }
        asking.depth -= 1;
    }

    fn guess_value(&mut self, state: &State, value: &Value, asking: &mut Asking) {
        for value in value.alternatives() {
            match value {
                Value::Object(address) => {
                    if let Some(Cell::Instance { class, .. }) = state.cell(address) {
                        asking.found.insert(Guess::Of(*class));
                    }
                }
                Value::None => {
                    asking.found.insert(Guess::Null);
                }
                // A module has functions as an object has methods.
                Value::Module(_) => {
                    asking.found.insert(Guess::Stand);
                }
                Value::Unseen(unseen) if unseen.origin == Origin::Outside => {
                    asking.found.insert(Guess::Outer);
                }
                _ => {}
            }
        }
    }

    fn guess_call(
        &mut self,
        state: &mut State,
        callee: &'t Expr,
        arguments: &'t [Argument],
        view: View,
        asking: &mut Asking,
    ) {
        let by_position =
            |index: usize| arguments.iter().filter(|each| each.way == Way::Position).nth(index).map(|each| &each.value);
        let name = last_name(callee).cloned();
        match name.as_deref() {
            Some("Mock" | "MagicMock" | "AsyncMock" | "NonCallableMock" | "create_autospec" | "SimpleNamespace") => {
                asking.found.insert(Guess::Stand);
                return;
            }
            Some("cast") => {
                by_position(1).into_iter().for_each(|value| self.guess(state, value, view, asking));
                return;
            }
            Some("replace" | "copy" | "deepcopy" | "_replace") => {
                by_position(0).into_iter().for_each(|value| self.guess(state, value, view, asking));
            }
            _ => {}
        }
        for value in self.called(callee, state, view, asking) {
            match value {
                Value::Class(class) => {
                    asking.found.insert(Guess::Of(class));
                }
                Value::Function(closure) => self.guess_returned(state, closure.module, &closure.function, asking),
                Value::Unseen(unseen) if unseen.origin == Origin::Outside => {
                    asking.found.insert(Guess::Outer);
                }
                _ => {}
            }
        }
    }

    fn guess_returned(&mut self, state: &mut State, module: ModuleId, function: &Rc<Function>, asking: &mut Asking) {
        if !asking.calls.insert((module, function.at, function.name.clone())) {
            return;
        }
        let all = self.occurrences(module);
        let Some(scope) = all.scope_of(function) else { return };
        for returned in &all.scopes[scope].returned {
            self.guess(state, returned, View { module, scope }, asking);
        }
    }

    fn guess_name(&mut self, state: &mut State, name: &Name, view: View, asking: &mut Asking) {
        let all = self.occurrences(view.module);
        let mut scope = Some(view.scope);
        while let Some(id) = scope {
            let here = &all.scopes[id];
            let Some(function) = here.function else {
                scope = here.outer;
                continue;
            };
            let mut bound = false;
            for (_, value) in here.assigned.iter().filter(|(each, _)| each == name) {
                bound = true;
                self.guess(state, value, View { module: view.module, scope: id }, asking);
            }
            if let Some(index) = function.parameters.iter().position(|parameter| parameter.name == *name) {
                let parameter = &function.parameters[index];
                let inner = View { module: view.module, scope: here.outer.unwrap_or(0) };
                parameter.default.iter().for_each(|default| self.guess(state, default, inner, asking));
                if index == 0
                    && here.outer.is_some_and(|outer| all.scopes[outer].function.is_none())
                    && let Some(class) = here.class
                {
                    self.guess_class_named(state, &class.name.clone(), view.module, asking);
                } else if asking.calls.insert((view.module, function.at, name.clone())) {
                    self.guess_given(
                        state,
                        function,
                        here.class.map(|class| class.name.clone()),
                        index,
                        view.module,
                        asking,
                    );
                }
                return;
            }
            if bound {
                return;
            }
            scope = here.outer;
        }
        if let Some(value) = self.module_attribute(state, view.module, name) {
            self.guess_value(state, &value, asking);
        }
    }

    fn guess_class_named(&mut self, state: &mut State, name: &Name, module: ModuleId, asking: &mut Asking) {
        if let Some(Value::Class(class)) = self.module_attribute(state, module, name) {
            asking.found.insert(Guess::Of(class));
        }
    }

    /// What callers in the tree give for a parameter.
    fn guess_given(
        &mut self,
        state: &mut State,
        function: &'t Function,
        class: Option<Name>,
        index: usize,
        home: ModuleId,
        asking: &mut Asking,
    ) {
        let owner = match (&*function.name, &class) {
            ("__init__", Some(class)) => class.clone(),
            ("<lambda>", _) => return,
            _ => function.name.clone(),
        };
        let position = index.checked_sub(usize::from(class.is_some()));
        let slot = super::evidence::Slot::of(vec![owner], function.parameters[index].name.clone(), position, home);
        for (given, view, _) in self.given(state, &slot) {
            self.guess(state, given, view, asking);
        }
    }

    fn guess_attribute(
        &mut self,
        state: &mut State,
        expr: &'t Expr,
        object: &'t Expr,
        name: &Name,
        view: View,
        asking: &mut Asking,
    ) {
        if let Some(value) = self.seen_value(state, expr, view) {
            self.guess_value(state, &value, asking);
            return;
        }
        let mut inner = Asking { depth: asking.depth, work: asking.work, ..Asking::default() };
        self.guess(state, object, view, &mut inner);
        asking.work = inner.work;
        for guess in inner.found {
            let Guess::Of(class) = guess else { continue };
            if let Some((_, value)) = self.find_member(class, name) {
                match value {
                    Value::Function(closure) => {
                        self.guess_returned(state, closure.module, &closure.function, asking);
                    }
                    value => self.guess_value(state, &value, asking),
                }
            }
            for id in self.class(class).line.clone() {
                let (module, definition) = (self.class(id).module, self.class(id).definition.clone());
                let all = self.occurrences(module);
                for (_, _, value, scope) in all.attributes.iter().filter(|(_, each, _, scope)| {
                    each == name && all.scopes[*scope].class.is_some_and(|class| class.at == definition.at)
                }) {
                    self.guess(state, value, View { module, scope: *scope }, asking);
                }
            }
        }
    }

    /// The value of a dotted name that is seen without following anything.
    fn seen_value(&mut self, state: &mut State, expr: &'t Expr, view: View) -> Option<Value> {
        let mut root = expr;
        while let ExprKind::Attribute(inner, _) = &root.kind {
            root = inner;
        }
        let ExprKind::Name(first) = &root.kind else { return None };
        if self.is_local(first, view) {
            return None;
        }
        self.dotted(state, expr, view.module)
    }

    /// Whether a name is a variable of a function around a place.
    pub(super) fn is_local(&mut self, name: &Name, view: View) -> bool {
        let all = self.occurrences(view.module);
        let mut scope = Some(view.scope);
        while let Some(id) = scope {
            if all.scopes[id].function.is_some_and(|function| function.locals.contains(name)) {
                return true;
            }
            scope = all.scopes[id].outer;
        }
        false
    }

    /// What is called where `expr` is.
    fn called(&mut self, expr: &'t Expr, state: &mut State, view: View, asking: &mut Asking) -> Vec<Value> {
        if !asking.may() {
            return Vec::new();
        }
        if let Some(value) = self.seen_value(state, expr, view) {
            return value.alternatives();
        }
        asking.depth += 1;
        let mut out = Vec::new();
        match &expr.kind {
            ExprKind::Name(name) => {
                let all = self.occurrences(view.module);
                let mut scope = Some(view.scope);
                while let Some(id) = scope {
                    let here = &all.scopes[id];
                    let inner = View { module: view.module, scope: id };
                    for (_, value) in here.assigned.iter().filter(|(each, _)| each == name) {
                        out.extend(self.called(value, state, inner, asking));
                    }
                    scope = here.outer;
                }
            }
            ExprKind::Attribute(object, name) => {
                let mut inner = Asking { depth: asking.depth, work: asking.work, ..Asking::default() };
                self.guess(state, object, view, &mut inner);
                asking.work = inner.work;
                for guess in inner.found {
                    if let Guess::Of(class) = guess {
                        out.extend(self.find_member(class, name).map(|(_, value)| value));
                    }
                }
            }
            ExprKind::Item(object, _) => {
                for (each, view) in self.elements(object, view, asking) {
                    out.extend(self.called(each, state, view, asking));
                }
            }
            ExprKind::Call(callee, arguments) => {
                if let ExprKind::Attribute(object, name) = &callee.kind
                    && matches!(&**name, "get" | "pop" | "setdefault")
                {
                    for (each, view) in self.elements(object, view, asking) {
                        out.extend(self.called(each, state, view, asking));
                    }
                    for argument in arguments.iter().skip(1) {
                        out.extend(self.called(&argument.value, state, view, asking));
                    }
                }
            }
            ExprKind::Choice { then, otherwise, .. } => {
                out.extend(self.called(then, state, view, asking));
                out.extend(self.called(otherwise, state, view, asking));
            }
            ExprKind::All(items) | ExprKind::Any(items) => {
                for item in items {
                    out.extend(self.called(item, state, view, asking));
                }
            }
            _ => {}
        }
        asking.depth -= 1;
        out
    }

    /// The elements of a collection that is written down, and those that are added by key.
    pub(super) fn elements(&mut self, expr: &'t Expr, view: View, asking: &mut Asking) -> Vec<(&'t Expr, View)> {
        if !asking.may() {
            return Vec::new();
        }
        match &expr.kind {
            ExprKind::Sequence(_, elements) => elements.iter().map(|element| (&element.value, view)).collect(),
            ExprKind::Table(entries) => entries.iter().map(|(_, value)| (value, view)).collect(),
            ExprKind::Call(_, arguments) => arguments
                .iter()
                .filter(|each| matches!(each.way, Way::Name(_)))
                .map(|each| (&each.value, view))
                .collect(),
            ExprKind::Name(name) => {
                let all = self.occurrences(view.module);
                let mut out = Vec::new();
                let mut scope = Some(view.scope);
                asking.depth += 1;
                while let Some(id) = scope {
                    let here = &all.scopes[id];
                    let inner = View { module: view.module, scope: id };
                    for (_, value) in here.assigned.iter().filter(|(each, _)| each == name) {
                        out.extend(self.elements(value, inner, asking));
                    }
                    scope = here.outer;
                }
                asking.depth -= 1;
                out
            }
            _ => Vec::new(),
        }
    }
}

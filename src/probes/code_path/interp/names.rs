//! Names: where they are bound, what they hold, and the closures that keep them.

use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::{Expr, ExprKind, Function, Name};
use crate::probes::code_path::state::Home;
use crate::probes::code_path::value::{Address, Cell, Closure, ClosureKind, ModuleId, Origin, Spot, UnseenKind, Value};

/// Where a name was found.
enum Found {
    Scope(Address),
    Module,
}

const BUILTINS: &[&str] = &[
    "abs",
    "aiter",
    "all",
    "anext",
    "any",
    "ascii",
    "bin",
    "bool",
    "breakpoint",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "compile",
    "complex",
    "delattr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
    "__import__",
    "NotImplemented",
    "Ellipsis",
    "__file__",
    "__debug__",
    "exit",
    "quit",
];

impl Interp<'_> {
    /// A name that Python itself binds.
    pub(super) fn builtin(&mut self, name: &str) -> Option<Value> {
        let chain = format!("builtins.{name}");
        let known = BUILTINS.contains(&name) || super::classes::is_exception(&chain) || name == "BaseException";
        known.then(|| self.unseen(Origin::Outside, &chain, UnseenKind::Plain))
    }

    fn find_name(&self, state: &State, name: &Name) -> Option<(Found, Value)> {
        let frame = self.frame();
        let mut scope = frame.scope;
        let mut innermost = true;
        while let Some(address) = scope {
            let Some(Cell::Scope { names, outer }) = state.cell(address) else { break };
            if let Some(value) = names.get(name) {
                return Some((Found::Scope(address), value.clone()));
            }
            let is_local = |function: &Rc<Function>| function.locals.contains(name);
            if innermost && frame.body_of.is_none() && frame.function.as_ref().is_some_and(is_local) {
                return Some((Found::Scope(address), Value::Unbound));
            }
            innermost = false;
            scope = *outer;
        }
        let module = frame.module;
        self.global(state, module, name).map(|value| (Found::Module, value))
    }

    /// The value of a name.
    pub(super) fn read_name(&mut self, mut state: State, name: &Name, at: u32) -> Evaled {
        let spot = self.spot(at);
        let module = self.frame().module;
        let value = match self.find_name(&state, name) {
            Some((Found::Module, _)) | None => self.module_name(&mut state, module, name, spot),
            Some((Found::Scope(scope), value)) => {
                let value = self.earlier_variable(&mut state, scope, name, value);
                let narrowed = |state: &mut State, value: &Value| {
                    if let Some(Cell::Scope { names, .. }) = state.cell_mut(scope) {
                        names.insert(name.clone(), value.clone());
                    }
                };
                return self.each_alternative(state, &value, narrowed);
            }
        };
        // A variable that the base alone binds is not narrowed: it would look assigned.
        let narrowed = |state: &mut State, value: &Value| {
            if state.is_assigned(Home::Module(module), name) {
                state.set_global(Home::Module(module), name.clone(), value.clone());
            }
        };
        self.each_alternative(state, &value, narrowed)
    }

    /// Splits into one path for each alternative; the place that was read is narrowed to it.
    pub(super) fn each_alternative(
        &mut self,
        state: State,
        value: &Value,
        mut narrow: impl FnMut(&mut State, &Value),
    ) -> Evaled {
        let Value::OneOf(all) = value else {
            let unbound = *value == Value::Unbound;
            return vec![(
                state,
                if unbound { Err(Exc::Builtin("UnboundLocalError".into())) } else { Ok(value.clone()) },
            )];
        };
        let split = |each: &Value| {
            let mut state = state.clone();
            narrow(&mut state, each);
            match each {
                Value::Unbound => (state, Err(Exc::Builtin("UnboundLocalError".into()))),
                bound => (state, Ok(bound.clone())),
            }
        };
        all.iter().map(split).collect()
    }

    pub(super) fn module_name(&mut self, state: &mut State, module: ModuleId, name: &Name, spot: Spot) -> Value {
        if let Some(value) = self.module_attribute(state, module, name) {
            return self.current_global(state, module, name, value);
        }
        if let Some(value) = self.builtin(name) {
            return value;
        }
        self.lost(&format!("{name} is bound nowhere that can be seen"), spot)
    }

    /// Binds a name.
    /// What a name holds where [`Self::assign_name`] would put it.
    pub(super) fn binding(&self, state: &State, name: &Name) -> Value {
        let frame = self.frame();
        let own = match (&frame.function, frame.body_of, frame.scope) {
            (_, Some(_), scope) | (None, None, scope) => scope,
            (Some(function), None, scope) if function.locals.contains(name) => scope,
            (Some(_), None, scope) => self.outer_home(state, scope, name),
        };
        let found = match own {
            Some(scope) => self.scope_names(state, scope).and_then(|names| names.get(name)),
            None => state.global(Home::Module(frame.module), name),
        };
        found.cloned().unwrap_or(Value::Unbound)
    }

    pub(super) fn assign_name(&mut self, state: &mut State, name: &Name, value: Value) {
        let frame = self.frame().clone();
        let own = match (&frame.function, frame.body_of, frame.scope) {
            (_, Some(_), scope) => scope,
            (Some(function), None, scope) if function.locals.contains(name) => scope,
            // A comprehension has a scope and no function of its own.
            (None, None, scope) => scope,
            (Some(_), None, scope) => self.outer_home(state, scope, name),
        };
        match own {
            Some(scope) => {
                if own != frame.scope {
                    self.note_change(Some(scope));
                }
                if let Some(Cell::Scope { names, .. }) = state.cell_mut(scope) {
                    names.insert(name.clone(), value);
                }
            }
            None => {
                self.note_change(None);
                state.set_global(Home::Module(frame.module), name.clone(), value);
            }
        }
    }

    pub(super) fn outer_home(&self, state: &State, scope: Option<Address>, name: &Name) -> Option<Address> {
        let mut scope = scope;
        while let Some(address) = scope {
            let Some(Cell::Scope { names, outer }) = state.cell(address) else { return None };
            if names.contains_key(name) {
                return Some(address);
            }
            scope = *outer;
        }
        None
    }

    /// The closure of a function statement or expression, its defaults being evaluated.
    pub(super) fn closure(&mut self, state: State, function: &Rc<Function>) -> Evaled<Closure> {
        let mut defaults: Vec<_> =
            function.parameters.iter().filter_map(|parameter| parameter.default.as_ref()).collect();
        // What is called in a declared type is called when the function is made.
        let annotations = function.parameters.iter().filter_map(|parameter| parameter.annotation.as_ref());
        let annotations = annotations.chain(&function.returns);
        defaults.extend(annotations.filter(|annotation| calls(annotation)));
        let evaluated = self.evaluate_all(state, &defaults);
        let frame = self.frame().clone();
        let scope = if frame.body_of.is_some() { self.scope_around(&frame) } else { frame.scope };
        let prefix = match frame.body_of {
            Some(class) => format!("{}.{}", self.class(class).name, function.name),
            None => self.tree.qualified(frame.module, &function.name).to_string(),
        };
        self.then(evaluated, |_, state, values| {
            // The scope of a class body is not visible to its methods.
            let scope = scope.and_then(|address| match (frame.body_of, state.cell(address)) {
                (Some(_), Some(Cell::Scope { outer, .. })) => *outer,
                (Some(_), _) => None,
                (None, _) => Some(address),
            });
            let mut values = values.into_iter();
            let defaults = function
                .parameters
                .iter()
                .map(|parameter| parameter.default.as_ref().and_then(|_| values.next()))
                .collect();
            let closure = Closure {
                function: function.clone(),
                module: frame.module,
                scope,
                class: frame.body_of.or(frame.class),
                name: prefix.as_str().into(),
                defaults,
                kind: ClosureKind::Plain,
                veiled: None,
            };
            vec![(state, Ok(closure))]
        })
    }

    pub(super) fn scope_around(&self, frame: &super::Frame) -> Option<Address> {
        frame.scope
    }
}

/// Whether an expression calls something where it stands.
fn calls(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call(..) => true,
        ExprKind::Attribute(inner, _) => calls(inner),
        ExprKind::Item(object, index) => calls(object) || calls(index),
        ExprKind::Sequence(_, elements) => elements.iter().any(|element| calls(&element.value)),
        ExprKind::Either(parts) => parts.iter().any(calls),
        _ => false,
    }
}

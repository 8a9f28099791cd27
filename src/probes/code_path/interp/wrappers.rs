//! Functions that Python's library makes around functions of the tree: a context as a decorator, and a method with
//! some arguments given. They are followed as if they were written in Python.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Interp, State};
use crate::probes::code_path::model::{
    Argument, Expr, ExprKind, Function, Name, Parameter, ParameterKind, Stmt, StmtKind, Way,
};
use crate::probes::code_path::value::{
    Arguments, Cell, ClassId, Closure, ClosureKind, ModuleId, Spot, Suspended, SuspendedKind, Value,
};

/// Classes outside the tree whose instances decorate functions with the context that they manage.
const DECORATING: &[&str] = &["contextlib.ContextDecorator", "contextlib.AsyncContextDecorator"];

/// Names in the scope of a wrapper.
const MANAGER: &str = "manager";
const WRAPPED: &str = "function";
const GIVEN: &str = "given";
const NAMED: &str = "named";

impl Interp<'_> {
    /// What a decorator that manages a context makes of a function; `None` where it is no such decorator.
    pub(super) fn in_context(
        &mut self,
        state: &mut State,
        decorator: &Value,
        value: &Value,
        spot: Spot,
    ) -> Option<Value> {
        let Value::Function(wrapped) = value else { return None };
        let (manager, awaited) = match decorator {
            // Each call makes the context anew (contextlib, `_recreate_cm`).
            Value::Suspended(suspended) if suspended.kind == SuspendedKind::Context => {
                let made = Value::Function(suspended.closure.clone());
                let recreated = call(name(MANAGER), Vec::new());
                let value = Value::Partial(Rc::new((made, suspended.arguments.clone())));
                ((recreated, value), suspended.closure.function.is_async)
            }
            Value::Object(address) => {
                let Some(Cell::Instance { class, .. }) = state.cell(*address) else { return None };
                let outer = self.decorates(*class)?;
                ((name(MANAGER), decorator.clone()), outer == DECORATING[1])
            }
            _ => return None,
        };
        let ((manager, made), is_async) = (manager, awaited);
        let mut called = call(name(WRAPPED), vec![(Way::Spread, name("args")), (Way::SpreadNames, name("kwargs"))]);
        if is_async {
            called = expr(ExprKind::Await(Box::new(called)));
        }
        let with = StmtKind::With {
            items: Rc::new(vec![(manager, None)]),
            body: Rc::new(vec![stmt(StmtKind::Return(Some(called)))]),
            stacked: None,
            awaited: is_async,
        };
        let parameters = vec![parameter("args", ParameterKind::Rest), parameter("kwargs", ParameterKind::RestNames)];
        let names = BTreeMap::from([(MANAGER.into(), made), (WRAPPED.into(), value.clone())]);
        let function = function(parameters, vec![stmt(with)], is_async);
        let closure = self.wrapper(state, function, names, wrapped.class, spot.module);
        Some(Value::Function(Rc::new(closure)))
    }

    /// Which class of Python's library makes a decorator of the instances of a class of the tree.
    pub(super) fn decorates(&self, class: ClassId) -> Option<&'static str> {
        let outer = &self.class(class).outer;
        let known = DECORATING.iter().copied().find(|known| outer.iter().any(|each| **each == **known));
        known.filter(|_| {
            self.find_member(class, "_recreate_cm").is_none() && self.find_member(class, "__call__").is_none()
        })
    }

    /// `functools.partialmethod(function, …)`: a method that gives these arguments behind its receiver.
    pub(super) fn partial_method(&mut self, state: &mut State, arguments: &Arguments, spot: Spot) -> Option<Value> {
        let Some(Value::Function(wrapped)) = arguments.positions.first() else { return None };
        if wrapped.kind != ClosureKind::Plain || arguments.open {
            return None;
        }
        let given = Value::Tuple(Rc::new(arguments.positions[1..].to_vec()));
        let table = self.address();
        let named = arguments.names.iter().map(|(name, value)| (Value::Text(name.clone()), value.clone()));
        state.put(table, Cell::Table(named.collect()));
        let called = call(
            name(WRAPPED),
            vec![
                (Way::Position, name("self")),
                (Way::Spread, name(GIVEN)),
                (Way::Spread, name("args")),
                (Way::SpreadNames, name(NAMED)),
                (Way::SpreadNames, name("kwargs")),
            ],
        );
        let parameters = vec![
            parameter("self", ParameterKind::Position),
            parameter("args", ParameterKind::Rest),
            parameter("kwargs", ParameterKind::RestNames),
        ];
        let names = BTreeMap::from([
            (WRAPPED.into(), arguments.positions[0].clone()),
            (GIVEN.into(), given),
            (NAMED.into(), Value::Object(table)),
        ]);
        let function = function(parameters, vec![stmt(StmtKind::Return(Some(called)))], false);
        let closure = self.wrapper(state, function, names, wrapped.class, spot.module);
        Some(Value::Function(Rc::new(closure)))
    }

    /// A function of Python's library with what it holds.
    fn wrapper(
        &mut self,
        state: &mut State,
        function: Function,
        names: BTreeMap<Name, Value>,
        class: Option<ClassId>,
        module: ModuleId,
    ) -> Closure {
        let scope = self.address();
        state.put(scope, Cell::Scope { names, outer: None });
        let defaults = vec![None; function.parameters.len()];
        Closure {
            function: Rc::new(function),
            module,
            scope: Some(scope),
            class,
            name: "contextlib.wrapper".into(),
            defaults,
            kind: ClosureKind::Plain,
            veiled: None,
        }
    }

    /// A context that a decorator is; a suspended one is not used up by decorating.
    pub(super) fn is_context(&self, state: &State, decorator: &Value) -> bool {
        match decorator {
            Value::Suspended(suspended) => is_managing(suspended),
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => self.decorates(*class).is_some(),
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            _ => false,
        }
    }
}

fn is_managing(suspended: &Suspended) -> bool {
    suspended.kind == SuspendedKind::Context
}

fn expr(kind: ExprKind) -> Expr {
    Expr { at: 0, kind }
}

fn stmt(kind: StmtKind) -> Stmt {
    Stmt { at: 0, kind }
}

fn name(name: &str) -> Expr {
    expr(ExprKind::Name(name.into()))
}

fn call(callee: Expr, arguments: Vec<(Way, Expr)>) -> Expr {
    let arguments = arguments.into_iter().map(|(way, value)| Argument { way, value }).collect();
    expr(ExprKind::Call(Box::new(callee), arguments))
}

fn parameter(name: &str, kind: ParameterKind) -> Parameter {
    Parameter { name: name.into(), kind, annotation: None, default: None }
}

fn function(parameters: Vec<Parameter>, body: Vec<Stmt>, is_async: bool) -> Function {
    let locals: BTreeSet<Name> = parameters.iter().map(|parameter| parameter.name.clone()).collect();
    Function {
        name: "wrapper".into(),
        at: 0,
        parameters,
        body,
        decorators: Vec::new(),
        is_async,
        is_generator: false,
        locals,
        doc: None,
        returns: None,
        self_assigned: BTreeSet::new(),
    }
}

//! Calls of functions of the tree: arguments are bound, the body is followed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::driving::Progress;
use super::{DEPTH, Driver, Evaled, Exc, Flow, Frame, Interp, State};
use crate::probes::code_path::model::{Name, ParameterKind};
use crate::probes::code_path::patterns::any_matches;
use crate::probes::code_path::value::{
    Address, Arguments, Cell, Closure, ClosureKind, Origin, Spot, Suspended, SuspendedKind, Value,
};

impl Interp<'_> {
    /// Calls a function of the tree. `spot` is the place of the call; `None` when nobody calls it in the tree.
    pub(super) fn invoke(
        &mut self,
        state: State,
        closure: &Rc<Closure>,
        arguments: Arguments,
        spot: Option<Spot>,
    ) -> Evaled {
        let at = spot.unwrap_or(Spot { module: closure.module, at: closure.function.at });
        if let Some(answer) = self.switch_function(closure, at) {
            return vec![(state, Ok(answer))];
        }
        if any_matches(&self.patterns.simulators, &closure.name) && spot.is_some() {
            self.met_simulator(&state, &closure.name.clone(), at);
        }
        if let Some(reason) = &closure.veiled {
            let reason = reason.to_string();
            return self.may_call(state, closure, arguments, &reason, at);
        }
        let kind = match (closure.function.is_async, closure.function.is_generator, closure.kind) {
            (_, true, ClosureKind::Context) => Some(SuspendedKind::Context),
            (_, true, _) => Some(SuspendedKind::Generator),
            (true, false, _) => Some(SuspendedKind::Coroutine),
            (false, false, _) => None,
        };
        if let Some(kind) = kind {
            let mut state = state;
            let value = self.suspended(&mut state, closure, arguments, at, kind);
            return vec![(state, Ok(value))];
        }
        if closure.kind == ClosureKind::Cached {
            // An earlier call may have filled the memory: the body does not run then.
            let remembered = self.data(&closure.name);
            let mut out = self.run(state.clone(), closure, arguments, at, Driver::None);
            out.push((state, Ok(remembered)));
            return out;
        }
        self.run(state, closure, arguments, at, Driver::None)
    }

    fn switch_function(&mut self, closure: &Closure, at: Spot) -> Option<Value> {
        let matches = |switch: &&super::Switch| {
            switch.is_function && self.tree.qualified(switch.at.0, &switch.at.1) == closure.name
        };
        let on = self.switches.iter().find(matches).map(|switch| switch.on)?;
        if self.importing > 0 {
            return Some(self.unseen(
                crate::probes::code_path::value::Origin::Outside,
                "switch",
                crate::probes::code_path::value::UnseenKind::Stale(at),
            ));
        }
        Some(Value::Bool(on))
    }

    /// A function that something unseen may call: both paths are followed.
    pub(super) fn may_call(
        &mut self,
        state: State,
        closure: &Rc<Closure>,
        arguments: Arguments,
        reason: &str,
        spot: Spot,
    ) -> Evaled {
        let mut with = state;
        self.unseen_code(&mut with, reason, spot);
        let result = self.lost(reason, spot);
        let mut out: Evaled = Vec::new();
        self.may_raise(&with, &mut out);
        if closure.function.is_generator {
            out.push((with, Ok(result)));
            return out;
        }
        let ran = self.run(with.clone(), closure, arguments, spot, Driver::None);
        out.extend(ran.into_iter().map(|(state, ended)| (state, ended.map(|_| result.clone()))));
        out.push((with, Ok(result)));
        self.settle(out)
    }

    /// Runs a suspended call to its end, as awaiting or exhausting it does.
    pub fn resume(&mut self, mut state: State, suspended: &Suspended) -> Evaled {
        self.begun(&mut state, suspended);
        let driver = match suspended.kind {
            SuspendedKind::Coroutine | SuspendedKind::Task => Driver::None,
            SuspendedKind::Generator | SuspendedKind::Context => Driver::Exhaust,
        };
        let at_the_top = self.frames.is_empty();
        let ran = self.run(state, &suspended.closure, suspended.arguments.clone(), suspended.spot, driver);
        if at_the_top { self.loop_ended(ran, suspended.spot) } else { ran }
    }

    /// Follows the body of a function.
    pub(super) fn run(
        &mut self,
        mut state: State,
        closure: &Rc<Closure>,
        arguments: Arguments,
        spot: Spot,
        driver: Driver,
    ) -> Evaled {
        if !self.step() {
            return Vec::new();
        }
        let function = closure.function.clone();
        let again = |frame: &Frame| {
            frame.function.as_ref().is_some_and(|running| Rc::ptr_eq(running, &function)) && frame.called_at.is_some()
        };
        let repeated = self.frames.iter().filter(|frame| again(frame)).count();
        if self.frames.len() > DEPTH {
            return self.given_up(state, format!("more than {DEPTH} calls inside each other"), spot);
        }
        match (&driver, repeated) {
            (_, 0) | (Driver::Exhaust | Driver::Context(_) | Driver::Taker(_), 1) => {}
            (Driver::None, _) => return self.run_again(state, closure, arguments, spot, repeated),
            (Driver::Exhaust | Driver::Context(_) | Driver::Taker(_), _) => {
                return self.given_up(state, format!("{} calls itself", closure.name), spot);
            }
        }
        let mark = self.next;
        let names = self.bind(&mut state, closure, arguments, spot);
        self.follow_body_from(mark, state, closure, names, spot, driver)
    }

    /// Follows the body of a function whose arguments are bound.
    pub(super) fn follow_body(
        &mut self,
        state: State,
        closure: &Rc<Closure>,
        names: BTreeMap<Name, Value>,
        spot: Spot,
        driver: Driver,
    ) -> Evaled {
        self.follow_body_from(self.next, state, closure, names, spot, driver)
    }

    /// As [`Self::follow_body`]; what was made since `mark` and is held by nobody afterwards is forgotten.
    fn follow_body_from(
        &mut self,
        mark: Address,
        mut state: State,
        closure: &Rc<Closure>,
        names: BTreeMap<Name, Value>,
        spot: Spot,
        driver: Driver,
    ) -> Evaled {
        let function = closure.function.clone();
        let scope = self.address();
        state.put(scope, Cell::Scope { names, outer: closure.scope });
        if self.quiet == 0 {
            self.log.entered.insert((closure.module, function.at));
        }
        self.frames.push(Frame {
            scope: Some(scope),
            module: closure.module,
            function: Some(function.clone()),
            class: closure.class,
            body_of: None,
            name: closure.name.clone(),
            called_at: Some(spot),
            driver,
        });
        let outcomes = self.block(state, &function.body);
        self.frames.pop();
        let mut out: Evaled = Vec::new();
        for (mut state, flow) in outcomes {
            let result = match flow {
                Flow::Next | Flow::Break | Flow::Continue => Ok(Value::None),
                Flow::Return(value) => Ok(value),
                Flow::Raise(exc) => Err(exc),
            };
            let held = match &result {
                Ok(value) | Err(Exc::Tree(_, value)) => value.clone(),
                Err(Exc::Any | Exc::Builtin(_)) => Value::None,
            };
            state.sweep(mark, &held);
            out.push((state, result));
        }
        self.settle(out)
    }

    pub(super) fn bind(
        &mut self,
        state: &mut State,
        closure: &Closure,
        arguments: Arguments,
        spot: Spot,
    ) -> BTreeMap<Name, Value> {
        let mut names = BTreeMap::new();
        let mut positions = arguments.positions.into_iter();
        let mut named = arguments.names;
        for (index, parameter) in closure.function.parameters.iter().enumerate() {
            let by_name = |named: &mut Vec<(Name, Value)>| {
                let found = named.iter().position(|(name, _)| *name == parameter.name);
                found.map(|index| named.remove(index).1)
            };
            let given = match parameter.kind {
                ParameterKind::Position => positions.next(),
                ParameterKind::Either => positions.next().or_else(|| by_name(&mut named)),
                ParameterKind::Name => by_name(&mut named),
                ParameterKind::Rest => {
                    let rest: Vec<_> = positions.by_ref().collect();
                    let open = arguments.open;
                    Some(if open { self.collection(&parameter.name) } else { Value::Tuple(Rc::new(rest)) })
                }
                ParameterKind::RestNames => {
                    let entries: Vec<_> = named.drain(..).map(|(name, value)| (Value::Text(name), value)).collect();
                    if arguments.open {
                        Some(self.collection(&parameter.name))
                    } else {
                        let address = self.address();
                        state.put(address, Cell::Table(entries));
                        Some(Value::Object(address))
                    }
                }
            };
            let default = closure.defaults.get(index).cloned().flatten();
            let value = match (given, default, arguments.open) {
                (Some(value), _, _) => value,
                (None, default, true) => {
                    let any = self.data(&parameter.name);
                    Value::one_of(default.into_iter().chain([any.clone()]).collect::<Vec<_>>(), || any)
                }
                (None, Some(default), false) => default,
                (None, None, false) => {
                    // Python would refuse the call; a misjudged binding is more likely, and less certain.
                    let reason = format!("{} is called without {}", closure.name, parameter.name);
                    self.doubt(state, reason.clone(), spot);
                    self.lost(&reason, spot)
                }
            };
            names.insert(parameter.name.clone(), value);
        }
        names
    }

    /// Awaits a value.
    pub(super) fn awaited(&mut self, mut state: State, value: &Value, spot: Spot) -> Evaled {
        match value {
            Value::OneOf(all) => all.iter().flat_map(|each| self.awaited(state.clone(), each, spot)).collect(),
            Value::Suspended(suspended) if suspended.kind == SuspendedKind::Coroutine => {
                match self.progress(&state, suspended) {
                    Progress::Fresh => {}
                    Progress::Ended => return vec![(state, Err(Exc::Builtin("RuntimeError".into())))],
                    Progress::Perhaps => self.taint(&mut state, "this coroutine may have been awaited before", spot),
                }
                self.ended(&mut state, suspended);
                self.run(state, &suspended.closure, suspended.arguments.clone(), suspended.spot, Driver::None)
            }
            Value::Suspended(suspended) if suspended.kind == SuspendedKind::Task => {
                self.await_task(state, suspended, spot)
            }
            Value::Unseen(unseen) => {
                state.others_run();
                if let Some(gathered) = self.await_gathered(&state, unseen.id, spot) {
                    return gathered;
                }
                // What was only given, or held by a collection, may be a coroutine of the tree.
                let given = unseen.origin == Origin::Data
                    && (!unseen.chain.contains('.') || super::outside::passes_on(&unseen.chain));
                if given || matches!(unseen.origin, Origin::Lost(..)) {
                    self.unseen_code(&mut state, "what is awaited here is not seen", spot);
                }
                let mut out = Vec::new();
                for state in self.waits(state, spot) {
                    self.may_raise(&state, &mut out);
                    out.push((state, Ok(value.clone())));
                }
                out
            }
            Value::Object(_) => {
                let reason = "an object of the tree is awaited";
                self.taint(&mut state, reason, spot);
                let value = self.lost(reason, spot);
                vec![(state.clone(), Err(Exc::Any)), (state, Ok(value))]
            }
            _ => vec![(state, Err(Exc::Builtin("TypeError".into())))],
        }
    }
}

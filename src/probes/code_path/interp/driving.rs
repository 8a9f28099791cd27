//! Generators of the tree that are driven inside a run: their bodies are followed, and where they yield, what
//! drives them. One that was begun before, or may have been, is not followed again.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Driver, Evaled, Exc, Flow, Frame, Interp, Outcomes, State};
use crate::probes::code_path::model::{Comprehension, Name, Stmt, StmtKind, Target};
use crate::probes::code_path::state::{Done, Left};
use crate::probes::code_path::value::{
    Address, Arguments, Cell, ClassId, Closure, Spot, Suspended, SuspendedKind, Value,
};

/// The attribute that tells a suspended call's cell from others.
pub(super) const SUSPENDED: &str = "suspended";

/// The attribute of a suspended call's cell that says how far it was driven.
const DRIVEN: &str = "driven";

/// What stands there for one that an initialiser made, of an object that was made before the run.
const EARLIER: &str = "earlier";

/// Elements of a generator that are known one by one.
const GATHERED: usize = 16;

/// How far a suspended call was driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has not begun.
    Fresh,
    /// It has come to its end.
    Ended,
    /// It is not known, or somewhere between.
    Perhaps,
}

/// What drives a generator.
#[derive(Clone, Debug)]
pub(super) struct Taker {
    /// The generators that were left when this one was begun.
    depth: usize,
    take: Take,
    /// The code that drives it.
    frames: Vec<Frame>,
    spot: Spot,
    counted: bool,
    /// Whether closing it may do something.
    closes: bool,
}

/// What is done with each value that a generator gives.
#[derive(Clone, Debug)]
pub(super) enum Take {
    /// It is bound, and a loop's body runs.
    Loop(Rc<Target>, Rc<Vec<Stmt>>),
    /// It is bound, and the rest of a comprehension runs, from this loop on.
    Comprehension(Rc<Comprehension>, usize),
    /// It is added to a list.
    Gather(Address),
    /// It is tested; one with this truth ends it.
    Until(bool),
    /// The first is taken.
    First,
}

/// What became of a generator that was driven.
pub(super) enum Driven {
    /// It came to its end.
    Ended,
    /// What drives it left it.
    Left(Flow),
    /// It raised.
    Raised(Exc),
}

impl Interp<'_> {
    /// A call of an asynchronous function or generator, that has not begun.
    pub(super) fn suspended(
        &mut self,
        state: &mut State,
        closure: &Rc<Closure>,
        arguments: Arguments,
        spot: Spot,
        kind: SuspendedKind,
    ) -> Value {
        // It has a cell as instances have; no class has this number.
        let id = self.made_at(state, ClassId(usize::MAX), spot);
        state.put(id, Cell::Seen(BTreeMap::from([(SUSPENDED.into(), Value::None)])));
        if self.filling > 0 {
            self.remember(state, id, &DRIVEN.into(), Value::Text(EARLIER.into()));
        }
        Value::Suspended(Rc::new(Suspended { closure: closure.clone(), arguments, spot, kind, id, counted: false }))
    }

    /// How far a suspended call was driven.
    pub(super) fn progress(&self, state: &State, suspended: &Suspended) -> Progress {
        if self.importing == 0 && state.is_from_imports(suspended.id) {
            return Progress::Perhaps;
        }
        match state.cell(suspended.id) {
            Some(Cell::Seen(fields)) => match fields.get(DRIVEN) {
                None => Progress::Fresh,
                Some(Value::Text(text)) if **text == *EARLIER && self.filling > 0 => Progress::Fresh,
                Some(Value::Bool(true)) => Progress::Ended,
                Some(_) => Progress::Perhaps,
            },
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::List(_) | Cell::Table(_)) | None => {
                Progress::Perhaps
            }
        }
    }

    /// From here on it is not known how far it was driven.
    pub(super) fn begun(&mut self, state: &mut State, suspended: &Suspended) {
        let perhaps = self.data(DRIVEN);
        self.remember(state, suspended.id, &DRIVEN.into(), perhaps);
    }

    /// As [`Self::begun`], where other code may drive what this cell belongs to.
    pub(super) fn perhaps_begun(&mut self, state: &mut State, address: Address) {
        if matches!(state.cell(address), Some(Cell::Seen(fields)) if fields.contains_key(SUSPENDED)) {
            let perhaps = self.data(DRIVEN);
            self.remember(state, address, &DRIVEN.into(), perhaps);
        }
    }

    /// Code that is not followed may drive what this value leads to.
    pub(super) fn driven_unseen(&mut self, state: &mut State, value: &Value) {
        for address in state.reachable([value]) {
            self.perhaps_begun(state, address);
        }
    }

    /// It has come to its end.
    pub(super) fn ended(&mut self, state: &mut State, suspended: &Suspended) {
        self.remember(state, suspended.id, &DRIVEN.into(), Value::Bool(true));
    }

    /// A generator whose driving can be followed.
    pub(super) fn followed_generator(&self, state: &State, value: &Value, awaited: bool) -> Option<Rc<Suspended>> {
        let Value::Suspended(suspended) = value else { return None };
        let fits = suspended.kind == SuspendedKind::Generator && suspended.closure.function.is_async == awaited;
        (fits && self.progress(state, suspended) != Progress::Perhaps).then(|| suspended.clone())
    }

    /// Drives a generator until it ends, raises or is left.
    pub(super) fn drive(
        &mut self,
        mut state: State,
        suspended: &Rc<Suspended>,
        take: Take,
        spot: Spot,
    ) -> Vec<(State, Driven)> {
        if self.progress(&state, suspended) == Progress::Ended {
            return vec![(state, Driven::Ended)];
        }
        self.begun(&mut state, suspended);
        let depth = state.left.len();
        let is_inner = |frame: &Frame| frame.function.is_none() && frame.body_of.is_none() && frame.scope.is_some();
        let from = self.frames.iter().rposition(|frame| !is_inner(frame)).unwrap_or(0);
        let frames = self.frames[from..].iter().map(|frame| Frame { called_at: None, ..frame.clone() }).collect();
        let closes = has_closing(&suspended.closure.function.body);
        let taker = Taker { depth, take, frames, spot, counted: suspended.counted, closes };
        let driver = Driver::Taker(Rc::new(taker));
        let ran = self.run(state, &suspended.closure, suspended.arguments.clone(), suspended.spot, driver);
        let mut out = Vec::new();
        for (mut state, result) in ran {
            let left = state.left.get(depth).cloned();
            state.left.truncate(depth);
            let driven = match (left, result) {
                (Some(left), _) => {
                    let written = left.before.as_ref().map_or(Done::No, |before| before.effect.written);
                    if left.before.is_some_and(|before| has_changed(&before, &state)) {
                        let reason = "when this generator is closed, and what that changes, is not followed";
                        self.unseen_code(&mut state, reason, spot);
                        state.effect.doubt_write_since(written);
                    }
                    Driven::Left(left.flow)
                }
                (None, result) => {
                    self.ended(&mut state, suspended);
                    match result {
                        Ok(_) => Driven::Ended,
                        // Python makes another exception of it (PEP 479).
                        Err(Exc::Builtin(name)) if &*name == "StopIteration" => {
                            Driven::Raised(Exc::Builtin("RuntimeError".into()))
                        }
                        Err(exc) => Driven::Raised(exc),
                    }
                }
            };
            out.push((state, driven));
        }
        out
    }

    /// Drives a generator; its normal end goes on, and leaving it is what left it.
    pub(super) fn drive_flows(&mut self, state: State, suspended: &Rc<Suspended>, take: Take, spot: Spot) -> Outcomes {
        let driven = self.drive(state, suspended, take, spot);
        let flows = driven.into_iter().map(|(state, driven)| match driven {
            Driven::Ended => (state, Flow::Next),
            Driven::Left(flow) => (state, flow),
            Driven::Raised(exc) => (state, Flow::Raise(exc)),
        });
        flows.collect()
    }

    /// All that a generator gives, as a list.
    pub(super) fn gathered(&mut self, mut state: State, suspended: &Rc<Suspended>, spot: Spot) -> Evaled {
        let list = self.address();
        state.put(list, Cell::List(Vec::new()));
        let driven = self.drive(state, suspended, Take::Gather(list), spot);
        let results = driven.into_iter().map(|(state, driven)| match driven {
            Driven::Ended | Driven::Left(_) => (state, Ok(Value::Object(list))),
            Driven::Raised(exc) => (state, Err(exc)),
        });
        let results: Vec<_> = results.collect();
        self.settle(results)
    }

    /// What a call is given, with the generators among it driven to their ends first.
    pub(super) fn with_gathered(&mut self, state: State, arguments: &Arguments, spot: Spot) -> Evaled<Arguments> {
        let mut all: Evaled<Arguments> = vec![(state, Ok(arguments.clone()))];
        for (index, value) in arguments.positions.iter().enumerate() {
            let Value::Suspended(_) = value else { continue };
            all = self.then(all, |me, state, arguments| {
                let Some(suspended) = me.followed_generator(&state, value, false) else {
                    return vec![(state, Ok(arguments))];
                };
                let gathered = me.gathered(state, &suspended, spot);
                me.then(gathered, |_, state, list| {
                    let mut arguments = arguments.clone();
                    arguments.positions[index] = list;
                    vec![(state, Ok(arguments))]
                })
            });
        }
        all
    }

    /// Values of which the last is spread: a generator there is driven to its end.
    pub(super) fn last_gathered(&mut self, state: State, values: Vec<Value>, spot: Spot) -> Evaled<Vec<Value>> {
        let Some(suspended) = values.last().and_then(|last| self.followed_generator(&state, last, false)) else {
            return vec![(state, Ok(values))];
        };
        let gathered = self.gathered(state, &suspended, spot);
        self.then(gathered, |_, state, list| {
            let mut values = values.clone();
            values.pop();
            values.push(list);
            vec![(state, Ok(values))]
        })
    }

    /// `any` and `all` over a generator.
    pub(super) fn drive_until(&mut self, state: State, suspended: &Rc<Suspended>, until: bool, spot: Spot) -> Evaled {
        let driven = self.drive(state, suspended, Take::Until(until), spot);
        let results = driven.into_iter().map(|(state, driven)| match driven {
            Driven::Ended => (state, Ok(Value::Bool(!until))),
            Driven::Left(_) => (state, Ok(Value::Bool(until))),
            Driven::Raised(exc) => (state, Err(exc)),
        });
        results.collect()
    }

    /// `next` of a generator that has not begun.
    pub(super) fn drive_once(
        &mut self,
        state: State,
        suspended: &Rc<Suspended>,
        default: Option<&Value>,
        spot: Spot,
    ) -> Evaled {
        let driven = self.drive(state, suspended, Take::First, spot);
        let results = driven.into_iter().map(|(state, driven)| match (driven, default) {
            (Driven::Left(Flow::Return(value)), _) => (state, Ok(value)),
            (Driven::Ended | Driven::Left(_), Some(default)) => (state, Ok(default.clone())),
            (Driven::Ended | Driven::Left(_), None) => (state, Err(Exc::Builtin("StopIteration".into()))),
            (Driven::Raised(exc), _) => (state, Err(exc)),
        });
        results.collect()
    }

    /// `yield from`: what drives the generator that runs drives another one.
    pub(super) fn pass_on(&mut self, mut state: State, inner: &Rc<Suspended>) -> Evaled {
        if self.progress(&state, inner) == Progress::Ended {
            return vec![(state, Ok(Value::None))];
        }
        self.begun(&mut state, inner);
        let driver = match self.frame().driver.clone() {
            Driver::Taker(taker) => {
                let closes = taker.closes || has_closing(&inner.closure.function.body);
                Driver::Taker(Rc::new(Taker { closes, ..(*taker).clone() }))
            }
            other @ (Driver::None | Driver::Exhaust | Driver::Context(_)) => other,
        };
        let ran = self.run(state, &inner.closure, inner.arguments.clone(), inner.spot, driver);
        let mut out = Vec::new();
        for (mut state, result) in ran {
            self.ended(&mut state, inner);
            out.push((state, result));
        }
        out
    }

    /// A value is given to what drives the generator that runs.
    pub(super) fn taken(&mut self, mut state: State, taker: &Rc<Taker>, value: Value) -> Evaled {
        if state.left.len() > taker.depth {
            self.unseen_code(&mut state, "a generator goes on while it is closed", taker.spot);
            return vec![(state, Err(Exc::Builtin("RuntimeError".into())))];
        }
        let value = if taker.counted { Value::Tuple(Rc::new(vec![self.scalar("number"), value])) } else { value };
        let depth = self.frames.len();
        self.frames.extend(taker.frames.iter().cloned());
        let outcomes = self.taken_by(state, taker, value);
        self.frames.truncate(depth);
        let went_on = outcomes.into_iter().map(|(mut state, flow)| match flow {
            Flow::Next | Flow::Continue => (state, Ok(Value::None)),
            flow @ (Flow::Break | Flow::Return(_) | Flow::Raise(_)) => {
                let before = taker.closes.then(|| Box::new(state.clone()));
                state.left.push(Left { flow, before });
                (state, Err(Exc::Builtin("GeneratorExit".into())))
            }
        });
        went_on.collect()
    }

    fn taken_by(&mut self, mut state: State, taker: &Taker, value: Value) -> Outcomes {
        match &taker.take {
            Take::Loop(target, body) => {
                let bound = self.assign(state, target, &value, taker.spot);
                let mut out = Vec::new();
                for (state, flow) in bound {
                    match flow {
                        Flow::Next => out.extend(self.block(state, body)),
                        other => out.push((state, other)),
                    }
                }
                out
            }
            Take::Comprehension(comprehension, depth) => {
                let bound = self.assign(state, &comprehension.loops[*depth].target, &value, taker.spot);
                let mut out = Vec::new();
                for (state, flow) in bound {
                    match flow {
                        Flow::Next => out.extend(self.comprehension_pass(state, comprehension, *depth, taker.spot)),
                        other => out.push((state, other)),
                    }
                }
                out
            }
            Take::Gather(list) => {
                self.add_to_list(&mut state, *list, value);
                vec![(state, Flow::Next)]
            }
            Take::Until(until) => {
                let truths = self.truths(state, &value, taker.spot).into_iter();
                truths.map(|(state, truth)| (state, if truth == *until { Flow::Break } else { Flow::Next })).collect()
            }
            Take::First => vec![(state, Flow::Return(value))],
        }
    }

    /// Adds an element to a list, whose elements are lost when they are many.
    fn add_to_list(&mut self, state: &mut State, list: Address, value: Value) {
        match state.cell(list) {
            Some(Cell::List(items)) if items.len() < GATHERED => {
                let mut items = items.clone();
                items.push(value);
                state.put(list, Cell::List(items));
            }
            _ => self.lose_elements(state, list, true),
        }
    }
}

/// Whether closing a generator of this body may do something: there is a block that is left then.
fn has_closing(body: &[Stmt]) -> bool {
    body.iter().any(|stmt| {
        matches!(&stmt.kind, StmtKind::Try { .. } | StmtKind::With { .. }) || stmt.blocks().into_iter().any(has_closing)
    })
}

/// Whether code that ran between two moments of a path changed what other code can see.
pub(super) fn has_changed(before: &State, after: &State) -> bool {
    let (old, new) = (&before.effect, &after.effect);
    let effect = old.written != new.written
        || old.doubt != new.doubt
        || old.tainted != new.tainted
        || old.pending != new.pending
        || before.globals != after.globals;
    let attributes = |old: &BTreeMap<Name, Value>, new: &BTreeMap<Name, Value>| {
        old.iter().any(|(name, value)| new.get(name).is_some_and(|other| other != value))
    };
    effect
        || after.heap.iter().any(|(address, new)| match (before.cell(*address), &**new) {
            (None, _) | (Some(Cell::Instance { filled: false, .. }), Cell::Instance { .. }) => false,
            (Some(Cell::Instance { fields: old, .. }), Cell::Instance { fields: new, .. })
            | (Some(Cell::Seen(old)), Cell::Seen(new)) => attributes(old, new),
            (Some(old), new) => old != new,
        })
}

/// Whether code that ran between two moments of a path drove a generator that was there before.
pub(super) fn has_driven(before: &State, after: &State) -> bool {
    after.heap.iter().any(|(address, new)| match (before.cell(*address), &**new) {
        (Some(Cell::Seen(old)), Cell::Seen(new)) => old.contains_key(SUSPENDED) && old != new,
        _ => false,
    })
}

//! Functions that call themselves. A call that comes to what an outer call of the same function came to does what
//! that one does: first nothing is taken to come of it, then what was found to come of the outer call, until nothing
//! new is found. So everything is covered that a call which ends can do, however deep it goes; what never ends does
//! not return, and beyond some depth Python raises.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Driver, Evaled, Exc, Interp, State};
use crate::probes::code_path::merge::is_looked_at;
use crate::probes::code_path::model::{Function, Name};
use crate::probes::code_path::state::{Aspect, Done, Effect, Variable};
use crate::probes::code_path::value::{Address, Arguments, Cell, Closure, Origin, Spot, Unseen, UnseenKind, Value};

/// Calls of one function inside each other that are followed one by one.
pub(super) const DEEPEST: usize = 8;

/// How often one call is followed until nothing new comes of it.
const ROUNDS: usize = 8;

/// A call that is being followed, and what was found to come of it.
#[derive(Debug)]
pub(super) struct Pending {
    function: Rc<Function>,
    print: Vec<u8>,
    /// What it can reach, in the order in which it is met.
    reached: Rc<Vec<Address>>,
    known: Vec<Rc<Coming>>,
    used: bool,
}

/// What comes of a call: changes of what it can reach, in its own addresses.
#[derive(Debug, PartialEq)]
struct Coming {
    /// Whether some of it cannot be told of another call.
    lost: bool,
    result: Result<Value, Exc>,
    effect: Effect,
    cells: BTreeMap<Address, Change>,
    globals: BTreeMap<Variable, Value>,
    facts: BTreeMap<(Address, Aspect), bool>,
    shared: Vec<Address>,
}

/// What became of a cell.
#[derive(Debug, PartialEq)]
enum Change {
    /// These attributes or variables have other values.
    Names(BTreeMap<Name, Value>),
    /// It is another one.
    Whole(Cell),
}

impl Interp<'_> {
    /// Follows a call of a function that is being followed already.
    pub(super) fn run_again(
        &mut self,
        mut state: State,
        closure: &Rc<Closure>,
        arguments: Arguments,
        spot: Spot,
        repeated: usize,
    ) -> Evaled {
        let names = self.bind(&mut state, closure, arguments, spot);
        let names = if repeated > 1 { self.widened(&state, closure, names) } else { names };
        let (print, reached) = self.call_print(&state, closure, &names);
        let alike = |pending: &Pending| Rc::ptr_eq(&pending.function, &closure.function) && pending.print == print;
        if let Some(index) = self.pending.iter().rposition(alike) {
            self.pending[index].used = true;
            let (known, from) = (self.pending[index].known.clone(), self.pending[index].reached.clone());
            // What goes too deep raises; it has done nothing since then.
            let mut out: Evaled = vec![(state.clone(), Err(Exc::Builtin("RecursionError".into())))];
            for coming in known {
                out.push(self.come(state.clone(), &coming, &from, &reached, closure, spot));
            }
            return self.settle(out);
        }
        if repeated > DEEPEST {
            return self.given_up(state, format!("{} calls itself", closure.name), spot);
        }
        let reached = Rc::new(reached);
        let mut known: Vec<Rc<Coming>> = Vec::new();
        for _ in 0..ROUNDS {
            self.pending.push(Pending {
                function: closure.function.clone(),
                print: print.clone(),
                reached: reached.clone(),
                known: known.clone(),
                used: false,
            });
            let out = self.follow_body(state.clone(), closure, names.clone(), spot, Driver::None);
            let used = self.pending.pop().is_some_and(|pending| pending.used);
            if !used || self.exhausted.is_some() {
                return out;
            }
            let before = known.len();
            for (after, result) in &out {
                let coming = self.coming(&state, after, result, &reached);
                if !known.iter().any(|each| **each == coming) {
                    known.push(Rc::new(coming));
                }
            }
            if known.len() == before {
                return out;
            }
        }
        self.given_up(state, format!("what comes of {}, which calls itself, does not settle", closure.name), spot)
    }

    /// A call that is not followed.
    pub(super) fn given_up(&mut self, mut state: State, reason: String, spot: Spot) -> Evaled {
        self.taint(&mut state, &reason, spot);
        let mut out = Vec::new();
        self.may_raise(&state, &mut out);
        let value = self.lost(&reason, spot);
        out.push((state, Ok(value)));
        out
    }

    /// Texts and numbers that are others at each depth are any.
    fn widened(&mut self, state: &State, closure: &Closure, mut names: BTreeMap<Name, Value>) -> BTreeMap<Name, Value> {
        let function = &closure.function;
        let outer = self.frames.iter().rev().find(|frame| {
            frame.called_at.is_some() && frame.function.as_ref().is_some_and(|each| Rc::ptr_eq(each, function))
        });
        let Some(scope) = outer.and_then(|frame| frame.scope) else { return names };
        let before = self.scope_names(state, scope).cloned().unwrap_or_default();
        for (name, value) in &mut names {
            let is_plain = matches!(value, Value::Text(_) | Value::TextFrom(_) | Value::Int(_));
            if is_plain && before.get(name) != Some(value) {
                *value = self.scalar(name);
            }
        }
        names
    }

    /// What comes of a call, seen from where it began.
    fn coming(&self, before: &State, after: &State, result: &Result<Value, Exc>, reached: &[Address]) -> Coming {
        let known: BTreeSet<Address> = reached.iter().copied().collect();
        let mut lost = before.carried != after.carried || before.left != after.left || before.tasks != after.tasks;
        let mut port = |value: &Value| ported(value, &known, &mut lost);
        let result = match result {
            Ok(value) => Ok(port(value)),
            Err(Exc::Tree(class, value)) => Err(Exc::Tree(*class, port(value))),
            Err(exc) => Err(exc.clone()),
        };
        let mut unlike = false;
        let mut cells = BTreeMap::new();
        for address in reached {
            let (old, new) = (before.cell(*address), after.cell(*address));
            if old == new {
                continue;
            }
            let change = match (old, new) {
                (Some(Cell::Instance { fields: old, .. }), Some(Cell::Instance { fields: new, .. }))
                | (Some(Cell::Seen(old)), Some(Cell::Seen(new)))
                | (Some(Cell::Scope { names: old, .. }), Some(Cell::Scope { names: new, .. })) => {
                    // What was only looked at is there for every call.
                    let others = new.iter().filter(|(name, value)| {
                        old.get(*name) != Some(value)
                            && (old.contains_key(*name) || !is_looked_at(*address, name, value))
                    });
                    Change::Names(others.map(|(name, value)| (name.clone(), port(value))).collect())
                }
                (_, Some(Cell::List(items))) => Change::Whole(Cell::List(items.iter().map(&mut port).collect())),
                (_, Some(Cell::Table(entries))) => {
                    let entries = entries.iter().map(|(key, value)| (port(key), port(value)));
                    Change::Whole(Cell::Table(entries.collect()))
                }
                (_, Some(Cell::Seen(fields))) => {
                    let fields = fields.iter().map(|(name, value)| (name.clone(), port(value)));
                    Change::Whole(Cell::Seen(fields.collect()))
                }
                (_, Some(Cell::Instance { .. } | Cell::Scope { .. })) | (_, None) => {
                    unlike = true;
                    continue;
                }
            };
            cells.insert(*address, change);
        }
        let mut port = |value: &Value| ported(value, &known, &mut lost);
        let changed = after.globals.iter().filter(|(key, value)| before.globals.get(key) != Some(value));
        let globals = changed.map(|(key, value)| (key.clone(), port(value))).collect();
        let is_old = |address: &Address| known.contains(address);
        let facts =
            after.facts.iter().filter(|((about, _), _)| is_old(about)).map(|(key, fact)| (*key, *fact)).collect();
        let mut effect = after.effect.clone();
        // What was sent on a connection that nobody has any more is not followed into another call.
        let unknown = |root: &Address, done: &Done| !is_old(root) && before.effect.pending.get(root) != Some(done);
        lost |= unlike || effect.pending.iter().any(|(root, done)| unknown(root, done));
        effect.pending.retain(|root, _| is_old(root));
        effect.autocommit.retain(is_old);
        effect.volatile.retain(|root, _| is_old(root));
        effect.made.retain(is_old);
        effect.touched.retain(is_old);
        let shared = after.shared.iter().copied().filter(is_old).collect();
        Coming { lost, result, effect, cells, globals, facts, shared }
    }

    /// A call that is like an outer one has come to what that one comes to.
    fn come(
        &mut self,
        mut state: State,
        coming: &Coming,
        from: &[Address],
        to: &[Address],
        closure: &Closure,
        spot: Spot,
    ) -> (State, Result<Value, Exc>) {
        if coming.lost {
            let reason = format!("what {}, which calls itself, leaves is not followed", closure.name);
            self.unseen_code(&mut state, reason.clone(), spot);
            state.effect.written = state.effect.written.max(coming.effect.written.min(Done::Maybe));
            state.effect.tainted = true;
            let value = self.lost(&reason, spot);
            return (state, if coming.result.is_ok() { Ok(value) } else { Err(Exc::Any) });
        }
        let map: BTreeMap<Address, Address> = from.iter().copied().zip(to.iter().copied()).collect();
        for (address, change) in &coming.cells {
            let Some(here) = map.get(address).copied() else { continue };
            match change {
                Change::Names(others) => {
                    for (name, value) in others {
                        let value = self.placed(value, &map, spot);
                        match state.cell_mut(here) {
                            Some(
                                Cell::Instance { fields, .. } | Cell::Seen(fields) | Cell::Scope { names: fields, .. },
                            ) => {
                                fields.insert(name.clone(), value);
                            }
                            Some(Cell::List(_) | Cell::Table(_)) | None => {}
                        }
                    }
                }
                Change::Whole(cell) => {
                    let mut place = |value: &Value| self.placed(value, &map, spot);
                    let cell = match cell {
                        Cell::List(items) => Cell::List(items.iter().map(&mut place).collect()),
                        Cell::Table(entries) => {
                            Cell::Table(entries.iter().map(|(key, value)| (place(key), place(value))).collect())
                        }
                        Cell::Seen(fields) => {
                            Cell::Seen(fields.iter().map(|(name, value)| (name.clone(), place(value))).collect())
                        }
                        Cell::Instance { .. } | Cell::Scope { .. } => continue,
                    };
                    state.put(here, cell);
                }
            }
        }
        for ((home, name), value) in &coming.globals {
            let value = self.placed(value, &map, spot);
            state.set_global(*home, name.clone(), value);
        }
        let facts = Rc::make_mut(&mut state.facts);
        let to: BTreeSet<Address> = to.iter().copied().collect();
        facts.retain(|(about, _), _| !to.contains(about));
        facts.extend(
            coming
                .facts
                .iter()
                .filter_map(|((about, aspect), fact)| map.get(about).map(|here| ((*here, *aspect), *fact))),
        );
        let (effect, now) = (&coming.effect, &mut state.effect);
        let here = |root: &Address| map.get(root).copied();
        (now.written, now.doubt, now.tainted) = (effect.written, effect.doubt, effect.tainted);
        now.pending.retain(|root, _| !to.contains(root));
        now.pending.extend(effect.pending.iter().filter_map(|(root, done)| here(root).map(|root| (root, *done))));
        now.volatile.retain(|root, _| !to.contains(root));
        now.volatile.extend(effect.volatile.iter().filter_map(|(root, done)| here(root).map(|root| (root, *done))));
        now.autocommit.retain(|root| !to.contains(root));
        now.autocommit.extend(effect.autocommit.iter().filter_map(here));
        now.made.retain(|root| !to.contains(root));
        now.made.extend(effect.made.iter().filter_map(here));
        now.touched.retain(|root| !to.contains(root));
        now.touched.extend(effect.touched.iter().filter_map(here));
        coming.shared.iter().filter_map(here).for_each(|address| state.share(address));
        let result = match &coming.result {
            Ok(value) => Ok(self.placed(value, &map, spot)),
            Err(Exc::Tree(class, value)) => Err(Exc::Tree(*class, self.placed(value, &map, spot))),
            Err(exc) => Err(exc.clone()),
        };
        (state, result)
    }

    /// A value as another call has it; what was made anew is made anew.
    fn placed(&mut self, value: &Value, map: &BTreeMap<Address, Address>, spot: Spot) -> Value {
        match value {
            Value::Tuple(items) => {
                Value::Tuple(Rc::new(items.iter().map(|item| self.placed(item, map, spot)).collect()))
            }
            Value::OneOf(items) => {
                let items: Vec<_> = items.iter().map(|item| self.placed(item, map, spot)).collect();
                Value::one_of(items, || self.data("recursion"))
            }
            Value::Object(address) => match map.get(address) {
                Some(here) => Value::Object(*here),
                None => self.lost("what a function that calls itself has made is not followed", spot),
            },
            Value::Unseen(unseen) => {
                let id = match map.get(&unseen.id) {
                    Some(here) => *here,
                    None => self.address(),
                };
                let at = |address: Option<Address>| address.and_then(|address| map.get(&address).copied());
                let kind = match &unseen.kind {
                    UnseenKind::Length(of) => map.get(of).map_or(UnseenKind::Scalar, |of| UnseenKind::Length(*of)),
                    UnseenKind::Status(of) => map.get(of).map_or(UnseenKind::Scalar, |of| UnseenKind::Status(*of)),
                    kind @ (UnseenKind::Plain
                    | UnseenKind::Scalar
                    | UnseenKind::Bool
                    | UnseenKind::Collection
                    | UnseenKind::Stale(_)
                    | UnseenKind::Process) => kind.clone(),
                };
                let (connection, owner) = (at(unseen.connection), at(unseen.owner));
                Value::Unseen(Rc::new(Unseen { id, connection, owner, kind, ..(**unseen).clone() }))
            }
            Value::Bound(pair) => {
                Value::Bound(Rc::new((self.placed(&pair.0, map, spot), self.placed(&pair.1, map, spot))))
            }
            Value::Super(class, receiver) => Value::Super(*class, Rc::new(self.placed(receiver, map, spot))),
            Value::Partial(pair) => {
                let (function, given) = &**pair;
                let mut place = |value: &Value| self.placed(value, map, spot);
                let function = place(function);
                let given = Arguments {
                    positions: given.positions.iter().map(&mut place).collect(),
                    names: given.names.iter().map(|(name, value)| (name.clone(), place(value))).collect(),
                    open: given.open,
                    spread: given.spread.iter().map(&mut place).collect(),
                };
                Value::Partial(Rc::new((function, given)))
            }
            Value::Function(closure) => match closure.scope.map(|scope| map.get(&scope)) {
                None => value.clone(),
                Some(Some(scope)) => Value::Function(Rc::new(Closure { scope: Some(*scope), ..(**closure).clone() })),
                Some(None) => self.lost("what a function that calls itself has made is not followed", spot),
            },
            Value::Suspended(_) => self.lost("what a function that calls itself has made is not followed", spot),
            Value::Unbound
            | Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::TextFrom(_)
            | Value::Member(..)
            | Value::Class(_)
            | Value::Module(_) => value.clone(),
        }
    }
}

/// A value in which what was made since the call began has no identity: it is made anew for each call.
fn ported(value: &Value, known: &BTreeSet<Address>, lost: &mut bool) -> Value {
    let mut port = |value: &Value| ported(value, known, lost);
    match value {
        Value::Tuple(items) => Value::Tuple(Rc::new(items.iter().map(port).collect())),
        Value::OneOf(items) => Value::one_of(items.iter().map(port).collect::<Vec<_>>(), || Value::Object(0)),
        Value::Object(address) => Value::Object(if known.contains(address) { *address } else { 0 }),
        Value::Unseen(unseen) => {
            let is_new = |address: Address| !known.contains(&address);
            let plain = |kind: &UnseenKind| match kind {
                UnseenKind::Length(of) | UnseenKind::Status(of) if is_new(*of) => UnseenKind::Scalar,
                kind => kind.clone(),
            };
            // A connection, a cursor or a process that was made inside is not the same as another call's.
            let belongs = [unseen.connection, unseen.owner].into_iter().flatten().any(is_new);
            if belongs || is_new(unseen.id) && unseen.origin == Origin::Outside && unseen.kind == UnseenKind::Plain {
                return Value::Object(0);
            }
            let id = if is_new(unseen.id) { 0 } else { unseen.id };
            Value::Unseen(Rc::new(Unseen { id, kind: plain(&unseen.kind), ..(**unseen).clone() }))
        }
        Value::Bound(pair) => Value::Bound(Rc::new((port(&pair.0), port(&pair.1)))),
        Value::Super(class, receiver) => Value::Super(*class, Rc::new(port(receiver))),
        Value::Partial(pair) => {
            let (function, given) = &**pair;
            let function = port(function);
            let given = Arguments {
                positions: given.positions.iter().map(&mut port).collect(),
                names: given.names.iter().map(|(name, value)| (name.clone(), port(value))).collect(),
                open: given.open,
                spread: given.spread.iter().map(&mut port).collect(),
            };
            Value::Partial(Rc::new((function, given)))
        }
        Value::Function(closure) => match closure.scope {
            Some(scope) if !known.contains(&scope) => Value::Object(0),
            Some(_) | None => value.clone(),
        },
        Value::Suspended(_) => {
            *lost = true;
            Value::Object(0)
        }
        Value::Unbound
        | Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Text(_)
        | Value::TextFrom(_)
        | Value::Member(..)
        | Value::Class(_)
        | Value::Module(_) => value.clone(),
    }
}

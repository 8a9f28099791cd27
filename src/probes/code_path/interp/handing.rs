//! What happens to functions and objects of the tree that other code is given: it may call them.

use super::{Interp, State};
use crate::probes::code_path::value::{Arguments, Cell, Spot, Value};

impl Interp<'_> {
    /// Whether functions or classes of the tree are among arguments, or in what these hold.
    pub(super) fn holds_code(&self, state: &State, arguments: &Arguments) -> bool {
        let mut callables = Vec::new();
        arguments.values().any(|value| {
            self.callables(state, value, 0, &mut callables);
            !callables.is_empty() || value.alternatives().iter().any(|value| matches!(value, Value::Class(_)))
        })
    }

    /// What happens when other code is given callables of the tree: it may call them or not.
    pub(super) fn hand_over(&mut self, state: State, arguments: &Arguments, spot: Spot) -> Vec<State> {
        let handed = self.handed(&state, arguments);
        self.hand_over_these(state, handed, spot)
    }

    /// Callables of the tree among arguments and in what they hold, before anything is forgotten of them.
    pub(super) fn handed(&self, state: &State, arguments: &Arguments) -> Vec<Value> {
        let mut callables = Vec::new();
        for value in arguments.values() {
            self.callables(state, value, 0, &mut callables);
        }
        callables
    }

    pub(super) fn hand_over_these(&mut self, state: State, callables: Vec<Value>, spot: Spot) -> Vec<State> {
        let mut states = vec![state];
        for callable in callables {
            if let Some(reason) = super::hooks::does(&callable) {
                states.iter_mut().for_each(|state| self.taint(state, &reason, spot));
                continue;
            }
            let mut next = Vec::new();
            for state in states {
                next.extend(self.maybe_called(state, &callable, spot));
            }
            let settled = self.settle(next.into_iter().map(|state| (state, super::Flow::Next)).collect());
            states = settled.into_iter().map(|(state, _)| state).collect();
        }
        states
    }

    pub(super) fn callables(&self, state: &State, value: &Value, depth: usize, found: &mut Vec<Value>) {
        match value {
            Value::Bound(pair) if matches!(pair.1, Value::Unseen(_)) => {
                self.callables(state, &pair.0, depth + 1, found);
            }
            Value::Function(_) | Value::Bound(_) | Value::Partial(_) | Value::Suspended(_) => found.push(value.clone()),
            Value::Tuple(items) | Value::OneOf(items) if depth < 4 => {
                items.iter().for_each(|item| self.callables(state, item, depth + 1, found));
            }
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::List(items)) if depth < 4 => {
                    items.iter().for_each(|item| self.callables(state, item, depth + 1, found));
                }
                Some(Cell::Table(entries)) if depth < 4 => {
                    entries.iter().for_each(|(_, item)| self.callables(state, item, depth + 1, found));
                }
                Some(Cell::Instance { class, .. }) => {
                    if self.find_member(*class, "__call__").is_some() {
                        found.push(value.clone());
                    }
                    self.special(state, value, found);
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => {}
            },
            Value::Member(..) => self.special(state, value, found),
            Value::Unseen(unseen) => match state.cell(unseen.id) {
                // What a thread is to do when this is awaited.
                Some(Cell::Seen(fields)) if fields.contains_key(super::tasks::WORK) => {
                    found.extend(fields.get(super::tasks::WORK).cloned());
                }
                _ => found.extend((super::hooks::does(value).is_some()).then(|| value.clone())),
            },
            _ => {}
        }
    }

    pub(super) fn maybe_called(&mut self, state: State, callable: &Value, spot: Spot) -> Vec<State> {
        let (before, undone) = (self.met_so_far(), self.undone);
        let mut uncalled = state.clone();
        let mut called = state.clone();
        called.effect.doubt = true;
        let ran = match callable {
            Value::Suspended(suspended) => self.resume(called, suspended),
            _ => {
                let made = self.call(called, callable, Arguments { open: true, ..Arguments::default() }, spot);
                // What it gives may be driven or awaited.
                self.then(made, |me, state, value| match &value {
                    Value::Suspended(suspended) if me.is_fresh(&state, suspended) => me.resume(state, suspended),
                    _ => vec![(state, Ok(value))],
                })
            }
        };
        let after = self.met_so_far();
        let changes = ran.iter().any(|(each, _)| {
            let before = State { effect: each.effect.clone(), ..state.clone() };
            super::driving::has_changed(&before, each)
        });
        if changes || self.undone > undone {
            self.harmful += 1;
        }
        let mut ran: Vec<State> = ran.into_iter().map(|(state, _)| state).collect();
        let mut expected = state.effect.clone();
        expected.doubt = true;
        let harmless = before == after && ran.iter().all(|each| each.effect == expected);
        if harmless {
            ran.iter_mut().for_each(|each| each.effect = state.effect.clone());
        } else {
            self.doubt(&mut uncalled, "code outside the tree may call what it is given here, or not", spot);
        }
        ran.push(uncalled);
        ran
    }

    /// How much was met, to see whether something adds to it.
    pub(super) fn met_so_far(&self) -> (usize, usize, usize) {
        (self.log.writes.len(), self.log.simulators.len(), self.log.blocked.len())
    }
}

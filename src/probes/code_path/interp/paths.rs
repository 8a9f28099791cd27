//! Many paths at once: going on with each, forking on truth, merging when there are too many.

use super::{Evaled, Exc, Flow, Interp, Outcomes, State};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Cell, Spot, UnseenKind, Value};

/// More states than this at one point are merged.
pub const WIDTH: usize = 24;
/// Where that takes too long, more than these.
pub const NARROW: usize = 2;
/// More kinds of states than this at one point cannot be followed.
const KINDS: usize = 200;
/// Objects alive on one path.
const CELLS: usize = 20_000;

impl Interp<'_> {
    /// The outcome that an operation which may fail adds; nothing where nobody would catch it.
    pub(super) fn may_raise<T>(&self, state: &State, out: &mut Evaled<T>) {
        if self.catching > 0 {
            out.push((state.clone(), Err(Exc::Any)));
        }
    }

    /// Goes on with each value.
    pub(super) fn then<T, U>(
        &mut self,
        evaled: Evaled<T>,
        mut next: impl FnMut(&mut Self, State, T) -> Evaled<U>,
    ) -> Evaled<U> {
        let mut out = Vec::new();
        for (state, result) in evaled {
            match result {
                Ok(value) => out.extend(next(self, state, value)),
                Err(exc) => out.push((state, Err(exc))),
            }
        }
        out
    }

    /// Goes on with each value, to statements' outcomes.
    pub(super) fn then_flow<T>(
        &mut self,
        evaled: Evaled<T>,
        mut next: impl FnMut(&mut Self, State, T) -> Outcomes,
    ) -> Outcomes {
        let mut out = Vec::new();
        for (state, result) in evaled {
            match result {
                Ok(value) => out.extend(next(self, state, value)),
                Err(exc) => out.push((state, Flow::Raise(exc))),
            }
        }
        out
    }

    /// Merges outcomes that are equal, and alike ones when there are too many.
    pub(super) fn settle<T: Mergeable>(&mut self, outcomes: Vec<(State, T)>) -> Vec<(State, T)> {
        if outcomes.len() < 2 {
            return outcomes;
        }
        let mut kept: Vec<(State, T)> = Vec::with_capacity(outcomes.len());
        for (state, what) in outcomes {
            if !kept.iter().any(|(other, same)| *same == what && *other == state) {
                kept.push((state, what));
            }
        }
        if kept.len() <= self.width {
            return kept;
        }
        let mut merged: Vec<(State, T)> = Vec::new();
        for (state, what) in kept {
            let like = merged.iter().position(|(other, same)| same.is_like(&what) && other.is_alike(&state));
            match like {
                Some(index) => {
                    let (mut other, same) = merged.swap_remove(index);
                    let mut state = state;
                    for address in other.unfilled(&state) {
                        self.fill(&mut other, address);
                    }
                    for address in state.unfilled(&other) {
                        self.fill(&mut state, address);
                    }
                    let mut lost = || self.data("merged");
                    let joined = other.join(&state, &mut lost);
                    let what = same.join(what, &mut lost);
                    merged.push((joined, what));
                }
                None => merged.push((state, what)),
            }
        }
        if merged.len() > KINDS {
            self.give_up(format!("more than {KINDS} kinds of paths at one point"), false);
        }
        let full = merged.iter().any(|(state, _)| state.size() > CELLS);
        if full {
            self.give_up(format!("more than {CELLS} objects on one path"), false);
        }
        merged
    }

    /// Forks on the truth of a value, and learns it.
    pub(super) fn truths(&mut self, state: State, value: &Value, spot: Spot) -> Vec<(State, bool)> {
        let mut out = Vec::new();
        for value in value.alternatives() {
            match self.truth(&state, &value) {
                Some(truth) => out.push((state.clone(), truth)),
                None => {
                    if let Some(reason) = self.truth_runs_code(&state, &value) {
                        let mut state = state.clone();
                        self.taint(&mut state, &reason, spot);
                        out.extend([(state.clone(), true), (state, false)]);
                        continue;
                    }
                    for truth in [true, false] {
                        let mut state = state.clone();
                        self.learn_truth(&mut state, &value, truth, spot);
                        out.push((state, truth));
                    }
                }
            }
        }
        out
    }

    pub(super) fn learn_truth(&mut self, state: &mut State, value: &Value, truth: bool, spot: Spot) {
        if let Value::Object(address) = value
            && matches!(state.cell(*address), Some(Cell::Seen(_)))
        {
            state.learn(*address, Aspect::Filled, truth);
        }
        let Value::Unseen(unseen) = value else { return };
        match &unseen.kind {
            UnseenKind::Bool => state.learn(unseen.id, Aspect::True, truth),
            UnseenKind::Collection => state.learn(unseen.id, Aspect::Filled, truth),
            UnseenKind::Length(of) => state.learn(*of, Aspect::Filled, truth),
            UnseenKind::Status(process) => self.process_ended(state, *process, !truth, spot),
            UnseenKind::Stale(imported) => {
                let reason = "the switch was imported by value: it is stale when it is tested";
                self.blocked(reason, *imported);
                state.learn(unseen.id, Aspect::True, truth);
            }
            // What counts as true is not null; a mutable thing that counts as false may be anything.
            UnseenKind::Plain | UnseenKind::Scalar | UnseenKind::Process => {
                if truth {
                    state.learn(unseen.id, Aspect::Null, false);
                }
            }
        }
    }
}

/// What settles together with states.
pub(super) trait Mergeable: PartialEq {
    fn is_like(&self, other: &Self) -> bool;
    fn join(self, other: Self, lost: &mut dyn FnMut() -> Value) -> Self;
}

impl Mergeable for Result<Value, Exc> {
    fn is_like(&self, other: &Self) -> bool {
        self.is_ok() == other.is_ok()
    }

    fn join(self, other: Self, lost: &mut dyn FnMut() -> Value) -> Self {
        match (self, other) {
            (Ok(ours), Ok(theirs)) => Ok(Value::merged(ours, theirs, lost)),
            (Err(ours), Err(theirs)) => Err(if ours == theirs { ours } else { Exc::Any }),
            (Ok(_), Err(exc)) | (Err(exc), Ok(_)) => Err(exc),
        }
    }
}

impl Mergeable for Flow {
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    fn join(self, other: Self, lost: &mut dyn FnMut() -> Value) -> Self {
        match (self, other) {
            (Self::Return(ours), Self::Return(theirs)) => Self::Return(Value::merged(ours, theirs, lost)),
            (Self::Raise(ours), Self::Raise(theirs)) => Self::Raise(if ours == theirs { ours } else { Exc::Any }),
            (flow, _) => flow,
        }
    }
}

//! Loops: known elements are taken one by one; unknown ones are none, or any number, until passing the
//! body again brings nothing new.

use std::rc::Rc;

use super::driving::Take;
use super::{Flow, Interp, Outcomes, State};
use crate::probes::code_path::model::{Expr, Stmt, Target};
use crate::probes::code_path::state::{Aspect, State as PathState};
use crate::probes::code_path::value::{Address, Cell, Origin, Spot, SuspendedKind, UnseenKind, Value};

/// Elements of a known collection that are taken one by one.
pub(super) const UNROLLED: usize = 40;

/// Passes through a body after which collections that grow have no known elements any more.
const WIDENED: usize = 2;

/// Passes through a body before what it leaves is given up.
const PASSES: usize = 10;

/// A `for` statement without what follows its normal end.
pub(super) struct ForLoop<'s> {
    /// What each element is bound to.
    pub target: &'s Rc<Target>,
    /// The body.
    pub body: &'s Rc<Vec<Stmt>>,
    /// Whether the iteration is awaited.
    pub awaited: bool,
}

/// How a state enters the next pass of a loop (true) or ends the loop (false).
type Advance<'a, I> = dyn FnMut(&mut I, PathState) -> Vec<(PathState, bool)> + 'a;

impl Interp<'_> {
    /// Runs `body` for each element of a value; `Break` and the normal end come back as `Next`.
    pub(super) fn iterate(
        &mut self,
        state: State,
        iterable: &Value,
        target: &Target,
        spot: Spot,
        body: &mut dyn FnMut(&mut Self, State) -> Outcomes,
    ) -> Outcomes {
        let outcomes = self.each(state, iterable, target, spot, body);
        let ended = outcomes.into_iter().map(|(state, flow)| match flow {
            Flow::Break => (state, Flow::Next),
            other => (state, other),
        });
        let ended: Vec<_> = ended.collect();
        self.settle(ended)
    }

    /// As [`Self::iterate`], with `Break` kept apart from the normal end.
    pub(super) fn each(
        &mut self,
        state: State,
        iterable: &Value,
        target: &Target,
        spot: Spot,
        body: &mut dyn FnMut(&mut Self, State) -> Outcomes,
    ) -> Outcomes {
        self.each_value(state, iterable, spot, &mut |me, state, element| {
            let mut out = Vec::new();
            for (state, flow) in me.assign(state, target, &element, spot) {
                match flow {
                    Flow::Next => out.extend(body(me, state)),
                    other => out.push((state, other)),
                }
            }
            out
        })
    }

    /// As [`Self::each`], with each element given to `body`.
    pub(super) fn each_value(
        &mut self,
        mut state: State,
        iterable: &Value,
        spot: Spot,
        body: &mut dyn FnMut(&mut Self, State, Value) -> Outcomes,
    ) -> Outcomes {
        if let Value::OneOf(all) = iterable {
            let mut out = Vec::new();
            for one in all.iter() {
                out.extend(self.each_value(state.clone(), one, spot, body));
            }
            return self.settle(out);
        }
        if let Some(items) = self.known_items(&state, iterable).filter(|items| items.len() <= UNROLLED) {
            return self.unrolled(state, iterable, &items, spot, body);
        }
        if let Some(items) = self.unordered_items(&state, iterable) {
            return self.in_any_order(state, iterable, &items, spot, body);
        }
        if super::calls::runs_outside(iterable) {
            state.others_run();
        }
        if self.truth(&state, iterable) == Some(false) && self.is_collection(&state, iterable) {
            return vec![(state, Flow::Next)];
        }
        let runs_code = match iterable {
            Value::Suspended(suspended) => matches!(suspended.kind, SuspendedKind::Generator | SuspendedKind::Context),
            Value::Object(address) => matches!(state.cell(*address), Some(Cell::Instance { .. })),
            Value::Unseen(unseen) => matches!(unseen.origin, Origin::Lost(..)),
            _ => false,
        };
        if runs_code {
            self.taint(&mut state, "what is iterated here runs code that is not followed", spot);
        }
        let mut filled = self.truth(&state, iterable) == Some(true) && self.is_collection(&state, iterable);
        if let Value::Unseen(unseen) = iterable
            && &*unseen.chain == super::collections::ITERATOR
        {
            // Afterwards it is used up.
            filled = state.fact(unseen.id, Aspect::Filled) == Some(true);
            state.forget(unseen.id);
        }
        let chain = iterable.unseen().map(|unseen| unseen.chain.to_string()).unwrap_or_default();
        let scalar = matches!(iterable.unseen().map(|unseen| &unseen.kind), Some(UnseenKind::Scalar));
        let mut fails = Vec::new();
        self.may_raise(&state, &mut fails);
        let mut out = self.then_flow(fails, |_, state, ()| vec![(state, Flow::Next)]);
        let mut advance = |_: &mut Self, state: State| vec![(state.clone(), true), (state, false)];
        let element = self.element_of(&mut state, iterable, spot);
        self.use_up(&mut state, iterable);
        let mut pass = |me: &mut Self, mut state: State| match &element {
            Some(element) => {
                let mut flows = Vec::new();
                for each in element.alternatives() {
                    let each = me.begun_anew(&mut state, each, spot);
                    flows.extend(body(me, state.clone(), each));
                }
                flows
            }
            None => {
                let element = if scalar { me.scalar(&chain) } else { me.data("element") };
                body(me, state, element)
            }
        };
        out.extend(self.unknown_times(state, filled, spot, &mut advance, &mut pass));
        out
    }

    fn is_collection(&self, state: &State, value: &Value) -> bool {
        match value {
            Value::Unseen(unseen) => unseen.kind == UnseenKind::Collection,
            Value::Tuple(_) => true,
            Value::Object(address) => {
                matches!(state.cell(*address), Some(Cell::List(_) | Cell::Table(_) | Cell::Seen(_)))
            }
            _ => false,
        }
    }

    /// The states that go on with the loop; the rest are kept.
    pub(super) fn passed(&mut self, outcomes: Outcomes, out: &mut Outcomes) -> Vec<State> {
        let mut on = Vec::new();
        for (state, flow) in outcomes {
            match flow {
                Flow::Next | Flow::Continue => on.push((state, Flow::Next)),
                other => out.push((state, other)),
            }
        }
        self.settle(on).into_iter().map(|(state, _)| state).collect()
    }

    /// A loop whose number of passes is not known. `advance` says how a state enters the next pass (true) or
    /// ends the loop (false); with `filled` the first pass is sure.
    pub(super) fn unknown_times(
        &mut self,
        state: State,
        filled: bool,
        spot: Spot,
        advance: &mut Advance<'_, Self>,
        body: &mut dyn FnMut(&mut Self, State) -> Outcomes,
    ) -> Outcomes {
        let start = state.clone();
        let mut out: Outcomes = Vec::new();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let mut front = vec![state];
        for pass in 0..=PASSES {
            let mut entering = Vec::new();
            for state in front {
                for (state, enters) in advance(self, state) {
                    if enters {
                        entering.push(state);
                    } else if !(pass == 0 && filled) {
                        out.push((state, Flow::Next));
                    }
                }
            }
            let mut outcomes = Vec::new();
            for state in entering {
                outcomes.extend(body(self, state));
            }
            let mut on = self.passed(outcomes, &mut out);
            out = self.settle(out);
            // The same places are passed again: what was learnt there is about other values now.
            on.iter_mut().for_each(|state| {
                state.keep_facts_of(&start);
                if pass >= WIDENED {
                    self.widen(state, &start);
                }
            });
            on.retain(|state| {
                let print = self.fingerprint(state);
                let new = !seen.contains(&print);
                if new {
                    seen.push(print);
                }
                new
            });
            if on.is_empty() || self.exhausted.is_some() {
                return out;
            }
            if pass == PASSES {
                for mut state in on {
                    self.taint(&mut state, "what this loop leaves does not settle", spot);
                    out.push((state, Flow::Next));
                }
                return self.settle(out);
            }
            front = on;
        }
        out
    }

    /// Loses the elements of the collections that a loop has filled.
    fn widen(&mut self, state: &mut State, start: &State) {
        let grown = |address: &Address, cell: &Cell| match (start.cell(*address), cell) {
            (Some(Cell::List(old)), Cell::List(new)) => (old.len() < new.len()).then_some(true),
            (Some(Cell::Table(old)), Cell::Table(new)) => (old.len() < new.len()).then_some(true),
            _ => None,
        };
        let grown: Vec<Address> =
            state.heap.iter().filter(|(address, cell)| grown(address, cell).is_some()).map(|(at, _)| *at).collect();
        grown.into_iter().for_each(|address| self.widen_elements(state, address));
        let longer = |(address, cell): (&Address, &Rc<Cell>)| match (start.cell(*address), &**cell) {
            (Some(Cell::Scope { names: old, .. }), Cell::Scope { names: new, .. }) => {
                let grown = new.iter().filter(|(name, value)| {
                    matches!(value, Value::Text(_) | Value::TextFrom(_)) && old.get(*name).is_some_and(|o| o != *value)
                });
                Some((*address, grown.map(|(name, _)| name.clone()).collect::<Vec<_>>()))
            }
            _ => None,
        };
        let longer: Vec<_> = state.heap.iter().filter_map(longer).collect();
        for (address, names) in longer {
            for name in names {
                let text = self.scalar("text");
                if let Some(Cell::Scope { names, .. }) = state.cell_mut(address) {
                    names.insert(name, text);
                }
            }
        }
    }

    /// A `while` loop.
    pub(super) fn while_loop(&mut self, state: State, test: &Expr, body: &[Stmt], otherwise: &[Stmt]) -> Outcomes {
        let spot = self.spot(test.at);
        let mut raised: Outcomes = Vec::new();
        let mut advance = |me: &mut Self, state: State| {
            let mut all = Vec::new();
            for (state, result) in me.test(state, test) {
                match result {
                    Ok(truth) => all.push((state, truth)),
                    Err(exc) => raised.push((state, Flow::Raise(exc))),
                }
            }
            all
        };
        let outcomes = self.unknown_times(state, false, spot, &mut advance, &mut |me, state| me.block(state, body));
        let mut ended = self.after_loop(outcomes, otherwise);
        ended.extend(raised);
        self.settle(ended)
    }

    /// A `for` loop over a value.
    pub(super) fn for_loop(
        &mut self,
        state: State,
        iterable: &Value,
        each: &ForLoop<'_>,
        otherwise: &[Stmt],
        spot: Spot,
    ) -> Outcomes {
        let mut outcomes = Vec::new();
        for one in iterable.alternatives() {
            if let Some(suspended) = self.followed_generator(&state, &one, each.awaited) {
                let take = Take::Loop(each.target.clone(), each.body.clone());
                outcomes.extend(self.drive_flows(state.clone(), &suspended, take, spot));
                continue;
            }
            let mut state = state.clone();
            if each.awaited && !matches!(one, Value::Unseen(_)) {
                self.taint(&mut state, "an asynchronous iteration is not followed", spot);
            }
            let mut body = |me: &mut Self, state| me.block(state, each.body);
            outcomes.extend(self.each(state, &one, each.target, spot, &mut body));
        }
        let outcomes = self.settle(outcomes);
        let ended = self.after_loop(outcomes, otherwise);
        self.settle(ended)
    }

    fn after_loop(&mut self, outcomes: Outcomes, otherwise: &[Stmt]) -> Outcomes {
        let mut out = Vec::new();
        for (state, flow) in outcomes {
            match flow {
                Flow::Next | Flow::Continue => out.extend(self.block(state, otherwise)),
                Flow::Break => out.push((state, Flow::Next)),
                other => out.push((state, other)),
            }
        }
        out
    }
}

//! Passes through the body of a loop over known elements, also where the body changes what is gone through.

use super::loops::UNROLLED;
use super::{Exc, Flow, Interp, Outcomes, State};
use crate::probes::code_path::value::{Address, Cell, Spot, Value};

/// Whether going through a collection goes on as if it had not been changed: a dictionary may get other values.
fn goes_on(before: Option<&Cell>, now: Option<&Cell>) -> bool {
    match (before, now) {
        (Some(Cell::Table(before)), Some(Cell::Table(now))) => {
            before.len() == now.len() && before.iter().all(|(key, _)| now.iter().any(|(each, _)| each == key))
        }
        (before, now) => before == now,
    }
}

/// Every order of a few things.
fn orders(items: &[Value]) -> Vec<Vec<Value>> {
    if items.len() < 2 {
        return vec![items.to_vec()];
    }
    let with_first = |index: usize| {
        let mut rest = items.to_vec();
        let first = rest.remove(index);
        orders(&rest).into_iter().map(move |rest| [vec![first.clone()], rest].concat())
    };
    (0..items.len()).flat_map(with_first).collect()
}

impl Interp<'_> {
    pub(super) fn unrolled(
        &mut self,
        state: State,
        iterable: &Value,
        items: &[Value],
        spot: Spot,
        body: &mut dyn FnMut(&mut Self, State, Value) -> Outcomes,
    ) -> Outcomes {
        let mut out = Vec::new();
        // What a view of a dictionary gives depends on the dictionary.
        let of = match iterable {
            Value::Object(address) => Some(self.views.get(address).copied().unwrap_or(*address)),
            _ => None,
        };
        let before = of.and_then(|address| state.cell(address).cloned());
        let mut states = vec![state];
        for (index, item) in items.iter().enumerate() {
            let mut next = Vec::new();
            for state in states {
                next.extend(body(self, state, item.clone()));
            }
            states = Vec::new();
            for state in self.passed(next, &mut out) {
                match of {
                    Some(address) if !goes_on(before.as_ref(), state.cell(address)) => {
                        out.extend(self.changed_on_the_way(state, address, index + 1, items, spot, body));
                    }
                    Some(_) | None => states.push(state),
                }
            }
        }
        out.extend(states.into_iter().map(|state| (state, Flow::Next)));
        self.settle(out)
    }

    /// The rest of a loop over a collection that its body has changed, from the element at `index` on.
    fn changed_on_the_way(
        &mut self,
        mut state: State,
        address: Address,
        index: usize,
        items: &[Value],
        spot: Spot,
        body: &mut dyn FnMut(&mut Self, State, Value) -> Outcomes,
    ) -> Outcomes {
        match state.cell(address) {
            // Python counts positions: the next element is the one that stands there now.
            Some(Cell::List(now)) if !self.unordered.contains(&address) && index < 2 * UNROLLED => {
                let Some(item) = now.get(index).cloned() else { return vec![(state, Flow::Next)] };
                let mut out = Vec::new();
                let outcomes = body(self, state, item);
                for state in self.passed(outcomes, &mut out) {
                    out.extend(self.changed_on_the_way(state, address, index + 1, items, spot, body));
                }
                self.settle(out)
            }
            Some(Cell::Seen(_) | Cell::List(_)) => {
                let mut advance = |_: &mut Self, state: State| vec![(state.clone(), true), (state, false)];
                let other = self.data("element");
                let each = Value::one_of(items.iter().cloned().chain([other.clone()]).collect::<Vec<_>>(), || other);
                let mut pass = |me: &mut Self, state: State| {
                    let alternatives = each.alternatives().into_iter();
                    alternatives.flat_map(|each| body(me, state.clone(), each)).collect()
                };
                self.unknown_times(state, false, spot, &mut advance, &mut pass)
            }
            Some(Cell::Table(_) | Cell::Instance { .. } | Cell::Scope { .. }) | None => {
                self.taint(&mut state, "what is iterated here changes meanwhile", spot);
                vec![(state.clone(), Flow::Raise(Exc::Any)), (state, Flow::Next)]
            }
        }
    }

    /// The elements of a collection of which only the order is not known.
    pub(super) fn unordered_items(&self, state: &State, iterable: &Value) -> Option<Vec<Value>> {
        match iterable {
            Value::Object(address) if self.unordered.contains(address) => match state.cell(*address)? {
                Cell::List(items) => Some(items.clone()),
                Cell::Instance { .. } | Cell::Scope { .. } | Cell::Table(_) | Cell::Seen(_) => None,
            },
            _ => None,
        }
    }

    /// A loop over elements that may come in any order: few are taken in every order, many any number of times.
    pub(super) fn in_any_order(
        &mut self,
        state: State,
        iterable: &Value,
        items: &[Value],
        spot: Spot,
        body: &mut dyn FnMut(&mut Self, State, Value) -> Outcomes,
    ) -> Outcomes {
        const PERMUTED: usize = 3;
        if items.len() <= PERMUTED {
            let orders = orders(items);
            let flows = orders.iter().flat_map(|order| self.unrolled(state.clone(), iterable, order, spot, body));
            let flows: Vec<_> = flows.collect();
            return self.settle(flows);
        }
        let mut advance = |_: &mut Self, state: State| vec![(state.clone(), true), (state, false)];
        let mut pass =
            |me: &mut Self, state: State| items.iter().flat_map(|each| body(me, state.clone(), each.clone())).collect();
        self.unknown_times(state, true, spot, &mut advance, &mut pass)
    }
}

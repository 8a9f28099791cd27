//! Comparison expressions: both outcomes are followed where the values do not decide, and each is learnt from.

use super::{Evaled, Interp, State};
use crate::probes::code_path::model::{Comparison, Expr};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Cell, Spot, UnseenKind, Value};

/// Methods that comparisons call, of what is compared and of what it holds.
pub(super) const EQUATING: &[&str] = &[
    "__eq__",
    "__ne__",
    "__hash__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__contains__",
    "__iter__",
    "__getitem__",
    "__len__",
];

impl Interp<'_> {
    pub(super) fn has_operators(&self, class: crate::probes::code_path::value::ClassId) -> bool {
        let plain = [
            "__init__",
            "__post_init__",
            "__call__",
            "__enter__",
            "__exit__",
            "__aenter__",
            "__aexit__",
            "__new__",
            "__doc__",
            "__module__",
            "__slots__",
            "__repr__",
            "__str__",
            "__bool__",
            "__len__",
            "__eq__",
            "__ne__",
            "__hash__",
            "__annotations__",
            "__qualname__",
        ];
        self.class(class)
            .line
            .iter()
            .any(|id| self.class(*id).members.keys().any(|name| name.starts_with("__") && !plain.contains(&&**name)))
    }

    pub(super) fn comparisons(
        &mut self,
        state: State,
        first: &Expr,
        rest: &[(Comparison, Expr)],
        spot: Spot,
    ) -> Evaled {
        let values = self.evaluate(state, first);
        self.then(values, |me, state, value| me.compare_rest(state, value, rest, spot))
    }

    pub(super) fn compare_rest(
        &mut self,
        state: State,
        left: Value,
        rest: &[(Comparison, Expr)],
        spot: Spot,
    ) -> Evaled {
        let Some(((op, expr), rest)) = rest.split_first() else { return vec![(state, Ok(Value::Bool(true)))] };
        let rights = self.evaluate(state, expr);
        self.then(rights, |me, state, right| {
            let compared = me.compare_once(state, *op, &left, &right, spot);
            me.then(compared, |me, state, truth| match truth {
                true if !rest.is_empty() => me.compare_rest(state, right.clone(), rest, spot),
                truth => vec![(state, Ok(Value::Bool(truth)))],
            })
        })
    }

    pub(super) fn compare_once(
        &mut self,
        state: State,
        op: Comparison,
        left: &Value,
        right: &Value,
        spot: Spot,
    ) -> Evaled<bool> {
        if matches!(op, Comparison::Is | Comparison::IsNot) {
            return self.compared(state, op, left, right, spot);
        }
        let states = self.hooked(state, &[left, right], EQUATING, spot);
        states.into_iter().flat_map(|state| self.compared(state, op, left, right, spot)).collect()
    }

    fn compared(&mut self, mut state: State, op: Comparison, left: &Value, right: &Value, spot: Spot) -> Evaled<bool> {
        let mut out: Evaled<bool> = Vec::new();
        let mut raised: Evaled<bool> = Vec::new();
        if matches!(op, Comparison::In | Comparison::NotIn) && super::calls::runs_outside(right) {
            state.others_run();
        }
        for left in left.alternatives() {
            for right in right.alternatives() {
                match self.compare(&state, op, &left, &right) {
                    Some(truth) => {
                        self.decided(spot, truth.to_string());
                        out.push((state.clone(), Ok(truth)));
                    }
                    None => {
                        self.may_raise(&state, &mut raised);
                        if let Some(reason) = self.comparison_runs_code(&state, op, &left, &right) {
                            [&left, &right].into_iter().for_each(|value| self.driven_unseen(&mut state, value));
                            self.taint(&mut state, &reason, spot);
                        }
                        for truth in [true, false] {
                            let mut state = state.clone();
                            self.learn_comparison(&mut state, op, &left, &right, truth, spot);
                            out.push((state, Ok(truth)));
                        }
                    }
                }
            }
        }
        out.extend(raised);
        out
    }

    pub(super) fn comparison_runs_code(
        &self,
        state: &State,
        op: Comparison,
        left: &Value,
        right: &Value,
    ) -> Option<String> {
        if matches!(op, Comparison::Is | Comparison::IsNot) {
            return None;
        }
        let own = |value: &Value| match value {
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    self.has_own_equality(*class) || self.has_operators(*class) || !self.is_closed(*class)
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            Value::Member(class, _) => self.has_own_equality(*class),
            // Looking for something in a generator drives it.
            Value::Suspended(_) => true,
            _ => false,
        };
        (own(left) || own(right)).then(|| "a comparison of a class of the tree is not followed".to_owned())
    }

    pub(super) fn learn_comparison(
        &mut self,
        state: &mut State,
        op: Comparison,
        left: &Value,
        right: &Value,
        truth: bool,
        spot: Spot,
    ) {
        let (unseen, other) = match (left, right) {
            (Value::Unseen(unseen), other) | (other, Value::Unseen(unseen)) => (unseen, other),
            _ => return,
        };
        let swapped = !matches!(left, Value::Unseen(_));
        let positive = match op {
            Comparison::Is | Comparison::Equal => Some(truth),
            Comparison::IsNot | Comparison::NotEqual => Some(!truth),
            Comparison::In
            | Comparison::NotIn
            | Comparison::Greater
            | Comparison::GreaterEqual
            | Comparison::Less
            | Comparison::LessEqual => None,
        };
        match (other, positive, &unseen.kind) {
            (Value::None, Some(null), _) if matches!(op, Comparison::Is | Comparison::IsNot) => {
                state.learn(unseen.id, Aspect::Null, null);
            }
            (Value::Bool(value), Some(same), UnseenKind::Bool | UnseenKind::Stale(_)) => {
                self.learn_truth(state, &Value::Unseen(unseen.clone()), same == *value, spot);
            }
            (Value::Int(0), Some(zero), UnseenKind::Length(_) | UnseenKind::Status(_)) => {
                self.learn_truth(state, &Value::Unseen(unseen.clone()), !zero, spot);
            }
            (Value::Int(limit), None, UnseenKind::Length(of)) if !swapped => {
                let filled = match (op, limit, truth) {
                    (Comparison::Greater, 0, filled) | (Comparison::GreaterEqual, 1, filled) => Some(filled),
                    (Comparison::Less, 1, empty) | (Comparison::LessEqual, 0, empty) => Some(!empty),
                    (Comparison::Greater | Comparison::GreaterEqual, 1.., true) => Some(true),
                    _ => None,
                };
                if let Some(filled) = filled {
                    state.learn(*of, Aspect::Filled, filled);
                }
            }
            _ => {}
        }
    }
}

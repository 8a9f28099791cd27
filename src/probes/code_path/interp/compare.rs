//! Truth and comparison of values: yes, no, or not known.

use super::{Interp, State};
use crate::probes::code_path::model::Comparison;
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Cell, Unseen, UnseenKind, Value};

impl Interp<'_> {
    /// Whether a value counts as true; `None` when that is not known.
    pub(super) fn truth(&self, state: &State, value: &Value) -> Option<bool> {
        match value {
            Value::None => Some(false),
            Value::Bool(value) => Some(*value),
            Value::Int(value) => Some(*value != 0),
            Value::Text(text) => Some(!text.is_empty()),
            Value::TextFrom(head) if !head.is_empty() => Some(true),
            Value::Tuple(items) => Some(!items.is_empty()),
            Value::Function(_) | Value::Bound(_) | Value::Module(_) | Value::Suspended(_) | Value::Partial(_) => {
                Some(true)
            }
            Value::Class(class) => (!self.has_metaclass(*class)).then_some(true),
            Value::Member(class, name) => self.member_truth(*class, name),
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::List(items)) => Some(!items.is_empty()),
                Some(Cell::Table(entries)) => Some(!entries.is_empty()),
                Some(Cell::Instance { class, .. }) => {
                    let plain = self.is_closed(*class)
                        && ["__bool__", "__len__"].iter().all(|name| self.find_member(*class, name).is_none());
                    plain.then_some(true)
                }
                // A collection whose elements are not known.
                Some(Cell::Seen(_)) => state.fact(*address, Aspect::Filled),
                Some(Cell::Scope { .. }) | None => None,
            },
            Value::Unseen(unseen) => self.unseen_truth(state, unseen),
            Value::Unbound | Value::TextFrom(_) | Value::Super(..) | Value::OneOf(_) => None,
        }
    }

    fn unseen_truth(&self, state: &State, unseen: &Unseen) -> Option<bool> {
        if state.fact(unseen.id, Aspect::Null) == Some(true) {
            return Some(false);
        }
        match unseen.kind {
            UnseenKind::Bool | UnseenKind::Stale(_) => state.fact(unseen.id, Aspect::True),
            UnseenKind::Collection => state.fact(unseen.id, Aspect::Filled),
            UnseenKind::Length(of) => state.fact(of, Aspect::Filled),
            UnseenKind::Status(process) => state.fact(process, Aspect::True).map(|ok| !ok),
            UnseenKind::Plain | UnseenKind::Scalar | UnseenKind::Process => None,
        }
    }

    /// Why testing a value would run code of the tree that is not followed.
    pub(super) fn truth_runs_code(&self, state: &State, value: &Value) -> Option<String> {
        let class = match value {
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => class,
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => return None,
            },
            Value::Member(class, _) => class,
            _ => return None,
        };
        let own = ["__bool__", "__len__"].iter().any(|name| self.find_member(*class, name).is_some());
        own.then(|| format!("{} decides its own truth", self.class(*class).name))
    }

    /// Whether a comparison holds; `None` when that is not known.
    pub(super) fn compare(&self, state: &State, op: Comparison, a: &Value, b: &Value) -> Option<bool> {
        match op {
            Comparison::Is => self.same(state, a, b),
            Comparison::IsNot => self.same(state, a, b).map(|same| !same),
            Comparison::Equal => self.equal(state, a, b),
            Comparison::NotEqual => self.equal(state, a, b).map(|equal| !equal),
            Comparison::In => self.contains(state, a, b),
            Comparison::NotIn => self.contains(state, a, b).map(|contains| !contains),
            Comparison::Greater | Comparison::GreaterEqual | Comparison::Less | Comparison::LessEqual => {
                let (Value::Int(a), Value::Int(b)) = (a, b) else { return None };
                Some(match op {
                    Comparison::Greater => a > b,
                    Comparison::GreaterEqual => a >= b,
                    Comparison::Less => a < b,
                    _ => a <= b,
                })
            }
        }
    }

    fn is_null(&self, state: &State, value: &Value) -> Option<bool> {
        match value {
            Value::None => Some(true),
            Value::Unseen(unseen) => match unseen.kind {
                UnseenKind::Scalar
                | UnseenKind::Bool
                | UnseenKind::Collection
                | UnseenKind::Length(_)
                | UnseenKind::Stale(_)
                | UnseenKind::Process => Some(false),
                UnseenKind::Plain | UnseenKind::Status(_) => state.fact(unseen.id, Aspect::Null),
            },
            Value::OneOf(_) | Value::Unbound => None,
            Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::TextFrom(_)
            | Value::Member(..)
            | Value::Tuple(_)
            | Value::Object(_)
            | Value::Function(_)
            | Value::Bound(_)
            | Value::Class(_)
            | Value::Module(_)
            | Value::Super(..)
            | Value::Suspended(_)
            | Value::Partial(_) => Some(false),
        }
    }

    /// Identity. Texts and numbers have none that a program may rely on.
    fn same(&self, state: &State, a: &Value, b: &Value) -> Option<bool> {
        match (a, b) {
            (Value::None, other) | (other, Value::None) => self.is_null(state, other),
            (Value::Bool(a), Value::Bool(b)) => Some(a == b),
            (Value::Member(a, x), Value::Member(b, y)) => Some(a == b && x == y),
            (Value::Class(a), Value::Class(b)) => Some(a == b),
            (Value::Module(a), Value::Module(b)) => Some(a == b),
            (Value::Object(a), Value::Object(b)) if a == b => Some(true),
            (Value::Unseen(a), Value::Bool(b)) | (Value::Bool(b), Value::Unseen(a)) => match a.kind {
                UnseenKind::Bool | UnseenKind::Stale(_) => self.unseen_truth(state, a).map(|truth| truth == *b),
                UnseenKind::Plain
                | UnseenKind::Scalar
                | UnseenKind::Collection
                | UnseenKind::Length(_)
                | UnseenKind::Process
                | UnseenKind::Status(_) => None,
            },
            (Value::Unseen(a), Value::Unseen(b)) if a.id == b.id => Some(true),
            (Value::Member(..), Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Class(_))
            | (Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Class(_), Value::Member(..)) => Some(false),
            _ => None,
        }
    }

    fn equal(&self, state: &State, a: &Value, b: &Value) -> Option<bool> {
        match (a, b) {
            (Value::Text(a), Value::Text(b)) => Some(a == b),
            (Value::TextFrom(head), Value::Text(text)) | (Value::Text(text), Value::TextFrom(head)) => {
                (!text.starts_with(&**head)).then_some(false)
            }
            (Value::Int(a), Value::Int(b)) => Some(a == b),
            (Value::Member(x, _), Value::Member(y, _)) => {
                if self.has_own_equality(*x) || self.has_own_equality(*y) {
                    return None;
                }
                // Members of two enumerations that are texts are equal when their texts are.
                if x == y {
                    self.same(state, a, b)
                } else {
                    self.member_content(a)?.ne(&self.member_content(b)?).then_some(false)
                }
            }
            (Value::Member(class, _), other) | (other, Value::Member(class, _)) => {
                if self.has_own_equality(*class) {
                    return None;
                }
                let member = if matches!(a, Value::Member(..)) { a } else { b };
                match other {
                    Value::Text(_) | Value::Int(_) => {
                        if self.is_mixed(*class) {
                            self.equal(state, &self.member_content(member)?, other)
                        } else {
                            self.is_closed(*class).then_some(false)
                        }
                    }
                    Value::None | Value::Class(_) => Some(false),
                    _ => None,
                }
            }
            (Value::None, Value::Unseen(_)) | (Value::Unseen(_), Value::None) => {
                if self.same(state, a, b) == Some(true) { Some(true) } else { None }
            }
            (Value::None, Value::Object(address)) | (Value::Object(address), Value::None) => {
                match state.cell(*address) {
                    Some(Cell::Instance { class, .. }) if self.has_own_equality(*class) => None,
                    _ => Some(false),
                }
            }
            (Value::Unseen(x), Value::Int(0)) | (Value::Int(0), Value::Unseen(x)) => match x.kind {
                UnseenKind::Length(_) | UnseenKind::Status(_) => self.unseen_truth(state, x).map(|truth| !truth),
                UnseenKind::Plain
                | UnseenKind::Scalar
                | UnseenKind::Bool
                | UnseenKind::Collection
                | UnseenKind::Stale(_)
                | UnseenKind::Process => None,
            },
            (Value::Object(_), _) | (_, Value::Object(_)) | (Value::Tuple(_), _) | (_, Value::Tuple(_)) => None,
            (Value::Unseen(a), Value::Unseen(b)) if a.id == b.id => None,
            _ => self.same(state, a, b),
        }
    }

    pub(super) fn contains(&self, state: &State, item: &Value, within: &Value) -> Option<bool> {
        let items: Vec<Value> = match within {
            Value::Tuple(items) => items.to_vec(),
            Value::Object(address) => match state.cell(*address)? {
                Cell::List(items) => items.clone(),
                Cell::Table(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
                Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_) => return None,
            },
            _ => return None,
        };
        let verdicts: Vec<Option<bool>> = items
            .iter()
            .map(|each| {
                // Membership takes identity or equality.
                if self.same(state, item, each) == Some(true) { Some(true) } else { self.equal(state, item, each) }
            })
            .collect();
        if verdicts.contains(&Some(true)) {
            Some(true)
        } else if verdicts.iter().all(|verdict| *verdict == Some(false)) {
            Some(false)
        } else {
            None
        }
    }
}

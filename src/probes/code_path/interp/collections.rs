//! Built-in collections: displays, elements, methods, and what is known of their contents.

use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Arguments, Cell, Origin, Spot, SuspendedKind, UnseenKind, Value};

/// What can be gone through once, from a collection.
pub(super) const ITERATOR: &str = "iterator";

impl Interp<'_> {
    /// Whether the elements of a set are certainly different from each other.
    pub(super) fn are_distinct(&self, state: &State, items: &[Value]) -> bool {
        use crate::probes::code_path::model::Comparison::Equal;
        items.iter().enumerate().all(|(index, item)| {
            items[..index].iter().all(|other| self.compare(state, Equal, other, item) == Some(false))
        })
    }

    /// Whether a value decides for itself which values it is equal to, or what it is as a key or position.
    pub(super) fn has_own_key(&self, state: &State, value: &Value) -> bool {
        value.alternatives().iter().any(|value| match value {
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    let names = ["__hash__", "__eq__", "__index__", "__missing__"];
                    // Records of equal fields are equal.
                    self.class(*class).is_record || names.iter().any(|name| self.find_member(*class, name).is_some())
                }
                Some(Cell::List(items)) => items.iter().any(|item| self.has_own_key(state, item)),
                Some(Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            Value::Tuple(items) => items.iter().any(|item| self.has_own_key(state, item)),
            Value::Member(class, _) => self.has_own_equality(*class),
            _ => false,
        })
    }

    /// Whether iterating a value runs code of the tree: a generator, or an object that is no plain collection.
    pub(super) fn runs_when_iterated(&self, state: &State, value: &Value) -> bool {
        match value {
            Value::Suspended(suspended) => matches!(suspended.kind, SuspendedKind::Generator | SuspendedKind::Context),
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    let names = ["__iter__", "__getitem__", "__next__", "__len__", "__contains__", "keys"];
                    !self.is_closed(*class) || names.iter().any(|name| self.find_member(*class, name).is_some())
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            // It may be a generator.
            Value::Unseen(unseen) => matches!(unseen.origin, Origin::Lost(..)),
            Value::OneOf(all) => all.iter().any(|each| self.runs_when_iterated(state, each)),
            _ => false,
        }
    }

    pub(super) fn length(&mut self, state: &State, value: &Value) -> Option<Value> {
        let count = |n: usize| i64::try_from(n).ok().map(Value::Int);
        match value {
            Value::Tuple(items) => count(items.len()),
            Value::Object(address) => match state.cell(*address)? {
                Cell::List(items) => count(items.len()),
                Cell::Table(entries) => count(entries.len()),
                Cell::Seen(_) => Some(self.unseen(Origin::Outside, "len", UnseenKind::Length(*address))),
                Cell::Instance { .. } | Cell::Scope { .. } => None,
            },
            Value::Unseen(unseen) if unseen.kind == UnseenKind::Collection => {
                Some(self.unseen(Origin::Outside, "len", UnseenKind::Length(unseen.id)))
            }
            _ => None,
        }
    }

    pub(super) fn collected(
        &mut self,
        state: &State,
        chain: &str,
        first: Option<&Value>,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        let mut state = state.clone();
        if first.is_some_and(super::calls::runs_outside) {
            state.others_run();
        }
        let has_key = arguments.named("key").is_some();
        let items = match first {
            None if !arguments.open => Some(Vec::new()),
            Some(value) => self.known_items(&state, value),
            None => None,
        };
        let once = matches!(chain, "builtins.enumerate" | "builtins.reversed");
        let is_set = matches!(chain, "builtins.set" | "builtins.frozenset");
        let is_sorted = chain == "builtins.sorted";
        let unordered = match first {
            Some(Value::Object(address)) if self.unordered.contains(address) => match state.cell(*address) {
                Some(Cell::List(items)) => Some(items.clone()),
                Some(Cell::Table(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => None,
            },
            _ => None,
        };
        let loses_order = is_set || unordered.is_some();
        let items = items.or(unordered).filter(|items| !is_set || self.are_distinct(&state, items));
        let in_order = items.as_deref().filter(|_| is_sorted).and_then(|items| in_order(items, arguments));
        let has_key = has_key && !is_sorted;
        if let (Some(items), false) = (items, has_key || once) {
            let unsure = items.len() > 1 && in_order.is_none() && (loses_order || is_sorted);
            if arguments.named("key").is_some() {
                return None;
            }
            let items = in_order.unwrap_or(items);
            if unsure {
                if chain == "builtins.tuple" {
                    let value = self.collection("collected");
                    if let Value::Unseen(unseen) = &value {
                        state.learn(unseen.id, Aspect::Filled, true);
                    }
                    return Some(vec![(state, Ok(value))]);
                }
                let address = self.address();
                self.unordered.insert(address);
                state.put(address, Cell::List(items));
                return Some(vec![(state, Ok(Value::Object(address)))]);
            }
            let value = if chain == "builtins.tuple" {
                Value::Tuple(Rc::new(items))
            } else {
                let address = self.address();
                state.put(address, Cell::List(items));
                Value::Object(address)
            };
            return Some(vec![(state, Ok(value))]);
        }
        if let Some(value) = first.filter(|value| self.runs_when_iterated(&state, value)) {
            self.driven_unseen(&mut state, value);
            return Some(self.call_lost(state, "a generator of the tree is driven here", spot));
        }
        if has_key {
            return None;
        }
        if let Some(value) = first {
            self.forget_held(&mut state, value);
        }
        let filled = first.and_then(|value| self.truth(&state, value)).filter(|filled| *filled);
        let is_collection = match first {
            Some(Value::Unseen(unseen)) => unseen.kind == UnseenKind::Collection,
            Some(Value::Object(_) | Value::Tuple(_)) => true,
            _ => false,
        };
        if let Some(Value::Unseen(unseen)) = first {
            // It may be used up now.
            if &*unseen.chain == ITERATOR {
                state.forget(unseen.id);
            }
        }
        let value = if once { self.data(ITERATOR) } else { self.collection("collected") };
        if let (Some(_), true, Value::Unseen(unseen)) = (filled, is_collection, &value) {
            state.learn(unseen.id, Aspect::Filled, true);
        }
        let mut out = Vec::new();
        self.may_raise(&state, &mut out);
        out.push((state, Ok(value)));
        Some(out)
    }

    /// The elements of a collection, where they are all known.
    pub(super) fn known_items(&self, state: &State, value: &Value) -> Option<Vec<Value>> {
        match value {
            Value::Tuple(items) => Some(items.to_vec()),
            Value::Object(address) => match state.cell(*address)? {
                Cell::List(items) if items.len() > 1 && self.unordered.contains(address) => None,
                Cell::List(items) => Some(items.clone()),
                Cell::Table(entries) => Some(entries.iter().map(|(key, _)| key.clone()).collect()),
                Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_) => None,
            },
            Value::Class(class) => self.class(*class).enumeration.as_ref().map(|members| {
                let own = members.iter().filter(|(name, _, first)| name == first);
                own.map(|(name, ..)| Value::Member(*class, name.clone())).collect()
            }),
            _ => None,
        }
    }
}

/// What sorting gives where all elements are texts or all are numbers; nothing where it is not computed.
fn in_order(items: &[Value], arguments: &Arguments) -> Option<Vec<Value>> {
    let reverse = match arguments.named("reverse") {
        None => false,
        Some(Value::Bool(reverse)) => *reverse,
        Some(_) => return None,
    };
    if arguments.open || arguments.named("key").is_some() {
        return None;
    }
    let texts: Option<Vec<&str>> = items.iter().map(Value::text).collect();
    let numbers: Option<Vec<i64>> =
        items.iter().map(|item| if let Value::Int(n) = item { Some(*n) } else { None }).collect();
    let mut sorted: Vec<Value> = match (texts, numbers) {
        (Some(mut texts), _) => {
            // Python compares code points; so do bytes of UTF-8.
            texts.sort_unstable();
            texts.into_iter().map(|text| Value::Text(text.into())).collect()
        }
        (None, Some(mut numbers)) => {
            numbers.sort_unstable();
            numbers.into_iter().map(Value::Int).collect()
        }
        (None, None) => return None,
    };
    if reverse {
        sorted.reverse();
    }
    Some(sorted)
}

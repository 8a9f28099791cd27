//! Displays of collections, and the elements that are read from collections.

use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::{Element, Expr, SequenceKind};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Cell, Origin, Spot, UnseenKind, Value};

impl Interp<'_> {
    pub(super) fn sequence(&mut self, state: State, kind: SequenceKind, elements: &[Element], spot: Spot) -> Evaled {
        let exprs: Vec<_> = elements.iter().map(|element| &element.value).collect();
        let mut evaluated = self.evaluate_all(state, &exprs);
        if elements.last().is_some_and(|last| last.spread) {
            evaluated = self.then(evaluated, |me, state, values| me.last_gathered(state, values, spot));
        }
        self.then(evaluated, |me, mut state, values| {
            let mut items = Vec::new();
            for (element, value) in elements.iter().zip(values) {
                if element.spread && super::calls::runs_outside(&value) {
                    state.others_run();
                }
                match element.spread {
                    false => items.push(value),
                    true if me.runs_when_iterated(&state, &value) => {
                        let spot = me.spot(element.value.at);
                        me.driven_unseen(&mut state, &value);
                        me.taint(&mut state, "what is spread here runs code that is not followed", spot);
                        return vec![(state, Ok(me.collection("display")))];
                    }
                    true => match me.known_items(&state, &value) {
                        Some(more) => items.extend(more),
                        None => {
                            let filled = items.len() + 1 < elements.len();
                            let collection = me.collection("display");
                            if let (true, Value::Unseen(unseen)) = (filled, &collection) {
                                state.learn(unseen.id, Aspect::Filled, true);
                            }
                            return vec![(state, Ok(collection))];
                        }
                    },
                }
            }
            if kind == SequenceKind::Set && items.iter().any(|item| me.has_own_key(&state, item)) {
                me.taint(&mut state, "elements of this set decide which are equal", spot);
            }
            let value = match kind {
                SequenceKind::Tuple => Value::Tuple(Rc::new(items)),
                SequenceKind::Set if !me.are_distinct(&state, &items) => {
                    let collection = me.collection("set");
                    if let Value::Unseen(unseen) = &collection {
                        state.learn(unseen.id, Aspect::Filled, true);
                    }
                    collection
                }
                SequenceKind::List | SequenceKind::Set => {
                    let address = me.address();
                    if kind == SequenceKind::Set && items.len() > 1 {
                        me.unordered.insert(address);
                    }
                    state.put(address, Cell::List(items));
                    Value::Object(address)
                }
            };
            vec![(state, Ok(value))]
        })
    }

    pub(super) fn table(&mut self, state: State, entries: &[(Option<Expr>, Expr)], spot: Spot) -> Evaled {
        let exprs: Vec<_> = entries.iter().flat_map(|(key, value)| key.iter().chain([value])).collect();
        let evaluated = self.evaluate_all(state, &exprs);
        self.then(evaluated, |me, mut state, values| {
            let mut values = values.into_iter();
            let mut all: Vec<(Value, Value)> = Vec::new();
            for (key, _) in entries {
                let mut next = || values.next().unwrap_or(Value::None);
                match key {
                    Some(_) => {
                        let key = next();
                        if me.has_own_key(&state, &key) {
                            me.taint(&mut state, "a key decides which keys are equal", spot);
                        }
                        all.push((key, next()));
                    }
                    None => match next() {
                        Value::Object(address) => match state.cell(address) {
                            Some(Cell::Table(more)) => all.extend(more.iter().cloned()),
                            Some(Cell::List(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => {
                                return vec![(state, Ok(me.collection("dict")))];
                            }
                        },
                        _ => return vec![(state, Ok(me.collection("dict")))],
                    },
                }
            }
            let mut last: Vec<(Value, Value)> = Vec::new();
            for (key, value) in all {
                last.retain(|(each, _)| *each != key);
                last.push((key, value));
            }
            let address = me.address();
            state.put(address, Cell::Table(last));
            vec![(state, Ok(Value::Object(address)))]
        })
    }

    /// `object[index]`
    pub(super) fn item(&mut self, state: State, object: &Value, index: &Value, spot: Spot) -> Evaled {
        if let Value::OneOf(all) = object {
            return all.iter().flat_map(|each| self.item(state.clone(), each, index, spot)).collect();
        }
        let mut state = state;
        if self.has_own_key(&state, index) {
            self.taint(&mut state, "what stands between the brackets decides what it is equal to", spot);
        }
        if let Value::Unseen(unseen) = object
            && state.fact(unseen.id, Aspect::Filled) == Some(false)
        {
            // A dictionary may make what it does not hold.
            state.forget(unseen.id);
        }
        if !matches!(index, Value::Int(_) | Value::Bool(_) | Value::Text(_) | Value::Member(..)) {
            // A slice holds the same elements.
            let sliced = match object {
                Value::Object(address) => matches!(state.cell(*address), Some(Cell::List(_))),
                other => matches!(other, Value::Tuple(_)),
            };
            if sliced {
                self.forget_held(&mut state, object);
            }
        }
        let mut out: Evaled = Vec::new();
        let value = match object {
            collection if self.holds_calls(&state, collection) => {
                self.lost("what this collection holds by then is not seen", spot)
            }
            Value::Tuple(items) => self.position(items, index),
            Value::Object(address) => match state.cell(*address).cloned() {
                Some(Cell::List(items)) if self.unordered.contains(address) => {
                    let other = self.data("item");
                    Value::one_of(items.into_iter().chain([other.clone()]).collect::<Vec<_>>(), || other)
                }
                Some(Cell::List(items)) => self.position(&items, index),
                Some(Cell::Table(entries)) => {
                    let (found, open) = self.lookup(&state, &entries, index);
                    if let (false, [_]) = (open, &found[..]) {
                        self.decided(spot, format!("{index:?}"));
                    }
                    if open {
                        out.push((state.clone(), Err(Exc::Builtin("KeyError".into()))));
                    }
                    if found.is_empty() {
                        return out;
                    }
                    Value::one_of(found, || self.data("item"))
                }
                Some(Cell::Instance { class, .. }) => match self.find_member(class, "__getitem__") {
                    Some((_, Value::Function(closure))) => {
                        let arguments =
                            crate::probes::code_path::value::Arguments::of(vec![object.clone(), index.clone()]);
                        return self.invoke(state, &closure, arguments, Some(spot));
                    }
                    _ => return self.call_lost(state, "an element is read in a way that is not seen", spot),
                },
                Some(Cell::Scope { .. } | Cell::Seen(_)) | None => self.data("item"),
            },
            Value::Class(class) => match (&self.class(*class).enumeration, index) {
                (Some(members), Value::Text(name)) => {
                    let found = members.iter().find(|(each, ..)| each == name);
                    match found {
                        Some((_, _, first)) => Value::Member(*class, first.clone()),
                        None => {
                            out.push((state, Err(Exc::Builtin("KeyError".into()))));
                            return out;
                        }
                    }
                }
                (Some(members), _) => {
                    let all: Vec<_> =
                        members.iter().map(|(_, _, first)| Value::Member(*class, first.clone())).collect();
                    Value::one_of(all, || self.data("member"))
                }
                (None, _) if self.find_member(*class, "__class_getitem__").is_some() => {
                    return self.call_lost(state, "the class decides what stands between the brackets", spot);
                }
                // A generic class with its parameters is the class.
                (None, _) => object.clone(),
            },
            Value::Unseen(unseen) => {
                let origin = match (&unseen.origin, &unseen.kind) {
                    (Origin::Outside, UnseenKind::Collection) => Origin::Data,
                    (origin, _) => origin.clone(),
                };
                let kind = if unseen.kind == UnseenKind::Scalar { UnseenKind::Scalar } else { UnseenKind::Plain };
                let chain = unseen.chain.to_string();
                self.unseen(origin, &chain, kind)
            }
            Value::Text(_) | Value::TextFrom(_) => self.scalar("text"),
            _ => self.data("item"),
        };
        self.may_raise(&state, &mut out);
        out.extend(value.alternatives().into_iter().map(|each| (state.clone(), Ok(each))));
        out
    }

    pub(super) fn position(&mut self, items: &[Value], index: &Value) -> Value {
        let known = match index {
            Value::Int(index) => usize::try_from(*index).ok().and_then(|index| items.get(index).cloned()),
            // False and True are 0 and 1 as positions: a dispatch on a condition.
            Value::Bool(second) => items.get(usize::from(*second)).cloned(),
            _ => None,
        };
        let other = self.data("item");
        known.unwrap_or_else(|| Value::one_of(items.iter().cloned().chain([other.clone()]), || other))
    }
}

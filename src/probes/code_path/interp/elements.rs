//! Elements of collections of which only the kind is known: functions and calls that have not begun are kept, one
//! for all that are alike, so that what is done with them is followed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::tasks::are_alike;
use super::{Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Address, Cell, ClassId, Spot, Suspended, UnseenKind, Value};

/// Where a cell, or the scope of a comprehension, keeps what stands for all elements. Unbound: they are lost.
pub(super) const ELEMENT: &str = "[]";

/// Where the scope of a comprehension keeps its elements, one by one, as long as they are known so.
pub(super) const ALL: &str = "[all]";

/// Elements that are kept one by one.
pub(super) const NOTED: usize = 16;

impl Interp<'_> {
    /// The elements of a comprehension are not known one by one.
    pub(super) fn note_no_more(&mut self, state: &mut State) {
        let Some(scope) = self.frame().scope else { return };
        if let Some(Cell::Scope { names, .. }) = state.cell_mut(scope)
            && names.contains_key(ALL)
        {
            names.insert(ALL.into(), Value::Unbound);
        }
    }

    /// The elements that a comprehension has made, where all are known.
    pub(super) fn all_noted(&self, state: &State, scope: Address) -> Option<Vec<Value>> {
        match state.cell(scope) {
            Some(Cell::Scope { names, .. }) => match names.get(ALL) {
                Some(Value::Tuple(items)) => Some(items.to_vec()),
                _ => None,
            },
            Some(Cell::Instance { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => None,
        }
    }

    /// The elements of a collection are not known any more, but perhaps that there are some.
    pub(super) fn lose_elements(&mut self, state: &mut State, address: Address, filled: bool) {
        let held = match state.cell(address) {
            Some(Cell::List(items)) => items.iter().any(|item| self.leads_to_call(state, item)),
            Some(Cell::Table(entries)) => entries.iter().any(|(_, value)| self.leads_to_call(state, value)),
            Some(Cell::Seen(fields)) => fields.contains_key(ELEMENT),
            Some(Cell::Instance { .. } | Cell::Scope { .. }) | None => false,
        };
        let kept = held.then(|| (ELEMENT.into(), Value::Unbound));
        state.put(address, Cell::Seen(kept.into_iter().collect()));
        state.forget(address);
        if filled {
            state.learn(address, Aspect::Filled, true);
        }
    }

    /// As [`Self::lose_elements`], of one that a loop has filled: what stands for its elements is kept.
    pub(super) fn widen_elements(&mut self, state: &mut State, address: Address) {
        let items = match state.cell(address) {
            Some(Cell::List(items)) => items.clone(),
            _ => Vec::new(),
        };
        let all = !items.is_empty() && items.iter().all(is_kept);
        self.lose_elements(state, address, true);
        if all {
            let mut element = None;
            items.into_iter().for_each(|item| add_alike(&mut element, item));
            self.keep_element(state, address, element);
        }
    }

    fn keep_element(&mut self, state: &mut State, address: Address, element: Option<Value>) {
        if let (Some(element), Some(Cell::Seen(fields))) = (element, state.cell_mut(address)) {
            fields.insert(ELEMENT.into(), element);
        }
    }

    /// An element is added to a collection whose elements are not known one by one.
    pub(super) fn add_element(&mut self, state: &mut State, address: Address, value: Value) {
        state.learn(address, Aspect::Filled, true);
        let known = match state.cell(address) {
            Some(Cell::Seen(fields)) => fields.get(ELEMENT).cloned(),
            _ => return,
        };
        let mut element = match known {
            None if self.leads_to_call(state, &value) => Some(Value::Unbound),
            None | Some(Value::Unbound) => return,
            known => known,
        };
        if element != Some(Value::Unbound) {
            let other = if is_kept(&value) { value } else { self.data("element") };
            add_alike(&mut element, other);
        }
        self.keep_element(state, address, element);
    }

    /// What stands for each element of a collection, where something does; calls have not begun.
    pub(super) fn element_of(&mut self, state: &mut State, collection: &Value, spot: Spot) -> Option<Value> {
        let address = collection_address(collection)?;
        let Some(Cell::Seen(fields)) = state.cell(address) else { return None };
        let known = fields.get(ELEMENT).cloned()?;
        let each: Vec<Value> = known
            .alternatives()
            .into_iter()
            .map(|value| match value {
                Value::Unbound => self.lost("what this collection holds by then is not seen", spot),
                other => self.begun_anew(state, other, spot),
            })
            .collect();
        Some(Value::one_of(each, || self.lost("what this collection holds is too much", spot)))
    }

    /// The calls among the elements of a collection begin: none of them does so twice.
    pub(super) fn use_up(&mut self, state: &mut State, collection: &Value) {
        let Some(address) = collection_address(collection) else { return };
        if let Some(Cell::Seen(fields)) = state.cell_mut(address)
            && fields.get(ELEMENT).is_some_and(|element| element.alternatives().iter().any(is_call))
        {
            fields.insert(ELEMENT.into(), Value::Unbound);
        }
    }

    /// Another call like this one.
    pub(super) fn begun_anew(&mut self, state: &mut State, value: Value, spot: Spot) -> Value {
        let Value::Suspended(suspended) = value else { return value };
        let id = self.made_at(state, ClassId(usize::MAX), spot);
        let fields: BTreeMap<Name, Value> = BTreeMap::from([(super::driving::SUSPENDED.into(), Value::None)]);
        state.put(id, Cell::Seen(fields));
        Value::Suspended(Rc::new(Suspended { id, ..(*suspended).clone() }))
    }

    /// The element of a comprehension on this pass.
    pub(super) fn note_element(&mut self, state: &mut State, value: &Value) {
        let Some(scope) = self.frame().scope else { return };
        if let Some(Cell::Scope { names, .. }) = state.cell_mut(scope)
            && let Some(Value::Tuple(items)) = names.get(ALL)
        {
            let longer = match items.len() < NOTED {
                true => Value::Tuple(Rc::new(items.iter().cloned().chain([value.clone()]).collect())),
                false => Value::Unbound,
            };
            names.insert(ALL.into(), longer);
        }
        let Some(Cell::Scope { names, .. }) = state.cell(scope) else { return };
        let mut element = names.get(ELEMENT).cloned();
        let noted = match is_kept(value) {
            true => value.clone(),
            false if self.leads_to_call(state, value) => Value::Unbound,
            false => Value::None,
        };
        add_alike(&mut element, noted);
        if let (Some(element), Some(Cell::Scope { names, .. })) = (element, state.cell_mut(scope)) {
            names.insert(ELEMENT.into(), element);
        }
    }

    /// Whether a value is, holds or leads to a call that has not begun.
    pub(super) fn leads_to_call(&self, state: &State, value: &Value) -> bool {
        let is_call = |address: Address| match state.cell(address) {
            Some(Cell::Seen(fields)) => fields.contains_key(super::driving::SUSPENDED),
            _ => false,
        };
        state.reachable([value]).into_iter().any(is_call)
    }

    /// Whether the elements of a collection are calls, or were.
    pub(super) fn holds_calls(&self, state: &State, collection: &Value) -> bool {
        let cell = collection_address(collection).and_then(|address| state.cell(address));
        matches!(cell, Some(Cell::Seen(fields)) if fields.contains_key(ELEMENT))
    }

    /// Whether a comprehension has made any element on this path.
    pub(super) fn has_noted(&self, state: &State, scope: Address) -> bool {
        matches!(state.cell(scope), Some(Cell::Scope { names, .. }) if names.contains_key(ELEMENT))
    }

    /// What stands for all elements that a comprehension has made.
    pub(super) fn noted_element(&mut self, state: &State, scope: Address) -> Option<Value> {
        let Some(Cell::Scope { names, .. }) = state.cell(scope) else { return None };
        let all = names.get(ELEMENT)?.alternatives();
        if all.iter().all(|each| *each == Value::None) {
            return None;
        }
        let each = all.into_iter().map(|each| if each == Value::None { self.data("element") } else { each });
        let each: Vec<_> = each.collect();
        Some(Value::one_of(each, || Value::Unbound))
    }
}

fn collection_address(collection: &Value) -> Option<Address> {
    match collection {
        Value::Object(address) => Some(*address),
        Value::Unseen(unseen) if unseen.kind == UnseenKind::Collection => Some(unseen.id),
        _ => None,
    }
}

fn is_call(value: &Value) -> bool {
    match value {
        Value::Suspended(_) => true,
        Value::Tuple(items) | Value::OneOf(items) => items.iter().any(is_call),
        _ => false,
    }
}

fn is_kept(value: &Value) -> bool {
    matches!(value, Value::Suspended(_) | Value::Function(_))
}

/// Adds an alternative, unless one that is there stands for it.
fn add_alike(element: &mut Option<Value>, value: Value) {
    let known = element.take().map(|known| known.alternatives()).unwrap_or_default();
    if known.contains(&Value::Unbound) {
        *element = Some(Value::Unbound);
        return;
    }
    let stands = |each: &Value| match (each, &value) {
        (Value::Suspended(one), Value::Suspended(other)) => are_alike(one, other),
        (Value::Unseen(_), Value::Unseen(_)) => true,
        (one, other) => one == other,
    };
    let all = if known.iter().any(stands) { known } else { known.into_iter().chain([value]).collect() };
    *element = Some(Value::one_of(all, || Value::Unbound));
}

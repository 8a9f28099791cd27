//! What earlier runs in the same process may have left behind: variables, objects and collections that
//! were there before this run are not taken as the imports made them where some code changes them.

use std::collections::BTreeMap;

use super::{Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::state::Home;
use crate::probes::code_path::value::{Address, Cell, ClassId, ModuleId, Value};

impl Interp<'_> {
    /// A variable around a function that an import made may hold what an earlier run left there.
    pub(super) fn earlier_variable(&mut self, state: &mut State, scope: Address, name: &Name, value: Value) -> Value {
        self.earlier_collection(state, &value, name);
        if self.importing > 0 || !state.is_from_imports(scope) || !self.tree.is_nonlocal(name) {
            return value;
        }
        let later = self.data(name);
        let both = Value::one_of([value, later.clone()], || later);
        if let Some(Cell::Scope { names, .. }) = state.cell_mut(scope) {
            names.insert(name.clone(), both.clone());
        }
        both
    }

    /// A variable that functions assign may hold what an earlier run left there.
    pub(super) fn current_global(&mut self, state: &mut State, module: ModuleId, name: &Name, value: Value) -> Value {
        let key = (module, name.clone());
        let untouched = !state.is_assigned(Home::Module(module), name);
        let fixed = self.is_switch(module, name) || self.mode_variable.as_ref().is_some_and(|(at, _)| *at == key);
        self.earlier_collection(state, &value, name);
        let stem = self.tree.file(module).module.rsplit('.').next().unwrap_or("").to_owned();
        if self.importing > 0
            || fixed
            || !untouched
            || !(self.is_reassigned(module, name) || self.tree.may_be_replaced_in(&stem, name))
        {
            return value;
        }
        let later = self.data(name);
        let both = Value::one_of([value, later.clone()], || later);
        state.set_global(Home::Module(module), name.clone(), both.clone());
        both
    }

    /// An object that an import made may have been changed by an earlier run.
    pub(super) fn settle_earlier(&mut self, state: &mut State, address: Address, class: ClassId) {
        if self.importing > 0 || !state.is_from_imports(address) {
            return;
        }
        if let Some(Cell::Instance { fresh, .. }) = state.cell_mut(address) {
            *fresh = false;
        }
        self.blur_fields(state, class, address);
    }

    /// A collection that was there before the run: what earlier runs put into it is not known. One that
    /// nobody changes by its name, and that is not empty, is taken as it was made.
    pub(super) fn earlier_collection(&mut self, state: &mut State, value: &Value, name: &Name) {
        if self.importing > 0 {
            return;
        }
        match value {
            Value::Object(address) if state.is_from_imports(*address) => self.blur_collection(state, *address, name),
            Value::Tuple(items) => items.iter().for_each(|item| self.blur_inside(state, item, true, 0)),
            _ => {}
        }
    }

    pub(super) fn blur_collection(&mut self, state: &mut State, address: Address, name: &Name) {
        let imported = state.is_from_imports(address);
        if imported && self.flat.contains(&(address, name.clone())) {
            return;
        }
        let (changes, items) = match state.cell(address) {
            Some(Cell::List(items)) => (items.is_empty(), items.clone()),
            Some(Cell::Table(entries)) => (entries.is_empty(), entries.iter().map(|(_, item)| item.clone()).collect()),
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => return,
        };
        if changes || self.may_be_changed_later(address, name) {
            state.put(address, Cell::Seen(BTreeMap::new()));
            return;
        }
        let mut holds = false;
        for item in &items {
            holds |= holds_collection(state, item);
            self.blur_inside(state, item, imported, 0);
        }
        if imported && !holds {
            self.flat.insert((address, name.clone()));
        }
    }

    /// As [`Self::blur_collection`], of a tuple.
    pub(super) fn blur_tuple(&mut self, state: &mut State, tuple: &Value) {
        self.blur_inside(state, tuple, false, 0);
    }

    /// Collections inside one that was there before the run: by which names they are changed is not looked for.
    fn blur_inside(&mut self, state: &mut State, value: &Value, imported: bool, depth: usize) {
        match value {
            Value::Object(address) if !imported || state.is_from_imports(*address) => {
                if matches!(state.cell(*address), Some(Cell::List(_) | Cell::Table(_))) {
                    state.put(*address, Cell::Seen(BTreeMap::new()));
                }
            }
            Value::Tuple(items) | Value::OneOf(items) if depth < 8 => {
                items.iter().for_each(|item| self.blur_inside(state, item, imported, depth + 1));
            }
            _ => {}
        }
    }
}

fn holds_collection(state: &State, value: &Value) -> bool {
    match value {
        Value::Object(address) => matches!(state.cell(*address), Some(Cell::List(_) | Cell::Table(_))),
        Value::Tuple(items) | Value::OneOf(items) => items.iter().any(|item| holds_collection(state, item)),
        _ => false,
    }
}

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
        let Value::Object(address) = value else { return };
        if self.importing > 0 || !state.is_from_imports(*address) {
            return;
        }
        self.blur_collection(state, *address, name);
    }

    pub(super) fn blur_collection(&mut self, state: &mut State, address: Address, name: &Name) {
        let changes = match state.cell(address) {
            Some(Cell::List(items)) => items.is_empty() || self.may_be_changed_later(address, name),
            Some(Cell::Table(entries)) => entries.is_empty() || self.may_be_changed_later(address, name),
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
        };
        if changes {
            state.put(address, Cell::Seen(BTreeMap::new()));
        }
    }
}

//! Variables of modules, as code reads them.

use super::imports::Loading;
use super::{Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::state::Home;
use crate::probes::code_path::tree::Resolution;
use crate::probes::code_path::value::{ModuleId, Origin, Spot, UnseenKind, Value};

impl Interp<'_> {
    /// The value of a module's variable, as any code reads it now.
    pub(super) fn module_attribute(&mut self, state: &mut State, module: ModuleId, name: &Name) -> Option<Value> {
        if let Some(Loading::Failed(reason, spot)) = self.modules.get(&module).cloned() {
            return Some(self.lost(&format!("the module is not understood: {reason}"), spot));
        }
        if let Some(switch) = self.switch_value(module, name) {
            let assigned = state.is_assigned(Home::Module(module), name);
            if self.importing > 0 {
                let at = Spot { module, at: 0 };
                return Some(self.unseen(Origin::Outside, name, UnseenKind::Stale(at)));
            }
            return if assigned { self.global(state, module, name) } else { Some(switch) };
        }
        if let Some(((mode_module, mode_name), value)) = &self.mode_variable
            && *mode_module == module
            && mode_name == name
            && self.importing == 0
        {
            let assigned = state.is_assigned(Home::Module(module), name);
            return if assigned { self.global(state, module, name) } else { Some(value.clone()) };
        }
        if let Some(value) = self.global(state, module, name) {
            return Some(value);
        }
        // A submodule is an attribute of its package once anything has imported it.
        let file = self.tree.file(module);
        if file.is_package {
            let full = if file.module.is_empty() { name.to_string() } else { format!("{}.{name}", file.module) };
            match self.tree.resolve(&full, Some(module)) {
                Resolution::Module(id) => {
                    self.load_into(state, id);
                    return Some(Value::Module(id));
                }
                Resolution::Gone(reason) if self.tree.module(&full).is_some() => {
                    return Some(self.lost(&reason, Spot { module, at: 0 }));
                }
                Resolution::Gone(_) | Resolution::Folder | Resolution::Outside => {}
            }
        }
        let open = state.global(Home::Module(module), &OPEN.into()).cloned();
        open.or_else(|| {
            let facts = match self.modules.get(&module) {
                Some(Loading::Done(facts)) => facts.open.borrow().clone(),
                Some(Loading::Begun | Loading::Failed(..)) | None => None,
            };
            facts.map(|reason| self.lost(&reason, Spot { module, at: 0 }))
        })
    }

    /// Whether all names are known that a module binds: its import was followed to its end, and no name came in a way
    /// that is not seen.
    pub fn binds_whole(&self, module: ModuleId) -> bool {
        let is_open = match self.modules.get(&module) {
            Some(Loading::Done(facts)) => facts.open.borrow().is_some(),
            Some(Loading::Begun | Loading::Failed(..)) | None => true,
        };
        !is_open && !self.is_cut(module) && self.base.global(Home::Module(module), &OPEN.into()).is_none()
    }

    /// The value of a module's variable as it was bound; one that functions assign may be anything by now.
    pub(super) fn global(&self, state: &State, module: ModuleId, name: &Name) -> Option<Value> {
        state.global(Home::Module(module), name).cloned()
    }

    /// Whether functions of the module assign the variable.
    pub(super) fn is_reassigned(&self, module: ModuleId, name: &str) -> bool {
        match self.modules.get(&module) {
            Some(Loading::Done(facts)) => facts.reassigned.contains(name),
            Some(Loading::Begun | Loading::Failed(..)) | None => false,
        }
    }

    pub(super) fn is_switch(&self, module: ModuleId, name: &str) -> bool {
        self.switches.iter().any(|switch| !switch.is_function && switch.at.0 == module && &*switch.at.1 == name)
    }

    fn switch_value(&self, module: ModuleId, name: &str) -> Option<Value> {
        let switch = self
            .switches
            .iter()
            .find(|switch| !switch.is_function && switch.at.0 == module && &*switch.at.1 == name)?;
        Some(Value::Bool(switch.on))
    }
}

/// The name under which a module remembers that it may have more names than are known.
pub(super) const OPEN: &str = "*";

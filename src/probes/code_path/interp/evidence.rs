//! What the tree itself puts where a type is declared. A declaration is believed only as far as nothing in the
//! tree contradicts it: a caller that gives something else, an assignment, a default, a stand-in.

use std::collections::BTreeSet;

use super::guess::{Asking, Guess, View};
use super::{Interp, State};
use crate::probes::code_path::model::{Argument, Expr, ExprKind, Function, Name, Way};
use crate::probes::code_path::occurrences::{Call, Occurrences, last_name};
use crate::probes::code_path::value::{Cell, ClassId, Closure, ModuleId, Origin, Spot, UnseenKind, Value};

/// Other names of one name that are followed.
const NAMES: usize = 24;

/// A parameter or an attribute whose type is declared.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// The names that callers call: of the function, or of the class and those that inherit its initialiser.
    owners: Vec<Name>,
    /// Its own name.
    name: Name,
    /// Its place among the positions that callers give.
    position: Option<usize>,
    /// The function that is called, where that is known.
    function: Option<(ModuleId, u32)>,
    /// The class whose instances hold it.
    class: Option<ClassId>,
    /// Whether it is also an attribute that can be assigned.
    is_attribute: bool,
    /// The module of the function or class.
    home: Option<ModuleId>,
}

impl Slot {
    /// A parameter of callables that are known by name only.
    pub(super) fn of(owners: Vec<Name>, name: Name, position: Option<usize>, home: ModuleId) -> Self {
        Self { owners, name, position, home: Some(home), ..Self::default() }
    }
}

impl<'t> Interp<'t> {
    /// The value of a parameter as declared, and all that the tree gives for it beside that.
    pub(super) fn with_given(&mut self, state: &mut State, closure: &Closure, index: usize, declared: Value) -> Value {
        let function = closure.function.clone();
        let is_method = closure.class.is_some() && !matches!(closure.kind, super::ClosureKind::Static);
        let position = index.checked_sub(usize::from(is_method));
        let name = function.parameters[index].name.clone();
        let is_init = &*function.name == "__init__";
        let (owners, class) = match closure.class.filter(|_| is_init) {
            Some(class) => (self.heirs(class, "__init__"), Some(class)),
            None => (vec![function.name.clone()], None),
        };
        let at = (!is_init).then_some((closure.module, function.at));
        let slot =
            Slot { owners, name, position, function: at, class, is_attribute: false, home: Some(closure.module) };
        self.contradicted(state, &slot, declared)
    }

    /// The value of a declared attribute, and all that the tree puts there beside that.
    pub(super) fn with_assigned(
        &mut self,
        state: &mut State,
        class: ClassId,
        name: &Name,
        position: Option<usize>,
        declared: Value,
    ) -> Value {
        let owners = self.heirs(class, "__init__");
        let home = Some(self.class(class).module);
        let name = name.clone();
        let slot = Slot { owners, name, position, function: None, class: Some(class), is_attribute: true, home };
        self.contradicted(state, &slot, declared)
    }

    /// The names of a class and of the classes below it that take a method from it.
    fn heirs(&mut self, class: ClassId, method: &str) -> Vec<Name> {
        let _ = self.concrete(class);
        let owner = self.find_member(class, method).map(|(owner, _)| owner);
        let all = (0..self.classes().len()).map(ClassId).filter(|id| {
            let same = self.find_member(*id, method).map(|(owner, _)| owner) == owner;
            self.class(*id).line.contains(&class) && same
        });
        let names: BTreeSet<Name> = all.map(|id| self.class(id).definition.name.clone()).collect();
        names.into_iter().collect()
    }

    /// A declared value with what contradicts it.
    fn contradicted(&mut self, state: &mut State, slot: &Slot, declared: Value) -> Value {
        let alternatives = declared.alternatives();
        let mut classes: BTreeSet<ClassId> = BTreeSet::new();
        let (mut null, mut matters) = (false, false);
        for value in &alternatives {
            match value {
                Value::None => null = true,
                Value::Object(address) => {
                    if let Some(Cell::Instance { class, .. }) = state.cell(*address) {
                        classes.insert(*class);
                        matters = true;
                    }
                }
                Value::Unseen(unseen) => {
                    // What may be anything is not made worse by what it is seen to be.
                    if unseen.kind == UnseenKind::Plain && unseen.origin != Origin::Outside {
                        return declared;
                    }
                    matters |= unseen.kind == UnseenKind::Plain;
                }
                _ => {}
            }
        }
        if !matters || self.filling > 3 {
            return declared;
        }
        let mut asking = Asking::default();
        let mut direct = BTreeSet::new();
        for (expr, view, loose) in self.given(state, slot) {
            if loose {
                self.guess(state, expr, view, &mut asking);
            } else {
                let mut asking = Asking::default();
                self.guess(state, expr, view, &mut asking);
                direct.extend(asking.found());
            }
        }
        // What is given under the same name to something else shows classes only.
        direct.extend(asking.found().into_iter().filter(|guess| matches!(guess, Guess::Of(_))));
        let of_protocol = alternatives.iter().any(|value| match value {
            Value::Object(address) => self.implementing.contains(address),
            _ => false,
        });
        let mut all = alternatives;
        for guess in direct {
            match guess {
                Guess::Null if !null => all.push(Value::None),
                Guess::Of(class) if !classes.contains(&class) => {
                    let other = self.earlier_instance(state, class);
                    all.push(other);
                }
                Guess::Stand => {
                    let spot = slot.class.map_or(Spot { module: ModuleId(0), at: 0 }, |class| {
                        let info = self.class(class);
                        Spot { module: info.module, at: info.definition.at }
                    });
                    let reason = format!("the tree puts a stand-in where the type of {} is declared", slot.name);
                    all.push(self.lost(&reason, spot));
                }
                // What a library gives may have the methods of a protocol too.
                Guess::Outer if of_protocol => {
                    let spot = Spot { module: slot.home.unwrap_or(ModuleId(0)), at: 0 };
                    let reason = format!("the tree gives something of a library for {}, a protocol", slot.name);
                    all.push(self.lost(&reason, spot));
                }
                Guess::Null | Guess::Of(_) | Guess::Outer => {}
            }
        }
        self.catch_up(state);
        Value::one_of(all, || self.data(&slot.name))
    }

    /// Expressions that the tree gives for a slot; the flag says that only the name speaks for it.
    pub(super) fn given(&mut self, state: &mut State, slot: &Slot) -> Vec<(&'t Expr, View, bool)> {
        let key = (slot.owners.clone(), slot.name.clone(), slot.position, slot.is_attribute, slot.home);
        if let Some(known) = self.given.get(&key) {
            return known.clone();
        }
        // A question inside itself finds nothing new.
        self.given.insert(key.clone(), Vec::new());
        let tree = self.tree;
        let near = |id: &ModuleId| slot.home.is_none_or(|home| tree.may_know(*id, home));
        let names = self.names_of(&slot.owners, &near);
        let mut out = Vec::new();
        let mut modules: BTreeSet<ModuleId> = BTreeSet::new();
        for name in &names {
            modules.extend(self.tree.files_with_word(name).into_iter().filter(near));
        }
        for module in modules {
            let all = self.occurrences(module);
            for call in &all.calls {
                if let ExprKind::Attribute(object, make) = &call.callee.kind
                    && &**make == "_make"
                    && last_name(object).is_some_and(|name| names.contains(name))
                {
                    let view = View { module, scope: call.scope };
                    for argument in call.arguments {
                        let spread = self.elements(&argument.value, view, &mut Asking::default());
                        out.extend(spread.into_iter().map(|(expr, view)| (expr, view, false)));
                    }
                }
                if let Some(shift) = self.reaches(state, slot, &names, &all, module, call) {
                    let view = View { module, scope: call.scope };
                    given_here(call.arguments, slot, shift, view, &mut out, self);
                }
            }
        }
        for module in self.tree.files_with_word(&slot.name).into_iter().filter(near) {
            let all = self.occurrences(module);
            for call in &all.calls {
                let named = call.arguments.iter().find(|each| each.way == Way::Name(slot.name.clone()));
                let Some(named) = named else { continue };
                let callee = last_name(call.callee);
                if callee.is_none_or(|callee| !names.contains(callee) && !self.tree.defines(callee)) {
                    out.push((&named.value, View { module, scope: call.scope }, true));
                }
            }
            for (_, value, scope) in all.entries.iter().filter(|(key, ..)| *key == slot.name) {
                out.push((value, View { module, scope: *scope }, true));
            }
            if slot.is_attribute {
                for (object, _, value, scope) in all.attributes.iter().filter(|(_, name, ..)| *name == slot.name) {
                    let view = View { module, scope: *scope };
                    if self.may_hold(state, slot, &names, &all, object, view) {
                        out.push((value, view, false));
                    }
                }
            }
        }
        self.given.insert(key, out.clone());
        out
    }

    /// A name and the other names under which modules know it.
    fn names_of(&mut self, owners: &[Name], near: &dyn Fn(&ModuleId) -> bool) -> BTreeSet<Name> {
        let mut names: BTreeSet<Name> = owners.iter().cloned().collect();
        let mut work: Vec<Name> = owners.to_vec();
        while let Some(name) = work.pop() {
            for module in self.tree.files_with_word(&name).into_iter().filter(|id| near(id)) {
                let all = self.occurrences(module);
                for (_, other) in all.renamed.iter().filter(|(each, _)| *each == name) {
                    if names.len() < NAMES && names.insert(other.clone()) {
                        work.push(other.clone());
                    }
                }
            }
        }
        names
    }

    /// Whether a call may reach the slot's owner, and how many positions come before those of the callers.
    fn reaches(
        &mut self,
        state: &mut State,
        slot: &Slot,
        names: &BTreeSet<Name>,
        all: &Occurrences<'t>,
        module: ModuleId,
        call: &Call<'t>,
    ) -> Option<usize> {
        let scope = &all.scopes[call.scope];
        let of_names = |expr: &Expr| {
            !matches!(expr.kind, ExprKind::Call(..)) && last_name(expr).is_some_and(|name| names.contains(name))
        };
        let view = View { module, scope: call.scope };
        if of_names(call.callee) {
            return self.is_owner(state, slot, call.callee, view).then_some(0);
        }
        let within = |class: &crate::probes::code_path::model::Class| {
            names.contains(&class.name) || class.arguments.iter().any(|base| of_names(&base.value))
        };
        match &call.callee.kind {
            ExprKind::Attribute(object, init) if &**init == "__init__" => match &object.kind {
                ExprKind::Call(callee, _) if last_name(callee).is_some_and(|name| &**name == "super") => {
                    scope.class.is_some_and(within).then_some(0)
                }
                _ => of_names(object).then_some(1),
            },
            ExprKind::Attribute(_, name) if matches!(&**name, "partial" | "partialmethod") => {
                call.arguments.first().is_some_and(|first| of_names(&first.value)).then_some(1)
            }
            ExprKind::Name(name) if matches!(&**name, "partial" | "partialmethod") => {
                call.arguments.first().is_some_and(|first| of_names(&first.value)).then_some(1)
            }
            // `cls(…)` in a method of the class, and calls of what may be the class under no name of its own.
            ExprKind::Name(name) => {
                let first = scope.function.and_then(|function| function.parameters.first());
                let is_cls = first.is_some_and(|first| first.name == *name) && scope.class.is_some_and(within);
                let handed = names.iter().any(|name| all.values.contains(name)) && self.is_local(name, view);
                (is_cls || handed).then_some(0)
            }
            ExprKind::Item(..) | ExprKind::Call(..) => names.iter().any(|name| all.values.contains(name)).then_some(0),
            _ => None,
        }
    }

    /// Whether a callee of the owner's name may be the owner.
    fn is_owner(&mut self, state: &mut State, slot: &Slot, callee: &'t Expr, view: View) -> bool {
        let root = {
            let mut root = callee;
            while let ExprKind::Attribute(inner, _) = &root.kind {
                root = inner;
            }
            root
        };
        if let ExprKind::Name(first) = &root.kind
            && !self.is_local(first, view)
            && let Some(value) = self.dotted(state, callee, view.module)
        {
            return value.alternatives().iter().any(|value| match value {
                Value::Class(class) => slot.class.is_none_or(|owner| self.class(*class).line.contains(&owner)),
                Value::Function(closure) => {
                    slot.class.is_some() || slot.function.is_none_or(|at| at == (closure.module, closure.function.at))
                }
                Value::Unseen(unseen) => unseen.origin != Origin::Outside,
                _ => true,
            });
        }
        let (ExprKind::Attribute(object, name), Some(at)) = (&callee.kind, slot.function) else { return true };
        let mut asking = Asking::default();
        self.guess(state, object, view, &mut asking);
        let found = asking.found();
        let other = |guess: &Guess| match guess {
            Guess::Of(class) => self.find_member(*class, name).is_some_and(|(_, value)| match value {
                Value::Function(closure) => (closure.module, closure.function.at) != at,
                _ => false,
            }),
            Guess::Null | Guess::Stand | Guess::Outer => false,
        };
        found.is_empty() || !found.iter().all(other)
    }

    /// Whether an attribute that is assigned on `object` may be the slot's.
    pub(super) fn may_hold(
        &mut self,
        state: &mut State,
        slot: &Slot,
        names: &BTreeSet<Name>,
        all: &Occurrences<'t>,
        object: &'t Expr,
        view: View,
    ) -> bool {
        let scope = &all.scopes[view.scope];
        if let (ExprKind::Name(name), Some(class)) = (&object.kind, scope.class) {
            let first = scope.function.and_then(|function: &Function| function.parameters.first());
            if first.is_some_and(|first| first.name == *name) {
                let bases = class.arguments.iter().filter_map(|base| last_name(&base.value));
                return names.contains(&class.name) || bases.into_iter().any(|base| names.contains(base));
            }
        }
        let mut asking = Asking::default();
        self.guess(state, object, view, &mut asking);
        let found = asking.found();
        let related = |guess: &Guess| match (guess, slot.class) {
            (Guess::Of(class), Some(owner)) => {
                self.class(*class).line.contains(&owner) || self.class(owner).line.contains(class)
            }
            _ => true,
        };
        found.is_empty() || found.iter().any(related)
    }
}

/// The arguments of one call that go to the slot.
fn given_here<'t>(
    arguments: &'t [Argument],
    slot: &Slot,
    shift: usize,
    view: View,
    out: &mut Vec<(&'t Expr, View, bool)>,
    me: &mut Interp<'t>,
) {
    let mut index = 0;
    for argument in arguments {
        match &argument.way {
            Way::Position => {
                if slot.position.is_some_and(|position| position + shift == index) {
                    out.push((&argument.value, view, false));
                }
                index += 1;
            }
            Way::Name(name) if *name == slot.name => out.push((&argument.value, view, false)),
            Way::Name(_) => {}
            // Any element of what is spread may come to stand there.
            Way::Spread | Way::SpreadNames => {
                let spread = me.elements(&argument.value, view, &mut Asking::default());
                out.extend(spread.into_iter().map(|(expr, view)| (expr, view, false)));
            }
        }
    }
}

//! Names and attributes: reading, assigning, and narrowing what is read to one alternative.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::state::{Aspect, Done, Home};
use crate::probes::code_path::value::{
    Address, Arguments, Cell, ClassId, ClosureKind, Origin, Spot, Unseen, UnseenKind, Value,
};

impl Interp<'_> {
    /// The value of an attribute.
    pub(super) fn attribute(&mut self, mut state: State, object: &Value, name: &Name, spot: Spot) -> Evaled {
        match object {
            Value::OneOf(all) => {
                let each = all.iter().flat_map(|one| self.attribute(state.clone(), one, name, spot)).collect();
                return each;
            }
            Value::None => return vec![(state, Err(Exc::Builtin("AttributeError".into())))],
            Value::Module(module) => {
                let value = match self.module_attribute(&mut state, *module, name) {
                    Some(value) => self.current_global(&mut state, *module, name, value),
                    None => {
                        let lost = self.lost(&format!("{name} is not bound in its module"), spot);
                        let Some(hook) = self.global(&state, *module, &"__getattr__".into()) else {
                            return vec![(state, Ok(lost))];
                        };
                        let states = self.perhaps(state, &[hook], spot);
                        return states.into_iter().map(|state| (state, Ok(lost.clone()))).collect();
                    }
                };
                return self.each_alternative(state, &value, |_, _| {});
            }
            Value::Class(class) => return self.class_attribute(state, *class, name, spot),
            Value::Member(class, member) => return self.member_attribute(state, *class, member, name, spot),
            Value::Object(address) => return self.object_attribute(state, *address, name, spot),
            Value::Super(class, receiver) => return self.super_attribute(state, *class, receiver, name, spot),
            Value::Unseen(unseen) => {
                let value = self.unseen_attribute(&mut state, unseen, name);
                let key = (unseen.id, name.clone());
                let narrow = |state: &mut State, value: &Value| {
                    if let Some(Cell::Seen(fields)) = state.cell_mut(key.0) {
                        fields.insert(key.1.clone(), value.clone());
                    }
                };
                let mut out = self.each_alternative(state.clone(), &value, narrow);
                self.may_raise(&state, &mut out);
                return out;
            }
            _ => {}
        }
        let value = self.plain_attribute(object, name);
        let mut out = vec![(state.clone(), Ok(value))];
        self.may_raise(&state, &mut out);
        out
    }

    /// An attribute of a value of a built-in kind.
    pub(super) fn plain_attribute(&mut self, object: &Value, name: &Name) -> Value {
        if matches!(&**name, "__name__" | "__qualname__" | "__doc__" | "__module__") {
            return self.scalar(name);
        }
        if super::reach::leads_to_code(name) {
            return self.lost(
                &format!("{name} leads to code that is not followed"),
                Spot { module: self.frame().module, at: 0 },
            );
        }
        if matches!(object, Value::Function(_) | Value::Partial(_) | Value::Suspended(_) | Value::Super(..)) {
            return self.data(name);
        }
        let method = self.unseen(Origin::Outside, &format!("builtins.object.{name}"), UnseenKind::Plain);
        Value::Bound(Rc::new((object.clone(), method)))
    }

    pub(super) fn unseen_attribute(&mut self, state: &mut State, unseen: &Rc<Unseen>, name: &Name) -> Value {
        if let Some(Cell::Seen(fields)) = state.cell(unseen.id)
            && let Some(value) = fields.get(name)
        {
            return value.clone();
        }
        let chain = match (&unseen.kind, unseen.chain.is_empty()) {
            (UnseenKind::Collection, _) => format!("builtins.collection.{name}"),
            (UnseenKind::Scalar | UnseenKind::Bool | UnseenKind::Length(_), _) => format!("builtins.scalar.{name}"),
            (_, true) => name.to_string(),
            (_, false) => format!("{}.{name}", unseen.chain),
        };
        let (origin, kind) = match (&unseen.origin, &unseen.kind) {
            _ if super::reach::leads_to_code(name) => {
                let reason = format!("{chain} leads to code that is not followed");
                let at = Spot { module: self.frame().module, at: 0 };
                (Origin::Lost(reason.into(), at), UnseenKind::Plain)
            }
            (Origin::Lost(reason, at), _) => (Origin::Lost(reason.clone(), *at), UnseenKind::Plain),
            (_, UnseenKind::Process) if &**name == "returncode" => {
                if state.fact(unseen.root(), Aspect::True).is_none() {
                    // It was not waited for: there may be no status yet.
                    state.effect.written = state.effect.written.max(Done::Maybe);
                    return self.data("returncode");
                }
                (Origin::Outside, UnseenKind::Status(unseen.root()))
            }
            (_, UnseenKind::Scalar | UnseenKind::Bool | UnseenKind::Collection | UnseenKind::Length(_)) => {
                (Origin::Outside, UnseenKind::Plain)
            }
            (origin, UnseenKind::Plain | UnseenKind::Stale(_) | UnseenKind::Process | UnseenKind::Status(_)) => {
                (origin.clone(), UnseenKind::Plain)
            }
        };
        // The same attribute of the same thing is the same on every path that has not assigned it.
        let key = (unseen.id, name.clone());
        let id = match self.attribute_ids.get(&key) {
            Some(id) => *id,
            None => {
                let id = self.address();
                self.attribute_ids.insert(key, id);
                id
            }
        };
        // A cursor knows its connection under this name.
        let connection = unseen.connection.filter(|_| &**name == "connection");
        let owner = Some(unseen.root());
        let value = Value::Unseen(Rc::new(Unseen { id, origin, chain: chain.into(), connection, owner, kind }));
        self.remember(state, unseen.id, name, value.clone());
        value
    }

    /// Keeps an attribute of something unseen, so that reading it again gives the same.
    pub(super) fn remember(&mut self, state: &mut State, of: Address, name: &Name, value: Value) {
        match state.cell_mut(of) {
            Some(Cell::Seen(fields)) => {
                fields.insert(name.clone(), value);
            }
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::List(_) | Cell::Table(_)) => {}
            None => state.put(of, Cell::Seen(BTreeMap::from([(name.clone(), value)]))),
        }
    }

    pub(super) fn object_attribute(&mut self, mut state: State, address: Address, name: &Name, spot: Spot) -> Evaled {
        let Some(Cell::Instance { class, .. }) = state.cell(address) else {
            let kind = match state.cell(address) {
                Some(Cell::List(_)) => "list",
                Some(Cell::Table(_)) => "dict",
                Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => "object",
            };
            let method = self.unseen(Origin::Outside, &format!("builtins.{kind}.{name}"), UnseenKind::Plain);
            return vec![(state, Ok(Value::Bound(Rc::new((Value::Object(address), method)))))];
        };
        let class = *class;
        if let Some(reason) = self.veil(class) {
            let value = self.lost(&reason, spot);
            if self.find_member(class, "__getattribute__").is_some() {
                self.taint(&mut state, &reason, spot);
            }
            return vec![(state, Ok(value))];
        }
        self.settle_earlier(&mut state, address, class);
        let this = Value::Object(address);
        let pinned = self.pinned.contains(&(address, name.clone()));
        let line = self.class(class).line.clone();
        let member = self.current_member(&state, &line, name);
        if let Some((_, Value::Function(closure))) = &member
            && closure.kind == ClosureKind::Property
            && !pinned
        {
            return self.invoke(state, closure, Arguments::of(vec![this]), Some(spot));
        }
        self.fill(&mut state, address);
        let field = match state.cell(address) {
            Some(Cell::Instance { fields, .. }) => fields.get(name).cloned(),
            Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => None,
        };
        if let Some(value) = field {
            let narrow = |state: &mut State, value: &Value| {
                if let Some(Cell::Instance { fields, .. }) = state.cell_mut(address) {
                    fields.insert(name.clone(), value.clone());
                }
            };
            return self.each_alternative(state, &value, narrow);
        }
        if let Some((_, Value::Function(closure))) = &member
            && closure.kind == ClosureKind::Remembered
        {
            let made_here = matches!(state.cell(address), Some(Cell::Instance { fresh: true, .. }));
            let mut out = Vec::new();
            if !made_here {
                // An earlier run may have read it.
                let (mut other, kept) = (state.clone(), self.data(name));
                self.set_field(&mut other, address, name, kept.clone());
                out.push((other, Ok(kept)));
            }
            let ran = self.invoke(state, closure, Arguments::of(vec![this]), Some(spot));
            out.extend(ran.into_iter().map(|(mut state, result)| {
                if let Ok(value) = &result {
                    self.set_field(&mut state, address, name, value.clone());
                }
                (state, result)
            }));
            return out;
        }
        if let Some((_, value)) = member {
            self.earlier_collection(&mut state, &value, name);
            let earlier = matches!(state.cell(address), Some(Cell::Instance { fresh: false, .. }));
            let hidden = earlier
                && (self.is_assigned_later(class, name)
                    || self.tree.may_be_replaced_near(self.class(class).module, name));
            let mut out = Vec::new();
            if hidden {
                // An earlier run may have given the object an attribute of its own.
                let mut other = state.clone();
                let own = self.data(name);
                self.set_field(&mut other, address, name, own.clone());
                out.push((other, Ok(own)));
            }
            out.extend(self.bind_member(state, &value, &this, class, spot));
            return out;
        }
        if &**name == "__dict__" {
            let value = self.lost("the attributes of an object are handed out as a dictionary", spot);
            self.taint(&mut state, "the attributes of an object are handed out as a dictionary", spot);
            return vec![(state, Ok(value))];
        }
        if &**name == "__class__" {
            return vec![(state, Ok(Value::Class(class)))];
        }
        self.missing_attribute(state, address, class, name, spot)
    }

    /// Why reading attributes of a class or its instances cannot be followed.
    pub(super) fn veil(&self, class: ClassId) -> Option<String> {
        let own = self.find_member(class, "__getattribute__").is_some();
        let own = own.then(|| format!("{} has __getattribute__", self.class(class).name));
        self.class(class).veiled.clone().or(own)
    }

    /// An attribute that neither the object nor its classes are seen to bind.
    pub(super) fn missing_attribute(
        &mut self,
        state: State,
        address: Address,
        class: ClassId,
        name: &Name,
        spot: Spot,
    ) -> Evaled {
        if self.find_member(class, "__getattr__").is_some() {
            let states = self.hooked(state, &[&Value::Object(address)], &["__getattr__"], spot);
            return states.into_iter().flat_map(|state| self.not_bound(state, address, class, name, spot)).collect();
        }
        self.not_bound(state, address, class, name, spot)
    }

    fn not_bound(&mut self, mut state: State, address: Address, class: ClassId, name: &Name, spot: Spot) -> Evaled {
        let declared = self.declared_attribute(&mut state, class, name);
        let made_here = matches!(state.cell(address), Some(Cell::Instance { fresh: true, .. }));
        let replaced = self.tree.may_be_replaced_near(self.class(class).module, name);
        if declared.is_none() && made_here && !replaced && !name.starts_with("__") && self.is_bare(class) {
            return vec![(state, Err(Exc::Builtin("AttributeError".into())))];
        }
        let value = match declared {
            Some(value) => value,
            None if self.is_closed(class) && self.find_member(class, "__getattr__").is_none() => self.data(name),
            None => {
                let reason = format!("{} of {} comes from outside the tree", name, self.class(class).name);
                self.lost(&reason, spot)
            }
        };
        self.set_field(&mut state, address, name, value.clone());
        let mut out = vec![(state.clone(), Ok(value))];
        self.may_raise(&state, &mut out);
        out
    }

    /// Whether instances of a class have no attributes but those that the tree is seen to give them.
    fn is_bare(&self, class: ClassId) -> bool {
        let plain = ["builtins.object", "abc.ABC", "typing.Protocol", "typing.Generic"];
        let own = self.find_member(class, "__getattr__").is_some() || self.find_member(class, "__slots__").is_some();
        self.is_closed(class) && !own && self.class(class).outer.iter().all(|outer| plain.contains(&&**outer))
    }

    pub(super) fn declared_attribute(&mut self, state: &mut State, class: ClassId, name: &Name) -> Option<Value> {
        let (_, owner, index) = self.record_fields(class).into_iter().find(|(each, ..)| each == name)?;
        let info = self.class(owner);
        let (module, definition) = (info.module, info.definition.clone());
        match &definition.body[index].kind {
            crate::probes::code_path::model::StmtKind::Declare(_, annotation, None) => {
                let declared = self.declared(state, annotation, module, name);
                Some(self.with_assigned(state, class, name, None, declared))
            }
            _ => None,
        }
    }

    /// Assigns an attribute.
    pub(super) fn assign_attribute(
        &mut self,
        mut state: State,
        object: &Value,
        name: &Name,
        value: &Value,
        spot: Spot,
    ) -> Vec<State> {
        if crate::probes::code_path::scan::REWIRING.contains(&&**name) {
            self.taint(&mut state, &format!("{name} is assigned: what is called may be something else"), spot);
        }
        self.note_change(match object {
            Value::Object(address) => Some(*address),
            Value::Unseen(unseen) => Some(unseen.id),
            _ => None,
        });
        match object {
            Value::OneOf(all) => {
                all.iter().flat_map(|each| self.assign_attribute(state.clone(), each, name, value, spot)).collect()
            }
            Value::Object(address) => {
                let class = match state.cell(*address) {
                    Some(Cell::Instance { class, .. }) => Some(*class),
                    Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => None,
                };
                if let Some(class) = class {
                    self.settle_earlier(&mut state, *address, class);
                }
                let setter = match state.cell(*address) {
                    Some(Cell::Instance { class, .. }) => {
                        let class = *class;
                        let property = self.find_member(class, name).is_some_and(|(_, member)| {
                            !matches!(member, Value::Function(ref closure) if closure.kind == ClosureKind::Plain)
                                && matches!(member, Value::Function(_) | Value::Object(_) | Value::OneOf(_))
                                || member.unseen().is_some_and(|unseen| matches!(unseen.origin, Origin::Lost(..)))
                        });
                        property || self.find_member(class, "__setattr__").is_some()
                    }
                    Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => false,
                };
                if setter {
                    self.taint(&mut state, &format!("assigning {name} runs code that is not followed"), spot);
                }
                self.fill(&mut state, *address);
                let kept = match setter {
                    // What its code makes of the value is not seen.
                    true => self.lost(&format!("{name} is assigned by code that is not followed"), spot),
                    false => value.clone(),
                };
                self.set_field(&mut state, *address, name, kept);
                vec![state]
            }
            Value::Unseen(unseen) => {
                // Of a function that other code may call, this may be any object of the tree.
                self.undone += u64::from(unseen.origin != Origin::Outside);
                self.perhaps_assigned(&mut state, unseen.origin == Origin::Outside, name, value);
                self.remember(&mut state, unseen.id, name, value.clone());
                self.connection_option(&mut state, unseen, name, value);
                if unseen.origin == Origin::Outside {
                    let given = format!("{}.{name}", unseen.chain);
                    return self.given_to_library(state, &given, value, spot);
                }
                vec![state]
            }
            Value::Module(module) => {
                self.note_import_change(*module);
                state.set_global(Home::Module(*module), name.clone(), value.clone());
                vec![state]
            }
            Value::Class(class) => {
                self.note_import_change(self.class(*class).module);
                state.set_global(Home::Class(*class), name.clone(), value.clone());
                vec![state]
            }
            Value::Member(..) | Value::Super(..) => {
                self.unseen_code(&mut state, format!("{name} of an enumeration's member is assigned"), spot);
                vec![state]
            }
            _ => {
                // Functions may be given attributes; they are not kept.
                self.forget_held(&mut state, &Value::Tuple(Rc::new(vec![value.clone()])));
                vec![state]
            }
        }
    }

    /// Something of a module is assigned: by another one, while it is imported, it matters when that is.
    fn note_import_change(&mut self, of: crate::probes::code_path::value::ModuleId) {
        if self.importing > 0
            && self.filling == 0
            && let Some(importing) = self.frames.first().map(|frame| frame.module)
            && importing != of
        {
            self.import_changes.insert(importing);
        }
    }

    /// An attribute of something unseen is assigned: it may be any object that was seen elsewhere.
    /// In `outside`, one that other code was given.
    fn perhaps_assigned(&mut self, state: &mut State, outside: bool, name: &Name, value: &Value) {
        let instances: Vec<(Address, ClassId)> = state.instances().collect();
        for (address, class) in instances {
            let elsewhere = outside && !state.shared.contains(&address);
            if elsewhere || self.pinned.contains(&(address, name.clone())) {
                continue;
            }
            let field = match state.cell(address) {
                Some(Cell::Instance { fields, .. }) => fields.get(name).cloned(),
                Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => None,
            };
            let member = || self.find_member(class, name).map(|(_, member)| member);
            let Some(before) = field.or_else(member).filter(|before| before != value) else { continue };
            let lost = self.data(name);
            let both = Value::one_of([before, value.clone()], || lost);
            self.set_field(state, address, name, both);
        }
    }

    /// Something unseen may be any of the collections that a value holds: what is known of them is forgotten.
    pub(super) fn forget_held(&mut self, state: &mut State, value: &Value) {
        let whole = match value {
            Value::Object(address) => Some(*address),
            _ => None,
        };
        for address in state.reachable([value]) {
            if whole == Some(address) {
                continue;
            }
            state.forget(address);
            if matches!(state.cell(address), Some(Cell::List(_) | Cell::Table(_))) {
                self.lose_elements(state, address, false);
            }
        }
    }
}

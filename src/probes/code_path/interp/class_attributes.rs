//! Attributes of classes and enumerations, and what a member is when it is read through an instance.

use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::value::{Arguments, Cell, ClassId, ClosureKind, Spot, Value};

impl Interp<'_> {
    /// What a class member is when it is read through an instance.
    pub(super) fn bind_member(
        &mut self,
        state: State,
        value: &Value,
        this: &Value,
        class: ClassId,
        spot: Spot,
    ) -> Evaled {
        match value {
            Value::Function(closure) => match closure.kind {
                ClosureKind::Plain | ClosureKind::Context | ClosureKind::Cached => {
                    vec![(state, Ok(Value::Bound(Rc::new((this.clone(), value.clone())))))]
                }
                ClosureKind::Static => vec![(state, Ok(value.clone()))],
                ClosureKind::OfClass => {
                    vec![(state, Ok(Value::Bound(Rc::new((Value::Class(class), value.clone())))))]
                }
                ClosureKind::Property | ClosureKind::Remembered => {
                    self.invoke(state, closure, Arguments::of(vec![this.clone()]), Some(spot))
                }
            },
            Value::OneOf(all) => {
                all.iter().flat_map(|each| self.bind_member(state.clone(), each, this, class, spot)).collect()
            }
            Value::Object(address) => {
                let has_get = match state.cell(*address) {
                    Some(Cell::Instance { class, .. }) => self.find_member(*class, "__get__").is_some(),
                    Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => false,
                };
                if !has_get {
                    return vec![(state, Ok(value.clone()))];
                }
                let lost = self.lost("a descriptor of the tree", spot);
                let states = self.hooked(state, &[value], &["__get__"], spot);
                states.into_iter().map(|state| (state, Ok(lost.clone()))).collect()
            }
            Value::Unbound => vec![(state, Err(Exc::Builtin("AttributeError".into())))],
            other => vec![(state, Ok(other.clone()))],
        }
    }

    pub(super) fn class_attribute(&mut self, mut state: State, class: ClassId, name: &Name, spot: Spot) -> Evaled {
        let member = self.class(class).enumeration.as_ref().and_then(|members| {
            members.iter().find(|(each, ..)| each == name).map(|(_, _, first)| Value::Member(class, first.clone()))
        });
        if let Some(member) = member {
            return vec![(state, Ok(member))];
        }
        if let Some(reason) = self.veil(class) {
            let value = self.lost(&reason, spot);
            return vec![(state, Ok(value))];
        }
        let line = self.class(class).line.clone();
        let value = match self.current_member(&state, &line, name) {
            Some((_, Value::Function(closure))) => match closure.kind {
                ClosureKind::OfClass => Value::Bound(Rc::new((Value::Class(class), Value::Function(closure)))),
                ClosureKind::Plain
                | ClosureKind::Static
                | ClosureKind::Context
                | ClosureKind::Cached
                | ClosureKind::Remembered
                | ClosureKind::Property => Value::Function(closure),
            },
            Some((_, value)) => {
                self.earlier_collection(&mut state, &value, name);
                value
            }
            None if &**name == "__name__" || &**name == "__qualname__" => {
                Value::Text(self.class(class).definition.name.clone())
            }
            None => self.lost(&format!("{name} is not seen in class {}", self.class(class).name), spot),
        };
        self.each_alternative(state, &value, |_, _| {})
    }

    pub(super) fn member_attribute(
        &mut self,
        state: State,
        class: ClassId,
        member: &Name,
        name: &Name,
        spot: Spot,
    ) -> Evaled {
        let this = Value::Member(class, member.clone());
        match &**name {
            "value" | "_value_" => {
                let value = self.member_content(&this).unwrap_or_else(|| self.scalar("value"));
                return vec![(state, Ok(value))];
            }
            "name" | "_name_" => return vec![(state, Ok(Value::Text(member.clone())))],
            _ => {}
        }
        if let Some((_, value)) = self.find_member(class, name) {
            return self.bind_member(state, &value, &this, class, spot);
        }
        let value = self.plain_attribute(&this, name);
        vec![(state, Ok(value))]
    }

    pub(super) fn super_attribute(
        &mut self,
        state: State,
        class: ClassId,
        this: &Value,
        name: &Name,
        spot: Spot,
    ) -> Evaled {
        let own = match this {
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => *class,
                Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => class,
            },
            Value::Class(class) => *class,
            _ => class,
        };
        let line = self.class(own).line.clone();
        let rest: Vec<ClassId> = line.iter().skip_while(|id| **id != class).skip(1).copied().collect();
        match self.current_member(&state, &rest, name) {
            Some((_, value)) => self.bind_member(state, &value, this, own, spot),
            None if self.is_closed(own) => {
                let value = self.plain_attribute(&Value::None, name);
                vec![(state, Ok(value))]
            }
            None => {
                let value = self.lost(&format!("{name} comes from a base outside the tree"), spot);
                vec![(state, Ok(value))]
            }
        }
    }
}

//! Names and attributes: reading, assigning, and narrowing what is read to one alternative.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::{Function, Name};
use crate::probes::code_path::state::{Aspect, Done, Home};
use crate::probes::code_path::value::{
    Address, Arguments, Cell, ClassId, Closure, ClosureKind, ModuleId, Origin, Spot, Unseen, UnseenKind, Value,
};

/// Where a name was found.
enum Found {
    Scope(Address),
    Module,
}

const BUILTINS: &[&str] = &[
    "abs",
    "aiter",
    "all",
    "anext",
    "any",
    "ascii",
    "bin",
    "bool",
    "breakpoint",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "compile",
    "complex",
    "delattr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
    "__import__",
    "NotImplemented",
    "Ellipsis",
    "__file__",
    "__debug__",
    "exit",
    "quit",
];

impl Interp<'_> {
    /// A name that Python itself binds.
    pub(super) fn builtin(&mut self, name: &str) -> Option<Value> {
        let chain = format!("builtins.{name}");
        let known = BUILTINS.contains(&name) || super::classes::is_exception(&chain) || name == "BaseException";
        known.then(|| self.unseen(Origin::Outside, &chain, UnseenKind::Plain))
    }

    fn find_name(&self, state: &State, name: &Name) -> Option<(Found, Value)> {
        let frame = self.frame();
        let mut scope = frame.scope;
        let mut innermost = true;
        while let Some(address) = scope {
            let Some(Cell::Scope { names, outer }) = state.cell(address) else { break };
            if let Some(value) = names.get(name) {
                return Some((Found::Scope(address), value.clone()));
            }
            let is_local = |function: &Rc<Function>| function.locals.contains(name);
            if innermost && frame.body_of.is_none() && frame.function.as_ref().is_some_and(is_local) {
                return Some((Found::Scope(address), Value::Unbound));
            }
            innermost = false;
            scope = *outer;
        }
        let module = frame.module;
        self.global(state, module, name).map(|value| (Found::Module, value))
    }

    /// The value of a name.
    pub(super) fn read_name(&mut self, mut state: State, name: &Name, at: u32) -> Evaled {
        let spot = self.spot(at);
        let module = self.frame().module;
        let value = match self.find_name(&state, name) {
            Some((Found::Module, _)) | None => self.module_name(&mut state, module, name, spot),
            Some((Found::Scope(scope), value)) => {
                let value = self.earlier_variable(&mut state, scope, name, value);
                let narrowed = |state: &mut State, value: &Value| {
                    if let Some(Cell::Scope { names, .. }) = state.cell_mut(scope) {
                        names.insert(name.clone(), value.clone());
                    }
                };
                return self.each_alternative(state, &value, narrowed);
            }
        };
        // A variable that the base alone binds is not narrowed: it would look assigned.
        let narrowed = |state: &mut State, value: &Value| {
            if state.is_assigned(Home::Module(module), name) {
                state.set_global(Home::Module(module), name.clone(), value.clone());
            }
        };
        self.each_alternative(state, &value, narrowed)
    }

    /// A variable around a function that an import made may hold what an earlier run left there.
    fn earlier_variable(&mut self, state: &mut State, scope: Address, name: &Name, value: Value) -> Value {
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

    /// Splits into one path for each alternative; the place that was read is narrowed to it.
    fn each_alternative(&mut self, state: State, value: &Value, mut narrow: impl FnMut(&mut State, &Value)) -> Evaled {
        let Value::OneOf(all) = value else {
            let unbound = *value == Value::Unbound;
            return vec![(
                state,
                if unbound { Err(Exc::Builtin("UnboundLocalError".into())) } else { Ok(value.clone()) },
            )];
        };
        let split = |each: &Value| {
            let mut state = state.clone();
            narrow(&mut state, each);
            match each {
                Value::Unbound => (state, Err(Exc::Builtin("UnboundLocalError".into()))),
                bound => (state, Ok(bound.clone())),
            }
        };
        all.iter().map(split).collect()
    }

    fn module_name(&mut self, state: &mut State, module: ModuleId, name: &Name, spot: Spot) -> Value {
        if let Some(value) = self.module_attribute(state, module, name) {
            return self.current_global(state, module, name, value);
        }
        if let Some(value) = self.builtin(name) {
            return value;
        }
        self.lost(&format!("{name} is bound nowhere that can be seen"), spot)
    }

    /// A variable that functions assign may hold what an earlier run left there.
    fn current_global(&mut self, state: &mut State, module: ModuleId, name: &Name, value: Value) -> Value {
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

    /// Binds a name.
    pub(super) fn assign_name(&mut self, state: &mut State, name: &Name, value: Value) {
        let frame = self.frame().clone();
        let own = match (&frame.function, frame.body_of, frame.scope) {
            (_, Some(_), scope) => scope,
            (Some(function), None, scope) if function.locals.contains(name) => scope,
            // A comprehension has a scope and no function of its own.
            (None, None, scope) => scope,
            (Some(_), None, scope) => self.outer_home(state, scope, name),
        };
        match own {
            Some(scope) => {
                if let Some(Cell::Scope { names, .. }) = state.cell_mut(scope) {
                    names.insert(name.clone(), value);
                }
            }
            None => {
                state.set_global(Home::Module(frame.module), name.clone(), value);
            }
        }
    }

    fn outer_home(&self, state: &State, scope: Option<Address>, name: &Name) -> Option<Address> {
        let mut scope = scope;
        while let Some(address) = scope {
            let Some(Cell::Scope { names, outer }) = state.cell(address) else { return None };
            if names.contains_key(name) {
                return Some(address);
            }
            scope = *outer;
        }
        None
    }

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
                    None => self.lost(&format!("{name} is not bound in its module"), spot),
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
    fn plain_attribute(&mut self, object: &Value, name: &Name) -> Value {
        if matches!(&**name, "__name__" | "__qualname__" | "__doc__" | "__module__") {
            return self.scalar(name);
        }
        if matches!(object, Value::Function(_) | Value::Partial(_) | Value::Suspended(_) | Value::Super(..)) {
            return self.data(name);
        }
        let method = self.unseen(Origin::Outside, &format!("builtins.object.{name}"), UnseenKind::Plain);
        Value::Bound(Rc::new((object.clone(), method)))
    }

    fn unseen_attribute(&mut self, state: &mut State, unseen: &Rc<Unseen>, name: &Name) -> Value {
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

    fn object_attribute(&mut self, mut state: State, address: Address, name: &Name, spot: Spot) -> Evaled {
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
        if let Some((_, value)) = member {
            self.earlier_collection(&mut state, &value, name);
            let earlier = matches!(state.cell(address), Some(Cell::Instance { fresh: false, .. }));
            let hidden = earlier && (self.is_assigned_later(class, name) || self.tree.may_be_replaced(name));
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
    fn veil(&self, class: ClassId) -> Option<String> {
        let own = self.find_member(class, "__getattribute__").is_some();
        let own = own.then(|| format!("{} has __getattribute__", self.class(class).name));
        self.class(class).veiled.clone().or(own)
    }

    /// An object that an import made may have been changed by an earlier run.
    fn settle_earlier(&mut self, state: &mut State, address: Address, class: ClassId) {
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
    fn earlier_collection(&mut self, state: &mut State, value: &Value, name: &Name) {
        let Value::Object(address) = value else { return };
        if self.importing > 0 || !state.is_from_imports(*address) {
            return;
        }
        self.blur_collection(state, *address, name);
    }

    pub(super) fn blur_collection(&mut self, state: &mut State, address: Address, name: &Name) {
        let changes = match state.cell(address) {
            Some(Cell::List(items)) => items.is_empty() || self.tree.may_be_changed(name),
            Some(Cell::Table(entries)) => entries.is_empty() || self.tree.may_be_changed(name),
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
        };
        if changes {
            state.put(address, Cell::Seen(BTreeMap::new()));
        }
    }

    /// An attribute that neither the object nor its classes are seen to bind.
    fn missing_attribute(
        &mut self,
        mut state: State,
        address: Address,
        class: ClassId,
        name: &Name,
        spot: Spot,
    ) -> Evaled {
        let declared = self.declared_attribute(&mut state, class, name);
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

    fn declared_attribute(&mut self, state: &mut State, class: ClassId, name: &Name) -> Option<Value> {
        let (_, owner, index) = self.record_fields(class).into_iter().find(|(each, ..)| each == name)?;
        let info = self.class(owner);
        let (module, definition) = (info.module, info.definition.clone());
        match &definition.body[index].kind {
            crate::probes::code_path::model::StmtKind::Declare(_, annotation, None) => {
                Some(self.declared(state, annotation, module, name))
            }
            _ => None,
        }
    }

    /// What a class member is when it is read through an instance.
    fn bind_member(&mut self, state: State, value: &Value, this: &Value, class: ClassId, spot: Spot) -> Evaled {
        match value {
            Value::Function(closure) => match closure.kind {
                ClosureKind::Plain | ClosureKind::Context | ClosureKind::Cached => {
                    vec![(state, Ok(Value::Bound(Rc::new((this.clone(), value.clone())))))]
                }
                ClosureKind::Static => vec![(state, Ok(value.clone()))],
                ClosureKind::OfClass => {
                    vec![(state, Ok(Value::Bound(Rc::new((Value::Class(class), value.clone())))))]
                }
                ClosureKind::Property => self.invoke(state, closure, Arguments::of(vec![this.clone()]), Some(spot)),
            },
            Value::OneOf(all) => {
                all.iter().flat_map(|each| self.bind_member(state.clone(), each, this, class, spot)).collect()
            }
            Value::Object(address) => {
                let has_get = match state.cell(*address) {
                    Some(Cell::Instance { class, .. }) => self.find_member(*class, "__get__").is_some(),
                    Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => false,
                };
                let value = if has_get { self.lost("a descriptor of the tree", spot) } else { value.clone() };
                vec![(state, Ok(value))]
            }
            Value::Unbound => vec![(state, Err(Exc::Builtin("AttributeError".into())))],
            other => vec![(state, Ok(other.clone()))],
        }
    }

    fn class_attribute(&mut self, mut state: State, class: ClassId, name: &Name, spot: Spot) -> Evaled {
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

    fn member_attribute(&mut self, state: State, class: ClassId, member: &Name, name: &Name, spot: Spot) -> Evaled {
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

    fn super_attribute(&mut self, state: State, class: ClassId, this: &Value, name: &Name, spot: Spot) -> Evaled {
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

    /// Assigns an attribute.
    pub(super) fn assign_attribute(
        &mut self,
        mut state: State,
        object: &Value,
        name: &Name,
        value: &Value,
        spot: Spot,
    ) -> Vec<State> {
        match object {
            Value::OneOf(all) => {
                all.iter().flat_map(|each| self.assign_attribute(state.clone(), each, name, value, spot)).collect()
            }
            Value::Object(address) => {
                let setter = match state.cell(*address) {
                    Some(Cell::Instance { class, .. }) => {
                        let class = *class;
                        let property = self.find_member(class, name).is_some_and(|(_, member)| {
                            !matches!(member, Value::Function(ref closure) if closure.kind == ClosureKind::Plain)
                                && matches!(member, Value::Function(_) | Value::Object(_))
                        });
                        property || self.find_member(class, "__setattr__").is_some()
                    }
                    Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => false,
                };
                if setter {
                    self.unseen_code(&mut state, format!("assigning {name} runs code that is not followed"), spot);
                }
                self.fill(&mut state, *address);
                self.set_field(&mut state, *address, name, value.clone());
                vec![state]
            }
            Value::Unseen(unseen) => {
                self.remember(&mut state, unseen.id, name, value.clone());
                self.connection_option(&mut state, unseen, name, value);
                vec![state]
            }
            Value::Module(module) => {
                state.set_global(Home::Module(*module), name.clone(), value.clone());
                vec![state]
            }
            Value::Class(class) => {
                state.set_global(Home::Class(*class), name.clone(), value.clone());
                vec![state]
            }
            Value::Member(..) | Value::Super(..) => {
                self.unseen_code(&mut state, format!("{name} of an enumeration's member is assigned"), spot);
                vec![state]
            }
            _ => vec![state],
        }
    }

    /// The closure of a function statement or expression, its defaults being evaluated.
    pub(super) fn closure(&mut self, state: State, function: &Rc<Function>) -> Evaled<Closure> {
        let defaults: Vec<_> = function.parameters.iter().filter_map(|parameter| parameter.default.as_ref()).collect();
        let evaluated = self.evaluate_all(state, &defaults);
        let frame = self.frame().clone();
        let scope = if frame.body_of.is_some() { self.scope_around(&frame) } else { frame.scope };
        let prefix = match frame.body_of {
            Some(class) => format!("{}.{}", self.class(class).name, function.name),
            None => self.tree.qualified(frame.module, &function.name).to_string(),
        };
        self.then(evaluated, |_, state, values| {
            // The scope of a class body is not visible to its methods.
            let scope = scope.and_then(|address| match (frame.body_of, state.cell(address)) {
                (Some(_), Some(Cell::Scope { outer, .. })) => *outer,
                (Some(_), _) => None,
                (None, _) => Some(address),
            });
            let mut values = values.into_iter();
            let defaults = function
                .parameters
                .iter()
                .map(|parameter| parameter.default.as_ref().and_then(|_| values.next()))
                .collect();
            let closure = Closure {
                function: function.clone(),
                module: frame.module,
                scope,
                class: frame.body_of.or(frame.class),
                name: prefix.as_str().into(),
                defaults,
                kind: ClosureKind::Plain,
                veiled: None,
            };
            vec![(state, Ok(closure))]
        })
    }

    fn scope_around(&self, frame: &super::Frame) -> Option<Address> {
        frame.scope
    }
}

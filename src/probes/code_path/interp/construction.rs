//! Instances of classes of the tree: how a call makes them, and what their fields hold.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::model::{Expr, ExprKind, StmtKind, Way};
use crate::probes::code_path::value::{Address, Arguments, Cell, ClassId, Closure, ClosureKind, Origin, Spot, Value};

/// Whether a field says that the initialiser does not take it: `field(init=False)`.
fn is_outside_init(default: Option<&Expr>) -> bool {
    let Some(ExprKind::Call(_, arguments)) = default.map(|default| &default.kind) else { return false };
    arguments.iter().any(|argument| {
        let is_false =
            matches!(&argument.value.kind, ExprKind::Const(crate::probes::code_path::model::Const::Bool(false)));
        argument.way == Way::Name("init".into()) && is_false
    })
}

impl Interp<'_> {
    /// Makes an instance.
    pub(super) fn construct(&mut self, mut state: State, class: ClassId, arguments: Arguments, spot: Spot) -> Evaled {
        if self.class(class).enumeration.is_some() {
            return self.member_of(state, class, &arguments, spot);
        }
        let info = self.class(class);
        let veiled = info.veiled.clone();
        let made_elsewhere = info.line.iter().any(|id| self.class(*id).members.contains_key("__new__"));
        if let Some(reason) = veiled.or_else(|| made_elsewhere.then(|| format!("{} has __new__", info.name))) {
            return self.call_lost(state, &reason, spot);
        }
        if self.find_member(class, "__del__").is_some() {
            let reason = format!("{} has a finaliser", self.class(class).name);
            self.taint(&mut state, &reason, spot);
        }
        let address = self.made_at(&state, class, spot);
        state.put(address, Cell::Instance { class, fields: BTreeMap::new(), fresh: true, filled: true });
        let this = Value::Object(address);
        match self.find_member(class, "__init__") {
            Some((_, Value::Function(closure))) => {
                let mut arguments = arguments;
                arguments.positions.insert(0, this.clone());
                let made = self.invoke(state, &closure, arguments, Some(spot));
                self.then(made, |_, state, _| vec![(state, Ok(this.clone()))])
            }
            Some(_) => self.call_lost(state, "an initialiser that is not understood", spot),
            None if self.class(class).is_record => self.construct_record(state, class, address, arguments, spot),
            None => {
                let mut out = Vec::new();
                if !self.is_closed(class) {
                    // The initialiser comes from outside and may keep what it is given.
                    self.forget_all(&mut state, &arguments);
                    state.reachable(arguments.values()).into_iter().for_each(|address| state.share(address));
                }
                self.may_raise(&state, &mut out);
                out.push((state, Ok(this)));
                out
            }
        }
    }

    /// The address of an instance made here. Paths through one call that make it at one place share it, so that
    /// merging them keeps its class; an address that a path has in use is never given to it again.
    pub(super) fn made_at(&mut self, state: &State, class: ClassId, spot: Spot) -> Address {
        let Some(scope) = self.frames.last().and_then(|frame| frame.scope) else { return self.address() };
        let mut key = (scope, spot, class, 0);
        loop {
            match self.instance_ids.get(&key) {
                Some(known) if state.cell(*known).is_some() => key.3 += 1,
                Some(known) => return *known,
                None => break,
            }
        }
        let address = self.address();
        self.instance_ids.insert(key, address);
        address
    }

    fn construct_record(
        &mut self,
        mut state: State,
        class: ClassId,
        address: u32,
        arguments: Arguments,
        spot: Spot,
    ) -> Evaled {
        let mut positions = arguments.positions.into_iter();
        for (name, owner, index) in self.record_fields(class) {
            let info = self.class(owner);
            let (module, definition) = (info.module, info.definition.clone());
            let StmtKind::Declare(_, annotation, default) = &definition.body[index].kind else { continue };
            let named = arguments.names.iter().find(|(each, _)| *each == name).map(|(_, value)| value.clone());
            let given = if is_outside_init(default.as_ref()) { None } else { positions.next().or(named) };
            let value = match (given, default) {
                (Some(value), _) => value,
                (None, Some(default)) => self.record_made(&mut state, default, annotation, owner, &name, spot),
                (None, None) => self.declared(&mut state, annotation, module, &name),
            };
            self.set_field(&mut state, address, &name, value);
        }
        let this = Value::Object(address);
        match self.find_member(class, "__post_init__") {
            Some((_, Value::Function(closure))) => {
                let made = self.invoke(state, &closure, Arguments::of(vec![this.clone()]), Some(spot));
                self.then(made, |_, state, _| vec![(state, Ok(this.clone()))])
            }
            Some(_) => self.call_lost(state, "__post_init__ is not understood", spot),
            None => {
                let mut out = Vec::new();
                self.may_raise(&state, &mut out);
                out.push((state, Ok(this)));
                out
            }
        }
    }

    /// The default of a field of an object that is made on this path: its factory is called here.
    fn record_made(
        &mut self,
        state: &mut State,
        default: &Expr,
        annotation: &Expr,
        owner: ClassId,
        name: &crate::probes::code_path::model::Name,
        spot: Spot,
    ) -> Value {
        let factory = match &default.kind {
            ExprKind::Call(_, arguments) => arguments.iter().find(
                |argument| matches!(&argument.way, Way::Name(name) if matches!(&**name, "default_factory" | "factory")),
            ),
            _ => None,
        };
        let Some(factory) = factory else { return self.record_default(state, default, annotation, owner, name) };
        let info = self.class(owner);
        let (module, at) = (info.module, info.definition.at);
        // Inside a function its names are those of that function.
        let is_inner = self.occurrences(module).inner_classes.iter().any(|class| class.at == at);
        let callee = match &factory.value.kind {
            ExprKind::Function(function) if !is_inner => Some(Value::Function(Rc::new(Closure {
                function: function.clone(),
                module,
                scope: None,
                class: None,
                name: function.name.clone(),
                defaults: vec![None; function.parameters.len()],
                kind: ClosureKind::Plain,
                veiled: None,
            }))),
            ExprKind::Name(_) | ExprKind::Attribute(..) if !is_inner => self.dotted(state, &factory.value, module),
            _ => None,
        };
        let made = match &callee {
            Some(Value::Unseen(unseen)) if unseen.origin == Origin::Outside => match &*unseen.chain {
                "builtins.list" | "builtins.set" | "builtins.dict" => {
                    let cell = if &*unseen.chain == "builtins.dict" {
                        Cell::Table(Vec::new())
                    } else {
                        Cell::List(Vec::new())
                    };
                    let address = self.address();
                    state.put(address, cell);
                    return Value::Object(address);
                }
                _ => return self.record_default(state, default, annotation, owner, name),
            },
            Some(callee @ (Value::Function(_) | Value::Class(_))) => {
                self.call(state.clone(), callee, Arguments::default(), spot)
            }
            _ => Vec::new(),
        };
        let mut returned = made.into_iter().filter_map(|(state, result)| result.ok().map(|value| (state, value)));
        match (returned.next(), returned.next()) {
            (Some((next, value)), None) => {
                *state = next;
                value
            }
            _ => {
                let reason = format!("what {name} is by default is not followed");
                self.unseen_code(state, reason.clone(), spot);
                self.lost(&reason, spot)
            }
        }
    }

    pub(super) fn record_default(
        &mut self,
        state: &mut State,
        default: &Expr,
        annotation: &Expr,
        owner: ClassId,
        name: &crate::probes::code_path::model::Name,
    ) -> Value {
        let module = self.class(owner).module;
        let member = self.class(owner).members.get(name).cloned();
        let is_field = crate::probes::code_path::occurrences::last_name(default)
            .is_some_and(|callee| matches!(&**callee, "field" | "Field" | "ib" | "attrib"));
        let ExprKind::Call(_, arguments) = &default.kind else { return member.unwrap_or(Value::None) };
        if !is_field {
            return member.unwrap_or(Value::None);
        }
        if let Some(plain) = self.plain_default(default) {
            return plain;
        }
        let made = arguments.iter().find(|argument| {
            matches!(&argument.way, Way::Name(name) if matches!(&**name, "default" | "default_factory" | "factory"))
        });
        let declared = self.declared(state, annotation, module, name);
        let Some(made) = made else { return declared };
        // A class of the tree is what it makes; a built-in collection is of the declared type.
        match self.dotted(state, &made.value, module) {
            Some(Value::Class(class)) => self.earlier_instance(state, class),
            Some(Value::Unseen(unseen)) if unseen.origin == Origin::Outside => declared,
            _ => {
                let spot = Spot { module, at: default.at };
                self.lost(&format!("what {name} is by default is not followed"), spot)
            }
        }
    }

    fn member_of(&mut self, state: State, class: ClassId, arguments: &Arguments, spot: Spot) -> Evaled {
        let members = self.class(class).enumeration.clone().unwrap_or_default();
        let Some(wanted) = arguments.positions.first() else {
            return self.call_lost(state, "an enumeration is called without a value", spot);
        };
        if let Value::Member(of, _) = wanted
            && *of == class
        {
            return vec![(state, Ok(wanted.clone()))];
        }
        if self.find_member(class, "_missing_").is_some() {
            return self.call_lost(state, "the enumeration makes members of its own", spot);
        }
        let mut open = false;
        let mut found = Vec::new();
        for (_, content, first) in &members {
            let same = self.compare(&state, crate::probes::code_path::model::Comparison::Equal, content, wanted);
            match same {
                Some(true) => found.push(Value::Member(class, first.clone())),
                Some(false) => {}
                None => {
                    open = true;
                    found.push(Value::Member(class, first.clone()));
                }
            }
        }
        let mut out: Evaled = Vec::new();
        if open || found.is_empty() {
            out.push((state.clone(), Err(super::Exc::Builtin("ValueError".into()))));
        }
        if !found.is_empty() {
            let value = Value::one_of(found, || self.data("member"));
            out.extend(value.alternatives().into_iter().map(|each| (state.clone(), Ok(each))));
        }
        out
    }
}

//! Calls: what is called is looked at, and the call is followed, understood or given up.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::model::{Argument, Expr, ExprKind, StmtKind, Way};
use crate::probes::code_path::patterns::any_matches;
use crate::probes::code_path::value::{
    Address, Arguments, Cell, ClassId, Closure, ClosureKind, Origin, Spot, Unseen, UnseenKind, Value,
};

impl Interp<'_> {
    /// A call expression.
    pub(super) fn call_expression(&mut self, state: State, callee: &Expr, arguments: &[Argument], at: u32) -> Evaled {
        let spot = self.spot(at);
        if let ExprKind::Name(name) = &callee.kind
            && &**name == "super"
            && arguments.is_empty()
        {
            return self.bare_super(state, at);
        }
        let callees = self.evaluate(state, callee);
        self.then(callees, |me, state, callee| {
            let evaluated = me.arguments(state, arguments);
            me.then(evaluated, |me, state, arguments| me.call(state, &callee, arguments, spot))
        })
    }

    fn bare_super(&mut self, state: State, at: u32) -> Evaled {
        let frame = self.frame().clone();
        let first =
            frame.function.as_ref().and_then(|function| function.parameters.first().map(|first| first.name.clone()));
        match (frame.class, first) {
            (Some(class), Some(first)) => {
                let this = self.read_name(state, &first, at);
                self.then(this, |_, state, this| vec![(state, Ok(Value::Super(class, Rc::new(this))))])
            }
            _ => {
                let spot = self.spot(at);
                let value = self.lost("super() outside of a method", spot);
                vec![(state, Ok(value))]
            }
        }
    }

    fn arguments(&mut self, state: State, arguments: &[Argument]) -> Evaled<Arguments> {
        let values: Vec<_> = arguments.iter().map(|argument| &argument.value).collect();
        let mut evaluated = self.evaluate_all(state, &values);
        if let Some(Argument { way: Way::Spread, value: last }) = arguments.last() {
            let spot = self.spot(last.at);
            evaluated = self.then(evaluated, |me, state, values| me.last_gathered(state, values, spot));
        }
        self.then(evaluated, |me, mut state, values| {
            let mut all = Arguments::default();
            for (argument, value) in arguments.iter().zip(values) {
                if argument.way != Way::Position && runs_outside(&value) {
                    state.others_run();
                }
                match &argument.way {
                    Way::Position => all.positions.push(value),
                    Way::Name(name) => all.names.push((name.clone(), value)),
                    Way::Spread | Way::SpreadNames if me.runs_when_iterated(&state, &value) => {
                        let spot = me.spot(argument.value.at);
                        me.driven_unseen(&mut state, &value);
                        me.unseen_code(&mut state, "what is spread here runs code that is not followed", spot);
                        all.open = true;
                    }
                    Way::Spread => match &value {
                        Value::Tuple(items) if !all.open => all.positions.extend(items.iter().cloned()),
                        Value::Object(address) if !all.open => match state.cell(*address) {
                            Some(Cell::List(items)) if items.len() < 2 || !me.unordered.contains(address) => {
                                all.positions.extend(items.iter().cloned());
                            }
                            Some(
                                Cell::List(_)
                                | Cell::Table(_)
                                | Cell::Instance { .. }
                                | Cell::Scope { .. }
                                | Cell::Seen(_),
                            )
                            | None => {
                                all.open = true;
                                all.spread.push(value.clone());
                            }
                        },
                        _ => {
                            all.open = true;
                            all.spread.push(value.clone());
                        }
                    },
                    Way::SpreadNames => match &value {
                        Value::Object(address) => match state.cell(*address) {
                            Some(Cell::Table(entries)) => {
                                for (key, value) in entries {
                                    match key {
                                        Value::Text(name) => {
                                            all.names.retain(|(each, _)| each != name);
                                            all.names.push((name.clone(), value.clone()));
                                        }
                                        _ => all.open = true,
                                    }
                                }
                            }
                            Some(Cell::List(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => {
                                all.open = true
                            }
                        },
                        _ => all.open = true,
                    },
                }
            }
            vec![(state, Ok(all))]
        })
    }

    /// Calls a value.
    pub fn call(&mut self, mut state: State, callee: &Value, arguments: Arguments, spot: Spot) -> Evaled {
        if !self.step() {
            return Vec::new();
        }
        match callee {
            Value::OneOf(all) => {
                all.iter().flat_map(|each| self.call(state.clone(), each, arguments.clone(), spot)).collect()
            }
            Value::Function(closure) => self.invoke(state, closure, arguments, Some(spot)),
            Value::Bound(pair) => {
                let (receiver, function) = &**pair;
                match function {
                    Value::Unseen(method) => self.builtin_method(state, receiver, method, arguments, spot),
                    Value::Function(closure) => {
                        let mut arguments = arguments;
                        arguments.positions.insert(0, receiver.clone());
                        self.invoke(state, closure, arguments, Some(spot))
                    }
                    other => {
                        let mut arguments = arguments;
                        arguments.positions.insert(0, receiver.clone());
                        self.call(state, other, arguments, spot)
                    }
                }
            }
            Value::Partial(pair) => {
                let (function, given) = &**pair;
                let mut all = given.clone();
                all.positions.extend(arguments.positions);
                for (name, value) in arguments.names {
                    all.names.retain(|(each, _)| *each != name);
                    all.names.push((name, value));
                }
                all.open |= arguments.open;
                all.spread.extend(arguments.spread);
                self.call(state, function, all, spot)
            }
            Value::Class(class) => self.construct(state, *class, arguments, spot),
            Value::Object(address) => {
                let class = match state.cell(*address) {
                    Some(Cell::Instance { class, .. }) => Some(*class),
                    Some(Cell::Scope { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => None,
                };
                match class.and_then(|class| self.find_member(class, "__call__")) {
                    Some((_, Value::Function(closure))) => {
                        let mut arguments = arguments;
                        arguments.positions.insert(0, callee.clone());
                        self.invoke(state, &closure, arguments, Some(spot))
                    }
                    _ => self.call_lost(state, "an object is called in a way that is not seen", spot),
                }
            }
            Value::Unseen(unseen) => self.call_unseen(state, unseen, arguments, spot),
            Value::Super(..) | Value::Module(_) | Value::Suspended(_) | Value::Member(..) => {
                self.call_lost(state, "what is called here is not understood", spot)
            }
            Value::Unbound
            | Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::TextFrom(_)
            | Value::Tuple(_) => {
                // Python raises here; nobody would write it, so it is rather a misjudgement.
                self.doubt(&mut state, "something is called that cannot be called", spot);
                self.call_lost(state, "something is called that cannot be called", spot)
            }
        }
    }

    /// A call of which nothing is known.
    pub(super) fn call_lost(&mut self, mut state: State, reason: &str, spot: Spot) -> Evaled {
        self.unseen_code(&mut state, reason, spot);
        let mut out = Vec::new();
        self.may_raise(&state, &mut out);
        let value = self.lost(reason, spot);
        out.push((state, Ok(value)));
        out
    }

    fn call_unseen(&mut self, state: State, unseen: &Rc<Unseen>, arguments: Arguments, spot: Spot) -> Evaled {
        let chain = unseen.chain.clone();
        let is_simulator = any_matches(&self.patterns.simulators, &chain) && !chain.is_empty();
        if is_simulator {
            self.met_simulator(&state, &chain, spot);
        }
        match &unseen.origin {
            Origin::Lost(reason, _) => {
                let reason = reason.to_string();
                self.escape(state, arguments, &reason, spot)
            }
            Origin::Outside => self.outside(state, unseen, arguments, spot),
            Origin::Data => {
                // What the package itself calls a simulator is no write.
                if is_simulator {
                    let mut out = Vec::new();
                    self.may_raise(&state, &mut out);
                    let value = self.data(&chain);
                    out.push((state, Ok(value)));
                    return out;
                }
                let Some((_, method)) = chain.rsplit_once('.') else {
                    let reason = format!("{chain} is an argument; what it does is not seen");
                    return self.escape(state, arguments, &reason, spot);
                };
                if unseen.owner.is_none() {
                    // It is no method of something: other code gave it, and may have been given functions of the tree.
                    let reason = format!("what {chain}() gave is called; what it does is not seen");
                    return self.escape(state, arguments, &reason, spot);
                }
                if self.tree.may_define_method(method) {
                    let reason = format!("the class of the object in {chain}() is not known");
                    return self.escape(state, arguments, &reason, spot);
                }
                self.outside(state, unseen, arguments, spot)
            }
        }
    }

    /// Unseen code is called and given these arguments: it may call what it is given.
    fn escape(&mut self, mut state: State, arguments: Arguments, reason: &str, spot: Spot) -> Evaled {
        self.unseen_code(&mut state, reason, spot);
        self.forget_all(&mut state, &arguments);
        state.reachable(arguments.values()).into_iter().for_each(|address| state.share(address));
        let value = self.lost(reason, spot);
        let states = self.hand_over(state, &arguments, spot);
        let mut out = Vec::new();
        for state in states {
            self.may_raise(&state, &mut out);
            out.push((state, Ok(value.clone())));
        }
        self.settle(out)
    }

    /// Makes an instance.
    fn construct(&mut self, mut state: State, class: ClassId, arguments: Arguments, spot: Spot) -> Evaled {
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
            self.unseen_code(&mut state, reason, spot);
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

    /// Applies the decorators of a function to its closure.
    pub(super) fn decorated(&mut self, state: State, closure: Closure) -> Evaled {
        let decorators: Vec<&Expr> = closure.function.decorators.iter().collect();
        let function = closure.function.clone();
        let evaluated = self.evaluate_all(state, &decorators);
        self.then(evaluated, |me, state, values| {
            let mut current: Evaled = vec![(state, Ok(Value::Function(Rc::new(closure.clone()))))];
            for (expr, decorator) in function.decorators.iter().zip(values).rev() {
                let spot = me.spot(expr.at);
                current = me.then(current, |me, state, value| me.decorate_once(state, &decorator, value, expr, spot));
            }
            current
        })
    }

    fn decorate_once(&mut self, state: State, decorator: &Value, value: Value, expr: &Expr, spot: Spot) -> Evaled {
        let chain = decorator.unseen().filter(|unseen| unseen.origin == Origin::Outside).map(|u| u.chain.clone());
        let with_kind = |kind: ClosureKind| match &value {
            Value::Function(closure) => Some(Value::Function(Rc::new(Closure { kind, ..(**closure).clone() }))),
            _ => None,
        };
        let known = match chain.as_deref() {
            Some("builtins.staticmethod") => with_kind(ClosureKind::Static),
            Some("builtins.classmethod") => with_kind(ClosureKind::OfClass),
            Some("builtins.property") => with_kind(ClosureKind::Property),
            Some("functools.cached_property") => with_kind(ClosureKind::Remembered),
            Some("contextlib.contextmanager" | "contextlib.asynccontextmanager") => with_kind(ClosureKind::Context),
            Some("functools.lru_cache" | "functools.cache") => with_kind(ClosureKind::Cached),
            Some(
                "abc.abstractmethod"
                | "functools.wraps"
                | "typing.override"
                | "typing.overload"
                | "typing.final"
                | "typing_extensions.override"
                | "typing.no_type_check",
            ) => Some(value.clone()),
            _ => None,
        };
        if let Some(known) = known {
            return vec![(state, Ok(known))];
        }
        // A setter or deleter of a property leaves the property as it was for reading.
        if let ExprKind::Attribute(object, name) = &expr.kind
            && matches!(&**name, "setter" | "deleter" | "getter")
        {
            let read = if &**name == "getter" { Vec::new() } else { self.evaluate(state.clone(), object) };
            let property = read.into_iter().find_map(|(_, result)| match result {
                Ok(Value::Function(closure)) if closure.kind == ClosureKind::Property => Some(closure),
                _ => None,
            });
            let value = match property {
                Some(closure) => Value::Function(closure),
                None => self.lost("a property with a setter", spot),
            };
            return vec![(state, Ok(value))];
        }
        if self.is_context(&state, decorator) {
            let mut state = state;
            if let Some(wrapped) = self.in_context(&mut state, decorator, &value, spot) {
                return vec![(state, Ok(wrapped))];
            }
            return self.call_lost(state, "a context decorates what is not followed", spot);
        }
        match decorator {
            Value::Function(_) | Value::Bound(_) | Value::Class(_) | Value::Object(_) | Value::Partial(_) => {
                self.call(state, decorator, Arguments::of(vec![value]), spot)
            }
            _ => {
                let Value::Function(closure) = &value else {
                    let value = self.lost("a decorator that is not understood", spot);
                    return vec![(state, Ok(value))];
                };
                let reason = format!("{} has a decorator that is not understood", closure.name);
                let closure = Closure { veiled: Some(reason.as_str().into()), ..(**closure).clone() };
                vec![(state, Ok(Value::Function(Rc::new(closure))))]
            }
        }
    }

    /// A truth value that is remembered once it is known.
    pub(super) fn unknown_flag(&mut self) -> Value {
        self.unseen(Origin::Outside, "bool", UnseenKind::Bool)
    }
}

/// Whether going through a value runs code outside the tree.
pub(super) fn runs_outside(value: &Value) -> bool {
    value.alternatives().iter().any(|each| match each {
        Value::Unseen(unseen) => match unseen.kind {
            UnseenKind::Plain => true,
            UnseenKind::Scalar
            | UnseenKind::Bool
            | UnseenKind::Collection
            | UnseenKind::Length(_)
            | UnseenKind::Stale(_)
            | UnseenKind::Process
            | UnseenKind::Status(_) => false,
        },
        _ => false,
    })
}

/// Whether a field says that the initialiser does not take it: `field(init=False)`.
fn is_outside_init(default: Option<&Expr>) -> bool {
    let Some(ExprKind::Call(_, arguments)) = default.map(|default| &default.kind) else { return false };
    arguments.iter().any(|argument| {
        let is_false =
            matches!(&argument.value.kind, ExprKind::Const(crate::probes::code_path::model::Const::Bool(false)));
        argument.way == Way::Name("init".into()) && is_false
    })
}

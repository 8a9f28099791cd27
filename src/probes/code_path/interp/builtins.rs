//! What Python has built in, as far as the analysis knows it.

use std::rc::Rc;

use super::hooks::SPECIAL;
use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::tree::Resolution;
use crate::probes::code_path::value::{Arguments, Cell, ClosureKind, Origin, Spot, Suspended, UnseenKind, Value};

impl Interp<'_> {
    /// What Python has built in and the analysis knows; `None` for the rest.
    pub(super) fn builtin_call(
        &mut self,
        state: &State,
        chain: &str,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        let given = &arguments.positions;
        let first = given.first();
        let one = |value: Value| Some(vec![(state.clone(), Ok(value))]);
        if let Some(suspended) = first.and_then(|first| self.followed_generator(state, first, false)) {
            match (chain, given.len()) {
                ("builtins.any", 1) => return Some(self.drive_until(state.clone(), &suspended, true, spot)),
                ("builtins.all", 1) => return Some(self.drive_until(state.clone(), &suspended, false, spot)),
                ("builtins.next", _) => return Some(self.drive_once(state.clone(), &suspended, given.get(1), spot)),
                ("builtins.iter", 1) => return one(Value::Suspended(suspended)),
                ("builtins.enumerate", _) if !suspended.counted => {
                    return one(Value::Suspended(Rc::new(Suspended { counted: true, ..(*suspended).clone() })));
                }
                _ => {}
            }
        }
        if chain.starts_with("contextlib.")
            && let Some(put) = self.put_on_stack(state, chain, arguments)
        {
            return Some(put);
        }
        match (chain, first) {
            ("builtins.exec" | "builtins.eval" | "builtins.compile" | "builtins.__import__", _) => {
                Some(self.rewired(state, &format!("{chain} runs code that is not seen"), spot))
            }
            ("builtins.globals" | "builtins.locals" | "builtins.vars", _) => {
                let reason = format!("{chain}() gives variables that are not followed");
                let mut state = state.clone();
                self.taint(&mut state, &reason, spot);
                let value = self.lost(&reason, spot);
                Some(vec![(state, Ok(value))])
            }
            ("builtins.getattr", Some(object)) => Some(self.get_attribute(state, object, arguments, spot)),
            ("builtins.setattr", Some(object)) => match (given.get(1), given.get(2)) {
                (Some(Value::Text(name)), Some(value)) => {
                    let assigned = self.assign_attribute(state.clone(), object, name, value, spot);
                    Some(assigned.into_iter().map(|state| (state, Ok(Value::None))).collect())
                }
                _ => Some(self.rewired(state, "setattr with a computed name", spot)),
            },
            _ if chain.starts_with("unittest.mock.") => {
                Some(self.rewired(state, "unittest.mock replaces what is called", spot))
            }
            ("builtins.setattr", None) => Some(self.rewired(state, "setattr with arguments that are not seen", spot)),
            ("builtins.delattr", _) => Some(self.rewired(state, "an attribute is deleted", spot)),
            ("operator.methodcaller", _) => {
                let method = first.and_then(Value::text).map(str::to_owned);
                let value = match method {
                    Some(method) if !method.starts_with("__") && !self.tree.may_define_method(&method) => {
                        self.unseen(Origin::Outside, chain, UnseenKind::Plain)
                    }
                    Some(_) | None => {
                        let mut state = state.clone();
                        let reason = "operator.methodcaller calls a method that is not followed";
                        self.taint(&mut state, reason, spot);
                        return Some(vec![(state, Ok(self.lost(reason, spot)))]);
                    }
                };
                one(value)
            }
            ("builtins.isinstance", Some(value)) => {
                let verdict = given.get(1).and_then(|class| self.is_instance(state, value, class));
                match verdict {
                    Some(verdict) => one(Value::Bool(verdict)),
                    None => {
                        let (flag, mut state) = (self.unknown_flag(), state.clone());
                        self.claimed(&mut state, value, given.get(1), spot);
                        Some(vec![(state, Ok(flag))])
                    }
                }
            }
            ("builtins.issubclass", Some(_)) => {
                let (flag, mut state) = (self.unknown_flag(), state.clone());
                self.claimed(&mut state, &Value::None, given.get(1), spot);
                Some(vec![(state, Ok(flag))])
            }
            ("builtins.hasattr", Some(object)) => {
                let name = given.get(1).and_then(Value::text);
                let flag = self.unknown_flag();
                let states = self.looked_at(state, object, name, spot);
                Some(states.into_iter().map(|state| (state, Ok(flag.clone()))).collect())
            }
            ("builtins.bool", Some(value)) => {
                let truths = self.truths(state.clone(), &value.clone(), spot);
                Some(truths.into_iter().map(|(state, truth)| (state, Ok(Value::Bool(truth)))).collect())
            }
            ("builtins.len", Some(value)) => self.length(state, value).map(|value| vec![(state.clone(), Ok(value))]),
            (
                "builtins.list" | "builtins.tuple" | "builtins.sorted" | "builtins.set" | "builtins.frozenset"
                | "builtins.reversed" | "builtins.enumerate",
                _,
            ) => {
                let given: Vec<&Value> = arguments.values().collect();
                let states = self.hooked(state.clone(), &given, SPECIAL, spot);
                let mut out = Vec::new();
                for state in states {
                    out.extend(self.collected(&state, chain, first, arguments, spot)?);
                }
                Some(out)
            }
            ("builtins.dict", None) if arguments.names.is_empty() && !arguments.open => {
                let address = self.address();
                let mut state = state.clone();
                state.put(address, Cell::Table(Vec::new()));
                Some(vec![(state, Ok(Value::Object(address)))])
            }
            ("builtins.dict", None) if !arguments.open => {
                let entries = arguments.names.iter().map(|(name, value)| (Value::Text(name.clone()), value.clone()));
                let (address, mut state) = (self.address(), state.clone());
                state.put(address, Cell::Table(entries.collect()));
                Some(vec![(state, Ok(Value::Object(address)))])
            }
            ("builtins.range", _) => {
                let value = self.collection("range");
                one(value)
            }
            ("builtins.type", Some(Value::Object(address))) if given.len() == 1 => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => one(Value::Class(*class)),
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => None,
            },
            ("builtins.type", _) if given.len() > 1 => {
                Some(self.call_lost(state.clone(), "a class is made by a call", spot))
            }
            ("builtins.super", Some(Value::Class(class))) => match given.get(1) {
                Some(receiver) => one(Value::Super(*class, Rc::new(receiver.clone()))),
                None => Some(self.call_lost(state.clone(), "super() with one argument", spot)),
            },
            (
                "builtins.next" | "builtins.iter" | "builtins.any" | "builtins.all" | "builtins.sum" | "builtins.min"
                | "builtins.max" | "builtins.map" | "builtins.filter" | "builtins.zip",
                _,
            ) if given.iter().any(|value| self.runs_when_iterated(state, value)) => {
                let mut state = state.clone();
                given.iter().for_each(|value| self.driven_unseen(&mut state, value));
                Some(self.call_lost(state, "a generator of the tree is driven here", spot))
            }
            ("functools.partialmethod", _) => {
                let mut state = state.clone();
                let made = self.partial_method(&mut state, arguments, spot);
                let value = made.unwrap_or_else(|| self.lost("this functools.partialmethod is not followed", spot));
                Some(vec![(state, Ok(value))])
            }
            ("builtins.str", Some(Value::Text(text))) => one(Value::Text(text.clone())),
            ("builtins.property" | "builtins.staticmethod" | "builtins.classmethod", _) => {
                let value = self.lost(&format!("{chain} is called as a function"), spot);
                one(value)
            }
            ("sys.exit" | "builtins.exit" | "builtins.quit", _) => {
                Some(vec![(state.clone(), Err(Exc::Builtin("SystemExit".into())))])
            }
            ("functools.partial", Some(function)) => {
                let mut rest = arguments.clone();
                rest.positions.remove(0);
                one(Value::Partial(Rc::new((function.clone(), rest))))
            }
            ("typing.cast", _) => given.get(1).and_then(|value| one(value.clone())),
            ("asyncio.run", Some(value)) => {
                let ran = self.awaited(state.clone(), &value.clone(), spot);
                Some(self.loop_ended(ran, spot))
            }
            (_, Some(value)) if chain.starts_with("asyncio.") && chain.ends_with(".run_until_complete") => {
                let ran = self.awaited(state.clone(), &value.clone(), spot);
                Some(self.loop_ended(ran, spot))
            }
            ("importlib.import_module", Some(name)) => Some(self.import_by_name(state, name, arguments, spot)),
            ("importlib.import_module", None) => {
                Some(self.call_lost(state.clone(), "a module is imported by a name that is not seen", spot))
            }
            ("importlib.reload", _) => Some(self.rewired(state, "a module is loaded again", spot)),
            // The name and the documentation of what is wrapped are read, which may be computed.
            ("functools.wraps" | "functools.lru_cache" | "functools.cache", _) => {
                let value = self.unseen(Origin::Outside, chain, UnseenKind::Plain);
                let mut states = vec![state.clone()];
                for wrapped in arguments.values() {
                    states = states.iter().flat_map(|state| self.looked_at(state, wrapped, None, spot)).collect();
                }
                Some(states.into_iter().map(|state| (state, Ok(value.clone()))).collect())
            }
            ("dataclasses.dataclass" | "contextlib.contextmanager", _) => {
                let value = self.unseen(Origin::Outside, chain, UnseenKind::Plain);
                one(value)
            }
            _ => None,
        }
    }

    pub(super) fn import_by_name(&mut self, state: &State, name: &Value, arguments: &Arguments, spot: Spot) -> Evaled {
        if let (Value::Text(name), 1) = (name, arguments.positions.len())
            && let Resolution::Module(id) = self.tree.resolve(name, Some(spot.module))
        {
            let mut state = state.clone();
            self.load_into(&mut state, id);
            self.catch_up(&mut state);
            return vec![(state, Ok(Value::Module(id)))];
        }
        self.call_lost(state.clone(), "a module is imported by a name that is not seen", spot)
    }

    /// A call after which what is called may be something else.
    fn rewired(&mut self, state: &State, reason: &str, spot: Spot) -> Evaled {
        let mut state = state.clone();
        self.taint(&mut state, reason, spot);
        self.call_lost(state, reason, spot)
    }

    pub(super) fn get_attribute(&mut self, state: &State, object: &Value, arguments: &Arguments, spot: Spot) -> Evaled {
        let Some(Value::Text(name)) = arguments.positions.get(1) else {
            let value = self.lost("getattr with a computed name", spot);
            let mut out = Vec::new();
            for state in self.looked_at(state, object, None, spot) {
                self.may_raise(&state, &mut out);
                out.push((state, Ok(value.clone())));
            }
            return out;
        };
        let found = self.attribute(state.clone(), object, name, spot);
        let Some(default) = arguments.positions.get(2) else { return found };
        let mut out: Evaled = Vec::new();
        for (state, result) in found {
            let sure = matches!(
                result,
                Ok(Value::Bound(_) | Value::Function(_) | Value::Member(..) | Value::Class(_) | Value::Bool(_))
            );
            if !sure {
                out.push((state.clone(), Ok(default.clone())));
            }
            if result.is_ok() {
                out.push((state, result));
            }
        }
        out
    }

    /// An attribute of an object is looked up, of any name where none is given: properties and hooks may run.
    fn looked_at(&mut self, state: &State, object: &Value, name: Option<&str>, spot: Spot) -> Vec<State> {
        let mut methods = Vec::new();
        for each in object.alternatives() {
            let Value::Object(address) = &each else { continue };
            let Some(Cell::Instance { class, .. }) = state.cell(*address) else { continue };
            let line = self.class(*class).line.clone();
            for (member, value) in line.iter().flat_map(|id| self.class(*id).members.iter()) {
                let Value::Function(closure) = value else { continue };
                let wanted = name.is_none_or(|name| *name == **member);
                let computed = matches!(closure.kind, ClosureKind::Property | ClosureKind::Remembered) && wanted;
                if computed || matches!(&**member, "__getattr__" | "__getattribute__") {
                    methods.push(Value::Bound(Rc::new((each.clone(), value.clone()))));
                }
            }
        }
        self.perhaps(state.clone(), &methods, spot)
    }

    /// Classes may decide by code of their own what is an instance of them.
    pub(super) fn claimed(&mut self, state: &mut State, value: &Value, class: Option<&Value>, spot: Spot) {
        let decides = |class: &Value| match class {
            Value::Class(id) => {
                self.has_metaclass(*id)
                    || ["__subclasshook__", "__instancecheck__"]
                        .iter()
                        .any(|name| self.find_member(*id, name).is_some())
            }
            _ => false,
        };
        let any = class.is_some_and(|class| match class {
            Value::Tuple(all) | Value::OneOf(all) => all.iter().any(decides),
            one => decides(one),
        });
        let mut pretends = Vec::new();
        self.hooks(state, value, &["__class__"], 0, &mut pretends);
        if any || !pretends.is_empty() {
            self.taint(state, "code of a class decides what is an instance of it", spot);
        }
    }

    /// Whether a value is an instance; `None` when that is not known.
    pub(super) fn is_instance(&mut self, state: &State, value: &Value, class: &Value) -> Option<bool> {
        let own = match value {
            Value::Object(address) => match state.cell(*address)? {
                Cell::Instance { class, .. } => *class,
                Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_) => return None,
            },
            Value::Member(class, _) => *class,
            Value::None => return Some(false).filter(|_| matches!(class, Value::Class(_))),
            _ => return None,
        };
        match class {
            Value::Class(class) if self.class(own).line.contains(class) => (!self.may_claim(*class)).then_some(true),
            Value::Class(class) => (self.is_closed(own) && !self.may_claim(*class)).then_some(false),
            Value::Tuple(classes) => {
                let verdicts: Vec<_> = classes.iter().map(|class| self.is_instance(state, value, class)).collect();
                if verdicts.contains(&Some(true)) {
                    Some(true)
                } else {
                    verdicts.iter().all(|verdict| *verdict == Some(false)).then_some(false)
                }
            }
            _ => None,
        }
    }
}

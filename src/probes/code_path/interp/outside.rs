//! Calls of code outside the tree, and of what Python has built in.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::patterns::{DatabaseCall, database_call};
use crate::probes::code_path::state::{Aspect, Done};
use crate::probes::code_path::tree::Resolution;
use crate::probes::code_path::value::{
    Arguments, Cell, Closure, Origin, Spot, SuspendedKind, Unseen, UnseenKind, Value,
};

/// Libraries whose functions give back what they were given.
const PASSING: &[&str] = &[
    "builtins.",
    "copy.",
    "dataclasses.",
    "functools.",
    "itertools.",
    "operator.",
    "random.",
    "collections.",
    "contextlib.",
    "asyncio.",
    "concurrent.",
    "contextvars.",
    "weakref.",
    "unittest.",
    "typing.",
    "inspect.",
];

/// Functions that only look at what they are given.
const LOOKING: &[&str] = &[
    "builtins.print",
    "builtins.str",
    "builtins.repr",
    "builtins.len",
    "builtins.isinstance",
    "builtins.issubclass",
    "builtins.id",
    "builtins.hash",
    "builtins.hasattr",
    "builtins.callable",
    "builtins.format",
    "builtins.type",
    "builtins.bool",
    "builtins.int",
    "builtins.float",
];

impl Interp<'_> {
    /// A call of code outside the tree.
    pub(super) fn outside(&mut self, state: State, callee: &Rc<Unseen>, arguments: Arguments, spot: Spot) -> Evaled {
        let chain = callee.chain.clone();
        // The name of an argument is not the name of a library.
        let is_library = callee.origin == Origin::Outside;
        if is_library && let Some(out) = self.builtin_call(&state, &chain, &arguments, spot) {
            return out;
        }
        let name = chain.rsplit('.').next().unwrap_or("").to_owned();
        if let Some(owner) = callee.owner
            && self.processes.contains(&owner)
            && let Some(out) = self.process_method(&state, owner, &name, spot)
        {
            return out;
        }
        if is_library && let Some(out) = self.command(&state, callee, &arguments, spot) {
            return out;
        }
        let is_sink =
            self.patterns.sinks.iter().any(|glob| glob.matches(&chain) && (is_library || glob.speaks_of_chains()));
        let call = database_call(&name);
        let in_database = match call {
            Some(DatabaseCall::Statement) => is_sink,
            Some(DatabaseCall::Commit | DatabaseCall::Rollback | DatabaseCall::Close) => true,
            None => false,
        };
        if in_database
            && let Some(call) = call
            && let Some(out) = self.database(&state, callee, call, &name, &arguments, spot)
        {
            return out;
        }
        if is_sink && call.is_none() {
            return self.plain_sink(&state, callee, spot);
        }
        self.foreign(state, callee, &name, arguments, spot)
    }

    /// A call that neither writes nor simulates; what it is given may be called, changed or given back.
    fn foreign(
        &mut self,
        mut state: State,
        callee: &Rc<Unseen>,
        name: &str,
        arguments: Arguments,
        spot: Spot,
    ) -> Evaled {
        let chain = callee.chain.clone();
        if let Some(reason) = self.runs_methods(&state, &chain, &arguments) {
            self.unseen_code(&mut state, reason, spot);
        }
        if callee.origin != Origin::Outside {
            state.forget_collections();
        }
        if !LOOKING.contains(&&*chain) && !chain.starts_with("logging.") {
            self.forget_all(&mut state, &arguments);
        }
        let collection = chain.strip_prefix("builtins.collection.");
        let reading = ["get", "items", "keys", "values", "copy", "index", "count"];
        if let (Some(method), Some(owner)) = (collection, callee.owner)
            && !reading.contains(&method)
        {
            state.forget(owner);
        }
        let same = matches!(
            name,
            "cursor" | "transaction" | "begin" | "begin_nested" | "execute" | "executemany" | "copy" | "__enter__"
        );
        let connection = callee.owner.filter(|_| same);
        let id = self.address();
        if matches!(name, "connect" | "Connection" | "connection" | "raw_connection") {
            self.connected(&mut state, id, &arguments);
        }
        let passes = PASSING.iter().any(|library| chain.starts_with(library)) && !chain.starts_with("builtins.scalar.");
        let given = arguments.values().any(|value| self.is_of_tree(&state, value, passes, 0));
        let may_be_of_tree = given || arguments.open && passes || collection.is_some();
        let origin = match &callee.origin {
            Origin::Outside if may_be_of_tree => Origin::Data,
            other => other.clone(),
        };
        let kind = match &*chain {
            "builtins.str" | "builtins.int" | "builtins.float" | "builtins.repr" | "builtins.hash" | "builtins.id"
            | "builtins.format" | "builtins.ord" | "builtins.chr" | "builtins.round" | "builtins.abs" => {
                UnseenKind::Scalar
            }
            _ if chain.starts_with("builtins.scalar.") => UnseenKind::Scalar,
            "builtins.callable"
            | "builtins.hasattr"
            | "builtins.issubclass"
            | "builtins.isinstance"
            | "builtins.any"
            | "builtins.all" => UnseenKind::Bool,
            _ => UnseenKind::Plain,
        };
        let value = Value::Unseen(Rc::new(Unseen { id, origin, chain: chain.clone(), connection, owner: None, kind }));
        if &*chain == "contextlib.closing"
            && let Some(thing) = arguments.positions.first()
        {
            self.remember(&mut state, id, &"thing".into(), thing.clone());
        }
        let mut out = Vec::new();
        for state in self.hand_over(state, &arguments, spot) {
            self.may_raise(&state, &mut out);
            out.push((state, Ok(value.clone())));
        }
        self.settle(out)
    }

    /// Why code outside may run methods of an object that it is given.
    fn runs_methods(&self, state: &State, chain: &str, arguments: &Arguments) -> Option<String> {
        let harmless = ["logging.", "json.", "dataclasses.", "copy.", "typing.", "builtins.scalar."];
        let looks = LOOKING.contains(&chain) && chain != "builtins.len" && chain != "builtins.bool";
        if looks || harmless.iter().any(|library| chain.starts_with(library)) {
            return None;
        }
        let is_builtin = chain.starts_with("builtins.");
        let runs = |value: &Value| match value {
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    let members = self.class(*class).line.iter().flat_map(|id| self.class(*id).members.iter());
                    let mut methods = members.filter(|(_, value)| matches!(value, Value::Function(_)));
                    let made = ["__init__", "__post_init__", "__repr__", "__str__", "__hash__", "__eq__"];
                    methods.any(|(name, _)| {
                        !made.contains(&&**name) && (!is_builtin || (name.starts_with("__") && name.ends_with("__")))
                    })
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            Value::Suspended(suspended) => suspended.kind != SuspendedKind::Coroutine,
            _ => false,
        };
        let runs = arguments.values().any(|value| value.alternatives().iter().any(runs));
        runs.then(|| format!("{chain}() is given an object of the tree and may call its methods"))
    }

    /// Whether a value is, or holds, something of the tree; with `data`, something that might be.
    fn is_of_tree(&self, state: &State, value: &Value, data: bool, depth: usize) -> bool {
        match value {
            Value::Bound(pair) if matches!(pair.1, Value::Unseen(_)) => {
                depth > 4 || self.is_of_tree(state, &pair.0, data, depth + 1)
            }
            Value::Function(_)
            | Value::Bound(_)
            | Value::Class(_)
            | Value::Module(_)
            | Value::Super(..)
            | Value::Suspended(_)
            | Value::Partial(_) => true,
            Value::Unseen(unseen) => match unseen.origin {
                Origin::Outside => false,
                Origin::Data => data,
                Origin::Lost(..) => true,
            },
            Value::Tuple(items) | Value::OneOf(items) => {
                depth > 4 || items.iter().any(|item| self.is_of_tree(state, item, data, depth + 1))
            }
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::List(items)) => {
                    depth > 4 || items.iter().any(|item| self.is_of_tree(state, item, data, depth + 1))
                }
                Some(Cell::Table(entries)) => {
                    depth > 4 || entries.iter().any(|(_, item)| self.is_of_tree(state, item, data, depth + 1))
                }
                Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => true,
            },
            Value::Unbound
            | Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::TextFrom(_)
            | Value::Member(..) => false,
        }
    }

    /// Other code gets these values: collections may change, transactions may end.
    pub(super) fn forget_all(&mut self, state: &mut State, arguments: &Arguments) {
        let reached = state.reachable(arguments.values());
        for address in &reached {
            state.forget(*address);
            let collection = matches!(state.cell(*address), Some(Cell::List(_) | Cell::Table(_)));
            if collection {
                state.put(*address, Cell::Seen(BTreeMap::new()));
            }
            if let Some(done) = state.effect.pending.get_mut(address) {
                *done = Done::Maybe;
            }
        }
    }

    /// What happens when other code is given callables of the tree: it may call them or not.
    pub(super) fn hand_over(&mut self, state: State, arguments: &Arguments, spot: Spot) -> Vec<State> {
        let mut callables = Vec::new();
        for value in arguments.values() {
            self.callables(&state, value, 0, &mut callables);
        }
        let mut states = vec![state];
        for callable in callables {
            let mut next = Vec::new();
            for state in states {
                next.extend(self.maybe_called(state, &callable, spot));
            }
            let settled = self.settle(next.into_iter().map(|state| (state, super::Flow::Next)).collect());
            states = settled.into_iter().map(|(state, _)| state).collect();
        }
        states
    }

    fn callables(&self, state: &State, value: &Value, depth: usize, found: &mut Vec<Value>) {
        match value {
            Value::Bound(pair) if matches!(pair.1, Value::Unseen(_)) => {
                self.callables(state, &pair.0, depth + 1, found);
            }
            Value::Function(_) | Value::Bound(_) | Value::Partial(_) | Value::Suspended(_) => found.push(value.clone()),
            Value::Tuple(items) | Value::OneOf(items) if depth < 4 => {
                items.iter().for_each(|item| self.callables(state, item, depth + 1, found));
            }
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::List(items)) if depth < 4 => {
                    items.iter().for_each(|item| self.callables(state, item, depth + 1, found));
                }
                Some(Cell::Table(entries)) if depth < 4 => {
                    entries.iter().for_each(|(_, item)| self.callables(state, item, depth + 1, found));
                }
                Some(Cell::Instance { class, .. }) => {
                    if self.find_member(*class, "__call__").is_some() {
                        found.push(value.clone());
                    }
                    // Whoever shows an object as text calls these.
                    let shown = ["__str__", "__repr__", "__format__"];
                    let methods = shown.iter().filter_map(|name| self.find_member(*class, name));
                    found.extend(methods.map(|(_, method)| Value::Bound(Rc::new((value.clone(), method)))));
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => {}
            },
            _ => {}
        }
    }

    fn maybe_called(&mut self, state: State, callable: &Value, spot: Spot) -> Vec<State> {
        let before = self.met_so_far();
        let mut uncalled = state.clone();
        let mut called = state.clone();
        called.effect.doubt = true;
        let ran = match callable {
            Value::Suspended(suspended) => self.resume(called, suspended),
            _ => self.call(called, callable, Arguments { open: true, ..Arguments::default() }, spot),
        };
        let after = self.met_so_far();
        let mut ran: Vec<State> = ran.into_iter().map(|(state, _)| state).collect();
        let mut expected = state.effect.clone();
        expected.doubt = true;
        let harmless = before == after && ran.iter().all(|each| each.effect == expected);
        if harmless {
            ran.iter_mut().for_each(|each| each.effect = state.effect.clone());
        } else {
            self.doubt(&mut uncalled, "code outside the tree may call what it is given here, or not", spot);
        }
        ran.push(uncalled);
        ran
    }

    /// What Python has built in and the analysis knows; `None` for the rest.
    fn builtin_call(&mut self, state: &State, chain: &str, arguments: &Arguments, spot: Spot) -> Option<Evaled> {
        let given = &arguments.positions;
        let first = given.first();
        let one = |value: Value| Some(vec![(state.clone(), Ok(value))]);
        match (chain, first) {
            ("builtins.exec" | "builtins.eval" | "builtins.compile" | "builtins.__import__", _) => {
                let mut state = state.clone();
                state.effect.tainted = true;
                Some(self.call_lost(state, &format!("{chain} runs code that is not seen"), spot))
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
                _ => {
                    let mut state = state.clone();
                    state.effect.tainted = true;
                    Some(self.call_lost(state, "setattr with a computed name", spot))
                }
            },
            _ if chain.starts_with("unittest.mock.") => {
                let mut state = state.clone();
                state.effect.tainted = true;
                Some(self.call_lost(state, "unittest.mock replaces what is called", spot))
            }
            ("builtins.delattr", _) => Some(self.call_lost(state.clone(), "delattr", spot)),
            ("builtins.isinstance", Some(value)) => {
                let verdict = given.get(1).and_then(|class| self.is_instance(state, value, class));
                match verdict {
                    Some(verdict) => one(Value::Bool(verdict)),
                    None => {
                        let flag = self.unknown_flag();
                        one(flag)
                    }
                }
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
            ) => self.collected(state, chain, first, arguments, spot),
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
                Some(self.call_lost(state.clone(), "a generator of the tree is driven here", spot))
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
            ("asyncio.run", Some(value)) => Some(self.awaited(state.clone(), &value.clone(), spot)),
            ("importlib.import_module", Some(name)) => Some(self.import_by_name(state, name, arguments, spot)),
            ("importlib.reload", _) => Some(self.call_lost(state.clone(), "a module is loaded again", spot)),
            (
                "functools.wraps"
                | "functools.lru_cache"
                | "functools.cache"
                | "dataclasses.dataclass"
                | "contextlib.contextmanager",
                _,
            ) => {
                let value = self.unseen(Origin::Outside, chain, UnseenKind::Plain);
                one(value)
            }
            _ => None,
        }
    }

    /// Whether iterating a value runs code of the tree: a generator, or an object that is no plain collection.
    pub(super) fn runs_when_iterated(&self, state: &State, value: &Value) -> bool {
        match value {
            Value::Suspended(suspended) => suspended.kind != SuspendedKind::Coroutine,
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    let names = ["__iter__", "__getitem__", "__next__", "__len__", "__contains__", "keys"];
                    !self.is_closed(*class) || names.iter().any(|name| self.find_member(*class, name).is_some())
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            Value::OneOf(all) => all.iter().any(|each| self.runs_when_iterated(state, each)),
            _ => false,
        }
    }

    /// How much was met, to see whether something adds to it.
    pub(super) fn met_so_far(&self) -> (usize, usize, usize) {
        (self.log.writes.len(), self.log.simulators.len(), self.log.blocked.len())
    }

    fn import_by_name(&mut self, state: &State, name: &Value, arguments: &Arguments, spot: Spot) -> Evaled {
        if let (Value::Text(name), 1) = (name, arguments.positions.len())
            && let Resolution::Module(id) = self.tree.resolve(name, Some(spot.module))
        {
            let loaded = self.loaded().contains(&id);
            if !loaded {
                self.load(id);
            }
            let mut state = state.clone();
            self.catch_up(&mut state);
            return vec![(state, Ok(Value::Module(id)))];
        }
        let value = self.lost("a module is imported by a name that is not seen", spot);
        let mut out = Vec::new();
        self.may_raise(state, &mut out);
        out.push((state.clone(), Ok(value)));
        out
    }

    fn get_attribute(&mut self, state: &State, object: &Value, arguments: &Arguments, spot: Spot) -> Evaled {
        let Some(Value::Text(name)) = arguments.positions.get(1) else {
            let value = self.lost("getattr with a computed name", spot);
            let mut out = Vec::new();
            self.may_raise(state, &mut out);
            out.push((state.clone(), Ok(value)));
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

    /// Whether a value is an instance; `None` when that is not known.
    pub(super) fn is_instance(&self, state: &State, value: &Value, class: &Value) -> Option<bool> {
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
            Value::Class(class) if self.class(own).line.contains(class) => Some(true),
            Value::Class(_) => self.is_closed(own).then_some(false),
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

    fn length(&mut self, state: &State, value: &Value) -> Option<Value> {
        let count = |n: usize| i64::try_from(n).ok().map(Value::Int);
        match value {
            Value::Tuple(items) => count(items.len()),
            Value::Object(address) => match state.cell(*address)? {
                Cell::List(items) => count(items.len()),
                Cell::Table(entries) => count(entries.len()),
                Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_) => None,
            },
            Value::Unseen(unseen) if unseen.kind == UnseenKind::Collection => {
                Some(self.unseen(Origin::Outside, "len", UnseenKind::Length(unseen.id)))
            }
            _ => None,
        }
    }

    fn collected(
        &mut self,
        state: &State,
        chain: &str,
        first: Option<&Value>,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        let mut state = state.clone();
        let has_key = arguments.named("key").is_some();
        let items = match first {
            None if !arguments.open => Some(Vec::new()),
            Some(value) => self.known_items(&state, value),
            None => None,
        };
        if let (Some(items), false) = (items, has_key || chain == "builtins.enumerate") {
            let value = if chain == "builtins.tuple" {
                Value::Tuple(Rc::new(items))
            } else {
                let address = self.address();
                state.put(address, Cell::List(items));
                Value::Object(address)
            };
            return Some(vec![(state, Ok(value))]);
        }
        if first.is_some_and(|value| self.runs_when_iterated(&state, value)) {
            return Some(self.call_lost(state, "a generator of the tree is driven here", spot));
        }
        if has_key {
            return None;
        }
        let filled = first.and_then(|value| self.truth(&state, value)).filter(|filled| *filled);
        let is_collection = match first {
            Some(Value::Unseen(unseen)) => unseen.kind == UnseenKind::Collection,
            Some(Value::Object(_) | Value::Tuple(_)) => true,
            _ => false,
        };
        let value = self.collection("collected");
        if let (Some(_), true, Value::Unseen(unseen)) = (filled, is_collection, &value) {
            state.learn(unseen.id, Aspect::Filled, true);
        }
        let mut out = Vec::new();
        self.may_raise(&state, &mut out);
        out.push((state, Ok(value)));
        Some(out)
    }

    /// The elements of a collection, where they are all known.
    pub(super) fn known_items(&self, state: &State, value: &Value) -> Option<Vec<Value>> {
        match value {
            Value::Tuple(items) => Some(items.to_vec()),
            Value::Object(address) => match state.cell(*address)? {
                Cell::List(items) => Some(items.clone()),
                Cell::Table(entries) => Some(entries.iter().map(|(key, _)| key.clone()).collect()),
                Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_) => None,
            },
            Value::Class(class) => self.class(*class).enumeration.as_ref().map(|members| {
                let own = members.iter().filter(|(name, _, first)| name == first);
                own.map(|(name, ..)| Value::Member(*class, name.clone())).collect()
            }),
            _ => None,
        }
    }

    /// A method of a value of a built-in kind.
    pub(super) fn builtin_method(
        &mut self,
        mut state: State,
        receiver: &Value,
        method: &Rc<Unseen>,
        arguments: Arguments,
        spot: Spot,
    ) -> Evaled {
        let name: Name = method.chain.rsplit('.').next().unwrap_or("").into();
        if arguments.values().any(|value| self.runs_when_iterated(&state, value)) {
            return self.call_lost(state, "a generator of the tree is driven here", spot);
        }
        if let Value::Object(address) = receiver {
            let cell = state.cell(*address).cloned();
            match cell {
                Some(Cell::List(items)) => return self.list_method(state, *address, items, &name, arguments),
                Some(Cell::Table(entries)) => {
                    return self.table_method(state, *address, &entries, &name, arguments);
                }
                Some(Cell::Instance { .. }) if method.chain.starts_with("builtins.object.") => {}
                Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => {
                    let value = self.data(&name);
                    let states = self.hand_over(state, &arguments, spot);
                    return states.into_iter().map(|state| (state, Ok(value.clone()))).collect();
                }
            }
        }
        let value = match (receiver, &*name) {
            (Value::Text(text), "lower") => Value::Text(text.to_lowercase().into()),
            (Value::Text(text), "upper") => Value::Text(text.to_uppercase().into()),
            (Value::Text(text), "strip") => Value::Text(text.trim().into()),
            (Value::Text(text), "format") => {
                let head = text.split('{').next().unwrap_or("");
                Value::TextFrom(head.into())
            }
            (Value::Text(_) | Value::TextFrom(_), _) => self.scalar(&name),
            (Value::None, "__init__" | "__init_subclass__" | "__post_init__" | "__enter__" | "__exit__") => Value::None,
            (Value::Function(closure), _) => {
                let closure: Rc<Closure> = closure.clone();
                let reason = format!("{name} of function {} is not followed", closure.name);
                return self.call_lost(state, &reason, spot);
            }
            (Value::Suspended(_) | Value::Partial(_) | Value::Bound(_) | Value::Super(..), _) => {
                return self.call_lost(state, &format!("{name}() is not followed"), spot);
            }
            _ => self.data(&name),
        };
        self.forget_all(&mut state, &arguments);
        let mut out = Vec::new();
        self.may_raise(&state, &mut out);
        out.push((state, Ok(value)));
        out
    }

    fn list_method(
        &mut self,
        mut state: State,
        address: u32,
        mut items: Vec<Value>,
        name: &str,
        arguments: Arguments,
    ) -> Evaled {
        const KNOWN: usize = 16;
        let mut out = Vec::new();
        let value = match (name, arguments.positions.first()) {
            ("append" | "add", Some(value)) if items.len() < KNOWN => {
                items.push(value.clone());
                state.put(address, Cell::List(items));
                Value::None
            }
            ("extend", Some(more)) => {
                match self.known_items(&state, more).filter(|more| items.len() + more.len() <= KNOWN) {
                    Some(more) => {
                        items.extend(more);
                        state.put(address, Cell::List(items));
                    }
                    None => state.put(address, Cell::Seen(BTreeMap::new())),
                }
                Value::None
            }
            ("copy", _) => {
                let copy = self.address();
                state.put(copy, Cell::List(items));
                Value::Object(copy)
            }
            ("index" | "count", _) => self.scalar(name),
            ("pop", _) => {
                state.put(address, Cell::Seen(BTreeMap::new()));
                let other = self.data("pop");
                Value::one_of(items, || other)
            }
            _ => {
                state.put(address, Cell::Seen(BTreeMap::new()));
                Value::None
            }
        };
        self.may_raise(&state, &mut out);
        out.push((state, Ok(value)));
        out
    }

    fn table_method(
        &mut self,
        mut state: State,
        address: u32,
        entries: &[(Value, Value)],
        name: &str,
        arguments: Arguments,
    ) -> Evaled {
        let mut out = Vec::new();
        let as_list = |me: &mut Self, state: &mut State, items: Vec<Value>| {
            let list = me.address();
            state.put(list, Cell::List(items));
            Value::Object(list)
        };
        let value = match (name, arguments.positions.first()) {
            ("get", Some(key)) => {
                let default = arguments.positions.get(1).cloned().unwrap_or(Value::None);
                let (found, open) = self.lookup(&state, entries, key);
                let rest = open.then_some(default);
                Value::one_of(found.into_iter().chain(rest).collect::<Vec<_>>(), || self.data("get"))
            }
            ("items", None) => {
                let items = entries.iter().map(|(key, value)| Value::Tuple(Rc::new(vec![key.clone(), value.clone()])));
                as_list(self, &mut state, items.collect())
            }
            ("values", None) => as_list(self, &mut state, entries.iter().map(|(_, value)| value.clone()).collect()),
            ("keys", None) => as_list(self, &mut state, entries.iter().map(|(key, _)| key.clone()).collect()),
            ("copy", None) => {
                let copy = self.address();
                state.put(copy, Cell::Table(entries.to_vec()));
                Value::Object(copy)
            }
            ("pop" | "setdefault", _) => {
                state.put(address, Cell::Seen(BTreeMap::new()));
                let other = self.data(name);
                let all = entries.iter().map(|(_, value)| value.clone()).chain([other.clone()]);
                Value::one_of(all.collect::<Vec<_>>(), || other)
            }
            _ => {
                state.put(address, Cell::Seen(BTreeMap::new()));
                Value::None
            }
        };
        self.may_raise(&state, &mut out);
        out.push((state.clone(), Ok(Value::None)));
        out.pop();
        for each in value.alternatives() {
            out.push((state.clone(), Ok(each)));
        }
        out
    }

    /// The values that a key finds, and whether it may find none of them. The last equal key wins.
    pub(super) fn lookup(&self, state: &State, entries: &[(Value, Value)], key: &Value) -> (Vec<Value>, bool) {
        let mut found = Vec::new();
        for (each, value) in entries.iter().rev() {
            match self.compare(state, crate::probes::code_path::model::Comparison::Equal, each, key) {
                Some(true) => {
                    found.push(value.clone());
                    return (found, false);
                }
                Some(false) => {}
                None => found.push(value.clone()),
            }
        }
        (found, true)
    }
}

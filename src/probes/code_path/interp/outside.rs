//! Calls of code outside the tree, and of what Python has built in.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::patterns::{DatabaseCall, database_call};
use crate::probes::code_path::state::Done;
use crate::probes::code_path::value::{Arguments, Cell, Origin, Spot, SuspendedKind, Unseen, UnseenKind, Value};

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

/// Whether a name is that of a function which gives back what it was given, or a part of it.
pub(super) fn passes_on(chain: &str) -> bool {
    PASSING.iter().any(|library| chain.starts_with(library))
}

/// Libraries that do not keep what they are given, functions aside.
const NOT_KEEPING: &[&str] =
    &["builtins.", "json.", "logging.", "copy.", "hashlib.", "math.", "re.", "os.", "datetime.", "time.", "decimal."];

/// Libraries and functions that call what they are given while they run, or at the end of the process, and not later.
const CALLING_NOW: &[&str] = &[
    "builtins.",
    "re.",
    "functools.reduce",
    "functools.update_wrapper",
    "functools.wraps",
    "json.dump",
    "json.load",
    "copy.",
    "atexit.",
];

/// Functions among them that call it when what they give is gone through.
const LAZY: &[&str] = &["builtins.map", "builtins.filter", "builtins.iter"];

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

/// Functions that take all that a generator gives before they do anything with it that can be seen.
const EXHAUSTING: &[&str] = &[
    "builtins.list",
    "builtins.tuple",
    "builtins.set",
    "builtins.frozenset",
    "builtins.sorted",
    "builtins.sum",
    "builtins.min",
    "builtins.max",
    "builtins.dict",
    "collections.deque",
    "collections.Counter",
    "collections.OrderedDict",
];

/// Methods that do so on whatever they are called.
const EXHAUSTING_METHODS: &[&str] = &["executemany", "execute_values", "execute_batch"];

impl Interp<'_> {
    /// A call of code outside the tree.
    pub(super) fn outside(&mut self, state: State, callee: &Rc<Unseen>, arguments: Arguments, spot: Spot) -> Evaled {
        let chain = callee.chain.clone();
        // The name of an argument is not the name of a library.
        let is_library = callee.origin == Origin::Outside;
        let last = chain.rsplit('.').next().unwrap_or("");
        let mut state = state;
        if !LOOKING.contains(&&*chain) && !chain.starts_with("logging.") {
            state.others_run();
        }
        let exhausts = is_library && EXHAUSTING.contains(&&*chain) || EXHAUSTING_METHODS.contains(&last);
        if exhausts && arguments.positions.iter().any(|value| self.followed_generator(&state, value, false).is_some()) {
            let gathered = self.with_gathered(state, &arguments, spot);
            return self.then(gathered, |me, state, arguments| me.outside(state, callee, arguments, spot));
        }
        if is_library
            && chain.starts_with("asyncio.")
            && let Some(out) = self.task_call(&state, callee, &arguments, spot)
        {
            return out;
        }
        if let Some(owner) = callee.owner
            && let Some(out) = self.trusted(&state, owner, &chain, &arguments, spot)
        {
            return out;
        }
        if is_library && let Some(out) = self.reached(&state, &chain, &arguments, spot) {
            return out;
        }
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
        if (in_database || is_sink) && self.tree.may_be_replaced_in_library(&chain, is_library) {
            // Somewhere the tree assigns an attribute of this name: the library's own may be gone.
            let mut state = state;
            self.unseen_code(&mut state, format!("the tree assigns a {name} of its own to something"), spot);
            return self.foreign(state, callee, &name, arguments, spot);
        }
        if in_database && arguments.values().any(|value| self.runs_when_iterated(&state, value)) {
            arguments.values().for_each(|value| self.driven_unseen(&mut state, value));
            self.taint(&mut state, "what is given to a statement runs code that is not followed", spot);
        }
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
    pub(super) fn foreign(
        &mut self,
        mut state: State,
        callee: &Rc<Unseen>,
        name: &str,
        arguments: Arguments,
        spot: Spot,
    ) -> Evaled {
        let chain = callee.chain.clone();
        // What a library was given before the run, it may call in the run.
        let holds_code = (self.importing > 0 || self.filling > 0) && self.holds_code(&state, &arguments);
        if let Some(reason) = self.runs_methods(&state, &chain, &arguments) {
            self.taint(&mut state, &reason, spot);
        }
        let handed = self.handed(&state, &arguments);
        if holds_code && let Some(owner) = callee.owner {
            self.entrusted(&mut state, owner, &handed);
        }
        let classes = self.classes_given(&chain, &arguments, LOOKING.contains(&&*chain));
        if let Some(reason) = self.calls_unknown(&chain, name, &arguments) {
            self.unseen_code(&mut state, reason, spot);
        }
        if &*chain == "dataclasses.replace" {
            let given: Vec<&Value> = arguments.positions.iter().take(1).collect();
            let states = self.hooked(state.clone(), &given, &["__post_init__", "__init__"], spot);
            if let [only] = &states[..] {
                state = only.clone();
            } else {
                self.taint(&mut state, "what making the copy of a record does is not followed", spot);
            }
        }
        if callee.origin != Origin::Outside {
            state.forget_collections();
        }
        if !LOOKING.contains(&&*chain) && !chain.starts_with("logging.") {
            self.forget_all(&mut state, &arguments);
            self.kept_outside(&mut state, &chain, name, &arguments, spot);
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
        if connection.is_none() {
            self.made_of(&mut state, id, callee.owner, &chain, &arguments);
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
        let of_calls = collection.is_some()
            && callee.owner.is_some_and(|owner| match state.cell(owner) {
                Some(Cell::Seen(fields)) => fields.contains_key(super::elements::ELEMENT),
                Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::List(_) | Cell::Table(_)) | None => false,
            });
        let value = match (of_calls, holds_code && kind == UnseenKind::Plain) {
            (true, _) => self.lost("what this collection holds by then is not seen", spot),
            (false, true) => {
                let reason =
                    format!("{chain}() was given functions of the tree before the run, and may call them in it");
                self.lost(&reason, spot)
            }
            (false, false) => {
                Value::Unseen(Rc::new(Unseen { id, origin, chain: chain.clone(), connection, owner: None, kind }))
            }
        };
        if &*chain == "contextlib.closing"
            && let Some(thing) = arguments.positions.first()
        {
            self.remember(&mut state, id, &"thing".into(), thing.clone());
        }
        let mut out = Vec::new();
        let harmful = self.harmful;
        let mut states = self.hand_over_these(state, handed, spot);
        for class in &classes {
            states = states.into_iter().flat_map(|state| self.perhaps_made(state, class, spot)).collect();
        }
        states = states.into_iter().flat_map(|state| self.gone_through(state, &chain, &arguments, spot)).collect();
        let calls_now = CALLING_NOW.iter().any(|library| chain.starts_with(library));
        if self.harmful > harmful && self.importing == 0 && (!calls_now || LAZY.contains(&&*chain)) {
            let reason =
                format!("{chain}() may keep what it is given and call it later: what that changes is not followed");
            states.iter_mut().for_each(|state| self.taint(state, &reason, spot));
        }
        for state in states {
            self.may_raise(&state, &mut out);
            out.push((state, Ok(value.clone())));
        }
        self.settle(out)
    }

    /// Why code outside may run methods of an object that it is given.
    pub(super) fn runs_methods(&self, state: &State, chain: &str, arguments: &Arguments) -> Option<String> {
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
            Value::Suspended(suspended) => runs_when_driven(suspended.kind),
            _ => false,
        };
        let runs = arguments.values().any(|value| value.alternatives().iter().any(runs));
        runs.then(|| format!("{chain}() is given an object of the tree and may call its methods"))
    }

    /// Whether a value is, or holds, something of the tree; with `data`, something that might be.
    pub(super) fn is_of_tree(&self, state: &State, value: &Value, data: bool, depth: usize) -> bool {
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
            self.perhaps_begun(state, *address);
            let collection = matches!(state.cell(*address), Some(Cell::List(_) | Cell::Table(_)));
            if collection {
                state.put(*address, Cell::Seen(BTreeMap::new()));
            }
            if let Some(done) = state.effect.pending.get_mut(address) {
                *done = Done::Maybe;
            }
        }
    }

    /// Code outside the tree may keep what it is given, and change it whenever it runs again.
    fn kept_outside(&mut self, state: &mut State, chain: &str, name: &str, arguments: &Arguments, spot: Spot) {
        let looks = NOT_KEEPING.iter().any(|library| chain.starts_with(library)) || database_call(name).is_some();
        let is_method = |value: &Value| match value {
            Value::Function(_) | Value::Bound(_) | Value::Partial(_) => true,
            Value::Unseen(unseen) => unseen.owner.is_some(),
            _ => false,
        };
        let kept: Vec<&Value> = arguments.values().filter(|value| !looks || is_method(value)).collect();
        for address in state.reachable(kept.iter().copied()) {
            state.share(address);
        }
        for value in kept {
            let Value::Unseen(unseen) = value else { continue };
            let Some(owner) = unseen.owner else { continue };
            let method = unseen.chain.rsplit('.').next().unwrap_or("");
            let ends = matches!(database_call(method), Some(DatabaseCall::Rollback | DatabaseCall::Close));
            if ends && !chain.starts_with("atexit.") {
                // When it is called, and what it undoes then, is not seen.
                self.blocked(format!("{chain}() is given {method} of a connection and may call it at any time"), spot);
                state.effect.volatile.entry(owner).or_insert(Done::Maybe);
            }
        }
    }
}

fn runs_when_driven(kind: SuspendedKind) -> bool {
    match kind {
        SuspendedKind::Generator | SuspendedKind::Context => true,
        SuspendedKind::Coroutine | SuspendedKind::Task => false,
    }
}

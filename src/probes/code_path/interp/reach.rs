//! Library functions that find or run code of the tree which is not named where that happens, and those that give Python
//! something to call whenever it likes.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::value::{Address, Arguments, Cell, ClassId, Origin, Spot, UnseenKind, Value};

/// What a library function does with code that is not named there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It runs some.
    Runs,
    /// It gives some, or something that leads to it.
    Finds,
    /// What it is given is called later, by Python itself.
    Hooks,
}

/// Functions that run code given as a text, a file, a name or a pattern; a star stands for the rest of a name.
const RUNNING: &[&str] = &[
    "bdb.*",
    "builtins.breakpoint",
    "builtins.help",
    "cPickle.*",
    "cProfile.*",
    "cloudpickle.*",
    "code.*",
    "codeop.*",
    "ctypes.pythonapi.*",
    "dill.*",
    "django.utils.module_loading.*",
    "doctest.*",
    "imp.*",
    "importlib.__import__",
    "importlib.find_loader",
    "importlib.machinery.*",
    "importlib.util.*",
    "joblib.load",
    "jsonpickle.*",
    "logging.config.*",
    "pdb.*",
    "pickle.Unpickler",
    "pickle.load",
    "pickle.loads",
    "pkg_resources.*",
    "pkgutil.*",
    "profile.*",
    "pydoc.*",
    "runpy.*",
    "shelve.*",
    "timeit.*",
    "trace.*",
    "types.FunctionType",
    "types.LambdaType",
    "types.new_class",
    "unittest.*",
    "werkzeug.utils.import_string",
    "yaml.full_load",
    "yaml.full_load_all",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.unsafe_load_all",
    "zipimport.*",
];

/// Functions of these that do not.
const NOT_RUNNING: &[&str] = &[
    "importlib.util.cache_from_source",
    "importlib.util.find_spec",
    "importlib.util.resolve_name",
    "pkgutil.extend_path",
    "pkgutil.get_data",
    "timeit.default_timer",
];

/// Functions and libraries that give code, frames or whatever holds them.
const FINDING: &[&str] = &[
    "gc.get_*",
    "importlib.metadata.*",
    "importlib.util.find_spec",
    "importlib_metadata.*",
    "inspect.*",
    "sys._current_frames",
    "sys._getframe",
    "sys.exc_info",
];

/// Functions of these that only tell something.
const NOT_FINDING: &[&str] = &[
    "importlib.metadata.metadata",
    "importlib.metadata.requires",
    "importlib.metadata.version",
    "inspect.cleandoc",
    "inspect.getdoc",
    "inspect.getfile",
    "inspect.getmodulename",
    "inspect.getsource*",
    "inspect.is*",
];

/// Functions that have Python call what they are given: at a signal, an error, a fork, a collection, a line of code.
const HOOKING: &[&str] = &[
    "asyncio.set_event_loop_policy",
    "codecs.register*",
    "copyreg.*",
    "gc.callbacks.*",
    "logging.setLogRecordFactory",
    "logging.setLoggerClass",
    "os.register_at_fork",
    "psycopg.adapters.*",
    "psycopg2.extensions.register_*",
    "signal.signal",
    "sqlalchemy.event.listen*",
    "sqlite3.register_*",
    "sys.addaudithook",
    "sys.meta_path.*",
    "sys.path_hooks.*",
    "sys.setprofile",
    "sys.settrace",
    "threading.setprofile",
    "threading.settrace",
];

/// Functions of `logging` that only make a record; what else it is given it keeps, and calls with each record.
const RECORDING: &[&str] = &[
    "critical",
    "debug",
    "disable",
    "error",
    "exception",
    "fatal",
    "getLevelName",
    "info",
    "isEnabledFor",
    "log",
    "setLevel",
    "warn",
    "warning",
];

/// Functions that go through all that an object holds.
const DEEP: &[&str] =
    &["copy.deepcopy", "copy.replace", "dataclasses.asdict", "dataclasses.astuple", "pprint.*", "reprlib.*"];

/// Attributes that hold code, or lead to all that a module, function, class or frame knows.
const LEADING: &[&str] = &[
    "__builtins__",
    "__closure__",
    "__code__",
    "__defaults__",
    "__dict__",
    "__func__",
    "__globals__",
    "__kwdefaults__",
    "__loader__",
    "__mro__",
    "__self__",
    "__spec__",
    "__subclasses__",
    "__wrapped__",
    "cell_contents",
    "cr_frame",
    "f_back",
    "f_builtins",
    "f_globals",
    "f_locals",
    "gi_frame",
    "tb_frame",
];

/// The field under which it is kept what an object of a library was given.
const ENTRUSTED: &str = "what it was given";

/// Names that stand only where code decides what an import finds.
pub(super) const IMPORT_HOOKS: &[&str] = &["meta_path", "path_hooks", "path_importer_cache"];

/// Classes outside the tree that call no methods of those below them but special ones.
const PLAIN: &[&str] =
    &["builtins.object", "abc.ABC", "typing.Protocol", "typing.Generic", "enum.Enum", "enum.IntEnum"];

/// Libraries that only note the classes that they are given.
const NOTING: &[&str] =
    &["abc.*", "attr.*", "dataclasses.*", "enum.*", "functools.*", "typing.*", "typing_extensions.*"];

fn is_one_of(chain: &str, names: &[&str]) -> bool {
    let is = |name: &str| name.strip_suffix('*').map_or(chain == name, |start| chain.starts_with(start));
    names.iter().any(|name| is(name))
}

/// What a library function does with code that is not named there; `None` for nearly all.
pub(super) fn reach(chain: &str, arguments: &Arguments) -> Option<Reach> {
    let is_safe = chain.starts_with("yaml.load")
        && arguments.values().any(|value| {
            let loader = value.unseen().map(|unseen| unseen.chain.clone());
            loader.is_some_and(|loader| loader.contains("Safe") || loader.ends_with(".BaseLoader"))
        });
    if is_one_of(chain, RUNNING) && !NOT_RUNNING.contains(&chain) && !is_safe {
        return Some(Reach::Runs);
    }
    if is_one_of(chain, FINDING) && !is_one_of(chain, NOT_FINDING) {
        return Some(Reach::Finds);
    }
    let keeps = chain.starts_with("logging.") && !RECORDING.contains(&chain.rsplit('.').next().unwrap_or(""));
    (keeps || is_one_of(chain, HOOKING)).then_some(Reach::Hooks)
}

/// Whether an attribute of this name leads to code.
pub(super) fn leads_to_code(name: &str) -> bool {
    LEADING.contains(&name)
}

impl Interp<'_> {
    /// A call of a library function that finds, runs or keeps code; `None` for nearly all.
    pub(super) fn reached(&mut self, state: &State, chain: &str, arguments: &Arguments, spot: Spot) -> Option<Evaled> {
        match reach(chain, arguments)? {
            Reach::Runs => Some(self.call_lost(state.clone(), &format!("{chain}() runs code that is not seen"), spot)),
            Reach::Finds => {
                let value = self.lost(&format!("{chain}() leads to code that is not followed"), spot);
                let mut state = state.clone();
                // It may read attributes of what it is given, and so run properties.
                if let Some(reason) = self.runs_methods(&state, chain, arguments) {
                    self.taint(&mut state, &reason, spot);
                }
                let mut out = Vec::new();
                for state in self.hand_over(state, arguments, spot) {
                    self.may_raise(&state, &mut out);
                    out.push((state, Ok(value.clone())));
                }
                Some(out)
            }
            Reach::Hooks => {
                let given: Vec<Value> = arguments.values().cloned().collect();
                let mut state = state.clone();
                if is_one_of(chain, HOOKING) && given.iter().any(|value| self.may_be_code(value)) {
                    self.taint(&mut state, &format!("what {chain}() is given to call is not seen"), spot);
                }
                let mut states = vec![state];
                for value in given {
                    let next = states.into_iter().flat_map(|state| self.given_to_library(state, chain, &value, spot));
                    states = next.collect();
                }
                let mut out = Vec::new();
                for state in states {
                    let value = self.unseen(Origin::Outside, chain, UnseenKind::Plain);
                    self.may_raise(&state, &mut out);
                    out.push((state, Ok(value)));
                }
                Some(out)
            }
        }
    }

    /// The methods that a value of the tree has, or what it holds, special ones aside: other code may call any of them.
    fn methods_of(&self, state: &State, value: &Value) -> Vec<Value> {
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        self.held(state, value, &mut seen, &mut |class, object| {
            for class in &self.class(class).line {
                for (name, member) in &self.class(*class).members {
                    if matches!(member, Value::Function(_)) && !(name.starts_with("__") && name.ends_with("__")) {
                        found.push(Value::Bound(Rc::new((object.clone(), member.clone()))));
                    }
                }
            }
            false
        });
        found
    }

    /// Code outside gets a value of the tree as something of its own: it may call it, or its methods, from here on.
    pub(super) fn given_to_library(&mut self, state: State, name: &str, value: &Value, spot: Spot) -> Vec<State> {
        let mut callables = self.methods_of(&state, value);
        self.callables(&state, value, 0, &mut callables);
        let is_class = value.alternatives().iter().any(|value| matches!(value, Value::Class(_)));
        if callables.is_empty() && !is_class {
            return vec![state];
        }
        let harmful = self.harmful;
        let before = self.import_effects.len();
        let mut states = self.hand_over_these(state, callables, spot);
        if self.harmful > harmful || self.importing > 0 || is_class || self.import_effects.len() > before {
            let reason = format!("code outside the tree is given {name} and may call it at any time");
            states.iter_mut().for_each(|state| self.taint(state, &reason, spot));
        }
        states
    }

    /// An object of a library is given code of the tree before the run: it may call it, and give it back, in the run.
    pub(super) fn entrusted(&mut self, state: &mut State, owner: Address, callables: &[Value]) {
        if self.libraries.contains(&owner) {
            return;
        }
        let before = match state.cell(owner) {
            Some(Cell::Seen(fields)) => fields.get(ENTRUSTED).cloned(),
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::List(_) | Cell::Table(_)) | None => None,
        };
        let mut all = match before {
            Some(Value::Tuple(before)) => before.to_vec(),
            Some(_) | None => Vec::new(),
        };
        all.extend(callables.iter().cloned());
        self.remember(state, owner, &ENTRUSTED.into(), Value::Tuple(Rc::new(all)));
    }

    /// A method of an object of a library that was given code of the tree before the run.
    pub(super) fn trusted(
        &mut self,
        state: &State,
        owner: Address,
        chain: &str,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        if self.importing > 0 {
            return None;
        }
        let callables = match state.cell(owner) {
            Some(Cell::Seen(fields)) => match fields.get(ENTRUSTED) {
                Some(Value::Tuple(callables)) => callables.to_vec(),
                Some(_) | None => return None,
            },
            Some(Cell::Instance { .. } | Cell::Scope { .. } | Cell::List(_) | Cell::Table(_)) | None => return None,
        };
        let reason =
            format!("{chain}() belongs to what was given functions of the tree before the run, and may call them");
        let harmful = self.harmful;
        let states = self.hand_over(state.clone(), arguments, spot);
        let mut out = Vec::new();
        for state in states {
            for mut state in self.hand_over_these(state, callables.clone(), spot) {
                self.forget_all(&mut state, arguments);
                if self.harmful > harmful {
                    self.taint(&mut state, &reason, spot);
                }
                let value = self.lost(&reason, spot);
                self.may_raise(&state, &mut out);
                out.push((state, Ok(value)));
            }
        }
        Some(out)
    }

    /// The classes of the tree among what a library function is given: it may make objects of them and call their methods.
    pub(super) fn classes_given(&self, chain: &str, arguments: &Arguments, looks: bool) -> Vec<Value> {
        if looks || is_one_of(chain, NOTING) {
            return Vec::new();
        }
        let all = arguments.values().flat_map(Value::alternatives);
        let items = all.flat_map(|value| match value {
            Value::Tuple(items) => items.to_vec(),
            other => vec![other],
        });
        items.filter(|value| matches!(value, Value::Class(_))).collect()
    }

    /// Code outside may make an object of this class, and call the methods that its own classes call.
    pub(super) fn perhaps_made(&mut self, state: State, class: &Value, spot: Spot) -> Vec<State> {
        let Value::Class(id) = class else { return vec![state] };
        let (harmful, name) = (self.harmful, self.class(*id).name.clone());
        let derived = !self.class(*id).outer.iter().all(|outer| PLAIN.contains(&&**outer));
        if derived {
            let open = Arguments { open: true, ..Arguments::default() };
            let made = self.call(state.clone(), class, open, spot);
            let made = made.into_iter().find_map(|(state, value)| value.ok().map(|value| (state, value)));
            if let Some((made, object)) = made {
                let mut methods = self.methods_of(&made, &object);
                self.callables(&made, &object, 0, &mut methods);
                drop(self.perhaps(made, &methods, spot));
            }
        }
        let mut states = self.perhaps(state, std::slice::from_ref(class), spot);
        if self.harmful > harmful {
            let reason = format!("code outside the tree is given {name} and may call its methods");
            states.iter_mut().for_each(|state| self.taint(state, &reason, spot));
        }
        states
    }

    /// What Python's own functions do with a file that they are given, and with what an object holds.
    pub(super) fn gone_through(&mut self, state: State, chain: &str, arguments: &Arguments, spot: Spot) -> Vec<State> {
        let file = match chain {
            "builtins.print" => arguments.names.iter().find(|(name, _)| &**name == "file").map(|(_, value)| value),
            "json.dump" => {
                let named = arguments.names.iter().find(|(name, _)| &**name == "fp").map(|(_, value)| value);
                named.or_else(|| arguments.positions.get(1))
            }
            _ => None,
        };
        let mut methods = file.map(|file| self.methods_of(&state, file)).unwrap_or_default();
        if is_one_of(chain, DEEP) {
            let mut seen = BTreeSet::new();
            for value in arguments.values() {
                self.held(&state, value, &mut seen, &mut |_, object| {
                    self.special(&state, object, &mut methods);
                    true
                });
            }
        }
        self.perhaps(state, &methods, spot)
    }

    /// The objects of the tree that a value is or holds; what `each` tells of says whether to go on into them.
    fn held(
        &self,
        state: &State,
        value: &Value,
        seen: &mut BTreeSet<Address>,
        each: &mut impl FnMut(ClassId, &Value) -> bool,
    ) {
        for value in value.alternatives() {
            if let Value::Tuple(items) = &value {
                items.iter().for_each(|item| self.held(state, item, seen, each));
            }
            let Value::Object(address) = value else { continue };
            if !seen.insert(address) {
                continue;
            }
            match state.cell(address) {
                Some(Cell::Instance { class, fields, .. }) => {
                    if each(*class, &value) {
                        fields.values().for_each(|item| self.held(state, item, seen, each));
                    }
                }
                Some(Cell::List(items)) => items.iter().for_each(|item| self.held(state, item, seen, each)),
                Some(Cell::Table(entries)) => {
                    let both = entries.iter().flat_map(|(key, item)| [key, item]);
                    both.for_each(|item| self.held(state, item, seen, each));
                }
                Some(Cell::Scope { .. } | Cell::Seen(_)) | None => {}
            }
        }
    }
}

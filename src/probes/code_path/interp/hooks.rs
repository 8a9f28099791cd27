//! Special methods of classes of the tree, which Python and its library call by themselves, and functions that do
//! something to whatever they are given, handed to other code.

use super::{Interp, State};
use crate::probes::code_path::value::{Arguments, Cell, Origin, Spot, Unseen, UnseenKind, Value};

/// Methods that are called without being named: by operators, by what Python has built in, by its library.
pub(super) const SPECIAL: &[&str] = &[
    "__str__",
    "__repr__",
    "__format__",
    "__bytes__",
    "__hash__",
    "__eq__",
    "__ne__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__bool__",
    "__len__",
    "__length_hint__",
    "__iter__",
    "__next__",
    "__contains__",
    "__getitem__",
    "__reversed__",
    "__missing__",
    "keys",
    "__int__",
    "__float__",
    "__complex__",
    "__index__",
    "__abs__",
    "__round__",
    "__trunc__",
    "__floor__",
    "__ceil__",
    "__add__",
    "__radd__",
    "__sub__",
    "__rsub__",
    "__mul__",
    "__rmul__",
    "__divmod__",
    "__pow__",
    "__neg__",
    "__copy__",
    "__deepcopy__",
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__fspath__",
    "__conform__",
    "__dir__",
    "__await__",
    "__aiter__",
    "__anext__",
    "__class__",
];

/// Functions of Python that change objects or run code, whatever they are given.
const DOING: &[&str] = &[
    "builtins.setattr",
    "builtins.delattr",
    "builtins.exec",
    "builtins.eval",
    "builtins.__import__",
    "importlib.import_module",
    "importlib.reload",
    "runpy.run_path",
    "runpy.run_module",
];

/// Functions that call what they are given at this position.
const CALLING: &[(&str, usize)] = &[
    ("map", 0),
    ("filter", 0),
    ("filterfalse", 0),
    ("starmap", 0),
    ("takewhile", 0),
    ("dropwhile", 0),
    ("reduce", 0),
    ("accumulate", 1),
    ("groupby", 1),
    ("iter", 0),
    ("defaultdict", 0),
    ("cmp_to_key", 0),
    ("submit", 0),
    ("apply", 0),
    ("apply_async", 0),
    ("imap", 0),
    ("imap_unordered", 0),
    ("map_async", 0),
    ("register", 0),
    ("add_done_callback", 0),
    ("call_soon", 0),
    ("call_soon_threadsafe", 0),
    ("call_later", 1),
    ("call_at", 1),
    ("run_in_executor", 1),
    ("start_new_thread", 0),
    ("Timer", 1),
    ("Thread", 1),
    ("Process", 1),
    ("finalize", 1),
    ("signal", 1),
    ("sub", 1),
    ("subn", 1),
];

/// Arguments that are called, by name.
const CALLED: &[&str] = &[
    "key",
    "target",
    "function",
    "func",
    "fn",
    "default",
    "object_hook",
    "initializer",
    "callback",
    "default_factory",
];

impl Interp<'_> {
    /// The special methods of the objects that a value is or holds, `names` of them.
    pub(super) fn hooks(&self, state: &State, value: &Value, names: &[&str], depth: usize, found: &mut Vec<Value>) {
        match value {
            Value::Tuple(items) | Value::OneOf(items) if depth < 4 => {
                items.iter().for_each(|item| self.hooks(state, item, names, depth + 1, found));
            }
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::List(items)) if depth < 4 => {
                    items.iter().for_each(|item| self.hooks(state, item, names, depth + 1, found));
                }
                Some(Cell::Table(entries)) if depth < 4 => {
                    let both = entries.iter().flat_map(|(key, item)| [key, item]);
                    both.for_each(|item| self.hooks(state, item, names, depth + 1, found));
                }
                Some(Cell::Instance { class, fields, .. }) => {
                    // What is generated for a record asks its fields.
                    if self.class(*class).is_record && depth < 4 {
                        fields.values().for_each(|field| self.hooks(state, field, names, depth + 1, found));
                    }
                    let methods = names.iter().filter_map(|name| self.find_member(*class, name));
                    for (_, method) in methods.filter(|(_, method)| matches!(method, Value::Function(_))) {
                        let bound = Value::Bound(std::rc::Rc::new((value.clone(), method)));
                        if !found.contains(&bound) {
                            found.push(bound);
                        }
                    }
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => {}
            },
            Value::Member(class, _) => {
                let methods = names.iter().filter_map(|name| self.find_member(*class, name));
                let methods = methods.filter(|(_, method)| matches!(method, Value::Function(_)));
                found.extend(methods.map(|(_, method)| Value::Bound(std::rc::Rc::new((value.clone(), method)))));
            }
            _ => {}
        }
    }

    /// All special methods of the objects that a value is or holds.
    pub(super) fn special(&self, state: &State, value: &Value, found: &mut Vec<Value>) {
        self.hooks(state, value, SPECIAL, 0, found);
    }

    /// Python may call special methods of these values here, each any number of times.
    pub(super) fn hooked(&mut self, state: State, values: &[&Value], names: &[&str], spot: Spot) -> Vec<State> {
        let mut methods = Vec::new();
        values.iter().for_each(|value| self.hooks(&state, value, names, 0, &mut methods));
        self.perhaps(state, &methods, spot)
    }

    /// These may be called here, each any number of times.
    pub(super) fn perhaps(&mut self, state: State, callables: &[Value], spot: Spot) -> Vec<State> {
        let harmful = self.harmful;
        let mut states = vec![state];
        for callable in callables {
            let next: Vec<_> = states.into_iter().flat_map(|state| self.maybe_called(state, callable, spot)).collect();
            let settled = self.settle(next.into_iter().map(|state| (state, super::Flow::Next)).collect());
            states = settled.into_iter().map(|(state, _)| state).collect();
        }
        if self.harmful > harmful {
            let reason = "a special method changes something: how often it is called is not followed";
            states.iter_mut().for_each(|state| self.taint(state, reason, spot));
        }
        states
    }

    /// Why what is called here, by code outside the tree, may be code of the tree that is not seen.
    pub(super) fn calls_unknown(&self, chain: &str, name: &str, arguments: &Arguments) -> Option<String> {
        let by_position = CALLING.iter().filter(|(each, _)| *each == name);
        let given = by_position.filter_map(|(_, index)| arguments.positions.get(*index));
        let by_name = arguments.names.iter().filter(|(each, _)| CALLED.contains(&&**each)).map(|(_, value)| value);
        let unknown = given.chain(by_name).any(|value| self.may_be_code(value));
        unknown.then(|| format!("what {chain}() is given to call is not seen"))
    }

    pub(super) fn may_be_code(&self, value: &Value) -> bool {
        match value {
            Value::OneOf(all) => all.iter().any(|each| self.may_be_code(each)),
            Value::Partial(pair) => self.may_be_code(&pair.0),
            Value::Unseen(unseen) => match unseen.origin {
                Origin::Outside => false,
                Origin::Lost(..) => true,
                Origin::Data => unseen.kind == UnseenKind::Plain && self.may_be_of_tree(unseen),
            },
            _ => false,
        }
    }

    /// Whether something that was given may be a function or method of the tree.
    fn may_be_of_tree(&self, unseen: &Unseen) -> bool {
        match unseen.chain.rsplit_once('.') {
            Some((_, method)) if unseen.owner.is_some() => self.tree.may_define_method(method),
            Some(_) | None => true,
        }
    }
}

/// Why it matters that other code is given a function which does something to whatever it is given.
pub(super) fn does(value: &Value) -> Option<String> {
    match value {
        Value::Partial(pair) => does(&pair.0),
        Value::OneOf(all) => all.iter().find_map(does),
        Value::Unseen(unseen) => {
            let known = unseen.origin == Origin::Outside && DOING.contains(&&*unseen.chain);
            known.then(|| format!("{} is handed to other code", unseen.chain))
        }
        _ => None,
    }
}

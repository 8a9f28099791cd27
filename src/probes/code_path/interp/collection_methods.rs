//! Methods of built-in collections whose elements are known, and changes in place.

use std::rc::Rc;

use super::{Evaled, Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{Arguments, Cell, Closure, Spot, Unseen, UnseenKind, Value};

impl Interp<'_> {
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
        let exhausts = matches!(&*name, "join" | "extend" | "update" | "fromkeys" | "extendleft");
        if exhausts && arguments.positions.iter().any(|value| self.followed_generator(&state, value, false).is_some()) {
            let gathered = self.with_gathered(state, &arguments, spot);
            return self
                .then(gathered, |me, state, arguments| me.builtin_method(state, receiver, method, arguments, spot));
        }
        if arguments.values().any(|value| self.runs_when_iterated(&state, value)) {
            arguments.values().for_each(|value| self.driven_unseen(&mut state, value));
            return self.call_lost(state, "a generator of the tree is driven here", spot);
        }
        if exhausts && arguments.values().any(super::calls::runs_outside) {
            state.others_run();
        }
        let mut methods = Vec::new();
        let whole = matches!(&*name, "sort" | "index" | "count" | "remove" | "get" | "pop" | "setdefault" | "update");
        for value in arguments.values().chain(whole.then_some(receiver)) {
            self.special(&state, value, &mut methods);
        }
        if !methods.is_empty() {
            let (before, harmful) = (self.met_so_far(), self.harmful);
            let states = self.perhaps(state.clone(), &methods, spot);
            if before != self.met_so_far() || self.harmful > harmful || states.len() > 1 {
                self.taint(&mut state, "what a special method of an element does is not followed", spot);
            }
        }
        let compares = matches!(
            &*name,
            "index" | "count" | "remove" | "add" | "discard" | "sort" | "get" | "pop" | "setdefault" | "update"
        );
        if compares
            && (self.has_own_key(&state, receiver) || arguments.values().any(|value| self.has_own_key(&state, value)))
        {
            self.taint(&mut state, "elements that decide which are equal are compared", spot);
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
                    let of_calls = match state.cell(*address) {
                        Some(Cell::Seen(fields)) => fields.contains_key(super::elements::ELEMENT),
                        _ => false,
                    };
                    let value = match of_calls {
                        true => self.lost("what this collection holds by then is not seen", spot),
                        false => self.data(&name),
                    };
                    match &*name {
                        "append" | "add" | "appendleft" => {
                            let added = arguments.positions.first().cloned().unwrap_or(Value::None);
                            self.add_element(&mut state, *address, added);
                        }
                        "get" | "items" | "keys" | "values" | "copy" | "index" | "count" => {}
                        _ => {
                            self.note_change(Some(*address));
                            let grows = matches!(&*name, "extend" | "update" | "insert");
                            let filled = grows && state.fact(*address, Aspect::Filled) == Some(true);
                            self.lose_elements(&mut state, *address, filled);
                        }
                    }
                    let states = self.hand_over(state, &arguments, spot);
                    return states.into_iter().map(|state| (state, Ok(value.clone()))).collect();
                }
            }
        }
        let value = match (receiver, &*name) {
            (Value::Text(text), "lower") if arguments.positions.is_empty() && !arguments.open => {
                Value::Text(text.to_lowercase().into())
            }
            (Value::Text(text), "upper") if arguments.positions.is_empty() && !arguments.open => {
                Value::Text(text.to_uppercase().into())
            }
            (Value::Text(text), "strip") if arguments.positions.is_empty() && !arguments.open => {
                Value::Text(text.trim().into())
            }
            (Value::Text(text), "replace") => match arguments.positions.as_slice() {
                [Value::Text(from), Value::Text(to)] if !arguments.open && arguments.names.is_empty() => {
                    Value::Text(text.replace(&**from, to).into())
                }
                _ => self.scalar(&name),
            },
            (Value::Text(text), "format") => {
                // `{0.name}` and `{0[name]}` read attributes and items.
                if text
                    .split('{')
                    .skip(1)
                    .any(|field| field.split(['}', ':']).next().unwrap_or("").contains(['.', '[']))
                {
                    return self.call_lost(state, "a format text reads attributes", spot);
                }
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

    pub(super) fn list_method(
        &mut self,
        mut state: State,
        address: u32,
        mut items: Vec<Value>,
        name: &str,
        arguments: Arguments,
    ) -> Evaled {
        const KNOWN: usize = 16;
        if !matches!(name, "copy" | "index" | "count") {
            self.note_change(Some(address));
        }
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
                    None => {
                        let filled = !items.is_empty() || self.truth(&state, more) == Some(true);
                        self.lose_elements(&mut state, address, filled);
                    }
                }
                Value::None
            }
            ("copy", _) => {
                let copy = self.address();
                if self.unordered.contains(&address) {
                    self.unordered.insert(copy);
                }
                state.put(copy, Cell::List(items));
                Value::Object(copy)
            }
            ("index" | "count", _) => self.scalar(name),
            ("pop", _) => {
                self.lose_elements(&mut state, address, false);
                let other = self.data("pop");
                Value::one_of(items, || other)
            }
            _ => {
                self.lose_elements(&mut state, address, false);
                Value::None
            }
        };
        self.may_raise(&state, &mut out);
        out.push((state, Ok(value)));
        out
    }

    pub(super) fn table_method(
        &mut self,
        mut state: State,
        address: u32,
        entries: &[(Value, Value)],
        name: &str,
        arguments: Arguments,
    ) -> Evaled {
        if !matches!(name, "get" | "items" | "values" | "keys" | "copy") {
            self.note_change(Some(address));
        }
        let mut out = Vec::new();
        let as_list = |me: &mut Self, state: &mut State, items: Vec<Value>| {
            let list = me.address();
            me.views.insert(list, address);
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
                self.lose_elements(&mut state, address, false);
                let other = self.data(name);
                let all = entries.iter().map(|(_, value)| value.clone()).chain([other.clone()]);
                Value::one_of(all.collect::<Vec<_>>(), || other)
            }
            _ => {
                self.lose_elements(&mut state, address, false);
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

    /// Forgets the elements of a collection; false when the value is none.
    pub(super) fn changed_in_place(&mut self, state: &mut State, value: &Value) -> bool {
        match value {
            Value::Object(address) => {
                let is_collection =
                    matches!(state.cell(*address), Some(Cell::List(_) | Cell::Table(_) | Cell::Seen(_)));
                if is_collection {
                    self.note_change(Some(*address));
                    self.lose_elements(state, *address, false);
                }
                is_collection
            }
            Value::Unseen(unseen) if unseen.kind == UnseenKind::Collection => {
                state.forget(unseen.id);
                true
            }
            _ => false,
        }
    }
}

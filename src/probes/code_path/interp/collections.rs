//! Built-in collections: displays, elements, methods, and what is known of their contents.

use std::rc::Rc;

use super::{Evaled, Exc, Interp, State};
use crate::probes::code_path::model::{Element, Expr, Name, SequenceKind};
use crate::probes::code_path::state::Aspect;
use crate::probes::code_path::value::{
    Arguments, Cell, Closure, Origin, Spot, SuspendedKind, Unseen, UnseenKind, Value,
};

/// What can be gone through once, from a collection.
pub(super) const ITERATOR: &str = "iterator";

impl Interp<'_> {
    /// Whether the elements of a set are certainly different from each other.
    fn are_distinct(&self, state: &State, items: &[Value]) -> bool {
        use crate::probes::code_path::model::Comparison::Equal;
        items.iter().enumerate().all(|(index, item)| {
            items[..index].iter().all(|other| self.compare(state, Equal, other, item) == Some(false))
        })
    }

    /// Whether a value decides for itself which values it is equal to, or what it is as a key or position.
    pub(super) fn has_own_key(&self, state: &State, value: &Value) -> bool {
        value.alternatives().iter().any(|value| match value {
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => ["__hash__", "__eq__", "__index__", "__missing__"]
                    .iter()
                    .any(|name| self.find_member(*class, name).is_some()),
                Some(Cell::List(items)) => items.iter().any(|item| self.has_own_key(state, item)),
                Some(Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            Value::Tuple(items) => items.iter().any(|item| self.has_own_key(state, item)),
            _ => false,
        })
    }

    /// Whether iterating a value runs code of the tree: a generator, or an object that is no plain collection.
    pub(super) fn runs_when_iterated(&self, state: &State, value: &Value) -> bool {
        match value {
            Value::Suspended(suspended) => matches!(suspended.kind, SuspendedKind::Generator | SuspendedKind::Context),
            Value::Object(address) => match state.cell(*address) {
                Some(Cell::Instance { class, .. }) => {
                    let names = ["__iter__", "__getitem__", "__next__", "__len__", "__contains__", "keys"];
                    !self.is_closed(*class) || names.iter().any(|name| self.find_member(*class, name).is_some())
                }
                Some(Cell::List(_) | Cell::Table(_) | Cell::Scope { .. } | Cell::Seen(_)) | None => false,
            },
            // It may be a generator.
            Value::Unseen(unseen) => matches!(unseen.origin, Origin::Lost(..)),
            Value::OneOf(all) => all.iter().any(|each| self.runs_when_iterated(state, each)),
            _ => false,
        }
    }

    pub(super) fn length(&mut self, state: &State, value: &Value) -> Option<Value> {
        let count = |n: usize| i64::try_from(n).ok().map(Value::Int);
        match value {
            Value::Tuple(items) => count(items.len()),
            Value::Object(address) => match state.cell(*address)? {
                Cell::List(items) => count(items.len()),
                Cell::Table(entries) => count(entries.len()),
                Cell::Seen(_) => Some(self.unseen(Origin::Outside, "len", UnseenKind::Length(*address))),
                Cell::Instance { .. } | Cell::Scope { .. } => None,
            },
            Value::Unseen(unseen) if unseen.kind == UnseenKind::Collection => {
                Some(self.unseen(Origin::Outside, "len", UnseenKind::Length(unseen.id)))
            }
            _ => None,
        }
    }

    pub(super) fn collected(
        &mut self,
        state: &State,
        chain: &str,
        first: Option<&Value>,
        arguments: &Arguments,
        spot: Spot,
    ) -> Option<Evaled> {
        let mut state = state.clone();
        if first.is_some_and(super::calls::runs_outside) {
            state.others_run();
        }
        let has_key = arguments.named("key").is_some();
        let items = match first {
            None if !arguments.open => Some(Vec::new()),
            Some(value) => self.known_items(&state, value),
            None => None,
        };
        let once = matches!(chain, "builtins.enumerate" | "builtins.reversed");
        let is_set = matches!(chain, "builtins.set" | "builtins.frozenset");
        let is_sorted = chain == "builtins.sorted";
        let unordered = match first {
            Some(Value::Object(address)) if self.unordered.contains(address) => match state.cell(*address) {
                Some(Cell::List(items)) => Some(items.clone()),
                Some(Cell::Table(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => None,
            },
            _ => None,
        };
        let loses_order = is_set || unordered.is_some();
        let items = items.or(unordered).filter(|items| !is_set || self.are_distinct(&state, items));
        let in_order = items.as_deref().filter(|_| is_sorted).and_then(|items| in_order(items, arguments));
        let has_key = has_key && !is_sorted;
        if let (Some(items), false) = (items, has_key || once) {
            let unsure = items.len() > 1 && in_order.is_none() && (loses_order || is_sorted);
            if arguments.named("key").is_some() {
                return None;
            }
            let items = in_order.unwrap_or(items);
            if unsure {
                if chain == "builtins.tuple" {
                    let value = self.collection("collected");
                    if let Value::Unseen(unseen) = &value {
                        state.learn(unseen.id, Aspect::Filled, true);
                    }
                    return Some(vec![(state, Ok(value))]);
                }
                let address = self.address();
                self.unordered.insert(address);
                state.put(address, Cell::List(items));
                return Some(vec![(state, Ok(Value::Object(address)))]);
            }
            let value = if chain == "builtins.tuple" {
                Value::Tuple(Rc::new(items))
            } else {
                let address = self.address();
                state.put(address, Cell::List(items));
                Value::Object(address)
            };
            return Some(vec![(state, Ok(value))]);
        }
        if let Some(value) = first.filter(|value| self.runs_when_iterated(&state, value)) {
            self.driven_unseen(&mut state, value);
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
        if let Some(Value::Unseen(unseen)) = first {
            // It may be used up now.
            if &*unseen.chain == ITERATOR {
                state.forget(unseen.id);
            }
        }
        let value = if once { self.data(ITERATOR) } else { self.collection("collected") };
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
                Cell::List(items) if items.len() > 1 && self.unordered.contains(address) => None,
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
        let compares = matches!(
            &*name,
            "index" | "count" | "remove" | "add" | "discard" | "sort" | "get" | "pop" | "setdefault" | "update"
        );
        if compares
            && (self.has_own_key(&state, receiver) || arguments.values().any(|value| self.has_own_key(&state, value)))
        {
            self.unseen_code(&mut state, "elements that decide which are equal are compared", spot);
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

    pub(super) fn sequence(&mut self, state: State, kind: SequenceKind, elements: &[Element], spot: Spot) -> Evaled {
        let exprs: Vec<_> = elements.iter().map(|element| &element.value).collect();
        let mut evaluated = self.evaluate_all(state, &exprs);
        if elements.last().is_some_and(|last| last.spread) {
            evaluated = self.then(evaluated, |me, state, values| me.last_gathered(state, values, spot));
        }
        self.then(evaluated, |me, mut state, values| {
            let mut items = Vec::new();
            for (element, value) in elements.iter().zip(values) {
                if element.spread && super::calls::runs_outside(&value) {
                    state.others_run();
                }
                match element.spread {
                    false => items.push(value),
                    true if me.runs_when_iterated(&state, &value) => {
                        let spot = me.spot(element.value.at);
                        me.driven_unseen(&mut state, &value);
                        me.unseen_code(&mut state, "what is spread here runs code that is not followed", spot);
                        return vec![(state, Ok(me.collection("display")))];
                    }
                    true => match me.known_items(&state, &value) {
                        Some(more) => items.extend(more),
                        None => {
                            let filled = items.len() + 1 < elements.len();
                            let collection = me.collection("display");
                            if let (true, Value::Unseen(unseen)) = (filled, &collection) {
                                state.learn(unseen.id, Aspect::Filled, true);
                            }
                            return vec![(state, Ok(collection))];
                        }
                    },
                }
            }
            if kind == SequenceKind::Set && items.iter().any(|item| me.has_own_key(&state, item)) {
                me.unseen_code(&mut state, "elements of this set decide which are equal", spot);
            }
            let value = match kind {
                SequenceKind::Tuple => Value::Tuple(Rc::new(items)),
                SequenceKind::Set if !me.are_distinct(&state, &items) => {
                    let collection = me.collection("set");
                    if let Value::Unseen(unseen) = &collection {
                        state.learn(unseen.id, Aspect::Filled, true);
                    }
                    collection
                }
                SequenceKind::List | SequenceKind::Set => {
                    let address = me.address();
                    if kind == SequenceKind::Set && items.len() > 1 {
                        me.unordered.insert(address);
                    }
                    state.put(address, Cell::List(items));
                    Value::Object(address)
                }
            };
            vec![(state, Ok(value))]
        })
    }

    pub(super) fn table(&mut self, state: State, entries: &[(Option<Expr>, Expr)], spot: Spot) -> Evaled {
        let exprs: Vec<_> = entries.iter().flat_map(|(key, value)| key.iter().chain([value])).collect();
        let evaluated = self.evaluate_all(state, &exprs);
        self.then(evaluated, |me, mut state, values| {
            let mut values = values.into_iter();
            let mut all: Vec<(Value, Value)> = Vec::new();
            for (key, _) in entries {
                let mut next = || values.next().unwrap_or(Value::None);
                match key {
                    Some(_) => {
                        let key = next();
                        if me.has_own_key(&state, &key) {
                            me.unseen_code(&mut state, "a key decides which keys are equal", spot);
                        }
                        all.push((key, next()));
                    }
                    None => match next() {
                        Value::Object(address) => match state.cell(address) {
                            Some(Cell::Table(more)) => all.extend(more.iter().cloned()),
                            Some(Cell::List(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_)) | None => {
                                return vec![(state, Ok(me.collection("dict")))];
                            }
                        },
                        _ => return vec![(state, Ok(me.collection("dict")))],
                    },
                }
            }
            let mut last: Vec<(Value, Value)> = Vec::new();
            for (key, value) in all {
                last.retain(|(each, _)| *each != key);
                last.push((key, value));
            }
            let address = me.address();
            state.put(address, Cell::Table(last));
            vec![(state, Ok(Value::Object(address)))]
        })
    }

    /// `object[index]`
    pub(super) fn item(&mut self, state: State, object: &Value, index: &Value, spot: Spot) -> Evaled {
        if let Value::OneOf(all) = object {
            return all.iter().flat_map(|each| self.item(state.clone(), each, index, spot)).collect();
        }
        let mut state = state;
        if self.has_own_key(&state, index) {
            self.unseen_code(&mut state, "what stands between the brackets decides what it is equal to", spot);
        }
        if let Value::Unseen(unseen) = object
            && state.fact(unseen.id, Aspect::Filled) == Some(false)
        {
            // A dictionary may make what it does not hold.
            state.forget(unseen.id);
        }
        let mut out: Evaled = Vec::new();
        let value = match object {
            collection if self.holds_calls(&state, collection) => {
                self.lost("what this collection holds by then is not seen", spot)
            }
            Value::Tuple(items) => self.position(items, index),
            Value::Object(address) => match state.cell(*address).cloned() {
                Some(Cell::List(items)) if self.unordered.contains(address) => {
                    let other = self.data("item");
                    Value::one_of(items.into_iter().chain([other.clone()]).collect::<Vec<_>>(), || other)
                }
                Some(Cell::List(items)) => self.position(&items, index),
                Some(Cell::Table(entries)) => {
                    let (found, open) = self.lookup(&state, &entries, index);
                    if let (false, [_]) = (open, &found[..]) {
                        self.decided(spot, format!("{index:?}"));
                    }
                    if open {
                        out.push((state.clone(), Err(Exc::Builtin("KeyError".into()))));
                    }
                    if found.is_empty() {
                        return out;
                    }
                    Value::one_of(found, || self.data("item"))
                }
                Some(Cell::Instance { class, .. }) => match self.find_member(class, "__getitem__") {
                    Some((_, Value::Function(closure))) => {
                        let arguments =
                            crate::probes::code_path::value::Arguments::of(vec![object.clone(), index.clone()]);
                        return self.invoke(state, &closure, arguments, Some(spot));
                    }
                    _ => return self.call_lost(state, "an element is read in a way that is not seen", spot),
                },
                Some(Cell::Scope { .. } | Cell::Seen(_)) | None => self.data("item"),
            },
            Value::Class(class) => match (&self.class(*class).enumeration, index) {
                (Some(members), Value::Text(name)) => {
                    let found = members.iter().find(|(each, ..)| each == name);
                    match found {
                        Some((_, _, first)) => Value::Member(*class, first.clone()),
                        None => {
                            out.push((state, Err(Exc::Builtin("KeyError".into()))));
                            return out;
                        }
                    }
                }
                (Some(members), _) => {
                    let all: Vec<_> =
                        members.iter().map(|(_, _, first)| Value::Member(*class, first.clone())).collect();
                    Value::one_of(all, || self.data("member"))
                }
                // A generic class with its parameters is the class.
                (None, _) => object.clone(),
            },
            Value::Unseen(unseen) => {
                let origin = match (&unseen.origin, &unseen.kind) {
                    (Origin::Outside, UnseenKind::Collection) => Origin::Data,
                    (origin, _) => origin.clone(),
                };
                let kind = if unseen.kind == UnseenKind::Scalar { UnseenKind::Scalar } else { UnseenKind::Plain };
                let chain = unseen.chain.to_string();
                self.unseen(origin, &chain, kind)
            }
            Value::Text(_) | Value::TextFrom(_) => self.scalar("text"),
            _ => self.data("item"),
        };
        self.may_raise(&state, &mut out);
        out.extend(value.alternatives().into_iter().map(|each| (state.clone(), Ok(each))));
        out
    }

    pub(super) fn position(&mut self, items: &[Value], index: &Value) -> Value {
        let known = match index {
            Value::Int(index) => usize::try_from(*index).ok().and_then(|index| items.get(index).cloned()),
            // False and True are 0 and 1 as positions: a dispatch on a condition.
            Value::Bool(second) => items.get(usize::from(*second)).cloned(),
            _ => None,
        };
        let other = self.data("item");
        known.unwrap_or_else(|| Value::one_of(items.iter().cloned().chain([other.clone()]), || other))
    }
}

/// What sorting gives where all elements are texts or all are numbers; nothing where it is not computed.
fn in_order(items: &[Value], arguments: &Arguments) -> Option<Vec<Value>> {
    let reverse = match arguments.named("reverse") {
        None => false,
        Some(Value::Bool(reverse)) => *reverse,
        Some(_) => return None,
    };
    if arguments.open || arguments.named("key").is_some() {
        return None;
    }
    let texts: Option<Vec<&str>> = items.iter().map(Value::text).collect();
    let numbers: Option<Vec<i64>> =
        items.iter().map(|item| if let Value::Int(n) = item { Some(*n) } else { None }).collect();
    let mut sorted: Vec<Value> = match (texts, numbers) {
        (Some(mut texts), _) => {
            // Python compares code points; so do bytes of UTF-8.
            texts.sort_unstable();
            texts.into_iter().map(|text| Value::Text(text.into())).collect()
        }
        (None, Some(mut numbers)) => {
            numbers.sort_unstable();
            numbers.into_iter().map(Value::Int).collect()
        }
        (None, None) => return None,
    };
    if reverse {
        sorted.reverse();
    }
    Some(sorted)
}

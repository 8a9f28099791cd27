//! What a path can still come to, written down: where two paths are written alike, following one of them is enough.

use std::collections::{BTreeMap, BTreeSet};

use super::{Interp, State};
use crate::probes::code_path::model::Name;
use crate::probes::code_path::state::{Aspect, Carried};
use crate::probes::code_path::value::{Address, Arguments, Cell, Closure, UnseenKind, Value};

impl Interp<'_> {
    /// Writes down all that a state can still come to: equal texts, equal futures. Identities are
    /// numbered in the order in which they are met.
    pub(super) fn fingerprint(&self, state: &State) -> Vec<u8> {
        let mut print = Print { out: Vec::new(), numbers: BTreeMap::new(), state };
        for frame in &self.frames {
            if let Some(scope) = frame.scope {
                print.address(scope);
            }
        }
        print.rest();
        print.out
    }

    /// Writes down what a call can come to, and all that it can reach, in the order in which it is met.
    pub(super) fn call_print(
        &self,
        state: &State,
        closure: &Closure,
        names: &BTreeMap<Name, Value>,
    ) -> (Vec<u8>, Vec<Address>) {
        let mut print = Print { out: Vec::new(), numbers: BTreeMap::new(), state };
        if let Some(scope) = closure.scope {
            print.address(scope);
        }
        print.map(names);
        print.rest();
        let around = (self.catching > 0, self.importing, self.filling, self.quiet > 0);
        print.text(&format!("{around:?}"));
        let mut reached: Vec<(usize, Address)> =
            print.numbers.iter().map(|(address, number)| (*number, *address)).collect();
        reached.sort_unstable();
        for (number, address) in &reached {
            for (_, name) in self.pinned.iter().filter(|(of, _)| of == address) {
                print.text(&format!("pinned {number}.{name}"));
            }
        }
        (print.out, reached.into_iter().map(|(_, address)| address).collect())
    }
}

struct Print<'s> {
    out: Vec<u8>,
    numbers: BTreeMap<Address, usize>,
    state: &'s State,
}

impl Print<'_> {
    /// What is reached by names, and what was done.
    fn rest(&mut self) {
        let state = self.state;
        for ((home, name), value) in state.assigned() {
            self.text(&format!("{home:?}.{name}"));
            self.value(value);
        }
        // What the imports left and this path has changed is reached by names too.
        for address in state.heap.keys().filter(|address| state.base().has(**address)) {
            self.address(*address);
        }
        let effect = &state.effect;
        self.text(&format!("{:?} {} {}", effect.written, effect.doubt, effect.tainted));
        for (label, map) in [("p", &effect.pending), ("v", &effect.volatile)] {
            for (root, done) in map {
                // A connection that nothing leads to any more cannot be committed any more.
                if let Some(number) = self.numbers.get(root).copied() {
                    self.text(&format!("{label}{number}{done:?}"));
                }
            }
        }
        for (label, set) in
            [("a", &effect.autocommit), ("m", &effect.made), ("t", &effect.touched), ("s", &*state.shared)]
        {
            let numbers: BTreeSet<_> = set.iter().filter_map(|root| self.numbers.get(root)).collect();
            let numbers = format!("{label}{numbers:?}");
            self.text(&numbers);
        }
        for carried in &state.carried {
            self.text(&format!("{:?}", std::mem::discriminant(carried)));
            if let Carried::Return(value) = carried {
                self.value(value);
            }
        }
        self.text(&format!("{} {}", state.carried.len(), state.left.len()));
        for task in &state.tasks {
            self.text(&format!("{:?}", task.times));
            self.value(&Value::Suspended(task.call.clone()));
        }
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
    }

    pub(super) fn address(&mut self, address: Address) {
        let next = self.numbers.len();
        if let Some(number) = self.numbers.get(&address).copied() {
            self.text(&format!("#{number}"));
            return;
        }
        self.numbers.insert(address, next);
        for aspect in [Aspect::Null, Aspect::True, Aspect::Filled] {
            if let Some(fact) = self.state.fact(address, aspect) {
                self.text(&format!("{aspect:?}={fact}"));
            }
        }
        let Some(cell) = self.state.cell(address).cloned() else {
            self.text("-");
            return;
        };
        match cell {
            Cell::Instance { class, fields, fresh, filled } => {
                self.text(&format!("I{}{fresh}{filled}{}", class.0, fields.len()));
                self.map(&fields);
            }
            Cell::Scope { names, outer } => {
                self.text(&format!("S{}", names.len()));
                self.map(&names);
                if let Some(outer) = outer {
                    self.address(outer);
                }
            }
            Cell::List(items) => {
                self.text(&format!("L{}", items.len()));
                items.iter().for_each(|item| self.value(item));
            }
            Cell::Table(entries) => {
                self.text(&format!("T{}", entries.len()));
                for (key, value) in &entries {
                    self.value(key);
                    self.value(value);
                }
            }
            // What was looked at and has no fact is as if it had not been looked at.
            Cell::Seen(fields) => {
                self.text(&format!("U{}", fields.len()));
                self.map(&fields);
            }
        }
    }

    pub(super) fn map(&mut self, map: &BTreeMap<Name, Value>) {
        for (name, value) in map {
            self.text(name);
            self.value(value);
        }
    }

    pub(super) fn arguments(&mut self, arguments: &Arguments) {
        self.text(&format!("{}{}", arguments.positions.len(), arguments.open));
        arguments.names.iter().for_each(|(name, _)| self.text(name));
        arguments.values().for_each(|value| self.value(value));
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(address) => self.address(*address),
            Value::Unseen(unseen) => {
                self.text(&format!("{:?} {} {:?}", unseen.origin, unseen.chain, std::mem::discriminant(&unseen.kind)));
                self.address(unseen.id);
                for related in [unseen.connection, unseen.owner].into_iter().flatten() {
                    self.address(related);
                }
                match unseen.kind {
                    UnseenKind::Length(of) | UnseenKind::Status(of) => self.address(of),
                    UnseenKind::Plain
                    | UnseenKind::Scalar
                    | UnseenKind::Bool
                    | UnseenKind::Collection
                    | UnseenKind::Stale(_)
                    | UnseenKind::Process => {}
                }
            }
            Value::Tuple(items) | Value::OneOf(items) => {
                self.text(&format!("{:?}{}", std::mem::discriminant(value), items.len()));
                items.iter().for_each(|item| self.value(item));
            }
            Value::Bound(pair) => {
                self.text("B");
                self.value(&pair.0);
                self.value(&pair.1);
            }
            Value::Super(class, receiver) => {
                self.text(&format!("super{}", class.0));
                self.value(receiver);
            }
            Value::Function(closure) => {
                self.text(&format!("F{}:{}:{}", closure.module.0, closure.function.at, closure.name));
                closure.defaults.iter().flatten().for_each(|value| self.value(value));
                if let Some(scope) = closure.scope {
                    self.address(scope);
                }
            }
            Value::Partial(pair) => {
                self.text("P");
                self.value(&pair.0);
                self.arguments(&pair.1);
            }
            Value::Suspended(suspended) => {
                let (closure, counted) = (&suspended.closure, suspended.counted);
                self.text(&format!("C{}:{}{counted}", closure.module.0, closure.function.at));
                self.text(&format!("{:?}", suspended.kind));
                self.address(suspended.id);
                self.arguments(&suspended.arguments);
                if let Some(scope) = closure.scope {
                    self.address(scope);
                }
            }
            Value::Unbound
            | Value::None
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::TextFrom(_)
            | Value::Member(..)
            | Value::Class(_)
            | Value::Module(_) => self.text(&format!("{value:?}")),
        }
    }
}

//! The state of one path: heap, facts learnt, and what was written so far; and how paths are merged
//! when there are too many.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::model::Name;
use super::value::{Address, Cell, ModuleId, Value};

/// Whether something happened on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Done {
    /// It did not.
    No,
    /// The tree does not show whether it did.
    Maybe,
    /// It did.
    Yes,
}

/// What a path has done to the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effect {
    /// Whether a write that lasts was made.
    pub written: Done,
    /// Statements sent and not yet committed, by connection.
    pub pending: BTreeMap<Address, Done>,
    /// Connections that commit each statement.
    pub autocommit: BTreeSet<Address>,
    /// Connections that were made on this path: no two of them are the same.
    pub made: BTreeSet<Address>,
    /// Connections that have sent something on this path.
    pub touched: BTreeSet<Address>,
    /// Whether the path depends on something that the tree does not show.
    pub doubt: bool,
}

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Whether it is null.
    Null,
    /// Whether it counts as true; remembered only for what cannot change.
    True,
    /// Whether it has elements.
    Filled,
}

/// The state of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    heap: Rc<BTreeMap<Address, Rc<Cell>>>,
    /// Variables of modules that were assigned on this path.
    pub globals: Rc<BTreeMap<(ModuleId, Name), Value>>,
    facts: Rc<BTreeMap<(Address, Aspect), bool>>,
    /// What was done.
    pub effect: Effect,
    /// How the bodies that suspended managers hold open were left, innermost last.
    pub carried: Vec<Carried>,
}

/// How the body of a managed context was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// At its end, or by an exception.
    End,
    /// By returning a value.
    Return(Value),
    /// By leaving the loop around it.
    Break,
    /// By going on with the loop around it.
    Continue,
}

impl State {
    /// Nothing done, nothing known.
    pub fn new() -> Self {
        Self {
            heap: Rc::default(),
            globals: Rc::default(),
            facts: Rc::default(),
            effect: Effect {
                written: Done::No,
                pending: BTreeMap::new(),
                autocommit: BTreeSet::new(),
                made: BTreeSet::new(),
                touched: BTreeSet::new(),
                doubt: false,
            },
            carried: Vec::new(),
        }
    }

    /// The same memory, with nothing done.
    pub fn without_effect(mut self) -> Self {
        self.effect = Self::new().effect;
        self
    }

    /// A cell.
    pub fn cell(&self, address: Address) -> Option<&Cell> {
        self.heap.get(&address).map(Rc::as_ref)
    }

    /// A cell that may be changed.
    pub fn cell_mut(&mut self, address: Address) -> Option<&mut Cell> {
        if !self.heap.contains_key(&address) {
            return None;
        }
        Rc::make_mut(&mut self.heap).get_mut(&address).map(Rc::make_mut)
    }

    /// Puts a cell.
    pub fn put(&mut self, address: Address, cell: Cell) {
        Rc::make_mut(&mut self.heap).insert(address, Rc::new(cell));
    }

    /// Takes a cell away.
    pub fn drop_cell(&mut self, address: Address) {
        if self.heap.contains_key(&address) {
            Rc::make_mut(&mut self.heap).remove(&address);
        }
    }

    /// Takes over the cells of `other` that it does not have.
    pub fn adopt_cells(&mut self, other: &State) {
        if Rc::ptr_eq(&self.heap, &other.heap) {
            return;
        }
        let heap = Rc::make_mut(&mut self.heap);
        for (address, cell) in other.heap.iter() {
            heap.entry(*address).or_insert_with(|| cell.clone());
        }
    }

    /// The number of cells.
    pub fn size(&self) -> usize {
        self.heap.len()
    }

    /// A fact.
    pub fn fact(&self, about: Address, aspect: Aspect) -> Option<bool> {
        self.facts.get(&(about, aspect)).copied()
    }

    /// Learns a fact.
    pub fn learn(&mut self, about: Address, aspect: Aspect, value: bool) {
        if self.fact(about, aspect) != Some(value) {
            Rc::make_mut(&mut self.facts).insert((about, aspect), value);
        }
    }

    /// Forgets what may change when `about` is handed to other code.
    pub fn forget(&mut self, about: Address) {
        if self.facts.contains_key(&(about, Aspect::Filled)) {
            Rc::make_mut(&mut self.facts).remove(&(about, Aspect::Filled));
        }
    }

    /// Every address that `values` lead to.
    pub fn reachable<'v>(&self, values: impl IntoIterator<Item = &'v Value>) -> BTreeSet<Address> {
        let mut found = BTreeSet::new();
        let mut work: Vec<Value> = values.into_iter().cloned().collect();
        while let Some(value) = work.pop() {
            match value {
                Value::Tuple(items) | Value::OneOf(items) => work.extend(items.iter().cloned()),
                Value::Bound(pair) => work.extend([pair.0.clone(), pair.1.clone()]),
                Value::Super(_, receiver) => work.push((*receiver).clone()),
                Value::Partial(pair) => {
                    work.push(pair.0.clone());
                    work.extend(pair.1.values().cloned());
                }
                Value::Suspended(suspended) => work.extend(suspended.arguments.values().cloned()),
                Value::Function(closure) => {
                    if let Some(scope) = closure.scope {
                        self.visit(scope, &mut found, &mut work);
                    }
                }
                Value::Unseen(unseen) => {
                    found.extend(unseen.connection);
                    self.visit(unseen.id, &mut found, &mut work);
                }
                Value::Object(address) => self.visit(address, &mut found, &mut work),
                Value::Unbound
                | Value::None
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Text(_)
                | Value::TextFrom(_)
                | Value::Member(..)
                | Value::Class(_)
                | Value::Module(_) => {}
            }
        }
        found
    }

    fn visit(&self, address: Address, found: &mut BTreeSet<Address>, work: &mut Vec<Value>) {
        if !found.insert(address) {
            return;
        }
        match self.cell(address) {
            Some(Cell::Instance { fields, .. } | Cell::Seen(fields)) => work.extend(fields.values().cloned()),
            Some(Cell::Scope { names, outer }) => {
                work.extend(names.values().cloned());
                if let Some(outer) = outer {
                    self.visit(*outer, found, work);
                }
            }
            Some(Cell::List(items)) => work.extend(items.iter().cloned()),
            Some(Cell::Table(entries)) => {
                work.extend(entries.iter().flat_map(|(key, value)| [key.clone(), value.clone()]));
            }
            None => {}
        }
    }

    /// Forgets the facts that `earlier` did not have: the same places of the code are passed again.
    pub fn keep_facts_of(&mut self, earlier: &State) {
        let kept = self.facts.iter().filter(|(key, value)| earlier.facts.get(key) == Some(value));
        self.facts = Rc::new(kept.map(|(key, value)| (*key, *value)).collect());
    }

    /// Whether this state and `other` may be joined: they did the same and go on in the same place.
    pub fn is_alike(&self, other: &State) -> bool {
        self.effect == other.effect && self.carried == other.carried
    }

    /// One state that stands for both: what differs becomes one of both. They must be alike.
    pub fn join(&self, other: &State, lost: &mut dyn FnMut() -> Value) -> State {
        let mut heap = (*self.heap).clone();
        for (address, theirs) in other.heap.iter() {
            match heap.get_mut(address) {
                None => {
                    heap.insert(*address, theirs.clone());
                }
                Some(ours) if ours == theirs => {}
                Some(ours) => *ours = Rc::new(join_cells(ours, theirs, lost)),
            }
        }
        let mut globals = (*self.globals).clone();
        for key in self.globals.keys().chain(other.globals.keys()) {
            let (ours, theirs) = (self.globals.get(key), other.globals.get(key));
            if ours != theirs {
                let both = [ours, theirs].map(|value| value.cloned().unwrap_or(Value::Unbound));
                globals.insert(key.clone(), Value::one_of(both, &mut *lost));
            }
        }
        let facts = self.facts.iter().filter(|(key, value)| other.facts.get(key) == Some(value));
        let facts = Rc::new(facts.map(|(key, value)| (*key, *value)).collect());
        State {
            heap: Rc::new(heap),
            globals: Rc::new(globals),
            facts,
            effect: self.effect.clone(),
            carried: self.carried.clone(),
        }
    }
}

fn join_maps(
    ours: &BTreeMap<Name, Value>,
    theirs: &BTreeMap<Name, Value>,
    lost: &mut dyn FnMut() -> Value,
) -> BTreeMap<Name, Value> {
    let names: BTreeSet<&Name> = ours.keys().chain(theirs.keys()).collect();
    let pick = |map: &BTreeMap<Name, Value>, name: &Name| map.get(name).cloned().unwrap_or(Value::Unbound);
    names
        .into_iter()
        .map(|name| (name.clone(), Value::one_of([pick(ours, name), pick(theirs, name)], &mut *lost)))
        .collect()
}

fn join_cells(ours: &Cell, theirs: &Cell, lost: &mut dyn FnMut() -> Value) -> Cell {
    match (ours, theirs) {
        (
            Cell::Instance { class, fields, fresh, filled },
            Cell::Instance { fields: other, fresh: other_fresh, filled: other_filled, .. },
        ) => {
            // An initialiser that was followed on one path only gives its fields to both: the object is the same.
            let fields = match (filled, other_filled) {
                (true, false) => fields.clone(),
                (false, true) => other.clone(),
                _ => join_maps(fields, other, lost),
            };
            Cell::Instance { class: *class, fields, fresh: *fresh && *other_fresh, filled: *filled || *other_filled }
        }
        (Cell::Scope { names, outer }, Cell::Scope { names: other, .. }) => {
            Cell::Scope { names: join_maps(names, other, lost), outer: *outer }
        }
        (Cell::Seen(ours), Cell::Seen(theirs)) => {
            // What one path alone has looked at keeps its identity; it was there on the other too.
            let mut all = theirs.clone();
            for (name, value) in ours {
                let both = match theirs.get(name) {
                    Some(other) => Value::one_of([value.clone(), other.clone()], &mut *lost),
                    None => value.clone(),
                };
                all.insert(name.clone(), both);
            }
            Cell::Seen(all)
        }
        // Collections whose elements differ between the paths have no known elements any more.
        (Cell::List(_) | Cell::Table(_) | Cell::Instance { .. } | Cell::Scope { .. } | Cell::Seen(_), _) => {
            Cell::Seen(BTreeMap::new())
        }
    }
}

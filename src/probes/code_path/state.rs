//! The state of one path: heap, facts learnt, and what was written so far; and how paths are merged
//! when there are too many.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::interp::{Exc, Flow};
use super::model::Name;
use super::value::{Address, Cell, ClassId, ModuleId, Suspended, UnseenKind, Value};

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
    /// Databases that certainly (no) or perhaps (maybe) do not last, and what was made of them.
    pub volatile: BTreeMap<Address, Done>,
    /// Connections that were made on this path: no two of them are the same.
    pub made: BTreeSet<Address>,
    /// Connections that have sent something on this path.
    pub touched: BTreeSet<Address>,
    /// Whether the path depends on something that the tree does not show.
    pub doubt: bool,
    /// Whether objects or variables were changed in a way that is not followed: what is called from here
    /// on may be something else.
    pub tainted: bool,
}

impl Effect {
    /// What was sent on a connection was committed.
    pub fn write_to(&mut self, root: Address, done: Done) {
        self.write(done.min(self.volatile.get(&root).copied().unwrap_or(Done::Yes)));
    }

    /// Whether a write was made since it was as `before` is not seen.
    pub fn doubt_write_since(&mut self, before: Done) {
        self.written = before.max(self.written.min(Done::Maybe));
    }

    /// A write that lasts was made.
    pub fn write(&mut self, done: Done) {
        let done = if self.tainted { done.min(Done::Maybe) } else { done };
        self.written = self.written.max(done);
    }
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

/// A variable of a module, or of a class.
pub type Variable = (Home, Name);

/// What a variable belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Home {
    /// A module.
    Module(ModuleId),
    /// A class.
    Class(ClassId),
}

/// What all paths share: what the imports left.
#[derive(Debug, Default)]
pub struct Base {
    pub(super) heap: BTreeMap<Address, Rc<Cell>>,
    /// The variables.
    pub globals: BTreeMap<Variable, Value>,
}

impl Base {
    /// Whether the imports left this cell.
    pub fn has(&self, address: Address) -> bool {
        self.heap.contains_key(&address)
    }
}

/// The state of one path.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) base: Rc<Base>,
    pub(super) heap: Rc<BTreeMap<Address, Rc<Cell>>>,
    pub(super) globals: Rc<BTreeMap<Variable, Value>>,
    pub(super) facts: Rc<BTreeMap<(Address, Aspect), bool>>,
    /// What was done.
    pub effect: Effect,
    /// How the bodies that suspended managers hold open were left, innermost last.
    pub carried: Vec<Carried>,
    /// How those who drive generators have left them, innermost last.
    pub left: Vec<Left>,
    /// Coroutines that were handed to the event loop and have not run, in order.
    pub tasks: Vec<Task>,
    /// What code outside the tree was given on this path and may have kept.
    pub shared: Rc<BTreeSet<Address>>,
}

/// Two paths of one analysis share their base, or one has the newer one, which only adds to the older.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.effect == other.effect
            && self.facts == other.facts
            && self.carried == other.carried
            && self.left == other.left
            && self.tasks == other.tasks
            && self.shared == other.shared
            && self.globals == other.globals
            && self.heap == other.heap
    }
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

/// A coroutine that was handed to the event loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What runs.
    pub call: Rc<Suspended>,
    /// How often.
    pub times: Times,
}

/// How often something runs that stands for all like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Once.
    Once,
    /// At least once.
    Some,
    /// Any number of times, or never.
    Any,
}

/// A generator was left before its end by what drives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// How.
    pub flow: Flow,
    /// The path as it was then, where closing the generator may do something.
    pub before: Option<Box<State>>,
}

impl Eq for State {}

impl State {
    /// Nothing done, nothing known.
    pub fn new() -> Self {
        Self {
            base: Rc::default(),
            heap: Rc::default(),
            globals: Rc::default(),
            facts: Rc::default(),
            effect: Effect {
                written: Done::No,
                pending: BTreeMap::new(),
                autocommit: BTreeSet::new(),
                volatile: BTreeMap::new(),
                made: BTreeSet::new(),
                touched: BTreeSet::new(),
                doubt: false,
                tainted: false,
            },
            carried: Vec::new(),
            left: Vec::new(),
            tasks: Vec::new(),
            shared: Rc::default(),
        }
    }

    /// The same memory, with nothing done.
    pub fn without_effect(mut self) -> Self {
        self.effect = Self::new().effect;
        self
    }

    /// A cell.
    pub fn cell(&self, address: Address) -> Option<&Cell> {
        self.heap.get(&address).or_else(|| self.base.heap.get(&address)).map(Rc::as_ref)
    }

    /// A cell that may be changed.
    pub fn cell_mut(&mut self, address: Address) -> Option<&mut Cell> {
        let heap = Rc::make_mut(&mut self.heap);
        let cell = match heap.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.base.heap.get(&address)?.clone()),
        };
        Some(Rc::make_mut(cell))
    }

    /// Puts a cell.
    pub fn put(&mut self, address: Address, cell: Cell) {
        Rc::make_mut(&mut self.heap).insert(address, Rc::new(cell));
    }

    /// Takes a cell away that was made on this path.
    pub fn drop_cell(&mut self, address: Address) {
        if self.heap.contains_key(&address) {
            Rc::make_mut(&mut self.heap).remove(&address);
        }
    }

    /// The number of cells that this path has of its own.
    pub fn size(&self) -> usize {
        self.heap.len()
    }

    /// A variable.
    pub fn global(&self, home: Home, name: &Name) -> Option<&Value> {
        let key = (home, name.clone());
        self.globals.get(&key).or_else(|| self.base.globals.get(&key))
    }

    /// Whether this path has given the variable a value of its own.
    pub fn is_assigned(&self, home: Home, name: &Name) -> bool {
        self.globals.contains_key(&(home, name.clone()))
    }

    /// Gives a variable a value.
    pub fn set_global(&mut self, home: Home, name: Name, value: Value) {
        Rc::make_mut(&mut self.globals).insert((home, name), value);
    }

    /// The variables that this path has given values of its own.
    pub fn assigned(&self) -> impl Iterator<Item = (&Variable, &Value)> {
        self.globals.iter()
    }

    /// What all paths share.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Goes on with the base of `newer`, which has at least what this one's has.
    pub fn rebase(&mut self, newer: &State) {
        if !Rc::ptr_eq(&self.base, &newer.base) {
            self.base = newer.base.clone();
        }
    }

    /// Makes everything that this path has its base.
    pub fn flatten(&mut self) {
        let (mut heap, mut globals) = match Rc::try_unwrap(std::mem::take(&mut self.base)) {
            Ok(base) => (base.heap, base.globals),
            Err(shared) => (shared.heap.clone(), shared.globals.clone()),
        };
        heap.extend(std::mem::take(Rc::make_mut(&mut self.heap)));
        globals.extend(std::mem::take(Rc::make_mut(&mut self.globals)));
        self.base = Rc::new(Base { heap, globals });
    }

    /// Forgets what was made since `mark` and nothing leads to any more: not what is older, and not `result`.
    pub fn sweep(&mut self, mark: Address, result: &Value) {
        let older = |address: &Address| *address <= mark || self.base.heap.contains_key(address);
        let roots: Vec<Address> = self.heap.keys().copied().filter(older).collect();
        let mut held: Vec<Value> = vec![result.clone()];
        held.extend(self.globals.values().cloned());
        held.extend(self.carried.iter().filter_map(|carried| match carried {
            Carried::Return(value) => Some(value.clone()),
            Carried::End | Carried::Break | Carried::Continue => None,
        }));
        held.extend(self.tasks.iter().map(|task| Value::Suspended(task.call.clone())));
        held.extend(self.left.iter().filter_map(|left| match &left.flow {
            Flow::Return(value) | Flow::Raise(Exc::Tree(_, value)) => Some(value.clone()),
            Flow::Raise(Exc::Any | Exc::Builtin(_)) | Flow::Next | Flow::Break | Flow::Continue => None,
        }));
        let reached = self.reachable_from(&held, roots);
        let base = self.base.clone();
        let dead =
            |address: &Address| *address > mark && !reached.contains(address) && !base.heap.contains_key(address);
        if self.heap.keys().any(dead) {
            Rc::make_mut(&mut self.heap).retain(|address, _| !dead(address));
        }
        if self.facts.keys().any(|(about, _)| dead(about)) {
            Rc::make_mut(&mut self.facts).retain(|(about, _), _| !dead(about));
        }
        let effect = &mut self.effect;
        // What was sent on a connection that was made here and is held by nobody is lost; another may be
        // held elsewhere under another name.
        let made = effect.made.clone();
        effect.pending.retain(|root, _| !(dead(root) && made.contains(root)));
        let pending = effect.pending.clone();
        effect.autocommit.retain(|root| !dead(root));
        effect.touched.retain(|root| !dead(root));
        effect.volatile.retain(|root, _| !dead(root));
        effect.made.retain(|root| !dead(root) || pending.contains_key(root));
        if self.shared.iter().any(dead) {
            Rc::make_mut(&mut self.shared).retain(|address| !dead(address));
        }
    }

    /// Code outside the tree is given this and may keep it.
    pub fn share(&mut self, address: Address) {
        if !self.shared.contains(&address) {
            Rc::make_mut(&mut self.shared).insert(address);
        }
    }

    /// Code outside the tree runs: it may change the collections that it has kept.
    pub fn others_run(&mut self) {
        let kept = |(about, aspect): &(Address, Aspect)| *aspect == Aspect::Filled && self.shared.contains(about);
        if !self.shared.is_empty() && self.facts.keys().any(kept) {
            let shared = self.shared.clone();
            Rc::make_mut(&mut self.facts)
                .retain(|(about, aspect), _| *aspect != Aspect::Filled || !shared.contains(about));
        }
    }

    /// Takes back from `before` all but the heap and what was learnt.
    pub fn keep_outside(&mut self, before: State) {
        self.globals = before.globals;
        self.effect = before.effect;
        self.carried = before.carried;
        self.left = before.left;
        self.tasks = before.tasks;
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
        if matches!(self.cell(about), Some(Cell::Seen(fields)) if fields.get("[]").is_some_and(|each| *each != Value::Unbound))
            && let Some(Cell::Seen(fields)) = self.cell_mut(about)
        {
            fields.insert("[]".into(), Value::Unbound);
        }
        if self.facts.contains_key(&(about, Aspect::Filled)) {
            Rc::make_mut(&mut self.facts).remove(&(about, Aspect::Filled));
        }
    }

    /// Forgets which collections have elements: code that is not seen may have changed them.
    pub fn forget_collections(&mut self) {
        if self.facts.keys().any(|(_, aspect)| *aspect == Aspect::Filled) {
            Rc::make_mut(&mut self.facts).retain(|(_, aspect), _| *aspect != Aspect::Filled);
        }
    }

    /// Whether a cell was left by the imports and has not been changed on this path.
    pub fn is_from_imports(&self, address: Address) -> bool {
        !self.heap.contains_key(&address) && self.base.heap.contains_key(&address)
    }

    /// Every address that `values` lead to.
    pub fn reachable<'v>(&self, values: impl IntoIterator<Item = &'v Value>) -> BTreeSet<Address> {
        self.reachable_from(values, Vec::new())
    }

    fn reachable_from<'v>(
        &self,
        values: impl IntoIterator<Item = &'v Value>,
        addresses: Vec<Address>,
    ) -> BTreeSet<Address> {
        let mut found = BTreeSet::new();
        let mut work: Vec<Value> = values.into_iter().cloned().collect();
        for address in addresses {
            self.visit(address, &mut found, &mut work);
        }
        while let Some(value) = work.pop() {
            match value {
                Value::Tuple(items) | Value::OneOf(items) => work.extend(items.iter().cloned()),
                Value::Bound(pair) => work.extend([pair.0.clone(), pair.1.clone()]),
                Value::Super(_, receiver) => work.push((*receiver).clone()),
                Value::Partial(pair) => {
                    work.push(pair.0.clone());
                    work.extend(pair.1.values().cloned());
                }
                Value::Suspended(suspended) => {
                    self.visit(suspended.id, &mut found, &mut work);
                    work.extend(suspended.arguments.values().cloned());
                    if let Some(scope) = suspended.closure.scope {
                        self.visit(scope, &mut found, &mut work);
                    }
                }
                Value::Function(closure) => {
                    if let Some(scope) = closure.scope {
                        self.visit(scope, &mut found, &mut work);
                    }
                }
                Value::Unseen(unseen) => {
                    found.extend(unseen.connection);
                    found.extend(unseen.owner);
                    if let UnseenKind::Length(of) | UnseenKind::Status(of) = unseen.kind {
                        found.insert(of);
                    }
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
}

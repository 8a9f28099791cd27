//! The abstract interpreter: it follows every path through the statements of a function, calls of the
//! tree included, with what cannot be known kept unknown. It knows states and values, not phases; what
//! a path did to the world is in its [`Effect`](super::state::Effect), what was met on the way in the
//! [`Log`].
//!
//! Soundness rests on three habits: whatever is not understood is recorded as a doubt of the path; a
//! path ends only by what Python certainly does (a raise that is written down); merging keeps every
//! alternative.

mod attributes;
mod below;
mod builtins;
mod calls;
mod class_attributes;
mod classes;
mod collection_methods;
mod collections;
mod compare;
mod comparisons;
mod construction;
mod contexts;
mod database;
mod decorators;
mod displays;
mod driving;
mod earlier;
mod elements;
mod entry;
mod evidence;
mod exceptions;
mod exits;
mod expressions;
mod generators;
mod globals;
mod guess;
mod handing;
mod hooks;
mod imports;
mod invoke;
mod limits;
mod loops;
mod matching;
mod names;
mod outside;
mod passes;
mod paths;
mod prints;
mod processes;
mod reach;
mod recursion;
mod registries;
mod statements;
mod tasks;
mod types;
mod volatile;
mod wrappers;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

pub use classes::ClassInfo;
pub use limits::GivenUp;
pub use paths::{NARROW, WIDTH};

use super::model::{Expr, Function, Name};
use super::occurrences::Occurrences;
use super::patterns::Glob;
use super::state::{Done, State};
use super::tree::Tree;
use super::value::{Address, Arguments, Cell, ClassId, ClosureKind, ModuleId, Origin, Spot, Unseen, UnseenKind, Value};

/// Values with the paths that they came by.
pub type Evaled<T = Value> = Vec<(State, Result<T, Exc>)>;

/// The ways in which statements end.
pub type Outcomes = Vec<(State, Flow)>;

/// How a statement ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It goes on.
    Next,
    /// It leaves the function.
    Return(Value),
    /// It raises.
    Raise(Exc),
    /// It leaves the loop.
    Break,
    /// It goes on with the loop.
    Continue,
}

/// What is known of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exc {
    /// Any exception.
    Any,
    /// A built-in one.
    Builtin(Name),
    /// One of a class of the tree.
    Tree(ClassId, Value),
}

/// What is asked of the tree: callees, the name and position given, and whether it is an attribute too.
type Question = (Vec<Name>, Name, Option<usize>, bool, Option<ModuleId>);

/// Calls inside calls.
const DEPTH: usize = 150;

/// A kill switch as found in the tree.
#[derive(Clone, Debug)]
pub struct Switch {
    /// The variable or function.
    pub at: (ModuleId, Name),
    /// Whether it is a function.
    pub is_function: bool,
    /// Whether it is on in this analysis.
    pub on: bool,
}

/// What the analysis looks for.
#[derive(Clone, Debug)]
pub struct Patterns {
    /// Writes outside the tree.
    pub sinks: Vec<Glob>,
    /// Programs.
    pub commands: Vec<Glob>,
    /// Simulators.
    pub simulators: Vec<Glob>,
}

/// A call that was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// The callee's name.
    pub call: String,
    /// The calls that led there, outermost first, with their places.
    pub chain: Vec<(String, Spot)>,
    /// Whether the path to it is free of doubt.
    pub certain: bool,
}

/// What was met on all paths.
#[derive(Debug, Default)]
pub struct Log {
    /// Writes that were started, by place.
    pub writes: BTreeMap<Spot, Met>,
    /// Simulators called, by place.
    pub simulators: BTreeMap<Spot, Met>,
    /// What could not be seen, and where.
    pub blocked: BTreeSet<(Spot, String)>,
    /// Whether code that was not seen may have written or simulated.
    pub unseen_code: bool,
    /// Tests that were decided, and how.
    pub tests: BTreeMap<Spot, BTreeSet<String>>,
    /// Functions of the tree that were entered.
    pub entered: BTreeSet<(ModuleId, u32)>,
}

/// A call that is being followed.
#[derive(Clone, Debug)]
struct Frame {
    scope: Option<Address>,
    module: ModuleId,
    function: Option<Rc<Function>>,
    class: Option<ClassId>,
    body_of: Option<ClassId>,
    name: Name,
    called_at: Option<Spot>,
    driver: Driver,
}

/// What happens when the function of a frame yields.
#[derive(Clone, Debug)]
enum Driver {
    /// It is no generator that is driven.
    None,
    /// Something unseen takes the value and goes on.
    Exhaust,
    /// The body of a managed context runs.
    Context(Rc<contexts::Hold>),
    /// What drives it takes the value.
    Taker(Rc<driving::Taker>),
}

/// The abstract interpreter over one tree.
pub struct Interp<'t> {
    /// The tree.
    pub tree: &'t Tree,
    /// What was met.
    pub log: Log,
    /// The state after all imports.
    pub base: State,
    /// Why the analysis gave up, if it did.
    pub exhausted: Option<GivenUp>,
    /// The kill switches.
    pub switches: Vec<Switch>,
    /// A variable of a module that holds the mode, with its value.
    pub mode_variable: Option<((ModuleId, Name), Value)>,
    /// Attributes whose value the configuration fixes.
    pub pinned: BTreeSet<(Address, Name)>,
    patterns: Patterns,
    classes: Vec<ClassInfo>,
    modules: BTreeMap<ModuleId, imports::Loading>,
    subclasses: BTreeMap<ClassId, Rc<Vec<ClassId>>>,
    unseen_classes: BTreeMap<ClassId, Option<(String, Spot)>>,
    processes: BTreeSet<Address>,
    /// Imported modules of libraries, as against what these give.
    libraries: BTreeSet<Address>,
    import_effects: BTreeSet<ModuleId>,
    import_taints: BTreeMap<ModuleId, (String, Spot)>,
    /// Modules that assign variables of others, or attributes of their classes, while they are imported.
    import_changes: BTreeSet<ModuleId>,
    occurrences: BTreeMap<ModuleId, Rc<Occurrences<'t>>>,
    given: BTreeMap<Question, Vec<(&'t Expr, guess::View, bool)>>,
    next: Address,
    attribute_ids: BTreeMap<(Address, Name), Address>,
    instance_ids: BTreeMap<(Address, Spot, ClassId, usize), Address>,
    frames: Vec<Frame>,
    cut: BTreeMap<ModuleId, GivenUp>,
    is_stale: bool,
    now_at: Option<Spot>,
    importing: usize,
    quiet: usize,
    catching: usize,
    filling: usize,
    nesting: usize,
    counts: tasks::Counts,
    entry: Option<ModuleId>,
    registries: BTreeMap<Name, bool>,
    contested: BTreeSet<Address>,
    /// Collections whose elements are known and their order is not.
    unordered: BTreeSet<Address>,
    /// Collections that were found to hold no others, under the names that lead to them.
    flat: BTreeSet<(Address, Name)>,
    /// Lists that show a dictionary, and which.
    views: BTreeMap<Address, Address>,
    /// How much was met that a run may depend on, seen or not.
    noted: u64,
    /// Calls by other code that changed something or took it back, and rollbacks and closes.
    harmful: u64,
    undone: u64,
    /// Instances that stand for what a protocol admits.
    implementing: BTreeSet<Address>,
    /// Calls of functions that call themselves.
    pending: Vec<recursion::Pending>,
    steps: u64,
    limit: u64,
    end: Instant,
    /// More states than this at one point are merged.
    pub width: usize,
}

impl Log {
    /// What was met on paths that may not all exist, beside what was met on some that do.
    pub fn doubted_beside(mut self, certain: Self) -> Self {
        for (own, other) in [(&mut self.simulators, certain.simulators), (&mut self.writes, certain.writes)] {
            own.values_mut().for_each(|met| met.certain = false);
            for (spot, met) in other {
                let is_certain = met.certain;
                own.entry(spot).or_insert(met).certain |= is_certain;
            }
        }
        self
    }
}

impl<'t> Interp<'t> {
    /// An interpreter that gives up after `limit` steps or at `end`.
    pub fn new(tree: &'t Tree, patterns: Patterns, limit: u64, end: Instant) -> Self {
        Self {
            tree,
            log: Log::default(),
            base: State::new(),
            exhausted: None,
            switches: Vec::new(),
            mode_variable: None,
            pinned: BTreeSet::new(),
            patterns,
            classes: Vec::new(),
            modules: BTreeMap::new(),
            subclasses: BTreeMap::new(),
            unseen_classes: BTreeMap::new(),
            processes: BTreeSet::new(),
            libraries: BTreeSet::new(),
            import_effects: BTreeSet::new(),
            import_taints: BTreeMap::new(),
            import_changes: BTreeSet::new(),
            occurrences: BTreeMap::new(),
            given: BTreeMap::new(),
            next: 1,
            attribute_ids: BTreeMap::new(),
            instance_ids: BTreeMap::new(),
            frames: Vec::new(),
            cut: BTreeMap::new(),
            is_stale: false,
            now_at: None,
            importing: 0,
            quiet: 0,
            catching: 0,
            filling: 0,
            nesting: 0,
            counts: tasks::Counts::default(),
            entry: None,
            registries: BTreeMap::new(),
            contested: BTreeSet::new(),
            unordered: BTreeSet::new(),
            flat: BTreeSet::new(),
            views: BTreeMap::new(),
            pending: Vec::new(),
            harmful: 0,
            undone: 0,
            implementing: BTreeSet::new(),
            noted: 0,
            steps: 0,
            limit,
            end,
            width: WIDTH,
        }
    }

    /// Forgets what was met, and counts steps anew.
    pub fn begin(&mut self) {
        self.log = Log::default();
        self.exhausted = None;
        self.forget_stale();
        self.now_at = None;
        self.steps = 0;
        self.frames.clear();
        self.pending.clear();
        (self.importing, self.quiet, self.catching, self.filling) = (0, 0, 0, 0);
        self.nesting = 0;
        self.counts = tasks::Counts::default();
        self.entry = None;
        self.registries.clear();
        self.pinned.clear();
        self.instance_ids.clear();
    }

    fn address(&mut self) -> Address {
        self.next += 1;
        self.next
    }

    fn frame(&self) -> &Frame {
        self.frames.last().expect("invariant: code runs in a frame")
    }

    fn spot(&self, at: u32) -> Spot {
        Spot { module: self.frame().module, at }
    }

    fn chain(&self) -> Vec<(String, Spot)> {
        self.frames.iter().filter_map(|frame| frame.called_at.map(|spot| (frame.name.to_string(), spot))).collect()
    }

    /// Something unseen, new on this path.
    fn unseen(&mut self, origin: Origin, chain: &str, kind: UnseenKind) -> Value {
        let id = self.address();
        Value::Unseen(Rc::new(Unseen { id, origin, chain: chain.into(), connection: None, owner: None, kind }))
    }

    fn data(&mut self, chain: &str) -> Value {
        self.unseen(Origin::Data, chain, UnseenKind::Plain)
    }

    fn scalar(&mut self, chain: &str) -> Value {
        self.unseen(Origin::Outside, chain, UnseenKind::Scalar)
    }

    fn flag(&mut self) -> Value {
        self.unseen(Origin::Outside, "bool", UnseenKind::Bool)
    }

    fn collection(&mut self, chain: &str) -> Value {
        self.unseen(Origin::Data, chain, UnseenKind::Collection)
    }

    fn lost(&mut self, reason: &str, spot: Spot) -> Value {
        self.unseen(Origin::Lost(reason.into(), spot), "", UnseenKind::Plain)
    }

    /// Records that something cannot be seen, without a doubt of the path.
    fn blocked(&mut self, reason: impl Into<String>, spot: Spot) {
        self.noted += 1;
        if self.quiet == 0 {
            self.log.blocked.insert((spot, reason.into()));
        }
    }

    /// Code that is not seen runs here: it may write, undo what is not committed, or simulate.
    fn unseen_code(&mut self, state: &mut State, reason: impl Into<String>, spot: Spot) {
        state.effect.doubt = true;
        state.forget_collections();
        state.effect.pending.values_mut().for_each(|done| *done = Done::Maybe);
        self.noted += 1;
        if self.quiet == 0 {
            self.log.unseen_code = true;
            self.log.blocked.insert((spot, reason.into()));
        }
    }

    /// Objects or variables of the tree may be changed from here on without being seen.
    fn taint(&mut self, state: &mut State, reason: &str, spot: Spot) {
        if self.importing > 0 && self.filling == 0 {
            let module = self.frames.first().map_or(spot.module, |frame| frame.module);
            self.import_taints.entry(module).or_insert_with(|| (reason.to_owned(), spot));
        }
        self.unseen_code(state, reason, spot);
        state.effect.tainted = true;
    }

    /// Whether the path goes on like this cannot be seen.
    fn doubt(&mut self, state: &mut State, reason: impl Into<String>, spot: Spot) {
        state.effect.doubt = true;
        self.blocked(reason, spot);
    }

    fn decided(&mut self, spot: Spot, how: impl Into<String>) {
        if self.quiet == 0 {
            self.log.tests.entry(spot).or_default().insert(how.into());
        }
    }

    /// Modules that are being run would write or simulate while they are imported.
    fn note_import_effect(&mut self) {
        if self.importing > 0 && self.filling == 0 {
            let modules: Vec<ModuleId> = self.frames.first().map(|frame| frame.module).into_iter().collect();
            self.import_effects.extend(modules);
        }
    }

    fn met_simulator(&mut self, state: &State, call: &str, spot: Spot) {
        self.noted += 1;
        self.note_import_effect();
        if self.quiet == 0 {
            let met = Met { call: call.to_owned(), chain: self.chain(), certain: !state.effect.doubt };
            let known = self.log.simulators.entry(spot).or_insert_with(|| met.clone());
            known.certain |= met.certain;
        }
    }

    fn met_write(&mut self, state: &State, call: &str, spot: Spot, certain: bool) {
        self.noted += 1;
        self.note_import_effect();
        if self.quiet == 0 {
            let certain = certain && !state.effect.doubt;
            let met = Met { call: call.to_owned(), chain: self.chain(), certain };
            let known = self.log.writes.entry(spot).or_insert_with(|| met.clone());
            known.certain |= met.certain;
        }
    }

    /// The variables of the scope at an address.
    fn scope_names<'s>(&self, state: &'s State, scope: Address) -> Option<&'s BTreeMap<Name, Value>> {
        match state.cell(scope) {
            Some(Cell::Scope { names, .. }) => Some(names),
            Some(Cell::Instance { .. } | Cell::List(_) | Cell::Table(_) | Cell::Seen(_)) | None => None,
        }
    }
}

//! The abstract interpreter: it follows every path through the statements of a function, calls of the
//! tree included, with what cannot be known kept unknown. It knows states and values, not phases; what
//! a path did to the world is in its [`Effect`](super::state::Effect), what was met on the way in the
//! [`Log`].
//!
//! Soundness rests on three habits: whatever is not understood is recorded as a doubt of the path; a
//! path ends only by what Python certainly does (a raise that is written down); merging keeps every
//! alternative.

mod attributes;
mod calls;
mod classes;
mod compare;
mod contexts;
mod database;
mod entry;
mod expressions;
mod imports;
mod invoke;
mod loops;
mod outside;
mod statements;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

pub use classes::ClassInfo;

use super::model::{Function, Name};
use super::patterns::Glob;
use super::state::{Aspect, Done, State};
use super::tree::Tree;
use super::value::{Address, Arguments, Cell, ClassId, ModuleId, Origin, Spot, Unseen, UnseenKind, Value};

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

/// More states than this at one point are merged.
const WIDTH: usize = 24;
/// More kinds of states than this at one point cannot be followed.
const KINDS: usize = 200;
/// Calls inside calls.
const DEPTH: usize = 150;
/// Expressions and statements inside each other, calls included: the analysis's own stack.
const NESTING: usize = 12_000;
/// Objects alive on one path.
const CELLS: usize = 20_000;

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
    pub exhausted: Option<String>,
    /// The kill switches.
    pub switches: Vec<Switch>,
    /// A variable of a module that holds the mode, with its value.
    pub mode_variable: Option<((ModuleId, Name), Value)>,
    /// Attributes whose value the configuration fixes.
    pub pinned: BTreeSet<(Address, Name)>,
    patterns: Patterns,
    classes: Vec<ClassInfo>,
    class_ids: BTreeMap<(ModuleId, u32), ClassId>,
    modules: BTreeMap<ModuleId, imports::Loading>,
    subclasses: BTreeMap<ClassId, Rc<Vec<ClassId>>>,
    processes: BTreeSet<Address>,
    import_effects: BTreeSet<ModuleId>,
    next: Address,
    attribute_ids: BTreeMap<(Address, Name), Address>,
    frames: Vec<Frame>,
    importing: usize,
    quiet: usize,
    catching: usize,
    filling: usize,
    nesting: usize,
    steps: u64,
    limit: u64,
    end: Instant,
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
            class_ids: BTreeMap::new(),
            modules: BTreeMap::new(),
            subclasses: BTreeMap::new(),
            processes: BTreeSet::new(),
            import_effects: BTreeSet::new(),
            next: 1,
            attribute_ids: BTreeMap::new(),
            frames: Vec::new(),
            importing: 0,
            quiet: 0,
            catching: 0,
            filling: 0,
            nesting: 0,
            steps: 0,
            limit,
            end,
        }
    }

    /// Forgets what was met, and counts steps anew.
    pub fn begin(&mut self) {
        self.log = Log::default();
        self.exhausted = None;
        self.steps = 0;
        self.frames.clear();
        (self.importing, self.quiet, self.catching, self.filling) = (0, 0, 0, 0);
        self.nesting = 0;
        self.pinned.clear();
    }

    fn address(&mut self) -> Address {
        self.next += 1;
        self.next
    }

    /// Counts a step; false when the analysis must stop.
    fn step(&mut self) -> bool {
        self.steps += 1;
        if self.exhausted.is_none() {
            if self.steps > self.limit {
                self.exhausted = Some(format!("more than {} steps", self.limit));
            } else if self.nesting > NESTING {
                self.exhausted = Some(format!("more than {NESTING} constructs inside each other"));
            } else if self.steps % 64 == 1 && Instant::now() >= self.end {
                self.exhausted = Some("the time is over".to_owned());
            }
        }
        self.exhausted.is_none()
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
        if self.quiet == 0 {
            self.log.blocked.insert((spot, reason.into()));
        }
    }

    /// Code that is not seen runs here: it may write, undo what is not committed, or simulate.
    fn unseen_code(&mut self, state: &mut State, reason: impl Into<String>, spot: Spot) {
        state.effect.doubt = true;
        state.forget_collections();
        state.effect.pending.values_mut().for_each(|done| *done = Done::Maybe);
        if self.quiet == 0 {
            self.log.unseen_code = true;
            self.log.blocked.insert((spot, reason.into()));
        }
    }

    /// Objects or variables of the tree may be changed from here on without being seen.
    fn taint(&mut self, state: &mut State, reason: &str, spot: Spot) {
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
        self.note_import_effect();
        if self.quiet == 0 {
            let met = Met { call: call.to_owned(), chain: self.chain(), certain: !state.effect.doubt };
            let known = self.log.simulators.entry(spot).or_insert_with(|| met.clone());
            known.certain |= met.certain;
        }
    }

    fn met_write(&mut self, state: &State, call: &str, spot: Spot, certain: bool) {
        self.note_import_effect();
        if self.quiet == 0 {
            let certain = certain && !state.effect.doubt;
            let met = Met { call: call.to_owned(), chain: self.chain(), certain };
            let known = self.log.writes.entry(spot).or_insert_with(|| met.clone());
            known.certain |= met.certain;
        }
    }

    /// The outcome that an operation which may fail adds; nothing where nobody would catch it.
    fn may_raise<T>(&self, state: &State, out: &mut Evaled<T>) {
        if self.catching > 0 {
            out.push((state.clone(), Err(Exc::Any)));
        }
    }

    /// Goes on with each value.
    fn then<T, U>(&mut self, evaled: Evaled<T>, mut next: impl FnMut(&mut Self, State, T) -> Evaled<U>) -> Evaled<U> {
        let mut out = Vec::new();
        for (state, result) in evaled {
            match result {
                Ok(value) => out.extend(next(self, state, value)),
                Err(exc) => out.push((state, Err(exc))),
            }
        }
        out
    }

    /// Goes on with each value, to statements' outcomes.
    fn then_flow<T>(&mut self, evaled: Evaled<T>, mut next: impl FnMut(&mut Self, State, T) -> Outcomes) -> Outcomes {
        let mut out = Vec::new();
        for (state, result) in evaled {
            match result {
                Ok(value) => out.extend(next(self, state, value)),
                Err(exc) => out.push((state, Flow::Raise(exc))),
            }
        }
        out
    }

    /// Merges outcomes that are equal, and alike ones when there are too many.
    fn settle<T: Mergeable>(&mut self, outcomes: Vec<(State, T)>) -> Vec<(State, T)> {
        if outcomes.len() < 2 {
            return outcomes;
        }
        let mut kept: Vec<(State, T)> = Vec::with_capacity(outcomes.len());
        for (state, what) in outcomes {
            if !kept.iter().any(|(other, same)| *same == what && *other == state) {
                kept.push((state, what));
            }
        }
        if kept.len() <= WIDTH {
            return kept;
        }
        let mut merged: Vec<(State, T)> = Vec::new();
        for (state, what) in kept {
            let like = merged.iter().position(|(other, same)| same.is_like(&what) && other.is_alike(&state));
            match like {
                Some(index) => {
                    let (mut other, same) = merged.swap_remove(index);
                    let mut state = state;
                    for address in other.unfilled(&state) {
                        self.fill(&mut other, address);
                    }
                    for address in state.unfilled(&other) {
                        self.fill(&mut state, address);
                    }
                    let mut lost = || self.data("merged");
                    let joined = other.join(&state, &mut lost);
                    let what = same.join(what, &mut lost);
                    merged.push((joined, what));
                }
                None => merged.push((state, what)),
            }
        }
        if merged.len() > KINDS && self.exhausted.is_none() {
            self.exhausted = Some(format!("more than {KINDS} kinds of paths at one point"));
        }
        let full = merged.iter().any(|(state, _)| state.size() > CELLS);
        if full && self.exhausted.is_none() {
            self.exhausted = Some(format!("more than {CELLS} objects on one path"));
        }
        merged
    }

    /// Forks on the truth of a value, and learns it.
    fn truths(&mut self, state: State, value: &Value, spot: Spot) -> Vec<(State, bool)> {
        let mut out = Vec::new();
        for value in value.alternatives() {
            match self.truth(&state, &value) {
                Some(truth) => out.push((state.clone(), truth)),
                None => {
                    if let Some(reason) = self.truth_runs_code(&state, &value) {
                        let mut state = state.clone();
                        self.unseen_code(&mut state, reason, spot);
                        out.extend([(state.clone(), true), (state, false)]);
                        continue;
                    }
                    for truth in [true, false] {
                        let mut state = state.clone();
                        self.learn_truth(&mut state, &value, truth, spot);
                        out.push((state, truth));
                    }
                }
            }
        }
        out
    }

    fn learn_truth(&mut self, state: &mut State, value: &Value, truth: bool, spot: Spot) {
        let Value::Unseen(unseen) = value else { return };
        match &unseen.kind {
            UnseenKind::Bool => state.learn(unseen.id, Aspect::True, truth),
            UnseenKind::Collection => state.learn(unseen.id, Aspect::Filled, truth),
            UnseenKind::Length(of) => state.learn(*of, Aspect::Filled, truth),
            UnseenKind::Status(process) => self.process_ended(state, *process, !truth, spot),
            UnseenKind::Stale(imported) => {
                let reason = "the switch was imported by value: it is stale when it is tested";
                self.blocked(reason, *imported);
                state.learn(unseen.id, Aspect::True, truth);
            }
            // What counts as true is not null; a mutable thing that counts as false may be anything.
            UnseenKind::Plain | UnseenKind::Scalar | UnseenKind::Process => {
                if truth {
                    state.learn(unseen.id, Aspect::Null, false);
                }
            }
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

/// What settles together with states.
trait Mergeable: PartialEq {
    fn is_like(&self, other: &Self) -> bool;
    fn join(self, other: Self, lost: &mut dyn FnMut() -> Value) -> Self;
}

impl Mergeable for Result<Value, Exc> {
    fn is_like(&self, other: &Self) -> bool {
        self.is_ok() == other.is_ok()
    }

    fn join(self, other: Self, lost: &mut dyn FnMut() -> Value) -> Self {
        match (self, other) {
            (Ok(ours), Ok(theirs)) => Ok(Value::one_of([ours, theirs], lost)),
            (Err(ours), Err(theirs)) => Err(if ours == theirs { ours } else { Exc::Any }),
            (Ok(_), Err(exc)) | (Err(exc), Ok(_)) => Err(exc),
        }
    }
}

impl Mergeable for Flow {
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    fn join(self, other: Self, lost: &mut dyn FnMut() -> Value) -> Self {
        match (self, other) {
            (Self::Return(ours), Self::Return(theirs)) => Self::Return(Value::one_of([ours, theirs], lost)),
            (Self::Raise(ours), Self::Raise(theirs)) => Self::Raise(if ours == theirs { ours } else { Exc::Any }),
            (flow, _) => flow,
        }
    }
}

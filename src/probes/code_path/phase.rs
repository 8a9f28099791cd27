//! One phase: its entry is found, its runs are followed under (mode, switch), and the three questions
//! are answered from what the paths did. An answer that opens the gate needs every path to agree.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::config::{CodePathConfig, Drive, Literal, ModeKind, PhaseConfig, SwitchKind};
use super::interp::{Evaled, Interp, Log, Met, Switch};
use super::model::{Function, Name, ParameterKind, StmtKind};
use super::state::{Done, Home, State};
use super::tree::Tree;
use super::value::{Arguments, Cell, ClassId, Closure, ClosureKind, ModuleId, Spot, Suspended, Value};

/// How often runs write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveWrite {
    /// On every path that returns.
    Always,
    /// On some.
    Sometimes,
    /// On none.
    Never,
    /// It cannot be seen.
    Unknown,
}

impl LiveWrite {
    /// The word that facts use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Sometimes => "sometimes",
            Self::Never => "never",
            Self::Unknown => "unknown",
        }
    }
}

/// Yes, no, or not to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    True,
    /// No.
    False,
    /// It cannot be seen.
    Unknown,
}

impl Verdict {
    /// The word that facts use.
    pub fn word(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}

/// What was found of one phase.
#[derive(Debug)]
pub struct PhaseFinding {
    /// Where its entry is.
    pub entry: Option<Spot>,
    /// Whether a test has another outcome in a live run than in a dry one.
    pub live_branch: bool,
    /// How often a live run writes.
    pub live_write: LiveWrite,
    /// Whether a live run can call a simulator.
    pub simulator_reachable: Verdict,
    /// Whether a live run is refused while the switch is off.
    pub guarded: Verdict,
    /// The first such test.
    pub mode_test: Option<Spot>,
    /// Writes met on live paths.
    pub writes: Vec<(Spot, Met)>,
    /// Simulators met on live paths.
    pub simulators: Vec<(Spot, Met)>,
    /// What stood in the way.
    pub blocked_by: Vec<(String, Option<Spot>)>,
    /// Functions entered on live paths.
    pub entered: BTreeSet<(ModuleId, u32)>,
}

/// A kill switch as found.
#[derive(Debug)]
pub struct SwitchFinding {
    /// Where it is; `None` when it is not in the tree.
    pub at: Option<Switch>,
    /// The value that its module gives it.
    pub value: Option<bool>,
    /// Where it is bound.
    pub spot: Option<Spot>,
}

struct Run {
    outcomes: Evaled,
    log: Log,
    exhausted: Option<String>,
}

type Failure = (String, Option<Spot>);

/// Finds the kill switches.
pub fn find_switches(interp: &mut Interp<'_>, config: &CodePathConfig) -> Vec<SwitchFinding> {
    config
        .kill_switch
        .iter()
        .map(|switch| {
            let Some((module, rest)) = split(interp.tree, &switch.name) else {
                return SwitchFinding { at: None, value: None, spot: None };
            };
            let name: Name = rest.as_str().into();
            let is_function = switch.kind == SwitchKind::Function;
            let spot = binding(interp.tree, module, &name, is_function);
            let at = spot.map(|_| Switch { at: (module, name.clone()), is_function, on: true });
            interp.load(module);
            let value = match interp.base.global(Home::Module(module), &name) {
                Some(Value::Bool(value)) if !is_function => Some(*value),
                _ => None,
            };
            SwitchFinding { at, value, spot }
        })
        .collect()
}

/// The module of a dotted name and the rest of it, where the rest is one name.
fn split(tree: &Tree, dotted: &str) -> Option<(ModuleId, String)> {
    let (module, name) = dotted.rsplit_once('.')?;
    tree.module(module).map(|id| (id, name.to_owned()))
}

/// Where a module binds a name at its top.
fn binding(tree: &Tree, module: ModuleId, name: &str, function: bool) -> Option<Spot> {
    let parsed = tree.file(module).parsed().as_ref().ok()?;
    let mut found = None;
    let mut work: Vec<&super::model::Stmt> = parsed.body.iter().rev().collect();
    while let Some(stmt) = work.pop() {
        let binds = |targets: &[super::model::Target]| {
            targets.iter().any(|target| matches!(target, super::model::Target::Name(each) if &**each == name))
        };
        let here = match &stmt.kind {
            StmtKind::Assign(targets, _) => !function && binds(targets),
            StmtKind::Declare(target, _, Some(_)) => !function && binds(std::slice::from_ref(target)),
            StmtKind::Function(defined) => function && &*defined.name == name,
            StmtKind::If(branches) => {
                branches.iter().rev().for_each(|(_, body)| work.extend(body.iter().rev()));
                false
            }
            StmtKind::Try { body, .. } => {
                work.extend(body.iter().rev());
                false
            }
            _ => false,
        };
        if here {
            found = Some(Spot { module, at: stmt.at });
        }
    }
    found
}

/// Answers for one phase.
pub fn judge(
    interp: &mut Interp<'_>,
    config: &CodePathConfig,
    phase: &PhaseConfig,
    switches: &[SwitchFinding],
) -> PhaseFinding {
    let mut finding = PhaseFinding {
        entry: None,
        live_branch: false,
        live_write: LiveWrite::Unknown,
        simulator_reachable: Verdict::Unknown,
        guarded: Verdict::Unknown,
        mode_test: None,
        writes: Vec::new(),
        simulators: Vec::new(),
        blocked_by: Vec::new(),
        entered: BTreeSet::new(),
    };
    let entry = match find_entry(interp, phase) {
        Ok(entry) => entry,
        Err(failure) => {
            finding.blocked_by.push(failure);
            return finding;
        }
    };
    finding.entry = Some(entry.spot);
    let modes = [&config.mode.live, &config.mode.dry].map(|literal| mode_value(interp, config, literal));
    let [live, dry] = match modes {
        [Ok(live), Ok(dry)] => [live, dry],
        [Err(failure), _] | [_, Err(failure)] => {
            finding.blocked_by.push(failure);
            return finding;
        }
    };
    let known: Vec<Switch> = switches.iter().filter_map(|switch| switch.at.clone()).collect();
    let on = |off: Option<usize>| -> Vec<Switch> {
        let with = |(index, switch): (usize, &Switch)| Switch { on: Some(index) != off, ..switch.clone() };
        known.iter().enumerate().map(with).collect()
    };
    let (live_run, dry_run) = match (
        follow(interp, config, phase, &entry, &live, on(None)),
        follow(interp, config, phase, &entry, &dry, on(None)),
    ) {
        (Ok(live_run), Ok(dry_run)) => (live_run, dry_run),
        (Err(failure), _) | (_, Err(failure)) => {
            finding.blocked_by.push(failure);
            return finding;
        }
    };
    finding.live_write = live_write(&live_run);
    finding.simulator_reachable = simulator_reachable(&live_run);
    let mut blocked: BTreeSet<(Spot, String)> = live_run.log.blocked.clone();
    let mut reasons: Vec<String> = live_run.exhausted.iter().cloned().collect();
    let mut verdicts = Vec::new();
    for index in 0..known.len() {
        match follow(interp, config, phase, &entry, &live, on(Some(index))) {
            Ok(run) => {
                verdicts.push(guarded(&run));
                blocked.extend(run.log.blocked.iter().cloned());
                reasons.extend(run.exhausted.iter().cloned());
            }
            Err(failure) => finding.blocked_by.push(failure),
        }
    }
    for (switch, found) in config.kill_switch.iter().zip(switches) {
        if found.at.is_none() {
            verdicts.push(Verdict::Unknown);
            reasons.push(format!("the kill switch {} is not in the tree", switch.name));
        }
    }
    if config.kill_switch.is_empty() {
        reasons.push("no kill switch is described".to_owned());
    }
    finding.guarded = all_of(&verdicts);
    let differs = live_run
        .log
        .tests
        .iter()
        .filter(|(spot, outcome)| dry_run.log.tests.get(spot).is_some_and(|other| other != *outcome));
    let differing: Vec<Spot> = differs.map(|(spot, _)| *spot).collect();
    finding.live_branch = !differing.is_empty();
    let home = differing.iter().find(|spot| spot.module == entry.spot.module).or(differing.first());
    finding.mode_test = home.copied();
    finding.writes = live_run.log.writes.into_iter().collect();
    finding.simulators = live_run.log.simulators.into_iter().collect();
    finding.entered = live_run.log.entered;
    finding.blocked_by.extend(reasons.into_iter().map(|reason| (reason, None)));
    finding.blocked_by.extend(blocked.into_iter().map(|(spot, reason)| (reason, Some(spot))));
    finding
}

fn live_write(run: &Run) -> LiveWrite {
    if run.exhausted.is_some() {
        return LiveWrite::Unknown;
    }
    let (mut with, mut without, mut unclear) = (false, false, false);
    for (state, result) in &run.outcomes {
        if result.is_ok() {
            match (state.effect.written, state.effect.doubt) {
                (Done::Yes, _) => with = true,
                (Done::No, false) => without = true,
                (Done::Maybe, _) | (Done::No, true) => unclear = true,
            }
        }
    }
    match (with, without, unclear) {
        (true, false, false) => LiveWrite::Always,
        (true, true, _) => LiveWrite::Sometimes,
        (false, true, false) => LiveWrite::Never,
        // No run returns at all: none writes, unless what was not seen decides that.
        (false, false, false) if !run.log.unseen_code => LiveWrite::Never,
        (false, _, _) | (true, false, true) => LiveWrite::Unknown,
    }
}

fn simulator_reachable(run: &Run) -> Verdict {
    if run.log.simulators.values().any(|met| met.certain) {
        Verdict::True
    } else if run.exhausted.is_some() || run.log.unseen_code || !run.log.simulators.is_empty() {
        Verdict::Unknown
    } else {
        Verdict::False
    }
}

/// Whether a run with the switch off is refused: every path raises, and none has begun to write.
fn guarded(run: &Run) -> Verdict {
    let returns = |doubt: bool| run.outcomes.iter().any(|(state, r)| r.is_ok() && state.effect.doubt == doubt);
    let begun = |certain: bool| run.log.writes.values().any(|met| met.certain == certain);
    if returns(false) || begun(true) {
        return Verdict::False;
    }
    let unclear = run.exhausted.is_some() || run.log.unseen_code || returns(true) || begun(false);
    // A run that neither returns nor raises is no refusal.
    if unclear || run.outcomes.is_empty() { Verdict::Unknown } else { Verdict::True }
}

fn all_of(verdicts: &[Verdict]) -> Verdict {
    if verdicts.contains(&Verdict::False) {
        Verdict::False
    } else if verdicts.is_empty() || verdicts.contains(&Verdict::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::True
    }
}

/// An entry as found.
struct Entry {
    spot: Spot,
    callable: Value,
    written: Rc<Function>,
    class: Option<ClassId>,
    kind: ClosureKind,
}

fn find_entry(interp: &mut Interp<'_>, phase: &PhaseConfig) -> Result<Entry, Failure> {
    let missing = |what: String| (what, None);
    let (module_name, qualified) = phase.entry.split_once(':').unwrap_or((&phase.entry, ""));
    let Some(module) = interp.tree.module(module_name) else {
        return Err(missing(format!("the entry's module {module_name} is not in the tree")));
    };
    if let Err(failure) = interp.tree.file(module).parsed() {
        let spot = Spot { module, at: failure.at };
        return Err((format!("the entry's module is not understood: {}", failure.reason), Some(spot)));
    }
    interp.begin();
    interp.load_all(module);
    if let Some(reason) = interp.exhausted.take() {
        return Err((format!("the imports of {module_name} were not followed to their end: {reason}"), None));
    }
    let mut parts = qualified.split('.');
    let first: Name = parts.next().unwrap_or("").into();
    let not_there = || (format!("{} has no {qualified}", module_name), Some(Spot { module, at: 0 }));
    let mut value = interp.base.global(Home::Module(module), &first).cloned().ok_or_else(not_there)?;
    let mut class = None;
    for part in parts {
        let Value::Class(id) = value else {
            return Err((format!("{qualified} does not lead through a class"), Some(Spot { module, at: 0 })));
        };
        class = Some(id);
        value = member(interp, id, part).ok_or_else(not_there)?;
    }
    let not_followed = || (format!("{qualified} is no function that can be followed"), Some(Spot { module, at: 0 }));
    let closure = first_closure(interp, &value).ok_or_else(not_followed)?;
    let last: &str = qualified.rsplit('.').next().unwrap_or(qualified);
    let (written, home) = written(interp, module, class, last).unwrap_or((closure.function.clone(), closure.module));
    let spot = Spot { module: home, at: written.at };
    Ok(Entry { spot, callable: value, written, class, kind: closure.kind })
}

fn member(interp: &Interp<'_>, class: ClassId, name: &str) -> Option<Value> {
    interp.class(class).line.iter().find_map(|id| interp.class(*id).members.get(name).cloned())
}

/// The function that an entry is, or that it wraps at once.
fn first_closure(interp: &Interp<'_>, value: &Value) -> Option<Rc<Closure>> {
    let _ = interp;
    match value {
        Value::Function(closure) => Some(closure.clone()),
        Value::Bound(pair) => first_closure(interp, &pair.1),
        _ => None,
    }
}

/// The function as it is written under the entry's name: its parameters are what callers see.
fn written(
    interp: &Interp<'_>,
    module: ModuleId,
    class: Option<ClassId>,
    name: &str,
) -> Option<(Rc<Function>, ModuleId)> {
    let find = |body: &[super::model::Stmt]| {
        body.iter().rev().find_map(|stmt| match &stmt.kind {
            StmtKind::Function(function) if &*function.name == name => Some(function.clone()),
            _ => None,
        })
    };
    match class {
        Some(class) => interp.class(class).line.iter().find_map(|id| {
            let info = interp.class(*id);
            find(&info.definition.body).map(|function| (function, info.module))
        }),
        None => {
            let parsed = interp.tree.file(module).parsed().as_ref().ok()?;
            find(&parsed.body).map(|function| (function, module))
        }
    }
}

/// The mode as a value.
fn mode_value(interp: &mut Interp<'_>, config: &CodePathConfig, literal: &Literal) -> Result<Value, Failure> {
    match (config.mode.kind, literal) {
        (ModeKind::String, Literal::Text(text)) => Ok(Value::Text(text.as_str().into())),
        (ModeKind::Bool, Literal::Bool(value)) => Ok(Value::Bool(*value)),
        (ModeKind::Enum, Literal::Text(member_name)) => {
            let missing = |what: &str| (format!("the mode {}.{member_name}: {what}", config.mode.name), None);
            let parts: Vec<&str> = config.mode.name.split('.').collect();
            let found = (1..parts.len())
                .rev()
                .find_map(|n| interp.tree.module(&parts[..n].join(".")).map(|module| (module, parts[n..].to_vec())));
            let (module, rest) = found.ok_or_else(|| missing("its module is not in the tree"))?;
            interp.load(module);
            let first: Name = rest[0].into();
            let mut value = interp.base.global(Home::Module(module), &first).cloned();
            for part in &rest[1..] {
                value = match value {
                    Some(Value::Class(id)) => member(interp, id, part),
                    _ => None,
                };
            }
            let Some(Value::Class(class)) = value else { return Err(missing("there is no such class")) };
            let members = interp.class(class).enumeration.clone().unwrap_or_default();
            let found = members.iter().find(|(name, ..)| **name == **member_name);
            found
                .map(|(_, _, first)| Value::Member(class, first.clone()))
                .ok_or_else(|| missing("the enumeration has no such member"))
        }
        (ModeKind::String | ModeKind::Enum, Literal::Bool(_)) | (ModeKind::Bool, Literal::Text(_)) => {
            Err(("the mode's value does not fit its kind".to_owned(), None))
        }
    }
}

/// Follows every path of one run.
fn follow(
    interp: &mut Interp<'_>,
    config: &CodePathConfig,
    phase: &PhaseConfig,
    entry: &Entry,
    mode: &Value,
    switches: Vec<Switch>,
) -> Result<Run, Failure> {
    interp.begin();
    interp.switches = switches;
    let variable = match config.mode.kind {
        ModeKind::String | ModeKind::Bool => split(interp.tree, &config.mode.name),
        ModeKind::Enum => None,
    };
    if let Some((module, _)) = &variable {
        interp.load(*module);
    }
    interp.mode_variable = variable.map(|(module, name)| ((module, name.as_str().into()), mode.clone()));
    if phase.carrier.is_empty() && interp.mode_variable.is_none() {
        return Err(("no carrier says where the mode enters".to_owned(), Some(entry.spot)));
    }
    let state = interp.base.clone().without_effect();
    let starts = interp.starts(state, entry.class, entry.kind, &entry.written, entry.spot.module);
    let mut outcomes: Evaled = Vec::new();
    let mut carried = phase.carrier.is_empty();
    for (mut state, mut arguments) in starts {
        let set = phase.carrier.is_empty() || carry(interp, &mut state, &entry.written, &mut arguments, phase, mode);
        if !set {
            continue;
        }
        carried = true;
        let called = interp.call(state, &entry.callable, arguments, entry.spot);
        for (state, result) in called {
            match result {
                Ok(value) => outcomes.extend(drive(interp, state, value, phase.drive, entry.spot)),
                Err(exc) => outcomes.push((state, Err(exc))),
            }
        }
    }
    if !carried {
        return Err((format!("the entry has no {} that could carry the mode", phase.carrier), Some(entry.spot)));
    }
    let log = std::mem::take(&mut interp.log);
    Ok(Run { outcomes, log, exhausted: interp.exhausted.take() })
}

/// Puts the mode where the carrier says. False when these arguments cannot carry it.
fn carry(
    interp: &mut Interp<'_>,
    state: &mut State,
    written: &Function,
    arguments: &mut Arguments,
    phase: &PhaseConfig,
    mode: &Value,
) -> bool {
    let parts: Vec<&str> = phase.carrier.split('.').collect();
    let root = parts[0];
    let position = written
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter.kind, ParameterKind::Position | ParameterKind::Either))
        .position(|parameter| &*parameter.name == root);
    let slot = match position {
        Some(index) => arguments.positions.get_mut(index),
        None => arguments.names.iter_mut().find(|(name, _)| &**name == root).map(|(_, value)| value),
    };
    let Some(slot) = slot else { return false };
    if parts.len() == 1 {
        *slot = mode.clone();
        return true;
    }
    let mut value = slot.clone();
    for part in &parts[1..parts.len() - 1] {
        let name: Name = (*part).into();
        let Some(next) = interp.part(state, &value, &name) else { return false };
        value = next;
    }
    let last: Name = parts[parts.len() - 1].into();
    interp.pin(state, &value, &last, mode)
}

/// Drives what the entry gave to its end.
fn drive(interp: &mut Interp<'_>, mut state: State, value: Value, drive: Drive, spot: Spot) -> Evaled {
    let suspended: Option<Rc<Suspended>> = match &value {
        Value::Suspended(suspended) => Some(suspended.clone()),
        _ => None,
    };
    match (drive, suspended) {
        (Drive::Call, _) => vec![(state, Ok(value))],
        (Drive::Await | Drive::Exhaust, Some(suspended)) => interp.resume(state, &suspended),
        (Drive::Await | Drive::Exhaust, None) => {
            interp.not_driven(&mut state, spot);
            vec![(state, Ok(value))]
        }
    }
}

impl Interp<'_> {
    /// The ways in which an entry may be called: one for each alternative of its arguments, the receiver first.
    fn starts(
        &mut self,
        mut state: State,
        class: Option<ClassId>,
        kind: ClosureKind,
        written: &Rc<Function>,
        module: ModuleId,
    ) -> Vec<(State, Arguments)> {
        let receiver = match (class, kind) {
            (Some(class), ClosureKind::Plain | ClosureKind::Context | ClosureKind::Cached | ClosureKind::Property) => {
                Some(self.receiver(&mut state, class))
            }
            (Some(class), ClosureKind::OfClass) => Some(Value::Class(class)),
            (Some(_), ClosureKind::Static) | (None, _) => None,
        };
        let given = self.entry_arguments(&mut state, written, module, receiver);
        let mut all = vec![Arguments { open: given.open, ..Arguments::default() }];
        for value in &given.positions {
            let each = value.alternatives();
            all = all
                .iter()
                .flat_map(|arguments| {
                    each.iter().map(|value| {
                        let mut arguments = arguments.clone();
                        arguments.positions.push(value.clone());
                        arguments
                    })
                })
                .collect();
            if all.len() > 32 {
                // Too many to tell apart here: the alternatives stay together from this argument on.
                all.truncate(1);
                let kept = all[0].positions.len();
                all[0].positions = given.positions[..kept].to_vec();
            }
        }
        for arguments in &mut all {
            arguments.names.clone_from(&given.names);
        }
        all.into_iter().map(|arguments| (state.clone(), arguments)).collect()
    }

    /// An attribute on the way to the mode.
    fn part(&mut self, state: &mut State, value: &Value, name: &Name) -> Option<Value> {
        let spot = Spot { module: ModuleId(0), at: 0 };
        let found = self.quietly(|me| me.read_attribute(state.clone(), value, name, spot));
        let (next, value) = found.into_iter().find_map(|(state, result)| result.ok().map(|value| (state, value)))?;
        *state = next;
        Some(value)
    }

    /// Fixes an attribute.
    fn pin(&mut self, state: &mut State, value: &Value, name: &Name, mode: &Value) -> bool {
        match value {
            Value::Object(address) => {
                if !matches!(state.cell(*address), Some(Cell::Instance { .. })) {
                    return false;
                }
                self.fill_instance(state, *address);
                self.pinned.insert((*address, name.clone()));
                self.put_field(state, *address, name, mode.clone());
                true
            }
            Value::Unseen(unseen) => {
                self.put_seen(state, unseen.id, name, mode.clone());
                true
            }
            _ => false,
        }
    }
}

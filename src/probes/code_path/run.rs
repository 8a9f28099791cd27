//! One run of one phase: the entry is found, called with any arguments of the declared types and the mode
//! where the carrier says, and driven to its end.

use std::rc::Rc;

use super::config::{CodePathConfig, Drive, Literal, ModeKind, PhaseConfig};
use super::interp::{Evaled, GivenUp, Interp, Log, NARROW, Switch, WIDTH};
use super::model::{Const, ExprKind, Function, Name, Parameter, ParameterKind, Stmt, StmtKind};
use super::phase::split;
use super::state::{Home, State};
use super::tree::Resolution;
use super::value::{Arguments, Cell, ClassId, Closure, ClosureKind, ModuleId, Spot, Suspended, Value};

/// What the paths of a run did.
pub struct Run {
    /// How they ended.
    pub outcomes: Evaled,
    /// What was met on them.
    pub log: Log,
    /// Why they were not followed to their end, if they were not.
    pub exhausted: Option<GivenUp>,
    /// Whether paths were merged so early that what no single path does may be among them.
    pub narrow: bool,
}

/// Why a run could not be begun.
#[derive(Debug)]
pub struct Failure {
    /// In words.
    pub reason: String,
    /// Where.
    pub spot: Option<Spot>,
    /// What kind of a failure it is.
    pub kind: FailureKind,
}

/// What kind of a failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The tree certainly has no such entry.
    Absent,
    /// It cannot be seen, or not be followed.
    Unseen,
    /// The time was over.
    Time,
}

impl Failure {
    fn new(kind: FailureKind, reason: impl Into<String>, spot: Option<Spot>) -> Self {
        Self { reason: reason.into(), spot, kind }
    }

    fn unseen(reason: impl Into<String>, spot: Option<Spot>) -> Self {
        Self::new(FailureKind::Unseen, reason, spot)
    }
}

impl From<GivenUp> for Failure {
    fn from(why: GivenUp) -> Self {
        let kind = if why.in_time { FailureKind::Time } else { FailureKind::Unseen };
        Self::new(kind, why.reason, why.spot)
    }
}

/// An entry as found.
pub struct Entry {
    /// Where it is written.
    pub spot: Spot,
    callable: Value,
    written: Rc<Function>,
    class: Option<ClassId>,
    kind: ClosureKind,
}

/// Finds the entry of a phase.
///
/// # Errors
/// Why it cannot be followed.
pub fn find_entry(interp: &mut Interp<'_>, phase: &PhaseConfig) -> Result<Entry, Failure> {
    let (module_name, qualified) = phase.entry.split_once(':').unwrap_or((&phase.entry, ""));
    let module = match interp.tree.resolve(module_name, None) {
        Resolution::Module(module) => module,
        Resolution::Gone(reason) if !interp.tree.is_missing(module_name) => {
            return Err(Failure::unseen(format!("the entry's module: {reason}"), None));
        }
        Resolution::Gone(_) | Resolution::Folder | Resolution::Outside => {
            let reason = format!("the entry's module {module_name} is not in the tree");
            return Err(Failure::new(FailureKind::Absent, reason, None));
        }
    };
    let start = Some(Spot { module, at: 0 });
    if let Err(failure) = interp.tree.file(module).parsed() {
        let spot = Some(Spot { module, at: failure.at });
        return Err(Failure::unseen(format!("the entry's module is not understood: {}", failure.reason), spot));
    }
    interp.begin();
    interp.load_all(module);
    if let Some(why) = interp.exhausted.take() {
        let reason = format!("the imports of {module_name} were not followed to their end: {}", why.reason);
        return Err(Failure { reason, ..why.into() });
    }
    let mut parts = qualified.split('.');
    let first: Name = parts.next().unwrap_or("").into();
    let not_there = |whole: bool| {
        let kind = if whole { FailureKind::Absent } else { FailureKind::Unseen };
        Failure::new(kind, format!("{module_name} has no {qualified}"), start)
    };
    let whole = interp.binds_whole(module);
    let mut value = interp.base.global(Home::Module(module), &first).cloned().ok_or_else(|| not_there(whole))?;
    let mut class = None;
    for part in parts {
        let Value::Class(id) = value else {
            return Err(Failure::unseen(format!("{qualified} does not lead through a class"), start));
        };
        class = Some(id);
        value = member(interp, id, part).ok_or_else(|| not_there(interp.class(id).veiled.is_none()))?;
    }
    let not_followed = || Failure::unseen(format!("{qualified} is no function that can be followed"), start);
    let closure = first_closure(&value).ok_or_else(not_followed)?;
    let last: &str = qualified.rsplit('.').next().unwrap_or(qualified);
    let (written, home) = written(interp, module, class, last).unwrap_or((closure.function.clone(), closure.module));
    let spot = Spot { module: home, at: written.at };
    Ok(Entry { spot, callable: value, written, class, kind: closure.kind })
}

fn member(interp: &Interp<'_>, class: ClassId, name: &str) -> Option<Value> {
    interp.class(class).line.iter().find_map(|id| interp.class(*id).members.get(name).cloned())
}

/// The function that an entry is, or that it wraps at once.
fn first_closure(value: &Value) -> Option<Rc<Closure>> {
    match value {
        Value::Function(closure) => Some(closure.clone()),
        Value::Bound(pair) => first_closure(&pair.1),
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
    let find = |body: &[Stmt]| {
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
pub fn mode_value(interp: &mut Interp<'_>, config: &CodePathConfig, literal: &Literal) -> Result<Value, Failure> {
    match (config.mode.kind, literal) {
        (ModeKind::String, Literal::Text(text)) => Ok(Value::Text(text.as_str().into())),
        (ModeKind::Bool, Literal::Bool(value)) => Ok(Value::Bool(*value)),
        (ModeKind::Enum, Literal::Text(member_name)) => {
            let missing =
                |what: &str| Failure::unseen(format!("the mode {}.{member_name}: {what}", config.mode.name), None);
            let parts: Vec<&str> = config.mode.name.split('.').collect();
            let found = (1..parts.len())
                .rev()
                .find_map(|n| interp.tree.module(&parts[..n].join(".")).map(|module| (module, parts[n..].to_vec())));
            let (module, rest) = found.ok_or_else(|| missing("its module is not in the tree"))?;
            interp.load(module);
            if let Some(why) = interp.exhausted.take() {
                return Err(why.into());
            }
            let first: Name = rest[0].into();
            let mut value = interp.base.global(Home::Module(module), &first).cloned();
            for part in &rest[1..] {
                value = match value {
                    Some(Value::Class(id)) => member(interp, id, part),
                    _ => None,
                };
            }
            let Some(Value::Class(class)) = value else { return Err(missing("there is no such class")) };
            let members = interp.class(class).enumeration.clone();
            let members = members.ok_or_else(|| missing("the class is not known to be an enumeration with members"))?;
            let found = members.iter().find(|(name, ..)| **name == **member_name);
            found
                .map(|(_, _, first)| Value::Member(class, first.clone()))
                .ok_or_else(|| missing("the enumeration has no such member"))
        }
        (ModeKind::String | ModeKind::Enum, Literal::Bool(_)) | (ModeKind::Bool, Literal::Text(_)) => {
            Err(Failure::unseen("the mode's value does not fit its kind", None))
        }
    }
}

/// That no carrier is given, with one to write: the parameter whose declared type is the mode's, else what the others are.
fn no_carrier(entry: &Entry, mode: &str) -> String {
    let class = mode.rsplit('.').next().unwrap_or(mode);
    let is_mode = |parameter: &&Parameter| match parameter.annotation.as_ref().map(|annotation| &annotation.kind) {
        Some(ExprKind::Name(name) | ExprKind::Attribute(_, name)) => &**name == class,
        Some(ExprKind::Const(Const::Text(text))) => &**text == class,
        Some(_) | None => false,
    };
    let parameters = &entry.written.parameters;
    let example = match parameters.iter().find(is_mode) {
        Some(parameter) => format!("write --carrier {}, or carrier = \"{}\"", parameter.name, parameter.name),
        None => {
            let others = parameters.iter().map(|parameter| &*parameter.name).filter(|name| *name != "self");
            let others = others.collect::<Vec<_>>().join(", ");
            let others = if others.is_empty() {
                "there is no parameter".to_owned()
            } else {
                format!("the parameters are {others}")
            };
            format!("name it with --carrier, or as carrier, such as mode, ctx.mode or self.mode; {others}")
        }
    };
    format!("no carrier says where the mode enters: {example}")
}

/// Follows every path of one run. Where there are too many, they are merged early: what then holds on all of them holds for
/// the run; what only some of them do counts where it was met before.
///
/// # Errors
/// Why no path can be followed.
pub fn follow(
    interp: &mut Interp<'_>,
    config: &CodePathConfig,
    phase: &PhaseConfig,
    entry: &Entry,
    mode: &Value,
    switches: Vec<Switch>,
) -> Result<Run, Failure> {
    let wide = follow_all(interp, config, phase, entry, mode, switches.clone())?;
    if wide.exhausted.as_ref().is_none_or(|why| why.in_time) {
        return Ok(wide);
    }
    interp.width = NARROW;
    let narrow = follow_all(interp, config, phase, entry, mode, switches);
    interp.width = WIDTH;
    Ok(match narrow {
        Ok(run) if run.exhausted.is_none() => Run { log: run.log.doubted_beside(wide.log), narrow: true, ..run },
        Ok(_) | Err(_) => wide,
    })
}

fn follow_all(
    interp: &mut Interp<'_>,
    config: &CodePathConfig,
    phase: &PhaseConfig,
    entry: &Entry,
    mode: &Value,
    switches: Vec<Switch>,
) -> Result<Run, Failure> {
    interp.begin();
    interp.switches = switches;
    let homes: Vec<ModuleId> = interp.switches.iter().map(|switch| switch.at.0).collect();
    homes.into_iter().for_each(|home| interp.load(home));
    let variable = match config.mode.kind {
        ModeKind::String | ModeKind::Bool => split(interp.tree, &config.mode.name),
        ModeKind::Enum => None,
    };
    if let Some((module, _)) = &variable {
        interp.load(*module);
    }
    interp.mode_variable = variable.map(|(module, name)| ((module, name.as_str().into()), mode.clone()));
    if phase.carrier.is_empty() && interp.mode_variable.is_none() {
        return Err(Failure::unseen(no_carrier(entry, &config.mode.name), Some(entry.spot)));
    }
    let mut state = interp.base.clone().without_effect();
    interp.taint_by_imports(&mut state, entry.spot.module);
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
    let exhausted = interp.exhausted.take();
    match (carried, exhausted.is_none() && outcomes.is_empty()) {
        (true, false) => {}
        // Nothing returns and nothing raises: what was lost on the way could have done anything.
        (true, true) => return Err(Failure::unseen("no run could be followed to its end", Some(entry.spot))),
        (false, _) => {
            return Err(match exhausted {
                Some(why) => why.into(),
                None => {
                    let reason = format!("the entry has no {} that could carry the mode", phase.carrier);
                    Failure::unseen(reason, Some(entry.spot))
                }
            });
        }
    }
    let log = std::mem::take(&mut interp.log);
    Ok(Run { outcomes, log, exhausted, narrow: false })
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
            (
                Some(class),
                ClosureKind::Plain
                | ClosureKind::Context
                | ClosureKind::Cached
                | ClosureKind::Remembered
                | ClosureKind::Property,
            ) => Some(self.receiver(&mut state, class)),
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

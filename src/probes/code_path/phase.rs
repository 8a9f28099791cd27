//! One phase: its entry is found, its runs are followed under (mode, switch), and the three questions
//! are answered from what the paths did. An answer that opens the gate needs every path to agree.

use std::collections::BTreeSet;

use super::config::{CodePathConfig, PhaseConfig, SwitchKind};
use super::interp::{GivenUp, Interp, Met, Switch};
use super::model::{Name, Stmt, StmtKind, Target};
use super::run::{Failure, FailureKind, Run, find_entry, follow, mode_value};
use super::state::{Done, Home};
use super::tree::Tree;
use super::value::{ModuleId, Spot, Value};

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
    /// Whether the tree certainly has no such entry.
    pub absent: bool,
    /// Whether some of it was not followed because the time was over.
    pub out_of_time: bool,
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

impl PhaseFinding {
    /// Nothing is known.
    fn nothing() -> Self {
        Self {
            entry: None,
            absent: false,
            out_of_time: false,
            live_branch: false,
            live_write: LiveWrite::Unknown,
            simulator_reachable: Verdict::Unknown,
            guarded: Verdict::Unknown,
            mode_test: None,
            writes: Vec::new(),
            simulators: Vec::new(),
            blocked_by: Vec::new(),
            entered: BTreeSet::new(),
        }
    }

    /// A run could not be begun, or not be followed to its end.
    fn fail(&mut self, failure: Failure) {
        self.absent |= failure.kind == FailureKind::Absent;
        self.out_of_time |= failure.kind == FailureKind::Time;
        self.blocked_by.push((failure.reason, failure.spot));
    }

    /// Nothing is known, for this reason.
    pub fn doubt(reason: String) -> Self {
        Self { blocked_by: vec![(reason, None)], ..Self::nothing() }
    }
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
                Some(Value::Bool(value)) if !is_function && !interp.is_cut(module) => Some(*value),
                _ => None,
            };
            SwitchFinding { at, value, spot }
        })
        .collect()
}

/// The module of a dotted name and the rest of it, where the rest is one name.
pub fn split(tree: &Tree, dotted: &str) -> Option<(ModuleId, String)> {
    let (module, name) = dotted.rsplit_once('.')?;
    tree.module(module).map(|id| (id, name.to_owned()))
}

/// Where a module binds a name at its top.
fn binding(tree: &Tree, module: ModuleId, name: &str, function: bool) -> Option<Spot> {
    let parsed = tree.file(module).parsed().as_ref().ok()?;
    let mut found = None;
    let mut work: Vec<&Stmt> = parsed.body.iter().rev().collect();
    while let Some(stmt) = work.pop() {
        let binds =
            |targets: &[Target]| targets.iter().any(|target| matches!(target, Target::Name(each) if &**each == name));
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
    let mut finding = PhaseFinding::nothing();
    let entry = match find_entry(interp, phase) {
        Ok(entry) => entry,
        Err(failure) => {
            finding.fail(failure);
            return finding;
        }
    };
    finding.entry = Some(entry.spot);
    let modes = [&config.mode.live, &config.mode.dry].map(|literal| mode_value(interp, config, literal));
    let [live, dry] = match modes {
        [Ok(live), Ok(dry)] => [live, dry],
        [Err(failure), _] | [_, Err(failure)] => {
            finding.fail(failure);
            return finding;
        }
    };
    if live == dry {
        finding.blocked_by.push(("the live and the dry mode are one member of the enumeration".to_owned(), None));
        return finding;
    }
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
            finding.fail(failure);
            return finding;
        }
    };
    finding.live_write = live_write(&live_run);
    finding.simulator_reachable = simulator_reachable(&live_run);
    let mut blocked: BTreeSet<(Spot, String)> = live_run.log.blocked.clone();
    let mut given_up: Vec<GivenUp> = live_run.exhausted.iter().cloned().collect();
    let mut reasons: Vec<String> = Vec::new();
    let mut verdicts = Vec::new();
    for index in 0..known.len() {
        match follow(interp, config, phase, &entry, &live, on(Some(index))) {
            Ok(run) => {
                verdicts.push(guarded(&run));
                blocked.extend(run.log.blocked.iter().cloned());
                given_up.extend(run.exhausted.iter().cloned());
            }
            Err(failure) => finding.fail(failure),
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
    // A run that was given up knows the least: its reason comes first.
    given_up.dedup_by(|one, other| one.reason == other.reason);
    given_up.into_iter().for_each(|why| finding.fail(why.into()));
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
    if (returns(false) && !run.narrow) || begun(true) {
        return Verdict::False;
    }
    let unclear = run.exhausted.is_some() || run.log.unseen_code || returns(true) || returns(false) || begun(false);
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

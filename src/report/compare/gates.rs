//! Gates beside each other: states, reasons, checks, and the facts that these rest on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::evidence::{SourceChange, sources_between};
use super::facts::{FactChange, changes as fact_changes, timeless};
use super::{Pair, Proved};
use crate::evidence::{Fact, Observation};
use crate::gates::{Check, CheckFinding, CheckOutcome, Finding as GateFinding, GapState, Gate, Tier};
use crate::package::PACKAGE_FILE;

/// How a gate's findings compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The gate is in NEW only.
    New,
    /// The gate is in OLD only.
    Gone,
    /// Its gap has another state.
    State,
    /// The state is the same, and the reason or a check is not.
    Reason,
    /// The finding is the same, and facts that it rests on are not.
    Facts,
    /// Only instants differ.
    Instants,
    /// Nothing differs.
    Same,
}

impl Finding {
    /// Every kind, in the order in which they matter.
    pub const ALL: [Self; 7] =
        [Self::State, Self::New, Self::Gone, Self::Reason, Self::Facts, Self::Instants, Self::Same];
}

/// One gate in both audits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateChange {
    /// The gate.
    pub id: String,
    /// How its findings compare.
    pub finding: Finding,
    /// The gap that it closes.
    pub gap: Pair<Option<String>>,
    /// Its state.
    pub state: Pair<Option<GapState>>,
    /// Why.
    pub reason: Pair<Option<String>>,
    /// The checks whose outcome or words changed, in the gate's order.
    pub checks: Vec<CheckChange>,
    /// Every part of a fact that the gate's checks rest on and that is not the same.
    pub facts: Vec<FactChange>,
    /// Where these facts were read.
    pub read: Vec<ReadFrom>,
}

/// One check in both audits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckChange {
    /// The check.
    pub id: String,
    /// What its failure means.
    pub tier: Tier,
    /// Its answer.
    pub outcome: Pair<Option<CheckOutcome>>,
    /// What was found, in the gate's words.
    pub detail: Pair<Option<String>>,
    /// The paths of the changed facts that it rests on, among the gate's `facts`. Where only instants differ, these.
    pub facts: Vec<String>,
}

/// Where the facts of one of a gate's variables were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadFrom {
    /// The variable, as the facts' paths begin.
    pub variable: String,
    /// The kind of probe, or the package file.
    pub probe: String,
    /// Whether the probe was given other settings, so that another question was asked.
    pub asked_differently: bool,
    /// The sources whose reading is not the same; all of them where none differs.
    pub sources: Vec<SourceChange>,
}

/// Every gate of either audit.
pub fn changes(old: &Proved, new: &Proved) -> Vec<GateChange> {
    let gone = old.loaded.gates.iter().filter(|gate| of(new, &gate.id).is_none());
    let ids = new.loaded.gates.iter().chain(gone).map(|gate| gate.id.as_str());
    ids.map(|id| change(id, of(old, id), of(new, id))).collect()
}

/// A gate with what was found and read.
struct Judged<'a> {
    audit: &'a Proved,
    gate: &'a Gate,
    finding: &'a GateFinding,
    variables: BTreeMap<String, Fact>,
}

fn of<'a>(audit: &'a Proved, id: &str) -> Option<Judged<'a>> {
    let gate = audit.loaded.gates.iter().find(|gate| gate.id == id)?;
    let finding = audit.dossier.gates.iter().map(|view| &view.finding).find(|finding| finding.id == id)?;
    let mut variables: BTreeMap<String, Fact> =
        audit.loaded.package.variables().into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect();
    variables.insert("now".to_owned(), Fact::Time(audit.recorded.evidence.now));
    Some(Judged { audit, gate, finding, variables })
}

impl Judged<'_> {
    fn observation(&self, variable: &str) -> Option<&Observation> {
        self.audit.recorded.evidence.probes.get(&self.gate.probes.get(variable)?.id)
    }

    /// The fact at a dotted path from a variable; where one is missing on the way, that one.
    fn fact(&self, path: &str) -> Option<&Fact> {
        let mut parts = path.split('.');
        let variable = parts.next()?;
        let mut at = match self.observation(variable) {
            Some(observation) => &observation.facts,
            None => self.variables.get(variable)?,
        };
        for part in parts {
            if matches!(at, Fact::Missing(_)) {
                break;
            }
            at = at.get(part)?;
        }
        Some(at)
    }

    fn check(&self, id: &str) -> Option<(&Check, &CheckFinding)> {
        let check = self.gate.checks.iter().find(|check| check.id == id)?;
        Some((check, self.finding.checks.iter().find(|finding| finding.id == id)?))
    }

    /// The gate's rules and the package's parameters, as their files say them.
    fn rules(&self) -> Vec<Option<&[u8]>> {
        let files = &self.audit.loaded.files;
        [self.gate.file.as_str(), PACKAGE_FILE].iter().map(|name| files.get(*name).map(Vec::as_slice)).collect()
    }
}

/// What a check rests on, as dotted paths: what it cites, what its rule and its words read.
fn rests_on(check: &Check) -> BTreeSet<String> {
    let mut paths: BTreeSet<String> = check.cites.iter().cloned().collect();
    paths.extend(check.require.reads());
    paths.extend(check.otherwise.reads());
    // What lies below another path is compared with it.
    let within = |path: &String| {
        let above = path.match_indices('.').any(|(at, _)| paths.contains(&path[..at]));
        !above
    };
    paths.iter().filter(|path| within(path)).cloned().collect()
}

fn change(id: &str, old: Option<Judged<'_>>, new: Option<Judged<'_>>) -> GateChange {
    let checks = new.iter().chain(&old).flat_map(|judged| &judged.gate.checks);
    let mut order: Vec<&str> = Vec::new();
    checks.for_each(|check| {
        if !order.contains(&check.id.as_str()) {
            order.push(&check.id);
        }
    });
    // Many checks rest on the same facts, and each of these is compared once.
    let mut known = BTreeMap::new();
    let compared: Vec<_> = match (&old, &new) {
        (Some(old), Some(new)) => order.iter().map(|id| compare(id, old, new, &mut known)).collect(),
        (_, _) => Vec::new(),
    };
    let mut facts: Vec<FactChange> = compared.iter().flat_map(|(_, facts)| facts.clone()).collect();
    facts.sort_by(|a, b| a.fact.cmp(&b.fact));
    facts.dedup();
    let read = match (&old, &new) {
        (Some(old), Some(new)) => read(&facts, old, new),
        (_, _) => Vec::new(),
    };
    let side = |judged: &Option<Judged<'_>>| judged.as_ref().map(|judged| judged.finding.clone());
    let (before, after) = (side(&old), side(&new));
    let checks: Vec<CheckChange> = compared.into_iter().filter_map(|(check, _)| check).collect();
    let same_rules = old.as_ref().map(Judged::rules) == new.as_ref().map(Judged::rules);
    let finding = kind(before.as_ref(), after.as_ref(), &checks, &facts, same_rules);
    let of = |finding: &Option<GateFinding>, part: fn(&GateFinding) -> String| finding.as_ref().map(part);
    GateChange {
        id: id.to_owned(),
        finding,
        gap: Pair { old: of(&before, |f| f.gap.clone()), new: of(&after, |f| f.gap.clone()) },
        state: Pair { old: before.as_ref().map(|f| f.state), new: after.as_ref().map(|f| f.state) },
        reason: Pair { old: of(&before, |f| f.reason.clone()), new: of(&after, |f| f.reason.clone()) },
        // Words that differ as their instants do are no change of a check.
        checks: if finding == Finding::Instants { Vec::new() } else { checks },
        facts,
        read,
    }
}

/// One check's part, and the changed facts that it rests on.
fn compare(
    id: &str,
    old: &Judged<'_>,
    new: &Judged<'_>,
    known: &mut BTreeMap<String, Vec<FactChange>>,
) -> (Option<CheckChange>, Vec<FactChange>) {
    let (before, after) = (old.check(id), new.check(id));
    let paths: BTreeSet<String> = before.iter().chain(&after).flat_map(|(check, _)| rests_on(check)).collect();
    let mut facts = Vec::new();
    for path in paths {
        let changes = || fact_changes(&path, old.fact(&path), new.fact(&path));
        facts.extend(known.entry(path.clone()).or_insert_with(changes).iter().cloned());
    }
    facts.sort_by(|a, b| a.fact.cmp(&b.fact));
    facts.dedup();
    let outcome = Pair { old: before.map(|(_, found)| found.outcome), new: after.map(|(_, found)| found.outcome) };
    let words = |side: &Option<(&Check, &CheckFinding)>| side.map(|(_, found)| found.detail.clone());
    let detail = Pair { old: words(&before), new: words(&after) };
    let tier = after.or(before).map(|(check, _)| check.tier);
    let change = tier.filter(|_| outcome.differs() || detail.differs()).map(|tier| {
        let real = facts.iter().any(|change| !change.instants_only);
        let shown = facts.iter().filter(|change| !change.instants_only || !real);
        CheckChange { id: id.to_owned(), tier, outcome, detail, facts: shown.map(|c| c.fact.clone()).collect() }
    });
    (change, facts)
}

fn kind(
    old: Option<&GateFinding>,
    new: Option<&GateFinding>,
    checks: &[CheckChange],
    facts: &[FactChange],
    same_rules: bool,
) -> Finding {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (Some(_), None) => return Finding::Gone,
        (None, Some(_)) | (None, None) => return Finding::New,
    };
    let real = facts.iter().any(|change| !change.instants_only);
    let words = |a: &str, b: &str| a != b && (real || !same_rules || timeless(a) != timeless(b));
    // Where only instants differ an age in a reason is as old as the audit, and says nothing new.
    let aged = same_rules && !real && !facts.is_empty();
    let outcomes = checks.iter().any(|check| check.outcome.differs());
    if old.state != new.state || old.gap != new.gap {
        Finding::State
    } else if outcomes || (words(&old.reason, &new.reason) && !aged) || (!checks.is_empty() && !aged) {
        Finding::Reason
    } else if real {
        Finding::Facts
    } else if !facts.is_empty() {
        Finding::Instants
    } else {
        Finding::Same
    }
}

/// Where the changed facts were read, by the variables that their paths begin with.
fn read(facts: &[FactChange], old: &Judged<'_>, new: &Judged<'_>) -> Vec<ReadFrom> {
    let variables: BTreeSet<&str> = facts.iter().filter_map(|change| change.fact.split(['.', '[']).next()).collect();
    let from = |variable: &str| {
        let (before, after) = (old.observation(variable), new.observation(variable));
        let kind = after.or(before).map(|observation| observation.kind.clone());
        let (probe, sources) = match (kind, variable) {
            (Some(kind), _) => (kind, sources_between(before, after)),
            (None, "now") => return None,
            (None, _) => (PACKAGE_FILE.to_owned(), Vec::new()),
        };
        let settings = |observation: Option<&Observation>| observation.map(|o| (o.kind.clone(), o.settings.clone()));
        let asked_differently = settings(before) != settings(after);
        Some(ReadFrom { variable: variable.to_owned(), probe, asked_differently, sources })
    };
    variables.into_iter().filter_map(from).collect()
}

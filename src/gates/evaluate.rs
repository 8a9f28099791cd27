//! Evaluation: gates × evidence → one finding per gate. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::expr::{Closing, Env, Needed, Outcome, Step, Unknown};
use super::{Check, CheckFinding, CheckOutcome, Finding, GapState, Gate, Tier, state_of};
use crate::evidence::{Evidence, Fact, Missing, MissingState};
use crate::package::Package;

/// Judges every gate. The findings come in the gates' order, exactly one for each.
pub fn evaluate<'a>(gates: impl IntoIterator<Item = &'a Gate>, package: &Package, evidence: &Evidence) -> Vec<Finding> {
    let common = common(package, evidence);
    gates.into_iter().map(|gate| finding(gate, &common, evidence)).collect()
}

/// The parts of every check of a gate with their values, in the gate's order.
pub fn explain(gate: &Gate, package: &Package, evidence: &Evidence) -> Vec<(String, Vec<Step>)> {
    let common = common(package, evidence);
    let env = environment(gate, &common, evidence);
    gate.checks.iter().map(|check| (check.id.clone(), check.require.explain(&env))).collect()
}

/// What must become another for each check of a gate to hold, in the gate's order.
pub fn closing(gate: &Gate, package: &Package, evidence: &Evidence) -> Vec<(String, Closing)> {
    let common = common(package, evidence);
    let env = environment(gate, &common, evidence);
    let mut needed = Needed::new();
    gate.checks.iter().for_each(|check| check.require.needs(&mut needed));
    gate.checks.iter().map(|check| (check.id.clone(), check.require.closing(&env, &needed))).collect()
}

/// The variables of a gate's rules and texts.
fn environment<'a>(gate: &Gate, common: &'a Env<'_>, evidence: &'a Evidence) -> Env<'a> {
    let mut env = common.shared();
    for (name, used) in &gate.probes {
        let facts = match evidence.probes.get(&used.id) {
            Some(observation) => Cow::Borrowed(&observation.facts),
            None => Cow::Owned(not_collected(&used.id.0, &evidence.by)),
        };
        env.variables.insert(name.clone(), facts);
    }
    env
}

/// The variables that every rule and text has: `params`, `paths`, `pkg`, `now`.
pub(super) fn common<'a>(package: &Package, evidence: &Evidence) -> Env<'a> {
    let variables = package.variables().into_iter().map(|(name, fact)| (name.to_owned(), Cow::Owned(fact)));
    let mut variables: BTreeMap<_, _> = variables.collect();
    variables.insert("now".to_owned(), Cow::Owned(Fact::Time(evidence.now)));
    Env { variables }
}

/// What stands in for a probe that the evidence does not hold: law 1, it is unknown.
pub(super) fn not_collected(what: &str, by: &str) -> Fact {
    Fact::from(Missing {
        state: MissingState::Error,
        tried: format!("find {what} in the evidence"),
        by: by.to_owned(),
        said: "the evidence does not hold it".to_owned(),
        next: "run the audit again".to_owned(),
    })
}

fn finding(gate: &Gate, common: &Env<'_>, evidence: &Evidence) -> Finding {
    let env = environment(gate, common, evidence);
    let checks: Vec<_> = gate.checks.iter().map(|check| check_finding(check, gate, &env)).collect();
    let state = state_of(&checks);
    let decides = |tier: Option<Tier>, outcome| {
        checks.iter().find(|check| check.outcome == outcome && tier.is_none_or(|tier| check.tier == tier))
    };
    let deciding = match state {
        // Checks make no gap WAIVED.
        GapState::Closed | GapState::Waived => None,
        GapState::Open => decides(Some(Tier::Essential), CheckOutcome::Fails),
        GapState::Unknown => decides(None, CheckOutcome::Unknown),
        GapState::Partial => decides(Some(Tier::Completing), CheckOutcome::Fails),
    };
    let (reason, next) = match deciding {
        Some(check) => (check.detail.clone(), check.next.clone()),
        None => (gate.closed_text.as_ref().map_or_else(|| gate.title.clone(), |text| text.render(&env)), String::new()),
    };
    Finding {
        id: gate.id.clone(),
        gap: gate.gap.clone(),
        stage: gate.stage.clone(),
        title: gate.title.clone(),
        state,
        reason,
        next,
        checks,
        waiver: None,
    }
}

fn check_finding(check: &Check, gate: &Gate, env: &Env) -> CheckFinding {
    let remedy = || check.next.as_ref().unwrap_or(&gate.remedy).render(env);
    let (outcome, detail, next) = match check.require.judge(env) {
        Outcome::Holds => (CheckOutcome::Holds, String::new(), String::new()),
        Outcome::Fails => (CheckOutcome::Fails, check.otherwise.render(env), remedy()),
        Outcome::Vacuous(why) => (CheckOutcome::Fails, format!("{} ({why})", check.otherwise.render(env)), remedy()),
        Outcome::Unknown(unknown) => {
            let next = unknown.iter().find_map(|unknown| match unknown {
                Unknown::Missing { missing, .. } => Some(missing.next.clone()),
                Unknown::Error(_) => None,
            });
            (CheckOutcome::Unknown, unknown_text(&unknown), next.unwrap_or_else(remedy))
        }
    };
    let locations = match (&check.at, outcome) {
        (Some(at), CheckOutcome::Fails | CheckOutcome::Unknown) => super::location::locations(at.fact(env).as_ref()),
        (None, _) | (Some(_), CheckOutcome::Holds) => Vec::new(),
    };
    CheckFinding { id: check.id.clone(), tier: check.tier, outcome, detail, next, locations }
}

/// The first reasons of an unknown, and how many more there are.
fn unknown_text(unknown: &[Unknown]) -> String {
    const SHOWN: usize = 2;
    let mut texts: Vec<_> = unknown.iter().take(SHOWN).map(ToString::to_string).collect();
    if unknown.len() > SHOWN {
        texts.push(format!("and {} more", unknown.len() - SHOWN));
    }
    format!("cannot be told: {}", texts.join("; "))
}

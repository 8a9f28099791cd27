//! `text`: what an operator looks at. Changed states first, the rest shorter.

use std::fmt::Write as _;

use super::facts::FactChange;
use super::gates::{CheckChange, Finding, GateChange};
use super::shown::{first, reading, value, word};
use super::{AuditSide, Comparison, ResultSide, SourceChange, facts::quoted};
use crate::gates::{AttestationStatus, CheckOutcome, GapState};
use crate::report::escape::terminal;

/// A comparison for a terminal.
pub fn text(comparison: &Comparison) -> String {
    let mut out = String::new();
    let audit = |name: &str, side: &AuditSide, result: &ResultSide| {
        let (folder, by) = (terminal(&side.folder), terminal(&side.by));
        let (letter, label, signed) = (result.letter, terminal(&result.label), terminal(&side.signed));
        format!("{name}  {folder} · {} · read by {by} · {letter} — {label}\n     {signed}\n", side.utc)
    };
    out.push_str(&audit("OLD", &comparison.audits.old, &comparison.result.old));
    out.push_str(&audit("NEW", &comparison.audits.new, &comparison.result.new));
    comparison.remarks.iter().for_each(|remark| line(&mut out, "note: ", remark));
    rules(&mut out, comparison);
    out.push('\n');
    for kind in Finding::ALL {
        let gates: Vec<_> = comparison.gates.iter().filter(|gate| gate.finding == kind).collect();
        if gates.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{}: {}", heading(kind), gates.len());
        match kind {
            Finding::Same | Finding::Instants => {
                let names: Vec<_> = gates.iter().map(|gate| unchanged(gate)).collect();
                let _ = writeln!(out, "  {}", names.join(", "));
            }
            Finding::State | Finding::New | Finding::Gone | Finding::Reason | Finding::Facts => {
                gates.iter().for_each(|gate| whole(&mut out, gate));
            }
        }
        out.push('\n');
    }
    section(&mut out, "waivers that are not the same", &comparison.waivers, |change| change.said());
    for row in &comparison.attestation {
        let (old, new) = (word(row.status.old, AttestationStatus::word), word(row.status.new, AttestationStatus::word));
        let _ = writeln!(out, "attestation: {}: {old} → {new}", terminal(&row.action));
    }
    let measures: Vec<_> = comparison.measures.iter().filter(|change| !change.instants_only).collect();
    section(&mut out, "measured invariants that are not the same", &measures, |change| {
        format!("{}: {} → {}", change.fact, value(change.old.as_ref()), value(change.new.as_ref()))
    });
    let evidence = &comparison.evidence;
    section(&mut out, "asked in NEW only", &evidence.questions_new, |question| question.clone());
    section(&mut out, "asked in OLD only", &evidence.questions_vanished, |question| question.clone());
    for (title, list) in [
        ("read in NEW only", &evidence.new),
        ("read in OLD only", &evidence.vanished),
        ("read with other content", &evidence.changed),
    ] {
        section(&mut out, title, list, |source: &SourceChange| {
            format!("{}: {}", quoted(&source.what), reading(source))
        });
    }
    out.push_str(&summary(comparison));
    out
}

fn heading(kind: Finding) -> &'static str {
    match kind {
        Finding::State => "gates whose state changed",
        Finding::New => "gates in NEW only",
        Finding::Gone => "gates in OLD only",
        Finding::Reason => "gates in the same state for another reason",
        Finding::Facts => "gates with the same finding over other facts",
        Finding::Instants => "gates that differ by instants only",
        Finding::Same => "gates that are the same",
    }
}

fn unchanged(gate: &GateChange) -> String {
    format!("{} {}", terminal(&gate.id), word(gate.state.new, GapState::word))
}

/// A line of its own, made harmless.
fn line(out: &mut String, before: &str, text: &str) {
    let _ = writeln!(out, "{before}{}", terminal(text));
}

fn rules(out: &mut String, comparison: &Comparison) {
    let rules = &comparison.rules;
    for (what, names) in [("changed", &rules.changed), ("new", &rules.added), ("gone", &rules.removed)] {
        if !names.is_empty() {
            line(out, &format!("rules {what}: "), &names.join(", "));
        }
    }
}

fn whole(out: &mut String, gate: &GateChange) {
    let (old, new) = (word(gate.state.old, GapState::word), word(gate.state.new, GapState::word));
    let states = if old == new { new.to_owned() } else { format!("{old} → {new}") };
    let gap = |gap: &Option<String>| gap.as_deref().map(terminal).unwrap_or_default();
    let gaps = match (gap(&gate.gap.old), gap(&gate.gap.new)) {
        (old, new) if old.is_empty() || old == new => new,
        (old, new) if new.is_empty() => old,
        (old, new) => format!("{old} → {new}"),
    };
    let _ = writeln!(out, "  {} ({gaps}): {states}", terminal(&gate.id));
    if gate.reason.old == gate.reason.new {
        gate.reason.new.iter().for_each(|reason| line(out, "    why: ", reason));
    } else {
        gate.reason.old.iter().for_each(|reason| line(out, "    was: ", reason));
        gate.reason.new.iter().for_each(|reason| line(out, "    now: ", reason));
    }
    let mut said = Vec::new();
    for check in &gate.checks {
        outcome(out, check);
        let resting: Vec<_> = gate.facts.iter().filter(|change| check.facts.contains(&change.fact)).collect();
        let (fresh, known): (Vec<_>, Vec<_>) = resting.into_iter().partition(|change| !said.contains(&&change.fact));
        facts(out, &fresh);
        if !known.is_empty() {
            let _ = writeln!(out, "      rests on {} of the changed facts above", known.len());
        }
        said.extend(fresh.iter().map(|change| &change.fact));
    }
    let rest: Vec<_> =
        gate.facts.iter().filter(|change| !change.instants_only && !said.contains(&&change.fact)).collect();
    if !rest.is_empty() {
        out.push_str("    facts of checks that answer as before\n");
        facts(out, &rest);
        said.extend(rest.iter().map(|change| &change.fact));
    }
    let instants = gate.facts.iter().filter(|change| change.instants_only && !said.contains(&&change.fact)).count();
    if instants > 0 {
        let _ = writeln!(out, "    {instants} more by instants only");
    }
    for read in gate.read.iter().filter(|read| said.iter().any(|fact| begins(fact, &read.variable))) {
        let differently = if read.asked_differently { ", asked differently" } else { "" };
        line(out, "    read: ", &format!("{} from {}{differently}", read.variable, read.probe));
        let (shown, more) = first(&read.sources);
        for source in shown {
            line(out, "      ", &format!("{}: {}", quoted(&source.what), reading(source)));
        }
        and_more(out, "      ", more);
    }
}

/// Whether a path begins with a variable.
pub fn begins(fact: &str, variable: &str) -> bool {
    fact.split(['.', '[']).next() == Some(variable)
}

fn outcome(out: &mut String, check: &CheckChange) {
    let (old, new) = (word(check.outcome.old, CheckOutcome::word), word(check.outcome.new, CheckOutcome::word));
    let outcomes = if old == new { format!("{new} as before") } else { format!("{old} → {new}") };
    line(out, "    check ", &format!("{} ({}): {outcomes}", check.id, check.tier.word()));
}

fn facts(out: &mut String, changes: &[&FactChange]) {
    let (shown, more) = first(changes);
    for change in shown {
        let (old, new) = (value(change.old.as_ref()), value(change.new.as_ref()));
        line(out, "      ", &format!("{}: {old} → {new}", change.fact));
    }
    and_more(out, "      ", more);
}

fn and_more(out: &mut String, indent: &str, more: usize) {
    if more > 0 {
        let _ = writeln!(out, "{indent}and {more} more: --format json shows them");
    }
}

fn section<T>(out: &mut String, title: &str, list: &[T], shown: impl Fn(&T) -> String) {
    if list.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}: {}", list.len());
    let (some, more) = first(list);
    some.iter().for_each(|item| line(out, "  ", &shown(item)));
    and_more(out, "  ", more);
}

/// The last line: what to take away.
fn summary(comparison: &Comparison) -> String {
    let result = &comparison.result;
    if comparison.nothing_changed() {
        return format!("result: {} as before; nothing changed but instants\n", result.new.letter);
    }
    let side = |side: &ResultSide| {
        let decisive = if side.decisive.is_empty() { String::new() } else { format!(", {} decides", side.decisive) };
        terminal(&format!("{} — {}{decisive}, approval {}", side.letter, side.label, side.approval))
    };
    if result.differs() {
        format!("result: {} → {}\n", side(&result.old), side(&result.new))
    } else {
        format!("result: as before, {}\n", side(&result.new))
    }
}

//! `markdown`: the comparison for a comment or a page. Tables, so that a reader of either audit finds the gate.

use std::fmt::Write as _;

use super::facts::FactChange;
use super::gates::{Finding, GateChange};
use super::shown::{first, reading, value, word};
use super::text::begins;
use super::{AuditSide, Comparison, ResultSide, SourceChange};
use crate::gates::{AttestationStatus, CheckOutcome, GapState};
use crate::report::escape::{code, markdown as escaped};

/// A comparison as Markdown.
pub fn markdown(comparison: &Comparison) -> String {
    let (audits, result) = (&comparison.audits, &comparison.result);
    let mut out = format!(
        "# Audit {} → {}: {} → {}\n\n",
        escaped(&audits.old.number),
        escaped(&audits.new.number),
        result.old.letter,
        result.new.letter
    );
    let audit = |name: &str, side: &AuditSide, result: &ResultSide| {
        format!(
            "- {name}: {} · {} · read by {} · {} — {} · decisive: {} · approval {} · {}\n",
            code(&side.folder, false),
            side.utc,
            code(&side.by, false),
            result.letter,
            code(&result.label, false),
            if result.decisive.is_empty() { "none".to_owned() } else { escaped(&result.decisive) },
            result.approval,
            escaped(&side.signed)
        )
    };
    out.push_str(&audit("OLD", &audits.old, &result.old));
    out.push_str(&audit("NEW", &audits.new, &result.new));
    comparison.remarks.iter().for_each(|remark| {
        let _ = writeln!(out, "- note: {}", escaped(remark));
    });
    let rules = &comparison.rules;
    for (what, names) in [("changed", &rules.changed), ("new", &rules.added), ("gone", &rules.removed)] {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| code(name, false)).collect();
            let _ = writeln!(out, "- rules {what}: {}", names.join(", "));
        }
    }
    if comparison.nothing_changed() {
        out.push_str("\nNothing changed but instants.\n");
    }
    out.push_str(
        "\n## Gates\n\n| Gate | Gap | Before | Now | Changed | Why before | Why now |\n|---|---|---|---|---|---|---|\n",
    );
    for gate in &comparison.gates {
        row(&mut out, gate);
    }
    for gate in comparison.gates.iter().filter(|gate| !gate.checks.is_empty() || real(gate).next().is_some()) {
        whole(&mut out, gate);
    }
    rest(&mut out, comparison);
    out
}

fn real(gate: &GateChange) -> impl Iterator<Item = &FactChange> {
    gate.facts.iter().filter(|change| !change.instants_only)
}

fn kind(finding: Finding) -> &'static str {
    match finding {
        Finding::State => "state",
        Finding::New => "new gate",
        Finding::Gone => "gate gone",
        Finding::Reason => "reason",
        Finding::Facts => "facts",
        Finding::Instants => "instants only",
        Finding::Same => "no",
    }
}

fn row(out: &mut String, gate: &GateChange) {
    let cell = |text: &Option<String>| text.as_deref().map(escaped).unwrap_or_default();
    let same = gate.reason.old == gate.reason.new || gate.finding == Finding::Instants;
    let now = if same { "as before".to_owned() } else { cell(&gate.reason.new) };
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {now} |",
        code(&gate.id, true),
        cell(if gate.gap.new.is_some() { &gate.gap.new } else { &gate.gap.old }),
        word(gate.state.old, GapState::word),
        word(gate.state.new, GapState::word),
        kind(gate.finding),
        cell(&gate.reason.old),
    );
}

fn whole(out: &mut String, gate: &GateChange) {
    let _ = write!(out, "\n### {}\n", code(&gate.id, false));
    if !gate.checks.is_empty() {
        out.push_str("\n| Check | Tier | Before | Now | Found before | Found now |\n|---|---|---|---|---|---|\n");
    }
    for check in &gate.checks {
        let found = |text: &Option<String>| text.as_deref().map(escaped).unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            code(&check.id, true),
            check.tier.word(),
            word(check.outcome.old, CheckOutcome::word),
            word(check.outcome.new, CheckOutcome::word),
            found(&check.detail.old),
            found(&check.detail.new)
        );
    }
    let cited = |change: &&FactChange| gate.checks.iter().any(|check| check.facts.contains(&change.fact));
    let facts: Vec<_> = gate.facts.iter().filter(|change| !change.instants_only || cited(change)).collect();
    if facts.is_empty() {
        return;
    }
    out.push_str("\n| Fact | Before | Now | Checks |\n|---|---|---|---|\n");
    let (shown, more) = first(&facts);
    for change in shown {
        let checks = gate.checks.iter().filter(|check| check.facts.contains(&change.fact));
        let checks: Vec<_> = checks.map(|check| code(&check.id, true)).collect();
        let checks = if checks.is_empty() { "answer as before".to_owned() } else { checks.join(", ") };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {checks} |",
            code(&change.fact, true),
            cell(change, true),
            cell(change, false)
        );
    }
    and_more(out, more);
    out.push_str("\nRead:\n\n");
    for read in gate.read.iter().filter(|read| facts.iter().any(|change| begins(&change.fact, &read.variable))) {
        let differently = if read.asked_differently { ", asked differently" } else { "" };
        let _ = writeln!(out, "- {} from {}{differently}", code(&read.variable, false), code(&read.probe, false));
        let (sources, more) = first(&read.sources);
        for source in sources {
            let _ = writeln!(out, "  - {}: {}", code(&source.what, false), escaped(&reading(source)));
        }
        if more > 0 {
            let _ = writeln!(out, "  - and {more} more");
        }
    }
}

fn cell(change: &FactChange, old: bool) -> String {
    let fact = if old { &change.old } else { &change.new };
    fact.as_ref().map_or_else(|| "nothing".to_owned(), |fact| code(&value(Some(fact)), true))
}

fn and_more(out: &mut String, more: usize) {
    if more > 0 {
        let _ = write!(out, "\nAnd {more} more; the JSON form has all of them.\n");
    }
}

fn rest(out: &mut String, comparison: &Comparison) {
    section(out, "Waivers", &comparison.waivers, |change| escaped(&change.said()));
    if !comparison.attestation.is_empty() {
        out.push_str("\n## Attestation\n\n| Action | Before | Now |\n|---|---|---|\n");
    }
    for row in &comparison.attestation {
        let status = |status: Option<AttestationStatus>| word(status, AttestationStatus::word);
        let (old, new) = (status(row.status.old), status(row.status.new));
        let _ = writeln!(out, "| {} | {old} | {new} |", escaped(&row.action));
    }
    let measures: Vec<_> = comparison.measures.iter().filter(|change| !change.instants_only).collect();
    if !measures.is_empty() {
        out.push_str("\n## Measured invariants\n\n| Fact | Before | Now |\n|---|---|---|\n");
        let (shown, more) = first(&measures);
        for change in shown {
            let _ =
                writeln!(out, "| {} | {} | {} |", code(&change.fact, true), cell(change, true), cell(change, false));
        }
        and_more(out, more);
    }
    let evidence = &comparison.evidence;
    for (title, list) in
        [("Asked in NEW only", &evidence.questions_new), ("Asked in OLD only", &evidence.questions_vanished)]
    {
        section(out, title, list, |question| code(question, false));
    }
    for (title, list) in [
        ("Read in NEW only", &evidence.new),
        ("Read in OLD only", &evidence.vanished),
        ("Read with other content", &evidence.changed),
    ] {
        let shown = |source: &SourceChange| format!("{}: {}", code(&source.what, false), escaped(&reading(source)));
        section(out, title, list, shown);
    }
}

fn section<T>(out: &mut String, title: &str, list: &[T], shown: impl Fn(&T) -> String) {
    if list.is_empty() {
        return;
    }
    let _ = write!(out, "\n## {title}\n\n");
    let (some, more) = first(list);
    some.iter().for_each(|item| {
        let _ = writeln!(out, "- {}", shown(item));
    });
    and_more(out, more);
}

//! `text`: what an operator looks at. State words, never colour alone; the one next step last.

use super::{Audited, Format, Judged, waiver_line};
use crate::gates::{GapState, WaiverFinding};
use crate::report::escape::terminal;
use crate::report::{Baseline, Since};

pub const FORMAT: Format = Format {
    name: "text",
    summary: "an aligned roll-up for a terminal",
    detailed: false,
    render,
    render_some: Some(some),
};

fn render(audited: &Audited<'_>) -> String {
    let (dossier, colours) = (audited.dossier, audited.colours);
    let word = |key: &str| terminal(dossier.package[key].as_str().unwrap_or_default());
    let mut out = format!(
        "{}\nfor host {} ({}) · {} · read by {}\n\n",
        word("title"),
        word("host"),
        word("host_label"),
        dossier.audit.utc,
        terminal(&dossier.audit.by)
    );
    let width = dossier.gates.iter().map(|gate| gate.finding.id.chars().count()).max().unwrap_or(0).max(4);
    let gap_width = dossier.gates.iter().map(|gate| gate.finding.gap.chars().count()).max().unwrap_or(0).max(3);
    out.push_str(&format!("  {:<8} {:<gap_width$}  {:<width$}  WHY\n", "STATE", "GAP", "GATE"));
    for gate in &dossier.gates {
        let finding = &gate.finding;
        let state = painted(finding.state, colours);
        let (gap, id, reason) = (terminal(&finding.gap), terminal(&finding.id), terminal(&finding.reason));
        out.push_str(&format!("  {state} {gap:<gap_width$}  {id:<width$}  {reason}\n"));
    }
    let count = |state: GapState| dossier.counts.get(state.word()).copied().unwrap_or(0);
    out.push_str(&format!(
        "\n  {} gaps: {} closed, {} partial, {} open, {} unknown\n",
        dossier.gaps.len(),
        count(GapState::Closed),
        count(GapState::Partial),
        count(GapState::Open),
        count(GapState::Unknown),
    ));
    let waived = count(GapState::Waived);
    if waived > 0 {
        out.push_str(&format!("  {waived} waived, which closes nothing and lets no run go on\n"));
    }
    out.push_str(&waivers(&dossier.waivers));
    for row in dossier.attestation.iter().filter(|row| row.status != crate::gates::AttestationStatus::NotDone) {
        out.push_str(&format!(
            "  attestation: {} — {}: {}\n",
            terminal(&row.action),
            row.status.word(),
            terminal(&row.ground)
        ));
    }
    let ruling = &dossier.result.ruling;
    out.push_str(&format!("\nresult: {} — {} (scheme {})\n", ruling.letter.word(), ruling.label, ruling.scheme));
    if !ruling.qualifier.is_empty() {
        out.push_str(&format!("qualifier: {}\n", ruling.qualifier));
    }
    out.push_str(&since(audited.baseline));
    out.push_str(&format!("blocked technically: {}\n", terminal(&dossier.result.reason_blocking)));
    out.push_str(&format!("blocked by authority: {}\n", terminal(&dossier.result.reason_primary)));
    if !dossier.reports_dir.is_empty() {
        out.push_str(&format!("reports: {}\n", terminal(&dossier.reports_dir)));
    }
    if !dossier.result.next.is_empty() {
        out.push_str(&format!("next: {}\n", terminal(&dossier.result.next)));
    }
    out
}

/// Gates without a result: there is no letter, for that needs all of them.
fn some(judged: &Judged<'_>) -> String {
    let mut text = String::new();
    for finding in judged.gates.iter().map(|gate| &gate.finding) {
        text.push_str(&format!(
            "{:<8} {}  {}  {}\n",
            finding.state.word(),
            terminal(&finding.gap),
            terminal(&finding.id),
            terminal(&finding.reason)
        ));
    }
    text.push_str(&waivers(judged.waivers));
    text.push_str(&since(judged.baseline));
    if let Some(said) = judged.selection() {
        text.push_str(&format!("no result: {}\n", terminal(&said)));
    }
    if let Some(next) = judged.gates.iter().map(|gate| &gate.finding.next).find(|next| !next.is_empty()) {
        text.push_str(&format!("next: {}\n", terminal(next)));
    }
    text
}

/// What became of the gates since the baseline: a line for each that is not the same, and one for all.
fn since(baseline: Option<&Baseline>) -> String {
    let Some(baseline) = baseline else { return String::new() };
    let changed = baseline.gates.iter().filter(|gate| gate.since != Since::Same);
    let mut out: String = changed
        .map(|gate| {
            format!(
                "  {:<7} {}  {}  {}\n",
                gate.since.word(),
                terminal(&gate.gap),
                terminal(&gate.id),
                terminal(&gate.said)
            )
        })
        .collect();
    out.push_str(&format!("baseline: {}\n", terminal(&baseline.said())));
    out
}

/// A line for each waiver.
fn waivers(waivers: &[WaiverFinding]) -> String {
    waivers.iter().map(|waiver| format!("  waiver: {}\n", terminal(&waiver_line(waiver)))).collect()
}

/// A state word in eight columns, coloured where that is wanted.
fn painted(state: GapState, colours: bool) -> String {
    let padded = format!("{:<8}", state.word());
    let colour = match state {
        GapState::Closed => "32",
        GapState::Waived => "36",
        GapState::Partial => "33",
        GapState::Unknown => "35",
        GapState::Open => "31",
    };
    if colours { format!("\x1b[{colour}m{padded}\x1b[0m") } else { padded }
}

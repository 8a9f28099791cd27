//! `markdown`: the roll-up for a comment or a summary page.

use super::{Audited, Format, Judged, waiver_line};
use crate::gates::WaiverFinding;
use crate::report::dossier::GateView;
use crate::report::escape::{code, markdown};
use crate::report::{Baseline, GateSince, Since};

pub const FORMAT: Format = Format {
    name: "markdown",
    summary: "the roll-up as a Markdown table",
    detailed: false,
    render,
    render_some: Some(some),
};

fn render(audited: &Audited<'_>) -> String {
    let dossier = audited.dossier;
    let ruling = &dossier.result.ruling;
    let word = |key: &str| dossier.package[key].as_str().unwrap_or_default().to_owned();
    let mut out = format!(
        "# {}: {} — {}\n\n- package: {}\n- date_utc: {} · host: {}\n- blocked technically: {}\n- blocked by authority: {}\n\n",
        markdown(&word("label")),
        ruling.letter.word(),
        code(&ruling.label, false),
        code(&word("macro_id"), false),
        dossier.audit.utc,
        markdown(&word("host_label")),
        markdown(&dossier.result.reason_blocking),
        markdown(&dossier.result.reason_primary),
    );
    out.push_str(&table(&dossier.gates));
    out.push_str(&waivers(&dossier.waivers));
    out.push_str(&since(audited.baseline));
    out
}

/// What became of the gates since the baseline.
fn since(baseline: Option<&Baseline>) -> String {
    let Some(baseline) = baseline else { return String::new() };
    let changed = baseline.gates.iter().filter(|gate| gate.since != Since::Same);
    let line =
        |gate: &GateSince| format!("- {}: {} {}\n", gate.since.word(), code(&gate.id, false), markdown(&gate.said));
    format!("\nBaseline: {}\n\n{}", markdown(&baseline.said()), changed.map(line).collect::<String>())
}

/// Some gates: there is no letter, for that needs all of them.
fn some(judged: &Judged<'_>) -> String {
    let said = judged.selection().unwrap_or_default();
    let (table, waivers, since) = (table(&judged.gates), waivers(judged.waivers), since(judged.baseline));
    format!("{table}{waivers}{since}\nNo result: {}.\n", markdown(&said))
}

/// A list of the waivers.
fn waivers(waivers: &[WaiverFinding]) -> String {
    if waivers.is_empty() {
        return String::new();
    }
    let items: String = waivers.iter().map(|waiver| format!("- {}\n", markdown(&waiver_line(waiver)))).collect();
    format!("\nWaivers:\n\n{items}")
}

fn table(gates: &[GateView]) -> String {
    let mut out = "| State | Gap | Gate | Why | Next |\n|---|---|---|---|---|\n".to_owned();
    for gate in gates {
        let finding = &gate.finding;
        let next = if finding.next.is_empty() { String::new() } else { code(&finding.next, true) };
        out.push_str(&format!(
            "| {} | {} | {} | {} | {next} |\n",
            finding.state.word(),
            markdown(&finding.gap),
            code(&finding.id, true),
            markdown(&finding.reason),
        ));
    }
    out
}

//! `markdown`: the roll-up for a comment or a summary page.

use super::{Audited, Format, Judged};
use crate::report::dossier::GateView;
use crate::report::escape::{code, markdown};

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
    out
}

/// Some gates: there is no letter, for that needs all of them.
fn some(judged: &Judged<'_>) -> String {
    let (some, all) = (judged.gates.len(), judged.total);
    format!("{}\nNo result: {some} of {all} gates were judged, and a result needs all of them.\n", table(&judged.gates))
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

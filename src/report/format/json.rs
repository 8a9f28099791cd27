//! `json`: the whole dossier, indented, as in `result.json`.

use super::{Audited, Format, Judged};
use crate::report::Baseline;

pub const FORMAT: Format =
    Format { name: "json", summary: "the whole result for programs", detailed: false, render, render_some: Some(some) };

/// The gates alone, in the form that they have in the whole.
fn some(judged: &Judged<'_>) -> String {
    let mut gates = serde_json::json!({"format": "cutgate-gates/1", "tool": crate::report::Tool::THIS, "utc": judged.utc, "gates": judged.gates});
    if let Some(said) = judged.selection() {
        let left = judged.not_judged.iter().map(|(gap, id)| serde_json::json!({"id": id, "gap": gap}));
        gates["not_judged"] = left.collect();
        gates["no_result"] = said.into();
    }
    if let Some(baseline) = judged.baseline {
        gates["baseline"] = since(baseline);
    }
    if !judged.profile.is_empty() {
        gates["profile"] = judged.profile.into();
    }
    if !judged.waivers.is_empty() {
        gates["waivers"] = serde_json::json!(judged.waivers);
    }
    format!("{gates:#}\n")
}

fn render(audited: &Audited<'_>) -> String {
    let written = match audited.baseline {
        None => serde_json::to_string_pretty(audited.dossier),
        // Beside what is published, which knows of no baseline.
        Some(baseline) => serde_json::to_value(audited.dossier).and_then(|mut whole| {
            whole["baseline"] = since(baseline);
            serde_json::to_string_pretty(&whole)
        }),
    };
    let mut text = written.expect("invariant: a dossier is made of text keys and plain values");
    text.push('\n');
    text
}

/// A baseline, with what came out of the comparison.
fn since(baseline: &Baseline) -> serde_json::Value {
    let mut since =
        serde_json::to_value(baseline).expect("invariant: a baseline is made of text keys and plain values");
    since["worse"] = baseline.blocking().next().is_some().into();
    since["said"] = baseline.said().into();
    since
}

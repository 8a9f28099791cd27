//! `json`: the whole dossier, indented, as in `result.json`.

use super::{Audited, Format, Judged};

pub const FORMAT: Format =
    Format { name: "json", summary: "the whole result for programs", detailed: false, render, render_some: Some(some) };

/// The gates alone, in the form that they have in the whole.
fn some(judged: &Judged<'_>) -> String {
    let gates = serde_json::json!({"format": "cutgate-gates/1", "tool": crate::report::Tool::THIS, "utc": judged.utc, "gates": judged.gates});
    format!("{gates:#}\n")
}

fn render(audited: &Audited<'_>) -> String {
    let mut text = serde_json::to_string_pretty(audited.dossier)
        .expect("invariant: a dossier is made of text keys and plain values");
    text.push('\n');
    text
}

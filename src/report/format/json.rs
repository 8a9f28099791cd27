//! `json`: the whole dossier, indented, as in `result.json`.

use super::Format;
use crate::report::Dossier;

pub const FORMAT: Format = Format { name: "json", summary: "the whole result for programs", render };

fn render(dossier: &Dossier, _colours: bool) -> String {
    let mut text =
        serde_json::to_string_pretty(dossier).expect("invariant: a dossier is made of text keys and plain values");
    text.push('\n');
    text
}

//! `html`: one page for people, the decision first. It stands alone: no script, no request, nothing but its own style.
//!
//! Rendered from `templates/html/audit.html` with every value escaped; a filter that would trust one is refused. The
//! page's policy names the digest of its one style sheet, so that whatever got into it could neither run nor fetch.

use base64::Engine as _;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tera::{Context, Kwargs, State, Tera, Value};

use super::{Audited, Format, outcome, waiver_file};
use crate::gates::GapState;
use crate::report::dossier::GateView;
use crate::report::escape;
use crate::report::{History, PastAudit};

pub const FORMAT: Format = Format {
    name: "html",
    summary: "one page for people that needs nothing else, also on paper",
    detailed: true,
    render,
    render_some: None,
};

const PAGE: &str = include_str!("../../../templates/html/audit.html");
const NAME: &str = "audit.html";

/// How many sources of one probe are listed; `evidence.json` holds all of them.
pub const MOST_SOURCES: usize = 40;

/// Measures of the chart, in its own units, which are pixels on a screen that shows it whole.
const LABEL: usize = 66;
const CELL: usize = 26;

fn render(audited: &Audited<'_>) -> String {
    let dossier = audited.dossier;
    let mut context =
        serde_json::to_value(dossier).expect("invariant: a dossier is made of text keys and plain values");
    let (_, style) = PAGE.split_once("<style>").expect("invariant: the page has a style");
    let (style, _) = style.split_once("</style>").expect("invariant: the style ends");
    context["style_sha256"] = json!(base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style)));
    context["decision"] = decision(audited);
    context["rows"] = dossier.gates.iter().map(|gate| row(audited, gate)).collect();
    context["phases"] = audited.detail.probes.iter().flat_map(|probe| json_list(&probe.phases)).collect();
    context["chart"] = chart(&audited.detail.history, dossier.gaps.iter().map(|gap| gap.id.as_str()));
    context["baseline"] = json!(audited.baseline.map(|baseline| {
        let gates =
            baseline.gates.iter().map(|gate| json!({"id": gate.id, "since": gate.since.word(), "said": gate.said}));
        json!({"said": baseline.said(), "gates": gates.collect::<Vec<_>>()})
    }));
    context["waivers"] = dossier
        .waivers
        .iter()
        .map(|waiver| json!({"file": waiver_file(waiver), "standing": waiver.standing.word(), "said": waiver.said}))
        .collect();
    context["waived"] = json!(dossier.gates.iter().filter(|gate| gate.finding.state == GapState::Waived).count());
    context["run_detail"] = serde_json::to_value(&dossier.run_detail).unwrap_or_default();
    let context = Context::from_serialize(&context).expect("invariant: a dossier has fields");
    engine().and_then(|engine| engine.render(NAME, &context)).expect("invariant: the stock page fits every dossier")
}

fn engine() -> tera::TeraResult<Tera> {
    let mut tera = Tera::new();
    tera.autoescape_on([".html"]);
    tera.set_escape_fn(|text, out| out.write_all(escape::html(text).as_bytes()));
    for filter in ["safe", "escape", "escape_html", "escape_xml", "newlines_to_br"] {
        tera.register_filter(filter, move |_: Value, _: Kwargs, _: &State| -> tera::TeraResult<Value> {
            Err(tera::Error::message(format!("the filter `{filter}` is not used in pages; values are always escaped")))
        });
    }
    tera.add_raw_template(NAME, PAGE)?;
    Ok(tera)
}

fn json_list(list: &[impl serde::Serialize]) -> Vec<Json> {
    list.iter().map(|item| serde_json::to_value(item).unwrap_or_default()).collect()
}

/// The words and the colour of the head.
fn decision(audited: &Audited<'_>) -> Json {
    let (class, word) = match audited.code {
        0 if !audited.met() => ("unknown", "No worse than the baseline, and not ready"),
        0 => ("met", "The requirement is met"),
        3 => ("unknown", "Blocked, and not everything could be read"),
        4 | 5 => ("failed", "A run did not end verified"),
        _ => ("blocked", "Blocked"),
    };
    json!({"class": class, "word": word, "outcome": outcome(audited.dossier), "code": audited.code, "required": audited.required.word()})
}

/// A gate with its gap and what was read for it.
fn row(audited: &Audited<'_>, gate: &GateView) -> Json {
    let gap = audited.dossier.gaps.iter().find(|gap| gap.id == gate.finding.gap);
    let probes = audited.detail.of_gate(&gate.finding.id).map(|probe| {
        let sources = json_list(&probe.sources[..probe.sources.len().min(MOST_SOURCES)]);
        json!({
            "kind": probe.kind, "finished": probe.finished, "missing": probe.missing,
            "sources": sources, "more": probe.sources.len() - sources.len(),
        })
    });
    let mut row = serde_json::to_value(gate).expect("invariant: a finding is made of text keys and plain values");
    row["mark"] = json!(mark(gate.finding.state));
    row["owner"] = json!(gap.map(|gap| gap.owner.as_str()).unwrap_or_default());
    row["close"] = json!(gap.map(|gap| gap.close.as_str()).unwrap_or_default());
    row["decisive"] = json!(gap.is_some_and(|gap| gap.decisive));
    row["probes"] = probes.collect();
    for check in row["checks"].as_array_mut().into_iter().flatten() {
        // A check without places has no key for them; a page asks for it.
        if check["locations"].is_null() {
            check["locations"] = json!([]);
        }
        for location in check["locations"].as_array_mut().into_iter().flatten() {
            if location["flow"].is_null() {
                location["flow"] = json!([]);
            }
        }
    }
    row
}

/// A mark that does not rest on colour.
fn mark(state: GapState) -> &'static str {
    match state {
        GapState::Closed => "✓",
        GapState::Waived => "~",
        GapState::Partial => "½",
        GapState::Open => "✗",
        GapState::Unknown => "?",
    }
}

/// The history of gaps as a grid: a row for each gap, a column for each audit.
fn chart<'a>(history: &History, gaps: impl Iterator<Item = &'a str>) -> Json {
    let gaps: Vec<&str> = gaps.collect();
    let columns: Vec<Json> = history
        .audits
        .iter()
        .enumerate()
        .map(|(index, audit)| {
            let x = LABEL + index * CELL;
            json!({
                "x": x + CELL / 2, "number": audit.number.trim_start_matches('0'), "utc": audit.utc,
                "outcome": audit.outcome, "unread": audit.unread, "letter": audit.outcome.split(' ').next(),
            })
        })
        .collect();
    let rows: Vec<Json> = gaps
        .iter()
        .enumerate()
        .map(|(index, gap)| {
            let y = CELL + index * CELL;
            let cells = history.audits.iter().enumerate().map(|(column, audit)| cell(audit, gap, column, y));
            json!({"gap": gap, "label": short(gap), "y": y + 17, "cells": cells.collect::<Vec<_>>()})
        })
        .collect();
    json!({
        "columns": columns, "rows": rows, "older": history.older, "unread": history.unread,
        "width": LABEL + history.audits.len() * CELL, "height": CELL * (gaps.len() + 2), "cell": CELL - 2,
        "letters": CELL * (gaps.len() + 1) + 17,
    })
}

fn cell(audit: &PastAudit, gap: &str, column: usize, y: usize) -> Json {
    let (class, mark, word) = match audit.states.get(gap) {
        Some(state) => (state.word(), mark(*state), state.word()),
        None if audit.unread.is_empty() => ("NONE", "–", "no such gap then"),
        None => ("UNREAD", "!", "not read"),
    };
    let x = LABEL + column * CELL;
    json!({"x": x + 1, "y": y + 1, "tx": x + CELL / 2, "ty": y + 17, "class": class, "mark": mark, "word": word, "number": audit.number})
}

/// An id that fits beside the grid.
fn short(id: &str) -> String {
    if id.chars().count() <= 8 { id.to_owned() } else { id.chars().take(7).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_a_template_that_loads_and_trusts_nothing() {
        assert!(super::engine().is_ok());
        for word in ["| safe", "<script", "style=", "onclick", "http:", "https:"] {
            assert!(!super::PAGE.contains(word), "{word}");
        }
    }
}

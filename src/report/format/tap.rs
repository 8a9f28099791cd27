//! `tap`: the Test Anything Protocol, version 14.
//!
//! A test point for each gate, for each row of the attestation, and for the result. Only CLOSED is `ok`: OPEN, PARTIAL and
//! UNKNOWN are `not ok`, and what nobody measured is skipped, as in JUnit. WAIVED is `not ok # TODO`, which
//! harnesses count apart. Descriptions hold ids alone, for a reader of
//! version 13 takes `\# SKIP` for a directive; whatever the host said stands in the YAML block, as quoted scalars.

use std::fmt::Write as _;

use super::{Format, Judged, outcome, waiver_file};
use crate::gates::{AttestationRow, AttestationStatus, GapState, WaiverStanding};
use crate::report::Baseline;
use crate::report::dossier::GateView;
use crate::report::escape::terminal;

pub const FORMAT: Format = Format {
    name: "tap",
    summary: "gates as test points, TAP 14",
    detailed: false,
    render: |audited| render(&Judged::of(audited)),
    render_some: Some(render),
};

/// A test point.
struct Point {
    ok: bool,
    name: String,
    /// A directive with its reason, `SKIP` or `TODO`; empty where there is none.
    directive: &'static str,
    said: Vec<(&'static str, Said)>,
}

enum Said {
    Text(String),
    List(Vec<String>),
}

fn render(judged: &Judged<'_>) -> String {
    let mut points: Vec<Point> = judged.gates.iter().map(|view| gate(judged, view)).collect();
    points.extend(judged.not_judged.iter().map(|(gap, id)| Point {
        ok: true,
        name: format!("{gap} {id} is closed"),
        directive: "SKIP not judged",
        said: vec![("state", Said::Text("not judged".to_owned()))],
    }));
    points.extend(judged.waivers.iter().map(|waiver| Point {
        ok: false,
        name: format!("waiver {}", waiver_file(waiver)),
        directive: match waiver.standing {
            WaiverStanding::InForce => "TODO in force",
            WaiverStanding::NotApplied => "TODO not applied",
            WaiverStanding::Refused => "",
        },
        said: vec![
            ("state", Said::Text(waiver.standing.word().to_owned())),
            ("message", Said::Text(waiver.said.clone())),
        ],
    }));
    if let Some(whole) = judged.whole {
        points.extend(whole.dossier.attestation.iter().map(row));
        let said = vec![
            ("result", Said::Text(outcome(whole.dossier))),
            ("baseline", Said::Text(whole.baseline.map(Baseline::said).unwrap_or_default())),
            ("blocked_technically", Said::Text(whole.dossier.result.reason_blocking.clone())),
            ("blocked_by_authority", Said::Text(whole.dossier.result.reason_primary.clone())),
            ("next", Said::Text(whole.dossier.result.next.clone())),
        ];
        points.push(Point { ok: judged.code == 0, name: whole.asked(), directive: "", said });
    }
    if let Some(baseline) = judged.baseline.filter(|_| judged.whole.is_none()) {
        let said = vec![("baseline", Said::Text(baseline.said()))];
        points.push(Point { ok: judged.code == 0, name: baseline.asked(), directive: "", said });
    }
    let mut out = format!("TAP version 14\n1..{}\n", points.len());
    for (index, point) in points.iter().enumerate() {
        let ok = if point.ok { "ok" } else { "not ok" };
        let directive = if point.directive.is_empty() { String::new() } else { format!(" # {}", point.directive) };
        let _ = writeln!(out, "{ok} {} - {}{directive}\n  ---", index + 1, plain(&point.name));
        for (key, said) in &point.said {
            match said {
                Said::Text(text) if text.is_empty() => {}
                Said::Text(text) => {
                    let _ = writeln!(out, "  {key}: {}", scalar(text));
                }
                Said::List(items) if items.is_empty() => {}
                Said::List(items) => {
                    let _ = writeln!(out, "  {key}:");
                    items.iter().for_each(|item| {
                        let _ = writeln!(out, "    - {}", scalar(item));
                    });
                }
            }
        }
        out.push_str("  ...\n");
    }
    out
}

fn gate(judged: &Judged<'_>, gate: &GateView) -> Point {
    let finding = &gate.finding;
    let checks = finding.checks.iter().map(|check| {
        let detail = if check.detail.is_empty() { String::new() } else { format!(": {}", check.detail) };
        format!("{} ({}) {}{detail}", check.id, check.tier.word(), check.outcome.word())
    });
    let places = finding.checks.iter().flat_map(|check| &check.locations);
    let places = places.map(|at| format!("{}:{}:{} {}", at.path, at.line, at.column, at.message));
    let said = vec![
        ("state", Said::Text(finding.state.word().to_owned())),
        ("message", Said::Text(finding.reason.clone())),
        ("severity", Said::Text(severity(finding.state).to_owned())),
        ("checks", Said::List(checks.collect())),
        ("at", Said::List(places.collect())),
        ("next", Said::Text(finding.next.clone())),
    ];
    let name = format!("{} {} is closed", finding.gap, finding.id);
    let directive = match finding.state {
        GapState::Waived => "TODO waived",
        GapState::Partial | GapState::Unknown | GapState::Open if judged.no_worse(&finding.id) => {
            "TODO as in the baseline"
        }
        GapState::Closed | GapState::Partial | GapState::Unknown | GapState::Open => "",
    };
    Point { ok: finding.state == GapState::Closed, name, directive, said }
}

/// What does not hold fails; what is not known is an error, as in JUnit.
fn severity(state: GapState) -> &'static str {
    match state {
        GapState::Closed => "",
        GapState::Waived => "waived",
        GapState::Partial | GapState::Open => "fail",
        GapState::Unknown => "error",
    }
}

fn row(row: &AttestationRow) -> Point {
    let (ok, directive) = match row.status {
        AttestationStatus::NotDone => (true, ""),
        AttestationStatus::Changed => (false, ""),
        AttestationStatus::Inconclusive => (true, "SKIP others write there too"),
        AttestationStatus::NotAttested => (true, "SKIP not measured"),
        AttestationStatus::Declared => (true, "SKIP declared by a person"),
    };
    let said = vec![
        ("action", Said::Text(row.action.clone())),
        ("status", Said::Text(row.status.word().to_owned())),
        ("ground", Said::Text(row.ground.clone())),
    ];
    Point { ok, name: format!("attestation {}", row.id), directive, said }
}

/// An id in a description: a hash mark, which begins a directive, and a backslash are shown as others.
fn plain(id: &str) -> String {
    terminal(id).replace('#', "＃").replace('\\', "＼")
}

/// A quoted scalar (YAML 1.2, section 7.3.1, of which JSON's strings are a part).
fn scalar(text: &str) -> String {
    serde_json::Value::from(terminal(text)).to_string()
}

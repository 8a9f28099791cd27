//! `prometheus`: metrics for the text file collector of the node exporter (text exposition format 0.0.4).
//!
//! Every gate has a series for each state, one of which is 1: a rule that asks for `state="closed"` to be 1 is not met by a
//! gate that is UNKNOWN, and `absent()` sees one that is gone. Instants are given and not ages, so that an audit that no
//! longer runs is seen.

use std::fmt::Write as _;

use super::{Audited, Format};
use crate::classify::Letter;
use crate::evidence::Instant;
use crate::gates::{GapState, WaiverStanding};
use crate::report::Since;
use crate::report::escape::terminal;

pub const FORMAT: Format = Format {
    name: "prometheus",
    summary: "metrics for the text file collector of Prometheus",
    detailed: true,
    render,
    render_some: None,
};

/// A metric with its series.
struct Metric {
    name: &'static str,
    help: &'static str,
    series: Vec<(Vec<(&'static str, String)>, i64)>,
}

fn render(audited: &Audited<'_>) -> String {
    let dossier = audited.dossier;
    let package = dossier.package["macro_id"].as_str().unwrap_or_default();
    let one = |name, help, value| Metric { name, help, series: vec![(Vec::new(), value)] };
    let gates = || dossier.gates.iter().map(|gate| &gate.finding);
    let states = gates().flat_map(|finding| {
        GapState::ALL.into_iter().map(move |state| {
            let labels = vec![("gate", finding.id.clone()), ("gap", finding.gap.clone()), ("state", word(state))];
            (labels, i64::from(finding.state == state))
        })
    });
    let counts = GapState::ALL.into_iter().map(|state| {
        let count = gates().filter(|finding| finding.state == state).count();
        (vec![("state", word(state))], i64::try_from(count).unwrap_or(i64::MAX))
    });
    let letters = Letter::ALL.into_iter().map(|letter| {
        let is = letter == dossier.result.ruling.letter;
        (vec![("letter", letter.word().to_owned())], i64::from(is))
    });
    let read = gates().filter_map(|finding| {
        let began = audited.detail.of_gate(&finding.id).map(|probe| probe.started).min()?;
        Some((vec![("gate", finding.id.clone()), ("gap", finding.gap.clone())], began.timestamp()))
    });
    let waivers = WaiverStanding::ALL.into_iter().map(|standing| {
        let count = dossier.waivers.iter().filter(|waiver| waiver.standing == standing).count();
        (vec![("standing", standing.word().to_owned())], i64::try_from(count).unwrap_or(i64::MAX))
    });
    let expiries = gates().filter_map(|finding| {
        let expires = finding.waiver.as_ref()?.expires.timestamp();
        Some((vec![("gate", finding.id.clone()), ("gap", finding.gap.clone())], expires))
    });
    let instant = dossier.audit.utc.parse::<Instant>().map_or(0, |utc| utc.timestamp());
    let metrics = [
        Metric {
            name: "cutgate_gate_state",
            help: "State of each gate: 1 for the state that it is in, 0 for the others.",
            series: states.collect(),
        },
        Metric { name: "cutgate_gates", help: "Number of gates in each state.", series: counts.collect() },
        Metric {
            name: "cutgate_gate_read_timestamp_seconds",
            help: "When what each gate judges began to be read.",
            series: read.collect(),
        },
        Metric {
            name: "cutgate_waivers",
            help: "Number of waivers by what became of them.",
            series: waivers.collect(),
        },
        Metric {
            name: "cutgate_waiver_expiry_timestamp_seconds",
            help: "When the waiver of each gate that is waived ends.",
            series: expiries.collect(),
        },
        Metric {
            name: "cutgate_result",
            help: "Letter of the result: 1 for the letter that it is, 0 for the others.",
            series: letters.collect(),
        },
        one("cutgate_requirement_met", "Whether the result is at least what was asked for.", i64::from(audited.met())),
        one("cutgate_exit_code", "Exit code of the audit.", i64::from(audited.code)),
        one("cutgate_audit_timestamp_seconds", "When the audit was made.", instant),
    ];
    let since = audited.baseline.map(|baseline| Metric {
        name: "cutgate_gates_since_baseline",
        help: "Number of gates by what became of them since the baseline.",
        series: Since::ALL
            .into_iter()
            .map(|since| (vec![("since", since.word().to_owned())], baseline.count(since)))
            .map(|(labels, count)| (labels, i64::try_from(count).unwrap_or(i64::MAX)))
            .collect(),
    });
    let mut out = String::new();
    for metric in metrics.into_iter().chain(since) {
        let _ = writeln!(out, "# HELP {} {}\n# TYPE {} gauge", metric.name, metric.help, metric.name);
        for (labels, value) in &metric.series {
            let labels = [("package", package.to_owned())].into_iter().chain(labels.iter().cloned());
            let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{}\"", label(&value))).collect();
            let _ = writeln!(out, "{}{{{}}} {value}", metric.name, labels.join(","));
        }
    }
    out
}

fn word(state: GapState) -> String {
    state.word().to_lowercase()
}

/// The value of a label: backslash and quote are escaped, and no line end is left that could be.
fn label(value: &str) -> String {
    terminal(value).replace('\\', "\\\\").replace('"', "\\\"")
}

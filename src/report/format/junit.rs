//! `junit`: a suite for each gate, a case for each check, for servers that count tests (the form that Ant and Jenkins
//! read).
//!
//! What does not hold is a failure, what is not known an error, and what a person declares or nobody measured is skipped:
//! none of the three is a pass. Each suite has a case for the gate as a whole, and an audit one for its result, so that
//! nothing that blocks can hide behind checks that hold.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::{Format, Judged, Whole, outcome};
use crate::gates::{AttestationStatus, CheckFinding, CheckOutcome, GapState};
use crate::report::dossier::GateView;
use crate::report::escape::terminal;

pub const FORMAT: Format = Format {
    name: "junit",
    summary: "checks as test cases, JUnit XML, for build servers",
    detailed: false,
    render: |audited| render(&Judged::of(audited)),
    render_some: Some(render),
};

/// What became of a case.
enum Verdict {
    Pass,
    Failure(String),
    Error(String),
    Skipped(String),
}

struct Case {
    class: String,
    name: String,
    verdict: Verdict,
    detail: String,
}

struct Suite {
    name: String,
    cases: Vec<Case>,
}

fn render(judged: &Judged<'_>) -> String {
    let mut suites: Vec<Suite> = judged.gates.iter().map(gate).collect();
    if let Some(whole) = judged.whole {
        suites.push(attestation(whole.dossier));
        suites.push(result(whole, judged.code));
    }
    let mut body = String::new();
    for suite in &suites {
        let _ = writeln!(
            body,
            "  <testsuite name=\"{}\" {} timestamp=\"{}\">",
            text(&suite.name),
            counts(&suite.cases),
            text(judged.utc.trim_end_matches('Z'))
        );
        suite.cases.iter().for_each(|it| case(&mut body, it));
        body.push_str("  </testsuite>\n");
    }
    let all = counts(suites.iter().flat_map(|suite| &suite.cases));
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"cutgate\" {all}>\n{body}</testsuites>\n")
}

fn gate(gate: &GateView) -> Suite {
    let finding = &gate.finding;
    let class = format!("cutgate.{}", finding.id);
    let said = format!("{}: {}", finding.gap, finding.reason);
    let verdict = match finding.state {
        GapState::Closed => Verdict::Pass,
        GapState::Open | GapState::Partial => {
            Verdict::Failure(format!("{} — {}", finding.state.word(), finding.reason))
        }
        GapState::Unknown => Verdict::Error(format!("{} — {}", finding.state.word(), finding.reason)),
    };
    let whole = Case {
        class: class.clone(),
        name: format!("{} is closed", finding.gap),
        verdict,
        detail: next(&said, &finding.next),
    };
    let checks = finding.checks.iter().map(|check| checked(&class, check));
    Suite { name: format!("{} {}", finding.gap, finding.id), cases: [whole].into_iter().chain(checks).collect() }
}

fn checked(class: &str, check: &CheckFinding) -> Case {
    let verdict = match check.outcome {
        CheckOutcome::Holds => Verdict::Pass,
        CheckOutcome::Fails => Verdict::Failure(check.detail.clone()),
        CheckOutcome::Unknown => Verdict::Error(check.detail.clone()),
    };
    let places = check.locations.iter().map(|at| format!("{}:{}:{} {}", at.path, at.line, at.column, at.message));
    let detail = [check.detail.clone()].into_iter().chain(places).collect::<Vec<_>>().join("\n");
    let name = format!("check {} ({})", check.id, check.tier.word());
    Case { class: class.to_owned(), name, verdict, detail: next(&detail, &check.next) }
}

fn attestation(dossier: &crate::report::Dossier) -> Suite {
    let rows = dossier.attestation.iter().map(|row| {
        let said = format!("{} — {}", row.status.word(), row.ground);
        let verdict = match row.status {
            AttestationStatus::NotDone => Verdict::Pass,
            AttestationStatus::Changed => Verdict::Failure(said.clone()),
            AttestationStatus::Inconclusive | AttestationStatus::NotAttested | AttestationStatus::Declared => {
                Verdict::Skipped(said.clone())
            }
        };
        let name = format!("{}: {}", row.id, row.action);
        Case { class: "cutgate.attestation".to_owned(), name, verdict, detail: said }
    });
    Suite { name: "attestation".to_owned(), cases: rows.collect() }
}

fn result(whole: Whole<'_>, code: u8) -> Suite {
    let said = outcome(whole.dossier);
    let verdict = match code {
        0 => Verdict::Pass,
        3 => Verdict::Error(said.clone()),
        _ => Verdict::Failure(said.clone()),
    };
    let detail = next(&said, &whole.dossier.result.next);
    let case = Case { class: "cutgate.result".to_owned(), name: whole.asked().to_owned(), verdict, detail };
    Suite { name: "result".to_owned(), cases: vec![case] }
}

fn next(said: &str, next: &str) -> String {
    if next.is_empty() { said.to_owned() } else { format!("{said}\nnext: {next}") }
}

fn counts<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match case.verdict {
            Verdict::Pass => {}
            Verdict::Failure(_) => failures += 1,
            Verdict::Error(_) => errors += 1,
            Verdict::Skipped(_) => skipped += 1,
        }
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn case(out: &mut String, case: &Case) {
    let head = format!("    <testcase classname=\"{}\" name=\"{}\"", text(&case.class), text(&case.name));
    let (element, kind, message) = match &case.verdict {
        Verdict::Pass => {
            let _ = writeln!(out, "{head}/>");
            return;
        }
        Verdict::Failure(message) => ("failure", " type=\"does not hold\"", message),
        Verdict::Error(message) => ("error", " type=\"not known\"", message),
        Verdict::Skipped(message) => ("skipped", "", message),
    };
    let lines: Vec<_> = case.detail.lines().map(text).collect();
    let _ = writeln!(
        out,
        "{head}>\n      <{element}{kind} message=\"{}\">{}</{element}>\n    </testcase>",
        text(message),
        lines.join("\n")
    );
}

/// A value as text or attribute. What XML 1.0 cannot hold (section 2.2) is written as its code point, as what could
/// move a terminal's cursor is.
fn text(value: &str) -> String {
    escape(&*terminal(value)).into_owned()
}

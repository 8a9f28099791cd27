//! `junit`: a suite for each gate, a case for each check, for servers that count tests (the form that Ant and Jenkins
//! read).
//!
//! What does not hold is a failure, what is not known an error, and what a person declares or nobody measured is skipped:
//! none of the three is a pass. Each suite has a case for the gate as a whole, and an audit one for its result, so that
//! nothing that blocks can hide behind checks that hold.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::{Format, Judged, Whole, outcome, waiver_file, waiver_line};
use crate::gates::{AttestationStatus, CheckFinding, CheckOutcome, GapState, WaiverStanding};
use crate::report::Baseline;
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
    let mut suites: Vec<Suite> = judged.gates.iter().map(|view| gate(judged, view)).collect();
    if let Some(baseline) = judged.baseline.filter(|_| judged.whole.is_none()) {
        suites.push(compared(baseline, judged.code));
    }
    suites.extend(judged.not_judged.iter().map(not_judged));
    if !judged.waivers.is_empty() {
        suites.push(waivers(judged));
    }
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

fn gate(judged: &Judged<'_>, gate: &GateView) -> Suite {
    let finding = &gate.finding;
    let class = format!("cutgate.{}", finding.id);
    let said = format!("{}: {}", finding.gap, finding.reason);
    // What was so in the baseline blocks nothing here, and is no pass either.
    let as_before = |verdict: Verdict| match &verdict {
        Verdict::Failure(said) | Verdict::Error(said) if judged.no_worse(&finding.id) => {
            Verdict::Skipped(format!("no worse than in the baseline: {said}"))
        }
        Verdict::Pass | Verdict::Failure(_) | Verdict::Error(_) | Verdict::Skipped(_) => verdict,
    };
    let verdict = as_before(match finding.state {
        GapState::Closed => Verdict::Pass,
        GapState::Open | GapState::Partial => {
            Verdict::Failure(format!("{} — {}", finding.state.word(), finding.reason))
        }
        GapState::Waived => Verdict::Skipped(format!("{} — {}", finding.state.word(), finding.reason)),
        GapState::Unknown => Verdict::Error(format!("{} — {}", finding.state.word(), finding.reason)),
    });
    let whole = Case {
        class: class.clone(),
        name: format!("{} is closed", finding.gap),
        verdict,
        detail: next(&said, &finding.next),
    };
    let waived = finding.state == GapState::Waived;
    let checks = finding.checks.iter().map(|check| {
        let case = checked(&class, check);
        let verdict = match case.verdict {
            Verdict::Failure(said) if waived => Verdict::Skipped(format!("WAIVED — {said}")),
            verdict @ (Verdict::Pass | Verdict::Failure(_) | Verdict::Error(_) | Verdict::Skipped(_)) => {
                as_before(verdict)
            }
        };
        Case { verdict, ..case }
    });
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

/// What came of the comparison, where there is no result.
fn compared(baseline: &Baseline, code: u8) -> Suite {
    let verdict = match code {
        0 => Verdict::Pass,
        3 => Verdict::Error(baseline.said()),
        _ => Verdict::Failure(baseline.said()),
    };
    let case = Case { class: "cutgate.baseline".to_owned(), name: baseline.asked(), verdict, detail: baseline.said() };
    Suite { name: "baseline".to_owned(), cases: vec![case] }
}

/// A gate that nobody asked for: skipped, under its own name.
fn not_judged((gap, id): &(String, String)) -> Suite {
    let said = "it was not judged, so that nothing is known of it".to_owned();
    let case = Case {
        class: format!("cutgate.{id}"),
        name: format!("{gap} is closed"),
        verdict: Verdict::Skipped(said.clone()),
        detail: said,
    };
    Suite { name: format!("{gap} {id}"), cases: vec![case] }
}

/// What became of the waivers. One in force makes no pass.
fn waivers(judged: &Judged<'_>) -> Suite {
    let cases = judged.waivers.iter().map(|waiver| Case {
        class: "cutgate.waivers".to_owned(),
        name: waiver_file(waiver),
        verdict: match waiver.standing {
            WaiverStanding::InForce | WaiverStanding::NotApplied => Verdict::Skipped(waiver_line(waiver)),
            WaiverStanding::Refused => Verdict::Failure(waiver_line(waiver)),
        },
        detail: waiver.said.clone(),
    });
    Suite { name: "waivers".to_owned(), cases: cases.collect() }
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
    let said = match whole.baseline {
        Some(baseline) => format!("{}; {}", baseline.said(), outcome(whole.dossier)),
        None => outcome(whole.dossier),
    };
    let verdict = match code {
        0 => Verdict::Pass,
        3 => Verdict::Error(said.clone()),
        _ => Verdict::Failure(said.clone()),
    };
    let detail = next(&said, &whole.dossier.result.next);
    let case = Case { class: "cutgate.result".to_owned(), name: whole.asked(), verdict, detail };
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

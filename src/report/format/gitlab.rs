//! `gitlab`: a code quality report, as GitLab shows it in a merge request (a subset of the Code Climate issue format).
//!
//! An entry for each place that keeps a gate from CLOSED, UNKNOWN included, else for the line of the gap in the package
//! file; and one for what blocks beside the gates. All of these block: none is `info` or `minor`. A gate that is
//! WAIVED is `major`. Where some gates were not judged an entry of severity `info` names them. What
//! is no worse than in a baseline is `minor`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::{Format, Judged, blamed, waiver_file, waiver_line};
use crate::evidence::Digest256;
use crate::gates::GapState;
use crate::package::PACKAGE_FILE;
use crate::report::dossier::GateView;
use crate::report::escape::terminal;

pub const FORMAT: Format = Format {
    name: "gitlab",
    summary: "findings at their lines, code quality JSON for GitLab",
    detailed: false,
    render: |audited| render(&Judged::of(audited)),
    render_some: Some(render),
};

/// What stands at one place.
struct Issue {
    gate: String,
    severity: &'static str,
    path: String,
    line: u64,
    said: String,
}

fn render(judged: &Judged<'_>) -> String {
    let mut issues: Vec<Issue> = judged.gates.iter().flat_map(|gate| issues(judged, gate)).collect();
    let own = |check: &str, severity: &'static str, path: &Path, said: String| Issue {
        gate: check.to_owned(),
        severity,
        path: shown(path),
        line: 1,
        said,
    };
    for waiver in judged.refused() {
        let path = judged.place.package_dir.join(waiver_file(waiver));
        issues.push(own("waiver", "blocker", &path, waiver_line(waiver)));
    }
    if let Some(said) = judged.selection().filter(|_| !judged.not_judged.is_empty()) {
        issues.push(own("not-judged", "info", &judged.place.package_dir.join(PACKAGE_FILE), said));
    }
    if let Some(said) = judged.beside_the_gates() {
        let path = shown(&judged.place.package_dir.join(PACKAGE_FILE));
        issues.push(Issue { gate: "result".to_owned(), severity: "blocker", path, line: 1, said });
    }
    // Lines move, what is said of which file stays: so a finding is followed over commits. Of two that say the same in
    // one file GitLab would show one, so the second is counted.
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let entries: Vec<Json> = issues
        .iter()
        .map(|issue| {
            let same = format!("{}\n{}\n{}", issue.gate, issue.path, issue.said);
            let nth = seen.entry(same.clone()).or_default();
            *nth += 1;
            json!({
                "description": terminal(&issue.said),
                "check_name": issue.gate,
                "fingerprint": Digest256::of(format!("{same}\n{nth}").as_bytes()),
                "severity": issue.severity,
                "location": {"path": issue.path, "lines": {"begin": issue.line.max(1)}},
            })
        })
        .collect();
    format!("{:#}\n", Json::Array(entries))
}

fn issues(judged: &Judged<'_>, gate: &GateView) -> Vec<Issue> {
    let finding = &gate.finding;
    let severity = match finding.state {
        GapState::Closed => return Vec::new(),
        GapState::Waived => "major",
        GapState::Partial | GapState::Unknown | GapState::Open if judged.no_worse(&finding.id) => "minor",
        GapState::Partial => "critical",
        GapState::Unknown | GapState::Open => "blocker",
    };
    let issue = |path: &Path, line: u64, said: &str, next: &str| {
        let next = if next.is_empty() { String::new() } else { format!(" — next: {next}") };
        let said = format!("{} is {}: {said}{next}", finding.gap, finding.state.word());
        Issue { gate: finding.id.clone(), severity, path: shown(path), line, said }
    };
    let blamed = blamed(gate).into_iter();
    let found: Vec<Issue> = blamed
        .map(|(check, at)| issue(&judged.place.locate(Path::new(&at.path)), at.line, &at.message, &check.next))
        .collect();
    if found.is_empty() {
        return vec![issue(&judged.place.package_dir.join(PACKAGE_FILE), gate.line, &finding.reason, &finding.next)];
    }
    found
}

/// A path below the checkout without `./`, as GitLab compares it.
fn shown(path: &Path) -> String {
    let path = path.to_string_lossy();
    terminal(path.strip_prefix("./").unwrap_or(&path))
}

//! `github`: annotations at their lines, in the words that the runner of GitHub Actions reads from a step's output.
//!
//! What host text could turn into a command of its own is escaped as the runner's toolkit does it: `%`, carriage return
//! and line feed everywhere, colon and comma in properties. One line for each finding of a gate that is not CLOSED – a
//! warning where it is WAIVED –, one for each waiver that does not count, and one for the result, which is an error unless it is what
//! was asked for.

use std::path::Path;

use super::{Format, Judged, blamed, outcome, waiver_file};
use crate::gates::{GapState, WaiverStanding};
use crate::package::PACKAGE_FILE;
use crate::report::Baseline;
use crate::report::dossier::GateView;
use crate::report::escape::terminal;

pub const FORMAT: Format = Format {
    name: "github",
    summary: "annotations at their lines, for GitHub Actions",
    detailed: false,
    render: |audited| render(&Judged::of(audited)),
    render_some: Some(render),
};

fn render(judged: &Judged<'_>) -> String {
    let mut lines: Vec<String> = judged.gates.iter().flat_map(|gate| annotations(judged, gate)).collect();
    lines.extend(judged.waivers.iter().filter_map(|waiver| {
        let level = match waiver.standing {
            // The gate says it.
            WaiverStanding::InForce => return None,
            WaiverStanding::NotApplied => "warning",
            WaiverStanding::Refused => "error",
        };
        let path = judged.place.package_dir.join(waiver_file(waiver));
        let path = path.to_string_lossy();
        let path = property(path.strip_prefix("./").unwrap_or(&path));
        let title = property(&format!("waiver is {}", waiver.standing.word()));
        Some(format!("::{level} file={path},title={title}::{}", message(&waiver.said)))
    }));
    if let Some(whole) = judged.whole {
        let level = if judged.code == 0 { "notice" } else { "error" };
        let said = match whole.baseline {
            Some(baseline) => format!("{}\nresult: {}", baseline.said(), outcome(whole.dossier)),
            None => format!("result: {}", outcome(whole.dossier)),
        };
        let next = &whole.dossier.result.next;
        let said = if next.is_empty() { said } else { format!("{said}\nnext: {next}") };
        lines.push(format!("::{level} title=cutgate::{}", message(&said)));
    } else if let Some(said) = judged.selection() {
        let met = if judged.code == 0 { "what was asked for holds" } else { "blocked" };
        let met = judged.baseline.map_or_else(|| met.to_owned(), Baseline::said);
        let level = if judged.code == 0 { "notice" } else { "error" };
        lines.push(format!("::{level} title=cutgate::{}", message(&format!("{met}: {said}"))));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn annotations(judged: &Judged<'_>, gate: &GateView) -> Vec<String> {
    let finding = &gate.finding;
    let level = match finding.state {
        GapState::Closed => return Vec::new(),
        GapState::Waived => "warning",
        GapState::Partial | GapState::Unknown | GapState::Open if judged.no_worse(&finding.id) => "warning",
        GapState::Partial | GapState::Unknown | GapState::Open => "error",
    };
    // `code-path` has no gaps.
    let gap = if finding.gap == finding.id { String::new() } else { format!("{} ", finding.gap) };
    let title = format!("{gap}{} is {}", finding.id, finding.state.word());
    let annotation = |path: &Path, line: u64, column: u64, said: &str, next: &str| {
        let path = path.to_string_lossy();
        let path = path.strip_prefix("./").unwrap_or(&path);
        let mut place = format!("file={}", property(path));
        for (name, value) in [("line", line), ("col", column)] {
            if value > 0 {
                place = format!("{place},{name}={value}");
            }
        }
        let said = if next.is_empty() { said.to_owned() } else { format!("{said}\nnext: {next}") };
        format!("::{level} {place},title={}::{}", property(&title), message(&said))
    };
    let found: Vec<String> = blamed(gate)
        .into_iter()
        .map(|(check, at)| {
            annotation(&judged.place.locate(Path::new(&at.path)), at.line, at.column, &at.message, &check.next)
        })
        .collect();
    if found.is_empty() {
        let package = judged.place.package_dir.join(PACKAGE_FILE);
        return vec![annotation(&package, gate.line.max(1), 0, &finding.reason, &finding.next)];
    }
    found
}

/// The text of a command. Line ends are kept as data; anything else that could move a cursor is shown.
fn message(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| terminal(line).replace('%', "%25")).collect();
    lines.join("%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    terminal(text).replace('%', "%25").replace('\n', "%0A").replace(':', "%3A").replace(',', "%2C")
}

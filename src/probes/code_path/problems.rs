//! What keeps phases from CLOSED, each problem at its line with the way that leads there.

use super::facts::Judged;
use super::interp::Met;
use super::phase::{LiveWrite, PhaseFinding, Verdict};
use super::tree::Tree;
use super::value::Spot;
use crate::evidence::{Fact, Shape};

/// The kinds of problems, in the order in which they are listed for a phase.
const NO_LIVE_WRITE: &str = "no-live-write";
const SIMULATOR: &str = "simulator-reachable";
const UNDECIDED: &str = "undecided";
const SOMETIMES: &str = "live-write-on-some-paths";
const UNGUARDED: &str = "unguarded";

/// The shape of one problem: `path` is the file's logical path (the tree's, where no file can be named, with
/// line 0); lines and columns count from 1, columns in characters. `flow` leads from the entry to the place.
pub fn shape() -> Shape {
    let place = [("path", Shape::Text), ("line", Shape::Int), ("column", Shape::Int), ("source", Shape::Text)];
    let step = Shape::record(place.iter().cloned().chain([("label", Shape::Text)]));
    let more =
        [("phase", Shape::Text), ("problem", Shape::Text), ("message", Shape::Text), ("flow", Shape::list(step))];
    Shape::list(Shape::record(place.into_iter().chain(more)))
}

/// Every problem of every phase. `root` is the tree's logical path.
pub fn facts(tree: &Tree, root: &str, findings: &[Judged<'_>]) -> Fact {
    Fact::list(findings.iter().flat_map(|(name, _, finding)| of_phase(tree, root, name, finding)))
}

fn of_phase(tree: &Tree, root: &str, name: &str, finding: &PhaseFinding) -> Vec<Fact> {
    let mut problems = Vec::new();
    let start: Vec<(Spot, String)> = [(finding.entry, "entry"), (finding.mode_test, "mode test")]
        .into_iter()
        .filter_map(|(spot, label)| Some((spot?, label.to_owned())))
        .collect();
    let last = |steps: &[(Spot, String)]| steps.last().map(|(spot, _)| *spot);
    let mut add = |kind: &str, message: String, at: Option<Spot>, flow: &[(Spot, String)]| {
        let steps = flow.iter().map(|(spot, label)| {
            Fact::record(place(tree, root, Some(*spot)).into_iter().chain([("label", label.clone().into())]))
        });
        let more: [(&'static str, Fact); 4] = [
            ("phase", name.into()),
            ("problem", kind.into()),
            ("message", message.into()),
            ("flow", Fact::list(steps)),
        ];
        problems.push(Fact::record(place(tree, root, at).into_iter().chain(more)));
    };
    if finding.live_write == LiveWrite::Never {
        add(NO_LIVE_WRITE, format!("phase {name}: no live run writes"), last(&start), &start);
    }
    if finding.simulator_reachable == Verdict::True {
        for (spot, met) in &finding.simulators {
            let flow = through(&start, *spot, met, "simulator");
            add(
                SIMULATOR,
                format!("phase {name}: a live run can reach the simulator {}", met.call),
                Some(*spot),
                &flow,
            );
        }
    }
    let undecided = finding.live_write == LiveWrite::Unknown
        || finding.simulator_reachable == Verdict::Unknown
        || finding.guarded == Verdict::Unknown;
    if undecided {
        let (reason, spot) = finding
            .blocked_by
            .first()
            .cloned()
            .unwrap_or_else(|| ("the analysis met something that it does not model".to_owned(), None));
        add(UNDECIDED, format!("phase {name} cannot be decided: {reason}"), spot.or(last(&start)), &start);
    }
    if finding.live_write == LiveWrite::Sometimes {
        let mut flow = start.clone();
        if let Some((spot, met)) = finding.writes.first() {
            flow = through(&start, *spot, met, "write, on some paths only");
        }
        add(SOMETIMES, format!("phase {name}: a live run can return without having written"), last(&start), &flow);
    }
    if finding.guarded == Verdict::False {
        let said = format!("phase {name}: a live run is not refused while the kill switch is off");
        let flow = finding.writes.first().map_or(start.clone(), |(spot, met)| through(&start, *spot, met, "write"));
        add(UNGUARDED, said, finding.entry, &flow);
    }
    problems
}

/// The steps from the entry over the calls to `end`.
fn through(start: &[(Spot, String)], end: Spot, met: &Met, label: &str) -> Vec<(Spot, String)> {
    let mut flow = start.to_vec();
    let new = met.chain.iter().filter(|(_, spot)| start.iter().all(|(known, _)| known != spot));
    flow.extend(new.map(|(name, spot)| (*spot, format!("call of {name}"))));
    flow.push((end, format!("{label}: {}", met.call)));
    flow
}

fn place(tree: &Tree, root: &str, spot: Option<Spot>) -> [(&'static str, Fact); 4] {
    let Some(spot) = spot else {
        return [("path", root.into()), ("line", Fact::Int(0)), ("column", Fact::Int(0)), ("source", "".into())];
    };
    let file = tree.file(spot.module);
    let (line, column, source) = file.line(spot.at);
    let path = format!("{}/{}", root.trim_end_matches('/'), file.path);
    [("path", path.into()), ("line", line.into()), ("column", column.into()), ("source", source.into())]
}

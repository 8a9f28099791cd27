//! The facts of the analysis and their shape.

use std::collections::BTreeSet;

use super::config::{CodePathConfig, PhaseConfig};
use super::interp::{Interp, Met, Patterns};
use super::phase::{LiveWrite, PhaseFinding, SwitchFinding, Verdict};
use super::tree::Tree;
use super::value::Spot;
use super::{problems, survey};
use crate::evidence::{Fact, Missing, MissingState, Shape};
use crate::probes::Door;

/// A phase with its name and description.
pub type Judged<'a> = (&'a str, &'a PhaseConfig, PhaseFinding);

fn record(fields: &[(&str, Shape)]) -> Shape {
    Shape::record(fields.iter().cloned())
}

fn texts() -> Shape {
    Shape::list(Shape::Text)
}

/// The declared shape.
pub fn shape() -> Shape {
    let text = || Shape::Text;
    let call = record(&[("call", text()), ("place", text()), ("chain", texts())]);
    let phase = record(&[
        ("name", text()),
        ("entry", text()),
        ("found", Shape::Bool),
        ("place", text()),
        ("live_branch", Shape::Bool),
        ("live_write", text()),
        ("simulator_reachable", text()),
        ("guarded", text()),
        ("mode_test", text()),
        ("writes", Shape::list(call.clone())),
        ("simulators", Shape::list(call)),
        ("blocked_by", Shape::list(record(&[("reason", text()), ("place", text())]))),
        ("summary", text()),
        ("excerpt", Shape::list(record(&[("place", text()), ("line", text()), ("label", text())]))),
    ]);
    record(&[
        ("present", Shape::Bool),
        ("files", Shape::Int),
        ("digest", text()),
        ("parse_failures", Shape::list(record(&[("path", text()), ("place", text()), ("reason", text())]))),
        (
            "switches",
            Shape::list(record(&[
                ("name", text()),
                ("kind", text()),
                ("found", Shape::Bool),
                ("value", text()),
                ("place", text()),
            ])),
        ),
        ("phases", Shape::list(phase)),
        ("problems", problems::shape()),
        ("phases_without_live_write", texts()),
        ("phases_never_writing", texts()),
        ("phases_reaching_simulator", texts()),
        ("phases_unguarded", texts()),
        ("phases_undecided", texts()),
        ("decided", Shape::Bool),
        ("switch_values", texts()),
        ("state", text()),
        ("labels", Shape::list(record(&[("name", text()), ("text", text()), ("place", text())]))),
        ("simulator_docs", Shape::list(record(&[("name", text()), ("doc", text()), ("place", text())]))),
        ("live_discoverers", texts()),
        ("unwired", Shape::list(record(&[("module", text()), ("place", text())]))),
    ])
}

/// The facts where the tree could not be read at all, or is not there.
pub fn nothing(present: bool, missing: &Missing) -> Fact {
    let Shape::Record(fields) = shape() else { return missing.clone().into() };
    let value = |name: &str| if name == "present" { Fact::Bool(present) } else { missing.clone().into() };
    Fact::Map(fields.keys().map(|name| (name.clone(), value(name))).collect())
}

/// The state of the gap, in the order of the definitions.
pub fn state_of(findings: &[Judged<'_>]) -> &'static str {
    let all = |holds: &dyn Fn(&PhaseFinding) -> bool| findings.iter().all(|(_, _, finding)| holds(finding));
    let any = |holds: &dyn Fn(&PhaseFinding) -> bool| findings.iter().any(|(_, _, finding)| holds(finding));
    let closed = |finding: &PhaseFinding| {
        finding.live_write == LiveWrite::Always
            && finding.simulator_reachable == Verdict::False
            && finding.guarded == Verdict::True
    };
    if findings.is_empty() {
        "UNKNOWN"
    } else if all(&closed) {
        "CLOSED"
    } else if any(&|finding| finding.live_write == LiveWrite::Never || finding.simulator_reachable == Verdict::True) {
        "OPEN"
    } else if any(&is_undecided) {
        "UNKNOWN"
    } else {
        "PARTIAL"
    }
}

fn is_undecided(finding: &PhaseFinding) -> bool {
    finding.live_write == LiveWrite::Unknown
        || finding.simulator_reachable == Verdict::Unknown
        || finding.guarded == Verdict::Unknown
}

/// Everything that was found.
#[allow(clippy::too_many_arguments, reason = "everything that was found, from every part of the analysis")]
pub fn facts(
    tree: &Tree,
    root: &str,
    interp: &Interp<'_>,
    config: &CodePathConfig,
    patterns: &Patterns,
    switches: &[SwitchFinding],
    findings: &[Judged<'_>],
    door: &Door,
) -> Fact {
    let names = |holds: &dyn Fn(&PhaseFinding) -> bool| {
        Fact::texts(findings.iter().filter(|(_, _, finding)| holds(finding)).map(|(name, ..)| *name))
    };
    // With a hole for the phases of which it is not known.
    let names_where = |holds: &dyn Fn(&PhaseFinding) -> bool, unknown: &dyn Fn(&PhaseFinding) -> bool| {
        let known = findings.iter().filter(|(_, _, finding)| holds(finding)).map(|(name, ..)| Fact::text(*name));
        let hole = findings.iter().find(|(_, _, finding)| unknown(finding));
        Fact::list(known.chain(hole.map(|judged| undecided(tree, judged, door).into())))
    };
    let write_unknown = |finding: &PhaseFinding| finding.live_write == LiveWrite::Unknown;
    let simulator_unknown = |finding: &PhaseFinding| finding.simulator_reachable == Verdict::Unknown;
    let guard_unknown = |finding: &PhaseFinding| finding.guarded == Verdict::Unknown;
    let entered: BTreeSet<_> = findings.iter().flat_map(|(_, _, finding)| finding.entered.iter().copied()).collect();
    let entries: Vec<_> =
        findings.iter().filter_map(|(_, phase, _)| tree.module(phase.entry.split(':').next().unwrap_or(""))).collect();
    let place = |spot: Spot| Fact::Text(tree.place(spot));
    // Looked at before failures are listed: it parses what only labels need.
    let labels = Fact::list(survey::labels(tree).into_iter().map(|label| {
        Fact::record([("name", label.name.into()), ("text", label.text.into()), ("place", place(label.spot))])
    }));
    let unwired = Fact::list(
        survey::unwired(tree, interp, &patterns.sinks, &entries)
            .into_iter()
            .map(|(module, spot)| Fact::record([("module", module.into()), ("place", place(spot))])),
    );
    let docs = survey::simulators(tree, &patterns.simulators).into_iter().map(|simulator| {
        Fact::record([("name", simulator.name.into()), ("doc", simulator.doc.into()), ("place", place(simulator.spot))])
    });
    let failures = tree.files.iter().filter_map(|file| {
        file.failure().map(|failure| {
            Fact::record([
                ("path", file.path.clone().into()),
                ("place", file.place(failure.at).into()),
                ("reason", failure.reason.clone().into()),
            ])
        })
    });
    Fact::record([
        ("present", true.into()),
        ("files", tree.files.len().into()),
        ("digest", tree.digest.as_str().into()),
        ("parse_failures", Fact::list(failures)),
        (
            "switches",
            Fact::list(config.kill_switch.iter().zip(switches).map(|(given, found)| {
                Fact::record([
                    ("name", given.name.clone().into()),
                    ("kind", given.kind.word().into()),
                    ("found", found.at.is_some().into()),
                    ("value", switch_value(found).into()),
                    ("place", found.spot.map_or_else(|| Fact::text(""), place)),
                ])
            })),
        ),
        ("phases", Fact::list(findings.iter().map(|judged| phase_fact(tree, judged, door)))),
        ("problems", problems::facts(tree, root, findings)),
        (
            "phases_without_live_write",
            names_where(
                &|finding| matches!(finding.live_write, LiveWrite::Never | LiveWrite::Sometimes),
                &write_unknown,
            ),
        ),
        ("phases_never_writing", names_where(&|finding| finding.live_write == LiveWrite::Never, &write_unknown)),
        (
            "phases_reaching_simulator",
            names_where(&|finding| finding.simulator_reachable == Verdict::True, &simulator_unknown),
        ),
        ("phases_unguarded", names_where(&|finding| finding.guarded == Verdict::False, &guard_unknown)),
        ("phases_undecided", names(&is_undecided)),
        ("decided", decided(tree, findings, door).into()),
        (
            "switch_values",
            Fact::list(
                config.kill_switch.iter().zip(switches).map(|(given, found)| known_value(&given.name, found, door)),
            ),
        ),
        ("state", state_fact(tree, findings, door)),
        ("labels", labels),
        ("simulator_docs", Fact::list(docs)),
        ("live_discoverers", Fact::texts(survey::live_discoverers(interp, &patterns.sinks, &entered))),
        ("unwired", unwired),
    ])
}

fn switch_value(switch: &SwitchFinding) -> &'static str {
    match switch.value {
        Some(true) => "True",
        Some(false) => "False",
        None => "unknown",
    }
}

/// The value, or that it could not be read: one that is unknown before and after has not been found to be the same.
fn known_value(name: &str, switch: &SwitchFinding, door: &Door) -> Fact {
    if switch.value.is_some() {
        return switch_value(switch).into();
    }
    let said = if switch.at.is_some() { "its value at rest cannot be told" } else { "it is not in the tree" };
    let next = "let it be a plain True or False: see docs/code-path.md";
    door.missing(MissingState::Unreadable, format!("read the switch {name}"), said, next).into()
}

/// The state of the gap; missing where it is UNKNOWN.
fn state_fact(tree: &Tree, findings: &[Judged<'_>], door: &Door) -> Fact {
    let undecided_phase = findings.iter().find(|(_, _, finding)| is_undecided(finding));
    match (state_of(findings), undecided_phase) {
        ("UNKNOWN", Some(judged)) => undecided(tree, judged, door).into(),
        ("UNKNOWN", None) => {
            let next = "name every mutating phase in the package";
            door.missing(MissingState::Unreadable, "judge the phases", "the package names no phase", next).into()
        }
        (state, _) => state.into(),
    }
}

/// True, or the reason why a phase could not be decided: a rule over this is unknown by itself.
fn decided(tree: &Tree, findings: &[Judged<'_>], door: &Door) -> Result<bool, Missing> {
    match findings.iter().find(|(_, _, finding)| is_undecided(finding)) {
        Some(judged) => Err(undecided(tree, judged, door)),
        None => Ok(true),
    }
}

/// Why it is not known what a phase does.
fn undecided(tree: &Tree, (name, _, finding): &Judged<'_>, door: &Door) -> Missing {
    let said = match finding.blocked_by.first() {
        Some((reason, Some(spot))) => format!("{reason} at {}", tree.place(*spot)),
        Some((reason, None)) => reason.clone(),
        None => "the analysis met something that it does not model".to_owned(),
    };
    let next = "write it so that the analysis can follow it: see docs/code-path.md";
    let tried = format!("decide what phase {name} does in a live run");
    if finding.out_of_time {
        return door.missing(MissingState::TimedOut, tried, said, "raise the time limit");
    }
    door.missing(MissingState::Unreadable, tried, said, next)
}

fn phase_fact(tree: &Tree, judged: &Judged<'_>, door: &Door) -> Fact {
    let (name, phase, finding) = judged;
    let answer = |word: &str, unknown: bool| {
        if unknown { undecided(tree, judged, door).into() } else { Fact::text(word) }
    };
    let place = |spot: Option<Spot>| spot.map_or_else(String::new, |spot| tree.place(spot));
    let calls = |met: &[(Spot, Met)]| {
        Fact::list(met.iter().map(|(spot, met)| {
            let chain = met.chain.iter().map(|(name, at)| format!("{name} ({})", tree.place(*at)));
            Fact::record([
                ("call", met.call.clone().into()),
                ("place", tree.place(*spot).into()),
                ("chain", Fact::texts(chain)),
            ])
        }))
    };
    let blocked = finding
        .blocked_by
        .iter()
        .map(|(reason, spot)| Fact::record([("reason", reason.clone().into()), ("place", place(*spot).into())]));
    // What was not looked at to the end is not absent.
    let found = match (finding.entry, finding.absent) {
        (Some(_), _) => true.into(),
        (None, true) => false.into(),
        (None, false) => undecided(tree, judged, door).into(),
    };
    Fact::record([
        ("name", (*name).into()),
        ("entry", phase.entry.clone().into()),
        ("found", found),
        ("place", place(finding.entry).into()),
        ("live_branch", finding.live_branch.into()),
        ("live_write", answer(finding.live_write.word(), finding.live_write == LiveWrite::Unknown)),
        (
            "simulator_reachable",
            answer(finding.simulator_reachable.word(), finding.simulator_reachable == Verdict::Unknown),
        ),
        ("guarded", answer(finding.guarded.word(), finding.guarded == Verdict::Unknown)),
        ("mode_test", place(finding.mode_test).into()),
        ("writes", calls(&finding.writes)),
        ("simulators", calls(&finding.simulators)),
        ("blocked_by", Fact::list(blocked)),
        ("summary", summary(tree, finding).into()),
        ("excerpt", excerpt(tree, finding)),
    ])
}

fn summary(tree: &Tree, finding: &PhaseFinding) -> String {
    if finding.entry.is_none() {
        let reason = finding.blocked_by.first().map_or("the entry was not found", |(reason, _)| reason.as_str());
        return format!("nothing is known of this phase: {reason}");
    }
    let write = match finding.live_write {
        LiveWrite::Always => "every live run that returns has written",
        LiveWrite::Sometimes => "a live run can return without having written",
        LiveWrite::Never => "no live run writes",
        LiveWrite::Unknown => "whether a live run writes is not known",
    };
    let simulator = match (finding.simulator_reachable, finding.simulators.first()) {
        (Verdict::True, Some((spot, met))) => {
            format!("it can reach the simulator {} at {}", met.call, tree.place(*spot))
        }
        (Verdict::True, None) => "it can reach a simulator".to_owned(),
        (Verdict::False, _) => "no simulator is reachable".to_owned(),
        (Verdict::Unknown, _) => "whether it can reach a simulator is not known".to_owned(),
    };
    let guard = match finding.guarded {
        Verdict::True => "while the switch is off it is refused",
        Verdict::False => "while the switch is off it is not refused before it writes or returns",
        Verdict::Unknown => "whether the switch refuses it is not known",
    };
    format!("{write}; {simulator}; {guard}")
}

fn excerpt(tree: &Tree, finding: &PhaseFinding) -> Fact {
    let mut lines: Vec<(Spot, &str)> = Vec::new();
    lines.extend(finding.entry.map(|spot| (spot, "entry")));
    lines.extend(finding.mode_test.map(|spot| (spot, "mode test")));
    lines.extend(finding.writes.iter().map(|(spot, _)| (*spot, "write")));
    lines.extend(finding.simulators.iter().map(|(spot, _)| (*spot, "simulator")));
    Fact::list(lines.into_iter().map(|(spot, label)| {
        let (_, _, line) = tree.file(spot.module).line(spot.at);
        Fact::record([("place", tree.place(spot).into()), ("line", line.into()), ("label", label.into())])
    }))
}

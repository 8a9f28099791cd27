//! `explain`: one gate's checks, taken apart with actual and demanded values, where each was read, and the fewest changes that
//! would close it.

use std::path::Path;

use serde_json::json;

use super::cli::ExplainArgs;
use super::interrupt::Interrupts;
use super::{CommandError, audit, output, screen, session};
use crate::evidence::Evidence;
use crate::gates::expr::{Change, Closing, Step};
use crate::gates::{CheckOutcome, Finding, GapState, Gate, Location, closing, evaluate, explain, waived};
use crate::report::escape::{code, markdown, terminal};

pub fn run(package: &Path, args: &ExplainArgs) -> Result<u8, CommandError> {
    let render = match args.format.as_str() {
        "text" => text,
        "json" => json_text,
        "markdown" => markdown_text,
        other => {
            let help = crate::package::diagnostic::suggestion(other, ["json", "markdown", "text"]);
            return Err(CommandError::Usage(format!("there is no format `{other}`; {help}")));
        }
    };
    let loaded = session::load(package)?;
    let gate = audit::session_gate(&loaded, &args.gate)?;
    let interrupts = Interrupts::heard();
    let session::Collected { evidence, secrets } =
        session::collect_evidence(&loaded, &[gate], false, None, &interrupts);
    let findings = evaluate(std::slice::from_ref(gate), &loaded.package, &evidence);
    let (mut findings, _) = waived(&loaded, findings, &evidence);
    let finding = findings.remove(0);
    let steps = explain(gate, &loaded.package, &evidence);
    let ways = Ways::of(&finding, closing(gate, &loaded.package, &evidence));
    output::to_stdout_without(&secrets, &render(gate, &finding, &steps, &ways, &evidence))?;
    Ok(match finding.state {
        GapState::Closed => 0,
        GapState::Unknown => 3,
        GapState::Open | GapState::Partial | GapState::Waived => 1,
    })
}

/// A mark for an outcome that does not rest on colour.
fn mark(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Holds => "+",
        CheckOutcome::Fails => "-",
        CheckOutcome::Unknown => "?",
    }
}

/// What would close a gate, as far as its rules say it.
struct Ways {
    /// Each change with the checks that ask for it; the fewest.
    changes: Vec<(Change, Vec<String>)>,
    /// Each step that the gate names, or the probe that could not read, with the checks that it is named for, in order.
    steps: Vec<(String, Vec<String>)>,
    /// How many other ways the rules leave.
    others: usize,
    /// Why these may not be the fewest.
    doubts: Vec<String>,
}

impl Ways {
    fn of(finding: &Finding, closings: Vec<(String, Closing)>) -> Self {
        let mut ways = Self { changes: Vec::new(), steps: Vec::new(), others: 0, doubts: Vec::new() };
        for (check, closing) in closings {
            ways.others += closing.others;
            if !closing.doubt.is_empty() {
                ways.doubts.push(format!("{check}: {}", closing.doubt));
            }
            closing.changes.into_iter().for_each(|change| add(&mut ways.changes, change, &check));
        }
        for check in finding.checks.iter().filter(|check| !check.next.is_empty()) {
            add(&mut ways.steps, check.next.clone(), &check.id);
        }
        ways
    }
}

/// Notes that a check asks for something that another may have asked for before.
fn add<T: PartialEq>(all: &mut Vec<(T, Vec<String>)>, asked: T, check: &str) {
    match all.iter_mut().find(|(known, _)| *known == asked) {
        Some((_, checks)) => checks.push(check.to_owned()),
        None => all.push((asked, vec![check.to_owned()])),
    }
}

/// A change as a sentence.
fn sentence(change: &Change) -> String {
    let of = if change.of.is_empty() { String::new() } else { format!(" of {}", change.of) };
    let place = if change.in_package { " (in the package file)" } else { "" };
    format!("{}{of} is {}, must be {}{place}", change.part, change.actual, change.demanded)
}

/// What the numbers of changes rest on.
const BASIS: &str = "the fewest that the rules ask for; what one of them brings along is not known to them";

fn ways_text(ways: &Ways) -> String {
    if ways.changes.is_empty() {
        return String::new();
    }
    let count = output::counted(ways.changes.len(), "change");
    let mut out = format!("\nto close it, {count} ({BASIS}):\n");
    for (number, (change, checks)) in ways.changes.iter().enumerate() {
        let (said, checks) = (terminal(&sentence(change)), terminal(&checks.join(", ")));
        out.push_str(&format!("  {}. {said} [{checks}]\n", number + 1));
    }
    if ways.others > 0 {
        let other = output::counted(ways.others, "other alternative");
        out.push_str(&format!("  the rules leave {other} of as many changes or more\n"));
    }
    for doubt in &ways.doubts {
        out.push_str(&format!("  the fewest cannot be told of {}\n", terminal(doubt)));
    }
    out.push_str("steps that are named for them, in this order; each may answer more than its own check:\n");
    for (number, (command, checks)) in ways.steps.iter().enumerate() {
        out.push_str(&format!("  {}. {} [{}]\n", number + 1, terminal(command), terminal(&checks.join(", "))));
    }
    out
}

/// The statements that a gate's probes of databases sent, by the names that the gate and its file give them.
fn queries(gate: &Gate) -> Vec<(String, String)> {
    let asked =
        gate.probes.iter().filter_map(|(name, used)| Some((name, used.settings.0.get("queries")?.as_object()?)));
    let asked = asked.flat_map(|(name, queries)| queries.iter().map(move |(query, settings)| (name, query, settings)));
    let asked = asked.filter_map(|(name, query, settings)| {
        let sql = settings.get("sql")?.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ");
        Some((format!("{name}.{query}"), sql))
    });
    asked.collect()
}

/// What a gate's probes read: what, by whom, when, how much.
fn sources(gate: &Gate, evidence: &Evidence) -> Vec<(String, String)> {
    let observations = gate.probes.iter().filter_map(|(name, used)| Some((name, evidence.probes.get(&used.id)?)));
    let sources =
        observations.flat_map(|(name, observation)| observation.sources.iter().map(move |source| (name, source)));
    sources.map(|(name, source)| (name.clone(), screen::source(source))).collect()
}

fn text(gate: &Gate, finding: &Finding, steps: &[(String, Vec<Step>)], ways: &Ways, evidence: &Evidence) -> String {
    let mut out = format!(
        "{} closes {} in stage {}: {}\n{} — {}\n",
        terminal(&finding.id),
        terminal(&finding.gap),
        terminal(&finding.stage),
        terminal(&finding.title),
        screen::painted(finding.state),
        terminal(&finding.reason)
    );
    for (check, (_, steps)) in finding.checks.iter().zip(steps) {
        out.push_str(&format!(
            "\n{} {} ({}): {}\n",
            mark(check.outcome),
            terminal(&check.id),
            check.tier.word(),
            check.outcome.word()
        ));
        for step in steps {
            let indent = "  ".repeat(step.depth + 2);
            let wanted = if step.wanted.is_empty() { String::new() } else { format!("  ({})", terminal(&step.wanted)) };
            out.push_str(&format!("{indent}{}  →  {}{wanted}\n", terminal(&step.text), terminal(&step.value)));
        }
        for location in &check.locations {
            out.push_str(&format!("    at: {}\n", terminal(&place(location))));
        }
        for (label, text) in [("found", &check.detail), ("close it", &check.next)] {
            if !text.is_empty() {
                out.push_str(&format!("    {label}: {}\n", terminal(text)));
            }
        }
    }
    for used in gate.probes.values().filter(|used| used.kind == "code-path") {
        let facts = evidence.probes.get(&used.id).map(|observation| crate::report::plain(&observation.facts));
        out.push_str(&format!("\n{}", crate::report::excerpt::phases(&facts.unwrap_or_default())));
    }
    out.push_str("\nread:\n");
    for (name, source) in sources(gate, evidence) {
        out.push_str(&format!("  {}: {}\n", terminal(&name), terminal(&source)));
    }
    for (name, query) in queries(gate) {
        out.push_str(&format!("  {} asks: {}\n", terminal(&name), terminal(&query)));
    }
    out.push_str(&ways_text(ways));
    if !finding.next.is_empty() {
        out.push_str(&format!("\nnext: {}\n", terminal(&finding.next)));
    }
    out
}

/// `path:line:column: message`, as editors and terminals make it a link.
fn place(location: &Location) -> String {
    match location.line {
        0 => format!("{}: {}", location.path, location.message),
        line => format!("{}:{line}:{}: {}", location.path, location.column, location.message),
    }
}

fn markdown_text(
    gate: &Gate,
    finding: &Finding,
    steps: &[(String, Vec<Step>)],
    ways: &Ways,
    evidence: &Evidence,
) -> String {
    let mut out = format!(
        "# {} — {}: {}\n\n{}\n\n| Check | Tier | Outcome | Found | Next |\n|---|---|---|---|---|\n",
        code(&finding.id, false),
        markdown(&finding.gap),
        finding.state.word(),
        markdown(&finding.reason)
    );
    for check in &finding.checks {
        let next = if check.next.is_empty() { String::new() } else { code(&check.next, true) };
        let (id, tier, outcome) = (code(&check.id, true), check.tier.word(), check.outcome.word());
        out.push_str(&format!("| {id} | {tier} | {outcome} | {} | {next} |\n", markdown(&check.detail)));
    }
    out.push_str("\n| Check | Part | Value | Demanded |\n|---|---|---|---|\n");
    for (id, steps) in steps {
        for step in steps {
            let (part, value, wanted) = (code(&step.text, true), markdown(&step.value), markdown(&step.wanted));
            out.push_str(&format!("| {} | {part} | {value} | {wanted} |\n", code(id, true)));
        }
    }
    out.push_str("\nRead:\n\n");
    for (name, source) in sources(gate, evidence) {
        out.push_str(&format!("- {}: {}\n", code(&name, false), markdown(&source)));
    }
    for (name, query) in queries(gate) {
        out.push_str(&format!("- {} asks {}\n", code(&name, false), code(&query, false)));
    }
    if !ways.changes.is_empty() {
        out.push_str(&format!("\nTo close it ({BASIS}):\n\n"));
        for (change, checks) in &ways.changes {
            out.push_str(&format!("1. {} ({})\n", markdown(&sentence(change)), markdown(&checks.join(", "))));
        }
        out.push_str("\nSteps that are named for them:\n\n");
        for (command, checks) in &ways.steps {
            out.push_str(&format!("1. {} ({})\n", code(command, false), markdown(&checks.join(", "))));
        }
    }
    out
}

fn json_text(
    gate: &Gate,
    finding: &Finding,
    steps: &[(String, Vec<Step>)],
    ways: &Ways,
    evidence: &Evidence,
) -> String {
    let steps: Vec<_> = steps
        .iter()
        .map(|(id, steps)| {
            let part = |step: &Step| {
                json!({"depth": step.depth, "part": step.text, "value": step.value, "wanted": step.wanted})
            };
            json!({"check": id, "parts": steps.iter().map(part).collect::<Vec<_>>()})
        })
        .collect();
    let observations: serde_json::Map<_, _> = gate
        .probes
        .iter()
        .filter_map(|(name, used)| {
            let observation = serde_json::to_value(evidence.probes.get(&used.id)?).ok()?;
            Some((name.clone(), observation))
        })
        .collect();
    let changes = ways.changes.iter().map(|(change, checks)| json!({"change": change, "checks": checks}));
    let named = ways.steps.iter().map(|(command, checks)| json!({"step": command, "checks": checks}));
    let closing = json!({
        "basis": BASIS, "changes": changes.collect::<Vec<_>>(), "steps": named.collect::<Vec<_>>(),
        "others": ways.others, "doubts": ways.doubts,
    });
    let whole = json!({"finding": finding, "explained": steps, "closing": closing, "observations": observations});
    format!("{whole:#}\n")
}

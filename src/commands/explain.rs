//! `explain`: one gate's checks with actual values, where each was read, and what would close it.

use std::path::Path;

use serde_json::json;

use super::cli::ExplainArgs;
use super::interrupt::Interrupts;
use super::{CommandError, audit, output, session};
use crate::evidence::{Evidence, Reading};
use crate::gates::expr::Step;
use crate::gates::{CheckOutcome, Finding, GapState, Gate, Location, evaluate, explain, waived};
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
    output::to_stdout_without(&secrets, &render(gate, &finding, &steps, &evidence))?;
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

/// What a gate's probes read: what, by whom, when, how much.
fn sources(gate: &Gate, evidence: &Evidence) -> Vec<(String, String)> {
    let observations = gate.probes.iter().filter_map(|(name, used)| Some((name, evidence.probes.get(&used.id)?)));
    let sources =
        observations.flat_map(|(name, observation)| observation.sources.iter().map(move |source| (name, source)));
    sources
        .map(|(name, source)| {
            let read = match &source.read {
                Reading::Content { size, sha256 } => format!("{size} bytes, sha256 {}…", &sha256.as_str()[..12]),
                Reading::Attributes => "attributes".to_owned(),
                Reading::Statement { sha256 } => format!("asked, sha256 {}…", &sha256.as_str()[..12]),
            };
            (name.clone(), format!("{} as {}: {read}", source.what, source.by))
        })
        .collect()
}

fn text(gate: &Gate, finding: &Finding, steps: &[(String, Vec<Step>)], evidence: &Evidence) -> String {
    let mut out = format!(
        "{} closes {} in stage {}: {}\n{} — {}\n",
        terminal(&finding.id),
        terminal(&finding.gap),
        terminal(&finding.stage),
        terminal(&finding.title),
        finding.state.word(),
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
            out.push_str(&format!("{indent}{}  →  {}\n", terminal(&step.text), terminal(&step.value)));
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

fn markdown_text(gate: &Gate, finding: &Finding, steps: &[(String, Vec<Step>)], evidence: &Evidence) -> String {
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
    out.push_str("\n| Check | Part | Value |\n|---|---|---|\n");
    for (id, steps) in steps {
        for step in steps {
            out.push_str(&format!("| {} | {} | {} |\n", code(id, true), code(&step.text, true), markdown(&step.value)));
        }
    }
    out.push_str("\nRead:\n\n");
    for (name, source) in sources(gate, evidence) {
        out.push_str(&format!("- {}: {}\n", code(&name, false), markdown(&source)));
    }
    out
}

fn json_text(gate: &Gate, finding: &Finding, steps: &[(String, Vec<Step>)], evidence: &Evidence) -> String {
    let steps: Vec<_> = steps
        .iter()
        .map(|(id, steps)| {
            let parts: Vec<_> =
                steps.iter().map(|step| json!({"depth": step.depth, "part": step.text, "value": step.value})).collect();
            json!({"check": id, "parts": parts})
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
    let whole = json!({"finding": finding, "explained": steps, "observations": observations});
    format!("{whole:#}\n")
}

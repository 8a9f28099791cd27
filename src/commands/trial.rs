//! `gates test`: what the gates say of recorded facts, and whether the tests would notice another rule.

use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::cli::TestArgs;
use super::{CommandError, audit, output};
use crate::evidence::Evidence;
use crate::gates::trial::{self, FOLDER, Fault, Trial, Verdict};
use crate::gates::{self, Gate, Loaded};
use crate::report::escape::terminal;

pub fn run(package: &Path, args: &TestArgs) -> Result<u8, CommandError> {
    let destinations = output::destinations(&args.format, ["text", "json"].into_iter())?;
    let loaded = gates::load(package).map_err(CommandError::Problems)?;
    let asked = args.gates.iter().map(|name| audit::session_gate(&loaded, name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(audit) = &args.start_from {
        return start(&loaded, &asked, audit);
    }
    let mut trials = trial::read(&loaded).map_err(CommandError::Problems)?;
    if !asked.is_empty() {
        trials.retain(|trial| asked.iter().any(|gate| gate.id == trial.gate));
    }
    let untested = untested(&loaded, &asked, &trials);
    if trials.is_empty() {
        let help = format!(
            "there is nothing to test: no gate has a file in {}/; write the first ones with: cutgate gates test --start-from AUDIT",
            loaded.place.package_dir.join(FOLDER).display()
        );
        return Err(CommandError::Usage(help));
    }
    let find = |id: &str| loaded.gates.iter().find(|gate| gate.id == id);
    let verdicts: Vec<Verdict> = trials
        .iter()
        .filter_map(|trial| find(&trial.gate).map(|gate| trial::judge(gate, trial, &loaded.package)))
        .collect();
    for destination in &destinations {
        let text =
            if destination.name == "json" { as_json(&verdicts, &untested) } else { as_text(&verdicts, &untested) };
        destination.put(&text)?;
    }
    let holds = untested.is_empty() && verdicts.iter().all(|verdict| verdict.faults.is_empty());
    Ok(u8::from(!holds))
}

/// Gates that must have tests and have none: those asked for, else the package's own.
fn untested(loaded: &Loaded, asked: &[&Gate], trials: &[Trial]) -> Vec<String> {
    let wanted = |gate: &&Gate| match asked {
        [] => !gate.file.starts_with("stock/"),
        asked => asked.iter().any(|each| each.id == gate.id),
    };
    let tested = |gate: &Gate| trials.iter().any(|trial| trial.gate == gate.id);
    loaded.gates.iter().filter(wanted).filter(|gate| !tested(gate)).map(|gate| gate.id.clone()).collect()
}

/// Copies the evidence of an audit and writes a first file for each gate that has none; files that are there stay.
fn start(loaded: &Loaded, asked: &[&Gate], audit: &Path) -> Result<u8, CommandError> {
    let failed =
        |what: &Path, error: &dyn std::fmt::Display| CommandError::Usage(format!("{}: {error}", what.display()));
    let source = audit.join("evidence.json");
    let bytes = std::fs::read(&source).map_err(|error| failed(&source, &error))?;
    let evidence: Evidence = serde_json::from_slice(&bytes).map_err(|error| failed(&source, &error))?;
    let name = audit.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let name = name.ok_or_else(|| failed(audit, &"it has no name"))?;
    let relative = format!("{FOLDER}/evidence/{name}.json");
    let copy = loaded.place.package_dir.join(&relative);
    let write = |path: &Path, bytes: &[u8]| -> std::io::Result<bool> {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        match std::fs::OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(mut file) => file.write_all(bytes).map(|()| true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    };
    if !write(&copy, &bytes).map_err(|error| failed(&copy, &error))?
        && std::fs::read(&copy).map_err(|error| failed(&copy, &error))? != bytes
    {
        return Err(failed(&copy, &"other evidence lies there under this name; move it away"));
    }
    let wanted = |gate: &&Gate| match asked {
        [] => !gate.file.starts_with("stock/"),
        asked => asked.iter().any(|each| each.id == gate.id),
    };
    let mut said = String::new();
    for gate in loaded.gates.iter().filter(wanted) {
        let path = loaded.place.package_dir.join(FOLDER).join(format!("{}.toml", gate.id));
        let text = trial::start(gate, &loaded.package, &evidence, &relative);
        let made = write(&path, text.as_bytes()).map_err(|error| failed(&path, &error))?;
        let word = if made { "wrote" } else { "left as it is" };
        said.push_str(&format!("{word}: {}\n", terminal(&path.display().to_string())));
    }
    if said.is_empty() {
        return Err(CommandError::Usage(
            "the package has no gates of its own; name the gates to write tests for".to_owned(),
        ));
    }
    said.push_str("now write the cases that must fail, and run: cutgate gates test\n");
    output::to_stdout(&said)?;
    Ok(0)
}

fn as_text(verdicts: &[Verdict], untested: &[String]) -> String {
    let mut out = String::new();
    for verdict in verdicts {
        let mark = if verdict.faults.is_empty() { "+" } else { "-" };
        out.push_str(&format!(
            "{mark} {}: {}, {} of its rules tried\n",
            terminal(&verdict.gate),
            counted(verdict.cases, "case"),
            counted(verdict.changes, "change")
        ));
        for fault in &verdict.faults {
            out.push_str(&format!("    {}\n", terminal(&fault_text(verdict, fault))));
        }
    }
    for gate in untested {
        out.push_str(&format!("- {}: no tests; write {FOLDER}/{}.toml\n", terminal(gate), terminal(gate)));
    }
    let bad = untested.len() + verdicts.iter().filter(|verdict| !verdict.faults.is_empty()).count();
    let all = counted(untested.len() + verdicts.len(), "gate");
    out.push_str(&match bad {
        0 => format!("\n{all}: every case holds, and every change of a rule was noticed\n"),
        bad => format!("\n{bad} of {all} not held fast by tests\n"),
    });
    if verdicts.iter().flat_map(|verdict| &verdict.faults).any(|fault| matches!(fault, Fault::Unnoticed { .. })) {
        out.push_str(
            "For each change that is not noticed, write a case whose state differs under it; where none can, say why:\n  \
             [[alike]] with check, change and why\n",
        );
    }
    out
}

fn fault_text(verdict: &Verdict, fault: &Fault) -> String {
    match fault {
        Fault::Case { name, line, expected, given, reason } => {
            format!("{}:{line}: \"{name}\" is {given}, not {expected}: {reason}", verdict.shown)
        }
        Fault::Never(state) => format!("{}: no case expects {state}; write one", verdict.shown),
        Fault::Unnoticed { check, change, .. } => format!("{check}: no case notices {change}"),
        Fault::NotAlike { line, change } => {
            format!("{}:{line}: [[alike]] {change} is no change, or a case notices it; remove it", verdict.shown)
        }
    }
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

fn as_json(verdicts: &[Verdict], untested: &[String]) -> String {
    let fault = |fault: &Fault| match fault {
        Fault::Case { name, line, expected, given, reason } => {
            json!({"kind": "case", "name": name, "line": line, "expected": expected, "given": given, "reason": reason})
        }
        Fault::Never(state) => json!({"kind": "never", "state": state}),
        Fault::Unnoticed { check, change, span } => {
            json!({"kind": "unnoticed", "check": check, "change": change, "start": span.start, "end": span.end})
        }
        Fault::NotAlike { line, change } => json!({"kind": "not-alike", "line": line, "change": change}),
    };
    let each = |verdict: &Verdict| {
        json!({
            "gate": verdict.gate, "file": verdict.shown, "cases": verdict.cases, "changes": verdict.changes,
            "faults": verdict.faults.iter().map(fault).collect::<Vec<_>>(),
        })
    };
    let gates: Vec<_> = verdicts.iter().map(each).collect();
    format!("{:#}\n", json!({"format": "cutgate-gate-tests/1", "gates": gates, "untested": untested}))
}

//! `gates list` and `gates check`; `gates test` is in `trial`.

use std::path::Path;

use serde_json::json;

use super::cli::{GatesAction, GatesArgs};
use super::{CommandError, output};
use crate::gates::{self, Loaded};
use crate::report::escape::{code, markdown, terminal};

pub fn run(package: &Path, args: &GatesArgs) -> Result<u8, CommandError> {
    match &args.action {
        GatesAction::List { format } => list(package, format),
        GatesAction::Check => check(package),
        GatesAction::Test(args) => super::trial::run(package, args),
    }
}

fn check(package: &Path) -> Result<u8, CommandError> {
    let loaded = gates::load(package).map_err(CommandError::Problems)?;
    let checks: usize = loaded.gates.iter().map(|gate| gate.checks.len()).sum();
    if !loaded.warnings.diagnostics.is_empty() && !super::screen::quiet() {
        anstream::eprintln!("{}", loaded.warnings.render(true).trim_end());
    }
    output::to_stdout(&format!("{} gates with {checks} checks are in order\n", loaded.gates.len()))?;
    Ok(0)
}

fn list(package: &Path, format: &str) -> Result<u8, CommandError> {
    let render = match format {
        "text" => text,
        "json" => json_text,
        "markdown" => markdown_text,
        other => {
            let help = crate::package::diagnostic::suggestion(other, ["json", "markdown", "text"]);
            return Err(CommandError::Usage(format!("there is no format `{other}`; {help}")));
        }
    };
    let loaded = gates::load(package).map_err(CommandError::Problems)?;
    output::to_stdout(&render(&loaded))?;
    Ok(0)
}

fn text(loaded: &Loaded) -> String {
    let width = loaded.gates.iter().map(|gate| gate.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for gate in &loaded.gates {
        out.push_str(&format!(
            "{:<width$}  {}  {}  {}\n",
            terminal(&gate.id),
            gate.stage,
            terminal(&gate.gap),
            terminal(&gate.title)
        ));
        for check in &gate.checks {
            out.push_str(&format!("{:<width$}    {:<10}  {}\n", "", check.tier.word(), terminal(&check.id)));
        }
    }
    out
}

fn markdown_text(loaded: &Loaded) -> String {
    let mut out = "| Gate | Gap | Stage | Establishes | Checks |\n|---|---|---|---|---|\n".to_owned();
    for gate in &loaded.gates {
        let checks: Vec<_> = gate.checks.iter().map(|check| code(&check.id, true)).collect();
        let (id, gap, stage) = (code(&gate.id, true), markdown(&gate.gap), markdown(&gate.stage));
        out.push_str(&format!("| {id} | {gap} | {stage} | {} | {} |\n", markdown(&gate.title), checks.join(", ")));
    }
    out
}

fn json_text(loaded: &Loaded) -> String {
    let gates: Vec<_> = loaded
        .gates
        .iter()
        .map(|gate| {
            let checks: Vec<_> = gate
                .checks
                .iter()
                .map(|check| {
                    json!({
                        "id": check.id, "tier": check.tier.word(), "require": check.require.source(),
                        "otherwise": check.otherwise.source(), "cites": check.cites,
                    })
                })
                .collect();
            let probes: serde_json::Map<_, _> = gate
                .probes
                .iter()
                .map(|(name, used)| (name.clone(), json!({"kind": used.kind, "id": used.id})))
                .collect();
            json!({
                "id": gate.id, "gap": gate.gap, "stage": gate.stage, "title": gate.title,
                "file": gate.file, "probes": probes, "checks": checks,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "gates": gates }))
}

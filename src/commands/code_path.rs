//! `code-path`: the analysis of the live code path alone, on any tree, without a package.

use std::path::{Path, PathBuf};
use std::time::Instant as Monotonic;

use serde_json::{Map, Value as Json, json};

use super::cli::CodePathArgs;
use super::{CommandError, output, session};
use crate::evidence::{Fact, Missing};
use crate::gates::{CheckFinding, CheckOutcome, Finding, GapState, Tier, locations};
use crate::probes::{self, Door, Limits, Place, Settings};
use crate::report::escape::terminal;
use crate::report::format::Judged;
use crate::report::{GateView, excerpt, plain, utc};

/// The probe's kind; the finding is called like the stock gate that asks the same.
const KIND: &str = "code-path";
const FINDING: &str = "live-code-path";

pub fn run(args: &CodePathArgs) -> Result<u8, CommandError> {
    let outputs = output::outputs(&args.format)?;
    output::check_some(&outputs)?;
    if !args.dir.is_dir() {
        return Err(CommandError::Usage(format!("{} is not a folder; name the source tree", args.dir.display())));
    }
    let tree = args.dir.to_string_lossy().into_owned();
    let config = config(args)?;
    let order: Vec<_> = args.phases.iter().filter_map(|phase| Some(phase.split_once('=')?.0.to_owned())).collect();
    let settings = Map::from_iter([
        ("tree".to_owned(), json!(tree)),
        ("config".to_owned(), config),
        ("order".to_owned(), json!(order)),
    ]);
    let settings: Settings = settings.into_iter().collect();
    let probe = probes::find(KIND).expect("invariant: the registry holds this kind");
    let problems = probe.check(&settings);
    if !problems.is_empty() {
        let from =
            args.config.as_ref().map_or_else(|| "the command line".to_owned(), |file| file.display().to_string());
        let all: Vec<_> = problems.iter().map(|problem| format!("  {}; {}", problem.message, problem.help)).collect();
        return Err(CommandError::Usage(format!("{from} does not describe the code:\n{}", all.join("\n"))));
    }
    let limits = Limits { probe: args.time_limit, ..Limits::default() };
    let place = Place { package_dir: PathBuf::from("."), root: None };
    let now = session::now();
    let door = Door::new(place.clone(), limits, now, session::user(), Monotonic::now() + limits.probe);
    let found = probe.collect(&settings, &door);
    let finding = finding(&found);
    let code = match finding.state {
        GapState::Closed => 0,
        GapState::Unknown => 3,
        GapState::Open | GapState::Partial | GapState::Waived => 1,
    };
    let facts = match &found {
        Ok(facts) => answers(plain(facts)),
        Err(missing) => plain(&Fact::from(missing.clone())),
    };
    let gates = vec![GateView { finding, report: String::new(), line: 0 }];
    let judged = Judged {
        gates: gates.into(),
        total: 1,
        utc: &utc(now),
        place: &session::shown(&place),
        code,
        profile: "",
        not_judged: Vec::new(),
        waivers: &[],
        baseline: None,
        whole: None,
    };
    for output in &outputs {
        let text = match output.name() {
            "json" => as_json(&judged, &facts),
            "text" => as_text(&judged, &tree, &facts),
            _ => output.some(&judged)?,
        };
        output.put(&text)?;
    }
    Ok(code)
}

/// The facts with the word `unknown` where one of the three answers is missing: that is the answer here, and
/// `blocked_by` says why.
fn answers(mut facts: Json) -> Json {
    for phase in facts["phases"].as_array_mut().into_iter().flatten() {
        for key in ["live_write", "simulator_reachable", "guarded"] {
            if phase[key].is_object() {
                phase[key] = json!("unknown");
            }
        }
    }
    facts
}

/// The description of the code: a file's table, or what the command line gives.
fn config(args: &CodePathArgs) -> Result<Json, CommandError> {
    let mut table = match &args.config {
        Some(path) => from_file(path)?,
        None => json!({}),
    };
    let put = |table: &mut Json, section: &str, key: &str, value: Json| table[section][key] = value;
    for (key, value) in [("name", &args.mode), ("live", &args.live), ("dry", &args.dry)] {
        if let Some(value) = value {
            let truth = ["true", "false"].contains(&value.as_str()) && args.mode_kind.as_deref() == Some("bool");
            put(&mut table, "mode", key, if truth && key != "name" { json!(value == "true") } else { json!(value) });
        }
    }
    if let Some(kind) = &args.mode_kind {
        put(&mut table, "mode", "kind", json!(kind));
    } else if args.mode.is_some() && table["mode"].get("kind").is_none() {
        put(&mut table, "mode", "kind", json!("enum"));
    }
    if !args.switch.is_empty() {
        let switches = args.switch.iter().map(|name| match name.strip_suffix("()") {
            Some(function) => json!({"kind": "function", "name": function}),
            None => json!({"kind": "constant", "name": name}),
        });
        table["kill_switch"] = switches.collect();
    }
    let mut rules = Vec::new();
    for phase in &args.phases {
        match (phase.split_once('='), phase.rsplit_once('.')) {
            (Some((name, entry)), _) => table["phases"][name] = json!({"entry": entry, "carrier": args.carrier}),
            (None, Some((classes, method))) if classes.contains('*') => {
                rules.push(json!({"classes": classes, "method": method, "carrier": args.carrier}));
            }
            (None, _) => {
                let help = "write NAME=package.module:Class.method, or a rule such as '*Phase.run'";
                return Err(CommandError::Usage(format!("--phases {phase} names no phase; {help}")));
            }
        }
    }
    if !rules.is_empty() {
        table["discover"] = json!(rules);
    }
    let no_phases = table["phases"].is_null() && table["discover"].is_null();
    let missing = if table["mode"].is_null() { Some("mode") } else { no_phases.then_some("phases") };
    match (missing, &args.config) {
        (None, _) => Ok(table),
        (Some(key), Some(path)) => Err(CommandError::Usage(format!(
            "{}: there is no [{key}]; docs/code-path.md shows the table",
            path.display()
        ))),
        (Some(_), None) => Err(CommandError::Usage(
            "say what the code means: --config FILE, or --mode NAME --live VALUE --dry VALUE --phases NAME=MODULE:ENTRY"
                .to_owned(),
        )),
    }
}

/// The table of a file: the whole of it, or its `[code_path]` where it is a package file.
fn from_file(path: &Path) -> Result<Json, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::Usage(format!("cannot read {}: {error}", path.display())))?;
    let mut table: Json = toml::from_str(&text)
        .map_err(|error| CommandError::Usage(format!("{} is not TOML:\n{error}", path.display())))?;
    Ok(match table.get_mut("code_path") {
        Some(inner) => inner.take(),
        None => table,
    })
}

/// The facts as a finding, so that every format shows it as it shows a gate's.
fn finding(found: &Result<Fact, Missing>) -> Finding {
    let facts = found.as_ref().ok();
    let text = |name: &str| match facts {
        Some(Fact::Map(map)) => match map.get(name) {
            Some(Fact::Text(text)) => Ok(text.clone()),
            Some(Fact::Missing(missing)) => Err(format!("{}: {}", missing.tried, missing.said)),
            Some(_) | None => Err(format!("the analysis gives no {name}")),
        },
        Some(_) | None => Err(found.as_ref().err().map_or_else(String::new, ToString::to_string)),
    };
    let (state, reason) = match text("state") {
        Ok(word) => match GapState::JUDGED.into_iter().find(|state| state.word() == word) {
            Some(GapState::Closed) => (
                GapState::Closed,
                "every phase writes in a live run, cannot reach a simulator, and refuses while the switch is off"
                    .to_owned(),
            ),
            Some(state) => (state, reason(facts)),
            None => (GapState::Unknown, format!("the analysis gives the state {word}")),
        },
        Err(why) => (GapState::Unknown, why),
    };
    let outcome = match state {
        GapState::Closed => CheckOutcome::Holds,
        GapState::Unknown => CheckOutcome::Unknown,
        GapState::Open | GapState::Partial | GapState::Waived => CheckOutcome::Fails,
    };
    let problems = if let Some(Fact::Map(map)) = facts { map.get("problems") } else { None };
    let check = CheckFinding {
        id: FINDING.to_owned(),
        tier: Tier::Essential,
        outcome,
        detail: reason.clone(),
        next: String::new(),
        locations: locations(problems),
    };
    Finding {
        id: FINDING.to_owned(),
        gap: FINDING.to_owned(),
        stage: String::new(),
        title: "every phase writes in a live run, cannot reach a simulator, and refuses while the switch is off"
            .to_owned(),
        state,
        reason,
        next: String::new(),
        checks: vec![check],
        waiver: None,
    }
}

/// The first problem, and how many there are.
fn reason(facts: Option<&Fact>) -> String {
    let problems = match facts {
        Some(Fact::Map(map)) => locations(map.get("problems")),
        Some(_) | None => Vec::new(),
    };
    match problems.as_slice() {
        [] => "no phase is described".to_owned(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{}; and {} more", first.message, rest.len()),
    }
}

fn as_json(judged: &Judged<'_>, facts: &Json) -> String {
    let finding = &judged.gates[0].finding;
    let mut whole = json!({"format": "cutgate-code-path/1", "state": finding.state, "reason": finding.reason});
    if let (Some(whole), Some(facts)) = (whole.as_object_mut(), facts.as_object()) {
        facts.iter().filter(|(key, _)| *key != "state").for_each(|(key, value)| {
            whole.insert(key.clone(), value.clone());
        });
    }
    format!("{whole:#}\n")
}

fn as_text(judged: &Judged<'_>, tree: &str, facts: &Json) -> String {
    let finding = &judged.gates[0].finding;
    let word = |item: &Json, key: &str| terminal(item[key].as_str().unwrap_or("unknown"));
    let mut out = format!("{} — {}\n", finding.state.word(), terminal(&finding.reason));
    if let (Some(files), digest) = (facts["files"].as_u64(), word(facts, "digest")) {
        out.push_str(&format!("tree {}: {files} files, digest {digest}\n", terminal(tree)));
    }
    for switch in facts["switches"].as_array().into_iter().flatten() {
        let (name, value, place) = (word(switch, "name"), word(switch, "value"), word(switch, "place"));
        let at = if place.is_empty() { "not in the tree".to_owned() } else { place };
        out.push_str(&format!("switch {name}: {value} at rest ({at})\n"));
    }
    for failure in facts["parse_failures"].as_array().into_iter().flatten() {
        out.push_str(&format!("not understood: {}: {}\n", word(failure, "place"), word(failure, "reason")));
    }
    out.push('\n');
    out.push_str(&excerpt::phases(facts));
    out
}

//! `cutgate code-path`: the analysis alone, on any tree, without a package.

use serde_json::Value as Json;

use crate::audit::Lab;

const TREE: &str = "host/opt/cutter/v0.6";

fn json(lab: &Lab, args: &[&str]) -> (i32, Json) {
    json_of(lab, TREE, args)
}

fn json_of(lab: &Lab, tree: &str, args: &[&str]) -> (i32, Json) {
    let output = lab.cutgate(&[&["code-path", tree, "--format", "json"], args].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {error}"));
    (output.status.code().unwrap(), answer)
}

#[test]
fn it_says_of_the_dry_tree_what_the_audit_says() {
    let lab = Lab::new();
    let (code, answer) = json(&lab, &["--config", "cutgate.toml"]);
    assert_eq!((code, answer["state"].as_str()), (1, Some("OPEN")));
    let phases = answer["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 5);
    for phase in phases {
        let word = |key: &str| phase[key].as_str().unwrap();
        assert_eq!((word("live_write"), word("simulator_reachable"), word("guarded")), ("never", "true", "false"));
    }
    let kinds: Vec<_> = answer["problems"].as_array().unwrap().iter().map(|problem| &problem["problem"]).collect();
    assert_eq!(kinds.len(), 15, "three problems for each phase: {kinds:?}");
    let simulator = &answer["problems"][1];
    assert_eq!(simulator["problem"], "simulator-reachable");
    let line = simulator["line"].as_u64().unwrap() as usize;
    let source = std::fs::read_to_string(lab.path(simulator["path"].as_str().unwrap())).unwrap();
    let text = source.lines().nth(line - 1).unwrap();
    let column = simulator["column"].as_u64().unwrap() as usize;
    assert!(text[column - 1..].starts_with("self.discoverer.simulate_"), "{text}");
    assert_eq!(simulator["source"], text);
    let labels: Vec<_> = simulator["flow"].as_array().unwrap().iter().map(|step| &step["label"]).collect();
    assert_eq!(labels[0], "entry");
    assert_eq!(labels[1], "mode test");
}

#[test]
fn a_wired_tree_is_closed_and_the_command_line_alone_can_describe_it() {
    let lab = Lab::new();
    let wired = "releases/v0.7";
    let (code, answer) = json_of(&lab, wired, &["--config", "cutgate.toml"]);
    assert_eq!((code, answer["state"].as_str()), (0, Some("CLOSED")), "{}", answer["reason"]);
    let described = [
        ["--mode", "cutter.mode.Mode"],
        ["--live", "LIVE"],
        ["--dry", "DRYRUN"],
        ["--switch", "cutter.switch.__execution_enabled__"],
        ["--phases", "legs=cutter.phases.cut_leg_a:CutLegAPhase.run"],
        ["--carrier", "ctx.mode"],
    ];
    let (code, answer) = json_of(&lab, wired, &described.concat());
    assert_eq!((code, answer["state"].as_str()), (0, Some("CLOSED")), "{}", answer["reason"]);
    // Without the switch nothing is known to refuse the run.
    let unguarded: Vec<_> = described.iter().filter(|pair| pair[0] != "--switch").copied().collect();
    let (code, answer) = json_of(&lab, wired, &unguarded.concat());
    assert_ne!((code, answer["state"].as_str()), (0, Some("CLOSED")));
}

#[test]
fn what_cannot_be_decided_ends_in_3() {
    let lab = Lab::new();
    std::fs::remove_file(lab.path(TREE).join("cutter/mode.py")).unwrap();
    let (code, answer) = json(&lab, &["--config", "cutgate.toml"]);
    assert_eq!((code, answer["state"].as_str()), (3, Some("UNKNOWN")));
    std::fs::remove_dir_all(lab.path(TREE)).unwrap();
    std::fs::create_dir(lab.path(TREE)).unwrap();
    let (code, answer) = json(&lab, &["--config", "cutgate.toml"]);
    assert_eq!((code, answer["state"].as_str()), (3, Some("UNKNOWN")), "an empty tree says nothing");
}

#[test]
fn phases_are_found_by_a_rule() {
    let lab = Lab::new();
    let rule = ["--mode", "cutter.mode.Mode", "--live", "LIVE", "--dry", "DRYRUN", "--carrier", "ctx.mode"];
    let find = |classes: &str| json(&lab, &[&rule[..], &["--phases", classes]].concat());
    let names = |answer: &Json| -> Vec<String> {
        answer["phases"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    let (code, answer) = find("*Phase.run");
    assert_eq!(code, 1);
    let expected =
        ["CutLegAPhase", "LegBRecordPhase", "LifecycleEnactPhase", "PreWriteBackupPhase", "WriteVerifyPhase"];
    let found = names(&answer);
    assert_eq!(found, expected, "the base class, which raises NotImplementedError, is none");
    // A rule that finds nothing is no empty success.
    let (code, answer) = find("*Phaze.run");
    assert_eq!((code, answer["state"].as_str()), (3, Some("UNKNOWN")));
    assert!(answer["reason"].as_str().unwrap().contains("no class of the tree is called *Phaze"), "{answer}");
    // A file that is not understood may hold a phase.
    std::fs::write(lab.path(TREE).join("cutter/phases/extra.py"), "class ExtraPhase:\n    def run(self, ctx:\n")
        .unwrap();
    let (_, answer) = find("*Phase.run");
    assert!(names(&answer).iter().any(|name| name.contains("cutter/phases/extra.py")), "{:?}", names(&answer));
    let (code, answer) = find("Writ*.run");
    assert_eq!(code, 1, "what is known to be wrong decides: {answer}");
}

#[test]
fn wrong_usage_says_what_to_write() {
    let lab = Lab::new();
    std::fs::write(lab.path("empty.toml"), "").unwrap();
    std::fs::write(lab.path("broken.toml"), "[mode\n").unwrap();
    std::fs::write(lab.path("typo.toml"), "[mode]\nkind = \"enum\"\nnam = \"a.B\"\n[phases]\n").unwrap();
    let same = ["--mode", "app.Mode", "--live", "X", "--dry", "X", "--phases", "a=b"];
    let cases: [(&[&str], &str); 8] = [
        (&["nowhere", "--config", "cutgate.toml"], "nowhere is not a folder"),
        (&[TREE], "say what the code means: --config FILE, or --mode NAME"),
        (&[TREE, "--config", "empty.toml"], "there is no [mode]"),
        (&[TREE, "--config", "broken.toml"], "line 1"),
        (&[TREE, "--config", "typo.toml"], "unknown field `nam`"),
        (&[TREE, "--config", "cutgate.toml", "--format", "html"], "the format `html` shows the result of an audit"),
        (&[TREE, "--config", "cutgate.toml", "--phases", "a"], "--phases a names no phase; write NAME="),
        (&[&[TREE], &same[..]].concat(), "mode.live equals mode.dry"),
    ];
    for (args, said) in cases {
        let output = lab.cutgate(&[&["code-path"], args].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn every_format_that_can_show_a_gate_shows_it_and_none_changes_the_exit_code() {
    let lab = Lab::new();
    for format in cutgate::report::format::FORMATS.iter().filter(|format| format.render_some.is_some()) {
        let output = lab.cutgate(&["code-path", TREE, "--config", "cutgate.toml", "--format", format.name]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", format.name);
        assert!(
            said.contains("live-code-path") || format.name == "text" || format.name == "json",
            "{}: {said}",
            format.name
        );
    }
    let output = lab.cutgate(&["code-path", TREE, "--config", "cutgate.toml", "--format", "github"]);
    let said = String::from_utf8_lossy(&output.stdout);
    let place = "::error file=host/opt/cutter/v0.6/cutter/phases/";
    assert!(said.lines().filter(|line| line.starts_with(place) && line.contains(",line=")).count() > 5, "{said}");
}

#[test]
fn the_text_shows_lines_with_carets() {
    let lab = Lab::new();
    let output = lab.cutgate(&["code-path", TREE, "--config", "cutgate.toml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("OPEN — "), "{text}");
    let lines: Vec<_> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains("if ctx.mode is Mode.DRYRUN")).unwrap();
    assert_eq!(lines[at + 1].find('^'), lines[at].find("ctx.mode"), "{}\n{}", lines[at], lines[at + 1]);
    assert!(lines[at + 1].ends_with("^ mode test"));
}

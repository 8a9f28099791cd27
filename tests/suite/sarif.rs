//! `--format sarif`: valid by the official schema, findings at their lines, no silence where nothing was known.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value as Json;

use crate::audit::Lab;

/// The schema that OASIS published, as a package ships it whose version `tests/schemas/Cargo.lock` pins.
static SCHEMA: LazyLock<PathBuf> = LazyLock::new(|| {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemas/Cargo.toml");
    let asked = ["metadata", "--format-version", "1", "--locked", "--manifest-path", manifest];
    let output = Command::new(env!("CARGO")).args(asked).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Json = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "serde-sarif").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("src").join("schema.json")
});

/// What the schema says against a document; empty when it is valid.
fn errors(path: &Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemas/validate.py");
    let output = Command::new("/usr/bin/python3").arg(script).args([&*SCHEMA, path]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("ModuleNotFoundError"), "install it: apt-get install python3-jsonschema\n{said}");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    assert_eq!(output.stdout.is_empty(), output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a SARIF file says, after it was found valid.
fn read(path: &Path) -> Json {
    assert_eq!(errors(path), "");
    let log: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    log["runs"][0].clone()
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"version": "2.1.0", "runs": [{"tool": {}}]}"#).unwrap();
    assert!(errors(file.path()).contains("'driver' is a required property"), "{}", errors(file.path()));
}

#[test]
fn an_audit_places_each_finding_at_its_line() {
    let lab = Lab::new();
    let output = lab.cutgate(&["audit", "--format", "sarif=out.sarif"]);
    assert_eq!(output.status.code(), Some(1), "a format changes no exit code");
    let run = read(&lab.path("out.sarif"));
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    assert_eq!(run["properties"]["letter"], "C");
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 9, "one rule for each gate");
    let results = run["results"].as_array().unwrap();
    let code: Vec<_> = results.iter().filter(|result| result["ruleId"] == "live-code-path").collect();
    assert!(code.len() >= 5, "{results:?}");
    for result in &code {
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        let source = std::fs::read_to_string(lab.path(uri)).unwrap_or_else(|error| panic!("{uri}: {error}"));
        let line = place["region"]["startLine"].as_u64().unwrap() as usize;
        assert!(source.lines().nth(line - 1).is_some_and(|line| !line.trim().is_empty()), "{uri}:{line}");
        let flow = result["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap();
        assert!(flow.len() >= 2, "{result}");
    }
    // What has no line in a source is at the line of its gap in the package file.
    let package = std::fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    let key = results.iter().find(|result| result["ruleId"] == "gpg-keyring").unwrap();
    let place = &key["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "cutgate.toml");
    let line = place["region"]["startLine"].as_u64().unwrap() as usize;
    assert!(package.lines().nth(line - 1).unwrap().contains("GAP-3"), "line {line}");
    // A closed gate has a rule and no result.
    let blamed = |gate: &str| results.iter().any(|result| result["ruleId"] == gate);
    assert!(!blamed("deployed-artifact") && blamed("governance-principal"));
}

#[test]
fn one_gate_alone_is_enough_for_a_merge_check() {
    let lab = Lab::new();
    let output = lab.cutgate(&["audit", "--only", "live-code-path", "--format", "sarif=out.sarif"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no result: 1 of 9 gates"));
    let run = read(&lab.path("out.sarif"));
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 1);
    let prints = |run: &Json| -> Vec<String> {
        let results = run["results"].as_array().unwrap();
        results.iter().map(|result| result["partialFingerprints"]["cutgate/v1"].to_string()).collect()
    };
    // Lines above move the finding; its fingerprint stays.
    let file = lab.path("host/opt/cutter/v0.6/cutter/phases/cut_leg_a.py");
    let source = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("# one more line\n{source}")).unwrap();
    lab.cutgate(&["audit", "--only", "live-code-path", "--format", "sarif=moved.sarif"]);
    let moved = read(&lab.path("moved.sarif"));
    assert_eq!(prints(&run), prints(&moved));
    assert_ne!(run["results"], moved["results"]);
    let published = std::fs::read_dir(lab.path("reports")).map_or(0, Iterator::count);
    assert_eq!(published, 0, "some gates publish nothing");
    let refused = lab.cutgate(&["audit", "--only", "live-code-path", "--format", "html"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn an_unknown_gate_is_no_successful_execution() {
    let lab = Lab::new();
    std::fs::remove_file(lab.path("host/opt/cutter/v0.6/cutter/mode.py")).unwrap();
    let output = lab.cutgate(&["audit", "--only", "live-code-path", "--format", "sarif=out.sarif"]);
    assert_eq!(output.status.code(), Some(3));
    let run = read(&lab.path("out.sarif"));
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty(), "what is not known is shown, too");
    assert!(results[0]["message"]["text"].as_str().unwrap().starts_with("GAP-9: UNKNOWN"), "{}", results[0]);
}

#[test]
fn a_tree_alone_gives_sarif_too() {
    let lab = Lab::new();
    let tree = "host/opt/cutter/v0.6";
    let output = lab.cutgate(&["code-path", tree, "--config", "cutgate.toml", "--format", "sarif=out.sarif"]);
    assert_eq!(output.status.code(), Some(1));
    let run = read(&lab.path("out.sarif"));
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 15);
    let uri = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert!(uri.as_str().unwrap().starts_with("host/opt/cutter/v0.6/cutter/phases/"), "{uri}");
}

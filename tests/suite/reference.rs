//! The reference package in `reports/`: what the laboratory's audit publishes, kept as a golden.
//!
//! The laboratory is built anew, audited, and compared with what is kept; what differs from one building to
//! the next is masked: instants, keys and what is derived from them, the user that reads. To renew the
//! golden after a change that is meant: `UPDATE_GOLDEN=1 cargo test --test suite reference::`, then read
//! `git diff reports/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// The folder of the one published audit in `reports/`.
fn kept() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports");
    let mut folders = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let folder = folders.next().expect("a published audit in reports/");
    assert_eq!(folders.next(), None, "one published audit");
    folder
}

/// Builds the laboratory and audits it into `reports`.
fn publish(dir: &Path, reports: &Path) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    let lab = dir.join("lab");
    cutgate::lab::build(&lab, cutgate::lab::Scenario::O8Blocked).unwrap();
    let mut command = Command::cargo_bin("cutgate").unwrap();
    command.env_clear().env("PATH", "/usr/bin:/bin").arg("-p").arg(lab.join("cutgate.toml"));
    let output = command.args(["audit", "--format", "json", "--out"]).arg(reports).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    PathBuf::from(result["reports_dir"].as_str().unwrap())
}

/// What legitimately differs between two buildings of the laboratory, masked in a report's text.
fn masked(text: &str, user: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, mask) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<utc>"),
        (r"\d{8}T\d{6}Z", "<utc>"),
        (r"\b[0-9a-f]{64}\b", "<sha256>"),
        (r"\b[0-9A-F]{40}\b", "<fingerprint>"),
        (r"\b[0-9a-f]{12}…", "<digest>"),
        (r"\b\d+ (s|min)\b", "<age>"),
        (r"dry-run-\d+\S*?\.json", "<record>"),
        (r"uid \d+", "uid <uid>"),
    ] {
        text = regex::Regex::new(pattern).unwrap().replace_all(&text, mask).into_owned();
    }
    let by = regex::Regex::new(&format!(r"\b{}\b", regex::escape(user))).unwrap();
    by.replace_all(&text, "<user>").into_owned()
}

/// The user that read, by the result.
fn user(folder: &Path) -> String {
    let result: Value = serde_json::from_slice(&fs::read(folder.join("result.json")).unwrap()).unwrap();
    result["audit"]["by"].as_str().unwrap().to_owned()
}

fn reports(folder: &Path) -> BTreeMap<String, String> {
    let user = user(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let reports = files.filter(|path| path.extension().is_some_and(|end| end == "md"));
    reports
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, masked(&fs::read_to_string(&path).unwrap(), &user))
        })
        .collect()
}

/// The paths of all values in a JSON document with the kinds of the values; keys that are digests masked.
fn skeleton(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                skeleton(value, &format!("{at}/{}", masked(key, "nobody-has-this-name")), into);
            }
        }
        Value::Array(items) => {
            for value in items {
                skeleton(value, &format!("{at}[]"), into);
            }
        }
        Value::Null => into.push(format!("{at} null")),
        Value::Bool(value) => into.push(format!("{at} {value}")),
        Value::Number(_) => into.push(format!("{at} number")),
        Value::String(_) => into.push(format!("{at} text")),
    }
}

fn evidence(folder: &Path) -> Vec<String> {
    let value: Value = serde_json::from_slice(&fs::read(folder.join("evidence.json")).unwrap()).unwrap();
    let mut lines = Vec::new();
    // A probe's id ends in a digest of its settings, which hold fingerprints.
    let probes: BTreeMap<String, Value> = value["probes"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(id, observation)| {
            (
                format!("{} {}", id.split('#').next().unwrap(), observation["settings"]["tree"]),
                observation["facts"].clone(),
            )
        })
        .collect();
    for (id, facts) in probes {
        skeleton(&facts, &id, &mut lines);
    }
    lines.sort();
    lines
}

#[test]
fn the_kept_package_is_what_the_laboratory_gives() {
    let dir = tempfile::tempdir().unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports");
        let _ = fs::remove_dir_all(&root);
        publish(&dir.path().join("update"), &root);
        fs::remove_file(root.join(".lock")).unwrap();
    }
    let made = publish(dir.path(), &dir.path().join("reports"));
    let (kept, made) = (kept(), made);
    let (old, new) = (reports(&kept), reports(&made));
    assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>());
    assert_eq!(new.len(), 9);
    for (name, text) in &new {
        let differing = old[name].lines().zip(text.lines()).find(|(old, new)| old != new);
        assert!(old[name] == *text, "{name} is not what is kept: {differing:?}");
    }
    assert_eq!(evidence(&kept), evidence(&made), "the facts have the same form");
}

/// Anyone with a clone can verify the kept package, years later, without the host.
#[test]
fn the_kept_package_verifies() {
    let output = Command::cargo_bin("cutgate").unwrap().env_clear().arg("verify").arg(kept()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

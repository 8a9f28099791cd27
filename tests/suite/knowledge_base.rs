//! The knowledge-base probe: front matter, the walk, the look-alikes, and the judging code with a verifier.

mod edges;
mod front_matter;
mod judging;
mod look_alikes;
mod tree;

use std::fs;
use std::path::Path;

use cutgate::evidence::{Fact, MissingState, sha256_hex};
use serde_json::{Value, json};

use crate::harness::collect;

pub const MACRO: &str = "v0.6-o8-production-run-readiness-command-package";
pub const RUN: &str = "run-20260521-0007";
pub const PAYLOAD: &str = "{\"run_id\":\"run-20260521-0007\"}\n";

/// Writes a document below `kb/`, with the folders above it.
fn put(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = dir.join("kb").join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
    fs::write(path, content).expect("write");
}

/// Opens the run [`RUN`] below `runs/`.
fn open_run(dir: &Path) {
    fs::create_dir_all(dir.join("runs").join(RUN)).expect("mkdir");
    fs::write(dir.join("runs").join(RUN).join("payload.json"), PAYLOAD).expect("write");
}

fn facts(dir: &Path) -> Fact {
    collect("knowledge-base", dir, json!({ "root": "kb", "macro_id": MACRO, "requests": "runs" })).expect("facts")
}

fn facts_json(dir: &Path) -> Value {
    serde_json::to_value(facts(dir)).expect("JSON")
}

fn state(fact: &Fact, name: &str) -> MissingState {
    match fact.get(name) {
        Some(Fact::Missing(missing)) => missing.state,
        other => panic!("{name} is {other:?}"),
    }
}

/// `(path, reason)` of a list of problems.
fn problems(facts: &Value, name: &str) -> Vec<(String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().expect("text").to_owned();
    facts[name].as_array().expect("a list").iter().map(|item| (text(item, "path"), text(item, "reason"))).collect()
}

/// The candidate at a path.
fn candidate(facts: &Value, path: &str) -> Value {
    let all = facts["candidates"].as_array().expect("a list");
    all.iter().find(|it| it["path"] == path).unwrap_or_else(|| panic!("no candidate {path} in {all:#?}")).clone()
}

/// An approval of [`RUN`] in which everything but the signature holds, with some lines replaced or (value empty) left out.
pub fn approval(changes: &[(&str, &str)]) -> String {
    let signed = (chrono::Utc::now() - chrono::TimeDelta::hours(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    approval_of(RUN, PAYLOAD, &signed, changes)
}

/// As [`approval`], of any run with its payload, and dated.
pub fn approval_of(run: &str, payload: &str, signed: &str, changes: &[(&str, &str)]) -> String {
    let payload = sha256_hex(payload.as_bytes());
    let mut fields = vec![
        ("gate", "SG_1_cut_authz"),
        ("run_id", run),
        ("macro_id", MACRO),
        ("signed_utc", signed),
        ("allowance", "explicit"),
        ("payload_sha256", payload.as_str()),
        ("scope", "one cut of ICX-DEMO"),
    ];
    for (key, value) in changes {
        fields.retain(|(name, _)| name != key);
        if !value.is_empty() {
            fields.push((key, value));
        }
    }
    let lines: String = fields.iter().map(|(key, value)| format!("{key}: \"{value}\"\n")).collect();
    format!("---\n{lines}---\n\n# Approval\n")
}

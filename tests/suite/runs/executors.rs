//! Executors that misbehave: the right outcome, the right name, the right residue, every time; never A by exit status.

use std::path::Path;

use serde_json::Value;

use super::violence::trials;
use super::{Approved, text};

/// What the newest `result.json` says of the run, after a run of the misbehaving executor.
fn run(approved: &Approved, mode: &str) -> (Option<i32>, Value) {
    approved.lab.write("mode", mode);
    let output = approved.run(&[], &[("CUTTER_API_TOKEN", "s3cr3t-t0ken-value")]);
    assert!(!text(&output.stdout).contains("s3cr3t") && !text(&output.stderr).contains("s3cr3t"), "{mode}");
    let result: Value = serde_json::from_str(&approved.report("result.json"))
        .unwrap_or_else(|error| panic!("{mode}: {error}: {}", text(&output.stderr)));
    (output.status.code(), result)
}

/// A mode, the outcome, its name, and parts of what is said or left.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// Those that use up their time: they take longest, and come first.
const LATE: &[Case] = &[
    ("hang", "rolled-back", "FAILED, PARTLY WRITTEN", &["its time of 12 s was over", "as it was before"]),
    ("stubborn", "rolled-back", "FAILED, PARTLY WRITTEN", &["signal 9", "as it was before"]),
];

const CASES: &[Case] = &[
    ("honest", "verified", "", &["exactly what was expected"]),
    ("nothing", "rolled-back", "FALSE PASS", &["nothing was written"]),
    ("silent", "verified", "", &[]),
    ("huge", "verified", "", &[]),
    ("less", "compensation-required", "WRONG WRITE", &["unit_version: 12 rows were to be added"]),
    ("more", "compensation-required", "WRONG WRITE", &["decision changed, which no run may"]),
    ("more-units", "compensation-required", "WRONG WRITE", &["13 rows belong to this run"]),
    ("altered", "compensation-required", "WRONG WRITE", &["one-version-for-each-unit gave 11, not 12"]),
    ("schema", "compensation-required", "WRONG WRITE", &["the schema is another one"]),
    ("other", "rollback-unverified", "FAILED, PARTLY WRITTEN", &["source_document"]),
    ("committed-exit-1", "compensation-required", "FALSE FAIL", &["status 1", "not taken back blindly"]),
    ("crash", "rolled-back", "FAILED, PARTLY WRITTEN", &["signal 11", "as it was before"]),
    ("daemon", "compensation-required", "COMMITTED WITH RESIDUE", &["left a process behind"]),
    ("torn", "rolled-back", "FAILED, NOTHING WRITTEN", &["signal 9", "nothing was written"]),
    ("secret", "compensation-required", "COMMITTED WITH RESIDUE", &["printed a secret value"]),
    ("no-dump", "compensation-required", "COMMITTED WITH RESIDUE", &["dump.gpg should be there"]),
    ("own-files", "compensation-required", "COMMITTED WITH RESIDUE", &["deployed.digest"]),
    ("residue", "compensation-required", "COMMITTED WITH RESIDUE", &["/var/lib/cutter/batches/left"]),
    ("switch", "compensation-required", "COMMITTED WITH RESIDUE", &["deployed.digest"]),
    ("fail pre_write_backup", "rolled-back", "FAILED, NOTHING WRITTEN", &["status 1", "as it was before"]),
    ("fail cut_leg_a", "rolled-back", "FAILED, PARTLY WRITTEN", &["as it was before"]),
    ("fail leg_b_record", "rolled-back", "FAILED, PARTLY WRITTEN", &["as it was before"]),
    ("fail write_verify", "rolled-back", "FAILED, PARTLY WRITTEN", &["as it was before"]),
    ("die pre_write_backup", "rolled-back", "FAILED, NOTHING WRITTEN", &["signal 9", "as it was before"]),
    ("die cut_leg_a", "rolled-back", "FAILED, PARTLY WRITTEN", &["signal 9", "as it was before"]),
    ("die write_verify", "rolled-back", "FAILED, PARTLY WRITTEN", &["signal 9", "as it was before"]),
    ("die lifecycle_enact", "compensation-required", "FALSE FAIL", &["signal 9"]),
    ("fail-enact-uncommitted", "rolled-back", "FAILED, PARTLY WRITTEN", &["as it was before"]),
    // Everything was committed, and then it failed: nothing that was enacted is deleted.
    ("fail lifecycle_enact", "compensation-required", "FALSE FAIL", &["status 1"]),
];

/// What is wrong with one case.
fn wrong(case: &Case, approved: &Approved) -> Option<String> {
    let (mode, expected, name, parts) = case;
    let before = approved.rows();
    let (code, result) = run(approved, mode);
    let found = &result["run_detail"];
    let said = format!("{} {}", found["reasons"], found["residue"]);
    let mut wrong = Vec::new();
    if (found["outcome"].as_str(), found["name"].as_str()) != (Some(*expected), Some(*name)) {
        wrong.push(format!("{} {}", found["outcome"], found["name"]));
    }
    wrong.extend(parts.iter().filter(|part| !said.contains(*part)).map(|part| format!("{part} is not said")));
    let same = approved.rows() == before;
    let nothing_left = found["residue"].as_array().is_some_and(Vec::is_empty);
    let enacted = "SELECT count(*) FROM information_unit WHERE state = 'enacted' AND document_id = 'ICX-GLOSS'";
    let enacted = approved.number(enacted);
    let (letter, wanted, fits) = match *expected {
        "verified" => ("A", 0, enacted == 12 && nothing_left),
        "rolled-back" => {
            let left = std::fs::read_dir(approved.lab.dir.join("host/var/lib/cutter/runs")).unwrap().count();
            ("D", 4, same && nothing_left && left == 0)
        }
        "rollback-unverified" => ("D", 5, !same && !nothing_left),
        // Nothing that was enacted is deleted.
        _ => ("D", 5, enacted == 12 && found["revert"] == ""),
    };
    if !fits || code != Some(wanted) || result["result"]["letter"] != letter {
        wrong.push(format!("exit {code:?}, {}, {enacted} enacted, same {same}", result["result"]["letter"]));
    }
    if *mode == "daemon" && approved.number("SELECT count(*) FROM source_document WHERE title = 'late'") != 0 {
        wrong.push("what ran away still wrote".to_owned());
    }
    if !approved.folder().join("consumed.json").exists() || holds_secret(&approved.folder()) {
        wrong.push("not consumed, or a secret was kept".to_owned());
    }
    (!wrong.is_empty()).then(|| format!("{mode}: {}; said: {said}; {}", wrong.join(", "), found["executor"]))
}

pub(super) fn holds_secret(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| String::from_utf8_lossy(&bytes).contains("s3cr3t"))
}

#[test]
fn executors_that_misbehave_are_found_out() {
    let _kept = (Approved::misbehaving(), Approved::impatient());
    trials(LATE.len() + CASES.len(), |at| {
        let found = match LATE.get(at) {
            Some(case) => wrong(case, &Approved::impatient()),
            None => wrong(&CASES[at - LATE.len()], &Approved::misbehaving()),
        };
        found.into_iter().collect()
    });
}

//! The whole way from C to B with ordinary tools, as the real program sees it.

use super::revert::{PHASES, drill, record, runbook};
use super::{Lab, approved};
use assert_cmd::Command;

/// Audits with the real program: exit code, letter and label, and the states by gap.
fn audit(lab: &Lab) -> (i32, String, Vec<(String, String)>) {
    let mut command = Command::cargo_bin("cutgate").unwrap();
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&lab.dir).args(["audit", "--format", "json"]);
    let output = command.output().unwrap();
    let result: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let gaps = result["gaps"].as_array().unwrap().iter().map(|gap| (word(&gap["id"]), word(&gap["state"]))).collect();
    let result = format!("{} {}", word(&result["result"]["letter"]), word(&result["result"]["label"]));
    (output.status.code().unwrap(), result, gaps)
}

/// Law 8 and the result scheme on real input: B only when every technical gap is closed, and C again as soon as
/// one is not.
#[test]
fn every_technical_gap_closed_is_ready_for_approval() {
    let lab = Lab::new();
    assert_eq!(audit(&lab).1, "C BLOCKED_WITH_EXACT_O8_GAP");
    approved::refused(&lab);
    // GAP-9: the release with live branches, deployed with its manifest, its pin and its commit.
    lab.follow("GAP-9");
    lab.shell(
        "cd host/opt/cutter/v0.6 && find . -type f ! -name '*.pyc' -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum > ../v0.6.sha256",
    );
    lab.shell("sed -i \"s/^tree_digest = .*/tree_digest = \\\"$(LC_ALL=C sort host/opt/cutter/v0.6.sha256 | sha256sum | cut -d' ' -f1)\\\"/\" cutgate.toml");
    lab.shell(
        "sed -i \"s/^commit = .*/$(grep '^commit' host/opt/cutter/v0.6/release.toml)/\" host/etc/cutter/cutter.toml",
    );
    for gap in ["GAP-1", "GAP-8", "GAP-2", "GAP-3", "GAP-4", "GAP-5"] {
        lab.follow(gap);
    }
    let (code, result, gaps) = audit(&lab);
    let open: Vec<_> = gaps.iter().filter(|(_, state)| state != "CLOSED").map(|(id, _)| id.as_str()).collect();
    assert_eq!((code, result.as_str(), open), (1, "C BLOCKED_WITH_EXACT_O8_GAP", vec!["GAP-6", "GAP-7"]));
    // GAP-6: a drill of this tree and target, signed by the operator. The record is the test's own: what it proves is
    // what the audit makes of such a record, not that a drill was made.
    lab.write("kb/runbooks/per-cut-revert.md", &runbook(&PHASES));
    let tree_digest = lab.audit().tree_digest();
    record(&lab, &cutgate::evidence::DrillRecord { tree_digest, ..drill(&lab) });
    lab.follow("GAP-6");
    let (code, result, gaps) = audit(&lab);
    let open: Vec<_> = gaps.iter().filter(|(_, state)| state != "CLOSED").map(|(id, _)| id.as_str()).collect();
    assert_eq!((code, result.as_str(), open), (0, "B APPROVAL_READY", vec!["GAP-7"]));
    // Ready is not verified: a stricter requirement is not met.
    let mut command = Command::cargo_bin("cutgate").unwrap();
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&lab.dir).args(["audit", "--require", "A"]);
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    // One document that cannot be understood may be an approval or a revocation: no longer ready.
    lab.write("kb/approvals/broken.md", "---\ngate: [\n---\n");
    let (code, result, _) = audit(&lab);
    assert_eq!((code, result.as_str()), (1, "C BLOCKED_WITH_EXACT_O8_GAP"));
    lab.shell("rm kb/approvals/broken.md");
    assert_eq!(audit(&lab).1, "B APPROVAL_READY");
    approved::approved(&lab);
    // One fact less, and it is blocked again.
    lab.shell("rm records/drills/first.json.asc");
    assert_eq!(audit(&lab).1, "C BLOCKED_WITH_EXACT_O8_GAP");
}

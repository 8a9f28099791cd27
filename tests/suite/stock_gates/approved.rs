//! From a ready laboratory to an approved run, typed as the program says it, and back.

use std::fs;

use assert_cmd::Command;
use cutgate::evidence::{Payload, canonical_json, sha256_hex};

use super::Lab;

fn cutgate(lab: &Lab, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("cutgate").unwrap();
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&lab.dir).args(arguments);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Exit code, letter, label and the standing of the approval; and the state of GAP-7.
fn audit(lab: &Lab) -> (i32, String, String) {
    let (code, out, said) = cutgate(lab, &["audit", "--format", "json"]);
    let result: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {said}"));
    let word = |pointer: &str| result.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let result = [word("/result/letter"), word("/result/label"), word("/approval/standing")].join(" ");
    (code, result, word("/gaps/6/state"))
}

fn expected(code: i32, result: &str, gap: &str) -> (i32, String, String) {
    (code, result.to_owned(), gap.to_owned())
}

/// While a technical gate is not closed, no run is requested, and nothing is written.
pub fn refused(lab: &Lab) {
    let (code, out, said) = cutgate(lab, &["request"]);
    assert_eq!((code, out.as_str()), (7, ""), "{said}");
    assert!(said.starts_with("error: refused; nothing was started\n"), "{said}");
    for gap in ["GAP-3 (gpg-keyring) is OPEN", "GAP-4 (governance-principal) is PARTIAL", "GAP-9 (live-code-path)"] {
        assert!(said.contains(gap), "{gap}: {said}");
    }
    assert!(!said.contains("GAP-7"), "the approval is what a request is for: {said}");
    assert_eq!(fs::read_dir(lab.dir.join("requests")).unwrap().count(), 0);
}

/// The commands that the program printed for a gate.
fn typed(out: &str, gate: &str) -> String {
    let lines = out.lines().skip_while(|line| !line.starts_with(gate)).skip(1);
    lines.take_while(|line| line.starts_with("  ")).collect::<Vec<_>>().join("\n")
}

/// From every technical gap closed to an approval that counts; then everything that takes it away again.
pub fn approved(lab: &Lab) {
    let (code, out, said) = cutgate(lab, &["request"]);
    assert_eq!(code, 0, "{said}");
    let run_id = out.lines().next().unwrap().strip_prefix("run ").unwrap();
    let folder = lab.dir.join("requests").join(run_id);
    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let (sg1, sg2) = (format!("sg1-{run_id}.md"), format!("sg2-{run_id}.md"));
    assert_eq!(names, ["payload.json", "payload.json.sha256", &sg1, &sg2]);
    assert_eq!(fs::read_dir(lab.dir.join("requests")).unwrap().count(), 1, "no draft is left");

    let bytes = fs::read(folder.join("payload.json")).unwrap();
    let payload: Payload = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(canonical_json(&payload), bytes, "canonical");
    assert!(out.contains(&format!("payload sha256 {}\n", sha256_hex(&bytes))), "{out}");
    lab.shell(&format!("cd requests/{run_id} && sha256sum --quiet -c payload.json.sha256"));
    assert_eq!((payload.run_id.as_str(), payload.host.as_str()), (run_id, "vmi3080463"));
    assert_eq!(payload.tree_digest, lab.audit().tree_digest());
    assert_eq!(payload.bound["deployed-artifact/tree.digest"], payload.tree_digest.as_str().into());
    assert_eq!(payload.executor_argv_sha256.as_str(), sha256_hex(&canonical_json(&payload.executor_argv)));
    assert_eq!(payload.bound_sha256.as_str(), sha256_hex(&canonical_json(&payload.bound)));
    assert_eq!(payload.bound.len(), 6);
    let argv = payload.executor_argv.join(" ");
    let wanted =
        format!("--run-id {run_id} --review-decision-id <REVIEW_DECISION_ID> --permit <PERMIT> --record <RECORD>");
    assert!(argv.contains(&wanted), "{argv}");
    assert_eq!(payload.expected.tables["information_unit"].added, 12);
    assert_eq!(payload.expected.tables.len(), 7);
    assert!(!argv.contains("<RUN_ID>"));
    // The request itself approves nothing, and neither does its document when it is signed as it was written.
    assert_eq!(audit(lab), expected(0, "B APPROVAL_READY absent", "OPEN"));
    lab.shell(&format!("cp requests/{run_id}/{sg1} kb/approvals/"));
    let sign = typed(&out, "SG_1").lines().last().unwrap().trim().to_owned();
    assert!(sign.starts_with("gpg --homedir keys/home --local-user "), "{sign}");
    lab.shell(&sign);
    assert_eq!(audit(lab), expected(1, "C BLOCKED_WITH_EXACT_O8_GAP invalid", "OPEN"));
    assert!(report_07(lab).contains("placeholder signed_utc"), "{}", report_07(lab));
    lab.shell(&format!("rm kb/approvals/{sg1} kb/approvals/{sg1}.asc"));

    // What is printed is what is typed, for both gates.
    lab.shell(&typed(&out, "SG_1"));
    assert_eq!(audit(lab), expected(0, "B APPROVED_NOT_EXECUTED valid", "CLOSED"));
    let sg2_typed = typed(&out, "SG_2");
    assert!(sg2_typed.contains("<the id of the fresh review decision>"), "{sg2_typed}");
    lab.shell(&sg2_typed.replace("<the id of the fresh review decision>", "rd-2026-11-22-01"));
    assert_eq!(audit(lab), expected(0, "B APPROVED_NOT_EXECUTED valid", "CLOSED"));
    let counting = report_07(lab).lines().filter(|line| line.contains("| YES | valid |")).count();
    assert_eq!(counting, 2);
    let (code, out, _) = cutgate(lab, &["verify", &last_report(lab)]);
    assert_eq!(code, 0, "{out}");

    // Consumed, so that a run was started and nobody knows what it did; and consumed or not, nobody knows.
    let consumed =
        format!("{{\"format\":\"cutgate-consumed/1\",\"run_id\":\"{run_id}\",\"utc\":\"2026-05-21T10:00:00Z\"}}\n");
    lab.write(&format!("requests/{run_id}/consumed.json"), &consumed);
    assert_eq!(audit(lab), expected(5, "D PRODUCTION_RUN_NOT_VERIFIED consumed", "OPEN"));
    assert!(report_07(lab).contains("consumed by the run at 2026-05-21T10:00:00Z"));
    lab.write(&format!("requests/{run_id}/consumed.json"), "");
    assert_eq!(audit(lab), expected(5, "D PRODUCTION_RUN_NOT_VERIFIED unknown", "UNKNOWN"), "a crash left it empty");
    lab.shell(&format!("rm requests/{run_id}/consumed.json"));

    // Taken back, and the keys gone or not readable.
    lab.write("kb/approvals/revoked.md", &format!("---\nkind: revocation\nrun_id: {run_id}\n---\n"));
    assert_eq!(audit(lab), expected(1, "C BLOCKED_WITH_EXACT_O8_GAP revoked", "OPEN"));
    lab.shell("rm kb/approvals/revoked.md");
    lab.shell("cp keys/trusted.asc keys/kept.asc && head -c 1000 keys/kept.asc > keys/trusted.asc");
    let (code, result, gap) = audit(lab);
    assert_eq!((code, result.as_str(), gap.as_str()), (3, "C BLOCKED_WITH_EXACT_O8_GAP unknown", "UNKNOWN"));
    lab.shell("mv keys/kept.asc keys/trusted.asc");
    lab.shell("rm -r requests/run-* kb/approvals/sg?-run-*");
}

fn last_report(lab: &Lab) -> String {
    let entries = fs::read_dir(lab.dir.join("reports")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    format!("reports/{}", names.filter(|name| name.starts_with('0')).max().unwrap())
}

fn report_07(lab: &Lab) -> String {
    fs::read_to_string(lab.dir.join(last_report(lab)).join("07-approval-discovery.md")).unwrap()
}

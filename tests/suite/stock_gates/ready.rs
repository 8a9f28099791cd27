//! The whole way from C to B with ordinary tools, as the real program sees it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

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

/// The laboratory with every technical gap closed.
struct Ready {
    lab: Lab,
}

/// A copy of the laboratory with every technical gap closed, made once: an audit of it ends in B.
pub fn ready() -> (Lab, Arc<dyn Send + Sync>) {
    static READY: Mutex<Weak<Ready>> = Mutex::new(Weak::new());
    let mut held = READY.lock().unwrap_or_else(PoisonError::into_inner);
    let ready = held.upgrade().unwrap_or_else(|| {
        let lab = Lab::new();
        close(&lab);
        let ready = Arc::new(Ready { lab });
        *held = Arc::downgrade(&ready);
        ready
    });
    (Lab::of(&ready.lab.dir, ready.lab.shared.clone()), ready)
}

/// Closes every technical gap, by typing what each audit says is next; the record of the rehearsal is the test's own.
fn close(lab: &Lab) {
    close_but_the_revert(lab);
    lab.write("kb/runbooks/per-cut-revert.md", &runbook(&PHASES));
    rehearse(lab);
    lab.shell("gpgconf --homedir keys/home --kill all; rm -rf reports");
}

/// Closes every technical gap but GAP-6, by typing what each audit says is next.
pub fn close_but_the_revert(lab: &Lab) {
    assert_eq!(audit(lab).1, "C BLOCKED_WITH_EXACT_O8_GAP");
    // With GAP-9 another tree is deployed: GAP-1 and GAP-5 say what has to be pinned. The one before knows no server.
    for gap in ["GAP-3", "GAP-4", "GAP-9", "GAP-1", "GAP-5", "GAP-8", "GAP-2"] {
        if gap == "GAP-2" {
            // Records of dry runs are named by the second, and a step before may have made one just now.
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        lab.follow(gap);
    }
    let (code, result, gaps) = audit(lab);
    let open: Vec<_> = gaps.iter().filter(|(_, state)| state != "CLOSED").map(|(id, _)| id.as_str()).collect();
    assert_eq!((code, result.as_str(), open), (1, "C BLOCKED_WITH_EXACT_O8_GAP", vec!["GAP-6", "GAP-7"]));
}

/// Writes the manifest of the deployed tree as it is, and pins it.
pub fn deploy(lab: &Lab) {
    lab.shell(
        "cd host/opt/cutter/v0.7 && find . -type f ! -name '*.pyc' -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum > ../v0.7.sha256",
    );
    lab.shell("sed -i \"s/^tree_digest = .*/tree_digest = \\\"$(LC_ALL=C sort host/opt/cutter/v0.7.sha256 | sha256sum | cut -d' ' -f1)\\\"/\" cutgate.toml");
}

/// GAP-6: a drill of the deployed tree and the target, signed by the operator. The record is the test's own: what it
/// proves is what the audit makes of such a record, not that a drill was made.
pub fn rehearse(lab: &Lab) {
    let tree_digest = lab.audit().tree_digest();
    record(lab, &cutgate::evidence::DrillRecord { tree_digest, ..drill(lab) });
    lab.follow("GAP-6");
}

/// Law 8 and the result scheme on real input: B only when every technical gap is closed, and C again as soon as
/// one is not.
#[test]
fn every_technical_gap_closed_is_ready_for_approval() {
    approved::refused(&Lab::new());
    let (lab, _held) = ready();
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
    assert_eq!((code, result.as_str()), (3, "C BLOCKED_WITH_EXACT_O8_GAP"));
    lab.shell("rm kb/approvals/broken.md");
    assert_eq!(audit(&lab).1, "B APPROVAL_READY");
    approved::approved(&lab);
    // One fact less, and it is blocked again.
    lab.shell("rm records/drills/first.json.asc");
    assert_eq!(audit(&lab).1, "C BLOCKED_WITH_EXACT_O8_GAP");
}

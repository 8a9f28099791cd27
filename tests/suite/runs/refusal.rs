//! A run is refused while anything at all speaks against it: no process of the executor starts, as the kernel saw it, nothing is
//! consumed, and not one row changes.

use super::violence::trials;
use super::{Approved, text};

/// What is changed between the approval and the run, and a part of the refusal. `RUN` is the run's id.
const CASES: &[(&str, &str)] = &[
    ("touch host/opt/cutter/v0.7/extra.py", "GAP-1 (deployed-artifact) is OPEN"),
    ("rm records/dry-run*.json", "GAP-2 (dry-run-proof) is OPEN"),
    ("rm gnupg/pubring.kbx", "GAP-3 (gpg-keyring) is"),
    ("sqlite3 governance.db \"UPDATE decision SET status = 'open', principal = NULL WHERE id = 'DQ_4'\"", "GAP-4"),
    ("rmdir host/var/lib/cutter/batches", "GAP-5 (provisioning) is OPEN"),
    ("rm records/drills/*.asc", "GAP-6 (revert-tested) is OPEN"),
    ("sqlite3 governance.db \"UPDATE target SET forbidden = 1 WHERE id = 'ICX-GLOSS'\"", "GAP-8 (safe-target) is OPEN"),
    ("sed -i 's/raise ExecutionDisabled/print/' host/opt/cutter/v0.7/cutter/switch.py", "GAP-1"),
    ("rm kb/approvals/sg1-RUN.md.asc", "no approval that counts is for SG_1_cut_authz"),
    ("rm kb/approvals/sg2-RUN.md kb/approvals/sg2-RUN.md.asc", "no approval that counts is for SG_2_lifecycle_authz"),
    ("printf -- '---\\nkind: revocation\\nrun_id: RUN\\n---\\n' > kb/approvals/revoked.md", "no approval that counts"),
    ("echo >> kb/approvals/sg1-RUN.md", "no approval that counts is for SG_1_cut_authz"),
    // What the run is bound to.
    ("sqlite3 governance.db \"UPDATE target SET title = 'x' WHERE id = 'ICX-GLOSS'\"", "bound.sha256(safe-target"),
    ("sed -i 's/^max_units = .*/max_units = 49/' host/etc/cutter/cutter.toml", "bound.sha256(provisioning"),
    ("echo '# a comment' >> cutgate.toml", "package_sha256 is not what was approved"),
    ("sed -i 's/^grace_seconds = .*/grace_seconds = 2/' cutgate.toml", "package_sha256 is not what was approved"),
    ("mkdir -p templates && echo x > templates/mine.md", "templates_sha256 is not what was approved"),
    ("sed -i 's/ICX-GLOSS/ICX-ROLES/' requests/RUN/payload.json", "is not what was approved"),
    // What the run would have to tell from its own.
    ("touch host/var/lib/cutter/runs/RUN.dump.gpg", "is there already"),
    (
        "sqlite3 governance.db \"INSERT INTO information_unit SELECT 'x', 'ICX-GLOSS', 'x', 'draft', open_change_set, registered_utc FROM target WHERE id = 'ICX-GLOSS'\"",
        "information_unit has 1 rows of this run already",
    ),
    // What a run cannot be made without.
    ("rm -r keys/home/private-keys-v1.d", "gpg has no secret key of"),
    ("rm requests/RUN/payload.json", "no such run was requested"),
    ("touch requests/RUN/consumed.json", "was started before"),
    (
        "sed -i 's#^url = .*#url = \"postgresql:///governance?host=/nowhere\"#' cutgate.toml",
        "advisory lock of the registry",
    ),
];

fn wrong((change, said): &(&str, &str)) -> Option<String> {
    let approved = Approved::misbehaving();
    approved.lab.shell(&change.replace("RUN", &approved.run_id));
    let before = approved.rows();
    let trace = approved.lab.dir.join("trace");
    // Where it gets as far as signing, gpg starts an agent, and strace would wait for the end of that.
    let signs = change.contains("private-keys");
    let mut strace = std::process::Command::new(if signs { "env" } else { "strace" });
    if !signs {
        strace.args(["-f", "-qq", "-e", "trace=execve", "-o"]).arg(&trace);
    }
    strace.arg(assert_cmd::cargo::cargo_bin("cutgate"));
    strace.args(["run", &approved.run_id]).current_dir(&approved.lab.dir).env_clear().env("PATH", "/usr/bin:/bin");
    let output = strace.output().expect("strace: sudo apt-get install -y strace");
    let journal = || std::fs::read_to_string(approved.folder().join("journal.jsonl")).unwrap();
    let started = if signs { journal() + "cutgate" } else { std::fs::read_to_string(&trace).unwrap() };
    let all = text(&output.stderr);
    let mut wrong = Vec::new();
    if output.status.code() != Some(7) || !all.contains("nothing was started") {
        wrong.push(format!("exit {:?}", output.status.code()));
    }
    if !all.contains(said) {
        wrong.push(format!("{said} is not said"));
    }
    if !started.contains("cutgate")
        || started.contains("/proc/self/fd/")
        || started.contains("executor.py")
        || started.contains("\"starting\"")
    {
        wrong.push("an executor was started".to_owned());
    }
    let consumed = std::fs::read(approved.folder().join("consumed.json")).is_ok_and(|bytes| !bytes.is_empty());
    if consumed || approved.rows() != before {
        wrong.push("consumed, or written".to_owned());
    }
    if approved.lab.dir.join("reports").is_dir() {
        let report = approved.report("08");
        if !report.contains("production_run_executed: NO") || !report.contains("was asked for and refused") {
            wrong.push("the report does not say so".to_owned());
        }
    }
    (!wrong.is_empty()).then(|| format!("{change}: {}\n{all}", wrong.join(", ")))
}

#[test]
fn a_run_is_refused_while_anything_speaks_against_it() {
    let _kept = Approved::misbehaving();
    trials(CASES.len(), |at| wrong(&CASES[at]).into_iter().collect());
}

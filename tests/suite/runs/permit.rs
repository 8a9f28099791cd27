//! The permit, judged by the reference executor alone: one for another run, target, host, registry, tree or time is refused, and
//! so is one that nobody pinned signed.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{Approved, text};

/// Signs a permit with the laboratory's `key` and starts the cutter with it.
fn started(approved: &Approved, permit: &Value, key: &str) -> Output {
    let dir = &approved.lab.dir;
    std::fs::write(dir.join("p.json"), permit.to_string()).unwrap();
    approved.lab.shell(&format!(
        "rm -f p.json.asc; gpg --homedir keys/home --batch --quiet --local-user {key} --armor --detach-sign p.json"
    ));
    go(approved)
}

fn go(approved: &Approved) -> Output {
    let mut python = Command::new("/usr/bin/python3");
    python.current_dir(&approved.lab.dir).env("PYTHONPATH", "host/opt/cutter/v0.7").env("GNUPGHOME", "gnupg");
    let loaded = cutgate::gates::load(&approved.lab.dir.join("cutgate.toml")).unwrap();
    python.env("BACKUP_GPG_FPR", loaded.package.params["backup_fingerprint"].json().as_str().unwrap());
    python.args([
        "-B",
        "-m",
        "cutter",
        "run",
        "--registry",
        "governance.db",
        "--target",
        "ICX-GLOSS",
        "--run-id",
        "r-1",
    ]);
    python.args(["--review-decision-id", "rd-7", "--permit", "p.json", "--record", "r.json"]).output().unwrap()
}

#[test]
fn only_the_permit_of_this_very_run_opens_the_switch() {
    let approved = Approved::cutter();
    let payload: Value =
        serde_json::from_slice(&std::fs::read(approved.folder().join("payload.json")).unwrap()).unwrap();
    let trust = cutgate::gates::load(&approved.lab.dir.join("cutgate.toml")).unwrap().package.trust;
    let (auditor, operator) = (trust.auditor[0].to_string(), trust.operator[0].to_string());
    let utc = |minutes: i64| {
        let at = chrono::Utc::now() + chrono::Duration::minutes(minutes);
        at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    let good = json!({
        "format": "cutgate-permit/1", "kind": "run", "run_id": "r-1", "payload_sha256": "0".repeat(64), "target": "ICX-GLOSS",
        "host": "vmi3080463", "registry": approved.lab.dir.join("governance.db").canonicalize().unwrap(),
        "tree_digest": payload["tree_digest"], "review_decision_id": "rd-7", "rehearsal": false,
        "allowance": "explicit", "issued_utc": utc(-1), "expires_utc": utc(5), "nonce": "00",
    });
    let before = approved.rows();
    for (field, value) in [
        ("run_id", json!("r-2")),
        ("target", json!("ICX-CONST")),
        ("host", json!("elsewhere")),
        ("registry", json!("/elsewhere/governance.db")),
        ("tree_digest", json!("0".repeat(64))),
        ("kind", json!("revert")),
        ("allowance", json!("implied")),
        ("expires_utc", json!(utc(0))),
        ("issued_utc", json!(utc(3))),
        ("review_decision_id", json!("rd-8")),
        ("format", json!("cutgate-permit/2")),
        ("more", json!(1)),
    ] {
        let mut permit = good.clone();
        permit[field] = value;
        let refused = started(&approved, &permit, &auditor);
        assert_eq!(refused.status.code(), Some(7), "{field}: {}{}", text(&refused.stdout), text(&refused.stderr));
    }
    let forged = started(&approved, &good, &operator);
    assert_eq!(forged.status.code(), Some(7), "{}", text(&forged.stderr));
    // Signed, and changed afterwards.
    started(&approved, &json!({}), &auditor);
    std::fs::write(approved.lab.dir.join("p.json"), good.to_string()).unwrap();
    assert_eq!(go(&approved).status.code(), Some(7));
    assert_eq!(approved.rows(), before, "not one row was written");
    let done = started(&approved, &good, &auditor);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(
        approved.number("SELECT count(*) FROM information_unit WHERE state = 'enacted' AND document_id = 'ICX-GLOSS'"),
        12
    );
}

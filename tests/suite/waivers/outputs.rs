//! WAIVED in every format, in what is published, and before a run.

use std::fs;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::{Desk, text, waiver};
use crate::formats::{audited, problems};
use crate::runs::Approved;

/// A desk with one waiver in force, one that is not applied, and one that is refused.
fn several() -> Desk {
    let desk = Desk::new();
    desk.waive("key.toml", &waiver("gpg-keyring").replace("Jane Doe", "Jane\\u001b[2J | <b>`x`</b> \\u202e#"));
    desk.waive("old.toml", &waiver("safe-target").replace("expires = 2", "expires = 1"));
    desk
}

/// The result of a published audit.
fn result(desk: &Desk, folder: &str) -> Json {
    serde_json::from_slice(&fs::read(desk.path(folder).join("result.json")).unwrap()).unwrap()
}

#[test]
fn every_format_says_so_and_what_is_published_can_be_judged_again() {
    let desk = several();
    let into = tempfile::tempdir().unwrap();
    let both = into.path().join("both");
    let output = audited(&desk.path(""), &[], &both);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(
        said.contains("9 gaps: 2 closed, 1 partial, 5 open, 0 unknown\n  1 waived, which closes nothing"),
        "{said}"
    );
    assert!(said.contains("  waiver: waivers/key.toml is in force: gpg-keyring is waived until "), "{said}");
    assert!(said.contains("  waiver: waivers/old.toml is refused: it ended at "), "{said}");
    assert!(said.contains("result: C — BLOCKED_WITH_EXACT_O8_GAP"), "{said}");
    // The one that is refused alone, and what nobody has seen.
    fs::write(desk.path("governance.db"), "this is no database").unwrap();
    desk.waive("principal.toml", &waiver("governance-principal"));
    let unknown = into.path().join("unknown");
    assert_eq!(audited(&desk.path(""), &[], &unknown).status.code(), Some(3));
    assert_eq!(problems([both.as_path(), unknown.as_path()]), "");

    let audit: Json = serde_json::from_slice(&fs::read(both.join("json")).unwrap()).unwrap();
    let folder = audit["reports_dir"].as_str().unwrap();
    let kept = result(&desk, folder);
    assert_eq!((&kept["counts"]["WAIVED"], &kept["result"]["letter"]), (&1.into(), &"C".into()));
    let blocked: Vec<_> = kept["result"]["blocked_by"].as_array().unwrap().iter().collect();
    assert!(blocked.contains(&&"GAP-3".into()), "it blocks as before: {blocked:?}");
    let verified = desk.cutgate(&["verify", folder]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    // The reports name it, and what it is for.
    let report = fs::read_to_string(desk.path(folder).join("02-production-prerequisites.md")).unwrap();
    assert!(report.contains("WAIVED") && report.contains("though OPEN"), "{report}");
    let report = fs::read_to_string(desk.path(folder).join("08-execution-or-approval-ready-result.md")).unwrap();
    assert!(report.contains("old.toml is refused: it ended at"), "{report}");
    let report = fs::read_to_string(desk.path(folder).join("09-final.md")).unwrap();
    assert!(report.contains("OPEN 5, UNKNOWN 0, WAIVED 1."), "{report}");
    // Anywhere, without the waivers, the keys and the host.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("reports")).unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(desk.path("reports")).arg(elsewhere.path()).status();
    assert!(copied.unwrap().success());
    let there: PathBuf = elsewhere.path().join(folder);
    let mut command = assert_cmd::Command::cargo_bin("cutgate").unwrap();
    let verified = command.env_clear().current_dir(elsewhere.path()).arg("verify").arg(&there).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    // The evidence holds bytes and signature: an auditor who trusts nobody can ask gpg.
    let evidence: Json = serde_json::from_slice(&fs::read(there.join("evidence.json")).unwrap()).unwrap();
    let file = |name: &str| evidence["waivers"]["files"][name]["text"].as_str().unwrap().to_owned();
    assert_eq!(file("key.toml"), fs::read_to_string(desk.path("waivers/key.toml")).unwrap());
    assert_eq!(file("key.toml.asc"), fs::read_to_string(desk.path("waivers/key.toml.asc")).unwrap());

    let explained = desk.cutgate(&["explain", "gpg-keyring"]);
    assert_eq!(explained.status.code(), Some(1));
    assert!(text(&explained.stdout).contains("\nWAIVED — waived until "), "{}", text(&explained.stdout));
}

/// A result with a waived gate is never B, and no run is requested or made.
#[test]
fn a_waiver_lets_no_run_go_on() {
    let approved = Approved::misbehaving();
    let dir = approved.dir();
    let shell = |line: &str| {
        let output = std::process::Command::new("bash").args(["-ec", line]).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let cutgate = |args: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("cutgate").unwrap();
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(dir).args(args).output().unwrap()
    };
    let sovereign =
        shell("gpg --batch --with-colons --show-keys keys/sovereign.asc | awk -F: '/^fpr/ {print $10; exit}'");
    let package = fs::read_to_string(dir.join("cutgate.toml")).unwrap();
    let section = format!("\n[waivers]\nmax_days = 14\nkeys = [\"{}\"]\n", sovereign.trim());
    fs::write(dir.join("cutgate.toml"), package + &section).unwrap();
    fs::create_dir(dir.join("waivers")).unwrap();
    fs::write(dir.join("waivers/w.toml"), waiver("gpg-keyring")).unwrap();
    let sign = format!(
        "gpg --homedir keys/home --batch --local-user {} --armor --detach-sign waivers/w.toml",
        sovereign.trim()
    );
    shell(&sign);
    // Everything is closed: the waiver is not used, and that blocks.
    let unused = cutgate(&["audit"]);
    let said = text(&unused.stdout);
    assert_eq!(unused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("result: B — ") && said.contains("waivers/w.toml is refused: gpg-keyring is CLOSED"),
        "{said}"
    );
    assert!(said.contains("next: remove waivers/w.toml"), "{said}");
    let refused = cutgate(&["request"]);
    assert_eq!(refused.status.code(), Some(7));
    assert!(text(&refused.stderr).contains("waivers/w.toml is refused"), "{}", text(&refused.stderr));
    // Now the key is gone, and that is waived.
    shell("mv gnupg gnupg.kept && install -d -m 700 gnupg && gpg --batch --homedir gnupg --list-keys");
    let waived = cutgate(&["audit", "--format", "json"]);
    let whole: Json = serde_json::from_slice(&waived.stdout).unwrap();
    assert_eq!((waived.status.code(), &whole["result"]["letter"]), (Some(1), &"C".into()));
    assert_eq!(whole["result"]["blocked_by"], serde_json::json!(["GAP-3"]));
    assert_eq!(whole["gaps"][2]["state"], "WAIVED");
    for args in [&["request"][..], &["run", &run_id(dir)]] {
        let refused = cutgate(args);
        assert_eq!(refused.status.code(), Some(7), "{args:?}");
        let said = text(&refused.stderr);
        assert!(said.contains("GAP-3 (gpg-keyring) is WAIVED: waived until"), "{args:?}: {said}");
    }
    shell("gpgconf --homedir keys/home --kill all; gpgconf --homedir gnupg --kill all");
}

/// The one run that was requested.
fn run_id(dir: &std::path::Path) -> String {
    let entries = fs::read_dir(dir.join("requests")).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.find(|name| name.starts_with("run-")).expect("a run")
}

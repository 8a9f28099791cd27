//! Two audits beside each other, by the real program: what changed is shown with the facts behind it, what did not is
//! not, and nothing is said of audits that do not verify.

use std::fs;
use std::path::Path;
use std::process::Command;

use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value as Json;

use super::audit::Lab;
use super::waivers::{Desk, waiver};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn ran(lab: &Lab, program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).current_dir(lab.path("")).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: install it with scripts/require test"));
    assert!(output.status.success(), "{program} {args:?}: {}", text(&output.stderr));
}

fn compared(lab: &Lab, args: &[&str]) -> String {
    let args: Vec<_> = ["diff"].iter().chain(args).copied().collect();
    let output = lab.cutgate(&args);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    text(&output.stdout)
}

/// An audit's instant is in whole seconds: what follows has another.
fn next_second() {
    let nanoseconds = u64::from(chrono::Utc::now().timestamp_subsec_nanos()).min(999_999_999);
    std::thread::sleep(std::time::Duration::from_nanos(1_000_000_000 - nanoseconds));
}

fn json(lab: &Lab, old: &str, new: &str) -> Json {
    serde_json::from_str(&compared(lab, &[old, new, "--format", "json"])).unwrap()
}

fn gate<'a>(comparison: &'a Json, id: &str) -> &'a Json {
    comparison["gates"].as_array().unwrap().iter().find(|gate| gate["id"] == id).unwrap()
}

fn ids(comparison: &Json, finding: &str) -> Vec<String> {
    let gates = comparison["gates"].as_array().unwrap().iter().filter(|gate| gate["finding"] == finding);
    gates.map(|gate| gate["id"].as_str().unwrap().to_owned()).collect()
}

/// The same host, read twice: only instants differ, whatever the format.
#[test]
fn nothing_changed_is_said_to_be_nothing() {
    let lab = Lab::new();
    lab.audit();
    next_second();
    lab.audit();
    let unsigned = lab.cutgate(&["diff", "1", "2", "--key", "keys/auditor.asc"]);
    assert_eq!(unsigned.status.code(), Some(6), "a signature was asked for: {}", text(&unsigned.stderr));
    for (old, new) in [("1", "2"), ("1", "1")] {
        let shown = compared(&lab, &[old, new]);
        assert!(shown.ends_with("result: C as before; nothing changed but instants\n"), "{shown}");
        assert_eq!(shown.matches("\n     who made it is not proved: not signed\n").count(), 2, "{shown}");
        for absent in ["→", "note:", "check ", "read:"] {
            assert!(!shown.contains(absent), "{absent} in\n{shown}");
        }
        assert!(compared(&lab, &[old, new, "--format", "markdown"]).contains("\nNothing changed but instants.\n"));
        let comparison = json(&lab, old, new);
        assert_eq!(comparison["format"], "cutgate-diff/1");
        let gates = comparison["gates"].as_array().unwrap();
        assert_eq!(gates.len(), 9, "every gate is there, those that did not change too");
        assert!(gates.iter().all(|gate| gate["finding"] == "same" || (old != new && gate["finding"] == "instants")));
        let facts = gates.iter().flat_map(|gate| gate["facts"].as_array().unwrap());
        assert!(facts.clone().all(|fact| fact["instants_only"] == true));
        assert_eq!(facts.count() > 0, old != new, "the instants themselves are in the JSON form");
    }
}

/// One key imported, one line written: one gate changes its state, and the facts that did it are shown with what was read.
#[test]
fn a_changed_gate_is_shown_with_the_facts_behind_it() {
    let lab = Lab::new();
    lab.audit();
    ran(&lab, "gpg", &["--homedir", "gnupg", "--batch", "--no-autostart", "--quiet", "--import", "keys/backup.asc"]);
    let listed = Command::new("gpg").args(["--show-keys", "--with-colons"]).arg(lab.path("keys/backup.asc")).output();
    let listed = text(&listed.unwrap().stdout);
    let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_matches(':');
    ran(&lab, "sh", &["-c", &format!("echo BACKUP_GPG_FPR={fingerprint} >> host/etc/cutter/cutter.env")]);
    next_second();
    let (_, second) = lab.audit();
    let comparison = json(&lab, "1", second.to_str().unwrap());
    assert_eq!(ids(&comparison, "state"), ["gpg-keyring"]);
    assert_eq!(ids(&comparison, "facts"), ["provisioning"], "it reads the same file, and finds the same");
    assert_eq!(ids(&comparison, "reason"), Vec::<String>::new());
    let keyring = gate(&comparison, "gpg-keyring");
    assert_eq!(keyring["state"], serde_json::json!({"old": "OPEN", "new": "CLOSED"}));
    assert_eq!(keyring["reason"]["old"], "empty keyring → no real backup");
    assert!(keyring["reason"]["new"].as_str().unwrap().contains(fingerprint));
    let check = |id: &str| keyring["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap();
    assert_eq!(check("keyring-filled")["outcome"], serde_json::json!({"old": "fails", "new": "holds"}));
    assert_eq!(check("keyring-filled")["facts"], serde_json::json!(["ring.count"]));
    let fact = |path: &str| keyring["facts"].as_array().unwrap().iter().find(|fact| fact["fact"] == path).unwrap();
    assert_eq!((&fact("ring.count")["old"], &fact("ring.count")["new"]), (&0.into(), &1.into()));
    let value = fact("env.keys.BACKUP_GPG_FPR.value");
    assert_eq!((&value["old"]["$missing"]["state"], &value["new"]), (&"absent".into(), &fingerprint.into()));
    let ring = keyring["read"].as_array().unwrap().iter().find(|read| read["variable"] == "ring").unwrap();
    assert_eq!((&ring["probe"], &ring["asked_differently"]), (&"openpgp-keyring".into(), &false.into()));
    let source = ring["sources"].as_array().unwrap().iter().find(|s| s["what"] == "gnupg/pubring.kbx").unwrap();
    assert_ne!(source["read"]["old"]["sha256"], source["read"]["new"]["sha256"]);
    let new: Vec<_> = comparison["evidence"]["new"].as_array().unwrap().iter().map(|s| s["what"].clone()).collect();
    assert_eq!(new, ["gnupg/pubring.kbx~"], "gpg left a copy, which the audit read");

    let shown = compared(&lab, &["1", "2"]);
    for expected in [
        "gates whose state changed: 1\n  gpg-keyring (GAP-3): OPEN → CLOSED\n    was: empty keyring",
        "    check keyring-filled (essential): fails → holds\n      ring.count: 0 → 1\n",
        "      \"gnupg/pubring.kbx\": sha256 ",
        "read in NEW only: 1\n  \"gnupg/pubring.kbx~\": not read → sha256 ",
        "measured invariants that are not the same",
        "result: as before, C — BLOCKED_WITH_EXACT_O8_GAP, GAP-9 decides, approval absent\n",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    assert!(!shown.contains("ring.horizon"), "an instant drowns nothing\n{shown}");
    let back = compared(&lab, &["2", "1"]);
    assert!(back.contains("note: the audit given as OLD was made after the one given as NEW\n"), "{back}");
    assert!(back.contains("gpg-keyring (GAP-3): CLOSED → OPEN"), "{back}");
}

/// What can no longer be read shows its reason, and never as a value that went away.
#[test]
fn what_became_unreadable_shows_why() {
    let lab = Lab::new();
    lab.audit();
    fs::remove_file(lab.path("governance.db")).unwrap();
    fs::write(lab.path("governance.db"), "this is no database").unwrap();
    assert_eq!(lab.audit().0, 3);
    let comparison = json(&lab, "1", "2");
    let principal = gate(&comparison, "governance-principal");
    assert_eq!(principal["state"], serde_json::json!({"old": "PARTIAL", "new": "UNKNOWN"}));
    let facts = principal["facts"].as_array().unwrap();
    assert!(facts.iter().any(|fact| fact["new"]["$missing"]["state"] == "unreadable"), "{facts:#?}");
    assert!(facts.iter().all(|fact| !fact["new"].is_null()), "missing is not gone: {facts:#?}");
    let shown = compared(&lab, &["1", "2"]);
    assert!(shown.contains("→ (unreadable: \""), "{shown}");
    assert!(shown.contains("attestation: "), "what rests on measures of the database is not attested\n{shown}");
}

/// A parameter of the package is a fact like any other; the changed file is named.
#[test]
fn a_changed_rule_is_told_from_a_changed_host() {
    let lab = Lab::new();
    lab.audit();
    ran(&lab, "sed", &["-i", "s/^target = .*/target = \"ICX-GLOSS\"/", "cutgate.toml"]);
    lab.audit();
    let comparison = json(&lab, "1", "2");
    assert_eq!(comparison["rules"], serde_json::json!({"added": [], "removed": [], "changed": ["cutgate.toml"]}));
    let facts = gate(&comparison, "safe-target")["facts"].as_array().unwrap().clone();
    let target = facts.iter().find(|fact| fact["fact"] == "params.target").unwrap();
    assert_eq!((&target["old"], &target["new"]), (&"".into(), &"ICX-GLOSS".into()));
    let shown = compared(&lab, &["1", "2"]);
    assert!(shown.contains("rules changed: cutgate.toml\n"), "{shown}");
    assert!(shown.contains("params.target: \"\" → \"ICX-GLOSS\"\n"), "{shown}");
    assert!(shown.contains("    read: params from cutgate.toml\n"), "{shown}");
}

/// Another package with other gates: that is said before anything else, and no gate is left out.
#[test]
fn other_packages_and_gates_are_said_to_be_others() {
    let lab = Lab::new();
    lab.audit();
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packages/laboratory/cutgate.toml");
    let other = lab.cutgate(&["-p", package.to_str().unwrap(), "audit", "--out", "other"]);
    assert!(matches!(other.status.code(), Some(1 | 3)), "{}", text(&other.stderr));
    let folder = fs::read_dir(lab.path("other")).unwrap().map(|entry| entry.unwrap().path());
    let folder = folder.filter(|path| path.is_dir()).max().unwrap();
    let comparison = json(&lab, "1", folder.to_str().unwrap());
    assert_eq!(ids(&comparison, "gone").len() + ids(&comparison, "state").len() + ids(&comparison, "reason").len(), 9);
    assert_eq!(ids(&comparison, "new"), ["right-host", "backup-key"], "in the order of the stages");
    let gone = gate(&comparison, "gpg-keyring");
    assert_eq!(gone["state"], serde_json::json!({"old": "OPEN", "new": null}));
    let shown = compared(&lab, &["1", folder.to_str().unwrap()]);
    assert!(shown.contains("\nnote: the packages are not the same: macro_id is "), "{shown}");
    assert!(shown.contains("\nrules new: gates/backup-key.toml, gates/right-host.toml"), "{shown}");
    assert!(shown.contains("asked in NEW only: "), "{shown}");
    let by_number = compared(&lab, &[folder.to_str().unwrap(), "1", "--out", "reports"]);
    assert!(by_number.contains("gates in NEW only: 9"), "{by_number}");
}

/// Text of the host stays within its quotes, its line and its cell.
#[test]
fn hostile_host_text_forges_nothing() {
    let lab = Lab::new();
    lab.audit();
    let hostile = "x\" → \"y\n  gpg-keyring (GAP-3): OPEN → CLOSED\nresult: A\u{202e}\x1b[2J | a | `b` <b>";
    let title = serde_json::to_string(hostile).unwrap();
    let document = format!("---\ntitle: {title}\nkind: approval\ngate: SG_1_cut_authz\n---\n\napproval\n");
    fs::write(lab.path("kb/approvals/forged\nresult: A.md"), document).unwrap();
    lab.audit();
    let shown = compared(&lab, &["1", "2"]);
    assert!(shown.contains("sovereign-ruling"), "{shown}");
    assert!(shown.contains("forged"), "{shown}");
    for line in shown.lines() {
        assert!(!line.trim_start().starts_with("gpg-keyring (GAP-3): OPEN → CLOSED"), "{shown}");
        assert!(!line.trim_start().starts_with("result: A"), "{shown}");
    }
    assert_eq!(shown.lines().filter(|line| line.starts_with("result: ")).count(), 1);
    assert!(!shown.contains(['\x1b', '\u{202e}']), "{shown}");
    let markdown = compared(&lab, &["1", "2", "--format", "markdown"]);
    assert!(!markdown.contains(['\x1b', '\u{202e}']));
    for event in Parser::new_ext(&markdown, Options::ENABLE_TABLES | Options::ENABLE_GFM) {
        let active = matches!(
            event,
            Event::Html(_)
                | Event::InlineHtml(_)
                | Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::CodeBlock(_))
        );
        assert!(!active, "{event:?} in {markdown}");
        if let Event::Text(words) | Event::Code(words) = event {
            assert!(!words.starts_with("result: A"), "{markdown}");
        }
    }
    assert!(!markdown.lines().any(|line| line.starts_with("result: A")), "{markdown}");
}

/// Nothing is said of an audit that does not verify on its own, and nothing is written.
#[test]
fn what_does_not_verify_is_not_compared() {
    let lab = Lab::new();
    let (_, first) = lab.audit();
    let (_, second) = lab.audit();
    let (first, second) = (first.file_name().unwrap().to_str().unwrap(), second.file_name().unwrap().to_str().unwrap());
    let refused = |args: &[&str], code: i32, expected: &[&str]| {
        let args: Vec<_> = ["diff"].iter().chain(args).chain(&["--format", "json=out.json"]).copied().collect();
        let output = lab.cutgate(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
        for expected in expected {
            assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
        }
        assert!(!lab.path("out.json").exists(), "{args:?}");
    };
    for (args, expected) in [
        (&["1", "3"][..], "holds no audit 3; the last one is 2"),
        (&["0", "1"], "holds no audit 0"),
        (&["1", "2", "--out", "nowhere"], "it holds no audit"),
        (&["reports/0009-20260521T100000Z", "1"], "cannot read reports/0009"),
        (&["cutgate.toml", "1"], "cannot read"),
        (&["1", "2", "--format", "sarif"], "there is no format `sarif`"),
        (&["1", "2", "--format", "text", "--format", "markdown"], "only one format"),
    ] {
        refused(args, 2, &[expected]);
    }
    refused(&["kb", "1"], 6, &["kb: ", "it is not a regular file", "nothing was compared"]);
    refused(&["records/drills", "1"], 6, &["records/drills: ", "the ledger has no line for this folder"]);
    for file in ["evidence.json", "package.lock.json", "result.json", "09-final.md"] {
        let path = lab.path(&format!("reports/{second}/{file}"));
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let at = bad.len() / 2;
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        refused(&["1", "2"], 6, &[second, file, "nothing was compared"]);
        refused(&["2", "1"], 6, &[second, file]);
        fs::remove_file(&path).unwrap();
        refused(&["1", "2"], 6, &[second, file]);
        fs::write(&path, good).unwrap();
    }
    let ledger = fs::read_to_string(lab.path("reports/ledger.jsonl")).unwrap();
    fs::write(lab.path("reports/ledger.jsonl"), ledger.lines().next().unwrap().to_owned() + "\n").unwrap();
    refused(&[&format!("reports/{first}"), &format!("reports/{second}")], 6, &[second, "no line for this folder"]);
    fs::write(lab.path("reports/ledger.jsonl"), ledger.replacen("\"C\"", "\"B\"", 1)).unwrap();
    refused(&["1", "2"], 6, &["ledger.jsonl"]);
    fs::remove_file(lab.path("reports/ledger.jsonl")).unwrap();
    refused(&[&format!("reports/{first}"), &format!("reports/{second}")], 6, &[first]);
}

/// A waiver that came, that was signed anew, that is over, and one that went: each is shown with what became of it.
#[test]
fn waivers_that_changed_are_shown() {
    let desk = Desk::new();
    let kept = waiver("gpg-keyring");
    desk.waive("key.toml", &kept);
    desk.put("gone.toml", "this is no waiver");
    let (_, first) = desk.lab.audit();
    next_second();
    desk.lab.audit();
    assert_eq!(json(&desk.lab, "1", "2")["waivers"], serde_json::json!([]));
    assert!(compared(&desk.lab, &["1", "2"]).ends_with("nothing changed but instants\n"));

    // GnuPG signs the same bytes at another second; the waiver's finding is the same.
    desk.put("key.toml.asc", &desk.sign("sovereign", &kept));
    fs::remove_file(desk.path("waivers/gone.toml")).unwrap();
    desk.waive("new\nresult: A.toml", &waiver("governance-principal"));
    desk.lab.audit();
    let comparison = json(&desk.lab, first.to_str().unwrap(), "3");
    let waivers = comparison["waivers"].as_array().unwrap();
    let files: Vec<_> = waivers.iter().map(|waiver| waiver["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["gone.toml", "key.toml", "new\nresult: A.toml"]);
    assert_eq!(waivers[0]["finding"]["old"]["fault"], "malformed");
    assert!(waivers[0]["finding"]["new"].is_null() && waivers[0]["sha256"]["new"].is_null());
    assert_eq!(waivers[1]["finding"]["old"], waivers[1]["finding"]["new"]);
    assert_eq!(waivers[1]["sha256"]["old"], waivers[1]["sha256"]["new"]);
    assert_ne!(waivers[1]["signature_sha256"]["old"], waivers[1]["signature_sha256"]["new"]);
    assert_eq!(waivers[2]["finding"]["new"]["standing"], "in-force");
    let shown = compared(&desk.lab, &["1", "3"]);
    for expected in [
        "waivers that are not the same: 3\n  \"gone.toml\": refused (line 1: ",
        "  \"key.toml\": in force (gpg-keyring is waived until ",
        "Jane Doe, security operations), as before; signed anew\n",
        "  \"new\\nresult: A.toml\": not there → in force (governance-principal is waived until ",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    assert_eq!(shown.lines().filter(|line| line.starts_with("result: ")).count(), 1, "{shown}");

    // Another text, which nobody signed: refused.
    desk.put("key.toml", &kept.replace("is ordered", "was ordered"));
    desk.lab.audit();
    let shown = compared(&desk.lab, &["3", "4"]);
    assert!(shown.contains("\"key.toml\": in force (gpg-keyring is waived"), "{shown}");
    assert!(shown.contains(") → refused (key.toml.asc does not count: "), "{shown}");
    assert!(shown.contains("); written anew\n"), "{shown}");
    let markdown = compared(&desk.lab, &["3", "4", "--format", "markdown"]);
    assert!(markdown.contains("\n## Waivers\n\n- \"key.toml\": in force "), "{markdown}");
}

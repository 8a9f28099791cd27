//! One waiver at a time: what is wrong with it is said, and it counts for nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use cutgate::evidence::{Evidence, canonical_json};
use cutgate::gates::{self, evaluate, waived};
use cutgate::package::read_waivers;
use serde_json::Value as Json;

use super::{Desk, MAX_DAYS, in_days, text, utc, waiver};
use crate::keyring::Home;
use chrono::{Duration, Utc};

/// What the program made of the waivers over one gate: the exit code, the gate's state, and standing or fault by file.
fn judged(desk: &Desk, gate: &str) -> (i32, String, BTreeMap<String, String>) {
    let output = desk.cutgate(&["audit", "--only", gate, "--format", "json"]);
    let whole: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let none = Vec::new();
    let waivers = whole["waivers"].as_array().unwrap_or(&none).iter().map(|waiver| {
        let word = waiver.get("fault").unwrap_or(&waiver["standing"]);
        assert_eq!(waiver["standing"] == "refused", waiver.get("fault").is_some(), "{waiver}");
        assert!(!waiver["said"].as_str().unwrap().is_empty());
        (waiver["file"].as_str().unwrap().to_owned(), word.as_str().unwrap().to_owned())
    });
    (output.status.code().unwrap(), whole["gates"][0]["state"].as_str().unwrap().to_owned(), waivers.collect())
}

/// A case: its name, what lies in the folder, and what is said of `w.toml`.
type Case<'a> = (&'a str, Box<dyn Fn(&Desk) + 'a>, &'a str);

#[test]
fn every_fault_is_seen_and_none_counts() {
    let desk = Desk::new();
    let stranger = Home::new();
    let unknown = stranger.make_good("stranger");
    let good = waiver("gpg-keyring");
    let with = |from: &str, to: &str| {
        let text = waiver("gpg-keyring");
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    let signed = |text: String| -> Box<dyn Fn(&Desk)> { Box::new(move |desk: &Desk| desk.waive("w.toml", &text)) };
    let gate = |gate: &str| signed(with("\"gpg-keyring\"", gate));
    let expires = |when: &str| {
        let text = waiver("gpg-keyring");
        let line = text.lines().find(|line| line.starts_with("expires")).unwrap().to_owned();
        signed(text.replace(&line, &format!("expires = {when}")))
    };
    let signature = |signature: String| -> Box<dyn Fn(&Desk)> {
        let text = good.clone();
        Box::new(move |desk: &Desk| {
            desk.put("w.toml", &text);
            desk.put("w.toml.asc", &signature);
        })
    };
    let by = |name: &str, text: &str| desk.sign(name, text);
    let foreign = String::from_utf8(stranger.sign(&unknown, good.as_bytes(), &[])).unwrap();
    let cases: Vec<Case<'_>> = vec![
        ("a part of an id", gate("\"gpg-key\""), "no-such-gate"),
        ("an id with more behind it", gate("\"gpg-keyring-2\""), "no-such-gate"),
        ("a gap instead of a gate", gate("\"GAP-3\""), "no-such-gate"),
        ("another case", gate("\"GPG-Keyring\""), "no-such-gate"),
        ("a pattern", gate("\"gpg-*\""), "over-broad"),
        ("everything", gate("\"*\""), "over-broad"),
        ("nothing", gate("\"\""), "over-broad"),
        ("several in one text", gate("\"gpg-keyring,provisioning\""), "over-broad"),
        ("several", gate("[\"gpg-keyring\", \"governance-principal\"]"), "over-broad"),
        ("one in a list", gate("[\"gpg-keyring\"]"), "over-broad"),
        ("no text", gate("1"), "malformed"),
        ("the live code path", gate("\"live-code-path\""), "never-waived"),
        ("the sovereign's ruling", gate("\"sovereign-ruling\""), "never-waived"),
        ("what the package says", gate("\"provisioning\""), "never-waived"),
        ("another package", signed(with("v0.6-o8", "v0.7-o8")), "other-package"),
        ("another host", signed(with("vmi3080463", "vmi3080464")), "other-package"),
        ("another form", signed(with("cutgate-waiver/1", "cutgate-waiver/2")), "malformed"),
        ("no owner", signed(with("Jane Doe, security operations", " ")), "malformed"),
        ("no reason", signed(with("reason = \"the new key is ordered\"\n", "")), "malformed"),
        ("an unknown key", signed(with("owner", "force = true\nowner")), "malformed"),
        ("no TOML", signed("gate: gpg-keyring\n".to_owned()), "malformed"),
        ("empty", signed(String::new()), "malformed"),
        ("over a second ago", expires(&utc(Utc::now() - Duration::seconds(1))), "expired"),
        ("over now", expires(&utc(Utc::now())), "expired"),
        ("long over", expires(&in_days(-30)), "expired"),
        ("longer than may be", expires(&in_days(MAX_DAYS + 1)), "too-long"),
        ("a day without time", expires("2099-05-21"), "malformed"),
        ("no offset", expires("2099-05-21T10:00:00"), "malformed"),
        ("another offset", expires("2099-05-21T10:00:00+02:00"), "malformed"),
        ("for ever", expires("\"never\""), "malformed"),
        ("no signature", Box::new(|desk: &Desk| desk.put("w.toml", &good)), "unsigned"),
        ("an empty signature", signature(String::new()), "wrongly-signed"),
        ("a key that is not pinned", signature(by("auditor", &good)), "wrongly-signed"),
        ("a key that is in no keyring", signature(foreign.clone()), "wrongly-signed"),
        ("over other bytes", signature(by("sovereign", &format!("{good}\n"))), "wrongly-signed"),
        ("of another waiver", signature(by("sovereign", &waiver("governance-principal"))), "wrongly-signed"),
        (
            "one that counts and one that does not",
            signature(by("sovereign", &good) + &by("auditor", &good)),
            "wrongly-signed",
        ),
        (
            "words before it",
            signature(format!("-----BEGIN PGP SIGNED MESSAGE-----\n\n{}", by("sovereign", &good))),
            "wrongly-signed",
        ),
        ("a folder", Box::new(|desk: &Desk| fs::create_dir(desk.path("waivers/w.toml")).unwrap()), "unread"),
        (
            "a pipe",
            Box::new(|desk: &Desk| {
                assert!(Command::new("mkfifo").arg(desk.path("waivers/w.toml")).status().unwrap().success());
            }),
            "unread",
        ),
        (
            "a link",
            Box::new(|desk: &Desk| {
                desk.waive("w.toml", &good);
                fs::rename(desk.path("waivers/w.toml"), desk.path("elsewhere.toml")).unwrap();
                symlink(desk.path("elsewhere.toml"), desk.path("waivers/w.toml")).unwrap();
            }),
            "unread",
        ),
        ("not text", Box::new(|desk: &Desk| fs::write(desk.path("waivers/w.toml"), [0xff, 0xfe]).unwrap()), "unread"),
    ];
    let (_, folder) = desk.lab.audit();
    let recorded: Evidence = serde_json::from_slice(&fs::read(folder.join("evidence.json")).unwrap()).unwrap();
    let loaded = gates::load(&desk.path("cutgate.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    let findings = evaluate(&loaded.gates, &loaded.package, &recorded);
    for (index, (name, lay, expected)) in cases.iter().enumerate() {
        desk.clear();
        lay(&desk);
        let waivers = read_waivers(&desk.path(""), &desk.path("keys/trusted.asc"));
        let evidence = Evidence { now: Utc::now(), waivers, ..recorded.clone() };
        let (after, said) = waived(&loaded, findings.clone(), &evidence);
        assert_eq!(after, findings, "{name}: it counts for nothing");
        let fault = said.iter().find(|waiver| waiver.file == "w.toml").and_then(|waiver| waiver.fault);
        let fault = fault.map(|fault| serde_json::to_value(fault).unwrap());
        assert_eq!(fault, Some(Json::from(*expected)), "{name}: {said:?}");
        // What is recorded is judged to the same, anywhere.
        let again: Evidence = serde_json::from_slice(&canonical_json(&evidence)).unwrap();
        assert_eq!(waived(&loaded, findings.clone(), &again).1, said, "{name}");
        // The program: where the gate is closed, what is wrong blocks by itself, in a profile as well.
        if index % 9 == 0 {
            let (code, state, said) = judged(&desk, "gpg-keyring");
            assert_eq!((code, state.as_str(), said["w.toml"].as_str()), (1, "OPEN", *expected), "{name}");
            let closed = judged(&desk, "deployed-artifact");
            assert_eq!((closed.0, closed.1.as_str()), (1, "CLOSED"), "{name}: {:?}", closed.2);
            let profile = desk.cutgate(&["audit", "--profile", "keys"]);
            assert_eq!(profile.status.code(), Some(1), "{name}: {}", text(&profile.stdout));
        }
    }
}

#[test]
fn one_that_is_right_makes_its_gate_waived_and_nothing_else() {
    let desk = Desk::new();
    desk.waive("w.toml", &waiver("gpg-keyring"));
    let is = |word: &str| BTreeMap::from([("w.toml".to_owned(), word.to_owned())]);
    assert_eq!(judged(&desk, "gpg-keyring"), (1, "WAIVED".to_owned(), is("in-force")), "--only asks for CLOSED");
    assert_eq!(judged(&desk, "governance-principal"), (1, "PARTIAL".to_owned(), is("not-applied")));
    assert_eq!(
        judged(&desk, "deployed-artifact"),
        (0, "CLOSED".to_owned(), is("not-applied")),
        "nothing is wrong with it"
    );
    let profile = desk.cutgate(&["audit", "--profile", "keys"]);
    let said = text(&profile.stdout);
    assert_eq!(profile.status.code(), Some(0), "{said}");
    assert!(said.contains("WAIVED   GAP-3  gpg-keyring  waived until ") && said.contains("though OPEN: "), "{said}");
    assert!(
        said.contains(
            "no result: profile keys: 1 of 9 gates were judged; WAIVED, not CLOSED: gpg-keyring; not judged: "
        ),
        "{said}"
    );
    // As text, and up to the very limit.
    desk.clear();
    let line = format!("expires = \"{}\"", utc(Utc::now() + Duration::days(MAX_DAYS)));
    let kept = waiver("gpg-keyring");
    let old = kept.lines().find(|line| line.starts_with("expires")).unwrap();
    desk.waive("w.toml", &kept.replace(old, &line));
    assert_eq!(judged(&desk, "gpg-keyring").1, "WAIVED");
    // PARTIAL can be waived; what is UNKNOWN cannot, and is no fault of the waiver.
    desk.clear();
    desk.waive("w.toml", &waiver("governance-principal"));
    assert_eq!(judged(&desk, "governance-principal").1, "WAIVED");
    fs::write(desk.path("governance.db"), "this is no database").unwrap();
    assert_eq!(judged(&desk, "governance-principal"), (3, "UNKNOWN".to_owned(), is("not-applied")));
    assert_eq!(desk.cutgate(&["audit", "--profile", "ci"]).status.code(), Some(3));
}

#[test]
fn what_is_wrong_with_several_is_seen() {
    let desk = Desk::new();
    let files = |waivers: &[(&str, &str)]| -> BTreeMap<String, String> {
        waivers.iter().map(|(file, word)| ((*file).to_owned(), (*word).to_owned())).collect()
    };
    desk.waive("a.toml", &waiver("gpg-keyring"));
    desk.waive("b.toml", &waiver("gpg-keyring"));
    let (code, state, waivers) = judged(&desk, "gpg-keyring");
    assert_eq!((code, state.as_str()), (1, "OPEN"), "which of the two counts is not known");
    assert_eq!(waivers, files(&[("a.toml", "doubled"), ("b.toml", "doubled")]));
    // One of them is none: the other counts, and the first has to go.
    desk.put("b.toml.asc", "");
    let (code, state, waivers) = judged(&desk, "gpg-keyring");
    assert_eq!((code, state.as_str()), (1, "WAIVED"));
    assert_eq!(waivers, files(&[("a.toml", "in-force"), ("b.toml", "wrongly-signed")]));
    assert_eq!(desk.cutgate(&["audit", "--profile", "keys"]).status.code(), Some(1), "and blocks until then");
    desk.clear();
    desk.waive("unused.toml", &waiver("deployed-artifact"));
    desk.put("note.txt", "a note");
    desk.put("gone.toml.asc", "a signature of nothing");
    desk.put("README.md", "what these files are");
    desk.put(".hidden", "an editor's");
    let (code, state, waivers) = judged(&desk, "deployed-artifact");
    assert_eq!((code, state.as_str()), (1, "CLOSED"));
    let expected = files(&[("gone.toml.asc", "stray"), ("note.txt", "stray"), ("unused.toml", "unused")]);
    assert_eq!(waivers, expected);
}

#[test]
fn where_nobody_may_waive_nothing_is_waived() {
    let desk = Desk::new();
    desk.waive("w.toml", &waiver("gpg-keyring"));
    let whole = fs::read_to_string(desk.path("cutgate.toml")).unwrap();
    let (before, _) = whole.split_once("\n[waivers]").unwrap();
    fs::write(desk.path("cutgate.toml"), before).unwrap();
    let (code, state, waivers) = judged(&desk, "gpg-keyring");
    assert_eq!((code, state.as_str(), waivers["w.toml"].as_str()), (1, "OPEN", "not-allowed"));
    fs::write(desk.path("cutgate.toml"), &whole).unwrap();
    assert_eq!(judged(&desk, "gpg-keyring").1, "WAIVED");
    let ring = fs::read(desk.path("keys/trusted.asc")).unwrap();
    for bytes in [&ring[..1000], b""] {
        fs::write(desk.path("keys/trusted.asc"), bytes).unwrap();
        let (code, state, waivers) = judged(&desk, "gpg-keyring");
        assert_eq!((code, state.as_str()), (1, "OPEN"));
        assert!(["unread", "wrongly-signed"].contains(&waivers["w.toml"].as_str()), "{waivers:?}");
    }
    fs::write(desk.path("keys/trusted.asc"), &ring).unwrap();
    fs::remove_dir_all(desk.path("waivers")).unwrap();
    fs::write(desk.path("waivers"), "no folder").unwrap();
    assert_eq!(judged(&desk, "gpg-keyring").2["."], "unread");
}

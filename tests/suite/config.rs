//! The probe `config` over real files in every format.

mod edges;
mod formats;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use cutgate::evidence::{Fact, Missing, MissingState, Reading, Source};
use cutgate::probes::{self, Door, Limits};
use serde_json::{Value, json};

use crate::harness;

const SECRET: &str = "hunter2-Zq9";
const FPR: &str = "D9C3A1B2E4F5061728394A5B6C7D8E9F00112233";

/// Collects, and gives the sources too.
fn observe(dir: &Path, given: Value) -> (Result<Fact, Missing>, Vec<Source>) {
    let probe = probes::find("config").expect("the probe");
    let settings = harness::settings(given);
    assert_eq!(probe.check(&settings), Vec::new(), "settings are in order");
    let end = Instant::now() + Limits::default().probe;
    let door = Door::new(harness::place(dir), Limits::default(), chrono::Utc::now(), "auditor".to_owned(), end);
    let result = probe.collect(&settings, &door);
    if let Ok(fact) = &result {
        assert_eq!(probe.shape(&settings).departure(fact), None, "facts have the declared shape");
    }
    (result, door.sources())
}

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>, mode: u32) {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("write");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("chmod");
}

/// The facts of a file with this text.
fn facts(format: &str, text: impl AsRef<[u8]>, keys: Value) -> Fact {
    let dir = harness::open_dir();
    write(dir.path(), "cutter.conf", text, 0o640);
    let given = json!({ "file": "cutter.conf", "format": format, "keys": keys });
    harness::collect("config", dir.path(), given).expect("facts")
}

fn fact<'a>(facts: &'a Fact, path: &str) -> &'a Fact {
    facts.at(path).unwrap_or_else(|| panic!("no fact {path} in {facts:?}"))
}

/// A field of a key, whose name may have dots.
fn key<'a>(facts: &'a Fact, name: &str, field: &str) -> &'a Fact {
    let keys = fact(facts, "keys");
    keys.get(name).and_then(|key| key.get(field)).unwrap_or_else(|| panic!("no {field} of {name} in {keys:?}"))
}

fn state(fact: &Fact) -> MissingState {
    let Fact::Missing(missing) = fact else { panic!("{fact:?} is not missing") };
    missing.state
}

fn said(fact: &Fact) -> String {
    let Fact::Missing(missing) = fact else { panic!("{fact:?} is not missing") };
    missing.said.clone()
}

/// The same configuration in every format.
fn good() -> Vec<(&'static str, String)> {
    vec![
        (
            "toml",
            format!(
                "[orchestrator]\nruns = \"/var/lib/cutter/runs\"\nworkers = 4\nlive = false\nfpr = \"{FPR}\"\npassword = \"{SECRET}\"\n"
            ),
        ),
        (
            "yaml",
            format!(
                "# comment\norchestrator:\n  runs: /var/lib/cutter/runs\n  workers: 4\n  live: false\n  fpr: {FPR}\n  password: '{SECRET}'\n"
            ),
        ),
        (
            "ini",
            format!(
                "; comment\n[orchestrator]\nruns = /var/lib/cutter/runs\nworkers: 4\nlive=false\nfpr = {FPR}\npassword = {SECRET}\n"
            ),
        ),
    ]
}

fn keys() -> Value {
    json!([
        { "key": "orchestrator.runs", "kind": "path" },
        { "key": "orchestrator.workers", "kind": "int" },
        { "key": "orchestrator.live", "kind": "bool" },
        { "key": "orchestrator.fpr", "kind": "fingerprint" },
        { "key": "orchestrator.password", "kind": "text", "secret": true },
    ])
}

#[test]
fn every_format_says_the_same() {
    for (format, text) in good() {
        let facts = facts(format, text, keys());
        assert_eq!(fact(&facts, "present"), &true.into(), "{format}");
        assert_eq!(fact(&facts, "parsed"), &true.into(), "{format}");
        assert_eq!(fact(&facts, "mode"), &"0640".into());
        assert_eq!(fact(&facts, "loose"), &false.into());
        assert_eq!(fact(&facts, "missing"), &Fact::List(vec![]), "{format}");
        assert_eq!(fact(&facts, "wrong_kind"), &Fact::List(vec![]), "{format}");
        assert_eq!(key(&facts, "orchestrator.runs", "value"), &"/var/lib/cutter/runs".into());
        assert_eq!(key(&facts, "orchestrator.workers", "value"), &"4".into());
        assert_eq!(key(&facts, "orchestrator.workers", "found"), &"int".into());
        assert_eq!(key(&facts, "orchestrator.live", "value"), &"false".into());
        assert_eq!(key(&facts, "orchestrator.fpr", "found"), &"fingerprint".into());
        assert_eq!(key(&facts, "orchestrator.password", "present"), &true.into());
        assert_eq!(key(&facts, "orchestrator.password", "secret"), &true.into());
        assert_eq!(key(&facts, "orchestrator.password", "kind_ok"), &true.into());
        assert_eq!(state(key(&facts, "orchestrator.password", "value")), MissingState::Withheld);
    }
}

#[test]
fn missing_keys_are_named() {
    let wanted = json!([
        { "key": "a.b", "kind": "text" }, { "key": "a.c.d", "kind": "text" },
        { "key": "z", "kind": "text", "required": false },
    ]);
    for (format, text) in [("toml", "[a]\nb = 'x'\nc = 1\n"), ("yaml", "a: {b: x, c: 1}\n"), ("ini", "[a]\nb=x\n")] {
        let facts = facts(format, text, wanted.clone());
        assert_eq!(fact(&facts, "missing"), &Fact::texts(["a.c.d"]), "{format}");
        assert_eq!(key(&facts, "a.b", "present"), &true.into());
        assert_eq!(key(&facts, "a.c.d", "present"), &false.into());
        for field in ["kind_ok", "value", "found"] {
            assert_eq!(state(key(&facts, "a.c.d", field)), MissingState::Absent);
        }
        assert_eq!(key(&facts, "z", "present"), &false.into());
        assert_eq!(fact(&facts, "wrong_kind"), &Fact::List(vec![]));
    }
    for format in ["toml", "yaml", "ini"] {
        assert_eq!(
            fact(&facts(format, "", wanted.clone()), "missing"),
            &Fact::texts(["a.b", "a.c.d"]),
            "empty {format}"
        );
    }
}

#[test]
fn lists_are_shown_as_json_and_tables_are_not_shown() {
    let keys = json!([{ "key": "l", "kind": "list" }, { "key": "n", "kind": "list" }, { "key": "t", "kind": "text" }]);
    let facts = facts("toml", "l = ['a\"b', 1, true]\nn = [{ password = 'x' }]\nt = { password = 'x' }\n", keys);
    assert_eq!(key(&facts, "l", "value"), &"[\"a\\\"b\",1,true]".into());
    assert_eq!(state(key(&facts, "n", "value")), MissingState::Withheld);
    assert_eq!(state(key(&facts, "t", "value")), MissingState::Withheld);
}

#[test]
fn secrets_never_leave() {
    for (format, text) in good() {
        let dir = harness::open_dir();
        write(dir.path(), "c", &text, 0o600);
        let (result, sources) = observe(dir.path(), json!({ "file": "c", "format": format, "keys": keys() }));
        let written = format!("{}{sources:?}", serde_json::to_string(&result.expect("facts")).expect("JSON"));
        assert!(!written.contains(SECRET), "{written}");
        // Nor does a digest that guesses could be tried against.
        let of_file: Vec<&Source> = sources.iter().filter(|source| source.what == "c").collect();
        assert!(!of_file.is_empty(), "the reading is recorded");
        assert!(of_file.iter().all(|source| source.read == Reading::Attributes), "{of_file:?}");
    }
}

#[test]
fn a_file_without_secrets_is_recorded_with_its_digest() {
    let dir = harness::open_dir();
    write(dir.path(), "c", "A=1\n", 0o644);
    let keys = json!([{ "key": "A", "kind": "int" }]);
    let (_, sources) = observe(dir.path(), json!({ "file": "c", "format": "env", "keys": keys }));
    let content = sources.iter().filter(|source| matches!(source.read, Reading::Content { size: 4, .. })).count();
    assert_eq!(content, 1, "{sources:?}");
}

#[test]
fn values_that_repeat_a_secret_or_carry_credentials_are_withheld() {
    let text = format!(
        "PW='{SECRET}'\nLINE='login {SECRET} now'\nURL='postgres://cutter:other@db/x'\nPLAIN='postgres://cutter@db/x?a=b:c'\nPEM='-----BEGIN RSA PRIVATE KEY-----'\n"
    );
    let facts = facts(
        "env",
        text,
        json!([
            { "key": "PW", "kind": "text", "secret": true }, { "key": "LINE", "kind": "text" },
            { "key": "URL", "kind": "text" }, { "key": "PLAIN", "kind": "text" }, { "key": "PEM", "kind": "text" },
        ]),
    );
    for name in ["PW", "LINE", "URL", "PEM"] {
        assert_eq!(state(key(&facts, name, "value")), MissingState::Withheld, "{name}");
    }
    assert_eq!(key(&facts, "PLAIN", "value"), &"postgres://cutter@db/x?a=b:c".into());
    assert!(!serde_json::to_string(&facts).expect("JSON").contains(SECRET));
}

/// Mode of the file, the limit, whether a key is secret, and whether that is too loose.
#[test]
fn loose_modes() {
    let rows = [
        (0o640, None, true, false),
        (0o660, None, true, false),
        (0o641, None, true, true),
        (0o644, None, true, true),
        (0o644, None, false, false),
        (0o646, None, false, true),
        (0o640, Some("0640"), true, false),
        (0o600, Some("0640"), true, false),
        (0o660, Some("0640"), true, true),
        (0o644, Some("640"), false, true),
        (0o644, Some("0644"), true, false),
        (0o740, Some("0640"), false, true),
    ];
    for (mode, max_mode, secret, loose) in rows {
        let dir = harness::open_dir();
        write(dir.path(), "c", "A=1\n", mode);
        let mut given =
            json!({ "file": "c", "format": "env", "keys": [{ "key": "A", "kind": "text", "secret": secret }] });
        if let Some(max_mode) = max_mode {
            given["max_mode"] = json!(max_mode);
        }
        let facts = harness::collect("config", dir.path(), given).expect("facts");
        assert_eq!(fact(&facts, "loose"), &loose.into(), "{mode:o} {max_mode:?} {secret}");
        assert_eq!(fact(&facts, "mode"), &format!("{mode:04o}").into());
    }
}

#[test]
fn the_mode_is_that_of_what_a_link_leads_to() {
    let dir = harness::open_dir();
    write(dir.path(), "real", "A=1\n", 0o600);
    std::os::unix::fs::symlink("real", dir.path().join("c")).expect("symlink");
    let given = json!({ "file": "c", "format": "env", "keys": [{ "key": "A", "kind": "text" }] });
    let facts = harness::collect("config", dir.path(), given).expect("facts");
    assert_eq!(fact(&facts, "mode"), &"0600".into());
    assert_eq!(fact(&facts, "parsed"), &true.into());
}

#[test]
fn an_absent_file_is_absent_and_lacks_every_required_key() {
    let dir = harness::open_dir();
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).expect("symlink");
    for file in ["c", "folder/c", "link"] {
        let keys = json!([{ "key": "a.b", "kind": "text" }, { "key": "c", "kind": "text", "required": false }]);
        let given = json!({ "file": file, "format": "toml", "keys": keys });
        let facts = harness::collect("config", dir.path(), given).expect("facts");
        assert_eq!(fact(&facts, "present"), &false.into(), "{file}");
        for name in ["mode", "owner", "loose", "parsed", "wrong_kind"] {
            assert_eq!(state(fact(&facts, name)), MissingState::Absent, "{file} {name}");
        }
        assert_eq!(key(&facts, "a.b", "present"), &false.into());
        assert_eq!(fact(&facts, "missing"), &Fact::texts(["a.b"]), "{file}");
    }
}

#[test]
fn the_owner_is_named_as_the_image_names_it() {
    let dir = harness::open_dir();
    std::fs::create_dir_all(dir.path().join("host/etc")).expect("mkdir");
    let uid = rustix::process::geteuid().as_raw();
    write(dir.path(), "host/etc/passwd", format!("cutter:x:{uid}:7:::\n"), 0o644);
    write(dir.path(), "host/etc/cutter.env", "A=1\n", 0o600);
    let given = json!({ "file": "/etc/cutter.env", "format": "env", "keys": [{ "key": "A", "kind": "text" }] });
    let facts = harness::collect("config", dir.path(), given).expect("facts");
    assert_eq!(fact(&facts, "owner"), &"cutter".into());
}

#[test]
fn every_problem_of_the_settings_is_reported() {
    let probe = probes::find("config").expect("the probe");
    let settings = harness::settings(json!({
        "file": "c", "format": "env", "max_mode": "0648",
        "keys": [
            { "key": "A", "kind": "list" }, { "key": "a.b", "kind": "text" }, { "key": "A", "kind": "text" },
            { "key": "B", "kind": "number" }, { "key": "C", "kind": "text", "hidden": true },
            { "key": "DB_PASSWORD", "kind": "text" }, { "key": "D_TOKEN", "kind": "text", "secret": false },
        ],
    }));
    let problems = probe.check(&settings);
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(problems.len(), 7, "{messages:#?}");
    for expected in
        ["octal", "no lists", "name of a variable", "given twice", "`number`", "`hidden`", "sounds like a secret"]
    {
        assert!(messages.iter().any(|message| message.contains(expected)), "{expected}: {messages:#?}");
    }
    let none = probe.check(&harness::settings(json!({ "file": "c", "format": "xml", "keys": [] })));
    assert_eq!(none.len(), 2, "{none:?}");
}

//! The probe `config` over real files in every format.

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
fn env_files_follow_the_shell() {
    let text = format!(
        "# comment\n\nexport CUTTER_RUNS=/var/lib/cutter/runs\nWORKERS=4 # four\nLIVE='false'\nBACKUP_GPG_FPR=\"{FPR}\"\nTEXT=\"a \\\"b\\\" \\$c\"\nEMPTY=\nHASH=a#b\n"
    );
    let facts = facts(
        "env",
        text,
        json!([
            { "key": "CUTTER_RUNS", "kind": "path" }, { "key": "WORKERS", "kind": "int" }, { "key": "LIVE", "kind": "bool" },
            { "key": "BACKUP_GPG_FPR", "kind": "fingerprint" }, { "key": "TEXT", "kind": "text" },
            { "key": "EMPTY", "kind": "text" }, { "key": "HASH", "kind": "text" },
        ]),
    );
    assert_eq!(key(&facts, "CUTTER_RUNS", "value"), &"/var/lib/cutter/runs".into());
    assert_eq!(key(&facts, "WORKERS", "value"), &"4".into());
    assert_eq!(key(&facts, "TEXT", "value"), &"a \"b\" $c".into());
    assert_eq!(key(&facts, "HASH", "value"), &"a#b".into());
    assert_eq!(key(&facts, "EMPTY", "found"), &"empty".into());
    assert_eq!(fact(&facts, "wrong_kind"), &Fact::texts(["EMPTY"]));
}

/// What a shell makes of the lines is what the probe makes of them.
#[test]
fn env_values_are_those_of_a_real_shell() {
    let text = "A=plain\nexport B='x $y \\'\nC=\"p \\\\ \\\" \\$q '\"\nD=k=v#w # note\nE=\n";
    let dir = harness::open_dir();
    write(dir.path(), "e", text, 0o600);
    let names = ["A", "B", "C", "D", "E"];
    let script = format!("set -a; . ./e; printf '%s\\n' {}", names.map(|name| format!("\"${name}\"")).join(" "));
    let shell = std::process::Command::new("sh").args(["-c", &script]).current_dir(dir.path()).output().expect("sh");
    let expected = String::from_utf8(shell.stdout).expect("UTF-8");
    let keys: Vec<Value> = names.iter().map(|name| json!({ "key": name, "kind": "text" })).collect();
    let facts = facts("env", text, json!(keys));
    for (name, expected) in names.iter().zip(expected.lines()) {
        assert_eq!(key(&facts, name, "value"), &expected.into(), "{name}");
    }
    assert_eq!(expected.lines().count(), names.len());
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
fn kinds_are_told_apart() {
    let sha = "0123456789abcdef".repeat(4);
    let rows: Vec<(&str, &str, String, bool, &str)> = vec![
        ("toml", "text", "1".into(), false, "int"),
        ("toml", "text", "''".into(), false, "empty"),
        ("toml", "text", "' '".into(), false, "text"),
        ("toml", "int", "'1'".into(), false, "text"),
        ("toml", "int", "1.0".into(), false, "float"),
        ("toml", "int", "9223372036854775807".into(), true, "int"),
        ("toml", "bool", "'true'".into(), false, "text"),
        ("toml", "path", "'var/lib'".into(), false, "text"),
        ("toml", "path", "'/'".into(), true, "path"),
        ("toml", "list", "[]".into(), true, "list"),
        ("toml", "list", "'a,b'".into(), false, "text"),
        ("toml", "text", "2026-05-21".into(), false, "time"),
        ("toml", "text", "{ a = 1 }".into(), false, "table"),
        ("toml", "sha256", format!("'{sha}'"), true, "sha256"),
        ("toml", "sha256", format!("'{}'", &sha[1..]), false, "text"),
        ("toml", "sha256", format!("'{}g'", &sha[1..]), false, "text"),
        ("toml", "fingerprint", format!("'{FPR}'"), true, "fingerprint"),
        ("toml", "fingerprint", format!("'{sha}'"), true, "fingerprint"),
        ("toml", "fingerprint", format!("'0x{FPR}'"), false, "text"),
        ("toml", "duration", "'24h'".into(), true, "duration"),
        ("toml", "duration", "24".into(), false, "int"),
        ("toml", "duration", "'24'".into(), false, "text"),
        ("yaml", "bool", "true".into(), true, "bool"),
        ("yaml", "text", "true".into(), false, "bool"),
        ("yaml", "text", "'true'".into(), true, "text"),
        ("yaml", "bool", "yes".into(), false, "ambiguous"),
        ("yaml", "text", "No".into(), false, "ambiguous"),
        ("yaml", "int", "010".into(), false, "ambiguous"),
        ("yaml", "int", "0x1F".into(), false, "ambiguous"),
        ("yaml", "int", "1_000".into(), false, "ambiguous"),
        ("yaml", "text", "1:30".into(), false, "ambiguous"),
        ("yaml", "text", "12e4567".into(), false, "ambiguous"),
        ("yaml", "text", "2026-05-21".into(), false, "ambiguous"),
        ("yaml", "text", "0.6.1".into(), true, "text"),
        ("yaml", "text", "0.6".into(), false, "float"),
        ("yaml", "text", "v0.6".into(), true, "text"),
        ("yaml", "int", "-12".into(), true, "int"),
        ("yaml", "text", "~".into(), false, "null"),
        ("yaml", "text", "".into(), false, "null"),
        ("yaml", "list", "[1, a]".into(), true, "list"),
        ("yaml", "duration", "90s".into(), true, "duration"),
        ("yaml", "text", "{a: 1}".into(), false, "table"),
        ("ini", "int", "12".into(), true, "int"),
        ("ini", "int", "012".into(), false, "text"),
        ("ini", "int", "12 ; twelve".into(), false, "text"),
        ("ini", "bool", "Yes".into(), true, "bool"),
        ("ini", "bool", "ja".into(), false, "text"),
        ("ini", "path", "\"/var\"".into(), false, "text"),
        ("ini", "text", "".into(), false, "empty"),
        ("ini", "path", "/srv/%(name)s".into(), false, "ambiguous"),
        ("ini", "path", "/srv/${name}".into(), false, "ambiguous"),
        ("env", "int", "+7".into(), true, "int"),
        ("env", "bool", "2".into(), false, "text"),
        ("env", "sha256", sha.clone(), true, "sha256"),
    ];
    for (format, kind, text, ok, found) in rows {
        let line = match format {
            "yaml" => format!("k: {text}\n"),
            "env" => format!("k={text}\n"),
            _ => format!("k = {text}\n"),
        };
        let facts = facts(format, &line, json!([{ "key": "k", "kind": kind }]));
        assert_eq!(key(&facts, "k", "kind_ok"), &ok.into(), "{format} {kind} {text}");
        assert_eq!(key(&facts, "k", "found"), &found.into(), "{format} {kind} {text}");
        let wrong = if ok { vec![] } else { vec!["k"] };
        assert_eq!(fact(&facts, "wrong_kind"), &Fact::texts(wrong), "{format} {kind} {text}");
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
fn files_that_cannot_be_parsed_say_where_and_nothing_more() {
    let s = SECRET;
    let rows: Vec<(&str, String, &str)> = vec![
        ("toml", format!("a = 1\npassword = {s}\n"), "line 2, column"),
        ("toml", format!("a = 1\n{s} = 1\n{s} = 2\n"), "line 3, column 1: this key was there before"),
        ("toml", format!("a = 1\n[{s}\n"), "line 2, column"),
        ("yaml", format!("a: 1\nb: [{s}\n"), "line "),
        ("yaml", format!("a: 1\n{s}: x\n{s}: y\n"), "line 3, column 1: this key was there before"),
        ("yaml", format!("a: &x {s}\nb: *x\n"), "line 1, column "),
        ("yaml", format!("a: *x\nb: {s}\n"), "line 1, column "),
        ("yaml", format!("a: !!str {s}\n"), "a tag, which is not understood"),
        ("yaml", format!("a:\n  <<: {{password: {s}}}\n"), "line 2, column 3: a merge key"),
        ("yaml", format!("? [{s}]\n: 1\n"), "a key that is not a scalar"),
        ("yaml", format!("a: 1\n---\nb: {s}\n"), "a second document"),
        ("yaml", format!("- {s}\n"), "the document is not a mapping"),
        ("yaml", format!("{s}\n"), "the document is not a mapping"),
        ("yaml", format!("a: {}{s}{}\n", "[".repeat(40), "]".repeat(40)), "nested too deeply"),
        ("ini", format!("[a]\n{s}\n"), "line 2, column 1: neither a section nor an assignment"),
        ("ini", format!("[a]\nk = 1\nK = {s}\n"), "line 3, column 1: this key was there before"),
        ("ini", format!("[a]\nk = {s}\n[b]\n[a]\n"), "line 4, column 1: this section or key was there before"),
        ("ini", format!("[a]\nk = 1\n  {s}\n"), "line 3, column 1: an indented line"),
        ("ini", format!("[{s}\n"), "line 1, column 1: a section that is not closed"),
        ("env", format!("A=1\nPASSWORD={s}\nPASSWORD={s}\n"), "line 3, column 1: this name was assigned before"),
        ("env", format!("A=1\n{s}\n"), "line 2, column 1: not an assignment"),
        ("env", format!("A={s} {s}\n"), "something follows the value"),
        ("env", format!("A='{s}\n"), "line 1, column 3: the quote is not closed"),
        ("env", format!("A=\"{s}$B\"\n"), "expanded by a shell"),
        ("env", format!("A=$({s})\n"), "line 1, column 3: a character that needs quotes"),
        ("env", format!("A = {s}\n"), "not a variable's name"),
        ("env", format!("A={s}\r\n"), "carriage return"),
        ("env", format!("A='{s}'x\n"), "something follows the value"),
        ("env", format!("{s}-x=1\n"), "not a variable's name"),
        ("env", format!("A={s}\\\nB=1\n"), "a character that needs quotes"),
    ];
    for (format, text, expected) in rows {
        let dir = harness::open_dir();
        write(dir.path(), "c", &text, 0o600);
        let keys = json!([{ "key": "PASSWORD", "kind": "text", "secret": true }]);
        let (result, sources) = observe(dir.path(), json!({ "file": "c", "format": format, "keys": keys }));
        let facts = result.expect("facts");
        assert_eq!(fact(&facts, "present"), &true.into());
        assert_eq!(fact(&facts, "parsed"), &false.into(), "{format} {text}");
        for name in ["keys", "missing", "wrong_kind"] {
            assert_eq!(state(fact(&facts, name)), MissingState::Unreadable, "{format} {text}");
        }
        let said = said(fact(&facts, "keys"));
        assert!(said.starts_with("line ") && said.contains(expected), "{format} {text}: {said}");
        let written = format!("{}{sources:?}", serde_json::to_string(&facts).expect("JSON"));
        assert!(!written.contains(SECRET), "{format} {text}: {written}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_unreadable() {
    for format in ["toml", "yaml", "ini", "env"] {
        let facts = facts(format, b"# ok\n# \xff\n", json!([{ "key": "a", "kind": "text" }]));
        assert_eq!(fact(&facts, "parsed"), &false.into());
        assert_eq!(said(fact(&facts, "keys")), "line 2, column 3: not UTF-8", "{format}");
    }
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
fn a_refused_file_is_denied_not_absent() {
    let dir = harness::open_dir();
    write(dir.path(), "c", "A=1\n", 0o000);
    std::fs::create_dir(dir.path().join("closed")).expect("mkdir");
    write(&dir.path().join("closed"), "c", "A=1\n", 0o644);
    std::fs::set_permissions(dir.path().join("closed"), PermissionsExt::from_mode(0o000)).expect("chmod");
    let given = |file: &str| json!({ "file": file, "format": "env", "keys": [{ "key": "A", "kind": "text" }] });
    let (file, folder) = harness::as_nobody(|| {
        let file = harness::collect("config", dir.path(), given("c")).expect("facts");
        (file, harness::collect("config", dir.path(), given("closed/c")).expect("facts"))
    });
    std::fs::set_permissions(dir.path().join("closed"), PermissionsExt::from_mode(0o755)).expect("chmod");
    assert_eq!(fact(&file, "present"), &true.into());
    assert_eq!(fact(&file, "mode"), &"0000".into());
    for name in ["parsed", "keys", "missing", "wrong_kind"] {
        assert_eq!(state(fact(&file, name)), MissingState::Denied, "{name}");
    }
    for name in ["present", "mode", "owner", "loose", "parsed", "keys", "missing", "wrong_kind"] {
        assert_eq!(state(fact(&folder, name)), MissingState::Denied, "{name}");
    }
}

#[test]
fn a_directory_or_an_endless_file_is_no_configuration() {
    let dir = harness::open_dir();
    std::fs::create_dir(dir.path().join("c")).expect("mkdir");
    write(dir.path(), "long", vec![b'#'; (1 << 20) + 1], 0o644);
    for file in ["c", "long"] {
        let given = json!({ "file": file, "format": "env", "keys": [{ "key": "A", "kind": "text" }] });
        let facts = harness::collect("config", dir.path(), given).expect("facts");
        assert_eq!(fact(&facts, "present"), &true.into());
        assert_eq!(state(fact(&facts, "parsed")), MissingState::Unreadable, "{file}");
        assert_eq!(state(fact(&facts, "missing")), MissingState::Unreadable, "{file}");
    }
}

#[test]
fn ini_names_may_have_dots_and_must_not_be_ambiguous() {
    let keys = json!([
        { "key": "tool.cutter.runs", "kind": "path" }, { "key": "tool.x.y", "kind": "text" }, { "key": "top", "kind": "int" },
    ]);
    let facts = facts("ini", "top = 1\n[tool.cutter]\nruns = /r\n[tool]\nx.y = 1\n[tool.x]\ny = 2\n", keys);
    assert_eq!(key(&facts, "tool.cutter.runs", "value"), &"/r".into());
    assert_eq!(key(&facts, "tool.x.y", "found"), &"ambiguous".into());
    assert_eq!(key(&facts, "top", "kind_ok"), &true.into());
    assert_eq!(fact(&facts, "wrong_kind"), &Fact::texts(["tool.x.y"]));
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

#[test]
fn depth_costs_nothing() {
    let n = 200_000;
    let texts = [
        ("toml", format!("a = {}{}", "[".repeat(n), "]".repeat(n))),
        ("toml", format!("a{} = 1", ".a".repeat(n))),
        ("toml", format!("a = {}", "{a=".repeat(n))),
        ("yaml", format!("a: {}{}", "[".repeat(n), "]".repeat(n))),
        ("yaml", format!("a: {}", "{a: ".repeat(n))),
        ("yaml", format!("{}x", "- ".repeat(n))),
    ];
    for (format, text) in texts {
        let facts = facts(format, text, json!([{ "key": "a", "kind": "text" }]));
        assert_eq!(fact(&facts, "parsed"), &false.into(), "{format}");
    }
}

proptest::proptest! {
    /// Whatever a file holds, the probe answers, and what it cannot parse it does not repeat.
    #[test]
    fn any_text_is_answered(
        format in proptest::sample::select(vec!["toml", "yaml", "ini", "env"]),
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "a", "b", "PW", SECRET, ":", " ", "  ", "\n", "\r", "=", "-", "- ", "? ", "[", "]", "{", "}", ",", "'", "\"", "\\", "#",
            "&x", "*x", "!", "!!str", "|", ">", "|2-\n", "---", "...", "%YAML 1.2", "<<", "~", "\t", "\u{feff}", "é", "\u{85}", "\0", "$", "1", ".", "\"\"\"",
        ]), 0..40),
    ) {
        let text = pieces.concat();
        let keys = json!([{ "key": "a", "kind": "text" }, { "key": "PW", "kind": "text", "secret": true }]);
        let facts = facts(format, &text, keys);
        let written = serde_json::to_string(&facts).expect("JSON");
        if fact(&facts, "parsed") == &Fact::Bool(false) {
            proptest::prop_assert!(!written.contains(SECRET), "{}", written);
        }
    }
}

proptest::proptest! {
    /// What the probe takes for the value of a variable is what a shell takes for it; the rest it refuses.
    #[test]
    fn env_values_never_differ_from_those_of_a_shell(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "A=", "B=", "A", "B", "=", "export ", "export", "'", "\"", "\\", "$", "`", "#", " ", " #", "\t", "\n", "\nA=", "\nB=", "x", "~", ":",
            "*", "?", "{a,b}", "!", "%", "^", "é", "[", "]", "-", "/", "1", "+", ",", "@", "\\\"", "\\\\", "''", "\"\"",
        ]), 0..12),
    ) {
        let text = format!("A={}\n", pieces.concat());
        let keys = json!([{ "key": "A", "kind": "text" }, { "key": "B", "kind": "text" }]);
        let facts = facts("env", &text, keys);
        // A text that was refused is not given to a shell.
        if fact(&facts, "parsed") == &Fact::Bool(true) {
            let dir = harness::open_dir();
            write(dir.path(), "e", &text, 0o600);
            let script = ". ./e && printf '<%s>\\n' \"${A-unset}\" \"${B-unset}\"";
            let mut shell = std::process::Command::new("/bin/sh");
            let output = shell.args(["-c", script]).env_clear().env("PATH", "").current_dir(dir.path()).output().expect("sh");
            let output = String::from_utf8(output.stdout).expect("UTF-8");
            let value = |name: &str| {
                let fact = key(&facts, name, "value");
                if let Fact::Text(value) = fact {
                    return format!("<{value}>\n");
                }
                assert_eq!(state(fact), MissingState::Absent);
                "<unset>\n".to_owned()
            };
            proptest::prop_assert_eq!(value("A") + &value("B"), output, "{:?}", text);
        }
    }
}

//! What each format means: kinds of values, lines that cannot be understood, and the shell as the judge of env files.

use cutgate::evidence::{Fact, MissingState};
use serde_json::{Value, json};

use super::{FPR, SECRET, fact, facts, key, observe, said, state, write};
use crate::harness;

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

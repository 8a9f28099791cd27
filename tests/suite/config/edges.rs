//! The edges of the formats: what is just no name, no section, no number, and not too deep.

use cutgate::evidence::{Fact, MissingState};
use serde_json::json;

use super::{fact, facts, key, state};
use crate::harness::{as_nobody, collect, open_dir};

/// Whether a file with this text was understood.
fn parsed(format: &str, text: &str) -> bool {
    let facts = facts(format, text, json!([{ "key": "A", "kind": "text" }]));
    fact(&facts, "parsed") == &Fact::Bool(true)
}

#[test]
fn a_line_that_is_just_wrong_is_refused() {
    let cases = [
        ("env", "_A1=x\n", true),
        ("env", "1A=x\n", false),
        ("env", "-A=x\n", false),
        ("env", "A='x' # note\n", true),
        ("env", "A='x'# note\n", false),
        ("env", "A=~/x\n", false),
        ("env", "A=#x\n", false),
        ("env", "A=a:~/b\n", false),
        ("env", "A=a~b#\n", true),
        ("ini", "[s]\nA =\tx\ty\n", true),
        ("ini", "[s]\nA = \u{7}x\n", false),
        ("ini", "[]\n", false),
        ("ini", "[a]b]\n", false),
        ("ini", "[ a ]\n", false),
        ("ini", "[a b]\n", true),
    ];
    for (format, text, sound) in cases {
        assert_eq!(parsed(format, text), sound, "{format} {text:?}");
    }
}

#[test]
fn yaml_is_read_to_its_depth_and_no_deeper() {
    let lists = |depth: usize| format!("A: {}1{}\n", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let maps = |depth: usize| format!("{}1{}\n", "{A: ".repeat(depth), "}".repeat(depth));
    for text in [&lists as &dyn Fn(usize) -> String, &maps] {
        assert!(parsed("yaml", &text(32)) && !parsed("yaml", &text(33)) && !parsed("yaml", &text(40)));
    }
    let found = |text: &str| {
        let facts = facts("yaml", format!("A: {text}\n"), json!([{ "key": "A", "kind": "text" }]));
        key(&facts, "A", "found").clone()
    };
    for (text, word) in [
        (".5", "ambiguous"),
        ("5.", "float"),
        ("0x1_F", "ambiguous"),
        ("0x1F", "ambiguous"),
        ("0xzz", "text"),
        ("etz", "text"),
        ("1.2.3", "text"),
        (".inf", "ambiguous"),
    ] {
        assert_eq!(found(text), word.into(), "{text}");
    }
}

#[test]
fn what_may_be_a_private_key_is_not_shown_and_words_are() {
    let shown = |text: &str| {
        let facts = facts("toml", format!("A = '{text}'\n"), json!([{ "key": "A", "kind": "text" }]));
        key(&facts, "A", "value").clone()
    };
    for text in ["the PRIVATE KEY is kept elsewhere", "-----BEGIN PGP MESSAGE-----"] {
        assert_eq!(shown(text), text.into());
    }
    assert_eq!(state(&shown("-----BEGIN EC PRIVATE KEY-----")), MissingState::Withheld);
}

/// Neither a folder nor a denied file is known to be no configuration.
#[test]
fn what_is_no_file_is_neither_there_nor_absent() {
    let dir = open_dir();
    std::fs::create_dir_all(dir.path().join("closed/folder")).expect("mkdir");
    let look = |file: &str| {
        let given = json!({ "file": file, "format": "env", "keys": [{ "key": "A", "kind": "text" }] });
        as_nobody(|| collect("config", dir.path(), given).expect("facts"))
    };
    assert_eq!(state(fact(&look("closed/folder"), "present")), MissingState::Unreadable);
    assert_eq!(fact(&look("closed/none"), "present"), &Fact::Bool(false));
    let closed = dir.path().join("closed");
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("chmod");
    assert_eq!(state(fact(&look("closed/none"), "present")), MissingState::Denied);
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
}

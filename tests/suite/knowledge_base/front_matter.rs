//! Front matter alone.

use cutgate::probes::front_matter::{MAX_BYTES, Value, split};
use proptest::prelude::*;

fn text(document: &str, key: &str) -> Option<String> {
    split(document).expect("parsable").fields.and_then(|fields| fields.text(key))
}

/// The line and reason why a document's front matter is broken.
fn broken(document: &str) -> (usize, String) {
    let broken = split(document).expect_err(document);
    (broken.line, broken.reason)
}

#[test]
fn yaml_and_toml_give_the_same_flat_fields() {
    let yaml = "\u{feff}---\r\nGate: SG_1_cut_authz\r\nrun-id: 'r 1'\r\nn: 12\r\non: yes\r\nempty:\r\nlist: [a, 'b']\r\n\
        deep: {a: {b: c}}\r\nmixed:\r\n  - a\r\n  - [b]\r\nat: 2026-05-21T10:00:00Z\r\n---\r\nBody\r\n";
    let toml = "+++\nGate = \"SG_1_cut_authz\"\nrun-id = \"r 1\"\nn = 12\non = \"yes\"\nempty = \"\"\nlist = [\"a\", 'b']\n\
        at = 2026-05-21T10:00:00Z\nmixed = [\"a\", [\"b\"]]\n[deep]\na = {b = 1}\n+++\nBody\n";
    for document in [yaml, toml] {
        let parts = split(document).expect("parsable");
        assert_eq!(parts.body.trim(), "Body");
        let fields = parts.fields.expect("front matter");
        let texts = ["gate", "run_id", "n", "on", "empty", "at"].map(|key| fields.text(key).expect(key));
        assert_eq!(texts, ["SG_1_cut_authz", "r 1", "12", "yes", "", "2026-05-21T10:00:00Z"]);
        assert_eq!(fields.get("list"), Some(&Value::Texts(vec!["a".to_owned(), "b".to_owned()])));
        assert_eq!(fields.get("deep"), Some(&Value::NotScalar));
        assert_eq!(fields.get("mixed"), Some(&Value::NotScalar));
        assert_eq!(fields.keys().count(), 9);
    }
}

#[test]
fn only_the_very_start_opens_a_front_matter() {
    for document in
        ["", "# Title\n", "\n---\ngate: x\n---\n", "Text\n\n---\ngate: x\n---\n", "----\ngate: x\n----\n", " ---\n"]
    {
        let parts = split(document).expect("body only");
        assert_eq!((parts.fields, parts.body), (None, document), "{document:?}");
    }
    assert_eq!(text("---\n---\n", "gate"), None);
    assert_eq!(text("---\ntext: |\n  ---\ngate: x\n---\n", "gate"), Some("x".to_owned()));
    assert_eq!(text("---\n# only a comment\n---\n", "gate"), None);
}

#[test]
fn what_cannot_be_parsed_says_line_and_reason() {
    let cases = [
        ("---\ngate: x\n", 1, "opens with --- and is not closed"),
        ("+++\na = 1\n---\n", 1, "opens with +++ and is not closed"),
        ("---\na: 1\nb: [1\n---\n", 4, "not YAML"),
        ("---\na: 1\n\tb: 2\n---\n", 2, "not YAML"),
        ("+++\na = 1\nb = \n+++\n", 3, "not TOML"),
        ("---\ngate: x\nrun_id: 1\ngate: y\n---\n", 4, "`gate` is given twice"),
        ("---\ngate: x\nGATE: y\n---\n", 3, "`GATE` is given twice"),
        ("---\na: {b: 1, b: 2}\n---\n", 2, "`b` is given twice"),
        ("+++\ngate = 1\ngate = 2\n+++\n", 3, "not TOML"),
        ("+++\ngate = 1\nGate = 2\n+++\n", 2, "is given twice"),
        ("---\na: &x 1\n---\n", 2, "anchors are not read"),
        ("---\na: 1\nb: *x\n---\n", 3, ""),
        ("---\na: !!binary aGk=\n---\n", 2, "tags are not read"),
        ("---\n<<: {gate: x}\n---\n", 2, "merge keys are not read"),
        ("---\n? [a, b]\n: 1\n---\n", 2, "a key is not a text"),
        ("---\n- a\n---\n", 2, "not a table"),
        ("---\njust a sentence\n---\n", 2, "not a table"),
        ("---\na: 1\n...\nb: 2\n---\n", 4, ""),
    ];
    let departs = cases.into_iter().map(|(document, line, reason)| (document, (line, reason), broken(document)));
    let departs: Vec<_> =
        departs.filter(|(_, (line, reason), found)| found.0 != *line || !found.1.contains(reason)).collect();
    assert!(departs.is_empty(), "{departs:#?}");
}

#[test]
fn bombs_are_refused_before_they_cost_anything() {
    let mut laughs = "a0: &a0 [x, x]\n".to_owned();
    for i in 1..40 {
        laughs.push_str(&format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1));
    }
    assert_eq!(broken(&format!("---\n{laughs}---\n")), (2, "anchors are not read".to_owned()));
    let deep = format!("---\na: {}{}\n---\n", "[".repeat(20_000), "]".repeat(20_000));
    broken(&deep);
    broken(&format!("---\na: {}{}\n---\n", "{a: ".repeat(30), "}".repeat(30)));
    broken(&format!("+++\na = {}{}\n+++\n", "[".repeat(20_000), "]".repeat(20_000)));
    let long = format!("---\na: {}\n---\n", "x".repeat(MAX_BYTES));
    assert!(broken(&long).1.contains("more than the limit"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_lose_bytes(inside in "(?s)[-:\\[\\]{}'\"|>&*!?#, \n\ta-c=]{0,200}", fence in "---|\\+\\+\\+") {
        let document = format!("{fence}\n{inside}\n{fence}\nbody");
        if let Ok(parts) = split(&document) {
            prop_assert!(document.ends_with(parts.body));
        }
    }
}

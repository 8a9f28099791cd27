//! What build servers read: `--format junit` through junitparser, `--format github` through a reading of the runner's
//! commands. What is open or unknown is never a pass, and host text forges nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use crate::attestations::python;
use crate::audit::Lab;

/// What junitparser makes of a file: suites with their cases, and what became of each.
fn read(path: &Path) -> Json {
    let script = r#"
import json, sys
from junitparser import JUnitXml, Failure, Error, Skipped
whole = JUnitXml.fromfile(sys.argv[1])
word = lambda case: "pass" if not case.result else {Failure: "failure", Error: "error", Skipped: "skipped"}[type(case.result[0])]
suites = [{"name": suite.name, "counts": [suite.tests, suite.failures, suite.errors, suite.skipped], "cases": [
    {"class": case.classname, "name": case.name, "is": word(case), "said": case.result[0].message if case.result else ""}
    for case in suite]} for suite in whole]
print(json.dumps({"counts": [whole.tests, whole.failures, whole.errors, whole.skipped], "suites": suites}))
"#;
    let output = Command::new(python()).args(["-c", script]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every case of a file; the counts are those of the cases, and no two have one name.
fn cases(whole: &Json) -> Vec<Json> {
    let tally = |cases: &[Json]| {
        let count = |word: &str| cases.iter().filter(|case| case["is"] == word).count();
        serde_json::json!([cases.len(), count("failure"), count("error"), count("skipped")])
    };
    let suites = whole["suites"].as_array().unwrap();
    for suite in suites {
        assert_eq!(suite["counts"], tally(suite["cases"].as_array().unwrap()), "{}", suite["name"]);
    }
    let all: Vec<Json> = suites.iter().flat_map(|suite| suite["cases"].as_array().unwrap().clone()).collect();
    assert_eq!(whole["counts"], tally(&all));
    let mut names: Vec<String> = all.iter().map(|case| format!("{} {}", case["class"], case["name"])).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    all
}

fn what<'a>(cases: &'a [Json], class: &str, name: &str) -> &'a str {
    let case = cases.iter().find(|case| case["class"] == class && case["name"] == name);
    case.unwrap_or_else(|| panic!("no {class} {name}"))["is"].as_str().unwrap()
}

/// Level, properties and text.
type Annotation = (String, Vec<(String, String)>, String);

/// The annotations of a step, as the runner reads them.
fn annotations(text: &str) -> Vec<Annotation> {
    let plain = |text: &str| {
        text.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    };
    let lines = text.lines().map(|line| {
        let (head, said) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect("a command");
        let (level, properties) = head.split_once(' ').expect("properties");
        let properties = properties.split(',').map(|property| property.split_once('=').expect("name=value"));
        let properties = properties.map(|(name, value)| (name.to_owned(), plain(value)));
        (level.to_owned(), properties.collect(), plain(said))
    });
    lines.collect()
}

#[test]
fn what_blocks_is_a_failure_and_what_is_unknown_an_error() {
    let lab = Lab::new();
    let blocked = lab.cutgate(&["audit", "--format", "junit=open.xml"]);
    assert_eq!(blocked.status.code(), Some(1), "a format changes no exit code");
    let open = cases(&read(&lab.path("open.xml")));
    assert_eq!(what(&open, "cutgate.live-code-path", "GAP-9 is closed"), "failure");
    assert_eq!(what(&open, "cutgate.governance-principal", "GAP-4 is closed"), "failure", "PARTIAL is no pass");
    assert_eq!(what(&open, "cutgate.deployed-artifact", "GAP-1 is closed"), "pass");
    assert_eq!(what(&open, "cutgate.result", "the result is A or B"), "failure");
    let attested = |cases: &[Json], word: &str| {
        cases.iter().any(|case| case["class"] == "cutgate.attestation" && case["is"] == word)
    };
    assert!(attested(&open, "pass") && !attested(&open, "failure"));
    fs::write(lab.path("governance.db"), "this is no database").unwrap();
    let unknown = lab.cutgate(&["audit", "--format", "junit=unknown.xml"]);
    assert_eq!(unknown.status.code(), Some(3));
    let unknown = cases(&read(&lab.path("unknown.xml")));
    assert_eq!(what(&unknown, "cutgate.governance-principal", "GAP-4 is closed"), "error");
    assert_eq!(what(&unknown, "cutgate.result", "the result is A or B"), "error");
    assert!(attested(&unknown, "skipped"), "what was not measured is no pass");
    let some = lab.cutgate(&["audit", "--only", "deployed-artifact", "--format", "junit"]);
    fs::write(lab.path("some.xml"), &some.stdout).unwrap();
    let some = cases(&read(&lab.path("some.xml")));
    let (own, others): (Vec<_>, Vec<_>) = some.iter().partition(|case| case["class"] == "cutgate.deployed-artifact");
    assert!(own.len() > 1 && others.len() == 8, "{some:?}");
    assert!(
        others.iter().all(|case| case["is"] == "skipped" && case["class"] != "cutgate.result"),
        "no result is claimed"
    );
}

#[test]
fn annotations_stand_at_the_lines_that_block() {
    let lab = Lab::new();
    let output = lab.cutgate(&["audit", "--format", "github"]);
    assert_eq!(output.status.code(), Some(1));
    let found = annotations(&String::from_utf8(output.stdout).unwrap());
    let value = |properties: &[(String, String)], name: &str| {
        properties.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let code = found.iter().filter(|(_, properties, _)| value(properties, "title").contains("GAP-9"));
    for (level, properties, said) in code.clone() {
        let (file, line) = (value(properties, "file"), value(properties, "line").parse::<usize>().unwrap());
        let source = fs::read_to_string(lab.path(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(source.lines().nth(line - 1).is_some_and(|line| !line.trim().is_empty()), "{file}:{line} {said}");
        assert_eq!(level, "error");
    }
    assert!(code.count() >= 5, "{found:?}");
    let (level, properties, said) = found.last().unwrap();
    assert_eq!((level.as_str(), value(properties, "title")), ("error", "cutgate".to_owned()));
    assert!(said.starts_with("result: C — BLOCKED_WITH_EXACT_O8_GAP\nnext: "), "{said}");
    assert!(!found.iter().any(|(_, properties, _)| value(properties, "title").contains("GAP-1 ")), "it is closed");
    let one = lab.cutgate(&["audit", "--only", "deployed-artifact", "--format", "github"]);
    assert_eq!(
        (one.status.code(), &*one.stdout),
        (
            Some(0),
            &b"::notice title=cutgate::what was asked for holds: 1 of 9 gates were judged; not judged: dry-run-proof, \
               live-code-path, governance-principal, gpg-keyring, provisioning, safe-target, revert-tested, sovereign-ruling; \
               this is no readiness result\n"[..]
        )
    );
}

#[test]
fn host_text_forges_nothing() {
    let lab = Lab::new();
    // A role's name reaches the reason of GAP-4.
    let name =
        "x]]>&\"'<testcase name=\"forged\"/>\n::error title=forged::%0A::stop-commands::t\u{1b}[2J\u{202e}\u{ffff},:";
    let quoted = name.replace('\'', "''");
    let sql = format!("INSERT INTO principal VALUES ('{quoted}', 'guard', 1, 1, 'forges')");
    let added = Command::new("sqlite3").arg(lab.path("governance.db")).arg(sql).status().unwrap();
    assert!(added.success());
    let output = lab.cutgate(&["audit", "--format", "junit=out.xml", "--format", "github=out.txt"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(lab.path("out.xml")).unwrap();
    let all = cases(&read(&lab.path("out.xml")));
    assert!(!all.iter().any(|case| case["name"] == "forged"));
    assert!(
        all.iter().any(|case| case["said"].as_str().unwrap().contains("<testcase name=\"forged\"/>")),
        "it is shown"
    );
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\u{ffff}'));
    let found = annotations(&fs::read_to_string(lab.path("out.txt")).unwrap());
    assert!(found.iter().all(|(_, properties, _)| !properties.contains(&("title".to_owned(), "forged".to_owned()))));
    assert!(found.iter().any(|(_, _, said)| said.contains("::stop-commands::")), "as text of an annotation");
}

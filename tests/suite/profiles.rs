//! `audit --profile`: the gates that make sense where there is no host. What was not judged is named in every format, and nothing of
//! it looks like a result.

use std::fs;

use cutgate::report::format::FORMATS;
use serde_json::Value as Json;

use crate::audit::Lab;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A laboratory with profiles.
fn lab() -> Lab {
    let lab = Lab::new();
    let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    let profiles = "\n[profile.ci]\ngates = [\"dry-run-proof\", \"deployed-artifact\"]\nrequire = \"B\"\n\n\
                    [profile.code]\ngates = [\"live-code-path\"]\n\n\
                    [profile.registry]\ngates = [\"governance-principal\", \"deployed-artifact\"]\n";
    fs::write(lab.path("cutgate.toml"), package + profiles).unwrap();
    lab
}

/// Outcome × format: the code is that of the profile's gates, and the format has no say in it.
#[test]
fn the_code_is_that_of_the_profiles_gates_whatever_the_format() {
    let lab = lab();
    let unknown = self::lab();
    fs::write(unknown.path("governance.db"), "this is no database").unwrap();
    for (lab, profile, code) in
        [(&lab, "ci", 0), (&lab, "code", 1), (&lab, "registry", 1), (&unknown, "registry", 3), (&unknown, "ci", 0)]
    {
        for format in FORMATS {
            let args = ["audit", "--profile", profile, "--require", "B", "--format", format.name];
            let output = lab.cutgate(&args);
            let expected = if format.render_some.is_some() { code } else { 2 };
            assert_eq!(output.status.code(), Some(expected), "{profile} {}: {}", format.name, text(&output.stderr));
            if expected == 2 {
                continue;
            }
            let said = text(&output.stdout);
            // What was left out is named wherever something is said.
            assert!(
                said.contains("sovereign-ruling") && said.contains("gpg-keyring"),
                "{profile} {}: {said}",
                format.name
            );
            assert!(
                !said.contains("APPROVAL_READY") && !said.contains("BLOCKED_WITH"),
                "{profile} {}: {said}",
                format.name
            );
            let no_result = ["this is no readiness result", "not judged"].iter().any(|words| said.contains(words));
            assert!(no_result, "{profile} {}: {said}", format.name);
        }
    }
    assert!(!lab.path("reports").join("ledger.jsonl").exists(), "nothing was published");
}

#[test]
fn what_was_not_judged_is_no_pass() {
    let lab = lab();
    let output = lab.cutgate(&[
        "audit",
        "--profile",
        "ci",
        "--format",
        "json",
        "--format",
        "tap=out.tap",
        "--format",
        "sarif=out.sarif",
    ]);
    let whole: Json = serde_json::from_slice(&output.stdout).unwrap();
    let ids = |list: &Json| -> Vec<String> {
        list.as_array().unwrap().iter().map(|gate| gate["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&whole["gates"]), ["deployed-artifact", "dry-run-proof"], "in the order of the stages");
    assert_eq!((whole["profile"].as_str(), ids(&whole["not_judged"]).len()), (Some("ci"), 7));
    assert!(whole.get("result").is_none() && whole.get("letter").is_none(), "{whole}");
    let tap = fs::read_to_string(lab.path("out.tap")).unwrap();
    assert_eq!(
        tap.lines().filter(|line| line.starts_with("ok ") && line.ends_with(" # SKIP not judged")).count(),
        7,
        "{tap}"
    );
    let sarif: Json = serde_json::from_slice(&fs::read(lab.path("out.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["properties"]["notJudged"].as_array().unwrap().len(), 7);
    assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));
    let plugin = lab.cutgate(&["audit", "--profile", "registry", "--format", "nagios", "--exit-style", "nagios"]);
    assert_eq!(plugin.status.code(), Some(1), "PARTIAL is no OK: {}", text(&plugin.stdout));
}

#[test]
fn what_is_no_profile_judges_nothing() {
    let lab = lab();
    for (args, said) in [
        (&["--profile", "cii"][..], "there is no profile `cii`; did you mean `ci`?"),
        (&["--profile", ""], "there is no profile ``"),
        (&["--profile", "ci", "--only", "GAP-1"], "cannot be used with"),
        (&["--profile", "ci", "--require", "A"], "A is a run that was verified"),
        (&["--profile", "ci", "--out", "x"], "--profile judges some gates and publishes nothing"),
        (&["--profile", "ci", "--format", "oscal"], "shows the result of an audit"),
    ] {
        let output = lab.cutgate(&[&["audit"], args].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{args:?}");
        assert!(text(&output.stderr).contains(said), "{args:?}: {}", text(&output.stderr));
    }
    let none = Lab::new().cutgate(&["audit", "--profile", "ci"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("the package has none: add [profile.ci]"), "{}", text(&none.stderr));
    // What is wrong in the file is said at its place: tests/broken/profiles.
    let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    fs::write(lab.path("cutgate.toml"), package.replace("[\"live-code-path\"]", "[]")).unwrap();
    let empty = lab.cutgate(&["audit", "--profile", "ci"]);
    assert_eq!(empty.status.code(), Some(2), "whichever profile is asked for");
    assert!(text(&empty.stderr).contains("the profile judges no gate"), "{}", text(&empty.stderr));
}

//! `audit --baseline`: what got worse than in a published audit blocks, and nothing else; that nothing did is never readiness.

use std::fs;
use std::path::Path;
use std::process::Command;

use cutgate::report::format::FORMATS;
use serde_json::Value as Json;

use crate::attestations::python;
use crate::audit::Lab;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A laboratory with a profile, and its first audit: GAP-1 and GAP-2 are closed, GAP-4 is partial, the others open.
fn lab() -> (Lab, String) {
    let lab = Lab::new();
    let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    let profile = "\n[profile.ci]\ngates = [\"deployed-artifact\", \"governance-principal\"]\n";
    fs::write(lab.path("cutgate.toml"), package + profile).unwrap();
    let (code, folder) = lab.audit();
    assert_eq!(code, 1);
    let folder = folder.strip_prefix(lab.path("")).unwrap().display().to_string();
    (lab, folder)
}

/// Exit code and JSON form.
fn since(lab: &Lab, baseline: &str, more: &[&str]) -> (i32, Json) {
    let args = [&["audit", "--baseline", baseline, "--format", "json"], more].concat();
    let output = lab.cutgate(&args);
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    (output.status.code().unwrap(), json)
}

/// What became of a gate.
fn of<'a>(json: &'a Json, gate: &str) -> &'a str {
    let gates = json["baseline"]["gates"].as_array().unwrap();
    gates.iter().find(|it| it["id"] == gate).unwrap_or_else(|| panic!("no {gate}"))["since"].as_str().unwrap()
}

#[test]
fn only_what_got_worse_blocks() {
    let (lab, first) = lab();
    let (code, json) = since(&lab, &first, &[]);
    assert_eq!((code, &json["result"]["letter"]), (0, &"C".into()), "nothing is worse, and nothing is ready");
    assert!(json["baseline"]["gates"].as_array().unwrap().iter().all(|gate| gate["since"] == "same"), "{json}");
    assert_eq!(json["baseline"]["worse"], false);
    // A file of the audit stands for it.
    assert_eq!(since(&lab, &format!("{first}/result.json"), &["--profile", "ci"]).0, 0);
    // What is published knows of no baseline.
    let folder = json["reports_dir"].as_str().unwrap();
    let kept: Json = serde_json::from_slice(&fs::read(lab.path(folder).join("result.json")).unwrap()).unwrap();
    assert!(kept.get("baseline").is_none());
    assert_eq!(lab.cutgate(&["verify", folder]).status.code(), Some(0));
    // PARTIAL that is not known any more.
    let registry = fs::read(lab.path("governance.db")).unwrap();
    fs::write(lab.path("governance.db"), "this is no database").unwrap();
    let (code, json) = since(&lab, &first, &["--profile", "ci"]);
    assert_eq!((code, of(&json, "governance-principal"), of(&json, "deployed-artifact")), (3, "worse", "same"));
    let unknown = since(&lab, &first, &[]);
    assert_eq!(unknown.0, 3);
    let second = unknown.1["reports_dir"].as_str().unwrap().to_owned();
    // What was unknown and is, is no worse; what it was is not known where it is OPEN or PARTIAL now, so that this blocks.
    assert_eq!(since(&lab, &second, &["--profile", "ci"]).0, 0, "UNKNOWN as before");
    fs::write(lab.path("governance.db"), registry).unwrap();
    let (code, json) = since(&lab, &second, &[]);
    assert_eq!((code, of(&json, "governance-principal")), (1, "worse"));
    // CLOSED that is OPEN.
    fs::write(lab.path("host/opt/cutter/v0.6/extra.py"), "print()\n").unwrap();
    let (code, json) = since(&lab, &first, &["--profile", "ci"]);
    assert_eq!((code, of(&json, "deployed-artifact")), (1, "worse"));
}

#[test]
fn what_cannot_be_compared_counts_as_new() {
    let (lab, first) = lab();
    let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    let put = |text: &str| fs::write(lab.path("cutgate.toml"), text).unwrap();
    // A comment changes no rule.
    put(&format!("# a remark\n{package}"));
    assert_eq!(since(&lab, &first, &[]).0, 0);
    // What a gate of the package reads does: that which is CLOSED by it is new, that which is not blocks.
    put(&package.replace("tools = [\"gpg\", \"python3\"]", "tools = [\"gpg\"]"));
    let (code, json) = since(&lab, &first, &[]);
    assert_eq!((code, of(&json, "deployed-artifact"), of(&json, "dry-run-proof")), (0, "new", "same"), "{json}");
    put(&package.replace("drill_max_age = \"720h\"", "drill_max_age = \"721h\""));
    let (code, json) = since(&lab, &first, &[]);
    assert_eq!((code, of(&json, "revert-tested")), (1, "worse"));
    assert!(text(json["baseline"]["said"].as_str().unwrap().as_bytes()).contains("other rules than in the baseline"));
    // A gate that is new, one that is gone, another package.
    fs::create_dir_all(lab.path("gates")).unwrap();
    put(&package.replace(
        "[gaps.GAP-9]",
        "[gaps.GAP-10]\ntitle = \"more\"\nclass = \"technical\"\nowner = \"nobody\"\n\n[gaps.GAP-9]",
    ));
    fs::write(
        lab.path("gates/more.toml"),
        "id = \"more\"\ngap = \"GAP-10\"\nstage = \"G2\"\ntitle = \"more\"\nremedy = \"none\"\n\n[probe.it]\nkind = \"host\"\n\n\
         [[check]]\nid = \"more\"\ntier = \"essential\"\nrequire = 'it.name == \"another\"'\notherwise = \"it does not hold\"\n",
    )
    .unwrap();
    let (code, json) = since(&lab, &first, &[]);
    assert_eq!((code, of(&json, "more")), (1, "worse"));
    let with_more = json["reports_dir"].as_str().unwrap().to_owned();
    fs::remove_dir_all(lab.path("gates")).unwrap();
    put(&package);
    let (code, json) = since(&lab, &with_more, &[]);
    assert_eq!((code, of(&json, "more")), (1, "worse"), "nobody judges it any more");
    put(&package.replace("v0.6-o8-production", "v0.7-o8-production"));
    let (code, json) = since(&lab, &first, &[]);
    assert_eq!((code, of(&json, "deployed-artifact"), of(&json, "gpg-keyring")), (1, "new", "worse"));
    assert!(json["baseline"]["remarks"][0].as_str().unwrap().contains("nothing of it can be compared"), "{json}");
}

#[test]
fn a_baseline_that_does_not_verify_vouches_for_nothing() {
    let (lab, first) = lab();
    let refused = |named: &str, more: &[&str], code: i32, words: &str| {
        let output = lab.cutgate(&[&["audit", "--baseline", named], more].concat());
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(code), String::new()), "{named}: {said}");
        assert!(said.contains(words), "{named}: {said}");
    };
    let bare = lab.path("bare.json");
    fs::copy(lab.path(&first).join("result.json"), &bare).unwrap();
    refused("bare.json", &[], 6, "the ledger has no line for this folder");
    refused("nowhere", &[], 2, "cannot read");
    refused(&first, &["--require", "A"], 2, "A is a run that was verified");
    fs::write(lab.path("reports/other.json"), "{}").unwrap();
    refused("reports/other.json", &[], 6, "the ledger has no line");
    // An open gate turned to closed, in what is published.
    let path = lab.path(&first).join("result.json");
    let kept = fs::read_to_string(&path).unwrap();
    fs::write(&path, kept.replacen("\"OPEN\"", "\"CLOSED\"", 1)).unwrap();
    refused(&first, &[], 6, "result.json");
    refused(&first, &["--profile", "ci"], 6, "result.json");
    fs::write(&path, kept).unwrap();
    let audits = fs::read_to_string(lab.path("reports/ledger.jsonl")).unwrap().lines().count();
    assert_eq!(audits, 1, "nothing was judged");
}

/// Outcome × format: the code is that of the comparison, and no format says ready.
#[test]
fn no_worse_is_said_in_every_format_and_ready_in_none() {
    let (lab, first) = lab();
    let into = tempfile::tempdir().unwrap();
    let all = |more: &[&str], folder: &Path, some: bool| {
        fs::create_dir_all(folder).unwrap();
        let formats = FORMATS.iter().filter(|format| !some || format.render_some.is_some());
        let each: Vec<String> =
            formats.map(|format| format!("--format={}={}", format.name, folder.join(format.name).display())).collect();
        let each: Vec<&str> = each.iter().map(String::as_str).collect();
        let output = lab.cutgate(&[&["audit", "--baseline", &first], more, &each].concat());
        (output.status.code().unwrap(), text(&output.stdout))
    };
    let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
    for (more, some) in [(&[][..], false), (&["--profile", "ci"], true)] {
        let folder = into.path().join(format!("same {some}"));
        let (code, said) = all(more, &folder, some);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("baseline: no gate is worse than in audit 0001 of "), "{said}");
        for format in FORMATS.iter().filter(|format| folder.join(format.name).exists()) {
            let words = read(&folder, format.name);
            if format.name == "gitlab" {
                assert!(!words.contains("blocker") && words.contains("\"severity\": \"minor\""), "{words}");
                continue;
            }
            if format.name != "prometheus" {
                assert!(words.contains("no gate is worse than in audit 0001"), "{}: {words}", format.name);
            }
            assert!(!words.contains("APPROVAL_READY") && !words.contains("The requirement is met"), "{}", format.name);
        }
        let sarif: Json = serde_json::from_str(&read(&folder, "sarif")).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert!(!results.is_empty() && results.iter().all(|result| result["baselineState"] == "unchanged"));
        assert!(!read(&folder, "junit").contains("<failure") && read(&folder, "junit").contains("<skipped"));
        assert!(read(&folder, "github").lines().all(|line| !line.starts_with("::error")));
        assert!(read(&folder, "tap").lines().all(|line| !line.starts_with("not ok") || line.contains(" # TODO ")));
        assert!(read(&folder, "nagios").starts_with("CUTGATE OK - no gate is worse than in audit 0001"));
    }
    let same = into.path().join("same false");
    assert!(
        read(&same, "prometheus")
            .contains("\ncutgate_requirement_met{package=\"v0.6-o8-production-run-readiness-command-package\"} 0\n")
    );
    assert!(read(&same, "html").contains("<h1>No worse than the baseline, and not ready: C — "));
    assert!(read(&same, "oscal").contains("\"not-met\""));
    fs::write(lab.path("host/opt/cutter/v0.6/extra.py"), "print()\n").unwrap();
    let worse = into.path().join("worse");
    let (code, said) = all(&["--profile", "ci"], &worse, true);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("  worse   GAP-1  deployed-artifact  CLOSED → OPEN"), "{said}");
    assert!(read(&worse, "github").lines().any(|line| line.starts_with("::error") && line.contains("GAP-1")));
    assert!(read(&worse, "junit").contains("<failure"));
    let sarif: Json = serde_json::from_str(&read(&worse, "sarif")).unwrap();
    let states: Vec<_> =
        sarif["runs"][0]["results"].as_array().unwrap().iter().map(|it| &it["baselineState"]).collect();
    assert!(states.contains(&&"new".into()) && states.contains(&&"unchanged".into()), "{states:?}");
    // What others make of it.
    let script = "import json, sys; from junitparser import JUnitXml; from tap.parser import Parser; \
                  w = JUnitXml.fromfile(sys.argv[1] + '/junit'); assert w.failures >= 1, w.failures; \
                  t = [l for l in Parser().parse_file(sys.argv[1] + '/tap') if l.category == 'test']; \
                  assert any(not l.ok and not l.todo for l in t) and any(l.todo for l in t)";
    let output = Command::new(python()).args(["-c", script]).arg(&worse).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

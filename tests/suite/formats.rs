//! Every format beside every other: `tests/formats.py` lets programs that are not ours read them all, and compares what they
//! say with the JSON form. The exit code is the same whatever is rendered, and a file that cannot be written turns nothing
//! green.

mod destinations;
mod hostile;
mod pages;
mod pipelines;
mod styles;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cutgate::report::format::FORMATS;

use crate::attestations::python;
use crate::audit::Lab;
use crate::runs::Approved;
use crate::traps::Trap;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The arguments that write every format into a folder.
fn all_into(folder: &Path) -> Vec<String> {
    let each = FORMATS.iter().map(|format| format!("--format={}={}", format.name, folder.join(format.name).display()));
    each.collect()
}

/// Audits in a folder, every format at once.
pub fn audited(dir: &Path, more: &[&str], into: &Path) -> Output {
    fs::create_dir_all(into).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(dir).arg("audit").args(more).args(all_into(into));
    let output = command.output().unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("{}", text(&output.stderr)));
    fs::write(into.join("code"), code.to_string()).unwrap();
    output
}

/// What speaks against the files of these folders; empty where nothing does.
pub fn problems<'a>(folders: impl IntoIterator<Item = &'a Path>) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formats.py");
    let output = Command::new(python()).arg(script).args(folders).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert_eq!(said.is_empty(), output.status.success(), "{}", text(&output.stderr));
    said
}

/// Outcome × format: each outcome in every format, read by others, with the exit code that the outcome alone decides.
#[test]
fn no_format_changes_what_came_out() {
    let into = tempfile::tempdir().unwrap();
    let into = into.path();
    let ready = Trap::new();
    let blocked = Lab::new();
    let unknown = Lab::new();
    fs::write(unknown.path("governance.db"), "this is no database").unwrap();
    // Every technical gate is closed, and the hand that audits is not the only one at work.
    let begun = Approved::misbehaving();
    begun.run(&[], &[("CUTGATE_TEST_CRASH_AT", "consumed")]);
    let outcomes: [(&str, &Path, &[&str], i32); 5] = [
        ("ready", &ready.lab.dir, &[], 0),
        ("not enough", &ready.lab.dir, &["--require", "A"], 1),
        ("blocked", &blocked.path(""), &[], 1),
        ("unknown", &unknown.path(""), &[], 3),
        ("begun", begun.dir(), &[], 5),
    ];
    for (name, dir, more, code) in &outcomes {
        let output = audited(dir, more, &into.join(name));
        assert_eq!(output.status.code(), Some(*code), "{name}: {}", text(&output.stderr));
        assert!(
            text(&output.stdout).contains("result: "),
            "{name}: text goes to standard output where nothing else does"
        );
    }
    let folders: Vec<_> = outcomes.iter().map(|(name, ..)| into.join(name)).collect();
    assert_eq!(problems(folders.iter().map(std::path::PathBuf::as_path)), "");
    // What the readers are worth: a gate that is turned green in any format is seen.
    let wrong = [
        ("junit", "<failure type=\"does not hold\"", "<skipped"),
        ("tap", "not ok ", "ok "),
        ("nagios", "CRITICAL - ", "OK - "),
        ("prometheus", "state=\"open\"} 1", "state=\"open\"} 0"),
        ("gitlab", "\"check_name\": \"gpg-keyring\"", "\"check_name\": \"result\""),
        ("sarif", "\"ruleId\": \"gpg-keyring\"", "\"ruleId\": \"result\""),
        ("github", "::error title=cutgate", "::notice title=cutgate"),
        ("markdown", "| OPEN |", "| CLOSED |"),
        ("html", "✗ OPEN</span>", "✓ CLOSED</span>"),
        ("oscal", "\"not-satisfied\"", "\"satisfied\""),
        ("oscal-poam", "\"related-risks\"", "\"no-risks\""),
        ("text", "  OPEN ", "  CLOSED "),
    ];
    for (format, from, to) in wrong {
        let folder = into.join(format!("wrong {format}"));
        let copied = Command::new("cp").arg("-r").arg(into.join("blocked")).arg(&folder).status();
        assert!(copied.unwrap().success());
        let kept = fs::read_to_string(folder.join(format)).unwrap();
        assert!(kept.contains(from), "{format} has {from}");
        fs::write(folder.join(format), kept.replacen(from, to, 1)).unwrap();
    }
    let folders: Vec<_> = wrong.iter().map(|(format, ..)| into.join(format!("wrong {format}"))).collect();
    let said = problems(folders.iter().map(std::path::PathBuf::as_path));
    for (format, ..) in wrong {
        assert!(said.contains(&format!("wrong {format}: {format}: ")), "{format}: {said}");
    }
}

/// Format × command, where nothing is judged: the code is that of the command alone.
#[test]
fn what_is_not_judged_is_green_in_no_format() {
    let lab = Lab::new();
    let refused = |args: &[&str], code: i32| {
        let output = lab.cutgate(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
    };
    fs::create_dir(lab.path("reports")).unwrap();
    fs::write(lab.path("reports/ledger.jsonl"), "{}\n").unwrap();
    for format in FORMATS {
        refused(&["-p", "nowhere.toml", "audit", "--format", format.name], 2);
        refused(&["audit", "--format", format.name], 6);
        // Some gates: the code is that of the gate, or the format has no word for it.
        let code = if format.render_some.is_some() { 0 } else { 2 };
        let output = lab.cutgate(&["audit", "--only", "deployed-artifact", "--format", format.name]);
        assert_eq!(output.status.code(), Some(code), "{}: {}", format.name, text(&output.stderr));
        let output = lab.cutgate(&["audit", "--only", "gpg-keyring", "--format", format.name]);
        assert_eq!(output.status.code(), Some(code.max(1)), "{}: {}", format.name, text(&output.stderr));
    }
    for format in ["text", "json", "markdown"] {
        assert_eq!(lab.cutgate(&["explain", "GAP-3", "--format", format]).status.code(), Some(1), "{format}");
        assert_eq!(lab.cutgate(&["gates", "list", "--format", format]).status.code(), Some(0), "{format}");
        refused(&["diff", "1", "2", "--format", format], 6);
    }
}

/// The help names each of them.
#[test]
fn the_help_names_every_format() {
    let help = text(&Lab::new().cutgate(&["audit", "--help"]).stdout);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, list) = help.split_once("or NAME=FILE for a file: ").expect("the list");
    let list: Vec<_> = list.split('.').next().unwrap().split(", ").collect();
    let mut sorted = list.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, FORMATS.iter().map(|format| format.name).collect::<Vec<_>>(), "{list:?}");
    assert!(FORMATS.is_sorted_by_key(|format| format.name));
}

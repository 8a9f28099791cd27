//! The program end to end: the laboratory audited, published, verified.

mod init;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use assert_cmd::Command;

/// A laboratory that every test of this file copies.
static LABORATORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    cutgate::lab::build(&dir.path().join("lab"), cutgate::lab::Scenario::O8Blocked).unwrap();
    dir
});

/// A fresh copy of the laboratory.
pub struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let copied = std::process::Command::new("cp")
            .args(["-a", LABORATORY.path().join("lab").to_str().unwrap(), dir.path().to_str().unwrap()])
            .status();
        assert!(copied.unwrap().success());
        Self { dir }
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join("lab").join(inside)
    }

    /// The real program with a scrubbed environment.
    pub fn cutgate(&self, args: &[&str]) -> Output {
        let mut command = Command::cargo_bin("cutgate").unwrap();
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.path("")).args(args);
        command.output().unwrap()
    }

    /// Audits; gives the exit code and the published folder.
    pub fn audit(&self) -> (i32, PathBuf) {
        let output = self.cutgate(&["audit", "--format", "json"]);
        let code = output.status.code().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(code, 0 | 1 | 3), "exit {code}: {errors}");
        assert_eq!(errors, "");
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (code, self.path(result["reports_dir"].as_str().unwrap()))
    }
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

/// Every file below a folder with its content, mode and modification time; the reports aside.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32, i64)> {
    use std::os::unix::fs::MetadataExt;
    let entries = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    let kept = entries.filter(|entry| !entry.path().starts_with(root.join("reports")) && entry.path() != root);
    kept.map(|entry| {
        let meta = entry.path().symlink_metadata().unwrap();
        let content = if meta.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        (entry.path().to_owned(), (content, meta.mode(), meta.mtime()))
    })
    .collect()
}

/// A report without what legitimately differs from one audit to the next: instants and the audit's number.
fn timeless(text: &str) -> String {
    let instants = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
    let text = instants.replace_all(text, "<utc>");
    let text = regex::Regex::new(r"audit: \d{4}").unwrap().replace_all(&text, "audit: <number>").into_owned();
    let text =
        regex::Regex::new(r"evidence.json is `[0-9a-f]{64}`").unwrap().replace_all(&text, "evidence.json is <sha256>");
    regex::Regex::new(r"\d+ (s|min)\b").unwrap().replace_all(&text, "<age>").into_owned()
}

#[test]
fn the_laboratory_is_blocked_and_says_why() {
    let lab = Lab::new();
    let output = lab.cutgate(&["audit"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for expected in [
        "result: C — BLOCKED_WITH_EXACT_O8_GAP (scheme O8)",
        "9 gaps: 2 closed, 1 partial, 6 open, 0 unknown",
        "blocked technically: GAP-9 — ",
        "blocked by authority: GAP-7 — ",
        "(Report 01/04)",
        "(Report 07)",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    assert!(shown.lines().last().unwrap().starts_with("next: "), "{shown}");
    assert!(!shown.contains('\x1b'), "no colours where standard output is no terminal");
}

/// Law 4 and law 11: the recorded evidence and rules give the same bytes, anywhere.
#[test]
fn a_published_audit_replays_byte_for_byte() {
    let lab = Lab::new();
    let (_, folder) = lab.audit();
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("reports");
    let copied = std::process::Command::new("cp").arg("-a").arg(lab.path("reports")).arg(&moved).status();
    assert!(copied.unwrap().success());
    drop(lab);
    let moved = moved.join(folder.file_name().unwrap());
    let verified = Command::cargo_bin("cutgate").unwrap().env_clear().arg("verify").arg(&moved).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    assert!(text(&verified.stdout).contains("not proved: who made it"));
    for entry in fs::read_dir(&moved).unwrap() {
        let path = entry.unwrap().path();
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, bad).unwrap();
        let refused = Command::cargo_bin("cutgate").unwrap().env_clear().arg("verify").arg(&moved).output().unwrap();
        assert_eq!(refused.status.code(), Some(6), "{}", path.display());
        assert!(
            text(&refused.stderr).contains(path.file_name().unwrap().to_str().unwrap()),
            "{}",
            text(&refused.stderr)
        );
        fs::write(&path, good).unwrap();
    }
    fs::write(moved.join("10-added.md"), "x").unwrap();
    let refused = Command::cargo_bin("cutgate").unwrap().env_clear().arg("verify").arg(&moved).output().unwrap();
    assert_eq!(refused.status.code(), Some(6));
}

/// Collected again, only recorded instants differ.
#[test]
fn two_audits_differ_in_instants_only() {
    let lab = Lab::new();
    let (first_code, first) = lab.audit();
    let (second_code, second) = lab.audit();
    assert_eq!(first_code, second_code);
    let mut compared = 0;
    for entry in fs::read_dir(&first).unwrap() {
        let name = entry.unwrap().file_name();
        if Path::new(&name).extension().is_some_and(|end| end == "md") {
            let [a, b] = [&first, &second].map(|folder| timeless(&fs::read_to_string(folder.join(&name)).unwrap()));
            assert_eq!(a, b, "{}", name.display());
            compared += 1;
        }
    }
    assert_eq!(compared, 9);
    assert_eq!(fs::read(first.join("package.lock.json")).unwrap(), fs::read(second.join("package.lock.json")).unwrap());
}

/// Law 7: collecting changes nothing.
#[test]
fn an_audit_changes_nothing_but_the_reports() {
    let lab = Lab::new();
    let before = snapshot(&lab.path(""));
    lab.audit();
    let after = snapshot(&lab.path(""));
    assert!(before.len() > 100);
    assert!(
        before == after,
        "changed: {:?}",
        before.iter().find(|(path, value)| after.get(*path) != Some(*value)).map(|(path, _)| path)
    );
    assert_eq!(before.len(), after.len());
}

/// Law 6: no secret value is written.
#[test]
fn secrets_are_published_nowhere() {
    let lab = Lab::new();
    let env = fs::read_to_string(lab.path("host/etc/cutter/cutter.env")).unwrap();
    let secrets: Vec<_> = env
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, value)| name.contains("PASSWORD") && !value.is_empty())
        .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
        .collect();
    assert!(!secrets.is_empty(), "the laboratory has a secret");
    let output = lab.cutgate(&["audit", "--format", "json"]);
    let explained = lab.cutgate(&["explain", "provisioning", "--format", "json"]);
    let mut written = vec![output.stdout, output.stderr, explained.stdout, explained.stderr];
    written.extend(
        walkdir::WalkDir::new(lab.path("reports")).into_iter().filter_map(|entry| fs::read(entry.unwrap().path()).ok()),
    );
    assert!(written.len() > 10);
    for bytes in &written {
        let text = String::from_utf8_lossy(bytes);
        assert!(secrets.iter().all(|secret| !text.contains(secret.as_str())));
    }
}

/// The exit code is the same for every format (law 5 of the house: fixed before anything is rendered).
#[test]
fn the_exit_code_does_not_depend_on_the_format() {
    let lab = Lab::new();
    for format in ["text", "json", "markdown"] {
        let output = lab.cutgate(&["audit", "--format", format]);
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(!output.stdout.is_empty());
    }
    let output = lab.cutgate(&["audit", "--format", "json=out.json", "--format", "markdown=out.md"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("result: C"), "text stays on standard output");
    let result: serde_json::Value = serde_json::from_slice(&fs::read(lab.path("out.json")).unwrap()).unwrap();
    assert_eq!(result["result"]["letter"], "C");
    assert_eq!(result["result"]["label"], "BLOCKED_WITH_EXACT_O8_GAP");
    assert_eq!(result["result"]["decisive"], "GAP-9");
    assert_eq!(result["result"]["not"].as_array().unwrap().len(), 3);
    assert_eq!(result["gates"].as_array().unwrap().len(), 9);
    assert_eq!(result["attestation"].as_array().unwrap().len(), 10);
    for key in ["approval", "blocked_criteria", "evidence_sha256", "reports_dir"] {
        assert!(!result[key].is_null(), "{key}");
    }
    for key in ["id", "gap", "stage", "state", "reason", "checks"] {
        assert!(!result["gates"][0][key].is_null(), "{key}");
    }
    for key in ["action", "status", "basis", "before", "after"] {
        assert!(!result["attestation"][0][key].is_null(), "{key}");
    }
    assert!(fs::read_to_string(lab.path("out.md")).unwrap().starts_with("# O8: C"));
}

/// Wrong words on the command line judge nothing and say what is known.
#[test]
fn usage_errors() {
    let lab = Lab::new();
    let table: [(&[&str], &str); 9] = [
        (&["audit", "--format", "jsn"], "did you mean `json`?"),
        (&["audit", "--format", "text", "--format", "json"], "only one format"),
        (&["audit", "--format", "json="], "name a file"),
        (&["audit", "--require", "C"], "[possible values: A, B]"),
        (&["audit", "--only", "gpg-keyrin"], "did you mean `gpg-keyring`?"),
        (&["audit", "--only", "GAP-3", "--format", "html"], "use one of github, gitlab, json, junit, markdown"),
        (&["audit", "--only", "GAP-3", "--out", "x"], "publishes nothing"),
        (&["explain", "GAP-33"], "did you mean `GAP-3`?"),
        (&["-p", "nowhere.toml", "audit"], "nowhere.toml"),
    ];
    for (args, expected) in table {
        let output = lab.cutgate(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
    assert!(!lab.path("reports").exists(), "nothing was published");
}

/// Judging some gates gives no letter, and is green only when all of them are closed.
#[test]
fn some_gates_alone() {
    let lab = Lab::new();
    for (gates, code) in [("deployed-artifact", 0), ("GAP-1,GAP-2", 0), ("F4", 1), ("GAP-1,gpg-keyring", 1)] {
        let output = lab.cutgate(&["audit", "--only", gates]);
        assert_eq!(output.status.code(), Some(code), "{gates}: {}", text(&output.stdout));
        assert!(text(&output.stdout).contains("no result: "), "{gates}");
        assert!(!text(&output.stdout).contains("result: B"), "{gates}");
    }
    assert!(!lab.path("reports").exists(), "nothing was published");
}

#[test]
fn a_gate_is_explained_with_values_and_places() {
    let lab = Lab::new();
    let output = lab.cutgate(&["explain", "GAP-3"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stdout);
    for expected in
        ["gpg-keyring closes GAP-3 in stage G2", "OPEN — empty keyring", "→", "read:", "gnupg", "next: gpg "]
    {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    for format in ["json", "markdown"] {
        assert_eq!(lab.cutgate(&["explain", "GAP-3", "--format", format]).status.code(), Some(1));
    }
    // What is demanded stands beside what is; what would close it follows from all rules together, so that nobody is told
    // to take away the keyring that another check asks for; one command stands once, with every check it is named for.
    for expected in [
        "ring.count  →  0  (must be > 0)",
        "  1. ring.count is 0, must be > 0 [keyring-filled]\n",
        "must be a list with \"",
        "[keyring-filled, key-present, not-expired, accepted-by-policy, can-encrypt, valid-through-the-run]\n",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    assert!(!shown.contains("ring.present is true"), "{shown}");
    let output = lab.cutgate(&["explain", "GAP-3", "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = answer["closing"]["steps"].as_array().unwrap();
    let named = |step: &serde_json::Value| step["step"].as_str().unwrap().to_owned();
    assert!(named(&steps[0]).starts_with("gpg --homedir gnupg --batch --no-autostart --import"), "{steps:?}");
    // Done, step by step, they close the gate; then nothing is left to change.
    for step in steps.iter().map(named) {
        let done = std::process::Command::new("bash").arg("-c").arg(&step).current_dir(lab.path("")).output().unwrap();
        assert!(done.status.success(), "{step}: {}", text(&done.stderr));
    }
    let output = lab.cutgate(&["explain", "GAP-3"]);
    let shown = text(&output.stdout);
    assert!(output.status.code() == Some(0) && !shown.contains("must be") && !shown.contains("to close it"), "{shown}");
    // A database is asked by statements, which are shown.
    let shown = text(&lab.cutgate(&["explain", "GAP-4"]).stdout);
    assert!(shown.contains("registry.grants asks: SELECT g.principal, p.kind, g.object, g.privilege FROM"), "{shown}");
}

/// Host text cannot forge anything in a report: a document whose title is Markdown stays a cell.
#[test]
fn hostile_host_text_forges_nothing() {
    let lab = Lab::new();
    let hostile = "\"x | y\\n\\n# Result: A\\n\\n[link](https://evil.example) <b> \\u202e ` `` | |\"";
    let document =
        format!("---\ntitle: {hostile}\nkind: approval\ngate: SG_1_cut_authz\nrun_id: {hostile}\n---\n\napproval\n");
    fs::write(lab.path("kb/approvals/hostile.md"), document).unwrap();
    fs::write(lab.path("host/opt/cutter/v0.6/# Result: A | `x`.py"), "x = 1\n").unwrap();
    let (code, folder) = lab.audit();
    assert_eq!(code, 1);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read_to_string(&path).unwrap();
        if path.extension().is_some_and(|end| end == "md") {
            assert!(
                !content.lines().any(|line| line.trim_start_matches('#').trim_start().starts_with("Result: A")),
                "{}",
                path.display()
            );
            assert!(!content.contains('\u{202e}'), "{}", path.display());
        }
    }
}

/// A package's own templates take the place of the stock ones, and a wrong one publishes nothing.
#[test]
fn templates_can_be_replaced() {
    let lab = Lab::new();
    fs::create_dir(lab.path("templates")).unwrap();
    fs::write(lab.path("templates/08.md"), "# Kết luận\n\n{{ result.letter }}: {{ result.reason_blocking }}\n")
        .unwrap();
    let (_, folder) = lab.audit();
    let report = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("08-"));
    assert!(fs::read_to_string(report.unwrap()).unwrap().starts_with("# Kết luận\n\nC: GAP-9"));
    fs::write(lab.path("templates/08.md"), "{{ nothing }}").unwrap();
    let output = lab.cutgate(&["audit"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("08.md:1:4"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(lab.path("reports")).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count(), 1);
}

/// Law 3: every gate is evaluated in every audit, and every gap appears in every report set, closed ones too.
#[test]
fn every_gap_appears_in_every_report_set() {
    let lab = Lab::new();
    // One more way to be blocked, early in the order: nothing behind it may be left out.
    fs::remove_dir_all(lab.path("host/opt/cutter/v0.6")).unwrap();
    let (code, folder) = lab.audit();
    assert!(matches!(code, 1 | 3), "{code}");
    let last = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("09-"));
    let last = fs::read_to_string(last.unwrap()).unwrap();
    for number in 1..=9 {
        assert!(last.contains(&format!("| GAP-{number} |")), "GAP-{number} is not in\n{last}");
    }
    let result: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("result.json")).unwrap()).unwrap();
    assert_eq!(result["gates"].as_array().unwrap().len(), 9);
    assert_eq!(result["result"]["letter"], "C");
}

/// Wrong packages: the real program shows every problem, judges nothing, and exits with 2.
#[test]
fn broken_packages_judge_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tried = 0;
    for entry in fs::read_dir(root.join("tests/broken")).unwrap() {
        let folder = entry.unwrap().path();
        let package = folder.strip_prefix(root).unwrap().join("cutgate.toml");
        for command in [&["gates", "check"][..], &["audit"]] {
            let output = Command::cargo_bin("cutgate")
                .unwrap()
                .env_clear()
                .current_dir(root)
                .arg("-p")
                .arg(&package)
                .args(command)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(2), "{}", folder.display());
            assert_eq!(text(&output.stdout), "", "{}", folder.display());
            let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
            assert_eq!(text(&output.stderr).trim(), expected.trim(), "{}", folder.display());
        }
        assert!(!folder.join("reports").exists());
        tried += 1;
    }
    assert!(tried >= 25, "{tried}");
}

#[test]
fn gates_are_listed_and_checked() {
    let lab = Lab::new();
    let checked = lab.cutgate(&["gates", "check"]);
    assert_eq!((checked.status.code(), text(&checked.stderr)), (Some(0), String::new()));
    assert!(text(&checked.stdout).starts_with("9 gates with "));
    for format in ["text", "json", "markdown"] {
        let listed = lab.cutgate(&["gates", "list", "--format", format]);
        assert_eq!(listed.status.code(), Some(0));
        assert!(text(&listed.stdout).contains("live-code-path"), "{format}");
    }
}

#[test]
fn demo_refuses_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("precious"), "x").unwrap();
    let output = Command::cargo_bin("cutgate").unwrap().arg("demo").arg(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("empty"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let output =
        Command::cargo_bin("cutgate").unwrap().args(["demo", "x", "--scenario", "o8-blockt"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean `o8-blocked`?"));
}

//! Packages that `init` writes: for a person to fill in, and for a host as it is.

use std::fs;

use assert_cmd::Command;

use super::text;

/// A new package names what only a person knows, each place with a caret, and judges nothing before.
#[test]
fn init_writes_a_package_to_fill_in() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        |args: &[&str]| Command::cargo_bin("cutgate").unwrap().current_dir(dir.path()).args(args).output().unwrap();
    let made = run(&["init", "new"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("next: cutgate -p new/cutgate.toml gates check"));
    let package = fs::read_to_string(dir.path().join("new/cutgate.toml")).unwrap();
    assert!(!regex::Regex::new("@[A-Z_]+@").unwrap().is_match(&package));
    assert!(!package.contains("\nroot = \"host\""));
    for command in [&["gates", "check"][..], &["audit"]] {
        let args: Vec<_> = ["-p", "new/cutgate.toml"].iter().chain(command).copied().collect();
        let checked = run(&args);
        assert_eq!(checked.status.code(), Some(2));
        assert_eq!(text(&checked.stderr).matches("\"FILL-IN\" is not a fingerprint").count(), 3);
    }
    // With the places filled in it is in order, and an audit of a host that has nothing of it is blocked.
    let apart = package.replace("operator = [\"FILL-IN\"]", &format!("operator = [\"{}\"]", "1".repeat(40)));
    let apart = apart.replace("auditor = [\"FILL-IN\"]", &format!("auditor = [\"{}\"]", "2".repeat(40)));
    let filled = apart.replace("FILL-IN", "0123456789ABCDEF0123456789ABCDEF01234567");
    fs::write(dir.path().join("new/cutgate.toml"), filled).unwrap();
    let checked = run(&["-p", "new/cutgate.toml", "gates", "check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let audited = run(&["-p", "new/cutgate.toml", "audit"]);
    assert!(matches!(audited.status.code(), Some(1 | 3)), "{}", text(&audited.stderr));
    assert!(text(&audited.stdout).contains("result: C"));
    assert_eq!(run(&["init", "new"]).status.code(), Some(2), "a folder that is not empty is refused");
}

/// The package of a host can be audited as it is written; what the audit says to type closes its gap.
#[test]
fn init_writes_a_host_that_can_be_audited_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        |args: &[&str]| Command::cargo_bin("cutgate").unwrap().current_dir(dir.path()).args(args).output().unwrap();
    let made = run(&["init", "--kind", "host", "new"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("next: cutgate -p new/cutgate.toml audit"));
    let checked = run(&["-p", "new/cutgate.toml", "gates", "check"]);
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", text(&checked.stderr));
    // Not below /var of this machine.
    let package = dir.path().join("new/cutgate.toml");
    let state = dir.path().join("state");
    let moved = fs::read_to_string(&package).unwrap().replace("/var/lib/example", &state.display().to_string());
    fs::write(&package, moved).unwrap();
    let audited = run(&["-p", "new/cutgate.toml", "audit"]);
    let said = text(&audited.stdout);
    assert_eq!(audited.status.code(), Some(1), "{said}{}", text(&audited.stderr));
    assert!(said.contains("result: C"), "{said}");
    let next = said.lines().find_map(|line| line.strip_prefix("next: ")).expect("a next step");
    assert_eq!(next, format!("sudo install -d -o root -g root -m 0750 {}", state.display()));
    let typed = std::process::Command::new("bash").args(["-c", next.strip_prefix("sudo ").unwrap()]).status().unwrap();
    assert!(typed.success());
    let audited = run(&["-p", "new/cutgate.toml", "audit"]);
    let said = text(&audited.stdout);
    assert_eq!(audited.status.code(), Some(0), "{said}{}", text(&audited.stderr));
    assert!(said.contains("result: B"), "{said}");
    let verified = run(&["-p", "new/cutgate.toml", "verify", "new/reports"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    // No report speaks of what such a package has not.
    for report in walkdir::WalkDir::new(dir.path().join("new/reports")).into_iter().map(Result::unwrap) {
        if report.path().extension().is_some_and(|kind| kind == "md") {
            let page = fs::read_to_string(report.path()).unwrap();
            assert!(!page.contains("not collected"), "{}:\n{page}", report.path().display());
        }
    }
}

/// A package that was not written for the stock gates is told so once, and not once for everything that does not fit.
#[test]
fn stock_gates_that_were_not_meant_are_one_problem() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        |args: &[&str]| Command::cargo_bin("cutgate").unwrap().current_dir(dir.path()).args(args).output().unwrap();
    assert_eq!(run(&["init", "--kind", "host", "new"]).status.code(), Some(0));
    let package = dir.path().join("new/cutgate.toml");
    let unlisted = fs::read_to_string(&package).unwrap().replace("gates = [\"state-folder\"]\n", "");
    fs::write(&package, &unlisted).unwrap();
    let checked = run(&["-p", "new/cutgate.toml", "gates", "check"]);
    let said = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(2));
    assert!(said.contains("all stock gates are in force, and the package has no gap for"), "{said}");
    assert!(said.contains("gates = [\"state-folder\"]"), "{said}");
    assert!(said.contains("1 error in"), "{said}");
    // Who asks for runs must say who approves them.
    let asked = unlisted.replace("[limits]", "[request]\n\n[limits]");
    fs::write(&package, asked).unwrap();
    let said = text(&run(&["-p", "new/cutgate.toml", "gates", "check"]).stderr);
    assert!(said.contains("nobody can approve them"), "{said}");
}

//! docs/first-hour.md, typed: each of its three paths from nothing, and what is shown is what comes.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::operators::{fits, shown};
use crate::signed_reports::SIGNED;
use crate::waivers::text;

/// Between the outputs of two commands.
const MARK: &str = "@@@ next command @@@";

/// Types commands one after the other in one shell, and compares what each says with what the page shows of it. The shell sees an own,
/// empty /var/lib, and what is done with sudo it may do.
fn typed(folder: &Path, commands: &[(String, Vec<String>)]) {
    assert!(!commands.is_empty());
    let mut script = "mount -t tmpfs none /var/lib || exit 99\nsudo() { \"$@\"; }\ncode=0\n".to_owned();
    for (command, _) in commands {
        script += &format!("echo '{MARK}'\n(exit $code)\n{command}\ncode=$?\n");
    }
    let program = assert_cmd::cargo::cargo_bin("cutgate");
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut shell = Command::new("unshare");
    // Root may mount; others may where they are root: in a namespace of their own.
    let own: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    shell.args(own).args(["--mount", "bash", "-c", &script]).env_clear().env("PATH", path);
    let output = shell.current_dir(folder).output().expect("unshare is missing: apt-get install util-linux");
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    let outputs: Vec<&str> = said.split(&format!("{MARK}\n")).skip(1).collect();
    assert_eq!(outputs.len(), commands.len(), "{said}\n{errors}");
    for ((command, expected), output) in commands.iter().zip(outputs) {
        let lines: Vec<&str> = output.lines().collect();
        assert!(fits(expected, &lines), "{command}\n{output}{errors}\nis not\n{}", expected.join("\n"));
    }
}

/// The commands of the page from one that begins so to before one that begins so.
fn part(from: &str, to: &str) -> Vec<(String, Vec<String>)> {
    let all = shown("first-hour.md").into_iter().skip_while(|(command, _)| !command.starts_with(from));
    all.take_while(|(command, _)| to.is_empty() || !command.starts_with(to)).collect()
}

#[test]
fn the_operator_gets_from_nothing_to_a_gap_that_was_open() {
    let dir = tempfile::tempdir().unwrap();
    let commands = part("cutgate init", "cutgate code-path");
    assert_eq!(commands.len(), 4, "{commands:?}");
    let doctor = "cutgate doctor | grep trust.keyring".to_owned();
    let more = [(doctor, vec!["+ trust.keyring   ok: the package pins nobody".to_owned()])];
    typed(dir.path(), &[commands, more.to_vec()].concat());
}

#[test]
fn the_author_of_a_pipeline_gets_from_nothing_to_a_red_check_with_annotations() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/first-hour.md")).unwrap();
    let (_, project) = page.split_once("```python\n").unwrap();
    let (project, _) = project.split_once("```").unwrap();
    let commands = part("cutgate code-path", "cutgate verify");
    assert_eq!(commands.len(), 2, "{commands:?}");
    // With a package's marker and without one: Python imports both alike.
    for marked in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("app")).unwrap();
        for file in project.split("# app/").skip(1) {
            let (name, source) = file.split_once('\n').unwrap();
            fs::write(dir.path().join("app").join(name), source).unwrap();
        }
        if marked {
            fs::write(dir.path().join("app/__init__.py"), "").unwrap();
        }
        typed(dir.path(), &commands);
    }
}

#[test]
fn the_auditor_gets_from_a_report_to_a_verdict() {
    // Somewhere else, with nothing but the reports and the public key.
    let signed = &*SIGNED;
    let dir = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(signed.lab.path("reports")).arg(dir.path()).status().unwrap();
    assert!(copied.success());
    fs::copy(signed.lab.path("keys/auditor.asc"), dir.path().join("auditor.asc")).unwrap();
    let real = signed.folder(0);
    let real = format!("reports/{}", real.file_name().unwrap().to_str().unwrap());
    let mut commands = part("cutgate verify", "");
    assert_eq!(commands.len(), 1, "{commands:?}");
    commands[0].0 = regex::Regex::new(r"reports/\d+-\S+").unwrap().replace(&commands[0].0, real.as_str()).into_owned();
    typed(dir.path(), &commands);
}

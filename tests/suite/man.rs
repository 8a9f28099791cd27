//! Completions and manual pages, read by the shells and by mandoc.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn cutgate(args: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin("cutgate")).args(args).output().expect("cutgate")
}

#[test]
fn the_shells_can_read_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = cutgate(&["completions", shell]);
        assert_eq!(script.status.code(), Some(0));
        let text = String::from_utf8(script.stdout).expect("UTF-8");
        for word in ["audit", "code-path", "exit-style", "verify"] {
            assert!(text.contains(word), "{word} is not completed by {shell}");
        }
        let mut reader = Command::new(shell)
            .arg("-n")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shell} is missing ({error}): apt-get install {shell}"));
        reader.stdin.take().expect("its input").write_all(text.as_bytes()).expect("write");
        let read = reader.wait_with_output().expect("it ends");
        assert!(read.status.success() && read.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
    }
    assert_eq!(cutgate(&["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_page_that_mandoc_understands() {
    let dir = tempfile::tempdir().expect("a folder");
    let into = dir.path().join("man1");
    let made = cutgate(&["man", &into.display().to_string()]);
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let mut names: Vec<String> =
        std::fs::read_dir(&into).expect("pages").map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let help = String::from_utf8(cutgate(&["--help"]).stdout).expect("UTF-8");
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for command in commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        assert!(names.contains(&format!("cutgate-{command}.1")), "{command} has no page in {names:?}");
    }
    assert!(names.contains(&"cutgate.1".to_owned()) && names.contains(&"cutgate-gates-test.1".to_owned()), "{names:?}");
    for name in &names {
        let lint = Command::new("mandoc")
            .args(["-T", "lint", "-W", "error"])
            .arg(into.join(name))
            .output()
            .unwrap_or_else(|error| panic!("mandoc is missing ({error}): apt-get install mandoc"));
        assert!(lint.status.success(), "{name}: {}", String::from_utf8_lossy(&lint.stdout));
    }
    // One page goes to standard output; a folder that cannot be made is said.
    assert!(String::from_utf8_lossy(&cutgate(&["man"]).stdout).contains(".TH cutgate 1"));
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = cutgate(&["man", &file.join("in").display().to_string()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("file/in"), "{refused:?}");
}

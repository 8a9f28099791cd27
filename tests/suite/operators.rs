//! docs/operators.md: every command that it shows is typed in a laboratory, and what it shows is what comes.

use std::process::Command;

use crate::audit::Lab;

/// The blocks of a page, each with its commands and what it shows of each.
pub fn shown(page: &str) -> Vec<(String, Vec<String>)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs").join(page)).unwrap();
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```console",
            Some(command) if inside => shown.push((command.to_owned(), Vec::new())),
            _ if inside => shown.last_mut().expect("a command comes first").1.push(line.to_owned()),
            _ => {}
        }
    }
    shown
}

/// Whether lines are those that are shown, where `…` stands for anything within a line, and alone for any lines.
pub fn fits(shown: &[String], lines: &[&str]) -> bool {
    match (shown, lines) {
        ([], lines) => lines.is_empty(),
        ([first, rest @ ..], lines) if first == "…" => (0..=lines.len()).any(|skip| fits(rest, &lines[skip..])),
        (_, []) => false,
        ([first, rest @ ..], [line, others @ ..]) => {
            let pattern = first.split('…').map(regex::escape).collect::<Vec<_>>().join(".*");
            regex::Regex::new(&format!("^{pattern}$")).unwrap().is_match(line) && fits(rest, others)
        }
    }
}

#[test]
fn the_page_shows_what_the_commands_say() {
    let lab = Lab::new();
    let shown = shown("operators.md");
    assert!(shown.len() >= 4, "{shown:?}");
    let program = assert_cmd::cargo::cargo_bin("cutgate");
    let folder = program.parent().unwrap().display();
    for (command, expected) in shown {
        let mut shell = Command::new("bash");
        shell.env_clear().env("PATH", format!("{folder}:/usr/bin:/bin")).current_dir(lab.path(""));
        let output = shell.args(["-c", &command]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(fits(&expected, &lines), "{command}\n{text}\nis not\n{}", expected.join("\n"));
        assert!(!expected.iter().all(|line| line == "…"), "{command} shows nothing");
    }
}

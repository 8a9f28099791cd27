//! The site of the documentation: its list of chapters names every page, and the pages that the program itself could write
//! (commands, stock gates, decisions) say what it says. `UPDATE_GOLDEN=1` writes them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The sorted files of a folder of the repository, as paths from its root.
fn listed(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|kind| kind == ending)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no files that end in {ending}");
    paths.iter().map(|path| path.strip_prefix(root()).expect("below the root").to_owned()).collect()
}

/// Compares a page with what it must be, or writes it.
fn page(path: &str, wanted: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(root().join(path), wanted).expect("the page is written");
    }
    let kept = fs::read_to_string(root().join(path)).unwrap_or_default();
    let line = kept.lines().zip(wanted.lines()).position(|(kept, wanted)| kept != wanted).map_or(0, |line| line + 1);
    assert!(
        kept == wanted,
        "{path} is not what the program says (line {line}): UPDATE_GOLDEN=1 scripts/test --test suite site::"
    );
}

#[test]
fn every_page_is_a_chapter_of_the_site() {
    let summary = read("site/SUMMARY.md");
    let named: Vec<&str> = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for path in &named {
        assert!(root().join(path).is_file(), "site/SUMMARY.md names {path}, which is not there");
    }
    let pages = [listed("docs", "md"), listed("docs/decisions", "md")].concat();
    for path in pages
        .iter()
        .map(|path| path.to_string_lossy())
        .chain(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(Into::into))
    {
        let times = named.iter().filter(|name| **name == path).count();
        assert_eq!(times, 1, "site/SUMMARY.md names {path} {times} times");
    }
}

/// The help of a command, and of every command below it.
fn helps(words: &[String], page: &mut String) {
    let output =
        assert_cmd::Command::cargo_bin("cutgate").expect("built").env_clear().args(words).arg("--help").output();
    let help = String::from_utf8(output.expect("it runs").stdout).expect("UTF-8");
    let title = [&["cutgate".to_owned()], words].concat().join(" ");
    write!(page, "\n## `{title}`\n\n```text\n{}\n```\n", help.trim_end()).expect("written");
    let below = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = below.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    for name in names.filter(|name| *name != "help") {
        helps(&[words, &[name.to_owned()]].concat(), page);
    }
}

#[test]
fn the_page_of_the_commands_is_their_help() {
    let mut text = "# Commands and options\n\nWhat `--help` says of each command; a test compares. The same is in the manual pages that `cutgate man` writes. What the exit \
                    codes mean: [exit-codes.md](exit-codes.md).\n"
        .to_owned();
    helps(&[], &mut text);
    assert!(text.matches("\n## ").count() > 15, "the help was understood");
    page("docs/commands.md", &text);
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn the_page_of_the_stock_gates_is_their_files() {
    let mut said = "# The stock gates\n\nWritten from the files in `gates/`, which are compiled in; a test compares. A package replaces one by a file of the same name in its own folder \
                    `gates`, or lays others beside them ([where to add a gate](architecture.md#where-to-add-a-gate)). *Essential* checks make a gate OPEN where they fail, \
                    *completing* ones PARTIAL. `cutgate explain GAP` shows them with the values of a host.\n"
        .to_owned();
    let mut gates: Vec<Table> = listed("gates", "toml")
        .iter()
        .map(|path| read(&path.to_string_lossy()).parse().expect("a gate file"))
        .collect();
    gates.sort_by(|left, right| text(left, "gap").cmp(text(right, "gap")));
    for gate in &gates {
        let (id, gap, stage, title) = (text(gate, "id"), text(gate, "gap"), text(gate, "stage"), text(gate, "title"));
        write!(said, "\n## {gap}: `{id}`\n\nStage {stage}: {title}.").expect("written");
        if let Some(criterion) = gate.get("blocked_criterion").and_then(Value::as_str) {
            write!(said, " Where it is not, the criterion \"{criterion}\" is matched.").expect("written");
        }
        write!(said, "\n\n{}\n\nReads: ", text(gate, "remedy").trim()).expect("written");
        let probes = gate["probe"].as_table().expect("probes");
        let probes: Vec<_> = probes
            .iter()
            .map(|(name, probe)| format!("`{name}` ({})", text(probe.as_table().expect("a probe"), "kind")))
            .collect();
        write!(said, "{}.\n\n", probes.join(", ")).expect("written");
        for check in gate["check"].as_array().expect("checks") {
            let check = check.as_table().expect("a check");
            writeln!(said, "- **{}**, {}:", text(check, "id"), text(check, "tier")).expect("written");
            let rule = text(check, "require").trim().lines().map(|line| format!("  {line}\n")).collect::<String>();
            write!(said, "\n  ```cel\n{rule}  ```\n\n").expect("written");
        }
        while said.ends_with('\n') {
            said.pop();
        }
        said.push('\n');
    }
    page("docs/gates.md", &said);
}

#[test]
fn the_page_of_the_decisions_lists_them() {
    let mut said = "# Decisions\n\nWhat was decided where more than one way was open, and why; the newest last. A new one takes the next number and the form of\n\
                    [the template](template.md).\n\n"
        .to_owned();
    for path in listed("docs/decisions", "md") {
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            let decision = read(&path.to_string_lossy());
            let title = decision.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a title");
            writeln!(said, "- [{title}]({name})").expect("written");
        }
    }
    page("docs/decisions/README.md", &said);
}

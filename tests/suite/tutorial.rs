//! `docs/tutorial.md`, typed as it stands: every command is run in order in a laboratory, what is shown is compared with what
//! came out, and each section that names a gap must change exactly that gap, by what the audit itself said to type.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;

/// What differs from one laboratory or machine to the next.
const MASKS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<utc>"),
    (r"\d{8}T\d{6}Z", "<utc>"),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (r"\b[0-9A-F]{40}\b", "<fingerprint>"),
    (r"\b[0-9A-F]{16}\b", "<key>"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    (r"-o \d+ -g \d+", "-o <uid> -g <gid>"),
    (r"read by \S+", "read by <user>"),
];

pub fn masked(text: &str) -> String {
    let mask = |text: String, (pattern, mask): &(&str, &str)| {
        Regex::new(pattern).unwrap().replace_all(&text, *mask).into_owned()
    };
    MASKS.iter().fold(text.to_owned(), mask)
}

/// One command of the page and the lines that are shown below it.
pub struct Typed {
    pub command: String,
    pub shown: Vec<String>,
}

/// A part of the page, from one heading to the next.
pub struct Section {
    heading: String,
    pub typed: Vec<Typed>,
}

pub fn sections(page: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut in_console = false;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push(Section { heading: heading.to_owned(), typed: Vec::new() });
        } else if line.starts_with("```") {
            in_console = line == "```console";
        } else if in_console {
            let section: &mut Section = sections.last_mut().expect("a heading before the first command");
            match (line.strip_prefix("$ "), section.typed.last_mut()) {
                (Some(command), _) => section.typed.push(Typed { command: command.to_owned(), shown: Vec::new() }),
                (None, Some(typed)) => typed.shown.push(line.to_owned()),
                (None, None) => panic!("{}: output without a command: {line}", section.heading),
            }
        }
    }
    sections
}

/// Whether the shown lines are those that came out, where an ellipsis stands for any number of them.
pub fn is_excerpt(shown: &[String], real: &[String]) -> bool {
    match shown.split_first() {
        None => real.is_empty(),
        Some((first, rest)) if first == "…" => (0..=real.len()).any(|skip| is_excerpt(rest, &real[skip..])),
        Some((first, rest)) => real.first() == Some(first) && is_excerpt(rest, &real[1..]),
    }
}

/// The operator's folder, and a shell in it.
struct Desk {
    folder: tempfile::TempDir,
    dir: PathBuf,
    path: String,
}

impl Desk {
    fn new() -> Self {
        // The agent's socket of a GnuPG home does not fit into a long path.
        let folder = tempfile::Builder::new().prefix("cg").tempdir_in("/tmp").unwrap();
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin("cutgate"), programs.join("cutgate")).unwrap();
        let path = format!("{}:/usr/bin:/bin", programs.display());
        Self { dir: folder.path().to_owned(), path, folder }
    }

    fn shell(&self) -> Command {
        let mut shell = Command::new("bash");
        shell.current_dir(&self.dir).env_clear().env("PATH", &self.path).env("LC_ALL", "C.UTF-8");
        shell
    }

    /// Both outputs of a line, as a terminal shows them.
    fn run(&self, line: &str) -> Vec<String> {
        let output = self.shell().args(["-c", &format!("exec 2>&1\n{line}")]).output().expect("bash");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.replace(self.folder.path().to_str().unwrap(), "/home/operator").lines().map(str::to_owned).collect()
    }

    /// An audit beside the tutorial's own: the states, the next steps by gap, the result.
    fn audit(&self) -> Audit {
        let reports = self.folder.path().join("beside");
        let line = format!("cutgate audit --format json --out {}", reports.display());
        let output = self.shell().args(["-c", &line]).output().expect("bash");
        let all: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let word = |value: &Value| value.as_str().expect("text").to_owned();
        let gaps = all["gates"].as_array().unwrap().iter();
        let gaps = gaps.map(|gate| (word(&gate["gap"]), (word(&gate["state"]), word(&gate["next"])))).collect();
        let result = format!("{} {}", word(&all["result"]["letter"]), word(&all["result"]["decisive"]));
        Audit { gaps, result, code: output.status.code() }
    }
}

struct Audit {
    gaps: BTreeMap<String, (String, String)>,
    result: String,
    code: Option<i32>,
}

impl Audit {
    /// The gaps in another state than before.
    fn changed<'a>(&'a self, before: &Self) -> Vec<&'a str> {
        self.gaps
            .iter()
            .filter(|(gap, (state, _))| before.gaps[*gap].0 != *state)
            .map(|(gap, _)| gap.as_str())
            .collect()
    }

    fn open(&self) -> Vec<&str> {
        self.gaps.iter().filter(|(_, (state, _))| state != "CLOSED").map(|(gap, _)| gap.as_str()).collect()
    }
}

/// What looks and changes nothing; every other command must be what `explain` has just said.
const LOOKS: &[&str] = &["cutgate ", "sha256sum ", "env PYTHONPATH=host/opt/cutter/v0.7 python3 -B -m cutter run "];

/// Types a section. The commands that were typed because the audit said so.
fn typed(desk: &mut Desk, section: &Section) -> Vec<String> {
    let mut next: Option<String> = None;
    let mut digest: Option<String> = None;
    let mut followed = Vec::new();
    let sha256 = Regex::new(r"\b[0-9a-f]{64}\b").unwrap();
    for Typed { command, shown } in &section.typed {
        if let Some(folder) = command.strip_prefix("cd ") {
            desk.dir.push(folder);
            continue;
        }
        let looks = LOOKS.iter().any(|look| command.starts_with(look));
        let line = if looks {
            command.clone()
        } else {
            let said = next.take().unwrap_or_else(|| panic!("{}: nothing told to type {command}", section.heading));
            assert_eq!(masked(command), masked(&said), "{}: the page types what the audit says", section.heading);
            if let (Some(pinned), Some(read)) = (sha256.find(&said), &digest) {
                assert_eq!(pinned.as_str(), read, "what is pinned is what was released");
            }
            followed.push(said.clone());
            said
        };
        let real = desk.run(&line);
        let (shown, seen): (Vec<_>, Vec<_>) =
            (shown.iter().map(|line| masked(line)).collect(), real.iter().map(|line| masked(line)).collect());
        let heading = &section.heading;
        assert!(
            is_excerpt(&shown, &seen),
            "{heading}: $ {command}\nshown:\n{}\nreal:\n{}",
            shown.join("\n"),
            seen.join("\n")
        );
        if command.starts_with("cutgate explain ") {
            next = real.last().and_then(|line| line.strip_prefix("next: ")).map(str::to_owned);
        }
        if command.starts_with("sha256sum ") {
            digest = sha256.find(&real[0]).map(|found| found.as_str().to_owned());
        }
    }
    followed
}

#[test]
fn each_step_closes_its_gap_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tutorial.md");
    let sections = sections(&std::fs::read_to_string(page).expect("docs/tutorial.md"));
    let mut desk = Desk::new();
    let (start, steps) = sections.split_first().expect("sections");
    assert_eq!(typed(&mut desk, start), [""; 0]);
    let mut before = desk.audit();
    assert_eq!((before.result.as_str(), before.code), ("C GAP-9", Some(1)));
    assert_eq!(before.open(), ["GAP-3", "GAP-4", "GAP-5", "GAP-6", "GAP-7", "GAP-8", "GAP-9"]);
    let mut closed = Vec::new();
    for section in steps {
        let gap = section.heading.split(':').next().filter(|word| word.starts_with("GAP-"));
        let followed = typed(&mut desk, section);
        let after = desk.audit();
        match gap {
            Some(gap) => {
                assert_eq!(
                    followed[0],
                    masked_instants(&before.gaps[gap].1, &followed[0]),
                    "the audit's own next step"
                );
                assert_eq!(after.changed(&before), [gap], "{}", section.heading);
                assert_eq!(after.gaps[gap].0, "CLOSED");
                closed.push(gap);
            }
            None => {
                assert_eq!(followed, [""; 0], "{}", section.heading);
                assert_eq!(after.changed(&before), [""; 0], "{}", section.heading);
            }
        }
        assert_eq!((after.result.get(..1), after.code), (Some("C"), Some(1)), "{}", section.heading);
        before = after;
    }
    assert_eq!(closed, ["GAP-3", "GAP-5", "GAP-4", "GAP-8", "GAP-9"]);
    assert_eq!(before.open(), ["GAP-6", "GAP-7"]);
    assert_eq!(before.result, "C GAP-6");
    assert_eq!(std::fs::read_dir(desk.dir.join("records/drills")).unwrap().count(), 0, "no drill record was made up");
}

/// `text` where it is `like` but for instants, for the audit that said so was another one than that of the section.
fn masked_instants(text: &str, like: &str) -> String {
    if masked(text) == masked(like) { like.to_owned() } else { text.to_owned() }
}

#[test]
fn an_excerpt_leaves_out_only_what_the_ellipsis_stands_for() {
    let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let real = lines("a b c d");
    for (shown, fits) in [
        ("a b c d", true),
        ("a … d", true),
        ("… d", true),
        ("a …", true),
        ("…", true),
        ("a b c", false),
        ("b …", false),
        ("… c", false),
        ("a … c", false),
        ("a … c b …", false),
        ("", false),
    ] {
        assert_eq!(is_excerpt(&lines(shown), &real), fits, "{shown}");
    }
}

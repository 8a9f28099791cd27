//! Traps: what other programs went green on. Each test is named after its trap and begins with a laboratory in which
//! nothing else is wrong, so that an audit of it ends in B with exit code 0: the trap alone keeps it from that.
//!
//! `docs/traps.md` lists them, and a test below compares the two.

mod files;
mod forgery;
mod gates;
mod meanwhile;
mod time;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use crate::stock_gates::ready::ready;

/// A laboratory that is ready, to lay a trap in.
pub struct Trap {
    pub lab: crate::stock_gates::Lab,
    _held: Arc<dyn Send + Sync>,
}

/// What the real program made of a laboratory.
#[derive(Debug)]
struct Seen {
    code: i32,
    letter: String,
    /// State and reason by gap.
    gaps: BTreeMap<String, (String, String)>,
    result: serde_json::Value,
}

impl Trap {
    pub fn new() -> Self {
        let (lab, held) = ready();
        Self { lab, _held: held }
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.lab.dir.join(inside)
    }

    pub fn shell(&self, line: &str) -> &Self {
        self.lab.shell(line);
        self
    }

    /// Replaces a text that must be there in a file of the laboratory.
    pub fn replace(&self, file: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{from} is in {file}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
        self
    }

    /// A program beside the package, which the package then names among its tools.
    pub fn tool(&self, script: &str) -> &Self {
        let path = self.path("tool");
        fs::write(&path, script).unwrap();
        self.shell("chmod 755 tool");
        self.replace("cutgate.toml", "tools = [\"gpg\"", &format!("tools = [\"{}\", \"gpg\"", path.display()))
    }

    /// A gate of the trap's own, for a gap of its own, over the facts of some probe.
    pub fn gate(&self, probe: &str, require: &str) -> &Self {
        let gap = "\n[gaps.GAP-10]\ntitle = \"trap\"\nclass = \"technical\"\nowner = \"nobody\"\ndecisive_rank = 10\n";
        let package = fs::read_to_string(self.path("cutgate.toml")).unwrap();
        fs::write(self.path("cutgate.toml"), package + gap).unwrap();
        fs::create_dir_all(self.path("gates")).unwrap();
        let gate = format!(
            "id = \"trap\"\ngap = \"GAP-10\"\nstage = \"G2\"\ntitle = \"a trap\"\nremedy = \"none\"\n\n[probe.it]\n{probe}\n\n\
             [[check]]\nid = \"trapped\"\ntier = \"essential\"\nrequire = '''{require}'''\notherwise = \"it does not hold\"\n"
        );
        fs::write(self.path("gates/trap.toml"), gate).unwrap();
        self
    }

    /// The real program with a scrubbed environment, in the package's folder.
    pub fn cutgate(&self, args: &[&str]) -> Output {
        self.command(assert_cmd::cargo::cargo_bin("cutgate").as_ref()).args(args).output().unwrap()
    }

    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&self.lab.dir);
        command
    }

    /// As [`Trap::cutgate`], as somebody to whom mode bits are bits: root without the two capabilities that see past
    /// them, or the user of the tests.
    pub fn cutgate_without_rights(&self, args: &[&str]) -> Output {
        if !rustix::process::geteuid().is_root() {
            return self.cutgate(args);
        }
        let mut command = self.command(Path::new("setpriv"));
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]);
        let output = command.arg(assert_cmd::cargo::cargo_bin("cutgate")).args(args).output();
        output.expect("setpriv is missing: apt-get install util-linux")
    }

    /// Audits.
    fn audit(&self) -> Seen {
        seen(&self.cutgate(&["audit", "--format", "json"]))
    }

    /// Audits a laboratory with a trap in it: blocked, not A, not B, not exit code 0.
    fn blocked(&self) -> Seen {
        self.blocked_in(&self.cutgate(&["audit", "--format", "json"]))
    }

    fn blocked_in(&self, output: &Output) -> Seen {
        let seen = seen(output);
        assert!(matches!(seen.code, 1 | 3) && seen.letter == "C", "{seen:#?}");
        seen
    }

    /// Nothing is judged: exit code 2, the words on standard error, no result, nothing published.
    fn refused(&self, args: &[&str], said: &str) {
        let output = self.cutgate(args);
        assert_eq!(output.status.code(), Some(2), "{}{}", text(&output.stdout), text(&output.stderr));
        assert!(text(&output.stderr).contains(said), "{said} is not in\n{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
        assert!(!self.path("reports").exists(), "nothing was published");
    }
}

impl Seen {
    /// Exactly one technical gap is not closed: this one, in this state, with these words.
    fn only(&self, gap: &str, state: &str, said: &str) {
        let open: Vec<_> = self.gaps.iter().filter(|(_, (state, _))| state != "CLOSED").map(|(id, _)| id).collect();
        assert_eq!(open.iter().filter(|id| **id != "GAP-7").collect::<Vec<_>>(), [&gap], "{:#?}", self.gaps);
        let found = &self.gaps[gap];
        assert!(found.0 == state && found.1.contains(said), "{found:?}");
        assert_eq!(self.code, if state == "UNKNOWN" { 3 } else { 1 });
    }

    /// Every technical gap is closed, and what blocks is something else.
    fn not_for_a_gap(&self, said: &str) {
        let closed = self.gaps.iter().filter(|(id, _)| *id != "GAP-7").all(|(_, (state, _))| state == "CLOSED");
        let reason = self.result["result"]["reason_blocking"].as_str().unwrap();
        assert!(closed && reason.contains(said), "{reason}\n{:#?}", self.gaps);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn seen(output: &Output) -> Seen {
    let result: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let gap = |gap: &serde_json::Value| (word(&gap["id"]), (word(&gap["state"]), word(&gap["reason"])));
    Seen {
        code: output.status.code().expect("it ended by itself"),
        letter: word(&result["result"]["letter"]),
        gaps: result["gaps"].as_array().unwrap().iter().map(gap).collect(),
        result,
    }
}

/// The other traps are what they are named after, because nothing is wrong here.
#[test]
fn without_a_trap_the_laboratory_is_ready() {
    let seen = Trap::new().audit();
    assert_eq!((seen.code, seen.letter.as_str()), (0, "B"), "{seen:#?}");
}

/// The page lists each trap with the test of that name, and no other.
#[test]
fn the_page_lists_every_trap() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for entry in fs::read_dir(root.join("tests/suite/traps")).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        for test in source.split("#[test]\nfn ").skip(1) {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            tests.insert(format!("{stem}::{}", test.split('(').next().unwrap()));
        }
    }
    let page = fs::read_to_string(root.join("docs/traps.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    let last = rows.flat_map(|row| {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        cell.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()
    });
    let listed: Vec<_> = last.collect();
    assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len(), "each once");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), tests);
}

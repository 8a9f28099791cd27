//! `demo --story` and the scenario `approval-ready`: types the story, or the first half of it, into a laboratory that was
//! just built, and shows what comes of it: blocked, the gaps closed one by one as each audit says, the revert rehearsed,
//! ready, approved, a run that fails and is taken back, and one that is verified. It decides nothing: every word of it is
//! printed by the commands that a person would type.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::CommandError;
use crate::report::escape::terminal;

/// The gaps in the order in which they are closed. Closing GAP-9 deploys another tree, so that some are closed again.
const GAPS: [&str; 9] = ["GAP-3", "GAP-4", "GAP-5", "GAP-8", "GAP-9", "GAP-1", "GAP-5", "GAP-8", "GAP-2"];

/// How often a gap's next step is typed before the story is given up.
const STEPS: usize = 8;

/// What the sovereign types, with the id of a review in its place.
const SIGN: &str = "grep '^  ' request.txt | sed 's/<the id of the fresh review decision>/REVIEW/' | bash";

/// Plays the story in the folder of a laboratory.
///
/// # Errors
/// When it takes another turn than it should: the command, and what it said.
pub fn play(dir: &Path) -> Result<(), CommandError> {
    let story = Story::of(dir)?;
    story.chapter("Blocked")?;
    story.types("cutgate audit | tail -n 6", 0)?;
    story.makes_ready()?;
    story.chapter("Ready")?;
    story.types("cutgate audit | tail -n 6", 0)?;
    story.chapter("Approved, and a run that fails: nothing is left of it")?;
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON cutter_governance_verify_result BEGIN SELECT RAISE(ABORT, 'the ledger is full'); END";
    story.types(&format!("sqlite3 governance.db \"{trigger}\""), 0)?;
    story.approve("RD-1")?;
    story.types("cutgate run \"$(sed -n 's/^run //p' request.txt)\"", 4)?;
    story.types("cutgate audit | grep ^result", 0)?;
    story.chapter("The cause is removed, and the next run is verified")?;
    story.types("sqlite3 governance.db 'DROP TRIGGER full'", 0)?;
    story.approve("RD-2")?;
    story.types("cutgate run \"$(sed -n 's/^run //p' request.txt)\"", 0)?;
    story.types("sqlite3 governance.db 'SELECT state, count(*) FROM information_unit GROUP BY state'", 0)?;
    story.chapter("Everything that was published, verified again")?;
    story.types("cutgate verify reports | sed '/^$/q'", 0).map(drop)
}

/// The part of the story that ends where only the approval is missing, in the folder of a laboratory.
///
/// # Errors
/// As [`play`].
pub fn prepare(dir: &Path) -> Result<(), CommandError> {
    let story = Story::of(dir)?;
    story.makes_ready()?;
    story.chapter("What an audit says of it")?;
    story.types("cutgate audit | tail -n 6", 0).map(drop)
}

struct Story {
    dir: PathBuf,
    program: PathBuf,
}

impl Story {
    fn of(dir: &Path) -> Result<Self, CommandError> {
        let program =
            std::env::current_exe().map_err(|error| told(format!("this program cannot be found: {error}")))?;
        Ok(Self { dir: dir.to_owned(), program })
    }

    /// Closes every technical gap.
    fn makes_ready(&self) -> Result<(), CommandError> {
        self.chapter("The gaps, closed as each audit says")?;
        GAPS.iter().try_for_each(|gap| self.close(gap))?;
        self.chapter("The revert: authored, and rehearsed")?;
        self.types("cp releases/v0.7/per-cut-revert.md kb/runbooks/", 0)?;
        self.types("cutgate drill", 0).map(drop)
    }

    /// Requests a run, and signs what the request says to sign.
    fn approve(&self, review: &str) -> Result<(), CommandError> {
        self.types("cutgate request > request.txt && head -n 3 request.txt", 0)?;
        self.types(&SIGN.replace("REVIEW", review), 0)?;
        self.types("cutgate audit | grep ^result", 0).map(drop)
    }

    /// Types the next step of a gap again and again until it is closed.
    fn close(&self, gap: &str) -> Result<(), CommandError> {
        for _ in 0..STEPS {
            let said = self.runs(&format!("cutgate explain {gap}"))?.0;
            if said.lines().nth(1).is_some_and(|line| line.starts_with("CLOSED")) {
                return self.says(&format!("{gap}: {}", said.lines().nth(1).unwrap_or_default()));
            }
            self.says(&format!("{gap}: {}", said.lines().nth(1).unwrap_or_default()))?;
            let next = said.lines().rev().find_map(|line| line.strip_prefix("next: "));
            let next = next.ok_or_else(|| told(format!("{gap} says nothing of what is next: {said}")))?;
            self.types(next, 0)?;
        }
        Err(told(format!("{gap} does not close")))
    }

    fn chapter(&self, heading: &str) -> Result<(), CommandError> {
        self.says(&format!("\n## {heading}"))
    }

    /// Shows a command, runs it, shows what it printed; it must end with this status.
    fn types(&self, line: &str, status: i32) -> Result<String, CommandError> {
        self.says(&format!("$ {line}"))?;
        let (said, code) = self.runs(line)?;
        said.lines().try_for_each(|line| self.says(line))?;
        if code == Some(status) {
            return Ok(said);
        }
        let how = code.map_or_else(|| "a signal".to_owned(), |code| format!("status {code}"));
        Err(told(format!("`{line}` ended with {how}, and not with {status}")))
    }

    /// What a line of shell prints in the laboratory, and its exit status.
    fn runs(&self, line: &str) -> Result<(String, Option<i32>), CommandError> {
        let script = format!("exec 2>&1\ncutgate() {{ \"$CUTGATE_PROGRAM\" \"$@\"; }}\n{line}");
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).env("CUTGATE_PROGRAM", &self.program).current_dir(&self.dir).stdin(Stdio::null());
        let output = bash.output().map_err(|error| told(format!("bash cannot be run: {error}")))?;
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code()))
    }

    fn says(&self, line: &str) -> Result<(), CommandError> {
        let shown = line.lines().map(|line| terminal(line).to_string()).collect::<Vec<_>>().join("\n");
        let lead = if line.starts_with('\n') { "\n" } else { "" };
        let shown = shown.trim_start_matches('\n');
        writeln!(std::io::stdout(), "{lead}{shown}").map_err(|error| told(format!("standard output: {error}")))
    }
}

fn told(reason: String) -> CommandError {
    CommandError::Usage(format!("the story took another turn: {reason}"))
}

//! The journal of one run: one line for each step, chained by digests, on the disk before the step is taken.
//!
//! The record of the run (`state.json`) is replaced whole at each step, before the journal's line of it. From either of them
//! a later command can tell whether anything was started; where they are damaged, that is taken to be so.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::evidence::{Digest256, Instant, RunEvidence, RunId, canonical_json};
use crate::report::sync_dir;

/// The journal's name in the folder of a run.
pub const JOURNAL: &str = "journal.jsonl";
/// The name of the run's record.
pub const STATE: &str = "state.json";
/// The name of the record of what was collected before.
pub const EVIDENCE: &str = "evidence.json";

/// A step of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Everything held, and the lock was taken.
    Opened,
    /// The state before was read.
    Read,
    /// The permit was signed, and is on no disk yet.
    Permitted,
    /// Everything was looked at once more, and nothing had changed.
    Rechecked,
    /// The approvals are spent.
    Consumed,
    /// The executor is about to be started.
    Starting,
    /// It was started.
    Started,
    /// It is gone.
    Ended,
    /// The state after it was read.
    Reread,
    /// The revert is about to be started.
    Reverting,
    /// The revert is gone.
    Reverted,
    /// The state after the revert was read.
    RereadAgain,
    /// Another command looked after it, after a crash.
    Recovering,
    /// The reports are published, and nothing is left to do.
    Settled,
    /// The reports are published, and a person is needed.
    Unsettled,
    /// A person decided what becomes of it, and the decision is published.
    Closed,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The number of the line, from 1.
    pub seq: u64,
    /// The digest of the line before, its end included; of nothing for the first.
    pub previous: Digest256,
    /// When.
    pub utc: Instant,
    /// The step.
    pub step: Step,
    /// What belongs to it: a digest, a process, a folder.
    pub said: String,
}

/// The journal of a run, open for its next line.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    seq: u64,
    previous: Digest256,
}

impl Journal {
    /// Opens the journal in the folder of a run, which may have none yet.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is broken.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let (lines, previous) = read(folder)?;
        let whole: u64 = lines.iter().map(|line| canonical_json(line).len() as u64).sum();
        let path = folder.join(JOURNAL);
        if path.metadata().is_ok_and(|seen| seen.len() > whole) {
            let cut = File::options().write(true).open(&path).and_then(|file| file.set_len(whole));
            cut.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(Self { folder: folder.to_owned(), seq: lines.last().map_or(0, |line| line.seq), previous })
    }

    /// Writes a step and waits until it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written: then the step must not be taken.
    pub fn note(&mut self, step: Step, said: &str, utc: Instant) -> Result<(), String> {
        let path = self.folder.join(JOURNAL);
        let line = Line { seq: self.seq + 1, previous: self.previous.clone(), utc, step, said: said.to_owned() };
        let bytes = canonical_json(&line);
        let write = || -> io::Result<()> {
            let mut file = File::options().create(true).append(true).open(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            sync_dir(&self.folder)
        };
        write().map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        crash_here(step);
        self.seq += 1;
        self.previous = Digest256::of(&bytes);
        Ok(())
    }

    /// The digest of the last line.
    pub fn digest(&self) -> &Digest256 {
        &self.previous
    }

    /// Replaces the record of the run, whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(&self, run: &RunEvidence) -> Result<(), String> {
        replace(&self.folder, STATE, &canonical_json(run))
    }
}

/// For tests of what a crash leaves, in builds for development only: kills this very process when the named step was noted.
fn crash_here(step: Step) {
    if !cfg!(debug_assertions) {
        return;
    }
    let Ok(wanted) = std::env::var("CUTGATE_TEST_CRASH_AT") else { return };
    if serde_json::to_value(step).is_ok_and(|name| name == wanted.as_str()) {
        let this = rustix::process::getpid();
        let _ = rustix::process::kill_process(this, rustix::process::Signal::KILL);
    }
}

/// Writes a file of a run's folder so that it is there whole, old or new, whatever happens.
///
/// # Errors
/// When it cannot be written.
pub fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let path = folder.join(name);
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".next-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        sync_dir(folder)
    };
    write().map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The lines of a journal and the digest of the last. A last line without its end was cut off by a crash before its step was
/// taken, and is left out.
///
/// # Errors
/// When it cannot be read, or a line of it is broken.
pub fn read(folder: &Path) -> Result<(Vec<Line>, Digest256), String> {
    let path = folder.join(JOURNAL);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut previous = Digest256::of(b"");
    for raw in text.split_inclusive(|byte| *byte == b'\n') {
        let broken = |why: String| format!("{}, line {}: {why}", path.display(), lines.len() + 1);
        if !raw.ends_with(b"\n") {
            break;
        }
        let line: Line = serde_json::from_slice(raw).map_err(|error| broken(error.to_string()))?;
        if line.previous != previous || line.seq != lines.len() as u64 + 1 {
            return Err(broken("it does not follow the line before".to_owned()));
        }
        previous = Digest256::of(raw);
        lines.push(line);
    }
    Ok((lines, previous))
}

/// What is known of a run from its folder.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// It was requested, and nothing was started.
    NotStarted,
    /// It was started, and is over: published, with nothing left to do but what a person decided.
    Settled(Box<RunEvidence>),
    /// It was started, or it cannot be told that it was not, and is not over. The record is as far as it is known; the
    /// text says what speaks for a start.
    Open(Box<RunEvidence>, String),
}

/// What is known of a run. Anything damaged counts as started: a run that was started is never called not started.
pub fn known(folder: &Path, run_id: &RunId) -> Known {
    let state = match fs::read(folder.join(STATE)) {
        Ok(bytes) => serde_json::from_slice::<RunEvidence>(&bytes).map(Some).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    let consumed = folder.join("consumed.json").symlink_metadata();
    let consumed = !matches!(consumed, Err(ref error) if error.kind() == io::ErrorKind::NotFound);
    let (lines, journal) = match read(folder) {
        Ok((lines, digest)) => (lines, Ok(digest)),
        Err(error) => (Vec::new(), Err(error)),
    };
    let begun = lines.iter().find(|line| line.step >= Step::Consumed).map(|line| line.utc);
    let unknown = || {
        let none = Digest256::of(b"");
        let payload = fs::read(folder.join("payload.json")).map_or(none, |bytes| Digest256::of(&bytes));
        RunEvidence::refused(run_id.clone(), payload, Vec::new())
    };
    let instant = || begun.or_else(|| run_id.instant()).unwrap_or_default();
    let with = |run: RunEvidence| {
        let begun = run.begun.or_else(|| Some(instant()));
        Box::new(RunEvidence { begun, journal_sha256: journal.clone().ok(), ..run })
    };
    match (state, &journal) {
        (Ok(None), Ok(_)) if begun.is_none() && !consumed => Known::NotStarted,
        (Ok(Some(run)), Ok(_)) if begun.is_none() && !consumed && run.begun.is_none() => Known::NotStarted,
        (Ok(Some(run)), Ok(_))
            if lines.last().is_some_and(|line| matches!(line.step, Step::Settled | Step::Closed)) =>
        {
            Known::Settled(with(run))
        }
        (Ok(Some(run)), Ok(_)) => {
            let last = lines.last().map_or("nothing", |line| word(line.step));
            Known::Open(with(run), format!("the last step in its journal is {last}"))
        }
        (Ok(None), Ok(_)) => Known::Open(with(unknown()), "its record is gone".to_owned()),
        (Err(error), _) => Known::Open(with(unknown()), format!("its record cannot be read: {error}")),
        (Ok(run), Err(error)) => Known::Open(with(run.unwrap_or_else(unknown)), error.clone()),
    }
}

/// Closes the journal of a run whose end a person decided.
///
/// # Errors
/// When it cannot be written: then the run stays open.
pub fn close_by_decision(folder: &Path, published: &str, utc: Instant) -> Result<(), String> {
    Journal::open(folder)?.note(Step::Closed, published, utc)
}

/// A step in words.
pub fn word(step: Step) -> &'static str {
    match step {
        Step::Opened => "opened",
        Step::Read => "read",
        Step::Permitted => "permitted",
        Step::Rechecked => "rechecked",
        Step::Consumed => "consumed",
        Step::Starting => "starting",
        Step::Started => "started",
        Step::Ended => "ended",
        Step::Reread => "reread",
        Step::Reverting => "reverting",
        Step::Reverted => "reverted",
        Step::RereadAgain => "reread-again",
        Step::Recovering => "recovering",
        Step::Settled => "settled",
        Step::Unsettled => "unsettled",
        Step::Closed => "closed",
    }
}

//! Publication: a numbered folder that appears whole or not at all, and a line in the ledger that chains it.
//!
//! Numbers are never reused and published reports are never edited. The ledger holds one canonical line per
//! publication with the digest of the line before, so that a missing, changed or renumbered one is seen.
//!
//! The process may be killed at any moment. A draft has a name that is no report's, and the next publication removes
//! it; the folder gets its name by one rename; the ledger, which alone makes it a report, is replaced by one rename
//! too, so that no line is ever in it in part. A folder that was named and not entered stays as it is, keeps its number,
//! and is spoken of by each audit and by `verify`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{checkpoint, void};
use crate::evidence::{Digest256, Instant, canonical_json};
use crate::probes::Secrets;
use crate::trust::Fingerprint;
use crate::trust::ed25519::SigningKey;

/// The ledger's file name, beside the numbered folders.
pub const LEDGER: &str = "ledger.jsonl";

/// Before the random part of a draft's name.
pub(super) const DRAFT: &str = ".draft-";

/// The next ledger, until it takes the place of the last one.
const NEXT_LEDGER: &str = ".ledger.next";

/// The format of a ledger line.
const LINE_FORMAT: &str = "cutgate-ledger/2";

/// The format before there were signatures and void numbers; its lines stay as they are.
const FIRST_FORMAT: &str = "cutgate-ledger/1";

/// The digest that the first line names as its predecessor's.
const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What a line of the ledger is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// An audit that was published.
    #[default]
    Audit,
    /// A number that was claimed and under which nothing was published.
    Void,
    /// The record of a rehearsal.
    Drill,
    /// A person's decision on a run that could not be brought to an end.
    Closure,
}

impl Entry {
    fn is_audit(&self) -> bool {
        *self == Self::Audit
    }
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLine {
    /// [`LINE_FORMAT`], or [`FIRST_FORMAT`] where it is older.
    pub format: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Entry::is_audit")]
    pub entry: Entry,
    /// The number of the publication, from 1.
    pub number: u64,
    /// The SHA-256 of the line before, newline included.
    pub previous: Digest256,
    /// The folder.
    pub folder: String,
    /// The result's letter; in the line of an audit only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub letter: String,
    /// The result's label; in the line of an audit only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The digest of every published file by name, signatures included; not in a void line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Digest256>,
    /// The fingerprints of those who signed every file; absent where nobody did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Fingerprint>,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file or folder could not be written or read.
    #[error("{tried} {path}: {error}; nothing was published")]
    Io {
        /// What was tried.
        tried: &'static str,
        /// Where.
        path: PathBuf,
        /// What came back.
        error: io::Error,
    },
    /// The ledger does not say what lies beside it.
    #[error("{ledger}, line {line}: {reason}; nothing was published, and the reports need an auditor's eye")]
    Ledger {
        /// The ledger.
        ledger: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The audit is published, and the checkpoint over the ledger is not.
    #[error("the audit is published, and the checkpoint over the ledger cannot be put in its place: {0}; run it again")]
    Checkpoint(io::Error),
    /// A secret value was about to be published.
    #[error(
        "a secret value that the audit met occurs in {file}; nothing was published; see which probe or text quotes it"
    )]
    Secret {
        /// The file in which it occurs.
        file: String,
    },
}

/// A number that was claimed, under the lock of the reports folder.
#[derive(Debug)]
pub struct Claim {
    root: PathBuf,
    number: u64,
    folder: String,
    previous: Digest256,
    voided: Vec<String>,
    lost: Vec<String>,
    /// Who signs the checkpoint over the ledger, where one is written.
    checkpoint: Option<SigningKey>,
    /// Holds the lock until the publication is done.
    _lock: File,
}

pub(super) fn failed<'a>(tried: &'static str, path: &'a Path) -> impl Fn(io::Error) -> PublishError + 'a {
    move |error| PublishError::Io { tried, path: path.to_owned(), error }
}

impl Claim {
    /// Creates `root` where it is missing, waits for its lock, checks the ledger, and takes the next number.
    ///
    /// # Errors
    /// When the folder cannot be written, or the ledger is broken.
    pub fn take(root: &Path, now: Instant) -> Result<Self, PublishError> {
        fs::create_dir_all(root).map_err(failed("create", root))?;
        let lock_path = root.join(".lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(failed("open", &lock_path))?;
        lock.lock().map_err(failed("lock", &lock_path))?;
        let lines = read_ledger(root)?;
        let _ = fs::remove_file(root.join(NEXT_LEDGER));
        let voided = void::record(root, &lines)?;
        let lines = if voided.is_empty() { lines } else { read_ledger(root)? };
        let lost = without_line(root, &lines)?;
        sweep(root);
        let (last, previous) = match lines.last() {
            Some((line, digest)) => (line.number, digest.clone()),
            None => (0, no_line()),
        };
        // A folder that a crash left without its line keeps its number for ever.
        let number = last.max(highest_folder(root)?) + 1;
        let folder = format!("{number:04}-{}", now.format("%Y%m%dT%H%M%SZ"));
        Ok(Self { root: root.to_owned(), number, folder, previous, voided, lost, checkpoint: None, _lock: lock })
    }

    /// The same claim, with a checkpoint over the ledger that `key` signs.
    #[must_use]
    pub fn with_checkpoint(self, key: SigningKey) -> Self {
        Self { checkpoint: Some(key), ..self }
    }

    /// Numbers that somebody claimed and did not publish, by the name of their folders: the ledger says so since this
    /// claim was taken.
    pub fn voided(&self) -> &[String] {
        &self.voided
    }

    /// The digest of the ledger's last line, which the next one follows.
    pub fn previous(&self) -> &Digest256 {
        &self.previous
    }

    /// Folders that have a number and no line in the ledger, by name.
    pub fn lost(&self) -> &[String] {
        &self.lost
    }

    /// The number as reports write it.
    pub fn number(&self) -> String {
        format!("{:04}", self.number)
    }

    /// The folder's name.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The number as the ledger has it.
    pub fn sequence(&self) -> u64 {
        self.number
    }

    /// Publishes the record of a rehearsal, which `signers` signed, in the same chain.
    ///
    /// # Errors
    /// As of [`Claim::publish`].
    pub fn publish_drill(
        self,
        files: &BTreeMap<String, Vec<u8>>,
        signers: &[Fingerprint],
        secrets: &Secrets,
    ) -> Result<PathBuf, PublishError> {
        self.enter(Entry::Drill, files, ("", ""), signers, secrets)
    }

    /// Publishes the decision by which a run was closed, which `signers` signed, in the same chain.
    ///
    /// # Errors
    /// As of [`Claim::publish`].
    pub fn publish_closure(
        self,
        files: &BTreeMap<String, Vec<u8>>,
        signers: &[Fingerprint],
        secrets: &Secrets,
    ) -> Result<PathBuf, PublishError> {
        self.enter(Entry::Closure, files, ("", ""), signers, secrets)
    }

    /// Searches the files for secrets, writes them into the folder, and adds the ledger's line. `signers` are those of
    /// whom each file has a signature beside it. Returns the folder's path.
    ///
    /// # Errors
    /// When a secret occurs, or something cannot be written: then the folder does not exist.
    pub fn publish(
        self,
        files: &BTreeMap<String, Vec<u8>>,
        letter: &str,
        label: &str,
        signers: &[Fingerprint],
        secrets: &Secrets,
    ) -> Result<PathBuf, PublishError> {
        self.enter(Entry::Audit, files, (letter, label), signers, secrets)
    }

    fn enter(
        self,
        entry: Entry,
        files: &BTreeMap<String, Vec<u8>>,
        (letter, label): (&str, &str),
        signers: &[Fingerprint],
        secrets: &Secrets,
    ) -> Result<PathBuf, PublishError> {
        if let Some((file, _)) = files.iter().find(|(_, bytes)| secrets.occur_in(bytes)) {
            return Err(PublishError::Secret { file: file.clone() });
        }
        let line = LedgerLine {
            format: LINE_FORMAT.to_owned(),
            entry,
            number: self.number,
            previous: self.previous.clone(),
            folder: self.folder.clone(),
            letter: letter.to_owned(),
            label: label.to_owned(),
            files: files.iter().map(|(name, bytes)| (name.clone(), Digest256::of(bytes))).collect(),
            signers: signers.to_vec(),
        };
        // The number is claimed by the draft's name: what is left of it after a crash makes the number void.
        let claim = format!("{DRAFT}{}-", self.folder);
        let draft = tempfile::Builder::new().prefix(&claim).tempdir_in(&self.root);
        let draft = draft.map_err(failed("create a folder in", &self.root))?;
        write_synced(draft.path(), files)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(draft.path(), mode).map_err(failed("set the mode of", draft.path()))?;
        sync_dir(draft.path()).map_err(failed("sync", draft.path()))?;
        let target = self.root.join(&self.folder);
        fs::rename(draft.path(), &target).map_err(failed("publish as", &target))?;
        let ledger = self.root.join(LEDGER);
        sync_dir(&self.root).map_err(failed("sync", &self.root))?;
        let line = canonical_json(&line);
        // Made before the line is there, so that only a rename comes between the two.
        if let Some(key) = &self.checkpoint {
            checkpoint::prepare(&self.root, &line, key).map_err(failed("write a checkpoint beside", &ledger))?;
        }
        add_line(&self.root, &line).map_err(failed("add a line to", &ledger))?;
        if self.checkpoint.is_some() {
            checkpoint::put(&self.root).map_err(PublishError::Checkpoint)?;
        }
        sync_dir(&self.root).map_err(failed("sync", &self.root))?;
        Ok(target)
    }
}

/// Writes every file, then syncs all of them at once: a journal commits them together, where it would commit twelve
/// times if each was waited for.
///
/// # Errors
/// When a file exists already, or cannot be written.
pub fn write_synced(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), PublishError> {
    let mut written = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let path = folder.join(name);
        let mut file = File::create_new(&path).map_err(failed("write", &path))?;
        file.write_all(bytes).map_err(failed("write", &path))?;
        written.push((path, file));
    }
    let synced: Vec<io::Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = written.iter().map(|(_, file)| scope.spawn(|| file.sync_all())).collect();
        threads.into_iter().map(|thread| thread.join().expect("invariant: syncing does not panic")).collect()
    });
    let mut outcomes = written.iter().zip(synced);
    outcomes.try_for_each(|((path, _), outcome)| outcome.map_err(failed("write", path)))
}

/// Puts a ledger with one line more in the place of the last one. Appending would do, but for a process that is killed
/// in the middle of it: what it leaves is a line that is none, and a ledger that nobody can add to.
pub(super) fn add_line(root: &Path, line: &[u8]) -> io::Result<()> {
    let (ledger, next) = (root.join(LEDGER), root.join(NEXT_LEDGER));
    let (mut bytes, permissions) = match File::open(&ledger) {
        Ok(mut file) => {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut file, &mut bytes)?;
            (bytes, Some(file.metadata()?.permissions()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), None),
        Err(error) => return Err(error),
    };
    bytes.extend_from_slice(line);
    let mut file = File::create_new(&next)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    if let Some(permissions) = permissions {
        fs::set_permissions(&next, permissions)?;
    }
    fs::rename(&next, &ledger)
}

/// Removes what an audit that was killed left behind. Only called under the lock, so that nobody is at work on it.
fn sweep(root: &Path) {
    // What cannot be removed harms nothing: its name is no report's.
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(DRAFT.as_bytes()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Waits until a folder's entries are on the disk.
///
/// # Errors
/// When it cannot be opened or written.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// What the first line names as the digest of the line before.
pub(super) fn no_line() -> Digest256 {
    Digest256::try_from(NO_LINE.to_owned()).expect("invariant: 64 hex digits")
}

fn highest_folder(root: &Path) -> Result<u64, PublishError> {
    Ok(numbered(root)?.into_iter().map(|(number, _)| number).max().unwrap_or(0))
}

/// Everything beside the ledger whose name begins with a number and a dash.
pub(super) fn numbered(root: &Path) -> Result<Vec<(u64, String)>, PublishError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).map_err(failed("list", root))? {
        let name = entry.map_err(failed("list", root))?.file_name().to_string_lossy().into_owned();
        let number = name.split_once('-').and_then(|(digits, _)| digits.parse().ok());
        found.extend(number.map(|number: u64| (number, name)));
    }
    found.sort();
    Ok(found)
}

/// The folders beside the ledger that have a number and no line in it, by name: audits that were cut off between the
/// two, or a line that somebody took away.
///
/// # Errors
/// When the folder cannot be listed.
pub fn without_line(root: &Path, lines: &[(LedgerLine, Digest256)]) -> Result<Vec<String>, PublishError> {
    let known = |name: &String| lines.iter().any(|(line, _)| line.folder == *name);
    Ok(numbered_names(root)?.into_iter().filter(|name| !known(name)).collect())
}

/// The names beside the ledger that begin with a number.
pub(super) fn numbered_names(root: &Path) -> Result<Vec<String>, PublishError> {
    Ok(numbered(root)?.into_iter().map(|(_, name)| name).collect())
}

/// The instant of the newest audit that the ledger names, by the clocks of those who made them.
///
/// # Errors
/// When the ledger is broken.
pub fn newest(root: &Path) -> Result<Option<Instant>, PublishError> {
    Ok(read_ledger(root)?.iter().filter_map(|(line, _)| line.instant()).max())
}

impl LedgerLine {
    /// A line that says that nothing was published under a number.
    pub(super) fn void(number: u64, folder: &str, previous: Digest256) -> Self {
        Self {
            format: LINE_FORMAT.to_owned(),
            entry: Entry::Void,
            number,
            previous,
            folder: folder.to_owned(),
            letter: String::new(),
            label: String::new(),
            files: BTreeMap::new(),
            signers: Vec::new(),
        }
    }

    /// Whether it says what a line of its kind and format says, and no more.
    fn whole(&self) -> bool {
        let said = [!self.letter.is_empty(), !self.label.is_empty(), !self.files.is_empty()];
        let first = self.format == FIRST_FORMAT;
        match self.entry {
            Entry::Audit => said.iter().all(|said| *said) && (!first || self.signers.is_empty()),
            Entry::Void => !said.iter().any(|said| *said) && self.signers.is_empty() && !first,
            Entry::Drill | Entry::Closure => said == [false, false, true] && !self.signers.is_empty() && !first,
        }
    }

    /// The instant in the folder's name; none in a name that is not of our making.
    pub(super) fn instant(&self) -> Option<Instant> {
        let (number, instant) = self.folder.split_once('-')?;
        let instant = chrono::NaiveDateTime::parse_from_str(instant, "%Y%m%dT%H%M%SZ").ok()?;
        (number == format!("{:04}", self.number)).then(|| instant.and_utc())
    }
}

/// The ledger's lines, each with its digest; checks that they chain. There are none where there is no ledger.
///
/// # Errors
/// When it cannot be read, or a line is not what the chain says.
pub fn read_ledger(root: &Path) -> Result<Vec<(LedgerLine, Digest256)>, PublishError> {
    let path = root.join(LEDGER);
    match fs::read(&path) {
        Ok(bytes) => parse_ledger(&bytes, &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

/// As [`read_ledger`], from the bytes of the ledger at `path`.
///
/// # Errors
/// When a line is not what the chain says.
pub fn parse_ledger(bytes: &[u8], path: &Path) -> Result<Vec<(LedgerLine, Digest256)>, PublishError> {
    let text = std::str::from_utf8(bytes).map_err(|error| PublishError::Ledger {
        ledger: path.to_owned(),
        line: bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count(),
        reason: "it is not text".to_owned(),
    })?;
    let mut lines: Vec<(LedgerLine, Digest256)> = Vec::new();
    for (index, raw) in text.split_inclusive('\n').enumerate() {
        let broken = |reason: String| PublishError::Ledger { ledger: path.to_owned(), line: index + 1, reason };
        let line: LedgerLine = serde_json::from_str(raw).map_err(|error| broken(error.to_string()))?;
        if ![LINE_FORMAT, FIRST_FORMAT].contains(&line.format.as_str()) {
            return Err(broken(format!("the format is {:?}, not {LINE_FORMAT:?}", line.format)));
        }
        if !line.whole() {
            return Err(broken("it does not say what a line of its kind says".to_owned()));
        }
        let expected = lines.last().map_or(NO_LINE, |(_, digest)| digest.as_str());
        if line.instant().is_none() {
            return Err(broken(format!("{:?} is no folder of number {}", line.folder, line.number)));
        }
        if line.previous.as_str() != expected {
            return Err(broken("it does not follow the line before: one was changed, removed or added".to_owned()));
        }
        if lines.last().is_some_and(|(last, _)| line.number <= last.number) {
            return Err(broken(format!("number {} was given before", line.number)));
        }
        if canonical_json(&line) != raw.as_bytes() {
            return Err(broken("it is not in canonical form".to_owned()));
        }
        lines.push((line, Digest256::of(raw.as_bytes())));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;

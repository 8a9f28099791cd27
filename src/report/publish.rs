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

use super::checkpoint;
use crate::evidence::{Digest256, Instant, canonical_json};
use crate::probes::Secrets;
use crate::trust::ed25519::SigningKey;

/// The ledger's file name, beside the numbered folders.
pub const LEDGER: &str = "ledger.jsonl";

/// Before the random part of a draft's name.
const DRAFT: &str = ".draft-";

/// The next ledger, until it takes the place of the last one.
const NEXT_LEDGER: &str = ".ledger.next";

/// The format of a ledger line.
const LINE_FORMAT: &str = "cutgate-ledger/1";

/// The digest that the first line names as its predecessor's.
const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLine {
    /// [`LINE_FORMAT`].
    pub format: String,
    /// The number of the publication, from 1.
    pub number: u64,
    /// The SHA-256 of the line before, newline included.
    pub previous: Digest256,
    /// The folder.
    pub folder: String,
    /// The result's letter.
    pub letter: String,
    /// The result's label.
    pub label: String,
    /// The digest of every published file by name.
    pub files: BTreeMap<String, Digest256>,
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
    lost: Vec<String>,
    /// Who signs the checkpoint over the ledger, where one is written.
    checkpoint: Option<SigningKey>,
    /// Holds the lock until the publication is done.
    _lock: File,
}

fn failed<'a>(tried: &'static str, path: &'a Path) -> impl Fn(io::Error) -> PublishError + 'a {
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
        let lost = without_line(root, &lines)?;
        sweep(root);
        let (last, previous) = match lines.last() {
            Some((line, digest)) => (line.number, digest.clone()),
            None => (0, Digest256::try_from(NO_LINE.to_owned()).expect("invariant: 64 hex digits")),
        };
        // A folder that a crash left without its line keeps its number for ever.
        let number = last.max(highest_folder(root)?) + 1;
        let folder = format!("{number:04}-{}", now.format("%Y%m%dT%H%M%SZ"));
        Ok(Self { root: root.to_owned(), number, folder, previous, lost, checkpoint: None, _lock: lock })
    }

    /// The same claim, with a checkpoint over the ledger that `key` signs.
    #[must_use]
    pub fn with_checkpoint(self, key: SigningKey) -> Self {
        Self { checkpoint: Some(key), ..self }
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

    /// Searches the files for secrets, writes them into the folder, and adds the ledger's line. Returns the
    /// folder's path.
    ///
    /// # Errors
    /// When a secret occurs, or something cannot be written: then the folder does not exist.
    pub fn publish(
        self,
        files: &BTreeMap<String, Vec<u8>>,
        letter: &str,
        label: &str,
        secrets: &Secrets,
    ) -> Result<PathBuf, PublishError> {
        if let Some((file, _)) = files.iter().find(|(_, bytes)| secrets.occur_in(bytes)) {
            return Err(PublishError::Secret { file: file.clone() });
        }
        let line = LedgerLine {
            format: LINE_FORMAT.to_owned(),
            number: self.number,
            previous: self.previous.clone(),
            folder: self.folder.clone(),
            letter: letter.to_owned(),
            label: label.to_owned(),
            files: files.iter().map(|(name, bytes)| (name.clone(), Digest256::of(bytes))).collect(),
        };
        let draft = tempfile::Builder::new().prefix(DRAFT).tempdir_in(&self.root);
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
fn add_line(root: &Path, line: &[u8]) -> io::Result<()> {
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
    let _ = fs::remove_file(root.join(NEXT_LEDGER));
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

fn highest_folder(root: &Path) -> Result<u64, PublishError> {
    Ok(numbered(root)?.into_iter().map(|(number, _)| number).max().unwrap_or(0))
}

/// Everything beside the ledger whose name begins with a number and a dash.
fn numbered(root: &Path) -> Result<Vec<(u64, String)>, PublishError> {
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
    Ok(numbered(root)?.into_iter().map(|(_, name)| name).filter(|name| !known(name)).collect())
}

/// The instant of the newest audit that the ledger names, by the clocks of those who made them.
///
/// # Errors
/// When the ledger is broken.
pub fn newest(root: &Path) -> Result<Option<Instant>, PublishError> {
    Ok(read_ledger(root)?.iter().filter_map(|(line, _)| line.instant()).max())
}

impl LedgerLine {
    /// The instant in the folder's name; none in a name that is not of our making.
    fn instant(&self) -> Option<Instant> {
        let (number, instant) = self.folder.split_once('-')?;
        let instant = chrono::NaiveDateTime::parse_from_str(instant, "%Y%m%dT%H%M%SZ").ok()?;
        (number == format!("{:04}", self.number)).then(|| instant.and_utc())
    }
}

/// The ledger's lines, each with its digest; checks that they chain.
///
/// # Errors
/// When it cannot be read, or a line is not what the chain says.
pub fn read_ledger(root: &Path) -> Result<Vec<(LedgerLine, Digest256)>, PublishError> {
    let path = root.join(LEDGER);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let mut lines: Vec<(LedgerLine, Digest256)> = Vec::new();
    for (index, raw) in text.split_inclusive('\n').enumerate() {
        let broken = |reason: String| PublishError::Ledger { ledger: path.clone(), line: index + 1, reason };
        let line: LedgerLine = serde_json::from_str(raw).map_err(|error| broken(error.to_string()))?;
        if line.format != LINE_FORMAT {
            return Err(broken(format!("the format is {:?}, not {LINE_FORMAT:?}", line.format)));
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
mod tests {
    use super::*;

    fn files() -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([("08-x.md".to_owned(), b"# Report\n".to_vec())])
    }

    fn publish(root: &Path, secrets: &Secrets) -> Result<PathBuf, PublishError> {
        let claim = Claim::take(root, "2026-05-21T10:00:00Z".parse().unwrap())?;
        claim.publish(&files(), "C", "BLOCKED_WITH_EXACT_O8_GAP", secrets)
    }

    #[test]
    fn numbers_run_on_and_lines_chain() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..3).map(|_| publish(dir.path(), &Secrets::default()).unwrap()).collect();
        let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["0001-20260521T100000Z", "0002-20260521T100000Z", "0003-20260521T100000Z"]);
        assert_eq!(read_ledger(dir.path()).unwrap().len(), 3);
    }

    #[test]
    fn a_number_of_a_folder_without_a_line_is_not_reused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("0007-20260521T100000Z")).unwrap();
        assert!(publish(dir.path(), &Secrets::default()).unwrap().ends_with("0008-20260521T100000Z"));
    }

    #[test]
    fn a_broken_ledger_stops_publication() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            publish(dir.path(), &Secrets::default()).unwrap();
        }
        let path = dir.path().join(LEDGER);
        let good = fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = good.lines().collect();
        let broken = [
            format!("{}\n{}\n", lines[0], lines[2]),
            format!("{}\n{}\n", lines[1], lines[2]),
            good.replacen("\"C\"", "\"B\"", 1),
            format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]),
            good.replacen("{\"files\"", "{ \"files\"", 1),
            format!("{good}{}\n", lines[2]),
            format!("{good}{{\n"),
        ];
        for text in broken {
            fs::write(&path, &text).unwrap();
            assert!(matches!(publish(dir.path(), &Secrets::default()), Err(PublishError::Ledger { .. })), "{text}");
        }
    }

    #[test]
    fn a_secret_stops_publication() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        secrets.keep("Report");
        assert!(matches!(publish(dir.path(), &secrets), Err(PublishError::Secret { .. })));
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".lock"]);
    }

    #[test]
    fn forty_at_once_get_forty_numbers() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| publish(dir.path(), &Secrets::default()).unwrap());
            }
        });
        let numbers: Vec<_> = read_ledger(dir.path()).unwrap().iter().map(|(line, _)| line.number).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    }
}

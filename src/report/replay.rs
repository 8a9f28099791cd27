//! Replay: the recorded rules judge the recorded evidence again, and every published byte must come out the
//! same. Needs neither the host nor the package, only the published folder and the ledger beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::publish::{LEDGER, read_ledger, without_line};
use super::{Dossier, PackageLock, PublishError, RenderError, Templates, report_set};
use crate::evidence::{Digest256, EVIDENCE_FORMAT, Evidence, Recorded};
use crate::gates;
use crate::package::Sources;

/// What a replay proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The number of the publication.
    pub number: u64,
    /// The published files, all of them equal to what the recorded evidence and rules give.
    pub files: Vec<String>,
    /// The version of the program that made them.
    pub made_by: String,
    /// The result.
    pub result: String,
    /// When the evidence was collected, by the clock of the machine that did it.
    pub utc: String,
    /// How many lines of the ledger chain up to the newest one.
    pub ledger_lines: usize,
    /// Folders beside it that have a number and no line in the ledger, so that they are no reports.
    pub without_line: Vec<String>,
}

/// The first thing that does not match.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The folder or a file cannot be read: nothing is proved.
    #[error("cannot read {path}: {error}; give the folder of one published audit, with {LEDGER} beside it")]
    Io {
        /// Where.
        path: PathBuf,
        /// What came back.
        error: io::Error,
    },
    /// The ledger is broken.
    #[error(transparent)]
    Ledger(#[from] PublishError),
    /// The ledger does not name the folder.
    #[error("{0}: the ledger has no line for this folder")]
    NotInLedger(String),
    /// A file is missing, was added, or is not what was published.
    #[error("{file}: {reason}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The recorded rules cannot be run.
    #[error("package.lock.json: {0}")]
    Rules(String),
    /// A report cannot be rendered again.
    #[error(transparent)]
    Render(#[from] RenderError),
}

fn mismatch(file: &str, reason: impl Into<String>) -> ReplayError {
    ReplayError::File { file: file.to_owned(), reason: reason.into() }
}

/// Verifies one published folder.
///
/// # Errors
/// The first thing that does not match, or that cannot be read.
pub fn replay(folder: &Path) -> Result<Replayed, ReplayError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| ReplayError::Io { path, error }
    };
    let folder = fs::canonicalize(folder).map_err(unreadable(folder))?;
    let (Some(root), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str())) else {
        return Err(unreadable(&folder)(io::Error::from(io::ErrorKind::NotFound)));
    };
    let published = published(&folder).map_err(unreadable(&folder))?;
    let ledger = read_ledger(root)?;
    let line = ledger.iter().map(|(line, _)| line).find(|line| line.folder == name);
    let line = line.ok_or_else(|| ReplayError::NotInLedger(name.to_owned()))?;
    for (file, digest) in &line.files {
        let bytes = published.get(file).ok_or_else(|| mismatch(file, "it was published and is missing"))?;
        if Digest256::of(bytes) != *digest {
            return Err(mismatch(file, "it is not what was published: its digest differs from the ledger's"));
        }
    }
    if let Some(file) = published.keys().find(|file| !line.files.contains_key(*file)) {
        return Err(mismatch(file, "it was not published: the ledger does not name it"));
    }
    let (lock, files) = again(&published, &line.number, name)?;
    for (file, bytes) in &files {
        if published.get(file) != Some(bytes) {
            return Err(mismatch(file, "the recorded evidence and rules do not give these bytes"));
        }
    }
    if let Some(file) = published.keys().find(|file| !files.contains_key(*file)) {
        return Err(mismatch(file, "the recorded evidence and rules do not give this file"));
    }
    let evidence: Evidence = parsed(&published, "evidence.json")?;
    Ok(Replayed {
        number: line.number,
        files: files.into_keys().collect(),
        made_by: format!("{} {}", lock.tool, lock.version),
        result: format!("{} — {}", line.letter, line.label),
        utc: super::dossier::utc(evidence.now),
        ledger_lines: ledger.len(),
        without_line: without_line(root, &ledger)?,
    })
}

/// Every file of the folder; anything that is not a regular file is an error.
fn published(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            return Err(io::Error::other(format!("{} is not a regular file", entry.path().display())));
        }
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(files)
}

fn parsed<T: serde::de::DeserializeOwned>(published: &BTreeMap<String, Vec<u8>>, file: &str) -> Result<T, ReplayError> {
    let bytes = published.get(file).ok_or_else(|| mismatch(file, "it is missing"))?;
    serde_json::from_slice(bytes).map_err(|error| mismatch(file, error.to_string()))
}

/// Judges and renders everything again from what was recorded.
fn again(
    published: &BTreeMap<String, Vec<u8>>,
    number: &u64,
    name: &str,
) -> Result<(PackageLock, BTreeMap<String, Vec<u8>>), ReplayError> {
    let lock: PackageLock = parsed(published, "package.lock.json")?;
    let evidence: Evidence = parsed(published, "evidence.json")?;
    if evidence.format != EVIDENCE_FORMAT {
        let reason = format!("the format is {:?}, and this program reads {EVIDENCE_FORMAT:?}", evidence.format);
        return Err(mismatch("evidence.json", reason));
    }
    if lock.version != super::Tool::THIS.version {
        // The rules travel in the lock, the judge does not: another version may judge differently.
        let this = super::Tool::THIS.version;
        return Err(ReplayError::Rules(format!(
            "made by version {}, and this is {this}; verify with that version",
            lock.version
        )));
    }
    let texts = lock.files.iter().map(|(name, locked)| (name.clone(), locked.text.clone().into_bytes())).collect();
    let loaded =
        gates::check(&Sources::recorded(&texts)).map_err(|problems| ReplayError::Rules(problems.to_string()))?;
    let templates =
        Templates(lock.templates.iter().map(|(name, locked)| (name.clone(), locked.text.clone())).collect());
    let recorded = Recorded::of(evidence);
    let dossier = Dossier::assemble(&loaded, &recorded);
    let dossier = dossier.published(&format!("{number:04}"), name, &recorded.evidence);
    let files = report_set(&loaded, &templates, &recorded, &dossier)?;
    Ok((lock, files))
}

//! Replay: the recorded rules judge the recorded evidence again, and every published byte must come out the
//! same. Needs neither the host nor the package, only the published folder and the ledger beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::publish::{LEDGER, read_ledger, without_line};
use super::{Attested, Dossier, PackageLock, PublishError, RenderError, RuleDigests, Templates, envelopes, report_set};
use crate::classify::RunOutcome;
use crate::evidence::{Digest256, EVIDENCE_FORMAT, Evidence, Recorded};
use crate::gates::{self, Loaded};
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

/// A published audit that replays, with everything that it was judged from. What is here was read once: it is what
/// the ledger names and what was judged again.
#[derive(Debug)]
pub struct Proved {
    /// What the replay proved.
    pub replayed: Replayed,
    /// The recorded rules.
    pub loaded: Loaded,
    /// The recorded evidence.
    pub recorded: Recorded,
    /// What is said about it.
    pub dossier: Dossier,
    /// The rules as they were recorded, with the version that judged.
    pub lock: PackageLock,
    /// The digests of the reports and the data beside them, by name.
    pub digests: BTreeMap<String, Digest256>,
    /// The envelopes that were published with them, unopened.
    pub envelopes: BTreeMap<String, Vec<u8>>,
    /// The folder with the ledger.
    pub reports: PathBuf,
    /// Which line of the ledger speaks of it, from 1.
    pub line: usize,
}

impl Proved {
    /// What envelopes of this audit attest.
    pub fn attested(&self) -> Attested<'_> {
        let templates = self.lock.templates.iter().map(|(name, locked)| (name.clone(), locked.text.clone()));
        let rules = RuleDigests::of(&self.loaded.files, &Templates(templates.collect()));
        Attested { dossier: &self.dossier, rules, files: self.digests.clone() }
    }
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
    Ok(prove(folder)?.replayed)
}

/// As [`replay`], with what was read.
///
/// # Errors
/// As [`replay`].
pub fn prove(folder: &Path) -> Result<Proved, ReplayError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| ReplayError::Io { path, error }
    };
    let folder = fs::canonicalize(folder).map_err(unreadable(folder))?;
    let (Some(root), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str())) else {
        return Err(unreadable(&folder)(io::Error::from(io::ErrorKind::NotFound)));
    };
    let mut published = published(&folder).map_err(unreadable(&folder))?;
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
    // What they say is compared with what comes of this (`envelopes::check`).
    let envelopes = envelopes::take(&mut published);
    let Again { loaded, lock, recorded, dossier, files } = again(&published, &line.number, name)?;
    for (file, bytes) in &files {
        if published.get(file) != Some(bytes) {
            return Err(mismatch(file, "the recorded evidence and rules do not give these bytes"));
        }
    }
    if let Some(file) = published.keys().find(|file| !files.contains_key(*file)) {
        return Err(mismatch(file, "the recorded evidence and rules do not give this file"));
    }
    let digests = files.iter().map(|(name, bytes)| (name.clone(), Digest256::of(bytes))).collect();
    let result = format!("{} — {}", line.letter, line.label);
    let (reports, number) = (root.to_owned(), line.number);
    let line = ledger.iter().take_while(|(line, _)| line.number < number).count() + 1;
    let replayed = Replayed {
        number,
        files: files.into_keys().collect(),
        made_by: format!("{} {}", lock.tool, lock.version),
        result,
        utc: super::dossier::utc(recorded.evidence.now),
        ledger_lines: ledger.len(),
        without_line: without_line(root, &ledger)?,
    };
    let proved = Proved { replayed, loaded, recorded, dossier, lock, digests, envelopes, reports, line };
    envelopes::check(&proved.attested(), &proved.envelopes, &[])?;
    Ok(proved)
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

/// Everything that comes of what was recorded.
struct Again {
    loaded: Loaded,
    lock: PackageLock,
    recorded: Recorded,
    dossier: Dossier,
    files: BTreeMap<String, Vec<u8>>,
}

/// Judges and renders everything again from what was recorded.
fn again(published: &BTreeMap<String, Vec<u8>>, number: &u64, name: &str) -> Result<Again, ReplayError> {
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
    let dossier = Dossier::assemble(&loaded, &recorded, RunOutcome::NotStarted);
    let dossier = dossier.published(&format!("{number:04}"), name, &recorded.evidence);
    let files = report_set(&loaded, &templates, &recorded, &dossier)?;
    Ok(Again { loaded, lock, recorded, dossier, files })
}

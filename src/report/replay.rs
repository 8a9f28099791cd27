//! Replay: the signatures hold, the recorded rules judge the recorded evidence again, and every published byte must come
//! out the same. Needs neither the host nor the package, only the published folder and the ledger beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::publish::{Entry, LEDGER, LedgerLine, PublishError, numbered_names, parse_ledger};
use super::signed::{Authorship, Keys, SIGNATURE, authorship, recorded_previous};
use super::{
    Attested, Attestor, Dossier, PackageLock, RenderError, RuleDigests, Templates, Tool, envelopes, report_set,
};
use crate::evidence::{Digest256, EVIDENCE_FORMAT, Evidence, Instant, Recorded};
use crate::gates::{self, Loaded};
use crate::package::Sources;
use crate::trust::ed25519::VerifyingKey;

/// What a replay proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The number of the publication.
    pub number: u64,
    /// The published files, all of them equal to what the recorded evidence and rules give; signatures are not among
    /// them.
    pub files: Vec<String>,
    /// The version of the program that made them.
    pub made_by: String,
    /// The result.
    pub result: String,
    /// When the evidence was collected, by the clock of the machine that did it.
    pub utc: String,
    /// Who made it, as far as signatures say.
    pub authorship: Authorship,
    /// Whether the published result names the ledger's line before its own.
    pub chained: bool,
    /// How many lines of the ledger chain up to the newest one.
    pub ledger_lines: usize,
    /// The digest of the newest line.
    pub head: Digest256,
    /// The number of the newest line.
    pub newest: u64,
    /// Folders that the ledger records as void.
    pub void: Vec<String>,
    /// Audits that the ledger names and that are not beside it.
    pub gone: Vec<String>,
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
    /// The bytes of the ledger.
    pub ledger: Vec<u8>,
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

    /// Who sealed its envelopes, as [`envelopes::check`] finds; what they attest is made only where there is something to
    /// check.
    ///
    /// # Errors
    /// As [`envelopes::check`].
    pub fn attestor(&self, keys: &[VerifyingKey]) -> Result<Option<Attestor>, ReplayError> {
        if self.envelopes.is_empty() && keys.is_empty() {
            return Ok(None);
        }
        envelopes::check(&self.attested(), &self.envelopes, keys)
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
    /// The ledger says that nothing was published there.
    #[error("{0}: the ledger records this number as void: nothing in the folder is a report")]
    Void(String),
    /// The ledger says that a rehearsal was published there.
    #[error("{0}: the ledger has the record of a rehearsal under this number, and no audit")]
    Drill(String),
    /// The ledger says that a run was closed there.
    #[error("{0}: the ledger has a decision on a run under this number, and no audit")]
    Closure(String),
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

pub(super) fn mismatch(file: &str, reason: impl Into<String>) -> ReplayError {
    ReplayError::File { file: file.to_owned(), reason: reason.into() }
}

/// A published audit as it lies on the disk.
#[derive(Clone, Debug)]
pub struct Published {
    /// The folder's name.
    pub folder: String,
    /// Its files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The bytes of the ledger beside it; none where there is no ledger.
    pub ledger: Vec<u8>,
    /// Where the ledger lies.
    pub ledger_path: PathBuf,
    /// The names beside it that begin with a number.
    pub beside: Vec<String>,
}

impl Published {
    /// Reads a published folder and what lies beside it.
    ///
    /// # Errors
    /// What cannot be read; anything in the folder that is not a regular file.
    pub fn read(folder: &Path) -> Result<Self, ReplayError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |error| ReplayError::Io { path, error }
        };
        let folder = fs::canonicalize(folder).map_err(unreadable(folder))?;
        let (Some(root), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str())) else {
            return Err(unreadable(&folder)(io::Error::from(io::ErrorKind::NotFound)));
        };
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let entry = entry.map_err(unreadable(&folder))?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if !entry.file_type().map_err(unreadable(&path))?.is_file() {
                return Err(mismatch(&name, "it is not a regular file"));
            }
            files.insert(name, fs::read(&path).map_err(unreadable(&path))?);
        }
        let ledger_path = root.join(LEDGER);
        let ledger = match fs::read(&ledger_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(unreadable(&ledger_path))?,
        };
        let beside = numbered_names(root)?;
        Ok(Self { folder: name.to_owned(), files, ledger, ledger_path, beside })
    }

    /// Whether the ledger names signers of it; not where the ledger cannot be read.
    pub fn is_signed(&self) -> bool {
        let lines = parse_ledger(&self.ledger, &self.ledger_path).unwrap_or_default();
        lines.iter().any(|(line, _)| line.folder == self.folder && !line.signers.is_empty())
    }
}

/// Verifies one published folder, at the moment `at`.
///
/// # Errors
/// The first thing that does not match, or that cannot be read.
pub fn replay(folder: &Path, keys: &Keys, at: Instant) -> Result<Replayed, ReplayError> {
    verify(&Published::read(folder)?, keys, at)
}

/// As [`replay`], from what was read.
///
/// # Errors
/// The first thing that does not match.
pub fn verify(published: &Published, keys: &Keys, at: Instant) -> Result<Replayed, ReplayError> {
    Ok(prove(published, keys, at)?.replayed)
}

/// As [`verify`], with what was judged. Envelopes are checked with the key that they name themselves.
///
/// # Errors
/// As [`verify`].
pub fn prove(published: &Published, keys: &Keys, at: Instant) -> Result<Proved, ReplayError> {
    let Published { folder, files, .. } = published;
    let ledger = parse_ledger(&published.ledger, &published.ledger_path)?;
    let line = ledger.iter().map(|(line, _)| line).find(|line| line.folder == *folder);
    let line = line.ok_or_else(|| ReplayError::NotInLedger(folder.clone()))?;
    match line.entry {
        Entry::Audit => {}
        Entry::Void => return Err(ReplayError::Void(folder.clone())),
        Entry::Drill => return Err(ReplayError::Drill(folder.clone())),
        Entry::Closure => return Err(ReplayError::Closure(folder.clone())),
    }
    are_published(line, files)?;
    the_result_is_the_ledgers(files, line)?;
    let lock: PackageLock = parsed(files, "package.lock.json")?;
    let evidence: Evidence = parsed(files, "evidence.json")?;
    let utc = super::dossier::utc(evidence.now);
    let authorship = authorship(files, line, &lock.signers, keys, at)?;
    let previous = recorded_previous(files, line);
    let chained = previous.is_some();
    let Again { loaded, recorded, dossier, files: again } = again(&lock, evidence, line, previous)?;
    // What envelopes say is compared with what comes of this, below.
    let envelopes = envelopes::among(files);
    let unsigned = || {
        let others = files.iter().filter(|(name, _)| !envelopes.contains_key(*name));
        others.filter(|(name, _)| line.signers.is_empty() || !name.ends_with(SIGNATURE))
    };
    let version = other_version(&lock);
    for (file, bytes) in &again {
        if files.get(file) != Some(bytes) {
            return Err(mismatch(file, format!("the recorded evidence and rules do not give these bytes{version}")));
        }
    }
    if let Some((file, _)) = unsigned().find(|(file, _)| !again.contains_key(*file)) {
        return Err(mismatch(file, format!("the recorded evidence and rules do not give this file{version}")));
    }
    let known = |name: &&String| !ledger.iter().any(|(line, _)| line.folder == **name);
    let void = ledger.iter().filter(|(line, _)| line.entry == Entry::Void);
    let audits = ledger.iter().filter(|(line, _)| line.entry != Entry::Void).map(|(line, _)| &line.folder);
    let (newest, head) = ledger.last().expect("invariant: the line was found in it");
    // These are the published bytes, whose digests were compared with the ledger's.
    let digests = line.files.iter().filter(|(name, _)| again.contains_key(*name));
    let digests = digests.map(|(name, digest)| (name.clone(), digest.clone())).collect();
    let replayed = Replayed {
        number: line.number,
        files: again.into_keys().collect(),
        made_by: format!("{} {}", lock.tool, lock.version),
        result: format!("{} — {}", line.letter, line.label),
        utc,
        authorship,
        chained,
        ledger_lines: ledger.len(),
        head: head.clone(),
        newest: newest.number,
        void: void.map(|(line, _)| line.folder.clone()).collect(),
        gone: audits.filter(|name| !published.beside.contains(name)).cloned().collect(),
        without_line: published.beside.iter().filter(known).cloned().collect(),
    };
    let reports = published.ledger_path.parent().map(Path::to_owned).unwrap_or_default();
    let line = ledger.iter().take_while(|(before, _)| before.number < line.number).count() + 1;
    let ledger = published.ledger.clone();
    let proved = Proved { replayed, loaded, recorded, dossier, lock, digests, envelopes, ledger, reports, line };
    proved.attestor(&[])?;
    Ok(proved)
}

/// Whether the files are those that the ledger names, all of them and no others.
///
/// # Errors
/// The first that is not.
pub(super) fn are_published(line: &LedgerLine, files: &BTreeMap<String, Vec<u8>>) -> Result<(), ReplayError> {
    for file in line.files.keys() {
        is_published(line, file, files.get(file).map(Vec::as_slice))?;
    }
    match files.keys().find(|file| !line.files.contains_key(*file)) {
        Some(file) => Err(mismatch(file, "it was not published: the ledger does not name it")),
        None => Ok(()),
    }
}

/// Whether a file is what the ledger names.
///
/// # Errors
/// When it is missing, or its digest is another.
pub fn is_published(line: &LedgerLine, file: &str, bytes: Option<&[u8]>) -> Result<(), ReplayError> {
    let digest =
        line.files.get(file).ok_or_else(|| mismatch(file, "it was not published: the ledger does not name it"))?;
    let bytes = bytes.ok_or_else(|| mismatch(file, "it was published and is missing"))?;
    if Digest256::of(bytes) != *digest {
        return Err(mismatch(file, "it is not what was published: its digest differs from the ledger's"));
    }
    Ok(())
}

/// The ledger's own words about the result are those of the published one, which is compared with the evidence later.
fn the_result_is_the_ledgers(files: &BTreeMap<String, Vec<u8>>, line: &LedgerLine) -> Result<(), ReplayError> {
    /// What the ledger says as well; the rest is only passed over here.
    #[derive(Deserialize)]
    struct Told {
        result: Verdict,
    }
    #[derive(Deserialize)]
    struct Verdict {
        letter: String,
        label: String,
    }
    let Told { result } = parsed(files, "result.json")?;
    if (result.letter, result.label) == (line.letter.clone(), line.label.clone()) {
        return Ok(());
    }
    let reason = format!("the ledger says {} — {}, and it says another result", line.letter, line.label);
    Err(mismatch("result.json", reason))
}

fn parsed<T: serde::de::DeserializeOwned>(files: &BTreeMap<String, Vec<u8>>, file: &str) -> Result<T, ReplayError> {
    let bytes = files.get(file).ok_or_else(|| mismatch(file, "it is missing"))?;
    serde_json::from_slice(bytes).map_err(|error| mismatch(file, error.to_string()))
}

/// What is added where something differs and another version made it. The rules travel in the lock, the judge does not.
fn other_version(lock: &PackageLock) -> String {
    let this = Tool::THIS.version;
    if lock.version == this {
        return String::new();
    }
    format!("; version {} made them, and this is {this}: verify with that version", lock.version)
}

/// Everything that comes of what was recorded.
struct Again {
    loaded: Loaded,
    recorded: Recorded,
    dossier: Dossier,
    files: BTreeMap<String, Vec<u8>>,
}

/// Judges and renders everything again from what was recorded.
fn again(
    lock: &PackageLock,
    evidence: Evidence,
    line: &LedgerLine,
    previous: Option<Digest256>,
) -> Result<Again, ReplayError> {
    if evidence.format != EVIDENCE_FORMAT {
        let reason = format!("the format is {:?}, and this program reads {EVIDENCE_FORMAT:?}", evidence.format);
        return Err(mismatch("evidence.json", reason));
    }
    let texts = lock.files.iter().map(|(name, locked)| (name.clone(), locked.text.clone().into_bytes())).collect();
    let loaded = gates::check(&Sources::recorded(&texts))
        .map_err(|problems| ReplayError::Rules(format!("{problems}{}", other_version(lock))))?;
    let templates =
        Templates(lock.templates.iter().map(|(name, locked)| (name.clone(), locked.text.clone())).collect());
    let recorded = Recorded::of(evidence);
    let tool = Tool { name: lock.tool.clone().into(), version: lock.version.clone().into() };
    let dossier = Dossier::assemble(&loaded, &recorded).made_by(tool);
    let dossier = dossier.published(&format!("{:04}", line.number), &line.folder, &recorded.evidence);
    let dossier = dossier.chained(previous, lock.signers.clone());
    let pinned = &loaded.package.trust.auditor;
    if let Some(signer) = lock.signers.keys().find(|signer| !pinned.is_empty() && !pinned.contains(signer)) {
        return Err(ReplayError::Rules(format!("the package did not let {signer} sign reports")));
    }
    let files = report_set(&loaded, &templates, &recorded, &dossier)?;
    Ok(Again { loaded, recorded, dossier, files })
}

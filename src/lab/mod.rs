//! The laboratory: a folder with a complete situation of real parts, as an operator would have had them.
//! Real keys made by `gpg`, a Python tree that runs, a registry, a knowledge base, and a dry-run record that
//! the tree's own program wrote.
//!
//! It lays out facts and judges none: nothing here may say what an audit of the folder will find. The files
//! come from `lab/` at the top of the repository, the cutter's releases from `examples/cutter/`, and travel inside the
//! program. A file that is *added* there is noticed by the compiler once this module is compiled again.

mod keys;
mod layout;
mod programs;
mod proof;
mod registry;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use chrono::Utc;

use crate::evidence::Digest256;

pub use keys::Keys;
pub use layout::Accounts;
use layout::Layout;
use programs::Programs;

/// The target that the laboratory's dry run is about.
pub const TARGET: &str = "ICX-CONST";

/// The laboratory's package file before its placeholders, names between at-signs, are filled in.
pub const PACKAGE_TEMPLATE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/cutgate.toml"));

/// A situation that can be laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The reference: a deployed tree that cannot write, and most prerequisites missing.
    O8Blocked,
    /// The same folder, in which the commands that the audits name are typed until only the approval is missing.
    ApprovalReady,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: &[Self] = &[Self::O8Blocked, Self::ApprovalReady];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::O8Blocked => "o8-blocked",
            Self::ApprovalReady => "approval-ready",
        }
    }

    /// The scenario of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scenario| scenario.name() == name)
    }
}

/// What was laid out.
#[derive(Clone, Debug)]
pub struct Built {
    /// The folder, absolute.
    pub dir: PathBuf,
    /// The digest of the deployed v0.6 tree: SHA-256 over its sorted manifest lines.
    pub tree_digest: Digest256,
    /// The same for the v0.4 skeleton.
    pub skeleton_digest: Digest256,
    /// The dry-run record, relative to the folder.
    pub dry_run_record: PathBuf,
    /// The demonstration keys.
    pub keys: Keys,
    /// The users that the laboratory's `etc/passwd` names.
    pub accounts: Accounts,
}

/// Why a laboratory could not be built. In every case nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The folder holds something.
    #[error("{} is not empty: name a folder that does not exist yet, or empty this one", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// Something else than a folder has that name.
    #[error("{} exists and is not a folder: choose another name", dir.display())]
    NotAFolder {
        /// The path.
        dir: PathBuf,
    },
    /// The folder above does not exist.
    #[error("{} does not exist: create it with mkdir -p {}", parent.display(), parent.display())]
    NoParent {
        /// The folder above.
        parent: PathBuf,
    },
    /// Programs are not installed.
    #[error(
        "the laboratory needs what is not in the search path: {programs}; install it with sudo apt-get install -y {packages}"
    )]
    MissingPrograms {
        /// All of them.
        programs: String,
        /// Debian's packages that have them.
        packages: String,
    },
    /// The Python interpreter cannot run the tree.
    #[error("the laboratory needs Python 3.9 or later with sqlite3, and {} is not that: {said}", program.display())]
    Python {
        /// The interpreter.
        program: PathBuf,
        /// Its words.
        said: String,
    },
    /// A program could not be started or failed.
    #[error("{command} failed ({status}): {said}; run it by hand to see why")]
    Program {
        /// The command, as one would type it.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to standard error.
        said: String,
    },
    /// A file or folder could not be written or read.
    #[error("cannot {doing} {}: {source}; see that the folder is writable and the disk not full", path.display())]
    File {
        /// What was attempted: a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The registry could not be filled.
    #[error("the registry could not be filled from {step}: {source}; this is a mistake in the laboratory's files")]
    Registry {
        /// The file that was being applied.
        step: String,
        /// SQLite's answer.
        source: rusqlite::Error,
    },
    /// A file of the laboratory has a name between at-signs that nothing fills.
    #[error("lab/{file} has the placeholder @{name}@, which nothing fills: known are {known}")]
    Placeholder {
        /// The file.
        file: String,
        /// The unknown name.
        name: String,
        /// The known names.
        known: String,
    },
    /// The dry run's record is not what it must be.
    #[error("the dry run's record {} is not to be relied on: {said}; this is a mistake in the laboratory", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// What is wrong.
        said: String,
    },
}

/// Builds the laboratory in `dir`, which must not exist or be empty. It is built beside `dir` and moved into
/// place whole. Programs are looked for in the search path of this process.
///
/// # Errors
/// See [`LabError`]. After an error `dir` is as it was.
pub fn build(dir: &Path, scenario: Scenario) -> Result<Built, LabError> {
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    build_with(dir, scenario, &search_path)
}

/// As [`build`], with programs looked for in `search_path` only.
///
/// # Errors
/// See [`LabError`].
pub fn build_with(dir: &Path, scenario: Scenario, search_path: &OsStr) -> Result<Built, LabError> {
    let place = vacant(dir)?;
    let programs = Programs::find(search_path)?;
    let parent = place.parent().unwrap_or(Path::new("/"));
    let scratch = tempfile::Builder::new()
        .prefix(".cutgate-lab-")
        .tempdir_in(parent)
        .map_err(|source| LabError::File { doing: "create a folder in", path: parent.to_owned(), source })?;
    let built = match scenario {
        // What makes the second one ready is not laid out: it is done, by `commands`, with ordinary tools.
        Scenario::O8Blocked | Scenario::ApprovalReady => lay_out(scratch.path(), &place, &programs)?,
    };
    layout::set_mode(scratch.path(), 0o755)?;
    std::fs::rename(scratch.path(), &place).map_err(|source| LabError::File {
        doing: "move the laboratory to",
        path: place.clone(),
        source,
    })?;
    // The folder has its final name now, so there is nothing to clear away.
    let _ = scratch.keep();
    Ok(built)
}

/// The absolute path of `dir`, if a laboratory may be put there.
fn vacant(dir: &Path) -> Result<PathBuf, LabError> {
    let looking = |source| LabError::File { doing: "look at", path: dir.to_owned(), source };
    match std::fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(LabError::NotEmpty { dir: dir.to_owned() }),
            None => dir.canonicalize().map_err(looking),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(LabError::NotAFolder { dir: dir.to_owned() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if dir.is_symlink() {
                return Err(LabError::NotAFolder { dir: dir.to_owned() });
            }
            let absolute = std::path::absolute(dir).map_err(looking)?;
            let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
                return Err(LabError::NotAFolder { dir: dir.to_owned() });
            };
            match parent.canonicalize() {
                Ok(parent) => Ok(parent.join(name)),
                Err(_) => Err(LabError::NoParent { parent: parent.to_owned() }),
            }
        }
        Err(error) => Err(looking(error)),
    }
}

/// Lays everything out in `scratch`, which is to become `place`.
fn lay_out(scratch: &Path, place: &Path, programs: &Programs) -> Result<Built, LabError> {
    let layout = Layout::new(scratch);
    layout.write_files()?;
    let tree_digest = proof::write_manifest(&scratch.join("host/opt/cutter/v0.6"))?;
    proof::write_manifest(&scratch.join("releases/v0.7"))?;
    let skeleton_digest = proof::write_manifest(&scratch.join("host/opt/cutter/v0.4"))?;
    registry::write(&scratch.join("governance.db"))?;
    let keys = keys::make(scratch, programs)?;
    let accounts = Accounts::here();
    let record = proof::dry_run(scratch, programs, &tree_digest, Utc::now())?;
    let (host, commit) = layout.identity()?;
    let (cutter_uid, cutter_gid) = (accounts.cutter.0.to_string(), accounts.cutter.1.to_string());
    let (exec_uid, exec_gid) = (accounts.executor.0.to_string(), accounts.executor.1.to_string());
    layout.write_templates(&[
        ("HOST", &host),
        ("COMMIT", &commit),
        ("TREE_DIGEST", tree_digest.as_str()),
        ("SKELETON_DIGEST", skeleton_digest.as_str()),
        ("DRY_RUN_RECORD", &record),
        ("SOVEREIGN_FPR", &keys.sovereign),
        ("OPERATOR_FPR", &keys.operator),
        ("AUDITOR_FPR", &keys.auditor),
        ("BACKUP_FPR", &keys.backup),
        ("CUTTER_UID", &cutter_uid),
        ("CUTTER_GID", &cutter_gid),
        ("EXEC_UID", &exec_uid),
        ("EXEC_GID", &exec_gid),
    ])?;
    let dry_run_record = PathBuf::from(record);
    Ok(Built { dir: place.to_owned(), tree_digest, skeleton_digest, dry_run_record, keys, accounts })
}

//! `audit --baseline`: the exit code asks whether a gate is worse than in a published audit, and nothing else.

use std::path::Path;

use super::CommandError;
use super::keys::KeyArgs;
use crate::classify::{Invariants, Letter, RunOutcome};
use crate::gates::GapState;
use crate::report::{Baseline, Dossier, LEDGER, Proved, Published, ReplayError, prove};

/// The published audit in a folder, or the one that a file lies in. It must verify: what was altered vouches for nothing.
///
/// # Errors
/// A folder that cannot be read; an audit that does not verify.
pub fn proved(named: &Path, package: &Path) -> Result<Proved, CommandError> {
    let differs = |error: ReplayError| CommandError::Compared(named.display().to_string(), error);
    let folder = match named.is_file() {
        true => named.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        false => named,
    };
    // A file that lies elsewhere is no published one, whatever it holds.
    let beside = folder.canonicalize().ok().and_then(|folder| folder.parent().map(|root| root.join(LEDGER)));
    if named.is_file() && !beside.is_some_and(|ledger| ledger.is_file()) {
        return Err(differs(ReplayError::NotInLedger("the folder of the file".to_owned())));
    }
    let published = Published::read(folder).map_err(differs)?;
    // A file beside the published ones is none of them.
    if let Some(name) = named.file_name().filter(|_| named.is_file())
        && !published.files.contains_key(&*name.to_string_lossy())
    {
        return Err(CommandError::Usage(format!("{} is no file of a published audit", named.display())));
    }
    let keys = KeyArgs { key: Vec::new(), at: None };
    let pinned = keys.keys(package, published.is_signed())?;
    prove(&published, &pinned, keys.instant().0).map_err(differs)
}

/// The exit code: that of the gates that are worse. What belongs to no gate blocks as ever; D stays D.
pub fn exit_code(baseline: &Baseline, whole: Option<&Dossier>, refused: bool) -> u8 {
    if let Some(dossier) = whole.filter(|dossier| dossier.result.ruling.letter == Letter::D) {
        return crate::report::exit_code(dossier, Letter::B);
    }
    let unseen = whole.is_some_and(|dossier| {
        dossier.result.run == RunOutcome::Unseen || dossier.result.invariants == Invariants::Unknown
    });
    if unseen || baseline.blocking().any(|gate| gate.new == Some(GapState::Unknown)) {
        return 3;
    }
    let changed = whole.is_some_and(|dossier| dossier.result.invariants == Invariants::Changed);
    u8::from(changed || refused || baseline.blocking().next().is_some())
}

//! The record of a rehearsal among what was published: the ledger names its files, and the record names its place in the ledger.

use super::publish::{Entry, parse_ledger};
use super::replay::{Published, ReplayError, are_published, mismatch};
use crate::evidence::{DrillRecord, Instant, RehearsalRecord, canonical_json};
use crate::trust::{Cert, Fingerprint, verify_detached};

/// The name of the record in its folder.
pub const DRILL: &str = "drill.json";
/// The name of its signature.
pub const DRILL_SIGNATURE: &str = "drill.json.asc";

/// What is known of a published record.
#[derive(Debug)]
pub struct Rehearsal {
    /// The record.
    pub record: DrillRecord,
    /// Whom the ledger names as its signer.
    pub signers: Vec<Fingerprint>,
    /// Whether the signature of a pinned key was verified; false where nobody is pinned.
    pub vouched: bool,
}

impl Published {
    /// Whether the ledger says that the folder holds such an entry; not where the ledger cannot be read.
    pub fn is(&self, entry: Entry) -> bool {
        let lines = parse_ledger(&self.ledger, &self.ledger_path).unwrap_or_default();
        lines.iter().any(|(line, _)| line.folder == self.folder && line.entry == entry)
    }
}

/// Checks a published record of a rehearsal: its files, its place in the chain, and its signature where `pinned` names keys
/// and `certs` holds them. `None` where the ledger says that the folder holds something else.
///
/// # Errors
/// The first thing that does not match.
pub fn rehearsal(
    published: &Published,
    pinned: &[Fingerprint],
    certs: &[Cert],
    at: Instant,
) -> Result<Option<Rehearsal>, ReplayError> {
    let ledger = parse_ledger(&published.ledger, &published.ledger_path)?;
    let Some((line, _)) = ledger.iter().find(|(line, _)| line.folder == published.folder) else { return Ok(None) };
    if line.entry != Entry::Drill {
        return Ok(None);
    }
    are_published(line, &published.files)?;
    let file = |name: &str| published.files.get(name).ok_or_else(|| mismatch(name, "it is missing"));
    let (bytes, signature) = (file(DRILL)?, file(DRILL_SIGNATURE)?);
    let record: DrillRecord =
        serde_json::from_slice(bytes).map_err(|error| mismatch(DRILL, format!("it is no record: {error}")))?;
    record.check().map_err(|reason| mismatch(DRILL, reason))?;
    if canonical_json(&record) != *bytes {
        return Err(mismatch(DRILL, "it is not in canonical form"));
    }
    let place = record.published.as_ref().map(|it| (it.number, it.previous.clone()));
    if place != Some((line.number, line.previous.clone())) {
        return Err(mismatch(DRILL, "it does not name its own place in the ledger"));
    }
    let vouched = !pinned.is_empty();
    if vouched {
        let verdict = verify_detached(signature, bytes, certs, pinned, at);
        if verdict.counted.is_empty() {
            return Err(mismatch(
                DRILL_SIGNATURE,
                format!("no pinned operator signed the record: {}", verdict.reasons()),
            ));
        }
    }
    Ok(Some(Rehearsal { record, signers: line.signers.clone(), vouched }))
}

//! The decision by which a run was closed, among what was published: the ledger names its files, and the record names the
//! decision and its place in the ledger.

use super::publish::{Entry, parse_ledger};
use super::replay::{Published, ReplayError, are_published, mismatch};
use crate::evidence::{CLOSURE_FORMAT, Closure, Digest256, Instant, canonical_json};
use crate::trust::{Cert, Fingerprint, verify_detached};

/// The name of the record in its folder.
pub const CLOSURE: &str = "closure.json";
/// The name of the decision.
pub const DECISION: &str = "decision.md";
/// The name of its signature.
pub const DECISION_SIGNATURE: &str = "decision.md.asc";

/// What is known of a published closure.
#[derive(Debug)]
pub struct Closed {
    /// The record.
    pub record: Closure,
    /// Whether enough pinned keys signed the decision; false where nobody is pinned.
    pub vouched: bool,
}

/// Checks a published closure: its files, its place in the chain, and the decision's signatures where `pinned` names keys, of which
/// `threshold` must have signed. `None` where the ledger says that the folder holds something else.
///
/// # Errors
/// The first thing that does not match.
pub fn closure(
    published: &Published,
    pinned: &[Fingerprint],
    threshold: usize,
    certs: &[Cert],
    at: Instant,
) -> Result<Option<Closed>, ReplayError> {
    let ledger = parse_ledger(&published.ledger, &published.ledger_path)?;
    let Some((line, _)) = ledger.iter().find(|(line, _)| line.folder == published.folder) else { return Ok(None) };
    if line.entry != Entry::Closure {
        return Ok(None);
    }
    are_published(line, &published.files)?;
    let file = |name: &str| published.files.get(name).ok_or_else(|| mismatch(name, "it is missing"));
    let (bytes, decision, signature) = (file(CLOSURE)?, file(DECISION)?, file(DECISION_SIGNATURE)?);
    let record: Closure =
        serde_json::from_slice(bytes).map_err(|error| mismatch(CLOSURE, format!("it is no record: {error}")))?;
    if record.format != CLOSURE_FORMAT || canonical_json(&record) != *bytes {
        return Err(mismatch(CLOSURE, "it is not a record of this format in canonical form"));
    }
    if (record.number, &record.previous) != (line.number, &line.previous) {
        return Err(mismatch(CLOSURE, "it does not name its own place in the ledger"));
    }
    if record.decision_sha256 != Digest256::of(decision) {
        return Err(mismatch(DECISION, "it is not the decision that the record names"));
    }
    let vouched = !pinned.is_empty();
    if vouched {
        let verdict = verify_detached(signature, decision, certs, pinned, at);
        if verdict.counted.len() < threshold.max(1) {
            let said = format!(
                "{} of {threshold} pinned keys signed the decision: {}",
                verdict.counted.len(),
                verdict.reasons()
            );
            return Err(mismatch(DECISION_SIGNATURE, said));
        }
    }
    Ok(Some(Closed { record, vouched }))
}

//! Whether an audit speaks of one moment: what was measured before and after is the same, could be measured, and the
//! clock ran forwards. Pure.

use super::dossier::utc;
use crate::classify::Invariants;
use crate::evidence::Evidence;
use crate::gates::{AttestationRow, AttestationStatus, Basis};

/// What keeps an audit from speaking of one moment.
pub(super) struct Disturbed {
    pub invariants: Invariants,
    /// What happened.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

impl Disturbed {
    /// The worst that is known: a change before what could not be measured, that before a clock that went back.
    pub fn of(attestation: &[AttestationRow], evidence: &Evidence) -> Option<Self> {
        let row = |status: AttestationStatus| {
            let mut rows = attestation.iter().filter(|row| row.basis == Basis::MEASURED);
            rows.find(|row| row.status == status).map(|row| format!("{}: {}", row.action, row.ground))
        };
        // Whatever the basis: a transaction of ours that wrote is a change as well.
        let mut rows = attestation.iter().filter(|row| row.status == AttestationStatus::Changed);
        let changed = rows.next().map(|row| format!("{}: {}", row.action, row.ground)).map(|what| {
            let next = "see who changed it, and run the audit again when nobody does".to_owned();
            Self { invariants: Invariants::Changed, what, next }
        });
        let unread = || {
            let next = "see why it could not be measured, and run the audit again".to_owned();
            row(AttestationStatus::NotAttested).map(|what| Self { invariants: Invariants::Unknown, what, next })
        };
        let set_back = || {
            let next = "set the clock, and run the audit again; where the clock of the earlier audit was wrong, begin another ledger with --out".to_owned();
            set_back(evidence).map(|what| Self { invariants: Invariants::Unknown, what, next })
        };
        changed.or_else(unread).or_else(set_back)
    }
}

/// Whether time ran backwards: before what the ledger knows, or while the audit was reading. Ages are then not ages.
fn set_back(evidence: &Evidence) -> Option<String> {
    let now = evidence.now;
    if let Some(newest) = evidence.process.newest_before.filter(|newest| *newest > now) {
        return Some(format!(
            "the clock was set back: it says {}, and the newest audit in the ledger is of {}",
            utc(now),
            utc(newest)
        ));
    }
    let sides = evidence.before.values().chain(evidence.probes.values()).chain(evidence.after.values());
    let early = sides.map(|seen| seen.started.min(seen.finished)).min().filter(|earliest| *earliest < now)?;
    Some(format!("the clock was set back during the audit: it began at {} and read at {}", utc(now), utc(early)))
}

//! Gates: what they are in files, how they are checked, and how evidence is judged by them.
//!
//! [`load`] reads a package with its gates: `package/` checks `cutgate.toml`, this room checks the gate
//! files (`file` → `check`) and the attestation rows, which quote facts, against it. This room imports
//! `package/`, never the other way round.

mod attest;
mod attestation;
mod check;
mod evaluate;
pub mod expr;
mod file;
mod finding;
mod load;
mod location;
mod request;
mod selection;
pub mod trial;
mod waiver;

use std::collections::BTreeMap;

pub use attest::{AttestationRow, AttestationStatus, attest, unlike};
pub use attestation::{Basis, Forbidden, Proof};
pub use evaluate::{closing, evaluate, explain};
pub use finding::{CheckFinding, CheckOutcome, Finding, GapState, Tier, state_of};
pub use load::{Loaded, check, load};
pub use location::{Location, Waypoint, locations};
pub use request::{Bound, RequestRules};
pub use selection::{WaiverRules, never_waived};
pub use waiver::{AppliedWaiver, WaiverFault, WaiverFinding, WaiverStanding, waived};

use crate::package::{Places, ProbeUse};
use expr::{Expr, Text};

/// A gate whose file is in order.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Its id: the condition that it establishes, and the stem of its file.
    pub id: String,
    /// The gap that it closes.
    pub gap: String,
    /// The stage that it belongs to.
    pub stage: String,
    /// What holds when it is closed.
    pub title: String,
    /// The owner's words for what blocks, one of the package's criteria that stands for this gap.
    pub blocked_criterion: Option<String>,
    /// What to do when it is not closed.
    pub remedy: Text,
    /// What to say when it is closed.
    pub closed_text: Option<Text>,
    /// The probes whose facts its expressions read, by variable.
    pub probes: BTreeMap<String, ProbeUse>,
    /// Its checks in the order of the file; at least one is essential.
    pub checks: Vec<Check>,
    /// The logical name of its file.
    pub file: String,
    /// Where each value of the file stands.
    pub places: Places,
}

/// One check of a gate.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its id, unique in the gate.
    pub id: String,
    /// What its failure means for the gate.
    pub tier: Tier,
    /// The rule; it reads at least one variable.
    pub require: Expr,
    /// What is said when it does not hold.
    pub otherwise: Text,
    /// The command to type next.
    pub next: Option<Text>,
    /// The facts with the places in files that a failure speaks of.
    pub at: Option<Expr>,
    /// The facts that it rests on, as dotted paths from a probe.
    pub cites: Vec<String>,
}

#[cfg(test)]
mod tests;

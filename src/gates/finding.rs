//! What a gate found: exactly one finding for every gate, in every audit.

use serde::{Deserialize, Serialize};

use super::{AppliedWaiver, Location};

/// The state of a gap, as computed from evidence and from nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum GapState {
    /// Every check holds.
    Closed,
    /// It is OPEN or PARTIAL, and somebody who may has accepted that for a time. Never CLOSED: no run goes on with it.
    Waived,
    /// Every essential check holds, a completing one does not.
    Partial,
    /// A fact that decides could not be read.
    Unknown,
    /// An essential check does not hold.
    Open,
}

impl GapState {
    /// Every state, best first. That WAIVED stands before PARTIAL says how it is shown and nothing of the result.
    pub const ALL: [Self; 5] = [Self::Closed, Self::Waived, Self::Partial, Self::Unknown, Self::Open];

    /// The states that checks can make, best first.
    pub const JUDGED: [Self; 4] = [Self::Closed, Self::Partial, Self::Unknown, Self::Open];

    /// The word that every output uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Waived => "WAIVED",
            Self::Partial => "PARTIAL",
            Self::Unknown => "UNKNOWN",
            Self::Open => "OPEN",
        }
    }
}

/// Whether a check decides the gap or completes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Without it the gap is open.
    Essential,
    /// Without it, the rest holding, the gap is partial.
    Completing,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 2] = [Self::Essential, Self::Completing];

    /// The word that files and outputs use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Essential => "essential",
            Self::Completing => "completing",
        }
    }
}

/// The answer to one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// That could not be found out.
    Unknown,
}

impl CheckOutcome {
    /// The word that outputs use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Unknown => "unknown",
        }
    }
}

/// One check's part of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckFinding {
    /// The check's id in its gate.
    pub id: String,
    /// Its tier.
    pub tier: Tier,
    /// Its answer.
    pub outcome: CheckOutcome,
    /// What was found, in the gate's own words with facts quoted; empty for a check that holds.
    pub detail: String,
    /// The next step towards closing; empty for a check that holds.
    pub next: String,
    /// Where in files the cause lies; empty for a check that holds, and where no file can be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
}

/// One gate's finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The gate's id: the condition that it establishes.
    pub id: String,
    /// The gap that it closes.
    pub gap: String,
    /// The stage to which it belongs.
    pub stage: String,
    /// What holds when the gate is closed.
    pub title: String,
    /// The gap's state.
    pub state: GapState,
    /// One line: why the gap is not closed, or what closed it.
    pub reason: String,
    /// The next step: of the check that decides, else the gate's remedy; empty when closed.
    pub next: String,
    /// Every check, in the gate's order.
    pub checks: Vec<CheckFinding>,
    /// What makes it WAIVED; left out where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<AppliedWaiver>,
}

/// The state that the checks make: an essential failure decides, then what is not known, then a completing
/// failure. A gate without an essential check cannot be closed.
pub fn state_of(checks: &[CheckFinding]) -> GapState {
    let any = |tier, outcome| checks.iter().any(|check| check.tier == tier && check.outcome == outcome);
    let unknown = checks.iter().any(|check| check.outcome == CheckOutcome::Unknown);
    if any(Tier::Essential, CheckOutcome::Fails) {
        GapState::Open
    } else if unknown || !checks.iter().any(|check| check.tier == Tier::Essential) {
        GapState::Unknown
    } else if any(Tier::Completing, CheckOutcome::Fails) {
        GapState::Partial
    } else {
        GapState::Closed
    }
}

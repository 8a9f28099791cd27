//! The result: a pure function of gap states, the approval's standing, the attestation and the run's outcome.
//!
//! Scheme O8. It reads nothing, knows no clock and prints nothing. The whole domain is enumerated in a
//! golden table (`tests/golden/classification.txt`).

mod approval;
mod outcome;

use serde::{Deserialize, Serialize};

use crate::gates::GapState;
use crate::package::GapClass;

pub use approval::{against, standing};
pub use outcome::{RunFinding, Step, departures, next_step, outcome};

/// The letter of a result. Better ones are smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Letter {
    /// The run was made and verified by re-reading.
    A,
    /// Every technical gap is closed; what is missing is the approval or the run itself.
    B,
    /// Blocked.
    C,
    /// A run was started and did not end verified.
    D,
}

impl Letter {
    /// Every letter, best first.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];

    /// The letter as text.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        }
    }
}

/// A gap as the classification sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapStanding {
    /// Its id.
    pub id: String,
    /// What it prevents.
    pub class: GapClass,
    /// Its state.
    pub state: GapState,
    /// Which of several open gaps decides: the smallest rank. From the package.
    pub rank: i64,
}

/// Where the approval of this run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Approval {
    /// Everything was searched, and nothing claims to be an approval of this package's run.
    Absent,
    /// A document that fulfils everything.
    Valid,
    /// Documents claim to be the approval; none fulfils everything. The reasons.
    Invalid(Vec<String>),
    /// Fulfilled everything, for a time that is over.
    Expired,
    /// Fulfils everything, and was withdrawn by a revocation.
    Revoked,
    /// Used by an earlier run.
    Consumed,
    /// The places where it would lie could not all be read. The reason.
    Unknown(String),
}

impl Approval {
    /// The word that outputs use.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Valid => "valid",
            Self::Invalid(_) => "invalid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Consumed => "consumed",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// The executor was not spawned.
    NotStarted,
    /// Whether it was cannot be told: the requests could not be read.
    Unseen,
    /// It ended, and what was re-read equals what was expected.
    Verified,
    /// It failed, was reverted, and re-reading proved it.
    RolledBack,
    /// It failed, and that everything is as before could not be proved.
    RollbackUnverified,
    /// It passed the point from which nothing can be undone.
    CompensationRequired,
    /// It was cut off, and its end is not known.
    Interrupted,
}

/// Whether the invariants, read before and after, are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariants {
    /// Every measured one is equal.
    Held,
    /// At least one changed during the audit.
    Changed,
    /// It cannot be told: one could not be read before and after, or the clock went back, so that no age is one.
    Unknown,
}

/// The result with everything that is said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// The name of the scheme.
    pub scheme: String,
    /// The letter.
    pub letter: Letter,
    /// The label, always printed beside the letter.
    pub label: String,
    /// For D: how the run ended.
    pub qualifier: String,
    /// The gap that decides among the technical ones that are not closed; empty where there is none.
    pub decisive: String,
    /// Technical gaps that are not closed, the decisive one first.
    pub blocked_by: Vec<String>,
    /// Why it is not each other letter.
    pub not: Vec<NotLetter>,
}

/// Why the result is not some letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotLetter {
    /// The letter.
    pub letter: Letter,
    /// The reason.
    pub reason: String,
}

/// Classifies, by scheme O8.
pub fn classify(gaps: &[GapStanding], approval: &Approval, invariants: Invariants, run: RunOutcome) -> Ruling {
    let mut blocking: Vec<_> =
        gaps.iter().filter(|gap| gap.class == GapClass::Technical && gap.state != GapState::Closed).collect();
    blocking.sort_by(|a, b| a.rank.cmp(&b.rank).then_with(|| a.id.cmp(&b.id)));
    // A package without gaps has proved nothing, so nothing is closed.
    let proved = blocking.is_empty() && gaps.iter().any(|gap| gap.class == GapClass::Technical);
    // The authority's gap and the standing say the same thing twice; where they differ, the worse one counts.
    let authority_closed =
        gaps.iter().filter(|gap| gap.class == GapClass::Authority).all(|gap| gap.state == GapState::Closed);
    let permitted = *approval == Approval::Valid && authority_closed;
    let authority_unknown = gaps.iter().any(|gap| gap.class == GapClass::Authority && gap.state == GapState::Unknown);
    let unseen = Approval::Unknown("the authority's gap could not be judged".to_owned());
    let approval = if authority_unknown && *approval == Approval::Absent { &unseen } else { approval };
    let (letter, label, qualifier) = match (run, proved, approval, invariants) {
        (RunOutcome::Verified, true, Approval::Valid, Invariants::Held) if permitted => {
            (Letter::A, "PRODUCTION_RUN_VERIFIED", "")
        }
        (RunOutcome::Verified, _, _, _) => (Letter::D, "PRODUCTION_RUN_NOT_VERIFIED", "COMPENSATION_REQUIRED"),
        (RunOutcome::RolledBack, _, _, _) => (Letter::D, "PRODUCTION_RUN_NOT_VERIFIED", "ROLLED_BACK_VERIFIED"),
        (RunOutcome::RollbackUnverified, _, _, _) => (Letter::D, "PRODUCTION_RUN_NOT_VERIFIED", "ROLLBACK_UNVERIFIED"),
        (RunOutcome::CompensationRequired, _, _, _) => {
            (Letter::D, "PRODUCTION_RUN_NOT_VERIFIED", "COMPENSATION_REQUIRED")
        }
        (RunOutcome::Interrupted, _, _, _) => (Letter::D, "PRODUCTION_RUN_NOT_VERIFIED", "INTERRUPTED"),
        (RunOutcome::Unseen, _, _, _)
        | (RunOutcome::NotStarted, false, _, _)
        | (RunOutcome::NotStarted, true, _, Invariants::Changed | Invariants::Unknown) => {
            (Letter::C, "BLOCKED_WITH_EXACT_O8_GAP", "")
        }
        (RunOutcome::NotStarted, true, Approval::Absent, Invariants::Held) => (Letter::B, "APPROVAL_READY", ""),
        (RunOutcome::NotStarted, true, Approval::Valid, Invariants::Held) if permitted => {
            (Letter::B, "APPROVED_NOT_EXECUTED", "")
        }
        (
            RunOutcome::NotStarted,
            true,
            Approval::Valid
            | Approval::Invalid(_)
            | Approval::Expired
            | Approval::Revoked
            | Approval::Consumed
            | Approval::Unknown(_),
            Invariants::Held,
        ) => (Letter::C, "BLOCKED_WITH_EXACT_O8_GAP", ""),
    };
    let situation = Situation { approval, invariants, run, blocked: !proved, permitted };
    let others = Letter::ALL.into_iter().filter(|other| *other != letter);
    Ruling {
        scheme: "O8".to_owned(),
        letter,
        label: label.to_owned(),
        qualifier: qualifier.to_owned(),
        decisive: blocking.first().map(|gap| gap.id.clone()).unwrap_or_default(),
        blocked_by: blocking.iter().map(|gap| gap.id.clone()).collect(),
        not: others.map(|letter| NotLetter { letter, reason: situation.why_not(letter) }).collect(),
    }
}

struct Situation<'a> {
    approval: &'a Approval,
    invariants: Invariants,
    run: RunOutcome,
    blocked: bool,
    permitted: bool,
}

impl Situation<'_> {
    fn why_not(&self, letter: Letter) -> String {
        let unseen = self.run == RunOutcome::Unseen;
        let started = !unseen && self.run != RunOutcome::NotStarted;
        let reason = match letter {
            Letter::A | Letter::D if unseen => "whether a run was started is not known.",
            Letter::A if !started => "no run was started.",
            Letter::A if self.run != RunOutcome::Verified => "the state after the run was not verified by re-reading.",
            Letter::A if self.blocked => "the run was made although a technical gap was not closed.",
            Letter::A if self.invariants == Invariants::Changed => "an invariant changed.",
            Letter::A if self.invariants == Invariants::Unknown => "whether the invariants held is not known.",
            Letter::A => "the run was made without a valid approval.",
            Letter::B if started => "a run was started.",
            Letter::B if self.blocked => "a run is technically impossible, not merely unsigned.",
            Letter::B if unseen => "whether a run was started is not known.",
            Letter::B if self.invariants == Invariants::Changed => "an invariant changed while the audit was reading.",
            Letter::B if self.invariants == Invariants::Unknown => {
                "whether the invariants held while the audit was reading is not known."
            }
            Letter::B if *self.approval == Approval::Valid => {
                "the approval is valid, and the authority's gap is not closed."
            }
            Letter::B => return format!("an approval is not absent and not valid: it is {}.", self.approval.word()),
            Letter::C if started => "a run was started, so that its outcome is the result.",
            Letter::C if self.permitted => "every technical gap is closed and the approval is valid.",
            Letter::C => "every technical gap is closed; only the approval is missing.",
            Letter::D if !started => "no run was started; nothing to roll back.",
            Letter::D => "the run ended verified.",
        };
        reason.to_owned()
    }
}

#[cfg(test)]
mod tests;

//! The reason why a fact is not there.

use serde::{Deserialize, Serialize};

/// Why a fact has no value. *Invisible is not absent*: only [`MissingState::Absent`] says that the
/// thing was looked for, could have been seen, and is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingState {
    /// Looked for with sufficient rights, and not there.
    Absent,
    /// The host refused: permission, authentication, policy.
    Denied,
    /// It was opened, and what came back cannot be understood.
    Unreadable,
    /// The time limit came first.
    TimedOut,
    /// Anything else that failed.
    Error,
    /// It was read and is deliberately not recorded: the value of a secret.
    Withheld,
}

impl MissingState {
    /// The word that reports and evidence use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Denied => "denied",
            Self::Unreadable => "unreadable",
            Self::TimedOut => "timed out",
            Self::Error => "error",
            Self::Withheld => "withheld",
        }
    }
}

/// A fact that could not be read: what was tried, as whom, what came back, and what to do next.
///
/// As an element of a list it is a *hole*: one or more elements that could not be read, or none. A rule over such
/// a list is decided by what was read or not at all; how long the list is cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// The kind of absence.
    pub state: MissingState,
    /// What was tried: "read /etc/cutter/cutter.toml".
    pub tried: String,
    /// The user or database role that looked.
    pub by: String,
    /// What came back: the system's own words.
    pub said: String,
    /// The next step for a person: a command where there is one.
    pub next: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} as {}: {}", self.state.word(), self.tried, self.by, self.said)
    }
}

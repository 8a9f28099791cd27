//! The record that a person decided what becomes of a run that a machine could not bring to an end. Data only.

use serde::{Deserialize, Serialize};

use super::{Digest256, Instant, RunId, State};

/// The format of `closure.json`.
pub const CLOSURE_FORMAT: &str = "cutgate-closure/1";

/// A run that was closed by a decision. Its result stays D: nothing here says that it went well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closure {
    /// [`CLOSURE_FORMAT`].
    pub format: String,
    /// The run.
    pub run_id: RunId,
    /// The digest of its payload.
    pub payload_sha256: Digest256,
    /// The digest of the last line of its journal, which the decision names: what was known when it was decided.
    pub journal_sha256: Digest256,
    /// What was decided, in the words of the decision.
    pub decision: String,
    /// When, as the decision says.
    pub decided_utc: Instant,
    /// The digest of the decision's bytes.
    pub decision_sha256: Digest256,
    /// The pinned keys whose signature under it counts.
    pub signers: Vec<String>,
    /// When it was closed.
    pub utc: Instant,
    /// The user that closed it.
    pub by: String,
    /// The program that closed it, and its version.
    pub tool: String,
    /// The state as it was read then, or why it could not be.
    pub state: State,
    /// Whether that is the state before the run; absent where either could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_before: Option<bool>,
    /// In what it differs from what the run was to leave; empty where it does not, or where it could not be read.
    pub departures: Vec<String>,
    /// Its number in the ledger of the reports.
    pub number: u64,
    /// The digest of the ledger's line before its own.
    pub previous: Digest256,
}

//! The bundle: every probe's facts or reason, with provenance, as it is written to `evidence.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Digest256, Fact, Instant, Missing, RunEvidence, WaiverFiles, canonical_json};

/// The format of the bundle; readers refuse what they do not know.
pub const EVIDENCE_FORMAT: &str = "cutgate-evidence/1";

/// What one probe read from, by whom and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A path as the package writes it, a database without its password, or a program.
    pub what: String,
    /// The user or database role that read.
    pub by: String,
    /// When it was read.
    pub at: Instant,
    /// What came back.
    pub read: Reading,
}

/// How much was read, or that only its existence and attributes were looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reading {
    /// Bytes, all of them, with their digest.
    Content {
        /// How many bytes.
        size: u64,
        /// Their SHA-256.
        sha256: Digest256,
    },
    /// Attributes or a listing only.
    Attributes,
    /// A statement or command that was sent; its own SHA-256.
    Statement {
        /// The digest of the statement's text.
        sha256: Digest256,
    },
}

/// A probe's identity in one audit: its kind and a digest of its settings, so that two gates that ask
/// the same question share one answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProbeId(pub String);

impl std::fmt::Display for ProbeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one probe brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The probe's kind.
    pub kind: String,
    /// Its settings as resolved from the package, which holds them too: they may list thousands of paths.
    #[serde(with = "shared")]
    pub settings: Arc<BTreeMap<String, serde_json::Value>>,
    /// When it began.
    pub started: Instant,
    /// When it ended or was given up.
    pub finished: Instant,
    /// The record of facts, or the reason why there is none at all.
    pub facts: Fact,
    /// What was read, in the order of reading.
    pub sources: Vec<Source>,
}

/// What is shared is written as what it is.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

impl Observation {
    /// The reason why the whole probe has no facts.
    pub fn missing(&self) -> Option<&Missing> {
        match &self.facts {
            Fact::Missing(missing) => Some(missing),
            Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => None,
        }
    }
}

/// What the auditing process knows of itself: the ground of what is attributable to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Whether standard input was replaced by `/dev/null` before anything was read.
    pub stdin_closed: bool,
    /// How many secret values were met, and are searched for in every output before it is published.
    pub secrets_known: u64,
    /// Whether the findings and the result were computed twice from the recorded evidence, with equal answers.
    pub recomputed: bool,
    /// The instant of the newest audit that the ledger named when this one began; none where it named none. It is left
    /// out of the file then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_before: Option<Instant>,
    /// Why the requests could not be read, so that it is not known whether a run was started; left out where they could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_unread: Option<String>,
}

/// Everything that one audit read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// [`EVIDENCE_FORMAT`].
    pub format: String,
    /// The audit's own instant: `now` in expressions, the date in report headers.
    pub now: Instant,
    /// The user that read.
    pub by: String,
    /// What the auditing process recorded of itself.
    pub process: Process,
    /// Every probe of every gate, read once.
    pub probes: BTreeMap<ProbeId, Observation>,
    /// The invariants, read at the start.
    pub before: BTreeMap<String, Observation>,
    /// The invariants again, read at the end.
    pub after: BTreeMap<String, Observation>,
    /// The run that this audit speaks of; left out of the file where it speaks of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunEvidence>,
    /// The waivers beside the package; left out of the file where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waivers: Option<WaiverFiles>,
}

/// Evidence with the bytes that are published of it, which are made once.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What was read.
    pub evidence: Arc<Evidence>,
    /// Its canonical JSON: `evidence.json`.
    pub bytes: Vec<u8>,
    /// The digest of these bytes.
    pub sha256: Digest256,
}

impl Recorded {
    /// The evidence in its canonical form.
    pub fn of(evidence: Evidence) -> Self {
        let bytes = canonical_json(&evidence);
        Self { evidence: Arc::new(evidence), sha256: Digest256::of(&bytes), bytes }
    }
}

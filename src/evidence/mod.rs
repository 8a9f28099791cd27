//! What was read from the host, and what could not be read and why.
//!
//! Holds fact values with their types, provenance, and the canonical JSON form (RFC 8785) of the
//! bundle that is written beside the reports. It reads nothing itself and judges nothing: `probes`
//! fills it, `gates` evaluates it.

mod bundle;
mod canonical;
mod closure;
mod fact;
mod missing;
mod record;
mod request;
mod run;
mod shape;
mod waiver;

pub use bundle::{EVIDENCE_FORMAT, Evidence, Observation, ProbeId, Process, Reading, Recorded, Source};
pub use canonical::{Digest256, canonical_json, sha256_hex};
pub use closure::{CLOSURE_FORMAT, Closure};
pub use fact::Fact;
pub use missing::{Missing, MissingState};
pub use record::{
    DRILL_FORMAT, DRILL_KIND, DRY_RUN_FORMAT, DRY_RUN_KIND, DrillPhase, DrillPublished, DrillRecord, DryRunRecord,
    Level, RehearsalRecord,
};
pub use request::{CONSUMED_FORMAT, Consumed, PAYLOAD_FORMAT, Payload, RunId};
pub use run::{Ended, Expected, Fingerprint, PostCheck, RunEvidence, State, TableDelta, TableState};
pub use shape::Shape;
pub use waiver::{WaiverContent, WaiverFiles, WaiverKeyring};

/// An instant in UTC. Everything that is recorded carries whole seconds or finer in RFC 3339.
pub type Instant = chrono::DateTime<chrono::Utc>;

#[cfg(test)]
mod tests;

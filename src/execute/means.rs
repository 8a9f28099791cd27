//! What a run and a rehearsal are both made with.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::registry::Registry;
use crate::evidence::Instant;
use crate::gates::Loaded;
use crate::package::RunRules;
use crate::probes::Secrets;

/// What a run and a rehearsal are both made with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The package and its gates.
    pub loaded: &'a Loaded,
    /// What the package says of runs.
    pub rules: &'a RunRules,
    /// The registry.
    pub registry: &'a Registry,
    /// What must not be kept of the executor's output.
    pub secrets: &'a Secrets,
    /// A signal that came, or 0.
    pub signal: &'a Arc<AtomicUsize>,
    /// The clock.
    pub now: &'a dyn Fn() -> Instant,
}

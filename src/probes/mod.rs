//! The probes: each asks the host one kind of question and answers with facts or with the reason why
//! it has none.
//!
//! A probe reads through the [`Door`] and never judges; it writes nothing anywhere. To add one: a file
//! (or folder) here that implements [`Probe`], and one line in [`REGISTRY`], which is sorted by kind.

pub mod code_path;
mod door;
mod files;
mod settings;

pub use door::{Door, Limits, Place};
pub use files::{Attributes, Entry, FileKind};
pub use settings::{Parameter, ParameterKind, SettingProblem, Settings, parse_duration};

use crate::evidence::{Fact, Missing, Shape};

/// One kind of question to the host.
pub trait Probe: Sync {
    /// The kind that gate files name; equal to the file's stem.
    fn kind(&self) -> &'static str;

    /// One line for the documentation.
    fn summary(&self) -> &'static str;

    /// The settings that a gate file may give.
    fn parameters(&self) -> &'static [Parameter];

    /// The declared shape of the facts: always a [`Shape::Record`]. It may depend on the settings (a
    /// query declares its columns there), never on the host.
    fn shape(&self, settings: &Settings) -> Shape;

    /// What is wrong with settings whose kinds are right; everything at once.
    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let _ = settings;
        Vec::new()
    }

    /// Reads. `Err` is for when nothing at all can be said; a part that could not be read is a
    /// [`Fact::Missing`] inside the record. Runs on a thread of its own and is given up at its time
    /// limit, so it must not hold anything that others need.
    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing>;
}

/// Every probe, sorted by kind.
pub const REGISTRY: &[&dyn Probe] = &[&code_path::CodePath];

/// The probe of a kind.
pub fn find(kind: &str) -> Option<&'static dyn Probe> {
    REGISTRY.iter().copied().find(|probe| probe.kind() == kind)
}

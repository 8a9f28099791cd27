//! The probes: each asks the host one kind of question and answers with facts or with the reason why
//! it has none.
//!
//! A probe reads through the [`Door`] and never judges; it writes nothing anywhere. To add one: a file
//! (or folder) here that implements [`Probe`], and one line in [`REGISTRY`], which is sorted by kind.

mod accounts;
pub mod code_path;
mod collect;
mod config;
mod door;
mod drill_record;
mod dry_run_record;
mod files;
pub mod front_matter;
mod held;
mod host;
pub mod knowledge_base;
mod leftover_dumps;
mod markdown_tree;
mod openpgp_keyring;
mod pg_principals;
mod pg_surface;
mod programs;
mod provisioning;
mod reading;
mod rehearsal_records;
mod runbook;
mod secrets;
mod services;
mod settings;
mod sql;
mod stop;
mod surroundings;
mod tree_manifest;
mod watch;

pub use collect::{Collected, Collection, Progress, Question, collect, collect_until};
pub use door::{Access, Door, Limits, Place};
pub use files::{Attributes, Entry, FileKind, Space};
pub use secrets::Secrets;
pub use settings::{Parameter, ParameterKind, SettingProblem, Settings, parse_duration};
pub use sql::AdvisoryLock;
pub use stop::{Held, Stop};
pub use surroundings::Surroundings;

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

    /// The settings as evidence may hold them, and as digests of them may be taken: without secret values.
    fn recorded(&self, settings: &Settings) -> Settings {
        settings.clone()
    }

    /// Reads. `Err` is for when nothing at all can be said; a part that could not be read is a
    /// [`Fact::Missing`] inside the record. Runs beside other probes, on another thread, and is given up at its time
    /// limit, so it must not hold anything that others need.
    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing>;
}

/// Every probe, sorted by kind.
pub const REGISTRY: &[&dyn Probe] = &[
    &code_path::CodePath,
    &config::Config,
    &drill_record::DrillRecords,
    &dry_run_record::DryRunRecords,
    &host::Host,
    &knowledge_base::KnowledgeBase,
    &leftover_dumps::LeftoverDumps,
    &openpgp_keyring::OpenpgpKeyring,
    &pg_principals::PgPrincipals,
    &pg_surface::PgSurface,
    &provisioning::Provisioning,
    &runbook::Runbook,
    &services::Services,
    &sql::Sql,
    &tree_manifest::TreeManifest,
];

/// The probe of a kind.
pub fn find(kind: &str) -> Option<&'static dyn Probe> {
    REGISTRY.iter().copied().find(|probe| probe.kind() == kind)
}

/// Permission bits from octal text such as "0750": three or four digits. `None` for anything else.
fn parse_mode(text: &str) -> Option<u32> {
    let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if octal { u32::from_str_radix(text, 8).ok() } else { None }
}

//! `dry-run-record`: the dry runs that were recorded, and whether they left the row counts as they were.
//!
//! Says what stands in the records and whose signature is on them. Whether a run is of the deployed tree and
//! young enough is the gate's question.

use std::collections::BTreeMap;

use super::rehearsal_records as records;
use super::{Door, Parameter, Probe, SettingProblem, Settings};
use crate::evidence::{DryRunRecord, Fact, Missing, Shape};

/// The probe.
pub struct DryRunRecords;

impl Probe for DryRunRecords {
    fn kind(&self) -> &'static str {
        "dry-run-record"
    }

    fn summary(&self) -> &'static str {
        "recorded dry runs: tree, target, phases, row counts before and after, signature"
    }

    fn parameters(&self) -> &'static [Parameter] {
        records::PARAMETERS
    }

    fn shape(&self, settings: &Settings) -> Shape {
        let _ = settings;
        records::shape([
            ("mode", Shape::Text),
            ("phases", Shape::list(Shape::Text)),
            ("counts_before", Shape::dict(Shape::Int)),
            ("counts_after", Shape::dict(Shape::Int)),
            ("counts_equal", Shape::Bool),
        ])
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        records::check(settings)
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        Ok(records::collect(settings, door, facts_of))
    }
}

fn facts_of(record: &DryRunRecord) -> Vec<(&'static str, Fact)> {
    let counts = |counts: &BTreeMap<String, i64>| {
        Fact::Map(counts.iter().map(|(table, count)| (table.clone(), Fact::Int(*count))).collect())
    };
    vec![
        ("tree_digest", record.tree_digest.clone().into()),
        ("target", record.target.clone().into()),
        ("host", record.host.clone().into()),
        ("started", record.started.into()),
        ("finished", record.finished.into()),
        ("mode", record.mode.clone().into()),
        ("phases", Fact::texts(record.phases.clone())),
        ("counts_before", counts(&record.counts_before)),
        ("counts_after", counts(&record.counts_after)),
        ("counts_equal", record.counts_equal().into()),
    ]
}

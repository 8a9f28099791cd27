//! `drill-record`: the revert drills that were recorded, and what each proved.
//!
//! Says what stands in the records and whose signature is on them. Whether a drill is of the deployed tree,
//! young enough and high enough is the gate's question.

use super::rehearsal_records as records;
use super::{Door, Parameter, Probe, SettingProblem, Settings};
use crate::evidence::{DrillPhase, DrillRecord, Fact, Missing, Shape};

/// The probe.
pub struct DrillRecords;

impl Probe for DrillRecords {
    fn kind(&self) -> &'static str {
        "drill-record"
    }

    fn summary(&self) -> &'static str {
        "recorded revert drills: level, tree, target, phases, signature"
    }

    fn parameters(&self) -> &'static [Parameter] {
        records::PARAMETERS
    }

    fn shape(&self, settings: &Settings) -> Shape {
        let _ = settings;
        let phase = Shape::record([("name", Shape::Text), ("equal", Shape::Bool), ("reverted", Shape::Bool)]);
        records::shape([
            ("level", Shape::Int),
            ("operator", Shape::Text),
            ("phases", Shape::list(phase)),
            ("every_phase_equal", Shape::Bool),
            ("restore_compared", Shape::Bool),
        ])
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        records::check(settings)
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        Ok(records::collect(settings, door, facts_of))
    }
}

fn facts_of(record: &DrillRecord) -> Vec<(&'static str, Fact)> {
    let phase = |phase: &DrillPhase| {
        let equal = phase.restored();
        let name = phase.name.clone();
        Fact::record([("name", name.into()), ("equal", equal.into()), ("reverted", phase.reverted.into())])
    };
    let every = !record.phases.is_empty() && record.phases.iter().all(DrillPhase::restored);
    vec![
        ("tree_digest", record.tree_digest.clone().into()),
        ("target", record.target.clone().into()),
        ("host", record.host.clone().into()),
        ("operator", record.operator.clone().into()),
        ("started", record.started.into()),
        ("finished", record.finished.into()),
        ("level", record.level.number().into()),
        ("phases", Fact::list(record.phases.iter().map(phase))),
        ("every_phase_equal", every.into()),
        ("restore_compared", record.restore_compared.into()),
    ]
}

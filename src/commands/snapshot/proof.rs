//! Whether a gate that was drafted holds anything fast: the judge of `gates test` over cases made of what was read.

use serde_json::Value;

use super::draft::Draft;
use crate::evidence::{Evidence, Fact, Missing, MissingState};
use crate::gates::trial::{self, Case, Fault, Trial};
use crate::gates::{GapState, Gate};
use crate::package::Package;

/// Judges the gate over the facts as they are, over each fact that it rests on as another, and over each as denied; then
/// with every part of its rules changed.
///
/// # Errors
/// What shows that it must not be written.
pub fn prove(gate: &Gate, draft: &Draft, package: &Package, evidence: &Evidence) -> Result<(), String> {
    let mut cases = vec![case("as it was", GapState::Closed, None, evidence.clone())];
    let used = gate.probes.get(draft.probe).ok_or("it has no probe")?;
    for check in &draft.checks {
        if check.rests_on.is_empty() {
            return Err(format!("the check {} rests on nothing that could change", check.id));
        }
        for (path, other) in &check.rests_on {
            let inside: Vec<&str> = path.split('.').skip(1).collect();
            for (state, new) in [(GapState::Open, fact(other)), (GapState::Unknown, denied())] {
                let mut changed = evidence.clone();
                let observation = changed.probes.get_mut(&used.id).ok_or("its probe was not asked")?;
                trial::put(&mut observation.facts, &inside, new)?;
                let name = format!("{path} is another");
                cases.push(case(&name, state, Some(check.id.clone()), changed));
            }
        }
    }
    let trial = Trial { gate: gate.id.clone(), shown: gate.file.clone(), cases, alike: Vec::new() };
    let verdict = trial::judge(gate, &trial, package);
    match verdict.faults.first() {
        None => Ok(()),
        Some(Fault::Case { name, expected, given, reason, .. }) => {
            Err(format!("with the facts \"{name}\" it is {given} and not {expected}: {reason}"))
        }
        Some(Fault::Never(state)) => Err(format!("it is never {state}")),
        Some(Fault::Unnoticed { check, change, .. }) => {
            Err(format!("nothing would notice this change of the check {check}: {change}"))
        }
        Some(Fault::NotAlike { change, .. }) => Err(format!("it speaks of a change that there is not: {change}")),
    }
}

fn case(name: &str, state: GapState, check: Option<String>, evidence: Evidence) -> Case {
    Case { name: name.to_owned(), state, check, evidence, line: 0 }
}

fn fact(value: &Value) -> Fact {
    match value {
        Value::Bool(value) => Fact::Bool(*value),
        Value::String(text) => Fact::Text(text.clone()),
        Value::Array(items) => Fact::list(items.iter().map(fact)),
        Value::Number(number) => Fact::Int(number.as_i64().unwrap_or(0)),
        Value::Object(fields) => Fact::Map(fields.iter().map(|(key, value)| (key.clone(), fact(value))).collect()),
        Value::Null => denied(),
    }
}

fn denied() -> Fact {
    Fact::from(Missing {
        state: MissingState::Denied,
        tried: "read what the snapshot proves itself with".to_owned(),
        by: "the snapshot".to_owned(),
        said: "denied, for the proof".to_owned(),
        next: "nothing: this is a proof".to_owned(),
    })
}

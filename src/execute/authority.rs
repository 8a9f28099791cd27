//! Whether a run may start: every authorisation of exactly this payload counts, and nothing that it is bound to has changed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::evidence::{Evidence, Fact, Payload};
use crate::gates::{Loaded, RequestRules};
use crate::package::GapClass;

/// What the approvals of a run say that the run itself needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The review decision that the last authorisation names; empty where no gate wants one.
    pub review_decision_id: String,
}

/// The authority of a run, from the documents that count in the evidence.
///
/// # Errors
/// Each authorisation gate that nothing approves for this run.
pub fn authority(
    loaded: &Loaded,
    rules: &RequestRules,
    evidence: &Evidence,
    run_id: &str,
) -> Result<Authority, Vec<String>> {
    let of_authority =
        |gate: &&crate::gates::Gate| loaded.package.gap(&gate.gap).is_some_and(|gap| gap.class == GapClass::Authority);
    let used = loaded.gates.iter().filter(of_authority).flat_map(|gate| gate.probes.values());
    let mut observed =
        used.filter(|used| used.kind == "knowledge-base").filter_map(|used| evidence.probes.get(&used.id));
    let candidates = match observed.next().and_then(|seen| seen.facts.get("candidates")) {
        Some(Fact::List(candidates)) => candidates.as_slice(),
        Some(Fact::Missing(missing)) => return Err(vec![format!("the approvals could not be read: {missing}")]),
        Some(_) | None => return Err(vec!["the approvals were not read".to_owned()]),
    };
    let text = |fact: &Fact, name: &str| match fact.get(name) {
        Some(Fact::Text(text)) => text.clone(),
        Some(_) | None => String::new(),
    };
    let counting: Vec<&Fact> = candidates
        .iter()
        .filter(|it| it.get("counts") == Some(&Fact::Bool(true)) && text(it, "run_id") == run_id)
        .collect();
    let approves = |gate: &str| counting.iter().find(|it| text(it, "gate") == gate);
    let missing: Vec<String> = (rules.gates.iter())
        .filter(|gate| approves(&gate.id).is_none())
        .map(|gate| format!("no approval that counts is for {} of {run_id}", gate.id))
        .collect();
    if rules.gates.is_empty() {
        return Err(vec!["the package knows no authorisation".to_owned()]);
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    let reviewed = rules.gates.iter().filter(|gate| gate.wants_review_decision());
    let mut reviews = reviewed.filter_map(|gate| approves(&gate.id)).map(|it| text(it, "review_decision_id"));
    Ok(Authority { review_decision_id: reviews.next_back().unwrap_or_default() })
}

/// Everything in which a payload that was made now differs from the one that was approved. When and by whom each was made is
/// left aside.
pub fn drift(approved: &Payload, now: &Payload) -> Vec<String> {
    let value = |payload: &Payload| serde_json::to_value(payload).unwrap_or_default();
    let (approved, now) = (value(approved), value(now));
    let mut found = Vec::new();
    compare("", &approved, &now, &mut found);
    let digests = ["bound_sha256", "executor_argv_sha256"];
    found.retain(|(path, _)| !["utc", "by"].contains(&path.as_str()) && !digests.contains(&path.as_str()));
    found.into_iter().map(|(path, said)| format!("{path} is not what was approved: {said}")).collect()
}

fn compare(path: &str, approved: &Value, now: &Value, found: &mut Vec<(String, String)>) {
    match (approved, now) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let null = Value::Null;
                compare(&path, left.get(key).unwrap_or(&null), right.get(key).unwrap_or(&null), found);
            }
        }
        (left, right) if left == right => {}
        (left, right) => found.push((path.to_owned(), format!("{} then, {} now", short(left), short(right)))),
    }
}

fn short(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() > 80 { format!("{}…", text.chars().take(80).collect::<String>()) } else { text }
}

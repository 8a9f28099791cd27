//! Facts as report templates see them.

use serde_json::{Value as Json, json};

use super::dossier::utc;
use crate::evidence::{Evidence, Fact};
use crate::gates::Gate;

/// The facts as templates see them: by gate and probe, and the measures under `before` and `after`. A
/// missing fact is `{"$missing": word, …}`.
pub fn facts(gates: &[Gate], evidence: &Evidence) -> Json {
    let mut all = serde_json::Map::new();
    for gate in gates {
        let probes = gate.probes.iter().map(|(name, used)| {
            let facts =
                evidence.probes.get(&used.id).map_or_else(|| json!({"$missing": "not collected"}), |o| plain(&o.facts));
            (name.clone(), facts)
        });
        all.insert(gate.id.clone(), Json::Object(probes.collect()));
    }
    for (side, observations) in [("before", &evidence.before), ("after", &evidence.after)] {
        let measures = observations.iter().map(|(name, observation)| (name.clone(), plain(&observation.facts)));
        all.insert(side.to_owned(), Json::Object(measures.collect()));
    }
    Json::Object(all)
}

/// One fact as templates and programs see it.
pub fn plain(fact: &Fact) -> Json {
    match fact {
        Fact::Bool(value) => json!(value),
        Fact::Int(value) => json!(value),
        Fact::Text(text) => json!(text),
        Fact::Time(time) => json!(utc(*time)),
        Fact::List(items) => Json::Array(items.iter().map(plain).collect()),
        Fact::Map(map) => Json::Object(map.iter().map(|(key, fact)| (key.clone(), plain(fact))).collect()),
        Fact::Missing(missing) => json!({
            "$missing": missing.state.word(), "tried": missing.tried, "by": missing.by, "said": missing.said, "next": missing.next,
        }),
    }
}

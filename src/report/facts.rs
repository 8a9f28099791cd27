//! Facts as report templates see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::dossier::utc;
use crate::evidence::{Evidence, Fact, Observation, ProbeId};
use crate::gates::Gate;

/// The key that marks a fact that is not there; no fact of a probe is called so.
pub const MISSING: &str = "$missing";

/// The facts by gate and probe, and the measures under `before` and `after`. Only what a template asks for is
/// turned into its form.
#[derive(Clone, Debug)]
pub struct Facts {
    evidence: Arc<Evidence>,
    /// By gate and by the name that the gate gives the probe.
    probes: BTreeMap<String, BTreeMap<String, ProbeId>>,
}

impl Facts {
    /// The facts that `gates` judge.
    pub fn of(gates: &[Gate], evidence: &Arc<Evidence>) -> Self {
        let probes = |gate: &Gate| gate.probes.iter().map(|(name, used)| (name.clone(), used.id.clone())).collect();
        let probes = gates.iter().map(|gate| (gate.id.clone(), probes(gate))).collect();
        Self { evidence: evidence.clone(), probes }
    }

    /// The fact at `gate/probe.a.b`, or what is missing on the way there: `{"$missing": word, …}`. Without a probe,
    /// everything that the gate reads.
    pub fn at(&self, path: &str) -> Json {
        let (group, rest) = path.split_once('/').unwrap_or((path, ""));
        let mut parts = rest.split('.').filter(|part| !part.is_empty());
        let found = match parts.next() {
            None => self.names(group).map(|names| {
                let facts =
                    names.into_iter().map(|name| (name.to_owned(), self.root(group, name).map_or_else(none, plain)));
                Json::Object(facts.collect::<Map<_, _>>())
            }),
            Some(name) => self.root(group, name).and_then(|fact| below(fact, parts)).map(plain),
        };
        found.unwrap_or_else(none)
    }

    /// The measures of `before` and `after`; `None` where a gate is meant.
    fn measures(&self, group: &str) -> Option<&BTreeMap<String, Observation>> {
        match group {
            "before" => Some(&self.evidence.before),
            "after" => Some(&self.evidence.after),
            _ => None,
        }
    }

    fn names(&self, group: &str) -> Option<Vec<&str>> {
        match self.measures(group) {
            Some(measures) => Some(measures.keys().map(String::as_str).collect()),
            None => Some(self.probes.get(group)?.keys().map(String::as_str).collect()),
        }
    }

    fn root(&self, group: &str, name: &str) -> Option<&Fact> {
        let observation = match self.measures(group) {
            Some(measures) => measures.get(name),
            None => self.evidence.probes.get(self.probes.get(group)?.get(name)?),
        };
        observation.map(|observation| &observation.facts)
    }
}

/// The fact below another; where one is missing on the way, that one.
fn below<'a>(fact: &'a Fact, parts: impl Iterator<Item = &'a str>) -> Option<&'a Fact> {
    let mut at = fact;
    for part in parts {
        if matches!(at, Fact::Missing(_)) {
            break;
        }
        at = at.get(part)?;
    }
    Some(at)
}

fn none() -> Json {
    json!({ MISSING: "not collected" })
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
            MISSING: missing.state.word(), "tried": missing.tried, "by": missing.by, "said": missing.said, "next": missing.next,
        }),
    }
}

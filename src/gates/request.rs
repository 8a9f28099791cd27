//! `[request]` of the package against the gates: the facts that a requested run is bound to.
//!
//! A bound fact is read when the run is requested, stands in what the sovereign signs, and must be the same when the
//! run starts. `gate/probe.fact` binds a scalar by its value; `sha256(gate/probe.fact)` binds a list or a record by
//! the digest of its canonical JSON.

use std::ops::Range;

use crate::evidence::{Fact, Missing, MissingState, ProbeId, Shape, canonical_json, sha256_hex};
use crate::package::diagnostic::{Diagnostic, suggestion};
use crate::package::{Checked, GapClass, Located, RawRequest, Reading};
use crate::probes::knowledge_base::{ApprovalGate, approval_gates};

use super::Gate;

/// What a run is requested with.
#[derive(Clone, Debug)]
pub struct RequestRules {
    /// The fact that is the digest of the deployed tree.
    pub tree: Bound,
    /// The facts that must be the same when the run starts; at least one.
    pub bind: Vec<Bound>,
    /// What is cut.
    pub target: String,
    /// The folder of requests, as the package writes it: where the gate of the authority's gap looks for them.
    pub requests: String,
    /// The gates that the sovereign approves one by one.
    pub gates: Vec<ApprovalGate>,
    /// The folder that the sovereign puts approvals into, as the package writes it.
    pub approvals: String,
    /// The program that the sovereign signs with, and its first arguments.
    pub gpg: String,
}

/// A fact that a run is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// As the package writes it.
    pub name: String,
    /// The probe.
    pub probe: ProbeId,
    /// The fact's dotted path.
    pub path: String,
    /// Whether its digest is bound instead of itself.
    pub digest: bool,
}

impl Bound {
    /// What is bound, from the probe's facts.
    ///
    /// # Errors
    /// Why there is nothing to bind: the fact, or something in it, could not be read.
    pub fn value(&self, facts: &Fact) -> Result<Fact, String> {
        let fact = match facts {
            Fact::Missing(missing) => return Err(missing.to_string()),
            Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => {
                facts.at(&self.path).ok_or_else(|| "the evidence does not have it".to_owned())?
            }
        };
        match (fact, self.digest) {
            (Fact::Missing(missing), _) => Err(missing.to_string()),
            (fact, false) => Ok(fact.clone()),
            (fact, true) => match unknown(fact) {
                Some(missing) => Err(missing.to_string()),
                None => Ok(Fact::from(sha256_hex(&canonical_json(fact)))),
            },
        }
    }
}

/// The first part of a fact that could not be read. That a part is absent, or withheld, is known.
fn unknown(fact: &Fact) -> Option<&Missing> {
    match fact {
        Fact::Missing(missing) => match missing.state {
            MissingState::Absent | MissingState::Withheld => None,
            MissingState::Denied | MissingState::Unreadable | MissingState::TimedOut | MissingState::Error => {
                Some(missing)
            }
        },
        Fact::List(items) => items.iter().find_map(unknown),
        Fact::Map(fields) => fields.values().find_map(unknown),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) => None,
    }
}

/// Checks the section. `None` when something was reported, or a gate that it names was.
pub fn check(
    reading: &Reading<'_>,
    raw: &RawRequest,
    package: &Checked,
    gates: &[&Gate],
    known: &dyn Fn(&str) -> bool,
) -> Option<RequestRules> {
    let bind: Vec<Option<Bound>> = raw.bind.value.iter().map(|word| check_bound(reading, word, gates, known)).collect();
    let tree = check_bound(reading, &raw.tree, gates, known);
    for (at, word) in raw.bind.value.iter().enumerate() {
        if let Some(first) = raw.bind.value[..at].iter().find(|first| first.value == word.value) {
            let diagnostic = Diagnostic::error(reading.file, word.span.clone(), "this fact is bound twice");
            reading.report(diagnostic.related(reading.file, first.span.clone(), "here already").help("remove one"));
        }
    }
    let package = package.package.as_ref()?;
    let authority = |gate: &&&Gate| package.gap(&gate.gap).is_some_and(|gap| gap.class == GapClass::Authority);
    let mut probes = gates.iter().filter(authority).flat_map(|gate| gate.probes.values());
    let settings = probes.find(|used| used.kind == "knowledge-base").map(|used| &used.settings);
    let Some((settings, requests)) = settings.and_then(|settings| Some((settings, settings.text("requests")?))) else {
        // A gate that was reported may be the one.
        if known_and_in_order(gates, package) {
            let help = "set `requests` of the knowledge-base probe in the gate that closes the authority's gap";
            reading.error(&raw.header, "no gate reads the requests, so that no approval could ever count", help);
        }
        return None;
    };
    Some(RequestRules {
        tree: tree?,
        bind: bind.into_iter().collect::<Option<_>>()?,
        target: raw.target.clone(),
        requests: requests.to_owned(),
        gates: approval_gates(settings),
        approvals: raw.approvals.clone(),
        gpg: raw.gpg.clone(),
    })
}

/// Whether every gap of the package has its gate among these.
fn known_and_in_order(gates: &[&Gate], package: &crate::package::Package) -> bool {
    package.gaps.iter().all(|gap| gates.iter().any(|gate| gate.gap == gap.id))
}

/// One fact that is bound.
fn check_bound(
    reading: &Reading<'_>,
    word: &Located<String>,
    gates: &[&Gate],
    known: &dyn Fn(&str) -> bool,
) -> Option<Bound> {
    let inner = word.value.strip_prefix("sha256(").and_then(|rest| rest.strip_suffix(')'));
    let (start, name) = inner.map_or((0, word.value.as_str()), |inner| ("sha256(".len(), inner));
    let at = |part: Range<usize>| reading.within(&word.span, start + part.start..start + part.end);
    let Some((gate_id, rest)) = name.split_once('/') else {
        reading.error(&at(0..name.len()), "this names no fact", "write it as \"gate/probe.fact\"");
        return None;
    };
    let Some(gate) = gates.iter().find(|gate| gate.id == gate_id) else {
        if !known(gate_id) {
            let message = format!("no gate in force is called `{gate_id}`");
            let help = suggestion(gate_id, gates.iter().map(|gate| gate.id.as_str()));
            reading.report(Diagnostic::error(reading.file, at(0..gate_id.len()), message).help(help));
        }
        return None;
    };
    let from = gate_id.len() + 1;
    let (probe, path) = rest.split_once('.').unwrap_or((rest, ""));
    let Some(used) = gate.probes.get(probe) else {
        let message = format!("the gate `{gate_id}` has no probe `{probe}`");
        let help = suggestion(probe, gate.probes.keys().map(String::as_str));
        reading.report(Diagnostic::error(reading.file, at(from..from + probe.len()), message).help(help));
        return None;
    };
    if path.is_empty() {
        reading.error(
            &at(from..name.len()),
            "this names a probe and no fact of it",
            "add the fact: \"gate/probe.fact\"",
        );
        return None;
    }
    let mut shape = used.shape();
    let mut from = from + probe.len() + 1;
    for part in path.split('.') {
        let span = || at(from.min(name.len())..(from + part.len()).min(name.len()));
        let fields = match shape {
            Shape::Record(fields) => fields,
            Shape::Bool | Shape::Int | Shape::Text | Shape::Time | Shape::List(_) | Shape::Dict(_) => {
                let message = format!("`{part}` goes into a {}, which cannot be entered here", shape.name());
                let help = "bind the whole of it by its digest: \"sha256(gate/probe.fact)\"";
                reading.error(&span(), message, help);
                return None;
            }
        };
        let Some(field) = fields.get(part) else {
            let message = format!("the probe `{probe}` has no fact `{part}` here");
            let help = suggestion(part, fields.keys().map(String::as_str));
            reading.report(Diagnostic::error(reading.file, span(), message).help(help));
            return None;
        };
        shape = field.clone();
        from += part.len() + 1;
    }
    let (message, help) = match (&shape, inner.is_some()) {
        (Shape::Bool | Shape::Int | Shape::Text, false) => (String::new(), ""),
        (Shape::List(_) | Shape::Record(_) | Shape::Dict(_), true) => (String::new(), ""),
        (Shape::Time, _) => ("a timestamp moves by itself".to_owned(), "bind what it is the time of"),
        (Shape::List(_) | Shape::Record(_) | Shape::Dict(_), false) => {
            let message = format!("a {} is not bound by its value", shape.name());
            (message, "bind its digest: \"sha256(gate/probe.fact)\"")
        }
        (Shape::Bool | Shape::Int | Shape::Text, true) => {
            (format!("a {} needs no digest", shape.name()), "bind its value: \"gate/probe.fact\"")
        }
    };
    if !message.is_empty() {
        reading.error(&word.span, message, help);
        return None;
    }
    Some(Bound { name: word.value.clone(), probe: used.id.clone(), path: path.to_owned(), digest: inner.is_some() })
}

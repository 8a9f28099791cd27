//! The attestation: what was forbidden, and whether it can be said that it did not happen. Pure.
//!
//! A measured row compares facts from before and after; a row about our own process rests on what the
//! process recorded of itself; a declared one names who says so. What could not be measured is never
//! attested.

mod attributable;
mod measured;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::attestation::{Basis, Forbidden};
use super::evaluate::common;
use super::expr::Env;
use crate::evidence::{Evidence, Observation};
use crate::package::Package;
use attributable::attributable;
use measured::{brief, fact_at, measured, unreadable};

/// Whether a forbidden action happened, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttestationStatus {
    /// Measured or proved: it did not happen.
    #[serde(rename = "NOT DONE")]
    NotDone,
    /// An invariant is not what it was: someone acted.
    #[serde(rename = "CHANGED")]
    Changed,
    /// Only what others write to as well is not what it was: it cannot be said who wrote.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
    /// It could not be measured.
    #[serde(rename = "NOT ATTESTED")]
    NotAttested,
    /// A person says so; nothing was measured.
    #[serde(rename = "DECLARED")]
    Declared,
}

impl AttestationStatus {
    /// The words that every output uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotDone => "NOT DONE",
            Self::Changed => "CHANGED",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::NotAttested => "NOT ATTESTED",
            Self::Declared => "DECLARED",
        }
    }
}

/// One row of the attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationRow {
    /// The row's id in the package.
    pub id: String,
    /// The forbidden action, in the package's words.
    pub action: String,
    /// Whether it happened.
    pub status: AttestationStatus,
    /// `measured`, `attributable` or `declared`.
    pub basis: String,
    /// What the status rests on, in a sentence.
    pub ground: String,
    /// The package's remark, with facts quoted; may be empty.
    pub remark: String,
    /// What was measured before; empty for a row that is not measured.
    pub before: String,
    /// What was measured after.
    pub after: String,
}

/// Fills in every row.
pub fn attest(forbidden: &[Forbidden], package: &Package, evidence: &Evidence) -> Vec<AttestationRow> {
    let mut env = common(package, evidence);
    for (name, observation) in &evidence.after {
        env.variables.insert(name.clone(), std::borrow::Cow::Borrowed(&observation.facts));
    }
    forbidden.iter().map(|row| attested(row, &env, evidence)).collect()
}

/// What the package measures and a run must not change, where it is not what it was: each by its path, with what was there and
/// what is. Measures of the database are left out, for a run may change it; its fingerprint speaks for them.
pub fn unlike(
    forbidden: &[Forbidden],
    package: &Package,
    evidence: &Evidence,
    now: &std::collections::BTreeMap<String, Observation>,
) -> Vec<String> {
    let measured = forbidden.iter().filter_map(|row| match &row.basis {
        Basis::Measured(paths) => Some(paths),
        Basis::Attributable(_) | Basis::Declared(_) => None,
    });
    let of_database = |path: &str| {
        let name = path.split('.').next().unwrap_or_default();
        package.measures.get(name).is_some_and(|used| asks_a_database(&used.kind))
    };
    let paths: std::collections::BTreeSet<&String> = measured.flatten().filter(|path| !of_database(path)).collect();
    let differs = |path: &&String| {
        let (before, after) = (fact_at(&evidence.after, path, evidence), fact_at(now, path, evidence));
        let unread = [&before, &after].into_iter().find_map(unreadable).is_some();
        let said = || format!("{path}: it was {}, and is {}", brief(&before), brief(&after));
        (unread || before != after).then(said)
    };
    paths.iter().filter_map(differs).collect()
}

fn attested(row: &Forbidden, env: &Env<'_>, evidence: &Evidence) -> AttestationRow {
    let said = match &row.basis {
        Basis::Measured(paths) => measured(paths, row, evidence),
        Basis::Attributable(proof) => attributable(*proof, evidence),
        Basis::Declared(who) => Said {
            status: AttestationStatus::Declared,
            ground: format!("declared by {who}; not measured"),
            before: String::new(),
            after: String::new(),
        },
    };
    let remark = match (said.status, &row.remark) {
        (AttestationStatus::NotDone | AttestationStatus::Declared, Some(remark)) => remark.render(env),
        (AttestationStatus::Changed | AttestationStatus::Inconclusive | AttestationStatus::NotAttested, _)
        | (_, None) => String::new(),
    };
    let informative = row.informative.iter().map(|path| {
        let [before, after] = [&evidence.before, &evidence.after].map(|side| brief(&fact_at(side, path, evidence)));
        format!("; informative, proves nothing: {path} {before}, then {after}")
    });
    let ground = said.ground + &informative.collect::<String>();
    AttestationRow {
        id: row.id.clone(),
        action: row.action.clone(),
        status: said.status,
        basis: row.basis.word().to_owned(),
        ground,
        remark,
        before: said.before,
        after: said.after,
    }
}

/// Whether a kind of probe asks a database.
fn asks_a_database(kind: &str) -> bool {
    kind == "sql" || kind.starts_with("pg-")
}

struct Said {
    status: AttestationStatus,
    ground: String,
    before: String,
    after: String,
}

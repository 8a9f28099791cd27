//! What an audit says of itself to others: in-toto statements (Statement v1) over everything that it published.
//!
//! Pure: the same dossier, files and key give the same bytes, so that a replay gives them again. A statement names the
//! key that it is made for, and proves nothing before it was sealed with that key.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Dossier, Templates};
use crate::classify::{Invariants, Letter, RunOutcome};
use crate::evidence::{Digest256, canonical_json};
use crate::gates::GapState;
use crate::package::{GapClass, PACKAGE_FILE};
use crate::trust::ed25519::VerifyingKey;

/// What kind of thing a statement is, for DSSE.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The type of a statement.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// The type of our own predicate. It has no host, for the project has none: it is a name and nothing to fetch.
pub const READINESS: &str = "cutgate:predicate/readiness/v1";

/// The type of the predicate that other consumers know.
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// The digests of the rules that judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDigests {
    /// Of `cutgate.toml`.
    pub package: Digest256,
    /// Of the gate files in force, by name and content.
    pub gates: Digest256,
    /// Of the templates, by name and content.
    pub templates: Digest256,
}

impl RuleDigests {
    /// The digests of a package's files, as [`crate::gates::Loaded`] has them, and of templates.
    pub fn of(files: &BTreeMap<String, Vec<u8>>, templates: &Templates) -> Self {
        let package = files.get(PACKAGE_FILE).map(Vec::as_slice).unwrap_or_default();
        let gates = files.iter().filter(|(name, _)| *name != PACKAGE_FILE);
        let gates: BTreeMap<&str, Digest256> =
            gates.map(|(name, bytes)| (name.as_str(), Digest256::of(bytes))).collect();
        let texts = templates.0.iter();
        let texts: BTreeMap<&str, Digest256> =
            texts.map(|(name, text)| (name.as_str(), Digest256::of(text.as_bytes()))).collect();
        Self {
            package: Digest256::of(package),
            gates: Digest256::of(&canonical_json(&gates)),
            templates: Digest256::of(&canonical_json(&texts)),
        }
    }
}

/// The statements of an audit by their predicates' types. `files` are the digests of what was published, by name.
pub fn statements(
    dossier: &Dossier,
    rules: &RuleDigests,
    files: &BTreeMap<String, Digest256>,
    key: &VerifyingKey,
) -> [(&'static str, Vec<u8>); 2] {
    let subject: Vec<Json> =
        files.iter().map(|(name, sha256)| json!({"name": name, "digest": {"sha256": sha256}})).collect();
    let statement = |kind: &'static str, predicate: Json| {
        let statement = json!({"_type": STATEMENT, "subject": subject, "predicateType": kind, "predicate": predicate});
        (kind, canonical_json(&statement))
    };
    [statement(READINESS, readiness(dossier, rules, key)), statement(TEST_RESULT, test_result(dossier, rules, files))]
}

/// Our own predicate: the result with all that it rests on.
fn readiness(dossier: &Dossier, rules: &RuleDigests, key: &VerifyingKey) -> Json {
    let result = &dossier.result;
    let ruling = &result.ruling;
    let gates = dossier.gates.iter().map(|view| &view.finding).map(|finding| {
        json!({
            "id": finding.id, "gap": finding.gap, "stage": finding.stage,
            "state": finding.state.word(), "reason": finding.reason,
        })
    });
    let gaps = dossier
        .gaps
        .iter()
        .map(|gap| json!({"id": gap.id, "class": gap.class, "state": gap.state.word(), "decisive": gap.decisive}));
    let rows = dossier
        .attestation
        .iter()
        .map(|row| json!({"id": row.id, "action": row.action, "status": row.status.word(), "basis": row.basis}));
    let mut predicate = json!({
        "result": {
            "scheme": ruling.scheme, "letter": ruling.letter.word(), "label": ruling.label,
            "qualifier": ruling.qualifier, "decisive": ruling.decisive, "not": ruling.not,
        },
        "gates": gates.collect::<Vec<_>>(),
        "gaps": gaps.collect::<Vec<_>>(),
        "basis": {
            "evidence_sha256": dossier.evidence_sha256,
            "utc": dossier.audit.utc,
            "by": dossier.audit.by,
            "macro_id": dossier.package["macro_id"],
            "host": dossier.package["host"],
            "approval": dossier.approval.standing,
            "run": result.run,
            "invariants": result.invariants,
            "attestation": rows.collect::<Vec<_>>(),
        },
        "audit": {"number": dossier.audit.number, "folder": dossier.reports_dir},
        "tool": dossier.tool,
        "rules": {"package_sha256": rules.package, "gates_sha256": rules.gates, "templates_sha256": rules.templates},
        "attestor": {"keyid": key.keyid(), "ed25519": key.hex()},
    });
    if !dossier.waivers.is_empty() {
        predicate["waivers"] = json!(dossier.waivers);
    }
    predicate
}

/// The predicate for consumers who know tests and no gates. C and D are FAILED; of a B whose approval is awaited that
/// gate is a warning. Nothing but a result of A or B without any such gate is PASSED.
fn test_result(dossier: &Dossier, rules: &RuleDigests, files: &BTreeMap<String, Digest256>) -> Json {
    let (mut passed, mut warned, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let letter = dossier.result.ruling.letter;
    for finding in dossier.gates.iter().map(|view| &view.finding) {
        let class = dossier.gaps.iter().find(|gap| gap.id == finding.gap).map(|gap| gap.class);
        match (finding.state, class) {
            (GapState::Closed, _) => passed.push(finding.id.clone()),
            (GapState::Open, Some(GapClass::Authority)) if letter == Letter::B => warned.push(finding.id.clone()),
            (GapState::Waived | GapState::Partial | GapState::Unknown | GapState::Open, _) => {
                failed.push(finding.id.clone())
            }
        }
    }
    match dossier.result.invariants {
        Invariants::Held => passed.push("invariants".to_owned()),
        Invariants::Changed | Invariants::Unknown => failed.push("invariants".to_owned()),
    }
    if dossier.refused_waivers().next().is_some() {
        failed.push("waivers".to_owned());
    }
    match dossier.result.run {
        RunOutcome::NotStarted => {}
        RunOutcome::Verified => passed.push("run".to_owned()),
        RunOutcome::Unseen
        | RunOutcome::RolledBack
        | RunOutcome::RollbackUnverified
        | RunOutcome::CompensationRequired
        | RunOutcome::Interrupted => failed.push("run".to_owned()),
    }
    let result = match letter {
        Letter::C | Letter::D => "FAILED",
        Letter::A | Letter::B if !failed.is_empty() => "FAILED",
        Letter::A | Letter::B if !warned.is_empty() => "WARNED",
        Letter::A | Letter::B => "PASSED",
    };
    let mut configuration = vec![
        json!({"name": PACKAGE_FILE, "digest": {"sha256": rules.package}}),
        json!({"name": "gates", "digest": {"sha256": rules.gates}}),
    ];
    let lock = "package.lock.json";
    configuration.extend(files.get(lock).map(|sha256| json!({"name": lock, "digest": {"sha256": sha256}})));
    json!({
        "result": result, "configuration": configuration,
        "passedTests": passed, "warnedTests": warned, "failedTests": failed,
    })
}

//! Two published audits beside each other: which gates changed, the facts behind each change, and what was read in
//! one and not in the other.
//!
//! Pure, over two audits that were proved before ([`super::prove`]). It judges nothing: every state and outcome is
//! that of the recorded rules over the recorded evidence. What differs by instants alone is told apart from the rest,
//! for every audit reads at another moment.

mod evidence;
mod facts;
mod gates;
mod markdown;
mod shown;
mod text;
mod waivers;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Authorship, Dossier, Proved, Tool};
use crate::evidence::Digest256;
use crate::gates::AttestationStatus;
use crate::trust::Fingerprint;

pub use evidence::{EvidenceChange, SourceChange};
pub use facts::FactChange;
pub use gates::{CheckChange, Finding, GateChange, ReadFrom};
pub use markdown::markdown;
pub use text::text;
pub use waivers::WaiverChange;

/// The format of the JSON form.
pub const COMPARISON_FORMAT: &str = "cutgate-diff/1";

/// Something before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// In the older audit; nothing where it does not have it.
    pub old: T,
    /// In the newer one.
    pub new: T,
}

impl<T: PartialEq> Pair<T> {
    /// Whether the two differ.
    pub fn differs(&self) -> bool {
        self.old != self.new
    }
}

/// What is different between two audits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// [`COMPARISON_FORMAT`].
    pub format: &'static str,
    /// The program that compared.
    pub tool: Tool,
    /// The two audits.
    pub audits: Pair<AuditSide>,
    /// What a reader must know before the rest: other packages, another order, other rules.
    pub remarks: Vec<String>,
    /// Package, gate and template files that are not the same.
    pub rules: RulesChange,
    /// The results.
    pub result: Pair<ResultSide>,
    /// Every gate of either audit, in the order of the newer one, then those that are gone.
    pub gates: Vec<GateChange>,
    /// The waivers that are not the same.
    pub waivers: Vec<WaiverChange>,
    /// The rows of the attestation whose status is not the same.
    pub attestation: Vec<RowChange>,
    /// The measured invariants that are not the same, as they stood when each audit ended.
    pub measures: Vec<FactChange>,
    /// What was read in one audit only, or had other content.
    pub evidence: EvidenceChange,
}

/// One of the two audits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditSide {
    /// Its number.
    pub number: String,
    /// Its folder's name.
    pub folder: String,
    /// When, RFC 3339 with seconds.
    pub utc: String,
    /// The user that read.
    pub by: String,
    /// The program that made it, with its version.
    pub made_by: String,
    /// The digest of its evidence.
    pub evidence_sha256: Digest256,
    /// Whether it is proved who made it, in a word: `proved`, `claimed` or `unsigned`.
    pub authorship: &'static str,
    /// The keys that signed it.
    pub signers: Vec<Fingerprint>,
    /// The same in words.
    #[serde(skip)]
    pub signed: String,
}

/// A result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResultSide {
    /// The letter.
    pub letter: &'static str,
    /// The label.
    pub label: String,
    /// The decisive gap; empty where none decides.
    pub decisive: String,
    /// Where the approval stands.
    pub approval: &'static str,
}

/// Rule files that are not the same, by logical name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RulesChange {
    /// In the newer audit only.
    pub added: Vec<String>,
    /// In the older audit only.
    pub removed: Vec<String>,
    /// In both, with other content.
    pub changed: Vec<String>,
}

/// A row of the attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowChange {
    /// The forbidden action, in the words of the newer package that has it.
    pub action: String,
    /// Its status in both; nothing where the package has no such row.
    pub status: Pair<Option<AttestationStatus>>,
}

/// Compares two audits.
pub fn compare(old: &Proved, new: &Proved) -> Comparison {
    let rules = rules(old, new);
    let gates = gates::changes(old, new);
    Comparison {
        format: COMPARISON_FORMAT,
        tool: Tool::THIS,
        audits: Pair { old: audit_side(old), new: audit_side(new) },
        remarks: remarks(old, new),
        rules,
        result: Pair { old: result_side(&old.dossier), new: result_side(&new.dossier) },
        gates,
        waivers: waivers::changes(old, new),
        attestation: attestation(&old.dossier, &new.dossier),
        measures: evidence::measures(old, new),
        evidence: evidence::changes(&old.recorded.evidence, &new.recorded.evidence),
    }
}

impl Comparison {
    /// Whether nothing differs but instants.
    pub fn nothing_changed(&self) -> bool {
        let gates = self.gates.iter().all(|gate| matches!(gate.finding, Finding::Same | Finding::Instants));
        let evidence = &self.evidence;
        let read = [&evidence.questions_new, &evidence.questions_vanished].iter().all(|list| list.is_empty())
            && evidence.new.is_empty()
            && evidence.vanished.is_empty()
            && evidence.changed.is_empty();
        gates
            && read
            && self.remarks.is_empty()
            && self.rules == RulesChange::default()
            && !self.result.differs()
            && self.waivers.is_empty()
            && self.attestation.is_empty()
            && self.measures.iter().all(|change| change.instants_only)
    }
}

fn audit_side(audit: &Proved) -> AuditSide {
    let (dossier, authorship) = (&audit.dossier, &audit.replayed.authorship);
    AuditSide {
        number: dossier.audit.number.clone(),
        folder: dossier.reports_dir.clone(),
        utc: dossier.audit.utc.clone(),
        by: dossier.audit.by.clone(),
        made_by: audit.replayed.made_by.clone(),
        evidence_sha256: dossier.evidence_sha256.clone(),
        authorship: authorship.word(),
        signers: authorship.signers().to_vec(),
        signed: match authorship {
            Authorship::Proved(_) => format!("proved: {authorship}"),
            Authorship::Claimed(_) | Authorship::Unsigned => format!("who made it is not proved: {authorship}"),
        },
    }
}

fn result_side(dossier: &Dossier) -> ResultSide {
    let ruling = &dossier.result.ruling;
    ResultSide {
        letter: ruling.letter.word(),
        label: ruling.label.clone(),
        decisive: ruling.decisive.clone(),
        approval: dossier.approval.standing,
    }
}

/// What makes the two less alike than a reader may think.
fn remarks(old: &Proved, new: &Proved) -> Vec<String> {
    let mut remarks = Vec::new();
    if old.recorded.evidence.now > new.recorded.evidence.now {
        remarks.push("the audit given as OLD was made after the one given as NEW".to_owned());
    }
    let (a, b) = (&old.loaded.package, &new.loaded.package);
    for (what, old, new) in [("macro_id", &a.macro_id, &b.macro_id), ("host", &a.host, &b.host)] {
        if old != new {
            remarks.push(format!("the packages are not the same: {what} is {old:?} in OLD and {new:?} in NEW"));
        }
    }
    let (a, b) = (&old.recorded.evidence.by, &new.recorded.evidence.by);
    if a != b {
        remarks.push(format!("another user read: {a:?} in OLD and {b:?} in NEW, and each sees what that user may see"));
    }
    let (a, b) = (&old.replayed.made_by, &new.replayed.made_by);
    if a != b {
        remarks.push(format!("another version judged: {a} in OLD and {b} in NEW"));
    }
    if waivers::other_keyring(old, new) {
        remarks.push("the certificates that signatures of waivers were compared with are not the same".to_owned());
    }
    remarks
}

fn rules(old: &Proved, new: &Proved) -> RulesChange {
    let files = |audit: &Proved| -> BTreeMap<String, Digest256> {
        let lock = &audit.lock;
        let templates = lock.templates.iter().map(|(name, locked)| (format!("templates/{name}"), locked));
        let files = lock.files.iter().map(|(name, locked)| (name.clone(), locked));
        files.chain(templates).map(|(name, locked)| (name, locked.sha256.clone())).collect()
    };
    let (old, new) = (files(old), files(new));
    let beyond = |a: &BTreeMap<String, Digest256>, b: &BTreeMap<String, Digest256>| {
        a.keys().filter(|name| !b.contains_key(*name)).cloned().collect()
    };
    let other = |(name, digest): &(&String, &Digest256)| new.get(*name).is_some_and(|new| new != *digest);
    RulesChange {
        added: beyond(&new, &old),
        removed: beyond(&old, &new),
        changed: old.iter().filter(other).map(|(name, _)| name.clone()).collect(),
    }
}

fn attestation(old: &Dossier, new: &Dossier) -> Vec<RowChange> {
    let rows = new.attestation.iter().chain(&old.attestation);
    let mut seen = BTreeSet::new();
    let of = |dossier: &Dossier, id: &str| dossier.attestation.iter().find(|row| row.id == id).map(|row| row.status);
    let changes = rows.filter(|row| seen.insert(row.id.clone())).map(|row| RowChange {
        action: row.action.clone(),
        status: Pair { old: of(old, &row.id), new: of(new, &row.id) },
    });
    changes.filter(|change| change.status.differs()).collect()
}

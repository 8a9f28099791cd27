//! The waivers of two audits beside each other: by file, what became of each, and whether its bytes or its signature are others.

use std::collections::BTreeSet;

use serde::Serialize;

use super::facts::quoted;
use super::{Pair, Proved};
use crate::evidence::{Digest256, WaiverContent, WaiverFiles};
use crate::gates::WaiverFinding;

/// A waiver that is not the same in both audits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaiverChange {
    /// Its file in the folder `waivers`; `.` where the folder could not be listed.
    pub file: String,
    /// What became of it; nothing where it did not lie there.
    pub finding: Pair<Option<WaiverFinding>>,
    /// The SHA-256 of its bytes; nothing where it did not lie there or could not be read.
    pub sha256: Pair<Option<Digest256>>,
    /// The SHA-256 of its signature's bytes, in the same way.
    pub signature_sha256: Pair<Option<Digest256>>,
}

/// Every waiver that one audit only has, that came out otherwise, or that was written or signed anew.
pub fn changes(old: &Proved, new: &Proved) -> Vec<WaiverChange> {
    let found = |audit: &'_ Proved, file: &str| audit.dossier.waivers.iter().find(|found| found.file == file).cloned();
    let bytes = |audit: &Proved, file: &str| digest(audit.recorded.evidence.waivers.as_ref()?, file);
    let both = [old, new].into_iter().flat_map(|audit| &audit.dossier.waivers);
    let files: BTreeSet<&String> = both.map(|found| &found.file).collect();
    let change = |file: &String| {
        let signature = format!("{file}.asc");
        WaiverChange {
            file: file.clone(),
            finding: Pair { old: found(old, file), new: found(new, file) },
            sha256: Pair { old: bytes(old, file), new: bytes(new, file) },
            signature_sha256: Pair { old: bytes(old, &signature), new: bytes(new, &signature) },
        }
    };
    let differs = |change: &WaiverChange| {
        change.finding.differs() || change.sha256.differs() || change.signature_sha256.differs()
    };
    files.into_iter().map(change).filter(differs).collect()
}

/// Whether signatures of waivers were compared with other certificates; no where one audit has no waivers.
pub fn other_keyring(old: &Proved, new: &Proved) -> bool {
    let (old, new) = (&old.recorded.evidence.waivers, &new.recorded.evidence.waivers);
    old.as_ref().zip(new.as_ref()).is_some_and(|(old, new)| old.keyring != new.keyring)
}

fn digest(read: &WaiverFiles, file: &str) -> Option<Digest256> {
    match read.files.get(file) {
        Some(WaiverContent::Text(text)) => Some(Digest256::of(text.as_bytes())),
        Some(WaiverContent::Unread(_)) | None => None,
    }
}

impl WaiverChange {
    /// The change in one line, not yet made harmless.
    pub fn said(&self) -> String {
        let (old, new) = (&self.finding.old, &self.finding.new);
        let what = match (old, new) {
            (Some(old), Some(new)) if old == new => format!("{}, as before", outcome(new)),
            (old, new) => {
                let word = |finding: &Option<WaiverFinding>| finding.as_ref().map_or("not there".to_owned(), outcome);
                format!("{} → {}", word(old), word(new))
            }
        };
        let both = old.is_some() && new.is_some();
        let others = [("written anew", self.sha256.differs()), ("signed anew", self.signature_sha256.differs())];
        let others: String =
            others.iter().filter(|(_, differs)| both && *differs).map(|(words, _)| format!("; {words}")).collect();
        format!("{}: {what}{others}", quoted(&self.file))
    }
}

fn outcome(finding: &WaiverFinding) -> String {
    format!("{} ({})", finding.standing.word(), finding.said)
}

//! Attestations: the statements of an audit, sealed into envelopes that are published with it, and checked against what
//! a replay gives.
//!
//! Everything in an envelope but the signature is a function of the published files, so a check compares whole
//! payloads and believes nothing that one says.

use std::collections::BTreeMap;

use super::statement::{PAYLOAD_TYPE, READINESS, RuleDigests, TEST_RESULT, statements};
use super::{Dossier, ReplayError};
use crate::evidence::Digest256;
use crate::trust::dsse::{self, Envelope};
use crate::trust::ed25519::{SigningKey, VerifyingKey};

/// The files of the envelopes by the types of their predicates.
const FILES: [(&str, &str); 2] = [(READINESS, "readiness.intoto.json"), (TEST_RESULT, "test-result.intoto.json")];

/// The files of the envelopes, sorted by name.
pub fn envelope_files() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(_, file)| *file)
}

/// What is attested: a dossier under its number, and the digests of its files and rules.
#[derive(Clone, Debug)]
pub struct Attested<'a> {
    /// The dossier as it is published.
    pub dossier: &'a Dossier,
    /// The digests of the rules that judged.
    pub rules: RuleDigests,
    /// The digests of the reports and the data beside them, by name.
    pub files: BTreeMap<String, Digest256>,
}

/// Who vouches for the key that sealed the envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Whoever asked to verify gave the key, or pinned it in a package of theirs.
    Given,
    /// Nobody: the envelope names its own key, and is consistent in itself.
    Nobody,
}

/// What a check of the envelopes proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestor {
    /// The key that sealed them.
    pub key: VerifyingKey,
    /// Who says that it is the right one.
    pub vouched: Vouched,
}

fn file_of(kind: &str) -> &'static str {
    FILES.iter().find(|(known, _)| *known == kind).map_or("", |(_, file)| file)
}

/// The envelopes of an audit, by the names of their files.
pub fn seal(attested: &Attested<'_>, key: &SigningKey) -> BTreeMap<String, Vec<u8>> {
    let statements = statements(attested.dossier, &attested.rules, &attested.files, &key.public());
    let sealed = statements.map(|(kind, payload)| (file_of(kind).to_owned(), dsse::seal(PAYLOAD_TYPE, &payload, key)));
    sealed.into()
}

/// The envelopes among the files of a published folder.
pub fn among(published: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let found = envelope_files().filter_map(|file| published.get_key_value(file));
    found.map(|(file, bytes)| (file.clone(), bytes.clone())).collect()
}

/// Checks the envelopes of an audit that replayed: each holds exactly what the replay gives and is signed. `keys` are
/// those that may have signed; where there are none the key is taken that the envelope names. `None` where the audit
/// has no envelopes and no key was given.
///
/// # Errors
/// The first file that is missing, damaged, of another audit, or not signed by such a key.
pub fn check(
    attested: &Attested<'_>,
    envelopes: &BTreeMap<String, Vec<u8>>,
    keys: &[VerifyingKey],
) -> Result<Option<Attestor>, ReplayError> {
    let mismatch = |file: &str, reason: String| ReplayError::File { file: file.to_owned(), reason };
    if envelopes.is_empty() && keys.is_empty() {
        return Ok(None);
    }
    let opened = envelope_files().map(|file| {
        let missing = if envelopes.is_empty() { "the audit is not attested" } else { "it is missing" };
        let bytes = envelopes.get(file).ok_or_else(|| mismatch(file, missing.to_owned()))?;
        Ok((file, dsse::open(bytes).map_err(|error| mismatch(file, error.to_string()))?))
    });
    let opened: BTreeMap<&str, Envelope> = opened.collect::<Result<_, ReplayError>>()?;
    let first = file_of(READINESS);
    let readiness = opened.get(first).expect("invariant: every envelope was opened");
    let attestor = match keys {
        [] => Attestor { key: named(readiness).map_err(|reason| mismatch(first, reason))?, vouched: Vouched::Nobody },
        keys => {
            let key = keys.iter().find(|key| key.keyid() == readiness.keyid).ok_or_else(|| {
                let reason = format!("it names the key {:?}, which is none of those that count here", readiness.keyid);
                mismatch(first, reason)
            })?;
            Attestor { key: *key, vouched: Vouched::Given }
        }
    };
    for (kind, payload) in statements(attested.dossier, &attested.rules, &attested.files, &attestor.key) {
        let file = file_of(kind);
        let envelope = opened.get(file).expect("invariant: every envelope was opened");
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(mismatch(
                file,
                format!("its payload type is {:?}, not {PAYLOAD_TYPE:?}", envelope.payload_type),
            ));
        }
        if !envelope.signed_by(&attestor.key) {
            return Err(mismatch(file, format!("it is not signed by the key {}", attestor.key.keyid())));
        }
        if envelope.payload != payload {
            return Err(mismatch(file, difference(&envelope.payload, &payload)));
        }
    }
    Ok(Some(attestor))
}

/// The key that an envelope names for itself.
fn named(envelope: &Envelope) -> Result<VerifyingKey, String> {
    let payload: serde_json::Value =
        serde_json::from_slice(&envelope.payload).map_err(|error| format!("its payload is no statement: {error}"))?;
    let hex = payload["predicate"]["attestor"]["ed25519"].as_str().unwrap_or_default();
    VerifyingKey::from_hex(hex).map_err(|_| "it names no key".to_owned())
}

/// Where a payload first departs from the one that the replay gives.
fn difference(payload: &[u8], expected: &[u8]) -> String {
    let read = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
    let (found, expected) = (read(payload), read(expected));
    let part = ["_type", "predicateType", "subject"].into_iter().find(|part| found[part] != expected[part]);
    let what = match part {
        Some("subject") => "its subjects are not the published files".to_owned(),
        Some(part) => format!("its {part} is not {}", expected[part]),
        None => {
            let parts = expected["predicate"].as_object().into_iter().flat_map(|parts| parts.keys());
            let part = parts.into_iter().find(|part| found["predicate"][part.as_str()] != expected["predicate"][*part]);
            part.map_or_else(
                || "its payload is not in canonical form".to_owned(),
                |part| format!("`{part}` in its predicate is not what the replay gives"),
            )
        }
    };
    format!("{what}: it was made for other files or another result")
}

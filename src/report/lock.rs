//! The package lock: the rules that judged, with their content, so that the old ones can be run again years
//! later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Dossier, Templates};
use crate::evidence::Digest256;
use crate::trust::Fingerprint;

/// The format of `package.lock.json`.
const LOCK_FORMAT: &str = "cutgate-lock/1";

/// Everything that judged one audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageLock {
    /// [`LOCK_FORMAT`].
    pub format: String,
    /// The program.
    pub tool: String,
    /// Its version.
    pub version: String,
    /// The package file and each gate in force, by logical name.
    pub files: BTreeMap<String, Locked>,
    /// The templates, by name.
    pub templates: BTreeMap<String, Locked>,
    /// The certificates of those who signed, armored, by fingerprint. They say who claims to have signed; whether that
    /// is who it should be, only a certificate from elsewhere can say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signers: BTreeMap<Fingerprint, String>,
}

/// A file's content and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The SHA-256 of the text.
    pub sha256: Digest256,
    /// The text.
    pub text: String,
}

impl Locked {
    fn of(text: &str) -> Self {
        Self { sha256: Digest256::of(text.as_bytes()), text: text.to_owned() }
    }
}

impl PackageLock {
    /// The lock of these files and templates, as the dossier's program makes it.
    pub fn of(files: &BTreeMap<String, Vec<u8>>, templates: &Templates, dossier: &Dossier) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            format: LOCK_FORMAT.to_owned(),
            tool: dossier.tool.name.to_string(),
            version: dossier.tool.version.to_string(),
            files: files.iter().map(|(name, bytes)| (name.clone(), Locked::of(&text(bytes)))).collect(),
            templates: templates.0.iter().map(|(name, text)| (name.clone(), Locked::of(text))).collect(),
            signers: dossier.certificates.clone(),
        }
    }
}

//! The one byte form of a value, and its digest.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The canonical JSON (RFC 8785) of a value of ours, with a final newline.
pub fn canonical_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes =
        serde_json_canonicalizer::to_vec(value).expect("invariant: our values have text keys and finite numbers");
    bytes.push(b'\n');
    bytes
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex of bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A SHA-256 in lower-case hex; parsing is validating.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest256(String);

impl Digest256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256_hex(bytes))
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digest256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let lower = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if lower { Ok(Self(text)) } else { Err(format!("{text:?} is not 64 lower-case hex digits")) }
    }
}

impl From<Digest256> for String {
    fn from(digest: Digest256) -> Self {
        digest.0
    }
}

impl std::fmt::Display for Digest256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

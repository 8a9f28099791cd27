//! Fingerprints of OpenPGP certificates as package files pin them (RFC 9580, section 5.5.4: 40 hex digits for
//! version 4, 64 for version 6).

use serde::{Deserialize, Serialize};

/// A fingerprint in upper-case hex; parsing is validating.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses 40 or 64 hex digits of either case; nothing else, for a shorter id can be forged.
    ///
    /// # Errors
    /// What is wrong and how to put it right.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        let hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex && matches!(text.len(), 40 | 64) {
            return Ok(Self(text.to_ascii_uppercase()));
        }
        let list = "take the whole fingerprint: gpg --with-colons --fingerprint NAME";
        let bare: String = text.trim_start_matches("0x").chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
        if bare != text && Self::parse(&bare).is_ok() {
            return Err((
                format!("{text:?} is not bare hex digits"),
                format!("write \"{}\"", bare.to_ascii_uppercase()),
            ));
        }
        if matches!(bare.len(), 8 | 16) && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err((format!("{text:?} is a key id, which others can forge, not a fingerprint"), list.to_owned()));
        }
        let said = format!("{text:?} is not a fingerprint: 40 hex digits (version 4 keys) or 64 (version 6)");
        Err((said, list.to_owned()))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).map_err(|(message, _)| message)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

//! The name of a certificate.

use serde::{Deserialize, Serialize};

/// The fingerprint of an OpenPGP key in upper-case hex: 40 digits (version 4) or 64 (version 6). Parsing is
/// validating: spaces, colons and lower case are accepted as people paste them, key ids are refused, for
/// two keys can share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a key that was read.
    pub fn of(key: &sequoia_openpgp::Fingerprint) -> Self {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
        let mut digits = String::with_capacity(2 * key.as_bytes().len());
        for byte in key.as_bytes() {
            digits.push(DIGITS[usize::from(byte >> 4)]);
            digits.push(DIGITS[usize::from(byte & 15)]);
        }
        Self(digits)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let body = text.trim();
        let body = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")).unwrap_or(body);
        let digits: String = body.chars().filter(|c| *c != ' ' && *c != ':').map(|c| c.to_ascii_uppercase()).collect();
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("{text:?} is not a fingerprint: it has characters other than hex digits"));
        }
        match digits.len() {
            40 | 64 => Ok(Self(digits)),
            8 | 16 => Err(format!("{text:?} is a key id, which two keys can share; give all 40 or 64 digits")),
            n => Err(format!("{text:?} has {n} hex digits; a fingerprint has 40 or 64")),
        }
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
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

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    #[test]
    fn a_fingerprint_is_written_as_it_was_read() {
        let text = "0123456789ABCDEF0123456789ABCDEF01234567";
        let print: Fingerprint = text.parse().unwrap();
        assert_eq!(String::from(print), text);
    }
}

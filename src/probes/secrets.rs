//! The secret values that an audit met, and the forms in which they could turn up in what it writes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// The secret values that an audit met. They are held in memory only, to look for them in everything that is
/// about to be published: as they are, and in base64, hex, percent-encoded and as JSON text.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    values: BTreeSet<String>,
    keys: BTreeSet<Vec<u8>>,
    /// Made when it is needed, for the values of that time.
    finder: Option<Arc<AhoCorasick>>,
}

/// What RFC 3986 leaves as it is (section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Secrets {
    /// Values shorter than this are found everywhere by chance, so that looking for them says nothing.
    pub const SHORTEST: usize = 6;

    /// A key is looked for in pieces of so many bytes: half of a key of 32 bytes, wherever it is cut, holds one, and none occurs by
    /// chance.
    pub const PIECE: usize = 8;

    /// Remembers a value. Every copy of it that is freed from here on is wiped.
    pub fn keep(&self, value: &str) {
        wiping::from_now_on();
        if value.len() >= Self::SHORTEST {
            let mut known = self.known();
            if known.values.insert(value.to_owned()) {
                known.finder = None;
            }
        }
    }

    /// Remembers the secret bytes of a key, or of its protected form. Any [`Self::PIECE`] of them are looked for by
    /// themselves: what is broken into lines, or quoted in part, is found too.
    pub fn keep_key(&self, bytes: &[u8]) {
        wiping::from_now_on();
        if bytes.len() >= Self::PIECE {
            let mut known = self.known();
            if known.keys.insert(bytes.to_owned()) {
                known.finder = None;
            }
        }
    }

    /// How many values and keys are known.
    pub fn count(&self) -> usize {
        let known = self.known();
        known.values.len() + known.keys.len()
    }

    /// Whether `bytes` hold one of the values, in one of the forms.
    pub fn occur_in(&self, bytes: &[u8]) -> bool {
        self.finder().is_some_and(|finder| finder.is_match(bytes))
    }

    fn finder(&self) -> Option<Arc<AhoCorasick>> {
        let mut known = self.known();
        if known.values.is_empty() && known.keys.is_empty() {
            return None;
        }
        if known.finder.is_none() {
            let texts = known.values.iter().flat_map(|value| forms(value));
            let pieces = known.keys.iter().flat_map(|key| key.chunks_exact(Self::PIECE));
            let forms: BTreeSet<Vec<u8>> = texts.chain(pieces.flat_map(forms_of_bytes)).collect();
            let finder = AhoCorasick::new(forms).expect("invariant: secrets are fewer than patterns may be");
            known.finder = Some(Arc::new(finder));
        }
        known.finder.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only the number: the values appear nowhere.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.count())
    }
}

fn forms(value: &str) -> Vec<Vec<u8>> {
    let percent = percent_encode(value.as_bytes(), RESERVED).to_string();
    let json = serde_json::to_string(value).unwrap_or_default();
    let texts = [lower_escapes(&percent), percent.replace("%20", "+"), percent, json.trim_matches('"').to_owned()];
    let texts = texts.into_iter().filter(|form| form.len() >= Secrets::SHORTEST).map(String::into_bytes);
    texts.chain(forms_of_bytes(value.as_bytes())).collect()
}

fn forms_of_bytes(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let every: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    let mut forms = vec![hex.to_uppercase(), hex, every.to_lowercase(), every];
    for engine in [STANDARD, URL_SAFE] {
        forms.extend((0..3).map(|before| within_base64(&engine, before, bytes)));
    }
    let texts = forms.into_iter().filter(|form| form.len() >= Secrets::SHORTEST).map(String::into_bytes);
    texts.chain([bytes.to_owned()]).collect()
}

/// The signs that stand for `bytes` alone where `before` bytes and others after it are encoded with it.
fn within_base64(engine: &impl Engine, before: usize, bytes: &[u8]) -> String {
    let encoded = engine.encode([&vec![0; before], bytes].concat());
    // Each sign stands for six bits.
    let first = (before * 8).div_ceil(6);
    let end = (before + bytes.len()) * 8 / 6;
    encoded.get(first..end).unwrap_or_default().to_owned()
}

/// The same with small letters in the percent-encoded places only.
fn lower_escapes(percent: &str) -> String {
    let mut parts = percent.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escape, rest) = part.split_at(part.len().min(2));
        lower.push('%');
        lower.push_str(&escape.to_lowercase());
        lower.push_str(rest);
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_and_place() {
        let secrets = Secrets::default();
        secrets.keep("short");
        assert!(!secrets.occur_in(b"short"), "too short to mean anything");
        let value = "open/Sesame \"42\"?ü";
        secrets.keep(value);
        assert_eq!(secrets.count(), 1);
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut texts = vec![
            value.to_owned(),
            hex.to_uppercase(),
            format!("x'{hex}'"),
            "open%2FSesame%20%2242%22%3F%C3%BC".to_owned(),
            "open%2fSesame%20%2242%22%3f%c3%bc".to_owned(),
            "open%2FSesame+%2242%22%3F%C3%BC".to_owned(),
            r#"{"a":"open/Sesame \"42\"?ü"}"#.to_owned(),
        ];
        for before in ["", "a", "ab", "abc", "user:", "Basic "] {
            for after in ["", "z", "zz", "zzz"] {
                let whole = format!("{before}{value}{after}");
                texts.extend([STANDARD.encode(&whole), URL_SAFE.encode(&whole)]);
            }
        }
        for text in texts {
            assert!(secrets.occur_in(format!("before {text} after").as_bytes()), "{text}");
        }
        for text in ["open/Sesame \"42\"?", "open sesame", ""] {
            assert!(!secrets.occur_in(text.as_bytes()), "{text}");
        }
        secrets.keep("another one");
        assert!(secrets.occur_in(b"YW5vdGhlciBvbmU="), "what was met later is found too");
    }

    #[test]
    fn half_of_a_key_is_found_wherever_it_is_cut() {
        let secrets = Secrets::default();
        let key: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(73).wrapping_add(200)).collect();
        secrets.keep_key(&key);
        assert_eq!(secrets.count(), 1);
        for from in 0..=16 {
            let half = &key[from..from + 16];
            let hex: String = half.iter().map(|byte| format!("{byte:02X}")).collect();
            let line = STANDARD.encode(half);
            for text in [half, hex.as_bytes(), line.as_bytes()] {
                assert!(secrets.occur_in(&[b"before ", text, b" after"].concat()), "from {from}");
            }
        }
        assert!(!secrets.occur_in(&key[1..8]));
        // A public number beside it is none.
        assert!(!secrets.occur_in(&(0..32_u8).map(|n| n.wrapping_mul(71)).collect::<Vec<_>>()));
    }
}

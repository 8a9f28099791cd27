//! Which words a text may hold: a Bloom filter over its identifiers, so that of many files only those are
//! looked at that could matter. It says yes too often and never no wrongly.

use unicode_normalization::{UnicodeNormalization, is_nfkc};

/// The words of one text.
#[derive(Debug, Default)]
pub struct Words {
    bits: Vec<u64>,
    /// Whether a word is not plain ASCII: the language may know it under another spelling.
    exotic: bool,
}

/// A word, ready to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Word(u32);

const PRIME: u32 = 0x9E37_79B1;

/// What each byte is: 0 ends a word, 1 is a part of one, 2 is a part and not ASCII.
const KINDS: [u8; 256] = {
    let mut kinds = [0_u8; 256];
    let mut byte = 0;
    while byte < 256 {
        let part = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        kinds[byte] = if byte >= 128 { 2 } else { part as u8 };
        byte += 1;
    }
    kinds
};

/// A text as the language reads the names in it (Python reference, "Identifiers": they are compared in normal form
/// NFKC); nothing where that is the text itself.
pub fn normal_form(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    // Nearly every text is ASCII, and is looked at in blocks.
    let foreign = |from: usize| {
        const BLOCK: usize = 256;
        let block = bytes[from..].chunks(BLOCK).position(|block| !block.is_ascii())?;
        let start = from + block * BLOCK;
        Some(start + bytes[start..].iter().position(|byte| !byte.is_ascii())?)
    };
    let (mut normal, mut done) = (String::new(), 0);
    let mut at = foreign(0);
    while let Some(first) = at {
        // An ASCII character is changed by nothing that comes before it, but by marks that come after it.
        let start = first.saturating_sub(1).max(done);
        let end = bytes[first..].iter().position(u8::is_ascii).map_or(bytes.len(), |length| first + length);
        let part = &text[start..end];
        if !is_nfkc(part) {
            normal.push_str(&text[done..start]);
            normal.extend(part.nfkc());
            done = end;
        }
        at = foreign(end);
    }
    (done > 0).then(|| normal + &text[done..])
}

impl Word {
    /// From its text.
    pub fn new(text: &str) -> Self {
        Self(text.bytes().fold(0, |hash, byte| (hash.rotate_left(5) ^ u32::from(byte)).wrapping_mul(PRIME)))
    }
}

impl Words {
    /// The words of a text.
    pub fn of(text: &str) -> Self {
        let size = (text.len() / 64).next_power_of_two().clamp(8, 2048);
        let mut words = Self { bits: vec![0; size], exotic: false };
        let mut hash = 0_u32;
        let mut inside = 0_u8;
        for &byte in text.as_bytes() {
            let kind = KINDS[usize::from(byte)];
            if kind == 0 {
                if inside != 0 {
                    words.put(hash, inside);
                    (hash, inside) = (0, 0);
                }
            } else {
                inside |= kind;
                hash = (hash.rotate_left(5) ^ u32::from(byte)).wrapping_mul(PRIME);
            }
        }
        if inside != 0 {
            words.put(hash, inside);
        }
        words
    }

    fn put(&mut self, hash: u32, kind: u8) {
        self.exotic |= kind & 2 != 0;
        let at = self.at(hash);
        self.bits[at.0] |= at.1;
    }

    fn at(&self, hash: u32) -> (usize, u64) {
        let hash = hash ^ (hash >> 15);
        let word = (hash >> 6) as usize & (self.bits.len() - 1);
        (word, 1 << (hash & 63))
    }

    /// Whether the text may hold a word.
    pub fn may_hold(&self, word: Word) -> bool {
        if self.exotic || self.bits.is_empty() {
            return self.exotic;
        }
        let (index, bit) = self.at(word.0);
        self.bits[index] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
        /// Part by part the normal form is that of the whole.
        #[test]
        fn the_normal_form_is_that_of_the_whole_text(text in "(?:[a-z ]|\\PC|[\u{300}-\u{315}éﬁ²ǅ한\u{1100}-\u{1112}\u{1161}-\u{1175}\u{0fb2}\u{0f81}]){0,12}") {
            let whole: String = text.nfkc().collect();
            prop_assert_eq!(normal_form(&text).unwrap_or_else(|| text.clone()), whole);
        }
    }
}

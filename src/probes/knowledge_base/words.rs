//! Words: which of them make a document speak of approval, which make an id a placeholder, and which
//! name a program as an author. Everything is compared word by word, never as a substring, so that
//! "unauthorised", "category" and "going" are found by nothing.

use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use memchr::memmem::Finder;

/// What a document is searched for, as report readers are told.
pub const SEARCHED_WORDS: &str = "words (whole, any case): approve, approves, approved, approving, approver, approval, \
     authorise, authorises, authorised, authorising, authorisation (and with z), SG_1, SG_2, GO (capitals), sovereign, \
     ruling, phê duyệt, chấp thuận, duyệt";

/// Which bytes are ASCII letters and digits.
const IN_WORDS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// A part of every term that [`approval_words`] finds: nothing is found in ASCII without one of these. ASCII is not folded.
struct Stems {
    /// In lower case. `None` where the processor is not known to search for all of them at once.
    long: Option<Searcher>,
    short: Finder<'static>,
    capitals: Finder<'static>,
}

static STEMS: LazyLock<Stems> = LazyLock::new(|| Stems {
    long: Searcher::new(["approv", "authori", "sovereign", "ruling", "duyet", "thuan"]),
    short: Finder::new("sg"),
    capitals: Finder::new("GO"),
});

impl Stems {
    /// Whether a text of ASCII holds one. The short ones are looked for on their own: beside them the long ones would be told
    /// apart by their first two letters, which nearly every sentence has.
    fn may_speak(&self, text: &str) -> bool {
        let Some(long) = &self.long else { return true };
        let lower = text.to_ascii_lowercase();
        long.find(&lower).is_some()
            || self.short.find(lower.as_bytes()).is_some()
            || self.capitals.find(text.as_bytes()).is_some()
    }
}

/// The words of texts, one after the other: runs of letters and digits, each with whether it was written in capitals only.
/// They are folded: without invisible characters, and where not all of it is ASCII in lower case and without Vietnamese
/// vowel marks. `ê`, `â` and their tones fold to `e` and `a`, composed or decomposed, because both forms occur in files and
/// a search must find both.
#[inline]
fn each_word<'a>(texts: impl IntoIterator<Item = &'a str>, mut each: impl FnMut(&str, bool)) {
    let mut folded = String::new();
    for text in texts {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            at += bytes[at..].iter().take_while(|byte| IN_WORDS[usize::from(**byte)]).count();
            if bytes.get(at).is_none_or(u8::is_ascii) {
                // Nearly every word ends here, and is a part of the text as it is.
                if at > start {
                    each(&text[start..at], bytes[start..at].iter().all(u8::is_ascii_uppercase));
                }
                at += 1;
                continue;
            }
            folded.clear();
            let mut capitals = true;
            at = start;
            for c in text[start..].chars() {
                at += c.len_utf8();
                // Combining marks, soft hyphen, zero-width characters: invisible, or a mark on the letter before.
                if matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}') {
                    continue;
                }
                if !c.is_alphanumeric() {
                    break;
                }
                capitals &= c.is_uppercase();
                folded.extend(c.to_lowercase().map(fold));
            }
            if !folded.is_empty() {
                each(&folded, capitals);
            }
        }
    }
}

fn fold(c: char) -> char {
    match c {
        'ê' | 'ế' | 'ề' | 'ể' | 'ễ' | 'ệ' => 'e',
        'â' | 'ấ' | 'ầ' | 'ẩ' | 'ẫ' | 'ậ' => 'a',
        other => other,
    }
}

/// The folded words of a short text, such as a field's value.
pub fn folded(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each_word([text], |word, _| words.push(word.to_ascii_lowercase()));
    words
}

/// Whether one of `wanted` is a word of `text`.
pub fn has_word(text: &str, wanted: &[&str]) -> bool {
    folded(text).iter().any(|word| wanted.contains(&word.as_str()))
}

/// The words by which texts speak of approval, in the order of [`SEARCHED_WORDS`], each once. What ends one text and what
/// begins the next are two words.
pub fn approval_words<'a>(texts: impl IntoIterator<Item = &'a str> + Clone) -> Vec<&'static str> {
    // Nearly every document ends here.
    if texts.clone().into_iter().all(|text| text.is_ascii() && !STEMS.may_speak(text)) {
        return Vec::new();
    }
    words_of_approval(texts)
}

/// As [`approval_words`], word by word.
fn words_of_approval<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<&'static str> {
    /// The terms that two words make.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Before {
        Sg,
        Phe,
        Chap,
        Other,
    }
    const TERMS: [&str; 11] = [
        "approve",
        "approval",
        "authorise",
        "SG_1",
        "SG_2",
        "GO",
        "sovereign",
        "ruling",
        "phê duyệt",
        "chấp thuận",
        "duyệt",
    ];
    let mut found = [false; TERMS.len()];
    let mut before = Before::Other;
    each_word(texts, |word, capitals| {
        let last = std::mem::replace(&mut before, Before::Other);
        let first = word.as_bytes()[0] | 0x20;
        // Nearly every word ends here.
        if !matches!(first, b'a' | b'c' | b'd' | b'g' | b'p' | b'r' | b's' | b't' | b'1' | b'2') {
            return;
        }
        let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
        match first {
            b'a' if word.len() >= "approve".len() => {
                found[0] |= is(&["approve", "approves", "approved", "approving", "approver", "approvers"]);
                found[1] |= is(&["approval", "approvals"]);
                found[2] |= is_authorise(word);
            }
            b's' => {
                if is(&["sg"]) {
                    before = Before::Sg;
                }
                found[3] |= is(&["sg1"]);
                found[4] |= is(&["sg2"]);
                found[6] |= is(&["sovereign", "sovereigns"]);
            }
            b'1' => found[3] |= last == Before::Sg && word == "1",
            b'2' => found[4] |= last == Before::Sg && word == "2",
            b'g' => found[5] |= capitals && is(&["go"]),
            b'r' => found[7] |= is(&["ruling", "rulings"]),
            b'p' if is(&["phe"]) => before = Before::Phe,
            b'c' if is(&["chap"]) => before = Before::Chap,
            b'd' if is(&["duyet"]) => {
                found[8] |= last == Before::Phe;
                found[10] = true;
            }
            b't' => found[9] |= last == Before::Chap && is(&["thuan"]),
            _ => {}
        }
    });
    TERMS.into_iter().zip(found).filter(|(_, found)| *found).map(|(term, _)| term).collect()
}

fn is_authorise(word: &str) -> bool {
    let stem = word
        .as_bytes()
        .get(..8)
        .is_some_and(|stem| stem.eq_ignore_ascii_case(b"authoris") || stem.eq_ignore_ascii_case(b"authoriz"));
    let endings = ["e", "es", "ed", "ing", "ation", "ations"];
    stem && word.get(8..).is_some_and(|rest| endings.iter().any(|ending| rest.eq_ignore_ascii_case(ending)))
}

/// Whether an id stands for one that is still to be filled in: `<RUN_ID>`, `{run_id}`, `$RUN_ID`, `TBD`,
/// `xxxx`, `run-YYYYMMDD`, `…`.
pub fn is_placeholder(id: &str) -> bool {
    let bracketed = id.contains(['<', '>', '{', '}', '[', ']', '$', '%', '…', '?', '*']) || id.contains("...");
    bracketed || id.is_empty() || says_none(id) || folded(id).iter().any(|word| is_placeholder_word(word))
}

/// Whether an id says that there is none: "none", "null", "n/a", a dash.
pub fn says_none(id: &str) -> bool {
    let dash = !id.is_empty() && !id.chars().any(char::is_alphanumeric);
    dash || id.eq_ignore_ascii_case("n/a") || has_word(id, &["none", "null", "na"])
}

fn is_placeholder_word(word: &str) -> bool {
    const NAMES: &[&str] = &["tbd", "tbc", "tba", "todo", "fixme", "placeholder", "changeme", "example"];
    let all = |letters: &str, least: usize| word.len() >= least && word.chars().all(|c| letters.contains(c));
    NAMES.contains(&word) || all("x", 3) || all("n", 3) || word.starts_with("yyyy") || all("hms", 6)
}

/// Whether an author is a program that runs things and not a person.
pub fn names_a_runner(author: &str) -> bool {
    const PROGRAMS: &[&str] = &[
        "runner",
        "runners",
        "cutter",
        "executor",
        "tool",
        "tooling",
        "orchestrator",
        "automation",
        "robot",
        "bot",
        "script",
    ];
    has_word(author, PROGRAMS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]
        /// The short way finds what the long one does, in whatever case and company the words stand.
        #[test]
        fn no_term_is_passed_over(pieces in prop::collection::vec(piece(), 1..6), apart in "[ _\\-.a\u{ad}]?") {
            let texts = [pieces.join(&apart), pieces.concat(), "Page 7".to_owned()];
            let texts = texts.iter().map(String::as_str);
            prop_assert_eq!(approval_words(texts.clone()), words_of_approval(texts));
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        let terms = [
            "approve",
            "approvers",
            "approvals",
            "approval",
            "authorise",
            "authorizations",
            "AUTHORIZED",
            "sg1",
            "sg",
            "1",
            "SG_2",
            "2",
            "GO",
            "go",
            "sovereign",
            "Rulings",
            "phe",
            "duyet",
            "chap",
            "thuan",
            "phê",
            "duyệt",
            "chấp",
            "thuận",
        ];
        let term = prop::sample::select(terms.to_vec());
        let cased =
            (term, prop::bool::ANY).prop_map(|(term, upper)| if upper { term.to_uppercase() } else { term.to_owned() });
        prop_oneof![cased, "[a-zA-Z0-9]{0,4}", Just("the table keeps every entry".to_owned())]
    }
}

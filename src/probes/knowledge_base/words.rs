//! Words: which of them make a document speak of approval, which make an id a placeholder, and which
//! name a program as an author. Everything is compared word by word, never as a substring, so that
//! "unauthorised", "category" and "going" are found by nothing.

/// What a document is searched for, as report readers are told.
pub const SEARCHED_WORDS: &str = "words (whole, any case): approve, approves, approved, approving, approver, approval, \
     authorise, authorises, authorised, authorising, authorisation (and with z), SG_1, SG_2, GO (capitals), sovereign, \
     ruling, phê duyệt, chấp thuận, duyệt";

/// A word of a text, folded, with what it was.
struct Word {
    /// Lower case, without Vietnamese vowel marks and invisible characters.
    folded: String,
    /// Whether it was written in capitals only.
    capitals: bool,
}

/// The words of a text: runs of letters and digits. Vietnamese `ê`, `â` and their tones fold to `e` and
/// `a`, composed or decomposed, because both forms occur in files and a search must find both.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word = Word { folded: String::new(), capitals: true };
    for c in text.chars() {
        // Combining marks, soft hyphen, zero-width characters: invisible, or a mark on the letter before.
        if matches!(c, '\u{300}'..='\u{36f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}') {
            continue;
        }
        if c.is_alphanumeric() {
            word.capitals &= c.is_uppercase();
            word.folded.extend(c.to_lowercase().map(fold));
        } else if !word.folded.is_empty() {
            words.push(std::mem::replace(&mut word, Word { folded: String::new(), capitals: true }));
        }
    }
    if !word.folded.is_empty() {
        words.push(word);
    }
    words
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
    words(text).into_iter().map(|word| word.folded).collect()
}

/// Whether one of `wanted` is a word of `text`.
pub fn has_word(text: &str, wanted: &[&str]) -> bool {
    folded(text).iter().any(|word| wanted.contains(&word.as_str()))
}

/// The words by which a text speaks of approval, in the order of [`SEARCHED_WORDS`], each once.
pub fn approval_words(text: &str) -> Vec<&'static str> {
    let words = words(text);
    let mut found = std::collections::BTreeSet::new();
    for (i, word) in words.iter().enumerate() {
        let next = words.get(i + 1).map(|word| word.folded.as_str());
        let term = match (word.folded.as_str(), next) {
            ("approve" | "approves" | "approved" | "approving" | "approver" | "approvers", _) => (0, "approve"),
            ("approval" | "approvals", _) => (1, "approval"),
            ("sg", Some("1")) | ("sg1", _) => (3, "SG_1"),
            ("sg", Some("2")) | ("sg2", _) => (4, "SG_2"),
            ("go", _) if word.capitals => (5, "GO"),
            ("sovereign" | "sovereigns", _) => (6, "sovereign"),
            ("ruling" | "rulings", _) => (7, "ruling"),
            ("phe", Some("duyet")) => (8, "phê duyệt"),
            ("chap", Some("thuan")) => (9, "chấp thuận"),
            ("duyet", _) => (10, "duyệt"),
            (other, _) if is_authorise(other) => (2, "authorise"),
            (_, _) => continue,
        };
        found.insert(term);
    }
    found.into_iter().map(|(_, term)| term).collect()
}

fn is_authorise(word: &str) -> bool {
    let rest = word.strip_prefix("authoris").or_else(|| word.strip_prefix("authoriz"));
    matches!(rest, Some("e" | "es" | "ed" | "ing" | "ation" | "ations"))
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

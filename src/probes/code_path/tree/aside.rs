//! Which files of a large tree are laid aside when they are read: hashed, and their texts not kept. What a file that lies
//! in no folder of the phases must hold to be kept is known before anything is read; what turns out to matter later is
//! read again, and must be what it was.

use std::collections::BTreeSet;

use regex::bytes::Regex;

use super::{SourceFile, Tree};
use crate::probes::code_path::scan::Scan;
use crate::probes::code_path::words::normal_form;

/// What of a tree is of interest from the first.
#[derive(Debug, Default)]
pub struct Interest {
    /// The dotted names of what the phases are described with: their modules, the mode, the switches.
    pub described: BTreeSet<String>,
    /// Names by which something of a library may write; code that assigns one of them may have replaced it.
    pub library: BTreeSet<String>,
}

/// What is done with the text of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is kept.
    Kept,
    /// It is kept where something of interest stands in it.
    Searched,
    /// It is laid aside. A test is looked into only where it lies in a folder that matters.
    Aside,
}

/// Looks for what is of interest in texts.
pub(super) struct Search<'i> {
    names: Naming,
    /// The beginning of an assignment of one of the library's names; `None` where there are none.
    assigned: Option<Regex>,
    library: &'i BTreeSet<String>,
}

impl<'i> Search<'i> {
    /// For folders of the phases, and names of libraries.
    pub fn new(tops: &BTreeSet<String>, library: &'i BTreeSet<String>) -> Self {
        let assigned = (!library.is_empty()).then(|| assignment(library.iter().map(String::as_str)));
        Self { names: Naming::of(tops), assigned, library }
    }

    /// Whether a file with this content is kept. One that is not understood is, for it may hold anything.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return true };
        let normal = normal_form(text);
        let text = normal.as_deref().unwrap_or(text);
        self.names.is_in(text) || self.assigned.as_ref().is_some_and(|assigned| self.assigns(assigned, text))
    }

    fn assigns(&self, assigned: &Regex, text: &str) -> bool {
        assigned.is_match(text.as_bytes())
            && Scan::of(text).assigned.iter().any(|name| self.library.contains(name.as_str()))
    }
}

/// Where one of some names may be assigned, as an attribute of something: behind it no bracket opens, for that would be a
/// call. It finds too much.
pub(super) fn assignment<'n>(names: impl Iterator<Item = &'n str>) -> Regex {
    let names: Vec<String> = names.map(regex::escape).collect();
    let any = format!("(?:{})", names.join("|"));
    let assigned = format!(r#"\.{any}\b\s*[^\s(\w][^\r\n]*|["']{any}["']|\bdel\b[^\r\n]*\.{any}\b"#);
    Regex::new(&assigned).expect("invariant: the names are escaped, a package has few, and the rest is constant")
}

/// Whether texts name one of some folders.
pub(super) struct Naming(Option<Regex>);

impl Naming {
    /// Of these folders. Too many of them may be anywhere.
    pub fn of<'n>(tops: impl IntoIterator<Item = &'n String>) -> Self {
        let words: Vec<String> = tops.into_iter().map(|word| regex::escape(word)).collect();
        Self(Regex::new(&format!(r"(?-u)\b(?:{})\b", words.join("|"))).ok())
    }

    /// Whether a text names one of them.
    pub fn is_in(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let found = |names: &Regex| names.find_iter(bytes).any(|at| is_named(bytes, at.start(), at.end()));
        self.0.as_ref().is_none_or(found)
    }
}

/// Whether the word at a place of a text may name a module: it stands alone, no other word but `import` or `from` comes
/// before it, and it is not called.
pub(super) fn is_named(text: &[u8], start: usize, end: usize) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if text.get(end).is_some_and(|byte| is_part(byte) || *byte == b'(')
        || start.checked_sub(1).is_some_and(|before| is_part(&text[before]))
    {
        return false;
    }
    let before = text[..start].trim_ascii_end();
    match before.last() {
        Some(b'#') => false,
        Some(byte) if is_part(byte) => before.ends_with(b"import") || before.ends_with(b"from"),
        Some(_) | None => true,
    }
}

impl Tree {
    /// What is done with the text of each file; without an interest all are kept.
    pub(super) fn fates(&self, interest: Option<&Interest>) -> Vec<Fate> {
        let Some(interest) = interest else { return vec![Fate::Kept; self.files.len()] };
        let tops = self.tops_of(&interest.described);
        let fate = |file: &SourceFile| match (tops.contains(file.top()), file.is_test) {
            (true, _) => Fate::Kept,
            (false, false) => Fate::Searched,
            (false, true) => Fate::Aside,
        };
        self.files.iter().map(fate).collect()
    }
}

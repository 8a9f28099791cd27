//! Which files of a large tree are laid aside when they are read: hashed, and their texts not kept. What a file that lies
//! in no folder of the phases must hold to be kept is known before anything is read; what turns out to matter later is
//! read again, and must be what it was.

use std::collections::BTreeSet;

use aho_corasick::packed::Searcher;
use memchr::memmem;
use regex::bytes::Regex;

use super::{SourceFile, Tree};
use crate::probes::code_path::scan::REWIRING;
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
    assigned: Assignments<'i>,
}

impl<'i> Search<'i> {
    /// For folders of the phases, and names of libraries.
    pub fn new(tops: &BTreeSet<String>, library: &'i BTreeSet<String>) -> Self {
        Self { names: Naming::of(tops), assigned: Assignments::of(library.iter().map(String::as_str)) }
    }

    /// Whether a file with this content is kept. One that is not understood is, for it may hold anything.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        // Nearly every text is ASCII, which is its own normal form.
        if bytes.is_ascii() {
            return self.stands_in(bytes);
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return true };
        self.stands_in(normal_form(text).as_deref().unwrap_or(text).as_bytes())
    }

    fn stands_in(&self, text: &[u8]) -> bool {
        self.names.is_in(text) || self.assigned.may_be_in(text)
    }
}

/// Where some names may be assigned, as attributes of something other than `self`: a quick look at texts, that finds too much.
pub(super) struct Assignments<'n> {
    names: BTreeSet<&'n str>,
    /// Finds each name by how it begins; `None` where the processor is not known to search for all of them at once.
    stems: Option<Searcher>,
}

impl<'n> Assignments<'n> {
    /// Of these names.
    pub fn of(names: impl Iterator<Item = &'n str>) -> Self {
        let names: BTreeSet<&str> = names.filter(|name| !name.is_empty()).collect();
        // Sorted, a name follows the one that it begins with.
        let mut stems: Vec<&str> = Vec::new();
        for name in &names {
            if stems.last().is_none_or(|stem| !name.starts_with(stem)) {
                stems.push(name);
            }
        }
        Self { stems: Searcher::new(stems), names }
    }

    /// Whether a text may assign one of them.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        match &self.stems {
            Some(stems) => stems.find_iter(text).any(|found| self.may_be_at(text, found.start())),
            None => self.names.iter().any(|name| memmem::find_iter(text, name).any(|at| self.may_be_at(text, at))),
        }
    }

    /// Whether one of them begins at a place of a text, quoted, or as an attribute of something that is not called, nor looked into.
    fn may_be_at(&self, text: &[u8], at: usize) -> bool {
        let (before, rest) = text.split_at(at);
        let (name, behind) =
            rest.split_at(rest.iter().position(|byte| !is_part(byte) && byte.is_ascii()).unwrap_or(rest.len()));
        if !std::str::from_utf8(name).is_ok_and(|name| self.names.contains(name)) {
            return false;
        }
        if behind.first().is_some_and(|byte| matches!(byte, b'"' | b'\'')) {
            return true;
        }
        let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\\';
        // A line may break behind the full stop, and before it.
        let Some(dot) = before.iter().rposition(|byte| !is_space(byte)).filter(|at| before[*at] == b'.') else {
            return false;
        };
        let object = &before[..dot];
        let own = object.ends_with(b"self")
            && !object[..object.len() - 4].last().is_some_and(|byte| is_part(byte) || *byte == b'.');
        let next = behind.iter().position(|byte| !is_space(byte)).map_or(&b""[..], |at| &behind[at..]);
        let used = match next.first() {
            Some(b'(' | b'.' | b'[') => true,
            // `for object.name in …`.
            Some(byte) if is_part(byte) => !next.starts_with(b"in"),
            Some(_) | None => false,
        };
        !used && (!own || std::str::from_utf8(name).is_ok_and(|name| REWIRING.contains(&name)))
    }
}

fn is_part(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
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
    pub fn is_in(&self, text: &[u8]) -> bool {
        let found = |names: &Regex| names.find_iter(text).any(|at| is_named(text, at.start(), at.end()));
        self.0.as_ref().is_none_or(found)
    }
}

/// Whether the word at a place of a text may name a module: it stands alone, no other word but `import` or `from` comes
/// before it, and it is not called.
pub(super) fn is_named(text: &[u8], start: usize, end: usize) -> bool {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::probes::code_path::python;
    use crate::probes::code_path::tree::rewired::Rewired;

    const NAMES: [&str; 3] = ["close", "copy", "copy_from"];

    fn found(text: &str) -> bool {
        let quick = Assignments::of(NAMES.into_iter()).may_be_in(text.as_bytes());
        let slow = Assignments { stems: None, ..Assignments::of(NAMES.into_iter()) };
        assert_eq!(quick, slow.may_be_in(text.as_bytes()), "{text}");
        quick
    }

    fn assigned(text: &str) -> bool {
        python::parse(text).is_ok_and(|module| NAMES.iter().any(|name| Rewired::of(&module).names.contains(*name)))
    }

    #[test]
    fn every_way_to_assign_an_attribute_is_seen() {
        for text in [
            "a.close = b\n",
            "a.b.copy_from=c",
            "x = 1; a.close = b",
            "if x: a.close = b",
            "a.close, a.x = c",
            "a.close: int = 3",
            "a.close += 3",
            "a.\\\nclose = b\n",
            "(a\n .\n close) = b\n",
            "(a.close,\n x) = b\n",
            "[a.close] = [b]\n",
            "[*a.close] = [b]\n",
            "del a.close\n",
            "del (\n    a.close)\n",
            "setattr(a, 'close', b)\n",
            "setattr(\n    a,\n    \"copy\",\n    b)\n",
            "put = setattr\nput(a, 'close', b)\n",
            "map(setattr, [a], ['close'], [b])\n",
            "getattr(builtins, 'setattr')(a, 'close', b)\n",
            "a.__class__.__setattr__(a, 'close', b)\n",
            "delattr(\n a,\n 'close')\n",
            "patch.object(a, 'close')\n",
            "patch('a.b.close')\n",
            "a.__dict__['close'] = b\n",
            "for a.close in b:\n    pass\n",
            "with b as a.close:\n    pass\n",
            "with (\n    b\n    as a.close,\n):\n    pass\n",
            "[0 for a.close in b]\n",
            "match x:\n    case 1:\n        a.close = b\n",
            "def f(x=[0 for a.close in b]):\n    pass\n",
        ] {
            assert!(found(text) && assigned(text), "{text}: {} {}", found(text), assigned(text));
        }
        for text in [
            "a.close()\n",
            "a.closed = 1\n",
            "self.close = b\n",
            "a.copy_to = b\n",
            "close = 1\n",
            "a.close.x = 1\n",
            "",
        ] {
            assert!(!found(text) && !assigned(text), "{text}");
        }
    }

    #[test]
    fn a_name_need_not_be_ascii() {
        let names = || Assignments::of(["schließen"].into_iter());
        assert!(names().may_be_in("a.schließen = b\n".as_bytes()));
        assert!(!names().may_be_in("a.schließend = b\n".as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
        /// The quick look passes over nothing that the syntax says.
        #[test]
        fn the_quick_look_finds_all_that_is_assigned(text in "((a|self|b)?\\.?(close|copy|x)|[=.,:;()'\"\n \\[\\]+é-]|del |for |in |as |with |setattr\\()*") {
            prop_assert!(found(&text) || !assigned(&text));
        }
    }
}

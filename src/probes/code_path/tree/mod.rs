//! The source tree: which files there are, which module each is, and quick looks at their texts. All files are
//! read and hashed ([`reading`]), so that every later step sees the same moment; of many only those are kept and looked into
//! that can matter to the phases ([`aside`], [`concern`]).

mod aside;
mod concern;
mod questions;
mod reading;
mod resolution;
mod rewired;
mod search_path;
mod shelf;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytestring::ByteString;

pub use aside::Interest;
pub use reading::{Source, read};
pub use resolution::Resolution;

use super::model::{Module, Name, ParseFailure};
use super::python;
use super::scan::Scan;
use super::value::{ModuleId, Spot};
use super::words::{Word, Words};
use crate::evidence::Digest256;
use aside::Assignments;
use questions::Asked;
use rewired::Rewired;

/// A source file of the tree.
#[derive(Debug)]
pub struct SourceFile {
    /// Its path below the tree.
    pub path: String,
    /// Its dotted module name.
    pub module: String,
    /// Whether it is the module of a package folder.
    pub is_package: bool,
    /// Whether its name or folder says that it is a test.
    pub is_test: bool,
    /// Its text without a byte order mark, or why it cannot be understood.
    pub text: Result<ByteString, String>,
    /// Its text as the language reads the names in it, where that is another.
    normal: Option<String>,
    /// Whether it was read and its text was not kept.
    aside: bool,
    /// The words in it, once they matter.
    words: OnceCell<Words>,
    scan: OnceCell<Scan>,
    rewired: OnceCell<Rewired>,
    parsed: OnceCell<Result<Rc<Module>, ParseFailure>>,
}

/// What a source file holds.
struct Text {
    /// Without a byte order mark, or why it cannot be understood.
    written: Result<ByteString, String>,
    /// As the language reads the names in it, where that is another.
    normal: Option<String>,
}

/// A source tree.
#[derive(Debug)]
pub struct Tree {
    /// Its files, sorted by path.
    pub files: Vec<SourceFile>,
    /// SHA-256 over path and digest of every source file.
    pub digest: Digest256,
    /// The last part of the tree's own path.
    pub name: String,
    modules: BTreeMap<String, ModuleId>,
    packages: BTreeSet<String>,
    blind: BTreeSet<String>,
    /// Files, tests aside, that can matter to the phases.
    concerned: Vec<ModuleId>,
    /// The names that no file which was laid aside gives to something of a library; `None` where none was laid aside.
    unassigned: Option<BTreeSet<String>>,
    unreadable: bool,
    computed_bases: OnceCell<BTreeSet<String>>,
    knowers: RefCell<BTreeMap<String, Rc<BTreeSet<String>>>>,
    names_memory: OnceCell<bool>,
    path_changes: OnceCell<Vec<ModuleId>>,
    package_path_changes: OnceCell<Vec<ModuleId>>,
    by_word: RefCell<BTreeMap<String, Vec<ModuleId>>>,
    answers: RefCell<BTreeMap<(Asked, String), bool>>,
}

fn dotted(path: &str) -> String {
    path.trim_end_matches(python::EXTENSION).replace('/', ".")
}

impl SourceFile {
    /// A file whose text is not kept.
    fn new(path: &str) -> Self {
        let module = dotted(path);
        let (module, is_package) = match module.strip_suffix("__init__") {
            Some("") => (String::new(), true),
            Some(package) if package.ends_with('.') => (package.trim_end_matches('.').to_owned(), true),
            Some(_) | None => (module, false),
        };
        let parts: Vec<&str> = path.split('/').collect();
        let (file, folders) = parts.split_last().map_or(("", &[][..]), |(file, folders)| (*file, folders));
        let is_test = folders.iter().any(|folder| matches!(*folder, "tests" | "test"))
            || file.starts_with("test_")
            || file.ends_with("_test.py")
            || file == "conftest.py";
        let text = Err("nothing that belongs to the phases names it, and it names nothing of theirs".to_owned());
        let (normal, aside) = (None, true);
        let (words, scan, rewired, parsed) = (OnceCell::new(), OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { path: path.to_owned(), module, is_package, is_test, text, normal, aside, words, scan, rewired, parsed }
    }

    /// Keeps its text.
    fn keep(&mut self, text: Text) {
        let Text { written, normal } = text;
        (self.text, self.normal, self.aside) = (written, normal, false);
    }

    /// What its lines say, looked at when it is first asked for.
    pub fn scan(&self) -> &Scan {
        self.scan.get_or_init(|| self.spelt().map(Scan::of).unwrap_or_default())
    }

    /// Its text with names in their normal form; nothing where it is not understood.
    fn spelt(&self) -> Option<&str> {
        self.normal.as_deref().or(self.text.as_deref().ok())
    }

    fn words(&self) -> &Words {
        self.words.get_or_init(|| self.spelt().map(Words::of).unwrap_or_default())
    }

    /// Whether a word may stand in it.
    pub fn may_hold(&self, word: &str) -> bool {
        self.words().may_hold(Word::new(word))
    }

    /// Whether a word stands in it.
    fn holds(&self, word: Word, text: &str) -> bool {
        self.words().may_hold(word) && self.spelt().is_some_and(|own| has_word(own, text))
    }

    /// Whether a piece of a name may stand in it; in a text that is not understood it may.
    pub fn may_spell(&self, piece: &str) -> bool {
        self.spelt().is_none_or(|text| text.contains(piece))
    }

    /// The first folder of its module's name, or the name itself; `src` aside.
    fn top(&self) -> &str {
        let module = self.module.strip_prefix("src.").unwrap_or(&self.module);
        module.split('.').next().unwrap_or(module)
    }

    /// What it replaces in things that are not its own. One that is not understood replaces what its lines say.
    fn rewired(&self) -> &Rewired {
        self.rewired.get_or_init(|| self.parsed().as_ref().map(|module| Rewired::of(module)).unwrap_or_default())
    }

    /// Whether it assigns or deletes an attribute of this name of something other than `self`.
    fn assigns(&self, name: &str) -> bool {
        let may = |text: &str| Assignments::of([name].into_iter()).may_be_in(text.as_bytes());
        self.spelt().is_some_and(may) && (self.scan().assigned.contains(name) || self.rewired().names.contains(name))
    }

    /// The module, parsed when it is first asked for.
    pub fn parsed(&self) -> &Result<Rc<Module>, ParseFailure> {
        self.parsed.get_or_init(|| match &self.text {
            Ok(text) => python::parse(text).map(Rc::new),
            Err(reason) => Err(ParseFailure { at: 0, reason: reason.clone() }),
        })
    }

    /// Whether it was parsed and could not be understood.
    pub fn failure(&self) -> Option<&ParseFailure> {
        self.parsed.get().and_then(|parsed| parsed.as_ref().err())
    }

    /// `path:line:column` of a byte offset; columns count characters from 1.
    pub fn place(&self, at: u32) -> String {
        let (line, column, _) = self.line(at);
        format!("{}:{line}:{column}", self.path)
    }

    /// Line and column of a byte offset, and the line's text.
    pub fn line(&self, at: u32) -> (usize, usize, &str) {
        let Ok(text) = &self.text else { return (1, 1, "") };
        let at = (at as usize).min(text.len());
        let at = (0..=at).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        let (mut number, mut start) = (1, 0);
        let bytes = text.as_bytes();
        for i in 0..at {
            let ends = bytes[i] == b'\n' || (bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
            if ends {
                number += 1;
                start = i + 1;
            }
        }
        let rest = &text[start..];
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        (number, text[start..at].chars().count() + 1, &rest[..end])
    }
}

impl Tree {
    fn new(files: Vec<SourceFile>, name: String, blind: BTreeSet<String>) -> Self {
        let mut modules = BTreeMap::new();
        let mut packages = BTreeSet::new();
        for (index, file) in files.iter().enumerate() {
            // A package wins over a module of the same name, as in Python.
            let id = ModuleId(index);
            if file.is_package || !modules.contains_key(&file.module) {
                modules.insert(file.module.clone(), id);
            }
            let mut folder = file.module.as_str();
            while let Some((above, _)) = folder.rsplit_once('.') {
                packages.insert(above.to_owned());
                folder = above;
            }
        }
        let concerned = (0..files.len()).map(ModuleId).filter(|id| !files[id.0].is_test).collect();
        Self {
            files,
            digest: Digest256::of(b""),
            name,
            modules,
            packages,
            blind,
            concerned,
            unassigned: None,
            unreadable: false,
            computed_bases: OnceCell::new(),
            knowers: RefCell::default(),
            names_memory: OnceCell::new(),
            path_changes: OnceCell::new(),
            package_path_changes: OnceCell::new(),
            by_word: RefCell::default(),
            answers: RefCell::default(),
        }
    }

    /// A file of the tree.
    pub fn file(&self, id: ModuleId) -> &SourceFile {
        &self.files[id.0]
    }

    /// `path:line:column` of a spot.
    pub fn place(&self, spot: Spot) -> String {
        self.file(spot.module).place(spot.at)
    }

    /// The dotted name of something in a module.
    pub fn qualified(&self, module: ModuleId, name: &str) -> Name {
        let file = self.file(module);
        if file.module.is_empty() { name.into() } else { format!("{}.{name}", file.module).into() }
    }
}

/// Whether a text holds a word that stands alone.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    text.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).is_none_or(|before| !is_part(bytes[before]));
        before && bytes.get(at + word.len()).is_none_or(|after| !is_part(*after))
    })
}

//! The source tree: which files there are, which module each is, and quick looks at their texts. It
//! reads through the door, all files once, so that every later step sees the same moment.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rayon::prelude::*;

use super::model::{Module, Name, ParseFailure};
use super::python;
use super::scan::{self, Scan};
use super::value::{ModuleId, Spot};
use super::words::{Word, Words};
use crate::evidence::{Digest256, Missing, MissingState, Reading};
use crate::probes::{Door, Entry, FileKind};

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
    pub text: Result<String, String>,
    /// The words in it.
    words: Words,
    /// Functions whose results its classes inherit from.
    computed_bases: Vec<String>,
    scan: OnceCell<Scan>,
    parsed: OnceCell<Result<Rc<Module>, ParseFailure>>,
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
    unreadable: bool,
    computed_bases: BTreeSet<String>,
    names_memory: OnceCell<bool>,
    path_changes: OnceCell<Vec<String>>,
    by_word: RefCell<BTreeMap<String, Vec<ModuleId>>>,
    answers: RefCell<BTreeMap<(Asked, String), bool>>,
}

/// What is asked of all files, tests aside, about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Changed,
    Nonlocal,
    Replaced,
    Method,
    Defined,
}

/// Files longer than this are not parsed.
const MODULE_BYTES: u64 = 8 << 20;

/// Folder depth that is followed.
const FOLDERS: usize = 64;

/// Reads the tree at a logical path.
///
/// # Errors
/// The first folder or file that could not be read.
pub fn read(door: &Door, root: &str) -> Result<Tree, Missing> {
    let root = if root == "/" { root } else { root.trim_end_matches('/') };
    let mut found = Found::default();
    let listed = door.list_unnoted(root)?;
    walk(door, root, "", listed, 0, &mut found)?;
    found.paths.sort();
    // Read here, where the rights of the caller hold; hashed and looked at on all cores.
    let mut contents = Vec::with_capacity(found.paths.len());
    for path in &found.paths {
        if door.time_left().is_zero() {
            let tried = format!("read {root}");
            return Err(door.missing(
                MissingState::TimedOut,
                tried,
                "the probe's time is over",
                "raise the time limit",
            ));
        }
        let mut bytes = door.read_unnoted(&format!("{root}/{path}"), door.limits().file_bytes)?;
        bytes.shrink_to_fit();
        contents.push(bytes);
    }
    let readings: Vec<(Digest256, u64, Text)> =
        contents.into_par_iter().map(|bytes| (Digest256::of(&bytes), bytes.len() as u64, Text::of(bytes))).collect();
    let (mut files, mut listing, mut size) = (Vec::new(), String::new(), 0_u64);
    for (path, reading) in found.paths.iter().zip(readings) {
        let (digest, bytes, text) = reading;
        size += bytes;
        listing.push_str(&format!("{digest}  {path}\n"));
        files.push(SourceFile::new(path, text));
    }
    let digest = Digest256::of(listing.as_bytes());
    let what = format!("{root} ({} files that end in {})", files.len(), python::EXTENSION);
    door.note_by(what, door.by().to_owned(), Reading::Content { size, sha256: digest.clone() });
    let name = root.rsplit('/').next().unwrap_or(root).to_owned();
    Ok(Tree::new(files, digest, name, found.blind))
}

/// A file's text as it can be made on any thread.
struct Text {
    content: Result<String, String>,
    words: Words,
    computed_bases: Vec<String>,
}

impl Text {
    fn of(bytes: Vec<u8>) -> Self {
        let content = if bytes.len() as u64 > MODULE_BYTES {
            Err(format!("it has {} bytes, more than the limit of {MODULE_BYTES}", bytes.len()))
        } else {
            String::from_utf8(bytes)
                .map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
                .map_err(|error| format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
        };
        let words = content.as_ref().map(|text| Words::of(text)).unwrap_or_default();
        let computed_bases = content.as_ref().map(|text| scan::computed_bases(text)).unwrap_or_default();
        Self { content, words, computed_bases }
    }
}

#[derive(Default)]
struct Found {
    paths: Vec<String>,
    blind: BTreeSet<String>,
}

fn walk(
    door: &Door,
    root: &str,
    below: &str,
    listed: Vec<Entry>,
    depth: usize,
    found: &mut Found,
) -> Result<(), Missing> {
    let here = if below.is_empty() { root.to_owned() } else { format!("{root}/{below}") };
    if depth > FOLDERS {
        let tried = format!("list {here}");
        return Err(door.missing(MissingState::Unreadable, tried, "folders nest too deep", "look at it"));
    }
    for entry in listed {
        let path = if below.is_empty() { entry.name.clone() } else { format!("{below}/{}", entry.name) };
        let skipped = entry.name == "__pycache__" || entry.name.starts_with('.');
        if skipped {
            continue;
        }
        let attributes = entry.attributes?;
        let kind = attributes.kind;
        let stem = entry.name.split('.').next().unwrap_or("");
        match kind {
            FileKind::Directory => {
                let listed = door.list_seen(&format!("{root}/{path}"), &attributes)?;
                walk(door, root, &path, listed, depth + 1, found)?;
            }
            FileKind::File | FileKind::Link if entry.exact && entry.name.ends_with(python::EXTENSION) => {
                found.paths.push(path);
            }
            // A linked folder, an extension module or byte code can stand for a module whose source is not here.
            FileKind::Link => {
                found.blind.insert(dotted(&path));
            }
            FileKind::File if [".so", ".pyd", ".pyc", ".pth"].iter().any(|end| entry.name.ends_with(end)) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let module = if folder.is_empty() { stem.to_owned() } else { format!("{folder}/{stem}") };
                found.blind.insert(dotted(&module));
            }
            FileKind::File | FileKind::Fifo | FileKind::Socket | FileKind::Device => {}
        }
        if found.paths.len() > door.limits().entries {
            let tried = format!("list {root}");
            let said = format!("stopped after {} files", found.paths.len());
            return Err(door.missing(MissingState::Unreadable, tried, said, "name a smaller tree"));
        }
    }
    Ok(())
}

fn dotted(path: &str) -> String {
    path.trim_end_matches(python::EXTENSION).replace('/', ".")
}

impl SourceFile {
    fn new(path: &str, text: Text) -> Self {
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
        let (words, computed_bases, text) = (text.words, text.computed_bases, text.content);
        let (scan, parsed) = (OnceCell::new(), OnceCell::new());
        Self { path: path.to_owned(), module, is_package, is_test, text, words, computed_bases, scan, parsed }
    }

    /// What its lines say, looked at when it is first asked for.
    pub fn scan(&self) -> &Scan {
        self.scan.get_or_init(|| self.text.as_ref().map(|text| Scan::of(text)).unwrap_or_default())
    }

    /// Whether a word may stand in it.
    pub fn may_hold(&self, word: &str) -> bool {
        self.words.may_hold(Word::new(word))
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

/// What an imported name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// A module of the tree.
    Module(ModuleId),
    /// A folder of the tree without a module of its own.
    Folder,
    /// It should be in the tree and is not, or cannot be seen there.
    Gone(String),
    /// It belongs to no package of the tree.
    Outside,
}

impl Tree {
    fn new(files: Vec<SourceFile>, digest: Digest256, name: String, blind: BTreeSet<String>) -> Self {
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
        let unreadable = files.iter().any(|file| !file.is_test && file.text.is_err());
        let (by_word, answers) = (RefCell::default(), RefCell::default());
        let (names_memory, path_changes) = (OnceCell::new(), OnceCell::new());
        let bases = files.iter().filter(|file| !file.is_test).flat_map(|file| file.computed_bases.iter().cloned());
        let computed_bases = bases.collect();
        Self {
            files,
            digest,
            name,
            modules,
            packages,
            blind,
            unreadable,
            computed_bases,
            names_memory,
            path_changes,
            by_word,
            answers,
        }
    }

    /// Whether a file may know what another one defines: they lie in one top folder, or it names the other's.
    pub fn may_know(&self, file: ModuleId, home: ModuleId) -> bool {
        let top = |id: ModuleId| {
            let module = self.file(id).module.as_str();
            let module = module.strip_prefix("src.").unwrap_or(module);
            module.split('.').next().unwrap_or(module)
        };
        let (here, there) = (top(file), top(home));
        // Files that lie in no folder know each other by their own names.
        here == there || !self.file(file).module.contains('.') || self.files_with_word(there).contains(&file)
    }

    /// Functions whose results classes inherit from.
    pub fn computed_bases(&self) -> &BTreeSet<String> {
        &self.computed_bases
    }

    /// Whether the tree names a database that does not last.
    pub fn names_memory(&self) -> bool {
        let names = |file: &SourceFile| file.text.as_ref().is_ok_and(|text| text.contains(":memory:"));
        *self.names_memory.get_or_init(|| self.files_with_word("memory").into_iter().any(|id| names(self.file(id))))
    }

    /// Top folders whose code changes where modules are looked for.
    fn path_changes(&self) -> &[String] {
        self.path_changes.get_or_init(|| {
            let changes = |file: &&SourceFile| {
                let text = file.text.as_ref();
                text.is_ok_and(|text| {
                    ["sys.path.", "sys.path[", "sys.path ="].iter().any(|change| text.contains(change))
                })
            };
            let files = self.files_with_word("sys").into_iter().map(|id| self.file(id)).filter(changes);
            files.map(|file| top_folder(&file.path).to_owned()).collect()
        })
    }

    /// Files, tests aside, that may hold a word.
    pub fn files_with_word(&self, word: &str) -> Vec<ModuleId> {
        if let Some(known) = self.by_word.borrow().get(word) {
            return known.clone();
        }
        let asked = Word::new(word);
        let may = |file: &SourceFile| {
            let text = file.text.as_ref();
            !file.is_test && file.words.may_hold(asked) && text.is_ok_and(|text| has_word(text, word))
        };
        let found: Vec<ModuleId> = (0..self.files.len()).map(ModuleId).filter(|id| may(self.file(*id))).collect();
        self.by_word.borrow_mut().insert(word.to_owned(), found.clone());
        found
    }

    fn any_scan(&self, asked: Asked, name: &str, holds: impl Fn(&Scan) -> bool) -> bool {
        let key = (asked, name.to_owned());
        if let Some(known) = self.answers.borrow().get(&key) {
            return *known;
        }
        let holds = |id| holds(self.file(id).scan());
        let answer = self.files_with_word(name).into_iter().any(holds);
        self.answers.borrow_mut().insert(key, answer);
        answer
    }

    /// Whether some code changes a collection of this name in place, or may do so under another name.
    pub fn may_be_changed(&self, name: &str) -> bool {
        let name = as_written(name);
        self.any_scan(Asked::Changed, name, |scan| scan.changed.contains(name) || scan.shared.contains(name))
    }

    /// Whether some function assigns a variable of this name of a function around it.
    pub fn is_nonlocal(&self, name: &str) -> bool {
        self.any_scan(Asked::Nonlocal, name, |scan| scan.nonlocals.contains(name))
    }

    /// Whether code outside an object's own methods assigns an attribute of this name: it may have been
    /// replaced before the run.
    pub fn may_be_replaced(&self, name: &str) -> bool {
        let name = as_written(name);
        self.any_scan(Asked::Replaced, name, |scan| scan.assigned.contains(name))
    }

    /// As [`Self::may_be_replaced`], by a file that may know what `home` defines.
    pub fn may_be_replaced_near(&self, home: ModuleId, name: &str) -> bool {
        let written = as_written(name);
        let module = self.file(home).module.as_str();
        let key = (Asked::Replaced, format!("{written} in {module}"));
        if let Some(known) = self.answers.borrow().get(&key) {
            return *known;
        }
        let assigns = |id: &ModuleId| self.file(*id).scan().assigned.contains(written) && self.may_know(*id, home);
        let answer = self.files_with_word(written).iter().any(assigns);
        self.answers.borrow_mut().insert(key, answer);
        answer
    }

    /// As [`Self::may_be_replaced`], for an attribute of a module or class: code that assigns it names its owner.
    pub fn may_be_replaced_in(&self, owner: &str, name: &str) -> bool {
        self.may_be_replaced(name)
            && self
                .files_with_word(name)
                .into_iter()
                .map(|id| self.file(id))
                .filter(|file| file.scan().assigned.contains(name))
                .any(|file| file.text.as_ref().is_ok_and(|text| text.contains(owner)))
    }

    /// Whether a class of the tree may answer to a method of this name.
    pub fn may_define_method(&self, name: &str) -> bool {
        let has = |name: &str| self.any_scan(Asked::Method, name, |scan| scan.methods.contains(name));
        self.unreadable || has(name) || has("__getattr__") || has("__getattribute__")
    }

    /// Whether the tree defines a function or class of this name anywhere.
    pub fn defines(&self, name: &str) -> bool {
        self.any_scan(Asked::Defined, name, |scan| scan.defined.contains(name))
    }

    /// A file of the tree.
    pub fn file(&self, id: ModuleId) -> &SourceFile {
        &self.files[id.0]
    }

    /// `path:line:column` of a spot.
    pub fn place(&self, spot: Spot) -> String {
        self.file(spot.module).place(spot.at)
    }

    /// The module of a dotted name, seen from nowhere in particular.
    pub fn module(&self, name: &str) -> Option<ModuleId> {
        match self.resolve(name, None) {
            Resolution::Module(id) => Some(id),
            Resolution::Folder | Resolution::Gone(_) | Resolution::Outside => None,
        }
    }

    /// What an absolute import of `name` finds. The tree's own folder, `src/`, the name of the tree's
    /// folder and, for scripts, the importing file's folder are looked at.
    pub fn resolve(&self, name: &str, from: Option<ModuleId>) -> Resolution {
        let inside = name.strip_prefix(&format!("{}.", self.name)).map(str::to_owned);
        let script = from.and_then(|from| self.script_folder(from)).map(|folder| format!("{folder}.{name}"));
        let candidates = [Some(name.to_owned()), Some(format!("src.{name}")), inside, script];
        let candidates: Vec<String> = candidates.into_iter().flatten().collect();
        let mut found: Option<ModuleId> = None;
        for candidate in &candidates {
            if self.is_blind(candidate) {
                return Resolution::Gone(format!("module {name} cannot be seen in the tree"));
            }
            if let Some(id) = self.modules.get(candidate) {
                if found.is_some_and(|other| other != *id) {
                    return Resolution::Gone(format!("several files of the tree could be module {name}"));
                }
                found = Some(*id);
            } else if found.is_none() && self.packages.contains(candidate) {
                return Resolution::Folder;
            }
        }
        if let Some(id) = found {
            return match from {
                Some(from) if self.is_shadowed(name, id, from) => {
                    Resolution::Gone(format!("sys.path is changed, and several files could be module {name}"))
                }
                _ => Resolution::Module(id),
            };
        }
        let known_top = candidates.iter().filter(|each| !each.is_empty()).any(|candidate| {
            let skipped = if candidate.starts_with("src.") { 2 } else { 1 };
            let top = candidate.split('.').take(skipped).collect::<Vec<_>>().join(".");
            self.modules.contains_key(&top) || self.packages.contains(&top)
        });
        if known_top { Resolution::Gone(format!("module {name} is not in the tree")) } else { Resolution::Outside }
    }

    /// Whether a module cannot be in the tree under another form either: in no file that may be it.
    pub fn is_missing(&self, name: &str) -> bool {
        let inside = name.strip_prefix(&format!("{}.", self.name)).map(str::to_owned);
        let candidates = [Some(name.to_owned()), Some(format!("src.{name}")), inside];
        candidates.into_iter().flatten().all(|each| !self.is_blind(&each) && !self.modules.contains_key(&each))
    }

    /// Whether code beside the importing module changes where modules are looked for, and another file could then
    /// be the module too.
    fn is_shadowed(&self, name: &str, id: ModuleId, from: ModuleId) -> bool {
        let here = top_folder(&self.file(from).path);
        let changes = self.path_changes();
        if !changes.iter().any(|folder| folder == here || folder.is_empty()) {
            return false;
        }
        let end = format!(".{name}");
        self.modules.iter().any(|(module, other)| *other != id && module.ends_with(&end))
    }

    fn is_blind(&self, name: &str) -> bool {
        let mut end = name.len();
        loop {
            if self.blind.contains(&name[..end]) {
                return true;
            }
            match name[..end].rfind('.') {
                Some(dot) => end = dot,
                None => return false,
            }
        }
    }

    /// The folder of a file that is in no package, whose neighbours a script imports by plain name.
    fn script_folder(&self, from: ModuleId) -> Option<String> {
        let file = self.file(from);
        let folder = file.module.rsplit_once('.').map(|(folder, _)| folder)?;
        let is_package = self.modules.get(folder).is_some_and(|id| self.file(*id).is_package);
        (!file.is_package && !is_package).then(|| folder.to_owned())
    }

    /// The absolute name of a relative import; `None` when it leaves the tree.
    pub fn absolute(&self, from: ModuleId, level: u32, module: &str) -> Option<String> {
        let file = self.file(from);
        let mut parts: Vec<&str> = file.module.split('.').filter(|part| !part.is_empty()).collect();
        let up = if file.is_package { level - 1 } else { level };
        for _ in 0..up {
            parts.pop()?;
        }
        parts.extend(module.split('.').filter(|part| !part.is_empty()));
        Some(parts.join("."))
    }

    /// Files, tests aside, that may define a class with a base of this name, or of another name for it.
    pub fn files_with_base(&self, name: &str) -> Vec<ModuleId> {
        let (alias, copy) = (format!("{name} as "), format!("= {name}\n"));
        let other = |text: &str| text.contains(&alias) || text.contains(&copy);
        let has = |id: &ModuleId| {
            let file = self.file(*id);
            let bases = &file.scan().bases;
            bases.contains(name) || !bases.is_empty() && file.text.as_ref().is_ok_and(|text| other(text))
        };
        self.files_with_word(name).into_iter().filter(has).collect()
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

/// A name as its class writes it: private ones are known under another (Python reference, "Private name mangling").
fn as_written(name: &str) -> &str {
    match name.strip_prefix('_').and_then(|rest| rest.find("__").map(|at| &rest[at..])) {
        Some(private) if !name.starts_with("__") && !private.ends_with("__") => private,
        Some(_) | None => name,
    }
}

/// The first folder of a path; nothing for a file at the top.
fn top_folder(path: &str) -> &str {
    path.split_once('/').map_or("", |(folder, _)| folder)
}

//! The source tree: which files there are, which module each is, and quick looks at their texts. It
//! reads through the door, all files once, so that every later step sees the same moment.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rayon::prelude::*;

use super::model::{Module, Name, ParseFailure};
use super::python;
use super::scan::Scan;
use super::value::{ModuleId, Spot};
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
    pub text: Result<Rc<str>, String>,
    /// What its lines say.
    pub scan: Scan,
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
    names: Scan,
    unreadable: bool,
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
        contents.push(door.read_unnoted(&format!("{root}/{path}"), door.limits().file_bytes)?);
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
    scan: Scan,
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
        let scan = content.as_ref().map(|text| Scan::of(text)).unwrap_or_default();
        Self { content, scan }
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
        let (scan, text) = (text.scan, text.content.map(Rc::from));
        Self { path: path.to_owned(), module, is_package, is_test, text, scan, parsed: OnceCell::new() }
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
        let mut names = Scan::default();
        files.iter().filter(|file| !file.is_test).for_each(|file| names.merge(&file.scan));
        let unreadable = files.iter().any(|file| !file.is_test && file.text.is_err());
        Self { files, digest, name, modules, packages, blind, names, unreadable }
    }

    /// Whether some code changes a collection of this name in place, or may do so under another name.
    pub fn may_be_changed(&self, name: &str) -> bool {
        self.names.changed.contains(name) || self.names.shared.contains(name)
    }

    /// Whether some function assigns a variable of this name of a function around it.
    pub fn is_nonlocal(&self, name: &str) -> bool {
        self.names.nonlocals.contains(name)
    }

    /// Whether code outside an object's own methods assigns an attribute of this name: it may have been
    /// replaced before the run.
    pub fn may_be_replaced(&self, name: &str) -> bool {
        self.names.assigned.contains(name)
    }

    /// As [`Self::may_be_replaced`], for an attribute of a module or class: code that assigns it names its owner.
    pub fn may_be_replaced_in(&self, owner: &str, name: &str) -> bool {
        self.may_be_replaced(name)
            && self
                .files
                .iter()
                .filter(|file| !file.is_test && file.scan.assigned.contains(name))
                .any(|file| file.text.as_ref().is_ok_and(|text| text.contains(owner)))
    }

    /// Whether a class of the tree may answer to a method of this name.
    pub fn may_define_method(&self, name: &str) -> bool {
        self.names.methods.contains(name)
            || self.names.methods.contains("__getattr__")
            || self.names.methods.contains("__getattribute__")
            || self.unreadable
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
        for candidate in &candidates {
            if self.is_blind(candidate) {
                return Resolution::Gone(format!("module {name} cannot be seen in the tree"));
            }
            if let Some(id) = self.modules.get(candidate) {
                return Resolution::Module(*id);
            }
            if self.packages.contains(candidate) {
                return Resolution::Folder;
            }
        }
        let known_top = candidates.iter().filter(|each| !each.is_empty()).any(|candidate| {
            let skipped = if candidate.starts_with("src.") { 2 } else { 1 };
            let top = candidate.split('.').take(skipped).collect::<Vec<_>>().join(".");
            self.modules.contains_key(&top) || self.packages.contains(&top)
        });
        if known_top { Resolution::Gone(format!("module {name} is not in the tree")) } else { Resolution::Outside }
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
        let other = |text: &str| text.contains(name) && (text.contains(&alias) || text.contains(&copy));
        let has = |file: &SourceFile| {
            let renamed = !file.scan.bases.is_empty() && file.text.as_ref().is_ok_and(|text| other(text));
            !file.is_test && (file.scan.bases.contains(name) || renamed)
        };
        (0..self.files.len()).map(ModuleId).filter(|id| has(self.file(*id))).collect()
    }

    /// The dotted name of something in a module.
    pub fn qualified(&self, module: ModuleId, name: &str) -> Name {
        let file = self.file(module);
        if file.module.is_empty() { name.into() } else { format!("{}.{name}", file.module).into() }
    }
}

//! A folder of Markdown documents, walked without being led astray: what was found, what was left aside,
//! and what could not be looked at and may therefore hide a document.
//!
//! Links are not followed. A link to something inside the tree adds nothing, for its target is read at
//! its own path; a link that leaves the tree, dangles or loops is reported as unreadable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use rayon::prelude::*;

use super::held::divided;
use super::reading::FileReader;
use super::{Attributes, Door, Entry, FileKind};
use crate::evidence::{Missing, MissingState, sha256_hex};

/// The file endings of Markdown, compared in any case.
pub const ENDINGS: &[&str] = &["md", "markdown", "mdown", "mkd"];
/// The deepest folder that is entered.
const MAX_DEPTH: usize = 64;
/// The most links that one link may lead through (as Linux's own limit).
const MAX_HOPS: usize = 40;
/// So many folders are listed before the limits are looked at again.
const AT_ONCE: usize = 256;
/// So many folders are worth a second thread.
const ALONE: usize = 16;

/// Something that could not be looked at, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreadable {
    /// Its logical path.
    pub path: String,
    /// A lower-case fragment: "denied: Permission denied (os error 13)".
    pub reason: String,
}

/// What a path in the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    Hidden,
    Document,
    OtherFile,
    Special,
}

/// A walked tree. Paths are relative to its root, with `/` between names.
#[derive(Debug, Default)]
pub struct Tree {
    root: String,
    /// What was found, with its attributes as they were listed: what is read must be the same. Sorted by path once the
    /// walk is over.
    nodes: Vec<(String, Node, Attributes)>,
    raw_links: BTreeMap<String, String>,
    /// Links to something inside the tree, and what they lead to.
    pub links: Vec<(String, String)>,
    /// What could not be looked at.
    pub unreadable: BTreeSet<Unreadable>,
    /// Why the list of documents is not complete: a folder that could not be listed, the time limit.
    pub blocked: Option<Missing>,
}

impl Tree {
    /// Walks the tree below `root`, which may itself be a link to a folder.
    ///
    /// # Errors
    /// When the root cannot be listed at all.
    pub fn walk(door: &Door, root: &str) -> Result<Self, Missing> {
        let mut tree = Self { root: root.trim_end_matches('/').to_owned(), ..Self::default() };
        let mut listed = vec![(String::new(), Ok(below("", door.list_unnoted(root)?)))];
        let (mut entries, mut ahead) = (0, VecDeque::new());
        loop {
            for (folder, listed) in listed {
                let listed = match listed {
                    Ok(listed) => listed,
                    Err(missing) => {
                        tree.hidden_part(&folder, missing);
                        continue;
                    }
                };
                for (rel, entry) in listed {
                    entries += 1;
                    if entries > door.limits().entries || door.time_left().is_zero() {
                        tree.stopped(door, entries);
                        return Ok(tree.whole(door));
                    }
                    ahead.extend(tree.take(door, rel, &entry));
                }
            }
            let folders: Vec<(String, Attributes)> = ahead.drain(..ahead.len().min(AT_ONCE)).collect();
            if folders.is_empty() {
                return Ok(tree.whole(door));
            }
            let list = |(rel, seen): &(String, Attributes)| {
                let listed = door.list_seen(&tree.logical(rel), seen);
                (rel.clone(), listed.map(|entries| below(rel, entries)))
            };
            let parts = divided(&folders, ALONE, |folders| folders.iter().map(list).collect::<Vec<_>>());
            listed = parts.into_iter().flatten().collect();
        }
    }

    /// The walk was stopped at a limit.
    fn stopped(&mut self, door: &Door, entries: usize) {
        let state = if door.time_left().is_zero() { MissingState::TimedOut } else { MissingState::Unreadable };
        let over = format!("stopped at the limit after {entries} entries");
        let next = format!("see what fills {}, or raise the limit", self.root);
        self.block(door.missing(state, format!("walk {}", self.root), over, next));
    }

    /// The tree, when the walk is over.
    fn whole(mut self, door: &Door) -> Self {
        // What lies in one folder is in order already, which the stable sort makes use of.
        self.nodes.sort_by(|a, b| a.0.cmp(&b.0));
        self.resolve_links(door);
        self
    }

    /// The logical path of a path in the tree.
    pub fn logical(&self, rel: &str) -> String {
        format!("{}/{rel}", self.root)
    }

    /// The Markdown files, sorted by path.
    pub fn documents(&self) -> impl Iterator<Item = File<'_>> {
        let documents = self.nodes.iter().enumerate().filter(|(_, (_, node, _))| *node == Node::Document);
        documents.map(|(at, (rel, _, seen))| File { tree: self, at, rel, seen })
    }

    fn found(&self, kind: Node) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(move |(_, node, _)| *node == kind).map(|(rel, ..)| rel.as_str())
    }

    /// What lies at a path of the walked tree.
    fn at(&self, rel: &str) -> Option<Node> {
        let at = self.nodes.binary_search_by(|(path, ..)| path.as_str().cmp(rel)).ok()?;
        Some(self.nodes[at].1)
    }

    /// The hidden folders that were left aside.
    pub fn hidden(&self) -> Vec<&str> {
        self.found(Node::Hidden).collect()
    }

    /// How many files with other endings were left aside, and their endings.
    pub fn others(&self) -> (usize, BTreeSet<String>) {
        let endings: Vec<Option<&str>> = self.found(Node::OtherFile).map(ending).collect();
        let shown = |it: &Option<&str>| it.map_or_else(|| "none".to_owned(), |it| format!(".{}", it.to_lowercase()));
        (endings.len(), endings.iter().collect::<BTreeSet<_>>().into_iter().map(shown).collect())
    }

    /// Records that a file could not be read.
    pub fn add_unreadable(&mut self, rel: &str, reason: impl Into<String>) {
        self.unreadable.insert(Unreadable { path: self.logical(rel), reason: reason.into() });
    }

    /// Records why the list of documents is not complete; the first reason stays.
    pub fn block(&mut self, missing: Missing) {
        self.blocked.get_or_insert(missing);
    }

    /// A part of the tree that may hold documents and could not be looked at.
    fn hidden_part(&mut self, rel: &str, mut missing: Missing) {
        // It was listed: taken away meanwhile, it is no known absence.
        if missing.state.is_absent() {
            missing.state = MissingState::Unreadable;
        }
        self.add_unreadable(rel, reason(&missing));
        self.block(missing);
    }

    /// Takes one entry in; gives back a folder that is to be entered.
    fn take(&mut self, door: &Door, rel: String, entry: &Entry) -> Option<(String, Attributes)> {
        let attributes: &Attributes = match &entry.attributes {
            Ok(attributes) => attributes,
            // It may be a folder, so documents may hide there.
            Err(missing) => {
                self.hidden_part(&rel, missing.clone());
                return None;
            }
        };
        let path = || self.logical(&rel);
        let next = || format!("rename {}", path());
        let no_name =
            || door.missing(MissingState::Unreadable, format!("read {}", path()), "its name is not UTF-8", next());
        let node = match attributes.kind {
            FileKind::Directory if entry.name.starts_with('.') => Node::Hidden,
            FileKind::Directory => {
                if !entry.exact {
                    let missing = no_name();
                    self.hidden_part(&rel, missing);
                } else if rel.matches('/').count() >= MAX_DEPTH {
                    let said = format!("it lies deeper than {MAX_DEPTH} folders");
                    let tried = format!("list {}", path());
                    let missing = door.missing(MissingState::Unreadable, tried, said, next());
                    self.hidden_part(&rel, missing);
                } else {
                    self.nodes.push((rel.clone(), Node::Folder, *attributes));
                    return Some((rel, *attributes));
                }
                return None;
            }
            FileKind::File if is_markdown(&rel) => {
                if !entry.exact {
                    let why = reason(&no_name());
                    self.add_unreadable(&rel, why);
                    return None;
                }
                Node::Document
            }
            FileKind::File => Node::OtherFile,
            FileKind::Link => {
                match door.link_target(&path()) {
                    Ok(target) => {
                        self.raw_links.insert(rel, target.to_string_lossy().into_owned());
                    }
                    Err(missing) => self.add_unreadable(&rel, format!("symlink, {}", reason(&missing))),
                }
                return None;
            }
            FileKind::Fifo | FileKind::Socket | FileKind::Device => {
                self.add_unreadable(&rel, format!("it is a {}, not a regular file", attributes.kind.word()));
                Node::Special
            }
        };
        self.nodes.push((rel, node, *attributes));
        None
    }

    /// Sorts the links into those that add nothing and those behind which something may hide.
    fn resolve_links(&mut self, door: &Door) {
        for (rel, target) in self.raw_links.clone() {
            match self.resolve(door, &rel) {
                Err(why) => self.add_unreadable(&rel, format!("symlink to {target}: {why}")),
                Ok(found) => match self.at(&found) {
                    Some(Node::Hidden) => {
                        self.add_unreadable(&rel, format!("symlink to {target}: a hidden folder, which is left aside"));
                    }
                    // As a document it would be read; at its own path it is not.
                    Some(Node::OtherFile) if is_markdown(&rel) => {
                        let why = "its name is a document's, its target's is not and was not read";
                        self.add_unreadable(&rel, format!("symlink to {target}: {why}"));
                    }
                    Some(Node::Folder | Node::Document | Node::OtherFile | Node::Special) | None => {
                        self.links.push((rel, found));
                    }
                },
            }
        }
    }

    /// Follows a link through the walked tree, name by name as the system does, without leaving it.
    fn resolve(&self, door: &Door, link: &str) -> Result<String, String> {
        let mut at: Vec<String> = Vec::new();
        let mut ahead: VecDeque<String> = link.split('/').map(str::to_owned).collect();
        let mut hops = 0;
        while let Some(name) = ahead.pop_front() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop().ok_or("it leads out of the tree")?;
                    continue;
                }
                _ => at.push(name),
            }
            let rel = at.join("/");
            if let Some(target) = self.raw_links.get(&rel) {
                hops += 1;
                if hops > MAX_HOPS {
                    return Err("a loop of links".to_owned());
                }
                at.pop();
                let mut inside = target.clone();
                if target.starts_with('/') {
                    inside = self.below_root(door, target).ok_or("it leads out of the tree")?;
                    at.clear();
                }
                inside.split('/').rev().for_each(|name| ahead.push_front(name.to_owned()));
                continue;
            }
            match self.at(&rel) {
                Some(Node::Folder) => {}
                Some(Node::Hidden) => return Ok(rel),
                Some(Node::Document | Node::OtherFile | Node::Special) if ahead.is_empty() => {}
                Some(Node::Document | Node::OtherFile | Node::Special) | None => {
                    return Err("it dangles, or leads to what could not be looked at".to_owned());
                }
            }
        }
        Ok(at.join("/"))
    }

    /// An absolute target as a path in the tree; `None` when it lies elsewhere.
    fn below_root(&self, door: &Door, target: &str) -> Option<String> {
        let root = if self.root.starts_with('/') { Path::new(&self.root).to_owned() } else { door.locate(&self.root) };
        let inside = Path::new(target).strip_prefix(root).ok()?;
        inside.to_str().map(str::to_owned)
    }
}

/// A regular file of a walked tree.
#[derive(Clone, Copy, Debug)]
pub struct File<'t> {
    tree: &'t Tree,
    at: usize,
    /// Its path below the tree's root.
    pub rel: &'t str,
    seen: &'t Attributes,
}

impl<'t> File<'t> {
    /// Its logical path.
    pub fn logical(&self) -> String {
        self.tree.logical(self.rel)
    }

    /// Its content, not noted. A folder on the way may have been replaced since the walk: the file must be the one that was
    /// listed.
    ///
    /// # Errors
    /// As [`FileReader::read`].
    pub fn read<'r>(&self, reader: &'r mut FileReader<'_>, max: u64) -> Result<&'r [u8], Missing> {
        reader.read(&self.logical(), max, self.seen)
    }

    /// The regular file whose path is this one's with an ending more.
    pub fn with_ending(&self, ending: &str) -> Option<File<'t>> {
        // All paths that begin with this one's follow it.
        let rest = self.tree.nodes.iter().enumerate().skip(self.at + 1);
        let longer = rest.map_while(|(at, node)| Some((at, node, node.0.strip_prefix(self.rel)?)));
        let mut wanted = longer.filter(|(.., more)| *more == ending).map(|(at, node, _)| (at, node));
        let (at, (rel, _, seen)) = wanted.find(|(_, (_, node, _))| matches!(node, Node::OtherFile | Node::Document))?;
        Some(File { at, rel, seen, ..*self })
    }
}

/// The entries of a folder, each with its path below the tree's root.
fn below(folder: &str, entries: Vec<Entry>) -> Vec<(String, Entry)> {
    let path = |entry: &Entry| if folder.is_empty() { entry.name.clone() } else { [folder, "/", &entry.name].concat() };
    entries.into_iter().map(|entry| (path(&entry), entry)).collect()
}

/// Whether a name has an ending of Markdown.
pub fn is_markdown(path: &str) -> bool {
    ending(path).is_some_and(|ending| {
        ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
            || (!ending.is_ascii() && ENDINGS.contains(&ending.to_lowercase().as_str()))
    })
}

/// The ending of a file name, as it is written.
fn ending(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    name.rsplit_once('.').map(|(_, ending)| ending)
}

/// A reason in the form that facts use.
pub fn reason(missing: &Missing) -> String {
    format!("{}: {}", missing.state.word(), missing.said)
}

/// A file's line `<sha256>  <path>`, in the form of `sha256sum` (a path with a line break or backslash is escaped and its
/// line starts with a backslash).
pub fn digest_line(path: &str, sha256: &str) -> String {
    if !path.contains(['\\', '\n', '\r']) {
        return [sha256, "  ", path, "\n"].concat();
    }
    let escaped = path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    format!("\\{sha256}  {escaped}\n")
}

/// The digest of a set of files: SHA-256 over their sorted lines.
pub fn digest(mut lines: Vec<String>) -> String {
    lines.par_sort_unstable();
    sha256_hex(lines.concat().as_bytes())
}

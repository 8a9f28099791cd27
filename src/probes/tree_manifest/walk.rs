//! The walk through a tree: which files, links and special files it holds, and what could not be seen.
//!
//! Nothing but regular files is opened, no link is followed below the tree's own folder.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use rayon::prelude::*;

use super::super::held::processors;
use super::super::{Attributes, Door, Entry, FileKind, Settings};
use crate::evidence::{Digest256, Missing, MissingState};

/// Names left aside where the setting is not given: Python's byte code.
const IGNORED: [&str; 2] = ["__pycache__", "*.pyc"];

/// The names that are left aside.
#[derive(Default)]
pub(in crate::probes) struct Ignore(Vec<String>);

impl Ignore {
    /// The names of the setting `ignore`.
    pub(super) fn of(settings: &Settings) -> Self {
        let names = match settings.0.contains_key("ignore") {
            true => settings.texts("ignore"),
            false => IGNORED.to_vec(),
        };
        Self(names.into_iter().map(str::to_owned).collect())
    }

    /// Whether a file or folder of this name is left aside.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some(ending) => name.len() > ending.len() && name.ends_with(ending),
            None => name == pattern,
        })
    }
}

/// A link's target and whether it leads out of the tree.
pub(in crate::probes) type Target = Result<(String, bool), Missing>;

/// What the tree holds. Paths are relative to the tree.
#[derive(Default)]
pub(in crate::probes) struct Walk {
    /// Regular files, those that cannot be read included.
    pub files: Vec<(String, Attributes)>,
    /// Folders below the tree's own.
    pub folders: Vec<String>,
    /// Symbolic links.
    pub links: Vec<(String, Target)>,
    /// FIFOs, sockets and devices.
    pub special: Vec<(String, FileKind)>,
    /// How many files and folders were left aside by name.
    pub ignored: usize,
    /// Everything that could not be read, and why.
    pub unreadable: BTreeMap<String, Missing>,
    /// Why some part of the tree was not seen at all.
    pub unseen: Option<Missing>,
}

impl Walk {
    /// Lists the tree, whose folder was seen as `root`; `own` is the manifest's place in it, which is left aside.
    pub(in crate::probes) fn descend(
        &mut self,
        tree: &str,
        root: &Attributes,
        ignore: &Ignore,
        own: Option<&str>,
        door: &Door,
    ) {
        let mut entries = 0_usize;
        let mut folders = vec![(String::new(), *root)];
        while let Some((folder, seen)) = folders.pop() {
            let listed = match door.list_seen(&join(tree, &folder), &seen) {
                Ok(listed) => listed,
                Err(reason) => {
                    self.not_seen(if folder.is_empty() { "." } else { &folder }, reason, door);
                    continue;
                }
            };
            entries += listed.len();
            if entries > door.limits().entries {
                let said = format!("the tree has more than {} entries", door.limits().entries);
                let next = format!("see what fills {tree}, or raise the limit");
                let reason = door.missing(MissingState::Unreadable, format!("list {tree}"), said, next);
                self.not_seen(".", reason, door);
                break;
            }
            folders.extend(listed.into_iter().filter_map(|entry| self.take(tree, &folder, entry, ignore, own, door)));
        }
        self.files.sort_by(|a, b| a.0.cmp(&b.0));
        self.links.sort_by(|a, b| a.0.cmp(&b.0));
        self.special.sort_by(|a, b| a.0.cmp(&b.0));
    }

    /// Files an entry under what it is, and gives its path back where it is a folder to enter.
    fn take(
        &mut self,
        tree: &str,
        folder: &str,
        entry: Entry,
        ignore: &Ignore,
        own: Option<&str>,
        door: &Door,
    ) -> Option<(String, Attributes)> {
        let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
        let attributes = match entry.attributes {
            Ok(attributes) => attributes,
            Err(reason) => {
                self.not_seen(&path, reason, door);
                return None;
            }
        };
        let aside = matches!(attributes.kind, FileKind::File | FileKind::Directory);
        if aside && ignore.matches(&entry.name) {
            self.ignored += 1;
            return None;
        }
        if !entry.exact {
            let said = "its name is not UTF-8, and cannot be written down exactly";
            let next = format!("rename it: ls -b {}", join(tree, folder));
            let reason = door.missing(MissingState::Unreadable, format!("name {path}"), said, next);
            self.not_seen(&path, reason, door);
            return None;
        }
        match attributes.kind {
            FileKind::File if Some(path.as_str()) == own => {}
            FileKind::File => self.files.push((path, attributes)),
            FileKind::Directory => {
                self.folders.push(path.clone());
                return Some((path, attributes));
            }
            FileKind::Link => self.link(tree, path, door),
            FileKind::Fifo | FileKind::Socket | FileKind::Device => self.special.push((path, attributes.kind)),
        }
        None
    }

    fn link(&mut self, tree: &str, path: String, door: &Door) {
        let target = door.link_target(&join(tree, &path)).map_err(|reason| door.vanished(reason));
        let target = target.map(|target| (target.to_string_lossy().into_owned(), leads_out(&path, &target)));
        if let Err(reason) = &target {
            self.unreadable.insert(path.clone(), reason.clone());
        }
        self.links.push((path, target));
    }

    /// A path of which not even the kind is known, or whose inside was not seen.
    fn not_seen(&mut self, path: &str, reason: Missing, door: &Door) {
        let reason = door.vanished(reason);
        self.unseen.get_or_insert_with(|| reason.clone());
        self.unreadable.insert(path.to_owned(), reason);
    }

    /// The SHA-256 of every file that could be read. The threads are this probe's own: they have the rights of
    /// the thread that asks, and a file that does not answer holds up no other probe.
    pub(super) fn hash(&mut self, tree: &str, door: &Door) -> Result<BTreeMap<String, Digest256>, Missing> {
        let threads = processors().min(8);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
            let next = "see how many threads this user may have: ulimit -u";
            door.missing(MissingState::Error, format!("hash {tree}"), error.to_string(), next)
        })?;
        let files = &self.files;
        let digests: Vec<Result<Digest256, Missing>> = pool
            .install(|| files.par_iter().map(|(path, seen)| door.digest_unnoted(&join(tree, path), seen)).collect());
        let mut hashes = BTreeMap::new();
        for ((path, _), digest) in files.iter().zip(digests) {
            match digest {
                Ok(digest) => drop(hashes.insert(path.clone(), digest)),
                Err(reason) => drop(self.unreadable.insert(path.clone(), door.vanished(reason))),
            }
        }
        Ok(hashes)
    }
}

fn join(tree: &str, path: &str) -> String {
    match path {
        "" => tree.to_owned(),
        path => format!("{}/{path}", tree.trim_end_matches('/')),
    }
}

/// Whether a link's text leads out of the tree, read component by component without looking at the disk.
/// A path that leaves the tree and comes back has left it.
fn leads_out(link: &str, target: &Path) -> bool {
    let mut depth = link.matches('/').count();
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

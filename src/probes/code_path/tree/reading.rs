//! Reading a tree: its files are listed, then read and hashed on all cores, each once.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::shelf::{Kept, Shelf};
use super::{SourceFile, Text, Tree, dotted};
use crate::evidence::{Digest256, Missing, MissingState, Reading};
use crate::probes::code_path::python;
use crate::probes::code_path::words::normal_form;
use crate::probes::held::divided;
use crate::probes::reading::FileReader;
use crate::probes::{Attributes, Door, Entry, FileKind};

/// Files longer than this are not parsed.
const MODULE_BYTES: u64 = 8 << 20;

/// Folder depth that is followed.
const FOLDERS: usize = 64;

/// So many folders are listed before the limits are looked at again.
const AT_ONCE: usize = 256;

/// So many folders are worth a second thread.
const ALONE: usize = 16;

/// Threads that read; more only wait for the same disk.
const READERS: usize = 8;

/// Trees with more bytes than this are kept in huge pages.
const LARGE: u64 = 32 << 20;

/// What a file holds: its digest, its length and its text.
type Content = (Digest256, u64, Text);

/// A file that was found, with its attributes where it is no link.
type Path = (String, Option<Attributes>);

/// Reads the tree at a logical path.
///
/// # Errors
/// The first folder or file that could not be read.
pub fn read(door: &Door, root: &str) -> Result<Tree, Missing> {
    let root = if root == "/" { root } else { root.trim_end_matches('/') };
    let mut found = walk(door, root)?;
    found.paths.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let contents = contents(door, root, &found.paths)?;
    let (mut files, mut listing, mut size) = (Vec::new(), String::new(), 0_u64);
    for ((path, _), (digest, bytes, text)) in found.paths.iter().zip(contents) {
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

/// The contents of the files, in their order. They are read on threads that this one starts, for these have its rights.
fn contents(door: &Door, root: &str, paths: &[Path]) -> Result<Vec<Content>, Missing> {
    let next = AtomicUsize::new(0);
    let large = paths.iter().flat_map(|(_, seen)| seen).map(|seen| seen.size).sum::<u64>() > LARGE;
    let work = || {
        let (mut done, mut reader, mut shelf) = (Vec::new(), FileReader::new(door), Shelf::default());
        // Paths are given out in order: when one fails, those before it are given out already.
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index) else { return (done, shelf.into_texts()) };
            let read = bytes(door, &mut reader, root, path).map(|bytes| {
                let length = bytes.len() as u64;
                if length <= MODULE_BYTES {
                    shelf.put(index, &bytes, large);
                }
                (Digest256::of(&bytes), length)
            });
            if read.is_err() {
                next.store(paths.len(), Ordering::Relaxed);
            }
            done.push((index, read));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let readers = cores.min(READERS).min(1 + paths.len() / 64);
    let (mut read, mut texts) = std::thread::scope(|scope| {
        let others: Vec<_> = (1..readers).map(|_| scope.spawn(work)).collect();
        let (mut read, mut texts) = work();
        for other in others {
            let (more, further) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            read.extend(more);
            texts.extend(further);
        }
        (read, texts)
    });
    read.sort_by_key(|(index, _)| *index);
    texts.sort_by_key(|(index, _)| *index);
    let mut texts = texts.into_iter().peekable();
    let content = |(index, read): (usize, Result<(Digest256, u64), Missing>)| {
        let (digest, length) = read?;
        Ok((digest, length, Text::of(length, texts.next_if(|(other, _)| *other == index).map(|(_, text)| text))))
    };
    read.into_iter().map(content).collect()
}

fn bytes<'r>(
    door: &Door,
    reader: &'r mut FileReader<'_>,
    root: &str,
    (path, seen): &Path,
) -> Result<Cow<'r, [u8]>, Missing> {
    if door.time_left().is_zero() {
        let tried = format!("read {root}");
        return Err(door.missing(MissingState::TimedOut, tried, "the probe's time is over", "raise the time limit"));
    }
    let (logical, max) = (format!("{root}/{path}"), door.limits().file_bytes);
    match seen {
        Some(seen) => reader.read(&logical, max, seen).map(Cow::Borrowed),
        None => door.read_unnoted(&logical, max).map(Cow::Owned),
    }
}

impl Text {
    /// Of so many bytes, and what the shelf made of them; nothing was put on it of a file that is too long.
    fn of(bytes: u64, kept: Option<Kept>) -> Self {
        let written = match kept {
            Some(kept) => kept.map_err(|valid| format!("it is not UTF-8 at byte {valid}")),
            None => Err(format!("it has {bytes} bytes, more than the limit of {MODULE_BYTES}")),
        };
        let normal = written.as_ref().ok().and_then(|text| normal_form(text));
        Self { written, normal }
    }
}

#[derive(Default)]
struct Found {
    paths: Vec<Path>,
    blind: BTreeSet<String>,
}

/// What there is below the root; the folders of a level are listed on all cores.
fn walk(door: &Door, root: &str) -> Result<Found, Missing> {
    let (mut found, mut ahead) = (Found::default(), VecDeque::new());
    let mut listed = vec![(String::new(), door.list_unnoted(root)?)];
    loop {
        for (folder, entries) in listed {
            for entry in entries {
                let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
                ahead.extend(found.take(&path, entry)?.map(|seen| (path, seen)));
                if found.paths.len() > door.limits().entries {
                    let said = format!("stopped after {} files", found.paths.len());
                    return Err(unlisted(door, root, said, "name a smaller tree"));
                }
            }
        }
        let folders: Vec<(String, Attributes)> = ahead.drain(..ahead.len().min(AT_ONCE)).collect();
        if folders.is_empty() {
            return Ok(found);
        }
        let list = |(path, seen): &(String, Attributes)| {
            let here = format!("{root}/{path}");
            if path.matches('/').count() >= FOLDERS {
                return Err(unlisted(door, &here, "folders nest too deep", "look at it"));
            }
            Ok((path.clone(), door.list_seen(&here, seen)?))
        };
        let parts = divided(&folders, ALONE, |folders| folders.iter().map(list).collect::<Vec<_>>());
        listed = parts.into_iter().flatten().collect::<Result<_, _>>()?;
    }
}

fn unlisted(door: &Door, place: &str, said: impl Into<String>, next: &str) -> Missing {
    door.missing(MissingState::Unreadable, format!("list {place}"), said, next)
}

impl Found {
    /// Adds an entry of the tree; the attributes of a folder that is to be looked into.
    fn take(&mut self, path: &str, entry: Entry) -> Result<Option<Attributes>, Missing> {
        let skipped = entry.name == "__pycache__" || entry.name.starts_with('.');
        if skipped {
            return Ok(None);
        }
        let attributes = entry.attributes?;
        let kind = attributes.kind;
        let stem = entry.name.split('.').next().unwrap_or("");
        match kind {
            FileKind::Directory => return Ok(Some(attributes)),
            FileKind::File | FileKind::Link if entry.exact && entry.name.ends_with(python::EXTENSION) => {
                self.paths.push((path.to_owned(), (kind == FileKind::File).then_some(attributes)));
            }
            // A linked folder, an extension module or byte code can stand for a module whose source is not here.
            FileKind::Link => {
                self.blind.insert(dotted(path));
            }
            FileKind::File if [".so", ".pyd", ".pyc", ".pth"].iter().any(|end| entry.name.ends_with(end)) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let module = if folder.is_empty() { stem.to_owned() } else { format!("{folder}/{stem}") };
                self.blind.insert(dotted(&module));
            }
            FileKind::File | FileKind::Fifo | FileKind::Socket | FileKind::Device => {}
        }
        Ok(None)
    }
}

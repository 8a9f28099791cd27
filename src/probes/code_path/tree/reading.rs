//! Reading a tree: its files are listed, then read and hashed on all cores, each once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{SourceFile, Tree, dotted};
use crate::evidence::{Digest256, Missing, MissingState, Reading};
use crate::probes::code_path::python;
use crate::probes::{Door, Entry, FileKind};

/// Files longer than this are not parsed.
const MODULE_BYTES: u64 = 8 << 20;

/// Folder depth that is followed.
const FOLDERS: usize = 64;

/// Threads that read; more only wait for the same disk.
const READERS: usize = 8;

/// What a file holds: its digest, its length and its text.
type Content = (Digest256, u64, Result<String, String>);

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
    let contents = contents(door, root, &found.paths)?;
    let (mut files, mut listing, mut size) = (Vec::new(), String::new(), 0_u64);
    for (path, (digest, bytes, text)) in found.paths.iter().zip(contents) {
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
fn contents(door: &Door, root: &str, paths: &[String]) -> Result<Vec<Content>, Missing> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        // Paths are given out in order: when one fails, those before it are given out already.
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index) else { return done };
            let read = content(door, root, path);
            if read.is_err() {
                next.store(paths.len(), Ordering::Relaxed);
            }
            done.push((index, read));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let readers = cores.min(READERS).min(1 + paths.len() / 64);
    let mut all = std::thread::scope(|scope| {
        let others: Vec<_> = (1..readers).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, read)| read).collect()
}

fn content(door: &Door, root: &str, path: &str) -> Result<Content, Missing> {
    if door.time_left().is_zero() {
        let tried = format!("read {root}");
        return Err(door.missing(MissingState::TimedOut, tried, "the probe's time is over", "raise the time limit"));
    }
    let bytes = door.read_unnoted(&format!("{root}/{path}"), door.limits().file_bytes)?;
    Ok((Digest256::of(&bytes), bytes.len() as u64, text(bytes)))
}

/// A file's text without a byte order mark, or why it cannot be understood.
fn text(mut bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() as u64 > MODULE_BYTES {
        return Err(format!("it has {} bytes, more than the limit of {MODULE_BYTES}", bytes.len()));
    }
    bytes.shrink_to_fit();
    String::from_utf8(bytes)
        .map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
        .map_err(|error| format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
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

//! Reading a tree: its files are listed, then read and hashed on all cores, each once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{SourceFile, Text, Tree, dotted};
use crate::evidence::{Digest256, Missing, MissingState, Reading};
use crate::probes::code_path::python;
use crate::probes::code_path::words::normal_form;
use crate::probes::reading::FileReader;
use crate::probes::{Attributes, Door, Entry, FileKind};

/// Files longer than this are not parsed.
const MODULE_BYTES: u64 = 8 << 20;

/// Folder depth that is followed.
const FOLDERS: usize = 64;

/// Threads that read; more only wait for the same disk.
const READERS: usize = 8;

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
    let mut found = Found::default();
    let listed = door.list_unnoted(root)?;
    walk(door, root, "", listed, 0, &mut found)?;
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
    let work = || {
        let (mut done, mut reader) = (Vec::new(), FileReader::new(door));
        // Paths are given out in order: when one fails, those before it are given out already.
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index) else { return done };
            let read = content(door, &mut reader, root, path);
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

fn content(door: &Door, reader: &mut FileReader<'_>, root: &str, (path, seen): &Path) -> Result<Content, Missing> {
    if door.time_left().is_zero() {
        let tried = format!("read {root}");
        return Err(door.missing(MissingState::TimedOut, tried, "the probe's time is over", "raise the time limit"));
    }
    let (logical, max) = (format!("{root}/{path}"), door.limits().file_bytes);
    let linked;
    let bytes = match seen {
        Some(seen) => reader.read(&logical, max, seen)?,
        None => {
            linked = door.read_unnoted(&logical, max)?;
            &linked
        }
    };
    Ok((Digest256::of(bytes), bytes.len() as u64, Text::of(bytes)))
}

impl Text {
    fn of(bytes: &[u8]) -> Self {
        if bytes.len() as u64 > MODULE_BYTES {
            let said = format!("it has {} bytes, more than the limit of {MODULE_BYTES}", bytes.len());
            return Self { written: Err(said), normal: None };
        }
        let written = std::str::from_utf8(bytes)
            .map(|text| text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
            .map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()));
        let normal = written.as_ref().ok().and_then(|text| normal_form(text));
        Self { written, normal }
    }
}

#[derive(Default)]
struct Found {
    paths: Vec<Path>,
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
                found.paths.push((path, (kind == FileKind::File).then_some(attributes)));
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

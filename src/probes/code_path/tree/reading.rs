//! Reading a tree: its files are listed, then read and hashed on all cores, each once; those that were laid aside and matter
//! after all are read again.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::aside::{Fate, Interest, Naming, Search};
use super::shelf::{Kept, Shelf};
use super::{SourceFile, Text, Tree, dotted};
use crate::evidence::{Digest256, Missing, MissingState, Reading};
use crate::probes::code_path::python;
use crate::probes::code_path::words::normal_form;
use crate::probes::held::{divided, processors};
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

/// A file that was found, with its attributes where it is no link.
type Path = (String, Option<Attributes>);

/// Where a tree's files come from, for those that were laid aside.
pub struct Source<'d> {
    door: &'d Door,
    root: String,
    paths: Vec<Path>,
    digests: Vec<Digest256>,
    searched: BTreeSet<String>,
}

/// Reads the tree at a logical path. With an interest, files in which nothing of it stands are laid aside.
///
/// # Errors
/// The first folder or file that could not be read.
pub fn read<'d>(door: &'d Door, root: &str, interest: Option<&Interest>) -> Result<(Tree, Source<'d>), Missing> {
    let root = if root == "/" { root } else { root.trim_end_matches('/') };
    let mut found = walk(door, root)?;
    found.paths.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let files = found.paths.iter().map(|(path, _)| SourceFile::new(path)).collect();
    let name = root.rsplit('/').next().unwrap_or(root).to_owned();
    let mut tree = Tree::new(files, name, found.blind);
    let searched = interest.map(|interest| tree.tops_of(&interest.described)).unwrap_or_default();
    let none = BTreeSet::new();
    let search = Search::new(&searched, interest.map_or(&none, |interest| &interest.library));
    let fates = tree.fates(interest);
    let source = Source { door, root: root.to_owned(), paths: found.paths, digests: Vec::new(), searched };
    let all: Vec<usize> = (0..source.paths.len()).collect();
    let kept = all.iter().filter(|index| fates[**index] == Fate::Kept).flat_map(|index| &source.paths[*index].1);
    let large = kept.map(|seen| seen.size).sum::<u64>() > LARGE;
    let (looked, texts) = source.each(&all, |shelf, index, bytes| {
        let length = bytes.len() as u64;
        let too_long = length > MODULE_BYTES;
        let aside = match fates[index] {
            Fate::Kept => false,
            Fate::Searched => !too_long && !search.finds(bytes),
            Fate::Aside => true,
        };
        if !aside && !too_long {
            shelf.put(index, bytes, large);
        }
        Ok((Digest256::of(bytes), length, aside))
    })?;
    let (mut digests, mut listing, mut size) = (Vec::new(), String::new(), 0_u64);
    let mut texts = texts.into_iter().peekable();
    for (index, (digest, length, aside)) in looked {
        size += length;
        listing.push_str(&format!("{digest}  {}\n", source.paths[index].0));
        digests.push(digest);
        if !aside {
            let text = texts.next_if(|(other, _)| *other == index).map(|(_, text)| text);
            tree.files[index].keep(Text::of(length, text));
        }
    }
    let source = Source { digests, ..source };
    tree.unassigned =
        interest.filter(|_| tree.files.iter().any(|file| file.aside)).map(|interest| interest.library.clone());
    tree.digest = Digest256::of(listing.as_bytes());
    let what = format!("{root} ({} files that end in {})", tree.files.len(), python::EXTENSION);
    door.note_by(what, door.by().to_owned(), Reading::Content { size, sha256: tree.digest.clone() });
    Ok((tree, source))
}

/// What was made of files, and the texts that were kept, each under its number and in the order of these.
type Looked<T> = (Vec<(usize, T)>, Vec<(usize, Kept)>);

impl Source<'_> {
    /// Whether every file that was laid aside was searched for these folders' names before.
    pub fn was_searched_for(&self, tops: &[String]) -> bool {
        tops.iter().all(|top| self.searched.contains(top))
    }

    /// Those of some files that name one of some folders.
    pub(super) fn naming(&self, indexes: &[usize], names: &Naming) -> Result<Vec<usize>, Missing> {
        let (looked, _) = self.again(indexes, |_, _, bytes| {
            let normal = |text: &str| names.is_in(normal_form(text).as_deref().unwrap_or(text).as_bytes());
            std::str::from_utf8(bytes).map_or(true, normal)
        })?;
        Ok(looked.into_iter().filter(|(_, naming)| *naming).map(|(index, _)| index).collect())
    }

    /// The texts of some files.
    pub(super) fn texts(&self, indexes: &[usize]) -> Result<Vec<(usize, Text)>, Missing> {
        let sizes = indexes.iter().flat_map(|index| &self.paths[*index].1).map(|seen| seen.size);
        let large = sizes.sum::<u64>() > LARGE;
        let (looked, texts) = self.again(indexes, |shelf, index, bytes| {
            let length = bytes.len() as u64;
            if length <= MODULE_BYTES {
                shelf.put(index, bytes, large);
            }
            length
        })?;
        let mut texts = texts.into_iter().peekable();
        let text = |(index, length): (usize, u64)| {
            (index, Text::of(length, texts.next_if(|(other, _)| *other == index).map(|(_, text)| text)))
        };
        Ok(looked.into_iter().map(text).collect())
    }

    /// As [`Source::each`], of files that were read before: they must hold what they held.
    fn again<T: Send>(
        &self,
        indexes: &[usize],
        look: impl Fn(&mut Shelf, usize, &[u8]) -> T + Sync,
    ) -> Result<Looked<T>, Missing> {
        self.each(indexes, |shelf, index, bytes| {
            if Digest256::of(bytes) != self.digests[index] {
                let tried = format!("read {}/{} again", self.root, self.paths[index].0);
                let next = "run it again when nobody writes to the tree";
                let said = "it changed while the tree was read";
                return Err(self.door.missing(MissingState::Unreadable, tried, said, next));
            }
            Ok(look(shelf, index, bytes))
        })
    }

    /// Looks at the contents of some files. They are read on threads that this one starts, for these have its rights.
    fn each<T: Send>(
        &self,
        indexes: &[usize],
        look: impl Fn(&mut Shelf, usize, &[u8]) -> Result<T, Missing> + Sync,
    ) -> Result<Looked<T>, Missing> {
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut done, mut reader, mut shelf) = (Vec::new(), FileReader::new(self.door), Shelf::default());
            // Paths are given out in order: when one fails, those before it are given out already.
            loop {
                let taken = next.fetch_add(1, Ordering::Relaxed);
                let Some(index) = indexes.get(taken).copied() else { return (done, shelf.into_texts()) };
                let read = bytes(self.door, &mut reader, &self.root, &self.paths[index]);
                let looked = read.and_then(|bytes| look(&mut shelf, index, &bytes));
                if looked.is_err() {
                    next.store(indexes.len(), Ordering::Relaxed);
                }
                done.push((index, looked));
            }
        };
        let readers = processors().min(READERS).min(1 + indexes.len() / 64);
        let (mut looked, mut texts) = std::thread::scope(|scope| {
            let others: Vec<_> = (1..readers).map(|_| scope.spawn(work)).collect();
            let (mut looked, mut texts) = work();
            for other in others {
                let (more, further) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                looked.extend(more);
                texts.extend(further);
            }
            (looked, texts)
        });
        looked.sort_by_key(|(index, _)| *index);
        texts.sort_by_key(|(index, _)| *index);
        let looked: Result<Vec<_>, Missing> = looked.into_iter().map(|(index, looked)| Ok((index, looked?))).collect();
        Ok((looked?, texts))
    }
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

#[cfg(test)]
mod tests {
    use std::path::Path as FilePath;
    use std::time::{Duration, Instant as Monotonic};

    use super::*;
    use crate::evidence::Instant;
    use crate::probes::{Limits, Place};

    const FILES: &[(&str, &str)] = &[
        ("app/phase.py", "import known.helper\n"),
        ("known/helper.py", "X = 1\n"),
        ("near/user.py", "from app import phase\n"),
        ("far/user.py", "import near.user\n"),
        ("lib/patch.py", "import psycopg\npsycopg.Connection.commit = print\n"),
        ("stranger/one.py", "def f():\n    return 1\n"),
        ("stranger/test_it.py", "import app\n"),
    ];

    fn made() -> (tempfile::TempDir, Door) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in FILES {
            let path = dir.path().join("t").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let now: Instant = "2026-05-21T10:00:00Z".parse().unwrap();
        let place = Place { package_dir: FilePath::new("/").to_owned(), root: Some(dir.path().to_owned()) };
        let door =
            Door::new(place, Limits::default(), now, "me".to_owned(), Monotonic::now() + Duration::from_secs(60));
        (dir, door)
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn aside(tree: &Tree) -> Vec<&str> {
        tree.files.iter().filter(|file| file.aside).map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn what_is_laid_aside_comes_back_when_it_matters() {
        let (_dir, door) = made();
        let described = names(&["app.phase"]);
        let interest = Interest { described: described.clone(), library: names(&["commit"]) };
        let (mut tree, source) = read(&door, "/t", Some(&interest)).unwrap();
        assert_eq!(aside(&tree), ["far/user.py", "known/helper.py", "stranger/one.py", "stranger/test_it.py"]);
        let (whole, _) = read(&door, "/t", None).unwrap();
        assert_eq!((tree.digest.as_str(), aside(&whole)), (whole.digest.as_str(), Vec::new()));
        tree.concern(&described, &source).unwrap();
        // One names a file that names the phases, the other is named by them; the test lies with a stranger.
        assert_eq!(aside(&tree), ["stranger/one.py", "stranger/test_it.py"]);
        for file in tree.files.iter().filter(|file| !file.aside) {
            let (_, text) = FILES.iter().find(|(path, _)| *path == file.path).unwrap();
            assert_eq!(file.text.as_deref(), Ok(*text));
        }
        assert!(tree.may_be_replaced_in_library("psycopg.Connection.commit", true), "lib/patch.py was kept");
        // Nobody looked for this name in what was laid aside.
        assert!(tree.may_be_replaced_in_library("psycopg.Connection.save", true));
        let silent = Interest { described: described.clone(), library: names(&["save"]) };
        let (mut tree, source) = read(&door, "/t", Some(&silent)).unwrap();
        tree.concern(&described, &source).unwrap();
        assert!(
            aside(&tree).contains(&"lib/patch.py") && !tree.may_be_replaced_in_library("psycopg.Connection.save", true)
        );
    }

    #[test]
    fn what_changed_between_two_readings_was_not_read() {
        let described = names(&["app.phase"]);
        for (path, matters) in
            [("far/user.py", true), ("known/helper.py", true), ("stranger/one.py", true), ("app/phase.py", false)]
        {
            let (dir, door) = made();
            let interest = Interest { described: described.clone(), library: names(&["commit"]) };
            let (mut tree, source) = read(&door, "/t", Some(&interest)).unwrap();
            // Through the same file, as an editor may.
            std::fs::write(dir.path().join("t").join(path), "import app.phase, another\n").unwrap();
            let said = tree.concern(&described, &source).err().map(|missing| missing.said);
            assert_eq!(said.as_deref(), matters.then_some("it changed while the tree was read"), "{path}");
        }
    }
}

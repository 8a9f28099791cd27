//! Reading the content of files: nothing but regular files is opened, whatever takes their place in between, with
//! limits of size and time; what changed while it was read was not read.
//!
//! A file is first opened as a place only (`O_PATH`), which wakes no writer of a FIFO and no driver of a device, and opened
//! for its data when it is known to be a regular file: the very same one, by its name in `/proc`. Of many files, which their
//! folder showed as regular ones just before, the folder is held and each is opened in it at once; it still must be the
//! file that was seen.

use std::cell::Cell;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

use bytes::Bytes;
use memmap2::{Advice, MmapMut};
use rustix::fs::{Mode, OFlags, Stat};
use sha2::{Digest, Sha256};

use super::held::HeldFolder;
use super::watch::Depth;
use super::{Access, Attributes, Door, FileKind};
use crate::evidence::{Digest256, Missing, MissingState};

/// What to do about a file that changes while it is read.
const QUIET: &str = "run the audit again when nobody writes to it";

/// How many bytes are read at once.
const CHUNK: usize = 1 << 16;

/// The names of the descriptors that are open.
const DESCRIPTORS: &str = "/proc/self/fd";

/// Reads files that were listed, one after the other. What is needed for each of them is made once.
pub(super) struct FileReader<'a> {
    door: &'a Door,
    held: HeldFolder<'a>,
    chunk: Vec<u8>,
    bytes: Vec<u8>,
}

impl<'a> FileReader<'a> {
    /// Nothing is held yet.
    pub fn new(door: &'a Door) -> Self {
        Self { door, held: HeldFolder::new(door), chunk: Vec::new(), bytes: Vec::new() }
    }

    /// As [`Door::read_unnoted`], of a file that was `seen` in a listing.
    ///
    /// # Errors
    /// As [`Door::read_seen`].
    pub fn read(&mut self, logical: &str, max: u64, seen: &Attributes) -> Result<&[u8], Missing> {
        let tried = format!("read {logical}");
        let access = self.door.begin(&tried);
        let opened = match self.open(logical, seen) {
            Some(opened) => opened,
            None => self.door.open_file(logical, OFlags::empty(), &tried)?,
        };
        let file = Opened { logical, tried: &tried, follow: true, opened };
        self.bytes.clear();
        let (chunk, bytes) = (&mut self.chunk, &mut self.bytes);
        let size = Cell::new(u64::MAX);
        let accept = |attributes: &Attributes| {
            size.set(attributes.size);
            self.door.same(logical, seen, attributes)
        };
        // What comes in one piece stays where it is.
        let mut whole = None;
        self.door.stream(&access, file, max, accept, chunk, |piece| {
            if piece.len() as u64 == size.get() {
                whole = Some(piece.len());
            } else {
                bytes.extend_from_slice(piece);
            }
        })?;
        Ok(whole.map_or(self.bytes.as_slice(), |length| &self.chunk[..length]))
    }

    /// Opens a regular file for its data in the folder that is held; `None` where it has to be opened by its path.
    fn open(&mut self, logical: &str, seen: &Attributes) -> Option<(OwnedFd, Stat)> {
        if seen.kind != FileKind::File {
            return None;
        }
        let fd = self.held.open(logical, FOR_DATA)?;
        let stat = rustix::fs::fstat(&fd).ok()?;
        (Attributes::of(&stat).kind == FileKind::File).then_some((fd, stat))
    }
}

/// How a regular file is opened for its data.
const FOR_DATA: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A regular file that was opened for its data.
struct Opened<'a> {
    logical: &'a str,
    /// In the words of [`Missing::tried`].
    tried: &'a str,
    /// Whether a last link would have been followed.
    follow: bool,
    opened: (OwnedFd, Stat),
}

impl Door {
    /// A regular file's content, whole. Links are followed (inside the root prefix).
    ///
    /// # Errors
    /// `absent`, `denied`; `unreadable` for anything that is not a regular file, is longer than `max` bytes, or
    /// changed while it was read; `timed out` when its time or the probe's is over.
    pub fn read(&self, logical: &str, max: u64) -> Result<Vec<u8>, Missing> {
        let bytes = self.read_unnoted(logical, max)?;
        self.note_content(logical, &bytes);
        Ok(bytes)
    }

    /// As [`Door::read`], but the caller notes what was read, as a part of a whole.
    ///
    /// # Errors
    /// As [`Door::read`].
    pub fn read_unnoted(&self, logical: &str, max: u64) -> Result<Vec<u8>, Missing> {
        self.read_bytes(logical, max, |_| Ok(()))
    }

    /// As [`Door::read`], of a file whose attributes were `seen` before ([`Door::reached`]), so that both are of one
    /// file at one moment. Where it holds a `secret`, neither its digest nor its length is recorded: who knows the
    /// rest of a small file could try values of the secret against a published digest.
    ///
    /// # Errors
    /// As [`Door::read`], but never `absent`; `unreadable` also when another file lies there by now, or its owner or mode
    /// changed.
    pub fn read_seen(&self, logical: &str, max: u64, seen: &Attributes, secret: bool) -> Result<Vec<u8>, Missing> {
        if secret {
            wiping::from_now_on();
        }
        let bytes = self.read_bytes(logical, max, |attributes| self.same(logical, seen, attributes));
        let bytes = bytes.map_err(|reason| self.vanished(reason))?;
        if secret {
            self.note_attributes(logical);
        } else {
            self.note_content(logical, &bytes);
        }
        Ok(bytes)
    }

    /// The SHA-256 of a regular file that was `seen` before, in chunks. The last link is not followed, and
    /// nothing is noted: the caller notes the whole that the file is a part of.
    ///
    /// # Errors
    /// As [`Door::read_seen`].
    pub fn digest_unnoted(&self, logical: &str, seen: &Attributes) -> Result<Digest256, Missing> {
        let mut hasher = Sha256::new();
        let same = |attributes: &Attributes| self.same(logical, seen, attributes);
        let tried = format!("read {logical}");
        let access = self.begin(&tried);
        let read = self.open_file(logical, OFlags::NOFOLLOW, &tried).and_then(|opened| {
            let file = Opened { logical, tried: &tried, follow: false, opened };
            self.stream(&access, file, u64::MAX, same, &mut Vec::new(), |chunk| hasher.update(chunk))
        });
        read.map_err(|reason| self.vanished(reason))?;
        Ok(digest(hasher))
    }

    /// As [`Door::read_unnoted`], with the SHA-256, of a file that may be large: it is kept in huge pages where the system gives
    /// them, for a megabyte in small ones takes longer to give out than to read.
    pub(super) fn read_large(&self, logical: &str, max: u64) -> Result<(Bytes, Digest256), Missing> {
        let (mut memory, mut filled, mut hasher, size) = (None, 0, Sha256::new(), Cell::new(0));
        let accept = |attributes: &Attributes| {
            size.set(usize::try_from(attributes.size).unwrap_or(usize::MAX));
            Ok(())
        };
        let tried = format!("read {logical}");
        let access = self.begin(&tried);
        let opened = self.open_file(logical, OFlags::empty(), &tried)?;
        let file = Opened { logical, tried: &tried, follow: true, opened };
        let mut no_room = None;
        self.stream(&access, file, max, accept, &mut Vec::new(), |piece| {
            hasher.update(piece);
            if memory.is_none() && no_room.is_none() {
                memory = huge(size.get()).map_err(|error| no_room = Some(error)).ok();
            }
            // What a file has beyond its size is told when all of it was read.
            if let Some(place) = memory.as_mut().and_then(|memory| memory.get_mut(filled..filled + piece.len())) {
                place.copy_from_slice(piece);
            }
            filled += piece.len();
        })?;
        if let Some(error) = no_room {
            return Err(self.missing(
                MissingState::Error,
                tried,
                error.to_string(),
                "see what memory is left: free -m",
            ));
        }
        Ok((memory.map_or_else(Bytes::new, |memory| Bytes::from_owner(memory).slice(..filled)), digest(hasher)))
    }

    /// The first bytes of a regular file that was `seen` before, at most `max` of them. The last link is not followed, and nothing
    /// is noted: the caller notes the whole that the file is a part of.
    ///
    /// # Errors
    /// As [`Door::read_seen`].
    pub(super) fn head_unnoted(&self, logical: &str, max: u64, seen: &Attributes) -> Result<Vec<u8>, Missing> {
        let tried = format!("read from {logical}");
        let _access = self.begin(&tried);
        let failed = |error: std::io::Error| self.vanished(self.io_missing(&tried, logical, &error));
        let (fd, opened) = self.open_file(logical, OFlags::NOFOLLOW, &tried).map_err(|reason| self.vanished(reason))?;
        let attributes = Attributes::of(&opened);
        self.same(logical, seen, &attributes)?;
        let (mut file, mut head) = (std::fs::File::from(fd), Vec::new());
        (&mut file).take(max).read_to_end(&mut head).map_err(failed)?;
        let closed = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
        if changed(&opened, &closed) || head.len() as u64 != attributes.size.min(max) {
            let said = "it was changed while it was read";
            return Err(self.missing(MissingState::Unreadable, &tried, said, QUIET));
        }
        self.watch().saw(logical, false, Some(&closed), Depth::Content);
        Ok(head)
    }

    /// Tries whether the content of a regular file can be read.
    pub(super) fn read_a_byte(&self, logical: &str) -> Result<(), Missing> {
        let tried = format!("read from {logical}");
        let (fd, _) = self.open_file(logical, OFlags::empty(), &tried)?;
        let read = std::fs::File::from(fd).read(&mut [0]);
        read.map(|_| ()).map_err(|error| self.io_missing(&tried, logical, &error))
    }

    /// What was seen and is gone is not known to be absent: it was moved while it was read.
    pub fn vanished(&self, reason: Missing) -> Missing {
        if !reason.state.is_absent() {
            return reason;
        }
        self.missing(MissingState::Error, reason.tried, "it was there, and then it was gone", QUIET)
    }

    fn same(&self, logical: &str, seen: &Attributes, opened: &Attributes) -> Result<(), Missing> {
        let tried = format!("read {logical}");
        if opened.identity != seen.identity {
            return Err(self.missing(MissingState::Unreadable, tried, "another file took its place", QUIET));
        }
        if (opened.mode, opened.uid, opened.gid) != (seen.mode, seen.uid, seen.gid) {
            return Err(self.missing(MissingState::Unreadable, tried, "its owner or mode changed meanwhile", QUIET));
        }
        Ok(())
    }

    fn read_bytes(
        &self,
        logical: &str,
        max: u64,
        accept: impl FnOnce(&Attributes) -> Result<(), Missing>,
    ) -> Result<Vec<u8>, Missing> {
        let (mut bytes, size) = (Vec::new(), Cell::new(0));
        let accept = |attributes: &Attributes| {
            size.set(usize::try_from(attributes.size).unwrap_or(0));
            accept(attributes)
        };
        let tried = format!("read {logical}");
        let access = self.begin(&tried);
        let opened = self.open_file(logical, OFlags::empty(), &tried)?;
        let file = Opened { logical, tried: &tried, follow: true, opened };
        self.stream(&access, file, max, accept, &mut Vec::new(), |chunk| {
            // Room for all of it at once; that it is within the limits was seen before the first chunk.
            bytes.reserve_exact(size.take());
            bytes.extend_from_slice(chunk);
        })?;
        Ok(bytes)
    }

    /// Opens a regular file, and nothing else, for its data.
    fn open_file(&self, logical: &str, flags: OFlags, tried: &str) -> Result<(OwnedFd, Stat), Missing> {
        let failed = |error: std::io::Error| self.io_missing(tried, logical, &error);
        let place = self.open_seen(logical, OFlags::PATH | flags).map_err(failed)?;
        let stat = rustix::fs::fstat(&place).map_err(|error| failed(error.into()))?;
        let kind = Attributes::of(&stat).kind;
        if kind != FileKind::File {
            let said = format!("it is a {}, not a regular file", kind.word());
            let next = format!("look at it: ls -ld {logical}");
            return Err(self.missing(MissingState::Unreadable, tried, said, next));
        }
        let name = format!("{DESCRIPTORS}/{}", place.as_raw_fd());
        let fd = rustix::fs::open(name, FOR_DATA, Mode::empty()).map_err(|error| match error {
            rustix::io::Errno::NOENT => self.no_proc(tried, error.into()),
            error => failed(error.into()),
        })?;
        Ok((fd, stat))
    }

    /// A descriptor that is open has a name in `/proc`. Where it has none that is not the file's absence.
    pub(super) fn no_proc(&self, tried: &str, error: std::io::Error) -> Missing {
        let next = "see that /proc is mounted where the audit runs: mount -t proc proc /proc";
        self.missing(MissingState::Error, tried, format!("{DESCRIPTORS}: {error}"), next)
    }

    /// Passes a regular file's bytes to `sink` in chunks, for which there is room in `chunk`, once `accept` has admitted its
    /// attributes, and makes sure that it stayed what it was.
    fn stream(
        &self,
        access: &Access<'_>,
        file: Opened<'_>,
        max: u64,
        accept: impl FnOnce(&Attributes) -> Result<(), Missing>,
        chunk: &mut Vec<u8>,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), Missing> {
        let Opened { logical, tried, follow, opened: (fd, opened) } = file;
        let unreadable = |said: String, next: &str| self.missing(MissingState::Unreadable, tried, said, next);
        let failed = |error: std::io::Error| self.io_missing(tried, logical, &error);
        let attributes = Attributes::of(&opened);
        accept(&attributes)?;
        let package = self.limits().file_bytes;
        let next =
            if package < max { "shorten it, or raise file_mb in [limits] of cutgate.toml" } else { "shorten it" };
        let max = max.min(package);
        let too_long = |size: u64| unreadable(format!("it has {size} bytes, more than the limit of {max}"), next);
        if attributes.size > max {
            return Err(too_long(attributes.size));
        }
        let mut file = std::fs::File::from(fd);
        // One byte more than it has, so that the end is seen at the second reading.
        let whole = usize::try_from(attributes.size).map_or(CHUNK, |size| size.saturating_add(1));
        if chunk.len() < whole.min(CHUNK) {
            chunk.resize(whole.min(CHUNK), 0);
        }
        let mut size = 0_u64;
        loop {
            if access.is_over() {
                let next = format!("see why {logical} is slow to read");
                let said = format!("its time was over after {size} of {} bytes", attributes.size);
                return Err(self.missing(MissingState::TimedOut, tried, said, next));
            }
            let n = file.read(chunk).map_err(|error| self.vanished(failed(error)))?;
            if n == 0 {
                break;
            }
            size += n as u64;
            if size > max {
                return Err(too_long(size));
            }
            sink(&chunk[..n]);
            // The end was seen: more was asked for than there is. What is added from now on, the last look sees.
            if n < chunk.len() && size == attributes.size {
                break;
            }
        }
        if size != attributes.size {
            return Err(unreadable(
                format!("it had {} bytes when opened and {size} when read", attributes.size),
                QUIET,
            ));
        }
        let closed = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
        if changed(&opened, &closed) {
            return Err(unreadable("it was changed while it was read".to_owned(), QUIET));
        }
        self.watch().saw(logical, follow, Some(&closed), Depth::Content);
        Ok(())
    }
}

/// Memory of its own for so many bytes.
fn huge(bytes: usize) -> std::io::Result<MmapMut> {
    const HUGE_PAGE: usize = 2 << 20;
    if bytes < HUGE_PAGE / 2 {
        return MmapMut::map_anon(bytes);
    }
    // Linux begins a whole number of huge pages where one begins, and others anywhere.
    let memory = MmapMut::map_anon(bytes.checked_next_multiple_of(HUGE_PAGE).unwrap_or(bytes))?;
    // Advice: a system without huge pages gives small ones.
    let _ = memory.advise(Advice::HugePage);
    Ok(memory)
}

fn digest(hasher: Sha256) -> Digest256 {
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Digest256::try_from(hex).expect("invariant: SHA-256 has 64 hex digits")
}

/// Whether a file was written to, or its attributes were set, between two looks: its change time says so (inode(7)), as
/// finely as the file system keeps time.
fn changed(before: &Stat, after: &Stat) -> bool {
    let written = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
    written(before) != written(after)
}

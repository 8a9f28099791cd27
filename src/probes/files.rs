//! Reading files and folders without being led astray: nothing but regular files is read, FIFOs and
//! devices are never opened for data, links stay below the root prefix, sizes and counts are bounded.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::Door;
use crate::evidence::{Missing, MissingState};

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
}

impl FileKind {
    /// The word that facts use.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Link => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Device => "device",
        }
    }

    fn of(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            _ => Self::Device,
        }
    }
}

/// A path's attributes, the last link not followed.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// What lies there.
    pub kind: FileKind,
    /// Permission bits, with set-id and sticky: 0o750.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, seconds since the epoch. The owner may set it at will.
    pub modified: i64,
    /// The device and inode, which tell a swapped file from the one looked at before.
    pub identity: (u64, u64),
}

impl Attributes {
    fn of(stat: &Stat) -> Self {
        Self {
            kind: FileKind::of(stat),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: stat.st_mtime,
            identity: (stat.st_dev, stat.st_ino),
        }
    }
}

/// An entry of a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name; bytes that are not UTF-8 are replaced, and then `exact` is false.
    pub name: String,
    /// Whether `name` is the name to the byte.
    pub exact: bool,
    /// Its attributes, links not followed; or the reason why they could not be read.
    pub attributes: Result<Attributes, Missing>,
}

impl Door {
    /// Opens a logical path. Below a root prefix every link is resolved inside the prefix.
    fn open(&self, logical: &str, flags: OFlags) -> Result<OwnedFd, std::io::Error> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let place = self.place();
        if let (Some(root), true) = (&place.root, logical.starts_with('/')) {
            let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            let inside = logical.trim_start_matches('/');
            let inside = if inside.is_empty() { "." } else { inside };
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            return Ok(rustix::fs::openat2(root, inside, flags, Mode::empty(), resolve)?);
        }
        Ok(rustix::fs::open(place.locate(Path::new(logical)), flags, Mode::empty())?)
    }

    /// The attributes of a path, the last link not followed.
    ///
    /// # Errors
    /// `absent` when it is not there, `denied` when a folder on the way may not be searched.
    pub fn attributes(&self, logical: &str) -> Result<Attributes, Missing> {
        let tried = format!("look at {logical}");
        let fd = self.open(logical, OFlags::PATH | OFlags::NOFOLLOW);
        let fd = fd.map_err(|error| self.io_missing(&tried, logical, &error))?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| self.io_missing(&tried, logical, &error.into()))?;
        self.note_attributes(logical);
        Ok(Attributes::of(&stat))
    }

    /// Where a link points, as written in it.
    ///
    /// # Errors
    /// As [`Door::attributes`], or `error` when it is not a link.
    pub fn link_target(&self, logical: &str) -> Result<PathBuf, Missing> {
        let tried = format!("read the link {logical}");
        let fd = self.open(logical, OFlags::PATH | OFlags::NOFOLLOW);
        let fd = fd.map_err(|error| self.io_missing(&tried, logical, &error))?;
        let target = rustix::fs::readlinkat(&fd, "", Vec::new());
        let target = target.map_err(|error| self.io_missing(&tried, logical, &error.into()))?;
        Ok(PathBuf::from(String::from_utf8_lossy(target.as_bytes()).into_owned()))
    }

    /// A regular file's content, whole. Links are followed (inside the root prefix).
    ///
    /// # Errors
    /// `absent`, `denied`; `unreadable` for anything that is not a regular file, is longer than
    /// `max` bytes, or changed its length while it was read; `timed out` when the probe's time is over.
    pub fn read(&self, logical: &str, max: u64) -> Result<Vec<u8>, Missing> {
        let bytes = self.read_quietly(logical, max)?;
        self.note_content(logical, &bytes);
        Ok(bytes)
    }

    /// As [`Door::read`], for one file of many: the caller notes the whole.
    ///
    /// # Errors
    /// As [`Door::read`].
    pub fn read_quietly(&self, logical: &str, max: u64) -> Result<Vec<u8>, Missing> {
        let tried = format!("read {logical}");
        let fd = self.open(logical, OFlags::RDONLY);
        let fd = fd.map_err(|error| self.io_missing(&tried, logical, &error))?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| self.io_missing(&tried, logical, &error.into()))?;
        let attributes = Attributes::of(&stat);
        let unreadable = |said: String, next: String| self.missing(MissingState::Unreadable, &tried, said, next);
        if attributes.kind != FileKind::File {
            let said = format!("it is a {}, not a regular file", attributes.kind.word());
            return Err(unreadable(said, format!("look at it: ls -ld {logical}")));
        }
        let max = max.min(self.limits().file_bytes);
        let too_long = |size: u64| {
            unreadable(
                format!("it has {size} bytes, more than the limit of {max}"),
                "shorten it, or raise the limit".to_owned(),
            )
        };
        if attributes.size > max {
            return Err(too_long(attributes.size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(attributes.size).unwrap_or(0));
        let mut file = std::fs::File::from(fd);
        let mut chunk = vec![0_u8; 1 << 16];
        loop {
            if self.time_left().is_zero() {
                let next = format!("see why {logical} is slow to read");
                return Err(self.missing(MissingState::TimedOut, &tried, "the probe's time is over", next));
            }
            let n = file.read(&mut chunk).map_err(|error| self.io_missing(&tried, logical, &error))?;
            if n == 0 {
                break;
            }
            bytes.extend_from_slice(&chunk[..n]);
            if bytes.len() as u64 > max {
                return Err(too_long(bytes.len() as u64));
            }
        }
        if bytes.len() as u64 != attributes.size {
            let said = format!("it had {} bytes when opened and {} when read", attributes.size, bytes.len());
            return Err(unreadable(said, "run the audit again when nobody writes to it".to_owned()));
        }
        Ok(bytes)
    }

    /// The entries of a directory, sorted by name, links not followed.
    ///
    /// # Errors
    /// `absent`, `denied`, `unreadable` when it is no directory or has more entries than the limit.
    pub fn list(&self, logical: &str) -> Result<Vec<Entry>, Missing> {
        let entries = self.list_quietly(logical)?;
        self.note_attributes(logical);
        Ok(entries)
    }

    /// As [`Door::list`], for one folder of many: the caller notes the whole.
    ///
    /// # Errors
    /// As [`Door::list`].
    pub fn list_quietly(&self, logical: &str) -> Result<Vec<Entry>, Missing> {
        let tried = format!("list {logical}");
        let failed = |error: std::io::Error| self.io_missing(&tried, logical, &error);
        let fd = self.open(logical, OFlags::RDONLY | OFlags::DIRECTORY).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotADirectory {
                let next = format!("look at it: ls -ld {logical}");
                return self.missing(MissingState::Unreadable, &tried, "it is not a directory", next);
            }
            failed(error)
        })?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&fd).map_err(|error| failed(error.into()))? {
            let entry = entry.map_err(|error| failed(error.into()))?;
            let raw = entry.file_name().to_bytes();
            if raw == b"." || raw == b".." {
                continue;
            }
            if entries.len() >= self.limits().entries || self.time_left().is_zero() {
                let said = format!("stopped after {} entries", entries.len());
                let next = format!("see what fills {logical}");
                return Err(self.missing(MissingState::Unreadable, &tried, said, next));
            }
            let name = String::from_utf8_lossy(raw).into_owned();
            let exact = name.as_bytes() == raw;
            let stat = rustix::fs::statat(&fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            let path = format!("{}/{name}", logical.trim_end_matches('/'));
            let attributes = stat
                .map(|stat| Attributes::of(&stat))
                .map_err(|error| self.io_missing(format!("look at {path}"), &path, &error.into()));
            entries.push(Entry { name, exact, attributes });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

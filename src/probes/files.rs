//! Looking at files and folders without being led astray: links stay below the root prefix, counts are bounded,
//! nothing is opened for its data. Content is read in `reading`.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::Door;
use super::watch::Depth;
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

    /// The kind by `st_mode` of inode(7).
    pub(super) fn of_mode(mode: u32) -> Self {
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => Self::Device,
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
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            kind: FileKind::of_mode(stat.st_mode),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: stat.st_mtime,
            identity: (stat.st_dev, stat.st_ino),
        }
    }
}

/// The file system that a path lies on.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Bytes that an ordinary user may still write: `f_bavail` × `f_frsize` of statvfs(3).
    pub free_bytes: u64,
    /// Whether no further file can be made although bytes may be free. File systems that do not count
    /// their inodes are never out of them.
    pub no_inodes: bool,
    /// Whether it is mounted read-only.
    pub read_only: bool,
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
    pub(super) fn open(&self, logical: &str, flags: OFlags) -> Result<OwnedFd, std::io::Error> {
        // openat2 refuses flags about data where only a place is wanted.
        let data = if flags.contains(OFlags::PATH) { OFlags::empty() } else { OFlags::NONBLOCK | OFlags::NOCTTY };
        let flags = flags | OFlags::CLOEXEC | data;
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

    /// Makes sure that what was opened is what was seen.
    fn still(&self, fd: &OwnedFd, seen: Option<&Attributes>, tried: &str) -> Result<(), Missing> {
        let Some(seen) = seen else { return Ok(()) };
        let stat = rustix::fs::fstat(fd).map_err(|error| self.io_missing(tried, tried, &error.into()))?;
        if Attributes::of(&stat).identity == seen.identity {
            return Ok(());
        }
        let next = "run the audit again when nobody moves it about";
        Err(self.missing(MissingState::Unreadable, tried, "something else took its place", next))
    }

    /// Opens a path, and remembers where it is not there: what appears meanwhile is noticed.
    pub(super) fn open_seen(&self, logical: &str, flags: OFlags) -> Result<OwnedFd, std::io::Error> {
        let opened = self.open(logical, flags);
        if opened.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            self.watch().saw(logical, !flags.contains(OFlags::NOFOLLOW), None, Depth::Itself);
        }
        opened
    }

    /// Opens a path as a place only, looks at it, and remembers what was seen.
    fn look(&self, logical: &str, follow: bool) -> Result<(OwnedFd, Stat), std::io::Error> {
        let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
        let fd = self.open_seen(logical, flags)?;
        let stat = rustix::fs::fstat(&fd)?;
        self.watch().saw(logical, follow, Some(&stat), Depth::Itself);
        Ok((fd, stat))
    }

    /// The attributes of a path, the last link not followed.
    ///
    /// # Errors
    /// `absent` when it is not there, `denied` when a folder on the way may not be searched.
    pub fn attributes(&self, logical: &str) -> Result<Attributes, Missing> {
        let tried = format!("look at {logical}");
        let _access = self.begin(&tried);
        let (_, stat) = self.look(logical, false).map_err(|error| self.io_missing(&tried, logical, &error))?;
        self.note_attributes(logical);
        Ok(Attributes::of(&stat))
    }

    /// The attributes of what a path leads to, every link followed (inside the root prefix).
    ///
    /// # Errors
    /// As [`Door::attributes`]; a link that leads nowhere is `absent` too.
    pub fn reached(&self, logical: &str) -> Result<Attributes, Missing> {
        let tried = format!("look at what {logical} leads to");
        let _access = self.begin(&tried);
        let (_, stat) = self.look(logical, true).map_err(|error| self.io_missing(&tried, logical, &error))?;
        self.note_attributes(logical);
        Ok(Attributes::of(&stat))
    }

    /// The file system that a path lies on, links followed. What was `seen` there before must lie there still.
    ///
    /// # Errors
    /// As [`Door::reached`]; `unreadable` when something else lies there by now.
    pub fn space(&self, logical: &str, seen: Option<&Attributes>) -> Result<Space, Missing> {
        let tried = format!("ask for the free space of {logical}");
        let _access = self.begin(&tried);
        let failed = |error: std::io::Error| self.io_missing(&tried, logical, &error);
        let (fd, _) = self.look(logical, true).map_err(failed)?;
        self.still(&fd, seen, &tried)?;
        let stat = rustix::fs::fstatvfs(&fd).map_err(|error| failed(error.into()))?;
        self.note_attributes(logical);
        Ok(Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            no_inodes: stat.f_files > 0 && stat.f_favail == 0,
            read_only: stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }

    /// Whether an access control list (acl(5)) decides over a path beside its mode bits; links followed. What was
    /// `seen` there before must lie there still.
    ///
    /// # Errors
    /// As [`Door::space`]; `error` when the system does not say.
    pub fn has_acl(&self, logical: &str, seen: &Attributes) -> Result<bool, Missing> {
        let tried = format!("look for an access control list on {logical}");
        let _access = self.begin(&tried);
        let (fd, _) = self.look(logical, true).map_err(|error| self.io_missing(&tried, logical, &error))?;
        self.still(&fd, Some(seen), &tried)?;
        // A descriptor that is only a path is refused by fgetxattr(2); its name in /proc is not.
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        let found = rustix::fs::getxattr_query(name, "system.posix_acl_access");
        self.note_attributes(logical);
        match found {
            Ok(length) => Ok(length > 0),
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(false),
            Err(error) => {
                let next = format!("look at it: getfacl {logical}");
                Err(self.missing(MissingState::Error, tried, error.to_string(), next))
            }
        }
    }

    /// Tries whether a file's content can be read, or a directory be listed and searched, and says which of
    /// both it is. Links are followed. Records attributes only: the content is not judged.
    ///
    /// # Errors
    /// As [`Door::reached`]; `unreadable` for anything that is neither.
    pub fn try_reading(&self, logical: &str) -> Result<FileKind, Missing> {
        let tried = format!("read from {logical}");
        let _access = self.begin(&tried);
        let failed = |error: std::io::Error| self.io_missing(&tried, logical, &error);
        let kind = self.reached(logical)?.kind;
        match kind {
            FileKind::File => {
                self.read_a_byte(logical)?;
            }
            FileKind::Directory => {
                let fd = self.open(logical, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
                if let Some(entry) = Dir::read_from(&fd).map_err(|error| failed(error.into()))?.next() {
                    entry.map_err(|error| failed(error.into()))?;
                }
                // Names can be listed without the right to enter; a folder like that cannot be read.
                rustix::fs::statat(&fd, ".", AtFlags::empty()).map_err(|error| failed(error.into()))?;
            }
            FileKind::Link | FileKind::Fifo | FileKind::Socket | FileKind::Device => {
                let said = format!("it is a {}, neither a file nor a directory", kind.word());
                let next = format!("look at it: ls -ld {logical}");
                return Err(self.missing(MissingState::Unreadable, tried, said, next));
            }
        }
        Ok(kind)
    }

    /// Where a link points, as written in it.
    ///
    /// # Errors
    /// As [`Door::attributes`], or `error` when it is not a link.
    pub fn link_target(&self, logical: &str) -> Result<PathBuf, Missing> {
        let tried = format!("read the link {logical}");
        let _access = self.begin(&tried);
        let (fd, _) = self.look(logical, false).map_err(|error| self.io_missing(&tried, logical, &error))?;
        let target = rustix::fs::readlinkat(&fd, "", Vec::new());
        let target = target.map_err(|error| self.io_missing(&tried, logical, &error.into()))?;
        Ok(PathBuf::from(String::from_utf8_lossy(target.as_bytes()).into_owned()))
    }

    /// What lies behind a path, all links followed (inside the root prefix): its real path and its
    /// attributes. For libraries that open files themselves; the real path is not for facts. Nothing is noted.
    ///
    /// # Errors
    /// As [`Door::attributes`].
    pub fn resolve(&self, logical: &str) -> Result<(PathBuf, Attributes), Missing> {
        let tried = format!("look at {logical}");
        let _access = self.begin(&tried);
        let (fd, stat) = self.look(logical, true).map_err(|error| self.io_missing(&tried, logical, &error))?;
        let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let path = rustix::fs::readlink(&link, Vec::new()).map_err(|error| self.no_proc(&tried, error.into()))?;
        Ok((PathBuf::from(std::ffi::OsString::from_vec(path.into_bytes())), Attributes::of(&stat)))
    }

    /// The entries of a directory, sorted by name, links not followed.
    ///
    /// # Errors
    /// `absent`, `denied`, `unreadable` when it is no directory or has more entries than the limit.
    pub fn list(&self, logical: &str) -> Result<Vec<Entry>, Missing> {
        let entries = self.list_unnoted(logical)?;
        self.note_attributes(logical);
        Ok(entries)
    }

    /// As [`Door::list`], but nothing is noted: the caller notes the tree that the folder is a part of.
    ///
    /// # Errors
    /// As [`Door::list`].
    pub fn list_unnoted(&self, logical: &str) -> Result<Vec<Entry>, Missing> {
        self.listing(logical, None)
    }

    /// As [`Door::list_unnoted`], of a folder that was `seen` as an entry of the one above: no link and no other folder
    /// that took its place in between is listed in its stead.
    ///
    /// # Errors
    /// As [`Door::list`]; `unreadable` also when another folder lies there by now.
    pub fn list_seen(&self, logical: &str, seen: &Attributes) -> Result<Vec<Entry>, Missing> {
        self.listing(logical, Some(seen))
    }

    fn listing(&self, logical: &str, seen: Option<&Attributes>) -> Result<Vec<Entry>, Missing> {
        let tried = format!("list {logical}");
        let access = self.begin(&tried);
        let failed = |error: std::io::Error| self.io_missing(&tried, logical, &error);
        let fd = self.open_seen(logical, OFlags::RDONLY | OFlags::DIRECTORY).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotADirectory {
                let next = format!("look at it: ls -ld {logical}");
                return self.missing(MissingState::Unreadable, &tried, "it is not a directory", next);
            }
            failed(error)
        })?;
        self.still(&fd, seen, &tried)?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| failed(error.into()))?;
        self.watch().saw(logical, true, Some(&stat), Depth::Content);
        let mut entries = Vec::new();
        for entry in Dir::read_from(&fd).map_err(|error| failed(error.into()))? {
            let entry = entry.map_err(|error| failed(error.into()))?;
            let raw = entry.file_name().to_bytes();
            if raw == b"." || raw == b".." {
                continue;
            }
            let over = access.is_over();
            if over || entries.len() >= self.limits().entries {
                let state = if over { MissingState::TimedOut } else { MissingState::Unreadable };
                let said = format!("stopped after {} entries", entries.len());
                let next = format!("see what fills {logical}");
                return Err(self.missing(state, &tried, said, next));
            }
            let name = String::from_utf8_lossy(raw).into_owned();
            let exact = name.as_bytes() == raw;
            let stat = rustix::fs::statat(&fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            let attributes = stat.map(|stat| Attributes::of(&stat)).map_err(|error| {
                let path = format!("{}/{name}", logical.trim_end_matches('/'));
                self.io_missing(format!("look at {path}"), &path, &error.into())
            });
            entries.push(Entry { name, exact, attributes });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

//! Looking at many entries of one folder: the folder is held open, so that the way to it is gone once and not for each
//! of them.
//!
//! It is held as a place only (`O_PATH`). What cannot be seen in this way is looked at by its own path, which then says why.

use std::os::fd::OwnedFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags};

use super::watch::{Depth, Mark};
use super::{Attributes, Door, FileKind};

/// The folder that was asked for last.
pub(super) struct HeldFolder<'a> {
    door: &'a Door,
    logical: String,
    folder: Option<Folder>,
}

/// A folder that is held open.
struct Folder {
    fd: OwnedFd,
    stat: Statx,
}

/// An entry of the folder that is held, a link not followed.
pub(super) struct Entry {
    stat: Statx,
    /// Whether it is known to lie on the mount on which its folder lies.
    pub on_mount_of_folder: bool,
}

impl<'a> HeldFolder<'a> {
    /// None is held yet.
    pub fn new(door: &'a Door) -> Self {
        Self { door, logical: String::new(), folder: None }
    }

    /// What lies at a logical path, a last link not followed; `None` where that is not seen from its folder. Nothing is
    /// noted.
    pub fn entry(&mut self, logical: &str) -> Option<Entry> {
        let (folder, name) = self.folder_of(logical)?;
        let stat = look(&folder.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let mount = |stat: &Statx| (stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(stat.stx_mnt_id);
        let on_mount_of_folder =
            mount(&stat).is_some() && mount(&stat) == mount(&folder.stat) && device(&stat) == device(&folder.stat);
        Some(Entry { stat, on_mount_of_folder })
    }

    /// Opens what lies at a logical path, a last link not followed; `None` where that cannot be done from its folder.
    /// Nothing is noted.
    pub fn open(&mut self, logical: &str, flags: OFlags) -> Option<OwnedFd> {
        let (folder, name) = self.folder_of(logical)?;
        rustix::fs::openat(&folder.fd, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()
    }

    /// The folder of a logical path, held from now on, and the name in it.
    fn folder_of<'p>(&mut self, logical: &'p str) -> Option<(&Folder, &'p str)> {
        let (folder, name) = parted(logical)?;
        if self.logical != folder {
            folder.clone_into(&mut self.logical);
            self.folder = self.door.hold_folder(folder);
        }
        Some((self.folder.as_ref()?, name))
    }
}

impl Entry {
    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.attributes().kind == FileKind::Link
    }

    /// Its attributes.
    pub fn attributes(&self) -> Attributes {
        let stat = &self.stat;
        Attributes {
            kind: FileKind::of_mode(stat.stx_mode.into()),
            mode: u32::from(stat.stx_mode) & 0o7777,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            size: stat.stx_size,
            modified: stat.stx_mtime.tv_sec,
            identity: (device(stat), stat.stx_ino),
        }
    }

    /// What is compared of it when it is looked at again.
    pub fn mark(&self) -> Mark {
        let stat = &self.stat;
        let size = i64::try_from(stat.stx_size).unwrap_or(i64::MAX);
        let (written, set) = (stat.stx_mtime, stat.stx_ctime);
        Mark::There {
            itself: (device(stat), stat.stx_ino, stat.stx_mode.into(), stat.stx_uid, stat.stx_gid),
            content: (size, written.tv_sec, written.tv_nsec.into(), set.tv_sec, set.tv_nsec.into()),
        }
    }
}

impl Door {
    /// The attributes of a path as [`Door::attributes`] gives them, seen from its folder.
    ///
    /// # Errors
    /// `None` where it is not seen from there.
    pub(super) fn attributes_in(&self, held: &mut HeldFolder<'_>, logical: &str) -> Option<(Attributes, bool)> {
        let _access = self.begin_to("look at ", logical);
        let entry = held.entry(logical)?;
        self.watch().marked(logical, false, entry.mark(), Depth::Itself);
        self.note_attributes(logical);
        Some((entry.attributes(), entry.on_mount_of_folder))
    }

    fn hold_folder(&self, logical: &str) -> Option<Folder> {
        let fd = self.open(logical, OFlags::PATH | OFlags::DIRECTORY).ok()?;
        let stat = look(&fd, "", AtFlags::EMPTY_PATH)?;
        Some(Folder { fd, stat })
    }
}

/// What a folder says of an entry, without waking an automounter, as stat(2) does.
fn look(folder: &OwnedFd, name: &str, flags: AtFlags) -> Option<Statx> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let stat = rustix::fs::statx(folder, name, flags | AtFlags::NO_AUTOMOUNT, wanted).ok()?;
    let basic = StatxFlags::BASIC_STATS.bits();
    (stat.stx_mask & basic == basic).then_some(stat)
}

/// The device number, as stat(2) gives it.
fn device(stat: &Statx) -> u64 {
    rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor)
}

/// An absolute or relative path as its folder and the name in it.
fn parted(logical: &str) -> Option<(&str, &str)> {
    let (folder, name) = logical.rsplit_once('/')?;
    let folder = if folder.is_empty() { "/" } else { folder };
    (!matches!(name, "" | "." | "..")).then_some((folder, name))
}

/// How many processors this process may use, asked once: the system reads several files for an answer.
pub(super) fn processors() -> usize {
    static PROCESSORS: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    *PROCESSORS
}

/// Does the same to parts of `all`, which follow each other, on as many threads as there are processors, but on one for
/// each `alone` of them; the answers are in the order of the parts. A thread that is done with one part takes the next, so
/// that all of them end at about the same time.
pub(super) fn divided<'a, T: Sync, A: Send>(all: &'a [T], alone: usize, work: impl Fn(&'a [T]) -> A + Sync) -> Vec<A> {
    /// Parts for each thread.
    const PARTS: usize = 8;
    let threads = processors().min(all.len() / alone + 1);
    if threads == 1 {
        return if all.is_empty() { Vec::new() } else { vec![work(all)] };
    }
    let parts: Vec<&[T]> = all.chunks(all.len().div_ceil(threads * PARTS).max(alone.div_ceil(PARTS))).collect();
    let next = AtomicUsize::new(0);
    let (parts, next, work) = (&parts, &next, &work);
    let take = || {
        let taken = std::iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            parts.get(at).map(|part| (at, work(part)))
        });
        taken.collect::<Vec<_>>()
    };
    let mut answers = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut answers = take();
        for other in others {
            answers.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        answers
    });
    answers.sort_unstable_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

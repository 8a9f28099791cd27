//! Looking again: whether the paths that a probe looked at are still what they were when it looked.
//!
//! A probe sees each path at one moment, and the audit speaks of one moment for all of them. What changed in between
//! (a lock that appeared, a directory that a link took the place of) was never there together, so that nothing can be
//! said of it: the facts of that probe are then missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rayon::prelude::*;
use rustix::fs::{OFlags, Stat};

use super::Door;
use super::held::{HeldFolder, divided};
use crate::evidence::{Missing, MissingState};

/// How long looking again may take. It is a look at attributes; where even that hangs, the answer is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many paths are worth a second thread.
const ALONE: usize = 512;

/// How a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// Whether it is the same file with the same rights. What lies in a folder does not matter.
    Itself,
    /// Also whether its content, or for a folder its entries, was touched.
    Content,
}

/// What lay at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Absent,
    There {
        /// Device, inode, kind with mode, owner, group.
        itself: (u64, u64, u32, u32, u32),
        /// Size, and the times of the last change of content and of attributes, to the nanosecond.
        content: (i64, i64, i64, i64, i64),
    },
    /// Two looks of one probe saw two things.
    Torn,
}

impl Mark {
    pub(super) fn of(stat: &Stat) -> Self {
        Self::There {
            itself: (stat.st_dev, stat.st_ino, stat.st_mode, stat.st_uid, stat.st_gid),
            content: (stat.st_size, stat.st_mtime, nanos(stat.st_mtime_nsec), stat.st_ctime, nanos(stat.st_ctime_nsec)),
        }
    }

    fn same(self, other: Self, depth: Depth) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::There { itself: a, content: x }, Self::There { itself: b, content: y }) => {
                a == b && (depth == Depth::Itself || x == y)
            }
            (Self::Absent, Self::There { .. }) | (Self::There { .. }, Self::Absent) => false,
            (Self::Torn, _) | (_, Self::Torn) => false,
        }
    }
}

/// The types of the fields differ from one platform to the next.
fn nanos(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// One look at a path.
#[derive(Debug)]
struct Look {
    logical: String,
    /// Whether a last link was followed.
    follow: bool,
    mark: Mark,
    depth: Depth,
}

impl Look {
    /// Whether `other` was a look at the same place.
    fn at_place_of(&self, other: &Self) -> bool {
        (self.logical.as_str(), self.follow) == (other.logical.as_str(), other.follow)
    }
}

/// Every look of one probe at a path, in the order of looking.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Vec<Look>>);

impl Watch {
    /// Remembers what was seen at `logical`: its attributes, or that it is not there.
    pub fn saw(&self, logical: &str, follow: bool, stat: Option<&Stat>, depth: Depth) {
        self.marked(logical, follow, stat.map_or(Mark::Absent, Mark::of), depth);
    }

    /// As [`Watch::saw`], of what lies there.
    pub fn marked(&self, logical: &str, follow: bool, mark: Mark, depth: Depth) {
        let look = Look { logical: logical.to_owned(), follow, mark, depth };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.last().is_some_and(|last| last.at_place_of(&look) && (last.mark, last.depth) == (mark, depth)) {
            seen.push(look);
        }
    }

    /// What is known of each place, in the order of paths; the looks are forgotten.
    fn take(&self) -> Vec<Look> {
        let mut seen = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // Looks at one place stay in their order.
        let place = |a: &Look, b: &Look| (a.logical.as_str(), a.follow).cmp(&(b.logical.as_str(), b.follow));
        if seen.len() > ALONE {
            seen.par_sort_by(place)
        } else {
            seen.sort_by(place)
        }
        seen.dedup_by(|later, first| {
            let same = first.at_place_of(later);
            if same && !first.mark.same(later.mark, later.depth.min(first.depth)) {
                first.mark = Mark::Torn;
            } else if same && later.depth > first.depth {
                // What was read is what counts, and it was read at the later of the two looks.
                (first.mark, first.depth) = (later.mark, later.depth);
            }
            same
        });
        seen
    }
}

impl Door {
    /// The first path that is no longer what it was, as the reason why nothing can be said.
    fn changed(&self) -> Option<Missing> {
        let places = self.watch().take();
        let looked = divided(&places, ALONE, |places| {
            let mut held = HeldFolder::new(self);
            places.iter().find(|place| !place.mark.same(self.mark_now(&mut held, place), place.depth))
        });
        let Look { logical, .. } = looked.into_iter().flatten().next()?;
        let said = "it changed while the audit was reading";
        let next = "run the audit again when nobody writes to it";
        Some(self.missing(MissingState::Unreadable, format!("look at {logical} again"), said, next))
    }

    /// What lies at a place now.
    fn mark_now(&self, held: &mut HeldFolder<'_>, place: &Look) -> Mark {
        // What is no link is the same whether links are followed or not.
        if let Some(entry) = held.entry(&place.logical).filter(|entry| !place.follow || !entry.is_link()) {
            return entry.mark();
        }
        let flags = if place.follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
        match self.open(&place.logical, flags) {
            Ok(fd) => rustix::fs::fstat(&fd).map(|stat| Mark::of(&stat)).unwrap_or(Mark::Torn),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Mark::Absent,
            Err(_) => Mark::Torn,
        }
    }
}

/// Looks again through every door, on a thread that is not waited for longer than two seconds. Gives, for each door by
/// its key, why its facts cannot stand.
pub(super) fn look_again<K: Ord + Clone + Send + 'static>(doors: &BTreeMap<K, Arc<Door>>) -> BTreeMap<K, Missing> {
    let (sender, receiver) = mpsc::channel();
    let theirs = doors.clone();
    let work = move || {
        for (key, door) in theirs {
            // The receiver is gone only when nobody waits any more.
            let _ = sender.send((key, door.changed()));
        }
    };
    let spawned = std::thread::Builder::new().name("look again".to_owned()).spawn(work);
    let end = std::time::Instant::now() + PATIENCE;
    let mut answers: BTreeMap<K, Option<Missing>> = BTreeMap::new();
    while spawned.is_ok() && answers.len() < doors.len() {
        let left = end.saturating_duration_since(std::time::Instant::now());
        let Ok((key, changed)) = receiver.recv_timeout(left) else { break };
        answers.insert(key, changed);
    }
    let unanswered = |door: &Door| {
        let said = format!("no answer within {} s", PATIENCE.as_secs());
        let next = "see what hangs on the host";
        door.missing(MissingState::TimedOut, "look again at what was read", said, next)
    };
    let stands = |(key, door): (&K, &Arc<Door>)| {
        let why = answers.remove(key).unwrap_or_else(|| Some(unanswered(door)))?;
        Some((key.clone(), why))
    };
    doors.iter().filter_map(stands).collect()
}

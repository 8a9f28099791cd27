//! Lock files: every entry of the lock folder is one, whatever it is called.

use super::super::{Door, Entry, FileKind};
use crate::evidence::{Fact, Missing, MissingState};

/// The longest lock file whose content is looked at for a process number.
const MAX_BYTES: u64 = 4096;

/// The list of locks, and how many there are. Both are missing when the folder could not be listed; also when
/// it is known not to be there, because then nobody can take a lock in it either.
pub(super) fn look(door: &Door, folder: &str) -> (Fact, Fact) {
    match door.list(folder) {
        Ok(entries) => {
            let count = entries.len().into();
            (Fact::list(entries.iter().map(|entry| lock(door, folder, entry))), count)
        }
        Err(missing) => (missing.clone().into(), missing.into()),
    }
}

/// One lock. The age is that of the last change, against the audit's instant; it is negative where the change
/// lies in the future.
fn lock(door: &Door, folder: &str, entry: &Entry) -> Fact {
    let path = format!("{}/{}", folder.trim_end_matches('/'), entry.name);
    let age = entry.attributes.as_ref().map(|attributes| door.now().timestamp().saturating_sub(attributes.modified));
    Fact::record([
        ("path", path.as_str().into()),
        ("age_seconds", age.map_err(Clone::clone).into()),
        ("pid", pid(door, &path, entry).into()),
    ])
}

/// The process number that the lock file holds.
fn pid(door: &Door, path: &str, entry: &Entry) -> Result<i64, Missing> {
    let missing = |state: MissingState, said: &str| {
        door.missing(state, format!("read a process number from {path}"), said, format!("look at it: cat {path}"))
    };
    if !entry.exact {
        return Err(missing(MissingState::Unreadable, "its name is not UTF-8"));
    }
    let kind = entry.attributes.as_ref().map_err(Clone::clone)?.kind;
    if kind != FileKind::File {
        return Err(missing(MissingState::Absent, &format!("it is a {}", kind.word())));
    }
    let bytes = door.read(path, MAX_BYTES)?;
    let number = std::str::from_utf8(&bytes).ok().map(str::trim);
    let digits = number.filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| missing(MissingState::Absent, "it holds no number"))
}

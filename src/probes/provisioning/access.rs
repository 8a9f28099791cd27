//! Whether a user may write somewhere, by the rules of path_resolution(7): owner, group or others, whichever
//! comes first, and nothing else; root is refused nothing.
//!
//! Not seen are capabilities, security modules and immutable flags, all of which only take rights away from what
//! is computed here, except a capability of the executor's own process.

use super::super::accounts::Identity;
use super::super::{Attributes, Door, FileKind, Space};
use crate::evidence::{Missing, MissingState};

const WRITE: u32 = 0o2;
const SEARCH: u32 = 0o1;

/// Whether `user` may make files in the directory, or change the file, at `path`.
///
/// # Errors
/// `unreadable` where mode bits do not decide: a symlink on the way, an access control list; and whatever kept
/// the file system from being looked at.
pub(super) fn writable(
    door: &Door,
    path: &str,
    attributes: &Attributes,
    above: &[(String, Attributes)],
    link: Option<&str>,
    space: &Result<Space, Missing>,
    user: &Identity,
) -> Result<bool, Missing> {
    let undecided = |said: String, next: String| {
        door.missing(MissingState::Unreadable, format!("decide who may write to {path}"), said, next)
    };
    if let Some(link) = link {
        let said = format!("{link} is a symlink, and what it leads to was not looked at");
        return Err(undecided(said, format!("replace {link} by a real directory")));
    }
    if space.as_ref().map_err(Clone::clone)?.read_only {
        return Ok(false);
    }
    if user.uid == 0 {
        return Ok(true);
    }
    let folders = above.iter().map(|(folder, seen)| (folder.as_str(), seen));
    for (looked, seen) in folders.chain([(path, attributes)]) {
        if door.has_acl(looked, seen)? {
            let said = format!("an access control list decides over {looked}");
            return Err(undecided(said, format!("look at it: getfacl {looked}")));
        }
    }
    let wanted = if attributes.kind == FileKind::Directory { WRITE | SEARCH } else { WRITE };
    let reached = above.iter().all(|(_, folder)| granted(folder, user) & SEARCH != 0);
    Ok(reached && granted(attributes, user) & wanted == wanted)
}

/// The three bits that count for `user`.
fn granted(attributes: &Attributes, user: &Identity) -> u32 {
    let shift = if attributes.uid == user.uid {
        6
    } else if user.gids.contains(&attributes.gid) {
        3
    } else {
        0
    };
    (attributes.mode >> shift) & 0o7
}

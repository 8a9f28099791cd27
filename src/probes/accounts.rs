//! User and group names behind numbers, and numbers behind names.
//!
//! On the host itself the system is asked (nsswitch and all). Below a root prefix the image's own
//! `/etc/passwd` and `/etc/group` are read, for the auditing host's accounts are not the image's. An id
//! without a name is shown as its number; an account file that could not be read makes every name unknown.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Door;
use crate::evidence::{Missing, MissingState};

/// The longest account file that is read.
const MAX_BYTES: u64 = 4 << 20;

/// Names and numbers of one place. Each is asked for once: a name service may be slow, and all paths of one probe are
/// to be named alike.
#[derive(Debug)]
pub(super) struct Accounts {
    book: Book,
    users: Asked<u32, String>,
    groups: Asked<u32, String>,
    uids: Asked<String, Option<u32>>,
    gids: Asked<String, Option<u32>>,
}

/// The answers that were given so far.
type Asked<K, V> = Mutex<BTreeMap<K, Result<V, Missing>>>;

/// Where names come from.
#[derive(Debug)]
enum Book {
    /// The running system's name services.
    System,
    /// The account files of an image.
    Image(Box<Image>),
}

/// What an image says about its accounts.
#[derive(Debug)]
pub(super) struct Image {
    /// `/etc/passwd`.
    users: Result<Vec<User>, Missing>,
    /// `/etc/group`.
    groups: Result<Vec<Group>, Missing>,
}

/// A line of passwd(5).
#[derive(Clone, Debug)]
pub(super) struct User {
    name: String,
    uid: u32,
    gid: u32,
}

/// A line of group(5).
#[derive(Clone, Debug)]
pub(super) struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// A user as the kernel's permission check sees it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The primary group and every other one.
    pub gids: Vec<u32>,
}

impl Accounts {
    /// The accounts of the place that `door` looks at.
    pub fn of(door: &Door) -> Self {
        if door.place().root.is_none() {
            door.note_attributes("the system's user and group names");
            return Self::system();
        }
        let users = lines(door, "/etc/passwd", user_of_line);
        let groups = lines(door, "/etc/group", group_of_line);
        Self::new(Book::Image(Box::new(Image { users, groups })))
    }

    /// The accounts of the running system.
    pub fn system() -> Self {
        Self::new(Book::System)
    }

    fn new(book: Book) -> Self {
        Self { book, users: Mutex::default(), groups: Mutex::default(), uids: Mutex::default(), gids: Mutex::default() }
    }

    /// A user's name, or the number as text where it has none.
    ///
    /// # Errors
    /// The reason why the account file could not be read.
    pub fn user_name(&self, uid: u32) -> Result<String, Missing> {
        once(&self.users, &uid, || {
            let name = match &self.book {
                Book::System => uzers::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned()),
                Book::Image(image) => {
                    let users = image.users.as_ref().map_err(Clone::clone)?;
                    users.iter().find(|user| user.uid == uid).map(|user| user.name.clone())
                }
            };
            Ok(name.unwrap_or_else(|| uid.to_string()))
        })
    }

    /// A group's name, or the number as text where it has none.
    ///
    /// # Errors
    /// The reason why the account file could not be read.
    pub fn group_name(&self, gid: u32) -> Result<String, Missing> {
        once(&self.groups, &gid, || {
            let name = match &self.book {
                Book::System => uzers::get_group_by_gid(gid).map(|group| group.name().to_string_lossy().into_owned()),
                Book::Image(image) => {
                    let groups = image.groups.as_ref().map_err(Clone::clone)?;
                    groups.iter().find(|group| group.gid == gid).map(|group| group.name.clone())
                }
            };
            Ok(name.unwrap_or_else(|| gid.to_string()))
        })
    }

    /// The number of a user given by name or number; `None` when there is no such user.
    ///
    /// # Errors
    /// The reason why the account file could not be read.
    pub fn uid(&self, name: &str) -> Result<Option<u32>, Missing> {
        once(&self.uids, name, || {
            let uid = match &self.book {
                Book::System => uzers::get_user_by_name(name).map(|user| user.uid()),
                Book::Image(image) => {
                    let users = image.users.as_ref().map_err(Clone::clone)?;
                    users.iter().find(|user| user.name == name).map(|user| user.uid)
                }
            };
            Ok(uid.or_else(|| name.parse().ok()))
        })
    }

    /// The number of a group given by name or number; `None` when there is no such group.
    ///
    /// # Errors
    /// The reason why the account file could not be read.
    pub fn gid(&self, name: &str) -> Result<Option<u32>, Missing> {
        once(&self.gids, name, || {
            let gid = match &self.book {
                Book::System => uzers::get_group_by_name(name).map(|group| group.gid()),
                Book::Image(image) => {
                    let groups = image.groups.as_ref().map_err(Clone::clone)?;
                    groups.iter().find(|group| group.name == name).map(|group| group.gid)
                }
            };
            Ok(gid.or_else(|| name.parse().ok()))
        })
    }

    /// A user with all groups; `None` when there is no such user.
    ///
    /// # Errors
    /// The reason why an account file could not be read.
    pub fn identity(&self, name: &str) -> Result<Option<Identity>, Missing> {
        match &self.book {
            Book::System => Ok(uzers::get_user_by_name(name).map(|user| {
                let primary = user.primary_group_id();
                let groups = uzers::get_user_groups(name, primary).unwrap_or_default();
                let gids = std::iter::once(primary).chain(groups.iter().map(uzers::Group::gid)).collect();
                Identity { uid: user.uid(), gids }
            })),
            Book::Image(image) => {
                let users = image.users.as_ref().map_err(Clone::clone)?;
                let groups = image.groups.as_ref().map_err(Clone::clone)?;
                Ok(users.iter().find(|user| user.name == name).map(|user| {
                    let of_user = groups.iter().filter(|group| group.members.iter().any(|member| member == name));
                    let gids = std::iter::once(user.gid).chain(of_user.map(|group| group.gid)).collect();
                    Identity { uid: user.uid, gids }
                }))
            }
        }
    }
}

/// The answer that was given before, or the one that `ask` brings.
fn once<K, V: Clone, Q>(asked: &Asked<K, V>, key: &Q, ask: impl FnOnce() -> Result<V, Missing>) -> Result<V, Missing>
where
    K: Borrow<Q> + Ord,
    Q: ToOwned<Owned = K> + Ord + ?Sized,
{
    // Who asks for the same meanwhile waits for the answer.
    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = asked.get(key) {
        return answer.clone();
    }
    let answer = ask();
    asked.insert(key.to_owned(), answer.clone());
    answer
}

/// The lines of an account file. A file that is known not to be there names nobody.
fn lines<T>(door: &Door, path: &str, parse: fn(&str) -> Option<T>) -> Result<Vec<T>, Missing> {
    let bytes = match door.read(path, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(missing) if missing.state.is_absent() => return Ok(Vec::new()),
        Err(missing) => return Err(missing),
    };
    let tried = format!("read {path}");
    let unreadable = |said: String| {
        let next = format!("correct {path}; lines that refer to another name service are not followed in an image");
        door.missing(MissingState::Unreadable, &tried, said, next)
    };
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    numbered
        .map(|(i, line)| parse(line).ok_or_else(|| unreadable(format!("line {} is not an account", i + 1))))
        .collect()
}

fn user_of_line(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, ..] = fields.as_slice() else { return None };
    (fields.len() == 7 && !name.is_empty()).then_some(())?;
    Some(User { name: (*name).to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

fn group_of_line(line: &str) -> Option<Group> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, gid, members] = fields.as_slice() else { return None };
    if name.is_empty() {
        return None;
    }
    let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
    Some(Group { name: (*name).to_owned(), gid: gid.parse().ok()?, members })
}

#[cfg(test)]
mod tests {
    use super::{group_of_line, user_of_line};

    #[test]
    fn a_line_has_every_field_of_an_account_and_a_name() {
        for (line, sound) in [
            ("cutter:x:7:8:::", true),
            (":x:7:8:::", false),
            ("cutter:x:7:8::", false),
            ("cutter:x:7:8::::", false),
            ("cutter:x:7::::", false),
        ] {
            assert_eq!(user_of_line(line).is_some(), sound, "{line}");
        }
        for (line, sound) in [("cutters:x:8:", true), (":x:8:", false), ("cutters:x:8", false), ("cutters:x::", false)]
        {
            assert_eq!(group_of_line(line).is_some(), sound, "{line}");
        }
    }
}

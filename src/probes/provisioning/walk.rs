//! What lies on the way to a path: every component looked at once, links not followed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::held::HeldFolder;
use super::super::{Attributes, Door, FileKind, Space};
use crate::evidence::{Missing, MissingState};

/// The components seen so far; all paths of one probe share one view of them.
pub(super) struct Walk<'a> {
    door: &'a Door,
    /// Folders and links seen so far, and what could not be seen; of other paths nothing follows for a second one.
    seen: HashMap<String, Result<Attributes, Missing>>,
    /// What the way into each folder came to.
    folders: HashMap<String, Rc<Folder>>,
    /// The folder that was asked for last.
    last: Option<(String, Rc<Folder>)>,
    held: HeldFolder<'a>,
    /// The space of the folder that was asked for last.
    space: Option<(String, Result<Space, Missing>)>,
}

/// What is known of a path.
pub(super) enum Way {
    /// It is there.
    There {
        /// Its own attributes, a last link not followed.
        attributes: Attributes,
        /// Every folder above it.
        above: Rc<Folder>,
        /// The first component that is a symlink, itself included.
        link: Option<String>,
        /// Whether it is known to lie on the mount on which its folder lies.
        on_mount_of_folder: bool,
    },
    /// It is known not to be there.
    Absent {
        /// The reason, for the details.
        missing: Missing,
        /// The first component that is a symlink.
        link: Option<String>,
    },
    /// It could not be seen.
    Unknown(Missing),
}

/// The way into a folder.
pub(super) struct Folder {
    /// The attributes of it and of every folder above it, from the top, as far as the way goes.
    pub attributes: Vec<(String, Attributes)>,
    /// The first component that is a symlink.
    link: Option<String>,
    /// What ends the way before the folder's end, if something does.
    stop: Option<Stop>,
}

/// What ends a way.
#[derive(Clone)]
enum Stop {
    /// A component that is absent or could not be seen.
    Missing(Missing),
    /// A component that is no directory.
    NotDirectory(String, FileKind),
}

impl<'a> Walk<'a> {
    /// A walk through what `door` looks at.
    pub fn new(door: &'a Door) -> Self {
        let (seen, folders, held) = (HashMap::new(), HashMap::new(), HeldFolder::new(door));
        Self { door, seen, folders, last: None, held, space: None }
    }

    /// The attributes of a path, a last link not followed, and whether it is known to lie on the mount of its folder.
    fn look(&mut self, path: &str) -> Result<(Attributes, bool), Missing> {
        if let Some(seen) = self.seen.get(path) {
            return seen.clone().map(|seen| (seen, false));
        }
        let looked = match self.door.attributes_in(&mut self.held, path) {
            Some(looked) => Ok(looked),
            None => self.door.attributes(path).map(|seen| (seen, false)),
        };
        if !matches!(&looked, Ok((seen, _)) if seen.kind == FileKind::File) {
            self.seen.insert(path.to_owned(), looked.clone().map(|(seen, _)| seen));
        }
        looked
    }

    /// The file system that a regular file lies on, asked of its folder, which lies on the same mount.
    ///
    /// # Errors
    /// As [`Door::space`].
    pub fn space_of_folder(&mut self, above: &Folder) -> Option<Result<Space, Missing>> {
        let (folder, seen) = above.attributes.last()?;
        if let Some((known, space)) = &self.space
            && known == folder
        {
            return Some(space.clone());
        }
        let seen = (seen.kind == FileKind::Directory).then_some(seen);
        let space = self.door.space(folder, seen);
        self.space = Some((folder.clone(), space.clone()));
        Some(space)
    }

    /// The way into a folder that is written out; that of a path which names none is the way into nothing.
    fn way_into(&mut self, folder: Option<&str>) -> Rc<Folder> {
        let Some(path) = folder else {
            return Rc::new(Folder { attributes: Vec::new(), link: None, stop: None });
        };
        if let Some((_, folder)) = self.last.as_ref().filter(|(last, _)| last == path) {
            return folder.clone();
        }
        let folder = match self.folders.get(path) {
            Some(folder) => folder.clone(),
            None => {
                let above = self.way_into(above(path));
                let folder = if above.stop.is_some() { above } else { Rc::new(self.enter(path, &above)) };
                self.folders.insert(path.to_owned(), folder.clone());
                folder
            }
        };
        self.last = Some((path.to_owned(), folder.clone()));
        folder
    }

    fn enter(&mut self, component: &str, above: &Folder) -> Folder {
        let looked = self.look(component);
        let mut folder = Folder { attributes: above.attributes.clone(), link: above.link.clone(), stop: None };
        match looked {
            Err(missing) => folder.stop = Some(Stop::Missing(missing)),
            Ok((attributes, _)) => {
                folder.link = folder.link.or_else(|| link_itself(component, &attributes));
                if !matches!(attributes.kind, FileKind::Directory | FileKind::Link) {
                    folder.stop = Some(Stop::NotDirectory(component.to_owned(), attributes.kind));
                }
                folder.attributes.push((component.to_owned(), attributes));
            }
        }
        folder
    }

    /// Goes to `path`, component by component.
    pub fn to(&mut self, path: &str) -> Way {
        let written = written_out(path);
        if written.is_empty() {
            let (tried, next) = (format!("look at {path:?}"), "name a path");
            return Way::Unknown(self.door.missing(MissingState::Error, tried, "it is empty", next));
        }
        let above = self.way_into(above(&written));
        let missing = match &above.stop {
            None => match self.look(&written) {
                Ok((attributes, on_mount_of_folder)) => {
                    let link = above.link.clone().or_else(|| link_itself(&written, &attributes));
                    return Way::There { attributes, above, link, on_mount_of_folder };
                }
                Err(missing) => missing,
            },
            Some(Stop::Missing(missing)) => missing.clone(),
            Some(Stop::NotDirectory(component, kind)) => {
                let said = format!("{component} is a {}, not a directory", kind.word());
                let next = format!("look at it: ls -ld {component}");
                self.door.missing(MissingState::Absent, format!("look at {path}"), said, next)
            }
        };
        if missing.state.is_absent() {
            Way::Absent { missing, link: above.link.clone() }
        } else {
            Way::Unknown(missing)
        }
    }
}

fn link_itself(component: &str, attributes: &Attributes) -> Option<String> {
    (attributes.kind == FileKind::Link).then(|| component.to_owned())
}

/// A path without empty names and single dots.
fn written_out(path: &str) -> Cow<'_, str> {
    let odd = path.contains("//") || path.contains("/.") || path.starts_with('.') || path.ends_with('/');
    if path == "/" || !odd {
        return Cow::Borrowed(path);
    }
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    Cow::Owned(format!("{}{}", if path.starts_with('/') { "/" } else { "" }, names.join("/")))
}

/// The folder above a path that is written out, as far as the path names it.
fn above(written: &str) -> Option<&str> {
    match written.rfind('/')? {
        0 => (written != "/").then_some("/"),
        end => Some(&written[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_every_folder_above_it() {
        for (path, expected) in [
            ("/", vec!["/"]),
            ("/var/lib/x", vec!["/", "/var", "/var/lib", "/var/lib/x"]),
            ("//var/./lib//", vec!["/", "/var", "/var/lib"]),
            ("a/b", vec!["a", "a/b"]),
            ("./a", vec!["a"]),
            (".", vec![]),
            ("/.", vec!["/"]),
            ("a/.b/..c", vec!["a", "a/.b", "a/.b/..c"]),
            (".a/", vec![".a"]),
            ("", vec![]),
        ] {
            let written = written_out(path);
            let whole = Some(&*written).filter(|written| !written.is_empty());
            let mut components: Vec<&str> = std::iter::successors(whole, |path| above(path)).collect();
            components.reverse();
            assert_eq!(components, expected, "{path}");
        }
    }
}

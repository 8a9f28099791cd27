//! What lies on the way to a path: every component looked at once, links not followed.

use std::collections::BTreeMap;

use super::super::{Attributes, Door, FileKind};
use crate::evidence::{Missing, MissingState};

/// The components seen so far; all paths of one probe share one view of them.
pub(super) struct Walk<'a> {
    door: &'a Door,
    seen: BTreeMap<String, Result<Attributes, Missing>>,
}

/// What is known of a path.
pub(super) enum Way {
    /// It is there.
    There {
        /// Its own attributes, a last link not followed.
        attributes: Attributes,
        /// The attributes of every folder above it.
        above: Vec<(String, Attributes)>,
        /// The first component that is a symlink, itself included.
        link: Option<String>,
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

impl<'a> Walk<'a> {
    /// A walk through what `door` looks at.
    pub fn new(door: &'a Door) -> Self {
        Self { door, seen: BTreeMap::new() }
    }

    fn look(&mut self, path: &str) -> Result<Attributes, Missing> {
        if let Some(seen) = self.seen.get(path) {
            return seen.clone();
        }
        let looked = self.door.attributes(path);
        self.seen.insert(path.to_owned(), looked.clone());
        looked
    }

    /// Goes to `path`, component by component.
    pub fn to(&mut self, path: &str) -> Way {
        let components = components(path);
        let mut above: Vec<(String, Attributes)> = Vec::new();
        let mut link = None;
        for (i, component) in components.iter().enumerate() {
            let attributes = match self.look(component) {
                Ok(attributes) => attributes,
                Err(missing) if missing.state.is_absent() => return Way::Absent { missing, link },
                Err(missing) => return Way::Unknown(missing),
            };
            if attributes.kind == FileKind::Link && link.is_none() {
                link = Some(component.clone());
            }
            if i + 1 == components.len() {
                return Way::There { attributes, above, link };
            }
            if !matches!(attributes.kind, FileKind::Directory | FileKind::Link) {
                let said = format!("{component} is a {}, not a directory", attributes.kind.word());
                let next = format!("look at it: ls -ld {component}");
                let missing = self.door.missing(MissingState::Absent, format!("look at {path}"), said, next);
                return Way::Absent { missing, link };
            }
            above.push((component.clone(), attributes));
        }
        let next = "name a path";
        Way::Unknown(self.door.missing(MissingState::Error, format!("look at {path:?}"), "it is empty", next))
    }
}

/// A path and every folder above it, from the top: `/`, `/var`, `/var/lib`.
fn components(path: &str) -> Vec<String> {
    let mut components = Vec::new();
    let mut sofar = String::new();
    if path.starts_with('/') {
        components.push("/".to_owned());
        sofar.push('/');
    }
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if !sofar.is_empty() && !sofar.ends_with('/') {
            sofar.push('/');
        }
        sofar.push_str(name);
        components.push(sofar.clone());
    }
    components
}

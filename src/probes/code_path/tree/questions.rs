//! Quick looks at the texts of the files that can matter: which define, assign, change or mention a name.

use std::collections::BTreeSet;

use super::{SourceFile, Tree, has_word};
use crate::probes::code_path::scan::{self, Scan};
use crate::probes::code_path::value::ModuleId;
use crate::probes::code_path::words::Word;

/// What is asked of all files, tests aside, about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Changed,
    Nonlocal,
    Replaced,
    ReplacedElsewhere,
    Method,
    Defined,
}

impl Tree {
    /// Functions whose results classes inherit from.
    pub fn computed_bases(&self) -> &BTreeSet<String> {
        self.computed_bases.get_or_init(|| {
            let texts = self.concerned().filter_map(|(_, file)| file.spelt());
            texts.flat_map(scan::computed_bases).collect()
        })
    }

    /// Whether the tree names a database that does not last.
    pub fn names_memory(&self) -> bool {
        let names = |file: &SourceFile| file.text.as_ref().is_ok_and(|text| text.contains(":memory:"));
        *self.names_memory.get_or_init(|| self.files_with_word("memory").into_iter().any(|id| names(self.file(id))))
    }

    /// Files that can matter, tests aside, in which a word stands.
    pub fn files_with_word(&self, word: &str) -> Vec<ModuleId> {
        if let Some(known) = self.by_word.borrow().get(word) {
            return known.clone();
        }
        let asked = Word::new(word);
        let found: Vec<ModuleId> =
            self.concerned().filter(|(_, file)| file.holds(asked, word)).map(|(id, _)| id).collect();
        self.by_word.borrow_mut().insert(word.to_owned(), found.clone());
        found
    }

    fn any_scan(&self, asked: Asked, name: &str, holds: impl Fn(&Scan) -> bool) -> bool {
        self.any_file(asked, name, |file| holds(file.scan()))
    }

    fn any_file(&self, asked: Asked, name: &str, holds: impl Fn(&SourceFile) -> bool) -> bool {
        let key = (asked, name.to_owned());
        if let Some(known) = self.answers.borrow().get(&key) {
            return *known;
        }
        let answer = self.files_with_word(name).into_iter().any(|id| holds(self.file(id)));
        self.answers.borrow_mut().insert(key, answer);
        answer
    }

    /// Whether some code changes a collection of this name in place, or may do so under another name.
    pub fn may_be_changed(&self, name: &str) -> bool {
        let name = as_written(name);
        self.any_scan(Asked::Changed, name, |scan| scan.changed.contains(name) || scan.shared.contains(name))
    }

    /// Whether some function assigns a variable of this name of a function around it.
    pub fn is_nonlocal(&self, name: &str) -> bool {
        self.any_scan(Asked::Nonlocal, name, |scan| scan.nonlocals.contains(name))
    }

    /// Whether code outside an object's own methods assigns an attribute of this name: it may have been
    /// replaced before the run.
    fn may_be_replaced(&self, name: &str) -> bool {
        let name = as_written(name);
        self.any_file(Asked::Replaced, name, |file| file.assigns(name))
    }

    /// As [`Self::may_be_replaced`], of something that belongs to a library and is reached by a chain of names: any file of the
    /// tree may have done that, tests aside, also one that cannot know the phases. `named` says whether the chain begins with the
    /// library's own name.
    pub fn may_be_replaced_in_library(&self, chain: &str, named: bool) -> bool {
        let name = chain.rsplit('.').next().unwrap_or(chain);
        // Of a file that was laid aside only some names are known not to be assigned in it.
        if self.may_be_replaced(name) || self.unassigned.as_ref().is_some_and(|names| !names.contains(name)) {
            return true;
        }
        let key = (Asked::ReplacedElsewhere, chain.to_owned());
        if let Some(known) = self.answers.borrow().get(&key) {
            return *known;
        }
        let answer = self.elsewhere().any(|file| file.assigns(name)) || named && self.replaces_in(chain);
        self.answers.borrow_mut().insert(key, answer);
        answer
    }

    /// Whether a file that was kept replaces something on the way from a library to what a chain of its names leads to.
    fn replaces_in(&self, chain: &str) -> bool {
        let Some((library, names)) = chain.split_once('.') else { return false };
        let kept = self.concerned().map(|(_, file)| file).chain(self.elsewhere());
        let mut naming = kept.filter(|file| file.spelt().is_some_and(|text| has_word(text, library)));
        naming.any(|file| {
            let rewired = file.rewired();
            rewired.computed.contains(library)
                || names.split('.').any(|name| rewired.rooted.contains(&(library.to_owned(), name.into())))
        })
    }

    /// As [`Self::may_be_replaced`], by a file that may know what `home` defines.
    pub fn may_be_replaced_near(&self, home: ModuleId, name: &str) -> bool {
        let written = as_written(name);
        let module = self.file(home).module.as_str();
        let key = (Asked::Replaced, format!("{written} in {module}"));
        if let Some(known) = self.answers.borrow().get(&key) {
            return *known;
        }
        let assigns = |id: &ModuleId| self.file(*id).assigns(written) && self.may_know(*id, home);
        let answer = self.files_with_word(written).iter().any(assigns);
        self.answers.borrow_mut().insert(key, answer);
        answer
    }

    /// As [`Self::may_be_replaced`], for an attribute of a module or class: code that assigns it names its owner.
    pub fn may_be_replaced_in(&self, owner: &str, name: &str) -> bool {
        self.may_be_replaced(name)
            && self
                .files_with_word(name)
                .into_iter()
                .map(|id| self.file(id))
                .filter(|file| file.assigns(name))
                .any(|file| file.text.as_ref().is_ok_and(|text| text.contains(owner)))
    }

    /// Whether a class of the tree may answer to a method of this name.
    pub fn may_define_method(&self, name: &str) -> bool {
        let has = |name: &str| self.any_scan(Asked::Method, name, |scan| scan.methods.contains(name));
        self.unreadable || has(name) || has("__getattr__") || has("__getattribute__")
    }

    /// Whether the tree defines a function or class of this name anywhere.
    pub fn defines(&self, name: &str) -> bool {
        self.any_scan(Asked::Defined, name, |scan| scan.defined.contains(name))
    }

    /// Files, tests aside, that may define a class with a base of this name, or of another name for it.
    pub fn files_with_base(&self, name: &str) -> Vec<ModuleId> {
        let (alias, copy) = (format!("{name} as "), format!("= {name}\n"));
        let other = |text: &str| text.contains(&alias) || text.contains(&copy);
        let has = |id: &ModuleId| {
            let file = self.file(*id);
            let bases = &file.scan().bases;
            bases.contains(name) || !bases.is_empty() && file.text.as_ref().is_ok_and(|text| other(text))
        };
        self.files_with_word(name).into_iter().filter(has).collect()
    }
}

/// A name as its class writes it: private ones are known under another (Python reference, "Private name mangling").
fn as_written(name: &str) -> &str {
    match name.strip_prefix('_').and_then(|rest| rest.find("__").map(|at| &rest[at..])) {
        Some(private) if !name.starts_with("__") && !private.ends_with("__") => private,
        Some(_) | None => name,
    }
}

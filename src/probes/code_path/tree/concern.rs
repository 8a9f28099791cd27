//! Which files can matter to the phases. A file that neither names what the phases' files belong to, nor is named by a
//! file that does, however far around, cannot hold anything of theirs and cannot hand anything to them; it is hashed and
//! searched for names, and no more.
//!
//! What names what is decided by words, over folders as wholes: a top folder is concerned as soon as one of its files
//! has the name of another that is where a module may be named: in an import, a text, an attribute, a list of either.
//! Documentation often counts too, so it is rather too many than too few.

use std::collections::BTreeSet;
use std::rc::Rc;

use rayon::prelude::*;

use super::aside::{Naming, is_named};
use super::{Source, SourceFile, Tree};
use crate::evidence::Missing;
use crate::probes::code_path::value::ModuleId;
use crate::probes::code_path::words::{Word, Words};

impl Tree {
    /// Narrows what is looked into to the files that can matter to modules of these dotted names.
    ///
    /// # Errors
    /// When a file that was laid aside has to be read again and cannot be, or is not what it was.
    pub fn concern(&mut self, names: &BTreeSet<String>, source: &Source<'_>) -> Result<(), Missing> {
        let mut tops = self.tops_of(names);
        self.add_knowers(&mut tops, source)?;
        self.add_known(&mut tops, source)?;
        let in_tops = |file: &SourceFile| !file.is_test && tops.contains(file.top());
        let all = (0..self.files.len()).map(ModuleId);
        self.concerned = all.filter(|id| in_tops(&self.files[id.0])).collect();
        let unreadable = self.concerned().any(|(_, file)| file.text.is_err());
        self.unreadable = unreadable;
        self.find_words(&self.concerned);
        Ok(())
    }

    /// The folders of modules of these dotted names.
    pub(super) fn tops_of(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let mut tops = BTreeSet::new();
        for name in names {
            let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
            let found = ends.filter_map(|end| self.module(&name[..end]));
            tops.extend(found.map(|id| self.file(id).top().to_owned()));
        }
        tops
    }

    /// Adds the folders with files that name one of these, and so on.
    fn add_knowers(&self, tops: &mut BTreeSet<String>, source: &Source<'_>) -> Result<(), Missing> {
        let mut fresh: Vec<String> = tops.iter().cloned().collect();
        while !fresh.is_empty() {
            let names = Naming::of(&fresh);
            let others = self.files.iter().enumerate().filter(|(_, file)| !file.is_test && !tops.contains(file.top()));
            let (aside, others): (Vec<_>, Vec<_>) = others.partition(|(_, file)| file.aside);
            // What is not understood may name anything.
            let looked: Vec<(&str, Option<&str>)> = others.iter().map(|(_, file)| (file.top(), file.spelt())).collect();
            let naming = looked.par_iter().filter(|(_, text)| text.is_none_or(|text| names.is_in(text.as_bytes())));
            let mut found: BTreeSet<&str> = naming.map(|(top, _)| *top).collect();
            // When they were read they were searched for the first of these names.
            if !source.was_searched_for(&fresh) {
                let aside: Vec<usize> = aside.into_iter().map(|(index, _)| index).collect();
                found.extend(source.naming(&aside, &names)?.into_iter().map(|index| self.files[index].top()));
            }
            fresh = found.into_iter().map(str::to_owned).collect();
            tops.extend(fresh.iter().cloned());
        }
        Ok(())
    }

    /// Adds the folders that files of these name, and so on.
    fn add_known(&mut self, tops: &mut BTreeSet<String>, source: &Source<'_>) -> Result<(), Missing> {
        let others = self.files.iter().filter(|file| !tops.contains(file.top()));
        let mut rest: BTreeSet<String> = others.map(|file| file.top().to_owned()).collect();
        let mut fresh: BTreeSet<String> = tops.clone();
        while !fresh.is_empty() {
            let wanted = |(_, file): &(usize, &SourceFile)| file.aside && fresh.contains(file.top());
            let wanted: Vec<usize> = self.files.iter().enumerate().filter(wanted).map(|(index, _)| index).collect();
            for (index, text) in source.texts(&wanted)? {
                self.files[index].keep(text);
            }
            let inside = |id: &ModuleId| !self.file(*id).is_test && fresh.contains(self.file(*id).top());
            let files: Vec<ModuleId> = (0..self.files.len()).map(ModuleId).filter(inside).collect();
            self.find_words(&files);
            let named = |top: &String| files.iter().any(|id| self.file(*id).may_name(top));
            fresh = rest.iter().filter(|top| named(top)).cloned().collect();
            rest.retain(|top| !fresh.contains(top));
            tops.extend(fresh.iter().cloned());
        }
        Ok(())
    }

    /// Looks at the words of files, on all cores.
    fn find_words(&self, files: &[ModuleId]) {
        let unknown = files.iter().map(|id| self.file(*id)).filter(|file| file.words.get().is_none());
        let unknown: Vec<&SourceFile> = unknown.collect();
        let texts: Vec<&str> = unknown.iter().map(|file| file.spelt().unwrap_or("")).collect();
        let words: Vec<Words> = texts.par_iter().map(|text| Words::of(text)).collect();
        for (file, words) in unknown.into_iter().zip(words) {
            let _ = file.words.set(words);
        }
    }

    /// The files that can matter, tests aside.
    pub fn concerned(&self) -> impl Iterator<Item = (ModuleId, &SourceFile)> {
        self.concerned.iter().map(|id| (*id, self.file(*id)))
    }

    /// The files that cannot and were kept, tests aside.
    pub(super) fn elsewhere(&self) -> impl Iterator<Item = &SourceFile> {
        let inside: BTreeSet<ModuleId> = self.concerned.iter().copied().collect();
        let all = self.files.iter().enumerate().filter(|(_, file)| !file.is_test);
        all.filter(move |(index, file)| !file.aside && !inside.contains(&ModuleId(*index))).map(|(_, file)| file)
    }

    /// Whether a file may know what another one defines: they lie in one top folder, or it names the other's, or one that
    /// does, and so on.
    pub fn may_know(&self, file: ModuleId, home: ModuleId) -> bool {
        let (here, there) = (self.file(file).top(), self.file(home).top());
        // Files that lie in no folder know each other by their own names.
        here == there || !self.file(file).module.contains('.') || self.knowers(there).contains(here)
    }

    fn knowers(&self, top: &str) -> Rc<BTreeSet<String>> {
        if let Some(known) = self.knowers.borrow().get(top) {
            return known.clone();
        }
        let mut all = BTreeSet::from([top.to_owned()]);
        let mut work = vec![top.to_owned()];
        while let Some(word) = work.pop() {
            let known = all.clone();
            let others = self.concerned().filter(|(_, file)| !known.contains(file.top()) && file.may_name(&word));
            for other in others.map(|(_, file)| file.top()) {
                if all.insert(other.to_owned()) {
                    work.push(other.to_owned());
                }
            }
        }
        let all = Rc::new(all);
        self.knowers.borrow_mut().insert(top.to_owned(), all.clone());
        all
    }
}

impl SourceFile {
    /// Whether it may name a module by this name; what is not understood may.
    fn may_name(&self, top: &str) -> bool {
        let Some(text) = self.spelt() else { return true };
        let stands = || text.match_indices(top).any(|(at, _)| is_named(text.as_bytes(), at, at + top.len()));
        self.words().may_hold(Word::new(top)) && stands()
    }
}

//! Which module of the tree an imported name is.

use super::Tree;
use crate::probes::code_path::value::ModuleId;

/// What an imported name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// A module of the tree.
    Module(ModuleId),
    /// A folder of the tree without a module of its own.
    Folder,
    /// It should be in the tree and is not, or cannot be seen there.
    Gone(String),
    /// It belongs to no package of the tree.
    Outside,
}

impl Tree {
    /// The module of a dotted name, seen from nowhere in particular.
    pub fn module(&self, name: &str) -> Option<ModuleId> {
        match self.resolve(name, None) {
            Resolution::Module(id) => Some(id),
            Resolution::Folder | Resolution::Gone(_) | Resolution::Outside => None,
        }
    }

    /// What an absolute import of `name` finds. The tree's own folder, `src/`, the name of the tree's
    /// folder and, for scripts, the importing file's folder are looked at.
    pub fn resolve(&self, name: &str, from: Option<ModuleId>) -> Resolution {
        let inside = name.strip_prefix(&format!("{}.", self.name)).map(str::to_owned);
        let folder = from.and_then(|from| self.script_folder(from));
        let script = folder.as_ref().map(|folder| format!("{folder}.{name}"));
        let candidates = [Some(name.to_owned()), Some(format!("src.{name}")), inside, script.clone()];
        let candidates: Vec<String> = candidates.into_iter().flatten().collect();
        let mut found: Option<ModuleId> = None;
        for candidate in &candidates {
            if self.is_blind(candidate) {
                return Resolution::Gone(format!("module {name} cannot be seen in the tree"));
            }
            if let Some(id) = self.modules.get(candidate) {
                if found.is_some_and(|other| other != *id) {
                    return Resolution::Gone(format!("several files of the tree could be module {name}"));
                }
                found = Some(*id);
            } else if found.is_none() && self.packages.contains(candidate) {
                return Resolution::Folder;
            }
        }
        if let Some(id) = found {
            return match from {
                Some(from) if self.is_shadowed(name, id, from) => {
                    Resolution::Gone(format!("sys.path is changed, and several files could be module {name}"))
                }
                _ => Resolution::Module(id),
            };
        }
        let known_top = candidates.iter().filter(|each| !each.is_empty()).any(|candidate| {
            // The folder of a script is there in any case, and says nothing of what is looked for in it.
            let skipped = match &folder {
                Some(folder) if script.as_ref() == Some(candidate) => folder.split('.').count() + 1,
                _ if candidate.starts_with("src.") => 2,
                _ => 1,
            };
            let top = candidate.split('.').take(skipped).collect::<Vec<_>>().join(".");
            self.modules.contains_key(&top) || self.packages.contains(&top)
        });
        // Whatever starts a script, or the script itself, may have put another folder of the tree where modules are looked for.
        let elsewhere = folder.is_some() || from.is_some_and(|from| self.changes_paths(from));
        let known_top = known_top || elsewhere && self.lies_somewhere(name);
        if known_top { Resolution::Gone(format!("module {name} is not in the tree")) } else { Resolution::Outside }
    }

    /// Whether a module cannot be in the tree under another form either: in no file that may be it.
    pub fn is_missing(&self, name: &str) -> bool {
        let inside = name.strip_prefix(&format!("{}.", self.name)).map(str::to_owned);
        let candidates = [Some(name.to_owned()), Some(format!("src.{name}")), inside];
        candidates.into_iter().flatten().all(|each| !self.is_blind(&each) && !self.modules.contains_key(&each))
    }

    fn is_blind(&self, name: &str) -> bool {
        let mut end = name.len();
        loop {
            if self.blind.contains(&name[..end]) {
                return true;
            }
            match name[..end].rfind('.') {
                Some(dot) => end = dot,
                None => return false,
            }
        }
    }

    /// The folder of a file that is in no package, whose neighbours a script imports by plain name.
    fn script_folder(&self, from: ModuleId) -> Option<String> {
        let file = self.file(from);
        let folder = file.module.rsplit_once('.').map(|(folder, _)| folder)?;
        let is_package = self.modules.get(folder).is_some_and(|id| self.file(*id).is_package);
        (!file.is_package && !is_package).then(|| folder.to_owned())
    }

    /// The absolute name of a relative import; `None` when it leaves the tree.
    pub fn absolute(&self, from: ModuleId, level: u32, module: &str) -> Option<String> {
        let file = self.file(from);
        let mut parts: Vec<&str> = file.module.split('.').filter(|part| !part.is_empty()).collect();
        let up = if file.is_package { level - 1 } else { level };
        for _ in 0..up {
            parts.pop()?;
        }
        parts.extend(module.split('.').filter(|part| !part.is_empty()));
        Some(parts.join("."))
    }
}

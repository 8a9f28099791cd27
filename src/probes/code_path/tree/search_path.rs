//! Where Python looks for modules, and what in the tree may change that: `sys.path`, `site`, the `__path__` of packages.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Tree;
use crate::probes::code_path::value::ModuleId;

/// Names that stand only where the places of modules are changed or handed out.
const PLACES: &[&str] = &["addsitedir", "addpackage", "addusersitepackages"];

/// Names that stand where the places of a package's modules are changed or handed out.
const PLACES_OF_PACKAGES: &[&str] = &["__path__", "extend_path", "declare_namespace"];

/// How `sys` stands where nothing is done to the path: an attribute of it is named, or it is imported under its own name.
static HARMLESS: LazyLock<Regex> = LazyLock::new(|| {
    let attribute = r"\bsys\s*\.\s*(?P<name>\w+)";
    let read = r#"\b(?:getattr|hasattr)\(\s*sys\s*,\s*['"](?P<read>\w+)['"]\s*[,)]"#;
    let imported = r"(?m)^\s*import\s+(?:[\w.]+(?:\s+as\s+\w+)?\s*,\s*)*sys\s*(?:,|;|#|$)";
    let from = r"\bfrom\s+sys\s+import\s+(?:\((?P<many>[^)]*)\)|(?P<some>[^\r\n(]*))";
    let pattern = format!("{read}|{attribute}|{from}|{imported}");
    Regex::new(&pattern).expect("invariant: the pattern is constant")
});

static SYS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bsys\b").expect("invariant: the pattern is constant"));

/// Attributes of `sys` that lead to the path, or to everything.
const LEADING: &[&str] = &["path", "modules", "__dict__", "__getattribute__", "__setattr__"];

impl Tree {
    /// Files, one of a folder, whose code may change where modules are looked for.
    fn path_changes(&self) -> &[ModuleId] {
        self.path_changes.get_or_init(|| {
            let by_sys = self.files_with_word("sys").into_iter().filter(|id| {
                let text = self.file(*id).spelt();
                text.is_some_and(reaches_path)
            });
            let by_site = PLACES.iter().flat_map(|place| self.files_with_word(place));
            self.one_of_a_folder(by_sys.chain(by_site))
        })
    }

    /// Files, one of a folder, whose code may change where the modules of a package are looked for.
    fn package_path_changes(&self) -> &[ModuleId] {
        let found = || PLACES_OF_PACKAGES.iter().flat_map(|place| self.files_with_word(place));
        self.package_path_changes.get_or_init(|| self.one_of_a_folder(found()))
    }

    fn one_of_a_folder(&self, files: impl Iterator<Item = ModuleId>) -> Vec<ModuleId> {
        let folder = |id: &ModuleId| (top_folder(&self.file(*id).path).to_owned(), self.file(*id).top().to_owned());
        let by_folder: BTreeMap<_, _> = files.map(|id| (folder(&id), id)).collect();
        by_folder.into_values().collect()
    }

    /// Whether code beside a file, or that the file may import or be imported by, changes where modules are looked for.
    pub(super) fn changes_paths(&self, from: ModuleId) -> bool {
        self.is_reached_by(from, self.path_changes())
    }

    fn is_reached_by(&self, from: ModuleId, changing: &[ModuleId]) -> bool {
        let folder = |id: ModuleId| top_folder(&self.file(id).path);
        changing.iter().any(|id| {
            let beside = folder(*id).is_empty() || folder(*id) == folder(from);
            beside || self.may_know(from, *id) || self.may_know(*id, from)
        })
    }

    /// Whether something in some folder of the tree has the first name of a dotted one.
    pub(super) fn lies_somewhere(&self, name: &str) -> bool {
        let first = name.split('.').next().unwrap_or(name);
        let all = self.modules.keys().chain(&self.packages).chain(&self.blind);
        all.into_iter().any(|module| module.rsplit('.').next() == Some(first))
    }

    /// Whether where modules are looked for may be changed before this import, and another file could then be the module.
    pub(super) fn is_shadowed(&self, name: &str, id: ModuleId, from: ModuleId) -> bool {
        let others = |end: &str| {
            let stands =
                |module: &str| module == end || module.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
            self.modules.iter().any(|(module, other)| *other != id && stands(module))
        };
        self.changes_paths(from) && others(name)
            || name
                .rsplit_once('.')
                .is_some_and(|(_, last)| self.is_reached_by(from, self.package_path_changes()) && others(last))
    }
}

/// Whether a text may do something to `sys.path`: it names it, or hands out `sys` as a whole.
fn reaches_path(text: &str) -> bool {
    let mut harmless = Vec::new();
    for found in HARMLESS.captures_iter(text) {
        let name = ["name", "read"].iter().find_map(|group| found.name(group)).map(|name| name.as_str());
        let names = ["many", "some"].iter().find_map(|group| found.name(group)).map_or("", |names| names.as_str());
        let mut names = names.split(|each: char| !each.is_alphanumeric() && each != '_' && each != '*').chain(name);
        if names.any(|name| LEADING.contains(&name) && name != "modules" || name == "*") {
            return true;
        }
        harmless.extend(found.get(0).map(|whole| whole.range()));
    }
    SYS.find_iter(text)
        .any(|word| !harmless.iter().any(|range| range.contains(&word.start())) && !is_comment(text, word.start()))
}

/// Whether a place is in a comment of a line of its own, or in a documentation line without code.
fn is_comment(text: &str, at: usize) -> bool {
    let line = text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    text[line..].trim_start().starts_with('#')
}

/// The first folder of a path; nothing for a file at the top.
fn top_folder(path: &str) -> &str {
    path.split_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::reaches_path;

    #[test]
    fn what_may_reach_the_path_is_told_from_what_does_not() {
        for text in [
            "import sys\nsys.path.insert(0, 'x')\n",
            "import sys as s\ns.path.append('x')\n",
            "from sys import (argv,\n    path)\n",
            "from sys import path as p\n",
            "from sys import *\n",
            "import os\nos.sys.path.append('x')\n",
            "import sys\nf(sys)\n",
            "import sys\ngetattr(sys, name)\n",
            "import sys\nvars(sys)['path']\n",
            "import sys\nsys.__dict__['path']\n",
            "import importlib\nimportlib.import_module('sys')\n",
        ] {
            assert!(reaches_path(text), "{text}");
        }
        for text in [
            "import sys\nsys.exit(1)\n",
            "import os, sys\nprint(sys.argv, file=sys.stderr)\n",
            "from sys import argv, stderr\n",
            "import sys  # the system\nif getattr(sys, 'frozen', False):\n    pass\n",
            "import sys\n# sys and its path\nsys.modules['x']\n",
        ] {
            assert!(!reaches_path(text), "{text}");
        }
    }
}

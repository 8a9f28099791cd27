//! A quick look at every file's lines, without parsing: which names some code defines, assigns or
//! changes in place. It may name too much and so costs certainty; it reads statements that begin and
//! bind on one line.

use std::collections::BTreeSet;

/// What the lines of one file say.
#[derive(Debug, Default)]
pub struct Scan {
    /// Functions and classes.
    pub defined: BTreeSet<String>,
    /// Functions, and names bound to other names, inside something: they may be methods.
    pub methods: BTreeSet<String>,
    /// Attributes assigned on something other than `self`.
    pub assigned: BTreeSet<String>,
    /// Variables and attributes whose elements are changed in place.
    pub changed: BTreeSet<String>,
    /// Variables and attributes that are given another name or handed to a call, which may change them.
    pub shared: BTreeSet<String>,
    /// Variables of functions that inner functions assign.
    pub nonlocals: BTreeSet<String>,
    /// Variables bound at the beginning of a line.
    pub bound: BTreeSet<String>,
    /// Names between the brackets behind a class's name.
    pub bases: BTreeSet<String>,
    in_bases: bool,
}

/// Methods of the built-in collections that change them.
const CHANGING: &[&str] = &[
    "append",
    "appendleft",
    "add",
    "update",
    "pop",
    "popleft",
    "popitem",
    "setdefault",
    "clear",
    "extend",
    "insert",
    "remove",
    "discard",
    "sort",
    "reverse",
    "__setitem__",
    "rotate",
];

impl Scan {
    /// Scans a text.
    pub fn of(text: &str) -> Self {
        let mut scan = Self::default();
        for line in text.split(['\n', '\r']) {
            scan.line(line);
        }
        scan
    }

    fn line(&mut self, line: &str) {
        let bare = line.trim_start();
        if bare.is_empty() || bare.starts_with('#') {
            return;
        }
        let indented = bare.len() < line.len();
        let bases = match bare.strip_prefix("class ").and_then(|rest| rest.split_once('(')) {
            Some((_, bases)) => Some(bases),
            None if self.in_bases => Some(bare),
            None => None,
        };
        if let Some(bases) = bases {
            let names = bases.split(|c: char| !is_part(c)).filter(|name| is_identifier(name));
            self.bases.extend(names.map(str::to_owned));
            self.in_bases = !bases.contains("):");
        }
        for word in ["def ", "class ", "async "] {
            if let Some(rest) = bare.strip_prefix(word) {
                let rest = rest.trim_start();
                let rest = rest.strip_prefix("def ").unwrap_or(rest);
                let name = first_identifier(rest);
                if !name.is_empty() {
                    self.defined.insert(name.to_owned());
                    if indented && word != "class " {
                        self.methods.insert(name.to_owned());
                    }
                }
            }
        }
        if let Some(names) = bare.strip_prefix("nonlocal ") {
            self.nonlocals.extend(names.split(',').map(|name| first_identifier(name.trim()).to_owned()));
        }
        let alone = bare.strip_prefix("return ").unwrap_or(bare).trim_end_matches([',', ')', ']', '}']);
        self.share(alone);
        if let Some(targets) = bare.strip_prefix("del ") {
            targets.split(',').for_each(|target| self.target(target.trim()));
        }
        // Statements that share a line are looked at one by one; a text with a semicolon only adds pieces.
        for statement in bare.split(';') {
            self.assignments(statement.trim(), indented);
        }
        self.calls(bare);
    }

    fn assignments(&mut self, statement: &str, indented: bool) {
        let bytes = statement.as_bytes();
        let mut start = 0;
        for (index, byte) in bytes.iter().enumerate() {
            if *byte != b'=' {
                continue;
            }
            let before = index.checked_sub(1).map(|i| bytes[i]);
            let after = bytes.get(index + 1);
            if after == Some(&b'=') || matches!(before, Some(b'=' | b'!' | b'<' | b'>')) {
                continue;
            }
            let left =
                statement[start..index].trim_end_matches(['+', '-', '*', '/', '|', '&', '^', '%', '@', ':']).trim();
            // An in-place operator changes a collection that stands before it.
            let in_place = matches!(before, Some(b'+' | b'-' | b'|' | b'&' | b'^' | b'*'));
            for target in left.split(',') {
                let target = declared(target.trim().trim_matches(['(', ')', '[', '*']));
                if in_place {
                    self.changed.insert(last_identifier(target).to_owned());
                }
                self.target(target);
                if start == 0 && !indented && is_identifier(target) {
                    self.bound.insert(target.to_owned());
                }
            }
            let value = statement[index + 1..].trim();
            let value = value.split('#').next().unwrap_or(value).trim_end();
            self.share(value);
            let renames = is_identifier(value) && !matches!(value, "True" | "False" | "None");
            if indented && start == 0 && is_identifier(left) && (renames || value.starts_with("lambda")) {
                self.methods.insert(left.to_owned());
            }
            start = index + 1;
        }
    }

    /// `object.name` or `name[…]`
    fn target(&mut self, target: &str) {
        if target.ends_with(']') {
            self.changed.insert(last_identifier(without_brackets(target)).to_owned());
            return;
        }
        if let Some((object, name)) = target.rsplit_once('.')
            && is_identifier(name)
            && (object != "self" || REWIRING.contains(&name))
        {
            self.assigned.insert(name.to_owned());
        }
    }

    fn calls(&mut self, line: &str) {
        for (index, _) in line.match_indices('(') {
            let before = &line[..index];
            let name = last_identifier(before);
            if name == "setattr" || name == "__setattr__" || name == "delattr" {
                let quoted = line[index..].split(['"', '\'']).nth(1);
                self.assigned.extend(quoted.filter(|name| is_identifier(name)).map(str::to_owned));
            } else if !LOOKING.contains(&name) {
                let inside = &line[index + 1..];
                let inside = &inside[..inside.rfind(')').unwrap_or(inside.len())];
                for argument in inside.split(',') {
                    self.share(argument.rsplit('=').next().unwrap_or(argument).trim().trim_start_matches('*'));
                }
            }
            if CHANGING.contains(&name)
                && let Some(object) = before[..before.len() - name.len()].strip_suffix('.')
            {
                self.changed.insert(last_identifier(without_brackets(object)).to_owned());
            }
        }
    }
}

impl Scan {
    /// A variable or attribute stands alone, as a value.
    fn share(&mut self, value: &str) {
        if !value.is_empty() && value.split('.').all(is_identifier) {
            self.shared.insert(last_identifier(value).to_owned());
        }
    }
}

/// Attributes whose assignment changes what objects, classes and functions do behind their names.
pub const REWIRING: &[&str] = &[
    "__class__",
    "__bases__",
    "__code__",
    "__defaults__",
    "__kwdefaults__",
    "__dict__",
    "__init__",
    "__new__",
    "__call__",
    "__enter__",
    "__exit__",
    "__aenter__",
    "__aexit__",
    "__get__",
    "__getattr__",
    "__getattribute__",
    "__setattr__",
    "__getitem__",
    "__iter__",
    "__next__",
    "__bool__",
    "__len__",
    "__eq__",
    "__hash__",
    "__contains__",
    "__instancecheck__",
    "__subclasscheck__",
];

/// Calls that only look at a collection.
const LOOKING: &[&str] = &[
    "len",
    "print",
    "sorted",
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "str",
    "repr",
    "isinstance",
    "enumerate",
    "any",
    "all",
    "sum",
    "min",
    "max",
    "iter",
    "run",
    "check_call",
    "check_output",
    "call",
    "Popen",
    "execute",
    "executemany",
    "info",
    "debug",
    "warning",
    "error",
    "join",
    "range",
    "type",
    "bool",
];

/// A target without its declared type.
fn declared(target: &str) -> &str {
    let inside = target.find('[').unwrap_or(target.len());
    match target.find(':') {
        Some(colon) if colon < inside => target[..colon].trim_end(),
        Some(_) | None => target,
    }
}

fn without_brackets(text: &str) -> &str {
    let mut text = text;
    while text.ends_with([']', ')']) {
        let open = if text.ends_with(']') { '[' } else { '(' };
        match text.rfind(open) {
            Some(at) => text = &text[..at],
            None => return text,
        }
    }
    text
}

fn is_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_part) && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn first_identifier(text: &str) -> &str {
    &text[..text.find(|c: char| !is_part(c)).unwrap_or(text.len())]
}

fn last_identifier(text: &str) -> &str {
    let start = text.char_indices().rev().find(|(_, c)| !is_part(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    &text[start..]
}

/// Makers of classes that add nothing of the tree.
const MAKERS: &[&str] = &["namedtuple", "NamedTuple", "TypedDict", "declarative_base", "Generic", "Protocol"];

/// The functions whose results the classes of a text inherit from: names before a bracket between the brackets behind
/// a class's name.
pub fn computed_bases(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("class ") {
        let line = text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
        if !text[line..at].bytes().all(|byte| byte == b' ' || byte == b'\t') {
            continue;
        }
        let line = text[at..].split(['\n', '\r']).next().unwrap_or("");
        let name = line["class ".len()..].trim_start();
        let Some(mut rest) = name[first_identifier(name).len()..].strip_prefix('(') else { continue };
        let mut depth = 1;
        while let Some(bracket) = rest.find(['(', ')']) {
            if rest.as_bytes()[bracket] == b')' {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            } else {
                depth += 1;
                let callee = last_identifier(rest[..bracket].trim_end());
                if !callee.is_empty() && !MAKERS.contains(&callee) {
                    found.push(callee.to_owned());
                }
            }
            rest = &rest[bracket + 1..];
        }
    }
    found
}

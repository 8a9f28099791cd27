//! `{paths.x}` and its like in settings: filled in when the package is loaded.
//!
//! A string that is one reference and nothing else takes the value with its type, a list or a table too;
//! within other text only a string, an integer or a boolean can stand. `{{` and `}}` are braces. This is not the
//! expression language of checks and texts: nothing is computed, and the host is not known here.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::diagnostic::{Diagnostic, suggestion};
use super::table::{Reading, integer};

/// What references may name: tables by name, `null` for what is known but was reported as wrong.
#[derive(Clone, Debug, Default)]
pub struct Names {
    tables: Map<String, Value>,
    /// Gates are checked on several threads, and each notes what it reads.
    used: Arc<Mutex<BTreeSet<String>>>,
}

/// What became of a reference.
enum Resolved<'a> {
    Value(&'a Value),
    /// Its definition is wrong, which was reported there.
    Broken,
    /// No such name; the help says which there are.
    Unknown(String),
}

impl Names {
    /// Makes `table` known under `name`.
    pub fn add(&mut self, name: &str, table: Value) {
        self.tables.insert(name.to_owned(), table);
    }

    /// Notes that something outside of settings reads `name`, such as an expression.
    pub fn note_used(&self, name: &str) {
        let mut used = self.used();
        if !used.contains(name) {
            used.insert(name.to_owned());
        }
    }

    /// Whether anything read `name`, a table around it, or a part of it.
    pub fn is_used(&self, name: &str) -> bool {
        let inside = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        self.used().iter().any(|used| used == name || inside(used, name) || inside(name, used))
    }

    fn used(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolve(&self, reference: &str) -> Resolved<'_> {
        let mut table = &self.tables;
        let mut words = reference.split('.').peekable();
        while let Some(word) = words.next() {
            match table.get(word) {
                None => return Resolved::Unknown(suggestion(word, table.keys().map(String::as_str))),
                Some(Value::Null) => return Resolved::Broken,
                Some(value) if words.peek().is_none() => {
                    self.note_used(reference);
                    return Resolved::Value(value);
                }
                Some(Value::Object(inner)) => table = inner,
                Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                    return Resolved::Unknown(format!("`{word}` is not a table and has no parts"));
                }
            }
        }
        Resolved::Unknown("name a table and a key: {paths.x}".to_owned())
    }

    /// Whether `text` holds a reference to one of these tables, for places where none is filled in.
    pub fn would_refer(text: &str) -> bool {
        ["paths.", "params.", "package.", "trust.", "database.", "code_path.", "executor."]
            .iter()
            .any(|table| text.contains(&format!("{{{table}")))
    }
}

/// A TOML value as JSON with its references filled in. `None` after reporting everything that is wrong
/// in it. Dates become RFC 3339 text.
pub fn fill(reading: &Reading<'_>, value: &Spanned<DeValue<'_>>, names: &Names) -> Option<Value> {
    match value.get_ref() {
        DeValue::String(text) => fill_text(reading, text, &value.span(), names),
        DeValue::Integer(number) => {
            let number = integer(number);
            if number.is_none() {
                reading.error(&value.span(), "the integer does not fit into 64 bits", "give a smaller number");
            }
            number.map(Value::from)
        }
        DeValue::Float(number) => {
            let number = number.as_str().replace('_', "").parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            if number.is_none() {
                reading.error(&value.span(), "the float is not finite", "give a finite number");
            }
            number.map(Value::Number)
        }
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        DeValue::Datetime(time) => Some(Value::String(time.to_string())),
        DeValue::Array(items) => {
            // Every item is filled in, also after one that is wrong, so that every problem is reported.
            let mut filled = Some(Vec::with_capacity(items.len()));
            for item in items {
                filled = filled.zip(fill(reading, item, names)).map(|(mut filled, item)| {
                    filled.push(item);
                    filled
                });
            }
            filled.map(Value::Array)
        }
        DeValue::Table(table) => {
            let mut filled = Some(Map::new());
            for (key, value) in table {
                filled = filled.zip(fill(reading, value, names)).map(|(mut filled, value)| {
                    filled.insert(key.get_ref().to_string(), value);
                    filled
                });
            }
            filled.map(Value::Object)
        }
    }
}

/// A piece of a string with references.
enum Piece<'a> {
    Text(&'a str),
    /// The name and the bytes of the reference, braces included.
    Reference(&'a str, Range<usize>),
    /// What is wrong with the braces here, and where.
    Broken(&'static str, Range<usize>),
}

fn fill_text(reading: &Reading<'_>, text: &str, span: &Range<usize>, names: &Names) -> Option<Value> {
    if !text.bytes().any(|byte| matches!(byte, b'{' | b'}')) {
        return Some(Value::String(text.to_owned()));
    }
    let mut filled = Some(String::new());
    let mut at = 0;
    while at < text.len() {
        let (piece, next) = piece(text, at);
        let part: Option<Cow<'_, str>> = match piece {
            Piece::Text(text) => Some(text.into()),
            Piece::Broken(message, range) => {
                let help = "write {{ and }} for braces that are meant as such, and {paths.x} for a reference";
                reading.error(&reading.within(span, range), message, help);
                None
            }
            Piece::Reference(name, range) => match names.resolve(name) {
                Resolved::Value(value) if range == (0..text.len()) => return Some(value.clone()),
                Resolved::Value(Value::String(text)) => Some(text.into()),
                Resolved::Value(Value::Number(number)) => Some(number.to_string().into()),
                Resolved::Value(Value::Bool(flag)) => Some(flag.to_string().into()),
                Resolved::Value(Value::Array(_) | Value::Object(_) | Value::Null) => {
                    let message = format!("`{name}` is a list or a table and cannot stand within text");
                    let help = format!("give it alone: \"{{{name}}}\"");
                    reading.error(&reading.within(span, range), message, help);
                    None
                }
                Resolved::Broken => None,
                Resolved::Unknown(help) => {
                    let at = reading.within(span, range);
                    let message = format!("unknown reference `{name}`");
                    reading.report(Diagnostic::error(reading.file, at, message).help(help));
                    None
                }
            },
        };
        at = next;
        filled = filled.zip(part).map(|(mut filled, part)| {
            // Room for the rest too, which is most often all that follows.
            filled.reserve(part.len() + text.len() - at);
            filled.push_str(&part);
            filled
        });
    }
    filled.map(Value::String)
}

/// The piece of a text that begins at `at`, before its end, and where the next one begins.
fn piece(text: &str, at: usize) -> (Piece<'_>, usize) {
    let rest = &text[at..];
    let plain = memchr::memchr2(b'{', b'}', rest.as_bytes()).unwrap_or(rest.len());
    if plain > 0 {
        return (Piece::Text(&rest[..plain]), at + plain);
    }
    if rest.starts_with("{{") || rest.starts_with("}}") {
        return (Piece::Text(&rest[..1]), at + 2);
    }
    if rest.starts_with('}') {
        return (Piece::Broken("a `}` without its `{`", at..at + 1), at + 1);
    }
    let Some(end) = rest.find('}').map(|end| at + end + 1) else {
        return (Piece::Broken("a `{` without its `}`", at..text.len()), text.len());
    };
    let name = text[at + 1..end - 1].trim();
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if name.split('.').all(word) && !name.starts_with(|c: char| c.is_ascii_digit()) {
        (Piece::Reference(name, at..end), end)
    } else {
        (Piece::Broken("this is not a reference to a name", at..end), end)
    }
}

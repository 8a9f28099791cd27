//! Reading TOML tables so that every problem is found, not only the first.
//!
//! Serde stops at the first unknown key or wrong type; the operator would mend the file once per run. A
//! [`TableReader`] is asked for the keys it may hold, notes what is missing or of another kind, and
//! reports the keys that nobody asked for when it is finished. It knows nothing of what the keys mean.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::diagnostic::{Diagnostic, nearest, suggestion};
use super::literal;

/// A value and where it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

/// Where every value of a file stands: by dotted path, list positions as numbers: `stages.G0.title`,
/// `forbidden.3.measures.0`.
pub type Places = BTreeMap<String, Range<usize>>;

/// One file that is being checked, and what was found wrong in all of them.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The logical name of the file.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Everything found so far, in this file and others.
    pub found: &'a RefCell<Vec<Diagnostic>>,
}

impl<'a> Reading<'a> {
    /// Adds a problem.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// Adds an error in this file.
    pub fn error(&self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::error(self.file, span.clone(), message).help(help));
    }

    /// The file's table. `None` when its syntax is so broken that what remains cannot be judged; the
    /// syntax errors are reported, all of them.
    pub fn parse(&self) -> Option<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut trusted = true;
        // Up to here, errors follow from the one before and are not reported.
        let mut explained = 0;
        let mut errors: Vec<_> = errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
        errors.sort_by_key(|(span, _)| span.start);
        for (span, message) in errors {
            // A key given twice leaves a table that can be judged; a table given twice does not, for the
            // parser keeps only one of the two.
            let header = self.line(span.start).trim_start().starts_with('[');
            let twice = message == "duplicate key";
            trusted &= twice && !header;
            if span.start < explained {
                continue;
            }
            let rest = &self.text[span.start..];
            let (message, help) = if twice {
                let help = if header { "merge the two tables into one" } else { "keep one of them" };
                explained = if header { rest.find("\n[").map_or(self.text.len(), |end| span.start + end) } else { 0 };
                (format!("`{}` is given twice", &self.text[span.clone()]), help)
            } else if message.starts_with("missing comma") || message.starts_with("unclosed array") {
                explained = rest.find("\n\n").map_or(self.text.len(), |end| span.start + end);
                (message.to_owned(), "end the list before this line with ], or put a comma between its items")
            } else {
                (message.to_owned(), "correct the TOML syntax; a string stands in quotes: key = \"value\"")
            };
            self.error(&span, message, help);
        }
        trusted.then(|| table.into_inner())
    }

    /// The line that holds a byte, from its beginning.
    fn line(&self, at: usize) -> &'a str {
        let start = self.text.get(..at).unwrap_or("").rfind('\n').map_or(0, |newline| newline + 1);
        self.text[start..].lines().next().unwrap_or("")
    }

    /// Adds an error whose line must not be shown, for it holds a secret.
    pub fn error_unshown(&self, span: &Range<usize>, message: &str, help: &str) {
        let line = self.text.get(..span.start).unwrap_or("").matches('\n').count() + 1;
        self.report(Diagnostic::whole_file(self.file, format!("line {line}: {message}")).help(help));
    }

    /// The byte range in the file of a byte range in a decoded string; the whole string where the two
    /// cannot be matched.
    pub fn within(&self, string: &Range<usize>, part: Range<usize>) -> Range<usize> {
        literal::raw_range(self.text, string, part).unwrap_or_else(|| string.clone())
    }

    fn wrong_type(&self, key: &str, wanted: &str, value: &Spanned<DeValue<'_>>) {
        let message = format!("`{key}` is {}, not {wanted}", type_name(value.get_ref()));
        self.report(Diagnostic::error(self.file, value.span(), message).label(format!("expected {wanted}")));
    }
}

/// The name of a value's type, with its article.
pub fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date and time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// An integer's value; `None` beyond 64 bits.
pub fn integer(value: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(value.as_str(), value.radix()).ok()
}

/// A table of a file, with the place to point at when something is missing in it.
#[derive(Clone)]
pub struct TableAt<'a> {
    /// Its entries.
    pub table: &'a DeTable<'a>,
    /// Its header, or its key where it has none.
    pub header: Range<usize>,
}

/// A value that can be asked for.
pub trait Value<'a>: Sized {
    /// What it is called, with its article.
    const NAME: &'static str;

    /// The value, or `None` after reporting what is wrong with it.
    fn read(reading: &Reading<'a>, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Self>;
}

impl<'a> Value<'a> for String {
    const NAME: &'static str = "a string";

    fn read(reading: &Reading<'a>, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Self> {
        let text = value.get_ref().as_str();
        match text {
            Some(text) if text.trim().is_empty() => {
                reading.error(&value.span(), format!("`{key}` is empty"), "give it a value");
                None
            }
            Some(text) => Some(text.to_owned()),
            None => {
                reading.wrong_type(key, Self::NAME, value);
                None
            }
        }
    }
}

impl<'a> Value<'a> for i64 {
    const NAME: &'static str = "an integer";

    fn read(reading: &Reading<'a>, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Self> {
        match value.get_ref().as_integer().map(integer) {
            Some(Some(number)) => Some(number),
            Some(None) => {
                reading.error(&value.span(), format!("`{key}` does not fit into 64 bits"), "give a smaller number");
                None
            }
            None => {
                reading.wrong_type(key, Self::NAME, value);
                None
            }
        }
    }
}

impl<'a> Value<'a> for TableAt<'a> {
    const NAME: &'static str = "a table";

    fn read(reading: &Reading<'a>, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Self> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            reading.wrong_type(key, Self::NAME, value);
        }
        table.map(|table| TableAt { table, header: value.span() })
    }
}

impl<'a, T: Value<'a>> Value<'a> for Vec<Located<T>> {
    const NAME: &'static str = "a list";

    fn read(reading: &Reading<'a>, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Self> {
        let items: Option<&'a DeArray<'a>> = value.get_ref().as_array();
        if items.is_none() {
            reading.wrong_type(key, Self::NAME, value);
        }
        // Every item is read, so that every wrong one is reported.
        let read = |item: &'a Spanned<DeValue<'a>>| {
            T::read(reading, key, item).map(|value| Located { value, span: item.span() })
        };
        let items: Vec<Option<Located<T>>> = items?.iter().map(read).collect();
        items.into_iter().collect()
    }
}

/// A table whose keys are asked for one by one.
pub struct TableReader<'a> {
    reading: Reading<'a>,
    /// How messages name the table: `[package]`, `[[check]]`, `the file`.
    name: String,
    at: TableAt<'a>,
    asked: Vec<&'static str>,
    /// Required keys that are not given, with what to do about it.
    missing: Vec<(&'static str, String)>,
}

impl<'a> TableReader<'a> {
    /// A reader of `at`, called `name` in messages.
    pub fn new(reading: Reading<'a>, name: impl Into<String>, at: TableAt<'a>) -> Self {
        Self { reading, name: name.into(), at, asked: Vec::new(), missing: Vec::new() }
    }

    /// Where the table's header stands.
    pub fn header(&self) -> Range<usize> {
        self.at.header.clone()
    }

    /// The value of an optional key; `None` when it is not given, or was reported as wrong.
    pub fn optional<T: Value<'a>>(&mut self, key: &'static str) -> Option<Located<T>> {
        self.asked.push(key);
        let value = self.at.table.get(key)?;
        T::read(&self.reading, key, value).map(|read| Located { value: read, span: value.span() })
    }

    /// The value of a required key. `hint` says what belongs there; of a table, its header. That it is missing
    /// is reported by [`TableReader::finish`].
    pub fn required<T: Value<'a>>(&mut self, key: &'static str, hint: &str) -> Option<Located<T>> {
        if !self.at.table.contains_key(key) {
            let help = if T::NAME == TableAt::NAME { format!("add {hint}") } else { format!("add {key} = {hint}") };
            self.missing.push((key, help));
        }
        self.optional(key)
    }

    /// Whether an optional key is given, whatever its value; asking for it makes it a known one.
    pub fn given(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.at.table.get(key)
    }

    /// The named entries of an optional table, in the order of the file.
    pub fn entries(&mut self, key: &'static str) -> Vec<Entry<'a>> {
        let table = self.optional::<TableAt<'a>>(key);
        table.map(|table| entries(&table.value)).unwrap_or_default()
    }

    /// Reports every key that was not asked for, and every required key that is missing. A missing one
    /// that was merely misspelt is reported once, where it stands.
    pub fn finish(mut self) {
        for (key, _) in self.at.table.iter().filter(|(key, _)| !self.asked.contains(&key.get_ref().as_ref())) {
            // A key that is already there is a poor guess.
            let free: Vec<&str> =
                self.asked.iter().filter(|name| !self.at.table.contains_key(**name)).copied().collect();
            let help = match nearest(key.get_ref(), free.iter().copied()) {
                Some(near) => {
                    self.missing.retain(|(missing, _)| *missing != near);
                    format!("did you mean `{near}`?")
                }
                None => suggestion(key.get_ref(), self.asked.iter().copied()),
            };
            let message = format!("unknown key `{}` in {}", key.get_ref(), self.name);
            self.reading.error(&key.span(), message, help);
        }
        for (key, help) in self.missing {
            self.reading.error(&self.at.header, format!("{} has no `{key}`", self.name), help);
        }
    }
}

/// A named entry of a table.
#[derive(Clone)]
pub struct Entry<'a> {
    /// Its name.
    pub name: Located<String>,
    /// Its value.
    pub value: &'a Spanned<DeValue<'a>>,
}

/// The entries of a table in the order of the file.
pub fn entries<'a>(at: &TableAt<'a>) -> Vec<Entry<'a>> {
    let entry = |(key, value): (&'a Spanned<std::borrow::Cow<'a, str>>, &'a Spanned<DeValue<'a>>)| Entry {
        name: Located { value: key.get_ref().to_string(), span: key.span() },
        value,
    };
    let mut entries: Vec<Entry<'a>> = at.table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.name.span.start);
    entries
}

/// How deep settings of a probe lie: `probe.state.paths`. Inside them only the probe knows what is meant, and there may
/// be thousands of values.
const SETTING_DEPTH: usize = 3;

/// Where every value of a table stands, but for what is inside a probe's settings.
pub fn places(table: &DeTable<'_>) -> Places {
    fn walk(path: &str, value: &Spanned<DeValue<'_>>, places: &mut Places) {
        places.insert(path.to_owned(), value.span());
        let settings = path.starts_with("probe.") || path.starts_with("measure.");
        if settings && path.split('.').count() >= SETTING_DEPTH {
            return;
        }
        match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().for_each(|(key, value)| walk(&format!("{path}.{}", key.get_ref()), value, places));
            }
            DeValue::Array(items) => {
                items.iter().enumerate().for_each(|(i, value)| walk(&format!("{path}.{i}"), value, places));
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
    let mut places = Places::new();
    table.iter().for_each(|(key, value)| walk(key.get_ref(), value, &mut places));
    places
}

//! The front matter of a Markdown document: YAML between `---` lines or TOML between `+++` lines at the
//! very start, reduced to a flat map of texts and lists of texts.
//!
//! It refuses what could mean two things to two readers or cost more than it says: anchors, aliases,
//! tags, merge keys, duplicate keys, depth, length. It judges nothing. A block further down is body text.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser, ScalarStyle};

/// The longest front matter that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 10;
/// The deepest nesting of lists and tables that is read.
pub const MAX_DEPTH: usize = 16;

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A scalar as it is written (quotes resolved); empty and null are the empty text.
    Text(String),
    /// A list of scalars.
    Texts(Vec<String>),
    /// Anything deeper, which no field of a governed document is.
    NotScalar,
}

/// The fields of a front matter. Keys are in their plain form, see [`plain_key`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// The value of a key in its plain form.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// A field as one text: a list is joined with commas, anything deeper says what it is.
    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(|value| match value {
            Value::Text(text) => text.trim().to_owned(),
            Value::Texts(texts) => texts.join(", "),
            Value::NotScalar => "(not a scalar)".to_owned(),
        })
    }

    /// The keys, in their plain form and sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a field; `Err` when the key is there already, in this or another spelling.
    fn insert(&mut self, key: &str, value: Value) -> Result<(), String> {
        match self.0.insert(plain_key(key), value) {
            None => Ok(()),
            Some(_) => Err(format!("the key `{key}` is given twice")),
        }
    }
}

/// Why a front matter cannot be parsed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line in the document, from 1.
    pub line: usize,
    /// A lower-case fragment.
    pub reason: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// A document in its two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The front matter, where there is one.
    pub fields: Option<Fields>,
    /// What follows it.
    pub body: &'a str,
}

/// The plain form of a key: lower case, hyphens and blanks as underscores. `Run-ID` and `run_id` are the
/// same field to a human reader, so they are here too.
pub fn plain_key(key: &str) -> String {
    key.trim()
        .chars()
        .map(|c| if c == '-' || c.is_whitespace() { '_' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

/// Splits a document. A byte order mark before the first line is allowed, nothing else is.
///
/// # Errors
/// [`Broken`] when a front matter was opened and is not closed, too long, or not parsable.
pub fn split(text: &str) -> Result<Parts<'_>, Broken> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let opener = lines.next().unwrap_or("");
    let fence = opener.trim_end();
    if fence != "---" && fence != "+++" {
        return Ok(Parts { fields: None, body: text });
    }
    let mut end = opener.len();
    for line in lines {
        if line.trim_end() == fence {
            let inside = &text[opener.len()..end];
            if inside.len() > MAX_BYTES {
                let reason = format!("the front matter has {} bytes, more than the limit of {MAX_BYTES}", inside.len());
                return Err(Broken { line: 1, reason });
            }
            let fields = match (fence, plain(inside)) {
                ("---", Some(fields)) => fields,
                ("---", None) => yaml(inside)?,
                (_, _) => toml(inside)?,
            };
            return Ok(Parts { fields: Some(fields), body: &text[end + line.len()..] });
        }
        end += line.len();
    }
    Err(Broken { line: 1, reason: format!("the front matter opens with {fence} and is not closed") })
}

/// The fields of a YAML front matter of the plainest kind: each line is a key, a colon, and a value of letters, digits and a
/// few marks that mean nothing in YAML within a line. `None` for every other, which has to be parsed. Most are of this kind,
/// and parsing them would take as long as reading the document.
fn plain(inside: &str) -> Option<Fields> {
    const LONGEST_KEY: usize = 64;
    let is_null = |text: &str| text.eq_ignore_ascii_case("null");
    let mut fields = Fields::default();
    for line in inside.split_terminator('\n') {
        let (key, value) = line.split_once(": ")?;
        let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
            && key.len() <= LONGEST_KEY
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let is_value = value.starts_with(|c: char| c.is_ascii_alphanumeric())
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'_' | b'/' | b'-'))
            && !value.ends_with(' ');
        if !is_key || !is_value || is_null(key) || is_null(value) {
            return None;
        }
        fields.insert(key, Value::Text(value.to_owned())).ok()?;
    }
    Some(fields)
}

/// A container that is open while YAML events arrive.
enum Open {
    /// A table: the keys so far, and the key whose value comes next.
    Table(BTreeSet<String>, Option<String>),
    /// A list: its texts, or `None` once something else was in it.
    List(Option<Vec<String>>),
}

/// Parses the inside of a YAML front matter. It starts on line 2 of the document.
fn yaml(inside: &str) -> Result<Fields, Broken> {
    let mut fields = Fields::default();
    let mut open: Vec<Open> = Vec::new();
    let mut documents = 0;
    for event in Parser::new_from_str(inside) {
        let (event, span) = event.map_err(|error| {
            let line = error.marker().line() + 1;
            Broken { line, reason: format!("not YAML: {}", error.info()) }
        })?;
        let line = span.start.line() + 1;
        let refuse = |reason: &str| Broken { line, reason: reason.to_owned() };
        let (anchor, tagged) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            Event::Alias(_) => return Err(refuse("aliases are not read")),
            Event::DocumentStart(_) => {
                documents += 1;
                (0, false)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => (0, false),
        };
        if anchor != 0 {
            return Err(refuse("anchors are not read"));
        }
        if tagged {
            return Err(refuse("tags are not read"));
        }
        if documents > 1 {
            return Err(refuse("more than one YAML document"));
        }
        match event {
            Event::Scalar(text, style, ..) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "~" | "null" | "Null" | "NULL");
                let text = if null { String::new() } else { text.into_owned() };
                let depth = open.len();
                match open.last_mut() {
                    None if text.is_empty() => {}
                    None => return Err(refuse("not a table of keys and values")),
                    Some(Open::List(texts)) => {
                        if let Some(texts) = texts {
                            texts.push(text);
                        }
                    }
                    Some(Open::Table(keys, key @ None)) => {
                        if text == "<<" {
                            return Err(refuse("merge keys are not read"));
                        }
                        if !keys.insert(plain_key(&text)) {
                            return Err(refuse(&format!("the key `{text}` is given twice")));
                        }
                        *key = Some(text);
                    }
                    Some(Open::Table(_, key)) => {
                        if let (Some(key), 1) = (key.take(), depth) {
                            fields.insert(&key, Value::Text(text)).map_err(|reason| refuse(&reason))?;
                        }
                    }
                }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let list = matches!(event, Event::SequenceStart(..));
                if list && open.is_empty() {
                    return Err(refuse("not a table of keys and values"));
                }
                if matches!(open.last(), Some(Open::Table(_, None))) {
                    return Err(refuse("a key is not a text"));
                }
                if open.len() >= MAX_DEPTH {
                    return Err(refuse(&format!("nested deeper than {MAX_DEPTH} levels")));
                }
                if let Some(Open::List(texts)) = open.last_mut() {
                    *texts = None;
                }
                open.push(if list { Open::List(Some(Vec::new())) } else { Open::Table(BTreeSet::new(), None) });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let closed = open.pop();
                let depth = open.len();
                if let Some(Open::Table(_, key)) = open.last_mut()
                    && let (Some(key), 1) = (key.take(), depth)
                {
                    let value = match closed {
                        Some(Open::List(Some(texts))) => Value::Texts(texts),
                        Some(Open::List(None) | Open::Table(..)) | None => Value::NotScalar,
                    };
                    fields.insert(&key, value).map_err(|reason| refuse(&reason))?;
                }
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Alias(_) => {}
        }
    }
    Ok(fields)
}

/// Parses the inside of a TOML front matter. It starts on line 2 of the document.
fn toml(inside: &str) -> Result<Fields, Broken> {
    let table: toml::Table = toml::from_str(inside).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| inside.get(..span.start)).unwrap_or("");
        Broken { line: before.matches('\n').count() + 2, reason: format!("not TOML: {}", error.message().trim()) }
    })?;
    let mut fields = Fields::default();
    for (key, value) in &table {
        let texts = |items: &Vec<toml::Value>| items.iter().map(toml_scalar).collect::<Option<Vec<String>>>();
        let list = value.as_array().and_then(texts).map(Value::Texts);
        let value = list.or_else(|| toml_scalar(value).map(Value::Text)).unwrap_or(Value::NotScalar);
        fields.insert(key, value).map_err(|reason| Broken { line: 2, reason })?;
    }
    Ok(fields)
}

/// A TOML scalar as text; `None` for arrays and tables.
fn toml_scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Datetime(time) => Some(time.to_string()),
        toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]
        /// The short way gives what parsing gives, or nothing.
        #[test]
        fn what_is_plain_is_read_as_by_the_parser(lines in prop::collection::vec(line(), 0..5)) {
            let inside = lines.concat();
            if let Some(fields) = plain(&inside) {
                prop_assert_eq!(Ok(fields), yaml(&inside), "{:?}", inside);
            }
        }
    }

    fn line() -> impl Strategy<Value = String> {
        let key =
            prop_oneof!["[a-zA-Z][a-zA-Z0-9_-]{0,8}", Just("null".to_owned()), Just("y".to_owned()), "[ -~]{0,4}"];
        let value = prop_oneof![
            "[a-zA-Z0-9][a-zA-Z0-9 ._/-]{0,12}",
            Just("Null".to_owned()),
            Just("2026-01-01".to_owned()),
            Just("0x1F".to_owned()),
            Just("1.5e3".to_owned()),
            "[ -~]{0,6}",
        ];
        (key, prop_oneof![Just(": "), Just(":"), Just(":  ")], value, prop_oneof![9 => Just("\n"), 1 => Just(" \n")])
            .prop_map(|(key, colon, value, end)| [key.as_str(), colon, &value, end].concat())
    }
}

//! What a configuration file says, whatever its format, and where it cannot be understood.

use std::collections::BTreeMap;

/// A value. Numbers keep the text they were written with, or the canonical one where the parser has none.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::probes) enum Value {
    /// Text that was quoted, or cannot be anything else in its format.
    Text(String),
    /// Text of a format that knows nothing but text (INI, env): it may be meant as a number or truth value.
    Untyped(String),
    /// A whole number.
    Int(String),
    /// A number with a fraction or exponent.
    Float(String),
    /// True or false.
    Bool(bool),
    /// A date or time of the format's own.
    Time(String),
    /// Nothing: the key is there without a value.
    Null,
    /// Something that readers of the format disagree about, such as `yes` in YAML.
    Ambiguous,
    /// A list.
    List(Vec<Value>),
    /// A table.
    Table(Table),
}

/// Keys and values.
pub(in crate::probes) type Table = BTreeMap<String, Value>;

/// Why a file cannot be understood. It never quotes the file, whose content may be secret; `reason` is a
/// fixed sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::probes) struct Broken {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl Broken {
    /// A problem at a byte offset of `text`.
    pub fn at_offset(text: &str, offset: usize, reason: &'static str) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self { line, column, reason }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

impl Value {
    /// The word for what was found.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text(text) | Self::Untyped(text) if text.is_empty() => "empty",
            Self::Text(_) | Self::Untyped(_) => "text",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Bool(_) => "bool",
            Self::Time(_) => "time",
            Self::Null => "null",
            Self::Ambiguous => "ambiguous",
            Self::List(_) => "list",
            Self::Table(_) => "table",
        }
    }

    /// Every text inside, keys of tables included.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Text(text) | Self::Untyped(text) | Self::Int(text) | Self::Float(text) | Self::Time(text) => {
                vec![text.clone()]
            }
            Self::Bool(_) | Self::Null | Self::Ambiguous => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::texts).collect(),
            Self::Table(table) => table
                .iter()
                .flat_map(|(key, value)| {
                    let mut texts = value.texts();
                    texts.push(key.clone());
                    texts
                })
                .collect(),
        }
    }
}

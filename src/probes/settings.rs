//! A probe's settings: what a gate file may give, and what it gave once the package filled it in.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The kind of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A path as the package writes it; read through [`super::Door`] only.
    Path,
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// True or false.
    Bool,
    /// A length of time, as text: "90s", "24h", "30d".
    Duration,
    /// A list of texts.
    Texts,
    /// A table, whose inside the probe checks.
    Table,
    /// A list of tables, whose inside the probe checks.
    Tables,
}

impl ParameterKind {
    /// The name that messages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "a path",
            Self::Text => "a string",
            Self::Int => "an integer",
            Self::Bool => "true or false",
            Self::Duration => "a duration such as \"24h\"",
            Self::Texts => "a list of strings",
            Self::Table => "a table",
            Self::Tables => "a list of tables",
        }
    }

    /// Whether a resolved value is of this kind.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::Path | Self::Text => value.is_string(),
            Self::Int => value.is_i64(),
            Self::Bool => value.is_boolean(),
            Self::Duration => value.as_str().is_some_and(|text| parse_duration(text).is_some()),
            Self::Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Table => value.is_object(),
            Self::Tables => value.as_array().is_some_and(|items| items.iter().all(Value::is_object)),
        }
    }
}

/// A setting that a probe declares.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its key in the gate file.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: ParameterKind,
    /// Whether the probe cannot do without it.
    pub required: bool,
    /// One line for the documentation, with the unit and what its absence means.
    pub doc: &'static str,
}

/// Something wrong inside a setting whose kind is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblem {
    /// The setting's key.
    pub name: String,
    /// What is wrong and where inside: a lower-case fragment.
    pub message: String,
    /// How to put it right.
    pub help: String,
}

/// Resolved settings. The accessors trust the kinds, which were checked when the gate was loaded. They are passed
/// from the gate to the thread of the probe and into the evidence, and shared on the way: they may list thousands of
/// paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(pub Arc<BTreeMap<String, Value>>);

impl FromIterator<(String, Value)> for Settings {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(settings: T) -> Self {
        Self(Arc::new(settings.into_iter().collect()))
    }
}

impl Settings {
    /// The text or path of a setting; `None` where it was not given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Whether a setting was given.
    pub fn given(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text or path of a required setting.
    pub fn required_text(&self, name: &str) -> &str {
        self.text(name).expect("invariant: required settings were checked when the gate was loaded")
    }

    /// The integer of a setting.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// The truth value of a setting.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// The length of time of a setting.
    pub fn duration(&self, name: &str) -> Option<std::time::Duration> {
        self.text(name).and_then(parse_duration)
    }

    /// The texts of a setting; empty where it was not given.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let items = self.0.get(name).and_then(Value::as_array);
        items.map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    /// A table or list of tables as a typed value.
    ///
    /// # Errors
    /// The reason why the value does not have that form.
    pub fn parse<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        T::deserialize(self.0.get(name).unwrap_or(&Value::Null)).map_err(|error| error.to_string())
    }

    /// The tables of a setting, each as a typed value or the reason why it does not have that form; empty
    /// where it was not given.
    pub fn tables<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Vec<Result<T, String>> {
        let items = self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items.iter().map(|item| T::deserialize(item).map_err(|error| error.to_string())).collect()
    }
}

/// Whether a key of a table can name a fact in rules: a lower-case letter or `_`, then these and digits.
pub(super) fn is_fact_name(key: &str) -> bool {
    let first = key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    first && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// "90s", "15m", "24h", "30d", and sums such as "1h30m". `None` for anything else, zero and overflow included.
pub fn parse_duration(text: &str) -> Option<std::time::Duration> {
    let mut seconds: u64 = 0;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit: u64 = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let count: u64 = digits.parse().ok()?;
        seconds = seconds.checked_add(count.checked_mul(unit)?)?;
        digits.clear();
    }
    // A century bounds it, so that adding it to an instant cannot overflow.
    let sensible = digits.is_empty() && seconds > 0 && seconds <= 100 * 366 * 86_400;
    sensible.then(|| std::time::Duration::from_secs(seconds))
}

//! A value that a probe read, or the reason why there is none.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{Instant, Missing, MissingState};

/// A fact: a tree whose leaves are values or reasons.
///
/// In JSON, text, booleans and small integers stand for themselves; an integer beyond 2^53 is
/// `{"$int":"…"}` (RFC 8785 keeps numbers as doubles), an instant `{"$time":"…"}`, a missing fact
/// `{"$missing":{…}}`. A map key that starts with `$` is written with a second one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// True or false, and known to be.
    Bool(bool),
    /// A whole number; the unit is the fact's own.
    Int(i64),
    /// Text from the host: hostile until escaped.
    Text(String),
    /// An instant in UTC.
    Time(Instant),
    /// A sequence in the probe's documented order.
    List(Vec<Fact>),
    /// A record or a dictionary.
    Map(BTreeMap<String, Fact>),
    /// Not there, and why.
    Missing(Box<Missing>),
}

/// The largest magnitude that a double holds exactly.
const EXACT: i64 = 1 << 53;

impl Fact {
    /// Text.
    pub fn text(value: impl Into<String>) -> Self {
        Self::Text(value.into())
    }

    /// A record from its fields.
    pub fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Fact)>) -> Self {
        Self::Map(fields.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect())
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Fact>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// A list of texts.
    pub fn texts<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(|item| Self::Text(item.into())).collect())
    }

    /// The field of a record, if this is a record that has it.
    pub fn get(&self, name: &str) -> Option<&Fact> {
        match self {
            Self::Map(map) => map.get(name),
            Self::Bool(_) | Self::Int(_) | Self::Text(_) | Self::Time(_) | Self::List(_) | Self::Missing(_) => None,
        }
    }

    /// The fact at a dotted path through records.
    pub fn at(&self, path: &str) -> Option<&Fact> {
        path.split('.').try_fold(self, |fact, name| fact.get(name))
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Bool(value) => json!(value),
            Self::Int(value) if value.unsigned_abs() <= EXACT.unsigned_abs() => json!(value),
            Self::Int(value) => json!({ "$int": value.to_string() }),
            Self::Text(value) => json!(value),
            Self::Time(value) => json!({ "$time": value.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true) }),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(map) => {
                Value::Object(map.iter().map(|(key, fact)| (escape_key(key), fact.to_json())).collect::<Map<_, _>>())
            }
            Self::Missing(missing) => json!({ "$missing": missing }),
        }
    }

    fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(value) => Ok(Self::Bool(value)),
            Value::Number(number) => {
                number.as_i64().map(Self::Int).ok_or_else(|| format!("{number} is not a whole number"))
            }
            Value::String(text) => Ok(Self::Text(text)),
            Value::Array(items) => Ok(Self::List(items.into_iter().map(Self::from_json).collect::<Result<_, _>>()?)),
            Value::Object(map) => Self::from_object(map),
            Value::Null => Err("null is not a fact".to_owned()),
        }
    }

    fn from_object(map: Map<String, Value>) -> Result<Self, String> {
        if let Some((key, value)) = map.iter().next()
            && map.len() == 1
        {
            match key.as_str() {
                "$int" => {
                    let text = value.as_str().ok_or("$int holds a string")?;
                    return text.parse().map(Self::Int).map_err(|error| format!("$int {text}: {error}"));
                }
                "$time" => {
                    let text = value.as_str().ok_or("$time holds a string")?;
                    // RFC 3339 ends with the year 9999, and an instant in UTC may lie a day beyond what was written.
                    let time = match text.starts_with(['+', '-']) {
                        true => text.parse::<Instant>(),
                        false => chrono::DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()),
                    };
                    return time.map(Self::Time).map_err(|error| format!("$time {text}: {error}"));
                }
                "$missing" => {
                    let missing = serde_json::from_value(value.clone());
                    return missing.map(|missing| Self::Missing(Box::new(missing))).map_err(|error| error.to_string());
                }
                _ => {}
            }
        }
        let fields = map.into_iter().map(|(key, value)| Ok((unescape_key(&key)?, Self::from_json(value)?)));
        fields.collect::<Result<_, String>>().map(Self::Map)
    }
}

fn escape_key(key: &str) -> String {
    if key.starts_with('$') { format!("${key}") } else { key.to_owned() }
}

fn unescape_key(key: &str) -> Result<String, String> {
    match key.strip_prefix('$') {
        Some(rest) if rest.starts_with('$') => Ok(rest.to_owned()),
        Some(_) => Err(format!("unknown marker {key}")),
        None => Ok(key.to_owned()),
    }
}

impl From<bool> for Fact {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Fact {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Fact {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Fact {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Instant> for Fact {
    fn from(value: Instant) -> Self {
        Self::Time(value)
    }
}

impl From<Missing> for Fact {
    fn from(missing: Missing) -> Self {
        Self::Missing(Box::new(missing))
    }
}

impl<T: Into<Fact>> From<Result<T, Missing>> for Fact {
    fn from(result: Result<T, Missing>) -> Self {
        match result {
            Ok(value) => value.into(),
            Err(missing) => missing.into(),
        }
    }
}

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A count as a fact. Saturates at `i64::MAX`, which no host reaches.
impl From<u64> for Fact {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Fact {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl MissingState {
    /// Whether the thing is known not to be there, as opposed to not seen.
    pub fn is_absent(self) -> bool {
        self == Self::Absent
    }
}

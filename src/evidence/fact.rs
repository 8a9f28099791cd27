//! A value that a probe read, or the reason why there is none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    /// Not there, and why; shared, for many facts may be missing for one reason.
    Missing(Arc<Missing>),
}

/// The largest magnitude that a double holds exactly.
const EXACT: i64 = 1 << 53;

/// The markers of facts that JSON has no form for.
const INT: &str = "$int";
const TIME: &str = "$time";
const MISSING: &str = "$missing";

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

    /// The elements of a list; what is no list comes back as it is.
    ///
    /// # Errors
    /// The fact itself, where it is no list.
    pub fn into_list(self) -> Result<Vec<Fact>, Fact> {
        match self {
            Self::List(items) => Ok(items),
            Self::Bool(_) | Self::Int(_) | Self::Text(_) | Self::Time(_) | Self::Map(_) | Self::Missing(_) => Err(self),
        }
    }

    /// The fact at a dotted path through records.
    pub fn at(&self, path: &str) -> Option<&Fact> {
        path.split('.').try_fold(self, |fact, name| fact.get(name))
    }
}

fn escape_key(key: &str) -> Cow<'_, str> {
    if key.starts_with('$') { Cow::Owned(format!("${key}")) } else { Cow::Borrowed(key) }
}

fn unescape_key(key: String) -> Result<String, String> {
    match key.strip_prefix('$') {
        Some(rest) if rest.starts_with('$') => Ok(rest.to_owned()),
        Some(_) => Err(format!("unknown marker {key}")),
        None => Ok(key),
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
        Self::Missing(Arc::new(missing))
    }
}

impl From<Arc<Missing>> for Fact {
    fn from(missing: Arc<Missing>) -> Self {
        Self::Missing(missing)
    }
}

impl<T: Into<Fact>> From<Result<T, Arc<Missing>>> for Fact {
    fn from(result: Result<T, Arc<Missing>>) -> Self {
        match result {
            Ok(value) => value.into(),
            Err(missing) => missing.into(),
        }
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
        let marked = |serializer: S, marker: &str, text: &str| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(marker, text)?;
            map.end()
        };
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) if value.unsigned_abs() <= EXACT.unsigned_abs() => serializer.serialize_i64(*value),
            Self::Int(value) => marked(serializer, INT, &value.to_string()),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Time(value) => marked(serializer, TIME, &value.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(fields) => serializer.collect_map(fields.iter().map(|(key, fact)| (escape_key(key), fact))),
            Self::Missing(missing) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(MISSING, &**missing)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Reads a fact as it comes, without a tree of JSON between.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Fact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fact: true, false, a whole number, text, a list or a record")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Fact, E> {
        Ok(Fact::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Fact, E> {
        Ok(Fact::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Fact, E> {
        i64::try_from(value).map(Fact::Int).map_err(|_| E::custom(format!("{value} does not fit into 64 bits")))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Fact, E> {
        Ok(Fact::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Fact, E> {
        Ok(Fact::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Fact, A::Error> {
        let mut facts = Vec::new();
        while let Some(fact) = items.next_element()? {
            facts.push(fact);
        }
        Ok(Fact::List(facts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Fact, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = fields.next_key::<String>()? {
            let marked = match key.as_str() {
                INT => {
                    let text: String = fields.next_value().map_err(|error| marker(INT, &error))?;
                    let number = text.parse().map_err(|error| de::Error::custom(format!("{INT} {text}: {error}")))?;
                    Some(Fact::Int(number))
                }
                TIME => {
                    let text: String = fields.next_value().map_err(|error| marker(TIME, &error))?;
                    // RFC 3339 ends with the year 9999, and an instant in UTC may lie a day beyond what was written.
                    let time = match text.starts_with(['+', '-']) {
                        true => text.parse::<Instant>(),
                        false => chrono::DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc()),
                    };
                    let time = time.map_err(|error| de::Error::custom(format!("{TIME} {text}: {error}")))?;
                    Some(Fact::Time(time))
                }
                MISSING => Some(Fact::from(fields.next_value::<Missing>()?)),
                _ => None,
            };
            if let Some(fact) = marked {
                // A marker stands alone: beside another key neither of the two would mean what it says.
                return match (map.is_empty(), fields.next_key::<String>()?) {
                    (true, None) => Ok(fact),
                    (false, _) | (true, Some(_)) => Err(de::Error::custom(format!("{key} does not stand alone"))),
                };
            }
            let name = unescape_key(key).map_err(de::Error::custom)?;
            let fact = fields.next_value()?;
            if map.insert(name.clone(), fact).is_some() {
                return Err(de::Error::custom(format!("{name:?} is given twice")));
            }
        }
        Ok(Fact::Map(map))
    }
}

/// Says which marker's value was refused.
fn marker<E: de::Error>(name: &str, error: &E) -> E {
    E::custom(format!("{name}: {error}"))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::canonical_json;

    fn fact() -> impl Strategy<Value = Fact> {
        let missing = any::<String>().prop_map(|said| Missing {
            state: MissingState::Denied,
            tried: "read".to_owned(),
            by: "me".to_owned(),
            said,
            next: String::new(),
        });
        let instant = (0_i64..4_000_000_000, 0_u32..1_000_000_000)
            .prop_filter_map("an instant", |(seconds, nanos)| chrono::DateTime::from_timestamp(seconds, nanos));
        let leaf = prop_oneof![
            any::<bool>().prop_map(Fact::Bool),
            any::<i64>().prop_map(Fact::Int),
            any::<String>().prop_map(Fact::Text),
            instant.prop_map(Fact::Time),
            missing.prop_map(Fact::from),
        ];
        leaf.prop_recursive(3, 32, 6, |inner| {
            let key = prop_oneof![any::<String>(), "\\$?\\$(int|time|missing)"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Fact::List),
                prop::collection::btree_map(key, inner, 0..5).prop_map(Fact::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(fact in fact()) {
            let bytes = canonical_json(&fact);
            prop_assert_eq!(serde_json::from_slice::<Fact>(&bytes).ok(), Some(fact));
        }
    }

    #[test]
    fn what_is_no_fact_is_refused() {
        for text in [
            "null",
            "1.5",
            "9223372036854775808",
            r#"{"a":1,"a":2}"#,
            r#"{"$int":"1","a":2}"#,
            r#"{"a":2,"$int":"1"}"#,
            r#"{"$int":1}"#,
            r#"{"$int":"x"}"#,
            r#"{"$time":"yesterday"}"#,
            r#"{"$missing":{"state":"denied"}}"#,
            r#"{"$other":1}"#,
        ] {
            assert!(serde_json::from_str::<Fact>(text).is_err(), "{text}");
        }
    }
}

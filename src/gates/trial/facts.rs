//! Facts as a case writes them: TOML values, with `{ "$missing" = "denied" }` for what could not be read; the markers of
//! `evidence.json` are understood too, so that facts can be copied.

use serde_json::Value;
use toml::Spanned;
use toml::de::DeValue;

use crate::evidence::{Fact, Missing, MissingState};
use crate::package::Reading;
use crate::package::diagnostic::suggestion;
use crate::package::table::integer;

/// The key of a fact that could not be read.
const MISSING: &str = "$missing";

const STATES: [MissingState; 6] = [
    MissingState::Absent,
    MissingState::Denied,
    MissingState::Unreadable,
    MissingState::TimedOut,
    MissingState::Error,
    MissingState::Withheld,
];

/// The fact that a value stands for; `None` after saying what is wrong with it.
pub fn fact(reading: &Reading<'_>, value: &Spanned<DeValue<'_>>) -> Option<Fact> {
    let wrong = |message: &str, help: &str| {
        reading.error(&value.span(), message, help);
        None
    };
    match value.get_ref() {
        DeValue::String(text) => Some(Fact::Text(text.to_string())),
        DeValue::Boolean(value) => Some(Fact::Bool(*value)),
        DeValue::Integer(number) => match integer(number) {
            Some(number) => Some(Fact::Int(number)),
            None => wrong("the number does not fit into 64 bits", "give a smaller number"),
        },
        DeValue::Float(_) => wrong("facts have no fractions", "give a whole number"),
        DeValue::Datetime(time) => match time.to_string().parse() {
            Ok(time) => Some(Fact::Time(time)),
            Err(_) => wrong("an instant needs a date, a time and a zone", "write it as 2026-05-21T10:00:00Z"),
        },
        DeValue::Array(items) => {
            let items: Vec<Option<Fact>> = items.iter().map(|item| fact(reading, item)).collect();
            items.into_iter().collect::<Option<Vec<_>>>().map(Fact::List)
        }
        DeValue::Table(table) => match table.iter().find(|(key, _)| key.get_ref().starts_with('$')) {
            Some((key, state)) if key.get_ref() == MISSING && state.get_ref().is_str() && table.len() == 1 => {
                missing(reading, state)
            }
            // The other markers as evidence.json has them.
            Some(_) => match serde_json::from_value(json(value.get_ref())) {
                Ok(fact) => Some(fact),
                Err(error) => {
                    wrong(&format!("this is no fact: {error}"), "copy it from an evidence.json, or name a state")
                }
            },
            None => {
                let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, _)| {
                    fact(reading, value).map(|fact| (key.get_ref().to_string(), fact))
                };
                let entries: Vec<Option<(String, Fact)>> = table.iter().map(entry).collect();
                entries.into_iter().collect::<Option<_>>().map(Fact::Map)
            }
        },
    }
}

/// A value as evidence.json would have it.
fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Integer(number) => integer(number).map_or(Value::Null, Value::from),
        DeValue::Float(_) => Value::Null,
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
        }
    }
}

fn missing(reading: &Reading<'_>, value: &Spanned<DeValue<'_>>) -> Option<Fact> {
    let word = value.get_ref().as_str().unwrap_or_default();
    let Some(state) = STATES.into_iter().find(|state| state.word() == word) else {
        let help = suggestion(word, STATES.map(MissingState::word));
        reading.error(&value.span(), "there is no such reason for a missing fact", help);
        return None;
    };
    Some(Fact::from(Missing {
        state,
        tried: "read what this case says is missing".to_owned(),
        by: "the case".to_owned(),
        said: "the case says so".to_owned(),
        next: "nothing: this is a test".to_owned(),
    }))
}

/// Puts a fact at a path through records (by name) and lists (by position, from 0).
///
/// # Errors
/// The part of the path that leads nowhere.
pub fn put(facts: &mut Fact, path: &[&str], new: Fact) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        *facts = new;
        return Ok(());
    };
    let next = match facts {
        // A field that a probe leaves out may be added; whether it may be there, the shape says.
        Fact::Map(fields) if rest.is_empty() => fields.entry((*first).to_owned()).or_insert(Fact::Bool(false)),
        Fact::Map(fields) => fields.get_mut(*first).ok_or_else(|| format!("there is no `{first}`"))?,
        Fact::List(items) => {
            let count = items.len();
            let at: usize = first.parse().map_err(|_| format!("`{first}` is no position in a list"))?;
            items.get_mut(at).ok_or_else(|| format!("the list has {count} elements, and none at {at}"))?
        }
        Fact::Missing(missing) => return Err(format!("`{first}` is looked for in what is {}", missing.state.word())),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) => {
            return Err(format!("`{first}` is looked for in a plain value"));
        }
    };
    put(next, rest, new)
}

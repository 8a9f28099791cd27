//! TOML, through the toml crate.

use super::tree::{Broken, Table, Value};

/// The top table.
///
/// # Errors
/// Where the text is not TOML. The library's own words are not passed on: they may quote the text.
pub(super) fn parse(text: &str) -> Result<Table, Broken> {
    let parsed: Result<toml::Table, toml::de::Error> = toml::from_str(text);
    let table = parsed.map_err(|error| {
        let reason =
            if error.message().starts_with("duplicate key") { "this key was there before" } else { "not TOML" };
        Broken::at_offset(text, error.span().map_or(0, |span| span.start), reason)
    })?;
    Ok(table.into_iter().map(|(key, value)| (key, value_of(value))).collect())
}

fn value_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::Text(text),
        toml::Value::Integer(number) => Value::Int(number.to_string()),
        toml::Value::Float(number) => Value::Float(number.to_string()),
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(time) => Value::Time(time.to_string()),
        toml::Value::Array(items) => Value::List(items.into_iter().map(value_of).collect()),
        toml::Value::Table(table) => {
            Value::Table(table.into_iter().map(|(key, value)| (key, value_of(value))).collect())
        }
    }
}

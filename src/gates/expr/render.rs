//! Values as a person reads them.

use chrono::TimeDelta;

use super::eval::{Stop, Unknown, Val};
use crate::evidence::Fact;

/// The text of a fact: lists joined with commas, an empty one as "none".
pub fn render(fact: &Fact) -> String {
    match fact {
        Fact::Bool(value) => value.to_string(),
        Fact::Int(value) => value.to_string(),
        Fact::Text(text) => text.clone(),
        Fact::Time(time) => time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        Fact::List(items) if items.is_empty() => "none".to_owned(),
        Fact::List(items) if items.iter().any(|item| matches!(item, Fact::Map(_))) => {
            format!("{} records", items.len())
        }
        Fact::List(items) => items.iter().map(render).collect::<Vec<_>>().join(", "),
        Fact::Map(map) => {
            map.iter().map(|(key, fact)| format!("{key}: {}", render(fact))).collect::<Vec<_>>().join(", ")
        }
        Fact::Missing(missing) => format!("({})", missing.state.word()),
    }
}

pub(super) fn render_value(value: &Val) -> String {
    match value {
        Val::Fact(fact) => render(fact),
        Val::Duration(length) => render_duration(*length),
    }
}

fn render_duration(length: TimeDelta) -> String {
    let sign = if length < TimeDelta::zero() { "-" } else { "" };
    let seconds = length.num_seconds().unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds} s"),
        (0, 0, minutes) => format!("{sign}{minutes} min"),
        (0, hours, minutes) => format!("{sign}{hours} h {minutes} min"),
        (days, hours, _) => format!("{sign}{days} d {hours} h"),
    }
}

pub(super) fn render_stop(stop: &Stop) -> String {
    match stop {
        Stop::Vacuous(why) => format!("(does not hold: {why})"),
        Stop::Unknown(unknown) => match unknown.first() {
            Some(Unknown::Missing { missing, .. }) => format!("(unknown: {})", missing.state.word()),
            Some(Unknown::Error(what)) => format!("(unknown: {what})"),
            None => "(unknown)".to_owned(),
        },
    }
}

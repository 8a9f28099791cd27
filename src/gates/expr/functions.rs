//! The functions that rules may call: a sorted table of names, types and meanings.

use chrono::TimeDelta;

use super::eval::Val;
use super::render::render;
use super::types::ExprType;
use crate::evidence::Fact;
use crate::probes::parse_duration;

/// A function; a method's target is its first argument.
pub struct Function {
    /// Its name in CEL.
    pub name: &'static str,
    /// How it is written, for messages.
    pub usage: &'static str,
    /// The type of the result; `None` where the arguments do not fit.
    pub result: fn(&[ExprType]) -> Option<ExprType>,
    /// What it computes; the error is a lower-case fragment.
    pub call: fn(&[Val]) -> Result<Val<'static>, String>,
}

/// Sorted by name.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "contains",
        usage: "text.contains(part)",
        result: text_test,
        call: |args| test(args, |text, part| text.contains(part)),
    },
    Function {
        name: "duration",
        usage: "duration(\"24h\")",
        result: |args| (args == [ExprType::Text]).then_some(ExprType::Duration),
        call: |args| duration(text(args, 0)?).map(Val::Duration),
    },
    Function {
        name: "endsWith",
        usage: "text.endsWith(part)",
        result: text_test,
        call: |args| test(args, |text, part| text.ends_with(part)),
    },
    Function {
        name: "int",
        usage: "int(text)",
        result: |args| (args == [ExprType::Text]).then_some(ExprType::Int),
        call: |args| {
            let text = text(args, 0)?;
            text.trim()
                .parse()
                .map(|n: i64| Val::from(Fact::Int(n)))
                .map_err(|_| format!("{text:?} is not a whole number"))
        },
    },
    Function {
        name: "join",
        usage: "list.join(separator)",
        result: |args| match args {
            [ExprType::List(item), ExprType::Text] if matches!(**item, ExprType::Text | ExprType::Nothing) => {
                Some(ExprType::Text)
            }
            _ => None,
        },
        call: |args| {
            let (items, separator) = (list(args, 0)?, text(args, 1)?);
            let texts: Vec<_> = items.iter().map(render).collect();
            Ok(Val::from(Fact::Text(texts.join(separator))))
        },
    },
    Function {
        name: "matches",
        usage: "text.matches(regular_expression)",
        result: text_test,
        call: |args| {
            let pattern = regex::Regex::new(text(args, 1)?).map_err(|error| error.to_string())?;
            Ok(Val::from(Fact::Bool(pattern.is_match(text(args, 0)?))))
        },
    },
    Function {
        name: "size",
        usage: "size(list)",
        result: |args| match args {
            [ExprType::List(_) | ExprType::Dict(_) | ExprType::Text] => Some(ExprType::Int),
            _ => None,
        },
        call: |args| match args.first().and_then(Val::fact) {
            Some(Fact::List(items)) => Ok(Val::from(Fact::from(items.len()))),
            Some(Fact::Map(map)) => Ok(Val::from(Fact::from(map.len()))),
            Some(Fact::Text(text)) => Ok(Val::from(Fact::from(text.chars().count()))),
            Some(Fact::Bool(_) | Fact::Int(_) | Fact::Time(_) | Fact::Missing(_)) | None => {
                Err("it has no size".to_owned())
            }
        },
    },
    Function {
        name: "startsWith",
        usage: "text.startsWith(part)",
        result: text_test,
        call: |args| test(args, |text, part| text.starts_with(part)),
    },
    Function {
        name: "string",
        usage: "string(value)",
        result: |args| match args {
            [ExprType::Bool | ExprType::Int | ExprType::Text | ExprType::Time] => Some(ExprType::Text),
            _ => None,
        },
        call: |args| {
            let value = args.first().and_then(Val::fact).ok_or("it has no text")?;
            Ok(Val::from(Fact::Text(render(value))))
        },
    },
    Function {
        name: "timestamp",
        usage: "timestamp(\"2026-05-21T00:00:00Z\")",
        result: |args| (args == [ExprType::Text]).then_some(ExprType::Time),
        call: |args| {
            let text = text(args, 0)?;
            let time = chrono::DateTime::parse_from_rfc3339(text);
            time.map(|time| Val::from(Fact::Time(time.to_utc())))
                .map_err(|error| format!("{text:?} is no instant: {error}"))
        },
    },
];

/// The function of a name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// A length of time from its text.
pub fn duration(text: &str) -> Result<TimeDelta, String> {
    let parsed = parse_duration(text).and_then(|duration| TimeDelta::from_std(duration).ok());
    parsed.ok_or_else(|| format!("{text:?} is no duration such as \"24h\""))
}

fn text_test(args: &[ExprType]) -> Option<ExprType> {
    (args == [ExprType::Text, ExprType::Text]).then_some(ExprType::Bool)
}

fn test(args: &[Val], holds: fn(&str, &str) -> bool) -> Result<Val<'static>, String> {
    Ok(Val::from(Fact::Bool(holds(text(args, 0)?, text(args, 1)?))))
}

fn text<'v>(args: &'v [Val], index: usize) -> Result<&'v str, String> {
    match args.get(index).and_then(Val::fact) {
        Some(Fact::Text(text)) => Ok(text),
        Some(_) | None => Err("it is not a string".to_owned()),
    }
}

fn list<'v>(args: &'v [Val], index: usize) -> Result<&'v [Fact], String> {
    match args.get(index).and_then(Val::fact) {
        Some(Fact::List(items)) => Ok(items),
        Some(_) | None => Err("it is not a list".to_owned()),
    }
}

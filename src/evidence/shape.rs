//! The declared shape of a probe's facts, which expressions are checked against.

use std::collections::BTreeMap;

use super::Fact;

/// The type of a fact. Every field of a record is declared; a fact that may be missing has the same
/// shape as when it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// Text.
    Text,
    /// An instant.
    Time,
    /// A list of one shape.
    List(Box<Shape>),
    /// A record with these fields.
    Record(BTreeMap<String, Shape>),
    /// A dictionary from text to one shape.
    Dict(Box<Shape>),
}

impl Shape {
    /// A list of `item`.
    pub fn list(item: Shape) -> Self {
        Self::List(Box::new(item))
    }

    /// A record with `fields`.
    pub fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Shape)>) -> Self {
        Self::Record(fields.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect())
    }

    /// A dictionary of `item`.
    pub fn dict(item: Shape) -> Self {
        Self::Dict(Box::new(item))
    }

    /// Where `fact` departs from this shape, as a dotted path and a sentence; `None` when it conforms.
    /// A missing fact conforms to every shape.
    pub fn departure(&self, fact: &Fact) -> Option<String> {
        // Nearly every fact conforms, and then no path has to be spelt.
        if self.admits(fact) { None } else { self.departure_at("", fact) }
    }

    fn admits(&self, fact: &Fact) -> bool {
        match (self, fact) {
            (_, Fact::Missing(_))
            | (Self::Bool, Fact::Bool(_))
            | (Self::Int, Fact::Int(_))
            | (Self::Text, Fact::Text(_))
            | (Self::Time, Fact::Time(_)) => true,
            (Self::List(item), Fact::List(facts)) => facts.iter().all(|fact| item.admits(fact)),
            (Self::Dict(item), Fact::Map(map)) => map.values().all(|fact| item.admits(fact)),
            // Both are sorted by name.
            (Self::Record(fields), Fact::Map(map)) => {
                let declared = fields.iter().zip(map);
                fields.len() == map.len()
                    && declared.into_iter().all(|((a, shape), (b, fact))| a == b && shape.admits(fact))
            }
            (Self::Bool | Self::Int | Self::Text | Self::Time | Self::List(_) | Self::Record(_) | Self::Dict(_), _) => {
                false
            }
        }
    }

    fn departure_at(&self, at: &str, fact: &Fact) -> Option<String> {
        match (self, fact) {
            (_, Fact::Missing(_))
            | (Self::Bool, Fact::Bool(_))
            | (Self::Int, Fact::Int(_))
            | (Self::Text, Fact::Text(_))
            | (Self::Time, Fact::Time(_)) => None,
            (Self::List(item), Fact::List(facts)) => {
                facts.iter().enumerate().find_map(|(i, fact)| item.departure_at(&format!("{at}[{i}]"), fact))
            }
            (Self::Dict(item), Fact::Map(map)) => {
                map.iter().find_map(|(key, fact)| item.departure_at(&format!("{at}.{key}"), fact))
            }
            (Self::Record(fields), Fact::Map(map)) => {
                let undeclared = map.keys().find(|key| !fields.contains_key(*key));
                let undeclared = undeclared.map(|key| format!("{at}.{key} is not declared"));
                let unfilled = fields.keys().find(|key| !map.contains_key(*key));
                let unfilled = unfilled.map(|key| format!("{at}.{key} is declared and not given"));
                undeclared.or(unfilled).or_else(|| {
                    fields.iter().find_map(|(key, shape)| {
                        map.get(key).and_then(|fact| shape.departure_at(&format!("{at}.{key}"), fact))
                    })
                })
            }
            (Self::Bool | Self::Int | Self::Text | Self::Time | Self::List(_) | Self::Record(_) | Self::Dict(_), _) => {
                Some(format!("{at} is not {}", self.name()))
            }
        }
    }

    /// The name that messages use.
    pub fn name(&self) -> String {
        match self {
            Self::Bool => "bool".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Text => "string".to_owned(),
            Self::Time => "timestamp".to_owned(),
            Self::List(item) => format!("list({})", item.name()),
            Self::Record(_) => "record".to_owned(),
            Self::Dict(item) => format!("map(string, {})", item.name()),
        }
    }
}

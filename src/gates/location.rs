//! Places in files that a finding speaks of, taken from facts that a check names with `at`.

use serde::{Deserialize, Serialize};

use super::expr::ExprType;
use crate::evidence::Fact;

/// A place in a file of the host, with what is said there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The file's logical path.
    pub path: String,
    /// From 1; 0 for the file as a whole.
    pub line: u64,
    /// From 1, in characters; 0 where it is not known.
    pub column: u64,
    /// What is said at this place.
    pub message: String,
    /// The way that leads there, from the beginning; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flow: Vec<Waypoint>,
}

/// One step on the way to a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waypoint {
    /// The file's logical path.
    pub path: String,
    /// From 1; 0 for the file as a whole.
    pub line: u64,
    /// From 1, in characters; 0 where it is not known.
    pub column: u64,
    /// What is there.
    pub label: String,
}

/// Whether an expression of this type names places: a list of records with `path`, `line` and `message`.
pub fn fits(found: &ExprType) -> bool {
    let ExprType::List(item) = found else { return false };
    let ExprType::Record(fields) = &**item else { return false };
    let is = |name: &str, wanted: &ExprType| fields.get(name) == Some(wanted);
    is("path", &ExprType::Text) && is("line", &ExprType::Int) && is("message", &ExprType::Text)
}

/// The places of a list of records. A record that lacks a part that could not be read is left out: a place
/// is a help, never a ground.
pub fn locations(fact: Option<&Fact>) -> Vec<Location> {
    let items = match fact {
        Some(Fact::List(items)) => items.as_slice(),
        Some(_) | None => &[],
    };
    items.iter().filter_map(location).collect()
}

fn location(item: &Fact) -> Option<Location> {
    let flow = match field(item, "flow") {
        Some(Fact::List(steps)) => steps.iter().filter_map(waypoint).collect(),
        Some(_) | None => Vec::new(),
    };
    let (path, line, column) = (text(item, "path")?, number(item, "line")?, number(item, "column").unwrap_or(0));
    Some(Location { path, line, column, message: text(item, "message")?, flow })
}

fn waypoint(step: &Fact) -> Option<Waypoint> {
    let column = number(step, "column").unwrap_or(0);
    Some(Waypoint { path: text(step, "path")?, line: number(step, "line")?, column, label: text(step, "label")? })
}

fn field<'a>(fact: &'a Fact, name: &str) -> Option<&'a Fact> {
    if let Fact::Map(fields) = fact { fields.get(name) } else { None }
}

fn text(fact: &Fact, name: &str) -> Option<String> {
    if let Some(Fact::Text(text)) = field(fact, name) { Some(text.clone()) } else { None }
}

fn number(fact: &Fact, name: &str) -> Option<u64> {
    if let Some(Fact::Int(number)) = field(fact, name) { u64::try_from(*number).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_lists_of_records_with_the_three_parts_name_places() {
        let parts = [("path", ExprType::Text), ("line", ExprType::Int), ("message", ExprType::Text)];
        let of = |parts: &[(&str, ExprType)]| {
            let fields: BTreeMap<_, _> = parts.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect();
            ExprType::List(Box::new(ExprType::Record(fields.into())))
        };
        assert!(fits(&of(&parts)) && !fits(&ExprType::Text));
        for i in 0..parts.len() {
            let mut wrong = parts.clone();
            wrong[i].1 = ExprType::Bool;
            assert!(!fits(&of(&wrong)), "{}", wrong[i].0);
        }
    }

    #[test]
    fn a_place_is_taken_whole_and_one_that_lacks_a_part_is_left_out() {
        let step = Fact::record([("path", "b.py".into()), ("line", Fact::Int(3)), ("label", "calls".into())]);
        let place = |message: &str, line: i64| {
            let flow = Fact::list([step.clone(), Fact::Bool(true)]);
            let column = ("column", Fact::Int(7));
            Fact::record([
                ("path", "a.py".into()),
                ("line", line.into()),
                column,
                ("message", message.into()),
                ("flow", flow),
            ])
        };
        let found = locations(Some(&Fact::list([place("here", 5), place("before", -1), Fact::Int(1)])));
        let flow = vec![Waypoint { path: "b.py".to_owned(), line: 3, column: 0, label: "calls".to_owned() }];
        let whole = Location { path: "a.py".to_owned(), line: 5, column: 7, message: "here".to_owned(), flow };
        assert_eq!(found, [whole]);
        assert_eq!(locations(None), []);
    }
}

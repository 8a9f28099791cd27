//! What both engines share in turning an answer into facts: columns against their declaration, and bounds.

use std::collections::BTreeMap;

use super::super::Door;
use super::query::{Kind, Query};
use crate::evidence::{Fact, Missing, MissingState};

/// Who asked which query, for the reasons of absence.
pub(super) struct Asked<'a> {
    /// The query's name.
    pub name: &'a str,
    /// The database role or user.
    pub role: &'a str,
    /// The server without secrets.
    pub server: &'a str,
}

impl Asked<'_> {
    /// A reason of absence in the role's name.
    pub(super) fn missing(&self, state: MissingState, said: impl Into<String>, next: impl Into<String>) -> Missing {
        Missing {
            state,
            tried: format!("ask {} for {}", self.server, self.name),
            by: self.role.to_owned(),
            said: said.into(),
            next: next.into(),
        }
    }

    /// An answer in another form than declared.
    pub(super) fn other_form(&self, said: impl Into<String>, next: impl Into<String>) -> Missing {
        self.missing(MissingState::Unreadable, said, next)
    }
}

/// The declared kinds in the order of the answer's columns.
pub(super) fn arrange(query: &Query, answered: &[String], asked: &Asked<'_>) -> Result<Vec<(String, Kind)>, Missing> {
    let correct = "make the statement answer with exactly the columns that `columns` declares";
    let absent = query.columns.keys().find(|column| !answered.contains(column));
    if let Some(column) = absent {
        return Err(asked.other_form(format!("the answer has no column {column}"), correct));
    }
    let mut kinds = Vec::with_capacity(answered.len());
    for (at, column) in answered.iter().enumerate() {
        if answered[..at].contains(column) {
            return Err(asked.other_form(format!("the answer has two columns {column}"), correct));
        }
        let kind = query.columns.get(column);
        let kind = kind.ok_or_else(|| asked.other_form(format!("the answer has a column {column:?} too"), correct))?;
        kinds.push((column.clone(), *kind));
    }
    Ok(kinds)
}

/// NULL in a column: the row is there, the value is known not to be.
pub(super) fn null(asked: &Asked<'_>, column: &str) -> Fact {
    asked.missing(MissingState::Absent, format!("{column} is NULL"), "see the row in the database").into()
}

/// The rows of one answer, within the door's limits.
pub(super) struct Rows<'a> {
    asked: &'a Asked<'a>,
    limit: usize,
    bytes_left: u64,
    rows: Vec<Fact>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(asked: &'a Asked<'a>, door: &Door) -> Self {
        Self { asked, limit: door.limits().entries, bytes_left: door.limits().file_bytes, rows: Vec::new() }
    }

    /// Adds a row; `Err` when the answer is too long to be kept whole.
    pub(super) fn push(&mut self, row: BTreeMap<String, Fact>) -> Result<(), Missing> {
        let narrower = "narrow the query, or let the database count";
        if self.rows.len() == self.limit {
            return Err(self.asked.other_form(format!("the answer has more than {} rows", self.limit), narrower));
        }
        let size: usize = row
            .values()
            .map(|fact| match fact {
                Fact::Text(text) => text.len(),
                Fact::Bool(_) | Fact::Int(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) | Fact::Missing(_) => 8,
            })
            .sum();
        let left = self.bytes_left.checked_sub(size as u64);
        self.bytes_left =
            left.ok_or_else(|| self.asked.other_form("the answer is longer than a file may be", narrower))?;
        self.rows.push(Fact::Map(row));
        Ok(())
    }

    pub(super) fn done(self) -> Fact {
        Fact::List(self.rows)
    }
}

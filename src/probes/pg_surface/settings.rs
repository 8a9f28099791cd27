//! The settings of `pg-surface`: raw as in the gate file, checked, everything that is wrong at once.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::settings::is_fact_name;
use super::super::sql::name::{Name, function};
use super::super::sql::query::condition_problems;
use super::super::{SettingProblem, Settings};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    table: String,
    target: Option<String>,
    sample_percent: Option<i64>,
}

/// A table that is looked at.
pub(super) struct Table {
    pub name: Name,
    /// As the package writes it.
    pub written: String,
    /// Which rows belong to the target.
    pub target: Option<String>,
    /// How many of a hundred pages are read; all of them where the package does not say so.
    pub sample_percent: Option<i64>,
}

/// Checked settings; the keys are the names of facts.
#[derive(Default)]
pub(super) struct Given {
    pub tables: BTreeMap<String, Table>,
    /// Names with the types of the arguments, where they are given, and as the package writes them.
    pub functions: BTreeMap<String, (Name, Option<String>, String)>,
    pub sequences: BTreeMap<String, (Name, String)>,
}

impl Given {
    /// Reads the settings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(settings: &Settings) -> Result<Self, Vec<SettingProblem>> {
        let mut problems = Problems(Vec::new());
        let mut given = Self::default();
        for (key, raw) in problems.entries::<serde_json::Value>(settings, "tables") {
            let raw = match RawTable::deserialize(raw) {
                Ok(raw) => raw,
                Err(error) => {
                    let help = "a table is { table = \"schema.name\", target = \"a condition\", sample_percent = 1 }";
                    problems.add(format!("tables.{key}"), error.to_string(), help);
                    continue;
                }
            };
            let place = format!("tables.{key}");
            if let Some(percent) = raw.sample_percent.filter(|percent| !(1..=99).contains(percent)) {
                let message = format!("{percent} is no sample of a hundred pages");
                problems.add(place.clone(), message, "a whole number from 1 to 99; leave it out to read every row");
            }
            for (message, help) in raw.target.iter().flat_map(|target| condition_problems(target)) {
                problems.add(place.clone(), format!("target: {message}"), help);
            }
            if let Some(name) = problems.name(&place, &raw.table) {
                let RawTable { table: written, target, sample_percent } = raw;
                given.tables.insert(key, Table { name, written, target, sample_percent });
            }
        }
        for (key, text) in problems.entries::<String>(settings, "functions") {
            match function(&text) {
                Some((name, arguments)) => drop(given.functions.insert(key, (name, arguments, text))),
                None => {
                    let help = "write \"schema.name\", or \"schema.name(integer, text)\"";
                    problems.add(format!("functions.{key}"), format!("{text:?} names no function"), help);
                }
            }
        }
        for (key, text) in problems.entries::<String>(settings, "sequences") {
            if let Some(name) = problems.name(&format!("sequences.{key}"), &text) {
                given.sequences.insert(key, (name, text));
            }
        }
        if problems.0.is_empty() { Ok(given) } else { Err(problems.0) }
    }
}

struct Problems(Vec<SettingProblem>);

impl Problems {
    fn add(&mut self, name: String, message: String, help: &str) {
        self.0.push(SettingProblem { name, message, help: help.to_owned() });
    }

    /// The entries of a table whose keys become names of facts.
    fn entries<T: serde::de::DeserializeOwned>(&mut self, settings: &Settings, table: &str) -> BTreeMap<String, T> {
        if !settings.given(table) {
            return BTreeMap::new();
        }
        let mut entries = settings.parse::<BTreeMap<String, T>>(table).unwrap_or_else(|error| {
            self.add(table.to_owned(), error, "give each a name of its own: name = …");
            BTreeMap::new()
        });
        entries.retain(|key, _| {
            let sound = is_fact_name(key);
            if !sound {
                let help = "use a lower-case letter or _, then lower-case letters, digits and _";
                self.add(table.to_owned(), format!("{key:?} is not a name for facts"), help);
            }
            sound
        });
        entries
    }

    fn name(&mut self, place: &str, text: &str) -> Option<Name> {
        let name = Name::parse(text, 2);
        if name.is_none() {
            self.add(place.to_owned(), format!("{text:?} is no name with its schema"), "write \"schema.name\"");
        }
        name
    }
}

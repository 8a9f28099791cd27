//! `[run]` and `[drill]`: what a run may change, how it is delegated, and what a rehearsal needs. Types only; `check` fills
//! in references. `<RUN_ID>` in their texts is filled in when a run is requested.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `[run]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRules {
    /// How many minutes a permit holds.
    pub permit_minutes: i64,
    /// How long the executor may take, in seconds.
    pub deadline_seconds: u64,
    /// How long it may take to end after SIGTERM, in seconds.
    pub grace_seconds: u64,
    /// How many bytes of each output are kept.
    pub output_bytes: u64,
    /// The address of the registry that the executor is given, where it is not that of `[database]`: another role writes.
    #[serde(default)]
    pub database: String,
    /// The folders in which a run may leave files.
    pub watch: Vec<String>,
    /// The files that it leaves on purpose.
    pub leaves: Vec<String>,
    /// A query that counts what can no longer be taken back.
    #[serde(default)]
    pub irreversible: String,
    /// The tables that it changes, by name.
    pub tables: BTreeMap<String, RunTable>,
    /// What must hold afterwards.
    pub checks: BTreeMap<String, RunCheck>,
}

/// `[run.tables.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunTable {
    /// The table's name in the database, where it is not the entry's own.
    pub table: String,
    /// A query for the number of rows that are added.
    pub added: String,
    /// A condition that tells them.
    pub belongs: String,
    /// A query for the number of rows that are altered.
    pub altered: String,
    /// A condition that tells them, before and after.
    pub alters: String,
    /// The columns that are altered.
    pub columns: Vec<String>,
    /// What holds of them afterwards.
    pub becomes: String,
}

impl RunTable {
    /// What is senseless in it: a lower-case fragment.
    pub fn problem(&self) -> Option<&'static str> {
        let (adds, alters) = (!self.added.is_empty(), !self.altered.is_empty());
        match () {
            () if !adds && !alters => Some("neither adds nor alters rows"),
            () if adds == self.belongs.is_empty() => Some("needs `added` and `belongs` together"),
            () if alters == self.alters.is_empty() || alters == self.becomes.is_empty() => {
                Some("needs `altered`, `alters` and `becomes` together")
            }
            () if alters == self.columns.is_empty() => Some("needs `columns` where rows are altered, and only there"),
            () => None,
        }
    }
}

/// `[run.checks.<name>]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCheck {
    /// A query for one whole number.
    pub sql: String,
    /// A query for the number that must come out, asked when the run is requested.
    pub equals: String,
}

/// `[drill]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillRules {
    /// The mutating phases, in their order.
    pub phases: Vec<String>,
    /// Those after which the revert must refuse: the backup is restored instead.
    pub irreversible: Vec<String>,
    /// Files of the host that the executor needs, copied below the scratch root.
    pub copy: Vec<String>,
    /// Folders that are made empty there.
    pub folders: Vec<String>,
    /// Where the registry is on PostgreSQL: a database of the scratch server that may create others.
    #[serde(default)]
    pub scratch: String,
    /// The encrypted dump that the executor makes.
    pub dump: String,
    /// The program that decrypts it from standard input to standard output.
    pub decrypt: Vec<String>,
    /// The folder that records go to.
    pub records: String,
}

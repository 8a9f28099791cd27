//! What a run may change, what was re-read before and after it, and what became of it. Data only.
//!
//! One definition for the request that fixes the expected change, the run that measures it, and the replay that judges the
//! same record again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest256, Instant, Observation, RunId};

/// What a run may change: everything else in the database must be as before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The tables in which something changes, by name; in no other table may anything change.
    pub tables: BTreeMap<String, TableDelta>,
    /// What must hold afterwards: a query for one whole number, and that number.
    pub checks: BTreeMap<String, PostCheck>,
    /// A query that counts what can no longer be taken back; empty where everything can.
    pub irreversible: String,
    /// Files that the run leaves on purpose, as the package writes their paths.
    pub leaves: Vec<String>,
}

/// What changes in one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDelta {
    /// How many rows are added.
    pub added: i64,
    /// A condition over the table that tells the rows of this run; empty where none is added.
    pub belongs: String,
    /// How many rows are altered.
    pub altered: i64,
    /// A condition over the table that tells the rows that the run alters; empty where none is.
    pub alters: String,
    /// The columns of such a row that the run alters; all others stay.
    pub columns: Vec<String>,
    /// What holds of such a row afterwards, as a condition.
    pub becomes: String,
}

/// A query for one whole number, and the number that must come out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostCheck {
    /// The query.
    pub sql: String,
    /// The number.
    pub equals: i64,
}

/// A fingerprint of everything that a run could have touched, read in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// When it was read.
    pub utc: Instant,
    /// The digest of the schema: every table, index, view and trigger with its definition.
    pub schema: Digest256,
    /// Every table by name.
    pub tables: BTreeMap<String, TableState>,
    /// What the checks of [`Expected`] gave.
    pub checks: BTreeMap<String, i64>,
    /// How much can no longer be taken back.
    pub irreversible: i64,
    /// The files in the watched folders, as the package writes their paths, each with its digest.
    pub files: BTreeMap<String, Digest256>,
}

/// One table of a fingerprint. Digests do not depend on the order of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableState {
    /// Its rows.
    pub rows: i64,
    /// The digest of all of them.
    pub digest: Digest256,
    /// The digest of what no run may change: the rows that do not belong to it, without the columns that it alters.
    pub outside: Digest256,
    /// Rows that belong to the run.
    pub belonging: i64,
    /// Rows that the run alters and that are as they shall become.
    pub become_so: i64,
}

impl Fingerprint {
    /// Under this name the rights in a server's database stand among its tables: no table is called so.
    pub const RIGHTS: &str = "(rights)";

    /// Whether the other database is a copy of this one: the same structure and rows. Roles may have other rights to a copy.
    pub fn is_copied_by(&self, other: &Self) -> bool {
        let without = |it: &Self| {
            let mut it = it.clone();
            it.tables.remove(Self::RIGHTS);
            it
        };
        without(self).same_database(&without(other))
    }

    /// Whether database and files are the same, whenever each was read.
    pub fn same_state(&self, other: &Self) -> bool {
        self.same_database(other) && self.files == other.files
    }

    /// Whether the database is the same.
    pub fn same_database(&self, other: &Self) -> bool {
        let rows = |it: &Self| -> BTreeMap<String, (i64, Digest256)> {
            it.tables.iter().map(|(name, table)| (name.clone(), (table.rows, table.digest.clone()))).collect()
        };
        self.schema == other.schema && rows(self) == rows(other)
    }

    /// The digest of schema, rows and files: what records of rehearsals carry.
    pub fn digest(&self) -> Digest256 {
        let rows: BTreeMap<&str, (i64, &Digest256)> =
            self.tables.iter().map(|(name, table)| (name.as_str(), (table.rows, &table.digest))).collect();
        Digest256::of(&super::canonical_json(&(&self.schema, rows, &self.files)))
    }
}

/// A state that was read, or why it was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum State {
    /// It was read.
    Read(Fingerprint),
    /// It was not: the reason.
    Unread(String),
}

/// How a process of the executor's ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// When it was started.
    pub started: Instant,
    /// When it was gone.
    pub finished: Instant,
    /// Its exit status; none when a signal ended it, or nobody saw it end.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why it was told to end: the deadline, a signal to this program; empty when it ended by itself.
    pub told: String,
    /// Processes that it left behind, and that were killed.
    pub left: Vec<String>,
    /// Whether more was printed than is kept.
    pub cut: bool,
    /// Whether it printed a secret value; the text is not kept then.
    pub secret: bool,
    /// The phases that it said it began and finished: a claim, and never the ground of a result.
    pub claims: Vec<String>,
    /// Its last lines on standard error.
    pub said: Vec<String>,
}

/// One run, as far as it went. What is missing did not happen, or nobody saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEvidence {
    /// The run.
    pub run_id: RunId,
    /// The digest of its payload.
    pub payload_sha256: Digest256,
    /// Why it was refused; then nothing was started.
    pub refused: Vec<String>,
    /// When the executor was started, or was about to be: from then on the run counts as started.
    pub begun: Option<Instant>,
    /// Whether the program that started it was cut off, so that another command had to look after it: that is never A.
    pub recovered: bool,
    /// What it was to change.
    pub expected: Expected,
    /// The state before.
    pub pre: Option<State>,
    /// How the executor ended.
    pub ended: Option<Ended>,
    /// The state afterwards.
    pub post: Option<State>,
    /// How the revert ended, where one was made.
    pub revert: Option<Ended>,
    /// The state after the revert.
    pub reverted: Option<State>,
    /// What the package measures, read again at the very end.
    pub measures: BTreeMap<String, Observation>,
    /// The digest of the journal up to its end as it was read here.
    pub journal_sha256: Option<Digest256>,
}

impl RunEvidence {
    /// A run that was refused.
    pub fn refused(run_id: RunId, payload_sha256: Digest256, reasons: Vec<String>) -> Self {
        Self {
            run_id,
            payload_sha256,
            refused: reasons,
            begun: None,
            recovered: false,
            expected: Expected::default(),
            pre: None,
            ended: None,
            post: None,
            revert: None,
            reverted: None,
            measures: BTreeMap::new(),
            journal_sha256: None,
        }
    }
}

//! The files that rehearsals leave behind: a revert drill, a dry run.
//!
//! One definition for the program that writes them and the probes that read them. They are canonical JSON
//! with a detached OpenPGP signature beside them; everything unknown, doubled or senseless in them is refused.

use std::collections::BTreeMap;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Digest256, Instant};

/// The format of a drill record.
pub const DRILL_FORMAT: &str = "cutgate-drill/1";
/// The kind that a drill record states.
pub const DRILL_KIND: &str = "revert-drill";
/// The format of a dry-run record.
pub const DRY_RUN_FORMAT: &str = "cutgate-dry-run/1";
/// The kind that a dry-run record states.
pub const DRY_RUN_KIND: &str = "dry-run";

/// The largest number that canonical JSON keeps exactly.
const EXACT: i64 = 1 << 53;

/// A rehearsed revert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillRecord {
    /// [`DRILL_FORMAT`].
    pub format: String,
    /// [`DRILL_KIND`].
    pub kind: String,
    /// The digest of the code tree that was rehearsed.
    pub tree_digest: String,
    /// The target whose cut was reverted.
    pub target: String,
    /// The host on which it was done.
    pub host: String,
    /// Who did it.
    pub operator: String,
    /// When it began.
    pub started: Instant,
    /// When it ended.
    pub finished: Instant,
    /// What was proved.
    pub level: Level,
    /// Whether a restored copy was compared with the original.
    pub restore_compared: bool,
    /// The mutating phases that were reverted.
    pub phases: Vec<DrillPhase>,
    /// Where it stands among everything that was published, and how long it took; left out of records that others wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<DrillPublished>,
}

/// What `cutgate drill` adds to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillPublished {
    /// Its number in the ledger of the reports.
    pub number: u64,
    /// The digest of the ledger's line before its own.
    pub previous: Digest256,
    /// The program that rehearsed, with its version.
    pub tool: String,
    /// The program of the executor, by the digest of its bytes.
    pub executor_sha256: Digest256,
    /// How long the longest revert took, in seconds begun: the recovery time of a failed run.
    pub revert_seconds: i64,
    /// How long decrypting the dump, restoring and comparing it took, in seconds begun: the recovery time of a lost registry.
    pub restore_seconds: i64,
    /// How old the dump's data were when the full run had ended, in seconds begun: what a restore at that moment would lose.
    pub data_age_seconds: i64,
    /// When the next one is due; none where the package names no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Instant>,
}

/// The evidence level of a backup or revert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// It exists.
    E0,
    /// Its catalogue can be read.
    E1,
    /// Every byte was read and decrypted.
    E2,
    /// Restored into a scratch instance and compared.
    E3,
    /// Done by the runbook, by another person, within the time limit.
    E4,
}

impl Level {
    /// 0 to 4.
    pub fn number(self) -> i64 {
        match self {
            Self::E0 => 0,
            Self::E1 => 1,
            Self::E2 => 2,
            Self::E3 => 3,
            Self::E4 => 4,
        }
    }
}

/// One phase of a drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillPhase {
    /// The phase.
    pub name: String,
    /// A fingerprint of the state before it ran.
    pub before: String,
    /// A fingerprint of the state that it left before it was reverted: another one, or nothing was rehearsed.
    pub mutated: String,
    /// A fingerprint of the state after it was reverted.
    pub after: String,
    /// Whether the revert was carried out.
    pub reverted: bool,
}

impl DrillPhase {
    /// Whether something had changed, the revert was carried out, and it brought the state back.
    pub fn restored(&self) -> bool {
        self.reverted && self.mutated != self.before && self.before == self.after
    }
}

/// A run of the simulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRunRecord {
    /// [`DRY_RUN_FORMAT`].
    pub format: String,
    /// [`DRY_RUN_KIND`].
    pub kind: String,
    /// The digest of the code tree that ran.
    pub tree_digest: String,
    /// The target.
    pub target: String,
    /// The host on which it ran.
    pub host: String,
    /// When it began.
    pub started: Instant,
    /// When it ended.
    pub finished: Instant,
    /// The mode that the cutter ran in.
    pub mode: String,
    /// The phases that ran, in order.
    pub phases: Vec<String>,
    /// Rows per table before.
    #[serde(deserialize_with = "counts")]
    pub counts_before: BTreeMap<String, i64>,
    /// Rows per table after.
    #[serde(deserialize_with = "counts")]
    pub counts_after: BTreeMap<String, i64>,
}

impl DryRunRecord {
    /// Whether the same tables were counted and no number differs; false where none was counted.
    pub fn counts_equal(&self) -> bool {
        !self.counts_before.is_empty() && self.counts_before == self.counts_after
    }
}

/// What the reader of either record needs of it.
pub trait RehearsalRecord: for<'de> Deserialize<'de> {
    /// The format that it reads.
    const FORMAT: &'static str;

    /// What is senseless in it, apart from its times: a lower-case fragment.
    ///
    /// # Errors
    /// The first such thing.
    fn check(&self) -> Result<(), String>;

    /// When it began and ended.
    fn times(&self) -> (Instant, Instant);
}

impl RehearsalRecord for DrillRecord {
    const FORMAT: &'static str = DRILL_FORMAT;

    fn check(&self) -> Result<(), String> {
        exactly("kind", &self.kind, DRILL_KIND)?;
        let named = [("tree_digest", &self.tree_digest), ("target", &self.target), ("host", &self.host)];
        not_empty(named.into_iter().chain([("operator", &self.operator)]))?;
        let phases = self.phases.iter().flat_map(|phase| {
            let states = [("a phase's before", &phase.before), ("a phase's mutated", &phase.mutated)];
            states.into_iter().chain([("a phase's name", &phase.name), ("a phase's after", &phase.after)])
        });
        not_empty(phases)?;
        once(self.phases.iter().map(|phase| phase.name.as_str()))
    }

    fn times(&self) -> (Instant, Instant) {
        (self.started, self.finished)
    }
}

impl RehearsalRecord for DryRunRecord {
    const FORMAT: &'static str = DRY_RUN_FORMAT;

    fn check(&self) -> Result<(), String> {
        exactly("kind", &self.kind, DRY_RUN_KIND)?;
        let named = [("tree_digest", &self.tree_digest), ("target", &self.target), ("host", &self.host)];
        not_empty(named.into_iter().chain([("mode", &self.mode)]))?;
        not_empty(self.phases.iter().map(|phase| ("a phase's name", phase)))?;
        once(self.phases.iter().map(String::as_str))
    }

    fn times(&self) -> (Instant, Instant) {
        (self.started, self.finished)
    }
}

fn exactly(what: &str, found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("its {what} is {found:?}, not {wanted:?}")) }
}

fn not_empty<'a>(fields: impl IntoIterator<Item = (&'a str, &'a String)>) -> Result<(), String> {
    let empty = fields.into_iter().find(|(_, text)| text.trim().is_empty());
    empty.map_or(Ok(()), |(name, _)| Err(format!("{name} is empty")))
}

fn once<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    let twice = names.into_iter().find(|name| !seen.insert(*name));
    twice.map_or(Ok(()), |name| Err(format!("the phase {name:?} is in it twice")))
}

/// Row counts: no table twice, no number that canonical JSON would round, none below zero.
fn counts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, i64>, D::Error> {
    struct Counts;

    impl<'de> Visitor<'de> for Counts {
        type Value = BTreeMap<String, i64>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("row counts by table")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut counts = BTreeMap::new();
            while let Some((table, count)) = map.next_entry::<String, i64>()? {
                if !(0..=EXACT).contains(&count) {
                    return Err(A::Error::custom(format_args!("{count} rows in {table:?}")));
                }
                if counts.insert(table.clone(), count).is_some() {
                    return Err(A::Error::custom(format_args!("the table {table:?} is counted twice")));
                }
            }
            Ok(counts)
        }
    }

    deserializer.deserialize_map(Counts)
}

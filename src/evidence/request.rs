//! The records of a run: what was requested, and that its approvals are spent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest256, Expected, Fact, Instant};

/// The format of `requests/<run_id>/payload.json`.
pub const PAYLOAD_FORMAT: &str = "cutgate-request/1";
/// The format of `requests/<run_id>/consumed.json`.
pub const CONSUMED_FORMAT: &str = "cutgate-consumed/1";

/// The name of a run: `run-20260521T101500Z-0a1b2c3d`. Parsing is validating, so that it is safe as a folder's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// A run requested at `utc`, with four random bytes that keep two of one second apart.
    pub fn new(utc: Instant, random: [u8; 4]) -> Self {
        Self(format!("run-{}-{:08x}", utc.format("%Y%m%dT%H%M%SZ"), u32::from_be_bytes(random)))
    }

    /// When it was requested, to the second.
    pub fn instant(&self) -> Option<Instant> {
        let utc = self.0.strip_prefix("run-")?.split_once('-')?.0;
        Some(chrono::NaiveDateTime::parse_from_str(utc, "%Y%m%dT%H%M%SZ").ok()?.and_utc())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.strip_prefix("run-").and_then(|rest| rest.split_once('-'));
        let good = parts.is_some_and(|(utc, random)| {
            let time = chrono::NaiveDateTime::parse_from_str(utc, "%Y%m%dT%H%M%SZ");
            let hex = random.len() == 8 && random.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            time.is_ok() && utc.len() == 16 && hex
        });
        if good { Ok(Self(text)) } else { Err(format!("{text:?} is not a run id: run-<utc>-<8 hex digits>")) }
    }
}

impl From<RunId> for String {
    fn from(run_id: RunId) -> Self {
        run_id.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the sovereign approves: everything that one run is. Its canonical bytes are the payload, and their digest is
/// what an approval names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// [`PAYLOAD_FORMAT`].
    pub format: String,
    /// The run.
    pub run_id: RunId,
    /// When it was requested.
    pub utc: Instant,
    /// The user that requested it.
    pub by: String,
    /// The host that the package expects, which a gate compared with the host's own name.
    pub host: String,
    /// The package's macro id.
    pub macro_id: String,
    /// The program that made the request, and its version.
    pub tool: String,
    /// The digest of `cutgate.toml`.
    pub package_sha256: Digest256,
    /// The digest of the gate files in force, by name and content.
    pub gates_sha256: Digest256,
    /// The digest of the templates, by name and content.
    pub templates_sha256: Digest256,
    /// The digest of the deployed tree.
    pub tree_digest: String,
    /// What is cut.
    pub target: String,
    /// The executor's command, with this run's id filled in.
    pub executor_argv: Vec<String>,
    /// The digest of its canonical JSON.
    pub executor_argv_sha256: Digest256,
    /// The executor's program as it was found, links followed.
    pub executor_program: String,
    /// The digest of its bytes.
    pub executor_program_sha256: Digest256,
    /// The command that takes the run back.
    pub revert_argv: Vec<String>,
    /// The environment that both are given, apart from secrets.
    pub environment: BTreeMap<String, String>,
    /// What the run may change; everything else must be as before.
    pub expected: Expected,
    /// The facts that must be the same when the run starts, by gate, probe and fact.
    pub bound: BTreeMap<String, Fact>,
    /// The digest of their canonical JSON.
    pub bound_sha256: Digest256,
}

/// That a run has begun, so that its approvals are spent. A run writes it before it starts anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consumed {
    /// [`CONSUMED_FORMAT`].
    pub format: String,
    /// The run.
    pub run_id: String,
    /// When.
    pub utc: Instant,
}

impl Consumed {
    /// Reads the record of a run.
    ///
    /// # Errors
    /// The reason why the bytes are not that record.
    pub fn parse(bytes: &[u8], run_id: &str) -> Result<Self, String> {
        let consumed: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if consumed.format != CONSUMED_FORMAT {
            return Err(format!("its format is {:?}, and only {CONSUMED_FORMAT:?} is known", consumed.format));
        }
        if consumed.run_id != run_id {
            return Err(format!("it is of the run {:?}", consumed.run_id));
        }
        Ok(consumed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_record_of_this_run_says_that_it_began() {
        let good = r#"{"format":"cutgate-consumed/1","run_id":"run-1","utc":"2026-05-21T10:15:00Z"}"#;
        assert!(Consumed::parse(good.as_bytes(), "run-1").is_ok());
        assert!(Consumed::parse(good.as_bytes(), "run-2").is_err());
        let broken = ["", "{}", "null", &good[..40], &good.replace("/1", "/2"), &good.replace("utc", "at")];
        for text in broken.into_iter().chain([good.replace('}', ",\"by\":1}").as_str()]) {
            assert!(Consumed::parse(text.as_bytes(), "run-1").is_err(), "{text}");
        }
    }

    #[test]
    fn run_ids_are_parsed_strictly() {
        let run_id = RunId::new("2026-05-21T10:15:00Z".parse().unwrap(), [0, 0xab, 1, 2]);
        assert_eq!(run_id.as_str(), "run-20260521T101500Z-00ab0102");
        assert_eq!(RunId::try_from(run_id.to_string()), Ok(run_id.clone()));
        assert_eq!(String::from(run_id), "run-20260521T101500Z-00ab0102");
        for wrong in [
            "",
            "run-20260521-0007",
            "run-20260521T101500Z-00AB0102",
            "run-20260521T101500Z-00ab010",
            "run-20261321T101500Z-00ab0102",
            "run-20260521T101500Z-00ab0102/..",
            "../run-20260521T101500Z-00ab0102",
            "run-2026521T101500Z-00ab0102",
        ] {
            assert!(RunId::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}

//! What a page shows beside the dossier: what each probe read, the code-path excerpts, and the audits before this one.
//!
//! Only for formats that ask for it. It judges nothing: past states are those that were published, and one that does not
//! match the ledger's digest is said to be unread, never shown.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize as _, Serialize};

use super::dossier::{SourceView, source_view, utc};
use super::publish::{Entry, LedgerLine, read_ledger};
use super::{excerpt, facts::plain};
use crate::evidence::{Digest256, Evidence, Instant, Observation, ProbeId};
use crate::gates::{GapState, Loaded};

/// How many audits a history shows; the ledger may hold thousands.
const SHOWN: usize = 12;

/// What was read, and what was published before.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// One for each probe, in the order of their ids.
    pub probes: Vec<ProbeView>,
    /// The newest audits of the ledger, this one among them.
    pub history: History,
}

/// What one probe did.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeView {
    /// Its identity in the audit.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The gates that judge its facts.
    pub gates: Vec<String>,
    /// When it began.
    #[serde(skip)]
    pub started: Instant,
    /// When it ended, RFC 3339 with seconds.
    pub finished: String,
    /// Why it has no facts at all; empty where it has some.
    pub missing: String,
    /// What it read, in the order of reading.
    pub sources: Vec<SourceView>,
    /// What a live run of each phase does, for the kind `code-path`.
    pub phases: Vec<PhaseView>,
}

/// One phase of the deployed code.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseView {
    /// Its name.
    pub name: String,
    /// What it does in a live run, in a sentence.
    pub summary: String,
    /// Its source lines with carets, each harmless for a terminal.
    pub lines: Vec<String>,
}

/// The newest audits of a ledger, the oldest of them first.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Those that are shown.
    pub audits: Vec<PastAudit>,
    /// How many older ones the ledger holds.
    pub older: usize,
    /// Why there are none; empty where the ledger was read.
    pub unread: String,
}

/// One published audit.
#[derive(Clone, Debug)]
pub struct PastAudit {
    /// Its number, four digits or more.
    pub number: String,
    /// Its instant, RFC 3339 with seconds.
    pub utc: String,
    /// Letter and label as the ledger says; for a void number that it is void.
    pub outcome: String,
    /// Gap states; empty where they could not be read.
    pub states: BTreeMap<String, GapState>,
    /// Why they could not be read; empty where they were.
    pub unread: String,
}

impl Detail {
    /// Everything about the evidence, and the history in the folder of reports.
    pub fn of(loaded: &Loaded, evidence: &Evidence, reports: &Path) -> Self {
        let probes = evidence.probes.iter().map(|(id, observation)| probe(loaded, id, observation));
        Self { probes: probes.collect(), history: History::of(reports) }
    }

    /// The probes of one gate.
    pub fn of_gate<'a>(&'a self, gate: &'a str) -> impl Iterator<Item = &'a ProbeView> {
        self.probes.iter().filter(move |probe| probe.gates.iter().any(|id| id == gate))
    }
}

fn probe(loaded: &Loaded, id: &ProbeId, observation: &Observation) -> ProbeView {
    let uses = |gate: &&crate::gates::Gate| gate.probes.values().any(|used| used.id == *id);
    let phases = if observation.kind == "code-path" { phases(&plain(&observation.facts)) } else { Vec::new() };
    ProbeView {
        id: id.0.clone(),
        kind: observation.kind.clone(),
        gates: loaded.gates.iter().filter(uses).map(|gate| gate.id.clone()).collect(),
        started: observation.started,
        finished: utc(observation.finished),
        missing: observation.missing().map(ToString::to_string).unwrap_or_default(),
        sources: observation.sources.iter().map(|source| source_view(&observation.kind, source)).collect(),
        phases,
    }
}

fn phases(facts: &serde_json::Value) -> Vec<PhaseView> {
    let word = |item: &serde_json::Value, key: &str| item[key].as_str().unwrap_or("unknown").to_owned();
    let phases = facts["phases"].as_array().into_iter().flatten();
    phases
        .map(|phase| PhaseView {
            name: word(phase, "name"),
            summary: word(phase, "summary"),
            lines: excerpt::draw(&excerpt::lines(&phase["excerpt"])).lines().map(str::to_owned).collect(),
        })
        .collect()
}

impl History {
    /// Reads the newest audits below the folder of reports.
    fn of(reports: &Path) -> Self {
        let lines = match read_ledger(reports) {
            Ok(lines) => lines,
            Err(error) => return Self { unread: error.to_string(), ..Self::default() },
        };
        let older = lines.len().saturating_sub(SHOWN);
        Self {
            audits: lines[older..].iter().map(|(line, _)| past(reports, line)).collect(),
            older,
            unread: String::new(),
        }
    }
}

fn past(reports: &Path, line: &LedgerLine) -> PastAudit {
    let (states, unread) = match line.entry {
        Entry::Void => (BTreeMap::new(), "nothing was published under this number".to_owned()),
        Entry::Drill => (BTreeMap::new(), "the record of a rehearsal, which judges no gap".to_owned()),
        Entry::Closure => (BTreeMap::new(), "a decision on a run, which judges no gap".to_owned()),
        Entry::Audit => match states(reports, line) {
            Ok(states) => (states, String::new()),
            Err(why) => (BTreeMap::new(), why),
        },
    };
    PastAudit {
        number: format!("{:04}", line.number),
        utc: line.instant().map(utc).unwrap_or_default(),
        outcome: match line.entry {
            Entry::Void => "void".to_owned(),
            Entry::Drill => "rehearsal".to_owned(),
            Entry::Closure => "run closed by a decision".to_owned(),
            Entry::Audit => format!("{} — {}", line.letter, line.label),
        },
        states,
        unread,
    }
}

/// The gap states of a published result, where it is the one that the ledger names.
fn states(reports: &Path, line: &LedgerLine) -> Result<BTreeMap<String, GapState>, String> {
    const RESULT: &str = "result.json";
    let bytes = std::fs::read(reports.join(&line.folder).join(RESULT)).map_err(|error| error.to_string())?;
    if line.files.get(RESULT) != Some(&Digest256::of(&bytes)) {
        return Err("the published result is not the one that the ledger names".to_owned());
    }
    let result: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let gaps = result["gaps"].as_array().ok_or("it names no gaps")?;
    let state = |gap: &serde_json::Value| {
        let id = gap["id"].as_str().ok_or("a gap has no id")?;
        let state = GapState::deserialize(&gap["state"]).map_err(|error| error.to_string())?;
        Ok((id.to_owned(), state))
    };
    gaps.iter().map(state).collect()
}

//! One run, from the moment at which everything holds to the record of what became of it.
//!
//! Until the approvals are consumed every problem is a refusal, and nothing was started. From then on whatever happens ends
//! in a record: the state is read again, and compared, whether the executor ended well, badly, or was never seen again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::delegate::{Delegation, NotStarted, Program, delegate, end_earlier, left_of, named};
use super::journal::{EVIDENCE, Journal, Known, Step, known, read, replace};
use super::means::Means;
use super::output::Kept;
use super::payload::working_dir;
use super::permit::{Allows, Permit, Terms, withdraw};
use super::surface::{self, Reading, Surface};
use crate::classify::{self, next_step};
use crate::evidence::{
    CONSUMED_FORMAT, Consumed, Digest256, Ended, Evidence, Observation, Payload, RunEvidence, RunId, State,
    canonical_json,
};
use crate::gates::unlike;
use crate::report::sync_dir;
use crate::signing::Signer;

/// What a run is made with.
pub struct Run<'a> {
    /// What a rehearsal is made with, too.
    pub means: Means<'a>,
    /// What was approved.
    pub payload: &'a Payload,
    /// Its digest.
    pub payload_sha256: Digest256,
    /// The folder of the request.
    pub folder: PathBuf,
    /// The review that the enact rests on.
    pub review_decision_id: String,
    /// Finds the key that signs permits, when one is to be signed.
    pub signer: &'a dyn Fn() -> Result<Signer, String>,
    /// Looks at everything once more: what speaks against the run now.
    pub recheck: &'a dyn Fn() -> Vec<String>,
    /// Reads the package's measures.
    pub measure: &'a dyn Fn() -> BTreeMap<String, Observation>,
    /// Random text that no other permit has.
    pub nonce: &'a dyn Fn() -> Result<String, String>,
}

impl Run<'_> {
    /// Makes the run. `evidence` is what was collected when everything held.
    ///
    /// # Errors
    /// Why it was refused: nothing was started, and the approvals are not consumed.
    pub fn perform(&self, evidence: &Evidence) -> Result<RunEvidence, Vec<String>> {
        let one = |reason: String| vec![reason];
        let mut journal = Journal::open(&self.folder).map_err(one)?;
        self.note(&mut journal, Step::Opened, self.payload_sha256.as_str()).map_err(one)?;
        let mut run = RunEvidence::refused(self.payload.run_id.clone(), self.payload_sha256.clone(), Vec::new());
        run.expected = self.payload.expected.clone();
        run.pre = Some(self.before(&run)?);
        replace(&self.folder, EVIDENCE, &canonical_json(evidence)).map_err(one)?;
        replace(&self.folder, "pre.json", &canonical_json(&run.pre)).map_err(one)?;
        journal.record(&run).map_err(one)?;
        self.note(&mut journal, Step::Read, Digest256::of(&canonical_json(&run.pre)).as_str()).map_err(one)?;
        let permit = self.permit(Allows::Run).map_err(one)?;
        self.note(&mut journal, Step::Permitted, permit.digest().as_str()).map_err(one)?;
        // Signing takes its time: what everything rests on is looked at again, as late as can be.
        let changed = (self.recheck)();
        if !changed.is_empty() {
            return Err(changed);
        }
        let (Some(State::Read(pre)), State::Read(now)) = (&run.pre, self.state(&run, Reading::Before)) else {
            return Err(vec!["the state before the run cannot be read again".to_owned()]);
        };
        if !now.same_state(pre) {
            return Err(vec!["somebody wrote to the registry or a watched folder since it was judged".to_owned()]);
        }
        let signal = self.means.signal.load(Ordering::SeqCst);
        if signal != 0 {
            return Err(vec![format!("signal {signal} came before the executor was started")]);
        }
        self.note(&mut journal, Step::Rechecked, "").map_err(one)?;
        self.consume().map_err(one)?;
        // From here on the run counts as started.
        run.begun = Some((self.means.now)());
        let noted = journal
            .record(&run)
            .and_then(|()| self.note(&mut journal, Step::Consumed, ""))
            .and_then(|()| self.note(&mut journal, Step::Starting, &self.payload.executor_argv_sha256.to_string()));
        run.ended = Some(match noted {
            Err(error) => self.unstarted(&error),
            Ok(()) => self.delegated(permit, &self.payload.executor_argv, "executor", &mut journal, Step::Started),
        });
        self.settle(&mut run, &mut journal, evidence, true);
        Ok(run)
    }

    /// Looks after a run that a crash cut off: what is left of its executor is ended, the state is read, and it is taken back
    /// where that is wanted and may be.
    ///
    /// # Errors
    /// Why nothing could be done.
    pub fn recover(&self, mut run: RunEvidence, evidence: &Evidence, revert: bool) -> Result<RunEvidence, String> {
        let said = processes(&self.folder);
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        if !end_earlier(&said, &self.folder, Duration::from_secs(self.means.rules.grace_seconds)) {
            let left = left_of(&said, &self.folder).into_iter().map(|(pid, name)| format!("{pid} ({name})"));
            let left = left.collect::<Vec<_>>().join(", ");
            return Err(format!("what the run started is still there and cannot be ended: {left}"));
        }
        withdraw(&self.folder);
        let mut journal = Journal::open(&self.folder)?;
        self.note(&mut journal, Step::Recovering, "")?;
        if run.expected.tables.is_empty() {
            run.expected = self.payload.expected.clone();
        }
        if run.pre.is_none() {
            run.pre = std::fs::read(self.folder.join("pre.json")).ok().and_then(|it| serde_json::from_slice(&it).ok());
        }
        run.recovered = true;
        run.revert = None;
        run.reverted = None;
        self.settle(&mut run, &mut journal, evidence, revert);
        Ok(run)
    }

    /// Closes the journal once the reports are published.
    ///
    /// # Errors
    /// When it cannot be written: then the run stays open, and is looked after again.
    pub fn close(&self, outcome: classify::RunOutcome, folder: &str) -> Result<(), String> {
        use classify::RunOutcome as O;
        let step = match outcome {
            O::Verified | O::RolledBack => Step::Settled,
            O::NotStarted | O::Unseen | O::RollbackUnverified | O::CompensationRequired | O::Interrupted => {
                Step::Unsettled
            }
        };
        self.note(&mut Journal::open(&self.folder)?, step, folder)
    }

    /// The invariants that are not what they were when everything held.
    fn disturbed(&self, run: &RunEvidence, evidence: &Evidence) -> Vec<String> {
        unlike(&self.means.loaded.forbidden, &self.means.loaded.package, evidence, &run.measures)
    }

    /// Reads everything again, takes it back where that is to be done, and reads once more. Never fails: what cannot be read
    /// or written is in the record.
    fn settle(&self, run: &mut RunEvidence, journal: &mut Journal, evidence: &Evidence, revert: bool) {
        let mut noted = journal.record(run).and_then(|()| self.note(journal, Step::Ended, ""));
        run.post = Some(self.after(run));
        run.measures = (self.measure)();
        noted = noted
            .and_then(|()| replace(&self.folder, "post.json", &canonical_json(&run.post)))
            .and_then(|()| journal.record(run))
            .and_then(|()| self.note(journal, Step::Reread, Digest256::of(&canonical_json(&run.post)).as_str()));
        let wanted = next_step(run, &self.disturbed(run, evidence)) == classify::Step::Revert;
        if wanted && revert {
            let permit = noted.and_then(|()| self.permit(Allows::Revert));
            run.revert = Some(match permit {
                Err(error) => self.unstarted(&error),
                Ok(permit) => self.delegated(permit, &self.payload.revert_argv, "revert", journal, Step::Reverting),
            });
            noted = journal.record(run).and_then(|()| self.note(journal, Step::Reverted, ""));
            run.reverted = Some(self.after(run));
            run.measures = (self.measure)();
            noted = noted
                .and_then(|()| replace(&self.folder, "reverted.json", &canonical_json(&run.reverted)))
                .and_then(|()| journal.record(run))
                .and_then(|()| self.note(journal, Step::RereadAgain, ""));
        }
        run.journal_sha256 = noted.is_ok().then(|| journal.digest().clone());
    }

    fn note(&self, journal: &mut Journal, step: Step, said: &str) -> Result<(), String> {
        journal.note(step, said, (self.means.now)())
    }

    /// The state before, which must be readable, bear no row of this run, and give the approved numbers.
    fn before(&self, run: &RunEvidence) -> Result<State, Vec<String>> {
        let expected = surface::expected(self.means.rules, self.payload.run_id.as_str(), self.means.registry);
        let expected = expected.map_err(|reason| vec![reason])?;
        if expected != self.payload.expected {
            return Err(vec!["what the run would change is not what was approved any more".to_owned()]);
        }
        let state = self.state(run, Reading::Before);
        let State::Read(pre) = &state else {
            let State::Unread(reason) = state else { return Ok(state) };
            return Err(vec![format!("the state before the run cannot be read: {reason}")]);
        };
        let absent = expected.tables.keys().filter(|name| !pre.tables.contains_key(*name));
        let mut reasons: Vec<String> = absent.map(|name| format!("there is no table {name}")).collect();
        let belonging = pre.tables.iter().filter(|(_, table)| table.belonging > 0);
        reasons
            .extend(belonging.map(|(name, table)| format!("{name} has {} rows of this run already", table.belonging)));
        let left = expected.leaves.iter().filter(|file| pre.files.contains_key(*file));
        reasons.extend(left.map(|file| format!("the file {file} is there already")));
        if reasons.is_empty() { Ok(state) } else { Err(reasons) }
    }

    /// The state as it is at this moment, whatever was done since the run.
    pub fn read_now(&self, run: &RunEvidence) -> State {
        self.after(run)
    }

    fn after(&self, run: &RunEvidence) -> State {
        self.state(run, Reading::After)
    }

    fn state(&self, run: &RunEvidence, how: Reading) -> State {
        let (watch, place) = (&self.means.rules.watch, &self.means.loaded.place);
        Surface { registry: self.means.registry, watch, place, expected: &run.expected }.read(how, (self.means.now)())
    }

    /// The registry as the executor and its permit are told.
    fn address(&self) -> String {
        if self.means.rules.database.is_empty() {
            self.means.registry.address()
        } else {
            self.means.rules.database.clone()
        }
    }

    fn permit(&self, allows: Allows) -> Result<Permit, String> {
        let terms = Terms {
            allows,
            run_id: self.payload.run_id.clone(),
            payload_sha256: self.payload_sha256.clone(),
            target: self.payload.target.clone(),
            host: self.payload.host.clone(),
            registry: self.address(),
            tree_digest: self.payload.tree_digest.clone(),
            review_decision_id: self.review_decision_id.clone(),
            rehearsal: false,
            minutes: self.means.rules.permit_minutes,
        };
        Permit::sign(&self.folder, &terms, &(self.nonce)()?, (self.means.now)(), &(self.signer)()?)
    }

    /// Records that the approvals are spent: created once, by whoever is first.
    fn consume(&self) -> Result<(), String> {
        let path = self.folder.join("consumed.json");
        let run_id = self.payload.run_id.to_string();
        let consumed = Consumed { format: CONSUMED_FORMAT.to_owned(), run_id, utc: (self.means.now)() };
        let write = || {
            let mut file = File::create_new(&path)?;
            file.write_all(&canonical_json(&consumed))?;
            file.sync_all()?;
            sync_dir(&self.folder)
        };
        write().map_err(|error| format!("the approvals cannot be consumed, {}: {error}", path.display()))
    }

    /// Starts one program of the executor's and waits for its end.
    fn delegated(&self, permit: Permit, argv: &[String], name: &str, journal: &mut Journal, step: Step) -> Ended {
        let path = permit.path().display().to_string();
        let root = self.means.loaded.place.root.clone().unwrap_or_else(|| PathBuf::from("/"));
        let root = root.canonicalize().unwrap_or(root);
        let record = self.folder.join("run.json");
        let argv = fill(
            argv,
            &[
                ("<REVIEW_DECISION_ID>", &self.review_decision_id),
                ("<PERMIT>", &path),
                ("<ROOT>", &root.display().to_string()),
                ("<DATABASE>", &self.address()),
                ("<RECORD>", &record.display().to_string()),
            ],
        );
        let program = Program {
            path: PathBuf::from(&self.payload.executor_program),
            sha256: self.payload.executor_program_sha256.clone(),
        };
        let dir = working_dir(self.means.loaded);
        let secret_names = self.means.loaded.package.executor.as_ref().map(|it| it.env.clone()).unwrap_or_default();
        // What is taken back is not cut short because this program was told to end.
        let unheard = Arc::new(AtomicUsize::new(0));
        let with = Delegation {
            argv: &argv,
            program: &program,
            environment: &self.payload.environment,
            secret_names: &secret_names,
            dir: &dir,
            mark: &self.folder,
            deadline: Duration::from_secs(self.means.rules.deadline_seconds),
            grace: Duration::from_secs(self.means.rules.grace_seconds),
            output_bytes: self.means.rules.output_bytes,
            secrets: self.means.secrets,
            signal: if permit.allows() == Allows::Run { self.means.signal } else { &unheard },
        };
        match delegate(permit, &with, |pid| self.note(journal, step, &named(pid))) {
            Ok((ended, kept)) => {
                self.keep(name, &kept);
                ended
            }
            Err(NotStarted(reason)) => self.unstarted(&reason),
        }
    }

    /// What was printed, beside the record; that it cannot be kept changes no result.
    fn keep(&self, name: &str, kept: &Kept) {
        for (end, text) in [("out", &kept.out), ("err", &kept.err)] {
            let _ = replace(&self.folder, &format!("{name}.{end}"), text.as_bytes());
        }
    }

    fn unstarted(&self, reason: &str) -> Ended {
        Ended {
            started: (self.means.now)(),
            finished: (self.means.now)(),
            code: None,
            signal: None,
            told: format!("it was not started: {reason}"),
            left: Vec::new(),
            cut: false,
            secret: false,
            claims: Vec::new(),
            said: Vec::new(),
        }
    }
}

/// The processes that the journal of a run names.
fn processes(folder: &Path) -> Vec<String> {
    let lines = read(folder).map(|(lines, _)| lines).unwrap_or_default();
    lines
        .into_iter()
        .filter(|line| matches!(line.step, Step::Started | Step::Reverting))
        .map(|line| line.said)
        .collect()
}

/// What is there at this moment of what a run started, each as its number and name.
pub fn still_there(folder: &Path) -> Vec<String> {
    let said = processes(folder);
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    left_of(&said, folder).into_iter().map(|(pid, name)| format!("{pid} {name}")).collect()
}

/// Arguments with their placeholders filled in.
pub(super) fn fill(argv: &[String], values: &[(&str, &str)]) -> Vec<String> {
    let fill = |word: &String| values.iter().fold(word.clone(), |word, (name, value)| word.replace(name, value));
    argv.iter().map(fill).collect()
}

/// The runs in a folder of requests that were started and are not over, by their ids.
///
/// # Errors
/// When the folder cannot be read: then it is not known whether there are any.
pub fn unsettled(requests: &Path) -> Result<Vec<(RunId, RunEvidence, String)>, String> {
    let failed = |error: std::io::Error| format!("cannot read the requests {}: {error}", requests.display());
    let entries = match std::fs::read_dir(requests) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut open = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Ok(run_id) = RunId::try_from(entry.file_name().to_string_lossy().into_owned()) else { continue };
        match known(&entry.path(), &run_id) {
            Known::NotStarted | Known::Settled(_) => {}
            Known::Open(run, said) => open.push((run_id, *run, said)),
        }
    }
    open.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(open)
}

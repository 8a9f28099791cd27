//! The rehearsal of the revert: on a scratch copy of the registry, below a scratch root, with the deployed executor.
//!
//! For each mutating phase the executor runs forward to it and ends there, is told to take it back, and the state is compared
//! with the one before, which the phase must have changed. The last phase is a full run, which must be exactly what a run is
//! expected to be. Where it cannot be taken back the revert must refuse, and the encrypted dump is restored instead. The dump
//! is restored into another database in any case, and compared. Nothing of production is written, and nothing is left.

mod scratch;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::copies::drop_databases;
use super::delegate::{Delegation, NotStarted, Program, delegate};
use super::means::Means;
use super::payload::working_dir;
use super::permit::{Allows, Permit, Terms};
use super::registry::Registry;
use super::run::fill;
use super::surface::{self, Reading, Surface};
use crate::classify::departures;
use crate::evidence::{
    DRILL_FORMAT, DRILL_KIND, Digest256, DrillPhase, DrillRecord, Ended, Expected, Fingerprint, Instant, Level, RunId,
};
use crate::package::DrillRules;
use crate::signing::Signer;
use scratch::{Scratch, read};

pub use scratch::sweep;

/// The status of an executor that ended where it was asked to.
const STOPPED: i32 = 10;

/// What a rehearsal is made with.
pub struct Drill<'a> {
    /// What a run is made with, too.
    pub means: Means<'a>,
    /// What the package says of rehearsals.
    pub rules: &'a DrillRules,
    /// The folder of requests, in which the scratch folder lies.
    pub requests: PathBuf,
    /// What is cut.
    pub target: String,
    /// The digest of the deployed tree.
    pub tree_digest: String,
    /// Who rehearses.
    pub operator: String,
    /// Who signs permits.
    pub signer: &'a Signer,
    /// Four random bytes.
    pub random: &'a dyn Fn() -> Result<[u8; 4], String>,
    /// Told of each step.
    pub say: &'a dyn Fn(&str),
}

/// What a rehearsal came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsed {
    /// Its record, to be signed.
    pub record: DrillRecord,
    /// What did not come back; empty where everything did.
    pub problems: Vec<String>,
    /// How long it took.
    pub times: Times,
    /// The digest of the executor's program.
    pub executor_sha256: Digest256,
}

/// How long the parts of a rehearsal took, in seconds begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The longest revert.
    pub revert: i64,
    /// Decrypting the dump, restoring it, and comparing.
    pub restore: i64,
    /// From the dump's beginning to the end of the full run.
    pub data_age: i64,
}

/// Seconds, a begun one counted whole.
fn seconds(from: Instant, to: Instant) -> i64 {
    (to - from).num_milliseconds().max(0).div_euclid(1000) + 1
}

/// One step of a rehearsal with the state after it.
struct Stepped {
    ended: Ended,
    state: Fingerprint,
}

impl Drill<'_> {
    /// Rehearses.
    ///
    /// # Errors
    /// What could not be carried out: then there is no record.
    pub fn rehearse(&self) -> Result<Rehearsed, String> {
        let (started, mut clock) = ((self.means.now)(), Times::default());
        let untouched = self.production()?;
        let scratch = self.scratch()?;
        let (last, others) = self.rules.phases.split_last().ok_or("the package names no phase to rehearse")?;
        if let Some(phase) = others.iter().find(|phase| self.rules.irreversible.contains(phase)) {
            return Err(format!("{phase} cannot be taken back and is not the last phase: that cannot be rehearsed"));
        }
        let mut problems = Vec::new();
        let mut phases = Vec::new();
        for phase in others {
            (self.say)(&format!("{phase}: forward, and back"));
            phases.push(self.forward_and_back(&scratch, phase, &mut problems, &mut clock)?);
        }
        (self.say)(&format!("{last}: a full run, and back"));
        let (phase, restore_compared) = self.full_run(&scratch, last, &mut problems, &mut clock)?;
        phases.push(phase);
        problems
            .extend(phases.iter().filter(|it| !it.restored()).map(|it| format!("{} was not brought back", it.name)));
        if !untouched.same_database(&self.production()?) {
            return Err(
                "the production registry changed during the rehearsal: see who wrote, and rehearse again".to_owned()
            );
        }
        let dir = scratch.dir.path().to_owned();
        drop_databases(&dir)?;
        fs::remove_dir_all(&dir)
            .map_err(|error| format!("cannot remove the scratch folder {}: {error}", dir.display()))?;
        let record = DrillRecord {
            format: DRILL_FORMAT.to_owned(),
            kind: DRILL_KIND.to_owned(),
            tree_digest: self.tree_digest.clone(),
            target: self.target.clone(),
            host: self.means.loaded.package.host.clone(),
            operator: self.operator.clone(),
            started,
            finished: (self.means.now)(),
            level: if restore_compared { Level::E3 } else { Level::E2 },
            restore_compared,
            phases,
            published: None,
        };
        Ok(Rehearsed { record, problems, times: clock, executor_sha256: self.program()?.sha256 })
    }

    /// The production registry as it is.
    fn production(&self) -> Result<Fingerprint, String> {
        let place = &self.means.loaded.place;
        let surface = Surface { registry: self.means.registry, watch: &[], place, expected: &Expected::default() };
        read(surface.read(Reading::Before, (self.means.now)()))
    }

    /// What an executor left running is ended, and not as it should be.
    fn strays(&self, stepped: &Stepped, problems: &mut Vec<String>) {
        problems.extend(stepped.ended.left.iter().map(|it| format!("a process was left behind, and ended: {it}")));
    }

    /// One phase: forward to it, back, compared.
    fn forward_and_back(
        &self,
        scratch: &Scratch,
        phase: &str,
        problems: &mut Vec<String>,
        clock: &mut Times,
    ) -> Result<DrillPhase, String> {
        let run_id = RunId::new((self.means.now)(), (self.random)()?);
        let expected = surface::expected(self.means.rules, run_id.as_str(), &scratch.registry)?;
        let before = self.state(scratch, &expected)?;
        let mutated = self.step(scratch, &run_id, Allows::Run, Some(phase), &expected)?;
        if mutated.ended.code != Some(STOPPED) {
            return Err(format!("{phase} was not reached: {}", said(&mutated.ended)));
        }
        let after = self.step(scratch, &run_id, Allows::Revert, None, &expected)?;
        clock.revert = clock.revert.max(seconds(after.ended.started, after.ended.finished));
        [&mutated, &after].into_iter().for_each(|stepped| self.strays(stepped, problems));
        if after.ended.code != Some(0) {
            problems.push(format!("the revert of {phase} failed: {}", said(&after.ended)));
        }
        Ok(DrillPhase {
            name: phase.to_owned(),
            before: before.digest().to_string(),
            mutated: mutated.state.digest().to_string(),
            after: after.state.digest().to_string(),
            reverted: after.ended.code == Some(0),
        })
    }

    /// The last phase: a whole run, the restore of its dump compared, and back.
    fn full_run(
        &self,
        scratch: &Scratch,
        phase: &str,
        problems: &mut Vec<String>,
        clock: &mut Times,
    ) -> Result<(DrillPhase, bool), String> {
        let run_id = RunId::new((self.means.now)(), (self.random)()?);
        let expected = surface::expected(self.means.rules, run_id.as_str(), &scratch.registry)?;
        let before = self.state(scratch, &expected)?;
        let mutated = self.step(scratch, &run_id, Allows::Run, None, &expected)?;
        if mutated.ended.code != Some(0) {
            return Err(format!("the full run failed: {}", said(&mutated.ended)));
        }
        problems.extend(departures(&expected, &before, &mutated.state).into_iter().map(|it| format!("full run: {it}")));
        (self.say)("the encrypted dump: restored and compared");
        clock.data_age = seconds(mutated.ended.started, mutated.ended.finished);
        let begun = chrono::Utc::now();
        let restored = self.restored(scratch, &run_id)?;
        let elsewhere = Scratch {
            dir: tempfile::Builder::new().tempdir_in(scratch.dir.path()).map_err(|error| error.to_string())?,
            registry: restored.clone(),
            place: scratch.place.clone(),
        };
        let compared = before.is_copied_by(&self.state(&elsewhere, &Expected::default())?);
        clock.restore = seconds(begun, chrono::Utc::now());
        if !compared {
            problems.push("what the dump restores is not what was dumped".to_owned());
        }
        let back = self.step(scratch, &run_id, Allows::Revert, None, &expected)?;
        [&mutated, &back].into_iter().for_each(|stepped| self.strays(stepped, problems));
        let reverted = if self.rules.irreversible.iter().any(|it| it == phase) {
            if back.ended.code == Some(0) || !back.state.same_state(&mutated.state) {
                problems.push(format!("the revert did not refuse after {phase}, which cannot be taken back"));
            }
            // The one way back: the backup in the place of the registry, and the run's own files away.
            self.copies(&scratch.dir).put(&restored, &scratch.registry)?;
            let left = expected.leaves.iter().map(|it| scratch.place.locate(Path::new(it)));
            let away = left.filter(|it| it.exists()).try_for_each(fs::remove_file);
            away.map_err(|error| format!("cannot restore into the scratch copy: {error}"))?;
            compared
        } else {
            if back.ended.code != Some(0) {
                problems.push(format!("the revert of {phase} failed: {}", said(&back.ended)));
            }
            back.ended.code == Some(0)
        };
        let after = self.state(scratch, &expected)?;
        let phase = DrillPhase {
            name: phase.to_owned(),
            before: before.digest().to_string(),
            mutated: mutated.state.digest().to_string(),
            after: after.digest().to_string(),
            reverted,
        };
        Ok((phase, compared))
    }

    /// A new database from the run's encrypted dump; its plain text is on no disk.
    fn restored(&self, scratch: &Scratch, run_id: &RunId) -> Result<Registry, String> {
        let dump = scratch.place.locate(Path::new(&self.rules.dump.replace("<RUN_ID>", run_id.as_str())));
        let (program, first) = self.rules.decrypt.split_first().ok_or("the package names no program that decrypts")?;
        let mut open = Command::new(program);
        open.args(first).current_dir(&self.means.loaded.place.package_dir);
        self.copies(&scratch.dir).of_dump(&dump, open)
    }

    fn program(&self) -> Result<Program, String> {
        let executor = self.means.loaded.package.executor.clone().unwrap_or_default();
        let name = executor.argv.first().map_or("", String::as_str);
        Program::find(name, &executor.environment, &working_dir(self.means.loaded))
    }

    /// Starts the executor once on the scratch copy, and reads the state after it.
    fn step(
        &self,
        scratch: &Scratch,
        run_id: &RunId,
        allows: Allows,
        until: Option<&str>,
        expected: &Expected,
    ) -> Result<Stepped, String> {
        let executor = self.means.loaded.package.executor.clone().unwrap_or_default();
        let terms = Terms {
            allows,
            run_id: run_id.clone(),
            payload_sha256: Digest256::of(b""),
            target: self.target.clone(),
            host: self.means.loaded.package.host.clone(),
            registry: scratch.registry.address(),
            tree_digest: self.tree_digest.clone(),
            review_decision_id: "rehearsal".to_owned(),
            rehearsal: true,
            minutes: self.means.rules.permit_minutes,
        };
        let nonce = u32::from_be_bytes((self.random)()?).to_string();
        let permit = Permit::sign(scratch.dir.path(), &terms, &nonce, (self.means.now)(), self.signer)?;
        let root = scratch.place.root.clone().unwrap_or_default();
        let record = scratch.dir.path().join(format!("record-{run_id}.json"));
        let (argv, more) = match allows {
            Allows::Run => (&executor.argv, until.map(|_| executor.until.clone()).unwrap_or_default()),
            Allows::Revert => (&executor.revert, Vec::new()),
        };
        let argv: Vec<String> = argv.iter().chain(&more).cloned().collect();
        let argv = fill(
            &argv,
            &[
                ("<RUN_ID>", run_id.as_str()),
                ("<REVIEW_DECISION_ID>", "rehearsal"),
                ("<PERMIT>", &permit.path().display().to_string()),
                ("<ROOT>", &root.display().to_string()),
                ("<DATABASE>", &scratch.registry.address()),
                ("<RECORD>", &record.display().to_string()),
                ("<PHASE>", until.unwrap_or_default()),
            ],
        );
        let environment: BTreeMap<String, String> = executor.environment;
        let dir = working_dir(self.means.loaded);
        let program = self.program()?;
        let with = Delegation {
            argv: &argv,
            program: &program,
            environment: &environment,
            secret_names: &[],
            dir: &dir,
            mark: scratch.dir.path(),
            deadline: Duration::from_secs(self.means.rules.deadline_seconds),
            grace: Duration::from_secs(self.means.rules.grace_seconds),
            output_bytes: self.means.rules.output_bytes,
            secrets: self.means.secrets,
            signal: self.means.signal,
        };
        let (ended, _) = delegate(permit, &with, |_| Ok(())).map_err(|NotStarted(reason)| reason)?;
        Ok(Stepped { state: self.state(scratch, expected)?, ended })
    }
}

fn said(ended: &Ended) -> String {
    let how = match (ended.code, ended.signal) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "not seen to end".to_owned(),
    };
    format!("{how}{}{} {}", if ended.told.is_empty() { "" } else { ", " }, ended.told, ended.said.join(" "))
}

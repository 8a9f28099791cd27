//! `run --status` and `run --recover`: what is known of a run, and looking after one that was cut off.

use std::fmt::Write as _;
use std::path::Path;

use super::Desk;
use crate::classify::{Letter, RunOutcome};
use crate::commands::{CommandError, audit, output, session};
use crate::evidence::{Digest256, Evidence, Payload, Recorded, RunEvidence, RunId};
use crate::execute::{EVIDENCE, Known, Run, authority, known, read_journal, still_there, word};
use crate::report::escape::terminal;
use crate::report::{Dossier, exit_code, read_ledger, utc};

impl Desk<'_> {
    /// Looks after a run that was cut off, and publishes what became of it.
    pub(super) fn recover(
        &self,
        run: RunEvidence,
        approved: &Payload,
        payload_sha256: Digest256,
        revert: bool,
    ) -> Result<u8, CommandError> {
        let templates = audit::templates(self.loaded)?;
        let path = self.folder.join(EVIDENCE);
        let lost = |error: String| {
            let message =
                format!("{}: {error}: what held before the run is lost, and a person has to look", path.display());
            CommandError::Refused(vec![message])
        };
        let bytes = std::fs::read(&path).map_err(|error| lost(error.to_string()))?;
        let evidence: Evidence = serde_json::from_slice(&bytes).map_err(|error| lost(error.to_string()))?;
        let secrets = self.secrets();
        let measure = || session::collect_measures(self.loaded, &secrets);
        let review = authority(self.loaded, self.rules, &evidence, approved.run_id.as_str());
        let review = review.map(|granted| granted.review_decision_id).unwrap_or_default();
        // What is looked after was started: there is nothing left that could be refused.
        let recheck = Vec::new;
        let made = self.run(approved, payload_sha256, review, &secrets, &recheck, &measure)?;
        if let Some((text, code)) = self.told_before(&made)? {
            output::to_stdout_without(&secrets, &text)?;
            return Ok(code);
        }
        let (text, code) = self.interrupts.undisturbed(|_| {
            let run = made.recover(run, &evidence, revert).map_err(|reason| CommandError::Refused(vec![reason]))?;
            self.publish(&made, run, &evidence, &templates, &secrets)
        })?;
        output::to_stdout_without(&secrets, &text)?;
        Ok(code)
    }

    /// A run whose good end was published, and whose journal was not closed because the program was cut off between the two:
    /// closes it, and says what was published.
    fn told_before(&self, made: &Run<'_>) -> Result<Option<(String, u8)>, CommandError> {
        let Ok((_, journal)) = read_journal(&self.folder) else { return Ok(None) };
        let root = self.loaded.place.package_dir.join("reports");
        for (line, _) in read_ledger(&root)?.into_iter().rev() {
            let Ok(bytes) = std::fs::read(root.join(&line.folder).join(EVIDENCE)) else { continue };
            let Ok(evidence) = serde_json::from_slice::<Evidence>(&bytes) else { continue };
            let of_this = evidence.run.as_ref().is_some_and(|run| {
                run.begun.is_some()
                    && run.run_id == made.payload.run_id
                    && run.journal_sha256.as_ref() == Some(&journal)
            });
            if !of_this || line.files.get(EVIDENCE) != Some(&Digest256::of(&bytes)) {
                continue;
            }
            let dossier = Dossier::assemble(self.loaded, &Recorded::of(evidence));
            // An audit in between tells of a run that is open, and never calls it A.
            let told = match dossier.result.run {
                RunOutcome::Verified => Letter::A,
                RunOutcome::RolledBack => Letter::D,
                RunOutcome::NotStarted
                | RunOutcome::Unseen
                | RunOutcome::RollbackUnverified
                | RunOutcome::CompensationRequired
                | RunOutcome::Interrupted => return Ok(None),
            };
            if told != dossier.result.ruling.letter || told.word() != line.letter {
                return Ok(None);
            }
            let shown = root.join(&line.folder).display().to_string();
            let closed = made.close(dossier.result.run, &shown);
            closed.map_err(|reason| CommandError::Refused(vec![reason]))?;
            let text = format!(
                "{} is over: it was published before as {} — {}\nreports: {}\n",
                made.payload.run_id,
                line.letter,
                line.label,
                terminal(&shown)
            );
            return Ok(Some((text, exit_code(&dossier, Letter::A))));
        }
        Ok(None)
    }
}

/// Says what the folder of a run tells, and changes nothing.
pub(super) fn status(folder: &Path, run_id: &RunId) -> Result<u8, CommandError> {
    let (text, code) = match known(folder, run_id) {
        Known::NotStarted => (format!("{run_id}: requested, not started\n"), 0),
        Known::Settled(run) => (format!("{run_id}: started {}, over\n", begun(&run)), 0),
        Known::Open(run, said) => {
            let next = format!("next: cutgate run --recover {run_id}");
            let decide = super::closing::to_be_decided(folder, run_id);
            (format!("{run_id}: started {}, not over: {said}\n{next}\n{decide}", begun(&run)), 5)
        }
    };
    let mut text = text;
    for process in still_there(folder) {
        let _ = writeln!(text, "still running: {}", terminal(&process));
    }
    match read_journal(folder) {
        Ok((lines, _)) => {
            for line in lines {
                let _ = writeln!(text, "  {} {} {}", utc(line.utc), word(line.step), terminal(&line.said));
            }
        }
        Err(error) => {
            let _ = writeln!(text, "  {}", terminal(&error));
        }
    }
    output::to_stdout(&text)?;
    Ok(code)
}

fn begun(run: &RunEvidence) -> String {
    run.begun.map_or_else(|| "at a time that is not known".to_owned(), utc)
}

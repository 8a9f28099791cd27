//! `run --close`: a person decided what becomes of a run that a machine can neither finish nor take back. The decision is signed by
//! the sovereign, published in the chain with the state as it is now, and frees the way for other runs. The run stays D.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Desk;
use crate::commands::{CommandError, keys, output, session};
use crate::evidence::{CLOSURE_FORMAT, Closure, Digest256, Payload, RunEvidence, RunId, State, canonical_json};
use crate::execute::{Decision, Line, Step, Wanted, close_by_decision, read_journal, still_there, word};
use crate::report::escape::terminal;
use crate::report::{CLOSURE, Claim, DECISION, DECISION_SIGNATURE, Entry, Tool, read_ledger};

impl Desk<'_> {
    /// Closes a run by the decision in `file`, with its signature in `file.asc`.
    pub(super) fn close(
        &self,
        run: &RunEvidence,
        approved: &Payload,
        payload_sha256: Digest256,
        file: &Path,
    ) -> Result<u8, CommandError> {
        let refused = |reason: String| CommandError::Refused(vec![reason]);
        let (lines, journal) = read_journal(&self.folder).map_err(refused)?;
        let run_id = &approved.run_id;
        let last = undecided(lines.last(), run_id).map_err(refused)?;
        let left = still_there(&self.folder);
        if !left.is_empty() {
            return Err(refused(format!("what the run started is still there: {}", left.join(", "))));
        }
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| refused(format!("cannot read {}: {error}", path.display())))
        };
        let mut beside = file.as_os_str().to_owned();
        beside.push(".asc");
        let (bytes, signature) = (read(file)?, read(&PathBuf::from(beside))?);
        let trust = &self.loaded.package.trust;
        let certs = keys::trusted(self.loaded)?;
        let now = session::now();
        let wanted = Wanted { run_id, journal: &journal, since: last.utc, trust, certs: &certs, now };
        let decision = Decision::judge(&bytes, &signature, wanted).map_err(CommandError::Refused)?;
        let secrets = self.secrets();
        let made = self.run(approved, payload_sha256.clone(), String::new(), &secrets, &Vec::new, &Default::default)?;
        let root = self.loaded.place.package_dir.join("reports");
        let decision_sha256 = Digest256::of(&bytes);
        // It was published, and the program was cut off before the journal said so.
        let earlier = read_ledger(&root)?
            .into_iter()
            .find(|(line, _)| line.entry == Entry::Closure && line.files.get(DECISION) == Some(&decision_sha256));
        let shown = match earlier {
            Some((line, _)) => root.join(line.folder),
            None => {
                let state = made.read_now(run);
                let claim = Claim::take(&root, now)?;
                let compared = match (&run.pre, &state) {
                    (Some(State::Read(pre)), State::Read(now)) => Some((pre, now)),
                    (Some(_) | None, _) => None,
                };
                let record = Closure {
                    format: CLOSURE_FORMAT.to_owned(),
                    run_id: run_id.clone(),
                    payload_sha256,
                    journal_sha256: journal,
                    decision: decision.said.clone(),
                    decided_utc: decision.utc,
                    decision_sha256,
                    signers: decision.signers.iter().map(ToString::to_string).collect(),
                    utc: now,
                    by: session::user(),
                    tool: format!("{} {}", Tool::THIS.name, Tool::THIS.version),
                    as_before: compared.map(|(pre, now)| now.same_state(pre)),
                    departures: compared
                        .map(|(pre, now)| crate::classify::departures(&run.expected, pre, now))
                        .unwrap_or_default(),
                    state,
                    number: claim.sequence(),
                    previous: claim.previous().clone(),
                };
                let files = [
                    (CLOSURE.to_owned(), canonical_json(&record)),
                    (DECISION.to_owned(), bytes),
                    (DECISION_SIGNATURE.to_owned(), signature),
                ];
                self.interrupts.undisturbed(|_| claim.publish_closure(&files.into(), &decision.signers, &secrets))?
            }
        };
        close_by_decision(&self.folder, &shown.display().to_string(), now).map_err(refused)?;
        let mut text = format!("{run_id} is closed: {}\n", terminal(&decision.said));
        let _ = writeln!(text, "its result stays D; other runs may be requested again");
        let _ = writeln!(text, "published: {}", terminal(&shown.display().to_string()));
        output::to_stdout_without(&secrets, &text)?;
        Ok(0)
    }
}

/// The last line of a journal, where that says that a person is needed.
fn undecided<'a>(last: Option<&'a Line>, run_id: &RunId) -> Result<&'a Line, String> {
    match last {
        Some(line) if line.step == Step::Unsettled => Ok(line),
        Some(line) => Err(format!(
            "the last step in its journal is {}: look after it first, cutgate run --recover {run_id}",
            word(line.step)
        )),
        None => Err(format!("its journal is empty: look after it first, cutgate run --recover {run_id}")),
    }
}

/// What a decision has to say, for the person who writes it; nothing where the run is not one to be decided on.
pub(super) fn to_be_decided(folder: &Path, run_id: &RunId) -> String {
    let Ok((lines, journal)) = read_journal(folder) else { return String::new() };
    if undecided(lines.last(), run_id).is_err() {
        return String::new();
    }
    format!(
        "or, once a person has decided what becomes of it, in a file that the sovereign signs:\n  \
         ---\n  kind: closure\n  run_id: {run_id}\n  journal_sha256: {journal}\n  decision: \"<what was decided and done>\"\n  \
         decided_utc: \"<when>\"\n  ---\nthen: cutgate run {run_id} --close FILE (with FILE.asc beside it)\n"
    )
}

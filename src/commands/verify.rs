//! `verify`: published audits against the ledger, their signatures, their own evidence and their own rules. Says in words
//! what was proved, by which clock, and what was not.

use std::fmt::Write as _;
use std::path::Path;

use super::cli::VerifyArgs;
use super::keys::{operators, sovereign};
use super::{CommandError, output};
use crate::evidence::Instant;
use crate::report::escape::terminal;
use crate::report::{
    Authorship, Entry, Keys, LEDGER, Published, ReplayError, Replayed, Signatures, closure, prove, read_ledger,
    rehearsal, utc,
};
use crate::trust::Fingerprint;
use crate::trust::ed25519::VerifyingKey;

pub fn run(package: &Path, args: &VerifyArgs) -> Result<u8, CommandError> {
    let (at, clock) = args.keys.instant();
    let attestors = args.attested.keys(package)?;
    let reading = Reading { package, args, at, attestors };
    let text = if args.dir.join(LEDGER).is_file() {
        reading.all(clock)?
    } else {
        // A report speaks for its folder.
        let folder = if args.dir.is_file() { args.dir.parent().unwrap_or(Path::new(".")) } else { &args.dir };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match reading.no_audit(folder)? {
            Some(said) => said,
            None => {
                let (proved, keys, attested) = reading.one(folder)?;
                reading.said(&proved, &keys, clock) + &attested
            }
        }
    };
    output::to_stdout(&text)?;
    Ok(0)
}

/// What is asked for.
struct Reading<'a> {
    package: &'a Path,
    args: &'a VerifyArgs,
    at: Instant,
    /// The keys whose attestations count; where there are none, attestations are only checked for consistency.
    attestors: Vec<VerifyingKey>,
}

impl Reading<'_> {
    /// Verifies one folder; with what is said of its attestations.
    fn one(&self, folder: &Path) -> Result<(Replayed, Keys, String), CommandError> {
        let published = Published::read(folder)?;
        let keys = self.args.keys.keys(self.package, published.is_signed())?;
        let proved = prove(&published, &keys, self.at)?;
        let attested = self.args.attested.verified(&proved, &self.attestors)?;
        Ok((proved.replayed, keys, attested))
    }

    /// What is said of what is published and no audit; `None` where the folder holds one.
    fn no_audit(&self, folder: &Path) -> Result<Option<String>, CommandError> {
        let published = Published::read(folder)?;
        match self.decision(&published)? {
            Some(said) => Ok(Some(said)),
            None => self.drill(&published),
        }
    }

    /// What is said of a decision that closed a run; `None` where the folder holds something else.
    fn decision(&self, published: &Published) -> Result<Option<String>, CommandError> {
        if !published.is(Entry::Closure) {
            return Ok(None);
        }
        let (pinned, threshold, certs) = sovereign(self.package)?;
        let Some(found) = closure(published, &pinned, threshold, &certs, self.at)? else { return Ok(None) };
        let record = &found.record;
        let who = record.signers.join(", ");
        let who = match found.vouched {
            true => format!("signed by {who}, pinned as sovereign"),
            false => format!("signed by {who}, for which nobody vouches here"),
        };
        let run = &record.run_id;
        let said = terminal(&record.decision);
        Ok(Some(format!(
            "{:04}: {run} closed, its result stays D: {said}, {}, {who}\n",
            record.number,
            utc(record.utc)
        )))
    }

    /// What is said of the record of a rehearsal; `None` where the folder holds something else.
    fn drill(&self, published: &Published) -> Result<Option<String>, CommandError> {
        if !published.is(Entry::Drill) {
            return Ok(None);
        }
        let (pinned, certs) = operators(self.package)?;
        let Some(found) = rehearsal(published, &pinned, &certs, self.at)? else { return Ok(None) };
        let record = &found.record;
        let back = record.phases.iter().filter(|phase| phase.restored()).count();
        let who = if found.vouched {
            format!("signed by {}, who is pinned as operator", names(&found.signers))
        } else {
            format!("signed by {}, for which nobody vouches here", names(&found.signers))
        };
        Ok(Some(format!(
            "{}: rehearsal of {} at E{}, {back} of {} phases brought back, {}, {who}\n",
            terminal(&published.folder[..published.folder.len().min(4)]),
            terminal(&record.target),
            record.level.number(),
            record.phases.len(),
            utc(record.finished)
        )))
    }

    /// What is proved of one audit, and what is not.
    fn said(&self, proved: &Replayed, keys: &Keys, clock: &str) -> String {
        one(proved, keys, self.at, clock, !self.attestors.is_empty())
    }

    /// Verifies every audit that the ledger names.
    fn all(&self, clock: &str) -> Result<String, CommandError> {
        let root = &self.args.dir;
        let mut text = String::new();
        let mut last = None;
        for (line, _) in read_ledger(root).map_err(ReplayError::from)? {
            match line.entry {
                Entry::Audit | Entry::Drill | Entry::Closure => {}
                Entry::Void => {
                    let _ = writeln!(text, "{:04}: void, nothing was published under this number", line.number);
                    continue;
                }
            }
            let folder = root.join(&line.folder);
            if folder.symlink_metadata().is_err() {
                let reason = "the ledger names it, and it is not there".to_owned();
                return Err(ReplayError::File { file: line.folder, reason }.into());
            }
            if let Some(said) = self.no_audit(&folder)? {
                text.push_str(&said);
                continue;
            }
            let (proved, keys, attested) = self.one(&folder)?;
            let who = &proved.authorship;
            let _ = writeln!(text, "{:04}: {}, {}, {who}", proved.number, proved.result, proved.utc);
            last = Some((proved, keys, attested));
        }
        let Some((proved, keys, attested)) = last else {
            let reason = "the ledger names no audit, so that nothing is proved".to_owned();
            return Err(ReplayError::File { file: LEDGER.to_owned(), reason }.into());
        };
        if let Some(folder) = proved.without_line.first() {
            let reason = "the ledger has no line for it: it was added, or its line was taken away".to_owned();
            return Err(ReplayError::File { file: folder.clone(), reason }.into());
        }
        let said = self.said(&proved, &keys, clock);
        let _ = write!(text, "\nall of them hold; of the newest:\n\n{said}{attested}");
        Ok(text)
    }
}

fn names(signers: &[Fingerprint]) -> String {
    signers.iter().map(Fingerprint::as_str).collect::<Vec<_>>().join(", ")
}

/// What is proved of one audit, and what is not.
fn one(proved: &Replayed, keys: &Keys, at: Instant, clock: &str, attested: bool) -> String {
    let mut text = format!(
        "audit {:04}: {}\nmade by {} at {} by the clock of the machine that was read\n\nproved:\n",
        proved.number, proved.result, proved.made_by, proved.utc
    );
    let mut line = |said: String| {
        let _ = writeln!(text, "- {said}");
    };
    line(format!(
        "{} files are what the ledger names, and the ledger chains over {}",
        proved.files.len(),
        output::counted(proved.ledger_lines, "line")
    ));
    line("the recorded rules judge the recorded evidence to the same result, and every file was rendered again byte for byte".to_owned());
    let by = match &proved.authorship {
        Authorship::Unsigned => None,
        Authorship::Claimed(by) | Authorship::Proved(by) => Some(by),
    };
    if let Some(by) = by {
        line(signed(by, at, clock));
    }
    let chained = by.is_some() && proved.chained && proved.number > 1;
    if chained {
        line(
            "the signed result names the line of the ledger before it: what lies before was not changed since"
                .to_owned(),
        );
    }
    match (&proved.authorship, keys) {
        (Authorship::Proved(by), Keys::Pinned { package, .. }) => {
            line(format!("{} pins that key as auditor, which is worth what that file is worth", terminal(package)));
            if !by.recorded.is_empty() {
                line("its keyring lacks the certificate, so that the copy in the audit was used".to_owned());
            }
        }
        (Authorship::Proved(_), Keys::Given(_) | Keys::None) => {
            line("that key is one of those given with --key".to_owned())
        }
        (Authorship::Unsigned | Authorship::Claimed(_), _) => {}
    }
    text.push_str("not proved: ");
    match &proved.authorship {
        Authorship::Unsigned if attested => text.push_str("that the host was as the evidence says\n"),
        Authorship::Unsigned => text.push_str("who made it (it is not signed), and that the host was as the evidence says\n"),
        Authorship::Claimed(_) => text.push_str(
            "who made it (the certificate comes with the audit and proves only that all of it is by one hand: give the\n\
             auditor's with --key), whether the key was revoked since, and that the host was as the evidence says\n",
        ),
        Authorship::Proved(_) => text.push_str(
            "when it was signed (the date is the signer's claim), and that the host was as the evidence says\n",
        ),
    }
    let _ = writeln!(
        text,
        "             that no newer audit was taken away behind {:04} (ledger head {})",
        proved.newest, proved.head
    );
    for (folders, kind, why) in [
        (&proved.void, "no report", "void in the ledger: an audit was cut off, or its line was taken away"),
        (&proved.gone, "missing", "in the ledger, and not beside it"),
        (&proved.without_line, "no report", "in no line of the ledger: an audit was cut off, or a line is gone"),
    ] {
        for folder in folders {
            let _ = writeln!(text, "{kind}: {}, {why}", terminal(folder));
        }
    }
    text
}

fn signed(by: &Signatures, at: Instant, clock: &str) -> String {
    let dates = if by.first == by.last { utc(by.first) } else { format!("{} to {}", utc(by.first), utc(by.last)) };
    format!(
        "each of {} files is signed by {}, dated {dates} by the signer's clock; the key was good then, and is good at {} by {clock}",
        by.files,
        names(&by.signers),
        utc(at)
    )
}

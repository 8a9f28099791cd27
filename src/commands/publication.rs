//! One publication, whatever command makes it: the evidence is judged twice, a number is taken, every report is rendered,
//! sealed and signed, and everything appears at once.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use super::CommandError;
use super::attest::{AttestArgs, Attesting};
use super::interrupt::Interrupts;
use super::signing::{Chosen, SignArgs};
use crate::evidence::{Evidence, Recorded};
use crate::gates::Loaded;
use crate::probes::Secrets;
use crate::report::escape::terminal;
use crate::report::{Claim, Dossier, Templates, report_set, with_signatures};
use crate::trust::armored;

/// Who signs and who attests what is published.
#[derive(Default)]
pub struct Seals {
    signing: Option<Chosen>,
    attesting: Option<Attesting>,
}

impl Seals {
    /// Those that the options name, asked before anything else is done.
    ///
    /// # Errors
    /// A key that is not there, does not fit, or is not one that the package lets sign reports.
    pub fn of(
        signing: &SignArgs,
        attesting: &AttestArgs,
        loaded: &Loaded,
        interrupts: &Interrupts,
    ) -> Result<Self, CommandError> {
        let trust = &loaded.package.trust;
        let attesting = attesting.attesting(trust)?;
        Ok(Self { signing: signing.signer(&trust.auditor, "auditor", interrupts)?, attesting })
    }

    /// Lets nothing be written in which the keys or their passphrase occur.
    pub fn keep_secret(&self, secrets: &Secrets) {
        if let Some(chosen) = &self.signing {
            chosen.keep_secret(secrets);
        }
        if let Some(attesting) = &self.attesting {
            attesting.keep_secret(secrets);
        }
    }
}

/// Everything that one publication holds, judged and rendered, with its number taken.
pub struct Publication {
    claim: Claim,
    files: BTreeMap<String, Vec<u8>>,
    recorded: Dossier,
    root: PathBuf,
}

impl Publication {
    /// Judges the evidence twice, takes a number below `root`, renders every report, and seals all of it. Signing ends with
    /// a signal where `interrupts` are given; what became of a run is signed whatever comes.
    ///
    /// # Errors
    /// A report that cannot be rendered, a ledger that is broken, a signature that cannot be made.
    pub fn prepare(
        loaded: &Loaded,
        templates: &Templates,
        mut evidence: Evidence,
        root: &Path,
        seals: &Seals,
        secrets: &Secrets,
        interrupts: Option<&Interrupts>,
    ) -> Result<Self, CommandError> {
        // Said before it is done, so that the bytes that are published are the ones that are judged twice. Where the
        // two differ nothing is published.
        evidence.process.recomputed = true;
        let evidence = ManuallyDrop::new(Recorded::of(evidence));
        let dossier = judged_twice(loaded, &evidence)?;
        let claim = Claim::take(root, evidence.evidence.now)?;
        // What is recorded names the folder as it lies beside the ledger; what is printed names it as it can be opened.
        let recorded = dossier.published(&claim.number(), claim.folder(), &evidence.evidence);
        seals.keep_secret(secrets);
        let signer = seals.signing.as_ref().map(Chosen::signer);
        let certificates = signer.map(|signer| (signer.fingerprint().clone(), armored(signer.cert())));
        let recorded = recorded.chained(Some(claim.previous().clone()), certificates.into_iter().collect());
        let mut files = report_set(loaded, templates, &evidence, &recorded)?;
        let claim = match &seals.attesting {
            Some(attesting) => {
                files.extend(attesting.seal(loaded, templates, &recorded, &files));
                claim.with_checkpoint(attesting.key().clone())
            }
            None => claim,
        };
        if let Some(chosen) = &seals.signing {
            files = with_signatures(files, |bytes| chosen.sign(bytes, interrupts))?;
        }
        Ok(Self { claim, files, recorded, root: root.to_owned() })
    }

    /// Publishes, whole or not at all. The dossier, and the folder as it can be opened.
    ///
    /// # Errors
    /// A secret value in a report; something that cannot be written.
    pub fn publish(self, secrets: &Secrets) -> Result<(Dossier, String), CommandError> {
        let shown = self.root.join(self.claim.folder()).display().to_string();
        let ruling = &self.recorded.result.ruling;
        let (voided, lost) = (self.claim.voided().to_vec(), self.claim.lost().to_vec());
        let signers = &self.recorded.audit.signers;
        self.claim.publish(&self.files, ruling.letter.word(), &ruling.label, signers, secrets)?;
        for folder in voided {
            anstream::eprintln!(
                "warning: {} is void: an audit was cut off while it published, or its line was taken away; the ledger \
                 records that from now on, and its number is not used again",
                terminal(&self.root.join(folder).display().to_string())
            );
        }
        for folder in lost {
            anstream::eprintln!(
                "warning: {} is in no line of the ledger and is not a report; its number is not used again",
                terminal(&self.root.join(folder).display().to_string())
            );
        }
        Ok((self.recorded, shown))
    }
}

/// Judges the evidence, reads its recorded bytes back, and judges these: what is published is what the recorded
/// evidence says.
fn judged_twice(loaded: &Loaded, recorded: &Recorded) -> Result<Dossier, CommandError> {
    let again: Evidence = serde_json::from_slice(&recorded.bytes)
        .map_err(|error| CommandError::Internal(format!("the evidence cannot be read back: {error}")))?;
    let dossier = Dossier::assemble(loaded, recorded);
    // What is equal has equal bytes, which need not be made again.
    if again == *recorded.evidence {
        let again = Recorded { evidence: again.into(), bytes: Vec::new(), sha256: recorded.sha256.clone() };
        if Dossier::assemble(loaded, &again) == dossier {
            return Ok(dossier);
        }
    }
    Err(CommandError::Internal("the recorded evidence does not give the same result".to_owned()))
}

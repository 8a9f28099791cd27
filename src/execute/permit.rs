//! The permit: what allows the executor one run, one revert or one rehearsal, for some minutes.
//!
//! It names run, payload, target, host, registry and tree, carries a nonce, and is signed by the auditor's key, so that the
//! executor can verify it with `gpg` alone. It is made when everything holds and used once: it cannot be copied.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::journal::replace;
use crate::evidence::{Digest256, Instant, RunId, canonical_json};
use crate::probes::Stop;
use crate::report::utc;
use crate::signing::Signer;

/// The format of a permit.
pub const PERMIT_FORMAT: &str = "cutgate-permit/1";
/// The file of a permit for a run.
const RUN_PERMIT: &str = "permit.json";
/// The file of a permit for taking a run back.
const REVERT_PERMIT: &str = "permit-revert.json";

/// What a permit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allows {
    /// One run.
    Run,
    /// Taking that run back.
    Revert,
}

/// What a permit is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What it allows.
    pub allows: Allows,
    /// The run.
    pub run_id: RunId,
    /// The digest of its payload; of nothing in a rehearsal.
    pub payload_sha256: Digest256,
    /// What is cut.
    pub target: String,
    /// The host's own name.
    pub host: String,
    /// The registry: its file, links followed, or its address without a password.
    pub registry: String,
    /// The digest of the deployed tree.
    pub tree_digest: String,
    /// The review that the enact rests on.
    pub review_decision_id: String,
    /// Whether it is a rehearsal on a scratch copy.
    pub rehearsal: bool,
    /// How long it holds.
    pub minutes: i64,
}

/// As the file holds it.
#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    kind: Allows,
    run_id: &'a RunId,
    payload_sha256: &'a Digest256,
    target: &'a str,
    host: &'a str,
    registry: &'a str,
    tree_digest: &'a str,
    review_decision_id: &'a str,
    rehearsal: bool,
    allowance: &'static str,
    issued_utc: String,
    expires_utc: String,
    nonce: String,
}

/// A signed permit. It is not `Clone`, and the one process that it allows takes it: until that is about to be started it is on
/// no disk, so that a run which is refused or cut off before leaves nothing that would open the switch.
#[derive(Debug)]
pub struct Permit {
    folder: PathBuf,
    allows: Allows,
    bytes: Vec<u8>,
    signature: Vec<u8>,
}

impl Permit {
    /// Signs a permit that will lie in a folder.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign(folder: &Path, terms: &Terms, nonce: &str, now: Instant, signer: &Signer) -> Result<Self, String> {
        let document = Document {
            format: PERMIT_FORMAT,
            kind: terms.allows,
            run_id: &terms.run_id,
            payload_sha256: &terms.payload_sha256,
            target: &terms.target,
            host: &terms.host,
            registry: &terms.registry,
            tree_digest: &terms.tree_digest,
            review_decision_id: &terms.review_decision_id,
            rehearsal: terms.rehearsal,
            allowance: "explicit",
            issued_utc: utc(now),
            expires_utc: utc(now + chrono::Duration::minutes(terms.minutes)),
            nonce: nonce.to_owned(),
        };
        let bytes = canonical_json(&document);
        // What is begun here is ended whatever signal comes: the record of it has to be written.
        let signature = signer.sign(&bytes, now, &Stop::default()).map_err(|error| error.to_string())?;
        Ok(Self { folder: folder.to_owned(), allows: terms.allows, bytes, signature })
    }

    /// Where it will lie.
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.name())
    }

    /// What it allows.
    pub fn allows(&self) -> Allows {
        self.allows
    }

    /// The digest of what was signed.
    pub fn digest(&self) -> Digest256 {
        Digest256::of(&self.bytes)
    }

    /// Puts it where the process that it allows will look for it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn lay(self) -> Result<Laid, String> {
        let signature = format!("{}.asc", self.name());
        replace(&self.folder, &signature, &self.signature)?;
        let laid = Laid { signature: self.folder.join(signature) };
        replace(&self.folder, self.name(), &self.bytes)?;
        Ok(laid)
    }

    fn name(&self) -> &'static str {
        match self.allows {
            Allows::Run => RUN_PERMIT,
            Allows::Revert => REVERT_PERMIT,
        }
    }
}

/// A permit on the disk: it holds as long as this lives. What it said stays, without its signature.
#[derive(Debug)]
pub struct Laid {
    signature: PathBuf,
}

impl Drop for Laid {
    fn drop(&mut self) {
        // Where that fails it holds until its minutes are over.
        let _ = fs::remove_file(&self.signature);
    }
}

/// Takes away the signatures of permits that a run which was cut off left behind.
pub fn withdraw(folder: &Path) {
    for name in [RUN_PERMIT, REVERT_PERMIT] {
        drop(Laid { signature: folder.join(format!("{name}.asc")) });
    }
}

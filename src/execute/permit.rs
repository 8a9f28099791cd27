//! The permit: what allows the executor one run, one revert or one rehearsal, for some minutes.
//!
//! It names run, payload, target, host, registry and tree, carries a nonce, and is signed by the auditor's key, so that the
//! executor can verify it with `gpg` alone. It is made when everything holds and used once: it cannot be copied.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use super::journal::replace;
use crate::evidence::{Digest256, Instant, RunId, canonical_json};
use crate::report::utc;
use crate::trust::Fingerprint;

/// The format of a permit.
pub const PERMIT_FORMAT: &str = "cutgate-permit/1";

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
    /// The registry, links followed.
    pub registry: PathBuf,
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
    registry: String,
    tree_digest: &'a str,
    review_decision_id: &'a str,
    rehearsal: bool,
    allowance: &'static str,
    issued_utc: String,
    expires_utc: String,
    nonce: String,
}

/// A signed permit on the disk. It is not `Clone`, and the one process that it allows takes it.
#[derive(Debug)]
pub struct Permit {
    path: PathBuf,
    allows: Allows,
}

impl Permit {
    /// Writes and signs a permit into a folder.
    ///
    /// # Errors
    /// When it cannot be signed or written.
    pub fn issue(folder: &Path, terms: &Terms, nonce: &str, now: Instant, signer: &Signer) -> Result<Self, String> {
        let document = Document {
            format: PERMIT_FORMAT,
            kind: terms.allows,
            run_id: &terms.run_id,
            payload_sha256: &terms.payload_sha256,
            target: &terms.target,
            host: &terms.host,
            registry: terms.registry.display().to_string(),
            tree_digest: &terms.tree_digest,
            review_decision_id: &terms.review_decision_id,
            rehearsal: terms.rehearsal,
            allowance: "explicit",
            issued_utc: utc(now),
            expires_utc: utc(now + chrono::Duration::minutes(terms.minutes)),
            nonce: nonce.to_owned(),
        };
        let bytes = canonical_json(&document);
        let signature = signer.sign(&bytes)?;
        let name = match terms.allows {
            Allows::Run => "permit.json",
            Allows::Revert => "permit-revert.json",
        };
        replace(folder, &format!("{name}.asc"), &signature)?;
        replace(folder, name, &bytes)?;
        Ok(Self { path: folder.join(name), allows: terms.allows })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it allows.
    pub fn allows(&self) -> Allows {
        self.allows
    }
}

/// Who signs: the program that `[request]` names, with the key of one fingerprint.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The program and its first arguments.
    pub gpg: Vec<String>,
    /// The key.
    pub key: Fingerprint,
    /// The folder that the program is started in: that of the package.
    pub dir: PathBuf,
}

impl Signer {
    /// A detached, armored signature.
    ///
    /// # Errors
    /// When the program cannot be started, or does not sign.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let (program, first) = self.gpg.split_first().ok_or_else(|| "no program signs".to_owned())?;
        let mut command = Command::new(program);
        command.args(first).args(["--batch", "--quiet", "--no-tty", "--armor", "--local-user"]);
        command.arg(self.key.to_string()).args(["--detach-sign", "--output", "-", "-"]).current_dir(&self.dir);
        let output = piped(&mut command, bytes).map_err(|error| format!("{program}: {error}"))?;
        if !output.status.success() || !output.stdout.starts_with(b"-----BEGIN PGP SIGNATURE-----") {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("{program} did not sign with {}: {} {said}", self.key, output.status));
        }
        Ok(output.stdout)
    }
}

/// Runs a program to its end with bytes on its standard input.
///
/// # Errors
/// When it cannot be started.
pub fn piped(command: &mut Command, input: &[u8]) -> std::io::Result<std::process::Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        // A program that ends early closes the pipe; what it says of that stands in its output.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    })
}

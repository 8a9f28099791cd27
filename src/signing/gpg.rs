//! A key that gpg keeps: gpg-agent signs, and the key never leaves it.
//!
//! `gpg` is run for each signature with the bytes on its standard input. What it says is not believed: the signature is
//! verified with the certificate by whoever asked for it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant as Monotonic};

use super::SigningError;
use crate::evidence::Instant;
use crate::probes::Stop;
use crate::trust::{self, Cert, Fingerprint, can_sign};

/// Time for one call of gpg. A person may have to type a passphrase meanwhile.
const LIMIT: Duration = Duration::from_secs(180);

/// How often a request to stop is looked for while gpg runs.
const LOOK: Duration = Duration::from_millis(50);

/// The beginning of a status line (GnuPG's `doc/DETAILS`).
const STATUS: &str = "[GNUPG:] ";

/// How gpg is called.
#[derive(Clone, Debug)]
pub struct Gpg {
    /// The program: a path, or a name that is looked for in the search path.
    pub program: PathBuf,
    /// Arguments that stand before all others, such as its home.
    pub first: Vec<String>,
    /// The folder that it is started in; that of this process where none is named.
    pub dir: Option<PathBuf>,
}

/// A key that gpg can sign with.
#[derive(Debug)]
pub struct GpgKey {
    gpg: Gpg,
    fingerprint: Fingerprint,
    cert: Cert,
}

impl GpgKey {
    /// Finds the key with a fingerprint; gpg looks in the home that it finds by itself.
    ///
    /// # Errors
    /// When gpg has no such certificate or not its secret part, or none of its keys can sign now.
    pub fn find(program: &Path, fingerprint: &Fingerprint, now: Instant, stop: &Stop) -> Result<Self, SigningError> {
        let gpg = Gpg { program: program.to_owned(), first: Vec::new(), dir: None };
        Self::find_by(gpg, fingerprint, now, stop)
    }

    /// As [`GpgKey::find`], with gpg called as one says.
    ///
    /// # Errors
    /// As there.
    pub fn find_by(gpg: Gpg, fingerprint: &Fingerprint, now: Instant, stop: &Stop) -> Result<Self, SigningError> {
        let called = |arguments: &[&str]| call(&gpg, arguments, &[], fingerprint, stop);
        let exported = called(&["--export", fingerprint.as_str()])?;
        let certs = trust::from_binary(&exported.stdout)
            .map_err(|error| SigningError::Gpg(format!("the certificate {fingerprint} that gpg exports: {error}")))?;
        let of = |cert: &Cert| Fingerprint::of(&cert.fingerprint());
        let Some(cert) = certs.iter().find(|cert| of(cert) == *fingerprint) else {
            let other = certs.first().map(|cert| format!("it is a subkey of {}: name that", of(cert)));
            let other = other.unwrap_or_else(|| format!("see gpg --list-secret-keys{}", said(&exported)));
            return Err(SigningError::Gpg(format!("gpg has no certificate {fingerprint}; {other}")));
        };
        let listed = called(&["--with-colons", "--list-secret-keys", fingerprint.as_str()])?;
        if !listed.status.success() || !listed.stdout.starts_with(b"sec") {
            let message = format!("gpg has no secret key of {fingerprint}{}", said(&listed));
            return Err(SigningError::Gpg(message));
        }
        can_sign(cert, now)?;
        let cert = cert.clone();
        Ok(Self { gpg, fingerprint: fingerprint.clone(), cert })
    }

    /// The certificate.
    pub fn cert(&self) -> &Cert {
        &self.cert
    }

    /// The fingerprint of its primary key.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// A detached signature over `data`, armored.
    ///
    /// # Errors
    /// When gpg fails, does not answer, or says of no signature that it was made.
    pub fn sign(&self, data: &[u8], stop: &Stop) -> Result<Vec<u8>, SigningError> {
        let user = self.fingerprint.as_str();
        let arguments = ["--status-fd", "2", "--armor", "--local-user", user, "--output", "-", "--detach-sign"];
        let output = call(&self.gpg, &arguments, data, &self.fingerprint, stop)?;
        let status = String::from_utf8_lossy(&output.stderr);
        let created = status.lines().any(|line| line.starts_with("[GNUPG:] SIG_CREATED D "));
        if output.status.success() && created {
            return Ok(output.stdout);
        }
        Err(SigningError::Gpg(format!(
            "gpg did not sign with {user}{}; where its agent has to ask for a passphrase: export GPG_TTY=$(tty)",
            said(&output)
        )))
    }
}

/// What gpg said to people, on one line, as the end of a sentence.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter(|line| !line.starts_with(STATUS) && !line.is_empty());
    let lines = lines.map(|line| line.strip_prefix("gpg: ").unwrap_or(line)).collect::<Vec<_>>().join("; ");
    if lines.is_empty() { format!(" ({})", output.status) } else { format!(" ({}: {lines})", output.status) }
}

/// Runs gpg with `input`; at most for [`LIMIT`], and no longer than until a request to stop.
fn call(
    gpg: &Gpg,
    arguments: &[&str],
    input: &[u8],
    signer: &Fingerprint,
    stop: &Stop,
) -> Result<Output, SigningError> {
    let failed = |error: std::io::Error| SigningError::Gpg(format!("cannot run {}: {error}", gpg.program.display()));
    let held = stop.hold();
    let mut command = Command::new(&gpg.program);
    command.args(&gpg.first);
    if let Some(dir) = &gpg.dir {
        command.current_dir(dir);
    }
    // Validity and the web of trust are not asked for, so that no trust database is made or checked.
    command.args(["--batch", "--no-tty", "--trust-model", "always", "--no-auto-check-trustdb"]).args(arguments);
    command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let id = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let stdin = child.stdin.take();
        // A gpg that does not want all of it ends early, and says why.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        scope.spawn(move || sender.send(child.wait_with_output()));
        let end = Monotonic::now() + LIMIT;
        let outcome = loop {
            match receiver.recv_timeout(LOOK) {
                Ok(output) => break output.map_err(failed),
                Err(RecvTimeoutError::Timeout) if stop.asked() => {
                    break Err(SigningError::Interrupted(signer.clone()));
                }
                Err(RecvTimeoutError::Timeout) if Monotonic::now() > end => {
                    let limit = LIMIT.as_secs();
                    break Err(SigningError::Gpg(format!("gpg did not answer for {signer} within {limit} s")));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Err(failed(std::io::Error::other("it is gone"))),
            }
        };
        if matches!(outcome, Err(SigningError::Interrupted(_) | SigningError::Gpg(_))) {
            // It may have ended by itself just now.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
        drop(held);
        outcome
    })
}

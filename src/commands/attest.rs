//! Keys for attestations: `--attest-key` seals what an audit publishes, `--attest-pub` and `--checkpoint` check it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{CommandError, output};
use crate::evidence::Digest256;
use crate::gates::{self, Loaded};
use crate::package::{PACKAGE_FILE, Trust};
use crate::probes::Secrets;
use crate::report::escape::terminal;
use crate::report::{
    Attested, Attestor, CHECKPOINT, Dossier, Held, Proved, ReplayError, RuleDigests, Templates, Vouched, holds, seal,
};
use crate::trust::ed25519::{KeyError, SigningKey, VerifyingKey};

/// A key, or a note, has far fewer bytes.
const FILE_BYTES: u64 = 64 << 10;

/// Who attests.
#[derive(Debug, Args)]
pub struct AttestArgs {
    /// An Ed25519 private key (PKCS#8, PEM): what is published is sealed into in-toto envelopes, and the ledger gets a
    /// signed checkpoint.
    #[arg(long, value_name = "FILE")]
    pub attest_key: Option<PathBuf>,
}

/// Whose attestations count.
#[derive(Debug, Args)]
pub struct AttestedArgs {
    /// An Ed25519 public key (PEM): the audit must be attested by one of them. May be repeated. Without it the keys
    /// count that the package file pins as `attestor`.
    #[arg(long, value_name = "FILE")]
    pub attest_pub: Vec<PathBuf>,
    /// A checkpoint that was kept elsewhere: the ledger must still hold what it was signed over. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
}

/// The bytes of a small regular file.
fn small(path: &Path) -> Result<Vec<u8>, CommandError> {
    let read = || {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES {
            return Err(io::Error::other(format!("it has more than {FILE_BYTES} bytes")));
        }
        Ok(bytes)
    };
    read().map_err(|error| CommandError::Usage(format!("cannot read {}: {error}", path.display())))
}

fn no_key(path: &Path, error: &KeyError) -> CommandError {
    CommandError::Usage(format!("{}: {error}", path.display()))
}

/// A key that attests, with what must never be published.
#[derive(Debug)]
pub struct Attesting {
    key: SigningKey,
    pem: String,
}

impl AttestArgs {
    /// The key, where one is named. Says so where others than its owner can read it.
    ///
    /// # Errors
    /// A file that cannot be read or is no such key; one that is not among those that the package pins, and none where
    /// it pins some.
    pub fn attesting(&self, trust: &Trust) -> Result<Option<Attesting>, CommandError> {
        let Some(path) = &self.attest_key else {
            if trust.attestor.is_empty() {
                return Ok(None);
            }
            let message =
                "the package pins who attests its audits (`attestor` in [trust]): name the key with --attest-key";
            return Err(CommandError::Usage(message.to_owned()));
        };
        wiping::from_now_on();
        let bytes = small(path)?;
        let key = SigningKey::from_pem(&bytes).map_err(|error| no_key(path, &error))?;
        if !trust.attestor.is_empty() && !trust.attestor.contains(&key.public()) {
            let message = format!("{}: the package pins other keys as `attestor` in [trust]", path.display());
            return Err(CommandError::Usage(message));
        }
        let shown = terminal(&path.display().to_string());
        if fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o077 != 0) {
            anstream::eprintln!("warning: others than its owner can use {shown}; type: chmod 600 {shown}");
        }
        Ok(Some(Attesting { key, pem: String::from_utf8_lossy(&bytes).into_owned() }))
    }
}

impl Attesting {
    /// Lets nothing be published in which the key occurs.
    pub fn keep_secret(&self, secrets: &Secrets) {
        self.pem.lines().filter(|line| !line.starts_with("-----")).for_each(|line| secrets.keep(line.trim()));
        secrets.keep_key(&self.key.secret());
    }

    /// Seals an audit's files into envelopes, which are added to them.
    pub fn seal(
        &self,
        loaded: &Loaded,
        templates: &Templates,
        dossier: &Dossier,
        files: &std::collections::BTreeMap<String, Vec<u8>>,
    ) -> std::collections::BTreeMap<String, Vec<u8>> {
        let digests = files.iter().map(|(name, bytes)| (name.clone(), Digest256::of(bytes))).collect();
        let attested = Attested { dossier, rules: RuleDigests::of(&loaded.files, templates), files: digests };
        seal(&attested, &self.key)
    }

    /// The key alone.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }
}

impl AttestedArgs {
    /// The keys that count: those that are given, else those that the package file pins, where there is one.
    ///
    /// # Errors
    /// A file that is no key, or a package that is not in order.
    pub fn keys(&self, package: &Path) -> Result<Vec<VerifyingKey>, CommandError> {
        if self.attest_pub.is_empty() && (package.exists() || package != Path::new(PACKAGE_FILE)) {
            return Ok(gates::load(package).map_err(CommandError::Problems)?.package.trust.attestor);
        }
        let key = |path: &PathBuf| VerifyingKey::from_pem(&small(path)?).map_err(|error| no_key(path, &error));
        self.attest_pub.iter().map(key).collect()
    }

    /// Checks the attestations of an audit and the checkpoints of its ledger, and says in words what that proved.
    ///
    /// # Errors
    /// The first thing that does not match; a kept checkpoint where no key counts.
    pub fn verified(&self, proved: &Proved, keys: &[VerifyingKey]) -> Result<String, CommandError> {
        if !self.checkpoint.is_empty() && keys.is_empty() {
            let message = "a kept checkpoint proves nothing without the key that signed it: give --attest-pub FILE";
            return Err(CommandError::Usage(message.to_owned()));
        }
        let attestor = proved.attestor(keys)?;
        let mut text = String::new();
        match &attestor {
            None => {}
            Some(Attestor { key, vouched: Vouched::Given }) => {
                let _ = writeln!(
                    text,
                    "attested: both envelopes are signed by the key {} that {}, and say what the replay gives",
                    key.keyid(),
                    if self.attest_pub.is_empty() { "the package pins" } else { "was given" }
                );
            }
            Some(Attestor { key, vouched: Vouched::Nobody }) => {
                let _ = writeln!(
                    text,
                    "attested: both envelopes say what the replay gives and are signed by the key {}, which they\n\
                     name themselves: give --attest-pub to prove whose it is",
                    key.keyid()
                );
            }
        }
        let ledger = &proved.ledger;
        text += &own(proved, ledger, keys, attestor.as_ref())?;
        for path in &self.checkpoint {
            let shown = path.display().to_string();
            let held = holds(&small(path)?, ledger, keys)
                .map_err(|error| ReplayError::File { file: shown.clone(), reason: error.to_string() })?;
            let _ = writeln!(text, "{}: {}", terminal(&shown), words(&held, proved));
        }
        Ok(text)
    }
}

/// The checkpoint beside the ledger.
fn own(
    proved: &Proved,
    ledger: &[u8],
    keys: &[VerifyingKey],
    attestor: Option<&Attestor>,
) -> Result<String, ReplayError> {
    let mismatch = |reason: String| ReplayError::File { file: CHECKPOINT.to_owned(), reason };
    let path = proved.reports.join(CHECKPOINT);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && attestor.is_none() => return Ok(String::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(mismatch("it is missing, and every attested audit leaves one".to_owned()));
        }
        Err(error) => return Err(ReplayError::Io { path, error }),
    };
    let mut held = holds(&bytes, ledger, keys).map_err(|error| mismatch(error.to_string()))?;
    if let (Some(attestor), None) = (attestor, held.by) {
        // A later audit may have been attested by another key, which nobody gave.
        held = holds(&bytes, ledger, &[attestor.key]).unwrap_or(held);
    }
    if attestor.is_some() && held.lines < proved.line {
        return Err(mismatch(format!(
            "it is over {}, and this audit is line {}: an older one was put in its place, or an audit was cut off \
             before it wrote its own, which the next attested one does",
            output::counted(held.lines, "line"),
            proved.line
        )));
    }
    Ok(format!("{CHECKPOINT}: {}\n", words(&held, proved)))
}

fn words(held: &Held, proved: &Proved) -> String {
    let by = match &held.by {
        Some(key) => format!("signed by {}", key.keyid()),
        None => "its signature was not checked, for no key was given".to_owned(),
    };
    let this = if held.lines < proved.line { "this audit came later" } else { "this audit's among them" };
    let of = proved.replayed.ledger_lines;
    let held = output::counted(held.lines, "line");
    format!("the ledger holds the {held} that it was made over, {this}, and has {of}; {by}")
}

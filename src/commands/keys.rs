//! `--key` and `--at` of the commands that read published audits: whose signatures count, and when their keys are judged.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{CommandError, session};
use crate::evidence::Instant;
use crate::gates;
use crate::package::PACKAGE_FILE;
use crate::report::Keys;
use crate::trust::{Cert, Fingerprint, from_bytes};

/// Whose signatures count, and when.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// A file with OpenPGP certificates, armored or not: the audit must be signed by one of them. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Judge the keys at this instant (RFC 3339) instead of now: for audits whose key has expired since.
    #[arg(long, value_name = "UTC")]
    pub at: Option<Instant>,
}

impl KeyArgs {
    /// The instant at which keys are judged, and by which clock that is.
    pub fn instant(&self) -> (Instant, &'static str) {
        match self.at {
            Some(at) => (at, "the instant that --at names"),
            None => (session::now(), "this machine's clock"),
        }
    }

    /// The keys from elsewhere for an audit that is signed, or is not: those that were given, otherwise those that the
    /// package file pins.
    ///
    /// # Errors
    /// A file that cannot be read or holds no certificate; a package that is named and not there, or not in order.
    pub fn keys(&self, package: &Path, signed: bool) -> Result<Keys, CommandError> {
        if !self.key.is_empty() {
            let mut certs: Vec<Cert> = Vec::new();
            for path in &self.key {
                certs.extend(certificates(path)?);
            }
            return Ok(Keys::Given(certs));
        }
        if !signed {
            return Ok(Keys::None);
        }
        if !package.exists() {
            if package == Path::new(PACKAGE_FILE) {
                return Ok(Keys::None);
            }
            let message = format!("there is no {}; name the keys with --key instead", package.display());
            return Err(CommandError::Usage(message));
        }
        let loaded = gates::load(package).map_err(CommandError::Problems)?;
        let trust = &loaded.package.trust;
        if trust.auditor.is_empty() {
            return Ok(Keys::None);
        }
        let certs = certificates(&loaded.place.locate(Path::new(&trust.keyring)))?;
        let package = package.display().to_string();
        Ok(Keys::Pinned { package, pinned: trust.auditor.clone(), certs })
    }
}

/// The operators whom a package pins, with the certificates of its keyring; nobody where there is no package.
///
/// # Errors
/// A package that is not in order; a keyring that cannot be read.
pub fn operators(package: &Path) -> Result<(Vec<Fingerprint>, Vec<Cert>), CommandError> {
    if !package.exists() {
        return Ok((Vec::new(), Vec::new()));
    }
    let loaded = gates::load(package).map_err(CommandError::Problems)?;
    let trust = &loaded.package.trust;
    if trust.operator.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    Ok((trust.operator.clone(), certificates(&loaded.place.locate(Path::new(&trust.keyring)))?))
}

/// The sovereign's keys that a package pins, how many must sign, and the certificates of its keyring; nobody where there is no
/// package.
///
/// # Errors
/// As of [`operators`].
pub fn sovereign(package: &Path) -> Result<(Vec<Fingerprint>, usize, Vec<Cert>), CommandError> {
    if !package.exists() {
        return Ok((Vec::new(), 1, Vec::new()));
    }
    let loaded = gates::load(package).map_err(CommandError::Problems)?;
    let trust = &loaded.package.trust;
    if trust.sovereign.is_empty() {
        return Ok((Vec::new(), 1, Vec::new()));
    }
    Ok((trust.sovereign.clone(), trust.sovereign_threshold, trusted(&loaded)?))
}

/// The certificates of a package's keyring.
///
/// # Errors
/// When it cannot be read, or holds none.
pub fn trusted(loaded: &gates::Loaded) -> Result<Vec<Cert>, CommandError> {
    certificates(&loaded.place.locate(Path::new(&loaded.package.trust.keyring)))
}

fn certificates(path: &PathBuf) -> Result<Vec<Cert>, CommandError> {
    let failed =
        |said: String| CommandError::Usage(format!("cannot read certificates from {}: {said}", path.display()));
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let certs = from_bytes(&bytes).map_err(|error| failed(error.to_string()))?;
    if certs.is_empty() { Err(failed("there is none in it".to_owned())) } else { Ok(certs) }
}

//! Signing: detached OpenPGP signatures over bytes of ours, by a key that `gpg` keeps or one in a file.
//!
//! A signature leaves this room only after it was verified as a reader will verify it. Nothing here chooses a key, asks a
//! clock or the environment, or takes a passphrase from an argument or a variable.

mod file;
mod gpg;

pub use file::{CREDENTIAL, passphrase_from_credential, passphrase_from_fd, read_key};
pub use gpg::{Gpg, GpgKey};

use std::path::PathBuf;

use crate::evidence::Instant;
use crate::probes::Stop;
use crate::trust::{Cert, Fingerprint, SecretKey, SignError, would_verify};

/// Who signs.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a command")]
pub enum Signer {
    /// A key that gpg and its agent keep; it never comes here.
    Gpg(GpgKey),
    /// A key that was read from a file.
    File(SecretKey),
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The key, or what it made.
    #[error(transparent)]
    Key(#[from] SignError),
    /// The file with the secret key.
    #[error("{path}: {error}")]
    KeyFile {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: SignError,
    },
    /// Something could not be read.
    #[error("cannot read {what}: {error}")]
    Io {
        /// What, with its place.
        what: String,
        /// What came back.
        error: std::io::Error,
    },
    /// gpg could not be started, failed, or does not have the key.
    #[error("{0}")]
    Gpg(String),
    /// A signal came.
    #[error("interrupted while {0} was to sign")]
    Interrupted(Fingerprint),
}

impl Signer {
    /// The fingerprint of the primary key.
    pub fn fingerprint(&self) -> &Fingerprint {
        match self {
            Self::Gpg(key) => key.fingerprint(),
            Self::File(key) => key.fingerprint(),
        }
    }

    /// The certificate, without anything secret.
    pub fn cert(&self) -> &Cert {
        match self {
            Self::Gpg(key) => key.cert(),
            Self::File(key) => key.cert(),
        }
    }

    /// A detached, armored signature over exactly `data`, made `now` and verified. A request to stop ends it.
    ///
    /// # Errors
    /// When it cannot be made, or would not verify. No part of it is given then.
    pub fn sign(&self, data: &[u8], now: Instant, stop: &Stop) -> Result<Vec<u8>, SigningError> {
        let made = match self {
            Self::Gpg(key) => key.sign(data, stop)?,
            Self::File(key) => key.sign(data, now)?,
        };
        would_verify(&made, data, self.cert(), now)?;
        Ok(made)
    }
}

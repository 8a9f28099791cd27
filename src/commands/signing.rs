//! Who signs what a command writes: the options, the passphrase, and that the package lets this key sign.

use std::path::{Path, PathBuf};

use clap::Args;

use super::interrupt::Interrupts;
use super::{CommandError, session};
use crate::probes::{Secrets, Stop};
use crate::signing::{
    CREDENTIAL, GpgKey, Signer, SigningError, passphrase_from_credential, passphrase_from_fd, read_key,
};
use crate::trust::{Fingerprint, Passphrase, SignError};

/// The options of every command that signs.
#[derive(Debug, Default, Args)]
pub struct SignArgs {
    /// Sign with the key of this fingerprint, which gpg and its agent keep.
    #[arg(long, value_name = "FPR", conflicts_with = "sign_key")]
    pub sign: Option<Fingerprint>,
    /// Sign with the OpenPGP secret key in this file.
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    /// Read the passphrase of --sign-key from this file descriptor; default: the systemd credential cutgate.passphrase.
    #[arg(long, value_name = "N", requires = "sign_key")]
    pub passphrase_fd: Option<u32>,
}

/// A signer that may sign.
pub struct Chosen {
    signer: Signer,
    passphrase: Option<Passphrase>,
}

impl SignArgs {
    /// The signer that the options name; `None` where none is. Asked before anything else is done, so that a key that
    /// cannot sign ends the command early. `pinned` are the keys that the package lets sign as `role`; where it
    /// pins none, any may.
    ///
    /// # Errors
    /// A key that is not there, cannot sign, is not opened, or is not pinned.
    pub fn signer(
        &self,
        pinned: &[Fingerprint],
        role: &str,
        interrupts: &Interrupts,
    ) -> Result<Option<Chosen>, CommandError> {
        let chosen = match (&self.sign, &self.sign_key) {
            (None, None) => return Ok(None),
            (Some(fingerprint), _) => {
                let missing = |_| {
                    let message = "--sign needs gpg, which is not in the search path: apt-get install gnupg";
                    CommandError::Usage(message.to_owned())
                };
                let gpg = which::which("gpg").map_err(missing)?;
                let key = GpgKey::find(&gpg, fingerprint, session::now(), interrupts.stop());
                Chosen { signer: Signer::Gpg(or_end(key, interrupts)?), passphrase: None }
            }
            (None, Some(file)) => self.key_in_file(file)?,
        };
        let fingerprint = chosen.signer.fingerprint();
        if !pinned.is_empty() && !pinned.contains(fingerprint) {
            let pins = pinned.iter().map(Fingerprint::as_str).collect::<Vec<_>>().join(", ");
            return Err(CommandError::Usage(format!(
                "the package lets {pins} sign as {role}, and not {fingerprint}: sign with one of these, or pin it in [trust]"
            )));
        }
        Ok(Some(chosen))
    }

    fn key_in_file(&self, file: &Path) -> Result<Chosen, CommandError> {
        let passphrase = match self.passphrase_fd {
            Some(fd) => Some(passphrase_from_fd(fd)?),
            None => match std::env::var_os("CREDENTIALS_DIRECTORY") {
                Some(credentials) => passphrase_from_credential(Path::new(&credentials))?,
                None => None,
            },
        };
        let key = read_key(file, passphrase.as_ref(), session::now()).map_err(|error| match error {
            SigningError::KeyFile { error: SignError::NoPassphrase(_), .. } => CommandError::Usage(format!(
                "{error}: hand it over with --passphrase-fd N, or as the systemd credential {CREDENTIAL}"
            )),
            SigningError::KeyFile { .. }
            | SigningError::Key(_)
            | SigningError::Io { .. }
            | SigningError::Gpg(_)
            | SigningError::Interrupted(_) => CommandError::Signing(error),
        })?;
        Ok(Chosen { signer: Signer::File(key), passphrase })
    }
}

impl Chosen {
    /// The signer.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Lets nothing be published in which the passphrase or the secret key occurs.
    pub fn keep_secret(&self, secrets: &Secrets) {
        if let Signer::File(key) = &self.signer {
            key.secrets().for_each(|bytes| secrets.keep_key(bytes));
        }
        if let Some(passphrase) = &self.passphrase {
            passphrase.map(|bytes| std::str::from_utf8(bytes).map(|text| secrets.keep(text)).ok());
        }
    }

    /// A detached, armored, verified signature over exactly `data`. Where `interrupts` are given, it does not return
    /// when a signal came; without them no signal cuts it short.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn sign(&self, data: &[u8], interrupts: Option<&Interrupts>) -> Result<Vec<u8>, CommandError> {
        match interrupts {
            Some(interrupts) => or_end(self.signer.sign(data, session::now(), interrupts.stop()), interrupts),
            None => Ok(self.signer.sign(data, session::now(), &Stop::default())?),
        }
    }
}

/// An error that a signal caused is not told: the process ends by the signal.
fn or_end<T>(outcome: Result<T, SigningError>, interrupts: &Interrupts) -> Result<T, CommandError> {
    if matches!(outcome, Err(SigningError::Interrupted(_))) {
        interrupts.checkpoint();
    }
    Ok(outcome?)
}

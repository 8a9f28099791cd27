//! A secret key in a file, and its passphrase from a file descriptor or a systemd credential.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::SigningError;
use crate::evidence::Instant;
use crate::trust::{Passphrase, SecretKey};

/// The name of the credential that holds the passphrase (systemd.exec(5), `LoadCredential=`).
pub const CREDENTIAL: &str = "cutgate.passphrase";

/// More than any key or passphrase has; a file without end is not read on.
const LONGEST: u64 = 1 << 20;

/// Reads a secret key and opens it.
///
/// # Errors
/// A file that cannot be read, holds something else than one secret key, or is not opened by the passphrase.
pub fn read_key(path: &Path, passphrase: Option<&Passphrase>, at: Instant) -> Result<SecretKey, SigningError> {
    let bytes = bounded(path, || path.display().to_string())?;
    SecretKey::open(&bytes, passphrase, at).map_err(|error| SigningError::KeyFile { path: path.to_owned(), error })
}

/// The passphrase that waits at a file descriptor which this process was started with: its first line.
///
/// # Errors
/// A number that is not open for reading, or nothing behind it.
pub fn passphrase_from_fd(fd: u32) -> Result<Passphrase, SigningError> {
    let what = || format!("the passphrase from file descriptor {fd}");
    first_line(&bounded(&PathBuf::from(format!("/proc/self/fd/{fd}")), what)?, what)
}

/// The passphrase among the credentials of the service, if there is one.
///
/// # Errors
/// A credential that is there and cannot be read, or is empty.
pub fn passphrase_from_credential(credentials: &Path) -> Result<Option<Passphrase>, SigningError> {
    let path = credentials.join(CREDENTIAL);
    let what = || format!("the credential {}", path.display());
    match bounded(&path, what) {
        Ok(bytes) => first_line(&bytes, what).map(Some),
        Err(SigningError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn bounded(path: &Path, what: impl Fn() -> String) -> Result<Vec<u8>, SigningError> {
    wiping::from_now_on();
    let failed = |error| SigningError::Io { what: what(), error };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LONGEST {
        return Err(failed(std::io::Error::other("it has more than 1 MiB")));
    }
    Ok(bytes)
}

/// What an editor or `echo` adds behind a passphrase is not part of it.
fn first_line(bytes: &[u8], what: impl Fn() -> String) -> Result<Passphrase, SigningError> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.is_empty() {
        return Err(SigningError::Io { what: what(), error: std::io::Error::other("there is nothing in it") });
    }
    Ok(Passphrase::from(line))
}

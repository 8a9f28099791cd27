//! One run or drill of a package at a time: a lock on a file in the folder of requests.
//!
//! The kernel gives the lock back when the process is gone, however it ended, and no child inherits it.

use std::fs::{self, File, TryLockError};
use std::path::Path;

/// Held as long as it lives.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of a folder of requests, or says why not. Does not wait.
    ///
    /// # Errors
    /// Another run or drill is at work; the folder cannot be written.
    pub fn take(requests: &Path) -> Result<Self, String> {
        let path = requests.join(".run.lock");
        let failed = |error: std::io::Error| format!("cannot take the lock {}: {error}", path.display());
        fs::create_dir_all(requests).map_err(failed)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(format!("another run or drill of this package is at work: it holds {}", path.display()))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

//! One run or drill of a package at a time, and one run on a registry: locks on files in the folder of requests, and beside the
//! registry, which several packages may name.
//!
//! The kernel gives a lock back when the process is gone, however it ended. No child keeps it: one that was forked holds it until
//! it becomes its program, so that nobody takes the lock before what was started can be seen.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The file in the folder of requests.
const LOCK: &str = ".run.lock";

/// What is added to the name of the registry's file.
const BESIDE: &str = ".run-lock";

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
        let path = requests.join(LOCK);
        fs::create_dir_all(requests).map_err(|error| cannot(&path, &error))?;
        Self::on(&path, "another run or drill of this package is at work")
    }

    /// Whether a run or drill of this package ever took the lock: its file stays.
    pub fn was_taken(requests: &Path) -> bool {
        requests.join(LOCK).symlink_metadata().is_ok()
    }

    /// Takes the lock of a registry, or says why not. Does not wait. Its file stays, and is empty.
    ///
    /// # Errors
    /// A run of another package is at work on it; the registry's folder cannot be written.
    pub fn beside(registry: &Path) -> Result<Self, String> {
        let mut path = registry.as_os_str().to_owned();
        path.push(BESIDE);
        Self::on(Path::new(&path), "a run of another package is at work on this registry")
    }

    fn on(path: &Path, busy: &str) -> Result<Self, String> {
        let failed = |error: std::io::Error| cannot(path, &error);
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(format!("{busy}: it holds {}", path.display())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Somebody may have taken the file away meanwhile: then this lock is one that nobody else will ask for.
        let (ours, there) = (file.metadata().map_err(failed)?, fs::metadata(path).map_err(failed)?);
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            return Ok(Self { _file: file });
        }
        Err(format!("the lock {} was taken away while it was taken; see who does that", path.display()))
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> String {
    format!("cannot take the lock {}: {error}", path.display())
}

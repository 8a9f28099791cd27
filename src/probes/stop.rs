//! A request to stop: heard by probes that have something running outside this process.
//!
//! Whoever asks waits until they let go of it, for a short time; it ends nothing by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A request to stop, shared by everything that may be asked.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: AtomicBool,
    held: Mutex<usize>,
    released: Condvar,
}

impl Stop {
    /// Asks everybody to stop. It cannot be taken back.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
    }

    /// Whether everybody was asked to stop.
    pub fn asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Says that something runs outside this process (a program, a session of a server) that is to be ended before
    /// this process ends.
    pub fn hold(&self) -> Held {
        *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Held(self.clone())
    }

    /// Waits until nothing is held any more, at most for `patience`.
    pub fn wait(&self, patience: Duration) {
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever is left when the time is over is left.
        drop(self.0.released.wait_timeout_while(held, patience, |held| *held > 0));
    }
}

/// Something outside this process that is still to be ended; it is, once this is dropped.
#[derive(Debug)]
pub struct Held(Stop);

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.0.held.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.0.released.notify_all();
    }
}

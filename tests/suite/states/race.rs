//! A second thread that changes things while a probe reads them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long what was done is left alone: as long as a probe takes from one look to the next.
pub const BREATH: Duration = Duration::from_micros(100);

/// A thread that does something again and again until it is dropped.
pub struct Race {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Race {
    /// Starts it; it has done its work once when this returns.
    pub fn run(mut work: impl FnMut() + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        work();
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                work();
                std::thread::yield_now();
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Race {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the second thread failed");
    }
}

/// Takes what lies at a path to another one and back, again and again.
pub fn coming_and_going(here: PathBuf, there: PathBuf) -> Race {
    Race::run(move || {
        std::fs::rename(&here, &there).expect("it is here");
        std::thread::sleep(BREATH);
        std::fs::rename(&there, &here).expect("it is there");
        std::thread::sleep(BREATH);
    })
}

/// Exchanges what lies at two paths, at once, again and again.
pub fn exchanging(one: PathBuf, other: PathBuf) -> Race {
    Race::run(move || {
        let (at, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
        rustix::fs::renameat_with(at, &one, at, &other, flags).expect("both are there");
        std::thread::sleep(BREATH);
    })
}

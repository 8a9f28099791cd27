//! Ctrl-C, SIGTERM and SIGHUP: what was begun outside this process is ended, nothing is left half published, and a
//! person is told which of the two it was.
//!
//! The signal is then left to do what it does to any program, so that whoever started this one sees that it was
//! killed, and never an exit status that looks like a result.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::probes::Stop;
use crate::report::escape::terminal;

/// The signals that are heard.
const HEARD: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// How long programs and sessions of probes may take to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is said of a command that is cut off: what it left behind whole, once there is something.
type Published = Option<String>;

/// Hears signals on a thread of its own until the process ends.
#[derive(Debug, Default)]
pub struct Interrupts {
    stop: Stop,
    published: Arc<Mutex<Published>>,
    /// The exit code with which Ctrl-C ends a command that is meant to be ended so.
    verdict: Arc<Mutex<Option<u8>>>,
}

impl Interrupts {
    /// Begins to hear signals. Those that were ignored when the program was started, as `nohup` and the background
    /// of a script do it, stay ignored.
    pub fn heard() -> Self {
        let interrupts = Self::default();
        let ignored = ignored();
        let wanted = HEARD.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
        // Where signals cannot be heard they do what they do to any program.
        if let Ok(mut signals) = Signals::new(wanted) {
            let (stop, published) = (interrupts.stop.clone(), interrupts.published.clone());
            let verdict = interrupts.verdict.clone();
            let work = move || {
                if let Some(signal) = signals.forever().next() {
                    let verdict = *verdict.lock().unwrap_or_else(PoisonError::into_inner);
                    end(signal, verdict.filter(|_| signal == SIGINT), &stop, &published);
                }
            };
            // Without the thread a signal would be swallowed; a program that cannot start a thread cannot audit either.
            let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(work);
        }
        interrupts
    }

    /// From now on Ctrl-C ends the process with this exit code, for a command that goes on until somebody ends it.
    pub fn ends_with(&self, code: u8) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }

    /// For probes: they hear when the audit is to end.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Does not return when a signal has come: what was read since then was cut short.
    pub fn checkpoint(&self) {
        self.undisturbed(|_| ());
    }

    /// Does what must be done whole or not at all: a signal waits until it is done. After a signal it is not begun,
    /// and this does not return.
    pub fn undisturbed<T>(&self, work: impl FnOnce(&mut Published) -> T) -> T {
        work(&mut lock(&self.published))
    }
}

fn lock(published: &Mutex<Published>) -> MutexGuard<'_, Published> {
    published.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process by `signal`, or with the exit code of what was found out before.
fn end(signal: i32, verdict: Option<u8>, stop: &Stop, published: &Mutex<Published>) {
    // Held until the process is gone, so that nothing is written any more; and taken first, so that nothing that was
    // read after the request to stop can be taken for what the host says.
    let published = lock(published);
    stop.ask();
    stop.wait(PATIENCE);
    super::screen::clear();
    let clear = if std::io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    if let Some(code) = verdict {
        let _ = write!(std::io::stderr(), "{clear}");
        std::process::exit(i32::from(code));
    }
    let said = match &*published {
        None => "nothing was published; run the same command again".to_owned(),
        Some(left) => terminal(left).to_string(),
    };
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "{clear}interrupted: {said}");
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // Only where the default could not be had: not an exit code that means anything else.
    std::process::exit(128 + signal);
}

/// The set of ignored signals, as bits from signal 1 on: proc(5), `SigIgn`. None where it cannot be read.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

//! Violence: operators at the same instant, `kill -9` at random moments, facts that flip while the run is prepared. Whatever
//! happens the record is true, and no executor starts that should not.
//!
//! The suite does a few of each. `make violence` does what is asked of a release: `CUTGATE_TEST_TIMES` is how often something is
//! killed or started at once, `CUTGATE_TEST_FLIPS` how often a fact changes. `CUTGATE_TEST_SEED` repeats what failed.

mod at_once;
mod flips;
mod kills;
mod servers;
mod signals;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Approved;

/// How often, in the suite or as the environment says.
fn times(few: usize) -> usize {
    number("CUTGATE_TEST_TIMES", few)
}

/// How many facts change, in the suite or as the environment says.
fn flips(few: usize) -> usize {
    number("CUTGATE_TEST_FLIPS", few)
}

fn number(variable: &str, few: usize) -> usize {
    std::env::var(variable).map_or(few, |number| number.parse().expect("a number"))
}

/// Numbers that look random and can be had again: xorshift64*.
struct Random(u64);

impl Random {
    fn of(trial: usize) -> Self {
        let seed = std::env::var("CUTGATE_TEST_SEED").map_or_else(
            |_| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
            |seed| seed.parse().expect("a number"),
        );
        let mut random = Self((seed ^ (trial as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// Does the trials on three threads; what went wrong in each.
pub fn trials(count: usize, trial: impl Fn(usize) -> Vec<String> + Sync) {
    let (wrongs, next) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at >= count {
                        break;
                    }
                    let wrong = trial(at);
                    wrongs.lock().unwrap().extend(wrong.into_iter().map(|wrong| format!("trial {at}: {wrong}")));
                }
            });
        }
    });
    none_wrong(count, &wrongs.into_inner().unwrap());
}

/// Does the trials of one server, one after the other.
fn one_by_one(count: usize, trial: impl Fn(usize) -> Vec<String>) {
    let named = |at: usize| trial(at).into_iter().map(move |wrong| format!("trial {at}: {wrong}"));
    none_wrong(count, &(0..count).flat_map(named).collect::<Vec<_>>());
}

#[expect(clippy::print_stdout, reason = "how many were tried is what the repeated tests are asked for")]
fn none_wrong(count: usize, wrongs: &[String]) {
    println!("{count} trials, {} wrongs", wrongs.len());
    assert!(wrongs.is_empty(), "{} of {count}:\n{}", wrongs.len(), wrongs.join("\n"));
}

impl Approved {
    /// As [`Approved::run`], and does not wait.
    fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&self.lab.dir).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// How often the executor was started to make a run: it says so itself.
    fn starts(&self) -> usize {
        let starts = std::fs::read_to_string(self.lab.dir.join("starts")).unwrap_or_default();
        starts.lines().filter(|line| line.starts_with("run ")).count()
    }

    /// How often the journals of all runs name a step.
    fn steps(&self, step: &str) -> usize {
        let folders = std::fs::read_dir(self.lab.dir.join("requests")).unwrap().map(|entry| entry.unwrap().path());
        let journals = folders.filter_map(|folder| std::fs::read_to_string(folder.join("journal.jsonl")).ok());
        journals.map(|journal| journal.matches(&format!("\"step\":\"{step}\"")).count()).sum()
    }

    /// How often the ledger has a letter.
    fn letters(&self, letter: &str) -> usize {
        let ledger = std::fs::read_to_string(self.lab.dir.join("reports/ledger.jsonl")).unwrap_or_default();
        ledger.matches(&format!("\"letter\":\"{letter}\"")).count()
    }

    /// Processes that an executor of this laboratory left.
    fn left(&self) -> Vec<u32> {
        marked(&self.lab.dir)
    }
}

/// The processes whose environment names a folder below `dir` as the one that they were started for.
fn marked(dir: &Path) -> Vec<u32> {
    let wanted = format!("CUTGATE_DELEGATED={}/", dir.canonicalize().unwrap().display());
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(wanted.as_bytes()))
    })
    .collect()
}

fn all(output: &Output) -> String {
    super::text(&output.stdout) + &super::text(&output.stderr)
}

fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may be gone already.
    let _ = rustix::process::kill_process(pid, signal);
}

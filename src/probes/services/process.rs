//! One process of this machine as `/proc` shows it (proc_pid_stat(5)), and whether there is one at all (kill(2) with no
//! signal): `/proc` may hide the processes of others.

use std::io::ErrorKind;

use chrono::DateTime;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::super::Door;
use crate::evidence::{Instant, Missing, MissingState};

/// A process that runs.
pub(super) struct Process {
    /// Its name as it calls itself, at most 15 bytes; bytes that are not UTF-8 are replaced.
    pub command: String,
    /// When it started, by the clock of now.
    pub started: Instant,
    /// Which process it is among all of this machine since and before this boot.
    pub instance: String,
}

/// What was found under a number.
pub(super) enum Looked {
    Runs(Process),
    /// The kernel says that there is none, or that it has ended.
    Gone(&'static str),
}

/// Looks at the process with this number.
///
/// # Errors
/// `denied` where it is there and hidden from this user, `error` and `unreadable` where `/proc` does not say.
pub(super) fn look(door: &Door, pid: i32) -> Result<Looked, Missing> {
    let path = format!("/proc/{pid}/stat");
    let tried = format!("look at the process {pid}");
    let named = Pid::from_raw(pid).ok_or_else(|| {
        door.missing(MissingState::Unreadable, &tried, "it is no process number", "correct the pid file")
    })?;
    let text = match read(door, &path) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound)
                || error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) =>
        {
            return match test_kill_process(named) {
                Err(Errno::SRCH) => Ok(Looked::Gone("no process has this number")),
                Err(Errno::PERM) => {
                    let next = format!("audit as a user who sees it in /proc (hidepid), not as {}", door.by());
                    Err(door.missing(MissingState::Denied, tried, "it is there, and /proc does not show it", next))
                }
                Ok(()) | Err(_) => Err(door.no_proc_entry(&tried, &path)),
            };
        }
        Err(error) => return Err(door.io_missing(tried, &path, &error)),
    };
    let broken = || {
        let next = format!("look at it: cat {path}");
        door.missing(MissingState::Unreadable, format!("read {path}"), "it has not the form of proc_pid_stat(5)", next)
    };
    let stat = Stat::parse(&text).ok_or_else(broken)?;
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        return Ok(Looked::Gone("it has ended, and nobody has taken note of it yet"));
    }
    let boot = whole(door, "/proc/sys/kernel/random/boot_id")?;
    let boot = boot.trim();
    let since = whole(door, "/proc/stat")?;
    let since = since.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let after = i64::try_from(stat.ticks / ticks_per_second).ok();
    let started = since.zip(after).and_then(|(since, after)| DateTime::from_timestamp(since.checked_add(after)?, 0));
    let started = started.ok_or_else(broken)?;
    let instance = format!("boot {boot} pid {pid} tick {}", stat.ticks);
    Ok(Looked::Runs(Process { command: stat.command, started, instance }))
}

/// Whether a process belongs to a control group: that systemd and `/proc` here speak of one and the same.
///
/// # Errors
/// `unreadable` where it does not, and the reason where that cannot be told.
pub(super) fn is_in(door: &Door, pid: i32, group: &str) -> Result<(), Missing> {
    let path = format!("/proc/{pid}/cgroup");
    let text = whole(door, &path)?;
    let below = format!("{group}/");
    // proc_pid_cgroup(5): hierarchy:controllers:path
    let mut groups = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    if !group.is_empty() && groups.any(|found| found == group || found.starts_with(&below)) {
        return Ok(());
    }
    let said = format!("the process {pid} is not in the control group {group:?} of the unit");
    let next = format!("see whether systemd runs in another container than the audit: cat {path}");
    Err(door.missing(MissingState::Unreadable, format!("read {path}"), said, next))
}

/// A file of `/proc` whose absence says nothing of the host.
fn whole(door: &Door, path: &str) -> Result<String, Missing> {
    read(door, path).map_err(|error| door.vanished(door.io_missing(format!("read {path}"), path, &error)))
}

/// A file of `/proc`, which has no size and no time of its own, so that it cannot be read as other files are.
fn read(door: &Door, path: &str) -> std::io::Result<String> {
    let _access = door.begin(&format!("read {path}"));
    let bytes = std::fs::read(path)?;
    door.note_content(path, &bytes);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is taken from `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    command: String,
    state: char,
    /// When it started, in clock ticks since boot.
    ticks: u64,
}

impl Stat {
    /// A process may call itself as it likes, with parentheses and line ends: what follows the last one is the kernel's.
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.rsplit_once(')')?;
        let (_, command) = before.split_once('(')?;
        let mut fields = after.split_ascii_whitespace();
        let state = fields.next().filter(|state| state.len() == 1)?.chars().next()?;
        // The state is field 3, the start field 22.
        let ticks = fields.nth(18)?.parse().ok()?;
        Some(Self { command: command.to_owned(), state, ticks })
    }
}

impl Door {
    fn no_proc_entry(&self, tried: &str, path: &str) -> Missing {
        let next = "run the audit again, and see that /proc is mounted where it runs";
        self.missing(MissingState::Error, tried, format!("the kernel knows it, and {path} is not there"), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let rest = " 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 88";
        for command in ["cutter", "a) S 1", "((", ")", "two words\n9 (x) R"] {
            let stat = Stat::parse(&format!("42 ({command}) S{rest}"));
            assert_eq!(stat, Some(Stat { command: command.to_owned(), state: 'S', ticks: 4711 }), "{command}");
        }
        for text in
            ["", "42 cutter S 1", "42 (cutter) S 1 2 3", "42 (cutter) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 x 99"]
        {
            assert_eq!(Stat::parse(text), None, "{text}");
        }
    }
}

//! Running a program of the auditing host: fixed arguments, a cleaned environment, no input, a process group of its own
//! that is killed whole when it ends or its time is over. No shell, and nothing that changes anything: which arguments are
//! given, docs/architecture.md says.

use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};

use super::Door;
use crate::evidence::{Missing, MissingState};

/// Where programs are looked for unless the gate says otherwise. It is fixed so that the answer does not
/// depend on the shell that the audit was started from.
pub(super) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Bytes that are kept of each stream; more is read and dropped, so that the program can end.
const KEPT: usize = 4096;

/// Characters that a reason quotes.
const QUOTED: usize = 200;

/// How long between two looks at a running program; its end is seen at once.
const PAUSE: Duration = Duration::from_millis(5);

/// A program to run.
pub(super) struct Command<'a> {
    pub program: &'a Path,
    pub arguments: &'a [&'a str],
    /// Where the program itself looks for others.
    pub search_path: &'a str,
    pub limit: Duration,
}

/// What a program that ended well left behind.
pub(super) struct Ended {
    pub output: Vec<u8>,
    pub errors: Vec<u8>,
}

/// What was printed, as far as a reason quotes it.
pub(super) fn quoted(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().chars().take(QUOTED).collect()
}

impl Command<'_> {
    /// As it would be typed.
    fn shown(&self) -> String {
        format!("{} {}", self.program.display(), self.arguments.join(" "))
    }

    /// A reason of absence of what this program was to say.
    pub fn missing(&self, door: &Door, state: MissingState, said: impl Into<String>) -> Missing {
        let shown = self.shown();
        door.missing(state, format!("run {shown}"), said, format!("see what it does: {shown}"))
    }

    /// Runs it to its end, and notes the statement.
    ///
    /// # Errors
    /// `denied` or `error` where it cannot be started, `error` where it does not end with status 0, `timed out`.
    pub fn run(&self, door: &Door) -> Result<Ended, Missing> {
        let missing = |state: MissingState, said: String| self.missing(door, state, said);
        let limit = self.limit.min(door.time_left());
        if limit.is_zero() {
            let said = "the probe's time was over before it could be started";
            return Err(missing(MissingState::TimedOut, said.to_owned()));
        }
        door.note_statement(self.program.display().to_string(), &self.shown());
        let mut command = std::process::Command::new(self.program);
        command.args(self.arguments).env_clear().env("PATH", self.search_path).env("LC_ALL", "C").current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let _held = door.hold();
        let child = command.spawn().map_err(|error| {
            let refused = error.kind() == ErrorKind::PermissionDenied;
            let state = if refused { MissingState::Denied } else { MissingState::Error };
            // It was there a moment ago: what is not found is its interpreter or loader.
            let gone = error.kind() == ErrorKind::NotFound;
            missing(state, if gone { "its interpreter or loader is not there".to_owned() } else { error.to_string() })
        })?;
        let (status, ended) =
            run(child, limit, door).map_err(|error| missing(MissingState::Error, error.to_string()))?;
        let Some(status) = status else {
            let said = format!("no answer within {} s; it was killed", limit.as_secs_f32());
            return Err(missing(MissingState::TimedOut, said));
        };
        if status.success() {
            return Ok(ended);
        }
        let said = [quoted(&ended.output), quoted(&ended.errors)];
        let words = if said[1].is_empty() { &said[0] } else { &said[1] };
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "no exit status".to_owned(),
        };
        Err(missing(MissingState::Error, if words.is_empty() { how } else { format!("{how}: {words}") }))
    }
}

/// Waits for a child that leads its own process group, and kills the whole group at the end. When the audit is
/// asked to stop, its time is over: a group of its own is not reached by what is typed at the terminal. There is no status when it
/// was killed because its time was over.
fn run(mut child: Child, limit: Duration, door: &Door) -> std::io::Result<(Option<ExitStatus>, Ended)> {
    let deadline = Instant::now() + limit;
    let pid = Pid::from_child(&child);
    // Readable as soon as the child ended. An old kernel has no such thing, and is asked again and again.
    let ending = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok();
    let mut output = Stream::new(child.stdout.take())?;
    let mut errors = Stream::new(child.stderr.take())?;
    let looked = loop {
        output.drain();
        errors.drain();
        // The child is not reaped yet, so that its number, which names the group, cannot be given to another.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::Pid(pid), options) {
            Ok(Some(_)) => break Ok(true),
            Ok(None) if Instant::now() >= deadline || door.stopped() => break Ok(false),
            Ok(None) | Err(rustix::io::Errno::INTR) => pause(ending.as_ref()),
            Err(error) => break Err(error),
        }
    };
    output.drain();
    errors.drain();
    // A group that is gone already is what we want.
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    let status = child.wait()?;
    let in_time = looked?;
    Ok((in_time.then_some(status), Ended { output: output.kept, errors: errors.kept }))
}

/// Waits until the next look is due, or the child ended.
fn pause(ending: Option<&OwnedFd>) {
    let pause = Timespec::try_from(PAUSE).expect("invariant: it is short");
    let waited = ending.map(|ending| rustix::event::poll(&mut [PollFd::new(ending, PollFlags::IN)], Some(&pause)));
    if !matches!(waited, Some(Ok(_))) {
        std::thread::sleep(PAUSE);
    }
}

/// One of a child's streams, read without waiting: a descendant that keeps it open cannot hold the audit up.
struct Stream<T> {
    pipe: T,
    kept: Vec<u8>,
}

impl<T: Read + std::os::fd::AsFd> Stream<T> {
    fn new(pipe: Option<T>) -> std::io::Result<Self> {
        let pipe = pipe.expect("invariant: the stream was asked for as a pipe");
        let flags = rustix::fs::fcntl_getfl(&pipe)?;
        rustix::fs::fcntl_setfl(&pipe, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self { pipe, kept: Vec::new() })
    }

    /// Takes what is there, at most 1 MiB at a time.
    fn drain(&mut self) {
        let mut chunk = [0_u8; 4096];
        for _ in 0..256 {
            match self.pipe.read(&mut chunk) {
                Ok(0) => return,
                Ok(n) => {
                    let room = KEPT.saturating_sub(self.kept.len()).min(n);
                    self.kept.extend_from_slice(&chunk[..room]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing there now, or never again: the exit status decides.
                Err(_) => return,
            }
        }
    }
}

//! Programs: where they are, and what they say their version is.
//!
//! A program is run with `--version` and nothing else: a cleaned environment, no input, a process group of its
//! own that is killed whole when it ends or its time is over. Programs run on the auditing host, also
//! below a root prefix.

use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};

use super::super::Door;
use crate::evidence::{Fact, Missing, MissingState};

/// Where programs are looked for unless the gate says otherwise. It is fixed so that the answer does not
/// depend on the shell that the audit was started from.
pub(super) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Bytes that are kept of each stream; more is read and dropped, so that the program can end.
const KEPT: usize = 4096;

/// Characters that a reason quotes.
const QUOTED: usize = 200;

/// How long between two looks at a running program; its end is seen at once.
const PAUSE: Duration = Duration::from_millis(5);

/// The record of one program, and whether it was found.
pub(super) fn look(door: &Door, name: &str, search_path: &str, limit: Duration) -> (Fact, Result<bool, Missing>) {
    let tried = format!("look for the program {name} in {search_path}");
    door.note_attributes(format!("{name} in {search_path}"));
    let located = {
        let _access = door.begin(&tried);
        let located = which::which_in(name, Some(search_path), "/");
        located.map_err(|_| (hidden_folder(name, search_path), not_executable(name, search_path)))
    };
    let (found, path, version) = match located {
        Ok(path) => {
            let version = version(door, &path, search_path, limit);
            (Ok(true), path.to_string_lossy().into_owned().into(), version.into())
        }
        Err((hidden, not_executable)) => match hidden {
            Some(folder) => {
                let said = format!("{folder} may not be searched");
                let next = format!("give {} the right to search {folder}, or leave it out", door.by());
                let missing = door.missing(MissingState::Denied, tried, said, next);
                (Err(missing.clone()), Fact::from(missing.clone()), missing.into())
            }
            None => {
                let missing = match not_executable {
                    Some(path) => {
                        let next = format!("let {} execute it: ls -l {path}", door.by());
                        door.missing(MissingState::Denied, tried, format!("{path} may not be executed"), next)
                    }
                    None => door.missing(MissingState::Absent, tried, "not found", format!("install {name}")),
                };
                (Ok(false), Fact::from(missing.clone()), missing.into())
            }
        },
    };
    let record =
        Fact::record([("name", name.into()), ("found", found.clone().into()), ("path", path), ("version", version)]);
    (record, found)
}

/// A folder of the search path that refuses to say whether the program is there.
fn hidden_folder(name: &str, search_path: &str) -> Option<String> {
    let folders: Vec<&str> = if name.starts_with('/') { vec!["/"] } else { search_path.split(':').collect() };
    let hidden = |folder: &&str| {
        let looked = std::fs::metadata(Path::new(folder).join(name));
        looked.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    let folder = folders.into_iter().find(hidden)?;
    let parent = Path::new(name).parent().filter(|_| name.starts_with('/'));
    Some(parent.map_or_else(|| folder.to_owned(), |parent| parent.display().to_string()))
}

/// A regular file of that name that this user may not execute.
fn not_executable(name: &str, search_path: &str) -> Option<String> {
    let mut paths = search_path.split(':').map(|folder| Path::new(folder).join(name));
    paths.find(|path| path.is_file()).map(|path| path.display().to_string())
}

/// The first line that `PROGRAM --version` prints on its output.
fn version(door: &Door, program: &Path, search_path: &str, limit: Duration) -> Result<String, Missing> {
    let shown = program.display().to_string();
    let tried = format!("run {shown} --version");
    let missing = |state: MissingState, said: String| {
        door.missing(state, tried.clone(), said, format!("see what it does: {shown} --version"))
    };
    let limit = limit.min(door.time_left());
    if limit.is_zero() {
        return Err(missing(MissingState::TimedOut, "the probe's time was over before it could be started".to_owned()));
    }
    door.note_statement(&shown, &format!("{shown} --version"));
    let mut command = Command::new(program);
    command.arg("--version").env_clear().env("PATH", search_path).env("LC_ALL", "C").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let _held = door.hold();
    let child = command.spawn().map_err(|error| {
        let refused = error.kind() == ErrorKind::PermissionDenied;
        let state = if refused { MissingState::Denied } else { MissingState::Error };
        // It was there a moment ago: what is not found is its interpreter or loader.
        let gone = error.kind() == ErrorKind::NotFound;
        missing(state, if gone { "its interpreter or loader is not there".to_owned() } else { error.to_string() })
    })?;
    let ended = run(child, limit, door).map_err(|error| missing(MissingState::Error, error.to_string()))?;
    let Some(status) = ended.status else {
        let said = format!("no answer within {} s; it was killed", limit.as_secs_f32());
        return Err(missing(MissingState::TimedOut, said));
    };
    let said = [&ended.output, &ended.errors].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    if !status.success() {
        let words = if said[1].is_empty() { &said[0] } else { &said[1] };
        let words: String = words.chars().take(QUOTED).collect();
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "no exit status".to_owned(),
        };
        let said = if words.is_empty() { how } else { format!("{how}: {words}") };
        return Err(missing(MissingState::Error, said));
    }
    version_in(&ended).map_err(|said| missing(MissingState::Unreadable, said))
}

/// The first line of a program's output, where that tells a version. Programs exist that print their error and exit with
/// status 0: what stands among the errors, reads like one, or holds no number is not taken for a version.
fn version_in(ended: &Ended) -> Result<String, String> {
    let quoted = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().chars().take(QUOTED).collect::<String>();
    if ended.output.trim_ascii().is_empty() {
        let errors = quoted(&ended.errors);
        let said =
            if errors.is_empty() { "it printed nothing".to_owned() } else { format!("no output, only: {errors}") };
        return Err(said);
    }
    let line = ended.output.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| "its output is not UTF-8".to_owned())?.trim();
    let words = line.to_lowercase();
    let number = words.split(|c: char| !c.is_alphanumeric() && c != '.').any(is_version);
    let error = [
        "error",
        "fatal",
        "cannot",
        "can't",
        "failed",
        "failure",
        "not found",
        "no such",
        "denied",
        "usage:",
        "unrecognized",
        "unknown option",
    ];
    if !number || error.iter().any(|sign| words.contains(sign)) {
        return Err(format!("its output tells no version: {}", quoted(line.as_bytes())));
    }
    Ok(line.to_owned())
}

/// A number such as "2.4.1", "v3" or "252", perhaps with letters after it.
fn is_version(word: &str) -> bool {
    word.strip_prefix('v').unwrap_or(word).starts_with(|c: char| c.is_ascii_digit())
}

/// What a program left behind.
struct Ended {
    /// `None` when it was killed because its time was over.
    status: Option<ExitStatus>,
    output: Vec<u8>,
    errors: Vec<u8>,
}

/// Waits for a child that leads its own process group, and kills the whole group at the end. When the audit is
/// asked to stop, its time is over: a group of its own is not reached by what is typed at the terminal.
fn run(mut child: Child, limit: Duration, door: &Door) -> std::io::Result<Ended> {
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
    Ok(Ended { status: in_time.then_some(status), output: output.kept, errors: errors.kept })
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

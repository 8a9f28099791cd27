//! The one place that starts an executor: without a shell, with a cleaned environment, in a process group of its own, and
//! never without a permit.
//!
//! The program is opened once, its bytes are compared with the digest that was approved, and that very file is executed. What
//! is left of it afterwards, in its group or run away from it, is ended: nothing writes while the state is read again. Its
//! environment bears a mark, by which what is left of it is found after a crash of this program too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant as Monotonic};

use rustix::fs::Mode;
use rustix::process::{Pid, Signal};

use super::output::{Kept, keep};
use super::permit::Permit;
use crate::evidence::{Digest256, Ended};
use crate::probes::Secrets;

/// How often an executor is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long what it started may take to end by itself once it is gone.
const STRAGGLERS: Duration = Duration::from_millis(300);
/// The file mode mask that it is given.
const UMASK: Mode = Mode::from_raw_mode(0o027);
/// The variable that marks its processes: the folder of the run or rehearsal that they belong to.
const MARK: &str = "CUTGATE_DELEGATED";
/// How long ending what a crash left may take, beyond its grace.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program that was found, by its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it lies, links followed.
    pub path: PathBuf,
    /// The digest of its bytes.
    pub sha256: Digest256,
}

impl Program {
    /// Finds a program by the search path that the executor is given.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or it is a script: its interpreter has to be named.
    pub fn find(name: &str, environment: &BTreeMap<String, String>, dir: &Path) -> Result<Self, String> {
        let search = environment.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
        let path = which::which_in(name, Some(search), dir).map_err(|_| format!("no program {name} in {search}"))?;
        let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        let (_, sha256) = opened(&path)?;
        Ok(Self { path, sha256 })
    }
}

/// Opens a program and digests what was opened.
fn opened(path: &Path) -> Result<(File, Digest256), String> {
    let failed = |error: std::io::Error| format!("cannot read the program {}: {error}", path.display());
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.starts_with(b"#!") {
        return Err(format!(
            "{} is a script: name its interpreter first, and the script as an argument",
            path.display()
        ));
    }
    Ok((file, Digest256::of(&bytes)))
}

/// What is started, and within which bounds.
#[derive(Debug)]
pub struct Delegation<'a> {
    /// The program and its arguments, every placeholder filled in.
    pub argv: &'a [String],
    /// The program's digest, as approved.
    pub program: &'a Program,
    /// Its whole environment.
    pub environment: &'a BTreeMap<String, String>,
    /// Names of secrets that are taken over where they are set.
    pub secret_names: &'a [String],
    /// Its working folder.
    pub dir: &'a Path,
    /// What its processes are marked with: the folder of the run or rehearsal.
    pub mark: &'a Path,
    /// How long it may take.
    pub deadline: Duration,
    /// How long it may take to end when told to.
    pub grace: Duration,
    /// How many bytes of each output are kept.
    pub output_bytes: u64,
    /// What must not be kept of it.
    pub secrets: &'a Secrets,
    /// A signal that this program got and passes on; 0 while there is none.
    pub signal: &'a Arc<AtomicUsize>,
}

/// A program that could not be started: nothing ran.
#[derive(Debug)]
pub struct NotStarted(pub String);

/// Starts the executor and waits until it and all that it started is gone. `started` is told of the process as soon as there
/// is one.
///
/// # Errors
/// Why no process was started.
pub fn delegate(
    permit: Permit,
    with: &Delegation<'_>,
    started: impl FnOnce(u32) -> Result<(), String>,
) -> Result<(Ended, Kept), NotStarted> {
    let (file, sha256) = opened(&with.program.path).map_err(NotStarted)?;
    if sha256 != with.program.sha256 {
        let path = with.program.path.display();
        return Err(NotStarted(format!("the program {path} has sha256 {sha256}, approved is {}", with.program.sha256)));
    }
    let name = with.argv.first().map_or("", String::as_str);
    let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    command.arg0(name).args(with.argv.iter().skip(1)).current_dir(with.dir).env_clear().envs(with.environment);
    for name in with.secret_names {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env(MARK, real(with.mark));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    // Descriptors that this program was given by whoever started it are not handed on.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let strangers = adopted();
    let reaps = rustix::process::set_child_subreaper(Some(rustix::process::getpid())).is_ok();
    // The permit belongs to this one process: it is there from now on, and no longer than the process.
    let _laid = permit.lay().map_err(NotStarted)?;
    let mask = rustix::process::umask(UMASK);
    let now = chrono::Utc::now();
    let spawned = command.spawn();
    rustix::process::umask(mask);
    let mut child = spawned.map_err(|error| NotStarted(format!("{name}: {error}")))?;
    drop(file);
    let noted = started(child.id());
    let (ended, kept) = wait(&mut child, with, noted.err(), &strangers, now);
    if reaps {
        let _ = rustix::process::set_child_subreaper(None);
    }
    Ok((ended, kept))
}

/// Waits for the executor, ends it where it must be, and ends what it left.
fn wait(
    child: &mut Child,
    with: &Delegation<'_>,
    unnoted: Option<String>,
    strangers: &[u32],
    started: crate::evidence::Instant,
) -> (Ended, Kept) {
    let limit = with.output_bytes;
    let outputs =
        [child.stdout.take().map(|stream| keep(stream, limit)), child.stderr.take().map(|stream| keep(stream, limit))];
    let group = Pid::from_child(child);
    let begun = Monotonic::now();
    let mut told: Option<(Monotonic, String)> =
        unnoted.map(|error| (Monotonic::now(), format!("the journal could not be written: {error}")));
    if told.is_some() {
        let _ = rustix::process::kill_process_group(group, Signal::TERM);
    }
    let status: Option<ExitStatus> = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) => {}
            Err(_) => break None,
        }
        let signal = with.signal.load(Ordering::SeqCst);
        let why = match (&told, signal) {
            (Some(_), _) => None,
            (None, 0) if begun.elapsed() < with.deadline => None,
            (None, 0) => Some(format!("its time of {} s was over", with.deadline.as_secs())),
            (None, signal) => Some(format!("signal {signal} came")),
        };
        if let Some(why) = why {
            told = Some((Monotonic::now(), why));
            let _ = rustix::process::kill_process_group(group, Signal::TERM);
        }
        if told.as_ref().is_some_and(|(at, _)| at.elapsed() > with.grace) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        std::thread::sleep(LOOK);
    };
    let left = end_rest(group, with.grace, strangers);
    let [out, err] = outputs.map(|output| output.map(|output| output.take(with.secrets)).unwrap_or_default());
    let kept = Kept::of(out, err);
    let ended = Ended {
        started,
        finished: chrono::Utc::now(),
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        told: told.map(|(_, why)| why).unwrap_or_default(),
        left,
        cut: kept.cut,
        secret: kept.secret,
        claims: kept.claims(),
        said: kept.last_words(),
    };
    (ended, kept)
}

/// Ends everything that is left of an executor: its group, and what ran away from it and was handed to this process.
/// Returns what it was.
fn end_rest(group: Pid, grace: Duration, strangers: &[u32]) -> Vec<String> {
    let rest = || -> Vec<(Pid, String)> {
        reap(group);
        processes()
            .into_iter()
            .filter(|it| it.alive && (it.group == group.as_raw_pid() || it.ours() && !strangers.contains(&it.pid)))
            .filter_map(|it| Some((Pid::from_raw(i32::try_from(it.pid).ok()?)?, it.name)))
            .collect()
    };
    let begun = Monotonic::now();
    while begun.elapsed() < STRAGGLERS && !rest().is_empty() {
        std::thread::sleep(LOOK);
    }
    let left: Vec<String> = rest().into_iter().map(|(_, name)| name).collect();
    let mut killing = Monotonic::now();
    let mut signal = Signal::TERM;
    while !rest().is_empty() {
        for (pid, _) in rest() {
            let _ = rustix::process::kill_process(pid, signal);
        }
        if killing.elapsed() > grace {
            signal = Signal::KILL;
            killing = Monotonic::now();
        }
        std::thread::sleep(LOOK);
    }
    left
}

/// Takes the statuses of ended processes that were handed to this one, so that they are gone.
fn reap(group: Pid) {
    use rustix::process::{WaitOptions, waitpgid, waitpid};
    let _ = waitpgid(group, WaitOptions::NOHANG);
    for zombie in processes().into_iter().filter(|it| !it.alive && it.ours()) {
        if let Some(pid) = i32::try_from(zombie.pid).ok().and_then(Pid::from_raw) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// A process of this machine: proc(5), `stat`.
struct Process {
    pid: u32,
    parent: u32,
    group: i32,
    alive: bool,
    /// When it was started, in ticks since the machine was.
    started: String,
    name: String,
}

impl Process {
    /// The process of a number, if there is one.
    fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold any sign, brackets too.
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let alive = !matches!(fields.next()?, "Z" | "X");
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let started = fields.nth(16)?.to_owned();
        Some(Self { pid, parent, group, alive, started, name: name.to_owned() })
    }

    /// Whether it is a child of this one.
    fn ours(&self) -> bool {
        self.parent == std::process::id()
    }

    /// Whether its environment bears the mark of a folder: proc(5), `environ`.
    fn bears(&self, mark: &Path) -> bool {
        let wanted = [MARK.as_bytes(), b"=", mark.as_os_str().as_encoded_bytes()].concat();
        let environment = std::fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
    }
}

/// The children that this process has now.
fn adopted() -> Vec<u32> {
    processes().into_iter().filter(Process::ours).map(|it| it.pid).collect()
}

fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Process::of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// A process as a journal names it: its number, when it was started, and since when the machine is up.
pub fn named(pid: u32) -> String {
    let started = Process::of(pid).map(|it| it.started).unwrap_or_default();
    format!("{pid} {started} {}", boot())
}

/// What the kernel calls this time that the machine is up: random(4), `boot_id`.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "-".to_owned(), |id| id.trim().to_owned())
}

/// The group that a process led, as a journal names it, as long as it may still be its own: while one of its processes is
/// there, no other process is given its number.
fn group_of(said: &str) -> Option<i32> {
    let mut words = said.split(' ');
    let (pid, started, up) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let same = Process::of(pid).is_none_or(|it| it.started == started);
    (up == boot() && same).then(|| i32::try_from(pid).ok())?
}

/// A folder by the one name that does not depend on how it was reached.
fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// What is still there of an executor that an earlier command started: the groups that a journal names, and whatever bears
/// the mark of the folder.
pub fn left_of(named: &[&str], mark: &Path) -> Vec<(u32, String)> {
    let mark = real(mark);
    let groups: Vec<i32> = named.iter().filter_map(|said| group_of(said)).collect();
    let this = std::process::id();
    let alive = processes().into_iter().filter(|it| it.alive && it.pid != this);
    alive.filter(|it| groups.contains(&it.group) || it.bears(&mark)).map(|it| (it.pid, it.name)).collect()
}

/// Ends what is still there of an executor that an earlier command started. Whether all of it is gone.
pub fn end_earlier(named: &[&str], mark: &Path, grace: Duration) -> bool {
    let begun = Monotonic::now();
    loop {
        let left = left_of(named, mark);
        if left.is_empty() {
            return true;
        }
        if begun.elapsed() > grace + PATIENCE {
            return false;
        }
        let signal = if begun.elapsed() > grace { Signal::KILL } else { Signal::TERM };
        for (pid, _) in left {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| rustix::process::kill_process(pid, signal));
        }
        std::thread::sleep(LOOK);
    }
}

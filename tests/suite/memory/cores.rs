//! No core of the program is written, whoever runs it and whatever the shell allows: it could hold what was still needed.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Stopped;

/// What nobody types to have cores, before the program that is to leave none.
const ALLOWED: &str = "ulimit -c unlimited; exec setpriv --reuid 65534 --regid 65534 --clear-groups";

fn begun(dir: &std::path::Path, line: &str) -> Stopped {
    let mut command = Command::new("bash");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("CUTGATE_TEST_STOP_AT", "collected").current_dir(dir);
    command.env("CANARY_TOKEN", super::CANARY).args(["-c", &format!("{ALLOWED} {line}")]);
    Stopped(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap())
}

/// Ends a process that stands still as a crash does; whether the kernel dumped it.
fn crashed(mut stopped: Stopped) -> bool {
    let pid = Pid::from_child(&stopped.0);
    kill_process(pid, Signal::ABORT).unwrap();
    kill_process(pid, Signal::CONT).unwrap();
    let status = stopped.0.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
    status.core_dumped()
}

#[test]
fn a_crash_leaves_no_core_and_nobody_reads_its_memory() {
    let folder = crate::harness::open_dir();
    let dir = folder.path();
    let files = include_str!("../memory.toml");
    let (package, gate) = files.split_once("\n---\n").unwrap();
    let package = format!("{package}\n\n[executor]\nargv = [\"true\"]\nenv = [\"CANARY_TOKEN\"]\n");
    std::fs::write(dir.join("cutgate.toml"), package).unwrap();
    std::fs::create_dir(dir.join("gates")).unwrap();
    // Whether it answers does not matter here.
    std::fs::write(dir.join("gates/answers.toml"), gate.replace("URL", "sqlite:nothing.db")).unwrap();
    std::os::unix::fs::chown(dir, Some(65534), Some(65534)).unwrap();
    let cutgate = assert_cmd::cargo::cargo_bin("cutgate");

    let program = begun(dir, &format!("{} audit", cutgate.display()));
    program.stands();
    let at = |what: &str| format!("/proc/{}/{what}", program.0.id());
    let limits = std::fs::read_to_string(at("limits")).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit.split_whitespace().nth(4), Some("0"), "{limit}");
    // proc(5): of a process that may not be dumped everything there is root's, so that its user reads neither memory nor environment.
    for what in ["mem", "environ"] {
        assert_eq!(std::fs::metadata(at(what)).unwrap().uid(), 0, "{what}");
    }
    let read = "setpriv --reuid 65534 --regid 65534 --clear-groups cat";
    let read = Command::new("bash").args(["-c", &format!("{read} {}", at("environ"))]).output().unwrap();
    assert!(!read.status.success() && read.stdout.is_empty());
    assert!(!crashed(program), "it was dumped");

    // Another program, started in the same way, leaves one where this machine's kernel writes cores into the folder.
    let other = begun(dir, "bash -c 'kill -STOP $$; sleep 9'");
    other.stands();
    assert_eq!(std::fs::metadata(format!("/proc/{}/mem", other.0.id())).unwrap().uid(), 65534);
    let dumps = crashed(other);
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    assert!(dumps || pattern.starts_with('|') || pattern.trim().is_empty(), "this shows nothing: {pattern}");
    for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()) {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let is_core = bytes.starts_with(b"\x7fELF");
        assert!(!is_core || dumps, "{}", entry.path().display());
        let of_cutgate = memchr::memmem::find(&bytes, b"the database answers").is_some();
        assert!(!of_cutgate || !is_core, "a core of it: {}", entry.path().display());
    }
    assert!(!dir.join("reports").exists(), "it was in the middle of its work");
}

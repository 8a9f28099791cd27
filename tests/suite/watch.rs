//! `audit --watch` and `--wait-until-closed`, with hosts that other processes change meanwhile.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::traps::Trap;
use rustix::process::{Pid, Signal};

/// A command that goes on, and what it says line by line.
struct Going {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Going {
    fn start(trap: &Trap, args: &[&str]) -> Self {
        // As at a terminal, also where the tests were started with nohup or in the background.
        let mut command = trap.command(std::path::Path::new("/usr/bin/env"));
        command.arg("--default-signal=HUP,INT,TERM").arg(assert_cmd::cargo::cargo_bin("cutgate"));
        let mut child =
            command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line without its instant, which it begins with.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        match line.split_once("Z  ") {
            Some((instant, said)) => {
                assert_eq!(instant.len(), "2026-05-21T10:00:00".len(), "{line}");
                said.trim_end().to_owned()
            }
            None => {
                let mut errors = String::new();
                std::io::Read::read_to_string(self.child.stderr.as_mut().unwrap(), &mut errors).unwrap();
                panic!("no instant: {line:?} {errors}")
            }
        }
    }

    /// As [`Going::line`], the first that holds `word`; what comes before it is passed over.
    fn until(&mut self, word: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(word) {
                return line;
            }
        }
    }

    fn signal(mut self, signal: Signal) -> std::process::ExitStatus {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap()
    }

    fn end(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn a_watch_says_what_changed_and_ends_with_the_last_exit_code() {
    let trap = Trap::new();
    let mut watch = Going::start(&trap, &["audit", "--watch=1"]);
    assert_eq!(watch.line(), "9 gates, again every 1 s; nothing is published; Ctrl-C ends it");
    let states: Vec<String> = (0..9).map(|_| watch.line()).collect();
    assert_eq!(states.iter().filter(|state| state.contains("  CLOSED — ")).count(), 8, "{states:?}");
    assert!(states.iter().any(|state| state.starts_with("GAP-7  sovereign-ruling  OPEN — ")), "{states:?}");
    assert_eq!(watch.line(), "result: B — APPROVAL_READY (scheme O8)");
    // Somebody takes the signature of the rehearsal away, and the result follows.
    trap.shell("mv records/drills/first.json.asc aside");
    // A look in the very moment of the change may have said UNKNOWN before.
    let line = watch.until("→ OPEN");
    assert!(line.starts_with("GAP-6  revert-tested  "), "{line}");
    watch.until("result: C — ");
    // A package that is wrong is no result; what is put right again is said.
    trap.replace("cutgate.toml", "[trust]", "[truts]");
    watch.until("not audited: ");
    trap.replace("cutgate.toml", "[truts]", "[trust]");
    watch.until("audited again");
    trap.shell("mv aside records/drills/first.json.asc");
    assert!(watch.until("→ CLOSED").starts_with("GAP-6  revert-tested  "));
    assert_eq!(watch.until("result: B"), "result: B — APPROVAL_READY (scheme O8)");
    assert!(!trap.path("reports").exists(), "nothing was published");
    assert_eq!(watch.signal(Signal::INT).code(), Some(0));
}

#[test]
fn a_blocked_watch_ends_blocked() {
    let trap = Trap::new();
    trap.shell("rm records/drills/first.json.asc");
    let mut watch = Going::start(&trap, &["audit", "--only", "GAP-6,GAP-3", "--watch"]);
    assert_eq!(watch.line(), "2 gates, again every 30 s; nothing is published; Ctrl-C ends it");
    assert!(watch.line().starts_with("GAP-6  revert-tested  OPEN — "));
    assert!(watch.line().starts_with("GAP-3  gpg-keyring  CLOSED — "));
    assert_eq!(watch.signal(Signal::INT).code(), Some(1));
    // Any other signal does what it does to any program, and is no result.
    let mut watch = Going::start(&trap, &["audit", "--only", "GAP-3", "--watch"]);
    watch.line();
    watch.line();
    let status = watch.signal(Signal::TERM);
    assert_eq!((status.code(), std::os::unix::process::ExitStatusExt::signal(&status)), (None, Some(15)));
}

#[test]
fn a_wait_ends_when_another_process_closes_the_gate() {
    let trap = Trap::new();
    trap.shell("mv records/drills/first.json.asc aside");
    let args = ["audit", "--wait-until-closed", "GAP-6", "--timeout", "60s", "--every", "1s"];
    let mut wait = Going::start(&trap, &args);
    assert!(wait.line().starts_with("GAP-6  revert-tested  OPEN — "));
    trap.shell("mv aside records/drills/first.json.asc");
    assert!(wait.until("→ CLOSED").starts_with("GAP-6  revert-tested  "));
    assert!(wait.line().starts_with("closed after "));
    assert_eq!(wait.end(), 0);
    assert!(!trap.path("reports").exists());
}

/// At the end the exit code is that of the state; no error makes it better.
#[test]
fn a_wait_that_is_over_says_what_is_so() {
    let trap = Trap::new();
    let wait = |gate: &str| {
        let began = Instant::now();
        let output = trap.cutgate(&["audit", "--wait-until-closed", gate, "--timeout", "1s", "--every", "1s"]);
        assert!(began.elapsed() < Duration::from_secs(20));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    trap.shell("mv records/drills/first.json.asc aside; head -c 9000 /dev/urandom > governance.db");
    let (code, said) = wait("GAP-6");
    assert!(code == 1 && said.contains("not closed after "), "{code} {said}");
    let (code, said) = wait("GAP-4");
    assert!(code == 3 && said.contains("UNKNOWN — "), "{code} {said}");
    assert_eq!(wait("GAP-3").0, 0);
    assert_eq!(wait("GAP-33").0, 2);
    // While one waits, the package breaks, and stays so.
    let args = ["audit", "--wait-until-closed", "GAP-6", "--timeout", "3s", "--every", "1s"];
    let mut going = Going::start(&trap, &args);
    going.line();
    trap.shell("mv aside records/drills/first.json.asc");
    fs::write(trap.path("cutgate.toml"), "").unwrap();
    assert_eq!(going.end(), 2);
    for wrong in [
        &["audit", "--wait-until-closed", "GAP-6"][..],
        &["audit", "--timeout", "3s"],
        &["audit", "--watch=0"],
        &["audit", "--watch", "--format", "json"],
        &["audit", "--watch", "--out", "x"],
        &["audit", "--wait-until-closed", "GAP-6", "--timeout", "3s", "--only", "GAP-6"],
    ] {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
        assert_eq!(command.args(wrong).output().unwrap().status.code(), Some(2), "{wrong:?}");
    }
}

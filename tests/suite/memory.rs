//! What is left of secrets in the memory of the real program: they are there while they are needed, and gone when the work is done;
//! and no core of it is written meanwhile.

mod cores;
mod every;

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::postgres::Cluster;

const CANARY: &str = "c4n4ry-Qx7wLmZ2-p4ss";

/// A program that stops itself at a step.
struct Stopped(Child);

impl Stopped {
    fn stands(&self) {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it lives");
            match stat.rsplit(") ").next().and_then(|rest| rest.chars().next()) {
                Some('T' | 't') => break,
                state => assert!(Instant::now() < end && state != Some('Z'), "it does not stop: {stat}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it stands still, and gives all of its memory that can be written to, but for the environment that it was started
    /// with, which is not its own to wipe.
    fn memory(&self) -> Vec<u8> {
        self.stands();
        let pid = self.0.id();
        let environment = self.environment();
        let mut memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("root may read it");
        let mut all = Vec::new();
        for line in std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().lines() {
            let mut words = line.split(' ');
            let (range, rights) = (words.next().unwrap(), words.next().unwrap());
            if !rights.starts_with("rw") {
                continue;
            }
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
            let mut piece = vec![0; usize::try_from(to - from).unwrap()];
            memory.seek(SeekFrom::Start(from)).unwrap();
            // The kernel's own pages cannot be read.
            if memory.read_exact(&mut piece).is_ok() {
                let own = |at: u64| usize::try_from(at.clamp(from, to) - from).unwrap();
                piece[own(environment.start)..own(environment.end)].fill(0);
                all.extend(piece);
            }
        }
        all
    }

    /// Where the kernel put the environment that the program was started with: proc(5), fields 50 and 51 of `stat`.
    fn environment(&self) -> Range<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split_whitespace().collect();
        // The first of these is field 3.
        let field = |number: usize| fields[number - 3].parse().unwrap();
        field(50)..field(51)
    }

    /// The command line as everybody sees it.
    fn command_line(&self) -> Vec<u8> {
        std::fs::read(format!("/proc/{}/cmdline", self.0.id())).unwrap()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

fn holds(memory: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(memory, what).is_some()
}

#[test]
fn a_password_is_wiped_from_memory_when_the_audit_is_over() {
    let cluster = Cluster::shared();
    let role = format!(
        "DO $$ BEGIN CREATE ROLE canary LOGIN PASSWORD '{CANARY}'; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    );
    cluster.sql("postgres", &role);
    let folder = crate::harness::open_dir();
    let dir = folder.path();
    std::fs::create_dir(dir.join("gates")).unwrap();
    let url = format!("postgresql://canary@127.0.0.1:{}/postgres", cluster.port);
    let gate = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/memory.toml")).unwrap();
    let (package, gate) = gate.split_once("\n---\n").unwrap();
    std::fs::write(dir.join("cutgate.toml"), package).unwrap();
    std::fs::write(dir.join("gates/answers.toml"), gate.replace("URL", &url)).unwrap();
    std::fs::write(dir.join("passwords"), format!("*:*:*:canary:{CANARY}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(dir.join("passwords"), mode).unwrap();
    let stopped = |step: &str| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("CUTGATE_TEST_STOP_AT", step);
        command.env("PGPASSFILE", dir.join("passwords")).current_dir(dir).args(["audit"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Stopped(command.spawn().unwrap())
    };
    // While what is written is still searched for it, it is there: the search of this test finds what is to be found.
    let during = stopped("collected");
    assert!(holds(&during.memory(), CANARY.as_bytes()), "the password was met");
    assert!(!holds(&during.command_line(), CANARY.as_bytes()));
    let memory = stopped("over").memory();
    assert!(holds(&memory, b"the database answers"), "its memory was read");
    for (form, what) in forms("the password", CANARY.as_bytes()) {
        assert!(!holds(&memory, &form), "{what} is still in memory");
    }
    whole_without(dir, CANARY.as_bytes());
}

/// The bytes of a secret as they are and in hex.
fn forms(name: &str, secret: &[u8]) -> Vec<(Vec<u8>, String)> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let (small, large) = (hex.clone().into_bytes(), hex.to_uppercase().into_bytes());
    vec![
        (secret.to_owned(), name.to_owned()),
        (small, format!("{name} in hex")),
        (large, format!("{name} in large hex")),
    ]
}

/// What was published is a whole audit, and holds no secret.
fn whole_without(dir: &std::path::Path, secret: &[u8]) {
    let files = walkdir::WalkDir::new(dir.join("reports")).into_iter().flatten();
    for file in files.filter(|entry| entry.file_type().is_file()) {
        assert!(!holds(&std::fs::read(file.path()).unwrap(), secret), "{}", file.path().display());
    }
    assert!(dir.join("reports/ledger.jsonl").exists(), "it was a whole audit");
}

//! What is left of a password in the memory of the real program: it is there while it is needed, and gone when the work is done.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::postgres::Cluster;

const CANARY: &str = "c4n4ry-Qx7wLmZ2-p4ss";

/// A program that stops itself at a step.
struct Stopped(Child);

impl Stopped {
    /// Waits until it stands still, and gives all of its memory that can be written to.
    fn memory(&self) -> Vec<u8> {
        let pid = self.0.id();
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
            match stat.rsplit(") ").next().and_then(|rest| rest.chars().next()) {
                Some('T' | 't') => break,
                state => assert!(Instant::now() < end && state != Some('Z'), "it does not stop: {stat}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
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
                all.extend(piece);
            }
        }
        all
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
    let over = stopped("over");
    let memory = over.memory();
    assert!(holds(&memory, b"CUTGATE_TEST_STOP_AT"), "its memory was read");
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    for form in [CANARY.to_owned(), hex.clone(), hex.to_uppercase()] {
        assert!(!holds(&memory, form.as_bytes()), "{form} is still in memory");
    }
    for (path, bytes) in walkdir::WalkDir::new(dir.join("reports"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((entry.path().to_owned(), std::fs::read(entry.path()).ok()?)))
    {
        assert!(!holds(&bytes, CANARY.as_bytes()), "{}", path.display());
    }
    assert!(dir.join("reports/ledger.jsonl").exists(), "it was a whole audit");
}

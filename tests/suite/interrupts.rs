//! Signals at many moments of an audit: what is published is whole, what is not is not taken for it, nothing that was
//! begun goes on, and the next audit works.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::postgres::Cluster;
use crate::traps::Trap;
use cutgate::report::{Entry, Keys, LedgerLine, read_ledger, replay, without_line};
use rustix::process::{Pid, Signal};

/// Where the audits of one test publish.
struct Reports {
    trap: Trap,
    root: PathBuf,
    /// The auditor's options, where the audits are signed.
    sign: Vec<String>,
}

impl Reports {
    fn new() -> Self {
        let trap = Trap::new();
        // Blocked, so that exit code 0 can only be a mistake.
        trap.shell("rm records/drills/first.json.asc");
        let root = trap.path("reports");
        Self { trap, root, sign: Vec::new() }
    }

    /// As [`Reports::new`], signed by gpg, as a script in front of it wants it.
    fn with_gpg(script: &str) -> Self {
        let mut reports = Self::new();
        reports.trap.shell("mkdir bin");
        fs::write(reports.trap.path("bin/gpg"), script).unwrap();
        reports.trap.shell("chmod 755 bin/gpg");
        reports.sign = vec!["--sign".to_owned(), auditor(&reports.trap)];
        reports
    }

    /// As [`Reports::new`], signed with the auditor's key out of a file.
    fn with_key_file() -> Self {
        let mut reports = Self::new();
        reports.trap.shell(&format!(
            "gpg --homedir keys/home --batch --pinentry-mode loopback --passphrase '' --export-secret-keys {} > auditor.key",
            auditor(&reports.trap)
        ));
        reports.sign = vec!["--sign-key".to_owned(), "auditor.key".to_owned()];
        reports
    }

    /// The program, with the auditor's home.
    fn command(&self, program: &Path) -> Command {
        let mut command = self.trap.command(program);
        command.env("GNUPGHOME", self.trap.path("keys/home"));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.trap.path("bin").display()));
        command
    }

    fn start(&self) -> Child {
        // Signals mean what they mean at a terminal, also where the tests were started with nohup or in the background.
        let mut command = self.command(Path::new("/usr/bin/env"));
        command.arg("--default-signal=HUP,INT,TERM").arg(assert_cmd::cargo::cargo_bin("cutgate"));
        command.args(["audit", "--format", "json"]).args(&self.sign).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn lines(&self) -> Vec<LedgerLine> {
        read_ledger(&self.root).unwrap().into_iter().map(|(line, _)| line).collect()
    }

    /// The audits in the ledger, which must be in order. Before the first audit there is none.
    fn published(&self) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|line| line.entry == Entry::Audit);
        lines.map(|line| line.folder).collect()
    }

    /// The numbers that the ledger records as void, by folder.
    fn void(&self) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|line| line.entry == Entry::Void);
        lines.map(|line| line.folder).collect()
    }

    /// Folders that have a number and no line.
    fn lost(&self) -> Vec<String> {
        if !self.root.exists() {
            return Vec::new();
        }
        without_line(&self.root, &read_ledger(&self.root).unwrap()).unwrap()
    }

    /// What lies beside ledger and lock, is no published report and no void number.
    fn left(&self) -> Vec<String> {
        let published = [self.published(), self.void()].concat();
        let names =
            fs::read_dir(&self.root).into_iter().flatten().map(|it| it.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !published.contains(name) && name != "ledger.jsonl" && name != ".lock").collect()
    }

    /// An audit that nobody disturbs: it is published, under a number that nothing had before, and leaves no draft.
    fn next_audit_works(&self, before: &BTreeSet<String>) -> Output {
        let output = self.start().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let number = |folder: &String| folder.split('-').next().unwrap().parse::<u64>().unwrap();
        let newest = self.published().pop().unwrap();
        assert!(before.iter().all(|folder| number(folder) < number(&newest)), "{before:?} {newest}");
        assert_eq!(self.left(), [""; 0]);
        // No number is lost, none is used twice: each has one line.
        let numbers: Vec<u64> = self.lines().iter().map(|line| line.number).collect();
        assert_eq!(numbers, (1..=number(&newest)).collect::<Vec<_>>());
        output
    }

    /// What lies there under a name that is no report's.
    fn drafts(&self) -> BTreeSet<String> {
        self.left().into_iter().filter(|name| name.starts_with('.')).collect()
    }

    /// Each audit holds, signed by the auditor, whose certificate the laboratory has elsewhere.
    fn every_one_verifies(&self) {
        let auditor = fs::read(self.trap.path("keys/auditor.asc")).unwrap();
        let given = Keys::Given(cutgate::trust::from_bytes(&auditor).unwrap());
        let keys = if self.sign.is_empty() { Keys::None } else { given };
        for folder in self.published() {
            replay(&self.root.join(&folder), &keys, chrono::Utc::now())
                .unwrap_or_else(|error| panic!("{folder}: {error}"));
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        let _ =
            Command::new("gpgconf").arg("--homedir").arg(self.trap.path("keys/home")).args(["--kill", "all"]).status();
    }
}

/// The fingerprint that the package pins for the auditor.
fn auditor(trap: &Trap) -> String {
    let package = fs::read_to_string(trap.path("cutgate.toml")).unwrap();
    let line = package.lines().find(|line| line.starts_with("auditor = ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

fn send(child: &Child, signal: Signal) {
    // It may have ended; its number is not given to another before it is waited for.
    let _ = rustix::process::kill_process(Pid::from_child(child), signal);
}

/// Sixty moments, spread over the time that an audit takes; the last ones are after its end.
#[test]
fn a_signal_at_any_moment_leaves_nothing_half_published() {
    let reports = Reports::new();
    let begun = Instant::now();
    reports.next_audit_works(&BTreeSet::new());
    let whole = begun.elapsed();
    let mut cut = 0;
    for step in 0_u32..20 {
        for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
            let (before, drafts) = (reports.published(), reports.drafts());
            let child = reports.start();
            std::thread::sleep(whole * step / 18);
            send(&child, signal);
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let published = reports.published().len() - before.len();
            match (output.status.code(), output.status.signal()) {
                (Some(code), None) => assert_eq!((code, published), (1, 1), "{said}"),
                (None, Some(by)) => {
                    assert_eq!(by, signal.as_raw(), "{said}");
                    cut += 1;
                    if signal != Signal::KILL && said.contains("interrupted") {
                        assert_eq!(said.contains("nothing was published"), published == 0, "{said}");
                        assert_eq!(said.contains("published whole"), published == 1, "{said}");
                    }
                }
                (_, _) => panic!("{:?}", output.status),
            }
            if published == 0 {
                assert_eq!(String::from_utf8_lossy(&output.stdout), "", "no result that was not published");
            }
            if signal != Signal::KILL {
                assert!(reports.drafts().is_subset(&drafts), "{:?}", reports.left());
            }
        }
    }
    assert!(cut >= 20, "{cut} of 60 audits were cut off");
    let before = reports.published().into_iter().chain(reports.lost()).collect();
    reports.next_audit_works(&before);
    reports.every_one_verifies();
}

const STRACE: &str = "strace is missing: apt-get install strace";

/// An audit that gets `signal` as it enters its `nth` call of `call`; `None` where it does not get so far.
fn at_call(reports: &Reports, call: &str, nth: u32, signal: &str) -> Option<Output> {
    let mut command = reports.command(Path::new("strace"));
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:signal={signal}:when={nth}")]);
    command.arg(assert_cmd::cargo::cargo_bin("cutgate")).args(["audit", "--format", "json"]);
    let output = command.args(&reports.sign).output().expect(STRACE);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !said.contains("ptrace"),
        "strace may not trace here (a container needs the capability SYS_PTRACE): {said}"
    );
    (output.status.code() != Some(1)).then_some(output)
}

/// Killed at each step of publishing, not only at some moment: after every file, before and after each rename, while the
/// number that the last one left is made void.
#[test]
fn killed_at_every_step_of_publishing() {
    let reports = Reports::with_key_file();
    reports.next_audit_works(&BTreeSet::new());
    let (mut killed, mut seen) = (0, BTreeSet::new());
    // Calls are counted for each thread: the reports are synced by threads of their own, once each. Where the step before
    // left a number, the first of them write that it is void.
    for (call, steps) in
        [("mkdir", vec![1, 2]), ("chmod", vec![1]), ("fsync", vec![1, 2, 3, 4, 5, 6]), ("rename", vec![1, 2, 3])]
    {
        for nth in steps {
            let (lines, before) = (reports.lines(), reports.published());
            let all: BTreeSet<_> = lines.iter().map(|line| line.folder.clone()).chain(reports.lost()).collect();
            let cut = at_call(&reports, call, nth, "SIGKILL");
            killed += u32::from(cut.is_some());
            let now = reports.lines();
            assert!(now.starts_with(&lines) && reports.published().len() - before.len() <= 1, "{call} {nth}");
            // A folder without a line, or with a void one, has no report's standing, and its number stays used.
            for folder in reports.lost().into_iter().chain(reports.void()) {
                if reports.root.join(&folder).exists() {
                    let verified = reports.trap.cutgate(&["verify", &format!("reports/{folder}")]);
                    assert_eq!(verified.status.code(), Some(6), "{folder}");
                }
                seen.insert(folder);
            }
            let folders = now.iter().map(|line| line.folder.clone());
            assert!(all.is_subset(&folders.chain(reports.lost()).collect()), "nothing goes");
        }
    }
    assert!(killed >= 8 && !seen.is_empty(), "{killed} {seen:?}");
    // One more that leaves a number, so that the next audit has something to tell.
    reports.next_audit_works(&BTreeSet::new());
    assert!(at_call(&reports, "chmod", 1, "SIGKILL").is_some());
    let draft = reports.drafts().into_iter().next().expect("a draft");
    let claimed = draft.strip_prefix(".draft-").unwrap().rsplit_once('-').unwrap().0.to_owned();
    let before = reports.lines().into_iter().map(|line| line.folder).collect();
    let output = reports.next_audit_works(&before);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&claimed) && said.contains("is void"), "{said}");
    assert!(reports.void().contains(&claimed) && seen.is_subset(&reports.void().into_iter().collect()), "{seen:?}");
    let newest = reports.published().pop().unwrap();
    let verified = reports.trap.cutgate(&["verify", &format!("reports/{newest}")]);
    let shown = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && reports.void().iter().all(|folder| shown.contains(folder)), "{shown}");
    let whole = reports.trap.cutgate(&["verify", "reports", "--key", "keys/auditor.asc"]);
    assert_eq!(whole.status.code(), Some(0), "{}", String::from_utf8_lossy(&whole.stderr));
    reports.every_one_verifies();
}

/// gpg, killing the program that called it with the signal in `signal` as it is asked for the signature whose number is
/// in `at`.
const KILLS_ITS_CALLER: &str = r#"#!/bin/sh
case "$*" in *--detach-sign*)
    echo x >> signatures
    if [ "$(wc -l < signatures)" = "$(cat at)" ]; then kill -"$(cat signal)" $PPID; fi
esac
exec /usr/bin/gpg "$@"
"#;

/// Killed while it signs, at the first signature, in the middle, and at the last: nothing is left that anyone could take
/// for a report or a claim, and the next audit has the number.
#[test]
fn killed_while_signing() {
    let reports = Reports::with_gpg(KILLS_ITS_CALLER);
    for (at, signal) in [("1", "KILL"), ("5", "KILL"), ("12", "KILL"), ("1", "TERM"), ("12", "INT")] {
        reports.trap.shell(&format!("rm -f signatures; echo {at} > at; echo {signal} > signal"));
        let output = reports.start().wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.signal().is_some() && output.stdout.is_empty(), "{at} {signal}: {output:?}");
        assert!(signal == "KILL" || said.contains("nothing was published"), "{said}");
        assert_eq!((reports.lines(), reports.left()), (Vec::new(), Vec::new()), "{at} {signal}");
    }
    reports.trap.shell("rm signatures; echo 99 > at");
    reports.next_audit_works(&BTreeSet::new());
    assert!(reports.published()[0].starts_with("0001-"));
    reports.every_one_verifies();
}

/// A request to stop waits until what is being published is whole.
#[test]
fn a_request_to_stop_while_publishing_waits() {
    let reports = Reports::with_key_file();
    for (call, nth) in [("fsync", 2), ("rename", 1), ("rename", 2)] {
        let before = reports.published().len();
        if let Some(output) = at_call(&reports, call, nth, "SIGTERM") {
            assert_eq!(output.status.signal(), Some(Signal::TERM.as_raw()), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("published whole"), "{output:?}");
        }
        assert_eq!(reports.published().len(), before + 1, "{call} {nth}");
        assert_eq!(reports.left(), [""; 0]);
    }
    reports.every_one_verifies();
}

/// Waits for something that is about to be; fails after ten seconds.
fn soon(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process whose command line has `word` in it is there.
fn running(word: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|it| fs::read(it.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).split('\0').any(|argument| argument == word))
}

/// A tool has a process group of its own, so that Ctrl-C at the terminal does not reach it: the audit ends it.
#[test]
fn a_tool_that_hangs_is_ended_with_the_audit() {
    let reports = Reports::new();
    let word = format!("31{}", std::process::id());
    reports.trap.tool(&format!("#!/bin/sh\nexec sleep {word}\n"));
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let child = reports.start();
        soon("the tool runs", || running(&word));
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(signal.as_raw()));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said, "interrupted: nothing was published; run the same command again\n");
        assert!(!running(&word), "the tool is gone");
    }
    assert!(!reports.root.exists());
}

/// What was ignored when the program was started stays ignored: nohup, and the background of a script.
#[test]
fn an_ignored_signal_stays_ignored() {
    let reports = Reports::new();
    let program = assert_cmd::cargo::cargo_bin("cutgate");
    let line = format!("trap '' INT; {} audit & pid=$!; sleep 0.1; kill -INT $pid; wait $pid", program.display());
    let output = Command::new("sh").args(["-c", &line]).current_dir(&reports.trap.lab.dir).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A statement that runs at the server does not go on when the audit is interrupted, nor does its session.
#[test]
fn a_statement_of_the_audit_does_not_go_on_at_the_server() {
    let cluster = Cluster::shared();
    let database = cluster.database("CREATE ROLE interrupted LOGIN");
    let reports = Reports::new();
    reports.trap.gate(
        &format!(
            "kind = \"sql\"\nurl = \"{}\"\n[probe.it.queries.slow]\nsql = \"SELECT pg_sleep(600)::text AS answer\"\ncolumns = {{ answer = \"text\" }}",
            cluster.url(&database, "interrupted")
        ),
        "size(it.rows.slow) > 0",
    );
    let sessions = |state: &str| {
        let query = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = 'interrupted' AND {state}");
        cluster.sql("postgres", &query).trim().parse::<u32>().unwrap()
    };
    let child = reports.start();
    soon("the statement runs", || sessions("state = 'active' AND query LIKE '%pg_sleep%'") == 1);
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(Signal::INT.as_raw()));
    soon("the session is gone", || sessions("true") == 0);
    assert!(
        cluster.log().contains("canceling statement due to user request"),
        "it was cancelled, and did not just lose its client"
    );
}

//! Signals to the program while its executor runs reach the whole group, and the record is written all the same; a rehearsal
//! that was killed is cleared away by the next command.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use super::super::{Approved, cutgate, text};
use super::{all, kill};
use rustix::process::Signal;

/// Waits until something holds, or fails after a while.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_reaches_the_executor_and_the_record_is_true() {
    for (signal, mode) in [(Signal::TERM, "hang"), (Signal::INT, "family")] {
        let approved = Approved::twice();
        let before = approved.rows();
        approved.lab.write("mode", mode);
        let child = approved.begin(&["run", &approved.run_id]);
        until("the executor", || approved.lab.dir.join("deep").exists());
        kill(child.id(), signal);
        let output = child.wait_with_output().unwrap();
        // The record is whole by then: whoever started it sees the signal, or the result, whichever comes first.
        let ended = (output.status.signal(), output.status.code());
        assert!(
            ended == (Some(signal.as_raw()), None) || ended == (None, Some(4)),
            "{mode}: {ended:?} {}",
            all(&output)
        );
        assert_eq!(approved.rows(), before, "{mode}");
        assert_eq!((approved.left(), approved.letters("D"), approved.letters("A")), (vec![], 1, 0), "{mode}");
        let status = approved.run(&["--status"], &[]);
        assert!(text(&status.stdout).contains(", over"), "{mode}: {}", all(&status));
        let report = approved.report("08");
        assert!(report.contains("ROLLED_BACK_VERIFIED"), "{mode}: {report}");
        assert!(report.contains(&format!("signal {} came", signal.as_raw())), "{mode}: {report}");
    }
}

#[test]
fn a_signal_before_the_start_starts_nothing() {
    let approved = Approved::twice();
    let child = approved.begin(&["run", &approved.run_id]);
    until("the lock", || approved.lab.dir.join("governance.db.run-lock").exists());
    std::thread::sleep(Duration::from_millis(50));
    kill(child.id(), Signal::TERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(Signal::TERM.as_raw()), "{}", all(&output));
    assert_eq!((approved.starts(), approved.steps("consumed")), (0, 0), "{}", all(&output));
    let status = approved.run(&["--status"], &[]);
    assert!(text(&status.stdout).contains("requested, not started"), "{}", all(&status));
    assert_eq!(approved.run(&[], &[]).status.code(), Some(0));
}

#[test]
fn a_killed_rehearsal_is_cleared_away_by_the_next_command() {
    for next in ["request", "run"] {
        let approved = Approved::twice();
        approved.lab.write("mode", "hang");
        let drill = approved.begin(&["drill"]);
        let scratch = || {
            let entries = std::fs::read_dir(approved.lab.dir.join("requests")).unwrap().map(|entry| entry.unwrap());
            let mut names = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b".drill-"));
            names.next().map(|entry| entry.path())
        };
        until("the rehearsal's executor", || approved.lab.dir.join("deep").exists());
        kill(drill.id(), Signal::KILL);
        drill.wait_with_output().unwrap();
        assert!(scratch().is_some() && !approved.left().is_empty(), "there is something to clear away");
        approved.lab.write("mode", "honest");
        let mut arguments = vec![next];
        arguments.extend((next == "run").then_some(approved.run_id.as_str()));
        let output = cutgate(&approved.lab.dir, &arguments, &[]);
        assert_eq!(output.status.code(), Some(0), "{next}: {}", all(&output));
        assert_eq!((scratch(), approved.left()), (None, vec![]), "{next}");
    }
}

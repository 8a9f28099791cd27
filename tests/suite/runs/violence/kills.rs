//! `kill -9` of the program or of its executor at random moments, of the command that looks after it too.

use std::process::Output;
use std::time::{Duration, Instant};

use super::super::{Approved, text};
use super::{Random, all, kill, times, trials};
use rustix::process::Signal;

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    Program,
    Executor,
    Both,
}

/// Begins a run and kills somebody after a while.
fn killed(approved: &Approved, victim: Victim, after: Duration) -> Output {
    let child = approved.begin(&["run", &approved.run_id]);
    std::thread::sleep(after);
    if victim != Victim::Program {
        // There may be none yet, or none any more.
        let end = Instant::now() + Duration::from_secs(2);
        while approved.left().is_empty() && approved.steps("ended") == 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(after / 20);
        approved.left().into_iter().for_each(|pid| kill(pid, Signal::KILL));
    }
    if victim != Victim::Executor {
        kill(child.id(), Signal::KILL);
    }
    child.wait_with_output().unwrap()
}

/// Looks after a run until it is over or a person is needed; now and then it is killed itself. The exit code at last.
fn recovered(approved: &Approved, random: &mut Random, span: u64) -> (Option<i32>, String) {
    for _ in 0..5 {
        let child = approved.begin(&["run", &approved.run_id, "--recover", "--revert"]);
        if random.below(3) == 0 {
            std::thread::sleep(Duration::from_millis(random.below(span)));
            kill(child.id(), Signal::KILL);
        }
        let output = child.wait_with_output().unwrap();
        if let Some(code) = output.status.code() {
            return (Some(code), all(&output));
        }
        let status = approved.run(&["--status"], &[]);
        if status.status.code() == Some(0) {
            return (None, all(&status));
        }
    }
    (None, "it was killed each time".to_owned())
}

fn trial(at: usize, span: u64) -> Vec<String> {
    let approved = Approved::twice();
    let before = approved.rows();
    let mut random = Random::of(at);
    let victim = [Victim::Program, Victim::Program, Victim::Executor, Victim::Both][at % 4];
    let after = Duration::from_millis(random.below(span));
    let ended = killed(&approved, victim, after);
    let mut wrong = Vec::new();
    let status = approved.run(&["--status"], &[]);
    let said = text(&status.stdout);
    let mut says = |what: &str| wrong.push(format!("{victim:?} after {after:?}: {what}; {said}{}", all(&ended)));
    let (starts, consumed) = (approved.starts(), approved.folder().join("consumed.json").exists());
    if said.contains("requested, not started") {
        // Nothing at all may have happened, and the run can still be made.
        if starts > 0 || consumed || approved.rows() != before || !approved.left().is_empty() {
            says("it was started, and is called not started");
        }
        let made = approved.run(&[], &[]);
        if (made.status.code(), approved.starts(), approved.letters("A")) != (Some(0), 1, 1) {
            says(&format!("it cannot be made any more: {}", all(&made)));
        }
        return wrong;
    }
    if !consumed {
        says("started, and not consumed");
    }
    let over = said.contains(", over");
    let again = approved.run(&[], &[]);
    if again.status.code() != Some(7) || approved.starts() > 1 {
        says(&format!("it was started again: {}", all(&again)));
    }
    let (code, all_said) = if over { (Some(0), said.clone()) } else { recovered(&approved, &mut random, span) };
    let enacted = "SELECT count(*) FROM information_unit WHERE state = 'enacted' AND document_id = 'ICX-GLOSS'";
    let (enacted, same) = (approved.number(enacted), approved.rows() == before);
    let status = approved.run(&["--status"], &[]);
    let is_over = status.status.code() == Some(0) && text(&status.stdout).contains(", over");
    // Over is what came out whole: all of it, or nothing. Everything else needs a person, and says so.
    let true_word = if is_over { enacted == 12 || same } else { status.status.code() == Some(5) };
    if !true_word || (code == Some(4) && !same) || (code == Some(0) && enacted != 12 && !same) {
        says(&format!("{code:?}, {enacted} enacted, same {same}: {all_said} {}", all(&status)));
    }
    if !matches!(code, None | Some(0 | 4 | 5)) || !approved.left().is_empty() || approved.letters("A") > 1 {
        says(&format!("{code:?}, left {:?}: {all_said}", approved.left()));
    }
    if (approved.starts() > 1, approved.steps("consumed")) != (false, 1) {
        // A crash between the two leaves the file alone.
        if approved.steps("consumed") > 1 || approved.starts() > 0 {
            says("consumed or started twice");
        }
    }
    let again = approved.run(&[], &[]);
    if again.status.code() != Some(7) || approved.starts() > 1 {
        says(&format!("it was started again: {}", all(&again)));
    }
    let verified = super::super::cutgate(&approved.lab.dir, &["verify", "reports"], &[]);
    if approved.letters("") > 0 && verified.status.code() != Some(0) {
        says(&format!("the reports do not verify: {}", all(&verified)));
    }
    wrong
}

#[test]
fn after_kill_9_at_a_random_moment_the_record_is_true() {
    let kept = Approved::twice();
    let begun = Instant::now();
    let whole = kept.run(&[], &[]);
    assert_eq!(whole.status.code(), Some(0), "{}", all(&whole));
    // Three at once take longer than one.
    let span = u64::try_from(begun.elapsed().as_millis()).unwrap() * 2;
    trials(times(6), |at| trial(at, span));
}

//! Two operators start the same run, and two more another run of the same target, at the same instant: on the embedded registry, where
//! a file is the lock, and on a server, where it is an advisory lock too.

use std::sync::Barrier;
use std::time::Duration;

use super::super::{Approved, text};
use super::servers::Bench;
use super::{Random, all, one_by_one, times, trials};

/// What went wrong where four begin at once.
fn at_once(approved: &Approved, trial: usize) -> Vec<String> {
    let mut random = Random::of(trial);
    let runs: Vec<_> = [&approved.run_id, &approved.other].into_iter().cycle().take(4).collect();
    let late: Vec<_> = runs.iter().map(|_| Duration::from_micros(random.below(2) * random.below(30_000))).collect();
    let barrier = Barrier::new(runs.len());
    let outputs: Vec<_> = std::thread::scope(|scope| {
        let start = |(run, late): (&&String, &Duration)| {
            let (run, late, barrier) = ((*run).clone(), *late, &barrier);
            scope.spawn(move || {
                barrier.wait();
                std::thread::sleep(late);
                approved.begin(&["run", &run]).wait_with_output().unwrap()
            })
        };
        let threads: Vec<_> = runs.iter().zip(&late).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut codes: Vec<_> = outputs.iter().map(|output| output.status.code()).collect();
    codes.sort();
    let seen = (codes, approved.starts(), approved.steps("started"), approved.steps("consumed"), approved.letters("A"));
    if seen == (vec![Some(0), Some(7), Some(7), Some(7)], 1, 1, 1, 1) {
        return Vec::new();
    }
    vec![format!("{seen:?}\n{}", outputs.iter().map(all).collect::<String>())]
}

#[test]
fn of_four_operators_at_once_one_starts_an_executor() {
    let _kept = Approved::twice();
    trials(times(2), |trial| at_once(&Approved::twice(), trial));
}

#[test]
fn of_four_operators_at_once_on_a_server_one_starts_an_executor() {
    let bench = Bench::new("honest");
    one_by_one(times(1), |trial| {
        let wrong = at_once(&bench.afresh(), trial);
        if wrong.is_empty() && bench.enacted() != "12" {
            vec!["what was enacted is not there".to_owned()]
        } else {
            wrong
        }
    });
}

/// Two packages may name one registry: the lock beside it keeps their runs apart.
#[test]
fn a_run_of_another_package_on_the_same_registry_keeps_this_one_out() {
    let approved = Approved::twice();
    let path = approved.lab.dir.join("governance.db.run-lock");
    let lock = std::fs::File::create(&path).unwrap();
    lock.lock().unwrap();
    let refused = approved.run(&[], &[]);
    assert_eq!(refused.status.code(), Some(7), "{}", all(&refused));
    assert!(
        text(&refused.stderr).contains("a run of another package is at work on this registry"),
        "{}",
        all(&refused)
    );
    assert_eq!((approved.starts(), approved.steps("opened")), (0, 0));
    drop(lock);
    let done = approved.run(&[], &[]);
    assert_eq!((done.status.code(), approved.starts()), (Some(0), 1), "{}", all(&done));
}

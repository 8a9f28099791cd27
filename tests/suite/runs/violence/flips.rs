//! Facts that the run is bound to flip while it is prepared, by another hand: at each moment at least one of them is not what
//! was approved, so that there is no moment at which an executor may start, whatever each look by itself sees.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::{Approved, text};
use super::{Random, all, flips, times, trials};

/// A file as it was approved, and as it is not.
struct Fact {
    path: PathBuf,
    approved: Option<Vec<u8>>,
    other: Option<Vec<u8>>,
}

impl Fact {
    fn of(path: PathBuf, other: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Self {
        let approved = fs::read(&path).ok();
        let other = other(approved.as_deref().unwrap_or_default());
        Self { path, approved, other }
    }

    fn set(&self, as_approved: bool) {
        match if as_approved { &self.approved } else { &self.other } {
            None => drop(fs::remove_file(&self.path)),
            // Whole, as a deployment replaces files.
            Some(bytes) => {
                let next = self.path.with_extension("flip");
                let aside = self.path.ancestors().nth(1).unwrap().join("..").join(next.file_name().unwrap());
                fs::write(&aside, bytes).unwrap();
                if let Ok(seen) = fs::metadata(&self.path) {
                    fs::set_permissions(&aside, seen.permissions()).unwrap();
                }
                fs::rename(&aside, &self.path).unwrap();
            }
        }
    }
}

/// What the run is bound to, each in another file: the tree, its configuration, the keyring, an approval and its signature.
fn facts(approved: &Approved) -> Vec<Fact> {
    let dir = &approved.lab.dir;
    let more = |bytes: &[u8]| Some([bytes, b"\n# more\n"].concat());
    vec![
        Fact::of(dir.join("host/opt/cutter/v0.7/cutter/units.py"), more),
        Fact::of(dir.join("host/opt/cutter/v0.7/cutter/extra.py"), |_| Some(b"x = 1\n".to_vec())),
        Fact::of(dir.join("host/etc/cutter/cutter.toml"), |bytes| {
            Some(text(bytes).replace("max_units = 50", "max_units = 5").into_bytes())
        }),
        Fact::of(dir.join(format!("kb/approvals/sg1-{}.md", approved.run_id)), more),
        Fact::of(dir.join(format!("kb/approvals/sg2-{}.md.asc", approved.run_id)), |_| None),
    ]
}

/// Changes a fact of the registry that the run is bound to: the size of its target.
fn grow_target(dir: &Path) {
    let connection = rusqlite::Connection::open(dir.join("governance.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    let changed = connection.execute("UPDATE target SET units = units + 1 WHERE id = 'ICX-GLOSS'", []).unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn while_facts_flip_no_executor_starts() {
    let _kept = Approved::twice();
    let flipped = AtomicUsize::new(0);
    trials(times(3), |trial| {
        let approved = Approved::twice();
        let facts = facts(&approved);
        let mut random = Random::of(trial);
        let over = AtomicBool::new(false);
        facts[0].set(false);
        let output = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut away = 0;
                while !over.load(Ordering::SeqCst) {
                    let next = usize::try_from(random.below(facts.len() as u64)).unwrap();
                    // The next is changed before the last is put back.
                    facts[next].set(false);
                    if next != away {
                        facts[away].set(true);
                    }
                    away = next;
                    flipped.fetch_add(2, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(random.below(6_000)));
                }
            });
            let output = approved.begin(&["run", &approved.run_id]).wait_with_output().unwrap();
            over.store(true, Ordering::SeqCst);
            output
        });
        let seen = (output.status.code(), approved.starts(), approved.folder().join("consumed.json").exists());
        if seen == (Some(7), 0, false) { Vec::new() } else { vec![format!("{seen:?} {}", all(&output))] }
    });
    println!("{flipped:?} flips");
    assert!(flipped.load(Ordering::SeqCst) >= flips(60), "{flipped:?} flips");
}

/// One change at a random moment, which stays: where it was there before the last look began, nothing starts. That look begins
/// once the journal says that the permit is there; what changes from then on is seen or not.
#[test]
fn a_change_at_any_moment_before_the_last_look_is_seen() {
    let kept = Approved::twice();
    let begun = Instant::now();
    assert_eq!(kept.run(&[], &[]).status.code(), Some(0));
    let span = u64::try_from(begun.elapsed().as_millis()).unwrap() * 3 / 2;
    let early = AtomicUsize::new(0);
    trials(flips(6), |trial| {
        let approved = Approved::twice();
        let facts = facts(&approved);
        let mut random = Random::of(trial);
        let which = usize::try_from(random.below(facts.len() as u64 + 1)).unwrap();
        let child = approved.begin(&["run", &approved.run_id]);
        // The first change comes at once, the others whenever.
        std::thread::sleep(Duration::from_millis(random.below(span) * u64::from(trial > 0)));
        match facts.get(which) {
            Some(fact) => fact.set(false),
            None => grow_target(&approved.lab.dir),
        }
        let in_time = approved.steps("permitted") == 0;
        early.fetch_add(usize::from(in_time), Ordering::SeqCst);
        let output = child.wait_with_output().unwrap();
        let consumed = approved.folder().join("consumed.json").exists();
        let wrong = match (consumed, approved.starts()) {
            (false, 0) => output.status.code() != Some(7),
            (false, _) => true,
            (true, _) => in_time,
        };
        if wrong { vec![format!("fact {which}, in time: {in_time}: {}", all(&output))] } else { Vec::new() }
    });
    println!("{early:?} before the last look began");
    assert!(early.load(Ordering::SeqCst) > 0);
}

/// Somebody writes to the registry while the run is prepared, and puts it back: what was judged is not what is there.
#[test]
fn a_registry_that_is_written_to_meanwhile_is_not_run_on() {
    let approved = Approved::twice();
    let child = approved.begin(&["run", &approved.run_id]);
    while approved.steps("permitted") + approved.steps("read") + approved.steps("opened") == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let connection = rusqlite::Connection::open(approved.lab.dir.join("governance.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute_batch("CREATE TABLE passing (x); DROP TABLE passing").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), approved.starts()), (Some(7), 0), "{}", all(&output));
    assert!(all(&output).contains("the registry is not what was judged: somebody wrote to it"), "{}", all(&output));
    assert!(!approved.folder().join("permit.json.asc").exists());
    assert!(approved.report("08").contains("was asked for and refused"));
}

//! Collecting: probes on threads beside each other, each with a time limit, all under one deadline.
//!
//! A probe that does not come back is given up and its observation says so; its thread holds nothing that
//! others need, and the others get another one. A probe that panics, or whose facts do not have the shape that it declared, is an error in
//! its observation and never a fact.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant as Monotonic};

use super::{Door, Limits, Place, Secrets, Settings, Stop, Surroundings, watch};
use crate::evidence::{Fact, Instant, Missing, MissingState, Observation};

/// Probes that run at the same time; one that was given up does not count.
const AT_ONCE: usize = 32;

/// A probe to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The probe's kind.
    pub kind: String,
    /// Its settings.
    pub settings: Settings,
}

/// Everything that is the same for all probes of one collection.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Where paths lie.
    pub place: Place,
    /// Limits of each probe.
    pub limits: Limits,
    /// The audit's instant.
    pub now: Instant,
    /// The user that reads.
    pub by: String,
    /// When the whole audit must be done.
    pub deadline: Monotonic,
    /// The secret values that probes meet, for scanning what is published.
    pub secrets: Secrets,
    /// What the user brings along.
    pub surroundings: Arc<Surroundings>,
}

/// What becomes of a question while others are asked.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a, K> {
    /// It is asked.
    Began {
        /// Which one.
        key: &'a K,
    },
    /// It has an answer, or was given up.
    Answered {
        /// Which one.
        key: &'a K,
        /// Its probe's kind.
        kind: &'a str,
        /// How many have none yet.
        left: usize,
    },
}

impl<K> Progress<'_, K> {
    /// The question that it is about.
    pub fn key(&self) -> &K {
        match self {
            Self::Began { key } | Self::Answered { key, .. } => key,
        }
    }
}

/// A question that a thread is to answer.
type Work<K> = (K, Question, Arc<Door>);

/// Threads that answer one question after the other. One that does not come back is no loss: where none is idle, another
/// one is started.
struct Threads<K> {
    work: mpsc::Sender<Work<K>>,
    /// Where threads wait for work: one of them listens, the others wait for it.
    waiting: Arc<Mutex<mpsc::Receiver<Work<K>>>>,
    answers: mpsc::Sender<(K, Fact)>,
    /// How many have answered and were given nothing since.
    idle: usize,
}

impl<K: Send + 'static> Threads<K> {
    /// No thread yet, and where the answers arrive.
    fn new() -> (Self, mpsc::Receiver<(K, Fact)>) {
        let (work, waiting) = mpsc::channel();
        let (answers, answered) = mpsc::channel();
        (Self { work, waiting: Arc::new(Mutex::new(waiting)), answers, idle: 0 }, answered)
    }

    /// Has a question answered. Where no thread can be started nothing will be sent, so that the probe is given up at its
    /// end, as one that never came back.
    fn give(&mut self, work: Work<K>) {
        if self.idle > 0 {
            self.idle -= 1;
        } else if !self.start() {
            return;
        }
        // Both ends are ours: this arrives.
        let _ = self.work.send(work);
    }

    fn start(&self) -> bool {
        let (waiting, answers) = (self.waiting.clone(), self.answers.clone());
        let run = move || {
            loop {
                // The lock is let go of before the work begins.
                let taken = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok((key, question, door)) = taken else { return };
                let facts = std::panic::catch_unwind(AssertUnwindSafe(|| answer(&question, &door)));
                let facts = facts.unwrap_or_else(|_| {
                    let next = "report this as a bug of cutgate";
                    let tried = format!("probe {}", question.kind);
                    door.missing(MissingState::Error, tried, "the probe panicked", next).into()
                });
                drop((question, door));
                if answers.send((key, facts)).is_err() {
                    // The collection is over.
                    return;
                }
            }
        };
        // Parsers recurse: a large stack is address space only, until it is used.
        std::thread::Builder::new().name("probe".to_owned()).stack_size(64 << 20).spawn(run).is_ok()
    }
}

struct Running {
    door: Arc<Door>,
    question: Question,
    started: Instant,
    end: Monotonic,
}

impl Running {
    /// When the probe is given up, as far as that is known: at its end, or when an access has been silent for its time.
    /// What is read in parts, and slowly, is given up by the probe itself, which goes on with the rest.
    fn late(&self, with: &Collection) -> Monotonic {
        self.door.silent().map_or(self.end, |(since, _)| self.end.min(since + with.limits.read))
    }
}

/// The answers of one collection, before it was looked again at what they rest on.
#[derive(Debug)]
pub struct Collected<K> {
    observations: BTreeMap<K, Observation>,
    doors: BTreeMap<K, Arc<Door>>,
}

impl<K: Ord + Clone + Send + 'static> Collected<K> {
    /// Looks again at every path that was looked at, and gives the answers: those of a probe under which something
    /// changed are missing.
    pub fn settled(mut self) -> BTreeMap<K, Observation> {
        // What is known of nothing cannot have become wrong.
        self.doors.retain(|key, _| self.observations[key].missing().is_none());
        for (key, why) in watch::look_again(&self.doors) {
            if let Some(observation) = self.observations.get_mut(&key) {
                observation.facts = why.into();
            }
        }
        self.observations
    }

    /// The answers as they are, for those that will be compared with others.
    pub fn observations(self) -> BTreeMap<K, Observation> {
        self.observations
    }
}

/// Runs every question and returns every answer, settled; `progress` hears each one that is done, with how many
/// are left.
pub fn collect<K: Ord + Clone + Send + 'static>(
    questions: &BTreeMap<K, Question>,
    with: &Collection,
    mut progress: impl FnMut(&str, usize),
) -> BTreeMap<K, Observation> {
    let answered = |heard: Progress<'_, K>| match heard {
        Progress::Began { .. } => {}
        Progress::Answered { kind, left, .. } => progress(kind, left),
    };
    collect_until(questions, with, &Stop::default(), answered).settled()
}

/// As [`collect`], for a time when somebody may ask to stop, and without looking again; `progress` also hears of each
/// question that is asked.
pub fn collect_until<K: Ord + Clone + Send + 'static>(
    questions: &BTreeMap<K, Question>,
    with: &Collection,
    stop: &Stop,
    mut progress: impl FnMut(Progress<'_, K>),
) -> Collected<K> {
    let (mut threads, answered) = Threads::new();
    let mut waiting: Vec<_> = questions.iter().rev().collect();
    let mut running: BTreeMap<K, Running> = BTreeMap::new();
    let mut done: BTreeMap<K, Observation> = BTreeMap::new();
    let mut doors: BTreeMap<K, Arc<Door>> = BTreeMap::new();
    while done.len() < questions.len() {
        while running.len() < AT_ONCE
            && let Some((key, question)) = waiting.pop()
        {
            progress(Progress::Began { key });
            let begun = begin(question, with, stop);
            threads.give((key.clone(), question.clone(), begun.door.clone()));
            running.insert(key.clone(), begun);
        }
        // An access that begins while nobody looks is not late before this much time.
        let fresh = Monotonic::now() + with.limits.read;
        let next_end = running.values().map(|run| run.late(with)).min().unwrap_or_else(Monotonic::now).min(fresh);
        let patience = next_end.saturating_duration_since(Monotonic::now()).max(Duration::from_millis(1));
        let finished: Vec<(K, Fact)> = match answered.recv_timeout(patience) {
            Ok((key, facts)) => {
                threads.idle += 1;
                vec![(key, facts)]
            }
            Err(mpsc::RecvTimeoutError::Timeout | mpsc::RecvTimeoutError::Disconnected) => {
                let now = Monotonic::now();
                let late = running.iter().filter(|(_, run)| run.late(with) <= now);
                late.map(|(key, run)| (key.clone(), given_up(run, with).into())).collect()
            }
        };
        for (key, facts) in finished {
            // An answer that comes after its probe was given up finds nothing running and is left aside.
            if let Some(run) = running.remove(&key) {
                let left = questions.len() - done.len() - 1;
                progress(Progress::Answered { key: &key, kind: &run.question.kind, left });
                doors.insert(key.clone(), run.door.clone());
                done.insert(key, observation(run, facts));
            }
        }
    }
    Collected { observations: done, doors }
}

/// What is known of a probe that begins now.
fn begin(question: &Question, with: &Collection, stop: &Stop) -> Running {
    let end = (Monotonic::now() + with.limits.probe).min(with.deadline);
    let door = Door::new(with.place.clone(), with.limits, with.now, with.by.clone(), end);
    let door = door.keeping(with.secrets.clone()).until(stop.clone()).among(with.surroundings.clone());
    Running { door: Arc::new(door), question: question.clone(), started: chrono::Utc::now(), end }
}

fn answer(question: &Question, door: &Door) -> Fact {
    let broken = |said: String| -> Fact {
        let next = "report this as a bug of cutgate";
        door.missing(MissingState::Error, format!("probe {}", question.kind), said, next).into()
    };
    let Some(probe) = super::find(&question.kind) else {
        return broken("there is no such kind of probe".to_owned());
    };
    match probe.collect(&question.settings, door) {
        Err(missing) => missing.into(),
        Ok(facts) => match probe.shape(&question.settings).departure(&facts) {
            None => facts,
            Some(departure) => broken(format!("the facts do not have their declared shape: {departure}")),
        },
    }
}

fn given_up(run: &Running, with: &Collection) -> Missing {
    let kind = &run.question.kind;
    let silent = run.door.silent();
    let seconds = |limit: Duration| format!("did not come back within {} s", limit.as_secs_f32());
    let said = if Monotonic::now() < run.end {
        format!("this {}", seconds(with.limits.read))
    } else if run.end >= with.deadline {
        "the audit's deadline came first".to_owned()
    } else {
        format!("the probe {}", seconds(with.limits.probe))
    };
    let tried = silent.map_or_else(|| format!("probe {kind}"), |(_, tried)| tried);
    let next = "see what hangs on the host, or raise [limits] in cutgate.toml";
    run.door.missing(MissingState::TimedOut, tried, said, next)
}

fn observation(run: Running, facts: Fact) -> Observation {
    let settings = match super::find(&run.question.kind) {
        Some(probe) => probe.recorded(&run.question.settings),
        // Of a kind that there is not, nobody knows which settings are secret.
        None => Settings::default(),
    };
    Observation {
        kind: run.question.kind,
        settings: settings.0,
        started: run.started,
        finished: chrono::Utc::now(),
        facts,
        sources: run.door.take_sources(),
    }
}

//! Limits of steps, nesting and time. What is left when one is reached is never taken for the whole: the run is
//! undecided, and so is every later one that leads to a module whose import was cut short.

use std::time::Instant;

use super::Interp;
use crate::probes::code_path::value::{ModuleId, Spot};

/// Expressions and statements inside each other, calls included: the analysis's own stack.
const NESTING: usize = 12_000;

/// Why the analysis of a run was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The limit that was reached, in words.
    pub reason: String,
    /// Where the analysis was, as far as it had begun.
    pub spot: Option<Spot>,
    /// Whether time was what ran out.
    pub in_time: bool,
}

impl Interp<'_> {
    /// Counts a step; false when the analysis must stop.
    pub(super) fn step(&mut self) -> bool {
        self.steps += 1;
        if self.exhausted.is_none() {
            if self.steps > self.limit {
                self.give_up(format!("ran out of steps, more than {} are needed", self.limit), false);
            } else if self.nesting > NESTING {
                self.give_up(format!("more than {NESTING} constructs inside each other"), false);
            } else if self.steps % 64 == 1 {
                self.look_at_clock();
            }
        }
        self.exhausted.is_none()
    }

    /// Gives up when the time is over; true when the analysis must stop.
    pub(super) fn look_at_clock(&mut self) -> bool {
        if self.exhausted.is_none() && Instant::now() >= self.end {
            self.give_up("ran out of time".to_owned(), true);
        }
        self.exhausted.is_some()
    }

    /// Gives the run up. The first reason stands.
    pub(super) fn give_up(&mut self, reason: String, in_time: bool) {
        if self.exhausted.is_none() {
            self.exhausted = Some(GivenUp { reason, spot: self.now_at, in_time });
            self.is_stale = true;
        }
    }

    /// Whether a module's import was cut short in this analysis: what it binds is not known whole.
    pub fn is_cut(&self, module: ModuleId) -> bool {
        self.cut.contains_key(&module)
    }

    /// Gives the run up where it leads to a module whose import was cut short.
    pub(super) fn refuse_cut(&mut self, module: ModuleId) {
        if self.exhausted.is_none()
            && let Some(why) = self.cut.get(&module)
        {
            let reason = format!("{} while {} was imported", why.reason, self.tree.file(module).module);
            self.exhausted = Some(GivenUp { reason, ..why.clone() });
        }
    }

    /// Forgets answers that were found after a run had been given up: they may miss what was not looked at.
    pub(super) fn forget_stale(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.subclasses.clear();
            self.unseen_classes.clear();
            self.given.clear();
        }
    }
}

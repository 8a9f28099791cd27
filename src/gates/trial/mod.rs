//! Tests of gates over recorded facts: what a gate says of evidence that somebody wrote down, without a host.
//!
//! A file `gate-tests/<gate id>.toml` beside the package file holds cases: facts, and the state that the gate must
//! give. [`read`] reads them, [`judge`] judges them, and then judges them again with each operator and constant of the
//! gate's rules changed, for a test that does not notice a change does not hold the rule fast. Pure but for `read`.

mod facts;
mod file;
mod start;

use std::collections::BTreeSet;
use std::ops::Range;

pub use facts::put;
pub use file::{FOLDER, read};
pub use start::start;

use super::expr::Mutant;
use super::{Finding, GapState, Gate, evaluate};
use crate::evidence::Evidence;
use crate::package::Package;

/// The tests of one gate.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The gate's id.
    pub gate: String,
    /// The path of the file as the user can open it.
    pub shown: String,
    /// The cases in the order of the file.
    pub cases: Vec<Case>,
    /// Changes that no facts can tell from the rule, by the author's word.
    pub alike: Vec<Alike>,
}

/// Facts, and what must be said of them.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// The state that the gate must give.
    pub state: GapState,
    /// The check that must not hold, where the case names one.
    pub check: Option<String>,
    /// The facts.
    pub evidence: Evidence,
    /// The line of the case, from 1.
    pub line: usize,
}

/// A change of a rule that is no other rule.
#[derive(Clone, Debug)]
pub struct Alike {
    /// The check.
    pub check: String,
    /// The change, as it is printed.
    pub change: String,
    /// The line of the entry, from 1.
    pub line: usize,
}

/// What came of one gate's tests.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The gate's id.
    pub gate: String,
    /// The path of the file.
    pub shown: String,
    /// How many cases there are.
    pub cases: usize,
    /// How many changes of the rules were tried.
    pub changes: usize,
    /// What is wrong; empty when the tests hold the gate fast.
    pub faults: Vec<Fault>,
}

/// Something that the tests of a gate show to be wrong, with the gate or with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The gate gives another state, or another check fails.
    Case {
        /// The case.
        name: String,
        /// Its line.
        line: usize,
        /// What the case expects.
        expected: String,
        /// What the gate gives.
        given: String,
        /// The gate's reason.
        reason: String,
    },
    /// No case expects this of the gate.
    Never(&'static str),
    /// A rule may be changed without a case noticing.
    Unnoticed {
        /// The check.
        check: String,
        /// The change among what stands around it.
        change: String,
        /// Its bytes in the rule.
        span: Range<usize>,
    },
    /// An entry speaks of a change that there is not, or that a case notices.
    NotAlike {
        /// The line of the entry.
        line: usize,
        /// What it speaks of.
        change: String,
    },
}

/// Judges a gate's tests.
pub fn judge(gate: &Gate, trial: &Trial, package: &Package) -> Verdict {
    let mut faults: Vec<Fault> = trial.cases.iter().filter_map(|case| fault(gate, case, package)).collect();
    let expects = |states: &[GapState]| trial.cases.iter().any(|case| states.contains(&case.state));
    let wanted: [(&[GapState], &str); 3] = [
        (&[GapState::Closed], "CLOSED"),
        (&[GapState::Open, GapState::Partial], "OPEN or PARTIAL"),
        (&[GapState::Unknown], "UNKNOWN"),
    ];
    faults.extend(wanted.iter().filter(|(states, _)| !expects(states)).map(|(_, words)| Fault::Never(words)));
    let mut changes = 0;
    // While a case fails, what it would notice says nothing.
    let sound = !faults.iter().any(|fault| matches!(fault, Fault::Case { .. }));
    let mut used = BTreeSet::new();
    for (index, check) in gate.checks.iter().enumerate().filter(|_| sound) {
        for mutant in check.require.mutants() {
            changes += 1;
            let alike = trial.alike.iter().position(|alike| is_meant(alike, &check.id, &mutant));
            let noticed = trial.cases.iter().any(|case| {
                let mut changed = gate.clone();
                changed.checks[index].require = mutant.expr.clone();
                fault(&changed, case, package).is_some()
            });
            match (noticed, alike) {
                (false, Some(alike)) => {
                    used.insert(alike);
                }
                (true, _) => {}
                (false, None) => {
                    faults.push(Fault::Unnoticed { check: check.id.clone(), change: mutant.change, span: mutant.span })
                }
            }
        }
    }
    let unused = trial.alike.iter().enumerate().filter(|(index, _)| sound && !used.contains(index));
    faults.extend(
        unused.map(|(_, alike)| Fault::NotAlike {
            line: alike.line,
            change: format!("{}: {}", alike.check, alike.change),
        }),
    );
    Verdict { gate: gate.id.clone(), shown: trial.shown.clone(), cases: trial.cases.len(), changes, faults }
}

fn is_meant(alike: &Alike, check: &str, mutant: &Mutant) -> bool {
    alike.check == check && alike.change == mutant.change
}

fn fault(gate: &Gate, case: &Case, package: &Package) -> Option<Fault> {
    let finding = evaluate([gate], package, &case.evidence).remove(0);
    let failing = not_held(&finding);
    let same = finding.state == case.state && case.check.as_deref().is_none_or(|check| failing.contains(&check));
    let words = |state: GapState, checks: &[&str]| match checks {
        [] => state.word().to_owned(),
        checks => format!("{} by {}", state.word(), checks.join(", ")),
    };
    let expected: Vec<&str> = case.check.as_deref().into_iter().collect();
    (!same).then(|| Fault::Case {
        name: case.name.clone(),
        line: case.line,
        expected: words(case.state, &expected),
        given: words(finding.state, if expected.is_empty() { &[] } else { &failing }),
        reason: finding.reason.clone(),
    })
}

/// The checks of a finding that do not hold.
fn not_held(finding: &Finding) -> Vec<&str> {
    let checks = finding.checks.iter().filter(|check| check.outcome != super::CheckOutcome::Holds);
    checks.map(|check| check.id.as_str()).collect()
}

//! The live code path: does a run in live mode write, can it fall into the simulator, is it refused
//! while the kill switch is off? Answered for each phase from the text of the deployed tree alone.
//!
//! A front end ([`python`]) translates text to a neutral [`model`]; [`tree`] finds modules; the
//! [`interp`] follows every path of a phase's entry over abstract [`value`]s; [`phase`] turns what the
//! paths did into three answers with evidence; [`survey`] adds what the tree says of itself. Nothing of
//! the tree is ever run. What cannot be decided is `unknown`, with the reason and the place.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "syntax has many kinds and the analysis follows some: what it does not list is unknown"
)]

pub mod config;
mod discover;
mod facts;
mod interp;
mod merge;
mod model;
mod occurrences;
mod parts;
mod patterns;
mod phase;
mod problems;
mod python;
mod run;
mod scan;
mod state;
mod survey;
mod tree;
mod value;
mod words;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Door, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape};
use config::CodePathConfig;
use interp::{Interp, Patterns};
use patterns::Glob;

/// The probe.
pub struct CodePath;

/// Room for the deepest nesting that the limits admit; it is only touched where it is used.
const STACK: usize = 1 << 30;

/// Steps of the interpreter for one run of one phase.
const STEPS: u64 = 1_500_000;

impl Probe for CodePath {
    fn kind(&self) -> &'static str {
        "code-path"
    }

    fn summary(&self) -> &'static str {
        "what a live run of each phase does, read from the source tree without running it"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "tree",
                kind: ParameterKind::Path,
                required: true,
                doc: "the folder of the deployed source tree, from which modules are named",
            },
            Parameter {
                name: "config",
                kind: ParameterKind::Table,
                required: true,
                doc: "mode, kill_switch, patterns and phases, as docs/code-path.md describes them",
            },
            Parameter {
                name: "order",
                kind: ParameterKind::Texts,
                required: false,
                doc: "the phases in the order in which they run; those that it does not name come after, by name",
            },
        ]
    }

    fn shape(&self, _settings: &Settings) -> Shape {
        facts::shape()
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        match settings.parse::<CodePathConfig>("config") {
            Ok(config) => config.problems("config"),
            Err(message) => vec![SettingProblem {
                name: "config".to_owned(),
                message,
                help: "see docs/code-path.md for the keys".to_owned(),
            }],
        }
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let root = settings.required_text("tree");
        let config: CodePathConfig = settings.parse("config").map_err(|message| {
            door.missing(MissingState::Error, "read the code-path settings", message, "correct the package")
        })?;
        match door.attributes(root) {
            Ok(_) => {}
            Err(missing) if missing.state == MissingState::Absent => return Ok(facts::nothing(false, &missing)),
            Err(missing) => return Err(missing),
        }
        // The tree and all that is learnt of it stay on one thread with a stack of its own.
        let order = settings.texts("order");
        let work = || analyse(door, root, &config, &order);
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("code-path".to_owned()).stack_size(STACK);
            let running = thread.spawn_scoped(scope, work).map_err(|error| {
                let next = "give the audit more memory";
                door.missing(MissingState::Error, "start the analysis", error.to_string(), next)
            })?;
            running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// The dotted names of what a package, and what was found by its rules, describes the phases with.
fn described(config: &CodePathConfig, found: &[discover::Found]) -> BTreeSet<String> {
    let entries = config.phases.values().chain(found.iter().filter_map(discover::Found::phase));
    let entries = entries.filter_map(|phase| phase.entry.split(':').next());
    let switches = config.kill_switch.iter().map(|switch| switch.name.as_str());
    entries.chain([config.mode.name.as_str()]).chain(switches).map(str::to_owned).collect()
}

fn analyse(door: &Door, root: &str, config: &CodePathConfig, order: &[&str]) -> Result<Fact, Missing> {
    let globs = |texts: &[String]| texts.iter().map(|text| Glob::new(text)).collect::<Vec<_>>();
    let patterns = Patterns {
        sinks: globs(&config.patterns.sinks),
        commands: globs(&config.patterns.command_sinks),
        simulators: globs(&config.patterns.simulators),
    };
    // What is sought by a rule may stand anywhere.
    let library = patterns::writing_names(&patterns.sinks).filter(|_| config.discover.is_empty());
    let interest = library.map(|library| tree::Interest { described: described(config, &[]), library });
    let read = tree::read(door, root, interest.as_ref()).and_then(|(mut tree, source)| {
        let found = discover::phases(&tree, config);
        tree.concern(&described(config, &found), &source)?;
        Ok((tree, found))
    });
    let (tree, found) = match read {
        Ok(read) => read,
        Err(missing) => return Ok(facts::nothing(true, &missing)),
    };
    let left = door.time_left();
    // The last part of the time is kept for writing the answer down.
    let end = Instant::now() + left.saturating_sub((left / 10).max(Duration::from_millis(50)));
    let mut interp = Interp::new(&tree, patterns.clone(), STEPS, end);
    let switches = phase::find_switches(&mut interp, config);
    // They are known before anything is imported: a value that a module keeps of a switch is stale.
    interp.switches = switches.iter().filter_map(|found| found.at.clone()).collect();
    let mut phases: Vec<_> = config.phases.iter().collect();
    phases.sort_by_key(|(name, _)| order.iter().position(|next| next == name).unwrap_or(usize::MAX));
    let mut findings: Vec<_> = phases
        .into_iter()
        .map(|(name, phase)| (name.as_str(), phase, phase::judge(&mut interp, config, phase, &switches)))
        .collect();
    for one in &found {
        findings.push(match one {
            discover::Found::Phase(name, phase) => (name, phase, phase::judge(&mut interp, config, phase, &switches)),
            discover::Found::Doubt(name, phase, reason) => (name, phase, phase::PhaseFinding::doubt(reason.clone())),
        });
    }
    Ok(facts::facts(&tree, root, &interp, config, &patterns, &switches, &findings, door))
}

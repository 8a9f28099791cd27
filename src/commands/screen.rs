//! What is shown to a person while a command works: progress, what each probe read, colours. All of it goes to standard
//! error or is taken away where standard output is no terminal; no result and no exit code depends on it.
//!
//! How the process talks to its terminal is one thing for the whole process, as its streams are: it is set once, before
//! the command begins.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant as Monotonic};

use clap::{Args, ValueEnum};

use crate::evidence::{Observation, Reading, Source};
use crate::gates::{GapState, Gate};
use crate::probes::{Progress, Secrets};
use crate::report::escape::terminal;

/// When colours are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is said beside the result.
#[derive(Clone, Copy, Debug, Args)]
pub struct Manner {
    /// When states are coloured; NO_COLOR is heard where this is auto.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
    /// Say nothing beside the result but errors: no progress, no warnings about the package.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say on standard error what each probe read, by whom and when, and how long it took.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// The manner of this process, and whether `--color` was given.
static MANNER: OnceLock<(Manner, bool)> = OnceLock::new();

impl Manner {
    /// Sets the manner of this process; `color_given` says whether the command line chose its colours.
    pub fn set(self, color_given: bool) {
        let choice = match self.color {
            Colour::Auto => anstream::ColorChoice::Auto,
            Colour::Always => anstream::ColorChoice::Always,
            Colour::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        let _ = MANNER.set((self, color_given));
    }
}

/// Whether nothing is to be said beside the result.
pub fn quiet() -> bool {
    MANNER.get().is_some_and(|(manner, _)| manner.quiet)
}

fn verbose() -> bool {
    MANNER.get().is_some_and(|(manner, _)| manner.verbose)
}

/// How this process talks: the name of each setting, its value, and where that comes from.
pub fn settings() -> Vec<(&'static str, serde_json::Value, String)> {
    let Some((manner, color_given)) = MANNER.get() else { return Vec::new() };
    let color = manner.color.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let origin =
        |given: bool, option: &str| if given { format!("command line: {option}") } else { "default".to_owned() };
    let progress = progress();
    vec![
        ("color", color.into(), origin(*color_given, "--color")),
        ("quiet", manner.quiet.into(), origin(manner.quiet, "--quiet")),
        ("verbose", manner.verbose.into(), origin(manner.verbose, "--verbose")),
        ("progress", progress.is_ok().into(), progress.err().unwrap_or("standard error is a terminal").to_owned()),
    ]
}

/// Whether progress is shown, or why not.
fn progress() -> Result<(), &'static str> {
    let named = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let moves = std::env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty());
    match () {
        () if quiet() => Err("command line: --quiet"),
        () if !std::io::stderr().is_terminal() => Err("standard error is no terminal"),
        () if !moves => Err("environment: TERM names no terminal that can move its cursor"),
        () if named("CI") => Err("environment: CI is set"),
        () => Ok(()),
    }
}

/// A state word in its colour, which standard output takes away where it is no terminal.
pub fn painted(state: GapState) -> String {
    let colour = match state {
        GapState::Closed => "32",
        GapState::Partial => "33",
        GapState::Unknown => "35",
        GapState::Open => "31",
        GapState::Waived => "36",
    };
    format!("\x1b[{colour}m{}\x1b[0m", state.word())
}

/// How often the lines are drawn again.
const TICK: Duration = Duration::from_millis(100);

/// What is over sooner needs no lines.
const PATIENCE: Duration = Duration::from_millis(200);

/// How many of the probes that run get a line.
const LINES: usize = 8;

/// What is under way, for the lines.
struct Shown {
    began: Monotonic,
    /// What is being done: `before`, `read`, `after`.
    step: &'static str,
    total: usize,
    done: usize,
    running: BTreeMap<String, Monotonic>,
    /// How many lines stand on the terminal.
    drawn: usize,
}

/// The lines of this process; `None` while there are none.
static SHOWN: Mutex<Option<Shown>> = Mutex::new(None);

fn shown() -> MutexGuard<'static, Option<Shown>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line for each probe that runs, with total and elapsed time. Shown on a terminal that can move its cursor, and neither
/// where nobody looks (`CI` is set) nor where it was not wanted.
pub struct Lines {
    wanted: bool,
}

impl Lines {
    /// Begins.
    pub fn begin() -> Self {
        let wanted = progress().is_ok();
        if wanted {
            let now = Monotonic::now();
            *shown() = Some(Shown { began: now, step: "read", total: 0, done: 0, running: BTreeMap::new(), drawn: 0 });
            // Where there is no thread for them there are no lines.
            let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(draw_again);
        }
        Self { wanted }
    }

    /// Says that `total` probes are asked now.
    pub fn step(&self, step: &'static str, total: usize) {
        if let Some(shown) = shown().as_mut().filter(|_| self.wanted) {
            (shown.step, shown.total, shown.done) = (step, total, 0);
            shown.running.clear();
        }
    }

    /// Hears what becomes of a probe, which people know as `label`.
    pub fn hear<K>(&self, label: &str, progress: &Progress<'_, K>) {
        if let Some(shown) = shown().as_mut().filter(|_| self.wanted) {
            match progress {
                Progress::Began { .. } => drop(shown.running.insert(label.to_owned(), Monotonic::now())),
                Progress::Answered { .. } => {
                    shown.running.remove(label);
                    shown.done += 1;
                }
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.wanted {
            clear();
        }
    }
}

/// Takes the lines away; there are none from now on.
pub fn clear() {
    if let Some(shown) = shown().take() {
        put(&erased(shown.drawn));
    }
}

fn draw_again() {
    loop {
        std::thread::sleep(TICK);
        let mut held = shown();
        let Some(shown) = held.as_mut() else { return };
        if shown.began.elapsed() >= PATIENCE {
            let (width, height) = size();
            let lines = shown.lines(width, height);
            put(&format!(
                "{}{}",
                erased(shown.drawn),
                lines.iter().map(|line| format!("{line}\n")).collect::<String>()
            ));
            shown.drawn = lines.len();
        }
    }
}

impl Shown {
    fn lines(&self, width: usize, height: usize) -> Vec<String> {
        const WHEEL: [char; 4] = ['|', '/', '-', '\\'];
        let elapsed = self.began.elapsed();
        let turn = usize::try_from(elapsed.as_millis() / TICK.as_millis()).unwrap_or(0);
        let seconds = |length: Duration| format!("{:.1} s", length.as_secs_f32());
        let mut lines = vec![format!("{}: {} of {}, {}", self.step, self.done, self.total, seconds(elapsed))];
        let mut running: Vec<_> = self.running.iter().collect();
        // Who has been at it for the longest time is who one wonders about.
        running.sort_by_key(|(label, since)| (**since, label.as_str()));
        let room = height.saturating_sub(2).clamp(1, LINES);
        for (label, since) in running.iter().take(room) {
            lines.push(format!("  {} {} {}", WHEEL[turn % WHEEL.len()], terminal(label), seconds(since.elapsed())));
        }
        if running.len() > room {
            lines.push(format!("    and {} more", running.len() - room));
        }
        // A line that wraps could not be taken away again.
        let cut = |line: String| line.chars().take(width.saturating_sub(1)).collect();
        lines.into_iter().map(cut).collect()
    }
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    size.filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or((80, 24))
}

fn erased(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\r\x1b[{lines}A\x1b[J") }
}

/// Writes to the terminal; nobody may be there to read it.
fn put(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What people call the probes of gates: the first gate that uses each, and the gate's name for it.
pub fn labels<K: Ord + Clone>(gates: &[&Gate], id: impl Fn(&crate::evidence::ProbeId) -> K) -> BTreeMap<K, String> {
    let mut labels = BTreeMap::new();
    for gate in gates {
        for (name, used) in &gate.probes {
            labels.entry(id(&used.id)).or_insert_with(|| format!("{}/{name} ({})", gate.id, used.kind));
        }
    }
    labels
}

/// One source as people read it: what, by whom, how much.
pub fn source(source: &Source) -> String {
    let read = match &source.read {
        Reading::Content { size, sha256 } => format!("{size} bytes, sha256 {}…", &sha256.as_str()[..12]),
        Reading::Attributes => "attributes".to_owned(),
        Reading::Statement { sha256 } => format!("asked, sha256 {}…", &sha256.as_str()[..12]),
    };
    format!("{} as {}: {read}", source.what, source.by)
}

/// With `-v`, says on standard error what each probe read, and how long it took.
pub fn tell<'a>(step: &str, seen: impl IntoIterator<Item = (String, &'a Observation)>, secrets: &Secrets) {
    if !verbose() {
        return;
    }
    let mut out = String::new();
    for (label, observation) in seen {
        let took = (observation.finished - observation.started).num_milliseconds();
        let _ = writeln!(out, "{step}: {} in {}.{:03} s", terminal(&label), took / 1000, took % 1000);
        if let Some(missing) = observation.missing() {
            let _ = writeln!(out, "  could not be read: {}", terminal(&missing.to_string()));
        }
        for read in &observation.sources {
            let at = read.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            let _ = writeln!(out, "  {at} {}", terminal(&source(read)));
        }
    }
    // Provenance holds no secrets; what is said to a person is searched for them all the same.
    if secrets.occur_in(out.as_bytes()) {
        out = "what was read is not shown, for a secret value occurs in it\n".to_owned();
    }
    anstream::eprint!("{out}");
}

//! `doctor`: whether *cutgate* can do its work here: sign, publish, read what the package names, tell the time.
//!
//! It judges the auditor and never the host: a path that is absent is seen to be so, and that is for the gates. It writes
//! nothing and starts nothing but the programs that say their version; what it cannot tell without that, it says.

mod asked;
mod gnupg;
mod reports;

use std::path::Path;

use serde_json::json;

use super::cli::DoctorArgs;
use super::interrupt::Interrupts;
use super::{CommandError, output, session};
use crate::evidence::Missing;
use crate::gates::Loaded;
use crate::report::escape::terminal;

/// What came of looking at one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Problem,
    Untold,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Problem => "problem",
            Self::Untold => "could not be told",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Ok => "+",
            Self::Problem => "-",
            Self::Untold => "?",
        }
    }
}

/// One line of the answer.
struct Line {
    what: String,
    verdict: Verdict,
    said: String,
    /// The command to type next; empty where all is well.
    next: String,
}

impl Line {
    fn ok(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Ok, said: said.into(), next: String::new() }
    }

    fn problem(what: impl Into<String>, said: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Problem, said: said.into(), next: next.into() }
    }

    fn untold(what: impl Into<String>, said: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Untold, said: said.into(), next: next.into() }
    }

    /// Of what could not be read: refused is a problem with a remedy, the rest is not known.
    fn missing(what: impl Into<String>, missing: &Missing) -> Self {
        use crate::evidence::MissingState::{Absent, Denied, Error, TimedOut, Unreadable, Withheld};
        match missing.state {
            Absent | Denied => Self::problem(what, missing.to_string(), missing.next.clone()),
            Unreadable | TimedOut | Error | Withheld => Self::untold(what, missing.to_string(), missing.next.clone()),
        }
    }
}

pub fn run(package: &Path, args: &DoctorArgs) -> Result<u8, CommandError> {
    let destinations = output::destinations(&args.format, ["text", "json"].into_iter())?;
    let interrupts = Interrupts::heard();
    let loaded = session::load(package)?;
    let began = (chrono::Utc::now(), std::time::Instant::now());
    let checks: usize = loaded.gates.iter().map(|gate| gate.checks.len()).sum();
    let mut lines =
        vec![Line::ok("package", format!("{} gates with {checks} checks are in order", loaded.gates.len()))];
    lines.push(proc());
    let root = args.out.clone().unwrap_or_else(|| loaded.place.package_dir.join("reports"));
    lines.extend(reports::lines(&root));
    lines.extend(gnupg::lines(&loaded, &args.signing, &interrupts));
    let (asked, secrets) = asked::lines(&loaded, &interrupts);
    lines.extend(asked);
    lines.push(clock(&loaded, &root, began));
    lines.push(screen());
    for destination in &destinations {
        let shown = if destination.name == "json" { as_json(&lines) } else { as_text(&lines) };
        if secrets.occur_in(shown.as_bytes()) {
            return Err(CommandError::Usage("a secret value occurs in the answer; it is not shown".to_owned()));
        }
        destination.put(&shown)?;
    }
    Ok(code(&lines))
}

/// What could not be told blocks before what is known to be wrong, as it does in an audit.
fn code(lines: &[Line]) -> u8 {
    if lines.iter().any(|line| line.verdict == Verdict::Untold) {
        return 3;
    }
    u8::from(lines.iter().any(|line| line.verdict == Verdict::Problem))
}

/// Files are opened by their names in `/proc`, so that nothing takes their place in between.
fn proc() -> Line {
    match std::fs::read_dir("/proc/self/fd") {
        Ok(_) => Line::ok("/proc", "mounted"),
        Err(error) => {
            let said = format!("/proc/self/fd: {error}; no file can be read");
            Line::problem("/proc", said, "mount -t proc proc /proc")
        }
    }
}

/// The clock: it must not run behind what was published and written, nor jump while somebody looks at it.
fn clock(loaded: &Loaded, root: &Path, (wall, steady): (chrono::DateTime<chrono::Utc>, std::time::Instant)) -> Line {
    let now = chrono::Utc::now();
    let look = "timedatectl status";
    let passed = (now - wall).to_std().unwrap_or_default();
    let jumped = passed.abs_diff(steady.elapsed()).as_millis();
    if jumped > 1000 || now < wall {
        return Line::problem("clock", format!("it jumped by {jumped} ms while this command ran"), look);
    }
    let newest = crate::report::newest(root).ok().flatten();
    if let Some(newest) = newest.filter(|newest| *newest > now) {
        let said = format!("it says {}, and the newest audit was published at {}", utc(now), utc(newest));
        return Line::problem("clock", said, look);
    }
    let written = std::fs::metadata(loaded.place.package_dir.join(crate::package::PACKAGE_FILE));
    let written = written.and_then(|meta| meta.modified()).ok().map(chrono::DateTime::<chrono::Utc>::from);
    if let Some(written) = written.filter(|written| *written > now) {
        let said = format!("it says {}, and the package file was written at {}", utc(now), utc(written));
        return Line::problem("clock", said, look);
    }
    let beside = newest.map_or("no audit was published yet".to_owned(), |newest| {
        format!("after the newest audit, of {}", utc(newest))
    });
    let there = |path: &str| Path::new(path).exists();
    if there("/run/systemd/timesync/synchronized") {
        return Line::ok("clock", format!("{}, {beside}; systemd-timesyncd has synchronised it", utc(now)));
    }
    if there("/run/systemd/timesync") {
        let said = format!("{}, {beside}; systemd-timesyncd has not synchronised it", utc(now));
        return Line::problem("clock", said, "timedatectl timesync-status");
    }
    let source = if there("/run/chrony/chronyd.pid") {
        "chronyd runs, and does not say so in a file: chronyc tracking"
    } else {
        look
    };
    Line::ok("clock", format!("{}, {beside}; no file says whether it is synchronised: {source}", utc(now)))
}

fn utc(instant: chrono::DateTime<chrono::Utc>) -> String {
    crate::report::utc(instant)
}

/// Never a problem: without a terminal there is no progress and no colour, and nothing else changes.
fn screen() -> Line {
    use std::io::IsTerminal;
    let word = |there: bool| if there { "a terminal" } else { "no terminal" };
    let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
    Line::ok("terminal", format!("standard output is {}, standard error {}", word(out), word(err)))
}

/// What the answer is about, and what it is not.
const SCOPE: &str = "this is about cutgate, not about the host: whether that is ready, cutgate audit says";

fn as_text(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.what.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for line in lines {
        let (what, said) = (terminal(&line.what), terminal(&line.said));
        out.push_str(&format!("{} {what:<width$}  {}: {said}\n", line.verdict.mark(), line.verdict.word()));
        if !line.next.is_empty() {
            out.push_str(&format!("  {:<width$}  next: {}\n", "", terminal(&line.next)));
        }
    }
    let count = |verdict| lines.iter().filter(|line| line.verdict == verdict).count();
    let (problems, untold) = (count(Verdict::Problem), count(Verdict::Untold));
    out.push_str(&match (problems, untold) {
        (0, 0) => "\ncutgate can do its work here".to_owned(),
        (problems, 0) => format!("\n{} in the way of cutgate", output::counted(problems, "problem")),
        (problems, untold) => {
            format!(
                "\n{}, {} could not be told",
                output::counted(problems, "problem"),
                output::counted(untold, "thing")
            )
        }
    });
    out.push_str(&format!("; {SCOPE}\n"));
    out
}

fn as_json(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let verdict = match line.verdict {
            Verdict::Ok => "ok",
            Verdict::Problem => "problem",
            Verdict::Untold => "unknown",
        };
        json!({"what": line.what, "verdict": verdict, "said": line.said, "next": line.next})
    };
    let whole = json!({
        "lines": lines.iter().map(line).collect::<Vec<_>>(), "exit": code(lines), "scope": SCOPE,
    });
    format!("{whole:#}\n")
}

//! `audit --watch` and `audit --wait-until-closed`: audits again and again without publishing, and says what changed.
//!
//! Every look reads the package, the gates and the host afresh. Nothing that goes wrong meanwhile makes anything greener: a
//! look that failed has the exit code of its error, and only a gate that was judged CLOSED ends the waiting with 0.

use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant as Monotonic};

use regex::Regex;

use super::cli::{AuditArgs, Required};
use super::interrupt::Interrupts;
use super::{CommandError, audit, screen, session};
use crate::classify::Letter;
use crate::evidence::Recorded;
use crate::gates::{Finding, GapState, Gate, Loaded, evaluate, waived};
use crate::report::escape::terminal;
use crate::report::{Dossier, exit_code, utc};

/// How often a gate is looked at that is waited for.
const EVERY: Duration = Duration::from_secs(5);

/// What a look at the host gave.
struct Look {
    utc: String,
    gates: Vec<Finding>,
    /// Letter and label; `None` where only some gates were judged.
    result: Option<String>,
    code: u8,
}

pub fn run(package: &Path, args: &AuditArgs) -> Result<u8, CommandError> {
    let interrupts = Interrupts::heard();
    match &args.wait_until_closed {
        Some(gate) => wait(package, gate, args, &interrupts),
        None => watch(package, args, Duration::from_secs(args.watch.unwrap_or(30)), &interrupts),
    }
}

/// Looks once. `limit` is the longest time for it, where it is shorter than the package's own.
fn look(
    package: &Path,
    only: &[String],
    args: &AuditArgs,
    limit: Option<Duration>,
    first: bool,
    interrupts: &Interrupts,
) -> Result<Look, CommandError> {
    let loaded = if first { session::load(package)? } else { session::load_again(package)? };
    // Unlike other commands this one goes on, so that what it read is given back.
    let mut loaded = ManuallyDrop::into_inner(loaded);
    if let Some(limit) = limit {
        loaded.package.audit_limit = loaded.package.audit_limit.min(limit);
    }
    if only.is_empty() {
        return whole(&loaded, args, interrupts);
    }
    let gates: Vec<&Gate> = only.iter().map(|name| audit::session_gate(&loaded, name)).collect::<Result<_, _>>()?;
    let session::Collected { evidence, .. } = session::collect_evidence(&loaded, &gates, false, None, interrupts);
    let evidence = ManuallyDrop::into_inner(evidence);
    let gates = evaluate(gates.iter().copied(), &loaded.package, &evidence);
    let (gates, _) = waived(&loaded, gates, &evidence);
    let code = gates.iter().map(|finding| code_of(finding.state)).max().unwrap_or(3);
    Ok(Look { utc: utc(evidence.now), gates, result: None, code })
}

/// As `audit` judges, all of it; nothing is published.
fn whole(loaded: &Loaded, args: &AuditArgs, interrupts: &Interrupts) -> Result<Look, CommandError> {
    let root = args.out.clone().unwrap_or_else(|| loaded.place.package_dir.join("reports"));
    let session::Collected { evidence, .. } = audit::collected(loaded, &root, interrupts)?;
    let recorded = Recorded::of(ManuallyDrop::into_inner(evidence));
    let dossier = Dossier::assemble(loaded, &recorded);
    let required = match args.require {
        Required::A => Letter::A,
        Required::B => Letter::B,
    };
    let code = exit_code(&dossier, required);
    let ruling = &dossier.result.ruling;
    let result = format!("{} — {} (scheme {})", ruling.letter.word(), ruling.label, ruling.scheme);
    let gates = dossier.gates.iter().map(|gate| gate.finding.clone()).collect();
    Ok(Look { utc: dossier.audit.utc.clone(), gates, result: Some(result), code })
}

/// The exit code of one gate's state.
fn code_of(state: GapState) -> u8 {
    match state {
        GapState::Closed => 0,
        GapState::Unknown => 3,
        GapState::Open | GapState::Partial | GapState::Waived => 1,
    }
}

/// What is the same for a person: instants in it move with every look.
fn timeless(text: &str) -> String {
    static INSTANT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").expect("invariant: the expression is constant and valid")
    });
    INSTANT.replace_all(text, "…").into_owned()
}

/// Lines for what is another than at the last look; all of it where there was none.
fn changed(last: Option<&Look>, now: &Look) -> Vec<String> {
    let line = |finding: &Finding| {
        let was = last.and_then(|last| last.gates.iter().find(|was| was.id == finding.id));
        let (gap, id, reason) = (terminal(&finding.gap), terminal(&finding.id), terminal(&finding.reason));
        let state = screen::painted(finding.state);
        let state = match was {
            Some(was) if was.state != finding.state => format!("{} → {state}", screen::painted(was.state)),
            Some(was) if timeless(&was.reason) == timeless(&finding.reason) => return None,
            Some(_) | None => state,
        };
        Some(format!("{}  {gap}  {id}  {state} — {reason}", now.utc))
    };
    let mut lines: Vec<String> = now.gates.iter().filter_map(line).collect();
    for was in last.iter().flat_map(|last| &last.gates) {
        if !now.gates.iter().any(|finding| finding.id == was.id) {
            lines.push(format!(
                "{}  {}  {}  no longer a gate of the package",
                now.utc,
                terminal(&was.gap),
                terminal(&was.id)
            ));
        }
    }
    if let Some(result) =
        now.result.as_ref().filter(|result| last.and_then(|last| last.result.as_ref()) != Some(*result))
    {
        lines.push(format!("{}  result: {}", now.utc, terminal(result)));
    }
    lines
}

/// Prints a line at once. Whether anybody is left to read it.
fn say(line: &str) -> bool {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// What a look that failed says, in one line.
fn failed(error: &CommandError) -> String {
    let said = if let CommandError::Problems(problems) = error { problems.render(false) } else { error.to_string() };
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("{}  not audited: {}", utc(session::now()), terminal(first))
}

fn watch(package: &Path, args: &AuditArgs, every: Duration, interrupts: &Interrupts) -> Result<u8, CommandError> {
    // What is wrong at the beginning is the caller's to put right; what goes wrong later is news.
    let mut last = look(package, &args.only, args, None, true, interrupts)?;
    let mut code = last.code;
    interrupts.ends_with(code);
    let head = format!(
        "{}  {} gates, again every {} s; nothing is published; Ctrl-C ends it",
        last.utc,
        last.gates.len(),
        every.as_secs()
    );
    let mut listened = say(&head) && changed(None, &last).iter().all(|line| say(line));
    let mut trouble = String::new();
    while listened {
        std::thread::sleep(every);
        match look(package, &args.only, args, None, false, interrupts) {
            Ok(now) => {
                code = now.code;
                interrupts.ends_with(code);
                let again = (!trouble.is_empty()).then(|| format!("{}  audited again", now.utc));
                let lines = again.into_iter().chain(changed(Some(&last), &now));
                listened = lines.collect::<Vec<_>>().iter().all(|line| say(line));
                trouble.clear();
                last = now;
            }
            Err(error) => {
                code = error.exit_code();
                interrupts.ends_with(code);
                let said = failed(&error);
                if timeless(&trouble) != timeless(&said) {
                    listened = say(&said);
                    trouble = said;
                }
            }
        }
    }
    Ok(code)
}

fn wait(package: &Path, gate: &str, args: &AuditArgs, interrupts: &Interrupts) -> Result<u8, CommandError> {
    let timeout = args.timeout.unwrap_or(Duration::ZERO);
    let (began, every) = (Monotonic::now(), args.every.unwrap_or(EVERY));
    let end = began + timeout;
    let only = [gate.to_owned()];
    let mut last: Option<Look> = None;
    loop {
        // Whatever hangs, the last look ends soon after the time is over, and says UNKNOWN then.
        let limit = end.saturating_duration_since(Monotonic::now()).max(Duration::from_secs(1));
        let look = look(package, &only, args, Some(limit), last.is_none(), interrupts);
        let over = Monotonic::now() >= end;
        let after = format!("after {} s", began.elapsed().as_secs());
        match look {
            Ok(now) => {
                for line in changed(last.as_ref(), &now) {
                    say(&line);
                }
                if now.gates.iter().all(|finding| finding.state == GapState::Closed) && !now.gates.is_empty() {
                    say(&format!("{}  closed {after}", now.utc));
                    return Ok(0);
                }
                if over {
                    say(&format!("{}  not closed {after}", now.utc));
                    return Ok(now.code);
                }
                last = Some(now);
            }
            Err(error) if over || last.is_none() => return Err(error),
            Err(error) => {
                say(&failed(&error));
            }
        }
        std::thread::sleep(every.min(end.saturating_duration_since(Monotonic::now())));
    }
}

//! `audit --only` and `audit --profile`: some gates are judged. There are states, no letter and no reports, and what was not judged
//! is named.

use super::cli::{AuditArgs, Required};
use super::interrupt::Interrupts;
use super::{CommandError, audit, baseline, output, session};
use crate::gates::{GapState, Gate, Loaded, WaiverFinding, WaiverStanding, evaluate, waived};
use crate::package::diagnostic::suggestion;
use crate::report::format::Judged;
use crate::report::{Baseline, GateView, Proved, gate_views, utc};

/// Judges the gates that were chosen.
///
/// # Errors
/// A gate or profile that there is not; an option that is for a whole audit.
pub fn run(
    loaded: &Loaded,
    args: &AuditArgs,
    since: Option<&Proved>,
    outputs: &[output::Output],
    interrupts: &Interrupts,
) -> Result<u8, CommandError> {
    let chosen = match &args.profile {
        Some(_) => "--profile",
        None => "--only",
    };
    let signs = args.signing.sign.is_some() || args.signing.sign_key.is_some() || args.attest.attest_key.is_some();
    if args.out.is_some() || signs {
        let message = format!(
            "{chosen} judges some gates and publishes nothing: leave --out, --sign, --sign-key and --attest-key away"
        );
        return Err(CommandError::Usage(message));
    }
    let gates = match &args.profile {
        Some(name) => of_profile(loaded, args, name)?,
        None => args.only.iter().map(|name| audit::session_gate(loaded, name)).collect::<Result<Vec<_>, _>>()?,
    };
    output::check_some(outputs)?;
    let session::Collected { evidence, secrets } = session::collect_evidence(loaded, &gates, false, None, interrupts);
    let findings = evaluate(gates.iter().copied(), &loaded.package, &evidence);
    let (findings, waivers) = waived(loaded, findings, &evidence);
    let gate_views = gate_views(loaded, findings);
    let since = since.map(|since| Baseline::of(since, loaded, &gate_views));
    let code = match &since {
        Some(since) => baseline::exit_code(since, None, waivers.iter().any(is_refused)),
        None => exit_code(&gate_views, &waivers, args.profile.is_some()),
    };
    let left = loaded.gates.iter().filter(|gate| !gates.iter().any(|judged| judged.id == gate.id));
    let judged = Judged {
        gates: gate_views.into(),
        total: loaded.gates.len(),
        utc: &utc(evidence.now),
        place: &session::shown(&loaded.place),
        code,
        profile: args.profile.as_deref().unwrap_or_default(),
        not_judged: left.map(|gate| (gate.gap.clone(), gate.id.clone())).collect(),
        waivers: &waivers,
        baseline: since.as_ref(),
        whole: None,
    };
    let code = audit::in_style(args.exit_style, &judged);
    output::write_some(outputs, &judged, &secrets, interrupts)?;
    Ok(code)
}

/// The gates of a profile, in the order of the stages.
fn of_profile<'a>(loaded: &'a Loaded, args: &AuditArgs, name: &str) -> Result<Vec<&'a Gate>, CommandError> {
    if args.require == Required::A {
        let message =
            "A is a run that was verified, and a profile judges some gates: leave --require A or --profile away";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let Some(ids) = loaded.profiles.get(name) else {
        let help = match loaded.profiles.is_empty() {
            true => format!("the package has none: add [profile.{name}] with gates = [\"…\"]"),
            false => suggestion(name, loaded.profiles.keys().map(String::as_str)),
        };
        return Err(CommandError::Usage(format!("there is no profile `{name}`; {help}")));
    };
    Ok(loaded.gates.iter().filter(|gate| ids.contains(&gate.id)).collect())
}

/// The exit code of gates without a letter. A waiver counts in a profile alone: a profile is what the package's owners say that a
/// pipeline asks for, and a waiver is what they say that it may live with.
fn exit_code(gates: &[GateView], waivers: &[WaiverFinding], profile: bool) -> u8 {
    let passes = |gate: &GateView| match gate.finding.state {
        GapState::Closed => true,
        GapState::Waived => profile,
        GapState::Partial | GapState::Unknown | GapState::Open => false,
    };
    if gates.iter().any(|gate| gate.finding.state == GapState::Unknown) {
        return 3;
    }
    let refused = waivers.iter().any(is_refused);
    // Loading sees that a profile names a gate, and the command line that --only does.
    u8::from(refused || gates.is_empty() || !gates.iter().all(passes))
}

fn is_refused(waiver: &WaiverFinding) -> bool {
    waiver.standing == WaiverStanding::Refused
}

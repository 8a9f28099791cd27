//! `nagios`: the output of a monitoring plugin: one line with the state, a line for each gate, performance data.
//!
//! OK is said where the exit code is 0, and nowhere else. WARNING means that nothing but completing checks fail, or
//! that the rest is WAIVED; a run must not happen then either. The plugin's own exit codes are for `--exit-style nagios` alone.

use super::{Format, Judged, outcome, waiver_line};
use crate::classify::Invariants;
use crate::gates::GapState;
use crate::report::escape::terminal;

pub const FORMAT: Format = Format {
    name: "nagios",
    summary: "one line with performance data, for monitoring",
    detailed: false,
    render: |audited| render(&Judged::of(audited)),
    render_some: Some(render),
};

/// The states that a plugin can report, by the codes of its interface.
#[derive(Clone, Copy)]
enum Status {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The exit code of a plugin that found this.
pub fn plugin_code(judged: &Judged<'_>) -> u8 {
    status(judged) as u8
}

fn status(judged: &Judged<'_>) -> Status {
    let partial = |state: GapState| match state {
        GapState::Closed | GapState::Waived | GapState::Partial => true,
        GapState::Unknown | GapState::Open => false,
    };
    let undisturbed = judged.whole.is_none_or(|whole| whole.dossier.result.invariants == Invariants::Held);
    let some_partial = judged.gates.iter().any(|gate| {
        let state = gate.finding.state;
        state == GapState::Partial || state == GapState::Waived
    });
    match judged.code {
        0 => Status::Ok,
        1 if some_partial
            && undisturbed
            && judged.refused().next().is_none()
            && judged.gates.iter().all(|gate| partial(gate.finding.state)) =>
        {
            Status::Warning
        }
        3 => Status::Unknown,
        _ => Status::Critical,
    }
}

fn render(judged: &Judged<'_>) -> String {
    let said = match judged.whole {
        Some(whole) => {
            let result = &whole.dossier.result;
            let why = if result.decisive_reason.is_empty() { &result.reason_blocking } else { &result.decisive_reason };
            if let Some(baseline) = judged.baseline {
                format!("{}; {}", baseline.said(), outcome(whole.dossier))
            } else if judged.code == 0 {
                outcome(whole.dossier)
            } else {
                format!("{}: {why}", outcome(whole.dossier))
            }
        }
        None => {
            let since = judged.baseline.map(|baseline| format!("{}; ", baseline.said())).unwrap_or_default();
            format!("{since}{}", judged.selection().unwrap_or_default())
        }
    };
    let count = |state: GapState| judged.gates.iter().filter(|gate| gate.finding.state == state).count();
    let total = judged.gates.len();
    let data = GapState::ALL.map(|state| format!("{}={};;;0;{total}", state.word().to_lowercase(), count(state)));
    let mut out = format!("CUTGATE {} - {} | {}\n", status(judged).word(), text(&said), data.join(" "));
    for finding in judged.gates.iter().map(|gate| &gate.finding) {
        let line = format!("{} {} {} - {}", finding.state.word(), finding.gap, finding.id, finding.reason);
        out.push_str(&format!("{}\n", text(&line)));
    }
    for waiver in judged.waivers {
        out.push_str(&format!("waiver {}\n", text(&waiver_line(waiver))));
    }
    out
}

/// A value on a line of its own. A bar would begin performance data.
fn text(value: &str) -> String {
    terminal(value).replace('|', "¦")
}

//! Formats: views of one frozen dossier. One file per format, one line in [`FORMATS`], which is sorted.
//!
//! The result and the exit code are fixed before a format is rendered; a format shows them and decides nothing.

mod github;
mod gitlab;
mod html;
mod json;
mod junit;
mod markdown;
mod nagios;
mod oscal;
mod oscal_parts;
mod oscal_poam;
mod prometheus;
mod sarif;
mod tap;
mod text;

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Dossier;
use super::detail::Detail;
use super::dossier::GateView;
use crate::classify::Letter;
use crate::gates::{CheckFinding, CheckOutcome, GapState, Location};
use crate::probes::Place;

pub use nagios::plugin_code;

/// A format for people or machines.
pub struct Format {
    /// The name that `--format` takes; equal to the file's stem, with a hyphen where that has an underscore.
    pub name: &'static str,
    /// One line for help.
    pub summary: &'static str,
    /// Whether it shows more than the dossier holds: the [`Detail`] is filled for it.
    pub detailed: bool,
    /// Renders a whole audit.
    pub render: fn(audited: &Audited<'_>) -> String,
    /// Renders some gates without a result, where the format can say so.
    pub render_some: Option<fn(judged: &Judged<'_>) -> String>,
}

/// A whole audit, with what was decided about it before anything is rendered.
pub struct Audited<'a> {
    /// Everything that is said about it.
    pub dossier: &'a Dossier,
    /// The letter that was asked for.
    pub required: Letter,
    /// The exit code (docs/exit-codes.md); 0 where the requirement is met.
    pub code: u8,
    /// What was read and what was published before; empty for a format that is not [`Format::detailed`].
    pub detail: &'a Detail,
    /// Colours, where this goes to a terminal that wants them.
    pub colours: bool,
}

/// Gates that were judged, all of them or some.
pub struct Judged<'a> {
    /// In the order of the stages.
    pub gates: Cow<'a, [GateView]>,
    /// How many gates the package has.
    pub total: usize,
    /// The instant, RFC 3339 with seconds.
    pub utc: &'a str,
    /// Where the paths lie that findings name.
    pub place: &'a Place,
    /// The exit code; 0 where every gate that was asked for is CLOSED, or where the requirement is met.
    pub code: u8,
    /// The whole, where every gate was judged.
    pub whole: Option<Whole<'a>>,
}

/// What only a whole audit has.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    /// Everything that is said about it.
    pub dossier: &'a Dossier,
    /// The letter that was asked for.
    pub required: Letter,
}

impl<'a> Judged<'a> {
    /// Every gate of an audit.
    pub fn of(audited: &Audited<'a>) -> Self {
        let dossier = audited.dossier;
        let gates = Cow::Borrowed(dossier.gates.as_slice());
        Self {
            total: gates.len(),
            gates,
            utc: &dossier.audit.utc,
            place: &dossier.place,
            code: audited.code,
            whole: Some(Whole { dossier, required: audited.required }),
        }
    }

    /// What blocks although no gate speaks of it: a run that ended in D, an invariant that changed. `None` where a gate
    /// that is not CLOSED is shown anyway, or where the requirement is met.
    fn beside_the_gates(&self) -> Option<String> {
        let whole = self.whole.filter(|_| self.code != 0)?;
        let open = self.gates.iter().any(|gate| gate.finding.state != GapState::Closed);
        let ruling = &whole.dossier.result.ruling;
        let said = || format!("{}: {}", outcome(whole.dossier), whole.dossier.result.reason_blocking);
        (!open || ruling.letter == Letter::D).then(said)
    }
}

impl Whole<'_> {
    /// What was asked of the result.
    fn asked(&self) -> &'static str {
        match self.required {
            Letter::A => "the result is A",
            Letter::B | Letter::C | Letter::D => "the result is A or B",
        }
    }
}

/// Sorted by name.
pub const FORMATS: &[Format] = &[
    github::FORMAT,
    gitlab::FORMAT,
    html::FORMAT,
    json::FORMAT,
    junit::FORMAT,
    markdown::FORMAT,
    nagios::FORMAT,
    oscal::FORMAT,
    oscal_poam::FORMAT,
    prometheus::FORMAT,
    sarif::FORMAT,
    tap::FORMAT,
    text::FORMAT,
];

/// The format of a name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// Letter, label and qualifier.
fn outcome(dossier: &Dossier) -> String {
    let ruling = &dossier.result.ruling;
    let qualifier = if ruling.qualifier.is_empty() { String::new() } else { format!(" / {}", ruling.qualifier) };
    format!("{} — {}{qualifier}", ruling.letter.word(), ruling.label)
}

/// The places that keep a gate from CLOSED, each once; none where it is closed, or where no check names one.
fn blamed(gate: &GateView) -> Vec<(&CheckFinding, &Location)> {
    let finding = &gate.finding;
    let wanted = match finding.state {
        GapState::Closed => return Vec::new(),
        GapState::Open | GapState::Partial => CheckOutcome::Fails,
        GapState::Unknown => CheckOutcome::Unknown,
    };
    let mut seen = BTreeSet::new();
    let checks = finding.checks.iter().filter(|check| check.outcome == wanted);
    let places = checks.flat_map(|check| check.locations.iter().map(move |location| (check, location)));
    places.filter(|(_, at)| seen.insert((at.path.as_str(), at.line, at.column, at.message.as_str()))).collect()
}

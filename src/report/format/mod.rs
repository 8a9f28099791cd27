//! Formats: views of one frozen dossier. One file per format, one line in [`FORMATS`], which is sorted.

mod github;
mod json;
mod junit;
mod markdown;
mod sarif;
mod text;

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Dossier;
use super::dossier::GateView;
use crate::gates::{CheckFinding, CheckOutcome, GapState, Location};
use crate::probes::Place;

/// A format for people or machines.
pub struct Format {
    /// The name that `--format` takes; equal to the file's stem.
    pub name: &'static str,
    /// One line for help.
    pub summary: &'static str,
    /// Renders; `colours` only for a terminal that wants them.
    pub render: fn(dossier: &Dossier, colours: bool) -> String,
    /// Renders some gates without a result, where the format can say so.
    pub render_some: Option<fn(judged: &Judged<'_>) -> String>,
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
    /// The whole, where every gate was judged.
    pub dossier: Option<&'a Dossier>,
}

impl<'a> Judged<'a> {
    /// Every gate of a dossier.
    pub fn of(dossier: &'a Dossier) -> Self {
        let gates = Cow::Borrowed(dossier.gates.as_slice());
        Self { total: gates.len(), gates, utc: &dossier.audit.utc, place: &dossier.place, dossier: Some(dossier) }
    }
}

/// Sorted by name.
pub const FORMATS: &[Format] =
    &[github::FORMAT, json::FORMAT, junit::FORMAT, markdown::FORMAT, sarif::FORMAT, text::FORMAT];

/// The format of a name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
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

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

use super::detail::Detail;
use super::dossier::GateView;
use super::{Baseline, Dossier, GateSince};
use crate::classify::Letter;
use crate::gates::{CheckFinding, CheckOutcome, GapState, Location, WaiverFinding, WaiverStanding};
use crate::package::WAIVERS;
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
    /// The published audit than which nothing may be worse; then the code says that, and nothing of the letter.
    pub baseline: Option<&'a Baseline>,
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
    /// The exit code; 0 where every gate that was asked for is CLOSED, or, in a profile, waived, or where the requirement is met.
    pub code: u8,
    /// The profile that chose the gates; empty where none did.
    pub profile: &'a str,
    /// The gates of the package that were not judged, by gap and id.
    pub not_judged: Vec<(String, String)>,
    /// The waivers beside the package.
    pub waivers: &'a [WaiverFinding],
    /// The published audit than which nothing may be worse.
    pub baseline: Option<&'a Baseline>,
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
    /// The audit than which nothing may be worse, where that was asked instead.
    pub baseline: Option<&'a Baseline>,
}

impl Audited<'_> {
    /// Whether the requirement of the letter is met, whatever a baseline says.
    fn met(&self) -> bool {
        self.code == 0 && (self.baseline.is_none() || self.dossier.result.ruling.letter <= self.required)
    }
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
            profile: "",
            not_judged: Vec::new(),
            waivers: &dossier.waivers,
            baseline: audited.baseline,
            whole: Some(Whole { dossier, required: audited.required, baseline: audited.baseline }),
        }
    }

    /// How many gates were judged and which were not, where that is not all of them.
    fn selection(&self) -> Option<String> {
        if self.whole.is_some() {
            return None;
        }
        let profile = if self.profile.is_empty() { String::new() } else { format!("profile {}: ", self.profile) };
        let mut said = format!("{profile}{} of {} gates were judged", self.gates.len(), self.total);
        let names = |state: GapState| {
            let gates = self.gates.iter().map(|gate| &gate.finding).filter(|finding| finding.state == state);
            gates.map(|finding| finding.id.as_str()).collect::<Vec<_>>().join(", ")
        };
        let waived = names(GapState::Waived);
        if !waived.is_empty() {
            said.push_str(&format!("; WAIVED, not CLOSED: {waived}"));
        }
        if !self.not_judged.is_empty() {
            let names: Vec<_> = self.not_judged.iter().map(|(_, id)| id.as_str()).collect();
            said.push_str(&format!("; not judged: {}", names.join(", ")));
        }
        said.push_str("; this is no readiness result");
        Some(said)
    }

    /// What became of a gate since the baseline; `None` where there is none.
    fn since(&self, id: &str) -> Option<&'a GateSince> {
        self.baseline.and_then(|baseline| baseline.gate(id))
    }

    /// Whether a gate that is not CLOSED is no worse than in the baseline, so that it does not block here.
    fn no_worse(&self, id: &str) -> bool {
        self.since(id).is_some_and(|since| !since.blocks())
    }

    /// The waivers that are refused: each blocks.
    fn refused(&self) -> impl Iterator<Item = &'a WaiverFinding> {
        self.waivers.iter().filter(|waiver| waiver.standing == WaiverStanding::Refused)
    }

    /// What blocks although no gate speaks of it: a run that ended in D, an invariant that changed. `None` where a gate
    /// that is not CLOSED is shown anyway, or where the requirement is met.
    fn beside_the_gates(&self) -> Option<String> {
        let whole = self.whole.filter(|_| self.code != 0)?;
        let open = self.gates.iter().any(|gate| gate.finding.state != GapState::Closed);
        let ruling = &whole.dossier.result.ruling;
        let said = || match self.baseline {
            Some(baseline) => format!("{}: {}", outcome(whole.dossier), baseline.said()),
            None => format!("{}: {}", outcome(whole.dossier), whole.dossier.result.reason_blocking),
        };
        (!open || ruling.letter == Letter::D || self.baseline.is_some()).then(said)
    }
}

impl Whole<'_> {
    /// What was asked of the result.
    fn asked(&self) -> String {
        match (self.baseline, self.required) {
            (Some(baseline), _) => baseline.asked(),
            (None, Letter::A) => "the result is A".to_owned(),
            (None, Letter::B | Letter::C | Letter::D) => "the result is A or B".to_owned(),
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

/// A waiver's file, relative to the package's folder.
fn waiver_file(waiver: &WaiverFinding) -> String {
    if waiver.file == "." { WAIVERS.to_owned() } else { format!("{WAIVERS}/{}", waiver.file) }
}

/// A waiver in one line, for formats with lines of text.
fn waiver_line(waiver: &WaiverFinding) -> String {
    format!("{} is {}: {}", waiver_file(waiver), waiver.standing.word(), waiver.said)
}

/// The places that keep a gate from CLOSED, each once; none where it is closed, or where no check names one.
fn blamed(gate: &GateView) -> Vec<(&CheckFinding, &Location)> {
    let finding = &gate.finding;
    let wanted = match finding.state {
        GapState::Closed => return Vec::new(),
        GapState::Open | GapState::Partial | GapState::Waived => CheckOutcome::Fails,
        GapState::Unknown => CheckOutcome::Unknown,
    };
    let mut seen = BTreeSet::new();
    let checks = finding.checks.iter().filter(|check| check.outcome == wanted);
    let places = checks.flat_map(|check| check.locations.iter().map(move |location| (check, location)));
    places.filter(|(_, at)| seen.insert((at.path.as_str(), at.line, at.column, at.message.as_str()))).collect()
}

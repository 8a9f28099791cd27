//! Formats: views of one frozen dossier. One file per format, one line in [`FORMATS`], which is sorted.

mod json;
mod markdown;
mod sarif;
mod text;

use std::borrow::Cow;

use super::Dossier;
use super::dossier::GateView;
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
pub const FORMATS: &[Format] = &[json::FORMAT, markdown::FORMAT, sarif::FORMAT, text::FORMAT];

/// The format of a name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

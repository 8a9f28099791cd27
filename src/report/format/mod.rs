//! Formats: views of one frozen dossier. One file per format, one line in [`FORMATS`], which is sorted.

mod json;
mod markdown;
mod text;

use super::Dossier;

/// A format for people or machines.
pub struct Format {
    /// The name that `--format` takes; equal to the file's stem.
    pub name: &'static str,
    /// One line for help.
    pub summary: &'static str,
    /// Renders; `colours` only for a terminal that wants them.
    pub render: fn(dossier: &Dossier, colours: bool) -> String,
}

/// Sorted by name.
pub const FORMATS: &[Format] = &[json::FORMAT, markdown::FORMAT, text::FORMAT];

/// The format of a name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

//! Reports: one frozen dossier, rendered.
//!
//! Nothing here reads the host or judges; every format shows the same dossier, and none can change the
//! result or the exit code. To add a format: one file in `format/` and one line in its registry.

pub mod escape;
mod render;

pub use render::{RenderError, Templates, render};

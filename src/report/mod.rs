//! Reports: one frozen dossier, rendered.
//!
//! Nothing here reads the host or judges; every format shows the same dossier, and none can change the
//! result or the exit code. To add a format: one file in `format/` and one line in its registry.

mod dossier;
pub mod escape;
mod render;

pub use dossier::{Dossier, RESULT_FORMAT, Tool, exit_code, facts};
pub use render::{RenderError, Templates, render};

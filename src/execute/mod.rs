//! Runs: what is requested, so that the sovereign can approve exactly that.
//!
//! A request fixes what one run is and says what to sign. Nothing here starts a program, and nothing that it writes
//! counts as an approval by itself.

mod documents;
mod folder;
mod payload;

pub use documents::{Document, document};
pub use folder::write;
pub use payload::{blocking, payload};

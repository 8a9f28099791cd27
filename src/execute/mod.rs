//! Runs: what is requested, so that the sovereign can approve exactly that; the run itself; and the rehearsal of its revert.
//!
//! This room alone starts an executor, and only in [`delegate`], which takes a permit. A permit is made when every gate is
//! closed, the approvals hold, and nothing that they are bound to has changed. What an executor says of itself is written
//! down and never believed: the state is read before and after, and compared.

mod authority;
mod copies;
mod decision;
mod delegate;
mod documents;
mod drill;
mod folder;
mod journal;
mod lock;
mod means;
mod output;
mod payload;
mod permit;
mod pipes;
mod registry;
mod run;
mod surface;

pub use authority::{Authority, authority, drift};
pub use decision::{Decision, Wanted};
pub use documents::{Document, document};
pub use drill::{Drill, Rehearsed, sweep};
pub use folder::write;
pub use journal::{EVIDENCE, Known, Line, Step, close_by_decision, known, read as read_journal, word};
pub use lock::RunLock;
pub use means::Means;
pub use payload::{blocking, payload};
pub use registry::{Ask, Registry, Server};
pub use run::{Run, still_there, unsettled};
pub use surface::{Stamp, stamp};

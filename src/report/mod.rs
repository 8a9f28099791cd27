//! Reports: one frozen dossier, rendered.
//!
//! Nothing here reads the host or judges; every format shows the same dossier, and none can change the
//! result or the exit code. To add a format: one file in `format/` and one line in its registry.

mod disturbed;
mod dossier;
pub mod escape;
pub mod excerpt;
mod facts;
pub mod format;
mod lock;
mod publish;
mod render;
mod replay;
mod run_view;
mod set;

pub use dossier::{Dossier, GateView, RESULT_FORMAT, Tool, exit_code, gate_views, utc};
pub use facts::{Facts, plain};
pub use lock::PackageLock;
pub use publish::{Claim, LEDGER, LedgerLine, PublishError, newest, read_ledger, sync_dir, without_line, write_synced};
pub use render::{RenderError, Renderer, Templates};
pub use replay::{ReplayError, Replayed, replay};
pub use run_view::RunView;
pub use set::report_set;

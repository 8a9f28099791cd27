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
mod set;
mod signed;
mod void;

pub use dossier::{Dossier, GateView, RESULT_FORMAT, Tool, exit_code, gate_views, utc};
pub use facts::{Facts, plain};
pub use lock::PackageLock;
pub use publish::{
    Claim, Entry, LEDGER, LedgerLine, PublishError, newest, parse_ledger, read_ledger, sync_dir, without_line,
    write_synced,
};
pub use render::{RenderError, Renderer, Templates};
pub use replay::{Published, ReplayError, Replayed, is_published, replay, verify};
pub use set::report_set;
pub use signed::{Authorship, Keys, SIGNATURE, Signatures, with_signatures};

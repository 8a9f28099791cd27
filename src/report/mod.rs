//! Reports: one frozen dossier, rendered.
//!
//! Nothing here reads the host or judges; every format shows the same dossier, and none can change the
//! result or the exit code. To add a format: one file in `format/` and one line in its registry.

mod baseline;
mod checkpoint;
mod closure;
pub mod compare;
mod detail;
mod disturbed;
mod dossier;
mod envelopes;
pub mod escape;
pub mod excerpt;
mod facts;
pub mod format;
mod lock;
mod publish;
mod rehearsal;
mod render;
mod replay;
mod run_view;
mod set;
mod signed;
mod statement;
mod void;

pub use baseline::{Baseline, GateSince, Since};
pub use checkpoint::{CHECKPOINT, CheckpointError, Held, holds};
pub use closure::{CLOSURE, Closed, DECISION, DECISION_SIGNATURE, closure};
pub use detail::{Detail, History, PastAudit, PhaseView, ProbeView};
pub use dossier::{Dossier, GateView, RESULT_FORMAT, Tool, exit_code, gate_views, utc};
pub use envelopes::{Attested, Attestor, Vouched, check, envelope_files, seal};
pub use facts::{Facts, plain};
pub use lock::PackageLock;
pub use publish::{
    Claim, Entry, LEDGER, LedgerLine, PublishError, newest, parse_ledger, read_ledger, sync_dir, without_line,
    write_synced,
};
pub use rehearsal::{DRILL, DRILL_SIGNATURE, Rehearsal, rehearsal};
pub use render::{RenderError, Renderer, Templates};
pub use replay::{Proved, Published, ReplayError, Replayed, is_published, prove, replay, verify};
pub use run_view::RunView;
pub use set::report_set;
pub use signed::{Authorship, Keys, SIGNATURE, Signatures, with_signatures};
pub use statement::{PAYLOAD_TYPE, READINESS, RuleDigests, TEST_RESULT};

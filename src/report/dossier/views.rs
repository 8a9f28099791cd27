//! The parts of a dossier: what is said of a result, a gate, a gap, a stage, a report, a criterion, an approval and a source.

use std::borrow::Cow;

use serde::Serialize;

use crate::classify::{Invariants, Ruling, RunOutcome};
use crate::evidence::Digest256;
use crate::gates::{Finding, GapState};
use crate::package::GapClass;
use crate::trust::Fingerprint;

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// `cutgate`.
    pub name: Cow<'static, str>,
    /// Its version.
    pub version: Cow<'static, str>,
}

impl Tool {
    /// This program.
    pub const THIS: Self =
        Self { name: Cow::Borrowed(env!("CARGO_PKG_NAME")), version: Cow::Borrowed(env!("CARGO_PKG_VERSION")) };
}

/// When, by whom, and under which number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// The number of the publication, four digits or more; empty when nothing was published.
    pub number: String,
    /// The instant, RFC 3339 with seconds.
    pub utc: String,
    /// The user that read.
    pub by: String,
    /// The digest of the ledger's line before this audit's; an audit of before version 0.2 has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest256>,
    /// The fingerprints of those who sign; empty where nobody does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Fingerprint>,
}

/// The result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResultView {
    /// The ruling of the scheme.
    #[serde(flatten)]
    pub ruling: Ruling,
    /// Blocked by authority: the approval's gap and why.
    pub reason_primary: String,
    /// Blocked technically: the decisive gap and why.
    pub reason_blocking: String,
    /// The decisive gap's finding, or the approval's where only that is open.
    pub decisive_reason: String,
    /// The one next step.
    pub next: String,
    /// Whether the executor was started.
    pub run: RunOutcome,
    /// Whether what was measured before and after is the same.
    pub invariants: Invariants,
}

/// A gate's finding with what the package says of its gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateView {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The number of the report of its stage.
    pub report: String,
    /// The line of the package file on which its gap stands; 0 when it is not known.
    #[serde(skip)]
    pub line: u64,
}

/// A gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GapView {
    /// Its id.
    pub id: String,
    /// What it is.
    pub title: String,
    /// Its names in other registers.
    pub aliases: Vec<String>,
    /// What it prevents.
    pub class: GapClass,
    /// Who has to act.
    pub owner: String,
    /// What closing it takes.
    pub close: String,
    /// The gate that closes it.
    pub gate: String,
    /// Its state.
    pub state: GapState,
    /// Why it is not closed, or what closed it.
    pub reason: String,
    /// The next step; empty when closed.
    pub next: String,
    /// Whether it is the decisive one.
    pub decisive: bool,
    /// The numbers of the reports that speak of it.
    pub reports: Vec<String>,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageView {
    /// Its id.
    pub id: String,
    /// What it establishes.
    pub title: String,
    /// The number of its report.
    pub report: String,
    /// Whether the step was carried out. It never says that a prerequisite is met.
    pub outcome: &'static str,
    /// The gates that belong to it.
    pub gates: Vec<String>,
}

/// A numbered report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportView {
    /// Two digits.
    pub number: String,
    /// Its file's name.
    pub file: String,
    /// Its title.
    pub title: String,
    /// The ids of the stages that it covers.
    pub stages: Vec<String>,
}

/// A criterion of the owner's that is met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CriterionView {
    /// The owner's words.
    pub words: String,
    /// The gaps that meet it, those that are not closed.
    pub gaps: Vec<CriterionGap>,
}

/// A gap that meets a criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CriterionGap {
    /// Its id.
    pub id: String,
    /// Why it is not closed.
    pub reason: String,
}

/// Where the approval stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalView {
    /// One word.
    pub standing: &'static str,
    /// Why it is not valid; empty when it is, or when there is none.
    pub reasons: Vec<String>,
}

/// One thing that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceView {
    /// The kind of probe.
    pub probe: String,
    /// What was read.
    pub what: String,
    /// By whom.
    pub by: String,
    /// When, RFC 3339 with seconds.
    pub at: String,
    /// The digest of content, of a statement, or the word `attributes`.
    pub read: String,
}

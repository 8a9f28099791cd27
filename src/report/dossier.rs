//! The dossier: everything that is said about one audit, frozen. Every report and every format is a view of
//! it, and it is what `result.json` holds.

mod views;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::disturbed::Disturbed;
use super::run_view::RunView;
use crate::classify::{Approval, GapStanding, Invariants, Letter, Ruling, RunOutcome, against, classify, standing};
use crate::evidence::{Digest256, Evidence, Recorded};
use crate::gates::{
    AttestationRow, Finding, GapState, Gate, Loaded, WaiverFinding, WaiverStanding, attest, evaluate, waived,
};
use crate::package::{GapClass, PACKAGE_FILE, Package};
use crate::probes::Place;
use crate::trust::Fingerprint;

pub use views::{
    ApprovalView, Audit, CriterionGap, CriterionView, GapView, GateView, ReportView, ResultView, SourceView, StageView,
    Tool,
};

/// The format of `result.json`.
pub const RESULT_FORMAT: &str = "cutgate-result/1";

/// Everything that is said about one audit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dossier {
    /// [`RESULT_FORMAT`].
    pub format: &'static str,
    /// The program that made it.
    pub tool: Tool,
    /// The package, in its own words.
    pub package: Json,
    /// When, by whom, and under which number.
    pub audit: Audit,
    /// The result.
    pub result: ResultView,
    /// One for each gate, in the order of the stages.
    pub gates: Vec<GateView>,
    /// One for each gap, in the package's order; closed ones too.
    pub gaps: Vec<GapView>,
    /// How many gaps are in each state.
    pub counts: BTreeMap<&'static str, usize>,
    /// One for each stage.
    pub stages: Vec<StageView>,
    /// One for each numbered report.
    pub reports: Vec<ReportView>,
    /// The owner's criteria that are met, with the gaps behind them.
    pub blocked_criteria: Vec<CriterionView>,
    /// One for each forbidden action.
    pub attestation: Vec<AttestationRow>,
    /// Where the approval stands.
    pub approval: ApprovalView,
    /// The waivers beside the package, and what became of each; left out where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<WaiverFinding>,
    /// The run that this audit speaks of; left out where it speaks of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_detail: Option<RunView>,
    /// What was read, in the order of the probes.
    pub sources: Vec<SourceView>,
    /// The digest of `evidence.json`.
    pub evidence_sha256: Digest256,
    /// The folder of the published reports, beside the ledger; empty when nothing was published.
    pub reports_dir: String,
    /// Where the paths lie that findings name; of this machine, so that it is not written down.
    #[serde(skip)]
    pub place: Place,
    /// The certificates of those who sign, armored, by fingerprint; they stand in the package lock.
    #[serde(skip)]
    pub certificates: BTreeMap<Fingerprint, String>,
}

/// An instant as reports write it.
pub fn utc(instant: crate::evidence::Instant) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

impl Dossier {
    /// Judges the evidence and freezes everything that is said about it, but what [`Dossier::published`] adds. Pure: the
    /// same arguments give the same dossier.
    pub fn assemble(loaded: &Loaded, recorded: &Recorded) -> Self {
        let package = &loaded.package;
        let evidence = &*recorded.evidence;
        let run_detail = evidence.run.as_ref().map(|run| RunView::of(run, loaded, evidence));
        let unread = evidence.process.requests_unread.as_deref();
        let run = match (&run_detail, unread) {
            (Some(view), _) => view.finding.outcome,
            (None, Some(_)) => RunOutcome::Unseen,
            (None, None) => RunOutcome::NotStarted,
        };
        let findings = evaluate(&loaded.gates, package, evidence);
        let (findings, waivers) = waived(loaded, findings, evidence);
        let attestation = attest(&loaded.forbidden, package, evidence);
        let (approval, against) = approval_of(loaded, evidence);
        let disturbed = Disturbed::of(&attestation, evidence);
        let invariants = disturbed.as_ref().map_or(Invariants::Held, |disturbed| disturbed.invariants);
        let ruling = classify(&standings(package, &findings), &approval, invariants, run);
        let gaps = gap_views(package, &findings, &ruling.decisive);
        let count = |state: GapState| (state.word(), gaps.iter().filter(|gap| gap.state == state).count());
        // Where nothing is waived, results are what they were before there were waivers.
        let counts = GapState::ALL.into_iter().map(count);
        let counts = counts.filter(|(word, count)| *word != GapState::Waived.word() || *count > 0);
        let mut result = result_view(ruling, &gaps, disturbed, run);
        if let Some(view) = run_detail.as_ref().filter(|_| run != RunOutcome::NotStarted) {
            result.next = view.next.clone();
        }
        if let Some(why) = unread.filter(|_| run == RunOutcome::Unseen) {
            result.unseen_by(why);
        }
        result.with_refused(&waivers);
        Self {
            format: RESULT_FORMAT,
            tool: Tool::THIS,
            package: package_view(package),
            audit: Audit {
                number: String::new(),
                utc: utc(evidence.now),
                by: evidence.by.clone(),
                previous: None,
                signers: Vec::new(),
            },
            counts: counts.collect(),
            stages: stage_views(loaded, evidence, run),
            reports: report_views(package),
            blocked_criteria: criteria(package, &gaps),
            gates: gate_views(loaded, findings),
            place: loaded.place.clone(),
            certificates: BTreeMap::new(),
            approval: approval_view(&approval, against),
            waivers,
            run_detail,
            sources: Vec::new(),
            evidence_sha256: recorded.sha256.clone(),
            reports_dir: String::new(),
            attestation,
            gaps,
            result,
        }
    }

    /// The same dossier under its number and folder of publication, with what was read.
    #[must_use]
    pub fn published(self, number: &str, reports_dir: &str, evidence: &Evidence) -> Self {
        let audit = Audit { number: number.to_owned(), ..self.audit };
        Self { audit, reports_dir: reports_dir.to_owned(), sources: sources(evidence), ..self }
    }

    /// The same dossier with its place in the chain, and with the certificates of those who will sign it.
    #[must_use]
    pub fn chained(self, previous: Option<Digest256>, certificates: BTreeMap<Fingerprint, String>) -> Self {
        let audit = Audit { previous, signers: certificates.keys().cloned().collect(), ..self.audit };
        Self { audit, certificates, ..self }
    }

    /// The same dossier as another version of the program made it.
    #[must_use]
    pub fn made_by(self, tool: Tool) -> Self {
        Self { tool, ..self }
    }

    /// The waivers that are refused: each blocks.
    pub fn refused_waivers(&self) -> impl Iterator<Item = &WaiverFinding> {
        self.waivers.iter().filter(|waiver| waiver.standing == WaiverStanding::Refused)
    }

    /// Whether any gate is unknown, or whether the invariants held.
    pub fn any_unknown(&self) -> bool {
        let gate = self.gates.iter().any(|gate| gate.finding.state == GapState::Unknown);
        gate || self.result.invariants == Invariants::Unknown
    }
}

fn standings(package: &Package, findings: &[Finding]) -> Vec<GapStanding> {
    let standing = |gap: &crate::package::Gap| GapStanding {
        id: gap.id.clone(),
        class: gap.class,
        // A gap that no gate judged is not known; loading a package makes sure that there is none.
        state: findings.iter().find(|finding| finding.gap == gap.id).map_or(GapState::Unknown, |finding| finding.state),
        rank: gap.decisive_rank.unwrap_or(i64::MAX),
    };
    package.gaps.iter().map(standing).collect()
}

/// The standing of the approval, and what speaks against what claims to be it: from the knowledge-base probe of the
/// gate that closes the authority's gap. A package without such a gap asks for no approval, and none is there.
fn approval_of(loaded: &Loaded, evidence: &Evidence) -> (Approval, Vec<String>) {
    let authority =
        |gate: &&Gate| loaded.package.gaps.iter().any(|gap| gap.id == gate.gap && gap.class == GapClass::Authority);
    if !loaded.package.gaps.iter().any(|gap| gap.class == GapClass::Authority) {
        return (Approval::Absent, Vec::new());
    }
    let mut probes = loaded.gates.iter().filter(authority).flat_map(|gate| gate.probes.values());
    match probes.find(|used| used.kind == "knowledge-base").and_then(|used| evidence.probes.get(&used.id)) {
        Some(observation) => (standing(&observation.facts), against(&observation.facts)),
        None => (Approval::Unknown("no gate reads the knowledge base".to_owned()), Vec::new()),
    }
}

fn approval_view(approval: &Approval, against: Vec<String>) -> ApprovalView {
    let reasons = match approval {
        Approval::Invalid(reasons) => reasons.clone(),
        Approval::Unknown(reason) => vec![reason.clone()],
        Approval::Expired | Approval::Revoked | Approval::Consumed => against,
        Approval::Absent | Approval::Valid => Vec::new(),
    };
    ApprovalView { standing: approval.word(), reasons }
}

fn gap_views(package: &Package, findings: &[Finding], decisive: &str) -> Vec<GapView> {
    let stage_report = |id: &str| package.stages.iter().find(|stage| stage.id == id).map(|stage| stage.report.clone());
    let view = |gap: &crate::package::Gap| {
        let finding = findings.iter().find(|finding| finding.gap == gap.id);
        let own = finding.and_then(|finding| stage_report(&finding.stage));
        let citing =
            package.stages.iter().filter(|stage| stage.cites.contains(&gap.id)).map(|stage| stage.report.clone());
        GapView {
            id: gap.id.clone(),
            title: gap.title.clone(),
            aliases: gap.aliases.clone(),
            class: gap.class,
            owner: gap.owner.clone(),
            close: gap.close.clone().unwrap_or_default(),
            gate: finding.map(|finding| finding.id.clone()).unwrap_or_default(),
            state: finding.map_or(GapState::Unknown, |finding| finding.state),
            reason: finding.map_or_else(|| "no gate judged it".to_owned(), |finding| finding.reason.clone()),
            next: finding.map(|finding| finding.next.clone()).unwrap_or_default(),
            decisive: gap.id == decisive,
            reports: own.into_iter().chain(citing).collect(),
        }
    };
    package.gaps.iter().map(view).collect()
}

fn result_view(ruling: Ruling, gaps: &[GapView], disturbed: Option<Disturbed>, run: RunOutcome) -> ResultView {
    let sentence = |gap: &GapView| format!("{} — {} (Report {})", gap.id, gap.reason, gap.reports.join("/"));
    let mut authorities = gaps.iter().filter(|gap| gap.class == GapClass::Authority).peekable();
    let asked = authorities.peek().is_some();
    let authority = authorities.find(|gap| gap.state != GapState::Closed);
    let decisive = gaps.iter().find(|gap| gap.decisive);
    let invariants = disturbed.as_ref().map_or(Invariants::Held, |disturbed| disturbed.invariants);
    let reason_blocking = match (decisive, &disturbed) {
        (Some(gap), _) => sentence(gap),
        (None, Some(disturbed)) => disturbed.what.clone(),
        (None, None) => "none: every technical gap is closed".to_owned(),
    };
    let leading = decisive.or(authority);
    ResultView {
        reason_primary: match authority {
            Some(gap) => sentence(gap),
            None if asked => "no, the approval is valid".to_owned(),
            None => {
                "nobody approves: the package has no gap of the authority, so that no run can be requested".to_owned()
            }
        },
        reason_blocking,
        decisive_reason: leading.map(|gap| gap.reason.clone()).unwrap_or_default(),
        next: match (decisive, disturbed) {
            (None, Some(disturbed)) => disturbed.next,
            (Some(_), _) | (None, None) => leading.map(|gap| gap.next.clone()).unwrap_or_default(),
        },
        run,
        invariants,
        ruling,
    }
}

impl ResultView {
    /// Says that it is not known whether a run was started, before anything else where nothing else blocks.
    fn unseen_by(&mut self, why: &str) {
        let said = format!("whether a run was started is not known: {why}");
        if self.ruling.decisive.is_empty() {
            self.reason_blocking.clone_from(&said);
            self.decisive_reason = said;
            self.next = "let this user read the folder of requests, then: cutgate audit".to_owned();
        } else {
            self.reason_blocking = format!("{}; {said}", self.reason_blocking);
        }
    }

    /// Says which waivers are refused, after what else blocks; the next step where nothing else does.
    fn with_refused(&mut self, waivers: &[WaiverFinding]) {
        let refused: Vec<_> = waivers.iter().filter(|waiver| waiver.standing == WaiverStanding::Refused).collect();
        let Some(first) = refused.first() else { return };
        let said = refused.iter().map(|waiver| format!("waivers/{} is refused: {}", waiver.file, waiver.said));
        let said = said.collect::<Vec<_>>().join("; ");
        let alone = self.ruling.decisive.is_empty() && self.invariants == Invariants::Held;
        if alone && self.run == RunOutcome::NotStarted {
            self.reason_blocking = said;
            self.next = format!("remove waivers/{}, or have a right one signed, then: cutgate audit", first.file);
        } else {
            self.reason_blocking = format!("{}; {said}", self.reason_blocking);
        }
    }
}

fn criteria(package: &Package, gaps: &[GapView]) -> Vec<CriterionView> {
    let met = |criterion: &crate::package::Criterion| {
        let open = gaps.iter().filter(|gap| gap.state != GapState::Closed && criterion.gaps.contains(&gap.id));
        let open: Vec<_> = open.map(|gap| CriterionGap { id: gap.id.clone(), reason: gap.reason.clone() }).collect();
        (!open.is_empty()).then(|| CriterionView { words: criterion.words.clone(), gaps: open })
    };
    package.criteria.iter().filter_map(met).collect()
}

/// The findings of a package's gates as every format shows them.
pub fn gate_views(loaded: &Loaded, findings: Vec<Finding>) -> Vec<GateView> {
    findings.into_iter().map(|finding| gate_view(finding, loaded)).collect()
}

fn gate_view(finding: Finding, loaded: &Loaded) -> GateView {
    let package = &loaded.package;
    let text = loaded.files.get(PACKAGE_FILE).map(Vec::as_slice).unwrap_or_default();
    let at = package.places.get(&format!("gaps.{}", finding.gap)).map(|span| span.start.min(text.len()));
    let line = at.map_or(0, |at| text[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1);
    let report = package.stages.iter().find(|stage| stage.id == finding.stage).map(|stage| stage.report.clone());
    GateView { report: report.unwrap_or_default(), finding, line }
}

fn stage_views(loaded: &Loaded, evidence: &Evidence, run: RunOutcome) -> Vec<StageView> {
    let read = |gate: &&Gate| {
        gate.probes.values().all(|used| evidence.probes.get(&used.id).is_some_and(|seen| seen.missing().is_none()))
    };
    let view = |stage: &crate::package::Stage| {
        let gates: Vec<_> = loaded.gates.iter().filter(|gate| gate.stage == stage.id).collect();
        let outcome = match (stage.execution, run) {
            (true, RunOutcome::NotStarted) => "NOT ENTERED",
            (true, RunOutcome::Unseen) => "NOT KNOWN",
            (
                true,
                RunOutcome::Verified
                | RunOutcome::RolledBack
                | RunOutcome::RollbackUnverified
                | RunOutcome::CompensationRequired
                | RunOutcome::Interrupted,
            ) => "ENTERED",
            (false, _) if gates.iter().all(read) => "CARRIED OUT",
            (false, _) => "CARRIED OUT IN PART",
        };
        StageView {
            id: stage.id.clone(),
            title: stage.title.clone(),
            report: stage.report.clone(),
            outcome,
            gates: gates.iter().map(|gate| gate.id.clone()).collect(),
        }
    };
    loaded.package.stages.iter().map(view).collect()
}

fn report_views(package: &Package) -> Vec<ReportView> {
    let view = |report: &crate::package::ReportEntry| ReportView {
        number: report.number.clone(),
        file: format!("{}.md", report.file),
        title: report.title.clone(),
        stages: package
            .stages
            .iter()
            .filter(|stage| stage.report == report.number)
            .map(|stage| stage.id.clone())
            .collect(),
    };
    package.reports.iter().map(view).collect()
}

fn package_view(package: &Package) -> Json {
    let params: BTreeMap<_, _> = package.params.iter().map(|(name, param)| (name, param.json())).collect();
    json!({
        "macro_id": package.macro_id,
        "title": package.title,
        "label": package.label,
        "host": package.host,
        "host_label": package.host_label,
        "scheme": package.scheme.word(),
        "deployed_label": package.deployed_label,
        "params": params,
        "paths": package.paths,
        "executor": package.executor,
        "sovereign": package.trust.sovereign.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "sovereign_threshold": package.trust.sovereign_threshold,
    })
}

fn sources(evidence: &Evidence) -> Vec<SourceView> {
    let all =
        evidence.probes.values().flat_map(|observation| observation.sources.iter().map(|s| (&observation.kind, s)));
    all.map(|(kind, source)| source_view(kind, source)).collect()
}

/// One thing that a probe of this kind read.
pub(super) fn source_view(kind: &str, source: &crate::evidence::Source) -> SourceView {
    use crate::evidence::Reading;
    SourceView {
        probe: kind.to_owned(),
        what: source.what.clone(),
        by: source.by.clone(),
        at: utc(source.at),
        read: match &source.read {
            Reading::Content { sha256, .. } | Reading::Statement { sha256 } => sha256.to_string(),
            Reading::Attributes => "attributes".to_owned(),
        },
    }
}

/// The exit code of an audit that was judged (docs/exit-codes.md: the same for every format).
pub fn exit_code(dossier: &Dossier, require: Letter) -> u8 {
    match dossier.result.ruling.letter {
        Letter::D if dossier.result.run == RunOutcome::RolledBack => 4,
        Letter::D => 5,
        letter if letter <= require && dossier.refused_waivers().next().is_none() => 0,
        Letter::A | Letter::B | Letter::C if dossier.any_unknown() || dossier.result.run == RunOutcome::Unseen => 3,
        Letter::A | Letter::B | Letter::C => 1,
    }
}

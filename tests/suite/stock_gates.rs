//! The stock gates over the laboratory: what they find in it untouched, and what one change made with an ordinary
//! tool does to the gap that it is about.

mod approved;
mod code;
mod gaps;
pub mod postgresql;
pub mod ready;
pub mod revert;
mod target;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use cutgate::classify::{Approval, GapStanding, Invariants, Letter, Ruling, RunOutcome, classify, standing};
use cutgate::evidence::{EVIDENCE_FORMAT, Evidence, Process};
use cutgate::gates::{self, AttestationStatus, CheckOutcome, Finding, GapState, Loaded, attest, evaluate};
use cutgate::lab::{self, Built, Scenario};
use cutgate::package::ProbeUse;
use cutgate::probes::{self, Collection, Question, Secrets};

/// A laboratory with the folder that holds it.
pub struct Shared {
    pub built: Built,
    _folder: tempfile::TempDir,
}

/// One laboratory for all tests; each works on a copy. It goes when the last of them lets go.
fn shared() -> Arc<Shared> {
    static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
    let mut held = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let folder = tempfile::tempdir().unwrap();
        let built = lab::build(&folder.path().join("demo"), Scenario::O8Blocked).expect("a laboratory");
        let shared = Arc::new(Shared { built, _folder: folder });
        *held = Arc::downgrade(&shared);
        shared
    })
}

/// A copy of the laboratory to change.
pub struct Lab {
    pub dir: PathBuf,
    pub shared: Arc<Shared>,
    _folder: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let shared = shared();
        Self::of(&shared.built.dir.clone(), shared)
    }

    /// A copy of the folder `of`.
    pub fn of(of: &Path, shared: Arc<Shared>) -> Self {
        // The agent's socket of a GnuPG home does not fit into a long path.
        let folder = tempfile::Builder::new().prefix("cg").tempdir_in("/tmp").unwrap();
        let dir = folder.path().join("demo");
        let copied = Command::new("cp").arg("-a").arg(of).arg(&dir).status().unwrap();
        assert!(copied.success());
        Self { dir, shared, _folder: folder }
    }

    /// Runs a line of shell in the package folder, as an operator would.
    pub fn shell(&self, line: &str) {
        let output = Command::new("bash").args(["-ec", line]).current_dir(&self.dir).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.join(file), text).unwrap();
    }

    /// Types the next step of a gap again and again until it is closed; the reasons on the way.
    pub fn follow(&self, gap: &str) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut typed = String::new();
        for _ in 0..8 {
            let finding = self.finding(gap);
            if finding.state == GapState::Closed {
                return reasons;
            }
            if finding.next == typed {
                // An audit's instant is a whole second: what was recorded later within it seems to lie ahead.
                std::thread::sleep(std::time::Duration::from_secs(1));
                continue;
            }
            typed.clone_from(&finding.next);
            assert!(!reasons.contains(&finding.reason), "{} did not help: {}", finding.next, finding.reason);
            reasons.push(finding.reason.clone());
            self.shell(&finding.next);
        }
        panic!("{gap} does not close: {reasons:#?}");
    }

    /// Judges one gap alone, from its own probes, as `explain` does.
    fn finding(&self, gap: &str) -> Finding {
        let mut loaded = gates::load(&self.dir.join("cutgate.toml")).unwrap_or_else(|problems| panic!("{problems}"));
        loaded.gates.retain(|gate| gate.gap == gap);
        loaded.package.measures.clear();
        let evidence = collect(&loaded);
        evaluate(&loaded.gates, &loaded.package, &evidence).pop().expect("a gap")
    }

    /// Audits, and says which gaps are another than in the laboratory as it was built.
    fn changes(&self, untouched: &Audit) -> (Audit, Vec<String>) {
        let audit = self.audit();
        let changed = audit.changed(untouched);
        (audit, changed)
    }

    pub fn audit(&self) -> Audit {
        let loaded = gates::load(&self.dir.join("cutgate.toml")).unwrap_or_else(|problems| panic!("{problems}"));
        let evidence = collect(&loaded);
        let findings = evaluate(&loaded.gates, &loaded.package, &evidence);
        Audit { loaded, evidence, findings }
    }
}

impl Drop for Lab {
    /// Ends the agent that signing started.
    fn drop(&mut self) {
        let mut gpgconf = Command::new("gpgconf");
        let _ = gpgconf.arg("--homedir").arg(self.dir.join("keys/home")).args(["--kill", "all"]).status();
    }
}

pub struct Audit {
    pub loaded: Loaded,
    pub evidence: Evidence,
    pub findings: Vec<Finding>,
}

impl Audit {
    fn gap(&self, id: &str) -> &Finding {
        self.findings.iter().find(|finding| finding.gap == id).expect("a gap")
    }

    /// The digest of the deployed tree, as the probe read it.
    pub fn tree_digest(&self) -> String {
        let trees = self.evidence.probes.values().filter(|seen| seen.kind == "tree-manifest");
        let mut deployed = trees.filter(|seen| seen.settings["tree"] != "/opt/cutter/v0.4");
        match deployed.next().and_then(|seen| seen.facts.get("digest")) {
            Some(cutgate::evidence::Fact::Text(digest)) => digest.clone(),
            other => panic!("no digest of the deployed tree: {other:?}"),
        }
    }

    fn states(&self) -> BTreeMap<String, (GapState, String)> {
        self.findings.iter().map(|it| (it.gap.clone(), (it.state, it.reason.clone()))).collect()
    }

    /// The ruling, while no run was started.
    fn ruling(&self) -> Ruling {
        let package = &self.loaded.package;
        let gaps = package.gaps.iter().map(|gap| GapStanding {
            id: gap.id.clone(),
            class: gap.class,
            state: self.gap(&gap.id).state,
            rank: gap.decisive_rank.unwrap_or(i64::MAX),
        });
        classify(&gaps.collect::<Vec<_>>(), &self.approval(), Invariants::Held, RunOutcome::NotStarted)
    }

    fn approval(&self) -> Approval {
        let kb = self.evidence.probes.values().find(|observation| observation.kind == "knowledge-base").unwrap();
        standing(&kb.facts)
    }

    /// The gaps whose state or reason is another than in `before`.
    fn changed(&self, before: &Self) -> Vec<String> {
        let (now, then) = (self.states(), before.states());
        now.into_iter().filter(|(gap, said)| then[gap] != *said).map(|(gap, _)| gap).collect()
    }
}

/// Asks every probe, the measures twice.
fn collect(loaded: &Loaded) -> Evidence {
    let now = chrono::Utc::now();
    let with = Collection {
        place: loaded.place.clone(),
        limits: loaded.package.limits,
        now,
        by: "auditor".to_owned(),
        deadline: Instant::now() + loaded.package.audit_limit,
        secrets: Secrets::default(),
        surroundings: std::sync::Arc::default(),
    };
    let question = |used: &ProbeUse| Question { kind: used.kind.clone(), settings: used.settings.clone() };
    let used = loaded.gates.iter().flat_map(|gate| gate.probes.values());
    let questions: BTreeMap<_, _> = used.map(|used| (used.id.clone(), question(used))).collect();
    let measures: BTreeMap<_, _> =
        loaded.package.measures.iter().map(|(name, used)| (name.clone(), question(used))).collect();
    let before = probes::collect(&measures, &with, |_, _| {});
    let probed = probes::collect(&questions, &with, |_, _| {});
    let after = probes::collect(&measures, &with, |_, _| {});
    Evidence {
        format: EVIDENCE_FORMAT.to_owned(),
        waivers: None,
        run: None,
        now,
        by: "auditor".to_owned(),
        process: Process {
            stdin_closed: true,
            secrets_known: 3,
            recomputed: true,
            newest_before: None,
            requests_unread: None,
        },
        probes: probed,
        before,
        after,
    }
}

#[test]
fn the_package_of_the_laboratory_is_in_order() {
    let lab = Lab::new();
    let loaded = gates::load(&lab.dir.join("cutgate.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings.render(false), "no problems in 0 files\n");
    let gates: Vec<_> =
        loaded.gates.iter().map(|gate| (gate.gap.as_str(), gate.id.as_str(), gate.stage.as_str())).collect();
    let expected = [
        ("GAP-1", "deployed-artifact", "G0"),
        ("GAP-2", "dry-run-proof", "G0"),
        ("GAP-9", "live-code-path", "G1"),
        ("GAP-4", "governance-principal", "G2"),
        ("GAP-3", "gpg-keyring", "G2"),
        ("GAP-5", "provisioning", "G2"),
        ("GAP-8", "safe-target", "G3"),
        ("GAP-6", "revert-tested", "G5"),
        ("GAP-7", "sovereign-ruling", "G7"),
    ];
    assert_eq!(gates, expected);
    for check in loaded.gates.iter().flat_map(|gate| &gate.checks) {
        assert!(!check.cites.is_empty() && check.next.is_some(), "{} cites facts and says what to do", check.id);
    }
    assert_eq!(loaded.package.gap("B3").map(|gap| gap.id.as_str()), Some("GAP-3"));
    let actions: Vec<_> = loaded.forbidden.iter().map(|row| row.action.as_str()).collect();
    let expected = [
        "Production mutation w/o approval",
        "Enable execution_enabled w/o approval",
        "Live CUT/VERIFY/enact w/o approval",
        "Delete v0.4 skeleton",
        "Deploy / restart long-lived service",
        "Log secrets",
        "Ask User for artifacts/secrets",
        "source_document/source_version mutation",
        "Real crypto replacement",
        "Fake PASS",
    ];
    assert_eq!(actions, expected);
}

#[test]
fn the_untouched_laboratory_is_the_reference_case() {
    let lab = Lab::new();
    let audit = lab.audit();
    let digest = lab.shared.built.tree_digest.as_str();
    let directories = "/var/lib/cutter/runs, /var/lib/cutter/batches, /var/lib/cutter/locks";
    let keys = ["runs_dir", "batches_dir", "locks_dir", "max_units", "statement_timeout_ms"];
    let keys = keys.map(|key| format!("orchestrator.{key}")).join(", ");
    let expected = [
        (
            "GAP-1",
            GapState::Closed,
            "on vmi3080463, 31 of 31 files match their manifest; kill-switch False; v0.4 skeleton untouched, 5 of 5"
                .to_owned(),
        ),
        (
            "GAP-2",
            GapState::Closed,
            format!("tree {digest} was run dry within 168h; row counts equal before and after"),
        ),
        ("GAP-3", GapState::Open, "empty keyring → no real backup".to_owned()),
        ("GAP-4", GapState::Partial, "roles present, DQ_4 unpinned".to_owned()),
        (
            "GAP-5",
            GapState::Open,
            format!("not provisioned: {directories} absent; /etc/cutter/cutter.toml lacks {keys}"),
        ),
        ("GAP-6", GapState::Open, "only DDL-teardown runbook exists (kb/runbooks/ddl-teardown.md)".to_owned()),
        (
            "GAP-7",
            GapState::Open,
            "no explicit sovereign approval in KB (48 documents searched, 24 look-alikes)".to_owned(),
        ),
        ("GAP-8", GapState::Open, "only ICX-CONST registered (forbidden)".to_owned()),
        ("GAP-9", GapState::Open, "no live-execution code path exists".to_owned()),
    ];
    for (gap, state, reason) in expected {
        assert_eq!((audit.gap(gap).state, &audit.gap(gap).reason), (state, &reason), "{gap}");
    }
    let ruling = audit.ruling();
    assert_eq!((ruling.letter, ruling.decisive.as_str()), (Letter::C, "GAP-9"));
    assert_eq!(ruling.blocked_by, ["GAP-9", "GAP-3", "GAP-8", "GAP-6", "GAP-5", "GAP-4"]);
    assert_eq!(audit.approval(), Approval::Absent);
    let open = audit.findings.iter().filter(|finding| finding.state != GapState::Closed);
    // An approval is asked for; everything else is typed.
    for finding in open.filter(|finding| finding.gap != "GAP-7") {
        let program = finding.next.split(' ').next().unwrap_or_default();
        let known = ["gpg", "sqlite3", "install", "vi", "cutgate", "cp"];
        assert!(known.contains(&program), "{} says what to type: {}", finding.gap, finding.next);
    }
}

#[test]
fn a_check_that_does_not_hold_says_why_and_what_to_do() {
    let lab = Lab::new();
    let audit = lab.audit();
    for check in audit.findings.iter().flat_map(|finding| &finding.checks) {
        let silent = check.detail.is_empty() || check.next.is_empty();
        assert_eq!(silent, check.outcome == CheckOutcome::Holds, "{check:?}");
        assert!(!check.detail.contains("(unknown"), "quotes only what is known: {}", check.detail);
    }
}

#[test]
fn the_attestation_is_measured_where_it_can_be() {
    let lab = Lab::new();
    let audit = lab.audit();
    let rows = attest(&audit.loaded.forbidden, &audit.loaded.package, &audit.evidence);
    let measured = rows.iter().filter(|row| row.basis == "measured").count();
    assert_eq!((rows.len(), measured), (10, 6));
    for row in &rows {
        assert_eq!(row.status, AttestationStatus::NotDone, "{row:?}");
        assert_eq!(row.before.is_empty(), row.basis != "measured", "{row:?}");
    }
    let switch = rows.iter().find(|row| row.id == "enable-switch").unwrap();
    assert_eq!((switch.after.as_str(), switch.remark.as_str()), ("False", "still False"));
}

#[test]
fn an_invariant_that_changes_meanwhile_is_attested_as_changed() {
    let lab = Lab::new();
    let mut audit = lab.audit();
    for (row, change) in [
        ("production-mutation", "UPDATE information_unit SET state = 'enacted' WHERE id = 'SBX-FIXTURE/1'"),
        ("live-run", "UPDATE cutter_governance_cut_change_set SET state = 'open' WHERE id = 'CCS-SBX-0002'"),
        ("source-mutation", "UPDATE source_version SET content = content || 'x' WHERE document_id = 'ICX-GLOSS'"),
    ] {
        let before = std::mem::take(&mut audit.evidence.after);
        lab.shell(&format!("sqlite3 governance.db \"{change}\""));
        audit.evidence.after = collect(&audit.loaded).after;
        audit.evidence.before = before;
        let rows = attest(&audit.loaded.forbidden, &audit.loaded.package, &audit.evidence);
        let changed: Vec<_> =
            rows.iter().filter(|it| it.status == AttestationStatus::Changed).map(|it| it.id.as_str()).collect();
        assert!(changed.contains(&row), "{row}: {changed:?}");
    }
}

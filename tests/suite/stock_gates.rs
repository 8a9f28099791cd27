//! The stock gates over the laboratory: what they find in it untouched, and what one change made with an ordinary
//! tool does to the gap that it is about.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use cutgate::classify::{Approval, GapStanding, Invariants, Letter, RunOutcome, classify, standing};
use cutgate::evidence::{EVIDENCE_FORMAT, Evidence, Fact, Process};
use cutgate::gates::{self, AttestationStatus, CheckOutcome, Finding, GapState, Loaded, attest, evaluate};
use cutgate::lab::{self, Built, Scenario};
use cutgate::package::ProbeUse;
use cutgate::probes::{self, Collection, Question, Secrets};

/// A laboratory with the folder that holds it.
struct Shared {
    built: Built,
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
struct Lab {
    dir: PathBuf,
    shared: Arc<Shared>,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let shared = shared();
        // The agent's socket of a GnuPG home does not fit into a long path.
        let folder = tempfile::Builder::new().prefix("cg").tempdir_in("/tmp").unwrap();
        let dir = folder.path().join("demo");
        let copied = Command::new("cp").arg("-a").arg(&shared.built.dir).arg(&dir).status().unwrap();
        assert!(copied.success());
        Self { dir, shared, _folder: folder }
    }

    /// Runs a line of shell in the package folder, as an operator would.
    fn shell(&self, line: &str) {
        let output = Command::new("bash").args(["-ec", line]).current_dir(&self.dir).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.join(file)).unwrap()
    }

    fn audit(&self) -> Audit {
        let loaded = gates::load(&self.dir.join("cutgate.toml")).unwrap_or_else(|problems| panic!("{problems}"));
        let evidence = collect(&loaded);
        let findings = evaluate(&loaded.gates, &loaded.package, &evidence);
        Audit { loaded, evidence, findings }
    }
}

struct Audit {
    loaded: Loaded,
    evidence: Evidence,
    findings: Vec<Finding>,
}

impl Audit {
    fn gap(&self, id: &str) -> &Finding {
        self.findings.iter().find(|finding| finding.gap == id).expect("a gap")
    }

    fn states(&self) -> BTreeMap<String, (GapState, String)> {
        self.findings.iter().map(|it| (it.gap.clone(), (it.state, it.reason.clone()))).collect()
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
        now,
        by: "auditor".to_owned(),
        process: Process { stdin_closed: true, secrets_known: 3, recomputed: true },
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
}

#[test]
fn show() {
    let lab = Lab::new();
    let audit = lab.audit();
    for finding in &audit.findings {
        println!("{} {} {}\n   next: {}", finding.gap, finding.state.word(), finding.reason, finding.next);
        for check in &finding.checks {
            println!("      {} {} {}\n            next: {}", check.id, check.outcome.word(), check.detail, check.next);
        }
    }
    for row in attest(&audit.loaded.forbidden, &audit.loaded.package, &audit.evidence) {
        println!("{row:?}");
    }
    panic!();
}

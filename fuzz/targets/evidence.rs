//! Recorded evidence. What is read back is written the same; a gate whose probe the evidence does not hold is
//! not closed; the reports can be rendered whatever the host said, and no evidence is a run.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cutgate::classify::Letter;
use cutgate::evidence::{Evidence, Recorded, canonical_json};
use cutgate::gates::{self, GapState, Loaded};
use cutgate::package::Sources;
use cutgate::report::{Dossier, Templates, exit_code, report_set};

/// A small package; its reports take the stock templates.
const FILES: [(&str, &[u8]); 3] = [
    ("cutgate.toml", include_bytes!("../../tests/packages/laboratory/cutgate.toml")),
    ("gates/backup-key.toml", include_bytes!("../../tests/packages/laboratory/gates/backup-key.toml")),
    ("gates/right-host.toml", include_bytes!("../../tests/packages/laboratory/gates/right-host.toml")),
];

static LOADED: LazyLock<Loaded> = LazyLock::new(|| {
    let files: BTreeMap<_, _> = FILES.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    gates::check(&Sources::recorded(&files)).unwrap_or_else(|problems| panic!("{problems}"))
});

static TEMPLATES: LazyLock<Templates> = LazyLock::new(Templates::stock);

pub fn run(data: &[u8]) {
    let Ok(evidence) = serde_json::from_slice::<Evidence>(data) else { return };
    let bytes = canonical_json(&evidence);
    let read: Evidence = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {evidence:?}"));
    assert_eq!(canonical_json(&read), bytes, "one form");
    let findings = gates::evaluate(&LOADED.gates, &LOADED.package, &evidence);
    assert_eq!(
        findings,
        gates::evaluate(&LOADED.gates, &LOADED.package, &read),
        "the same evidence, the same findings"
    );
    for (gate, finding) in LOADED.gates.iter().zip(&findings) {
        let held = gate.probes.values().all(|used| evidence.probes.contains_key(&used.id));
        assert!(held || finding.state != GapState::Closed, "{finding:?}");
    }
    let evidence = Recorded::of(evidence);
    let dossier = Dossier::assemble(&LOADED, &evidence);
    assert_ne!(dossier.result.ruling.letter, Letter::A, "nothing ran");
    let closed = findings.iter().all(|finding| finding.state == GapState::Closed);
    assert!(closed || exit_code(&dossier, Letter::B) != 0, "{findings:?}");
    let reports = report_set(&LOADED, &TEMPLATES, &evidence, &dossier).unwrap_or_else(|error| panic!("{error}"));
    let read = Recorded::of(read);
    let again = Dossier::assemble(&LOADED, &read);
    assert_eq!(report_set(&LOADED, &TEMPLATES, &read, &again).ok(), Some(reports), "every byte again");
}

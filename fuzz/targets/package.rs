//! Package and gate files. What is in order says so without an error, again and again; what is not has a
//! problem that can be shown. Gates without evidence are never closed.

use std::collections::BTreeMap;

use cutgate::evidence::{EVIDENCE_FORMAT, Evidence, Process};
use cutgate::gates::{self, GapState, attest, evaluate, explain};
use cutgate::package::Sources;
use cutgate::package::diagnostic::Severity;

use super::{files, now};

pub fn run(data: &[u8]) {
    let files: BTreeMap<String, Vec<u8>> =
        files("cutgate.toml", data).into_iter().map(|(name, bytes)| (name, bytes.to_vec())).collect();
    let loaded = match gates::check(&Sources::recorded(&files)) {
        Ok(loaded) => loaded,
        Err(problems) => {
            assert!(problems.count(Severity::Error) > 0, "refused without an error");
            let again = gates::check(&Sources::recorded(&files)).expect_err("the same files, the same answer");
            assert_eq!(problems.to_string(), again.to_string());
            return;
        }
    };
    assert_eq!(loaded.warnings.count(Severity::Error), 0);
    assert!(!loaded.gates.is_empty());
    let again = gates::check(&Sources::recorded(&loaded.files)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(again.files, loaded.files);
    let ids = |loaded: &gates::Loaded| loaded.gates.iter().map(|gate| gate.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&loaded));
    let evidence = nothing();
    let findings = evaluate(&loaded.gates, &loaded.package, &evidence);
    assert_eq!(findings.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), ids(&loaded), "one finding a gate");
    for (gate, finding) in loaded.gates.iter().zip(&findings) {
        // A rule that names a fact may hold without it: `true || keyring.ok` does.
        let settled = gate.checks.iter().any(|check| check.require.source().contains("||"));
        let settled = settled || gate.checks.iter().any(|check| check.require.source().contains('?'));
        assert!(settled || finding.state != GapState::Closed, "closed by nothing: {finding:?}");
        assert_eq!(explain(gate, &loaded.package, &evidence).len(), gate.checks.len());
    }
    assert_eq!(attest(&loaded.forbidden, &loaded.package, &evidence).len(), loaded.forbidden.len());
}

/// Evidence that holds nothing.
fn nothing() -> Evidence {
    Evidence {
        format: EVIDENCE_FORMAT.to_owned(),
        waivers: None,
        run: None,
        now: now(),
        by: "fuzz".to_owned(),
        process: Process {
            stdin_closed: true,
            secrets_known: 0,
            recomputed: true,
            newest_before: None,
            requests_unread: None,
        },
        probes: BTreeMap::new(),
        before: BTreeMap::new(),
        after: BTreeMap::new(),
    }
}

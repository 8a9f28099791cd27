//! The small domains of this room, enumerated; and what is not said of files that are not understood.

use std::collections::BTreeMap;

use super::*;
use crate::evidence::{EVIDENCE_FORMAT, Evidence, Fact, Missing, MissingState, Process};
use crate::package::Sources;

const PACKAGE: &str = include_str!("../../tests/packages/laboratory/cutgate.toml");
const BACKUP_KEY: &str = include_str!("../../tests/packages/laboratory/gates/backup-key.toml");
const RIGHT_HOST: &str = include_str!("../../tests/packages/laboratory/gates/right-host.toml");

/// The small package with one gate changed, and one parameter more.
fn checked(right_host: &str) -> Result<Loaded, String> {
    let package = PACKAGE.replacen("[params]\n", "[params]\nonly = \"x\"\n", 1);
    let files = [
        ("cutgate.toml", package.as_str()),
        ("gates/backup-key.toml", BACKUP_KEY),
        ("gates/right-host.toml", right_host),
    ];
    let files: BTreeMap<_, _> =
        files.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect();
    check(&Sources::recorded(&files)).map_err(|problems| problems.to_string())
}

fn evidence(probes: BTreeMap<crate::evidence::ProbeId, crate::evidence::Observation>) -> Evidence {
    Evidence {
        format: EVIDENCE_FORMAT.to_owned(),
        run: None,
        now: "2026-05-21T10:00:00Z".parse().unwrap(),
        by: "auditor".to_owned(),
        process: Process {
            stdin_closed: true,
            secrets_known: 0,
            recomputed: true,
            newest_before: None,
            requests_unread: None,
        },
        probes,
        before: BTreeMap::new(),
        after: BTreeMap::new(),
    }
}

#[test]
fn what_nothing_reads_is_named_only_where_everything_was_understood() {
    let loaded = checked(RIGHT_HOST).expect("in order");
    assert!(loaded.warnings.to_string().contains("nothing reads params.only"));
    let used = RIGHT_HOST.replace("Audit on", "Audit {params.only} on");
    assert!(!checked(&used).expect("in order").warnings.to_string().contains("params.only"));
    // Cut off where the parameter would have been read.
    let remedy = RIGHT_HOST.replace("Audit on {pkg.host}.", "Audit on {params.only");
    let rule = RIGHT_HOST.replace("host.name == pkg.host\"", "host.name == params.only ==\"");
    for broken in [remedy, rule] {
        assert_ne!(broken, RIGHT_HOST);
        let problems = checked(&broken).expect_err("not in order");
        for doubtful in ["nothing reads params.only", "no check uses the probe"] {
            assert!(!problems.contains(doubtful), "{problems}");
        }
    }
}

/// A key that belongs to another basis is said to, even where it is empty.
#[test]
fn a_row_has_the_keys_of_its_basis_only() {
    let row =
        "\n[[forbidden]]\nid = \"x\"\naction = \"X\"\nbasis = \"declared\"\ndeclared_by = \"me\"\nmeasures = []\n";
    let package = format!("{PACKAGE}{row}");
    let files = [
        ("cutgate.toml", package.as_str()),
        ("gates/backup-key.toml", BACKUP_KEY),
        ("gates/right-host.toml", RIGHT_HOST),
    ];
    let files: BTreeMap<_, _> =
        files.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect();
    let problems = check(&Sources::recorded(&files)).map(|_| ()).expect_err("not in order").to_string();
    assert!(
        problems.contains("`measures` belongs to a row whose basis is measured; this one is declared"),
        "{problems}"
    );
    assert!(!problems.contains("is empty"), "{problems}");
}

/// A probe that only a broken check would read is not called unused.
#[test]
fn what_a_broken_check_may_read_is_not_said_to_be_unused() {
    let other = RIGHT_HOST
        .replace("require = \"host.name == pkg.host\"", "require = \"params.only == 'x'\"")
        .replace("this is {host.name}, not {pkg.host}", "no")
        .replace("cites = [\"host.name\", \"host.os.version\"]\n", "");
    let unused = "no check uses the probe";
    assert!(checked(&other).expect_err("not in order").contains(unused));
    for broken in [other.clone() + "at = \"host. ==\"\n", other.replace("params.only == 'x'", "params.only ==")] {
        let problems = checked(&broken).expect_err("not in order");
        assert!(!problems.contains(unused), "{problems}");
    }
}

/// The state of a gap over every pair of checks and no check at all.
#[test]
fn the_state_of_every_pair_of_checks() {
    let outcomes = [CheckOutcome::Holds, CheckOutcome::Fails, CheckOutcome::Unknown];
    let each: Vec<(Tier, CheckOutcome)> =
        Tier::ALL.into_iter().flat_map(|tier| outcomes.map(|outcome| (tier, outcome))).collect();
    let check = |(tier, outcome): (Tier, CheckOutcome)| CheckFinding {
        id: String::new(),
        tier,
        outcome,
        detail: String::new(),
        next: String::new(),
        locations: Vec::new(),
    };
    let state = |checks: &[(Tier, CheckOutcome)]| state_of(&checks.iter().copied().map(check).collect::<Vec<_>>());
    assert_eq!(state(&[]), GapState::Unknown);
    for first in &each {
        for second in &each {
            let both = [*first, *second];
            let has = |tier, outcome| both.contains(&(tier, outcome));
            let unknown = both.iter().any(|(_, outcome)| *outcome == CheckOutcome::Unknown);
            let essential = both.iter().any(|(tier, _)| *tier == Tier::Essential);
            let expected = match (has(Tier::Essential, CheckOutcome::Fails), has(Tier::Completing, CheckOutcome::Fails))
            {
                (true, _) => GapState::Open,
                (false, _) if unknown || !essential => GapState::Unknown,
                (false, true) => GapState::Partial,
                (false, false) => GapState::Closed,
            };
            assert_eq!(state(&both), expected, "{both:?}");
        }
    }
    assert_eq!(outcomes.map(CheckOutcome::word), ["holds", "fails", "unknown"]);
    assert_eq!(Tier::ALL.map(Tier::word), ["essential", "completing"]);
    assert_eq!(GapState::ALL.map(GapState::word), ["CLOSED", "PARTIAL", "UNKNOWN", "OPEN"]);
}

#[test]
fn an_unknown_names_two_reasons_and_counts_the_rest() {
    let more = RIGHT_HOST.replace(
        "require = \"host.name == pkg.host\"",
        "require = \"host.name == 'a' && host.os.version == 'b' && RULE\"",
    );
    let said = |rule: &str, missing: &[&str]| {
        let loaded = checked(&more.replace("RULE", rule)).unwrap_or_else(|problems| panic!("{problems}"));
        let gate = loaded.gates.iter().find(|gate| gate.id == "right-host").expect("the gate");
        let gone = |what: &str| Missing {
            state: MissingState::Denied,
            tried: format!("read {what}"),
            by: "auditor".to_owned(),
            said: "no".to_owned(),
            next: format!("let me read {what}"),
        };
        let field = |name: &str, value: &str| match missing.contains(&name) {
            true => Fact::from(gone(name)),
            false => Fact::from(value),
        };
        let os = Fact::record([("version", field("version", "b")), ("id", field("id", "c"))]);
        let facts = Fact::record([("name", field("name", "a")), ("os", os)]);
        let at = "2026-05-21T10:00:00Z".parse().unwrap();
        let observation = crate::evidence::Observation {
            kind: "host".to_owned(),
            settings: std::sync::Arc::default(),
            started: at,
            finished: at,
            facts,
            sources: Vec::new(),
        };
        let probe = gate.probes["host"].id.clone();
        let evidence = evidence(BTreeMap::from([(probe, observation)]));
        let findings = evaluate(&loaded.gates, &loaded.package, &evidence);
        let steps = explain(gate, &loaded.package, &evidence);
        assert_eq!(steps.len(), 1);
        assert_eq!((steps[0].0.as_str(), steps[0].1[0].depth), ("name", 0));
        assert!(steps[0].1.len() > 3, "the rule and its parts: {steps:?}");
        findings.into_iter().find(|finding| finding.id == "right-host").expect("its finding")
    };
    let finding = said("host.os.id == 'c'", &["name"]);
    assert_eq!((finding.state, finding.next.as_str()), (GapState::Unknown, "let me read name"));
    assert!(finding.reason.starts_with("cannot be told: host.name is denied"), "{}", finding.reason);
    assert!(!finding.reason.contains(" more"), "{}", finding.reason);
    let two = said("host.os.id == 'c'", &["name", "version"]).reason;
    assert!(two.contains("host.os.version") && !two.contains(" more"), "{two}");
    let three = said("host.os.id == 'c'", &["name", "version", "id"]).reason;
    assert!(three.ends_with("; and 1 more") && !three.contains("host.os.id"), "{three}");
    assert_eq!(said("host.os.id == 'c'", &[]).state, GapState::Closed);
}

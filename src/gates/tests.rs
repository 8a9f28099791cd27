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
        waivers: None,
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
    assert_eq!(GapState::JUDGED.map(GapState::word), ["CLOSED", "PARTIAL", "UNKNOWN", "OPEN"]);
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

/// A gate that was reported may be the one that reads the requests; where all are in order, none does.
#[test]
fn that_no_gate_reads_the_requests_is_said_only_where_every_gate_is_known() {
    let request = "[request]\ntree = \"right-host/host.name\"\ntarget = \"x\"\nbind = [\"right-host/host.name\"]\n\
                   approvals = \"kb\"\n\n[gaps.GAP-5]\ntitle = \"other\"\nclass = \"technical\"\nowner = \"operator\"\n";
    let package = PACKAGE.replacen("\"backup-key\", ", "\"backup-key\", \"other-host\", ", 1);
    let package = package.replacen("[gaps.GAP-1]", &format!("{request}\n[gaps.GAP-1]"), 1);
    let other = RIGHT_HOST.replace("right-host", "other-host").replace("GAP-1", "GAP-5");
    let problems = |backup_key: &str| {
        let files = [
            ("cutgate.toml", package.as_str()),
            ("gates/backup-key.toml", backup_key),
            ("gates/other-host.toml", other.as_str()),
            ("gates/right-host.toml", RIGHT_HOST),
        ];
        let files: BTreeMap<_, _> =
            files.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect();
        check(&Sources::recorded(&files)).map(|_| ()).expect_err("not in order").to_string()
    };
    let said = "no gate reads the requests";
    let whole = problems(BACKUP_KEY);
    assert!(whole.contains(said) && whole.matches("error: ").count() == 1, "{whole}");
    let broken = BACKUP_KEY.replace("keyring.certs.exists", "keyring.certs.exist");
    let broken = problems(&broken);
    assert!(!broken.contains(said) && broken.contains("there is no function `exist`"), "{broken}");
}

/// What is wrong in the middle of a bound fact's path is pointed at, and no more.
#[test]
fn the_wrong_part_of_a_bound_fact_is_pointed_at() {
    let fact = "right-host/host.so.version";
    let request = format!(
        "[request]\ntree = \"{fact}\"\ntarget = \"x\"\nbind = [\"{fact}\"]\napprovals = \"kb\"\n\n[gaps.GAP-1]"
    );
    let package = PACKAGE.replacen("[gaps.GAP-1]", &request, 1);
    let files = [
        ("cutgate.toml", package.as_str()),
        ("gates/backup-key.toml", BACKUP_KEY),
        ("gates/right-host.toml", RIGHT_HOST),
    ];
    let files: BTreeMap<_, _> =
        files.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect();
    let problems = check(&Sources::recorded(&files)).map(|_| ()).expect_err("not in order");
    let pointed = problems.diagnostics.iter().filter(|problem| problem.message.contains("has no fact `so` here"));
    let pointed: Vec<&str> = pointed.map(|problem| &package[problem.span.clone().expect("a place")]).collect();
    assert_eq!(pointed, ["so", "so"]);
}

/// A digest is bound only of what was read whole: that a part is absent, or withheld, is known.
#[test]
fn what_could_not_be_read_is_not_bound() {
    let bound = |path: &str, digest: bool| Bound {
        name: format!("gate/probe.{path}"),
        probe: crate::evidence::ProbeId("0123".to_owned()),
        path: path.to_owned(),
        digest,
    };
    let gone = |state: MissingState| {
        Fact::from(Missing {
            state,
            tried: "read it".to_owned(),
            by: "auditor".to_owned(),
            said: "no".to_owned(),
            next: "let me".to_owned(),
        })
    };
    let states = [
        MissingState::Absent,
        MissingState::Denied,
        MissingState::Unreadable,
        MissingState::TimedOut,
        MissingState::Error,
        MissingState::Withheld,
    ];
    for state in states {
        let known = matches!(state, MissingState::Absent | MissingState::Withheld);
        let hole = Fact::record([("in", gone(state))]);
        let facts = Fact::record([
            ("itself", gone(state)),
            ("list", Fact::list([Fact::Int(1), hole.clone()])),
            ("record", Fact::record([("a", Fact::list([hole])), ("b", Fact::Int(2))])),
        ]);
        assert!(bound("itself", false).value(&facts).is_err_and(|why| why.contains(state.word())), "{state:?}");
        for part in ["list", "record"] {
            let value = bound(part, true).value(&facts);
            assert_eq!(value.is_ok(), known, "{part} {state:?}: {value:?}");
        }
        assert!(bound("list", true).value(&gone(state)).is_err(), "{state:?}");
    }
    let facts = Fact::record([("n", Fact::Int(3)), ("list", Fact::list([Fact::Int(1)]))]);
    assert_eq!(bound("n", false).value(&facts), Ok(Fact::Int(3)));
    assert_ne!(bound("list", true).value(&facts), bound("n", true).value(&facts));
    assert!(bound("m", false).value(&facts).is_err());
}

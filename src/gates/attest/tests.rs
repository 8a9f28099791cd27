//! The judgement of rows, apart from collecting and reports.

use super::attributable::{attributable, started};
use super::measured::{brief, measured};
use super::*;
use crate::evidence::{Fact, MissingState, Reading};
use crate::gates::attestation::Proof;
use crate::gates::expr::render_fact;

fn evidence() -> Evidence {
    Evidence {
        format: crate::evidence::EVIDENCE_FORMAT.to_owned(),
        waivers: None,
        run: None,
        now: "2026-05-21T10:00:00Z".parse().unwrap(),
        by: "auditor".to_owned(),
        process: crate::evidence::Process {
            stdin_closed: true,
            secrets_known: 0,
            recomputed: true,
            newest_before: None,
            requests_unread: None,
        },
        probes: Default::default(),
        before: Default::default(),
        after: Default::default(),
    }
}

/// What a probe of a kind found, and a program that it started.
fn observed(kind: &str, rows: Fact) -> Observation {
    let at = "2026-05-21T10:00:00Z".parse().unwrap();
    let source = crate::evidence::Source {
        what: format!("/usr/bin/{kind}"),
        by: "auditor".to_owned(),
        at,
        read: Reading::Statement { sha256: crate::evidence::Digest256::of(b"") },
    };
    Observation {
        kind: kind.to_owned(),
        settings: Default::default(),
        started: at,
        finished: at,
        facts: Fact::record([("rows", rows)]),
        sources: vec![source],
    }
}

/// A row with these facts that others write to, and that may be absent.
fn row(others_write: &[String], may_be_absent: &[String]) -> Forbidden {
    Forbidden {
        id: "row".to_owned(),
        action: "Act".to_owned(),
        basis: Basis::Measured(Vec::new()),
        others_write: others_write.to_vec(),
        may_be_absent: may_be_absent.to_vec(),
        informative: Vec::new(),
        remark: None,
    }
}

/// Equal is not done, different is changed, and what could not be read is neither.
#[test]
fn what_is_measured_is_equal_changed_or_unread() {
    let missing = |state| crate::evidence::Missing {
        state,
        tried: "count".to_owned(),
        by: "auditor".to_owned(),
        said: "no".to_owned(),
        next: String::new(),
    };
    let denied = || Fact::from(missing(MissingState::Denied));
    let judged = |before: Fact, after: Fact| {
        let mut evidence = evidence();
        evidence.before.insert("surface".to_owned(), observed("sql", before));
        evidence.after.insert("surface".to_owned(), observed("sql", after));
        let said = measured(&["surface.rows".to_owned()], &row(&[], &[]), &evidence);
        (said.status, said.ground)
    };
    let (status, ground) = judged(Fact::Int(1), Fact::Int(1));
    assert_eq!(status, AttestationStatus::NotDone);
    assert!(ground.starts_with("surface.rows, equal at 2026-05-21T10:00:00Z and 2026"), "{ground}");
    let (status, ground) = judged(Fact::Int(1), Fact::Int(2));
    assert_eq!(status, AttestationStatus::Changed);
    assert!(ground.starts_with("surface.rows changed between"), "{ground}");
    for (before, after) in [(denied(), denied()), (Fact::list([Fact::Int(1), denied()]), Fact::Int(2))] {
        let (status, ground) = judged(before, after);
        assert_eq!(status, AttestationStatus::NotAttested);
        assert!(ground.contains("surface.rows could not be measured: ") && ground.contains("denied"), "{ground}");
    }
    // What was there neither time was not measured; a part of it that is known not to be there can be compared.
    let absent = || Fact::from(missing(MissingState::Absent));
    let (status, ground) = judged(absent(), absent());
    assert_eq!(status, AttestationStatus::NotAttested);
    assert_eq!(ground, "surface.rows is absent before and after, so that nothing was measured");
    assert_eq!(judged(absent(), Fact::Int(1)).0, AttestationStatus::Changed);
    assert_eq!(judged(Fact::Int(1), absent()).0, AttestationStatus::Changed);
    let part = || Fact::list([Fact::Int(1), absent()]);
    assert_eq!(judged(part(), part()).0, AttestationStatus::NotDone);
    use AttestationStatus::{Changed, Declared, Inconclusive, NotAttested, NotDone};
    let words = [NotDone, Changed, Inconclusive, NotAttested, Declared].map(AttestationStatus::word);
    assert_eq!(words, ["NOT DONE", "CHANGED", "INCONCLUSIVE", "NOT ATTESTED", "DECLARED"]);
}

/// Absent both times is equal only where the package says that it may be; it excuses no other fact, and no change.
#[test]
fn what_may_be_absent_is_said_by_the_package() {
    let absent = || {
        Fact::from(crate::evidence::Missing {
            state: MissingState::Absent,
            tried: "open".to_owned(),
            by: "auditor".to_owned(),
            said: "no such file".to_owned(),
            next: String::new(),
        })
    };
    let paths = ["dump.rows", "surface.rows"].map(str::to_owned);
    let judged = |dump: [Fact; 2], surface: [Fact; 2]| {
        let mut evidence = evidence();
        for (name, facts) in [("dump", dump), ("surface", surface)] {
            let [before, after] = facts;
            evidence.before.insert(name.to_owned(), observed("sql", before));
            evidence.after.insert(name.to_owned(), observed("sql", after));
        }
        let said = measured(&paths, &row(&[], &paths[..1]), &evidence);
        (said.status, said.ground)
    };
    let one = || [Fact::Int(1), Fact::Int(1)];
    let (status, ground) = judged([absent(), absent()], one());
    assert_eq!(status, AttestationStatus::NotDone);
    assert!(ground.ends_with("; absent both times, as it may be: dump.rows"), "{ground}");
    assert_eq!(judged([absent(), Fact::Int(1)], one()).0, AttestationStatus::Changed);
    let (status, ground) = judged([absent(), absent()], [absent(), absent()]);
    assert_eq!(status, AttestationStatus::NotAttested);
    assert!(ground.starts_with("surface.rows is absent"), "{ground}");
}

/// Where others write too, a change says nothing of who made it; what only we may change is as strict as ever.
#[test]
fn a_change_where_others_write_is_inconclusive() {
    let judged = |ours: i64, theirs: i64| {
        let mut evidence = evidence();
        let rows = |ours, theirs| Fact::record([("ours", Fact::Int(ours)), ("theirs", Fact::Int(theirs))]);
        evidence.before.insert("surface".to_owned(), observed("pg-surface", rows(1, 1)));
        evidence.after.insert("surface".to_owned(), observed("pg-surface", rows(ours, theirs)));
        let paths = ["surface.rows.ours", "surface.rows.theirs"].map(str::to_owned);
        let said = measured(&paths, &row(&paths[1..], &[]), &evidence);
        (said.status, said.ground)
    };
    assert_eq!(judged(1, 1).0, AttestationStatus::NotDone);
    assert_eq!(judged(2, 1).0, AttestationStatus::Changed);
    assert_eq!(judged(2, 2).0, AttestationStatus::Changed);
    let (status, ground) = judged(1, 2);
    assert_eq!(status, AttestationStatus::Inconclusive);
    assert!(ground.starts_with("database-wide: surface.rows.theirs changed between "), "{ground}");
    assert!(ground.ends_with("and others write there too; surface.rows.ours equal"), "{ground}");
}

/// What our own connections did is known only where each of them says so.
#[test]
fn no_transaction_of_ours_wrote_only_where_every_one_says_so() {
    let unread = crate::evidence::Missing {
        state: MissingState::Error,
        tried: "ask".to_owned(),
        by: "auditor".to_owned(),
        said: "gone".to_owned(),
        next: String::new(),
    };
    let judged = |facts: &[Fact]| {
        let mut evidence = evidence();
        for (at, unchanged) in facts.iter().enumerate() {
            let mut observation = observed("sql", Fact::list([]));
            let is_text = matches!(unchanged, Fact::Text(_));
            observation.facts =
                if is_text { unread.clone().into() } else { Fact::record([("unchanged", unchanged.clone())]) };
            evidence.before.insert(at.to_string(), observation);
        }
        evidence.after.insert("host".to_owned(), observed("host", Fact::list([])));
        let said = attributable(Proof::NoTransactionId, &evidence);
        (said.status, said.ground)
    };
    let (yes, no, missing) = (Fact::Bool(true), Fact::Bool(false), Fact::from(unread.clone()));
    assert_eq!(judged(&[]), (AttestationStatus::NotAttested, "no database was asked".to_owned()));
    assert_eq!(judged(&[yes.clone(), no.clone(), missing.clone()]).0, AttestationStatus::Changed);
    assert_eq!(judged(&[yes.clone(), missing]).0, AttestationStatus::NotAttested);
    assert_eq!(judged(&[yes.clone(), "nothing came back".into()]).0, AttestationStatus::NotAttested);
    let (status, ground) = judged(&[yes.clone(), yes]);
    assert_eq!(status, AttestationStatus::NotDone);
    assert!(
        ground.starts_with(
            "our connections: 2 transactions, none was given a transaction number; 2 statements sent, 1 diff"
        ),
        "{ground}"
    );
}

#[test]
fn the_programs_that_were_started_are_those_of_the_host_probe() {
    let mut evidence = evidence();
    assert_eq!(started(&evidence), [""; 0]);
    evidence.before.insert("host".to_owned(), observed("host", Fact::Int(1)));
    evidence.after.insert("surface".to_owned(), observed("sql", Fact::Int(1)));
    assert_eq!(started(&evidence), ["/usr/bin/host --version"]);
}

#[test]
fn nothing_measured_is_not_attested() {
    let evidence = evidence();
    let said = measured(&[], &row(&[], &[]), &evidence);
    assert_eq!((said.status, said.ground.as_str()), (AttestationStatus::NotAttested, "nothing was measured"));
    let said = measured(&["ring.digest".to_owned()], &row(&[], &[]), &evidence);
    assert_eq!(said.status, AttestationStatus::NotAttested);
}

#[test]
fn digests_are_shortened_and_nothing_else_is() {
    let hex = "0123456789abcdef".repeat(4);
    assert_eq!(brief(&Fact::from(hex.as_str())), "0123456789ab…");
    for text in ["", "ab", "0123456789abcdef", &"z".repeat(64), &"0".repeat(65)] {
        assert_eq!(brief(&Fact::from(text)), text);
    }
    assert_eq!(brief(&Fact::texts(["a", "b"])), render_fact(&Fact::texts(["a", "b"])));
    let long = Fact::texts((0..40).map(|n| n.to_string()));
    assert!(brief(&long).starts_with("40 entries, sha256 "), "{}", brief(&long));
    assert_eq!(brief(&Fact::list([Fact::record([("a", Fact::Int(1))])])).split(',').next(), Some("1 entries"));
}

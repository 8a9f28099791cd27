//! GAP-8: each rule of the target policy by itself, and a registry that cannot be read.

use super::Lab;
use cutgate::gates::{CheckOutcome, GapState};

#[test]
fn gap_8_closes_by_the_steps_that_it_names() {
    let lab = Lab::new();
    let untouched = lab.audit();
    let reasons = lab.follow("GAP-8");
    let expected = [
        "only ICX-CONST registered (forbidden)",
        "the package names no target; registered and not forbidden: ICX-GLOSS",
        "C4: no young dry run of ICX-GLOSS with this tree is recorded",
        "C4: the registry says dry_run = none for ICX-GLOSS",
    ];
    assert_eq!(reasons, expected);
    let (audit, changed) = lab.changes(&untouched);
    assert_eq!(changed, ["GAP-8"]);
    assert!(
        audit.gap("GAP-8").reason.starts_with("ICX-GLOSS: 12 units, non-authoritative"),
        "{}",
        audit.gap("GAP-8").reason
    );
    let reason = |said: &str| {
        let audit = lab.audit();
        let finding = audit.gap("GAP-8");
        assert!(
            finding.state == GapState::Open && finding.reason.starts_with(said),
            "{said}: {} {}",
            finding.state.word(),
            finding.reason
        );
    };
    let with = |change: &str, said: &str, back: &str| {
        lab.shell(&format!("sqlite3 governance.db \"{change}\""));
        reason(said);
        lab.shell(&format!("sqlite3 governance.db \"{back}\""));
    };
    let set = |column: &str| format!("UPDATE target SET {column} WHERE id = 'ICX-GLOSS'");
    with(
        &set("forbidden = 1, forbidden_reason = 'not this one'"),
        "only ICX-CONST, ICX-GLOSS registered (forbidden)",
        &set("forbidden = 0"),
    );
    with(
        &set("content_sha256 = replace(content_sha256, 'a', 'b')"),
        "C3: ICX-GLOSS is registered with sha256",
        "UPDATE target SET content_sha256 = (SELECT content_sha256 FROM source_version WHERE document_id = 'ICX-GLOSS' AND version = 2) WHERE id = 'ICX-GLOSS'",
    );
    with(&set("dry_run = 'red'"), "C4: the registry says dry_run = red", &set("dry_run = 'green'"));
    with(&set("units = 51"), "C5: ICX-GLOSS has 51 units, and at most 50 are small", &set("units = 12"));
    with(
        &set("authority = 'authoritative'"),
        "C6: ICX-GLOSS is registered as authoritative",
        &set("authority = 'non-authoritative'"),
    );
    with(
        "UPDATE source_document SET authority = 'authoritative' WHERE id = 'ICX-GLOSS'",
        "C6: ICX-GLOSS is registered as non-authoritative, its document is authoritative",
        "UPDATE source_document SET authority = 'non-authoritative' WHERE id = 'ICX-GLOSS'",
    );
    let change_set =
        |column: &str| format!("UPDATE cutter_governance_cut_change_set SET {column} WHERE id = 'CCS-ICX-GLOSS'");
    with(
        &change_set("state = 'closed'"),
        "C7: no open change set of its own for ICX-GLOSS",
        &change_set("state = 'open'"),
    );
    with(
        &change_set("scope = 'sandbox'"),
        "C7: no open change set of its own for ICX-GLOSS",
        &change_set("scope = 'live'"),
    );
    with(
        &set("open_change_set = NULL"),
        "C7: no open change set of its own for ICX-GLOSS: none",
        &set("open_change_set = 'CCS-ICX-GLOSS'"),
    );
    with(
        &change_set("opened_utc = '2026-01-01T00:00:00Z'"),
        "C7: the change set of ICX-GLOSS was opened 2026-01-01",
        "SELECT 1",
    );
    assert_eq!(lab.follow("GAP-8").len(), 1, "another change set is opened");
    lab.shell("sed -i 's/^target = .*/target = \"ICX-CONST\"/' cutgate.toml");
    reason("C2: ICX-CONST is forbidden: the Constitution is not cut by a machine");
    lab.shell("sed -i 's/^target = .*/target = \"ICX-NONE\"/' cutgate.toml");
    reason("C1: ICX-NONE is not registered; registered: ICX-CONST, ICX-GLOSS");
}

#[test]
fn a_registry_that_cannot_be_read_is_not_one_without_candidates() {
    for change in
        ["head -c 4096 /dev/urandom > governance.db", "rm governance.db", "sqlite3 governance.db 'DROP TABLE target'"]
    {
        let lab = Lab::new();
        lab.shell(change);
        let audit = lab.audit();
        let checks: Vec<_> = audit.gap("GAP-8").checks.iter().filter(|check| check.id == "candidates-exist").collect();
        assert_eq!(checks[0].outcome, CheckOutcome::Unknown, "{change}: {}", checks[0].detail);
    }
}

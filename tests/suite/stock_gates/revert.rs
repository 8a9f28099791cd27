//! GAP-6: what a drill of the revert must be for the gap to close.

use super::Lab;
use cutgate::evidence::{DRILL_FORMAT, DRILL_KIND, DrillPhase, DrillRecord, Level};
use cutgate::gates::GapState;

/// A runbook with the revert of one cut for each phase.
pub fn runbook(phases: &[&str]) -> String {
    let section = |phase: &&str| {
        format!("## Revert `{phase}`\n\n```sql\nDELETE FROM ledger WHERE change_set_id = :change_set_id;\n```\n")
    };
    format!("# Revert of one cut\n\n{}", phases.iter().map(section).collect::<Vec<_>>().join("\n"))
}

pub const PHASES: [&str; 5] = ["pre_write_backup", "cut_leg_a", "leg_b_record", "write_verify", "lifecycle_enact"];

/// The record of a drill that proves everything, for ICX-GLOSS.
pub fn drill(lab: &Lab) -> DrillRecord {
    let now = chrono::DateTime::from_timestamp(chrono::Utc::now().timestamp(), 0).unwrap();
    let phase = |name: &str| DrillPhase {
        name: name.to_owned(),
        before: "a".to_owned(),
        mutated: "m".to_owned(),
        after: "a".to_owned(),
        reverted: true,
    };
    DrillRecord {
        format: DRILL_FORMAT.to_owned(),
        kind: DRILL_KIND.to_owned(),
        tree_digest: lab.shared.built.tree_digest.to_string(),
        target: "ICX-GLOSS".to_owned(),
        host: "vmi3080463".to_owned(),
        operator: "operator".to_owned(),
        started: now - chrono::Duration::minutes(10),
        finished: now,
        level: Level::E3,
        restore_compared: true,
        phases: PHASES.map(phase).to_vec(),
        published: None,
    }
}

pub fn record(lab: &Lab, record: &DrillRecord) {
    let bytes = cutgate::evidence::canonical_json(record);
    lab.write("records/drills/first.json", &String::from_utf8(bytes).unwrap());
    lab.shell("rm -f records/drills/first.json.asc");
}

#[test]
fn gap_6_closes_by_a_signed_drill_of_every_phase() {
    let lab = Lab::new();
    let untouched = lab.audit();
    let reason = |state: GapState, said: &str| {
        let (audit, changed) = lab.changes(&untouched);
        let finding = audit.gap("GAP-6").clone();
        assert_eq!(changed, ["GAP-6"]);
        assert!(finding.state == state && finding.reason.contains(said), "{} {}", finding.state.word(), finding.reason);
        finding
    };
    lab.write("kb/runbooks/per-cut-revert.md", &runbook(&PHASES[..3]));
    // Reading the KB again finds one document more.
    lab.shell("mkdir runbooks && mv kb/runbooks/*.md runbooks && cp runbooks/ddl-teardown.md kb/runbooks/");
    lab.shell("sed -i 's#^runbooks = .*#runbooks = \"runbooks\"#' cutgate.toml");
    reason(GapState::Open, "no runbook reverts one cut in write_verify, lifecycle_enact");
    lab.write("runbooks/per-cut-revert.md", &runbook(&PHASES));
    reason(GapState::Open, "authored, not tested: no drill record in records/drills");
    let good = drill(&lab);
    record(&lab, &good);
    reason(GapState::Open, "rehearsed for ICX-GLOSS; the package names no target");
    lab.shell("sed -i 's/^target = .*/target = \"ICX-GLOSS\"/' cutgate.toml");
    reason(GapState::Open, "no pinned operator signed the drill record records/drills/first.json (absent");
    assert_eq!(lab.follow("GAP-6").len(), 1);
    let closed = reason(GapState::Closed, "revert rehearsed at E3 for this tree and ICX-GLOSS");
    let sign = |key: &str| {
        let fingerprint =
            if key == "auditor" { &lab.shared.built.keys.auditor } else { &lab.shared.built.keys.operator };
        lab.shell(&format!(
            "gpg --homedir keys/home --batch --local-user {fingerprint} --armor --detach-sign records/drills/first.json"
        ));
    };
    let early = good.started - chrono::Duration::days(40);
    let (mut unequal, mut idle) = (good.clone(), good.clone());
    unequal.phases[4].after = "b".to_owned();
    idle.phases[4].mutated = "a".to_owned();
    for (changed, key, said) in [
        (DrillRecord { tree_digest: "0".repeat(64), ..good.clone() }, "operator", "rehearsed on another tree"),
        (
            DrillRecord { target: "ICX-ROLES".to_owned(), ..good.clone() },
            "operator",
            "rehearsed for ICX-ROLES; the target is ICX-GLOSS",
        ),
        (
            DrillRecord { host: "elsewhere".to_owned(), ..good.clone() },
            "operator",
            "rehearsed on elsewhere, not on vmi3080463",
        ),
        (good.clone(), "auditor", "no pinned operator signed the drill record"),
        (DrillRecord { started: early, finished: early, ..good.clone() }, "operator", "the drill is stale"),
        (DrillRecord { level: Level::E2, ..good.clone() }, "operator", "proved at E2 only"),
        (DrillRecord { restore_compared: false, ..good.clone() }, "operator", "proved at E3 without comparing only"),
        (unequal, "operator", "not brought back in a drill of this tree and target: lifecycle_enact"),
        (idle, "operator", "not brought back in a drill of this tree and target: lifecycle_enact"),
        (DrillRecord { phases: good.phases[1..].to_vec(), ..good.clone() }, "operator", "target: pre_write_backup"),
    ] {
        record(&lab, &changed);
        sign(key);
        reason(GapState::Open, said);
    }
    record(&lab, &good);
    sign("operator");
    assert_eq!(reason(GapState::Closed, "").next, closed.next);
    lab.shell("sed -i 's/E3/E4/' records/drills/first.json");
    reason(GapState::Open, "no pinned operator signed the drill record");
}

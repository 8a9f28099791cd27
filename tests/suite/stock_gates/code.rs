//! GAP-9: the code is wired in whole or in part.

use super::Lab;
use cutgate::gates::GapState;

/// Deploys the release with the live branches: the step that the gap itself names.
fn wire(lab: &Lab) {
    let next = lab.finding("GAP-9").next;
    lab.shell(&next);
}

#[test]
fn gap_9_closes_when_every_phase_is_wired() {
    let lab = Lab::new();
    let untouched = lab.audit();
    wire(&lab);
    let (audit, changed) = lab.changes(&untouched);
    let finding = audit.gap("GAP-9");
    assert_eq!(finding.state, GapState::Closed, "{}", finding.reason);
    assert!(finding.reason.starts_with("all 5 mutating phases write in a live run (pre_write_backup, cut_leg_a"));
    // The tree is another than the one that was pinned and run dry.
    assert_eq!(changed, ["GAP-1", "GAP-2", "GAP-9"]);
}

#[test]
fn gap_9_tells_half_a_wiring_from_a_whole_one() {
    let phases = "host/opt/cutter/v0.7/cutter/phases";
    let deployed = "host/opt/cutter/v0.6/cutter/phases";
    for (change, state, said) in [
        (format!("cp {deployed}/write_verify.py {phases}/"), GapState::Open, "live branch missing in write_verify"),
        (format!("cp {deployed}/*.py {phases}/"), GapState::Open, "no live-execution code path exists"),
        (
            format!("sed -i '/^            require_execution_enabled/d' {phases}/lifecycle_enact.py"),
            GapState::Partial,
            "a live run is not refused while the switch is off in lifecycle_enact",
        ),
        (
            format!("sed -i '/if not units/,+1d' {phases}/../adapters/prod_iu_adapter_canonical.py"),
            GapState::Partial,
            "a live run writes only on some paths in cut_leg_a",
        ),
        (
            format!(
                "sed -i 's/^            return self.passed({{\"verify_result\": 1,/            self.discoverer.simulate_write_verify(ctx)\\n&/' {phases}/write_verify.py"
            ),
            GapState::Open,
            "a LIVE run would fall through to the simulator in write_verify",
        ),
        (
            "rm host/opt/cutter/v0.7/cutter/adapters/prod_iu_adapter_canonical.py".to_owned(),
            GapState::Unknown,
            "cutter.adapters.prod_iu_adapter_canonical is not in the tree",
        ),
        (format!("rm {phases}/leg_b_record.py"), GapState::Open, "phases that are not in the tree: leg_b_record"),
        ("rm -r host/opt/cutter/v0.7".to_owned(), GapState::Open, "/opt/cutter/v0.7 is absent"),
    ] {
        let lab = Lab::new();
        wire(&lab);
        lab.shell(&change);
        let finding = lab.finding("GAP-9");
        let found = format!("{change}: {} {}", finding.state.word(), finding.reason);
        assert!(finding.state == state && finding.reason.contains(said), "{found}");
    }
}

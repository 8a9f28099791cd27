//! Thresholds that nothing reaches, or that everything does.

use super::Trap;

#[test]
fn a_threshold_that_cannot_be_reached() {
    for (threshold, said) in [
        ("2", "2 of 1 sovereign keys can never be reached"),
        ("0", "no signature at all would suffice"),
        ("-1", "no signature at all would suffice"),
    ] {
        let trap = Trap::new();
        trap.replace("cutgate.toml", "sovereign_threshold = 1", &format!("sovereign_threshold = {threshold}"));
        trap.refused(&["audit"], said);
    }
    for (from, to, gap) in [
        // No age at all, one before it began, more space than there is, a level beyond the highest, no document small enough.
        ("dry_run_max_age = \"168h\"", "dry_run_max_age = \"0s\"", "GAP-2"),
        ("dry_run_max_age = \"168h\"", "dry_run_max_age = \"-1h\"", "GAP-2"),
        ("drill_max_age = \"720h\"", "drill_max_age = \"soon\"", "GAP-6"),
        ("min_free_mb = 64", "min_free_mb = 9223372036854775807", "GAP-5"),
        ("drill_level = 3", "drill_level = 5", "GAP-6"),
        ("max_units = 50", "max_units = 0", "GAP-8"),
        ("run_horizon = \"24h\"", "run_horizon = \"9000000h\"", "GAP-3"),
    ] {
        let trap = Trap::new();
        trap.replace("cutgate.toml", from, to);
        let output = trap.cutgate(&["audit", "--format", "json"]);
        // Refused when it is loaded, or never fulfilled; but never taken for fulfilled.
        if output.status.code() != Some(2) {
            assert_ne!(trap.blocked_in(&output).gaps[gap].0, "CLOSED", "{to}");
        }
    }
    let trap = Trap::new();
    trap.replace("cutgate.toml", "probe = \"30s\"", "probe = \"0s\"");
    let output = trap.cutgate(&["audit", "--format", "json"]);
    assert!(matches!(output.status.code(), Some(2 | 3)), "{:?}", output.status);
}

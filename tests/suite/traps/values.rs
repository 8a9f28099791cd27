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
    // No age at all, more space than there is, a level beyond the highest, a document of no clause.
    let unreachable = [
        ("dry_run_max_age = \"168h\"", "dry_run_max_age = \"0s\"", "GAP-2"),
        ("min_free_mb = 64", "min_free_mb = 4398046511104", "GAP-5"),
        ("drill_level = 3", "drill_level = 5", "GAP-6"),
        ("max_units = 50", "max_units = 0", "GAP-8"),
    ];
    let trap = Trap::new();
    for (from, to, _) in unreachable {
        trap.replace("cutgate.toml", from, to);
    }
    let seen = trap.blocked();
    for (_, to, gap) in unreachable {
        assert_ne!(seen.gaps[gap].0, "CLOSED", "{to}: {:#?}", seen.gaps);
    }
    // An age before it began, and one that is no age.
    let trap = Trap::new();
    trap.replace("cutgate.toml", "dry_run_max_age = \"168h\"", "dry_run_max_age = \"-1h\"");
    trap.replace("cutgate.toml", "drill_max_age = \"720h\"", "drill_max_age = \"soon\"");
    let seen = trap.blocked();
    for gap in ["GAP-2", "GAP-6"] {
        assert_ne!(seen.gaps[gap].0, "CLOSED", "{:#?}", seen.gaps);
    }
    // A number that the evidence could not hold to the digit, and no time at all.
    for (from, to, said) in [
        ("min_free_mb = 64", "min_free_mb = 9223372036854775807", "min_free_mb"),
        ("probe = \"30s\"", "probe = \"0s\"", "`0s` is not a duration"),
    ] {
        let trap = Trap::new();
        trap.replace("cutgate.toml", from, to);
        trap.refused(&["audit"], said);
    }
}

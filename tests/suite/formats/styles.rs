//! `--exit-style nagios`: the codes of a monitoring plugin, where they are asked for and nowhere else.

use std::fs;

use crate::audit::Lab;
use crate::traps::Trap;

use super::text;

/// The exit code and the first line.
fn plugin(lab: &Lab, args: &[&str]) -> (i32, String) {
    let args = [&["audit", "--format", "nagios", "--exit-style", "nagios"], args].concat();
    let output = lab.cutgate(&args);
    (output.status.code().unwrap(), text(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

#[test]
fn a_plugin_ends_with_the_codes_of_a_plugin() {
    let trap = Trap::new();
    let ready = trap.cutgate(&["audit", "--format", "nagios", "--exit-style", "nagios"]);
    assert_eq!(ready.status.code(), Some(0));
    assert!(
        text(&ready.stdout).starts_with("CUTGATE OK - B — APPROVAL_READY | closed=8;;;0;9 "),
        "{}",
        text(&ready.stdout)
    );
    let more = trap.cutgate(&["audit", "--require", "A", "--format", "nagios", "--exit-style", "nagios"]);
    assert_eq!(more.status.code(), Some(2), "{}", text(&more.stdout));
    assert!(text(&more.stdout).starts_with("CUTGATE CRITICAL - B — APPROVAL_READY: "), "{}", text(&more.stdout));
    let lab = Lab::new();
    let (code, line) = plugin(&lab, &[]);
    assert_eq!(code, 2, "{line}");
    assert!(line.starts_with("CUTGATE CRITICAL - C — BLOCKED_WITH_EXACT_O8_GAP: "), "{line}");
    assert!(line.ends_with(" | closed=2;;;0;9 waived=0;;;0;9 partial=1;;;0;9 unknown=0;;;0;9 open=6;;;0;9"), "{line}");
    // Without the style the code is the contract's.
    assert_eq!(lab.cutgate(&["audit", "--format", "nagios"]).status.code(), Some(1));
    let (code, line) = plugin(&lab, &["--only", "GAP-4"]);
    assert!(
        code == 1 && line.starts_with("CUTGATE WARNING - 1 of 9 gates were judged; not judged: "),
        "PARTIAL is no OK: {line}"
    );
    let (code, line) = plugin(&lab, &["--only", "GAP-4,GAP-3"]);
    assert!(code == 2 && line.starts_with("CUTGATE CRITICAL - "), "{line}");
    let (code, line) = plugin(&lab, &["--only", "GAP-1"]);
    assert!(code == 0 && line.starts_with("CUTGATE OK - 1 of 9 gates were judged; not judged: "), "{line}");
    fs::write(lab.path("governance.db"), "this is no database").unwrap();
    for more in [&[][..], &["--only", "GAP-4"]] {
        let (code, line) = plugin(&lab, more);
        assert!(code == 3 && line.starts_with("CUTGATE UNKNOWN - "), "{line}");
    }
    // What keeps the plugin from its work is said where monitoring reads.
    let (code, line) = plugin(&lab, &["--only", "nothing"]);
    assert!(code == 3 && line.starts_with("CUTGATE UNKNOWN - no gate or gap is called `nothing`"), "{line}");
    fs::write(lab.path("reports/ledger.jsonl"), "{}\n").unwrap();
    let (code, line) = plugin(&lab, &[]);
    assert!(code == 2 && line.starts_with("CUTGATE CRITICAL - "), "tampering is not unknown: {line}");
}

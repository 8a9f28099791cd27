//! `demo --story`: the whole story, from blocked to a verified run.

use super::text;

#[test]
fn the_story_goes_from_c_through_b_and_d_to_a() {
    let folder = tempfile::Builder::new().prefix("cg").tempdir_in("/tmp").unwrap();
    let output = super::cutgate(folder.path(), &["demo", "lab", "--story"], &[]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    let mut rest = said.as_str();
    for turn in [
        "result: C — BLOCKED_WITH_EXACT_O8_GAP",
        "GAP-9: CLOSED",
        "dump: restored and compared (E3)",
        "result: B — APPROVAL_READY",
        "result: B — APPROVED_NOT_EXECUTED",
        "FAILED, PARTLY WRITTEN",
        "result: D — PRODUCTION_RUN_NOT_VERIFIED / ROLLED_BACK_VERIFIED",
        "result: B — APPROVED_NOT_EXECUTED",
        "result: A — PRODUCTION_RUN_VERIFIED",
        "enacted|12",
        "rehearsal of ICX-GLOSS at E3, 5 of 5 phases brought back",
    ] {
        let at = rest.find(turn).unwrap_or_else(|| panic!("{turn} does not come, in this order:\n{said}"));
        rest = &rest[at..];
    }
    let agent = std::process::Command::new("gpgconf")
        .args(["--kill", "all", "--homedir"])
        .arg(folder.path().join("lab/keys/home"))
        .status();
    assert!(agent.is_ok_and(|status| status.success()));
}

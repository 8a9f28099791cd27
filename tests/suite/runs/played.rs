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
    // The record of the rehearsal is in the chain: edited by hand, it does not verify.
    let lab = folder.path().join("lab");
    let edit = "sed -i 's/\"level\":\"E3\"/\"level\":\"E4\"/' reports/*/drill.json";
    assert!(std::process::Command::new("bash").args(["-c", edit]).current_dir(&lab).status().unwrap().success());
    let verified = super::cutgate(&lab, &["verify", "reports"], &[]);
    assert_eq!(verified.status.code(), Some(6), "{}", text(&verified.stdout));
    assert!(text(&verified.stderr).contains("drill.json: it is not what was published"), "{}", text(&verified.stderr));
    let agent = std::process::Command::new("gpgconf")
        .args(["--kill", "all", "--homedir"])
        .arg(folder.path().join("lab/keys/home"))
        .status();
    assert!(agent.is_ok_and(|status| status.success()));
}

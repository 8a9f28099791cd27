//! `demo --story`: the whole story, from blocked to a verified run; and the scenario that ends where an approval is missing.

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
    end_agent(&lab);
}

#[test]
fn the_scenario_approval_ready_lacks_the_approval_alone() {
    let folder = tempfile::Builder::new().prefix("cg").tempdir_in("/tmp").unwrap();
    let output = super::cutgate(folder.path(), &["demo", "lab", "--scenario", "approval-ready"], &[]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    assert!(said.ends_with("cutgate.toml request\n"), "{said}");
    let lab = folder.path().join("lab");
    let audit = super::cutgate(&lab, &["audit", "--format", "json"], &[]);
    let result: serde_json::Value = serde_json::from_slice(&audit.stdout).expect("JSON");
    assert_eq!(result["result"]["letter"], "B", "{}", result["result"]);
    assert_eq!(result["result"]["label"], "APPROVAL_READY");
    for gate in result["gates"].as_array().expect("gates") {
        let demanded = if gate["gap"] == "GAP-7" { "OPEN" } else { "CLOSED" };
        assert_eq!(gate["state"], demanded, "{gate}");
    }
    // The first thing that is missing from here can be done: a request is opened.
    let request = super::cutgate(&lab, &["request"], &[]);
    assert_eq!(request.status.code(), Some(0), "{}", text(&request.stderr));
    // The story has its own beginning.
    let both = super::cutgate(folder.path(), &["demo", "other", "--scenario", "approval-ready", "--story"], &[]);
    assert_eq!(both.status.code(), Some(2));
    assert!(text(&both.stderr).contains("--story begins with o8-blocked"), "{}", text(&both.stderr));
    assert!(!folder.path().join("other").exists());
    end_agent(&lab);
}

/// Ends the agent that keeps the laboratory's secret keys.
fn end_agent(lab: &std::path::Path) {
    let agent = std::process::Command::new("gpgconf")
        .arg("--homedir")
        .arg(lab.join("keys/home"))
        .args(["--kill", "all"])
        .status();
    assert!(agent.is_ok_and(|status| status.success()));
}

//! One change at a time to the laboratory: what it does to the gap that it is about, and to no other.

use super::Lab;
use cutgate::gates::{AttestationStatus, CheckOutcome, GapState, attest};

#[test]
fn gap_1_opens_when_the_tree_the_host_or_the_switch_is_another() {
    let untouched = Lab::new().audit();
    let tree = "host/opt/cutter/v0.6";
    for (change, state, others, said) in [
        (
            format!("echo '# later' >> {tree}/cutter/units.py"),
            GapState::Open,
            true,
            "30 of 31 files match their manifest; altered: cutter/units.py",
        ),
        (format!("rm {tree}/cutter/units.py"), GapState::Open, true, "missing: cutter/units.py"),
        (
            format!("touch {tree}/cutter/more.py"),
            GapState::Open,
            true,
            "1 files that the manifest does not know: cutter/more.py",
        ),
        (
            format!(
                "echo '# later' >> {tree}/README.md; cd {tree}; find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum > ../v0.6.sha256"
            ),
            GapState::Open,
            true,
            "the package pins",
        ),
        (
            "echo other-host > host/etc/hostname".to_owned(),
            GapState::Open,
            false,
            "wrong host: this is other-host, not vmi3080463",
        ),
        (
            "tr 0-9 1-90 < host/etc/machine-id > m; mv m host/etc/machine-id".to_owned(),
            GapState::Open,
            false,
            "has the machine id",
        ),
        (
            "echo x >> host/opt/cutter/v0.4/VERSION".to_owned(),
            GapState::Partial,
            false,
            "the v0.4 skeleton was touched: 4 of 5 files match; altered: VERSION",
        ),
        (
            "rm -r host/opt/cutter/v0.4; mkdir host/opt/cutter/v0.4".to_owned(),
            GapState::Partial,
            false,
            "0 of 5 files match",
        ),
    ] {
        let lab = Lab::new();
        lab.shell(&change);
        let (audit, changed) = lab.changes(&untouched);
        let finding = audit.gap("GAP-1");
        assert!(
            finding.state == state && finding.reason.contains(said),
            "{change}: {} {}",
            finding.state.word(),
            finding.reason
        );
        // Another tree was not run dry.
        let expected: &[&str] = if others { &["GAP-1", "GAP-2"] } else { &["GAP-1"] };
        assert_eq!(changed, expected, "{change}");
    }
}

#[test]
fn gap_1_opens_when_the_switch_is_on() {
    let lab = Lab::new();
    lab.shell(
        "sed -i 's/^__execution_enabled__ = False/__execution_enabled__ = True/' host/opt/cutter/v0.6/cutter/switch.py",
    );
    let audit = lab.audit();
    let checks = &audit.gap("GAP-1").checks;
    let switch = checks.iter().find(|check| check.id == "switch-off").unwrap();
    assert_eq!(switch.outcome, CheckOutcome::Fails);
    assert!(switch.detail.contains("cutter.switch.__execution_enabled__ is True"), "{}", switch.detail);
}

/// A switch whose value at rest cannot be told is neither off nor attested to have stayed off.
#[test]
fn a_switch_that_cannot_be_read_is_not_off() {
    let lab = Lab::new();
    lab.shell(
        "sed -i 's/^__execution_enabled__ = False/import os\\n__execution_enabled__ = os.path.exists(\"on\")/' host/opt/cutter/v0.6/cutter/switch.py",
    );
    let audit = lab.audit();
    let switch = audit.gap("GAP-1").checks.iter().find(|check| check.id == "switch-off").unwrap();
    assert_eq!(switch.outcome, CheckOutcome::Unknown, "{}", switch.detail);
    let rows = attest(&audit.loaded.forbidden, &audit.loaded.package, &audit.evidence);
    let row = rows.iter().find(|row| row.id == "enable-switch").unwrap();
    assert_eq!((row.status, row.remark.as_str()), (AttestationStatus::NotAttested, ""), "{row:?}");
}

#[test]
fn gap_2_needs_a_young_equal_record_of_this_tree() {
    let untouched = Lab::new().audit();
    for (change, said) in [
        ("rm records/*.json", "no dry-run record in records"),
        ("sed -i 's/\"tree_digest\":\"./\"tree_digest\":\"x/' records/*.json", "no dry-run record for tree"),
        (
            "sed -i 's/\"host\":\"vmi3080463\"/\"host\":\"vmi1\"/' records/*.json",
            "this tree was run dry on vmi1, not on vmi3080463",
        ),
        (
            r#"sed -i -E 's/"(finished|started)":"20../"\1":"2019/g' records/*.json"#,
            "dry run of this tree is stale: finished 2019",
        ),
        (
            r#"sed -i -E 's/"counts_after":\{"([a-z_]+)":/"counts_after":{"\1":9/' records/*.json"#,
            "row counts before and after differ",
        ),
        (r#"sed -i 's/"cut_leg_a",//' records/*.json"#, "no young dry run of this tree went through every phase"),
    ] {
        let lab = Lab::new();
        lab.shell(change);
        let (audit, changed) = lab.changes(&untouched);
        let finding = audit.gap("GAP-2");
        assert_eq!(changed, ["GAP-2"], "{change}");
        assert!(finding.state == GapState::Open && finding.reason.contains(said), "{change}: {}", finding.reason);
    }
    let lab = Lab::new();
    lab.shell("rm records/*.json");
    assert_eq!(lab.follow("GAP-2").len(), 1);
    lab.shell("echo '{' > records/half.json");
    assert_eq!(lab.audit().gap("GAP-2").state, GapState::Unknown, "what cannot be read may say the opposite");
}

#[test]
fn gap_3_closes_by_the_steps_that_it_names() {
    let lab = Lab::new();
    let untouched = lab.audit();
    let reasons = lab.follow("GAP-3");
    assert_eq!(reasons, ["empty keyring → no real backup", "BACKUP_GPG_FPR is not set in /etc/cutter/cutter.env"]);
    let (audit, changed) = lab.changes(&untouched);
    assert_eq!(changed, ["GAP-3"]);
    assert!(audit.gap("GAP-3").reason.contains("Demonstration backup"), "{}", audit.gap("GAP-3").reason);
    lab.shell("sed -i 's/^BACKUP_GPG_FPR=./BACKUP_GPG_FPR=G/' host/etc/cutter/cutter.env");
    assert!(lab.audit().gap("GAP-3").reason.starts_with("BACKUP_GPG_FPR in /etc/cutter/cutter.env is G"));
    assert_eq!(lab.follow("GAP-3").len(), 1);
}

#[test]
fn gap_3_stays_open_for_another_key() {
    let lab = Lab::new();
    lab.shell("gpg --homedir gnupg --batch --no-autostart --import keys/operator.asc");
    assert!(lab.audit().gap("GAP-3").reason.ends_with("is not among the 1 in the keyring"));
    lab.shell("sed -i 's/^backup_fingerprint = .*/backup_fingerprint = \"\"/' cutgate.toml");
    let audit = lab.audit();
    assert_eq!(audit.gap("GAP-3").state, GapState::Open);
    assert!(audit.gap("GAP-3").reason.contains("it is empty"), "{}", audit.gap("GAP-3").reason);
    lab.shell("head -c 100 /dev/urandom > gnupg/pubring.kbx");
    let keyring = lab.audit();
    let filled = keyring.gap("GAP-3").checks.iter().find(|check| check.id == "keyring-filled").unwrap();
    assert_eq!(filled.outcome, CheckOutcome::Unknown, "a damaged keyring is not an empty one: {}", filled.detail);
}

#[test]
fn gap_4_closes_by_pinning_the_decision_and_opens_by_the_roles() {
    let lab = Lab::new();
    let untouched = lab.audit();
    assert_eq!(lab.follow("GAP-4"), ["roles present, DQ_4 unpinned"]);
    let (audit, changed) = lab.changes(&untouched);
    assert_eq!(changed, ["GAP-4"]);
    assert!(audit.gap("GAP-4").reason.ends_with("DQ_4 pinned to operator"), "{}", audit.gap("GAP-4").reason);
    for (change, state, said) in [
        (
            "UPDATE decision SET principal = 'somebody' WHERE id = 'DQ_4'",
            GapState::Partial,
            "DQ_4 pinned to somebody, whom nobody knows",
        ),
        (
            "UPDATE decision SET status = 'withdrawn' WHERE id = 'DQ_4'",
            GapState::Partial,
            "roles present, DQ_4 withdrawn",
        ),
        ("DELETE FROM decision WHERE id = 'DQ_4'", GapState::Partial, "roles present, DQ_4 not registered"),
        (
            "INSERT INTO grants VALUES ('cutter_reader', 'unit_version', 'DELETE')",
            GapState::Open,
            "cutter_reader DELETE unit_version",
        ),
        ("DELETE FROM grants WHERE principal = 'cutter_enactor'", GapState::Open, "a grant is missing"),
        ("UPDATE principal SET can_login = 1 WHERE kind = 'owner'", GapState::Open, "can log in: cutter_owner"),
        ("UPDATE principal SET superuser = 1 WHERE kind = 'writer'", GapState::Open, "superuser: cutter_writer"),
        ("DELETE FROM principal WHERE kind = 'guard'", GapState::Open, "roles missing: guard"),
        ("DROP TABLE grants", GapState::Open, "roles missing"),
        ("DROP TABLE principal", GapState::Unknown, "cannot be told"),
    ] {
        lab.shell(&format!("sqlite3 governance.db \"{change}\""));
        let audit = lab.audit();
        let finding = audit.gap("GAP-4");
        assert!(
            finding.state == state && finding.reason.contains(said),
            "{change}: {} {}",
            finding.state.word(),
            finding.reason
        );
    }
}

#[test]
fn gap_5_closes_by_the_steps_that_it_names() {
    let lab = Lab::new();
    let untouched = lab.audit();
    let reasons = lab.follow("GAP-5");
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    let (audit, changed) = lab.changes(&untouched);
    assert_eq!(changed, ["GAP-5"]);
    assert!(audit.gap("GAP-5").reason.contains("0 locks"), "{}", audit.gap("GAP-5").reason);
    for (change, state, said, closes) in [
        (
            "touch -d '2 hours ago' host/var/lib/cutter/locks/run.lock",
            GapState::Open,
            "stale locks: /var/lib/cutter/locks/run.lock (1",
            true,
        ),
        (
            "chmod 0755 host/var/lib/cutter/runs",
            GapState::Open,
            "/var/lib/cutter/runs (mode 0755, expected 0770)",
            true,
        ),
        (
            "sed -i 's/^commit = \"5/commit = \"6/' host/etc/cutter/cutter.toml",
            GapState::Open,
            "stale pin: /etc/cutter/cutter.toml pins commit 6d0c",
            true,
        ),
        ("chmod 0644 host/etc/cutter/cutter.env", GapState::Partial, "/etc/cutter/cutter.env has mode 0644", true),
        (
            "sed -i 's/^max_units = 50/max_units = \"many\"/' host/etc/cutter/cutter.toml",
            GapState::Open,
            "orchestrator.max_units",
            false,
        ),
        ("sed -i '/^CUTTER_DB_PASSWORD/d' host/etc/cutter/cutter.env", GapState::Open, "", false),
    ] {
        lab.shell(change);
        let audit = lab.audit();
        let finding = audit.gap("GAP-5");
        assert!(
            finding.state == state && finding.reason.contains(said),
            "{change}: {} {}",
            finding.state.word(),
            finding.reason
        );
        if closes {
            assert_eq!(lab.follow("GAP-5").len(), 1, "{change}");
        }
    }
    let text = format!("{:?}", lab.audit().evidence);
    assert!(!text.contains("demonstration-only"), "no value of a secret is a fact");
}

#[test]
fn gap_7_names_what_claims_to_approve() {
    let lab = Lab::new();
    let untouched = lab.audit();
    let macro_id = &untouched.loaded.package.macro_id;
    lab.write(
        "kb/approvals/2026-06-01-sg1-cut.md",
        &format!(
            "---\nkind: approval\nmacro: {macro_id}\ngate: SG_1_cut_authz\nrun_id: 0b8a5d1e-6c55-4d0e-9c7b-0c1a3b1d2e4f\n\
             signed_utc: {}\nallowance: explicit\nscope: cut\npayload_sha256: {}\n---\n\n# Approved\n",
            chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            "0".repeat(64)
        ),
    );
    let (audit, changed) = lab.changes(&untouched);
    let finding = audit.gap("GAP-7");
    assert_eq!((changed, finding.state), (vec!["GAP-7".to_owned()], GapState::Open));
    let expected =
        "approval is not clear: kb/approvals/2026-06-01-sg1-cut.md claims to approve this run and does not count";
    assert!(finding.reason.starts_with(expected), "{}", finding.reason);
    assert!(finding.reason.contains("no detached signature"), "{}", finding.reason);
    assert_eq!(audit.approval().word(), "invalid");
    lab.shell("rm kb/approvals/2026-06-01-sg1-cut.md; printf 'ruling \\377' > kb/rulings/damaged.md");
    let audit = lab.audit();
    let finding = audit.gap("GAP-7");
    assert!(finding.reason.contains("read kb/rulings/damaged.md as auditor: not UTF-8 from byte 7 on"), "{finding:?}");
    assert_eq!(finding.state, GapState::Unknown, "what could not be read may be the approval");
    assert_eq!(audit.approval().word(), "unknown");
    lab.shell("rm -r kb");
    let audit = lab.audit();
    assert_eq!(audit.gap("GAP-7").reason, "the knowledge base kb is absent");
}

//! Everything that looks like an approval and is none, on real files.

use super::*;

/// The reasons of the one candidate in a knowledge base that holds only `content`.
fn judged(content: &str) -> Value {
    let dir = tempfile::tempdir().expect("a folder");
    open_run(dir.path());
    put(dir.path(), "doc.md", content);
    let facts = facts_json(dir.path());
    assert_eq!(facts["complete"], true, "{}", facts["broken"]);
    let found = candidate(&facts, "kb/doc.md");
    assert_eq!(found["counts"], false, "nothing counts without a verifier");
    let claims = i64::from(found["claims"] == true);
    assert_eq!(facts["claims"], claims);
    found
}

fn reasons(found: &Value) -> Vec<String> {
    let list = found["reasons"].as_array().expect("a list");
    list.iter().map(|reason| reason.as_str().expect("text").to_owned()).collect()
}

#[test]
fn an_unsigned_approval_claims_and_does_not_count() {
    let found = judged(&approval(&[]));
    assert_eq!((&found["kind"], &found["claims"]), (&json!("approval"), &json!(true)));
    assert_eq!(found["signature"], "absent");
    assert_eq!(reasons(&found), ["no detached signature beside it"]);
    for (key, value) in [("gate", "SG_1_cut_authz"), ("run_id", RUN), ("macro_id", MACRO), ("allowance", "explicit")] {
        assert_eq!(found[key], value);
    }
}

#[test]
fn a_signature_that_nobody_verified_is_not_enough() {
    let dir = tempfile::tempdir().expect("a folder");
    open_run(dir.path());
    put(dir.path(), "a.md", approval(&[]));
    put(dir.path(), "a.md.asc", "-----BEGIN PGP SIGNATURE-----\n");
    let found = candidate(&facts_json(dir.path()), "kb/a.md");
    assert_eq!((&found["signature"], &found["counts"]), (&json!("present"), &json!(false)));
    assert_eq!(reasons(&found).len(), 1);
    assert_eq!(reasons(&found)[0], "not verified: the gate gives no `keyring`");
}

/// One field of an approval changed: the kind, whether it still claims, and the reason that is added.
#[test]
fn each_field_that_does_not_hold_is_a_reason() {
    let old = "2026-05-01T08:00:00Z";
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, bool, &'a str);
    let cases: &[Case<'_>] = &[
        (
            &[("macro_id", "v0.5-o7-x"), ("run_id", "run-1")],
            "approval",
            false,
            &format!("is for macro v0.5-o7-x, not {MACRO}"),
        ),
        (&[("macro_id", "v0.5-o7-x")], "approval", true, &format!("is for macro v0.5-o7-x, not {MACRO}")),
        (&[("macro_id", "")], "approval", true, "no detached signature beside it"),
        (&[("macro_id", ""), ("run_id", "run-1")], "approval", false, "for run run-1, which is not open"),
        (&[("run_id", "run-20260520-0001")], "approval", true, "for run run-20260520-0001, which is not open"),
        (&[("run_id", "")], "mention", false, "names no run_id"),
        (&[("run_id", "<RUN_ID>")], "template", false, "placeholder run_id <RUN_ID>"),
        (&[("run_id", "{run_id}")], "template", false, "placeholder run_id {run_id}"),
        (&[("run_id", "TBD")], "template", false, "placeholder run_id TBD"),
        (&[("run_id", "run-xxxx")], "template", false, "placeholder run_id run-xxxx"),
        (&[("run_id", "run-YYYYMMDD-NNNN")], "template", false, "placeholder run_id run-YYYYMMDD-NNNN"),
        (&[("gate", "<GATE>")], "template", false, "placeholder gate <GATE>"),
        (&[("payload_sha256", "<sha256>")], "approval", true, "placeholder payload_sha256 <sha256>"),
        (&[("gate", "")], "mention", false, "names no gate"),
        (
            &[("gate", "SG_9_other")],
            "mention",
            false,
            "is for gate SG_9_other, which is none of SG_1_cut_authz, SG_2_lifecycle_authz",
        ),
        (&[("allowance", "")], "approval", true, "no `allowance: explicit`"),
        (&[("allowance", "implied")], "approval", true, "no `allowance: explicit` (it says implied)"),
        (&[("scope", "")], "approval", true, "no `scope`"),
        (&[("signed_utc", old)], "approval", true, "expired: signed 2026-05-01T08:00:00Z, SG_1 lasts 24 h"),
        (
            &[("signed_utc", "2999-01-01T00:00:00Z")],
            "approval",
            true,
            "dated in the future: signed 2999-01-01T00:00:00Z",
        ),
        (&[("signed_utc", "21 May")], "approval", true, "signed_utc 21 May is not an instant (RFC 3339, with offset)"),
        (&[("signed_utc", "")], "approval", true, "no `signed_utc`"),
        (&[("payload_sha256", "")], "approval", true, "no `payload_sha256`"),
        (&[("payload_sha256", &"0".repeat(64))], "approval", true, "payload_sha256 differs from the request's"),
        (&[("status", "superseded")], "approval", true, "says of itself that it is superseded"),
        (&[("gate", "SG_2_lifecycle_authz")], "approval", true, "no `review_decision_id`, which SG_2 needs"),
        (
            &[("gate", "SG_2_lifecycle_authz"), ("signed_utc", old)],
            "approval",
            true,
            "expired: signed 2026-05-01T08:00:00Z, SG_2 lasts 12 h",
        ),
        (
            &[("generated_by", "cutter-runner")],
            "stub",
            false,
            "written by the runner itself (generated_by: cutter-runner)",
        ),
        (&[("author", "the executor")], "stub", false, "written by the runner itself (author: the executor)"),
        (&[("issued_by", "dot tool")], "stub", false, "written by the runner itself (issued_by: dot tool)"),
        (&[("author", "Ruth Toole")], "approval", true, "no detached signature beside it"),
        (&[("approval_requested", "NO")], "package", false, "says approval_requested: NO"),
        (&[("kind", "revocation")], "revocation", false, "takes an approval back; it gives none"),
        (&[("kind", "ruling")], "approval", true, "no detached signature beside it"),
    ];
    for (changes, kind, claims, reason) in cases {
        let found = judged(&approval(changes));
        assert_eq!((&found["kind"], &found["claims"]), (&json!(kind), &json!(claims)), "{changes:?} {found:#}");
        assert!(reasons(&found).contains(&(*reason).to_owned()), "{changes:?} {found:#}");
    }
}

#[test]
fn every_reason_is_listed_and_not_only_the_first() {
    let old = [
        ("macro_id", "v0.5-o7-x"),
        ("run_id", "run-20260410-0001"),
        ("signed_utc", "2026-04-10T08:00:00Z"),
        ("allowance", ""),
        ("author", "cutter"),
    ];
    assert_eq!(
        reasons(&judged(&approval(&old))),
        [
            "written by the runner itself (author: cutter)".to_owned(),
            format!("is for macro v0.5-o7-x, not {MACRO}"),
            "for run run-20260410-0001, which is not open".to_owned(),
            "no `allowance: explicit`".to_owned(),
            "expired: signed 2026-04-10T08:00:00Z, SG_1 lasts 24 h".to_owned(),
            "no detached signature beside it".to_owned(),
        ]
    );
}

#[test]
fn rulings_packages_stubs_and_templates_without_the_form_of_an_approval() {
    let cases = [
        (
            "---\nkind: ruling\nselects: v0.6-o8\n---\nNext.\n",
            "ruling",
            "selects the next work order; it authorises no run",
        ),
        ("---\ntype: ruling\naccepts: [WO-7]\n---\n", "ruling", "accepts a work order; it authorises no run"),
        ("# Ruling 2026-05-20\n\nO8 is next.\n", "ruling", "is a ruling on work orders; it authorises no run"),
        ("# O8 package\n\n- **approval_requested:** NO\n- approval: none\n", "package", "says approval_requested: NO"),
        ("---\napproval_requested: false\n---\n", "package", "says approval_requested: false"),
        ("---\ngate: none\nrun_id: none\napproval_requested: NO\n---\n", "package", "says approval_requested: NO"),
        ("---\nrun_id: n/a\n---\n# Report on approval\n", "mention", "names no gate"),
        ("---\ngate: SG_1_cut_authz\nrun_id: n/a\n---\n", "template", "placeholder run_id n/a"),
        ("---\ngate: SG_1_cut_authz\nrun_id: '-'\n---\n", "template", "placeholder run_id -"),
        ("---\ngate: SG_1_cut_authz\nrun_id:\n---\n", "template", "`run_id` is empty"),
        ("---\ngate: SG_1_cut_authz\nrun_id: none\n---\n", "template", "placeholder run_id none"),
        (
            "# Package\n\napproval_requested: NO\n\n    approve --run-id <RUN_ID>\n    run_id: <RUN_ID>\n",
            "package",
            "placeholder run_id <RUN_ID>",
        ),
        ("# Ruling\n\nrun_id: <RUN_ID>\n", "ruling", "is a ruling on work orders; it authorises no run"),
        (
            "# How to approve\n\n```\ngate: SG_1_cut_authz\nrun_id: <RUN_ID>\n```\n",
            "template",
            "placeholder run_id <RUN_ID>",
        ),
        (
            "# Approval\n\ngate: SG_1_cut_authz\nrun_id: run-7\nauthor: cutter\n",
            "stub",
            "written by the runner itself (author: cutter)",
        ),
        ("---\nrevokes: run-7\n---\n", "revocation", "takes an approval back; it gives none"),
        (
            "# Report\n\nNo approval was found for SG_1.\n",
            "mention",
            "only speaks of approval (approval, SG_1); its front matter names no gate and no run",
        ),
        (
            "Intro\n\n---\ngate: SG_1_cut_authz\nrun_id: run-7\n---\n",
            "mention",
            "only speaks of approval (SG_1); its front matter names no gate and no run",
        ),
        ("---\napproval: {gate: SG_1_cut_authz, run_id: run-7}\n---\n", "mention", "`approval` is not a scalar"),
    ];
    for (content, kind, reason) in cases {
        let found = judged(content);
        assert_eq!((&found["kind"], &found["claims"]), (&json!(kind), &json!(false)), "{content} {found:#}");
        assert!(reasons(&found).contains(&reason.to_owned()), "{content} {found:#}");
    }
}

#[test]
fn words_are_found_whole_in_any_form() {
    let dir = tempfile::tempdir().expect("a folder");
    let found = [
        "Approved.",
        "we APPROVE",
        "an approval",
        "authorised",
        "authorization",
        "see SG_2",
        "sg_1_cut_authz",
        "It is a GO!",
        "the sovereign",
        "a ruling",
        "Đã phê duyệt",
        "được chấp thuận",
        "bản duyệt",
        "phe\u{302} duye\u{323}\u{302}t",
        "PHÊ DUYỆT",
        "ap\u{200b}proval",
    ];
    let not = [
        "unauthorised",
        "Go to it",
        "ongoing",
        "category",
        "sovereignty",
        "misrulings",
        "SG_12",
        "proverb",
        "duyên",
        "author",
    ];
    for (i, text) in found.iter().chain(&not).enumerate() {
        put(dir.path(), &format!("{i:02}.md"), format!("# T\n\n{text}\n"));
    }
    put(dir.path(), "90_o8_approval-draft.md", "# T\n");
    let facts = facts_json(dir.path());
    let paths: Vec<&str> =
        facts["candidates"].as_array().expect("a list").iter().map(|it| it["path"].as_str().expect("text")).collect();
    let mut expected: Vec<String> = (0..found.len()).map(|i| format!("kb/{i:02}.md")).collect();
    expected.push("kb/90_o8_approval-draft.md".to_owned());
    assert_eq!(paths, expected);
    assert_eq!(facts["documents"], found.len() + not.len() + 1);
}

#[test]
fn rulings_are_listed_with_what_they_select() {
    let dir = tempfile::tempdir().expect("a folder");
    put(
        dir.path(),
        "rulings/2026-05-20-o7.md",
        format!("---\nkind: ruling\nmacro: {MACRO}\nselects: WO-8\n---\n# O7 accepted\n"),
    );
    let facts = facts_json(dir.path());
    let digest = sha256_hex(&fs::read(dir.path().join("kb/rulings/2026-05-20-o7.md")).expect("read"));
    assert_eq!(
        facts["rulings"],
        json!([{ "path": "kb/rulings/2026-05-20-o7.md", "title": "O7 accepted", "date": "2026-05-20", "macro_id": MACRO,
            "selects": "WO-8", "digest": digest }])
    );
    assert_eq!(facts["claims"], 0);
}

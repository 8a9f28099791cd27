//! The edges of the rules: what a document is called, where a body counts, what takes an approval back, and which
//! settings and keys are none.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};

use cutgate::probes::knowledge_base::{
    ApprovalGate, CandidateStanding, Document, OpenRun, Requests, Rules, SignatureFile, Spent, Verdict, judge,
};

use super::*;
use crate::harness::{as_nobody, open_dir};
use crate::keyring::Home;

fn document(name: &str, text: &str, signature: SignatureFile) -> Document {
    Document::parse(format!("kb/{name}"), name, text, signature)
}

fn rules(spent: Spent) -> Rules {
    let run = OpenRun { payload_sha256: sha256_hex(PAYLOAD.as_bytes()), spent };
    Rules {
        macro_id: MACRO.to_owned(),
        gates: vec![ApprovalGate { id: "SG_1_cut_authz".to_owned(), ttl_hours: 24 }],
        requests: Requests::Open(BTreeMap::from([(RUN.to_owned(), run)])),
        threshold: 1,
        complete: true,
        now: chrono::Utc::now(),
    }
}

/// The kind and the reasons of the only candidate, and whether it claims; its signatures are judged as `verdict` says.
fn judged(text: &str, rules: &Rules, verdict: &Verdict) -> (&'static str, bool, Vec<String>) {
    let documents = [document("a.md", text, SignatureFile::Present(b"signature".to_vec()))];
    let candidates = judge(&documents, rules, &|_| verdict.clone());
    assert_eq!(candidates.len(), 1, "{text}");
    (candidates[0].kind.word(), candidates[0].claims, candidates[0].reasons.clone())
}

fn unsigned() -> Verdict {
    Verdict::Judged { counted: Vec::new(), refused: vec!["unsigned".to_owned()] }
}

/// The kind and reasons with nothing spent.
fn plainly(text: &str) -> (&'static str, Vec<String>) {
    let (kind, _, reasons) = judged(text, &rules(Spent::No), &unsigned());
    (kind, reasons)
}

#[test]
fn a_document_is_called_by_its_title_its_heading_or_its_file() {
    let parse = |text: &str| document("notes/2026-05-20 plan.md", text, SignatureFile::Absent);
    let title = |text: &str| parse(text).title;
    assert_eq!(title("---\ntitle: Signed off\n---\n# Heading\n"), "Signed off");
    assert_eq!(title("---\ntitle: ''\n---\n# Heading\n"), "Heading");
    assert_eq!(title("#\n\n# The `second`\nline\n"), "The second");
    assert_eq!(title("Two\nlines\n===\n"), "Two lines");
    assert_eq!(title("Text\n"), "2026-05-20 plan");
    // The search for a heading ends between two letters.
    assert_eq!(title(&format!("# x{}\n", "é".repeat(40_000))), format!("x{}", "é".repeat(32_766)));
    assert_eq!(parse("Text\n").date, "2026-05-20");
    assert_eq!(parse("---\ndate: 2026-05-21\n---\n").date, "2026-05-21");
    let date = |name: &str| document(name, "", SignatureFile::Absent).date;
    assert_eq!(
        ["2026-13-45.md", "20260520.md", "2026x05x20.md", "a.2026-05-20.md"].map(date)[..],
        ["", "", "", "2026-05-20"]
    );
}

#[test]
fn a_front_matter_of_just_the_longest_length_or_of_nothing_is_read() {
    let broken = |inside: &str| {
        let text = format!("---\n{inside}\n---\n");
        document("a.md", &text, SignatureFile::Absent).broken.is_some()
    };
    let comment = |bytes: usize| format!("a: b\n#{}", "x".repeat(bytes - 7));
    assert!(!broken(&comment(64 << 10)) && broken(&comment((64 << 10) + 1)));
    assert!(!broken("~") && !broken("") && broken("x"));
}

/// A walk holds as many entries as its limit says, and a chain as many links; a document is no folder.
#[test]
fn a_walk_ends_at_its_limits_and_not_before() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["a.md", "b.md", "c.md"] {
        put(dir.path(), name, "# A\n");
    }
    let within = |entries: usize| {
        let limits = cutgate::probes::Limits { entries, ..cutgate::probes::Limits::default() };
        let given = json!({ "root": "kb", "macro_id": MACRO });
        let facts = crate::harness::collect_within("knowledge-base", dir.path(), given, limits).expect("facts");
        facts.get("complete") == Some(&Fact::Bool(true))
    };
    assert!(within(3) && within(4) && !within(2));
    let kb = dir.path().join("kb");
    symlink("a.md", kb.join("link01.md")).expect("symlink");
    for i in 2..=41 {
        symlink(format!("link{:02}.md", i - 1), kb.join(format!("link{i:02}.md"))).expect("symlink");
    }
    symlink("a.md/", kb.join("slash.md")).expect("symlink");
    let unreadable = problems(&facts_json(dir.path()), "unreadable");
    let paths: Vec<&str> = unreadable.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["kb/link41.md", "kb/slash.md"], "{unreadable:?}");
}

#[test]
fn an_authorisation_gate_is_called_by_its_number() {
    let short = |id: &str| ApprovalGate { id: id.to_owned(), ttl_hours: 1 }.short().to_owned();
    assert_eq!(
        [short("SG_2_lifecycle_authz"), short("SG_2"), short("CUT_OVER_authz")],
        ["SG_2", "SG_2", "CUT_OVER_authz"]
    );
    let standings = [
        (CandidateStanding::Valid, Some("valid")),
        (CandidateStanding::Invalid, Some("invalid")),
        (CandidateStanding::Expired, Some("expired")),
        (CandidateStanding::Revoked, Some("revoked")),
        (CandidateStanding::Consumed, Some("consumed")),
        (CandidateStanding::Unknown(MissingState::Denied), None),
    ];
    for (standing, word) in standings {
        assert_eq!(standing.word(), word);
    }
}

/// What the front matter calls a document, and what the body may say against it.
#[test]
fn what_a_document_is_by_few_words() {
    let cases = [
        ("---\nkind: approval\n---\n", "mention", "names no gate"),
        ("---\nstatus: approved\n---\n", "mention", "names no gate"),
        ("---\nkind: ruling\n---\n# On approval\n", "ruling", "is a ruling on work orders; it authorises no run"),
        ("---\nkind: note\n---\n# On approval\n", "mention", "only speaks of approval (approval)"),
        ("---\nselects: WO-8\n---\n# Approval\n", "ruling", "selects the next work order"),
        ("# Approval\n\ngate: SG_1_cut_authz\nauthor: cutter\n", "stub", "written by the runner itself"),
        ("# Approval\n\nrun_id: run-7\nauthor: cutter\n", "stub", "written by the runner itself"),
        ("# On approval\n\nauthor: cutter\n", "mention", "only speaks of approval (approval)"),
        ("# On approval\n\n| approval_requested | NO |\n", "package", "says approval_requested: NO"),
        ("# Approval\n\ngate: SG_1_cut_authz\nrun_id: <RUN_ID>\n", "template", "is a form to fill in"),
        // A sentence in brackets or a long text after the colon fills nothing in.
        ("# Approval\n\nrun_id: <the id of the new run>\n", "mention", "only speaks of approval (approval)"),
        (&format!("# Approval\n\nrun_id: <{}>\n", "x".repeat(60)), "mention", "only speaks of approval (approval)"),
        ("# Approval\n\nrun_id: \ngate: ??\n", "mention", "only speaks of approval (approval)"),
    ];
    for (text, kind, reason) in cases {
        let (found, reasons) = plainly(text);
        assert_eq!(found, kind, "{text} {reasons:?}");
        assert!(reasons.iter().any(|it| it.starts_with(reason)), "{text} {reasons:?}");
    }
    // An empty gate is said to be empty, and not to be missing too; nor is a placeholder another macro.
    let (_, reasons) = plainly("---\ngate: ''\nrun_id: run-7\nmacro_id: <MACRO>\n---\n");
    assert_eq!(reasons[..2], ["`gate` is empty", "placeholder macro_id <MACRO>"].map(str::to_owned));
    assert!(!reasons.iter().any(|it| it == "names no gate" || it.starts_with("is for macro")), "{reasons:?}");
    // Beside a gate in the front matter, the body's run is not looked at.
    let (kind, reasons) = plainly("---\ngate: SG_1_cut_authz\n---\nrun_id: <RUN_ID>\n");
    assert_eq!(kind, "mention");
    assert!(reasons.contains(&"names no run_id".to_owned()) && !reasons.iter().any(|it| it.contains("placeholder")));
    // A body may say for which macro it is; its first key counts.
    for said in ["macro_id: v0.5", "macro: v0.5"] {
        let text = approval(&[("macro_id", "")]) + said;
        let (_, claims, reasons) = judged(&text, &rules(Spent::No), &unsigned());
        assert!(claims && reasons.contains(&format!("is for macro v0.5, not {MACRO}")), "{reasons:?}");
    }
}

#[test]
fn a_revocation_takes_back_what_it_names_and_nothing_else() {
    let text = approval(&[]);
    let signer =
        cutgate::trust::Counted { signer: "0".repeat(40).parse().expect("a fingerprint"), created: chrono::Utc::now() };
    let good = Verdict::Judged { counted: vec![signer], refused: Vec::new() };
    let rules = rules(Spent::No);
    for (revokes, counts) in [("kb/a.md", false), ("a.md", false), ("other.md", true), ("md", true)] {
        let revocation = format!("---\nrevokes: {revokes}\n---\n");
        let documents = [
            document("a.md", &text, SignatureFile::Present(b"signature".to_vec())),
            document("b.md", &revocation, SignatureFile::Absent),
        ];
        assert_eq!(judge(&documents, &rules, &|_| good.clone())[0].counts, counts, "{revokes}");
    }
    let at = "2026-05-20T10:00:00Z".parse().expect("an instant");
    let spent = judged(&text, &self::rules(Spent::At(at)), &good);
    assert_eq!(spent.2, ["consumed by the run at 2026-05-20T10:00:00Z"]);
    // Of several keys that must sign, none did.
    let two = Rules { threshold: 2, ..rules };
    let none = Verdict::Judged { counted: Vec::new(), refused: Vec::new() };
    assert_eq!(judged(&text, &two, &none).2, ["no signature of the sovereign's"]);
    assert_eq!(judged(&text, &two, &unsigned()).2, ["signed by 0 of the 2 keys that must sign (unsigned)"]);
}

/// What a run consumed is told from what nobody consumed: a link to nothing, and a record that may not be read, are
/// neither.
#[test]
fn a_consumption_that_cannot_be_read_is_not_none() {
    let dir = open_dir();
    open_run(dir.path());
    put(dir.path(), "a.md", approval(&[]));
    let record = dir.path().join("runs").join(RUN).join("consumed.json");
    let consumed = || {
        let facts = as_nobody(|| facts(dir.path()));
        let Some(Fact::List(runs)) = facts.get("open_runs") else { panic!("{facts:?}") };
        state(&runs[0], "consumed")
    };
    symlink("nowhere", &record).expect("symlink");
    assert_eq!(consumed(), MissingState::Unreadable);
    fs::remove_file(&record).expect("rm");
    fs::write(&record, "{}").expect("write");
    assert_eq!(consumed(), MissingState::Unreadable);
    fs::set_permissions(&record, fs::Permissions::from_mode(0o000)).expect("chmod");
    assert_eq!(consumed(), MissingState::Denied);
}

#[test]
fn each_pinned_key_is_shown_with_what_it_may_do() {
    let home = Home::new();
    let [good, certifies, expired] =
        [("good", "cert,sign", "never"), ("certifies", "cert", "never"), ("old", "cert,sign", "seconds=1")]
            .map(|(name, usage, ends)| home.make(name, "ed25519", usage, ends, Some("20260101T000000")));
    let future = home.make("future", "ed25519", "cert,sign", "never", Some("20990101T000000"));
    let dir = tempfile::tempdir().expect("a folder");
    put(dir.path(), "a.md", "# A\n");
    fs::write(dir.path().join("ring.pgp"), home.gpg(&["--batch", "--export"], b"").stdout).expect("write");
    let stranger = "0".repeat(40);
    let pinned = [&good, &certifies, &expired, &stranger, &future];
    let facts = collect(
        "knowledge-base",
        dir.path(),
        json!({ "root": "kb", "macro_id": MACRO, "keyring": "ring.pgp", "pinned": pinned }),
    );
    let facts = serde_json::to_value(facts.expect("facts")).expect("JSON");
    let keys = facts["keys"].as_array().expect("a list");
    let shown: Vec<_> = keys.iter().map(|key| (key["fingerprint"].clone(), key["signs"].clone())).collect();
    assert_eq!(
        shown,
        [(&good, true), (&certifies, false), (&expired, false), (&stranger, false), (&future, false)]
            .map(|(print, signs)| (json!(print), json!(signs)))
    );
    assert_eq!(keys[0]["reason"], "good");
    assert_eq!(keys[1]["reason"], "none of its keys may sign");
    assert!(keys[2]["reason"].as_str().is_some_and(|it| it.contains("expired")), "{keys:#?}");
    assert_eq!(keys[3]["reason"], "it is not in the keyring");
    assert!(keys[4]["reason"].as_str().is_some_and(|it| it.starts_with("made in the future")), "{keys:#?}");
}

#[test]
fn settings_about_gates_and_keys_that_make_no_sense_are_told() {
    let probe = cutgate::probes::find("knowledge-base").expect("the probe");
    let said = |given: Value| {
        let mut all = json!({ "root": "kb", "macro_id": "m" });
        all.as_object_mut().expect("an object").extend(given.as_object().expect("an object").clone());
        let problems = probe.check(&crate::harness::settings(all));
        problems.into_iter().map(|problem| format!("{} {}", problem.name, problem.message)).collect::<Vec<_>>()
    };
    let key = "0123456789ABCDEF0123456789ABCDEF01234567";
    assert_eq!(
        said(json!({ "gates": ["SG_1_a,SG_1_b"] })),
        ["gates names no gate, or an empty one, or one with a comma"]
    );
    assert_eq!(said(json!({ "gates": ["SG_1_a", "SG_1_a"] })), ["gates names a gate twice"]);
    assert_eq!(said(json!({ "max_file_mb": 1024, "ttl_hours": { "SG_1_cut_authz": 744 } })), [""; 0]);
    assert_eq!(said(json!({ "max_file_mb": 1025, "ttl_hours": { "SG_1_cut_authz": 745 } })).len(), 2);
    assert_eq!(said(json!({ "keyring": "r", "pinned": [key] })), [""; 0]);
    assert_eq!(said(json!({ "keyring": "r", "pinned": [key, key] })), [format!("pinned {key} is pinned twice")]);
    assert_eq!(said(json!({ "keyring": "r", "pinned": ["0123"] })).len(), 1);
    assert_eq!(said(json!({ "pinned": [key] })), ["pinned there is no `keyring` to find these keys in"]);
    assert_eq!(said(json!({ "threshold": 0 })), ["threshold no signature at all would suffice"]);
    assert_eq!(said(json!({ "threshold": 1 })), [""; 0]);
    let two = said(json!({ "threshold": 2, "keyring": "r", "pinned": [key] }));
    assert_eq!(two, ["threshold 2 of 1 pinned keys can never be reached"]);
}

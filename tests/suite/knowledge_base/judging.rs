//! The judging code with a verifier, in both states.

use std::cell::RefCell;
use std::collections::BTreeMap;

use chrono::TimeDelta;
use cutgate::probes::knowledge_base::{
    ApprovalGate, Candidate, Document, Kind, Requests, Rules, SignatureFile, SignedDocument, Verdict, judge,
    no_verifier,
};
use proptest::prelude::*;

use super::*;

fn rules() -> Rules {
    let gate = |id: &str, ttl_hours| ApprovalGate { id: id.to_owned(), ttl_hours };
    Rules {
        macro_id: MACRO.to_owned(),
        gates: vec![gate("SG_1_cut_authz", 24), gate("SG_2_lifecycle_authz", 12)],
        requests: Requests::Open(BTreeMap::from([(RUN.to_owned(), sha256_hex(PAYLOAD.as_bytes()))])),
        complete: true,
        now: chrono::Utc::now(),
    }
}

fn document(name: &str, text: &str, signed: bool) -> Document {
    let signature = if signed { SignatureFile::Present(b"signature".to_vec()) } else { SignatureFile::Absent };
    Document::parse(format!("kb/{name}"), name, text, signature)
}

fn verified(_: &SignedDocument<'_>) -> Verdict {
    Verdict::Verified
}

fn only<'a>(candidates: &'a [Candidate<'a>]) -> &'a Candidate<'a> {
    assert_eq!(candidates.len(), 1);
    &candidates[0]
}

#[test]
fn the_verifier_decides_when_everything_else_holds() {
    let documents = [document("a.md", &approval(&[]), true)];
    let seen = RefCell::new(Vec::new());
    let watching = |signed: &SignedDocument<'_>| {
        seen.borrow_mut().push((signed.path.to_owned(), signed.bytes.to_vec(), signed.signature.to_vec()));
        Verdict::Verified
    };
    let rules = rules();
    let candidates = judge(&documents, &rules, &watching);
    assert_eq!(
        (only(&candidates).kind, only(&candidates).claims, only(&candidates).counts),
        (Kind::Approval, true, true)
    );
    assert!(only(&candidates).reasons.is_empty());
    let seen = seen.into_inner();
    assert_eq!((seen[0].0.as_str(), sha256_hex(&seen[0].1)), ("kb/a.md", documents[0].digest.clone()));
    assert_eq!(seen[0].2, b"signature");

    let refusing = |_: &SignedDocument<'_>| Verdict::NotVerified("signed by a key that is not pinned".to_owned());
    let candidates = judge(&documents, &rules, &refusing);
    assert!(only(&candidates).claims && !only(&candidates).counts);
    assert_eq!(only(&candidates).reasons, ["signed by a key that is not pinned"]);
    assert!(!only(&judge(&documents, &rules, &no_verifier)).counts);
}

#[test]
fn a_verified_signature_heals_no_other_reason() {
    let sg2 = [("gate", "SG_2_lifecycle_authz"), ("review_decision_id", "rd-7")];
    assert!(only(&judge(&[document("a.md", &approval(&sg2), true)], &rules(), &verified)).counts);
    let broken: &[(&str, &str)] = &[
        ("run_id", "run-1"),
        ("run_id", "<RUN_ID>"),
        ("run_id", ""),
        ("gate", "SG_3"),
        ("gate", ""),
        ("macro_id", "v0.5"),
        ("signed_utc", ""),
        ("signed_utc", "2026-05-01T00:00:00Z"),
        ("signed_utc", "2999-01-01T00:00:00Z"),
        ("allowance", ""),
        ("allowance", "EXPLICIT?"),
        ("payload_sha256", ""),
        ("payload_sha256", "00"),
        ("scope", ""),
        ("author", "cutter"),
        ("approval_requested", "NO"),
        ("kind", "revocation"),
        ("status", "draft"),
        ("review_decision_id", "<ID>"),
    ];
    for change in broken {
        let documents = [document("a.md", &approval(&[*change]), true)];
        let rules = rules();
        let candidates = judge(&documents, &rules, &verified);
        assert!(!only(&candidates).counts && !only(&candidates).reasons.is_empty(), "{change:?} {candidates:?}");
    }
    let unsigned = [document("a.md", &approval(&[]), false)];
    assert!(!only(&judge(&unsigned, &rules(), &verified)).counts);
    for requests in [Requests::NotGiven, Requests::Open(BTreeMap::new())] {
        let rules = Rules { requests, ..rules() };
        assert!(!only(&judge(&[document("a.md", &approval(&[]), true)], &rules, &verified)).counts);
    }
}

#[test]
fn nothing_counts_while_its_revocation_may_be_unread() {
    let rules = Rules { complete: false, ..rules() };
    let documents = [document("a.md", &approval(&[]), true)];
    let candidates = judge(&documents, &rules, &verified);
    assert!(only(&candidates).claims && !only(&candidates).counts);
    assert_eq!(only(&candidates).reasons, ["not everything could be read; its revocation may be among the rest"]);
}

#[test]
fn an_approval_lasts_to_the_second() {
    let now = chrono::Utc::now();
    let rules = Rules { now, ..rules() };
    let counts = |signed: chrono::DateTime<chrono::Utc>| {
        let text = approval(&[("signed_utc", &signed.to_rfc3339())]);
        only(&judge(&[document("a.md", &text, true)], &rules, &verified)).counts
    };
    assert!(counts(now));
    assert!(!counts(now + TimeDelta::seconds(1)));
    assert!(counts(now - TimeDelta::hours(24) + TimeDelta::seconds(1)));
    assert!(!counts(now - TimeDelta::hours(24)));
}

#[test]
fn revoked_and_ambiguous_approvals_do_not_count() {
    let rules = rules();
    let approval_text = approval(&[]);
    let revocations = [
        format!("---\nkind: revocation\nrun_id: {RUN}\n---\n"),
        format!("---\nkind: revocation\nrun_id: {RUN}\ngate: SG_1_cut_authz\n---\n"),
        format!("---\nrevokes: {RUN}\n---\n"),
        "---\nrevokes: a.md\n---\n".to_owned(),
        format!("---\nrevokes: {}\n---\n", sha256_hex(approval_text.as_bytes())),
    ];
    for revocation in &revocations {
        let documents = [document("a.md", &approval_text, true), document("b.md", revocation, false)];
        let candidates = judge(&documents, &rules, &verified);
        assert_eq!(candidates[0].reasons, ["revoked by kb/b.md"], "{revocation}");
        assert!(!candidates[0].counts);
    }
    for other in [
        "---\nkind: revocation\nrun_id: run-1\n---\n".to_owned(),
        format!("---\nkind: revocation\nrun_id: {RUN}\ngate: SG_2_lifecycle_authz\n---\n"),
    ] {
        let documents = [document("a.md", &approval_text, true), document("b.md", &other, false)];
        assert!(judge(&documents, &rules, &verified)[0].counts, "{other}");
    }

    let twice = [document("a.md", &approval_text, true), document("b.md", &approval(&[("scope", "two cuts")]), true)];
    let candidates = judge(&twice, &rules, &verified);
    assert!(candidates.iter().all(|candidate| candidate.claims && !candidate.counts));
    assert_eq!(candidates[0].reasons, ["approves the same gate and run as kb/b.md; which one holds is not clear"]);
    // One that expired does not cloud the one that was signed anew.
    let renewed = [
        document("a.md", &approval_text, true),
        document("b.md", &approval(&[("signed_utc", "2026-05-01T00:00:00Z")]), true),
    ];
    assert!(judge(&renewed, &rules, &verified)[0].counts);
}

proptest! {
    /// Whatever the fields hold, a candidate counts only as a claiming approval without a reason, and one that does not
    /// count says why.
    #[test]
    fn every_candidate_counts_or_says_why(
        lines in proptest::collection::vec(("gate|run_id|kind|approval_requested|author|status|macro_id|allowance|scope|title|selects|revokes",
            "SG_1_cut_authz|run-20260521-0007|<X>|TBD|none|NO|approval|ruling|cutter|explicit|v0\\.5|[a-z]{0,5}"), 0..8),
        body in "(approval|gate: SG_1\n|run_id: <RUN_ID>\n|GO|text|approval_requested: NO\n){0,4}",
        signed in any::<bool>(),
    ) {
        let front: BTreeMap<String, String> = lines.into_iter().collect();
        let front: String = front.iter().map(|(key, value)| format!("{key}: \"{value}\"\n")).collect();
        let documents = [document("a.md", &format!("---\n{front}---\n{body}"), signed)];
        for candidate in judge(&documents, &rules(), &verified) {
            prop_assert_eq!(candidate.counts, candidate.reasons.is_empty(), "{:?}", candidate);
            prop_assert!(candidate.claims || !candidate.counts);
            prop_assert!(candidate.kind == Kind::Approval || !candidate.claims);
        }
    }
}

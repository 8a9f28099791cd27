//! The judging code with a verifier, in both states.

use std::cell::RefCell;
use std::collections::BTreeMap;

use chrono::TimeDelta;
use cutgate::probes::knowledge_base::{
    ApprovalGate, Candidate, CandidateStanding, Document, Kind, OpenRun, Requests, Rules, SignatureFile,
    SignedDocument, Spent, Verdict, judge,
};
use cutgate::trust::Counted;
use proptest::prelude::*;

use super::*;

fn rules() -> Rules {
    let gate = |id: &str, ttl_hours| ApprovalGate { id: id.to_owned(), ttl_hours };
    Rules {
        macro_id: MACRO.to_owned(),
        gates: vec![gate("SG_1_cut_authz", 24), gate("SG_2_lifecycle_authz", 12)],
        requests: requests(Spent::No),
        threshold: 1,
        complete: true,
        now: chrono::Utc::now(),
    }
}

fn requests(spent: Spent) -> Requests {
    let run = OpenRun { payload_sha256: sha256_hex(PAYLOAD.as_bytes()), spent };
    Requests::Open(BTreeMap::from([(RUN.to_owned(), run)]))
}

fn document(name: &str, text: &str, signed: bool) -> Document {
    let signature = if signed { SignatureFile::Present(b"signature".to_vec()) } else { SignatureFile::Absent };
    Document::parse(format!("kb/{name}"), name, text, signature)
}

/// Signatures by so many distinct keys, made at these instants.
fn signed(instants: &[chrono::DateTime<chrono::Utc>]) -> Verdict {
    let counted = instants
        .iter()
        .enumerate()
        .map(|(i, created)| Counted { signer: format!("{i:040}").parse().expect("a fingerprint"), created: *created });
    Verdict::Judged { counted: counted.collect(), refused: Vec::new() }
}

fn verified(_: &SignedDocument<'_>) -> Verdict {
    signed(&[chrono::Utc::now()])
}

fn refused(why: &str) -> Verdict {
    Verdict::Judged { counted: Vec::new(), refused: vec![why.to_owned()] }
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
        verified(signed)
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

    let refusing = |_: &SignedDocument<'_>| refused("signed by a key that is not pinned");
    let candidates = judge(&documents, &rules, &refusing);
    assert!(only(&candidates).claims && !only(&candidates).counts);
    assert_eq!(only(&candidates).reasons, ["signed by a key that is not pinned"]);
    assert_eq!((only(&candidates).standing, &only(&candidates).signers), (CandidateStanding::Invalid, &Some(vec![])));
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
    assert_eq!(only(&candidates).standing, CandidateStanding::Unknown(MissingState::Unreadable));
    // What does not count anyway is not made unknown by it.
    let documents = [document("a.md", &approval(&[("allowance", "")]), true)];
    assert_eq!(only(&judge(&documents, &rules, &verified)).standing, CandidateStanding::Invalid);
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
        let reason = "revoked by kb/b.md (not signed by the sovereign; refusing is the safe side)";
        assert_eq!(candidates[0].reasons, [reason], "{revocation}");
        assert!(!candidates[0].counts);
        assert_eq!(candidates[0].standing, CandidateStanding::Revoked);
        let documents = [document("a.md", &approval_text, true), document("b.md", revocation, true)];
        let reason = format!("revoked by kb/b.md (signed by {:040})", 0);
        assert_eq!(judge(&documents, &rules, &verified)[0].reasons, [reason]);
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

#[test]
fn as_many_distinct_keys_as_must_sign() {
    let now = chrono::Utc::now();
    let documents = [document("a.md", &approval(&[]), true)];
    for (keys, threshold, counts) in [(0, 1, false), (1, 1, true), (1, 2, false), (2, 2, true), (3, 2, true)] {
        let rules = Rules { threshold, ..rules() };
        let candidates = judge(&documents, &rules, &|_| signed(&vec![now; keys]));
        assert_eq!(only(&candidates).counts, counts, "{keys} of {threshold}: {candidates:?}");
        assert_eq!(only(&candidates).signers.as_ref().map(Vec::len), Some(keys));
    }
    let candidates = judge(&documents, &Rules { threshold: 2, ..rules() }, &|_| signed(&[now]));
    assert_eq!(only(&candidates).reasons, ["signed by 1 of the 2 keys that must sign"]);
}

/// A signature counts from the document's own date on, less the tolerance for clocks, until its time is over.
#[test]
fn a_signature_lies_within_the_time_of_its_document() {
    let now = chrono::Utc::now();
    let rules = Rules { now, ..rules() };
    let dated = now - TimeDelta::hours(10);
    let documents = [document("a.md", &approval(&[("signed_utc", &dated.to_rfc3339())]), true)];
    let counts = |made: chrono::DateTime<chrono::Utc>| only(&judge(&documents, &rules, &|_| signed(&[made]))).counts;
    assert!(counts(dated) && counts(dated - TimeDelta::minutes(5)) && counts(now));
    assert!(!counts(dated - TimeDelta::minutes(5) - TimeDelta::seconds(1)));
    assert!(counts(dated + TimeDelta::hours(24) - TimeDelta::seconds(1)));
    assert!(!counts(dated + TimeDelta::hours(24)));
    let early = judge(&documents, &rules, &|_| signed(&[dated - TimeDelta::hours(1)]));
    assert!(only(&early).reasons[0].contains("before the document's own signed_utc"), "{early:?}");
    // Only those within the time are counted towards the threshold.
    let rules = Rules { threshold: 2, ..rules };
    assert!(!only(&judge(&documents, &rules, &|_| signed(&[dated - TimeDelta::hours(1), now]))).counts);
}

#[test]
fn what_alone_speaks_against_an_approval_is_its_standing() {
    let now = chrono::Utc::now();
    let missing = |state| cutgate::evidence::Missing {
        state,
        tried: "read".to_owned(),
        by: "auditor".to_owned(),
        said: "no".to_owned(),
        next: String::new(),
    };
    let fresh = approval(&[]);
    let old_date = (now - TimeDelta::hours(30)).to_rfc3339();
    let old = approval(&[("signed_utc", &old_date)]);
    let then = |_: &SignedDocument<'_>| signed(&[now - TimeDelta::hours(30)]);
    let judged = |text: &str, rules: &Rules, verify: &dyn Fn(&SignedDocument<'_>) -> Verdict| {
        only(&judge(&[document("a.md", text, true)], rules, verify)).standing
    };
    let consumed = Rules { requests: requests(Spent::At(now)), ..rules() };
    let denied = Rules { requests: requests(Spent::Unknown(missing(MissingState::Denied))), ..rules() };
    let unseen = Rules { requests: Requests::Unreadable(missing(MissingState::Denied)), ..rules() };
    let no_keys = |_: &SignedDocument<'_>| Verdict::Unknown(missing(MissingState::Unreadable));
    assert_eq!(judged(&fresh, &rules(), &verified), CandidateStanding::Valid);
    assert_eq!(judged(&old, &rules(), &then), CandidateStanding::Expired);
    assert_eq!(judged(&old, &rules(), &|_| refused("weak")), CandidateStanding::Invalid);
    assert_eq!(judged(&fresh, &consumed, &verified), CandidateStanding::Consumed);
    assert_eq!(judged(&old, &consumed, &then), CandidateStanding::Consumed);
    assert_eq!(judged(&fresh, &denied, &verified), CandidateStanding::Unknown(MissingState::Denied));
    assert_eq!(judged(&fresh, &unseen, &verified), CandidateStanding::Unknown(MissingState::Denied));
    assert_eq!(judged(&fresh, &rules(), &no_keys), CandidateStanding::Unknown(MissingState::Unreadable));
    assert_eq!(judged(&old, &rules(), &no_keys), CandidateStanding::Unknown(MissingState::Unreadable));
    assert_eq!(judged(&approval(&[("scope", "")]), &rules(), &no_keys), CandidateStanding::Invalid);
}

proptest! {
    /// Whatever the fields hold, a candidate counts only as a claiming approval without a reason, and one that does not
    /// count says why.
    #[test]
    fn every_candidate_counts_or_says_why(
        lines in proptest::collection::vec(("gate|run_id|kind|approval_requested|author|status|macro_id|allowance|scope|title|selects|revokes",
            "SG_1_cut_authz|run-20260521-0007|<X>|TBD|none|NO|approval|ruling|cutter|explicit|v0\\.5|[a-z]{0,5}"), 0..8),
        body in "(approval|gate: SG_1\n|run_id: <RUN_ID>\n|GO|text|approval_requested: NO\n){0,4}",
        has_signature in any::<bool>(),
    ) {
        let front: BTreeMap<String, String> = lines.into_iter().collect();
        let front: String = front.iter().map(|(key, value)| format!("{key}: \"{value}\"\n")).collect();
        let documents = [document("a.md", &format!("---\n{front}---\n{body}"), has_signature)];
        for candidate in judge(&documents, &rules(), &verified) {
            prop_assert_eq!(candidate.counts, candidate.reasons.is_empty(), "{:?}", candidate);
            prop_assert_eq!(candidate.counts, candidate.standing == CandidateStanding::Valid);
            prop_assert!(candidate.claims || !candidate.counts);
            prop_assert!(candidate.kind == Kind::Approval || !candidate.claims);
        }
    }
}

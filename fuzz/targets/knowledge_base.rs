//! Documents of a knowledge base. None is an approval without a signature that was verified, none whose front
//! matter cannot be parsed, none that does not name an open run that is not consumed; and another document makes none
//! into one.

use std::collections::BTreeMap;

use cutgate::evidence::{Missing, MissingState};
use cutgate::probes::knowledge_base::{
    ApprovalGate, CandidateStanding, Document, OpenRun, Requests, Rules, SignatureFile, SignedDocument, Spent, Verdict,
    judge,
};
use cutgate::trust::Counted;

use super::{files, now};

const RUN: &str = "0190c0de-0000-7000-8000-000000000001";
const PAYLOAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const MACRO: &str = "v0.6-o8-production-run-readiness-command-package";

fn requests(spent: Spent) -> Requests {
    Requests::Open(BTreeMap::from([(RUN.to_owned(), OpenRun { payload_sha256: PAYLOAD.to_owned(), spent })]))
}

fn rules() -> Rules {
    let gate = |id: &str, ttl_hours| ApprovalGate { id: id.to_owned(), ttl_hours };
    Rules {
        macro_id: MACRO.to_owned(),
        gates: vec![gate("SG_1_cut_authz", 24), gate("SG_2_lifecycle_authz", 12)],
        requests: requests(Spent::No),
        threshold: 1,
        complete: true,
        now: now(),
    }
}

fn verified(_: &SignedDocument<'_>) -> Verdict {
    let signer = "0123456789ABCDEF0123456789ABCDEF01234567".parse().expect("a fingerprint");
    Verdict::Judged { counted: vec![Counted { signer, created: now() }], refused: Vec::new() }
}

fn refused(_: &SignedDocument<'_>) -> Verdict {
    Verdict::Judged { counted: Vec::new(), refused: vec!["signed by a key that is not pinned".to_owned()] }
}

fn unknown(_: &SignedDocument<'_>) -> Verdict {
    Verdict::Unknown(denied())
}

fn denied() -> Missing {
    let said = "permission denied".to_owned();
    let (tried, by) = ("read a file".to_owned(), "auditor".to_owned());
    Missing { state: MissingState::Denied, tried, by, said, next: String::new() }
}

pub fn run(data: &[u8]) {
    let parse = |signed: bool| -> Vec<Document> {
        let texts = files("first.md", data).into_iter();
        let texts = texts.filter_map(|(name, bytes)| Some((name, std::str::from_utf8(bytes).ok()?))).take(4);
        let signature = |signed| if signed { SignatureFile::Present(b"any".to_vec()) } else { SignatureFile::Absent };
        texts.map(|(name, text)| Document::parse(format!("kb/{name}"), &name, text, signature(signed))).collect()
    };
    let rules = rules();
    for candidate in judge(&parse(false), &rules, &verified) {
        assert!(!candidate.counts && !candidate.reasons.is_empty(), "without a signature: {candidate:?}");
    }
    let documents = parse(true);
    for verify in [refused, unknown] {
        for candidate in judge(&documents, &rules, &verify) {
            assert!(!candidate.counts && !candidate.reasons.is_empty(), "not verified: {candidate:?}");
            assert_ne!(candidate.standing, CandidateStanding::Valid);
        }
    }
    let none_counts = |rules: Rules, why: &str| {
        assert!(judge(&documents, &rules, &verified).iter().all(|it| !it.counts), "{why}");
    };
    none_counts(Rules { complete: false, ..rules.clone() }, "a revocation may not have been read");
    none_counts(Rules { threshold: 2, ..rules.clone() }, "one key of two");
    none_counts(Rules { requests: requests(Spent::At(now())), ..rules.clone() }, "a run consumed it");
    none_counts(Rules { requests: requests(Spent::Unknown(denied())), ..rules.clone() }, "a run may have consumed it");
    none_counts(Rules { requests: Requests::Unreadable(denied()), ..rules.clone() }, "the open runs could not be read");
    let mut counting = 0;
    for candidate in judge(&documents, &rules, &verified) {
        assert_eq!(candidate.counts, candidate.claims && candidate.reasons.is_empty());
        assert_eq!(candidate.counts, candidate.standing == CandidateStanding::Valid);
        if !candidate.counts {
            continue;
        }
        counting += 1;
        let document = candidate.document;
        assert_eq!(document.broken, None);
        assert_eq!((document.field("run_id"), document.field("payload_sha256")), (RUN.to_owned(), PAYLOAD.to_owned()));
        let alone = std::slice::from_ref(document);
        assert!(judge(alone, &rules, &verified)[0].counts, "another document made it count");
    }
    assert!(counting <= rules.gates.len(), "one for each gate at most");
}

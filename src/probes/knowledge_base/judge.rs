//! Whether a document that looks like an approval is one, and if not, every reason why.
//!
//! A pure function of the documents, the package's rules and a verifier of signatures that is handed in.
//! It errs towards showing: anything that could be taken for an approval becomes a candidate, and a
//! candidate counts only when no reason is left. The text of a document never proves anything; without
//! a verifier's `Verified` nothing counts.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::document::{APPROVAL_KEYS, Document, SignatureFile};
use super::kinds::{
    ACCEPTS, Kind, SELECTS, any_runner, could_be_taken, front_runner, gate_among, gates_of, has_form, is_revocation,
    kind_of, macro_of, placeholders,
};
use super::words::{has_word, is_placeholder};
use crate::evidence::{Instant, Missing};

/// An authorisation gate of the package and how long an approval for it lasts from `signed_utc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalGate {
    /// "SG_1_cut_authz".
    pub id: String,
    /// Hours.
    pub ttl_hours: i64,
}

impl ApprovalGate {
    /// Whether an approval for it names a review decision: the irreversible step, SG_2, does.
    fn wants_review_decision(&self) -> bool {
        self.short() == "SG_2"
    }

    /// "SG_1" of "SG_1_cut_authz", as people call it.
    fn short(&self) -> &str {
        match self.id.match_indices('_').nth(1) {
            Some((end, _)) if self.id.starts_with("SG_") => &self.id[..end],
            Some(_) | None => &self.id,
        }
    }
}

/// The runs that were requested and are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requests {
    /// The gate does not say where they are.
    NotGiven,
    /// They could not be read.
    Unreadable(Missing),
    /// The SHA-256 of each run's payload, by run id.
    Open(BTreeMap<String, String>),
}

/// What an approval is measured against.
#[derive(Clone, Debug)]
pub struct Rules {
    /// This package's macro id.
    pub macro_id: String,
    /// Its authorisation gates.
    pub gates: Vec<ApprovalGate>,
    /// Its open runs.
    pub requests: Requests,
    /// Whether everything was read. Where not, the revocation of an approval may be among the rest.
    pub complete: bool,
    /// The audit's instant.
    pub now: Instant,
}

/// A document and the detached signature beside it, as a verifier gets them.
#[derive(Clone, Copy, Debug)]
pub struct SignedDocument<'a> {
    /// The document's logical path.
    pub path: &'a str,
    /// Its bytes, to the byte.
    pub bytes: &'a [u8],
    /// The bytes of `<path>.asc`.
    pub signature: &'a [u8],
}

/// What a verifier says of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Made over these bytes by the required number of pinned keys, valid now.
    Verified,
    /// Anything else: a complete phrase that says why.
    NotVerified(String),
}

/// Verifies signatures. Called for approvals with a signature only.
pub type Verifier<'a> = dyn Fn(&SignedDocument<'_>) -> Verdict + 'a;

/// The verifier where there is none.
pub fn no_verifier(_: &SignedDocument<'_>) -> Verdict {
    Verdict::NotVerified("signature not verified yet: this search has no pinned keys to verify it with".to_owned())
}

/// A document that could be taken for an approval, judged.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The document.
    pub document: &'a Document,
    /// What it is.
    pub kind: Kind,
    /// Whether it claims to be an approval of a run of this package.
    pub claims: bool,
    /// Whether it is one.
    pub counts: bool,
    /// Every reason why it does not count; empty only when it does.
    pub reasons: Vec<String>,
}

/// The candidates among the documents, in the documents' order.
pub fn judge<'a>(documents: &'a [Document], rules: &Rules, verify: &Verifier<'_>) -> Vec<Candidate<'a>> {
    let revocations: Vec<&Document> = documents.iter().filter(|document| is_revocation(document)).collect();
    let taken = documents.iter().filter(|document| could_be_taken(document));
    let mut candidates: Vec<Candidate<'a>> = taken
        .map(|document| {
            let kind = kind_of(document, rules);
            let reasons = reasons(document, kind, rules, &revocations, verify);
            let claims = kind == Kind::Approval && (for_this_macro(document, rules) || run_is_open(document, rules));
            Candidate { document, kind, claims, counts: claims && reasons.is_empty(), reasons }
        })
        .collect();
    refuse_ambiguous(&mut candidates);
    candidates
}

fn for_this_macro(document: &Document, rules: &Rules) -> bool {
    macro_of(document) == rules.macro_id
}

fn run_is_open(document: &Document, rules: &Rules) -> bool {
    match &rules.requests {
        Requests::Open(open) => open.contains_key(&document.field("run_id")),
        Requests::NotGiven | Requests::Unreadable(_) => false,
    }
}

/// Every reason why a document is not an approval that counts, the decisive one first, the signature last.
fn reasons(
    document: &Document,
    kind: Kind,
    rules: &Rules,
    revocations: &[&Document],
    verify: &Verifier<'_>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(document.broken.as_ref().map(|broken| format!("its front matter cannot be parsed: {broken}")));
    reasons.extend(reason_of_kind(document, kind));
    let author = if kind == Kind::Stub { any_runner(document) } else { front_runner(document) };
    if let Some((key, author)) = author.filter(|_| kind == Kind::Stub || has_form(document)) {
        reasons.push(format!("written by the runner itself ({key}: {author})"));
    }
    reasons.extend(placeholders(document).into_iter().map(|(key, id)| match id.as_str() {
        "" => format!("`{key}` is empty"),
        id => format!("placeholder {key} {id}"),
    }));
    let macro_id = macro_of(document);
    if !macro_id.is_empty() && !is_placeholder(&macro_id) && macro_id != rules.macro_id {
        reasons.push(format!("is for macro {macro_id}, not {}", rules.macro_id));
    }
    if kind == Kind::Approval || (has_form(document) && kind != Kind::Revocation) {
        reasons.extend(reasons_of_fields(document, rules));
        reasons.extend(
            revocations
                .iter()
                .filter(|it| revokes(it, document))
                .map(|revocation| format!("revoked by {}", revocation.path)),
        );
        if kind == Kind::Approval && !rules.complete {
            reasons.push("not everything could be read; its revocation may be among the rest".to_owned());
        }
        reasons.extend(reason_of_signature(document, kind, verify));
    }
    reasons
}

fn reason_of_kind(document: &Document, kind: Kind) -> Option<String> {
    match kind {
        Kind::Ruling if SELECTS.iter().any(|key| document.has(key)) => {
            Some("selects the next work order; it authorises no run".to_owned())
        }
        Kind::Ruling if ACCEPTS.iter().any(|key| document.has(key)) => {
            Some("accepts a work order; it authorises no run".to_owned())
        }
        Kind::Ruling => Some("is a ruling on work orders; it authorises no run".to_owned()),
        Kind::Package => {
            let field = document.field("approval_requested");
            let said = if field.is_empty() { document.said("approval_requested") } else { &field };
            Some(format!("says approval_requested: {said}"))
        }
        Kind::Revocation => Some("takes an approval back; it gives none".to_owned()),
        Kind::Mention if has_form(document) || document.broken.is_some() => None,
        Kind::Mention => Some(format!(
            "only speaks of approval ({}); its front matter names no gate and no run",
            document.words.join(", ")
        )),
        Kind::Template if !has_form(document) => {
            Some("is a form to fill in; its front matter names no gate and no run".to_owned())
        }
        Kind::Approval | Kind::Template | Kind::Stub => None,
    }
}

/// The reasons in the fields of something that has the form of an approval.
fn reasons_of_fields(document: &Document, rules: &Rules) -> Vec<String> {
    let mut reasons = Vec::new();
    let deep = APPROVAL_KEYS.iter().filter(|key| document.is_deep(key));
    reasons.extend(deep.map(|key| format!("`{key}` is not a scalar")));
    let gates = gates_of(document);
    let gate = gate_among(document, rules);
    match (gates.len(), gate) {
        (0, _) if document.has("gate") => {}
        (0, _) => reasons.push("names no gate".to_owned()),
        (1, Some(_)) => {}
        (1, None) => {
            let ours: Vec<&str> = rules.gates.iter().map(|gate| gate.id.as_str()).collect();
            reasons.push(format!("is for gate {}, which is none of {}", gates[0], ours.join(", ")));
        }
        (_, _) => reasons.push(format!("names several gates ({}); an approval is for one", gates.join(", "))),
    }
    reasons.extend(reason_of_run(document, rules));
    let allowance = document.field("allowance");
    match allowance.as_str() {
        "explicit" => {}
        "" => reasons.push("no `allowance: explicit`".to_owned()),
        other => reasons.push(format!("no `allowance: explicit` (it says {other})")),
    }
    if document.field("scope").is_empty() {
        reasons.push("no `scope`".to_owned());
    }
    reasons.extend(reason_of_time(document, gate, rules.now));
    if gate.is_some_and(ApprovalGate::wants_review_decision) && document.field("review_decision_id").is_empty() {
        reasons.push("no `review_decision_id`, which SG_2 needs".to_owned());
    }
    const SPENT: &[&str] = &[
        "revoked",
        "spent",
        "consumed",
        "used",
        "replaced",
        "superseded",
        "withdrawn",
        "expired",
        "cancelled",
        "draft",
    ];
    let status = document.field("status");
    if has_word(&status, SPENT) {
        reasons.push(format!("says of itself that it is {status}"));
    }
    reasons
}

fn reason_of_run(document: &Document, rules: &Rules) -> Vec<String> {
    let run_id = document.field("run_id");
    if run_id.is_empty() {
        let missing = if document.has("run_id") { None } else { Some("names no run_id".to_owned()) };
        return missing.into_iter().collect();
    }
    if is_placeholder(&run_id) {
        return Vec::new();
    }
    let payload = document.field("payload_sha256");
    let mut reasons = Vec::new();
    if payload.is_empty() {
        reasons.push("no `payload_sha256`".to_owned());
    }
    match &rules.requests {
        Requests::NotGiven => {
            reasons.push(format!("for run {run_id}; which runs are open was not looked for"));
        }
        Requests::Unreadable(missing) => {
            let why = format!("{}: {}", missing.state.word(), missing.said);
            reasons.push(format!("for run {run_id}; which runs are open could not be read ({why})"));
        }
        Requests::Open(open) => match open.get(&run_id) {
            None => reasons.push(format!("for run {run_id}, which is not open")),
            Some(sha256) if *sha256 == payload || payload.is_empty() => {}
            Some(_) => reasons.push("payload_sha256 differs from the request's".to_owned()),
        },
    }
    reasons
}

/// The reason in `signed_utc`. An approval lasts from that instant, that included, until its time is over.
fn reason_of_time(document: &Document, gate: Option<&ApprovalGate>, now: Instant) -> Option<String> {
    let text = document.field("signed_utc");
    if text.is_empty() {
        return (!document.has("signed_utc")).then(|| "no `signed_utc`".to_owned());
    }
    if is_placeholder(&text) {
        return None;
    }
    let Ok(signed) = chrono::DateTime::parse_from_rfc3339(&text) else {
        return Some(format!("signed_utc {text} is not an instant (RFC 3339, with offset)"));
    };
    let signed = signed.to_utc();
    if signed > now {
        return Some(format!("dated in the future: signed {text}"));
    }
    let gate = gate?;
    let over = signed.checked_add_signed(TimeDelta::hours(gate.ttl_hours)).is_none_or(|end| now >= end);
    over.then(|| format!("expired: signed {text}, {} lasts {} h", gate.short(), gate.ttl_hours))
}

/// Whether a revocation takes this document back: by run (and gate, where it names one), path or digest.
/// An unsigned one does too: refusing is the safe side.
fn revokes(revocation: &Document, document: &Document) -> bool {
    let named = revocation.field("revokes");
    let run_id = document.field("run_id");
    let same_run = !run_id.is_empty() && [revocation.field("run_id"), named.clone()].contains(&run_id);
    let gates = gates_of(revocation);
    let same_gate = gates.is_empty() || gates.iter().any(|gate| gates_of(document).contains(gate));
    let by_name = !named.is_empty()
        && (named == document.digest || document.path == named || document.path.ends_with(&format!("/{named}")));
    revocation.path != document.path && (by_name || (same_run && same_gate))
}

fn reason_of_signature(document: &Document, kind: Kind, verify: &Verifier<'_>) -> Option<String> {
    match &document.signature {
        SignatureFile::Absent => Some("no detached signature beside it".to_owned()),
        SignatureFile::Unreadable(why) => Some(format!("its detached signature could not be read: {why}")),
        SignatureFile::Present(signature) if kind == Kind::Approval => {
            match verify(&SignedDocument { path: &document.path, bytes: &document.bytes, signature }) {
                Verdict::Verified => None,
                Verdict::NotVerified(why) => Some(why),
            }
        }
        // Whatever its signature says, it is no approval.
        SignatureFile::Present(_) => None,
    }
}

/// Two approvals that both hold for one gate and run: which one holds is not clear, so neither counts.
fn refuse_ambiguous(candidates: &mut [Candidate<'_>]) {
    let mut by_run: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (i, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| candidate.counts) {
        let key = (candidate.document.field("gate"), candidate.document.field("run_id"));
        by_run.entry(key).or_default().push(i);
    }
    for same in by_run.values().filter(|same| same.len() > 1) {
        let paths: Vec<&str> = same.iter().map(|i| candidates[*i].document.path.as_str()).collect();
        for i in same {
            let own = candidates[*i].document.path.as_str();
            let others: Vec<&str> = paths.iter().copied().filter(|path| *path != own).collect();
            let reason =
                format!("approves the same gate and run as {}; which one holds is not clear", others.join(", "));
            candidates[*i].counts = false;
            candidates[*i].reasons.push(reason);
        }
    }
}

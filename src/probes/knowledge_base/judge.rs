//! Whether a document that looks like an approval is one, and if not, every reason why.
//!
//! A pure function of the documents, the package's rules and a verifier of signatures that is handed in.
//! It errs towards showing: anything that could be taken for an approval becomes a candidate, and a
//! candidate counts only when no reason is left. The text of a document never proves anything; without
//! signatures that a verifier counted nothing counts.

use std::collections::BTreeMap;

use super::document::Document;
use super::fields::reasons_of_fields;
use super::kinds::{
    ACCEPTS, Kind, SELECTS, any_runner, could_be_taken, front_runner, gates_of, has_form, is_revocation, kind_of,
    macro_of, placeholders,
};
use super::requests::Requests;
use super::signed::Signed;
use super::words::is_placeholder;
use crate::evidence::{Instant, Missing, MissingState};
use crate::trust::Counted;

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
    pub fn wants_review_decision(&self) -> bool {
        self.short() == "SG_2"
    }

    /// "SG_1" of "SG_1_cut_authz", as people call it.
    pub fn short(&self) -> &str {
        match self.id.match_indices('_').nth(1) {
            Some((end, _)) if self.id.starts_with("SG_") => &self.id[..end],
            Some(_) | None => &self.id,
        }
    }
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
    /// How many distinct keys must have signed; at least 1.
    pub threshold: usize,
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

/// What a verifier says of a signature file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every signature in it was judged.
    Judged {
        /// Those by pinned keys that hold now: one for each key.
        counted: Vec<Counted>,
        /// Each other one: a complete phrase that says why not. Not empty where nothing counts.
        refused: Vec<String>,
    },
    /// What they would be judged by could not be read.
    Unknown(Missing),
}

/// Verifies signatures. Called for approvals and revocations with a signature only.
pub type Verifier<'a> = dyn Fn(&SignedDocument<'_>) -> Verdict + 'a;

/// Where a candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateStanding {
    /// It fulfils everything.
    Valid,
    /// It is no approval, or one in which something does not hold.
    Invalid,
    /// It fulfilled everything, for a time that is over.
    Expired,
    /// It fulfils everything, and was taken back.
    Revoked,
    /// It fulfils everything, and a run consumed it.
    Consumed,
    /// Nothing speaks against it, and something could not be read.
    Unknown(MissingState),
}

impl CandidateStanding {
    /// The word that facts use; `None` where there is none to say.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Valid => Some("valid"),
            Self::Invalid => Some("invalid"),
            Self::Expired => Some("expired"),
            Self::Revoked => Some("revoked"),
            Self::Consumed => Some("consumed"),
            Self::Unknown(_) => None,
        }
    }
}

/// Why a candidate does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// What it makes of the candidate, where it is the only one.
    pub makes: CandidateStanding,
    /// A lower-case phrase.
    pub text: String,
}

impl Reason {
    /// A reason that makes a candidate invalid.
    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self { makes: CandidateStanding::Invalid, text: text.into() }
    }

    /// Something that could not be read.
    pub(super) fn unknown(state: MissingState, text: impl Into<String>) -> Self {
        Self { makes: CandidateStanding::Unknown(state), text: text.into() }
    }
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
    /// Where it stands.
    pub standing: CandidateStanding,
    /// The pinned keys whose signature on it holds; `None` where that could not be told.
    pub signers: Option<Vec<String>>,
    /// Every reason why it does not count; empty only when it does.
    pub reasons: Vec<String>,
}

/// The candidates among the documents, in the documents' order.
pub fn judge<'a>(documents: &'a [Document], rules: &Rules, verify: &Verifier<'_>) -> Vec<Candidate<'a>> {
    let revocations = documents.iter().filter(|document| is_revocation(document));
    let revocations: Vec<(&Document, Signed)> =
        revocations.map(|document| (document, Signed::revocation(document, verify))).collect();
    let taken = documents.iter().filter(|document| could_be_taken(document));
    let mut candidates: Vec<Candidate<'a>> = taken
        .map(|document| {
            let kind = kind_of(document, rules);
            let signed = match kind {
                Kind::Approval => Signed::approval(document, rules, verify),
                Kind::Revocation => Signed::revocation(document, verify),
                // Whatever its signature says, it is no approval.
                Kind::Ruling | Kind::Package | Kind::Template | Kind::Stub | Kind::Mention => Signed::unasked(document),
            };
            let reasons = reasons(document, kind, rules, &revocations, &signed);
            let claims = kind == Kind::Approval && (for_this_macro(document, rules) || run_is_open(document, rules));
            Candidate {
                document,
                kind,
                claims,
                counts: claims && reasons.is_empty(),
                standing: standing(claims, &reasons),
                signers: signed.signers,
                reasons: reasons.into_iter().map(|reason| reason.text).collect(),
            }
        })
        .collect();
    refuse_ambiguous(&mut candidates);
    candidates
}

/// Where a candidate stands: what speaks against it most. That it expired, was taken back or was consumed is said of
/// one that fulfils everything else.
fn standing(claims: bool, reasons: &[Reason]) -> CandidateStanding {
    let rank = |standing: CandidateStanding| match standing {
        CandidateStanding::Invalid => 0,
        CandidateStanding::Unknown(_) => 1,
        CandidateStanding::Revoked => 2,
        CandidateStanding::Consumed => 3,
        CandidateStanding::Expired => 4,
        CandidateStanding::Valid => 5,
    };
    let worst = reasons.iter().map(|reason| reason.makes).min_by_key(|makes| rank(*makes));
    worst.unwrap_or(if claims { CandidateStanding::Valid } else { CandidateStanding::Invalid })
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
    revocations: &[(&Document, Signed)],
    signed: &Signed,
) -> Vec<Reason> {
    let mut reasons: Vec<String> = Vec::new();
    reasons.extend(document.broken.as_ref().map(|broken| format!("its front matter cannot be parsed: {broken}")));
    if document.cleartext {
        let why = "is a cleartext-signed document: what stands around the block is not covered; sign it detached";
        reasons.push(why.to_owned());
    }
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
    // None at all is a placeholder too.
    if !is_placeholder(&macro_id) && macro_id != rules.macro_id {
        reasons.push(format!("is for macro {macro_id}, not {}", rules.macro_id));
    }
    let mut reasons: Vec<Reason> = reasons.into_iter().map(Reason::invalid).collect();
    if kind == Kind::Approval || (has_form(document) && kind != Kind::Revocation) {
        reasons.extend(reasons_of_fields(document, rules));
        let revoked = revocations.iter().filter(|(revocation, _)| revokes(revocation, document));
        reasons.extend(revoked.map(|(revocation, signed)| Reason {
            makes: CandidateStanding::Revoked,
            text: format!("revoked by {} ({})", revocation.path, signed.by()),
        }));
        if kind == Kind::Approval && !rules.complete {
            let why = "not everything could be read; its revocation may be among the rest";
            reasons.push(Reason::unknown(MissingState::Unreadable, why));
        }
        reasons.extend(signed.reasons.iter().cloned());
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
            candidates[*i].standing = CandidateStanding::Invalid;
            candidates[*i].reasons.push(reason);
        }
    }
}

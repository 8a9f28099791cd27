//! The fields of an approval, each against what it must say.

use chrono::TimeDelta;

use super::document::{APPROVAL_KEYS, Document};
use super::judge::{ApprovalGate, CandidateStanding, Reason, Rules};
use super::kinds::{gate_among, gates_of};
use super::requests::{Requests, Spent};
use super::words::{has_word, is_placeholder};
use crate::evidence::Instant;

/// The reasons in the fields of something that has the form of an approval.
pub(super) fn reasons_of_fields(document: &Document, rules: &Rules) -> Vec<Reason> {
    let mut reasons: Vec<String> = Vec::new();
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
    let mut reasons: Vec<Reason> = reasons.into_iter().map(Reason::invalid).collect();
    reasons.extend(reason_of_run(document, rules));
    let allowance = document.field("allowance");
    match allowance.as_str() {
        "explicit" => {}
        "" => reasons.push(Reason::invalid("no `allowance: explicit`")),
        other => reasons.push(Reason::invalid(format!("no `allowance: explicit` (it says {other})"))),
    }
    if document.field("scope").is_empty() {
        reasons.push(Reason::invalid("no `scope`"));
    }
    reasons.extend(reason_of_time(document, gate, rules.now));
    if gate.is_some_and(ApprovalGate::wants_review_decision) && document.field("review_decision_id").is_empty() {
        reasons.push(Reason::invalid("no `review_decision_id`, which SG_2 needs"));
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
        reasons.push(Reason::invalid(format!("says of itself that it is {status}")));
    }
    reasons
}

fn reason_of_run(document: &Document, rules: &Rules) -> Vec<Reason> {
    let run_id = document.field("run_id");
    if run_id.is_empty() {
        let missing = if document.has("run_id") { None } else { Some(Reason::invalid("names no run_id")) };
        return missing.into_iter().collect();
    }
    if is_placeholder(&run_id) {
        return Vec::new();
    }
    let payload = document.field("payload_sha256");
    let mut reasons = Vec::new();
    if payload.is_empty() {
        reasons.push(Reason::invalid("no `payload_sha256`"));
    }
    match &rules.requests {
        Requests::NotGiven => {
            reasons.push(Reason::invalid(format!("for run {run_id}; which runs are open was not looked for")));
        }
        Requests::Unreadable(missing) => {
            let why = format!("{}: {}", missing.state.word(), missing.said);
            let why = format!("for run {run_id}; which runs are open could not be read ({why})");
            reasons.push(Reason::unknown(missing.state, why));
        }
        Requests::Open(open) => match open.get(&run_id) {
            None => reasons.push(Reason::invalid(format!("for run {run_id}, which is not open"))),
            Some(run) => {
                if run.payload_sha256 != payload && !payload.is_empty() {
                    reasons.push(Reason::invalid("payload_sha256 differs from the request's"));
                }
                match &run.spent {
                    Spent::No => {}
                    Spent::At(utc) => reasons.push(Reason {
                        makes: CandidateStanding::Consumed,
                        text: format!("consumed by the run at {}", at(*utc)),
                    }),
                    Spent::Unknown(missing) => {
                        let why = format!("{}: {}", missing.state.word(), missing.said);
                        let why = format!("whether the run consumed it could not be read ({why})");
                        reasons.push(Reason::unknown(missing.state, why));
                    }
                }
            }
        },
    }
    reasons
}

/// An instant as reasons write it.
pub(super) fn at(instant: Instant) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// When a document says that it was signed, where it says so understandably.
pub(super) fn signed_utc(document: &Document) -> Option<Instant> {
    chrono::DateTime::parse_from_rfc3339(&document.field("signed_utc")).ok().map(|signed| signed.to_utc())
}

/// When the time of an approval signed then is over.
pub(super) fn end(gate: &ApprovalGate, signed: Instant) -> Option<Instant> {
    signed.checked_add_signed(TimeDelta::hours(gate.ttl_hours))
}

/// The reason in `signed_utc`. An approval lasts from that instant, that included, until its time is over.
fn reason_of_time(document: &Document, gate: Option<&ApprovalGate>, now: Instant) -> Option<Reason> {
    let text = document.field("signed_utc");
    if text.is_empty() {
        return (!document.has("signed_utc")).then(|| Reason::invalid("no `signed_utc`"));
    }
    if is_placeholder(&text) {
        return None;
    }
    let Some(signed) = signed_utc(document) else {
        return Some(Reason::invalid(format!("signed_utc {text} is not an instant (RFC 3339, with offset)")));
    };
    if signed > now {
        return Some(Reason::invalid(format!("dated in the future: signed {text}")));
    }
    let gate = gate?;
    let over = end(gate, signed).is_none_or(|end| now >= end);
    over.then(|| Reason {
        makes: CandidateStanding::Expired,
        text: format!("expired: signed {text}, {} lasts {} h", gate.short(), gate.ttl_hours),
    })
}

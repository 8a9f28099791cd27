//! Rows about our own process: what it recorded of itself.

use std::collections::BTreeSet;

use super::{AttestationStatus, Said, asks_a_database};
use crate::evidence::{Evidence, Fact, Observation, Reading};
use crate::gates::attestation::Proof;

/// What a proof comes to.
pub(super) fn attributable(proof: Proof, evidence: &Evidence) -> Said {
    let process = &evidence.process;
    if proof == Proof::NoTransactionId {
        return no_transaction_id(evidence);
    }
    let (proved, ground) = match proof {
        Proof::OutputScan => (
            true,
            format!(
                "every published byte was searched for the {} secret values that the audit met; publication stops at a hit",
                process.secrets_known
            ),
        ),
        Proof::NoPrompt => (
            process.stdin_closed,
            if process.stdin_closed {
                "standard input was /dev/null during the audit, and no terminal was opened".to_owned()
            } else {
                "standard input was open during the audit".to_owned()
            },
        ),
        Proof::ProcessesStarted => {
            let started = started(evidence);
            let list = if started.is_empty() { "none".to_owned() } else { started.join(", ") };
            (true, format!("processes that the audit started: {list}"))
        }
        Proof::NoTransactionId => (false, String::new()),
        Proof::ResultRecomputed => (
            process.recomputed,
            if process.recomputed {
                "findings and result were computed a second time from the recorded evidence, and are equal".to_owned()
            } else {
                "the result was not computed a second time".to_owned()
            },
        ),
    };
    let status = if proved { AttestationStatus::NotDone } else { AttestationStatus::NotAttested };
    Said { status, ground, before: String::new(), after: String::new() }
}

/// Whether a transaction of ours wrote. The statements that were sent stand in the evidence, each with its digest.
fn no_transaction_id(evidence: &Evidence) -> Said {
    let observations = evidence.before.values().chain(evidence.probes.values()).chain(evidence.after.values());
    let asked: Vec<&Observation> = observations.filter(|seen| asks_a_database(&seen.kind)).collect();
    let unchanged = asked.iter().map(|seen| match seen.facts.get("unchanged") {
        Some(fact) => fact.clone(),
        None => seen.facts.clone(),
    });
    let unchanged: Vec<Fact> = unchanged.collect();
    let wrote = unchanged.iter().filter(|fact| **fact == Fact::Bool(false)).count();
    let unread = unchanged.iter().find_map(|fact| match fact {
        Fact::Missing(missing) => Some(missing.to_string()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => None,
    });
    let sent = asked.iter().flat_map(|seen| &seen.sources);
    let sent: Vec<String> = sent
        .filter_map(|source| match &source.read {
            Reading::Statement { sha256 } => Some(sha256.to_string()),
            Reading::Content { .. } | Reading::Attributes => None,
        })
        .collect();
    let different: BTreeSet<&String> = sent.iter().collect();
    let statements = format!(
        "{} statements sent, {} different ones, each with its sha256 in evidence.json",
        sent.len(),
        different.len()
    );
    let (status, ground) = match unread {
        _ if wrote > 0 => {
            (AttestationStatus::Changed, format!("{wrote} of {} transactions of ours wrote something", asked.len()))
        }
        Some(why) => (AttestationStatus::NotAttested, format!("it cannot be told of one transaction of ours: {why}")),
        None if asked.is_empty() => (AttestationStatus::NotAttested, "no database was asked".to_owned()),
        None => (
            AttestationStatus::NotDone,
            format!("our connections: {} transactions, none was given a transaction number; {statements}", asked.len()),
        ),
    };
    Said { status, ground, before: String::new(), after: String::new() }
}

/// The programs that probes started, with their first argument; only these kinds of probes start any.
pub(super) fn started(evidence: &Evidence) -> Vec<String> {
    let observations = evidence.probes.values().chain(evidence.before.values()).chain(evidence.after.values());
    let programs = observations.flat_map(|observation| {
        let argument = match observation.kind.as_str() {
            "host" => Some("--version"),
            "services" => Some("show"),
            _ => None,
        };
        let sources = observation.sources.iter().filter(|source| matches!(source.read, Reading::Statement { .. }));
        argument
            .into_iter()
            .flat_map(move |argument| sources.clone().map(move |source| format!("{} {argument}", source.what)))
    });
    let programs: BTreeSet<_> = programs.collect();
    programs.into_iter().collect()
}

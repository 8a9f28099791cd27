//! Where the approval stands, from what the knowledge-base probe read. Pure.

use std::collections::BTreeSet;

use super::Approval;
use crate::evidence::Fact;

/// The standing that the facts of a knowledge-base probe give.
///
/// Absent only when everything was read and nothing claims to be the approval: a document that could not be
/// read might be one, and with keys that could not be read nothing can be told. Expired, revoked or consumed where
/// that is all that speaks against what claims to be the approval.
pub fn standing(knowledge_base: &Fact) -> Approval {
    let candidates = match knowledge_base.get("candidates") {
        Some(Fact::List(candidates)) => candidates,
        Some(Fact::Missing(missing)) => return Approval::Unknown(missing.to_string()),
        Some(_) => return Approval::Unknown("the candidates are not a list".to_owned()),
        None => return Approval::Unknown(whole(knowledge_base)),
    };
    // A hole in the list is a document that could not be read; `complete` speaks for it below.
    let read = candidates.iter().filter(|candidate| !matches!(candidate, Fact::Missing(_)));
    let claiming: Vec<_> = read.filter(|candidate| is(candidate, "claims") != Some(false)).collect();
    if claiming.iter().any(|candidate| is(candidate, "claims") == Some(true) && is(candidate, "counts") == Some(true)) {
        return Approval::Valid;
    }
    match knowledge_base.get("keys") {
        Some(Fact::List(_)) => {}
        Some(Fact::Missing(missing)) => return Approval::Unknown(format!("the sovereign's keys: {missing}")),
        Some(_) | None => return Approval::Unknown("the evidence has no keys of the sovereign's".to_owned()),
    }
    if let Some(unknown) = claiming.iter().find(|candidate| is(candidate, "counts").is_none()) {
        return Approval::Unknown(reasons(unknown).join("; "));
    }
    let words = claiming.iter().map(|candidate| candidate.get("standing").and_then(text).unwrap_or_default());
    let words: BTreeSet<String> = words.collect();
    let over = [("revoked", Approval::Revoked), ("consumed", Approval::Consumed), ("expired", Approval::Expired)];
    if words.iter().any(|word| over.iter().all(|(known, _)| known != word)) {
        return Approval::Invalid(claiming.iter().flat_map(|candidate| reasons(candidate)).collect());
    }
    if let Some((_, standing)) = over.into_iter().find(|(word, _)| words.contains(*word)) {
        return standing;
    }
    match is(knowledge_base, "complete") {
        Some(true) => Approval::Absent,
        Some(false) => Approval::Unknown("some documents could not be read, and one of them may be it".to_owned()),
        None => Approval::Unknown("whether everything was read is not known".to_owned()),
    }
}

/// What speaks against each document that claims to be the approval and does not count.
pub fn against(knowledge_base: &Fact) -> Vec<String> {
    let candidates = match knowledge_base.get("candidates") {
        Some(Fact::List(candidates)) => candidates.as_slice(),
        Some(_) | None => &[],
    };
    let read = candidates.iter().filter(|candidate| !matches!(candidate, Fact::Missing(_)));
    let claiming = read.filter(|candidate| is(candidate, "claims") != Some(false));
    claiming.filter(|candidate| is(candidate, "counts") != Some(true)).flat_map(reasons).collect()
}

fn text(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Text(text) => Some(text.clone()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) | Fact::Missing(_) => None,
    }
}

fn whole(fact: &Fact) -> String {
    match fact {
        Fact::Missing(missing) => missing.to_string(),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => {
            "the evidence has no candidates".to_owned()
        }
    }
}

fn is(fact: &Fact, name: &str) -> Option<bool> {
    match fact.get(name) {
        Some(Fact::Bool(value)) => Some(*value),
        Some(_) | None => None,
    }
}

/// A candidate's path with each reason why it does not count.
fn reasons(candidate: &Fact) -> Vec<String> {
    let path = candidate.get("path").and_then(text).unwrap_or_else(|| "a document".to_owned());
    match candidate.get("reasons") {
        Some(Fact::List(reasons)) if !reasons.is_empty() && reasons.iter().all(|reason| text(reason).is_some()) => {
            reasons.iter().filter_map(text).map(|reason| format!("{path}: {reason}")).collect()
        }
        Some(_) | None => vec![format!("{path}: it does not fulfil everything")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Missing, MissingState};

    fn denied() -> Missing {
        Missing {
            state: MissingState::Denied,
            tried: "list kb".to_owned(),
            by: "auditor".to_owned(),
            said: "no".to_owned(),
            next: String::new(),
        }
    }

    /// A knowledge base with candidates: whether each claims, and where it stands ("" is not known).
    fn knowledge_base(candidates: &[(bool, &str)], complete: bool) -> Fact {
        let candidates = candidates.iter().map(|(claims, standing)| {
            let unless_unknown = |fact: Fact| if standing.is_empty() { denied().into() } else { fact };
            Fact::record([
                ("path", Fact::from("kb/a.md")),
                ("claims", Fact::Bool(*claims)),
                ("counts", unless_unknown(Fact::Bool(*standing == "valid"))),
                ("standing", unless_unknown(Fact::from(*standing))),
                ("reasons", Fact::texts([*standing])),
            ])
        });
        let candidates = Fact::list(candidates);
        Fact::record([("candidates", candidates), ("keys", Fact::list([])), ("complete", Fact::Bool(complete))])
    }

    fn with(fact: Fact, name: &str, value: Fact) -> Fact {
        let Fact::Map(mut map) = fact else { panic!("a record") };
        map.insert(name.to_owned(), value);
        Fact::Map(map)
    }

    #[test]
    fn standing_of_every_kind() {
        for (candidates, complete, expected) in [
            (&[][..], true, "absent"),
            (&[(false, "invalid")], true, "absent"),
            (&[(false, "valid")], true, "absent"),
            (&[(false, "")], true, "absent"),
            (&[(true, "valid")], false, "valid"),
            (&[(true, "invalid")], true, "invalid"),
            (&[(true, "invalid"), (true, "valid")], true, "valid"),
            (&[(true, "expired")], true, "expired"),
            (&[(true, "revoked")], true, "revoked"),
            (&[(true, "consumed")], true, "consumed"),
            (&[(true, "expired"), (true, "revoked")], true, "revoked"),
            (&[(true, "expired"), (true, "consumed")], true, "consumed"),
            (&[(true, "expired"), (true, "invalid")], true, "invalid"),
            (&[(true, "expired"), (false, "invalid")], true, "expired"),
            (&[(true, "another word")], true, "invalid"),
            (&[(true, "")], true, "unknown"),
            (&[(true, ""), (true, "invalid")], true, "unknown"),
            (&[(true, "expired"), (true, "")], true, "unknown"),
            (&[(false, "invalid")], false, "unknown"),
            (&[], false, "unknown"),
        ] {
            assert_eq!(standing(&knowledge_base(candidates, complete)).word(), expected, "{candidates:?}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_unknown() {
        assert_eq!(standing(&Fact::record([])).word(), "unknown");
        assert_eq!(standing(&Fact::from(denied())).word(), "unknown");
        for candidates in [&[][..], &[(true, "invalid")], &[(true, "expired")]] {
            let facts = || knowledge_base(candidates, true);
            assert_eq!(standing(&with(facts(), "keys", denied().into())).word(), "unknown");
            assert_eq!(standing(&with(facts(), "keys", Fact::from(true))).word(), "unknown");
            assert_eq!(standing(&with(facts(), "candidates", denied().into())).word(), "unknown");
        }
        assert_eq!(standing(&with(knowledge_base(&[], true), "complete", denied().into())).word(), "unknown");
        for facts in [Fact::from(denied()), Fact::record([("candidates", denied().into())])] {
            assert_eq!(standing(&facts), Approval::Unknown(denied().to_string()));
        }
        assert_eq!(standing(&Fact::record([])), Approval::Unknown("the evidence has no candidates".to_owned()));
    }

    /// A document that was not read is a hole among the candidates: it claims nothing, and `complete` speaks for it.
    #[test]
    fn a_hole_claims_nothing() {
        for (candidates, expected) in
            [(&[][..], "unknown"), (&[(true, "valid")], "valid"), (&[(true, "invalid")], "invalid")]
        {
            let facts = knowledge_base(candidates, false);
            let Some(Fact::List(mut items)) = facts.get("candidates").cloned() else { panic!("a list") };
            items.push(denied().into());
            let facts = with(facts, "candidates", Fact::list(items));
            assert_eq!(standing(&facts).word(), expected, "{candidates:?}");
            assert!(against(&facts).iter().all(|reason| reason.starts_with("kb/a.md: ")));
        }
    }

    #[test]
    fn what_does_not_count_says_which_document_and_why() {
        let invalid = |reasons: &[&str]| Approval::Invalid(reasons.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(standing(&knowledge_base(&[(true, "invalid")], true)), invalid(&["kb/a.md: invalid"]));
        let bare = |fields: Vec<(&str, Fact)>| {
            let fields = [("claims", Fact::Bool(true)), ("counts", Fact::Bool(false))].into_iter().chain(fields);
            with(knowledge_base(&[], true), "candidates", Fact::list([Fact::record(fields)]))
        };
        let nothing = ["a document: it does not fulfil everything"];
        for fields in [vec![], vec![("reasons", Fact::list([]))], vec![("reasons", Fact::list([Fact::Int(1)]))]] {
            assert_eq!(standing(&bare(fields.clone())), invalid(&nothing));
            assert_eq!(against(&bare(fields)), nothing);
        }
    }
}

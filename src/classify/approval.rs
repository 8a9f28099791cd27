//! Where the approval stands, from what the knowledge-base probe read. Pure.

use super::Approval;
use crate::evidence::Fact;

/// The standing that the facts of a knowledge-base probe give.
///
/// Absent only when everything was read and nothing claims to be the approval: a document that could not be
/// read might be one.
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
    if !claiming.is_empty() {
        return Approval::Invalid(claiming.iter().flat_map(|candidate| reasons(candidate)).collect());
    }
    match is(knowledge_base, "complete") {
        Some(true) => Approval::Absent,
        Some(false) => Approval::Unknown("some documents could not be read, and one of them may be it".to_owned()),
        None => Approval::Unknown("whether everything was read is not known".to_owned()),
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
    let text = |fact: &Fact| match fact {
        Fact::Text(text) => Some(text.clone()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) | Fact::Missing(_) => None,
    };
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

    fn knowledge_base(candidates: &[(bool, bool)], complete: bool) -> Fact {
        let candidates = candidates.iter().map(|(claims, counts)| {
            Fact::record([
                ("path", Fact::from("kb/a.md")),
                ("claims", Fact::Bool(*claims)),
                ("counts", Fact::Bool(*counts)),
                ("reasons", Fact::texts(["unsigned"])),
            ])
        });
        Fact::record([("candidates", Fact::list(candidates)), ("complete", Fact::Bool(complete))])
    }

    #[test]
    fn standing_of_every_kind() {
        assert_eq!(standing(&knowledge_base(&[], true)), Approval::Absent);
        assert_eq!(standing(&knowledge_base(&[(false, false)], true)), Approval::Absent);
        assert_eq!(standing(&knowledge_base(&[(false, true)], true)), Approval::Absent);
        assert_eq!(standing(&knowledge_base(&[(true, true)], false)), Approval::Valid);
        assert_eq!(standing(&knowledge_base(&[(true, false)], true)).word(), "invalid");
        assert_eq!(standing(&knowledge_base(&[(true, false), (true, true)], true)), Approval::Valid);
        assert_eq!(standing(&knowledge_base(&[(false, false)], false)).word(), "unknown");
        assert_eq!(standing(&Fact::record([])).word(), "unknown");
        let denied = Missing {
            state: MissingState::Denied,
            tried: "list kb".to_owned(),
            by: "auditor".to_owned(),
            said: "no".to_owned(),
            next: String::new(),
        };
        for facts in [Fact::from(denied.clone()), Fact::record([("candidates", Fact::from(denied.clone()))])] {
            assert_eq!(standing(&facts), Approval::Unknown(denied.to_string()));
        }
        let hole = Fact::record([("candidates", Fact::list([Fact::from(denied)])), ("complete", false.into())]);
        assert_eq!(standing(&hole).word(), "unknown", "a document that was not read claims nothing");
        assert_eq!(standing(&Fact::record([])), Approval::Unknown("the evidence has no candidates".to_owned()));
    }

    #[test]
    fn what_does_not_count_says_which_document_and_why() {
        let invalid = |reasons: &[&str]| Approval::Invalid(reasons.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(standing(&knowledge_base(&[(true, false)], true)), invalid(&["kb/a.md: unsigned"]));
        let bare = |fields: Vec<(&str, Fact)>| {
            let fields = [("claims", Fact::Bool(true)), ("counts", Fact::Bool(false))].into_iter().chain(fields);
            Fact::record([("candidates", Fact::list([Fact::record(fields)])), ("complete", Fact::Bool(true))])
        };
        let nothing = invalid(&["a document: it does not fulfil everything"]);
        assert_eq!(standing(&bare(vec![])), nothing);
        assert_eq!(standing(&bare(vec![("reasons", Fact::list([]))])), nothing);
        assert_eq!(standing(&bare(vec![("reasons", Fact::list([Fact::Int(1)]))])), nothing);
    }
}

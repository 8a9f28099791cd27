//! The facts of the knowledge base, in the declared shape.
//!
//! A field that a document does not have is the empty text: the document was read, and says nothing there.
//!
//! A document that could not be read or understood may be an approval or a ruling. The lists end in a hole then,
//! and what counts or digests the documents is missing; what was read stays in the lists.

use super::Documents;
use super::document::{self, Document, SignatureFile};
use super::judge::{Candidate, CandidateStanding, Rules, judge};
use super::sovereign::Sovereign;
use super::{kinds, requests, words};
use crate::evidence::{Fact, Missing, MissingState, Shape};
use crate::probes::Door;
use crate::probes::markdown_tree::{self, Tree, Unreadable};

/// The declared shape.
pub(super) fn shape() -> Shape {
    let text_fields = |names: &[&'static str]| names.iter().map(|name| (*name, Shape::Text)).collect::<Vec<_>>();
    let mut candidate = text_fields(&[
        "path",
        "title",
        "date",
        "kind",
        "gate",
        "run_id",
        "macro_id",
        "allowance",
        "review_decision_id",
        "scope",
        "signed_utc",
        "signature",
        "digest",
        "standing",
    ]);
    candidate.extend([("claims", Shape::Bool), ("counts", Shape::Bool)]);
    candidate.extend(["signers", "reasons"].map(|name| (name, Shape::list(Shape::Text))));
    let mut run = text_fields(&["run_id", "payload_sha256"]);
    run.push(("consumed", Shape::Bool));
    let ruling = text_fields(&["path", "title", "date", "macro_id", "selects", "digest"]);
    let problem = || Shape::list(Shape::record(text_fields(&["path", "reason"])));
    Shape::record([
        ("present", Shape::Bool),
        ("digest", Shape::Text),
        ("documents", Shape::Int),
        ("searched", Shape::list(Shape::Text)),
        ("unreadable", problem()),
        ("broken", problem()),
        ("candidates", Shape::list(Shape::record(candidate))),
        ("rulings", Shape::list(Shape::record(ruling))),
        ("open_runs", Shape::list(Shape::record(run))),
        ("keys", Sovereign::shape()),
        ("threshold", Shape::Int),
        ("claims", Shape::Int),
        ("complete", Shape::Bool),
    ])
}

/// The facts where the tree could not be read.
pub(super) fn without(
    present: bool,
    missing: &Missing,
    unreadable: Fact,
    complete: &Fact,
    sovereign: &Sovereign,
) -> Fact {
    let gone = || Fact::from(missing.clone());
    Fact::record([
        ("present", Fact::Bool(present)),
        ("digest", gone()),
        ("documents", gone()),
        ("searched", searched(None)),
        ("unreadable", if present { unreadable } else { gone() }),
        ("broken", gone()),
        ("candidates", gone()),
        ("rulings", gone()),
        ("open_runs", gone()),
        ("claims", gone()),
        ("keys", sovereign.keys()),
        ("threshold", sovereign.threshold.into()),
        ("complete", complete.clone()),
    ])
}

/// The facts of a tree that was walked.
pub(super) fn collected(tree: &Tree, read: &Documents, rules: &Rules, door: &Door, sovereign: &Sovereign) -> Fact {
    let documents = &read.speaking;
    let broken: Vec<Unreadable> = documents
        .iter()
        .filter_map(|document| {
            document.broken.as_ref().map(|it| Unreadable { path: document.path.clone(), reason: it.to_string() })
        })
        .collect();
    let candidates = judge(documents, rules, &|signed| sovereign.verify(signed));
    let unless_blocked = |fact: Fact| tree.blocked.as_ref().map_or(fact, |missing| missing.clone().into());
    let hole = hole(tree, &broken, door);
    let if_whole = |fact: Fact| unless_blocked(hole.as_ref().map_or(fact, |missing| missing.clone().into()));
    // What is broken was read: it has a digest, and is one document.
    let inside = tree.logical("");
    let all_read = !tree.unreadable.iter().any(|it| it.path.starts_with(&inside));
    let if_read = |fact: Fact| if all_read { unless_blocked(fact) } else { if_whole(fact) };
    let with_hole = |items: Vec<Fact>| Fact::list(items.into_iter().chain(hole.clone().map(Fact::from)));
    Fact::record([
        ("present", Fact::Bool(true)),
        ("digest", if_read(read.digest.as_str().into())),
        ("documents", if_read(read.count.into())),
        ("searched", searched(Some(tree))),
        ("unreadable", problems(&tree.unreadable)),
        ("broken", unless_blocked(problems(&broken))),
        ("claims", if_whole(candidates.iter().filter(|candidate| candidate.claims).count().into())),
        (
            "candidates",
            unless_blocked(with_hole(candidates.iter().map(|candidate| candidate_fact(candidate, door)).collect())),
        ),
        ("rulings", unless_blocked(with_hole(kinds::rulings(documents, rules).into_iter().map(ruling_fact).collect()))),
        ("open_runs", requests::fact(&rules.requests, door)),
        ("keys", sovereign.keys()),
        ("threshold", sovereign.threshold.into()),
        ("complete", Fact::Bool(rules.complete)),
    ])
}

/// Why the lists are not whole: the first document that could not be read or understood, and how many more.
fn hole(tree: &Tree, broken: &[Unreadable], door: &Door) -> Option<Missing> {
    let first = tree.unreadable.first().or(broken.first())?;
    let more = tree.unreadable.len() + broken.len() - 1;
    let said = match more {
        0 => first.reason.clone(),
        more => format!("{}; and {more} more", first.reason),
    };
    let next = if first.path.starts_with(&tree.logical("")) {
        format!("make {} readable and well-formed, or take it out of the knowledge base", first.path)
    } else {
        // What a request says of its run, and whether a run consumed it, is not to be taken away.
        format!("make {} readable, or see what became of the run and request another one", first.path)
    };
    Some(door.missing(MissingState::Unreadable, format!("read {}", first.path), said, next))
}

fn candidate_fact(candidate: &Candidate<'_>, door: &Door) -> Fact {
    let document = candidate.document;
    let unless_unknown = |fact: Fact| match candidate.standing {
        CandidateStanding::Unknown(state) => {
            let next = "make readable what is named here, then audit again";
            door.missing(state, format!("judge {}", document.path), candidate.reasons.join("; "), next).into()
        }
        CandidateStanding::Valid
        | CandidateStanding::Invalid
        | CandidateStanding::Expired
        | CandidateStanding::Revoked
        | CandidateStanding::Consumed => fact,
    };
    let signers = candidate.signers.as_ref().map(|signers| Fact::texts(signers.iter().cloned()));
    let signers = signers.unwrap_or_else(|| {
        let (said, next) = ("the signature or the keys could not be read", "make them readable, then audit again");
        door.missing(MissingState::Unreadable, format!("verify {}.asc", document.path), said, next).into()
    });
    let signature = match document.signature {
        SignatureFile::Absent => "absent",
        SignatureFile::Present(_) | SignatureFile::Unreadable(_) => "present",
    };
    Fact::record([
        ("path", document.path.as_str().into()),
        ("title", document.title.as_str().into()),
        ("date", document.date.as_str().into()),
        ("kind", candidate.kind.word().into()),
        ("gate", document.field("gate").into()),
        ("run_id", document.field("run_id").into()),
        ("macro_id", kinds::macro_of(document).into()),
        ("allowance", document.field("allowance").into()),
        ("review_decision_id", document.field("review_decision_id").into()),
        ("scope", document.field("scope").into()),
        ("signed_utc", document.field("signed_utc").into()),
        ("signature", signature.into()),
        ("digest", document.digest.as_str().into()),
        ("claims", candidate.claims.into()),
        ("counts", unless_unknown(candidate.counts.into())),
        ("standing", unless_unknown(candidate.standing.word().unwrap_or_default().into())),
        ("signers", signers),
        ("reasons", Fact::texts(candidate.reasons.iter().cloned())),
    ])
}

fn ruling_fact(document: &Document) -> Fact {
    Fact::record([
        ("path", document.path.as_str().into()),
        ("title", document.title.as_str().into()),
        ("date", document.date.as_str().into()),
        ("macro_id", kinds::macro_of(document).into()),
        ("selects", kinds::selection(document).into()),
        ("digest", document.digest.as_str().into()),
    ])
}

/// The fact of what could not be read.
pub(super) fn problems<'a>(list: impl IntoIterator<Item = &'a Unreadable>) -> Fact {
    Fact::list(
        list.into_iter()
            .map(|it| Fact::record([("path", it.path.as_str().into()), ("reason", it.reason.as_str().into())])),
    )
}

/// What was looked for, and in a tree that was walked what was left aside.
fn searched(tree: Option<&Tree>) -> Fact {
    let endings: Vec<String> = markdown_tree::ENDINGS.iter().map(|ending| format!(".{ending}")).collect();
    let mut lines = vec![
        format!("files ending in {}", endings.join(", ")),
        format!(
            "front-matter keys: {}; kind, type or status of approval or ruling",
            document::APPROVAL_KEYS.join(", ")
        ),
        words::SEARCHED_WORDS.to_owned(),
        "in: path, title and text of every document; detached signatures as <path>.asc".to_owned(),
    ];
    if let Some(tree) = tree {
        let hidden = tree.hidden();
        lines.push(match hidden.len() {
            0 => "hidden folders left aside: 0".to_owned(),
            n => format!("hidden folders left aside: {n} ({})", hidden.join(", ")),
        });
        let (others, endings) = tree.others();
        let endings: Vec<String> = endings.into_iter().collect();
        lines.push(match others {
            0 => "other files left aside: 0".to_owned(),
            n => format!("other files left aside: {n} ({})", endings.join(", ")),
        });
        lines.extend(tree.links.iter().map(|(from, to)| {
            let to = if to.is_empty() { "." } else { to };
            format!("link inside the tree, read at its target only: {from} -> {to}")
        }));
    }
    Fact::texts(lines)
}

//! What a document of the knowledge base is: an approval, or one of the things that look like one.
//!
//! Only the front matter can make an approval. What stands in a body can take a document out of the
//! running (a stub, a template, a package that asks for nothing), never into it.

use super::document::{APPROVAL_KEYS, Document};
use super::judge::{ApprovalGate, Rules};
use super::words::{folded, has_word, is_placeholder, names_a_runner, says_none};

/// What a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Names one of the package's gates and a run.
    Approval,
    /// Selects or accepts a work order.
    Ruling,
    /// Says that it asks for no approval.
    Package,
    /// Has placeholders where an approval has ids.
    Template,
    /// Was written by the program that wants the approval.
    Stub,
    /// Takes an approval back.
    Revocation,
    /// Speaks of approval only.
    Mention,
}

impl Kind {
    /// The word that facts use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Ruling => "ruling",
            Self::Package => "package",
            Self::Template => "template",
            Self::Stub => "stub",
            Self::Revocation => "revocation",
            Self::Mention => "mention",
        }
    }
}

/// The documents that select or accept work, whether or not they speak of approval.
pub(super) fn rulings<'a>(documents: &'a [Document], rules: &Rules) -> Vec<&'a Document> {
    documents.iter().filter(|document| kind_of(document, rules) == Kind::Ruling).collect()
}

/// What a ruling selects or accepts, as written; empty where it does not say in its front matter.
pub(super) fn selection(document: &Document) -> String {
    document.first_field(&[&SELECTS[..], &ACCEPTS[..]].concat())
}

/// Keys of a front matter that selects the next work.
pub(super) const SELECTS: [&str; 5] =
    ["selects", "selects_next", "next_work_order", "next_macro", "selected_work_order"];
/// Keys of a front matter that accepts work.
pub(super) const ACCEPTS: [&str; 4] = ["accepts", "accepted", "accepted_work_order", "work_order"];
const AUTHORS: [&str; 6] = ["author", "issued_by", "generated_by", "created_by", "signed_by", "approved_by"];

/// The macro a document is for: its front matter's, else its body's.
pub(super) fn macro_of(document: &Document) -> String {
    let field = document.first_field(&["macro_id", "macro"]);
    let body = || [document.said("macro_id"), document.said("macro")].into_iter().find(|said| !said.is_empty());
    if field.is_empty() { body().unwrap_or_default().to_owned() } else { field }
}

/// Whether a document could be taken for an approval at all.
pub(super) fn could_be_taken(document: &Document) -> bool {
    !document.words.is_empty() || has_form(document) || is_revocation(document)
}

/// Whether a document says anything that matters here: it could be taken for an approval, is a ruling, or takes an
/// approval back; or its front matter cannot be parsed, so that it may be any of these.
pub(super) fn speaks(document: &Document) -> bool {
    could_be_taken(document) || is_ruling(document) || document.broken.is_some()
}

/// Whether the front matter has the form of an approval, however incomplete.
pub(super) fn has_form(document: &Document) -> bool {
    let says_so = document.nature().iter().any(|word| matches!(word.as_str(), "approval" | "approved"));
    says_so || APPROVAL_KEYS.iter().any(|key| document.has(key))
}

/// Whether it takes an approval back.
pub(super) fn is_revocation(document: &Document) -> bool {
    let kinds = format!("{} {}", document.field("kind"), document.field("type"));
    document.has("revokes") || has_word(&kinds, &["revocation", "revocations", "revoke", "revokes"])
}

/// The gates that a document names; several where `gate` is a list.
pub(super) fn gates_of(document: &Document) -> Vec<String> {
    document.field("gate").split(',').map(|gate| gate.trim().to_owned()).filter(|gate| !gate.is_empty()).collect()
}

/// The gate of the package that it names; the first of several.
pub(super) fn gate_among<'r>(document: &Document, rules: &'r Rules) -> Option<&'r ApprovalGate> {
    let gates = gates_of(document);
    rules.gates.iter().find(|gate| gates.contains(&gate.id))
}

/// What it is. The order of the questions is the rule.
pub(super) fn kind_of(document: &Document, rules: &Rules) -> Kind {
    let run_id = document.field("run_id");
    let form = has_form(document);
    let body_form = !document.said("gate").is_empty() || !document.said("run_id").is_empty();
    if is_revocation(document) {
        Kind::Revocation
    } else if (form && front_runner(document).is_some()) || (body_form && !form && any_runner(document).is_some()) {
        Kind::Stub
    } else if is_no(&document.field("approval_requested")) {
        Kind::Package
    } else if form && is_template(document) {
        Kind::Template
    } else if gate_among(document, rules).is_some() && !run_id.is_empty() {
        Kind::Approval
    } else if is_ruling(document) {
        Kind::Ruling
    } else if is_no(document.said("approval_requested")) {
        Kind::Package
    } else if is_template(document) {
        Kind::Template
    } else {
        Kind::Mention
    }
}

/// The front matter's key and author that is a program.
pub(super) fn front_runner(document: &Document) -> Option<(&'static str, String)> {
    let authors = AUTHORS.iter().map(|key| (*key, document.field(key)));
    authors.into_iter().find(|(_, author)| names_a_runner(author))
}

/// As [`front_runner`], or the body's.
pub(super) fn any_runner(document: &Document) -> Option<(&'static str, String)> {
    let said = AUTHORS.iter().map(|key| (*key, document.said(key).to_owned()));
    front_runner(document).or_else(|| said.into_iter().find(|(_, author)| names_a_runner(author)))
}

fn is_no(text: &str) -> bool {
    folded(text).first().is_some_and(|word| matches!(word.as_str(), "no" | "none" | "false" | "not"))
}

fn is_ruling(document: &Document) -> bool {
    let keyed = SELECTS.iter().chain(&ACCEPTS).any(|key| document.has(key));
    let file = document.path.rsplit('/').next().unwrap_or_default();
    let begins = |text: &str| {
        folded(text).iter().find(|word| !word.chars().all(|c| c.is_ascii_digit())).is_some_and(|w| w == "ruling")
    };
    keyed || document.nature().iter().any(|word| word == "ruling") || begins(&document.title) || begins(file)
}

/// The fields of an approval that hold ids, and in which a placeholder is looked for.
const ID_FIELDS: [&str; 6] = ["run_id", "gate", "macro_id", "payload_sha256", "review_decision_id", "signed_utc"];

/// The placeholders of a document, each as `(key, value)`; a body's only where the front matter names no run.
pub(super) fn placeholders(document: &Document) -> Vec<(&'static str, String)> {
    // "run_id: none" beside no gate says that there is no run; beside a gate it is a run to be filled in.
    let gate = document.field("gate");
    let nothing_meant = !document.has("gate") || says_none(&gate);
    let found = ID_FIELDS.into_iter().filter(|key| document.has(key)).map(|key| (key, document.field(key)));
    let mut found: Vec<(&'static str, String)> =
        found.filter(|(_, id)| is_placeholder(id) && !(nothing_meant && says_none(id))).collect();
    if !document.has("run_id") && !document.has("gate") {
        let said = ["run_id", "gate"].into_iter().map(|key| (key, document.said(key)));
        // A sentence after the colon, or a plain "none", fills nothing in.
        let short = |value: &str| value.len() <= 60 && value.split_whitespace().count() <= 3;
        let said = said.filter(|(_, id)| short(id) && is_placeholder(id) && !says_none(id));
        found
            .extend(said.filter(|(_, id)| id.chars().any(char::is_alphanumeric)).map(|(key, id)| (key, id.to_owned())));
    }
    found
}

/// Whether a document waits for its run or gate to be filled in.
fn is_template(document: &Document) -> bool {
    let placeholders = placeholders(document);
    let unnamed = !document.has("run_id") && has_form(document);
    placeholders.iter().any(|(key, _)| matches!(*key, "run_id" | "gate")) || (unnamed && !placeholders.is_empty())
}

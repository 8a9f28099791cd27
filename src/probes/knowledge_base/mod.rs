//! The knowledge base: which documents there are, which of them could be taken for an approval of a run,
//! and for each the reasons why it is not one.
//!
//! Reads every Markdown document of a folder tree, once. A document that could not be read may be the
//! approval, so `complete` is false then; where a whole folder could not be read, the lists themselves
//! are missing. An approval counts only with detached signatures by the sovereign's pinned keys.

mod document;
mod facts;
mod fields;
mod judge;
mod kinds;
mod requests;
mod signed;
mod sovereign;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use document::{Document, SignatureFile};
pub use judge::{ApprovalGate, Candidate, CandidateStanding, Rules, SignedDocument, Verdict, Verifier, judge};
pub use kinds::Kind;
pub use requests::{OpenRun, Requests, Spent};

use super::held::divided;
use super::markdown_tree::{self, File, Tree, Unreadable};
use super::reading::FileReader;
use super::{Door, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Digest256, Fact, Missing, MissingState, Reading, Shape};
use sovereign::Sovereign;

/// The probe.
pub struct KnowledgeBase;

/// The largest detached signature that is read, in bytes.
const MAX_SIGNATURE: u64 = 64 << 10;
/// The longest time to live of an approval that a package may set, in hours: a month.
const MAX_TTL_HOURS: i64 = 31 * 24;

const PARAMETERS: &[Parameter] = &[
    Parameter { name: "root", kind: ParameterKind::Path, required: true, doc: "the folder of the knowledge base" },
    Parameter { name: "macro_id", kind: ParameterKind::Text, required: true, doc: "the package's macro id" },
    Parameter {
        name: "gates",
        kind: ParameterKind::Texts,
        required: false,
        doc: "the authorisation gates; default SG_1_cut_authz and SG_2_lifecycle_authz",
    },
    Parameter {
        name: "ttl_hours",
        kind: ParameterKind::Table,
        required: false,
        doc: "hours that an approval lasts from signed_utc, by gate; default 24 for SG_1, 12 for SG_2",
    },
    Parameter {
        name: "requests",
        kind: ParameterKind::Path,
        required: false,
        doc: "the folder with <run_id>/payload.json of each open run; without it no approval can count",
    },
    sovereign::KEYRING,
    sovereign::PINNED,
    sovereign::THRESHOLD,
    Parameter {
        name: "max_file_mb",
        kind: ParameterKind::Int,
        required: false,
        doc: "the longest document that is read, in MiB; default 16. A longer one is unreadable, not skipped",
    },
];

impl Probe for KnowledgeBase {
    fn kind(&self) -> &'static str {
        "knowledge-base"
    }

    fn summary(&self) -> &'static str {
        "the documents of a knowledge base, and each that could be taken for an approval with the reasons why it is none"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn shape(&self, _: &Settings) -> Shape {
        facts::shape()
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let mut problems = sovereign::check(settings);
        let mut problem = |name: &str, message: String, help: &str| {
            problems.push(SettingProblem { name: name.to_owned(), message, help: help.to_owned() });
        };
        if settings.text("macro_id").is_some_and(|id| id.trim().is_empty()) {
            problem("macro_id", "is empty".to_owned(), "give the package's macro id");
        }
        if settings.int("max_file_mb").is_some_and(|mb| !(1..=1024).contains(&mb)) {
            problem("max_file_mb", "is not between 1 and 1024".to_owned(), "give a size in MiB, such as 16");
        }
        let gates = gate_ids(settings);
        if gates.is_empty() || gates.iter().any(|gate| gate.trim().is_empty() || gate.contains(',')) {
            problem("gates", "names no gate, or an empty one, or one with a comma".to_owned(), "name each gate");
        }
        if gates.iter().collect::<BTreeSet<_>>().len() != gates.len() {
            problem("gates", "names a gate twice".to_owned(), "name each gate once");
        }
        match given_ttls(settings) {
            Err(error) => problem("ttl_hours", error, "give whole hours by gate: { SG_1_cut_authz = 24 }"),
            Ok(ttls) => {
                for (gate, hours) in &ttls {
                    if !gates.contains(gate) {
                        problem("ttl_hours", format!("{gate} is none of the gates"), "use a name from `gates`");
                    }
                    if !(1..=MAX_TTL_HOURS).contains(hours) {
                        let message = format!("{gate} lasts {hours} hours, not between 1 and {MAX_TTL_HOURS}");
                        problem("ttl_hours", message, "give whole hours, such as 24");
                    }
                }
                for gate in gates.iter().filter(|gate| ttl(&ttls, gate).is_none()) {
                    problem("ttl_hours", format!("does not say how long {gate} lasts"), "add it, in whole hours");
                }
            }
        }
        problems
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        survey(settings, door)
    }
}

/// Searches the knowledge base. `Err` when even the presence of the root cannot be told.
fn survey(settings: &Settings, door: &Door) -> Result<Fact, Missing> {
    let root = settings.required_text("root");
    let sovereign = Sovereign::of(settings, door);
    match door.attributes(root) {
        Err(missing) if missing.state.is_absent() => {
            return Ok(facts::without(false, &missing, Fact::list([]), &missing.clone().into(), &sovereign));
        }
        Err(missing) => return Err(missing),
        Ok(_) => {}
    }
    let mut tree = match Tree::walk(door, root) {
        Ok(tree) => tree,
        Err(mut missing) => {
            // A link stands there, so something is there; where it leads, nothing is.
            if missing.state.is_absent() {
                missing.state = MissingState::Unreadable;
            }
            let own = Unreadable { path: root.to_owned(), reason: markdown_tree::reason(&missing) };
            return Ok(facts::without(true, &missing, facts::problems(&[own]), &Fact::Bool(false), &sovereign));
        }
    };
    let documents = read_documents(&mut tree, settings, door);
    let requests = requests::read(settings, door, &mut tree);
    let rules = Rules {
        macro_id: settings.required_text("macro_id").to_owned(),
        gates: approval_gates(settings),
        requests,
        threshold: sovereign.threshold,
        complete: tree.blocked.is_none()
            && tree.unreadable.is_empty()
            && documents.speaking.iter().all(|document| document.broken.is_none()),
        now: door.now(),
    };
    Ok(facts::collected(&tree, &documents, &rules, door, &sovereign))
}

/// The authorisation gates of settings that were checked.
pub fn approval_gates(settings: &Settings) -> Vec<ApprovalGate> {
    let ttls = given_ttls(settings).expect("invariant: checked when the gate was loaded");
    let gates = gate_ids(settings).into_iter().map(|id| ApprovalGate {
        ttl_hours: ttl(&ttls, &id).expect("invariant: checked when the gate was loaded"),
        id,
    });
    gates.collect()
}

fn gate_ids(settings: &Settings) -> Vec<String> {
    if settings.0.contains_key("gates") {
        return settings.texts("gates").into_iter().map(str::to_owned).collect();
    }
    vec!["SG_1_cut_authz".to_owned(), "SG_2_lifecycle_authz".to_owned()]
}

fn given_ttls(settings: &Settings) -> Result<BTreeMap<String, i64>, String> {
    if settings.0.contains_key("ttl_hours") { settings.parse("ttl_hours") } else { Ok(BTreeMap::new()) }
}

/// The hours that an approval for a gate lasts: the package's, else the ones of the two known gates.
fn ttl(given: &BTreeMap<String, i64>, gate: &str) -> Option<i64> {
    let known = || match gate {
        _ if gate.starts_with("SG_1_") => Some(24),
        _ if gate.starts_with("SG_2_") => Some(12),
        _ => None,
    };
    given.get(gate).copied().or_else(known)
}

/// So many documents are worth a second thread.
const ALONE: usize = 64;

/// What was read of a tree.
struct Documents {
    /// How many documents were read.
    count: usize,
    /// The digest of all of them, with their paths below the root.
    digest: String,
    /// Those that say something that matters here; the others are not kept.
    speaking: Vec<Document>,
}

/// Reads every document of the tree; what cannot be read is added to the tree's list.
fn read_documents(tree: &mut Tree, settings: &Settings, door: &Door) -> Documents {
    let max = u64::try_from(settings.int("max_file_mb").unwrap_or(16)).unwrap_or(16) << 20;
    let files: Vec<File<'_>> = tree.documents().collect();
    let read = divided(&files, ALONE, |files| {
        let (mut late, mut reader) = (false, FileReader::new(door));
        let read = files.iter().map_while(|file| {
            // What follows one whose time is over is not tried.
            (!late).then(|| {
                let read = read_document(*file, &mut reader, max);
                late = read.as_ref().is_err_and(|unread| unread.late.is_some());
                read
            })
        });
        read.collect::<Vec<_>>()
    });
    let (mut lines, mut speaking, mut size) = (Vec::new(), Vec::new(), 0);
    let (mut unreadable, mut blocked) = (Vec::new(), None);
    for (file, read) in files.iter().zip(read.into_iter().flatten()) {
        match read {
            Ok(Read { line, length, unreadable_signature, document }) => {
                size += length;
                unreadable.extend(unreadable_signature.map(|reason| (format!("{}.asc", file.rel), reason)));
                lines.push(line);
                speaking.extend(document);
            }
            Err(Unread { reason, late }) => {
                unreadable.push((file.rel.to_owned(), reason));
                blocked = late;
                if blocked.is_some() {
                    break;
                }
            }
        }
    }
    unreadable.into_iter().for_each(|(rel, reason)| tree.add_unreadable(&rel, reason));
    if let Some(missing) = blocked {
        tree.block(*missing);
    }
    // One source for the whole tree; its digest is the fact `digest`.
    let (count, digest) = (lines.len(), markdown_tree::digest(lines));
    let sha256 = Digest256::try_from(digest.clone()).expect("invariant: a digest of ours");
    door.note_by(settings.required_text("root"), door.by(), Reading::Content { size, sha256 });
    Documents { count, digest, speaking }
}

/// A document that was read.
struct Read {
    /// Its line in the digest.
    line: String,
    /// Its length in bytes.
    length: u64,
    /// Why the signature beside it could not be read, where there is one.
    unreadable_signature: Option<String>,
    /// The document, where it says something that matters here.
    document: Option<Document>,
}

/// Why a document was not read.
struct Unread {
    /// In the form that facts use.
    reason: String,
    /// Where its time was over.
    late: Option<Box<Missing>>,
}

/// Reads one document.
fn read_document(file: File<'_>, reader: &mut FileReader<'_>, max: u64) -> Result<Read, Unread> {
    let signature = match file.with_ending(".asc").map(|signature| signature.read(reader, MAX_SIGNATURE)) {
        None => SignatureFile::Absent,
        Some(Ok(bytes)) => SignatureFile::Present(bytes.to_vec()),
        Some(Err(missing)) => SignatureFile::Unreadable(markdown_tree::reason(&missing)),
    };
    let bytes = file.read(reader, max).map_err(|missing| Unread {
        reason: markdown_tree::reason(&missing),
        late: (missing.state == MissingState::TimedOut).then(|| Box::new(missing)),
    })?;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Unread { reason: format!("not UTF-8 from byte {} on", error.valid_up_to()), late: None })?;
    let document = Document::parse(file.logical(), file.rel, text, signature);
    Ok(Read {
        line: markdown_tree::digest_line(file.rel, &document.digest),
        length: text.len() as u64,
        unreadable_signature: match &document.signature {
            SignatureFile::Unreadable(reason) => Some(reason.clone()),
            SignatureFile::Absent | SignatureFile::Present(_) => None,
        },
        document: kinds::speaks(&document).then_some(document),
    })
}

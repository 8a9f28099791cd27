//! Runbooks: which mutating phases they say how to revert, cut by cut, and which only tear the schema down.
//!
//! Judged by the structure of the Markdown: a heading that names a phase, under a title or heading that
//! speaks of reverting, with a command below it that refers to one cut. Prose, comments and quotations
//! prove nothing. It reads documents and runs nothing, so it can say "authored" and never "tested".

mod commands;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::markdown_tree::{self, Tree, Unreadable};
use super::reading::FileReader;
use super::{Door, FileKind, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape, sha256_hex};
use sections::Reading;

/// The probe.
pub struct Runbook;

/// The longest runbook that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "path",
        kind: ParameterKind::Path,
        required: true,
        doc: "a runbook, or a folder of them in Markdown",
    },
    Parameter {
        name: "phases",
        kind: ParameterKind::Texts,
        required: true,
        doc: "the names of the mutating phases, as headings write them",
    },
];

/// Why it is not known what the runbooks cover: the first reason, and everything that could not be read.
struct NotRead {
    missing: Missing,
    unreadable: BTreeSet<Unreadable>,
}

/// A runbook that was read.
struct Document {
    path: String,
    digest: String,
    reading: Reading,
}

impl Probe for Runbook {
    fn kind(&self) -> &'static str {
        "runbook"
    }

    fn summary(&self) -> &'static str {
        "what a runbook covers: a revert of one cut, phase by phase, or only the tear-down of the schema"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn shape(&self, _: &Settings) -> Shape {
        let texts = || Shape::list(Shape::Text);
        Shape::record([
            ("present", Shape::Bool),
            (
                "documents",
                Shape::list(Shape::record([
                    ("path", Shape::Text),
                    ("title", Shape::Text),
                    ("kind", Shape::Text),
                    ("phases", texts()),
                    ("tested", Shape::Text),
                    ("digest", Shape::Text),
                    ("why", Shape::Text),
                ])),
            ),
            ("unreadable", Shape::list(Shape::record([("path", Shape::Text), ("reason", Shape::Text)]))),
            ("per_cut_documents", texts()),
            ("teardown_documents", texts()),
            ("phases_covered", texts()),
            ("phases_missing", texts()),
        ])
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let phases = settings.texts("phases");
        let mut problems = Vec::new();
        let mut problem = |message: &str, help: &str| {
            problems.push(SettingProblem {
                name: "phases".to_owned(),
                message: message.to_owned(),
                help: help.to_owned(),
            });
        };
        if phases.is_empty() {
            problem("names no phase", "name every mutating phase");
        }
        if phases.iter().any(|phase| phase.is_empty() || !phase.chars().all(sections::is_name_character)) {
            problem("holds a name that is not made of letters, digits, _ and -", "name each phase as the code does");
        }
        if phases.iter().collect::<BTreeSet<_>>().len() != phases.len() {
            problem("names a phase twice", "name each phase once");
        }
        problems
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let path = settings.required_text("path");
        let phases = settings.texts("phases");
        let attributes = match door.attributes(path) {
            Err(missing) if missing.state.is_absent() => return Ok(without(false, &missing, None)),
            Err(missing) => return Err(missing),
            Ok(attributes) => attributes,
        };
        let read = match attributes.kind {
            FileKind::Directory => read_folder(door, path, &phases),
            FileKind::Link if door.list(path).is_ok() => read_folder(door, path, &phases),
            FileKind::Link | FileKind::File | FileKind::Fifo | FileKind::Socket | FileKind::Device => {
                read_document(door, path, &phases).map(|document| vec![document]).map_err(|mut missing| {
                    // A link stands there, so something is there; where it leads, nothing is.
                    if missing.state.is_absent() {
                        missing.state = MissingState::Unreadable;
                    }
                    let own = Unreadable { path: path.to_owned(), reason: markdown_tree::reason(&missing) };
                    Box::new(NotRead { missing, unreadable: BTreeSet::from([own]) })
                })
            }
        };
        Ok(match read {
            Ok(documents) => facts(&documents, &phases),
            Err(it) => without(true, &it.missing, Some(&it.unreadable)),
        })
    }
}

/// Reads every Markdown document of a folder; the reason when one of them, or a part, cannot be read, for
/// then it is not known what the runbooks cover.
fn read_folder(door: &Door, path: &str, phases: &[&str]) -> Result<Vec<Document>, Box<NotRead>> {
    let mut tree = Tree::walk(door, path).map_err(|missing| {
        let own = Unreadable { path: path.to_owned(), reason: markdown_tree::reason(&missing) };
        Box::new(NotRead { missing, unreadable: BTreeSet::from([own]) })
    })?;
    door.note_attributes(path);
    let (mut documents, mut unread, mut reader) = (Vec::new(), Vec::new(), FileReader::new(door));
    for file in tree.documents() {
        let path = file.logical();
        let bytes = file.read(&mut reader, MAX_BYTES).inspect(|bytes| door.note_content(&path, bytes));
        match bytes.and_then(|bytes| parse(door, &path, bytes, phases)) {
            Ok(document) => documents.push(document),
            Err(missing) => unread.push((file.rel.to_owned(), missing)),
        }
    }
    for (rel, missing) in unread {
        tree.add_unreadable(&rel, markdown_tree::reason(&missing));
        tree.block(missing);
    }
    let unreadable = tree.unreadable;
    let first = unreadable.first().map(|first| {
        let next = format!("make {} readable, or take it away", first.path);
        door.missing(MissingState::Unreadable, format!("read {}", first.path), first.reason.clone(), next)
    });
    match tree.blocked.or(first) {
        Some(missing) => Err(Box::new(NotRead { missing, unreadable })),
        None => Ok(documents),
    }
}

fn read_document(door: &Door, path: &str, phases: &[&str]) -> Result<Document, Missing> {
    parse(door, path, &door.read(path, MAX_BYTES)?, phases)
}

fn parse(door: &Door, path: &str, bytes: &[u8], phases: &[&str]) -> Result<Document, Missing> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let said = format!("not UTF-8 from byte {} on", error.valid_up_to());
        door.missing(MissingState::Unreadable, format!("read {path}"), said, format!("save {path} as UTF-8"))
    })?;
    Ok(Document { path: path.to_owned(), digest: sha256_hex(bytes), reading: sections::read(path, text, phases) })
}

/// The facts where the documents are not there, or not all of them could be read.
fn without(present: bool, missing: &Missing, unreadable: Option<&BTreeSet<Unreadable>>) -> Fact {
    let gone = || Fact::from(missing.clone());
    Fact::record([
        ("present", Fact::Bool(present)),
        ("documents", gone()),
        ("unreadable", unreadable.map_or_else(gone, problems)),
        ("per_cut_documents", gone()),
        ("teardown_documents", gone()),
        ("phases_covered", gone()),
        ("phases_missing", gone()),
    ])
}

fn problems(list: &BTreeSet<Unreadable>) -> Fact {
    Fact::list(
        list.iter().map(|it| Fact::record([("path", it.path.as_str().into()), ("reason", it.reason.as_str().into())])),
    )
}

fn facts(documents: &[Document], phases: &[&str]) -> Fact {
    let paths = |wanted: fn(&Reading) -> bool| {
        Fact::texts(documents.iter().filter(|it| wanted(&it.reading)).map(|it| it.path.clone()))
    };
    let covered = |phase: &&&str| documents.iter().any(|it| it.reading.phases.iter().any(|name| name == **phase));
    Fact::record([
        ("present", Fact::Bool(true)),
        ("documents", Fact::list(documents.iter().map(|it| document_fact(it, phases.len())))),
        ("unreadable", Fact::list([])),
        ("per_cut_documents", paths(|reading| !reading.phases.is_empty())),
        ("teardown_documents", paths(|reading| reading.teardown_statements > 0)),
        ("phases_covered", Fact::texts(phases.iter().filter(covered).copied())),
        ("phases_missing", Fact::texts(phases.iter().filter(|phase| !covered(phase)).copied())),
    ])
}

fn document_fact(document: &Document, wanted: usize) -> Fact {
    let reading = &document.reading;
    let kind = match (reading.teardown_statements > 0, !reading.phases.is_empty()) {
        (true, false) => "ddl-teardown",
        (false, true) => "per-cut-revert",
        (true, true) => "mixed",
        (false, false) => "other",
    };
    Fact::record([
        ("path", document.path.as_str().into()),
        ("title", reading.title.as_str().into()),
        ("kind", kind.into()),
        ("phases", Fact::texts(reading.phases.iter().cloned())),
        // A document cannot prove that anybody carried it out; a drill record can.
        ("tested", "authored".into()),
        ("digest", document.digest.as_str().into()),
        ("why", why(reading, wanted).into()),
    ])
}

/// What was seen, as a sentence without its full stop.
fn why(reading: &Reading, wanted: usize) -> String {
    let teardown = match reading.teardown_statements {
        0 => "no statement drops or truncates".to_owned(),
        1 => "1 statement drops or truncates tables, schemas, databases or roles".to_owned(),
        n => format!("{n} statements drop or truncate tables, schemas, databases or roles"),
    };
    let sections = match reading.phases.len() {
        0 => "no section reverts a phase for one cut".to_owned(),
        n => format!("sections revert {n} of {wanted} phases for one cut ({})", reading.phases.join(", ")),
    };
    let mut parts = vec![teardown, sections];
    parts.extend(reading.notes.iter().map(|(phase, note)| format!("{phase}: {note}")));
    parts.join("; ")
}

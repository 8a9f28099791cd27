//! Reading the records of rehearsals: the files of a folder, their signatures, and what is broken.
//!
//! Shared by the probes `drill-record` and `dry-run-record`, which differ in the record's type alone.

use serde::Deserialize;

use super::openpgp_keyring::{NoRing, read_ring};
use super::{Door, FileKind, Parameter, ParameterKind, SettingProblem, Settings};
use crate::evidence::{DRILL_FORMAT, DRY_RUN_FORMAT, Fact, Missing, MissingState, RehearsalRecord, Shape};
use crate::trust::{CLOCK_SKEW, Cert, Fingerprint, Refusal, verify_detached};

/// Bytes of one record, and of one signature.
const LONGEST: u64 = 1 << 20;

/// The settings of both probes.
pub(super) const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "path",
        kind: ParameterKind::Path,
        required: true,
        doc: "a folder whose *.json files are records, or one such file",
    },
    Parameter {
        name: "keyring",
        kind: ParameterKind::Path,
        required: false,
        doc: "the keyring that holds the signers' certificates; without it no signature counts",
    },
    Parameter {
        name: "pinned",
        kind: ParameterKind::Texts,
        required: false,
        doc: "fingerprints of the certificates whose detached signature <file>.asc counts; without any none counts",
    },
];

/// Pinned fingerprints that are none.
pub(super) fn check(settings: &Settings) -> Vec<SettingProblem> {
    let problem = |error: String| SettingProblem {
        name: "pinned".to_owned(),
        message: error,
        help: "gpg --fingerprint prints it".to_owned(),
    };
    let parsed = settings.texts("pinned").into_iter().map(str::parse::<Fingerprint>);
    parsed.filter_map(Result::err).map(problem).collect()
}

/// The shape of the facts: `record` are the record's own fields.
pub(super) fn shape<'a>(record: impl IntoIterator<Item = (&'a str, Shape)>) -> Shape {
    let common = [
        ("path", Shape::Text),
        ("tree_digest", Shape::Text),
        ("target", Shape::Text),
        ("host", Shape::Text),
        ("started", Shape::Time),
        ("finished", Shape::Time),
        ("signature", Shape::Text),
        ("signature_reason", Shape::Text),
        ("signers", Shape::list(Shape::Text)),
    ];
    let broken = Shape::record([("path", Shape::Text), ("reason", Shape::Text)]);
    Shape::record([
        ("present", Shape::Bool),
        ("records", Shape::list(Shape::record(common.into_iter().chain(record)))),
        ("broken", Shape::list(broken)),
        ("other_kinds", Shape::list(Shape::Text)),
    ])
}

/// Collects the records of type `R`; `facts_of` gives the record's own fields.
pub(super) fn collect<R: RehearsalRecord>(
    settings: &Settings,
    door: &Door,
    facts_of: impl Fn(&R) -> Vec<(&'static str, Fact)>,
) -> Fact {
    let path = settings.required_text("path");
    let files = match find(door, path) {
        Ok(files) => files,
        Err((present, missing)) => return without(present, &missing),
    };
    let trust = Trust::of(settings, door);
    let (mut records, mut broken, mut others, mut holes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for file in files {
        let bytes = match file.readable.and_then(|()| door.read(&file.path, LONGEST)) {
            Ok(bytes) => bytes,
            // A list without the record that could not be read would pass for the whole list.
            Err(missing) => return without(Some(true), &vanished(missing)),
        };
        match parse::<R>(&bytes, door) {
            Ok(Parsed::Record(record)) => {
                let signature = trust.judge(door, &file.path, &bytes);
                let fields = facts_of(&record).into_iter().chain(signature);
                records.push(Fact::record(fields.chain([("path", file.path.into())])));
            }
            Ok(Parsed::OtherKind) => others.push(Fact::from(file.path)),
            Err(reason) => {
                let next = format!("record the rehearsal again, or take {} away", file.path);
                let tried = format!("read the record {}", file.path);
                holes.push(door.missing(MissingState::Unreadable, tried, reason.as_str(), next).into());
                broken.push(Fact::record([("path", file.path.into()), ("reason", reason.into())]));
            }
        }
    }
    // What is broken may have been a record of anything: the list is known without it, and ends in a hole.
    records.extend(holes);
    Fact::record([
        ("present", true.into()),
        ("records", Fact::List(records)),
        ("broken", Fact::List(broken)),
        ("other_kinds", Fact::List(others)),
    ])
}

/// A listed file that is not there is a link to nothing, or was taken away meanwhile: the list as a whole is
/// then unknown, and not absent.
fn vanished(missing: Missing) -> Missing {
    if missing.state.is_absent() { Missing { state: MissingState::Unreadable, ..missing } } else { missing }
}

fn without(present: Option<bool>, missing: &Missing) -> Fact {
    let missing = || Fact::from(missing.clone());
    Fact::record([
        ("present", present.map_or_else(missing, Fact::from)),
        ("records", missing()),
        ("broken", missing()),
        ("other_kinds", missing()),
    ])
}

/// A file that should hold a record.
struct Candidate {
    path: String,
    /// Whether it may be opened at all.
    readable: Result<(), Missing>,
}

/// The files to read, sorted by path. `Err` tells whether the path exists, where that is known.
fn find(door: &Door, path: &str) -> Result<Vec<Candidate>, (Option<bool>, Missing)> {
    let attributes = door.attributes(path);
    let attributes = attributes.map_err(|missing| (missing.state.is_absent().then_some(false), missing))?;
    let behind = match attributes.kind {
        FileKind::Link => match door.attributes(&format!("{path}/.")) {
            Ok(_) => FileKind::Directory,
            Err(missing) if missing.state.is_absent() => return Err((Some(false), missing)),
            // No folder, or one that may not be entered: reading it tells.
            Err(_) => FileKind::File,
        },
        FileKind::File | FileKind::Directory | FileKind::Fifo | FileKind::Socket | FileKind::Device => attributes.kind,
    };
    if behind != FileKind::Directory {
        return Ok(vec![Candidate { path: path.to_owned(), readable: Ok(()) }]);
    }
    let entries = door.list(path).map_err(|missing| (Some(true), missing))?;
    let entries = entries.into_iter().filter(|entry| entry.name.ends_with(".json"));
    let candidates = entries.map(|entry| {
        let path = format!("{}/{}", path.trim_end_matches('/'), entry.name);
        let readable = if entry.exact {
            Ok(())
        } else {
            let said = "its name is not UTF-8";
            Err(door.missing(MissingState::Unreadable, format!("read {path}"), said, "rename it"))
        };
        Candidate { path, readable }
    });
    Ok(candidates.collect())
}

enum Parsed<R> {
    Record(R),
    /// The record of another probe, in the same folder.
    OtherKind,
}

/// The one field that decides how the rest is read.
#[derive(Deserialize)]
struct Format {
    format: String,
}

fn parse<R: RehearsalRecord>(bytes: &[u8], door: &Door) -> Result<Parsed<R>, String> {
    let format: Format = serde_json::from_slice(bytes).map_err(|error| format!("it is not a record: {error}"))?;
    if format.format != R::FORMAT {
        return if [DRILL_FORMAT, DRY_RUN_FORMAT].contains(&format.format.as_str()) {
            Ok(Parsed::OtherKind)
        } else {
            Err(format!("its format is {:?}, and only {:?} is known", format.format, R::FORMAT))
        };
    }
    let record: R = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    record.check()?;
    let (started, finished) = record.times();
    if finished < started {
        return Err(format!("it finished at {finished}, before it started at {started}"));
    }
    if finished > door.now() + CLOCK_SKEW {
        return Err(format!("it finished at {finished}, which is in the future"));
    }
    Ok(Parsed::Record(record))
}

/// What signatures are judged by.
struct Trust {
    pinned: Vec<Fingerprint>,
    /// `None` where no keyring is set.
    certs: Option<Result<Vec<Cert>, Missing>>,
}

impl Trust {
    fn of(settings: &Settings, door: &Door) -> Self {
        let pinned = settings.texts("pinned").into_iter().filter_map(|text| text.parse().ok()).collect();
        let ring = settings.text("keyring").map(|keyring| read_ring(door, keyring, None));
        let certs = ring.map(|ring| ring.map(|ring| ring.certs).map_err(|NoRing { missing, .. }| *missing));
        Self { pinned, certs }
    }

    /// `signature`, `signature_reason` and `signers` of a record.
    fn judge(&self, door: &Door, path: &str, bytes: &[u8]) -> [(&'static str, Fact); 3] {
        let facts = |state: &str, reason: String, signers: Vec<String>| {
            [("signature", state.into()), ("signature_reason", reason.into()), ("signers", Fact::texts(signers))]
        };
        let missing = |missing: &Missing| {
            ["signature", "signature_reason", "signers"].map(|name| (name, Fact::from(missing.clone())))
        };
        let signature = match door.read(&format!("{path}.asc"), LONGEST) {
            Ok(signature) => signature,
            Err(reason) if reason.state.is_absent() => {
                return facts("absent", format!("there is no {path}.asc"), Vec::new());
            }
            Err(reason) => return missing(&reason),
        };
        let certs = match &self.certs {
            None => return facts("unpinned", "no keyring is set, so nothing was verified".to_owned(), Vec::new()),
            Some(Err(reason)) => return missing(reason),
            Some(Ok(certs)) => certs,
        };
        let verdict = verify_detached(&signature, bytes, certs, &self.pinned, door.now());
        let reasons = verdict.reasons();
        if !verdict.counted.is_empty() {
            let signers = verdict.counted.iter().map(|counted| counted.signer.to_string()).collect();
            let reason = if reasons.is_empty() { "accepted".to_owned() } else { reasons };
            return facts("valid", reason, signers);
        }
        let unpinned = verdict.refused.iter().any(|refused| refused.reason == Refusal::NotPinned);
        facts(if unpinned { "unpinned" } else { "invalid" }, reasons, Vec::new())
    }
}

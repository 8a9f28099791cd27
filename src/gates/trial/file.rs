//! The files of gate tests: every problem at once, with its line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::facts::{fact, put};
use super::{Alike, Case, Trial};
use crate::evidence::{EVIDENCE_FORMAT, Evidence, Fact, Observation, Process};
use crate::gates::{GapState, Gate, Loaded};
use crate::package::diagnostic::{Diagnostic, Problems, ShownFile, suggestion};
use crate::package::{Located, Reading, SourceFile, TableAt, TableReader, entries};

/// The folder beside the package file.
pub const FOLDER: &str = "gate-tests";

/// A file's table, read and not yet checked.
struct Raw<'a> {
    evidence: Option<Located<String>>,
    now: Option<Located<String>>,
    cases: Vec<Located<TableAt<'a>>>,
    alike: Vec<Located<TableAt<'a>>>,
}

/// Reads the tests of the gates in force, sorted by gate. Gates without a file have none.
///
/// # Errors
/// Every problem in every file.
pub fn read(loaded: &Loaded) -> Result<Vec<Trial>, Problems> {
    let found = RefCell::new(Vec::new());
    let sources = match SourceFile::folder(&loaded.place.package_dir.join(FOLDER), FOLDER) {
        Ok(sources) => sources,
        Err(unreadable) => {
            let diagnostic = Diagnostic::whole_file(FOLDER, &unreadable.message);
            return Err(Problems::new(vec![diagnostic.help(&unreadable.help)], BTreeMap::new()));
        }
    };
    let trials: Vec<Trial> = sources.iter().filter_map(|source| trial(loaded, source, &found)).collect();
    let shown = sources.iter().map(|source| {
        let text = source.text.clone().unwrap_or_default();
        (source.name.clone(), ShownFile { shown: source.shown.clone(), text })
    });
    let found = found.into_inner();
    if found.is_empty() { Ok(trials) } else { Err(Problems::new(found, shown.collect())) }
}

fn trial(loaded: &Loaded, source: &SourceFile, found: &RefCell<Vec<Diagnostic>>) -> Option<Trial> {
    let whole = |message: &str, help: &str| {
        found.borrow_mut().push(Diagnostic::whole_file(&source.name, message).help(help));
    };
    let text = match &source.text {
        Ok(text) => text.as_str(),
        Err(unreadable) => {
            whole(&unreadable.message, &unreadable.help);
            return None;
        }
    };
    let Some(gate) = loaded.gates.iter().find(|gate| gate.id == source.stem()) else {
        let help = suggestion(source.stem(), loaded.gates.iter().map(|gate| gate.id.as_str()));
        whole(&format!("no gate `{}` is in force", source.stem()), &help);
        return None;
    };
    let reading = Reading { file: &source.name, text, found };
    let table = reading.parse()?;
    let before = found.borrow().len();
    let reading = Reading { ..reading };
    let raw = raw(reading, TableAt { table: &table, header: 0..0 });
    let base = base(&reading, loaded, gate, &raw)?;
    if raw.cases.is_empty() {
        whole("the file has no case", "write [[case]] with name, state and set");
    }
    let line = |span: &Range<usize>| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
    let cases: Vec<Option<Case>> = raw.cases.iter().map(|at| case(reading, gate, &base, at, line(&at.span))).collect();
    let alike: Vec<Option<Alike>> = raw.alike.iter().map(|at| alike(reading, gate, at, line(&at.span))).collect();
    let trial = Trial {
        gate: gate.id.clone(),
        shown: source.shown.clone(),
        cases: cases.into_iter().collect::<Option<_>>()?,
        alike: alike.into_iter().collect::<Option<_>>()?,
    };
    (found.borrow().len() == before).then_some(trial)
}

fn raw<'a>(reading: Reading<'a>, root: TableAt<'a>) -> Raw<'a> {
    let mut file = TableReader::new(reading, "the file", root);
    let raw = Raw {
        evidence: file.optional("evidence"),
        now: file.optional("now"),
        cases: file.optional("case").map(|cases| cases.value).unwrap_or_default(),
        alike: file.optional("alike").map(|alike| alike.value).unwrap_or_default(),
    };
    file.finish();
    raw
}

/// The evidence that every case starts from: a recorded one, or nothing but an instant.
fn base(reading: &Reading<'_>, loaded: &Loaded, gate: &Gate, raw: &Raw<'_>) -> Option<Evidence> {
    match (&raw.evidence, &raw.now) {
        (Some(path), None) => recorded(reading, loaded, gate, path),
        (None, Some(now)) => match now.value.parse() {
            Ok(now) => Some(Evidence {
                format: EVIDENCE_FORMAT.to_owned(),
                now,
                by: "the case".to_owned(),
                process: Process {
                    stdin_closed: true,
                    secrets_known: 0,
                    recomputed: false,
                    newest_before: None,
                    requests_unread: None,
                },
                probes: BTreeMap::new(),
                before: BTreeMap::new(),
                after: BTreeMap::new(),
                waivers: None,
                run: None,
            }),
            Err(_) => {
                reading.error(&now.span, "this is no instant", "write it as \"2026-05-21T10:00:00Z\"");
                None
            }
        },
        (Some(_), Some(now)) => {
            reading.error(&now.span, "the recorded evidence has its own instant", "remove `now`, or set it in a case");
            None
        }
        (None, None) => {
            let help = "add evidence = \"gate-tests/evidence/0001.json\", or now = \"2026-05-21T10:00:00Z\" and set every probe";
            reading.error(&(0..0), "nothing says what the cases start from", help);
            None
        }
    }
}

fn recorded(reading: &Reading<'_>, loaded: &Loaded, gate: &Gate, path: &Located<String>) -> Option<Evidence> {
    let wrong = |message: String, help: &str| reading.error(&path.span, message, help);
    let file = loaded.place.package_dir.join(&path.value);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) => {
            let help = "the path starts at the package file's folder; cutgate gates test --start-from AUDIT writes one";
            wrong(format!("cannot read {}: {error}", file.display()), help);
            return None;
        }
    };
    let evidence: Evidence = match serde_json::from_slice(&bytes) {
        Ok(evidence) => evidence,
        Err(error) => {
            wrong(format!("{} is no evidence: {error}", file.display()), "name an audit's evidence.json");
            return None;
        }
    };
    if evidence.format != EVIDENCE_FORMAT {
        wrong(format!("it has the format {:?}", evidence.format), "name an evidence.json of this version");
        return None;
    }
    let gone = gate.probes.iter().find(|(_, used)| !evidence.probes.contains_key(&used.id));
    if let Some((name, used)) = gone {
        let message = format!("it holds nothing of the probe `{name}` ({}) with the gate's present settings", used.id);
        wrong(message, "audit again, and copy the new evidence.json");
        return None;
    }
    Some(evidence)
}

fn case<'a>(
    reading: Reading<'a>,
    gate: &Gate,
    base: &Evidence,
    at: &Located<TableAt<'a>>,
    line: usize,
) -> Option<Case> {
    let mut table = TableReader::new(reading, "[[case]]", TableAt { table: at.value.table, header: at.span.clone() });
    let name: Option<Located<String>> = table.required("name", "\"what it is about\"");
    let state: Option<Located<String>> = table.required("state", "\"OPEN\"");
    let check: Option<Located<String>> = table.optional("check");
    let set: Option<Located<TableAt<'a>>> = table.optional("set");
    table.finish();
    let state = state.and_then(|word| {
        let state = GapState::JUDGED.into_iter().find(|state| state.word() == word.value);
        if state.is_none() {
            let help = suggestion(&word.value, GapState::JUDGED.map(GapState::word));
            reading.error(&word.span, format!("there is no state `{}`", word.value), help);
        }
        state
    });
    if let Some(check) = &check
        && !gate.checks.iter().any(|known| known.id == check.value)
    {
        let help = suggestion(&check.value, gate.checks.iter().map(|check| check.id.as_str()));
        reading.error(&check.span, format!("the gate has no check `{}`", check.value), help);
    }
    let mut evidence = base.clone();
    for entry in set.iter().flat_map(|set| entries(&set.value)) {
        if let Some(new) = fact(&reading, entry.value) {
            set_fact(&reading, gate, &mut evidence, &entry.name, new);
        }
    }
    for (name, used) in &gate.probes {
        let Some(observation) = evidence.probes.get(&used.id) else {
            let help = format!("set it: set.{name} = {{ … }}, or {{ \"$missing\" = \"denied\" }}");
            reading.error(&at.span, format!("nothing says what the probe `{name}` brought back"), help);
            return None;
        };
        if let Some(departure) = used.shape().departure(&observation.facts) {
            let message = format!("the probe `{name}` brings no such facts: {name}{departure}");
            reading.error(&at.span, message, "quote the path to set one fact: \"keyring.certs.0.revoked\" = true");
            return None;
        }
    }
    Some(Case { name: name?.value, state: state?, check: check.map(|check| check.value), evidence, line })
}

fn set_fact(reading: &Reading<'_>, gate: &Gate, evidence: &mut Evidence, at: &Located<String>, new: Fact) {
    let path: Vec<&str> = at.value.split('.').collect();
    let (root, rest) = path.split_first().expect("invariant: splitting gives one part at least");
    if *root == "now" && rest.is_empty() {
        match new {
            Fact::Time(now) => evidence.now = now,
            Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::List(_) | Fact::Map(_) | Fact::Missing(_) => {
                reading.error(&at.span, "`now` is an instant", "write now = 2026-05-21T10:00:00Z")
            }
        }
        return;
    }
    let Some(used) = gate.probes.get(*root) else {
        let known = gate.probes.keys().map(String::as_str).chain(["now"]);
        reading.error(&at.span, format!("the gate has no probe `{root}`"), suggestion(root, known));
        return;
    };
    let empty = Observation {
        kind: used.kind.clone(),
        settings: std::sync::Arc::default(),
        started: evidence.now,
        finished: evidence.now,
        facts: Fact::Map(BTreeMap::new()),
        sources: Vec::new(),
    };
    let observation = evidence.probes.entry(used.id.clone()).or_insert(empty);
    if let Err(message) = put(&mut observation.facts, rest, new) {
        reading.error(&at.span, message, "see the facts: cutgate gates test --start-from AUDIT copies them");
    }
}

fn alike<'a>(reading: Reading<'a>, gate: &Gate, at: &Located<TableAt<'a>>, line: usize) -> Option<Alike> {
    let mut table = TableReader::new(reading, "[[alike]]", TableAt { table: at.value.table, header: at.span.clone() });
    let check: Option<Located<String>> = table.required("check", "\"the check's id\"");
    let change: Option<Located<String>> = table.required("change", "'the change as it was printed'");
    let why: Option<Located<String>> = table.required("why", "\"why no facts can tell the two apart\"");
    table.finish();
    let check = why.and(check)?;
    if !gate.checks.iter().any(|known| known.id == check.value) {
        let help = suggestion(&check.value, gate.checks.iter().map(|check| check.id.as_str()));
        reading.error(&check.span, format!("the gate has no check `{}`", check.value), help);
    }
    Some(Alike { check: check.value, change: change?.value, line })
}

//! A probe as a package or gate file uses it: its kind, and settings that were filled in and checked
//! against what the probe declares.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::diagnostic::{Diagnostic, suggestion};
use super::references::{Names, fill};
use super::table::{Reading, TableAt, Value as _, entries};
use crate::evidence::{ProbeId, Shape, canonical_json, sha256_hex};
use crate::probes::{self, Probe, Settings};

/// The key that names the kind; every other key is a setting.
const KIND: &str = "kind";

/// A probe with its settings. Two uses with the same kind and settings have the same id, so that the host
/// is asked once.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeUse {
    /// The kind, which is in the registry.
    pub kind: String,
    /// The settings, filled in.
    pub settings: Settings,
    /// `<kind>#<first 12 hex digits of the SHA-256 of the canonical settings>`.
    pub id: ProbeId,
}

impl ProbeUse {
    /// The probe.
    pub fn probe(&self) -> &'static dyn Probe {
        probes::find(&self.kind).expect("invariant: the kind was looked up when the file was checked")
    }

    /// The shape of its facts.
    pub fn shape(&self) -> Shape {
        self.probe().shape(&self.settings)
    }

    /// Reads the table of a probe: its kind, and settings against the probe's parameters. Everything that is
    /// wrong with it is reported. `None` when its facts are not known then; a setting that the probe does
    /// not have changes no fact.
    pub fn read<'a>(reading: &Reading<'a>, name: &str, at: &TableAt<'a>, names: &Names) -> Option<Self> {
        let probe = find_probe(reading, name, at);
        // Settings are filled in even for an unknown kind, so that wrong references are reported as well.
        let settings = entries(at).into_iter().filter(|entry| entry.name.value != KIND).map(|entry| {
            let value = fill(reading, entry.value, names);
            (entry.name.value, (value, entry.name.span, entry.value.span()))
        });
        let settings: BTreeMap<String, Setting> = settings.collect();
        let probe = probe?;
        let faults = check_parameters(reading, probe, &at.header, &settings);
        let places: BTreeMap<String, Range<usize>> =
            settings.iter().map(|(key, (_, _, span))| (key.clone(), span.clone())).collect();
        let known = settings.into_iter().filter(|(key, _)| probe.parameters().iter().any(|known| known.name == *key));
        let filled = known.map(|(key, (value, ..))| value.map(|value| (key, value)));
        let filled: Settings = filled.collect::<Option<_>>()?;
        if faults {
            return None;
        }
        let problems = probe.check(&filled);
        for problem in &problems {
            let key = problem.name.split(['.', '[']).next().unwrap_or(&problem.name);
            let span = places.get(key).unwrap_or(&at.header).clone();
            reading.error(&span, format!("`{}`: {}", problem.name, problem.message), &problem.help);
        }
        let digest = sha256_hex(&canonical_json(&*probe.recorded(&filled).0));
        let id = ProbeId(format!("{}#{}", probe.kind(), &digest[..12]));
        problems.is_empty().then(|| Self { kind: probe.kind().to_owned(), settings: filled, id })
    }
}

/// A setting's value, if it could be filled in, with the places of its key and its value.
type Setting = (Option<Value>, Range<usize>, Range<usize>);

fn find_probe<'a>(reading: &Reading<'a>, name: &str, at: &TableAt<'a>) -> Option<&'static dyn Probe> {
    let kinds = || probes::REGISTRY.iter().map(|probe| probe.kind());
    let Some(kind) = at.table.get(KIND) else {
        let help = format!("add kind = \"…\"; {}", suggestion("", kinds()));
        reading.error(&at.header, format!("{name} has no `kind`"), help);
        return None;
    };
    let word = String::read(reading, KIND, kind)?;
    let probe = probes::find(&word);
    if probe.is_none() {
        let message = format!("unknown probe kind `{word}`");
        reading.report(Diagnostic::error(reading.file, kind.span(), message).help(suggestion(&word, kinds())));
    }
    probe
}

/// Reports unknown, missing and wrong settings; says whether any was missing or wrong.
fn check_parameters(
    reading: &Reading<'_>,
    probe: &dyn Probe,
    header: &Range<usize>,
    settings: &BTreeMap<String, Setting>,
) -> bool {
    let mut faults = false;
    let parameters = probe.parameters();
    for (key, (value, key_span, span)) in settings {
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == key) else {
            let message = format!("the probe `{}` has no setting `{key}`", probe.kind());
            let known = parameters.iter().map(|parameter| parameter.name);
            reading.error(key_span, message, suggestion(key, known));
            continue;
        };
        if let Some(value) = value
            && !parameter.kind.admits(value)
        {
            faults = true;
            let message = format!("`{key}` of the probe `{}` is {}", probe.kind(), json_kind(value));
            let diagnostic = Diagnostic::error(reading.file, span.clone(), message);
            let diagnostic = diagnostic.label(format!("expected {}", parameter.kind.name()));
            reading.report(diagnostic.help(format!("{key}: {}", parameter.doc)));
        }
    }
    for parameter in parameters.iter().filter(|p| p.required && !settings.contains_key(p.name)) {
        faults = true;
        let message = format!("the probe `{}` needs `{}`", probe.kind(), parameter.name);
        let help = format!("add {} = …, {}: {}", parameter.name, parameter.kind.name(), parameter.doc);
        reading.error(header, message, help);
    }
    faults
}

fn json_kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) if number.is_i64() => "an integer".to_owned(),
        Value::Number(_) => "a float".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(items) => {
            // Of a list of the wrong kind, the kinds of its items are what is wrong.
            let kinds: std::collections::BTreeSet<String> = items.iter().map(json_kind).collect();
            let kinds: Vec<String> = kinds.into_iter().collect();
            if kinds.is_empty() { "an empty list".to_owned() } else { format!("a list with {}", kinds.join(" and ")) }
        }
        Value::Object(_) => "a table".to_owned(),
    }
}

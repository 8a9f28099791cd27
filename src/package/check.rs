//! From the file type to the checked type: what the keys of `cutgate.toml` mean to each other.
//!
//! Every check runs over the whole file before anything is given up, and what was reported once is not
//! reported again in its consequences.

mod register;
mod request;
mod selection;
mod trust;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::diagnostic::suggestion;
use super::file::{RawForbidden, RawHeader, RawLimits, RawPackage, Word, Words, executor_env};
use super::references::{Names, fill};
use super::table::{Located, Reading, TableAt, TableReader, Value as _, places};
use super::{Executor, Package, ProbeUse, RunRules, Scheme, Trust};
use crate::probes::{Limits, parse_duration};
pub use request::RawRequest;
pub use selection::{RawProfile, RawWaivers};

/// Time for an audit where the package sets no limit.
const AUDIT_LIMIT: std::time::Duration = std::time::Duration::from_secs(120);

/// What is known of a package after its file was checked, whether or not it is in order: enough to check the gates against it.
pub struct Checked {
    /// The checked type; `None` when something was reported.
    pub package: Option<Package>,
    /// What references may name; knows what was used.
    pub names: Names,
    /// The parameters, paths and words of the package as variables of expressions, by table; `None` for a
    /// table in which something was reported.
    pub variables: BTreeMap<&'static str, Option<crate::evidence::Shape>>,
    /// Gap ids and their aliases.
    pub gaps: Vec<(Located<String>, Vec<String>)>,
    /// Stage ids, in the order of the file.
    pub stages: Vec<Located<String>>,
    /// Criteria and their gaps.
    pub criteria: Vec<(Located<String>, Vec<String>)>,
    /// The list of gates in force, if there is one.
    pub gates: Words,
    /// Measures by name; `None` for those that were reported.
    pub measures: BTreeMap<String, (std::ops::Range<usize>, Option<ProbeUse>)>,
    /// The rows of `[[forbidden]]`.
    pub forbidden: Vec<RawForbidden>,
    /// `[request]`; `None` where it is not given, or was reported.
    pub request: Option<RawRequest>,
    /// The profiles that are in order, in the order of the file.
    pub profiles: Vec<RawProfile>,
    /// `[waivers]`; `None` where it is not given, or was reported.
    pub waivers: Option<RawWaivers>,
    /// The entries of `[params]` and `[paths]` that are in order, by reference: `params.x`.
    pub entries: Vec<Located<String>>,
}

/// Checks the package file. `None` when its syntax is broken.
pub fn check(reading: Reading<'_>) -> Option<Checked> {
    let table = reading.parse()?;
    // The table lives as long as this function; what leaves it is owned.
    Some(check_table(Reading { ..reading }, &table))
}

fn check_table<'a>(reading: Reading<'a>, table: &'a toml::de::DeTable<'a>) -> Checked {
    let before = reading.found.borrow().len();
    let raw = RawPackage::read(reading, TableAt { table, header: 0..0 });
    let root = raw.paths.iter().find(|(name, _)| name.value == "root").and_then(|(_, path)| path.clone());
    check_names(&reading, &raw);
    let scheme = raw.header.scheme.as_ref().and_then(|word| check_scheme(&reading, word));
    // Without the section nobody's signature counts.
    let trust = match &raw.trust {
        Some(trust) => trust::check(&reading, trust),
        None => Some(Trust::nobody()),
    };
    if let (None, Some(at)) = (&raw.trust, &raw.request) {
        let help = "add [trust] with the sovereign's fingerprints, or remove [request]";
        reading.error(&at.header, "runs can be requested, and nobody can approve them", help);
    }
    let mut names = plain_names(&raw, trust.as_ref());
    let database = raw.database.as_ref().map(|at| check_database(&reading, at, &names));
    let executor = raw.executor.as_ref().map(|at| check_executor(&reading, at, &names));
    let code_path = raw.code_path.as_ref().map(|at| fill_table(&reading, at, &names));
    let run = raw.run.as_ref().map(|at| check_run(&reading, at, &names));
    let drill = raw.drill.as_ref().map(|at| typed(&reading, at, "[drill]", &names));
    // What refers to plain values may itself be referred to by probes.
    if let Some(url) = &database {
        names.add("database", json!({ "url": url }));
    }
    if let Some(executor) = &executor {
        names.add("executor", executor.as_ref().map_or(Value::Null, |executor| json!(executor)));
    }
    if let Some(code_path) = &code_path {
        names.add("code_path", code_path.clone().unwrap_or(Value::Null));
    }
    let request = raw.request.as_ref().and_then(|at| request::check(&reading, at, &names));
    let measures = raw.measures.iter().map(|entry| {
        let name = &entry.name.value;
        let at = TableAt::read(&reading, name, entry.value);
        let used = at.and_then(|at| ProbeUse::read(&reading, &format!("[measure.{name}]"), &at, &names));
        (name.clone(), (entry.name.span.clone(), used))
    });
    let measures: BTreeMap<_, _> = measures.collect();
    let profiles = selection::profiles(&reading, &raw);
    let waivers = raw.waivers.as_ref().and_then(|at| selection::waivers(&reading, at, raw.trust.as_ref()));
    let register = register::check(&reading, &raw);
    let limits = check_limits(&reading, raw.limits.as_ref());
    let clean = reading.found.borrow().len() == before;
    let all_measures = measures.iter().map(|(name, (_, used))| used.clone().map(|used| (name.clone(), used)));
    let package = (|| {
        let (audit_limit, limits) = limits?;
        let word = |word: &Word| word.as_ref().map(|word| word.value.clone());
        let values = raw.paths.iter().filter(|(name, _)| name.value != "root");
        Some(Package {
            macro_id: word(&raw.header.macro_id)?,
            title: word(&raw.header.title)?,
            label: word(&raw.header.label)?,
            host: word(&raw.header.host)?,
            host_label: word(&raw.header.host_label)?,
            scheme: scheme?,
            deployed_label: word(&raw.header.deployed_label)?,
            root: root.map(|root| root.value),
            paths: values.map(|(name, path)| Some((name.value.clone(), word(path)?))).collect::<Option<_>>()?,
            params: (raw.params.iter())
                .map(|(name, param)| Some((name.value.clone(), param.as_ref()?.value.clone())))
                .collect::<Option<_>>()?,
            trust: trust?,
            database: database.flatten(),
            code_path: code_path.flatten(),
            executor: executor.flatten(),
            run: run.flatten(),
            drill: drill.flatten(),
            reports: register.reports?,
            stages: register.stages?,
            gaps: register.gaps?,
            criteria: register.criteria?,
            measures: all_measures.collect::<Option<_>>()?,
            audit_limit,
            limits,
            places: places(table),
        })
    })();
    Checked {
        package: package.filter(|_| clean),
        variables: variables(&raw),
        names,
        gaps: raw.gaps.iter().map(|gap| (gap.id.clone(), list(&gap.aliases))).collect(),
        stages: raw.stages.iter().map(|stage| stage.id.clone()).collect(),
        criteria: (raw.criteria.iter())
            .filter_map(|criterion| Some((criterion.words.clone()?, list(&criterion.gaps))))
            .collect(),
        gates: raw.header.gates.clone(),
        measures,
        forbidden: raw.forbidden.clone(),
        request,
        profiles,
        waivers,
        entries: entries(&raw),
    }
}

fn list(words: &Words) -> Vec<String> {
    words.iter().flat_map(|words| words.value.iter().map(|word| word.value.clone())).collect()
}

fn entries(raw: &RawPackage<'_>) -> Vec<Located<String>> {
    let entry = |table: &str, name: &Located<String>| {
        Some(Located { value: format!("{table}.{}", name.value), span: name.span.clone() })
    };
    let params = raw.params.iter().filter_map(|(name, value)| value.as_ref().and(entry("params", name)));
    let paths = raw.paths.iter().filter(|(name, _)| name.value != "root");
    let paths = paths.filter_map(|(name, path)| path.as_ref().and(entry("paths", name)));
    params.chain(paths).collect()
}

/// Names that expressions must be able to spell.
fn check_names(reading: &Reading<'_>, raw: &RawPackage<'_>) {
    let params = raw.params.iter().map(|(name, _)| ("parameter", name));
    let paths = raw.paths.iter().map(|(name, _)| ("path", name));
    let measures = raw.measures.iter().map(|entry| ("measure", &entry.name));
    for (what, name) in params.chain(paths).chain(measures) {
        check_name(reading, what, name);
    }
}

/// A name that is a variable or field in expressions: a small letter, then small letters, digits and `_`.
pub fn check_name(reading: &Reading<'_>, what: &str, name: &Located<String>) -> bool {
    let spelt = name.value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let good = spelt && name.value.starts_with(|c: char| c.is_ascii_lowercase());
    if !good {
        let message = format!("the {what} `{}` cannot be named in expressions", name.value);
        reading.error(&name.span, message, "use small letters, digits and _, beginning with a letter");
    }
    good
}

fn check_scheme(reading: &Reading<'_>, word: &Located<String>) -> Option<Scheme> {
    let scheme = Scheme::ALL.iter().copied().find(|scheme| scheme.word() == word.value);
    if scheme.is_none() {
        let help = suggestion(&word.value, Scheme::ALL.iter().map(|scheme| scheme.word()));
        reading.error(&word.span, format!("unknown result scheme `{}`", word.value), help);
    }
    scheme
}

/// The tables that hold no references themselves.
fn plain_names(raw: &RawPackage<'_>, trust: Option<&Trust>) -> Names {
    let word = |word: &Word| word.as_ref().map_or(Value::Null, |word| json!(word.value));
    let RawHeader { macro_id, title, label, host, host_label, scheme, deployed_label, gates: _ } = &raw.header;
    let mut names = Names::default();
    names.add(
        "package",
        json!({
            "macro_id": word(macro_id), "title": word(title), "label": word(label), "host": word(host),
            "host_label": word(host_label), "scheme": word(scheme), "deployed_label": word(deployed_label),
        }),
    );
    let paths = raw.paths.iter().filter(|(name, _)| name.value != "root");
    let paths: Map<_, _> = paths.map(|(name, path)| (name.value.clone(), word(path))).collect();
    names.add("paths", Value::Object(paths));
    let param = |param: &Option<Located<super::Param>>| param.as_ref().map_or(Value::Null, |param| param.value.json());
    let params: Map<_, _> = raw.params.iter().map(|(name, value)| (name.value.clone(), param(value))).collect();
    names.add("params", Value::Object(params));
    let trust = trust.map_or(Value::Null, |trust| {
        json!({
            "keyring": trust.keyring, "sovereign": trust.sovereign, "sovereign_threshold": trust.sovereign_threshold,
            "operator": trust.operator, "auditor": trust.auditor,
        })
    });
    if raw.trust.is_some() {
        names.add("trust", trust);
    }
    names
}

/// The variables `params`, `paths` and `pkg` for expressions.
fn variables(raw: &RawPackage<'_>) -> BTreeMap<&'static str, Option<crate::evidence::Shape>> {
    use crate::evidence::Shape;
    let params = raw.params.iter().map(|(name, param)| Some((name.value.as_str(), param.as_ref()?.value.shape())));
    let params: Option<Vec<_>> = params.collect();
    let paths = raw.paths.iter().filter(|(name, _)| name.value != "root");
    let paths = paths.map(|(name, _)| (name.value.as_str(), Shape::Text));
    let words = ["macro_id", "title", "label", "host", "host_label", "scheme", "deployed_label"];
    BTreeMap::from([
        ("params", params.map(Shape::record)),
        ("paths", Some(Shape::record(paths))),
        ("pkg", Some(Shape::record(words.map(|word| (word, Shape::Text))))),
    ])
}

fn fill_table(reading: &Reading<'_>, at: &TableAt<'_>, names: &Names) -> Option<Value> {
    let filled = at.table.iter().map(|(key, value)| (key.get_ref().to_string(), fill(reading, value, names)));
    let filled: Vec<(String, Option<Value>)> = filled.collect();
    let filled = filled.into_iter().map(|(key, value)| value.map(|value| (key, value)));
    filled.collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn check_database<'a>(reading: &Reading<'a>, at: &TableAt<'a>, names: &Names) -> Option<String> {
    let mut table = TableReader::new(*reading, "[database]", at.clone());
    let url: Word = table.required("url", "\"postgres://host/name\" or a path");
    let value = table.given("url");
    table.finish();
    let filled = fill(reading, url.as_ref().and(value)?, names)?;
    let text = filled.as_str().map(str::to_owned);
    let span = url?.span;
    let Some(text) = text else {
        reading.error(&span, "the database's url is not text", "refer to text, or write the url out");
        return None;
    };
    // What stands between :// and @ is user:password in a URL (RFC 3986, section 3.2.1).
    let authority = text.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or(rest));
    let password =
        authority.and_then(|authority| authority.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'));
    if password || text.contains("password=") {
        let help = "remove it from the file and give it in PGPASSFILE (~/.pgpass); settings are recorded";
        reading.error_unshown(&span, "the database's url holds a password", help);
        return None;
    }
    Some(text)
}

fn check_executor<'a>(reading: &Reading<'a>, at: &TableAt<'a>, names: &Names) -> Option<Executor> {
    let before = reading.found.borrow().len();
    let env = executor_env(*reading, at);
    for name in env.iter().flat_map(|env| &env.value) {
        let spelt = name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !spelt || name.value.starts_with(|c: char| c.is_ascii_digit()) {
            let help = "list names only, such as \"BACKUP_GPG_FPR\"; values stay in the executor's environment";
            reading.error_unshown(&name.span, "what `env` lists is not the name of an environment variable", help);
        }
    }
    let filled = fill_table(reading, at, names)?;
    if reading.found.borrow().len() > before {
        return None;
    }
    match serde_json::from_value::<Executor>(filled) {
        Ok(executor) if executor.argv.is_empty() => {
            reading.error(&at.header, "the executor's argv is empty", "name the program: argv = [\"program\"]");
            None
        }
        Ok(executor) => Some(executor),
        Err(error) => {
            reading.error(&at.header, format!("a reference has another kind here: {error}"), "refer to text");
            None
        }
    }
}

/// A section whose values are taken as they are, references filled in.
fn typed<T: serde::de::DeserializeOwned>(
    reading: &Reading<'_>,
    at: &TableAt<'_>,
    section: &str,
    names: &Names,
) -> Option<T> {
    match serde_json::from_value(fill_table(reading, at, names)?) {
        Ok(value) => Some(value),
        Err(error) => {
            reading.error(&at.header, format!("{section}: {error}"), "docs/executor-contract.md describes the section");
            None
        }
    }
}

fn check_run(reading: &Reading<'_>, at: &TableAt<'_>, names: &Names) -> Option<RunRules> {
    let rules: RunRules = typed(reading, at, "[run]", names)?;
    let wrong = rules.tables.iter().filter_map(|(name, table)| Some(format!("the table {name} {}", table.problem()?)));
    let nothing = rules.tables.is_empty().then(|| "no table: a run that changes nothing cannot be verified".to_owned());
    let unchecked = rules.checks.is_empty().then(|| "no check: counting rows alone proves too little".to_owned());
    let minutes =
        (!(1..=24 * 60).contains(&rules.permit_minutes)).then(|| "permit_minutes is not 1 to 1440".to_owned());
    let problems: Vec<String> = wrong.chain(nothing).chain(unchecked).chain(minutes).collect();
    for problem in &problems {
        reading.error(&at.header, format!("[run]: {problem}"), "docs/executor-contract.md describes the section");
    }
    problems.is_empty().then_some(rules)
}

fn check_limits(reading: &Reading<'_>, raw: Option<&RawLimits>) -> Option<(std::time::Duration, Limits)> {
    let mut limits = Limits::default();
    let Some(raw) = raw else { return Some((AUDIT_LIMIT, limits)) };
    let before = reading.found.borrow().len();
    let duration = |word: &Word| {
        let word = word.as_ref()?;
        let duration = parse_duration(&word.value);
        if duration.is_none() {
            let help = "give a duration: \"90s\", \"2m\", \"1h30m\"";
            reading.error(&word.span, format!("`{}` is not a duration", word.value), help);
        }
        duration
    };
    let audit = duration(&raw.audit).unwrap_or(AUDIT_LIMIT);
    limits.probe = duration(&raw.probe).unwrap_or(limits.probe);
    limits.read = duration(&raw.read).unwrap_or(limits.read.min(limits.probe));
    if let Some(file_mb) = &raw.file_mb {
        match u64::try_from(file_mb.value).ok().filter(|mb| (1..=1 << 20).contains(mb)) {
            Some(mb) => limits.file_bytes = mb << 20,
            None => reading.error(&file_mb.span, "file_mb is out of range", "give megabytes, from 1 to 1048576"),
        }
    }
    if limits.read > limits.probe
        && reading.found.borrow().len() == before
        && let Some(word) = raw.read.as_ref()
    {
        let message = format!("one access may take {:?}, longer than a probe's {:?}", limits.read, limits.probe);
        reading.error(&word.span, message, "make `read` shorter or `probe` longer");
    }
    if limits.probe > audit
        && reading.found.borrow().len() == before
        && let Some(word) = raw.probe.as_ref().or(raw.audit.as_ref())
    {
        let message = format!("a probe may take {:?}, longer than the audit's {audit:?}", limits.probe);
        reading.error(&word.span, message, "make `probe` shorter or `audit` longer");
    }
    (reading.found.borrow().len() == before).then_some((audit, limits))
}

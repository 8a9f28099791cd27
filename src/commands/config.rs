//! `config show`: the settings in force, and with `--origin` where each comes from.
//!
//! Nothing is read but the package's own files and the environment. Values that may be secret are not shown, only that a
//! variable is set.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use super::cli::ConfigShowArgs;
use super::{CommandError, output, screen, session};
use crate::gates::Loaded;
use crate::package::PACKAGE_FILE;
use crate::package::table::integer;
use crate::probes::Secrets;
use crate::report::escape::terminal;

/// One setting.
struct Setting {
    name: String,
    value: Value,
    origin: String,
}

/// Variables of the environment whose values say where something is, and are no secrets.
const OPEN: &[(&str, &str)] = &[
    ("CI", "no progress is shown where it is set"),
    ("CLICOLOR", "no colours where it is 0"),
    ("CLICOLOR_FORCE", "colours where it is not 0, on a terminal or not"),
    ("CREDENTIALS_DIRECTORY", "where the passphrase of --sign-key is looked for"),
    ("GNUPGHOME", "where gpg keeps the keys of --sign"),
    ("NO_COLOR", "no colours where it is set"),
    ("PGDATABASE", "the database, where the URL names none"),
    ("PGHOST", "the server, where the URL names none"),
    ("PGPASSFILE", "the file with passwords"),
    ("PGPORT", "the port, where the URL names none"),
    ("PGSERVICE", "the service, where the URL names none"),
    ("PGSERVICEFILE", "the file with services"),
    ("PGSSLMODE", "how far TLS is demanded, where the URL does not say"),
    ("PGSSLROOTCERT", "whose certificates a server may have"),
    ("PGUSER", "the role, where the URL names none"),
    ("TERM", "what the terminal can do"),
];

/// Shows the settings; `named` says whether the command line names the package file.
pub fn show(package: &Path, named: bool, args: &ConfigShowArgs) -> Result<u8, CommandError> {
    let destinations = output::destinations(&args.format, ["text", "json"].into_iter())?;
    let loaded = session::load(package)?;
    let settings = settings(&loaded, package, named)?;
    let secrets = Secrets::default();
    session::keep_environment_secrets(&loaded, &secrets);
    for destination in &destinations {
        let shown = if destination.name == "json" { as_json(&settings) } else { as_text(&settings, args.origin) };
        if secrets.occur_in(shown.as_bytes()) {
            let message = "a secret value of the environment stands in the package's files; nothing is shown: take it out of there";
            return Err(CommandError::Usage(message.to_owned()));
        }
        destination.put(&shown)?;
    }
    Ok(0)
}

fn settings(loaded: &Loaded, package: &Path, named: bool) -> Result<Vec<Setting>, CommandError> {
    let bytes = loaded.files.get(PACKAGE_FILE).map(Vec::as_slice).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let broken = |error: toml::de::Error| CommandError::Internal(format!("the package cannot be read again: {error}"));
    let table = DeTable::parse(&text).map_err(broken)?.into_inner();
    let mut written = Vec::new();
    table.iter().for_each(|(key, value)| leaves(&text, key.get_ref().to_string(), value, &mut written));
    let known: BTreeMap<String, Value> = written.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
    let file = package.display();
    let origin = if named { "command line: --package" } else { "default" };
    let mut settings =
        vec![Setting { name: "package file".to_owned(), value: json!(file.to_string()), origin: origin.to_owned() }];
    let manner = screen::settings().into_iter();
    settings.extend(manner.map(|(name, value, origin)| Setting { name: name.to_owned(), value, origin }));
    for (name, value, line) in written {
        settings.push(Setting { value: filled(&value, &known, 0), name, origin: format!("{file}:{line}") });
    }
    for (name, value) in defaults(loaded) {
        if !known.contains_key(name) {
            settings.push(Setting { name: name.to_owned(), value, origin: "default".to_owned() });
        }
    }
    for gate in &loaded.gates {
        let origin = match gate.file.strip_prefix("stock/") {
            Some(_) => "built in".to_owned(),
            None => loaded.place.package_dir.join(&gate.file).display().to_string(),
        };
        settings.push(Setting { name: format!("gate {}", gate.id), value: json!(gate.gap), origin });
    }
    settings.extend(environment(loaded));
    Ok(settings)
}

/// The values below a table, each with its name and line; a list without tables is one value.
fn leaves(text: &str, name: String, value: &toml::Spanned<DeValue<'_>>, found: &mut Vec<(String, Value, usize)>) {
    let holds_tables = |items: &toml::de::DeArray<'_>| items.iter().any(|item| item.get_ref().is_table());
    match value.get_ref() {
        DeValue::Table(table) => {
            table.iter().for_each(|(key, value)| leaves(text, format!("{name}.{}", key.get_ref()), value, found));
        }
        DeValue::Array(items) if holds_tables(items) => {
            items.iter().enumerate().for_each(|(at, item)| leaves(text, format!("{name}.{at}"), item, found));
        }
        DeValue::Array(_)
        | DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {
            let line = text.get(..value.span().start).unwrap_or_default().matches('\n').count() + 1;
            found.push((name, plain(value.get_ref()), line));
        }
    }
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Integer(number) => integer(number).map_or(Value::Null, Value::from),
        DeValue::Float(number) => Value::from(number.to_string()),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| plain(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect()
        }
    }
}

/// How often a value that was filled in may refer further.
const DEPTH: usize = 4;

/// A value with the references in it filled in. What names no entry of the file (a fact, a place holder) stays.
fn filled(value: &Value, known: &BTreeMap<String, Value>, depth: usize) -> Value {
    let Value::String(text) = value else {
        return match value {
            Value::Array(items) => items.iter().map(|item| filled(item, known, depth)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => value.clone(),
        };
    };
    if depth > DEPTH {
        return value.clone();
    }
    let reference = regex::Regex::new(r"\{([a-z_]+(?:\.[A-Za-z0-9_-]+)+)\}");
    let reference = reference.expect("invariant: the expression is constant and valid");
    if let Some(whole) = reference.captures(text).filter(|found| found.get(0).is_some_and(|all| all.as_str() == text)) {
        return known.get(&whole[1]).map_or_else(|| value.clone(), |found| filled(found, known, depth + 1));
    }
    let text = reference.replace_all(text, |found: &regex::Captures<'_>| match known.get(&found[1]) {
        Some(other) => match filled(other, known, depth + 1) {
            Value::String(text) => text,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => other.to_string(),
        },
        None => found[0].to_owned(),
    });
    Value::from(text.into_owned())
}

/// What holds where the file does not say it.
fn defaults(loaded: &Loaded) -> Vec<(&'static str, Value)> {
    let package = &loaded.package;
    let seconds = |length: std::time::Duration| Value::from(format!("{}s", length.as_secs()));
    let mut defaults = vec![
        ("limits.audit", seconds(package.audit_limit)),
        ("limits.probe", seconds(package.limits.probe)),
        ("limits.read", seconds(package.limits.read)),
        ("limits.file_mb", Value::from(package.limits.file_bytes >> 20)),
        ("paths.root", Value::from("/")),
        ("trust.operator", json!([])),
        ("trust.auditor", json!([])),
        ("trust.attestor", json!([])),
    ];
    if let Some(run) = &package.run {
        defaults.extend([
            ("run.permit_minutes", Value::from(run.permit_minutes)),
            ("run.deadline_seconds", Value::from(run.deadline_seconds)),
            ("run.grace_seconds", Value::from(run.grace_seconds)),
            ("run.output_bytes", Value::from(run.output_bytes)),
        ]);
    }
    defaults
}

/// Variables that are set, and those that the package names. The value is shown where it cannot be a secret.
fn environment(loaded: &Loaded) -> Vec<Setting> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for (name, _) in OPEN {
        if let Some(value) = set(name) {
            found.insert((*name).to_owned(), Value::from(value.to_string_lossy().into_owned()));
        }
    }
    let others = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in others.filter(|name| name.starts_with("PG") && set(name).is_some()) {
        found.entry(name).or_insert_with(|| Value::from("(set; its value is not shown)"));
    }
    // What the package calls a secret is one, whatever its name.
    for name in loaded.package.executor.iter().flat_map(|executor| &executor.env) {
        let said = if set(name).is_some() { "(set; its value is not shown)" } else { "(not set)" };
        found.insert(name.clone(), Value::from(said));
    }
    let setting = |(name, value): (String, Value)| {
        let use_of = OPEN.iter().find(|(open, _)| *open == name).map(|(_, what)| format!(": {what}"));
        Setting { origin: format!("environment{}", use_of.unwrap_or_default()), name: format!("${name}"), value }
    };
    found.into_iter().map(setting).collect()
}

fn as_text(settings: &[Setting], origin: bool) -> String {
    let mut out = String::new();
    for setting in settings {
        let value = terminal(&setting.value.to_string());
        out.push_str(&match origin {
            true => format!("{} = {value}  # {}\n", terminal(&setting.name), terminal(&setting.origin)),
            false => format!("{} = {value}\n", terminal(&setting.name)),
        });
    }
    out
}

fn as_json(settings: &[Setting]) -> String {
    let each =
        settings.iter().map(|setting| json!({"name": setting.name, "value": setting.value, "origin": setting.origin}));
    format!("{:#}\n", json!({"settings": each.collect::<Vec<_>>()}))
}

//! The keys that a package asks for, and whether a value is of the kind that it asks for.

use serde::Deserialize;

use super::tree::{Table, Value};
use super::{Format, env_file, ini_file};
use crate::probes::{SettingProblem, settings::parse_duration};

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeyKind {
    /// Text that is not empty.
    Text,
    /// A whole decimal number.
    Int,
    /// True or false; in formats of text also yes, no, on, off, 1 and 0.
    Bool,
    /// An absolute path.
    Path,
    /// A list; INI and env files have none.
    List,
    /// 64 hex digits.
    Sha256,
    /// An OpenPGP fingerprint: 40 hex digits (version 4) or 64 (version 6).
    Fingerprint,
    /// A length of time such as "90s" or "1h30m".
    Duration,
}

impl KeyKind {
    /// The word that gate files and facts use.
    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Path => "path",
            Self::List => "list",
            Self::Sha256 => "sha256",
            Self::Fingerprint => "fingerprint",
            Self::Duration => "duration",
        }
    }

    /// Whether `value` is of this kind.
    pub fn admits(self, value: &Value) -> bool {
        match value {
            Value::Text(text) => self.admits_text(text),
            Value::Untyped(text) => match self {
                Self::Int => is_decimal(text),
                Self::Bool => matches!(
                    text.to_ascii_lowercase().as_str(),
                    "true" | "false" | "yes" | "no" | "on" | "off" | "1" | "0"
                ),
                Self::Text | Self::Path | Self::List | Self::Sha256 | Self::Fingerprint | Self::Duration => {
                    self.admits_text(text)
                }
            },
            Value::Int(_) => self == Self::Int,
            Value::Bool(_) => self == Self::Bool,
            Value::List(_) => self == Self::List,
            Value::Float(_) | Value::Time(_) | Value::Null | Value::Ambiguous | Value::Table(_) => false,
        }
    }

    fn admits_text(self, text: &str) -> bool {
        let hex = |length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
        match self {
            Self::Text => !text.trim().is_empty(),
            Self::Path => text.starts_with('/') && !text.chars().any(char::is_control),
            Self::Sha256 => hex(64),
            Self::Fingerprint => hex(40) || hex(64),
            Self::Duration => parse_duration(text).is_some(),
            Self::Int | Self::Bool | Self::List => false,
        }
    }

    /// The word for what was found when this kind was wanted: the kind itself where it fits.
    pub fn found(self, value: &Value) -> &'static str {
        if self.admits(value) { self.word() } else { value.word() }
    }
}

/// A decimal number as every reader takes it: no leading zeros.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain && (digits == "0" || !digits.starts_with('0'))
}

/// One key of the `keys` setting.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedKey {
    /// Dotted for nested tables; `section.key` in INI files; a variable's name in env files.
    pub key: String,
    /// What its value must be.
    pub kind: KeyKind,
    /// Whether its value must never leave the probe.
    #[serde(rename = "secret")]
    secret_given: Option<bool>,
    /// Whether the configuration is incomplete without it.
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

impl WantedKey {
    /// Whether its value must never leave the probe.
    pub fn secret(&self) -> bool {
        self.secret_given.unwrap_or(false)
    }

    /// The value at this key.
    pub fn find<'a>(&self, format: Format, table: &'a Table) -> Option<&'a Value> {
        match format {
            Format::Env => table.get(&self.key),
            Format::Ini => ini_file::find(table, &self.key),
            Format::Toml | Format::Yaml => {
                let mut names = self.key.split('.');
                let first = table.get(names.next()?);
                names.fold(first, |value, name| {
                    let Some(Value::Table(inside)) = value else { return None };
                    inside.get(name)
                })
            }
        }
    }

    /// What is wrong with the key as the gate file gives it.
    pub fn problems(&self, format: Option<Format>) -> Vec<SettingProblem> {
        let problem =
            |message: String, help: &str| SettingProblem { name: "keys".to_owned(), message, help: help.to_owned() };
        let key = &self.key;
        let mut problems = Vec::new();
        if key.split('.').any(|name| name.trim().is_empty()) {
            problems.push(problem(format!("the key {key:?} has an empty part"), "write it as \"table.key\""));
        }
        let textual = match format {
            Some(Format::Env | Format::Ini) => true,
            Some(Format::Toml | Format::Yaml) | None => false,
        };
        if textual && self.kind == KeyKind::List {
            let message = format!("the key {key:?} is to be a list, and this format has no lists");
            problems.push(problem(message, "use kind = \"text\", or a format that has lists"));
        }
        if format == Some(Format::Env) && !env_file::is_name(key) {
            problems.push(problem(
                format!("{key:?} cannot be the name of a variable"),
                "use letters, digits and underscores, a letter or underscore first",
            ));
        }
        if self.secret_given.is_none() && sounds_secret(key) {
            problems.push(problem(
                format!("the key {key:?} sounds like a secret, and its value would be published"),
                "add secret = true; or secret = false, if it really is none",
            ));
        }
        problems
    }
}

/// Whether a key's last name is what secrets are usually called.
fn sounds_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase().replace('-', "_");
    let names = ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key"];
    names.iter().any(|name| last.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('_')))
}

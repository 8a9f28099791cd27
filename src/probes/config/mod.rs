//! `config`: whether a configuration file is there, is kept from others, and has the keys that the package
//! needs, each of the right kind.
//!
//! The value of a secret key never leaves this module, nor does any text of a file that cannot be parsed:
//! what is recorded of secrets is their name, whether they are there, and the file's mode. A value of another
//! key that repeats a secret is withheld too.

mod env_file;
mod ini_file;
mod keys;
mod toml_file;
mod tree;
mod yaml_file;

use std::collections::BTreeMap;

use serde::Deserialize;

pub(super) use env_file::parse as parse_env;
use keys::WantedKey;
pub(super) use tree::Value;
use tree::{Broken, Table};

use super::accounts::Accounts;
use super::{Attributes, Door, FileKind, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape};

/// The longest configuration file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Toml,
    Yaml,
    Ini,
    Env,
}

impl Format {
    /// The word that gate files use.
    fn word(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Yaml => "yaml",
            Self::Ini => "ini",
            Self::Env => "env",
        }
    }

    /// The keys and values of a file.
    fn parse(self, bytes: &[u8]) -> Result<Table, Broken> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or("");
            Broken::at_offset(valid, valid.len(), "not UTF-8")
        })?;
        match self {
            Self::Toml => toml_file::parse(text),
            Self::Yaml => yaml_file::parse(text),
            Self::Ini => ini_file::parse(text),
            Self::Env => env_file::parse(text),
        }
    }
}

/// The probe.
pub(super) struct Config;

impl Probe for Config {
    fn kind(&self) -> &'static str {
        "config"
    }

    fn summary(&self) -> &'static str {
        "whether a configuration file has its keys, of the right kind, and is kept from others"
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter { name: "file", kind: ParameterKind::Path, required: true, doc: "the configuration file" },
            Parameter {
                name: "format",
                kind: ParameterKind::Text,
                required: true,
                doc: "its form: toml, yaml, ini, or env (NAME=value lines by the shell's rules)",
            },
            Parameter {
                name: "keys",
                kind: ParameterKind::Tables,
                required: true,
                doc: "the keys: {key, kind = text|int|bool|path|list|sha256|fingerprint|duration, secret, required}; secret is false and required true where not given",
            },
            Parameter {
                name: "max_mode",
                kind: ParameterKind::Text,
                required: false,
                doc: "the most permissions that the file may grant, octal; without it 0770 where a key is secret, else 0775",
            },
        ];
        PARAMETERS
    }

    fn shape(&self, _settings: &Settings) -> Shape {
        let key = [
            ("present", Shape::Bool),
            ("kind_ok", Shape::Bool),
            ("secret", Shape::Bool),
            ("value", Shape::Text),
            ("found", Shape::Text),
        ];
        Shape::record([
            ("present", Shape::Bool),
            ("mode", Shape::Text),
            ("owner", Shape::Text),
            ("loose", Shape::Bool),
            ("parsed", Shape::Bool),
            ("keys", Shape::dict(Shape::record(key))),
            ("missing", Shape::list(Shape::Text)),
            ("wrong_kind", Shape::list(Shape::Text)),
        ])
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let problem = |name: &str, message: String, help: &str| SettingProblem {
            name: name.to_owned(),
            message,
            help: help.to_owned(),
        };
        let mut problems = Vec::new();
        let format = settings.parse::<Format>("format").ok();
        if format.is_none() {
            let message = format!("unknown format {:?}", settings.text("format").unwrap_or(""));
            problems.push(problem("format", message, "use one of toml, yaml, ini, env"));
        }
        if settings.text("max_mode").is_some_and(|text| super::parse_mode(text).is_none()) {
            problems.push(problem("max_mode", "not an octal mode".to_owned(), "write it as \"0640\""));
        }
        let tables = settings.tables::<WantedKey>("keys");
        if tables.is_empty() {
            problems.push(problem("keys", "no key is asked for".to_owned(), "name at least one key"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (i, table) in tables.into_iter().enumerate() {
            match table {
                Ok(wanted) => {
                    problems.extend(wanted.problems(format));
                    if !seen.insert(wanted.key.clone()) {
                        let message = format!("the key {:?} is given twice", wanted.key);
                        problems.push(problem("keys", message, "remove one of both"));
                    }
                }
                Err(reason) => problems.push(problem(
                    "keys",
                    format!("entry {}: {reason}", i + 1),
                    "each entry is {key = \"…\", kind = \"text|int|bool|path|list|sha256|fingerprint|duration\", secret = …, required = …}",
                )),
            }
        }
        problems
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let file = settings.required_text("file");
        let format = settings.parse::<Format>("format").expect("invariant: check() admitted the format");
        let wanted: Vec<WantedKey> = settings.tables("keys").into_iter().filter_map(Result::ok).collect();
        let look = Look { door, file, wanted: &wanted };
        Ok(match door.reached(file) {
            Ok(attributes) if attributes.kind == FileKind::File => {
                look.present(format, &attributes, settings.text("max_mode"))
            }
            // Something is there, and it is no configuration: neither that one is there nor that none is.
            Ok(attributes) => {
                let said = format!("it is a {}, not a regular file", attributes.kind.word());
                let next = format!("look at it: ls -ld {file}");
                look.unseen(&door.missing(MissingState::Unreadable, format!("read {file}"), said, next))
            }
            Err(missing) if missing.state.is_absent() => look.absent(missing),
            Err(missing) => look.unseen(&missing),
        })
    }
}

/// One look at one file.
struct Look<'a> {
    door: &'a Door,
    file: &'a str,
    wanted: &'a [WantedKey],
}

impl Look<'_> {
    /// The facts when it is not known whether the file is there.
    fn unseen(&self, missing: &Missing) -> Fact {
        let names = ["present", "mode", "owner", "loose", "parsed", "keys", "missing", "wrong_kind"];
        Fact::record(names.map(|name| (name, missing.clone().into())))
    }

    /// The facts when the file is known not to be there: then no key is, and those that are required miss.
    fn absent(&self, missing: Missing) -> Fact {
        let detail = || Fact::from(missing.clone());
        let keys = self.wanted.iter().map(|wanted| (wanted.key.clone(), self.absent_key(wanted)));
        Fact::record([
            ("present", false.into()),
            ("mode", detail()),
            ("owner", detail()),
            ("loose", detail()),
            ("parsed", detail()),
            ("keys", Fact::Map(keys.collect())),
            ("missing", self.missing_keys(&Table::new(), Format::Env)),
            ("wrong_kind", detail()),
        ])
    }

    /// The facts of a file that is there.
    fn present(&self, format: Format, attributes: &Attributes, max_mode: Option<&str>) -> Fact {
        let secret = self.wanted.iter().any(WantedKey::secret);
        let max_mode = max_mode.and_then(super::parse_mode).unwrap_or(if secret { 0o770 } else { 0o775 });
        let accounts = Accounts::of(self.door);
        // Of a file with secrets the digest is not recorded: who knows the rest of it could try values
        // against a published digest until one fits.
        let bytes = self.door.read_seen(self.file, MAX_BYTES, attributes, secret);
        let table = bytes.map(|bytes| format.parse(&bytes));
        let (parsed, keys, missing, wrong_kind) = match table {
            Ok(Ok(table)) => (
                true.into(),
                self.keys(&table, format),
                self.missing_keys(&table, format),
                self.wrong_kind(&table, format),
            ),
            Ok(Err(broken)) => {
                let reason = Fact::from(self.unparsable(format, broken));
                (false.into(), reason.clone(), reason.clone(), reason)
            }
            Err(missing) => {
                let reason = Fact::from(missing);
                (reason.clone(), reason.clone(), reason.clone(), reason)
            }
        };
        Fact::record([
            ("present", true.into()),
            ("mode", format!("{:04o}", attributes.mode).into()),
            ("owner", accounts.user_name(attributes.uid).into()),
            ("loose", (attributes.mode & 0o777 & !max_mode != 0).into()),
            ("parsed", parsed),
            ("keys", keys),
            ("missing", missing),
            ("wrong_kind", wrong_kind),
        ])
    }

    fn unparsable(&self, format: Format, broken: Broken) -> Missing {
        let tried = format!("read {} as {}", self.file, format.word());
        let next = format!("correct line {} of {}", broken.line, self.file);
        self.door.missing(MissingState::Unreadable, tried, broken.to_string(), next)
    }

    fn missing_keys(&self, table: &Table, format: Format) -> Fact {
        let missing = self.wanted.iter().filter(|wanted| wanted.required && wanted.find(format, table).is_none());
        Fact::texts(missing.map(|wanted| wanted.key.as_str()))
    }

    fn wrong_kind(&self, table: &Table, format: Format) -> Fact {
        let wrong = |wanted: &&WantedKey| wanted.find(format, table).is_some_and(|value| !wanted.kind.admits(value));
        Fact::texts(self.wanted.iter().filter(wrong).map(|wanted| wanted.key.as_str()))
    }

    fn keys(&self, table: &Table, format: Format) -> Fact {
        let secrets = self.wanted.iter().filter(|wanted| wanted.secret());
        let secrets = secrets.filter_map(|wanted| wanted.find(format, table)).flat_map(Value::texts);
        let secrets: Vec<String> = secrets.filter(|text| !text.is_empty()).collect();
        secrets.iter().for_each(|secret| self.door.keep_secret(secret));
        let keys = self.wanted.iter().map(|wanted| {
            let fact = match wanted.find(format, table) {
                Some(value) => self.key(wanted, value, &secrets),
                None => self.absent_key(wanted),
            };
            (wanted.key.clone(), fact)
        });
        Fact::Map(keys.collect::<BTreeMap<_, _>>())
    }

    fn key(&self, wanted: &WantedKey, value: &Value, secrets: &[String]) -> Fact {
        Fact::record([
            ("present", true.into()),
            ("kind_ok", wanted.kind.admits(value).into()),
            ("secret", wanted.secret().into()),
            ("value", self.value(wanted, value, secrets).into()),
            ("found", wanted.kind.found(value).into()),
        ])
    }

    fn absent_key(&self, wanted: &WantedKey) -> Fact {
        let tried = format!("look for {} in {}", wanted.key, self.file);
        let next = format!("set {} in {}", wanted.key, self.file);
        let missing = self.door.missing(MissingState::Absent, tried, "the key is not there", next);
        Fact::record([
            ("present", false.into()),
            ("kind_ok", missing.clone().into()),
            ("secret", wanted.secret().into()),
            ("value", missing.clone().into()),
            ("found", missing.into()),
        ])
    }

    /// The value as text, unless it is secret, repeats a secret, or cannot be shown.
    fn value(&self, wanted: &WantedKey, value: &Value, secrets: &[String]) -> Result<String, Missing> {
        let missing = |state: MissingState, said: &str| {
            let tried = format!("show {} of {}", wanted.key, self.file);
            self.door.missing(state, tried, said, format!("look at it: {}", self.file))
        };
        if wanted.secret() {
            return Err(missing(MissingState::Withheld, "it is a secret"));
        }
        let shown = match value {
            Value::Text(text) | Value::Untyped(text) | Value::Int(text) | Value::Float(text) | Value::Time(text) => {
                text.clone()
            }
            Value::Bool(value) => value.to_string(),
            Value::List(items) => match json_list(items) {
                Some(text) => text,
                None => return Err(missing(MissingState::Withheld, "a list of more than scalars may hold secrets")),
            },
            Value::Table(_) => return Err(missing(MissingState::Withheld, "a table may hold secrets")),
            Value::Null => return Err(missing(MissingState::Absent, "the key has no value")),
            Value::Ambiguous => {
                return Err(missing(MissingState::Unreadable, "readers of this format differ about it; quote it"));
            }
        };
        let texts = value.texts();
        let repeats = secrets.iter().any(|secret| texts.iter().any(|text| text.contains(secret.as_str())));
        if repeats {
            return Err(missing(MissingState::Withheld, "it repeats the value of a secret key"));
        }
        if texts.iter().any(|text| carries_credentials(text)) {
            return Err(missing(MissingState::Withheld, "it carries credentials"));
        }
        Ok(shown)
    }
}

/// A list of scalars as JSON text; `None` for any other list.
fn json_list(items: &[Value]) -> Option<String> {
    let scalar = |item: &Value| match item {
        Value::Text(text) | Value::Untyped(text) | Value::Time(text) => Some(serde_json::Value::from(text.as_str())),
        // A number that JSON cannot hold is shown as text.
        Value::Int(text) | Value::Float(text) => {
            Some(serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text.as_str())))
        }
        Value::Bool(value) => Some(serde_json::Value::from(*value)),
        Value::Null => Some(serde_json::Value::Null),
        Value::Ambiguous | Value::List(_) | Value::Table(_) => None,
    };
    let items: Option<Vec<serde_json::Value>> = items.iter().map(scalar).collect();
    items.map(|items| serde_json::Value::from(items).to_string())
}

/// Whether a text holds what no report may show although nobody called it secret: a password inside an URL,
/// or a private key.
fn carries_credentials(text: &str) -> bool {
    let in_url = text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or(rest);
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    in_url || (text.contains("-----BEGIN ") && text.contains("PRIVATE KEY"))
}

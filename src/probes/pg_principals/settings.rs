//! The settings of `pg-principals`: raw as in the gate file, checked, everything that is wrong at once.

use serde::Deserialize;

use super::super::sql::name::{Name, function};
use super::super::{SettingProblem, Settings};

/// Attributes that a role has, and whether SET ROLE gives them to its members.
pub(super) const ATTRIBUTES: [(&str, &str, bool); 7] = [
    ("SUPERUSER", "superuser", true),
    ("INHERIT", "inherit", false),
    ("CREATEROLE", "create_role", true),
    ("CREATEDB", "create_db", true),
    ("LOGIN", "can_login", false),
    ("REPLICATION", "replication", true),
    ("BYPASSRLS", "bypass_rls", true),
];

/// The privileges that there are on columns.
pub(super) const ON_COLUMNS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "REFERENCES"];

/// Checked settings.
pub(super) struct Given {
    /// Names of schemas, as the catalogue has them.
    pub schemas: Vec<String>,
    pub roles: Vec<Required>,
    pub matrix_sha256: Option<String>,
    pub allow: Vec<Tuple>,
    pub deny: Vec<Tuple>,
}

/// A role that must be there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Required {
    pub name: String,
    /// Words of [`ATTRIBUTES`].
    #[serde(default)]
    pub required: Vec<String>,
    /// Words of [`ATTRIBUTES`].
    #[serde(default)]
    pub forbidden: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTuple {
    role: String,
    privilege: String,
    on: String,
}

/// A role, a privilege and an object.
#[derive(Clone, Debug)]
pub(super) struct Tuple {
    /// As the catalogue has it; "public" stands for everybody.
    pub role: String,
    pub privilege: String,
    /// As the package writes it.
    pub on: String,
    pub object: Object,
}

/// What a privilege is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Table(Name),
    Column(Name),
    Sequence(Name),
    /// With the types of its arguments, as `oidvectortypes` writes them, where they are given.
    Function(Name, Option<String>),
    Schema(Name),
}

impl Object {
    const WORDS: [&str; 5] = ["table", "column", "sequence", "function", "schema"];

    /// "table schema.name" and its like.
    fn parse(text: &str) -> Option<Self> {
        let (word, name) = text.trim().split_once(char::is_whitespace)?;
        let name = name.trim();
        Some(match word {
            "table" => Self::Table(Name::parse(name, 2)?),
            "column" => Self::Column(Name::parse(name, 3)?),
            "sequence" => Self::Sequence(Name::parse(name, 2)?),
            "schema" => Self::Schema(Name::parse(name, 1)?),
            "function" => {
                let (name, arguments) = function(name)?;
                Self::Function(name, arguments)
            }
            _ => return None,
        })
    }

    /// The privileges that there are on it.
    pub fn privileges(&self) -> &'static [&'static str] {
        match self {
            Self::Table(_) => {
                &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"]
            }
            Self::Column(_) => &ON_COLUMNS,
            Self::Sequence(_) => &["USAGE", "SELECT", "UPDATE"],
            Self::Function(..) => &["EXECUTE"],
            Self::Schema(_) => &["USAGE", "CREATE"],
        }
    }

    /// The name of the schema that it lies in, or is.
    pub fn schema(&self) -> &str {
        match self {
            Self::Table(name)
            | Self::Column(name)
            | Self::Sequence(name)
            | Self::Function(name, _)
            | Self::Schema(name) => &name.0[0],
        }
    }
}

impl Given {
    /// Reads the settings.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(settings: &Settings) -> Result<Self, Vec<SettingProblem>> {
        let mut problems = Vec::new();
        let mut problem = |name: String, message: String, help: &str| {
            problems.push(SettingProblem { name, message, help: help.to_owned() });
        };
        let mut schemas = Vec::new();
        for (at, text) in settings.texts("schemas").into_iter().enumerate() {
            match Name::parse(text, 1) {
                Some(Name(mut parts)) => schemas.append(&mut parts),
                None => problem(
                    format!("schemas[{at}]"),
                    format!("{text:?} is not the name of a schema"),
                    "write \"public\"",
                ),
            }
        }
        if schemas.is_empty() {
            problem("schemas".to_owned(), "there is no schema".to_owned(), "name those whose objects are governed");
        }
        let mut roles: Vec<Required> = Vec::new();
        for (at, role) in settings.tables::<Required>("roles").into_iter().enumerate() {
            let name = format!("roles[{at}]");
            let role = match role {
                Ok(role) => role,
                Err(error) => {
                    problem(
                        name,
                        error,
                        "a role is { name = \"…\", required = [\"LOGIN\"], forbidden = [\"SUPERUSER\"] }",
                    );
                    continue;
                }
            };
            for word in role.required.iter().chain(&role.forbidden) {
                if !ATTRIBUTES.iter().any(|(known, ..)| known == word) {
                    let known: Vec<&str> = ATTRIBUTES.iter().map(|(known, ..)| *known).collect();
                    problem(
                        name.clone(),
                        format!("{word:?} is no attribute of a role"),
                        &format!("one of {}", known.join(", ")),
                    );
                }
            }
            if role.required.is_empty() && role.forbidden.is_empty() {
                let help = "give `required`, `forbidden` or both";
                problem(name.clone(), format!("nothing is asked of {}", role.name), help);
            }
            if let Some(word) = role.required.iter().find(|word| role.forbidden.contains(word)) {
                problem(name.clone(), format!("{word} is required and forbidden"), "remove one of the two");
            }
            if roles.iter().any(|other| other.name == role.name) {
                problem(name, format!("{} stands there twice", role.name), "put both into one");
            }
            roles.push(role);
        }
        let matrix_sha256 = settings.text("matrix_sha256").map(str::to_lowercase);
        if matrix_sha256
            .as_ref()
            .is_some_and(|hex| hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            let help = "take `matrix_sha256` from an audit whose grants were reviewed";
            problem("matrix_sha256".to_owned(), "it is no sha256".to_owned(), help);
        }
        let mut tuples = |list: &str| -> Vec<Tuple> {
            let raw = settings.tables::<RawTuple>(list).into_iter().enumerate();
            let read = raw.filter_map(|(at, raw)| {
                let name = format!("{list}[{at}]");
                let help = "a tuple is { role = \"…\", privilege = \"INSERT\", on = \"table schema.name\" }";
                let raw = raw.map_err(|error| problem(name.clone(), error, help)).ok()?;
                let Some(object) = Object::parse(&raw.on) else {
                    let help = format!("write one of {}, then its name with the schema", Object::WORDS.join(", "));
                    problem(name, format!("{:?} names no object", raw.on), &help);
                    return None;
                };
                if !object.privileges().contains(&raw.privilege.as_str()) {
                    let help = format!("one of {}", object.privileges().join(", "));
                    problem(name, format!("there is no privilege {:?} on {:?}", raw.privilege, raw.on), &help);
                }
                Some(Tuple { role: raw.role, privilege: raw.privilege, on: raw.on, object })
            });
            read.collect()
        };
        let (allow, deny) = (tuples("allow"), tuples("deny"));
        if problems.is_empty() { Ok(Self { schemas, roles, matrix_sha256, allow, deny }) } else { Err(problems) }
    }
}

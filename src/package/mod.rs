//! `cutgate.toml`: what a package says about itself, as checked types.
//!
//! Stages, gaps, reports, criteria and forbidden actions are data here and nowhere built in. This room reads
//! the files of a package (`sources`), turns tables into values with every problem noted (`table`),
//! fills in references (`references`) and checks the package file (`file` → `check`). It does not know gates:
//! `gates::load` reads a package with its gates as a whole and is what commands call. Direction:
//! `evidence → trust → probes → package → gates`.

mod check;
pub mod diagnostic;
mod execution;
pub(crate) mod file;
mod literal;
mod probe_use;
mod references;
mod sources;
pub mod table;
mod waivers;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub use check::{Checked, RawProfile, RawRequest, RawWaivers, check, check_name};
pub use execution::{DrillRules, RunCheck, RunRules, RunTable};
pub use probe_use::ProbeUse;
pub use references::Names;
pub use sources::{PACKAGE_FILE, SourceFile, Sources, Unreadable};
pub use table::{Located, Places, Reading, TableAt, TableReader, entries, places};
pub use waivers::{WAIVERS, read_waivers};

use crate::evidence::{Fact, Instant, Shape};
use crate::probes::Limits;
use crate::trust::Fingerprint;
use crate::trust::ed25519::VerifyingKey;

/// A package whose file is in order.
#[derive(Clone, Debug)]
pub struct Package {
    /// The macro's id: `v0.6-o8-production-run-readiness-command-package`.
    pub macro_id: String,
    /// The package's title.
    pub title: String,
    /// The short name that headings use: `O8`.
    pub label: String,
    /// The host name that is expected.
    pub host: String,
    /// The host as people call it.
    pub host_label: String,
    /// The result scheme.
    pub scheme: Scheme,
    /// What is deployed, in free words: a name, never evidence.
    pub deployed_label: String,
    /// The prefix of absolute paths, relative to the package folder; `None` is the host's own `/`.
    pub root: Option<String>,
    /// Paths by name, as the package writes them; `root` is not among them.
    pub paths: BTreeMap<String, String>,
    /// Parameters by name.
    pub params: BTreeMap<String, Param>,
    /// Whose signatures count.
    pub trust: Trust,
    /// The database's URL, without a password.
    pub database: Option<String>,
    /// The settings of the code-path analysis, filled in.
    pub code_path: Option<Value>,
    /// The executor's command, for the command package.
    pub executor: Option<Executor>,
    /// What a run may change and how it is delegated.
    pub run: Option<RunRules>,
    /// What a rehearsal of the revert needs.
    pub drill: Option<DrillRules>,
    /// The numbered reports, in the order of the file.
    pub reports: Vec<ReportEntry>,
    /// The stages, in the order of the file.
    pub stages: Vec<Stage>,
    /// The gap register, in the order of the file.
    pub gaps: Vec<Gap>,
    /// The owner's words for what blocks, in the order of the file.
    pub criteria: Vec<Criterion>,
    /// The probes of the invariants that are read before and after, by name.
    pub measures: BTreeMap<String, ProbeUse>,
    /// The time for the whole audit.
    pub audit_limit: Duration,
    /// The limits of each probe.
    pub limits: Limits,
    /// Where each value of the file stands.
    pub places: Places,
}

impl Package {
    /// The shapes of the variables `params`, `paths` and `pkg` in expressions. The texts of `[package]` are called
    /// `pkg` there because CEL reserves the word `package`.
    pub fn shapes(&self) -> BTreeMap<&'static str, Shape> {
        let params = self.params.iter().map(|(name, param)| (name.as_str(), param.shape()));
        let paths = self.paths.keys().map(|name| (name.as_str(), Shape::Text));
        let package = self.words().map(|(name, _)| (name, Shape::Text));
        BTreeMap::from([
            ("params", Shape::record(params)),
            ("paths", Shape::record(paths)),
            ("pkg", Shape::record(package)),
        ])
    }

    /// The values of these variables.
    pub fn variables(&self) -> BTreeMap<&'static str, Fact> {
        let params = self.params.iter().map(|(name, param)| (name.as_str(), param.fact()));
        let paths = self.paths.iter().map(|(name, path)| (name.as_str(), Fact::from(path.as_str())));
        let package = self.words().map(|(name, word)| (name, Fact::from(word)));
        BTreeMap::from([
            ("params", Fact::record(params)),
            ("paths", Fact::record(paths)),
            ("pkg", Fact::record(package)),
        ])
    }

    /// The texts of `[package]`.
    fn words(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let words: [(&str, &str); 7] = [
            ("macro_id", &self.macro_id),
            ("title", &self.title),
            ("label", &self.label),
            ("host", &self.host),
            ("host_label", &self.host_label),
            ("scheme", self.scheme.word()),
            ("deployed_label", &self.deployed_label),
        ];
        words.into_iter()
    }

    /// A gap by its id or one of its aliases.
    pub fn gap(&self, name: &str) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.id == name || gap.aliases.iter().any(|alias| alias == name))
    }
}

/// A result scheme: letters mean different things in different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A verified, B approval-ready, C blocked, D not verified.
    O8,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: &[Self] = &[Self::O8];

    /// The name that package files use.
    pub fn word(self) -> &'static str {
        match self {
            Self::O8 => "O8",
        }
    }
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// Text; may be empty, which is how a package says that something is not pinned.
    Text(String),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// A list of texts.
    Texts(Vec<String>),
    /// An instant.
    Time(Instant),
}

impl Param {
    /// Its shape in expressions.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Text(_) => Shape::Text,
            Self::Int(_) => Shape::Int,
            Self::Bool(_) => Shape::Bool,
            Self::Texts(_) => Shape::list(Shape::Text),
            Self::Time(_) => Shape::Time,
        }
    }

    /// Its value in expressions.
    pub fn fact(&self) -> Fact {
        match self {
            Self::Text(text) => Fact::from(text.as_str()),
            Self::Int(number) => Fact::Int(*number),
            Self::Bool(flag) => Fact::Bool(*flag),
            Self::Texts(texts) => Fact::texts(texts.iter().cloned()),
            Self::Time(time) => Fact::Time(*time),
        }
    }

    /// Its value in settings.
    pub fn json(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Int(number) => Value::from(*number),
            Self::Bool(flag) => Value::from(*flag),
            Self::Texts(texts) => Value::from(texts.as_slice()),
            Self::Time(time) => Value::from(time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
        }
    }
}

/// Whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The keyring with the certificates, as the package writes its path; empty where it pins nobody.
    pub keyring: String,
    /// The sovereign's keys.
    pub sovereign: Vec<Fingerprint>,
    /// How many distinct keys of these must sign; from 1 to their number.
    pub sovereign_threshold: usize,
    /// The keys that may request and run.
    pub operator: Vec<Fingerprint>,
    /// The keys that sign reports.
    pub auditor: Vec<Fingerprint>,
    /// The keys that attest audits; where there are any, every audit must be attested by one of them.
    pub attestor: Vec<VerifyingKey>,
}

impl Trust {
    /// Nobody's signature counts: no key is pinned, and one would have to sign.
    pub fn nobody() -> Self {
        let (keyring, sovereign, operator, auditor, attestor) = Default::default();
        Self { keyring, sovereign, sovereign_threshold: 1, operator, auditor, attestor }
    }
}

/// The executor's command; docs/executor-contract.md says what it is given and what it owes. Nothing here starts it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Executor {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The program that takes one run back, and its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revert: Vec<String>,
    /// Further arguments of a rehearsal that ends after `<PHASE>`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub until: Vec<String>,
    /// Environment variables with their values; no secrets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The user that runs it.
    pub user: Option<String>,
    /// Its working folder.
    pub dir: Option<String>,
    /// The names of the environment variables it needs; values are never here.
    pub env: Vec<String>,
    /// The runbook's path.
    pub runbook: Option<String>,
    /// Further commands by name, such as `revert` or `disable`.
    pub commands: BTreeMap<String, String>,
}

/// A numbered report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportEntry {
    /// Two digits.
    pub number: String,
    /// The file's stem, which starts with the number.
    pub file: String,
    /// Its title.
    pub title: String,
    /// Its template's file name; `None` is `<number>.md`.
    pub template: Option<String>,
}

/// A step of the audit package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// `G0`.
    pub id: String,
    /// What it establishes.
    pub title: String,
    /// The number of its report.
    pub report: String,
    /// Whether it is the run itself, which is entered only when everything holds.
    pub execution: bool,
    /// Gaps of other stages that its report speaks of too.
    pub cites: Vec<String>,
}

/// Who can close a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapClass {
    /// Work on code, configuration or the host.
    Technical,
    /// A decision of someone with the authority.
    Authority,
}

impl GapClass {
    /// Every class.
    pub const ALL: &[Self] = &[Self::Technical, Self::Authority];

    /// The word that package files use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Technical => "technical",
            Self::Authority => "authority",
        }
    }
}

/// A standing prerequisite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// `GAP-1`.
    pub id: String,
    /// What it is.
    pub title: String,
    /// Its names in other registers.
    pub aliases: Vec<String>,
    /// Who can close it.
    pub class: GapClass,
    /// Who has to act.
    pub owner: String,
    /// What closing it takes.
    pub close: Option<String>,
    /// Among open gaps the one with the lowest rank is decisive; those without a rank come last.
    pub decisive_rank: Option<i64>,
}

/// The owner's words for what blocks a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// The words, verbatim.
    pub words: String,
    /// The gaps that they stand for; at least one.
    pub gaps: Vec<String>,
}

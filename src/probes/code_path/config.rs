//! The table that describes the code to the analysis: which value says "live", what the kill switch
//! is, what counts as a write or a simulator, and where the phases begin. It checks what can be said
//! without the tree, and nothing more.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::patterns::{COMMAND_SINKS, Glob, SIMULATORS, SINKS};
use crate::probes::SettingProblem;

/// The whole description. As TOML: `[mode]`, `[[kill_switch]]`, `[patterns]`, `[phases.<name>]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodePathConfig {
    /// How the mode of a run is written in the code.
    pub mode: ModeConfig,
    /// The switches that must refuse a live run while they are off.
    #[serde(default)]
    pub kill_switch: Vec<SwitchConfig>,
    /// What is a write and what is a simulator.
    #[serde(default)]
    pub patterns: PatternsConfig,
    /// The phases by name.
    #[serde(default)]
    pub phases: BTreeMap<String, PhaseConfig>,
    /// Rules that find more phases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discover: Vec<DiscoverConfig>,
}

/// A rule that finds phases: classes with a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoverConfig {
    /// A glob over the class's name, or over its dotted name.
    pub classes: String,
    /// The method that runs the phase.
    pub method: String,
    /// As in a phase.
    #[serde(default)]
    pub carrier: String,
    /// As in a phase.
    #[serde(default)]
    pub drive: Drive,
}

/// How a run's mode is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeConfig {
    /// What kind of value it is.
    pub kind: ModeKind,
    /// The dotted name of the enumeration; for `string` and `bool` the variable that holds the mode
    /// (a dotted name of a module's variable, or a plain name that is only a label).
    pub name: String,
    /// The member or value of a live run.
    pub live: Literal,
    /// The member or value of a dry run.
    pub dry: Literal,
}

/// The kinds of mode values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModeKind {
    /// A member of an enumeration of the tree.
    Enum,
    /// A text.
    String,
    /// True or false.
    Bool,
}

/// A text or a truth value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A member's name or a text.
    Text(String),
    /// A truth value.
    Bool(bool),
}

impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bool(value) => serializer.serialize_bool(*value),
        }
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Literal;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string, true or false")
            }
            fn visit_str<E>(self, text: &str) -> Result<Literal, E> {
                Ok(Literal::Text(text.to_owned()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Literal, E> {
                Ok(Literal::Bool(value))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// One kill switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchConfig {
    /// What it is.
    pub kind: SwitchKind,
    /// Its dotted name: `package.module.NAME`.
    pub name: String,
}

/// The kinds of kill switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchKind {
    /// A variable of a module: true is on.
    Constant,
    /// A function without effect that returns true when on.
    Function,
}

impl SwitchKind {
    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Function => "function",
        }
    }
}

/// What is a write and what is a simulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PatternsConfig {
    /// Globs over the dotted names of callables outside the tree that write.
    pub sinks: Vec<String>,
    /// Names of programs (globs) whose run with status 0 is a write.
    pub command_sinks: Vec<String>,
    /// Globs over dotted names or call chains that are simulators.
    pub simulators: Vec<String>,
}

impl Default for PatternsConfig {
    fn default() -> Self {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Self { sinks: owned(SINKS), command_sinks: owned(COMMAND_SINKS), simulators: owned(SIMULATORS) }
    }
}

/// Where one phase begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseConfig {
    /// `module:Qual.name`.
    pub entry: String,
    /// Where the mode enters: `mode`, `ctx.mode`, `self.mode`, … Empty: nowhere but the variable of `[mode]`.
    #[serde(default)]
    pub carrier: String,
    /// How the entry is driven to its end.
    #[serde(default)]
    pub drive: Drive,
}

/// How an entry is driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drive {
    /// Called.
    #[default]
    Call,
    /// Called, and the coroutine awaited to its end.
    Await,
    /// Called, and the generator exhausted.
    Exhaust,
}

impl CodePathConfig {
    /// Everything that is wrong with the description, apart from the tree.
    pub fn problems(&self, setting: &str) -> Vec<SettingProblem> {
        let problem =
            |message: String, help: &str| SettingProblem { name: setting.to_owned(), message, help: help.to_owned() };
        let mut problems = Vec::new();
        for (key, literal) in [("mode.live", &self.mode.live), ("mode.dry", &self.mode.dry)] {
            let fits = match (self.mode.kind, literal) {
                (ModeKind::Enum | ModeKind::String, Literal::Text(text)) => !text.is_empty(),
                (ModeKind::Bool, Literal::Bool(_)) => true,
                (ModeKind::Bool, Literal::Text(_)) | (ModeKind::Enum | ModeKind::String, Literal::Bool(_)) => false,
            };
            if !fits {
                let help = "give a member's name for enum, a text for string, true or false for bool";
                problems.push(problem(format!("{key} does not fit mode.kind"), help));
            }
        }
        if self.mode.live == self.mode.dry {
            problems.push(problem("mode.live equals mode.dry".to_owned(), "name two different modes"));
        }
        if self.mode.kind == ModeKind::Enum && !is_dotted(&self.mode.name) {
            let help = "write package.module.Class";
            problems.push(problem(format!("mode.name {:?} is no dotted class", self.mode.name), help));
        }
        for switch in &self.kill_switch {
            if !is_dotted(&switch.name) {
                let help = "write package.module.NAME";
                problems.push(problem(format!("kill_switch.name {:?} is not dotted", switch.name), help));
            }
        }
        let patterns = [("sinks", &self.patterns.sinks), ("simulators", &self.patterns.simulators)];
        for (key, globs) in patterns {
            problems.extend(globs.iter().filter(|glob| Glob::new(glob).is_boundless()).map(|glob| {
                problem(format!("patterns.{key} {glob:?} matches everything"), "name at least the last part")
            }));
        }
        for command in self.patterns.command_sinks.iter().filter(|name| !is_program(name)) {
            let help = "write the name of a program, such as pg_dump";
            problems.push(problem(format!("patterns.command_sinks {command:?} is no program's name"), help));
        }
        for rule in &self.discover {
            if Glob::new(&rule.classes).is_boundless() {
                let help = "name a part of the classes' names, such as *Phase";
                problems.push(problem(format!("discover.classes {:?} matches everything", rule.classes), help));
            }
            if !is_identifier(&rule.method) {
                let help = "write the method's name, such as run";
                problems.push(problem(format!("discover.method {:?} is no name", rule.method), help));
            }
            if !rule.carrier.is_empty() && !rule.carrier.split('.').all(is_identifier) {
                let help = "write mode, ctx.mode or self.mode";
                problems.push(problem(format!("discover.carrier {:?} is no path", rule.carrier), help));
            }
        }
        for (name, phase) in &self.phases {
            let well_formed = phase.entry.split_once(':').is_some_and(|(module, qual)| {
                module.split('.').all(is_identifier) && qual.split('.').all(is_identifier)
            });
            if !well_formed {
                let help = "write module:function or package.module:Class.method";
                problems.push(problem(format!("phases.{name}.entry {:?} is no entry point", phase.entry), help));
            }
            if !phase.carrier.is_empty() && !phase.carrier.split('.').all(is_identifier) {
                let help = "write mode, ctx.mode or self.mode";
                problems.push(problem(format!("phases.{name}.carrier {:?} is no path", phase.carrier), help));
            }
        }
        problems
    }
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
}

fn is_dotted(text: &str) -> bool {
    text.contains('.') && text.split('.').all(is_identifier)
}

fn is_program(text: &str) -> bool {
    !text.is_empty() && text != "*" && !text.contains(['/', ' ', '.'])
}

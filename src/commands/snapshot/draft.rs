//! A gate that is not yet a file: its probe, its checks, and for each the facts that it rests on.

use serde_json::Value;

use crate::gates::Loaded;

/// A check, and what would make it fail.
#[derive(Clone)]
pub struct DraftCheck {
    pub id: String,
    /// The rule, in CEL.
    pub require: String,
    /// What is said when it does not hold; no facts are quoted.
    pub otherwise: String,
    /// The facts that it rests on, by their path from the probe's name, each with a value that it must not have.
    pub rests_on: Vec<(String, Value)>,
}

/// A gate to be.
#[derive(Clone)]
pub struct Draft {
    pub id: String,
    pub title: String,
    /// The name that rules have for the probe.
    pub probe: &'static str,
    pub kind: &'static str,
    pub settings: Vec<(&'static str, Value)>,
    pub checks: Vec<DraftCheck>,
    /// A fact of the probe that an audit must leave as it is, as an invariant.
    pub invariant: Option<&'static str>,
}

/// A value in TOML, on one line.
fn toml(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Text in settings and texts, where braces refer to something.
pub fn plain(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// Every text of a setting with its braces doubled, for what is written is filled in again.
fn unreferred(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(plain(text)),
        Value::Array(items) => items.iter().map(unreferred).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), unreferred(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

impl Draft {
    fn gap(&self) -> String {
        self.id.to_uppercase()
    }

    fn probe_lines(&self) -> String {
        let settings = self.settings.iter().map(|(key, value)| {
            let items = value.as_array().filter(|items| items.len() > 1);
            let Some(items) = items else { return format!("{key} = {}\n", toml(&unreferred(value))) };
            // A line for each, so that a person can strike one out.
            let items: String = items.iter().map(|item| format!("    {},\n", toml(&unreferred(item)))).collect();
            format!("{key} = [\n{items}]\n")
        });
        format!("kind = \"{}\"\n{}", self.kind, settings.collect::<String>())
    }

    /// The gate file.
    pub fn gate(&self, loaded: &Loaded) -> String {
        let stage = loaded.package.stages.iter().find(|stage| !stage.execution).or(loaded.package.stages.first());
        let stage = stage.map(|stage| stage.id.clone()).unwrap_or_default();
        let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut out = format!(
            "# Written by `cutgate snapshot` from a host as it was. What is meant to change does not belong here: strike it out.\n\n\
             id = {}\ngap = {}\nstage = {}\ntitle = {}\nremedy = \"See what changed it; where that was meant, take a new snapshot.\"\n\n[probe.{}]\n{}",
            text(&self.id),
            text(&self.gap()),
            text(&stage),
            text(&self.title),
            self.probe,
            self.probe_lines()
        );
        for check in &self.checks {
            out.push_str(&format!(
                "\n[[check]]\nid = {}\ntier = \"essential\"\nrequire = {}\notherwise = {}\n",
                text(&check.id),
                text(&check.require),
                text(&plain(&check.otherwise))
            ));
        }
        out
    }

    /// The file for `gates test`: the cases by which the gate proved itself.
    pub fn tests(&self, evidence: &str) -> String {
        let mut out = format!(
            "# Written by `cutgate snapshot`: what the host was, and each fact as it must not be.\nevidence = \"{evidence}\"\n\n\
             [[case]]\nname = \"as it was\"\nstate = \"CLOSED\"\n"
        );
        for check in &self.checks {
            for (path, other) in &check.rests_on {
                let id = &check.id;
                out.push_str(&format!(
                    "\n[[case]]\nname = \"{path} is another\"\nstate = \"OPEN\"\ncheck = \"{id}\"\nset.\"{path}\" = {}\n",
                    toml(other)
                ));
                out.push_str(&format!(
                    "\n[[case]]\nname = \"{path} was denied\"\nstate = \"UNKNOWN\"\ncheck = \"{id}\"\nset.\"{path}\" = {{ \"$missing\" = \"denied\" }}\n"
                ));
            }
        }
        out
    }
}

/// What goes to the end of the package file: the gaps, and what an audit must leave as it is.
pub fn part(loaded: &Loaded, drafts: &[Draft]) -> String {
    let owner = loaded.package.gaps.first().map_or("operator", |gap| gap.owner.as_str());
    let owner = toml::Value::String(owner.to_owned()).to_string();
    let mut out =
        "\n# Written by `cutgate snapshot`, for the end of the package file. Whose gaps they are is for you to say.\n"
            .to_owned();
    for draft in drafts {
        let title = toml::Value::String(draft.title.clone()).to_string();
        out.push_str(&format!("\n[gaps.{}]\ntitle = {title}\nclass = \"technical\"\nowner = {owner}\n", draft.gap()));
    }
    for (draft, fact) in drafts.iter().filter_map(|draft| Some((draft, draft.invariant?))) {
        let name = draft.id.replace('-', "_");
        out.push_str(&format!("\n[measure.{name}]\n{}", draft.probe_lines()));
        out.push_str(&format!(
            "\n[[forbidden]]\nid = \"{}-changed\"\naction = {}\nbasis = \"measured\"\nmeasures = [\"{name}.{fact}\"]\n",
            draft.id,
            toml::Value::String(format!("changing what {} holds fast", draft.id))
        ));
    }
    out
}

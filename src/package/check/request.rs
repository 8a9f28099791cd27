//! `[request]`: what a requested run is bound to, and where its approvals go.

use serde_json::Value;

use super::super::file::{Word, Words};
use super::super::references::{Names, fill};
use super::super::table::{Located, Reading, TableAt, TableReader};

/// The section with its references filled in. What it binds is checked with the gates, whose facts it names.
#[derive(Clone)]
pub struct RawRequest {
    /// Where it stands.
    pub header: std::ops::Range<usize>,
    /// The fact that is the digest of the deployed tree.
    pub tree: Located<String>,
    /// What is cut; may be empty, which is how a package says that no target is named.
    pub target: String,
    /// The facts that must be the same when the run starts.
    pub bind: Located<Vec<Located<String>>>,
    /// The folder that the sovereign puts approvals into, as the package writes it.
    pub approvals: String,
    /// The program that the sovereign signs with, and its first arguments.
    pub gpg: String,
}

/// Checks the section. `None` when something was reported.
pub fn check<'a>(reading: &Reading<'a>, at: &TableAt<'a>, names: &Names) -> Option<RawRequest> {
    let mut table = TableReader::new(*reading, "[request]", at.clone());
    let header = table.header();
    let tree = table.required("tree", "\"gate/probe.fact\", the digest of the deployed tree");
    let bind: Words = table.required("bind", "[\"gate/probe.fact\"], what must not change between approval and run");
    let keys = [("target", "\"{params.target}\""), ("approvals", "\"{paths.knowledge_base}/approvals\"")];
    let given = keys.map(|(key, hint)| {
        let word: Word = table.required(key, hint);
        (key, word.and(table.given(key)))
    });
    let gpg: Word = table.optional("gpg");
    let gpg = gpg.and(table.given("gpg"));
    table.finish();
    let text = |key: &str, value: Option<&'a toml::Spanned<toml::de::DeValue<'a>>>| {
        let value = value?;
        match fill(reading, value, names)? {
            Value::String(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                reading.error(&value.span(), format!("`{key}` is not text"), "refer to text, or write it out");
                None
            }
        }
    };
    let [target, approvals] = given.map(|(key, value)| text(key, value));
    let gpg = gpg.map_or(Some("gpg".to_owned()), |value| text("gpg", Some(value)));
    if let Some(bind) = bind.as_ref().filter(|bind| bind.value.is_empty()) {
        let help = "name at least one fact: an approval that is bound to nothing fits any run";
        reading.error(&bind.span, "`bind` is empty", help);
    }
    let bind = bind.filter(|bind| !bind.value.is_empty());
    Some(RawRequest { header, tree: tree?, target: target?, bind: bind?, approvals: approvals?, gpg: gpg? })
}

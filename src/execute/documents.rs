//! The documents that the sovereign signs, one for each authorisation gate.
//!
//! As they are written they cannot count: a program wrote them, so they have no date until the sovereign puts one in.

use std::fmt::Write;
use std::path::Path;

use crate::evidence::{Digest256, Payload};
use crate::gates::RequestRules;
use crate::package::Trust;
use crate::probes::knowledge_base::ApprovalGate;
use crate::report::{escape, utc};

/// A document to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The gate that it is for.
    pub gate: String,
    /// Its file name.
    pub file: String,
    /// Its text.
    pub text: String,
    /// What the sovereign types, in this order, in the package's folder.
    pub commands: Vec<String>,
}

/// The document of a gate. `requests` and `approvals` are the folders as the person who types sees them.
pub fn document(
    gate: &ApprovalGate,
    payload: &Payload,
    payload_sha256: &Digest256,
    rules: &RequestRules,
    trust: &Trust,
    folders: (&Path, &Path),
) -> Document {
    let short = gate.short().to_lowercase().replace('_', "");
    let file = format!("{short}-{}.md", payload.run_id);
    let commands = commands(gate, rules, trust, &file, payload, folders);
    let scope = format!("{} of the one run {} on {}, as its payload says", gate.id, payload.run_id, payload.target);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = format!(
        "---\nkind: approval\ntitle: {}\ngate: {}\nrun_id: {}\nmacro_id: {}\nsigned_utc: \"<SIGNED_UTC>\"\n\
         allowance: explicit\npayload_sha256: {payload_sha256}\nscope: {}\n",
        quoted(&format!("{} for {}", gate.id, payload.run_id)),
        quoted(&gate.id),
        payload.run_id,
        quoted(&payload.macro_id),
        quoted(&scope),
    );
    if gate.wants_review_decision() {
        text.push_str("review_decision_id: \"<REVIEW_DECISION_ID>\"\n");
    }
    text.push_str("---\n\n");
    text.push_str(&body(gate, payload, &commands));
    Document { gate: gate.id.clone(), file, text, commands }
}

/// What stands below the front matter: what is approved, in words, and how.
fn body(gate: &ApprovalGate, payload: &Payload, commands: &[String]) -> String {
    let mut body = format!("# {} for {}\n\n", escape::markdown(&gate.id), escape::markdown(payload.run_id.as_str()));
    let mut line = |text: String| {
        body.push_str(&text);
        body.push('\n');
    };
    line("Whoever signs this allows the run whose payload has the digest above, once, and nothing else:\n".to_owned());
    line(format!("- host {}, target {}", escape::code(&payload.host, false), escape::code(&payload.target, false)));
    line(format!("- deployed tree {}", escape::code(&payload.tree_digest, false)));
    line(format!("- requested {} by {}", utc(payload.utc), escape::code(&payload.by, false)));
    let argv: Vec<String> = payload.executor_argv.iter().map(|argument| escape::code(argument, false)).collect();
    line(format!("- command, argument by argument: {}", argv.join(" ")));
    line(format!("\nIt lasts {} hours from the date that the signer puts in. Signed like this:\n", gate.ttl_hours));
    for command in commands {
        line(format!("    {}", escape::terminal(command)));
    }
    body
}

/// What to type: date the document into its place, then sign it there.
fn commands(
    gate: &ApprovalGate,
    rules: &RequestRules,
    trust: &Trust,
    file: &str,
    payload: &Payload,
    (requests, approvals): (&Path, &Path),
) -> Vec<String> {
    let from = word(&requests.join(payload.run_id.as_str()).join(file));
    let to = word(&approvals.join(file));
    let signature = word(&approvals.join(format!("{file}.asc")));
    let mut edits = "-e \"s/^signed_utc: .*/signed_utc: $(date -u +%FT%TZ)/\"".to_owned();
    let mut commands = Vec::new();
    if gate.wants_review_decision() {
        commands.push("REVIEW_DECISION_ID=\"<the id of the fresh review decision>\"".to_owned());
        let _ = write!(edits, " -e \"s/^review_decision_id: .*/review_decision_id: \\\"$REVIEW_DECISION_ID\\\"/\"");
    }
    commands.push(format!("sed {edits} {from} > {to}"));
    let one = trust.sovereign.len() == 1;
    commands.extend(trust.sovereign.iter().map(|key| {
        let output = if one {
            format!("--output {signature} --detach-sign {to}")
        } else {
            format!("--detach-sign < {to} >> {signature}")
        };
        format!("{} --local-user {key} --armor {output}", rules.gpg)
    }));
    commands
}

/// A path as one word of a shell.
fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if path.chars().all(plain) && !path.starts_with('-') { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

//! `schema`: JSON Schemas (draft 2020-12) of what this program writes and reads. They are the files of `docs/schemas/`; tests hold
//! real outputs against them with a validator that is not ours.

use super::cli::SchemaArgs;
use super::{CommandError, output};
use crate::package::diagnostic::suggestion;

/// The schemas, sorted by name: the name, what is described, the text.
const SCHEMAS: &[(&str, &str, &str)] = &[
    ("code-path", "code-path --format json", include_str!("../../docs/schemas/code-path.json")),
    ("drill-record", "the record of a rehearsed revert", include_str!("../../docs/schemas/drill-record.json")),
    ("evidence", "evidence.json", include_str!("../../docs/schemas/evidence.json")),
    ("gate", "a gate file, gates/ID.toml", include_str!("../../docs/schemas/gate.json")),
    ("gates", "audit --only or --profile with --format json", include_str!("../../docs/schemas/gates.json")),
    ("ledger-line", "a line of reports/ledger.jsonl", include_str!("../../docs/schemas/ledger-line.json")),
    ("package", "a package file, cutgate.toml", include_str!("../../docs/schemas/package.json")),
    ("package-lock", "package.lock.json", include_str!("../../docs/schemas/package-lock.json")),
    ("payload", "requests/RUN_ID/payload.json", include_str!("../../docs/schemas/payload.json")),
    ("result", "result.json, and audit --format json", include_str!("../../docs/schemas/result.json")),
    ("waiver", "a waiver, waivers/NAME.toml", include_str!("../../docs/schemas/waiver.json")),
];

pub fn run(args: &SchemaArgs) -> Result<u8, CommandError> {
    let Some(name) = &args.name else {
        let width = SCHEMAS.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        let list: String = SCHEMAS.iter().map(|(name, what, _)| format!("{name:<width$}  {what}\n")).collect();
        output::to_stdout(&list)?;
        return Ok(0);
    };
    let Some((_, _, text)) = SCHEMAS.iter().find(|(known, ..)| known == name) else {
        let help = suggestion(name, SCHEMAS.iter().map(|(known, ..)| *known));
        return Err(CommandError::Usage(format!("there is no schema `{name}`; {help}")));
    };
    output::to_stdout(text)?;
    Ok(0)
}

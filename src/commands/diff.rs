//! `diff`: two published audits beside each other. Each must verify on its own before anything is said of the two.

use std::path::{Path, PathBuf};

use super::cli::DiffArgs;
use super::{CommandError, output};
use crate::report::compare::{Comparison, compare, markdown, text};
use crate::report::{Proved, Published, prove, read_ledger};

/// Shows a comparison.
type Form = fn(&Comparison) -> String;

/// The forms of a comparison, by name.
const FORMS: &[(&str, Form)] = &[("json", json), ("markdown", markdown), ("text", text)];

pub fn run(package: &Path, args: &DiffArgs) -> Result<u8, CommandError> {
    let destinations = output::destinations(&args.format, FORMS.iter().map(|(name, _)| *name))?;
    let reports = args.out.clone().unwrap_or_else(|| package.parent().unwrap_or(Path::new("")).join("reports"));
    let proved = |named: &Path| proved(&folder(named, &reports)?, package, args);
    let (old, new) = (proved(&args.old)?, proved(&args.new)?);
    let comparison = compare(&old, &new);
    for destination in &destinations {
        let form = FORMS.iter().find(|(name, _)| *name == destination.name);
        let (_, form) = form.ok_or_else(|| CommandError::Internal(format!("no form `{}`", destination.name)))?;
        destination.put(&form(&comparison))?;
    }
    Ok(0)
}

fn json(comparison: &Comparison) -> String {
    let mut text = serde_json::to_string_pretty(comparison)
        .expect("invariant: a comparison is made of text keys and plain values");
    text.push('\n');
    text
}

/// The audit in a folder, which must verify.
fn proved(folder: &Path, package: &Path, args: &DiffArgs) -> Result<Proved, CommandError> {
    let differs = |error| CommandError::Compared(folder.display().to_string(), error);
    let published = Published::read(folder).map_err(differs)?;
    let keys = args.keys.keys(package, published.is_signed())?;
    prove(&published, &keys, args.keys.instant().0).map_err(differs)
}

/// The folder that is meant. What is called like a number and lies here is that folder.
fn folder(named: &Path, reports: &Path) -> Result<PathBuf, CommandError> {
    let number = named.to_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit())).and_then(|t| t.parse().ok());
    let Some(number) = number.filter(|_: &u64| !named.exists()) else { return Ok(named.to_owned()) };
    let lines = read_ledger(reports)?;
    let line = lines.iter().map(|(line, _)| line).find(|line| line.number == number);
    line.map(|line| reports.join(&line.folder)).ok_or_else(|| {
        let (place, last) = (reports.display(), lines.last().map_or(0, |(line, _)| line.number));
        let known = if last == 0 { "it holds no audit".to_owned() } else { format!("the last one is {last}") };
        CommandError::Usage(format!(
            "{place} holds no audit {number}; {known}; give the folder of an audit, or name another place with --out"
        ))
    })
}

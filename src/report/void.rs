//! Void numbers: those that somebody claimed and under which nothing was published, because the process was killed.
//!
//! The next who publishes writes a line for each, so that no number is without one. What lies in such a folder is no
//! report, whoever put it there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::LedgerLine;
use super::publish::{DRAFT, PublishError, add_line, failed, no_line, numbered, sync_dir};
use crate::evidence::{Digest256, canonical_json};

/// Adds a line for every number behind the ledger's last one that a folder or a draft claims. Only called under the
/// lock, so that nobody is at work on one of them. Returns the names of their folders.
///
/// # Errors
/// When the folder cannot be listed or the ledger cannot be written.
pub fn record(root: &Path, lines: &[(LedgerLine, Digest256)]) -> Result<Vec<String>, PublishError> {
    let (last, mut previous) = match lines.last() {
        Some((line, digest)) => (line.number, digest.clone()),
        None => (0, no_line()),
    };
    let mut claimed: BTreeMap<u64, String> = BTreeMap::new();
    let folders = numbered(root)?.into_iter().map(|(_, folder)| folder);
    for folder in folders.chain(drafts(root)?) {
        let number = folder.split('-').next().and_then(|digits| digits.parse().ok());
        // A name that is not of our making is left alone; it keeps its number all the same.
        let number = number.filter(|number| LedgerLine::void(*number, &folder, previous.clone()).instant().is_some());
        if let Some(number) = number.filter(|number| *number > last) {
            claimed.entry(number).or_insert(folder);
        }
    }
    let ledger = root.join(super::LEDGER);
    for (number, folder) in &claimed {
        let line = canonical_json(&LedgerLine::void(*number, folder, previous));
        previous = Digest256::of(&line);
        add_line(root, &line).map_err(failed("add a line to", &ledger))?;
    }
    if !claimed.is_empty() {
        sync_dir(root).map_err(failed("sync", root))?;
    }
    Ok(claimed.into_values().collect())
}

/// The folders that drafts were to become.
fn drafts(root: &Path) -> Result<Vec<String>, PublishError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).map_err(failed("list", root))? {
        let name = entry.map_err(failed("list", root))?.file_name().to_string_lossy().into_owned();
        let claim = name.strip_prefix(DRAFT).and_then(|name| name.rsplit_once('-'));
        found.extend(claim.map(|(folder, _random)| folder.to_owned()));
    }
    found.sort();
    Ok(found)
}

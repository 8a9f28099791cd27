//! INI files: `[section]`, then `key = value` or `key: value`, comments on lines of their own.
//!
//! Readers of INI files agree on little more. Values are taken literally to the end of the line, quotes and
//! `;` included, as Python's configparser does; continued lines and repeated names are refused. A library
//! was not used because none keeps the line of a repeated key.

use std::collections::BTreeSet;

use super::tree::{Broken, Table, Value};

/// The sections, each a table; keys before the first section stand beside them.
///
/// # Errors
/// The first line that is neither comment, section nor assignment, or that repeats one. Names are the same
/// if they differ in case only, because configparser takes them so.
pub(super) fn parse(text: &str) -> Result<Table, Broken> {
    let mut top = Table::new();
    let mut seen: BTreeSet<(Option<String>, String)> = BTreeSet::new();
    let mut section: Option<String> = None;
    for (i, line) in text.lines().enumerate() {
        let broken = |reason| Broken { line: i + 1, column: 1, reason };
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(broken("a control character"));
        }
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            return Err(broken("an indented line, which some readers take as the end of the value before"));
        }
        if let Some(name) = trimmed.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or(broken("a section that is not closed"))?;
            if name.is_empty() || name.contains(['[', ']']) || name.trim() != name {
                return Err(broken("not a section's name"));
            }
            if top.contains_key(name) {
                return Err(broken("this section or key was there before"));
            }
            top.insert(name.to_owned(), Value::Table(Table::new()));
            section = Some(name.to_owned());
            continue;
        }
        let at = trimmed.find(['=', ':']).ok_or(broken("neither a section nor an assignment"))?;
        let (key, value) = (trimmed[..at].trim_end(), trimmed[at + 1..].trim_start());
        if key.is_empty() {
            return Err(broken("no name before the equals sign"));
        }
        if !seen.insert((section.clone(), key.to_lowercase())) {
            return Err(broken("this key was there before in its section"));
        }
        // Some readers fill in other values there, some do not.
        let filled_in = value.contains("%(") || value.contains("${");
        let value = if filled_in { Value::Ambiguous } else { Value::Untyped(value.to_owned()) };
        if let Some(Value::Table(table)) = section.as_ref().and_then(|name| top.get_mut(name)) {
            table.insert(key.to_owned(), value);
        } else {
            top.insert(key.to_owned(), value);
        }
    }
    Ok(top)
}

/// The value of `section.key`. Both names may have dots of their own: every place to split is tried.
pub(super) fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let whole = table.get(key).filter(|value| !matches!(value, Value::Table(_)));
    let inside = |at: usize| {
        let Some(Value::Table(section)) = table.get(&key[..at]) else { return None };
        section.get(&key[at + 1..])
    };
    let mut found = whole.into_iter().chain(key.match_indices('.').filter_map(|(at, _)| inside(at)));
    let first = found.next();
    if found.next().is_some() { Some(&Value::Ambiguous) } else { first }
}

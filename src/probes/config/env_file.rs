//! Environment files, `NAME=value` a line, read by the shell's rules as far as they need no shell.
//!
//! Shells, service managers and dotenv libraries disagree beyond that: whatever would be expanded, executed,
//! continued on the next line or taken apart is refused, not guessed at.

use super::tree::{Broken, Table, Value};

/// The names and values of a file.
///
/// # Errors
/// The first line that is not plainly an assignment, or that assigns a name again.
pub(in crate::probes) fn parse(text: &str) -> Result<Table, Broken> {
    let mut table = Table::new();
    // As long as each name comes after the one before it none is there twice, and the table is made at once.
    let mut sorted: Vec<(String, Value)> = Vec::new();
    for (i, line) in text.split('\n').enumerate() {
        let broken = |(column, reason): (usize, &'static str)| Broken { line: i + 1, column, reason };
        let Some((name, value)) = assignment(line).map_err(broken)? else { continue };
        let value = Value::Untyped(value);
        if table.is_empty() && sorted.last().is_none_or(|(last, _)| *last < name) {
            sorted.push((name, value));
            continue;
        }
        table.extend(sorted.drain(..));
        if table.insert(name, value).is_some() {
            return Err(broken((1, "this name was assigned before")));
        }
    }
    Ok(if table.is_empty() { sorted.into_iter().collect() } else { table })
}

/// Whether `name` can be a variable's.
pub(super) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// One line: `None` for an empty one or a comment. An error carries its column.
fn assignment(line: &str) -> Result<Option<(String, String)>, (usize, &'static str)> {
    let column = |rest: &str| line[..line.len() - rest.len()].chars().count() + 1;
    if let Some((at, _)) = line.char_indices().find(|(_, c)| c.is_control() && *c != '\t') {
        return Err((column(&line[at..]), "a control character or a carriage return"));
    }
    let mut rest = line.trim_start_matches([' ', '\t']);
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(None);
    }
    if let Some(after) = rest.strip_prefix("export")
        && after.starts_with([' ', '\t'])
    {
        rest = after.trim_start_matches([' ', '\t']);
    }
    let (name, value) = rest.split_once('=').ok_or((column(rest), "not an assignment NAME=value"))?;
    if !is_name(name) {
        return Err((column(rest), "not a variable's name before the equals sign"));
    }
    let (value, after) = match value.chars().next() {
        Some('\'') => single_quoted(&value[1..]).map_err(|reason| (column(value), reason))?,
        Some('"') => double_quoted(&value[1..]).map_err(|reason| (column(value), reason))?,
        _ => bare(value).map_err(|(rest, reason)| (column(rest), reason))?,
    };
    let trimmed = after.trim_start_matches([' ', '\t']);
    let ends = trimmed.is_empty() || (trimmed.starts_with('#') && trimmed.len() < after.len());
    if ends { Ok(Some((name.to_owned(), value))) } else { Err((column(after), "something follows the value")) }
}

/// Up to the closing quote, and what follows it.
fn single_quoted(text: &str) -> Result<(String, &str), &'static str> {
    text.split_once('\'').map(|(value, after)| (value.to_owned(), after)).ok_or("the quote is not closed on its line")
}

/// Up to the closing quote, escapes resolved, and what follows it.
fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '$' | '`' => return Err("the value would be expanded by a shell"),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\' | '$' | '`'))) => value.push(escaped),
                _ => return Err("a backslash that readers of such files understand differently"),
            },
            _ => value.push(c),
        }
    }
    Err("the quote is not closed on its line")
}

/// A value without quotes up to the first space, and what follows it. An error carries the rest of the line
/// from where it is wrong.
fn bare(text: &str) -> Result<(String, &str), (&str, &'static str)> {
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    let (value, after) = text.split_at(end);
    if let Some(at) = value.find(['$', '`', '\\', '\'', '"', ';', '&', '|', '<', '>', '(', ')']) {
        return Err((&text[at..], "a character that needs quotes around the value"));
    }
    if value.starts_with(['#', '~']) || value.contains(":~") {
        return Err((text, "a value that readers of such files understand differently; quote it"));
    }
    Ok((value.to_owned(), after))
}

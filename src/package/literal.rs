//! From a position in a decoded TOML string to the position in the file, so that a caret can point into
//! the middle of a string that was written with escapes or over several lines (TOML 1.1, "String").

use std::ops::Range;

/// The byte range in `text` of the byte range `part` of the string that is written at `string` (its quotes
/// included). `None` when the text there is not a string, or `part` lies outside of it.
pub fn raw_range(text: &str, string: &Range<usize>, part: Range<usize>) -> Option<Range<usize>> {
    let offsets = offsets(text.get(string.clone())?)?;
    let start = *offsets.get(part.start)?;
    let end = *offsets.get(part.end.max(part.start))?;
    Some(string.start + start..string.start + end)
}

/// For each byte of the decoded string, and for its end, the offset in the raw string.
fn offsets(raw: &str) -> Option<Vec<usize>> {
    let quote = raw.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let long = raw.len() >= 6 && raw.starts_with(&triple) && raw.ends_with(&triple);
    let fence = if long { 3 } else { 1 };
    let end = raw.len().checked_sub(fence).filter(|end| *end >= fence)?;
    let mut at = fence;
    if long {
        // A newline right after the opening quotes does not belong to the string.
        at += ["\r\n", "\n"].iter().find(|nl| raw[at..].starts_with(**nl)).map_or(0, |nl| nl.len());
    }
    let mut offsets = Vec::new();
    while at < end {
        let rest = &raw[at..end];
        let (decoded, used) = match rest.strip_prefix('\\').filter(|_| quote == '"') {
            Some(escape) => escaped(escape)?,
            None => rest.chars().next().map(|c| (c.len_utf8(), c.len_utf8()))?,
        };
        // Where lengths agree, each byte stands for itself; an escape is pointed at as a whole.
        offsets.extend((0..decoded).map(|i| if decoded == used { at + i } else { at }));
        at += used;
    }
    offsets.push(end);
    Some(offsets)
}

/// What follows a backslash: how many bytes it stands for and how many it takes, the backslash included.
fn escaped(escape: &str) -> Option<(usize, usize)> {
    let hex = |digits: usize| {
        let code = u32::from_str_radix(escape.get(1..=digits)?, 16).ok()?;
        Some((char::from_u32(code)?.len_utf8(), digits + 2))
    };
    match escape.chars().next()? {
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        'b' | 't' | 'n' | 'f' | 'r' | 'e' | '"' | '\\' => Some((1, 2)),
        // A backslash at the end of a line swallows all white space up to the next character.
        c if c.is_ascii_whitespace() => Some((0, 1 + escape.len() - escape.trim_ascii_start().len())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::raw_range;

    /// The part of the file that stands for `needle` in the decoded string.
    fn pointed(file: &str, needle: &str) -> String {
        let table = toml::de::DeTable::parse(file).expect("valid TOML");
        let value = table.get_ref().get("a").expect("a key `a`");
        let start = value.get_ref().as_str().and_then(|text| text.find(needle)).expect("the needle");
        file[raw_range(file, &value.span(), start..start + needle.len()).expect("a range")].to_owned()
    }

    #[test]
    fn positions_in_strings_of_every_form() {
        for (file, needle, raw) in [
            ("a = \"one two\"", "two", "two"),
            ("a = 'one two'", "two", "two"),
            ("a = \"\\\"q\\\" ế two\"", "two", "two"),
            ("a = \"\\u1ebf two\"", "two", "two"),
            ("a = \"\\u1ebf two\"", "ế", "\\u1ebf"),
            ("a = \"\"\"\none\ntwo\"\"\"", "two", "two"),
            ("a = \"\"\"\r\none \\\r\n   two\"\"\"", "two", "two"),
            ("a = '''\none ''two'''", "two", "two"),
            ("a = \"\"\"one \"two\"\"\"\"", "two\"", "two\""),
        ] {
            assert_eq!(pointed(file, needle), raw, "{file:?}");
        }
    }
}

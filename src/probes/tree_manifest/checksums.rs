//! The manifest's format: what `sha256sum` writes. It parses bytes and touches no file.
//!
//! One line a file: 64 hex digits, a space, a space or `*`, the path. A line that starts with a backslash
//! holds an escaped path (`\\`, `\n`, `\r`), as GNU coreutils writes it (info coreutils 'cksum output modes').
//! Nothing is skipped: a comment, an empty line or a line in another format makes the whole manifest
//! unreadable, because what it pins would be in doubt.

use std::collections::BTreeMap;

/// What the manifest says of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    /// The expected SHA-256 in lower-case hex.
    pub sha256: String,
    /// The line that says so, from 1.
    pub line: usize,
}

/// The pinned paths, relative to the tree, without `.` components.
pub(super) type Pins = BTreeMap<String, Pin>;

/// Parses a manifest. `Err` is a sentence with the number of the first line that cannot be understood.
pub(super) fn parse(bytes: &[u8]) -> Result<Pins, String> {
    let mut pins = Pins::new();
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return Ok(pins);
    }
    for (index, raw) in body.split(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let said = |what: String| format!("line {line}: {what}");
        let (path, sha256) = entry(raw).map_err(said)?;
        if let Some(first) = pins.get(&path) {
            return Err(said(format!("{path:?} is pinned a second time, after line {}", first.line)));
        }
        pins.insert(path, Pin { sha256, line });
    }
    Ok(pins)
}

/// A line of a manifest or of a tree's listing, as `sha256sum` writes it.
pub(super) fn line(sha256: &str, path: &str) -> String {
    if path.contains(['\\', '\n', '\r']) {
        let escaped = path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        format!("\\{sha256}  {escaped}\n")
    } else {
        format!("{sha256}  {path}\n")
    }
}

fn entry(raw: &[u8]) -> Result<(String, String), String> {
    let text = std::str::from_utf8(raw).map_err(|_| "it is not UTF-8".to_owned())?;
    let (escaped, text) = match text.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = text.get(..64).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let digits = digits.ok_or("it does not begin with 64 hex digits")?;
    let rest = &text[64..];
    let written = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"));
    let written = written.ok_or("after the digits come a space, then a space or *, then the path")?;
    if written.contains(['\0', '\r']) {
        return Err("the path holds a NUL or a carriage return (are the line ends CRLF?)".to_owned());
    }
    let path = if escaped { unescape(written)? } else { written.to_owned() };
    Ok((inside(&path)?, digits.to_ascii_lowercase()))
}

fn unescape(written: &str) -> Result<String, String> {
    let mut path = String::with_capacity(written.len());
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\\') => path.push('\\'),
                Some('n') => path.push('\n'),
                Some('r') => path.push('\r'),
                Some(other) => return Err(format!("\\{other} is not an escape of sha256sum")),
                None => return Err("it ends within an escape".to_owned()),
            },
            other => path.push(other),
        }
    }
    Ok(path)
}

/// The path relative to the tree, `.` components dropped.
fn inside(path: &str) -> Result<String, String> {
    if path.starts_with('/') {
        return Err(format!("{path:?} is absolute"));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
    if parts.contains(&"..") {
        return Err(format!("{path:?} leads out of the tree"));
    }
    if parts.is_empty() || parts.contains(&"") {
        return Err(format!("{path:?} does not name a file"));
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn every_form_that_sha256sum_writes_is_read_back() {
        for path in ["a", "a/b c", " lead", "*star", "a\\b", "new\nline", "cr\r", "\\", "é/ü"] {
            let text = line(ZEROS, path);
            let pins = parse(text.as_bytes()).expect("parses");
            assert_eq!(pins.keys().collect::<Vec<_>>(), [path], "{text:?}");
        }
    }

    #[test]
    fn no_bytes_pin_nothing_but_one_empty_line_is_an_error() {
        assert_eq!(parse(b""), Ok(Pins::new()));
        assert!(parse(b"\n").is_err());
    }
}

//! Text from the host, made harmless for Markdown, HTML and terminals.
//!
//! The escaped text shows every character of the original: what Markdown would act on gets a backslash
//! (CommonMark 0.31 §2.4), what a terminal or a bidirectional reader would act on is written as its code
//! point. A value never spans lines, so it can begin no block of its own.

use std::fmt::Write;

/// Escapes a value for running text, headings, list items and table cells.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = None;
    // Leading spaces are dropped by every reader of Markdown, but for four of them, which begin a code block.
    let mut rest = text.trim_start_matches(' ').chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied();
        match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '@' | '^' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // Inside a word an underscore is no emphasis, and escaping it would only make names hard to read.
            '_' if !(before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)) => {
                out.push_str("\\_");
            }
            // At the start of a value these could begin a block; elsewhere they are what they are.
            '#' | '+' | '-' | '=' | '!' if before.is_none() || c == '!' => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')'
                if before.is_some()
                    && after.is_none_or(char::is_whitespace)
                    && out.chars().all(|c| c.is_ascii_digit()) =>
            {
                out.push('\\');
                out.push(c);
            }
            // What a reader of extended Markdown would turn into a link by itself.
            ':' if after == Some('/') => out.push_str("\\:"),
            '.' if out.get(out.len().saturating_sub(3)..).is_some_and(|end| end.eq_ignore_ascii_case("www")) => {
                out.push_str("\\.")
            }
            _ => push_visible(&mut out, c),
        }
        before = Some(c);
    }
    out
}

/// A value as inline code, with a fence longer than any run of backticks inside. `in_table` escapes the bar,
/// which ends a cell even inside code (GitHub Flavored Markdown §4.10).
pub fn code(text: &str, in_table: bool) -> String {
    let mut inner = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' if in_table => inner.push_str("\\|"),
            _ => push_visible(&mut inner, c),
        }
    }
    if inner.is_empty() {
        return "(empty)".to_owned();
    }
    let longest = inner.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A space on both sides is taken away again by the reader; it is needed where the text has a backtick or
    // a space at an end.
    let edge = |c: Option<char>| c.is_none_or(|c| c == '`' || c == ' ');
    let pad = if edge(inner.chars().next()) || edge(inner.chars().last()) { " " } else { "" };
    format!("{fence}{pad}{inner}{pad}{fence}")
}

/// Lines as a fenced block of plain text, with a fence longer than any run of backticks inside. The caller has
/// made the lines harmless for a terminal.
pub fn block(lines: &str) -> String {
    let longest = lines.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", lines.trim_end_matches('\n'))
}

/// A value for HTML, as text or in a quoted attribute (HTML Living Standard, section 13.3).
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => push_visible(&mut out, c),
        }
    }
    out
}

/// A value for a terminal or a log: what could move the cursor or hide text is written as its code point.
pub fn terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_visible(&mut out, c));
    out
}

/// Pushes a character, or what stands for it where it would not be seen as itself.
fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('␤'),
        c if c.is_control() || is_format(c) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "⟨U+{:04X}⟩", u32::from(c));
        }
        c => out.push(c),
    }
}

/// Characters that change how others are shown, or are not shown at all: bidirectional controls, zero-width
/// ones, tags, the byte-order mark, variation selectors' supplement (Unicode general category Cf and kin).
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
        | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}'
        // No characters at all: XML and YAML cannot hold them.
        | '\u{FFFE}' | '\u{FFFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;

    #[allow(clippy::wildcard_enum_match_arm, reason = "whatever else a parser reports is what must not be there")]
    fn plain(markdown: &str) -> (String, usize) {
        let mut text = String::new();
        let mut other = 0;
        for event in Parser::new_ext(markdown, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
            match event {
                Event::Text(t) | Event::Code(t) => text.push_str(&t),
                Event::Start(Tag::Paragraph) | Event::End(_) => {}
                _ => other += 1,
            }
        }
        (text, other)
    }

    fn visible(text: &str) -> String {
        terminal(text)
    }

    proptest! {
        /// Whatever the host says, a reader sees exactly that, as one paragraph of text.
        #[test]
        fn a_value_stays_text(text in "[ -~\n\t\u{202e}\u{7f}é☃#*_`|<>\\[\\]()!~&@:/.0-9+=-]{1,40}") {
            let (read, other) = plain(&format!("x {} y", markdown(&text)));
            prop_assert_eq!(other, 0, "{:?}", markdown(&text));
            prop_assert_eq!(read.split_whitespace().collect::<String>(),
                format!("x {} y", visible(&text)).split_whitespace().collect::<String>());
        }

        #[test]
        fn a_value_at_the_start_of_a_line_begins_no_block(text in "[#+*=>0-9.)`~|<! _-]{1,12}[a-z ]{0,6}") {
            let escaped = markdown(&text);
            let (_, other) = plain(escaped.trim_start());
            prop_assert_eq!(other, 0, "{:?}", escaped);
        }

        #[test]
        fn code_is_one_piece_of_code(text in "[ -~\n\u{202e}`|\\\\]{1,30}") {
            for in_table in [false, true] {
                let row = format!("| a |\n|---|\n| {} |\n", code(&text, true));
                let line = if in_table { row } else { format!("x {} y", code(&text, false)) };
                let codes: Vec<_> = Parser::new_ext(&line, Options::all() - Options::ENABLE_SMART_PUNCTUATION)
                    .filter_map(|event| if let Event::Code(code) = event { Some(code.to_string()) } else { None }).collect();
                if text.trim().is_empty() { continue; }
                prop_assert_eq!(codes.len(), 1, "{}", line);
                prop_assert_eq!(codes[0].split_whitespace().collect::<String>(),
                    visible(&text).split_whitespace().collect::<String>());
            }
        }
    }

    #[test]
    fn hostile_values() {
        let table = [
            ("a\n# heading", "a␤# heading"),
            ("\u{202e}evil", "⟨U+202E⟩evil"),
            ("x | y", "x \\| y"),
            ("\x1b[31mred", "⟨U+001B⟩\\[31mred"),
            ("__init__", "\\_\\_init\\_\\_"),
            ("cut_leg_a", "cut_leg_a"),
            ("1. item", "1\\. item"),
            ("https://evil.example", "https\\://evil.example"),
        ];
        for (text, expected) in table {
            assert_eq!(markdown(text), expected);
        }
        assert_eq!(code("a`b", false), "``a`b``");
        assert_eq!(code("`", false), "`` ` ``");
        assert_eq!(code("a|b", true), "`a\\|b`");
    }
}

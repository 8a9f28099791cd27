//! Text of the host in Markdown: a reader sees the text, as text.

use cutgate::report::escape;
use pulldown_cmark::{Event, Options, Parser, Tag};

pub fn run(data: &[u8]) {
    let Ok(value) = std::str::from_utf8(data) else { return };
    let visible = escape::terminal(value);
    assert!(!visible.chars().any(char::is_control), "{visible:?}");
    let escaped = escape::markdown(value);
    assert!(!escaped.contains('\n') && escape::terminal(&escaped) == escaped, "{escaped:?}");
    assert_eq!(read(&format!("x {escaped} y")), folded(&format!("x {visible} y")), "{escaped:?}");
    assert_eq!(read(&escaped), folded(&visible), "{escaped:?}");
    let code = escape::code(value, false);
    let shown = if visible.is_empty() { "(empty)".to_owned() } else { visible };
    assert_eq!(read(&format!("x {code} y")), folded(&format!("x {shown} y")), "{code:?}");
}

/// The words of a Markdown text that is one paragraph of text and code, without white space.
#[allow(clippy::wildcard_enum_match_arm, reason = "whatever else a parser reports is what must not be there")]
fn read(markdown: &str) -> String {
    let mut words = String::new();
    for event in Parser::new_ext(markdown, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
        match event {
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::Start(Tag::Paragraph) | Event::End(_) => {}
            other => panic!("{other:?} in {markdown:?}"),
        }
    }
    folded(&words)
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect()
}

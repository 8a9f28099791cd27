//! YAML, from the parser's events, so that what makes YAML dangerous never takes effect.
//!
//! Anchors, aliases, tags, merge keys, repeated keys, keys that are no scalars and several documents are
//! refused. Plain scalars that YAML 1.1 and YAML 1.2 read differently (`yes`, `010`, `1_000`, `1:30`, dates)
//! are [`Value::Ambiguous`], because it is not known which of both the program's own reader follows.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::tree::{Broken, Table, Value};

/// Tables and lists inside each other.
const MAX_DEPTH: usize = 32;

/// The top mapping; empty for an empty document.
///
/// # Errors
/// Where the text is not YAML, or uses what is refused here. The library's own words are not passed on: they
/// may quote the text.
pub(super) fn parse(text: &str) -> Result<Table, Broken> {
    let mut events = Events { parser: Parser::new_from_str(text) };
    let mut document = None;
    loop {
        let (event, span) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            Event::DocumentStart(_) if document.is_some() => return Err(broken(&span, "a second document")),
            Event::DocumentStart(_) => {
                let (event, span) = events.next()?;
                document = Some((events.value(event, &span, 0)?, span));
            }
            Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd => return Err(broken(&span, "not YAML")),
        }
    }
    match document {
        None | Some((Value::Null, _)) => Ok(Table::new()),
        Some((Value::Table(table), _)) => Ok(table),
        Some((_, span)) => Err(broken(&span, "the document is not a mapping")),
    }
}

fn broken(span: &Span, reason: &'static str) -> Broken {
    at(&span.start, reason)
}

fn at(marker: &Marker, reason: &'static str) -> Broken {
    // The parser counts columns from 0.
    Broken { line: marker.line(), column: marker.col() + 1, reason }
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Broken> {
        match self.parser.next_event() {
            Some(event) => event.map_err(|error: ScanError| at(error.marker(), "not YAML")),
            None => Ok((Event::StreamEnd, Span::empty(Marker::new(0, 1, 0)))),
        }
    }

    /// The value that starts with `event`.
    fn value(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Value, Broken> {
        if depth > MAX_DEPTH {
            return Err(broken(span, "nested too deeply"));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse(span, anchor, tag.is_some())?;
                Ok(if style == ScalarStyle::Plain { plain(&text) } else { Value::Text(text.into_owned()) })
            }
            Event::SequenceStart(anchor, tag) => {
                refuse(span, anchor, tag.is_some())?;
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        return Ok(Value::List(items));
                    }
                    items.push(self.value(event, &span, depth + 1)?);
                }
            }
            Event::MappingStart(anchor, tag) => {
                refuse(span, anchor, tag.is_some())?;
                self.mapping(depth)
            }
            Event::Alias(_) => Err(broken(span, "an alias, which is not followed")),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(broken(span, "a value is not there")),
        }
    }

    /// The pairs up to the end of a mapping whose start was read.
    fn mapping(&mut self, depth: usize) -> Result<Value, Broken> {
        let mut table = Table::new();
        loop {
            let (event, key_span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Table(table)),
                Event::Scalar(text, style, anchor, tag) => {
                    refuse(&key_span, anchor, tag.is_some())?;
                    if style == ScalarStyle::Plain && text == "<<" {
                        return Err(broken(&key_span, "a merge key, which is not followed"));
                    }
                    text.into_owned()
                }
                Event::Alias(_) => return Err(broken(&key_span, "an alias, which is not followed")),
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..) => return Err(broken(&key_span, "a key that is not a scalar")),
            };
            if table.contains_key(&key) {
                return Err(broken(&key_span, "this key was there before"));
            }
            let (event, span) = self.next()?;
            let value = self.value(event, &span, depth + 1)?;
            table.insert(key, value);
        }
    }
}

fn refuse(span: &Span, anchor: usize, tagged: bool) -> Result<(), Broken> {
    if anchor != 0 {
        return Err(broken(span, "an anchor, which is not followed"));
    }
    if tagged {
        return Err(broken(span, "a tag, which is not understood"));
    }
    Ok(())
}

/// What a scalar without quotes is, where YAML 1.1 and 1.2 agree about it.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n" | "=") {
        return Value::Ambiguous;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit());
    if digits && (unsigned == "0" || !unsigned.starts_with('0')) {
        return Value::Int(text.to_owned());
    }
    // 1.1 takes an exponent for a float only after a point and with a sign; plain fractions are common ground.
    if let Some((whole, fraction)) = unsigned.split_once('.')
        && !whole.is_empty()
        && [whole, fraction].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
    {
        return Value::Float(text.to_owned());
    }
    if unsigned.matches('.').count() > 1 && unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        // Versions and addresses.
        return Value::Text(text.to_owned());
    }
    // Whatever else looks like a number, a date or a time to either of both: begins with a digit or a point,
    // and has nothing but what such forms are made of. `0x1F`, `0o17`, `1e5`, `1_000`, `1:30`, `2026-05-21`.
    let first = unsigned.bytes().next();
    let numeric_start = first.is_some_and(|b| b.is_ascii_digit() || b == b'.');
    let lower = unsigned.to_ascii_lowercase();
    let prefixed = ["0x", "0o", "0b"].iter().any(|prefix| lower.starts_with(prefix));
    let radix = prefixed && lower[2..].bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
    let form = lower.bytes().all(|b| b.is_ascii_digit() || b"e.+-_: tz".contains(&b));
    if numeric_start && (radix || form || matches!(lower.as_str(), ".inf" | ".nan")) {
        return Value::Ambiguous;
    }
    Value::Text(text.to_owned())
}

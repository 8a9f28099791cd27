//! Facts and sources in words: every text of the host in quotes, so that it ends where it seems to end.

use super::evidence::{ReadOnce, SourceChange};
use super::facts::quoted;
use crate::evidence::Fact;

/// So many characters of one value are shown; the JSON form has all of them.
const VALUE: usize = 240;

/// So many changes of one kind are shown.
pub const SHOWN: usize = 25;

/// So many digits of a digest are shown.
const DIGEST: usize = 12;

/// What a part of a fact was or is, not yet made harmless for a terminal or for Markdown.
pub fn value(fact: Option<&Fact>) -> String {
    let text = fact.map_or_else(|| "nothing".to_owned(), words);
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{} … ({} characters)", &text[..end], text.chars().count()),
        None => text,
    }
}

fn words(fact: &Fact) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match fact {
        Fact::Bool(value) => value.to_string(),
        Fact::Int(value) => value.to_string(),
        Fact::Text(text) => quoted(text),
        Fact::Time(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        Fact::List(items) => format!("[{}]", join(items.iter().map(words).collect())),
        Fact::Map(map) => {
            let fields = map.iter().map(|(name, fact)| format!("{}: {}", quoted(name), words(fact)));
            format!("{{{}}}", join(fields.collect()))
        }
        Fact::Missing(missing) => {
            let (tried, said) = (quoted(&missing.tried), quoted(&missing.said));
            format!("({}: {tried} as {}: {said})", missing.state.word(), quoted(&missing.by))
        }
    }
}

/// How a source was read in both audits.
pub fn reading(source: &SourceChange) -> String {
    match (&source.read.old, &source.read.new) {
        (Some(old), Some(new)) if !old.unlike(new) => format!("{}, the same in both", what(old)),
        (Some(old), Some(new)) => format!("{} → {}", once(old), once(new)),
        (Some(old), None) => format!("{} → not read", once(old)),
        (None, Some(new)) => format!("not read → {}", once(new)),
        (None, None) => "not read".to_owned(),
    }
}

fn once(read: &ReadOnce) -> String {
    format!("{} at {}", what(read), read.at)
}

fn what(read: &ReadOnce) -> String {
    let mut digests = read.sha256.iter().map(|sha256| format!("{}…", sha256.get(..DIGEST).unwrap_or(sha256)));
    let what = match (digests.next(), digests.count()) {
        (None, _) => "attributes".to_owned(),
        (Some(first), 0) => format!("sha256 {first}"),
        (Some(first), more) => format!("sha256 {first} and {more} more"),
    };
    format!("{what} as {}", quoted(&read.by))
}

/// A state, outcome or status, or what stands for one that is not there.
pub fn word<T>(of: Option<T>, word: fn(T) -> &'static str) -> &'static str {
    of.map_or("not there", word)
}

/// The first [`SHOWN`] of a list, and how many more there are.
pub fn first<T>(list: &[T]) -> (&[T], usize) {
    let shown = list.len().min(SHOWN);
    (&list[..shown], list.len() - shown)
}

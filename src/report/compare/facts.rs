//! Where two facts differ: one change for each smallest part that is not the same.
//!
//! Records are compared field by field. Lists are sets with an order: records in them are told by the text field that
//! names each of them once in both lists, everything else by being equal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::evidence::{Fact, Missing};

/// One part of a fact that is not the same in both audits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FactChange {
    /// The path of the part, such as `ring.certs[fingerprint="AB…"].expired`.
    pub fact: String,
    /// What it was; nothing where that part was not there. A fact that could not be read is there, and says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Fact>,
    /// What it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Fact>,
    /// Whether only instants differ, or instants within a text.
    pub instants_only: bool,
}

/// Every part below `path` in which two facts differ, in the order of their paths.
pub fn changes(path: &str, old: Option<&Fact>, new: Option<&Fact>) -> Vec<FactChange> {
    let mut found = Vec::new();
    differ(path, old, new, &mut found);
    found
}

fn differ(path: &str, old: Option<&Fact>, new: Option<&Fact>, found: &mut Vec<FactChange>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Fact::Map(old)), Some(Fact::Map(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            names.into_iter().for_each(|name| differ(&field(path, name), old.get(name), new.get(name), found));
        }
        (Some(Fact::List(old)), Some(Fact::List(new))) => lists(path, old, new, found),
        (old, new) => found.push(FactChange {
            fact: path.to_owned(),
            old: old.cloned(),
            new: new.cloned(),
            instants_only: only_instants(old, new),
        }),
    }
}

/// `path.name`, or `path["name"]` where the name is no identifier.
pub fn field(path: &str, name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
    if plain { format!("{path}.{name}") } else { format!("{path}[{}]", quoted(name)) }
}

/// A text in quotes, with what is special in it escaped, so that it ends where it seems to end.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn lists(path: &str, old: &[Fact], new: &[Fact], found: &mut Vec<FactChange>) {
    let before = found.len();
    if let Some(name) = naming_field(old, new) {
        let named = |list: &'_ [Fact]| -> BTreeMap<String, Fact> {
            list.iter().filter_map(|fact| Some((text_of(fact, &name)?.to_owned(), fact.clone()))).collect()
        };
        let (old, new) = (named(old), named(new));
        for value in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let at = format!("{path}[{name}={}]", quoted(value));
            differ(&at, old.get(value), new.get(value), found);
        }
    } else if old.len() == new.len() && old.iter().chain(new).all(|fact| matches!(fact, Fact::Map(_))) {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            differ(&format!("{path}[{index}]"), Some(old), Some(new), found);
        }
    } else {
        let at = format!("{path}[]");
        let (gone, come) = (beyond(old, new), beyond(new, old));
        let alone = |old: Option<&Fact>, new: Option<&Fact>| FactChange {
            fact: at.clone(),
            old: old.cloned(),
            new: new.cloned(),
            instants_only: only_instants(old, new),
        };
        match (gone.as_slice(), come.as_slice()) {
            ([old], [new]) => found.push(alone(Some(old), Some(new))),
            (gone, come) => {
                found.extend(gone.iter().map(|fact| alone(Some(fact), None)));
                found.extend(come.iter().map(|fact| alone(None, Some(fact))));
            }
        }
    }
    if found.len() == before {
        // The same elements in another order.
        found.push(FactChange {
            fact: path.to_owned(),
            old: Some(Fact::List(old.to_vec())),
            new: Some(Fact::List(new.to_vec())),
            instants_only: false,
        });
    }
}

/// The elements of `list` that `other` does not have as often, in their order.
fn beyond<'a>(list: &'a [Fact], other: &[Fact]) -> Vec<&'a Fact> {
    let form = |fact: &Fact| crate::evidence::canonical_json(fact);
    let mut left: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    other.iter().for_each(|fact| *left.entry(form(fact)).or_default() += 1);
    let unmatched = |fact: &&Fact| match left.get_mut(&form(fact)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        Some(_) | None => true,
    };
    list.iter().filter(unmatched).collect()
}

fn text_of<'a>(fact: &'a Fact, name: &str) -> Option<&'a str> {
    match fact.get(name) {
        Some(Fact::Text(text)) => Some(text),
        Some(Fact::Bool(_) | Fact::Int(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) | Fact::Missing(_)) | None => {
            None
        }
    }
}

/// The text field that every record of both lists has, that no two of one list share, and by which most records of
/// the two lists are the same; of several such the one with the shortest texts, for that is a name and no digest.
fn naming_field(old: &[Fact], new: &[Fact]) -> Option<String> {
    let Some(Fact::Map(first)) = old.first().or(new.first()) else { return None };
    let values = |list: &'_ [Fact], name: &str| -> Option<BTreeSet<String>> {
        let texts: Vec<_> = list.iter().map(|fact| text_of(fact, name)).collect::<Option<_>>()?;
        let set: BTreeSet<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        (set.len() == texts.len()).then_some(set)
    };
    let rank = |name: &String| {
        let (old, new) = (values(old, name)?, values(new, name)?);
        let shared = old.intersection(&new).count();
        let letters: usize = old.iter().chain(&new).map(String::len).sum();
        (shared > 0).then_some((shared, std::cmp::Reverse(letters), name.clone()))
    };
    first.keys().filter_map(rank).max().map(|(_, _, name)| name)
}

/// Whether two differing facts are the same but for instants.
fn only_instants(old: Option<&Fact>, new: Option<&Fact>) -> bool {
    match (old, new) {
        (Some(Fact::Time(_)), Some(Fact::Time(_))) => true,
        (Some(Fact::Text(old)), Some(Fact::Text(new))) => timeless(old) == timeless(new),
        (Some(Fact::Missing(old)), Some(Fact::Missing(new))) => {
            let plain = |missing: &Missing| Missing {
                state: missing.state,
                tried: timeless(&missing.tried),
                by: missing.by.clone(),
                said: timeless(&missing.said),
                next: timeless(&missing.next),
            };
            plain(old) == plain(new)
        }
        _ => false,
    }
}

/// A text with its RFC 3339 instants taken out.
pub fn timeless(text: &str) -> String {
    static INSTANT: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})";
        Regex::new(pattern).expect("invariant: the pattern is in order")
    });
    INSTANT.replace_all(text, "\u{0}").into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fact(value: serde_json::Value) -> Fact {
        serde_json::from_value(value).unwrap()
    }

    /// The changes as `path: old → new`, with a mark for those of instants.
    fn told(old: serde_json::Value, new: serde_json::Value) -> Vec<String> {
        let shown = |fact: &Option<Fact>| fact.as_ref().map_or("·".to_owned(), |f| serde_json::to_string(f).unwrap());
        let changes = changes("p", Some(&fact(old)), Some(&fact(new)));
        let mark = |change: &FactChange| if change.instants_only { " (instant)" } else { "" };
        changes.iter().map(|c| format!("{}: {} → {}{}", c.fact, shown(&c.old), shown(&c.new), mark(c))).collect()
    }

    #[test]
    fn each_smallest_part_is_named_once() {
        let missing =
            |said: &str| json!({"$missing": {"state": "denied", "tried": "read", "by": "a", "said": said, "next": ""}});
        let time = |text: &str| json!({"$time": text});
        let table = [
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), vec!["p.b: 2 → 3"]),
            (json!({"a": 1}), json!({"b": 1}), vec!["p.a: 1 → ·", "p.b: · → 1"]),
            (json!({"x y": 1}), json!({"x y": 2}), vec!["p[\"x y\"]: 1 → 2"]),
            (json!(["a", "b"]), json!(["b", "c"]), vec!["p[]: \"a\" → \"c\""]),
            (json!(["a", "a"]), json!(["a"]), vec!["p[]: \"a\" → ·"]),
            (json!(["a", "b"]), json!(["b", "a"]), vec!["p: [\"a\",\"b\"] → [\"b\",\"a\"]"]),
            (
                json!([{"id": "x", "n": 1}, {"id": "y", "n": 1}]),
                json!([{"id": "y", "n": 2}, {"id": "z", "n": 1}]),
                vec![
                    "p[id=\"x\"]: {\"id\":\"x\",\"n\":1} → ·",
                    "p[id=\"y\"].n: 1 → 2",
                    "p[id=\"z\"]: · → {\"id\":\"z\",\"n\":1}",
                ],
            ),
            (json!([{"n": 1}, {"n": 2}]), json!([{"n": 1}, {"n": 3}]), vec!["p[1].n: 2 → 3"]),
            (json!([]), json!([{"n": 1}]), vec!["p[]: · → {\"n\":1}"]),
            (
                json!(true),
                missing("no"),
                vec![
                    "p: true → {\"$missing\":{\"state\":\"denied\",\"tried\":\"read\",\"by\":\"a\",\"said\":\"no\",\"next\":\"\"}}",
                ],
            ),
            (
                time("2026-05-21T10:00:00Z"),
                time("2026-05-21T10:00:01Z"),
                vec!["p: {\"$time\":\"2026-05-21T10:00:00Z\"} → {\"$time\":\"2026-05-21T10:00:01Z\"} (instant)"],
            ),
            (
                json!("since 2026-05-21T10:00:00Z"),
                json!("since 2026-05-21T11:00:00.5+07:00"),
                vec!["p: \"since 2026-05-21T10:00:00Z\" → \"since 2026-05-21T11:00:00.5+07:00\" (instant)"],
            ),
            (
                json!("since yesterday"),
                json!("since 2026-05-21T11:00:00Z"),
                vec!["p: \"since yesterday\" → \"since 2026-05-21T11:00:00Z\""],
            ),
        ];
        for (old, new, expected) in table {
            assert_eq!(told(old.clone(), new.clone()), expected, "{old} {new}");
            assert_eq!(told(old.clone(), old), Vec::<String>::new());
        }
    }

    proptest::proptest! {
        /// Whatever differs is found, and what is equal is not.
        #[test]
        fn nothing_is_overlooked(old in proptest::collection::vec("[ab]{0,2}", 0..5), new in proptest::collection::vec("[ab]{0,2}", 0..5)) {
            let records = |list: &[String]| Fact::list(list.iter().map(|text| Fact::record([("t", Fact::text(text.as_str()))])));
            for (a, b) in [(Fact::texts(old.clone()), Fact::texts(new.clone())), (records(&old), records(&new))] {
                proptest::prop_assert_eq!(changes("p", Some(&a), Some(&b)).is_empty(), a == b);
            }
        }
    }
}

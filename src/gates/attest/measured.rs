//! Rows that compare facts from before and after. What is absent both times was not measured, unless the package says that it may
//! be: a wrong path and a thing that nobody touched look the same.

use std::collections::BTreeMap;

use super::{AttestationStatus, Said};
use crate::evidence::{Evidence, Fact, MissingState, Observation, canonical_json, sha256_hex};
use crate::gates::attestation::Forbidden;
use crate::gates::evaluate::not_collected;
use crate::gates::expr::render_fact;

/// Compares the facts of a row.
pub(super) fn measured(paths: &[String], row: &Forbidden, evidence: &Evidence) -> Said {
    let pairs: Vec<_> = paths
        .iter()
        .map(|path| (path, fact_at(&evidence.before, path, evidence), fact_at(&evidence.after, path, evidence)))
        .collect();
    let unread = pairs.iter().flat_map(|(_, before, after)| [before, after]).find_map(unreadable);
    let (excused, absent): (Vec<_>, Vec<_>) = pairs
        .iter()
        .filter(|(_, before, after)| is_absent(before) && is_absent(after))
        .map(|(path, ..)| path.as_str())
        .partition(|path| row.may_be_absent.iter().any(|named| named == path));
    let changed = pairs.iter().filter(|(_, before, after)| before != after).map(|(path, ..)| path.as_str());
    let (by_others, changed): (Vec<_>, Vec<_>) =
        changed.partition(|path| row.others_write.iter().any(|other| other == path));
    let joined = |facts: Vec<&Fact>| facts.into_iter().map(brief).collect::<Vec<_>>().join("; ");
    let instants = paths.first().and_then(|path| {
        let name = path.split('.').next()?;
        let at = |side: &BTreeMap<String, Observation>| {
            side.get(name).map(|o| o.finished.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        };
        Some(format!("{} and {}", at(&evidence.before)?, at(&evidence.after)?))
    });
    let instants = instants.unwrap_or_else(|| "no instant".to_owned());
    let names = paths.join(", ");
    let never_there = || {
        let verb = if absent.len() == 1 { "is" } else { "are" };
        format!("{} {verb} absent before and after, so that nothing was measured", absent.join(", "))
    };
    let (status, ground) = match (unread, changed.is_empty()) {
        (Some(why), _) => (AttestationStatus::NotAttested, format!("{names} could not be measured: {why}")),
        (None, true) if pairs.is_empty() => (AttestationStatus::NotAttested, "nothing was measured".to_owned()),
        (None, true) if !absent.is_empty() => (AttestationStatus::NotAttested, never_there()),
        (None, true) if !by_others.is_empty() => {
            let said = format!("{} changed between {instants}, and others write there too", by_others.join(", "));
            let rest: Vec<&str> = paths.iter().map(String::as_str).filter(|path| !by_others.contains(path)).collect();
            (AttestationStatus::Inconclusive, format!("{said}; {} equal", rest.join(", ")))
        }
        (None, true) if !excused.is_empty() => {
            let said = format!("{names}, equal at {instants}; absent both times, as it may be: {}", excused.join(", "));
            (AttestationStatus::NotDone, said)
        }
        (None, true) => (AttestationStatus::NotDone, format!("{names}, equal at {instants}")),
        (None, false) => (AttestationStatus::Changed, format!("{} changed between {instants}", changed.join(", "))),
    };
    let ground = format!("{}{ground}{}", scope(paths, evidence), sample(pairs.iter().map(|pair| &pair.1)));
    Said {
        status,
        ground,
        before: joined(pairs.iter().map(|pair| &pair.1).collect()),
        after: joined(pairs.iter().map(|pair| &pair.2).collect()),
    }
}

fn is_absent(fact: &Fact) -> bool {
    matches!(fact, Fact::Missing(missing) if missing.state == MissingState::Absent)
}

/// What a statement over the whole of a database is about: everybody's writes, not ours only.
fn scope(paths: &[String], evidence: &Evidence) -> &'static str {
    let of_server = |path: &String| {
        let name = path.split('.').next().unwrap_or_default();
        evidence.before.get(name).is_some_and(|seen| seen.kind.starts_with("pg-"))
    };
    if !paths.is_empty() && paths.iter().all(of_server) { "database-wide: " } else { "" }
}

/// Says of facts that rest on a part of the rows how large that part is.
fn sample<'a>(facts: impl Iterator<Item = &'a Fact>) -> String {
    let percents = facts.filter_map(|fact| match fact.get("sampled_percent") {
        Some(Fact::Int(percent)) if *percent < 100 => Some(*percent),
        Some(_) | None => None,
    });
    percents.min().map(|percent| format!(" (a sample: {percent} of 100 pages were read)")).unwrap_or_default()
}

/// The fact at a dotted path of one side.
pub(super) fn fact_at(side: &BTreeMap<String, Observation>, path: &str, evidence: &Evidence) -> Fact {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(observation) = side.get(name) else { return not_collected(path, &evidence.by) };
    let mut at = &observation.facts;
    for part in rest.split('.').filter(|part| !part.is_empty()) {
        match at {
            Fact::Missing(_) => return at.clone(),
            Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => {}
        }
        match at.get(part) {
            Some(fact) => at = fact,
            None => return not_collected(path, &evidence.by),
        }
    }
    at.clone()
}

/// The first part of a fact that could not be read. That a part is known to be absent, or withheld, is itself
/// something that can be compared.
pub(super) fn unreadable(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) => None,
        Fact::List(items) => items.iter().find_map(unreadable),
        Fact::Map(map) => map.values().find_map(unreadable),
        Fact::Missing(missing) => match missing.state {
            MissingState::Absent | MissingState::Withheld => None,
            MissingState::Denied | MissingState::Unreadable | MissingState::TimedOut | MissingState::Error => {
                Some(missing.to_string())
            }
        },
    }
}

/// A value for a table cell: itself where it is short, its size and digest where it is not.
pub(super) fn brief(fact: &Fact) -> String {
    match fact {
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) => {
            let text = render_fact(fact);
            let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
            if hex { format!("{}…", &text[..12]) } else { text }
        }
        Fact::Missing(missing) => format!("({})", missing.state.word()),
        Fact::List(_) | Fact::Map(_) => {
            let entries = match fact {
                Fact::List(items) => items.len(),
                Fact::Map(map) => map.len(),
                Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::Missing(_) => 0,
            };
            let text = render_fact(fact);
            if let (Some(Fact::Int(rows)), Some(digest @ Fact::Text(_))) = (fact.get("rows"), fact.get("digest")) {
                return format!("{rows} rows, {}", brief(digest));
            }
            if text.len() <= 60 && !text.ends_with("records") {
                return text;
            }
            format!("{entries} entries, sha256 {}…", &sha256_hex(&canonical_json(fact))[..12])
        }
    }
}

//! The attestation: what was forbidden, and whether it can be said that it did not happen. Pure.
//!
//! A measured row compares facts from before and after; a row about our own process rests on what the
//! process recorded of itself; a declared one names who says so. What could not be measured is never
//! attested.

use serde::{Deserialize, Serialize};

use super::attestation::{Basis, Forbidden, Proof};
use super::evaluate::{common, not_collected};
use super::expr::Env;
use crate::evidence::{Evidence, Fact, MissingState, Observation, Reading, canonical_json, sha256_hex};
use crate::package::Package;

/// Whether a forbidden action happened, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttestationStatus {
    /// Measured or proved: it did not happen.
    #[serde(rename = "NOT DONE")]
    NotDone,
    /// An invariant is not what it was: someone acted.
    #[serde(rename = "CHANGED")]
    Changed,
    /// Only what others write to as well is not what it was: it cannot be said who wrote.
    #[serde(rename = "INCONCLUSIVE")]
    Inconclusive,
    /// It could not be measured.
    #[serde(rename = "NOT ATTESTED")]
    NotAttested,
    /// A person says so; nothing was measured.
    #[serde(rename = "DECLARED")]
    Declared,
}

impl AttestationStatus {
    /// The words that every output uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotDone => "NOT DONE",
            Self::Changed => "CHANGED",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::NotAttested => "NOT ATTESTED",
            Self::Declared => "DECLARED",
        }
    }
}

/// One row of the attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationRow {
    /// The row's id in the package.
    pub id: String,
    /// The forbidden action, in the package's words.
    pub action: String,
    /// Whether it happened.
    pub status: AttestationStatus,
    /// `measured`, `attributable` or `declared`.
    pub basis: String,
    /// What the status rests on, in a sentence.
    pub ground: String,
    /// The package's remark, with facts quoted; may be empty.
    pub remark: String,
    /// What was measured before; empty for a row that is not measured.
    pub before: String,
    /// What was measured after.
    pub after: String,
}

/// Fills in every row.
pub fn attest(forbidden: &[Forbidden], package: &Package, evidence: &Evidence) -> Vec<AttestationRow> {
    let mut env = common(package, evidence);
    for (name, observation) in &evidence.after {
        env.variables.insert(name.clone(), std::borrow::Cow::Borrowed(&observation.facts));
    }
    forbidden.iter().map(|row| attested(row, &env, evidence)).collect()
}

/// What the package measures and a run must not change, where it is not what it was: each by its path, with what was there and
/// what is. Measures of the database are left out, for a run may change it; its fingerprint speaks for them.
pub fn unlike(
    forbidden: &[Forbidden],
    package: &Package,
    evidence: &Evidence,
    now: &std::collections::BTreeMap<String, Observation>,
) -> Vec<String> {
    let measured = forbidden.iter().filter_map(|row| match &row.basis {
        Basis::Measured(paths) => Some(paths),
        Basis::Attributable(_) | Basis::Declared(_) => None,
    });
    let of_database = |path: &str| {
        let name = path.split('.').next().unwrap_or_default();
        package.measures.get(name).is_some_and(|used| asks_a_database(&used.kind))
    };
    let paths: std::collections::BTreeSet<&String> = measured.flatten().filter(|path| !of_database(path)).collect();
    let differs = |path: &&String| {
        let (before, after) = (fact_at(&evidence.after, path, evidence), fact_at(now, path, evidence));
        let unread = [&before, &after].into_iter().find_map(unreadable).is_some();
        let said = || format!("{path}: it was {}, and is {}", brief(&before), brief(&after));
        (unread || before != after).then(said)
    };
    paths.iter().filter_map(differs).collect()
}

fn attested(row: &Forbidden, env: &Env<'_>, evidence: &Evidence) -> AttestationRow {
    let said = match &row.basis {
        Basis::Measured(paths) => measured(paths, &row.others_write, evidence),
        Basis::Attributable(proof) => attributable(*proof, evidence),
        Basis::Declared(who) => Said {
            status: AttestationStatus::Declared,
            ground: format!("declared by {who}; not measured"),
            before: String::new(),
            after: String::new(),
        },
    };
    let remark = match (said.status, &row.remark) {
        (AttestationStatus::NotDone | AttestationStatus::Declared, Some(remark)) => remark.render(env),
        (AttestationStatus::Changed | AttestationStatus::Inconclusive | AttestationStatus::NotAttested, _)
        | (_, None) => String::new(),
    };
    let informative = row.informative.iter().map(|path| {
        let [before, after] = [&evidence.before, &evidence.after].map(|side| brief(&fact_at(side, path, evidence)));
        format!("; informative, proves nothing: {path} {before}, then {after}")
    });
    let ground = said.ground + &informative.collect::<String>();
    AttestationRow {
        id: row.id.clone(),
        action: row.action.clone(),
        status: said.status,
        basis: row.basis.word().to_owned(),
        ground,
        remark,
        before: said.before,
        after: said.after,
    }
}

/// Whether a kind of probe asks a database.
fn asks_a_database(kind: &str) -> bool {
    kind == "sql" || kind.starts_with("pg-")
}

struct Said {
    status: AttestationStatus,
    ground: String,
    before: String,
    after: String,
}

fn measured(paths: &[String], others_write: &[String], evidence: &Evidence) -> Said {
    let pairs: Vec<_> = paths
        .iter()
        .map(|path| (path, fact_at(&evidence.before, path, evidence), fact_at(&evidence.after, path, evidence)))
        .collect();
    let unread = pairs.iter().flat_map(|(_, before, after)| [before, after]).find_map(unreadable);
    let changed = pairs.iter().filter(|(_, before, after)| before != after).map(|(path, ..)| path.as_str());
    let (by_others, changed): (Vec<_>, Vec<_>) =
        changed.partition(|path| others_write.iter().any(|other| other == path));
    let joined = |facts: Vec<&Fact>| facts.into_iter().map(brief).collect::<Vec<_>>().join("; ");
    let instants = paths.first().and_then(|path| {
        let name = path.split('.').next()?;
        let at = |side: &std::collections::BTreeMap<String, Observation>| {
            side.get(name).map(|o| o.finished.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        };
        Some(format!("{} and {}", at(&evidence.before)?, at(&evidence.after)?))
    });
    let instants = instants.unwrap_or_else(|| "no instant".to_owned());
    let names = paths.join(", ");
    let (status, ground) = match (unread, changed.is_empty()) {
        (Some(why), _) => (AttestationStatus::NotAttested, format!("{names} could not be measured: {why}")),
        (None, true) if pairs.is_empty() => (AttestationStatus::NotAttested, "nothing was measured".to_owned()),
        (None, true) if !by_others.is_empty() => {
            let said = format!("{} changed between {instants}, and others write there too", by_others.join(", "));
            let rest: Vec<&str> = paths.iter().map(String::as_str).filter(|path| !by_others.contains(path)).collect();
            (AttestationStatus::Inconclusive, format!("{said}; {} equal", rest.join(", ")))
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

fn fact_at(side: &std::collections::BTreeMap<String, Observation>, path: &str, evidence: &Evidence) -> Fact {
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
fn unreadable(fact: &Fact) -> Option<String> {
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
fn brief(fact: &Fact) -> String {
    match fact {
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) => {
            let text = super::expr::render_fact(fact);
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
            let text = super::expr::render_fact(fact);
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

fn attributable(proof: Proof, evidence: &Evidence) -> Said {
    let process = &evidence.process;
    if proof == Proof::NoTransactionId {
        return no_transaction_id(evidence);
    }
    let (proved, ground) = match proof {
        Proof::OutputScan => (
            true,
            format!(
                "every published byte was searched for the {} secret values that the audit met; publication stops at a hit",
                process.secrets_known
            ),
        ),
        Proof::NoPrompt => (
            process.stdin_closed,
            if process.stdin_closed {
                "standard input was /dev/null during the audit, and no terminal was opened".to_owned()
            } else {
                "standard input was open during the audit".to_owned()
            },
        ),
        Proof::ProcessesStarted => {
            let started = started(evidence);
            let list = if started.is_empty() { "none".to_owned() } else { started.join(", ") };
            (true, format!("processes that the audit started: {list}"))
        }
        Proof::NoTransactionId => (false, String::new()),
        Proof::ResultRecomputed => (
            process.recomputed,
            if process.recomputed {
                "findings and result were computed a second time from the recorded evidence, and are equal".to_owned()
            } else {
                "the result was not computed a second time".to_owned()
            },
        ),
    };
    let status = if proved { AttestationStatus::NotDone } else { AttestationStatus::NotAttested };
    Said { status, ground, before: String::new(), after: String::new() }
}

/// Whether a transaction of ours wrote. The statements that were sent stand in the evidence, each with its digest.
fn no_transaction_id(evidence: &Evidence) -> Said {
    let observations = evidence.before.values().chain(evidence.probes.values()).chain(evidence.after.values());
    let asked: Vec<&Observation> = observations.filter(|seen| asks_a_database(&seen.kind)).collect();
    let unchanged = asked.iter().map(|seen| match seen.facts.get("unchanged") {
        Some(fact) => fact.clone(),
        None => seen.facts.clone(),
    });
    let unchanged: Vec<Fact> = unchanged.collect();
    let wrote = unchanged.iter().filter(|fact| **fact == Fact::Bool(false)).count();
    let unread = unchanged.iter().find_map(|fact| match fact {
        Fact::Missing(missing) => Some(missing.to_string()),
        Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::List(_) | Fact::Map(_) => None,
    });
    let sent = asked.iter().flat_map(|seen| &seen.sources);
    let sent: Vec<String> = sent
        .filter_map(|source| match &source.read {
            Reading::Statement { sha256 } => Some(sha256.to_string()),
            Reading::Content { .. } | Reading::Attributes => None,
        })
        .collect();
    let different: std::collections::BTreeSet<&String> = sent.iter().collect();
    let statements = format!(
        "{} statements sent, {} different ones, each with its sha256 in evidence.json",
        sent.len(),
        different.len()
    );
    let (status, ground) = match unread {
        _ if wrote > 0 => {
            (AttestationStatus::Changed, format!("{wrote} of {} transactions of ours wrote something", asked.len()))
        }
        Some(why) => (AttestationStatus::NotAttested, format!("it cannot be told of one transaction of ours: {why}")),
        None if asked.is_empty() => (AttestationStatus::NotAttested, "no database was asked".to_owned()),
        None => (
            AttestationStatus::NotDone,
            format!("our connections: {} transactions, none was given a transaction number; {statements}", asked.len()),
        ),
    };
    Said { status, ground, before: String::new(), after: String::new() }
}

/// The programs that probes started, with their first argument; only the host probe starts any.
fn started(evidence: &Evidence) -> Vec<String> {
    let observations = evidence.probes.values().chain(evidence.before.values()).chain(evidence.after.values());
    let sources = observations.filter(|observation| observation.kind == "host").flat_map(|o| &o.sources);
    let programs = sources.filter(|source| matches!(source.read, Reading::Statement { .. }));
    let programs: std::collections::BTreeSet<_> = programs.map(|source| format!("{} --version", source.what)).collect();
    programs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        Evidence {
            format: crate::evidence::EVIDENCE_FORMAT.to_owned(),
            waivers: None,
            run: None,
            now: "2026-05-21T10:00:00Z".parse().unwrap(),
            by: "auditor".to_owned(),
            process: crate::evidence::Process {
                stdin_closed: true,
                secrets_known: 0,
                recomputed: true,
                newest_before: None,
                requests_unread: None,
            },
            probes: Default::default(),
            before: Default::default(),
            after: Default::default(),
        }
    }

    /// What a probe of a kind found, and a program that it started.
    fn observed(kind: &str, rows: Fact) -> Observation {
        let at = "2026-05-21T10:00:00Z".parse().unwrap();
        let source = crate::evidence::Source {
            what: format!("/usr/bin/{kind}"),
            by: "auditor".to_owned(),
            at,
            read: Reading::Statement { sha256: crate::evidence::Digest256::of(b"") },
        };
        Observation {
            kind: kind.to_owned(),
            settings: Default::default(),
            started: at,
            finished: at,
            facts: Fact::record([("rows", rows)]),
            sources: vec![source],
        }
    }

    /// Equal is not done, different is changed, and what could not be read is neither.
    #[test]
    fn what_is_measured_is_equal_changed_or_unread() {
        let missing = |state| crate::evidence::Missing {
            state,
            tried: "count".to_owned(),
            by: "auditor".to_owned(),
            said: "no".to_owned(),
            next: String::new(),
        };
        let denied = || Fact::from(missing(MissingState::Denied));
        let judged = |before: Fact, after: Fact| {
            let mut evidence = evidence();
            evidence.before.insert("surface".to_owned(), observed("sql", before));
            evidence.after.insert("surface".to_owned(), observed("sql", after));
            let said = measured(&["surface.rows".to_owned()], &[], &evidence);
            (said.status, said.ground)
        };
        let (status, ground) = judged(Fact::Int(1), Fact::Int(1));
        assert_eq!(status, AttestationStatus::NotDone);
        assert!(ground.starts_with("surface.rows, equal at 2026-05-21T10:00:00Z and 2026"), "{ground}");
        let (status, ground) = judged(Fact::Int(1), Fact::Int(2));
        assert_eq!(status, AttestationStatus::Changed);
        assert!(ground.starts_with("surface.rows changed between"), "{ground}");
        for (before, after) in [(denied(), denied()), (Fact::list([Fact::Int(1), denied()]), Fact::Int(2))] {
            let (status, ground) = judged(before, after);
            assert_eq!(status, AttestationStatus::NotAttested);
            assert!(ground.contains("surface.rows could not be measured: ") && ground.contains("denied"), "{ground}");
        }
        // That something is known not to be there can be compared.
        let absent = || Fact::from(missing(MissingState::Absent));
        assert_eq!(judged(absent(), absent()).0, AttestationStatus::NotDone);
        use AttestationStatus::{Changed, Declared, Inconclusive, NotAttested, NotDone};
        let words = [NotDone, Changed, Inconclusive, NotAttested, Declared].map(AttestationStatus::word);
        assert_eq!(words, ["NOT DONE", "CHANGED", "INCONCLUSIVE", "NOT ATTESTED", "DECLARED"]);
    }

    /// Where others write too, a change says nothing of who made it; what only we may change is as strict as ever.
    #[test]
    fn a_change_where_others_write_is_inconclusive() {
        let judged = |ours: i64, theirs: i64| {
            let mut evidence = evidence();
            let rows = |ours, theirs| Fact::record([("ours", Fact::Int(ours)), ("theirs", Fact::Int(theirs))]);
            evidence.before.insert("surface".to_owned(), observed("pg-surface", rows(1, 1)));
            evidence.after.insert("surface".to_owned(), observed("pg-surface", rows(ours, theirs)));
            let paths = ["surface.rows.ours", "surface.rows.theirs"].map(str::to_owned);
            let said = measured(&paths, &paths[1..], &evidence);
            (said.status, said.ground)
        };
        assert_eq!(judged(1, 1).0, AttestationStatus::NotDone);
        assert_eq!(judged(2, 1).0, AttestationStatus::Changed);
        assert_eq!(judged(2, 2).0, AttestationStatus::Changed);
        let (status, ground) = judged(1, 2);
        assert_eq!(status, AttestationStatus::Inconclusive);
        assert!(ground.starts_with("database-wide: surface.rows.theirs changed between "), "{ground}");
        assert!(ground.ends_with("and others write there too; surface.rows.ours equal"), "{ground}");
    }

    /// What our own connections did is known only where each of them says so.
    #[test]
    fn no_transaction_of_ours_wrote_only_where_every_one_says_so() {
        let unread = crate::evidence::Missing {
            state: MissingState::Error,
            tried: "ask".to_owned(),
            by: "auditor".to_owned(),
            said: "gone".to_owned(),
            next: String::new(),
        };
        let judged = |facts: &[Fact]| {
            let mut evidence = evidence();
            for (at, unchanged) in facts.iter().enumerate() {
                let mut observation = observed("sql", Fact::list([]));
                let is_text = matches!(unchanged, Fact::Text(_));
                observation.facts =
                    if is_text { unread.clone().into() } else { Fact::record([("unchanged", unchanged.clone())]) };
                evidence.before.insert(at.to_string(), observation);
            }
            evidence.after.insert("host".to_owned(), observed("host", Fact::list([])));
            let said = attributable(Proof::NoTransactionId, &evidence);
            (said.status, said.ground)
        };
        let (yes, no, missing) = (Fact::Bool(true), Fact::Bool(false), Fact::from(unread.clone()));
        assert_eq!(judged(&[]), (AttestationStatus::NotAttested, "no database was asked".to_owned()));
        assert_eq!(judged(&[yes.clone(), no.clone(), missing.clone()]).0, AttestationStatus::Changed);
        assert_eq!(judged(&[yes.clone(), missing]).0, AttestationStatus::NotAttested);
        assert_eq!(judged(&[yes.clone(), "nothing came back".into()]).0, AttestationStatus::NotAttested);
        let (status, ground) = judged(&[yes.clone(), yes]);
        assert_eq!(status, AttestationStatus::NotDone);
        assert!(
            ground.starts_with(
                "our connections: 2 transactions, none was given a transaction number; 2 statements sent, 1 diff"
            ),
            "{ground}"
        );
    }

    #[test]
    fn the_programs_that_were_started_are_those_of_the_host_probe() {
        let mut evidence = evidence();
        assert_eq!(started(&evidence), [""; 0]);
        evidence.before.insert("host".to_owned(), observed("host", Fact::Int(1)));
        evidence.after.insert("surface".to_owned(), observed("sql", Fact::Int(1)));
        assert_eq!(started(&evidence), ["/usr/bin/host --version"]);
    }

    #[test]
    fn nothing_measured_is_not_attested() {
        let evidence = evidence();
        let said = measured(&[], &[], &evidence);
        assert_eq!((said.status, said.ground.as_str()), (AttestationStatus::NotAttested, "nothing was measured"));
        let said = measured(&["ring.digest".to_owned()], &[], &evidence);
        assert_eq!(said.status, AttestationStatus::NotAttested);
    }

    #[test]
    fn digests_are_shortened_and_nothing_else_is() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(brief(&Fact::from(hex.as_str())), "0123456789ab…");
        for text in ["", "ab", "0123456789abcdef", &"z".repeat(64), &"0".repeat(65)] {
            assert_eq!(brief(&Fact::from(text)), text);
        }
        assert_eq!(brief(&Fact::texts(["a", "b"])), super::super::expr::render_fact(&Fact::texts(["a", "b"])));
        let long = Fact::texts((0..40).map(|n| n.to_string()));
        assert!(brief(&long).starts_with("40 entries, sha256 "), "{}", brief(&long));
        assert_eq!(brief(&Fact::list([Fact::record([("a", Fact::Int(1))])])).split(',').next(), Some("1 entries"));
    }
}

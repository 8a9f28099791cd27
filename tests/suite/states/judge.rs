//! One state as a package: written to disk, loaded, its probe collected under limits, both gates evaluated.

use std::collections::BTreeMap;
use std::time::Instant;

use cutgate::evidence::{EVIDENCE_FORMAT, Evidence, Fact, MissingState, Process};
use cutgate::gates::{self, Finding, Loaded};
use cutgate::probes::{Collection, Question, Secrets, Stop, collect_until};

use super::{Asked, GRACE, Reader, Room, State};
use crate::harness;

/// What one collection and evaluation came to.
pub(super) struct Judged {
    /// The facts of the probe.
    pub facts: Fact,
    /// The finding of the gate that requires the rule.
    pub rule: Finding,
    /// That of the gate that requires its negation.
    pub negation: Finding,
}

/// Collects and evaluates; fails when that takes longer than the limits and [`GRACE`].
pub(super) fn judge(loaded: &Loaded, state: &State, room: &Room) -> Judged {
    let mut limits = loaded.package.limits;
    (state.limits)(&mut limits);
    let now = chrono::Utc::now();
    let with = Collection {
        place: loaded.place.clone(),
        limits,
        now,
        by: state.reader.name().to_owned(),
        deadline: Instant::now() + state.deadline,
        secrets: Secrets::default(),
        surroundings: std::sync::Arc::default(),
    };
    let used = loaded.gates.iter().flat_map(|gate| gate.probes.values());
    let questions: BTreeMap<_, _> = used
        .map(|used| (used.id.clone(), Question { kind: used.kind.clone(), settings: used.settings.clone() }))
        .collect();
    assert_eq!(questions.len(), 1, "both gates ask the same");
    let begun = Instant::now();
    let races = state.race.is_some();
    let read = || {
        let collected = collect_until(&questions, &with, &Stop::default(), |_| ());
        // What a probe itself notices of a change is told; looking again would notice it, too, in other words.
        if races { collected.observations() } else { collected.settled() }
    };
    let probes = match (&state.elsewhere, state.reader) {
        (Some(audit), _) => audit(room).probes,
        (None, Reader::Root) => read(),
        (None, Reader::Nobody) => harness::as_nobody(read),
    };
    let took = begun.elapsed();
    let observation = probes.values().next().expect("one observation");
    let given_up = observation.missing().is_some_and(|missing| missing.state == MissingState::TimedOut);
    let access = if given_up { limits.read } else { limits.probe };
    let bound = limits.probe.min(state.deadline).min(access) + GRACE;
    assert!(took < bound, "{}: {took:?}, the limit and grace are {bound:?}", state.words);
    let facts = observation.facts.clone();
    let process =
        Process { stdin_closed: true, secrets_known: 0, recomputed: false, newest_before: None, requests_unread: None };
    let evidence = Evidence {
        format: EVIDENCE_FORMAT.to_owned(),
        waivers: None,
        run: None,
        now,
        by: with.by,
        process,
        probes,
        before: BTreeMap::new(),
        after: BTreeMap::new(),
    };
    let findings = gates::evaluate(&loaded.gates, &loaded.package, &evidence);
    let [rule, negation] = <[Finding; 2]>::try_from(findings).expect("two gates, two findings");
    Judged { facts, rule, negation }
}

const PACKAGE: &str = r#"
[package]
macro_id = "states"
title = "States"
label = "STATES"
host = "somewhere"
host_label = "somewhere"
scheme = "O8"
deployed_label = "none"
gates = ["rule", "rule-negated"]

[paths]

[reports.01]
file = "01-states"
title = "States"

[stages.G0]
title = "States"
report = "01"

[gaps.GAP-1]
title = "the rule holds"
class = "technical"
owner = "operator"

[gaps.GAP-2]
title = "its negation holds"
class = "technical"
owner = "operator"

[trust]
keyring = "keys/trusted.pgp"
sovereign = ["89ABCDEF0123456789ABCDEF0123456789ABCDEF"]
sovereign_threshold = 1

[[forbidden]]
id = "secrets-logged"
action = "Log secrets"
basis = "attributable"
proof = "output-scan"
"#;

/// The package of a room, written and loaded.
pub(super) fn load(asked: &Asked, room: &Room) -> Loaded {
    let root = if asked.rooted { "root = \"host\"" } else { "" };
    room.package_file("cutgate.toml", &PACKAGE.replace("[paths]", &format!("[paths]\n{root}")));
    let gate = |id: &str, gap: &str, rule: &str| {
        let (kind, settings, says) = (asked.kind, &asked.settings, toml_text(&asked.says));
        let text = format!(
            "id = \"{id}\"\ngap = \"{gap}\"\nstage = \"G0\"\ntitle = \"{id}\"\nremedy = \"put it right\"\n\n\
             [probe.p]\nkind = \"{kind}\"\n{settings}\n\n\
             [[check]]\nid = \"it\"\ntier = \"essential\"\nrequire = {}\notherwise = {says}\n",
            toml_text(rule),
        );
        room.package_file(&format!("gates/{id}.toml"), &text);
    };
    gate("rule", "GAP-1", &asked.rule);
    gate("rule-negated", "GAP-2", &format!("!({})", asked.rule));
    gates::load(&room.path("cutgate.toml")).unwrap_or_else(|problems| panic!("{problems}"))
}

fn toml_text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

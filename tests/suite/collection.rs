//! Collecting under limits: what does not come back is given up, and the rest is complete.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use cutgate::evidence::{Fact, MissingState};
use cutgate::probes::{Collection, Limits, Place, Question, Secrets, collect};

use crate::harness::settings;

fn collection(dir: &std::path::Path, probe: Duration, audit: Duration) -> Collection {
    Collection {
        place: Place { package_dir: dir.to_owned(), root: None },
        limits: Limits { probe, ..Limits::default() },
        now: chrono::Utc::now(),
        by: "tester".to_owned(),
        deadline: Instant::now() + audit,
        secrets: Secrets::default(),
        surroundings: std::sync::Arc::default(),
    }
}

fn script(dir: &std::path::Path, name: &str, body: &str) {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn host(dir: &std::path::Path, tool: &str) -> Question {
    let given = serde_json::json!({ "tools": [tool], "search_path": dir.to_str().unwrap(), "tool_timeout": "1h" });
    Question { kind: "host".to_owned(), settings: settings(given) }
}

fn state(fact: &Fact) -> Option<MissingState> {
    match fact {
        Fact::Missing(missing) => Some(missing.state),
        _ => None,
    }
}

/// A probe that hangs ends at its limit and not later, and the one beside it is not touched.
#[test]
fn a_probe_that_hangs_is_given_up_at_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    script(dir.path(), "hangs", "exec /bin/sleep 5");
    script(dir.path(), "answers", "echo answers 1.0");
    let questions = BTreeMap::from([("good", host(dir.path(), "answers")), ("hangs", host(dir.path(), "hangs"))]);
    let begun = Instant::now();
    let with = collection(dir.path(), Duration::from_millis(700), Duration::from_secs(60));
    let mut heard = Vec::new();
    let done = collect(&questions, &with, |kind, left| heard.push((kind.to_owned(), left)));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(heard, [("host".to_owned(), 1), ("host".to_owned(), 0)]);
    let tools = |name: &str| done[name].facts.get("tools").cloned();
    assert!(matches!(tools("good"), Some(Fact::List(_))), "{:?}", done["good"].facts);
    // Either the probe gave its tool up in time, or it was given up itself: never a version.
    let version = tools("hangs").and_then(|tools| match tools {
        Fact::List(tools) => tools[0].get("version").and_then(state),
        _ => None,
    });
    assert_eq!(version.or(state(&done["hangs"].facts)), Some(MissingState::TimedOut));
}

/// The audit's deadline leaves an observation for every question, which says that it was not reached.
#[test]
fn the_deadline_leaves_a_complete_set() {
    let dir = tempfile::tempdir().unwrap();
    script(dir.path(), "hangs", "exec /bin/sleep 5");
    let questions: BTreeMap<_, _> = (0..100).map(|n| (n, host(dir.path(), "hangs"))).collect();
    let begun = Instant::now();
    let done =
        collect(&questions, &collection(dir.path(), Duration::from_secs(60), Duration::from_millis(500)), |_, _| {});
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(done.len(), 100);
    for observation in done.values() {
        let unknown = state(&observation.facts) == Some(MissingState::TimedOut)
            || matches!(observation.facts.get("tools"), Some(Fact::List(tools)) if tools[0].get("version").and_then(state) == Some(MissingState::TimedOut));
        assert!(unknown, "{:?}", observation.facts);
    }
}

#[test]
fn an_unknown_kind_is_an_error_and_not_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let questions = BTreeMap::from([(
        "x",
        Question { kind: "telepathy".to_owned(), settings: settings(serde_json::json!({"a": 1})) },
    )]);
    let done = collect(&questions, &collection(dir.path(), Duration::from_secs(5), Duration::from_secs(5)), |_, _| {});
    assert_eq!(state(&done["x"].facts), Some(MissingState::Error));
    assert!(done["x"].settings.is_empty(), "nobody knows which settings of it are secret");
}

//! Drill and dry-run records, and detached signatures.

mod signatures;

use std::path::Path;

use chrono::{Duration, Utc};
use cutgate::evidence::{DrillRecord, DryRunRecord, Fact, MissingState, canonical_json};
use serde_json::{Value, json};

use super::harness::{as_nobody, collect, open_dir, settings};
use super::keyring::{Home, has, list, missing};

/// A drill record that proves a revert.
fn drill() -> Value {
    let finished = Utc::now() - Duration::hours(1);
    let started = finished - Duration::minutes(10);
    let phases = ["pre_write_backup", "cut_leg_a"];
    let phase = |name: &&str| json!({"name": name, "before": "sha256:aa", "mutated": "m", "after": "sha256:aa", "reverted": true});
    json!({
        "format": "cutgate-drill/1", "kind": "revert-drill", "tree_digest": "0".repeat(64), "target": "ICX-7",
        "host": "host-a", "operator": "huy", "started": started.to_rfc3339(), "finished": finished.to_rfc3339(),
        "level": "E3", "restore_compared": true, "phases": phases.iter().map(phase).collect::<Vec<_>>(),
    })
}

fn dry_run() -> Value {
    let finished = Utc::now() - Duration::hours(1);
    json!({
        "format": "cutgate-dry-run/1", "kind": "dry-run", "tree_digest": "0".repeat(64), "target": "ICX-7",
        "host": "host-a", "started": finished.to_rfc3339(), "finished": finished.to_rfc3339(), "mode": "DRYRUN",
        "phases": ["cut_leg_a"], "counts_before": {"information_unit": 12, "unit_version": 30},
        "counts_after": {"information_unit": 12, "unit_version": 30},
    })
}

fn with(mut record: Value, changes: &[(&str, Value)]) -> Value {
    for (name, value) in changes {
        record[name] = value.clone();
    }
    record
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(dir.join("drills")).expect("folder");
    std::fs::write(dir.join("drills").join(name), bytes).expect("write");
}

fn write_json(dir: &Path, name: &str, record: &Value) -> Vec<u8> {
    let bytes = canonical_json(record);
    write(dir, name, &bytes);
    bytes
}

/// Whether a record that finished then is one, for an audit at 10:00.
fn counts_at_ten(dir: &Path, finished: &str) -> bool {
    let started = json!("2026-05-21T09:00:00Z");
    write_json(dir, "a.json", &with(drill(), &[("started", started), ("finished", json!(finished))]));
    let (limits, now) = (cutgate::probes::Limits::default(), "2026-05-21T10:00:00Z".parse().expect("an instant"));
    let end = std::time::Instant::now() + limits.probe;
    let door = cutgate::probes::Door::new(super::harness::place(dir), limits, now, "me".to_owned(), end);
    let probe = cutgate::probes::find("drill-record").expect("the probe");
    let facts = probe.collect(&settings(json!({ "path": "drills" })), &door).expect("facts");
    broken(&facts).is_empty()
}

#[test]
fn a_record_of_the_future_is_none_but_for_the_tolerance_of_clocks() {
    let dir = open_dir();
    assert!(counts_at_ten(dir.path(), "2026-05-21T10:05:00Z"));
    assert!(!counts_at_ten(dir.path(), "2026-05-21T10:05:01Z"));
    assert!(counts_at_ten(dir.path(), "2026-05-21T09:00:00Z"));
    assert!(!counts_at_ten(dir.path(), "2026-05-21T08:59:59Z"));
}

/// A link that leads nowhere leads to no records; where it leads to what may not be seen, nobody knows.
#[test]
fn a_link_to_records_is_followed() {
    let dir = open_dir();
    std::fs::create_dir_all(dir.path().join("closed/drills")).expect("mkdir");
    let link = dir.path().join("drills");
    let leads = |target: &str| {
        std::fs::remove_file(&link).ok();
        std::os::unix::fs::symlink(target, &link).expect("symlink");
        as_nobody(|| look("drill-record", dir.path()))
    };
    has(&leads("closed/drills"), &[("present", true.into()), ("records", Fact::List(Vec::new()))]);
    has(&leads("nowhere"), &[("present", false.into())]);
    let record = dir.path().join("one.json");
    std::fs::write(&record, canonical_json(&drill())).expect("write");
    assert_eq!(records(&leads("one.json")).len(), 1);
    let closed = dir.path().join("closed");
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("chmod");
    let denied = leads("closed/drills");
    assert_eq!(missing(denied.get("records")).state, MissingState::Denied);
    has(&denied, &[("present", true.into())]);
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
}

/// The facts of the folder `drills`.
fn look(kind: &str, dir: &Path) -> Fact {
    collect(kind, dir, json!({ "path": "drills" })).expect("facts")
}

fn records(facts: &Fact) -> &[Fact] {
    list(facts.get("records").expect("records"))
}

fn broken(facts: &Fact) -> Vec<(String, String)> {
    let text = |fact: &Fact, name: &str| {
        let Some(Fact::Text(text)) = fact.get(name) else { panic!("no {name}: {fact:?}") };
        text.clone()
    };
    let items = list(facts.get("broken").expect("broken"));
    items.iter().map(|item| (text(item, "path"), text(item, "reason"))).collect()
}

#[test]
fn a_drill_is_told_as_it_was_recorded() {
    let dir = open_dir();
    assert_eq!(look("drill-record", dir.path()).get("present"), Some(&false.into()));
    assert_eq!(missing(look("drill-record", dir.path()).get("records")).state, MissingState::Absent);
    write_json(
        dir.path(),
        "b.json",
        &with(drill(), &[("host", json!("host-b")), ("tree_digest", json!("f".repeat(64)))]),
    );
    write_json(dir.path(), "a.json", &drill());
    write(dir.path(), "README.md", b"drills\n");
    let facts = look("drill-record", dir.path());
    has(&facts, &[("present", true.into()), ("broken", Fact::List(Vec::new()))]);
    let [a, b] = records(&facts) else { panic!("two records") };
    has(
        a,
        &[
            ("path", "drills/a.json".into()),
            ("level", Fact::Int(3)),
            ("operator", "huy".into()),
            ("host", "host-a".into()),
        ],
    );
    has(a, &[("every_phase_equal", true.into()), ("restore_compared", true.into()), ("target", "ICX-7".into())]);
    let phase = Fact::record([("name", "pre_write_backup".into()), ("equal", true.into()), ("reverted", true.into())]);
    assert_eq!(a.get("phases").map(list).and_then(<[Fact]>::first), Some(&phase));
    has(a, &[("signature", "absent".into()), ("signers", Fact::List(Vec::new()))]);
    has(b, &[("path", "drills/b.json".into()), ("host", "host-b".into()), ("tree_digest", "f".repeat(64).into())]);

    let one = collect("drill-record", dir.path(), json!({ "path": "drills/b.json" })).expect("facts");
    assert_eq!(records(&one), &records(&facts)[1..]);
}

#[test]
fn an_empty_folder_has_no_drills_and_says_so() {
    let dir = open_dir();
    std::fs::create_dir(dir.path().join("drills")).expect("folder");
    let facts = look("drill-record", dir.path());
    has(&facts, &[("present", true.into()), ("records", Fact::List(Vec::new())), ("broken", Fact::List(Vec::new()))]);
}

#[test]
fn a_phase_counts_only_when_it_was_reverted_and_is_equal() {
    let dir = open_dir();
    let phase = |after: &str, reverted: bool| json!([{"name": "cut_leg_a", "before": "x", "mutated": "m", "after": after, "reverted": reverted}]);
    let cases = [(json!([]), false), (phase("x", true), true), (phase("y", true), false), (phase("x", false), false)];
    for (phases, equal) in cases {
        write_json(dir.path(), "a.json", &with(drill(), &[("phases", phases)]));
        has(&records(&look("drill-record", dir.path()))[0], &[("every_phase_equal", equal.into())]);
    }
    // Old, authored only: the facts show the time and the level, the gate judges them.
    let old = json!("2020-01-01T00:00:00Z");
    let stale =
        with(drill(), &[("started", old.clone()), ("finished", old), ("level", json!("E0")), ("phases", json!([]))]);
    write_json(dir.path(), "a.json", &stale);
    let facts = look("drill-record", dir.path());
    let Some(Fact::Time(finished)) = records(&facts)[0].get("finished") else { panic!("no time") };
    assert_eq!(finished.to_rfc3339(), "2020-01-01T00:00:00+00:00");
    has(&records(&facts)[0], &[("level", Fact::Int(0)), ("every_phase_equal", false.into())]);
}

#[test]
fn a_dry_run_tells_whether_the_counts_are_equal() {
    let dir = open_dir();
    let cases = [
        (json!({"information_unit": 12, "unit_version": 30}), true),
        (json!({"information_unit": 12, "unit_version": 31}), false),
        (json!({"information_unit": 12}), false),
        (json!({"information_unit": 12, "unit_version": 30, "more": 0}), false),
    ];
    for (after, equal) in cases {
        write_json(dir.path(), "a.json", &with(dry_run(), &[("counts_after", after)]));
        has(
            &records(&look("dry-run-record", dir.path()))[0],
            &[("counts_equal", equal.into()), ("mode", "DRYRUN".into())],
        );
    }
    write_json(dir.path(), "a.json", &with(dry_run(), &[("counts_before", json!({})), ("counts_after", json!({}))]));
    let facts = look("dry-run-record", dir.path());
    has(&records(&facts)[0], &[("counts_equal", false.into()), ("phases", Fact::texts(["cut_leg_a"]))]);
}

#[test]
fn what_is_no_record_is_broken_with_its_reason() {
    let dir = open_dir();
    let future = (Utc::now() + Duration::minutes(10)).to_rfc3339();
    let mut unknown = drill();
    unknown["note"] = json!("x");
    let mut short = drill();
    short.as_object_mut().expect("an object").remove("level");
    let doubled = |record: &Value, name: &str| {
        let text = String::from_utf8(canonical_json(record)).expect("text");
        text.replacen('{', &format!("{{\"{name}\":\"twice\","), 1).into_bytes()
    };
    let same_phase = json!({"name": "a", "before": "x", "mutated": "m", "after": "x", "reverted": true});
    let json_cases = [
        (with(drill(), &[("format", json!("cutgate-drill/2"))]), "cutgate-drill/2"),
        (with(drill(), &[("kind", json!("drill"))]), "kind"),
        (with(drill(), &[("level", json!("E5"))]), "E5"),
        (with(drill(), &[("level", json!(3))]), "expected value"),
        (with(drill(), &[("finished", json!("2020-01-01T00:00:00Z"))]), "before it started"),
        (with(drill(), &[("finished", json!(future))]), "future"),
        (with(drill(), &[("finished", json!("yesterday"))]), "input"),
        (with(drill(), &[("operator", json!(" "))]), "operator is empty"),
        (with(drill(), &[("phases", json!([same_phase, same_phase]))]), "twice"),
        (unknown, "note"),
        (short, "level"),
        (json!([1, 2]), "not a record"),
        (json!({}), "format"),
    ];
    let mut cases: Vec<(Vec<u8>, &str)> =
        json_cases.iter().map(|(record, said)| (canonical_json(record), *said)).collect();
    cases.push((b"\xff\xfe".to_vec(), "not a record"));
    cases.push((Vec::new(), "not a record"));
    cases.push((canonical_json(&drill())[..80].to_vec(), "not a record"));
    cases.push((doubled(&drill(), "host"), "duplicate field"));
    cases.push((doubled(&drill(), "format"), "duplicate field"));
    cases.push(([canonical_json(&drill()), b"{}".to_vec()].concat(), "trailing"));
    for (bytes, said) in cases {
        write(dir.path(), "a.json", &bytes);
        let facts = look("drill-record", dir.path());
        let [Fact::Missing(hole)] = records(&facts) else { panic!("{said}: {facts:#?}") };
        assert!(hole.state == MissingState::Unreadable && hole.said.contains(said), "{said}: {hole}");
        let found = broken(&facts);
        assert_eq!(found.len(), 1, "{said}");
        assert!(found[0].0 == "drills/a.json" && found[0].1.contains(said), "{said}: {}", found[0].1);
    }
    for (counts, said) in [
        (r#"{"a":1,"a":1}"#, "twice"),
        (r#"{"a":-1}"#, "-1"),
        (r#"{"a":1.5}"#, "1.5"),
        (r#"{"a":9007199254740993}"#, "9007199254740993"),
    ] {
        let text =
            String::from_utf8(canonical_json(&with(dry_run(), &[("counts_after", json!("HERE"))]))).expect("text");
        write(dir.path(), "a.json", text.replace("\"HERE\"", counts).as_bytes());
        let found = broken(&look("dry-run-record", dir.path()));
        assert!(found.len() == 1 && found[0].1.contains(said), "{found:?}");
    }
}

#[test]
fn both_kinds_may_lie_in_one_folder() {
    let dir = open_dir();
    write_json(dir.path(), "a.json", &drill());
    write_json(dir.path(), "b.json", &dry_run());
    write(dir.path(), "c.json", b"garbage");
    for (kind, own, other) in
        [("drill-record", "drills/a.json", "drills/b.json"), ("dry-run-record", "drills/b.json", "drills/a.json")]
    {
        let facts = look(kind, dir.path());
        has(&records(&facts)[0], &[("path", own.into())]);
        has(&facts, &[("other_kinds", Fact::texts([other]))]);
        assert_eq!((records(&facts).len(), broken(&facts).len()), (2, 1), "one record and the hole of the broken one");
    }
}

#[test]
fn signatures_of_records() {
    let home = Home::new();
    let (owner, stranger) = (home.make_good("owner"), home.make_good("stranger"));
    let dir = home.dir.path();
    let bytes = write_json(dir, "a.json", &drill());
    let look = |pinned: &[&str]| {
        let facts = collect("drill-record", dir, json!({ "path": "drills", "keyring": "gnupg", "pinned": pinned }));
        records(&facts.expect("facts"))[0].clone()
    };
    has(&look(&[&owner]), &[("signature", "absent".into())]);
    write(dir, "a.json.asc", &home.sign(&owner, &bytes, &[]));
    let spaced = format!("{} {}", &owner[..20], owner[20..].to_lowercase());
    for pinned in [&owner, &spaced] {
        has(&look(&[pinned]), &[("signature", "valid".into()), ("signers", Fact::texts([owner.clone()]))]);
    }
    for pinned in [&[][..], &[stranger.as_str()]] {
        has(&look(pinned), &[("signature", "unpinned".into()), ("signers", Fact::List(Vec::new()))]);
    }
    // Without a keyring nothing was verified, and nothing counts.
    let facts = collect("drill-record", dir, json!({ "path": "drills", "pinned": [owner] })).expect("facts");
    has(&records(&facts)[0], &[("signature", "unpinned".into()), ("signers", Fact::List(Vec::new()))]);

    write(dir, "a.json.asc", &home.sign(&stranger, &bytes, &[]));
    has(&look(&[&owner]), &[("signature", "unpinned".into())]);
    write(dir, "a.json.asc", &home.sign(&owner, &bytes, &[]));
    write_json(dir, "a.json", &with(drill(), &[("level", json!("E4"))]));
    let edited = look(&[&owner]);
    has(&edited, &[("signature", "invalid".into()), ("level", Fact::Int(4)), ("signers", Fact::List(Vec::new()))]);
    let Some(Fact::Text(reason)) = edited.get("signature_reason") else { panic!("no reason") };
    assert!(reason.contains("does not fit these bytes") && reason.contains(&owner), "{reason}");
    write(dir, "a.json.asc", b"signed\n");
    has(&look(&[&owner]), &[("signature", "invalid".into())]);
}

#[test]
fn an_unreadable_keyring_leaves_a_signature_unknown() {
    let home = Home::new();
    let owner = home.make_good("owner");
    let dir = home.dir.path();
    let bytes = write_json(dir, "a.json", &drill());
    write(dir, "a.json.asc", &home.sign(&owner, &bytes, &[]));
    let given = json!({ "path": "drills", "keyring": "gnupg", "pinned": [owner] });
    let facts = as_nobody(|| collect("drill-record", dir, given.clone())).expect("facts");
    for name in ["signature", "signature_reason", "signers"] {
        assert_eq!(missing(records(&facts)[0].get(name)).state, MissingState::Denied);
    }
    has(&records(&facts)[0], &[("every_phase_equal", true.into())]);
    let given = json!({ "path": "drills", "keyring": "nowhere", "pinned": [owner] });
    let facts = collect("drill-record", dir, given).expect("facts");
    assert_eq!(missing(records(&facts)[0].get("signature")).state, MissingState::Absent);
}

#[test]
fn a_record_that_cannot_be_read_makes_the_list_unknown() {
    let chmod = |path: std::path::PathBuf, mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("chmod");
    };
    let dir = open_dir();
    write_json(dir.path(), "a.json", &drill());
    write_json(dir.path(), "b.json", &drill());
    let folder = dir.path().join("drills");
    let denied = || as_nobody(|| look("drill-record", dir.path()));
    chmod(folder.join("b.json"), 0o000);
    let facts = denied();
    has(&facts, &[("present", true.into())]);
    for name in ["records", "broken"] {
        assert_eq!(missing(facts.get(name)).state, MissingState::Denied);
    }
    chmod(folder.join("b.json"), 0o644);
    write(dir.path(), "b.json.asc", b"x");
    chmod(folder.join("b.json.asc"), 0o000);
    let facts = denied();
    has(&records(&facts)[0], &[("signature", "absent".into())]);
    assert_eq!(missing(records(&facts)[1].get("signature")).state, MissingState::Denied);
    chmod(folder.clone(), 0o700);
    assert_eq!(missing(denied().get("records")).state, MissingState::Denied);
    chmod(folder.clone(), 0o755);
    std::os::unix::fs::symlink("nowhere", folder.join("c.json")).expect("link");
    assert_eq!(missing(look("drill-record", dir.path()).get("records")).state, MissingState::Unreadable);
    std::fs::remove_file(folder.join("c.json")).expect("remove");
    std::fs::create_dir(folder.join("c.json")).expect("folder");
    assert_eq!(missing(look("drill-record", dir.path()).get("records")).state, MissingState::Unreadable);
}

#[test]
fn pinned_key_ids_are_refused_when_the_gate_is_loaded() {
    for kind in ["drill-record", "dry-run-record"] {
        let probe = cutgate::probes::find(kind).expect("registered");
        let given = json!({ "path": "drills", "pinned": ["0123456789ABCDEF", "0".repeat(40), "nonsense"] });
        assert_eq!(probe.check(&settings(given)).len(), 2);
    }
}

#[test]
fn the_writing_program_and_the_probe_share_one_form() {
    let record: DrillRecord = serde_json::from_value(drill()).expect("a drill record");
    let dir = open_dir();
    write(dir.path(), "a.json", &canonical_json(&record));
    assert_eq!(records(&look("drill-record", dir.path())).len(), 1);
    let record: DryRunRecord = serde_json::from_value(dry_run()).expect("a dry-run record");
    write(dir.path(), "a.json", &canonical_json(&record));
    assert_eq!(records(&look("dry-run-record", dir.path())).len(), 1);
}

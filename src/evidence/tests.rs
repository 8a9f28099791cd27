//! Facts as JSON, to and fro; shapes that hold and that do not; the records that are refused.

use serde_json::json;

use super::*;

fn missing() -> Missing {
    Missing {
        state: MissingState::Denied,
        tried: "read it".to_owned(),
        by: "auditor".to_owned(),
        said: "no".to_owned(),
        next: "chmod".to_owned(),
    }
}

fn read(value: serde_json::Value) -> Result<Fact, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn every_fact_is_read_back_as_it_was() {
    const EXACT: i64 = 1 << 53;
    let time = |text: &str| Fact::Time(text.parse().unwrap());
    let facts = [
        (Fact::Bool(true), json!(true)),
        (Fact::Int(EXACT), json!(EXACT)),
        (Fact::Int(-EXACT), json!(-EXACT)),
        (Fact::Int(EXACT + 1), json!({ "$int": "9007199254740993" })),
        (Fact::Int(i64::MIN), json!({ "$int": "-9223372036854775808" })),
        (Fact::from("$x"), json!("$x")),
        (time("2026-05-21T10:00:00Z"), json!({ "$time": "2026-05-21T10:00:00Z" })),
        // A record of a rehearsal may give an offset that leaves the years of RFC 3339.
        (time("0000-01-01T00:00:00+23:59"), json!({ "$time": "-0001-12-31T00:01:00Z" })),
        (time("9999-12-31T23:59:59-01:00"), json!({ "$time": "+10000-01-01T00:59:59Z" })),
        (Fact::list([]), json!([])),
        (Fact::record([]), json!({})),
        (Fact::record([("$int", Fact::from("1"))]), json!({ "$$int": "1" })),
        (Fact::record([("$$", Fact::Int(1)), ("a", Fact::Int(2))]), json!({ "$$$": 1, "a": 2 })),
        (Fact::from(missing()), json!({ "$missing": missing() })),
    ];
    for (fact, written) in facts {
        assert_eq!(serde_json::to_value(&fact).unwrap(), written);
        assert_eq!(read(written), Ok(fact.clone()));
        let bytes = canonical_json(&fact);
        assert_eq!(serde_json::from_slice::<Fact>(&bytes).unwrap(), fact);
    }
}

#[test]
fn what_is_no_fact_is_refused() {
    for (value, reason) in [
        (json!(null), "null, expected a fact"),
        (json!(1.5), "whole number"),
        (json!(1e300), "whole number"),
        (json!([1, null]), "null"),
        (json!({ "$int": 1 }), "expected a string"),
        (json!({ "$int": "1.0" }), "$int"),
        (json!({ "$int": "9223372036854775808" }), "$int"),
        (json!({ "$time": "yesterday" }), "$time"),
        (json!({ "$time": 1 }), "expected a string"),
        (json!({ "$missing": "denied" }), "struct"),
        (json!({ "$other": 1 }), "unknown marker $other"),
        (json!({ "$int": "1", "a": 1 }), "$int does not stand alone"),
    ] {
        let error = read(value.clone()).expect_err("refused");
        assert!(error.contains(reason), "{value}: {error}");
    }
    for text in ["", "AA", &"A".repeat(64), &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
        assert!(Digest256::try_from(text.to_owned()).is_err(), "{text}");
    }
    assert_eq!(Digest256::try_from("0f".repeat(32)).map(String::from), Ok("0f".repeat(32)));
}

#[test]
fn a_fact_departs_from_every_shape_but_its_own() {
    let kinds = [
        (Shape::Bool, Fact::Bool(true), "bool"),
        (Shape::Int, Fact::Int(1), "int"),
        (Shape::Text, Fact::from("x"), "string"),
        (Shape::Time, Fact::Time("2026-05-21T10:00:00Z".parse().unwrap()), "timestamp"),
        (Shape::list(Shape::Int), Fact::list([Fact::Int(1)]), "list(int)"),
        (Shape::record([("a", Shape::Int)]), Fact::record([("a", Fact::Int(1))]), "record"),
        (Shape::dict(Shape::Bool), Fact::record([("b", Fact::Bool(true))]), "map(string, bool)"),
    ];
    for (i, (shape, _, name)) in kinds.iter().enumerate() {
        assert_eq!(shape.name(), *name);
        assert_eq!(shape.departure(&Fact::from(missing())), None);
        for (k, (_, fact, _)) in kinds.iter().enumerate() {
            assert_eq!(shape.departure(fact).is_none(), i == k, "{name}: {fact:?}");
        }
    }
    let shape = Shape::record([("a", Shape::list(Shape::record([("b", Shape::Int), ("c", Shape::Bool)])))]);
    let item = |fields: &[(&'static str, Fact)]| Fact::record([("a", Fact::list([Fact::record(fields.to_vec())]))]);
    for (fact, departure) in [
        (item(&[("b", Fact::Int(1)), ("c", Fact::Int(1))]), ".a[0].c is not bool"),
        (item(&[("b", Fact::Int(1))]), ".a[0].c is declared and not given"),
        (item(&[("b", Fact::Int(1)), ("c", Fact::Bool(true)), ("d", Fact::Int(1))]), ".a[0].d is not declared"),
    ] {
        assert_eq!(shape.departure(&fact).as_deref(), Some(departure));
    }
    assert_eq!(shape.departure(&item(&[("b", missing().into()), ("c", missing().into())])), None);
}

#[test]
fn an_observation_is_missing_as_a_whole_or_not() {
    let at = "2026-05-21T10:00:00Z".parse().unwrap();
    let observation = |facts| Observation {
        kind: "host".to_owned(),
        settings: Default::default(),
        started: at,
        finished: at,
        facts,
        sources: Vec::new(),
    };
    assert_eq!(observation(Fact::from(missing())).missing(), Some(&missing()));
    assert_eq!(observation(Fact::record([("a", missing().into())])).missing(), None);
    assert_eq!(ProbeId("host-1".to_owned()).to_string(), "host-1");
}

fn dry_run(changes: &[(&str, serde_json::Value)]) -> Result<DryRunRecord, String> {
    let mut record = json!({
        "format": DRY_RUN_FORMAT, "kind": DRY_RUN_KIND, "tree_digest": "0", "target": "t", "host": "h",
        "started": "2026-05-21T10:00:00Z", "finished": "2026-05-21T11:00:00Z", "mode": "DRYRUN",
        "phases": ["a", "b"], "counts_before": { "t": 1 }, "counts_after": { "t": 1 },
    });
    for (name, value) in changes {
        record[*name] = value.clone();
    }
    serde_json::from_value(record).map_err(|error| error.to_string())
}

#[test]
fn senseless_dry_runs_are_refused() {
    let good = dry_run(&[]).expect("a record");
    assert_eq!((good.check(), good.counts_equal()), (Ok(()), true));
    assert_eq!(good.times(), ("2026-05-21T10:00:00Z".parse().unwrap(), "2026-05-21T11:00:00Z".parse().unwrap()));
    for (name, value) in [
        ("kind", json!("revert-drill")),
        ("tree_digest", json!(" ")),
        ("target", json!("")),
        ("host", json!("")),
        ("mode", json!("")),
        ("phases", json!(["a", ""])),
        ("phases", json!(["a", "a"])),
    ] {
        assert!(dry_run(&[(name, value.clone())]).expect("parses").check().is_err(), "{name} = {value}");
    }
    for counts in [json!({ "t": -1 }), json!({ "t": (1_i64 << 53) + 1 }), json!({ "t": "1" }), json!([])] {
        let error = dry_run(&[("counts_before", counts.clone())]).expect_err("refused");
        assert!(!counts.is_array() || error.contains("row counts by table"), "{error}");
    }
    assert!(dry_run(&[("counts_before", json!({ "t": 1_i64 << 53 }))]).is_ok());
    let nothing = dry_run(&[("counts_before", json!({})), ("counts_after", json!({}))]).expect("parses");
    assert!(!nothing.counts_equal(), "nothing was counted");
    assert!(!dry_run(&[("counts_after", json!({ "t": 2 }))]).expect("parses").counts_equal());
    assert!([Level::E0, Level::E1, Level::E2, Level::E3, Level::E4].map(Level::number) == [0, 1, 2, 3, 4]);
}

/// A record has the names that were declared, no more, no fewer and no others.
#[test]
fn a_record_with_other_names_departs_from_its_shape() {
    let shape = Shape::record([("a", Shape::Bool), ("b", Shape::Bool)]);
    let record = |names: &[&'static str]| Fact::record(names.iter().map(|name| (*name, Fact::Bool(true))));
    assert_eq!(shape.departure(&record(&["a", "b"])), None);
    for names in [&["a"][..], &["a", "b", "c"], &["a", "c"], &[], &["b", "c"]] {
        assert!(shape.departure(&record(names)).is_some(), "{names:?}");
    }
}

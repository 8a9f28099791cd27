//! The probe `pg-surface`: counts and digests that change when a row does, whatever the order, and nothing that is not known.

use std::path::Path;
use std::time::{Duration, Instant};

use cutgate::evidence::{Fact, Missing, MissingState};
use cutgate::probes::{self, Limits};
use serde_json::{Value, json};

use crate::harness;
use crate::postgres::Cluster;

fn collect(url: &str, tables: Value, more: Value) -> Fact {
    let mut given = json!({ "url": url, "tables": tables, "timeout": "2s" });
    given.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    harness::collect("pg-surface", Path::new("/"), given).expect("facts")
}

fn at<'a>(facts: &'a Fact, path: &str) -> &'a Fact {
    facts.at(path).unwrap_or_else(|| panic!("no {path} in {facts:#?}"))
}

fn missing<'a>(facts: &'a Fact, path: &str) -> &'a Missing {
    let Fact::Missing(missing) = at(facts, path) else { panic!("{path}: {:?}", at(facts, path)) };
    missing
}

#[test]
fn a_digest_follows_the_rows_and_not_their_order() {
    follows_the_rows(&Cluster::shared());
}

#[test]
fn a_digest_follows_the_rows_on_another_major_version() {
    follows_the_rows(&Cluster::of_another_major_version());
}

fn follows_the_rows(cluster: &Cluster) {
    let database = cluster.database(
        "CREATE SCHEMA s; CREATE TABLE s.t (id int, body text, mine bool, f float8, d date, b bytea);
         INSERT INTO s.t SELECT n, 'row ' || n, n % 3 = 0, n / 7.0, '2026-01-01'::date + n, int4send(n) FROM generate_series(1, 1000) n;
         CREATE TABLE s.other (LIKE s.t); INSERT INTO s.other SELECT * FROM s.t ORDER BY id DESC;
         CREATE TABLE s.none (a int);
         CREATE TABLE s.parts (a int) PARTITION BY LIST (a); CREATE TABLE s.part PARTITION OF s.parts FOR VALUES IN (1, 2);
         INSERT INTO s.parts VALUES (1), (2), (2)",
    );
    // What is set for a role makes no other texts of the same values, and no other operator of a name.
    cluster.sql(
        &database,
        "CREATE ROLE odd LOGIN; GRANT USAGE ON SCHEMA s TO odd; GRANT SELECT ON ALL TABLES IN SCHEMA s TO odd;
         ALTER ROLE odd SET extra_float_digits = -15; ALTER ROLE odd SET datestyle = 'German'; ALTER ROLE odd SET bytea_output = 'escape';
         ALTER ROLE odd SET search_path = s, pg_catalog; CREATE FUNCTION s.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$",
    );
    let tables = json!({
        "t": { "table": "s.t", "target": "mine" },
        "other": { "table": "s.other", "target": "mine -- those" },
        "none": { "table": "s.none" },
        "parts": { "table": "s.parts", "target": "a = 2" },
    });
    let read = || collect(&cluster.url(&database, "odd"), tables.clone(), json!({}));
    let first = read();
    let as_superuser = collect(&cluster.url(&database, "postgres"), tables.clone(), json!({}));
    assert_eq!(at(&first, "tables"), at(&as_superuser, "tables"), "whoever asks");
    assert_eq!(at(&first, "tables.t.content"), at(&first, "tables.other.content"), "whatever the order");
    assert_eq!(at(&first, "tables.t.target"), at(&first, "tables.other.target"));
    for (path, rows) in
        [("t.content", 1000), ("t.target", 333), ("none.content", 0), ("parts.content", 3), ("parts.target", 2)]
    {
        assert_eq!(at(&first, &format!("tables.{path}.rows")), &Fact::Int(rows), "{path}");
        assert_eq!(at(&first, &format!("tables.{path}.sampled_percent")), &Fact::Int(100));
    }
    let digest = |facts: &Fact, path: &str| at(facts, &format!("tables.{path}.digest")).clone();
    for (change, target_too) in [
        ("UPDATE s.t SET body = 'row 8 ' WHERE id = 8", false),
        ("UPDATE s.t SET f = f + 1e-14 WHERE id = 10", false),
        ("UPDATE s.t SET body = NULL WHERE id = 11", false),
        ("UPDATE s.t SET body = '' WHERE id = 11", false),
        ("UPDATE s.t SET body = 'x' WHERE id = 9", true),
        ("DELETE FROM s.t WHERE id = 12", true),
        ("INSERT INTO s.t SELECT * FROM s.t WHERE id IN (13, 14)", false),
        // As many rows as before, two of them twice, two others once.
        (
            "DELETE FROM s.t WHERE ctid IN (SELECT max(ctid) FROM s.t WHERE id IN (13, 14) GROUP BY id); INSERT INTO s.t SELECT * FROM s.t WHERE id IN (16, 17)",
            false,
        ),
    ] {
        let before = read();
        cluster.sql(&database, change);
        let after = read();
        assert_ne!(digest(&before, "t.content"), digest(&after, "t.content"), "{change}");
        assert_eq!(digest(&before, "t.target") != digest(&after, "t.target"), target_too, "{change}");
    }
    cluster.sql(&database, "CREATE TABLE s.moved AS SELECT * FROM s.t; UPDATE s.t SET id = id");
    cluster.sql(&database, "VACUUM FULL s.t");
    assert_eq!(digest(&read(), "t.content"), {
        let moved = json!({ "t": { "table": "s.moved" } });
        digest(&collect(&cluster.url(&database, "postgres"), moved, json!({})), "t.content")
    });
}

#[test]
fn what_decides_how_rows_are_written_is_seen() {
    let cluster = Cluster::start();
    let database = cluster.governed();
    let url = cluster.url(&database, "cutter_auditor");
    let tables = json!({ "unit": { "table": "public.information_unit" } });
    let more = json!({
        "functions": { "switch": "cutter_governance.execution_enabled()", "keep": "cutter_governance.keep_enacted" },
        "sequences": { "id": "cutter_governance.verify_result_id_seq" },
    });
    let read = || collect(&url, tables.clone(), more.clone());
    let first = read();
    assert_eq!(at(&first, "unchanged"), &Fact::Bool(true));
    assert_eq!(at(&first, "in_recovery"), &Fact::Bool(false));
    let control = cluster.sql(&database, "SELECT system_identifier FROM pg_control_system()");
    assert_eq!(at(&first, "system_identifier"), &control.trim_end().into());
    assert_eq!(at(&first, "sequences.id.is_called"), &Fact::Bool(false));
    let source = cluster
        .sql(&database, "SELECT encode(sha256(prosrc::bytea), 'hex') FROM pg_proc WHERE proname = 'execution_enabled'");
    assert_eq!(at(&first, "functions.switch.source_sha256"), &source.trim_end().into());
    for (change, path) in [
        ("ALTER TABLE public.information_unit DISABLE TRIGGER keep_enacted", "tables.unit.triggers"),
        ("ALTER TABLE public.information_unit ENABLE REPLICA TRIGGER keep_enacted", "tables.unit.triggers"),
        ("ALTER TABLE public.information_unit ALTER state SET DEFAULT 'enacted'", "tables.unit.columns"),
        ("ALTER TABLE public.information_unit DROP CONSTRAINT information_unit_state_check", "tables.unit.constraints"),
        ("CREATE RULE divert AS ON INSERT TO public.information_unit DO INSTEAD NOTHING", "tables.unit.rules"),
        (
            "CREATE OR REPLACE FUNCTION cutter_governance.execution_enabled() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true'",
            "functions.switch.source_sha256",
        ),
        ("ALTER FUNCTION cutter_governance.execution_enabled() SECURITY DEFINER", "functions.switch.definition_sha256"),
        ("SELECT nextval('cutter_governance.verify_result_id_seq')", "sequences.id"),
    ] {
        let before = read();
        cluster.sql(&database, change);
        assert_ne!(at(&before, path), at(&read(), path), "{change}");
    }
    cluster
        .sql(&database, "CREATE FUNCTION cutter_governance.keep_enacted(int) RETURNS int LANGUAGE sql AS 'SELECT 1'");
    assert_eq!(missing(&read(), "functions.keep").said, "cutter_governance.keep_enacted names 2 functions");
}

#[test]
fn what_could_not_be_read_is_named_and_takes_nothing_along() {
    let cluster = Cluster::shared();
    let database = cluster.database(
        "CREATE SCHEMA s; CREATE SCHEMA hidden; CREATE TABLE s.t (a int); INSERT INTO s.t SELECT generate_series(1, 10);
         CREATE TABLE s.secret (a int); CREATE TABLE hidden.t (a int); CREATE TABLE s.held (a int); CREATE VIEW s.view AS SELECT 1 AS a;
         CREATE TABLE s.filtered (a int); ALTER TABLE s.filtered ENABLE ROW LEVEL SECURITY; CREATE SEQUENCE s.numbers;
         CREATE FUNCTION s.slow(int) RETURNS bool LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep(0.5) IS NOT NULL AND $1 > 0 $$;
         CREATE ROLE looker LOGIN; GRANT USAGE ON SCHEMA s TO looker; GRANT SELECT ON s.t, s.held, s.view, s.filtered TO looker;
         GRANT SELECT ON hidden.t TO looker",
    );
    let mut holder = cluster.session(&database);
    holder.run("BEGIN; LOCK TABLE s.held IN ACCESS EXCLUSIVE MODE;");
    let tables = json!({
        "a": { "table": "s.t" },
        "gone": { "table": "s.gone" },
        "secret": { "table": "s.secret" },
        "hidden": { "table": "hidden.t" },
        "held": { "table": "s.held" },
        "view": { "table": "s.view" },
        "filtered": { "table": "s.filtered" },
        "slow": { "table": "s.t", "target": "s.slow(a)" },
        "wrong": { "table": "s.t", "target": "colour = 1" },
        "z": { "table": "s.t" },
    });
    let more = json!({ "functions": { "f": "s.none" }, "sequences": { "n": "s.numbers" } });
    let started = Instant::now();
    let facts = collect(&cluster.url(&database, "looker"), tables, more);
    for (name, state, said) in [
        ("gone", MissingState::Error, "there is no s.gone in this database"),
        ("secret", MissingState::Denied, "permission denied for table secret (SQLSTATE 42501)"),
        ("hidden", MissingState::Denied, "permission denied for schema hidden (SQLSTATE 42501)"),
        ("held", MissingState::TimedOut, "(SQLSTATE 55P03)"),
        ("view", MissingState::Error, "s.view is no table and no materialized view"),
        ("filtered", MissingState::Denied, "(SQLSTATE 42501)"),
        ("slow", MissingState::TimedOut, "(SQLSTATE 57014)"),
        ("wrong", MissingState::Error, "(SQLSTATE 42703)"),
    ] {
        let reason = missing(&facts, &format!("tables.{name}.content"));
        assert_eq!((reason.state, reason.by.as_str()), (state, "looker"), "{name}: {reason}");
        assert!(reason.said.ends_with(said), "{name}: {}", reason.said);
        let table = if name == "hidden" {
            "hidden.t"
        } else if ["slow", "wrong"].contains(&name) {
            "s.t"
        } else {
            name
        };
        assert!(reason.tried.contains(table), "{name}: {}", reason.tried);
    }
    assert!(missing(&facts, "tables.slow.target").said.contains("57014"));
    for name in ["a", "z"] {
        assert_eq!(at(&facts, &format!("tables.{name}.content.rows")), &Fact::Int(10), "{name}");
    }
    assert_eq!(missing(&facts, "sequences.n").state, MissingState::Denied);
    assert_eq!(missing(&facts, "functions.f").said, "there is no function s.none in this database");
    assert_eq!(at(&facts, "unchanged"), &Fact::Bool(true));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    holder.run("ROLLBACK;");
    // The time of the whole probe: what was not come to is named, what was read stays.
    let limits = Limits { probe: Duration::from_secs(2), ..Limits::default() };
    let given = json!({
        "url": cluster.url(&database, "looker"), "timeout": "20s",
        "tables": { "a": { "table": "s.t" }, "b": { "table": "s.t", "target": "s.slow(a)" }, "c": { "table": "s.t" } },
    });
    let (facts, _) = harness::observe("pg-surface", Path::new("/"), given, limits);
    let facts = facts.expect("facts");
    assert_eq!(at(&facts, "tables.a.content.rows"), &Fact::Int(10));
    for name in ["b", "c"] {
        let reason = missing(&facts, &format!("tables.{name}.content"));
        assert_eq!(reason.state, MissingState::TimedOut, "{name}");
        assert!(reason.tried.contains("rows of s.t"), "{}", reason.tried);
    }
}

#[test]
fn a_sample_is_read_only_where_the_package_says_so_and_says_that_it_is_one() {
    let cluster = Cluster::shared();
    let database = cluster
        .database("CREATE TABLE public.t AS SELECT n, repeat('x', 200) AS body FROM generate_series(1, 20000) n");
    let url = cluster.url(&database, "postgres");
    let tables = json!({ "t": { "table": "public.t", "sample_percent": 10 }, "whole": { "table": "public.t" } });
    let facts = collect(&url, tables.clone(), json!({}));
    assert_eq!(at(&facts, "tables.t.content.sampled_percent"), &Fact::Int(10));
    assert_eq!(at(&facts, "tables.whole.content.rows"), &Fact::Int(20_000));
    let Fact::Int(rows) = at(&facts, "tables.t.content.rows") else { panic!("{facts:?}") };
    assert!((500..5_000).contains(rows), "{rows}");
    assert_eq!(at(&collect(&url, tables, json!({})), "tables.t"), at(&facts, "tables.t"), "the same pages each time");
}

#[test]
fn every_problem_of_the_settings_is_reported_at_once() {
    let probe = probes::find("pg-surface").expect("registered");
    let problems = probe.check(&harness::settings(json!({
        "url": "postgresql://db/g?sslmode=allow",
        "tables": {
            "Upper": { "table": "s.t" },
            "plain": { "table": "t" },
            "sampled": { "table": "s.t", "sample_percent": 100 },
            "writes": { "table": "s.t", "target": "EXISTS (DELETE FROM s.t RETURNING 1)" },
            "ends": { "table": "s.t", "target": "true) FROM s.t; SELECT (true" },
            "closes": { "table": "s.t", "target": "true) OR (true" },
            "reopens": { "table": "s.t", "target": "true; SET TRANSACTION READ WRITE" },
            "none": { "table": "s.t", "target": " -- nothing" },
            "extra": { "table": "s.t", "limit": 1 },
        },
        "functions": { "f": "s.f(" },
        "sequences": { "q": "s" },
    })));
    let said: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.name, problem.message)).collect();
    for part in [
        "\"Upper\" is not a name for facts",
        "tables.plain: \"t\" is no name with its schema",
        "tables.sampled: 100 is no sample",
        "tables.writes: target: DELETE is not for reading",
        "tables.ends: target: it holds 2 statements",
        "tables.closes: target: its parentheses do not match",
        "tables.reopens: target: it holds 2 statements",
        "tables.none: target: it is empty",
        "tables.extra: unknown field `limit`",
        "functions.f: \"s.f(\" names no function",
        "sequences.q: \"s\" is no name with its schema",
        "sslmode=allow",
    ] {
        assert!(said.iter().any(|said| said.contains(part)), "{part}: {said:#?}");
    }
    let none = probe.check(&harness::settings(json!({ "url": "sqlite:g.db", "tables": {} })));
    assert_eq!(none.len(), 1, "{none:?}");
}

//! The probe `sql`: what is the same for both engines, then each engine on its own.

mod connection;
mod postgresql;
pub mod sqlite;

use std::path::Path;

use cutgate::evidence::{Fact, Missing};
use cutgate::probes;
use serde_json::{Value, json};

use crate::harness;

/// A query with its columns.
fn query(sql: &str, columns: Value) -> Value {
    json!({ "sql": sql, "columns": columns })
}

/// The facts of one query named `q`.
fn ask(dir: &Path, url: &str, sql: &str, columns: Value) -> Fact {
    collect(dir, url, json!({ "q": query(sql, columns) }))
}

fn collect(dir: &Path, url: &str, queries: Value) -> Fact {
    let given = json!({ "url": url, "queries": queries, "timeout": "1s" });
    harness::collect("sql", dir, given).expect("facts")
}

fn missing<'a>(facts: &'a Fact, path: &str) -> &'a Missing {
    let Some(Fact::Missing(missing)) = facts.at(path) else { panic!("{path}: {:?}", facts.at(path)) };
    missing
}

fn rows<'a>(facts: &'a Fact, path: &str) -> &'a [Fact] {
    let Some(Fact::List(rows)) = facts.at(path) else { panic!("{path}: {:?}", facts.at(path)) };
    rows
}

fn time(text: &str) -> Fact {
    Fact::Time(text.parse().expect("an instant"))
}

#[test]
fn every_problem_of_the_settings_is_reported_at_once() {
    let probe = probes::find("sql").expect("registered");
    let settings = harness::settings(json!({
        "url": "postgresql://u:hunter2@db/g?sslmode=allow",
        "queries": {
            "Upper": query("SELECT 1 AS a", json!({ "a": "int" })),
            "two": query("SELECT 1 AS a; SELECT 2 AS a", json!({ "a": "int" })),
            "writes": query("DELETE FROM t", json!({ "a": "int" })),
            "kind": query("SELECT 1 AS a", json!({ "a": "number" })),
            "column": query("SELECT 1 AS \"A b\"", json!({ "A b": "int" })),
            "bare": query("SELECT 1 AS a", json!({})),
            "extra": { "sql": "SELECT 1 AS a", "columns": { "a": "int" }, "limit": 1 },
            "schema": query("SELECT table_name AS a FROM information_schema.tables", json!({ "a": "text" })),
            "quoted": query("SELECT name AS a FROM \"pg_settings\"", json!({ "a": "text" })),
            "literal": query("SELECT 'information_schema' AS a", json!({ "a": "text" })),
            "reopens": query("SET TRANSACTION READ WRITE", json!({ "a": "text" })),
            "good": query("SELECT 1 AS a", json!({ "a": "int" })),
        },
    }));
    let problems = probe.check(&settings);
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    for part in [
        "\"Upper\" is not a name for a query",
        "query two: it holds 2 statements",
        "query writes: it begins with DELETE",
        "query writes: DELETE is not for reading",
        "query kind: unknown variant `number`",
        "query column: \"A b\" is not a name for a column",
        "query bare declares no column",
        "query extra: unknown field `limit`",
        "query schema: information_schema shows a role only what it may see",
        "query quoted: pg_settings shows a role only what it may see",
        "query reopens: it begins with SET",
        "sslmode=allow protects from nothing",
    ] {
        assert!(messages.iter().any(|message| message.contains(part)), "{part}: {messages:#?}");
    }
    assert_eq!(messages.len(), 12, "{messages:#?}");
    assert!(!format!("{problems:?}").contains("hunter2"), "the password is not quoted");
    let none = harness::settings(json!({ "url": "sqlite:g.db", "queries": {} }));
    assert_eq!(probe.check(&none).len(), 1, "no query at all is a problem");
}

#[test]
fn recorded_settings_hold_no_password() {
    let probe = probes::find("sql").expect("registered");
    for url in ["postgresql://u:hunter2@db/g", "postgresql://u:hun/ter2@x@hunter2", "hunter2"] {
        let settings = harness::settings(json!({ "url": url, "queries": {} }));
        let recorded = format!("{:?}", probe.recorded(&settings));
        assert!(!recorded.contains("ter2") && recorded.contains("queries"), "{recorded}");
    }
}

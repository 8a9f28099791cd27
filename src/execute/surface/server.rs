//! The surface on PostgreSQL, read in one snapshot by the probe `sql`: the server counts and digests.
//!
//! Sequences are left aside: what a run that was taken back drew from them stays drawn, and a number that nobody has is no
//! change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::registry::{Answers, Server};
use super::Asked;
use crate::evidence::{Digest256, Expected, Fact, Fingerprint, TableDelta, TableState};

/// Every table that holds rows, of every schema but the server's own.
const TABLES: &str = "SELECT n.nspname::text AS space, c.relname::text AS name FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') \
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY 1, 2";

/// What decides how rows are written: columns, constraints, indexes, triggers, views, rules, policies, functions.
const SCHEMA: &str = "SELECT 'class ' || n.nspname || '.' || c.relname || ' ' || c.relkind::text || ' ' || c.relrowsecurity || ' ' || \
         c.relforcerowsecurity || ' ' || coalesce(CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END, '-') \
         AS line FROM pg_catalog.pg_class c JOIN own n ON n.oid = c.relnamespace \
       UNION ALL SELECT 'column ' || n.nspname || '.' || c.relname || '.' || a.attname || ' ' || \
         pg_catalog.format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.attidentity::text || a.attgenerated::text \
         || ' ' || coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '-') \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN own n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'i' \
       UNION ALL SELECT 'constraint ' || n.nspname || '.' || c.conname || ' ' || c.conrelid::regclass::text || ' ' || \
         pg_catalog.pg_get_constraintdef(c.oid) FROM pg_catalog.pg_constraint c JOIN own n ON n.oid = c.connamespace \
       UNION ALL SELECT 'index ' || pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN own n ON n.oid = c.relnamespace \
       UNION ALL SELECT 'trigger ' || t.tgenabled::text || ' ' || pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger t \
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN own n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal \
       UNION ALL SELECT 'rule ' || pg_catalog.pg_get_ruledef(r.oid) FROM pg_catalog.pg_rewrite r \
         JOIN pg_catalog.pg_class c ON c.oid = r.ev_class JOIN own n ON n.oid = c.relnamespace \
       UNION ALL SELECT 'policy ' || p.polname || ' ' || p.polrelid::regclass::text || ' ' || p.polcmd::text || ' ' || \
         p.polpermissive || ' ' || coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '-') || \
         ' ' || coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '-') FROM pg_catalog.pg_policy p \
         JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN own n ON n.oid = c.relnamespace \
       UNION ALL SELECT 'function ' || CASE WHEN p.prokind = 'a' THEN p.oid::regprocedure::text \
         ELSE pg_catalog.pg_get_functiondef(p.oid) END FROM pg_catalog.pg_proc p JOIN own n ON n.oid = p.pronamespace";

/// Who owns what, and who may do what: by the names of roles.
const RIGHTS: &str = "SELECT 'class ' || n.nspname || '.' || c.relname || ' ' || pg_catalog.pg_get_userbyid(c.relowner) || ' ' || \
         coalesce(c.relacl::text, '-') AS line FROM pg_catalog.pg_class c JOIN own n ON n.oid = c.relnamespace \
       UNION ALL SELECT 'column ' || n.nspname || '.' || c.relname || '.' || a.attname || ' ' || a.attacl::text \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN own n ON n.oid = c.relnamespace \
         WHERE a.attacl IS NOT NULL \
       UNION ALL SELECT 'function ' || p.oid::regprocedure::text || ' ' || pg_catalog.pg_get_userbyid(p.proowner) || ' ' || \
         coalesce(p.proacl::text, '-') FROM pg_catalog.pg_proc p JOIN own n ON n.oid = p.pronamespace \
       UNION ALL SELECT 'space ' || n.nspname || ' ' || pg_catalog.pg_get_userbyid(s.nspowner) || ' ' || \
         coalesce(s.nspacl::text, '-') FROM own n JOIN pg_catalog.pg_namespace s ON s.oid = n.oid";

/// Lines of text about the schemas that are not the server's own: how many, and their digest.
fn lines(sql: &str) -> Value {
    let sql = format!(
        "WITH own AS (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname <> 'information_schema' \
         AND nspname !~ '^pg_'), said AS ({sql}) SELECT count(*)::bigint AS rows, encode(sha256(convert_to(coalesce(\
         string_agg(line, E'\\n' ORDER BY line COLLATE \"C\"), ''), 'UTF8')), 'hex') AS digest FROM said"
    );
    query(&sql, &json!({"rows": "int", "digest": "text"}))
}

/// Reads every table, the checks and the schema, in one snapshot.
pub(super) fn read(server: &Server, expected: &Expected) -> Result<Asked, String> {
    let list = names(&server.ask(&json!({"tables": tables()}))?)?;
    let mut queries = serde_json::Map::new();
    queries.insert("tables".to_owned(), tables());
    queries.insert("schema".to_owned(), lines(SCHEMA));
    queries.insert("rights".to_owned(), lines(RIGHTS));
    for (at, (space, name)) in list.iter().enumerate() {
        let delta = expected.tables.get(&called(space, name));
        queries.insert(format!("table_{at}"), table(space, name, delta));
    }
    for (at, check) in expected.checks.values().enumerate() {
        queries.insert(format!("check_{at}"), number(&check.sql));
    }
    if !expected.irreversible.is_empty() {
        queries.insert("irreversible".to_owned(), number(&expected.irreversible));
    }
    let answers = server.ask(&Value::Object(queries))?;
    if names(&answers)? != list {
        return Err("tables came or went while they were read".to_owned());
    }
    let mut found = BTreeMap::new();
    for (at, (space, name)) in list.iter().enumerate() {
        let row = answers.one(&format!("table_{at}"))?;
        let whole = |column: &str| whole(&row, column);
        let digest = |column: &str| digest(&row, column);
        let state = TableState {
            rows: whole("rows")?,
            digest: digest("all_rows")?,
            outside: digest("outside")?,
            belonging: whole("belonging")?,
            become_so: whole("become_so")?,
        };
        found.insert(called(space, name), state);
    }
    let mut checks = BTreeMap::new();
    for (at, name) in expected.checks.keys().enumerate() {
        checks.insert(name.clone(), whole(&answers.one(&format!("check_{at}"))?, "number")?);
    }
    let irreversible = match expected.irreversible.is_empty() {
        true => 0,
        false => whole(&answers.one("irreversible")?, "number")?,
    };
    let schema = digest(&answers.one("schema")?, "digest")?;
    let rights = answers.one("rights")?;
    let (rows, said) = (whole(&rights, "rows")?, digest(&rights, "digest")?);
    let rights = TableState { rows, digest: said.clone(), outside: said, belonging: 0, become_so: 0 };
    found.insert(Fingerprint::RIGHTS.to_owned(), rights);
    Ok(Asked { tables: found, checks, irreversible, schema })
}

/// The one whole number that each query gives.
pub(super) fn asked(server: &Server, all: BTreeSet<String>) -> Result<BTreeMap<String, i64>, String> {
    if all.is_empty() {
        return Ok(BTreeMap::new());
    }
    let named = |at: usize| format!("asked_{at}");
    let queries: serde_json::Map<_, _> = all.iter().enumerate().map(|(at, sql)| (named(at), number(sql))).collect();
    let answers = server.ask(&Value::Object(queries))?;
    let answer = |(at, sql): (usize, String)| {
        let row = answers.one(&named(at)).and_then(|row| whole(&row, "number"));
        row.map_err(|error| format!("the query {sql:?}: {error}")).map(|number| (sql, number))
    };
    all.into_iter().enumerate().map(answer).collect()
}

/// What a table is called in a package: with its schema, but for `public`.
fn called(space: &str, name: &str) -> String {
    if space == "public" { name.to_owned() } else { format!("{space}.{name}") }
}

fn query(sql: &str, columns: &Value) -> Value {
    json!({"sql": sql, "columns": columns})
}

fn tables() -> Value {
    query(TABLES, &json!({"space": "text", "name": "text"}))
}

/// A query of a package for one whole number: a statement that gives several rows is an error of the server.
fn number(sql: &str) -> Value {
    query(&format!("SELECT ({sql})::bigint AS number"), &json!({"number": "int"}))
}

/// Rows are digested as the server writes them, each by itself, and then together in the order of their digests.
fn table(space: &str, name: &str, delta: Option<&TableDelta>) -> Value {
    let condition = |text: Option<&String>| match text {
        Some(text) if !text.is_empty() => format!("(({text}) IS TRUE)"),
        Some(_) | None => "false".to_owned(),
    };
    let (belongs, alters) = (condition(delta.map(|it| &it.belongs)), condition(delta.map(|it| &it.alters)));
    let becomes = condition(delta.map(|it| &it.becomes));
    let masked = delta.map(|it| it.columns.as_slice()).unwrap_or_default();
    let masked: Vec<String> = masked.iter().map(|column| format!("'{}'", column.replace('\'', "''"))).collect();
    let masked = format!("ARRAY[{}]::text[]", masked.join(", "));
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let from = format!("{}.{}", quoted(space), quoted(name));
    let hex = |text: &str| format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')");
    let together = |column: &str, filter: &str| {
        let all = format!("coalesce(string_agg({column}, E'\\n' ORDER BY {column} COLLATE \"C\"){filter}, '')");
        hex(&all)
    };
    let sql = format!(
        "SELECT count(*)::bigint AS rows, {} AS all_rows, {} AS outside, count(*) FILTER (WHERE mine)::bigint AS belonging, \
         count(*) FILTER (WHERE done)::bigint AS become_so FROM (SELECT {} AS whole, {} AS rest, {belongs} AS mine, \
         ({alters} AND {becomes}) AS done FROM ONLY {from} AS cutgate_row) AS digested",
        together("whole", ""),
        together("rest", " FILTER (WHERE NOT mine)"),
        hex("cutgate_row::text"),
        hex(&format!(
            "CASE WHEN {alters} THEN (to_jsonb(cutgate_row) - {masked})::text ELSE to_jsonb(cutgate_row)::text END"
        )),
    );
    let columns = json!({"rows": "int", "all_rows": "text", "outside": "text", "belonging": "int", "become_so": "int"});
    query(&sql, &columns)
}

fn names(answers: &Answers) -> Result<Vec<(String, String)>, String> {
    let text = |row: &Fact, column: &str| match row.get(column) {
        Some(Fact::Text(text)) => Ok(text.clone()),
        other => Err(format!("the name of a table cannot be read: {other:?}")),
    };
    answers.rows("tables")?.iter().map(|row| Ok((text(row, "space")?, text(row, "name")?))).collect()
}

fn whole(row: &Fact, column: &str) -> Result<i64, String> {
    match row.get(column) {
        Some(Fact::Int(number)) => Ok(*number),
        Some(Fact::Missing(missing)) => Err(missing.to_string()),
        other => Err(format!("it gives no whole number: {other:?}")),
    }
}

fn digest(row: &Fact, column: &str) -> Result<Digest256, String> {
    match row.get(column) {
        Some(Fact::Text(text)) => Digest256::try_from(text.clone()).map_err(|error| error.to_string()),
        Some(Fact::Missing(missing)) => Err(missing.to_string()),
        other => Err(format!("it gives no digest: {other:?}")),
    }
}

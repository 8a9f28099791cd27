//! The probe `pg-principals`: what it says of roles is what the server lets them do.

use std::path::Path;

use cutgate::evidence::{Digest256, Fact, Missing, MissingState, canonical_json};
use cutgate::probes;
use serde_json::{Value, json};

use crate::harness;
use crate::postgres::Cluster;

fn collect(url: &str, more: Value) -> Fact {
    let mut given = json!({ "url": url, "schemas": ["public", "cutter_governance"], "timeout": "5s" });
    let more = more.as_object().expect("an object").clone();
    given.as_object_mut().expect("an object").extend(more);
    harness::collect("pg-principals", Path::new("/"), given).expect("facts")
}

fn list<'a>(facts: &'a Fact, path: &str) -> &'a [Fact] {
    let Some(Fact::List(items)) = facts.at(path) else { panic!("{path}: {:?}", facts.at(path)) };
    items
}

fn text<'a>(facts: &'a Fact, path: &str) -> &'a str {
    let Some(Fact::Text(text)) = facts.at(path) else { panic!("{path}: {:?}", facts.at(path)) };
    text
}

fn missing<'a>(facts: &'a Fact, path: &str) -> &'a Missing {
    let Some(Fact::Missing(missing)) = facts.at(path) else { panic!("{path}: {:?}", facts.at(path)) };
    missing
}

/// Statements that need a privilege on one column, or on the table.
fn statements(table: &str, privilege: &str, columns: &[&str]) -> Vec<String> {
    let each = |form: &dyn Fn(&str) -> String| columns.iter().map(|column| form(column)).collect();
    match privilege {
        "SELECT" => each(&|column| format!("SELECT {column} FROM {table} LIMIT 0")),
        "INSERT" => each(&|column| format!("INSERT INTO {table} ({column}) VALUES (NULL)")),
        "UPDATE" => each(&|column| format!("UPDATE {table} SET {column} = NULL")),
        "DELETE" => vec![format!("DELETE FROM {table}")],
        "TRUNCATE" => vec![format!("TRUNCATE {table}")],
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_held_is_what_can_be_done() {
    held_is_what_can_be_done(&Cluster::start());
}

#[test]
fn what_is_held_is_what_can_be_done_on_another_major_version() {
    held_is_what_can_be_done(&Cluster::of_another_major_version());
}

/// Every role, table and privilege: allowed is what the role can do with every column, denied what it can do with none, by
/// itself or as any role that it may become.
fn held_is_what_can_be_done(cluster: &Cluster) {
    let database = cluster.governed();
    cluster.sql(
        &database,
        "CREATE ROLE quiet LOGIN NOINHERIT; GRANT cutter_writer TO quiet; CREATE ROLE chained LOGIN; GRANT quiet TO chained;
         CREATE ROLE outside LOGIN; GRANT SELECT ON cutter_governance.verify_result TO outside;
         GRANT SELECT (id), INSERT (version) ON public.target TO outside; GRANT DELETE ON public.unit_version TO PUBLIC;
         CREATE ROLE holder LOGIN; ALTER TABLE cutter_governance.access_log OWNER TO holder; CREATE ROLE chief LOGIN SUPERUSER",
    );
    let roles = [
        "cutter_reader",
        "cutter_writer",
        "cutter_enactor",
        "cutter_auditor",
        "quiet",
        "chained",
        "outside",
        "holder",
        "chief",
    ];
    let tables = [
        ("public.information_unit", vec!["id", "document_id", "state", "change_set_id"]),
        ("public.unit_version", vec!["unit_id", "version", "body"]),
        ("public.target", vec!["id", "version"]),
        ("cutter_governance.verify_result", vec!["id", "outcome"]),
        ("cutter_governance.access_log", vec!["who", "what"]),
    ];
    let privileges = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"];
    let tuples: Vec<(&str, &str, &str, &[&str])> = roles
        .iter()
        .flat_map(|role| tables.iter().map(move |(table, columns)| (*role, *table, columns.as_slice())))
        .flat_map(|(role, table, columns)| privileges.iter().map(move |what| (role, *what, table, columns)))
        .collect();
    let given: Vec<Value> = tuples
        .iter()
        .map(|(role, what, table, _)| json!({ "role": role, "privilege": what, "on": format!("table {table}") }))
        .collect();
    let facts = collect(&cluster.url(&database, "cutter_auditor"), json!({ "allow": given, "deny": given }));
    let (allow, deny) = (list(&facts, "allow"), list(&facts, "deny"));
    assert_eq!((allow.len(), deny.len()), (tuples.len(), tuples.len()));
    let can = |state: &String| !["42501", "25P02"].contains(&state.as_str());
    for role in roles {
        let of_role: Vec<_> = tuples.iter().enumerate().filter(|(_, tuple)| tuple.0 == role).collect();
        let all: Vec<String> =
            of_role.iter().flat_map(|(_, (_, what, table, columns))| statements(table, what, columns)).collect();
        let own = cluster.tried(&database, role, &all);
        // The roles that it may become.
        let others = match role {
            "quiet" => vec!["cutter_writer"],
            "chained" => vec!["quiet", "cutter_writer"],
            _ => vec![],
        };
        let as_others: Vec<Vec<String>> = others
            .iter()
            .map(|other| {
                let all: Vec<String> =
                    all.iter().map(|statement| format!("SET LOCAL ROLE {other}; {statement}")).collect();
                cluster.tried(&database, role, &all)
            })
            .collect();
        let mut at = 0;
        for (index, (_, what, table, columns)) in of_role {
            let n = statements(table, what, columns).len();
            let mine = &own[at..at + n];
            let any = mine.iter().any(can) || as_others.iter().any(|states| states[at..at + n].iter().any(can));
            at += n;
            let said = format!("{role} {what} {table}: {mine:?} {:?} {:?}", allow[index], deny[index]);
            assert_eq!(allow[index].get("held"), Some(&mine.iter().all(can).into()), "allowed: {said}");
            // A privilege in a schema that cannot be used is still within reach of one more grant.
            let locked_out = match role {
                "outside" => *table == "cutter_governance.verify_result" && *what == "SELECT",
                "holder" => *table == "cutter_governance.access_log",
                _ => false,
            };
            assert_eq!(deny[index].get("held"), Some(&(any || locked_out).into()), "denied: {said}");
        }
    }
    let through = deny.iter().find(|tuple| text(tuple, "role") == "chained" && text(tuple, "privilege") == "INSERT");
    assert_eq!(text(through.expect("there"), "through"), "cutter_writer");
}

#[test]
fn roles_and_grants_are_there_and_their_digest_follows_them() {
    let cluster = Cluster::start();
    let database = cluster.governed();
    let url = cluster.url(&database, "cutter_auditor");
    let roles = json!([
        { "name": "cutter_writer", "required": ["LOGIN"], "forbidden": ["SUPERUSER", "CREATEROLE"] },
        { "name": "cutter_guard", "required": ["INHERIT"], "forbidden": ["LOGIN"] },
        { "name": "nobody_here", "required": ["LOGIN"] },
    ]);
    let facts = collect(&url, json!({ "roles": roles }));
    for (name, value) in
        [("role", "cutter_auditor".into()), ("unchanged", true.into()), ("in_recovery", Fact::Bool(false))]
    {
        assert_eq!(facts.get(name), Some(&value), "{name}");
    }
    let names: Vec<&str> = list(&facts, "roles").iter().map(|role| text(role, "name")).collect();
    assert!(names.contains(&"postgres") && names.contains(&"pg_monitor") && names.is_sorted(), "{names:?}");
    let matches: Vec<_> =
        list(&facts, "required").iter().map(|role| (role.get("exists"), role.get("matches"))).collect();
    let (yes, no) = (Fact::Bool(true), Fact::Bool(false));
    assert_eq!(matches, [(Some(&yes), Some(&yes)), (Some(&yes), Some(&yes)), (Some(&no), Some(&no))]);
    // The digest is that of the grants, and says nothing of who asks or when.
    let digest = text(&facts, "matrix_sha256").to_owned();
    let grants = facts.get("grants").expect("grants");
    assert_eq!(digest, Digest256::of(&canonical_json(grants)).to_string());
    let grant = |role: &str, kind: &str, object: &str, privileges: &[&str]| {
        let texts = [("role", role), ("kind", kind), ("object", object)].map(|(name, value)| (name, Fact::text(value)));
        Fact::record(texts.into_iter().chain([("privileges", Fact::texts(privileges.iter().copied()))]))
    };
    for expected in [
        grant("postgres", "cluster", "*", &["SUPERUSER"]),
        grant("cutter_owner", "schema", "cutter_governance", &["OWNER", "USAGE*", "CREATE*"]),
        grant("cutter_writer", "table", "public.information_unit", &["SELECT", "INSERT"]),
        grant("cutter_enactor", "column", "public.information_unit.state", &["UPDATE"]),
        grant("cutter_verifier", "sequence", "cutter_governance.verify_result_id_seq", &["USAGE"]),
        grant("cutter_guard", "function", "cutter_governance.execution_enabled()", &["EXECUTE"]),
        grant("public", "schema", "public", &["USAGE"]),
    ] {
        assert!(list(&facts, "grants").contains(&expected), "{expected:?}\n{:#?}", facts.get("grants"));
    }
    assert_eq!(missing(&facts, "matrix_matches").state, MissingState::Absent, "no digest was expected");
    let again = collect(&cluster.url(&database, "postgres"), json!({ "matrix_sha256": digest }));
    assert_eq!((text(&again, "matrix_sha256"), again.get("matrix_matches")), (digest.as_str(), Some(&yes)));
    // Every change shows: a grant, a role that becomes superuser, one that can become another.
    for (change, undo) in [
        ("GRANT SELECT ON public.target TO cutter_guard", "REVOKE SELECT ON public.target FROM cutter_guard"),
        (
            "GRANT SELECT ON public.target TO cutter_writer WITH GRANT OPTION",
            "REVOKE GRANT OPTION FOR SELECT ON public.target FROM cutter_writer",
        ),
        ("ALTER ROLE cutter_reader SUPERUSER", "ALTER ROLE cutter_reader NOSUPERUSER"),
        (
            "GRANT EXECUTE ON FUNCTION cutter_governance.keep_enacted() TO PUBLIC",
            "REVOKE EXECUTE ON FUNCTION cutter_governance.keep_enacted() FROM PUBLIC",
        ),
    ] {
        cluster.sql(&database, change);
        let changed = collect(&url, json!({ "matrix_sha256": digest }));
        assert_eq!(changed.get("matrix_matches"), Some(&no), "{change}");
        cluster.sql(&database, undo);
    }
    assert_eq!(text(&collect(&url, json!({})), "matrix_sha256"), digest);
    cluster.sql(
        &database,
        "CREATE ROLE boss SUPERUSER; CREATE ROLE middle; GRANT boss TO middle; GRANT middle TO cutter_writer",
    );
    let reached = collect(&url, json!({ "roles": roles }));
    let writer = &list(&reached, "required")[0];
    assert_eq!(writer.get("excess"), Some(&Fact::texts(["SUPERUSER as boss"])), "{writer:?}");
    assert_eq!(writer.get("matches"), Some(&no));
}

#[test]
fn what_the_asking_role_cannot_see_is_unknown_and_not_absent() {
    let cluster = Cluster::start();
    let database = cluster.governed();
    cluster.sql(&database, "REVOKE USAGE ON SCHEMA cutter_governance FROM cutter_auditor");
    let tuple = |role: &str, on: &str| json!({ "role": role, "privilege": "SELECT", "on": on });
    let tuples = json!([
        tuple("cutter_reader", "table cutter_governance.verify_result"),
        tuple("cutter_reader", "table public.target"),
        tuple("cutter_reader", "table public.gone"),
        tuple("nobody_here", "table public.target"),
    ]);
    let facts = collect(&cluster.url(&database, "cutter_auditor"), json!({ "allow": tuples, "deny": tuples }));
    let hidden =
        [&list(&facts, "grants")[list(&facts, "grants").len() - 1], facts.get("matrix_sha256").expect("a fact")];
    let visible = list(&facts, "schemas")[1].get("visible").expect("a fact");
    for fact in hidden.into_iter().chain([visible]) {
        let Fact::Missing(reason) = fact else { panic!("{fact:?}") };
        assert_eq!((reason.state, reason.by.as_str()), (MissingState::Denied, "cutter_auditor"));
        assert!(
            reason.said.ends_with("permission denied for schema cutter_governance (SQLSTATE 42501)"),
            "{}",
            reason.said
        );
    }
    assert_eq!(list(&facts, "schemas")[1].get("exists"), Some(&true.into()), "the catalogue names it");
    for list_name in ["allow", "deny"] {
        let held: Vec<_> = list(&facts, list_name).iter().map(|tuple| tuple.get("held").expect("a fact")).collect();
        let states = held.iter().map(|fact| match fact {
            Fact::Missing(reason) => Some(reason.state),
            _ => None,
        });
        let states: Vec<_> = states.collect();
        assert_eq!(states, [Some(MissingState::Denied), None, Some(MissingState::Error), Some(MissingState::Error)]);
    }
    let gone = harness::collect(
        "pg-principals",
        Path::new("/"),
        json!({ "url": cluster.url(&database, "cutter_auditor"), "schemas": ["nowhere"] }),
    );
    let gone = gone.expect("facts");
    assert_eq!(list(&gone, "schemas")[0].get("exists"), Some(&false.into()));
    assert_eq!(missing(&gone, "matrix_sha256").said, "there is no schema nowhere");
    // An embedded registry has nothing of this, which is said.
    let embedded = collect("sqlite:governance.db", json!({ "roles": [{ "name": "a", "forbidden": ["LOGIN"] }] }));
    for name in ["roles", "grants", "matrix_sha256", "unchanged", "in_recovery"] {
        assert!(missing(&embedded, name).said.contains("SQLite has no roles"), "{name}");
    }
    assert!(missing(&list(&embedded, "required")[0], "matches").said.contains("SQLite has no roles"));
}

#[test]
fn every_problem_of_the_settings_is_reported_at_once() {
    let probe = probes::find("pg-principals").expect("registered");
    let problems = probe.check(&harness::settings(json!({
        "url": "postgresql://u:hunter2@db/g?sslmode=allow",
        "schemas": ["public; DROP", "a.b"],
        "matrix_sha256": "12",
        "roles": [
            { "name": "a", "required": ["KING"] },
            { "name": "b" },
            { "name": "c", "required": ["LOGIN"], "forbidden": ["LOGIN"] },
            { "name": "c", "required": ["LOGIN"] },
            { "title": "d" },
        ],
        "allow": [
            { "role": "a", "privilege": "READ", "on": "table public.t" },
            { "role": "a", "privilege": "EXECUTE", "on": "table public.t" },
            { "role": "a", "privilege": "SELECT", "on": "table t" },
            { "role": "a", "privilege": "SELECT", "on": "view public.t" },
            { "role": "a", "privilege": "SELECT" },
        ],
        "deny": [{ "role": "a", "privilege": "USAGE", "on": "function public.f(" }],
    })));
    assert_eq!(problems.len(), 16, "{problems:#?}");
    assert!(!format!("{problems:?}").contains("hunter2"));
}

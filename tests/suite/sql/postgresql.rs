//! PostgreSQL: a real server, with real refusals, locks and time limits.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use cutgate::evidence::{Digest256, Fact, MissingState, Reading};
use cutgate::probes::Limits;
use serde_json::json;

use super::{ask, collect, missing, query, rows, time};
use crate::harness::{self, open_dir};
use crate::postgres::Cluster;

const TARGETS: &str = "CREATE TABLE target (name text, units bigint, forbidden bool, seen timestamptz);
    INSERT INTO target VALUES ('ICX-CONST', 120, true, '2026-05-21 10:00Z'), ('ICX-NOTE', NULL, false, '2026-05-21 12:00+02');
    GRANT SELECT ON target TO PUBLIC;";

const COUNT: &str = "SELECT count(*) AS n FROM target";

fn count(url: &str) -> Fact {
    ask(Path::new("/"), url, COUNT, json!({ "n": "int" }))
}

fn assert_count(facts: &Fact, n: i64) {
    assert_eq!(rows(facts, "rows.q"), [Fact::record([("n", n.into())])]);
    assert_eq!(facts.at("unchanged"), Some(&Fact::Bool(true)));
}

#[test]
fn rows_come_back_as_typed_facts() {
    let cluster = Cluster::shared();
    let database = cluster.database(TARGETS);
    let columns = json!({ "name": "text", "units": "int", "forbidden": "bool", "seen": "time" });
    let url = cluster.url(&database, "postgres");
    let facts = ask(Path::new("/"), &url, "SELECT * FROM target ORDER BY name;", columns);
    let rows = rows(&facts, "rows.q");
    let first = [("name", "ICX-CONST".into()), ("units", 120_i64.into()), ("forbidden", true.into())];
    assert_eq!(rows[0], Fact::record(first.into_iter().chain([("seen", time("2026-05-21T10:00:00Z"))])));
    assert_eq!(missing(&rows[1], "units").state, MissingState::Absent, "NULL");
    assert_eq!(rows[1].get("seen"), Some(&time("2026-05-21T10:00:00Z")));
    let server = format!("postgresql://postgres@{}:{}/{database}", cluster.socket().display(), cluster.port);
    for (name, value) in [("engine", "postgresql".into()), ("role", "postgres".into()), ("server", Fact::from(server))]
    {
        assert_eq!(facts.get(name), Some(&value), "{name}");
    }
    assert_eq!((facts.get("present"), facts.get("unchanged")), (Some(&true.into()), Some(&true.into())));
    let version = cluster.sql("postgres", "SHOW server_version");
    assert_eq!(facts.get("version"), Some(&version.trim_end().into()));
}

#[test]
fn every_type_that_can_stand_for_a_kind_does() {
    let cluster = Cluster::shared();
    let made = "CREATE TYPE mood AS ENUM ('draft', 'enacted'); CREATE DOMAIN small AS int2 CHECK (VALUE < 9)";
    let url = cluster.url(&cluster.database(made), "postgres");
    for (value, kind, fact) in [
        ("'a'", "text", Fact::from("a")),
        ("'a'::varchar(3)", "text", "a".into()),
        ("'a'::char(3)", "text", "a  ".into()),
        ("'a'::name", "text", "a".into()),
        ("'r'::\"char\"", "text", "r".into()),
        ("'draft'::mood", "text", "draft".into()),
        ("(-7)::int2", "int", Fact::Int(-7)),
        ("(-7)::int4", "int", Fact::Int(-7)),
        ("(-9223372036854775808)::int8", "int", Fact::Int(i64::MIN)),
        ("4000000000::oid", "int", Fact::Int(4_000_000_000)),
        ("8::small", "int", Fact::Int(8)),
        ("false", "bool", Fact::Bool(false)),
        ("'2026-05-21 10:00:00.5+02'::timestamptz", "time", time("2026-05-21T08:00:00.5Z")),
        ("'2026-05-21 10:00:00'::timestamp", "time", time("2026-05-21T10:00:00Z")),
        ("'1999-12-31'::date", "time", time("1999-12-31T00:00:00Z")),
        ("'2026-05-21 10:00+02'::timestamptz::text", "text", "2026-05-21 08:00:00+00".into()),
    ] {
        let facts = ask(Path::new("/"), &url, &format!("SELECT {value} AS v"), json!({ "v": kind }));
        assert_eq!(rows(&facts, "rows.q"), [Fact::record([("v", fact)])], "{value}");
    }
    let facts = ask(Path::new("/"), &url, "SELECT generate_series(1, 2500) AS v", json!({ "v": "int" }));
    assert_eq!(rows(&facts, "rows.q").len(), 2500, "more than one fetch");
}

#[test]
fn every_statement_is_noted_with_the_role_that_sent_it() {
    let cluster = Cluster::shared();
    let database = cluster.database(TARGETS);
    let given = json!({ "url": cluster.url(&database, "locked") + "&password=opensesame", "queries": { "q": query(COUNT, json!({ "n": "int" })) } });
    let (_, sources) = harness::observe("sql", Path::new("/"), given, Limits::default());
    let ours = Reading::Statement { sha256: Digest256::of(COUNT.as_bytes()) };
    assert_eq!(sources.iter().filter(|source| source.read == ours).count(), 1);
    let server = format!("postgresql://locked@{}:{}/{database}", cluster.socket().display(), cluster.port);
    assert!(sources.iter().all(|source| source.by == "locked" && source.what == server), "{sources:?}");
}

#[test]
fn a_value_or_column_of_another_kind_makes_the_list_unreadable() {
    let cluster = Cluster::shared();
    let url = cluster.url("postgres", "postgres");
    for (sql, kind, said) in [
        ("SELECT sum(1::int8) AS n", "int", "n is numeric, int is declared"),
        ("SELECT 1 AS n", "text", "n is int4, text is declared"),
        ("SELECT 1 AS n", "bool", "n is int4, bool is declared"),
        ("SELECT '1' AS n", "int", "n is text, int is declared"),
        ("SELECT '{}'::jsonb AS n", "text", "n is jsonb, text is declared"),
        ("SELECT '2026-05-21' AS n", "time", "n is text, time is declared"),
        ("SELECT 'infinity'::timestamptz AS n", "time", "n holds a value that is not understood, such as infinity"),
        ("SELECT '-infinity'::date AS n", "time", "n holds a value that is not understood, such as infinity"),
        ("SELECT 1 AS m", "int", "the answer has no column n"),
        ("SELECT 1 AS n, 2 AS m", "int", "the answer has a column \"m\" too"),
        ("SELECT 1 AS n, 2 AS n", "int", "the answer has two columns n"),
    ] {
        let facts = ask(Path::new("/"), &url, sql, json!({ "n": kind }));
        let reason = missing(&facts, "rows.q");
        assert_eq!((reason.state, reason.said.as_str()), (MissingState::Unreadable, said), "{sql}");
    }
}

#[test]
fn a_missing_table_and_a_missing_right_are_not_no_rows() {
    let cluster = Cluster::shared();
    let database = cluster.database(&format!(
        "{TARGETS} CREATE TABLE secret (a int); CREATE TABLE filtered (a int); INSERT INTO filtered VALUES (1);
         ALTER TABLE filtered ENABLE ROW LEVEL SECURITY; GRANT SELECT ON filtered TO PUBLIC;
         DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    ));
    let queries = json!({
        "a_gone": query("SELECT a FROM gone", json!({ "a": "int" })),
        "b_column": query("SELECT a FROM target", json!({ "a": "int" })),
        "c_secret": query("SELECT a FROM secret", json!({ "a": "int" })),
        "d_filtered": query("SELECT a FROM filtered", json!({ "a": "int" })),
        "e_division": query("SELECT 1 / (units - 120)::int AS a FROM target", json!({ "a": "int" })),
        "f_there": query(COUNT, json!({ "n": "int" })),
    });
    let facts = collect(Path::new("/"), &cluster.url(&database, "reader"), queries);
    for (name, state, code) in [
        ("a_gone", MissingState::Error, "42P01"),
        ("b_column", MissingState::Error, "42703"),
        ("c_secret", MissingState::Denied, "42501"),
        ("d_filtered", MissingState::Denied, "42501"),
        ("e_division", MissingState::Error, "22012"),
    ] {
        let reason = missing(&facts, &format!("rows.{name}"));
        assert_eq!((reason.state, reason.by.as_str()), (state, "reader"), "{name}");
        assert!(reason.said.ends_with(&format!("(SQLSTATE {code})")), "{name}: {}", reason.said);
    }
    assert_eq!(rows(&facts, "rows.f_there").len(), 1, "one failure does not take the others along");
    assert_eq!(facts.get("unchanged"), Some(&Fact::Bool(true)));
    assert_eq!(facts.get("role"), Some(&"reader".into()));
}

#[test]
fn a_slow_query_and_a_held_lock_time_out_and_are_told_apart() {
    let cluster = Cluster::shared();
    let database = cluster.database(&format!("{TARGETS} CREATE TABLE held (a int)"));
    let mut holder = cluster.session(&database);
    holder.run("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE;");
    let queries = json!({
        "held": query("SELECT a FROM held", json!({ "a": "int" })),
        "slow": query("SELECT pg_sleep(30)::text AS a", json!({ "a": "text" })),
        "there": query(COUNT, json!({ "n": "int" })),
    });
    let started = Instant::now();
    let facts = collect(Path::new("/"), &cluster.url(&database, "postgres"), queries);
    for (name, code) in [("held", "55P03"), ("slow", "57014")] {
        let reason = missing(&facts, &format!("rows.{name}"));
        assert_eq!(reason.state, MissingState::TimedOut, "{name}");
        assert!(reason.said.contains(code), "{name}: {}", reason.said);
    }
    assert_eq!(rows(&facts, "rows.there").len(), 1);
    assert!(started.elapsed() < Duration::from_secs(10));
    holder.run("ROLLBACK;");
}

#[test]
fn writing_is_refused_or_seen_and_undone() {
    let cluster = Cluster::shared();
    let made = "CREATE TABLE t (a int); CREATE SEQUENCE s; CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS
        $$ INSERT INTO t VALUES (1) RETURNING a $$; CREATE FUNCTION open_up() RETURNS text LANGUAGE sql AS
        $$ SELECT set_config('transaction_read_only', 'off', true) $$";
    let database = cluster.database(made);
    let url = cluster.url(&database, "postgres");
    for (sql, kind) in [("SELECT \"nextval\"('s') AS n", "int"), ("SELECT sly() AS n", "int")] {
        let facts = ask(Path::new("/"), &url, sql, json!({ "n": kind }));
        let reason = missing(&facts, "rows.q");
        assert_eq!(reason.state, MissingState::Denied, "{sql}");
        assert!(reason.said.ends_with("(SQLSTATE 25006)"), "{sql}: {}", reason.said);
    }
    let facts = ask(Path::new("/"), &url, "SELECT open_up() AS n", json!({ "n": "text" }));
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Denied, "the transaction stays read-only");
    // Large objects are refused from PostgreSQL 16 on; a transactional message is let through by all of them.
    let message = "SELECT CAST(\"pg_logical_emit_message\"(true, 'a', 'b') AS text) AS n";
    let facts = ask(Path::new("/"), &url, message, json!({ "n": "text" }));
    assert_eq!(facts.get("unchanged"), Some(&Fact::Bool(false)), "read-only transactions let this through");
    let left = "SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM pg_largeobject_metadata)";
    assert_eq!(cluster.sql(&database, left), "0\n");
}

#[test]
fn an_audit_takes_no_transaction_id_and_sends_nothing_but_its_statements() {
    let cluster = Cluster::start();
    let database = cluster.database(TARGETS);
    let position = "SELECT pg_snapshot_xmax(pg_current_snapshot()), (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) \
                    FROM pg_stat_all_tables WHERE schemaname <> 'pg_toast')";
    let before = cluster.sql(&database, position);
    assert_count(&count(&cluster.url(&database, "postgres")), 2);
    assert_eq!(cluster.sql(&database, position), before);
    let log = cluster.log();
    let ours: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix("cutgate/0.1.0|postgres|")).collect();
    let sent = |start: &str| ours.iter().filter(|line| line.contains(start)).count();
    assert_eq!(sent("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"), 1, "{ours:#?}");
    assert_eq!((sent(COUNT), sent("COMMIT"), sent("pg_current_xact_id_if_assigned")), (1, 0, 1), "{ours:#?}");
    assert!(ours.last().is_some_and(|line| line.ends_with("ROLLBACK")), "{ours:#?}");
}

#[test]
fn a_wrong_password_is_denied_and_no_password_is_ever_shown() {
    let cluster = Cluster::shared();
    let database = cluster.database(TARGETS);
    let url = cluster.url(&database, "locked");
    assert_count(&count(&format!("{url}&password=opensesame")), 2);
    for (url, said) in [(format!("{url}&password=hunter2"), "SQLSTATE 28P01"), (url, "password missing")] {
        let facts = count(&url);
        for name in ["present", "role", "version", "unchanged", "rows.q"] {
            let reason = missing(&facts, name);
            assert_eq!((reason.state, reason.by.as_str()), (MissingState::Denied, "locked"), "{name}");
            assert!(reason.said.contains(said), "{}", reason.said);
        }
        assert!(!format!("{facts:?}").contains("hunter2"));
    }
}

#[test]
fn a_database_that_is_not_there_is_absent_a_server_that_is_not_is_unknown() {
    let cluster = Cluster::shared();
    let facts = count(&cluster.url("nowhere", "postgres"));
    assert_eq!(facts.get("present"), Some(&Fact::Bool(false)));
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Absent);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let dir = open_dir();
    for url in [
        format!("postgresql://u:hunter2@127.0.0.1:{port}/g"),
        format!("postgresql:///g?host={}&user=u&password=hunter2", dir.path().display()),
        "postgresql://u:hunter2@no-such-host.invalid/g".to_owned(),
    ] {
        let facts = count(&url);
        for name in ["present", "unchanged", "rows.q"] {
            assert_eq!(missing(&facts, name).state, MissingState::Error, "{url} {name}");
        }
        assert!(!format!("{facts:?}").contains("hunter2"));
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let started = Instant::now();
    let facts = count(&format!("postgresql://u@127.0.0.1:{port}/g"));
    assert_eq!(missing(&facts, "rows.q").state, MissingState::TimedOut);
    assert_eq!(missing(&facts, "present").state, MissingState::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_session_that_is_ended_leaves_the_rest_unknown() {
    let cluster = Cluster::shared();
    let database = cluster.database(TARGETS);
    let queries = json!({
        "a_there": query(COUNT, json!({ "n": "int" })),
        "b_slow": query("SELECT pg_sleep(30)::text AS a", json!({ "a": "text" })),
        "c_later": query(COUNT, json!({ "n": "int" })),
    });
    let url = cluster.url(&database, "postgres");
    let facts = std::thread::scope(|scope| {
        let given = json!({ "url": url, "queries": queries, "timeout": "20s" });
        let audit = scope.spawn(|| crate::harness::collect("sql", Path::new("/"), given).expect("facts"));
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE 'SELECT pg_sleep%'"
        );
        while cluster.sql("postgres", &end).is_empty() {
            std::thread::sleep(Duration::from_millis(20));
            assert!(!audit.is_finished(), "the slow query is seen");
        }
        audit.join().expect("joins")
    });
    assert_eq!(rows(&facts, "rows.a_there").len(), 1);
    for name in ["rows.b_slow", "rows.c_later", "unchanged"] {
        assert_eq!(missing(&facts, name).state, MissingState::Error, "{name}");
    }
}

#[test]
fn tls_is_used_where_it_is_required() {
    let cluster = Cluster::start();
    let database = cluster.database(TARGETS);
    let url =
        |mode: &str| format!("postgresql://locked:opensesame@127.0.0.1:{}/{database}?sslmode={mode}", cluster.port);
    let facts = count(&url("require"));
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Error, "the server has no TLS");
    assert_count(&count(&url("prefer")), 2);
    let data = cluster.sql("postgres", "SHOW data_directory");
    let data = Path::new(data.trim_end());
    certificate(data);
    cluster.sql("postgres", "ALTER SYSTEM SET ssl = on");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    let encrypted = |mode: &str| {
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        ask(Path::new("/"), &url(mode), sql, json!({ "ssl": "bool" }))
    };
    let started = Instant::now();
    let mut facts = encrypted("require");
    while !matches!(facts.at("rows.q"), Some(Fact::List(_))) && started.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(50));
        facts = encrypted("require");
    }
    assert_eq!(rows(&facts, "rows.q"), [Fact::record([("ssl", true.into())])]);
    assert_eq!(rows(&encrypted("disable"), "rows.q"), [Fact::record([("ssl", false.into())])]);
}

/// A certificate of the server's own, readable by nobody else, as the server demands.
fn certificate(data: &Path) {
    use openssl::{asn1::Asn1Time, hash::MessageDigest, pkey::PKey, rsa::Rsa, x509::X509};
    let key = Rsa::generate(2048).and_then(PKey::from_rsa).expect("a key");
    let build = || {
        let mut builder = X509::builder()?;
        builder.set_pubkey(&key)?;
        builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
        builder.set_not_after(Asn1Time::days_from_now(1)?.as_ref())?;
        builder.sign(&key, MessageDigest::sha256())?;
        builder.build().to_pem()
    };
    let pem = build().map_err(|error: openssl::error::ErrorStack| error.to_string()).expect("a certificate");
    fs::write(data.join("server.crt"), pem).expect("write");
    fs::write(data.join("server.key"), key.private_key_to_pem_pkcs8().expect("PEM")).expect("write");
    let owner = fs::metadata(data)
        .map(|data| (std::os::unix::fs::MetadataExt::uid(&data), std::os::unix::fs::MetadataExt::gid(&data)));
    let (uid, gid) = owner.expect("metadata");
    for name in ["server.crt", "server.key"] {
        let path = data.join(name);
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("chown");
    }
}

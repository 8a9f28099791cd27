//! SQLite: files made, held and crashed by the real `sqlite3` in processes of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cutgate::evidence::{Fact, MissingState};
use serde_json::json;

use super::{ask, collect, missing, query, rows, time};
use crate::harness::{self, as_nobody, open_dir};

/// An open `sqlite3`.
pub struct Shell(Child);

impl Shell {
    /// Opens `db` below `dir` and runs statements; returns when they are done.
    pub fn open(dir: &Path, sql: &str) -> Self {
        let mut command = Command::new("sqlite3");
        command.args(["-batch", "g.db"]).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sqlite3 is missing: apt-get install sqlite3");
        let input = child.stdin.as_mut().expect("piped");
        writeln!(input, "{sql}\n;\n.print done").expect("sqlite3 reads");
        let mut output = BufReader::new(child.stdout.as_mut().expect("piped"));
        let mut line = String::new();
        while line.trim_end() != "done" {
            line.clear();
            assert_ne!(output.read_line(&mut line).expect("sqlite3 writes"), 0, "sqlite3 ended in: {sql}");
        }
        Self(child)
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.0.kill().expect("kill");
        self.0.wait().expect("wait");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

const TARGETS: &str = "CREATE TABLE target (name TEXT, units INT, forbidden INT, seen TEXT);
    INSERT INTO target VALUES ('ICX-CONST', 120, 1, '2026-05-21 10:00:00'), ('ICX-NOTE', NULL, 0, '2026-05-21T12:00:00+02:00');";

fn database(sql: &str) -> tempfile::TempDir {
    let dir = open_dir();
    drop(Shell::open(dir.path(), sql));
    dir
}

/// Names, sizes, inodes and times of everything in a folder.
fn listing(dir: &Path) -> BTreeMap<String, (u64, u64, i64, i64, u32)> {
    let entries = fs::read_dir(dir).expect("a folder").map(|entry| {
        let entry = entry.expect("an entry");
        let m = entry.metadata().expect("metadata");
        (entry.file_name().to_string_lossy().into_owned(), (m.len(), m.ino(), m.mtime(), m.mtime_nsec(), m.mode()))
    });
    entries.collect()
}

fn names(dir: &Path) -> Vec<String> {
    listing(dir).into_keys().collect()
}

fn count(dir: &Path) -> Fact {
    ask(dir, "sqlite:g.db", "SELECT count(*) AS n FROM target", json!({ "n": "int" }))
}

fn assert_count(facts: &Fact, n: i64) {
    assert_eq!(rows(facts, "rows.q"), [Fact::record([("n", n.into())])]);
    assert_eq!(facts.at("unchanged"), Some(&Fact::Bool(true)));
}

#[test]
fn rows_come_back_as_typed_facts() {
    let dir = database(TARGETS);
    let before = listing(dir.path());
    let columns = json!({ "name": "text", "units": "int", "forbidden": "bool", "seen": "time" });
    let facts = ask(dir.path(), "sqlite:g.db", "SELECT * FROM target ORDER BY name; -- all", columns);
    let rows = rows(&facts, "rows.q");
    let first = [("name", "ICX-CONST".into()), ("units", 120_i64.into()), ("forbidden", true.into())];
    assert_eq!(rows[0], Fact::record(first.into_iter().chain([("seen", time("2026-05-21T10:00:00Z"))])));
    assert_eq!(missing(&rows[1], "units").state, MissingState::Absent, "NULL");
    assert_eq!(rows[1].get("seen"), Some(&time("2026-05-21T10:00:00Z")));
    for (name, value) in [("engine", Fact::from("sqlite")), ("server", "sqlite:g.db".into()), ("present", true.into())]
    {
        assert_eq!(facts.get(name), Some(&value), "{name}");
    }
    assert_eq!(facts.get("unchanged"), Some(&Fact::Bool(true)));
    assert!(matches!(facts.get("version"), Some(Fact::Text(version)) if version.starts_with("3.")));
    assert!(matches!(facts.get("role"), Some(Fact::Text(role)) if !role.is_empty()));
    assert_eq!(listing(dir.path()), before, "nothing was written");
}

#[test]
fn a_registry_without_tables_answers_with_errors_and_not_with_no_rows() {
    let dir = database("CREATE TABLE other (a)");
    let facts = count(dir.path());
    let reason = missing(&facts, "rows.q");
    assert_eq!((reason.state, reason.said.as_str()), (MissingState::Error, "no such table: target"));
    let facts = ask(dir.path(), "sqlite:g.db", "SELECT b AS n FROM other", json!({ "n": "int" }));
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Error, "a missing column");
    let facts = ask(dir.path(), "sqlite:g.db", "SELECT a AS n FROM other", json!({ "n": "int" }));
    assert_eq!(rows(&facts, "rows.q"), [], "an empty table is an empty list");
}

#[test]
fn one_failing_query_leaves_the_others_their_answers() {
    let dir = database(TARGETS);
    let queries = json!({
        "a_gone": query("SELECT n FROM gone", json!({ "n": "int" })),
        "b_there": query("SELECT count(*) AS n FROM target", json!({ "n": "int" })),
    });
    let facts = collect(dir.path(), "sqlite:g.db", queries);
    assert_eq!(missing(&facts, "rows.a_gone").state, MissingState::Error);
    assert_eq!(rows(&facts, "rows.b_there").len(), 1);
}

#[test]
fn a_value_or_column_of_another_kind_makes_the_list_unreadable() {
    let dir = database(TARGETS);
    for (sql, kind, said) in [
        ("SELECT name AS n FROM target", "int", "n holds text, int is declared"),
        ("SELECT units AS n FROM target", "text", "n holds an integer, text is declared"),
        ("SELECT 2 AS n", "bool", "n holds an integer, bool is declared"),
        ("SELECT 1.0 AS n", "int", "n holds a real number, int is declared"),
        ("SELECT x'00' AS n", "text", "n holds a blob, text is declared"),
        ("SELECT CAST(x'ff' AS TEXT) AS n", "text", "n holds text that is not UTF-8, text is declared"),
        ("SELECT 'soon' AS n", "time", "n holds text that is no instant, time is declared"),
        ("SELECT 1767225600 AS n", "time", "n holds an integer, time is declared"),
        ("SELECT 1 AS m", "int", "the answer has no column n"),
        ("SELECT 1 AS n, 2 AS m", "int", "the answer has a column \"m\" too"),
        ("SELECT 1 AS n, 2 AS n", "int", "the answer has two columns n"),
    ] {
        let facts = ask(dir.path(), "sqlite:g.db", sql, json!({ "n": kind }));
        let reason = missing(&facts, "rows.q");
        assert_eq!((reason.state, reason.said.as_str()), (MissingState::Unreadable, said), "{sql}");
    }
}

#[test]
fn an_absent_file_is_absent_and_an_invisible_one_is_denied() {
    let dir = database(TARGETS);
    let facts = ask(dir.path(), "sqlite:gone.db", "SELECT 1 AS n", json!({ "n": "int" }));
    assert_eq!(facts.get("present"), Some(&Fact::Bool(false)));
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Absent);
    assert_eq!(names(dir.path()), ["g.db"], "and is not made");
    fs::set_permissions(dir.path().join("g.db"), PermissionsExt::from_mode(0o000)).expect("chmod");
    let facts = as_nobody(|| count(dir.path()));
    assert_eq!(facts.get("present"), Some(&Fact::Bool(true)));
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Denied);
    fs::create_dir(dir.path().join("closed")).expect("mkdir");
    fs::rename(dir.path().join("g.db"), dir.path().join("closed/g.db")).expect("move");
    fs::set_permissions(dir.path().join("closed"), PermissionsExt::from_mode(0o000)).expect("chmod");
    let facts = as_nobody(|| ask(dir.path(), "sqlite:closed/g.db", "SELECT 1 AS n", json!({ "n": "int" })));
    assert_eq!(missing(&facts, "present").state, MissingState::Denied);
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Denied);
    fs::set_permissions(dir.path().join("closed"), PermissionsExt::from_mode(0o755)).expect("chmod");
}

#[test]
fn what_is_no_database_is_unreadable() {
    let dir = database(TARGETS);
    let good = fs::read(dir.path().join("g.db")).expect("the database");
    let broken = [good[..4096].to_vec(), vec![0xaa; good.len() - 4096]].concat();
    for (name, bytes) in
        [("text", b"# Registry\n".to_vec()), ("empty", vec![]), ("cut", good[..64].to_vec()), ("corrupt", broken)]
    {
        fs::write(dir.path().join("g.db"), bytes).expect("write");
        let facts = count(dir.path());
        assert_eq!(missing(&facts, "rows.q").state, MissingState::Unreadable, "{name}");
        assert_eq!(facts.get("present"), Some(&Fact::Bool(true)), "{name}");
    }
    fs::remove_file(dir.path().join("g.db")).expect("remove");
    let made = Command::new("mkfifo").arg(dir.path().join("g.db")).status();
    assert!(made.expect("mkfifo is missing: apt-get install coreutils").success());
    assert_eq!(missing(&count(dir.path()), "present").state, MissingState::Unreadable, "a FIFO is not waited for");
}

#[test]
fn a_truncated_database_is_never_a_shorter_list() {
    let dir = database(
        "CREATE TABLE target (a); WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 5000)
        INSERT INTO target SELECT printf('%050d', i) FROM n;",
    );
    assert_count(&count(dir.path()), 5000);
    let path = dir.path().join("g.db");
    let half = fs::metadata(&path).expect("metadata").len() / 8192 * 4096;
    fs::File::options().write(true).open(path).and_then(|file| file.set_len(half)).expect("truncate");
    assert_eq!(missing(&count(dir.path()), "rows.q").state, MissingState::Unreadable);
}

#[test]
fn a_lock_that_is_held_is_not_an_empty_answer() {
    let dir = database(TARGETS);
    let holder = Shell::open(dir.path(), "BEGIN EXCLUSIVE;");
    let facts = count(dir.path());
    assert_eq!(missing(&facts, "rows.q").state, MissingState::TimedOut);
    assert_eq!(missing(&facts, "unchanged").state, MissingState::TimedOut);
    assert!(missing(&facts, "rows.q").said.contains("locked"));
    drop(holder);
    assert_count(&count(dir.path()), 2);
}

#[test]
fn a_query_without_end_is_stopped_and_the_next_one_answers() {
    let dir = database(TARGETS);
    let endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n";
    let queries = json!({
        "a": query(endless, json!({ "n": "int" })),
        "b": query("SELECT count(*) AS n FROM target", json!({ "n": "int" })),
    });
    let started = std::time::Instant::now();
    let facts = collect(dir.path(), "sqlite:g.db", queries);
    assert_eq!(missing(&facts, "rows.a").state, MissingState::TimedOut);
    assert_eq!(rows(&facts, "rows.b").len(), 1);
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn more_rows_than_the_limit_are_no_answer() {
    let dir = database(TARGETS);
    let limits = cutgate::probes::Limits { entries: 1, ..Default::default() };
    let given = json!({ "url": "sqlite:g.db", "queries": { "q": query("SELECT name FROM target", json!({ "name": "text" })) } });
    let facts = harness::collect_within("sql", dir.path(), given, limits).expect("facts");
    assert_eq!(missing(&facts, "rows.q").said, "the answer has more than 1 rows");
}

#[test]
fn what_leads_out_of_the_tables_is_refused() {
    let dir = database(&format!("{TARGETS} CREATE VIEW sly AS SELECT load_extension('x') AS n;"));
    let before = listing(dir.path());
    for sql in
        ["SELECT \"load_extension\"('libc.so.6') AS n", "SELECT name AS n FROM pragma_table_list", "SELECT n FROM sly"]
    {
        let facts = ask(dir.path(), "sqlite:g.db", sql, json!({ "n": "text" }));
        let reason = missing(&facts, "rows.q");
        assert!(matches!(reason.state, MissingState::Denied | MissingState::Error), "{sql}: {reason}");
        assert!(reason.said.contains("not authorized") || reason.said.contains("unsafe use"), "{sql}: {reason}");
    }
    assert_eq!(listing(dir.path()), before);
}

const WAL: &str = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;";

#[test]
fn a_live_log_is_read_truthfully_and_nothing_is_made() {
    let dir = database(&format!("PRAGMA journal_mode = WAL; {TARGETS}"));
    let writer = Shell::open(dir.path(), &format!("{WAL} INSERT INTO target VALUES ('NEW', 1, 0, '2026-01-01');"));
    assert_eq!(names(dir.path()), ["g.db", "g.db-shm", "g.db-wal"]);
    let before = listing(dir.path());
    assert_count(&count(dir.path()), 3);
    assert_eq!(listing(dir.path()), before, "in a folder that could be written");
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o555)).expect("chmod");
    assert_count(&as_nobody(|| count(dir.path())), 3);
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
    assert_eq!(listing(dir.path()), before, "in a folder that could not");
    for companion in ["g.db-wal", "g.db-shm"] {
        fs::set_permissions(dir.path().join(companion), PermissionsExt::from_mode(0o000)).expect("chmod");
        let facts = as_nobody(|| count(dir.path()));
        assert_eq!(missing(&facts, "rows.q").state, MissingState::Denied, "{companion}");
        fs::set_permissions(dir.path().join(companion), PermissionsExt::from_mode(0o644)).expect("chmod");
    }
    drop(writer);
}

#[test]
fn a_log_that_a_crash_left_behind_is_read_truthfully() {
    let dir = database(&format!("PRAGMA journal_mode = WAL; {TARGETS}"));
    Shell::open(dir.path(), &format!("{WAL} INSERT INTO target VALUES ('NEW', 1, 0, '2026-01-01');")).kill();
    let before = listing(dir.path());
    assert_eq!(names(dir.path()), ["g.db", "g.db-shm", "g.db-wal"]);
    assert_count(&count(dir.path()), 3);
    assert_count(&as_nobody(|| count(dir.path())), 3);
    assert_eq!(listing(dir.path()), before);
    fs::remove_file(dir.path().join("g.db-shm")).expect("remove");
    let facts = count(dir.path());
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Unreadable, "the rows in the log would be left out");
    assert_eq!(names(dir.path()), ["g.db", "g.db-wal"], "no -shm is made");
}

#[test]
fn a_database_in_log_mode_that_was_closed_is_read_without_making_a_log() {
    let dir = database(&format!("PRAGMA journal_mode = WAL; {TARGETS}"));
    let before = listing(dir.path());
    assert_eq!(names(dir.path()), ["g.db"]);
    assert_count(&count(dir.path()), 2);
    assert_eq!(listing(dir.path()), before);
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o555)).expect("chmod");
    assert_count(&as_nobody(|| count(dir.path())), 2);
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
    assert_eq!(listing(dir.path()), before);
}

#[test]
fn a_hot_journal_is_an_error_and_stays() {
    let dir = database(TARGETS);
    let rows = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 20000)
        INSERT INTO target SELECT printf('%050d', i), 0, 0, '' FROM n;";
    Shell::open(dir.path(), &format!("PRAGMA cache_size = 1; PRAGMA cache_spill = ON; BEGIN; {rows}")).kill();
    assert_eq!(names(dir.path()), ["g.db", "g.db-journal"]);
    let before = listing(dir.path());
    let facts = count(dir.path());
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Error);
    assert_eq!(listing(dir.path()), before, "it was not rolled back");
}

#[test]
fn a_logical_path_lies_below_the_root_prefix() {
    let dir = database(TARGETS);
    fs::create_dir_all(dir.path().join("host/var/lib")).expect("mkdir");
    fs::rename(dir.path().join("g.db"), dir.path().join("host/var/lib/100%?#.db")).expect("move");
    std::os::unix::fs::symlink("/var/lib/100%?#.db", dir.path().join("host/var/g.db")).expect("symlink");
    let facts = ask(dir.path(), "sqlite:/var/g.db", "SELECT count(*) AS n FROM target", json!({ "n": "int" }));
    assert_count(&facts, 2);
    assert_eq!(facts.get("server"), Some(&"sqlite:/var/g.db".into()));
}

//! SQLite.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{QUERY, Room, TARGETS, Truth, asked, matrix, state};
use crate::sql::sqlite::Shell;

const FILE: &str = "var/lib/g.db";
const URL: &str = "sqlite:/var/lib/g.db";

/// The database, made by these statements.
fn database(sql: &str) -> impl Fn(&Room) + use<> {
    let sql = sql.to_owned();
    move |room| {
        room.dir("var/lib", 0o755);
        drop(Shell::open(&room.host("var/lib"), &sql));
    }
}

/// The database with the targets, changed afterwards.
fn then(change: impl Fn(&Room)) -> impl Fn(&Room) {
    move |room| {
        database(TARGETS)(room);
        change(room);
    }
}

/// Bytes of the file, overwritten.
fn overwrite(room: &Room, at: u64, bytes: &[u8]) {
    let file = File::options().write(true).open(room.host(FILE)).expect("the database");
    file.write_all_at(bytes, at).expect("write");
}

/// A database in log mode with a writer that has not written its log back.
fn with_log(room: &Room) -> Shell {
    database(&format!("PRAGMA journal_mode = WAL; {TARGETS}"))(room);
    let late = "PRAGMA wal_autocheckpoint = 0; INSERT INTO target VALUES ('ICX-LATE', 1);";
    Shell::open(&room.host("var/lib"), late)
}

const MANY: &str = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 5000)
    INSERT INTO target SELECT printf('%050d', i), i FROM n;";

#[test]
fn states_of_sqlite() {
    let nobody_reads = |room: &Room| room.mode(FILE, 0o600);
    let table = asked(URL, QUERY).table([
        state("the row is there", Truth::Holds, database(TARGETS)),
        state(
            "the row is there with another value",
            Truth::Fails,
            then(|room| {
                drop(Shell::open(&room.host("var/lib"), "UPDATE target SET units = 8;"));
            }),
        ),
        state("the table is empty", Truth::Fails, database("CREATE TABLE target (name TEXT, units INT)")),
        state(
            "the value is NULL",
            Truth::CannotBeKnown,
            then(|room| {
                drop(Shell::open(&room.host("var/lib"), "UPDATE target SET units = NULL;"));
            }),
        ),
        state(
            "the value is text where a number is declared",
            Truth::CannotBeKnown,
            then(|room| {
                drop(Shell::open(&room.host("var/lib"), "UPDATE target SET units = 'seven';"));
            }),
        ),
        state("no such file, the folder can be searched", Truth::CannotBeKnown, |room| room.dir("var/lib", 0o755)),
        state("no such table", Truth::CannotBeKnown, database("CREATE TABLE other (name TEXT)")),
        state("no such column", Truth::CannotBeKnown, database("CREATE TABLE target (name TEXT)")),
        state("the file may not be read", Truth::CannotBeKnown, then(nobody_reads)).as_nobody(),
        state("the folder above may not be searched", Truth::CannotBeKnown, then(|room| room.mode("var/lib", 0o600)))
            .as_nobody(),
        state("in a folder that may not be written", Truth::Holds, then(|room| room.mode("var/lib", 0o555)))
            .as_nobody(),
        state("a directory", Truth::CannotBeKnown, |room| room.dir(FILE, 0o755)),
        state("a FIFO", Truth::CannotBeKnown, |room| {
            room.dir("var/lib", 0o755);
            room.fifo(FILE);
        }),
        state("an empty file", Truth::CannotBeKnown, |room| room.write(FILE, "")),
        state("a text", Truth::CannotBeKnown, |room| room.write(FILE, "# Registry\n".repeat(20))),
        state(
            "cut inside the header",
            Truth::CannotBeKnown,
            then(|room| {
                File::options().write(true).open(room.host(FILE)).expect("open").set_len(64).expect("cut");
            }),
        ),
        state("cut between two pages", Truth::CannotBeKnown, move |room| {
            database(&format!("{TARGETS} {MANY}"))(room);
            File::options().write(true).open(room.host(FILE)).expect("open").set_len(40 * 4096).expect("cut");
        }),
        state("a page overwritten with zeros", Truth::CannotBeKnown, then(|room| overwrite(room, 4096, &[0; 4096]))),
        state(
            "a page whose count of rows is one less",
            Truth::CannotBeKnown,
            then(|room| overwrite(room, 4096 + 3, &[0, 1])),
        ),
        state("an index that has lost a row", Truth::CannotBeKnown, |room| {
            database(&format!("{TARGETS} CREATE INDEX by_name ON target (name, units);"))(room);
            overwrite(room, 2 * 4096 + 3, &[0, 1]);
        }),
        state(
            "locked by another program",
            Truth::CannotBeKnown,
            then(|room| {
                room.keep(Shell::open(&room.host("var/lib"), "BEGIN EXCLUSIVE;"));
            }),
        ),
        state("a write-ahead log with rows in it, its writer at work", Truth::Holds, |room| room.keep(with_log(room))),
        state("the log may not be read", Truth::CannotBeKnown, |room| {
            room.keep(with_log(room));
            room.mode(&format!("{FILE}-wal"), 0o600);
        })
        .as_nobody(),
        state("the log's -shm may not be read", Truth::CannotBeKnown, |room| {
            room.keep(with_log(room));
            room.mode(&format!("{FILE}-shm"), 0o600);
        })
        .as_nobody(),
        state("a log without its -shm, after a crash", Truth::CannotBeKnown, |room| {
            with_log(room).kill();
            std::fs::remove_file(room.host(format!("{FILE}-shm"))).expect("remove");
        }),
        state("half a transaction, left by a crash", Truth::CannotBeKnown, |room| {
            database(TARGETS)(room);
            let large = "PRAGMA cache_size = 1; PRAGMA cache_spill = ON; BEGIN;";
            Shell::open(&room.host("var/lib"), &format!("{large} {}", MANY.replace("5000", "20000"))).kill();
        }),
        state("more rows than the limit", Truth::CannotBeKnown, move |room| {
            database(&format!("{TARGETS} {MANY}"))(room)
        })
        .limits(|limits| limits.entries = 5_001),
        state(
            "a row longer than a file may be",
            Truth::CannotBeKnown,
            then(|room| {
                let long = "INSERT INTO target VALUES (printf('%200000d', 1), 1);";
                drop(Shell::open(&room.host("var/lib"), long));
            }),
        )
        .limits(|limits| limits.file_bytes = 100_000),
    ]);
    let endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) \
                   SELECT name, units FROM target WHERE (SELECT count(*) FROM n) > 0";
    let slow = asked(URL, endless).table([state("a query without end", Truth::CannotBeKnown, database(TARGETS))]);
    let leaves = "SELECT name, load_extension('libc.so.6') AS units FROM sly";
    let refused = asked(URL, "SELECT name, units FROM sly").table([state(
        "a view that leads out of the database",
        Truth::CannotBeKnown,
        database(&format!("{TARGETS} CREATE VIEW sly AS {};", leaves.replace("sly", "target"))),
    )]);
    matrix(
        "sql: SQLite",
        "Whether a row is there. Statements that write are refused when the gate is loaded. SQLite keeps no checksums: a value \
         that was altered inside its row and keeps its kind is not seen.",
        vec![table, slow, refused],
    );
}

/// Bytes all over a small database altered: the right number of rows, or none.
#[test]
fn no_altered_byte_of_a_database_makes_fewer_rows() {
    use cutgate::evidence::Fact;
    let dir = crate::harness::open_dir();
    drop(Shell::open(dir.path(), &format!("PRAGMA page_size = 512; VACUUM; {TARGETS} {}", MANY.replace("5000", "40"))));
    let path = dir.path().join("g.db");
    let sound = std::fs::read(&path).expect("the database");
    assert!(sound.len() > 4 * 512, "several pages");
    let count = |dir: &Path| {
        let queries = serde_json::json!({ "q": { "sql": "SELECT name FROM target", "columns": { "name": "text" } } });
        let given = serde_json::json!({ "url": "sqlite:g.db", "queries": queries });
        let facts = crate::harness::collect("sql", dir, given).expect("facts");
        match facts.at("rows.q") {
            Some(Fact::List(rows)) => Some(rows.len()),
            _ => None,
        }
    };
    assert_eq!(count(dir.path()), Some(42));
    let mut refused = 0;
    // Every byte of the headers of file and pages, and a sample of the rest.
    for at in (0..sound.len()).filter(|at| *at < 108 || at % 512 < 12 || at % 17 == 0) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, bytes).expect("write");
        match count(dir.path()) {
            Some(rows) => assert_eq!(rows, 42, "byte {at}"),
            None => refused += 1,
        }
    }
    assert!(refused > 50, "{refused}");
}

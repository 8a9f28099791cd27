//! A rehearsal on PostgreSQL with a surface of any size leaves production as it was, reads it and nothing else, and what a killed one
//! left is gone with the next command.
//!
//! `CUTGATE_TEST_SURFACE_MB=1024` makes the surface so large; the suite has a small one.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{cutgate, misbehave, text};
use crate::postgres::Cluster;
use crate::stock_gates::postgresql::moved;
use crate::stock_gates::ready::ready;

/// What a session that only reads may say. A COPY must lead to the client, a lock must be the weakest.
const READS: &[&str] = &[
    "BEGIN",
    "COPY",
    "LOCK TABLE",
    "PREPARE",
    "EXECUTE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "START TRANSACTION ISOLATION LEVEL \
     REPEATABLE READ, READ ONLY",
    "WITH",
    "COMMIT",
];

fn only_reads(statement: &str) -> bool {
    let upper = statement.to_uppercase();
    READS.iter().any(|verb| upper.starts_with(verb))
        && (!upper.starts_with("COPY") || upper.contains(" TO STDOUT"))
        && (!upper.starts_with("LOCK") || upper.trim_end_matches([';', ' ']).ends_with("IN ACCESS SHARE MODE"))
        && !(upper.starts_with("WITH") && ["INSERT ", "UPDATE ", "DELETE "].iter().any(|word| upper.contains(word)))
}

#[test]
fn a_rehearsal_only_reads_production_and_a_killed_one_is_cleared_away() {
    let megabytes: u64 = std::env::var("CUTGATE_TEST_SURFACE_MB").map_or(4, |size| size.parse().expect("a number"));
    let (cluster, scratch) = (Cluster::start(), Cluster::start());
    let (lab, _held) = ready();
    let database = moved(&lab, &cluster, &scratch);
    misbehave(&lab);
    lab.write("executor.py", include_str!("server.py"));
    lab.shell(
        "sed -i -e 's/^irreversible = \\[\"lifecycle_enact\"\\]/irreversible = [\"cut_leg_a\"]/' \
         -e 's/^audit = .*/audit = \"1800s\"/' -e 's/^probe = .*/probe = \"600s\"/' cutgate.toml",
    );
    let rows = megabytes * 1024;
    cluster.sql(
        &database,
        &format!(
            "CREATE TABLE archive (id bigint PRIMARY KEY, body text);
             INSERT INTO archive SELECT i, repeat(md5(i::text), 32) FROM generate_series(1, {rows}) i;
             GRANT SELECT ON archive TO lab_reader; ANALYZE archive"
        ),
    );
    let digest = || {
        let all = ["archive", "information_unit", "unit_version", "cutter_governance.cut_change_set", "source_version"];
        let of = |table: &str| format!("(SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)) FROM {table} t)");
        cluster.sql(&database, &format!("SELECT {}", all.map(of).join(", ")))
    };
    let databases = || scratch.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'cutgate%'");
    let folders = || {
        let entries = std::fs::read_dir(lab.dir.join("requests")).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".drill")).count()
    };
    let (before, said) = (digest(), cluster.log().len());
    let begun = Instant::now();
    let drill = cutgate(&lab.dir, &["drill"], &[]);
    let all = text(&drill.stdout) + &text(&drill.stderr);
    assert_eq!(drill.status.code(), Some(0), "{all}");
    assert!(all.contains("dump: restored and compared (E3)"), "{all}");
    let log = cluster.log();
    assert_eq!((digest(), databases().trim(), folders()), (before.clone(), "0", 0));
    println!("{megabytes} MB rehearsed in {:?}\n{all}", begun.elapsed());
    let statements: Vec<&str> =
        log[said..].lines().filter_map(|line| line.split_once("|LOG:  ")).map(|it| it.1).collect();
    let statements = statements.iter().filter_map(|said| {
        let said = said
            .strip_prefix("statement: ")
            .or_else(|| said.split_once(": ").filter(|it| it.0.starts_with("execute")).map(|it| it.1));
        said.map(str::trim)
    });
    let statements: Vec<&str> = statements.collect();
    assert!(statements.len() > 50, "the log says what was sent: {}", statements.len());
    let others: Vec<&&str> = statements.iter().filter(|statement| !only_reads(statement)).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(!only_reads("DELETE FROM archive") && !only_reads("COPY archive FROM stdin"));

    // Killed where a copy is there, and at moments after that.
    let span = u64::try_from(begun.elapsed().as_millis()).unwrap();
    for late in [0, span / 4] {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&lab.dir).arg("drill");
        let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while databases().trim() == "0" {
            assert_eq!(killed.try_wait().unwrap(), None, "it ended before it was killed");
        }
        std::thread::sleep(Duration::from_millis(late));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_eq!(folders(), 1, "the scratch folder is left");
        // What comes next refuses for a reason of its own, or not: what was left goes first.
        let next = cutgate(&lab.dir, &["request"], &[]);
        let said = text(&next.stdout) + &text(&next.stderr);
        assert!(matches!(next.status.code(), Some(0 | 7)), "{said}");
        assert_eq!((databases().trim(), folders()), ("0", 0), "{late}: {said}");
    }
    assert_eq!(digest(), before);
}

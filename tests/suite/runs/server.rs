//! Runs and rehearsals on PostgreSQL, with a real server and an executor that writes by `psql`.

use super::{approve, cutgate, misbehave, text};
use crate::postgres::Cluster;
use crate::stock_gates::postgresql::moved;
use crate::stock_gates::ready::ready;

#[test]
fn a_registry_on_postgresql_is_rehearsed_on_locked_reverted_and_verified() {
    let cluster = Cluster::shared();
    let (lab, _held) = ready();
    misbehave(&lab);
    let database = moved(&lab, &cluster);
    lab.write("executor.py", include_str!("server.py"));
    let package = std::fs::read_to_string(lab.dir.join("cutgate.toml")).unwrap();
    let (reader, writer) = (cluster.url(&database, "lab_reader"), cluster.url(&database, "postgres"));
    let mut changed = package.clone();
    for (from, to) in [
        (r#"url = "sqlite:{paths.registry}""#, format!("url = \"{reader}\"")),
        (r#"ledger_prefix = "cutter_governance_""#, r#"ledger_prefix = "cutter_governance.""#.to_owned()),
        ("[run]\n", format!("[run]\ndatabase = \"{writer}\"\n")),
        ("deadline_seconds = 4", "deadline_seconds = 120".to_owned()),
        ("instr(", "strpos(".to_owned()),
        ("char(10)", "chr(10)".to_owned()),
        (r#"irreversible = ["lifecycle_enact"]"#, r#"irreversible = ["cut_leg_a"]"#.to_owned()),
    ] {
        assert!(changed.contains(from), "{from}");
        changed = changed.replace(from, &to);
    }
    lab.write("cutgate.toml", &changed);
    lab.shell("rm governance.db");
    let all = |output: &std::process::Output| text(&output.stdout) + &text(&output.stderr);
    let rows =
        || cluster.sql(&database, "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM information_unit t");
    let before = rows();

    let nowhere = cutgate(&lab.dir, &["drill"], &[]);
    assert_eq!(nowhere.status.code(), Some(7), "{}", all(&nowhere));
    assert!(all(&nowhere).contains("the package names no scratch server"), "{}", all(&nowhere));
    let scratch = cluster.url("postgres", "postgres");
    lab.write("cutgate.toml", &changed.replace("[drill]\n", &format!("[drill]\nscratch = \"{scratch}\"\n")));
    let drill = cutgate(&lab.dir, &["drill"], &[]);
    assert_eq!(drill.status.code(), Some(0), "{}", all(&drill));
    assert!(all(&drill).contains("dump: restored and compared (E3)"), "{}", all(&drill));
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'cutgate%'";
    assert_eq!((cluster.sql("postgres", left).trim(), rows()), ("0", before.clone()));

    let run_id = approve(&lab);
    let mut session = cluster.session(&database);
    session.run("SELECT pg_advisory_lock(-329334739448193368);");
    let locked = cutgate(&lab.dir, &["run", &run_id], &[]);
    assert_eq!(locked.status.code(), Some(7), "{}", all(&locked));
    assert!(all(&locked).contains("a run is at work on this registry"), "{}", all(&locked));
    drop(session);
    lab.write("mode", "fail");
    let failed = cutgate(&lab.dir, &["run", &run_id], &[]);
    assert_eq!(failed.status.code(), Some(4), "{}", all(&failed));
    assert!(all(&failed).contains("FAILED, PARTLY WRITTEN") && rows() == before, "{}", all(&failed));

    lab.write("mode", "honest");
    let run_id = approve(&lab);
    let done = cutgate(&lab.dir, &["run", &run_id], &[]);
    assert_eq!(done.status.code(), Some(0), "{}", all(&done));
    assert!(all(&done).contains("result: A — PRODUCTION_RUN_VERIFIED"), "{}", all(&done));
    let enacted = cluster.sql(&database, "SELECT count(*) FROM information_unit WHERE state = 'enacted'");
    assert_eq!(enacted.trim(), "12");
    let verified = cutgate(&lab.dir, &["verify", "reports"], &[]);
    assert_eq!(verified.status.code(), Some(0), "{}", all(&verified));
    assert!(all(&verified).contains("rehearsal of ICX-GLOSS at E3, 1 of 1 phases brought back"), "{}", all(&verified));
}

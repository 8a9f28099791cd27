//! Runs and rehearsals on PostgreSQL, with a real server and an executor that writes by `psql`.

use std::net::{Shutdown, TcpListener, TcpStream};

use super::{approve, cutgate, misbehave, text};
use crate::postgres::Cluster;
use crate::stock_gates::postgresql::moved;
use crate::stock_gates::ready::ready;

/// A port that leads to another one, as an SSH tunnel does: nothing in its address says where to.
struct Forward(u16);

impl Forward {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let forward = Self(listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
                for (from, to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut &from, &mut &to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        forward
    }
}

#[test]
fn a_registry_on_postgresql_is_rehearsed_on_locked_reverted_and_verified() {
    let (cluster, scratch) = (Cluster::shared(), Cluster::scratch());
    let (lab, _held) = ready();
    let database = moved(&lab, &cluster, &scratch);
    misbehave(&lab);
    lab.write("executor.py", include_str!("server.py"));
    let mut changed = std::fs::read_to_string(lab.dir.join("cutgate.toml")).unwrap();
    let (from, to) = (r#"irreversible = ["lifecycle_enact"]"#, r#"irreversible = ["cut_leg_a"]"#);
    assert!(changed.contains(from), "{from}");
    changed = changed.replace(from, to);
    lab.write("cutgate.toml", &changed);
    let all = |output: &std::process::Output| text(&output.stdout) + &text(&output.stderr);
    let rows =
        || cluster.sql(&database, "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM information_unit t");
    let before = rows();

    let named = format!("scratch = \"{}\"\n", scratch.url("postgres", "postgres"));
    let refused = |name: &str, with: &str, why: &str| {
        lab.write("cutgate.toml", &changed.replace(&named, with));
        let passwords = lab.dir.join("passwords");
        let refused = cutgate(&lab.dir, &["drill"], &[("PGPASSFILE", passwords.to_str().unwrap())]);
        assert_eq!(refused.status.code(), Some(7), "{name}: {}", all(&refused));
        assert!(all(&refused).contains(why), "{name}: {}", all(&refused));
        let databases = "SELECT count(*) FROM pg_database WHERE datname LIKE 'cutgate%'";
        assert_eq!(cluster.sql("postgres", databases).trim(), "0", "{name}");
        let left = std::fs::read_dir(lab.dir.join("requests")).unwrap().flatten();
        assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".drill")), "{name}");
    };
    assert!(changed.contains(&named));
    refused("none", "", "the package names no scratch server");
    // Production's own server is none, whatever name, address or detour leads to it.
    let forward = Forward::to(cluster.port);
    let own = "the scratch server is the server of production";
    for (name, url) in [
        ("another database by the same socket", cluster.url("postgres", "postgres")),
        ("its port", format!("postgresql://locked@127.0.0.1:{}/postgres", cluster.port)),
        ("another name of the host", format!("postgresql://locked@localhost:{}/postgres", cluster.port)),
        ("a forwarded port", format!("postgresql://locked@127.0.0.1:{}/postgres", forward.0)),
    ] {
        refused(name, &format!("scratch = \"{url}\"\n"), own);
    }
    lab.write("cutgate.toml", &changed);
    let drill = cutgate(&lab.dir, &["drill"], &[]);
    assert_eq!(drill.status.code(), Some(0), "{}", all(&drill));
    assert!(all(&drill).contains("dump: restored and compared (E3)"), "{}", all(&drill));
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'cutgate%'";
    assert_eq!((scratch.sql("postgres", left).trim(), rows()), ("0", before.clone()));

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

//! The laboratory's cutter is run: what it records, what it refuses, and what it writes.

use std::fs;
use std::path::Path;
use std::process::Output;

use cutgate::lab;
use serde_json::Value;

use super::{contents, copy, run, shared, stderr, stdout};

/// Runs the cutter of a laboratory; `arguments` are `dry-run` or `run`, and the record's name.
fn cutter(dir: &Path, command: &str, record: &str) -> Output {
    let (registry, record) = (dir.join("governance.db"), dir.join(record));
    let (registry, record) = (registry.to_str().unwrap(), record.to_str().unwrap());
    let words = ["-B", "-m", "cutter", command, "--registry", registry, "--target", lab::TARGET, "--record", record];
    run("python3", &words, &dir.join("host/opt/cutter/v0.6"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON")
}

#[test]
fn the_dry_run_record_is_about_this_tree_and_changed_nothing() {
    let built = shared();
    let bytes = fs::read(built.dir.join(&built.dry_run_record)).unwrap();
    let record: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(bytes, cutgate::evidence::canonical_json(&record), "the record is canonical JSON");
    let keys: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "counts_after counts_before finished format host kind mode phases started target tree_digest";
    assert_eq!(keys.join(" "), expected);
    assert_eq!(record["format"], "cutgate-dry-run/1");
    assert_eq!(record["kind"], "dry-run");
    assert_eq!(record["tree_digest"], built.tree_digest.as_str());
    assert_eq!(record["host"], "vmi3080463");
    assert_eq!(record["target"], "ICX-CONST");
    assert_eq!(record["mode"], "DRYRUN");
    let phases = ["pre_write_backup", "cut_leg_a", "leg_b_record", "write_verify", "lifecycle_enact"];
    assert_eq!(record["phases"], serde_json::json!(phases));
    assert_eq!(record["counts_before"], record["counts_after"]);
    let counts = record["counts_before"].as_object().unwrap();
    assert_eq!(counts.len(), 9);
    assert!(counts.values().all(|rows| rows.as_i64().unwrap() > 0), "{counts:?}");
    for instant in ["started", "finished"] {
        let at = chrono::DateTime::parse_from_rfc3339(record[instant].as_str().unwrap()).unwrap();
        assert!((chrono::Utc::now() - at.to_utc()).num_minutes() < 10, "{at}");
    }
}

#[test]
fn the_dry_run_can_be_repeated_and_touches_nothing() {
    let built = shared();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("copy");
    copy(&built.dir, &dir);
    let before = contents(&dir);
    let again = cutter(&dir, "dry-run", "again.json");
    assert!(again.status.success(), "{}", stderr(&again));
    let (mut first, mut second) = (json(&dir.join(&built.dry_run_record)), json(&dir.join("again.json")));
    for record in [&mut first, &mut second] {
        record["started"] = Value::Null;
        record["finished"] = Value::Null;
    }
    assert_eq!(first, second);
    fs::remove_file(dir.join("again.json")).unwrap();
    assert_eq!(contents(&dir), before, "no other file was written, no byte-code either");
}

#[test]
fn live_is_refused_while_the_switch_is_off() {
    let built = shared();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("copy");
    copy(&built.dir, &dir);
    let before = contents(&dir);
    let live = cutter(&dir, "run", "live.json");
    assert_eq!(live.status.code(), Some(3), "{}", stdout(&live));
    assert!(stderr(&live).contains("the execution switch is off"), "{}", stderr(&live));
    assert_eq!(contents(&dir), before);
}

#[test]
fn a_dry_run_on_what_is_not_registered_or_not_intact_fails() {
    let built = shared();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("copy");
    copy(&built.dir, &dir);
    let database = rusqlite::Connection::open(dir.join("governance.db")).unwrap();
    let failing = |change: &str, code: i32, said: &str| {
        database.execute_batch(change).unwrap();
        let output = cutter(&dir, "dry-run", "failing.json");
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert!(!dir.join("failing.json").exists());
    };
    failing("UPDATE target SET units = 311", 4, "312 units were cut, 311 are registered");
    failing("UPDATE source_version SET content = content || 'x' WHERE document_id = 'ICX-CONST'", 4, "registered is");
    failing("DELETE FROM target", 2, "no target ICX-CONST is registered");
    failing("DROP TABLE target", 2, "no such table");
}

/// The false PASS of the reference: with the switch on, LIVE runs through the simulator and says PASS.
#[test]
fn live_with_the_switch_on_passes_and_writes_nothing() {
    let built = shared();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("copy");
    copy(&built.dir, &dir);
    let switch = dir.join("host/opt/cutter/v0.6/cutter/switch.py");
    let text = fs::read_to_string(&switch).unwrap();
    let flipped = text.replace("__execution_enabled__ = False", "__execution_enabled__ = True");
    assert_ne!(text, flipped);
    fs::write(&switch, flipped).unwrap();
    let registry = fs::read(dir.join("governance.db")).unwrap();
    let live = cutter(&dir, "run", "live.json");
    assert!(live.status.success(), "{}", stderr(&live));
    assert!(stdout(&live).contains("LIVE 5/5 phases PASS"), "{}", stdout(&live));
    let record = json(&dir.join("live.json"));
    assert_eq!(record["mode"], "LIVE");
    assert_eq!(record["counts_before"], record["counts_after"]);
    assert_eq!(fs::read(dir.join("governance.db")).unwrap(), registry, "not one byte was written");
    assert_ne!(record["tree_digest"], built.tree_digest.as_str(), "a changed tree has another digest");
}

/// The adapters are real code: called by hand, they write, verify and enact.
#[test]
fn the_adapters_that_nobody_calls_do_write() {
    let built = shared();
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("governance.db");
    fs::copy(built.dir.join("governance.db"), &registry).unwrap();
    let program = "
import sqlite3, sys
from cutter import discoverer, units
from cutter.adapters.ledger_v2_canonical_cut import LedgerV2Cut
from cutter.adapters.ledger_v2_canonical_verify import LedgerV2Verify
from cutter.adapters.prod_iu_adapter_canonical import ProdInformationUnitAdapter
from cutter.registry import Registry, Target
reader = Registry(sys.argv[1])
row = reader._one('SELECT content, content_sha256 FROM source_version WHERE document_id = ? AND version = 2', 'ICX-GLOSS')
reader.close()
cut = units.cut('ICX-GLOSS', row[0])
target = Target('ICX-GLOSS', 'ICX-GLOSS', 2, row[1], len(cut), None)
manifest = discoverer.manifest_digest([{'unit_id': u.unit_id, 'body_sha256': u.sha256} for u in cut])
connection = sqlite3.connect(sys.argv[1])
pair = discoverer.pair_digest(target.content_sha256, manifest)
LedgerV2Cut(connection).record('CCS-1', target, 'r-1', 'live', manifest, pair, len(cut), ('RD-1', 'accept', 'operator'))
written = ProdInformationUnitAdapter(connection).write_units('CCS-1', cut)
print(written, LedgerV2Verify(connection).verify('CCS-1'), LedgerV2Verify(connection).enact('CCS-1'))
";
    let tree = built.dir.join("host/opt/cutter/v0.6");
    let output = run("python3", &["-B", "-c", program, registry.to_str().unwrap()], &tree);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim(), "12 12 12");
    let database = rusqlite::Connection::open(&registry).unwrap();
    let enacted = "SELECT count(*) FROM information_unit WHERE change_set_id = 'CCS-1' AND state = 'enacted'";
    assert_eq!(database.query_row(enacted, [], |row| row.get::<_, i64>(0)).unwrap(), 12);
    for (package, caller) in [("phases", "cutter/phases"), ("orchestrator", "cutter/orchestrator.py")] {
        let found = run("grep", &["-rl", "cutter.adapters", caller], &tree);
        assert_eq!(stdout(&found), "", "{package} does not name the adapters");
    }
}

/// What v0.7 says of the release before it: `pg_dump` looks for a database of that name where `PGDATABASE` is a URL.
#[test]
fn pg_dump_takes_no_url_from_pgdatabase() {
    let cluster = crate::postgres::Cluster::shared();
    let url = cluster.url("postgres", "postgres");
    let dump = |more: &[&str]| {
        let mut dump = std::process::Command::new("pg_dump");
        dump.env_clear().env("PATH", "/usr/bin:/bin").env("PGDATABASE", &url).env("PGUSER", "postgres");
        dump.env("PGHOST", cluster.socket()).env("PGPORT", cluster.port.to_string());
        dump.arg("--schema-only").args(more).output().unwrap()
    };
    let as_v0_6 = dump(&[]);
    assert!(!as_v0_6.status.success() && stderr(&as_v0_6).contains("does not exist"), "{}", stderr(&as_v0_6));
    let as_v0_7 = dump(&["--dbname", &url]);
    assert!(as_v0_7.status.success(), "{}", stderr(&as_v0_7));
}

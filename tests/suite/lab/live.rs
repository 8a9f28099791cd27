//! The release with live branches, deployed and run: what it writes, what it refuses, and what a failure leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cutgate::evidence::sha256_hex;
use rusqlite::Connection;
use serde_json::Value;

use super::{contents, copy, run, shared, stderr, stdout};
use crate::postgres::Cluster;

/// A laboratory in which everything is as a live run needs it but the switch: v0.7 is deployed, configured and provisioned, the
/// key imported, the target registered.
struct Ready {
    dir: PathBuf,
    backup: String,
    _folder: tempfile::TempDir,
}

impl Ready {
    fn new() -> Self {
        let built = shared();
        // The agent's socket of a GnuPG home does not fit into a long path.
        let folder = tempfile::Builder::new().prefix("cg").tempdir_in("/tmp").unwrap();
        let dir = folder.path().join("copy");
        copy(&built.dir, &dir);
        let ready = Self { dir, backup: built.keys.backup.clone(), _folder: folder };
        ready.shell(
            "cp -r releases/v0.7 releases/v0.7.sha256 host/opt/cutter/
             commit=$(sed -n 's/^commit = //p' releases/v0.7/release.toml)
             sed -i \"s/^commit = .*/commit = $commit/\" host/etc/cutter/cutter.toml
             for key in runs batches locks; do echo \"${key}_dir = \\\"/var/lib/cutter/$key\\\"\"; done > keys.toml
             printf 'max_units = 50\\nstatement_timeout_ms = 15000\\n' >> keys.toml
             { echo '[orchestrator]'; cat keys.toml; } >> host/etc/cutter/cutter.toml
             rm keys.toml
             mkdir -p host/var/lib/cutter/{runs,batches,locks}
             gpg --homedir gnupg --batch --quiet --no-autostart --import keys/backup.asc",
        );
        ready
            .registry()
            .execute_batch(
                "INSERT INTO cutter_governance_cut_change_set
                     VALUES ('CCS-0003', 'ICX-GLOSS', NULL, 'live', 'open', '2026-06-01T00:00:00Z');
                 INSERT INTO target SELECT 'ICX-GLOSS', d.title, d.id, v.version, v.content_sha256, 12, d.authority,
                     d.lifecycle, 0, NULL, 'green', 'CCS-0003', '2026-06-01T00:00:00Z'
                     FROM source_document d JOIN source_version v ON v.document_id = d.id
                     WHERE d.id = 'ICX-GLOSS' AND v.version = 2;",
            )
            .unwrap();
        ready.permit();
        ready
    }

    /// A permit for the run r-1 of this laboratory, signed by the key that its cutter accepts.
    fn permit(&self) {
        let manifest = fs::read(self.dir.join("host/opt/cutter/v0.7.sha256")).unwrap();
        let utc = |minutes: i64| {
            let at = chrono::Utc::now() + chrono::Duration::minutes(minutes);
            at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let permit = serde_json::json!({
            "format": "cutgate-permit/1", "kind": "run", "run_id": "r-1", "payload_sha256": "0".repeat(64),
            "target": "ICX-GLOSS", "host": "vmi3080463", "registry": self.dir.join("governance.db").canonicalize().unwrap(),
            "tree_digest": sha256_hex(&manifest), "review_decision_id": "RD-7", "rehearsal": false, "allowance": "explicit",
            "issued_utc": utc(-1), "expires_utc": utc(60), "nonce": "00",
        });
        fs::write(self.dir.join("permit.json"), permit.to_string()).unwrap();
        let signer = "$(sed -n 's/^signer = //p' host/etc/cutter.d/permit.toml | tr -d '\"')";
        self.shell(&format!(
            "gpg --homedir keys/home --batch --quiet --local-user {signer} --armor --detach-sign permit.json"
        ));
    }

    fn shell(&self, line: &str) -> String {
        let output = run("bash", &["-euc", line], &self.dir);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        stdout(&output)
    }

    fn registry(&self) -> Connection {
        Connection::open(self.dir.join("governance.db")).unwrap()
    }

    fn number(&self, statement: &str) -> i64 {
        self.registry().query_row(statement, [], |row| row.get(0)).expect(statement)
    }

    /// `python3 -B …` with the deployed release, in the laboratory's folder.
    fn python(&self, arguments: &[&str]) -> Output {
        let mut python = Command::new("python3");
        python.current_dir(&self.dir).env("PYTHONPATH", "host/opt/cutter/v0.7").arg("-B").args(arguments);
        python.env("BACKUP_GPG_FPR", &self.backup).env("GNUPGHOME", "gnupg");
        python.output().expect("python3: sudo apt-get install -y python3")
    }

    fn cutter(&self, command: &str, more: &[&str]) -> Output {
        let words = ["-m", "cutter", command, "--registry", "governance.db", "--target", "ICX-GLOSS"];
        let record = format!("{command}.json");
        self.python(&[&words[..], &["--run-id", "r-1", "--record", &record], more].concat())
    }

    fn live(&self) -> Output {
        self.cutter("run", &PERMITTED)
    }

    fn record(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.dir.join(name)).expect(name)).expect("JSON")
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        for home in ["keys/home", "gnupg"] {
            let _ = Command::new("gpgconf").arg("--homedir").arg(self.dir.join(home)).args(["--kill", "all"]).status();
        }
    }
}

/// What a live run is started with, beside what a dry run is.
const PERMITTED: [&str; 4] = ["--review-decision-id", "RD-7", "--permit", "permit.json"];

fn refused(output: &Output, code: i32, said: &str) {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
    assert!(stderr(output).contains(said), "{}", stderr(output));
}

#[test]
fn a_dry_run_of_v07_simulates_and_changes_nothing() {
    let ready = Ready::new();
    let before = contents(&ready.dir);
    let dry = ready.cutter("dry-run", &[]);
    assert!(dry.status.success(), "{}", stderr(&dry));
    let record = ready.record("dry-run.json");
    let digest = sha256_hex(&fs::read(ready.dir.join("releases/v0.7.sha256")).unwrap());
    assert_eq!((&record["tree_digest"], &record["mode"]), (&Value::from(digest), &Value::from("DRYRUN")));
    assert_eq!(record["counts_before"], record["counts_after"]);
    assert_eq!(record["phases"].as_array().unwrap().len(), 5);
    fs::remove_file(ready.dir.join("dry-run.json")).unwrap();
    assert_eq!(contents(&ready.dir), before, "no other file was written, no byte-code either");
}

#[test]
fn a_live_run_that_lacks_anything_is_refused_before_anything_is_begun() {
    let ready = Ready::new();
    let refuses = |code, said: &str, prepare: &str, more: &[&str]| {
        let copy = ready.shell("mktemp -d");
        let copy = Path::new(copy.trim());
        ready.shell(&format!("cp -a host governance.db {}", copy.display()));
        ready.shell(prepare);
        let before = contents(&ready.dir);
        refused(&ready.cutter("run", more), code, said);
        assert_eq!(contents(&ready.dir), before, "{said}: nothing was written");
        ready.shell(&format!("rm -rf host && cp -a {0}/host {0}/governance.db . && rm -rf {0}", copy.display()));
    };
    refuses(3, "the execution switch is off: nothing was started", "true", &PERMITTED[..2]);
    refuses(7, "is for the tree", "sed -i 's/= False/= True/' host/opt/cutter/v0.7/cutter/switch.py", &PERMITTED);
    refuses(7, "has no --permit", "sed -i 's/= False/= True/' host/opt/cutter/v0.7/cutter/switch.py", &PERMITTED[..2]);
    let review = PERMITTED;
    refuses(2, "not configured: orchestrator.runs_dir", "sed -i /runs_dir/d host/etc/cutter/cutter.toml", &review);
    refuses(2, "pins commit 0123", "sed -i 's/^commit = .*/commit = \"0123\"/' host/etc/cutter/cutter.toml", &review);
    refuses(2, "no --review-decision-id", "true", &PERMITTED[2..]);
    refuses(2, "is not there", "rmdir host/var/lib/cutter/locks", &review);
    refuses(
        2,
        "more than orchestrator.max_units",
        "sed -i 's/max_units = 50/max_units = 11/' host/etc/cutter/cutter.toml",
        &review,
    );
    refuses(6, "is held: run r-0", "echo 'run r-0' > host/var/lib/cutter/locks/ICX-GLOSS.lock", &review);
    refuses(
        4,
        "registered is",
        "sqlite3 governance.db \"UPDATE source_version SET content = content || 'x'\"",
        &review,
    );
}

#[test]
fn a_live_run_of_v07_writes_what_it_says() {
    let ready = Ready::new();
    let before = fs::read(ready.dir.join("governance.db")).unwrap();
    let counts = ready.number("SELECT count(*) FROM information_unit");
    let done = ready.live();
    assert!(done.status.success(), "{}", stderr(&done));
    let record = ready.record("run.json");
    let grown = |table: &str| {
        record["counts_after"][table].as_i64().unwrap() - record["counts_before"][table].as_i64().unwrap()
    };
    for (table, rows) in [
        ("information_unit", 12),
        ("unit_version", 12),
        ("source_document", 0),
        ("source_version", 0),
        ("cutter_governance_cut_change_set", 0),
        ("cutter_governance_manifest_envelope", 1),
        ("cutter_governance_review_decision", 1),
        ("cutter_governance_verify_result", 1),
        ("cutter_governance_dot_pair_signature", 1),
    ] {
        assert_eq!(grown(table), rows, "{table}");
    }
    // What the record says is what the database holds.
    assert_eq!(ready.number("SELECT count(*) FROM information_unit"), counts + 12);
    let ours = "FROM information_unit WHERE change_set_id = 'CCS-0003' AND state = 'enacted'";
    assert_eq!(ready.number(&format!("SELECT count(*) {ours}")), 12);
    assert_eq!(ready.number("SELECT count(*) FROM cutter_governance_verify_result WHERE change_set_id = 'CCS-0003' AND outcome = 'PASS' AND units = 12"), 1);
    assert_eq!(ready.number("SELECT count(*) FROM cutter_governance_review_decision WHERE id = 'RD-7'"), 1);
    assert_eq!(record["failed"], Value::Null);
    // The dump is the registry as it was before the first row, pinned in the record and beside it.
    let backup = &record["results"]["pre_write_backup"];
    let dump = fs::read(ready.dir.join("host/var/lib/cutter/runs/r-1.dump.gpg")).unwrap();
    assert_eq!(backup["sha256"], sha256_hex(&dump));
    assert_eq!(backup["encrypted_to"], ready.backup);
    ready.shell("cd host/var/lib/cutter/runs && sha256sum --check --strict r-1.dump.gpg.sha256");
    ready.shell(
        "gpg --homedir keys/home --batch --quiet --decrypt host/var/lib/cutter/runs/r-1.dump.gpg | sqlite3 restored.db",
    );
    fs::write(ready.dir.join("before.db"), before).unwrap();
    let rows = |name: &str| ready.shell(&format!("sqlite3 {name} .dump | LC_ALL=C sort | sha256sum"));
    assert_eq!(rows("restored.db"), rows("before.db"));
    assert_eq!(
        ready
            .shell("ls host/var/lib/cutter/runs host/var/lib/cutter/locks | grep -v r-1.dump || true")
            .matches("partial")
            .count(),
        0
    );
    assert!(!ready.dir.join("host/var/lib/cutter/locks/ICX-GLOSS.lock").exists(), "the lock is given back");
    // The same cut again is refused, and leaves every row as it was. So is its revert: what was enacted stays.
    let kept = rows("governance.db");
    fs::remove_file(ready.dir.join("run.json")).unwrap();
    refused(&ready.live(), 4, "CCS-0003 carries 1 rows in cutter_governance.verify_result already");
    assert_eq!(rows("governance.db"), kept);
}

/// Drives the phases one by one, as the orchestrator does, with the switch turned for each.
const STEP_BY_STEP: &str = "
import os, sqlite3, sys
from cutter import config, switch, units
from cutter.context import RunContext
from cutter.discoverer import LiveDryRunDiscoverer
from cutter.errors import CutterError, ExecutionDisabled
from cutter.mode import Mode
from cutter.orchestrator import PHASES
from cutter.registry import Registry
def rows():
    with sqlite3.connect('file:governance.db?mode=ro', uri=True) as reader:
        return list(reader.iterdump()), sorted(os.listdir('host/var/lib/cutter/runs'))
registry = Registry('governance.db')
target = registry.target('ICX-GLOSS')
cut = units.cut(target.document_id, registry.content(target))
ctx = RunContext('r-1', Mode.LIVE, config.load(), registry, target, cut, 'CCS-0003',
    connection=sqlite3.connect('governance.db'), backup_fingerprint=os.environ['BACKUP_GPG_FPR'], gnupg_home='gnupg',
    backup_path='host/var/lib/cutter/runs/r-1.dump.gpg', review_decision_id='RD-7')
interfere = {}
exec(sys.argv[1])
for number, kind in enumerate(PHASES):
    phase = kind(LiveDryRunDiscoverer())
    before = rows()
    try:
        phase.run(ctx)
        sys.exit(phase.name + ' was not refused')
    except ExecutionDisabled:
        pass
    assert rows() == before, phase.name + ' wrote although it was refused'
    if phase.name in interfere:
        interfere[phase.name]()
    before = rows()
    switch.__execution_enabled__ = True
    try:
        phase.run(ctx)
    except CutterError as error:
        after = rows()
        print(phase.name, type(error).__name__, error, '|', 'nothing written' if after == before else 'written')
        sys.exit(0)
    switch.__execution_enabled__ = False
    assert rows() != before, phase.name + ' passed and wrote nothing'
print('all written')
";

/// At the very point at which each phase could write, and does a moment later, it refuses while the switch is off.
#[test]
fn each_phase_refuses_by_exception_while_the_switch_is_off() {
    let ready = Ready::new();
    let output = ready.python(&["-c", STEP_BY_STEP, ""]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim(), "all written");
    assert_eq!(
        ready.number("SELECT count(*) FROM information_unit WHERE change_set_id = 'CCS-0003' AND state = 'enacted'"),
        12
    );
}

#[test]
fn a_phase_that_cannot_be_sure_fails_and_enacts_nothing() {
    let sql = |statement: &str| {
        format!("c = sqlite3.connect('governance.db'); c.execute(\"{statement}\"); c.commit(); c.close()")
    };
    let ready = Ready::new();
    ready.shell("cp governance.db untouched.db");
    for (phase, interference, said) in [
        (
            "pre_write_backup",
            "ctx.backup_fingerprint = '0' * 40".to_owned(),
            "pre_write_backup BackupError gpg ended with 2: no dump was kept, nothing was written | nothing written",
        ),
        (
            "pre_write_backup",
            "ctx.backup_fingerprint = 'ABCD'".to_owned(),
            "BackupError BACKUP_GPG_FPR is not a whole fingerprint",
        ),
        ("cut_leg_a", "os.unlink(ctx.backup_path)".to_owned(), "cut_leg_a BackupError run r-1: the dump"),
        ("cut_leg_a", "open(ctx.backup_path, 'ab').write(b'x')".to_owned(), "pinned is"),
        (
            "cut_leg_a",
            "ctx.units = []".to_owned(),
            "cut_leg_a IntegrityError CCS-0003: there is no unit to write | nothing written",
        ),
        (
            "write_verify",
            sql("UPDATE unit_version SET body = body || 'x' WHERE unit_id = 'ICX-GLOSS/1'"),
            "what was written is not what was planned and sealed: units ICX-GLOSS/1 | written",
        ),
        (
            "write_verify",
            sql("UPDATE unit_version SET body_sha256 = '' || hex(zeroblob(32)) WHERE unit_id = 'ICX-GLOSS/1'"),
            "planned and sealed: the digests beside ICX-GLOSS/1 | written",
        ),
        (
            "write_verify",
            sql(
                "INSERT INTO unit_version SELECT unit_id, 2, body, body_sha256, created_utc FROM unit_version WHERE unit_id = 'ICX-GLOSS/1'",
            ),
            "planned and sealed: 13 rows for 12 units | written",
        ),
        (
            "leg_b_record",
            "ctx.review_decision_id = ''".to_owned(),
            "leg_b_record IntegrityError CCS-0003: no review decision is named | nothing written",
        ),
        (
            "write_verify",
            sql("DELETE FROM unit_version WHERE unit_id = 'ICX-GLOSS/1'"),
            "planned and sealed: units ICX-GLOSS/1 | written",
        ),
        (
            "write_verify",
            sql(
                "UPDATE cutter_governance_manifest_envelope SET manifest_sha256 = '' || hex(zeroblob(32)) WHERE change_set_id = 'CCS-0003'",
            ),
            "sealed: the manifest | written",
        ),
        (
            "lifecycle_enact",
            sql("UPDATE information_unit SET state = 'enacted' WHERE id = 'ICX-GLOSS/1'"),
            "lifecycle_enact IntegrityError CCS-0003: 11 drafts would be enacted, 12 were verified | nothing written",
        ),
        ("lifecycle_enact", "os.unlink(ctx.backup_path)".to_owned(), "lifecycle_enact BackupError run r-1: the dump"),
    ] {
        ready.shell("cp untouched.db governance.db && rm -f host/var/lib/cutter/runs/*");
        let setup = format!("def it():\n    {interference}\ninterfere['{phase}'] = it");
        let output = ready.python(&["-c", STEP_BY_STEP, &setup]);
        assert!(
            output.status.success() && stdout(&output).contains(said),
            "{said}: {}{}",
            stdout(&output),
            stderr(&output)
        );
        let enacted = "SELECT count(*) FROM information_unit WHERE change_set_id = 'CCS-0003' AND state = 'enacted'";
        assert!(ready.number(enacted) <= 1, "{phase}: none beside what the test itself changed");
        let fails = "SELECT count(*) FROM cutter_governance_verify_result WHERE change_set_id = 'CCS-0003' AND outcome = 'FAIL'";
        assert_eq!(ready.number(fails), i64::from(phase == "write_verify"), "the failed verification is on record");
    }
}

/// The same phase with the other database: `pg_dump` of a real server, encrypted, pinned, and restorable.
#[test]
fn the_dump_of_a_postgresql_database_decrypts_and_restores() {
    let ready = Ready::new();
    let cluster = Cluster::shared();
    let database = cluster.database("CREATE TABLE unit (id text); INSERT INTO unit VALUES ('ICX-GLOSS/1')");
    let program = "
import os, sys
from cutter.adapters.backup_pgdump_gpg import PgDumpGpgBackup
from cutter.errors import BackupError
made = PgDumpGpgBackup(sys.argv[1], os.environ['BACKUP_GPG_FPR'], 'gnupg').write('pg.dump.gpg')
print(made.sha256, made.size)
try:
    PgDumpGpgBackup('postgresql:///none?host=/nowhere', os.environ['BACKUP_GPG_FPR'], 'gnupg').write('none.gpg')
except BackupError as error:
    print(error)
";
    let output = ready.python(&["-c", program, &cluster.url(&database, "postgres")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let dump = fs::read(ready.dir.join("pg.dump.gpg")).unwrap();
    let said = stdout(&output);
    assert_eq!(said.lines().next(), Some(format!("{} {}", sha256_hex(&dump), dump.len()).as_str()));
    assert!(said.contains("pg_dump with 1: no dump was kept"), "{said}");
    assert!(!ready.dir.join("none.gpg").exists() && !ready.dir.join("none.gpg.partial").exists());
    ready.shell("gpg --homedir keys/home --batch --quiet --decrypt --output plain.dump pg.dump.gpg");
    assert!(ready.shell("pg_restore --data-only --file - plain.dump").contains("\nICX-GLOSS/1\n"));
}

//! The package in examples/postgresql, with the real program and a server of the tests' own: from PARTIAL to closed, and every
//! way in which it is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use cutgate::evidence::Digest256;
use serde_json::Value;

use crate::postgres::Cluster;

/// The example in a folder of its own, over a database with the example's schema and roles.
struct Example {
    cluster: Cluster,
    database: String,
    dir: tempfile::TempDir,
}

struct Audited {
    status: Option<i32>,
    said: Value,
    stderr: String,
}

impl Audited {
    fn gate(&self, gap: &str) -> (&str, &str) {
        let gates = self.said["gates"].as_array().unwrap();
        let gate = gates.iter().find(|gate| gate["gap"] == gap).unwrap();
        (gate["state"].as_str().unwrap(), gate["reason"].as_str().unwrap())
    }

    fn row(&self, id: &str) -> (&str, &str) {
        let rows = self.said["attestation"].as_array().unwrap();
        let row = rows.iter().find(|row| row["id"] == id).unwrap();
        (row["status"].as_str().unwrap(), row["ground"].as_str().unwrap())
    }

    /// Whether every gap is closed, and nothing changed meanwhile. That is B and no better: the example asks for no approvals.
    fn holds(&self) -> bool {
        let holds = self.said["result"]["blocked_by"].as_array().unwrap().is_empty() && self.invariants() == "held";
        assert_eq!(self.said["result"]["letter"], if holds { "B" } else { "C" });
        assert_eq!(self.said["approval"]["standing"], "absent");
        holds
    }

    fn invariants(&self) -> &str {
        self.said["result"]["invariants"].as_str().unwrap()
    }
}

impl Example {
    fn new() -> Self {
        let cluster = Cluster::start();
        let database = cluster.governed();
        let dir = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/postgresql");
        fs::create_dir(dir.path().join("gates")).unwrap();
        for file in ["cutgate.toml", "gates/governance-principal.toml", "gates/safe-target.toml"] {
            fs::copy(from.join(file), dir.path().join(file)).unwrap();
        }
        let example = Self { cluster, database, dir };
        let url = example.cluster.url(&example.database, "cutter_auditor");
        example.replace("postgresql:///cutter?user=cutter_auditor", &url);
        example
    }

    /// The same, with everything closed.
    fn closed() -> Self {
        let example = Self::new();
        let first = example.audit();
        assert_eq!(first.gate("GAP-4").0, "PARTIAL", "{:?}", first.gate("GAP-4"));
        let found = regex::Regex::new("sha256 ([0-9a-f]{64})").unwrap();
        let digest = found.captures(first.gate("GAP-4").1).unwrap()[1].to_owned();
        example.replace(&"0".repeat(64), &digest);
        example.sql("UPDATE decision SET status = 'pinned', principal = 'cutter_guard', expires_utc = now() + interval '90 days'");
        example
    }

    fn replace(&self, from: &str, to: &str) {
        let file = self.dir.path().join("cutgate.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(file, text.replace(from, to)).unwrap();
    }

    fn sql(&self, sql: &str) {
        self.cluster.sql(&self.database, sql);
    }

    fn cutgate(&self, arguments: &[&str]) -> Output {
        let mut cutgate = Command::new(env!("CARGO_BIN_EXE_cutgate"));
        cutgate.args(arguments).current_dir(self.dir.path()).env_clear().env("PATH", "/usr/bin:/bin");
        cutgate.output().unwrap()
    }

    fn audit(&self) -> Audited {
        let output = self.cutgate(&["audit", "--format", "json"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
        Audited { status: output.status.code(), said, stderr }
    }

    /// Audits while another session does something between the first and the last look.
    fn audit_while(&self, sql: &str) -> Audited {
        // A gate waits for this table, which no measure reads.
        let mut holder = self.cluster.session(&self.database);
        holder.run("BEGIN; LOCK TABLE public.decision IN ACCESS EXCLUSIVE MODE;");
        std::thread::scope(|scope| {
            let audit = scope.spawn(|| self.audit());
            let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'public.decision'::regclass";
            for _ in 0..500 {
                if !self.cluster.sql(&self.database, waits).is_empty() {
                    break;
                }
                assert!(!audit.is_finished(), "the audit waits for the lock");
                std::thread::sleep(Duration::from_millis(10));
            }
            self.sql(sql);
            holder.run("ROLLBACK;");
            audit.join().unwrap()
        })
    }
}

#[test]
fn the_example_leads_from_partial_to_ready_and_sends_only_what_it_declares() {
    let example = Example::closed();
    let position = "SELECT pg_snapshot_xmax(pg_current_snapshot()), (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) \
                    FROM pg_stat_all_tables WHERE schemaname <> 'pg_toast')";
    let before = example.cluster.sql(&example.database, position);
    let logged = example.cluster.log().len();
    let audited = example.audit();
    assert_eq!(example.cluster.sql(&example.database, position), before, "no tuple was changed, no number was taken");
    assert!(audited.holds(), "{:#}\n{}", audited.said, audited.stderr);
    assert!(audited.gate("GAP-8").1.contains("1 units, 27 bytes, sha256"), "{:?}", audited.gate("GAP-8"));
    for row in audited.said["attestation"].as_array().unwrap() {
        assert_eq!(row["status"], "NOT DONE", "{row}");
    }
    // Three classes of statements: what everybody's writes came to, what is only told, and what is our own.
    let (_, ground) = audited.row("production-mutation");
    assert!(
        ground.starts_with("database-wide: surface.system_identifier, ") && ground.contains(", equal at "),
        "{ground}"
    );
    assert!(ground.contains("; informative, proves nothing: surface.wal_position "), "{ground}");
    let (_, ground) = audited.row("audit-wrote");
    assert!(ground.starts_with("our connections: 7 transactions, none was given a transaction number; "), "{ground}");
    // What the server heard of us is what the evidence names, and what keeps a transaction together.
    let folder = example.dir.path().join(audited.said["reports_dir"].as_str().unwrap());
    let evidence: Value = serde_json::from_slice(&fs::read(folder.join("evidence.json")).unwrap()).unwrap();
    let mut declared = BTreeSet::new();
    digests(&evidence, &mut declared);
    let log = example.cluster.log()[logged..].to_owned();
    let begins = regex::Regex::new(r"^(?:[^|\n]*)\|(?:[^|\n]*)\|").unwrap();
    let mut entries: Vec<String> = Vec::new();
    for line in log.lines() {
        match begins.is_match(line) && !line.starts_with('\t') {
            true => entries.push(line.to_owned()),
            false => entries.last_mut().unwrap().push_str(&format!("\n{}", line.strip_prefix('\t').unwrap_or(line))),
        }
    }
    let statement =
        regex::Regex::new(r"(?s)^cutgate/[0-9.]+\|cutter_auditor\|LOG:  (?:statement|execute [^:]*): (.*)$").unwrap();
    let control =
        ["START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SAVEPOINT cutgate_query", "ROLLBACK"];
    let (mut heard, mut undeclared) = (0, Vec::new());
    for found in entries.iter().filter_map(|entry| statement.captures(entry)) {
        heard += 1;
        let text = &found[1];
        let known = control.iter().any(|control| text.starts_with(control))
            || text.starts_with("RELEASE")
            || declared.contains(&Digest256::of(text.as_bytes()).to_string());
        if !known {
            undeclared.push(text.to_owned());
        }
    }
    assert!(heard > 100, "{heard}: {entries:#?}");
    assert_eq!(undeclared, Vec::<String>::new());
    let verified = example.cutgate(&["verify", folder.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// Every sha256 of a statement in the evidence.
fn digests(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.len() == 64 => drop(into.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| digests(item, into)),
        Value::Object(fields) => fields.values().for_each(|item| digests(item, into)),
        _ => {}
    }
}

#[test]
fn no_gate_is_closed_over_what_is_not_so_or_not_known() {
    let example = Example::closed();
    let principals = [
        (
            "ALTER ROLE cutter_writer SUPERUSER",
            "ALTER ROLE cutter_writer NOSUPERUSER",
            "OPEN",
            "cutter_writer, lacks , has SUPERUSER",
        ),
        ("ALTER ROLE cutter_guard LOGIN", "ALTER ROLE cutter_guard NOLOGIN", "OPEN", "cutter_guard, lacks , has LOGIN"),
        (
            "GRANT cutter_writer TO cutter_reader",
            "REVOKE cutter_writer FROM cutter_reader",
            "OPEN",
            "cutter_reader INSERT on table public.information_unit through cutter_reader, cutter_writer",
        ),
        (
            "GRANT UPDATE (state) ON information_unit TO cutter_reader",
            "REVOKE UPDATE (state) ON information_unit FROM cutter_reader",
            "OPEN",
            "cutter_reader UPDATE on table",
        ),
        (
            "REVOKE INSERT ON unit_version FROM cutter_writer",
            "GRANT INSERT ON unit_version TO cutter_writer",
            "OPEN",
            "not usable: cutter_writer INSERT on table public.unit_version",
        ),
        (
            "GRANT SELECT ON information_unit TO cutter_guard",
            "REVOKE SELECT ON information_unit FROM cutter_guard",
            "PARTIAL",
            "the grants have sha256",
        ),
        (
            "UPDATE decision SET expires_utc = now() - interval '1 minute'",
            "UPDATE decision SET expires_utc = now() + interval '1 day'",
            "PARTIAL",
            "DQ_4 is not in force",
        ),
        (
            "UPDATE decision SET principal = 'somebody'",
            "UPDATE decision SET principal = 'cutter_guard'",
            "PARTIAL",
            "DQ_4 is not pinned to a governed role",
        ),
        (
            "REVOKE SELECT ON decision FROM cutter_auditor",
            "GRANT SELECT ON decision TO cutter_auditor",
            "UNKNOWN",
            "permission denied for table decision (SQLSTATE 42501)",
        ),
        (
            "REVOKE USAGE ON SCHEMA cutter_governance FROM cutter_writer",
            "GRANT USAGE ON SCHEMA cutter_governance TO cutter_writer",
            "OPEN",
            "not usable: cutter_writer INSERT on table cutter_governance.cut_change_set",
        ),
        (
            "REVOKE USAGE ON SCHEMA cutter_governance FROM cutter_auditor",
            "GRANT USAGE ON SCHEMA cutter_governance TO cutter_auditor",
            "UNKNOWN",
            "permission denied for schema cutter_governance (SQLSTATE 42501)",
        ),
    ];
    let targets = [
        (
            "REVOKE SELECT ON source_version FROM cutter_auditor",
            "GRANT SELECT ON source_version TO cutter_auditor",
            "UNKNOWN",
            "permission denied for table source_version (SQLSTATE 42501)",
        ),
        ("ALTER TABLE target RENAME TO aim", "ALTER TABLE aim RENAME TO target", "UNKNOWN", "(SQLSTATE 42P01)"),
        (
            "UPDATE source_version SET content = content || '.' WHERE document_id = 'ICX-GLOSS'",
            "UPDATE source_version SET content = rtrim(content, '.') WHERE document_id = 'ICX-GLOSS'",
            "OPEN",
            "C3: registered and measured digest differ: ICX-GLOSS",
        ),
        (
            "UPDATE target SET units = 51 WHERE id = 'ICX-GLOSS'",
            "UPDATE target SET units = 1 WHERE id = 'ICX-GLOSS'",
            "OPEN",
            "C5: at most 50 units are small",
        ),
        (
            "UPDATE cutter_governance.cut_change_set SET state = 'closed'",
            "UPDATE cutter_governance.cut_change_set SET state = 'open'",
            "OPEN",
            "C7: no open change set of its own",
        ),
        (
            "UPDATE source_document SET authority = 'authoritative' WHERE id = 'ICX-GLOSS'",
            "UPDATE source_document SET authority = 'non-authoritative' WHERE id = 'ICX-GLOSS'",
            "OPEN",
            "C6: ",
        ),
        (
            "UPDATE target SET id = 'ICX-LOST' WHERE id = 'ICX-GLOSS'",
            "UPDATE target SET id = 'ICX-GLOSS' WHERE id = 'ICX-LOST'",
            "OPEN",
            "C1: ICX-GLOSS is not registered; registered: ICX-CONST, ICX-LOST",
        ),
        (
            "UPDATE target SET forbidden = true WHERE id = 'ICX-GLOSS'",
            "UPDATE target SET forbidden = false WHERE id = 'ICX-GLOSS'",
            "OPEN",
            "C2: ICX-GLOSS is forbidden",
        ),
        (
            "UPDATE target SET dry_run = 'red'",
            "UPDATE target SET dry_run = 'green'",
            "OPEN",
            "C4: no green dry run of ICX-GLOSS",
        ),
        (
            "UPDATE cutter_governance.cut_change_set SET opened_utc = now() - interval '8 days'",
            "UPDATE cutter_governance.cut_change_set SET opened_utc = date_trunc('second', now())",
            "OPEN",
            "C7: fresh is 168h",
        ),
    ];
    // One change for each gate at a time; the last hides both from the auditor.
    for (at, principal) in principals.iter().enumerate() {
        let changes = [("GAP-4", Some(principal)), ("GAP-8", targets.get(at))];
        let changes = changes.into_iter().filter_map(|(gap, change)| Some((gap, change?)));
        changes.clone().for_each(|(_, (change, ..))| example.sql(change));
        let audited = example.audit();
        for (gap, (change, _, state, said)) in changes.clone() {
            let found = audited.gate(gap);
            assert!(found.0 == *state && found.1.contains(said), "{change}: {found:?}");
        }
        assert!(!audited.holds(), "{principal:?}");
        let unknown = ["GAP-4", "GAP-8"].iter().any(|gap| audited.gate(gap).0 == "UNKNOWN");
        assert_eq!(audited.status, Some(if unknown { 3 } else { 1 }), "{principal:?}: {}", audited.said);
        changes.for_each(|(_, (_, undo, ..))| example.sql(undo));
    }
    // A table that is no longer there is not one in which nothing changed.
    example.sql("ALTER TABLE public.unit_version RENAME TO versions");
    let audited = example.audit();
    let (status, ground) = audited.row("production-mutation");
    assert_eq!((status, audited.invariants()), ("NOT ATTESTED", "unknown"), "{ground}");
    assert!(ground.contains("there is no public.unit_version in this database"), "{ground}");
    example.sql("ALTER TABLE public.versions RENAME TO unit_version");
    assert!(example.audit().holds());
    example.cluster.restart_as_standby();
    let audited = example.audit();
    for gap in ["GAP-4", "GAP-8"] {
        let found = audited.gate(gap);
        assert!(found.0 == "OPEN" && found.1.contains("only replays what another server did"), "{found:?}");
    }
    assert_eq!(audited.row("audit-wrote").0, "NOT DONE", "a server that replays answers that as well");
    example.cluster.stop();
    let audited = example.audit();
    assert_eq!((audited.gate("GAP-4").0, audited.gate("GAP-8").0, audited.status), ("UNKNOWN", "UNKNOWN", Some(3)));
    assert_eq!((audited.row("production-mutation").0, audited.row("audit-wrote").0), ("NOT ATTESTED", "NOT ATTESTED"));
}

#[test]
fn who_writes_meanwhile_is_seen_as_the_package_classifies_the_table() {
    let example = Example::closed();
    let log = "INSERT INTO cutter_governance.access_log (what) VALUES ('read')";
    let audited = example.audit_while(log);
    let (status, ground) = audited.row("production-mutation");
    assert_eq!(status, "INCONCLUSIVE", "{ground}");
    assert!(ground.contains("surface.tables.access_log.content changed between"), "{ground}");
    assert!(ground.contains("and others write there too; surface.system_identifier, "), "{ground}");
    assert!(audited.holds(), "the package says that others write there");
    let unit = "INSERT INTO information_unit VALUES ('u', 'ICX-GLOSS', 'draft', 'CCS-GLOSS')";
    let audited = example.audit_while(&format!("{log}; {unit}"));
    let (status, ground) = audited.row("production-mutation");
    assert_eq!((status, audited.invariants()), ("CHANGED", "changed"), "{ground}");
    assert!(ground.starts_with("database-wide: surface.tables.information_unit.content changed between"), "{ground}");
    assert_eq!(audited.row("audit-wrote").0, "NOT DONE", "it was not us");
    for (change, row) in [
        ("UPDATE source_version SET content = content || '!' WHERE version = 7", "source-mutation"),
        ("ALTER TABLE information_unit DISABLE TRIGGER keep_enacted", "enable-switch"),
        (
            "CREATE OR REPLACE FUNCTION cutter_governance.execution_enabled() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
            "enable-switch",
        ),
        ("CREATE ROLE stranger", "grants-changed"),
    ] {
        let audited = example.audit_while(change);
        let found = (audited.row(row).0, audited.invariants());
        assert_eq!(found, ("CHANGED", "changed"), "{change}: {}", audited.row(row).1);
    }
}

/// What nobody may write into a package.
#[test]
fn rows_that_could_never_say_changed_and_statements_that_reopen_are_refused() {
    let example = Example::closed();
    let file = example.dir.path().join("cutgate.toml");
    let text = fs::read_to_string(&file).unwrap();
    let others = "others_write = [\"surface.tables.access_log.content\"]";
    for (from, to, said) in [
        (others, "others_write = [\"surface.tables.verify_result\"]", "is not among the `measures` of this row"),
        (
            "measures = [\"surface.tables.source_document.content\", \"surface.tables.source_version.content\", \"surface.tables.source_version.target\"]",
            "measures = [\"surface.tables.source_document.content\"]\nothers_write = [\"surface.tables.source_document.content\"]",
            "could never say CHANGED",
        ),
        ("informative = [\"surface.wal_position\"]", "informative = [\"surface.wal\"]", "wal"),
        (
            "target = \"target_id = '{params.target}'\"",
            "target = \"true); SET TRANSACTION READ WRITE; SELECT (true\"",
            "it holds 3 statements",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&file, text.replace(from, to)).unwrap();
        let output = example.cutgate(&["gates", "check"]);
        let shown = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(2) && shown.contains(said), "{to}: {shown}");
    }
}

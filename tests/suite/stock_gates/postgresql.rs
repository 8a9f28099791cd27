//! The laboratory's registry on PostgreSQL: the stock gates find the same there, through a role that can only read, and
//! Report 08 says the same but for the sources that it names.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::Lab;
use crate::postgres::Cluster;

/// Moves the registry of a laboratory to a new database of `cluster`, as an operator does, and gives its name. The executor writes
/// as a role that needs a password; rehearsals go to the other cluster.
pub fn moved(lab: &Lab, cluster: &Cluster, scratch: &Cluster) -> String {
    let role = "DO $$ BEGIN CREATE ROLE lab_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
    let database = cluster.database(role);
    cluster.sql("postgres", &format!("ALTER DATABASE {database} OWNER TO locked"));
    cluster.sql(&database, "GRANT CREATE ON SCHEMA public TO locked");
    lab.write("passwords", "*:*:*:locked:opensesame\n");
    lab.shell("chmod 600 passwords");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/postgresql/move-laboratory");
    let (writer, reader) = (cluster.url(&database, "locked"), cluster.url(&database, "lab_reader"));
    let scratch = scratch.url("postgres", "postgres");
    lab.shell(&format!(
        "python3 {script} . --database '{writer}' --auditor '{reader}' --scratch '{scratch}' --passfile passwords"
    ));
    database
}

/// Audits with the real binary; exit status, Report 08 without instants and digests, and what JSON says of the gates.
fn audited(lab: &Lab) -> (Option<i32>, String, Vec<serde_json::Value>, PathBuf) {
    let mut cutgate = Command::new(env!("CARGO_BIN_EXE_cutgate"));
    cutgate.args(["audit", "--format", "json"]).current_dir(&lab.dir).env_clear().env("PATH", "/usr/bin:/bin");
    let output = cutgate.env("PGSERVICEFILE", lab.dir.join("services")).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let folder = lab.dir.join(said["reports_dir"].as_str().unwrap());
    let report = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let report =
        report.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("08-")).unwrap();
    let text = fs::read_to_string(report).unwrap();
    let instants =
        regex::Regex::new(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?|\d{4}-\d{8}T\d{6}Z|[0-9a-f]{12,64}").unwrap();
    let gates = said["gates"].as_array().unwrap().clone();
    (output.status.code(), instants.replace_all(&text, "…").into_owned(), gates, folder)
}

#[test]
fn report_08_over_postgresql_says_what_it_says_over_sqlite() {
    let cluster = Cluster::shared();
    let (embedded, lab) = (Lab::new(), Lab::new());
    let package = fs::read_to_string(lab.dir.join("cutgate.toml")).unwrap();
    let database = moved(&lab, &cluster, &cluster);
    // No more is changed than where the registry is; the rest of what was moved is about runs.
    let changed = package.replace(r#"url = "sqlite:{paths.registry}""#, r#"url = "postgresql://?service=registry""#);
    let changed = changed.replace(r#"ledger_prefix = "cutter_governance_""#, r#"ledger_prefix = "cutter_governance.""#);
    assert_ne!(changed, package);
    lab.write("cutgate.toml", &changed);
    let service = format!(
        "[registry]\nhost={}\nport={}\ndbname={database}\nuser=lab_reader\n",
        cluster.socket().display(),
        cluster.port
    );
    lab.write("services", &service);
    let (theirs, ours) = (audited(&embedded), audited(&lab));
    assert_eq!(ours.0, theirs.0, "exit status");
    let brief = |gate: &serde_json::Value| [&gate["gap"], &gate["state"], &gate["reason"]].map(ToString::to_string);
    for (ours, theirs) in ours.2.iter().zip(&theirs.2) {
        assert_eq!(brief(ours), brief(theirs));
    }
    assert_eq!(ours.1, theirs.1);
    let server = format!("postgresql://lab_reader@{}:{}/{database}", cluster.socket().display(), cluster.port);
    let evidence = fs::read_to_string(ours.3.join("evidence.json")).unwrap();
    assert!(evidence.contains(&server) && !evidence.contains("sqlite:"), "it was PostgreSQL that was asked");
    // A right that is taken away hides rows; they are not taken for rows that are not there.
    cluster.sql(&database, "REVOKE SELECT ON principal FROM lab_reader");
    let hidden = audited(&lab);
    let gap = hidden.2.iter().find(|gate| gate["gap"] == "GAP-4").unwrap();
    assert_eq!((hidden.0, &gate_state(gap)[..]), (Some(3), "UNKNOWN"));
    assert!(
        gap["reason"].as_str().unwrap().contains("permission denied for table principal (SQLSTATE 42501)"),
        "{gap}"
    );
}

fn gate_state(gate: &serde_json::Value) -> String {
    gate["state"].as_str().unwrap().to_owned()
}

//! A database that is absent before and after an audit: that nothing was changed in it cannot be attested, unless the package says that
//! it may be absent.

use std::path::Path;

use serde_json::Value;

const MEASURE: &str = r#"
[measure.registry]
kind = "sql"
url = "sqlite:REGISTRY"

[measure.registry.queries.units]
sql = "SELECT count(*) AS number FROM units"
columns = { number = "int" }

[[forbidden]]
id = "mutation"
action = "Mutate the registry"
basis = "measured"
measures = ["registry.rows.units"]
"#;

/// The row about the registry, its status and ground, and the letter.
fn attested(dir: &Path, more: &str, registry: &str) -> (String, String, String) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/memory.toml")).unwrap();
    let (package, gate) = text.split_once("\n---\n").unwrap();
    std::fs::create_dir_all(dir.join("gates")).unwrap();
    std::fs::write(dir.join("gates/answers.toml"), gate.replace("URL", "sqlite:here.db")).unwrap();
    let measure = MEASURE.replace("REGISTRY", registry);
    std::fs::write(dir.join("cutgate.toml"), format!("{package}\n{measure}{more}")).unwrap();
    let here = rusqlite::Connection::open(dir.join("here.db")).unwrap();
    here.execute_batch("CREATE TABLE IF NOT EXISTS units (id)").unwrap();
    let mut command = assert_cmd::Command::cargo_bin("cutgate").unwrap();
    let output = command.env_clear().current_dir(dir).args(["audit", "--format", "json"]).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let rows = said["attestation"].as_array().unwrap();
    let row = rows.iter().find(|row| row["action"] == "Mutate the registry").expect("the row");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    (word(&row["status"]), word(&row["ground"]), word(&said["result"]["letter"]))
}

#[test]
fn a_database_that_is_absent_both_times_is_not_attested() {
    let folder = tempfile::tempdir().unwrap();
    let (status, ground, letter) = attested(folder.path(), "", "gone.db");
    assert_eq!((status.as_str(), letter.as_str()), ("NOT ATTESTED", "C"), "{ground}");
    assert!(ground.contains("registry.rows.units is absent before and after"), "{ground}");
    let (status, ground, _) = attested(folder.path(), "may_be_absent = [\"registry.rows.units\"]\n", "gone.db");
    assert_eq!(status, "NOT DONE", "{ground}");
    assert!(ground.ends_with("absent both times, as it may be: registry.rows.units"), "{ground}");
    let (status, ground, _) = attested(folder.path(), "", "here.db");
    assert_eq!(status, "NOT DONE", "{ground}");
}

//! Records of rehearsals. Each file is a record, broken, or of the other kind, and none is signed without a
//! signature. A broken one is a hole among the records.

use cutgate::evidence::{DrillRecord, DryRunRecord, Fact, canonical_json};
use serde_json::json;

use super::{count, folder, observe, write};

pub fn run(data: &[u8]) {
    let dir = folder();
    write(dir.path().join("records/one.json"), data);
    let mut found = 0;
    for kind in ["drill-record", "dry-run-record"] {
        let facts = observe(kind, dir.path(), json!({ "path": "records" })).expect("facts");
        let Some(Fact::List(records)) = facts.get("records") else { panic!("no records: {facts:?}") };
        let (holes, records): (Vec<_>, Vec<_>) = records.iter().partition(|record| matches!(record, Fact::Missing(_)));
        let [broken, other_kinds] = ["broken", "other_kinds"].map(|name| count(&facts, name).expect("known"));
        assert_eq!(records.len() + broken + other_kinds, 1, "one file is one thing: {facts:?}");
        assert_eq!(holes.len(), broken, "a broken record is a hole: {facts:?}");
        assert!(records.iter().all(|record| record.get("signature") == Some(&Fact::text("absent"))), "{facts:?}");
        found += records.len();
    }
    assert!(found <= 1, "no file is both");
    if let Ok(record) = serde_json::from_slice::<DrillRecord>(data) {
        assert_eq!(serde_json::from_slice::<DrillRecord>(&canonical_json(&record)).expect("its own form"), record);
    }
    if let Ok(record) = serde_json::from_slice::<DryRunRecord>(data) {
        assert_eq!(serde_json::from_slice::<DryRunRecord>(&canonical_json(&record)).expect("its own form"), record);
    }
}

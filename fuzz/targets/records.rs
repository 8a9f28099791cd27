//! Records of rehearsals. Each file is a record, broken, or of the other kind, and none is signed without a
//! signature.

use cutgate::evidence::{DrillRecord, DryRunRecord, Fact, canonical_json};
use serde_json::json;

use super::{count, folder, observe, write};

pub fn run(data: &[u8]) {
    let dir = folder();
    write(dir.path().join("records/one.json"), data);
    let mut found = 0;
    for kind in ["drill-record", "dry-run-record"] {
        let facts = observe(kind, dir.path(), json!({ "path": "records" })).expect("facts");
        let Some(Fact::List(records)) = facts.get("records") else { panic!("{facts:?}") };
        // A broken file leaves a hole among the records.
        let known = records.iter().filter(|record| !matches!(record, Fact::Missing(_)));
        let counts = [
            known.clone().count(),
            count(&facts, "broken").expect("known"),
            count(&facts, "other_kinds").expect("known"),
        ];
        assert_eq!(counts.iter().sum::<usize>(), 1, "one file is one thing: {facts:?}");
        found += counts[0];
        let mut known = known;
        assert!(known.all(|record| record.get("signature") == Some(&Fact::text("absent"))), "{facts:?}");
    }
    assert!(found <= 1, "no file is both");
    if let Ok(record) = serde_json::from_slice::<DrillRecord>(data) {
        assert_eq!(serde_json::from_slice::<DrillRecord>(&canonical_json(&record)).expect("its own form"), record);
    }
    if let Ok(record) = serde_json::from_slice::<DryRunRecord>(data) {
        assert_eq!(serde_json::from_slice::<DryRunRecord>(&canonical_json(&record)).expect("its own form"), record);
    }
}

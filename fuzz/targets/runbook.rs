//! Runbooks. What is said in a quotation or inside a block of another text covers nothing, and each phase is
//! either covered or missing.

use serde_json::json;

use super::{folder, observe, texts, write};

const PHASES: [&str; 3] = ["cut_leg_a", "leg_b_record", "write"];

pub fn run(data: &[u8]) {
    let covered = covered(data);
    if covered.as_ref().is_none_or(Vec::is_empty) {
        return;
    }
    let text = std::str::from_utf8(data).expect("what is covered was UTF-8");
    let quoted: String = text.split('\n').map(|line| format!("> {line}\n")).collect();
    // A lone carriage return ends a line too, and with it the quotation.
    if !text.replace("\r\n", "").contains('\r') {
        assert_eq!(self::covered(quoted.as_bytes()), Some(Vec::new()), "a quotation proves nothing");
    }
    let fence = "`".repeat(text.len().min(2_000) + 3);
    let example = format!("{fence}text\n{text}\n{fence}\n");
    assert_eq!(self::covered(example.as_bytes()), Some(Vec::new()), "an example proves nothing");
}

/// The phases that a runbook covers; `None` where it cannot be read.
fn covered(bytes: &[u8]) -> Option<Vec<String>> {
    let dir = folder();
    write(dir.path().join("runbook.md"), bytes);
    let facts = observe("runbook", dir.path(), json!({ "path": "runbook.md", "phases": PHASES })).expect("facts");
    let covered = texts(&facts, "phases_covered")?;
    let missing = texts(&facts, "phases_missing").expect("known as the covered ones are");
    assert_eq!(covered.len() + missing.len(), PHASES.len());
    assert!(PHASES.iter().all(|phase| covered.contains(phase) != missing.contains(phase)));
    Some(covered.into_iter().map(str::to_owned).collect())
}

//! The inputs that once broke a rule, and the seeds of the fuzzer, through the same functions that the fuzzer
//! runs.

use std::collections::BTreeSet;
use std::path::Path;

#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use targets::TARGETS;

fn inputs(room: &str, target: &str) -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(room).join(target);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn what_once_broke_a_rule_breaks_none_now() {
    let mut ran = 0;
    for target in TARGETS {
        // No bytes at all are an input of every target.
        (target.run)(b"");
        for path in inputs("regressions", target.name).into_iter().chain(inputs("seeds", target.name)) {
            println!("{}: {}", target.name, path.display());
            (target.run)(&std::fs::read(&path).expect("readable"));
            ran += 1;
        }
    }
    assert!(ran >= 40, "only {ran} inputs: are they still where this test looks?");
}

#[test]
fn inputs_belong_to_a_target_that_is_there() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert!(TARGETS.is_sorted_by(|a, b| a.name < b.name));
    for room in ["regressions", "seeds"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(room);
        for entry in std::fs::read_dir(folder).expect("readable") {
            let name = entry.expect("an entry").file_name();
            assert!(name.to_str().is_some_and(|name| names.contains(name)), "{room}/{name:?} belongs to no target");
        }
    }
}

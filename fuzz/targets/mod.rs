//! The fuzz targets: one file for each reader of bytes that come from outside, and one line in [`TARGETS`].
//!
//! A target takes any bytes, hands them to the reader, and panics where the reader's answer breaks a rule that
//! must hold for every input. The fuzzer (`fuzz/src/main.rs`) and the suite (`tests/suite/regressions.rs`) run
//! the same functions.

mod accounts;
mod certs;
mod code_path;
mod config;
mod escape;
mod evidence;
mod expression;
mod front_matter;
mod keybox;
mod knowledge_base;
mod ledger;
mod manifest;
mod package;
mod records;
mod replay;
mod report;
mod runbook;
mod signature;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant as Monotonic};

use cutgate::evidence::{Fact, Instant, Missing};
use cutgate::probes::{self, Door, Limits, Place, Settings};

/// A fuzz target.
pub struct Target {
    /// The stem of its file, and the folder of its seeds and regressions.
    pub name: &'static str,
    /// Reads the bytes; panics where a rule is broken.
    pub run: fn(&[u8]),
}

/// Every target, sorted by name.
pub const TARGETS: &[Target] = &[
    Target { name: "accounts", run: accounts::run },
    Target { name: "certs", run: certs::run },
    Target { name: "code_path", run: code_path::run },
    Target { name: "config", run: config::run },
    Target { name: "escape", run: escape::run },
    Target { name: "evidence", run: evidence::run },
    Target { name: "expression", run: expression::run },
    Target { name: "front_matter", run: front_matter::run },
    Target { name: "keybox", run: keybox::run },
    Target { name: "knowledge_base", run: knowledge_base::run },
    Target { name: "ledger", run: ledger::run },
    Target { name: "manifest", run: manifest::run },
    Target { name: "package", run: package::run },
    Target { name: "records", run: records::run },
    Target { name: "replay", run: replay::run },
    Target { name: "report", run: report::run },
    Target { name: "runbook", run: runbook::run },
    Target { name: "signature", run: signature::run },
];

/// The instant at which every target judges: after the seeds were made.
fn now() -> Instant {
    "2026-11-23T00:00:00Z".parse().expect("an instant")
}

/// The line that begins another file in an input that holds several: this, and the file's name.
const NEXT_FILE: &[u8] = b"\n=== ";

/// The files of an input: what stands before the first [`NEXT_FILE`] is `first`. A name is used once.
fn files<'a>(first: &str, data: &'a [u8]) -> BTreeMap<String, &'a [u8]> {
    let mut files = BTreeMap::new();
    let (mut name, mut rest) = (first.to_owned(), data);
    loop {
        let at = rest.windows(NEXT_FILE.len()).position(|window| window == NEXT_FILE);
        let (content, after) = at.map_or((rest, None), |at| (&rest[..at], Some(&rest[at + NEXT_FILE.len()..])));
        files.entry(name).or_insert(content);
        let Some(after) = after else { return files };
        let line = after.iter().position(|byte| *byte == b'\n').unwrap_or(after.len());
        name = String::from_utf8_lossy(&after[..line]).into_owned();
        rest = after.get(line + 1..).unwrap_or(b"");
    }
}

/// A temporary folder.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn write(path: impl AsRef<Path>, bytes: &[u8]) {
    let path = path.as_ref();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
    std::fs::write(path, bytes).expect("write a file");
}

/// Runs the probe of a kind over the package folder `dir`; its facts have the declared shape.
fn observe(kind: &str, dir: &Path, settings: serde_json::Value) -> Result<Fact, Missing> {
    let probe = probes::find(kind).expect("a probe of that kind");
    let settings = serde_json::from_value::<BTreeMap<String, serde_json::Value>>(settings)
        .expect("an object")
        .into_iter()
        .collect::<Settings>();
    assert_eq!(probe.check(&settings), Vec::new(), "the settings are in order");
    let limits = Limits { probe: Duration::from_secs(4), ..Limits::default() };
    let root = dir.join("host");
    let place = Place { package_dir: dir.to_owned(), root: root.is_dir().then_some(root) };
    let door = Door::new(place, limits, now(), "fuzz".to_owned(), Monotonic::now() + limits.probe);
    let result = probe.collect(&settings, &door);
    if let Ok(fact) = &result {
        assert_eq!(probe.shape(&settings).departure(fact), None, "the facts have the declared shape");
    }
    result
}

/// The texts of a list; `None` where the list is missing.
fn texts<'f>(facts: &'f Fact, name: &str) -> Option<Vec<&'f str>> {
    let Some(Fact::List(items)) = facts.get(name) else { return None };
    let text = |item: &'f Fact| if let Fact::Text(text) = item { text.as_str() } else { "(missing)" };
    Some(items.iter().map(text).collect())
}

/// How many items a list has; `None` where the list is missing.
fn count(facts: &Fact, name: &str) -> Option<usize> {
    if let Some(Fact::List(items)) = facts.get(name) { Some(items.len()) } else { None }
}

//! The real program on a host that does not answer: it ends at its limits, threads that the kernel holds included, with a
//! whole report set that says what was not reached.

use std::path::Path;
use std::time::{Duration, Instant};

use super::GRACE;
use super::mount::Mount;
use crate::audit::Lab;

/// Audits the laboratory with these limits and a dead mount over a folder of it; returns the published folder, which
/// verifies, and how long it took.
fn audit(dead: &str, limits: &str) -> (tempfile::TempDir, Duration) {
    let lab = Lab::new();
    let file = lab.path("cutgate.toml");
    let package = std::fs::read_to_string(&file).expect("the package");
    let (before, _) = package.split_once("[limits]").expect("limits come last");
    std::fs::write(&file, format!("{before}[limits]\n{limits}\n")).expect("write");
    let mount = Mount::dead(lab.path(dead));
    let begun = Instant::now();
    let out = crate::harness::open_dir();
    let output = lab.cutgate(&["audit", "--out", out.path().to_str().expect("UTF-8")]);
    let took = begun.elapsed();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("UNKNOWN") && said.contains("timed out"), "{said}");
    drop(mount);
    let published = std::fs::read_dir(out.path()).expect("reports").map(|entry| entry.expect("entry").path());
    let folder = published.filter(|path| path.is_dir()).last().expect("a published folder");
    let reports = std::fs::read_dir(&folder).expect("reports").map(|entry| entry.expect("entry").path());
    assert_eq!(reports.filter(|path| path.extension().is_some_and(|kind| kind == "md")).count(), 9);
    let verified = lab.cutgate(&["verify", folder.to_str().expect("UTF-8")]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
    (out, took)
}

fn reports(out: &Path) -> String {
    let files = walkdir::WalkDir::new(out).into_iter().map(|entry| entry.expect("entry").into_path());
    let reports = files.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    reports.map(|path| std::fs::read_to_string(path).expect("a report")).collect()
}

/// Every gate that reads nothing there is judged as ever.
#[test]
fn an_audit_ends_at_the_limit_of_an_access() {
    let (out, took) = audit("host/opt/cutter/v0.6", "audit = \"60s\"\nprobe = \"30s\"\nread = \"1s\"");
    // What is measured is read before and after, so that one limit is met three times.
    assert!(took < Duration::from_secs(3) + 2 * GRACE, "{took:?}");
    let reports = reports(out.path());
    assert!(reports.contains("this did not come back within 1 s"), "{reports}");
    assert!(reports.contains("empty keyring"), "what can be read is judged: {reports}");
}

#[test]
fn an_audit_ends_at_its_deadline() {
    let (out, took) = audit("host/opt/cutter/v0.6", "audit = \"3s\"\nprobe = \"3s\"\nread = \"3s\"");
    assert!(took < Duration::from_secs(3) + 2 * GRACE, "{took:?}");
    assert!(reports(out.path()).contains("the audit's deadline came first"));
}

/// Nothing at all can be read, and no wait comes before the limits.
#[test]
fn an_audit_of_a_root_prefix_that_does_not_answer_ends_too() {
    let (_, took) = audit("host", "audit = \"3s\"\nprobe = \"2s\"\nread = \"1s\"");
    assert!(took < Duration::from_secs(1 + 3) + 2 * GRACE, "{took:?}");
}

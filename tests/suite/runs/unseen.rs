//! Invisible is not absent: whoever may not read the requests does not say that no run was started.

use std::process::Command;

use super::{Approved, text};
use crate::harness::{as_nobody, open_dir};

#[test]
fn an_audit_that_may_not_read_the_requests_does_not_know_whether_a_run_was_started() {
    let approved = Approved::misbehaving();
    approved.lab.shell("chmod 755 .. . && chmod 700 requests");
    let out = open_dir();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(out.path(), mode).unwrap();
    let audit = || {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&approved.lab.dir);
        command.args(["audit", "--out"]).arg(out.path()).output().unwrap()
    };
    let seen = as_nobody(audit);
    let said = text(&seen.stdout);
    assert_eq!(seen.status.code(), Some(3), "{said}{}", text(&seen.stderr));
    assert!(said.contains("result: C") && said.contains("whether a run was started is not known"), "{said}");
    assert!(!said.contains("no run was started"), "{said}");
    let reports = std::fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().path());
    let report = reports.flat_map(std::fs::read_dir).flatten().map(|entry| entry.unwrap().path());
    let mut report = report.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("08"));
    let report = std::fs::read_to_string(report.find(|path| path.extension().is_some_and(|it| it == "md")).unwrap());
    let report = report.unwrap();
    assert!(report.contains("production_run_executed: NOT KNOWN"), "{report}");
    assert!(report.contains("not_result_D: whether a run was started is not known"), "{report}");
    assert!(!report.contains("no run was started"), "{report}");
}

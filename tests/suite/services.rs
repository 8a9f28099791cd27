//! Rows of the attestation over services and leftover dumps: an audit during which a program restarts the service, or leaves a dump
//! behind, says CHANGED; one during which nothing happens says NOT DONE; and what could not be seen is NOT ATTESTED.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::states::container::Container;
use crate::states::services::{Running, SLEEPS};

const GATE: &str = r#"
id = "answers"
gap = "GAP-1"
stage = "G0"
title = "the tool answers"
remedy = "Install it."

[probe.machine]
kind = "host"
tools = ["meanwhile"]
search_path = "FOLDER/bin"

[[check]]
id = "found"
tier = "essential"
require = "machine.missing_tools.exists(t, t == \"none\") || machine.tools[0].found"
otherwise = "it is not there"
next = "install it"
"#;

/// A row of an audit's attestation.
pub struct Row {
    pub status: String,
    pub ground: String,
    pub before: String,
    pub after: String,
    pub letter: String,
}

/// Writes a package that measures this, and runs this script while the gate's tool is asked for its version: after the
/// measures were read the first time, and before the second.
pub fn package(dir: &Path, measure: &str, facts: &str, meanwhile: &str) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/memory.toml")).unwrap();
    let (package, _) = text.split_once("\n---\n").unwrap();
    let row = format!(
        "{measure}\n[[forbidden]]\nid = \"it\"\naction = \"Do it\"\nbasis = \"measured\"\nmeasures = [{facts}]\n\n\
         [[forbidden]]\nid = \"started\"\naction = \"Start others\"\nbasis = \"attributable\"\nproof = \"processes-started\"\n"
    );
    std::fs::create_dir_all(dir.join("gates")).unwrap();
    std::fs::create_dir_all(dir.join("bin")).unwrap();
    std::fs::write(dir.join("cutgate.toml"), format!("{package}\n{row}")).unwrap();
    std::fs::write(dir.join("gates/answers.toml"), GATE.replace("FOLDER", &dir.display().to_string())).unwrap();
    // Written by another process: a child of another test may still hold what this one writes.
    std::fs::write(
        dir.join("source"),
        format!(
            "#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\ncd {}\n{meanwhile}\necho meanwhile 1.0\n",
            dir.display()
        ),
    )
    .unwrap();
    let mut install = Command::new("install");
    install.args(["-m", "755"]).arg(dir.join("source")).arg(dir.join("bin/meanwhile"));
    assert!(install.status().unwrap().success());
}

/// Audits, and gives the row `Do it`.
pub fn attested(mut cutgate: Command, dir: &Path) -> Row {
    let output = cutgate.current_dir(dir).args(["audit", "--format", "json"]).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let tool = &said["gates"][0]["state"];
    assert_eq!(tool, "CLOSED", "the program ran: {said:#}");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let row = said["attestation"].as_array().unwrap().iter().find(|row| row["action"] == "Do it").expect("the row");
    Row {
        status: word(&row["status"]),
        ground: word(&row["ground"]),
        before: word(&row["before"]),
        after: word(&row["after"]),
        letter: word(&said["result"]["letter"]),
    }
}

fn here() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
    command.env_clear();
    command
}

const PID_FILE: &str = "[measure.it]\nkind = \"services\"\nservices = { it = { pid_file = \"it.pid\" } }\n";
const INSTANCE: &str = "\"it.services.it.instance\"";

#[test]
fn a_process_that_was_exchanged_during_the_audit_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start("sleep", &["600"]);
    std::fs::write(dir.path().join("it.pid"), format!("{}\n", running.0.id())).unwrap();
    package(dir.path(), PID_FILE, INSTANCE, "");
    let row = attested(here(), dir.path());
    assert_eq!(row.status, "NOT DONE", "{}", row.ground);
    assert_eq!(row.before, row.after);
    assert!(row.before.contains(&format!("pid {} tick ", running.0.id())), "{}", row.before);
    // Its program's group is killed when it ends: what is to stay has a group of its own.
    let exchange = "kill $(cat it.pid); setsid sleep 60 >/dev/null 2>&1 </dev/null & echo $! > it.pid; \
                    until grep -q sleep /proc/$!/comm; do sleep 0.05; done";
    package(dir.path(), PID_FILE, INSTANCE, exchange);
    let row = attested(here(), dir.path());
    let seen = format!("{}: {} {}", row.ground, row.before, row.after);
    assert_eq!((row.status.as_str(), row.letter.as_str()), ("CHANGED", "C"), "{seen}");
    assert!(row.before.contains("pid ") && row.after.contains("pid ") && row.before != row.after, "{seen}");
    let end =
        "kill $(cat it.pid); while grep -q 'sleep) [RSD]' /proc/$(cat it.pid)/stat 2>/dev/null; do sleep 0.05; done";
    package(dir.path(), PID_FILE, INSTANCE, end);
    let row = attested(here(), dir.path());
    let seen = format!("{}: {} {}", row.ground, row.before, row.after);
    assert_eq!((row.status.as_str(), row.letter.as_str()), ("CHANGED", "C"), "{seen}");
    // Now it is gone before and after: that is no proof that nobody restarted it.
    package(dir.path(), PID_FILE, INSTANCE, "");
    let row = attested(here(), dir.path());
    assert_eq!(row.status, "NOT ATTESTED", "{}", row.ground);
    std::fs::remove_file(dir.path().join("it.pid")).unwrap();
    let row = attested(here(), dir.path());
    assert_eq!(row.status, "NOT ATTESTED", "{}", row.ground);
    assert!(row.ground.contains("absent before and after"), "{}", row.ground);
}

#[test]
fn a_unit_that_was_restarted_during_the_audit_is_seen() {
    let container = Container::boot();
    container.unit("it", SLEEPS);
    container.shell("systemctl start it");
    let dir = tempfile::tempdir().unwrap();
    let measure = "[measure.it]\nkind = \"services\"\nservices = { it = { unit = \"it.service\" } }\n";
    let audit = |meanwhile: &str| {
        package(dir.path(), measure, INSTANCE, meanwhile);
        attested(container.command(dir.path(), assert_cmd::cargo::cargo_bin("cutgate")), dir.path())
    };
    let row = audit("");
    assert_eq!(row.status, "NOT DONE", "{}", row.ground);
    assert!(row.before.contains("invocation "), "{}", row.before);
    let row = audit("systemctl reload-or-restart it");
    assert_eq!((row.status.as_str(), row.letter.as_str()), ("CHANGED", "C"), "{}", row.ground);
    let row = audit("systemctl stop it");
    assert_eq!(row.status, "CHANGED", "{}", row.ground);
    let row = audit("systemctl start it; systemctl stop it");
    assert_eq!(row.status, "NOT ATTESTED", "it is stopped both times: {}", row.ground);
    let evidence = std::fs::read_dir(dir.path().join("reports")).unwrap().flatten();
    let result = evidence.map(|entry| entry.path().join("result.json")).find(|path| path.exists()).expect("a result");
    let result = std::fs::read_to_string(result).unwrap();
    assert!(result.contains("/systemctl show"), "the programs that were started are named: {result}");
}

const DUMPS: &str = "[measure.left]\nkind = \"leftover-dumps\"\nfolder = \"work\"\n";
const LISTS: &str = "\"left.dumps\", \"left.opaque\"";

#[test]
fn a_dump_that_was_left_behind_is_seen_whatever_its_name_is() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().join("work");
    let audit = |meanwhile: &str| {
        package(dir.path(), DUMPS, LISTS, meanwhile);
        attested(here(), dir.path())
    };
    let row = audit("");
    assert_eq!(row.status, "NOT ATTESTED", "there is no folder: {}", row.ground);
    std::fs::create_dir(&work).unwrap();
    std::fs::write(work.join("old"), "PGDMP and so on").unwrap();
    for (meanwhile, status) in [
        ("", "NOT DONE"),
        ("echo said > work/notes.txt", "NOT DONE"),
        ("printf -- '-- PostgreSQL database dump\\n' > work/notes.txt", "CHANGED"),
        ("rm work/notes.txt", "CHANGED"),
        ("echo x | gzip > work/x", "CHANGED"),
        ("printf more >> work/old", "CHANGED"),
        ("rm work/old work/x", "CHANGED"),
        ("", "NOT DONE"),
    ] {
        let row = audit(meanwhile);
        assert_eq!(row.status, status, "{meanwhile}: {} {} {}", row.ground, row.before, row.after);
    }
    // Root is refused nothing: a file that cannot be read is on a disk that fails.
    let _failing = crate::states::Mount::serving(work.join("more"), crate::states::fuse::Served::Error(5));
    let row = audit("");
    assert_eq!(row.status, "NOT ATTESTED", "{}", row.ground);
    assert!(row.ground.contains("could not be measured: error"), "{}", row.ground);
    let mode = std::fs::metadata(&work).unwrap().permissions().mode();
    assert_ne!(mode & 0o700, 0, "the folder is left as it was");
}

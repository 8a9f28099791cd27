//! `snapshot`: gates out of a host as it is, which close there and fail once it is another.

use std::fs;
use std::process::Output;

use crate::traps::Trap;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// A laboratory with a snapshot of itself in force, as the command says it is put there.
fn with_snapshot() -> Trap {
    let trap = Trap::new();
    let output = trap.cutgate(&["snapshot"]);
    // What is no file of the host, or has no content, is named; everything was read.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", said(&output));
    let next = text(&output.stdout).lines().find_map(|line| line.split_once("then ").map(|(_, next)| next.to_owned()));
    let next = next.expect("the next step").replace("cutgate -p", &format!("{} -p", program()));
    trap.shell(&format!("{next} > checked"));
    let checked = fs::read_to_string(trap.path("checked")).unwrap();
    assert!(checked.ends_with("are in order\n"), "{checked}");
    trap
}

fn program() -> String {
    assert_cmd::cargo::cargo_bin("cutgate").display().to_string()
}

/// The states of the new gates.
fn states(trap: &Trap, gates: &[&str]) -> Vec<String> {
    let output = trap.cutgate(&["audit", "--only", &gates.join(","), "--format", "json"]);
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    let gates = answer["gates"].as_array().unwrap();
    gates.iter().map(|gate| format!("{} {}", gate["id"].as_str().unwrap(), gate["state"].as_str().unwrap())).collect()
}

#[test]
fn a_snapshot_closes_where_it_was_taken_and_fails_elsewhere() {
    let trap = with_snapshot();
    let gates: Vec<String> = fs::read_dir(trap.path("snapshot/gates"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut gates: Vec<&str> = gates.iter().map(String::as_str).collect();
    gates.sort_unstable();
    for kind in ["snapshot-files", "snapshot-keyring-1", "snapshot-tools-1", "snapshot-tree-1", "snapshot-tree-2"] {
        assert!(gates.contains(&kind), "{kind}: {gates:?}");
    }
    let all = states(&trap, &gates);
    assert!(all.iter().all(|state| state.ends_with(" CLOSED")), "{all:?}");
    // They hold fast by the judge of `gates test`, too: each fails, is unknown, and notices every change of its rules.
    let tested = trap.cutgate(&[&["gates", "test"], &gates[..]].concat());
    assert_eq!(tested.status.code(), Some(0), "{}", said(&tested));
    let audit = trap.cutgate(&["audit", "--format", "json"]);
    assert_eq!(audit.status.code(), Some(0), "{}", said(&audit));
    assert!(text(&audit.stdout).contains("changing what snapshot-tree-1 holds fast"));
    trap.shell("rm -r reports");
    // Each change of the host is seen by the gate that holds it fast.
    for (change, back, gate) in [
        ("chmod 640 host/etc/cutter/cutter.toml", "chmod 644 host/etc/cutter/cutter.toml", "snapshot-files"),
        ("echo '# x' >> host/etc/cutter/cutter.toml", "sed -i '$d' host/etc/cutter/cutter.toml", "snapshot-files"),
        ("chown 12345 keys/backup.asc", "chown $(id -u) keys/backup.asc", "snapshot-files"),
        ("mv kb kb2", "mv kb2 kb", "snapshot-files"),
        ("echo x > host/opt/cutter/v0.4/x", "rm host/opt/cutter/v0.4/x", "snapshot-tree"),
        ("ln -s /etc host/opt/cutter/v0.7/x", "rm host/opt/cutter/v0.7/x", "snapshot-tree"),
        ("mkfifo host/opt/cutter/v0.4/x", "rm host/opt/cutter/v0.4/x", "snapshot-tree"),
        (
            "cp -a gnupg aside; gpg --homedir gnupg --batch --quiet --import keys/trusted.asc 2>/dev/null",
            "rm -r gnupg; mv aside gnupg",
            "snapshot-keyring",
        ),
    ] {
        trap.shell(change);
        let seen = states(&trap, &gates);
        let open: Vec<_> = seen.iter().filter(|state| !state.ends_with(" CLOSED")).collect();
        assert!(open.len() == 1 && open[0].starts_with(gate) && open[0].ends_with(" OPEN"), "{change}: {seen:?}");
        trap.shell(back);
        assert_eq!(states(&trap, &gates), all, "{back}");
    }
}

#[test]
fn what_could_not_be_read_gets_no_gate() {
    let trap = Trap::new();
    trap.shell(
        "chmod 000 host/etc/cutter/cutter.toml; ln -s cutter.toml host/etc/cutter/link; mkfifo host/etc/cutter/fifo",
    );
    let args = ["snapshot", "--path", "/etc/cutter/link", "--path", "/etc/cutter/fifo", "--path", "/no/such"];
    let output = trap.cutgate_without_rights(&args);
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    for expected in [
        "no gate for path /etc/cutter/cutter.toml: denied: ",
        "no gate for path /etc/cutter/link: a symlink leads there",
        "no gate for path /etc/cutter/fifo: it is a ",
        "no gate for path /no/such: absent: ",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    let gate = fs::read_to_string(trap.path("snapshot/gates/snapshot-files.toml")).unwrap();
    assert!(!gate.contains("\"/etc/cutter/cutter.toml\"") && gate.contains("\"/etc/cutter/cutter.env\""), "{gate}");
    // Of a file with secrets neither digest nor content is written down, and a registry may change.
    let line = |path: &str| gate.lines().position(|line| line.contains(&format!("path = \"{path}\""))).unwrap();
    let first = gate.lines().position(|line| line.starts_with("paths = [")).unwrap() + 1;
    for (path, content) in [("/etc/cutter/cutter.env", false), ("governance.db", false), ("keys/backup.asc", true)] {
        let at = line(path) - first;
        assert_eq!(gate.contains(&format!("paths[{at}].sha256")), content, "{path}\n{gate}");
    }
    assert!(!trap.path("gates/snapshot-files.toml").exists(), "the package is not touched");
    assert_eq!(trap.cutgate(&["snapshot"]).status.code(), Some(2), "the folder is not empty");
    assert!(!trap.path("reports").exists());
}

/// A package that lists its gates is told what to add.
#[test]
fn a_list_of_gates_wants_the_new_ones() {
    let trap = Trap::new();
    trap.replace("cutgate.toml", "[package]\n", "[package]\ngates = [\"gpg-keyring\", \"safe-target\", \"provisioning\", \"live-code-path\", \"sovereign-ruling\", \"revert-tested\", \"dry-run-proof\", \"deployed-artifact\", \"governance-principal\"]\n");
    let output = trap.cutgate(&["snapshot", "--out", "new"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", said(&output));
    assert!(said(&output).contains("add to `gates` in [package]: \"snapshot-files\", "), "{}", said(&output));
}

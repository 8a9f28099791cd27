//! What cannot be read, and what a tool says.

use super::Trap;

const AUDIT: [&str; 3] = ["audit", "--format", "json"];

#[test]
fn an_unreadable_file_under_a_positive_assertion() {
    let trap = Trap::new();
    trap.shell("chmod 000 host/etc/cutter/cutter.toml");
    let seen = trap.blocked_in(&trap.cutgate_without_rights(&AUDIT));
    // The trial reading of GAP-1 knows that it is refused; what stands in the file, nobody knows.
    assert_eq!(seen.gaps["GAP-1"].0, "OPEN");
    let (state, reason) = &seen.gaps["GAP-5"];
    assert!(state == "UNKNOWN" && reason.contains("denied"), "{reason}");
    assert_eq!(seen.code, 3);
}

#[test]
fn an_unreadable_file_under_a_negative_assertion() {
    // "No file beside those of the manifest": there may be any number of them in there.
    let trap = Trap::new();
    trap.shell("mkdir -m 000 host/opt/cutter/v0.7/closed");
    let seen = trap.blocked_in(&trap.cutgate_without_rights(&AUDIT));
    let (state, reason) = &seen.gaps["GAP-1"];
    assert!(state == "UNKNOWN" && reason.contains("closed"), "{reason}");
    // And a negation of a gate's own: the list of locks is not known to be empty.
    let trap = Trap::new();
    let probe = "kind = \"provisioning\"\npaths = [{ path = \"/opt\", kind = \"directory\" }]\nlocks = \"/srv/locks\"";
    trap.gate(probe, "!it.locks.exists(l, l.age_seconds > 60)");
    trap.shell("mkdir -p host/srv && mkdir -m 000 host/srv/locks");
    let seen = trap.blocked_in(&trap.cutgate_without_rights(&AUDIT));
    assert!(
        seen.gaps["GAP-10"].0 == "UNKNOWN" && seen.gaps["GAP-10"].1.contains("denied"),
        "{:?}",
        seen.gaps["GAP-10"]
    );
}

#[test]
fn a_query_error_text_taken_as_output() {
    let trap = Trap::new();
    trap.gate(
        "kind = \"sql\"\nurl = \"{database.url}\"\n[probe.it.queries.answers]\nsql = \"SELECT id FROM no_such_table\"\ncolumns = { id = \"text\" }",
        "!it.rows.answers.exists(a, a.id == 'revoked')",
    );
    let seen = trap.blocked();
    seen.only("GAP-10", "UNKNOWN", "no such table");
}

#[test]
fn one_probe_failing_beside_others_that_pass() {
    // The keyring of those who may sign is rubbish: records of drills are read, and nobody's signature on them.
    let trap = Trap::new();
    trap.shell("head -c 300 /dev/urandom > keys/trusted.asc");
    let seen = trap.blocked();
    assert_eq!((seen.gaps["GAP-6"].0.as_str(), seen.code), ("UNKNOWN", 3), "{:?}", seen.gaps["GAP-6"]);
    let others = ["GAP-1", "GAP-3", "GAP-4", "GAP-5", "GAP-9"];
    assert!(others.iter().all(|gap| seen.gaps[*gap].0 == "CLOSED"), "{:#?}", seen.gaps);
}

#[test]
fn a_tool_that_prints_an_error_and_exits_0() {
    // A tool that says its version is in order: in each of the others the words alone make the difference.
    let trap = Trap::new();
    trap.tool("#!/bin/sh\necho 'tool (of a test) 1.4.2'\n");
    assert_eq!(trap.audit().code, 0);
    for said in [
        "error: cannot open shared object file",
        "tool: unknown option --version",
        "Usage: tool FILE",
        "fatal: version 2.0 of the library is needed",
    ] {
        std::fs::write(trap.path("tool"), format!("#!/bin/sh\necho '{said}'\nexit 0\n")).unwrap();
        let judged = trap.cutgate(&["audit", "--only", "GAP-1"]);
        assert_eq!(judged.status.code(), Some(3), "{said}");
    }
    trap.blocked().only("GAP-1", "UNKNOWN", "its output tells no version");
}

#[test]
fn a_phase_that_falls_through_to_the_simulator() {
    let trap = Trap::new();
    trap.shell(
        "sed -i 's/^            return self.passed({\"verify_result\": 1})/            self.discoverer.simulate_write_verify(ctx)\\n&/' host/opt/cutter/v0.7/cutter/phases/write_verify.py",
    );
    // Deployed, pinned, run dry and rehearsed as it is: the code alone is wrong.
    crate::stock_gates::ready::deploy(&trap.lab);
    trap.shell("rm records/dry-run-*.json");
    trap.lab.follow("GAP-1");
    trap.lab.follow("GAP-2");
    trap.lab.follow("GAP-8");
    crate::stock_gates::ready::rehearse(&trap.lab);
    trap.blocked().only("GAP-9", "OPEN", "would fall through to the simulator in write_verify");
}

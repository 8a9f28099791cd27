//! What happens on the host while the audit reads it. A tool whose version is asked for makes it happen; the probes that
//! it is about have long answered by then.

use super::Trap;

/// Waits until every other probe has answered, and does something to the host.
fn meanwhile(does: &str) -> Trap {
    let trap = Trap::new();
    let script =
        format!("#!/bin/sh\nPATH=/usr/bin:/bin\nsleep 1.5\ncd {}\n{does}\necho tool 1.0\n", trap.lab.dir.display());
    trap.tool(&script);
    trap
}

#[test]
fn a_lock_file_that_appears_during_the_audit() {
    let trap = meanwhile("echo $$ > host/var/lib/cutter/locks/run.lock");
    trap.blocked().only("GAP-5", "UNKNOWN", "it changed while the audit was reading");
}

#[test]
fn a_directory_swapped_for_a_symlink_during_the_audit() {
    let state = "host/var/lib/cutter";
    let trap = meanwhile(&format!("mv {state}/runs {state}/elsewhere && ln -s elsewhere {state}/runs"));
    trap.blocked().only("GAP-5", "UNKNOWN", "it changed while the audit was reading");
    // The deployed tree, by a copy to the byte.
    let tree = "host/opt/cutter/v0.7";
    let trap = meanwhile(&format!("cp -a {tree} {tree}-copy && mv {tree} {tree}-old && ln -s v0.7-copy {tree}"));
    let seen = trap.blocked();
    for gap in ["GAP-1", "GAP-2", "GAP-9"] {
        assert_eq!(seen.gaps[gap].0, "UNKNOWN", "{gap}: {:#?}", seen.gaps);
    }
}

#[test]
fn a_file_rewritten_during_the_audit() {
    // The same bytes and the same length, so that only the file system knows.
    let trap = meanwhile("cp -p host/etc/cutter/cutter.toml new && mv new host/etc/cutter/cutter.toml");
    let (state, reason) = &trap.blocked().gaps["GAP-5"];
    assert!(state == "UNKNOWN" && reason.contains("it changed while the audit was reading"), "{reason}");
    let trap = meanwhile("echo '# an approval' > kb/approvals/late.md");
    let seen = trap.blocked();
    assert_eq!(seen.gaps["GAP-7"].0, "UNKNOWN", "{:?}", seen.gaps["GAP-7"]);
}

//! Gates, expressions and packages that say nothing, or something else than they seem to.

use std::fs;

use super::{Trap, text};
use cutgate::report::format::FORMATS;

/// A probe that answers, with a list that is not empty and one that is.
const STATE: &str = "kind = \"provisioning\"\npaths = [{ path = \"/opt/cutter\", kind = \"directory\" }]\nlocks = \"{paths.state_locks}\"";

/// The gate of the traps below closes where its rule holds.
#[test]
fn without_a_trap_the_rule_holds() {
    let trap = Trap::new();
    trap.gate(STATE, "it.paths.all(p, p.exists) && it.lock_count == 0");
    let seen = trap.audit();
    assert_eq!((seen.code, seen.gaps["GAP-10"].0.as_str()), (0, "CLOSED"), "{seen:#?}");
}

#[test]
fn a_gate_file_that_is_missing() {
    // Named in the list of gates, and not there.
    let trap = Trap::new();
    trap.gate(STATE, "it.paths.all(p, p.exists)");
    fs::remove_file(trap.path("gates/trap.toml")).unwrap();
    trap.refused(&["audit"], "GAP-10");
    let trap = Trap::new();
    trap.replace("cutgate.toml", "scheme = \"O8\"", "scheme = \"O8\"\ngates = [\"gpg-keyring\", \"provisioning-2\"]");
    trap.refused(&["audit"], "provisioning-2");
}

#[test]
fn a_misspelt_gate_probe_or_attribute() {
    let trap = Trap::new();
    trap.refused(&["audit", "--only", "provisionin"], "did you mean `provisioning`?");
    trap.gate(STATE, "it.paths.all(p, p.existss)");
    trap.refused(&["audit"], "existss");
    trap.gate_again(STATE, "itt.paths.all(p, p.exists)");
    trap.refused(&["audit"], "itt");
    trap.gate_again(&STATE.replace("provisioning", "provisionin"), "it.paths.all(p, p.exists)");
    trap.refused(&["audit"], "provisionin");
    trap.gate_again(&STATE.replace("locks =", "lock ="), "it.paths.all(p, p.exists)");
    trap.refused(&["audit"], "lock");
}

#[test]
fn an_error_inside_an_expression() {
    // A division by zero, an overflow, an element that is not there: each also under a negation.
    let rules = [
        "100 / size(it.locks) > 0",
        "!(100 / size(it.locks) > 0)",
        "it.paths[7].exists",
        "!it.paths[7].exists",
        "9223372036854775807 + size(it.paths) > 0",
        "it.lock_count == 0 && 100 / size(it.locks) > 0",
    ];
    let trap = Trap::new();
    trap.gate(STATE, rules[0]);
    let mut gate = fs::read_to_string(trap.path("gates/trap.toml")).unwrap();
    for (i, rule) in rules.iter().enumerate().skip(1) {
        gate.push_str(&format!(
            "\n[[check]]\nid = \"rule-{i}\"\ntier = \"essential\"\nrequire = \"{rule}\"\notherwise = \"no\"\n"
        ));
    }
    fs::write(trap.path("gates/trap.toml"), gate).unwrap();
    let seen = trap.blocked();
    seen.only("GAP-10", "UNKNOWN", "cannot be told");
    let gate = seen.result["gates"].as_array().unwrap().iter().find(|gate| gate["id"] == "trap").unwrap();
    let outcomes: Vec<_> = gate["checks"].as_array().unwrap().iter().map(|check| &check["outcome"]).collect();
    assert_eq!(outcomes, ["unknown"; 6]);
}

#[test]
fn a_rule_that_is_not_boolean() {
    let trap = Trap::new();
    for rule in ["size(it.paths)", "it.paths[0].kind", "it.paths"] {
        trap.gate_again(STATE, rule);
        trap.refused(&["audit"], "not a boolean");
    }
}

#[test]
fn two_gates_with_one_id() {
    let trap = Trap::new();
    trap.gate(STATE, "it.paths.all(p, p.exists)");
    trap.shell("cp gates/trap.toml gates/trap-2.toml");
    trap.refused(&["audit"], "trap");
}

#[test]
fn the_same_key_twice() {
    // In the package, in a gate, and in a file of the host: the second is not taken for the first, nor the first for it.
    let trap = Trap::new();
    trap.replace("cutgate.toml", "run_horizon = \"24h\"", "run_horizon = \"24h\"\nrun_horizon = \"1s\"");
    trap.refused(&["audit"], "is given twice");
    let trap = Trap::new();
    trap.gate(STATE, "it.paths.all(p, p.exists)");
    trap.replace("gates/trap.toml", "tier = \"essential\"", "tier = \"essential\"\ntier = \"completing\"");
    trap.refused(&["audit"], "is given twice");
    let trap = Trap::new();
    trap.shell("sed -i 's/^commit = .*/&\\n&/' host/etc/cutter/cutter.toml");
    trap.blocked().only("GAP-5", "UNKNOWN", "/etc/cutter/cutter.toml");
    let trap = Trap::new();
    trap.shell("sed -i 's/^BACKUP_GPG_FPR=.*/BACKUP_GPG_FPR=0000\\n&/' host/etc/cutter/cutter.env");
    let seen = trap.blocked();
    assert_ne!(seen.gaps["GAP-3"].0, "CLOSED");
}

#[test]
fn an_empty_expectation_list() {
    // `all()` over nothing would hold: no phase to rehearse, no role to exist, no tool to be there.
    let trap = Trap::new();
    let phases = "[\"pre_write_backup\", \"cut_leg_a\", \"leg_b_record\", \"write_verify\", \"lifecycle_enact\"]";
    trap.replace("cutgate.toml", &format!("phases = {phases}"), "phases = []");
    trap.refused(&["audit"], "names no phase");
    let trap = Trap::new();
    let roles = "[\"owner\", \"reader\", \"writer\", \"verifier\", \"enactor\", \"guard\"]";
    trap.replace("cutgate.toml", &format!("required_roles = {roles}"), "required_roles = []");
    trap.replace("cutgate.toml", "tools = [\"gpg\", \"python3\"]", "tools = []");
    let seen = trap.blocked();
    assert_eq!([&seen.gaps["GAP-1"].0, &seen.gaps["GAP-4"].0], ["OPEN", "OPEN"], "{:#?}", seen.gaps);
}

#[test]
fn everything_filtered() {
    let trap = Trap::new();
    trap.gate(STATE, "it.paths.filter(p, p.path == '/nowhere').all(p, p.exists)");
    trap.blocked().only("GAP-10", "OPEN", "all() over nothing does not hold");
    // Gates chosen away: what is left gives no result.
    let trap = Trap::new();
    trap.replace("cutgate.toml", "scheme = \"O8\"", "scheme = \"O8\"\ngates = []");
    trap.refused(&["audit"], "gates");
    let trap = Trap::new();
    let some = trap.cutgate(&["audit", "--only", "GAP-1"]);
    assert!(text(&some.stdout).contains("no result: 1 of 9 gates were judged"), "{}", text(&some.stdout));
    assert!(!text(&some.stdout).contains("APPROVAL_READY") && !trap.path("reports").exists());
}

#[test]
fn a_format_that_would_change_the_exit_code() {
    let trap = Trap::new();
    trap.shell("rm records/drills/first.json.asc");
    assert!(FORMATS.len() >= 3);
    for format in FORMATS {
        let file = format!("{}=out", format.name);
        let output = trap.cutgate(&["audit", "--format", format.name, "--format", &file]);
        assert_eq!(output.status.code(), Some(1), "{}: {}", format.name, text(&output.stderr));
    }
}

#[test]
fn an_id_that_is_a_prefix_of_another() {
    // GAP-1 is closed and GAP-10 is not: neither speaks for the other, in either order.
    let trap = Trap::new();
    trap.gate(STATE, "it.lock_count > 0");
    let seen = trap.blocked();
    seen.only("GAP-10", "OPEN", "it does not hold");
    assert_eq!(seen.result["result"]["decisive"], "GAP-10");
    assert_eq!(trap.cutgate(&["audit", "--only", "GAP-1"]).status.code(), Some(0));
    assert_eq!(trap.cutgate(&["audit", "--only", "GAP-10"]).status.code(), Some(1));
    assert_eq!(trap.cutgate(&["audit", "--only", "GAP"]).status.code(), Some(2));
    // A target whose name begins like a registered one, and the other way round.
    for (from, to) in
        [("target = \"ICX-GLOSS\"", "target = \"ICX-GLOS\""), ("target = \"ICX-GLOSS\"", "target = \"ICX-GLOSSARY\"")]
    {
        let trap = Trap::new();
        trap.replace("cutgate.toml", from, to);
        assert_eq!(trap.blocked().gaps["GAP-8"].0, "OPEN");
    }
    // A fingerprint of which only the end is pinned, as people write it.
    let trap = Trap::new();
    let fingerprint = trap.lab.shared.built.keys.operator.to_string();
    trap.replace(
        "cutgate.toml",
        &format!("operator = [\"{fingerprint}\"]"),
        &format!("operator = [\"{}\"]", &fingerprint[24..]),
    );
    trap.refused(&["audit"], "is a key id, which two keys can share");
}

#[test]
fn nothing_configured() {
    let empty = tempfile::tempdir().unwrap();
    for content in [None, Some(""), Some("[package]\n")] {
        if let Some(content) = content {
            fs::write(empty.path().join("cutgate.toml"), content).unwrap();
        }
        let mut command = assert_cmd::Command::cargo_bin("cutgate").unwrap();
        let output = command.env_clear().current_dir(empty.path()).arg("audit").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{content:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{content:?}");
    }
    // A register without gaps, and so without anything that could be open.
    let trap = Trap::new();
    let package = fs::read_to_string(trap.path("cutgate.toml")).unwrap();
    let kept: Vec<_> = package.split("\n[").filter(|table| !table.starts_with("gaps.")).collect();
    fs::write(trap.path("cutgate.toml"), kept.join("\n[")).unwrap();
    trap.refused(&["audit"], "no gaps");
}

impl Trap {
    /// Lays another gate in the place of the last one.
    fn gate_again(&self, probe: &str, require: &str) -> &Self {
        let package = fs::read_to_string(self.path("cutgate.toml")).unwrap();
        let kept = package.split("\n[gaps.GAP-10]").next().unwrap().to_owned();
        fs::write(self.path("cutgate.toml"), kept).unwrap();
        self.gate(probe, require)
    }
}

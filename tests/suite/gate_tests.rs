//! `gates test`: a gate's tests hold it fast or say where they do not, and never pass over nothing.

use std::fs;

use super::traps::Trap;

const STATE: &str = "kind = \"provisioning\"\npaths = [{ path = \"/opt/cutter\", kind = \"directory\" }]\nlocks = \"{paths.state_locks}\"";

const RULE: &str = "it.paths.all(p, p.exists) && it.lock_count <= 1";

/// Cases that hold the rule fast, on the evidence that the laboratory's audit recorded.
const CASES: &str = r#"
[[case]]
name = "one lock is allowed"
state = "CLOSED"
set."it.lock_count" = 1

[[case]]
name = "two locks are not"
state = "OPEN"
check = "trapped"
set."it.lock_count" = 2

[[case]]
name = "one of two paths is gone"
state = "OPEN"
set."it.paths" = [PATH, GONE]
"#;

fn run(trap: &Trap, args: &[&str]) -> (i32, String, String) {
    let output = trap.cutgate(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

fn append(trap: &Trap, text: &str) {
    let path = trap.path("gate-tests/trap.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + text).unwrap();
}

/// The path's facts as the case writes them, once as they were recorded and once gone.
fn cases(trap: &Trap) -> String {
    let copy = fs::read_dir(trap.path("gate-tests/evidence")).unwrap().next().expect("the copy").unwrap().path();
    let evidence: serde_json::Value = serde_json::from_slice(&fs::read(copy).unwrap()).unwrap();
    let probes = evidence["probes"].as_object().unwrap();
    let facts = probes
        .values()
        .map(|probe| &probe["facts"]["paths"])
        .find(|paths| paths.as_array().is_some_and(|all| all.len() == 1));
    let path = toml::Value::try_from(facts.expect("the trap's probe")[0].clone()).unwrap();
    let inline = |value: &toml::Value| value.to_string();
    let mut gone = path.clone();
    gone.as_table_mut().unwrap().insert("exists".to_owned(), false.into());
    CASES.replace("PATH", &inline(&path)).replace("GONE", &inline(&gone))
}

#[test]
fn tests_that_hold_a_gate_fast_pass_and_every_weaker_one_is_named() {
    let trap = Trap::new();
    trap.gate(STATE, RULE);
    let (code, stdout, stderr) = run(&trap, &["gates", "test"]);
    assert_eq!((code, stdout.as_str()), (2, ""), "nothing ran: {stderr}");
    assert!(stderr.contains("there is nothing to test") && stderr.contains("--start-from"), "{stderr}");

    assert_eq!(trap.cutgate(&["audit"]).status.code(), Some(0));
    let audit = fs::read_dir(trap.path("reports")).unwrap().map(|entry| entry.unwrap().path());
    let audit = audit.into_iter().find(|path| path.is_dir()).expect("the audit").display().to_string();
    let (code, stdout, stderr) = run(&trap, &["gates", "test", "--start-from", &audit]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("wrote: ") && stdout.contains("trap.toml"), "{stdout}");

    // What was written first has no failing case, and notices no change of the rule's border.
    let (code, stdout, _) = run(&trap, &["gates", "test"]);
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("no case expects OPEN or PARTIAL"), "{stdout}");
    assert!(stdout.contains("no case notices …l(p, p.exists) && it.lock_count [<= → <] 1"), "{stdout}");

    append(&trap, &cases(&trap));
    let (code, stdout, stderr) = run(&trap, &["gates", "test"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("+ trap: 5 cases, "), "{stdout}");
    assert!(stdout.contains("1 gate: every case holds, and every change of a rule was noticed"), "{stdout}");

    // A second start leaves what is there.
    let written = fs::read_to_string(trap.path("gate-tests/trap.toml")).unwrap();
    let (code, stdout, _) = run(&trap, &["gates", "test", "--start-from", &audit]);
    assert_eq!((code, stdout.contains("left as it is")), (0, true), "{stdout}");
    assert_eq!(fs::read_to_string(trap.path("gate-tests/trap.toml")).unwrap(), written);

    // The rule changes and the tests do not: each change is seen.
    for (weaker, said) in [
        (RULE.replace("<= 1", "<= 2"), "\"two locks are not\" is CLOSED, not OPEN by trapped"),
        (RULE.replace("&&", "||"), "is CLOSED, not OPEN"),
        (RULE.replace("all", "exists"), "\"one of two paths is gone\" is CLOSED, not OPEN"),
        ("it.lock_count <= 1".to_owned(), "\"one of two paths is gone\" is CLOSED, not OPEN"),
    ] {
        trap.replace("gates/trap.toml", RULE, &weaker);
        let (code, stdout, _) = run(&trap, &["gates", "test"]);
        assert_eq!(code, 1, "{weaker}: {stdout}");
        assert!(stdout.contains(said), "{weaker}: {stdout}");
        trap.replace("gates/trap.toml", &weaker, RULE);
    }

    // An entry for a change that is noticed, or that there is not, is itself a fault.
    let alike = "\n[[alike]]\ncheck = \"trapped\"\nchange = 'it.lock_count [<= → <] 1'\nwhy = \"it does not matter\"\n";
    append(&trap, alike);
    let (code, stdout, _) = run(&trap, &["gates", "test", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &json["gates"][0]["faults"][0]["kind"]), (1, &"not-alike".into()), "{stdout}");
}

#[test]
fn a_gate_of_the_package_without_tests_is_named() {
    let trap = Trap::new();
    trap.gate(STATE, RULE);
    fs::create_dir(trap.path("gate-tests")).unwrap();
    let gate = "now = \"2026-05-21T10:00:00Z\"\n[[case]]\nname = \"nothing\"\nstate = \"UNKNOWN\"\n";
    fs::write(trap.path("gate-tests/governance-principal.toml"), gate).unwrap();
    // Every probe must be given.
    let (code, _, stderr) = run(&trap, &["gates", "test"]);
    assert!(code == 2 && stderr.contains("nothing says what the probe `registry` brought back"), "{stderr}");
    assert!(stderr.contains("gate-tests/governance-principal.toml:2:1"), "{stderr}");
    fs::write(
        trap.path("gate-tests/governance-principal.toml"),
        format!("{gate}set.registry = {{ \"$missing\" = \"denied\" }}\n"),
    )
    .unwrap();
    let (code, stdout, _) = run(&trap, &["gates", "test"]);
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("- trap: no tests; write gate-tests/trap.toml"), "{stdout}");
    let (code, _, stderr) = run(&trap, &["gates", "test", "gpg-keyrin"]);
    assert!(code == 2 && stderr.contains("did you mean `gpg-keyring`?"), "{stderr}");
}

#[test]
fn a_wrong_file_is_refused_with_its_line_and_nothing_is_tested() {
    let trap = Trap::new();
    trap.gate(STATE, RULE);
    fs::create_dir(trap.path("gate-tests")).unwrap();
    let head = "now = \"2026-05-21T10:00:00Z\"\n[[case]]\nname = \"a\"\nstate = \"OPEN\"\n";
    for (text, said) in [
        ("[[case]]\nname = \"a\"\nstate = \"OPEN\"\n".to_owned(), "nothing says what the cases start from"),
        ("evidence = \"gone.json\"\n".to_owned(), "cannot read"),
        ("now = \"today\"\n".to_owned(), "this is no instant"),
        (head.replace("OPEN", "OPENED"), "there is no state `OPENED`"),
        (head.replace("name", "nam"), "unknown key `nam`"),
        (format!("{head}check = \"traped\"\n"), "the gate has no check `traped`"),
        (format!("{head}set.itt = {{}}\n"), "the gate has no probe `itt`"),
        (format!("{head}set.it = {{}}\n"), "the probe `it` brings no such facts"),
        (format!("{head}set.it = {{ \"$missing\" = \"gone\" }}\n"), "no such reason for a missing fact"),
        (format!("{head}set.\"it.lock_count\" = 1.5\n"), "facts have no fractions"),
        (format!("{head}set.\"it.paths.0.exists\" = true\n"), "there is no `paths`"),
        ("now = \"2026-05-21T10:00:00Z\"\n".to_owned(), "the file has no case"),
    ] {
        fs::write(trap.path("gate-tests/trap.toml"), &text).unwrap();
        let (code, stdout, stderr) = run(&trap, &["gates", "test"]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{text}: {stderr}");
        assert!(stderr.contains(said) && stderr.contains("gate-tests/trap.toml"), "{said} is not in\n{stderr}");
    }
    fs::rename(trap.path("gate-tests/trap.toml"), trap.path("gate-tests/trapp.toml")).unwrap();
    let (code, _, stderr) = run(&trap, &["gates", "test"]);
    assert!(code == 2 && stderr.contains("no gate `trapp` is in force") && stderr.contains("trap"), "{stderr}");
}

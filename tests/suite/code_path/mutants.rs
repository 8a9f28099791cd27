//! Single changes of the cutter's wired release: each that makes a live run write less, reach a simulator or slip past
//! the switch must be seen. Changes that change none of these, as the definitions have them, are counted apart.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use super::*;

/// A phase of the release: its module, the statement that writes, what holds the result, and its simulator.
struct Wired {
    phase: &'static str,
    class: &'static str,
    result: &'static str,
    write: &'static str,
}

const PHASES: [Wired; 5] = [
    Wired {
        phase: "pre_write_backup",
        class: "PreWriteBackupPhase",
        result: "ctx.dump",
        write: "backup.write(ctx.backup_path)",
    },
    Wired {
        phase: "cut_leg_a",
        class: "CutLegAPhase",
        result: "written",
        write: "ProdInformationUnitAdapter(ctx.connection).write_units(ctx.change_set_id, ctx.units)",
    },
    Wired {
        phase: "leg_b_record",
        class: "LegBRecordPhase",
        result: "written",
        write: "LedgerV2Cut(ctx.connection).record(entry)",
    },
    Wired {
        phase: "write_verify",
        class: "WriteVerifyPhase",
        result: "compared",
        write: "LedgerV2Verify(ctx.connection).verify(ctx.change_set_id, ctx.units)",
    },
    Wired {
        phase: "lifecycle_enact",
        class: "LifecycleEnactPhase",
        result: "moved",
        write: "LedgerV2Verify(ctx.connection).enact(ctx.change_set_id, len(ctx.units))",
    },
];

const GUARD: &str = "require_execution_enabled(ctx.run_id)";

/// What stands in the place of the write, line by line; `W` is the statement, `E` its expression, `N` what leaves the
/// phase without a write, `S` the call of the simulator.
const WRITES: &[(&str, &str)] = &[
    ("dropped", "N"),
    ("named, not called", "R\nN"),
    ("kept for later", "later = lambda: E\nN"),
    ("in a function that nobody calls", "def later():\n    return E\nN"),
    ("in a generator that nobody drives", "later = (E for _ in [0])\nN"),
    ("once for each note", "N\nfor _ in ctx.notes:\n    W"),
    ("only with notes", "N\nif ctx.notes:\n    W"),
    ("swallowed", "try:\n    W\nexcept Exception:\n    N"),
    ("swallowed whole", "try:\n    W\nexcept BaseException:\n    N"),
    ("suppressed", "import contextlib\nN\nwith contextlib.suppress(Exception):\n    W"),
    ("overridden", "try:\n    W\nfinally:\n    return self.passed({})"),
    ("in a thread", "import threading\nthreading.Thread(target=lambda: E).start()\nN"),
    ("after a return", "return self.passed({})\nW"),
    ("after a return with notes", "if ctx.notes:\n    return self.passed({})\nW"),
    ("simulated instead", "return self.passed(S)"),
    ("simulated before", "S\nW"),
    ("simulated when it fails", "try:\n    W\nexcept Exception:\n    return self.passed(S)"),
    ("simulated in any case", "try:\n    W\nfinally:\n    S"),
];

/// What stands in the place of the guard; `G` is the guard.
const GUARDS: &[(&str, &str)] = &[
    ("dropped", "pass"),
    ("named, not called", "require_execution_enabled"),
    ("swallowed", "try:\n    G\nexcept Exception:\n    pass"),
    ("suppressed", "import contextlib\nwith contextlib.suppress(Exception):\n    G"),
    ("only with notes", "if ctx.notes:\n    G"),
    ("kept for later", "check = lambda: G"),
    ("as an assertion", "from cutter.switch import execution_enabled\nassert execution_enabled()"),
    (
        "as a quiet return",
        "from cutter.switch import execution_enabled\nif not execution_enabled():\n    return self.passed({})",
    ),
    (
        "as a note",
        "from cutter.switch import execution_enabled\nif not execution_enabled():\n    ctx.note(self.name, 'off')",
    ),
];

/// Other tests of the mode, and what they do in a live run.
const TESTS: &[(&str, &str)] = &[
    ("of the other member", "if ctx.mode is Mode.DRYRUN:"),
    ("negated", "if ctx.mode is not Mode.LIVE:"),
    ("of a text that no member equals", "if ctx.mode == 'live':"),
    ("of an identity that never holds", "if ctx.mode is Mode:"),
];

/// Changes of the modules below the phases: a file, a text that stands in it once, what replaces it, and the phase
/// that then writes less or slips past the switch.
const BELOW: &[(&str, &str, &str, &str)] = &[
    ("adapters/prod_iu_adapter_canonical.py", "self.connection.commit()", "pass", "cut_leg_a"),
    ("adapters/prod_iu_adapter_canonical.py", "self.connection.commit()", "self.connection.commit", "cut_leg_a"),
    ("adapters/prod_iu_adapter_canonical.py", "self.connection.commit()", "self.connection.rollback()", "cut_leg_a"),
    ("adapters/prod_iu_adapter_canonical.py", "            raise\n", "            return 0\n", "cut_leg_a"),
    ("adapters/prod_iu_adapter_canonical.py", "            raise\n", "            pass\n", "cut_leg_a"),
    ("adapters/prod_iu_adapter_canonical.py", "            raise IntegrityError", "            print", "cut_leg_a"),
    ("adapters/prod_iu_adapter_canonical.py", "if not units:", "if units is None:", "cut_leg_a"),
    ("adapters/prod_iu_adapter_canonical.py", "for unit in units:", "for unit in units[1:]:", "cut_leg_a"),
    ("adapters/prod_iu_adapter_canonical.py", "for unit in units:", "for unit in []:", "cut_leg_a"),
    ("adapters/ledger_v2_canonical_cut.py", "self.connection.commit()", "pass", "leg_b_record"),
    ("adapters/ledger_v2_canonical_cut.py", "self.connection.commit()", "self.connection.commit", "leg_b_record"),
    ("adapters/ledger_v2_canonical_cut.py", "self.connection.commit()", "self.connection.rollback()", "leg_b_record"),
    ("adapters/ledger_v2_canonical_cut.py", "            raise\n", "            return 0\n", "leg_b_record"),
    ("adapters/ledger_v2_canonical_cut.py", "            raise\n", "            pass\n", "leg_b_record"),
    ("adapters/ledger_v2_canonical_cut.py", "        try:\n", "        return 4\n        try:\n", "leg_b_record"),
    (
        "adapters/ledger_v2_canonical_verify.py",
        "\"INSERT INTO cutter_governance.verify_result",
        "\"SELECT 1 -- ",
        "write_verify",
    ),
    (
        "adapters/ledger_v2_canonical_verify.py",
        "ENACT = \"UPDATE information_unit SET state = 'enacted' WHERE",
        "ENACT = \"SELECT 1 FROM information_unit WHERE",
        "lifecycle_enact",
    ),
    (
        "adapters/ledger_v2_canonical_verify.py",
        "if moved != expected:",
        "if moved != expected:\n                return moved\n            if moved < 0:",
        "lifecycle_enact",
    ),
    (
        "adapters/ledger_v2_canonical_verify.py",
        "            moved: int = cursor.rowcount\n",
        "            moved: int = cursor.rowcount\n            return moved\n",
        "lifecycle_enact",
    ),
    ("adapters/dialect.py", "    return statement\n", "    return \"SELECT 1\"\n", "write_verify"),
    ("adapters/backup_sqlite_gpg.py", "if encrypt.returncode != 0:", "if encrypt.returncode == 0:", "pre_write_backup"),
    ("adapters/backup_sqlite_gpg.py", "if encrypt.returncode != 0:", "if encrypt.returncode > 1:", "pre_write_backup"),
    (
        "adapters/backup_sqlite_gpg.py",
        "            raise BackupError(f\"gpg",
        "            print(f\"gpg",
        "pre_write_backup",
    ),
    (
        "adapters/backup_sqlite_gpg.py",
        "                \"gpg\", \"--homedir\"",
        "                \"true\", \"gpg\", \"--homedir\"",
        "pre_write_backup",
    ),
    (
        "adapters/backup_sqlite_gpg.py",
        "        encrypt = subprocess.run(",
        "        return seal(partial, path, self.fingerprint)\n        encrypt = subprocess.run(",
        "pre_write_backup",
    ),
    ("adapters/backup_pgdump_gpg.py", "            raise BackupError(", "            print(", "pre_write_backup"),
    ("adapters/backup_pgdump_gpg.py", "if encrypted != 0 or dumped != 0:", "if False:", "pre_write_backup"),
    (
        "adapters/backup_pgdump_gpg.py",
        "encrypted, dumped = encrypt.wait(), dump.wait()",
        "encrypted, dumped = 0, 0",
        "pre_write_backup",
    ),
    ("switch.py", "if not execution_enabled():", "if execution_enabled():", "cut_leg_a"),
    ("switch.py", "return __execution_enabled__ is True", "return True", "leg_b_record"),
    ("switch.py", "return __execution_enabled__ is True", "return __execution_enabled__ is not None", "write_verify"),
    ("switch.py", "        raise ExecutionDisabled(", "        ExecutionDisabled(", "lifecycle_enact"),
    ("switch.py", "        raise ExecutionDisabled(", "        return print(", "pre_write_backup"),
    ("mode.py", "    LIVE = \"live\"", "    LIVE = \"dryrun\"", "cut_leg_a"),
];

/// Changes that the definitions do not speak of: a run that returns has still written, no simulator is reached, and
/// the switch still refuses. Each with the reason; the answer may stay as it was.
const SAME: &[(&str, &str, &str, &str, &str)] = &[
    (
        "adapters/ledger_v2_canonical_cut.py",
        "            cursor.execute(spell(self.connection, INSERT_REVIEW), (entry.review_decision_id, key, at))\n",
        "",
        "leg_b_record",
        "one of five statements is gone, the others are still written",
    ),
    (
        "adapters/prod_iu_adapter_canonical.py",
        "            self.connection.rollback()\n",
        "",
        "cut_leg_a",
        "it is about what is left behind when it raises",
    ),
    (
        "adapters/backup_pgdump_gpg.py",
        "if encrypted != 0 or dumped != 0:",
        "if encrypted != 0:",
        "pre_write_backup",
        "gpg alone is named as a program whose success is a write",
    ),
    (
        "adapters/backup_pgdump_gpg.py",
        "if encrypted != 0 or dumped != 0:",
        "if encrypted != 0 and dumped != 0:",
        "pre_write_backup",
        "one of two named programs has succeeded",
    ),
    (
        "adapters/ledger_v2_canonical_verify.py",
        "        if departure:\n            raise",
        "        if departure and not rows:\n            raise",
        "write_verify",
        "it returns where it would raise, and has written the outcome before",
    ),
    (
        "phases/cut_leg_a.py",
        "            require_sealed(ctx.dump, ctx.run_id)\n",
        "",
        "cut_leg_a",
        "a guard of another kind than the kill switch",
    ),
];

/// One change.
struct Mutant {
    what: String,
    file: String,
    text: String,
    phase: String,
}

fn release() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cutter/v0.7")
}

fn source(file: &str) -> String {
    std::fs::read_to_string(release().join("cutter").join(file)).expect("the release has it")
}

/// A template in the place of a line, at the line's indentation.
fn in_place(text: &str, line: &str, template: &str) -> String {
    let at = text.find(line).unwrap_or_else(|| panic!("{line} stands in it"));
    assert_eq!(text.matches(line).count(), 1, "{line} stands in it once");
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = &text[start..at];
    let lines: Vec<String> = template.lines().map(|line| format!("{indent}{line}")).collect();
    format!("{}{}{}", &text[..start], lines.join("\n"), &text[at + line.len()..])
}

fn mutants_of(wired: &Wired) -> Vec<Mutant> {
    let file = format!("phases/{}.py", wired.phase);
    let text = source(&file);
    let statement = format!("{} = {}", wired.result, wired.write);
    let named = wired.write.rsplit_once('(').map_or(wired.write, |_| {
        // Up to the brackets of the last call of the chain.
        let method = wired.write.find(").").map_or(0, |at| at + 2);
        &wired.write[..wired.write[method..].find('(').map_or(wired.write.len(), |at| method + at)]
    });
    let nothing = if wired.result == "ctx.dump" { "pass".to_owned() } else { format!("{} = 0", wired.result) };
    let simulator = format!("self.discoverer.simulate_{}(ctx)", wired.phase);
    let fill = |template: &str| -> String {
        let each = template.lines().map(|line| {
            let bare = line.trim_start();
            let indent = &line[..line.len() - bare.len()];
            let bare = match bare {
                "W" => statement.clone(),
                "N" => nothing.clone(),
                "R" => named.to_owned(),
                "S" => simulator.clone(),
                "G" => GUARD.to_owned(),
                other => other
                    .replace("lambda: E", &format!("lambda: {}", wired.write))
                    .replace("lambda: G", &format!("lambda: {GUARD}"))
                    .replace("return E", &format!("return {}", wired.write))
                    .replace("(E for", &format!("({} for", wired.write))
                    .replace("passed(S)", &format!("passed({simulator})")),
            };
            format!("{indent}{bare}")
        });
        each.collect::<Vec<_>>().join("\n")
    };
    let mutant = |what: String, text: String| Mutant { what, file: file.clone(), text, phase: wired.phase.to_owned() };
    let mut all = Vec::new();
    for (what, template) in WRITES {
        all.push(mutant(format!("the write {what}"), in_place(&text, &statement, &fill(template))));
    }
    for (what, template) in GUARDS {
        all.push(mutant(format!("the guard {what}"), in_place(&text, GUARD, &fill(template))));
    }
    let after = in_place(&in_place(&text, GUARD, "pass"), &statement, &format!("{statement}\n{GUARD}"));
    all.push(mutant("the guard after the write".to_owned(), after));
    let stale = text.replace(
        "from cutter.switch import require_execution_enabled",
        "from cutter.switch import __execution_enabled__ as ENABLED",
    );
    let stale = in_place(&stale, GUARD, "if not ENABLED:\n    raise CutterError('off')");
    all.push(mutant("the guard with a stale switch".to_owned(), stale));
    for (what, test) in TESTS {
        all.push(mutant(format!("the test {what}"), in_place(&text, "if ctx.mode is Mode.LIVE:", test)));
    }
    let swapped = text.replace("is Mode.LIVE:", "is Mode.OTHER:").replace("is Mode.DRYRUN:", "is Mode.LIVE:");
    all.push(mutant("the branches swapped".to_owned(), swapped.replace("is Mode.OTHER:", "is Mode.DRYRUN:")));
    all
}

fn changed(file: &str, from: &str, to: &str, phase: &str) -> Mutant {
    let text = source(file);
    assert!(text.contains(from), "{file} has {from}");
    let text = text.replacen(from, to, 1);
    Mutant { what: format!("{from:?} is {to:?}"), file: file.to_owned(), text, phase: phase.to_owned() }
}

fn config_of(phase: &str) -> Value {
    let wired = PHASES.iter().find(|wired| wired.phase == phase).expect("a phase");
    json!({
        "mode": {"kind": "enum", "name": "cutter.mode.Mode", "live": "LIVE", "dry": "DRYRUN"},
        "kill_switch": [{"kind": "constant", "name": "cutter.switch.__execution_enabled__"}],
        "patterns": {
            "sinks": ["*.execute", "*.executemany", "cutter.adapters.*"],
            "command_sinks": ["pg_dump", "gpg"],
        },
        "phases": {phase: {"entry": format!("cutter.phases.{phase}:{}.run", wired.class), "carrier": "ctx.mode"}},
    })
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("make the folder");
    for entry in std::fs::read_dir(from).expect("list") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("copy");
        }
    }
}

/// The answers and the state of each mutant, by its place in the list.
fn judged(mutants: &[Mutant]) -> BTreeMap<usize, (String, String)> {
    let found = Mutex::new(BTreeMap::new());
    let next = Mutex::new(0..mutants.len());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let dir = tempfile::tempdir().expect("a folder");
                copy(&release(), &dir.path().join("tree"));
                loop {
                    let Some(index) = next.lock().expect("no panic").next() else { break };
                    let mutant = &mutants[index];
                    let path = dir.path().join("tree/cutter").join(&mutant.file);
                    let before = std::fs::read(&path).expect("read");
                    std::fs::write(&path, &mutant.text).expect("write");
                    let fact = collect(dir.path(), &config_of(&mutant.phase));
                    std::fs::write(&path, before).expect("write");
                    let phase = phase(&fact, &mutant.phase);
                    let said = format!("{:?}; {}", answers(phase), reasons(phase));
                    // The state is missing where it is UNKNOWN.
                    let state = match fact.at("state") {
                        Some(Fact::Missing(_)) => "UNKNOWN",
                        _ => text(&fact, "state"),
                    };
                    found.lock().expect("no panic").insert(index, (state.to_owned(), said));
                }
            });
        }
    });
    found.into_inner().expect("no panic")
}

/// Every mutant is a module that Python can compile: a syntax error would be caught for nothing.
fn assert_compiles(mutants: &[Mutant]) {
    let dir = tempfile::tempdir().expect("a folder");
    for (index, mutant) in mutants.iter().enumerate() {
        std::fs::write(dir.path().join(format!("m{index}.py")), &mutant.text).expect("write");
    }
    let mut python = Command::new("python3");
    let compiled = python.args(["-m", "compileall", "-q"]).arg(dir.path()).output();
    let compiled = compiled.expect("python3 runs: apt-get install python3");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
}

#[test]
fn the_wired_release_is_closed_and_each_change_of_it_is_seen() {
    let mut mutants: Vec<Mutant> = PHASES.iter().flat_map(mutants_of).collect();
    mutants.extend(BELOW.iter().map(|(file, from, to, phase)| changed(file, from, to, phase)));
    assert!(mutants.len() >= 180, "{}", mutants.len());
    assert_compiles(&mutants);
    let whole = PHASES.iter().map(|wired| Mutant {
        what: "nothing is changed".to_owned(),
        file: format!("phases/{}.py", wired.phase),
        text: source(&format!("phases/{}.py", wired.phase)),
        phase: wired.phase.to_owned(),
    });
    for (index, (state, said)) in judged(&whole.collect::<Vec<_>>()) {
        assert_eq!(state, "CLOSED", "{}: {said}", PHASES[index].phase);
    }
    let (mut missed, mut undecided) = (String::new(), 0);
    for (index, (state, said)) in judged(&mutants) {
        let mutant = &mutants[index];
        undecided += usize::from(state == "UNKNOWN");
        if state == "CLOSED" {
            let _ = writeln!(missed, "{}: {}: {said}", mutant.phase, mutant.what);
        }
    }
    assert!(missed.is_empty(), "\n{missed}");
    // Most are decided, not only doubted.
    assert!(undecided * 5 <= mutants.len(), "{undecided} of {} are unknown", mutants.len());
}

#[test]
fn changes_that_the_definitions_do_not_speak_of_change_no_answer() {
    let mutants: Vec<Mutant> = SAME.iter().map(|(file, from, to, phase, _)| changed(file, from, to, phase)).collect();
    assert_compiles(&mutants);
    for (index, (state, said)) in judged(&mutants) {
        let (.., reason) = SAME[index];
        assert_eq!(state, "CLOSED", "{}: {reason}: {said}", mutants[index].what);
    }
}

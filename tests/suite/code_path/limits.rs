//! What a limit cuts short is unknown, with the reason and the place: never absent, never decided by a part.

use std::time::{Duration, Instant};

use super::*;

/// A module whose import takes more steps than any analysis may: what comes after the loop is not seen.
fn slow() -> String {
    let numbers: String = (0..40).map(|n| format!("{n}, ")).collect();
    let loops: String = (0..5).map(|n| format!("{}for v{n} in ({numbers}):\n", "    ".repeat(n))).collect();
    format!(
        "def go(ctx):\n    return ctx.adapter.write(ctx.rows)\n\n{loops}{}pass\n\ndef go(ctx):\n    return None\n",
        "    ".repeat(5)
    )
}

fn tree(dir: &Path) -> Value {
    let module =
        format!("{HEAD}from app import slow\n\ndef run(ctx: Ctx):\n    gate.require()\n    return slow.go(ctx)\n");
    let other = module.replace("gate.require()", "gate.require()  # another");
    let root = dir.join("tree");
    write_tree(&root, FRAME);
    write_tree(&root, &[("app/phase.py", &module), ("app/other.py", &other), ("app/slow.py", &slow())]);
    let mut described = config("app.phase:run", "ctx.mode");
    described["phases"]["q"] = json!({"entry": "app.other:run", "carrier": "ctx.mode"});
    described
}

#[test]
fn out_of_time_is_timed_out_and_not_absent() {
    let dir = tempfile::tempdir().expect("a folder");
    let described = tree(dir.path());
    let limits = cutgate::probes::Limits { probe: Duration::from_millis(600), ..Default::default() };
    let given = json!({"tree": "tree", "config": described});
    let fact = harness::collect_within("code-path", dir.path(), given, limits).expect("facts");
    for name in ["p", "q"] {
        let phase = phase(&fact, name);
        for answer in ["live_write", "simulator_reachable", "guarded", "found"] {
            match phase.at(answer) {
                Some(Fact::Missing(missing)) => {
                    assert_eq!(missing.state, MissingState::TimedOut, "{missing}");
                    assert!(missing.said.contains("ran out of time"), "{missing}");
                }
                other => panic!("{answer} of {name} is {other:?}"),
            }
        }
    }
    assert!(reasons(phase(&fact, "p")).contains("(app/slow.py:"), "{}", reasons(phase(&fact, "p")));
}

#[test]
fn a_module_whose_import_was_cut_short_decides_nothing_for_a_later_phase() {
    let dir = tempfile::tempdir().expect("a folder");
    let described = tree(dir.path());
    let limits = cutgate::probes::Limits { probe: Duration::from_secs(120), ..Default::default() };
    let given = json!({"tree": "tree", "config": described});
    let fact = harness::collect_within("code-path", dir.path(), given, limits).expect("facts");
    for name in ["p", "q"] {
        assert_eq!(answers(phase(&fact, name)), ["unknown"; 3]);
        assert!(reasons(phase(&fact, name)).contains("ran out of steps"), "{}", reasons(phase(&fact, name)));
    }
}

/// A phase that writes at once on one path and takes more steps than any analysis may on the other, which then
/// returns without a write.
const HALF_FOLLOWED: &str = "def run(ctx: Ctx):
    gate.require()
    if ctx.rows:
        return ctx.adapter.write(ctx.rows)
    LOOPS
    return None
";

fn half_followed(first: &str) -> Vec<(String, String)> {
    let numbers: String = (0..40).map(|n| format!("{n}, ")).collect();
    let loops: String = (0..5).map(|n| format!("for v{n} in ({numbers}):\n{}", "    ".repeat(n + 2))).collect();
    let body = HALF_FOLLOWED.replace("LOOPS", &format!("{loops}{first}"));
    vec![("app/phase.py".to_owned(), format!("{HEAD}{body}"))]
}

#[test]
fn a_run_that_was_given_up_is_not_judged_by_the_paths_that_were_followed() {
    for first in ["pass", "ctx.discoverer.simulate_cut(ctx.rows)"] {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("tree");
        write_tree(&root, FRAME);
        let files = half_followed(first);
        write_tree(&root, &files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>());
        let limits = cutgate::probes::Limits { probe: Duration::from_secs(2), ..Default::default() };
        let given = json!({"tree": "tree", "config": config("app.phase:run", "ctx.mode")});
        let fact = harness::collect_within("code-path", dir.path(), given, limits).expect("facts");
        let phase = phase(&fact, "p");
        // Which limit comes first is the machine's affair.
        assert!(matches!(phase.at("live_write"), Some(Fact::Missing(_))), "{first}: {}", reasons(phase));
        assert_ne!(phase.at("simulator_reachable"), Some(&Fact::from("false")), "{first}");
        assert!(reasons(phase).contains("ran out of "), "{first}: {}", reasons(phase));
    }
}

/// Sixteen paths, each of which takes so many steps that all of them take more than an analysis may, and one does not.
/// `one` and `other` are never the same.
const MANY_PATHS: &str = "import os

def run(ctx: Ctx):
    gate.require()
    one, other = ('live', 'dry') if os.path.exists('a') else ('dry', 'live')
    b = 1 if os.path.exists('b') else 2
    c = 1 if os.path.exists('c') else 2
    d = 1 if os.path.exists('d') else 2
    LOOPS
    if TEST:
        ctx.discoverer.simulate_cut(ctx.rows)
    return ctx.adapter.write(ctx.rows)
";

#[test]
fn too_many_paths_are_merged_early_and_what_holds_on_all_of_them_is_answered() {
    let numbers: String = (0..40).map(|n| format!("{n}, ")).collect();
    let loops: String = (0..3).map(|n| format!("for v{n} in ({numbers}):\n{}", "    ".repeat(n + 2))).collect();
    let loops = format!("{loops}pass\n{0}pass", "    ".repeat(4));
    for (test, expected) in [
        ("one == 'neither'", ["always", "false", "true"]),
        // On merged paths both may be 'dry', which no real one comes to: neither true nor false.
        ("one == other == 'dry'", ["always", "unknown", "true"]),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("tree");
        write_tree(&root, FRAME);
        let body = MANY_PATHS.replace("LOOPS", &loops).replace("TEST", test);
        write_tree(&root, &[("app/phase.py", &format!("{HEAD}{body}"))]);
        let limits = cutgate::probes::Limits { probe: Duration::from_secs(300), ..Default::default() };
        let given = json!({"tree": "tree", "config": config("app.phase:run", "ctx.mode")});
        let fact = harness::collect_within("code-path", dir.path(), given, limits).expect("facts");
        let phase = phase(&fact, "p");
        assert_eq!(answers(phase), expected, "{test}: {}", reasons(phase));
    }
}

#[test]
fn a_run_that_neither_returns_nor_raises_decides_nothing() {
    let phase = one_phase("def run(ctx: Ctx):\n    gate.require()\n    while True:\n        pass\n");
    assert_eq!(answers(&phase)[..2], ["unknown"; 2], "{}", reasons(&phase));
    assert!(reasons(&phase).contains("no run could be followed to its end"), "{}", reasons(&phase));
}

/// Peak resident memory of the real program, MB, as the kernel counted it, and how it ended.
fn peak(dir: &Path) -> (f64, i32) {
    const ASK: &str = "import resource, subprocess, sys\ncode = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\nprint(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, code)";
    let program = assert_cmd::cargo::cargo_bin("cutgate");
    let output = Command::new("python3")
        .args(["-c", ASK])
        .arg(program)
        .args(["code-path", "tree", "--config", "code.toml", "--time-limit", "60s"])
        .current_dir(dir)
        .output()
        .expect("python3 is missing: apt-get install python3");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = said.split_whitespace().map(|word| word.parse::<f64>().expect("a number"));
    let kilobytes = words.next().expect("the peak");
    (kilobytes / 1024.0, words.next().expect("the status") as i32)
}

#[test]
fn memory_stays_within_what_the_tree_takes() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().join("tree");
    let body: String =
        (0..400).map(|n| format!("def f{n}(rows):\n    return [row + {n} for row in rows]\n\n")).collect();
    let names: Vec<String> = (0..1_500).map(|n| format!("many{}/part{n}.py", n % 7)).collect();
    write_tree(&root, &names.iter().map(|name| (name.as_str(), body.as_str())).collect::<Vec<_>>());
    let mut size = (body.len() * names.len()) as f64 / f64::from(1 << 20);
    let forks: String =
        (0..30).map(|n| format!("    if ctx.rows.count('{n}'):\n        v{n} = [ctx, {n}]\n")).collect();
    let deep = format!("X = {}1{}\n", "(".repeat(200_000), ")".repeat(200_000));
    size += deep.len() as f64 / f64::from(1 << 20);
    let module = format!(
        "{HEAD}from app import deep\n\ndef run(ctx: Ctx):\n    gate.require()\n{forks}    return ctx.adapter.write(ctx.rows)\n"
    );
    write_tree(&root, FRAME);
    write_tree(&root, &[("app/phase.py", &module), ("app/deep.py", &deep)]);
    let described = "[mode]\nkind = \"enum\"\nname = \"app.mode.Mode\"\nlive = \"LIVE\"\ndry = \"DRYRUN\"\n\n[[kill_switch]]\nkind = \"constant\"\nname = \"app.gate.__execution_enabled__\"\n\n[phases.p]\nentry = \"app.phase:run\"\ncarrier = \"ctx.mode\"\n";
    std::fs::write(dir.path().join("code.toml"), described).expect("write");
    let begun = Instant::now();
    let (peak, code) = peak(dir.path());
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(matches!(code, 0 | 3), "it ended with {code}");
    assert!(peak < size + 100.0, "{peak:.0} MB for {size:.0} MB of source");
}

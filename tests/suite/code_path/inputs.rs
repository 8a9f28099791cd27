//! Trees that are odd, broken, closed, deep or large.

use proptest::prelude::*;

use super::cutter::{WIRED, cutter, cutter_config};
use super::*;

#[test]
fn what_is_not_there_is_unknown_and_says_why() {
    let module = format!("{HEAD}def run(ctx: Ctx):\n    gate.require()\n    return ctx.adapter.write(ctx.rows)\n");
    let cases = [
        ("app.nowhere:run", "ctx.mode", "the entry's module app.nowhere is not in the tree"),
        ("app.phase:nothing", "ctx.mode", "app.phase has no nothing"),
        ("app.phase:Ctx.nothing", "ctx.mode", "app.phase has no Ctx.nothing"),
        ("app.phase:run", "context.mode", "the entry has no context.mode that could carry the mode"),
        ("app.phase:run", "", "no carrier says where the mode enters: name it with --carrier"),
        ("app.phase:run", "", "the parameters are ctx"),
        ("app.phase:typed", "", "no carrier says where the mode enters: write --carrier how"),
        ("app.phase:quoted", "", "write --carrier how, or carrier = \"how\""),
        ("app.phase:bare", "", "there is no parameter"),
    ];
    let more =
        "def typed(rows, how: Mode):\n    pass\ndef quoted(rows, *, how: 'Mode'):\n    pass\ndef bare():\n    pass\n";
    let module = module + more;
    for (entry, carrier, reason) in cases {
        let (_dir, fact) = one(&[("app/phase.py", &module)], &config(entry, carrier));
        let phase = phase(&fact, "p");
        assert_eq!(answers(phase), ["unknown"; 3]);
        assert!(reasons(phase).contains(reason), "{}", reasons(phase));
        assert_eq!(answer(&fact, "state"), "unknown");
        assert_eq!(texts(&fact, "phases_undecided"), ["p"]);
    }
    let mut without = config("app.phase:run", "ctx.mode");
    without["mode"]["live"] = json!("PRODUCTION");
    let (_dir, fact) = one(&[("app/phase.py", &module)], &without);
    assert_eq!(answers(phase(&fact, "p")), ["unknown"; 3]);
    without["phases"] = json!({});
    let (_dir, fact) = one(&[("app/phase.py", &module)], &without);
    assert_eq!(answer(&fact, "state"), "unknown");
}

#[test]
fn a_syntax_error_matters_where_the_phase_needs_the_module() {
    let good = format!("{HEAD}def run(ctx: Ctx):\n    gate.require()\n    return ctx.adapter.write(ctx.rows)\n");
    let (_dir, fact) =
        one(&[("app/phase.py", &good), ("app/elsewhere.py", "def broken(:\n")], &config("app.phase:run", "ctx.mode"));
    assert_eq!(text(&fact, "state"), "CLOSED", "{}", reasons(phase(&fact, "p")));
    let broken = "import psycopg\n\nclass Adapter:\n    def write(self, rows)\n        return 1\n";
    let (_dir, fact) =
        one(&[("app/phase.py", &good), ("app/adapter.py", broken)], &config("app.phase:run", "ctx.mode"));
    assert_eq!(answer(phase(&fact, "p"), "live_write"), "unknown");
    let failure = &list(&fact, "parse_failures")[0];
    assert_eq!(text(failure, "path"), "app/adapter.py");
    assert_eq!(text(failure, "place"), "app/adapter.py:4:26");
    let (_dir, fact) = one(&[("app/phase.py", "def run(ctx):\n  x = (\n")], &config("app.phase:run", "ctx.mode"));
    assert_eq!(answers(phase(&fact, "p")), ["unknown"; 3]);
}

#[test]
fn bytes_and_line_ends() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().join("tree");
    write_tree(&root, FRAME);
    let module = format!(
        "{HEAD}# \u{1ebf} \u{1d70b}\ndef run(ctx: Ctx):\n    gate.require(); n = '\u{1ebf}\u{1d70b}'; return ctx.adapter.write(ctx.rows)\n"
    );
    let module = format!("\u{feff}{}", module.replace('\n', "\r\n"));
    write_tree(&root, &[("app/phase.py", &module), ("app/empty.py", "")]);
    std::fs::write(root.join("app/latin.py"), b"# caf\xe9\nVERSION = '1'\n").expect("write");
    let fact = collect(dir.path(), &config("app.phase:run", "ctx.mode"));
    let phase = phase(&fact, "p");
    assert_eq!(answers(phase), ["always", "false", "true"], "{}", reasons(phase));
    assert_eq!(text(phase, "place"), "app/phase.py:8:5");
    let write = &list(phase, "writes")[0];
    assert_eq!(texts(write, "chain")[1], "app.adapter.Adapter.write (app/phase.py:9:38)");
    assert_eq!(fact.at("files"), Some(&Fact::Int(10)));
    // The same file where the phase needs it.
    let needing =
        format!("{HEAD}from app.latin import VERSION, go\n\ndef run(ctx: Ctx):\n    gate.require()\n    go()\n");
    write_tree(&root, &[("app/phase.py", &needing)]);
    let fact = collect(dir.path(), &config("app.phase:run", "ctx.mode"));
    assert_eq!(answer(&list(&fact, "phases")[0], "live_write"), "unknown");
    assert!(text(&list(&fact, "parse_failures")[0], "reason").contains("not UTF-8"));
}

#[test]
fn nesting_never_overflows() {
    let n = 10_000;
    let indented: String = (0..n).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect();
    let shapes = [
        format!("X = {}1{}\n", "(".repeat(n), ")".repeat(n)),
        format!("X = {}1{}\n", "[".repeat(n), "]".repeat(n)),
        format!("X = {}1{}\n", "{".repeat(n), "}".repeat(n)),
        format!("X = {}1\n", "not ".repeat(n)),
        format!("X = {}1\n", "-".repeat(n)),
        format!("X = x{}\n", ".a".repeat(n)),
        format!("X = x{}\n", "()".repeat(n)),
        format!("X = x{}\n", " + x".repeat(n)),
        format!("X = x{}\n", " ** x".repeat(n)),
        format!("X = {}1\n", "lambda: ".repeat(n)),
        format!("X = x{}\n", " if x else x".repeat(n)),
        format!("X = {}1{}\n", "f'{".repeat(n), "}'".repeat(n)),
        format!("X = {}\n", "(".repeat(n)),
        format!("def f():\n  {}1\n", "await ".repeat(n)),
        format!("{indented}{}pass\n", " ".repeat(n)),
        format!("if x:\n  pass\n{}", "elif x:\n  pass\n".repeat(n)),
        format!("X = {}1\n", "x = ".repeat(n)),
        format!("match x:\n  case {}1{}:\n    pass\n", "[".repeat(n), "]".repeat(n)),
    ];
    for shape in &shapes {
        let head = &shape[..shape.len().min(30)];
        let module =
            format!("{HEAD}from app import odd\n\ndef run(ctx: Ctx):\n    gate.require()\n    return odd.X(ctx)\n");
        let (_dir, fact) =
            one(&[("app/phase.py", &module), ("app/odd.py", shape)], &config("app.phase:run", "ctx.mode"));
        assert_eq!(answer(phase(&fact, "p"), "live_write"), "unknown", "{head}");
    }
}

#[test]
fn many_paths_and_long_chains() {
    let forks: String = (0..60).map(|i| format!("    if ctx.rows.count('{i}'):\n        v{i} = {i}\n")).collect();
    let phase =
        one_phase(&format!("def run(ctx: Ctx):\n    gate.require()\n{forks}    return ctx.adapter.write(ctx.rows)\n"));
    assert_eq!(answers(&phase), ["always", "false", "true"], "{}", reasons(&phase));
    let hops: String = (0..60).map(|i| format!("def hop{i}(ctx):\n    return hop{}(ctx)\n\n", i + 1)).collect();
    let phase = one_phase(&format!(
        "{hops}def hop60(ctx):\n    return ctx.adapter.write(ctx.rows)\n\ndef run(ctx: Ctx):\n    gate.require()\n    return hop0(ctx)\n"
    ));
    assert_eq!(answers(&phase), ["always", "false", "true"], "{}", reasons(&phase));
    let module =
        format!("{HEAD}from app import ring\n\ndef run(ctx: Ctx):\n    gate.require()\n    return ring.go(ctx)\n");
    let ring = "from app import other\n\ndef go(ctx):\n    return other.go(ctx)\n";
    let other = "from app import ring\nimport app.phase\n\ndef go(ctx):\n    return ctx.adapter.write(ctx.rows)\n";
    let (_dir, fact) = one(
        &[("app/phase.py", &module), ("app/ring.py", ring), ("app/other.py", other)],
        &config("app.phase:run", "ctx.mode"),
    );
    let around = list(&fact, "phases").first().expect("the phase");
    assert_eq!(answers(around), ["always", "false", "true"], "{}", reasons(around));
}

#[test]
fn imports_of_every_form() {
    let cases = [
        ("from .adapter import Adapter as A\n", "A"),
        ("from . import adapter\n", "adapter.Adapter"),
        ("import app.adapter\n", "app.adapter.Adapter"),
        ("import app.adapter as a\n", "a.Adapter"),
        ("from app.exports import Adapter as A\n", "A"),
        ("from app.exports import *\n", "Adapter"),
        ("import importlib\na = importlib.import_module('app.adapter')\n", "a.Adapter"),
    ];
    for (import, class) in cases {
        let module = format!(
            "{}{import}\ndef run(ctx: Ctx):\n    gate.require()\n    return {class}(ctx.conn).write(ctx.rows)\n",
            HEAD.replace("from app.adapter import Adapter, NullAdapter\n", "")
        );
        let (_dir, fact) = one(
            &[("app/phase.py", &module), ("app/exports.py", "from app.adapter import Adapter\n")],
            &config("app.phase:run", "ctx.mode"),
        );
        let phase = phase(&fact, "p");
        assert_eq!(answers(phase), ["always", "false", "true"], "{import}: {}", reasons(phase));
    }
    let unseen =
        ["from app.gone import Adapter as A\n", "from .gone import *\n", "from app.exports import Nothing as A\n"];
    for import in unseen {
        let module =
            format!("{HEAD}{import}\ndef run(ctx: Ctx):\n    gate.require()\n    return A(ctx.conn).write(ctx.rows)\n");
        let (_dir, fact) = one(
            &[("app/phase.py", &module), ("app/exports.py", "from app.adapter import Adapter\n")],
            &config("app.phase:run", "ctx.mode"),
        );
        assert_eq!(answer(phase(&fact, "p"), "live_write"), "unknown", "{import}");
    }
}

#[test]
fn an_absent_tree_is_absent_and_a_closed_one_denied() {
    let dir = harness::open_dir();
    let fact = collect(dir.path(), &cutter_config());
    assert_eq!(fact.at("present"), Some(&Fact::Bool(false)));
    let state = |fact: &Fact, name: &str| match fact.at(name) {
        Some(Fact::Missing(missing)) => missing.state,
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(state(&fact, "phases"), MissingState::Absent);
    assert_eq!(state(&fact, "state"), MissingState::Absent);
    let root = dir.path().join("tree");
    cutter(&root, Some(WIRED));
    let closed = |path: &str| {
        let path = root.join(path);
        let mode = |bits| std::os::unix::fs::PermissionsExt::from_mode(bits);
        let before = std::fs::metadata(&path).expect("it is there").permissions();
        std::fs::set_permissions(&path, mode(0o000)).expect("chmod");
        let fact = harness::as_nobody(|| collect(dir.path(), &cutter_config()));
        std::fs::set_permissions(&path, before).expect("chmod");
        assert_eq!(fact.at("present"), Some(&Fact::Bool(true)));
        assert_eq!(state(&fact, "phases"), MissingState::Denied, "{}", path.display());
        assert_eq!(state(&fact, "state"), MissingState::Denied, "{}", path.display());
    };
    closed("cutter/phases/cut_leg_a.py");
    closed("cutter/phases");
    closed("cutter/tests");
    let open = harness::as_nobody(|| collect(dir.path(), &cutter_config()));
    assert_eq!(text(&open, "state"), "CLOSED");
}

#[test]
fn the_tree_is_one_source_with_a_digest() {
    let dir = tempfile::tempdir().expect("a folder");
    cutter(&dir.path().join("tree"), None);
    let first = collect(dir.path(), &cutter_config());
    assert_eq!(first, collect(dir.path(), &cutter_config()), "the same tree gives the same facts");
    write_tree(&dir.path().join("tree"), &[("cutter/extra.py", "")]);
    assert_ne!(text(&first, "digest"), text(&collect(dir.path(), &cutter_config()), "digest"));
}

#[test]
fn time_over_is_unknown() {
    let dir = tempfile::tempdir().expect("a folder");
    cutter(&dir.path().join("tree"), Some(WIRED));
    let limits = cutgate::probes::Limits { probe: std::time::Duration::from_millis(1), ..Default::default() };
    let given = json!({"tree": "tree", "config": cutter_config()});
    match harness::collect_within("code-path", dir.path(), given, limits) {
        Ok(fact) => match fact.at("state") {
            Some(Fact::Missing(missing)) => {
                assert!(matches!(missing.state, MissingState::TimedOut | MissingState::Unreadable), "{missing}");
            }
            other => panic!("state is {other:?}"),
        },
        Err(missing) => assert_eq!(missing.state, MissingState::TimedOut),
    }
}

#[test]
fn a_wrong_description_is_refused_with_every_reason() {
    let probe = cutgate::probes::find("code-path").expect("the probe");
    let problems = |config: Value| probe.check(&harness::settings(json!({"tree": "tree", "config": config})));
    assert_eq!(problems(cutter_config()), []);
    let wrong = json!({
        "mode": {"kind": "enum", "name": "Mode", "live": "LIVE", "dry": "LIVE"},
        "kill_switch": [{"kind": "constant", "name": "enabled"}],
        "patterns": {"sinks": ["*"], "command_sinks": ["subprocess.run"], "simulators": ["**"]},
        "phases": {"p": {"entry": "cutter.phases", "carrier": "ctx mode"}},
    });
    let messages: Vec<String> = problems(wrong).into_iter().map(|problem| problem.message).collect();
    assert_eq!(
        messages,
        [
            "mode.live equals mode.dry",
            "mode.name \"Mode\" is no dotted class",
            "kill_switch.name \"enabled\" is not dotted",
            "patterns.sinks \"*\" matches everything",
            "patterns.simulators \"**\" matches everything",
            "patterns.command_sinks \"subprocess.run\" is no program's name",
            "phases.p.entry \"cutter.phases\" is no entry point",
            "phases.p.carrier \"ctx mode\" is no path",
        ]
    );
    let unknown = problems(json!({"mode": {"kind": "enum", "name": "a.B", "live": "L", "dry": "D"}, "phase": {}}));
    assert!(unknown[0].message.contains("unknown field `phase`"), "{unknown:?}");
}

/// Pieces of programs, good and bad, from which any soup can be made.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "def f(x):\n",
        "class C(B, metaclass=M):\n",
        "    ",
        "        ",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "return ",
        "yield ",
        "await ",
        "async ",
        "with a as b:\n",
        "for x in y:\n",
        "while True:\n",
        "try:\n",
        "except* E:\n",
        "finally:\n",
        "else:\n",
        "match x:\n",
        "case [a, *b]:\n",
        "case {'k': v, **r}:\n",
        "lambda *a, **k: ",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "=",
        ":=",
        "->",
        "@",
        "*",
        "**",
        ".",
        "...",
        "if x ",
        "import a.b\n",
        "from . import *\n",
        "global g\n",
        "nonlocal n\n",
        "del x[0]\n",
        "raise E from e\n",
        "assert x, y\n",
        "'",
        "\"\"\"",
        "f'{x!r:>{w}}'",
        "b'\\xff'",
        "\\",
        "\\\n",
        "#c\n",
        "0x",
        "1_000",
        "1e999",
        "not ",
        "in ",
        "is ",
        "None",
        "x",
        "self.y",
        "\u{1d5f1}ef",
        "\u{fb01}le",
        "\0",
        "type X[T] = int\n",
        "print(x)\n",
        "ctx.adapter.write(ctx.rows)\n",
        "exec('x')\n",
        ";",
        "pass\n",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.map(|piece| piece.as_bytes().to_vec()).to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(module in soup(), entry in soup()) {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("tree");
        write_tree(&root, FRAME);
        let good = format!("{HEAD}from app import odd\n\ndef run(ctx: Ctx):\n    gate.require()\n    return odd.f(ctx)\n");
        write_tree(&root, &[("app/phase.py", &good)]);
        std::fs::write(root.join("app/odd.py"), &module).expect("write");
        std::fs::write(root.join("app/entry.py"), [b"def run(ctx):\n".as_slice(), &entry].concat()).expect("write");
        let mut described = config("app.phase:run", "ctx.mode");
        described["phases"]["q"] = json!({"entry": "app.entry:run", "carrier": "ctx.mode"});
        let start = std::time::Instant::now();
        let fact = collect(dir.path(), &described);
        prop_assert!(start.elapsed() < std::time::Duration::from_secs(20));
        prop_assert_eq!(list(&fact, "phases").len(), 2);
        // Without a connection in it the soup proves no write: its own never closes.
        prop_assert!(answer(phase(&fact, "q"), "live_write") != "always", "{}", String::from_utf8_lossy(&entry));
    }
}

#[test]
fn many_functions_and_names_of_any_script() {
    let functions: String = (0..5_000)
        .map(|i| format!("def step{i}(ctx):\n    return step{}(ctx) if ctx.rows else {i}\n\n", i + 1))
        .collect();
    let module = format!(
        "{HEAD}{functions}class L\u{1edb}p:\n    def gh\u{1ecb}(self, ng\u{1eef}_c\u{1ea3}nh: Ctx):\n        return ng\u{1eef}_c\u{1ea3}nh.adapter.write(ng\u{1eef}_c\u{1ea3}nh.rows)\n\ndef run(ctx: Ctx):\n    gate.require()\n    return L\u{1edb}p().gh\u{1ecb}(ctx)\n"
    );
    let phase = one_phase(module.strip_prefix(HEAD).expect("it begins so"));
    assert_eq!(answers(&phase), ["always", "false", "true"], "{}", reasons(&phase));
    // Python takes both spellings for one name: what is assigned under one is read under the other.
    let phase = one_phase(
        "class Quiet:\n    def write(self, rows):\n        return None\n\ndef swap(c):\n    c.\u{1d41a}dapter = Quiet()\n\ndef run(ctx: Ctx):\n    gate.require()\n    swap(ctx)\n    return ctx.adapter.write(ctx.rows)\n",
    );
    assert_ne!(answer(&phase, "live_write"), "always", "{}", reasons(&phase));
}

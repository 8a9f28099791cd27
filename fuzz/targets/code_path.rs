//! Python trees. The analysis ends in time, and answers only what it could have seen: no write without a word
//! that writes, no switch where nothing asks it.

use std::time::Instant;

use serde_json::json;

use super::{files, folder, observe, write};
use cutgate::evidence::Fact;

const FRAME: &[(&str, &str)] = &[
    ("app/__init__.py", ""),
    ("app/mode.py", "import enum\n\nclass Mode(enum.Enum):\n    DRYRUN = 'dryrun'\n    LIVE = 'live'\n"),
    (
        "app/gate.py",
        "__execution_enabled__ = False\n\nclass Refused(Exception):\n    pass\n\ndef require():\n    if not __execution_enabled__:\n        raise Refused('off')\n\ndef enabled() -> bool:\n    return bool(__execution_enabled__)\n",
    ),
    ("app/sim.py", "class Discoverer:\n    def simulate_cut(self, rows):\n        return {'would': len(rows)}\n"),
    (
        "app/adapter.py",
        "import psycopg\n\nclass Adapter:\n    def __init__(self, conn: psycopg.Connection):\n        self.conn = conn\n\n    def write(self, rows):\n        with self.conn.cursor() as cur:\n            cur.execute('INSERT INTO unit_version (n) VALUES (%s)', (len(rows),))\n        self.conn.commit()\n        return len(rows)\n",
    ),
    (
        "app/context.py",
        "import psycopg\nfrom app.mode import Mode\nfrom app.adapter import Adapter\nfrom app.sim import Discoverer\n\nclass Ctx:\n    def __init__(self, mode: Mode, conn: psycopg.Connection, discoverer: Discoverer, rows: list):\n        self.mode = mode\n        self.conn = conn\n        self.adapter = Adapter(conn)\n        self.discoverer = discoverer\n        self.rows = rows\n",
    ),
];

const HEAD: &str = "import subprocess\nfrom app import gate\nfrom app.mode import Mode\nfrom app.context import Ctx\nfrom app.adapter import Adapter\n\n";

pub fn run(data: &[u8]) {
    let dir = folder();
    let tree = dir.path().join("tree");
    for (path, text) in FRAME {
        write(tree.join(path), text.as_bytes());
    }
    let files = files("phase", data);
    let mut text = HEAD.as_bytes().to_vec();
    text.extend(files.get("phase").copied().unwrap_or(b""));
    write(tree.join("app/phase.py"), &text);
    if let Some(more) = files.get("more") {
        write(tree.join("app/more.py"), more);
    }
    let config = json!({
        "mode": { "kind": "enum", "name": "app.mode.Mode", "live": "LIVE", "dry": "DRYRUN" },
        "kill_switch": [{ "kind": "constant", "name": "app.gate.__execution_enabled__" }],
        "phases": { "p": { "entry": "app.phase:run", "carrier": "ctx.mode" } },
    });
    let began = Instant::now();
    let facts = observe("code-path", dir.path(), json!({ "tree": "tree", "config": config })).expect("facts");
    let took = began.elapsed();
    assert!(took.as_secs() < 12, "a limit of 4 s, and it took {took:?}");
    let Some(Fact::List(phases)) = facts.get("phases") else { panic!("the tree was read: {facts:?}") };
    let [phase] = phases.as_slice() else { panic!("one phase: {facts:?}") };
    let holds = |name: &str, value: &str| phase.get(name) == Some(&Fact::text(value));
    let (body, more) = (files.get("phase").copied(), files.get("more").copied());
    let said = |words: &[&str]| {
        let in_text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            words.iter().any(|word| text.contains(word))
        };
        body.into_iter().chain(more).any(in_text)
    };
    if phase.get("found") != Some(&Fact::Bool(true)) {
        assert!(!holds("live_write", "always") && !holds("guarded", "true"), "{phase:?}");
        assert!(!holds("simulator_reachable", "false"), "{phase:?}");
    }
    // What never returns and never writes has written in every run that returns: words decide only where it returns.
    if !said(&["write", "execut", "copy", "Adapter", "adapter", "raise", "while", "assert", "run", "subprocess"]) {
        assert!(!holds("live_write", "always"), "{phase:?}");
    }
    if took.as_secs() < 1 {
        let config = json!({ "tree": "tree", "config": {
            "mode": { "kind": "enum", "name": "app.mode.Mode", "live": "LIVE", "dry": "DRYRUN" },
            "kill_switch": [{ "kind": "constant", "name": "app.gate.__execution_enabled__" }],
            "phases": { "p": { "entry": "app.phase:run", "carrier": "ctx.mode" } },
        } });
        assert_eq!(observe("code-path", dir.path(), config).expect("facts"), facts, "the same tree, the same answer");
    }
}

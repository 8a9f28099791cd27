//! The live code path: small trees with known answers; where a tree can be run, running it with a
//! recording database and simulator proves that the answer is sound.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use cutgate::evidence::{Fact, MissingState};
use serde_json::{Value, json};

use super::harness;

mod concern;
mod cutter;
mod idioms;
mod idioms_of_objects;
mod inputs;
mod limits;
mod meaning;
mod mutants;
mod replaced;
mod witness;

/// The modules around `app/phase.py` in the table below.
pub const FRAME: &[(&str, &str)] = &[
    ("app/__init__.py", ""),
    ("app/mode.py", "import enum\n\nclass Mode(enum.Enum):\n    DRYRUN = 'dryrun'\n    LIVE = 'live'\n"),
    (
        "app/gate.py",
        "__execution_enabled__ = False\n\nclass Refused(Exception):\n    pass\n\ndef require():\n    if not __execution_enabled__:\n        raise Refused('off')\n\ndef enabled() -> bool:\n    return bool(__execution_enabled__)\n",
    ),
    (
        "app/sim.py",
        "class Discoverer:\n    \"\"\"Simulator-only bodies; no production write path is reachable.\"\"\"\n    called = 0\n    def simulate_cut(self, rows):\n        Discoverer.called = Discoverer.called + 1\n        return {'would': len(rows)}\n",
    ),
    (
        "app/adapter.py",
        r#"import psycopg

class Adapter:
    """Writes for real."""
    def __init__(self, conn: psycopg.Connection):
        self.conn = conn

    def write(self, rows):
        with self.conn.cursor() as cur:
            cur.execute("INSERT INTO unit_version (n) VALUES (%s)", (len(rows),))
        self.conn.commit()
        return len(rows)

    def peek(self):
        cur = self.conn.cursor()
        cur.execute("SELECT 1")
        return cur.fetchone()

class NullAdapter(Adapter):
    def write(self, rows):
        return 0
"#,
    ),
    ("app/loud.py", "from app.sim import Discoverer\nDiscoverer().simulate_cut([])\n"),
    (
        "app/context.py",
        r#"import psycopg
from app.mode import Mode
from app.adapter import Adapter
from app.sim import Discoverer

class Writer(Adapter):
    def log(self):
        pass

class Ctx:
    def __init__(self, mode: Mode, conn: psycopg.Connection, discoverer: Discoverer, rows: list):
        self.mode = mode
        self.conn = conn
        self.adapter = Writer(conn)
        self.discoverer = discoverer
        self.rows = rows
"#,
    ),
];

/// What `app/phase.py` begins with in the table below.
pub const HEAD: &str = "import subprocess\nfrom app import gate\nfrom app.mode import Mode\nfrom app.context import Ctx\nfrom app.adapter import Adapter, NullAdapter\n\n";

fn write_tree(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
        std::fs::write(path, text).expect("write the file");
    }
}

pub fn config(entry: &str, carrier: &str) -> Value {
    json!({
        "mode": {"kind": "enum", "name": "app.mode.Mode", "live": "LIVE", "dry": "DRYRUN"},
        "kill_switch": [{"kind": "constant", "name": "app.gate.__execution_enabled__"}],
        "phases": {"p": {"entry": entry, "carrier": carrier}},
    })
}

fn collect(dir: &Path, config: &Value) -> Fact {
    harness::collect("code-path", dir, json!({"tree": "tree", "config": config})).expect("facts")
}

fn text<'f>(fact: &'f Fact, path: &str) -> &'f str {
    match fact.at(path) {
        Some(Fact::Text(text)) => text,
        other => panic!("{path} is {other:?}"),
    }
}

fn list<'f>(fact: &'f Fact, path: &str) -> &'f [Fact] {
    match fact.at(path) {
        Some(Fact::List(items)) => items,
        other => panic!("{path} is {other:?}"),
    }
}

fn texts(fact: &Fact, path: &str) -> Vec<String> {
    let text = |item: &Fact| match item {
        Fact::Text(text) => text.clone(),
        other => panic!("{other:?} in {path}"),
    };
    list(fact, path).iter().map(text).collect()
}

fn phase<'f>(fact: &'f Fact, name: &str) -> &'f Fact {
    list(fact, "phases").iter().find(|phase| text(phase, "name") == name).expect("the phase")
}

/// The three answers about a phase; "unknown" for one that is missing because it could not be decided.
fn answers(phase: &Fact) -> [&str; 3] {
    ["live_write", "simulator_reachable", "guarded"].map(|name| answer(phase, name))
}

fn answer<'f>(fact: &'f Fact, path: &str) -> &'f str {
    match fact.at(path) {
        Some(Fact::Missing(missing)) => {
            // What a tree drawn by chance takes, nobody knows before.
            assert!(matches!(missing.state, MissingState::Unreadable | MissingState::TimedOut), "{missing}");
            "unknown"
        }
        Some(_) | None => text(fact, path),
    }
}

fn reasons(phase: &Fact) -> String {
    list(phase, "blocked_by")
        .iter()
        .map(|blocked| format!("{} ({})", text(blocked, "reason"), text(blocked, "place")))
        .collect::<Vec<_>>()
        .join("; ")
}

/// A tree of the frame with one phase.
fn one(files: &[(&str, &str)], config: &Value) -> (tempfile::TempDir, Fact) {
    let dir = tempfile::tempdir().expect("a folder");
    write_tree(&dir.path().join("tree"), FRAME);
    write_tree(&dir.path().join("tree"), files);
    let fact = collect(dir.path(), config);
    (dir, fact)
}

fn one_phase(body: &str) -> Fact {
    let module = format!("{HEAD}{body}");
    let (_dir, fact) = one(&[("app/phase.py", &module)], &config("app.phase:run", "ctx.mode"));
    phase(&fact, "p").clone()
}

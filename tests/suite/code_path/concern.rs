//! Of a large tree only the files that can matter to the phases are looked into; whoever can matter is found.

use super::*;

/// A phase that is given an adapter, in a tree with more files.
fn with(files: &[(&str, &str)]) -> Fact {
    let module =
        format!("{HEAD}def run(ctx: Ctx, adapter: Adapter):\n    gate.require()\n    return adapter.write(ctx.rows)\n");
    let described = config("app.phase:run", "ctx.mode");
    let (_dir, fact) = one(&[&[("app/phase.py", module.as_str())], files].concat(), &described);
    fact
}

fn write_of(fact: &Fact) -> String {
    answer(phase(fact, "p"), "live_write").to_owned()
}

const SILENT: &str = "class Silent(Adapter):\n    def write(self, rows):\n        return 0\n";

#[test]
fn strangers_are_hashed_and_not_looked_into() {
    let alone = with(&[]);
    // NullAdapter stands below Adapter and writes nothing.
    assert_eq!(write_of(&alone), "sometimes", "{}", reasons(phase(&alone, "p")));
    let stranger = [("stranger/noise.py", "# how an app is made\nclass Adapter(\n"), ("stranger/__init__.py", "")];
    let fact = with(&stranger);
    assert_eq!(write_of(&fact), "sometimes");
    assert!(list(&fact, "parse_failures").is_empty(), "it was parsed");
    assert_ne!(text(&fact, "digest"), text(&alone, "digest"), "it belongs to the tree");
}

#[test]
fn whoever_names_the_phases_is_found_however_far_around() {
    let closed = "class Writer:\n    def __init__(self, conn: psycopg.Connection):\n        self.conn = conn\n    def write(self, rows):\n        self.conn.execute('INSERT INTO t VALUES (1)')\n        self.conn.commit()\n";
    let own = format!("import psycopg\n{closed}");
    let module = "from app import gate\nfrom app.context import Ctx\nfrom app.own import Writer\n\ndef run(ctx: Ctx, adapter: Writer):\n    gate.require()\n    return adapter.write(ctx.rows)\n";
    let judged = |files: &[(&str, &str)]| {
        let all = [&[("app/phase.py", module), ("app/own.py", own.as_str())], files].concat();
        let (_dir, fact) = one(&all, &config("app.phase:run", "ctx.mode"));
        (write_of(&fact), reasons(phase(&fact, "p")))
    };
    let (alone, why) = judged(&[]);
    assert_eq!(alone, "always", "{why}");
    let silent = SILENT.replace("Adapter", "Writer");
    let direct = format!("from app.own import Writer\n{silent}");
    let by_text = format!("import importlib\nWriter = importlib.import_module('app.own').Writer\n{silent}");
    let through = format!("from third import Writer\n{silent}");
    let spelt = format!("from \u{ff41}pp.own import Writer\n{silent}");
    let third = ("third/__init__.py", "from app.own import Writer\n");
    let called =
        "from app.phase import run\nfrom fourth.stand import Stand\n\ndef main(ctx):\n    run(ctx, adapter=Stand())\n";
    let stand = "class Stand:\n    def write(self, rows):\n        return 0\n";
    let patched = "import psycopg\npsycopg.Connection.execute = print\n";
    let cases: [&[(&str, &str)]; 6] = [
        &[("other/silent.py", &direct)],
        &[("other/silent.py", &by_text)],
        &[("other/silent.py", &through), third],
        &[("other/silent.py", &spelt)],
        &[("other/main.py", called), ("fourth/stand.py", stand)],
        // It names nothing of the phases, but the library that they write with.
        &[("stranger/patch.py", patched)],
    ];
    for files in cases {
        let (answer, why) = judged(files);
        assert_ne!(answer, "always", "{files:?}: {why}");
    }
}

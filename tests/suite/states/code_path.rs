//! `code-path` in every state: a small tree whose one phase writes, and what can keep one from seeing that.

use std::os::unix::fs::symlink;
use std::time::Duration;

use super::{Asked, Room, Truth, matrix, state};
use crate::code_path::{FRAME, HEAD, config};

const TREE: &str = "opt/cutter";
const PHASE: &str = "opt/cutter/app/phase.py";
const WRITES: &str = "def run(ctx: Ctx):\n    gate.require()\n    return ctx.adapter.write(ctx.rows)\n";

/// The tree with a phase that writes.
fn tree(room: &Room) {
    phase(WRITES)(room);
}

/// The tree with this phase.
fn phase(body: &'static str) -> impl Fn(&Room) {
    move |room| {
        for (path, text) in FRAME {
            room.write(&format!("{TREE}/{path}"), text);
        }
        room.write(PHASE, format!("{HEAD}{body}"));
    }
}

fn tree_and(change: impl Fn(&Room)) -> impl Fn(&Room) {
    move |room| {
        tree(room);
        change(room);
    }
}

fn asked(rule: &str) -> Asked {
    let config = toml::Value::try_from(config("app.phase:run", "ctx.mode")).expect("TOML");
    Asked::of("code-path", format!("tree = \"/opt/cutter\"\nconfig = {config}"))
        .rule(rule)
        .shows(&["present"])
        .says(r#"{p.phases.map(f, f.name + ": " + f.summary)}"#)
}

#[test]
fn trees() {
    let table = asked(
        r#"p.phases.all(f, f.live_write == "always" && f.simulator_reachable == "false" && f.guarded == "true")"#,
    )
    .table([
        state("the phase writes and refuses while the switch is off", Truth::Holds, tree),
        state(
            "it only simulates",
            Truth::Fails,
            phase("def run(ctx: Ctx):\n    gate.require()\n    return ctx.discoverer.simulate_cut(ctx.rows)\n"),
        ),
        state(
            "it does not ask the switch",
            Truth::Fails,
            phase("def run(ctx: Ctx):\n    return ctx.adapter.write(ctx.rows)\n"),
        ),
        state("no such tree, the folder above can be searched", Truth::CannotBeKnown, |room| room.dir("opt", 0o755)),
        state("the folder above may not be searched", Truth::CannotBeKnown, tree_and(|room| room.mode("opt", 0o600)))
            .as_nobody(),
        state("an empty folder", Truth::CannotBeKnown, |room| room.dir(TREE, 0o755)),
        state("a file instead of the folder", Truth::CannotBeKnown, |room| room.write(TREE, "x")),
        state("a link that leads nowhere instead of the folder", Truth::CannotBeKnown, |room| {
            room.dir("opt", 0o755);
            symlink("gone", room.host(TREE)).expect("link");
        }),
        state("the folder may not be listed", Truth::CannotBeKnown, tree_and(|room| room.mode(TREE, 0o311)))
            .as_nobody(),
        state("a module may not be read", Truth::CannotBeKnown, tree_and(|room| room.mode(PHASE, 0o000))).as_nobody(),
        state(
            "a module that the phase does not use may not be read",
            Truth::CannotBeKnown,
            tree_and(|room| {
                room.write("opt/cutter/app/elsewhere.py", "");
                room.mode("opt/cutter/app/elsewhere.py", 0o000);
            }),
        )
        .as_nobody(),
        state(
            "the phase's module is not there",
            Truth::CannotBeKnown,
            tree_and(|room| {
                std::fs::remove_file(room.host(PHASE)).expect("remove");
            }),
        ),
        state("the module has no such function", Truth::CannotBeKnown, phase("")),
        state("a syntax error in the module", Truth::CannotBeKnown, phase("def run(ctx: Ctx):\n    x = (\n")),
        state(
            "a syntax error in a module that the phase does not use",
            Truth::Holds,
            tree_and(|room| room.write("opt/cutter/app/elsewhere.py", "def broken(:\n")),
        ),
        state("the module is not UTF-8", Truth::CannotBeKnown, tree_and(|room| room.write(PHASE, b"# caf\xe9\n"))),
        state("the module is empty", Truth::CannotBeKnown, tree_and(|room| room.write(PHASE, ""))),
        state("a module of 100 MB", Truth::CannotBeKnown, tree_and(|room| room.sparse(PHASE, 100 << 20))),
        state(
            "a FIFO that is no module of the phase",
            Truth::Holds,
            tree_and(|room| room.fifo("opt/cutter/app/fifo.py")),
        ),
        state(
            "the phase's module is a FIFO",
            Truth::CannotBeKnown,
            tree_and(|room| {
                std::fs::remove_file(room.host(PHASE)).expect("remove");
                room.fifo(PHASE);
            }),
        ),
        state(
            "what it calls is chosen when it runs",
            Truth::CannotBeKnown,
            phase("def run(ctx: Ctx):\n    gate.require()\n    return getattr(ctx.adapter, ctx.rows[0])(ctx.rows)\n"),
        ),
        state("the tree takes longer than the limit", Truth::CannotBeKnown, tree)
            .limits(|limits| limits.probe = Duration::from_millis(1))
            .mask("present = .*", "present = …")
            .mask(r"(?s)[pf](\.\w+)? is timed out: .*", "p.phases is timed out: where it was → what to look at"),
    ]);
    let about = "Whether every phase writes in a live run, cannot reach the simulator, and is refused while the switch is off. \
                 What the analysis cannot decide is missing, and never an answer.";
    matrix("code-path", about, vec![table]);
}

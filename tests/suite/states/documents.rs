//! `runbook` in every state.

use std::os::unix::fs::symlink;

use super::{Asked, Room, Truth, matrix, state};

const BOOKS: &str = "srv/runbooks";
const BOOK: &str = "srv/runbooks/revert.md";
const PHASES: [&str; 2] = ["cut_leg_a", "leg_b_record"];

/// The revert of one cut in these phases.
fn per_cut(phases: &[&str]) -> String {
    let section =
        |phase: &&str| format!("## Revert `{phase}`\n\n```sql\nDELETE FROM t WHERE run_id = :run_id;\n```\n\n");
    format!("# Revert of one cut\n\n{}", phases.iter().map(section).collect::<String>())
}

fn book(content: impl AsRef<[u8]> + Clone + 'static) -> impl Fn(&Room) {
    move |room| room.write(BOOK, content.clone())
}

/// A runbook that covers everything, and something else beside it.
fn beside(change: impl Fn(&Room)) -> impl Fn(&Room) {
    move |room| {
        room.write(BOOK, per_cut(&PHASES));
        change(room);
    }
}

#[test]
fn runbooks() {
    let table = Asked::of(
        "runbook",
        r#"path = "/srv/runbooks"
phases = ["cut_leg_a", "leg_b_record"]"#,
    )
    .rule("size(p.phases_missing) == 0")
    .shows(&["present", "phases_covered"])
    .says(r#"not reverted: {p.phases_missing}; {p.documents.map(d, d.path + ": " + d.why)}"#)
    .table([
        state("every phase has its revert", Truth::Holds, book(per_cut(&PHASES))),
        state("one phase has none", Truth::Fails, book(per_cut(&PHASES[..1]))),
        state(
            "the schema is torn down, no cut is reverted",
            Truth::Fails,
            book("# Rollback of `cut_leg_a`\n\n```sql\nDROP TABLE t;\n```\n"),
        ),
        state(
            "prose without a command",
            Truth::Fails,
            book("# Revert\n\n## `cut_leg_a`\n\nCall the operator.\n\n## `leg_b_record`\n\nDELETE it.\n"),
        ),
        state(
            "commands in comments and quotations",
            Truth::Fails,
            book(format!("# Revert\n\n<!--\n{}-->\n\n> DELETE FROM t WHERE run_id = :run_id;\n", per_cut(&PHASES))),
        ),
        state("an empty file", Truth::Fails, book("")),
        state("an empty folder", Truth::Fails, |room| room.dir(BOOKS, 0o755)),
        state("no such folder, the one above can be searched", Truth::CannotBeKnown, |room| room.dir("srv", 0o755)),
        state("the folder above may not be searched", Truth::CannotBeKnown, beside(|room| room.mode("srv", 0o600)))
            .as_nobody(),
        state("the folder may not be listed", Truth::CannotBeKnown, beside(|room| room.mode(BOOKS, 0o311))).as_nobody(),
        state("the runbook may not be read", Truth::CannotBeKnown, beside(|room| room.mode(BOOK, 0o000))).as_nobody(),
        state(
            "one beside it may not be read: it may say what is missing, or tear down",
            Truth::CannotBeKnown,
            beside(|room| {
                room.write("srv/runbooks/other.md", "# Other\n");
                room.mode("srv/runbooks/other.md", 0o000);
            }),
        )
        .as_nobody(),
        state("not UTF-8", Truth::CannotBeKnown, book(b"# R\xe9vert\n".to_vec())),
        state("a runbook of 100 MB", Truth::CannotBeKnown, |room| room.sparse(BOOK, 100 << 20)),
        state("a FIFO beside it", Truth::CannotBeKnown, beside(|room| room.fifo("srv/runbooks/fifo.md"))),
        state(
            "a link that leads nowhere beside it",
            Truth::CannotBeKnown,
            beside(|room| {
                symlink("gone.md", room.host("srv/runbooks/link.md")).expect("link");
            }),
        ),
        state(
            "a link out of the folder beside it",
            Truth::CannotBeKnown,
            beside(|room| {
                room.write("srv/elsewhere.md", "# Elsewhere\n");
                symlink("../elsewhere.md", room.host("srv/runbooks/link.md")).expect("link");
            }),
        ),
        state("a link that leads nowhere instead of the folder", Truth::CannotBeKnown, |room| {
            room.dir("srv", 0o755);
            symlink("gone", room.host(BOOKS)).expect("link");
        }),
        state(
            "more entries than the limit",
            Truth::CannotBeKnown,
            beside(|room| {
                (0..20).for_each(|number| room.write(&format!("srv/runbooks/{number}.md"), "# Note\n"));
            }),
        )
        .limits(|limits| limits.entries = 10),
    ]);
    let about =
        "Whether every mutating phase has a written revert. Written is not tested: that is the drill record's to say.";
    matrix("runbook", about, vec![table]);
}

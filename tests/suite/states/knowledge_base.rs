//! `knowledge-base` in every state.

use std::os::unix::fs::symlink;
use std::time::Duration;

use cutgate::evidence::{Fact, sha256_hex};
use serde_json::json;

use super::race::Race;
use super::{Asked, Room, State, Truth, matrix, state};
use crate::harness::{self, open_dir};
use crate::knowledge_base::{MACRO, PAYLOAD, RUN, approval};

const KB: &str = "srv/kb";

fn asked(rule: &str) -> Asked {
    Asked::of("knowledge-base", format!("root = \"/srv/kb\"\nmacro_id = \"{MACRO}\"\nrequests = \"/srv/runs\""))
        .rule(rule)
        .shows(&["present", "complete", "documents", "claims"])
        .says("{p.documents} documents; {p.candidates.map(c, c.path + \": \" + c.reasons.join(\"; \"))}")
}

/// A knowledge base with one open run and these documents.
fn documents(list: Vec<(&'static str, Vec<u8>)>) -> impl Fn(&Room) {
    move |room| {
        room.dir(KB, 0o755);
        room.write(&format!("srv/runs/{RUN}/payload.json"), PAYLOAD);
        for (name, content) in &list {
            room.write(&format!("{KB}/{name}"), content);
        }
    }
}

/// A knowledge base with an ordinary note, changed afterwards.
fn note_and(change: impl Fn(&Room)) -> impl Fn(&Room) {
    move |room| {
        documents(vec![("note.md", b"# Note\n".to_vec())])(room);
        change(room);
    }
}

#[test]
fn look_alikes() {
    let yes = |changes: &[(&str, &str)]| approval(changes).into_bytes();
    let row = |words: &'static str, content: Vec<u8>| -> State {
        state(words, Truth::Fails, documents(vec![("doc.md", content)]))
    };
    let text = |text: &str| text.as_bytes().to_vec();
    let table = asked("p.candidates.exists(c, c.counts)").table([
        row("every field of an approval, no signature", yes(&[])),
        state("every field of an approval, and a signature that nobody verified", Truth::Fails, {
            documents(vec![("doc.md", yes(&[])), ("doc.md.asc", text("-----BEGIN PGP SIGNATURE-----\n"))])
        }),
        row("a ruling that selects the next work order", text("---\nkind: ruling\nselects: WO-8\n---\nApproved.\n")),
        row("a ruling without fields", text("# Ruling\n\nO8 is next. Approved.\n")),
        row("a package that says approval_requested: NO", text("# O8 package\n\n- **approval_requested:** NO\n")),
        row("a form with a placeholder for the run", yes(&[("run_id", "<RUN_ID>")])),
        row("a form with a placeholder for the payload", yes(&[("payload_sha256", "<sha256>")])),
        row("the runner's own stub", yes(&[("generated_by", "cutter-runner")])),
        row("an approval of an older version", yes(&[("macro_id", "v0.5-o7-x"), ("run_id", "run-20260410-0001")])),
        row("expired", yes(&[("signed_utc", "2026-05-01T08:00:00Z")])),
        row("dated in the future", yes(&[("signed_utc", "2999-01-01T00:00:00Z")])),
        row("dated by the day only", yes(&[("signed_utc", "21 May")])),
        row("for another gate", yes(&[("gate", "SG_9_other")])),
        row("for another run", yes(&[("run_id", "run-20260520-0001")])),
        row("for another payload", yes(&[("payload_sha256", &"0".repeat(64))])),
        row("for SG_2 without a review decision", yes(&[("gate", "SG_2_lifecycle_authz")])),
        row("without allowance", yes(&[("allowance", "")])),
        row("allowance: implied", yes(&[("allowance", "implied")])),
        row("says of itself that it is spent", yes(&[("status", "consumed")])),
        row("a revocation", yes(&[("kind", "revocation")])),
        state("revoked by another document", Truth::Fails, {
            let revocation = format!("---\nkind: revocation\nrevokes: {RUN}\n---\n");
            documents(vec![("doc.md", yes(&[])), ("taken-back.md", revocation.into_bytes())])
        }),
        row("a report that only speaks of approval", text("# Report\n\nThe sovereign gave a GO: phê duyệt.\n")),
        row("fields below the front matter", text("# Approval\n\ngate: SG_1_cut_authz\nrun_id: run-7\n")),
        row(
            "fields deeper than the front matter has them",
            text("---\napproval: {gate: SG_1_cut_authz, run_id: run-7}\n---\n"),
        ),
        row("nothing that speaks of approval", text("# Notes\n\nUnauthorised, ongoing, category.\n")),
    ]);
    let about = "What looks like an approval and is none. What was read and does not count is known not to count.";
    matrix("knowledge-base: look-alikes", about, vec![table]);
}

/// How many documents the large knowledge base has in the suite; making 100,000 takes minutes, reading them
/// about 30 s of processor time in a debug build (measured by hand).
const MANY: usize = 5_000;

#[test]
fn documents_that_cannot_be_read() {
    let claims = "p.candidates.exists(c, c.claims)";
    let put =
        |name: &'static str, content: Vec<u8>| note_and(move |room| room.write(&format!("{KB}/{name}"), &content));
    let broken = |words: &'static str, content: &str| {
        state(words, Truth::CannotBeKnown, put("broken.md", content.as_bytes().to_vec()))
    };
    let table = asked(claims).table([
        state("an ordinary note", Truth::Fails, note_and(|_| ())),
        state("a document that claims to approve the run", Truth::Holds, put("a.md", approval(&[]).into_bytes())),
        state("an empty folder", Truth::Fails, documents(Vec::new())),
        state("no such folder, the one above can be searched", Truth::CannotBeKnown, |room| room.dir("srv", 0o755)),
        state("the folder above may not be searched", Truth::CannotBeKnown, note_and(|room| room.mode("srv", 0o600)))
            .as_nobody(),
        state("the folder may not be listed", Truth::CannotBeKnown, note_and(|room| room.mode(KB, 0o311))).as_nobody(),
        state(
            "a folder in it may not be listed",
            Truth::CannotBeKnown,
            note_and(|room| room.dir(&format!("{KB}/closed"), 0o000)),
        )
        .as_nobody(),
        state(
            "the names of a folder can be listed and not looked at",
            Truth::CannotBeKnown,
            note_and(|room| {
                room.write(&format!("{KB}/blind/a.md"), "# A\n");
                room.mode(&format!("{KB}/blind"), 0o644);
            }),
        )
        .as_nobody(),
        state(
            "a document may not be read",
            Truth::CannotBeKnown,
            note_and(|room| {
                room.write(&format!("{KB}/closed.md"), "# A\n");
                room.mode(&format!("{KB}/closed.md"), 0o000);
            }),
        )
        .as_nobody(),
        state(
            "a document may not be read, another claims",
            Truth::Holds,
            note_and(|room| {
                room.write(&format!("{KB}/a.md"), approval(&[]));
                room.write(&format!("{KB}/closed.md"), "# A\n");
                room.mode(&format!("{KB}/closed.md"), 0o000);
            }),
        )
        .as_nobody(),
        state("a file instead of the folder", Truth::CannotBeKnown, |room| room.write(KB, "x")),
        state("a link that leads nowhere instead of the folder", Truth::CannotBeKnown, |room| {
            room.dir("srv", 0o755);
            symlink("gone", room.host(KB)).expect("link");
        }),
        state("Latin-1", Truth::CannotBeKnown, put("latin.md", b"# R\xe9vision\n".to_vec())),
        state("UTF-16", Truth::CannotBeKnown, put("utf16.md", b"\xff\xfe#\0 \0x\0".to_vec())),
        broken("front matter that is not closed", "---\ngate: SG_1_cut_authz\n\n# Approval\n"),
        broken("front matter that is no YAML", "---\ngate: [\n---\n"),
        broken("front matter with a key twice", "---\nrun_id: <RUN_ID>\nrun_id: run-1\n---\n"),
        broken("front matter with an alias", "---\na: &a [x]\nb: [*a]\n---\n"),
        broken("front matter that is no TOML", "+++\ngate = SG_1\n+++\n"),
        state(
            "a document of 100 MB",
            Truth::CannotBeKnown,
            note_and(|room| room.sparse(&format!("{KB}/huge.md"), 100 << 20)),
        ),
        state("a FIFO among the documents", Truth::CannotBeKnown, note_and(|room| room.fifo(&format!("{KB}/fifo.md")))),
        state(
            "a socket among the documents",
            Truth::CannotBeKnown,
            note_and(|room| room.socket(&format!("{KB}/socket"))),
        ),
        state(
            "links that lead to each other",
            Truth::CannotBeKnown,
            note_and(|room| {
                symlink("b.md", room.host(format!("{KB}/a.md"))).expect("link");
                symlink("a.md", room.host(format!("{KB}/b.md"))).expect("link");
            }),
        ),
        state(
            "a link that leads nowhere",
            Truth::CannotBeKnown,
            note_and(|room| {
                symlink("gone.md", room.host(format!("{KB}/a.md"))).expect("link");
            }),
        ),
        state(
            "a link to a folder outside",
            Truth::CannotBeKnown,
            note_and(|room| {
                room.dir("elsewhere", 0o755);
                symlink("../../elsewhere", room.host(format!("{KB}/more"))).expect("link");
            }),
        ),
        state(
            "a link to a folder inside, and one to itself",
            Truth::Fails,
            note_and(|room| {
                room.write(&format!("{KB}/sub/b.md"), "# B\n");
                symlink("sub", room.host(format!("{KB}/more"))).expect("link");
                symlink(".", room.host(format!("{KB}/self"))).expect("link");
            }),
        ),
        state(
            "the signature of a document may not be read",
            Truth::CannotBeKnown,
            note_and(|room| {
                room.write(&format!("{KB}/note.md.asc"), "x");
                room.mode(&format!("{KB}/note.md.asc"), 0o000);
            }),
        )
        .as_nobody(),
        state(
            "which runs are open may not be read",
            Truth::CannotBeKnown,
            note_and(|room| room.mode("srv/runs", 0o000)),
        )
        .as_nobody(),
        state(
            "folders 100 deep",
            Truth::CannotBeKnown,
            note_and(|room| {
                room.write(&format!("{KB}/{}deep.md", "f/".repeat(100)), "# Deep\n");
            }),
        )
        .mask("(/f)+", "/f/…"),
        state(format!("{MANY} documents, one of which claims"), Truth::Holds, |room| {
            many(room, MANY);
            room.write(&format!("{KB}/17/approval.md"), approval(&[]));
        }),
        state("600 documents, and a limit of 500 entries", Truth::CannotBeKnown, |room| many(room, 600))
            .limits(|limits| limits.entries = 500),
        state("600 documents, and a limit of 1 ms", Truth::CannotBeKnown, |room| many(room, 600))
            .limits(|limits| limits.probe = Duration::from_millis(1))
            .mask("(present|complete|documents|claims) = .*", "$1 = …")
            .mask(
                r"(?s)p(\.candidates)? is timed out: .*",
                "p.candidates is timed out: where it was → what to look at",
            ),
    ]);
    let about = "Whether something claims to be an approval of the run. A document that could not be read or understood may be \
                 one: the lists of candidates and rulings end in a hole then, and nothing is counted.";
    matrix("knowledge-base: documents", about, vec![table]);
}

/// Many small documents in forty folders.
fn many(room: &Room, count: usize) {
    room.dir("srv/runs", 0o755);
    for folder in 0..40 {
        room.dir(&format!("{KB}/{folder}"), 0o755);
    }
    for number in 0..count {
        let path = room.host(format!("{KB}/{}/{number}.md", number % 40));
        std::fs::write(path, format!("---\ntitle: Note {number}\n---\n\nText.\n")).expect("write");
    }
}

/// While a folder and a link to a folder outside change places, no document of the other folder is ever read in the
/// first one's name.
#[test]
fn a_folder_swapped_for_a_link_leads_nowhere() {
    let dir = open_dir();
    let path = |name: &str| dir.path().join(name);
    for (name, text) in [("kb/approvals/a.md", "# Inside\n\napproval\n"), ("outside/a.md", "# Outside\n\napproval\n")] {
        std::fs::create_dir_all(path(name).parent().expect("above")).expect("mkdir");
        std::fs::write(path(name), text).expect("write");
    }
    symlink(path("outside"), path("link")).expect("link");
    let outside = sha256_hex(b"# Outside\n\napproval\n");
    let swap = super::race::exchanging(path("kb/approvals"), path("link"));
    let mut complete = 0;
    for _ in 0..300 {
        let given = json!({ "root": "kb", "macro_id": MACRO });
        let facts = harness::collect("knowledge-base", dir.path(), given).expect("facts");
        if let Some(Fact::List(candidates)) = facts.get("candidates") {
            let read = |candidate: &Fact| candidate.get("digest") == Some(&Fact::text(&outside));
            assert!(!candidates.iter().any(read), "{candidates:#?}");
        }
        if facts.get("complete") == Some(&Fact::Bool(true)) {
            complete += 1;
            assert_eq!(facts.get("documents"), Some(&Fact::Int(1)), "the folder's own document");
        }
    }
    drop::<Race>(swap);
    assert!(complete < 300, "the link was seen too");
}

//! `leftover-dumps` in every state: dumps that the real programs write, under names that say nothing.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cutgate::probes::Limits;

use super::fuse::Served;
use super::{Asked, Mount, Room, State, Truth, matrix, state};
use crate::postgres::Cluster;

fn short(limits: &mut Limits) {
    limits.read = Duration::from_millis(300);
}

fn asked() -> Asked {
    Asked::of("leftover-dumps", "folder = \"/var/it\"")
        .rule("p.present && p.files > 0 && !p.dumps.exists(d, d.kind != \"\") && !p.opaque.exists(d, d.kind != \"\")")
        .shows(&["files", "dumps", "opaque", "links", "special", "unreadable"])
        .says("dumps: {p.dumps.map(d, d.path + \": \" + d.kind)}, cannot be looked into: {p.opaque.map(d, d.path + \": \" + d.kind)}")
}

/// A folder with a text and a folder in it, and what `make` adds.
fn folder(words: &str, truth: Truth, make: impl Fn(&Room) + 'static) -> State {
    state(words, truth, move |room| {
        room.write("var/it/notes.txt", "what was done\n");
        room.dir("var/it/more", 0o755);
        make(room);
    })
    .mask(r"\d+\.dat", "<number>.dat")
}

fn run(command: &mut Command, install: &str) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{install}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file of this room that a shell script writes as `$1`, from a small database that it finds as `$2`.
fn written(room: &Room, relative: &str, script: &str) {
    let (to, database) = (room.host(relative), room.path("some.db"));
    let made = "CREATE TABLE target (name TEXT); INSERT INTO target VALUES ('ICX-NOTE');";
    run(Command::new("sqlite3").arg(&database).arg(made), "apt-get install sqlite3");
    run(Command::new("sh").args(["-e", "-c", script, "sh"]).arg(to).arg(database), "sh");
}

#[test]
fn states_of_what_is_found() {
    let cluster = Cluster::shared();
    let name: Arc<str> =
        cluster.database("CREATE TABLE target (name text); INSERT INTO target VALUES ('ICX-NOTE')").into();
    let dumped = |words: &str, options: &'static [&'static str], to: &'static str| {
        let (cluster, name) = (cluster.clone(), name.clone());
        folder(words, Truth::Fails, move |room| {
            let mut dump = cluster.client("pg_dump");
            dump.args(options).arg("-f").arg(room.host(to)).arg(cluster.url(&name, "postgres"));
            run(&mut dump, "apt-get install postgresql-client");
        })
    };
    let by_shell = |words: &str, to: &'static str, script: &'static str| {
        folder(words, Truth::Fails, move |room| written(room, to, script))
    };
    let gpg = "export GNUPGHOME=$(mktemp -d); sqlite3 \"$2\" .dump | gpg --batch --quiet --passphrase x --pinentry-mode loopback";
    let table = asked().table([
        folder("texts and folders, and no dump", Truth::Holds, |_| ()),
        dumped("pg_dump, plain, called notes.old", &["-Fp"], "var/it/more/notes.old"),
        dumped("pg_dump, custom format, called core", &["-Fc"], "var/it/core"),
        dumped("pg_dump, tar format, called x.txt", &["-Ft"], "var/it/x.txt"),
        dumped("pg_dump, directory format", &["-Fd"], "var/it/more/d"),
        folder("pg_dumpall, behind another text", Truth::Fails, {
            let cluster = cluster.clone();
            move |room| {
                let mut all = cluster.client("pg_dumpall");
                all.args(["--roles-only", "-f"])
                    .arg(room.path("all"))
                    .arg("-d")
                    .arg(cluster.url("postgres", "postgres"));
                run(&mut all, "apt-get install postgresql-client");
                let dump = std::fs::read_to_string(room.path("all")).expect("the dump");
                room.write("var/it/mail", format!("Hello,\nhere it is.\n\n{dump}"));
            }
        }),
        by_shell("an SQLite database, called .cache", "var/it/.cache", "cp \"$2\" \"$1\""),
        by_shell("sqlite3 .dump, called README", "var/it/README", "sqlite3 \"$2\" .dump > \"$1\""),
        by_shell(
            "the same in UTF-16, as some shells write it",
            "var/it/README",
            "sqlite3 \"$2\" .dump | iconv -t UTF-16 > \"$1\"",
        ),
        by_shell("the same by gzip", "var/it/README", "sqlite3 \"$2\" .dump | gzip > \"$1\""),
        by_shell("the same by xz", "var/it/README", "sqlite3 \"$2\" .dump | xz > \"$1\""),
        by_shell("the same by bzip2", "var/it/README", "sqlite3 \"$2\" .dump | bzip2 > \"$1\""),
        by_shell("the same in a tar archive", "var/it/README", "tar -cf \"$1\" -C \"$(dirname \"$2\")\" some.db"),
        folder("encrypted by gpg, binary", Truth::Fails, move |room| {
            written(room, "var/it/README", &format!("{gpg} --symmetric --output \"$1\""));
        }),
        folder("encrypted by gpg, in armor", Truth::Fails, move |room| {
            written(room, "var/it/README", &format!("{gpg} --armor --symmetric --output \"$1\""));
        }),
        folder("signed by nobody, only packed by gpg", Truth::Fails, move |room| {
            written(room, "var/it/README", &format!("{gpg} --store --output \"$1\""));
        }),
        folder("a sparse file of 4 GB that begins as a dump", Truth::Fails, |room| {
            room.write("var/it/big", "PGDMP");
            let file = std::fs::File::options().write(true).open(room.host("var/it/big")).expect("open");
            file.set_len(4 << 30).expect("a sparse file");
        }),
        folder("a text that speaks of a dump", Truth::Holds, |room| {
            room.write("var/it/dump.sql", "we looked for -- PostgreSQL database dump and SQLite format 3\n");
        }),
        folder("called dump.sql.gz, and empty", Truth::Holds, |room| room.write("var/it/dump.sql.gz", "")),
        folder("called dump.sql, and a FIFO", Truth::Holds, |room| room.fifo("var/it/dump.sql")),
        folder("a symlink to a dump elsewhere, which is not followed", Truth::Holds, |room| {
            room.write("srv/dump", "PGDMP");
            symlink("/srv/dump", room.host("var/it/link")).expect("symlink");
        }),
        folder("no file at all", Truth::Fails, |room| room.remove("var/it/notes.txt")),
    ]);
    let about = "Whether no dump lies below a folder, and nothing that could hold one.";
    matrix("leftover-dumps: what is found", about, vec![table]);
}

#[test]
fn states_of_what_is_not_seen() {
    let table = asked().table([
        folder("the folder is absent", Truth::Fails, |room| room.remove("var/it")),
        folder("the folder is a file", Truth::CannotBeKnown, |room| {
            room.remove("var/it");
            room.write("var/it", "");
        }),
        folder("the folder is a symlink to such a folder", Truth::Holds, |room| {
            std::fs::rename(room.host("var/it"), room.host("var/real")).expect("rename");
            symlink("real", room.host("var/it")).expect("symlink");
        }),
        folder("the folder is a symlink that leads nowhere", Truth::Fails, |room| {
            room.remove("var/it");
            symlink("/nowhere", room.host("var/it")).expect("symlink");
        }),
        folder("the folder above has mode 000", Truth::CannotBeKnown, |room| room.mode("var", 0o000)).as_nobody(),
        folder("the folder has mode 000", Truth::CannotBeKnown, |room| room.mode("var/it", 0o000)).as_nobody(),
        folder("the folder can be searched and not listed (mode 0711)", Truth::CannotBeKnown, |room| {
            room.mode("var/it", 0o711);
        })
        .as_nobody(),
        folder("a folder in it has mode 000", Truth::CannotBeKnown, |room| room.mode("var/it/more", 0o000)).as_nobody(),
        folder("a file in it has mode 000", Truth::CannotBeKnown, |room| room.mode("var/it/notes.txt", 0o000))
            .as_nobody(),
        folder("a file in it has mode 000, and another one is a dump", Truth::Fails, |room| {
            room.mode("var/it/notes.txt", 0o000);
            room.write("var/it/core", "PGDMP");
        })
        .as_nobody(),
        folder("a file whose name is not UTF-8", Truth::CannotBeKnown, |room| {
            let name = std::ffi::OsStr::from_bytes(b"n\xffte");
            std::fs::write(room.host(Path::new("var/it").join(name)), "x").expect("write");
        }),
        folder("more entries than the limit", Truth::CannotBeKnown, |_| ()).limits(|limits| limits.entries = 1),
        folder("more entries in all its folders than the limit", Truth::CannotBeKnown, |room| {
            room.write("var/it/more/a", "");
            room.write("var/it/more/b", "");
        })
        .limits(|limits| limits.entries = 3),
        folder("on a disk that cannot read a file (EIO)", Truth::CannotBeKnown, |room| {
            room.keep(Mount::serving(room.host("var/it/more"), Served::Error(5)));
        }),
        folder("on a mount whose server does not answer", Truth::CannotBeKnown, |room| room.dead_mount("var/it"))
            .limits(short),
        folder("a mount in it whose server does not answer", Truth::CannotBeKnown, |room| {
            room.dead_mount("var/it/more");
        })
        .limits(short),
    ]);
    let about = "Whether no dump lies below a folder, where not everything can be looked at.";
    matrix("leftover-dumps: what is not seen", about, vec![table]);
}

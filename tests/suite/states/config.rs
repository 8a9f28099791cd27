//! `config` in every state: what holds here of one file holds of every single file that a probe reads.

use std::os::unix::fs::symlink;
use std::time::Duration;

use cutgate::gates::GapState;

use super::fuse::Served;
use super::race::{self, Race};
use super::{Asked, State, Truth, matrix, state};

const GOOD: &str = "runs = \"/var/runs\"\nworkers = 4\n";

fn asked() -> Asked {
    Asked::of(
        "config",
        "file = \"/etc/app/app.toml\"\nformat = \"toml\"\nkeys = [{ key = \"runs\", kind = \"path\" }, { key = \"workers\", kind = \"int\" }]",
    )
    .rule("p.present && !p.loose && size(p.missing) == 0 && size(p.wrong_kind) == 0")
    .shows(&["present", "loose", "missing", "wrong_kind"])
    .says("/etc/app/app.toml: present {p.present}, loose {p.loose}, missing {p.missing}, of the wrong kind {p.wrong_kind}")
}

/// A state of the file, in a folder that is there.
fn file(words: &str, truth: Truth, make: impl Fn(&super::Room) + 'static) -> State {
    state(words, truth, move |room| {
        room.dir("etc/app", 0o755);
        make(room);
    })
}

#[test]
fn where_the_file_should_be() {
    const FILE: &str = "etc/app/app.toml";
    let short = |limits: &mut cutgate::probes::Limits| limits.read = Duration::from_millis(300);
    let table = asked().table([
        file("as wanted", Truth::Holds, |room| room.write(FILE, GOOD)),
        file("absent", Truth::Fails, |_| ()).as_nobody(),
        state("absent, and the folder too", Truth::Fails, |_| ()),
        state("the folder is a file", Truth::CannotBeKnown, |room| room.write("etc/app", "")),
        file("mode 000", Truth::CannotBeKnown, |room| {
            room.write(FILE, GOOD);
            room.mode(FILE, 0o000);
        })
        .as_nobody(),
        file("of another user, mode 0600", Truth::CannotBeKnown, |room| {
            room.write(FILE, GOOD);
            room.mode(FILE, 0o600);
        })
        .as_nobody(),
        file("the folder has mode 000", Truth::CannotBeKnown, |room| {
            room.write(FILE, GOOD);
            room.mode("etc/app", 0o000);
        })
        .as_nobody(),
        file("absent, and the folder has mode 000", Truth::CannotBeKnown, |room| room.mode("etc/app", 0o000))
            .as_nobody(),
        file("anyone may write to it", Truth::Fails, |room| {
            room.write(FILE, GOOD);
            room.mode(FILE, 0o666);
        }),
        file("a directory", Truth::CannotBeKnown, |room| room.dir(FILE, 0o755)),
        file("a FIFO", Truth::CannotBeKnown, |room| room.fifo(FILE)),
        file("a socket", Truth::CannotBeKnown, |room| room.socket(FILE)),
        file("a character device that never ends", Truth::CannotBeKnown, |room| room.device(FILE)),
        file("a symlink to such a file", Truth::Holds, |room| {
            room.write("srv/app.toml", GOOD);
            symlink("/srv/app.toml", room.host(FILE)).expect("symlink");
        }),
        file("a symlink to a FIFO", Truth::CannotBeKnown, |room| {
            room.fifo("etc/app/fifo");
            symlink("fifo", room.host(FILE)).expect("symlink");
        }),
        file("a symlink that leads nowhere", Truth::Fails, |room| {
            symlink("/nowhere", room.host(FILE)).expect("symlink");
        }),
        file("a symlink to itself", Truth::CannotBeKnown, |room| {
            symlink("app.toml", room.host(FILE)).expect("symlink");
        }),
        file("a symlink out of the root prefix, where a good file lies", Truth::Fails, |room| {
            std::fs::write(room.path("outside.toml"), GOOD).expect("write");
            symlink(room.path("outside.toml"), room.host(FILE)).expect("symlink");
        }),
        file("a relative symlink out of the root prefix, where a good file lies", Truth::Fails, |room| {
            std::fs::write(room.path("outside.toml"), GOOD).expect("write");
            symlink("../../../outside.toml", room.host(FILE)).expect("symlink");
        }),
        file("on a mount whose server does not answer", Truth::CannotBeKnown, |room| room.dead_mount("etc/app"))
            .limits(short),
        file("on such a mount, and only the probe's limit is short", Truth::CannotBeKnown, |room| {
            room.dead_mount("etc/app")
        })
        .limits(|limits| limits.probe = Duration::from_millis(300)),
        file("on such a mount, and the audit's deadline comes first", Truth::CannotBeKnown, |room| {
            room.dead_mount("etc/app")
        })
        .deadline(Duration::from_millis(300)),
        file("a symlink to such a mount", Truth::CannotBeKnown, |room| {
            room.dead_mount("srv/dead");
            symlink("/srv/dead/app.toml", room.host(FILE)).expect("symlink");
        })
        .limits(short),
        file("on a mount that gives one byte in 50 ms", Truth::CannotBeKnown, |room| {
            room.served(FILE, Served::Byte(Duration::from_millis(50)));
        })
        .limits(short)
        .mask(r"after \d+ of", "after <few> of"),
        file("on a disk that cannot read it (EIO)", Truth::CannotBeKnown, |room| room.served(FILE, Served::Error(5))),
        file("on a mount whose server has forgotten it (ESTALE)", Truth::CannotBeKnown, |room| {
            room.served(FILE, Served::Error(116));
        }),
        file(
            "on a mount whose server says that it is not there when it is read (ENOENT)",
            Truth::CannotBeKnown,
            |room| {
                room.served(FILE, Served::Error(2));
            },
        ),
        file("on a full file system", Truth::Holds, |room| {
            room.tmpfs("etc/app", "size=64k,mode=0755");
            room.write(FILE, GOOD);
            std::fs::write(room.host("etc/app/rest"), vec![1; 1 << 17]).expect_err("no space is left");
        }),
        file("on a read-only file system", Truth::Holds, |room| {
            room.tmpfs("etc/app", "size=64k,mode=0755");
            room.write(FILE, GOOD);
            room.read_only("etc/app");
        }),
    ]);
    matrix(
        "config: the file",
        "Where a configuration file should be. Every probe that reads a single file reads it through the same door.",
        vec![table],
    );
}

#[test]
fn what_the_file_holds() {
    const FILE: &str = "etc/app/app.toml";
    let text = |words: &str, truth: Truth, text: &'static [u8]| file(words, truth, move |room| room.write(FILE, text));
    let table = asked().table([
        text("a key is missing", Truth::Fails, b"runs = \"/var/runs\"\n"),
        text("a value of another kind", Truth::Fails, b"runs = \"/var/runs\"\nworkers = \"four\"\n"),
        text("empty", Truth::Fails, b""),
        text("cut off within a value", Truth::CannotBeKnown, b"workers = 4\nruns = \"/var/ru"),
        text("cut off between two lines", Truth::Fails, b"runs = \"/var/runs\"\n"),
        text("not UTF-8", Truth::CannotBeKnown, b"runs = \"/var/\xff\"\nworkers = 4\n"),
        text("UTF-16", Truth::CannotBeKnown, b"\xff\xfer\0u\0n\0s\0"),
        text("NUL bytes, as a crash leaves them", Truth::CannotBeKnown, &[0; 64]),
        text("the same key twice", Truth::CannotBeKnown, b"runs = \"/a\"\nruns = \"/b\"\nworkers = 4\n"),
        file("of 4 GB, sparse", Truth::CannotBeKnown, |room| room.sparse(FILE, 4 << 30)),
        file("one byte longer than the limit", Truth::CannotBeKnown, |room| {
            room.write(FILE, [GOOD.as_bytes(), &vec![b'\n'; (1 << 20) + 1 - GOOD.len()]].concat());
        }),
        file("as long as the limit", Truth::Holds, |room| {
            room.write(FILE, [GOOD.as_bytes(), &vec![b'\n'; (1 << 20) - GOOD.len()]].concat());
        }),
        file("longer than the limit that the package sets", Truth::CannotBeKnown, |room| room.write(FILE, GOOD))
            .limits(|limits| limits.file_bytes = 8),
    ]);
    matrix("config: its content", "What a configuration file holds.", vec![table]);
}

/// A second thread changes the file while it is read.
#[test]
fn a_file_that_changes_while_it_is_read() {
    const FILE: &str = "etc/app/app.toml";
    let table = asked().table([
        file("taken away between the look and the reading", Truth::CannotBeKnown, |room| {
            room.write(FILE, GOOD);
            let (here, there) = (room.host(FILE), room.host("etc/app/away"));
            room.keep(race::coming_and_going(here, there));
        })
        .race("it was there, and then it was gone"),
        file("another one is renamed over it, which anyone may write to", Truth::CannotBeKnown, |room| {
            room.write(FILE, GOOD);
            room.write("etc/app/other", GOOD);
            room.mode("etc/app/other", 0o666);
            room.keep(race::exchanging(room.host(FILE), room.host("etc/app/other")));
        })
        .race("another file took its place"),
        file("rewritten in place, as long as before", Truth::CannotBeKnown, |room| {
            let long = [GOOD.as_bytes(), &vec![b'\n'; (1 << 20) - GOOD.len()]].concat();
            room.write(FILE, &long);
            let path = room.host(FILE);
            room.keep(Race::run(move || {
                use std::os::unix::fs::FileExt;
                let file = std::fs::File::options().write(true).open(&path).expect("open");
                file.write_all_at(b"\n", long.len() as u64 - 1).expect("write");
            }));
        })
        .race("it was changed while it was read"),
        file("growing", Truth::CannotBeKnown, |room| {
            room.write(FILE, [GOOD.as_bytes(), &vec![b'\n'; 1 << 19]].concat());
            let path = room.host(FILE);
            room.keep(Race::run(move || {
                use std::io::Write;
                let mut file = std::fs::File::options().append(true).open(&path).expect("open");
                file.write_all(b"\n").expect("write");
                std::thread::sleep(race::BREATH);
            }));
        })
        .race("bytes when opened and")
        .mask(r"it had \d+ bytes when opened and \d+ when read", "it had <n> bytes when opened and <more> when read"),
        file("cut off", Truth::CannotBeKnown, |room| {
            let long = [GOOD.as_bytes(), &vec![b'\n'; 1 << 19]].concat();
            room.write(FILE, &long);
            let path = room.host(FILE);
            room.keep(Race::run(move || {
                let file = std::fs::File::options().write(true).open(&path).expect("open");
                file.set_len(100).expect("truncate");
                file.set_len(1 << 19).expect("truncate");
            }));
        })
        .race("bytes when opened and")
        .mask(r"it had \d+ bytes when opened and \d+ when read", "it had <n> bytes when opened and <fewer> when read"),
    ]);
    matrix(
        "config: a file that changes",
        "A second thread changes the file while it is read; the row is what is said where that was met.",
        vec![table],
    );
}

/// One file has every key and anyone may write to it, the other lacks a key and is kept from others; they are exchanged again
/// and again. There never is a file that is as wanted, and no look at one and reading of the other makes one.
#[test]
fn two_files_are_never_taken_for_one() {
    const FILE: &str = "etc/app/app.toml";
    let room = super::Room::new(true);
    room.write(FILE, GOOD);
    room.mode(FILE, 0o666);
    room.write("etc/app/other", "workers = 4\n");
    room.keep(race::exchanging(room.host(FILE), room.host("etc/app/other")));
    let loaded = super::judge::load(&asked(), &room);
    let state = state("two files, exchanged again and again", Truth::Fails, |_| ());
    for _ in 0..300 {
        let judged = super::judge::judge(&loaded, &state, &room);
        assert_ne!(judged.rule.state, GapState::Closed, "{:#?}", judged.facts);
    }
}

/// A reader that opens a FIFO lets its writer go on: reading would have changed what the host does. One probe looks before it
/// reads, the other reads at once.
#[test]
fn a_fifo_is_never_opened() {
    let named = Asked::of("host", "").rule("p.name == \"lab-1\"");
    for (asked, path) in [(asked(), "etc/app/app.toml"), (named, "etc/hostname")] {
        let room = super::Room::new(true);
        room.dir("etc/app", 0o755);
        room.fifo(path);
        let fifo = room.host(path);
        let (sender, receiver) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            let opened = std::fs::File::options().write(true).open(fifo);
            let _ = sender.send(opened.is_ok());
        });
        std::thread::sleep(Duration::from_millis(20));
        let loaded = super::judge::load(&asked, &room);
        let state = state("a FIFO with a writer that waits", Truth::CannotBeKnown, |_| ());
        (0..20).for_each(|_| drop(super::judge::judge(&loaded, &state, &room)));
        let let_go = receiver.recv_timeout(Duration::from_millis(50));
        assert!(let_go.is_err(), "the writer of {path} waits still");
        drop(std::fs::File::open(room.host(path)).expect("open"));
        writer.join().expect("the writer ends");
    }
}

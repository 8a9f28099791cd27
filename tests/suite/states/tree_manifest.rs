//! `tree-manifest` in every state.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::time::Duration;

use cutgate::evidence::sha256_hex;
use cutgate::probes::Limits;

use super::fuse::Served;
use super::race::{self, Race};
use super::{Asked, Mount, Room, State, Truth, matrix, state};

fn asked() -> Asked {
    Asked::of("tree-manifest", "tree = \"/opt/app\"\nmanifest = \"/opt/MANIFEST\"")
        .rule("p.tree_present && p.pinned > 0 && p.matched == p.pinned && size(p.extra) == 0")
        .shows(&["tree_present", "pinned", "matched", "extra"])
        .says("altered {p.altered}, missing {p.missing}, extra {p.extra}, {p.matched} of {p.pinned} as pinned")
}

/// A state of a tree of two files, whose manifest fits before `make`.
fn tree(words: &str, truth: Truth, make: impl Fn(&Room) + 'static) -> State {
    state(words, truth, move |room| {
        room.write("opt/app/main.py", "main\n");
        room.write("opt/app/lib/switch.py", "off\n");
        pin(room, &[("main.py", b"main\n"), ("lib/switch.py", b"off\n")]);
        make(room);
    })
}

fn pin(room: &Room, files: &[(&str, &[u8])]) {
    let lines = files.iter().map(|(path, content)| format!("{}  {path}\n", sha256_hex(content)));
    room.write("opt/MANIFEST", lines.collect::<String>());
}

fn short(limits: &mut Limits) {
    limits.read = Duration::from_millis(300);
}

#[test]
fn trees() {
    let table = asked().table([
        tree("as pinned", Truth::Holds, |_| ()),
        tree("a file is altered", Truth::Fails, |room| room.write("opt/app/main.py", "Main\n")),
        tree("a file is cut off", Truth::Fails, |room| room.write("opt/app/main.py", "ma")),
        tree("a file is empty", Truth::Fails, |room| room.write("opt/app/main.py", "")),
        tree("a file is missing", Truth::Fails, |room| room.remove("opt/app/main.py")),
        tree("a file too many", Truth::Fails, |room| room.write("opt/app/more.py", "")),
        tree("the tree is empty", Truth::Fails, |room| {
            room.remove("opt/app");
            room.dir("opt/app", 0o755);
        }),
        tree("the tree is absent", Truth::Fails, |room| room.remove("opt/app")).as_nobody(),
        tree("the tree is a file", Truth::CannotBeKnown, |room| {
            room.remove("opt/app");
            room.write("opt/app", "");
        }),
        tree("the tree is a symlink to such a tree", Truth::Holds, |room| {
            std::fs::rename(room.host("opt/app"), room.host("opt/v1")).expect("rename");
            symlink("v1", room.host("opt/app")).expect("symlink");
        }),
        tree("the tree is a symlink that leads nowhere", Truth::Fails, |room| {
            room.remove("opt/app");
            symlink("/nowhere", room.host("opt/app")).expect("symlink");
        }),
        tree("the tree is a symlink out of the root prefix, to such a tree", Truth::Fails, |room| {
            std::fs::rename(room.host("opt/app"), room.path("outside")).expect("rename");
            symlink(room.path("outside"), room.host("opt/app")).expect("symlink");
        }),
        tree("the folder above the tree has mode 000", Truth::CannotBeKnown, |room| room.mode("opt", 0o000))
            .as_nobody(),
        tree("the tree has mode 000", Truth::CannotBeKnown, |room| room.mode("opt/app", 0o000)).as_nobody(),
        tree("the tree can be searched and not listed (mode 0711)", Truth::CannotBeKnown, |room| {
            room.mode("opt/app", 0o711);
        })
        .as_nobody(),
        tree("the tree can be listed and not searched (mode 0744)", Truth::CannotBeKnown, |room| {
            room.mode("opt/app", 0o744);
        })
        .as_nobody(),
        tree("a folder of it has mode 000", Truth::CannotBeKnown, |room| room.mode("opt/app/lib", 0o000)).as_nobody(),
        tree("a pinned file has mode 000", Truth::CannotBeKnown, |room| room.mode("opt/app/main.py", 0o000))
            .as_nobody(),
        tree("a file that is not pinned has mode 000", Truth::CannotBeKnown, |room| {
            room.write("opt/app/more.py", "");
            room.mode("opt/app/more.py", 0o000);
        })
        .as_nobody(),
        tree("more entries than the limit", Truth::CannotBeKnown, |room| {
            (0..9).for_each(|n| room.write(&format!("opt/app/{n}"), ""));
        })
        .limits(|limits| limits.entries = 8),
        tree("a file longer than the limit", Truth::CannotBeKnown, |_| ()).limits(|limits| limits.file_bytes = 4),
        tree("a file of 4 GB too many, sparse", Truth::CannotBeKnown, |room| room.sparse("opt/app/more", 4 << 30)),
        tree("a name that is not UTF-8", Truth::CannotBeKnown, |room| {
            let name = std::ffi::OsStr::from_bytes(b"opt/app/bad\xff.py");
            std::fs::write(room.host(name), "").expect("write");
        })
        .mask("\u{fffd}", "?"),
        tree("on a mount whose server does not answer", Truth::CannotBeKnown, |room| {
            room.remove("opt/app");
            room.dead_mount("opt/app");
        })
        .limits(short),
        tree("such a mount lies in it", Truth::CannotBeKnown, |room| room.dead_mount("opt/app/data")).limits(short),
        tree("a file of it lies on a disk that cannot read it (EIO)", Truth::CannotBeKnown, |room| {
            room.keep(Mount::serving(room.host("opt/app/data"), Served::Error(5)));
        }),
        tree("a file of it comes at one byte in 50 ms", Truth::CannotBeKnown, |room| {
            room.keep(Mount::serving(room.host("opt/app/data"), Served::Byte(Duration::from_millis(50))));
        })
        .limits(short)
        .mask(r"after \d+ of", "after <few> of"),
        tree("on a read-only file system that is full", Truth::Holds, |room| {
            room.tmpfs("opt/app", "size=64k,mode=0755");
            room.write("opt/app/main.py", "main\n");
            room.write("opt/app/lib/switch.py", "off\n");
            let rest = room.host("opt/app/__pycache__");
            std::fs::write(rest, vec![1; 1 << 17]).expect_err("no space is left");
            room.read_only("opt/app");
        }),
    ]);
    matrix("tree-manifest: the tree", "A tree against its manifest.", vec![table]);
}

#[test]
fn other_things_in_the_tree() {
    const MAIN: &str = "opt/app/main.py";
    let instead = |words: &str, make: fn(&Room)| {
        tree(words, Truth::Fails, move |room| {
            room.remove(MAIN);
            make(room);
        })
    };
    let table = asked().table([
        instead("a directory in the place of a file", |room| room.dir(MAIN, 0o755)),
        instead("a FIFO in the place of a file", |room| room.fifo(MAIN)),
        instead("a socket in the place of a file", |room| room.socket(MAIN)),
        instead("a character device in the place of a file", |room| room.device(MAIN)),
        instead("a symlink to the same content in the place of a file", |room| {
            room.write("opt/same", "main\n");
            symlink("../same", room.host(MAIN)).expect("symlink");
        }),
        instead("a symlink that leads nowhere in the place of a file", |room| {
            symlink("nowhere", room.host(MAIN)).expect("symlink");
        }),
        tree("a FIFO too many", Truth::Fails, |room| room.fifo("opt/app/more")),
        tree("a device too many", Truth::Fails, |room| room.device("opt/app/more")),
        tree("a symlink out of the tree too many", Truth::Fails, |room| {
            symlink("/etc/passwd", room.host("opt/app/more")).expect("symlink");
        }),
        tree("a symlink within the tree too many, which is no file", Truth::Holds, |room| {
            symlink("main.py", room.host("opt/app/more")).expect("symlink");
        }),
        tree("a folder is a symlink to the same content elsewhere", Truth::Fails, |room| {
            std::fs::rename(room.host("opt/app/lib"), room.host("opt/lib")).expect("rename");
            symlink("../lib", room.host("opt/app/lib")).expect("symlink");
        }),
    ]);
    matrix("tree-manifest: other things", "What is no regular file, in a tree. It is never opened.", vec![table]);
}

#[test]
fn manifests() {
    const FILE: &str = "opt/MANIFEST";
    let holding =
        |words: &str, truth: Truth, bytes: &'static [u8]| tree(words, truth, move |room| room.write(FILE, bytes));
    let table = asked().table([
        tree("absent", Truth::CannotBeKnown, |room| room.remove(FILE)),
        tree("a symlink that leads nowhere", Truth::CannotBeKnown, |room| {
            room.remove(FILE);
            symlink("/nowhere", room.host(FILE)).expect("symlink");
        }),
        tree("mode 000", Truth::CannotBeKnown, |room| room.mode(FILE, 0o000)).as_nobody(),
        tree("a directory", Truth::CannotBeKnown, |room| {
            room.remove(FILE);
            room.dir(FILE, 0o755);
        }),
        tree("a FIFO", Truth::CannotBeKnown, |room| {
            room.remove(FILE);
            room.fifo(FILE);
        }),
        tree("of 4 GB, sparse", Truth::CannotBeKnown, |room| room.sparse(FILE, 4 << 30)),
        holding("empty: it pins nothing", Truth::Fails, b""),
        holding("an empty line", Truth::CannotBeKnown, b"\n"),
        holding("a comment", Truth::CannotBeKnown, b"# none\n"),
        holding("not UTF-8", Truth::CannotBeKnown, b"\xff\xfe\n"),
        holding("an error of sha256sum in its place", Truth::CannotBeKnown, b"sha256sum: main.py: Permission denied\n"),
        tree("cut off within its last line", Truth::CannotBeKnown, |room| {
            let text = std::fs::read(room.host(FILE)).expect("the manifest");
            room.write(FILE, &text[..text.len() - 40]);
        })
        .mask(r"\b[0-9a-f]{20,}\b", "<digits>"),
        tree("cut off between two lines", Truth::Fails, |room| pin(room, &[("main.py", b"main\n")])),
        tree("a path twice", Truth::CannotBeKnown, |room| pin(room, &[("main.py", b"main\n"), ("main.py", b"Main\n")])),
        tree("a path that leads out of the tree", Truth::CannotBeKnown, |room| pin(room, &[("../MANIFEST", b"")])),
        tree("a file that `ignore` leaves aside is pinned", Truth::CannotBeKnown, |room| pin(room, &[("a.pyc", b"")])),
        tree("on a mount whose server does not answer", Truth::CannotBeKnown, |room| {
            room.dead_mount("dead");
            room.remove(FILE);
            symlink("/dead/MANIFEST", room.host(FILE)).expect("symlink");
        })
        .limits(short),
    ]);
    matrix("tree-manifest: the manifest", "The tree is as it was when the manifest was written.", vec![table]);
}

/// A second thread changes the tree while it is read.
#[test]
fn a_tree_that_changes_while_it_is_read() {
    const MAIN: &str = "opt/app/main.py";
    /// Long enough that the second thread comes in between.
    const LONG: u64 = 4 << 20;
    let table = asked().table([
        tree("a file vanishes between listing and reading", Truth::CannotBeKnown, |room| {
            let (here, there) = (room.host(MAIN), room.host("opt/away"));
            room.keep(race::coming_and_going(here, there));
        })
        .race("it was there, and then it was gone"),
        tree("a file is exchanged for another between listing and reading", Truth::CannotBeKnown, |room| {
            room.write("opt/other", "other\n");
            room.keep(race::exchanging(room.host(MAIN), room.host("opt/other")));
        })
        .race("another file took its place"),
        tree("a folder is exchanged for a symlink to another one", Truth::CannotBeKnown, |room| {
            room.write("opt/other/switch.py", "on\n");
            symlink("/opt/other", room.host("opt/link")).expect("symlink");
            room.keep(race::exchanging(room.host("opt/app/lib"), room.host("opt/link")));
        })
        .race("something else took its place"),
        tree("a file is exchanged for a FIFO", Truth::CannotBeKnown, |room| {
            room.fifo("opt/fifo");
            room.keep(race::exchanging(room.host(MAIN), room.host("opt/fifo")));
        })
        .race("it is a fifo, not a regular file"),
        tree("a file is written to while it is read", Truth::CannotBeKnown, |room| {
            room.sparse(MAIN, LONG);
            let path = room.host(MAIN);
            room.keep(Race::run(move || {
                let file = std::fs::File::options().write(true).open(&path).expect("open");
                file.write_all_at(b"x", LONG - 1).expect("write");
            }));
        })
        .race("it was changed while it was read"),
        tree("a file is cut off while it is read", Truth::CannotBeKnown, |room| {
            room.sparse(MAIN, LONG);
            let path = room.host(MAIN);
            room.keep(Race::run(move || {
                let file = std::fs::File::options().write(true).open(&path).expect("open");
                file.set_len(LONG / 2).expect("truncate");
                std::thread::sleep(Duration::from_millis(2));
                file.set_len(LONG).expect("extend");
                std::thread::sleep(Duration::from_millis(2));
            }));
        })
        .race("bytes when opened and")
        .mask(r"it had \d+ bytes when opened and \d+ when read", "it had <n> bytes when opened and <fewer> when read"),
    ]);
    matrix(
        "tree-manifest: a tree that changes",
        "A second thread changes the tree while it is read; the row is what is said where that was met.",
        vec![table],
    );
}

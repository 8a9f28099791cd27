//! `host` in every state.

use std::os::unix::fs::symlink;
use std::time::Duration;

use cutgate::probes::Limits;

use super::fuse::Served;
use super::{Asked, Room, State, Truth, matrix, state};

fn short(limits: &mut Limits) {
    limits.read = Duration::from_millis(300);
}

/// A program of this text in a folder of the package. It is copied into place by another process: a file that this one
/// has just written may still be open for writing in a child of another test, and then it cannot be run.
fn program(words: &str, truth: Truth, text: &'static str) -> State {
    state(words, truth, move |room| install(room, "bin/tool", "755", text))
}

fn install(room: &Room, path: &str, mode: &str, text: &str) {
    std::fs::create_dir_all(room.path("bin")).expect("mkdir");
    let source = room.path("source");
    std::fs::write(&source, text).expect("write");
    let status = std::process::Command::new("install").args(["-m", mode]).arg(source).arg(room.path(path)).status();
    assert!(status.expect("install is missing: apt-get install coreutils").success());
}

#[test]
fn programs() {
    let version = |timeout: &str| {
        let search = "search_path = \"<package>/bin:<package>/more\"";
        Asked::of("host", format!("tools = [\"tool\"]\n{search}\ntool_timeout = \"{timeout}\""))
            .rule("p.tools[0].found && p.tools[0].version == \"tool 1.2\"")
            .shows(&["tools.0.found", "tools.0.version"])
            .says("found {p.tools[0].found}, version {p.tools[0].version}")
    };
    let table = version("20s").table([
        program("prints its version", Truth::Holds, "#!/bin/sh\necho tool 1.2\n"),
        program("prints another version", Truth::Fails, "#!/bin/sh\necho tool 1.3\n"),
        program(
            "prints a megabyte after its version",
            Truth::Holds,
            "#!/bin/sh\necho tool 1.2\n/usr/bin/head -c 1048576 /dev/zero\n",
        ),
        state("absent", Truth::Fails, |room| std::fs::create_dir(room.path("bin")).expect("mkdir")),
        state("absent, and the folders of the search path too", Truth::Fails, |_| ()),
        state("there, and not executable", Truth::Fails, |room| {
            install(room, "bin/tool", "644", "#!/bin/sh\necho tool 1.2\n")
        }),
        state("a directory", Truth::Fails, |room| std::fs::create_dir_all(room.path("bin/tool")).expect("mkdir")),
        state("a symlink that leads nowhere", Truth::Fails, |room| {
            std::fs::create_dir(room.path("bin")).expect("mkdir");
            symlink("nowhere", room.path("bin/tool")).expect("symlink");
        }),
        state("in a folder that may not be searched", Truth::CannotBeKnown, |room| {
            install(room, "bin/tool", "755", "#!/bin/sh\necho tool 1.2\n");
            std::fs::set_permissions(room.path("bin"), std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .expect("chmod");
        })
        .as_nobody(),
        state("of another user, mode 0700", Truth::Fails, |room| {
            install(room, "bin/tool", "700", "#!/bin/sh\necho tool 1.2\n");
        })
        .as_nobody(),
        program(
            "prints its version and leaves a child behind that holds the output",
            Truth::Holds,
            "#!/bin/sh\n/bin/sleep 60 &\necho tool 1.2\n",
        ),
        program(
            "prints an error and exits 0",
            Truth::CannotBeKnown,
            "#!/bin/sh\necho 'tool: error 2: cannot open shared object file'\n",
        ),
        program(
            "prints an error among the errors and exits 0",
            Truth::CannotBeKnown,
            "#!/bin/sh\necho 'tool 1.2: cannot open display' >&2\n",
        ),
        program("prints its usage and exits 0", Truth::CannotBeKnown, "#!/bin/sh\necho 'usage: tool [-1] FILE'\n"),
        program("prints a word and no version", Truth::CannotBeKnown, "#!/bin/sh\necho ok\n"),
        program("prints nothing", Truth::CannotBeKnown, "#!/bin/sh\n"),
        program("prints what is not UTF-8", Truth::CannotBeKnown, "#!/bin/sh\nprintf 'tool 1.2\\377\\n'\n"),
        program("prints its version and exits 1", Truth::CannotBeKnown, "#!/bin/sh\necho tool 1.2\nexit 1\n"),
        program(
            "prints its version and dies by a signal",
            Truth::CannotBeKnown,
            "#!/bin/sh\necho tool 1.2\nkill -SEGV $$\n",
        ),
        program("has an interpreter that is not there", Truth::CannotBeKnown, "#!/no/such/interpreter\n"),
        program("is no program", Truth::CannotBeKnown, "\u{7f}ELF garbage"),
        state("in a folder on a mount whose server does not answer", Truth::CannotBeKnown, |room| {
            room.dead_mount("../bin")
        })
        .limits(short),
    ]);
    let endless = version("1s").table([
        program("hangs", Truth::CannotBeKnown, "#!/bin/sh\nexec /bin/sleep 60\n"),
        program(
            "ignores signals and hangs",
            Truth::CannotBeKnown,
            "#!/bin/sh\ntrap '' TERM INT HUP\n/bin/sleep 60\n/bin/sleep 60\n",
        ),
        program("prints its version and hangs", Truth::CannotBeKnown, "#!/bin/sh\necho tool 1.2\nexec /bin/sleep 60\n"),
        program("floods its output", Truth::CannotBeKnown, "#!/bin/sh\nexec /bin/cat /dev/zero\n"),
        program("floods its errors", Truth::CannotBeKnown, "#!/bin/sh\nexec /bin/cat /dev/zero >&2\n"),
    ]);
    let found = Asked::of("host", "tools = [\"tool\"]\nsearch_path = \"<package>/bin\"")
        .rule("size(p.missing_tools) > 0")
        .shows(&["missing_tools"])
        .says("missing: {p.missing_tools}");
    let absent = found.table([
        state("a program is absent", Truth::Holds, |room| std::fs::create_dir(room.path("bin")).expect("mkdir")),
        state("its folder may not be searched", Truth::CannotBeKnown, |room| {
            std::fs::create_dir(room.path("bin")).expect("mkdir");
            std::fs::set_permissions(room.path("bin"), std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .expect("chmod");
        })
        .as_nobody(),
    ]);
    matrix("host: programs", "What a program that the package names says of itself.", vec![table, endless, absent]);
}

#[test]
fn readable() {
    let asked = Asked::of("host", "readable = [\"/srv/it\"]")
        .rule("p.readable[0].readable")
        .shows(&["readable.0.readable", "readable.0.kind"])
        .says("/srv/it: {p.readable[0].why}");
    let at = |words: &str, truth: Truth, make: fn(&Room)| {
        state(words, truth, move |room| {
            room.dir("srv", 0o755);
            make(room);
        })
    };
    let table = asked.table([
        at("a file", Truth::Holds, |room| room.write("srv/it", "x")).as_nobody(),
        at("an empty file", Truth::Holds, |room| room.write("srv/it", "")),
        at("a file of 4 GB, sparse", Truth::Holds, |room| room.sparse("srv/it", 4 << 30)),
        at("a folder", Truth::Holds, |room| room.dir("srv/it", 0o755)).as_nobody(),
        at("absent", Truth::Fails, |_| ()).as_nobody(),
        at("a file with mode 000", Truth::Fails, |room| {
            room.write("srv/it", "x");
            room.mode("srv/it", 0o000);
        })
        .as_nobody(),
        at("a folder with mode 000", Truth::Fails, |room| room.dir("srv/it", 0o000)).as_nobody(),
        at("a folder that can be listed and not searched (mode 0744)", Truth::Fails, |room| room.dir("srv/it", 0o744))
            .as_nobody(),
        at("the folder above has mode 000", Truth::Fails, |room| {
            room.write("srv/it", "x");
            room.mode("srv", 0o000);
        })
        .as_nobody(),
        at("a symlink that leads nowhere", Truth::Fails, |room| symlink("no", room.host("srv/it")).expect("symlink")),
        at("on a disk that cannot read it (EIO)", Truth::CannotBeKnown, |room| room.served("srv/it", Served::Error(5))),
        at("a symlink to itself", Truth::CannotBeKnown, |room| symlink("it", room.host("srv/it")).expect("symlink")),
        at("a FIFO", Truth::Fails, |room| room.fifo("srv/it")),
        at("a socket", Truth::Fails, |room| room.socket("srv/it")),
        at("a device", Truth::Fails, |room| room.device("srv/it")),
        at("on a mount whose server does not answer", Truth::CannotBeKnown, |room| room.dead_mount("srv/it"))
            .limits(short),
    ]);
    matrix(
        "host: readable",
        "Whether the reader can read something, as a trial: that it is refused is known then.",
        vec![table],
    );
}

#[test]
fn who_it_is() {
    const NAME: &str = "etc/hostname";
    let holding =
        |words: &str, truth: Truth, bytes: &'static [u8]| state(words, truth, move |room| room.write(NAME, bytes));
    let names = Asked::of("host", "").rule("p.name == \"lab-1\"").shows(&["name"]).says("this is {p.name}").table([
        holding("the name", Truth::Holds, b"# set by hand\nlab-1\n"),
        holding("another name", Truth::Fails, b"lab-2\n"),
        holding("a name of which the wanted one is a part", Truth::Fails, b"lab-10\n"),
        state("absent, below a root prefix", Truth::CannotBeKnown, |_| ()),
        holding("empty", Truth::CannotBeKnown, b""),
        holding("two names", Truth::CannotBeKnown, b"lab-1\nlab-2\n"),
        holding("not UTF-8", Truth::CannotBeKnown, b"lab-1\xff\n"),
        state("mode 000", Truth::CannotBeKnown, |room| {
            room.write(NAME, "lab-1\n");
            room.mode(NAME, 0o000);
        })
        .as_nobody(),
        state("a directory", Truth::CannotBeKnown, |room| room.dir(NAME, 0o755)),
        state("a FIFO", Truth::CannotBeKnown, |room| room.fifo(NAME)),
        state("of 4 GB, sparse", Truth::CannotBeKnown, |room| room.sparse(NAME, 4 << 30)),
        state("a symlink out of the root prefix", Truth::CannotBeKnown, |room| {
            std::fs::write(room.path("outside"), "lab-1\n").expect("write");
            symlink(room.path("outside"), room.host(NAME)).expect("symlink");
        }),
        state("on a mount whose server does not answer", Truth::CannotBeKnown, |room| room.dead_mount("etc"))
            .limits(short),
    ]);
    let ids = Asked::of("host", "")
        .rule("p.machine_id == \"0123456789abcdef0123456789abcdef\"")
        .shows(&["machine_id"])
        .says("this is the machine {p.machine_id}");
    let id = |words: &str, truth: Truth, bytes: &'static [u8]| {
        state(words, truth, move |room| room.write("etc/machine-id", bytes))
    };
    let ids = ids.table([
        id("/etc/machine-id holds the number", Truth::Holds, b"0123456789abcdef0123456789abcdef\n"),
        id("another number", Truth::Fails, b"0123456789abcdef0123456789abcdee\n"),
        id("cut off", Truth::CannotBeKnown, b"0123456789abcdef"),
        id("\"uninitialized\", as in an image that never ran", Truth::CannotBeKnown, b"uninitialized\n"),
        state("absent", Truth::CannotBeKnown, |_| ()),
    ]);
    let system =
        Asked::of("host", "").rule("p.os.version == \"12\"").shows(&["os.version"]).says("version {p.os.version}");
    let release = |words: &str, truth: Truth, bytes: &'static [u8]| {
        state(words, truth, move |room| room.write("etc/os-release", bytes))
    };
    let system = system.table([
        release("/etc/os-release holds the version", Truth::Holds, b"ID=debian\nVERSION_ID=\"12\"\n"),
        release("another version", Truth::Fails, b"ID=debian\nVERSION_ID=\"13\"\n"),
        release("no version", Truth::CannotBeKnown, b"ID=debian\n"),
        release("cut off within a quote", Truth::CannotBeKnown, b"ID=debian\nVERSION_ID=\"12"),
        release("a command in the place of the version", Truth::CannotBeKnown, b"VERSION_ID=$(cat /etc/version)\n"),
        state("only in /usr/lib", Truth::Holds, |room| room.write("usr/lib/os-release", "VERSION_ID=12\n")),
        state("absent", Truth::CannotBeKnown, |_| ()),
        state("mode 000, and another one in /usr/lib", Truth::CannotBeKnown, |room| {
            room.write("usr/lib/os-release", "VERSION_ID=12\n");
            room.write("etc/os-release", "VERSION_ID=12\n");
            room.mode("etc/os-release", 0o000);
        })
        .as_nobody(),
    ]);
    matrix(
        "host: who it is",
        "The host's name in `/etc/hostname`, its machine id, its system.",
        vec![names, ids, system],
    );
}

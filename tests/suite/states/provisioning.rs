//! `provisioning` in every state.

use std::os::unix::fs::{chown, symlink};
use std::time::Duration;

use super::race;
use super::{Asked, Truth, matrix, state};

const WANTED: &str =
    r#"paths = [{ path = "/var/runs", kind = "directory", owner = "cutter", group = "cutters", mode = "0755" }]"#;

#[test]
fn folders() {
    let asked = Asked::of("provisioning", WANTED)
        .rule("p.paths[0].matches")
        .shows(&["paths.0.exists", "paths.0.matches"])
        .says("/var/runs: {p.paths[0].why}");
    let table = asked.table([
        state("as wanted", Truth::Holds, |room| room.dir("var/runs", 0o755)),
        state("absent, in a folder that can be searched", Truth::Fails, |room| room.dir("var", 0o755)).as_nobody(),
        state("absent, and the folder above too", Truth::Fails, |_| ()),
        state("the folder above has mode 000", Truth::CannotBeKnown, |room| {
            room.dir("var/runs", 0o755);
            room.mode("var", 0o000);
        })
        .as_nobody(),
        state("absent, and the folder above has mode 000", Truth::CannotBeKnown, |room| room.dir("var", 0o000))
            .as_nobody(),
        state("the folder above can be listed and not searched (mode 0744)", Truth::CannotBeKnown, |room| {
            room.dir("var/runs", 0o755);
            room.mode("var", 0o744);
        })
        .as_nobody(),
        state("the folder above can be searched and not listed (mode 0711)", Truth::Holds, |room| {
            room.dir("var/runs", 0o755);
            room.mode("var", 0o711);
        })
        .as_nobody(),
        state("has mode 000 itself", Truth::Fails, |room| room.dir("var/runs", 0o000)).as_nobody(),
        state("set-group-ID beside the mode", Truth::Fails, |room| room.dir("var/runs", 0o2755)),
        state("belongs to another user", Truth::Fails, |room| {
            room.dir("var/runs", 0o755);
            chown(room.host("var/runs"), Some(7001), None).expect("chown needs root: scripts/test");
        }),
        state("belongs to another group", Truth::Fails, |room| {
            room.dir("var/runs", 0o755);
            chown(room.host("var/runs"), None, Some(7001)).expect("chown needs root: scripts/test");
        }),
        state("belongs to a number that no account has", Truth::Fails, |room| {
            room.dir("var/runs", 0o755);
            chown(room.host("var/runs"), Some(7999), None).expect("chown needs root: scripts/test");
        }),
        state("the wanted user has no account", Truth::Fails, |room| {
            room.dir("var/runs", 0o755);
            room.write("etc/passwd", "");
        }),
        state("the account file has mode 000", Truth::CannotBeKnown, |room| {
            room.dir("var/runs", 0o755);
            room.mode("etc/passwd", 0o000);
        })
        .as_nobody(),
        state(
            "the account file has mode 000, and the mode is another one whoever the owner is",
            Truth::Fails,
            |room| {
                room.dir("var/runs", 0o755);
                room.mode("var/runs", 0o711);
                room.mode("etc/passwd", 0o000);
            },
        )
        .as_nobody(),
        state("the wanted group has no account", Truth::Fails, |room| {
            room.dir("var/runs", 0o755);
            room.write("etc/group", "");
        }),
        state("the account file is cut off within a line", Truth::CannotBeKnown, |room| {
            room.dir("var/runs", 0o755);
            room.write("etc/passwd", "cutter:x:");
        }),
        state("the account file is not UTF-8", Truth::CannotBeKnown, |room| {
            room.dir("var/runs", 0o755);
            room.write("etc/passwd", b"cutter:x:0:0:\xff:/:/bin/false\n");
        }),
    ]);
    let numbered =
        Asked::of("provisioning", "paths = [{ path = \"/var/runs\", kind = \"directory\", owner = \"<uid>\" }]");
    let by_number = numbered.rule("p.paths[0].matches").shows(&["paths.0.matches"]).table([state(
        "the owner is wanted by number",
        Truth::Holds,
        |room| {
            room.dir("var/runs", 0o755);
            room.word("uid", rustix::process::geteuid().as_raw().to_string());
        },
    )]);
    matrix("provisioning: folders", "Whether a folder is there as the executor needs it.", vec![table, by_number]);
}

#[test]
fn other_things_in_the_place_of_a_folder() {
    let asked = Asked::of("provisioning", WANTED)
        .rule("p.paths[0].matches")
        .shows(&["paths.0.exists", "paths.0.kind", "paths.0.link_in_path"])
        .says("/var/runs: {p.paths[0].why}");
    let short = |limits: &mut cutgate::probes::Limits| limits.read = Duration::from_millis(300);
    let table = asked.table([
        state("a regular file", Truth::Fails, |room| room.write("var/runs", "")),
        state("a FIFO", Truth::Fails, |room| {
            room.dir("var", 0o755);
            room.fifo("var/runs");
        }),
        state("a socket", Truth::Fails, |room| {
            room.dir("var", 0o755);
            room.socket("var/runs");
        }),
        state("a character device", Truth::Fails, |room| {
            room.dir("var", 0o755);
            room.device("var/runs");
        }),
        state("a symlink to such a folder", Truth::Fails, |room| {
            room.dir("srv/runs", 0o755);
            room.dir("var", 0o755);
            symlink("/srv/runs", room.host("var/runs")).expect("symlink");
        }),
        state("a symlink that leads nowhere", Truth::Fails, |room| {
            room.dir("var", 0o755);
            symlink("/nowhere", room.host("var/runs")).expect("symlink");
        }),
        state("a symlink out of the root prefix", Truth::Fails, |room| {
            room.dir("var", 0o755);
            std::fs::create_dir(room.path("outside")).expect("mkdir");
            symlink("../../outside", room.host("var/runs")).expect("symlink");
        }),
        state("below a symlink out of the root prefix: nothing is followed out of it", Truth::Fails, |room| {
            std::fs::create_dir_all(room.path("outside/runs")).expect("mkdir");
            symlink("../outside", room.host("var")).expect("symlink");
        }),
        state("below a symlink to itself", Truth::CannotBeKnown, |room| {
            symlink("var", room.host("var")).expect("symlink");
        }),
        state("below a regular file", Truth::Fails, |room| room.write("var", "")),
        state("below a mount whose server does not answer", Truth::CannotBeKnown, |room| room.dead_mount("var"))
            .limits(short),
        state("itself a mount whose server does not answer", Truth::CannotBeKnown, |room| room.dead_mount("var/runs"))
            .limits(short),
        state("the account file lies on such a mount", Truth::CannotBeKnown, |room| {
            room.dir("var/runs", 0o755);
            room.dead_mount("etc");
        })
        .limits(short),
    ]);
    matrix(
        "provisioning: other things",
        "What lies in the place of a folder, or cannot be looked at. Links are never taken for what they lead to.",
        vec![table],
    );
}

#[test]
fn space_and_writing() {
    let asked = Asked::of(
        "provisioning",
        "paths = [{ path = \"/var/runs\", kind = \"directory\" }]\nmin_free_mb = 1\nexecutor_user = \"other\"",
    )
    .rule("p.paths[0].matches && p.paths[0].writable")
    .shows(&["paths.0.matches", "paths.0.writable"])
    .says("/var/runs: as wanted {p.paths[0].matches}, writable {p.paths[0].writable}. {p.paths[0].why}");
    let table = asked.table([
        state("a megabyte is free, anyone may write", Truth::Holds, |room| room.tmpfs("var/runs", "size=2m,mode=0777")),
        state("the file system is full", Truth::Fails, |room| {
            room.tmpfs("var/runs", "size=2m,mode=0777");
            std::fs::write(room.host("var/runs/dump"), vec![1; 3 << 20]).expect_err("no space is left");
        }),
        state("no inode is left", Truth::Fails, |room| {
            room.tmpfs("var/runs", "size=2m,mode=0777,nr_inodes=2");
            std::fs::write(room.host("var/runs/last"), "").expect("an inode");
            std::fs::write(room.host("var/runs/more"), "").expect_err("no inode is left");
        }),
        state("the file system is read-only", Truth::Fails, |room| room.tmpfs("var/runs", "ro,size=2m,mode=0777")),
        state("others may not write", Truth::Fails, |room| room.tmpfs("var/runs", "size=2m,mode=0755")),
        state("the executor may not search the folder above", Truth::Fails, |room| {
            room.tmpfs("var/runs", "size=2m,mode=0777");
            room.mode("var", 0o700);
        }),
        state("an access control list decides", Truth::CannotBeKnown, |room| {
            room.tmpfs("var/runs", "size=2m,mode=0777");
            room.access_control_list("var/runs");
        }),
        state("the executor has no account", Truth::CannotBeKnown, |room| {
            room.tmpfs("var/runs", "size=2m,mode=0777");
            room.write("etc/passwd", "");
        }),
        state("absent", Truth::Fails, |room| room.dir("var", 0o755)),
    ]);
    let of_space =
        Asked::of("provisioning", "paths = [{ path = \"/var/runs\", kind = \"directory\" }]\nmin_free_mb = 1")
            .rule("p.paths[0].matches")
            .shows(&["paths.0.matches"])
            .says("/var/runs: {p.paths[0].why}");
    let swapped = of_space.table([state(
        "a folder and a symlink to another one, exchanged again and again",
        Truth::CannotBeKnown,
        |room| {
            room.dir("var/runs", 0o777);
            room.dir("srv", 0o777);
            symlink("/srv", room.host("var/link")).expect("symlink");
            room.keep(race::exchanging(room.host("var/runs"), room.host("var/link")));
        },
    )
    .race("something else took its place")]);
    matrix("provisioning: space", "Whether the executor finds room there and may write.", vec![table, swapped]);
}

#[test]
fn locks() {
    let asked =
        Asked::of("provisioning", "paths = [{ path = \"/var\", kind = \"directory\" }]\nlocks = \"/var/locks\"")
            .rule("p.lock_count == 0")
            .shows(&["lock_count"])
            .says("{p.lock_count} locks are left: {p.locks[0].path}");
    let listed =
        Asked::of("provisioning", "paths = [{ path = \"/var\", kind = \"directory\" }]\nlocks = \"/var/locks\"")
            .rule("p.locks[0].pid == 4711")
            .shows(&["lock_count", "locks.0.pid"])
            .says("the lock is held by {p.locks[0].pid}");
    let of_number = listed.table([
        state("a lock with a process number", Truth::Holds, |room| room.write("var/locks/run", "4711\n")),
        state("a lock with another number", Truth::Fails, |room| room.write("var/locks/run", "1\n")),
        state("an empty lock", Truth::CannotBeKnown, |room| room.write("var/locks/run", "")),
        state("a lock that holds no number", Truth::CannotBeKnown, |room| room.write("var/locks/run", "me")),
        state("a lock with mode 000", Truth::CannotBeKnown, |room| {
            room.write("var/locks/run", "4711\n");
            room.mode("var/locks/run", 0o000);
        })
        .as_nobody(),
        state("a lock of 4 GB, sparse", Truth::CannotBeKnown, |room| room.sparse("var/locks/run", 4 << 30)),
        state("a FIFO as a lock", Truth::CannotBeKnown, |room| {
            room.dir("var/locks", 0o755);
            room.fifo("var/locks/run");
        }),
        state("a symlink as a lock", Truth::CannotBeKnown, |room| {
            room.write("var/number", "4711\n");
            room.dir("var/locks", 0o755);
            symlink("../number", room.host("var/locks/run")).expect("symlink");
        }),
    ]);
    let of_count = asked.table([
        state("the folder is empty", Truth::Holds, |room| room.dir("var/locks", 0o755)),
        state("a lock is left", Truth::Fails, |room| room.write("var/locks/run", "1")),
        state("a lock is left whose name is not UTF-8", Truth::Fails, |room| {
            use std::os::unix::ffi::OsStrExt;
            room.dir("var/locks", 0o755);
            let name = std::ffi::OsStr::from_bytes(b"var/locks/run\xff");
            std::fs::write(room.host(name), "1").expect("write");
        })
        .mask("\u{fffd}", "?"),
        state("the folder is absent", Truth::CannotBeKnown, |room| room.dir("var", 0o755)),
        state("the folder has mode 000", Truth::CannotBeKnown, |room| room.dir("var/locks", 0o000)).as_nobody(),
        state("the folder can be searched and not listed (mode 0711)", Truth::CannotBeKnown, |room| {
            room.write("var/locks/run", "1");
            room.mode("var/locks", 0o711);
        })
        .as_nobody(),
        state("a file in its place", Truth::CannotBeKnown, |room| room.write("var/locks", "")),
        state("more locks than the limit of entries", Truth::CannotBeKnown, |room| {
            room.dir("var/locks", 0o755);
            (0..9).for_each(|n| room.write(&format!("var/locks/{n}"), ""));
        })
        .limits(|limits| limits.entries = 8),
        state("on a mount whose server does not answer", Truth::CannotBeKnown, |room| room.dead_mount("var/locks"))
            .limits(|limits| limits.read = Duration::from_millis(300)),
    ]);
    matrix("provisioning: locks", "Whether locks are left, and whose.", vec![of_count, of_number]);
}

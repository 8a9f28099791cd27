//! Law 7: collecting changes nothing. Everything that is looked at is compared before and after, and every system call
//! that could change something is looked at.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::postgres::Cluster;
use crate::traps::Trap;
use cutgate::evidence::Digest256;

/// What a file system knows of a path, but for the time of the last reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    kind: fs::FileType,
    content: String,
    mode: u32,
    owner: (u32, u32),
    size: u64,
    links: u64,
    inode: u64,
    changed: (i64, i64),
    attributes_changed: (i64, i64),
    extended: Vec<(String, Vec<u8>)>,
}

/// Everything below a folder, itself included.
pub fn snapshot(root: &Path) -> BTreeMap<PathBuf, Entry> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .map(Result::unwrap)
        .map(|it| (it.path().to_owned(), entry(it.path())))
        .collect()
}

fn entry(path: &Path) -> Entry {
    let meta = path.symlink_metadata().unwrap();
    let content = if meta.is_file() {
        Digest256::of(&fs::read(path).unwrap()).to_string()
    } else if meta.is_symlink() {
        fs::read_link(path).unwrap().display().to_string()
    } else {
        String::new()
    };
    let mut names = vec![0_u8; 4096];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let extended = names.map(|name| {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let mut value = vec![0_u8; 65536];
        let length = rustix::fs::lgetxattr(path, name.as_str(), &mut value[..]).unwrap_or(0);
        value.truncate(length);
        (name, value)
    });
    Entry {
        kind: meta.file_type(),
        content,
        mode: meta.mode(),
        owner: (meta.uid(), meta.gid()),
        size: meta.size(),
        links: meta.nlink(),
        inode: meta.ino(),
        changed: (meta.mtime(), meta.mtime_nsec()),
        attributes_changed: (meta.ctime(), meta.ctime_nsec()),
        extended: extended.collect(),
    }
}

pub fn equal(before: &BTreeMap<PathBuf, Entry>, after: &BTreeMap<PathBuf, Entry>) {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differing: Vec<_> = paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).collect();
    assert!(
        differing.is_empty(),
        "{:#?}",
        differing.iter().map(|path| (path, before.get(*path), after.get(*path))).collect::<Vec<_>>()
    );
}

/// Host tree, GnuPG home, knowledge base, registry and package, the folder of the package itself included: the reports
/// go elsewhere, so that nothing at all may differ.
#[test]
fn the_file_system_is_what_it_was() {
    let trap = Trap::new();
    let out = tempfile::tempdir().unwrap();
    let before = snapshot(&trap.lab.dir);
    assert!(before.len() > 150 && before.contains_key(&trap.path("gnupg/pubring.kbx")));
    for args in [&["audit", "--out"][..], &["audit", "--format", "json", "--out"]] {
        let args: Vec<_> = args.iter().copied().chain([out.path().to_str().unwrap()]).collect();
        let output = trap.cutgate(&args);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for args in [&["explain", "GAP-3"][..], &["audit", "--only", "GAP-8"], &["gates", "check"]] {
        assert_eq!(trap.cutgate(args).status.code(), Some(0), "{args:?}");
    }
    equal(&before, &snapshot(&trap.lab.dir));
    // Blocked, and with things that cannot be read or understood, it changes as little.
    trap.shell(
        "head -c 100 /dev/urandom > keys/trusted.asc; rm -r host/var/lib/cutter; mkfifo kb/fifo; : > gnupg/pubring.kbx",
    );
    trap.shell("printf x > governance.db-journal");
    let before = snapshot(&trap.lab.dir);
    let output = trap.cutgate(&["audit", "--out", out.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    equal(&before, &snapshot(&trap.lab.dir));
}

/// A registry on a server: its rows, its statistics of writing, and the number that the next writer gets.
#[test]
fn the_database_is_what_it_was() {
    let cluster = Cluster::start();
    let database = cluster.database(
        "CREATE TABLE target (id int PRIMARY KEY, name text); INSERT INTO target SELECT n, 'target ' || n FROM generate_series(1, 500) n; \
         CREATE ROLE auditor LOGIN; GRANT SELECT ON target TO auditor",
    );
    // The server's own housekeeping would count as a writer.
    cluster.sql(&database, "ALTER SYSTEM SET autovacuum = off");
    cluster.sql(&database, "SELECT pg_reload_conf()");
    cluster.sql(&database, "VACUUM ANALYZE");
    let state = || {
        let queries = [
            "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM target t",
            "SELECT pg_snapshot_xmax(pg_current_snapshot())",
            "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables",
            "SELECT oid, rolname, rolcanlogin, rolsuper FROM pg_roles ORDER BY oid",
            "SELECT oid, relname, relacl FROM pg_class ORDER BY oid",
            "SELECT count(*) FROM pg_largeobject_metadata",
        ];
        queries.map(|query| cluster.sql(&database, query))
    };
    let trap = Trap::new();
    trap.gate(
        &format!(
            "kind = \"sql\"\nurl = \"{}\"\n[probe.it.queries.targets]\nsql = \"SELECT id, name FROM target\"\ncolumns = {{ id = \"int\", name = \"text\" }}",
            cluster.url(&database, "auditor")
        ),
        "size(it.rows.targets) == 500 && it.unchanged",
    );
    let before = state();
    assert_eq!(before[0].split('|').next(), Some("500"));
    let output = trap.cutgate(&["audit"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(before, state());
    // The comparison can fail: a writer moves the number.
    cluster.sql(&database, "UPDATE target SET name = 'x' WHERE id = 1");
    assert_ne!(before, state());
}

/// Calls that change something, besides opening for writing.
const CHANGING: &str = "creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,mknod,mknodat,chmod,fchmod,\
    fchmodat,chown,fchown,lchown,fchownat,utime,utimes,futimesat,utimensat,truncate,ftruncate,fallocate,link,linkat,\
    symlink,symlinkat,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,mount,umount2";

#[test]
fn no_system_call_changes_anything_outside_the_report_folder() {
    let trap = Trap::new();
    let out = tempfile::tempdir().unwrap();
    let out = out.path().canonicalize().unwrap();
    let trace = tempfile::NamedTempFile::new().unwrap();
    let program = assert_cmd::cargo::cargo_bin("cutgate");
    let mut command = trap.command(Path::new("strace"));
    command.args([
        "-f",
        "-qq",
        "-y",
        "-s",
        "4096",
        "-e",
        &format!("trace=open,openat,openat2,execve,execveat,{CHANGING}"),
    ]);
    command.arg("-o").arg(trace.path()).arg(&program).args(["audit", "--out"]).arg(&out);
    let output = command.output().expect("strace is missing: apt-get install strace");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !said.contains("ptrace"),
        "strace may not trace here (a container needs the capability SYS_PTRACE): {said}"
    );
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stdout));

    let trace = fs::read_to_string(trace.path()).unwrap();
    let (mut opened, mut written, mut started) = (0, 0, Vec::new());
    for line in trace.lines() {
        // A call that another thread interrupted is printed in two lines; the first one has the arguments.
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
        let Some((name, rest)) = call.split_once('(') else { continue };
        if call.starts_with("<...") || call.starts_with("---") || call.starts_with("+++") {
            continue;
        }
        let paths = quoted(rest);
        let inside = |path: &String| Path::new(path).starts_with(&out);
        if name.starts_with("open") {
            opened += 1;
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"];
            if writes.iter().any(|flag| rest.contains(flag)) {
                written += 1;
                assert!(paths.first().is_some_and(inside), "opened for writing: {line}");
            }
        } else if name.starts_with("exec") {
            started.push(paths);
        } else {
            written += 1;
            // A descriptor is shown with the path behind it.
            let behind =
                rest.split_once('<').and_then(|(_, path)| path.split_once('>')).map(|(path, _)| path.to_owned());
            let all: Vec<_> =
                if name.starts_with('f') && !name.ends_with("at") { behind.into_iter().collect() } else { paths };
            assert!(!all.is_empty() && all.iter().all(inside), "changes something: {line}");
        }
    }
    assert!(opened > 300 && written > 15, "the trace is whole: {opened} {written}");
    let named: Vec<_> = started.iter().map(|words| words.iter().map(String::as_str).collect::<Vec<_>>()).collect();
    assert_eq!(named[0][0], program.to_str().unwrap(), "{named:?}");
    for words in &named[1..] {
        let tool = Path::new(words[0]).file_name().and_then(|name| name.to_str()).unwrap();
        assert!(
            ["gpg", "python3"].contains(&tool) && words.last() == Some(&"--version"),
            "the package names no such tool: {words:?}"
        );
    }
    assert_eq!(named.len(), 3, "{named:?}");
}

/// The texts between quotes in the arguments of a call.
fn quoted(arguments: &str) -> Vec<String> {
    arguments.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

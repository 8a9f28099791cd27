//! The laboratory that `demo` builds: each part is looked at with the tool that an operator would use.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cutter;
mod live;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cutgate::lab::{self, Built, LabError, Scenario};

/// A laboratory with the folder that holds it.
struct Shared {
    built: Built,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Shared {
    type Target = Built;

    fn deref(&self) -> &Built {
        &self.built
    }
}

/// One laboratory for the tests that only look; it goes when the last of them lets go. Tests that change something
/// copy what they change.
fn shared() -> Arc<Shared> {
    static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
    let mut held = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let built = lab::build(&folder.path().join("demo"), Scenario::O8Blocked).expect("a laboratory");
        let shared = Arc::new(Shared { built, _folder: folder });
        *held = Arc::downgrade(&shared);
        shared
    })
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> Output {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; install it with sudo apt-get install -y {program}"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Every file below a folder with its content; the times are left out.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.expect("readable"));
    let files = files.filter(|entry| entry.file_type().is_file());
    files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).expect("readable"))).collect()
}

fn copy(from: &Path, to: &Path) {
    assert!(run("cp", &["-a", from.to_str().unwrap(), to.to_str().unwrap()], Path::new("/")).status.success());
}

fn front_matter(text: &str) -> &str {
    let fence = ["---\n", "+++\n"].into_iter().find(|fence| text.starts_with(fence));
    fence.and_then(|fence| text[4..].split_once(fence)).map_or("", |(front, _)| front)
}

#[test]
fn the_deployed_tree_is_what_its_manifest_says() {
    let built = shared();
    for (folder, version) in [("host/opt/cutter", "v0.6"), ("host/opt/cutter", "v0.4"), ("releases", "v0.7")] {
        let tree = built.dir.join(folder).join(version);
        let checked = run("sha256sum", &["--check", "--strict", &format!("../{version}.sha256")], &tree);
        assert!(checked.status.success(), "{}", stderr(&checked));
        let files = walkdir::WalkDir::new(&tree).into_iter().filter(|e| e.as_ref().unwrap().file_type().is_file());
        assert_eq!(stdout(&checked).lines().count(), files.count(), "every file of {version} is listed");
    }
}

#[test]
fn every_release_compiles() {
    let built = shared();
    for tree in ["host/opt/cutter/v0.6", "releases/v0.7"] {
        compiles(&built.dir.join(tree));
    }
}

fn compiles(tree: &Path) {
    let modules: Vec<_> = walkdir::WalkDir::new(tree)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension() == Some(OsStr::new("py")))
        .collect();
    assert!(modules.len() >= 15, "{} modules", modules.len());
    let cache = tempfile::tempdir().unwrap();
    let compiled = Command::new("python3")
        .env("PYTHONPYCACHEPREFIX", cache.path())
        .args(["-m", "py_compile"])
        .args(&modules)
        .output()
        .expect("python3: sudo apt-get install -y python3");
    assert!(compiled.status.success(), "{}", stderr(&compiled));
    // Beside those of the interpreter's own modules: byte code lies below the path of its source.
    let ours = cache.path().join(tree.canonicalize().unwrap().strip_prefix("/").unwrap());
    let written = walkdir::WalkDir::new(ours).into_iter().map(|entry| entry.unwrap().into_path());
    assert_eq!(written.filter(|path| path.extension() == Some(OsStr::new("pyc"))).count(), modules.len());
}

#[test]
fn the_production_home_has_no_key_and_the_demonstration_home_has_four() {
    let built = shared();
    let gpg = |home: &str, words: &[&str]| {
        let mut all = vec!["--homedir", home, "--batch", "--with-colons"];
        all.extend(words);
        run("gpg", &all, &built.dir)
    };
    let empty = gpg("gnupg", &["--list-keys"]);
    assert!(empty.status.success(), "{}", stderr(&empty));
    assert!(!stdout(&empty).lines().any(|line| line.starts_with("pub:")), "{}", stdout(&empty));
    assert!(built.dir.join("gnupg/pubring.kbx").is_file(), "gpg made its keybox");
    for home in ["gnupg", "keys/home"] {
        assert_eq!(fs::metadata(built.dir.join(home)).unwrap().permissions().mode() & 0o7777, 0o700, "{home}");
    }

    let listed = stdout(&gpg("keys/home", &["--list-keys"]));
    let keys = [&built.keys.sovereign, &built.keys.operator, &built.keys.auditor, &built.keys.backup];
    for fingerprint in keys {
        assert!(listed.lines().any(|line| line.starts_with("fpr:") && line.contains(fingerprint.as_str())));
    }
    assert_eq!(listed.lines().filter(|line| line.starts_with("pub:")).count(), 4, "{listed}");

    let shown = |file: &str| stdout(&gpg("keys/home", &["--show-keys", file]));
    assert!(shown("keys/backup.asc").contains(&built.keys.backup));
    assert!(!shown("keys/backup.asc").contains(&built.keys.sovereign));
    assert!(keys.iter().all(|fingerprint| shown("keys/trusted.asc").contains(fingerprint.as_str())));
}

#[test]
fn the_registry_holds_the_constitution_and_no_other_target() {
    let built = shared();
    let database = rusqlite::Connection::open(built.dir.join("governance.db")).unwrap();
    let text = |statement: &str| database.query_row(statement, [], |row| row.get::<_, String>(0)).expect(statement);
    let number = |statement: &str| database.query_row(statement, [], |row| row.get::<_, i64>(0)).expect(statement);
    assert_eq!(
        text("SELECT group_concat(id || ' ' || authority || ' ' || forbidden) FROM target"),
        "ICX-CONST authoritative 1"
    );
    let content = text(
        "SELECT v.content FROM target t JOIN source_version v ON v.document_id = t.document_id AND v.version = t.version",
    );
    assert_eq!(text("SELECT content_sha256 FROM target"), cutgate::evidence::sha256_hex(content.as_bytes()));
    let clauses = content.lines().filter(|line| line.starts_with("§ ")).count();
    assert_eq!(i64::try_from(clauses).unwrap(), number("SELECT units FROM target"));
    assert_eq!(text("SELECT status || ' ' || ifnull(principal, 'NULL') FROM decision WHERE id = 'DQ_4'"), "open NULL");
    assert_eq!(number("SELECT count(DISTINCT kind) FROM principal"), 6);
    assert_eq!(number("SELECT count(*) FROM principal WHERE superuser = 1"), 0);
    assert_eq!(number("SELECT count(*) FROM grants WHERE privilege IN ('UPDATE', 'DELETE')"), 1);
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    let bodies = "SELECT body || '|' || body_sha256 FROM unit_version";
    let mut statement = database.prepare(bodies).unwrap();
    for row in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        let row = row.unwrap();
        let (body, digest) = row.rsplit_once('|').unwrap();
        assert_eq!(digest, cutgate::evidence::sha256_hex(body.as_bytes()));
    }
}

#[test]
fn the_knowledge_base_has_every_look_alike_and_no_approval_of_this_run() {
    let built = shared();
    let kb = built.dir.join("kb");
    let documents: BTreeMap<_, _> = contents(&kb)
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(&kb).unwrap().to_owned(), String::from_utf8(bytes).unwrap()))
        .collect();
    assert!(documents.len() >= 30, "{} documents", documents.len());
    let having = |needles: &[&str]| {
        documents.values().filter(|text| needles.iter().all(|needle| front_matter(text).contains(needle))).count()
    };
    assert_eq!(having(&["kind: ruling", "accepts: O7", "selects: O8"]), 1);
    assert!(having(&["approval_requested: NO"]) >= 1);
    assert_eq!(having(&["kind: approval", "<RUN_ID>"]), 2);
    assert_eq!(having(&["kind: approval", "generated_by: cutter-runner", "allowance: explicit"]), 1);
    assert_eq!(having(&["kind: approval", "macro: v0.5-", "signed_utc: 2026-03"]), 2);
    assert_eq!(having(&["kind: approval", "macro: v0.6-o5", "SG_2_lifecycle_authz"]), 1);
    assert_eq!(having(&["kind: approval", "signed_utc: 2031-01-01T00:00:00Z"]), 1);
    let approvals: Vec<_> = documents.values().filter(|text| front_matter(text).contains("kind: approval")).collect();
    assert_eq!(approvals.iter().filter(|text| !front_matter(text).contains("allowance:")).count(), 1);
    for text in approvals {
        let ours = front_matter(text).contains("macro: v0.6-o8-production-run-readiness-command-package");
        assert!(!ours || front_matter(text).contains("<RUN_ID>"), "{text}");
    }
    assert_eq!(having(&["id: DQ_4", "status: open"]), 1);
    assert_eq!(having(&["kind: runbook"]), 1);
    assert!(having(&["lang: vi"]) >= 2);
    assert!(documents.values().any(|text| text.starts_with("+++\n")), "some front matter is TOML");
}

#[test]
fn the_host_is_not_provisioned() {
    let built = shared();
    let host = built.dir.join("host");
    let read = |path: &str| fs::read_to_string(host.join(path)).expect(path);
    assert_eq!(read("etc/hostname"), "vmi3080463\n");
    assert!(host.join("var/lib").is_dir());
    assert!(!host.join("var/lib/cutter").exists());
    assert!(!read("etc/cutter/cutter.toml").contains("orchestrator"));
    assert!(!read("etc/cutter/cutter.env").lines().any(|line| line.starts_with("BACKUP_GPG_FPR")));
    assert_eq!(fs::metadata(host.join("etc/cutter/cutter.env")).unwrap().permissions().mode() & 0o777, 0o640);
    let (uid, gid) = built.accounts.cutter;
    assert!(read("etc/passwd").contains(&format!("\ncutter:x:{uid}:{gid}:")));
    assert!(read("etc/group").contains(&format!("\ncutter:x:{gid}:cutter-exec\n")));
    for folder in ["records/drills", "approvals", "requests"] {
        assert_eq!(fs::read_dir(built.dir.join(folder)).expect(folder).count(), 0, "{folder}");
    }
    assert!(!built.dir.join("reports").exists());
    let configuration = fs::read_to_string(built.dir.join("cutgate.toml")).unwrap();
    for value in [built.tree_digest.as_str(), &built.keys.sovereign, &built.keys.backup, "vmi3080463"] {
        assert!(configuration.contains(value), "{value}");
    }
    assert!(!configuration.contains('@'), "everything is filled in");
}

#[test]
fn what_is_compiled_in_is_what_the_repository_holds() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab");
    let built = shared();
    for (path, bytes) in contents(&source) {
        let inside = path.strip_prefix(&source).unwrap();
        let filled =
            ["cutgate.toml", "host/etc/cutter.d/permit.toml", "host/etc/passwd", "host/etc/group", "keys/README.md"];
        let filled = filled.map(Path::new);
        let byte_code = inside.components().any(|part| part.as_os_str() == "__pycache__");
        if inside.starts_with("registry") || filled.contains(&inside) || byte_code {
            continue;
        }
        let laid_out = fs::read(built.dir.join(inside)).unwrap_or_else(|error| {
            panic!("lab/{}: {error}; touch src/lab/layout.rs, so that the new file is compiled in", inside.display())
        });
        assert!(laid_out == bytes, "lab/{} differs", inside.display());
    }
    let releases = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cutter");
    for (release, place) in [("v0.6", "host/opt/cutter/v0.6"), ("v0.7", "releases/v0.7")] {
        let unlike =
            run("diff", &["-r", "-x", "__pycache__", release, built.dir.join(place).to_str().unwrap()], &releases);
        assert!(unlike.status.success(), "{}: touch src/lab/layout.rs where a file is new", stdout(&unlike));
    }
}

#[test]
fn an_empty_folder_is_used_and_a_full_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    fs::create_dir(&dir).unwrap();
    let built = lab::build(&dir, Scenario::O8Blocked).expect("an empty folder will do");
    assert_eq!(built.dir, dir.canonicalize().unwrap());
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o755);
    let before = contents(folder.path());
    let error = lab::build(&dir, Scenario::O8Blocked).expect_err("the folder is not empty");
    assert!(matches!(error, LabError::NotEmpty { .. }), "{error}");
    assert!(error.to_string().contains("is not empty"), "{error}");
    assert_eq!(contents(folder.path()), before);
    assert_eq!(built.tree_digest, shared().tree_digest, "the same tree every time");
    assert_ne!(built.keys, shared().keys, "other keys every time");
}

#[test]
fn a_place_that_cannot_be_used_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let dangling = folder.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    for (dir, next) in [
        (file, "exists and is not a folder"),
        (dangling, "exists and is not a folder"),
        (folder.path().join("no/such/folder"), "create it with mkdir -p"),
    ] {
        let error = lab::build(&dir, Scenario::O8Blocked).expect_err("refused");
        assert!(error.to_string().contains(next), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing was left behind");
}

#[test]
fn a_missing_or_failing_program_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let dir = folder.path().join("demo");
    let attempt = || {
        let error = lab::build_with(&dir, Scenario::O8Blocked, programs.as_os_str()).expect_err("cannot be built");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{error}: nothing was left behind");
        error.to_string()
    };
    // A child writes the script: a file that this process has open for writing cannot be run by its other threads.
    let program = |name: &str, script: &str| {
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
        assert!(run("sh", &["-c", write, "sh", name, script], &programs).status.success());
    };
    let bare = attempt();
    assert!(bare.ends_with(": gpg, gpgconf, python3; install it with sudo apt-get install -y gnupg python3"), "{bare}");
    program("gpg", "echo no entropy today >&2; exit 2");
    program("gpgconf", "exit 0");
    assert!(attempt().contains("install it with sudo apt-get install -y python3"));
    program("python3", "echo 3.7.1 >&2; exit 1");
    let old = attempt();
    assert!(old.contains("needs Python 3.9") && old.contains("3.7.1"), "{old}");
    program("python3", "exit 0");
    let failed = attempt();
    assert!(failed.contains("no entropy today") && failed.contains("exit status: 2"), "{failed}");
    program("gpg", "echo '[GNUPG:] KEY_CREATED B 0123456789ABCDEF0123456789ABCDEF01234567'");
    let unproved = attempt();
    assert!(unproved.contains("records/dry-run-"), "a program that says it ran and wrote no record: {unproved}");
}

#[test]
fn scenarios_are_found_by_their_name() {
    for scenario in Scenario::ALL {
        assert_eq!(Scenario::named(scenario.name()), Some(*scenario));
    }
    assert_eq!(Scenario::named("o8"), None);
}

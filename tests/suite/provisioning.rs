//! The probe `provisioning` over real directories, links, refusals, mounts and lock files.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cutgate::evidence::{Fact, MissingState};
use cutgate::probes;
use serde_json::{Value, json};

use crate::harness;
use crate::states::Mount;

const PATHS: [&str; 3] = ["/var/lib/cutter/runs", "/var/lib/cutter/batches", "/var/lib/cutter/locks"];

fn fact<'a>(facts: &'a Fact, path: &str) -> &'a Fact {
    facts.at(path).unwrap_or_else(|| panic!("no fact {path} in {facts:?}"))
}

fn state(fact: &Fact) -> MissingState {
    let Fact::Missing(missing) = fact else { panic!("{fact:?} is not missing") };
    missing.state
}

fn items(fact: &Fact) -> &[Fact] {
    let Fact::List(items) = fact else { panic!("{fact:?} is not a list") };
    items
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("chmod");
}

/// An image whose account files give the user that runs the tests the name `cutter`: what the tests make
/// belongs to it. `other` is somebody else, `member` is in cutter's group.
struct Image(tempfile::TempDir);

impl Image {
    fn new() -> Self {
        let image = Self(harness::open_dir());
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        std::fs::create_dir_all(image.host("etc")).expect("mkdir");
        let passwd = format!(
            "# accounts\ncutter:x:{uid}:{gid}::/:/bin/false\nother:x:7001:7001::/:/bin/false\nmember:x:7002:7002::/:/bin/false\n"
        );
        std::fs::write(image.host("etc/passwd"), passwd).expect("write");
        std::fs::write(image.host("etc/group"), format!("cutters:x:{gid}:member\nothers:x:7001:\n")).expect("write");
        image
    }

    /// With everything as it should be.
    fn provisioned() -> Self {
        let image = Self::new();
        for path in PATHS {
            image.dir(&path[1..], 0o750);
        }
        image
    }

    fn host(&self, path: &str) -> PathBuf {
        self.0.path().join("host").join(path)
    }

    fn dir(&self, path: &str, bits: u32) {
        std::fs::create_dir_all(self.host(path)).expect("mkdir");
        mode(&self.host(path), bits);
    }

    fn collect(&self, given: Value) -> Fact {
        harness::collect("provisioning", self.0.path(), given).expect("facts")
    }

    /// The record of one path with everything expected.
    fn record(&self, path: &str) -> Fact {
        let facts = self.collect(json!({ "paths": [expected(path)], "executor_user": "cutter" }));
        let record = items(fact(&facts, "paths"))[0].clone();
        let absent = if fact(&record, "exists") == &Fact::Bool(false) { vec![path] } else { vec![] };
        assert_eq!(fact(&facts, "absent"), &Fact::texts(absent));
        let unmatched = if fact(&record, "matches") == &Fact::Bool(false) { vec![path] } else { vec![] };
        assert_eq!(fact(&facts, "unmatched"), &Fact::texts(unmatched));
        record
    }
}

fn expected(path: &str) -> Value {
    json!({ "path": path, "kind": "directory", "owner": "cutter", "group": "cutters", "mode": "0750" })
}

fn all_expected() -> Value {
    json!({
        "paths": PATHS.map(expected), "min_free_mb": 1, "executor_user": "cutter", "locks": "/var/lib/cutter/locks",
    })
}

#[test]
fn all_is_as_it_should_be() {
    let facts = Image::provisioned().collect(all_expected());
    assert_eq!(fact(&facts, "absent"), &Fact::List(vec![]));
    assert_eq!(fact(&facts, "unmatched"), &Fact::List(vec![]));
    assert_eq!(fact(&facts, "locks"), &Fact::List(vec![]));
    assert_eq!(fact(&facts, "lock_count"), &Fact::Int(0));
    let Fact::Int(least) = fact(&facts, "free_bytes") else { panic!("free space is known") };
    assert!(*least >= 1 << 20, "{least}");
    for (record, path) in items(fact(&facts, "paths")).iter().zip(PATHS) {
        let text = |name: &str| fact(record, name).clone();
        assert_eq!(text("path"), path.into());
        assert_eq!(text("exists"), true.into());
        assert_eq!(text("kind"), "directory".into());
        assert_eq!(text("owner"), "cutter".into());
        assert_eq!(text("group"), "cutters".into());
        assert_eq!(text("mode"), "0750".into());
        assert_eq!(text("link_in_path"), "".into());
        assert_eq!(text("writable"), true.into());
        assert_eq!(text("matches"), true.into());
        assert_eq!(text("why"), "".into());
    }
}

#[test]
fn nothing_is_there() {
    let image = Image::new();
    let facts = image.collect(all_expected());
    assert_eq!(fact(&facts, "absent"), &Fact::texts(PATHS));
    assert_eq!(fact(&facts, "unmatched"), &Fact::texts(PATHS));
    for name in ["free_bytes", "locks", "lock_count"] {
        assert_eq!(state(fact(&facts, name)), MissingState::Absent, "{name}");
    }
    for record in items(fact(&facts, "paths")) {
        assert_eq!(fact(record, "exists"), &false.into());
        assert_eq!(fact(record, "matches"), &false.into());
        assert_eq!(fact(record, "why"), &"absent".into());
        for name in ["kind", "owner", "group", "mode", "link_in_path", "free_bytes", "writable"] {
            assert_eq!(state(fact(record, name)), MissingState::Absent, "{name}");
        }
    }
}

#[test]
fn a_directory_in_the_place_of_a_file_and_a_file_as_wanted() {
    let image = Image::provisioned();
    std::fs::write(image.host("etc/f"), "").expect("write");
    let given = json!({ "paths": [{ "path": "/etc/f", "kind": "file" }, { "path": "/etc", "kind": "file" }] });
    let facts = image.collect(given);
    assert_eq!(fact(&facts, "unmatched"), &Fact::texts(["/etc"]));
    assert_eq!(fact(&items(fact(&facts, "paths"))[1], "why"), &"a directory, expected a file".into());
}

#[test]
fn ids_without_a_name_are_shown_as_numbers() {
    let image = Image::provisioned();
    std::fs::remove_file(image.host("etc/passwd")).expect("rm");
    std::fs::write(image.host("etc/group"), "").expect("write");
    let record = image.record(PATHS[0]);
    assert_eq!(fact(&record, "owner"), &rustix::process::geteuid().as_raw().to_string().into());
    assert_eq!(fact(&record, "group"), &rustix::process::getegid().as_raw().to_string().into());
    assert_eq!(fact(&record, "matches"), &false.into());
    assert_eq!(state(fact(&record, "writable")), MissingState::Absent, "there is no user cutter");
}

#[test]
fn a_symlink_on_the_way_is_seen() {
    let image = Image::new();
    image.dir("srv/real/runs", 0o750);
    image.dir("var/lib", 0o755);
    symlink("/srv/real", image.host("var/lib/cutter")).expect("symlink");
    let record = image.record("/var/lib/cutter/runs");
    assert_eq!(fact(&record, "exists"), &true.into());
    assert_eq!(fact(&record, "kind"), &"directory".into());
    assert_eq!(fact(&record, "link_in_path"), &"/var/lib/cutter".into());
    assert_eq!(fact(&record, "matches"), &false.into());
    assert_eq!(fact(&record, "why"), &"/var/lib/cutter is a symlink".into());
    assert_eq!(state(fact(&record, "writable")), MissingState::Unreadable);
    // The link itself, a path behind it that is not there, and a link that leads nowhere.
    let record = image.record("/var/lib/cutter");
    assert_eq!(fact(&record, "kind"), &"symlink".into());
    assert_eq!(fact(&record, "why"), &"/var/lib/cutter is a symlink".into());
    let record = image.record("/var/lib/cutter/none");
    assert_eq!(fact(&record, "exists"), &false.into());
    assert_eq!(fact(&record, "link_in_path"), &"/var/lib/cutter".into());
    symlink("/nowhere", image.host("var/lib/dangling")).expect("symlink");
    let record = image.record("/var/lib/dangling/runs");
    assert_eq!(fact(&record, "exists"), &false.into());
    assert_eq!(fact(&record, "link_in_path"), &"/var/lib/dangling".into());
    symlink("loop", image.host("var/lib/loop")).expect("symlink");
    let facts = image.collect(json!({ "paths": [expected("/var/lib/loop/runs")] }));
    assert_eq!(state(fact(&facts, "absent")), MissingState::Error, "a loop says nothing about what would be there");
}

#[test]
fn what_may_not_be_seen_is_not_called_absent() {
    let image = Image::provisioned();
    image.dir("srv/open", 0o755);
    mode(&image.host("var/lib/cutter"), 0o700);
    let given = json!({
        "paths": [expected(PATHS[0]), { "path": "/srv/open", "kind": "directory" }, { "path": "/srv/none", "kind": "directory" }],
        "locks": "/var/lib/cutter/locks",
    });
    let facts = harness::as_nobody(|| image.collect(given));
    let [hidden, open, none] = items(fact(&facts, "paths")) else { panic!("three paths") };
    for name in ["exists", "kind", "owner", "group", "mode", "link_in_path", "free_bytes", "writable", "matches", "why"]
    {
        assert_eq!(state(fact(hidden, name)), MissingState::Denied, "{name}");
    }
    assert_eq!(fact(open, "matches"), &true.into());
    assert_eq!(fact(none, "exists"), &false.into());
    for name in ["absent", "unmatched", "free_bytes", "locks", "lock_count"] {
        assert_eq!(state(fact(&facts, name)), MissingState::Denied, "{name}");
    }
}

/// Who may write, by mode and by who asks; the directory belongs to 7001 with group 7001.
#[test]
fn writable_follows_owner_group_and_others() {
    assert!(rustix::process::geteuid().is_root(), "run as root (it changes owners): sudo -E cargo test --test suite");
    let image = Image::new();
    std::fs::write(
        image.host("etc/passwd"),
        "root:x:0:0:::\nowner:x:7001:1:::\nprimary:x:7003:7001:::\nmember:x:7004:1:::\nstranger:x:7005:1:::\n",
    )
    .expect("write");
    std::fs::write(image.host("etc/group"), "files:x:7001:member\n").expect("write");
    image.dir("srv/above/data", 0o755);
    chown(image.host("srv/above/data"), Some(7001), Some(7001)).expect("chown");
    let rows = [
        (0o755, 0o700, ["root", "owner"].as_slice()),
        (0o755, 0o770, &["root", "owner", "primary", "member"]),
        (0o755, 0o070, &["root", "primary", "member"]),
        (0o755, 0o707, &["root", "owner", "stranger"]),
        (0o755, 0o757, &["root", "owner", "stranger"]),
        // Without the right to enter nothing can be made there.
        (0o755, 0o666, &["root"]),
        (0o755, 0o555, &["root"]),
        // Nor where a folder above may not be entered.
        (0o700, 0o777, &["root"]),
        (0o711, 0o777, &["root", "owner", "primary", "member", "stranger"]),
    ];
    for (above, bits, writers) in rows {
        mode(&image.host("srv/above"), above);
        mode(&image.host("srv/above/data"), bits);
        for user in ["root", "owner", "primary", "member", "stranger"] {
            let paths = json!([{ "path": "/srv/above/data", "kind": "directory" }]);
            let facts = image.collect(json!({ "paths": paths, "executor_user": user }));
            let record = &items(fact(&facts, "paths"))[0];
            assert_eq!(fact(record, "writable"), &writers.contains(&user).into(), "{user} {above:o} {bits:o}");
        }
    }
}

#[test]
fn who_may_write_is_not_known_of_an_unknown_user() {
    let image = Image::provisioned();
    for (user, expected) in [(Some("no-such-user"), MissingState::Absent), (None, MissingState::Error)] {
        let mut given = json!({ "paths": [{ "path": PATHS[0], "kind": "directory" }] });
        if let Some(user) = user {
            given["executor_user"] = json!(user);
        }
        let facts = image.collect(given);
        let record = &items(fact(&facts, "paths"))[0];
        assert_eq!(state(fact(record, "writable")), expected);
        assert_eq!(fact(record, "matches"), &true.into());
    }
}

#[test]
fn locks_have_an_age_and_perhaps_a_process() {
    let image = Image::provisioned();
    let folder = image.host("var/lib/cutter/locks");
    let hours_ago = SystemTime::now() - Duration::from_secs(3 * 3600);
    for (name, text) in [("run.lock", " 4711\n"), ("batch.lock", "held by me"), ("empty.lock", ""), ("plus.lock", "+5")]
    {
        std::fs::write(folder.join(name), text).expect("write");
        let file = std::fs::File::options().write(true).open(folder.join(name)).expect("open");
        file.set_modified(hours_ago).expect("utimes");
    }
    std::fs::create_dir(folder.join("dir.lock")).expect("mkdir");
    let facts = image.collect(all_expected());
    assert_eq!(fact(&facts, "lock_count"), &Fact::Int(5));
    let locks = items(fact(&facts, "locks"));
    let names = ["batch.lock", "dir.lock", "empty.lock", "plus.lock", "run.lock"];
    for (lock, name) in locks.iter().zip(names) {
        assert_eq!(fact(lock, "path"), &format!("/var/lib/cutter/locks/{name}").into());
        let Fact::Int(age) = fact(lock, "age_seconds") else { panic!("an age") };
        let expected = if name == "dir.lock" { 0 } else { 3 * 3600 };
        assert!((expected..expected + 60).contains(age), "{name} {age}");
        match name {
            "run.lock" => assert_eq!(fact(lock, "pid"), &Fact::Int(4711)),
            _ => assert_eq!(state(fact(lock, "pid")), MissingState::Absent, "{name}"),
        }
    }
    assert_eq!(locks.len(), 5);
}

#[test]
fn without_a_lock_folder_there_are_no_facts_about_locks() {
    let facts = Image::provisioned().collect(json!({ "paths": [expected(PATHS[0])] }));
    assert_eq!(facts.get("locks"), None);
    assert_eq!(facts.get("lock_count"), None);
}

#[test]
fn a_full_disk_is_seen() {
    let image = Image::provisioned();
    let runs = image.host("var/lib/cutter/runs");
    let _mount = Mount::tmpfs(runs.clone(), "size=2m,mode=0750");
    let given = || json!({ "paths": PATHS.map(expected), "min_free_mb": 1 });
    let facts = image.collect(given());
    assert_eq!(fact(&facts, "unmatched"), &Fact::List(vec![]), "2 MiB are enough");
    assert_eq!(fact(&facts, "free_bytes"), &Fact::Int(2 << 20), "the smallest of all");
    let facts = image.collect(json!({ "paths": PATHS.map(expected), "min_free_mb": 2 }));
    assert_eq!(fact(&facts, "unmatched"), &Fact::List(vec![]), "2 MiB are 2 MiB");
    std::fs::write(runs.join("dump"), vec![1_u8; 3 << 19]).expect("fill");
    let facts = image.collect(given());
    assert_eq!(fact(&facts, "free_bytes"), &Fact::Int(1 << 19));
    assert_eq!(fact(&facts, "unmatched"), &Fact::texts([PATHS[0]]));
    assert_eq!(fact(&items(fact(&facts, "paths"))[0], "why"), &"0 MiB free, expected 1".into());
    assert_eq!(fact(&items(fact(&facts, "paths"))[1], "matches"), &true.into());
}

#[test]
fn without_a_root_prefix_the_system_names_its_users() {
    let dir = harness::open_dir();
    std::fs::create_dir(dir.path().join("runs")).expect("mkdir");
    let user = uzers::get_user_by_uid(rustix::process::geteuid().as_raw()).expect("a user");
    let absolute = dir.path().join("runs").display().to_string();
    let owner = user.name().to_str().expect("UTF-8");
    let paths = json!([
        { "path": absolute, "kind": "directory", "owner": owner },
        { "path": "runs", "kind": "directory", "owner": owner },
        { "path": "runs", "kind": "directory", "owner": "nobody" },
        { "path": "none/x", "kind": "file" },
    ]);
    let collect = |paths: &[Value]| {
        let given = json!({ "paths": paths, "executor_user": owner });
        harness::collect("provisioning", dir.path(), given).expect("facts")
    };
    let paths = paths.as_array().expect("a list").clone();
    let facts = collect(&[paths[0].clone(), paths[1].clone(), paths[3].clone()]);
    assert_eq!(fact(&facts, "absent"), &Fact::texts(["none/x"]));
    assert_eq!(fact(&facts, "unmatched"), &Fact::texts(["none/x"]));
    for record in &items(fact(&facts, "paths"))[..2] {
        assert_eq!(fact(record, "owner"), &owner.into());
        assert_eq!(fact(record, "writable"), &true.into());
    }
    let facts = collect(&[paths[2].clone()]);
    let why = format!("owner {owner}, expected nobody");
    assert_eq!(fact(&items(fact(&facts, "paths"))[0], "why"), &why.into());
}

#[test]
fn every_problem_of_the_settings_is_reported() {
    let probe = probes::find("provisioning").expect("the probe");
    let given = json!({
        "paths": [
            { "path": "/a", "kind": "directory", "mode": "rwx" }, { "path": "/a", "kind": "file" },
            { "path": "/a/../b", "kind": "file" }, { "path": "/c" }, { "path": "/d", "kind": "socket" },
            { "path": "/e", "kind": "file", "user": "x" }, { "path": "", "kind": "file" },
        ],
        "min_free_mb": -1,
    });
    let problems = probe.check(&harness::settings(given));
    assert_eq!(problems.len(), 8, "{problems:#?}");
    let none = probe.check(&harness::settings(json!({ "paths": [] })));
    assert_eq!(none.len(), 1, "{none:#?}");
    let given = json!({ "paths": [{ "path": "/a", "kind": "file" }], "min_free_mb": 0 });
    assert!(probe.check(&harness::settings(given)).is_empty());
}

//! What several tests need: a probe run over a folder, as root or as nobody.

use std::path::Path;
use std::time::Instant;

use cutgate::evidence::{Fact, Missing, Source};
use cutgate::probes::{self, Door, Limits, Place, Settings, Surroundings};
use rustix::fs::{Gid, Uid};

/// Settings from a JSON object.
pub fn settings(value: serde_json::Value) -> Settings {
    let settings: serde_json::Map<_, _> = serde_json::from_value(value).expect("settings are an object");
    settings.into_iter().collect()
}

/// A place whose package folder is `dir`, with `dir/host` as root prefix where that exists.
pub fn place(dir: &Path) -> Place {
    let root = dir.join("host");
    Place { package_dir: dir.to_owned(), root: root.is_dir().then_some(root) }
}

/// Runs a probe of `kind` with `given` settings over the package folder `dir`; checks that the facts
/// have the declared shape and that something was noted as read.
pub fn collect(kind: &str, dir: &Path, given: serde_json::Value) -> Result<Fact, Missing> {
    collect_within(kind, dir, given, Limits::default())
}

/// As [`collect`], with limits.
pub fn collect_within(kind: &str, dir: &Path, given: serde_json::Value, limits: Limits) -> Result<Fact, Missing> {
    observe(kind, dir, given, limits).0
}

/// As [`collect_within`], with everything that was noted as read.
pub fn observe(
    kind: &str,
    dir: &Path,
    given: serde_json::Value,
    limits: Limits,
) -> (Result<Fact, Missing>, Vec<Source>) {
    observe_among(kind, dir, given, limits, Surroundings::default())
}

/// As [`observe`], for a user who brings these surroundings along.
pub fn observe_among(
    kind: &str,
    dir: &Path,
    given: serde_json::Value,
    limits: Limits,
    surroundings: Surroundings,
) -> (Result<Fact, Missing>, Vec<Source>) {
    let probe = probes::find(kind).expect("a probe of that kind");
    let settings = settings(given);
    for parameter in probe.parameters() {
        match settings.0.get(parameter.name) {
            Some(value) => assert!(parameter.kind.admits(value), "{} is {}", parameter.name, parameter.kind.name()),
            None => assert!(!parameter.required, "{} is required", parameter.name),
        }
    }
    assert_eq!(probe.check(&settings), Vec::new(), "settings are in order");
    let by = uzers::get_user_by_uid(rustix::process::geteuid().as_raw())
        .map_or_else(|| "unknown".to_owned(), |user| user.name().to_string_lossy().into_owned());
    let door = Door::new(place(dir), limits, chrono::Utc::now(), by, Instant::now() + limits.probe);
    let door = door.among(std::sync::Arc::new(surroundings));
    let result = probe.collect(&settings, &door);
    if let Ok(fact) = &result {
        assert_eq!(probe.shape(&settings).departure(fact), None, "facts have the declared shape");
    }
    (result, door.sources())
}

/// Runs `work` on a thread whose user is nobody (uid and gid 65534, no groups, no capabilities). Tests that
/// need a refusal call this, for root is refused nothing. Where the tests do not run as root they are an
/// ordinary user already, and `work` runs as that.
pub fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                rustix::thread::set_thread_groups(&[]).expect("drop groups");
                let (gid, uid) = (Gid::from_raw(65534), Uid::from_raw(65534));
                rustix::thread::set_thread_res_gid(gid, gid, gid).expect("drop the group");
                rustix::thread::set_thread_res_uid(uid, uid, uid).expect("drop the user");
            }
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A temporary folder that every user may enter and list.
pub fn open_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), mode).expect("chmod");
    dir
}

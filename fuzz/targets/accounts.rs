//! `passwd` and `group` of an image. A file that is not understood names nobody, so that no owner is right.

use serde_json::json;

use super::{files, folder, observe, write};
use cutgate::evidence::Fact;

pub fn run(data: &[u8]) {
    let files = files("passwd", data);
    let dir = folder();
    for name in ["passwd", "group"] {
        write(dir.path().join("host/etc").join(name), files.get(name).copied().unwrap_or(b""));
    }
    write(dir.path().join("host/srv/file"), b"");
    let paths = json!([{ "path": "/srv/file", "kind": "file", "owner": "cutter", "group": "cutters" }]);
    let settings = json!({ "paths": paths, "executor_user": "cutter" });
    let facts = observe("provisioning", dir.path(), settings).expect("facts");
    let Some(Fact::List(paths)) = facts.get("paths") else { panic!("the paths were seen: {facts:?}") };
    let whole = |name: &str| {
        let bytes = files.get(name).copied().unwrap_or(b"");
        std::str::from_utf8(bytes).is_ok_and(|text| {
            text.lines().all(|line| line.trim().is_empty() || line.starts_with('#') || line.contains(':'))
        })
    };
    if !whole("passwd") {
        assert!(matches!(paths[0].get("owner"), Some(Fact::Missing(_))), "{facts:?}");
        assert!(paths[0].get("matches") != Some(&Fact::Bool(true)), "{facts:?}");
        assert!(!matches!(paths[0].get("writable"), Some(Fact::Bool(_))), "{facts:?}");
    }
    if !whole("group") {
        assert!(matches!(paths[0].get("group"), Some(Fact::Missing(_))), "{facts:?}");
    }
}

//! `sha256sum` manifests. A manifest that is understood pins exactly one path a line, and one that is not says
//! nothing about any file.

use serde_json::json;

use super::{count, folder, observe, write};
use cutgate::evidence::Fact;

pub fn run(data: &[u8]) {
    let dir = folder();
    write(dir.path().join("tree/a"), b"a\n");
    write(dir.path().join("tree/b/c d"), b"c\n");
    write(dir.path().join("SHA256SUMS"), data);
    let facts = observe("tree-manifest", dir.path(), json!({ "tree": "tree", "manifest": "SHA256SUMS" }));
    let facts = facts.expect("the tree can be read");
    let lists = ["altered", "missing", "extra"].map(|name| count(&facts, name));
    let (Some(Fact::Int(matched)), Some(Fact::Int(pinned))) = (facts.get("matched"), facts.get("pinned")) else {
        assert_eq!(lists, [None; 3], "nothing is said of files: {facts:?}");
        return;
    };
    let lines = data.split_inclusive(|byte| *byte == b'\n').count();
    let [Some(altered), Some(missing), Some(extra)] = lists else { panic!("lists are known as a whole: {facts:?}") };
    let (matched, pinned) = (usize::try_from(*matched), usize::try_from(*pinned));
    assert_eq!((pinned, matched.map(|n| n + altered + missing)), (Ok(lines), Ok(lines)), "{facts:?}");
    assert_eq!(extra + lines - missing, 2, "every file of the tree is pinned or extra: {facts:?}");
}

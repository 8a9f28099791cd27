//! The probe `tree-manifest`, over real trees, with the real `sha256sum` as the other witness.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use cutgate::evidence::{Digest256, Fact, Missing, MissingState, Reading};
use cutgate::probes::{self, Limits};
use serde_json::json;

use crate::harness::{self, as_nobody, collect, open_dir};

fn shell(dir: &Path, script: &str) -> Output {
    let output = Command::new("sh").args(["-ec", script]).current_dir(dir).output().expect("sh runs");
    assert!(output.status.code() != Some(127), "a tool is missing: apt-get install coreutils findutils");
    output
}

/// A tree of four files with its manifest, made by `sha256sum`, and byte code beside them.
fn deployed() -> tempfile::TempDir {
    let dir = open_dir();
    let script = "mkdir -p tree/phases tree/phases/__pycache__ && cd tree
        echo 'execution = False' > switch.py && echo 'pass' > phases/cut.py && : > phases/__init__.py && echo x > 'a b.txt'
        find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum > ../MANIFEST
        echo cached > phases/__pycache__/cut.cpython-311.pyc && echo cached > old.pyc";
    assert!(shell(dir.path(), script).status.success(), "the tree is made");
    dir
}

fn probe(dir: &Path) -> Fact {
    collect("tree-manifest", dir, json!({ "tree": "tree", "manifest": "MANIFEST" })).expect("facts")
}

fn ints(facts: &Fact, names: &[&str]) -> Vec<i64> {
    let int = |name: &&str| match facts.get(name) {
        Some(Fact::Int(value)) => *value,
        other => panic!("{name}: {other:?}"),
    };
    names.iter().map(int).collect()
}

fn texts(facts: &Fact, name: &str) -> Vec<String> {
    let Some(Fact::List(items)) = facts.get(name) else { panic!("{name}: {:?}", facts.get(name)) };
    let text = |item: &Fact| {
        let Fact::Text(text) = item else { panic!("{name}: {item:?}") };
        text.clone()
    };
    items.iter().map(text).collect()
}

fn text(facts: &Fact, name: &str) -> String {
    let Some(Fact::Text(text)) = facts.get(name) else { panic!("{name}: {:?}", facts.get(name)) };
    text.clone()
}

fn missing<'a>(facts: &'a Fact, name: &str) -> &'a Missing {
    let Some(Fact::Missing(missing)) = facts.get(name) else { panic!("{name}: {:?}", facts.get(name)) };
    missing
}

/// `path` of each record of a list.
fn paths(facts: &Fact, name: &str) -> Vec<String> {
    let Some(Fact::List(items)) = facts.get(name) else { panic!("{name}: {:?}", facts.get(name)) };
    items.iter().map(|item| text(item, "path")).collect()
}

const COMPARISON: [&str; 4] = ["matched", "altered", "missing", "extra"];

#[test]
fn a_tree_as_built_matches_and_sha256sum_agrees() {
    let dir = deployed();
    let facts = probe(dir.path());
    assert_eq!(ints(&facts, &["files", "pinned", "matched", "ignored"]), [4, 4, 4, 2]);
    assert_eq!((texts(&facts, "extra"), texts(&facts, "missing")), (vec![], vec![]));
    assert_eq!(facts.get("altered"), Some(&Fact::List(vec![])));
    assert_eq!(facts.get("unreadable"), Some(&Fact::List(vec![])));
    let tree = dir.path().join("tree");
    assert!(shell(&tree, "sha256sum --quiet --strict -c ../MANIFEST").status.success(), "sha256sum agrees");
    let again = shell(
        &tree,
        "find . -name __pycache__ -prune -o -type f ! -name '*.pyc' -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum",
    );
    assert_eq!(text(&facts, "digest"), String::from_utf8_lossy(&again.stdout)[..64]);
}

#[test]
fn one_source_is_noted_for_the_tree_and_one_for_the_manifest() {
    let dir = deployed();
    let given = json!({ "tree": "tree", "manifest": "MANIFEST" });
    let (_, sources) = harness::observe("tree-manifest", dir.path(), given, Limits::default());
    let bytes = fs::read(dir.path().join("MANIFEST")).expect("the manifest");
    let content = Reading::Content { size: bytes.len() as u64, sha256: Digest256::of(&bytes) };
    let noted: Vec<_> = sources.into_iter().map(|source| (source.what, source.read)).collect();
    assert_eq!(noted, [("MANIFEST".to_owned(), content), ("tree".to_owned(), Reading::Attributes)]);
}

#[test]
fn altered_missing_and_extra_files_are_told_apart() {
    let dir = deployed();
    let before = text(&probe(dir.path()), "digest");
    let script = "cd tree && echo 'execution = True' > switch.py && rm phases/cut.py && echo x > phases/live.py";
    assert!(shell(dir.path(), script).status.success());
    let facts = probe(dir.path());
    assert_eq!(paths(&facts, "altered"), ["switch.py"]);
    assert_eq!(texts(&facts, "missing"), ["phases/cut.py"]);
    assert_eq!(texts(&facts, "extra"), ["phases/live.py"]);
    assert_eq!(ints(&facts, &["files", "pinned", "matched"]), [4, 4, 2]);
    assert_ne!(text(&facts, "digest"), before);
    let Some(Fact::List(altered)) = facts.get("altered") else { panic!("a list") };
    let sum = shell(dir.path(), "sha256sum tree/switch.py; grep switch.py MANIFEST");
    let sum = String::from_utf8_lossy(&sum.stdout).into_owned();
    let mut expected = sum.lines().map(|line| line[..64].to_owned());
    assert_eq!(Some(text(&altered[0], "actual")), expected.next());
    assert_eq!(Some(text(&altered[0], "expected")), expected.next());
}

#[test]
fn byte_code_is_extra_where_nothing_is_left_aside() {
    let dir = deployed();
    let given = json!({ "tree": "tree", "manifest": "MANIFEST", "ignore": [] });
    let facts = collect("tree-manifest", dir.path(), given).expect("facts");
    assert_eq!(texts(&facts, "extra"), ["old.pyc", "phases/__pycache__/cut.cpython-311.pyc"]);
    fs::write(dir.path().join("tree/.pyc"), "").expect("write");
    assert_eq!(texts(&probe(dir.path()), "extra"), [".pyc"], "an ending alone is a name of its own");
    let given = json!({ "tree": "tree", "manifest": "MANIFEST", "ignore": ["*.pyc", "switch.py"] });
    let facts = collect("tree-manifest", dir.path(), given).expect("facts");
    let reason = missing(&facts, "missing");
    assert_eq!(reason.state, MissingState::Unreadable, "a pinned file is never left aside");
    assert!(reason.said.starts_with("line 4: it pins \"switch.py\""), "{}", reason.said);
}

#[test]
fn names_to_leave_aside_are_names_or_endings() {
    let probe = probes::find("tree-manifest").expect("registered");
    for (name, sound) in [("x", true), ("*.pyc", true), (".git", true), ("*", false), ("*.", false), ("a/b", false)]
        .into_iter()
        .chain([("a*", false), ("..", false), ("", false), ("*.a*", false), ("[a]", false)])
    {
        let settings = harness::settings(json!({ "tree": "tree", "ignore": [name] }));
        assert_eq!(probe.check(&settings).is_empty(), sound, "{name:?}");
    }
}

#[test]
fn links_are_reported_and_not_followed() {
    let dir = deployed();
    let tree = dir.path().join("tree");
    fs::create_dir(tree.join("lib")).expect("mkdir");
    symlink("../phases/cut.py", tree.join("lib/inside")).expect("symlink");
    symlink("../../MANIFEST", tree.join("lib/outside")).expect("symlink");
    symlink("/etc/hostname", tree.join("absolute.py")).expect("symlink");
    symlink("..", tree.join("loop")).expect("symlink");
    let facts = probe(dir.path());
    assert_eq!(paths(&facts, "links"), ["absolute.py", "lib/inside", "lib/outside", "loop"]);
    let Some(Fact::List(links)) = facts.get("links") else { panic!("a list") };
    let outside: Vec<_> = links.iter().map(|link| link.get("outside").cloned()).collect();
    assert_eq!(outside, [true, false, true, true].map(|outside| Some(Fact::Bool(outside))));
    assert_eq!(text(&links[1], "target"), "../phases/cut.py");
    assert_eq!(texts(&facts, "extra"), ["absolute.py", "lib/outside", "loop"]);
    assert_eq!(ints(&facts, &["files", "matched"]), [4, 4]);

    // A path that goes down and up again stays inside as long as it never leaves.
    for (target, outside) in [("x/../../switch.py", false), ("x/../../../switch.py", true)] {
        fs::remove_file(tree.join("lib/inside")).expect("rm");
        symlink(target, tree.join("lib/inside")).expect("symlink");
        let facts = probe(dir.path());
        let Some(Fact::List(links)) = facts.get("links") else { panic!("a list") };
        assert_eq!(links[1].get("outside"), Some(&Fact::Bool(outside)), "{target}");
    }
}

#[test]
fn a_pinned_file_that_became_a_link_is_altered_though_sha256sum_is_content() {
    let dir = deployed();
    let tree = dir.path().join("tree");
    fs::rename(tree.join("switch.py"), dir.path().join("elsewhere.py")).expect("move");
    symlink("../elsewhere.py", tree.join("switch.py")).expect("symlink");
    assert!(shell(&tree, "sha256sum --quiet -c ../MANIFEST").status.success(), "sha256sum follows the link");
    let facts = probe(dir.path());
    assert_eq!(paths(&facts, "altered"), ["switch.py"]);
    let Some(Fact::List(altered)) = facts.get("altered") else { panic!("a list") };
    assert_eq!(text(&altered[0], "actual"), "a symlink to ../elsewhere.py");
}

#[test]
fn special_files_are_listed_and_never_opened() {
    let dir = deployed();
    assert!(shell(dir.path(), "mkfifo tree/pipe && rm tree/switch.py && mkfifo tree/switch.py").status.success());
    let facts = probe(dir.path());
    assert_eq!(texts(&facts, "special"), ["pipe", "switch.py"]);
    assert_eq!(paths(&facts, "altered"), ["switch.py"]);
    assert_eq!(texts(&facts, "extra"), ["pipe"]);
}

#[test]
fn one_unreadable_file_makes_every_comparison_unknown() {
    let dir = deployed();
    let secret = dir.path().join("tree/phases/cut.py");
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).expect("chmod");
    let facts = as_nobody(|| probe(dir.path()));
    for name in COMPARISON.into_iter().chain(["digest"]) {
        let reason = missing(&facts, name);
        assert_eq!(reason.state, MissingState::Denied, "{name}");
        assert!(reason.said.contains("phases/cut.py") && reason.tried.contains("tree/phases/cut.py"), "{reason}");
    }
    assert_eq!(paths(&facts, "unreadable"), ["phases/cut.py"]);
    assert_eq!(ints(&facts, &["files", "pinned"]), [4, 4]);
}

#[test]
fn one_unreadable_folder_makes_the_counts_unknown_too() {
    let dir = deployed();
    fs::set_permissions(dir.path().join("tree/phases"), PermissionsExt::from_mode(0o000)).expect("chmod");
    let facts = as_nobody(|| probe(dir.path()));
    for name in COMPARISON.into_iter().chain(["digest", "files", "ignored", "links", "special"]) {
        assert_eq!(missing(&facts, name).state, MissingState::Denied, "{name}");
    }
    assert_eq!(paths(&facts, "unreadable"), ["phases"]);
    fs::set_permissions(dir.path().join("tree/phases"), PermissionsExt::from_mode(0o444)).expect("chmod");
    let facts = as_nobody(|| probe(dir.path()));
    assert_eq!(missing(&facts, "files").state, MissingState::Denied, "names are seen, what they are is not");
    fs::set_permissions(dir.path().join("tree/phases"), PermissionsExt::from_mode(0o755)).expect("chmod");
}

#[test]
fn a_tree_behind_a_closed_folder_is_denied_not_absent() {
    let dir = deployed();
    fs::create_dir(dir.path().join("closed")).expect("mkdir");
    fs::rename(dir.path().join("tree"), dir.path().join("closed/tree")).expect("move");
    fs::set_permissions(dir.path().join("closed"), PermissionsExt::from_mode(0o000)).expect("chmod");
    let given = json!({ "tree": "closed/tree", "manifest": "MANIFEST" });
    let facts = as_nobody(|| collect("tree-manifest", dir.path(), given).expect("facts"));
    assert_eq!(missing(&facts, "tree_present").state, MissingState::Denied);
    assert_eq!(missing(&facts, "digest").state, MissingState::Denied);
    assert_eq!(ints(&facts, &["pinned"]), [4]);
    fs::set_permissions(dir.path().join("closed"), PermissionsExt::from_mode(0o755)).expect("chmod");
}

#[test]
fn an_absent_tree_is_known_to_be_absent() {
    let dir = deployed();
    let given = json!({ "tree": "nowhere", "manifest": "MANIFEST" });
    let facts = collect("tree-manifest", dir.path(), given).expect("facts");
    assert_eq!(facts.get("tree_present"), Some(&Fact::Bool(false)));
    for name in COMPARISON.into_iter().chain(["digest", "files", "links", "special", "unreadable"]) {
        assert_eq!(missing(&facts, name).state, MissingState::Absent, "{name}");
    }
    let given = json!({ "tree": "MANIFEST", "manifest": "MANIFEST" });
    let facts = collect("tree-manifest", dir.path(), given).expect("facts");
    assert_eq!(missing(&facts, "tree_present").state, MissingState::Unreadable, "a file is no tree");
}

#[test]
fn an_absent_manifest_leaves_the_digest_and_compares_nothing() {
    let dir = deployed();
    let digest = text(&probe(dir.path()), "digest");
    for given in [json!({ "tree": "tree", "manifest": "NONE" }), json!({ "tree": "tree" })] {
        let facts = collect("tree-manifest", dir.path(), given).expect("facts");
        assert_eq!(facts.get("manifest_present"), Some(&Fact::Bool(false)));
        assert_eq!(text(&facts, "digest"), digest);
        for name in COMPARISON.into_iter().chain(["pinned"]) {
            assert_eq!(missing(&facts, name).state, MissingState::Absent, "{name}");
        }
    }
    fs::set_permissions(dir.path().join("MANIFEST"), PermissionsExt::from_mode(0o000)).expect("chmod");
    let facts = as_nobody(|| probe(dir.path()));
    assert_eq!(facts.get("manifest_present"), Some(&Fact::Bool(true)));
    assert_eq!(missing(&facts, "extra").state, MissingState::Denied);

    // Behind a closed folder nobody knows whether there is one.
    fs::create_dir(dir.path().join("closed")).expect("mkdir");
    fs::set_permissions(dir.path().join("closed"), PermissionsExt::from_mode(0o000)).expect("chmod");
    let given = json!({ "tree": "tree", "manifest": "closed/MANIFEST" });
    let facts = as_nobody(|| collect("tree-manifest", dir.path(), given).expect("facts"));
    assert_eq!(missing(&facts, "manifest_present").state, MissingState::Denied);
    fs::set_permissions(dir.path().join("closed"), PermissionsExt::from_mode(0o755)).expect("chmod");
}

#[test]
fn a_broken_line_makes_the_whole_manifest_unreadable() {
    let dir = deployed();
    let good = fs::read(dir.path().join("MANIFEST")).expect("the manifest");
    let zeros = "0".repeat(64);
    let table: [(&str, String); 14] = [
        ("a comment", "# built by hand\n".into()),
        ("an empty line", "\n".into()),
        ("no path", format!("{zeros}  \n")),
        ("63 digits", format!("{}  x\n", "0".repeat(63))),
        ("65 digits", format!("{}  x\n", "0".repeat(65))),
        ("another digest", format!("{}  x\n", "g".repeat(64))),
        ("one space", format!("{zeros} x\n")),
        ("the BSD form", format!("SHA256 (x) = {zeros}\n")),
        ("a path that leads out", format!("{zeros}  phases/../../x\n")),
        ("an absolute path", format!("{zeros}  /etc/passwd\n")),
        ("a path twice", format!("{zeros}  ./switch.py\n")),
        ("CRLF", format!("{zeros}  x\r\n")),
        ("an unknown escape", format!("\\{zeros}  a\\tb\n")),
        ("a folder's path", format!("{zeros}  phases/\n")),
    ];
    for (name, line) in table {
        fs::write(dir.path().join("MANIFEST"), [good.as_slice(), line.as_bytes()].concat()).expect("write");
        let facts = probe(dir.path());
        for fact in COMPARISON.into_iter().chain(["pinned"]) {
            let reason = missing(&facts, fact);
            assert_eq!(reason.state, MissingState::Unreadable, "{name}");
            assert!(reason.said.starts_with("line 5: "), "{name}: {}", reason.said);
        }
        assert_eq!(ints(&facts, &["files"]), [4], "{name}: the tree itself is known");
    }
    fs::write(dir.path().join("MANIFEST"), b"\xff\n").expect("write");
    assert!(missing(&probe(dir.path()), "pinned").said.starts_with("line 1: "));
}

#[test]
fn binary_marks_dots_upper_case_and_escapes_are_what_sha256sum_takes_them_for() {
    let dir = deployed();
    let script = "cd tree && printf x > 'new\nline' && printf y > 'back\\slash'
        find . -type f ! -name '*.pyc' -print0 | xargs -0 sha256sum -b | sed 's/^\\(\\\\\\?\\)\\([0-9a-f]*\\)/\\1\\U\\2/' > ../MANIFEST
        sha256sum --quiet --strict -c ../MANIFEST && grep -c '^\\\\' ../MANIFEST && grep -q '^\\\\\\?[0-9A-F]* \\*\\./' ../MANIFEST";
    let made = shell(dir.path(), script);
    assert!(made.status.success() && made.stdout == b"2\n", "{made:?}");
    let facts = probe(dir.path());
    assert_eq!(ints(&facts, &["files", "pinned", "matched"]), [6, 6, 6]);
    let again = shell(
        &dir.path().join("tree"),
        "find . -type f ! -name '*.pyc' -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum",
    );
    assert_eq!(text(&facts, "digest"), String::from_utf8_lossy(&again.stdout)[..64]);
}

#[test]
fn the_manifest_may_lie_in_its_tree_but_not_pin_itself() {
    let dir = deployed();
    fs::rename(dir.path().join("MANIFEST"), dir.path().join("tree/phases/MANIFEST")).expect("move");
    symlink("tree", dir.path().join("current")).expect("symlink");
    let given = json!({ "tree": "current", "manifest": "tree/phases/MANIFEST" });
    let facts = collect("tree-manifest", dir.path(), given.clone()).expect("facts");
    assert_eq!(ints(&facts, &["files", "matched"]), [4, 4]);
    assert_eq!(texts(&facts, "extra"), Vec::<String>::new());
    let line = format!("{}  phases/MANIFEST\n", "0".repeat(64));
    let path = dir.path().join("tree/phases/MANIFEST");
    let pins = fs::read_to_string(&path).expect("the manifest") + &line;
    fs::write(path, pins).expect("write");
    let facts = collect("tree-manifest", dir.path(), given).expect("facts");
    assert_eq!(missing(&facts, "extra").said, "line 5: it pins the manifest itself");
}

#[test]
fn an_empty_tree_has_no_files_and_misses_all() {
    let dir = deployed();
    fs::create_dir(dir.path().join("empty")).expect("mkdir");
    let given = json!({ "tree": "empty", "manifest": "MANIFEST" });
    let facts = collect("tree-manifest", dir.path(), given).expect("facts");
    assert_eq!(ints(&facts, &["files", "matched", "pinned", "ignored"]), [0, 0, 4, 0]);
    assert_eq!(texts(&facts, "missing").len(), 4);
    assert_eq!(text(&facts, "digest"), cutgate::evidence::sha256_hex(b""));
}

#[test]
fn a_name_that_is_not_utf8_is_never_compared() {
    use std::os::unix::ffi::OsStrExt;
    let dir = deployed();
    let name = std::ffi::OsStr::from_bytes(b"bad\xffname.py");
    fs::write(dir.path().join("tree").join(name), "x").expect("write");
    let facts = probe(dir.path());
    assert_eq!(paths(&facts, "unreadable"), ["bad\u{fffd}name.py"]);
    assert_eq!(missing(&facts, "extra").state, MissingState::Unreadable);
    assert_eq!(missing(&facts, "digest").state, MissingState::Unreadable);
}

#[test]
fn limits_of_size_and_number_make_it_unknown() {
    let dir = deployed();
    let given = json!({ "tree": "tree", "manifest": "MANIFEST" });
    let small = Limits { file_bytes: 400, ..Limits::default() };
    fs::write(dir.path().join("tree/big.py"), vec![b'#'; 401]).expect("write");
    let facts = harness::collect_within("tree-manifest", dir.path(), given.clone(), small).expect("facts");
    assert_eq!(paths(&facts, "unreadable"), ["big.py"]);
    assert_eq!(missing(&facts, "extra").state, MissingState::Unreadable);
    let few = Limits { entries: 5, ..Limits::default() };
    let facts = harness::collect_within("tree-manifest", dir.path(), given.clone(), few).expect("facts");
    assert_eq!(missing(&facts, "files").state, MissingState::Unreadable);
    let just = Limits { entries: 8, ..Limits::default() };
    let facts = harness::collect_within("tree-manifest", dir.path(), given.clone(), just).expect("facts");
    assert_eq!(ints(&facts, &["files", "ignored"]), [5, 2], "as many entries as the limit says");
    let no_time = Limits { probe: std::time::Duration::ZERO, ..Limits::default() };
    let facts = harness::collect_within("tree-manifest", dir.path(), given, no_time).expect("facts");
    assert_eq!(missing(&facts, "digest").state, MissingState::TimedOut);
}

#[test]
fn a_root_prefix_confines_the_tree_and_its_links() {
    let script = "mkdir -p host/opt/cutter && mv tree host/opt/cutter/v0.6 && ln -s /opt/cutter/v0.6 host/opt/current
        mv MANIFEST host/opt/cutter/";
    let dir = deployed();
    assert!(shell(dir.path(), script).status.success());
    let given = json!({ "tree": "/opt/current/", "manifest": "/opt/cutter/MANIFEST" });
    let facts = collect("tree-manifest", dir.path(), given).expect("facts");
    assert_eq!(ints(&facts, &["files", "matched"]), [4, 4]);
}

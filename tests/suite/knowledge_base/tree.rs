//! The walk: what cannot be read may hide an approval.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::*;
use crate::harness::{as_nobody, open_dir};

#[test]
fn an_absent_knowledge_base_is_not_an_empty_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let absent = facts(dir.path());
    assert_eq!(absent.get("present"), Some(&Fact::Bool(false)));
    for name in ["digest", "documents", "candidates", "claims", "rulings", "unreadable", "complete"] {
        assert_eq!(state(&absent, name), MissingState::Absent, "{name}");
    }
    fs::create_dir(dir.path().join("kb")).expect("mkdir");
    let empty = facts_json(dir.path());
    assert_eq!((&empty["present"], &empty["documents"], &empty["complete"]), (&json!(true), &json!(0), &json!(true)));
    assert_eq!((&empty["candidates"], &empty["claims"]), (&json!([]), &json!(0)));
    assert_eq!(empty["digest"], sha256_hex(b""));
    fs::remove_dir(dir.path().join("kb")).expect("rmdir");
    for target in ["nowhere", "file", "kb"] {
        fs::write(dir.path().join("file"), "x").expect("write");
        symlink(target, dir.path().join("kb")).expect("symlink");
        let odd = facts(dir.path());
        assert_eq!(odd.get("present"), Some(&Fact::Bool(true)));
        assert_eq!(odd.get("complete"), Some(&Fact::Bool(false)));
        assert_ne!(state(&odd, "claims"), MissingState::Absent, "{target}");
        fs::remove_file(dir.path().join("kb")).expect("rm");
    }
}

#[test]
fn the_digest_is_the_one_that_sha256sum_gives() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in [("b.md", "2"), ("a.md", "1"), ("sub/c.MD", "3"), ("odd\nname\\.md", "4"), ("left.txt", "5")] {
        put(dir.path(), name, text);
    }
    let script = "find . -iname '*.md' -printf '%P\\0' | xargs -0 sha256sum | LC_ALL=C sort | sha256sum | cut -c1-64";
    let run =
        Command::new("sh").arg("-c").arg(script).current_dir(dir.path().join("kb")).output().expect("sh and coreutils");
    let facts = facts_json(dir.path());
    assert_eq!(facts["digest"], String::from_utf8_lossy(&run.stdout).trim());
    assert_eq!(facts["documents"], 4);
    let searched = facts["searched"].to_string();
    assert!(searched.contains("other files left aside: 1 (.txt)"), "{searched}");
}

#[test]
fn what_cannot_be_read_makes_the_search_incomplete() {
    let dir = tempfile::tempdir().expect("a folder");
    open_run(dir.path());
    put(dir.path(), "approval.md", approval(&[]));
    assert_eq!(facts_json(dir.path())["complete"], true);

    let kb = dir.path().join("kb");
    put(dir.path(), "latin.md", b"# R\xe9vision\n");
    put(dir.path(), "utf16.md", b"\xff\xfe#\0 \0x\0");
    fs::File::create(kb.join("huge.md")).and_then(|file| file.set_len(17 << 20)).expect("sparse");
    rustix::fs::mkfifoat(rustix::fs::CWD, kb.join("fifo.md"), 0o644.into()).expect("mkfifo");
    std::os::unix::net::UnixListener::bind(kb.join("socket")).expect("bind");
    let facts = facts_json(dir.path());
    assert_eq!(
        problems(&facts, "unreadable"),
        [
            ("kb/fifo.md", "it is a fifo, not a regular file"),
            ("kb/huge.md", "unreadable: it has 17825792 bytes, more than the limit of 16777216"),
            ("kb/latin.md", "not UTF-8 from byte 3 on"),
            ("kb/socket", "it is a socket, not a regular file"),
            ("kb/utf16.md", "not UTF-8 from byte 0 on"),
        ]
        .map(|(path, reason)| (path.to_owned(), reason.to_owned()))
    );
    // What was read stays as it was read; what the rest is, nobody knows: a hole in the list, and no number.
    let list = facts["candidates"].as_array().expect("a list");
    assert_eq!((&facts["complete"], list.len(), &list[0]["claims"]), (&json!(false), 2, &json!(true)));
    let hole = &list[1]["$missing"];
    assert_eq!((&hole["state"], &hole["tried"]), (&json!("unreadable"), &json!("read kb/fifo.md")));
    assert_eq!(hole["said"], "it is a fifo, not a regular file; and 4 more");
    for name in ["documents", "claims", "digest"] {
        assert_eq!(facts[name]["$missing"]["state"], "unreadable", "{name}");
    }
    assert_eq!(facts["rulings"].as_array().expect("a list").len(), 1, "a hole here too");
}

#[test]
fn broken_front_matter_makes_the_search_incomplete() {
    let dir = tempfile::tempdir().expect("a folder");
    put(dir.path(), "anchors.md", "---\na: &a [x]\nb: [*a]\n---\n");
    put(dir.path(), "open.md", "---\ngate: SG_1_cut_authz\n\n# Approval\n");
    put(dir.path(), "toml.md", "+++\ngate = SG_1\n+++\n");
    put(dir.path(), "twice.md", "---\nrun_id: <RUN_ID>\nrun_id: run-1\n---\n");
    put(dir.path(), "yaml.md", "---\ngate: [\n---\n");
    put(dir.path(), "fine.md", "# Fine\n");
    let facts = facts_json(dir.path());
    let broken = problems(&facts, "broken");
    let paths: Vec<&str> = broken.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["kb/anchors.md", "kb/open.md", "kb/toml.md", "kb/twice.md", "kb/yaml.md"]);
    assert_eq!(broken[1].1, "line 1: the front matter opens with --- and is not closed");
    assert_eq!(broken[3].1, "line 3: the key `run_id` is given twice");
    assert_eq!((&facts["complete"], &facts["documents"], &facts["unreadable"]), (&json!(false), &json!(6), &json!([])));
    let open = candidate(&facts, "kb/open.md");
    assert_eq!(
        open["reasons"][0],
        "its front matter cannot be parsed: line 1: the front matter opens with --- and is not closed"
    );
}

#[test]
fn links_add_nothing_and_hide_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    put(dir.path(), "a.md", "# A\n");
    put(dir.path(), "plain.txt", "approval\n");
    put(dir.path(), "sub/b.md", "# B\n");
    put(dir.path(), ".git/c.md", "# approval\n");
    fs::write(dir.path().join("outside.md"), "approval").expect("write");
    let kb = dir.path().join("kb");
    let kb_path = kb.to_str().expect("UTF-8").to_owned();
    let inside = [
        ("to-a.md", "a.md"),
        ("sub/up.md", "../a.md"),
        ("folder", "sub"),
        ("self", "."),
        ("chain.md", "to-a.md"),
        ("via.md", "folder/b.md"),
        ("absolute.md", &format!("{kb_path}/a.md")),
        ("text", "plain.txt"),
    ];
    for (name, target) in inside {
        symlink(target, kb.join(name)).expect("symlink");
    }
    let facts = facts_json(dir.path());
    assert_eq!(problems(&facts, "unreadable"), []);
    assert_eq!((&facts["documents"], &facts["complete"]), (&json!(2), &json!(true)));
    let searched = facts["searched"].to_string();
    assert!(searched.contains("hidden folders left aside: 1 (.git)"), "{searched}");
    for (name, _) in inside {
        assert!(searched.contains(&format!("read at its target only: {name} -> ")), "{name} {searched}");
    }

    let outside = [
        ("out.md", "../outside.md"),
        ("etc", "/etc"),
        ("dangling.md", "none.md"),
        ("loop1.md", "loop2.md"),
        ("loop2.md", "loop1.md"),
        ("me.md", "me.md"),
        ("via-out.md", "etc/hostname"),
        ("git.md", ".git/c.md"),
        ("as.md", "plain.txt"),
        ("through.md", "a.md/x.md"),
    ];
    for (name, target) in outside {
        symlink(target, kb.join(name)).expect("symlink");
    }
    let facts = facts_json(dir.path());
    let mut expected: Vec<String> = outside.iter().map(|(name, _)| format!("kb/{name}")).collect();
    expected.sort();
    let unreadable = problems(&facts, "unreadable");
    assert_eq!(unreadable.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), expected, "{unreadable:#?}");
    let reason = |path: &str| unreadable.iter().find(|(at, _)| at == path).expect(path).1.clone();
    assert_eq!(reason("kb/out.md"), "symlink to ../outside.md: it leads out of the tree");
    assert_eq!(reason("kb/loop1.md"), "symlink to loop2.md: a loop of links");
    assert_eq!(reason("kb/via-out.md"), "symlink to etc/hostname: it leads out of the tree");
    assert_eq!((&facts["documents"]["$missing"]["state"], &facts["complete"]), (&json!("unreadable"), &json!(false)));
}

#[test]
fn a_denied_file_hides_itself_and_a_denied_folder_hides_the_lists() {
    let dir = open_dir();
    open_run(dir.path());
    put(dir.path(), "a.md", approval(&[]));
    put(dir.path(), "closed.md", approval(&[]));
    put(dir.path(), "closed/b.md", "# B\n");
    put(dir.path(), "blind/c.md", "# C\n");
    let at = |name: &str| dir.path().join("kb").join(name);
    let chmod = |name: &str, mode: u32| fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).expect("chmod");

    chmod("closed.md", 0o000);
    let file = as_nobody(|| facts_json(dir.path()));
    assert_eq!(
        problems(&file, "unreadable"),
        [("kb/closed.md".to_owned(), "denied: Permission denied (os error 13)".to_owned())]
    );
    assert_eq!((&file["complete"], &file["candidates"][0]["claims"]), (&json!(false), &json!(true)));
    for name in ["documents", "claims"] {
        assert_eq!(file[name]["$missing"]["state"], "unreadable", "{name}");
    }
    chmod("closed.md", 0o644);

    // No right to list; the right to list and not to look; the root itself.
    for (name, mode) in [("closed", 0o000), ("closed", 0o311), ("blind", 0o644), ("", 0o000)] {
        chmod(name, mode);
        let folder = as_nobody(|| facts(dir.path()));
        chmod(name, 0o755);
        for fact in ["candidates", "claims", "documents", "digest", "rulings", "broken"] {
            assert_eq!(state(&folder, fact), MissingState::Denied, "{name} {mode:o} {fact}");
        }
        assert_eq!(folder.get("complete"), Some(&Fact::Bool(false)));
        assert_eq!(folder.get("present"), Some(&Fact::Bool(true)));
        let Some(Fact::List(unreadable)) = folder.get("unreadable") else { panic!("a list") };
        assert_eq!(unreadable.len(), 1, "{unreadable:?}");
    }

    // The folder above: not even presence is known.
    let above = open_dir();
    put(above.path(), "x/a.md", "# A\n");
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o600)).expect("chmod");
    let result = as_nobody(|| collect("knowledge-base", above.path(), json!({ "root": "kb", "macro_id": MACRO })));
    assert_eq!(result.expect_err("nothing is known").state, MissingState::Denied);
}

#[test]
fn open_runs_that_cannot_be_read_are_not_no_runs() {
    let dir = open_dir();
    put(dir.path(), "a.md", approval(&[]));
    let none = facts_json(dir.path());
    assert_eq!(none["open_runs"], json!([]));
    assert_eq!(candidate(&none, "kb/a.md")["reasons"][0], format!("for run {RUN}, which is not open"));

    open_run(dir.path());
    fs::create_dir(dir.path().join("runs/without-payload")).expect("mkdir");
    fs::write(dir.path().join("runs/README"), "x").expect("write");
    let open = facts_json(dir.path());
    let payload = sha256_hex(PAYLOAD.as_bytes());
    assert_eq!(open["open_runs"], json!([{ "run_id": RUN, "payload_sha256": payload, "consumed": false }]));
    assert_eq!(open["complete"], true);

    let runs = dir.path().join("runs");
    fs::set_permissions(&runs, fs::Permissions::from_mode(0o000)).expect("chmod");
    let denied = as_nobody(|| facts(dir.path()));
    assert_eq!(state(&denied, "open_runs"), MissingState::Denied);
    assert_eq!(denied.get("complete"), Some(&Fact::Bool(false)));
    fs::set_permissions(&runs, fs::Permissions::from_mode(0o755)).expect("chmod");

    let without = collect("knowledge-base", dir.path(), json!({ "root": "kb", "macro_id": MACRO })).expect("facts");
    assert_eq!(state(&without, "open_runs"), MissingState::Absent);
    let without = serde_json::to_value(without).expect("JSON");
    let reason = format!("for run {RUN}; which runs are open was not looked for");
    assert_eq!(candidate(&without, "kb/a.md")["reasons"][0], reason);
}

#[test]
fn two_thousand_documents_are_one_source() {
    let dir = tempfile::tempdir().expect("a folder");
    for i in 0..2_000 {
        put(
            dir.path(),
            &format!("{}/{i:04}.md", i % 40),
            format!("---\ntitle: Note {i}\n---\n\n{}\n", "Text. ".repeat(200)),
        );
    }
    put(dir.path(), "7/approval.md", approval(&[]));
    let settings = crate::harness::settings(json!({ "root": "kb", "macro_id": MACRO }));
    let limits = cutgate::probes::Limits::default();
    let end = std::time::Instant::now() + limits.probe;
    let door =
        cutgate::probes::Door::new(crate::harness::place(dir.path()), limits, chrono::Utc::now(), "me".to_owned(), end);
    let probe = cutgate::probes::find("knowledge-base").expect("the probe");
    let facts = probe.collect(&settings, &door).expect("facts");
    assert_eq!(facts.get("documents"), Some(&Fact::Int(2_001)));
    assert_eq!(facts.get("claims"), Some(&Fact::Int(1)));
    let sources = door.sources();
    assert_eq!(sources.len(), 2, "attributes of the root and the tree: {sources:?}");
    let cutgate::evidence::Reading::Content { sha256, size } = &sources[1].read else { panic!("content") };
    assert_eq!(facts.get("digest"), Some(&Fact::text(sha256.as_str())));
    assert!(*size > 2_000 * 1_200);

    // Beyond the limits of time and number nothing is known.
    let few = cutgate::probes::Limits { entries: 500, ..limits };
    let given = json!({ "root": "kb", "macro_id": MACRO });
    let stopped = crate::harness::collect_within("knowledge-base", dir.path(), given.clone(), few).expect("facts");
    assert_eq!(state(&stopped, "candidates"), MissingState::Unreadable);
    let soon = cutgate::probes::Limits { probe: std::time::Duration::from_millis(5), ..limits };
    let late = crate::harness::collect_within("knowledge-base", dir.path(), given, soon).expect("facts");
    assert_eq!(state(&late, "claims"), MissingState::TimedOut);
    assert_eq!(late.get("complete"), Some(&Fact::Bool(false)));
}

#[test]
fn settings_that_make_no_sense_are_told() {
    let probe = cutgate::probes::find("knowledge-base").expect("the probe");
    let names = |mut value: Value| {
        value["root"] = json!("kb");
        let problems = probe.check(&crate::harness::settings(value));
        problems.into_iter().map(|problem| problem.name).collect::<Vec<_>>()
    };
    assert_eq!(names(json!({ "macro_id": "m" })), [""; 0]);
    assert_eq!(names(json!({ "macro_id": " ", "max_file_mb": 0 })), ["macro_id", "max_file_mb"]);
    assert_eq!(names(json!({ "macro_id": "m", "gates": [] })), ["gates"]);
    assert_eq!(names(json!({ "macro_id": "m", "gates": ["G"] })), ["ttl_hours"]);
    assert_eq!(names(json!({ "macro_id": "m", "gates": ["G"], "ttl_hours": { "G": 0, "H": 1 } })), ["ttl_hours"; 2]);
    assert_eq!(names(json!({ "macro_id": "m", "ttl_hours": { "SG_1_cut_authz": "long" } })), ["ttl_hours"]);
    assert_eq!(names(json!({ "macro_id": "m", "gates": ["G"], "ttl_hours": { "G": 6 } })), [""; 0]);
}

//! The runbook probe.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cutgate::evidence::{Fact, MissingState};
use serde_json::{Value, json};

use crate::harness::{as_nobody, collect, open_dir};

const PHASES: [&str; 5] = ["pre_write_backup", "cut_leg_a", "leg_b_record", "write_verify", "lifecycle_enact"];

fn facts(dir: &Path, path: &str) -> Fact {
    collect("runbook", dir, json!({ "path": path, "phases": PHASES })).expect("facts")
}

fn one(text: &str) -> Value {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("runbook.md"), text).expect("write");
    serde_json::to_value(facts(dir.path(), "runbook.md")).expect("JSON")
}

fn state(fact: &Fact, name: &str) -> MissingState {
    match fact.get(name) {
        Some(Fact::Missing(missing)) => missing.state,
        other => panic!("{name} is {other:?}"),
    }
}

const TEARDOWN: &str = "# Rollback: tear down the governance schema\n\nRun as owner, after `cut_leg_a` too.\n\n```sql\n\
    DROP TABLE cutter_governance.cut_change_set;\nDROP SCHEMA cutter_governance CASCADE;\nTRUNCATE information_unit;\n```\n";

fn per_cut(phases: &[&str]) -> String {
    let sections = phases.iter().map(|phase| {
        format!("## `{phase}`\n\nUndo it.\n\n```sql\nBEGIN;\nDELETE FROM t_{phase} WHERE run_id = :run_id;\nCOMMIT;\n```\n\n")
    });
    format!("# Revert of one cut\n\n{}", sections.collect::<String>())
}

#[test]
fn a_teardown_runbook_reverts_no_phase() {
    let facts = one(TEARDOWN);
    let document = &facts["documents"][0];
    assert_eq!(document["kind"], "ddl-teardown");
    assert_eq!(document["title"], "Rollback: tear down the governance schema");
    assert_eq!(document["tested"], "authored");
    assert_eq!(
        document["why"],
        "3 statements drop or truncate tables, schemas, databases or roles; no section reverts a phase for one cut"
    );
    assert_eq!(facts["teardown_documents"], json!(["runbook.md"]));
    assert_eq!(facts["per_cut_documents"], json!([]));
    assert_eq!(facts["phases_missing"], json!(PHASES));
}

#[test]
fn sections_with_commands_for_one_cut_cover_their_phases() {
    let facts = one(&per_cut(&PHASES));
    assert_eq!(facts["documents"][0]["kind"], "per-cut-revert");
    assert_eq!(facts["documents"][0]["tested"], "authored");
    assert_eq!(facts["phases_covered"], json!(PHASES));
    assert_eq!(facts["phases_missing"], json!([]));
    assert_eq!(facts["per_cut_documents"], json!(["runbook.md"]));

    let facts = one(&per_cut(&PHASES[1..3]));
    assert_eq!(facts["phases_covered"], json!(["cut_leg_a", "leg_b_record"]));
    assert_eq!(facts["phases_missing"], json!(["pre_write_backup", "write_verify", "lifecycle_enact"]));

    let mixed = one(&format!("{}\n# Last resort\n\n```\nDROP SCHEMA x;\n```\n", per_cut(&PHASES[..1])));
    assert_eq!(mixed["documents"][0]["kind"], "mixed");
}

#[test]
fn commands_of_a_shell_and_of_sql_are_told_from_what_only_looks() {
    let cases = [
        // Reverts.
        ("```sh\npython -m cutter.revert --phase cut_leg_a --run-id \"$RUN_ID\"\n```", true),
        ("```console\n$ psql -v run_id=\"$RUN_ID\" -f revert_leg_a.sql\n```", true),
        ("```sh\nRUN_ID=run-1 psql -c \"delete from information_unit where run_id = '$RUN_ID'\"\n```", true),
        ("    DELETE FROM information_unit\n    WHERE change_set_id = :change_set_id;", true),
        ("1. step\n\n   ```sql\n   DELETE FROM u WHERE cut_id = $1;\n   ```", true),
        ("```sql\nSELECT cutter_governance.revert_leg_a(:run_id);\n```", true),
        ("```sql\nUPDATE unit SET state = 'draft' WHERE p_run_id = 1;\n```", true),
        ("```\nshred -u /backup/$RUN_ID.dump.gpg\n```", true),
        // Looks, prints, prepares, comments, or names no cut.
        ("```sql\nSELECT * FROM information_unit WHERE run_id = :run_id;\n```", false),
        ("```sql\nSELECT 1 FROM reverted_units WHERE run_id = :run_id FOR UPDATE;\n```", false),
        ("```sql\nDELETE FROM information_unit;\n```", false),
        ("```sql\n-- DELETE FROM u WHERE run_id = :run_id;\n```", false),
        ("```sql\nVACUUM; --delete run_id\n```", false),
        ("```sql\n/* DELETE FROM u\nWHERE run_id = :run_id; */\n```", false),
        ("```sh\n# revert --run-id $RUN_ID\n```", false),
        ("```sh\necho \"delete $RUN_ID by hand\"\n```", false),
        ("```sh\nRUN_ID=\"delete me\"\n```", false),
        ("```sh\nif [ -z \"$RUN_ID\" ]; then exit 1; fi\n```", false),
        ("```text\nDELETE FROM u WHERE run_id = :run_id;\n```", false),
        ("```sql\nDROP TABLE cut_run_id;\n```", false),
        ("```sql\nDROP SCHEMA backup_\n:run_id; -- delete\n```", false),
        ("```sql\nDELETE FROM u WHERE rerun_idx = 1;\n```", false),
        ("```\nTODO\n```", false),
        ("DELETE FROM u WHERE run_id = :run_id;", false),
        ("> ```sql\n> DELETE FROM u WHERE run_id = :run_id;\n> ```", false),
        ("<!--\n```sql\nDELETE FROM u WHERE run_id = :run_id;\n```\n-->", false),
        ("`DELETE FROM u WHERE run_id = :run_id`", false),
    ];
    for (block, covered) in cases {
        let facts = one(&format!("# Revert\n\n## cut_leg_a\n\n{block}\n"));
        let expected = if covered { json!(["cut_leg_a"]) } else { json!([]) };
        assert_eq!(facts["phases_covered"], expected, "{block}\n{}", facts["documents"][0]["why"]);
    }
}

#[test]
fn only_a_heading_with_the_exact_name_opens_a_section() {
    let code = "```sql\nDELETE FROM u WHERE run_id = :run_id;\n```";
    let cases = [
        ("# Revert\n\n### Step 2: revert `cut_leg_a` (data)", true),
        ("# How it works\n\n## Undo\n\n### cut_leg_a", true),
        ("---\ntitle: Revert\n---\n\n# cut_leg_a", true),
        ("Revert of cut_leg_a\n===================", true),
        ("# Revert\n\ncut_leg_a:", false),
        ("# Revert\n\n## cut_leg_ab", false),
        ("# Revert\n\n## pre_cut_leg_a", false),
        ("# Revert\n\n## Cut leg A", false),
        ("# Revert\n\n## ~~cut_leg_a~~", false),
        ("# Revert\n\n## ~~`cut_leg_a`~~", false),
        ("# Revert\n\n- ## cut_leg_a\n", false),
        ("# Operation\n\n## Revert of all\n\n## cut_leg_a", false),
        ("# Revert\n\n> ## cut_leg_a\n", false),
        ("# Revert\n\n<!-- \n## cut_leg_a\n-->\n", false),
        ("# Revert\n\n## cut_leg_a\n\n## Notes", false),
        ("# Revert\n\n## cut_leg_a\n\n# Appendix", false),
        ("# Revert\n\n## cut_leg_a\n\n### Commands", true),
        ("# Operating the cutter\n\n## cut_leg_a", false),
    ];
    for (above, covered) in cases {
        let facts = one(&format!("{above}\n\n{code}\n"));
        let expected = if covered { json!(["cut_leg_a"]) } else { json!([]) };
        assert_eq!(facts["phases_covered"], expected, "{above}\n{}", facts["documents"][0]["why"]);
    }
}

#[test]
fn what_a_section_lacks_is_said() {
    let lacks = |text: &str| one(text)["documents"][0]["why"].as_str().expect("text").to_owned();
    assert!(lacks("# Revert\n\n## cut_leg_a\n\nTo do.\n").ends_with("cut_leg_a: its section has no command"));
    let drop = "# Revert\n\n## cut_leg_a\n\n```sql\nDROP TABLE information_unit;\n```\n";
    assert!(lacks(drop).ends_with("cut_leg_a: its section only drops or truncates"));
    assert_eq!(one(drop)["documents"][0]["kind"], "ddl-teardown");
    let looks = "# Revert\n\n## cut_leg_a\n\n```sql\nSELECT * FROM u WHERE run_id = 1;\n```\n";
    assert!(lacks(looks).ends_with("cut_leg_a: no command of its section changes one cut"));
    // A section ends at the next heading of its level, whatever lies in it.
    let followed = "# Revert\n\n## cut_leg_a\n\n### Commands\n\n```sh\nrevert $RUN_ID\n```\n\n## write_verify\n";
    assert_eq!(one(followed)["phases_covered"], json!(["cut_leg_a"]));
    let forward = "# Operation\n\n## cut_leg_a\n\n```sh\nmv a $RUN_ID\n```\n";
    assert!(lacks(forward).ends_with("cut_leg_a: no heading above it speaks of reverting"));
}

#[test]
fn a_folder_of_runbooks_is_read_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let books = dir.path().join("runbooks");
    fs::create_dir_all(books.join("sub")).expect("mkdir");
    let empty = serde_json::to_value(facts(dir.path(), "runbooks/")).expect("JSON");
    assert_eq!((&empty["present"], &empty["documents"]), (&json!(true), &json!([])));
    assert_eq!(empty["phases_missing"], json!(PHASES));

    fs::write(books.join("a-teardown.md"), TEARDOWN).expect("write");
    fs::write(books.join("sub/revert.md"), per_cut(&PHASES[..2])).expect("write");
    fs::write(books.join("readme.txt"), per_cut(&PHASES)).expect("write");
    let both = serde_json::to_value(facts(dir.path(), "runbooks")).expect("JSON");
    assert_eq!(both["teardown_documents"], json!(["runbooks/a-teardown.md"]));
    assert_eq!(both["per_cut_documents"], json!(["runbooks/sub/revert.md"]));
    assert_eq!(both["phases_covered"], json!(["pre_write_backup", "cut_leg_a"]));
    assert_eq!(both["documents"].as_array().map(Vec::len), Some(2));

    std::os::unix::fs::symlink("runbooks", dir.path().join("link")).expect("symlink");
    let linked = serde_json::to_value(facts(dir.path(), "link")).expect("JSON");
    assert_eq!(linked["phases_covered"], both["phases_covered"]);

    // One of them cannot be understood: what the folder covers is not known.
    fs::write(books.join("latin.md"), b"# R\xe9vision\n").expect("write");
    let facts = facts(dir.path(), "runbooks");
    assert_eq!(state(&facts, "documents"), MissingState::Unreadable);
    assert_eq!(state(&facts, "phases_missing"), MissingState::Unreadable);
    let Some(Fact::List(unreadable)) = facts.get("unreadable") else { panic!("a list") };
    assert_eq!(unreadable[0].get("path"), Some(&Fact::text("runbooks/latin.md")));
}

#[test]
fn absent_denied_and_odd_runbooks_are_told_apart() {
    let dir = open_dir();
    let at = |name: &str| dir.path().join(name);
    let absent = facts(dir.path(), "none.md");
    assert_eq!(absent.get("present"), Some(&Fact::Bool(false)));
    assert_eq!(state(&absent, "phases_covered"), MissingState::Absent);

    fs::write(at("latin.md"), b"\xff\xfe# x").expect("write");
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo.md"), 0o644.into()).expect("mkfifo");
    std::os::unix::fs::symlink("nowhere.md", at("dangling.md")).expect("symlink");
    fs::File::create(at("huge.md")).and_then(|file| file.set_len(1 << 30)).expect("sparse");
    for name in ["latin.md", "fifo.md", "dangling.md", "huge.md"] {
        let facts = facts(dir.path(), name);
        assert_eq!(facts.get("present"), Some(&Fact::Bool(true)), "{name}");
        for list in ["documents", "per_cut_documents", "teardown_documents", "phases_covered", "phases_missing"] {
            assert_eq!(state(&facts, list), MissingState::Unreadable, "{name} {list}");
        }
    }

    fs::write(at("target.md"), per_cut(&PHASES)).expect("write");
    std::os::unix::fs::symlink("target.md", at("link.md")).expect("symlink");
    assert_eq!(facts(dir.path(), "link.md").get("phases_missing"), Some(&Fact::list([])));

    fs::create_dir(at("closed")).expect("mkdir");
    fs::write(at("closed/a.md"), TEARDOWN).expect("write");
    fs::write(at("closed.md"), TEARDOWN).expect("write");
    for name in ["closed", "closed.md"] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o000)).expect("chmod");
        let facts = as_nobody(|| facts(dir.path(), name));
        assert_eq!(state(&facts, "documents"), MissingState::Denied, "{name}");
        assert_eq!(state(&facts, "phases_missing"), MissingState::Denied, "{name}");
    }
    let inside = as_nobody(|| collect("runbook", dir.path(), json!({ "path": "closed/a.md", "phases": PHASES })));
    assert_eq!(inside.expect_err("nothing is known").state, MissingState::Denied);
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o755)).expect("chmod");
}

#[test]
fn settings_that_make_no_sense_are_told() {
    let probe = cutgate::probes::find("runbook").expect("the probe");
    let names = |value: Value| {
        let problems = probe.check(&crate::harness::settings(json!({ "path": "x", "phases": value })));
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(names(json!([])), ["names no phase"]);
    assert_eq!(names(json!(["a", "a"])), ["names a phase twice"]);
    assert_eq!(names(json!(["a b"])).len(), 1);
    assert_eq!(names(json!(["a", ""])).len(), 1);
    assert!(names(json!(PHASES)).is_empty());
}

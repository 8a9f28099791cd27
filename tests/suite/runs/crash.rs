//! `kill -9` of the program at each step of the journal, and of the executor with it. Afterwards the
//! status is true, no other run can start, and what was begun is brought to its end.

use super::{Approved, cutgate, text};

/// The step at which the program is killed, and what looking after it comes to: exit code and a part of what is said.
const STEPS: &[(&str, i32, &str)] = &[
    // Nothing was started yet, whatever was written: the run can still be made.
    ("permitted", 0, ""),
    ("rechecked", 0, ""),
    ("consumed", 4, "ROLLED_BACK_VERIFIED"),
    ("starting", 4, "ROLLED_BACK_VERIFIED"),
    // Here the executor goes on alone, and may have committed everything or nothing.
    ("started", -1, ""),
    ("ended", 5, "COMPENSATION_REQUIRED"),
    ("reread", 5, "COMPENSATION_REQUIRED"),
];

#[test]
fn after_a_crash_at_any_step_the_truth_is_told() {
    let _kept = Approved::misbehaving();
    for (step, code, said) in STEPS {
        let approved = Approved::misbehaving();
        let before = approved.rows();
        let killed = approved.run(&[], &[("CUTGATE_TEST_CRASH_AT", step)]);
        assert_eq!(killed.status.code(), None, "{step}: {}", text(&killed.stderr));
        let status = approved.run(&["--status"], &[]);
        if *code == 0 {
            assert!(text(&status.stdout).contains("requested, not started"), "{step}: {}", text(&status.stdout));
            let again = approved.run(&[], &[]);
            assert_eq!(again.status.code(), Some(0), "{step}: {}", text(&again.stderr));
            continue;
        }
        assert_eq!(status.status.code(), Some(5), "{step}");
        assert!(text(&status.stdout).contains("not over"), "{step}: {}", text(&status.stdout));
        // Neither an audit, nor a request, nor the run itself takes it for not started.
        let audit = cutgate(&approved.lab.dir, &["audit"], &[]);
        assert_eq!(audit.status.code(), Some(5), "{step}: {}", text(&audit.stdout));
        assert!(text(&audit.stdout).contains("result: D"), "{step}: {}", text(&audit.stdout));
        for command in [vec!["request"], vec!["run", &approved.run_id]] {
            let refused = cutgate(&approved.lab.dir, &command, &[]);
            assert_eq!(refused.status.code(), Some(7), "{step}: {}", text(&refused.stdout));
            assert!(text(&refused.stderr).contains("was started"), "{step}: {}", text(&refused.stderr));
        }
        let recovered = approved.run(&["--recover", "--revert"], &[]);
        let all = text(&recovered.stdout) + &text(&recovered.stderr);
        if *code > 0 {
            assert_eq!(recovered.status.code(), Some(*code), "{step}: {all}");
            assert!(all.contains(said), "{step}: {all}");
        } else {
            assert!(matches!(recovered.status.code(), Some(4 | 5)), "{step}: {all}");
        }
        if recovered.status.code() == Some(4) {
            assert_eq!(approved.rows(), before, "{step}");
            let status = approved.run(&["--status"], &[]);
            assert!(text(&status.stdout).contains(", over"), "{step}: {}", text(&status.stdout));
        }
        assert!(approved.report("08").contains(&approved.run_id), "{step}");
    }
}

/// The executor kills the program that started it, and goes on: it is ended before the state is read again.
#[test]
fn an_executor_that_outlives_the_program_is_ended() {
    let approved = Approved::misbehaving();
    let before = approved.rows();
    approved.lab.write("mode", "orphan");
    let killed = approved.run(&[], &[]);
    assert_eq!(killed.status.code(), None, "{}", text(&killed.stderr));
    let recovered = approved.run(&["--recover"], &[]);
    let said = text(&recovered.stdout);
    assert_eq!(recovered.status.code(), Some(5), "{said}{}", text(&recovered.stderr));
    assert!(said.contains("ROLLBACK_UNVERIFIED") && said.contains("--revert"), "{said}");
    let reverted = approved.run(&["--recover", "--revert"], &[]);
    assert_eq!(reverted.status.code(), Some(4), "{}{}", text(&reverted.stdout), text(&reverted.stderr));
    assert_eq!(approved.rows(), before);
}

/// Looking after a run knows the executor's secrets as the run did: what its revert prints is kept nowhere with one.
#[test]
fn a_secret_that_the_revert_prints_is_not_kept() {
    let approved = Approved::misbehaving();
    let token = [("CUTTER_API_TOKEN", "s3cr3t-t0ken-value")];
    approved.lab.write("mode", "orphan");
    let killed = approved.run(&[], &token);
    assert_eq!(killed.status.code(), None, "{}", text(&killed.stderr));
    approved.lab.write("mode", "telling");
    let reverted = approved.run(&["--recover", "--revert"], &token);
    let all = text(&reverted.stdout) + &text(&reverted.stderr);
    assert!(matches!(reverted.status.code(), Some(4 | 5)), "{all}");
    assert!(all.contains("printed a secret value"), "{all}");
    assert!(!all.contains("s3cr3t") && !super::executors::holds_secret(&approved.folder()), "{all}");
}

/// Records of a run that are gone or damaged never make it one that was not started.
#[test]
fn damaged_records_count_as_started() {
    let approved = Approved::misbehaving();
    let killed = approved.run(&[], &[("CUTGATE_TEST_CRASH_AT", "starting")]);
    assert_eq!(killed.status.code(), None);
    for damage in
        ["rm state.json", "echo x > state.json", "rm journal.jsonl", "sed -i 1d journal.jsonl", "rm consumed.json"]
    {
        let kept = approved.folder().with_extension("kept");
        approved.lab.shell(&format!("cp -a {} {}", approved.folder().display(), kept.display()));
        approved.lab.shell(&format!("cd {} && {damage}", approved.folder().display()));
        let status = approved.run(&["--status"], &[]);
        assert_eq!(status.status.code(), Some(5), "{damage}: {}", text(&status.stdout));
        let again = approved.run(&[], &[]);
        assert_eq!(again.status.code(), Some(7), "{damage}: {}", text(&again.stdout));
        approved.lab.shell(&format!("rm -r {0} && mv {1} {0}", approved.folder().display(), kept.display()));
    }
}

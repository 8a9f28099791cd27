//! From C to A, as it is told in `docs/walkthrough.md`: the page is typed as it stands, and what is shown is compared with what
//! came out.

use std::path::Path;
use std::process::Command;

use super::{cutgate, text};
use crate::stock_gates::ready::ready;
use crate::tutorial::{is_excerpt, masked, sections};

/// What differs from one run to the next, beside what the tutorial knows.
fn plain(line: &str) -> String {
    let run = regex::Regex::new(r"run-<utc>-[0-9a-f]{8}").unwrap();
    let seconds = regex::Regex::new(r"\b\d+ s\b").unwrap();
    seconds.replace_all(&run.replace_all(&masked(line), "<run>"), "<n> s").into_owned()
}

#[test]
fn the_walkthrough_ends_in_a_verified_run() {
    let (lab, _held) = ready();
    // Where the tutorial ends.
    lab.shell("rm records/drills/* kb/runbooks/per-cut-revert.md");
    let bin = assert_cmd::cargo::cargo_bin("cutgate");
    let path = format!("{}:/usr/bin:/bin", bin.parent().unwrap().display());
    let typed = |line: &str| {
        let mut shell = Command::new("bash");
        shell.current_dir(&lab.dir).env_clear().env("PATH", &path).env("LC_ALL", "C.UTF-8");
        let output = shell.args(["-c", &format!("exec 2>&1\n{line}")]).output().expect("bash");
        text(&output.stdout).replace(lab.dir.to_str().unwrap(), "/home/operator/lab")
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/walkthrough.md");
    let mut page = std::fs::read_to_string(&file).unwrap();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for section in sections(&page.clone()) {
        for command in &section.typed {
            let real = typed(&command.command);
            let seen: Vec<_> = real.lines().map(plain).collect();
            let shown: Vec<_> = command.shown.iter().map(|line| plain(line)).collect();
            if update {
                let from = format!(
                    "$ {}\n{}",
                    command.command,
                    command.shown.iter().map(|it| format!("{it}\n")).collect::<String>()
                );
                // The last of several equal commands is the one that was not filled in yet.
                if let Some(at) = page.rfind(&from) {
                    page.replace_range(at..at + from.len(), &format!("$ {}\n{real}", command.command));
                }
            } else {
                let all = (shown.join("\n"), seen.join("\n"));
                assert!(is_excerpt(&shown, &seen), "$ {}\nshown:\n{}\nreal:\n{}", command.command, all.0, all.1);
            }
        }
    }
    if update {
        std::fs::write(&file, page).unwrap();
    }
    // Whatever the page says: the rows are there, and the last two results are those of a verified run and of a spent approval.
    let registry = rusqlite::Connection::open(lab.dir.join("governance.db")).unwrap();
    let number = |sql: &str| registry.query_row(sql, [], |row| row.get::<_, i64>(0)).expect(sql);
    let run = "SELECT id FROM cutter_governance_cut_change_set WHERE run_id LIKE 'run-%' AND state = 'recorded'";
    let units = format!("SELECT count(*) FROM information_unit WHERE state = 'enacted' AND change_set_id = ({run})");
    assert_eq!(number(&units), 12);
    let verified = "SELECT count(*) FROM cutter_governance_verify_result WHERE outcome = 'PASS' AND units = 12";
    assert_eq!(number(verified), 1);
    let ledger = std::fs::read_to_string(lab.dir.join("reports/ledger.jsonl")).unwrap();
    assert_eq!(ledger.matches("\"letter\":\"A\"").count(), 1, "one run, one A");
    assert_eq!(std::fs::read_dir(lab.dir.join("records/drills")).unwrap().count(), 2);
    let scratch = std::fs::read_dir(lab.dir.join("requests")).unwrap();
    let names = scratch.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with(".drill")), "the scratch copy is gone");
    let again = cutgate(&lab.dir, &["audit"], &[]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stdout));
}

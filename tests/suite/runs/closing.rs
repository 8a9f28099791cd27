//! A person decides on a run that no command can bring to an end: signed by the sovereign, about that run as it stands, published in
//! the chain. The run stays D, and others may be requested again.

use super::{Approved, cutgate, text};

/// The key that the package pins for a role.
fn pinned(approved: &Approved, role: &str) -> String {
    let package = std::fs::read_to_string(approved.dir().join("cutgate.toml")).unwrap();
    let line = package.lines().find(|line| line.starts_with(&format!("{role} = [\""))).expect("a pinned key");
    line.split('"').nth(1).unwrap().to_owned()
}

/// What the status says that a decision has to say.
fn form(approved: &Approved) -> String {
    let status = approved.run(&["--status"], &[]);
    let said = text(&status.stdout);
    assert_eq!(status.status.code(), Some(5), "{said}");
    let lines: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let from = lines.iter().position(|line| *line == "---").unwrap_or_else(|| panic!("{said}"));
    let to = lines.iter().rposition(|line| *line == "---").unwrap();
    lines[from..=to].join("\n") + "\n"
}

#[test]
fn a_run_is_closed_by_a_decision_of_the_sovereign_alone() {
    let approved = Approved::misbehaving();
    approved.lab.write("mode", "committed-exit-1");
    let early = approved.run(&["--close", "decision.md"], &[]);
    assert!(text(&early.stderr).contains("was not started: there is nothing to close"), "{}", text(&early.stderr));
    assert_eq!(approved.run(&[], &[]).status.code(), Some(5));
    let again = cutgate(approved.dir(), &["request"], &[]);
    assert_eq!(again.status.code(), Some(7), "no other run while this one is open: {}", text(&again.stdout));

    let form = form(&approved);
    let now = || chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let filled = |form: &str, utc: &str| {
        form.replace("<what was decided and done>", "the units stand, the exit status was wrong").replace("<when>", utc)
    };
    let good = filled(&form, &now());
    let journal = form.lines().find_map(|line| line.strip_prefix("journal_sha256: ")).unwrap();
    let (sovereign, operator) = (pinned(&approved, "sovereign"), pinned(&approved, "operator"));
    let closed = |document: &str, by: Option<&str>| {
        approved.lab.write("decision.md", document);
        approved.lab.shell("rm -f decision.md.asc");
        if let Some(key) = by {
            approved.lab.shell(&format!(
                "gpg --homedir keys/home --batch --local-user {key} --armor --detach-sign decision.md"
            ));
        }
        approved.run(&["--close", "decision.md"], &[])
    };
    for (name, document, by, why) in [
        ("unsigned", good.clone(), None, "cannot read decision.md.asc"),
        ("the operator's", good.clone(), Some(&operator), "its signer is not pinned"),
        ("not filled in", form.clone(), Some(&sovereign), "does not say what was decided"),
        ("of another state", good.replace(journal, &"0".repeat(64)), Some(&sovereign), "journal_sha256 must be"),
        (
            "of another run",
            good.replace(&approved.run_id, "run-20260521T101500Z-0a1b2c3d"),
            Some(&sovereign),
            "run_id must be",
        ),
        ("made before the run", filled(&form, "2026-01-01T00:00:00Z"), Some(&sovereign), "lies before"),
        ("made in the future", filled(&form, "2099-01-01T00:00:00Z"), Some(&sovereign), "lies ahead"),
        ("without front matter", "closed\n".to_owned(), Some(&sovereign), "kind must be closure"),
    ] {
        let refused = closed(&document, by.map(String::as_str));
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(7), "{name}: {said}");
        assert!(said.contains(why), "{name}: {said}");
        assert_eq!(approved.run(&["--status"], &[]).status.code(), Some(5), "{name}: it is still open");
    }

    let rows = approved.rows();
    let done = closed(&good, Some(&sovereign));
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(approved.rows(), rows, "closing changes nothing");
    let status = approved.run(&["--status"], &[]);
    assert!(text(&status.stdout).contains(", over"), "{}", text(&status.stdout));
    let ledger = std::fs::read_to_string(approved.dir().join("reports/ledger.jsonl")).unwrap();
    assert_eq!((ledger.matches("\"letter\":\"D\"").count(), ledger.matches("\"entry\":\"closure\"").count()), (1, 1));
    for again in [vec!["--close", "decision.md"], vec!["--recover"], vec![]] {
        assert_eq!(approved.run(&again, &[]).status.code(), Some(7), "{again:?}");
    }
    let audit = text(&cutgate(approved.dir(), &["audit"], &[]).stdout);
    assert!(audit.contains("result: C") && !audit.contains("result: D"), "the approval is spent: {audit}");
    let verified = cutgate(approved.dir(), &["verify", "reports"], &[]);
    let said = text(&verified.stdout);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    assert!(
        said.contains("closed, its result stays D: the units stand") && said.contains("pinned as sovereign"),
        "{said}"
    );
    approved.lab.shell("sed -i s/stand/fall/ reports/*/decision.md");
    assert_eq!(cutgate(approved.dir(), &["verify", "reports"], &[]).status.code(), Some(6));
}

/// The program is killed between the two: the decision is not published twice.
#[test]
fn a_closing_that_was_cut_off_is_carried_on() {
    let approved = Approved::misbehaving();
    approved.lab.write("mode", "committed-exit-1");
    assert_eq!(approved.run(&[], &[]).status.code(), Some(5));
    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    approved.lab.write(
        "decision.md",
        &form(&approved).replace("<what was decided and done>", "so be it").replace("<when>", &now),
    );
    let key = pinned(&approved, "sovereign");
    approved
        .lab
        .shell(&format!("gpg --homedir keys/home --batch --local-user {key} --armor --detach-sign decision.md"));
    assert_eq!(approved.run(&["--close", "decision.md"], &[]).status.code(), Some(0));
    // As it was before the last line.
    approved.lab.shell(&format!("sed -i '$d' requests/{}/journal.jsonl", approved.run_id));
    assert_eq!(approved.run(&["--status"], &[]).status.code(), Some(5));
    assert_eq!(approved.run(&["--close", "decision.md"], &[]).status.code(), Some(0));
    let ledger = std::fs::read_to_string(approved.dir().join("reports/ledger.jsonl")).unwrap();
    assert_eq!(ledger.matches("\"entry\":\"closure\"").count(), 1);
    assert_eq!(approved.run(&["--status"], &[]).status.code(), Some(0));
}

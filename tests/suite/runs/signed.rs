//! What became of a run, and that one was refused, is signed and attested as an audit is.

use super::{Approved, cutgate, text};

#[test]
fn the_reports_of_a_run_are_signed_and_attested() {
    let approved = Approved::misbehaving();
    let (lab, run_id) = (&approved.lab, &approved.run_id);
    lab.write("mode", "honest");
    let package = std::fs::read_to_string(lab.dir.join("cutgate.toml")).unwrap();
    let auditor = package.lines().find_map(|line| line.strip_prefix("auditor = [\"")?.strip_suffix("\"]")).unwrap();
    lab.shell(&format!(
        "umask 077 && openssl genpkey -algorithm ed25519 -out a.key && openssl pkey -in a.key -pubout -out a.pub
         gpg --homedir keys/home --batch --armor --export-secret-keys {auditor} > ci.key
         gpgconf --homedir keys/home --kill all"
    ));
    let seals = ["--sign-key", "ci.key", "--attest-key", "a.key"];
    let environment = [("CUTTER_API_TOKEN", "s3cr3t-t0ken-value")];
    // Refused first, for want of an approval; then made.
    lab.shell(&format!("mv kb/approvals/sg1-{run_id}.md.asc kept"));
    let refused = approved.run(&seals, &environment);
    assert_eq!(refused.status.code(), Some(7), "{}", text(&refused.stderr));
    lab.shell(&format!("mv kept kb/approvals/sg1-{run_id}.md.asc"));
    let made = approved.run(&seals, &environment);
    assert_eq!(made.status.code(), Some(0), "{}{}", text(&made.stdout), text(&made.stderr));

    let verify = |more: &[&str]| cutgate(&lab.dir, &[&["verify", "reports"], more].concat(), &[]);
    let proved = verify(&["--key", "keys/auditor.asc", "--attest-pub", "a.pub"]);
    let said = text(&proved.stdout);
    assert!(proved.status.success(), "{}", text(&proved.stderr));
    for (number, letter) in [("0001", 'C'), ("0002", 'A')] {
        let line = said.lines().find(|line| line.starts_with(&format!("{number}: {letter} — "))).expect(&said);
        assert!(line.ends_with(&format!("signed by {auditor}")), "{line}");
    }
    for part in ["that key is one of those given with --key", "attested: both envelopes are signed by the key "] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    // Not by others, and not after a change of what the report says of the run.
    for others in [["--key", "keys/operator.asc"], ["--attest-pub", "keys/auditor.asc"]] {
        assert!(matches!(verify(&others).status.code(), Some(2 | 6)), "{others:?}");
    }
    lab.shell("sed -i 's/production_run_executed: YES/production_run_executed: NO/' reports/0002-*/08-*.md");
    let changed = verify(&["--key", "keys/auditor.asc"]);
    assert_eq!(changed.status.code(), Some(6), "{}", text(&changed.stdout));
}

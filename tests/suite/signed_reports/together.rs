//! Many signed audits at once: the numbers are consecutive, the chain holds, and every one of them verifies.

use std::fs;

use cutgate::report::{Entry, read_ledger};

use super::{pinned, run, text, typed};
use crate::audit::Lab;

/// A report of a small package.
const REPORT: &str =
    "# Report {{ report.number }}\n\nResult {{ result.letter }} of {{ audit.utc }}.\n\n{% include \"checks.md\" %}\n";

/// Lays a package with two gates into `small/`, which lets the auditor sign; the auditor's key goes into `ci.key`.
fn small(lab: &Lab, auditor: &str) {
    run(lab, &format!("umask 077; gpg --batch --armor --export-secret-keys {auditor} > ci.key"), 0);
    let source = format!("{}/tests/packages/laboratory", env!("CARGO_MANIFEST_DIR"));
    run(lab, &format!("cp -r {source} small && mkdir small/templates"), 0);
    let package = fs::read_to_string(lab.path("small/cutgate.toml")).unwrap();
    let package = package.replacen("[trust]\n", &format!("[trust]\nauditor = [\"{auditor}\"]\n"), 1);
    fs::write(lab.path("small/cutgate.toml"), package).unwrap();
    for report in ["01", "02"] {
        fs::write(lab.path(&format!("small/templates/{report}.md")), REPORT).unwrap();
    }
}

/// Half of them by gpg and its agent, half with a key file.
#[test]
fn forty_signed_audits_at_once_make_one_chain() {
    let lab = Lab::new();
    let auditor = pinned(&lab, "auditor");
    small(&lab, &auditor);
    let by = [format!("--sign {auditor}"), "--sign-key ci.key".to_owned()];
    let audit = |by: &str| typed(&lab, &format!("cutgate -p small/cutgate.toml audit {by}"));
    std::thread::scope(|scope| {
        let audit = &audit;
        let audits: Vec<_> = (0..40)
            .map(|n| {
                scope.spawn({
                    let by = &by[n % 2];
                    move || audit(by)
                })
            })
            .collect();
        for made in audits {
            let made = made.join().unwrap();
            assert!(matches!(made.status.code(), Some(1 | 3)), "{}", text(&made.stderr));
        }
    });
    run(&lab, "gpgconf --kill all", 0);
    let lines = read_ledger(&lab.path("small/reports")).unwrap();
    let numbers: Vec<u64> = lines.iter().map(|(line, _)| line.number).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    assert!(lines.iter().all(|(line, _)| line.entry == Entry::Audit));
    assert!(lines.iter().all(|(line, _)| line.signers.iter().map(|signer| signer.as_str()).eq([auditor.as_str()])));
    let said = text(&run(&lab, "cutgate verify small/reports --key keys/auditor.asc", 0).stdout);
    assert_eq!(said.matches(&format!("signed by {auditor}\n")).count(), 40, "{said}");
    assert!(said.contains("the ledger chains over 40 lines"), "{said}");
    assert!(said.contains("the signed result names the line of the ledger before it"), "{said}");
}

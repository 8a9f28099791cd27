//! Attested audits: what others' programs make of the envelopes and of the checkpoint, and what `verify` says of them.

mod forged;
mod keys;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cutgate::classify::{Invariants, Letter, RunOutcome};
use cutgate::evidence::{Digest256, canonical_json};
use cutgate::gates::GapState;
use cutgate::package::GapClass;
use cutgate::report::{
    Claim, Dossier, Keys, LEDGER, LedgerLine, Proved, Published, envelope_files, holds, prove, seal,
};
use cutgate::trust::dsse;
use cutgate::trust::ed25519::{SigningKey, VerifyingKey};
use serde_json::Value as Json;

use super::audit::Lab;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Makes a key pair with openssl: `NAME.key` and `NAME.pub` in the folder.
fn make_key(folder: &Path, name: &str) {
    let script = format!(
        "umask 077 && openssl genpkey -algorithm ed25519 -out {name}.key && openssl pkey -in {name}.key -pubout -out {name}.pub"
    );
    let made = Command::new("sh").args(["-c", &script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "openssl, from scripts/require test: {}", text(&made.stderr));
}

fn signing(folder: &Path, name: &str) -> SigningKey {
    SigningKey::from_pem(&fs::read(folder.join(format!("{name}.key"))).unwrap()).unwrap()
}

fn public(folder: &Path, name: &str) -> VerifyingKey {
    VerifyingKey::from_pem(&fs::read(folder.join(format!("{name}.pub"))).unwrap()).unwrap()
}

/// An audit that replays.
fn proved(folder: &Path) -> Proved {
    prove(&Published::read(folder).unwrap(), &Keys::None, chrono::Utc::now()).unwrap()
}

/// A laboratory with the keys `a` and `b`.
fn lab() -> Lab {
    let lab = Lab::new();
    make_key(&lab.path(""), "a");
    make_key(&lab.path(""), "b");
    lab
}

/// An audit that is attested by `key`; gives its folder below the laboratory.
fn attest(lab: &Lab, key: &str) -> String {
    let output = lab.cutgate(&["audit", "--format", "json", "--attest-key", key]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()));
    let result: Json = serde_json::from_slice(&output.stdout).unwrap();
    result["reports_dir"].as_str().unwrap().trim_start_matches("./").to_owned()
}

fn verify(lab: &Lab, args: &[&str]) -> Output {
    let args: Vec<_> = ["verify"].iter().chain(args).copied().collect();
    lab.cutgate(&args)
}

/// Verifies, and sees that all of it is said.
fn accepted(lab: &Lab, args: &[&str], expected: &[&str]) {
    let output = verify(lab, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    let said = text(&output.stdout);
    expected.iter().for_each(|expected| assert!(said.contains(expected), "{args:?}: {expected} is not in\n{said}"));
}

/// Does not verify, with exit code 6 and a reason.
fn refused(lab: &Lab, args: &[&str], expected: &str) {
    let output = verify(lab, args);
    assert_eq!(output.status.code(), Some(6), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "{args:?}");
    assert!(text(&output.stderr).contains(expected), "{args:?}: {expected} is not in {}", text(&output.stderr));
}

/// Writes the ledger anew, so that it names what lies in the folders now: what someone does who may write everything.
fn relink(reports: &Path) {
    let mut previous = "0".repeat(64);
    let mut out = Vec::new();
    for line in fs::read_to_string(reports.join(LEDGER)).unwrap().lines() {
        let mut line: LedgerLine = serde_json::from_str(line).unwrap();
        line.previous = Digest256::try_from(previous).unwrap();
        let files = fs::read_dir(reports.join(&line.folder)).unwrap().map(|entry| entry.unwrap().path());
        line.files = files
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), Digest256::of(&fs::read(path).unwrap()))
            })
            .collect();
        let bytes = canonical_json(&line);
        previous = Digest256::of(&bytes).to_string();
        out.extend(bytes);
    }
    fs::write(reports.join(LEDGER), out).unwrap();
}

/// The interpreter in which the other programs are installed.
pub fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
    let python = target.join("python/bin/python");
    assert!(python.exists(), "{} is missing: install it with scripts/require test", python.display());
    python
}

/// What securesystemslib, in-toto-attestation and cryptography make of an attested audit.
fn others(folder: &Path, key: &Path) -> Result<Json, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attestations.py");
    let output = Command::new(python()).arg("-B").arg(script).arg(folder).arg(key).output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(text(&output.stderr))
    }
}

#[test]
fn others_verify_and_read_what_is_attested() {
    let lab = lab();
    lab.audit();
    let mut folders = Vec::new();
    for lines in 2..=4 {
        folders.push(attest(&lab, "a.key"));
        let seen = others(&lab.path(folders.last().unwrap()), &lab.path("a.pub")).unwrap();
        assert_eq!(seen["lines"], lines);
    }
    let folder = folders.last().unwrap();
    let seen = others(&lab.path(folder), &lab.path("a.pub")).unwrap();
    assert_eq!(seen["keyid"], public(&lab.path(""), "a").keyid());
    assert!(seen["kind"].as_str().unwrap().ends_with("/readiness/v1"));
    assert_eq!(seen["test_kind"], "https://in-toto.io/attestation/test-result/v0.1");
    let result: Json = serde_json::from_slice(&fs::read(lab.path(&format!("{folder}/result.json"))).unwrap()).unwrap();
    let readiness = &seen["readiness"];
    for part in ["scheme", "letter", "label", "decisive", "not"] {
        assert_eq!(readiness["result"][part], result["result"][part], "{part}");
    }
    assert_eq!(readiness["gates"].as_array().unwrap().len(), 9);
    for (attested, judged) in readiness["gates"].as_array().unwrap().iter().zip(result["gates"].as_array().unwrap()) {
        for part in ["id", "gap", "stage", "state", "reason"] {
            assert_eq!(attested[part], judged[part], "{part}");
        }
    }
    assert_eq!(readiness["gaps"].as_array().unwrap().len(), 9);
    assert_eq!(readiness["basis"]["evidence_sha256"], result["evidence_sha256"]);
    assert_eq!(readiness["tool"], result["tool"]);
    assert_eq!(readiness["audit"]["folder"], folder.trim_start_matches("reports/"));
    assert_eq!(readiness["attestor"]["keyid"], seen["keyid"]);
    assert_eq!(seen["configuration"]["cutgate.toml"], readiness["rules"]["package_sha256"]);
    assert_eq!(
        Digest256::of(&fs::read(lab.path("cutgate.toml")).unwrap()).as_str(),
        readiness["rules"]["package_sha256"]
    );
    // Blocked is attested as loudly as ready would be.
    assert_eq!((&seen["result"], &readiness["result"]["letter"]), (&"FAILED".into(), &"C".into()));
    assert_eq!(seen["passed"], serde_json::json!(["deployed-artifact", "dry-run-proof", "invariants"]));
    assert_eq!(seen["failed"].as_array().unwrap().len(), 7);
    assert_eq!(seen["warned"], serde_json::json!([]));
    // And they refuse what is not so.
    assert!(others(&lab.path(folder), &lab.path("b.pub")).is_err());
    assert!(others(&lab.path(&folders[0]), &lab.path("a.pub")).is_ok(), "an older one stays good");
    accepted(
        &lab,
        &[folder, "--attest-pub", "b.pub", "--attest-pub", "a.pub"],
        &["attested: both envelopes are signed by the key ", " that was given", "the 4 lines that it was made over"],
    );
    accepted(&lab, &[&folders[0]], &["name themselves: give --attest-pub", "this audit's among them"]);
}

/// Every letter and run, on the reference audit with its result changed: PASSED needs a letter that says so, and nothing
/// that speaks against it.
#[test]
fn only_what_is_ready_passes_as_a_test() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports");
    let folder = fs::read_dir(&reference).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let proved = proved(&folder.unwrap());
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path(), "a");
    let key = signing(dir.path(), "a");
    let told = |dossier: &Dossier| {
        let sealed = seal(&cutgate::report::Attested { dossier, ..proved.attested() }, &key);
        let payload = dsse::open(&sealed["test-result.intoto.json"]).unwrap().payload;
        let predicate = serde_json::from_slice::<Json>(&payload).unwrap()["predicate"].take();
        predicate["result"].as_str().unwrap().to_owned()
    };
    let with = |letter: Letter, run: RunOutcome, invariants: Invariants, technical: GapState, approval: GapState| {
        let mut dossier = proved.dossier.clone();
        (dossier.result.ruling.letter, dossier.result.run, dossier.result.invariants) = (letter, run, invariants);
        for gate in &mut dossier.gates {
            let class = dossier.gaps.iter().find(|gap| gap.id == gate.finding.gap).unwrap().class;
            gate.finding.state = if class == GapClass::Authority { approval } else { technical };
        }
        told(&dossier)
    };
    let runs = [
        RunOutcome::NotStarted,
        RunOutcome::Verified,
        RunOutcome::RolledBack,
        RunOutcome::RollbackUnverified,
        RunOutcome::CompensationRequired,
        RunOutcome::Interrupted,
    ];
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for letter in Letter::ALL {
        for run in runs {
            for invariants in [Invariants::Held, Invariants::Changed, Invariants::Unknown] {
                for technical in GapState::ALL {
                    for approval in GapState::ALL {
                        let result = with(letter, run, invariants, technical, approval);
                        let good = matches!(letter, Letter::A | Letter::B)
                            && matches!(run, RunOutcome::NotStarted | RunOutcome::Verified)
                            && invariants == Invariants::Held
                            && technical == GapState::Closed;
                        let expected = match (good, approval) {
                            (true, GapState::Closed) => "PASSED",
                            (true, GapState::Open) if letter == Letter::B => "WARNED",
                            _ => "FAILED",
                        };
                        assert_eq!(result, expected, "{letter:?} {run:?} {invariants:?} {technical:?} {approval:?}");
                        *counts.entry(result).or_default() += 1;
                    }
                }
            }
        }
    }
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [("FAILED".into(), 1794), ("PASSED".into(), 4), ("WARNED".into(), 2)]
    );
    assert_eq!(told(&proved.dossier), "FAILED");
}

/// Both streams.
fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// Signed and attested: each is accepted by those who know it, and neither hides the other.
#[test]
fn an_audit_may_be_signed_and_attested() {
    let lab = lab();
    let auditor = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    let auditor = auditor.lines().find_map(|line| line.strip_prefix("auditor = [\"")?.strip_suffix("\"]")).unwrap();
    let export = format!(
        "umask 077 && gpg --homedir keys/home --batch --armor --export-secret-keys {auditor} > ci.key && \
         gpg --homedir keys/home --batch --armor --export {auditor} > auditor.asc && \
         gpgconf --homedir keys/home --kill all"
    );
    let made = Command::new("sh").args(["-c", &export]).current_dir(lab.path("")).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let output = lab.cutgate(&["audit", "--format", "json", "--attest-key", "a.key", "--sign-key", "ci.key"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()));
    let result: Json = serde_json::from_slice(&output.stdout).unwrap();
    let folder = result["reports_dir"].as_str().unwrap();
    for file in envelope_files() {
        assert!(lab.path(&format!("{folder}/{file}.asc")).exists(), "{file} is signed like everything else");
    }
    others(&lab.path(folder), &lab.path("a.pub")).unwrap();
    for dir in [folder, "reports"] {
        let args = [dir, "--key", "auditor.asc", "--attest-pub", "a.pub"];
        accepted(
            &lab,
            &args,
            &[
                "attested: both envelopes are signed by the key",
                "is signed by",
                "the 1 line that",
                "chains over 1 line\n",
            ],
        );
        refused(&lab, &[dir, "--key", "auditor.asc", "--attest-pub", "b.pub"], "none of those that count here");
    }
}

/// Many at once: the checkpoint is over every line in the end, whoever wrote it.
#[test]
fn twenty_at_once_leave_one_checkpoint_over_all() {
    let dir = tempfile::tempdir().unwrap();
    make_key(dir.path(), "a");
    let reports = dir.path().join("reports");
    let files = BTreeMap::from([("08-x.md".to_owned(), b"# Report\n".to_vec())]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let claim = Claim::take(&reports, "2026-05-21T10:00:00Z".parse().unwrap()).unwrap();
                let claim = claim.with_checkpoint(signing(dir.path(), "a"));
                claim
                    .publish(&files, "C", "BLOCKED_WITH_EXACT_O8_GAP", &[], &cutgate::probes::Secrets::default())
                    .unwrap();
            });
        }
    });
    let read = |name: &str| fs::read(reports.join(name)).unwrap();
    let held = holds(&read("checkpoint"), &read("ledger.jsonl"), &[public(dir.path(), "a")]).unwrap();
    assert_eq!(held.lines, 20);
    // What was left of a process that was cut off is replaced.
    fs::write(reports.join(".checkpoint.next"), "half").unwrap();
    let claim = Claim::take(&reports, "2026-05-21T10:00:00Z".parse().unwrap()).unwrap();
    let claim = claim.with_checkpoint(signing(dir.path(), "a"));
    claim.publish(&files, "C", "BLOCKED_WITH_EXACT_O8_GAP", &[], &cutgate::probes::Secrets::default()).unwrap();
    let held = holds(&read("checkpoint"), &read("ledger.jsonl"), &[public(dir.path(), "a")]).unwrap();
    assert_eq!(held.lines, 21);
}

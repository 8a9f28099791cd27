//! Attested audits: what others' programs make of the envelopes and of the checkpoint, and what `verify` sees of those
//! that were tampered with by someone who can write everything but has not the key.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cutgate::classify::{Invariants, Letter, RunOutcome};
use cutgate::evidence::{Digest256, canonical_json};
use cutgate::gates::GapState;
use cutgate::package::GapClass;
use cutgate::report::{
    Claim, Dossier, Keys, LEDGER, LedgerLine, Proved, Published, check, envelope_files, holds, prove, seal,
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
        [("FAILED".into(), 1146), ("PASSED".into(), 4), ("WARNED".into(), 2)]
    );
    assert_eq!(told(&proved.dossier), "FAILED");
}

/// Someone who may write everything, the ledger too, and has not the key.
#[test]
fn forged_envelopes_are_refused() {
    let lab = lab();
    let (first, second) = (attest(&lab, "a.key"), attest(&lab, "a.key"));
    let reports = lab.path("reports");
    let path = |file: &str| lab.path(&format!("{second}/{file}"));
    let given: [&str; 3] = [&second, "--attest-pub", "a.pub"];
    refused(&lab, &[&second, "--attest-pub", "b.pub"], "which is none of those that count here");
    let keep = tempfile::tempdir().unwrap();
    let kept = keep.path().join("reports");
    let copy = |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    copy(&reports, &kept);
    let read = |file: &str| fs::read_to_string(path(file)).unwrap();
    let form = |file: &str| serde_json::from_str::<Json>(&read(file)).unwrap();
    let put = |file: &str, form: &Json| fs::write(path(file), canonical_json(form)).unwrap();
    for file in envelope_files() {
        // A flipped byte, whether or not the ledger was written anew.
        for at in [3, 200, read(file).len() - 30] {
            let mut bytes = fs::read(path(file)).unwrap();
            bytes[at] ^= 1;
            fs::write(path(file), bytes).unwrap();
            refused(&lab, &given, file);
            relink(&reports);
            refused(&lab, &[&second], file);
            copy(&kept, &reports);
        }
        let mut other = form(file);
        other["payloadType"] = "text/plain".into();
        put(file, &other);
        relink(&reports);
        refused(&lab, &given, "payload type is \"text/plain\"");
        refused(&lab, &[&second], "payload type is \"text/plain\"");
        copy(&kept, &reports);

        let mut other = form(file);
        let twice = other["signatures"][0].clone();
        other["signatures"].as_array_mut().unwrap().push(twice);
        put(file, &other);
        relink(&reports);
        refused(&lab, &given, "it has 2 signatures");
        refused(&lab, &[&second], "it has 2 signatures");
        copy(&kept, &reports);

        // The envelope of another audit is good, and not of this one.
        fs::copy(lab.path(&format!("{first}/{file}")), path(file)).unwrap();
        relink(&reports);
        refused(&lab, &given, "its subjects are not the published files");
        copy(&kept, &reports);

        // One kind in the place of the other.
        let names: Vec<_> = envelope_files().collect();
        let instead = names.iter().find(|name| **name != file).unwrap();
        fs::copy(path(instead), path(file)).unwrap();
        relink(&reports);
        let why = if *instead == "readiness.intoto.json" { "its predicateType is not" } else { "it names no key" };
        refused(&lab, &given, why);
        copy(&kept, &reports);

        fs::remove_file(path(file)).unwrap();
        refused(&lab, &given, file);
        relink(&reports);
        refused(&lab, &given, &format!("{file}: it is missing"));
        refused(&lab, &[&second], &format!("{file}: it is missing"));
        copy(&kept, &reports);
    }
    // Sealed anew over what is true, by another key: consistent, and not by the key that was given.
    let proved = proved(&lab.path(&second));
    for (file, bytes) in seal(&proved.attested(), &signing(&lab.path(""), "b")) {
        fs::write(path(&file), bytes).unwrap();
    }
    relink(&reports);
    refused(&lab, &given, "which is none of those that count here");
    // That other key's id under the name of the right one.
    let mut named = form("readiness.intoto.json");
    named["signatures"][0]["keyid"] = public(&lab.path(""), "a").keyid().into();
    put("readiness.intoto.json", &named);
    relink(&reports);
    refused(&lab, &given, "it is not signed by the key ");
    copy(&kept, &reports);
    // Both taken away: an audit that was never attested, which is not enough where a key was given.
    envelope_files().for_each(|file| fs::remove_file(path(file)).unwrap());
    relink(&reports);
    refused(&lab, &given, "the audit is not attested");
    copy(&kept, &reports);
    accepted(&lab, &given, &["that was given"]);
    // The same without the program: every bit of both envelopes.
    let (attested, key) = (proved.attested(), public(&lab.path(""), "a"));
    assert!(check(&attested, &proved.envelopes, &[key]).unwrap().is_some());
    for (file, good) in &proved.envelopes {
        for at in (0..good.len()).step_by(7) {
            let mut envelopes = proved.envelopes.clone();
            envelopes.get_mut(file).unwrap()[at] ^= 1 << (at % 8);
            assert!(check(&attested, &envelopes, &[key]).is_err(), "{file}, byte {at}");
        }
    }
}

/// Who kept a checkpoint sees that lines went away or became others, even where everything beside it was written anew.
#[test]
fn a_kept_checkpoint_shows_a_rewritten_ledger() {
    let lab = lab();
    let mut folders = Vec::new();
    for number in 1..=3 {
        folders.push(attest(&lab, "a.key"));
        fs::copy(lab.path("reports/checkpoint"), lab.path(&format!("kept{number}"))).unwrap();
    }
    let good = |folder: &str, kept: &str, said: &str| {
        accepted(&lab, &[folder, "--attest-pub", "a.pub", "--checkpoint", kept], &[said]);
    };
    let bad = |folder: &str, kept: &str, said: &str| {
        refused(&lab, &[folder, "--attest-pub", "a.pub", "--checkpoint", kept], said);
    };
    good(
        &folders[2],
        "kept1",
        "kept1: the ledger holds the 1 lines that it was made over, this audit came later, and has 3",
    );
    good(&folders[1], "kept3", "kept3: the ledger holds the 3 lines that it was made over, this audit's among them");
    // An audit that nobody attests goes on in the ledger; the checkpoint is over what came before.
    let (_, plain) = lab.audit();
    good(&folders[2], "kept3", "checkpoint: the ledger holds the 3 lines");
    accepted(&lab, &[plain.to_str().unwrap()], &["checkpoint: the ledger holds the 3 lines", "this audit came later"]);
    refused(&lab, &[plain.to_str().unwrap(), "--attest-pub", "a.pub"], "the audit is not attested");

    // The last two audits taken away, with the checkpoint of that time put back: all that lies there fits.
    let ledger = fs::read_to_string(lab.path("reports/ledger.jsonl")).unwrap();
    let lines = |count: usize| ledger.split_inclusive('\n').take(count).collect::<String>();
    fs::write(lab.path("reports/ledger.jsonl"), lines(2)).unwrap();
    refused(&lab, &[&folders[0]], "lines are gone: it was signed over 3 lines, and the ledger has 2");
    fs::copy(lab.path("kept2"), lab.path("reports/checkpoint")).unwrap();
    accepted(&lab, &[&folders[0], "--attest-pub", "a.pub"], &["the 2 lines"]);
    bad(&folders[0], "kept3", "kept3: lines are gone: it was signed over 3 lines, and the ledger has 2");
    good(&folders[0], "kept2", "this audit's among them");
    // An older checkpoint alone put back.
    fs::write(lab.path("reports/ledger.jsonl"), lines(3)).unwrap();
    refused(&lab, &[&folders[2]], "it is over 2 lines, and this audit is line 3");
    fs::copy(lab.path("kept3"), lab.path("reports/checkpoint")).unwrap();

    // A line in the middle rewritten, everything after it chained anew.
    fs::write(lab.path(&format!("{}/result.json", folders[1])), "{}").unwrap();
    relink(&lab.path("reports"));
    refused(&lab, &[&folders[0]], "the ledger was rewritten: the root over its first 3 lines");
    fs::remove_file(lab.path("reports/checkpoint")).unwrap();
    refused(&lab, &[&folders[0]], "checkpoint: it is missing, and every attested audit leaves one");
    bad(&folders[0], "kept3", "checkpoint: it is missing");
    // With a checkpoint that the forger signs it is all the same.
    let rewritten = fs::read(lab.path("reports/ledger.jsonl")).unwrap();
    assert!(holds(&fs::read(lab.path("kept1")).unwrap(), &rewritten, &[public(&lab.path(""), "a")]).is_ok());
    fs::copy(lab.path("kept1"), lab.path("reports/checkpoint")).unwrap();
    bad(&folders[0], "kept3", "kept3: the ledger was rewritten: the root over its first 3 lines");

    // What is no checkpoint of this ledger by this key.
    fs::write(lab.path("reports/ledger.jsonl"), lines(3)).unwrap();
    fs::copy(lab.path("kept3"), lab.path("reports/checkpoint")).unwrap();
    let other = self::lab();
    attest(&other, "a.key");
    fs::copy(other.path("reports/checkpoint"), lab.path("other")).unwrap();
    fs::copy(other.path("a.pub"), lab.path("other.pub")).unwrap();
    bad(&folders[0], "other", "other: none of the keys that count here signed it");
    refused(
        &lab,
        &[&folders[0], "--attest-pub", "a.pub", "--attest-pub", "other.pub", "--checkpoint", "other"],
        "other: it is of another ledger",
    );
    bad(&folders[0], "cutgate.toml", "cutgate.toml: it is no signed note");
    let note = fs::read_to_string(lab.path("kept3")).unwrap();
    for (name, text) in [
        ("size", note.replacen("\n3\n", "\n2\n", 1)),
        ("unsigned", note.split_once("\n\n").unwrap().0.to_owned() + "\n"),
        ("long", format!("{note}{}", "x".repeat(70_000))),
    ] {
        fs::write(lab.path(name), text).unwrap();
        let output = verify(&lab, &[&folders[0], "--attest-pub", "a.pub", "--checkpoint", name]);
        let expected = if name == "long" { 2 } else { 6 };
        assert_eq!(output.status.code(), Some(expected), "{name}: {}", text_of(&output));
    }
    // A witness's signature below ours says nothing, and takes nothing away.
    let witness = "— witness.example/w AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    fs::write(lab.path("cosigned"), format!("{note}{witness}")).unwrap();
    good(&folders[0], "cosigned", "cosigned: the ledger holds the 3 lines");
    // Each byte of the one that lies there.
    let good = fs::read(lab.path("reports/checkpoint")).unwrap();
    for at in (0..good.len()).step_by(29) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(lab.path("reports/checkpoint"), bytes).unwrap();
        refused(&lab, &[&folders[0], "--attest-pub", "a.pub"], "checkpoint");
    }
    fs::write(lab.path("reports/checkpoint"), &good).unwrap();
    let output = verify(&lab, &[&folders[0], "--checkpoint", "kept1"]);
    assert_eq!(output.status.code(), Some(2), "a checkpoint is worth nothing without the key: {}", text_of(&output));
}

fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// A wrong key is found before anything is read or published, and a right one is published nowhere.
#[test]
fn keys_are_checked_first_and_stay_where_they_are() {
    let lab = lab();
    let script = "openssl genpkey -algorithm x25519 -out other.key && \
                  openssl pkey -in a.key -aes256 -passout pass:secret -out locked.key && cat a.key b.key > two.key && \
                  head -c 60 a.key > cut.key && mkfifo fifo.key && openssl genrsa -out rsa.key 2048 2> /dev/null";
    let made = Command::new("sh").args(["-c", script]).current_dir(lab.path("")).status().unwrap();
    assert!(made.success());
    for (key, expected) in [
        ("a.pub", "a.pub: it holds no PRIVATE KEY; make one with openssl genpkey -algorithm ed25519"),
        ("other.key", "it is no Ed25519 key"),
        ("rsa.key", "it is no Ed25519 key"),
        ("locked.key", "it needs a passphrase, and nobody is asked for one"),
        ("two.key", "more than one PEM block"),
        ("cut.key", "it is damaged"),
        ("fifo.key", "it is not a regular file"),
        ("nowhere", "cannot read nowhere"),
        ("cutgate.toml", "it holds no PRIVATE KEY"),
    ] {
        let output = lab.cutgate(&["audit", "--attest-key", key]);
        assert_eq!(output.status.code(), Some(2), "{key}: {}", text_of(&output));
        assert!(text(&output.stderr).contains(expected), "{key}: {}", text(&output.stderr));
        assert!(!lab.path("reports").exists(), "{key}");
    }
    let output = lab.cutgate(&["audit", "--only", "GAP-1", "--attest-key", "a.key"]);
    assert_eq!(output.status.code(), Some(2), "{}", text_of(&output));
    let folder = attest(&lab, "a.key");
    for (key, code) in [("a.key", 2), ("other.key", 2), ("nowhere", 2)] {
        let output = verify(&lab, &[&folder, "--attest-pub", key]);
        assert_eq!(output.status.code(), Some(code), "{key}: {}", text_of(&output));
    }
    let pem = fs::read_to_string(lab.path("a.key")).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let published: Vec<_> = walkdir::WalkDir::new(lab.path("reports"))
        .into_iter()
        .filter_map(|entry| fs::read(entry.unwrap().path()).ok())
        .collect();
    assert!(published.len() > 14);
    assert!(published.iter().all(|bytes| !String::from_utf8_lossy(bytes).contains(secret)));
    // A document of the host that holds the key stops the publication.
    let quoted = format!("---\ntitle: {secret}\nkind: approval\ngate: SG_1_cut_authz\n---\n\napproval\n");
    fs::write(lab.path("kb/approvals/leak.md"), quoted).unwrap();
    let output = lab.cutgate(&["audit", "--attest-key", "a.key"]);
    assert_eq!(output.status.code(), Some(2), "{}", text_of(&output));
    assert!(text(&output.stderr).contains("a secret value that the audit met"), "{}", text(&output.stderr));
    fs::remove_file(lab.path("kb/approvals/leak.md")).unwrap();
    assert!(Command::new("chmod").args(["644"]).arg(lab.path("a.key")).status().unwrap().success());
    let output = lab.cutgate(&["audit", "--attest-key", "a.key"]);
    assert!(text(&output.stderr).contains("chmod 600 a.key"), "{}", text(&output.stderr));
}

/// Who is pinned in the package must attest every audit of it, and nobody else can.
#[test]
fn a_package_may_pin_who_attests() {
    let lab = lab();
    let unattested = lab.audit().1;
    let pin = |keys: &str| {
        let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
        let lines = package.lines().filter(|line| !line.starts_with("attestor = "));
        let pinned = lines.map(|line| match line {
            "[trust]" => format!("[trust]\nattestor = [{keys}]\n"),
            line => format!("{line}\n"),
        });
        fs::write(lab.path("cutgate.toml"), pinned.collect::<String>()).unwrap();
    };
    let quoted = |name: &str| format!("\"{}\"", public(&lab.path(""), name).hex());
    for (keys, expected) in [
        ("\"0123abc\"".to_owned(), "is not 64 lower-case hex digits of an Ed25519 public key"),
        (quoted("a").to_uppercase(), "is not 64 lower-case hex digits of an Ed25519 public key"),
        (format!("{0}, {0}", quoted("a")), "this key is pinned twice"),
    ] {
        pin(&keys);
        let output = lab.cutgate(&["gates", "check"]);
        assert_eq!(output.status.code(), Some(2), "{keys}");
        assert!(text(&output.stderr).contains(expected), "{keys}: {}", text(&output.stderr));
    }
    pin(&quoted("a"));
    for (args, expected) in [
        (&["audit"][..], "name the key with --attest-key"),
        (&["audit", "--attest-key", "b.key"], "b.key: the package pins other keys"),
    ] {
        let output = lab.cutgate(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text_of(&output));
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
    }
    let folder = attest(&lab, "a.key");
    accepted(&lab, &[&folder], &["that the package pins, and say what the replay gives"]);
    refused(&lab, &[unattested.to_str().unwrap()], "the audit is not attested");
    fs::copy(lab.path("reports/checkpoint"), lab.path("kept")).unwrap();
    accepted(&lab, &[&folder, "--checkpoint", "kept"], &["kept: the ledger holds the 2 lines"]);
    pin(&quoted("b"));
    refused(&lab, &[&folder], "which is none of those that count here");
    accepted(&lab, &[&folder, "--attest-pub", "a.pub"], &["that was given"]);
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
        accepted(&lab, &args, &["attested: both envelopes are signed by the key", "is signed by", "the 1 lines"]);
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

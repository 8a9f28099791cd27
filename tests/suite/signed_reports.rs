//! Signed audits end to end: published by the real program with keys of the real gpg, verified by it and by others, and
//! with everything about them changed in turn.

mod archive;
mod flips;
mod together;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use chrono::{Duration, Utc};
use cutgate::report::{Authorship, Keys, Published, Replayed, read_ledger, replay, verify};
use cutgate::trust::{Fingerprint, from_bytes};
use sequoia_openpgp::Cert;
use sequoia_openpgp::packet::key::SecretKeyMaterial;
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::serialize::MarshalInto as _;

use crate::audit::Lab;
use crate::signing::peers::{NAMES, verify as peer};

/// A laboratory with three audits: signed by gpg, by a protected key file with its passphrase behind a descriptor, and by
/// that file with the passphrase in a credential.
pub struct Signed {
    pub lab: Lab,
    pub auditor: Fingerprint,
    /// The folders, in order.
    pub audits: Vec<String>,
}

const PASSPHRASE: &str = "correct horse battery";

pub static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let lab = Lab::new();
    let auditor = pinned(&lab, "auditor");
    run(&lab, &format!("cutgate audit --sign {auditor}"), 1);
    protect(&lab, &auditor);
    run(&lab, "cutgate audit --sign-key auditor.key --passphrase-fd 3 3< passphrase", 1);
    run(&lab, "mkdir credentials; cp passphrase credentials/cutgate.passphrase", 0);
    run(&lab, "CREDENTIALS_DIRECTORY=$PWD/credentials cutgate audit --sign-key auditor.key", 1);
    run(&lab, "gpgconf --homedir keys/home --kill all", 0);
    let audits = read_ledger(&lab.path("reports")).unwrap().into_iter().map(|(line, _)| line.folder).collect();
    Signed { lab, auditor: auditor.parse().unwrap(), audits }
});

/// The fingerprint that the package pins for a role.
fn pinned(lab: &Lab, role: &str) -> String {
    let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    let line = package.lines().find(|line| line.starts_with(&format!("{role} = "))).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

/// Exports the auditor's key with a passphrase, as `auditor.key`.
fn protect(lab: &Lab, auditor: &str) {
    fs::write(lab.path("passphrase"), PASSPHRASE).unwrap();
    run(lab, "cp -a keys/home protected", 0);
    let gpg = "gpg --homedir protected --batch --pinentry-mode loopback --passphrase-fd 0";
    run(lab, &format!("{gpg} --change-passphrase {auditor} < passphrase"), 0);
    run(lab, &format!("{gpg} --armor --export-secret-keys {auditor} < passphrase > auditor.key"), 0);
    run(lab, "gpgconf --homedir protected --kill all", 0);
}

/// Types a line in the package's folder; the program is `cutgate` there, and gpg's home the auditor's.
fn typed(lab: &Lab, line: &str) -> Output {
    let bin = assert_cmd::cargo::cargo_bin("cutgate");
    let mut command = Command::new("bash");
    command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.parent().unwrap().display()));
    command.env("GNUPGHOME", lab.path("keys/home")).current_dir(lab.path("")).args(["-c", line]);
    command.output().unwrap()
}

fn run(lab: &Lab, line: &str, code: i32) -> Output {
    let output = typed(lab, line);
    assert_eq!(output.status.code(), Some(code), "{line}: {}", text(&output.stderr));
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Signed {
    pub fn folder(&self, index: usize) -> PathBuf {
        self.lab.path("reports").join(&self.audits[index])
    }

    pub fn published(&self, index: usize) -> Published {
        Published::read(&self.folder(index)).unwrap()
    }

    pub fn keys(&self) -> Keys {
        Keys::Given(from_bytes(&fs::read(self.lab.path("keys/auditor.asc")).unwrap()).unwrap())
    }

    /// A copy of the reports to change.
    pub fn copy(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(self.lab.path("reports")).arg(dir.path()).status();
        assert!(copied.unwrap().success());
        dir
    }
}

/// The real program's answer about a folder, with the auditor's certificate.
fn asked(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
    let elsewhere = tempfile::tempdir().unwrap();
    let output =
        command.env_clear().current_dir(elsewhere.path()).arg("verify").arg(folder).args(more).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_file_is_signed_and_every_peer_accepts() {
    let signed = &*SIGNED;
    assert_eq!(signed.audits.len(), 3);
    let certificate = signed.lab.path("keys/auditor.asc");
    for index in 0..3 {
        let published = signed.published(index);
        let (signatures, files): (Vec<_>, Vec<_>) = published.files.keys().partition(|name| name.ends_with(".asc"));
        assert_eq!((signatures.len(), files.len()), (12, 12));
        for name in ["09-final.md", "evidence.json", "result.json", "package.lock.json"] {
            let file = signed.folder(index).join(name);
            let signature = signed.folder(index).join(format!("{name}.asc"));
            for program in NAMES {
                let said = peer(program, &certificate, &signature, &file);
                assert!(said.status.success(), "{program} {name}: {}", text(&said.stderr));
            }
        }
    }
}

#[test]
fn verify_says_what_is_proved_and_by_which_keys() {
    let signed = &*SIGNED;
    let key = signed.lab.path("keys/auditor.asc");
    let key = key.to_str().unwrap();
    let folder = signed.folder(1);
    let print = signed.auditor.as_str();
    let by = format!("each of 12 files is signed by {print}, dated ");
    // With the certificate of the auditor, of a folder and of one report.
    for path in [folder.clone(), folder.join("09-final.md")] {
        let (code, said, errors) = asked(&path, &["--key", key]);
        assert_eq!(code, 0, "{errors}");
        for part in [&by, "by this machine's clock", "that key is one of those given with --key"] {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
        assert!(
            said.contains("not proved: when it was signed") && said.contains("no newer audit was taken away"),
            "{said}"
        );
    }
    // With nothing: the certificate comes with the audit.
    let (code, said, _) = asked(&folder, &[]);
    assert_eq!(code, 0);
    assert!(
        said.contains(&by) && said.contains("not proved: who made it (the certificate comes with the audit"),
        "{said}"
    );
    // With a package that pins the auditor: from the package's folder, and from anywhere with -p.
    let package = signed.lab.path("cutgate.toml");
    let (code, said, _) = asked(&folder, &["-p", package.to_str().unwrap()]);
    assert!(code == 0 && said.contains("cutgate.toml pins that key as auditor"), "{said}");
    let here = run(&signed.lab, &format!("cutgate verify reports/{}", signed.audits[1]), 0);
    assert!(text(&here.stdout).contains("cutgate.toml pins that key as auditor"));
    // All of them.
    let (code, said, errors) = asked(&signed.lab.path("reports"), &["--key", key]);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(said.matches(&format!("signed by {print}\n")).count(), 3, "{said}");
    assert!(said.contains("the signed result names the line of the ledger before it"), "{said}");
    // Somebody else's certificate.
    let other = signed.lab.path("keys/operator.asc");
    let (code, said, errors) = asked(&folder, &["--key", other.to_str().unwrap()]);
    assert_eq!((code, said.as_str()), (6, ""));
    assert!(errors.contains(&format!("it is signed by {print}, and the given keys are ")), "{errors}");
    // What is no certificate, and a package that is not there.
    let file = folder.join("09-final.md");
    assert_eq!(asked(&folder, &["--key", file.to_str().unwrap()]).0, 2);
    assert_eq!(asked(&folder, &["-p", "nowhere.toml"]).0, 2);
}

/// A comparison says of each side whether it is proved who made it, with the keys that `verify` takes.
#[test]
fn diff_says_whether_both_sides_are_proved() {
    let signed = &*SIGNED;
    let print = signed.auditor.as_str();
    let compared = |from: &str, more: &str, code: i32| {
        let folders = [signed.folder(0), signed.folder(2)].map(|folder| folder.display().to_string()).join(" ");
        run(&signed.lab, &format!("cd ./{from} && cutgate diff {folders} {more}"), code)
    };
    let both = |output: &Output, said: &str| text(&output.stdout).matches(said).count() == 2;
    let proved = format!("\n     proved: signed by {print}\n");
    assert!(both(&compared("", "", 0), &proved), "the package pins the auditor");
    assert!(both(&compared("kb", "--key ../keys/auditor.asc", 0), &proved));
    let claimed = format!("\n     who made it is not proved: signed by {print}, for which nobody vouches here\n");
    assert!(both(&compared("kb", "", 0), &claimed));
    let markdown = compared("", "--format markdown", 0);
    assert!(both(&markdown, &format!(" · proved: signed by {print}\n")), "{}", text(&markdown.stdout));
    for (from, word) in [("", "proved"), ("kb", "claimed")] {
        let form: serde_json::Value = serde_json::from_slice(&compared(from, "--format json", 0).stdout).unwrap();
        for side in ["old", "new"] {
            let side = &form["audits"][side];
            assert_eq!((&side["authorship"], &side["signers"]), (&word.into(), &serde_json::json!([print])));
        }
    }
    // By somebody else's certificate, and at an instant before the key was made, nothing is compared.
    for more in ["--key keys/operator.asc", "--at 2020-01-01T00:00:00Z"] {
        let output = compared("", more, 6);
        assert_eq!(text(&output.stdout), "", "{more}");
        assert!(text(&output.stderr).contains("nothing was compared"), "{more}: {}", text(&output.stderr));
    }
    compared("", "--key cutgate.toml", 2);
}

fn proved(at: chrono::DateTime<Utc>) -> Result<Replayed, String> {
    verify(&SIGNED.published(0), &SIGNED.keys(), at).map_err(|error| error.to_string())
}

/// The key is judged when it signed, by the signer's clock, and now, by the reader's; both are said.
#[test]
fn keys_are_judged_when_they_signed_and_now() {
    let signed = &*SIGNED;
    let now = Utc::now();
    assert!(matches!(proved(now).unwrap().authorship, Authorship::Proved(_)));
    // Before it was signed.
    assert!(proved(now - Duration::days(1)).unwrap_err().contains("dated in the future"));
    // The laboratory's keys last for two years.
    let said = proved(now + Duration::days(800)).unwrap_err();
    assert!(said.contains("the key is not good now: expired on") && said.contains("--at"), "{said}");
    let at = (now + Duration::days(1)).to_rfc3339();
    let key = signed.lab.path("keys/auditor.asc");
    let (code, said, errors) = asked(&signed.folder(0), &["--key", key.to_str().unwrap(), "--at", &at]);
    assert!(code == 0 && said.contains("by the instant that --at names"), "{errors}{said}");
    // Revoked since: whatever the reason, nothing that it signed counts.
    let lab = Lab::new();
    let print = signed.auditor.as_str();
    run(&lab, "sed -i 's/^:-----BEGIN/-----BEGIN/' keys/home/openpgp-revocs.d/*.rev", 0);
    run(&lab, &format!("gpg --batch --import keys/home/openpgp-revocs.d/{print}.rev"), 0);
    let certificate = run(&lab, &format!("gpg --export {print}"), 0).stdout;
    let keys = Keys::Given(from_bytes(&certificate).unwrap());
    let said = replay(&signed.folder(0), &keys, now).unwrap_err().to_string();
    assert!(
        said.starts_with("01-precheck-and-deployed-runtime.md.asc: it does not hold") && said.contains("revoked"),
        "{said}"
    );
    // The audit's own copy of the certificate cannot know.
    assert!(replay(&signed.folder(0), &Keys::None, now).is_ok());
    // A package's keyring knows, although the audit's copy does not.
    let pinned = Keys::Pinned {
        package: "p".to_owned(),
        pinned: vec![signed.auditor.clone()],
        certs: from_bytes(&certificate).unwrap(),
    };
    assert!(replay(&signed.folder(0), &pinned, now).is_err());
}

/// An audit that cannot be signed is not published, and says why before it reads the host where it can.
#[test]
fn what_cannot_be_signed_is_not_published() {
    let lab = Lab::new();
    let (auditor, operator) = (pinned(&lab, "auditor"), pinned(&lab, "operator"));
    protect(&lab, &auditor);
    fs::write(lab.path("wrong"), "something else").unwrap();
    fs::create_dir(lab.path("bin")).unwrap();
    let refuses = "#!/bin/sh\ncase \"$*\" in *--detach-sign*) echo 'gpg: signing failed: No pinentry' >&2; exit 2;; esac\nexec /usr/bin/gpg \"$@\"\n";
    fs::write(lab.path("bin/gpg"), refuses).unwrap();
    run(&lab, "chmod 755 bin/gpg", 0);
    let table = [
        (format!("cutgate audit --sign {operator}"), "lets"),
        ("cutgate audit --sign 0123456789ABCDEF0123456789ABCDEF01234567".to_owned(), "has no certificate"),
        ("cutgate audit --sign 0123456789ABCDEF".to_owned(), "is a key id"),
        (format!("cutgate audit --sign {auditor} --sign-key auditor.key"), "cannot be used with"),
        ("cutgate audit --passphrase-fd 3 3< passphrase".to_owned(), "--sign-key"),
        ("cutgate audit --sign-key auditor.key".to_owned(), "--passphrase-fd N, or as the systemd credential"),
        ("cutgate audit --sign-key auditor.key --passphrase-fd 3 3< wrong".to_owned(), "does not open"),
        ("cutgate audit --sign-key auditor.key --passphrase-fd 7".to_owned(), "file descriptor 7"),
        ("cutgate audit --sign-key keys/auditor.asc".to_owned(), "a public key only"),
        ("cutgate audit --sign-key nowhere.key".to_owned(), "nowhere.key"),
        (format!("cutgate audit --only GAP-1 --sign {auditor}"), "publishes nothing"),
        (format!("PATH=/nowhere $(which cutgate) audit --sign {auditor}"), "apt-get install gnupg"),
        (format!("PATH=$PWD/bin:$PATH cutgate audit --sign {auditor}"), "No pinentry"),
    ];
    for (line, expected) in table {
        let output = run(&lab, &line, 2);
        assert!(text(&output.stderr).contains(expected), "{line}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{line}");
        let left = fs::read_dir(lab.path("reports")).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        assert!(left.filter(|name| name != ".lock").count() == 0, "{line}: nothing was published");
        assert!(!text(&output.stderr).contains(PASSPHRASE) && !text(&output.stderr).contains("something else"));
    }
}

/// The passphrase is a secret like any other: where a document of the host quotes it, nothing is published.
#[test]
fn a_passphrase_is_published_nowhere() {
    for entry in walkdir::WalkDir::new(SIGNED.lab.path("reports")) {
        let path = entry.unwrap().into_path();
        assert!(!path.is_file() || !text(&fs::read(&path).unwrap()).contains(PASSPHRASE), "{}", path.display());
    }
    let lab = Lab::new();
    protect(&lab, &pinned(&lab, "auditor"));
    let document = format!("---\ntitle: {PASSPHRASE}\nkind: approval\ngate: SG_1_cut_authz\n---\n");
    fs::write(lab.path("kb/approvals/quoted.md"), document).unwrap();
    let output = run(&lab, "cutgate audit --sign-key auditor.key --passphrase-fd 3 3< passphrase", 2);
    assert!(text(&output.stderr).contains("a secret value that the audit met occurs in"), "{}", text(&output.stderr));
}

/// So is the key itself: in a line of its file, in hex, in part; what everybody may have of it is none.
#[test]
fn a_signing_key_is_published_nowhere() {
    let lab = Lab::new();
    let auditor = pinned(&lab, "auditor");
    run(&lab, &format!("gpg --batch --armor --export-secret-keys {auditor} > auditor.key"), 0);
    run(&lab, &format!("gpg --batch --armor --export {auditor} > public"), 0);
    let body = |name: &str| -> Vec<String> {
        let whole = fs::read_to_string(lab.path(name)).unwrap();
        whole.lines().filter(|line| line.len() == 64).map(str::to_owned).collect()
    };
    let cert = Cert::from_file(lab.path("auditor.key")).unwrap();
    let SecretKeyMaterial::Unencrypted(secret) = cert.primary_key().key().optional_secret().unwrap() else {
        panic!("the laboratory's keys are not protected")
    };
    let hex: String = secret.map(|it| it.to_vec().unwrap()).iter().skip(2).map(|byte| format!("{byte:02x}")).collect();
    let public = body("public");
    let own: Vec<String> = body("auditor.key").into_iter().filter(|line| !public.contains(line)).collect();
    let quote = |quoted: &str| {
        let document = format!("---\ntitle: {quoted}\nkind: approval\ngate: SG_1_cut_authz\n---\n");
        fs::write(lab.path("kb/approvals/quoted.md"), document).unwrap();
        typed(&lab, "cutgate audit --sign-key auditor.key")
    };
    for quoted in [hex.as_str(), &hex[..32], &hex[11..48]] {
        let output = quote(quoted);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("a secret value that the audit met"), "{}", text(&output.stderr));
    }
    let refused = own.iter().filter(|line| quote(line).status.code() == Some(2)).count();
    assert!(refused > 0, "a line of the file with half of the secret in it: {own:?}");
    for line in public {
        assert_eq!(quote(&line).status.code(), Some(1), "{line}");
    }
}

/// Rules and templates travel in the lock with their content, and so do the certificates.
#[test]
fn the_lock_holds_the_rules_themselves() {
    let published = SIGNED.published(0);
    let lock: serde_json::Value = serde_json::from_slice(&published.files["package.lock.json"]).unwrap();
    let package = fs::read_to_string(SIGNED.lab.path("cutgate.toml")).unwrap();
    assert_eq!(lock["files"]["cutgate.toml"]["text"], package.as_str());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stock = |folder: &str, end: &str| -> BTreeMap<String, String> {
        let files = walkdir::WalkDir::new(root.join(folder)).into_iter().map(|entry| entry.unwrap().into_path());
        let files = files.filter(|path| path.extension().is_some_and(|it| it == end));
        files
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
            .collect()
    };
    for (part, stock) in [("files", stock("gates", "toml")), ("templates", stock("templates", "md"))] {
        assert!(stock.len() >= 9);
        let locked: Vec<_> = lock[part].as_object().unwrap().values().map(|it| it["text"].as_str().unwrap()).collect();
        assert!(stock.values().all(|text| locked.contains(&text.as_str())), "{part}");
    }
    assert_eq!(lock["signers"].as_object().unwrap().keys().collect::<Vec<_>>(), [SIGNED.auditor.as_str()]);
}

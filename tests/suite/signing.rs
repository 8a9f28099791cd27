//! Signatures that are made here, by a key of the real gpg and by key files that it exported; and what others say of them.

pub mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::Utc;
use cutgate::probes::Stop;
use cutgate::signing::{GpgKey, Signer, SigningError, passphrase_from_credential, passphrase_from_fd, read_key};
use cutgate::trust::{Fingerprint, Passphrase, SecretKey, SignError, armored, from_bytes, verify_detached};

use crate::keyring::Home;
use peers::{DATA, accepts, every_peer};

/// A `gpg` of that name that looks into a home of a test's: the program has no other way to say where.
pub fn gpg_at(home: &Path, dir: &Path) -> PathBuf {
    let script = dir.join("gpg-here");
    fs::write(&script, format!("#!/bin/sh\nexec gpg --homedir '{}' \"$@\"\n", home.display())).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).unwrap();
    script
}

/// The secret key as gpg exports it; protected where there is a passphrase.
pub fn secret_key(home: &Home, print: &str, passphrase: &str) -> Vec<u8> {
    if !passphrase.is_empty() {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase-fd", "0", "--homedir"]);
        command.arg(home.path()).args(["--change-passphrase", print]);
        // With one passphrase for both questions gpg takes the key for unprotected, and protects it.
        let output = assert_cmd::Command::from_std(command).write_stdin(format!("{passphrase}\n")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let arguments = ["--batch", "--passphrase", passphrase, "--armor", "--export-secret-keys", print];
    home.gpg(&arguments, b"").stdout
}

fn gpg_key(home: &Home, print: &str) -> Result<GpgKey, SigningError> {
    let program = gpg_at(&home.path(), home.dir.path());
    GpgKey::find(&program, &print.parse().unwrap(), Utc::now(), &Stop::default())
}

fn signs(signer: &Signer) -> Vec<u8> {
    let made = signer.sign(DATA, Utc::now(), &Stop::default()).unwrap();
    assert!(made.starts_with(b"-----BEGIN PGP SIGNATURE-----\n"), "{}", String::from_utf8_lossy(&made));
    made
}

/// The kinds of keys that gpg makes, and a primary key that only certifies with signing subkeys.
fn keys(home: &Home) -> Vec<(&'static str, String)> {
    let made = |name: &'static str, algorithm: &str| (name, home.make(name, algorithm, "cert,sign", "never", None));
    let mut keys = vec![made("ed25519", "ed25519"), made("rsa", "rsa3072"), made("nist", "nistp256")];
    let sub = home.make("sub", "ed25519", "cert", "never", None);
    home.gpg(&["--batch", "--quick-add-key", &sub, "ed25519", "sign", "never"], b"");
    keys.push(("sub", sub));
    keys
}

#[test]
fn gpg_and_key_files_sign_so_that_every_peer_accepts() {
    let home = Home::new();
    for (name, print) in keys(&home) {
        let by_gpg = Signer::Gpg(gpg_key(&home, &print).unwrap());
        let file = home.dir.path().join(format!("{name}.asc"));
        fs::write(&file, secret_key(&home, &print, "")).unwrap();
        let by_file = Signer::File(read_key(&file, None, Utc::now()).unwrap());
        for signer in [by_gpg, by_file] {
            assert_eq!(signer.fingerprint().as_str(), print);
            let certificate = armored(signer.cert());
            assert!(!signer.cert().is_tsk() && certificate.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"));
            let read = from_bytes(certificate.as_bytes()).unwrap();
            assert_eq!(Fingerprint::of(&read[0].fingerprint()).as_str(), print, "our own reader takes it");
            every_peer(certificate.as_bytes(), &signs(&signer));
        }
    }
}

#[test]
fn what_peers_accept_is_what_was_signed() {
    let home = Home::new();
    let print = home.make("ed25519", "ed25519", "cert,sign", "never", None);
    let signer = Signer::Gpg(gpg_key(&home, &print).unwrap());
    let signature = signs(&signer);
    let certificate = armored(signer.cert());
    for peer in peers::NAMES {
        assert!(!accepts(peer, certificate.as_bytes(), &signature, b"other bytes"), "{peer}");
    }
}

#[test]
fn a_protected_key_file_opens_with_its_passphrase_only() {
    let home = Home::new();
    let print = home.make("protected", "ed25519", "cert,sign", "never", None);
    let bytes = secret_key(&home, &print, "correct horse");
    let open =
        |passphrase: Option<&str>| SecretKey::open(&bytes, passphrase.map(Passphrase::from).as_ref(), Utc::now());
    let fingerprint: Fingerprint = print.parse().unwrap();
    assert_eq!(open(None).unwrap_err(), SignError::NoPassphrase(fingerprint.clone()));
    assert_eq!(open(Some("correct hors")).unwrap_err(), SignError::WrongPassphrase(fingerprint.clone()));
    let key = open(Some("correct horse")).unwrap();
    assert_eq!(format!("{key:?}"), format!("SecretKey({print})"), "nothing secret is shown");
    let signature = key.sign(DATA, Utc::now()).unwrap();
    let verdict = verify_detached(&signature, DATA, &home.certs(), &[fingerprint], Utc::now());
    assert_eq!((verdict.counted.len(), verdict.refused.len()), (1, 0), "{verdict:?}");
}

#[test]
fn what_is_no_key_that_may_sign_is_refused() {
    let home = Home::new();
    let good = home.make("good", "ed25519", "cert,sign", "never", None);
    let other = home.make("other", "ed25519", "cert,sign", "never", None);
    let no_sign = home.make("no-sign", "ed25519", "cert", "never", None);
    let expired = home.make("expired", "ed25519", "cert,sign", "1d", Some("20200101T000000"));
    let revoked = home.make("revoked", "ed25519", "cert,sign", "never", None);
    let secret = |print: &str| secret_key(&home, print, "");
    let revoked_secret = {
        home.revoke(&revoked, "1");
        secret(&revoked)
    };
    let public = home.gpg(&["--batch", "--export", &good], b"").stdout;
    let two = [secret(&good), secret(&other)].concat();
    let mut broken = secret(&good);
    broken.truncate(broken.len() / 3);
    let files: [(&str, Vec<u8>, &str); 8] = [
        ("nothing", Vec::new(), "holds 0 keys"),
        ("text", b"not a key".to_vec(), "not an OpenPGP secret key"),
        ("public", public, "a public key only"),
        ("two", two, "not an OpenPGP secret key"),
        ("broken", broken, "not an OpenPGP secret key"),
        ("no-sign", secret(&no_sign), "may not sign"),
        ("expired", secret(&expired), "is expired on 2020-01-02"),
        ("revoked", revoked_secret, "is revoked (hard)"),
    ];
    // Not before the keys are made, however long that takes.
    let now = Utc::now();
    for (name, bytes, expected) in files {
        let path = home.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let said = read_key(&path, None, now).unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains(name), "{name}: {said}");
    }
    for (print, expected) in [
        (no_sign.as_str(), "may not sign"),
        (&expired, "is expired on 2020-01-02"),
        (&revoked, "is revoked (hard)"),
        ("0123456789ABCDEF0123456789ABCDEF01234567", "has no certificate"),
    ] {
        let said = gpg_key(&home, print).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
    home.gpg(&["--batch", "--yes", "--delete-secret-keys", &other], b"");
    let said = gpg_key(&home, &other).unwrap_err().to_string();
    assert!(said.contains("has no secret key"), "{said}");
}

/// gpg takes a subkey's fingerprint too; a pin names the certificate, so the subkey is refused with the name to use.
#[test]
fn a_subkey_is_not_a_signer() {
    let home = Home::new();
    let (_, sub) = keys(&home).pop().unwrap();
    let listed = home.gpg(&["--batch", "--with-colons", "--list-keys", &sub], b"").stdout;
    let text = String::from_utf8(listed).unwrap();
    let subkey = text.lines().filter(|line| line.starts_with("fpr:")).nth(1).unwrap().split(':').nth(9).unwrap();
    let said = gpg_key(&home, subkey).unwrap_err().to_string();
    assert!(said.contains(&format!("it is a subkey of {sub}: name that")), "{said}");
}

#[test]
fn gpg_that_fails_signs_nothing_and_says_why() {
    let home = Home::new();
    let print = home.make("good", "ed25519", "cert,sign", "never", None);
    let key = gpg_key(&home, &print).unwrap();
    let script = home.dir.path().join("gpg-here");
    let real = fs::read_to_string(&script).unwrap();
    // It says that all is well and gives a signature over other bytes.
    let lie = real.replace("exec gpg", "(cat > /dev/null; printf other) | gpg");
    let table = [
        ("#!/bin/sh\necho 'gpg: no luck' >&2\nexit 2\n".to_owned(), "no luck"),
        ("#!/bin/sh\necho x\nexit 0\n".to_owned(), "did not sign"),
        ("#!/bin/sh\necho '[GNUPG:] SIG_CREATED D x' >&2\necho x\n".to_owned(), "not a detached signature"),
        (lie, "it does not fit these bytes"),
    ];
    for (program, expected) in table {
        fs::write(&script, program).unwrap();
        let said = Signer::Gpg(gpg_key_again(&key, &home)).sign(DATA, Utc::now(), &Stop::default()).unwrap_err();
        assert!(said.to_string().contains(expected), "{said}");
    }
    fs::remove_file(&script).unwrap();
    let said = key.sign(DATA, &Stop::default()).unwrap_err().to_string();
    assert!(said.contains("cannot run"), "{said}");
}

/// The key that was found, with whatever the script does now.
fn gpg_key_again(found: &GpgKey, home: &Home) -> GpgKey {
    let script = home.dir.path().join("gpg-here");
    let now = fs::read_to_string(&script).unwrap();
    let again = gpg_key(home, found.fingerprint().as_str()).unwrap();
    fs::write(&script, now).unwrap();
    again
}

/// A gpg that hangs is ended by a request to stop.
#[test]
fn a_request_to_stop_ends_gpg() {
    let home = Home::new();
    let print = home.make("good", "ed25519", "cert,sign", "never", None);
    let key = gpg_key(&home, &print).unwrap();
    fs::write(home.dir.path().join("gpg-here"), "#!/bin/sh\nexec sleep 60\n").unwrap();
    let stop = Stop::default();
    stop.ask();
    let said = key.sign(DATA, &stop).unwrap_err();
    assert!(matches!(said, SigningError::Interrupted(_)), "{said}");
}

#[test]
fn passphrases_come_from_descriptors_and_credentials() {
    use std::os::fd::AsRawFd as _;
    let dir = tempfile::tempdir().unwrap();
    assert!(passphrase_from_credential(dir.path()).unwrap().is_none(), "none is there");
    let path = dir.path().join("cutgate.passphrase");
    for (content, expected) in [("secret\n", Some("secret")), ("secret", Some("secret")), ("", None), ("\n", None)] {
        fs::write(&path, content).unwrap();
        let file = fs::File::open(&path).unwrap();
        let from_fd = passphrase_from_fd(u32::try_from(file.as_raw_fd()).unwrap());
        let from_credential = passphrase_from_credential(dir.path()).map(|found| found.expect("it is there"));
        for found in [from_fd, from_credential] {
            match expected {
                Some(expected) => assert_eq!(found.unwrap(), Passphrase::from(expected)),
                None => assert!(found.unwrap_err().to_string().contains("there is nothing in it")),
            }
        }
    }
    assert!(passphrase_from_fd(987_654).unwrap_err().to_string().contains("file descriptor 987654"));
}

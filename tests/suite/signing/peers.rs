//! The programs that others verify with.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

pub const DATA: &[u8] = b"# Report\n\nresult: C\r\n \xff\n";

pub const NAMES: [&str; 4] = ["gpg", "gpgv", "sqv", "sq"];

/// Whether a peer accepts a signature over `data` with a certificate.
pub fn accepts(peer: &str, certificate: &[u8], signature: &[u8], data: &[u8]) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("certificate.asc", certificate);
    write("data", data);
    write("data.asc", signature);
    verify(peer, &dir.path().join("certificate.asc"), &dir.path().join("data.asc"), &dir.path().join("data"))
        .status
        .success()
}

pub fn every_peer(certificate: &[u8], signature: &[u8]) {
    for peer in NAMES {
        assert!(accepts(peer, certificate, signature, DATA), "{peer}");
    }
}

fn run(program: &str, home: &Path, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).env("LC_ALL", "C");
    command.args(arguments.iter().map(AsRef::as_ref));
    command.output().unwrap_or_else(|_| panic!("{program} is missing: apt-get install gnupg gpgv sqv sq"))
}

/// What a peer says of files, with nothing at hand but a certificate.
pub fn verify(peer: &str, certificate: &Path, signature: &Path, data: &Path) -> Output {
    let home = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]| run(program, home.path(), arguments);
    match peer {
        "gpg" => {
            let homedir = home.path();
            assert!(run("gpg", &[&"--homedir", &homedir, &"--batch", &"--import", &certificate]).status.success());
            run("gpg", &[&"--homedir", &homedir, &"--batch", &"--verify", &signature, &data])
        }
        "gpgv" => {
            let ring = home.path().join("ring.gpg");
            assert!(run("gpg", &[&"--batch", &"--dearmor", &"-o", &ring, &certificate]).status.success());
            run("gpgv", &[&"--homedir", &home.path(), &"--keyring", &ring, &signature, &data])
        }
        "sqv" => run("sqv", &[&"--keyring", &certificate, &signature, &data]),
        "sq" => {
            let before = run("sq", &[&"verify", &"--signer-cert", &certificate, &"--detached", &signature, &data]);
            // From 1.0 on the same is written like this.
            let now =
                || run("sq", &[&"verify", &"--signer-file", &certificate, &"--signature-file", &signature, &data]);
            if String::from_utf8_lossy(&before.stderr).contains("'--signer-cert'") { now() } else { before }
        }
        other => panic!("{other} is no peer"),
    }
}

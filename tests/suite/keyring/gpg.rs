//! A GnuPG home for one test, filled by the real gpg.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use cutgate::evidence::Fact;
use cutgate::trust;
use serde_json::json;

use crate::harness::{collect, open_dir};

/// A GnuPG home in a temporary package folder, as `gnupg/`. Its agent ends with it.
pub struct Home {
    pub dir: tempfile::TempDir,
}

/// gpg's own choice of algorithm or usage: one key that signs, one that encrypts.
pub const SIGN_AND_ENCRYPT: &str = "default";

impl Home {
    pub fn new() -> Self {
        let home = Self { dir: open_dir() };
        std::fs::create_dir(home.path()).expect("a home");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(home.path(), mode).expect("chmod");
        home
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("gnupg")
    }

    /// Runs gpg here, with `input` on stdin; fails the test when gpg fails.
    pub fn gpg(&self, arguments: &[&str], input: &[u8]) -> Output {
        let output = self.try_gpg(arguments, input);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "gpg {arguments:?}: {said}");
        output
    }

    pub fn try_gpg(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new("gpg");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C");
        command.arg("--homedir").arg(self.path()).args(["--pinentry-mode", "loopback", "--passphrase", ""]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("gpg is missing: apt-get install gnupg");
        child.stdin.take().expect("stdin").write_all(input).expect("gpg reads");
        child.wait_with_output().expect("gpg ends")
    }

    /// Makes a key without a passphrase and returns its fingerprint. `expire` as gpg takes it.
    pub fn make(&self, name: &str, algorithm: &str, usage: &str, expire: &str, clock: Option<&str>) -> String {
        let mut arguments = vec!["--batch", "--status-fd", "1"];
        if let Some(clock) = clock {
            arguments.extend(["--faked-system-time", clock]);
        }
        arguments.extend(["--quick-generate-key", name, algorithm, usage, expire]);
        created(&self.gpg(&arguments, b""))
    }

    /// An ed25519 key with a cv25519 encryption subkey that never expires.
    pub fn make_good(&self, name: &str) -> String {
        let print = self.make(name, "ed25519", "cert,sign", "never", None);
        self.gpg(&["--batch", "--quick-add-key", &print, "cv25519", "encr", "never"], b"");
        print
    }

    /// A detached armored signature.
    pub fn sign(&self, print: &str, data: &[u8], extra: &[&str]) -> Vec<u8> {
        let mut arguments = vec!["--batch", "--armor", "-u", print];
        arguments.extend(extra);
        arguments.push("--detach-sign");
        self.gpg(&arguments, data).stdout
    }

    /// Revokes with gpg's reason code: 0 none, 1 compromised, 2 superseded, 3 no longer used.
    pub fn revoke(&self, print: &str, reason: &str) {
        let answers = format!("y\n{reason}\n\ny\n");
        let output = self.gpg(&["--no-tty", "--command-fd", "0", "--armor", "--gen-revoke", print], answers.as_bytes());
        self.gpg(&["--batch", "--import"], &output.stdout);
    }

    pub fn collect(&self) -> Fact {
        collect("openpgp-keyring", self.dir.path(), json!({ "home": "gnupg" })).expect("facts")
    }

    /// The fingerprints of the certificates that gpg itself sees here, sorted. Its exit status is not asked: it
    /// fails when the trust database names a key that is gone.
    pub fn listed(&self) -> Vec<String> {
        let output = self.try_gpg(&["--batch", "--with-colons", "--list-keys"], b"").stdout;
        let text = String::from_utf8_lossy(&output).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let primary = lines.windows(2).filter(|pair| pair[0].starts_with("pub:"));
        let mut prints: Vec<_> = primary.filter_map(|pair| pair[1].split(':').nth(9).map(str::to_owned)).collect();
        prints.sort();
        prints
    }

    pub fn certs(&self) -> Vec<cutgate::trust::Cert> {
        trust::from_binary(&self.gpg(&["--batch", "--export"], b"").stdout).expect("certificates")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.path()).args(["--kill", "all"]).status();
    }
}

/// The fingerprint on gpg's `KEY_CREATED` status line.
pub fn created(output: &Output) -> String {
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = status.lines().find(|line| line.contains("KEY_CREATED")).expect("KEY_CREATED");
    line.split_whitespace().last().expect("a fingerprint").to_owned()
}

//! Waivers: exactly the one with which nothing at all is wrong makes its gate WAIVED, everything else is a finding that blocks, and
//! nothing of it changes a result or lets a run go on. Keys and signatures are those of the real gpg.

mod cases;
mod outputs;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use chrono::{DateTime, Duration, SecondsFormat, Utc};

use crate::audit::Lab;

/// For how many days the package of these tests lets a gate be waived.
const MAX_DAYS: i64 = 14;

/// The blocked laboratory, whose sovereign may waive, and a profile of four gates.
pub struct Desk {
    pub lab: Lab,
}

impl Desk {
    pub fn new() -> Self {
        let desk = Self { lab: Lab::new() };
        desk.allow();
        desk
    }

    /// Adds `[waivers]` and a profile to the package.
    fn allow(&self) {
        let package = fs::read_to_string(self.path("cutgate.toml")).unwrap();
        let sovereign = self.key("sovereign");
        let more = format!(
            "\n[waivers]\nmax_days = {MAX_DAYS}\nkeys = [\"{sovereign}\"]\nnever = [\"provisioning\"]\n\n\
             [profile.keys]\ngates = [\"gpg-keyring\"]\nrequire = \"B\"\n\n\
             [profile.ci]\ngates = [\"gpg-keyring\", \"governance-principal\", \"deployed-artifact\"]\n"
        );
        fs::write(self.path("cutgate.toml"), package + &more).unwrap();
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.lab.path(inside)
    }

    /// The fingerprint of one of the laboratory's keys, from its certificate.
    pub fn key(&self, name: &str) -> String {
        let file = self.path(&format!("keys/{name}.asc"));
        let certs = cutgate::trust::from_bytes(&fs::read(file).unwrap()).unwrap();
        certs[0].fingerprint().to_hex()
    }

    /// A detached signature by one of the laboratory's keys.
    pub fn sign(&self, name: &str, text: &str) -> String {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.path("keys/home")).args(["--batch", "--local-user", &self.key(name)]);
        command.args(["--armor", "--detach-sign"]);
        let output = assert_cmd::Command::from_std(command).write_stdin(text).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Takes every waiver away.
    pub fn clear(&self) {
        let _ = fs::remove_dir_all(self.path("waivers"));
        fs::create_dir(self.path("waivers")).unwrap();
    }

    pub fn put(&self, file: &str, text: &str) {
        fs::create_dir_all(self.path("waivers")).unwrap();
        fs::write(self.path("waivers").join(file), text).unwrap();
    }

    /// A waiver that the sovereign signed.
    pub fn waive(&self, file: &str, text: &str) {
        self.put(file, text);
        self.put(&format!("{file}.asc"), &self.sign("sovereign", text));
    }

    pub fn cutgate(&self, args: &[&str]) -> Output {
        self.lab.cutgate(args)
    }
}

impl Drop for Desk {
    /// Ends the agent that signing started.
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.path("keys/home")).args(["--kill", "all"]).status();
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn in_days(days: i64) -> String {
    utc(Utc::now() + Duration::days(days))
}

/// A waiver of a gate of the laboratory in which everything is right, for a week.
pub fn waiver(gate: &str) -> String {
    format!(
        "format = \"cutgate-waiver/1\"\npackage = \"v0.6-o8-production-run-readiness-command-package\"\nhost = \"vmi3080463\"\n\
         gate = \"{gate}\"\nowner = \"Jane Doe, security operations\"\nreason = \"the new key is ordered\"\nexpires = {}\n",
        in_days(7)
    )
}

//! The units in packaging/systemd: systemd understands them without a word, and what they start is what the program takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::traps::Trap;

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd")
}

/// A folder with the units as they would be installed, the program in its place, and a unit that the drop-in gates.
struct Installed(tempfile::TempDir);

impl Installed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-r").arg(units()).arg(dir.path().join("units")).status();
        assert!(copied.unwrap().success());
        let installed = Self(dir);
        let program = assert_cmd::cargo::cargo_bin("cutgate");
        for unit in ["cutgate-audit.service", "gated.service.d/10-cutgate.conf"] {
            installed.replace(unit, "/usr/bin/cutgate", &program.display().to_string());
        }
        let gated = "[Unit]\nDescription=gated\n\n[Service]\nType=oneshot\nExecStart=/bin/true\n";
        fs::write(installed.path("gated.service"), gated).unwrap();
        installed
    }

    fn path(&self, unit: &str) -> PathBuf {
        self.0.path().join("units").join(unit)
    }

    fn replace(&self, unit: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(unit)).unwrap();
        assert!(text.contains(from), "{from} is in {unit}");
        fs::write(self.path(unit), text.replace(from, to)).unwrap();
    }

    /// What systemd says of all units; nothing when it understands them. Manual pages are installed by the package.
    fn said(&self) -> String {
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--man=no", "--recursive-errors=yes"]).env("SYSTEMD_LOG_LEVEL", "notice");
        for unit in ["cutgate-audit.service", "cutgate-audit.timer", "gated.service"] {
            command.arg(self.path(unit));
        }
        let output = command.output().expect("systemd-analyze is missing: apt-get install systemd");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), said.is_empty(), "{said}");
        said
    }
}

#[test]
fn systemd_understands_the_units_without_a_word() {
    let installed = Installed::new();
    assert_eq!(installed.said(), "");
    // It would say something: of a word that it does not know, in each of the files, and of a program that is not there.
    for (unit, from, to) in [
        ("cutgate-audit.service", "NoNewPrivileges=", "NoNewPrivilege="),
        ("cutgate-audit.timer", "OnCalendar=*-*-* 02:30:00", "OnCalendar=nightly-ish"),
        ("gated.service.d/10-cutgate.conf", "ExecStartPre=", "ExecStartPree="),
    ] {
        let installed = Installed::new();
        installed.replace(unit, from, to);
        assert_ne!(installed.said(), "", "{unit}: {to}");
    }
}

/// The lines that start something, with the package and the reports of a laboratory in place of the host's.
fn started(unit: &str, key: &str) -> Vec<String> {
    let text = fs::read_to_string(units().join(unit)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key} in {unit}"));
    let words = line.split(' ').map(|word| match word {
        "/etc/cutgate/cutgate.toml" => "cutgate.toml".to_owned(),
        "/var/lib/cutgate/reports" => "out".to_owned(),
        word => word.to_owned(),
    });
    let words: Vec<String> = words.collect();
    assert_eq!(words[0], "/usr/bin/cutgate");
    words[1..].to_vec()
}

#[test]
fn what_the_units_start_audits_and_blocks() {
    let trap = Trap::new();
    let audit = |unit: &str, key: &str| {
        let args = started(unit, key);
        let output = trap.cutgate(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        output.status.code().unwrap()
    };
    assert_eq!(audit("cutgate-audit.service", "ExecStart="), 0);
    assert_eq!(audit("gated.service.d/10-cutgate.conf", "ExecStartPre="), 0);
    trap.shell("rm governance.db");
    // The codes that ExecCondition would take for "skip it, all is well".
    assert!(matches!(audit("gated.service.d/10-cutgate.conf", "ExecStartPre="), 1 | 3));
    assert!(trap.path("out/ledger.jsonl").exists());
    let text = fs::read_to_string(units().join("gated.service.d/10-cutgate.conf")).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("ExecCondition")), "it skips silently");
}

//! Makes the demonstration keys and the empty production home, all by the real `gpg`.
//!
//! The agent's socket does not fit into a long path, so keys are made in a short folder and copied.

use std::path::{Path, PathBuf};

use super::LabError;
use super::layout::{make_folder, set_mode};
use super::programs::{Programs, command, run};

/// Fingerprints of the demonstration keys: 40 upper-case hex digits each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Approves runs.
    pub sovereign: String,
    /// Asks for runs.
    pub operator: String,
    /// Signs reports.
    pub auditor: String,
    /// Dumps are encrypted to it.
    pub backup: String,
}

/// A GnuPG home in a short temporary folder, whose agent is ended when it goes.
struct ShortHome<'a> {
    folder: tempfile::TempDir,
    programs: &'a Programs,
}

impl<'a> ShortHome<'a> {
    fn new(programs: &'a Programs) -> Result<Self, LabError> {
        // A socket's path has about 107 bytes; "S.gpg-agent.browser" and the folder's own name need some 40.
        let temporary = std::env::temp_dir();
        let base = if temporary.as_os_str().len() <= 60 { temporary } else { PathBuf::from("/tmp") };
        let folder = tempfile::Builder::new().prefix("cg-").tempdir_in(&base).map_err(|source| LabError::File {
            doing: "create a folder in",
            path: base,
            source,
        })?;
        Ok(Self { folder, programs })
    }

    /// Runs `gpg` on this home and returns its standard output.
    fn gpg(&self, arguments: &[&str]) -> Result<Vec<u8>, LabError> {
        let mut gpg = command(&self.programs.gpg);
        gpg.arg("--homedir").arg(self.folder.path()).args(["--batch", "--quiet", "--no-tty"]).args(arguments);
        run(&mut gpg).map(|output| output.stdout)
    }
}

impl Drop for ShortHome<'_> {
    fn drop(&mut self) {
        let mut gpgconf = command(&self.programs.gpgconf);
        gpgconf.arg("--homedir").arg(self.folder.path()).args(["--kill", "all"]);
        // An agent that cannot be told ends by itself once its folder is gone.
        let _ = run(&mut gpgconf);
    }
}

/// Makes `keys/` with its home and exports, and the empty home `gnupg/`.
pub fn make(dir: &Path, programs: &Programs) -> Result<Keys, LabError> {
    let home = ShortHome::new(programs)?;
    let keys = Keys {
        sovereign: generate(&home, "sovereign")?,
        operator: generate(&home, "operator")?,
        auditor: generate(&home, "auditor")?,
        backup: generate(&home, "backup")?,
    };
    let folder = dir.join("keys");
    make_folder(&folder, 0o755)?;
    let all = [
        ("sovereign.asc", vec![keys.sovereign.as_str()]),
        ("operator.asc", vec![keys.operator.as_str()]),
        ("auditor.asc", vec![keys.auditor.as_str()]),
        ("backup.asc", vec![keys.backup.as_str()]),
        ("trusted.asc", vec![&keys.sovereign, &keys.operator, &keys.auditor, &keys.backup]),
    ];
    for (file, fingerprints) in all {
        let mut arguments = vec!["--armor", "--export"];
        arguments.extend(fingerprints);
        write(&folder.join(file), &home.gpg(&arguments)?, 0o644)?;
    }
    // The executor accepts permits that the auditor signed.
    let permits = dir.join("host/etc/cutter.d");
    make_folder(&permits, 0o755)?;
    write(&permits.join("permit-signer.asc"), &home.gpg(&["--armor", "--export", &keys.auditor])?, 0o644)?;
    copy_home(home.folder.path(), &folder.join("home"))?;

    // Listing the keys of a new home makes its keybox, and starts no agent.
    let empty = ShortHome::new(programs)?;
    empty.gpg(&["--list-keys"])?;
    copy_home(empty.folder.path(), &dir.join("gnupg"))?;
    Ok(keys)
}

/// Makes a signing key with an encryption subkey, valid for two years, and returns its fingerprint.
fn generate(home: &ShortHome<'_>, name: &str) -> Result<String, LabError> {
    let user_id = format!("Demonstration {name} (not a real key) <{name}@example.invalid>");
    let status = home.gpg(&[
        "--status-fd",
        "1",
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
        "--quick-gen-key",
        &user_id,
        "future-default",
        "default",
        "2y",
    ])?;
    let status = String::from_utf8_lossy(&status);
    let created = status.lines().find_map(|line| line.strip_prefix("[GNUPG:] KEY_CREATED B "));
    match created.and_then(|rest| rest.split_whitespace().next()) {
        Some(fingerprint) => Ok(fingerprint.to_owned()),
        None => Err(LabError::Program {
            command: format!("gpg --quick-gen-key {user_id:?}"),
            status: "no KEY_CREATED in its status".to_owned(),
            said: status.trim().to_owned(),
        }),
    }
}

/// Copies a GnuPG home: its files and the folders of its keys. Sockets and backups of the keybox stay behind.
fn copy_home(from: &Path, to: &Path) -> Result<(), LabError> {
    make_folder(to, 0o700)?;
    let reading = |path: &Path| {
        let path = path.to_owned();
        move |source| LabError::File { doing: "read", path, source }
    };
    for entry in std::fs::read_dir(from).map_err(reading(from))? {
        let entry = entry.map_err(reading(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(reading(&path))?;
        let left_behind = path.extension().is_some_and(|end| end == "lock" || end == "kbx~");
        if kind.is_dir() {
            copy_home(&path, &target)?;
        } else if kind.is_file() && !left_behind {
            write(&target, &std::fs::read(&path).map_err(reading(&path))?, 0o600)?;
        }
    }
    Ok(())
}

/// Writes a file with a mode.
fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), LabError> {
    std::fs::write(path, contents).map_err(|source| LabError::File {
        doing: "write",
        path: path.to_owned(),
        source,
    })?;
    set_mode(path, mode)
}

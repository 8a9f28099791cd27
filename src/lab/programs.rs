//! The programs that the laboratory needs, and how they are run: with a plain environment, and with an error
//! that quotes what they said.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::LabError;

/// Where the programs are.
pub struct Programs {
    /// GnuPG.
    pub gpg: PathBuf,
    /// The program that ends GnuPG's agents.
    pub gpgconf: PathBuf,
    /// Python 3.9 or later.
    pub python: PathBuf,
}

impl Programs {
    /// Looks for all of them.
    pub fn find(search_path: &OsStr) -> Result<Self, LabError> {
        let find = |program: &str| which::which_in(program, Some(search_path), "/").ok();
        let (gpg, gpgconf, python) = match (find("gpg"), find("gpgconf"), find("python3")) {
            (Some(gpg), Some(gpgconf), Some(python)) => (gpg, gpgconf, python),
            // All that is missing at once, each package once.
            (gpg, gpgconf, python) => {
                let missing = [("gpg", gpg, "gnupg"), ("gpgconf", gpgconf, "gnupg"), ("python3", python, "python3")];
                let missing = missing.iter().filter(|(_, found, _)| found.is_none());
                let (programs, packages): (Vec<_>, BTreeSet<_>) =
                    missing.map(|(program, _, package)| (*program, *package)).unzip();
                let packages: Vec<_> = packages.into_iter().collect();
                return Err(LabError::MissingPrograms { programs: programs.join(", "), packages: packages.join(" ") });
            }
        };
        let mut probe = command(&python);
        probe.args(["-B", "-c", "import sqlite3, sys; sys.exit(None if sys.version_info >= (3, 9) else sys.version)"]);
        match run(&mut probe) {
            Ok(_) => Ok(Self { gpg, gpgconf, python }),
            Err(LabError::Program { said, .. }) => Err(LabError::Python { program: python, said }),
            Err(error) => Err(error),
        }
    }
}

/// A command whose result does not hang on the language, the GnuPG home or the Python settings of the caller.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").env_remove("GNUPGHOME").stdin(Stdio::null());
    for variable in ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONPYCACHEPREFIX"] {
        command.env_remove(variable);
    }
    command
}

/// Runs to the end and hands back the output of a success.
pub fn run(command: &mut Command) -> Result<Output, LabError> {
    let shown = |command: &Command| {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    };
    match command.output() {
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => Err(LabError::Program {
            command: shown(command),
            status: output.status.to_string(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
        Err(error) => Err(LabError::Program {
            command: shown(command),
            status: "not started".to_owned(),
            said: error.to_string(),
        }),
    }
}

//! Programs: where they are, and what they say their version is.
//!
//! A program is run with `--version` and nothing else. Programs run on the auditing host, also below a root prefix.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::super::Door;
use super::super::programs::{Command, Ended, quoted};
use crate::evidence::{Fact, Missing, MissingState};

/// The record of one program, and whether it was found.
pub(super) fn look(door: &Door, name: &str, search_path: &str, limit: Duration) -> (Fact, Result<bool, Missing>) {
    let tried = format!("look for the program {name} in {search_path}");
    door.note_attributes(format!("{name} in {search_path}"));
    let located = {
        let _access = door.begin(&tried);
        let located = which::which_in(name, Some(search_path), "/");
        located.map_err(|_| (hidden_folder(name, search_path), not_executable(name, search_path)))
    };
    let (found, path, version) = match located {
        Ok(path) => {
            let version = version(door, &path, search_path, limit);
            (Ok(true), path.to_string_lossy().into_owned().into(), version.into())
        }
        Err((hidden, not_executable)) => match hidden {
            Some(folder) => {
                let said = format!("{folder} may not be searched");
                let next = format!("give {} the right to search {folder}, or leave it out", door.by());
                let missing = door.missing(MissingState::Denied, tried, said, next);
                (Err(missing.clone()), Fact::from(missing.clone()), missing.into())
            }
            None => {
                let missing = match not_executable {
                    Some(path) => {
                        let next = format!("let {} execute it: ls -l {path}", door.by());
                        door.missing(MissingState::Denied, tried, format!("{path} may not be executed"), next)
                    }
                    None => door.missing(MissingState::Absent, tried, "not found", format!("install {name}")),
                };
                (Ok(false), Fact::from(missing.clone()), missing.into())
            }
        },
    };
    let record =
        Fact::record([("name", name.into()), ("found", found.clone().into()), ("path", path), ("version", version)]);
    (record, found)
}

/// A folder of the search path that refuses to say whether the program is there.
fn hidden_folder(name: &str, search_path: &str) -> Option<String> {
    let folders: Vec<&str> = if name.starts_with('/') { vec!["/"] } else { search_path.split(':').collect() };
    let hidden = |folder: &&str| {
        let looked = std::fs::metadata(Path::new(folder).join(name));
        looked.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    let folder = folders.into_iter().find(hidden)?;
    let parent = Path::new(name).parent().filter(|_| name.starts_with('/'));
    Some(parent.map_or_else(|| folder.to_owned(), |parent| parent.display().to_string()))
}

/// A regular file of that name that this user may not execute.
fn not_executable(name: &str, search_path: &str) -> Option<String> {
    let mut paths = search_path.split(':').map(|folder| Path::new(folder).join(name));
    paths.find(|path| path.is_file()).map(|path| path.display().to_string())
}

/// The first line that `PROGRAM --version` prints on its output.
fn version(door: &Door, program: &Path, search_path: &str, limit: Duration) -> Result<String, Missing> {
    let asked = Command { program, arguments: &["--version"], search_path, limit };
    let ended = asked.run(door)?;
    version_in(&ended).map_err(|said| asked.missing(door, MissingState::Unreadable, said))
}

/// The first line of a program's output, where that tells a version. Programs exist that print their error and exit with
/// status 0: what stands among the errors, reads like one, or holds no number is not taken for a version.
fn version_in(ended: &Ended) -> Result<String, String> {
    if ended.output.trim_ascii().is_empty() {
        let errors = quoted(&ended.errors);
        let said =
            if errors.is_empty() { "it printed nothing".to_owned() } else { format!("no output, only: {errors}") };
        return Err(said);
    }
    let line = ended.output.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| "its output is not UTF-8".to_owned())?.trim();
    let words = line.to_lowercase();
    let number = words.split(|c: char| !c.is_alphanumeric() && c != '.').any(is_version);
    let error = [
        "error",
        "fatal",
        "cannot",
        "can't",
        "failed",
        "failure",
        "not found",
        "no such",
        "denied",
        "usage:",
        "unrecognized",
        "unknown option",
    ];
    if !number || error.iter().any(|sign| words.contains(sign)) {
        return Err(format!("its output tells no version: {}", quoted(line.as_bytes())));
    }
    Ok(line.to_owned())
}

/// A number such as "2.4.1", "v3" or "252", perhaps with letters after it.
fn is_version(word: &str) -> bool {
    word.strip_prefix('v').unwrap_or(word).starts_with(|c: char| c.is_ascii_digit())
}

//! Puts the laboratory's files where they belong, with their modes. Writes below its folder only.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::LabError;

/// Everything under `lab/` in the repository.
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/lab");

/// The cutter's releases, each in a folder of its version. The laboratory has no copies of its own.
static RELEASES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/cutter");

/// Where the releases go: the one that is deployed, and the one that can be.
const PLACES: &[(&str, &str)] = &[("v0.6", "host/opt/cutter/v0.6"), ("v0.7", "releases/v0.7")];

/// Files in which names between at-signs are filled in; all others are copied as they are.
const TEMPLATES: &[&str] =
    &["cutgate.toml", "host/etc/cutter.d/permit.toml", "host/etc/group", "host/etc/passwd", "keys/README.md"];

/// What the builder itself reads, and what is not laid out.
const BUILDER_ONLY: &[&str] = &["registry"];

/// Files with another mode than 0644.
const MODES: &[(&str, u32)] = &[("host/etc/cutter/cutter.env", 0o640)];

/// Folders that are there and empty at first.
const EMPTY: &[&str] = &["approvals", "host/var/lib", "host/var/log", "records/drills", "requests"];

/// The users of the laboratory's host, as (uid, gid).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// `cutter`, who owns the cutter's state: the user that builds, or a system user's number where that is
    /// root, whose number has a name already.
    pub cutter: (u32, u32),
    /// `cutter-exec`, who runs the cutter and is in the group `cutter`.
    pub executor: (u32, u32),
}

impl Accounts {
    /// For the user of this process.
    pub fn here() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let cutter = if uid == 0 { (990, 990) } else { (uid, gid) };
        let executor = (if cutter.0 == 991 { 992 } else { 991 }, if cutter.1 == 991 { 992 } else { 991 });
        Self { cutter, executor }
    }
}

/// Writes into one folder.
pub struct Layout<'a> {
    dir: &'a Path,
}

impl<'a> Layout<'a> {
    /// For a folder that exists.
    pub fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    /// Writes every file that needs nothing filled in, and the empty folders.
    pub fn write_files(&self) -> Result<(), LabError> {
        for (path, contents) in files_of(&FILES) {
            let text = path.to_str().unwrap_or_default();
            if TEMPLATES.contains(&text) || BUILDER_ONLY.iter().any(|folder| path.starts_with(folder)) {
                continue;
            }
            self.write(path, contents)?;
        }
        for (release, place) in PLACES {
            for (path, contents) in files_of(&RELEASES) {
                if let Ok(inside) = path.strip_prefix(release) {
                    self.write(&Path::new(place).join(inside), contents)?;
                }
            }
        }
        EMPTY.iter().try_for_each(|folder| make_folders(self.dir, Path::new(folder)))
    }

    /// Writes the files in which something is filled in, from pairs of name and value.
    pub fn write_templates(&self, values: &[(&str, &str)]) -> Result<(), LabError> {
        TEMPLATES.iter().try_for_each(|file| {
            let filled = fill(file, text_of(file), values)?;
            self.write(Path::new(file), filled.as_bytes())
        })
    }

    /// The host's name and the commit of the deployed tree, from the files that say so.
    pub fn identity(&self) -> Result<(String, String), LabError> {
        let host = text_of("host/etc/hostname").trim().to_owned();
        let release = RELEASES.get_file("v0.6/release.toml").and_then(|file| file.contents_utf8());
        let release = release.expect("invariant: the deployed release says which one it is");
        let commit =
            release.lines().find_map(|line| line.strip_prefix("commit = ")).map(|value| value.trim_matches('"'));
        let commit = commit.expect("invariant: release.toml of the laboratory names a commit");
        Ok((host, commit.to_owned()))
    }

    fn write(&self, path: &Path, contents: &[u8]) -> Result<(), LabError> {
        if let Some(parent) = path.parent() {
            make_folders(self.dir, parent)?;
        }
        let mode = MODES.iter().find(|(file, _)| Path::new(file) == path).map_or(0o644, |(_, mode)| *mode);
        let full = self.dir.join(path);
        std::fs::write(&full, contents).map_err(|source| LabError::File {
            doing: "write",
            path: full.clone(),
            source,
        })?;
        set_mode(&full, mode)
    }
}

/// Every embedded file below `folder` of `lab/`, sorted by name, as (name in the folder, text).
pub fn texts_in(folder: &str) -> Vec<(&'static str, &'static str)> {
    let files = FILES.get_dir(folder).map(|dir| dir.files()).into_iter().flatten();
    let mut found: Vec<_> =
        files.filter_map(|file| Some((file.path().file_name()?.to_str()?, file.contents_utf8()?))).collect();
    found.sort_unstable();
    found
}

/// The text of an embedded file that the laboratory cannot do without.
pub fn text_of(path: &str) -> &'static str {
    let file = FILES.get_file(path).and_then(|file| file.contents_utf8());
    file.expect("invariant: the laboratory's files are compiled in and are UTF-8")
}

/// Every file that is compiled in from a folder, with its path below it, sorted; byte-code that an interpreter left there
/// is none of it.
fn files_of(root: &'static Dir<'static>) -> Vec<(&'static Path, &'static [u8])> {
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        found.extend(folder.files().map(|file| (file.path(), file.contents())));
    }
    found.retain(|(path, _)| !path.components().any(|part| part.as_os_str() == "__pycache__"));
    found.sort_unstable_by_key(|(path, _)| *path);
    found
}

/// Replaces `@NAME@` by its value. A name is capitals, digits and underscores.
fn fill(file: &str, text: &str, values: &[(&str, &str)]) -> Result<String, LabError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('@') {
        let (before, after) = rest.split_at(start);
        filled.push_str(before);
        let name = after[1..].split('@').next().unwrap_or_default();
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if !named || after.len() < name.len() + 2 {
            filled.push('@');
            rest = &after[1..];
            continue;
        }
        let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
            let known = values.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
            return Err(LabError::Placeholder { file: file.to_owned(), name: name.to_owned(), known });
        };
        filled.push_str(value);
        rest = &after[name.len() + 2..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Creates `path` below `base`, each new folder with mode 0755 whatever the umask.
fn make_folders(base: &Path, path: &Path) -> Result<(), LabError> {
    let mut full = base.to_owned();
    path.components().try_for_each(|part| {
        full.push(part);
        make_folder(&full, 0o755)
    })
}

/// Creates one folder with a mode; one that is there already stays as it is.
pub fn make_folder(path: &Path, mode: u32) -> Result<(), LabError> {
    match std::fs::create_dir(path) {
        Ok(()) => set_mode(path, mode),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(LabError::File { doing: "create", path: path.to_owned(), source }),
    }
}

/// Sets a mode, whatever the umask.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), LabError> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|source| LabError::File {
        doing: "set the mode of",
        path: PathBuf::from(path),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_unknown_ones_refused() {
        let values = [("HOST", "h"), ("A_1", "x")];
        for (text, expected) in [
            ("@HOST@", "h"),
            ("a@HOST@b@A_1@c", "ahbxc"),
            ("someone@example.invalid", "someone@example.invalid"),
            ("@@HOST@", "@h"),
            ("@lower@HOST@", "@lowerh"),
            ("@HOST", "@HOST"),
            ("é@HOST@é", "éhé"),
            ("", ""),
        ] {
            assert_eq!(fill("f", text, &values).expect("no unknown name"), expected, "{text}");
        }
        let error = fill("f", "@OTHER@", &values).expect_err("an unknown name");
        assert_eq!(error.to_string(), "lab/f has the placeholder @OTHER@, which nothing fills: known are HOST, A_1");
    }
}

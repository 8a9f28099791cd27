//! The files of a package as they were read: the only place of this room that touches the disk.
//!
//! Checking works on [`Sources`] alone, so that recorded files can be checked again anywhere. A file that
//! could not be read is kept with the reason; checking reports it with everything else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::diagnostic::ShownFile;

/// The stock gates, compiled in.
static STOCK_GATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/gates");

/// The longest package or gate file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The logical name of every package file.
pub const PACKAGE_FILE: &str = "cutgate.toml";

/// Why a file has no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// The next step.
    pub help: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The logical name: `cutgate.toml`, `gates/<id>.toml` for a package's own gate, `stock/<id>.toml`.
    pub name: String,
    /// The path as the user can open it.
    pub shown: String,
    /// Its text, or the reason why there is none.
    pub text: Result<String, Unreadable>,
}

impl SourceFile {
    /// The file's stem: a gate's id.
    pub fn stem(&self) -> &str {
        let name = self.name.rsplit('/').next().unwrap_or(&self.name);
        name.strip_suffix(".toml").unwrap_or(name)
    }

    /// Whether it is compiled in.
    pub fn is_stock(&self) -> bool {
        self.name.starts_with("stock/")
    }

    /// The TOML files of a folder, sorted by name, each with the logical name `<prefix>/<file>`; none where there is no
    /// such folder.
    ///
    /// # Errors
    /// Why the folder cannot be listed. A file that cannot be read is recorded as such.
    pub fn folder(folder: &Path, prefix: &str) -> Result<Vec<Self>, Unreadable> {
        let file = |name: String| Self::from_disk(format!("{prefix}/{name}"), &folder.join(&name));
        Ok(list_files(folder)?.into_iter().map(file).collect())
    }

    fn from_bytes(name: String, shown: String, bytes: Vec<u8>) -> Self {
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
            let message = format!("not UTF-8: line {line} holds the byte 0x{:02x}", error.as_bytes()[good]);
            Unreadable { message, help: format!("save the file as UTF-8: iconv -f latin1 -t utf-8 {shown}") }
        });
        Self { name, shown, text }
    }

    fn from_disk(name: String, path: &Path) -> Self {
        let shown = path.display().to_string();
        let instead = match name.as_str() {
            PACKAGE_FILE => format!("name the file: {}", path.join(PACKAGE_FILE).display()),
            _ => "it must be one file; move the directory away".to_owned(),
        };
        match read_regular(path, instead) {
            Ok(bytes) => Self::from_bytes(name, shown, bytes),
            Err(unreadable) => Self { name, shown, text: Err(unreadable) },
        }
    }
}

/// A package's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The folder of the package file: relative paths of the package start here.
    pub dir: PathBuf,
    /// `cutgate.toml`.
    pub package: SourceFile,
    /// The stock gates that the package does not override, and its own, sorted by stem.
    pub gates: Vec<SourceFile>,
    /// Why the folder `gates/` could not be listed, if it could not.
    pub unlisted: Option<Unreadable>,
}

impl Sources {
    /// Reads a package file, the gates in the folder `gates/` beside it, and the stock gates that these do
    /// not override. What cannot be read is recorded as such.
    pub fn read(package: &Path) -> Self {
        let dir = match package.parent() {
            Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
            Some(parent) => parent.to_owned(),
            None => PathBuf::from("."),
        };
        let folder = dir.join("gates");
        let (own, unlisted) = match SourceFile::folder(&folder, "gates") {
            Ok(own) => (own, None),
            Err(unreadable) => (Vec::new(), Some(unreadable)),
        };
        let mut gates: BTreeMap<String, SourceFile> =
            stock_gates().map(|gate| (gate.stem().to_owned(), gate)).collect();
        gates.extend(own.into_iter().map(|gate| (gate.stem().to_owned(), gate)));
        let package = SourceFile::from_disk(PACKAGE_FILE.to_owned(), package);
        Self { dir, package, gates: gates.into_values().collect(), unlisted }
    }

    /// Recorded files by logical name; nothing is read, and no stock gate is added. A missing package file
    /// is recorded as such.
    pub fn recorded(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let absent = Unreadable {
            message: format!("{PACKAGE_FILE} is not among the recorded files"),
            help: "take the files from an audit's package.lock.json".to_owned(),
        };
        let file =
            |(name, bytes): (&String, &Vec<u8>)| SourceFile::from_bytes(name.clone(), name.clone(), bytes.clone());
        let package = files.get_key_value(PACKAGE_FILE).map(file);
        let package = package.unwrap_or_else(|| SourceFile {
            name: PACKAGE_FILE.to_owned(),
            shown: PACKAGE_FILE.to_owned(),
            text: Err(absent),
        });
        let gates = files.iter().filter(|(name, _)| name.as_str() != PACKAGE_FILE).map(file);
        let mut gates: Vec<SourceFile> = gates.collect();
        gates.sort_by(|a, b| a.stem().cmp(b.stem()).then_with(|| a.name.cmp(&b.name)));
        Self { dir: PathBuf::from("."), package, gates, unlisted: None }
    }

    /// Every file for the renderer.
    pub fn shown(&self) -> BTreeMap<String, ShownFile> {
        let files = std::iter::once(&self.package).chain(&self.gates);
        let shown = |file: &SourceFile| ShownFile {
            shown: file.shown.clone(),
            text: file.text.as_ref().map_or_else(|_| String::new(), Clone::clone),
        };
        files.map(|file| (file.name.clone(), shown(file))).collect()
    }
}

/// The stock gates.
pub fn stock_gates() -> impl Iterator<Item = SourceFile> {
    let files = STOCK_GATES.files().filter(|file| file.path().extension().is_some_and(|ext| ext == "toml"));
    files.map(|file| {
        let name = format!("stock/{}", file.path().display());
        SourceFile::from_bytes(name.clone(), name, file.contents().to_vec())
    })
}

/// The names of the TOML files in a folder, sorted; none where there is no such folder. Hidden files and files with
/// another ending are left out.
fn list_files(folder: &Path) -> Result<Vec<String>, Unreadable> {
    let failed = |error: std::io::Error| Unreadable {
        message: format!("cannot list {}: {error}", folder.display()),
        help: format!("look at it: ls -ld {}", folder.display()),
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let name = name.into_string().map_err(|name| Unreadable {
            message: format!("a file name in {} is not UTF-8: {}", folder.display(), name.to_string_lossy()),
            help: "rename the file to <id>.toml".to_owned(),
        })?;
        if name.ends_with(".toml") && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A regular file's bytes. `instead` says what to do when it is a directory.
fn read_regular(path: &Path, instead: String) -> Result<Vec<u8>, Unreadable> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        let help = if error.kind() == std::io::ErrorKind::NotFound {
            "name the file with --package, or make one: cutgate init DIR".to_owned()
        } else {
            format!("see who may read it: ls -ld {shown}")
        };
        Unreadable { message: format!("cannot read {shown}: {error}"), help }
    };
    let wrong = |message: String, help: String| Err(Unreadable { message, help });
    let attributes = std::fs::metadata(path).map_err(failed)?;
    if attributes.is_dir() {
        return wrong(format!("{shown} is a directory"), instead);
    }
    if !attributes.is_file() {
        return wrong(format!("{shown} is not a regular file"), format!("look at it: ls -ld {shown}"));
    }
    if attributes.len() > MAX_BYTES {
        let message = format!("{shown} has {} bytes, more than the limit of {MAX_BYTES}", attributes.len());
        return wrong(message, "a package or gate file is written by hand and short".to_owned());
    }
    std::fs::read(path).map_err(failed)
}

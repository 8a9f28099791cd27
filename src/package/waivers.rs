//! The folder `waivers` beside the package file, as it lies on the disk: every file with its exact bytes, and the certificates of the
//! keyring. Nothing is judged here, and what cannot be read is kept with the reason.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use crate::evidence::{WaiverContent, WaiverFiles, WaiverKeyring};
use crate::trust::{Fingerprint, armored, from_bytes};

/// The folder's name.
pub const WAIVERS: &str = "waivers";

/// The longest waiver or signature, in bytes: both are short.
const MAX_BYTES: u64 = 1 << 16;

/// The longest keyring, in bytes.
const MAX_KEYRING: u64 = 1 << 24;

/// The most files that are read.
const MOST: usize = 1000;

/// A page for people; every other file that is not hidden is one of waivers, or should not be there.
const PAGE: &str = "README.md";

/// What lies in the folder; `None` where there is no such folder or nothing in it. The keyring is read only where there is a waiver.
pub fn read_waivers(package_dir: &Path, keyring: &Path) -> Option<WaiverFiles> {
    let folder = package_dir.join(WAIVERS);
    let mut files = BTreeMap::new();
    let unread = match list(&folder) {
        Ok(None) => return None,
        Ok(Some((names, unread))) => {
            for name in names {
                let content = match read(&folder.join(&name), MAX_BYTES).map(String::from_utf8) {
                    Ok(Ok(text)) => WaiverContent::Text(text),
                    Ok(Err(_)) => WaiverContent::Unread("it is not UTF-8; signatures are made with --armor".to_owned()),
                    Err(reason) => WaiverContent::Unread(reason),
                };
                files.insert(name, content);
            }
            unread
        }
        Err(reason) => Some(reason),
    };
    if files.is_empty() && unread.is_none() {
        return None;
    }
    let keyring = if files.is_empty() { WaiverKeyring::Certificates(BTreeMap::new()) } else { certificates(keyring) };
    Some(WaiverFiles { unread, files, keyring })
}

/// The names in the folder, and why they are not all; `None` where there is none.
type Listed = Option<(Vec<String>, Option<String>)>;

fn list(folder: &Path) -> Result<Listed, String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && folder.symlink_metadata().is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    let (mut names, mut unread) = (Vec::new(), None);
    for entry in entries {
        match entry.map(|entry| entry.file_name().into_string()) {
            Ok(Ok(name)) if name.starts_with('.') || name == PAGE => {}
            Ok(Ok(name)) => names.push(name),
            Ok(Err(name)) => unread = Some(format!("a name is not UTF-8: {}", name.to_string_lossy())),
            Err(error) => unread = Some(error.to_string()),
        }
    }
    names.sort();
    if names.len() > MOST {
        names.truncate(MOST);
        unread = Some(format!("it has more than {MOST} files"));
    }
    Ok(Some((names, unread)))
}

/// A regular file's bytes; anything else is not opened.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let attributes = path.symlink_metadata().map_err(|error| error.to_string())?;
    if !attributes.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most { Err(format!("it is longer than {most} bytes")) } else { Ok(bytes) }
}

/// Every certificate of the keyring: a signature's signer is one of them, or is known not to be trusted.
fn certificates(path: &Path) -> WaiverKeyring {
    // The keyring may be a link, as the package's other files may.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let certs = read(&path, MAX_KEYRING).and_then(|bytes| from_bytes(&bytes).map_err(|error| error.to_string()));
    match certs {
        Ok(certs) => {
            let named = certs.iter().map(|cert| (Fingerprint::of(&cert.fingerprint()).to_string(), armored(cert)));
            WaiverKeyring::Certificates(named.collect())
        }
        Err(reason) => WaiverKeyring::Unread(format!("{}: {reason}", path.display())),
    }
}

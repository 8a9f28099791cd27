//! Finding and reading the keyring behind a path, as GnuPG would.
//!
//! In a home, gpg uses `pubring.kbx` when its header is marked for OpenPGP or no `pubring.gpg` lies beside it,
//! otherwise `pubring.gpg`; never both (`keydb_add_resource` in GnuPG's `g10/keydb.c`). A home whose own
//! configuration sends gpg elsewhere is not understood here, and says so.

use crate::evidence::{Missing, MissingState};
use crate::probes::{Door, Entry, FileKind};
use crate::trust::{self, Cert, Fingerprint, RingError, RingForm};

/// A keyring that was read.
pub(in crate::probes) struct Ring {
    /// "keybox", "pubring", "keyring-file", "cert-d" or "empty-home".
    pub form: &'static str,
    /// The ring's bytes: those of its file, of the certificate directory's files in the order of their names.
    /// `None` where there is no file.
    pub bytes: Option<Vec<u8>>,
    /// The certificates that gpg uses, one per fingerprint, sorted by it.
    pub certs: Vec<Cert>,
    /// What lies in the ring and is not used, as phrases.
    pub ignored: Vec<String>,
    /// Fingerprints that only a file beside the ring has, which gpg does not use; or why it cannot be read.
    pub shadowed: Result<Vec<String>, Missing>,
}

/// Why there is no ring.
pub(in crate::probes) struct NoRing {
    /// Whether something lies at the path; `None` where that could not be told.
    pub present: Option<bool>,
    /// What it is, where it was understood that far.
    pub form: Option<&'static str>,
    /// The bytes, where they were read.
    pub bytes: Option<Vec<u8>>,
    /// The reason.
    pub missing: Box<Missing>,
}

impl NoRing {
    fn at(present: Option<bool>, missing: Missing) -> Self {
        Self { present, form: None, bytes: None, missing: Box::new(missing) }
    }
}

/// Reads the keyring at a logical path.
///
/// # Errors
/// Absent, denied, unreadable (with the offset and the reason): never a ring with a part left out.
pub(in crate::probes) fn read(door: &Door, home: &str) -> Result<Ring, NoRing> {
    let attributes = door.attributes(home).map_err(|missing| {
        let present = missing.state.is_absent().then_some(false);
        NoRing::at(present, missing)
    })?;
    let kind = match attributes.kind {
        // Through a link, the folder's own entry tells what lies behind it.
        FileKind::Link => match door.attributes(&format!("{home}/.")) {
            Ok(_) => FileKind::Directory,
            Err(missing) => match missing.state {
                MissingState::Absent => return Err(NoRing::at(Some(false), missing)),
                MissingState::Denied => return Err(NoRing::at(Some(true), missing)),
                MissingState::Unreadable | MissingState::TimedOut | MissingState::Error | MissingState::Withheld => {
                    FileKind::File
                }
            },
        },
        FileKind::File | FileKind::Directory | FileKind::Fifo | FileKind::Socket | FileKind::Device => attributes.kind,
    };
    match kind {
        FileKind::Directory => {
            let entries = door.list(home).map_err(|missing| NoRing::at(Some(true), missing))?;
            read_folder(door, home, &entries)
        }
        // Whatever is no file is refused by the door, in words that say what it is.
        FileKind::File | FileKind::Link | FileKind::Fifo | FileKind::Socket | FileKind::Device => read_file(door, home),
    }
}

fn read_folder(door: &Door, home: &str, entries: &[Entry]) -> Result<Ring, NoRing> {
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    let inside = |name: &str| format!("{}/{name}", home.trim_end_matches('/'));
    let (keybox, pubring) = (has("pubring.kbx"), has("pubring.gpg"));
    if !keybox && !pubring && entries.iter().any(is_cert_folder) {
        return read_cert_d(door, home, entries);
    }
    refuse_elsewhere(door, home, entries).map_err(|missing| NoRing::at(Some(true), missing))?;
    if !keybox && !pubring {
        let (ignored, shadowed) = (Vec::new(), Ok(Vec::new()));
        return Ok(Ring { form: "empty-home", bytes: None, certs: Vec::new(), ignored, shadowed });
    }
    let keybox_bytes = if keybox { Some(read_bytes(door, &inside("pubring.kbx"), "keybox")?) } else { None };
    let serves = keybox_bytes.as_deref().is_some_and(trust::serves_openpgp);
    match keybox_bytes {
        Some(bytes) if serves || !pubring => {
            let mut ring = ring_of(door, &inside("pubring.kbx"), "keybox", Some(RingForm::Keybox), bytes)?;
            if pubring {
                let other = read_bytes(door, &inside("pubring.gpg"), "pubring");
                let other = other
                    .and_then(|bytes| ring_of(door, &inside("pubring.gpg"), "pubring", Some(RingForm::Binary), bytes));
                ring.shadow("pubring.gpg", other);
            }
            Ok(ring)
        }
        unused => {
            let path = inside("pubring.gpg");
            let bytes = read_bytes(door, &path, "pubring")?;
            // A pubring.gpg may be a keybox by content; the content decides, as for gpg.
            let form = trust::form_of(&bytes).filter(|form| *form == RingForm::Keybox).unwrap_or(RingForm::Binary);
            let mut ring = ring_of(door, &path, "pubring", Some(form), bytes)?;
            if let Some(bytes) = unused {
                let other = ring_of(door, &inside("pubring.kbx"), "keybox", Some(RingForm::Keybox), bytes);
                ring.shadow("pubring.kbx", other);
            }
            Ok(ring)
        }
    }
}

impl Ring {
    /// Notes what a file that gpg passes over holds beyond this ring.
    fn shadow(&mut self, name: &str, other: Result<Ring, NoRing>) {
        self.ignored.push(format!("{name}, which gpg does not read beside the other keyring"));
        let own: Vec<_> = self.certs.iter().map(Cert::fingerprint).collect();
        self.shadowed = other.map_err(|no_ring| *no_ring.missing).map(|other| {
            let extra = other.certs.iter().map(Cert::fingerprint).filter(|print| !own.contains(print));
            extra.map(|print| Fingerprint::of(&print).to_string()).collect()
        });
    }
}

fn read_file(door: &Door, path: &str) -> Result<Ring, NoRing> {
    let bytes = read_bytes(door, path, "keyring-file")?;
    match trust::form_of(&bytes) {
        Some(RingForm::Keybox) => ring_of(door, path, "keybox", Some(RingForm::Keybox), bytes),
        form @ (Some(RingForm::Binary | RingForm::Armored) | None) => ring_of(door, path, "keyring-file", form, bytes),
    }
}

fn read_bytes(door: &Door, path: &str, form: &'static str) -> Result<Vec<u8>, NoRing> {
    door.read(path, u64::MAX).map_err(|missing| {
        // It was listed: a link to nothing, or taken away meanwhile. That is no known absence.
        let state = if missing.state.is_absent() { MissingState::Unreadable } else { missing.state };
        NoRing { form: Some(form), ..NoRing::at(Some(true), Missing { state, ..missing }) }
    })
}

/// A ring from the bytes of one file.
fn ring_of(
    door: &Door,
    path: &str,
    form: &'static str,
    kind: Option<RingForm>,
    bytes: Vec<u8>,
) -> Result<Ring, NoRing> {
    let mut ignored = Vec::new();
    let certs = match kind {
        Some(RingForm::Keybox) => trust::read_keybox(&bytes).map_err(RingError::from).and_then(|keybox| {
            let counts = [
                (keybox.deleted, "deleted blobs"),
                (keybox.x509, "X.509 blobs"),
                (keybox.ephemeral, "ephemeral blobs"),
            ];
            ignored.extend(counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what}: {n}")));
            trust::from_keybox(&keybox)
        }),
        Some(RingForm::Binary) => trust::from_binary(&bytes),
        Some(RingForm::Armored) => trust::from_armor(&bytes),
        None => Err(RingError::UnknownForm),
    };
    match certs {
        Ok(certs) => Ok(Ring { form, bytes: Some(bytes), certs, ignored, shadowed: Ok(Vec::new()) }),
        Err(error) => {
            let missing = corrupt(door, path, &error);
            Err(NoRing { form: Some(form), bytes: Some(bytes), ..NoRing::at(Some(true), missing) })
        }
    }
}

fn corrupt(door: &Door, path: &str, error: &RingError) -> Missing {
    let next = format!("compare it with a backup, or export the keys anew: gpg --export > {path}");
    door.missing(MissingState::Unreadable, format!("read the keyring {path}"), error.to_string(), next)
}

/// A folder of a certificate directory: two lower-case hex digits.
fn is_cert_folder(entry: &Entry) -> bool {
    let folder = entry.attributes.as_ref().map_or(true, |attributes| attributes.kind == FileKind::Directory);
    folder && entry.name.len() == 2 && is_hex(&entry.name)
}

fn is_hex(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The certificates of a shared certificate directory: `ab/cdef…`, named by the fingerprint's digits
/// (draft-nwjw-openpgp-cert-d, section 3). Other names are not part of it and are listed in `ignored`.
fn read_cert_d(door: &Door, home: &str, entries: &[Entry]) -> Result<Ring, NoRing> {
    let fail = |missing: Missing| NoRing { form: Some("cert-d"), ..NoRing::at(Some(true), missing) };
    let mut ring = Ring {
        form: "cert-d",
        bytes: Some(Vec::new()),
        certs: Vec::new(),
        ignored: Vec::new(),
        shadowed: Ok(Vec::new()),
    };
    for folder in entries {
        if !is_cert_folder(folder) {
            ring.ignored.push(folder.name.clone());
            continue;
        }
        let folder_path = format!("{}/{}", home.trim_end_matches('/'), folder.name);
        for entry in door.list(&folder_path).map_err(fail)? {
            let path = format!("{folder_path}/{}", entry.name);
            if !matches!(entry.name.len(), 38 | 62) || !is_hex(&entry.name) {
                ring.ignored.push(format!("{}/{}", folder.name, entry.name));
                continue;
            }
            let bytes = door.read(&path, u64::MAX).map_err(fail)?;
            let certs = trust::from_bytes(&bytes).map_err(|error| fail(corrupt(door, &path, &error)))?;
            let named = format!("{}{}", folder.name, entry.name).to_ascii_uppercase();
            let [cert] = certs.as_slice() else {
                let said = format!("it holds {} certificates instead of one", certs.len());
                return Err(fail(misnamed(door, &path, said)));
            };
            if Fingerprint::of(&cert.fingerprint()).as_str() != named {
                return Err(fail(misnamed(door, &path, format!("it holds the certificate {}", cert.fingerprint()))));
            }
            ring.bytes.get_or_insert_default().extend(bytes);
            ring.certs.extend(certs);
        }
    }
    Ok(ring)
}

fn misnamed(door: &Door, path: &str, said: String) -> Missing {
    let next = "see what wrote into the certificate directory".to_owned();
    door.missing(MissingState::Unreadable, format!("read the certificate {path}"), said, next)
}

/// Refuses a home whose configuration makes gpg use other keyrings than those that lie in it.
fn refuse_elsewhere(door: &Door, home: &str, entries: &[Entry]) -> Result<(), Missing> {
    let elsewhere: [(&str, &[&str]); 2] = [
        ("gpg.conf", &["keyring", "primary-keyring", "no-default-keyring", "no-keyring"]),
        ("common.conf", &["use-keyboxd"]),
    ];
    for (name, options) in elsewhere {
        if !entries.iter().any(|entry| entry.name == name) {
            continue;
        }
        let path = format!("{}/{name}", home.trim_end_matches('/'));
        let text = door.read(&path, 1 << 20)?;
        let text = String::from_utf8_lossy(&text);
        let found = text.lines().map(option_of).find(|option| options.contains(option));
        if let Some(option) = found {
            let tried = format!("find the keyring that gpg uses in {home}");
            let said = format!("{name} has the option {option}, so gpg keeps keys elsewhere");
            let next = "name the keyring file itself as home".to_owned();
            return Err(door.missing(MissingState::Unreadable, tried, said, next));
        }
    }
    Ok(())
}

/// The option that a line of a GnuPG configuration file names.
fn option_of(line: &str) -> &str {
    let word = line.split_whitespace().next().unwrap_or_default();
    word.strip_prefix("--").unwrap_or(word)
}

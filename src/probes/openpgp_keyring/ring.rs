//! Finding and reading the keyring behind a path, as GnuPG would.
//!
//! In a home, gpg uses `pubring.kbx` when its header is marked for OpenPGP or no `pubring.gpg` lies beside it,
//! otherwise `pubring.gpg`; never both (`keydb_add_resource` in GnuPG's `g10/keydb.c`). A home whose own
//! configuration or the system's sends gpg elsewhere is not understood here, and says so.
//!
//! A keybox counts nothing, so one that was cut between two blobs is whole in itself. gpg keeps a copy from
//! before each change beside it; where that copy shows that something is lost, the keyring is unreadable. Where
//! there is no copy, such a cut cannot be seen.

use bytes::Bytes;

use crate::evidence::{Digest256, Missing, MissingState, Reading};
use crate::probes::{Door, Entry, FileKind};
use crate::trust::{self, Cert, Fingerprint, Keybox, Part, RingError, RingForm};

/// A keyring that was read.
pub(in crate::probes) struct Ring {
    /// "keybox", "pubring", "keyring-file", "cert-d" or "empty-home".
    pub form: &'static str,
    /// The digest of the ring's bytes: those of its file, of the certificate directory's files in the order of their names.
    /// `None` where there is no file.
    pub digest: Option<Digest256>,
    /// The fingerprints of the certificates that gpg uses, each once, sorted.
    pub fingerprints: Vec<Fingerprint>,
    /// These certificates, or those of them that were wanted, sorted by fingerprint.
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
    /// The digest of the bytes, where they were read.
    pub digest: Option<Digest256>,
    /// The reason.
    pub missing: Box<Missing>,
}

impl NoRing {
    fn at(present: Option<bool>, missing: Missing) -> Self {
        Self { present, form: None, digest: None, missing: Box::new(missing) }
    }
}

/// Which certificates of a ring are wanted; `None` for all.
pub(in crate::probes) type Wanted<'a> = Option<&'a [Fingerprint]>;

/// Reads the keyring at a logical path. What is not wanted is only named.
///
/// # Errors
/// Absent, denied, unreadable (with the offset and the reason): never a ring with a part left out.
pub(in crate::probes) fn read(door: &Door, home: &str, wanted: Wanted<'_>) -> Result<Ring, NoRing> {
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
            read_folder(door, home, &entries, wanted)
        }
        // Whatever is no file is refused by the door, in words that say what it is.
        FileKind::File | FileKind::Link | FileKind::Fifo | FileKind::Socket | FileKind::Device => {
            read_file(door, home, wanted)
        }
    }
}

fn read_folder(door: &Door, home: &str, entries: &[Entry], wanted: Wanted<'_>) -> Result<Ring, NoRing> {
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    let inside = |name: &str| format!("{}/{name}", home.trim_end_matches('/'));
    let (keybox, pubring) = (has("pubring.kbx"), has("pubring.gpg"));
    if !keybox && !pubring && entries.iter().any(is_cert_folder) {
        return read_cert_d(door, home, entries, wanted);
    }
    refuse_elsewhere(door, home, entries).map_err(|missing| NoRing::at(Some(true), missing))?;
    if !keybox && !pubring {
        refuse_missing(door, home, entries).map_err(|missing| NoRing::at(Some(true), missing))?;
        let (ignored, shadowed) = (Vec::new(), Ok(Vec::new()));
        let (fingerprints, certs) = (Vec::new(), Vec::new());
        return Ok(Ring { form: "empty-home", digest: None, fingerprints, certs, ignored, shadowed });
    }
    let keybox = if keybox { Some(read_bytes(door, &inside("pubring.kbx"), "keybox")?) } else { None };
    let serves = keybox.as_ref().is_some_and(|file| trust::serves_openpgp(&file.bytes));
    match keybox {
        Some(bytes) if serves || !pubring => {
            let mut ring = ring_of(door, &inside("pubring.kbx"), "keybox", Some(RingForm::Keybox), bytes, wanted)?;
            if pubring {
                let other = read_bytes(door, &inside("pubring.gpg"), "pubring");
                let other = other.and_then(|bytes| {
                    ring_of(door, &inside("pubring.gpg"), "pubring", Some(RingForm::Binary), bytes, None)
                });
                ring.shadow("pubring.gpg", other);
            }
            Ok(ring)
        }
        unused => {
            let path = inside("pubring.gpg");
            let bytes = read_bytes(door, &path, "pubring")?;
            // A pubring.gpg may be a keybox by content; the content decides, as for gpg.
            let form =
                trust::form_of(&bytes.bytes).filter(|form| *form == RingForm::Keybox).unwrap_or(RingForm::Binary);
            let mut ring = ring_of(door, &path, "pubring", Some(form), bytes, wanted)?;
            if let Some(bytes) = unused {
                let other = ring_of(door, &inside("pubring.kbx"), "keybox", Some(RingForm::Keybox), bytes, None);
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
        self.shadowed = other.map_err(|no_ring| *no_ring.missing).map(|other| {
            let extra = other.fingerprints.iter().filter(|print| self.fingerprints.binary_search(print).is_err());
            extra.map(Fingerprint::to_string).collect()
        });
    }
}

fn read_file(door: &Door, path: &str, wanted: Wanted<'_>) -> Result<Ring, NoRing> {
    let bytes = read_bytes(door, path, "keyring-file")?;
    match trust::form_of(&bytes.bytes) {
        Some(RingForm::Keybox) => ring_of(door, path, "keybox", Some(RingForm::Keybox), bytes, wanted),
        form @ (Some(RingForm::Binary | RingForm::Armored) | None) => {
            ring_of(door, path, "keyring-file", form, bytes, wanted)
        }
    }
}

/// A file that was read and noted.
struct Whole {
    bytes: Bytes,
    digest: Digest256,
    /// The copy that gpg keeps beside a keybox; `None` beside another form.
    copy: Option<Result<Bytes, Missing>>,
}

/// Reads the file of a ring and, beside a keybox, its copy; both at the same time where the name says what it is.
fn read_bytes(door: &Door, path: &str, form: &'static str) -> Result<Whole, NoRing> {
    let read = |path: &str| door.read_large(path, u64::MAX);
    let note = |path: &str, (bytes, digest): &(Bytes, Digest256)| {
        let read = Reading::Content { size: bytes.len() as u64, sha256: digest.clone() };
        door.note_by(path, door.by(), read);
    };
    let copy_path = copy_of(path);
    let (file, copy) = if path.ends_with(".kbx") {
        std::thread::scope(|scope| {
            let copy = scope.spawn(|| read(&copy_path));
            let file = read(path);
            (file, Some(copy.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
        })
    } else {
        (read(path), None)
    };
    let file = file.inspect(|file| note(path, file)).map_err(|missing| {
        // It was listed: a link to nothing, or taken away meanwhile. That is no known absence.
        let state = if missing.state.is_absent() { MissingState::Unreadable } else { missing.state };
        NoRing { form: Some(form), ..NoRing::at(Some(true), Missing { state, ..missing }) }
    });
    let (bytes, digest) = file?;
    let is_keybox = || trust::form_of(&bytes) == Some(RingForm::Keybox);
    let copy = copy.or_else(|| is_keybox().then(|| read(&copy_path)));
    let copy = copy.map(|copy| copy.inspect(|copy| note(&copy_path, copy)).map(|(bytes, _)| bytes));
    Ok(Whole { bytes, digest, copy })
}

/// Where gpg keeps a keybox as it was before the last change.
fn copy_of(path: &str) -> String {
    format!("{path}~")
}

/// A ring from the bytes of one file.
fn ring_of(
    door: &Door,
    path: &str,
    form: &'static str,
    kind: Option<RingForm>,
    file: Whole,
    wanted: Wanted<'_>,
) -> Result<Ring, NoRing> {
    let Whole { bytes, digest, copy } = file;
    let digest = Some(digest);
    let mut ignored = Vec::new();
    let only = |certs: Vec<Cert>| {
        let whole = Part::whole(certs);
        match wanted {
            Some(wanted) => whole.only(wanted),
            None => whole,
        }
    };
    let part = match kind {
        Some(RingForm::Keybox) => {
            let look = || {
                let keybox = trust::read_keybox(&bytes)?;
                let part = match wanted {
                    Some(wanted) => trust::some_of_keybox(&keybox, wanted)?,
                    None => Part::whole(trust::from_keybox(&keybox)?),
                };
                Ok::<_, RingError>((keybox, part))
            };
            look().map(|(keybox, part)| {
                let counts = [
                    (keybox.deleted, "deleted blobs"),
                    (keybox.x509, "X.509 blobs"),
                    (keybox.ephemeral, "ephemeral blobs"),
                ];
                ignored.extend(counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what}: {n}")));
                (part, loss(door, path, &keybox, copy))
            })
        }
        Some(RingForm::Binary) => trust::from_binary(&bytes).map(|certs| (only(certs), Ok(None))),
        Some(RingForm::Armored) => trust::from_armor(&bytes).map(|certs| (only(certs), Ok(None))),
        None => Err(RingError::UnknownForm),
    };
    match part {
        Ok((Part { fingerprints, certs }, Ok(note))) => {
            ignored.extend(note);
            Ok(Ring { form, digest, fingerprints, certs, ignored, shadowed: Ok(Vec::new()) })
        }
        Ok((_, Err(missing))) => Err(NoRing { form: Some(form), digest, ..NoRing::at(Some(true), missing) }),
        Err(error) => {
            let missing = corrupt(door, path, &error);
            Err(NoRing { form: Some(form), digest, ..NoRing::at(Some(true), missing) })
        }
    }
}

/// Compares a keybox with the copy that gpg keeps from before its last change. `Ok` with a phrase for `ignored`
/// where the copy cannot be compared: it is a witness, not a part of the ring.
fn loss(
    door: &Door,
    path: &str,
    keybox: &Keybox<'_>,
    copy: Option<Result<Bytes, Missing>>,
) -> Result<Option<String>, Missing> {
    let copy_path = copy_of(path);
    let not_compared = |why: String| Ok(Some(format!("{copy_path}, which could not be compared: {why}")));
    let copy = match copy {
        None => return Ok(None),
        Some(Ok(copy)) => copy,
        Some(Err(missing)) if missing.state.is_absent() => return Ok(None),
        Some(Err(missing)) => return not_compared(format!("{}: {}", missing.state.word(), missing.said)),
    };
    let said = match trust::lost_since(&copy, keybox) {
        Ok(None) => return Ok(None),
        Err(error) => return not_compared(error.to_string()),
        Ok(Some(lost)) if lost.is_empty() => {
            format!("it holds what its copy from before the last change holds, so the last change is lost: {copy_path}")
        }
        Ok(Some(lost)) => {
            let prints: Vec<_> = lost.iter().take(3).map(Fingerprint::to_string).collect();
            let more = if lost.len() > 3 { format!(" and {} more", lost.len() - 3) } else { String::new() };
            format!(
                "it has lost {}{more}, which its copy from before the last change holds: {copy_path}",
                prints.join(", ")
            )
        }
    };
    let next = format!(
        "see what cut or replaced {path}; where that was meant, take the copy away: mv {copy_path} {copy_path}.old"
    );
    Err(door.missing(MissingState::Unreadable, format!("read the keyring {path}"), said, next))
}

fn corrupt(door: &Door, path: &str, error: &RingError) -> Missing {
    let next = match error {
        RingError::Cert { fingerprint, .. } => {
            format!(
                "see what it is: gpg --list-keys {fingerprint}; or name as home a file of the keys that matter: gpg --export"
            )
        }
        RingError::Keybox(_) | RingError::Packet { .. } | RingError::Armor { .. } | RingError::UnknownForm => {
            format!("restore {path} from a backup, or move it away and import the keys anew: gpg --import")
        }
    };
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
fn read_cert_d(door: &Door, home: &str, entries: &[Entry], wanted: Wanted<'_>) -> Result<Ring, NoRing> {
    let fail = |missing: Missing| NoRing { form: Some("cert-d"), ..NoRing::at(Some(true), missing) };
    let mut ring = Ring {
        form: "cert-d",
        digest: None,
        fingerprints: Vec::new(),
        certs: Vec::new(),
        ignored: Vec::new(),
        shadowed: Ok(Vec::new()),
    };
    let mut whole = Vec::new();
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
            let print = Fingerprint::of(&cert.fingerprint());
            if print.as_str() != named {
                return Err(fail(misnamed(door, &path, format!("it holds the certificate {}", cert.fingerprint()))));
            }
            whole.extend(bytes);
            if wanted.is_none_or(|wanted| wanted.contains(&print)) {
                ring.certs.extend(certs);
            }
            ring.fingerprints.push(print);
        }
    }
    ring.fingerprints.sort_unstable();
    ring.digest = Some(Digest256::of(&whole));
    Ok(ring)
}

fn misnamed(door: &Door, path: &str, said: String) -> Missing {
    let next = "see what wrote into the certificate directory".to_owned();
    door.missing(MissingState::Unreadable, format!("read the certificate {path}"), said, next)
}

/// Refuses a home without a keyring where that is not the whole truth: keyboxd keeps the keys, or gpg was
/// interrupted between putting the old keyring aside and the new one in its place.
fn refuse_missing(door: &Door, home: &str, entries: &[Entry]) -> Result<(), Missing> {
    let tried = || format!("find the keyring that gpg uses in {home}");
    if entries.iter().any(|entry| entry.name == KEYBOXD_FOLDER) {
        let folder = format!("{}/{KEYBOXD_FOLDER}", home.trim_end_matches('/'));
        if let Some(database) = door.list(&folder)?.iter().find(|entry| entry.name.starts_with("pubring.db")) {
            let said = format!("{KEYBOXD_FOLDER}/{} is there, so keyboxd keeps the keys", database.name);
            let next = "export the keys and name that file as home: gpg --export > keys.pgp";
            return Err(door.missing(MissingState::Unreadable, tried(), said, next));
        }
    }
    let unfinished = ["pubring.kbx~", "pubring.kbx.tmp", "pubring.gpg~", "pubring.gpg.tmp"];
    if let Some(left) = entries.iter().find(|entry| unfinished.contains(&entry.name.as_str())) {
        let said = format!("there is no keyring but {}: gpg is writing, or was interrupted", left.name);
        let next = format!("run the audit again; if it stays so, restore the keyring: ls -la {home}");
        return Err(door.missing(MissingState::Unreadable, tried(), said, next));
    }
    Ok(())
}

/// Where keyboxd keeps its database in a home.
const KEYBOXD_FOLDER: &str = "public-keys.d";

/// Where the options for every user of the system lie.
const SYSTEM_OPTIONS: &str = "/etc/gnupg";

/// Options by which gpg uses other keyrings than those that lie in the home.
const ELSEWHERE: [&str; 5] = ["keyring", "primary-keyring", "no-default-keyring", "no-keyring", "use-keyboxd"];

/// Refuses a home whose configuration, or the system's, makes gpg use other keyrings than those that lie in it.
fn refuse_elsewhere(door: &Door, home: &str, entries: &[Entry]) -> Result<(), Missing> {
    let system = match door.list(SYSTEM_OPTIONS) {
        Ok(entries) => entries,
        Err(missing) if missing.state.is_absent() => Vec::new(),
        Err(missing) => return Err(missing),
    };
    let files = [(SYSTEM_OPTIONS, system.as_slice()), (home.trim_end_matches('/'), entries)];
    for (folder, entries) in files {
        // gpg prefers gpg.conf-2.2 and the like to gpg.conf; what any of them says is reason enough.
        let options = entries.iter().map(|entry| entry.name.as_str());
        for name in
            options.filter(|name| *name == "common.conf" || *name == "gpg.conf" || name.starts_with("gpg.conf-"))
        {
            let path = format!("{folder}/{name}");
            let text = door.read(&path, 1 << 20)?;
            let text = String::from_utf8_lossy(&text);
            if let Some(option) = text.lines().map(option_of).find(|option| ELSEWHERE.contains(option)) {
                let tried = format!("find the keyring that gpg uses in {home}");
                let said = format!("{path} has the option {option}, so gpg keeps keys elsewhere");
                let next = "name the keyring file itself as home, or export the keys into one: gpg --export > keys.pgp";
                return Err(door.missing(MissingState::Unreadable, tried, said, next));
            }
        }
    }
    Ok(())
}

/// The option that a line of a GnuPG configuration file names.
fn option_of(line: &str) -> &str {
    let word = line.split_whitespace().next().unwrap_or_default();
    word.strip_prefix("--").unwrap_or(word)
}

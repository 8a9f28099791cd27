//! GnuPG's `pubring.kbx`: a sequence of blobs, each with its length, type and checksum.
//!
//! Reads the framing only and hands out each blob's OpenPGP keyblock. It borrows from its input and
//! allocates nothing that the input's own length does not bound. Everything malformed is an error that
//! names its offset. Source of the format: the comment that opens `kbx/keybox-blob.c` in GnuPG.

use rayon::prelude::*;
use sequoia_openpgp::types::HashAlgorithm;

/// The length of the header blob: fixed since the first keybox.
const HEADER: usize = 32;
/// Blob types.
const TYPE_DELETED: u8 = 0;
const TYPE_HEADER: u8 = 1;
const TYPE_OPENPGP: u8 = 2;
const TYPE_X509: u8 = 3;
/// Bit 1 of the header's flags: GnuPG keeps OpenPGP blobs here.
const FLAG_OPENPGP: u16 = 2;
/// Bit 1 of a blob's flags: GnuPG does not count it among the keys of the keyring.
const FLAG_EPHEMERAL: u16 = 2;
/// The checksum at the end of a blob: SHA-1, or four zero bytes and MD5 in keyboxes older than GnuPG 2.1.
const TRAILER: usize = 20;
/// Up to the length of the keyblock: length, type, version, flags, offset, length.
const FIXED: usize = 16;

/// What a keybox holds.
#[derive(Debug, Default)]
pub struct Keybox<'a> {
    /// The keyblocks that GnuPG counts, each with its offset in the file.
    pub keyblocks: Vec<(usize, &'a [u8])>,
    /// Blobs whose type byte GnuPG zeroed when the key was deleted; they stay until the file is compressed.
    pub deleted: usize,
    /// X.509 certificates, which gpgsm keeps in the same file.
    pub x509: usize,
    /// Blobs that are marked ephemeral.
    pub ephemeral: usize,
    /// Every blob after the header, in the file's order.
    pub(super) blobs: Vec<Blob<'a>>,
}

/// One blob.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blob<'a> {
    bytes: &'a [u8],
    kind: Kind,
    /// Its OpenPGP keyblock with its offset in the file, also where it is deleted.
    pub keyblock: Option<(usize, &'a [u8])>,
}

/// What a blob is to GnuPG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A certificate that it counts among the keys of the keyring.
    Live,
    Ephemeral,
    Deleted,
    X509,
}

impl<'a> Blob<'a> {
    /// Whether GnuPG counts it among the keys of the keyring.
    pub fn is_live(&self) -> bool {
        self.kind == Kind::Live
    }

    /// What deleting does not change: everything after the type.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[5..]
    }
}

/// What is wrong with a keybox, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {reason}")]
pub struct KeyboxError {
    /// The offset in the file of the blob or field.
    pub offset: usize,
    /// A lower-case fragment.
    pub reason: String,
}

/// Whether the header says that GnuPG keeps OpenPGP keys in it. Without this mark, gpg prefers a
/// `pubring.gpg` that lies beside it.
pub fn serves_openpgp(bytes: &[u8]) -> bool {
    is_keybox(bytes) && number(bytes, 6, 2).is_some_and(|flags| flags & usize::from(FLAG_OPENPGP) != 0)
}

/// Whether these bytes begin as a keybox does.
pub(super) fn is_keybox(bytes: &[u8]) -> bool {
    bytes.get(4) == Some(&TYPE_HEADER) && bytes.get(8..12) == Some(b"KBXf".as_slice())
}

/// Reads a keybox. One that holds its header alone is an empty keyring.
///
/// # Errors
/// The first thing that is malformed: no header, a length that leaves the file or does not fit its
/// content, an unknown type or version, a checksum that does not match.
pub fn read(bytes: &[u8]) -> Result<Keybox<'_>, KeyboxError> {
    read_beside(bytes, &Keybox::default())
}

/// As [`read`], beside another one that was read: as long as both have the same blobs, these are not looked into again.
pub(super) fn read_beside<'a>(bytes: &'a [u8], other: &Keybox<'a>) -> Result<Keybox<'a>, KeyboxError> {
    let fail = |offset: usize, reason: &str| KeyboxError { offset, reason: reason.to_owned() };
    if !is_keybox(bytes) || bytes.len() < HEADER {
        return Err(fail(0, "it does not begin with the header of a keybox"));
    }
    if number(bytes, 0, 4) != Some(HEADER) || bytes[5] != 1 {
        return Err(fail(0, "the header's length or version is not one that is known"));
    }
    let mut at = HEADER;
    // What is wrong with the framing is told after what is wrong before it.
    let mut framed = std::iter::from_fn(|| {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let framed = frame(rest, at).map(|blob| (at, blob));
        at = framed.as_ref().map_or(bytes.len(), |(at, blob)| at + blob.len());
        Some(framed)
    });
    let (mut keybox, mut unlike) = (Keybox::default(), None);
    for (known, framed) in other.blobs.iter().zip(framed.by_ref()) {
        match framed {
            Ok((_, blob)) if blob == known.bytes => keybox.take(*known),
            differs => {
                unlike = Some(differs);
                break;
            }
        }
    }
    let rest: Vec<Result<(usize, &[u8]), KeyboxError>> = unlike.into_iter().chain(framed).collect();
    let look = |framed: &Result<(usize, &'a [u8]), KeyboxError>| match framed {
        Ok((at, blob)) => look_into(*at, blob),
        Err(error) => Err(error.clone()),
    };
    let looked: Vec<Result<Blob<'a>, KeyboxError>> =
        if rest.len() > ALONE { rest.par_iter().map(look).collect() } else { rest.iter().map(look).collect() };
    for blob in looked {
        keybox.take(blob?);
    }
    Ok(keybox)
}

/// So many blobs are worth a second thread.
const ALONE: usize = 256;

/// The first blob of `rest`, which lies at offset `at` of the file.
fn frame(rest: &[u8], at: usize) -> Result<&[u8], KeyboxError> {
    let fail = |reason: String| KeyboxError { offset: at, reason };
    let length = number(rest, 0, 4).ok_or_else(|| fail("the file ends inside a blob's length".to_owned()))?;
    // The next blob starts at least so many bytes on, so this comes to an end.
    if length < FIXED + TRAILER {
        return Err(fail(format!("a blob of {length} bytes is too short to be one")));
    }
    rest.get(..length).ok_or_else(|| fail(format!("a blob of {length} bytes, of which the file has {}", rest.len())))
}

impl<'a> Keybox<'a> {
    fn take(&mut self, blob: Blob<'a>) {
        match (blob.kind, blob.keyblock) {
            (Kind::Deleted, _) => self.deleted += 1,
            (Kind::X509, _) => self.x509 += 1,
            (Kind::Ephemeral, _) => self.ephemeral += 1,
            (Kind::Live, keyblock) => self.keyblocks.extend(keyblock),
        }
        self.blobs.push(blob);
    }
}

/// Looks into one whole blob, which lies at offset `at` of the file.
fn look_into(at: usize, blob: &[u8]) -> Result<Blob<'_>, KeyboxError> {
    let fail = |inside: usize, reason: String| Err(KeyboxError { offset: at + inside, reason });
    match blob[4] {
        TYPE_OPENPGP => {}
        // Deleting changes this byte alone: with the type put back, the checksum must match.
        TYPE_DELETED if checksum_matches(blob, Some(TYPE_OPENPGP)) => {
            return Ok(Blob { bytes: blob, kind: Kind::Deleted, keyblock: keyblock(at, blob).ok() });
        }
        TYPE_DELETED if checksum_matches(blob, Some(TYPE_X509)) => {
            return Ok(Blob { bytes: blob, kind: Kind::Deleted, keyblock: None });
        }
        TYPE_DELETED => return fail(4, "a deleted blob whose checksum does not match".to_owned()),
        TYPE_X509 => {
            // gpgsm rewrites flags in place without a new checksum, so a stale one is normal here; but it must
            // not be an OpenPGP blob whose type was altered.
            if checksum_matches(blob, Some(TYPE_OPENPGP)) {
                return fail(4, "an OpenPGP blob that is marked as X.509".to_owned());
            }
            return Ok(Blob { bytes: blob, kind: Kind::X509, keyblock: None });
        }
        TYPE_HEADER => return fail(4, "a second header".to_owned()),
        other => return fail(4, format!("a blob of the unknown type {other}")),
    }
    if !checksum_matches(blob, None) {
        return fail(0, format!("the checksum of a blob of {} bytes does not match", blob.len()));
    }
    if !matches!(blob[5], 1 | 2) {
        return fail(5, format!("an OpenPGP blob of the unknown version {}", blob[5]));
    }
    let block = keyblock(at, blob)?;
    let live = number(blob, 6, 2).is_none_or(|flags| flags & usize::from(FLAG_EPHEMERAL) == 0);
    Ok(Blob { bytes: blob, kind: if live { Kind::Live } else { Kind::Ephemeral }, keyblock: Some(block) })
}

/// The keyblock of an OpenPGP blob, with its offset in the file.
fn keyblock(at: usize, blob: &[u8]) -> Result<(usize, &[u8]), KeyboxError> {
    let (offset, length) = (number(blob, 8, 4).unwrap_or(0), number(blob, 12, 4).unwrap_or(0));
    let room = blob.len() - TRAILER;
    let end = offset.checked_add(length).filter(|end| offset >= FIXED && length > 0 && *end <= room);
    let Some(end) = end else {
        let reason = format!("a keyblock of {length} bytes at {offset} does not fit its blob");
        return Err(KeyboxError { offset: at + 8, reason });
    };
    Ok((at + offset, &blob[offset..end]))
}

/// Whether the blob's trailer is the digest of the rest, with the type byte replaced where one is given.
fn checksum_matches(blob: &[u8], blob_type: Option<u8>) -> bool {
    let (body, trailer) = blob.split_at(blob.len() - TRAILER);
    let parts = [&body[..4], &[blob_type.unwrap_or(body[4])], &body[5..]];
    let md5 = || -> Option<Vec<u8>> {
        let mut hash = HashAlgorithm::MD5.context().ok()?.for_digest();
        parts.iter().for_each(|part| hash.update(part));
        hash.into_digest().ok()
    };
    if trailer[..4] == [0; 4] && md5().as_deref() == Some(&trailer[4..]) {
        return true;
    }
    // It guards against accidents and proves nothing, so that the fast SHA-1 does.
    let mut sha1 = openssl::sha::Sha1::new();
    parts.iter().for_each(|part| sha1.update(part));
    sha1.finish() == trailer
}

/// The big-endian number of `width` bytes at `at`.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    Some(field.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(algorithm: HashAlgorithm, bytes: &[u8]) -> Vec<u8> {
        let mut hash = algorithm.context().unwrap().for_digest();
        hash.update(bytes);
        hash.into_digest().unwrap()
    }

    fn header() -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[3] = 32;
        bytes[4..6].copy_from_slice(&[TYPE_HEADER, 1]);
        bytes[8..12].copy_from_slice(b"KBXf");
        bytes
    }

    /// A blob of a type with flags, whose keyblock lies at `offset`; `md5` for the older checksum.
    fn blob(kind: u8, flags: u8, offset: u8, block: &[u8], md5: bool) -> Vec<u8> {
        let body = usize::from(offset).max(FIXED) + block.len();
        let mut bytes = vec![0; body];
        bytes[3] = u8::try_from(body + TRAILER).unwrap();
        bytes[4..8].copy_from_slice(&[kind, 1, 0, flags]);
        bytes[11] = offset;
        bytes[15] = u8::try_from(block.len()).unwrap();
        bytes[body - block.len()..].copy_from_slice(block);
        let sum = if md5 {
            [vec![0; 4], digest(HashAlgorithm::MD5, &bytes)].concat()
        } else {
            digest(HashAlgorithm::SHA1, &bytes)
        };
        [bytes, sum].concat()
    }

    fn error(bytes: &[u8]) -> (usize, String) {
        let error = read(bytes).expect_err("malformed");
        (error.offset, error.reason)
    }

    #[test]
    fn every_blob_is_counted_for_what_it_is() {
        let openpgp = |flags, md5| blob(TYPE_OPENPGP, flags, 16, b"key", md5);
        let mut deleted = openpgp(0, false);
        deleted[4] = TYPE_DELETED;
        let mut deleted_x509 = blob(TYPE_X509, 0, 16, b"cert", false);
        deleted_x509[4] = TYPE_DELETED;
        // The shortest blob there is: nothing between the fixed part and the checksum.
        let bare = blob(TYPE_X509, 0, 16, b"", false);
        assert_eq!(bare.len(), FIXED + TRAILER);
        let later = blob(TYPE_OPENPGP, 0, 20, b"more", false);
        let blobs =
            [openpgp(0, false), deleted, openpgp(2, false), bare, deleted_x509, openpgp(0, true), later].concat();
        let bytes = [header(), blobs].concat();
        let keybox = read(&bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((keybox.deleted, keybox.x509, keybox.ephemeral), (2, 1, 1));
        let blocks: Vec<_> = keybox.keyblocks.iter().map(|(at, block)| (bytes[*at], *block)).collect();
        assert_eq!(blocks, [(b'k', b"key".as_slice()), (b'k', b"key"), (b'm', b"more")]);
        assert!(read(&header()).is_ok_and(|keybox| keybox.keyblocks.is_empty()));
        assert!(!serves_openpgp(&header()));
    }

    #[test]
    fn what_is_altered_is_an_error_with_its_place() {
        let good = blob(TYPE_OPENPGP, 0, 16, b"key", false);
        let changed = |at: usize, value: u8| {
            let mut blob = good.clone();
            blob[at] = value;
            error(&[header(), good.clone(), blob].concat())
        };
        let second = HEADER + good.len();
        let is = |found: (usize, String), at: usize, reason: &str| {
            assert!(found.0 == at && found.1.contains(reason), "{found:?}, not {at}: {reason}");
        };
        is(changed(17, 0), second, "checksum");
        is(changed(3, 35), second, "too short");
        is(changed(3, 200), second, "of which the file has 39");
        is(changed(4, TYPE_HEADER), second + 4, "second header");
        is(changed(4, 9), second + 4, "unknown type 9");
        is(changed(4, TYPE_X509), second + 4, "marked as X.509");
        // Deleted, and altered beside it: nobody can say what was deleted.
        let mut deleted = good.clone();
        deleted[4] = TYPE_DELETED;
        deleted[17] ^= 1;
        is(error(&[header(), deleted].concat()), HEADER + 4, "deleted blob whose checksum");
        // With a checksum that fits: a version that is not known, a keyblock that leaves its blob or is none.
        let resealed = |at: usize, value: u8| {
            let mut blob = good.clone();
            blob[at] = value;
            let body = blob.len() - TRAILER;
            let sum = digest(HashAlgorithm::SHA1, &blob[..body]);
            blob[body..].copy_from_slice(&sum);
            error(&[header(), blob].concat())
        };
        is(resealed(5, 3), HEADER + 5, "version 3");
        is(resealed(11, 15), HEADER + 8, "does not fit");
        is(resealed(11, 17), HEADER + 8, "does not fit");
        is(resealed(15, 4), HEADER + 8, "does not fit");
        is(resealed(15, 0), HEADER + 8, "does not fit");
        // The first four bytes of an MD5 trailer are zero, and the digest fits.
        let old = blob(TYPE_OPENPGP, 0, 16, b"key", true);
        for at in [old.len() - TRAILER, old.len() - 1] {
            let mut old = old.clone();
            old[at] ^= 1;
            is(error(&[header(), old].concat()), HEADER, "checksum");
        }
        is(error(&header()[..31]), 0, "does not begin");
        for (at, value) in [(4, 2), (8, b'k')] {
            let mut header = header();
            header[at] = value;
            is(error(&header), 0, "does not begin");
        }
        for (at, value) in [(3, 33), (5, 2)] {
            let mut header = header();
            header[at] = value;
            is(error(&header), 0, "length or version");
        }
        is(error(&[header(), vec![0, 0]].concat()), HEADER, "inside a blob's length");
    }
}

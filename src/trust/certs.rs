//! Certificates from a keybox, a binary keyring or an armored file: all of them, or an error.
//!
//! Packets are framed by hand, in `packets`, because a parser that recovers from junk reports a broken keyring as a
//! shorter one. Each packet is then read by sequoia, and one that it cannot read fails the whole ring with
//! its offset.

use std::collections::BTreeMap;

use rayon::prelude::*;
use sequoia_openpgp::Packet;
use sequoia_openpgp::cert::{Cert, CertParser};
use sequoia_openpgp::crypto::mpi::PublicKey;
use sequoia_openpgp::packet::Tag;
use sequoia_openpgp::parse::Parse as _;

use super::packets::{packet_body, packet_end, tag_at};
use super::{Fingerprint, Keybox, KeyboxError, ahead, armor, keybox};

/// The form in which a file keeps certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingForm {
    /// GnuPG's keybox.
    Keybox,
    /// Packets one after the other: GnuPG's older `pubring.gpg`, `gpg --export`.
    Binary,
    /// ASCII armor.
    Armored,
}

/// Why a keyring cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The keybox's framing.
    #[error("keybox, {0}")]
    Keybox(#[from] KeyboxError),
    /// A packet, or what packets should be.
    #[error("at byte {offset}: {reason}")]
    Packet {
        /// The offset in the file; in the decoded block where it is armored.
        offset: usize,
        /// A lower-case fragment.
        reason: String,
    },
    /// The armor around the packets.
    #[error("line {line}: {reason}")]
    Armor {
        /// The line, from 1.
        line: usize,
        /// A lower-case fragment.
        reason: String,
    },
    /// A whole certificate.
    #[error("certificate {fingerprint}: {reason}")]
    Cert {
        /// Its fingerprint as read.
        fingerprint: Fingerprint,
        /// A lower-case fragment.
        reason: String,
    },
    /// Nothing that is known.
    #[error("it is neither a keybox nor a binary or armored keyring")]
    UnknownForm,
}

/// The form of a file's bytes; `None` for an empty file and for anything that is no keyring.
pub fn form_of(bytes: &[u8]) -> Option<RingForm> {
    if keybox::is_keybox(bytes) {
        Some(RingForm::Keybox)
    } else if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        Some(RingForm::Binary)
    } else if armor::is_armored(bytes) {
        Some(RingForm::Armored)
    } else {
        None
    }
}

/// The certificates of a keyring in any form, one per fingerprint, sorted by it.
///
/// # Errors
/// As the reader of its form.
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<Cert>, RingError> {
    match form_of(bytes) {
        Some(RingForm::Keybox) => from_keybox(&keybox::read(bytes)?),
        Some(RingForm::Binary) => from_binary(bytes),
        Some(RingForm::Armored) => from_armor(bytes),
        None => Err(RingError::UnknownForm),
    }
}

/// The fingerprints of certificates that a keybox has lost: those that its copy from before the last change holds,
/// and that it neither holds nor marks as deleted. `None` where nothing is lost; an empty list where blobs at its
/// end are lost and no certificate that the copy knows, for gpg writes the copy before each change and the
/// keybox still equals it.
///
/// GnuPG counts nothing in a keybox, so a file that was cut between two blobs is whole in itself; the copy
/// `pubring.kbx~` (`rename_tmp_file` in GnuPG's `kbx/keybox-update.c`) is the one witness.
///
/// # Errors
/// When one of both cannot be read.
pub fn lost_since<'a>(copy: &'a [u8], keybox: &Keybox<'a>) -> Result<Option<Vec<Fingerprint>>, RingError> {
    let copy = keybox::read_beside(copy, keybox)?;
    let mut lost = Vec::new();
    // A blob that is there to the byte needs no parsing; deleting changes nothing but its type. Nearly every one lies
    // where it lay.
    let as_before = copy.blobs.iter().zip(&keybox.blobs).take_while(|(a, b)| a.body() == b.body()).count();
    let moved = &copy.blobs[as_before..];
    let kept: &[_] = if moved.is_empty() { &[] } else { &keybox.blobs };
    let kept: std::collections::BTreeSet<&[u8]> = kept.iter().map(|blob| blob.body()).collect();
    let gone = moved.iter().filter(|blob| blob.is_live() && !kept.contains(blob.body()));
    let gone: Vec<_> = gone.filter_map(|blob| blob.keyblock).collect();
    if !gone.is_empty() {
        let known = keybox.blobs.iter().filter_map(|blob| blob.keyblock);
        let known = known.map(|(offset, block)| named(block, offset));
        let known = known.collect::<Result<std::collections::BTreeSet<_>, _>>()?;
        for (offset, block) in gone {
            let print = named(block, offset)?;
            lost.extend((!known.contains(&print)).then_some(print));
        }
    }
    let unchanged = copy.blobs.len() == keybox.blobs.len() && as_before == copy.blobs.len();
    Ok((unchanged || !lost.is_empty()).then_some(lost))
}

/// The certificates of a keybox that was read.
///
/// # Errors
/// A keyblock that is not exactly one certificate.
pub fn from_keybox(keybox: &Keybox<'_>) -> Result<Vec<Cert>, RingError> {
    merge(of_keyblocks(&keybox.keyblocks)?)
}

/// A ring of which some certificates were wanted.
#[derive(Debug, Default)]
pub struct Part {
    /// The fingerprints of all of them, each once, sorted.
    pub fingerprints: Vec<Fingerprint>,
    /// Those that were wanted, sorted by fingerprint.
    pub certs: Vec<Cert>,
}

impl Part {
    /// A whole ring.
    pub fn whole(certs: Vec<Cert>) -> Self {
        Self { fingerprints: certs.iter().map(|cert| Fingerprint::of(&cert.fingerprint())).collect(), certs }
    }

    /// Of a whole ring, the certificates that are wanted.
    #[must_use]
    pub fn only(mut self, wanted: &[Fingerprint]) -> Self {
        self.certs.retain(|cert| wanted.contains(&Fingerprint::of(&cert.fingerprint())));
        self
    }
}

/// Of a keybox the certificates that are wanted, and the fingerprints of the others. What is inside these is framed and
/// not read, but where a revocation by another key depends on it.
///
/// # Errors
/// As [`from_keybox`] of what is wanted; a keyblock that is not one certificate by its packets.
pub fn some_of_keybox(keybox: &Keybox<'_>, wanted: &[Fingerprint]) -> Result<Part, RingError> {
    let name = |(offset, block): &(usize, &[u8])| named(block, *offset);
    let names: Vec<_> = if keybox.keyblocks.len() > ALONE {
        keybox.keyblocks.par_iter().map(name).collect()
    } else {
        keybox.keyblocks.iter().map(name).collect()
    };
    let names: Vec<Fingerprint> = names.into_iter().collect::<Result<_, _>>()?;
    let those = keybox.keyblocks.iter().zip(&names).filter(|(_, print)| wanted.contains(print));
    let those: Vec<_> = those.map(|(block, _)| *block).collect();
    let certs = merge(of_keyblocks(&those)?)?;
    if certs.iter().any(|cert| cert.keys().any(|key| key.other_revocations().next().is_some())) {
        return from_keybox(keybox).map(Part::whole);
    }
    let mut fingerprints = names;
    fingerprints.sort_unstable();
    fingerprints.dedup();
    Ok(Part { fingerprints, certs })
}

/// So many certificates are worth a second thread.
const ALONE: usize = 32;

fn of_keyblocks(keyblocks: &[(usize, &[u8])]) -> Result<Vec<Cert>, RingError> {
    let one = |offset: usize, packets: Vec<Packet>| {
        let found = certs_of(packets, offset)?;
        let count = found.len();
        let one = found.into_iter().next().filter(|_| count == 1);
        one.ok_or_else(|| RingError::Packet { offset, reason: format!("a keyblock with {count} certificates") })
    };
    // The first that is wrong is told, whichever was found first.
    if keyblocks.len() <= ALONE {
        return keyblocks.iter().map(|(offset, block)| one(*offset, packets_of(block, *offset)?)).collect();
    }
    let checked = |(offset, block): &(usize, &[u8])| {
        let packets = packets_of(block, *offset)?;
        let held = ahead::held(&packets);
        Ok::<_, RingError>((one(*offset, packets)?, held))
    };
    let checked: Vec<Result<_, _>> = keyblocks.par_iter().map(checked).collect();
    let checked: Vec<_> = checked.into_iter().collect::<Result<_, _>>()?;
    let (certs, held): (Vec<_>, Vec<_>) = checked.into_iter().unzip();
    ahead::remember(held.into_iter().flatten().collect());
    Ok(certs)
}

/// The fingerprint of the one certificate of a keyblock at offset `base` of the file: its packets are framed, and the
/// first one is hashed (RFC 9580, section 5.5.4).
fn named(block: &[u8], base: usize) -> Result<Fingerprint, RingError> {
    let fail = |offset, reason| wrong(base, offset, reason);
    let (mut at, mut first, mut primaries) = (0, 0..0, 0);
    while at < block.len() {
        let (body, end) = packet_body(block, at).map_err(|reason| fail(at, reason))?;
        if at == 0 {
            first = body..end;
        }
        primaries += usize::from(tag_at(block, at) == Tag::PublicKey);
        at = end;
    }
    let body = &block[first];
    let print = match (body.first(), u16::try_from(body.len()), u32::try_from(body.len())) {
        (Some(4), Ok(length), _) => {
            let mut hash = openssl::sha::Sha1::new();
            hash.update(&[0x99]);
            hash.update(&length.to_be_bytes());
            hash.update(body);
            sequoia_openpgp::Fingerprint::from_bytes(4, &hash.finish())
        }
        (Some(6), _, Ok(length)) => {
            let mut hash = openssl::sha::Sha256::new();
            hash.update(&[0x9b]);
            hash.update(&length.to_be_bytes());
            hash.update(body);
            sequoia_openpgp::Fingerprint::from_bytes(6, &hash.finish())
        }
        (Some(_) | None, _, _) => {
            // Of another version, or nothing: read, it says what it is.
            let certs = parse(block, base)?;
            return match certs.as_slice() {
                [cert] => Ok(Fingerprint::of(&cert.fingerprint())),
                _ => Err(fail(0, format!("a keyblock with {} certificates", certs.len()))),
            };
        }
    };
    if tag_at(block, 0) != Tag::PublicKey || primaries != 1 {
        return Err(fail(0, format!("a keyblock with {primaries} certificates")));
    }
    print.map(|print| Fingerprint::of(&print)).map_err(|error| fail(0, sentence(&error)))
}

/// The certificates of a binary keyring. No bytes are no certificates: the form has no header.
///
/// # Errors
/// The first packet that is truncated, broken, of a version that is not known, or that does not belong into
/// a keyring; a certificate without any signature of its own that holds.
pub fn from_binary(bytes: &[u8]) -> Result<Vec<Cert>, RingError> {
    match blocks_of(bytes) {
        Some(blocks) if blocks.len() > ALONE => merge(of_keyblocks(&blocks)?),
        Some(_) | None => merge(parse(bytes, 0)?),
    }
}

/// The parts of a binary keyring that begin with a primary key, each with its offset; `None` where it does not consist of
/// such parts.
fn blocks_of(bytes: &[u8]) -> Option<Vec<(usize, &[u8])>> {
    let (mut at, mut starts) = (0, Vec::new());
    while at < bytes.len() {
        if tag_at(bytes, at) == Tag::PublicKey {
            starts.push(at);
        }
        at = packet_end(bytes, at).ok()?;
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let blocks = starts.iter().zip(ends).map(|(start, end)| (*start, &bytes[*start..end])).collect();
    (starts.first() == Some(&0)).then_some(blocks)
}

/// The certificates of every armored block of a file.
///
/// # Errors
/// As [`from_binary`]; broken armor; a block that holds something else than public keys.
pub fn from_armor(bytes: &[u8]) -> Result<Vec<Cert>, RingError> {
    let blocks = armor::blocks(bytes).map_err(|error| RingError::Armor { line: error.line, reason: error.reason })?;
    let mut certs = Vec::new();
    for block in &blocks {
        if block.label != "PUBLIC KEY BLOCK" {
            let reason = format!("a {:?} where a public key block should be", block.label);
            return Err(RingError::Armor { line: block.line, reason });
        }
        certs.extend(parse(&block.bytes, 0)?);
    }
    if blocks.is_empty() { Err(RingError::UnknownForm) } else { merge(certs) }
}

/// Certificates from bytes that begin at offset `base` of the file.
fn parse(bytes: &[u8], base: usize) -> Result<Vec<Cert>, RingError> {
    certs_of(packets_of(bytes, base)?, base)
}

/// What is wrong with packets, and where in the file that they begin in at offset `base`.
fn wrong(base: usize, offset: usize, reason: String) -> RingError {
    RingError::Packet { offset: base + offset, reason }
}

/// The packets of a keyring or a part of one that begins at offset `base` of the file.
fn packets_of(bytes: &[u8], base: usize) -> Result<Vec<Packet>, RingError> {
    let fail = |offset, reason| wrong(base, offset, reason);
    let mut packets = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = packet_end(bytes, at).map_err(|reason| fail(at, reason))?;
        let secret = matches!(tag_at(bytes, at), Tag::SecretKey | Tag::SecretSubkey);
        // What is wrong inside a secret key may be told with a piece of it.
        let said = |error: &sequoia_openpgp::anyhow::Error| {
            if secret { "a secret key that cannot be read".to_owned() } else { sentence(error) }
        };
        let packet = Packet::from_bytes(&bytes[at..end]).map_err(|error| fail(at, said(&error)))?;
        match (&packet, packet.tag()) {
            (Packet::Unknown(unknown), tag) => {
                return Err(fail(at, format!("a {tag} packet that cannot be read: {}", said(unknown.error()))));
            }
            // gpg encrypts to no key that it knows only from a keyring of secret keys.
            (_, Tag::SecretKey | Tag::SecretSubkey) => {
                return Err(fail(at, "a secret key where public keys should be".to_owned()));
            }
            (
                _,
                Tag::PublicKey | Tag::PublicSubkey | Tag::UserID | Tag::UserAttribute | Tag::Signature | Tag::Trust,
            ) => packets.push(packet),
            (_, tag) => return Err(fail(at, format!("a {tag} packet does not belong into a keyring"))),
        }
        at = end;
    }
    Ok(packets)
}

/// The certificates that packets make up.
fn certs_of(packets: Vec<Packet>, base: usize) -> Result<Vec<Cert>, RingError> {
    let fail = |reason| wrong(base, 0, reason);
    if packets.is_empty() && base > 0 {
        return Err(fail("no packets".to_owned()));
    }
    let primaries = packets.iter().filter(|packet| packet.tag() == Tag::PublicKey).count();
    let certs: Result<Vec<Cert>, _> = CertParser::from(packets).collect();
    let certs = certs.map_err(|error| fail(sentence(&error)))?;
    if certs.len() != primaries {
        return Err(fail(format!("{primaries} primary keys make {} certificates", certs.len())));
    }
    Ok(certs)
}

/// One certificate per fingerprint, sorted by it: copies are merged, so that a revocation on one of them counts.
fn merge(certs: Vec<Cert>) -> Result<Vec<Cert>, RingError> {
    let mut merged: BTreeMap<Fingerprint, Cert> = BTreeMap::new();
    // Counting them verifies them, which takes most of the time; the certificate remembers the answer.
    let own: Vec<usize> =
        if certs.len() > ALONE { certs.par_iter().map(own).collect() } else { certs.iter().map(own).collect() };
    for (cert, own) in certs.into_iter().zip(own) {
        let fingerprint = Fingerprint::of(&cert.fingerprint());
        let fail = |reason: String| RingError::Cert { fingerprint: fingerprint.clone(), reason };
        if own == 0 {
            let said = "none of the signatures on it is its own and holds";
            return Err(fail(match unknown_kind(&cert) {
                Some(kind) => format!("{said}: its key is of a kind that is not known here ({kind})"),
                None => said.to_owned(),
            }));
        }
        let whole = match merged.remove(&fingerprint) {
            Some(other) => other.merge_public(cert).map_err(|error| fail(sentence(&error)))?,
            None => cert,
        };
        merged.insert(fingerprint, whole);
    }
    Ok(merged.into_values().collect())
}

/// How many of the signatures on a certificate are its own and hold.
fn own(cert: &Cert) -> usize {
    cert.keys().flat_map(|key| key.self_signatures().chain(key.self_revocations())).count()
        + cert.userids().flat_map(|id| id.self_signatures()).count()
}

/// The algorithm or curve of a primary key with which no signature can be checked here.
#[allow(clippy::wildcard_enum_match_arm, reason = "not our enum; only these kinds of key have a curve")]
fn unknown_kind(cert: &Cert) -> Option<String> {
    let primary = cert.primary_key().key();
    if !primary.pk_algo().is_supported() {
        return Some(primary.pk_algo().to_string());
    }
    let curve = match primary.mpis() {
        PublicKey::EdDSA { curve, .. } | PublicKey::ECDSA { curve, .. } | PublicKey::ECDH { curve, .. } => curve,
        _ => return None,
    };
    (!curve.is_supported()).then(|| curve.to_string())
}

/// An error of sequoia's with its causes, on one line. Where a cause prints a whole packet, as in `SecretKey(V4(…`,
/// it ends before that: the content may be secret, and it is printed with addresses of memory.
pub(super) fn sentence(error: &sequoia_openpgp::anyhow::Error) -> String {
    let told = |cause: &(dyn std::error::Error + 'static)| {
        let text = cause.to_string();
        let printed = text.match_indices('(').find(|(at, _)| text[..*at].ends_with(char::is_alphanumeric));
        printed.map_or(text.clone(), |(at, _)| text[..at].to_owned())
    };
    let mut parts: Vec<String> = error.chain().map(told).collect();
    parts.dedup();
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use sequoia_openpgp::Profile;
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::serialize::MarshalInto as _;

    use super::*;

    /// A keyring file may be empty; a keyblock may not.
    #[test]
    fn no_packets_are_a_keyring_and_no_keyblock() {
        assert_eq!(parse(b"", 0).map(|certs| certs.len()).ok(), Some(0));
        assert_eq!(parse(b"", 9).expect_err("refused").to_string(), fail_at(9).to_string());
    }

    /// A keyring of many certificates is read in another way than one of few, and says the same of each.
    #[test]
    fn one_among_many_is_judged_as_alone() {
        let make = |number: usize| {
            let builder = CertBuilder::new().add_userid(format!("key {number}")).add_storage_encryption_subkey();
            let cert = builder.set_profile(Profile::RFC4880).expect("a profile").generate().expect("a key").0;
            cert.to_vec().expect("bytes")
        };
        let certs: Vec<Vec<u8>> = (0..=ALONE).map(make).collect();
        let (before, good) = (certs[..9].concat(), &certs[9]);
        let mut seen = [0; 4];
        for at in (0..good.len()).step_by(3) {
            let mut altered = good.clone();
            altered[at] ^= 1 << (at % 8);
            let print = |cert: &Cert| cert.fingerprint();
            let alone = from_binary(&altered).map(|certs| certs.iter().map(|cert| (print(cert), own(cert))).collect());
            let among = from_binary(&[before.as_slice(), &altered, &certs[10..].concat()].concat()).map(|all| {
                let others: Vec<_> = certs.iter().filter_map(|cert| Cert::from_bytes(cert).ok()).collect();
                let is_other = |cert: &Cert| others.iter().any(|other| print(other) == print(cert));
                let own_print = print(&Cert::from_bytes(good).expect("a certificate"));
                let it = all.iter().filter(|cert| !is_other(cert) || print(cert) == own_print);
                it.map(|cert| (print(cert), own(cert))).collect::<Vec<_>>()
            });
            let alone: Result<Vec<_>, RingError> = alone;
            match (alone, among) {
                (Ok(alone), Ok(among)) => {
                    assert_eq!(alone, among, "byte {at}");
                    seen[alone[0].1.min(2)] += 1;
                }
                (Err(_), Err(_)) => seen[3] += 1,
                (alone, among) => panic!("byte {at}: {alone:?}, {among:?}"),
            }
        }
        assert!(seen[1] + seen[2] > 20 && seen[3] > 20, "{seen:?}");
    }

    fn fail_at(offset: usize) -> RingError {
        RingError::Packet { offset, reason: "no packets".to_owned() }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_in_the_file() {
        let error = parse(&[0xc6, 0, 0x7f], 40).expect_err("refused");
        assert!(matches!(error, RingError::Packet { offset: 40 | 42, .. }), "{error}");
    }
}

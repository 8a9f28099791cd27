//! Ed25519 self-signatures of a large keyring, checked ahead of sequoia and by a faster library.
//!
//! A keyring of thousands of keys costs what its signatures cost, and `ed25519-dalek` checks one in about a third of
//! OpenSSL's time. Sequoia remembers which signatures held, by a digest of the signature, of what is signed and of the
//! key ([`SignatureVerificationCache`]); what holds here is put into that memory, and sequoia goes on from there: policy,
//! times, flags, revocations and everything that is not Ed25519 stay its own.
//!
//! Nothing is decided here. Only what holds by the stricter of the two rules (`verify_strict`: no keys of small order, no
//! second way to write a number) is remembered; what is refused, is not understood or was passed over is checked by
//! sequoia as if this did not exist. The memory is that of the process: nothing of it is read from anywhere.

use ed25519_dalek::{Signature as Numbers, VerifyingKey};
use sequoia_openpgp::Packet;
use sequoia_openpgp::crypto::mpi;
use sequoia_openpgp::packet::signature::cache::SignatureVerificationCache;
use sequoia_openpgp::packet::{Key, Signature, UserID, key};
use sequoia_openpgp::serialize::MarshalInto as _;
use sequoia_openpgp::types::Curve;

/// What sequoia remembers of one signature that held.
pub(super) type Memory = Vec<u8>;

type Primary = Key<key::PublicParts, key::PrimaryRole>;

/// What the signatures that follow are about.
#[derive(Clone, Copy)]
enum About<'a> {
    Primary,
    UserId(&'a UserID),
    Subkey(&'a Key<key::PublicParts, key::SubordinateRole>),
    /// A user attribute: rare, and left to sequoia.
    Other,
}

/// Of the packets of one certificate, the primary key's own signatures that hold.
pub(super) fn held(packets: &[Packet]) -> Vec<Memory> {
    let Some((Packet::PublicKey(primary), rest)) = packets.split_first() else { return Vec::new() };
    let Some(key) = verifying(primary.mpis()) else { return Vec::new() };
    let mut about = About::Primary;
    let mut held = Vec::new();
    for packet in rest {
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "not our enum; a new kind of packet is nothing that is known"
        )]
        match packet {
            Packet::UserID(id) => about = About::UserId(id),
            Packet::PublicSubkey(subkey) => about = About::Subkey(subkey),
            Packet::Signature(signature) => held.extend(check(primary, &key, about, signature)),
            Packet::Trust(_) => {}
            _ => about = About::Other,
        }
    }
    held
}

/// Hands to sequoia what held, and waits until it knows.
pub(super) fn remember(memories: Vec<Memory>) {
    if memories.is_empty() {
        return;
    }
    let (done, wait) = std::sync::mpsc::channel();
    SignatureVerificationCache::restore(memories.into_iter(), move || {
        // Whoever waited is gone when the process ends.
        let _ = done.send(());
    });
    // Should its thread die, nothing was remembered, and everything is checked anew.
    let _ = wait.recv();
}

/// An Ed25519 key, as RFC 9580 writes it or as GnuPG did before.
fn verifying(key: &mpi::PublicKey) -> Option<VerifyingKey> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "not our enum; only these two are Ed25519")]
    let bytes: [u8; 32] = match key {
        mpi::PublicKey::Ed25519 { a } => *a,
        mpi::PublicKey::EdDSA { curve: curve @ Curve::Ed25519, q } => q.decode_point(curve).ok()?.0.try_into().ok()?,
        _ => return None,
    };
    VerifyingKey::from_bytes(&bytes).ok()
}

/// The signature's two numbers, in the form that belongs to the form of the key.
fn numbers(key: &mpi::PublicKey, signature: &mpi::Signature) -> Option<Numbers> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "not our enum; only these two pairs are Ed25519")]
    let bytes: [u8; 64] = match (key, signature) {
        (mpi::PublicKey::Ed25519 { .. }, mpi::Signature::Ed25519 { s }) => **s,
        (mpi::PublicKey::EdDSA { .. }, mpi::Signature::EdDSA { r, s }) => {
            let both = [r.value_padded(32).ok()?, s.value_padded(32).ok()?].concat();
            both.try_into().ok()?
        }
        _ => return None,
    };
    Some(Numbers::from_bytes(&bytes))
}

/// What is to be remembered of a signature that the primary key made and that holds.
fn check(primary: &Primary, key: &VerifyingKey, about: About<'_>, signature: &Signature) -> Option<Memory> {
    let numbers = numbers(primary.mpis(), signature.mpis())?;
    // Signatures of others are many, and not this key's.
    let (id, print) = (primary.key_handle(), primary.keyid().into());
    if !signature.get_issuers().iter().any(|issuer| issuer.aliases(&id) || issuer.aliases(&print)) {
        return None;
    }
    let mut hash = signature.hash_algo().context().ok()?.for_signature(signature.version());
    match about {
        About::Primary => signature.hash_direct_key(&mut hash, primary),
        About::UserId(id) => signature.hash_userid_binding(&mut hash, primary, id),
        About::Subkey(subkey) => signature.hash_subkey_binding(&mut hash, primary, subkey),
        About::Other => return None,
    }
    .ok()?;
    let digest = hash.into_digest().ok()?;
    // Where the two bytes that a signature has of its digest are others, sequoia does not take it for one of this key's.
    if !digest.starts_with(signature.digest_prefix()) {
        return None;
    }
    key.verify_strict(&digest, &numbers).ok()?;
    memory(primary.mpis(), signature, &digest)
}

/// Under what sequoia looks for a signature: half of the SHA-512 of its form (0), its numbers with their length, its hash
/// algorithm, what was signed, and the key. Where another version of the library looks for something else, it finds
/// nothing and checks the signature itself; a test says so.
fn memory(key: &mpi::PublicKey, signature: &Signature, digest: &[u8]) -> Option<Memory> {
    let numbers = signature.mpis().to_vec().ok()?;
    let length = u32::try_from(numbers.len()).ok()?;
    let mut hash = openssl::sha::Sha512::new();
    hash.update(&[0]);
    hash.update(&length.to_le_bytes());
    hash.update(&numbers);
    hash.update(&[signature.hash_algo().into()]);
    hash.update(digest);
    hash.update(&key.to_vec().ok()?);
    Some(hash.finish()[..32].to_vec())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sequoia_openpgp::cert::{Cert, CertBuilder, CipherSuite};
    use sequoia_openpgp::packet::signature::cache::Entry;
    use sequoia_openpgp::{Profile, parse::Parse as _};

    use super::*;

    /// A certificate with a subkey for encryption, as GnuPG writes it or as RFC 9580 does.
    fn cert(profile: Profile, suite: CipherSuite) -> Cert {
        let builder = CertBuilder::new().set_cipher_suite(suite).add_userid("an auditor");
        let builder = builder.add_storage_encryption_subkey();
        builder.set_profile(profile).expect("a profile").generate().expect("a certificate").0
    }

    fn packets(cert: &Cert) -> Vec<Packet> {
        cert.clone().into_packets().collect()
    }

    /// Has sequoia check all of a certificate's own signatures, and says how many hold.
    fn own(cert: &Cert) -> usize {
        cert.keys().map(|key| key.self_signatures().count()).sum::<usize>()
            + cert.userids().map(|id| id.self_signatures().count()).sum::<usize>()
    }

    #[test]
    fn what_is_remembered_is_what_sequoia_looks_for() {
        for profile in [Profile::RFC4880, Profile::RFC9580] {
            let cert = cert(profile, CipherSuite::Cv25519);
            let held = held(&packets(&cert));
            assert_eq!(held.len(), own(&cert), "{profile:?}");
            // It has remembered by now what it checked itself.
            let known = SignatureVerificationCache::dump().into_iter();
            let known: BTreeSet<Memory> = known.map(|entry: Entry| entry.value().to_vec()).collect();
            assert!(held.iter().all(|memory| known.contains(memory)), "{profile:?}");
        }
    }

    #[test]
    fn what_was_remembered_is_not_checked_again() {
        let cert = cert(Profile::RFC4880, CipherSuite::Cv25519);
        let held = held(&packets(&cert));
        remember(held.clone());
        assert!(own(&cert) > 0);
        let known: Vec<Entry> = SignatureVerificationCache::dump().into_iter().collect();
        for memory in held {
            let entry = known.iter().find(|entry| entry.value() == memory).expect("it is remembered");
            assert!(entry.accessed() && !entry.inserted(), "it was found, and not put there by a check");
        }
    }

    /// No altered bit of a certificate, of whatever packet, makes a signature hold that sequoia refuses.
    #[test]
    fn nothing_is_held_that_sequoia_refuses() {
        let good = cert(Profile::RFC4880, CipherSuite::Cv25519);
        let bytes = sequoia_openpgp::serialize::MarshalInto::to_vec(&good).expect("bytes");
        let all = held(&packets(&good)).len();
        let mut refused = 0;
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(pile) = sequoia_openpgp::PacketPile::from_bytes(&bytes) else { continue };
            let packets: Vec<Packet> = pile.into_children().collect();
            let held = held(&packets).len();
            let Ok(cert) = Cert::from_packets(packets.into_iter()) else { continue };
            let own = own(&cert);
            assert!(held <= own, "bit {bit}: {held} held of {own}");
            refused += usize::from(held < all);
        }
        assert!(refused > bytes.len() * 4, "{refused} of {} bits were seen", bytes.len() * 8);
    }

    #[test]
    fn what_is_not_ed25519_or_not_its_own_is_left_alone() {
        assert!(held(&packets(&cert(Profile::RFC4880, CipherSuite::P256))).is_empty());
        assert!(held(&[]).is_empty());
        let one = packets(&cert(Profile::RFC4880, CipherSuite::Cv25519));
        let mut other = packets(&cert(Profile::RFC4880, CipherSuite::Cv25519));
        assert!(!held(&other).is_empty());
        other[0] = one[0].clone();
        assert!(held(&other).is_empty(), "another key's signatures");
    }
}

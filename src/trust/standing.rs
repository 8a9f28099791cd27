//! What a certificate and each of its keys can be relied on for at one moment.
//!
//! Stricter than sequoia's own verdict in three ways, because here a wrong yes costs more than a wrong no:
//! a revocation counts for ever, whatever its date, its hash and the self-signatures after it (as gpg has
//! it); a revocation by a designated revoker whose key is not at hand leaves the question undecided; and so
//! does any signature of the certificate's own that does not verify, for it may have been a revocation or a
//! shorter life.

use std::sync::LazyLock;
use std::time::SystemTime;

use sequoia_openpgp::KeyHandle;
use sequoia_openpgp::cert::Cert;
use sequoia_openpgp::cert::amalgamation::key::{ErasedKeyAmalgamation, PrimaryKey as _, ValidErasedKeyAmalgamation};
use sequoia_openpgp::cert::amalgamation::{ValidAmalgamation as _, ValidateAmalgamation as _};
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::policy::{AsymmetricAlgorithm, StandardPolicy};
use sequoia_openpgp::types::{HashAlgorithm, PublicKeyAlgorithm, RevocationType};

use super::Fingerprint;
use super::certs::sentence;
use crate::evidence::Instant;

/// Whether a key was taken back, the worst last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revocation {
    /// No revocation is known.
    No,
    /// It cannot be told, and why.
    Undecided(String),
    /// Retired or replaced: what it signed before may stand elsewhere, not here.
    Soft,
    /// Compromised, or no reason given: nothing of it stands.
    Hard,
}

/// Whether a key may be used at the moment asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usable {
    /// Nothing speaks against it.
    Yes,
    /// It expired then.
    Expired(Instant),
    /// It is not made yet.
    NotYet(Instant),
    /// Revoked: [`Revocation::Soft`] or [`Revocation::Hard`].
    Revoked(Revocation),
    /// Sequoia's standard policy refuses the key or the signature that binds it, and why.
    Refused(String),
    /// It cannot be told, and why.
    Undecided(String),
}

/// What a key may be used for at the moment asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// Its flags let others encrypt to it, and its algorithm can.
    pub encrypts: bool,
    /// Its flags let it sign data.
    pub signs: bool,
}

/// One key of a certificate.
#[derive(Clone, Debug)]
pub struct KeyStanding {
    /// Its own fingerprint.
    pub fingerprint: Fingerprint,
    /// Whether it is the primary key.
    pub primary: bool,
    /// "RSA", "EdDSA", "ECDH" …
    pub algorithm: String,
    /// The size of the modulus, group or curve; `None` where the algorithm has no such notion.
    pub bits: Option<usize>,
    /// When it was made, by its own claim.
    pub created: Instant,
    /// When it expires, `None` if never; or why that cannot be told.
    pub expires: Result<Option<Instant>, String>,
    /// Whether this key itself, or for the primary key the certificate, was taken back.
    pub revoked: Revocation,
    /// Whether it may be used, its certificate's standing included.
    pub usable: Usable,
    /// What its flags allow; nothing where the policy refuses it.
    pub ability: Ability,
}

/// A certificate at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What the standard policy says about the primary key and its binding: the reason where it refuses.
    pub policy: Result<(), String>,
    /// The primary key first, then the subkeys in the certificate's order.
    pub keys: Vec<KeyStanding>,
}

impl Standing {
    /// How `cert` stands at the moment `at`, under the standard policy as of `policy_at`. `ring` is where
    /// designated revokers are looked for.
    pub fn of(cert: &Cert, ring: &[Cert], policy_at: Instant, at: Instant) -> Self {
        let policy = StandardPolicy::at(SystemTime::from(policy_at));
        static LENIENT: LazyLock<StandardPolicy<'static>> = LazyLock::new(lenient);
        let lenient: &StandardPolicy<'_> = &LENIENT;
        let damage = damage(cert);
        let accepted = cert.with_policy(&policy, SystemTime::from(at));
        let mut keys: Vec<KeyStanding> = Vec::new();
        for key in cert.keys() {
            let mut standing = KeyStanding::of(&key, ring, &policy, lenient, at);
            if let Some(reason) = &damage {
                standing.revoked = standing.revoked.max(Revocation::Undecided(reason.clone()));
                if !matches!(standing.usable, Usable::Revoked(_)) {
                    standing.usable = Usable::Undecided(reason.clone());
                }
                standing.expires = Err(reason.clone());
            }
            // A subkey falls with its certificate.
            if let Some(primary) = keys.first()
                && primary.usable != Usable::Yes
                && (standing.usable == Usable::Yes || matches!(primary.usable, Usable::Revoked(_)))
            {
                standing.usable = primary.usable.clone();
            }
            keys.push(standing);
        }
        Self { policy: accepted.map(drop).map_err(|error| sentence(&error)), keys }
    }

    /// The primary key.
    pub fn primary(&self) -> &KeyStanding {
        self.keys.first().expect("invariant: a certificate has a primary key, and keys() gives it first")
    }

    /// The key with a fingerprint.
    pub fn key(&self, fingerprint: &Fingerprint) -> Option<&KeyStanding> {
        self.keys.iter().find(|key| key.fingerprint == *fingerprint)
    }
}

impl KeyStanding {
    /// One key, without what its certificate as a whole adds.
    fn of(
        key: &ErasedKeyAmalgamation<'_, PublicParts>,
        ring: &[Cert],
        policy: &StandardPolicy<'_>,
        lenient: &StandardPolicy<'_>,
        at: Instant,
    ) -> Self {
        let time = SystemTime::from(at);
        let accepted = key.clone().with_policy(policy, time);
        let known = key.clone().with_policy(lenient, time).map_err(|error| sentence(&error));
        let expires = match (&accepted, &known) {
            (Ok(key), _) | (Err(_), Ok(key)) => Ok(key.key_expiration_time().map(Instant::from)),
            (Err(_), Err(reason)) => Err(reason.clone()),
        };
        let created = Instant::from(key.key().creation_time());
        let revoked = revocation(key, ring, lenient);
        let usable = match (&revoked, &expires, &accepted) {
            (Revocation::Soft | Revocation::Hard, _, _) => Usable::Revoked(revoked.clone()),
            (Revocation::Undecided(reason), _, _) => Usable::Undecided(reason.clone()),
            (Revocation::No, Ok(Some(end)), _) if *end <= at => Usable::Expired(*end),
            (Revocation::No, _, _) if created > at => Usable::NotYet(created),
            (Revocation::No, _, Err(error)) => Usable::Refused(refusal(error, at)),
            (Revocation::No, _, Ok(key)) => match key.alive() {
                // What ails the certificate is said once, on the primary key, and falls on the subkeys from there.
                Err(error) if key.primary() || key.valid_cert().alive().is_ok() => Usable::Refused(sentence(&error)),
                Ok(()) | Err(_) => Usable::Yes,
            },
        };
        Self {
            fingerprint: Fingerprint::of(&key.key().fingerprint()),
            primary: key.primary(),
            algorithm: algorithm_name(key.key().pk_algo()),
            bits: key.key().mpis().bits(),
            created,
            expires,
            revoked,
            usable,
            ability: accepted.as_ref().map_or(Ability { encrypts: false, signs: false }, ability),
        }
    }

    /// Whether it may be encrypted to; `Err` is why that cannot be told.
    pub fn can_encrypt(&self) -> Result<bool, &str> {
        self.usable.and(self.ability.encrypts)
    }

    /// Whether it may sign data; `Err` is why that cannot be told.
    pub fn can_sign(&self) -> Result<bool, &str> {
        self.usable.and(self.ability.signs)
    }
}

impl Usable {
    /// Whether the key may be used and `also` holds; `Err` is why that cannot be told.
    pub fn and(&self, also: bool) -> Result<bool, &str> {
        match self {
            Self::Yes => Ok(also),
            Self::Expired(_) | Self::NotYet(_) | Self::Revoked(_) | Self::Refused(_) => Ok(false),
            Self::Undecided(reason) => Err(reason),
        }
    }
}

impl std::fmt::Display for Usable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Yes => f.write_str("usable"),
            Self::Expired(end) => write!(f, "expired on {}", end.format("%Y-%m-%dT%H:%M:%SZ")),
            Self::NotYet(start) => write!(f, "made in the future, on {}", start.format("%Y-%m-%dT%H:%M:%SZ")),
            Self::Revoked(Revocation::Hard) => f.write_str("revoked (hard)"),
            Self::Revoked(Revocation::Soft | Revocation::No | Revocation::Undecided(_)) => {
                f.write_str("revoked (soft)")
            }
            Self::Refused(reason) => f.write_str(reason),
            Self::Undecided(reason) => write!(f, "undecided: {reason}"),
        }
    }
}

fn ability(key: &ValidErasedKeyAmalgamation<'_, PublicParts>) -> Ability {
    let algorithm = key.key().pk_algo();
    let encrypts = key.for_transport_encryption() || key.for_storage_encryption();
    Ability {
        encrypts: encrypts && algorithm.is_supported() && algorithm.for_encryption(),
        signs: key.for_signing() && algorithm.is_supported() && algorithm.for_signing(),
    }
}

/// Whether a key was revoked by its certificate or by a designated revoker, at any time.
fn revocation(key: &ErasedKeyAmalgamation<'_, PublicParts>, ring: &[Cert], lenient: &StandardPolicy<'_>) -> Revocation {
    let own = key.self_revocations().map(kind);
    let cert = key.cert();
    let primary = cert.primary_key().key();
    let verifies = |sig: &Signature, by: &Cert| {
        let by = by.primary_key().key();
        if key.primary() {
            sig.verify_primary_key_revocation(by, primary).is_ok()
        } else {
            sig.verify_subkey_revocation(by, primary, key.key().role_as_subordinate()).is_ok()
        }
    };
    let others = key.other_revocations().map(|sig| {
        // An issuer that is named wrongly in the unsigned part does not undo a revocation.
        if verifies(sig, cert) {
            return kind(sig);
        }
        let issuers = sig.get_issuers();
        let mut designated = cert.revocation_keys(lenient).map(|revoker| revoker.revoker().1);
        let names = |print: &sequoia_openpgp::Fingerprint| {
            let handle = KeyHandle::from(print);
            issuers.iter().any(|issuer| issuer.aliases(&handle))
        };
        let Some(revoker) = designated.find(|print| names(print)) else {
            return Revocation::No;
        };
        match ring.iter().find(|other| other.fingerprint() == *revoker) {
            Some(other) if verifies(sig, other) => kind(sig),
            Some(_) => Revocation::No,
            None => Revocation::Undecided(format!(
                "it carries a revocation by its designated revoker {revoker}, whose key is not in the keyring"
            )),
        }
    });
    own.chain(others).max().unwrap_or(Revocation::No)
}

/// Why the policy refuses a key. One case has words of its own, because a person will ask: gpg keeps the newest
/// self-signature only, so a key that was prolonged has none from before.
fn refusal(error: &sequoia_openpgp::anyhow::Error, at: Instant) -> String {
    match error.root_cause().downcast_ref() {
        Some(sequoia_openpgp::Error::NoBindingSignature(_)) => {
            let at = at.format("%Y-%m-%dT%H:%M:%SZ");
            format!("no self-signature that is accepted is as old as {at}; gpg drops older ones when a key is changed")
        }
        Some(_) | None => sentence(error),
    }
}

/// Soft only where the reason says so; without a reason it is hard (RFC 9580, section 5.2.3.31).
fn kind(sig: &Signature) -> Revocation {
    match sig.reason_for_revocation().map(|(reason, _)| reason.revocation_type()) {
        Some(RevocationType::Soft) => Revocation::Soft,
        Some(RevocationType::Hard) | None => Revocation::Hard,
    }
}

/// Signatures that claim to be the certificate's own and do not verify.
fn damage(cert: &Cert) -> Option<String> {
    let own = cert.key_handle();
    let broken = cert.bad_signatures().filter(|sig| {
        let issuers = sig.get_issuers();
        issuers.is_empty() || issuers.iter().any(|issuer| issuer.aliases(&own))
    });
    match broken.count() {
        0 => None,
        n => Some(format!("{n} of its own signatures do not verify")),
    }
}

/// A policy that takes every algorithm: for telling what a key says of itself, never for relying on it.
fn lenient() -> StandardPolicy<'static> {
    let mut policy = StandardPolicy::new();
    HashAlgorithm::variants().for_each(|hash| policy.accept_hash(hash));
    AsymmetricAlgorithm::variants().for_each(|algorithm| policy.accept_asymmetric_algo(algorithm));
    policy
}

/// The names that gate files compare with.
fn algorithm_name(algorithm: PublicKeyAlgorithm) -> String {
    #[allow(deprecated, reason = "old keys have the deprecated algorithms, and are to be named")]
    #[allow(clippy::wildcard_enum_match_arm, reason = "not our enum, and open: newer algorithms have their own names")]
    let name = match algorithm {
        PublicKeyAlgorithm::RSAEncryptSign | PublicKeyAlgorithm::RSAEncrypt | PublicKeyAlgorithm::RSASign => "RSA",
        PublicKeyAlgorithm::ElGamalEncrypt | PublicKeyAlgorithm::ElGamalEncryptSign => "ElGamal",
        PublicKeyAlgorithm::DSA => "DSA",
        PublicKeyAlgorithm::ECDH => "ECDH",
        PublicKeyAlgorithm::ECDSA => "ECDSA",
        PublicKeyAlgorithm::EdDSA => "EdDSA",
        PublicKeyAlgorithm::X25519 => "X25519",
        PublicKeyAlgorithm::X448 => "X448",
        PublicKeyAlgorithm::Ed25519 => "Ed25519",
        PublicKeyAlgorithm::Ed448 => "Ed448",
        other => return other.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use sequoia_openpgp::cert::{CertBuilder, CipherSuite};
    use sequoia_openpgp::types::KeyFlags;

    use super::*;

    fn encrypts(builder: CertBuilder<'_>) -> bool {
        let (cert, _) = builder.add_userid("x").generate().unwrap();
        let now = Instant::from(SystemTime::now());
        Standing::of(&cert, &[], now, now).keys.iter().any(|key| key.can_encrypt() == Ok(true))
    }

    /// gpg sets both flags of encryption; other programs set one.
    #[test]
    fn one_flag_of_encryption_is_enough_and_the_algorithm_alone_is_not() {
        let with = |flags: KeyFlags| encrypts(CertBuilder::new().add_subkey(flags, None, None));
        assert!(with(KeyFlags::empty().set_transport_encryption()));
        assert!(with(KeyFlags::empty().set_storage_encryption()));
        assert!(!with(KeyFlags::empty().set_signing()));
        // RSA could encrypt, and its owner does not want it.
        assert!(!encrypts(CertBuilder::new().set_cipher_suite(CipherSuite::RSA2k).add_signing_subkey()));
    }
}

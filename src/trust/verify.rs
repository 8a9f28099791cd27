//! Detached signatures over bytes, judged against pinned fingerprints.
//!
//! Every signature of a file is judged by itself, and either counts or has one reason why it does not. A
//! signature counts when a pinned certificate's signing key made it over exactly these bytes, with a hash
//! that is accepted today, and that key was good when it signed and is good now: the time in a signature is
//! the signer's claim, so a key that expired or was taken back since proves nothing about then.

use std::time::SystemTime;

use chrono::Duration;
use sequoia_openpgp::Packet;
use sequoia_openpgp::cert::Cert;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse as _};
use sequoia_openpgp::policy::{Policy as _, StandardPolicy};
use sequoia_openpgp::types::SignatureType;

use super::certs::sentence;
use super::{Fingerprint, Revocation, Standing, Usable, armor};
use crate::evidence::Instant;

/// How far the signer's clock may be ahead of ours.
pub const CLOCK_SKEW: Duration = Duration::minutes(5);

/// The signatures of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Those that count: one for each signer, the earliest, sorted by fingerprint.
    pub counted: Vec<Counted>,
    /// Those that do not, in the file's order. A second signature by a signer that counts is in neither.
    pub refused: Vec<Refused>,
}

/// A signature that counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The pinned certificate.
    pub signer: Fingerprint,
    /// When it was made, by the signer's claim; not later than now and [`CLOCK_SKEW`].
    pub created: Instant,
}

/// A signature that does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{who}: {reason}")]
pub struct Refused {
    /// The certificate's fingerprint where the key is known, otherwise the issuer that the signature claims.
    pub who: String,
    /// Why.
    pub reason: Refusal,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file holds something else, or is broken.
    #[error("not a detached signature: {0}")]
    NotASignature(String),
    /// A cleartext-signed document: it verifies with text added around it, so it is not accepted.
    #[error("a cleartext-signed document, where a detached signature is wanted")]
    Cleartext,
    /// Another type of signature, such as a certification or one over normalised text.
    #[error("a signature of type {0}, where one over binary data is wanted")]
    WrongType(String),
    /// No certificate at hand has the key that it names.
    #[error("the key is not in the keyring")]
    KeyNotFound,
    /// Good, and by nobody that the package trusts.
    #[error("the signature is good, but its signer is not pinned")]
    NotPinned,
    /// Made over other bytes, or broken.
    #[error("it does not fit these bytes: {0}")]
    OtherBytes(String),
    /// Dated later than now.
    #[error("dated in the future: {}", .0.format("%Y-%m-%dT%H:%M:%SZ"))]
    FromTheFuture(Instant),
    /// The signature itself has an end, which has passed.
    #[error("the signature has expired")]
    SignatureExpired,
    /// Its hash can be forged.
    #[error("its hash is too weak: {0}")]
    WeakHash(String),
    /// It demands something that is not understood.
    #[error("the policy refuses the signature: {0}")]
    Policy(String),
    /// The key was not good at the signature's own time.
    #[error("the key was not good when it signed: {0}")]
    KeyBadWhenSigned(Usable),
    /// The key was good then and is not now.
    #[error("the key is not good now: {0}")]
    KeyBadNow(Usable),
    /// The key may not sign data.
    #[error("the key may not sign data")]
    NoSigningFlag,
}

impl Refusal {
    /// The key had expired when it signed.
    pub fn is_expired_when_signed(&self) -> bool {
        matches!(self, Self::KeyBadWhenSigned(Usable::Expired(_)))
    }

    /// The key has expired since it signed.
    pub fn is_expired_now(&self) -> bool {
        matches!(self, Self::KeyBadNow(Usable::Expired(_)))
    }

    /// The key was taken back, at any time.
    pub fn revocation(&self) -> Option<&Revocation> {
        match self {
            Self::KeyBadWhenSigned(Usable::Revoked(revocation)) | Self::KeyBadNow(Usable::Revoked(revocation)) => {
                Some(revocation)
            }
            Self::KeyBadWhenSigned(_)
            | Self::KeyBadNow(_)
            | Self::NotASignature(_)
            | Self::Cleartext
            | Self::WrongType(_)
            | Self::KeyNotFound
            | Self::NotPinned
            | Self::OtherBytes(_)
            | Self::FromTheFuture(_)
            | Self::SignatureExpired
            | Self::WeakHash(_)
            | Self::Policy(_)
            | Self::NoSigningFlag => None,
        }
    }
}

impl Verdict {
    /// Why nothing counts, or what does not count beside what does: one line per signature.
    pub fn reasons(&self) -> String {
        self.refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// Judges every signature in `signature` (binary, or armored in one or several blocks) over `data`. `certs` is
/// the keyring, `pinned` the primary fingerprints that count, `at` the present.
pub fn verify_detached(signature: &[u8], data: &[u8], certs: &[Cert], pinned: &[Fingerprint], at: Instant) -> Verdict {
    let mut verdict = Verdict { counted: Vec::new(), refused: Vec::new() };
    for found in signatures(signature) {
        let judged = found.and_then(|sig| judge(&sig, data, certs, pinned, at));
        match judged {
            Ok(counted) => verdict.counted.push(counted),
            Err(refused) => verdict.refused.push(refused),
        }
    }
    if verdict.counted.is_empty() && verdict.refused.is_empty() {
        let reason = Refusal::NotASignature("there is no signature in it".to_owned());
        verdict.refused.push(Refused { who: "the file".to_owned(), reason });
    }
    verdict.counted.sort();
    verdict.counted.dedup_by(|later, first| later.signer == first.signer);
    verdict
}

/// Every signature of a file, and in place of what is none the reason.
fn signatures(bytes: &[u8]) -> Vec<Result<Signature, Refused>> {
    let refuse = |reason: Refusal| Refused { who: "the file".to_owned(), reason };
    if bytes.windows(34).any(|window| window == b"-----BEGIN PGP SIGNED MESSAGE-----") {
        return vec![Err(refuse(Refusal::Cleartext))];
    }
    if !armor::is_armored(bytes) {
        return packets(bytes);
    }
    let blocks = match armor::blocks(bytes) {
        Ok(blocks) => blocks,
        Err(error) => {
            let reason = format!("line {}: {}", error.line, error.reason);
            return vec![Err(refuse(Refusal::NotASignature(reason)))];
        }
    };
    let mut found = Vec::new();
    for block in blocks {
        if block.label == "SIGNATURE" {
            found.extend(packets(&block.bytes));
        } else {
            found.push(Err(refuse(Refusal::NotASignature(format!("it holds a {:?}", block.label)))));
        }
    }
    found
}

/// The signatures among packets; what follows something broken is not looked at.
fn packets(bytes: &[u8]) -> Vec<Result<Signature, Refused>> {
    let not = |said: String| Err(Refused { who: "the file".to_owned(), reason: Refusal::NotASignature(said) });
    let mut found = Vec::new();
    let mut parser = PacketParser::from_bytes(bytes);
    loop {
        match parser {
            Ok(PacketParserResult::EOF(_)) => break,
            Ok(PacketParserResult::Some(current)) => match current.next() {
                Ok((Packet::Signature(sig), rest)) => {
                    found.push(Ok(sig));
                    parser = Ok(rest);
                }
                Ok((Packet::Unknown(unknown), _)) => {
                    found.push(not(sentence(unknown.error())));
                    break;
                }
                Ok((packet, _)) => {
                    found.push(not(format!("it holds a {} packet", packet.tag())));
                    break;
                }
                Err(error) => parser = Err(error),
            },
            Err(error) => {
                found.push(not(sentence(&error)));
                break;
            }
        }
    }
    found
}

/// One signature, against every key that its issuer may mean.
fn judge(
    sig: &Signature,
    data: &[u8],
    certs: &[Cert],
    pinned: &[Fingerprint],
    at: Instant,
) -> Result<Counted, Refused> {
    let issuers = sig.get_issuers();
    let claimed = issuers.iter().map(ToString::to_string).next_back().unwrap_or_else(|| "no issuer".to_owned());
    let mut refusal = Refused { who: claimed, reason: Refusal::KeyNotFound };
    for cert in certs {
        for key in cert.keys() {
            let handle = key.key().key_handle();
            if !issuers.iter().any(|issuer| issuer.aliases(&handle)) {
                continue;
            }
            let signer = Fingerprint::of(&cert.fingerprint());
            let signing = Fingerprint::of(&key.key().fingerprint());
            let judged = sound(sig, at)
                .and_then(|created| {
                    sig.verify_message(key.key(), data).map_err(|error| Refusal::OtherBytes(sentence(&error)))?;
                    Ok(created)
                })
                .and_then(|created| {
                    good_key(cert, &signing, certs, created, at)?;
                    if pinned.contains(&signer) { Ok(created) } else { Err(Refusal::NotPinned) }
                });
            match judged {
                Ok(created) => return Ok(Counted { signer, created }),
                // Two keys may share an id: what one says of other bytes does not hide what the other says.
                Err(Refusal::OtherBytes(_)) if refusal.reason != Refusal::KeyNotFound => {}
                Err(reason) => refusal = Refused { who: signer.to_string(), reason },
            }
        }
    }
    Err(refusal)
}

/// What can be said of a signature without its key; its time.
fn sound(sig: &Signature, at: Instant) -> Result<Instant, Refusal> {
    if sig.typ() != SignatureType::Binary {
        return Err(Refusal::WrongType(sig.typ().to_string()));
    }
    let created = sig.signature_creation_time().map(Instant::from);
    let created = created.ok_or_else(|| Refusal::NotASignature("it has no creation time".to_owned()))?;
    if created > at + CLOCK_SKEW {
        return Err(Refusal::FromTheFuture(created));
    }
    let ends = sig.signature_validity_period().and_then(|period| Duration::from_std(period).ok());
    if ends.is_some_and(|period| !period.is_zero() && created + period <= at) {
        return Err(Refusal::SignatureExpired);
    }
    let now = SystemTime::from(at);
    let policy = StandardPolicy::at(now);
    if let Err(error) = policy.signature(sig, Default::default()) {
        let cutoff = policy.hash_cutoff(sig.hash_algo(), Default::default());
        let weak = cutoff.is_some_and(|cutoff| cutoff <= now);
        let said = sentence(&error);
        return Err(if weak { Refusal::WeakHash(said) } else { Refusal::Policy(said) });
    }
    Ok(created)
}

/// Whether the key was good when it signed, and is good now.
fn good_key(cert: &Cert, signing: &Fingerprint, certs: &[Cert], created: Instant, at: Instant) -> Result<(), Refusal> {
    let then = Standing::of(cert, certs, at, created);
    // A clock ahead of ours, within the tolerance, moves "now" with it.
    let now = Standing::of(cert, certs, at, at.max(created));
    let (Some(then), Some(now)) = (then.key(signing), now.key(signing)) else {
        return Err(Refusal::KeyNotFound);
    };
    if then.usable != Usable::Yes {
        return Err(Refusal::KeyBadWhenSigned(then.usable.clone()));
    }
    if now.usable != Usable::Yes {
        return Err(Refusal::KeyBadNow(now.usable.clone()));
    }
    if then.ability.signs && now.ability.signs { Ok(()) } else { Err(Refusal::NoSigningFlag) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_key_expired_is_told_from_what_else_ails_it() {
        let end = || Usable::Expired("2026-05-21T10:00:00Z".parse().unwrap());
        let both = |refusal: Refusal| (refusal.is_expired_when_signed(), refusal.is_expired_now());
        assert_eq!(both(Refusal::KeyBadWhenSigned(end())), (true, false));
        assert_eq!(both(Refusal::KeyBadNow(end())), (false, true));
        assert_eq!(both(Refusal::KeyBadNow(Usable::Yes)), (false, false));
        assert_eq!(both(Refusal::NotPinned), (false, false));
    }
}

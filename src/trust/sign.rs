//! Detached signatures made with a secret key that was read, for machines on which no agent keeps one.
//!
//! The key comes as bytes and so does its passphrase; where from is not known here. Errors never quote either. What is
//! made is armored, over exactly the bytes that are given.

use std::io::Write as _;
use std::time::SystemTime;

use sequoia_openpgp::armor::{Kind, Writer};
use sequoia_openpgp::cert::{Cert, CertParser};
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::crypto::mem::Protected;
use sequoia_openpgp::packet::key::{SecretKeyMaterial, SecretParts, Unencrypted, UnspecifiedRole};
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::packet::{Key, Packet};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::{MarshalInto as _, Serialize as _};
use sequoia_openpgp::types::{HashAlgorithm, SignatureType};

use super::certs::sentence;
use super::{Fingerprint, Standing, Verdict, verify_detached};
use crate::evidence::Instant;

/// A passphrase; its memory is overwritten when it goes.
pub use sequoia_openpgp::crypto::Password as Passphrase;

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The bytes are not one OpenPGP secret key.
    #[error("it is not an OpenPGP secret key: {0}")]
    NotASecretKey(String),
    /// No key of the certificate can sign now, and why.
    #[error("no key of {signer} can sign now: {reason}")]
    NoSigningKey {
        /// The certificate.
        signer: Fingerprint,
        /// One reason for each of its keys.
        reason: String,
    },
    /// The key is protected and there is no passphrase.
    #[error("the secret key of {0} is protected by a passphrase, and none was given")]
    NoPassphrase(Fingerprint),
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the secret key of {0}")]
    WrongPassphrase(Fingerprint),
    /// The signature could not be made.
    #[error("{signer} could not sign: {reason}")]
    Failed {
        /// The certificate.
        signer: Fingerprint,
        /// A lower-case fragment.
        reason: String,
    },
    /// A signature was made and would count nowhere.
    #[error("the signature by {signer} would not verify: {reason}")]
    WouldNotVerify {
        /// The certificate.
        signer: Fingerprint,
        /// What speaks against it.
        reason: String,
    },
}

/// A secret key that is open, with its certificate.
pub struct SecretKey {
    cert: Cert,
    fingerprint: Fingerprint,
    pair: KeyPair,
    secrets: Vec<Protected>,
}

/// The name only: the rest is secret.
impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.fingerprint)
    }
}

impl SecretKey {
    /// Reads one secret key, armored or binary, and opens the newest of its keys that may sign at the moment `at`, where
    /// it is protected with `passphrase`.
    ///
    /// # Errors
    /// Bytes that hold anything else than one secret key; a key that cannot sign; a passphrase that is missing or wrong.
    pub fn open(bytes: &[u8], passphrase: Option<&Passphrase>, at: Instant) -> Result<Self, SignError> {
        // What sequoia says of a broken secret key may quote it.
        let broken = || SignError::NotASecretKey("it cannot be read".to_owned());
        let parsed: Result<Vec<Cert>, _> = CertParser::from_bytes(bytes).map_err(|_| broken())?.collect();
        let certs = parsed.map_err(|_| broken())?;
        let [cert] = certs.as_slice() else {
            return Err(SignError::NotASecretKey(format!("it holds {} keys where one is wanted", certs.len())));
        };
        if !cert.is_tsk() {
            return Err(SignError::NotASecretKey("it holds a public key only".to_owned()));
        }
        let fingerprint = Fingerprint::of(&cert.fingerprint());
        let cert = cert.clone();
        can_sign(&cert, at)?;
        let policy = StandardPolicy::at(SystemTime::from(at));
        let usable = cert.keys().with_policy(&policy, SystemTime::from(at)).alive().revoked(false).for_signing();
        let mut keys: Vec<Key<SecretParts, UnspecifiedRole>> =
            usable.secret().map(|key| key.key().clone().role_into_unspecified()).collect();
        // gpg takes the newest too.
        keys.sort_by_key(|key| std::cmp::Reverse(key.creation_time()));
        let mut refused = SignError::NoSigningKey {
            signer: fingerprint.clone(),
            reason: "the file has no secret part of a key that may sign".to_owned(),
        };
        for key in keys {
            let opened = match (key.secret().is_encrypted(), passphrase) {
                (false, _) => Ok(key),
                (true, None) => Err(SignError::NoPassphrase(fingerprint.clone())),
                (true, Some(passphrase)) => {
                    key.decrypt_secret(passphrase).map_err(|_| SignError::WrongPassphrase(fingerprint.clone()))
                }
            };
            let pair = opened.and_then(|key| {
                let failed = "its secret part is of a kind that cannot be used here".to_owned();
                let failed = SignError::Failed { signer: fingerprint.clone(), reason: failed };
                key.into_keypair().map_err(|_| failed)
            });
            match pair {
                Ok(pair) => {
                    let secrets = secrets_of(&cert, &pair);
                    return Ok(Self { cert: cert.strip_secret_key_material(), fingerprint, pair, secrets });
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// The certificate, without anything secret.
    pub fn cert(&self) -> &Cert {
        &self.cert
    }

    /// The fingerprint of its primary key.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The bytes that are the secret, in the file and opened, for seeing that they turn up nowhere.
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.secrets.iter().map(|bytes| &**bytes)
    }

    /// A detached signature over `data`, armored, dated `at`.
    ///
    /// # Errors
    /// When the library cannot make it.
    pub fn sign(&self, data: &[u8], at: Instant) -> Result<Vec<u8>, SignError> {
        let made = SignatureBuilder::new(SignatureType::Binary)
            .set_hash_algo(HashAlgorithm::SHA512)
            .set_signature_creation_time(SystemTime::from(at))
            .and_then(|builder| builder.sign_message(&mut self.pair.clone(), data));
        let armored = made.and_then(|signature| {
            let mut writer = Writer::new(Vec::new(), Kind::Signature)?;
            Packet::from(signature).serialize(&mut writer)?;
            Ok(writer.finalize()?)
        });
        let failed = |error| SignError::Failed { signer: self.fingerprint.clone(), reason: sentence(&error) };
        armored.map_err(failed)
    }
}

/// The secret parts of all keys of a file as they are in it, and that of the key that was opened.
fn secrets_of(cert: &Cert, pair: &KeyPair) -> Vec<Protected> {
    let numbers = |secret: &Unencrypted| secret.map(|numbers| numbers.to_vec().ok()).map(Protected::from);
    let kept = cert.keys().secret().filter_map(|key| match key.key().secret() {
        SecretKeyMaterial::Unencrypted(secret) => numbers(secret),
        SecretKeyMaterial::Encrypted(secret) => secret.ciphertext().ok().map(Protected::from),
    });
    kept.chain(numbers(pair.secret())).collect()
}

/// Whether some key of a certificate can sign at the moment `at`.
///
/// # Errors
/// Why none can.
pub fn can_sign(cert: &Cert, at: Instant) -> Result<(), SignError> {
    let standing = Standing::of(cert, std::slice::from_ref(cert), at, at);
    if standing.keys.iter().any(|key| key.can_sign() == Ok(true)) {
        return Ok(());
    }
    let reasons = standing.keys.iter().map(|key| match (&key.usable, key.ability.signs) {
        (super::Usable::Yes, false) => format!("{} may not sign", key.fingerprint),
        (usable, _) => format!("{} is {usable}", key.fingerprint),
    });
    let reason = reasons.collect::<Vec<_>>().join("; ");
    Err(SignError::NoSigningKey { signer: Fingerprint::of(&cert.fingerprint()), reason })
}

/// Whether a signature that was just made is what a reader will accept: one by this certificate, over these bytes, with
/// nothing against it.
///
/// # Errors
/// What speaks against it.
pub fn would_verify(signature: &[u8], data: &[u8], cert: &Cert, at: Instant) -> Result<(), SignError> {
    let signer = Fingerprint::of(&cert.fingerprint());
    let Verdict { counted, refused } =
        verify_detached(signature, data, std::slice::from_ref(cert), std::slice::from_ref(&signer), at);
    if counted.len() == 1 && refused.is_empty() {
        return Ok(());
    }
    let reason = refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Err(SignError::WouldNotVerify { signer, reason })
}

/// A certificate in armor, without what is not meant to be passed on and without comments.
pub fn armored(cert: &Cert) -> String {
    let written = Writer::new(Vec::new(), Kind::PublicKey).map_err(Into::into).and_then(|mut writer| {
        cert.export(&mut writer)?;
        writer.flush()?;
        Ok::<_, sequoia_openpgp::anyhow::Error>(writer.finalize()?)
    });
    let bytes = written.expect("invariant: a certificate that was read can be written to memory");
    String::from_utf8(bytes).expect("invariant: armor is ASCII")
}

//! Ed25519 keys in files, as attestations and checkpoints are signed with (RFC 8032).
//!
//! The arithmetic is OpenSSL's. A private key is PKCS#8 in PEM (RFC 8410, RFC 7468) without a passphrase, a public one
//! SubjectPublicKeyInfo in PEM. Nothing is asked of anyone: a key that needs a passphrase is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::sign::{Signer, Verifier};

use crate::evidence::{canonical_json, sha256_hex};

/// Bytes of a public key.
pub const PUBLIC: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE: usize = 64;

/// Why bytes are no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The PEM block is another one.
    #[error("it holds no {wanted}; {next}")]
    Other {
        /// The label of the block that is needed.
        wanted: &'static str,
        /// What to do.
        next: &'static str,
    },
    /// The key is protected.
    #[error(
        "it needs a passphrase, and nobody is asked for one; keep it unprotected where only this program can read it"
    )]
    Protected,
    /// There are several keys in it.
    #[error("it holds more than one PEM block; give one key in one file")]
    Several,
    /// The key is of another kind.
    #[error("it is no Ed25519 key; make one with openssl genpkey -algorithm ed25519")]
    Kind,
    /// The block cannot be read.
    #[error("it is damaged")]
    Damaged,
}

/// A key that signs.
#[derive(Clone)]
pub struct SigningKey {
    key: PKey<Private>,
    public: VerifyingKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}

/// A key that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyingKey([u8; PUBLIC]);

/// Whether `pem` holds one block, and of that label.
fn block(pem: &[u8], label: &'static str, next: &'static str) -> Result<(), KeyError> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("\nProc-Type: 4,ENCRYPTED") {
        return Err(KeyError::Protected);
    }
    if text.matches("-----BEGIN ").count() > 1 {
        return Err(KeyError::Several);
    }
    if !text.contains(&format!("-----BEGIN {label}-----")) {
        return Err(KeyError::Other { wanted: label, next });
    }
    Ok(())
}

/// What stands before the 32 bytes of a key in the shortest form of PKCS#8, which is what everybody writes (RFC 8410, section 7).
const SHORTEST: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The bytes of a private key in the shortest form. OpenSSL reads that as well, but leaves a copy in memory that it freed.
fn seed(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, after) = text.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = after.split_once("-----END PRIVATE KEY-----")?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(body).ok()?;
    der.strip_prefix(SHORTEST.as_slice()).filter(|seed| seed.len() == 32).map(<[u8]>::to_vec)
}

impl SigningKey {
    /// A private key from PEM.
    ///
    /// # Errors
    /// Anything but one unprotected Ed25519 key in PKCS#8.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let next = "make one with openssl genpkey -algorithm ed25519 -out FILE";
        block(pem, "PRIVATE KEY", next)?;
        let key = match seed(pem) {
            Some(seed) => PKey::private_key_from_raw_bytes(&seed, Id::ED25519),
            // Another form or kind. Without the callback OpenSSL would ask at the terminal.
            None => PKey::private_key_from_pem_callback(pem, |_| Ok(0)),
        };
        let key = key.map_err(|_| KeyError::Damaged)?;
        if key.id() != Id::ED25519 {
            return Err(KeyError::Kind);
        }
        let public = VerifyingKey::raw(&key.raw_public_key().map_err(|_| KeyError::Damaged)?)?;
        Ok(Self { key, public })
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        self.public
    }

    /// The bytes that are the secret, for seeing that they turn up nowhere.
    pub fn secret(&self) -> Vec<u8> {
        self.key.raw_private_key().expect("invariant: an Ed25519 key has raw bytes")
    }

    /// The signature over a message. The same message has the same signature, always.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        let signed = Signer::new_without_digest(&self.key).and_then(|mut signer| signer.sign_oneshot_to_vec(message));
        let signed = signed.expect("invariant: an Ed25519 key signs any message");
        signed.try_into().expect("invariant: an Ed25519 signature has 64 bytes")
    }
}

impl VerifyingKey {
    /// A public key from PEM.
    ///
    /// # Errors
    /// Anything but one Ed25519 key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let next = "give the public half: openssl pkey -in KEY -pubout";
        block(pem, "PUBLIC KEY", next)?;
        let key = PKey::public_key_from_pem(pem).map_err(|_| KeyError::Damaged)?;
        if key.id() != Id::ED25519 {
            return Err(KeyError::Kind);
        }
        Self::raw(&key.raw_public_key().map_err(|_| KeyError::Damaged)?)
    }

    /// A public key from its 32 bytes.
    ///
    /// # Errors
    /// Another number of bytes.
    pub fn raw(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Self).map_err(|_| KeyError::Damaged)
    }

    /// A public key from 64 lower-case hex digits.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(KeyError::Damaged),
        };
        let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Ok(digit(*high)? << 4 | digit(*low)?),
            _ => Err(KeyError::Damaged),
        });
        Self::raw(&pairs.collect::<Result<Vec<u8>, _>>()?)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; PUBLIC] {
        &self.0
    }

    /// Its bytes in lower-case hex.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The key's id as securesystemslib and TUF count it: the SHA-256 of the canonical JSON of the public key's
    /// metadata.
    pub fn keyid(&self) -> String {
        let metadata = serde_json::json!({
            "keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": self.hex()},
        });
        let mut bytes = canonical_json(&metadata);
        bytes.truncate(bytes.trim_ascii_end().len());
        sha256_hex(&bytes)
    }

    /// Whether a signature over a message is this key's.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = PKey::<Public>::public_key_from_raw_bytes(&self.0, Id::ED25519)
            .and_then(|key| Verifier::new_without_digest(&key)?.verify_oneshot(signature, message));
        signature.len() == SIGNATURE && verified.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, tests 1 and 2: the public key, the message, the signature.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let table = [
            (
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                &b""[..],
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                &b"\x72"[..],
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ];
        for (public, message, signature) in table {
            let bytes = |hex: &str| -> Vec<u8> {
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
            };
            let (key, signature) = (VerifyingKey::from_hex(public).unwrap(), bytes(signature));
            assert_eq!(key.hex(), public);
            assert!(key.verifies(message, &signature));
            assert!(!key.verifies(b"other", &signature));
            for index in 0..signature.len() {
                let mut flipped = signature.clone();
                flipped[index] ^= 1;
                assert!(!key.verifies(message, &flipped), "byte {index}");
            }
            assert!(!key.verifies(message, &signature[..63]));
            assert!(!key.verifies(message, &[]));
        }
    }

    #[test]
    fn only_one_unprotected_ed25519_key_is_a_key() {
        let pkcs8 = |key: &PKey<Private>| key.private_key_to_pem_pkcs8().unwrap();
        let good = PKey::generate_ed25519().unwrap();
        let (private, public) = (pkcs8(&good), good.public_key_to_pem().unwrap());
        let key = SigningKey::from_pem(&private).unwrap();
        assert_eq!(VerifyingKey::from_pem(&public), Ok(key.public()));
        assert!(key.public().verifies(b"x", &key.sign(b"x")));
        assert!(!format!("{key:?}").contains(&String::from_utf8_lossy(&private).lines().nth(1).unwrap().to_owned()));
        let refused = |pem: &[u8]| SigningKey::from_pem(pem).unwrap_err();
        assert!(matches!(refused(&public), KeyError::Other { .. }));
        assert!(matches!(refused(b""), KeyError::Other { .. }));
        assert!(matches!(VerifyingKey::from_pem(&private), Err(KeyError::Other { .. })));
        assert_eq!(refused(&[&private[..], &private].concat()), KeyError::Several);
        assert_eq!(refused(&pkcs8(&PKey::generate_x25519().unwrap())), KeyError::Kind);
        let cipher = openssl::symm::Cipher::aes_256_cbc();
        let protected = good.private_key_to_pem_pkcs8_passphrase(cipher, b"secret").unwrap();
        assert_eq!(refused(&protected), KeyError::Protected);
        assert_eq!(refused(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), KeyError::Damaged);
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(66), &"A".repeat(64), &"g".repeat(64)] {
            assert!(VerifyingKey::from_hex(wrong).is_err(), "{wrong}");
        }
    }
}

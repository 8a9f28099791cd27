//! DSSE envelopes (secure-systems-lab/dsse, protocol 1.0.2 and JSON envelope 1.0.0) with one Ed25519 signature.
//!
//! An envelope is opened only in the one form that sealing gives: canonical JSON, one signature, its key's id beside it.
//! So that no two files are the same envelope, and nothing can be added to one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::ed25519::{SIGNATURE, SigningKey, VerifyingKey};
use crate::evidence::canonical_json;

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Form {
    payload: String,
    payload_type: String,
    signatures: Vec<Signed>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    keyid: String,
    sig: String,
}

/// An opened envelope. Nothing in it is proved before [`Envelope::signed_by`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What kind of thing the payload is.
    pub payload_type: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// The id of the key that is said to have signed.
    pub keyid: String,
    signature: Vec<u8>,
}

/// Why bytes are no envelope of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is no JSON of that form.
    #[error("it is no DSSE envelope: {0}")]
    Form(String),
    /// It has another number of signatures than one.
    #[error("it has {0} signatures, and it was sealed with one")]
    Signatures(usize),
    /// It says the same in other bytes.
    #[error("it is not in canonical form")]
    NotCanonical,
}

/// What is signed: the pre-authentication encoding, which binds the payload to its type.
fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn form(payload_type: &str, payload: &[u8], keyid: &str, signature: &[u8]) -> Vec<u8> {
    canonical_json(&Form {
        payload: STANDARD.encode(payload),
        payload_type: payload_type.to_owned(),
        signatures: vec![Signed { keyid: keyid.to_owned(), sig: STANDARD.encode(signature) }],
    })
}

/// The envelope of a payload, as a file. The same payload and key give the same bytes.
pub fn seal(payload_type: &str, payload: &[u8], key: &SigningKey) -> Vec<u8> {
    form(payload_type, payload, &key.public().keyid(), &key.sign(&encoding(payload_type, payload)))
}

/// Opens an envelope.
///
/// # Errors
/// When the bytes are not exactly what sealing a payload gives, whoever's the signature is.
pub fn open(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    let read: Form = serde_json::from_slice(bytes).map_err(|error| EnvelopeError::Form(error.to_string()))?;
    let [signed] = read.signatures.as_slice() else { return Err(EnvelopeError::Signatures(read.signatures.len())) };
    let decoded = |text: &str| STANDARD.decode(text).map_err(|error| EnvelopeError::Form(error.to_string()));
    let envelope = Envelope {
        payload: decoded(&read.payload)?,
        signature: decoded(&signed.sig)?,
        keyid: signed.keyid.clone(),
        payload_type: read.payload_type,
    };
    let again = form(&envelope.payload_type, &envelope.payload, &envelope.keyid, &envelope.signature);
    if again != bytes || envelope.signature.len() != SIGNATURE {
        return Err(EnvelopeError::NotCanonical);
    }
    Ok(envelope)
}

impl Envelope {
    /// Whether this key signed the payload and its type, and is the one that the envelope names.
    pub fn signed_by(&self, key: &VerifyingKey) -> bool {
        self.keyid == key.keyid() && key.verifies(&encoding(&self.payload_type, &self.payload), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;

    use super::*;

    fn key() -> SigningKey {
        let key = PKey::generate_ed25519().unwrap();
        SigningKey::from_pem(&key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    /// The encoding of the protocol's own example.
    #[test]
    fn the_encoding_is_that_of_the_protocol() {
        let encoded = encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn an_envelope_has_one_form_and_one_signature() {
        let (key, other) = (key(), key());
        let sealed = seal("text/plain", b"payload", &key);
        let opened = open(&sealed).unwrap();
        assert_eq!((opened.payload_type.as_str(), opened.payload.as_slice()), ("text/plain", &b"payload"[..]));
        assert!(opened.signed_by(&key.public()));
        assert!(!opened.signed_by(&other.public()));
        assert!(!Envelope { payload_type: "text/html".to_owned(), ..opened.clone() }.signed_by(&key.public()));
        assert!(!Envelope { keyid: other.public().keyid(), ..opened.clone() }.signed_by(&key.public()));
        for index in 0..sealed.len() {
            for bit in 0..8 {
                let mut flipped = sealed.clone();
                flipped[index] ^= 1 << bit;
                let counts = open(&flipped).is_ok_and(|opened| opened.signed_by(&key.public()));
                assert!(!counts, "bit {bit} of byte {index}");
            }
        }
        let text = String::from_utf8(sealed.clone()).unwrap();
        let signature = text.split_once("\"signatures\":[").unwrap().1.split_once(']').unwrap().0;
        for wrong in [
            text.replace(signature, &format!("{signature},{signature}")),
            text.replace(signature, ""),
            text.replacen("{\"payload\"", "{\"more\":1,\"payload\"", 1),
            text.replacen("{\"payload\"", "{ \"payload\"", 1),
            format!("{text}\n"),
            text.trim_end().to_owned(),
        ] {
            assert!(open(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}

//! Signed notes (c2sp.org/signed-note): a text, a blank line, and lines of signatures. Ed25519 signatures only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::ed25519::{SIGNATURE, SigningKey, VerifyingKey};

/// The signature type of Ed25519 in a key's id.
const ED25519: u8 = 1;

/// Bytes of a key's id.
const KEY_ID: usize = 4;

/// Before every line of a signature: an em dash and a space.
const MARK: &str = "— ";

/// A note that was taken apart. Nothing in it is proved before [`Note::signed_by`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text, with the newline at its end.
    pub text: String,
    signatures: Vec<Line>,
}

/// One line of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: String,
    id: [u8; KEY_ID],
    signature: Vec<u8>,
}

/// Why bytes are no signed note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Control characters, or bytes that are no text.
    #[error("it is no signed note: it is not plain text")]
    NotText,
    /// No blank line with signatures behind it.
    #[error("it is no signed note: no signatures follow a blank line")]
    Unsigned,
    /// A line behind the blank line is no signature.
    #[error("it is no signed note: signature {0} cannot be read")]
    Signature(usize),
}

/// The id of a key under a name.
fn key_id(name: &str, key: &VerifyingKey) -> [u8; KEY_ID] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.bytes()).finalize();
    digest[..KEY_ID].try_into().expect("invariant: a digest has more bytes than an id")
}

/// Whether a text can be the name of a key.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace)
}

/// Signs a text that ends with a newline, under the name of a key that holds neither white space nor a plus sign.
pub fn sign(text: &str, name: &str, key: &SigningKey) -> String {
    let signed = [&key_id(name, &key.public())[..], &key.sign(text.as_bytes())].concat();
    format!("{text}\n{MARK}{name} {}\n", STANDARD.encode(signed))
}

/// Takes a note apart.
///
/// # Errors
/// When the bytes have another form.
pub fn parse(bytes: &[u8]) -> Result<Note, NoteError> {
    let note = std::str::from_utf8(bytes).map_err(|_| NoteError::NotText)?;
    if note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::NotText);
    }
    let split = note.rfind("\n\n").ok_or(NoteError::Unsigned)?;
    let (text, lines) = (&note[..=split], &note[split + 2..]);
    let lines = lines.strip_suffix('\n').filter(|lines| !lines.is_empty()).ok_or(NoteError::Unsigned)?;
    let line = |(index, line): (usize, &str)| {
        let parts = line.strip_prefix(MARK).and_then(|rest| rest.split_once(' ')).filter(|(name, _)| is_name(name));
        let (name, bytes) = parts.ok_or(NoteError::Signature(index + 1))?;
        let bytes = STANDARD.decode(bytes).map_err(|_| NoteError::Signature(index + 1))?;
        let (id, signature) = bytes.split_first_chunk().ok_or(NoteError::Signature(index + 1))?;
        Ok(Line { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    };
    let signatures = lines.split('\n').enumerate().map(line).collect::<Result<_, _>>()?;
    Ok(Note { text: text.to_owned(), signatures })
}

impl Note {
    /// Whether this key signed the text under that name. Lines of other keys say nothing; a line that claims to be this
    /// key's and is not makes the note worthless, whatever other lines say.
    pub fn signed_by(&self, name: &str, key: &VerifyingKey) -> bool {
        let id = key_id(name, key);
        let mut own = self.signatures.iter().filter(|line| line.name == name && line.id == id).peekable();
        let good =
            |line: &Line| line.signature.len() == SIGNATURE && key.verifies(self.text.as_bytes(), &line.signature);
        own.peek().is_some() && own.all(good)
    }
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;

    use super::*;

    /// The note of the Go library's documentation, which the format comes from.
    #[test]
    fn a_known_note_verifies() {
        let name = "PeterNeumann";
        let key = STANDARD.decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let key = VerifyingKey::raw(&key[1..]).unwrap();
        assert_eq!(key_id(name, &key), [0xc7, 0x4f, 0x20, 0xa3]);
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert!(parse(note.as_bytes()).unwrap().signed_by(name, &key));
        assert!(!parse(note.replacen("your", "my", 1).as_bytes()).unwrap().signed_by(name, &key));
        assert!(!parse(note.as_bytes()).unwrap().signed_by("Peter", &key));
    }

    #[test]
    fn every_flipped_bit_is_seen_and_other_signatures_say_nothing() {
        let key = |()| {
            let key = PKey::generate_ed25519().unwrap();
            SigningKey::from_pem(&key.private_key_to_pem_pkcs8().unwrap()).unwrap()
        };
        let (key, other) = (key(()), key(()));
        let note = sign("log\n2\nroot\n", "log", &key);
        assert!(parse(note.as_bytes()).unwrap().signed_by("log", &key.public()));
        for index in 0..note.len() {
            for bit in 0..8 {
                let mut flipped = note.clone().into_bytes();
                flipped[index] ^= 1 << bit;
                let counts = parse(&flipped).is_ok_and(|note| note.signed_by("log", &key.public()));
                assert!(!counts, "bit {bit} of byte {index}");
            }
        }
        let text = "log\n2\nroot\n";
        let second = sign(text, "witness", &other);
        let line = |note: &str| note.rsplit_once("\n\n").unwrap().1.to_owned();
        let both = format!("{note}{}", line(&second));
        assert!(parse(both.as_bytes()).unwrap().signed_by("log", &key.public()));
        assert!(parse(both.as_bytes()).unwrap().signed_by("witness", &other.public()));
        // A line in this key's name over another text.
        let forged = format!("{note}{}", line(&sign("log\n3\nroot\n", "log", &key)));
        assert!(!parse(forged.as_bytes()).unwrap().signed_by("log", &key.public()));
        for wrong in [
            "",
            "x",
            "x\n",
            "x\n\n",
            "x\n\n— a\n",
            "x\n\n— a AA\n",
            "x\n\n- a AAAAAAAA\n",
            "x\n\n— a+b AAAAAAAA\n",
            "x\t\n\n— a AAAAAAAA\n",
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(parse(note.trim_end().as_bytes()).is_err(), "the last newline belongs to it");
    }
}

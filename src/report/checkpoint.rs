//! The checkpoint: a signed note (c2sp.org/tlog-checkpoint) over the ledger's lines as a Merkle tree (RFC 6962).
//!
//! The ledger's chain shows what was changed to whoever knows its last line. A checkpoint is that knowledge in four
//! lines, signed: whoever keeps one sees later whether the lines that it was made over are still there and still the
//! same. The entries of the tree are the ledger's lines, each with its newline, as the chain counts them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::publish::LEDGER;
use crate::evidence::sha256_hex;
use crate::trust::ed25519::{SigningKey, VerifyingKey};
use crate::trust::merkle;
use crate::trust::note::{self, Note, NoteError};

/// The checkpoint's file name, beside the ledger.
pub const CHECKPOINT: &str = "checkpoint";

/// The next checkpoint, until it takes the place of the last one.
const NEXT: &str = ".checkpoint.next";

/// Before the digest of a ledger's first line, which tells it from every other ledger.
const ORIGIN: &str = "cutgate-ledger/";

/// A checkpoint that fits a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many lines it is over, from the first.
    pub lines: usize,
    /// The key that signed it; none where no key was given to see that.
    pub by: Option<VerifyingKey>,
}

/// Why a checkpoint does not fit a ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is no signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is a note of something else.
    #[error("it is no checkpoint of a ledger: {0}")]
    Form(&'static str),
    /// None of the keys signed it.
    #[error("none of the keys that count here signed it")]
    Unsigned,
    /// It is of another ledger.
    #[error("it is of another ledger, or the first line of this one was rewritten: it names {0:?}")]
    Other(String),
    /// Lines are gone.
    #[error("lines are gone: it was signed over {held} lines, and the ledger has {lines}")]
    Truncated {
        /// How many lines it was signed over.
        held: usize,
        /// How many there are.
        lines: usize,
    },
    /// Lines are others.
    #[error("the ledger was rewritten: the root over its first {0} lines is not the one that was signed")]
    Rewritten(usize),
}

/// The lines of a ledger, each with its newline.
fn lines(ledger: &[u8]) -> Vec<&[u8]> {
    ledger.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The name of a ledger and of the key over it: the same as long as its first line is.
fn origin(lines: &[&[u8]]) -> Option<String> {
    lines.first().map(|line| format!("{ORIGIN}{}", sha256_hex(line)))
}

/// The checkpoint of a ledger, signed; none of an empty one.
pub fn checkpoint(ledger: &[u8], key: &SigningKey) -> Option<String> {
    let lines = lines(ledger);
    let origin = origin(&lines)?;
    let root = STANDARD.encode(merkle::root(lines.iter().copied()));
    Some(note::sign(&format!("{origin}\n{}\n{root}\n", lines.len()), &origin, key))
}

/// Compares a checkpoint with a ledger that may have grown since. One of `keys` must have signed it; where there are
/// none, nobody's signature is asked for, and what it says is compared all the same.
///
/// # Errors
/// What does not fit.
pub fn holds(checkpoint: &[u8], ledger: &[u8], keys: &[VerifyingKey]) -> Result<Held, CheckpointError> {
    let note = note::parse(checkpoint)?;
    let said = Said::of(&note)?;
    let by = keys.iter().find(|key| note.signed_by(said.origin, key)).copied();
    if by.is_none() && !keys.is_empty() {
        return Err(CheckpointError::Unsigned);
    }
    let lines = lines(ledger);
    if origin(&lines).is_some_and(|origin| origin != said.origin) {
        return Err(CheckpointError::Other(said.origin.to_owned()));
    }
    let held = said.lines;
    let first = lines.get(..held).ok_or(CheckpointError::Truncated { held, lines: lines.len() })?;
    if merkle::root(first.iter().copied()) != said.root {
        return Err(CheckpointError::Rewritten(held));
    }
    Ok(Held { lines: held, by })
}

/// What a checkpoint's text says.
struct Said<'a> {
    origin: &'a str,
    lines: usize,
    root: merkle::Node,
}

impl<'a> Said<'a> {
    fn of(note: &'a Note) -> Result<Self, CheckpointError> {
        let parts: Vec<&str> = note.text.split_terminator('\n').collect();
        let [origin, lines, root] = parts.as_slice() else {
            return Err(CheckpointError::Form("it has not three lines of text"));
        };
        let number = lines.parse().ok().filter(|number: &usize| *number > 0 && number.to_string() == *lines);
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        Ok(Self {
            origin: origin.strip_prefix(ORIGIN).map(|_| *origin).ok_or(CheckpointError::Form("another kind of log"))?,
            lines: number.ok_or(CheckpointError::Form("its second line is no number of lines"))?,
            root: root.ok_or(CheckpointError::Form("its third line is no root"))?,
        })
    }
}

/// Writes the checkpoint of the ledger with one line more to where [`put`] finds it. The ledger is not touched.
///
/// # Errors
/// When the ledger cannot be read, or the file not written.
pub fn prepare(root: &Path, line: &[u8], key: &SigningKey) -> io::Result<()> {
    let mut ledger = match fs::read(root.join(LEDGER)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    ledger.extend_from_slice(line);
    let note = checkpoint(&ledger, key).ok_or_else(|| io::Error::other("the ledger is empty"))?;
    let mut file = File::create(root.join(NEXT))?;
    file.write_all(note.as_bytes())?;
    file.sync_all()
}

/// Puts the prepared checkpoint in the place of the last one.
///
/// # Errors
/// When it cannot be renamed.
pub fn put(root: &Path) -> io::Result<()> {
    fs::rename(root.join(NEXT), root.join(CHECKPOINT))
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;

    use super::*;

    fn key() -> SigningKey {
        let key = PKey::generate_ed25519().unwrap();
        SigningKey::from_pem(&key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    fn ledger(lines: usize) -> Vec<u8> {
        (0..lines).flat_map(|number| format!("{{\"number\":{number}}}\n").into_bytes()).collect()
    }

    /// A checkpoint fits its own ledger and every one that grew out of it, and no other.
    #[test]
    fn a_checkpoint_holds_what_it_was_made_over() {
        let key = key();
        let keys = [key.public()];
        for size in 1..20 {
            let note = checkpoint(&ledger(size), &key).unwrap();
            for now in 1..25 {
                let fits = holds(note.as_bytes(), &ledger(now), &keys);
                if now >= size {
                    assert_eq!(fits, Ok(Held { lines: size, by: Some(key.public()) }));
                } else {
                    assert_eq!(fits, Err(CheckpointError::Truncated { held: size, lines: now }));
                }
            }
            let text = String::from_utf8(ledger(24)).unwrap();
            for changed in 0..24 {
                let other = text.replace(&format!(":{changed}}}"), &format!(":9{changed}}}"));
                let fits = holds(note.as_bytes(), other.as_bytes(), &keys);
                match changed {
                    0 => assert!(matches!(fits, Err(CheckpointError::Other(_)))),
                    line if line < size => assert_eq!(fits, Err(CheckpointError::Rewritten(size))),
                    _ => assert!(fits.is_ok()),
                }
            }
            assert!(holds(note.as_bytes(), b"", &keys).is_err());
        }
        assert_eq!(checkpoint(b"", &key), None);
    }

    #[test]
    fn other_notes_are_no_checkpoints() {
        let (key, other) = (key(), super::tests::key());
        let good = checkpoint(&ledger(3), &key).unwrap();
        assert_eq!(holds(good.as_bytes(), &ledger(3), &[other.public()]), Err(CheckpointError::Unsigned));
        assert!(holds(good.as_bytes(), &ledger(3), &[other.public(), key.public()]).is_ok());
        assert_eq!(holds(good.as_bytes(), &ledger(3), &[]), Ok(Held { lines: 3, by: None }));
        let text = good.split_once("\n\n").unwrap().0.to_owned() + "\n";
        let name = text.lines().next().unwrap().to_owned();
        for wrong in [
            text.replacen("\n3\n", "\n03\n", 1),
            text.replacen("\n3\n", "\n+3\n", 1),
            text.replacen("\n3\n", "\n0\n", 1),
            text.replacen("\n3\n", "\n99999999999999999999999\n", 1),
            format!("{text}more\n"),
            text.replacen(ORIGIN, "example.com/", 1),
            text.lines().take(2).map(|line| format!("{line}\n")).collect(),
            format!("{}AAAA\n", &text[..text.len() - 1]),
        ] {
            let name = if wrong.starts_with(ORIGIN) { name.as_str() } else { wrong.lines().next().unwrap() };
            let signed = note::sign(&wrong, name, &key);
            assert!(holds(signed.as_bytes(), &ledger(3), &[key.public()]).is_err(), "{wrong}");
        }
    }
}

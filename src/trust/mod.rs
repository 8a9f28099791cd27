//! OpenPGP: certificates from everything GnuPG and its relatives keep them in, detached signatures judged against
//! pinned fingerprints, and detached signatures made with a secret key that somebody else read. Ed25519: DSSE envelopes
//! and signed notes, and the tree that a note is over.
//!
//! Works on bytes that others read: it opens nothing, starts no program, and asks no clock. Two rules stand
//! behind all of it. A keyring of which one part cannot be understood is an error, never a shorter list; and
//! a signature counts only when nothing at all speaks against it, at its own time and now.

mod ahead;
mod armor;
mod certs;
pub mod dsse;
pub mod ed25519;
mod fingerprint;
mod keybox;
pub mod merkle;
pub mod note;
mod packets;
mod sealed;
mod sign;
mod standing;
mod verify;

pub use certs::{
    Part, RingError, RingForm, form_of, from_armor, from_binary, from_bytes, from_keybox, lost_since, some_of_keybox,
};
pub use fingerprint::Fingerprint;
pub use keybox::{Keybox, KeyboxError, read as read_keybox, serves_openpgp};
pub use sealed::begins_sealed;
pub use sign::{Passphrase, SecretKey, SignError, armored, can_sign, would_verify};
pub use standing::{Ability, KeyStanding, Revocation, Standing, Usable};
pub use verify::{CLOCK_SKEW, Counted, Refusal, Refused, Verdict, verify_detached};

/// A certificate, as sequoia keeps it.
pub use sequoia_openpgp::Cert;

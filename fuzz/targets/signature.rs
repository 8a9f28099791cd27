//! Detached signatures. Only a key that is pinned counts, only over its own bytes, and a key that had expired,
//! was revoked or is not pinned never does, whatever the file says.

use std::sync::LazyLock;

use cutgate::trust::{self, Cert, Fingerprint, verify_detached};

use super::now;

/// What the seeds sign.
const SIGNED: &[u8] = include_bytes!("../keyring/signed");
/// Public keys made by gpg: `good` and `second`, and three whose signatures must not count.
const RING: &[u8] = include_bytes!("../keyring/ring.pgp");
/// Their fingerprints by name, a line each.
const NAMES: &str = include_str!("../keyring/names");

static CERTS: LazyLock<Vec<Cert>> = LazyLock::new(|| trust::from_bytes(RING).expect("a keyring"));

fn print(name: &str) -> Fingerprint {
    let line = NAMES.lines().find_map(|line| line.strip_prefix(name)).expect("a name of the keyring");
    line.trim().parse().expect("a fingerprint")
}

pub fn run(data: &[u8]) {
    let all = ["good", "second", "expired", "revoked"].map(print);
    let verdict = verify_detached(data, SIGNED, &CERTS, &all, now());
    assert!(!verdict.counted.is_empty() || !verdict.refused.is_empty(), "silence is no answer");
    let [good, second, ..] = &all;
    for counted in &verdict.counted {
        assert!(counted.signer == *good || counted.signer == *second, "{counted:?}");
        assert!(counted.created <= now());
    }
    assert!(verdict.counted.is_sorted_by(|a, b| a.signer < b.signer), "each signer once");
    let none = |signed: &[u8], certs: &[Cert], pinned: &[Fingerprint]| {
        let verdict = verify_detached(data, signed, certs, pinned, now());
        assert_eq!(verdict.counted, Vec::new());
        assert!(!verdict.refused.is_empty());
    };
    none(SIGNED, &CERTS, &[]);
    none(SIGNED, &CERTS, &[print("stranger")]);
    none(SIGNED, &[], &all);
    none(b"something else\n", &CERTS, &all);
    none(&SIGNED[..SIGNED.len() - 1], &CERTS, &all);
}

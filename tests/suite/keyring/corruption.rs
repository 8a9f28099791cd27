//! Altered and truncated keyrings: an error or the same list, never a shorter one.

use cutgate::evidence::{MissingState, sha256_hex};
use cutgate::trust;

use super::{Home, cert, collect_bytes, has, missing, yes};
use crate::harness::open_dir;

#[test]
fn no_altered_byte_of_a_keybox_makes_a_shorter_list() {
    let home = Home::new();
    let print = home.make_good("alone");
    let other = home.make("other", "ed25519", "cert,sign", "never", None);
    let whole = std::fs::read(home.path().join("pubring.kbx")).expect("keybox");
    let prints = |bytes: &[u8]| -> Option<(Vec<String>, usize)> {
        let keybox = trust::read_keybox(bytes).ok()?;
        let certs = trust::from_keybox(&keybox).ok()?;
        Some((certs.iter().map(|cert| cert.fingerprint().to_hex()).collect(), keybox.deleted))
    };
    let mut expected = vec![print, other];
    expected.sort();
    assert_eq!(prints(&whole), Some((expected.clone(), 0)));

    let mut survived = 0;
    for at in 0..whole.len() {
        for mask in [0x01, 0x02, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            match prints(&bytes) {
                None => {}
                Some((found, 0)) => {
                    assert_eq!(found, expected, "byte {at} ^ {mask:#x}");
                    assert!(at < 32, "only the header has no checksum: byte {at} ^ {mask:#x}");
                    survived += 1;
                }
                // The type byte zeroed is what gpg itself writes to delete a key; it is counted and reported.
                Some((found, deleted)) => assert_eq!((found.len() + deleted, mask), (2, 0x02), "byte {at}"),
            }
        }
    }
    assert!(survived > 0, "times and flags of the header may differ");
    let first = u32::from_be_bytes(whole[32..36].try_into().expect("four bytes")) as usize;
    for length in 0..whole.len() {
        match prints(&whole[..length]) {
            None => {}
            // A file that ends between two blobs is a whole keybox: nothing in the format counts the blobs.
            Some((found, _)) => {
                let wanted = usize::from(length == 32 + first);
                assert!((length == 32 || wanted == 1) && found.len() == wanted, "{length}");
            }
        }
    }
}

#[test]
fn a_corrupt_keybox_says_where_and_is_never_empty() {
    let home = Home::new();
    home.make_good("alone");
    let path = home.path().join("pubring.kbx");
    let whole = std::fs::read(&path).expect("keybox");
    let mut flipped = whole.clone();
    flipped[500] ^= 0x10;
    let mut endless = whole.clone();
    endless[32..36].copy_from_slice(&[0xff; 4]);
    let mut still = whole.clone();
    still[32..36].copy_from_slice(&[0; 4]);
    let truncated = whole[..whole.len() - 1].to_vec();
    let cases = [
        (flipped, "checksum"),
        (endless, "4294967295"),
        (still, "too short"),
        (truncated, "of which the file"),
        (Vec::new(), "header"),
    ];
    for (bytes, said) in cases {
        std::fs::write(&path, &bytes).expect("write");
        let facts = home.collect();
        has(&facts, &[("present", yes()), ("form", "keybox".into()), ("digest", sha256_hex(&bytes).into())]);
        for name in ["certs", "count", "fingerprints"] {
            let missing = missing(facts.get(name));
            assert_eq!(missing.state, MissingState::Unreadable);
            assert!(missing.said.contains(said) && missing.said.contains("at byte"), "{missing}");
        }
    }
}

#[test]
fn random_bytes_behind_the_header_end_in_an_error_quickly() {
    let header = {
        let home = Home::new();
        home.gpg(&["--batch", "--list-keys"], b"");
        std::fs::read(home.path().join("pubring.kbx")).expect("keybox")
    };
    assert_eq!(header.len(), 32);
    proptest::proptest!(|(tail in proptest::collection::vec(proptest::num::u8::ANY, 1..200))| {
        let bytes = [header.as_slice(), &tail].concat();
        proptest::prop_assert!(trust::from_bytes(&bytes).is_err());
        let _ = trust::from_bytes(&tail);
        let _ = trust::from_binary(&tail);
        let _ = trust::from_armor(&tail);
    });
}

#[test]
fn no_altered_byte_of_a_keyring_file_hides_a_key_or_a_revocation() {
    let home = Home::new();
    let (good, revoked) = (home.make_good("good"), home.make_good("revoked"));
    home.revoke(&revoked, "1");
    let (kept, taken) = (home.certs(), [good, revoked.clone()]);
    assert_eq!(kept.len(), taken.len());
    let now = chrono::Utc::now();
    for armor in [false, true] {
        let export = if armor { vec!["--batch", "--armor", "--export"] } else { vec!["--batch", "--export"] };
        let whole = home.gpg(&export, b"").stdout;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x04;
            let Ok(certs) = trust::from_bytes(&bytes) else { continue };
            assert_eq!(certs.len(), 2, "byte {at}, armor {armor}");
            let found = certs.iter().find(|cert| cert.fingerprint().to_hex() == revoked).expect("it is listed");
            let standing = trust::Standing::of(found, &certs, now, now);
            assert!(standing.primary().can_sign() != Ok(true), "byte {at}, armor {armor}: {standing:#?}");
        }
        // Without its final newline an armored file is still whole.
        for length in 1..whole.len() - usize::from(armor) {
            let Ok(certs) = trust::from_bytes(&whole[..length]) else { continue };
            assert!(!armor && certs.len() < 3, "a binary keyring may end between two packets only: {length}");
        }
    }
}

#[test]
fn a_signature_of_its_own_that_does_not_verify_leaves_a_certificate_undecided() {
    let home = Home::new();
    let print = home.make_good("damaged");
    let mut bytes = home.gpg(&["--batch", "--export"], b"").stdout;
    // The last bytes are the signature that binds the encryption subkey.
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let dir = open_dir();
    let facts = collect_bytes(dir.path(), &bytes);
    let cert = cert(&facts, &print);
    for name in ["valid", "can_encrypt", "can_sign", "revoked", "expires", "expired"] {
        assert_eq!(missing(cert.get(name)).state, MissingState::Unreadable, "{name}");
    }
    assert!(missing(cert.get("valid")).said.contains("do not verify"));
}

#[test]
fn what_is_wrong_with_a_secret_key_is_said_without_a_piece_of_it() {
    let home = Home::new();
    let print = home.make_good("secret");
    let whole = home.gpg(&["--batch", "--export-secret-keys", &print], b"").stdout;
    let mut told = 0;
    for at in 0..whole.len() {
        for mask in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            let (Err(error), Err(again)) = (trust::from_bytes(&bytes), trust::from_bytes(&bytes)) else { continue };
            let text = error.to_string();
            assert_eq!(text, again.to_string(), "the same bytes, the same words");
            assert!(text.len() < 200 && !text.contains("mpis"), "byte {at}: {text}");
            told += usize::from(text.contains("secret key that cannot be read"));
        }
    }
    assert!(told > 0, "some of them are inside a secret key");
}

//! Detached signatures by the real gpg, and every reason why one does not count.

use chrono::{Duration, Utc};
use cutgate::trust::{Cert, Fingerprint, Refusal, Usable, Verdict, from_binary, verify_detached};

use crate::keyring::Home;

fn print(text: &str) -> Fingerprint {
    text.parse().expect("a fingerprint")
}

fn verify(signature: &[u8], data: &[u8], certs: &[Cert], pinned: &[&str]) -> Verdict {
    let pinned: Vec<_> = pinned.iter().map(|text| print(text)).collect();
    verify_detached(signature, data, certs, &pinned, Utc::now())
}

/// The one reason why nothing counts.
fn refusal(verdict: &Verdict) -> &Refusal {
    assert_eq!(verdict.counted, Vec::new());
    assert_eq!(verdict.refused.len(), 1, "{verdict:?}");
    &verdict.refused[0].reason
}

fn signers(verdict: &Verdict) -> Vec<&str> {
    verdict.counted.iter().map(|counted| counted.signer.as_str()).collect()
}

const DATA: &[u8] = b"run the cut\n";

#[test]
fn a_pinned_signature_counts_armored_binary_and_by_a_subkey() {
    let home = Home::new();
    let plain = home.make("plain", "ed25519", "cert,sign", "never", None);
    let certifier = home.make("certifier", "ed25519", "cert", "never", None);
    home.gpg(&["--batch", "--quick-add-key", &certifier, "ed25519", "sign", "never"], b"");
    let certs = home.certs();
    let before = Utc::now() - Duration::minutes(1);
    let verdict = verify(&home.sign(&plain, DATA, &[]), DATA, &certs, &[&plain]);
    assert_eq!((signers(&verdict), verdict.refused.len()), (vec![plain.as_str()], 0));
    assert!(verdict.counted[0].created > before && verdict.counted[0].created < Utc::now() + Duration::seconds(2));
    let binary = home.sign(&plain, DATA, &["--no-armor"]);
    assert!(!binary.starts_with(b"-"));
    assert_eq!(signers(&verify(&binary, DATA, &certs, &[&plain])), [&plain]);
    // The signer is the certificate, not the subkey that it signed with.
    assert_eq!(signers(&verify(&home.sign(&certifier, DATA, &[]), DATA, &certs, &[&certifier])), [&certifier]);
}

#[test]
fn each_signer_counts_once_whatever_the_file_looks_like() {
    let home = Home::new();
    let mut prints = [home.make_good("one"), home.make_good("two"), home.make_good("three")];
    prints.sort();
    let [one, two, three] = &prints;
    let certs = home.certs();
    let both = home.sign(one, DATA, &["-u", two]);
    let verdict = verify(&both, DATA, &certs, &[one, two, three]);
    assert_eq!(signers(&verdict), [one, two]);
    let blocks = [home.sign(one, DATA, &[]), home.sign(one, DATA, &[]), home.sign(three, DATA, &[])].concat();
    let verdict = verify(&blocks, DATA, &certs, &[one, two, three]);
    assert_eq!(signers(&verdict), [one, three]);
    let verdict = verify(&blocks, DATA, &certs, &[three]);
    assert_eq!(signers(&verdict), [three]);
    assert_eq!(verdict.refused.iter().map(|refused| &refused.reason).collect::<Vec<_>>(), [&Refusal::NotPinned; 2]);
    let mixed = [home.sign(one, DATA, &[]), home.sign(two, b"other", &[])].concat();
    let verdict = verify(&mixed, DATA, &certs, &[one, two]);
    assert_eq!(signers(&verdict), [one]);
    assert!(matches!(verdict.refused[0].reason, Refusal::OtherBytes(_)), "{verdict:?}");
}

#[test]
fn what_does_not_count_says_why() {
    let home = Home::new();
    let good = home.make_good("good");
    let certs = home.certs();
    let signature = home.sign(&good, DATA, &[]);
    assert_eq!(refusal(&verify(&signature, DATA, &certs, &[])), &Refusal::NotPinned);
    assert_eq!(refusal(&verify(&signature, DATA, &[], &[&good])), &Refusal::KeyNotFound);
    let other = verify(&signature, b"run the cut", &certs, &[&good]);
    assert!(matches!(refusal(&other), Refusal::OtherBytes(_)), "{other:?}");
    let weak = verify(&home.sign(&good, DATA, &["--digest-algo", "SHA1"]), DATA, &certs, &[&good]);
    assert!(matches!(refusal(&weak), Refusal::WeakHash(said) if said.contains("SHA1")), "{weak:?}");
    let text = verify(&home.sign(&good, DATA, &["--textmode"]), DATA, &certs, &[&good]);
    assert!(matches!(refusal(&text), Refusal::WrongType(_)), "{text:?}");
    let clear = home.gpg(&["--batch", "-u", &good, "--clearsign"], DATA).stdout;
    assert_eq!(refusal(&verify(&clear, DATA, &certs, &[&good])), &Refusal::Cleartext);
    let inline = home.gpg(&["--batch", "-u", &good, "--sign"], DATA).stdout;
    let key = home.gpg(&["--batch", "--armor", "--export", &good], b"").stdout;
    let half = signature[..signature.len() / 2].to_vec();
    for none in [inline, key, half, b"".to_vec(), b"signed, the sovereign\n".to_vec()] {
        let verdict = verify(&none, DATA, &certs, &[&good]);
        assert!(matches!(refusal(&verdict), Refusal::NotASignature(_)), "{verdict:?}");
    }
}

#[test]
fn no_altered_byte_of_a_signature_counts_for_other_bytes() {
    let home = Home::new();
    let good = home.make_good("good");
    let certs = home.certs();
    let whole = home.sign(&good, DATA, &["--no-armor"]);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x11;
        // Unsigned parts may differ: the signature still counts for the bytes it was made over, and for no others.
        let _ = verify(&bytes, DATA, &certs, &[&good]);
        assert_eq!(verify(&bytes, b"another order\n", &certs, &[&good]).counted, Vec::new(), "byte {at}");
    }
    for length in 0..whole.len() {
        assert_eq!(verify(&whole[..length], DATA, &certs, &[&good]).counted, Vec::new(), "{length} bytes");
    }
}

#[test]
fn times_of_signatures_and_keys() {
    let home = Home::new();
    let short = home.make("short", "ed25519", "cert,sign", "1y", Some("20200101T000000"));
    let at_2020 = ["--faked-system-time", "20200601T000000"];
    let signature = home.sign(&short, DATA, &at_2020);
    let expired_certs = home.certs();
    let verdict = verify(&signature, DATA, &expired_certs, &[&short]);
    assert!(refusal(&verdict).is_expired_now(), "{verdict:?}");

    // Prolonged, it signs in 2022; whoever has the older certificate sees a key that had expired then.
    home.gpg(&["--batch", "--quick-set-expire", &short, "0"], b"");
    let later = home.sign(&short, DATA, &["--faked-system-time", "20220601T000000"]);
    let verdict = verify(&later, DATA, &expired_certs, &[&short]);
    assert!(refusal(&verdict).is_expired_when_signed(), "{verdict:?}");

    let good = home.make_good("good");
    let certs = home.certs();
    let ahead = (Utc::now() + Duration::days(2)).format("%Y%m%dT%H%M%S").to_string();
    let verdict = verify(&home.sign(&good, DATA, &["--faked-system-time", &ahead]), DATA, &certs, &[&good]);
    assert!(matches!(refusal(&verdict), Refusal::FromTheFuture(_)), "{verdict:?}");
    let skew = (Utc::now() + Duration::minutes(3)).format("%Y%m%dT%H%M%S").to_string();
    let verdict = verify(&home.sign(&good, DATA, &["--faked-system-time", &skew]), DATA, &certs, &[&good]);
    assert_eq!(signers(&verdict), [&good], "a clock may be some minutes ahead");

    let old = home.make("old", "ed25519", "cert,sign", "never", Some("20200101T000000"));
    let brief = home.sign(&old, DATA, &["--faked-system-time", "20200601T000000", "--default-sig-expire", "1d"]);
    assert_eq!(refusal(&verify(&brief, DATA, &home.certs(), &[&old])), &Refusal::SignatureExpired);
}

#[test]
fn revoked_weak_and_unfit_keys_do_not_count() {
    let home = Home::new();
    for (reason, kind) in [("1", "hard"), ("2", "soft"), ("3", "soft"), ("0", "hard")] {
        let key = home.make(&format!("revoked {reason}"), "ed25519", "cert,sign", "never", None);
        let signature = home.sign(&key, DATA, &[]);
        assert_eq!(signers(&verify(&signature, DATA, &home.certs(), &[&key])), [&key]);
        home.revoke(&key, reason);
        let verdict = verify(&signature, DATA, &home.certs(), &[&key]);
        assert!(refusal(&verdict).revocation().is_some(), "{verdict:?}");
        assert!(verdict.reasons().contains(kind), "{}", verdict.reasons());
    }
    let weak = home.make("weak", "rsa1024", "cert,sign", "never", None);
    let verdict = verify(&home.sign(&weak, DATA, &[]), DATA, &home.certs(), &[&weak]);
    assert!(matches!(refusal(&verdict), Refusal::KeyBadWhenSigned(Usable::Refused(_))), "{verdict:?}");

    let former = home.make("former", "ed25519", "cert,sign", "never", Some("20240101T000000"));
    let signature = home.sign(&former, DATA, &["--faked-system-time", "20240201T000000"]);
    assert_eq!(signers(&verify(&signature, DATA, &home.certs(), &[&former])), [&former]);
    let export = || home.gpg(&["--batch", "--export", &former], b"").stdout;
    let could = export();
    home.gpg(&["--no-tty", "--command-fd", "0", "--edit-key", &former], b"change-usage\ns\nq\nsave\n");
    let both = from_binary(&[could, export()].concat()).expect("copies are merged");
    assert_eq!(refusal(&verify(&signature, DATA, &both, &[&former])), &Refusal::NoSigningFlag);
    // gpg itself drops the older self-signature, and then nothing tells what the key was allowed to do.
    let verdict = verify(&signature, DATA, &home.certs(), &[&former]);
    assert!(verdict.reasons().contains("as old as 2024-02-01T00:00:00Z"), "{}", verdict.reasons());
}

/// A signature by the real gpg that lasts a day, kept for the fuzzer, at both sides of its end.
#[test]
fn a_signature_with_an_end_counts_until_then() {
    let kept = |name: &str| std::fs::read(format!("{}/fuzz/{name}", env!("CARGO_MANIFEST_DIR"))).expect("kept");
    let certs = from_binary(&kept("keyring/ring.pgp")).expect("certificates");
    let names = String::from_utf8(kept("keyring/names")).expect("text");
    let good = names.lines().find_map(|line| line.strip_prefix("good ")).expect("good").parse().expect("a fingerprint");
    let pinned = [good];
    let judged = |at| verify_detached(&kept("seeds/signature/short"), &kept("keyring/signed"), &certs, &pinned, at);
    let created = {
        let verdict = judged("2026-11-23T00:00:00Z".parse().expect("an instant"));
        assert_eq!((verdict.counted.len(), verdict.refused.len()), (1, 0), "{verdict:?}");
        verdict.counted[0].created
    };
    let end = created + Duration::days(1);
    assert_eq!(judged(end - Duration::seconds(1)).counted.len(), 1);
    for at in [end, end + Duration::days(1)] {
        assert_eq!(refusal(&judged(at)), &Refusal::SignatureExpired);
    }
    // Five minutes ahead of our clock is a clock's fault, more is not.
    assert_eq!(judged(created - Duration::minutes(5)).counted.len(), 1);
    let early = judged(created - Duration::minutes(5) - Duration::seconds(1));
    assert!(matches!(refusal(&early), Refusal::FromTheFuture(_)), "{early:?}");
}

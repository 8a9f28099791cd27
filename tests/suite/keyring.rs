//! OpenPGP keyrings made by the real gpg.

mod corruption;
mod edges;
mod gpg;
mod homes;

use std::path::Path;

use cutgate::evidence::{Fact, Missing, MissingState, sha256_hex};
use cutgate::trust::Fingerprint;
use serde_json::json;

use super::harness::collect;
use gpg::SIGN_AND_ENCRYPT;
pub use gpg::{Home, created};

pub fn list(fact: &Fact) -> &[Fact] {
    let Fact::List(items) = fact else { panic!("not a list: {fact:?}") };
    items
}

pub fn missing(fact: Option<&Fact>) -> &Missing {
    let Some(Fact::Missing(missing)) = fact else { panic!("not missing: {fact:?}") };
    missing
}

/// The certificate with a fingerprint.
fn cert<'a>(facts: &'a Fact, print: &str) -> &'a Fact {
    let certs = list(facts.get("certs").expect("certs"));
    certs.iter().find(|cert| cert.get("fingerprint") == Some(&print.into())).expect("the certificate is listed")
}

/// Asserts several fields of a record.
pub fn has(record: &Fact, fields: &[(&str, Fact)]) {
    for (name, wanted) in fields {
        assert_eq!(record.get(name), Some(wanted), "{name} of {record:#?}");
    }
}

fn yes() -> Fact {
    true.into()
}

fn no() -> Fact {
    false.into()
}

/// Keyboxes, binary and armored rings are written to the package folder as `ring`.
fn collect_bytes(dir: &Path, bytes: &[u8]) -> Fact {
    std::fs::write(dir.join("ring"), bytes).expect("write");
    collect("openpgp-keyring", dir, json!({ "home": "ring" })).expect("facts")
}

#[test]
fn an_absent_home_is_absent_and_an_empty_one_is_known_empty() {
    let home = Home::new();
    let facts = collect("openpgp-keyring", home.dir.path(), json!({ "home": "elsewhere" })).expect("facts");
    has(&facts, &[("present", no())]);
    assert_eq!(missing(facts.get("certs")).state, MissingState::Absent);

    let facts = home.collect();
    has(&facts, &[("present", yes()), ("form", "empty-home".into()), ("count", 0_usize.into())]);
    assert_eq!(facts.get("certs"), Some(&Fact::List(Vec::new())));
    assert_eq!(missing(facts.get("digest")).state, MissingState::Absent);

    home.gpg(&["--batch", "--list-keys"], b"");
    let bytes = std::fs::read(home.path().join("pubring.kbx")).expect("gpg made an empty keybox");
    let facts = home.collect();
    has(&facts, &[("form", "keybox".into()), ("count", 0_usize.into()), ("digest", sha256_hex(&bytes).into())]);
    assert_eq!(facts.get("certs"), Some(&Fact::List(Vec::new())));
}

#[test]
fn a_good_key_can_encrypt_and_sign_now_and_at_the_horizon() {
    let home = Home::new();
    let print = home.make_good("Cut Backup <backup@example.org>");
    let facts = home.collect();
    has(
        &facts,
        &[("form", "keybox".into()), ("count", 1_usize.into()), ("fingerprints", Fact::texts([print.clone()]))],
    );
    has(&facts, &[("ignored", Fact::List(Vec::new())), ("shadowed", Fact::List(Vec::new()))]);
    let cert = cert(&facts, &print);
    has(cert, &[("user_ids", Fact::texts(["Cut Backup <backup@example.org>"])), ("algorithm", "EdDSA".into())]);
    has(
        cert,
        &[("revoked", "no".into()), ("expired", no()), ("policy", "accepted".into()), ("bits", 256_usize.into())],
    );
    for name in ["valid", "valid_at_horizon", "can_encrypt", "can_encrypt_at_horizon", "can_sign"] {
        has(cert, &[(name, yes())]);
    }
    assert_eq!(missing(cert.get("expires")).state, MissingState::Absent);
    let keys = list(cert.get("keys").expect("keys"));
    assert_eq!(keys.len(), 2);
    has(
        &keys[0],
        &[("role", "primary".into()), ("can_sign", yes()), ("can_encrypt", no()), ("reason", "accepted".into())],
    );
    has(
        &keys[1],
        &[("role", "subkey".into()), ("can_sign", no()), ("can_encrypt", yes()), ("algorithm", "ECDH".into())],
    );
}

#[test]
fn expired_keys_and_those_that_expire_within_the_horizon() {
    let home = Home::new();
    let expired = home.make("expired", SIGN_AND_ENCRYPT, "default", "1y", Some("20200101T000000"));
    let soon = home.make("soon", SIGN_AND_ENCRYPT, "default", "seconds=43200", None);
    let facts = home.collect();
    let old = cert(&facts, &expired);
    has(
        old,
        &[("expired", yes()), ("valid", no()), ("can_encrypt", no()), ("can_sign", no()), ("revoked", "no".into())],
    );
    let Some(Fact::Time(end)) = old.get("expires") else { panic!("no expiry: {old:#?}") };
    assert_eq!(end.to_rfc3339(), "2020-12-31T00:00:00+00:00");
    let soon_cert = cert(&facts, &soon);
    has(soon_cert, &[("expired", no()), ("valid", yes()), ("can_encrypt", yes()), ("can_sign", yes())]);
    has(soon_cert, &[("valid_at_horizon", no()), ("can_encrypt_at_horizon", no())]);

    let short =
        collect("openpgp-keyring", home.dir.path(), json!({ "home": "gnupg", "horizon": "1h" })).expect("facts");
    has(cert(&short, &soon), &[("valid_at_horizon", yes()), ("can_encrypt_at_horizon", yes())]);
}

#[test]
fn an_encryption_subkey_that_expired_alone() {
    let home = Home::new();
    let print = home.make("signer", "ed25519", "cert,sign", "never", Some("20200101T000000"));
    let fake = ["--faked-system-time", "20200101T000100"];
    home.gpg(&[&["--batch"], &fake[..], &["--quick-add-key", &print, "cv25519", "encr", "1y"]].concat(), b"");
    let facts = home.collect();
    let cert = cert(&facts, &print);
    has(cert, &[("valid", yes()), ("can_sign", yes()), ("can_encrypt", no()), ("can_encrypt_at_horizon", no())]);
    let keys = list(cert.get("keys").expect("keys"));
    has(&keys[1], &[("expired", yes()), ("valid", no()), ("reason", "expired on 2020-12-31T00:01:00Z".into())]);
}

#[test]
fn revoked_keys_soft_and_hard() {
    let home = Home::new();
    let (soft, hard, mute) = (home.make_good("soft"), home.make_good("hard"), home.make_good("mute"));
    for (print, reason) in [(&soft, "3"), (&hard, "1"), (&mute, "0")] {
        home.revoke(print, reason);
    }
    let facts = home.collect();
    for (print, kind) in [(&soft, "soft"), (&hard, "hard"), (&mute, "hard")] {
        let cert = cert(&facts, print);
        has(cert, &[("revoked", kind.into()), ("valid", no()), ("valid_at_horizon", no())]);
        has(cert, &[("can_encrypt", no()), ("can_encrypt_at_horizon", no()), ("can_sign", no())]);
        for key in list(cert.get("keys").expect("keys")) {
            has(key, &[("valid", no()), ("can_encrypt", no()), ("reason", format!("revoked ({kind})").into())]);
        }
    }
}

#[test]
fn a_retired_key_stays_revoked_after_a_newer_self_signature() {
    let home = Home::new();
    let print = home.make("retired", "ed25519", "cert,sign", "never", Some("20230101T000000"));
    let rev =
        ["--faked-system-time", "20230201T000000", "--no-tty", "--command-fd", "0", "--armor", "--gen-revoke", &print];
    let revocation = home.gpg(&rev, b"y\n3\n\ny\n").stdout;
    // A second user id, signed after the revocation was made, before it is imported.
    home.gpg(&["--batch", "--quick-add-uid", &print, "later"], b"");
    home.gpg(&["--batch", "--import"], &revocation);
    let facts = home.collect();
    has(cert(&facts, &print), &[("revoked", "soft".into()), ("valid", no()), ("can_sign", no())]);
}

#[test]
fn a_designated_revoker_counts_and_without_its_key_nothing_is_decided() {
    let home = Home::new();
    let revoker = home.make("revoker", "ed25519", "cert,sign", "never", None);
    let parameters = format!(
        "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: cert,sign\nSubkey-Type: ECDH\nSubkey-Curve: cv25519\n\
         Name-Real: revocable\nRevoker: 22:{revoker}\nExpire-Date: 0\n%no-protection\n%commit\n"
    );
    let output = home.gpg(&["--batch", "--status-fd", "1", "--gen-key"], parameters.as_bytes());
    let print = created(&output);
    has(cert(&home.collect(), &print), &[("valid", yes()), ("revoked", "no".into())]);

    let answers = b"y\n1\n\ny\n";
    let revocation = home.gpg(&["--no-tty", "--command-fd", "0", "--armor", "--desig-revoke", &print], answers).stdout;
    // GnuPG 2.4 adds the revocation and then complains that it is none of the revoker's own: the exit code is no help,
    // what it did is seen below.
    home.try_gpg(&["--batch", "--import"], &revocation);
    has(cert(&home.collect(), &print), &[("valid", no()), ("revoked", "hard".into()), ("can_encrypt", no())]);

    home.gpg(&["--batch", "--yes", "--delete-secret-and-public-key", &revoker], b"");
    let facts = home.collect();
    for name in ["revoked", "valid", "valid_at_horizon", "can_encrypt", "can_encrypt_at_horizon", "can_sign"] {
        let missing = missing(cert(&facts, &print).get(name));
        assert_eq!(missing.state, MissingState::Unreadable, "{name}");
        assert!(missing.said.contains(&revoker), "{missing}");
    }
    has(&facts, &[("ignored", Fact::texts(["deleted blobs: 1"]))]);
}

#[test]
fn a_revoked_encryption_subkey() {
    let home = Home::new();
    let print = home.make_good("subkey");
    let commands = b"key 1\nrevkey\ny\n0\n\ny\nsave\n";
    home.gpg(&["--no-tty", "--command-fd", "0", "--edit-key", &print], commands);
    let facts = home.collect();
    let cert = cert(&facts, &print);
    has(cert, &[("revoked", "no".into()), ("valid", yes()), ("can_sign", yes()), ("can_encrypt", no())]);
    has(&list(cert.get("keys").expect("keys"))[1], &[("revoked", "hard".into()), ("valid", no())]);
}

#[test]
fn sign_only_and_weak_keys_cannot_encrypt() {
    let home = Home::new();
    let sign_only = home.make("sign only", "ed25519", "cert,sign", "never", None);
    let weak_rsa = home.make("weak rsa", "rsa1024", "cert,sign,encr", "never", None);
    let parameters = "Key-Type: DSA\nKey-Length: 1024\nName-Real: weak dsa\nExpire-Date: 0\n%no-protection\n%commit\n";
    let weak_dsa = created(&home.gpg(&["--batch", "--status-fd", "1", "--gen-key"], parameters.as_bytes()));
    let facts = home.collect();
    has(cert(&facts, &sign_only), &[("valid", yes()), ("can_sign", yes()), ("can_encrypt", no())]);
    for (print, algorithm) in [(&weak_rsa, "RSA"), (&weak_dsa, "DSA")] {
        let cert = cert(&facts, print);
        has(cert, &[("algorithm", algorithm.into()), ("bits", 1024_usize.into()), ("expired", no())]);
        has(cert, &[("valid", no()), ("can_sign", no()), ("can_encrypt", no()), ("can_encrypt_at_horizon", no())]);
        let Some(Fact::Text(policy)) = cert.get("policy") else { panic!("no policy: {cert:#?}") };
        assert!(policy.contains("not considered secure"), "{policy}");
    }
}

#[test]
fn a_weak_encryption_subkey_under_a_strong_primary_key() {
    let home = Home::new();
    let print = home.make("mixed", "ed25519", "cert,sign", "never", None);
    home.gpg(&["--batch", "--quick-add-key", &print, "rsa1024", "encr", "never"], b"");
    let facts = home.collect();
    let cert = cert(&facts, &print);
    has(cert, &[("valid", yes()), ("policy", "accepted".into()), ("can_encrypt", no())]);
    let Some(Fact::Text(reason)) = list(cert.get("keys").expect("keys"))[1].get("reason") else { panic!("no reason") };
    assert!(reason.contains("RSA1024"), "{reason}");
}

#[test]
fn only_what_is_to_be_judged_is_judged_and_the_others_are_named() {
    let home = Home::new();
    let (one, two) = (home.make_good("one"), home.make_good("two"));
    let ring = home.gpg(&["--batch", "--export"], b"").stdout;
    std::fs::write(home.dir.path().join("ring"), ring).expect("write");
    for place in ["gnupg", "ring"] {
        let all = collect("openpgp-keyring", home.dir.path(), json!({ "home": place })).expect("facts");
        for (judge, judged) in [
            (vec![one.clone()], vec![&one]),
            (vec![two.to_lowercase(), one.clone()], vec![&one, &two]),
            (vec!["0".repeat(40)], vec![]),
            (vec!["".to_owned(), one[24..].to_owned()], vec![]),
            (vec![], vec![]),
        ] {
            let settings = json!({ "home": place, "judge": judge });
            let facts = collect("openpgp-keyring", home.dir.path(), settings).expect("facts");
            for same in ["present", "form", "digest", "count", "fingerprints", "ignored", "shadowed"] {
                assert_eq!(facts.get(same), all.get(same), "{same} of {place}, {judge:?}");
            }
            assert_eq!(list(facts.get("certs").expect("certs")).len(), judged.len(), "{place}, {judge:?}");
            for print in judged {
                assert_eq!(cert(&facts, print), cert(&all, print));
            }
        }
    }
}

#[test]
fn fingerprints_are_parsed_and_key_ids_refused() {
    let plain = "0123456789ABCDEF0123456789ABCDEF01234567";
    let spaced = "0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567";
    assert_eq!(plain.parse::<Fingerprint>().map(|print| print.to_string()), Ok(plain.to_owned()));
    assert_eq!(spaced.parse::<Fingerprint>(), plain.parse());
    assert_eq!(format!("0x{plain}").parse::<Fingerprint>(), plain.parse());
    assert_eq!("AB".repeat(32).parse::<Fingerprint>().map(|print| print.to_string()), Ok("AB".repeat(32)));
    for (bad, said) in [
        ("89ABCDEF01234567", "key id"),
        ("01234567", "key id"),
        ("", "0 hex"),
        (&plain[1..], "39"),
        ("xyz", "other than hex"),
    ] {
        let error = bad.parse::<Fingerprint>().expect_err("refused");
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_horizon_beyond_ten_years_is_refused() {
    let probe = cutgate::probes::find("openpgp-keyring").expect("registered");
    let settings = super::harness::settings(json!({ "home": "gnupg", "horizon": "20000d" }));
    assert_eq!(probe.check(&settings).len(), 1);
    let longest = super::harness::settings(json!({ "home": "gnupg", "horizon": "3660d" }));
    assert!(probe.check(&longest).is_empty());
}

#[test]
fn a_self_signature_with_a_weak_hash_is_not_accepted() {
    let home = Home::new();
    let arguments = ["--batch", "--status-fd", "1", "--cert-digest-algo", "SHA1", "--quick-generate-key"];
    let print = created(&home.gpg(&[&arguments[..], &["weak hash", "ed25519", "cert,sign", "never"]].concat(), b""));
    home.gpg(&["--batch", "--quick-add-key", &print, "cv25519", "encr", "never"], b"");
    let facts = home.collect();
    let cert = cert(&facts, &print);
    has(cert, &[("valid", no()), ("can_encrypt", no()), ("can_sign", no()), ("revoked", "no".into())]);
    let Some(Fact::Text(policy)) = cert.get("policy") else { panic!("no policy: {cert:#?}") };
    assert!(policy.contains("SHA1"), "{policy}");
}

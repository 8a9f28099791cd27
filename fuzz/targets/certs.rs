//! Certificates as packets or in armor. A ring that is read has each certificate once, and twice the same
//! packets are the same ring; every certificate has a standing at any time.

use cutgate::trust::{self, RingForm, Standing, Usable};

use super::now;

pub fn run(data: &[u8]) {
    let certs = trust::from_bytes(data);
    match trust::form_of(data) {
        Some(RingForm::Keybox) => return,
        Some(RingForm::Binary) => assert_eq!(trust::from_binary(data), certs),
        Some(RingForm::Armored) => assert_eq!(trust::from_armor(data), certs),
        None => assert!(certs.is_err()),
    }
    let Ok(certs) = certs else { return };
    assert!(!certs.is_empty(), "the form of no bytes is not known");
    let prints: Vec<_> = certs.iter().map(trust::Cert::fingerprint).collect();
    assert!(prints.is_sorted_by(|a, b| a < b), "sorted, each once");
    assert!(certs.iter().all(|cert| !cert.is_tsk()), "secret keys stay outside");
    if trust::form_of(data) == Some(RingForm::Binary) {
        // Not compared with `==`: where a signature comes twice, what is not part of it may be written anew.
        let twice = trust::from_binary(&[data, data].concat()).expect("the same packets");
        let standings = |certs: &[trust::Cert]| -> Vec<_> {
            certs
                .iter()
                .map(|cert| format!("{:?} {:?}", cert.fingerprint(), Standing::of(cert, certs, now(), now())))
                .collect()
        };
        assert_eq!(standings(&twice), standings(&certs), "the same twice changes nothing");
    }
    let later = now() + chrono::TimeDelta::days(400);
    for cert in &certs {
        for at in [now(), later] {
            let standing = Standing::of(cert, &certs, now(), at);
            assert_eq!(standing.keys.len(), cert.keys().count(), "every key has a standing");
            assert!(standing.primary().primary);
            for key in &standing.keys {
                if key.can_encrypt() == Ok(true) || key.can_sign() == Ok(true) {
                    assert_eq!(key.usable, Usable::Yes);
                    assert!(key.expires.as_ref().is_ok_and(|end| end.is_none_or(|end| end > at)), "{key:?}");
                    assert!(key.created <= at, "{key:?}");
                }
            }
        }
    }
}

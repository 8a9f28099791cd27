//! `[trust]`: whose signatures count, and for what.

use std::collections::BTreeMap;

use crate::package::Trust;
use crate::package::diagnostic::Diagnostic;
use crate::package::file::{RawTrust, Words};
use crate::package::table::{Located, Reading};
use crate::trust::Fingerprint;
use crate::trust::ed25519::VerifyingKey;

/// Checks the section: every key once in the whole of it, and a threshold that can be reached.
pub fn check(reading: &Reading<'_>, raw: &RawTrust) -> Option<Trust> {
    let sovereign = check_fingerprints(reading, &raw.sovereign);
    let operator = check_fingerprints(reading, &raw.operator);
    let auditor = check_fingerprints(reading, &raw.auditor);
    let attestor = check_attestors(reading, &raw.attestor);
    let apart =
        check_roles(reading, [("sovereign", &raw.sovereign), ("operator", &raw.operator), ("auditor", &raw.auditor)]);
    let keys = raw.sovereign.as_ref().map(|list| list.value.len());
    let threshold = raw.threshold.as_ref().zip(keys).and_then(|(threshold, keys)| {
        let number = usize::try_from(threshold.value).ok().filter(|number| (1..=keys).contains(number));
        if number.is_none() {
            let message = format!("{} of {keys} sovereign keys can never be reached", threshold.value);
            let message = if threshold.value < 1 { "no signature at all would suffice".to_owned() } else { message };
            let help = format!("give a number from 1 to {keys}");
            let help = if keys == 0 { "pin the sovereign's fingerprint in `sovereign`".to_owned() } else { help };
            reading.error(&threshold.span, message, help);
        }
        number
    });
    apart.then_some(())?;
    Some(Trust {
        keyring: raw.keyring.as_ref()?.value.clone(),
        sovereign: raw.sovereign.as_ref().and(sovereign)?,
        sovereign_threshold: threshold?,
        operator: operator?,
        auditor: auditor?,
        attestor: attestor?,
    })
}

/// A list of pinned fingerprints, each once. A list that was not given is empty.
pub(super) fn check_fingerprints(reading: &Reading<'_>, words: &Words) -> Option<Vec<Fingerprint>> {
    let mut seen: BTreeMap<Fingerprint, &Located<String>> = BTreeMap::new();
    let mut good = true;
    let mut prints = Vec::new();
    for word in words.iter().flat_map(|words| &words.value) {
        match word.value.parse::<Fingerprint>() {
            Err(message) => {
                good = false;
                reading.error(&word.span, message, "take the whole fingerprint: gpg --with-colons --fingerprint NAME");
            }
            Ok(print) => {
                if let Some(first) = seen.insert(print.clone(), word) {
                    good = false;
                    let diagnostic =
                        Diagnostic::error(reading.file, word.span.clone(), "this fingerprint is pinned twice");
                    let diagnostic = diagnostic.related(reading.file, first.span.clone(), "here already");
                    reading.report(diagnostic.help("distinct keys are counted: remove one of the two"));
                }
                prints.push(print);
            }
        }
    }
    good.then_some(prints)
}

/// A list of Ed25519 keys in hex, each once. A list that was not given is empty.
fn check_attestors(reading: &Reading<'_>, words: &Words) -> Option<Vec<VerifyingKey>> {
    let mut good = true;
    let mut keys = Vec::new();
    for word in words.iter().flat_map(|words| &words.value) {
        match VerifyingKey::from_hex(&word.value) {
            Ok(key) if !keys.contains(&key) => keys.push(key),
            Ok(_) => {
                good = false;
                reading.error(&word.span, "this key is pinned twice", "remove one of the two");
            }
            Err(_) => {
                good = false;
                let message = format!("{:?} is not 64 lower-case hex digits of an Ed25519 public key", word.value);
                let help = "take them from: openssl pkey -pubin -in attest.pub -outform DER | tail -c 32 | od -An -vtx1 | tr -d ' \\n'";
                reading.error(&word.span, message, help);
            }
        }
    }
    good.then_some(keys)
}

/// Whether no key has two roles: who asks for a run or judges it must not be able to approve it.
fn check_roles(reading: &Reading<'_>, roles: [(&str, &Words); 3]) -> bool {
    let mut seen: BTreeMap<Fingerprint, (&str, &Located<String>)> = BTreeMap::new();
    let mut apart = true;
    for (role, words) in roles {
        for word in words.iter().flat_map(|words| &words.value) {
            let Ok(print) = word.value.parse::<Fingerprint>() else { continue };
            match seen.get(&print) {
                Some((other, first)) if *other != role => {
                    apart = false;
                    let message = format!("the key of `{other}` is pinned as `{role}` too");
                    let diagnostic = Diagnostic::error(reading.file, word.span.clone(), message);
                    let diagnostic = diagnostic.related(reading.file, first.span.clone(), "here already");
                    reading.report(diagnostic.help("give each role keys of its own: nobody approves their own run"));
                }
                // Twice in one role is reported where the role's list is checked.
                Some(_) => {}
                None => drop(seen.insert(print, (role, word))),
            }
        }
    }
    apart
}

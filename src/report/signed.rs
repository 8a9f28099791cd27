//! Signatures beside published files: which there are, and whether they hold.
//!
//! Every file has a detached signature of its own, called like the file with `.asc` behind. The ledger names the signers
//! and holds the signatures' digests; the package lock holds the certificates. A certificate that comes with what it
//! signed says who claims to have signed. Whether that is who it should be is known only from a certificate, or a
//! fingerprint, that came another way.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::publish::LedgerLine;
use super::replay::{ReplayError, mismatch};
use crate::evidence::{Digest256, Instant};
use crate::trust::{Cert, Fingerprint, from_bytes, verify_detached};

/// What the name of a signature ends in.
pub const SIGNATURE: &str = ".asc";

/// Adds the signature of each file to the files.
///
/// # Errors
/// The first that could not be made.
pub fn with_signatures<E>(
    files: BTreeMap<String, Vec<u8>>,
    mut sign: impl FnMut(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<BTreeMap<String, Vec<u8>>, E> {
    let mut all = BTreeMap::new();
    for (name, bytes) in files {
        all.insert(format!("{name}{SIGNATURE}"), sign(&bytes)?);
        all.insert(name, bytes);
    }
    Ok(all)
}

/// The keys that whoever verifies has from elsewhere.
#[derive(Clone, Debug)]
pub enum Keys {
    /// None: signatures are checked with the certificates that come with the audit.
    None,
    /// Certificates that the reader gave: what is not signed by one of them is not what was asked for.
    Given(Vec<Cert>),
    /// Fingerprints that a package pins, with the certificates of its keyring.
    Pinned {
        /// The package file, as it was named.
        package: String,
        /// The keys that sign reports.
        pinned: Vec<Fingerprint>,
        /// The keyring.
        certs: Vec<Cert>,
    },
}

/// Who made an audit, as far as signatures say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorship {
    /// It is not signed.
    Unsigned,
    /// The signatures fit certificates that come with the audit; nobody vouches for these.
    Claimed(Signatures),
    /// The signatures fit keys from elsewhere.
    Proved(Signatures),
}

impl Authorship {
    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Claimed(_) => "claimed",
            Self::Proved(_) => "proved",
        }
    }

    /// The signers; none of an audit that is not signed.
    pub fn signers(&self) -> &[Fingerprint] {
        match self {
            Self::Unsigned => &[],
            Self::Claimed(by) | Self::Proved(by) => &by.signers,
        }
    }
}

impl std::fmt::Display for Authorship {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.signers().iter().map(Fingerprint::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::Unsigned => f.write_str("not signed"),
            Self::Claimed(_) => write!(f, "signed by {names}, for which nobody vouches here"),
            Self::Proved(_) => write!(f, "signed by {names}"),
        }
    }
}

/// The signatures of an audit, all of which hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    /// The signers.
    pub signers: Vec<Fingerprint>,
    /// The earliest date in a signature: the signer's claim.
    pub first: Instant,
    /// The latest.
    pub last: Instant,
    /// How many files are signed.
    pub files: usize,
    /// The signers whose certificates came with the audit, so that a revocation since would not be known.
    pub recorded: Vec<Fingerprint>,
}

/// The signatures of the published files, each digest of which is known to be the ledger's.
///
/// # Errors
/// The first that is missing, was added, or does not hold at the moment `at`; an audit that nobody signed where the
/// reader gave keys.
pub(super) fn authorship(
    files: &BTreeMap<String, Vec<u8>>,
    line: &LedgerLine,
    recorded: &BTreeMap<Fingerprint, String>,
    keys: &Keys,
    at: Instant,
) -> Result<Authorship, ReplayError> {
    let is_signature = |name: &String| name.ends_with(SIGNATURE);
    if line.signers.is_empty() {
        if let Some(name) = files.keys().find(|name| is_signature(name)) {
            return Err(mismatch(name, "the ledger names no signer, and this is a signature"));
        }
        if let Some(signer) = recorded.keys().next() {
            return Err(mismatch("package.lock.json", format!("it names the signer {signer}, and the ledger none")));
        }
        return match keys {
            Keys::Given(_) => {
                Err(mismatch(&line.folder, "it is not signed, and a signature by a given key was asked for"))
            }
            Keys::None | Keys::Pinned { .. } => Ok(Authorship::Unsigned),
        };
    }
    if !recorded.keys().eq(&line.signers) {
        return Err(mismatch("package.lock.json", "it does not name the signers that the ledger names"));
    }
    let known = Known::of(recorded, line, keys)?;
    let (mut first, mut last, mut count) = (None::<Instant>, None::<Instant>, 0);
    for (name, bytes) in files.iter().filter(|(name, _)| !is_signature(name)) {
        let signature = format!("{name}{SIGNATURE}");
        let missing = || mismatch(&signature, "it is missing, and the ledger says that every file is signed");
        let verdict =
            verify_detached(files.get(&signature).ok_or_else(missing)?, bytes, &known.certs, &known.trusted, at);
        let counted: Vec<&Fingerprint> = verdict.counted.iter().map(|counted| &counted.signer).collect();
        if !verdict.refused.is_empty() || !known.trusted.iter().all(|signer| counted.contains(&signer)) {
            return Err(mismatch(&signature, refusal(&verdict.refused, name)));
        }
        let dates = || verdict.counted.iter().map(|counted| counted.created);
        first = first.into_iter().chain(dates()).min();
        last = last.into_iter().chain(dates()).max();
        count += 1;
    }
    if let Some(name) = files.keys().find(|name| {
        name.strip_suffix(SIGNATURE).is_some_and(|signed| signed.ends_with(SIGNATURE) || !files.contains_key(signed))
    }) {
        return Err(mismatch(name, "it is a signature of nothing that was published"));
    }
    let (Some(first), Some(last)) = (first, last) else {
        return Err(mismatch(&line.folder, "it has no files"));
    };
    let signatures = Signatures { signers: known.trusted, first, last, files: count, recorded: known.recorded };
    Ok(match keys {
        Keys::None => Authorship::Claimed(signatures),
        Keys::Given(_) | Keys::Pinned { .. } => Authorship::Proved(signatures),
    })
}

/// What speaks against the signature of a file.
fn refusal(refused: &[crate::trust::Refused], name: &str) -> String {
    let reasons: Vec<_> = refused.iter().map(ToString::to_string).collect();
    let expired = refused.iter().any(|refused| refused.reason.is_expired_now());
    let help = if expired {
        "; where it is known from elsewhere that the audit was there at some time before, ask for that time with --at"
    } else {
        ""
    };
    match reasons.is_empty() {
        true => format!("it is not by every signer that the ledger names for {name}"),
        false => format!("it does not hold for {name}: {}{help}", reasons.join("; ")),
    }
}

/// The certificates to verify with, and the signers that must have signed.
struct Known {
    certs: Vec<Cert>,
    trusted: Vec<Fingerprint>,
    recorded: Vec<Fingerprint>,
}

impl Known {
    fn of(recorded: &BTreeMap<Fingerprint, String>, line: &LedgerLine, keys: &Keys) -> Result<Self, ReplayError> {
        let mut own = Vec::new();
        for (signer, armored) in recorded {
            let broken = |reason: String| mismatch("package.lock.json", format!("the certificate {signer}: {reason}"));
            let certs = from_bytes(armored.as_bytes()).map_err(|error| broken(error.to_string()))?;
            let [cert] = certs.as_slice() else { return Err(broken(format!("it is {} certificates", certs.len()))) };
            if Fingerprint::of(&cert.fingerprint()) != *signer {
                return Err(broken("it is that of another key".to_owned()));
            }
            own.push(cert.clone());
        }
        let of = |cert: &Cert| Fingerprint::of(&cert.fingerprint());
        let names = |signers: &[Fingerprint]| signers.iter().map(Fingerprint::as_str).collect::<Vec<_>>().join(", ");
        let unknown = |whose: String| {
            let reason = format!("it is signed by {}, and {whose}", names(&line.signers));
            mismatch(&line.folder, reason)
        };
        match keys {
            Keys::None => Ok(Self { certs: own, trusted: line.signers.clone(), recorded: line.signers.clone() }),
            Keys::Given(certs) => {
                let given: Vec<Fingerprint> = certs.iter().map(of).collect();
                let trusted: Vec<_> = line.signers.iter().filter(|signer| given.contains(signer)).cloned().collect();
                if trusted.is_empty() {
                    return Err(unknown(format!("the given keys are {}", names(&given))));
                }
                Ok(Self { certs: certs.clone(), trusted, recorded: Vec::new() })
            }
            Keys::Pinned { package, pinned, certs } => {
                let trusted: Vec<_> = line.signers.iter().filter(|signer| pinned.contains(signer)).cloned().collect();
                if trusted.is_empty() {
                    return Err(unknown(format!(
                        "{package} lets {} sign; where that key was right once, give it with --key",
                        names(pinned)
                    )));
                }
                // A keyring's certificate may carry a revocation that the audit's copy cannot know.
                let held: Vec<Fingerprint> = certs.iter().map(of).collect();
                let missing: Vec<_> = trusted.iter().filter(|signer| !held.contains(signer)).cloned().collect();
                let mut certs = certs.clone();
                certs.extend(own.into_iter().filter(|cert| missing.contains(&of(cert))));
                Ok(Self { certs, trusted, recorded: missing })
            }
        }
    }
}

/// The digest of the ledger's line before, if the published result names one: an audit of before that did not.
pub(super) fn recorded_previous(files: &BTreeMap<String, Vec<u8>>, line: &LedgerLine) -> Option<Digest256> {
    #[derive(Deserialize)]
    struct Published {
        audit: Audit,
    }
    #[derive(Deserialize)]
    struct Audit {
        previous: Option<IgnoredAny>,
    }
    let result: Published = serde_json::from_slice(files.get("result.json")?).ok()?;
    result.audit.previous.map(|_| line.previous.clone())
}

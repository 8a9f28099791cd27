//! The sovereign's pinned keys, and what they say of a document's detached signature.

use std::collections::BTreeSet;

use super::judge::{SignedDocument, Verdict};
use crate::evidence::{Fact, Instant, Missing, MissingState, Shape};
use crate::probes::openpgp_keyring::{NoRing, read_ring};
use crate::probes::{Door, Parameter, ParameterKind, SettingProblem, Settings};
use crate::trust::{Cert, Fingerprint, Standing, verify_detached};

/// Settings about keys.
pub(super) const KEYRING: Parameter = Parameter {
    name: "keyring",
    kind: ParameterKind::Path,
    required: false,
    doc: "the keyring that holds the sovereign's certificates; without it no approval can count",
};
pub(super) const PINNED: Parameter = Parameter {
    name: "pinned",
    kind: ParameterKind::Texts,
    required: false,
    doc: "fingerprints of the certificates whose signature makes an approval count; without any none counts",
};
pub(super) const THRESHOLD: Parameter = Parameter {
    name: "threshold",
    kind: ParameterKind::Int,
    required: false,
    doc: "how many distinct ones of them must sign; default 1",
};

/// What is wrong with these settings.
pub(super) fn check(settings: &Settings) -> Vec<SettingProblem> {
    let problem = |name: &str, message: String, help: &str| SettingProblem {
        name: name.to_owned(),
        message,
        help: help.to_owned(),
    };
    let mut problems = Vec::new();
    let mut distinct = BTreeSet::new();
    for text in settings.texts("pinned") {
        match text.parse::<Fingerprint>() {
            Err(error) => problems.push(problem("pinned", error, "gpg --fingerprint prints it")),
            Ok(print) if distinct.contains(&print) => {
                problems.push(problem("pinned", format!("{print} is pinned twice"), "remove one of the two"));
            }
            Ok(print) => drop(distinct.insert(print)),
        }
    }
    let keys = settings.texts("pinned").len();
    if keys > 0 && settings.text("keyring").is_none() {
        problems.push(problem(
            "pinned",
            "there is no `keyring` to find these keys in".to_owned(),
            "add keyring = \"…\"",
        ));
    }
    let given = settings.int("threshold");
    if given.is_some_and(|number| usize::try_from(number).map_or(true, |number| !(1..=keys.max(1)).contains(&number))) {
        let message = match given.filter(|number| number.is_positive()) {
            Some(number) => format!("{number} of {keys} pinned keys can never be reached"),
            None => "no signature at all would suffice".to_owned(),
        };
        problems.push(problem("threshold", message, "give a number from 1 to that of the pinned keys"));
    }
    problems
}

/// The pinned keys with what could be read of them.
pub(super) struct Sovereign {
    pinned: Vec<Fingerprint>,
    /// How many must sign; at least 1.
    pub threshold: usize,
    certs: Certs,
    now: Instant,
}

enum Certs {
    /// The gate names no keyring.
    NotGiven(Missing),
    /// It cannot be read, or is not there.
    Unreadable(Missing),
    Read(Vec<Cert>),
}

impl Sovereign {
    /// Reads the keyring.
    pub(super) fn of(settings: &Settings, door: &Door) -> Self {
        let certs = match settings.text("keyring").map(|keyring| read_ring(door, keyring, None)) {
            None => Certs::NotGiven(door.missing(
                MissingState::Absent,
                "read the sovereign's keys",
                "the gate gives no `keyring`",
                "give `keyring` and `pinned` in the gate file",
            )),
            Some(Ok(ring)) => Certs::Read(ring.certs),
            Some(Err(NoRing { missing, .. })) => Certs::Unreadable(*missing),
        };
        Self {
            pinned: settings.texts("pinned").into_iter().filter_map(|text| text.parse().ok()).collect(),
            threshold: settings.int("threshold").and_then(|number| usize::try_from(number).ok()).unwrap_or(1).max(1),
            certs,
            now: door.now(),
        }
    }

    /// Judges the signatures beside a document. Only pinned keys count, whatever else lies in the keyring.
    pub(super) fn verify(&self, signed: &SignedDocument<'_>) -> Verdict {
        match &self.certs {
            Certs::NotGiven(missing) => {
                Verdict::Judged { counted: Vec::new(), refused: vec![format!("not verified: {}", missing.said)] }
            }
            Certs::Unreadable(missing) => Verdict::Unknown(missing.clone()),
            Certs::Read(certs) => {
                let verdict = verify_detached(signed.signature, signed.bytes, certs, &self.pinned, self.now);
                let refused = verdict.refused.iter().map(ToString::to_string).collect();
                Verdict::Judged { counted: verdict.counted, refused }
            }
        }
    }

    /// The shape of [`Sovereign::keys`].
    pub(super) fn shape() -> Shape {
        Shape::list(Shape::record([("fingerprint", Shape::Text), ("signs", Shape::Bool), ("reason", Shape::Text)]))
    }

    /// Each pinned key, and whether it can sign an approval now.
    pub(super) fn keys(&self) -> Fact {
        let certs = match &self.certs {
            Certs::NotGiven(missing) | Certs::Unreadable(missing) => return missing.clone().into(),
            Certs::Read(certs) => certs,
        };
        Fact::list(self.pinned.iter().map(|print| {
            let cert = certs.iter().find(|cert| Fingerprint::of(&cert.fingerprint()) == *print);
            let (signs, reason) = match cert {
                None => (false, "it is not in the keyring".to_owned()),
                Some(cert) => {
                    let standing = Standing::of(cert, certs, self.now, self.now);
                    let signs = standing.keys.iter().any(|key| key.can_sign() == Ok(true));
                    let usable = standing.primary().usable.to_string();
                    let reason = if usable == "usable" { "none of its keys may sign".to_owned() } else { usable };
                    (signs, if signs { "good".to_owned() } else { reason })
                }
            };
            Fact::record([("fingerprint", print.as_str().into()), ("signs", signs.into()), ("reason", reason.into())])
        }))
    }
}

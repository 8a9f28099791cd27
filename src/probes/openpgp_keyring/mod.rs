//! `openpgp-keyring`: which certificates a keyring holds, and what each is good for, now and at the run's
//! horizon.
//!
//! Reads GnuPG homes, keyring files and certificate directories by itself. It never starts gpg, which would
//! create, lock and convert files, and never touches secret keys. The certificates listed are the ones that
//! gpg would use; what lies there and is not used is named in `ignored` and `shadowed`.

mod facts;
mod ring;

pub(super) use ring::{NoRing, read as read_ring};

use std::time::Duration;

use super::{Door, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, Shape};
use crate::probes::settings::parse_duration;
use crate::trust::Fingerprint;

/// The horizon where the gate gives none.
const DEFAULT_HORIZON: &str = "24h";
/// The policy's own view of the future does not reach further.
const LONGEST_HORIZON: Duration = Duration::from_secs(3_660 * 86_400);

/// The probe.
pub struct OpenpgpKeyring;

impl Probe for OpenpgpKeyring {
    fn kind(&self) -> &'static str {
        "openpgp-keyring"
    }

    fn summary(&self) -> &'static str {
        "the certificates of a GnuPG home, keyring file or certificate directory, and what each is good for"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "home",
                kind: ParameterKind::Path,
                required: true,
                doc: "a GnuPG home, a keyring file (keybox, binary or armored), or a certificate directory",
            },
            Parameter {
                name: "horizon",
                kind: ParameterKind::Duration,
                required: false,
                doc: "how long the run may take; keys are judged at its end too (24h)",
            },
            Parameter {
                name: "judge",
                kind: ParameterKind::Texts,
                required: false,
                doc: "the fingerprints of the certificates to judge; the others are named in `fingerprints` only. Without it all are judged",
            },
        ]
    }

    fn shape(&self, settings: &Settings) -> Shape {
        let _ = settings;
        facts::shape()
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let too_long = settings.duration("horizon").filter(|horizon| *horizon > LONGEST_HORIZON);
        let problem = too_long.map(|_| SettingProblem {
            name: "horizon".to_owned(),
            message: "a horizon of more than ten years".to_owned(),
            help: "give the time that the run may take, such as \"24h\"".to_owned(),
        });
        problem.into_iter().collect()
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let horizon = settings.duration("horizon").or_else(|| parse_duration(DEFAULT_HORIZON));
        let horizon = horizon.and_then(|horizon| chrono::Duration::from_std(horizon).ok());
        let horizon = horizon.expect("invariant: horizons are checked, and the default is a duration");
        let home = settings.required_text("home");
        let wanted = settings.given("judge").then(|| {
            let wanted = settings.texts("judge").into_iter();
            // What is no fingerprint is that of no certificate.
            wanted.filter_map(|print| print.parse().ok()).collect::<Vec<Fingerprint>>()
        });
        let ring = ring::read(door, home, wanted.as_deref());
        Ok(facts::of(door, home, ring, door.now() + horizon))
    }
}

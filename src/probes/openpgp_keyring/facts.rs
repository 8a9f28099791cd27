//! The facts of a keyring.

use crate::evidence::{Digest256, Fact, Instant, Missing, MissingState, Shape};
use crate::probes::Door;
use crate::probes::held::divided;
use crate::trust::{Cert, Fingerprint, KeyStanding, Revocation, Standing, Usable};

use super::ring::{NoRing, Ring};

/// The declared shape.
pub(super) fn shape() -> Shape {
    let key = Shape::record([
        ("fingerprint", Shape::Text),
        ("role", Shape::Text),
        ("algorithm", Shape::Text),
        ("bits", Shape::Int),
        ("can_encrypt", Shape::Bool),
        ("can_sign", Shape::Bool),
        ("created", Shape::Time),
        ("expires", Shape::Time),
        ("expired", Shape::Bool),
        ("revoked", Shape::Text),
        ("valid", Shape::Bool),
        ("reason", Shape::Text),
    ]);
    let cert = Shape::record([
        ("fingerprint", Shape::Text),
        ("user_ids", Shape::list(Shape::Text)),
        ("algorithm", Shape::Text),
        ("bits", Shape::Int),
        ("created", Shape::Time),
        ("expires", Shape::Time),
        ("expired", Shape::Bool),
        ("revoked", Shape::Text),
        ("valid", Shape::Bool),
        ("valid_at_horizon", Shape::Bool),
        ("policy", Shape::Text),
        ("can_encrypt", Shape::Bool),
        ("can_encrypt_at_horizon", Shape::Bool),
        ("can_sign", Shape::Bool),
        ("keys", Shape::list(key)),
    ]);
    Shape::record([
        ("present", Shape::Bool),
        ("form", Shape::Text),
        ("digest", Shape::Text),
        ("count", Shape::Int),
        ("certs", Shape::list(cert)),
        ("fingerprints", Shape::list(Shape::Text)),
        ("ignored", Shape::list(Shape::Text)),
        ("shadowed", Shape::list(Shape::Text)),
        ("horizon", Shape::Time),
    ])
}

/// The record for a keyring that was read, or could not be.
pub(super) fn of(door: &Door, home: &str, ring: Result<Ring, NoRing>, horizon: Instant) -> Fact {
    let ring = match ring {
        Ok(ring) => ring,
        Err(no_ring) => return without(no_ring, horizon),
    };
    let no_file =
        || door.missing(MissingState::Absent, format!("read a keyring in {home}"), "there is no file", "import a key");
    let digest = ring.digest.as_ref().map(Digest256::to_string).ok_or_else(no_file);
    let judged = divided(&ring.certs, ALONE, |certs| -> Vec<Fact> {
        let in_time = certs.iter().take_while(|_| !door.time_left().is_zero());
        in_time.map(|cert| cert_fact(door, cert, &ring.certs, horizon)).collect()
    });
    let certs: Vec<Fact> = judged.into_iter().flatten().collect();
    if certs.len() < ring.certs.len() {
        let tried = format!("judge the certificates of {home}");
        let said = format!("the probe's time is over after {} of {}", certs.len(), ring.certs.len());
        let missing = door.missing(MissingState::TimedOut, tried, said, "raise the probe's time limit");
        return without(
            NoRing { present: Some(true), form: Some(ring.form), digest: ring.digest, missing: Box::new(missing) },
            horizon,
        );
    }
    let fingerprints = ring.fingerprints.iter().map(Fingerprint::to_string);
    Fact::record([
        ("present", true.into()),
        ("form", ring.form.into()),
        ("digest", digest.into()),
        ("count", ring.fingerprints.len().into()),
        ("fingerprints", Fact::texts(fingerprints)),
        ("certs", Fact::List(certs)),
        ("ignored", Fact::texts(shortened(ring.ignored))),
        ("shadowed", ring.shadowed.map(Fact::texts).unwrap_or_else(Fact::from)),
        ("horizon", horizon.into()),
    ])
}

/// So many certificates are worth a second thread.
const ALONE: usize = 32;

/// The longest list of what is ignored; a folder full of other files is not worth more.
const LONGEST_LIST: usize = 50;

fn shortened(mut phrases: Vec<String>) -> Vec<String> {
    let more = phrases.len().saturating_sub(LONGEST_LIST);
    phrases.truncate(LONGEST_LIST);
    phrases.extend((more > 0).then(|| format!("and {more} more")));
    phrases
}

fn without(no_ring: NoRing, horizon: Instant) -> Fact {
    let missing = Fact::from(*no_ring.missing);
    let missing = || missing.clone();
    Fact::record([
        ("present", no_ring.present.map_or_else(missing, Fact::from)),
        ("form", no_ring.form.map_or_else(missing, Fact::from)),
        ("digest", no_ring.digest.as_ref().map_or_else(missing, |digest| digest.to_string().into())),
        ("count", missing()),
        ("certs", missing()),
        ("fingerprints", missing()),
        ("ignored", missing()),
        ("shadowed", missing()),
        ("horizon", horizon.into()),
    ])
}

/// Says for one certificate why a fact about it is missing.
struct About<'a> {
    door: &'a Door,
    fingerprint: String,
}

impl About<'_> {
    fn unreadable(&self, reason: &str) -> Missing {
        let next = format!("fetch the key anew and compare: gpg --export {} | gpg --list-packets", self.fingerprint);
        self.door.missing(MissingState::Unreadable, format!("judge {}", self.fingerprint), reason, next)
    }

    fn absent(&self, what: &str, said: &str) -> Fact {
        let tried = format!("{what} of {}", self.fingerprint);
        self.door.missing(MissingState::Absent, tried, said, "nothing to do").into()
    }

    fn truth(&self, answer: Result<bool, &str>) -> Fact {
        answer.map_err(|reason| self.unreadable(reason)).into()
    }

    /// Whether any of several answers is yes; undecided where none is and one cannot be told.
    fn any<'k>(&self, answers: impl Iterator<Item = Result<bool, &'k str>>) -> Fact {
        let answers: Vec<_> = answers.collect();
        let undecided = answers.iter().find_map(|answer| answer.err());
        match (answers.contains(&Ok(true)), undecided) {
            (true, _) => true.into(),
            (false, Some(reason)) => self.unreadable(reason).into(),
            (false, None) => false.into(),
        }
    }

    fn revoked(&self, revocation: &Revocation) -> Fact {
        match revocation {
            Revocation::No => "no".into(),
            Revocation::Soft => "soft".into(),
            Revocation::Hard => "hard".into(),
            Revocation::Undecided(reason) => self.unreadable(reason).into(),
        }
    }

    fn expires(&self, key: &KeyStanding) -> Fact {
        match &key.expires {
            Ok(Some(end)) => (*end).into(),
            Ok(None) => self.absent("expiry", "it never expires"),
            Err(reason) => self.unreadable(reason).into(),
        }
    }

    fn expired(&self, key: &KeyStanding) -> Fact {
        let now = self.door.now();
        self.truth(key.expires.as_ref().map(|end| end.is_some_and(|end| end <= now)).map_err(String::as_str))
    }

    fn bits(&self, key: &KeyStanding) -> Fact {
        key.bits.map_or_else(|| self.absent("size", "its algorithm has no such notion"), Fact::from)
    }
}

fn cert_fact(door: &Door, cert: &Cert, ring: &[Cert], horizon: Instant) -> Fact {
    let now = Standing::of(cert, ring, door.now(), door.now());
    let then = Standing::of(cert, ring, horizon, horizon);
    let about = About { door, fingerprint: Fingerprint::of(&cert.fingerprint()).to_string() };
    let primary = now.primary();
    let user_ids = cert.userids().map(|id| String::from_utf8_lossy(id.userid().value()).into_owned());
    let policy = now.policy.as_ref().err().map_or("accepted", String::as_str);
    Fact::record([
        ("fingerprint", about.fingerprint.clone().into()),
        ("user_ids", Fact::texts(user_ids)),
        ("algorithm", primary.algorithm.clone().into()),
        ("bits", about.bits(primary)),
        ("created", primary.created.into()),
        ("expires", about.expires(primary)),
        ("expired", about.expired(primary)),
        ("revoked", about.revoked(&primary.revoked)),
        ("valid", about.truth(primary.usable.and(true))),
        ("valid_at_horizon", about.truth(then.primary().usable.and(true))),
        ("policy", policy.into()),
        ("can_encrypt", about.any(now.keys.iter().map(KeyStanding::can_encrypt))),
        ("can_encrypt_at_horizon", about.any(then.keys.iter().map(KeyStanding::can_encrypt))),
        ("can_sign", about.any(now.keys.iter().map(KeyStanding::can_sign))),
        ("keys", Fact::list(now.keys.iter().map(|key| key_fact(&about, key)))),
    ])
}

fn key_fact(about: &About<'_>, key: &KeyStanding) -> Fact {
    let reason = if key.usable == Usable::Yes { "accepted".to_owned() } else { key.usable.to_string() };
    Fact::record([
        ("fingerprint", key.fingerprint.to_string().into()),
        ("role", if key.primary { "primary" } else { "subkey" }.into()),
        ("algorithm", key.algorithm.clone().into()),
        ("bits", about.bits(key)),
        ("can_encrypt", about.truth(key.can_encrypt())),
        ("can_sign", about.truth(key.can_sign())),
        ("created", key.created.into()),
        ("expires", about.expires(key)),
        ("expired", about.expired(key)),
        ("revoked", about.revoked(&key.revoked)),
        ("valid", about.truth(key.usable.and(true))),
        ("reason", reason.into()),
    ])
}

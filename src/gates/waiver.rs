//! Waivers: whether somebody who may has accepted for a time that a gate is not CLOSED. Pure: from the recorded bytes, the recorded
//! certificates and the package's rules, at the audit's own instant.
//!
//! A waiver is never a ground for anything but the exit code of a profile. It covers a gate that is OPEN or PARTIAL, exactly one,
//! and never one that is UNKNOWN: a risk that nobody has seen cannot be accepted. What is wrong with a waiver is a finding of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Finding, GapState, Gate, Loaded, never_waived};
use crate::evidence::{Evidence, Instant, WaiverContent, WaiverFiles, WaiverKeyring};
use crate::package::diagnostic::suggestion;
use crate::trust::{Cert, Fingerprint, from_armor, verify_detached};

/// The format of a waiver file.
pub const WAIVER_FORMAT: &str = "cutgate-waiver/1";

/// The end of a waiver's name; that of its signature's has `.asc` behind it.
const END: &str = ".toml";

/// The longest text of a field, in characters.
const LONGEST: usize = 1000;

/// What makes a finding WAIVED.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppliedWaiver {
    /// Its file.
    pub file: String,
    /// The state that the checks made: OPEN or PARTIAL.
    pub state: GapState,
    /// Why, in the gate's words.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Why it was given.
    pub because: String,
    /// When it ends.
    pub expires: Instant,
    /// Whose signatures count.
    pub signers: Vec<Fingerprint>,
}

/// What became of a waiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverStanding {
    /// Its gate is WAIVED.
    InForce,
    /// Nothing is wrong with it, and its gate was not judged or is UNKNOWN.
    NotApplied,
    /// Something is wrong with it, so that it counts for nothing; that blocks.
    Refused,
}

impl WaiverStanding {
    /// Every standing.
    pub const ALL: [Self; 3] = [Self::InForce, Self::NotApplied, Self::Refused];

    /// The word that outputs use.
    pub fn word(self) -> &'static str {
        match self {
            Self::InForce => "in force",
            Self::NotApplied => "not applied",
            Self::Refused => "refused",
        }
    }
}

/// What is wrong with a waiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverFault {
    /// It, its signature, the folder or the keyring could not be read.
    Unread,
    /// It is not in the form of a waiver.
    Malformed,
    /// In the folder, and neither a waiver nor the signature of one.
    Stray,
    /// It names several gates, or a pattern.
    OverBroad,
    /// It names a gate that is not in force.
    NoSuchGate,
    /// It is for another package or host.
    OtherPackage,
    /// Its gate can never be waived, or the package says so.
    NeverWaived,
    /// The package lets nobody waive.
    NotAllowed,
    /// It has no signature.
    Unsigned,
    /// A signature does not count.
    WronglySigned,
    /// Its time is over.
    Expired,
    /// Its time is longer than the package allows.
    TooLong,
    /// Two waivers name its gate.
    Doubled,
    /// Its gate is CLOSED anyway.
    Unused,
}

/// A waiver, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverFinding {
    /// Its file, in the folder `waivers` beside the package file.
    pub file: String,
    /// The gate that it names; empty where it names none that is one.
    pub gate: String,
    /// Who answers for it; empty where that could not be read.
    pub owner: String,
    /// When it ends; left out where that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Instant>,
    /// Whose signatures count.
    pub signers: Vec<Fingerprint>,
    /// What became of it.
    pub standing: WaiverStanding,
    /// What is wrong with it; left out where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<WaiverFault>,
    /// The same in a sentence.
    pub said: String,
}

/// A waiver file, kinds checked and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    package: String,
    host: String,
    gate: toml::Value,
    owner: String,
    reason: String,
    expires: toml::Value,
}

/// A waiver with which nothing is wrong as such.
struct Sound {
    gate: String,
    owner: String,
    reason: String,
    expires: Instant,
    signers: Vec<Fingerprint>,
}

/// What is wrong, in a sentence.
type Fault = (WaiverFault, String);

/// A waiver that is in order, or what it names and what is wrong with it.
type Judgement = Result<Sound, (Named, Fault)>;

/// The findings, those that are waived marked so, and what became of every waiver. `findings` may be those of some gates.
pub fn waived(loaded: &Loaded, findings: Vec<Finding>, evidence: &Evidence) -> (Vec<Finding>, Vec<WaiverFinding>) {
    let Some(read) = &evidence.waivers else { return (findings, Vec::new()) };
    let desk = Desk::new(loaded, read, evidence.now);
    let judged: Vec<(&String, Judgement)> =
        read.files.iter().filter_map(|(name, content)| Some((name, desk.judge(name, content)?))).collect();
    let mut findings = findings;
    let mut all: Vec<WaiverFinding> = read.unread.iter().map(|reason| unlisted(reason)).collect();
    for (name, outcome) in &judged {
        let applied = match outcome {
            Err((named, fault)) => Err((named.clone(), fault.clone())),
            Ok(sound) => {
                let same = |(other, outcome): &&(&String, Result<Sound, _>)| {
                    other != name && outcome.as_ref().is_ok_and(|other| other.gate == sound.gate)
                };
                let other = judged.iter().find(same).map(|(other, _)| other.as_str());
                apply(name, sound, other, &mut findings)
            }
        };
        all.push(finding(name, outcome.as_ref().ok(), applied));
    }
    (findings, all)
}

/// The folder that could not be listed.
fn unlisted(reason: &str) -> WaiverFinding {
    let fault = (WaiverFault::Unread, format!("the folder of waivers cannot be listed: {reason}"));
    finding(".", None, Err((Named::default(), fault)))
}

/// What a waiver names, as far as it could be read.
#[derive(Clone, Default)]
struct Named {
    gate: String,
    owner: String,
    expires: Option<Instant>,
}

/// What becomes of a waiver with which nothing is wrong as such.
enum Effect {
    InForce,
    NotApplied(String),
}

fn apply(file: &str, sound: &Sound, other: Option<&str>, findings: &mut [Finding]) -> Result<Effect, (Named, Fault)> {
    let refused = |fault: WaiverFault, said: String| Err((sound.named(), (fault, said)));
    let gate = &sound.gate;
    if let Some(other) = other {
        return refused(
            WaiverFault::Doubled,
            format!("{other} waives {gate}, too: which of the two counts is not known"),
        );
    }
    let Some(finding) = findings.iter_mut().find(|finding| finding.id == *gate) else {
        return Ok(Effect::NotApplied(format!("{gate} was not judged")));
    };
    match finding.state {
        GapState::Closed => refused(WaiverFault::Unused, format!("{gate} is CLOSED, so that nothing is left to waive")),
        GapState::Unknown => {
            Ok(Effect::NotApplied(format!("{gate} is UNKNOWN, and what nobody has seen cannot be waived")))
        }
        state @ (GapState::Open | GapState::Partial) => {
            let applied = AppliedWaiver {
                file: file.to_owned(),
                state,
                reason: finding.reason.clone(),
                owner: sound.owner.clone(),
                because: sound.reason.clone(),
                expires: sound.expires,
                signers: sound.signers.clone(),
            };
            finding.reason = format!(
                "waived until {} by {} ({}), though {}: {}",
                utc(sound.expires),
                sound.owner,
                sound.reason,
                state.word(),
                finding.reason
            );
            finding.state = GapState::Waived;
            finding.waiver = Some(applied);
            Ok(Effect::InForce)
        }
        // Two of them are refused above, and checks make no gap WAIVED.
        GapState::Waived => refused(WaiverFault::Doubled, format!("{gate} is waived already")),
    }
}

fn utc(instant: Instant) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn finding(file: &str, sound: Option<&Sound>, outcome: Result<Effect, (Named, Fault)>) -> WaiverFinding {
    let named = match &outcome {
        Err((named, _)) => named.clone(),
        Ok(_) => sound.map(Sound::named).unwrap_or_default(),
    };
    let signers = sound.map(|sound| sound.signers.clone()).unwrap_or_default();
    let (standing, fault, said) = match outcome {
        Ok(Effect::InForce) => {
            let until = named.expires.map(utc).unwrap_or_default();
            (WaiverStanding::InForce, None, format!("{} is waived until {until} by {}", named.gate, named.owner))
        }
        Ok(Effect::NotApplied(said)) => (WaiverStanding::NotApplied, None, said),
        Err((_, (fault, said))) => (WaiverStanding::Refused, Some(fault), said),
    };
    WaiverFinding {
        file: file.to_owned(),
        gate: named.gate,
        owner: named.owner,
        expires: named.expires,
        signers,
        standing,
        fault,
        said,
    }
}

impl Sound {
    fn named(&self) -> Named {
        Named { gate: self.gate.clone(), owner: self.owner.clone(), expires: Some(self.expires) }
    }
}

/// What every waiver is judged with.
struct Desk<'a> {
    loaded: &'a Loaded,
    files: &'a BTreeMap<String, WaiverContent>,
    now: Instant,
    /// The recorded certificates, or why there are none.
    certs: Result<Vec<Cert>, String>,
}

impl<'a> Desk<'a> {
    fn new(loaded: &'a Loaded, read: &'a WaiverFiles, now: Instant) -> Self {
        let certs = match &read.keyring {
            WaiverKeyring::Unread(reason) => Err(reason.clone()),
            WaiverKeyring::Certificates(certs) => certs
                .values()
                .map(|armored| from_armor(armored.as_bytes()).map_err(|error| error.to_string()))
                .collect::<Result<Vec<_>, _>>()
                .map(|certs| certs.into_iter().flatten().collect()),
        };
        Self { loaded, files: &read.files, now, certs }
    }

    /// A file of the folder; `None` for a signature, which is judged with what it signs.
    fn judge(&self, name: &str, content: &WaiverContent) -> Option<Judgement> {
        let nameless = |fault: WaiverFault, said: String| Some(Err((Named::default(), (fault, said))));
        if name.strip_suffix(".asc").is_some_and(|signed| signed.ends_with(END) && self.files.contains_key(signed)) {
            return None;
        }
        if !name.ends_with(END) {
            let said = "it is neither a waiver, NAME.toml, nor the signature of one, NAME.toml.asc".to_owned();
            return nameless(WaiverFault::Stray, said);
        }
        let text = match content {
            WaiverContent::Text(text) => text,
            WaiverContent::Unread(reason) => {
                return nameless(WaiverFault::Unread, format!("it cannot be read: {reason}"));
            }
        };
        let file = match toml::from_str::<File>(text) {
            Ok(file) => file,
            Err(error) => {
                let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
                return nameless(WaiverFault::Malformed, format!("line {line}: {}", error.message()));
            }
        };
        let expires = instant(&file.expires);
        let gate = file.gate.as_str().filter(|gate| self.gate(gate).is_some()).unwrap_or_default().to_owned();
        let named = Named { gate, owner: file.owner.clone(), expires };
        let signers = self.form(&file).and_then(|()| self.signers(name, text, expires));
        Some(match (signers, expires) {
            (Err(fault), _) => Err((named, fault)),
            // Without it nothing would have been said of the signers.
            (Ok(_), None) => Err((named, (WaiverFault::Malformed, "`expires` is no instant".to_owned()))),
            (Ok(signers), Some(expires)) => {
                Ok(Sound { gate: named.gate, owner: file.owner, reason: file.reason, expires, signers })
            }
        })
    }

    fn gate(&self, id: &str) -> Option<&Gate> {
        self.loaded.gates.iter().find(|gate| gate.id == id)
    }

    /// What it says, apart from its time and its signature.
    fn form(&self, file: &File) -> Result<(), Fault> {
        let malformed = |said: String| Err((WaiverFault::Malformed, said));
        if file.format != WAIVER_FORMAT {
            return malformed(format!("its format is {:?}, and only {WAIVER_FORMAT:?} is known", file.format));
        }
        for (name, text) in [("owner", &file.owner), ("reason", &file.reason)] {
            if text.trim().is_empty() || text.chars().count() > LONGEST {
                return malformed(format!("`{name}` is empty or longer than {LONGEST} characters"));
            }
        }
        let broad = |said: &str| Err((WaiverFault::OverBroad, format!("{said}: a waiver names one gate, by its id")));
        let id = match &file.gate {
            toml::Value::String(id) => id,
            toml::Value::Array(_) => return broad("it names several gates"),
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_)
            | toml::Value::Table(_) => return malformed("`gate` is not the id of a gate".to_owned()),
        };
        if id.contains(['*', '?', '[', ']', '{', '}', ',', ' ', '|']) || id.is_empty() {
            return broad("it names a pattern or several gates");
        }
        let package = &self.loaded.package;
        for (name, said, meant) in [("package", &file.package, &package.macro_id), ("host", &file.host, &package.host)]
        {
            if said != meant {
                return Err((
                    WaiverFault::OtherPackage,
                    format!("it is for the {name} {said:?}, and this is {meant:?}"),
                ));
            }
        }
        let Some(gate) = self.gate(id) else {
            let known = self.loaded.gates.iter().map(|gate| gate.id.as_str());
            let said = format!("no gate in force has the id `{id}`; {}", suggestion(id, known));
            return Err((WaiverFault::NoSuchGate, said));
        };
        if never_waived(gate, package) {
            return Err((WaiverFault::NeverWaived, format!("{id} can never be waived")));
        }
        match &self.loaded.waivers {
            None => Err((WaiverFault::NotAllowed, "the package lets nobody waive: it has no [waivers]".to_owned())),
            Some(rules) if rules.never.contains(id) => {
                Err((WaiverFault::NeverWaived, format!("the package lets nobody waive {id}")))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whose signatures count; every one of the file must, and its time must be within what the package allows.
    fn signers(&self, name: &str, text: &str, expires: Option<Instant>) -> Result<Vec<Fingerprint>, Fault> {
        let Some(rules) = &self.loaded.waivers else {
            return Err((WaiverFault::NotAllowed, "the package lets nobody waive: it has no [waivers]".to_owned()));
        };
        let Some(expires) = expires else {
            let said = "`expires` is no instant in UTC, such as 2026-05-21T10:00:00Z".to_owned();
            return Err((WaiverFault::Malformed, said));
        };
        if expires <= self.now {
            return Err((WaiverFault::Expired, format!("it ended at {}", utc(expires))));
        }
        let signature = match self.files.get(&format!("{name}.asc")) {
            None => return Err((WaiverFault::Unsigned, format!("it is not signed: there is no {name}.asc"))),
            Some(WaiverContent::Unread(reason)) => {
                return Err((WaiverFault::Unread, format!("{name}.asc cannot be read: {reason}")));
            }
            Some(WaiverContent::Text(signature)) => signature,
        };
        let certs = self.certs.as_ref().map_err(|reason| {
            (WaiverFault::Unread, format!("the keyring cannot be read, so that nobody's signature counts: {reason}"))
        })?;
        let verdict = verify_detached(signature.as_bytes(), text.as_bytes(), certs, &rules.keys, self.now);
        let (Some(first), true) =
            (verdict.counted.iter().map(|counted| counted.created).min(), verdict.refused.is_empty())
        else {
            return Err((WaiverFault::WronglySigned, format!("{name}.asc does not count: {}", verdict.reasons())));
        };
        if expires > first + chrono::Duration::days(rules.max_days) {
            let said = format!(
                "it was signed at {} and ends at {}, and the package allows {} days",
                utc(first),
                utc(expires),
                rules.max_days
            );
            return Err((WaiverFault::TooLong, said));
        }
        Ok(verdict.counted.into_iter().map(|counted| counted.signer).collect())
    }
}

/// An instant in UTC: a date and time of TOML with its offset, or the same as text.
fn instant(value: &toml::Value) -> Option<Instant> {
    let text = match value {
        toml::Value::Datetime(instant) => instant.to_string(),
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => return None,
    };
    let instant = chrono::DateTime::parse_from_rfc3339(&text).ok()?;
    (instant.offset().local_minus_utc() == 0).then(|| instant.to_utc())
}

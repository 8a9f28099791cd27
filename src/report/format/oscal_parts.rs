//! What the two OSCAL formats share (OSCAL 1.1.3, NIST): identifiers, metadata, observations and risks.
//!
//! Titles and descriptions are Markdown there, so that what the host says goes through the escaping of Markdown. Empty
//! lists are left out, for the schemas allow none.

use chrono::Duration;
use serde_json::{Value as Json, json};

use super::{Audited, waiver_line};
use crate::evidence::Instant;
use crate::gates::GapState;
use crate::report::dossier::{GapView, utc};
use crate::report::escape::{markdown, terminal};
use crate::report::{ProbeView, Tool};

/// The version of OSCAL.
pub const OSCAL: &str = "1.1.3";

/// For how long an observation is taken for known, in hours: as long as the longest approval that may rest on it lives
/// (SG_1, 24 h). A run reads everything again in any case.
const VALID_HOURS: i64 = 24;

/// The namespace of properties: a name that leads nowhere, for nothing is to be fetched (RFC 6761, section 6.4).
const NS: &str = "https://cutgate.invalid/oscal";

/// A name-based identifier (RFC 9562, version 5) in the namespace of URLs.
pub fn uuid(parts: &[&str]) -> String {
    const URL: [u8; 16] =
        [0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
    let name = format!("{NS}:{}", serde_json::Value::from(parts));
    let digest = openssl::sha::sha1(&[&URL[..], name.as_bytes()].concat());
    let mut bytes: [u8; 16] = digest[..16].try_into().expect("invariant: SHA-1 has twenty bytes");
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// What an audit's own identifiers are made of: its evidence and its number.
pub fn of_audit(audited: &Audited<'_>, kind: &str, id: &str) -> String {
    let dossier = audited.dossier;
    uuid(&[kind, dossier.evidence_sha256.as_str(), &dossier.audit.number, id])
}

/// An identifier that stays over audits, so that a risk can be followed.
pub fn lasting(audited: &Audited<'_>, kind: &str, id: &str) -> String {
    uuid(&[kind, audited.dossier.package["macro_id"].as_str().unwrap_or_default(), id])
}

pub fn metadata(audited: &Audited<'_>, what: &str) -> Json {
    let dossier = audited.dossier;
    let title = dossier.package["title"].as_str().unwrap_or_default();
    let number = if dossier.audit.number.is_empty() { "0" } else { &dossier.audit.number };
    json!({
        "title": markdown(&format!("{title}: {what}")),
        "last-modified": dossier.audit.utc,
        "version": number,
        "oscal-version": OSCAL,
        "props": [prop("tool", &format!("{} {}", Tool::THIS.name, Tool::THIS.version)), prop("evidence-sha256", dossier.evidence_sha256.as_str())],
    })
}

/// A property. Its value is plain text that begins and ends with a visible character.
pub fn prop(name: &str, value: &str) -> Json {
    let value = terminal(value);
    let value = value.trim();
    json!({"name": name, "ns": NS, "value": if value.is_empty() { "(empty)" } else { value }})
}

/// A property for each waiver, and what became of it; and what became of the gates since a baseline.
pub fn waivers(audited: &Audited<'_>) -> impl Iterator<Item = Json> {
    let baseline = audited.baseline.map(|baseline| prop("baseline", &baseline.said()));
    audited.dossier.waivers.iter().map(|waiver| prop("waiver", &waiver_line(waiver))).chain(baseline)
}

/// One observation for each probe; one that has no facts says so.
pub fn observations(audited: &Audited<'_>) -> Vec<Json> {
    audited.detail.probes.iter().map(|probe| observation(audited, probe)).collect()
}

fn observation(audited: &Audited<'_>, probe: &ProbeView) -> Json {
    let collected = probe.finished.parse::<Instant>().unwrap_or(probe.started);
    let said = if probe.missing.is_empty() {
        format!("The probe {} read {} sources.", probe.kind, probe.sources.len())
    } else {
        format!("The probe {} has no facts: {}. What it was to show is not known.", probe.kind, probe.missing)
    };
    let read = probe.sources.iter().take(super::html::MOST_SOURCES).map(|source| {
        let said = format!("{} as {} at {}: {}", source.what, source.by, source.at, source.read);
        json!({"description": markdown(&said)})
    });
    let read: Vec<Json> = read.collect();
    let mut observation = json!({
        "uuid": of_audit(audited, "observation", &probe.id),
        "title": markdown(&format!("{} for {}", probe.kind, probe.gates.join(", "))),
        "description": markdown(&said),
        "methods": ["EXAMINE"],
        "types": ["control-objective"],
        "props": [prop("probe", &probe.id), prop("facts", if probe.missing.is_empty() { "read" } else { "missing" })],
        "collected": utc(collected),
        "expires": utc(collected + Duration::hours(VALID_HOURS)),
    });
    if !read.is_empty() {
        observation["relevant-evidence"] = Json::Array(read);
    }
    observation
}

/// References to the observations of a gate; empty where it has none.
pub fn related(audited: &Audited<'_>, gate: &str) -> Vec<Json> {
    let probes = audited.detail.of_gate(gate);
    probes.map(|probe| json!({"observation-uuid": of_audit(audited, "observation", &probe.id)})).collect()
}

/// A risk for each gap that is not CLOSED.
pub fn risks(audited: &Audited<'_>) -> Vec<Json> {
    open(audited).map(|gap| risk(audited, gap)).collect()
}

/// The gaps that are not CLOSED.
pub fn open<'a>(audited: &Audited<'a>) -> impl Iterator<Item = &'a GapView> {
    audited.dossier.gaps.iter().filter(|gap| gap.state != GapState::Closed)
}

/// The identifier of a gap's risk.
pub fn risk_uuid(audited: &Audited<'_>, gap: &str) -> String {
    lasting(audited, "risk", gap)
}

fn risk(audited: &Audited<'_>, gap: &GapView) -> Json {
    let related = related(audited, &gap.gate);
    let mut risk = json!({
        "uuid": risk_uuid(audited, &gap.id),
        "title": markdown(&format!("{}: {}", gap.id, gap.title)),
        "description": markdown(&format!("{} is {}.", gap.id, gap.state.word())),
        "statement": markdown(&gap.reason),
        "status": "open",
        "props": [prop("gap", &gap.id), prop("state", gap.state.word()), prop("owner", &gap.owner)],
    });
    // The only deviation that there is: a waiver in force, which closes nothing and ends by itself.
    let gates = &audited.dossier.gates;
    if let Some(waiver) =
        gates.iter().find(|gate| gate.finding.gap == gap.id).and_then(|gate| gate.finding.waiver.as_ref())
    {
        risk["status"] = json!("deviation-approved");
        risk["deadline"] = json!(utc(waiver.expires));
        if let Some(list) = risk["props"].as_array_mut() {
            list.push(prop("waiver", &waiver.file));
            list.push(prop("waiver-owner", &waiver.owner));
            list.push(prop("waived-state", waiver.state.word()));
        }
    }
    if !related.is_empty() {
        risk["related-observations"] = Json::Array(related);
    }
    let next = if gap.next.is_empty() { &gap.close } else { &gap.next };
    if !next.is_empty() {
        risk["remediations"] = json!([{
            "uuid": lasting(audited, "remediation", &gap.id),
            "lifecycle": "recommendation",
            "title": markdown(&format!("close {}", gap.id)),
            "description": markdown(next),
        }]);
    }
    risk
}

#[cfg(test)]
mod tests {
    #[test]
    fn identifiers_are_of_version_five_and_lasting() {
        let id = super::uuid(&["risk", "GAP-1"]);
        assert_eq!((id.len(), &id[14..15]), (36, "5"), "{id}");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        assert_eq!(id, super::uuid(&["risk", "GAP-1"]));
        assert_ne!(super::uuid(&["a", "b"]), super::uuid(&["ab"]));
    }
}

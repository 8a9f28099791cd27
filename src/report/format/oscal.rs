//! `oscal`: assessment results (OSCAL 1.1.3): a finding for each gate, an observation for each probe, a risk for each gap
//! that is not CLOSED.
//!
//! A finding is `satisfied` where its gate is CLOSED and nowhere else; UNKNOWN is `not-satisfied` for the reason `other`.

use serde_json::{Value as Json, json};

use super::oscal_parts::{metadata, observations, of_audit, prop, related, risk_uuid, risks, waivers};
use super::{Audited, Format, outcome};
use crate::gates::GapState;
use crate::report::dossier::GateView;
use crate::report::escape::markdown;

pub const FORMAT: Format = Format {
    name: "oscal",
    summary: "assessment results, OSCAL 1.1.3 JSON, for auditors",
    detailed: true,
    render,
    render_some: None,
};

fn render(audited: &Audited<'_>) -> String {
    let dossier = audited.dossier;
    let result = &dossier.result;
    let plan = of_audit(audited, "plan", "");
    let mut props = vec![
        prop("letter", result.ruling.letter.word()),
        prop("scheme", &result.ruling.scheme),
        prop("requirement", if audited.met() { "met" } else { "not-met" }),
    ];
    props.extend(waivers(audited));
    let mut one = json!({
        "uuid": of_audit(audited, "result", ""),
        "title": markdown(&format!("result: {}", outcome(dossier))),
        "description": markdown(&format!(
            "blocked technically: {}; blocked by authority: {}", result.reason_blocking, result.reason_primary
        )),
        "start": dossier.audit.utc,
        "props": props,
        "reviewed-controls": {"control-selections": [{"include-all": {}}]},
    });
    let findings: Vec<Json> = dossier.gates.iter().map(|gate| finding(audited, gate)).collect();
    for (key, list) in [("observations", observations(audited)), ("risks", risks(audited)), ("findings", findings)] {
        if !list.is_empty() {
            one[key] = Json::Array(list);
        }
    }
    let whole = json!({"assessment-results": {
        "uuid": of_audit(audited, "assessment-results", ""),
        "metadata": metadata(audited, "assessment results"),
        "import-ap": {"href": format!("#{plan}")},
        "results": [one],
        "back-matter": {"resources": [{
            "uuid": plan,
            "title": "the package with its gates",
            "description": "The package file and the gates in force; package.lock.json of the published audit holds their digests.",
        }]},
    }});
    format!("{whole:#}\n")
}

fn finding(audited: &Audited<'_>, gate: &GateView) -> Json {
    let finding = &gate.finding;
    let (state, reason) = match finding.state {
        GapState::Closed => ("satisfied", "pass"),
        GapState::Waived | GapState::Partial | GapState::Open => ("not-satisfied", "fail"),
        GapState::Unknown => ("not-satisfied", "other"),
    };
    let checks = finding.checks.iter().map(|check| format!("{} {}", check.id, check.outcome.word()));
    let mut found = json!({
        "uuid": of_audit(audited, "finding", &finding.id),
        "title": markdown(&format!("{} {} is {}", finding.gap, finding.id, finding.state.word())),
        "description": markdown(&finding.reason),
        "props": [prop("gap", &finding.gap), prop("stage", &finding.stage), prop("state", finding.state.word())],
        "target": {
            "type": "objective-id",
            "target-id": finding.id,
            "title": markdown(&finding.title),
            "status": {"state": state, "reason": reason, "remarks": markdown(&format!("{}: {}", finding.state.word(), checks.collect::<Vec<_>>().join(", ")))},
        },
    });
    let related = related(audited, &finding.id);
    if !related.is_empty() {
        found["related-observations"] = Json::Array(related);
    }
    if finding.state != GapState::Closed {
        found["related-risks"] = json!([{"risk-uuid": risk_uuid(audited, &finding.gap)}]);
    }
    found
}

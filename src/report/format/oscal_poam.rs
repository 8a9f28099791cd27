//! `oscal-poam`: a plan of action and milestones (OSCAL 1.1.3): an item for the result and one for each gap that is not
//! CLOSED, with its risk and the observations behind it.
//!
//! The schema asks for an item, so the result has one in every plan: where no gap is open the plan says what was found
//! instead of nothing.

use serde_json::{Value as Json, json};

use super::oscal_parts::{lasting, metadata, observations, of_audit, open, prop, related, risk_uuid, risks, waivers};
use super::{Audited, Format, outcome};
use crate::report::dossier::GapView;
use crate::report::escape::{markdown, terminal};

pub const FORMAT: Format = Format {
    name: "oscal-poam",
    summary: "plan of action and milestones, OSCAL 1.1.3 JSON, for auditors",
    detailed: true,
    render,
    render_some: None,
};

fn render(audited: &Audited<'_>) -> String {
    let dossier = audited.dossier;
    let mut props = vec![prop("requirement", if audited.met() { "met" } else { "not-met" })];
    props.extend(waivers(audited));
    let whole = json!({
        "uuid": of_audit(audited, "result-item", ""),
        "title": markdown(&format!("result: {}", outcome(dossier))),
        "description": markdown(&format!(
            "{}. Next: {}", dossier.result.reason_blocking,
            if dossier.result.next.is_empty() { "nothing" } else { &dossier.result.next }
        )),
        "props": props,
    });
    let items: Vec<Json> = [whole].into_iter().chain(open(audited).map(|gap| item(audited, gap))).collect();
    let host = dossier.package["host"].as_str().unwrap_or_default();
    let mut plan = json!({
        "uuid": of_audit(audited, "plan-of-action", ""),
        "metadata": metadata(audited, "plan of action and milestones"),
        "system-id": {"identifier-type": "https://ietf.org/rfc/rfc4122", "id": lasting(audited, "system", host)},
        "poam-items": items,
    });
    for (key, list) in [("observations", observations(audited)), ("risks", risks(audited))] {
        if !list.is_empty() {
            plan[key] = Json::Array(list);
        }
    }
    format!("{:#}\n", json!({ "plan-of-action-and-milestones": plan }))
}

fn item(audited: &Audited<'_>, gap: &GapView) -> Json {
    let related = related(audited, &gap.gate);
    let mut item = json!({
        "uuid": lasting(audited, "item", &gap.id),
        "title": markdown(&format!("{}: {}", gap.id, gap.title)),
        "description": markdown(&format!("{} — {}", gap.state.word(), gap.reason)),
        "props": [prop("state", gap.state.word()), prop("owner", &gap.owner), prop("gate", &gap.gate)],
        "related-risks": [{"risk-uuid": risk_uuid(audited, &gap.id)}],
    });
    if !related.is_empty() {
        item["related-observations"] = Json::Array(related);
    }
    if !gap.next.is_empty() {
        item["remarks"] = json!(markdown(&terminal(&gap.next)));
    }
    item
}

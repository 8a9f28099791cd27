//! `sarif`: findings at their lines for code hosts and editors (SARIF 2.1.0, OASIS 2020).
//!
//! One rule for each gate; results only for gates that are not CLOSED, at the places that the gate names, else
//! where the package file speaks of the gap. A gate that is UNKNOWN makes `executionSuccessful` false: a reader
//! that shows results only must not take silence for a pass, so it has a result, too. A gate that is WAIVED keeps its results, with a
//! suppression that names the waiver.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::{Format, Judged, Whole, blamed, waiver_file, waiver_line};
use crate::evidence::Digest256;
use crate::gates::{CheckFinding, GapState, Location};
use crate::package::{PACKAGE_FILE, WAIVERS};
use crate::probes::Place;
use crate::report::Since;
use crate::report::dossier::{GateView, utc};
use crate::report::escape::terminal;

pub const FORMAT: Format = Format {
    name: "sarif",
    summary: "findings at their lines, SARIF 2.1.0, for code hosts and editors",
    detailed: false,
    render: |audited| render(&Judged::of(audited)),
    render_some: Some(render),
};

fn render(judged: &Judged<'_>) -> String {
    let mut rules: Vec<_> = judged.gates.iter().map(rule).collect();
    let mut results: Vec<_> =
        judged.gates.iter().enumerate().flat_map(|(index, gate)| results(judged, index, gate)).collect();
    let unknown: Vec<_> = judged.gates.iter().filter(|gate| gate.finding.state == GapState::Unknown).collect();
    let mut notifications: Vec<_> = unknown
        .iter()
        .map(|gate| {
            let text = format!("{} is UNKNOWN: {}", gate.finding.gap, gate.finding.reason);
            json!({"level": "error", "message": {"text": shown(&text)}, "associatedRule": {"id": gate.finding.id}})
        })
        .collect();
    let mut properties = serde_json::Map::new();
    // What is refused counts for nothing, and blocks.
    if judged.refused().next().is_some() {
        rules.push(json!({"id": "waiver", "name": "waiver", "shortDescription": {"text": "every waiver counts"},
            "defaultConfiguration": {"level": "error"}}));
    }
    for waiver in judged.refused() {
        let path = uri(&judged.place.package_dir.join(waiver_file(waiver)));
        results.push(json!({
            "ruleId": "waiver", "ruleIndex": rules.len() - 1, "level": "error",
            "message": {"text": shown(&waiver_line(waiver))},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": path}}}],
            "partialFingerprints": {"cutgate/v1": Digest256::of(waiver_line(waiver).as_bytes())},
        }));
    }
    if let Some(said) = judged.selection().filter(|_| !judged.profile.is_empty() || !judged.not_judged.is_empty()) {
        notifications.push(json!({"level": "note", "message": {"text": shown(&said)}}));
        let left: Vec<&str> = judged.not_judged.iter().map(|(_, id)| id.as_str()).collect();
        properties.insert("notJudged".to_owned(), json!(left));
    }
    if let Some(baseline) = judged.baseline {
        properties.insert("baseline".to_owned(), json!(shown(&baseline.said())));
    }
    if !judged.waivers.is_empty() {
        let said: Vec<String> = judged.waivers.iter().map(|waiver| shown(&waiver_line(waiver))).collect();
        properties.insert("waivers".to_owned(), json!(said));
    }
    // A reader that shows results must not find none where something blocks that belongs to no gate.
    if let Some(said) = judged.beside_the_gates() {
        rules.push(
            json!({"id": "result", "name": "result", "shortDescription": {"text": "the result is what was asked for"},
            "defaultConfiguration": {"level": "error"}}),
        );
        let package = uri(&judged.place.package_dir.join(PACKAGE_FILE));
        results.push(json!({
            "ruleId": "result", "ruleIndex": rules.len() - 1, "level": "error", "message": {"text": shown(&said)},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": package}, "region": {"startLine": 1}}}],
        }));
    }
    if judged.code == 3 && unknown.is_empty() {
        notifications.push(json!({"level": "error", "message": {"text": "whether the invariants held is not known"}}));
    }
    if let Some(Whole { dossier, .. }) = judged.whole {
        let ruling = &dossier.result.ruling;
        properties.insert("letter".to_owned(), json!(ruling.letter.word()));
        properties.insert("label".to_owned(), json!(ruling.label));
        properties.insert("evidence_sha256".to_owned(), json!(dossier.evidence_sha256));
    }
    let log = json!({
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": crate::report::Tool::THIS.name,
                "semanticVersion": crate::report::Tool::THIS.version,
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": unknown.is_empty() && judged.code != 3,
                "endTimeUtc": judged.utc,
                "toolExecutionNotifications": notifications,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": properties,
        }],
    });
    format!("{log:#}\n")
}

fn rule(gate: &GateView) -> Json {
    let finding = &gate.finding;
    json!({
        "id": finding.id,
        "name": finding.gap,
        "shortDescription": {"text": shown(&finding.title)},
        "help": {"text": format!("cutgate explain {}", finding.id)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"gap": finding.gap, "stage": finding.stage},
    })
}

/// What keeps a gate from CLOSED, each place once.
fn results(judged: &Judged<'_>, index: usize, gate: &GateView) -> Vec<Json> {
    let finding = &gate.finding;
    if finding.state == GapState::Closed {
        return Vec::new();
    }
    let places = blamed(gate).into_iter();
    let mut all: Vec<Json> = places.map(|(check, location)| result(judged, index, gate, check, location)).collect();
    if all.is_empty() {
        let message = format!("{} — {}", finding.state.word(), finding.reason);
        let place = json!({"physicalLocation": {
            "artifactLocation": {"uri": uri(&judged.place.package_dir.join(PACKAGE_FILE))},
            "region": {"startLine": gate.line.max(1)},
        }});
        all.push(whole(judged, index, gate, &message, &finding.next, place, Vec::new(), &finding.reason));
    }
    all
}

fn result(judged: &Judged<'_>, index: usize, gate: &GateView, check: &CheckFinding, location: &Location) -> Json {
    let place = physical(judged.place, &location.path, location.line, location.column);
    let steps: Vec<_> = location
        .flow
        .iter()
        .map(|step| {
            let mut at = physical(judged.place, &step.path, step.line, step.column);
            at["message"] = json!({"text": shown(&step.label)});
            json!({"location": at})
        })
        .collect();
    let message = format!("{} — {}", gate.finding.state.word(), location.message);
    // Lines move; what is said of which file stays, so that a reader can follow a finding over commits.
    let same = format!("{}\n{}\n{}", check.id, location.path, location.message);
    whole(judged, index, gate, &message, &check.next, place, steps, &same)
}

#[allow(clippy::too_many_arguments, reason = "one result, with everything that SARIF keeps of it")]
fn whole(
    judged: &Judged<'_>,
    index: usize,
    gate: &GateView,
    message: &str,
    next: &str,
    place: Json,
    steps: Vec<Json>,
    same: &str,
) -> Json {
    let next = if next.is_empty() { String::new() } else { format!(" Next: {next}") };
    let mut result = json!({
        "ruleId": gate.finding.id,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": shown(&format!("{}: {message}.{next}", gate.finding.gap))},
        "locations": [place],
        "partialFingerprints": {"cutgate/v1": Digest256::of(format!("{}\n{same}", gate.finding.id).as_bytes())},
    });
    if let Some(waiver) = &gate.finding.waiver {
        let said = format!("{} until {}: {}", waiver.owner, utc(waiver.expires), waiver.because);
        result["suppressions"] = json!([{
            "kind": "external", "status": "accepted", "justification": shown(&said),
            "location": {"physicalLocation": {"artifactLocation": {"uri": uri(&judged.place.package_dir.join(WAIVERS).join(&waiver.file))}}},
        }]);
    }
    if let Some(since) = judged.since(&gate.finding.id) {
        // Section 3.27.24: what was there, what is another now, what was not.
        result["baselineState"] = json!(match (since.since, since.old) {
            (Since::Same, _) => "unchanged",
            (Since::Worse | Since::New, None | Some(GapState::Closed)) => "new",
            (Since::Worse | Since::New | Since::Better, _) => "updated",
        });
    }
    if !steps.is_empty() {
        result["codeFlows"] = json!([{"threadFlows": [{"locations": steps}]}]);
    }
    result
}

fn physical(place: &Place, path: &str, line: u64, column: u64) -> Json {
    let mut physical = json!({"artifactLocation": {"uri": uri(&place.locate(Path::new(path)))}});
    if line > 0 {
        physical["region"] = json!({"startLine": line});
    }
    if line > 0 && column > 0 {
        physical["region"]["startColumn"] = json!(column);
    }
    json!({"physicalLocation": physical})
}

/// A value in a message. What a viewer would make a link of (section 3.11.6) is taken apart.
fn shown(text: &str) -> String {
    terminal(text).replace("](", "] (")
}

/// A path as a URI reference (RFC 3986): relative where the path is, so that it lies below the checkout.
fn uri(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = text.strip_prefix("./").unwrap_or(&text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let mut out = if text.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in text.bytes() {
        if plain(byte) { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;
    use std::path::Path;

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri(Path::new("./src/é a:b.py")), "src/%C3%A9%20a%3Ab.py");
        assert_eq!(uri(Path::new("/opt/x%y")), "file:///opt/x%25y");
    }
}

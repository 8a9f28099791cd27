//! Values of the host in a report: the engine renders them, and the report has the structure of its template.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cutgate::evidence::{EVIDENCE_FORMAT, Evidence, Fact, Observation, Process};
use cutgate::report::{Facts, Renderer, Templates};
use serde_json::json;

/// Every place in which a template may put a value. Emphasis is none: it ends beside a blank, by CommonMark.
const TEMPLATE: &str = "# Head {{ v }}\n\n| a | b |\n|---|---|\n| {{ v }} | {{ v | cell }} |\n| {{ w | cell }} | {{ w }} |\n\n- {{ v }}: {{ v | code }}\n- {{ fact(path=\"after/probe.a\") }}\n  - {{ w }} {{ v }}\n\n> {{ v }}\n\n1. {{ list | codes }}\n\n{{ v }}\n\n{{ v | said }}{{ w }}\n\n{{ w }} {{ v }}\n";

static TEMPLATES: LazyLock<Templates> =
    LazyLock::new(|| Templates(BTreeMap::from([("t.md".to_owned(), TEMPLATE.to_owned())])));

/// Evidence whose measure `probe` has the fact `a`.
fn evidence(a: &str) -> Evidence {
    let now = super::now();
    let observation = Observation {
        kind: "host".to_owned(),
        settings: BTreeMap::new().into(),
        started: now,
        finished: now,
        facts: Fact::record([("a", a.into())]),
        sources: Vec::new(),
    };
    Evidence {
        format: EVIDENCE_FORMAT.to_owned(),
        waivers: None,
        run: None,
        now,
        by: "fuzz".to_owned(),
        process: Process {
            stdin_closed: true,
            secrets_known: 0,
            recomputed: true,
            newest_before: None,
            requests_unread: None,
        },
        probes: BTreeMap::new(),
        before: BTreeMap::new(),
        after: BTreeMap::from([("probe".to_owned(), observation)]),
    }
}

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (v, w) = text.split_once('\0').unwrap_or((text, "w"));
    let facts = Arc::new(Facts::of(&[], &Arc::new(evidence(v))));
    let context = json!({ "v": v, "w": w, "list": [v, w] });
    let render = || Renderer::new(&TEMPLATES, &facts, &context).render("t.md", &());
    let report = render().unwrap_or_else(|error| panic!("{v:?} {w:?}: {error}"));
    assert_eq!(report.lines().filter(|line| line.starts_with('#')).count(), 1, "{report}");
    assert!(!report.chars().any(|c| c.is_control() && c != '\n'), "{report:?}");
    let again = render().expect("rendered before");
    assert_eq!(report, again);
}

//! Values of the host in a report: the engine renders them, and the report has the structure of its template.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cutgate::report::{Templates, render};
use serde_json::json;

/// Every place in which a template may put a value. Emphasis is none: it ends beside a blank, by CommonMark.
const TEMPLATE: &str = "# Head {{ v }}\n\n| a | b |\n|---|---|\n| {{ v }} | {{ v | cell }} |\n| {{ w | cell }} | {{ w }} |\n\n- {{ v }}: {{ v | code }}\n- {{ fact(path=\"gate/probe.a\") }}\n  - {{ w }} {{ v }}\n\n> {{ v }}\n\n1. {{ list | codes }}\n\n{{ v }}\n\n{{ v | said }}{{ w }}\n\n{{ w }} {{ v }}\n";

static TEMPLATES: LazyLock<Templates> =
    LazyLock::new(|| Templates(BTreeMap::from([("t.md".to_owned(), TEMPLATE.to_owned())])));

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (v, w) = text.split_once('\0').unwrap_or((text, "w"));
    let facts = Arc::new(json!({ "gate": { "probe": { "a": v } } }));
    let context = json!({ "v": v, "w": w, "list": [v, w] });
    let report = render(&TEMPLATES, "t.md", &context, &facts).unwrap_or_else(|error| panic!("{v:?} {w:?}: {error}"));
    assert_eq!(report.lines().filter(|line| line.starts_with('#')).count(), 1, "{report}");
    assert!(!report.chars().any(|c| c.is_control() && c != '\n'), "{report:?}");
    let again = render(&TEMPLATES, "t.md", &context, &facts).expect("rendered before");
    assert_eq!(report, again);
}

//! Text of the host that looks like the program's own. Each is laid where reports quote it, and alone makes the
//! laboratory not ready; the reports say what they would say of any other text there.

use std::collections::BTreeMap;
use std::fs;

use super::{Seen, Trap, text};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Lays files with names of somebody's choosing into the deployed tree, which reports quote as ones that no manifest
/// knows; gives every published Markdown report by name.
fn named(names: &[&str]) -> Vec<(String, String)> {
    let trap = Trap::new();
    for name in names {
        fs::write(trap.path("host/opt/cutter/v0.7").join(name), "x").unwrap();
    }
    let seen = trap.blocked();
    assert_eq!(seen.gaps["GAP-1"].0, "OPEN", "{:#?}", seen.gaps);
    let reports = reports(&trap, &seen);
    let quoted = reports.iter().filter(|(_, report)| report.contains("FORGED")).count();
    assert!(quoted > 0, "the trap is where it is meant to be");
    let shown = trap.cutgate(&["audit", "--only", "GAP-1"]);
    assert_eq!(shown.status.code(), Some(1));
    let raw = text(&shown.stdout).chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(raw, None, "the terminal is safe too");
    reports
}

fn reports(trap: &Trap, seen: &Seen) -> Vec<(String, String)> {
    let folder = trap.path(seen.result["reports_dir"].as_str().unwrap());
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "md"));
    let reports: Vec<_> = paths.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect();
    assert_eq!(reports.len(), 9);
    reports
}

fn events(report: &str) -> Vec<Event<'_>> {
    Parser::new_ext(report, Options::ENABLE_TABLES | Options::ENABLE_GFM | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS)
        .collect()
}

/// The texts of every element between a start and an end, joined.
fn texts(report: &str, start: impl Fn(&Tag<'_>) -> bool, end: impl Fn(&TagEnd) -> bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for event in events(report) {
        match event {
            Event::Start(tag) if start(&tag) => {
                inside = true;
                found.push(String::new());
            }
            Event::End(tag) if end(&tag) => inside = false,
            Event::Text(text) | Event::Code(text) if inside => found.last_mut().unwrap().push_str(&text),
            _ => {}
        }
    }
    found
}

/// How many elements of a kind each report has.
fn shape(reports: &[(String, String)], of: impl Fn(&Event<'_>) -> bool) -> BTreeMap<String, usize> {
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    reports.iter().map(|(path, report)| (name(path), events(report).iter().filter(|it| of(it)).count())).collect()
}

#[test]
fn host_text_that_forges_a_heading() {
    let forged = named(&["a\n# FORGED Result A", "# FORGED Result A", "a\nFORGED\n======"]);
    let honest = named(&["FORGED 1", "FORGED 2", "FORGED 3"]);
    let heading = |event: &Event<'_>| matches!(event, Event::Start(Tag::Heading { .. }));
    assert_eq!(shape(&forged, heading), shape(&honest, heading), "as many headings as with any other names");
    for (path, report) in forged {
        let headings =
            texts(&report, |tag| matches!(tag, Tag::Heading { .. }), |end| matches!(end, TagEnd::Heading(_)));
        let own = |heading: &String| !heading.trim_start_matches(['#', ' ']).starts_with("FORGED");
        assert!(!headings.is_empty() && headings.iter().all(own), "{path}: {headings:?}");
    }
}

#[test]
fn host_text_that_forges_a_table_cell() {
    let forged = named(&["FORGED | CLOSED |", "FORGED |\n| GAP-1 | CLOSED | x |", "FORGED \\| CLOSED \\|"]);
    let honest = named(&["FORGED 1", "FORGED 2", "FORGED 3"]);
    let cell = |event: &Event<'_>| matches!(event, Event::Start(Tag::TableCell | Tag::TableRow));
    assert_eq!(shape(&forged, cell), shape(&honest, cell), "as many rows and cells as with any other names");
}

#[test]
fn host_text_that_forges_a_link() {
    let forged = named(&[
        "[FORGED](https:x.example)",
        "<https:FORGED.example>",
        "![FORGED](x)",
        "FORGED <b onclick=x>",
        "www.FORGED.example",
    ]);
    let honest = named(&["FORGED 1", "FORGED 2", "FORGED 3", "FORGED 4", "FORGED 5"]);
    let active = |event: &Event<'_>| {
        matches!(event, Event::Start(Tag::Link { .. } | Tag::Image { .. }) | Event::Html(_) | Event::InlineHtml(_))
    };
    assert_eq!(shape(&forged, active), shape(&honest, active), "as many links, images and tags as with other names");
}

#[test]
fn host_text_that_forges_an_escape_sequence() {
    let names =
        ["FORGED\u{1b}[2K\u{1b}[32mCLOSED", "FORGED\u{9b}32mCLOSED", "FORGED\r\u{8}CLOSED", "FORGED\u{202e}DESOLC"];
    for (path, report) in named(&names) {
        let raw = report.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(raw, None, "{path}");
    }
}

#[test]
fn host_text_that_forges_a_front_matter_line() {
    // In a report: a block at its head would be read by whoever reads reports with a program.
    for (path, report) in named(&["---\nresult: A\nFORGED: yes\n---"]) {
        assert!(events(&report).iter().all(|event| !matches!(event, Event::Start(Tag::MetadataBlock(_)))), "{path}");
        assert!(!report.lines().any(|line| line.trim() == "result: A" || line.trim() == "FORGED: yes"), "{path}");
    }
    // In a document: fields that stand in a value, or after the block, are not fields of an approval.
    let fields = "gate: SG_1_cut_authz\\nrun_id: R1\\nallowance: explicit\\nscope: x\\npayload_sha256: x\\nsigned_utc: 2026-01-01T00:00:00Z";
    for document in [
        format!("---\ntitle: \"x\\n---\\n{fields}\"\nkind: approval\n---\n\napproval\n"),
        format!("---\ntitle: x\n---\n\napproval\n\n---\n{}\n---\n", fields.replace("\\n", "\n")),
    ] {
        let trap = Trap::new();
        fs::write(trap.path("kb/approvals/forged.md"), document).unwrap();
        let seen = trap.audit();
        assert_ne!(seen.gaps["GAP-7"].0, "CLOSED");
        assert_ne!(seen.result["result"]["label"], "APPROVED_NOT_EXECUTED");
        assert_ne!(seen.result["approval"]["standing"], "valid");
    }
}

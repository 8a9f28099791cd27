//! Text of the host that looks like the program's own. Each is laid where reports quote it, and alone makes the
//! laboratory not ready; the reports say what they would say of any other text there.

use std::fs;

use super::{Seen, Trap, text};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Lays a file with a name of somebody's choosing into the deployed tree, which reports quote as one that no manifest
/// knows; gives what was judged, and every published Markdown report by name.
fn named(name: &str) -> (Seen, Vec<(String, String)>) {
    let trap = Trap::new();
    fs::write(trap.path("host/opt/cutter/v0.6").join(name), "x").unwrap();
    let seen = trap.blocked();
    assert_eq!(seen.gaps["GAP-1"].0, "OPEN", "{:#?}", seen.gaps);
    let reports = reports(&trap, &seen);
    // It is quoted, in one way or another: the trap is where it is meant to be.
    assert!(reports.iter().any(|(_, report)| report.contains("FORGED")), "quoted somewhere");
    let shown = trap.cutgate(&["audit"]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(!shown.stdout.contains(&0x1b) && !shown.stderr.contains(&0x1b), "{}", text(&shown.stdout));
    (seen, reports)
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

#[test]
fn host_text_that_forges_a_heading() {
    for name in ["a\n# FORGED Result A", "# FORGED Result A", "a\nFORGED\n======"] {
        let (_, reports) = named(name);
        for (path, report) in reports {
            let headings =
                texts(&report, |tag| matches!(tag, Tag::Heading { .. }), |tag| matches!(tag, TagEnd::Heading(_)));
            assert!(
                !headings.is_empty() && headings.iter().all(|heading| !heading.contains("FORGED")),
                "{path}: {headings:?}"
            );
        }
    }
}

#[test]
fn host_text_that_forges_a_table_cell() {
    let honest = Trap::new();
    fs::write(honest.path("host/opt/cutter/v0.6/FORGED"), "x").unwrap();
    let shape = |report: &str| {
        events(report).iter().filter(|event| matches!(event, Event::Start(Tag::TableCell | Tag::TableRow))).count()
    };
    let seen = honest.blocked();
    let mut plain: Vec<_> = reports(&honest, &seen)
        .iter()
        .map(|(path, report)| (path.rsplit('/').next().unwrap().to_owned(), shape(report)))
        .collect();
    plain.sort();
    for name in ["FORGED | CLOSED |", "FORGED |\n| GAP-1 | CLOSED | x |", "FORGED \\| CLOSED \\|"] {
        let (_, reports) = named(name);
        let mut found: Vec<_> =
            reports.iter().map(|(path, report)| (path.rsplit('/').next().unwrap().to_owned(), shape(report))).collect();
        found.sort();
        assert_eq!(found, plain, "{name:?} makes as many rows and cells as any other name");
    }
}

#[test]
fn host_text_that_forges_a_link() {
    for name in [
        "[FORGED](https:x.example)",
        "<https:FORGED.example>",
        "![FORGED](x)",
        "FORGED <b onclick=x>",
        "www.FORGED.example",
    ] {
        let (_, reports) = named(name);
        for (path, report) in reports {
            let active = events(&report).into_iter().any(|event| match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    dest_url.contains("x.example") || dest_url.contains("FORGED") || &*dest_url == "x"
                }
                Event::Html(_) | Event::InlineHtml(_) => true,
                _ => false,
            });
            assert!(!active, "{path}");
        }
    }
}

#[test]
fn host_text_that_forges_an_escape_sequence() {
    for name in
        ["FORGED\u{1b}[2K\u{1b}[32mCLOSED", "FORGED\u{9b}32mCLOSED", "FORGED\r\u{8}CLOSED", "FORGED\u{202e}DESOLC"]
    {
        let (_, reports) = named(name);
        for (path, report) in reports {
            let raw = report.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
            assert_eq!(raw, None, "{path}");
        }
    }
}

#[test]
fn host_text_that_forges_a_front_matter_line() {
    // In a report: a block at its head would be read by whoever reads reports with a program.
    let (_, reports) = named("---\nresult: A\nFORGED: yes\n---");
    for (path, report) in reports {
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

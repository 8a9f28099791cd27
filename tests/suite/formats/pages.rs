//! The page: what was published before is shown where it is what the ledger names, and said to be unread where it is not.

use std::fs;

use crate::audit::Lab;

use super::text;

/// How many cells of the chart are of a class.
fn cells(page: &str, class: &str) -> usize {
    page.matches(&format!("<rect class=\"{class}\"")).count()
}

#[test]
fn the_history_shows_what_the_ledger_names_and_nothing_else() {
    let lab = Lab::new();
    let page = |file: &str| {
        let output = lab.cutgate(&["audit", "--format", &format!("html={file}")]);
        assert!(matches!(output.status.code(), Some(1 | 3)), "{}", text(&output.stderr));
        fs::read_to_string(lab.path(file)).unwrap()
    };
    let first = page("first.html");
    let count = |page: &str| ["CLOSED", "PARTIAL", "OPEN", "UNKNOWN", "UNREAD", "NONE"].map(|class| cells(page, class));
    assert_eq!(count(&first), [2, 1, 6, 0, 0, 0]);
    let database = fs::read(lab.path("governance.db")).unwrap();
    fs::write(lab.path("governance.db"), "this is no database").unwrap();
    let second = page("second.html");
    assert_eq!(count(&second)[3], 1, "what could not be read is unknown: {:?}", count(&second));
    fs::write(lab.path("governance.db"), database).unwrap();
    // Somebody turns the first result green.
    let folder = fs::read_dir(lab.path("reports")).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir()).min();
    let result = folder.unwrap().join("result.json");
    let published = fs::read_to_string(&result).unwrap();
    fs::write(&result, published.replace("\"OPEN\"", "\"CLOSED\"")).unwrap();
    let third = page("third.html");
    assert_eq!(count(&third)[4], 9, "none of its states is shown");
    assert!(third.contains("the published result is not the one that the ledger names"));
    fs::remove_file(&result).unwrap();
    let fourth = page("fourth.html");
    assert_eq!(count(&fourth)[4], 9);
    assert!(
        fourth.contains("audit 1, ") && fourth.contains("not read: No such file"),
        "it has its column all the same"
    );
}

#[test]
fn a_page_shows_the_newest_audits_and_counts_the_others() {
    let lab = Lab::new();
    for _ in 0..13 {
        lab.audit();
    }
    let output = lab.cutgate(&["audit", "--format", "html=page.html"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let page = fs::read_to_string(lab.path("page.html")).unwrap();
    assert_eq!(cells(&page, "OPEN"), 12 * 6);
    assert!(page.contains("2 older audits of the ledger are not shown."));
    assert!(page.contains("<text class=\"middle\" x=\"79\" y=\"17\">3</text>"), "the oldest that is shown comes first");
}

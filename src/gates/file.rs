//! The file type of a gate: every key with its place, nothing checked but kinds.

use crate::package::{Located, Reading, TableAt, TableReader};

type Word = Option<Located<String>>;

/// A gate file.
pub struct RawGate<'a> {
    pub id: Word,
    pub gap: Word,
    pub stage: Word,
    pub title: Word,
    pub blocked_criterion: Word,
    pub remedy: Word,
    pub closed_text: Word,
    pub probes: Vec<(Located<String>, Option<TableAt<'a>>)>,
    pub checks: Vec<RawCheck>,
    /// Whether every `[[check]]` could be read.
    pub checks_read: bool,
}

/// `[[check]]`.
pub struct RawCheck {
    pub id: Word,
    pub tier: Word,
    pub require: Word,
    pub otherwise: Word,
    pub next: Word,
    pub at: Word,
    pub cites: Option<Located<Vec<Located<String>>>>,
}

impl<'a> RawGate<'a> {
    /// Reads the file's table, reporting every unknown key, missing key and wrong kind.
    pub fn read(reading: Reading<'a>, root: TableAt<'a>) -> Self {
        use crate::package::table::Value as _;
        let mut file = TableReader::new(reading, "the gate file", root);
        let id = file.required("id", "\"kebab-case\", the stem of the file's name");
        let gap = file.required("gap", "\"GAP-1\"");
        let stage = file.required("stage", "\"G0\"");
        let title = file.required("title", "\"what holds when the gate is closed\"");
        let remedy = file.required("remedy", "\"what to do when it is not closed\"");
        let blocked_criterion = file.optional("blocked_criterion");
        let closed_text = file.optional("closed_text");
        let probes = file.entries("probe").into_iter().map(|entry| {
            let at = TableAt::read(&reading, &entry.name.value, entry.value);
            (entry.name, at)
        });
        let probes = probes.collect();
        let given = file.given("check");
        let checks = given.and_then(|value| Vec::<Located<TableAt<'a>>>::read(&reading, "check", value));
        let checks_read = given.is_none() || checks.is_some();
        let checks = checks.into_iter().flatten().map(|item| read_check(reading, item.value)).collect();
        file.finish();
        Self { id, gap, stage, title, blocked_criterion, remedy, closed_text, probes, checks, checks_read }
    }
}

fn read_check<'a>(reading: Reading<'a>, at: TableAt<'a>) -> RawCheck {
    let mut table = TableReader::new(reading, "[[check]]", at);
    let check = RawCheck {
        id: table.required("id", "\"kebab-case\""),
        tier: table.required("tier", "\"essential\" or \"completing\""),
        require: table.required("require", "\"an expression over the facts\""),
        otherwise: table.required("otherwise", "\"what is said when it does not hold\""),
        next: table.optional("next"),
        at: table.optional("at"),
        cites: table.optional("cites"),
    };
    table.finish();
    check
}

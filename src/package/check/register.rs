//! The register of a package: reports, stages, gaps and criteria, and how they name each other.

use std::collections::BTreeMap;

use crate::package::diagnostic::{Diagnostic, suggestion};
use crate::package::file::{RawCriterion, RawGap, RawPackage, RawReport, RawStage, Word, Words};
use crate::package::table::{Located, Reading};
use crate::package::{Criterion, Gap, GapClass, ReportEntry, Stage};

/// The kinds of stages: most look, one runs.
const KINDS: [&str; 2] = ["survey", EXECUTION];
const EXECUTION: &str = "execution";

/// The parts of the register; `None` for a part in which a value is missing, which was reported.
pub struct Register {
    pub reports: Option<Vec<ReportEntry>>,
    pub stages: Option<Vec<Stage>>,
    pub gaps: Option<Vec<Gap>>,
    pub criteria: Option<Vec<Criterion>>,
}

/// Checks the register.
pub fn check(reading: &Reading<'_>, raw: &RawPackage<'_>) -> Register {
    check_filled(reading, raw);
    check_reports(reading, raw);
    check_stages(reading, raw);
    check_gaps(reading, &raw.gaps);
    check_criteria(reading, raw);
    Register {
        reports: raw.reports.iter().map(report).collect(),
        stages: raw.stages.iter().map(stage).collect(),
        gaps: raw.gaps.iter().map(|gap| self::gap(reading, gap)).collect::<Vec<_>>().into_iter().collect(),
        criteria: raw.criteria.iter().map(criterion).collect(),
    }
}

fn text(word: &Word) -> Option<String> {
    word.as_ref().map(|word| word.value.clone())
}

fn texts(words: &Words) -> Vec<String> {
    words.iter().flat_map(|words| words.value.iter().map(|word| word.value.clone())).collect()
}

fn report(raw: &RawReport) -> Option<ReportEntry> {
    Some(ReportEntry {
        number: raw.number.value.clone(),
        file: text(&raw.file)?,
        title: text(&raw.title)?,
        template: text(&raw.template),
    })
}

fn stage(raw: &RawStage) -> Option<Stage> {
    Some(Stage {
        id: raw.id.value.clone(),
        title: text(&raw.title)?,
        report: text(&raw.report)?,
        execution: raw.kind.as_ref().is_some_and(|kind| kind.value == EXECUTION),
        cites: texts(&raw.cites),
    })
}

fn gap(reading: &Reading<'_>, raw: &RawGap) -> Option<Gap> {
    let class = raw.class.as_ref().and_then(|word| {
        let class = GapClass::ALL.iter().copied().find(|class| class.word() == word.value);
        if class.is_none() {
            let help = suggestion(&word.value, GapClass::ALL.iter().map(|class| class.word()));
            reading.error(&word.span, format!("unknown class `{}`", word.value), help);
        }
        class
    });
    Some(Gap {
        id: raw.id.value.clone(),
        title: text(&raw.title)?,
        aliases: texts(&raw.aliases),
        class: class?,
        owner: text(&raw.owner)?,
        close: text(&raw.close),
        decisive_rank: raw.rank.as_ref().map(|rank| rank.value),
    })
}

fn criterion(raw: &RawCriterion) -> Option<Criterion> {
    Some(Criterion { words: text(&raw.words)?, gaps: texts(&raw.gaps) })
}

/// A register without entries would judge nothing.
fn check_filled(reading: &Reading<'_>, raw: &RawPackage<'_>) {
    for (empty, what, table) in [
        (raw.reports.is_empty(), "reports", "[reports.01]"),
        (raw.stages.is_empty(), "stages", "[stages.G0]"),
        (raw.gaps.is_empty(), "gaps", "[gaps.GAP-1]"),
    ] {
        if empty {
            let message = format!("the package has no {what}");
            let diagnostic = Diagnostic::whole_file(reading.file, message);
            reading.report(diagnostic.help(format!("add at least one: {table}; an empty register holds nothing")));
        }
    }
}

fn check_reports(reading: &Reading<'_>, raw: &RawPackage<'_>) {
    let mut files = BTreeMap::new();
    let numbers = || raw.reports.iter().map(|report| &report.number.value);
    let known = |stage: &RawStage| stage.report.as_ref().is_some_and(|at| numbers().any(|number| *number == at.value));
    // A stage whose report is wrong, which is reported, may be meant for any of them.
    let all_known = raw.stages.iter().all(known);
    for report in &raw.reports {
        let number = &report.number;
        if number.value.len() != 2 || !number.value.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{}` is not a report number", number.value);
            reading.error(&number.span, message, "number reports with two digits: [reports.01]");
        }
        if let Some(file) = &report.file {
            let plain = file.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            if !plain || !file.value.starts_with(&format!("{}-", number.value)) {
                let message = format!("`{}` is not a file name for report {}", file.value, number.value);
                let help = format!("begin with \"{}-\" and use letters, digits, - and _", number.value);
                reading.error(&file.span, message, help);
            }
            twice(reading, &mut files, file, "two reports have this file");
        }
        if let Some(template) = &report.template
            && (template.value.contains('/') || !template.value.ends_with(".md"))
        {
            let message = format!("`{}` is not the name of a template", template.value);
            reading.error(&template.span, message, "name a file of the folder templates/: \"01.md\"");
        }
        let shown = raw.stages.iter().any(|stage| stage.report.as_ref().is_some_and(|at| at.value == number.value));
        if !shown && all_known {
            let message = format!("no stage is shown in report {}", number.value);
            let help = format!("give a stage report = \"{}\", or remove the report", number.value);
            reading.error(&number.span, message, help);
        }
    }
}

fn check_stages(reading: &Reading<'_>, raw: &RawPackage<'_>) {
    let known = || raw.reports.iter().map(|report| report.number.value.as_str());
    for stage in &raw.stages {
        plain_id(reading, "stage", &stage.id);
        if let Some(report) = &stage.report
            && !known().any(|number| number == report.value)
        {
            let message = format!("stage {} is shown in report `{}`, which there is not", stage.id.value, report.value);
            reading.error(&report.span, message, suggestion(&report.value, known()));
        }
        if let Some(kind) = stage.kind.as_ref().filter(|kind| !KINDS.contains(&kind.value.as_str())) {
            reading.error(
                &kind.span,
                format!("unknown kind of stage `{}`", kind.value),
                suggestion(&kind.value, KINDS),
            );
        }
        let gaps = || raw.gaps.iter().map(|gap| gap.id.value.as_str());
        let cited = stage.cites.iter().flat_map(|cites| &cites.value);
        for gap in cited.filter(|gap| !gaps().any(|id| id == gap.value)) {
            reading.error(&gap.span, format!("unknown gap `{}`", gap.value), suggestion(&gap.value, gaps()));
        }
    }
}

fn check_gaps(reading: &Reading<'_>, gaps: &[RawGap]) {
    let mut called = BTreeMap::new();
    let mut ranks: BTreeMap<i64, &Located<i64>> = BTreeMap::new();
    for gap in gaps {
        plain_id(reading, "gap", &gap.id);
        let aliases = gap.aliases.iter().flat_map(|aliases| &aliases.value);
        for name in std::iter::once(&gap.id).chain(aliases) {
            twice(reading, &mut called, name, "two gaps have this name");
        }
        if let Some(rank) = &gap.rank
            && let Some(first) = ranks.insert(rank.value, rank)
        {
            let diagnostic = Diagnostic::error(reading.file, rank.span.clone(), "two gaps have this rank");
            let diagnostic = diagnostic.related(reading.file, first.span.clone(), "the first");
            reading.report(diagnostic.help("give each its own: the lowest of those open is the decisive gap"));
        }
    }
}

fn check_criteria(reading: &Reading<'_>, raw: &RawPackage<'_>) {
    let known = || raw.gaps.iter().map(|gap| gap.id.value.as_str());
    let mut said = BTreeMap::new();
    for criterion in &raw.criteria {
        if let Some(words) = &criterion.words {
            twice(reading, &mut said, words, "two criteria have these words");
        }
        let Some(gaps) = &criterion.gaps else { continue };
        if gaps.value.is_empty() {
            reading.error(&gaps.span, "the criterion stands for no gap", "name at least one gap, or remove it");
        }
        for gap in gaps.value.iter().filter(|gap| !known().any(|id| id == gap.value)) {
            let message = format!("unknown gap `{}`", gap.value);
            reading.error(&gap.span, message, suggestion(&gap.value, known()));
        }
    }
}

/// Reports a name that was given before.
fn twice<'r>(
    reading: &Reading<'_>,
    seen: &mut BTreeMap<&'r str, &'r Located<String>>,
    name: &'r Located<String>,
    message: &str,
) {
    if let Some(first) = seen.get(name.value.as_str()) {
        let diagnostic = Diagnostic::error(reading.file, name.span.clone(), format!("{message}: `{}`", name.value));
        let diagnostic = diagnostic.related(reading.file, first.span.clone(), "the first");
        reading.report(diagnostic.help("rename one of the two"));
    } else {
        seen.insert(&name.value, name);
    }
}

/// Ids stand in tables and file names of reports: letters, digits, `-`, `_` and `.`.
fn plain_id(reading: &Reading<'_>, what: &str, id: &Located<String>) {
    if id.value.is_empty() || !id.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        let message = format!("`{}` is not an id for a {what}", id.value);
        reading.error(&id.span, message, "use letters, digits, - and _");
    }
}

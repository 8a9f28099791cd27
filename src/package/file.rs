//! The file type of `cutgate.toml`: every key with its place, nothing checked but kinds.
//!
//! A field is `None` where it was not given or where what was given has been reported as wrong; `check`
//! makes the checked type of it, once nothing is wrong any more.

use toml::Spanned;
use toml::de::DeValue;

use super::Param;
use super::references::Names;
use super::table::{Entry, Located, Reading, TableAt, TableReader, Value, integer, type_name};
use crate::evidence::Instant;

/// Text with its place.
pub type Word = Option<Located<String>>;
/// A list of texts with their places.
pub type Words = Option<Located<Vec<Located<String>>>>;

/// `[package]`.
#[derive(Default)]
pub struct RawHeader {
    pub macro_id: Word,
    pub title: Word,
    pub label: Word,
    pub host: Word,
    pub host_label: Word,
    pub scheme: Word,
    pub deployed_label: Word,
    pub gates: Words,
}

/// `[trust]`.
pub struct RawTrust {
    pub keyring: Word,
    pub sovereign: Words,
    pub threshold: Option<Located<i64>>,
    pub operator: Words,
    pub auditor: Words,
    pub attestor: Words,
}

/// `[reports.NN]`.
pub struct RawReport {
    pub number: Located<String>,
    pub file: Word,
    pub title: Word,
    pub template: Word,
}

/// `[stages.G0]`.
pub struct RawStage {
    pub id: Located<String>,
    pub title: Word,
    pub report: Word,
    pub kind: Word,
    pub cites: Words,
}

/// `[gaps.GAP-1]`.
pub struct RawGap {
    pub id: Located<String>,
    pub title: Word,
    pub aliases: Words,
    pub class: Word,
    pub owner: Word,
    pub close: Word,
    pub rank: Option<Located<i64>>,
}

/// `[[blocked_criterion]]`.
pub struct RawCriterion {
    pub words: Word,
    pub gaps: Words,
}

/// `[limits]`.
pub struct RawLimits {
    pub audit: Word,
    pub probe: Word,
    pub read: Word,
    pub file_mb: Option<Located<i64>>,
}

/// `[[forbidden]]`: read here, checked with the gates, for its remark quotes facts.
#[derive(Clone)]
pub struct RawForbidden {
    pub header: std::ops::Range<usize>,
    pub id: Word,
    pub action: Word,
    pub basis: Word,
    pub measures: Words,
    pub others_write: Words,
    pub may_be_absent: Words,
    pub informative: Words,
    pub proof: Word,
    pub declared_by: Word,
    pub remark: Word,
}

/// The whole file.
pub struct RawPackage<'a> {
    pub header: RawHeader,
    pub paths: Vec<(Located<String>, Word)>,
    pub params: Vec<(Located<String>, Option<Located<Param>>)>,
    pub trust: Option<RawTrust>,
    pub database: Option<TableAt<'a>>,
    pub code_path: Option<TableAt<'a>>,
    pub executor: Option<TableAt<'a>>,
    pub request: Option<TableAt<'a>>,
    pub run: Option<TableAt<'a>>,
    pub drill: Option<TableAt<'a>>,
    pub waivers: Option<TableAt<'a>>,
    pub profiles: Vec<Entry<'a>>,
    pub reports: Vec<RawReport>,
    pub stages: Vec<RawStage>,
    pub gaps: Vec<RawGap>,
    pub criteria: Vec<RawCriterion>,
    pub measures: Vec<Entry<'a>>,
    pub forbidden: Vec<RawForbidden>,
    pub limits: Option<RawLimits>,
}

impl<'a> RawPackage<'a> {
    /// Reads the file's table, reporting every unknown key, missing key and wrong kind.
    pub fn read(reading: Reading<'a>, root: TableAt<'a>) -> Self {
        let mut file = TableReader::new(reading, "the package file", root);
        let header = file.required::<TableAt<'a>>("package", "[package]");
        let header = header.map(|at| read_header(reading, at.value)).unwrap_or_default();
        let paths = file.entries("paths").into_iter().map(|entry| {
            let value = String::read(&reading, &entry.name.value, entry.value);
            (entry.name, plain(&reading, value.map(|value| Located { value, span: entry.value.span() })))
        });
        let paths = paths.collect();
        let params = file.entries("params").into_iter().map(|entry| {
            let value = read_param(&reading, &entry.name.value, entry.value);
            (entry.name, value.map(|value| Located { value, span: entry.value.span() }))
        });
        let params = params.collect();
        let trust = file.optional::<TableAt<'a>>("trust");
        let trust = trust.map(|at| read_trust(reading, at.value));
        let keys = ["database", "code_path", "executor", "request", "run", "drill", "waivers"];
        let [database, code_path, executor, request, run, drill, waivers] =
            keys.map(|key| file.optional::<TableAt<'a>>(key).map(|at| at.value));
        let reports = named(reading, file.entries("reports"), "reports", read_report);
        let stages = named(reading, file.entries("stages"), "stages", read_stage);
        let gaps = named(reading, file.entries("gaps"), "gaps", read_gap);
        let criteria = listed(reading, &mut file, "blocked_criterion", read_criterion);
        let measures = file.entries("measure");
        let profiles = file.entries("profile");
        let forbidden = listed(reading, &mut file, "forbidden", read_forbidden);
        let limits = file.optional::<TableAt<'a>>("limits").map(|at| read_limits(reading, at.value));
        file.finish();
        Self {
            header,
            paths,
            params,
            trust,
            database,
            code_path,
            executor,
            request,
            run,
            drill,
            waivers,
            profiles,
            reports,
            stages,
            gaps,
            criteria,
            measures,
            forbidden,
            limits,
        }
    }
}

/// The items of `[x.<name>]` tables.
fn named<'a, T>(
    reading: Reading<'a>,
    entries: Vec<Entry<'a>>,
    table: &str,
    read: fn(Reading<'a>, String, Located<String>, TableAt<'a>) -> T,
) -> Vec<T> {
    let item = |entry: Entry<'a>| {
        let name = format!("[{table}.{}]", entry.name.value);
        let at = TableAt::read(&reading, &entry.name.value, entry.value)?;
        Some(read(reading, name, entry.name, at))
    };
    entries.into_iter().filter_map(item).collect()
}

/// The items of `[[x]]` tables.
fn listed<'a, T>(
    reading: Reading<'a>,
    file: &mut TableReader<'a>,
    key: &'static str,
    read: fn(Reading<'a>, TableAt<'a>) -> T,
) -> Vec<T> {
    let Some(Some(items)) = file.given(key).map(|value| Vec::<Located<TableAt<'a>>>::read(&reading, key, value)) else {
        return Vec::new();
    };
    items.into_iter().map(|item| read(reading, item.value)).collect()
}

fn read_header<'a>(reading: Reading<'a>, at: TableAt<'a>) -> RawHeader {
    let mut table = TableReader::new(reading, "[package]", at);
    let header = RawHeader {
        macro_id: table.required("macro_id", "\"v0.6-…-command-package\""),
        title: table.required("title", "\"…\""),
        label: table.required("label", "\"O8\", the short name in headings"),
        host: table.required("host", "\"the host name that is expected\""),
        host_label: table.required("host_label", "\"the host as people call it\""),
        scheme: table.required("scheme", "\"O8\""),
        deployed_label: table.required("deployed_label", "\"what is deployed, in free words\""),
        gates: table.optional("gates"),
    };
    table.finish();
    header
}

fn read_trust<'a>(reading: Reading<'a>, at: TableAt<'a>) -> RawTrust {
    let mut table = TableReader::new(reading, "[trust]", at);
    let trust = RawTrust {
        keyring: plain(&reading, table.required("keyring", "\"the path of the keyring with the certificates\"")),
        sovereign: table.required("sovereign", "[\"fingerprint\"]"),
        threshold: table.required("sovereign_threshold", "1"),
        operator: table.optional("operator"),
        auditor: table.optional("auditor"),
        attestor: table.optional("attestor"),
    };
    table.finish();
    trust
}

fn read_report<'a>(reading: Reading<'a>, name: String, number: Located<String>, at: TableAt<'a>) -> RawReport {
    let mut table = TableReader::new(reading, name, at);
    let file = table.required("file", &format!("\"{}-…\", the file's stem", number.value));
    let report =
        RawReport { number, file, title: table.required("title", "\"…\""), template: table.optional("template") };
    table.finish();
    report
}

fn read_stage<'a>(reading: Reading<'a>, name: String, id: Located<String>, at: TableAt<'a>) -> RawStage {
    let mut table = TableReader::new(reading, name, at);
    let title = table.required("title", "\"what the stage establishes\"");
    let report = table.required("report", "\"01\", the number of its report");
    let stage = RawStage { id, title, report, kind: table.optional("kind"), cites: table.optional("cites") };
    table.finish();
    stage
}

fn read_gap<'a>(reading: Reading<'a>, name: String, id: Located<String>, at: TableAt<'a>) -> RawGap {
    let mut table = TableReader::new(reading, name, at);
    let gap = RawGap {
        id,
        title: table.required("title", "\"what the prerequisite is\""),
        aliases: table.optional("aliases"),
        class: table.required("class", "\"technical\" or \"authority\""),
        owner: table.required("owner", "\"who has to act\""),
        close: table.optional("close"),
        rank: table.optional("decisive_rank"),
    };
    table.finish();
    gap
}

fn read_criterion<'a>(reading: Reading<'a>, at: TableAt<'a>) -> RawCriterion {
    let mut table = TableReader::new(reading, "[[blocked_criterion]]", at);
    let words = table.required("words", "\"the owner's own words\"");
    let criterion = RawCriterion { words, gaps: table.required("gaps", "[\"GAP-1\"]") };
    table.finish();
    criterion
}

fn read_forbidden<'a>(reading: Reading<'a>, at: TableAt<'a>) -> RawForbidden {
    let mut table = TableReader::new(reading, "[[forbidden]]", at);
    let row = RawForbidden {
        header: table.header(),
        id: table.required("id", "\"kebab-case\""),
        action: table.required("action", "\"the action that must not have happened\""),
        basis: table.required("basis", "\"measured\", \"attributable\" or \"declared\""),
        measures: table.optional("measures"),
        others_write: table.optional("others_write"),
        may_be_absent: table.optional("may_be_absent"),
        informative: table.optional("informative"),
        proof: table.optional("proof"),
        declared_by: table.optional("declared_by"),
        remark: table.optional("remark"),
    };
    table.finish();
    row
}

fn read_limits<'a>(reading: Reading<'a>, at: TableAt<'a>) -> RawLimits {
    let mut table = TableReader::new(reading, "[limits]", at);
    let (audit, probe, read) = (table.optional("audit"), table.optional("probe"), table.optional("read"));
    let limits = RawLimits { audit, probe, read, file_mb: table.optional("file_mb") };
    table.finish();
    limits
}

/// Text where references are not filled in: one that looks like a reference is reported.
fn plain(reading: &Reading<'_>, word: Word) -> Word {
    let word = word?;
    if Names::would_refer(&word.value) {
        let help = "write the value out; references work in the settings of probes and in code_path and executor";
        reading.error(&word.span, "references are not filled in here", help);
        return None;
    }
    Some(word)
}

fn read_param<'a>(reading: &Reading<'a>, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Param> {
    let refused = |message: String, help: &str| {
        reading.error(&value.span(), message, help);
        None
    };
    match value.get_ref() {
        DeValue::String(text) => {
            let text = Located { value: text.to_string(), span: value.span() };
            plain(reading, Some(text)).map(|text| Param::Text(text.value))
        }
        DeValue::Integer(number) => match integer(number) {
            // Canonical JSON (RFC 8785, section 3.2.2.3) would round it, and the record would say something else.
            Some(number) if number.unsigned_abs() > 1 << 53 => refused(
                format!("`{key}` is beyond 2^53, which records cannot hold to the digit"),
                "give a smaller number",
            ),
            Some(number) => Some(Param::Int(number)),
            None => refused(format!("`{key}` does not fit into 64 bits"), "give a smaller number"),
        },
        DeValue::Boolean(flag) => Some(Param::Bool(*flag)),
        DeValue::Datetime(time) => match time.to_string().parse::<Instant>() {
            Ok(time) => Some(Param::Time(time)),
            Err(_) => refused(format!("`{key}` is not an instant"), "give date, time and offset: 2026-05-21T10:00:00Z"),
        },
        DeValue::Array(_) => {
            let texts = Vec::<Located<String>>::read(reading, key, value)?;
            Some(Param::Texts(texts.into_iter().map(|text| text.value).collect()))
        }
        DeValue::Float(_) | DeValue::Table(_) => refused(
            format!("`{key}` is {}", type_name(value.get_ref())),
            "a parameter is a string, an integer, a boolean, a list of strings or a date and time",
        ),
    }
}

/// Checks the kinds of the executor's keys and returns the names of its environment variables. Its values are
/// taken from the table with references filled in.
pub fn executor_env<'a>(reading: Reading<'a>, at: &TableAt<'a>) -> Words {
    let mut table = TableReader::new(reading, "[executor]", at.clone());
    let _: Words = table.required("argv", "[\"program\", \"argument\"]");
    for key in ["user", "dir", "runbook"] {
        let _: Word = table.optional(key);
    }
    for key in ["revert", "until"] {
        let _: Words = table.optional(key);
    }
    let env = table.optional("env");
    for entry in table.entries("environment").into_iter().chain(table.entries("commands")) {
        let _ = String::read(&reading, &entry.name.value, entry.value);
    }
    table.finish();
    env
}

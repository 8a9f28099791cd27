//! One document of the knowledge base, read into what the judging code needs: its fields, the statements
//! of its body, its title and date, and the words by which it speaks of approval.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::words;
use crate::evidence::sha256_hex;
use crate::probes::front_matter::{self, Broken, Fields, Value, plain_key};

/// Keys by which a front matter can be taken for an approval.
pub const APPROVAL_KEYS: &[&str] = &[
    "gate",
    "allowance",
    "run_id",
    "payload_sha256",
    "approval",
    "approves",
    "approved",
    "approved_by",
    "review_decision_id",
];

/// Keys whose `key: value` lines in a body are looked at. They can only take a document out of the
/// running: what stands in a body is never an approval.
const BODY_KEYS: &[&str] = &[
    "approval_requested",
    "gate",
    "run_id",
    "macro",
    "macro_id",
    "author",
    "issued_by",
    "generated_by",
    "signed_utc",
    "allowance",
    "payload_sha256",
];

/// The longest text before a colon that is looked at, in bytes.
const LONGEST_KEY: usize = 40;

/// What a cleartext-signed block begins with.
static CLEARTEXT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("-----BEGIN PGP SIGNED MESSAGE-----"));

/// How much of a body is searched for its first heading, in bytes.
const TITLE_WITHIN: usize = 64 << 10;

/// A detached signature beside a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureFile {
    /// No `<path>.asc`.
    Absent,
    /// Its bytes.
    Present(Vec<u8>),
    /// It is there and could not be read; the reason.
    Unreadable(String),
}

/// A document that was read.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its logical path.
    pub path: String,
    /// Its bytes, kept only where there is a signature over them.
    pub bytes: Vec<u8>,
    /// The SHA-256 of its bytes.
    pub digest: String,
    /// The front matter's title, else the first heading, else the file's stem.
    pub title: String,
    /// The day or instant it gives itself, as written; empty where it gives none.
    pub date: String,
    /// Its front matter; empty where it has none.
    pub fields: Fields,
    /// The first `key: value` line of the body for some keys.
    pub body: BTreeMap<String, String>,
    /// Why its front matter cannot be parsed.
    pub broken: Option<Broken>,
    /// Whether it holds a cleartext-signed block.
    pub cleartext: bool,
    /// The words by which it speaks of approval: in its path below the root, title or text.
    pub words: Vec<&'static str>,
    /// The signature beside it.
    pub signature: SignatureFile,
}

impl Document {
    /// Reads a document's text. `rel` is its path below the root, whose words count as its name.
    pub fn parse(path: String, rel: &str, text: &str, signature: SignatureFile) -> Self {
        let (fields, body, broken) = match front_matter::split(text) {
            Ok(parts) => (parts.fields.unwrap_or_default(), parts.body, None),
            Err(broken) => (Fields::default(), text, Some(broken)),
        };
        let stem = rel.rsplit('/').next().unwrap_or(rel);
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let title = fields.text("title").filter(|title| !title.is_empty()).or_else(|| first_heading(body));
        let title = title.unwrap_or_else(|| stem.to_owned());
        let date = ["date", "date_utc", "signed_utc", "created"].into_iter().find_map(|key| fields.text(key));
        let words = words::approval_words([rel, &title, text]);
        let bytes = match signature {
            SignatureFile::Present(_) => text.as_bytes().to_vec(),
            SignatureFile::Absent | SignatureFile::Unreadable(_) => Vec::new(),
        };
        Self {
            path,
            bytes,
            digest: sha256_hex(text.as_bytes()),
            title,
            date: date.or_else(|| day_in(stem)).unwrap_or_default(),
            body: body_statements(body),
            fields,
            broken,
            cleartext: CLEARTEXT.find(text.as_bytes()).is_some(),
            words,
            signature,
        }
    }

    /// A field of the front matter as text; empty where it is not given.
    pub fn field(&self, key: &str) -> String {
        self.fields.text(key).unwrap_or_default()
    }

    /// The first of several fields that is given and not empty.
    pub fn first_field(&self, keys: &[&str]) -> String {
        keys.iter().map(|key| self.field(key)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// A statement of the body as text; empty where it is not made.
    pub fn said(&self, key: &str) -> &str {
        self.body.get(key).map_or("", String::as_str)
    }

    /// Whether the front matter has a key.
    pub fn has(&self, key: &str) -> bool {
        self.fields.get(key).is_some()
    }

    /// Whether a field holds something deeper than a list of texts.
    pub fn is_deep(&self, key: &str) -> bool {
        self.fields.get(key) == Some(&Value::NotScalar)
    }

    /// The words of the fields that say what a document is.
    pub fn nature(&self) -> Vec<String> {
        ["kind", "type", "status", "document_type"].iter().flat_map(|key| words::folded(&self.field(key))).collect()
    }
}

/// The text of the first heading.
fn first_heading(body: &str) -> Option<String> {
    let mut end = body.len().min(TITLE_WITHIN);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(&body[..end], Options::empty()) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::End(TagEnd::Heading(_)), Some(text)) if !text.trim().is_empty() => break,
            (Event::End(TagEnd::Heading(_)), _) => heading = None,
            (Event::Text(part) | Event::Code(part), Some(text)) => text.push_str(&part),
            (Event::SoftBreak | Event::HardBreak, Some(text)) => text.push(' '),
            (_, _) => {}
        }
    }
    heading.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The first `YYYY-MM-DD` in a file's stem.
fn day_in(stem: &str) -> Option<String> {
    let bytes = stem.as_bytes();
    let day = bytes.windows(10).find(|window| {
        window.iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() })
    })?;
    let day = String::from_utf8_lossy(day).into_owned();
    chrono::NaiveDate::parse_from_str(&day, "%Y-%m-%d").ok().map(|_| day)
}

/// The `key: value` lines of a body for the keys of interest, whatever list marks, emphasis or table bars
/// stand around them. The first of each counts.
fn body_statements(body: &str) -> BTreeMap<String, String> {
    let mut statements = BTreeMap::new();
    // Most lines have none of the three, and are not looked at.
    let (bytes, mut done) = (body.as_bytes(), 0);
    for at in memchr::memchr3_iter(b':', b'=', b'|', bytes) {
        if at < done {
            continue;
        }
        let start = memchr::memrchr(b'\n', &bytes[done..at]).map_or(done, |newline| done + newline + 1);
        done = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline + 1);
        let line = body[start..done].trim_end();
        let line = line.trim_start_matches(|c: char| !c.is_alphanumeric());
        // A longer key is none of ours.
        let near = &line.as_bytes()[..line.len().min(LONGEST_KEY + 1)];
        let Some(end) = near.iter().position(|byte| matches!(byte, b':' | b'=' | b'|')) else { continue };
        let (key, value) = (&line[..end], &line[end + 1..]);
        let key = plain_key(key.trim_matches(|c: char| !c.is_alphanumeric()));
        if BODY_KEYS.contains(&key.as_str()) {
            let value = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '`' | '|' | '"' | '\''));
            statements.entry(key).or_insert_with(|| value.to_owned());
        }
    }
    statements
}

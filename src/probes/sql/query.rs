//! The queries of a gate file: their names, columns and text. One statement that reads, or a problem with
//! its reason.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::{SettingProblem, Settings};
use crate::evidence::Shape;

/// A query as the gate file gives it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::probes) struct Query {
    /// One statement.
    pub sql: String,
    /// The columns that it answers with.
    pub columns: BTreeMap<String, Kind>,
}

/// The kind of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::probes) enum Kind {
    /// Text.
    Text,
    /// A whole number of up to 64 bits.
    Int,
    /// True or false; in SQLite 1 or 0.
    Bool,
    /// An instant; without a zone it is taken as UTC, a date as its midnight.
    Time,
}

impl Query {
    /// A statement of a probe's own.
    pub fn of(sql: impl Into<String>, columns: &[(&str, Kind)]) -> Self {
        let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Self { sql: sql.into(), columns }
    }
}

impl Kind {
    /// The word in gate files.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Time => "time",
        }
    }

    /// The shape of the fact.
    pub(super) fn shape(self) -> Shape {
        match self {
            Self::Text => Shape::Text,
            Self::Int => Shape::Int,
            Self::Bool => Shape::Bool,
            Self::Time => Shape::Time,
        }
    }
}

/// Words that no reading statement needs outside quotes.
const WRITING: [&str; 15] = [
    "alter", "attach", "create", "delete", "detach", "drop", "grant", "insert", "into", "merge", "pragma", "revoke",
    "truncate", "update", "vacuum",
];

/// Functions that change something although a SELECT calls them; `*` stands for any ending.
const CHANGING: [&str; 23] = [
    "dblink*",
    "load_extension",
    "lo_*",
    "nextval",
    "pg_advisory_*",
    "pg_backup_*",
    "pg_cancel_backend",
    "pg_create_*",
    "pg_current_xact_id",
    "pg_drop_*",
    "pg_import_*",
    "pg_logical_*",
    "pg_notify",
    "pg_promote",
    "pg_reload_conf",
    "pg_replication_*",
    "pg_rotate_*",
    "pg_switch_wal",
    "pg_terminate_backend",
    "pg_try_advisory_*",
    "set_config",
    "setval",
    "txid_current",
];

/// Relations of PostgreSQL that show a role fewer rows, or NULL in their place, where it has fewer rights: what is
/// invisible there would pass for absent.
const FILTERED: [&str; 11] = [
    "information_schema",
    "pg_sequences",
    "pg_settings",
    "pg_stat_activity",
    "pg_stat_replication",
    "pg_stat_subscription",
    "pg_stat_wal_receiver",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_user_mappings",
];

/// The queries of the settings, or everything that is wrong with them.
pub(super) fn parse(settings: &Settings) -> Result<BTreeMap<String, Query>, Vec<SettingProblem>> {
    let problem =
        |message: String, help: &str| SettingProblem { name: "queries".to_owned(), message, help: help.to_owned() };
    let given: BTreeMap<String, serde_json::Value> =
        settings.parse("queries").map_err(|error| vec![problem(error, "give a table of queries")])?;
    let mut problems = Vec::new();
    let mut queries = BTreeMap::new();
    if given.is_empty() {
        problems
            .push(problem("there is no query".to_owned(), "add one: name = { sql = \"SELECT …\", columns = { … } }"));
    }
    for (name, value) in given {
        if !is_name(&name) {
            let message = format!("{name:?} is not a name for a query");
            problems.push(problem(message, "use a lower-case letter or _, then lower-case letters, digits and _"));
        }
        let query: Query = match serde_json::from_value(value) {
            Ok(query) => query,
            Err(error) => {
                let help =
                    "a query is { sql = \"SELECT …\", columns = { name = \"text\" | \"int\" | \"bool\" | \"time\" } }";
                problems.push(problem(format!("query {name}: {error}"), help));
                continue;
            }
        };
        if query.columns.is_empty() {
            problems
                .push(problem(format!("query {name} declares no column"), "declare what it answers with in `columns`"));
        }
        problems.extend(query.columns.keys().filter(|column| !is_name(column)).map(|column| {
            let message = format!("query {name}: {column:?} is not a name for a column");
            problem(message, "rename it in the statement: … AS name, lower-case letters, digits and _")
        }));
        problems.extend(
            statement_problems(&query.sql)
                .into_iter()
                .map(|(message, help)| problem(format!("query {name}: {message}"), help)),
        );
        queries.insert(name, query);
    }
    if problems.is_empty() { Ok(queries) } else { Err(problems) }
}

fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    first && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

const FILTERED_WHY: &str = "ask pg_catalog, which shows the same to every role (pg_class, pg_namespace, pg_proc, pg_roles), and \
                            current_setting('name') for a setting";

const WHY: &str =
    "the audit only reads: one SELECT, WITH, VALUES or TABLE statement; quote a name that is also such a word";

/// What is wrong with a condition that is put into a statement, and how to put it right: as with a statement, and it must not
/// end where it stands.
pub(in crate::probes) fn condition_problems(sql: &str) -> Vec<(String, &'static str)> {
    let depths = tokens(sql).unwrap_or_default().into_iter().scan(0_i64, |depth, token| {
        match token {
            Token::Other('(') => *depth += 1,
            Token::Other(')') => *depth -= 1,
            Token::Word(_) | Token::End | Token::Name(_) | Token::Other(_) => {}
        }
        Some(*depth)
    });
    let depths: Vec<i64> = depths.collect();
    let mut problems = statement_problems(&format!("SELECT {sql}\n"));
    if depths.is_empty() {
        problems.push(("it is empty".to_owned(), "write a condition, or leave the key out"));
    } else if depths.iter().any(|depth| *depth < 0) || depths.last() != Some(&0) {
        problems.push(("its parentheses do not match".to_owned(), "close each that is opened, and no other"));
    }
    problems
}

/// What is wrong with a statement, and how to put it right.
fn statement_problems(sql: &str) -> Vec<(String, &'static str)> {
    let tokens = match tokens(sql) {
        Ok(tokens) => tokens,
        Err(message) => return vec![(message.to_owned(), "close it")],
    };
    let mut problems = Vec::new();
    let statements = tokens.split(|token| *token == Token::End).filter(|tokens| !tokens.is_empty()).count();
    if statements != 1 {
        let message = format!("it holds {statements} statements, one is wanted");
        problems.push((message, "give each statement a query of its own"));
    }
    match tokens.iter().find(|token| **token != Token::End) {
        Some(Token::Word(word)) if ["select", "with", "values", "table"].contains(&word.as_str()) => {}
        Some(Token::Word(word)) => problems.push((format!("it begins with {}", word.to_uppercase()), WHY)),
        Some(Token::Other(_) | Token::Name(_)) => problems.push(("it does not begin with a word".to_owned(), WHY)),
        Some(Token::End) | None => {}
    }
    for (at, token) in tokens.iter().enumerate() {
        let (Token::Word(name) | Token::Name(name)) = token else { continue };
        if FILTERED.contains(&name.as_str()) {
            let message =
                format!("{name} shows a role only what it may see; what it may not see would pass for absent");
            problems.push((message, FILTERED_WHY));
        }
        let Token::Word(word) = token else { continue };
        let calls = tokens.get(at + 1) == Some(&Token::Other('('));
        let next = match tokens.get(at + 1) {
            Some(Token::Word(next)) => next.as_str(),
            Some(Token::Name(_) | Token::Other(_) | Token::End) | None => "",
        };
        let locks = word == "for" && ["update", "share", "no", "key"].contains(&next);
        if locks || WRITING.contains(&word.as_str()) {
            let shown = if locks { format!("FOR {}", next.to_uppercase()) } else { word.to_uppercase() };
            problems.push((format!("{shown} is not for reading"), WHY));
        } else if calls && CHANGING.iter().any(|pattern| matches(pattern, word)) {
            problems.push((format!("the function {word} changes something"), WHY));
        }
    }
    problems
}

fn matches(pattern: &str, word: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => word.starts_with(start),
        None => pattern == word,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// An unquoted word, in lower case.
    Word(String),
    /// A semicolon.
    End,
    /// A name in double quotes, as it is; a doubled quote in it stays doubled.
    Name(String),
    /// Any other sign; a quoted text is its opening quote.
    Other(char),
}

/// The words and signs outside comments and quotes. It errs towards refusal where the two engines read a
/// text differently.
fn tokens(sql: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
        } else if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some(inside) = rest.strip_prefix("/*") {
            let end = inside.find("*/").ok_or("a comment is not closed")?;
            // PostgreSQL nests comments and SQLite does not.
            if inside[..end].contains("/*") {
                return Err("a comment stands inside a comment");
            }
            rest = &inside[end + 2..];
        } else if matches!(c, '\'' | '"' | '`') {
            let escapes = c == '\'' && tokens.last() == Some(&Token::Word("e".to_owned()));
            let after = after_quote(&rest[1..], c, escapes).ok_or("a quote is not closed")?;
            let quoted = &rest[1..rest.len() - after.len() - 1];
            tokens.push(if c == '"' { Token::Name(quoted.to_owned()) } else { Token::Other(c) });
            rest = after;
        } else if c == '$'
            && let Some(tag) = dollar_tag(rest)
        {
            let inside = &rest[tag.len()..];
            let end = inside.find(tag).ok_or("a dollar quote is not closed")?;
            rest = &inside[end + tag.len()..];
            tokens.push(Token::Other('\''));
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_lowercase()));
            rest = &rest[end..];
        } else {
            tokens.push(if c == ';' { Token::End } else { Token::Other(c) });
            rest = &rest[c.len_utf8()..];
        }
    }
    Ok(tokens)
}

/// What follows the closing quote; a doubled quote closes nothing.
fn after_quote(inside: &str, quote: char, escapes: bool) -> Option<&str> {
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            let rest = &inside[at + 1..];
            if !rest.starts_with(quote) {
                return Some(rest);
            }
            chars.next();
        }
    }
    None
}

/// `$$` or `$tag$` at the start of `rest`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let name = &rest[1..end];
    let sound =
        name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    sound.then(|| &rest[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_statement_passes() {
        for sql in [
            "SELECT 1",
            "select 'insert; delete', \"update\" from t -- drop\n;",
            "WITH a AS (SELECT 1) TABLE a",
            "VALUES (1), (2)",
            "SELECT $$;drop$$, $x$ insert $x$, E'it\\'s; update', 'it''s; update', replace(a, 'x', 'y') FROM t /* delete */",
            "SELECT updated_at, created, deleted FROM t",
            "SELECT a::text FROM t ; ",
        ] {
            assert_eq!(statement_problems(sql), Vec::new(), "{sql}");
        }
    }

    #[test]
    fn everything_else_is_named() {
        for (sql, message) in [
            ("", "it holds 0 statements, one is wanted"),
            (" -- nothing", "it holds 0 statements, one is wanted"),
            ("SELECT 1; SELECT 2", "it holds 2 statements, one is wanted"),
            ("SET TRANSACTION READ WRITE", "it begins with SET"),
            ("INSERT INTO t VALUES (1)", "it begins with INSERT"),
            ("EXPLAIN ANALYZE SELECT 1", "it begins with EXPLAIN"),
            ("(SELECT 1)", "it does not begin with a word"),
            ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", "DELETE is not for reading"),
            ("SELECT * INTO x FROM t", "INTO is not for reading"),
            ("SELECT * FROM t FOR UPDATE", "FOR UPDATE is not for reading"),
            ("SELECT * FROM t FOR NO KEY UPDATE", "FOR NO is not for reading"),
            ("SELECT lo_create(0)", "the function lo_create changes something"),
            ("SELECT pg_catalog.nextval ('s')", "the function nextval changes something"),
            ("SELECT dblink_exec('', '')", "the function dblink_exec changes something"),
            ("SELECT 'open", "a quote is not closed"),
            ("SELECT $$ open", "a dollar quote is not closed"),
            ("SELECT /* open", "a comment is not closed"),
            ("SELECT /* /* */ 1; DROP TABLE t --*/", "a comment stands inside a comment"),
        ] {
            let problems = statement_problems(sql);
            assert!(problems.iter().any(|(said, _)| said == message), "{sql}: {problems:?}");
        }
    }
}

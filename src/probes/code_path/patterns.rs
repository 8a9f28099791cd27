//! Globs over dotted names, and what a statement or a command line says about itself. Judges texts
//! only; it knows nothing of paths through code.

use std::collections::BTreeSet;

/// The stock sinks: statements of the Python DB-API (PEP 249) and its common extensions. They count
/// only when they are committed.
pub const SINKS: &[&str] = &[
    "*.execute",
    "*.executemany",
    "*.executescript",
    "*.execute_values",
    "*.execute_batch",
    "*.copy",
    "*.copy_from",
    "*.copy_expert",
];

/// The stock commands whose success is a write.
pub const COMMAND_SINKS: &[&str] = &["pg_dump"];

/// The stock simulators.
pub const SIMULATORS: &[&str] = &["*.simulate", "*.simulate_*"];

/// A glob over dotted names: `*` stands for any text, dots included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// From its text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether it speaks of call chains, whatever they begin with.
    pub fn speaks_of_chains(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// Whether it constrains nothing.
    pub fn is_boundless(&self) -> bool {
        self.0.chars().all(|c| c == '*' || c == '.')
    }

    /// Whether it matches a dotted name.
    pub fn matches(&self, name: &str) -> bool {
        wildcard(self.0.as_bytes(), name.as_bytes())
    }
}

/// Whether one of `globs` matches.
pub fn any_matches(globs: &[Glob], name: &str) -> bool {
    globs.iter().any(|glob| glob.matches(name))
}

/// Linear-time matching with one point of return.
fn wildcard(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        if g < glob.len() && glob[g] == b'*' {
            back = Some((g, t));
            g += 1;
        } else if g < glob.len() && glob[g] == text[t] {
            g += 1;
            t += 1;
        } else if let Some((star, at)) = back {
            g = star + 1;
            t = at + 1;
            back = Some((star, at + 1));
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|&byte| byte == b'*')
}

/// The operations on a database connection or cursor that the analysis understands, by their last name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseCall {
    /// Sends a statement.
    Statement,
    /// Makes what was sent last.
    Commit,
    /// Undoes what was sent.
    Rollback,
    /// Ends the connection, and undoes what was not committed.
    Close,
}

/// What callables' last names mean on a database connection.
const DATABASE_CALLS: &[(&str, DatabaseCall)] = &[
    ("execute", DatabaseCall::Statement),
    ("executemany", DatabaseCall::Statement),
    ("executescript", DatabaseCall::Statement),
    ("execute_values", DatabaseCall::Statement),
    ("execute_batch", DatabaseCall::Statement),
    ("copy", DatabaseCall::Statement),
    ("copy_from", DatabaseCall::Statement),
    ("copy_expert", DatabaseCall::Statement),
    ("mogrify_execute", DatabaseCall::Statement),
    ("commit", DatabaseCall::Commit),
    ("rollback", DatabaseCall::Rollback),
    ("close", DatabaseCall::Close),
];

/// What a callable's last name means on a database connection.
pub fn database_call(name: &str) -> Option<DatabaseCall> {
    DATABASE_CALLS.iter().find(|(known, _)| *known == name).map(|(_, call)| *call)
}

/// The last names of everything of a library that may write: on a database connection, or as one of these sinks. `None` where
/// a sink does not say how its name ends.
pub fn writing_names(sinks: &[Glob]) -> Option<BTreeSet<String>> {
    let of_sinks = sinks.iter().map(|sink| sink.last_part().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
    Some(of_sinks.into_iter().chain(DATABASE_CALLS.iter().map(|(name, _)| (*name).to_owned())).collect())
}

/// What the text of a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// It changes rows or objects.
    Write,
    /// It changes nothing.
    Read,
    /// It reads, and may call what writes; it does not end the transaction.
    Query,
    /// It ends the transaction and keeps it.
    Commit,
    /// It ends the transaction and undoes it.
    Rollback,
    /// It begins a transaction.
    Begin,
    /// Its text does not decide.
    Unclear,
}

/// Judges a statement by its first words. `whole` says whether `text` is all of it or only its beginning.
pub fn statement_kind(text: &str, whole: bool) -> StatementKind {
    let bare = strip_comments(text);
    let bare = bare.trim().trim_end_matches(';').trim();
    let upper = bare.to_ascii_uppercase();
    let mut words = upper.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return StatementKind::Unclear };
    // A word that the known beginning cuts off may go on: "IN" + "SERT".
    let first_is_cut = !whole && upper.trim_start().len() == first.len();
    if first_is_cut || bare.contains(';') {
        return StatementKind::Unclear;
    }
    let second = words.next().unwrap_or("");
    match first {
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "REPLACE" | "TRUNCATE" | "CREATE" | "ALTER" | "DROP" | "GRANT"
        | "REVOKE" => {
            // A temporary table does not outlive the session.
            let temporary = matches!(second, "TEMP" | "TEMPORARY" | "LOCAL" | "GLOBAL");
            if temporary { StatementKind::Unclear } else { StatementKind::Write }
        }
        "COPY" => copy_kind(&upper, whole),
        "SELECT" | "WITH" if whole => read_kind(&upper),
        "SELECT" | "WITH" => StatementKind::Query,
        "SHOW" | "VALUES" | "TABLE" | "SET" | "PRAGMA" | "LOCK" | "LISTEN" | "RESET" | "FETCH" | "SAVEPOINT"
        | "RELEASE"
            if whole =>
        {
            StatementKind::Read
        }
        "EXPLAIN" if whole && !upper.contains("ANALYZE") => StatementKind::Read,
        "COMMIT" | "END" if whole && second != "PREPARED" => StatementKind::Commit,
        "ROLLBACK" | "ABORT" if whole && !matches!(second, "TO" | "PREPARED") => StatementKind::Rollback,
        "BEGIN" | "START" if whole => StatementKind::Begin,
        _ => StatementKind::Unclear,
    }
}

fn copy_kind(upper: &str, whole: bool) -> StatementKind {
    let has = |word: &str| upper.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word);
    match (has("FROM"), has("TO"), whole) {
        (true, false, true) => StatementKind::Write,
        (false, true, true) => StatementKind::Read,
        _ => StatementKind::Unclear,
    }
}

/// A query is a read unless a word inside it writes; a function that it calls is taken to read.
fn read_kind(upper: &str) -> StatementKind {
    let writes = ["INSERT", "UPDATE", "DELETE", "MERGE", "INTO"];
    let mut words = upper.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    if words.any(|word| writes.contains(&word)) { StatementKind::Query } else { StatementKind::Read }
}

fn strip_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
            out.push(' ');
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// What a command line starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// A program that is a sink.
    Sink,
    /// Another program, or a harmless call of a sink such as `--version`.
    Other,
    /// Its words do not decide.
    Unclear,
}

/// Programs that run the program named after their own options.
const WRAPPERS: &[&str] =
    &["sudo", "nice", "ionice", "env", "timeout", "setpriv", "runuser", "nohup", "chrt", "stdbuf", "doas"];

/// Judges a command by its words; `None` is a word that is not known, `open_end` says that more may follow.
pub fn command_kind(words: &[Option<&str>], globs: &[Glob]) -> CommandKind {
    let name_of = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    let is_sink = |word: &str| any_matches(globs, &name_of(word));
    let mentions = words.iter().any(|word| word.is_none_or(|word| mentions_sink(word, globs)));
    let Some(first) = words.first() else { return CommandKind::Unclear };
    let Some(first) = first else { return CommandKind::Unclear };
    if is_sink(first) {
        let harmless = |word: &Option<&str>| matches!(word, Some("--version" | "-V" | "--help" | "-?"));
        return if words[1..].iter().any(harmless) { CommandKind::Other } else { CommandKind::Sink };
    }
    if !WRAPPERS.contains(&name_of(first).as_str()) {
        let shells =
            ["sh", "bash", "dash", "zsh", "ksh", "xargs", "ssh", "docker", "kubectl", "python3", "python", "su"];
        let may_hide = shells.contains(&name_of(first).as_str()) && mentions;
        return if may_hide { CommandKind::Unclear } else { CommandKind::Other };
    }
    let mut rest = words[1..].iter().peekable();
    while let Some(word) = rest.next() {
        match word {
            Some("-u" | "-g" | "-n" | "-c" | "--user" | "--group") => {
                rest.next();
            }
            Some(word) if word.starts_with('-') || word.contains('=') || word.bytes().all(|b| b.is_ascii_digit()) => {}
            Some(word) if is_sink(word) => {
                let tail: Vec<Option<&str>> = std::iter::once(Some(*word)).chain(rest.copied()).collect();
                return command_kind(&tail, globs);
            }
            Some(_) | None => break,
        }
    }
    if mentions { CommandKind::Unclear } else { CommandKind::Other }
}

/// Whether a sink's name stands anywhere in a text.
pub fn mentions_sink(text: &str, globs: &[Glob]) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).any(|word| any_matches(globs, word))
}

impl Glob {
    /// The last part of every name that it matches, where that is one name.
    pub fn last_part(&self) -> Option<&str> {
        let last = self.0.rsplit('.').next().unwrap_or("");
        (!last.contains('*')).then_some(last)
    }

    /// How the last part of every name begins that it matches.
    pub fn last_stem(&self) -> &str {
        let last = self.0.rsplit('.').next().unwrap_or("");
        last.split('*').next().unwrap_or("")
    }

    /// Whether it may match something defined in a module: what stands before its first star begins it.
    pub fn may_match_in(&self, module: &str) -> bool {
        let head = self.0.split('*').next().unwrap_or("");
        head.starts_with(module) || module.starts_with(head.trim_end_matches('.'))
    }
}

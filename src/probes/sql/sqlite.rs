//! SQLite, read without leaving a trace.
//!
//! A read-only connection to a database in write-ahead mode still creates `-wal` and `-shm` files (SQLite,
//! "Write-Ahead Logging", section "Read-Only Databases"), so the way of reading depends on what lies there:
//!
//! - **rollback journal**: opened read-only. The file is compared before and after under the shared lock;
//!   a hot journal, which a reader would have to roll back, is an error and stays.
//! - **write-ahead log with frames**: opened read-only with `readonly_shm`, so that the existing `-shm` is used and
//!   never made or written; live writers and checkpoints go on. A log without its `-shm` is an error:
//!   reading it would create the file.
//! - **write-ahead mode without a log** (closed cleanly): the main file is the whole truth and is opened as
//!   immutable; it must be the same file, with no log beside it, afterwards.
//!
//! SQLite keeps no checksums: a page that was damaged may read as fewer rows. Files up to [`CHECKED`] bytes go through
//! `PRAGMA integrity_check` before they are asked; in larger ones only damage that a query runs into is seen. A value
//! that was altered and still has its kind is not seen in either.
//!
//! Beside `query_only` an authorizer admits nothing but selecting, reading, recursion and functions.
//! Between the look at the log and the opening, the last writer may close and remove it; SQLite then makes an
//! empty one. The window is milliseconds, and `unchanged` is missing when it was hit.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Monotonic};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::process::{Flock, FlockType};

use super::super::{Door, FileKind};
use super::Answers;
use super::answer::{Asked, Rows, arrange, null};
use super::query::{Kind, Query};
use crate::evidence::{Digest256, Fact, Missing, MissingState, Reading};

/// Larger files are not checked before they are asked: it takes about a second for each 100 MB.
const CHECKED: u64 = 16 << 20;

/// How the file has to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Rollback,
    Log,
    Still,
}

/// Asks the SQLite file at a logical path.
pub(super) fn ask(
    path: &str,
    server: &str,
    queries: &BTreeMap<String, Query>,
    timeout: Duration,
    door: &Door,
) -> Answers {
    let role = || Fact::text(door.by());
    let version = || Fact::text(rusqlite::version());
    let real = match locate(path, door) {
        Ok(real) => real,
        Err(reason) => {
            let present = if reason.state.is_absent() { false.into() } else { reason.clone().into() };
            return Answers { present, role: role(), version: version(), ..Answers::none(queries, &reason) };
        }
    };
    door.note_attributes(path);
    let database = Database { path, real: &real, server, door, timeout };
    let (rows, unchanged) = match database.read(queries) {
        Ok((rows, unchanged)) => (rows, unchanged),
        Err(reason) => {
            let rows = queries.keys().map(|name| (name.clone(), reason.clone().into())).collect();
            (rows, reason.into())
        }
    };
    Answers { version: version(), role: role(), present: true.into(), unchanged, rows }
}

/// The real path of a regular file.
fn locate(path: &str, door: &Door) -> Result<PathBuf, Missing> {
    let (real, attributes) = door.resolve(path)?;
    match attributes.kind {
        FileKind::File => Ok(real),
        kind @ (FileKind::Directory | FileKind::Link | FileKind::Fifo | FileKind::Socket | FileKind::Device) => {
            let said = format!("it is a {}, not a regular file", kind.word());
            let next = format!("look at it: ls -ld {path}");
            Err(door.missing(MissingState::Unreadable, format!("open {path}"), said, next))
        }
    }
}

/// Which file it is and when it was last written.
type Stamp = (u64, u64, u64, i64, i64);

struct Database<'a> {
    path: &'a str,
    real: &'a Path,
    server: &'a str,
    door: &'a Door,
    timeout: Duration,
}

impl Database<'_> {
    fn read(&self, queries: &BTreeMap<String, Query>) -> Result<(BTreeMap<String, Fact>, Fact), Missing> {
        let companions = self.companions()?;
        let before = self.stamp()?;
        let mode = self.mode()?;
        let connection = self.open(mode).map_err(|error| self.failed(&error))?;
        // The first read takes the lock, or the snapshot, that all queries share.
        self.limit(&connection);
        let first = "SELECT count(*) FROM sqlite_schema";
        let opened = connection.execute_batch("BEGIN").and_then(|()| connection.query_one(first, [], |_| Ok(())));
        opened.map_err(|error| self.failed(&error))?;
        // Under a shared lock the file stays as it is; what was committed before the lock is no change.
        let before = if mode == Mode::Rollback { self.stamp()? } else { before };
        self.check(&connection, before.2)?;
        connection.authorizer(Some(authorize));
        let mut rows: BTreeMap<String, Fact> = queries
            .iter()
            .map(|(name, query)| {
                let asked = Asked { name, role: self.door.by(), server: self.server };
                (name.clone(), self.query(&connection, query, &asked).into())
            })
            .collect();
        let after = self.stamp()?;
        if mode != Mode::Log && after != before {
            let next = "run the audit again when nobody writes to it";
            let reason = self.missing(MissingState::Error, "the file changed while it was read", next);
            rows.values_mut().for_each(|fact| *fact = reason.clone().into());
        }
        let writable = connection.is_readonly("main").map(|readonly| !readonly).unwrap_or(true);
        let untouched = !writable && connection.total_changes() == 0;
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
        drop(connection);
        let appeared = self.companions()?.into_iter().find(|companion| !companions.contains(companion));
        let unchanged = match appeared {
            None => untouched.into(),
            Some((companion, _)) => {
                let said = format!("{}{companion} appeared while it was read", self.path);
                self.missing(MissingState::Error, said, "see who else has the database open").into()
            }
        };
        Ok((rows, unchanged))
    }

    /// The companion files that lie beside it, with their inodes.
    fn companions(&self) -> Result<Vec<(&'static str, u64)>, Missing> {
        let mut there = Vec::new();
        for suffix in ["-wal", "-shm", "-journal"] {
            match std::fs::symlink_metadata(self.beside(suffix)) {
                Ok(metadata) => there.push((suffix, metadata.ino())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.io(suffix, &error)),
            }
        }
        Ok(there)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.real.as_os_str().to_owned();
        path.push(suffix);
        PathBuf::from(path)
    }

    fn stamp(&self) -> Result<Stamp, Missing> {
        let metadata = std::fs::symlink_metadata(self.real).map_err(|error| self.io("", &error))?;
        Ok((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
    }

    /// Reads the header (SQLite, "Database File Format", section 1.3) and looks at the log.
    fn mode(&self) -> Result<Mode, Missing> {
        let mut header = Vec::with_capacity(100);
        let mut file = self.peek("")?;
        file.by_ref().take(100).read_to_end(&mut header).map_err(|error| self.io("", &error))?;
        if header.len() < 100 || !header.starts_with(b"SQLite format 3\0") {
            let said = format!("it is not an SQLite database: its first {} bytes are no header of one", header.len());
            return Err(self.missing(MissingState::Unreadable, said, format!("look at it: file {}", self.path)));
        }
        if header[18] < 2 && header[19] < 2 {
            self.no_hot_journal(&file)?;
            return Ok(Mode::Rollback);
        }
        let log = match self.peek("-wal") {
            Ok(log) => log.metadata().map_err(|error| self.io("-wal", &error))?.len(),
            Err(reason) if reason.state.is_absent() => 0,
            Err(reason) => return Err(reason),
        };
        if log == 0 {
            return Ok(Mode::Still);
        }
        match self.peek("-shm") {
            Ok(_) => Ok(Mode::Log),
            Err(reason) if reason.state.is_absent() => {
                let said = "it has a write-ahead log without its -shm file, which reading would create";
                let next = "open and close it once with the program that owns it";
                Err(self.missing(MissingState::Unreadable, said, next))
            }
            Err(reason) => Err(reason),
        }
    }

    /// Sees that no transaction was left unfinished. SQLite would open such a journal for writing before it finds that
    /// it may not roll it back, and as root set its owner again (SQLite, "File Locking And Concurrency", section 4): a
    /// journal is hot when it has a header and nobody holds the reserved lock, the byte after the pending one.
    fn no_hot_journal(&self, database: &File) -> Result<(), Missing> {
        const RESERVED: u64 = 0x4000_0000 + 1;
        let mut first = Vec::new();
        match self.peek("-journal") {
            Ok(journal) => drop(journal.take(1).read_to_end(&mut first).map_err(|error| self.io("-journal", &error))?),
            Err(reason) if reason.state.is_absent() => return Ok(()),
            Err(reason) => return Err(reason),
        }
        let mut lock = Flock::from(FlockType::WriteLock);
        (lock.start, lock.length) = (RESERVED, 1);
        let held = rustix::process::fcntl_getlk(database, &lock).map_err(|error| self.io("", &error.into()))?;
        if first.is_empty() || first == [0] || held.is_some() {
            return Ok(());
        }
        let said = "it has a hot journal: a transaction was cut off, and a reader would have to roll it back";
        Err(self.missing(MissingState::Error, said, "open and close it once with the program that owns it"))
    }

    /// Opens the file or a companion for reading, never a FIFO for waiting.
    fn peek(&self, suffix: &str) -> Result<File, Missing> {
        let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW).bits().cast_signed();
        let path = self.beside(suffix);
        File::options().read(true).custom_flags(flags).open(path).map_err(|error| self.io(suffix, &error))
    }

    fn open(&self, mode: Mode) -> rusqlite::Result<Connection> {
        let how = match mode {
            Mode::Rollback => "mode=ro",
            Mode::Log => "mode=ro&readonly_shm=1",
            Mode::Still => "mode=ro&immutable=1",
        };
        let path = self.real.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(self.real.to_owned()))?;
        let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(format!("file:{path}?{how}"), flags)?;
        connection.busy_timeout(self.timeout.min(self.door.time_left()))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0")?;
        Ok(connection)
    }

    /// Interrupts whatever runs when the statement's time is over.
    fn limit(&self, connection: &Connection) {
        let end = Monotonic::now() + self.timeout.min(self.door.time_left());
        connection.progress_handler(1_000, Some(move || Monotonic::now() >= end));
    }

    /// Looks for damage, so that no query answers with fewer rows than there are.
    fn check(&self, connection: &Connection, size: u64) -> Result<(), Missing> {
        if size > CHECKED {
            return Ok(());
        }
        let check = "PRAGMA integrity_check(1)";
        self.limit(connection);
        self.door.note_statement(self.server, check);
        let found: String = connection.query_one(check, [], |row| row.get(0)).map_err(|error| self.failed(&error))?;
        if found == "ok" {
            return Ok(());
        }
        let next = format!("restore {0} from a backup; see all of it: sqlite3 {0} 'PRAGMA integrity_check'", self.path);
        Err(self.missing(MissingState::Unreadable, format!("it is damaged: {}", found.replace('\n', " ")), next))
    }

    fn query(&self, connection: &Connection, query: &Query, asked: &Asked<'_>) -> Result<Fact, Missing> {
        self.limit(connection);
        let sha256 = Digest256::of(query.sql.as_bytes());
        self.door.note_by(self.server, asked.role, Reading::Statement { sha256 });
        let failed = |error: rusqlite::Error| failure(&error, asked);
        let mut statement = connection.prepare(&query.sql).map_err(failed)?;
        let answered: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let kinds = arrange(query, &answered, asked)?;
        let mut rows = Rows::new(asked, self.door);
        let mut answer = statement.query([]).map_err(failed)?;
        while let Some(row) = answer.next().map_err(failed)? {
            let facts = kinds.iter().enumerate().map(|(at, (column, kind))| {
                let value = row.get_ref(at).map_err(failed)?;
                Ok((column.clone(), fact(value, *kind, column, asked)?))
            });
            rows.push(facts.collect::<Result<_, Missing>>()?)?;
        }
        Ok(rows.done())
    }

    fn missing(&self, state: MissingState, said: impl Into<String>, next: impl Into<String>) -> Missing {
        self.door.missing(state, format!("read {}", self.server), said, next)
    }

    fn io(&self, suffix: &str, error: &std::io::Error) -> Missing {
        let path = format!("{}{suffix}", self.path);
        self.door.io_missing(format!("open {path}"), &path, error)
    }

    fn failed(&self, error: &rusqlite::Error) -> Missing {
        let asked = Asked { name: "its tables", role: self.door.by(), server: self.server };
        failure(error, &asked)
    }
}

/// Admits what reading needs. `query_only` would stop writes when they run; this stops them, and everything
/// that leads out of the file, before they start.
#[allow(clippy::wildcard_enum_match_arm, reason = "whatever SQLite learns to do later is denied")]
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } => {
            let leads_out = ["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"];
            let denied = leads_out.iter().any(|name| name.eq_ignore_ascii_case(function_name));
            if denied { Authorization::Deny } else { Authorization::Allow }
        }
        _ => Authorization::Deny,
    }
}

fn failure(error: &rusqlite::Error, asked: &Asked<'_>) -> Missing {
    let mut said = error.to_string();
    if let rusqlite::Error::SqliteFailure(_, Some(message)) | rusqlite::Error::SqlInputError { msg: message, .. } =
        error
    {
        said.clone_from(message);
    }
    let file = asked.server.trim_start_matches("sqlite:");
    let (state, next) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (MissingState::TimedOut, format!("see who holds the lock: fuser -v {file}; then run the audit again"))
        }
        Some(ErrorCode::OperationInterrupted) => {
            (MissingState::TimedOut, "make the query cheaper, or raise `timeout`".to_owned())
        }
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            (MissingState::Denied, "only select from the database's own tables".to_owned())
        }
        Some(ErrorCode::PermissionDenied) => {
            (MissingState::Denied, format!("give {} the right to read {file} and what lies beside it", asked.role))
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            (MissingState::Unreadable, format!("check it: sqlite3 {file} 'PRAGMA integrity_check'"))
        }
        Some(ErrorCode::ReadOnly) => (
            MissingState::Error,
            format!("a crash left work to be undone: open {file} once with the program that owns it"),
        ),
        Some(_) | None => (MissingState::Error, format!("compare the query with the schema: sqlite3 {file} .schema")),
    };
    asked.missing(state, said, next)
}

fn fact(value: ValueRef<'_>, kind: Kind, column: &str, asked: &Asked<'_>) -> Result<Fact, Missing> {
    let other = |found: &str| {
        let said = format!("{column} holds {found}, {} is declared", kind.word());
        asked.other_form(said, format!("correct the row, or convert {column} in the statement"))
    };
    let text =
        |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| other("text that is not UTF-8"));
    match (value, kind) {
        (ValueRef::Null, _) => Ok(null(asked, column)),
        (ValueRef::Integer(value), Kind::Int) => Ok(value.into()),
        (ValueRef::Integer(value @ (0 | 1)), Kind::Bool) => Ok((value == 1).into()),
        (ValueRef::Integer(_), _) => Err(other("an integer")),
        (ValueRef::Real(_), _) => Err(other("a real number")),
        (ValueRef::Blob(_), _) => Err(other("a blob")),
        (ValueRef::Text(bytes), Kind::Text) => Ok(text(bytes)?.into()),
        (ValueRef::Text(bytes), Kind::Time) => {
            instant(&text(bytes)?).map(Fact::Time).ok_or_else(|| other("text that is no instant"))
        }
        (ValueRef::Text(_), Kind::Int | Kind::Bool) => Err(other("text")),
    }
}

/// RFC 3339, or one of the forms of SQLite's date functions, which are in UTC.
fn instant(text: &str) -> Option<crate::evidence::Instant> {
    if let Ok(instant) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(instant.to_utc());
    }
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let moment = forms.iter().find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok());
    let date = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    moment.or_else(date).map(|moment| moment.and_utc())
}

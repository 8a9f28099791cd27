//! PostgreSQL: one session, one read-only snapshot, rolled back at the end.
//!
//! Every query runs in a savepoint, so that a failure does not take the others along, by the extended
//! protocol, which takes one statement only. Row security is off in the sense of the server: a query
//! that a policy would filter fails instead of answering with fewer rows. Waiting for a lock ends at half
//! the statement's time, so that "locked" and "slow" are told apart.
//!
//! The session is closed in the protocol's words, also when it is given up: a statement that still runs is cancelled
//! first, so that nothing of the audit goes on at the server.
//!
//! Several hosts are tried in their order. A server that answers with a refusal ends that, as in libpq: another server is
//! another truth.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;

use chrono::TimeDelta;
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::error::DbError;
use tokio_postgres::types::{FromSql, Kind as TypeKind, Type};
use tokio_postgres::{CancelToken, Client, IsolationLevel, Row, Transaction};

use super::super::Door;
use super::Answers;
use super::answer::{Asked, Rows, arrange, null};
use super::connection::{Connection, Target};
use super::query::{Kind, Query};
use crate::evidence::{Digest256, Fact, Instant, Missing, MissingState, Reading};

/// What carries a session; its error is the last that the server said.
type Connected = tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>;

/// How long the reason for the end of a session is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How many rows are fetched at a time.
const BATCH: i32 = 1_000;

/// Asks a PostgreSQL server.
pub(super) fn ask(
    connection: &Connection,
    queries: &BTreeMap<String, Query>,
    timeout: Duration,
    door: &Door,
) -> Answers {
    let (user, server) = (connection.user.clone(), connection.server.as_str());
    // Some of the time is kept for putting the answer together.
    let time = door.time_left().saturating_sub(Duration::from_millis(200));
    let over = Missing {
        state: MissingState::TimedOut,
        tried: format!("ask {server}"),
        by: user.clone(),
        said: "the probe's time is over".to_owned(),
        next: "see what the server is doing, or raise the probe's time limit".to_owned(),
    };
    let answers = Answers::none(queries, &over);
    let mut session = Session { server, timeout: timeout.min(time), door, role: user, answers, open: None };
    let _held = door.hold();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match &runtime {
        Ok(runtime) => runtime.block_on(async {
            let outcome = in_time(session.run(&connection.targets, queries), time, door)
                .await
                .unwrap_or_else(|| Err(over.clone()));
            session.close(outcome.is_err()).await;
            outcome
        }),
        Err(error) => Err(door.missing(MissingState::Error, "start an event loop", error.to_string(), "see ulimit -n")),
    };
    if let Err(reason) = outcome {
        session.fill(&over, &reason);
    }
    if let Ok(runtime) = runtime {
        // A name that is still being resolved is not waited for.
        runtime.shutdown_background();
    }
    session.answers
}

/// What `work` comes to; `None` when it does not within `time`, or when the audit is asked to stop.
async fn in_time<T>(work: impl Future<Output = T>, time: Duration, door: &Door) -> Option<T> {
    let end = tokio::time::Instant::now() + time;
    let mut work = std::pin::pin!(work);
    loop {
        let now = tokio::time::Instant::now();
        match tokio::time::timeout_at(end.min(now + LISTENING), &mut work).await {
            Ok(done) => return Some(done),
            Err(_) if now >= end || door.stopped() => return None,
            Err(_) => {}
        }
    }
}

/// How long between two looks at whether the audit was asked to stop.
const LISTENING: Duration = Duration::from_millis(20);

/// What closing a connection needs.
struct Open {
    cancel: CancelToken,
    connector: MakeTlsConnector,
    connection: Connected,
}

/// Why there is no session with one host, and whether the others are left aside for it.
struct Refusal {
    reason: Missing,
    is_final: bool,
}

/// How long closing a connection may take; after that the socket is dropped.
const CLOSING: Duration = Duration::from_millis(300);

struct Session<'a> {
    server: &'a str,
    timeout: Duration,
    door: &'a Door,
    role: String,
    answers: Answers,
    open: Option<Open>,
}

impl Session<'_> {
    /// Ends the session: cancels what may still run, and lets the connection say goodbye.
    async fn close(&mut self, may_run: bool) {
        let Some(Open { cancel, connector, connection }) = self.open.take() else { return };
        let closing = async {
            if may_run {
                // A server that does not hear it ends the statement at its own time limit.
                let _ = cancel.cancel_query(connector).await;
            }
            // The client is gone, so that the connection ends when everything is sent.
            let _ = connection.await;
        };
        let _ = tokio::time::timeout(CLOSING, closing).await;
    }

    /// Gives `reason` to everything that still has the first one.
    fn fill(&mut self, first: &Missing, reason: &Missing) {
        let first = Fact::from(first.clone());
        let answers = &mut self.answers;
        let facts = [&mut answers.version, &mut answers.role, &mut answers.present, &mut answers.unchanged];
        for fact in facts.into_iter().chain(answers.rows.values_mut()) {
            if *fact == first {
                *fact = reason.clone().into();
            }
        }
    }

    async fn run(&mut self, targets: &[Target], queries: &BTreeMap<String, Query>) -> Result<(), Missing> {
        let mut client = match self.connect(targets).await {
            Ok(client) => client,
            Err(reason) => {
                // Only the answer "there is no such database" is knowledge of absence.
                let absent = reason.state.is_absent();
                self.answers.present = if absent { false.into() } else { reason.clone().into() };
                return Err(reason);
            }
        };
        self.answers.present = true.into();
        let outcome = self.converse(&mut client, queries).await;
        let Err(reason) = outcome else { return Ok(()) };
        if !client.is_closed() {
            return Err(reason);
        }
        // The client only says that it is over; what the server said last went to the connection.
        let Some(open) = self.open.take() else { return Err(reason) };
        match tokio::time::timeout(LAST_WORDS, open.connection).await {
            Ok(Ok(Err(error))) => {
                let asked = Asked { name: "", role: &self.role, server: self.server };
                let last = failure(&error, &asked);
                Err(Missing { tried: reason.tried, ..last })
            }
            Ok(Ok(Ok(())) | Err(_)) | Err(_) => Err(reason),
        }
    }

    /// Everything that is said once the session is open.
    async fn converse(&mut self, client: &mut Client, queries: &BTreeMap<String, Query>) -> Result<(), Missing> {
        let start = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let mut transaction = start.start().await.map_err(|error| self.failed(&error, "begin"))?;
        self.prepare(&transaction).await?;
        for (name, query) in queries {
            let answer = self.query(&mut transaction, name, query).await?;
            self.answers.rows.insert(name.clone(), answer);
        }
        let unchanged = "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL";
        self.note(unchanged);
        let row = transaction
            .query_one(unchanged, &[])
            .await
            .map_err(|error| self.failed(&error, "see that nothing changed"))?;
        self.answers.unchanged =
            row.try_get::<_, bool>(0).map_err(|error| self.failed(&error, "see that nothing changed")).into();
        transaction.rollback().await.map_err(|error| self.failed(&error, "roll back"))
    }

    /// Opens a session with the first host that answers.
    async fn connect(&mut self, targets: &[Target]) -> Result<Client, Missing> {
        let mut refused: Vec<Missing> = Vec::new();
        for target in targets {
            match self.connect_to(target).await {
                Ok(client) => return Ok(client),
                Err(Refusal { reason, is_final }) => {
                    refused.push(reason);
                    if is_final {
                        break;
                    }
                }
            }
        }
        let said = refused.iter().map(|reason| reason.said.clone()).collect::<Vec<_>>().join("; then: ");
        let last = refused.pop().expect("invariant: a connection has at least one host");
        Err(Missing { said, ..last })
    }

    async fn connect_to(&mut self, target: &Target) -> Result<Client, Refusal> {
        let mut config = target.config.clone();
        config.connect_timeout(self.timeout.min(config.get_connect_timeout().copied().unwrap_or(self.timeout)));
        let connecting = tokio::time::timeout(self.timeout, config.connect(target.tls.clone())).await;
        let connected = connecting.map_err(|_| {
            let reason = self.missing(
                MissingState::TimedOut,
                "connect",
                "the server did not answer in time",
                "see whether it runs: pg_isready",
            );
            Refusal { reason, is_final: false }
        })?;
        let (client, connection) = connected.map_err(|error| Refusal {
            reason: self.failed(&error, "connect"),
            // A server that starts, stops or is full may be passed over; one that refuses the role or the database not.
            is_final: error
                .code()
                .is_some_and(|code| code.code().starts_with("28") || ["3D000", "42501"].contains(&code.code())),
        })?;
        // The connection ends when the client is dropped.
        let connection = tokio::spawn(connection);
        self.open = Some(Open { cancel: client.cancel_token(), connector: target.tls.clone(), connection });
        Ok(client)
    }

    /// Bounds the transaction, makes the texts of values independent of the server's settings, and asks who we are.
    async fn prepare(&mut self, transaction: &Transaction<'_>) -> Result<(), Missing> {
        let timeout = self.timeout.as_millis().max(2);
        let settings = format!(
            "SET LOCAL statement_timeout = {timeout}; SET LOCAL lock_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL row_security = off; \
             SET LOCAL standard_conforming_strings = on; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; \
             SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex'",
            timeout / 2,
            self.door.time_left().as_millis() + 5_000,
        );
        transaction.batch_execute(&settings).await.map_err(|error| self.failed(&error, "bound the transaction"))?;
        let who = "SELECT current_user::text, pg_catalog.current_setting('server_version')";
        let row = transaction.query_one(who, &[]).await.map_err(|error| self.failed(&error, "ask who asks"))?;
        let part = |at: usize| row.try_get::<_, String>(at).map_err(|error| self.failed(&error, "ask who asks"));
        let (role, version) = (part(0)?, part(1)?);
        self.answers.version = version.into();
        self.answers.role = Fact::text(&role);
        self.role = role;
        self.note(&settings);
        self.note(who);
        Ok(())
    }

    /// One query in a savepoint. `Err` only when the session is over.
    async fn query(&self, transaction: &mut Transaction<'_>, name: &str, query: &Query) -> Result<Fact, Missing> {
        let asked = Asked { name, role: &self.role, server: self.server };
        let lost = |error: tokio_postgres::Error| failure(&error, &asked);
        self.note(&query.sql);
        let savepoint = transaction.savepoint("cutgate_query").await.map_err(lost)?;
        let answer = self.answer(&savepoint, query, &asked).await;
        savepoint.rollback().await.map_err(lost)?;
        Ok(answer.into())
    }

    async fn answer(&self, savepoint: &Transaction<'_>, query: &Query, asked: &Asked<'_>) -> Result<Fact, Missing> {
        let failed = |error: tokio_postgres::Error| failure(&error, asked);
        let statement = savepoint.prepare(&query.sql).await.map_err(failed)?;
        let answered: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let kinds = arrange(query, &answered, asked)?;
        let mut columns = Vec::with_capacity(kinds.len());
        for ((name, kind), column) in kinds.iter().zip(statement.columns()) {
            let coding = Coding::of(*kind, column.type_()).ok_or_else(|| {
                let said = format!("{name} is {}, {} is declared", column.type_().name(), kind.word());
                let sql_type = match kind {
                    Kind::Text => "text",
                    Kind::Int => "bigint",
                    Kind::Bool => "boolean",
                    Kind::Time => "timestamptz",
                };
                asked.other_form(said, format!("cast it in the statement: {name}::{sql_type}"))
            })?;
            columns.push((name.as_str(), coding));
        }
        let portal = savepoint.bind(&statement, &[]).await.map_err(failed)?;
        let mut rows = Rows::new(asked, self.door);
        loop {
            let batch = savepoint.query_portal(&portal, BATCH).await.map_err(failed)?;
            let last = batch.len() < usize::try_from(BATCH).unwrap_or(0);
            for row in batch {
                let facts = columns
                    .iter()
                    .enumerate()
                    .map(|(at, (name, coding))| Ok(((*name).to_owned(), value(&row, at, *coding, name, asked)?)));
                rows.push(facts.collect::<Result<_, Missing>>()?)?;
            }
            if last {
                return Ok(rows.done());
            }
        }
    }

    fn note(&self, statement: &str) {
        let read = Reading::Statement { sha256: Digest256::of(statement.as_bytes()) };
        self.door.note_by(self.server, self.role.as_str(), read);
    }

    fn missing(&self, state: MissingState, what: &str, said: impl Into<String>, next: &str) -> Missing {
        let asked = Asked { name: what, role: &self.role, server: self.server };
        Missing { tried: format!("{what}: {}", self.server), ..asked.missing(state, said, next) }
    }

    fn failed(&self, error: &tokio_postgres::Error, what: &str) -> Missing {
        let asked = Asked { name: what, role: &self.role, server: self.server };
        Missing { tried: format!("{what}: {}", self.server), ..failure(error, &asked) }
    }
}

/// How a value's bytes are to be understood.
#[derive(Clone, Copy, Debug)]
enum Coding {
    Text,
    /// The one-byte type `"char"`.
    Byte,
    Int2,
    Int4,
    Int8,
    Oid,
    Bool,
    /// Microseconds since 2000-01-01, in UTC where a zone is known and taken as UTC where it is not.
    Timestamp,
    /// Days since 2000-01-01.
    Date,
}

impl Coding {
    /// The coding of a server type that can stand for the declared kind.
    fn of(kind: Kind, sql_type: &Type) -> Option<Self> {
        if let TypeKind::Domain(base) = sql_type.kind() {
            return Self::of(kind, base);
        }
        let is_enum = matches!(sql_type.kind(), TypeKind::Enum(_));
        let texts = [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN];
        match kind {
            Kind::Text if is_enum || texts.contains(sql_type) => Some(Self::Text),
            Kind::Text if *sql_type == Type::CHAR => Some(Self::Byte),
            Kind::Int if *sql_type == Type::INT2 => Some(Self::Int2),
            Kind::Int if *sql_type == Type::INT4 => Some(Self::Int4),
            Kind::Int if *sql_type == Type::INT8 => Some(Self::Int8),
            Kind::Int if *sql_type == Type::OID => Some(Self::Oid),
            Kind::Bool if *sql_type == Type::BOOL => Some(Self::Bool),
            Kind::Time if [Type::TIMESTAMPTZ, Type::TIMESTAMP].contains(sql_type) => Some(Self::Timestamp),
            Kind::Time if *sql_type == Type::DATE => Some(Self::Date),
            Kind::Text | Kind::Int | Kind::Bool | Kind::Time => None,
        }
    }

    /// The fact; `None` when the bytes are not of this coding (infinity and instants beyond chrono's range are not).
    fn fact(self, raw: &[u8]) -> Option<Fact> {
        let epoch = Instant::from_timestamp(946_684_800, 0)?;
        Some(match self {
            Self::Text => std::str::from_utf8(raw).ok()?.into(),
            Self::Byte => {
                let [byte] = raw.try_into().ok()?;
                std::str::from_utf8(if byte == 0 { &[] } else { raw }).ok()?.into()
            }
            Self::Int2 => i64::from(i16::from_be_bytes(raw.try_into().ok()?)).into(),
            Self::Int4 => i64::from(i32::from_be_bytes(raw.try_into().ok()?)).into(),
            Self::Int8 => i64::from_be_bytes(raw.try_into().ok()?).into(),
            Self::Oid => i64::from(u32::from_be_bytes(raw.try_into().ok()?)).into(),
            Self::Bool => (u8::from_be_bytes(raw.try_into().ok()?) != 0).into(),
            Self::Timestamp => {
                let micros = i64::from_be_bytes(raw.try_into().ok()?);
                let finite = micros != i64::MAX && micros != i64::MIN;
                epoch.checked_add_signed(TimeDelta::microseconds(micros)).filter(|_| finite)?.into()
            }
            Self::Date => {
                let days = i32::from_be_bytes(raw.try_into().ok()?);
                let finite = days != i32::MAX && days != i32::MIN;
                epoch.checked_add_signed(TimeDelta::days(i64::from(days))).filter(|_| finite)?.into()
            }
        })
    }
}

/// A value as the server sent it.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn value(row: &Row, at: usize, coding: Coding, column: &str, asked: &Asked<'_>) -> Result<Fact, Missing> {
    let raw = row.try_get::<_, Option<Raw<'_>>>(at).map_err(|error| failure(&error, asked))?;
    let Some(Raw(raw)) = raw else { return Ok(null(asked, column)) };
    coding.fact(raw).ok_or_else(|| {
        let said = format!("{column} holds a value that is not understood, such as infinity");
        asked.other_form(said, format!("correct the row, or convert {column} in the statement"))
    })
}

/// The reason behind an error of the server, the network or the client.
fn failure(error: &tokio_postgres::Error, asked: &Asked<'_>) -> Missing {
    if let Some(database) = error.as_db_error() {
        let said = format!("{} (SQLSTATE {})", database.message(), database.code().code());
        let (state, next) = advice(database, asked);
        return asked.missing(state, said, next);
    }
    let mut said = error.to_string();
    let mut io = None;
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        io = io.or_else(|| cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind));
        source = cause.source();
    }
    let (state, next) = match io {
        Some(std::io::ErrorKind::PermissionDenied) => {
            (MissingState::Denied, "give the right to search the socket's directory and to write to the socket")
        }
        Some(std::io::ErrorKind::TimedOut) => (MissingState::TimedOut, "see whether the server answers: pg_isready"),
        _ if said.contains("password missing") => {
            (MissingState::Denied, "give the role's password in ~/.pgpass (mode 0600) or PGPASSFILE")
        }
        _ => (MissingState::Error, "see whether the server runs and listens there: pg_isready"),
    };
    asked.missing(state, said, next)
}

/// The state and the next step for an SQLSTATE (PostgreSQL, appendix "Error Codes").
fn advice(error: &DbError, asked: &Asked<'_>) -> (MissingState, String) {
    let role = asked.role;
    match error.code().code() {
        // Its own code is that of a missing right; the words are the server's, in whatever language it speaks.
        "42501" if error.routine() == Some("check_enable_rls") => (
            MissingState::Denied,
            "audit as a role that row security does not filter (BYPASSRLS), so that no row is hidden".to_owned(),
        ),
        "42501" => (MissingState::Denied, format!("grant {role} the right to read it, or audit as a role that has it")),
        "28000" | "28P01" => (MissingState::Denied, format!("see how {role} may log in: pg_hba.conf and its password")),
        "25001" | "25006" => (MissingState::Denied, "write a statement that only reads".to_owned()),
        "3D000" => (MissingState::Absent, "create the database, or correct the URL".to_owned()),
        "57014" => (MissingState::TimedOut, "make the query cheaper, or raise `timeout`".to_owned()),
        "55P03" => (
            MissingState::TimedOut,
            "see who holds the lock: SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity".to_owned(),
        ),
        "57P03" => (
            MissingState::Error,
            "wait until the server has started or stopped, see pg_isready and its log, and run the audit again"
                .to_owned(),
        ),
        "57P01" | "57P02" | "57P05" => {
            (MissingState::Error, "see in the server's log who ended the session, and run the audit again".to_owned())
        }
        "53300" => (
            MissingState::Error,
            "see who holds the connections: SELECT usename, count(*) FROM pg_stat_activity GROUP BY 1".to_owned(),
        ),
        "42P01" | "42703" | "3F000" | "42883" => (
            MissingState::Error,
            format!("compare the query with what {role} sees; a name that is not visible may well exist"),
        ),
        _ => (MissingState::Error, "look the SQLSTATE up in the manual of PostgreSQL".to_owned()),
    }
}

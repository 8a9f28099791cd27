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

use std::time::Duration;

use futures_util::future::join;
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::{CancelToken, Client, IsolationLevel, Statement, Transaction};

use super::super::Door;
use super::answer::{Asked, Rows, arrange};
use super::coding::{Coding, value};
use super::connection::{Connection, Target};
use super::failure::failure;
use super::query::{Kind, Query};
use crate::evidence::{Digest256, Fact, Missing, MissingState, Reading};

/// What carries a session; its error is the last that the server said.
type Connected = tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>;

/// How long the reason for the end of a session is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What is around each query, so that a failure does not take the others along.
const BEFORE: &str = "SAVEPOINT cutgate_query";
const AFTER: &str = "ROLLBACK TO SAVEPOINT cutgate_query";

/// How many rows are fetched at a time.
const BATCH: i32 = 1_000;

/// What is known of a server after a session with it.
pub(super) struct Known {
    /// The version that the server says.
    pub version: Fact,
    /// The role that asked, as the server names it.
    pub role: Fact,
    /// Whether the database is there: `false` only where the server says that it is not.
    pub present: Fact,
    /// Whether our transaction had no transaction number at its end.
    pub unchanged: Fact,
    /// Why not everything was asked.
    pub ended: Option<Missing>,
}

/// How names in statements are understood, and texts of values made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// As the role's own search path says: the statements are a gate's.
    OfRole,
    /// From `pg_catalog` only, whatever was set for the role or the database, with texts of values that lose nothing:
    /// the statements are the probe's own.
    OfCatalog,
}

/// One transaction in which a probe asks; everything is seen as of its beginning.
pub(in crate::probes) struct Snapshot<'a> {
    transaction: Transaction<'a>,
    server: &'a str,
    role: String,
    door: &'a Door,
}

/// Opens a session and lets `work` ask in one snapshot. `timeout` is that of a statement. `work` fails only where the session is
/// over.
pub(super) fn in_snapshot<W>(connection: &Connection, timeout: Duration, names: Names, door: &Door, work: W) -> Known
where
    W: AsyncFnOnce(&mut Snapshot<'_>) -> Result<(), Missing>,
{
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
    let known = Known::nothing(&over);
    let mut session = Session { server, timeout: timeout.min(time), names, door, role: user, known, open: None };
    let _held = door.hold();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match &runtime {
        Ok(runtime) => runtime.block_on(async {
            let outcome =
                in_time(session.run(&connection.targets, work), time, door).await.unwrap_or_else(|| Err(over.clone()));
            session.close(outcome.is_err()).await;
            outcome
        }),
        Err(error) => Err(door.missing(MissingState::Error, "start an event loop", error.to_string(), "see ulimit -n")),
    };
    session.known.ended = outcome.err();
    if let Some(reason) = session.known.ended.clone() {
        session.known.fill(&over, &reason);
    }
    if let Ok(runtime) = runtime {
        // A name that is still being resolved is not waited for.
        runtime.shutdown_background();
    }
    session.known
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

impl Known {
    /// Nothing is known but `reason`.
    pub fn nothing(reason: &Missing) -> Self {
        let unknown = || Fact::from(reason.clone());
        let ended = Some(reason.clone());
        Self { version: unknown(), role: unknown(), present: unknown(), unchanged: unknown(), ended }
    }

    /// Gives `reason` to everything that still has the first one.
    fn fill(&mut self, first: &Missing, reason: &Missing) {
        let first = Fact::from(first.clone());
        for fact in [&mut self.version, &mut self.role, &mut self.present, &mut self.unchanged] {
            if *fact == first {
                *fact = reason.clone().into();
            }
        }
    }
}

struct Session<'a> {
    server: &'a str,
    timeout: Duration,
    names: Names,
    door: &'a Door,
    role: String,
    known: Known,
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

    async fn run<W>(&mut self, targets: &[Target], work: W) -> Result<(), Missing>
    where
        W: AsyncFnOnce(&mut Snapshot<'_>) -> Result<(), Missing>,
    {
        let mut client = match self.connect(targets).await {
            Ok(client) => client,
            Err(reason) => {
                // Only the answer "there is no such database" is knowledge of absence.
                let absent = reason.state.is_absent();
                self.known.present = if absent { false.into() } else { reason.clone().into() };
                return Err(reason);
            }
        };
        self.known.present = true.into();
        let outcome = self.converse(&mut client, work).await;
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
    async fn converse<W>(&mut self, client: &mut Client, work: W) -> Result<(), Missing>
    where
        W: AsyncFnOnce(&mut Snapshot<'_>) -> Result<(), Missing>,
    {
        let start = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let transaction = start.start().await.map_err(|error| self.failed(&error, "begin"))?;
        self.prepare(&transaction).await?;
        let mut snapshot = Snapshot { transaction, server: self.server, role: self.role.clone(), door: self.door };
        work(&mut snapshot).await?;
        let Snapshot { transaction, .. } = snapshot;
        let unchanged = "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL";
        self.note(unchanged);
        let row = transaction
            .query_one(unchanged, &[])
            .await
            .map_err(|error| self.failed(&error, "see that nothing changed"))?;
        self.known.unchanged =
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
        let settings = match self.names {
            Names::OfRole => settings,
            Names::OfCatalog => settings + OF_CATALOG,
        };
        transaction.batch_execute(&settings).await.map_err(|error| self.failed(&error, "bound the transaction"))?;
        let who = "SELECT current_user::text, pg_catalog.current_setting('server_version')";
        let row = transaction.query_one(who, &[]).await.map_err(|error| self.failed(&error, "ask who asks"))?;
        let part = |at: usize| row.try_get::<_, String>(at).map_err(|error| self.failed(&error, "ask who asks"));
        let (role, version) = (part(0)?, part(1)?);
        self.known.version = version.into();
        self.known.role = Fact::text(&role);
        self.role = role;
        self.note(&settings);
        self.note(who);
        Ok(())
    }

    fn note(&self, statement: &str) {
        note(self.door, self.server, &self.role, statement);
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

/// What else is set where the statements are a probe's own: names, and the texts of values.
const OF_CATALOG: &str = "; SET LOCAL search_path = pg_catalog; SET LOCAL extra_float_digits = 3; \
                          SET LOCAL quote_all_identifiers = off; SET LOCAL lc_monetary = 'C'";

fn note(door: &Door, server: &str, role: &str, statement: &str) {
    let read = Reading::Statement { sha256: Digest256::of(statement.as_bytes()) };
    door.note_by(server, role, read);
}

impl Snapshot<'_> {
    /// A reason of absence in the role's name.
    pub fn missing(
        &self,
        name: &str,
        state: MissingState,
        said: impl Into<String>,
        next: impl Into<String>,
    ) -> Missing {
        Asked { name, role: &self.role, server: self.server }.missing(state, said, next)
    }

    /// The rows of one query, or why there are none, in a savepoint. `name` says in reasons what was asked for.
    ///
    /// # Errors
    /// Only when the session is over.
    pub async fn ask(&mut self, name: &str, query: &Query) -> Result<Fact, Missing> {
        self.fetch(name, query, BATCH).await
    }

    /// As [`Snapshot::ask`], for an answer of few rows that costs much: a server puts several processes to work only where all
    /// rows are fetched at once.
    ///
    /// # Errors
    /// Only when the session is over.
    pub async fn ask_whole(&mut self, name: &str, query: &Query) -> Result<Fact, Missing> {
        self.fetch(name, query, 0).await
    }

    async fn fetch(&mut self, name: &str, query: &Query, batch: i32) -> Result<Fact, Missing> {
        let (role, server) = (self.role.clone(), self.server);
        let asked = Asked { name, role: &role, server };
        let lost = |error: tokio_postgres::Error| failure(&error, &asked);
        note(self.door, server, &role, &query.sql);
        let door = self.door;
        // Both are sent at once: the server works through them in this order, and answers them together.
        let transaction = &self.transaction;
        let (begun, prepared) = join(transaction.batch_execute(BEFORE), transaction.prepare(&query.sql)).await;
        begun.map_err(lost)?;
        let answer = match prepared {
            Ok(statement) => answer(transaction, &statement, query, &asked, door, batch).await,
            Err(error) => Err(failure(&error, &asked)),
        };
        transaction.batch_execute(AFTER).await.map_err(lost)?;
        Ok(answer.into())
    }
}

async fn answer(
    transaction: &Transaction<'_>,
    statement: &Statement,
    query: &Query,
    asked: &Asked<'_>,
    door: &Door,
    fetched: i32,
) -> Result<Fact, Missing> {
    let failed = |error: tokio_postgres::Error| failure(&error, asked);
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
    let portal = transaction.bind(statement, &[]).await.map_err(failed)?;
    let mut rows = Rows::new(asked, door);
    loop {
        let batch = transaction.query_portal(&portal, fetched).await.map_err(failed)?;
        let last = fetched == 0 || batch.len() < usize::try_from(fetched).unwrap_or(0);
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

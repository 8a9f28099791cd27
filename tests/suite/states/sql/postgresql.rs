//! PostgreSQL: a server of the tests' own.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Asked, QUERY, Room, TARGETS, Truth, asked, matrix, state};
use crate::postgres::Cluster;

pub(in crate::states) const URL: &str = "postgresql:///<database>?host=<socket>&port=<port>&user=<role>";

/// Roles that the rows use; made once for a server.
const ROLES: &str = "DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auditor') THEN
        CREATE ROLE auditor LOGIN; CREATE ROLE crowd LOGIN CONNECTION LIMIT 1; CREATE ROLE closed NOLOGIN;
    END IF; END $$;";

/// Names for what differs from run to run.
pub(in crate::states) fn words(room: &Room, cluster: &Cluster, database: &str, role: &str) {
    room.word("database", database);
    room.word("socket", cluster.socket().to_str().expect("UTF-8"));
    room.word("port", cluster.port.to_string());
    room.word("role", role);
}

/// As [`words`], over the network, where encryption is demanded; the server has none.
pub(in crate::states) fn without_tls(room: &Room, cluster: &Cluster, database: &str, role: &str) {
    words(room, cluster, database, &format!("{role}&sslmode=require"));
    room.word("socket", "127.0.0.1");
}

/// One database of the shared server, for one row after the other.
struct Shared {
    cluster: Arc<Cluster>,
    name: String,
}

impl Shared {
    fn new() -> Arc<Self> {
        let cluster = Cluster::shared();
        let name = cluster.database(ROLES);
        Arc::new(Self { cluster, name })
    }

    /// Empties the database and fills it with these statements; the row reads it as a role.
    fn fill(&self, room: &Room, role: &str, sql: &str) {
        let name = &self.name;
        let empty = format!(
            "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public;
             GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT CONNECT ON DATABASE {name} TO PUBLIC;"
        );
        self.cluster.sql(name, &format!("{empty} {sql}"));
        words(room, &self.cluster, name, role);
    }
}

/// The targets, for everybody.
fn granted(more: &str) -> String {
    format!("{TARGETS} GRANT SELECT ON target TO PUBLIC; {more}")
}

/// Waits on another thread until the audit's slow query is seen, then does something.
pub(in crate::states) struct Meanwhile(Option<JoinHandle<()>>);

impl Meanwhile {
    pub(in crate::states) fn run(
        cluster: &Arc<Cluster>,
        database: &str,
        work: impl Fn(&Cluster) + Send + 'static,
    ) -> Self {
        let seen = format!(
            "SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND application_name LIKE 'cutgate%' \
             AND state = 'active' AND wait_event = 'PgSleep'"
        );
        let cluster = cluster.clone();
        Self(Some(std::thread::spawn(move || {
            for _ in 0..500 {
                if !cluster.sql("postgres", &seen).is_empty() {
                    return work(&cluster);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            panic!("the slow query is never seen");
        })))
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        let ended = self.0.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "what happened meanwhile failed");
    }
}

const SLOW: &str = "SELECT name, units FROM target WHERE pg_sleep(8) IS NOT NULL";

/// What comes last depends on what the system delivers before it tells of the end.
pub(in crate::states) const LAST_WORDS: (&str, &str) =
    ("(?s)( as <role>: ).*", "${1}what the server or the system said last → where to look for the reason");

fn patient(sql: &str) -> Asked {
    let mut asked = asked(URL, sql);
    asked.settings = asked.settings.replace("\"1s\"", "\"20s\"");
    asked
}

#[test]
fn states_of_postgresql() {
    let shared = Shared::new();
    let database = |role: &'static str, sql: &str| {
        let (shared, sql) = (shared.clone(), sql.to_owned());
        move |room: &Room| shared.fill(room, role, &sql)
    };
    // The targets for everybody, and what happens beside.
    let beside = |role: &'static str, happens: fn(&Room, &Shared)| {
        let shared = shared.clone();
        move |room: &Room| {
            shared.fill(room, role, &granted(""));
            happens(room, &shared);
        }
    };
    let row_security = "ALTER TABLE target ENABLE ROW LEVEL SECURITY;";
    let policy = "CREATE POLICY hides ON target FOR SELECT TO auditor USING (name <> 'ICX-NOTE');";
    let table = asked(URL, QUERY).table([
        state("the row is there", Truth::Holds, database("auditor", &granted(""))),
        state(
            "the row is there with another value",
            Truth::Fails,
            database("auditor", &granted("UPDATE target SET units = 8")),
        ),
        state("the table is empty", Truth::Fails, database("auditor", &granted("DELETE FROM target"))),
        state(
            "the value is NULL",
            Truth::CannotBeKnown,
            database("auditor", &granted("UPDATE target SET units = NULL")),
        ),
        state(
            "the column is numeric where a whole number is declared",
            Truth::CannotBeKnown,
            database("auditor", &granted("ALTER TABLE target ALTER units TYPE numeric")),
        ),
        state("no such table", Truth::CannotBeKnown, database("auditor", "")),
        state("no such column", Truth::CannotBeKnown, database("auditor", &granted("ALTER TABLE target DROP units"))),
        state("no right to the table", Truth::CannotBeKnown, database("auditor", TARGETS)),
        state(
            "a right to one of the columns only",
            Truth::CannotBeKnown,
            database("auditor", &format!("{TARGETS} GRANT SELECT (name) ON target TO auditor")),
        ),
        state(
            "no right to the schema: the table is as if it were not there",
            Truth::CannotBeKnown,
            database("auditor", &granted("REVOKE ALL ON SCHEMA public FROM PUBLIC")),
        ),
        state(
            "row security without a policy for the role: every row is hidden",
            Truth::CannotBeKnown,
            database("auditor", &granted(row_security)),
        ),
        state(
            "row security with a policy that hides the row",
            Truth::CannotBeKnown,
            database("auditor", &granted(&format!("{row_security} {policy}"))),
        ),
        state("row security that the role bypasses", Truth::Holds, database("postgres", &granted(row_security))),
        state(
            "locked by another session",
            Truth::CannotBeKnown,
            beside("auditor", |room, shared| {
                let mut holder = shared.cluster.session(&shared.name);
                holder.run("BEGIN; LOCK TABLE target IN ACCESS EXCLUSIVE MODE;");
                room.keep(holder);
            }),
        ),
        state(
            "more rows than the limit",
            Truth::CannotBeKnown,
            database("auditor", &granted("INSERT INTO target SELECT 'x', generate_series(1, 3000)")),
        )
        .limits(|limits| limits.entries = 2_500),
        state(
            "a row longer than a file may be",
            Truth::CannotBeKnown,
            database("auditor", &granted("INSERT INTO target VALUES (repeat('x', 200000), 1)")),
        )
        .limits(|limits| limits.file_bytes = 100_000),
        state(
            "no such database",
            Truth::CannotBeKnown,
            beside("auditor", |room, _| {
                room.word("database", "nowhere");
            }),
        ),
        state(
            "no right to connect to the database",
            Truth::CannotBeKnown,
            beside("auditor", |_, shared| {
                shared.cluster.sql("postgres", &format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", shared.name));
            }),
        ),
        state("no such role", Truth::CannotBeKnown, database("nobody_s_role", &granted(""))),
        state("a role that may not log in", Truth::CannotBeKnown, database("closed", &granted(""))),
        state("no password where one is asked for", Truth::CannotBeKnown, database("locked", &granted(""))),
        state("a wrong password", Truth::CannotBeKnown, database("locked&password=hunter2", &granted(""))),
        state("encryption is demanded, and the server has none", Truth::CannotBeKnown, {
            let shared = shared.clone();
            move |room: &Room| without_tls(room, &shared.cluster, &shared.name, "auditor")
        }),
        state(
            "no connection left for the role",
            Truth::CannotBeKnown,
            beside("crowd", |room, shared| {
                let mut holder = shared.cluster.session_as(&shared.name, "crowd");
                holder.run("SELECT 1;");
                room.keep(holder);
            }),
        ),
        state("the server is starting and replays its log", Truth::CannotBeKnown, |room| {
            let cluster = Cluster::start();
            cluster.replay_for_long();
            words(room, &cluster, "registry", "auditor");
            room.keep(cluster);
        }),
        state("the server only replays what another one did", Truth::CannotBeKnown, |room| {
            let cluster = Arc::new(Cluster::start());
            let name = cluster.database(&format!("{ROLES} {}", granted("")));
            words(room, &cluster, &name, "auditor");
            cluster.restart_as_standby();
            room.keep(cluster);
        }),
        state("no server: nothing listens on the socket", Truth::CannotBeKnown, |room| {
            room.dir("run", 0o755);
            room.word("database", "registry");
            room.word("socket", room.host("run").to_str().expect("UTF-8"));
            room.word("port", "5432");
            room.word("role", "auditor");
        }),
    ]);
    let slow = patient(SLOW).table([
        state(
            "the session is ended while the query runs",
            Truth::CannotBeKnown,
            beside("auditor", |room, shared| {
                let end =
                    format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", shared.name);
                let work = move |cluster: &Cluster| drop(cluster.sql("postgres", &end));
                room.keep(Meanwhile::run(&shared.cluster, &shared.name, work));
            }),
        )
        .mask(LAST_WORDS.0, LAST_WORDS.1),
        state("the server is stopped while the query runs", Truth::CannotBeKnown, |room| {
            let cluster = Arc::new(Cluster::start());
            let name = cluster.database(&format!("{ROLES} {}", granted("")));
            room.keep(Meanwhile::run(&cluster, &name, Cluster::stop));
            words(room, &cluster, &name, "auditor");
            room.keep(cluster);
        })
        .mask(LAST_WORDS.0, LAST_WORDS.1),
    ]);
    let too_slow = asked(URL, SLOW).table([state(
        "slower than the limit of one second",
        Truth::CannotBeKnown,
        database("auditor", &granted("")),
    )]);
    let writes = "CREATE TABLE t (a int); CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS \
                  $$ INSERT INTO t VALUES (7) RETURNING a $$; GRANT INSERT, SELECT ON t TO PUBLIC;";
    let opens = "CREATE FUNCTION sly() RETURNS int LANGUAGE plpgsql AS \
                 $$ BEGIN SET TRANSACTION READ WRITE; RETURN 7; END $$;";
    let sly = asked(URL, "SELECT 'ICX-NOTE' AS name, sly() AS units").table([
        state("a function that writes", Truth::CannotBeKnown, database("auditor", writes)),
        state("a function that makes the transaction writable", Truth::CannotBeKnown, database("auditor", opens)),
    ]);
    let network = asked("postgresql://auditor@<host>/g", QUERY).table([
        state("a port where nothing listens", Truth::CannotBeKnown, |room| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            room.word("host", listener.local_addr().expect("an address").to_string());
        }),
        state("a server that accepts and never answers", Truth::CannotBeKnown, |room| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            room.word("host", listener.local_addr().expect("an address").to_string());
            room.keep(listener);
        }),
        state("a host name that nobody knows", Truth::CannotBeKnown, |room| room.word("host", "db.invalid:5432"))
            .mask(r"failed to lookup address information: [A-Za-z ]+", "failed to lookup address information: …"),
    ]);
    let about = "Whether a row is there. Statements that write, that lift the read-only transaction, or that ask a view which \
                 shows a role only what it may see (information_schema, pg_settings and others), are refused when the gate is \
                 loaded.";
    matrix("sql: PostgreSQL", about, vec![table, slow, too_slow, sly, network]);
}

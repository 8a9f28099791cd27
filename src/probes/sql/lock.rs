//! An advisory lock of a PostgreSQL database (PostgreSQL, "Advisory Locks"): held by a session that does nothing else, and
//! given back by the server when that session ends, however it does. Nothing is written.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::Client;

use super::super::Door;
use super::address::Address;
use super::connection;

/// How long opening the session, and each word with it, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A lock that is held as long as this lives.
pub struct AdvisoryLock {
    runtime: Runtime,
    client: Client,
}

impl AdvisoryLock {
    /// Takes the lock of a number on the database behind a URL. Does not wait for it: `None` where another session holds it.
    ///
    /// # Errors
    /// Why there is no session, or no answer.
    pub fn take(url: &str, number: i64, door: &Door) -> Result<Option<Self>, String> {
        let given = match Address::parse(url) {
            Ok(Address::Postgres { given }) => given,
            Ok(Address::Sqlite { .. }) => return Err("an embedded registry has no advisory locks".to_owned()),
            Err((said, _)) => return Err(said),
        };
        let connection = connection::complete(&given, door).map_err(|missing| missing.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start an event loop: {error}"))?;
        let mut last = "no host is named".to_owned();
        for target in &connection.targets {
            let opened = runtime.block_on(async {
                let session = tokio::time::timeout(PATIENCE, target.config.connect(target.tls.clone())).await;
                let (client, session) =
                    session.map_err(|_| "the server did not answer in time".to_owned())?.map_err(|e| e.to_string())?;
                drop(tokio::spawn(session));
                Ok::<_, String>(client)
            });
            match opened {
                Err(said) => last = said,
                Ok(client) => {
                    let lock = Self { runtime, client };
                    let taken = lock.ask(&format!("SELECT pg_catalog.pg_try_advisory_lock({number})"))?;
                    return Ok(taken.then_some(lock));
                }
            }
        }
        Err(format!("{}: {last}", connection.server))
    }

    /// Whether the session that holds it is still there.
    pub fn is_held(&self) -> bool {
        self.ask("SELECT true").is_ok_and(|answer| answer)
    }

    fn ask(&self, sql: &str) -> Result<bool, String> {
        let asking = async { tokio::time::timeout(PATIENCE, self.client.query_one(sql, &[])).await };
        let row = self.runtime.block_on(asking).map_err(|_| "the server did not answer in time".to_owned())?;
        row.and_then(|row| row.try_get(0)).map_err(|error| error.to_string())
    }
}

//! What a PostgreSQL server, the network or the client says of a failure, as a reason of absence with a next step.

use std::error::Error as _;

use tokio_postgres::error::DbError;

use super::answer::Asked;
use crate::evidence::{Missing, MissingState};

/// The reason behind an error of the server, the network or the client.
pub(super) fn failure(error: &tokio_postgres::Error, asked: &Asked<'_>) -> Missing {
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

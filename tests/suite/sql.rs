//! The sql probe on SQLite and PostgreSQL.

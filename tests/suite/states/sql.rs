//! `sql` in every state: SQLite files made by the real sqlite3, and a real PostgreSQL server.

pub(super) mod postgresql;
mod sqlite;

use super::{Asked, Room, Truth, matrix, state};

/// A query for the targets at `url`, as the rows of both engines ask it.
fn asked(url: &str, sql: &str) -> Asked {
    Asked::of(
        "sql",
        format!(
            "url = \"{url}\"\ntimeout = \"1s\"\n\
             queries = {{ q = {{ sql = {}, columns = {{ name = \"text\", units = \"int\" }} }} }}",
            toml::Value::from(sql),
        ),
    )
    .rule(r#"p.rows.q.exists(t, t.name == "ICX-NOTE" && t.units == 7)"#)
    .shows(&["present", "unchanged"])
    .says("no ICX-NOTE of 7 units among {size(p.rows.q)} targets")
}

const TARGETS: &str = "CREATE TABLE target (name TEXT, units INT);
    INSERT INTO target VALUES ('ICX-GLOSS', 12), ('ICX-NOTE', 7);";

const QUERY: &str = "SELECT name, units FROM target";

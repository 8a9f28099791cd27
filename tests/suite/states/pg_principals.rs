//! `pg-principals` in every state: a server of the tests' own, whose roles are put in order before each.

use std::sync::Arc;

use super::sql::postgresql::{LAST_WORDS, Meanwhile, URL, without_tls, words};
use super::{Asked, Room, Truth, matrix, state};
use crate::postgres::Cluster;

/// Roles of the server, as they should be.
const ROLES: &str = "DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'writer') THEN
        CREATE ROLE writer LOGIN; CREATE ROLE reader LOGIN NOINHERIT; CREATE ROLE chief SUPERUSER; CREATE ROLE looker LOGIN;
    END IF;
    ALTER ROLE writer LOGIN NOSUPERUSER; REVOKE writer, chief FROM reader; REVOKE chief FROM writer; END $$;";

const TABLE: &str = "CREATE SCHEMA governed; CREATE TABLE governed.unit (id int, state text);
    GRANT USAGE ON SCHEMA governed TO writer, reader, looker; GRANT INSERT ON governed.unit TO writer;
    GRANT SELECT ON governed.unit TO reader;";

/// Roles are told slowly: eight seconds for each, as by a server that is short of everything.
const SLOW: &str = "SET allow_system_table_mods = on; DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW pg_catalog.pg_roles AS ' \
    || rtrim(pg_get_viewdef('pg_catalog.pg_roles'), ';') || ' WHERE pg_sleep(8) IS NOT NULL'; END $$;";

/// A database of its own for each row.
fn fill(room: &Room, cluster: &Cluster, role: &str, sql: &str) -> String {
    let name = cluster.database(&format!("{ROLES} {TABLE} {sql}"));
    words(room, cluster, &name, role);
    name
}

#[test]
fn states_of_principals() {
    let cluster = Arc::new(Cluster::start());
    let database = |role: &'static str, sql: &'static str| {
        let cluster = cluster.clone();
        move |room: &Room| drop(fill(room, &cluster, role, sql))
    };
    let asked = Asked::of(
        "pg-principals",
        format!(
            "url = \"{URL}\"\ntimeout = \"1s\"\nschemas = [\"governed\"]\n\
             roles = [{{ name = \"writer\", required = [\"LOGIN\"], forbidden = [\"SUPERUSER\"] }}]\n\
             allow = [{{ role = \"writer\", privilege = \"INSERT\", on = \"table governed.unit\" }}]\n\
             deny = [{{ role = \"reader\", privilege = \"INSERT\", on = \"table governed.unit\" }}]"
        ),
    )
    .rule(
        "!p.in_recovery && p.required.all(r, r.matches) && p.allow.all(t, t.held) && p.deny.all(t, !t.held) \
         && p.matrix_sha256 != \"\"",
    )
    .shows(&["required.0.matches", "allow.0.held", "deny.0.held", "matrix_sha256"])
    .says(
        "required: {p.required.map(r, r.lacks + r.excess)}, allowed: {p.allow.map(t, t.held)}, denied: \
         {p.deny.map(t, t.through)}, replays: {p.in_recovery}",
    );
    let table = asked.table([
        state("as it should be", Truth::Holds, database("looker", "")),
        state("a required attribute is not there", Truth::Fails, database("looker", "ALTER ROLE writer NOLOGIN")),
        state("a forbidden attribute", Truth::Fails, database("looker", "ALTER ROLE writer SUPERUSER")),
        state(
            "a forbidden attribute of a role that SET ROLE leads to",
            Truth::Fails,
            database("looker", "GRANT chief TO writer"),
        ),
        state(
            "a privilege is not there",
            Truth::Fails,
            database("looker", "REVOKE INSERT ON governed.unit FROM writer"),
        ),
        state(
            "a privilege that cannot be used: no USAGE of the schema",
            Truth::Fails,
            database("looker", "REVOKE USAGE ON SCHEMA governed FROM writer"),
        ),
        state("a denied privilege", Truth::Fails, database("looker", "GRANT INSERT ON governed.unit TO reader")),
        state(
            "a denied privilege, of everybody",
            Truth::Fails,
            database("looker", "GRANT INSERT ON governed.unit TO PUBLIC"),
        ),
        state(
            "a denied privilege, on one column",
            Truth::Fails,
            database("looker", "GRANT INSERT (state) ON governed.unit TO reader"),
        ),
        state(
            "a denied privilege by SET ROLE, not inherited",
            Truth::Fails,
            database("looker", "GRANT writer TO reader"),
        ),
        state(
            "a denied privilege of the owner",
            Truth::Fails,
            database("looker", "ALTER TABLE governed.unit OWNER TO reader"),
        ),
        state("no such table", Truth::CannotBeKnown, database("looker", "DROP TABLE governed.unit")),
        state("no such schema", Truth::CannotBeKnown, database("looker", "DROP SCHEMA governed CASCADE")),
        state(
            "the asking role has no USAGE of the schema",
            Truth::CannotBeKnown,
            database("looker", "REVOKE USAGE ON SCHEMA governed FROM looker"),
        ),
        state(
            "the catalogue of roles is closed to the asking role",
            Truth::CannotBeKnown,
            database("looker", "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC"),
        ),
        state("memberships are locked by another session", Truth::CannotBeKnown, {
            let cluster = cluster.clone();
            move |room: &Room| {
                let name = fill(room, &cluster, "looker", "");
                let mut holder = cluster.session(&name);
                holder.run("BEGIN; LOCK TABLE pg_catalog.pg_auth_members IN ACCESS EXCLUSIVE MODE;");
                room.keep(holder);
            }
        }),
        state("no such database", Truth::CannotBeKnown, {
            let cluster = cluster.clone();
            move |room: &Room| words(room, &cluster, "nowhere", "looker")
        }),
        state("a wrong password", Truth::CannotBeKnown, database("locked&password=hunter2", "")),
        state("encryption is demanded, and the server has none", Truth::CannotBeKnown, {
            let cluster = cluster.clone();
            move |room: &Room| without_tls(room, &cluster, "nowhere", "looker")
        }),
        state("the server only replays what another one did", Truth::Fails, |room| {
            let cluster = Cluster::start();
            fill(room, &cluster, "looker", "");
            cluster.restart_as_standby();
            room.keep(cluster);
        }),
        state("the server was stopped", Truth::CannotBeKnown, |room| {
            let cluster = Cluster::start();
            fill(room, &cluster, "looker", "");
            cluster.stop();
            room.keep(cluster);
        }),
    ]);
    let slow =
        asked.table([state("slower than the limit of one second", Truth::CannotBeKnown, database("looker", SLOW))]);
    let mut patient = asked.clone();
    patient.settings = patient.settings.replace("\"1s\"", "\"20s\"");
    let stopped = patient.table([state("the server is stopped while it is asked", Truth::CannotBeKnown, |room| {
        let cluster = Arc::new(Cluster::start());
        let name = fill(room, &cluster, "looker", SLOW);
        room.keep(Meanwhile::run(&cluster, &name, Cluster::stop));
        room.keep(cluster);
    })
    .mask(LAST_WORDS.0, LAST_WORDS.1)]);
    let mut embedded = asked;
    embedded.settings = embedded.settings.replace(URL, "sqlite:governance.db");
    let embedded = embedded.table([state("an embedded registry has no roles", Truth::CannotBeKnown, |room| {
        room.write("governance.db", "");
    })]);
    let about = "Whether a role is as required, may do its work, and another may not do it: asked of the server, tuple by tuple.";
    matrix("pg-principals", about, vec![table, slow, stopped, embedded]);
}

//! `pg-surface` in every state: a database of its own for each row.

use std::sync::Arc;

use super::sql::postgresql::{LAST_WORDS, Meanwhile, URL, without_tls, words};
use super::{Asked, Room, Truth, matrix, state};
use crate::postgres::Cluster;

const TABLE: &str = "DO $$ BEGIN CREATE ROLE surveyor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    CREATE SCHEMA governed; CREATE TABLE governed.unit (id int, state text); INSERT INTO governed.unit VALUES (1, 'draft'), (2, 'draft');
    CREATE FUNCTION governed.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER keep BEFORE UPDATE ON governed.unit FOR EACH ROW EXECUTE FUNCTION governed.keep();
    CREATE FUNCTION governed.slow(int) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(8) IS NOT NULL';
    CREATE FUNCTION governed.sly(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN SET TRANSACTION READ WRITE; RETURN true; END';
    GRANT USAGE ON SCHEMA governed TO surveyor; GRANT SELECT ON governed.unit TO surveyor;";

fn fill(room: &Room, cluster: &Cluster, role: &str, sql: &str) -> String {
    let name = cluster.database(&format!("{TABLE} {sql}"));
    words(room, cluster, &name, role);
    name
}

#[test]
fn states_of_the_surface() {
    let cluster = Cluster::shared();
    let database = |role: &'static str, sql: &'static str| {
        let cluster = cluster.clone();
        move |room: &Room| drop(fill(room, &cluster, role, sql))
    };
    let asking = |target: &str, timeout: &str| {
        Asked::of(
            "pg-surface",
            format!(
                "url = \"{URL}\"\ntimeout = \"{timeout}\"\n\
                 tables = {{ unit = {{ table = \"governed.unit\", target = \"{target}\" }} }}\n\
                 functions = {{ keep = \"governed.keep()\" }}"
            ),
        )
        .rule(
            "!p.in_recovery && p.tables.unit.content.rows == 2 && p.tables.unit.target.rows == 1 \
             && p.tables.unit.triggers.exists(t, t.name == \"keep\" && t.enabled == \"enabled\") \
             && p.functions.keep.language == \"plpgsql\"",
        )
        .shows(&["tables.unit.content", "functions.keep.source_sha256", "unchanged"])
        .says(
            "{p.tables.unit.content.rows} rows, {p.tables.unit.target.rows} of the target, triggers \
             {p.tables.unit.triggers.map(t, t.name + \" \" + t.enabled)}, replays: {p.in_recovery}",
        )
    };
    let asked = asking("id = 1", "1s");
    let table = asked.table([
        state("as it should be", Truth::Holds, database("surveyor", "")),
        state("another row", Truth::Fails, database("surveyor", "INSERT INTO governed.unit VALUES (3, 'draft')")),
        state("the table is empty", Truth::Fails, database("surveyor", "DELETE FROM governed.unit")),
        state("the trigger is disabled", Truth::Fails, database("surveyor", "ALTER TABLE governed.unit DISABLE TRIGGER keep")),
        state("the trigger is gone", Truth::Fails, database("surveyor", "DROP TRIGGER keep ON governed.unit")),
        state("no such table", Truth::CannotBeKnown, database("surveyor", "DROP TABLE governed.unit")),
        state(
            "a view in the table's place",
            Truth::CannotBeKnown,
            database("surveyor", "DROP TABLE governed.unit; CREATE VIEW governed.unit AS SELECT 1 AS id; GRANT SELECT ON governed.unit TO surveyor"),
        ),
        state("no such function", Truth::CannotBeKnown, database("surveyor", "DROP FUNCTION governed.keep() CASCADE; CREATE FUNCTION governed.hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER keep BEFORE UPDATE ON governed.unit FOR EACH ROW EXECUTE FUNCTION governed.hold()")),
        state("no right to the table", Truth::CannotBeKnown, database("surveyor", "REVOKE SELECT ON governed.unit FROM surveyor")),
        state(
            "a right to one of the columns only",
            Truth::CannotBeKnown,
            database("surveyor", "REVOKE SELECT ON governed.unit FROM surveyor; GRANT SELECT (id) ON governed.unit TO surveyor"),
        ),
        state("no USAGE of the schema", Truth::CannotBeKnown, database("surveyor", "REVOKE USAGE ON SCHEMA governed FROM surveyor")),
        state(
            "row security that hides rows",
            Truth::CannotBeKnown,
            database("surveyor", "ALTER TABLE governed.unit ENABLE ROW LEVEL SECURITY; CREATE POLICY one ON governed.unit USING (id = 1)"),
        ),
        state("locked by another session", Truth::CannotBeKnown, {
            let cluster = cluster.clone();
            move |room: &Room| {
                let name = fill(room, &cluster, "surveyor", "");
                let mut holder = cluster.session(&name);
                holder.run("BEGIN; LOCK TABLE governed.unit IN ACCESS EXCLUSIVE MODE;");
                room.keep(holder);
            }
        }),
        state("no such database", Truth::CannotBeKnown, {
            let cluster = cluster.clone();
            move |room: &Room| words(room, &cluster, "nowhere", "surveyor")
        }),
        state("a wrong password", Truth::CannotBeKnown, database("locked&password=hunter2", "")),
        state("encryption is demanded, and the server has none", Truth::CannotBeKnown, {
            let cluster = cluster.clone();
            move |room: &Room| without_tls(room, &cluster, "nowhere", "surveyor")
        }),
        state("the server only replays what another one did", Truth::Fails, |room| {
            let cluster = Cluster::start();
            fill(room, &cluster, "surveyor", "");
            cluster.restart_as_standby();
            room.keep(cluster);
        }),
        state("the server was stopped", Truth::CannotBeKnown, |room| {
            let cluster = Cluster::start();
            fill(room, &cluster, "surveyor", "");
            cluster.stop();
            room.keep(cluster);
        }),
    ]);
    let slow = asking("governed.slow(id)", "1s").table([state(
        "slower than the limit of one second",
        Truth::CannotBeKnown,
        database("surveyor", ""),
    )]);
    let sly = asking("governed.sly(id)", "1s").table([state(
        "a function that makes the transaction writable",
        Truth::CannotBeKnown,
        database("surveyor", ""),
    )]);
    let stopped = asking("governed.slow(id)", "20s").table([state(
        "the server is stopped while rows are counted",
        Truth::CannotBeKnown,
        |room| {
            let cluster = Arc::new(Cluster::start());
            let name = fill(room, &cluster, "surveyor", "");
            room.keep(Meanwhile::run(&cluster, &name, Cluster::stop));
            room.keep(cluster);
        },
    )
    .mask(LAST_WORDS.0, LAST_WORDS.1)]);
    let mut embedded = asked;
    embedded.settings = embedded.settings.replace(URL, "sqlite:governance.db");
    let embedded = embedded.table([state("an embedded registry", Truth::CannotBeKnown, |room| {
        room.write("governance.db", "");
    })]);
    let about = "Whether a table has its rows and its trigger. Conditions that write, or end where they should not, are refused when \
                 the gate is loaded.";
    matrix("pg-surface", about, vec![table, slow, sly, stopped, embedded]);
}

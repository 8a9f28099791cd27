//! What a run could change in a PostgreSQL database: rows of named tables as counts and digests, and what decides how rows are
//! written (triggers, rules, constraints, defaults, functions, sequences), with the server's identity beside it.
//!
//! Counting and digesting is done by the server, in one pass for each table. A table that takes longer than the limit is unknown,
//! and named; it is never counted in part unless the package asks for a sample, and then every number says so.
//!
//! A table that is not there is an error and not an absence: otherwise "nothing changed" could be said of a name that was
//! never right.

mod settings;
mod table;

use std::collections::BTreeMap;

use self::settings::Given;
use super::sql::name::Name;
use super::sql::query::{Kind, Query};
use super::sql::server::{self, only};
use super::sql::session::Snapshot;
use super::{Door, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape};

/// The probe `pg-surface`.
pub struct PgSurface;

impl Probe for PgSurface {
    fn kind(&self) -> &'static str {
        "pg-surface"
    }

    fn summary(&self) -> &'static str {
        "what a run could change in PostgreSQL: rows as counts and digests, triggers, functions, sequences, the server's identity"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            server::URL,
            Parameter {
                name: "tables",
                kind: ParameterKind::Table,
                required: true,
                doc: "name = { table = \"schema.name\", target = \"a condition on its columns\", sample_percent = 1 }; without \
                      sample_percent every row is read; names in the condition beyond the columns need their schema",
            },
            Parameter {
                name: "functions",
                kind: ParameterKind::Table,
                required: false,
                doc: "name = \"schema.name\", or \"schema.name(integer, text)\" where there are several",
            },
            Parameter { name: "sequences", kind: ParameterKind::Table, required: false, doc: "name = \"schema.name\"" },
            server::STATEMENT_TIMEOUT,
        ]
    }

    fn shape(&self, settings: &Settings) -> Shape {
        let given = Given::read(settings).unwrap_or_default();
        let function = || {
            Shape::record([
                ("name", Shape::Text),
                ("source_sha256", Shape::Text),
                ("definition_sha256", Shape::Text),
                ("language", Shape::Text),
                ("owner", Shape::Text),
                ("security_definer", Shape::Bool),
            ])
        };
        let sequence = || Shape::record([("last_value", Shape::Int), ("is_called", Shape::Bool)]);
        let tables = given.tables.iter().map(|(key, table)| (key.as_str(), table::shape(table)));
        let own = [
            ("database", Shape::Text),
            ("system_identifier", Shape::Text),
            ("wal_position", Shape::Text),
            ("tables", Shape::record(tables)),
            ("functions", Shape::record(given.functions.keys().map(|key| (key.as_str(), function())))),
            ("sequences", Shape::record(given.sequences.keys().map(|key| (key.as_str(), sequence())))),
        ];
        Shape::record(server::shapes().into_iter().chain(own))
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let mut problems = match Given::read(settings) {
            Ok(given) if given.tables.is_empty() => vec![SettingProblem {
                name: "tables".to_owned(),
                message: "there is no table".to_owned(),
                help: "name = { table = \"schema.name\" }".to_owned(),
            }],
            Ok(_) => Vec::new(),
            Err(problems) => problems,
        };
        problems.extend(server::check_url(settings));
        problems
    }

    fn recorded(&self, settings: &Settings) -> Settings {
        server::recorded(settings)
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let given = server::given(Given::read(settings), self.kind(), door)?;
        let mut found = Found::default();
        let (mut facts, ended) = server::ask(settings, door, async |snapshot| found.ask(snapshot, &given).await);
        let Found { database, system_identifier, wal_position, mut tables, mut functions, mut sequences } = found;
        for (key, table) in &given.tables {
            tables.entry(key.clone()).or_insert_with(|| table::unknown(table, &ended.why()));
        }
        for key in given.functions.keys() {
            functions.entry(key.clone()).or_insert_with(|| ended.why().into());
        }
        for key in given.sequences.keys() {
            sequences.entry(key.clone()).or_insert_with(|| ended.why().into());
        }
        facts.extend([
            ("database", ended.or_why(database)),
            ("system_identifier", ended.or_why(system_identifier)),
            ("wal_position", ended.or_why(wal_position)),
            ("tables", Fact::Map(tables)),
            ("functions", Fact::Map(functions)),
            ("sequences", Fact::Map(sequences)),
        ]);
        Ok(Fact::record(facts))
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    database: Option<Fact>,
    system_identifier: Option<Fact>,
    wal_position: Option<Fact>,
    tables: BTreeMap<String, Fact>,
    functions: BTreeMap<String, Fact>,
    sequences: BTreeMap<String, Fact>,
}

impl Found {
    async fn ask(&mut self, snapshot: &mut Snapshot<'_>, given: &Given) -> Result<(), Missing> {
        let one = async |snapshot: &mut Snapshot<'_>, about: &str, value: &str| {
            let query = Query::of(format!("SELECT {value} AS value"), &[("value", Kind::Text)]);
            let row = only(snapshot.ask(about, &query).await?);
            Ok::<_, Missing>(row.get("value").cloned())
        };
        self.database = one(snapshot, "the database's name", "current_database()::text").await?;
        let identifier = "(SELECT c.system_identifier::text FROM pg_control_system() c)";
        self.system_identifier = one(snapshot, "the system identifier", identifier).await?;
        let position =
            "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text";
        self.wal_position = one(snapshot, "the position of the log", position).await?;
        for (key, (name, arguments, written)) in &given.functions {
            let fact = function(snapshot, name, arguments.as_deref(), written).await?;
            self.functions.insert(key.clone(), fact);
        }
        for (key, (name, written)) in &given.sequences {
            let sql = format!("SELECT s.last_value, s.is_called FROM {} s", name.quoted());
            let query = Query::of(sql, &[("last_value", Kind::Int), ("is_called", Kind::Bool)]);
            let fact = match snapshot.ask(&format!("the sequence {written}"), &query).await?.into_list() {
                Ok(mut rows) if rows.len() == 1 => rows.remove(0),
                Ok(rows) => Fact::List(rows),
                Err(other) => other,
            };
            self.sequences.insert(key.clone(), fact);
        }
        // What costs most comes last, so that the rest is known when time runs out.
        for (key, table) in &given.tables {
            let fact = table::ask(snapshot, table).await?;
            self.tables.insert(key.clone(), fact);
        }
        Ok(())
    }
}

/// One function: the digest of its source, and of everything that CREATE FUNCTION would need.
async fn function(
    snapshot: &mut Snapshot<'_>,
    name: &Name,
    arguments: Option<&str>,
    written: &str,
) -> Result<Fact, Missing> {
    let of =
        arguments.map(|types| format!(" AND oidvectortypes(p.proargtypes) = {}", super::sql::name::literal(types)));
    let digest = |text: &str| format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')");
    let sql = format!(
        "SELECT p.oid::regprocedure::text AS name, {} AS source_sha256, {} AS definition_sha256, l.lanname::text AS language, \
         pg_get_userbyid(p.proowner)::text AS owner, p.prosecdef AS security_definer \
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang \
         WHERE n.nspname = {} AND p.proname = {} AND p.prokind IN ('f', 'p', 'w'){}",
        digest("p.prosrc"),
        digest("pg_get_functiondef(p.oid)"),
        name.literal(0),
        name.literal(1),
        of.unwrap_or_default(),
    );
    let texts = ["name", "source_sha256", "definition_sha256", "language", "owner"].map(|name| (name, Kind::Text));
    let columns: Vec<_> = texts.into_iter().chain([("security_definer", Kind::Bool)]).collect();
    let about = format!("the function {written}");
    let rows = snapshot.ask(&about, &Query::of(sql, &columns)).await?;
    Ok(match rows.into_list() {
        Ok(mut rows) if rows.len() == 1 => rows.remove(0),
        Ok(rows) if rows.is_empty() => {
            let said = format!("there is no function {written} in this database");
            snapshot.missing(&about, MissingState::Error, said, "create it, or correct the package").into()
        }
        Ok(rows) => {
            let said = format!("{written} names {} functions", rows.len());
            snapshot.missing(&about, MissingState::Error, said, "write the types of its arguments").into()
        }
        Err(other) => other,
    })
}

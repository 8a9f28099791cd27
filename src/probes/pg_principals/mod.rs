//! The roles of a PostgreSQL server, what each may do in the named schemas, and whether that is what the package expects.
//!
//! Privileges are those that the server itself grants when it is asked, by `has_table_privilege` and its like:
//! `information_schema` shows a role only what concerns it. Everything comes from one transaction; those functions look at
//! the catalogue as it is while they run, and the rest sees it as of the transaction's beginning.
//!
//! What is allowed must be usable: the privilege and USAGE of the schema. What is denied must be out of reach: neither the role
//! nor any role that it is a member of, inherited or not, holds the privilege on the object or on one of its columns, or
//! owns it. A tuple whose role or object is not there holds in neither list.
//!
//! A schema that the asking role has no USAGE of is not looked into, although the catalogue would show some of it: its place in
//! the matrix is a hole, and the digest is missing.

mod matrix;
mod required;
mod settings;
mod tuples;

use self::matrix::Matrix;
use self::required::Expected;
use self::settings::Given;
use super::sql::query::{Kind, Query};
use super::sql::server::{self, only};
use super::sql::session::Snapshot;
use super::{Door, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape};

/// The probe `pg-principals`.
pub struct PgPrincipals;

impl Probe for PgPrincipals {
    fn kind(&self) -> &'static str {
        "pg-principals"
    }

    fn summary(&self) -> &'static str {
        "roles of PostgreSQL with attributes, memberships and privileges, and whether they are as expected"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            server::URL,
            Parameter {
                name: "schemas",
                kind: ParameterKind::Texts,
                required: true,
                doc: "the schemas whose objects stand in the grant matrix",
            },
            Parameter {
                name: "roles",
                kind: ParameterKind::Tables,
                required: false,
                doc: "{ name = \"…\", required = [\"LOGIN\"], forbidden = [\"SUPERUSER\"] }: roles that must be there, with and \
                      without these attributes; a forbidden one counts also where it is reached by SET ROLE",
            },
            Parameter {
                name: "matrix_sha256",
                kind: ParameterKind::Text,
                required: false,
                doc: "the sha256 that the grant matrix must have, as 64 hex digits",
            },
            Parameter {
                name: "allow",
                kind: ParameterKind::Tables,
                required: false,
                doc: "{ role = \"…\", privilege = \"INSERT\", on = \"table schema.name\" }: what must be usable; on: table, column, \
                      sequence, function or schema",
            },
            Parameter {
                name: "deny",
                kind: ParameterKind::Tables,
                required: false,
                doc: "the same form: what must be out of reach, also by membership, ownership or a single column",
            },
            server::STATEMENT_TIMEOUT,
        ]
    }

    fn shape(&self, _settings: &Settings) -> Shape {
        let texts = || Shape::list(Shape::Text);
        let role = Shape::record([
            ("name", Shape::Text),
            ("superuser", Shape::Bool),
            ("inherit", Shape::Bool),
            ("create_role", Shape::Bool),
            ("create_db", Shape::Bool),
            ("can_login", Shape::Bool),
            ("replication", Shape::Bool),
            ("bypass_rls", Shape::Bool),
            ("connection_limit", Shape::Int),
            ("valid_until", Shape::Time),
        ]);
        let membership = Shape::record([("role", Shape::Text), ("member", Shape::Text), ("admin", Shape::Bool)]);
        let schema = Shape::record([
            ("name", Shape::Text),
            ("exists", Shape::Bool),
            ("owner", Shape::Text),
            ("visible", Shape::Bool),
        ]);
        let grant = Shape::record([
            ("role", Shape::Text),
            ("kind", Shape::Text),
            ("object", Shape::Text),
            ("privileges", texts()),
        ]);
        let required = Shape::record([
            ("name", Shape::Text),
            ("exists", Shape::Bool),
            ("lacks", texts()),
            ("excess", texts()),
            ("matches", Shape::Bool),
        ]);
        let tuple = Shape::record([
            ("role", Shape::Text),
            ("privilege", Shape::Text),
            ("on", Shape::Text),
            ("held", Shape::Bool),
            ("through", Shape::Text),
        ]);
        let own = [
            ("roles", Shape::list(role)),
            ("memberships", Shape::list(membership)),
            ("schemas", Shape::list(schema)),
            ("grants", Shape::list(grant)),
            ("definers", Shape::list(Shape::record([("function", Shape::Text), ("owner", Shape::Text)]))),
            ("matrix_sha256", Shape::Text),
            ("matrix_matches", Shape::Bool),
            ("required", Shape::list(required)),
            ("allow", Shape::list(tuple.clone())),
            ("deny", Shape::list(tuple)),
        ];
        Shape::record(server::shapes().into_iter().chain(own))
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let problems = Given::read(settings).err().unwrap_or_default();
        problems.into_iter().chain(server::check_url(settings)).collect()
    }

    fn recorded(&self, settings: &Settings) -> Settings {
        server::recorded(settings)
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let given = server::given(Given::read(settings), self.kind(), door)?;
        let mut found = Found::default();
        let (mut facts, ended) = server::ask(settings, door, async |snapshot| found.ask(snapshot, &given).await);
        let roles = ended.or_why(found.roles);
        let memberships = ended.or_why(found.memberships);
        let expected = Expected { roles: &roles, memberships: &memberships };
        let required = Fact::list(given.roles.iter().map(|role| expected.of(role)));
        let matrix = found.matrix.unwrap_or_else(|| Matrix::of(ended.or_why(None), &[]));
        let matches = match (&given.matrix_sha256, &matrix.sha256) {
            (Some(expected), Fact::Text(found)) => (expected == found).into(),
            (Some(_), missing) => missing.clone(),
            (None, _) => {
                let next = "give matrix_sha256 in the settings of the probe";
                let said = "the package names no digest for the grant matrix";
                door.missing(MissingState::Absent, "compare the grant matrix", said, next).into()
            }
        };
        facts.extend([
            ("roles", roles),
            ("memberships", memberships),
            ("schemas", ended.or_why(found.schemas)),
            ("grants", matrix.grants),
            ("definers", ended.or_why(found.definers)),
            ("matrix_sha256", matrix.sha256),
            ("matrix_matches", matches),
            ("required", required),
            ("allow", ended.or_why(found.allow)),
            ("deny", ended.or_why(found.deny)),
        ]);
        Ok(Fact::record(facts))
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    roles: Option<Fact>,
    memberships: Option<Fact>,
    schemas: Option<Fact>,
    matrix: Option<Matrix>,
    definers: Option<Fact>,
    allow: Option<Fact>,
    deny: Option<Fact>,
}

/// Every role, with its attributes; readable to everybody, passwords are not in it.
const ROLES: &str = "SELECT r.rolname::text AS name, r.rolsuper AS superuser, r.rolinherit AS inherit, \
    r.rolcreaterole AS create_role, r.rolcreatedb AS create_db, r.rolcanlogin AS can_login, \
    r.rolreplication AS replication, r.rolbypassrls AS bypass_rls, r.rolconnlimit AS connection_limit, \
    CASE WHEN isfinite(r.rolvaliduntil) THEN r.rolvaliduntil WHEN r.rolvaliduntil < now() THEN to_timestamp(0) END \
    AS valid_until FROM pg_roles r ORDER BY r.rolname::text COLLATE \"C\"";

/// Who was made a member of what; what follows from several is not in it.
const MEMBERSHIPS: &str = "SELECT r.rolname::text AS role, m.rolname::text AS member, bool_or(a.admin_option) AS admin \
    FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member \
    GROUP BY 1, 2 ORDER BY r.rolname::text COLLATE \"C\", m.rolname::text COLLATE \"C\"";

impl Found {
    async fn ask(&mut self, snapshot: &mut Snapshot<'_>, given: &Given) -> Result<(), Missing> {
        let text = |name| (name, Kind::Text);
        let flags = ["superuser", "inherit", "create_role", "create_db", "can_login", "replication", "bypass_rls"];
        let columns: Vec<(&str, Kind)> = flags
            .into_iter()
            .map(|flag| (flag, Kind::Bool))
            .chain([text("name"), ("connection_limit", Kind::Int), ("valid_until", Kind::Time)])
            .collect();
        self.roles = Some(snapshot.ask("its roles", &Query::of(ROLES, &columns)).await?);
        let columns = [text("role"), text("member"), ("admin", Kind::Bool)];
        self.memberships = Some(snapshot.ask("memberships of roles", &Query::of(MEMBERSHIPS, &columns)).await?);
        let version =
            Query::of("SELECT current_setting('server_version_num')::int4 AS number", &[("number", Kind::Int)]);
        let version = only(snapshot.ask("its version", &version).await?);
        // MAINTAIN came with PostgreSQL 17.
        let maintains = matches!(version.get("number"), Some(Fact::Int(number)) if *number >= 170_000);
        let schemas = matrix::schemas(snapshot, &given.schemas).await?;
        self.schemas = Some(Fact::list(schemas.iter().map(|schema| schema.fact.clone())));
        let (grants, definers) = matrix::ask(snapshot, &schemas, maintains).await?;
        self.matrix = Some(Matrix::of(grants, &schemas));
        self.definers = Some(matrix::with_holes(definers, &schemas));
        self.allow = Some(tuples::ask(snapshot, &given.allow, tuples::List::Allow).await?);
        self.deny = Some(tuples::ask(snapshot, &given.deny, tuples::List::Deny).await?);
        Ok(())
    }
}

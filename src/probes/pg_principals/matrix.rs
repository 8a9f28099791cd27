//! The grant matrix: for each role and object in the named schemas the privileges that the role can use.
//!
//! Superusers stand in it with one line, for they may do everything; predefined roles (`pg_…`) with none, for what
//! they give is seen at their members. `public` is everybody. A star after a privilege is the right to pass it on. OWNER is
//! whoever has the rights of the owner. The order is that of bytes, so that the digest depends on nothing else.

use super::super::sql::name::{literal, quoted};
use super::super::sql::query::{Kind, Query};
use super::super::sql::server::only;
use super::super::sql::session::Snapshot;
use super::settings::ON_COLUMNS;
use crate::evidence::{Fact, Missing, MissingState, canonical_json, sha256_hex};

/// A schema that was asked for.
pub(super) struct Schema {
    name: String,
    /// Its place in the facts.
    pub fact: Fact,
    /// Why it cannot be looked into.
    hidden: Option<Missing>,
}

/// Looks for each schema, and whether the asking role may look into it, in the server's own words.
pub(super) async fn schemas(snapshot: &mut Snapshot<'_>, names: &[String]) -> Result<Vec<Schema>, Missing> {
    let mut schemas = Vec::new();
    for name in names {
        let about = format!("the schema {name}");
        let sql = format!(
            "SELECT pg_get_userbyid(n.nspowner)::text AS owner FROM pg_namespace n WHERE n.nspname = {}",
            literal(name)
        );
        let found = snapshot.ask(&about, &Query::of(sql, &[("owner", Kind::Text)])).await?;
        let owner = match found.into_list() {
            Ok(rows) => rows.first().map(|row| row.get("owner").cloned().unwrap_or_else(|| row.clone())),
            Err(missing) => Some(missing),
        };
        let visible = is_visible(snapshot, name).await?;
        let absent = || {
            let next = "create it, or correct the package";
            snapshot.missing(&about, MissingState::Error, format!("there is no schema {name}"), next)
        };
        let hidden = match (&owner, &visible) {
            (None, _) => Some(absent()),
            (Some(Fact::Missing(missing)), _) | (Some(_), Fact::Missing(missing)) => Some((**missing).clone()),
            (Some(_), _) => None,
        };
        let exists: Fact = match &owner {
            None => false.into(),
            Some(missing @ Fact::Missing(_)) => missing.clone(),
            Some(_) => true.into(),
        };
        let fact = Fact::record([
            ("name", Fact::text(name)),
            ("exists", exists),
            ("visible", if owner.is_none() { absent().into() } else { visible }),
            ("owner", owner.unwrap_or_else(|| absent().into())),
        ]);
        schemas.push(Schema { name: name.clone(), fact, hidden });
    }
    Ok(schemas)
}

/// Whether the asking role may look into a schema: true, or why not, in the server's own words. Looking a name up is refused
/// where USAGE is not held, and finds nothing otherwise.
pub(super) async fn is_visible(snapshot: &mut Snapshot<'_>, schema: &str) -> Result<Fact, Missing> {
    let inside = literal(&format!("{}.cutgate", quoted(schema)));
    let sql = format!("SELECT coalesce(to_regclass({inside})::oid, 0::oid) >= 0::oid AS visible");
    let asked = Query::of(sql, &[("visible", Kind::Bool)]);
    let row = only(snapshot.ask(&format!("the schema {schema}"), &asked).await?);
    Ok(row.get("visible").cloned().expect("invariant: the column was declared"))
}

/// The grants in the schemas that can be looked into, as rows, and the functions there that run with their owner's rights.
pub(super) async fn ask(
    snapshot: &mut Snapshot<'_>,
    schemas: &[Schema],
    maintains: bool,
) -> Result<(Fact, Fact), Missing> {
    let seen = schemas.iter().filter(|schema| schema.hidden.is_none()).map(|schema| literal(&schema.name));
    let seen: Vec<String> = seen.chain([literal("")]).collect();
    let seen = seen.join(", ");
    let columns = ["role", "kind", "object", "privileges"].map(|name| (name, Kind::Text));
    let grants = snapshot.ask("its grants", &Query::of(grants_sql(&seen, maintains), &columns)).await?;
    let sql = format!(
        "SELECT {} AS function, pg_get_userbyid(p.proowner)::text AS owner FROM pg_proc p \
         JOIN pg_namespace s ON s.oid = p.pronamespace WHERE p.prosecdef AND s.nspname IN ({seen}) ORDER BY 1, 2",
        function_name("s", "p"),
    );
    let columns = [("function", Kind::Text), ("owner", Kind::Text)];
    let definers = snapshot.ask("functions with their owner's rights", &Query::of(sql, &columns)).await?;
    Ok((grants, definers))
}

/// The text of a function's name, with the types of its arguments.
fn function_name(schema: &str, function: &str) -> String {
    format!(
        "quote_ident({schema}.nspname) || '.' || quote_ident({function}.proname) || '(' || oidvectortypes({function}.proargtypes) || ')'"
    )
}

/// The privileges of `a` on an object, as a text with commas.
fn held(test: &str, object: &str, owner: &str, privileges: &[&str]) -> String {
    let each = privileges.iter().map(|privilege| {
        let has = |what: &str| format!("{test}(a.oid, {object}, '{what}')");
        let (plain, grantable) = (has(privilege), has(&format!("{privilege} WITH GRANT OPTION")));
        format!("CASE WHEN {plain} THEN CASE WHEN {grantable} THEN '{privilege}*' ELSE '{privilege}' END END")
    });
    let owner = format!("CASE WHEN pg_has_role(a.oid, {owner}, 'USAGE') THEN 'OWNER' END");
    format!("concat_ws(',', {owner}, {})", each.collect::<Vec<_>>().join(", "))
}

fn grants_sql(seen: &str, maintains: bool) -> String {
    let mut on_tables = vec!["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
    if maintains {
        on_tables.push("MAINTAIN");
    }
    // Where the table's own privilege is held, that of a column says nothing more.
    let on_columns = ON_COLUMNS.map(|privilege| {
        format!(
            "CASE WHEN has_column_privilege(a.oid, c.oid, t.attnum, '{privilege}') \
             AND NOT has_table_privilege(a.oid, c.oid, '{privilege}') THEN '{privilege}' END"
        )
    });
    format!(
        "WITH a AS (SELECT r.oid, r.rolname::text AS role FROM pg_roles r WHERE NOT r.rolsuper AND r.rolname !~ '^pg_' \
         UNION ALL SELECT 0::oid, 'public'), \
         s AS (SELECT n.oid, n.nspname, n.nspowner FROM pg_namespace n WHERE n.nspname IN ({seen})) \
         SELECT * FROM ( \
         SELECT r.rolname::text AS role, 'cluster' AS kind, '*' AS object, 'SUPERUSER' AS privileges \
         FROM pg_roles r WHERE r.rolsuper \
         UNION ALL SELECT a.role, 'database', quote_ident(d.datname), {database} \
         FROM a CROSS JOIN pg_database d WHERE d.datname = current_database() \
         UNION ALL SELECT a.role, 'schema', quote_ident(s.nspname), {schema} FROM a CROSS JOIN s \
         UNION ALL SELECT a.role, 'table', quote_ident(s.nspname) || '.' || quote_ident(c.relname), {table} \
         FROM a CROSS JOIN s JOIN pg_class c ON c.relnamespace = s.oid WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
         AND (has_table_privilege(a.oid, c.oid, '{any}') OR pg_has_role(a.oid, c.relowner, 'USAGE')) \
         UNION ALL SELECT a.role, 'sequence', quote_ident(s.nspname) || '.' || quote_ident(c.relname), {sequence} \
         FROM a CROSS JOIN s JOIN pg_class c ON c.relnamespace = s.oid WHERE c.relkind = 'S' \
         UNION ALL SELECT a.role, 'column', \
         quote_ident(s.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(t.attname), concat_ws(',', {column}) \
         FROM a CROSS JOIN s JOIN pg_class c ON c.relnamespace = s.oid JOIN pg_attribute t ON t.attrelid = c.oid \
         WHERE t.attacl IS NOT NULL AND t.attnum > 0 AND NOT t.attisdropped \
         UNION ALL SELECT a.role, 'function', {function_name}, {function} \
         FROM a CROSS JOIN s JOIN pg_proc p ON p.pronamespace = s.oid \
         ) m WHERE m.privileges <> ''",
        database = held("has_database_privilege", "d.oid", "d.datdba", &["CREATE", "CONNECT", "TEMPORARY"]),
        schema = held("has_schema_privilege", "s.oid", "s.nspowner", &["USAGE", "CREATE"]),
        table = held("has_table_privilege", "c.oid", "c.relowner", &on_tables),
        sequence = held("has_sequence_privilege", "c.oid", "c.relowner", &["USAGE", "SELECT", "UPDATE"]),
        column = on_columns.join(", "),
        // One question for most pairs of a role and a table: a list is held where one of it is.
        any = on_tables.join(", "),
        function_name = function_name("s", "p"),
        function = held("has_function_privilege", "p.oid", "p.proowner", &["EXECUTE"]),
    )
}

/// The matrix and its digest.
pub(super) struct Matrix {
    /// One record for each role and object, and a hole for each schema that cannot be looked into.
    pub grants: Fact,
    /// The SHA-256 of the canonical JSON of `grants`; missing where that has a hole.
    pub sha256: Fact,
}

impl Matrix {
    /// Puts rows into their order.
    pub fn of(rows: Fact, schemas: &[Schema]) -> Self {
        let Fact::List(rows) = rows else { return Self { grants: rows.clone(), sha256: rows } };
        let mut grants: Vec<Fact> = rows.into_iter().map(split).collect();
        grants.sort_by_cached_key(|grant| ["role", "kind", "object"].map(|field| text(grant, field)));
        let grants = Fact::List(grants);
        let hidden = schemas.iter().find_map(|schema| schema.hidden.clone());
        let sha256 = match hidden {
            Some(reason) => reason.into(),
            None => sha256_hex(&canonical_json(&grants)).into(),
        };
        Self { grants: with_holes(grants, schemas), sha256 }
    }
}

/// A list, with a hole for each schema that cannot be looked into.
pub(super) fn with_holes(list: Fact, schemas: &[Schema]) -> Fact {
    let Fact::List(mut items) = list else { return list };
    items.extend(schemas.iter().filter_map(|schema| schema.hidden.clone()).map(Fact::from));
    Fact::List(items)
}

fn split(row: Fact) -> Fact {
    let privileges = Fact::texts(text(&row, "privileges").split(',').map(str::to_owned));
    let Fact::Map(mut fields) = row else { return row };
    fields.insert("privileges".to_owned(), privileges);
    Fact::Map(fields)
}

fn text(record: &Fact, field: &str) -> String {
    match record.get(field) {
        Some(Fact::Text(text)) => text.clone(),
        Some(_) | None => String::new(),
    }
}

//! The tuples that must, or must not, be held: each asked of the server.

use std::collections::BTreeMap;

use super::super::sql::name::{Name, literal};
use super::super::sql::query::{Kind, Query};
use super::super::sql::session::Snapshot;
use super::matrix::is_visible;
use super::settings::{ON_COLUMNS, Object, Tuple};
use crate::evidence::{Fact, Missing, MissingState};

/// Which list a tuple stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// It must be usable.
    Allow,
    /// It must be out of reach.
    Deny,
}

/// The facts of a list, in its order.
pub(super) async fn ask(snapshot: &mut Snapshot<'_>, tuples: &[Tuple], list: List) -> Result<Fact, Missing> {
    if tuples.is_empty() {
        return Ok(Fact::list([]));
    }
    let mut visible: BTreeMap<&str, Fact> = BTreeMap::new();
    for schema in tuples.iter().map(|tuple| tuple.object.schema()) {
        if !visible.contains_key(schema) {
            visible.insert(schema, is_visible(snapshot, schema).await?);
        }
    }
    let each = tuples.iter().enumerate().map(|(at, tuple)| tuple_sql(at, tuple, list));
    let sql = each.collect::<Vec<_>>().join(" UNION ALL ");
    let columns = [
        ("n", Kind::Int),
        ("role_known", Kind::Bool),
        ("object_known", Kind::Bool),
        ("held", Kind::Bool),
        ("through", Kind::Text),
    ];
    let about = match list {
        List::Allow => "what must be allowed",
        List::Deny => "what must be denied",
    };
    let rows = snapshot.ask(about, &Query::of(sql, &columns)).await?;
    let facts = tuples.iter().enumerate().map(|(at, tuple)| {
        let (held, through) = answer(at, tuple, &rows, &visible[tuple.object.schema()], snapshot);
        Fact::record([
            ("role", Fact::text(&tuple.role)),
            ("privilege", Fact::text(&tuple.privilege)),
            ("on", Fact::text(&tuple.on)),
            ("held", held),
            ("through", through),
        ])
    });
    Ok(Fact::list(facts))
}

/// Whether a tuple is held, and through which roles.
fn answer(at: usize, tuple: &Tuple, rows: &Fact, visible: &Fact, snapshot: &Snapshot<'_>) -> (Fact, Fact) {
    let both = |fact: &Fact| (fact.clone(), fact.clone());
    let unknown = |said: String, next: &str| {
        let about = format!("{} of {} on {}", tuple.privilege, tuple.role, tuple.on);
        both(&snapshot.missing(&about, MissingState::Error, said, next).into())
    };
    let rows = match (visible, rows) {
        (missing @ Fact::Missing(_), _) | (_, missing @ Fact::Missing(_)) => return both(missing),
        (_, Fact::List(rows)) => rows,
        (_, Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::Map(_)) => &Vec::new(),
    };
    let number = Fact::from(at);
    let mut of_tuple = rows.iter().filter(|row| row.get("n") == Some(&number));
    let (Some(row), None) = (of_tuple.next(), of_tuple.next()) else {
        return unknown(format!("{} names more than one", tuple.on), "write the types of its arguments");
    };
    let known = |field: &str| row.get(field) == Some(&Fact::Bool(true));
    if !known("role_known") {
        return unknown(format!("there is no role {}", tuple.role), "create it, or correct the package");
    }
    if !known("object_known") {
        return unknown(format!("there is no {}", tuple.on), "create it, or correct the package");
    }
    let field = |name: &str| row.get(name).cloned();
    match (field("held"), field("through")) {
        (Some(held), Some(through)) => (held, through),
        (None, _) | (_, None) => unknown("the answer is not whole".to_owned(), "report this as a bug of cutgate"),
    }
}

fn tuple_sql(at: usize, tuple: &Tuple, list: List) -> String {
    let Tuple { role, privilege, object, .. } = tuple;
    let (role, privilege) = (literal(role), literal(privilege));
    let usable = format!("{} AND {}", has("x.oid", object, &privilege), usage("x.oid", object));
    // A statement on a table needs the privilege on the columns that it names only.
    let any_column = match object {
        Object::Table(_) if ON_COLUMNS.contains(&tuple.privilege.as_str()) => {
            format!(" OR has_any_column_privilege(r.oid, o.oid, {privilege})")
        }
        Object::Table(_) | Object::Column(_) | Object::Sequence(_) | Object::Function(..) | Object::Schema(_) => {
            String::new()
        }
    };
    // Everybody, the role itself, and every other that it is a member of, inherited or not.
    let reach = format!(
        "coalesce((SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname COLLATE \"C\") \
         FROM (SELECT m.oid, m.rolname::text AS rolname FROM pg_roles m \
         WHERE m.oid = x.oid OR (x.oid <> 0 AND NOT x.rolsuper AND pg_has_role(x.oid, m.oid, 'MEMBER')) \
         UNION ALL SELECT 0::oid, 'public') r WHERE r.oid = o.owner OR {}{any_column}), '')",
        has("r.oid", object, &privilege),
    );
    let held = match list {
        List::Allow => usable,
        List::Deny => format!("{reach} <> ''"),
    };
    format!(
        "SELECT {at} AS n, x.oid IS NOT NULL AS role_known, o.oid IS NOT NULL AS object_known, {held} AS held, \
         {reach} AS through \
         FROM (SELECT 1) one LEFT JOIN (SELECT r.oid, r.rolname::text AS rolname, r.rolsuper FROM pg_roles r \
         UNION ALL SELECT 0::oid, 'public', false) x ON x.rolname = {role} LEFT JOIN ({}) o ON true",
        object_sql(object),
    )
}

fn has(role: &str, object: &Object, privilege: &str) -> String {
    let test = match object {
        Object::Table(_) => "has_table_privilege",
        Object::Column(_) => return format!("has_column_privilege({role}, o.oid, o.part, {privilege})"),
        Object::Sequence(_) => "has_sequence_privilege",
        Object::Function(..) => "has_function_privilege",
        Object::Schema(_) => "has_schema_privilege",
    };
    format!("{test}({role}, o.oid, {privilege})")
}

/// Without USAGE of the schema, no privilege on what lies in it can be used.
fn usage(role: &str, object: &Object) -> String {
    match object {
        Object::Schema(_) => "true".to_owned(),
        Object::Table(_) | Object::Column(_) | Object::Sequence(_) | Object::Function(..) => {
            format!("has_schema_privilege({role}, o.schema, 'USAGE')")
        }
    }
}

/// The object, if it is there: oid, owner, schema, and of a column its number.
fn object_sql(object: &Object) -> String {
    let relation = |name: &Name, kinds: &str| {
        format!(
            "SELECT c.oid, c.relowner AS owner, n.oid AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relname = {} AND c.relkind IN ({kinds})",
            name.literal(0),
            name.literal(1),
        )
    };
    match object {
        Object::Table(name) => relation(name, "'r', 'p', 'v', 'm', 'f'"),
        Object::Sequence(name) => relation(name, "'S'"),
        Object::Column(name) => format!(
            "SELECT c.oid, c.owner, c.schema, t.attnum AS part FROM ({}) c JOIN pg_attribute t ON t.attrelid = c.oid \
             WHERE t.attname = {} AND t.attnum > 0 AND NOT t.attisdropped",
            relation(name, "'r', 'p', 'v', 'm', 'f'"),
            name.literal(2),
        ),
        Object::Schema(name) => format!(
            "SELECT n.oid, n.nspowner AS owner, n.oid AS schema FROM pg_namespace n WHERE n.nspname = {}",
            name.literal(0),
        ),
        Object::Function(name, arguments) => {
            let of = arguments.as_ref().map(|types| format!(" AND oidvectortypes(p.proargtypes) = {}", literal(types)));
            format!(
                "SELECT p.oid, p.proowner AS owner, n.oid AS schema FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
                 WHERE n.nspname = {} AND p.proname = {}{}",
                name.literal(0),
                name.literal(1),
                of.unwrap_or_default(),
            )
        }
    }
}

//! One table: its rows in one pass on the server, and what is fastened to it.
//!
//! The digest does not depend on the order of rows: of each row as text, the first 64 bits of its SHA-256 and the server's own
//! 64-bit hash are added up, and the SHA-256 of the count and both sums is the digest. No row can be altered so that it stays the
//! same by any effort that is known; it is not proof against somebody who may choose very many rows for this purpose.

use std::sync::Arc;

use super::super::sql::query::{Kind, Query};
use super::super::sql::server::only;
use super::super::sql::session::Snapshot;
use super::settings::Table;
use crate::evidence::{Fact, Missing, MissingState, Shape, sha256_hex};

/// The shape of the facts of one table.
pub(super) fn shape(table: &Table) -> Shape {
    let rows = || Shape::record([("rows", Shape::Int), ("digest", Shape::Text), ("sampled_percent", Shape::Int)]);
    let records = |texts: &[&'static str], flags: &[&'static str]| {
        let texts = texts.iter().map(|name| (*name, Shape::Text));
        Shape::list(Shape::record(texts.chain(flags.iter().map(|name| (*name, Shape::Bool)))))
    };
    let target = table.target.as_ref().map(|_| ("target", rows()));
    let own = [
        ("table", Shape::Text),
        ("content", rows()),
        ("columns", records(&["name", "type", "default"], &["not_null"])),
        ("constraints", records(&["name", "definition"], &["validated"])),
        ("triggers", records(&["name", "enabled", "definition"], &["internal"])),
        ("rules", records(&["name", "enabled", "definition"], &[])),
    ];
    Shape::record(own.into_iter().chain(target))
}

/// What `unknown` leaves of a table.
pub(super) fn unknown(table: &Table, reason: &Missing) -> Fact {
    let tried = |about: &str| match reason.tried.contains(&table.written) {
        true => reason.clone(),
        false => Missing { tried: format!("{} ({about} of {})", reason.tried, table.written), ..reason.clone() },
    };
    let target = table.target.as_ref().map(|_| ("target", tried("rows").into()));
    let own = [
        ("table", Fact::text(&table.written)),
        ("content", tried("rows").into()),
        ("columns", tried("columns").into()),
        ("constraints", tried("constraints").into()),
        ("triggers", tried("triggers").into()),
        ("rules", tried("rules").into()),
    ];
    Fact::record(own.into_iter().chain(target))
}

/// Everything about one table.
pub(super) async fn ask(snapshot: &mut Snapshot<'_>, table: &Table) -> Result<Fact, Missing> {
    let written = &table.written;
    let sql = format!(
        "SELECT c.oid AS oid, c.relkind AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname = {}",
        table.name.literal(0),
        table.name.literal(1),
    );
    let found = snapshot.ask(written, &Query::of(sql, &[("oid", Kind::Int), ("kind", Kind::Text)])).await?;
    let unfit =
        |said: String| snapshot.missing(written, MissingState::Error, said, "create it, or correct the package");
    let row = match found {
        Fact::List(rows) if rows.is_empty() => Err(unfit(format!("there is no {written} in this database"))),
        Fact::Missing(missing) => Err(Arc::unwrap_or_clone(missing)),
        found @ (Fact::List(_) | Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) | Fact::Time(_) | Fact::Map(_)) => {
            Ok(only(found))
        }
    };
    let oid = row.and_then(|row| match (row.get("oid"), row.get("kind")) {
        (Some(Fact::Int(oid)), Some(Fact::Text(kind))) if ["r", "p", "m"].contains(&kind.as_str()) => Ok(*oid),
        (Some(Fact::Missing(missing)), _) => Err((**missing).clone()),
        _ => Err(unfit(format!("{written} is no table and no materialized view"))),
    });
    let oid = match oid {
        Ok(oid) => oid,
        Err(reason) => return Ok(unknown(table, &reason)),
    };
    let columns = list(
        snapshot,
        format!("columns of {written}"),
        format!(
            "SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null, \
             coalesce(CASE WHEN a.attidentity <> '' THEN 'IDENTITY ' || a.attidentity::text \
             ELSE pg_get_expr(d.adbin, d.adrelid) END, '') AS default \
             FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
             WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        ),
        &["name", "type", "default"],
        &["not_null"],
    );
    let columns = columns.await?;
    let constraints = list(
        snapshot,
        format!("constraints of {written}"),
        format!(
            "SELECT k.conname::text AS name, pg_get_constraintdef(k.oid) AS definition, k.convalidated AS validated \
             FROM pg_constraint k WHERE k.conrelid = {oid} ORDER BY k.conname::text COLLATE \"C\""
        ),
        &["name", "definition"],
        &["validated"],
    );
    let constraints = constraints.await?;
    let enabled = |column: &str| {
        format!(
            "CASE {column} WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' \
             WHEN 'A' THEN 'always' ELSE {column}::text END AS enabled"
        )
    };
    let triggers = list(
        snapshot,
        format!("triggers of {written}"),
        format!(
            "SELECT t.tgname::text AS name, {}, pg_get_triggerdef(t.oid) AS definition, t.tgisinternal AS internal \
             FROM pg_trigger t WHERE t.tgrelid = {oid} ORDER BY t.tgname::text COLLATE \"C\"",
            enabled("t.tgenabled"),
        ),
        &["name", "enabled", "definition"],
        &["internal"],
    );
    let triggers = triggers.await?;
    let rules = list(
        snapshot,
        format!("rules of {written}"),
        format!(
            "SELECT r.rulename::text AS name, {}, pg_get_ruledef(r.oid) AS definition \
             FROM pg_rewrite r WHERE r.ev_class = {oid} AND r.rulename <> '_RETURN' ORDER BY r.rulename::text COLLATE \"C\"",
            enabled("r.ev_enabled"),
        ),
        &["name", "enabled", "definition"],
        &[],
    );
    let rules = rules.await?;
    let (content, target) = rows(snapshot, table).await?;
    let own = [
        ("table", Fact::text(written)),
        ("content", content),
        ("columns", columns),
        ("constraints", constraints),
        ("triggers", triggers),
        ("rules", rules),
    ];
    Ok(Fact::record(own.into_iter().chain(target.map(|target| ("target", target)))))
}

async fn list(
    snapshot: &mut Snapshot<'_>,
    about: String,
    sql: String,
    texts: &[&str],
    flags: &[&str],
) -> Result<Fact, Missing> {
    let texts = texts.iter().map(|name| (*name, Kind::Text));
    let columns: Vec<(&str, Kind)> = texts.chain(flags.iter().map(|name| (*name, Kind::Bool))).collect();
    snapshot.ask(&about, &Query::of(sql, &columns)).await
}

/// The rows of the table, and those of the target where the package says which they are. The plan is one that several processes of
/// the server can share: no subquery stands between the table and the sums.
async fn rows(snapshot: &mut Snapshot<'_>, table: &Table) -> Result<(Fact, Option<Fact>), Missing> {
    let sample = table.sample_percent.map(|percent| format!(" TABLESAMPLE SYSTEM ({percent}) REPEATABLE (0)"));
    let target = table.target.as_deref().unwrap_or("false");
    let text = "ROW(t.*)::text";
    // The line end ends a comment of the package's.
    let sql = format!(
        "SELECT (({target}\n)) IS TRUE AS mine, count(*) AS rows, \
         sum(('x' || encode(substr(sha256(convert_to({text}, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint)::text AS a, \
         sum(hashtextextended({text}, 0))::text AS b FROM {} AS t{} GROUP BY 1",
        table.name.quoted(),
        sample.unwrap_or_default(),
    );
    let columns = [("mine", Kind::Bool), ("rows", Kind::Int), ("a", Kind::Text), ("b", Kind::Text)];
    let about = format!("the rows of {}", table.written);
    let groups = match snapshot.ask_whole(&about, &Query::of(sql, &columns)).await?.into_list() {
        Ok(groups) => groups,
        Err(missing) => return Ok((missing.clone(), table.target.as_ref().map(|_| missing))),
    };
    let of = |is_part: &dyn Fn(&Fact) -> bool| {
        let parts = groups.iter().filter(|group| is_part(group)).map(part);
        match parts.collect::<Option<Vec<_>>>() {
            Some(parts) => content(&parts, table),
            None => {
                let said = "the sums are not whole numbers";
                snapshot.missing(&about, MissingState::Error, said, "report this as a bug of cutgate").into()
            }
        }
    };
    let target = |group: &Fact| group.get("mine") == Some(&Fact::Bool(true));
    Ok((of(&|_| true), table.target.as_ref().map(|_| of(&target))))
}

/// Rows and both sums of one group.
fn part(group: &Fact) -> Option<(i64, i128, i128)> {
    let sum = |name: &str| match group.get(name) {
        Some(Fact::Text(text)) => text.parse().ok(),
        Some(_) | None => None,
    };
    match group.get("rows") {
        Some(Fact::Int(rows)) => Some((*rows, sum("a")?, sum("b")?)),
        Some(_) | None => None,
    }
}

fn content(parts: &[(i64, i128, i128)], table: &Table) -> Fact {
    let rows: i64 = parts.iter().map(|part| part.0).sum();
    let (a, b): (i128, i128) = (parts.iter().map(|part| part.1).sum(), parts.iter().map(|part| part.2).sum());
    Fact::record([
        ("rows", rows.into()),
        ("digest", sha256_hex(format!("{rows} {a} {b}").as_bytes()).into()),
        ("sampled_percent", table.sample_percent.unwrap_or(100).into()),
    ])
}

//! Values as a PostgreSQL server sends them, as facts of the declared kind.

use chrono::TimeDelta;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Kind as TypeKind, Type};

use super::answer::{Asked, null};
use super::failure::failure;
use super::query::Kind;
use crate::evidence::{Fact, Instant, Missing};

/// How a value's bytes are to be understood.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coding {
    Text,
    /// The one-byte type `"char"`.
    Byte,
    Int2,
    Int4,
    Int8,
    Oid,
    Bool,
    /// Microseconds since 2000-01-01, in UTC where a zone is known and taken as UTC where it is not.
    Timestamp,
    /// Days since 2000-01-01.
    Date,
}

impl Coding {
    /// The coding of a server type that can stand for the declared kind.
    pub(super) fn of(kind: Kind, sql_type: &Type) -> Option<Self> {
        if let TypeKind::Domain(base) = sql_type.kind() {
            return Self::of(kind, base);
        }
        let is_enum = matches!(sql_type.kind(), TypeKind::Enum(_));
        let texts = [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN];
        match kind {
            Kind::Text if is_enum || texts.contains(sql_type) => Some(Self::Text),
            Kind::Text if *sql_type == Type::CHAR => Some(Self::Byte),
            Kind::Int if *sql_type == Type::INT2 => Some(Self::Int2),
            Kind::Int if *sql_type == Type::INT4 => Some(Self::Int4),
            Kind::Int if *sql_type == Type::INT8 => Some(Self::Int8),
            Kind::Int if *sql_type == Type::OID => Some(Self::Oid),
            Kind::Bool if *sql_type == Type::BOOL => Some(Self::Bool),
            Kind::Time if [Type::TIMESTAMPTZ, Type::TIMESTAMP].contains(sql_type) => Some(Self::Timestamp),
            Kind::Time if *sql_type == Type::DATE => Some(Self::Date),
            Kind::Text | Kind::Int | Kind::Bool | Kind::Time => None,
        }
    }

    /// The fact; `None` when the bytes are not of this coding (infinity and instants beyond chrono's range are not).
    fn fact(self, raw: &[u8]) -> Option<Fact> {
        let epoch = Instant::from_timestamp(946_684_800, 0)?;
        Some(match self {
            Self::Text => std::str::from_utf8(raw).ok()?.into(),
            Self::Byte => {
                let [byte] = raw.try_into().ok()?;
                std::str::from_utf8(if byte == 0 { &[] } else { raw }).ok()?.into()
            }
            Self::Int2 => i64::from(i16::from_be_bytes(raw.try_into().ok()?)).into(),
            Self::Int4 => i64::from(i32::from_be_bytes(raw.try_into().ok()?)).into(),
            Self::Int8 => i64::from_be_bytes(raw.try_into().ok()?).into(),
            Self::Oid => i64::from(u32::from_be_bytes(raw.try_into().ok()?)).into(),
            Self::Bool => (u8::from_be_bytes(raw.try_into().ok()?) != 0).into(),
            Self::Timestamp => {
                let micros = i64::from_be_bytes(raw.try_into().ok()?);
                let finite = micros != i64::MAX && micros != i64::MIN;
                epoch.checked_add_signed(TimeDelta::microseconds(micros)).filter(|_| finite)?.into()
            }
            Self::Date => {
                let days = i32::from_be_bytes(raw.try_into().ok()?);
                let finite = days != i32::MAX && days != i32::MIN;
                epoch.checked_add_signed(TimeDelta::days(i64::from(days))).filter(|_| finite)?.into()
            }
        })
    }
}

/// A value as the server sent it.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The fact in a column of a row.
pub(super) fn value(row: &Row, at: usize, coding: Coding, column: &str, asked: &Asked<'_>) -> Result<Fact, Missing> {
    let raw = row.try_get::<_, Option<Raw<'_>>>(at).map_err(|error| failure(&error, asked))?;
    let Some(Raw(raw)) = raw else { return Ok(null(asked, column)) };
    coding.fact(raw).ok_or_else(|| {
        let said = format!("{column} holds a value that is not understood, such as infinity");
        asked.other_form(said, format!("correct the row, or convert {column} in the statement"))
    })
}

//! How the vocabulary is kept in SQLite's columns: ids as 16 bytes, times as microseconds since 1970 UTC, enums by
//! their names. Called by every noun of this folder; it reads and writes nothing itself.

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Binary;
use diesel::sqlite::{Sqlite, SqliteValue};
use uuid::Uuid;

use super::failure::Failure;

/// A UUID in a `BLOB` of 16 bytes. diesel knows them for Postgres only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub(super) struct StoredId(pub(super) Uuid);

impl FromSql<Binary, Sqlite> for StoredId {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(Uuid::from_slice(value.read_blob())?))
    }
}

impl ToSql<Binary, Sqlite> for StoredId {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}

/// A moment, in microseconds since 1970 UTC.
pub(super) type Micros = i64;

/// Microseconds of one second.
pub(super) const SECOND: Micros = 1_000_000;

/// The database's clock: an embedded database has its process's.
pub(super) fn now() -> Micros {
    Utc::now().timestamp_micros()
}

/// A stored moment as everybody else has it.
pub(super) fn time(micros: Micros) -> Result<DateTime<Utc>, Failure> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Failure::Corrupt(format!("a time of {micros} microseconds")))
}

/// A stored name as the enum it stands for.
pub(super) fn named<T>(read: fn(&str) -> Option<T>, name: &str) -> Result<T, Failure> {
    read(name).ok_or_else(|| Failure::Corrupt(format!("an unknown name `{name}`")))
}

/// Refuses a NUL: SQLite would keep one, Postgres cannot, and both stores hold the same.
pub(super) fn storable(text: &str) -> Result<&str, Failure> {
    if text.contains('\0') {
        return Err(Failure::Corrupt("a text with a NUL character".into()));
    }
    Ok(text)
}

/// What a name is compared by.
pub(super) fn name_key(name: &str) -> String {
    name.to_lowercase()
}

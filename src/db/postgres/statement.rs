//! Statements as small types: the SQL in one piece, its values by name, the shape of its rows beside it. diesel-async
//! prepares such a statement once per connection; `sql_query` would be prepared again each time, which is a round
//! trip more. Every file beside this one declares its statements with [`statement!`].

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types as sql;
use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use uuid::Uuid;

/// A statement with its values.
pub(crate) trait Statement: Send + 'static {
    /// Its rows, or how many it changed.
    type Output: Send + 'static;

    /// Sends it when first polled; several polled one after the other on one connection run in that order, in one
    /// round trip.
    fn run(self, connection: &AsyncPgConnection) -> BoxFuture<'_, QueryResult<Self::Output>>;
}

/// The SQL type of a Rust type that crosses the connection, either way.
pub(crate) trait Column {
    /// As diesel names it.
    type Sql: 'static;
}

macro_rules! columns {
    ($($rust:ty => $sql:ty,)*) => { $(impl Column for $rust { type Sql = $sql; })* };
}

columns! {
    bool => sql::Bool,
    i16 => sql::SmallInt,
    i32 => sql::Integer,
    i64 => sql::BigInt,
    String => sql::Text,
    Uuid => sql::Uuid,
    Vec<u8> => sql::Binary,
    DateTime<Utc> => sql::Timestamptz,
    serde_json::Value => sql::Jsonb,
}

impl<T: Column> Column for Option<T>
where
    T::Sql: sql::SqlType<IsNull = sql::is_nullable::NotNull>,
{
    type Sql = sql::Nullable<T::Sql>;
}

impl<T: Column> Column for Vec<T> {
    type Sql = sql::Array<T::Sql>;
}

/// Declares statements: `Name { value: Type, … } -> Rows "SQL with $1, $2 …"`. Rows are a tuple of [`Column`]s, or
/// `struct Type` for one that derives `QueryableByName`, or left out where only the count matters.
macro_rules! statement {
    ($(#[$doc:meta])* $name:ident { $($value:ident: $type:ty),* $(,)? } -> struct $row:ty, $sql:expr) => {
        statement!(@type $(#[$doc])* $name { $($value: $type),* } $sql);
        impl diesel::query_builder::Query for $name { type SqlType = diesel::sql_types::Untyped; }
        statement!(@load $name $row);
    };
    ($(#[$doc:meta])* $name:ident { $($value:ident: $type:ty),* $(,)? } -> ($($column:ty),+ $(,)?), $sql:expr) => {
        statement!(@type $(#[$doc])* $name { $($value: $type),* } $sql);
        impl diesel::query_builder::Query for $name {
            type SqlType = ($(<$column as $crate::db::postgres::statement::Column>::Sql,)+);
        }
        statement!(@load $name ($($column,)+));
    };
    ($(#[$doc:meta])* $name:ident { $($value:ident: $type:ty),* $(,)? }, $sql:expr) => {
        statement!(@type $(#[$doc])* $name { $($value: $type),* } $sql);
        impl $crate::db::postgres::statement::Statement for $name {
            type Output = usize;
            fn run(
                self,
                mut connection: &diesel_async::AsyncPgConnection,
            ) -> futures_util::future::BoxFuture<'_, diesel::QueryResult<usize>> {
                Box::pin(async move { diesel_async::RunQueryDsl::execute(self, &mut connection).await })
            }
        }
    };
    (@load $name:ident $row:ty) => {
        impl $crate::db::postgres::statement::Statement for $name {
            type Output = Vec<$row>;
            fn run(
                self,
                mut connection: &diesel_async::AsyncPgConnection,
            ) -> futures_util::future::BoxFuture<'_, diesel::QueryResult<Vec<$row>>> {
                Box::pin(async move { diesel_async::RunQueryDsl::load(self, &mut connection).await })
            }
        }
    };
    (@type $(#[$doc:meta])* $name:ident { $($value:ident: $type:ty),* } $sql:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name { $(pub(super) $value: $type,)* }

        impl diesel::query_builder::QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                out.push_sql($sql);
                // The text names its values itself, in any order and as often as it likes. diesel writes a
                // placeholder for each value it takes; inside a comment they do no harm.
                out.push_sql(" -- ");
                $(out.push_bind_param::<<$type as $crate::db::postgres::statement::Column>::Sql, _>(&self.$value)?;)*
                let _ = &mut out;
                Ok(())
            }
        }
    };
}
pub(super) use statement;

statement!(
    /// Ends the transaction. A statement like the others, so that it queues behind those that are still being
    /// prepared on this connection: sent by another way it could overtake them.
    Commit {}, "COMMIT"
);

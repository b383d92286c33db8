//! Reading the variants of a reply on Postgres: those beside it and the one that its message is, from one statement that
//! joins the reader's membership; and the part of the contract that reads them.

use std::sync::Arc;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::PostgresStore;
use super::pool::Pools;
use super::records::word;
use super::statement::statement;
use crate::db::rows::{MessageState, ReplyMeta};
use crate::db::variants::{VariantPage, VariantRow, VariantStore, Variants};
use crate::db::{StoreError, StoreResult, uncancelled};
use crate::error::ErrorCode;
use crate::ids::{Seq, UserId};

statement!(
    /// A reply's texts above a number, as far as the asker may read them: at most ten, and a text only where those before it
    /// leave room in a page.
    ReadVariants { user: Uuid, slug: String, seq: i64, after: i32, bytes: i64 } -> struct VariantRecord,
    "SELECT own.role IS NOT NULL AS is_member, p.selected, \
         (SELECT count(*) FROM reply_variants o WHERE o.room_id = p.room_id AND o.seq = p.seq)::integer + 1 AS variants, v.variant, v.state, \
         CASE WHEN v.running <= $5 OR v.place = 1 THEN v.body END AS body, \
         CASE WHEN v.running <= $5 OR v.place = 1 THEN v.html END AS html, v.meta \
     FROM rooms r \
     LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN messages m ON own.role IS NOT NULL AND m.room_id = r.id AND m.seq = $3 AND m.deleted_at IS NULL \
     LEFT JOIN replies p ON p.room_id = m.room_id AND p.seq = m.seq \
     LEFT JOIN LATERAL ( \
         SELECT a.*, row_number() OVER (ORDER BY a.variant) AS place, \
             (sum(octet_length(a.body) + coalesce(octet_length(a.html), 0)) OVER (ORDER BY a.variant))::bigint AS running \
         FROM ( \
             SELECT o.variant, o.state, o.body, o.html, o.meta FROM reply_variants o \
             WHERE o.room_id = p.room_id AND o.seq = p.seq \
             UNION ALL \
             SELECT p.selected, m.state, m.body, m.html, m.meta -> 'reply' \
             WHERE p.seq IS NOT NULL AND m.state <> 'queued' \
         ) a WHERE a.variant > $4 \
     ) v ON true \
     WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
     ORDER BY v.variant"
);

/// A row of [`ReadVariants`]; without a variant where there is none.
#[derive(QueryableByName, Debug)]
pub(super) struct VariantRecord {
    #[diesel(sql_type = sql::Bool)]
    is_member: bool,
    #[diesel(sql_type = sql::Integer)]
    variants: i32,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    selected: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    variant: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    state: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    body: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    html: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Jsonb>)]
    meta: Option<serde_json::Value>,
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

/// The texts of a reply above number `after`, for a member.
async fn page(
    pools: &Pools,
    user: UserId,
    slug: &str,
    seq: Seq,
    after: i32,
) -> StoreResult<VariantPage> {
    let records = pools
        .read(ReadVariants {
            user: user.0,
            slug: slug.to_owned(),
            seq,
            after,
            bytes: i64::try_from(crate::limits::PAGE_BYTES).unwrap_or(i64::MAX),
        })
        .await?;
    let Some(first) = records.first() else {
        return refused(ErrorCode::RoomNotFound);
    };
    if !first.is_member {
        return refused(ErrorCode::NotAMember);
    }
    let Some(selected) = first.selected else {
        return refused(ErrorCode::ReplyNotFound);
    };
    let count = first.variants;
    let mut page = VariantPage {
        variants: Vec::with_capacity(records.len()),
        all: Variants { count, selected },
        more: false,
    };
    for record in records {
        // A number without a text: the page had no room for it.
        let is_there = record.variant.is_some();
        match record.into_row()? {
            Some(row) => page.variants.push(row),
            None => page.more |= is_there,
        }
    }
    Ok(page)
}

impl VariantRecord {
    /// The variant, unless there is none or the page had no room for it.
    fn into_row(self) -> StoreResult<Option<VariantRow>> {
        let (Some(variant), Some(state), Some(body), Some(meta)) =
            (self.variant, self.state, self.body, self.meta)
        else {
            return Ok(None);
        };
        let meta: ReplyMeta = serde_json::from_value(meta)
            .map_err(|error| StoreError::Broken(format!("reply_variants.meta: {error}")))?;
        Ok(Some(VariantRow {
            variant,
            state: word(&state, MessageState::from_name)?,
            body,
            html: self.html,
            meta: ReplyMeta {
                variants: None,
                ..meta
            },
        }))
    }
}

#[async_trait]
impl VariantStore for PostgresStore {
    async fn variants(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        after: i32,
    ) -> StoreResult<VariantPage> {
        let (pools, slug) = (Arc::clone(&self.pools), slug.to_owned());
        uncancelled(async move { page(&pools, user, &slug, seq, after).await }).await
    }
}

//! Reading the variants of a reply on SQLite, and the part of the contract that does.

use async_trait::async_trait;
use diesel::prelude::*;

use super::columns::{StoredId, named};
use super::failure::Work;
use super::schema::{replies, reply_variants as columns};
use super::{SqliteStore, messages, rooms};
use crate::db::StoreResult;
use crate::db::rows::MessageState;
use crate::db::variants::{VariantPage, VariantRow, VariantStore, Variants};
use crate::error::ErrorCode;
use crate::ids::{Seq, UserId};

/// How many texts a reply has beside its message's.
pub(super) fn others(conn: &mut SqliteConnection, room: StoredId, seq: Seq) -> Work<i32> {
    let count: i64 = columns::table
        .filter(columns::room_id.eq(room))
        .filter(columns::seq.eq(seq))
        .count()
        .get_result(conn)?;
    // It is bounded by `VARIANTS_PER_REPLY`.
    Ok(i32::try_from(count).unwrap_or(i32::MAX - 1))
}

/// The texts of a reply above number `after`, for a member.
fn page(
    conn: &mut SqliteConnection,
    user: UserId,
    slug: &str,
    seq: Seq,
    after: i32,
) -> Work<VariantPage> {
    let (view, _) = rooms::of_member(conn, user, slug)?;
    let room = StoredId(view.room.id.0);
    let message = messages::one(conn, view.room.id, seq)?
        .filter(|message| message.deleted_at.is_none())
        .ok_or(ErrorCode::ReplyNotFound)?;
    let selected = replies::table
        .find((room, seq))
        .select(replies::selected)
        .first::<i32>(conn)
        .optional()?
        .ok_or(ErrorCode::ReplyNotFound)?;
    let count = others(conn, room, seq)? + 1;
    let others = columns::table
        .filter(columns::room_id.eq(room))
        .filter(columns::seq.eq(seq))
        .filter(columns::variant.gt(after))
        .order(columns::variant)
        .select((
            columns::variant,
            columns::state,
            columns::body,
            columns::html,
            columns::meta,
        ))
        .load::<(i32, String, String, Option<String>, String)>(conn)?;
    let mut rows = Vec::with_capacity(others.len() + 1);
    for (variant, state, body, html, meta) in others {
        rows.push(VariantRow {
            variant,
            state: named(MessageState::from_name, &state)?,
            body,
            html,
            meta: serde_json::from_str(&meta)?,
        });
    }
    if selected > after && message.state != MessageState::Queued {
        rows.push(VariantRow::of(&message, selected));
    }
    rows.sort_unstable_by_key(|row| row.variant);
    Ok(VariantPage::cut(Variants { count, selected }, rows))
}

#[async_trait]
impl VariantStore for SqliteStore {
    async fn variants(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        after: i32,
    ) -> StoreResult<VariantPage> {
        let slug = slug.to_owned();
        self.read(move |conn| page(conn, user, &slug, seq, after))
            .await
    }
}

//! Reading what is written: heads, changes, pages. Called by [`super::PostgresStore`]. Each is one statement, so head,
//! messages and right to read are of one moment. A page ends with the message that no longer fits, as a witness that
//! there is more; it is dropped here.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::pool::Pools;
use super::records::{
    HeadRecord, LogRecord, MessageRecord, head_columns, message_bytes, message_columns, user_kind,
    word,
};
use super::statement::statement;
use crate::db::history::{PageAt, Sides};
use crate::db::rows::{Changes, EditRow, Head, HistoryPage, LatestPage, MessageRow, StoredChange};
use crate::db::{StoreError, StoreResult};
use crate::error::ErrorCode;
use crate::ids::{RoomId, Seq, UserId, Version};
use crate::limits;
use crate::permissions::{Action, Role, allows};

statement!(
    /// Counters, for the head check.
    ReadHeads { rooms: Vec<Uuid> } -> struct HeadRecord,
    concat!("SELECT ", head_columns!(), " FROM room_heads h WHERE h.room_id = ANY($1)")
);
statement!(
    /// Everything above a version, messages and log as one ascending list, each row with the head.
    ChangesAfter { room: Uuid, after: i64, limit: i64, bytes: i64 } -> struct ChangeRecord,
    concat!(
        "SELECT ", head_columns!(), ", page.* FROM room_heads h LEFT JOIN LATERAL ( \
             SELECT c.*, (sum(c.bytes) OVER (ORDER BY c.change_version))::bigint AS running FROM ( \
                 (SELECT m.version AS change_version, ", message_bytes!(), " AS bytes, ", message_columns!(), concat!(", \
                      NULL::bigint AS log_version, NULL::text AS log_kind, NULL::uuid AS log_user_id, \
                      NULL::text AS log_user_name, NULL::text AS log_user_kind, NULL::text AS log_role, \
                      NULL::jsonb AS log_data \
                  FROM messages m JOIN users u ON u.id = m.author_id \
                  WHERE m.room_id = $1 AND m.version > $2 ORDER BY m.version LIMIT $3 + 1) \
                 UNION ALL \
                 (SELECT l.version, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
                      NULL, NULL, l.version, l.kind, l.user_id, u.name, \
                      ", user_kind!("u"), ", l.role, l.data \
                  FROM room_log l LEFT JOIN users u ON u.id = l.user_id \
                  WHERE l.room_id = $1 AND l.version > $2 ORDER BY l.version LIMIT $3 + 1) \
             ) c ORDER BY c.change_version LIMIT $3 + 1 \
         ) page ON page.running - page.bytes <= $4 \
         WHERE h.room_id = $1 ORDER BY page.change_version")
    )
);
statement!(
    /// The newest messages, newest first, each row with the head.
    LatestMessages { room: Uuid, limit: i64, bytes: i64 } -> struct LatestRecord,
    concat!(
        "SELECT ", head_columns!(), ", page.* FROM room_heads h LEFT JOIN LATERAL ( \
             SELECT ", message_columns!(), ", (sum(", message_bytes!(), ") OVER (ORDER BY m.seq DESC))::bigint AS running \
             FROM messages m JOIN users u ON u.id = m.author_id \
             WHERE m.room_id = $1 AND m.seq > h.last_seq - $2 ORDER BY m.seq DESC LIMIT $2 \
         ) page ON page.running <= $3 OR page.seq = h.last_seq \
         WHERE h.room_id = $1 AND EXISTS (SELECT FROM rooms r WHERE r.id = $1 AND r.deleted_at IS NULL) \
         ORDER BY page.seq DESC"
    )
);
macro_rules! history {
    ($where:literal, $order:literal) => {
        concat!(
            "SELECT own.role AS own_role, h.first_seq AS room_first, h.last_seq AS room_last, page.* \
             FROM rooms r JOIN room_heads h ON h.room_id = r.id \
             LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
             LEFT JOIN LATERAL ( \
                 SELECT counted.* FROM ( \
                     SELECT ", message_columns!(), ", ", message_bytes!(), " AS bytes, \
                         (sum(", message_bytes!(), ") OVER (ORDER BY m.seq ", $order, "))::bigint AS running \
                     FROM messages m JOIN users u ON u.id = m.author_id \
                     WHERE m.room_id = r.id AND own.role IS NOT NULL AND ", $where, " \
                     ORDER BY m.seq ", $order, " LIMIT $4 + 1 \
                 ) counted WHERE counted.running - counted.bytes <= $5 \
             ) page ON true \
             WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
             ORDER BY page.seq ", $order
        )
    };
}
statement!(
    /// Downwards from a message, or from the newest.
    HistoryBefore { user: Uuid, slug: String, before: Option<i64>, limit: i64, bytes: i64 } -> struct HistoryRecord,
    history!("m.seq < coalesce($3, 9223372036854775807)", "DESC")
);
statement!(
    /// Upwards from a message.
    HistoryAfter { user: Uuid, slug: String, after: i64, limit: i64, bytes: i64 } -> struct HistoryRecord,
    history!("m.seq > $3", "ASC")
);
macro_rules! side {
    ($from:literal, $order:literal, $limit:literal) => {
        concat!(
            "SELECT counted.* FROM ( \
                 SELECT ",
            message_columns!(),
            ", ",
            message_bytes!(),
            " AS bytes, \
                     (sum(",
            message_bytes!(),
            ") OVER (ORDER BY m.seq ",
            $order,
            "))::bigint AS running \
                 FROM messages m JOIN users u ON u.id = m.author_id \
                 WHERE m.room_id = r.id AND own.role IS NOT NULL AND m.seq ",
            $from,
            " $3 \
                 ORDER BY m.seq ",
            $order,
            " LIMIT ",
            $limit,
            " \
             ) counted WHERE counted.running <= $6 OR counted.running = counted.bytes"
        )
    };
}
statement!(
    /// A message and what stands around it.
    HistoryAround { user: Uuid, slug: String, seq: i64, below: i64, above: i64, bytes: i64 } -> struct HistoryRecord,
    concat!(
        "SELECT own.role AS own_role, h.first_seq AS room_first, h.last_seq AS room_last, page.* \
         FROM rooms r JOIN room_heads h ON h.room_id = r.id \
         LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
         LEFT JOIN LATERAL ((", side!("<=", "DESC", "$4"), ") UNION ALL (", side!(">", "ASC", "$5"), ")) page ON true \
         WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
         ORDER BY page.seq"
    )
);
statement!(
    /// What is pinned, the latest pin first.
    PinnedMessages { user: Uuid, slug: String } -> struct HistoryRecord,
    concat!(
        "SELECT own.role AS own_role, 0::bigint AS room_first, 0::bigint AS room_last, NULL::bigint AS running, page.* \
         FROM rooms r \
         LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
         LEFT JOIN LATERAL ( \
             SELECT ", message_columns!(), ", p.version AS pin_version \
             FROM message_pins p JOIN messages m ON m.room_id = p.room_id AND m.seq = p.seq \
             JOIN users u ON u.id = m.author_id \
             WHERE p.room_id = r.id AND own.role IS NOT NULL \
         ) page ON true \
         WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
         ORDER BY page.pin_version DESC"
    )
);
statement!(
    /// A message's former texts, each row with what tells whether they may be read.
    ReadEdits { user: Uuid, slug: String, seq: i64 }
        -> (Option<String>, Option<Uuid>, Option<i64>, Option<String>, Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    "SELECT own.role, m.author_id, e.version, e.body, e.written_at, e.replaced_at FROM rooms r \
     LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
     LEFT JOIN messages m ON own.role IS NOT NULL AND m.room_id = r.id AND m.seq = $3 AND m.deleted_at IS NULL \
     LEFT JOIN message_edits e ON e.room_id = m.room_id AND e.seq = m.seq \
     WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
     ORDER BY e.version"
);
statement!(
    /// What a prompt is built from, newest first.
    Context { room: Uuid, prompt_seq: i64, limit: i64, bytes: i64 } -> struct ContextRecord,
    concat!(
        "SELECT counted.* FROM ( \
             SELECT ", message_columns!(), ", (sum(octet_length(m.body)) OVER (ORDER BY m.seq DESC))::bigint AS running \
             FROM messages m JOIN users u ON u.id = m.author_id \
             WHERE m.room_id = $1 AND m.seq <= $2 AND m.deleted_at IS NULL AND m.state <> 'queued' \
               AND (m.kind <> 'assistant' OR m.body <> '') \
             ORDER BY m.seq DESC LIMIT $3 \
         ) counted WHERE counted.running <= $4 OR counted.seq = $2 ORDER BY counted.seq"
    )
);

/// A row of [`ChangesAfter`].
#[derive(QueryableByName, Debug)]
pub(super) struct ChangeRecord {
    #[diesel(embed)]
    head: HeadRecord,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    running: Option<i64>,
    #[diesel(embed)]
    message: MessageRecord,
    #[diesel(embed)]
    log: LogRecord,
}

/// A row of [`LatestMessages`].
#[derive(QueryableByName, Debug)]
pub(super) struct LatestRecord {
    #[diesel(embed)]
    head: HeadRecord,
    #[diesel(embed)]
    message: MessageRecord,
}

/// A row of [`HistoryBefore`], [`HistoryAfter`] and [`HistoryAround`].
#[derive(QueryableByName, Debug)]
pub(super) struct HistoryRecord {
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    own_role: Option<String>,
    #[diesel(sql_type = sql::BigInt)]
    room_first: i64,
    #[diesel(sql_type = sql::BigInt)]
    room_last: i64,
    #[diesel(sql_type = sql::Nullable<sql::BigInt>)]
    running: Option<i64>,
    #[diesel(embed)]
    message: MessageRecord,
}

/// A row of [`Context`].
#[derive(QueryableByName, Debug)]
pub(super) struct ContextRecord {
    #[diesel(embed)]
    message: MessageRecord,
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

fn page_bytes() -> i64 {
    i64::try_from(limits::PAGE_BYTES).unwrap_or(i64::MAX)
}

/// Whether a list that grew to `taken` items may take one more, which brings it to `running` bytes.
fn fits(taken: usize, limit: i64, running: Option<i64>) -> bool {
    let room = i64::try_from(taken).is_ok_and(|taken| taken < limit);
    room && (taken == 0 || running.is_none_or(|running| running <= page_bytes()))
}

/// On a reserved connection.
pub(super) async fn heads(pools: &Pools, rooms: &[RoomId]) -> StoreResult<Vec<Head>> {
    let rooms = rooms.iter().map(|room| room.0).collect();
    let found = pools.reserved().await?.read(ReadHeads { rooms }).await?;
    Ok(found.iter().map(Head::from).collect())
}

pub(super) async fn changes_after(
    pools: &Pools,
    room: RoomId,
    after: Version,
    limit: i64,
) -> StoreResult<Changes> {
    let limit = limit.max(1);
    let rows = pools
        .read(ChangesAfter {
            room: room.0,
            after,
            limit,
            bytes: page_bytes(),
        })
        .await?;
    let Some(head) = rows.first().map(|row| Head::from(&row.head)) else {
        return refused(ErrorCode::RoomNotFound);
    };
    let mut changes = Vec::with_capacity(rows.len());
    let mut complete = true;
    for row in rows {
        let change = match row.log.into_change()? {
            Some(change) => Some(change),
            None => row
                .message
                .into_row()?
                .map(|message| StoredChange::Message(Box::new(message))),
        };
        let Some(change) = change else { continue };
        if !fits(changes.len(), limit, row.running) {
            complete = false;
            break;
        }
        changes.push(change);
    }
    Ok(Changes {
        head,
        changes,
        complete,
    })
}

pub(super) async fn latest_page(
    pools: &Pools,
    room: RoomId,
    limit: i64,
) -> StoreResult<LatestPage> {
    let limit = limit.max(0);
    let rows = pools
        .read(LatestMessages {
            room: room.0,
            limit,
            bytes: page_bytes(),
        })
        .await?;
    let Some(head) = rows.first().map(|row| Head::from(&row.head)) else {
        return refused(ErrorCode::RoomNotFound);
    };
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        messages.extend(row.message.into_row()?);
    }
    messages.reverse();
    Ok(LatestPage { head, messages })
}

pub(super) async fn before(
    pools: &Pools,
    user: UserId,
    slug: &str,
    before: Option<Seq>,
    limit: i64,
) -> StoreResult<HistoryPage> {
    let limit = limit.max(0);
    let rows = pools
        .read(HistoryBefore {
            user: user.0,
            slug: slug.to_owned(),
            before,
            limit,
            bytes: page_bytes(),
        })
        .await?;
    let at = before.map_or(PageAt::Latest, PageAt::Before);
    page(rows, at, limit)
}

pub(super) async fn after(
    pools: &Pools,
    user: UserId,
    slug: &str,
    after: Seq,
    limit: i64,
) -> StoreResult<HistoryPage> {
    let limit = limit.max(0);
    let rows = pools
        .read(HistoryAfter {
            user: user.0,
            slug: slug.to_owned(),
            after,
            limit,
            bytes: page_bytes(),
        })
        .await?;
    page(rows, PageAt::After(after), limit)
}

pub(super) async fn around(
    pools: &Pools,
    user: UserId,
    slug: &str,
    seq: Seq,
    limit: i64,
) -> StoreResult<HistoryPage> {
    let sides = Sides::of(limit.max(1), limits::PAGE_BYTES);
    let rows = pools
        .read(HistoryAround {
            user: user.0,
            slug: slug.to_owned(),
            seq,
            below: sides.below,
            above: sides.above,
            bytes: i64::try_from(sides.bytes).unwrap_or(i64::MAX),
        })
        .await?;
    let page = page(rows, PageAt::Around(seq), limit)?;
    match page.messages.iter().any(|message| message.seq == seq) {
        true => Ok(page),
        false => refused(ErrorCode::MessageNotFound),
    }
}

fn page(rows: Vec<HistoryRecord>, at: PageAt, limit: i64) -> StoreResult<HistoryPage> {
    let (first_seq, last_seq) = match rows.first() {
        None => return refused(ErrorCode::RoomNotFound),
        Some(row) if row.own_role.is_none() => return refused(ErrorCode::NotAMember),
        Some(row) => (row.room_first, row.room_last),
    };
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(message) = row.message.into_row()? else {
            continue;
        };
        // The sides of a page around a message were cut where they were read.
        if !matches!(at, PageAt::Around(_)) && !fits(messages.len(), limit, row.running) {
            break;
        }
        messages.push(message);
    }
    if matches!(at, PageAt::Latest | PageAt::Before(_)) {
        messages.reverse();
    }
    Ok(HistoryPage::new(messages, at, first_seq, last_seq))
}

pub(super) async fn message(
    pools: &Pools,
    user: UserId,
    slug: &str,
    seq: Seq,
) -> StoreResult<MessageRow> {
    let page = after(pools, user, slug, seq.saturating_sub(1), 1).await?;
    match page.messages.into_iter().next() {
        Some(message) if message.seq == seq => Ok(message),
        _ => refused(ErrorCode::MessageNotFound),
    }
}

pub(super) async fn pins(pools: &Pools, user: UserId, slug: &str) -> StoreResult<Vec<MessageRow>> {
    let (user, slug) = (user.0, slug.to_owned());
    let rows = pools.read(PinnedMessages { user, slug }).await?;
    // In the order of their pins, not of a page of history.
    Ok(page(rows, PageAt::After(0), limits::PINS_PER_ROOM)?.messages)
}

pub(super) async fn edits(
    pools: &Pools,
    user: UserId,
    slug: &str,
    seq: Seq,
) -> StoreResult<Vec<EditRow>> {
    let (reader, slug) = (user.0, slug.to_owned());
    let rows = pools
        .read(ReadEdits {
            user: reader,
            slug,
            seq,
        })
        .await?;
    let Some((role, author, ..)) = rows.first() else {
        return refused(ErrorCode::RoomNotFound);
    };
    let Some(role) = role else {
        return refused(ErrorCode::NotAMember);
    };
    let Some(author) = author else {
        return refused(ErrorCode::MessageNotFound);
    };
    let role = word(role, Role::from_name)?;
    if UserId(*author) != user && !allows(role, Action::ReadAnyEdits) {
        return refused(ErrorCode::Forbidden);
    }
    let edit = |(_, _, version, body, written_at, replaced_at)| {
        Some(EditRow {
            version: version?,
            body: body?,
            written_at: written_at?,
            replaced_at: replaced_at?,
        })
    };
    Ok(rows.into_iter().filter_map(edit).collect())
}

pub(super) async fn context(
    pools: &Pools,
    room: RoomId,
    prompt_seq: Seq,
    limit: i64,
) -> StoreResult<Vec<MessageRow>> {
    let limit = limit.max(0);
    let rows = pools
        .read(Context {
            room: room.0,
            prompt_seq,
            limit,
            bytes: i64::try_from(limits::CONTEXT_READ_BYTES).unwrap_or(i64::MAX),
        })
        .await?;
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        messages.extend(row.message.into_row()?);
    }
    Ok(messages)
}

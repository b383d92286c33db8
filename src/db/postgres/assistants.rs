//! The assistants of rooms on Postgres: read here, changed by `apply/assistants.rs`, which reads them the same way.

use std::sync::Arc;

use async_trait::async_trait;
use diesel::QueryableByName;
use diesel::sql_types as sql;
use uuid::Uuid;

use super::records::{user_row, word};
use super::statement::statement;
use super::{PostgresStore, accounts};
use crate::db::assistants::{AssistantSettings, AssistantStore, RoomAssistant, with_default};
use crate::db::{ASSISTANT, StoreError, StoreResult, uncancelled};
use crate::error::ErrorCode;
use crate::ids::{RoomId, Seq, UserId};
use crate::permissions::Role;

/// The columns of an [`AssistantRecord`], from `room_assistants a` and `users u`.
macro_rules! assistant_columns {
    () => {
        "u.id AS user_id, u.name AS user_name, u.kind AS user_kind, a.room_id, a.enabled, a.provider, a.model, a.system, \
         a.temperature, a.max_tokens, a.history_tokens, a.may_prompt, a.may_stop, a.may_regenerate"
    };
}
pub(super) use assistant_columns;

statement!(
    /// A member's room's assistants that have a row; a row without any where there is none.
    ReadAssistants { user: Uuid, slug: String } -> struct ListedRecord,
    concat!(
        "SELECT own.role IS NOT NULL AS is_member, ", assistant_columns!(), " FROM rooms r \
         LEFT JOIN memberships own ON own.room_id = r.id AND own.user_id = $1 \
         LEFT JOIN room_assistants a ON own.role IS NOT NULL AND a.room_id = r.id LEFT JOIN users u ON u.id = a.user_id \
         WHERE r.slug = $2 AND r.deleted_at IS NULL AND (own.role IS NOT NULL OR r.visibility = 'public') \
         ORDER BY a.added_at, a.user_id"
    )
);
statement!(
    /// Who writes a reply.
    ReadReplying { room: Uuid, seq: i64 } -> struct AssistantRecord,
    concat!(
        "SELECT ", assistant_columns!(), " FROM replies p JOIN users u ON u.id = p.assistant_id \
         LEFT JOIN room_assistants a ON a.room_id = p.room_id AND a.user_id = p.assistant_id \
         WHERE p.room_id = $1 AND p.seq = $2"
    )
);

/// An assistant; without settings where its room has none of its own for it.
#[derive(QueryableByName, Clone, Debug)]
pub(super) struct AssistantRecord {
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    user_id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    user_name: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    user_kind: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Uuid>)]
    pub(super) room_id: Option<Uuid>,
    #[diesel(sql_type = sql::Nullable<sql::Bool>)]
    enabled: Option<bool>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    provider: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    model: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    system: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    temperature: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    max_tokens: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Integer>)]
    history_tokens: Option<i32>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    may_prompt: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    may_stop: Option<String>,
    #[diesel(sql_type = sql::Nullable<sql::Text>)]
    may_regenerate: Option<String>,
}

/// A row of [`ReadAssistants`].
#[derive(QueryableByName, Debug)]
pub(super) struct ListedRecord {
    #[diesel(sql_type = sql::Bool)]
    is_member: bool,
    #[diesel(embed)]
    assistant: AssistantRecord,
}

impl AssistantRecord {
    /// The assistant, if there is one.
    pub(super) fn into_row(self) -> StoreResult<Option<RoomAssistant>> {
        let (Some(id), Some(name), Some(kind)) = (self.user_id, self.user_name, self.user_kind)
        else {
            return Ok(None);
        };
        let user = user_row(id, name, &kind)?;
        let fresh = AssistantSettings::default();
        let role = |stored: Option<String>, otherwise| match stored {
            Some(stored) => word(&stored, Role::from_name),
            None => Ok(otherwise),
        };
        Ok(Some(RoomAssistant {
            user,
            settings: AssistantSettings {
                enabled: self.enabled.unwrap_or(fresh.enabled),
                provider: self.provider,
                model: self.model,
                system: self.system.unwrap_or(fresh.system),
                temperature: self.temperature,
                max_tokens: self.max_tokens,
                history_tokens: self.history_tokens,
                may_prompt: role(self.may_prompt, fresh.may_prompt)?,
                may_stop: role(self.may_stop, fresh.may_stop)?,
                may_regenerate: role(self.may_regenerate, fresh.may_regenerate)?,
            },
        }))
    }
}

/// The rows that stand for an assistant.
pub(super) fn rows(records: Vec<AssistantRecord>) -> StoreResult<Vec<RoomAssistant>> {
    let rows = records.into_iter().map(AssistantRecord::into_row);
    rows.filter_map(Result::transpose).collect()
}

fn refused<T>(code: ErrorCode) -> StoreResult<T> {
    Err(StoreError::Refused(code.into()))
}

#[async_trait]
impl AssistantStore for PostgresStore {
    async fn room_assistants(&self, user: UserId, slug: &str) -> StoreResult<Vec<RoomAssistant>> {
        let (pools, slug) = (Arc::clone(&self.pools), slug.to_owned());
        uncancelled(async move {
            let user = user.0;
            let records = pools.read(ReadAssistants { user, slug }).await?;
            match records.first() {
                None => return refused(ErrorCode::RoomNotFound),
                Some(first) if !first.is_member => return refused(ErrorCode::NotAMember),
                Some(_) => {}
            }
            let own = records.into_iter().map(|record| record.assistant).collect();
            Ok(with_default(accounts::assistant(&pools).await?, rows(own)?))
        })
        .await
    }

    async fn replying_assistant(&self, room: RoomId, seq: Seq) -> StoreResult<RoomAssistant> {
        let pools = Arc::clone(&self.pools);
        uncancelled(async move {
            let found = pools.read(ReadReplying { room: room.0, seq }).await?;
            let Some(record) = found.into_iter().next() else {
                return refused(ErrorCode::ReplyNotFound);
            };
            let has_row = record.room_id.is_some();
            let Some(mut assistant) = record.into_row()? else {
                return refused(ErrorCode::ReplyNotFound);
            };
            assistant.settings.enabled &= has_row || assistant.user.name == ASSISTANT;
            Ok(assistant)
        })
        .await
    }
}

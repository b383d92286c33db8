//! `GET /api/admin/audit`: what was done to accounts, rights and rooms, and what was refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::admin::Administrator;
use super::error::Problem;
use super::extract::QueryOf;
use crate::app::App;
use crate::auth::names;
use crate::db::StoreError;
use crate::db::audit::{Act, AuditFilter, AuditRow};
use crate::db::rows::UserRow;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{AuditId, UserId};
use crate::limits;
use crate::origin::Way;

/// Which rows.
#[derive(Deserialize, IntoParams)]
pub struct AuditQuery {
    /// Older than this row: the last of the page before.
    before: Option<AuditId>,
    /// Not before this time.
    since: Option<DateTime<Utc>>,
    /// Done by this user, or to it.
    user: Option<UserId>,
    /// This act only, such as `member.banned`.
    act: Option<String>,
    /// About the room of this address only.
    room: Option<String>,
    /// 1 to 100; left out: 100.
    limit: Option<i64>,
}

/// A row of the audit log.
#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    /// For `before`.
    id: AuditId,
    /// When.
    at: DateTime<Utc>,
    /// What.
    #[schema(value_type = String)]
    act: &'static str,
    /// The code of a refusal; null for what was done.
    outcome: Option<String>,
    /// By which way.
    way: Way,
    /// From which address; null for the operator and the server itself.
    address: Option<String>,
    /// Who; null for the operator, for strangers, and for whom the server does not know any more.
    who: Option<UserRow>,
    /// To whom.
    whom: Option<UserRow>,
    /// The address of the room it is about.
    room: Option<String>,
    /// A few words; never what somebody said.
    detail: String,
    /// How often, where one row stands for many.
    times: i32,
}

/// Rows, the latest first.
#[derive(Serialize, ToSchema)]
pub struct AuditList {
    /// At most `limit`.
    rows: Vec<AuditEntry>,
    /// Whether there are older ones.
    more: bool,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            act: row.act.as_str(),
            outcome: row.outcome,
            way: row.way,
            address: row.address,
            who: row.who,
            whom: row.whom,
            room: row.room,
            detail: row.detail,
            times: row.times,
        }
    }
}

impl AuditQuery {
    fn filter(self) -> Result<AuditFilter, Refusal> {
        let bad = |sentence| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
        let limit = self.limit.unwrap_or(limits::ADMIN_PAGE);
        if !(1..=limits::ADMIN_PAGE).contains(&limit) {
            return bad("`limit` is 1 to 100.");
        }
        let act = match self.act.as_deref() {
            None => None,
            Some(name) => match Act::from_name(name) {
                None => return bad("There is no such `act`."),
                act => act,
            },
        };
        if self
            .room
            .as_deref()
            .is_some_and(|slug| !names::is_slug(slug))
        {
            return bad("`room` is the address of a room.");
        }
        Ok(AuditFilter {
            before: self.before,
            since: self.since,
            user: self.user,
            act,
            room: self.room,
            limit,
        })
    }
}

/// The audit log.
#[utoipa::path(get, path = "/api/admin/audit", tag = "administration", params(AuditQuery),
    responses((status = 200, description = "A page", body = AuditList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_audit(
    State(app): State<Arc<App>>,
    _who: Administrator,
    QueryOf(query): QueryOf<AuditQuery>,
) -> Result<Json<AuditList>, Problem> {
    let filter = query.filter()?;
    let limit = usize::try_from(filter.limit).unwrap_or(0);
    let asked = AuditFilter {
        limit: filter.limit + 1,
        ..filter
    };
    let found = app.store.audit(asked).await;
    let mut found = found.map_err(StoreError::into_refusal)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let rows = found.into_iter().map(AuditEntry::from).collect();
    Ok(Json(AuditList { rows, more }))
}

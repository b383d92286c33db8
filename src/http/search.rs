//! `GET /api/search`: what was said in the rooms one is in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Problem;
use super::extract::{Payer, QueryOf};
use crate::app::App;
use crate::auth::names;
use crate::chat::search::{Piece, snippet};
use crate::db::rows::{MessageKind, UserRow};
use crate::db::search::{Search, SearchHit, SearchQuery, is_storable};
use crate::error::{ErrorCode, Refusal};
use crate::ids::Seq;
use crate::limits;
use crate::protocol::server::millis;
use crate::quotas::Operation;

/// What to look for.
#[derive(Deserialize, IntoParams)]
pub struct SearchParameters {
    /// Words, `"phrases"` and `-exclusions`; a message is found that has all of the first and none of the last. A word of at least
    /// three letters also finds words that begin with it; phrases and exclusions are exact. At most 256 characters and 16 of them.
    q: String,
    /// Only in the room of this address.
    room: Option<String>,
    /// Only by authors of this name.
    author: Option<String>,
    /// Only before this time, in RFC 3339.
    before: Option<DateTime<Utc>>,
    /// Only at this time or later, in RFC 3339.
    after: Option<DateTime<Utc>>,
    /// How many at most, 1 to 50; left out: 20.
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of what was found, newest first.
#[derive(Serialize, ToSchema)]
pub struct SearchResults<'a> {
    /// The messages.
    results: Vec<SearchResult<'a>>,
    /// The `cursor` of the next page; null when this is the last. A page may be short, or empty, and have one.
    next: Option<String>,
}

/// A message that was found.
#[derive(Serialize, ToSchema)]
pub struct SearchResult<'a> {
    /// Its room.
    room: FoundRoom<'a>,
    /// Its place there.
    seq: Seq,
    /// Who wrote it.
    kind: MessageKind,
    /// By name.
    author: &'a UserRow,
    /// When it was stored.
    #[serde(serialize_with = "millis")]
    created_at: DateTime<Utc>,
    /// The part of its text that shows why, in pieces of plain text; those that were looked for have `hit`, as whole words.
    snippet: Vec<Piece>,
}

/// Where a message was found.
#[derive(Serialize, ToSchema)]
pub struct FoundRoom<'a> {
    /// The room's address.
    slug: &'a str,
    /// Its name.
    name: &'a str,
}

/// Searches the rooms one is a member of.
#[utoipa::path(get, path = "/api/search", tag = "messages", params(SearchParameters),
    responses((status = 200, description = "What was found", body = SearchResults<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn search_messages(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    QueryOf(asked): QueryOf<SearchParameters>,
) -> Result<Response, Problem> {
    let limit = asked.limit.unwrap_or(limits::SEARCH_HITS_DEFAULT);
    if !(1..=limits::SEARCH_HITS).contains(&limit) {
        return Err(
            Refusal::with_message(ErrorCode::BadRequest, "`limit` is from 1 to 50.").into(),
        );
    }
    let query = SearchQuery::parse(&asked.q)?;
    if asked
        .room
        .as_deref()
        .is_some_and(|slug| !names::is_slug(slug))
    {
        return Err(ErrorCode::RoomNotFound.into());
    }
    if ![asked.before, asked.after]
        .iter()
        .flatten()
        .all(is_storable)
    {
        return Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "`before` and `after` are times up to the year 9999.",
        )
        .into());
    }
    // A NUL is in no name, and Postgres takes none.
    let author = asked.author.map(|name| name.replace('\0', "\u{fffd}"));
    let search = Search {
        query: query.clone(),
        room: asked.room,
        author,
        before: asked.before,
        after: asked.after,
        from: asked.cursor.map(|cursor| cursor.parse()).transpose()?,
        limit,
    };
    client.take(Operation::Search).await?;
    let page = app.chat.search(&who, search).await?;
    let results = SearchResults {
        next: page.next.map(|place| place.to_string()),
        results: page.hits.iter().map(|hit| result(&query, hit)).collect(),
    };
    Ok(Json(results).into_response())
}

fn result<'a>(query: &SearchQuery, hit: &'a SearchHit) -> SearchResult<'a> {
    let message = &hit.message;
    SearchResult {
        room: FoundRoom {
            slug: &hit.room,
            name: &hit.room_name,
        },
        seq: message.seq,
        kind: message.kind,
        author: &message.author,
        created_at: message.created_at,
        snippet: snippet(query, &message.body),
    }
}

//! `/api/rooms/{slug}/messages` and `/api/rooms/{slug}/replies`: history, posting, and steering a reply.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{Problem, too_fast};
use super::extract::{Caller, JsonBody, MessagePath, Payer, QueryOf, RoomPath};
use super::rooms::Changed;
use crate::app::App;
use crate::chat::messages::Draft;
use crate::chat::pace::Pace;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ClientId, Seq};
use crate::limits;
use crate::protocol::client::{check_body, page_at};
use crate::protocol::server::{Accepted, MessageBody};
use crate::quotas::Operation;

/// A message to be posted.
#[derive(Deserialize, ToSchema)]
pub struct NewMessage {
    /// The text: at most 16 KiB, not blank. `@assistant` anywhere in it asks the assistant.
    body: String,
    /// The sender's own id of it; a resend with the same one answers with the first. Left out: a fresh one.
    client_id: Option<ClientId>,
    /// The message it answers.
    reply_to: Option<Seq>,
}

/// Which page of history.
#[derive(Deserialize, IntoParams)]
pub struct HistoryQuery {
    /// Messages before this one, the latest of them; with none of the three the latest of all.
    before: Option<Seq>,
    /// Messages after this one, the oldest of them.
    after: Option<Seq>,
    /// This message, with half of the page up to it and half after it.
    around: Option<Seq>,
    /// How many at most, 1 to 100; left out: 100.
    limit: Option<i64>,
}

/// A page of history.
#[derive(Serialize, ToSchema)]
pub struct MessageList<'a> {
    /// Ascending by seq, without a hole.
    messages: Vec<MessageBody<'a>>,
    /// Whether there are more the way that was asked for: newer ones where `after` was given, else older ones.
    more: bool,
    /// Whether there are messages below the page.
    older: bool,
    /// Whether there are messages above it.
    newer: bool,
}

/// A page of a room's history.
#[utoipa::path(get, path = "/api/rooms/{slug}/messages", tag = "messages", params(("slug" = String, Path), HistoryQuery),
    responses((status = 200, description = "Messages", body = MessageList<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_messages(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
    QueryOf(query): QueryOf<HistoryQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(limits::PAGE_MESSAGES);
    if !(1..=limits::PAGE_MESSAGES).contains(&limit) {
        return Err(bad("`limit` is from 1 to 100."));
    }
    let at = page_at(query.before, query.after, query.around)?;
    let page = app.chat.history(&who, &slug, at, limit).await?;
    let list = MessageList {
        messages: page.messages.iter().map(MessageBody::from).collect(),
        more: page.more,
        older: page.older,
        newer: page.newer,
    };
    Ok(Json(list).into_response())
}

/// Posts a message; answered once it is committed.
#[utoipa::path(post, path = "/api/rooms/{slug}/messages", tag = "messages", request_body = NewMessage, params(("slug" = String, Path)),
    responses((status = 201, description = "Committed", body = Accepted<'_>), (status = 200, description = "It was there already", body = Accepted<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_message(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    RoomPath(slug): RoomPath,
    JsonBody(wanted): JsonBody<NewMessage>,
) -> Result<Response, Problem> {
    check_body(&wanted.body)?;
    app.sends
        .take(who.user.id, Instant::now())
        .map_err(too_fast)?;
    client.take_now(Operation::Send)?;
    let client_id = wanted.client_id.unwrap_or_default();
    let draft = Draft {
        client_id,
        body: wanted.body,
        reply_to: wanted.reply_to,
    };
    let pace = Pace::sent(client);
    let posted = app.chat.post(&who, &slug, draft, pace).await?;
    let status = if posted.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let location: [(HeaderName, String); 1] = [(
        header::LOCATION,
        format!("/api/rooms/{slug}/messages/{}", posted.seq),
    )];
    let accepted = Accepted::of(&slug, client_id, &posted);
    Ok((status, location, Json(accepted)).into_response())
}

/// One message.
#[utoipa::path(get, path = "/api/rooms/{slug}/messages/{seq}", tag = "messages", params(("slug" = String, Path), ("seq" = Seq, Path)),
    responses((status = 200, description = "The message", body = MessageBody<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn show_message(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MessagePath { slug, seq }: MessagePath,
) -> Result<Response, Problem> {
    let message = app.chat.message(&who, &slug, seq).await?;
    Ok(Json(MessageBody::from(&message)).into_response())
}

/// Stops a reply that is waiting or being written.
#[utoipa::path(post, path = "/api/rooms/{slug}/replies/{seq}/stop", tag = "messages", params(("slug" = String, Path), ("seq" = Seq, Path)),
    responses((status = 200, description = "It will stop", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn stop_reply(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MessagePath { slug, seq }: MessagePath,
) -> Result<Json<Changed>, Problem> {
    let version = app.chat.stop_reply(&who, &slug, seq).await?;
    Ok(Json(Changed { version }))
}

/// Has a stopped, failed or interrupted reply written again.
#[utoipa::path(post, path = "/api/rooms/{slug}/replies/{seq}/retry", tag = "messages", params(("slug" = String, Path), ("seq" = Seq, Path)),
    responses((status = 200, description = "It is queued again", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn retry_reply(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    MessagePath { slug, seq }: MessagePath,
) -> Result<Json<Changed>, Problem> {
    client.take_now(Operation::Prompt)?;
    let version = app.chat.retry_reply(&who, &slug, seq).await?;
    Ok(Json(Changed { version }))
}

fn bad(sentence: &'static str) -> Problem {
    Refusal::with_message(ErrorCode::BadRequest, sentence).into()
}

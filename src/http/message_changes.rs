//! `/api/rooms/{slug}/messages/{seq}` and what is below it: editing, deleting, reactions, pins; `/api/rooms/{slug}/pins`.
//! As the frames of the socket, at the rate of sends.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{Problem, too_fast};
use super::extract::{Caller, JsonBody, MessagePath, Payer, ReactionPath, RoomPath};
use super::rooms::Changed;
use crate::app::App;
use crate::chat::message_changes::Deed;
use crate::db::marks::Mark;
use crate::db::rows::Identity;
use crate::ids::Version;
use crate::protocol::server::{MessageBody, millis};
use crate::quotas::{Client, Operation};

/// A message's new text.
#[derive(Deserialize, ToSchema)]
pub struct MessageEdit {
    /// The text: at most 16 KiB, not blank. It asks nobody anew.
    body: String,
    /// A version of the message at which it had the text that is edited; with another text meanwhile the answer is `version_conflict`.
    if_version: Option<Version>,
    /// Whether what answers it is written again, each reply as another variant.
    #[serde(default)]
    resend: bool,
}

/// A text that a message had.
#[derive(Serialize, ToSchema)]
pub struct FormerText {
    /// The version of the edit that replaced it.
    version: Version,
    /// The text.
    body: String,
    /// When it was written.
    #[serde(serialize_with = "millis")]
    written_at: DateTime<Utc>,
    /// When it was replaced.
    #[serde(serialize_with = "millis")]
    replaced_at: DateTime<Utc>,
}

/// What a message said before each of its edits.
#[derive(Serialize, ToSchema)]
pub struct EditList {
    /// The oldest first; at most 50.
    edits: Vec<FormerText>,
}

/// A room's pinned messages.
#[derive(Serialize, ToSchema)]
pub struct PinList<'a> {
    /// The latest pin first; at most 50.
    messages: Vec<MessageBody<'a>>,
}

/// Changes the text of one's own message.
#[utoipa::path(patch, path = "/api/rooms/{slug}/messages/{seq}", tag = "messages", request_body = MessageEdit, params(("slug" = String, Path), ("seq" = i64, Path)),
    responses((status = 200, description = "Committed", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn edit_message(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    path: MessagePath,
    JsonBody(edit): JsonBody<MessageEdit>,
) -> Result<Json<Changed>, Problem> {
    let deed = match edit.resend {
        true => Deed::Resend(edit.body, edit.if_version),
        false => Deed::Edit(edit.body, edit.if_version),
    };
    change(&app, (&who, &client), &path, deed).await
}

/// Deletes a message: one's own, or anybody's as one who keeps order.
#[utoipa::path(delete, path = "/api/rooms/{slug}/messages/{seq}", tag = "messages", params(("slug" = String, Path), ("seq" = i64, Path)),
    responses((status = 200, description = "Gone", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn delete_message(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    path: MessagePath,
) -> Result<Json<Changed>, Problem> {
    change(&app, (&who, &client), &path, Deed::Delete).await
}

/// Reacts to a message.
#[utoipa::path(put, path = "/api/rooms/{slug}/messages/{seq}/reactions/{emoji}", tag = "messages", params(("slug" = String, Path), ("seq" = i64, Path), ("emoji" = String, Path)),
    responses((status = 200, description = "It is so", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn add_reaction(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    path: ReactionPath,
) -> Result<Json<Changed>, Problem> {
    let deed = Deed::Mark(Mark::Reaction(path.emoji));
    change(&app, (&who, &client), &path.message, deed).await
}

/// Takes one's reaction back.
#[utoipa::path(delete, path = "/api/rooms/{slug}/messages/{seq}/reactions/{emoji}", tag = "messages", params(("slug" = String, Path), ("seq" = i64, Path), ("emoji" = String, Path)),
    responses((status = 200, description = "It is so", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn remove_reaction(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    path: ReactionPath,
) -> Result<Json<Changed>, Problem> {
    let deed = Deed::Unmark(Mark::Reaction(path.emoji));
    change(&app, (&who, &client), &path.message, deed).await
}

/// Pins a message.
#[utoipa::path(put, path = "/api/rooms/{slug}/messages/{seq}/pin", tag = "messages", params(("slug" = String, Path), ("seq" = i64, Path)),
    responses((status = 200, description = "It is so", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn pin_message(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    path: MessagePath,
) -> Result<Json<Changed>, Problem> {
    change(&app, (&who, &client), &path, Deed::Mark(Mark::Pin)).await
}

/// Unpins a message.
#[utoipa::path(delete, path = "/api/rooms/{slug}/messages/{seq}/pin", tag = "messages", params(("slug" = String, Path), ("seq" = i64, Path)),
    responses((status = 200, description = "It is so", body = Changed), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn unpin_message(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    path: MessagePath,
) -> Result<Json<Changed>, Problem> {
    change(&app, (&who, &client), &path, Deed::Unmark(Mark::Pin)).await
}

/// What a message said before: its author's to read, and of those who keep order.
#[utoipa::path(get, path = "/api/rooms/{slug}/messages/{seq}/edits", tag = "messages", params(("slug" = String, Path), ("seq" = i64, Path)),
    responses((status = 200, description = "Former texts", body = EditList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_edits(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MessagePath { slug, seq }: MessagePath,
) -> Result<Json<EditList>, Problem> {
    let edits = app.chat.edits(&who, &slug, seq).await?;
    let edits = edits
        .into_iter()
        .map(|row| FormerText {
            version: row.version,
            body: row.body,
            written_at: row.written_at,
            replaced_at: row.replaced_at,
        })
        .collect();
    Ok(Json(EditList { edits }))
}

/// The pinned messages of a room.
#[utoipa::path(get, path = "/api/rooms/{slug}/pins", tag = "messages", params(("slug" = String, Path)),
    responses((status = 200, description = "Messages", body = PinList<'_>), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_pins(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Response, Problem> {
    let rows = app.chat.pins(&who, &slug).await?;
    let messages = rows.iter().map(MessageBody::from).collect();
    Ok(Json(PinList { messages }).into_response())
}

async fn change(
    app: &App,
    (who, client): (&Identity, &Client),
    MessagePath { slug, seq }: &MessagePath,
    deed: Deed,
) -> Result<Json<Changed>, Problem> {
    app.sends
        .take(who.user.id, Instant::now())
        .map_err(too_fast)?;
    client.take_now(Operation::Send)?;
    if deed.prompts() {
        client.take_now(Operation::Prompt)?;
    }
    let version = app.chat.change_message(who, slug, *seq, deed).await?;
    Ok(Json(Changed { version }))
}

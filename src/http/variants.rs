//! `/api/rooms/{slug}/replies/{seq}/…` and `…/messages/{seq}/variants`: having a reply written another way, reading its variants, selecting one. As the frames
//! of the socket. The selected variant is the reply's message, so whoever reads the room has it already.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Problem;
use super::extract::{Caller, JsonBody, MessagePath, Payer, QueryOf};
use super::openapi::AnyProblem;
use super::rooms::Changed;
use crate::app::App;
use crate::db::changes::Change;
use crate::db::rows::{MessageState, ReplyMeta};
use crate::db::variants::VariantRow;
use crate::protocol::server::shown_html;
use crate::quotas::Operation;

/// Which of a reply's texts.
#[derive(Deserialize, ToSchema)]
pub struct Selection {
    /// Its number.
    variant: i32,
}

/// Where a page begins.
#[derive(Deserialize, IntoParams)]
pub struct VariantQuery {
    /// Those above this number; left out, from the first.
    #[serde(default)]
    after: i32,
}

/// One text of a reply.
#[derive(Serialize, ToSchema)]
pub struct Variant<'a> {
    /// Its number.
    variant: i32,
    /// As written.
    body: &'a str,
    /// As sanitised HTML, when it is more than plain text and not above 32 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
    /// How it ended.
    state: MessageState,
    /// Of its making.
    reply: &'a ReplyMeta,
}

/// Some of a reply's texts.
#[derive(Serialize, ToSchema)]
pub struct VariantList<'a> {
    /// Ascending; not the one that waits or is being written.
    variants: Vec<Variant<'a>>,
    /// How many there are.
    count: i32,
    /// The one that the message is.
    selected: i32,
    /// Whether there are more behind these: ask with `after`.
    more: bool,
}

impl<'a> From<&'a VariantRow> for Variant<'a> {
    fn from(row: &'a VariantRow) -> Self {
        Self {
            variant: row.variant,
            body: &row.body,
            html: shown_html(row.html.as_deref()),
            state: row.state,
            reply: &row.meta,
        }
    }
}

/// Has a settled reply written another way; the text it has is kept.
#[utoipa::path(post, path = "/api/rooms/{slug}/replies/{seq}/regenerate", tag = "messages", params(("slug" = String, Path), ("seq" = i64, Path)),
    responses((status = 200, description = "It is queued again", body = Changed), (status = "default", response = AnyProblem)))]
pub async fn regenerate_reply(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    MessagePath { slug, seq }: MessagePath,
) -> Result<Json<Changed>, Problem> {
    client.take_now(Operation::Prompt)?;
    let (actor, caps) = (who.user.id, app.chat.caps());
    let change = Change::RegenerateReply { actor, seq, caps };
    let version = app.chat.change_reply(&who, &slug, change).await?;
    Ok(Json(Changed { version }))
}

/// Makes one of a reply's texts its message, for everybody.
#[utoipa::path(post, path = "/api/rooms/{slug}/replies/{seq}/select", tag = "messages", request_body = Selection, params(("slug" = String, Path), ("seq" = i64, Path)),
    responses((status = 200, description = "It is the message", body = Changed), (status = "default", response = AnyProblem)))]
pub async fn select_variant(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    MessagePath { slug, seq }: MessagePath,
    JsonBody(Selection { variant }): JsonBody<Selection>,
) -> Result<Json<Changed>, Problem> {
    // The whole text goes to everybody.
    client.take_now(Operation::Send)?;
    let actor = who.user.id;
    let change = Change::SelectVariant {
        actor,
        seq,
        variant,
    };
    let version = app.chat.change_reply(&who, &slug, change).await?;
    Ok(Json(Changed { version }))
}

/// The texts of a reply.
#[utoipa::path(get, path = "/api/rooms/{slug}/messages/{seq}/variants", tag = "messages", params(("slug" = String, Path), ("seq" = i64, Path), VariantQuery),
    responses((status = 200, description = "Variants", body = VariantList<'_>), (status = "default", response = AnyProblem)))]
pub async fn list_variants(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MessagePath { slug, seq }: MessagePath,
    QueryOf(VariantQuery { after }): QueryOf<VariantQuery>,
) -> Result<Response, Problem> {
    let page = app.chat.variants(&who, &slug, seq, after).await?;
    let list = VariantList {
        variants: page.variants.iter().map(Variant::from).collect(),
        count: page.all.count,
        selected: page.all.selected,
        more: page.more,
    };
    Ok(Json(list).into_response())
}

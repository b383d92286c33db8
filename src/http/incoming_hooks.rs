//! `/api/rooms/{slug}/incoming-hooks` and `/api/hooks/{secret}`: webhooks by which other programs post into a room. Who posts
//! is told by the secret in the address alone: no cookie, no header and no Origin is looked at. The secret is shown once and
//! is in no log: `middleware.rs` never logs an address under `/api/hooks/`.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{Problem, too_fast};
use super::extract::{
    HookPath, HookSecret, JsonBody, RoomPath, SignedInCaller, is_plain, whole_body,
};
use crate::app::App;
use crate::auth::client_id_of;
use crate::chat::messages::Draft;
use crate::chat::pace::Pace;
use crate::db::integrations::HookRow;
use crate::db::rows::UserRow;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ClientId, HookId, Seq, Version};
use crate::limits;
use crate::protocol::client::check_body;

/// An `Idempotency-Key` header makes a post that is sent again find the first.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
pub struct NewIncomingHook {
    /// The author its messages show, 1 to 64 characters; others may have the name too.
    name: String,
}

/// A webhook as those who manage it see it.
#[derive(Serialize, ToSchema)]
pub struct IncomingHook {
    /// Its id.
    id: HookId,
    /// The author of its messages: a bot of its own.
    user: UserRow,
    /// Who made it.
    created_by: UserRow,
    /// When.
    created_at: DateTime<Utc>,
    /// When it was last used, to the minute; null: never.
    last_used_at: Option<DateTime<Utc>>,
}

/// A webhook that was just made, or got another secret.
#[derive(Serialize, ToSchema)]
pub struct MadeIncomingHook {
    /// Where to post, on this server; shown this once. Whoever has it may post.
    path: String,
    /// The webhook.
    hook: IncomingHook,
}

/// Webhooks.
#[derive(Serialize, ToSchema)]
pub struct IncomingHookList {
    /// The oldest first.
    hooks: Vec<IncomingHook>,
}

/// What a program posts; as `text/plain` the body is the text.
#[derive(Deserialize, ToSchema)]
pub struct HookPost {
    /// The text: at most 16 KiB, not blank.
    text: String,
    /// The program's own id of it; a resend with the same one answers with the first. Wins over an `Idempotency-Key`.
    client_id: Option<ClientId>,
}

/// That it was posted.
#[derive(Serialize, ToSchema)]
pub struct HookPosted {
    /// Its place in the room.
    seq: Seq,
    /// The version it took.
    version: Version,
    /// True when it was there already.
    duplicate: bool,
    /// Why the assistant does not answer, where it was called: it never answers a bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reply_refused: Option<ErrorCode>,
}

impl From<HookRow> for IncomingHook {
    fn from(row: HookRow) -> Self {
        Self {
            id: row.id,
            user: row.user,
            created_by: row.created_by,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// Makes an incoming webhook of a room (moderators and owners).
#[utoipa::path(post, path = "/api/rooms/{slug}/incoming-hooks", tag = "integrations", request_body = NewIncomingHook, params(("slug" = String, Path)),
    responses((status = 201, description = "Made; the address is shown this once", body = MadeIncomingHook), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_hook(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    RoomPath(slug): RoomPath,
    JsonBody(wanted): JsonBody<NewIncomingHook>,
) -> Result<(StatusCode, Json<MadeIncomingHook>), Problem> {
    app.bots
        .take(who.user.id, Instant::now())
        .map_err(too_fast)?;
    let (secret, row) = app.auth.create_hook(&who, &slug, &wanted.name).await?;
    Ok((StatusCode::CREATED, Json(made(secret.reveal(), row))))
}

/// The incoming webhooks of a room (moderators and owners).
#[utoipa::path(get, path = "/api/rooms/{slug}/incoming-hooks", tag = "integrations", params(("slug" = String, Path)),
    responses((status = 200, description = "Webhooks", body = IncomingHookList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_hooks(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    RoomPath(slug): RoomPath,
) -> Result<Json<IncomingHookList>, Problem> {
    let rows = app.auth.hooks(&who, &slug).await?;
    let hooks = rows.into_iter().map(IncomingHook::from).collect();
    Ok(Json(IncomingHookList { hooks }))
}

/// Gives an incoming webhook another address; the one before is good for nothing from then on.
#[utoipa::path(post, path = "/api/rooms/{slug}/incoming-hooks/{hook}/rotate", tag = "integrations", params(("slug" = String, Path), ("hook" = HookId, Path)),
    responses((status = 200, description = "The new address, shown this once", body = MadeIncomingHook), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn rotate_hook(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    HookPath { slug, hook }: HookPath,
) -> Result<Json<MadeIncomingHook>, Problem> {
    let (secret, row) = app.auth.rotate_hook(&who, &slug, hook).await?;
    Ok(Json(made(secret.reveal(), row)))
}

/// Revokes an incoming webhook; its bot leaves the room. What it said stays.
#[utoipa::path(delete, path = "/api/rooms/{slug}/incoming-hooks/{hook}", tag = "integrations", params(("slug" = String, Path), ("hook" = HookId, Path)),
    responses((status = 204, description = "Revoked"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn revoke_hook(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    HookPath { slug, hook }: HookPath,
) -> Result<StatusCode, Problem> {
    let user = app.auth.revoke_hook(&who, &slug, hook).await?;
    // It is revoked, whatever becomes of this: a second try would find nothing.
    app.chat.leave_everywhere(user.id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Posts into the room of an incoming webhook; answered once it is committed.
#[utoipa::path(post, path = "/api/hooks/{secret}", tag = "integrations", request_body = HookPost, security(()),
    params(("secret" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "A post sent again with the same key finds the first")),
    responses((status = 201, description = "Committed", body = HookPosted), (status = 200, description = "It was there already", body = HookPosted), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn post(
    State(app): State<Arc<App>>,
    HookSecret(secret): HookSecret,
    request: Request,
) -> Result<(StatusCode, Json<HookPosted>), Problem> {
    let Some(caller) = app.auth.hook_caller(&secret).await? else {
        return Err(ErrorCode::NotFound.into());
    };
    app.hook_posts
        .take(caller.hook, Instant::now())
        .map_err(too_fast)?;
    let key = idempotency_key(request.headers())?;
    let HookPost { text, client_id } = read(request).await?;
    check_body(&text)?;
    let client_id = match (client_id, key) {
        (Some(client_id), _) => client_id,
        (None, Some(key)) => client_id_of(&key),
        (None, None) => ClientId::new(),
    };
    let draft = Draft {
        client_id,
        body: text,
        reply_to: None,
    };
    let posted = app
        .chat
        .post(&caller.identity, &caller.slug, draft, Pace::free())
        .await?;
    let status = if posted.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((
        status,
        Json(HookPosted {
            seq: posted.seq,
            version: posted.version,
            duplicate: posted.duplicate,
            reply_refused: posted.reply_refused,
        }),
    ))
}

/// The body: JSON, or plain text.
async fn read(request: Request) -> Result<HookPost, Problem> {
    if !is_plain(request.headers(), "text/plain") {
        let JsonBody(post) = JsonBody::from_request(request, &()).await?;
        return Ok(post);
    }
    let bytes = whole_body(request, &()).await?;
    match String::from_utf8(bytes.into()) {
        Ok(text) => Ok(HookPost {
            text,
            client_id: None,
        }),
        Err(_) => Err(bad("The text is not UTF-8.")),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match key.to_str() {
        Ok(key) if (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&key.len()) => {
            Ok(Some(key.to_owned()))
        }
        _ => Err(bad(
            "An `Idempotency-Key` is of 1 to 255 visible characters.",
        )),
    }
}

fn made(secret: &str, row: HookRow) -> MadeIncomingHook {
    MadeIncomingHook {
        path: format!("/api/hooks/{secret}"),
        hook: row.into(),
    }
}

fn bad(sentence: &'static str) -> Problem {
    Refusal::with_message(ErrorCode::BadRequest, sentence).into()
}

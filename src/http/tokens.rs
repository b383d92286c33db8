//! `/api/tokens` and `/api/bots`: what programs say who they are with, and the users they are. All of it is for people who are
//! signed in; a token can do nothing here.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::nudge;
use super::error::{Problem, too_fast};
use super::extract::{BotPath, JsonBody, SignedInCaller, TokenPath};
use crate::app::App;
use crate::auth::{WantedToken, token};
use crate::db::integrations::{BotRow, TokenRow};
use crate::db::rows::{Identity, UserRow};
use crate::ids::{SessionId, UserId};
use crate::permissions::Scope;

/// A token to be made.
#[derive(Deserialize, ToSchema)]
pub struct NewApiToken {
    /// What to call it, 1 to 64 characters.
    name: String,
    /// What it may be used for.
    scope: Scope,
    /// When it ends, in seconds from now, at most ten years; left out: when it is revoked.
    expires_in_s: Option<i64>,
}

/// A token as its owner sees it.
#[derive(Serialize, ToSchema)]
pub struct ApiToken {
    /// Its id.
    id: SessionId,
    /// What its owner calls it.
    name: String,
    /// What it may be used for.
    scope: Scope,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it ends; null: when it is revoked.
    expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute; null: never.
    last_used_at: Option<DateTime<Utc>>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub struct MadeToken {
    /// For `Authorization: Bearer`; shown this once.
    secret: String,
    /// The token.
    token: ApiToken,
}

/// Tokens.
#[derive(Serialize, ToSchema)]
pub struct TokenList {
    /// Those that have not ended, the oldest first.
    tokens: Vec<ApiToken>,
}

/// A bot to be made.
#[derive(Deserialize, ToSchema)]
pub struct NewBot {
    /// 1 to 64 characters; compared without case.
    name: String,
}

/// A bot as its owner sees it.
#[derive(Serialize, ToSchema)]
pub struct Bot {
    /// The bot.
    user: UserRow,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// Bots.
#[derive(Serialize, ToSchema)]
pub struct BotList {
    /// The oldest first.
    bots: Vec<Bot>,
}

impl From<TokenRow> for ApiToken {
    fn from(row: TokenRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scope: row.scope,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

impl From<BotRow> for Bot {
    fn from(row: BotRow) -> Self {
        Self {
            user: row.user,
            created_at: row.created_at,
        }
    }
}

type MadeTokenAnswer = (StatusCode, Json<MadeToken>);

/// Makes a token of one's own.
#[utoipa::path(post, path = "/api/tokens", tag = "tokens", request_body = NewApiToken,
    responses((status = 201, description = "Made; the secret is shown this once", body = MadeToken), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_token(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    JsonBody(wanted): JsonBody<NewApiToken>,
) -> Result<MadeTokenAnswer, Problem> {
    make_token(&app, &who, who.user.id, wanted).await
}

/// One's own tokens.
#[utoipa::path(get, path = "/api/tokens", tag = "tokens",
    responses((status = 200, description = "Tokens", body = TokenList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_tokens(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
) -> Result<Json<TokenList>, Problem> {
    let rows = app.auth.tokens(&who, who.user.id).await?;
    Ok(token_list(rows))
}

/// Revokes a token, one's own or one of a bot of one's own. What is connected with it is closed.
#[utoipa::path(delete, path = "/api/tokens/{token}", tag = "tokens", params(("token" = SessionId, Path)),
    responses((status = 204, description = "Revoked"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn revoke_token(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    TokenPath(token): TokenPath,
) -> Result<StatusCode, Problem> {
    app.auth.revoke_token(&who, token).await?;
    nudge(&app);
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a bot: a user without a password, in no room, that acts through its tokens.
#[utoipa::path(post, path = "/api/bots", tag = "tokens", request_body = NewBot,
    responses((status = 201, description = "Made", body = Bot), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_bot(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    JsonBody(wanted): JsonBody<NewBot>,
) -> Result<(StatusCode, Json<Bot>), Problem> {
    app.bots
        .take(who.user.id, Instant::now())
        .map_err(too_fast)?;
    let bot = app.auth.create_bot(&who, &wanted.name).await?;
    Ok((StatusCode::CREATED, Json(bot.into())))
}

/// One's own bots.
#[utoipa::path(get, path = "/api/bots", tag = "tokens",
    responses((status = 200, description = "Bots", body = BotList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_bots(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
) -> Result<Json<BotList>, Problem> {
    let bots = app.auth.bots(&who).await?;
    let bots = bots.into_iter().map(Bot::from).collect();
    Ok(Json(BotList { bots }))
}

/// Removes a bot of one's own: its tokens end, what is connected with them is closed, and it leaves its rooms. What it said
/// stays, and its name stays taken.
#[utoipa::path(delete, path = "/api/bots/{bot}", tag = "tokens", params(("bot" = UserId, Path)),
    responses((status = 204, description = "Removed"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn remove_bot(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    BotPath(bot): BotPath,
) -> Result<StatusCode, Problem> {
    app.auth.remove_bot(&who, bot).await?;
    nudge(&app);
    app.chat.leave_everywhere(bot).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token of a bot of one's own.
#[utoipa::path(post, path = "/api/bots/{bot}/tokens", tag = "tokens", request_body = NewApiToken, params(("bot" = UserId, Path)),
    responses((status = 201, description = "Made; the secret is shown this once", body = MadeToken), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn create_bot_token(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    BotPath(bot): BotPath,
    JsonBody(wanted): JsonBody<NewApiToken>,
) -> Result<MadeTokenAnswer, Problem> {
    make_token(&app, &who, bot, wanted).await
}

/// The tokens of a bot of one's own.
#[utoipa::path(get, path = "/api/bots/{bot}/tokens", tag = "tokens", params(("bot" = UserId, Path)),
    responses((status = 200, description = "Tokens", body = TokenList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_bot_tokens(
    State(app): State<Arc<App>>,
    SignedInCaller(who): SignedInCaller,
    BotPath(bot): BotPath,
) -> Result<Json<TokenList>, Problem> {
    let rows = app.auth.tokens(&who, bot).await?;
    Ok(token_list(rows))
}

async fn make_token(
    app: &App,
    who: &Identity,
    holder: UserId,
    wanted: NewApiToken,
) -> Result<MadeTokenAnswer, Problem> {
    let wanted = WantedToken {
        name: wanted.name,
        scope: wanted.scope,
        expires_in_s: wanted.expires_in_s,
    };
    let (secret, row) = app.auth.create_token(who, holder, wanted).await?;
    Ok((StatusCode::CREATED, Json(made(&secret, row))))
}

fn made(secret: &token::Token, row: TokenRow) -> MadeToken {
    MadeToken {
        secret: secret.reveal().to_owned(),
        token: row.into(),
    }
}

fn token_list(rows: Vec<TokenRow>) -> Json<TokenList> {
    Json(TokenList {
        tokens: rows.into_iter().map(ApiToken::from).collect(),
    })
}

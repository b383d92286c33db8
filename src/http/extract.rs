//! What handlers take from a request, each with a typed problem for every way it can be wrong: who asks ([`Caller`]), a
//! JSON body ([`JsonBody`]), a query ([`QueryOf`]), and names in the path ([`RoomPath`], [`MessagePath`],
//! [`ReactionPath`], [`MemberPath`], [`InvitePath`]).

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, OptionalFromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum_extra::extract::cookie::CookieJar;
use tokio_util::sync::CancellationToken;

use super::body::bad_request;
pub use super::body::{JsonBody, QueryOf, is_plain, whole_body};
use super::client_address::RateKey;
use super::error::{Problem, too_fast};
use crate::app::App;
use crate::auth::names;
use crate::config::Config;
use crate::db::rows::Identity;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{HookId, InviteId, Seq, SessionId, UserId, WebhookId};
use crate::origin::Parties;
use crate::quotas::Client;

/// How a client says who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credential {
    /// The session cookie: browsers send it on their own, so the Origin must be checked.
    Cookie,
    /// `Authorization: Bearer`: only code that knows the token sends it.
    Bearer,
}

/// The name of the session cookie; `__Host-` makes browsers insist on Secure, this host and no other path.
#[must_use]
pub fn cookie_name(config: &Config) -> &'static str {
    if config.plain_http() {
        "salon"
    } else {
        "__Host-salon"
    }
}

/// The credential a request carries. An `Authorization` header wins over the cookie, whatever it holds, so that a
/// page of another site cannot mix its own header with the user's cookie.
#[must_use]
pub fn credential(headers: &HeaderMap, config: &Config) -> Option<(Credential, String)> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().unwrap_or_default();
        let token = value
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        return Some((Credential::Bearer, token.to_owned()));
    }
    let jar = CookieJar::from_headers(headers);
    let cookie = jar.get(cookie_name(config))?;
    Some((Credential::Cookie, cookie.value().to_owned()))
}

/// The connection a request came by, for a stream whose reader takes nothing any more: its answer cannot end, so its
/// connection does.
#[derive(Clone, Debug, Default)]
pub struct Hangup(CancellationToken);

impl Hangup {
    /// Ends the connection, whatever is on its way.
    pub fn hang_up(&self) {
        self.0.cancel();
    }

    /// Returns once it is to end.
    pub async fn hung_up(&self) {
        self.0.cancelled().await;
    }
}

/// Where a program's token is good, at this address and below it: rooms and what is said in them. Any other address under
/// `/api` is about the account (`session_required`), so one that is added is closed to tokens until it stands here.
const OPEN_TO_TOKENS: [&str; 7] = [
    "/api/rooms",
    "/api/direct",
    "/api/search",
    "/api/chat",
    "/api/me",
    "/api/models",
    "/api/config",
];

/// Where an application's claim is good as well: what comes of these does not let anybody in beyond the claim's end. The table of
/// routes says the same (`claims_too`).
const OPEN_TO_CLAIMS: [&str; 2] = ["/api/tickets", "/api/invites/accept"];

/// What a credential turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Proof {
    /// A session, or a program's token.
    Token,
    /// An application's claim.
    Claim,
}

/// Whose credential it is, and what it is. A claim is good as a bearer token only, never as a cookie.
async fn who(
    app: &App,
    credential: Credential,
    token: &str,
) -> Result<Option<(Proof, Identity)>, Refusal> {
    if let Some(identity) = app.auth.authenticate(token).await? {
        return Ok(Some((Proof::Token, identity)));
    }
    if credential == Credential::Cookie {
        return Ok(None);
    }
    let claimed = app.auth.authenticate_claim(token).await?;
    Ok(claimed.map(|identity| (Proof::Claim, identity)))
}

/// Whose credential it is.
///
/// # Errors
/// As [`crate::auth::Auth::authenticate`] and [`crate::auth::Auth::authenticate_claim`].
pub async fn identity_of(
    app: &App,
    credential: Credential,
    token: &str,
) -> Result<Option<Identity>, Refusal> {
    let found = who(app, credential, token).await?;
    Ok(found.map(|(_, identity)| identity))
}

/// Refuses what a token may not do; a session may ask for anything.
fn within_scope(proof: Proof, who: &Identity, method: &Method, path: &str) -> Result<(), Problem> {
    if who.scope.is_none() || proof == Proof::Claim && OPEN_TO_CLAIMS.contains(&path) {
        return Ok(());
    }
    let below = |address: &str| {
        path.strip_prefix(address)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !OPEN_TO_TOKENS.into_iter().any(below) {
        return Err(ErrorCode::SessionRequired.into());
    }
    if !who.may_write() && !matches!(*method, Method::GET | Method::HEAD) {
        return Err(ErrorCode::ScopeMissing.into());
    }
    Ok(())
}

/// Who asks. Without a living session or token the answer is `unauthenticated`; asking too fast, `rate_limited`; for what a
/// token may not do, `scope_missing` or `session_required`.
#[derive(Clone, Debug)]
pub struct Caller(pub Identity);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Some((credential, token)) = credential(&parts.headers, &app.config) else {
            return Err(ErrorCode::Unauthenticated.into());
        };
        let Some((proof, identity)) = who(app, credential, &token).await? else {
            return Err(ErrorCode::Unauthenticated.into());
        };
        Parties::name_who(identity.user.id);
        app.requests
            .take(identity.user.id, Instant::now())
            .map_err(too_fast)?;
        within_scope(proof, &identity, &parts.method, parts.uri.path())?;
        Ok(Self(identity))
    }
}

/// Who asks, and whose budgets pay for it.
#[derive(Clone)]
pub struct Payer(pub Identity, pub Client);

impl FromRequestParts<Arc<App>> for Payer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = <Caller as FromRequestParts<Arc<App>>>::from_request_parts(parts, app).await;
        let Caller(who) = caller?;
        let Ok(RateKey(address)) = RateKey::from_request_parts(parts, app).await;
        let client = app.quotas.client(who.user.id, address);
        Ok(Self(who, client))
    }
}

/// Who asks, if anybody: without a living session there is no one, which is no error.
impl OptionalFromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<Option<Self>, Problem> {
        match <Self as FromRequestParts<Arc<App>>>::from_request_parts(parts, app).await {
            Ok(caller) => Ok(Some(caller)),
            Err(problem) if problem.0.code == ErrorCode::Unauthenticated => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// Who asks, signed in: a token is `session_required`.
#[derive(Clone, Debug)]
pub struct SignedInCaller(pub Identity);

impl FromRequestParts<Arc<App>> for SignedInCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = <Caller as FromRequestParts<Arc<App>>>::from_request_parts(parts, app).await;
        let Caller(identity) = caller.map_err(|problem| match problem.0.code {
            // No other scope would do either.
            ErrorCode::ScopeMissing => ErrorCode::SessionRequired.into(),
            _ => problem,
        })?;
        if identity.scope.is_some() {
            return Err(ErrorCode::SessionRequired.into());
        }
        Ok(Self(identity))
    }
}

/// `/rooms/{slug}`: what cannot be a slug is the slug of no room.
#[derive(Clone, Debug)]
pub struct RoomPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for RoomPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [slug] = path_parts(parts, state, ErrorCode::RoomNotFound).await?;
        room_slug(slug).map(Self)
    }
}

/// `/rooms/{slug}/messages/{seq}` and `/rooms/{slug}/replies/{seq}`.
#[derive(Clone, Debug)]
pub struct MessagePath {
    /// The room's slug.
    pub slug: String,
    /// The message's place, from 1.
    pub seq: Seq,
}

impl<S: Send + Sync> FromRequestParts<S> for MessagePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [slug, seq] = path_parts(parts, state, ErrorCode::RoomNotFound).await?;
        message_path(slug, &seq)
    }
}

fn message_path(slug: String, seq: &str) -> Result<MessagePath, Problem> {
    let slug = room_slug(slug)?;
    match seq.parse::<Seq>() {
        Ok(seq) if seq >= 1 => Ok(MessagePath { slug, seq }),
        _ => Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "A message's place is a number, from 1.",
        )
        .into()),
    }
}

/// `/rooms/{slug}/messages/{seq}/reactions/{emoji}`.
#[derive(Clone, Debug)]
pub struct ReactionPath {
    /// Which message.
    pub message: MessagePath,
    /// Which reaction, as it was given.
    pub emoji: String,
}

impl<S: Send + Sync> FromRequestParts<S> for ReactionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [slug, seq, emoji] = path_parts(parts, state, ErrorCode::RoomNotFound).await?;
        let message = message_path(slug, &seq)?;
        Ok(Self { message, emoji })
    }
}

/// `/rooms/{slug}/members/{user}`.
#[derive(Clone, Debug)]
pub struct MemberPath {
    /// The room's slug.
    pub slug: String,
    /// The member's id.
    pub user: UserId,
}

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [slug, user] = path_parts(parts, state, ErrorCode::RoomNotFound).await?;
        let slug = room_slug(slug)?;
        let user = user
            .parse()
            .map_err(|_error| bad_request("path", "a user's id is a UUID"))?;
        Ok(Self { slug, user })
    }
}

/// `/users/{user}`.
#[derive(Clone, Debug)]
pub struct UserPath(pub UserId);

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [user] = path_parts(parts, state, ErrorCode::UserNotFound).await?;
        user.parse()
            .map(Self)
            .map_err(|_error| ErrorCode::UserNotFound.into())
    }
}

/// `/rooms/{slug}/invites/{invite}`.
#[derive(Clone, Debug)]
pub struct InvitePath {
    /// The room's slug.
    pub slug: String,
    /// The invite's id.
    pub invite: InviteId,
}

impl<S: Send + Sync> FromRequestParts<S> for InvitePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [slug, invite] = path_parts(parts, state, ErrorCode::RoomNotFound).await?;
        let slug = room_slug(slug)?;
        let invite = invite
            .parse()
            .map_err(|_error| bad_request("path", "an invite's id is a UUID"))?;
        Ok(Self { slug, invite })
    }
}

/// `/sessions/{id}`.
#[derive(Clone, Debug)]
pub struct SessionPath(pub SessionId);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [session] = path_parts(parts, state, ErrorCode::NotFound).await?;
        session.parse().map(Self).map_err(|_error| not_found())
    }
}

/// `/tokens/{token}`.
#[derive(Clone, Debug)]
pub struct TokenPath(pub SessionId);

impl<S: Send + Sync> FromRequestParts<S> for TokenPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [token] = path_parts(parts, state, ErrorCode::NotFound).await?;
        token.parse().map(Self).map_err(|_error| not_found())
    }
}

/// `/bots/{bot}`.
#[derive(Clone, Debug)]
pub struct BotPath(pub UserId);

impl<S: Send + Sync> FromRequestParts<S> for BotPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [bot] = path_parts(parts, state, ErrorCode::NotFound).await?;
        bot.parse().map(Self).map_err(|_error| not_found())
    }
}

/// `/rooms/{slug}/incoming-hooks/{hook}`.
#[derive(Clone, Debug)]
pub struct HookPath {
    /// The room's slug.
    pub slug: String,
    /// The webhook's id.
    pub hook: HookId,
}

impl<S: Send + Sync> FromRequestParts<S> for HookPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [slug, hook] = path_parts(parts, state, ErrorCode::RoomNotFound).await?;
        let slug = room_slug(slug)?;
        let hook = hook.parse().map_err(|_error| not_found())?;
        Ok(Self { slug, hook })
    }
}

/// `/hooks/{secret}`; not for any log.
pub struct HookSecret(pub String);

impl<S: Send + Sync> FromRequestParts<S> for HookSecret {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [secret] = path_parts(parts, state, ErrorCode::NotFound).await?;
        Ok(Self(secret))
    }
}

fn not_found() -> Problem {
    ErrorCode::NotFound.into()
}

/// `/rooms/{slug}/outgoing-webhooks/{id}`.
#[derive(Clone, Debug)]
pub struct WebhookPath {
    /// The room's slug.
    pub slug: String,
    /// The webhook's id; what cannot be one is none's.
    pub id: WebhookId,
}

impl<S: Send + Sync> FromRequestParts<S> for WebhookPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let [slug, id] = path_parts(parts, state, ErrorCode::RoomNotFound).await?;
        let slug = room_slug(slug)?;
        let id = id.parse().map_err(|_error| ErrorCode::WebhookNotFound)?;
        Ok(Self { slug, id })
    }
}

async fn path_parts<S: Send + Sync, const COUNT: usize>(
    parts: &mut Parts,
    state: &S,
    otherwise: ErrorCode,
) -> Result<[String; COUNT], Problem> {
    let found = <Path<Vec<String>> as FromRequestParts<S>>::from_request_parts(parts, state).await;
    let Ok(Path(found)) = found else {
        return Err(otherwise.into());
    };
    found.try_into().map_err(|_others| otherwise.into())
}

fn room_slug(slug: String) -> Result<String, Problem> {
    if names::is_slug(&slug) {
        Ok(slug)
    } else {
        Err(ErrorCode::RoomNotFound.into())
    }
}

//! Every address of Salon on one screen. Handlers are in `http/`, one file for each noun.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, patch, post, put};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::consumer::Consumers;
use crate::http::error::{method_not_allowed, panicked};
use crate::http::middleware::{deadline, guard_origin, guard_transport, observe, safety_headers};
use crate::http::{
    account, admin, assets, assistants, audit, auth, bans, chat, export, health, incoming_hooks,
    invites, members, message_changes, messages, metrics, models, oidc, openapi, reply_events,
    retention, room_events, room_lists, rooms, search, security_contact, socket, tokens, usage,
    variants, webhooks,
};
use crate::limits;

/// Everything but `/metrics`, which has a listener of its own.
pub fn router(app: Arc<App>, consumers: Arc<Consumers>) -> Router {
    let everything = Router::new()
        .merge(answers().layer(from_fn(deadline)))
        .merge(streams().layer(Extension(consumers)))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback_service(assets::router());
    // Read from below: the last layer is the outermost.
    everything
        .layer(from_fn_with_state(Arc::clone(&app), guard_origin))
        .layer(from_fn_with_state(Arc::clone(&app), guard_transport))
        .layer(DefaultBodyLimit::max(limits::REQUEST_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(&app), safety_headers))
        .layer(from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}

/// The listener of `SALON_METRICS_LISTEN`, for the operator's network only.
pub fn metrics_router() -> Router {
    Router::new().route("/metrics", get(metrics::show))
}

/// What is answered within `limits::REQUEST_TIMEOUT`.
#[rustfmt::skip]
fn answers() -> Router<Arc<App>> {
    administration()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/.well-known/security.txt", get(security_contact::show))
        .route("/api/openapi.json", get(openapi::document))
        .route("/api/config", get(auth::config))
        .route("/api/users", post(auth::create_user))
        .route("/api/guests", post(auth::create_guest))
        .route("/api/sessions", get(account::list_sessions).post(auth::create_session).delete(account::end_sessions))
        .route("/api/sessions/{id}", delete(account::end_session))
        .route("/api/oidc/start", get(oidc::begin_sign_in))
        .route("/api/oidc/callback", get(oidc::end_sign_in))
        .route("/api/sessions/current", delete(auth::delete_session))
        .route("/api/me", get(auth::me).delete(account::delete_account))
        .route("/api/me/password", put(account::change_password))
        .route("/api/me/account", post(account::upgrade_guest))
        .route("/api/tickets", post(auth::create_ticket))
        .route("/api/tokens", get(tokens::list_tokens).post(tokens::create_token))
        .route("/api/tokens/{token}", delete(tokens::revoke_token))
        .route("/api/bots", get(tokens::list_bots).post(tokens::create_bot))
        .route("/api/bots/{bot}", delete(tokens::remove_bot))
        .route("/api/bots/{bot}/tokens", get(tokens::list_bot_tokens).post(tokens::create_bot_token))
        .route("/api/hooks/{secret}", post(incoming_hooks::post))
        .route("/api/rooms/{slug}/incoming-hooks", get(incoming_hooks::list_hooks).post(incoming_hooks::create_hook))
        .route("/api/rooms/{slug}/incoming-hooks/{hook}", delete(incoming_hooks::revoke_hook))
        .route("/api/rooms/{slug}/incoming-hooks/{hook}/rotate", post(incoming_hooks::rotate_hook))
        .route("/api/rooms", get(room_lists::list_rooms).post(rooms::create_room))
        .route("/api/rooms/{slug}", get(rooms::show_room).patch(rooms::edit_room).delete(rooms::delete_room))
        .route("/api/rooms/public", get(room_lists::find_public_rooms))
        .route("/api/direct", post(rooms::direct_room))
        .route("/api/rooms/{slug}/mute", put(room_lists::mute_room))
        .route("/api/rooms/{slug}/join", post(rooms::join_room))
        .route("/api/rooms/{slug}/members", get(members::list_members).post(members::set_member))
        .route("/api/rooms/{slug}/members/{user}", delete(members::remove_member))
        .route("/api/rooms/{slug}/transfer", post(bans::transfer_room))
        .route("/api/rooms/{slug}/bans", get(bans::list_bans).post(bans::ban_by_name))
        .route("/api/rooms/{slug}/bans/{user}", put(bans::ban_user).delete(bans::unban_user))
        .route("/api/rooms/{slug}/invites", get(invites::list_invites).post(invites::create_invite))
        .route("/api/rooms/{slug}/invites/{invite}", delete(invites::revoke_invite))
        .route("/api/invites/look", post(invites::look_up_invite))
        .route("/api/invites/accept", post(invites::accept_invite))
        .route("/api/rooms/{slug}/retention", get(retention::show_retention).put(retention::set_retention))
        .route("/api/rooms/{slug}/assistants", get(assistants::list_assistants).post(assistants::add_assistant))
        .route("/api/rooms/{slug}/assistants/{user}", patch(assistants::edit_assistant).delete(assistants::remove_assistant))
        .route("/api/rooms/{slug}/messages", get(messages::list_messages).post(messages::create_message))
        .route("/api/rooms/{slug}/messages/{seq}", get(messages::show_message).patch(message_changes::edit_message).delete(message_changes::delete_message))
        .route("/api/rooms/{slug}/messages/{seq}/edits", get(message_changes::list_edits))
        .route("/api/rooms/{slug}/messages/{seq}/reactions/{emoji}", put(message_changes::add_reaction).delete(message_changes::remove_reaction))
        .route("/api/rooms/{slug}/messages/{seq}/pin", put(message_changes::pin_message).delete(message_changes::unpin_message))
        .route("/api/rooms/{slug}/pins", get(message_changes::list_pins))
        .route("/api/rooms/{slug}/outgoing-webhooks", get(webhooks::list_webhooks).post(webhooks::create_webhook))
        .route("/api/rooms/{slug}/outgoing-webhooks/{id}", patch(webhooks::edit_webhook).delete(webhooks::delete_webhook))
        .route("/api/rooms/{slug}/outgoing-webhooks/{id}/secret", post(webhooks::rotate_secret))
        .route("/api/rooms/{slug}/outgoing-webhooks/{id}/test", post(webhooks::test_webhook))
        .route("/api/rooms/{slug}/outgoing-webhooks/{id}/attempts", get(webhooks::list_attempts))
        .route("/api/me/usage", get(usage::show_own))
        .route("/api/rooms/{slug}/usage", get(usage::show_room))
        .route("/api/models", get(models::list_models))
        .route("/api/search", get(search::search_messages))
        .route("/api/rooms/{slug}/replies/{seq}/stop", post(messages::stop_reply))
        .route("/api/rooms/{slug}/replies/{seq}/retry", post(messages::retry_reply))
        .route("/api/rooms/{slug}/replies/{seq}/regenerate", post(variants::regenerate_reply))
        .route("/api/rooms/{slug}/replies/{seq}/select", post(variants::select_variant))
        .route("/api/rooms/{slug}/messages/{seq}/variants", get(variants::list_variants))
}

/// What administrators of the server ask.
#[rustfmt::skip]
fn administration() -> Router<Arc<App>> {
    Router::new()
        .route("/api/admin/users", get(admin::list_users))
        .route("/api/admin/users/{user}/admin", put(admin::set_admin))
        .route("/api/admin/users/{user}/disabled", put(admin::disable_user))
        .route("/api/admin/users/{user}/sessions", delete(admin::end_sessions))
        .route("/api/admin/rooms", get(admin::list_rooms))
        .route("/api/admin/rooms/{slug}", patch(admin::archive_room).delete(admin::delete_room))
        .route("/api/admin/rooms/{slug}/owner", put(admin::take_over_room))
        .route("/api/admin/audit", get(audit::list_audit))
        .route("/api/admin/usage", get(usage::sum_up))
}

/// What lives longer than one answer: the socket, `POST /api/chat` and the event streams. No deadline; each bounds
/// itself.
#[rustfmt::skip]
fn streams() -> Router<Arc<App>> {
    Router::new()
        .route("/ws", get(socket::upgrade))
        .route("/api/chat", post(chat::ask))
        .route("/api/rooms/{slug}/events", get(room_events::follow))
        .route("/api/rooms/{slug}/export", get(export::export_room))
        .route("/api/rooms/{slug}/replies/{seq}/events", get(reply_events::follow))
}

//! `/api/openapi.json`: the routes of `routes.rs` as an OpenAPI 3.1 document, from the handlers themselves. A test
//! compares the two, so a route without its description fails.

use axum::Json;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToResponse};

use super::{
    account, admin, assistants, audit, auth, bans, chat, error, export, incoming_hooks, invites,
    members, message_changes, messages, models, oidc, reply_events, retention, room_events,
    room_lists, rooms, search, tokens, usage, variants, webhooks,
};

/// Any refusal, as an RFC 9457 problem; `code` says which.
#[derive(ToResponse)]
#[response(
    description = "A refusal, as an RFC 9457 problem; branch on `code`",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "names the body of a response for the document")]
pub struct AnyProblem(#[to_schema] error::ProblemBody);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Salon",
        description = "Rooms where people and a language model talk. The live side is the WebSocket at /ws.",
        license(name = "MIT")
    ),
    security(("bearer" = []), ("cookie" = [])),
    components(responses(AnyProblem), schemas(error::ProblemBody, export::Format)),
    modifiers(&Credentials),
    paths(
        document,
        account::change_password,
        account::delete_account,
        account::end_session,
        account::end_sessions,
        account::list_sessions,
        account::upgrade_guest,
        admin::archive_room,
        admin::delete_room,
        admin::disable_user,
        admin::end_sessions,
        admin::list_rooms,
        admin::list_users,
        admin::set_admin,
        admin::take_over_room,
        audit::list_audit,
        assistants::add_assistant,
        assistants::edit_assistant,
        assistants::list_assistants,
        assistants::remove_assistant,
        auth::config,
        auth::create_guest,
        auth::create_session,
        auth::create_ticket,
        auth::create_user,
        auth::delete_session,
        auth::me,
        bans::ban_by_name,
        bans::ban_user,
        bans::list_bans,
        bans::transfer_room,
        bans::unban_user,
        chat::ask,
        export::export_room,
        invites::accept_invite,
        invites::create_invite,
        invites::list_invites,
        invites::look_up_invite,
        invites::revoke_invite,
        incoming_hooks::create_hook,
        incoming_hooks::list_hooks,
        incoming_hooks::post,
        incoming_hooks::revoke_hook,
        incoming_hooks::rotate_hook,
        members::list_members,
        members::remove_member,
        members::set_member,
        message_changes::add_reaction,
        message_changes::delete_message,
        message_changes::edit_message,
        message_changes::list_edits,
        message_changes::list_pins,
        message_changes::pin_message,
        message_changes::remove_reaction,
        message_changes::unpin_message,
        messages::create_message,
        messages::list_messages,
        messages::retry_reply,
        messages::show_message,
        messages::stop_reply,
        oidc::begin_sign_in,
        oidc::end_sign_in,
        models::list_models,
        reply_events::follow,
        room_lists::find_public_rooms,
        room_lists::list_rooms,
        room_lists::mute_room,
        retention::set_retention,
        retention::show_retention,
        room_events::follow,
        rooms::create_room,
        rooms::delete_room,
        rooms::direct_room,
        rooms::edit_room,
        rooms::join_room,
        rooms::show_room,
        search::search_messages,
        tokens::create_bot,
        tokens::create_bot_token,
        tokens::create_token,
        tokens::list_bot_tokens,
        tokens::list_bots,
        tokens::list_tokens,
        tokens::remove_bot,
        tokens::revoke_token,
        usage::show_own,
        usage::show_room,
        usage::sum_up,
        variants::list_variants,
        variants::regenerate_reply,
        variants::select_variant,
        webhooks::create_webhook,
        webhooks::delete_webhook,
        webhooks::edit_webhook,
        webhooks::list_attempts,
        webhooks::list_webhooks,
        webhooks::rotate_secret,
        webhooks::test_webhook,
    )
)]
struct Document;

/// The two ways to say who one is.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
        components.add_security_scheme(
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("__Host-salon"))),
        );
    }
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "server", security(()),
    responses((status = 200, description = "The OpenAPI document", body = Object)))]
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `METHOD /path` of every `.route(…)` under `/api` in `routes.rs`.
    fn routed() -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for line in include_str!("../routes.rs").lines() {
            let Some(rest) = line.trim().strip_prefix(".route(\"/api") else {
                continue;
            };
            let (path, handlers) = rest.split_once('"').unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                if handlers.contains(&format!(" {method}("))
                    || handlers.contains(&format!(".{method}("))
                {
                    found.insert(format!("{method} /api{path}"));
                }
            }
        }
        found
    }

    fn documented() -> BTreeSet<String> {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let mut found = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                found.insert(format!("{method} {path}"));
            }
        }
        found
    }

    #[test]
    fn every_route_is_documented_and_every_document_is_routed() {
        assert!(routed().len() > 20);
        assert_eq!(routed(), documented());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &serde_json::Value, found: &mut BTreeSet<String>) {
            match value {
                serde_json::Value::Object(fields) => {
                    if let Some(target) = fields.get("$ref").and_then(|target| target.as_str()) {
                        found.insert(target.trim_start_matches('#').to_owned());
                    }
                    fields.values().for_each(|field| references(field, found));
                }
                serde_json::Value::Array(items) => {
                    items.iter().for_each(|item| references(item, found));
                }
                _ => {}
            }
        }
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 10, "{found:?}");
        for target in found {
            assert!(document.pointer(&target).is_some(), "{target}");
        }
    }
}

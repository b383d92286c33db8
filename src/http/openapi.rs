//! `/api/openapi.json`: the routes of `routes.rs` as an OpenAPI 3.1 document, from the handlers themselves. A test
//! compares the two, so a route without its description fails.

use axum::Json;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToResponse};

use super::{auth, error, members, messages, rooms};

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
        license(name = "MIT OR Apache-2.0")
    ),
    security(("bearer" = []), ("cookie" = [])),
    components(responses(AnyProblem), schemas(error::ProblemBody)),
    modifiers(&Credentials),
    paths(
        document,
        auth::config,
        auth::create_guest,
        auth::create_session,
        auth::create_ticket,
        auth::create_user,
        auth::delete_session,
        auth::me,
        members::list_members,
        members::remove_member,
        members::set_member,
        messages::create_message,
        messages::list_messages,
        messages::retry_reply,
        messages::show_message,
        messages::stop_reply,
        rooms::create_room,
        rooms::delete_room,
        rooms::edit_room,
        rooms::join_room,
        rooms::list_rooms,
        rooms::show_room,
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
#[expect(clippy::unused_async, reason = "an axum handler")]
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

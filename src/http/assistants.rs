//! `/api/rooms/{slug}/assistants`: who answers in a room, what it is told, who may ask it. Every member reads it, owners change it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::error::Problem;
use super::extract::{Caller, JsonBody, MemberPath, Payer, RoomPath};
use super::openapi::AnyProblem;
use super::rooms::Changed;
use crate::app::App;
use crate::auth::names;
use crate::db::assistants::{AssistantEdit, RoomAssistant};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{UserId, Version};
use crate::permissions::Role;
use crate::quotas::Operation;

/// An assistant of a room.
#[derive(Serialize, ToSchema)]
pub struct Assistant {
    /// Its id: the author of its replies.
    id: UserId,
    /// By what it is called: `@name`.
    name: String,
    /// Whether it takes prompts.
    enabled: bool,
    /// The provider by its name; null for the server's own.
    provider: Option<String>,
    /// The model; null for the provider's own.
    model: Option<String>,
    /// What it is told beside what every assistant is told.
    system: String,
    /// From 0 to 2; null for the provider's own.
    temperature: Option<f64>,
    /// Tokens of an answer at most; null for the server's bound.
    max_tokens: Option<i32>,
    /// Tokens of history it is told, about; null for the server's bound.
    history_tokens: Option<i32>,
    /// The lowest role that may ask it.
    may_prompt: Role,
    /// The lowest role that may stop a reply that somebody else asked for.
    may_stop: Role,
    /// The lowest role that may have such a reply written again, or select a variant of it.
    may_regenerate: Role,
}

/// All of a room.
#[derive(Serialize, ToSchema)]
pub struct AssistantList {
    /// The server's own first, the others as they were added; at most 8.
    assistants: Vec<Assistant>,
}

/// One more.
#[derive(Deserialize, ToSchema)]
pub struct NewAssistant {
    /// By what it is called; nobody's name yet, or that of another room's assistant.
    name: String,
    /// What the room says of it.
    #[serde(flatten)]
    settings: Settings,
}

/// What a room says of an assistant; what is left out stays, or is as at first.
#[derive(Deserialize, ToSchema, Default)]
#[serde(default)]
pub struct Settings {
    /// Whether it takes prompts.
    enabled: Option<bool>,
    /// Up to 128 characters, or null.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    provider: Option<Option<String>>,
    /// Up to 128 characters, or null.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    model: Option<Option<String>>,
    /// Up to 8 KiB.
    system: Option<String>,
    /// From 0 to 2, or null.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<f64>)]
    temperature: Option<Option<f64>>,
    /// From 1 to 8192, or null.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<i32>)]
    max_tokens: Option<Option<i32>>,
    /// From 1 to 1000000, or null.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<i32>)]
    history_tokens: Option<Option<i32>>,
    /// A role.
    may_prompt: Option<Role>,
    /// A role.
    may_stop: Option<Role>,
    /// A role.
    may_regenerate: Option<Role>,
}

/// The id of an assistant that was added.
#[derive(Serialize, ToSchema)]
pub struct Added {
    /// Its id.
    id: UserId,
    /// In the room's count.
    version: Version,
}

/// Tells null from left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl Settings {
    fn edit(self) -> Result<AssistantEdit, Refusal> {
        // The nearest hundredth.
        let hundredths = |temperature: f64| {
            let near = |set: &i32| (f64::from(*set) - temperature * 100.0).abs() <= 0.5;
            let found = (0..=200)
                .find(near)
                .filter(|_| (0.0..=2.0).contains(&temperature));
            found.ok_or_else(|| {
                let sentence = "`temperature` is from 0 to 2, or null.";
                Refusal::with_message(ErrorCode::BadRequest, sentence)
            })
        };
        let temperature = match self.temperature {
            Some(Some(temperature)) => Some(Some(hundredths(temperature)?)),
            Some(None) => Some(None),
            None => None,
        };
        Ok(AssistantEdit {
            enabled: self.enabled,
            provider: self.provider,
            model: self.model,
            system: self.system,
            temperature,
            max_tokens: self.max_tokens,
            history_tokens: self.history_tokens,
            may_prompt: self.may_prompt,
            may_stop: self.may_stop,
            may_regenerate: self.may_regenerate,
        })
    }
}

impl From<RoomAssistant> for Assistant {
    fn from(RoomAssistant { user, settings }: RoomAssistant) -> Self {
        Self {
            id: user.id,
            name: user.name,
            enabled: settings.enabled,
            provider: settings.provider,
            model: settings.model,
            system: settings.system,
            temperature: settings.temperature.map(|set| f64::from(set) / 100.0),
            max_tokens: settings.max_tokens,
            history_tokens: settings.history_tokens,
            may_prompt: settings.may_prompt,
            may_stop: settings.may_stop,
            may_regenerate: settings.may_regenerate,
        }
    }
}

/// Who answers in a room.
#[utoipa::path(get, path = "/api/rooms/{slug}/assistants", tag = "assistants", params(("slug" = String, Path)),
    responses((status = 200, description = "Assistants", body = AssistantList), (status = "default", response = AnyProblem)))]
pub async fn list_assistants(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    RoomPath(slug): RoomPath,
) -> Result<Json<AssistantList>, Problem> {
    let rows = app.chat.room_assistants(&who, &slug).await?;
    let assistants = rows.into_iter().map(Assistant::from).collect();
    Ok(Json(AssistantList { assistants }))
}

/// Adds an assistant to a room.
#[utoipa::path(post, path = "/api/rooms/{slug}/assistants", tag = "assistants", request_body = NewAssistant, params(("slug" = String, Path)),
    responses((status = 201, description = "Added", body = Added), (status = "default", response = AnyProblem)))]
pub async fn add_assistant(
    State(app): State<Arc<App>>,
    Payer(who, client): Payer,
    RoomPath(slug): RoomPath,
    JsonBody(new): JsonBody<NewAssistant>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    let name = names::user_name(&new.name)?;
    let edit = new.settings.edit()?;
    // A name is taken by it for good, as an address is by a room.
    client.take(Operation::Room).await?;
    let (id, version) = app.chat.add_assistant(&who, &slug, &name, &edit).await?;
    Ok((StatusCode::CREATED, Json(Added { id, version })))
}

/// Changes what a room says of one of its assistants.
#[utoipa::path(patch, path = "/api/rooms/{slug}/assistants/{user}", tag = "assistants", request_body = Settings, params(("slug" = String, Path), ("user" = UserId, Path)),
    responses((status = 200, description = "Changed", body = Changed), (status = "default", response = AnyProblem)))]
pub async fn edit_assistant(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MemberPath { slug, user }: MemberPath,
    JsonBody(settings): JsonBody<Settings>,
) -> Result<Json<Changed>, Problem> {
    let edit = settings.edit()?;
    let version = app.chat.edit_assistant(&who, &slug, user, edit).await?;
    Ok(Json(Changed { version }))
}

/// Takes an assistant away; the server's own is as it was at first.
#[utoipa::path(delete, path = "/api/rooms/{slug}/assistants/{user}", tag = "assistants", params(("slug" = String, Path), ("user" = UserId, Path)),
    responses((status = 200, description = "Gone", body = Changed), (status = "default", response = AnyProblem)))]
pub async fn remove_assistant(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    MemberPath { slug, user }: MemberPath,
) -> Result<Json<Changed>, Problem> {
    let version = app.chat.remove_assistant(&who, &slug, user).await?;
    Ok(Json(Changed { version }))
}

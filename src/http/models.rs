//! `GET /api/models`: which models may write replies here, for who sets up a room. Names and sizes only: no key, no address.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::Caller;
use crate::app::App;
use crate::llm::registry::{DEFAULT_NAME, Provider};

/// The models that there are.
#[derive(Serialize, ToSchema)]
pub struct ModelList {
    /// What answers where nobody chose.
    default: ChosenModel,
    /// Each provider that the operator set up, the default one first.
    providers: Vec<ListedProvider>,
}

/// A model of a provider.
#[derive(Serialize, ToSchema)]
pub struct ChosenModel {
    /// The provider's name here.
    provider: &'static str,
    /// The model, as its provider names it.
    model: String,
}

/// A provider.
#[derive(Serialize, ToSchema)]
pub struct ListedProvider {
    /// Its name here.
    name: String,
    /// Its models, the usual one first.
    models: Vec<ListedModel>,
}

/// A model.
#[derive(Serialize, ToSchema)]
pub struct ListedModel {
    /// As its provider names it.
    name: String,
    /// Tokens of prompt and answer together.
    context_tokens: u32,
    /// Tokens of an answer at most.
    output_tokens: u32,
}

/// The models that may write replies.
#[utoipa::path(get, path = "/api/models", tag = "server",
    responses((status = 200, description = "Providers and their models", body = ModelList), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn list_models(State(app): State<Arc<App>>, _caller: Caller) -> Json<ModelList> {
    let default = app.providers.default_model();
    Json(ModelList {
        default: ChosenModel {
            provider: DEFAULT_NAME,
            model: default.llm.model().to_owned(),
        },
        providers: app.providers.all().iter().map(listed).collect(),
    })
}

fn listed(provider: &Provider) -> ListedProvider {
    let models = provider.models.iter().map(|model| ListedModel {
        name: model.llm.model().to_owned(),
        context_tokens: model.limits.context_tokens,
        output_tokens: model.limits.answer_tokens(),
    });
    ListedProvider {
        name: provider.name.clone(),
        models: models.collect(),
    }
}

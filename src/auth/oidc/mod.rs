//! Sign-in at an OpenID provider: the authorisation code flow with PKCE (OpenID Connect Core §3.1, RFC 7636, after RFC 9700).
//! Called by `http/`, which moves the browser; knows no cookie and no redirect but their contents. What it gives is a
//! [`Person`]; whether that one may come in is [`super::Auth`]'s.
//!
//! The address people come back to is fixed by the settings, and where they land after it is always the page: nothing of a request
//! says where to go.

mod flow;
mod id_token;
mod provider;

use std::sync::Arc;

use chrono::Utc;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::identities::Person;
use super::jwt::{Disbelief, KeySource, read_keys};
use super::renewed::Renewed;
use crate::config::{OidcSettings, Organisations};
use crate::error::{ErrorCode, Refusal};
use crate::limits;
use crate::outbound::{Fetch, FetchError, Outbound, with_query};
use flow::{Flow, Seal};
use id_token::Expected;
use provider::Metadata;

/// Where the provider sends people back to, below the public origin.
pub const CALLBACK: &str = "/api/oidc/callback";

/// The provider.
pub struct Oidc {
    issuer: String,
    client_id: String,
    client_secret: SecretString,
    name: String,
    scopes: String,
    required: Option<(String, String)>,
    origin: String,
    seal: Seal,
    metadata: Arc<Renewed<Metadata>>,
    keys: KeySource,
    outbound: Arc<Outbound>,
}

/// A sign-in that begins: where the browser goes, and what it takes along.
#[derive(Debug)]
pub struct Departure {
    /// The provider's page.
    pub url: String,
    /// For a cookie that comes back; sealed.
    pub cookie: String,
}

/// What a browser brings back from the provider.
#[derive(Clone, Default, Deserialize)]
pub struct Arrival {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl Oidc {
    /// The provider of these settings, whose people come back to `origin`.
    pub(super) fn new(
        settings: &OidcSettings<'_>,
        more: &Organisations,
        origin: &str,
        outbound: Arc<Outbound>,
    ) -> Self {
        let issuer = settings.issuer.to_owned();
        let metadata = {
            let (outbound, issuer) = (Arc::clone(&outbound), issuer.clone());
            Arc::new(Renewed::new("a sign-in provider's settings", move || {
                let (outbound, issuer) = (Arc::clone(&outbound), issuer.clone());
                Box::pin(async move { Metadata::read(&outbound, &issuer).await })
                    as BoxFuture<'static, Result<Metadata, String>>
            }))
        };
        let keys = {
            let (outbound, metadata) = (Arc::clone(&outbound), Arc::clone(&metadata));
            Renewed::new("a sign-in provider's keys", move || {
                let (outbound, metadata) = (Arc::clone(&outbound), Arc::clone(&metadata));
                Box::pin(async move {
                    let metadata = metadata.get().await.map_err(|error| error.to_string())?;
                    read_keys(&outbound, &metadata.jwks_uri).await
                }) as BoxFuture<'static, Result<_, String>>
            })
        };
        let required = settings.required_claim;
        Self {
            seal: Seal::new(&issuer, settings.client_id, settings.client_secret),
            issuer,
            client_id: settings.client_id.to_owned(),
            client_secret: settings.client_secret.clone(),
            name: more.oidc_name.clone(),
            scopes: more.oidc_scopes.clone(),
            required: required.map(|(claim, value)| (claim.to_owned(), value.to_owned())),
            origin: origin.to_owned(),
            metadata,
            keys: KeySource::Remote(keys),
            outbound,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one origin that sign-ins begin at and come back to.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Begins a sign-in.
    ///
    /// # Errors
    /// `sign_in_unavailable` when the provider's settings cannot be had.
    pub async fn depart(&self) -> Result<Departure, Refusal> {
        let metadata = self.metadata.get().await.map_err(|_unread| unavailable())?;
        let flow = Flow::begin(Utc::now().timestamp());
        let url = with_query(
            &metadata.authorization_endpoint,
            &[
                ("response_type", "code"),
                ("client_id", &self.client_id),
                ("redirect_uri", &self.redirect_uri()),
                ("scope", &self.scopes),
                ("state", &flow.state),
                ("nonce", &flow.nonce),
                ("code_challenge", &flow.challenge()),
                ("code_challenge_method", "S256"),
            ],
        );
        match (url, self.seal.seal(&flow)) {
            (Some(url), Some(cookie)) => Ok(Departure { url, cookie }),
            _ => Err(ErrorCode::Internal.into()),
        }
    }

    /// Ends a sign-in: who it is that came back with this, by the cookie it left with.
    ///
    /// # Errors
    /// `sign_in_expired` for what this browser did not begin just now, `sign_in_refused` for whom the provider does not let in,
    /// `sign_in_invalid` for what is not believed, `sign_in_unavailable`.
    pub async fn arrive(&self, arrival: &Arrival, cookie: &str) -> Result<Person, Refusal> {
        let now = Utc::now().timestamp();
        let flow = self.seal.open(cookie);
        let state = arrival.state.as_deref().unwrap_or_default();
        let Some(flow) = flow.filter(|flow| flow.is_answered_by(state, now)) else {
            return Err(ErrorCode::SignInExpired.into());
        };
        let metadata = self.metadata.get().await.map_err(|_unread| unavailable())?;
        // Whose answer it is (RFC 9207 §2.4), so that one provider's code never goes to another.
        let names_it = match &arrival.iss {
            Some(iss) => *iss == self.issuer,
            None => !metadata.authorization_response_iss_parameter_supported,
        };
        if !names_it {
            return Err(invalid("the answer names another issuer"));
        }
        if let Some(error) = &arrival.error {
            return Err(refused_with(error));
        }
        let code = arrival.code.as_deref().unwrap_or_default();
        if code.is_empty() || code.len() > limits::OIDC_PARAMETER_BYTES {
            return Err(invalid("the answer has no code"));
        }
        let tokens = self.tokens(&metadata, code, &flow).await?;
        let mut claims = self.verified(&tokens.id_token).await?;
        let expected = Expected {
            issuer: &self.issuer,
            client_id: &self.client_id,
            nonce: &flow.nonce,
            now: Utc::now().timestamp(),
        };
        let subject = id_token::subject(&claims, &expected).map_err(disbelieved)?;
        if self.wants_more(&claims) {
            let more = self.userinfo(&metadata, &tokens, &subject).await?;
            for (name, value) in more {
                // What is signed goes before what is told.
                claims.entry(name).or_insert(value);
            }
        }
        self.admit(&claims)?;
        let names = ["preferred_username", "name", "email"];
        let names = names
            .into_iter()
            .filter_map(|name| claims.get(name)?.as_str());
        Ok(Person {
            issuer: self.issuer.clone(),
            subject,
            names: names.map(str::to_owned).collect(),
        })
    }

    fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.origin)
    }

    async fn tokens(
        &self,
        metadata: &Metadata,
        code: &str,
        flow: &Flow,
    ) -> Result<Tokens, Refusal> {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri()),
            ("code_verifier", &flow.verifier),
        ];
        let request = metadata.token_request(&self.client_id, &self.client_secret, &parameters);
        self.asked(request).await
    }

    async fn verified(&self, id_token: &str) -> Result<Map<String, Value>, Refusal> {
        self.keys.verify(id_token).await.map_err(disbelieved)
    }

    /// Whether the ID token says neither a name nor what is required: many providers tell these only when asked.
    fn wants_more(&self, claims: &Map<String, Value>) -> bool {
        let is_named = ["preferred_username", "name"]
            .iter()
            .any(|name| claims.get(*name).is_some_and(Value::is_string));
        let lacks = |(claim, _): &(String, String)| !claims.contains_key(claim);
        !is_named || self.required.as_ref().is_some_and(lacks)
    }

    /// What the provider tells of this very user (OpenID Connect Core §5.3).
    async fn userinfo(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        subject: &str,
    ) -> Result<Map<String, Value>, Refusal> {
        let (Some(url), Some(token)) = (&metadata.userinfo_endpoint, &tokens.access_token) else {
            return Ok(Map::new());
        };
        let told: Map<String, Value> = self
            .asked(Fetch {
                url,
                form: None,
                authorization: Some(format!("Bearer {token}")),
                within: limits::OIDC_TIMEOUT,
                bytes: limits::OIDC_ANSWER_BYTES,
            })
            .await?;
        // §5.3.2: or somebody else's claims might be taken for this one's.
        match told.get("sub").and_then(Value::as_str) == Some(subject) {
            true => Ok(told),
            false => Err(invalid("the user's information is about somebody else")),
        }
    }

    async fn asked<T: for<'de> Deserialize<'de>>(&self, fetch: Fetch<'_>) -> Result<T, Refusal> {
        let answer = match self.outbound.fetch(fetch).await {
            Ok(answer) => answer,
            Err(FetchError::TooLarge) => return Err(invalid("an answer is too long")),
            Err(error) => {
                tracing::warn!(%error, "the sign-in provider does not answer");
                return Err(unavailable());
            }
        };
        match answer.status {
            200 => serde_json::from_slice(&answer.body)
                .map_err(|_error| invalid("an answer is not of its form")),
            status => {
                tracing::warn!(status, "the sign-in provider refused a request");
                Err(match status {
                    429 | 500.. => unavailable(),
                    _ => ErrorCode::SignInInvalid.into(),
                })
            }
        }
    }

    /// Whether the required claim is there: as a text, or in a list.
    fn admit(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let Some((claim, wanted)) = &self.required else {
            return Ok(());
        };
        let is_wanted = |value: &Value| match value {
            Value::String(text) => text == wanted,
            Value::Bool(truth) => truth.to_string() == *wanted,
            _ => false,
        };
        let is_there = match claims.get(claim) {
            Some(Value::Array(all)) => all.iter().any(is_wanted),
            Some(one) => is_wanted(one),
            None => false,
        };
        match is_there {
            true => Ok(()),
            false => {
                tracing::info!("a sign-in without the required claim was refused");
                Err(ErrorCode::SignInRefused.into())
            }
        }
    }
}

/// RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6. Of the provider's words only its code is looked at, and none is shown.
fn refused_with(error: &str) -> Refusal {
    match error {
        "server_error" | "temporarily_unavailable" => unavailable(),
        "access_denied"
        | "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required" => ErrorCode::SignInRefused.into(),
        _ => invalid("the provider answered with an error"),
    }
}

fn disbelieved(why: Disbelief) -> Refusal {
    match why {
        Disbelief::KeysUnavailable => unavailable(),
        why => {
            tracing::warn!(%why, "a provider's claim was not believed");
            ErrorCode::SignInInvalid.into()
        }
    }
}

fn invalid(why: &'static str) -> Refusal {
    tracing::warn!(why, "a sign-in was not believed");
    ErrorCode::SignInInvalid.into()
}

fn unavailable() -> Refusal {
    Refusal::from(ErrorCode::SignInUnavailable).retry_after_ms(limits::RETRY_HINT_MS)
}

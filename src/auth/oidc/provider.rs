//! What a provider says of itself (OpenID Connect Discovery 1.0): read at `/.well-known/openid-configuration` below its issuer, and
//! believed only if it names exactly that issuer. Called by [`super`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::limits;
use crate::outbound::{Fetch, Outbound, form, is_private_way};

/// What it says, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether it always says in its answers who it is (RFC 9207 §3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Reads it.
    pub(super) async fn read(outbound: &Outbound, issuer: &str) -> Result<Self, String> {
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let url = format!("{base}/.well-known/openid-configuration");
        let fetch = Fetch {
            url: &url,
            form: None,
            authorization: None,
            within: limits::OIDC_TIMEOUT,
            bytes: limits::OIDC_ANSWER_BYTES,
        };
        let answer = outbound.fetch(fetch).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        let metadata = serde_json::from_slice(&answer.body);
        let metadata: Self = metadata.map_err(|_error| "it is not of its form".to_owned())?;
        metadata.check(issuer)?;
        Ok(metadata)
    }

    /// OpenID Connect Discovery §4.3: identical, or it may be another provider's word that somebody put there.
    fn check(&self, issuer: &str) -> Result<(), String> {
        if self.issuer != issuer {
            return Err("it names another issuer".to_owned());
        }
        let endpoints = [
            Some(&self.authorization_endpoint),
            Some(&self.token_endpoint),
            Some(&self.jwks_uri),
            self.userinfo_endpoint.as_ref(),
        ];
        match endpoints
            .into_iter()
            .flatten()
            .all(|url| is_private_way(url))
        {
            true => Ok(()),
            false => Err("it names an address that is not https".to_owned()),
        }
    }

    /// The request that gives a code back for tokens. The secret goes by the header where the provider takes it so, which it does if
    /// it does not say (OpenID Connect Core §9).
    pub(super) fn token_request(
        &self,
        client_id: &str,
        client_secret: &SecretString,
        parameters: &[(&str, &str)],
    ) -> Fetch<'_> {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        let takes = |wanted: &str| methods.is_some_and(|all| all.iter().any(|one| one == wanted));
        let by_header = methods.is_none() || takes("client_secret_basic");
        let secret = client_secret.expose_secret();
        let mut parameters = parameters.to_vec();
        let mut authorization = None;
        if by_header || !takes("client_secret_post") {
            // RFC 6749 §2.3.1: each is encoded as in a form before they are joined.
            let encoded = |text| form(&[("", text)]).trim_start_matches('=').to_owned();
            let pair = format!("{}:{}", encoded(client_id), encoded(secret));
            authorization = Some(format!("Basic {}", STANDARD.encode(pair)));
        } else {
            parameters.extend([("client_id", client_id), ("client_secret", secret)]);
        }
        Fetch {
            url: &self.token_endpoint,
            form: Some(form(&parameters)),
            authorization,
            within: limits::OIDC_TIMEOUT,
            bytes: limits::OIDC_ANSWER_BYTES,
        }
    }
}

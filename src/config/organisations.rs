//! The settings by which an organisation brings its own people: a sign-in provider, and an application that signs claims. A part of
//! [`Config`](super::Config). Read at start; the key's file is read with them, so that one that is not there is told at once.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::limits;

/// Settings of sign-in by others.
#[derive(Clone, Debug, Args)]
pub struct Organisations {
    /// People sign in at this OpenID provider: its issuer, exactly as it names itself. Needs SALON_PUBLIC_ORIGIN
    #[arg(long, env = "SALON_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,

    /// What the provider knows this server as
    #[arg(long, env = "SALON_OIDC_CLIENT_ID", value_name = "ID")]
    pub oidc_client_id: Option<String>,

    /// What proves to the provider that it is this server; at least 16 characters
    #[arg(
        long,
        env = "SALON_OIDC_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub oidc_client_secret: Option<SecretString>,

    /// What the page calls the provider: "Sign in with …"
    #[arg(
        long,
        env = "SALON_OIDC_NAME",
        default_value = "your organisation",
        value_name = "NAME"
    )]
    pub oidc_name: String,

    /// What the provider is asked for, separated by spaces; `openid` is among them
    #[arg(
        long,
        env = "SALON_OIDC_SCOPES",
        default_value = "openid profile email",
        value_name = "SCOPES"
    )]
    pub oidc_scopes: String,

    /// Only those come in of whom the provider claims this, such as `groups=staff`: the claim is that text, or a list that holds it
    #[arg(long, env = "SALON_OIDC_REQUIRED_CLAIM", value_name = "CLAIM=VALUE")]
    pub oidc_required_claim: Option<String>,

    /// Who signs claims (JWT) that are accepted as bearer tokens: their `iss`; with it an audience and one of the three keys
    #[arg(long, env = "SALON_JWT_ISSUER", value_name = "ISSUER")]
    pub jwt_issuer: Option<String>,

    /// Their `aud`: what the issuer calls this server
    #[arg(long, env = "SALON_JWT_AUDIENCE", value_name = "AUDIENCE")]
    pub jwt_audience: Option<String>,

    /// What they are signed with: a file with a public key in PEM, or with a JWK set
    #[arg(long, env = "SALON_JWT_KEY", value_parser = key_file, value_name = "FILE")]
    pub jwt_key: Option<KeyFile>,

    /// Or a secret that the issuer shares; at least 32 bytes
    #[arg(
        long,
        env = "SALON_JWT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub jwt_secret: Option<SecretString>,

    /// Or the address of the issuer's JWK set
    #[arg(long, env = "SALON_JWKS_URL", value_name = "URL")]
    pub jwks_url: Option<String>,
}

/// What stood in a file of keys when the server started; empty when no file was named.
#[derive(Clone, Debug)]
pub struct KeyFile(pub String);

/// The settings of a sign-in provider, whole.
#[derive(Clone, Copy, Debug)]
pub struct OidcSettings<'a> {
    /// Its issuer.
    pub issuer: &'a str,
    /// What it knows this server as.
    pub client_id: &'a str,
    /// And by what.
    pub client_secret: &'a SecretString,
    /// A claim that must be there, and its value.
    pub required_claim: Option<(&'a str, &'a str)>,
}

/// The settings of an application that signs claims, whole.
#[derive(Clone, Copy, Debug)]
pub struct JwtSettings<'a> {
    /// Its `iss`.
    pub issuer: &'a str,
    /// Its `aud`.
    pub audience: &'a str,
    /// What it signs with.
    pub key: JwtKey<'a>,
}

/// What claims are signed with.
#[derive(Clone, Copy, Debug)]
pub enum JwtKey<'a> {
    /// Public keys, as their file has them.
    File(&'a str),
    /// A shared secret.
    Secret(&'a SecretString),
    /// Where public keys are.
    Url(&'a str),
}

impl Organisations {
    /// The provider, if there is one.
    ///
    /// # Errors
    /// A sentence for the operator: what is missing.
    pub fn oidc(&self) -> Result<Option<OidcSettings<'_>>, String> {
        let issuer = text(self.oidc_issuer.as_ref());
        let client_id = text(self.oidc_client_id.as_ref());
        let client_secret = secret(self.oidc_client_secret.as_ref());
        let required = text(self.oidc_required_claim.as_ref());
        let (Some(issuer), Some(client_id), Some(client_secret)) =
            (issuer, client_id, client_secret)
        else {
            let none = issuer.is_none()
                && client_id.is_none()
                && client_secret.is_none()
                && required.is_none();
            return match none {
                true => Ok(None),
                false => Err("Sign-in by a provider needs all of SALON_OIDC_ISSUER, SALON_OIDC_CLIENT_ID and SALON_OIDC_CLIENT_SECRET.".to_owned()),
            };
        };
        if client_secret.expose_secret().len() < limits::OIDC_SECRET_BYTES {
            return Err("SALON_OIDC_CLIENT_SECRET: at least 16 characters.".to_owned());
        }
        if !self.oidc_scopes.split(' ').any(|scope| scope == "openid") {
            return Err("SALON_OIDC_SCOPES: `openid` is among them.".to_owned());
        }
        let required_claim = required.map(|claim| {
            let parts = claim.split_once('=');
            let whole = parts.filter(|(name, value)| !name.is_empty() && !value.is_empty());
            whole.ok_or("SALON_OIDC_REQUIRED_CLAIM: a claim and its value, such as groups=staff.")
        });
        Ok(Some(OidcSettings {
            issuer,
            client_id,
            client_secret,
            required_claim: required_claim.transpose()?,
        }))
    }

    /// The application, if there is one.
    ///
    /// # Errors
    /// A sentence for the operator: what is missing, or too much.
    pub fn jwt(&self) -> Result<Option<JwtSettings<'_>>, String> {
        let file = self.jwt_key.as_ref().filter(|file| !file.0.is_empty());
        let keys = [
            file.map(|file| JwtKey::File(&file.0)),
            secret(self.jwt_secret.as_ref()).map(JwtKey::Secret),
            text(self.jwks_url.as_ref()).map(JwtKey::Url),
        ];
        let mut keys = keys.into_iter().flatten();
        let (key, another) = (keys.next(), keys.next());
        let issuer = text(self.jwt_issuer.as_ref());
        let audience = text(self.jwt_audience.as_ref());
        match (issuer, audience, key) {
            (None, None, None) => Ok(None),
            (Some(issuer), Some(audience), Some(key)) if another.is_none() => {
                Ok(Some(JwtSettings {
                    issuer,
                    audience,
                    key,
                }))
            }
            _ => Err("Claims of an application need SALON_JWT_ISSUER, SALON_JWT_AUDIENCE and exactly one of SALON_JWT_KEY, SALON_JWT_SECRET and SALON_JWKS_URL.".to_owned()),
        }
    }

    /// What the settings cannot say about each other.
    pub(super) fn check(&self, public_origin: &[String]) -> Result<(), String> {
        let (oidc, jwt) = (self.oidc()?, self.jwt()?);
        if oidc.is_some() && public_origin.is_empty() {
            return Err("SALON_OIDC_ISSUER needs SALON_PUBLIC_ORIGIN: the provider sends people back there.".to_owned());
        }
        if let (Some(oidc), Some(jwt)) = (oidc, jwt)
            && oidc.issuer == jwt.issuer
            && oidc.client_id == jwt.audience
        {
            return Err("SALON_JWT_AUDIENCE is not SALON_OIDC_CLIENT_ID when the issuer is the same: what proves a sign-in would be a bearer token.".to_owned());
        }
        Ok(())
    }
}

/// An empty variable is how many tools say "not set".
fn text(setting: Option<&String>) -> Option<&str> {
    setting.map(String::as_str).filter(|text| !text.is_empty())
}

fn secret(setting: Option<&SecretString>) -> Option<&SecretString> {
    setting.filter(|secret| !secret.expose_secret().is_empty())
}

fn key_file(path: &str) -> Result<KeyFile, String> {
    if path.is_empty() {
        return Ok(KeyFile(String::new()));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the file cannot be read: {error}"))?;
    if text.is_empty() {
        return Err("the file is empty".to_owned());
    }
    Ok(KeyFile(text))
}

//! Claims that an embedding application signs, so that an existing site brings its own people: a JWT as bearer token. Called by
//! [`super::Auth`]; what may be done with one is judged where it is used.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

use super::identities::Person;
use super::jwt::{self, Audience, Disbelief, KeySource, Keys, NumericDate};
use crate::config::{JwtKey, JwtSettings};
use crate::limits;
use crate::outbound::Outbound;

/// The application.
pub(super) struct Application {
    issuer: String,
    audience: String,
    keys: KeySource,
}

/// What it claims of somebody.
#[derive(Debug)]
pub(super) struct Claim {
    /// Whom it is about.
    pub(super) person: Person,
    /// When it ends.
    pub(super) expires_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: NumericDate,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    name: Option<String>,
}

impl Application {
    /// The application of these settings. Its keys are asked for through `outbound`.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn new(settings: &JwtSettings<'_>, outbound: Arc<Outbound>) -> Result<Self, String> {
        let keys = match settings.key {
            JwtKey::File(text) => KeySource::Fixed(
                Keys::from_file(text).map_err(|why| format!("SALON_JWT_KEY: {why}"))?,
            ),
            JwtKey::Secret(secret) => KeySource::Fixed(
                Keys::from_secret(secret.expose_secret().as_bytes())
                    .map_err(|why| format!("SALON_JWT_SECRET: {why}"))?,
            ),
            JwtKey::Url(url) => KeySource::remote(outbound, url.to_owned()),
        };
        Ok(Self {
            issuer: settings.issuer.to_owned(),
            audience: settings.audience.to_owned(),
            keys,
        })
    }

    /// What a bearer token claims.
    ///
    /// # Errors
    /// Why it is not believed.
    pub(super) async fn judge(&self, token: &str) -> Result<Claim, Disbelief> {
        let verified = self.keys.verify(token).await?;
        let claims = serde_json::from_value(Value::Object(verified));
        let claims: Claims = claims.map_err(|_error| Disbelief::Claims)?;
        self.believe(claims, Utc::now())
    }

    fn believe(&self, claims: Claims, now: DateTime<Utc>) -> Result<Claim, Disbelief> {
        // RFC 7519 §4.1.1 and §4.1.3, RFC 8725 §3.8 and §3.9: exactly this issuer, and us among those it is for.
        if claims.iss != self.issuer {
            return Err(Disbelief::Issuer);
        }
        if !claims.aud.names(&self.audience) {
            return Err(Disbelief::Audience);
        }
        if !jwt::is_subject(&claims.sub) {
            return Err(Disbelief::Claims);
        }
        // Its end is taken exactly, for a socket is closed by it; a beginning may lie a little ahead of our clock. One that lasts
        // too long could not be taken back.
        let (now, NumericDate(end)) = (now.timestamp(), claims.exp);
        let ahead = |date: Option<NumericDate>| {
            date.is_some_and(|NumericDate(date)| date > now.saturating_add(limits::CLOCK_LEEWAY_S))
        };
        let lasts_too_long = end > now.saturating_add(limits::JWT_LIFETIME_S);
        if end <= now || lasts_too_long || ahead(claims.nbf) || ahead(claims.iat) {
            return Err(Disbelief::Time);
        }
        let expires_at = DateTime::from_timestamp(end, 0).ok_or(Disbelief::Time)?;
        let person = Person {
            issuer: claims.iss,
            subject: claims.sub,
            names: claims.name.into_iter().collect(),
        };
        Ok(Claim { person, expires_at })
    }
}

//! Signed claims (JWT, RFC 7519): whether one is to be believed. Called by [`super::application`] for what an embedding application
//! signs and by [`super::oidc`] for what a sign-in provider signs; each judges the claims themselves by its own rules.
//!
//! Nothing of a claim is used before its signature is verified but its header, of which only the name of the algorithm and of the
//! key are looked at. No header leads anywhere: `jku`, `x5u`, `jwk` and `x5c` are never read (RFC 8725 §3.10).

mod keys;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};

pub(crate) use keys::Keys;

use super::renewed::Renewed;
use crate::limits;
use crate::outbound::{Fetch, Outbound};

/// Why a claim is not believed. For the log: whoever sent it is told only that it is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Disbelief {
    /// It is too long, or no JWT with a known algorithm.
    #[error("it is no signed claim of a known form")]
    Form,
    /// Its header asks for something that is not understood here.
    #[error("its header is not of the expected form")]
    Header,
    /// No key of its issuer has this name and may verify this algorithm.
    #[error("no such key")]
    UnknownKey,
    /// It was not signed with that key.
    #[error("its signature is wrong")]
    Signature,
    /// A claim that must be there is not, or not of its form.
    #[error("a claim is missing or malformed")]
    Claims,
    /// It is of another issuer.
    #[error("it is of another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// It has ended, has not begun, or lasts too long.
    #[error("it is not of this time")]
    Time,
    /// It answers another request.
    #[error("it answers another request")]
    Nonce,
    /// The keys to judge it by cannot be had now.
    #[error("the keys cannot be had")]
    KeysUnavailable,
}

/// Where the keys of an issuer are.
pub(crate) enum KeySource {
    /// Here: a file, or a secret.
    Fixed(Keys),
    /// At its address; read again when one is asked for that is not known.
    Remote(Renewed<Keys>),
}

impl KeySource {
    /// The keys at an address, read when they are needed.
    pub(crate) fn remote(outbound: Arc<Outbound>, url: String) -> Self {
        Self::Remote(Renewed::new("keys", move || {
            let (outbound, url) = (Arc::clone(&outbound), url.clone());
            Box::pin(async move { read_keys(&outbound, &url).await })
                as BoxFuture<'static, Result<Keys, String>>
        }))
    }

    /// What a claim holds, once its signature is verified.
    ///
    /// # Errors
    /// Why it is not believed.
    pub(crate) async fn verify(&self, token: &str) -> Result<Map<String, Value>, Disbelief> {
        let header = header(token)?;
        let renewed = match self {
            Self::Fixed(keys) => return verify_with(keys, &header, token),
            Self::Remote(renewed) => renewed,
        };
        let keys = renewed
            .get()
            .await
            .map_err(|_unread| Disbelief::KeysUnavailable)?;
        match verify_with(&keys, &header, token) {
            // The issuer may have changed its keys (OpenID Connect Core §10.1.1).
            Err(Disbelief::UnknownKey) => {
                let keys = renewed.later_than(&keys).await;
                verify_with(&keys, &header, token)
            }
            judged => judged,
        }
    }
}

pub(crate) async fn read_keys(outbound: &Outbound, url: &str) -> Result<Keys, String> {
    let fetch = Fetch {
        url,
        form: None,
        authorization: None,
        within: limits::OIDC_TIMEOUT,
        bytes: limits::OIDC_ANSWER_BYTES,
    };
    let answer = outbound.fetch(fetch).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match answer.status {
        200 => Keys::from_set(&answer.body),
        status => Err(format!("status {status}")),
    }
}

/// Whether a text has the form of a JWT: three parts. Sessions' and programs' tokens have no dot.
pub(crate) fn is_claim(text: &str) -> bool {
    text.split('.').count() == 3
}

/// The header, as far as it may be asked before anything is verified.
fn header(token: &str) -> Result<Header, Disbelief> {
    if token.len() > limits::JWT_BYTES {
        return Err(Disbelief::Form);
    }
    // An algorithm that is not known here, `none` among them, is no header.
    let header = decode_header(token).map_err(|_error| Disbelief::Form)?;
    // `crit` names what must be understood, and none of that is (RFC 7515 §4.1.11); a claim within a claim, or one that is
    // compressed, is none of ours (RFC 8725 §3.6); another type is another kind of claim (§3.11).
    let is_jwt = |typ: &String| typ.eq_ignore_ascii_case("JWT");
    let plain = header.crit.is_none()
        && header.cty.is_none()
        && header.zip.is_none()
        && header.enc.is_none();
    if !plain || !header.typ.as_ref().is_none_or(is_jwt) {
        return Err(Disbelief::Header);
    }
    Ok(header)
}

fn verify_with(keys: &Keys, header: &Header, token: &str) -> Result<Map<String, Value>, Disbelief> {
    let key = keys.find(header).ok_or(Disbelief::UnknownKey)?;
    // The claims themselves are judged by those who know what they must be.
    let mut only_signature = Validation::new(header.alg);
    only_signature.required_spec_claims.clear();
    only_signature.validate_exp = false;
    only_signature.validate_aud = false;
    match decode::<Map<String, Value>>(token, &key.verifying, &only_signature) {
        Ok(verified) => Ok(verified.claims),
        Err(error) => Err(match error.kind() {
            jsonwebtoken::errors::ErrorKind::Json(_) => Disbelief::Claims,
            _ => Disbelief::Signature,
        }),
    }
}

/// A moment in seconds, which may have a fraction (RFC 7519 §2, `NumericDate`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NumericDate(pub(crate) i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        if let Some(seconds) = number.as_i64() {
            return Ok(Self(seconds));
        }
        // Far beyond any date, and exact in a float.
        let is_date = |seconds: &f64| seconds.abs() < 1e12;
        let seconds = number.as_f64().filter(is_date);
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        let whole = seconds.map(|seconds| Self(seconds.floor() as i64));
        whole.ok_or_else(|| D::Error::custom("no date"))
    }
}

/// Whom a claim is for: one, or several (RFC 7519 §4.1.3).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Audience {
    /// Whether `name` is among them.
    pub(crate) fn names(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Several(all) => all.iter().any(|one| one == name),
        }
    }

    /// Whether somebody else is among them.
    pub(crate) fn names_others_than(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one != name,
            Self::Several(all) => all.iter().any(|one| one != name),
        }
    }
}

/// An issuer's name for somebody: stored as it is, so it is bounded and printable.
pub(crate) fn is_subject(subject: &str) -> bool {
    (1..=limits::SUBJECT_BYTES).contains(&subject.len()) && !subject.chars().any(char::is_control)
}

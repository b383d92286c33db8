//! What a provider's ID token must say (OpenID Connect Core §3.1.3.7), after its signature was verified. Pure. Called by [`super`].

use serde::Deserialize;
use serde_json::{Map, Value};

use super::flow::same;
use crate::auth::jwt::{Audience, Disbelief, NumericDate, is_subject};
use crate::limits;

/// What is expected of it.
pub(super) struct Expected<'a> {
    /// By whom it must be.
    pub(super) issuer: &'a str,
    /// For whom.
    pub(super) client_id: &'a str,
    /// To which request.
    pub(super) nonce: &'a str,
    /// Now, in seconds since 1970.
    pub(super) now: i64,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: NumericDate,
    iat: NumericDate,
    nbf: Option<NumericDate>,
    nonce: String,
}

/// Whom it is about.
///
/// # Errors
/// Why it is not believed.
pub(super) fn subject(
    verified: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<String, Disbelief> {
    let claims = Claims::deserialize(verified).map_err(|_error| Disbelief::Claims)?;
    if claims.iss != expected.issuer {
        return Err(Disbelief::Issuer);
    }
    // Ours; and where it is for others too, it says that it was made for us.
    let ours = |azp: &String| azp == expected.client_id;
    let is_named = claims.aud.names(expected.client_id);
    let made_for_us = match &claims.azp {
        Some(azp) => ours(azp),
        None => !claims.aud.names_others_than(expected.client_id),
    };
    if !is_named || !made_for_us {
        return Err(Disbelief::Audience);
    }
    let (now, leeway) = (expected.now, limits::CLOCK_LEEWAY_S);
    let NumericDate(end) = claims.exp;
    let NumericDate(made) = claims.iat;
    let has_begun = |NumericDate(date): NumericDate| date <= now.saturating_add(leeway);
    // It was made for this sign-in, so not before one could have begun.
    let recent = made >= now.saturating_sub(limits::SIGN_IN_S + leeway);
    if end.saturating_add(leeway) <= now
        || !has_begun(claims.iat)
        || !recent
        || !claims.nbf.is_none_or(has_begun)
    {
        return Err(Disbelief::Time);
    }
    if !same(&claims.nonce, expected.nonce) {
        return Err(Disbelief::Nonce);
    }
    match is_subject(&claims.sub) {
        true => Ok(claims.sub),
        false => Err(Disbelief::Claims),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn judged(changes: &Value) -> Result<String, Disbelief> {
        let mut claims = json!({
            "iss": "https://id.example", "sub": "ada-1", "aud": "salon", "exp": NOW + 300, "iat": NOW, "nonce": "n",
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        let expected = Expected {
            issuer: "https://id.example",
            client_id: "salon",
            nonce: "n",
            now: NOW,
        };
        subject(claims.as_object().unwrap(), &expected)
    }

    #[test]
    fn what_is_right_is_believed() {
        for right in [
            json!({}),
            json!({"aud": ["salon"], "azp": "salon"}),
            json!({"aud": ["other", "salon"], "azp": "salon"}),
            json!({"exp": NOW - limits::CLOCK_LEEWAY_S + 1, "iat": NOW + limits::CLOCK_LEEWAY_S}),
            json!({"exp": 1_000_300.5, "iat": 999_999.9, "nbf": NOW}),
        ] {
            assert_eq!(judged(&right).as_deref(), Ok("ada-1"), "{right}");
        }
    }

    #[test]
    fn what_is_wrong_is_not() {
        let leeway = limits::CLOCK_LEEWAY_S;
        for (wrong, why) in [
            (json!({"iss": "https://id.example/"}), Disbelief::Issuer),
            (json!({"iss": "https://ID.example"}), Disbelief::Issuer),
            (json!({"iss": ["https://id.example"]}), Disbelief::Claims),
            (json!({"iss": null}), Disbelief::Claims),
            (json!({"aud": "other"}), Disbelief::Audience),
            (json!({"aud": []}), Disbelief::Audience),
            (json!({"aud": null}), Disbelief::Claims),
            (json!({"aud": {"salon": 1}}), Disbelief::Claims),
            (json!({"aud": ["salon", "other"]}), Disbelief::Audience),
            (json!({"azp": "other"}), Disbelief::Audience),
            (
                json!({"aud": ["other"], "azp": "salon"}),
                Disbelief::Audience,
            ),
            (json!({"exp": NOW - leeway}), Disbelief::Time),
            (json!({"exp": null}), Disbelief::Claims),
            (json!({"exp": "1000300"}), Disbelief::Claims),
            (json!({"exp": 1e300}), Disbelief::Claims),
            (json!({"iat": NOW + leeway + 1}), Disbelief::Time),
            (
                json!({"iat": NOW - limits::SIGN_IN_S - leeway - 1}),
                Disbelief::Time,
            ),
            (json!({"iat": null}), Disbelief::Claims),
            (json!({"nbf": NOW + leeway + 1}), Disbelief::Time),
            (json!({"nonce": "m"}), Disbelief::Nonce),
            (json!({"nonce": ""}), Disbelief::Nonce),
            (json!({"nonce": null}), Disbelief::Claims),
            (json!({"sub": ""}), Disbelief::Claims),
            (json!({"sub": "a\0b"}), Disbelief::Claims),
            (json!({"sub": 7}), Disbelief::Claims),
            (json!({"sub": "x".repeat(256)}), Disbelief::Claims),
        ] {
            assert_eq!(judged(&wrong), Err(why), "{wrong}");
        }
    }
}

//! Somebody who signs claims: a provider or an application, with a key of its own, or an attacker with what it can get.

use std::process::{Command, Stdio};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// A key and its name.
pub(crate) struct Signer {
    pub(crate) algorithm: Algorithm,
    pub(crate) id: String,
    key: EncodingKey,
}

impl Signer {
    /// A key on P-256.
    pub(crate) fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self {
            algorithm: Algorithm::ES256,
            id: id.to_owned(),
            key: EncodingKey::from_ec_der(key.as_ref()),
        }
    }

    /// A key of RSA, as most providers have.
    pub(crate) fn rsa(id: &str) -> Self {
        let made = Command::new("openssl")
            .args(["genrsa", "2048"])
            .stderr(Stdio::null())
            .output()
            .unwrap();
        Self {
            algorithm: Algorithm::RS256,
            id: id.to_owned(),
            key: EncodingKey::from_rsa_pem(&made.stdout).unwrap(),
        }
    }

    /// A secret that both know.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self {
            algorithm: Algorithm::HS256,
            id: "secret".to_owned(),
            key: EncodingKey::from_secret(secret),
        }
    }

    /// Its public key, as in a set.
    pub(crate) fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }

    /// A set of its public key alone.
    pub(crate) fn set(&self) -> String {
        json!({ "keys": [self.public()] }).to_string()
    }

    /// A claim.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        self.sign_with(&header, claims)
    }

    /// A claim with any header.
    pub(crate) fn sign_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap()
    }
}

/// Whom an application of tests is called.
pub(crate) const ISSUER: &str = "https://shop.example";
/// What it calls Salon.
pub(crate) const AUDIENCE: &str = "salon.chat";

/// What an application claims of somebody for so many seconds, with these changes; null takes a claim away.
pub(crate) fn claims(subject: &str, seconds: i64, changes: &Value) -> Value {
    let now = chrono::Utc::now().timestamp();
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "name": subject, "iat": now, "exp": now + seconds,
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

//! Keys that claims are signed with, each bound to its algorithms when it is read. A key of a set is public, a shared secret is
//! none of a set, and no key ever takes its algorithm from what it is to verify, so one cannot be used as another's kind (RFC 8725
//! §3.1, §3.5). Pure; read by [`super`] and by the provider's sign-in.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;

use crate::limits;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const ED25519: &[Algorithm] = &[Algorithm::EdDSA];
const SECRET: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// One key. `Debug` shows nothing of it.
pub(crate) struct Key {
    id: Option<String>,
    /// What it may verify, and nothing else.
    algorithms: Vec<Algorithm>,
    pub(super) verifying: DecodingKey,
}

impl Key {
    /// Whether it may verify what is signed so.
    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }
}

/// The keys of one issuer.
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    /// A shared secret, of an application that is trusted as this server is.
    ///
    /// # Errors
    /// A sentence: it is too short.
    pub(crate) fn from_secret(secret: &[u8]) -> Result<Self, String> {
        if secret.len() < limits::JWT_SECRET_BYTES {
            return Err("it has at least 32 bytes.".to_owned());
        }
        Ok(Self(vec![Key {
            id: None,
            algorithms: SECRET.to_vec(),
            verifying: DecodingKey::from_secret(secret),
        }]))
    }

    /// Public keys in a file: one in PEM, or a set in JSON (RFC 7517 §5).
    ///
    /// # Errors
    /// A sentence: what it holds instead.
    pub(crate) fn from_file(text: &str) -> Result<Self, String> {
        if text.contains("PRIVATE KEY") {
            return Err("it holds a private key: give this server the public one.".to_owned());
        }
        if text.trim_start().starts_with('{') {
            let keys = Self::from_set(text.as_bytes())?;
            return match keys.0.is_empty() {
                true => Err("it holds no public key to verify signatures with.".to_owned()),
                false => Ok(keys),
            };
        }
        let key = from_pem(text.as_bytes())
            .ok_or("it is no public key in PEM (RSA, P-256, P-384 or Ed25519) and no JWK set.")?;
        Ok(Self(vec![key]))
    }

    /// The public keys of a set that verify signatures; others are passed over, whatever they are (RFC 7517 §5).
    ///
    /// # Errors
    /// A sentence: it is no set.
    pub(crate) fn from_set(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set =
            serde_json::from_slice(bytes).map_err(|_error| "it is no JWK set.".to_owned())?;
        let keys = set.keys.into_iter().take(limits::KEYS_PER_ISSUER);
        Ok(Self(
            keys.filter_map(|key| from_jwk(&serde_json::from_value(key).ok()?))
                .collect(),
        ))
    }

    /// The key that a header names; without a name, the only one that may verify its algorithm.
    pub(crate) fn find(&self, header: &Header) -> Option<&Key> {
        let mut fitting = self.0.iter().filter(|key| key.is_for(header.alg));
        match &header.kid {
            // What is named is looked up by name only; a key that has none is for those who name none, or the only one there is.
            Some(id) => match self.0.as_slice() {
                [only] if only.id.is_none() => fitting.next(),
                _ => fitting.find(|key| key.id.as_ref() == Some(id)),
            },
            None => {
                let first = fitting.next()?;
                fitting.next().is_none().then_some(first)
            }
        }
    }
}

fn from_jwk(jwk: &Jwk) -> Option<Key> {
    let common = &jwk.common;
    let for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let operations = common.key_operations.as_ref();
    if !for_signatures || operations.is_some_and(|list| !list.contains(&KeyOperations::Verify)) {
        return None;
    }
    let kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA,
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => P256,
            EllipticCurve::P384 => P384,
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => ED25519,
        // A secret is never published, so one in a set is somebody's trick or mistake.
        _ => return None,
    };
    let algorithms = match common.key_algorithm {
        None => kind.to_vec(),
        Some(named) => {
            let named = algorithm(named)?;
            kind.contains(&named).then(|| vec![named])?
        }
    };
    Some(Key {
        id: common.key_id.clone(),
        algorithms,
        verifying: DecodingKey::from_jwk(jwk).ok()?,
    })
}

fn algorithm(named: KeyAlgorithm) -> Option<Algorithm> {
    named.to_string().parse().ok()
}

fn from_pem(pem: &[u8]) -> Option<Key> {
    let key = |algorithms: &[Algorithm], verifying| Key {
        id: None,
        algorithms: algorithms.to_vec(),
        verifying,
    };
    if let Ok(rsa) = DecodingKey::from_rsa_pem(pem) {
        return Some(key(RSA, rsa));
    }
    if let Ok(curve) = DecodingKey::from_ec_pem(pem) {
        // An uncompressed point: a byte, and two coordinates of the curve's size.
        let algorithms = match curve.try_get_as_bytes().ok()?.len() {
            65 => P256,
            97 => P384,
            _ => return None,
        };
        return Some(key(algorithms, curve));
    }
    DecodingKey::from_ed_pem(pem)
        .ok()
        .map(|edwards| key(ED25519, edwards))
}

//! Which claims are believed, and by which keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAloBYIVg9Fvb+10qa0Afy
mLYN+Sz0Ro9YWkuCAXnwCTrWo9j1zoikB+Q7yrYLZ5yBEDNPHtREqZYjNyyHrG17
YXJEY/dykJpHn7CWdKXQpQsCinOrXCLTbboMB/i7YfVhjXNKarR1IMz5MYWyOsg+
gWq7hIrtwWEMt1hdLVQwVar3m9kGoyZj44cxfkV/7mB5xK5wFeRlt/rmmY2v9p1O
FfqLA/D7+tl7RLyGkHlQpLJ3gt4+HUdyeThdtfPirIThCcQEr8/cVySBxmHqsOEs
aL/11P64pFhNYx+dR1Nz5p8rcjlD7V4RBVLdCi2k6IYzuvOiN5JOJfkUYTomRRwF
wwIDAQAB
-----END PUBLIC KEY-----
";
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdhlBe1zada9dlKp10/BqZ3Nd5tOG
2mrlLsRkI2Ix3UZ7jtRm2E9kU5k94H4w3EraCZfsrkMEps74BJukoKsI1w==
-----END PUBLIC KEY-----
";
const P521: &str = "-----BEGIN PUBLIC KEY-----
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAqqKk9rx+lH4mO0BBVjJTXUE/9n2z
zRbFscVq9fVUPZ00+SU3ziMdgOsxzPE0APD9aEcXD52DIwS43OfgBBddLfEBCNks
co0dG777t1J4x/yLUbr82IYJOJU7sUuFK/3fIPCs8th8IFCiCVAuakSh1RG29q8P
+szI9OB8GUOBaAdIJe8=
-----END PUBLIC KEY-----
";
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAEGHYBkxKdiiU7vG6hAf9UxnWOl7Xl81SKlv16QfT7vY=
-----END PUBLIC KEY-----
";

/// Somebody who signs.
struct Signer {
    algorithm: Algorithm,
    id: &'static str,
    key: EncodingKey,
}

fn signer(algorithm: Algorithm, id: &'static str) -> Signer {
    let random = SystemRandom::new();
    let curve = |curve| EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
    let key = match algorithm {
        Algorithm::ES256 => {
            EncodingKey::from_ec_der(curve(&ECDSA_P256_SHA256_FIXED_SIGNING).as_ref())
        }
        Algorithm::ES384 => {
            EncodingKey::from_ec_der(curve(&ECDSA_P384_SHA384_FIXED_SIGNING).as_ref())
        }
        Algorithm::EdDSA => {
            EncodingKey::from_ed_der(Ed25519KeyPair::generate_pkcs8v1(&random).unwrap().as_ref())
        }
        other => panic!("{other:?}"),
    };
    Signer { algorithm, id, key }
}

impl Signer {
    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.to_owned());
        header
    }

    fn sign(&self, header: &Header) -> String {
        encode(header, &json!({"sub": "ada"}), &self.key).unwrap()
    }
}

fn keys(all: &[Value]) -> Keys {
    Keys::from_set(json!({"keys": all}).to_string().as_bytes()).unwrap()
}

fn judged(keys: &Keys, token: &str) -> Result<Map<String, Value>, Disbelief> {
    verify_with(keys, &header(token)?, token)
}

/// With another header, and the signature as it was.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn each_algorithm_is_verified_by_its_own_key_only() {
    let algorithms = [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
    let signers = algorithms.map(|algorithm| signer(algorithm, "one"));
    for by in &signers {
        let token = by.sign(&by.header());
        for of in &signers {
            let judged = judged(&keys(&[of.public()]), &token);
            match by.algorithm == of.algorithm {
                true => assert_eq!(judged.unwrap()["sub"], "ada"),
                false => assert_eq!(judged, Err(Disbelief::UnknownKey)),
            }
        }
        let another = signer(by.algorithm, "one");
        assert_eq!(
            judged(&keys(&[another.public()]), &token),
            Err(Disbelief::Signature)
        );
        let all = keys(&signers.each_ref().map(Signer::public));
        assert!(judged(&all, &token).is_ok(), "found among others");
    }
}

#[test]
fn a_key_is_found_by_its_name() {
    let (old, new) = (
        signer(Algorithm::ES256, "old"),
        signer(Algorithm::ES256, "new"),
    );
    let both = keys(&[old.public(), new.public()]);
    for signer in [&old, &new] {
        assert!(judged(&both, &signer.sign(&signer.header())).is_ok());
        let mut unnamed = signer.header();
        unnamed.kid = None;
        let unnamed = signer.sign(&unnamed);
        assert_eq!(
            judged(&both, &unnamed),
            Err(Disbelief::UnknownKey),
            "which?"
        );
        assert!(
            judged(&keys(&[signer.public()]), &unnamed).is_ok(),
            "the only one"
        );
    }
    let token = new.sign(&new.header());
    assert_eq!(
        judged(&keys(&[old.public()]), &token),
        Err(Disbelief::UnknownKey)
    );
    assert_eq!(judged(&keys(&[]), &token), Err(Disbelief::UnknownKey));
}

#[test]
fn a_public_key_is_no_secret_and_a_secret_is_no_public_key() {
    // RFC 8725 §2.1: who has the public key, which is everybody, signs with it as if it were a secret.
    for pem in [RSA, P256, ED25519] {
        let public = Keys::from_file(pem).unwrap();
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            for secret in [pem, pem.trim()] {
                let secret = EncodingKey::from_secret(secret.as_bytes());
                let header = Header::new(algorithm);
                let forged = encode(&header, &json!({"sub": "ada"}), &secret).unwrap();
                assert_eq!(judged(&public, &forged), Err(Disbelief::UnknownKey));
            }
        }
    }
    let secret = "0123456789abcdef0123456789abcdef";
    let shared = Keys::from_secret(secret.as_bytes()).unwrap();
    let signing = EncodingKey::from_secret(secret.as_bytes());
    let right = encode(
        &Header::new(Algorithm::HS256),
        &json!({"sub": "ada"}),
        &signing,
    )
    .unwrap();
    assert!(judged(&shared, &right).is_ok());
    let wrong = EncodingKey::from_secret(b"0123456789abcdef0123456789abcdeg");
    let wrong = encode(
        &Header::new(Algorithm::HS256),
        &json!({"sub": "ada"}),
        &wrong,
    )
    .unwrap();
    assert_eq!(judged(&shared, &wrong), Err(Disbelief::Signature));
    let other = signer(Algorithm::ES256, "one");
    assert_eq!(
        judged(&shared, &other.sign(&other.header())),
        Err(Disbelief::UnknownKey)
    );
    // A set is published, so a secret in it is nobody's.
    let value = URL_SAFE_NO_PAD.encode(secret);
    let published = keys(&[json!({"kty": "oct", "k": value, "alg": "HS256"})]);
    assert_eq!(judged(&published, &right), Err(Disbelief::UnknownKey));
}

#[test]
fn a_header_decides_nothing_and_leads_nowhere() {
    let signer = signer(Algorithm::ES256, "one");
    let token = signer.sign(&signer.header());
    let known = keys(&[signer.public()]);
    let attacker = self::signer(Algorithm::ES256, "one");
    for (header, why) in [
        (json!({"alg": "none", "kid": "one"}), Disbelief::Form),
        (json!({"alg": "NONE", "kid": "one"}), Disbelief::Form),
        (json!({"alg": "", "kid": "one"}), Disbelief::Form),
        (json!({"kid": "one"}), Disbelief::Form),
        (json!({"alg": "HS256", "kid": "one"}), Disbelief::UnknownKey),
        (json!({"alg": "RS256", "kid": "one"}), Disbelief::UnknownKey),
        (
            json!({"alg": "ES256", "kid": "../../dev/null"}),
            Disbelief::UnknownKey,
        ),
        (
            json!({"alg": "ES256", "kid": "one", "crit": ["exp"]}),
            Disbelief::Header,
        ),
        (
            json!({"alg": "ES256", "kid": "one", "b64": false, "crit": ["b64"]}),
            Disbelief::Header,
        ),
        (
            json!({"alg": "ES256", "kid": "one", "cty": "JWT"}),
            Disbelief::Header,
        ),
        (
            json!({"alg": "ES256", "kid": "one", "zip": "DEF"}),
            Disbelief::Header,
        ),
        (
            json!({"alg": "ES256", "kid": "one", "typ": "at+jwt"}),
            Disbelief::Header,
        ),
        (
            json!({"alg": "ES256", "kid": "one", "typ": "logout+jwt"}),
            Disbelief::Header,
        ),
    ] {
        assert_eq!(
            judged(&known, &with_header(&token, &header)),
            Err(why),
            "{header}"
        );
    }
    // Signed well, by a key that came along.
    let mut own = attacker.header();
    own.jwk = serde_json::from_value(attacker.public()).ok();
    own.jku = Some("https://evil.example/keys".to_owned());
    own.x5u = Some("https://evil.example/chain".to_owned());
    assert_eq!(
        judged(&known, &attacker.sign(&own)),
        Err(Disbelief::Signature)
    );
    for odd in [
        "", ".", "..", "a.b", "a.b.c.d", "a.b.c", "\0.\0.\0", "é.é.é",
    ] {
        assert_eq!(judged(&known, odd), Err(Disbelief::Form), "{odd:?}");
    }
    let (signed, _) = token.rsplit_once('.').unwrap();
    for unsigned in [format!("{signed}."), format!("{signed}.AAAA")] {
        assert_eq!(judged(&known, &unsigned), Err(Disbelief::Signature));
    }
    let long = format!("{token}{}", "A".repeat(limits::JWT_BYTES));
    assert_eq!(judged(&known, &long), Err(Disbelief::Form));
    let list = encode(&signer.header(), &json!(["sub"]), &signer.key).unwrap();
    assert_eq!(judged(&known, &list), Err(Disbelief::Claims));
}

#[test]
fn only_keys_for_signatures_are_taken() {
    let signer = signer(Algorithm::ES256, "one");
    let token = signer.sign(&signer.header());
    let with = |name: &str, value: Value| {
        let mut public = signer.public();
        public[name] = value;
        judged(&keys(&[json!({"kty": "new"}), json!(7), public]), &token)
    };
    assert!(with("use", json!("sig")).is_ok());
    assert!(with("key_ops", json!(["verify"])).is_ok());
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("alg", json!("ES384")),
        ("alg", json!("RS256")),
        ("alg", json!("ECDH-ES")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("kid", json!("two")),
        ("kty", json!("RSA")),
    ] {
        assert_eq!(
            with(name, value.clone()),
            Err(Disbelief::UnknownKey),
            "{name} {value}"
        );
    }
    for bad in ["", "[]", "{}", "{\"keys\":7}", "nothing"] {
        assert!(Keys::from_set(bad.as_bytes()).is_err(), "{bad}");
    }
    let flood: Vec<Value> = (0..limits::KEYS_PER_ISSUER)
        .map(|_| json!({"kty": "new"}))
        .chain([signer.public()])
        .collect();
    assert_eq!(judged(&keys(&flood), &token), Err(Disbelief::UnknownKey));
}

#[test]
fn a_file_holds_public_keys() {
    let set = json!({"keys": [signer(Algorithm::ES256, "one").public()]}).to_string();
    for good in [RSA, P256, ED25519, &set] {
        assert!(Keys::from_file(good).is_ok(), "{good}");
    }
    let private = P256.replace("PUBLIC", "PRIVATE");
    for bad in ["", "secret", P521, &private, "{\"keys\":[]}", "{}"] {
        assert!(Keys::from_file(bad).is_err(), "{bad}");
    }
    assert!(Keys::from_secret(&[7; limits::JWT_SECRET_BYTES - 1]).is_err());
}

//! Signatures of webhooks, as <https://www.standardwebhooks.com> has them: `v1,` and the base64 of an HMAC-SHA256 over
//! `id.timestamp.body`, keyed with the bytes that stand in base64 behind `whsec_`. Pure.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of randomness in a secret.
const SECRET_BYTES: usize = 32;

/// A new secret from the system's random numbers.
#[must_use]
pub fn new_secret() -> SecretString {
    let bytes: [u8; SECRET_BYTES] = rand::random();
    SecretString::from(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The value of `webhook-signature`: one signature for each secret, so that a receiver may know any of them.
#[must_use]
pub fn sign(secrets: &[SecretString], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures = secrets.iter().map(|secret| {
        let encoded = secret.expose_secret().trim_start_matches(PREFIX);
        // Secrets are made above; what is none signs with nothing anybody knows.
        let key = STANDARD.decode(encoded).unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_example_is_signed_alike() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            sign(
                &[secret],
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                body
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn each_secret_signs_and_none_is_like_another() {
        let secrets = [new_secret(), new_secret()];
        assert_ne!(secrets[0].expose_secret(), secrets[1].expose_secret());
        assert_eq!(secrets[0].expose_secret().len(), PREFIX.len() + 44);
        let both = sign(&secrets, "a", 1, b"x");
        let each: Vec<String> = secrets
            .iter()
            .map(|secret| sign(std::slice::from_ref(secret), "a", 1, b"x"))
            .collect();
        assert_eq!(both, each.join(" "));
    }
}

//! One sign-in on its way: what must come back as it went. It travels in a cookie of the browser that began it, sealed (AES-256-GCM)
//! under a key of the client's secret, so every instance can open it and nobody else can read or make one. Pure but for its
//! randomness. Called by [`super`].

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::auth::token::Token;
use crate::limits;

/// What is sealed. Each of the three is 256 random bits.
#[derive(Serialize, Deserialize)]
pub(super) struct Flow {
    /// Comes back with the browser: it is an answer to this browser's request (RFC 6749 §10.12).
    pub(super) state: String,
    /// Comes back in what the provider signs: it was signed for this sign-in (OpenID Connect Core §15.5.2).
    pub(super) nonce: String,
    /// Is told to the provider only with the code: a code that was stolen is good for nothing (RFC 7636).
    pub(super) verifier: String,
    /// When it began, in seconds since 1970.
    began: i64,
}

impl Flow {
    /// A new one.
    pub(super) fn begin(now: i64) -> Self {
        let secret = || Token::random().reveal().to_owned();
        Self {
            state: secret(),
            nonce: secret(),
            verifier: secret(),
            began: now,
        }
    }

    /// RFC 7636 §4.2, S256.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// Whether an answer with this state is one to this sign-in, and in time.
    pub(super) fn is_answered_by(&self, state: &str, now: i64) -> bool {
        let in_time = (self.began..=self.began.saturating_add(limits::SIGN_IN_S)).contains(&now);
        in_time && same(&self.state, state)
    }
}

/// Compares secrets in a time that does not tell where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// What seals.
pub(super) struct Seal(Option<LessSafeKey>);

impl Seal {
    /// Of this client of this provider.
    pub(super) fn new(issuer: &str, client_id: &str, client_secret: &SecretString) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, client_secret.expose_secret().as_bytes());
        let purpose = format!("salon sign-in 1\n{issuer}\n{client_id}");
        let key = hmac::sign(&secret, purpose.as_bytes());
        // 32 bytes always fit; nothing could be sealed otherwise.
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).ok();
        Self(key.map(LessSafeKey::new))
    }

    /// The flow as a cookie's value.
    pub(super) fn seal(&self, flow: &Flow) -> Option<String> {
        let mut bytes = serde_json::to_vec(flow).ok()?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let key = self.0.as_ref()?;
        let sealing = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(sealing, Aad::empty(), &mut bytes)
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &bytes].concat()))
    }

    /// The flow of a cookie's value, if it was sealed here.
    pub(super) fn open(&self, cookie: &str) -> Option<Flow> {
        let mut bytes = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = self.0.as_ref()?;
        let opened = key.open_in_place(nonce, Aad::empty(), sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(secret: &str) -> Seal {
        let secret = SecretString::from(secret.to_owned());
        Seal::new("https://id.example", "salon", &secret)
    }

    #[test]
    fn only_what_was_sealed_here_opens_and_nothing_of_it_is_seen() {
        let flow = Flow::begin(1_000);
        let cookie = seal("the secret of this client").seal(&flow).unwrap();
        let opened = seal("the secret of this client").open(&cookie).unwrap();
        assert_eq!(
            (&opened.state, &opened.nonce, &opened.verifier),
            (&flow.state, &flow.nonce, &flow.verifier)
        );
        assert!(seal("another secret of a client").open(&cookie).is_none());
        for secret in [&flow.state, &flow.nonce, &flow.verifier] {
            let bytes = URL_SAFE_NO_PAD.decode(&cookie).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(secret.as_str()));
        }
        for place in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                seal("the secret of this client").open(&changed).is_none(),
                "{place}"
            );
        }
        for odd in ["", "A", "AAAAAAAAAAAAAAAA", "é", &"A".repeat(5_000)] {
            assert!(seal("the secret of this client").open(odd).is_none());
        }
    }

    #[test]
    fn an_answer_has_the_state_and_comes_in_time() {
        let flow = Flow::begin(1_000);
        let end = 1_000 + limits::SIGN_IN_S;
        assert!(flow.is_answered_by(&flow.state, 1_000) && flow.is_answered_by(&flow.state, end));
        assert!(!flow.is_answered_by(&flow.state, end + 1));
        assert!(!flow.is_answered_by(&flow.state, 999));
        for state in ["", &flow.nonce, &format!("{}0", flow.state)] {
            assert!(!flow.is_answered_by(state, 1_000));
        }
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let flow = Flow {
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
            ..Flow::begin(0)
        };
        assert_eq!(
            flow.challenge(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert_eq!(Flow::begin(0).verifier.len(), 64);
    }
}

//! Passwords: argon2id on the blocking pool, so many at once and so many waiting as `limits.rs` says. Called by
//! [`super::Auth`] only. Never keeps or logs a password.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::common_passwords::is_common;
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// The salt of the hash that is made and thrown away when there is nobody to compare with.
const DECOY_SALT: &[u8] = b"nobody-is-called";

/// Hashes and checks passwords within bounds of memory and processor.
pub struct Passwords {
    /// Being hashed or waiting for it; none left means `busy`.
    places: Arc<Semaphore>,
    /// Being hashed.
    hashing: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    /// With the bounds of `limits.rs`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits::HASHES + limits::HASH_QUEUE)),
            hashing: Arc::new(Semaphore::new(limits::HASHES)),
        }
    }

    /// The argon2id PHC string of a password, with a salt of its own.
    ///
    /// # Errors
    /// `busy` when too many wait; `internal` when hashing itself fails.
    pub async fn hash(&self, password: &str) -> Result<String, Refusal> {
        let password = password.to_owned();
        self.run(move || {
            let salt: [u8; 16] = rand::random();
            hash_with_salt(&password, &salt).map(|hash| hash.to_string())
        })
        .await?
    }

    /// Whether the password is that of `hash`. Without a hash it does the same work and says no.
    ///
    /// # Errors
    /// `busy` when too many wait; `internal` when the stored hash cannot be read.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool, Refusal> {
        let password = password.to_owned();
        self.run(move || match hash {
            Some(hash) => {
                let parsed =
                    PasswordHash::new(&hash).map_err(|error| internal("a stored hash", &error))?;
                Ok(Argon2::default()
                    .verify_password(password.as_bytes(), &parsed)
                    .is_ok())
            }
            None => hash_with_salt(&password, DECOY_SALT).map(|_| false),
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let busy = || Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS);
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_full| busy())?;
        let turn = Arc::clone(&self.hashing)
            .acquire_owned()
            .await
            .map_err(|_closed| busy())?;
        // The permits go with the work: a caller that leaves does not make room for a third hash at once.
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop((place, turn));
            result
        })
        .await
        .map_err(|error| internal("a hashing task", &error))
    }
}

/// Whether somebody of that name may have this password: long enough, not too long, and not what is guessed first. Any
/// character may be in it.
///
/// # Errors
/// `bad_request` that names the rule.
pub fn check_rules(name: &str, password: &str) -> Result<(), Refusal> {
    let bad = |sentence: &'static str| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
    if password.chars().count() < limits::PASSWORD_MIN_CHARS {
        return bad("A password has at least 8 characters.");
    }
    if password.len() > limits::PASSWORD_MAX_BYTES {
        return bad("A password has at most 1024 bytes.");
    }
    if is_common(password) {
        return bad("This password is one of the most common ones: others guess it first.");
    }
    if is_made_of(&plain(password), &plain(name)) {
        return bad("A password is more than a name.");
    }
    Ok(())
}

/// Letters and digits only, in small letters.
fn plain(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Whether nothing is left of a password without the user's name, this server's, and the digits that people put behind them.
fn is_made_of(password: &str, name: &str) -> bool {
    let mut rest = password.to_owned();
    // Of one or two letters there is too much in any text.
    for word in [name, "salon", "password"] {
        if word.chars().count() > 2 {
            rest = rest.replace(word, "");
        }
    }
    let left = rest.trim_matches(|c: char| c.is_ascii_digit());
    // Digits alone are a password of their own: those that are common are on the list.
    left.is_empty() && rest.len() < password.len()
}

fn hash_with_salt(password: &str, salt: &[u8]) -> Result<PasswordHash, Refusal> {
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), salt)
        .map_err(|error| internal("a hash", &error))
}

fn internal(what: &'static str, cause: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%cause, "{what} failed");
    ErrorCode::Internal.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_argon2id_and_verifies_its_password_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(
            passwords
                .verify("correct horse", Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!passwords.verify("wrong horse", Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse", None).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_says_busy_at_once() {
        let passwords = Passwords::new();
        let all = u32::try_from(limits::HASHES + limits::HASH_QUEUE).unwrap();
        let held = Arc::clone(&passwords.places)
            .acquire_many_owned(all)
            .await
            .unwrap();
        let refusal = passwords.verify("any", None).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Busy);
        drop(held);
        assert!(!passwords.verify("any", None).await.unwrap());
    }

    #[test]
    fn a_password_is_long_enough_and_not_too_long() {
        assert!(check_rules("ada", "1234567").is_err());
        assert!(check_rules("ada", "ünï¢ödé ").is_ok());
        assert!(check_rules("ada", &"x".repeat(1024)).is_ok());
        assert!(check_rules("ada", &"x".repeat(1025)).is_err());
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        for (name, guessed) in [
            ("ada", "password"),
            ("ada", "iloveyou"),
            ("ada", "QWERTYUIOP"),
            ("ada", "salonsalon"),
            ("ada", "Salon2026"),
            ("ada", "salon-password"),
            ("Ada Lovelace", "adalovelace"),
            ("Ada Lovelace", "Ada.Lovelace1815!"),
            ("lovelace", "lovelacelovelace"),
            ("adalove", "ADALOVE123"),
        ] {
            let refused = check_rules(name, guessed).unwrap_err();
            assert_eq!(refused.code, ErrorCode::BadRequest, "{guessed}");
        }
        for fine in [
            "correct horse",
            "saloon keeper",
            "8247013956",
            "ada's salon tea",
        ] {
            assert!(check_rules("ada", fine).is_ok(), "{fine}");
        }
    }
}

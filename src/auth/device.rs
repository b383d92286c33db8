//! Devices an account's owner has signed in with: what a sign-in gives a browser to keep, so that the next one is told from a
//! stranger's (see [`crate::quotas::attempts`]). It is no credential: whoever has it still needs the password, and only tries under a
//! budget of its own. Called by [`super::Auth`] only.
//!
//! It is `<id>.<mac>`, where the MAC is over the user and the id under a key made of the account's stored password hash. So
//! nothing is stored for it, every instance can check it, it is good for this account only, and it ends with the password. The hash's
//! salt is never seen outside the database, so the MAC helps nobody to guess the password.

use std::fmt;

use aws_lc_rs::hmac;
use sha2::{Digest, Sha256};

use crate::ids::UserId;

/// Bytes of an id.
const ID_BYTES: usize = 16;
/// Digits of a whole device: id, dot, MAC.
const DIGITS: usize = 2 * ID_BYTES + 1 + 64;

/// A device in the clear; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Device(String);

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(…)")
    }
}

impl Device {
    /// A new one for an account with this password hash.
    #[must_use]
    pub(super) fn new(user: UserId, password_hash: &str) -> Self {
        let id = hex(&rand::random::<[u8; ID_BYTES]>());
        let tag = hmac::sign(&key(password_hash), &message(user, &id));
        Self(format!("{id}.{}", hex(tag.as_ref())))
    }

    /// A text a client sent, if it has the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'.');
        let has_form = text.len() == DIGITS && text.bytes().all(allowed);
        (has_form && text.find('.') == Some(2 * ID_BYTES)).then(|| Self(text.to_owned()))
    }

    /// Whether it was given to this account, with the password it has now.
    #[must_use]
    pub(super) fn is_of(&self, user: UserId, password_hash: &str) -> bool {
        let Some((id, tag)) = self.0.split_once('.') else {
            return false;
        };
        let Some(tag) = bytes(tag) else {
            return false;
        };
        hmac::verify(&key(password_hash), &message(user, id), &tag).is_ok()
    }

    /// What it is counted by.
    pub(super) fn id(&self) -> &str {
        self.0.split_once('.').map_or("", |(id, _)| id)
    }

    /// The text for the client.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

fn key(password_hash: &str) -> hmac::Key {
    let mut hash = Sha256::new();
    hash.update(b"salon device\0");
    hash.update(password_hash.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, &hash.finalize())
}

fn message(user: UserId, id: &str) -> Vec<u8> {
    [user.0.as_bytes(), id.as_bytes()].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_of_one_account_and_one_password() {
        let (ada, bo) = (UserId::new(), UserId::new());
        let device = Device::new(ada, "$argon2id$one");
        assert_eq!(Device::parse(device.reveal()), Some(device.clone()));
        assert!(device.is_of(ada, "$argon2id$one"));
        assert!(!device.is_of(bo, "$argon2id$one"));
        assert!(!device.is_of(ada, "$argon2id$two"));
        let mut forged = device.reveal().to_owned();
        forged.replace_range(0..1, if forged.starts_with('0') { "1" } else { "0" });
        assert!(!Device::parse(&forged).unwrap().is_of(ada, "$argon2id$one"));
        assert_ne!(Device::new(ada, "x"), Device::new(ada, "x"));
        assert!(!format!("{device:?}").contains(device.id()));
    }

    #[test]
    fn nothing_else_is_one() {
        let device = Device::new(UserId::new(), "x");
        for text in ["", ".", &device.reveal()[1..], &"a".repeat(DIGITS)] {
            assert_eq!(Device::parse(text), None, "{text}");
        }
        let upper = device.reveal().to_uppercase();
        assert!(Device::parse(&upper).is_none() || upper == device.reveal());
    }
}

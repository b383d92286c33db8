//! The secret of a session or a ticket: 256 random bits as 64 hexadecimal digits. Stored as its SHA-256 only; a
//! fast hash is right here, since nothing can be guessed of 256 random bits.

use std::fmt;

use sha2::{Digest, Sha256};

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// A token in the clear. `Debug` does not show it, and there is no `Display`: say [`Token::reveal`] where it is meant.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new token from the system's random numbers.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; TOKEN_BYTES] = rand::random();
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A text a client sent, if it has the form of a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == TOKEN_BYTES * 2 && digits).then(|| Self(text.to_owned()))
    }

    /// What the store knows it by.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The secret itself, to give to its holder.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_never_shown() {
        let token = Token::random();
        let read = Token::parse(token.reveal()).unwrap();
        assert_eq!(read.sha256(), token.sha256());
        assert!(!format!("{token:?}").contains(token.reveal()));
        assert_ne!(Token::random().reveal(), token.reveal());
    }

    #[test]
    fn nothing_else_is_a_token() {
        let upper = "A".repeat(64);
        let long = "a".repeat(65);
        for text in ["", "abc", &upper, &long, &"é".repeat(32)] {
            assert!(Token::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_hash_is_sha_256_of_the_text() {
        let token = Token("abc".into());
        assert_eq!(token.sha256()[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}

//! The secret of a session, a ticket, a program's token or a webhook: 256 random bits as 64 hexadecimal digits, after a prefix
//! that tells those of programs apart, so that one that leaked is found by a search. Stored as its SHA-256 only; a
//! fast hash is right here, since nothing can be guessed of 256 random bits.

use std::fmt;

use sha2::{Digest, Sha256};

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// What a secret is for: it can be used for nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A session, or a socket's ticket.
    Session,
    /// A program that acts as a user.
    Api,
    /// An incoming webhook.
    Hook,
}

impl Purpose {
    /// What it begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "",
            Self::Api => "salon_",
            Self::Hook => "salon_hook_",
        }
    }
}

/// A token in the clear. `Debug` does not show it, and there is no `Display`: say [`Token::reveal`] where it is meant.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new token of a session from the system's random numbers.
    #[must_use]
    pub fn random() -> Self {
        Self::random_for(Purpose::Session)
    }

    /// A new one for a purpose.
    #[must_use]
    pub fn random_for(purpose: Purpose) -> Self {
        let bytes: [u8; TOKEN_BYTES] = rand::random();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{}{digits}", purpose.prefix()))
    }

    /// A text a client sent, if it has the form of a session's token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_for(Purpose::Session, text)
    }

    /// The same for a purpose.
    #[must_use]
    pub fn parse_for(purpose: Purpose, text: &str) -> Option<Self> {
        let digits = text.strip_prefix(purpose.prefix())?;
        let are_digits = digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (digits.len() == TOKEN_BYTES * 2 && are_digits).then(|| Self(text.to_owned()))
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
    fn a_secret_serves_its_purpose_only() {
        let purposes = [Purpose::Session, Purpose::Api, Purpose::Hook];
        for made_for in purposes {
            let token = Token::random_for(made_for);
            assert!(token.reveal().starts_with(made_for.prefix()));
            for purpose in purposes {
                let read = Token::parse_for(purpose, token.reveal());
                assert_eq!(read.is_some(), purpose == made_for, "{purpose:?}");
            }
        }
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

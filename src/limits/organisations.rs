//! The bounds of sign-in by an organisation's provider, and of claims that an embedding application signs.

use std::time::Duration;

/// A signed claim (a JWT), in bytes: the headers of a request have their own bound.
pub const JWT_BYTES: usize = 8 * 1024;
/// A claim ends at most so long after now, in seconds: it cannot be taken back one by one, so it is renewed instead.
pub const JWT_LIFETIME_S: i64 = 24 * 3600;
/// Clocks of two machines may differ by so much, in seconds.
pub const CLOCK_LEEWAY_S: i64 = 30;
/// Claims of one user that have not ended and were used.
pub const CLAIMS_PER_USER: i64 = 100;
/// An issuer's name for somebody, in bytes (OpenID Connect Core §2 lets it have 255 of ASCII).
pub const SUBJECT_BYTES: usize = 255;
/// A shared secret that claims are signed with, in bytes: at least as long as its hash (RFC 8725 §3.5).
pub const JWT_SECRET_BYTES: usize = 32;
/// A secret that this server shares with its sign-in provider, in bytes: cookies of sign-ins are sealed with it.
pub const OIDC_SECRET_BYTES: usize = 16;

/// Names tried for a newcomer with a number behind them; then one with random letters.
pub const NEWCOMER_NAMES: u32 = 20;

/// From leaving for the provider to coming back, in seconds.
pub const SIGN_IN_S: i64 = 600;
/// One request to the provider.
pub const OIDC_TIMEOUT: Duration = Duration::from_secs(3);
/// An answer of the provider, in bytes.
pub const OIDC_ANSWER_BYTES: usize = 256 * 1024;
/// A parameter that the provider sends a browser back with, in bytes.
pub const OIDC_PARAMETER_BYTES: usize = 4 * 1024;
/// Keys of one issuer; those after them are not looked at.
pub const KEYS_PER_ISSUER: usize = 64;
/// What a provider says of itself, and its keys, are used for so long; then they are read again before the next use.
pub const PROVIDER_FRESH: Duration = Duration::from_secs(3_600);
/// When they cannot be read again, what was read before does for so long: a key that was withdrawn is not trusted for ever.
pub const PROVIDER_STALE: Duration = Duration::from_secs(6 * 3_600);
/// For an unknown key, or after a failure, a provider is asked again at most so often.
pub const PROVIDER_AGAIN: Duration = Duration::from_secs(5);

const _: () = assert!(
    4 * OIDC_TIMEOUT.as_millis() < super::REQUEST_TIMEOUT.as_millis(),
    "coming back asks for the provider's settings, the tokens, the keys and the user, one after the other"
);

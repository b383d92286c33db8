//! What a client may be told when something does not work: a stable code, a public sentence, and when to
//! try again. Causes never travel in here; they go to the log, once, where they are met.
//!
//! Use [`Refusal`] for anything said to a client (socket or HTTP). Adapters have error types of their own
//! (`StoreError`, `LayerError`, `LlmError`) that the domain turns into one.

use serde::{Serialize, Serializer};

use crate::ids::Version;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $sentence:literal;)*) => {
        /// A stable public code. Clients branch on it, so one is never renamed or reused.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* #[doc = concat!("`", $code, "`")] $variant,)*
        }

        impl ErrorCode {
            /// Every code there is, for the documents and the tests that compare them.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The code as it stands on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status a refusal with this code has.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The sentence shown to people when there is nothing more particular to say.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// The code of that name, when there is one.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

error_codes! {
    BadRequest = "bad_request", 400, "The request is not of the documented form.";
    UnknownType = "unknown_type", 400, "There is no frame of this type.";
    TooLarge = "too_large", 413, "This is larger than the documented limit.";
    Unauthenticated = "unauthenticated", 401, "Sign in first.";
    BadCredentials = "bad_credentials", 401, "The name or the password is wrong.";
    /// Said only to who knows the password.
    AccountDisabled = "account_disabled", 403, "This account was disabled by an administrator of the server.";
    Forbidden = "forbidden", 403, "Your role in this room does not allow this.";
    OriginRefused = "origin_refused", 403, "This origin may not use the server.";
    HttpsRequired = "https_required", 403, "This server is spoken to by https only.";
    SignupOff = "signup_off", 403, "This server does not take new accounts.";
    GuestsOff = "guests_off", 403, "This server does not admit guests.";
    SignInExpired = "sign_in_expired", 400, "This sign-in took too long, was begun in another browser, or was used already: begin again.";
    SignInRefused = "sign_in_refused", 403, "You were not let in by the sign-in provider, or may not come in here.";
    SignInInvalid = "sign_in_invalid", 502, "What the sign-in provider answered is not to be believed.";
    SignInUnavailable = "sign_in_unavailable", 503, "The sign-in provider cannot be reached right now: try again a little later.";
    ScopeMissing = "scope_missing", 403, "This token may only read.";
    SessionRequired = "session_required", 403, "A token may not do this: sign in.";
    NotAMember = "not_a_member", 403, "You are not a member of this room.";
    RoomNotFound = "room_not_found", 404, "There is no such room, or you may not see it.";
    Banned = "banned", 403, "You are banned from this room.";
    /// One answer for an invite that never was, has ended, is used up or was withdrawn. Who is banned is told so, of one that works.
    InviteInvalid = "invite_invalid", 404, "This invite does not work: it has ended, is used up, was withdrawn, or never was.";
    MessageNotFound = "message_not_found", 404, "There is no such message in this room.";
    ReplyNotFound = "reply_not_found", 404, "There is no such reply in this room.";
    AssistantNotFound = "assistant_not_found", 404, "There is no such assistant in this room.";
    VariantNotFound = "variant_not_found", 404, "This reply has no such variant.";
    WebhookNotFound = "webhook_not_found", 404, "There is no such webhook in this room.";
    UserNotFound = "user_not_found", 404, "There is no such user.";
    TargetRefused = "target_refused", 400, "This server may not send to this address.";
    NotFound = "not_found", 404, "There is nothing at this address.";
    MethodNotAllowed = "method_not_allowed", 405, "This address does not answer this method.";
    UnsupportedMediaType = "unsupported_media_type", 415, "Send the body as plain application/json.";
    NotJoined = "not_joined", 409, "Join the room on this socket first.";
    NotAGuest = "not_a_guest", 409, "Only a guest can become an account.";
    NameTaken = "name_taken", 409, "This name is taken.";
    SlugTaken = "slug_taken", 409, "A room with this address exists or existed.";
    LastOwner = "last_owner", 409, "A room keeps at least one owner.";
    RoomHasOwner = "room_has_owner", 409, "This room has an owner who can give it away.";
    LastAdministrator = "last_administrator", 409, "A server keeps at least one administrator.";
    RoomArchived = "room_archived", 409, "This room is archived: it takes nothing new.";
    ReplyRunning = "reply_running", 409, "This reply is still being written.";
    ReplySettled = "reply_settled", 409, "This reply is already finished.";
    VersionConflict = "version_conflict", 409, "This message was edited meanwhile: look at it again.";
    Behind = "behind", 409, "An earlier message of this socket was refused: send that one again first.";
    TooMany = "too_many", 429, "There are too many of these already.";
    TooManyReplies = "too_many_replies", 429, "The assistant has too many replies to write in this room.";
    TooManyPrompts = "too_many_prompts", 429, "Too many of your questions wait for an answer.";
    SpendLimitReached = "spend_limit_reached", 429, "The limit of what may be spent on answers is reached.";
    NoAssistant = "no_assistant", 409, "No assistant takes prompts in this room.";
    BotsNotAnswered = "bots_not_answered", 409, "The assistant does not answer bots.";
    RateLimited = "rate_limited", 429, "Too fast: try again a little later.";
    Busy = "busy", 503, "The server is busy: try again a little later.";
    Unavailable = "unavailable", 503, "The server cannot do this right now: try again a little later.";
    ShuttingDown = "shutting_down", 503, "This instance is stopping: connect again.";
    OutcomeUnknown = "outcome_unknown", 503, "It is not known whether this was saved: send it again with the same client_id, or look at the room.";
    Internal = "internal", 500, "Something went wrong on the server.";
    /// Why a reply failed.
    ProviderUnavailable = "provider_unavailable", 502, "The model provider could not be reached.";
    /// Why a reply failed.
    ProviderOverloaded = "provider_overloaded", 503, "The model provider is overloaded.";
    /// Why a reply failed.
    ProviderRateLimited = "provider_rate_limited", 429, "The model provider limits our requests.";
    /// Why a reply failed.
    ProviderQuota = "provider_quota", 402, "The model provider's quota or spend limit is used up.";
    /// Why a reply failed.
    ProviderRefusedKey = "provider_auth", 502, "The model provider refused this server's key.";
    /// Why a reply failed.
    ProviderRefused = "provider_refused", 502, "The model provider refused the request.";
    /// Why a reply failed.
    ProviderTimeout = "provider_timeout", 504, "The model provider did not answer in time.";
    /// Why a reply failed.
    ProviderTruncated = "provider_truncated", 502, "The model provider's answer broke off.";
    /// Why a reply failed.
    ProviderMalformed = "provider_malformed", 502, "The model provider's answer could not be read.";
    /// Why a reply failed.
    ReplyTooLong = "reply_too_long", 502, "The answer grew past the documented limit.";
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl ErrorCode {
    /// Whether the same request may work later without being changed. A retryable refusal of a send also
    /// refuses what the same socket pipelined behind it to that room (P10).
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Busy
                | Self::Unavailable
                | Self::ShuttingDown
                | Self::OutcomeUnknown
                | Self::Behind
                | Self::SignInUnavailable
        )
    }
}

/// A typed no: what a client gets instead of what it asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {}", .code.as_str(), .message)]
pub struct Refusal {
    /// What clients branch on.
    pub code: ErrorCode,
    /// What people read; public, in English, a full sentence.
    pub message: std::borrow::Cow<'static, str>,
    /// When to try again, in milliseconds, where that is known.
    pub retry_after_ms: Option<u64>,
    /// The version there is, where another was expected.
    pub version: Option<Version>,
}

impl Refusal {
    /// A refusal with a sentence of its own, which must hold nothing secret.
    #[must_use]
    pub fn with_message(
        code: ErrorCode,
        message: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
            version: None,
        }
    }

    /// That the message has another version than was expected, and which.
    #[must_use]
    pub fn version_conflict(version: Version) -> Self {
        Self {
            version: Some(version),
            ..ErrorCode::VersionConflict.into()
        }
    }

    /// That somebody who is to be a member is banned, said to who would add it.
    #[must_use]
    pub fn user_is_banned() -> Self {
        Self::with_message(
            ErrorCode::Banned,
            "This user is banned from this room: lift the ban first.",
        )
    }

    /// That somebody a member is asked for is none.
    #[must_use]
    pub fn user_is_no_member() -> Self {
        Self::with_message(
            ErrorCode::UserNotFound,
            "There is no such member in this room.",
        )
    }

    /// That nobody is there any more for whom a reply could be written again.
    #[must_use]
    pub fn asker_is_gone() -> Self {
        Self::with_message(
            ErrorCode::Forbidden,
            "Whoever asked for this reply may no longer ask here.",
        )
    }

    /// That this was too fast, and when there is room for it again.
    #[must_use]
    pub fn too_fast(wait: std::time::Duration) -> Self {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        Self::from(ErrorCode::RateLimited).retry_after_ms(wait_ms)
    }

    /// That what may be spent is, for so long.
    #[must_use]
    pub fn spent_for(left: chrono::TimeDelta) -> Self {
        let left_ms = u64::try_from(left.num_milliseconds()).unwrap_or(0);
        Self::from(ErrorCode::SpendLimitReached).retry_after_ms(left_ms.max(1))
    }

    /// That only an administrator of the server may.
    #[must_use]
    pub fn not_an_administrator() -> Self {
        Self::with_message(
            ErrorCode::Forbidden,
            "Only an administrator of this server may do this.",
        )
    }

    /// That somebody is nobody who could administer a server.
    #[must_use]
    pub fn cannot_administer() -> Self {
        Self::with_message(
            ErrorCode::BadRequest,
            "Only a user with a password, who is not disabled, can be an administrator.",
        )
    }

    /// The same refusal, saying when to try again.
    #[must_use]
    pub fn retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.retry_after_ms = Some(retry_after_ms);
        self
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: code.sentence().into(),
            retry_after_ms: None,
            version: None,
        }
    }
}

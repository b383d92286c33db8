//! The limits that `docs/protocol.md` names, by noun: what `protocol_document.rs` compares its table with.

use std::sync::OnceLock;

use salon::channel_layer::counters::in_memory::InMemoryCounters;
use salon::limits;
use salon::protocol::announced::Limits;
use salon::quotas::Quotas;

/// What `welcome` says of limits.
pub(crate) fn announced() -> &'static Limits {
    static LIMITS: OnceLock<Limits> = OnceLock::new();
    LIMITS.get_or_init(|| {
        let config = crate::support::app::config(&[]);
        let quotas = Quotas::new(&config, InMemoryCounters::new());
        quotas.limits(&config)
    })
}

/// Those of what is said about rooms, and of their lists.
pub(crate) fn of_rooms() -> [(&'static str, i64); 8] {
    let count = |count: usize| i64::try_from(count).unwrap();
    [
        ("TOPIC_CHARS", count(limits::TOPIC_CHARS)),
        ("ROOMS_PER_OWNER", limits::ROOMS_PER_OWNER),
        ("ROOMS_LISTED", limits::ROOMS_LISTED),
        ("PREVIEW_CHARS", limits::PREVIEW_CHARS),
        ("PUBLIC_ROOMS_LISTED", limits::PUBLIC_ROOMS_LISTED),
        ("ROOM_QUERY_CHARS", count(limits::ROOM_QUERY_CHARS)),
        ("DIRECT_PEOPLE", count(limits::DIRECT_PEOPLE)),
        ("MEMBERS_LISTED", limits::MEMBERS_LISTED),
    ]
}

/// Those of assistants and what they write.
pub(crate) fn of_assistants() -> [(&'static str, i64); 9] {
    let count = |count: usize| i64::try_from(count).unwrap();
    [
        ("VARIANTS_PER_REPLY", i64::from(limits::VARIANTS_PER_REPLY)),
        ("HISTORY_TOKENS", i64::from(limits::HISTORY_TOKENS)),
        ("ASSISTANTS_PER_ROOM", count(limits::ASSISTANTS_PER_ROOM)),
        (
            "ASSISTANTS_PER_MESSAGE",
            count(limits::ASSISTANTS_PER_MESSAGE),
        ),
        ("SYSTEM_BYTES", count(limits::SYSTEM_BYTES)),
        ("MODEL_CHARS", count(limits::MODEL_CHARS)),
        ("USAGE_PAGE", limits::USAGE_PAGE),
        ("USAGE_CSV_ROWS", limits::USAGE_CSV_ROWS),
        (
            "SPENDING_WAIT",
            i64::try_from(limits::SPENDING_WAIT.as_millis()).unwrap(),
        ),
    ]
}

/// Those of what programs use.
pub(crate) fn of_integrations() -> [(&'static str, i64); 10] {
    let count = |count: usize| i64::try_from(count).unwrap();
    [
        ("TOKENS_PER_USER", limits::TOKENS_PER_USER),
        ("TOKEN_S", limits::TOKEN_S),
        ("LAST_USED_S", limits::LAST_USED_S),
        ("BOTS_PER_USER", limits::BOTS_PER_USER),
        ("BOTS_PER_MINUTE", i64::from(limits::BOTS_PER_MINUTE)),
        ("WEBHOOK_TESTS", count(limits::WEBHOOK_TESTS)),
        ("HOOKS_PER_ROOM", limits::HOOKS_PER_ROOM),
        (
            "HOOK_POSTS_PER_MINUTE",
            i64::from(limits::HOOK_POSTS_PER_MINUTE),
        ),
        ("HOOK_BURST", i64::from(limits::HOOK_BURST)),
        (
            "IDEMPOTENCY_KEY_BYTES",
            count(limits::IDEMPOTENCY_KEY_BYTES),
        ),
    ]
}

/// Those of sign-in by others.
pub(crate) fn of_organisations() -> [(&'static str, i64); 5] {
    [
        ("SIGN_IN_S", limits::SIGN_IN_S),
        ("JWT_BYTES", i64::try_from(limits::JWT_BYTES).unwrap()),
        ("JWT_LIFETIME_S", limits::JWT_LIFETIME_S),
        ("CLOCK_LEEWAY_S", limits::CLOCK_LEEWAY_S),
        ("CLAIMS_PER_USER", limits::CLAIMS_PER_USER),
    ]
}

/// Those of invites and bans.
pub(crate) fn of_invites() -> [(&'static str, i64); 6] {
    let chars = i64::try_from(limits::BAN_REASON_CHARS).unwrap();
    [
        ("INVITES_PER_ROOM", limits::INVITES_PER_ROOM),
        ("INVITE_S", limits::INVITE_S),
        ("INVITE_SHORTEST_S", limits::INVITE_SHORTEST_S),
        ("INVITE_USES", i64::from(limits::INVITE_USES)),
        ("BANS_PER_ROOM", limits::BANS_PER_ROOM),
        ("BAN_REASON_CHARS", chars),
    ]
}

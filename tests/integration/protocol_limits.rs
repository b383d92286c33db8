//! More of the limits that `docs/protocol.md` names, by part, for the test in `protocol_document.rs`.

use salon::limits;

/// Those of invites and bans.
pub(crate) fn of_invites() -> [(&'static str, i64); 7] {
    let chars = i64::try_from(limits::BAN_REASON_CHARS).unwrap();
    [
        ("INVITES_PER_ROOM", limits::INVITES_PER_ROOM),
        ("INVITE_S", limits::INVITE_S),
        ("INVITE_SHORTEST_S", limits::INVITE_SHORTEST_S),
        ("INVITE_USES", i64::from(limits::INVITE_USES)),
        (
            "INVITE_LOOKUPS_PER_MINUTE",
            i64::from(limits::INVITE_LOOKUPS_PER_MINUTE),
        ),
        ("BANS_PER_ROOM", limits::BANS_PER_ROOM),
        ("BAN_REASON_CHARS", chars),
    ]
}

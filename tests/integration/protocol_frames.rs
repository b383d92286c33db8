//! A frame of each type that tells of people, for `protocol_document`: who is there, who writes, who has read what.

use salon::db::rows::UserRow;
use salon::protocol::server::ServerFrame;

/// They always have all of their fields.
pub(crate) fn frames_of_people(user: &UserRow) -> Vec<ServerFrame<'_>> {
    vec![
        ServerFrame::Presence {
            room: "lobby",
            count: 1,
            users: std::slice::from_ref(user),
        },
        ServerFrame::Typing {
            room: "lobby",
            user,
        },
        ServerFrame::Read {
            room: "lobby",
            user: user.id,
            seq: 1,
        },
        ServerFrame::UserRead {
            room: "lobby",
            seq: 1,
            unread: 0,
            mentions: 0,
        },
        ServerFrame::UserRooms {
            gained: &["lobby"],
            lost: &["den"],
        },
    ]
}

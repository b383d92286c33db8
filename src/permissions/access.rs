//! What each way into the server needs: every route, every event stream and every frame of a socket, one line each. A
//! test fails for one without a line, `docs/permissions.md` is written from here, and another test asks a server by every
//! way and compares its answers with [`answer`]. Pure; it stands beside the table of role × action, which judges.

use super::{Action, Role, allows};
use crate::error::ErrorCode;

/// What somebody must be or may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Nothing: anybody may.
    Nothing,
    /// The operator's own listener, which is not for users.
    Operator,
    /// A session; what is seen or done is the asker's own.
    Session,
    /// A session that no token is: it is about the account itself, or what acts in its name.
    Account,
    /// An administrator of the server, in a session that no token is.
    Administrator,
    /// A room that one may see: as a member, or because it is public.
    Sight,
    /// A room that one is in, or may become a member of by oneself: a public one that one is not banned from.
    Entry,
    /// This right in the room.
    Room(Action),
    /// The first right for what is one's own, the second for what is another's.
    Own(Action, Action),
}

/// How a way works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One answer.
    Answer,
    /// A stream that follows what happens.
    Stream,
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// In small letters.
    pub method: &'static str,
    /// As in `routes.rs`.
    pub path: &'static str,
    /// How it answers.
    pub kind: Kind,
    /// What it needs.
    pub needs: Needs,
    /// Whether a token is refused, whatever its scope: it is about what outlives the token.
    pub session_only: bool,
    /// Whether an application's claim is taken although a token is refused: it is a person's, and what comes of it does not let
    /// anybody in beyond the claim's end.
    pub claims_too: bool,
}

impl Route {
    /// Whether an application's claim is refused: as a token, but where it is taken too.
    #[must_use]
    pub const fn refuses_claims(&self) -> bool {
        self.session_only && !self.claims_too
    }

    const fn with_claims(self) -> Self {
        Self {
            claims_too: true,
            ..self
        }
    }

    const fn without_tokens(self) -> Self {
        Self {
            session_only: true,
            ..self
        }
    }
}

const fn route(method: &'static str, path: &'static str, needs: Needs) -> Route {
    let kind = Kind::Answer;
    Route {
        method,
        path,
        kind,
        needs,
        session_only: matches!(needs, Needs::Account | Needs::Administrator),
        claims_too: false,
    }
}

const fn stream(method: &'static str, path: &'static str, needs: Needs) -> Route {
    let kind = Kind::Stream;
    Route {
        method,
        path,
        kind,
        needs,
        session_only: matches!(needs, Needs::Account | Needs::Administrator),
        claims_too: false,
    }
}

use Action::*;
use Needs::{Account, Administrator, Entry, Nothing, Operator, Own, Room, Session, Sight};

/// Every route of `routes.rs`. Whatever is not among them is the page's files, for anybody.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    route("get", "/livez", Nothing),
    route("get", "/readyz", Nothing),
    route("get", "/.well-known/security.txt", Nothing),
    route("get", "/metrics", Operator),
    route("get", "/api/openapi.json", Nothing),
    route("get", "/api/config", Nothing),
    route("post", "/api/users", Nothing),
    route("post", "/api/guests", Nothing),
    route("post", "/api/sessions", Nothing),
    route("get", "/api/oidc/start", Nothing),
    route("get", "/api/oidc/callback", Nothing),
    route("get", "/api/sessions", Account),
    route("delete", "/api/sessions", Account),
    route("delete", "/api/sessions/{id}", Account),
    route("delete", "/api/sessions/current", Account),
    route("get", "/api/me", Session),
    route("delete", "/api/me", Account),
    route("put", "/api/me/password", Account),
    route("post", "/api/me/account", Account),
    route("post", "/api/tickets", Account).with_claims(),
    route("get", "/api/rooms", Session),
    route("post", "/api/rooms", Session),
    route("get", "/api/rooms/public", Session),
    route("post", "/api/direct", Session),
    route("get", "/api/search", Session),
    route("get", "/api/models", Session),
    route("post", "/api/invites/look", Nothing),
    route("post", "/api/invites/accept", Account).with_claims(),
    route("get", "/api/tokens", Account),
    route("post", "/api/tokens", Account),
    route("delete", "/api/tokens/{token}", Account),
    route("get", "/api/bots", Account),
    route("post", "/api/bots", Account),
    route("delete", "/api/bots/{bot}", Account),
    route("get", "/api/bots/{bot}/tokens", Account),
    route("post", "/api/bots/{bot}/tokens", Account),
    route("post", "/api/hooks/{secret}", Nothing),
    route("get", "/api/rooms/{slug}", Sight),
    route("patch", "/api/rooms/{slug}", Room(EditRoom)),
    route("delete", "/api/rooms/{slug}", Room(DeleteRoom)),
    route("post", "/api/rooms/{slug}/join", Entry),
    route("put", "/api/rooms/{slug}/mute", Room(Read)),
    route("get", "/api/rooms/{slug}/retention", Room(Read)),
    route("put", "/api/rooms/{slug}/retention", Room(EditRoom)),
    route("get", "/api/rooms/{slug}/members", Room(Read)),
    route("post", "/api/rooms/{slug}/members", Room(ManageMembers)),
    route("delete", "/api/rooms/{slug}/members/{user}", Own(Read, ManageMembers)),
    route("post", "/api/rooms/{slug}/transfer", Room(ManageOwners)),
    route("get", "/api/rooms/{slug}/bans", Room(Ban)),
    route("post", "/api/rooms/{slug}/bans", Room(Ban)),
    route("put", "/api/rooms/{slug}/bans/{user}", Room(Ban)),
    route("delete", "/api/rooms/{slug}/bans/{user}", Room(Ban)),
    route("get", "/api/rooms/{slug}/invites", Room(Invite)),
    route("post", "/api/rooms/{slug}/invites", Room(Invite)),
    route("delete", "/api/rooms/{slug}/invites/{invite}", Room(Invite)),
    route("get", "/api/rooms/{slug}/incoming-hooks", Room(ManageIntegrations)).without_tokens(),
    route("post", "/api/rooms/{slug}/incoming-hooks", Room(ManageIntegrations)).without_tokens(),
    route("delete", "/api/rooms/{slug}/incoming-hooks/{hook}", Room(ManageIntegrations)).without_tokens(),
    route("post", "/api/rooms/{slug}/incoming-hooks/{hook}/rotate", Room(ManageIntegrations)).without_tokens(),
    route("get", "/api/rooms/{slug}/outgoing-webhooks", Room(ManageIntegrations)).without_tokens(),
    route("post", "/api/rooms/{slug}/outgoing-webhooks", Room(ManageIntegrations)).without_tokens(),
    route("patch", "/api/rooms/{slug}/outgoing-webhooks/{id}", Room(ManageIntegrations)).without_tokens(),
    route("delete", "/api/rooms/{slug}/outgoing-webhooks/{id}", Room(ManageIntegrations)).without_tokens(),
    route("post", "/api/rooms/{slug}/outgoing-webhooks/{id}/secret", Room(ManageIntegrations)).without_tokens(),
    route("post", "/api/rooms/{slug}/outgoing-webhooks/{id}/test", Room(ManageIntegrations)).without_tokens(),
    route("get", "/api/rooms/{slug}/outgoing-webhooks/{id}/attempts", Room(ManageIntegrations)).without_tokens(),
    route("get", "/api/rooms/{slug}/usage", Room(ReadUsage)),
    route("get", "/api/me/usage", Session),
    route("get", "/api/admin/usage", Administrator),
    route("get", "/api/rooms/{slug}/assistants", Room(Read)),
    route("post", "/api/rooms/{slug}/assistants", Room(ManageAssistants)),
    route("patch", "/api/rooms/{slug}/assistants/{user}", Room(ManageAssistants)),
    route("delete", "/api/rooms/{slug}/assistants/{user}", Room(ManageAssistants)),
    route("get", "/api/rooms/{slug}/messages", Room(Read)),
    route("post", "/api/rooms/{slug}/messages", Room(Post)),
    route("get", "/api/rooms/{slug}/messages/{seq}", Room(Read)),
    route("patch", "/api/rooms/{slug}/messages/{seq}", Room(ChangeOwnMessage)),
    route("delete", "/api/rooms/{slug}/messages/{seq}", Own(ChangeOwnMessage, DeleteAnyMessage)),
    route("get", "/api/rooms/{slug}/messages/{seq}/edits", Own(Read, ReadAnyEdits)),
    route("get", "/api/rooms/{slug}/messages/{seq}/variants", Room(Read)),
    route("put", "/api/rooms/{slug}/messages/{seq}/reactions/{emoji}", Room(React)),
    route("delete", "/api/rooms/{slug}/messages/{seq}/reactions/{emoji}", Room(React)),
    route("put", "/api/rooms/{slug}/messages/{seq}/pin", Room(Pin)),
    route("delete", "/api/rooms/{slug}/messages/{seq}/pin", Room(Pin)),
    route("get", "/api/rooms/{slug}/pins", Room(Read)),
    route("post", "/api/rooms/{slug}/replies/{seq}/stop", Own(SteerOwnReply, SteerAnyReply)),
    route("post", "/api/rooms/{slug}/replies/{seq}/retry", Own(SteerOwnReply, SteerAnyReply)),
    route("get", "/api/admin/users", Administrator),
    route("put", "/api/admin/users/{user}/admin", Administrator),
    route("put", "/api/admin/users/{user}/disabled", Administrator),
    route("delete", "/api/admin/users/{user}/sessions", Administrator),
    route("get", "/api/admin/rooms", Administrator),
    route("patch", "/api/admin/rooms/{slug}", Administrator),
    route("delete", "/api/admin/rooms/{slug}", Administrator),
    route("put", "/api/admin/rooms/{slug}/owner", Administrator),
    route("get", "/api/admin/audit", Administrator),
    route("post", "/api/rooms/{slug}/replies/{seq}/regenerate", Own(SteerOwnReply, SteerAnyReply)),
    route("post", "/api/rooms/{slug}/replies/{seq}/select", Own(SteerOwnReply, SteerAnyReply)),
    stream("get", "/ws", Session),
    stream("post", "/api/chat", Room(Post)),
    stream("get", "/api/rooms/{slug}/events", Room(Read)),
    stream("get", "/api/rooms/{slug}/export", Room(Read)),
    stream("get", "/api/rooms/{slug}/replies/{seq}/events", Room(Read)),
];

/// Every type of frame that a client may send.
#[rustfmt::skip]
pub const FRAMES: &[(&str, Needs)] = &[
    ("room.join", Entry),
    ("room.leave", Session),
    ("message.send", Room(Post)),
    ("message.history", Room(Read)),
    ("message.edit", Room(ChangeOwnMessage)),
    ("message.delete", Own(ChangeOwnMessage, DeleteAnyMessage)),
    ("message.pin", Room(Pin)),
    ("message.unpin", Room(Pin)),
    ("reaction.add", Room(React)),
    ("reaction.remove", Room(React)),
    ("reply.stop", Own(SteerOwnReply, SteerAnyReply)),
    ("reply.retry", Own(SteerOwnReply, SteerAnyReply)),
    ("reply.regenerate", Own(SteerOwnReply, SteerAnyReply)),
    ("reply.select", Own(SteerOwnReply, SteerAnyReply)),
    ("reply.continue", Room(Post)),
    ("read.mark", Room(Read)),
    ("typing", Room(Type)),
    ("ping", Session),
];

/// Who asks, as a room sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    /// A member.
    Member(Role),
    /// Signed in, not in this public room.
    Outsider,
    /// Signed in, banned from this public room.
    Banned,
    /// Signed in, not in this private room.
    Stranger,
    /// Signed in, not in this private room, and an administrator of the server: in rooms a stranger like others.
    Administrator,
    /// Nobody who is signed in.
    Nobody,
}

impl Asker {
    /// Everybody who may ask.
    pub const ALL: [Self; 9] = [
        Self::Member(Role::Owner),
        Self::Member(Role::Moderator),
        Self::Member(Role::Member),
        Self::Member(Role::Reader),
        Self::Outsider,
        Self::Banned,
        Self::Stranger,
        Self::Administrator,
        Self::Nobody,
    ];
}

/// What the table says to somebody: `None` is yes. `own` tells whether it is about what is the asker's own.
#[must_use]
pub const fn answer(needs: Needs, asker: Asker, own: bool) -> Option<ErrorCode> {
    let action = match (needs, asker) {
        (Needs::Nothing, _) => return None,
        (Needs::Operator, _) => return Some(ErrorCode::NotFound),
        (_, Asker::Nobody) => return Some(ErrorCode::Unauthenticated),
        (Needs::Session | Needs::Account, _) => return None,
        (Needs::Administrator, Asker::Administrator) => return None,
        (Needs::Administrator, _) => return Some(ErrorCode::Forbidden),
        (_, Asker::Stranger | Asker::Administrator) => return Some(ErrorCode::RoomNotFound),
        (Needs::Entry, Asker::Banned) => return Some(ErrorCode::Banned),
        (Needs::Entry | Needs::Sight, _) => return None,
        (_, Asker::Outsider | Asker::Banned) => return Some(ErrorCode::NotAMember),
        (Needs::Room(action), _) => action,
        (Needs::Own(mine, theirs), _) => {
            if own {
                mine
            } else {
                theirs
            }
        }
    };
    match asker {
        Asker::Member(role) if allows(role, action) => None,
        _ => Some(ErrorCode::Forbidden),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::protocol::client::FRAME_TYPES;

    /// `method /path` of every `.route(…)` of `routes.rs`.
    fn routed() -> BTreeSet<String> {
        let text = include_str!("../routes.rs");
        let mut found = BTreeSet::new();
        let mut lines = 0;
        for line in text.lines() {
            let Some((_, rest)) = line.split_once(".route(\"") else {
                continue;
            };
            lines += 1;
            let (path, handlers) = rest.split_once('"').unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                if handlers.contains(&format!(" {method}("))
                    || handlers.contains(&format!(".{method}("))
                {
                    found.insert(format!("{method} {path}"));
                }
            }
        }
        assert_eq!(
            lines,
            text.matches(".route").count(),
            "one route on one line"
        );
        // What would be a route and is none of those above.
        for other in ["nest", "route_service", "any", "on", "head", "options"] {
            let used = [format!(".{other}("), format!(" {other}(")];
            let mut code = text.lines().filter(|line| !line.trim().starts_with("//"));
            let found = code.find(|line| used.iter().any(|used| line.contains(used)));
            assert_eq!(found, None, "this test knows no `{other}`");
        }
        found
    }

    #[test]
    fn every_route_has_a_line_and_every_line_is_routed() {
        let lines: BTreeSet<String> = ROUTES
            .iter()
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        assert_eq!(lines.len(), ROUTES.len(), "one line each");
        assert_eq!(lines, routed());
    }

    #[test]
    fn every_frame_has_a_line_and_every_line_is_a_frame() {
        let lines: BTreeSet<&str> = FRAMES.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(lines.len(), FRAMES.len(), "one line each");
        assert_eq!(lines, FRAME_TYPES.iter().copied().collect());
    }

    #[test]
    fn every_action_is_needed_somewhere() {
        let routes = ROUTES.iter().map(|route| route.needs);
        let all: Vec<Needs> = routes
            .chain(FRAMES.iter().map(|(_, needs)| *needs))
            .collect();
        // These are asked for beside another, by what is in the request.
        let beside = [ManageOwners, InviteModerators, BanModerators];
        for action in Action::ALL {
            let needed = all.iter().any(|needs| match needs {
                Room(one) => one == action,
                Own(one, other) => one == action || other == action,
                _ => false,
            });
            assert!(needed || beside.contains(action), "{action:?}");
        }
    }

    #[test]
    fn what_is_hidden_is_not_told_apart_from_what_is_not_there() {
        let rooms = ROUTES.iter().filter(|route| route.path.contains("{slug}"));
        // Whoever may not administer is told nothing of any room there.
        for route in rooms.filter(|route| route.needs != Needs::Administrator) {
            let told = answer(route.needs, Asker::Stranger, false);
            assert_eq!(told, Some(ErrorCode::RoomNotFound), "{}", route.path);
        }
    }
}

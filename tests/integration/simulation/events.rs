//! What happens in one step of a simulation: somebody acts, or something breaks, as the dice say.

use salon::channel_layer::GroupName;
use salon::db::changes::{Change, RoomEdit};
use salon::db::rows::Visibility;
use salon::ids::{Seq, UserId};
use salon::permissions::Role;
use salon::protocol::control::Control;

use super::world::{CLIENTS, NODES, World};

/// The room nobody is removed from.
const OPEN: usize = 0;
/// The room of removals.
const SHUT: usize = 1;

impl World {
    /// Somebody acts, or something breaks.
    pub(super) fn happen(&mut self) {
        match self.dice.range(0..1_000) {
            0..400 => self.somebody_says(1, false),
            400..430 => {
                let many = usize::try_from(self.dice.range(3..30)).unwrap();
                self.somebody_says(many, false);
            }
            430..470 => self.somebody_says(1, true),
            470..500 => self.somebody_steers_a_reply(),
            500..530 => self.somebody_says_it_again(),
            530..560 => self.somebody_goes(),
            560..580 => self.somebody_is_deaf(),
            580..600 => self.somebody_joins_again(),
            600..640 => self.somebody_is_removed_or_added(),
            640..655 => self.something_else_changes(),
            655..660 => self.somebody_is_signed_out(),
            660..670 => self.break_a_node(),
            670..685 => self.cut_a_wire(),
            685..700 => self.trouble_the_database(),
            700..800 => self.somebody_changes_a_message(),
            _ => {}
        }
    }

    fn somebody_says(&mut self, many: usize, prompts: bool) {
        let client = self.dice.below(CLIENTS);
        let room = usize::from(self.dice.chance(0.3));
        for _ in 0..many {
            if self.clients[client].books[room].pending.len() < 50 {
                self.say(client, room, prompts);
            }
        }
    }

    /// A reply of the room, if there is one: rather a late one.
    fn some_reply(&self, room: usize) -> Option<Seq> {
        let tables = self.database.model.tables();
        let replies = &tables.rooms[&self.rooms[room].id].replies;
        let place = self.dice.below(3);
        replies.keys().nth_back(place).copied()
    }

    /// A late message of the room, if there is one; rather one of the client's own.
    fn some_message(&self, client: usize, room: usize) -> Option<Seq> {
        let tables = self.database.model.tables();
        let messages = &tables.rooms[&self.rooms[room].id].messages;
        let (own, place) = (self.dice.chance(0.6), self.dice.below(12));
        let user = self.clients[client].user.id;
        let fits = messages
            .iter()
            .rev()
            .filter(|(_, message)| !own || message.row.author.id == user);
        fits.map(|(seq, _)| *seq).nth(place)
    }

    fn somebody_changes_a_message(&mut self) {
        let (client, room) = (self.dice.below(CLIENTS), self.dice.below(2));
        let Some(seq) = self.some_message(client, room) else {
            return;
        };
        self.said += 1;
        let emoji = self.dice.pick(&["👍", "🎉", "❤️"]);
        let (kind, more) = match self.dice.range(0..10) {
            0..3 => ("message.edit", format!(r#","body":"edit {}""#, self.said)),
            3 => ("message.delete", String::new()),
            4..7 => ("reaction.add", format!(r#","emoji":"{emoji}""#)),
            7 => ("reaction.remove", format!(r#","emoji":"{emoji}""#)),
            8 => ("message.pin", String::new()),
            _ => ("message.unpin", String::new()),
        };
        let slug = &self.rooms[room].slug;
        self.trace
            .note(format_args!("client {client}: {kind} {seq} of {slug}"));
        let frame = format!(r#"{{"type":"{kind}","ref":"s","room":"{slug}","seq":{seq}{more}}}"#);
        self.clients[client].say(&frame);
    }

    fn somebody_steers_a_reply(&mut self) {
        let (client, room) = (self.dice.below(CLIENTS), self.dice.below(2));
        let kind = self.dice.pick(&["stop", "retry", "regenerate", "select"]);
        let variant = self.dice.below(3) + 1;
        if let Some(seq) = self.some_reply(room) {
            let slug = &self.rooms[room].slug;
            self.trace
                .note(format_args!("client {client}: {kind} {seq} of {slug}"));
            let frame = format!(
                r#"{{"type":"reply.{kind}","ref":"s","room":"{slug}","seq":{seq},"variant":{variant}}}"#
            );
            self.clients[client].say(&frame);
        }
    }

    /// A send that was answered goes out again under its id, somewhere else maybe; not before others that were not, for
    /// where it is refused it would hold them back.
    fn somebody_says_it_again(&mut self) {
        let (client, room) = (self.dice.below(CLIENTS), self.dice.below(2));
        let book = &self.clients[client].books[room];
        let place = self.dice.below(5);
        let Some((&id, _)) = book.acked.iter().nth_back(place) else {
            return;
        };
        if !book.pending.is_empty() {
            return;
        }
        let slug = &book.room.slug;
        self.trace
            .note(format_args!("client {client} resends {id} to {slug}"));
        let frame = format!(
            r#"{{"type":"message.send","ref":"m","room":"{slug}","client_id":"{id}","body":"again"}}"#
        );
        self.clients[client].say(&frame);
    }

    fn somebody_goes(&mut self) {
        let client = self.dice.below(CLIENTS);
        let away = match self.dice.chance(0.3) {
            true => self.dice.range(500..6_000),
            false => self.dice.range(0..100),
        };
        self.trace
            .note(format_args!("client {client} goes for {away} ms"));
        let back_at = self.trace.now_ms + away;
        self.clients[client].disconnect(back_at);
    }

    fn somebody_is_deaf(&mut self) {
        let client = self.dice.below(CLIENTS);
        let deaf = self.dice.range(50..4_000);
        self.trace
            .note(format_args!("client {client} is deaf for {deaf} ms"));
        self.clients[client].deaf_until = self.trace.now_ms + deaf;
    }

    fn somebody_joins_again(&mut self) {
        let (client, room) = (self.dice.below(CLIENTS), self.dice.below(2));
        self.trace
            .note(format_args!("client {client} joins {room} again"));
        let now = self.trace.now_ms;
        self.clients[client].join_again(room, now);
    }

    /// Anybody but the owner, who acts.
    fn some_member(&self) -> (UserId, UserId) {
        let user = 1 + self.dice.below(CLIENTS - 1);
        (self.clients[0].user.id, self.clients[user].user.id)
    }

    fn somebody_is_removed_or_added(&mut self) {
        let (actor, user) = self.some_member();
        let (is_member, is_banned) = {
            let tables = self.database.model.tables();
            let room = &tables.rooms[&self.rooms[SHUT].id];
            let is_member = room.members.contains_key(&user);
            (is_member, room.bans.contains_key(&user))
        };
        let change = match (is_member, is_banned) {
            (true, _) if self.dice.chance(0.3) => Change::Ban {
                actor,
                user,
                reason: "a throw of the dice".into(),
            },
            (true, _) => Change::RemoveMember { actor, user },
            (false, true) => Change::Unban { actor, user },
            (false, false) => Change::SetMember {
                actor,
                user,
                role: Role::Member,
            },
        };
        self.change(SHUT, change);
    }

    fn something_else_changes(&mut self) {
        let (actor, user) = self.some_member();
        let change = match self.dice.range(0..3) {
            0 => Change::EditRoom {
                actor,
                edit: RoomEdit {
                    name: Some(format!("name {}", self.said)),
                    visibility: Some(Visibility::Public),
                    ..RoomEdit::default()
                },
            },
            1 => Change::SetMember {
                actor,
                user,
                role: Role::Member,
            },
            _ => Change::SetMember {
                actor,
                user,
                role: Role::Moderator,
            },
        };
        self.change(OPEN, change);
    }

    /// A session ends; its person signs in again. Other instances are told by the wire, which may lose it.
    fn somebody_is_signed_out(&mut self) {
        let client = self.dice.below(CLIENTS);
        let now = self.trace.now_ms;
        let ended = self.clients[client].identity.session;
        self.trace
            .note(format_args!("client {client} is signed out"));
        self.sign_out(ended);
        self.ended.push((ended, now));
        let identity = self.sign_in(self.clients[client].user.id);
        self.clients[client].identity = identity;
        if let Some(node) = self
            .running()
            .first()
            .and_then(|node| self.places[*node].node.as_ref())
        {
            node.layer()
                .group_send(&GroupName::control(), Control::Sessions.to_bytes());
        }
    }

    fn break_a_node(&mut self) {
        let (number, now) = (self.dice.below(NODES), self.trace.now_ms);
        if self.dice.chance(0.5) {
            let down = self.dice.range(10..6_000);
            self.trace
                .note(format_args!("instance {number} is killed for {down} ms"));
            let place = &mut self.places[number];
            place.node = None;
            place.frozen_until = 0;
            place.down_until = now + down;
            self.wire.disconnect(number);
        } else if self.places[number].node.is_some() {
            let frozen = self.dice.range(100..12_000);
            self.trace.note(format_args!(
                "instance {number} stands still for {frozen} ms"
            ));
            let until = &mut self.places[number].frozen_until;
            *until = (*until).max(now + frozen);
            self.troubled_until = self.troubled_until.max(*until);
        }
    }

    fn cut_a_wire(&mut self) {
        let (number, now) = (self.dice.below(NODES), self.trace.now_ms);
        let cut = self.dice.range(50..5_000);
        self.trace
            .note(format_args!("instance {number} hears nobody for {cut} ms"));
        self.wire.cut(number);
        self.places[number].cut_until = now + cut;
    }

    fn trouble_the_database(&mut self) {
        let (now, trouble) = (self.trace.now_ms, self.dice.range(50..3_000));
        match self.dice.range(0..4) {
            0 => {
                self.trace
                    .note(format_args!("the database is away for {trouble} ms"));
                self.database.go_down(now + trouble);
                self.troubled_until = self.troubled_until.max(now + trouble);
            }
            1 => {
                self.trace
                    .note(format_args!("the database is slow for {trouble} ms"));
                self.database.go_slow(now + trouble);
                self.troubled_until = self.troubled_until.max(now + trouble + 2_000);
            }
            _ => {
                let room = self.dice.below(2);
                self.trace
                    .note(format_args!("room {room} is locked for {trouble} ms"));
                self.database.hold_room(self.rooms[room].id, now + trouble);
            }
        }
    }
}

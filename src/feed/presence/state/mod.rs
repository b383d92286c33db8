//! What is known of who is where: the people here, what other instances told, and which of it is still to be told to whom.
//! Pure; the clock is handed in. Kept by [`super::Presence`] under its lock.
//!
//! A user is in a room once, however many sockets it has there, here and elsewhere. What another instance told runs out by
//! itself; what is told replaces what that instance told of the room before.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tokio::time::Instant;

use super::{Audience, Telling};
use crate::db::rows::{UserKind, UserRow};
use crate::ids::{InstanceId, RoomId, RoomRef, UserId};
use crate::limits;
use crate::protocol::frame::Frame;
use crate::protocol::presence::{News, Notice, RoomHere};
use crate::protocol::server::ServerFrame;
use crate::rate_limit::{KeyedLimiter, Rate};

/// All of it.
pub(super) struct State {
    rooms: BTreeMap<RoomId, Room>,
    /// When what each instance told is to be looked through for what has run out.
    looked_through_at: BTreeMap<InstanceId, Instant>,
    /// Users of other instances that are held one by one.
    held: usize,
    /// Rooms of other instances.
    held_rooms: usize,
    /// Rooms whose readers may have to be told.
    due: BTreeSet<RoomId>,
    /// Rooms with other people here than the other instances know.
    changed: BTreeSet<RoomId>,
    /// When other instances are next told of what changed, and of everything.
    next_changes: Option<Instant>,
    next_whole: Option<Instant>,
    /// Somebody wants to hear everything.
    asked: bool,
    typing_rate: KeyedLimiter<RoomId>,
    /// Who writes here, for the readers here and for the other instances.
    typing: Vec<(RoomId, UserRow)>,
    /// Who writes elsewhere, for the readers here.
    typing_elsewhere: Vec<(RoomId, UserRow)>,
}

/// What is to be sent.
#[derive(Default)]
pub(super) struct Work {
    /// To the other instances.
    pub(super) news: Vec<News>,
    /// To readers here.
    pub(super) tellings: Vec<Telling>,
}

#[derive(Default)]
struct Room {
    /// Its address; known while somebody is here.
    slug: Option<Arc<str>>,
    here: BTreeMap<UserId, Here>,
    there: BTreeMap<InstanceId, There>,
    /// What the readers were last told, as a hash.
    told: Option<u64>,
    /// They are told nothing before that.
    next_telling: Option<Instant>,
}

/// A user with readers here.
struct Here {
    readers: u32,
    kind: UserKind,
    name: Box<str>,
}

/// What one other instance told of a room.
struct There {
    until: Instant,
    first: Vec<UserRow>,
    others: Vec<UserId>,
    more: u32,
}

impl Default for State {
    fn default() -> Self {
        let rate = Rate::per_second(limits::TYPING_PER_SECOND, limits::TYPING_BURST);
        Self {
            rooms: BTreeMap::new(),
            looked_through_at: BTreeMap::new(),
            held: 0,
            held_rooms: 0,
            due: BTreeSet::new(),
            changed: BTreeSet::new(),
            next_changes: None,
            next_whole: None,
            asked: false,
            typing_rate: KeyedLimiter::new(rate, limits::TYPING_ROOMS),
            typing: Vec::new(),
            typing_elsewhere: Vec::new(),
        }
    }
}

impl State {
    /// A reader of `who` is in the room.
    pub(super) fn arrived(&mut self, room: &RoomRef, who: &UserRow) {
        let known = self.rooms.entry(room.id).or_default();
        known.slug.get_or_insert_with(|| Arc::clone(&room.slug));
        let here = known.here.entry(who.id).or_insert_with(|| Here {
            readers: 0,
            kind: who.kind,
            name: who.name.as_str().into(),
        });
        here.readers += 1;
        if here.readers == 1 {
            self.changed.insert(room.id);
        }
        // Even when it is nobody new, the reader is.
        self.due.insert(room.id);
    }

    /// A reader of `who` is no longer in the room.
    pub(super) fn left(&mut self, room: RoomId, who: UserId) {
        let Some(known) = self.rooms.get_mut(&room) else {
            return;
        };
        let Some(here) = known.here.get_mut(&who) else {
            return;
        };
        here.readers -= 1;
        if here.readers > 0 {
            return;
        }
        known.here.remove(&who);
        self.changed.insert(room);
        self.due.insert(room);
        if known.here.is_empty() {
            (known.slug, known.told) = (None, None);
            self.forget_if_empty(room);
        }
    }

    /// Somebody here writes.
    pub(super) fn typing(&mut self, room: RoomId, who: &UserRow, now: Instant) {
        if self.typing.len() < limits::TYPING_PER_TICK
            && self.typing_rate.take(room, now.into_std()).is_ok()
        {
            self.typing.push((room, who.clone()));
        }
    }

    /// Which of `users` are in the room.
    pub(super) fn present(&self, room: RoomId, users: &[UserId]) -> HashSet<UserId> {
        let Some(room) = self.rooms.get(&room) else {
            return HashSet::new();
        };
        let everyone = room.everyone();
        let is_there = |user: &&UserId| everyone.contains(*user);
        users.iter().filter(is_there).copied().collect()
    }

    /// Takes what another instance told.
    pub(super) fn heard(&mut self, notice: Notice, now: Instant) {
        match notice.news {
            News::Hello => self.asked = true,
            News::Goodbye => self.lapse(notice.from, now),
            News::Here(rooms) => {
                for told in rooms {
                    self.replace(notice.from, told, now);
                }
            }
            News::Typing(typing) => {
                for (room, who) in typing {
                    if self.has_readers(room)
                        && self.typing_elsewhere.len() < limits::TYPING_PER_TICK
                        && self.typing_rate.take(room, now.into_std()).is_ok()
                    {
                        self.typing_elsewhere.push((room, who));
                    }
                }
            }
        }
    }

    /// Everything is told to the other instances soon: something may have been lost.
    pub(super) const fn ask(&mut self) {
        self.asked = true;
    }

    /// What was to be told to a room's readers could not be: the next tick tells it again.
    pub(super) fn not_told(&mut self, room: RoomId) {
        if let Some(known) = self.rooms.get_mut(&room) {
            (known.told, known.next_telling) = (None, None);
            self.due.insert(room);
        }
    }

    /// What is to be sent now. Called regularly.
    pub(super) fn tick(&mut self, now: Instant) -> Work {
        self.drop_what_ran_out(now);
        let mut work = Work::default();
        self.tell_typing(&mut work);
        self.tell_others(now, &mut work);
        self.tell_readers(now, &mut work);
        work
    }

    fn tell_typing(&mut self, work: &mut Work) {
        let typing = std::mem::take(&mut self.typing);
        let elsewhere = std::mem::take(&mut self.typing_elsewhere);
        for (room, user) in typing.iter().chain(&elsewhere) {
            let slug = self.rooms.get(room).and_then(|room| room.slug.as_deref());
            if let Some(slug) = slug {
                work.tellings.push(Telling {
                    room: *room,
                    audience: Audience::Passing,
                    frame: Frame::encode(&ServerFrame::Typing { room: slug, user }),
                });
            }
        }
        if !typing.is_empty() {
            work.news.push(News::Typing(typing));
        }
    }

    fn tell_others(&mut self, now: Instant, work: &mut Work) {
        let whole = self.next_whole.is_none_or(|at| now >= at);
        let changes = self.next_changes.is_none_or(|at| now >= at);
        let asked = self.asked && changes;
        if !whole && !asked && (self.changed.is_empty() || !changes) {
            return;
        }
        self.next_changes = Some(now + limits::PRESENCE_CHANGES);
        let mut rooms = std::mem::take(&mut self.changed);
        if whole || asked {
            self.asked = false;
            self.next_whole = Some(now + limits::PRESENCE_WHOLE);
            let inhabited = self.rooms.iter().filter(|(_, room)| !room.here.is_empty());
            rooms.extend(inhabited.map(|(id, _)| *id));
        }
        let (mut part, mut bytes) = (Vec::new(), 0);
        for id in rooms {
            let room = self.here(id);
            if part.len() >= limits::PRESENCE_ROOMS || bytes + room.size() > limits::PRESENCE_BYTES
            {
                work.news.push(News::Here(std::mem::take(&mut part)));
                bytes = 0;
            }
            bytes += room.size();
            part.push(room);
        }
        if !part.is_empty() {
            work.news.push(News::Here(part));
        }
    }

    /// Who is in a room here, as the other instances are told.
    fn here(&self, id: RoomId) -> RoomHere {
        let mut told = RoomHere {
            room: id,
            first: Vec::new(),
            others: Vec::new(),
            more: 0,
        };
        let Some(room) = self.rooms.get(&id) else {
            return told;
        };
        for (user, here) in &room.here {
            if told.first.len() < limits::PRESENCE_NAMED {
                told.first.push(here.user(*user));
            } else if told.first.len() + told.others.len() < limits::PRESENCE_USERS {
                told.others.push(*user);
            } else {
                told.more = told.more.saturating_add(1);
            }
        }
        told
    }

    fn tell_readers(&mut self, now: Instant, work: &mut Work) {
        let mut later = BTreeSet::new();
        for id in std::mem::take(&mut self.due) {
            let Some(room) = self.rooms.get_mut(&id) else {
                continue;
            };
            let Some(slug) = room.slug.clone() else {
                continue;
            };
            if room.next_telling.is_some_and(|at| now < at) {
                later.insert(id);
                continue;
            }
            let (count, users) = room.summary();
            let mut hasher = DefaultHasher::new();
            (count, users.iter().map(|user| user.id).collect::<Vec<_>>()).hash(&mut hasher);
            let told = Some(hasher.finish());
            // Where nothing changed, only those who came since do not know it.
            let audience = match room.told == told {
                true => Audience::Untold,
                false => Audience::Everyone,
            };
            room.told = told;
            room.next_telling = Some(now + limits::PRESENCE_INTERVAL);
            let frame = Frame::encode(&ServerFrame::Presence {
                room: &slug,
                count,
                users: &users,
            });
            work.tellings.push(Telling {
                room: id,
                audience,
                frame,
            });
        }
        self.due = later;
    }

    fn has_readers(&self, room: RoomId) -> bool {
        self.rooms
            .get(&room)
            .is_some_and(|room| !room.here.is_empty())
    }

    fn replace(&mut self, from: InstanceId, told: RoomHere, now: Instant) {
        let id = told.room;
        let is_empty = told.first.is_empty() && told.more == 0;
        let before = self.take_there(id, from);
        if !is_empty && self.held_rooms < limits::PRESENCE_HELD_ROOMS {
            let until = now + limits::PRESENCE_LIFETIME;
            let there = bounded(told, until, limits::PRESENCE_HELD.saturating_sub(self.held));
            let same = before.is_some_and(|before| before.is_like(&there));
            self.held += there.held();
            self.held_rooms += 1;
            self.rooms.entry(id).or_default().there.insert(from, there);
            self.looked_through_at.entry(from).or_insert(until);
            if same {
                return;
            }
        }
        self.due.insert(id);
        self.forget_if_empty(id);
    }

    /// Takes away what an instance told of a room.
    fn take_there(&mut self, id: RoomId, from: InstanceId) -> Option<There> {
        let there = self.rooms.get_mut(&id)?.there.remove(&from)?;
        self.held -= there.held();
        self.held_rooms -= 1;
        Some(there)
    }

    /// What the instance told holds only a little longer.
    fn lapse(&mut self, from: InstanceId, now: Instant) {
        let until = now + limits::PRESENCE_GRACE;
        for room in self.rooms.values_mut() {
            if let Some(there) = room.there.get_mut(&from) {
                there.until = there.until.min(until);
            }
        }
        if let Some(at) = self.looked_through_at.get_mut(&from) {
            *at = until.min(*at);
        }
    }

    /// Each instance's rooms are looked through when the first of them may have run out: seldom, since all are told anew
    /// long before that.
    fn drop_what_ran_out(&mut self, now: Instant) {
        let over = |(from, at): (&InstanceId, &Instant)| (now >= *at).then_some(*from);
        let instances: Vec<InstanceId> = self.looked_through_at.iter().filter_map(over).collect();
        for from in instances {
            let mut next = None;
            let mut ended = Vec::new();
            for (id, room) in &self.rooms {
                match room.there.get(&from) {
                    Some(there) if now >= there.until => ended.push(*id),
                    Some(there) => {
                        next = Some(next.map_or(there.until, |at: Instant| at.min(there.until)));
                    }
                    None => {}
                }
            }
            for id in ended {
                self.take_there(id, from);
                self.due.insert(id);
                self.forget_if_empty(id);
            }
            match next {
                Some(at) => self.looked_through_at.insert(from, at),
                None => self.looked_through_at.remove(&from),
            };
        }
    }

    fn forget_if_empty(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.get(&id)
            && room.here.is_empty()
            && room.there.is_empty()
        {
            self.rooms.remove(&id);
            self.due.remove(&id);
        }
    }
}

impl Room {
    /// Everybody who is known by id.
    fn everyone(&self) -> BTreeSet<UserId> {
        let there = self.there.values().flat_map(|there| {
            let first = there.first.iter().map(|user| user.id);
            first.chain(there.others.iter().copied())
        });
        self.here.keys().copied().chain(there).collect()
    }

    /// How many there are, and the first of them. Each instance names its own first ones, so the first of all are among
    /// those.
    fn summary(&self) -> (usize, Vec<UserRow>) {
        let uncounted: usize = self.there.values().map(There::only_counted).sum();
        let mut first: BTreeMap<UserId, UserRow> = BTreeMap::new();
        for user in self.there.values().flat_map(|there| &there.first) {
            first.entry(user.id).or_insert_with(|| user.clone());
        }
        for (user, here) in self.here.iter().take(limits::PRESENCE_NAMED) {
            first.entry(*user).or_insert_with(|| here.user(*user));
        }
        let users = first.into_values().take(limits::PRESENCE_NAMED).collect();
        (self.everyone().len() + uncounted, users)
    }
}

impl Here {
    fn user(&self, id: UserId) -> UserRow {
        UserRow {
            id,
            name: self.name.to_string(),
            kind: self.kind,
        }
    }
}

impl There {
    fn held(&self) -> usize {
        self.first.len() + self.others.len()
    }

    fn only_counted(&self) -> usize {
        usize::try_from(self.more).unwrap_or(usize::MAX)
    }

    fn is_like(&self, other: &Self) -> bool {
        self.first == other.first && self.others == other.others && self.more == other.more
    }
}

/// What was told, of which `room` users are remembered one by one and the rest is counted.
fn bounded(told: RoomHere, until: Instant, room: usize) -> There {
    let RoomHere {
        mut first,
        mut others,
        more,
        ..
    } = told;
    let all = first.len() + others.len();
    first.truncate(room.min(limits::PRESENCE_NAMED));
    others.truncate(room.saturating_sub(first.len()).min(limits::PRESENCE_USERS));
    let dropped = all - first.len() - others.len();
    let more = more.saturating_add(u32::try_from(dropped).unwrap_or(u32::MAX));
    There {
        until,
        first,
        others,
        more,
    }
}

#[cfg(test)]
mod tests;

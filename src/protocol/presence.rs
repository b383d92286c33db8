//! What instances tell each other of who is here and who writes: nothing of it is stored, nothing of it has a version,
//! and a lost one is made good by the next. It goes to a group of its own, so that an instance that does not know it is
//! never woken by it. Made and taken by `feed::presence`.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::db::rows::{UserKind, UserRow};
use crate::ids::{InstanceId, RoomId, UserId};

/// The first byte of every notice; one of another format is passed over.
const FORMAT: u8 = 1;
const KIND_HELLO: u8 = 1;
const KIND_GOODBYE: u8 = 2;
const KIND_HERE: u8 = 3;
const KIND_TYPING: u8 = 4;

/// One instance's news.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Whose.
    pub from: InstanceId,
    /// What.
    pub news: News,
}

/// What there is to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// Tell me who is with you.
    Hello,
    /// Nobody is with me any more.
    Goodbye,
    /// These are in these rooms; rooms that are not named are as they were.
    Here(Vec<RoomHere>),
    /// These write.
    Typing(Vec<(RoomId, UserRow)>),
}

/// Who is in one room with one instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomHere {
    /// Where.
    pub room: RoomId,
    /// The first of them by id, with their names.
    pub first: Vec<UserRow>,
    /// More of them, ascending.
    pub others: Vec<UserId>,
    /// How many there are beside those.
    pub more: u32,
}

impl RoomHere {
    /// About what it takes on the layer.
    #[must_use]
    pub fn size(&self) -> usize {
        let names: usize = self.first.iter().map(|user| 19 + user.name.len()).sum();
        23 + names + 16 * self.others.len()
    }
}

impl Notice {
    /// The bytes that go over the layer.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(256);
        out.put_u8(FORMAT);
        out.put_u8(match self.news {
            News::Hello => KIND_HELLO,
            News::Goodbye => KIND_GOODBYE,
            News::Here(_) => KIND_HERE,
            News::Typing(_) => KIND_TYPING,
        });
        out.put_slice(self.from.0.as_bytes());
        match &self.news {
            News::Hello | News::Goodbye => {}
            News::Here(rooms) => rooms.iter().for_each(|room| put_room(&mut out, room)),
            News::Typing(typing) => {
                for (room, user) in typing {
                    out.put_slice(room.0.as_bytes());
                    put_user(&mut out, user);
                }
            }
        }
        out.freeze()
    }

    /// Reads what [`Notice::to_bytes`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let mut rest = bytes.clone();
        if rest.try_get_u8().ok()? != FORMAT {
            return None;
        }
        let kind = rest.try_get_u8().ok()?;
        let from = InstanceId(get_id(&mut rest)?);
        let news = match kind {
            KIND_HELLO => News::Hello,
            KIND_GOODBYE => News::Goodbye,
            KIND_HERE => News::Here(get_all(rest, get_room)?),
            KIND_TYPING => News::Typing(get_all(rest, |rest| {
                Some((RoomId(get_id(rest)?), get_user(rest)?))
            })?),
            _ => return None,
        };
        Some(Self { from, news })
    }
}

fn put_room(out: &mut BytesMut, room: &RoomHere) {
    out.put_slice(room.room.0.as_bytes());
    // What does not fit the count is not there; the makers' bounds are far below.
    let first = u8::try_from(room.first.len()).unwrap_or(u8::MAX);
    let others = u16::try_from(room.others.len()).unwrap_or(u16::MAX);
    out.put_u8(first);
    out.put_u16(others);
    out.put_u32(room.more);
    for user in room.first.iter().take(usize::from(first)) {
        put_user(out, user);
    }
    for user in room.others.iter().take(usize::from(others)) {
        out.put_slice(user.0.as_bytes());
    }
}

fn get_room(rest: &mut Bytes) -> Option<RoomHere> {
    let room = RoomId(get_id(rest)?);
    let first = usize::from(rest.try_get_u8().ok()?);
    let others = usize::from(rest.try_get_u16().ok()?);
    let more = rest.try_get_u32().ok()?;
    Some(RoomHere {
        room,
        first: (0..first).map(|_| get_user(rest)).collect::<Option<_>>()?,
        others: (0..others)
            .map(|_| get_id(rest).map(UserId))
            .collect::<Option<_>>()?,
        more,
    })
}

fn put_user(out: &mut BytesMut, user: &UserRow) {
    let name = user.name.as_bytes();
    let length = u16::try_from(name.len()).unwrap_or(0);
    out.put_slice(user.id.0.as_bytes());
    out.put_u8(match user.kind {
        UserKind::User => 0,
        UserKind::Guest => 1,
        UserKind::Assistant => 2,
        UserKind::Bot => 3,
        UserKind::Deleted => 4,
    });
    out.put_u16(length);
    out.put_slice(name.get(..usize::from(length)).unwrap_or_default());
}

fn get_user(rest: &mut Bytes) -> Option<UserRow> {
    let id = UserId(get_id(rest)?);
    let kind = match rest.try_get_u8().ok()? {
        1 => UserKind::Guest,
        2 => UserKind::Assistant,
        3 => UserKind::Bot,
        4 => UserKind::Deleted,
        // A kind that only newer instances know is somebody all the same.
        _ => UserKind::User,
    };
    let length = usize::from(rest.try_get_u16().ok()?);
    if rest.len() < length {
        return None;
    }
    let name = String::from_utf8(rest.split_to(length).into()).ok()?;
    Some(UserRow { id, name, kind })
}

fn get_id(rest: &mut Bytes) -> Option<Uuid> {
    if rest.len() < 16 {
        return None;
    }
    Uuid::from_slice(&rest.split_to(16)).ok()
}

fn get_all<T>(mut rest: Bytes, mut get: impl FnMut(&mut Bytes) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    while !rest.is_empty() {
        all.push(get(&mut rest)?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserRow {
        UserRow {
            id: UserId::new(),
            name: name.to_owned(),
            kind: UserKind::Guest,
        }
    }

    fn notices() -> Vec<Notice> {
        let room = |more| RoomHere {
            room: RoomId::new(),
            first: vec![user("ada"), user("Bób")],
            others: vec![UserId::new(), UserId::new()],
            more,
        };
        let all = [
            News::Hello,
            News::Goodbye,
            News::Here(vec![room(0), room(70_000)]),
            News::Typing(vec![(RoomId::new(), user("ada"))]),
        ];
        let from = InstanceId::new();
        all.map(|news| Notice { from, news }).into()
    }

    #[test]
    fn news_survives_the_layer() {
        for notice in notices() {
            assert_eq!(Notice::from_bytes(&notice.to_bytes()), Some(notice));
        }
    }

    #[test]
    fn cut_or_changed_news_never_panics_and_an_unknown_kind_is_nothing() {
        for notice in notices() {
            let bytes = notice.to_bytes();
            for end in 0..bytes.len() {
                let _ = Notice::from_bytes(&bytes.slice(..end));
                let mut changed = bytes.to_vec();
                changed[end] ^= 0xff;
                let _ = Notice::from_bytes(&Bytes::from(changed));
            }
            let mut newer = bytes.to_vec();
            newer[1] = 99;
            assert_eq!(Notice::from_bytes(&newer.into()), None);
        }
    }

    #[test]
    fn the_size_of_a_room_is_what_it_takes() {
        for notice in notices() {
            if let News::Here(rooms) = &notice.news {
                let told: usize = rooms.iter().map(RoomHere::size).sum();
                assert_eq!(notice.to_bytes().len(), 18 + told);
            }
        }
    }
}

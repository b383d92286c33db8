//! How one search goes back in time through the rooms of a user: how many messages of each room a look takes, and how far back
//! all of them are known then. Pure. Called by [`super::search`].
//!
//! A look takes of each room its newest messages before a place, so many as the room's share. Where a room had more, nothing
//! older than the oldest taken there is known (nor where it took fewer, since they are long); the newest such place of all rooms is how far the look reaches. Busy rooms get
//! the larger shares, so that all rooms reach back about equally.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::search::SearchPlace;
use crate::ids::{RoomId, Seq};

/// What a look found out about one room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    /// Which.
    pub(super) room: Uuid,
    /// How many were taken.
    pub(super) count: i64,
    /// How many of them have all the words.
    pub(super) near: i64,
    /// The oldest taken.
    pub(super) at: DateTime<Utc>,
    /// The same.
    pub(super) seq: Seq,
    /// When the newest taken came.
    pub(super) newest: DateTime<Utc>,
    /// How many were there within the room's share, and not taken since those before were long.
    pub(super) left: i64,
}

/// Where a room is to be looked at next.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Part {
    /// Which.
    pub(super) room: Uuid,
    /// So many of its messages at most.
    pub(super) share: i64,
    /// Only those before this time,
    pub(super) until_at: DateTime<Utc>,
    /// or at this time and before this number.
    pub(super) until_seq: Seq,
}

/// A way back in time.
#[derive(Debug)]
pub(super) struct Walk {
    /// The rooms that may have more, each with how many messages a second it has.
    rooms: Vec<(Uuid, f64)>,
    /// All is known down to here.
    from: SearchPlace,
    /// Messages looked through, and those among them with all the words.
    looked: (i64, i64),
}

impl Walk {
    /// Through some rooms, below a place.
    pub(super) fn new(rooms: impl Iterator<Item = Uuid>, from: SearchPlace) -> Self {
        Self {
            rooms: rooms.map(|room| (room, 1.0)).collect(),
            from,
            looked: (0, 0),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rooms.is_empty()
    }

    /// All is known.
    pub(super) fn end(&mut self) {
        self.rooms.clear();
    }

    /// All is known down to here.
    pub(super) const fn from(&self) -> SearchPlace {
        self.from
    }

    /// Whether at most one in so many of those looked through has all the words.
    pub(super) const fn is_sparse(&self, one_in: i64) -> bool {
        self.looked.1.saturating_mul(one_in) <= self.looked.0
    }

    /// What the next look takes: about so many messages, of each room at least one.
    pub(super) fn parts(&self, count: i64) -> Vec<Part> {
        let rooms = i64::try_from(self.rooms.len()).unwrap_or(i64::MAX).max(1);
        let busy: f64 = self.rooms.iter().map(|(_, rate)| rate).sum();
        let even = (count / rooms / 4).max(1);
        let rest = count.saturating_sub(even.saturating_mul(rooms)).max(0);
        let part = |&(room, rate): &(Uuid, f64)| Part {
            room,
            share: even + share(rest, rate / busy),
            until_at: self.from.at,
            until_seq: until_seq(self.from, room),
        };
        self.rooms.iter().map(part).collect()
    }

    /// Takes what a look of these parts found out; down to where all is known now, or nothing when that is all there is.
    pub(super) fn take(&mut self, parts: &[Part], looked: &[Looked]) -> Option<SearchPlace> {
        let newest = looked.iter().map(|room| room.newest).max();
        let shares: HashMap<Uuid, i64> = parts.iter().map(|part| (part.room, part.share)).collect();
        let has_more = |seen: &&Looked| {
            seen.left > 0
                || shares
                    .get(&seen.room)
                    .is_none_or(|share| seen.count >= *share)
        };
        let reached = looked.iter().filter(has_more).map(Looked::oldest).max();
        self.looked.0 += looked.iter().map(|seen| seen.count).sum::<i64>();
        self.looked.1 += looked.iter().map(|seen| seen.near).sum::<i64>();
        // What a room has beyond that is looked at again, also where it is all the room has.
        self.rooms = looked
            .iter()
            .filter(|seen| reached.is_some_and(|reached| seen.oldest() < reached || has_more(seen)))
            .map(|seen| (seen.room, rate(seen, newest.unwrap_or(seen.at))))
            .collect();
        self.from = reached.unwrap_or(self.from);
        reached
    }
}

impl Looked {
    const fn oldest(&self) -> SearchPlace {
        SearchPlace {
            at: self.at,
            room: RoomId(self.room),
            seq: self.seq,
        }
    }
}

/// Messages a second of a room, from its oldest one taken to the newest of all rooms.
fn rate(seen: &Looked, newest: DateTime<Utc>) -> f64 {
    let seconds = (newest - seen.at).as_seconds_f64().max(1.0);
    seen.count as f64 / seconds
}

/// A part of a whole number; `part` is between 0 and 1, so nothing is cut off but what follows the point.
#[expect(clippy::cast_possible_truncation, reason = "between 0 and the whole")]
fn share(whole: i64, part: f64) -> i64 {
    (whole as f64 * part.clamp(0.0, 1.0)) as i64
}

/// Places go by time, then room, then seq: at the time of a place, all of a room that comes before its room is before it, and
/// nothing of one that comes after.
fn until_seq(from: SearchPlace, room: Uuid) -> Seq {
    match room.cmp(&from.room.0) {
        std::cmp::Ordering::Less => Seq::MAX,
        std::cmp::Ordering::Equal => from.seq,
        std::cmp::Ordering::Greater => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    /// A room of this number, whose messages came so many seconds apart, the last at second 0; their seqs are below 1,000,000.
    struct Made(u128, i64);

    impl Made {
        const LAST: Seq = 1_000_000;

        /// What a look at it takes.
        fn look(&self, part: &Part) -> Looked {
            let second = (part.until_at - time(0)).num_seconds();
            let before = (-second / self.1 + 1).max(0);
            let newest = Self::LAST - before;
            Looked {
                room: Uuid::from_u128(self.0),
                count: part.share,
                near: 0,
                at: time(-(before + part.share - 1) * self.1),
                seq: newest - part.share + 1,
                newest: time(-before * self.1),
                left: 0,
            }
        }
    }

    fn end() -> SearchPlace {
        SearchPlace {
            at: time(1),
            room: RoomId(Uuid::max()),
            seq: Seq::MAX,
        }
    }

    #[test]
    fn shares_follow_how_busy_rooms_are_and_what_is_taken_is_bounded() {
        let made = [Made(1, 1), Made(2, 100), Made(3, 10_000)];
        let mut walk = Walk::new(made.iter().map(|room| Uuid::from_u128(room.0)), end());
        let look = |walk: &mut Walk, count: i64| {
            let parts = walk.parts(count);
            let looked: Vec<Looked> = made
                .iter()
                .zip(&parts)
                .map(|(room, part)| room.look(part))
                .collect();
            let taken: i64 = parts.iter().map(|part| part.share).sum();
            assert!(taken <= count + 3, "{taken}");
            walk.take(&parts, &looked).unwrap()
        };
        // Even shares at first: the busy room is known down to its own share.
        let reached = look(&mut walk, 300);
        assert_eq!((reached.room.0.as_u128(), reached.at), (1, time(-99)));
        let before = reached;
        let reached = look(&mut walk, 3_000);
        assert!(reached < before);
        let seconds = (before.at - reached.at).num_seconds();
        assert!(seconds > 2_200, "most of it for the busy one: {seconds}");
    }

    #[test]
    fn a_room_with_less_than_its_share_is_done_once_all_is_known_down_to_its_end() {
        let rooms = [1, 2].map(Uuid::from_u128);
        let mut walk = Walk::new(rooms.into_iter(), end());
        let parts = walk.parts(10);
        let looked = |room: Uuid, count: i64| Looked {
            room,
            count,
            near: 1,
            at: time(-count),
            seq: 50,
            newest: time(0),
            left: 0,
        };
        let full = parts[0].share;
        let reached = walk.take(
            &parts,
            &[looked(rooms[0], full), looked(rooms[1], full - 1)],
        );
        let place = SearchPlace {
            at: time(-full),
            room: RoomId(rooms[0]),
            seq: 50,
        };
        assert_eq!((reached, walk.from()), (Some(place), place));
        assert_eq!(walk.parts(10).len(), 1);
        // The other has more beyond what is known of the first.
        let far = Looked {
            at: time(-1_000),
            ..looked(rooms[1], full - 1)
        };
        let mut other = Walk::new(rooms.into_iter(), end());
        other.take(&parts, &[looked(rooms[0], full), far]);
        assert_eq!((other.parts(10).len(), other.from()), (2, place));
        assert!(walk.is_sparse(4) && !walk.is_sparse(5));
        // Fewer than its share since they are long: there is more.
        let parts = walk.parts(10);
        let long = Looked {
            left: 3,
            ..looked(rooms[0], 1)
        };
        assert!(walk.take(&parts, &[long]).is_some() && !walk.is_at_end());
        assert_eq!(walk.take(&parts, &[]), None);
        assert!(walk.is_at_end());
        assert_eq!(walk.parts(10), []);
    }

    #[test]
    fn the_place_where_a_page_ends_is_kept_in_every_room() {
        let from = SearchPlace {
            at: time(0),
            room: RoomId(Uuid::from_u128(2)),
            seq: 7,
        };
        let walk = Walk::new([1, 2, 3].map(Uuid::from_u128).into_iter(), from);
        let seqs: Vec<Seq> = walk.parts(3).iter().map(|part| part.until_seq).collect();
        assert_eq!(seqs, [Seq::MAX, 7, 0]);
    }
}

//! In which order replies are taken: one after the other of each asker, so that somebody with many prompts delays another's
//! first by at most one reply. Pure; the embedded store calls it, Postgres says the same in SQL, and the suite of the stores
//! compares them.
//!
//! A waiting reply's *turn* is how many of its asker's replies run, plus its place among those that wait. The lower turn goes
//! first, then whose asker has waited longer: since it was asked for, or since a reply of theirs ended, whichever is later. (Were
//! it only the former, somebody's hundred would all go before what was asked after them, wherever none of theirs runs when
//! there is place for one.) Caps hold back what is above them, and hold up nobody else.

use std::collections::HashMap;

use crate::ids::{RoomId, Seq, UserId};
use crate::limits;

/// How many replies may run at once, on all instances together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplyCaps {
    /// Of one asker.
    pub user: i64,
    /// In one room.
    pub room: i64,
    /// In all.
    pub fleet: i64,
}

/// A reply that is not settled. `T` is a time of whatever clock the store has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenReply<T> {
    /// Where.
    pub room: RoomId,
    /// Which.
    pub seq: Seq,
    /// Who asked.
    pub asker: UserId,
    /// Since when.
    pub queued_at: T,
    /// When a reply of its asker that was begun last ended; that of a running one need not be known.
    pub ended_at: Option<T>,
    /// Nobody writes it: it is queued, or its runner died before it showed anything.
    pub waits: bool,
}

impl<T: Ord + Copy> OpenReply<T> {
    fn waits_since(&self) -> T {
        let queued_at = self.queued_at;
        self.ended_at
            .map_or(queued_at, |ended| ended.max(queued_at))
    }
}

/// A reply that waits for a runner, as its room is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueuedReply {
    /// Where.
    pub room: RoomId,
    /// Which.
    pub seq: Seq,
    /// How many go before it, and itself: the next has 1.
    pub position: i64,
    /// Who asked.
    pub asker: super::rows::UserRow,
}

/// Those that wait, in the order of their turns: each with its turn.
#[must_use]
pub fn in_order<T: Ord + Copy>(open: &[OpenReply<T>]) -> Vec<(i64, OpenReply<T>)> {
    let mut turns: HashMap<UserId, i64> = HashMap::new();
    for running in open.iter().filter(|reply| !reply.waits) {
        *turns.entry(running.asker).or_default() += 1;
    }
    let mut waiting: Vec<OpenReply<T>> = open.iter().filter(|reply| reply.waits).copied().collect();
    let place = |reply: &OpenReply<T>| (reply.queued_at, reply.room, reply.seq);
    waiting.sort_by_key(place);
    let mut ordered: Vec<(i64, OpenReply<T>)> = waiting
        .into_iter()
        .map(|reply| {
            let turn = turns.entry(reply.asker).or_default();
            *turn += 1;
            (*turn, reply)
        })
        .collect();
    ordered.sort_by_key(|(turn, reply)| (*turn, reply.waits_since(), reply.room, reply.seq));
    ordered
}

/// What to take now, at most `limit`; none of `except`, which keep their turns.
#[must_use]
pub fn next<T: Ord + Copy>(
    open: &[OpenReply<T>],
    caps: ReplyCaps,
    limit: i64,
    except: &[(RoomId, Seq)],
) -> Vec<OpenReply<T>> {
    let mut in_rooms: HashMap<RoomId, i64> = HashMap::new();
    let mut running = 0;
    for reply in open.iter().filter(|reply| !reply.waits) {
        *in_rooms.entry(reply.room).or_default() += 1;
        running += 1;
    }
    let places = usize::try_from(limit.min(caps.fleet - running)).unwrap_or(0);
    in_order(open)
        .into_iter()
        .filter(|(turn, _)| *turn <= caps.user)
        .map(|(_, reply)| reply)
        .filter(|reply| {
            let in_room = in_rooms.entry(reply.room).or_default();
            *in_room += 1;
            *in_room <= caps.room
        })
        .filter(|reply| !except.contains(&(reply.room, reply.seq)))
        .take(places)
        .collect()
}

/// What rooms are told of their own: those that wait, each with its place in the whole queue, by room and place.
#[must_use]
pub fn told<T: Ord + Copy>(open: &[OpenReply<T>], rooms: &[RoomId]) -> Vec<(i64, OpenReply<T>)> {
    let mut counts: HashMap<RoomId, usize> = HashMap::new();
    let mut told: Vec<(i64, OpenReply<T>)> = (1..)
        .zip(in_order(open))
        .map(|(position, (_, reply))| (position, reply))
        .filter(|(_, reply)| rooms.contains(&reply.room))
        .filter(|(_, reply)| {
            let count = counts.entry(reply.room).or_default();
            *count += 1;
            *count <= limits::QUEUE_TOLD
        })
        .collect();
    told.sort_by_key(|(position, reply)| (reply.room, *position));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: ReplyCaps = ReplyCaps {
        user: 100,
        room: 100,
        fleet: 100,
    };

    fn open(room: RoomId, seq: Seq, asker: UserId, waits: bool) -> OpenReply<i64> {
        OpenReply {
            room,
            seq,
            asker,
            queued_at: seq,
            ended_at: None,
            waits,
        }
    }

    fn seqs(taken: &[OpenReply<i64>]) -> Vec<Seq> {
        taken.iter().map(|reply| reply.seq).collect()
    }

    #[test]
    fn a_hundred_prompts_of_one_delay_anothers_first_by_one() {
        let (room, many, one) = (RoomId::new(), UserId::new(), UserId::new());
        let mut all: Vec<_> = (1..=100).map(|seq| open(room, seq, many, true)).collect();
        all.push(open(room, 101, one, true));
        assert_eq!(seqs(&next(&all, CAPS, 3, &[])), [1, 101, 2]);
        // One of theirs runs: the other goes first.
        all[0].waits = false;
        assert_eq!(seqs(&next(&all, CAPS, 2, &[])), [101, 2]);
    }

    #[test]
    fn what_is_left_out_keeps_its_turn() {
        let (room, ada, bob) = (RoomId::new(), UserId::new(), UserId::new());
        let all = [
            open(room, 1, ada, true),
            open(room, 2, ada, true),
            open(room, 3, bob, true),
        ];
        let but = |except: &[Seq], user| {
            let except: Vec<_> = except.iter().map(|seq| (room, *seq)).collect();
            seqs(&next(&all, ReplyCaps { user, ..CAPS }, 9, &except))
        };
        assert_eq!(but(&[], 9), [1, 3, 2]);
        assert_eq!(but(&[1], 9), [3, 2]);
        assert_eq!(but(&[1], 1), [3], "the asker has its one place");
        assert!(but(&[1, 2, 3], 9).is_empty());
    }

    /// The place of the one reply that runs at a time: taken, written, ended, taken again.
    #[test]
    fn a_hundred_prompts_of_one_delay_anothers_first_by_one_though_each_ends_before_the_next() {
        let (room, many, one) = (RoomId::new(), UserId::new(), UserId::new());
        let mut waiting: Vec<_> = (1..=100).map(|seq| open(room, seq, many, true)).collect();
        let mut taken = Vec::new();
        for now in 1_000..1_102 {
            if now == 1_001 {
                // While their first was written.
                waiting.extend([101, 102].map(|seq| open(room, seq, one, true)));
            }
            let caps = ReplyCaps { fleet: 1, ..CAPS };
            let [next] = next(&waiting, caps, 9, &[])[..] else {
                panic!("one place, one reply");
            };
            taken.push(next.seq);
            waiting.retain(|reply| reply.seq != next.seq);
            let own = waiting.iter_mut().filter(|reply| reply.asker == next.asker);
            own.for_each(|reply| reply.ended_at = Some(now + 1));
        }
        assert_eq!(taken[..5], [1, 101, 2, 102, 3]);
        assert_eq!(taken.len(), 102);
    }

    #[test]
    fn caps_hold_back_what_is_above_them_and_nobody_else() {
        let (here, there) = (RoomId::new(), RoomId::new());
        let (ada, bob) = (UserId::new(), UserId::new());
        let all = [
            open(here, 1, ada, false),
            open(here, 2, ada, true),
            open(here, 3, bob, true),
            open(here, 4, bob, true),
            open(there, 5, bob, true),
        ];
        let with = |user, room, fleet| seqs(&next(&all, ReplyCaps { user, room, fleet }, 9, &[]));
        assert_eq!(with(1, 9, 9), [3]);
        assert_eq!(with(2, 9, 9), [3, 2, 4]);
        assert_eq!(with(9, 2, 9), [3, 5], "the room is full, another is not");
        assert_eq!(with(9, 9, 2), [3]);
        assert_eq!(with(9, 9, 1), Vec::<Seq>::new());
        assert_eq!(with(9, 9, 0), Vec::<Seq>::new());
    }
}

//! What the runners of replies read and write in the model: claims, leases, saved chunks. None of it takes a version;
//! every write names the attempt.

use std::collections::HashMap;

use chrono::TimeDelta;
use salon::db::StoreResult;
use salon::db::changes::ChunkAppend;
use salon::db::queue::{self, OpenReply, QueuedReply, ReplyCaps};
use salon::db::reply_life::{Becomes, Step};
use salon::db::rows::{ClaimedReply, ExpiredReply, LeaseState, ReplyState, RunningReply};
use salon::ids::{Attempt, InstanceId, RoomId, Seq, UserId};
use salon::limits::LEASE_MS;
use salon::permissions::{Action, allows};

use super::tables::{Reply, Room, Tables, is_disabled};
use super::{Moment, storable};

impl Tables {
    /// Takes queued replies, the oldest first, and those whose runner died before it showed anything.
    pub(super) fn claim_replies(
        &mut self,
        owner: InstanceId,
        limit: i64,
        caps: ReplyCaps,
        except: &[(RoomId, Seq)],
        now: Moment,
    ) -> Vec<ClaimedReply> {
        let taken = queue::next(&self.open_replies(now), caps, limit, except);
        let claim = |OpenReply { room: id, seq, .. }: OpenReply<Moment>| {
            let room = self.rooms.get_mut(&id)?;
            let reply = room.replies.get_mut(&seq)?;
            let Ok(Becomes::Streaming(owner, attempt)) =
                reply.standing(now).judge(Step::Claim(owner))
            else {
                return None;
            };
            reply.state = ReplyState::Streaming;
            reply.attempt = attempt;
            reply.lease = Some((owner, lease_end(now)));
            let role = room.members.get(&reply.asker);
            let disabled = is_disabled(&self.users, reply.asker);
            Some(ClaimedReply {
                room: id,
                seq,
                prompt_seq: reply.prompt_seq,
                attempt: reply.attempt,
                asker: reply.asker,
                asker_may_prompt: !disabled && role.is_some_and(|role| allows(*role, Action::Post)),
            })
        };
        taken.into_iter().filter_map(claim).collect()
    }

    fn open_replies(&self, now: Moment) -> Vec<OpenReply<Moment>> {
        let mut ended: HashMap<UserId, Moment> = HashMap::new();
        let replies = self.rooms.values().flat_map(|room| room.replies.values());
        for reply in replies.filter(|reply| reply.attempt > 0) {
            if let Some(at) = reply.settled_at {
                let last = ended.entry(reply.asker).or_insert(at);
                *last = at.max(*last);
            }
        }
        let ended = &ended;
        let of_room = |(id, room): (&RoomId, &Room)| {
            let open = |(seq, reply): (&Seq, &Reply)| OpenReply {
                room: *id,
                seq: *seq,
                asker: reply.asker,
                queued_at: reply.queued_at,
                ended_at: ended.get(&reply.asker).copied(),
                waits: reply.state == ReplyState::Queued
                    || (reply.has_run_out(now) && !reply.shown),
            };
            room.unsettled().map(open).collect::<Vec<_>>()
        };
        self.rooms.iter().flat_map(of_room).collect()
    }

    /// What of these rooms waits, with its place in the whole queue.
    pub(super) fn queued_replies(&self, rooms: &[RoomId], now: Moment) -> Vec<QueuedReply> {
        let told = queue::told(&self.open_replies(now), rooms);
        let named = |(position, reply): (i64, OpenReply<Moment>)| {
            Some(QueuedReply {
                room: reply.room,
                seq: reply.seq,
                position,
                asker: self.user(reply.asker)?.clone(),
            })
        };
        told.into_iter().filter_map(named).collect()
    }

    /// A reply to which its runner may do this.
    fn held(&mut self, (room, seq): (RoomId, Seq), step: Step) -> Option<&mut Reply> {
        let reply = self.rooms.get_mut(&room)?.replies.get_mut(&seq)?;
        // Whether the lease has run out is nothing to its runner.
        let standing = reply.standing(Moment::MIN_UTC);
        standing.judge(step).is_ok().then_some(reply)
    }

    pub(super) fn mark_shown(
        &mut self,
        owner: InstanceId,
        (room, seq, attempt): (RoomId, Seq, Attempt),
        context_from: Option<Seq>,
    ) -> bool {
        let Some(reply) = self.held((room, seq), Step::Hold(owner, attempt)) else {
            return false;
        };
        reply.shown = true;
        reply.context_from = context_from;
        true
    }

    /// Saves chunks and renews leases. The same run may come twice, grown by what followed.
    pub(super) fn append_chunks(
        &mut self,
        owner: InstanceId,
        appends: Vec<ChunkAppend>,
        now: Moment,
    ) -> StoreResult<Vec<LeaseState>> {
        for chunk in appends.iter().filter_map(|append| append.chunk.as_ref()) {
            storable(&chunk.text)?;
        }
        let save = |append: ChunkAppend| {
            let ChunkAppend {
                room,
                seq,
                attempt,
                chunk,
            } = append;
            let mut state = LeaseState {
                room,
                seq,
                held: false,
                busy: false,
                stop_requested: false,
            };
            if let Some(reply) = self.held((room, seq), Step::Hold(owner, attempt)) {
                reply.lease = Some((owner, lease_end(now)));
                state.held = true;
                state.stop_requested = reply.stop_requested;
                if let Some(chunk) = chunk {
                    reply.chunks.insert((attempt, chunk.first), chunk);
                }
            }
            state
        };
        Ok(appends.into_iter().map(save).collect())
    }

    /// Gives replies back of which nothing was shown; which of them stay, to be stopped.
    pub(super) fn release_replies(
        &mut self,
        owner: InstanceId,
        replies: &[(RoomId, Seq, Attempt)],
    ) -> Vec<(RoomId, Seq)> {
        let mut stopped = Vec::new();
        for (room, seq, attempt) in replies {
            let step = Step::GiveBack(owner, *attempt);
            let Some(reply) = self.held((*room, *seq), step) else {
                continue;
            };
            if reply.stop_requested {
                stopped.push((*room, *seq));
                continue;
            }
            reply.state = ReplyState::Queued;
            reply.lease = None;
        }
        stopped
    }

    /// The room's replies that are not settled, by seq.
    pub(super) fn running_replies(&self, room: RoomId) -> Vec<RunningReply> {
        let room = self.rooms.get(&room);
        let unsettled = room.into_iter().flat_map(|room| room.unsettled());
        let running = unsettled.map(|(seq, reply)| {
            let (chunks, body) = reply.saved();
            let message = room.and_then(|room| room.messages.get(seq));
            RunningReply {
                seq: *seq,
                prompt_seq: reply.prompt_seq,
                since: message.unwrap().row.version,
                state: reply.state,
                attempt: reply.attempt,
                chunks,
                body,
                context_from: reply.context_from,
            }
        });
        running.collect()
    }

    /// Streaming replies whose lease has run out, the longest ago first.
    pub(super) fn expired_replies(&self, limit: i64, now: Moment) -> Vec<ExpiredReply> {
        let mut expired = Vec::new();
        for (id, room) in &self.rooms {
            for (seq, reply) in room.unsettled() {
                if let Some((_, until)) = reply.lease.filter(|_| reply.has_run_out(now)) {
                    let reply = ExpiredReply {
                        room: *id,
                        seq: *seq,
                        attempt: reply.attempt,
                        shown: reply.shown,
                    };
                    expired.push((until, reply));
                }
            }
        }
        expired.sort_by_key(|(until, _)| *until);
        expired.truncate(usize::try_from(limit).unwrap_or(0));
        expired.into_iter().map(|(_, reply)| reply).collect()
    }
}

/// When a lease taken now runs out.
fn lease_end(now: Moment) -> Moment {
    now + TimeDelta::milliseconds(LEASE_MS.cast_signed())
}

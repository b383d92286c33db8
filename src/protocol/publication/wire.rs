//! Publications as bytes: what goes over the layer and comes back. Called by writers, runners and feeds through
//! [`Publication`]. What is of an unknown format or of a wrong form is nothing: then the database is read.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::{ChangeRange, DeltaPiece, Effect, Entry, Publication, ShortFrame};
use crate::ids::{Epoch, Seq, UserId};
use crate::protocol::frame::Frame;

/// The first byte of every publication. An unknown one is only a hint to read.
const FORMAT: u8 = 1;
/// The same with what follows the frames of a range: shorter forms of some of them. An instance of before reads the
/// database instead.
const FORMAT_SHORT: u8 = 2;
const KIND_RANGE: u8 = 1;
const KIND_DELTA: u8 = 2;
const KIND_LOOK: u8 = 3;

impl Publication {
    /// The bytes that go over the layer.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.size_hint());
        let is_short = matches!(self, Self::Range(range) if !range.short.is_empty());
        out.put_u8(if is_short { FORMAT_SHORT } else { FORMAT });
        match self {
            Self::Look => out.put_u8(KIND_LOOK),
            Self::Range(range) => {
                out.put_u8(KIND_RANGE);
                out.put_i64(range.epoch.0);
                out.put_i64(range.from);
                out.put_i64(range.to);
                out.put_u32(u32::try_from(range.entries.len()).unwrap_or(u32::MAX));
                for entry in &range.entries {
                    out.put_i64(entry.version);
                    put_effect(&mut out, entry.effect);
                    out.put_u32(u32::try_from(entry.length).unwrap_or(u32::MAX));
                }
                out.put_slice(&range.frames);
                if is_short {
                    put_short(&mut out, &range.short);
                }
            }
            Self::Delta(delta) => {
                out.put_u8(KIND_DELTA);
                out.put_i64(delta.seq);
                out.put_i32(delta.attempt);
                out.put_i32(delta.first);
                out.put_i32(delta.count);
                out.put_u32(u32::try_from(delta.text.len()).unwrap_or(u32::MAX));
                out.put_slice(&delta.text);
                out.put_slice(&delta.frame);
            }
        }
        out.freeze()
    }

    fn size_hint(&self) -> usize {
        match self {
            Self::Look => 2,
            Self::Range(range) => {
                let short = range.short.iter().map(|short| 12 + short.frame.len());
                64 + range.entries.len() * 32 + range.frames.len() + short.sum::<usize>()
            }
            Self::Delta(delta) => 64 + delta.text.len() + delta.frame.len(),
        }
    }

    /// Reads what [`Publication::to_bytes`] wrote; `None` for anything else. Frames are slices of `bytes`, not copies.
    #[must_use]
    pub fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let mut rest = bytes.clone();
        let format = rest.try_get_u8().ok()?;
        let kind = rest.try_get_u8().ok()?;
        match (format, kind) {
            (FORMAT_SHORT, KIND_RANGE) => {
                let mut range = read_range(&mut rest)?;
                range.short = read_short(&range, rest)?;
                Some(Self::Range(range))
            }
            (FORMAT, KIND_LOOK) => Some(Self::Look),
            (FORMAT, KIND_RANGE) => {
                let range = read_range(&mut rest)?;
                rest.is_empty().then_some(Self::Range(range))
            }
            (FORMAT, KIND_DELTA) => read_delta(rest).map(Self::Delta),
            _ => None,
        }
    }
}

fn read_range(rest: &mut Bytes) -> Option<ChangeRange> {
    let epoch = Epoch(rest.try_get_i64().ok()?);
    let from = rest.try_get_i64().ok()?;
    let to = rest.try_get_i64().ok()?;
    let count = rest.try_get_u32().ok()?;
    // Each entry takes at least 13 bytes, so a made-up count cannot make us reserve more than was received.
    if usize::try_from(count).ok()?.checked_mul(13)? > rest.len() || from > to {
        return None;
    }
    let mut entries = Vec::with_capacity(usize::try_from(count).ok()?);
    let mut offset = 0_usize;
    let mut below = from;
    for _ in 0..count {
        let version = rest.try_get_i64().ok()?;
        let effect = get_effect(rest)?;
        let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
        if version <= below || version > to {
            return None;
        }
        below = version;
        entries.push(Entry {
            version,
            effect,
            offset,
            length,
        });
        offset = offset.checked_add(length)?;
    }
    (offset <= rest.len()).then(|| ChangeRange {
        epoch,
        from,
        to,
        entries,
        frames: rest.split_to(offset),
        short: Vec::new(),
    })
}

fn put_short(out: &mut BytesMut, short: &[ShortFrame]) {
    for ShortFrame { version, frame } in short {
        out.put_i64(*version);
        out.put_u32(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        out.put_slice(frame);
    }
}

/// The shorter frames that follow a range: of its own versions, ascending.
fn read_short(range: &ChangeRange, mut rest: Bytes) -> Option<Vec<ShortFrame>> {
    let mut short: Vec<ShortFrame> = Vec::new();
    while !rest.is_empty() {
        let version = rest.try_get_i64().ok()?;
        let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
        let is_known = range
            .entries
            .binary_search_by_key(&version, |entry| entry.version)
            .is_ok();
        let ascends = short.last().is_none_or(|last| last.version < version);
        if length > rest.len() || !is_known || !ascends {
            return None;
        }
        let frame = rest.split_to(length);
        short.push(ShortFrame { version, frame });
    }
    Some(short)
}

fn read_delta(mut rest: Bytes) -> Option<DeltaPiece> {
    let seq = rest.try_get_i64().ok()?;
    let attempt = rest.try_get_i32().ok()?;
    let first = rest.try_get_i32().ok()?;
    let count = rest.try_get_i32().ok()?;
    let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
    if first < 1 || count < 1 || length > rest.len() || first.checked_add(count).is_none() {
        return None;
    }
    let text = rest.split_to(length);
    std::str::from_utf8(&text).ok()?;
    let context_from = match first {
        1 => read_context(&rest),
        _ => None,
    };
    Some(DeltaPiece {
        seq,
        attempt,
        first,
        count,
        text,
        context_from,
        frame: rest,
    })
}

/// What the frame of a first chunk says of how far its assistant sees; instances of before know nothing of it, and say nothing.
fn read_context(frame: &[u8]) -> Option<Seq> {
    #[derive(serde::Deserialize)]
    struct Said {
        context_from: Option<Seq>,
    }
    let text = Frame::from_encoded(Bytes::copy_from_slice(frame))
        .payloads()
        .next()?;
    serde_json::from_slice::<Said>(&text).ok()?.context_from
}

fn put_effect(out: &mut BytesMut, effect: Effect) {
    match effect {
        Effect::None => out.put_u8(0),
        Effect::ReplyQueued {
            seq,
            prompt_seq,
            after_attempt,
        } => {
            out.put_u8(1);
            out.put_i64(seq);
            out.put_i64(prompt_seq);
            out.put_i32(after_attempt);
        }
        Effect::ReplySettled { seq } => {
            out.put_u8(2);
            out.put_i64(seq);
        }
        Effect::Removed { user, banned } => {
            // An instance of before knows no 6 and reads the database instead.
            out.put_u8(if banned { 6 } else { 3 });
            out.put_slice(user.0.as_bytes());
        }
        Effect::Tombstone => out.put_u8(4),
        Effect::RoomDeleted => out.put_u8(5),
    }
}

fn get_effect(rest: &mut Bytes) -> Option<Effect> {
    Some(match rest.try_get_u8().ok()? {
        0 => Effect::None,
        1 => Effect::ReplyQueued {
            seq: rest.try_get_i64().ok()?,
            prompt_seq: rest.try_get_i64().ok()?,
            after_attempt: rest.try_get_i32().ok()?,
        },
        2 => Effect::ReplySettled {
            seq: rest.try_get_i64().ok()?,
        },
        kind @ (3 | 6) => {
            if rest.len() < 16 {
                return None;
            }
            Effect::Removed {
                user: UserId(Uuid::from_slice(&rest.split_to(16)).ok()?),
                banned: kind == 6,
            }
        }
        4 => Effect::Tombstone,
        5 => Effect::RoomDeleted,
        _ => return None,
    })
}

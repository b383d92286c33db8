//! Where a feed delivers for an event stream: a bounded channel of frames, read at the reader's pace. A full one is
//! dropped by the feed; the stream then sees the end of its channel and reads the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::feed::Reader;
use crate::ids::Seq;
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::frame::Frame;

/// The feed's end. When it is dropped, for whatever reason, the other end finishes.
pub(super) struct Mailbox {
    frames: mpsc::Sender<Frame>,
    waiting_bytes: Arc<AtomicUsize>,
    /// How a delta of this room begins, and one of this reply.
    delta: String,
    own_delta: String,
}

/// The stream's end.
pub(super) struct Inbox {
    frames: mpsc::Receiver<Frame>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// Both ends, for one reply of one room.
pub(super) fn mailbox(slug: &str, seq: Seq) -> (Arc<Mailbox>, Inbox) {
    let (sender, receiver) = mpsc::channel(limits::EVENT_STREAM_FRAMES);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let delta = format!(r#"{{"type":"reply.delta","room":"{slug}","seq":"#);
    let mailbox = Mailbox {
        frames: sender,
        waiting_bytes: Arc::clone(&waiting_bytes),
        own_delta: format!("{delta}{seq},"),
        delta,
    };
    let inbox = Inbox {
        frames: receiver,
        waiting_bytes,
    };
    (Arc::new(mailbox), inbox)
}

impl Inbox {
    /// The next run of frames; `None` once the feed let go of its end and all was read.
    pub(super) async fn receive(&mut self) -> Option<Frame> {
        let frame = self.frames.recv().await?;
        self.waiting_bytes.fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
    }
}

impl Mailbox {
    /// Whether a run holds nothing but the text of other replies, told from its first bytes: parsing every reply of
    /// a room for every reader would cost the feed too much. A run that looks unlike it is parsed by its reader.
    fn is_of_others(&self, run: &Frame) -> bool {
        run.payloads().all(|json| {
            json.starts_with(self.delta.as_bytes()) && !json.starts_with(self.own_delta.as_bytes())
        })
    }
}

impl Reader for Mailbox {
    fn deliver(&self, run: &Frame) -> bool {
        if self.is_of_others(run) {
            return !self.frames.is_closed();
        }
        let waiting = self.waiting_bytes.fetch_add(run.len(), Ordering::Relaxed);
        // An empty mailbox takes any single run.
        (waiting == 0 || waiting + run.len() <= limits::EVENT_STREAM_BYTES)
            && self.frames.try_send(run.clone()).is_ok()
    }

    fn close(&self, _: CloseCode) {
        // The feed lets go of this right after; the stream then reads where it stands.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::publication::DeltaPiece;
    use crate::protocol::server::ServerFrame;

    fn delta(seq: Seq, text: &str) -> Frame {
        Frame::from_encoded(DeltaPiece::encode("lobby", seq, 1, 1, 1, text).frame)
    }

    #[tokio::test]
    async fn it_takes_what_may_concern_its_reply() {
        let (mailbox, mut inbox) = mailbox("lobby", 7);
        assert!(mailbox.deliver(&delta(70, "of another")));
        assert!(mailbox.deliver(&delta(7, "own")));
        assert!(mailbox.deliver(&Frame::encode(&ServerFrame::Removed {
            room: "lobby",
            version: 3,
            reason: "removed",
        })));
        drop(mailbox);
        let own = inbox.receive().await.unwrap();
        assert_eq!(own, delta(7, "own"));
        assert!(inbox.receive().await.is_some() && inbox.receive().await.is_none());
    }

    #[tokio::test]
    async fn it_is_bounded_in_frames_and_in_bytes() {
        let (many, _inbox) = mailbox("lobby", 7);
        let taken = (0..2_000)
            .take_while(|_| many.deliver(&delta(7, "x")))
            .count();
        assert_eq!(taken, limits::EVENT_STREAM_FRAMES);
        let (large, mut inbox) = mailbox("lobby", 7);
        let frame = delta(7, &"x".repeat(limits::EVENT_STREAM_BYTES + 1));
        assert!(large.deliver(&frame) && !large.deliver(&frame));
        drop(large);
        assert!(inbox.receive().await.is_some() && inbox.receive().await.is_none());
    }
}

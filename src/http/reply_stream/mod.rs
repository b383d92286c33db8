//! One reply as a stream of events, for `POST /api/chat` and the reply's event address. It attaches to the room's feed
//! like a socket does, proves membership the same way, and reads the database again whenever the feed lets go of it.
//! It holds no database connection while it waits, never writes, and never stops the reply: readers come and go.

mod mailbox;
pub mod place;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use self::mailbox::{Inbox, mailbox};
pub use self::place::Place;
use self::place::{Piece, Taken};
use crate::app::App;
use crate::chat::{Chat, room_ref};
use crate::consumer::connections::RegisteredStream;
use crate::db::rows::{Identity, MessageRow, MessageState, ReplyMeta, RoomView};
use crate::error::{ErrorCode, Refusal};
use crate::feed::{Attach, Attached, Feeds, Greeting};
use crate::ids::{
    Attempt, ChunkNumber, ConnectionId, Cursor, RoomId, RoomRef, Seq, UserId, Version,
};
use crate::limits;
use crate::protocol::frame::Frame;
use crate::protocol::server::{MessageBody, ServerFrame};

/// Something about the reply.
#[derive(Debug)]
pub enum ReplyEvent {
    /// More of its text.
    Delta {
        /// Where the reader stands after it.
        place: Place,
        /// A `reply.delta` frame.
        json: String,
    },
    /// It ended; nothing follows.
    Settled(Settled),
}

/// A reply that ended.
#[derive(Debug)]
pub struct Settled {
    /// The whole message, as in frames.
    pub message: Box<RawValue>,
    /// How it ended.
    pub state: MessageState,
    /// The public code of what went wrong.
    pub error: Option<ErrorCode>,
}

/// Which reply, for whom, and what of it they have.
pub struct Wanted {
    /// Who reads.
    pub who: Identity,
    /// The room.
    pub slug: String,
    /// The reply's message.
    pub seq: Seq,
    /// What the reader has.
    pub place: Place,
    /// How long it may go on once the process stops.
    pub grace: Duration,
}

/// A reply on its way to one reader.
pub struct ReplyStream {
    /// Comes true when the stream must end though the reply goes on.
    end: Pin<Box<dyn Future<Output = Refusal> + Send>>,
    follow: Follow,
    /// Counts it, and finds it when its session ends.
    _registered: RegisteredStream,
}

struct Follow {
    chat: Arc<Chat>,
    wanted: Wanted,
    /// The version of the reply's message that is known: older ones are of an earlier attempt.
    known: Version,
    attachment: Option<Attachment>,
    attached_at: Option<Instant>,
    ready: VecDeque<ReplyEvent>,
}

/// A hold on a room's feed, given back when dropped.
pub struct Attachment {
    inbox: Inbox,
    feeds: Feeds,
    room: RoomId,
    connection: ConnectionId,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let (feeds, room, connection) = (self.feeds.clone(), self.room, self.connection);
        // A quiet room's feed would not notice by itself, and would run for nobody.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { feeds.detach(room, connection).await });
        }
    }
}

impl ReplyStream {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(app: &App, registered: RegisteredStream, wanted: Wanted) -> Self {
        let (stopping, grace) = (app.shutdown.signal(), wanted.grace);
        let signed_out = registered.signed_out();
        let end = async move {
            tokio::select! {
                () = signed_out.cancelled() => ErrorCode::Unauthenticated.into(),
                () = async { stopping.cancelled().await; tokio::time::sleep(grace).await } => {
                    Refusal::from(ErrorCode::ShuttingDown).retry_after_ms(limits::RETRY_HINT_MS)
                }
                () = tokio::time::sleep(limits::EVENT_STREAM_TIME) => {
                    Refusal::from(ErrorCode::Unavailable).retry_after_ms(limits::RETRY_HINT_MS)
                }
            }
        };
        Self {
            end: Box::pin(end),
            follow: Follow {
                chat: Arc::clone(&app.chat),
                wanted,
                known: 0,
                attachment: None,
                attached_at: None,
                ready: VecDeque::new(),
            },
            _registered: registered,
        }
    }

    /// Finds the reply, so that a refusal can still be an answer of its own.
    ///
    /// # Errors
    /// `reply_not_found`, as finding the room, or that it cannot be read now.
    pub async fn open(&mut self) -> Result<(), Refusal> {
        self.follow.attach().await
    }

    /// What comes next. Not to be asked again after [`ReplyEvent::Settled`] or an error.
    ///
    /// # Errors
    /// Why the stream ends before the reply: the reader is no longer a member (as finding the room),
    /// `unauthenticated`, `shutting_down`, or `unavailable` after [`limits::EVENT_STREAM_TIME`].
    pub async fn next(&mut self) -> Result<ReplyEvent, Refusal> {
        tokio::select! {
            biased;
            refusal = self.end.as_mut() => Err(refusal),
            event = self.follow.next() => event,
        }
    }

    /// How the reply ends, whatever is shown on the way.
    ///
    /// # Errors
    /// As [`ReplyStream::next`].
    pub async fn settled(mut self) -> Result<Settled, Refusal> {
        loop {
            if let ReplyEvent::Settled(settled) = self.next().await? {
                return Ok(settled);
            }
        }
    }
}

impl Follow {
    async fn next(&mut self) -> Result<ReplyEvent, Refusal> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            match &mut self.attachment {
                None => self.attach_when_possible().await?,
                Some(attachment) => match attachment.inbox.receive().await {
                    Some(run) => self.take(&run),
                    None => self.attachment = None,
                },
            }
        }
    }

    /// Attaches again, not too often, and waits out what may pass.
    async fn attach_when_possible(&mut self) -> Result<(), Refusal> {
        let pause = Duration::from_millis(limits::RETRY_HINT_MS);
        if let Some(attached_at) = self.attached_at {
            tokio::time::sleep_until(attached_at + pause).await;
        }
        match self.attach().await {
            Err(refusal) if refusal.code.is_retryable() => Ok(()),
            outcome => outcome,
        }
    }

    /// Proves membership, looks whether the reply ended, and if not follows the feed from the proof on: what
    /// happens after the look has a version above it.
    async fn attach(&mut self) -> Result<(), Refusal> {
        self.attached_at = Some(Instant::now());
        let Wanted { who, slug, seq, .. } = &self.wanted;
        let proof = self.chat.prove(who.user.id, slug).await?;
        let row = match self.chat.message(who, slug, *seq).await {
            Err(refusal) if refusal.code == ErrorCode::MessageNotFound => {
                return Err(ErrorCode::ReplyNotFound.into());
            }
            row => row?,
        };
        if row.meta.reply.is_none() {
            return Err(ErrorCode::ReplyNotFound.into());
        }
        self.known = row.version;
        if row.state != MessageState::Queued {
            let settled = Settled::of_row(&row)?;
            self.ready.push_back(ReplyEvent::Settled(settled));
            return Ok(());
        }
        let room = room_ref(&proof);
        let (mailbox, inbox) = mailbox(&room.slug, *seq);
        let attachment = Attachment {
            inbox,
            feeds: self.chat.feeds.clone(),
            room: room.id,
            connection: ConnectionId::new(),
        };
        let attach = Attach {
            connection: attachment.connection,
            reader: mailbox,
            user: proof.user,
            proof: proof.view.head.version,
            cursor: Cursor {
                epoch: proof.view.head.epoch,
                version: proof.view.head.version,
            },
            // It takes a message for what it is from then on.
            whole_until: Version::MAX,
            greeting: Some(text_so_far(slug.clone(), *seq)),
        };
        // Anything else than Done means that the room moved on meanwhile: prove and look again.
        if self.chat.feeds.attach(&room, attach).await? == Attached::Done {
            self.attachment = Some(attachment);
        }
        Ok(())
    }

    fn take(&mut self, run: &Frame) {
        for json in run.payloads() {
            match self.take_frame(&json) {
                Some(Next::Event(event)) => self.ready.push_back(event),
                Some(Next::AttachAgain) => {
                    self.attachment = None;
                    return;
                }
                None => {}
            }
        }
    }

    fn take_frame(&mut self, json: &Bytes) -> Option<Next> {
        // Our own frames are always of their form; whatever is not is none of this reply.
        let frame: Incoming<'_> = serde_json::from_slice(json).ok()?;
        match &*frame.kind {
            "reply.delta" if frame.seq == Some(self.wanted.seq) => {
                let piece = Piece {
                    attempt: frame.attempt?,
                    chunk: frame.chunk?,
                    count: frame.count?,
                    text: frame.text?,
                };
                self.take_delta(piece, frame.context_from)
            }
            "message" => self.take_message(frame.message?),
            "room.removed" => Some(Next::AttachAgain),
            _ => None,
        }
    }

    fn take_delta(&mut self, piece: Piece<'_>, context_from: Option<Seq>) -> Option<Next> {
        match self.wanted.place.take(piece) {
            Taken::Known => None,
            Taken::Missed => Some(Next::AttachAgain),
            Taken::New(piece) => {
                let frame = ServerFrame::Delta {
                    room: &self.wanted.slug,
                    seq: self.wanted.seq,
                    attempt: piece.attempt,
                    chunk: piece.chunk,
                    count: piece.count,
                    text: &piece.text,
                    context_from: context_from.filter(|_| piece.chunk == 1),
                };
                Some(Next::Event(ReplyEvent::Delta {
                    place: self.wanted.place,
                    json: serde_json::to_string(&frame).ok()?,
                }))
            }
        }
    }

    fn take_message(&self, message: &RawValue) -> Option<Next> {
        let told: MessageTold = serde_json::from_str(message.get()).ok()?;
        if told.seq != self.wanted.seq
            || told.version <= self.known
            || told.state == MessageState::Queued
        {
            return None;
        }
        Some(Next::Event(ReplyEvent::Settled(Settled {
            message: message.to_owned(),
            state: told.state,
            error: told.reply.as_ref().and_then(error_of),
        })))
    }
}

impl Settled {
    fn of_row(row: &MessageRow) -> Result<Self, Refusal> {
        let message = serde_json::value::to_raw_value(&MessageBody::from(row))
            .map_err(|_never| ErrorCode::Internal)?;
        Ok(Self {
            message,
            state: row.state,
            error: row.meta.reply.as_ref().and_then(error_of),
        })
    }
}

/// Has a room's feed run before a prompt is posted: one that starts while its reply is being written already finds the
/// first pieces only when they are saved, half a second late. `None` when it cannot run now; nothing depends on it.
pub async fn hold_feed(chat: &Chat, reader: UserId, view: &RoomView) -> Option<Attachment> {
    let room = RoomRef {
        id: view.room.id,
        slug: view.room.slug.as_str().into(),
    };
    let (mailbox, inbox) = mailbox(&room.slug, 0);
    let attachment = Attachment {
        inbox,
        feeds: chat.feeds.clone(),
        room: room.id,
        connection: ConnectionId::new(),
    };
    let attach = Attach {
        connection: attachment.connection,
        reader: mailbox,
        user: reader,
        proof: view.head.version,
        cursor: Cursor {
            epoch: view.head.epoch,
            version: view.head.version,
        },
        whole_until: Version::MAX,
        greeting: None,
    };
    chat.feeds.attach(&room, attach).await.ok()?;
    Some(attachment)
}

/// What a frame means to the stream.
enum Next {
    Event(ReplyEvent),
    AttachAgain,
}

/// Of any frame, what concerns a reply's reader.
#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    seq: Option<Seq>,
    attempt: Option<Attempt>,
    chunk: Option<ChunkNumber>,
    count: Option<ChunkNumber>,
    text: Option<Cow<'a, str>>,
    context_from: Option<Seq>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

/// What must be known of a message to tell whether the reply ended.
#[derive(Deserialize)]
struct MessageTold {
    seq: Seq,
    version: Version,
    state: MessageState,
    #[serde(default)]
    reply: Option<ReplyMeta>,
}

fn error_of(reply: &ReplyMeta) -> Option<ErrorCode> {
    reply.error.as_deref().and_then(ErrorCode::from_code)
}

/// The reply's text so far, in place of `room.joined`. One that does not fit follows by itself.
fn text_so_far(slug: String, seq: Seq) -> Greeting {
    Box::new(move |replies, _| {
        let text = replies
            .iter()
            .find(|reply| reply.seq == seq && reply.chunks > 0)
            .and_then(|reply| Some((reply, reply.body?)));
        match text {
            Some((reply, text)) => Frame::encode(&ServerFrame::Delta {
                room: &slug,
                seq,
                attempt: reply.attempt,
                chunk: 1,
                count: reply.chunks,
                text,
                context_from: reply.context_from,
            }),
            None => Frame::from_encoded(Bytes::new()),
        }
    })
}

//! What a client may send. The consumer parses each text frame here; nothing else does.
//!
//! Parsing takes two passes: first the `type` and the `ref`, so that every error can be answered under the
//! client's `ref`; then the fields of that type. Unknown fields are ignored, so old servers take newer clients.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::db::history::PageAt;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ClientId, Epoch, Seq, Version};
use crate::limits;

/// A frame of a client that has the right form. Whether it is allowed, others decide.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientFrame {
    /// `room.join`: one room or several, each answered for itself.
    Join(Vec<JoinRoom>),
    /// `room.leave`: ends this socket's subscription, not the membership.
    Leave(RoomName),
    /// `message.send`.
    Send(SendMessage),
    /// `message.history`.
    History(History),
    /// `message.edit`.
    Edit(EditMessage),
    /// `message.delete`.
    Delete(MessageName),
    /// `reaction.add`.
    AddReaction(ReactionName),
    /// `reaction.remove`.
    RemoveReaction(ReactionName),
    /// `message.pin`.
    Pin(MessageName),
    /// `message.unpin`.
    Unpin(MessageName),
    /// `reply.stop`.
    Stop(ReplyName),
    /// `reply.retry`.
    Retry(ReplyName),
    /// `reply.regenerate`.
    Regenerate(ReplyName),
    /// `reply.select`.
    Select(SelectVariant),
    /// `reply.continue`.
    Continue(ContinueReply),
    /// `read.mark`.
    ReadMark(MarkRead),
    /// `typing`: one writes something there.
    Typing(RoomName),
    /// `ping`.
    Ping,
}

impl ClientFrame {
    /// Whether it changes anything, or shows others that one does: what a token that may only read must not send.
    #[must_use]
    pub const fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Ping | Self::Join(_) | Self::Leave(_) | Self::History(_)
        )
    }

    /// The rooms it names, each of which gets an answer of its own; none for a ping.
    #[must_use]
    pub fn rooms(&self) -> Vec<&str> {
        match self {
            Self::Join(rooms) => rooms.iter().map(|join| join.room.as_str()).collect(),
            Self::Leave(name) | Self::Typing(name) => vec![&name.room],
            Self::Send(send) => vec![&send.room],
            Self::History(history) => vec![&history.room],
            Self::Edit(edit) => vec![&edit.room],
            Self::Delete(name) | Self::Pin(name) | Self::Unpin(name) => vec![&name.room],
            Self::AddReaction(name) | Self::RemoveReaction(name) => vec![&name.room],
            Self::Stop(name) | Self::Retry(name) | Self::Regenerate(name) => vec![&name.room],
            Self::Select(name) => vec![&name.room],
            Self::Continue(name) => vec![&name.room],
            Self::ReadMark(mark) => vec![&mark.room],
            Self::Ping => Vec::new(),
        }
    }
}

/// One room of a `room.join`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct JoinRoom {
    /// The slug.
    pub room: String,
    /// The last version applied; left out for the latest page.
    #[serde(default)]
    pub after: Option<Version>,
    /// The history that `after` counts in; required with it.
    #[serde(default)]
    pub epoch: Option<Epoch>,
    /// Whether only a member may join. No client says so: event streams do, since reading must not make a member.
    #[serde(skip)]
    pub members_only: bool,
}

/// The form of `room.join` that carries several rooms.
#[derive(Deserialize)]
struct JoinMany {
    #[serde(default)]
    rooms: Option<Vec<JoinRoom>>,
}

/// A frame that only names a room.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct RoomName {
    /// The slug.
    pub room: String,
}

/// `message.send`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct SendMessage {
    /// The slug.
    pub room: String,
    /// The sender's own id of the message; a resend has the same.
    pub client_id: ClientId,
    /// The text.
    pub body: String,
    /// The message it answers.
    #[serde(default)]
    pub reply_to: Option<Seq>,
}

/// `message.edit`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct EditMessage {
    /// The slug.
    pub room: String,
    /// The message.
    pub seq: Seq,
    /// Its text from now on.
    pub body: String,
    /// A version of the message that has the text the editor saw.
    #[serde(default)]
    pub if_version: Option<Version>,
    /// Whether what answers it is written again.
    #[serde(default)]
    pub resend: bool,
}

/// A frame that names a message.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct MessageName {
    /// The slug.
    pub room: String,
    /// The message.
    pub seq: Seq,
}

/// A frame that names a reaction.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct ReactionName {
    /// The slug.
    pub room: String,
    /// The message.
    pub seq: Seq,
    /// The reaction: an emoji.
    pub emoji: String,
}

/// `message.history`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct History {
    /// The slug.
    pub room: String,
    /// Messages before this one; with none of the three the latest.
    #[serde(default)]
    pub before: Option<Seq>,
    /// Messages after this one.
    #[serde(default)]
    pub after: Option<Seq>,
    /// This message and what stands around it.
    #[serde(default)]
    pub around: Option<Seq>,
    /// How many at most; left out for [`limits::PAGE_MESSAGES`].
    #[serde(default)]
    pub limit: Option<i64>,
}

/// `read.mark`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct MarkRead {
    /// The slug.
    pub room: String,
    /// Everything up to this message was read.
    pub seq: Seq,
}

/// A frame that names a reply.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct ReplyName {
    /// The slug.
    pub room: String,
    /// The reply's message.
    pub seq: Seq,
}

/// `reply.select`: makes one of a reply's texts its message, for everybody.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct SelectVariant {
    /// The slug.
    pub room: String,
    /// The reply's message.
    pub seq: Seq,
    /// The number of the text.
    pub variant: i32,
}

/// `reply.continue`: posts a new message that quotes what there is and asks for the rest.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct ContinueReply {
    /// The slug.
    pub room: String,
    /// The reply's message.
    pub seq: Seq,
    /// The id of the new message.
    pub client_id: ClientId,
}

/// A frame that could not be taken, with the `ref` to answer under.
#[derive(Clone, PartialEq, Debug)]
pub struct BadFrame {
    /// The client's `ref`, if that much could be read.
    pub reference: Option<String>,
    /// The client's `room`, if that much could be read.
    pub room: Option<String>,
    /// What to answer.
    pub refusal: Refusal,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(rename = "ref", borrow, default)]
    reference: Option<Cow<'a, str>>,
    #[serde(default)]
    room: Option<serde_json::Value>,
}

/// Parses one text frame into what it asks and the `ref` to answer under.
///
/// # Errors
/// `bad_request` for what is not JSON of the documented form, `unknown_type` for a type there is none of.
pub fn parse(text: &str) -> Result<(ClientFrame, Option<String>), BadFrame> {
    let nameless = |refusal| BadFrame {
        reference: None,
        room: None,
        refusal,
    };
    let envelope: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| nameless(bad_form(&error)))?;
    let reference = envelope.reference.map(Cow::into_owned);
    if reference
        .as_ref()
        .is_some_and(|reference| reference.chars().count() > limits::REF_CHARS)
    {
        return Err(nameless(Refusal::with_message(
            ErrorCode::BadRequest,
            "`ref` has at most 64 characters.",
        )));
    }
    let frame = parse_kind(&envelope.kind, text).and_then(checked);
    match frame {
        Ok(frame) => Ok((frame, reference)),
        Err(refusal) => {
            let room = envelope
                .room
                .and_then(|room| room.as_str().map(str::to_owned));
            Err(BadFrame {
                reference,
                room,
                refusal,
            })
        }
    }
}

/// Declares the types of frames there are, and how each is read: in one place, so that [`FRAME_TYPES`] holds them all.
macro_rules! frame_types {
    ($text:ident; $($kind:literal => $frame:expr,)*) => {
        /// Every type of frame that a client may send. Each has a line in [`crate::permissions::access`].
        pub const FRAME_TYPES: &[&str] = &[$($kind,)*];

        fn parse_kind(kind: &str, $text: &str) -> Result<ClientFrame, Refusal> {
            Ok(match kind {
                $($kind => $frame,)*
                _ => return Err(ErrorCode::UnknownType.into()),
            })
        }
    };
}

frame_types! { text;
    "room.join" => ClientFrame::Join(match fields::<JoinMany>(text)?.rooms {
        Some(rooms) => rooms,
        None => vec![fields(text)?],
    }),
    "room.leave" => ClientFrame::Leave(fields(text)?),
    "message.send" => ClientFrame::Send(fields(text)?),
    "message.history" => ClientFrame::History(fields(text)?),
    "message.edit" => ClientFrame::Edit(fields(text)?),
    "message.delete" => ClientFrame::Delete(fields(text)?),
    "message.pin" => ClientFrame::Pin(fields(text)?),
    "message.unpin" => ClientFrame::Unpin(fields(text)?),
    "reaction.add" => ClientFrame::AddReaction(fields(text)?),
    "reaction.remove" => ClientFrame::RemoveReaction(fields(text)?),
    "reply.stop" => ClientFrame::Stop(fields(text)?),
    "reply.retry" => ClientFrame::Retry(fields(text)?),
    "reply.regenerate" => ClientFrame::Regenerate(fields(text)?),
    "reply.select" => ClientFrame::Select(fields(text)?),
    "reply.continue" => ClientFrame::Continue(fields(text)?),
    "read.mark" => ClientFrame::ReadMark(fields(text)?),
    "typing" => ClientFrame::Typing(fields(text)?),
    "ping" => ClientFrame::Ping,
}

fn fields<T: DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| bad_form(&error))
}

/// serde's sentence names fields and positions of the client's own text, nothing of ours.
fn bad_form(error: &serde_json::Error) -> Refusal {
    let mut sentence = error.to_string();
    sentence.truncate(sentence.floor_char_boundary(200));
    Refusal::with_message(
        ErrorCode::BadRequest,
        format!("The frame is not of the documented form: {sentence}"),
    )
}

/// What the types alone cannot say.
fn checked(frame: ClientFrame) -> Result<ClientFrame, Refusal> {
    let bad = |sentence: &'static str| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
    match &frame {
        ClientFrame::Join(rooms) if rooms.is_empty() => bad("`rooms` is empty."),
        ClientFrame::Join(rooms) if rooms.len() > limits::ROOMS_PER_JOIN => Err(
            Refusal::with_message(ErrorCode::TooLarge, "`rooms` has at most 100 entries."),
        ),
        ClientFrame::Join(rooms)
            if rooms
                .iter()
                .any(|room| room.after.is_some() != room.epoch.is_some()) =>
        {
            bad("`after` and `epoch` come together.")
        }
        ClientFrame::Join(rooms)
            if rooms
                .iter()
                .any(|room| room.after.is_some_and(|after| after < 0)) =>
        {
            bad("`after` is a version, from 0.")
        }
        ClientFrame::History(history)
            if history
                .limit
                .is_some_and(|limit| !(1..=limits::PAGE_MESSAGES).contains(&limit)) =>
        {
            bad("`limit` is from 1 to 100.")
        }
        ClientFrame::History(history) => {
            page_at(history.before, history.after, history.around).map(|_| frame)
        }
        ClientFrame::ReadMark(mark) if mark.seq < 1 => bad("`seq` is from 1."),
        ClientFrame::Send(send) => check_body(&send.body).map(|()| frame),
        ClientFrame::Edit(edit) => check_body(&edit.body).map(|()| frame),
        ClientFrame::AddReaction(name) | ClientFrame::RemoveReaction(name) => {
            check_emoji(&name.emoji).map(|()| frame)
        }
        _ => Ok(frame),
    }
}

/// Whether a text may be a reaction: an emoji, or several, and no words. The digits, `#` and `*` of keycaps are allowed.
///
/// # Errors
/// `bad_request`.
pub fn check_emoji(emoji: &str) -> Result<(), Refusal> {
    let is_drawn = |c: char| match c.is_ascii() {
        true => c.is_ascii_digit() || c == '#' || c == '*',
        false => !c.is_whitespace() && !c.is_control() && !c.is_alphabetic(),
    };
    let is_emoji =
        emoji.len() <= limits::REACTION_BYTES && emoji.chars().all(is_drawn) && !emoji.is_ascii();
    if is_emoji {
        return Ok(());
    }
    Err(Refusal::with_message(
        ErrorCode::BadRequest,
        "`emoji` is an emoji of at most 48 bytes.",
    ))
}

/// Which page the places in a request for history mean.
///
/// # Errors
/// `bad_request` for more than one of them, or a place that there cannot be.
pub fn page_at(
    before: Option<Seq>,
    after: Option<Seq>,
    around: Option<Seq>,
) -> Result<PageAt, Refusal> {
    let bad = |sentence: &'static str| Err(Refusal::with_message(ErrorCode::BadRequest, sentence));
    match (before, after, around) {
        (None, None, None) => Ok(PageAt::Latest),
        (Some(seq), None, None) if seq >= 1 => Ok(PageAt::Before(seq)),
        (None, Some(seq), None) if seq >= 0 => Ok(PageAt::After(seq)),
        (None, None, Some(seq)) if seq >= 1 => Ok(PageAt::Around(seq)),
        (Some(_), None, None) => bad("`before` is a seq, from 1."),
        (None, Some(_), None) => bad("`after` is a seq, from 0."),
        (None, None, Some(_)) => bad("`around` is a seq, from 1."),
        _ => bad("Give one of `before`, `after` and `around`."),
    }
}

/// Whether a text may be a message: not blank, no NUL (Postgres cannot store one), within the limit.
///
/// # Errors
/// `bad_request` or `too_large`.
pub fn check_body(body: &str) -> Result<(), Refusal> {
    if body.len() > limits::BODY_BYTES {
        return Err(Refusal::with_message(
            ErrorCode::TooLarge,
            "A message has at most 16 KiB of text.",
        ));
    }
    if body.contains('\0') {
        return Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "A message cannot hold a NUL character.",
        ));
    }
    if body.trim().is_empty() {
        return Err(Refusal::with_message(
            ErrorCode::BadRequest,
            "A message needs some text.",
        ));
    }
    Ok(())
}

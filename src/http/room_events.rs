//! `GET /api/rooms/{slug}/events`: a room as server-sent events, resumable. It turns the frames of a consumer
//! ([`RoomStream`]) into events and nothing else: what is in them, and when they end, is as on a socket.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_util::sync::{CancellationToken, DropGuard};
use utoipa::IntoParams;

use super::error::Problem;
use super::extract::{Hangup, Payer, QueryOf, RoomPath};
use super::reply_events::{LAST_EVENT_ID, error_event, shutting_down, stream_headers};
use crate::app::App;
use crate::consumer::Consumers;
use crate::consumer::connections::RegisteredStream;
use crate::consumer::room_stream::{Heard, RoomStream};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Cursor, Epoch, Version};
use crate::limits;
use crate::protocol::CloseCode;
use crate::protocol::client::JoinRoom;

/// Where the reader stands.
#[derive(Deserialize, IntoParams)]
pub struct EventsQuery {
    /// The id of the last event applied, `epoch:version`; a `Last-Event-ID` header wins. Left out: the latest page.
    after: Option<String>,
}

/// Follows a room. Each event is a frame as on the socket, named by its type, from `room.joined` on; the id of a versioned one is
/// `epoch:version`, a cursor. `error` says why the stream ends, if it is not `room.removed`.
#[utoipa::path(get, path = "/api/rooms/{slug}/events", tag = "rooms",
    params(("slug" = String, Path), EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "The last id seen: what follows it comes")),
    responses((status = 200, description = "Events named as frames are, then `room.removed` or `error`", content_type = "text/event-stream", body = String), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn follow(
    State(app): State<Arc<App>>,
    Extension(consumers): Extension<Arc<Consumers>>,
    Payer(who, client): Payer,
    RoomPath(slug): RoomPath,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
    hangup: Option<Extension<Hangup>>,
) -> Result<Response, Problem> {
    if app.shutdown.is_draining() {
        return Err(shutting_down().into());
    }
    let last_id = headers.get(LAST_EVENT_ID);
    let after = match last_id.map(|id| id.to_str().unwrap_or_default()) {
        Some(id) => Some(cursor(id)?),
        None => query.after.as_deref().map(cursor).transpose()?,
    };
    let connections = &consumers.connections;
    let registered = connections.register_stream(&who, client.open().await?)?;
    let wanted = JoinRoom {
        room: slug.clone(),
        after: after.map(|after| after.version),
        epoch: after.map(|after| after.epoch),
        members_only: true,
    };
    let (stream, serving) = Arc::clone(&consumers).follow((who, client), wanted).await;
    let told = CancellationToken::new();
    let all_told = told.clone();
    app.shutdown.spawn("event stream", async move {
        serving.await;
        // A reader that did not even take why it ended keeps its connection from ending: it is cut.
        if let (false, Some(Extension(hangup))) = (all_told.is_cancelled(), hangup) {
            hangup.hang_up();
        }
    });
    let mut events = RoomEvents {
        stream,
        slug,
        epoch: None,
        told: Some(told.drop_guard()),
        _registered: registered,
    };
    let first = tokio::time::timeout(limits::REQUEST_TIMEOUT, events.open())
        .await
        .map_err(|_late| ErrorCode::Unavailable)??;
    Ok(answer(first, events))
}

fn answer(first: Event, events: RoomEvents) -> Response {
    let all = stream::unfold((Some(first), events), |(first, mut events)| async move {
        let event = match first {
            Some(first) => Some(first),
            None => events.next().await,
        };
        event.map(|event| (Ok::<_, Infallible>(event), (None, events)))
    });
    (stream_headers(), Sse::new(all)).into_response()
}

/// A room on its way to one reader.
struct RoomEvents {
    stream: RoomStream,
    slug: String,
    /// The history that versions count in, once `room.joined` told.
    epoch: Option<Epoch>,
    /// Given up with the last event.
    told: Option<DropGuard>,
    /// Counts it.
    _registered: RegisteredStream,
}

/// Of any frame, what its event is made of.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    room: Option<&'a RawValue>,
    epoch: Option<Epoch>,
    version: Option<Version>,
    prev: Option<Version>,
    reconnect_after_ms: Option<u64>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    retry_after_ms: Option<u64>,
}

/// Of the room in a `room.joined`, where its reader stands.
#[derive(Deserialize)]
struct JoinedRoom {
    version: Version,
}

impl RoomEvents {
    /// Waits for the answer to the join, so that a refusal can still be an answer of its own.
    async fn open(&mut self) -> Result<Event, Refusal> {
        loop {
            match self.stream.next().await {
                Heard::Frame(json) => match told(&json) {
                    Some(told) if told.kind == "error" => return Err(told.refusal()),
                    Some(told) => {
                        if let Some(event) = self.event(&told, &json) {
                            return Ok(event);
                        }
                    }
                    None => {}
                },
                Heard::Ping => {}
                Heard::Closed(code) => return Err(reason(code)),
            }
        }
    }

    /// The next event; none after the last.
    async fn next(&mut self) -> Option<Event> {
        self.told.as_ref()?;
        loop {
            match self.stream.next().await {
                Heard::Frame(json) => {
                    let Some(told) = told(&json) else { continue };
                    if let Some(event) = self.event(&told, &json) {
                        return Some(event);
                    }
                }
                Heard::Ping => return Some(Event::default().comment("")),
                Heard::Closed(code) => {
                    self.told = None;
                    return Some(error_event(&self.slug, &reason(code)));
                }
            }
        }
    }

    /// A frame as an event; none for those that are not of the room.
    fn event(&mut self, told: &Told<'_>, json: &str) -> Option<Event> {
        let event = Event::default().event(&told.kind);
        let id = match (&*told.kind, told.version, told.prev) {
            ("drain", ..) => {
                let wait = Duration::from_millis(told.reconnect_after_ms.unwrap_or_default());
                return Some(event.retry(wait).data(json));
            }
            ("room.joined", ..) => {
                self.epoch = told.epoch;
                let room: JoinedRoom = serde_json::from_str(told.room?.get()).ok()?;
                Some(room.version)
            }
            ("room.removed", ..) => {
                self.told = None;
                None
            }
            (_, Some(version), Some(_)) => Some(version),
            _ if told.room.is_none() => return None,
            _ => None,
        };
        let event = match (self.epoch, id) {
            (Some(epoch), Some(version)) => event.id(Cursor { epoch, version }.to_string()),
            _ => event,
        };
        Some(event.data(json))
    }
}

impl Told<'_> {
    fn refusal(&self) -> Refusal {
        let code = self.code.as_deref().and_then(ErrorCode::from_code);
        let message = self
            .message
            .and_then(|message| serde_json::from_str::<String>(message.get()).ok());
        let code = code.unwrap_or(ErrorCode::Internal);
        Refusal {
            code,
            message: message.map_or_else(|| code.sentence().into(), Cow::Owned),
            retry_after_ms: self.retry_after_ms,
            version: None,
        }
    }
}

/// Our own frames are always of their form.
fn told(json: &str) -> Option<Told<'_>> {
    serde_json::from_str(json).ok()
}

/// A close code in the words of an event stream.
fn reason(code: Option<CloseCode>) -> Refusal {
    match code {
        Some(CloseCode::SignedOut) => ErrorCode::Unauthenticated.into(),
        Some(CloseCode::Restart) => shutting_down(),
        Some(CloseCode::Slow) => {
            unavailable("Too much was waiting for this reader: come back with the last id.")
        }
        Some(CloseCode::EpochChanged) => unavailable(
            "The room's history was replaced or cut: come back with the last id and be told.",
        ),
        _ => unavailable(ErrorCode::Unavailable.sentence()),
    }
}

fn unavailable(sentence: &'static str) -> Refusal {
    Refusal::with_message(ErrorCode::Unavailable, sentence).retry_after_ms(limits::RETRY_HINT_MS)
}

/// The cursor of an event's id.
fn cursor(id: &str) -> Result<Cursor, Refusal> {
    id.parse::<Cursor>().map_err(|_no_cursor| {
        Refusal::with_message(
            ErrorCode::BadRequest,
            "An event's id is `epoch:version`, as it was sent.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_cursor_or_refused() {
        let place = cursor("1f00c0ffee00beef:41").unwrap();
        assert_eq!(
            (place.epoch, place.version),
            (Epoch(0x1f00_c0ff_ee00_beef), 41)
        );
        for bad in [
            "", "41", ":", "1f:", ":1", "zz:1", "1f:-1", "1f:1:2", "1f: 1",
        ] {
            assert_eq!(
                cursor(bad).unwrap_err().code,
                ErrorCode::BadRequest,
                "{bad}"
            );
        }
    }

    #[test]
    fn every_end_is_told_in_a_code_of_ours() {
        for code in CloseCode::ALL {
            let refusal = reason(Some(code));
            let comes_back = refusal.code.is_retryable() && refusal.retry_after_ms.is_some();
            assert_eq!(comes_back, code != CloseCode::SignedOut, "{code:?}");
        }
        assert_eq!(reason(None).code, ErrorCode::Unavailable);
    }
}

//! `GET /api/rooms/{slug}/replies/{seq}/events`: one reply as server-sent events, resumable. Also the event stream that
//! `POST /api/chat` answers with, which has the same events after its own first one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use rand::Rng;

use super::error::Problem;
use super::extract::{MessagePath, Payer};
use super::reply_stream::{Place, ReplyEvent, ReplyStream, Wanted};
use crate::app::App;
use crate::consumer::Consumers;
use crate::error::{ErrorCode, Refusal};
use crate::limits;
use crate::protocol::server::ServerFrame;

/// What browsers send when they come back.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Follows a reply. Each `delta` event is a `reply.delta` frame, its id `attempt:chunk:bytes` the end of what was sent;
/// `message` is the whole settled message and the last event; `error` says why the stream ends early.
#[utoipa::path(get, path = "/api/rooms/{slug}/replies/{seq}/events", tag = "messages",
    params(("slug" = String, Path), ("seq" = crate::ids::Seq, Path), ("Last-Event-ID" = Option<String>, Header, description = "The last id seen: what follows it comes")),
    responses((status = 200, description = "Events `delta`, then `message` or `error`", content_type = "text/event-stream", body = String), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn follow(
    State(app): State<Arc<App>>,
    Extension(consumers): Extension<Arc<Consumers>>,
    Payer(who, client): Payer,
    MessagePath { slug, seq }: MessagePath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if app.shutdown.is_draining() {
        return Err(shutting_down().into());
    }
    let place = match headers.get(LAST_EVENT_ID) {
        Some(id) => Place::parse(id.to_str().unwrap_or_default())?,
        None => Place::default(),
    };
    let connections = &consumers.connections;
    let registered = connections.register_stream(&who, client.open().await?)?;
    let wanted = Wanted {
        who,
        slug: slug.clone(),
        seq,
        place,
        grace: spread(),
    };
    let mut reply = ReplyStream::new(&app, registered, wanted);
    tokio::time::timeout(limits::REQUEST_TIMEOUT, reply.open())
        .await
        .map_err(|_late| ErrorCode::Unavailable)??;
    Ok(events(None, reply, slug))
}

/// An event stream of a reply, with an event of the caller's before it.
pub(super) fn events(first: Option<Event>, reply: ReplyStream, slug: String) -> Response {
    let rest = stream::unfold(Some(reply), move |reply| {
        let slug = slug.clone();
        async move {
            let mut reply = reply?;
            Some(match reply.next().await {
                Ok(ReplyEvent::Delta { place, json }) => {
                    let event = Event::default().event("delta").id(place.to_string());
                    (event.data(json), Some(reply))
                }
                Ok(ReplyEvent::Settled(settled)) => {
                    let event = Event::default().event("message");
                    (event.data(settled.message.get()), None)
                }
                Err(refusal) => (error_event(&slug, &refusal), None),
            })
        }
    });
    let all = stream::iter(first).chain(rest).map(Ok::<_, Infallible>);
    let comments = KeepAlive::new().interval(limits::EVENT_STREAM_COMMENT);
    (stream_headers(), Sse::new(all).keep_alive(comments)).into_response()
}

/// What every event stream says of itself.
pub(super) fn stream_headers() -> [(HeaderName, &'static str); 2] {
    [
        (header::CACHE_CONTROL, "no-store"),
        // nginx and its kind would otherwise keep the text until they have a page of it.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ]
}

/// A part of the time over which a stopping process sends streams away, so that they do not come back all at once.
pub(super) fn spread() -> Duration {
    limits::CLOSE_SPREAD.mul_f64(rand::rng().random_range(0.0..1.0))
}

/// What a stopping process answers.
pub(super) fn shutting_down() -> Refusal {
    Refusal::from(ErrorCode::ShuttingDown).retry_after_ms(limits::RETRY_HINT_MS)
}

pub(super) fn error_event(slug: &str, refusal: &Refusal) -> Event {
    let frame = ServerFrame::error(None, Some(slug), None, refusal);
    let json = serde_json::to_string(&frame).unwrap_or_default();
    Event::default().event("error").data(json)
}

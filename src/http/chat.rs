//! `POST /api/chat`, the view of a language model for programs: a message in, the reply out, as JSON once it ended or as
//! events while it grows. It is a message like any other: stored first, seen by the room, answered by whichever
//! instance runs the reply. The caller may go away and ask again with the same `client_id`.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::{Problem, too_fast};
use super::extract::{JsonBody, Payer};
use super::reply_events::{events, shutting_down, spread};
use super::reply_stream::{Attachment, Place, ReplyStream, Settled, Wanted, hold_feed};
use crate::app::App;
use crate::auth::names;
use crate::chat::mentions::mentions_assistant;
use crate::chat::messages::Draft;
use crate::chat::pace::Pace;
use crate::consumer::Consumers;
use crate::db::changes::Posted;
use crate::db::rows::{Identity, MessageState, RoomView, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ClientId, Seq};
use crate::limits;
use crate::protocol::client::check_body;
use crate::protocol::server::{Accepted, MessageBody};
use crate::quotas::Operation;

/// A prompt.
#[derive(Deserialize, ToSchema)]
pub struct Prompt {
    /// The text: at most 16 KiB, not blank. In a room that is not direct it is posted with `@assistant` before it,
    /// unless it calls the assistant by itself.
    message: String,
    /// Where to ask. Left out: one's direct room with the assistant, made when there is none.
    room: Option<String>,
    /// The sender's own id of the message: asking again with the same one waits for the same reply.
    client_id: Option<ClientId>,
}

/// A reply that is complete, or was stopped.
#[derive(Serialize, ToSchema)]
pub struct ChatAnswer<'a> {
    /// The reply's message, as in frames.
    #[schema(value_type = MessageBody<'_>)]
    reply: &'a RawValue,
    /// Where it is.
    #[serde(flatten)]
    #[schema(inline)]
    place: ReplyPlace<'a>,
}

/// Where a prompt and its reply are.
#[derive(Serialize, ToSchema)]
struct ReplyPlace<'a> {
    /// The room's slug.
    room: &'a str,
    /// The id the prompt was stored under.
    client_id: ClientId,
    /// The prompt's message.
    prompt_seq: Seq,
    /// The reply's message; null when the prompt got none.
    reply_seq: Option<Seq>,
}

/// What a problem says beside the usual, once the prompt was stored.
#[derive(Serialize)]
struct ProblemMembers<'a> {
    #[serde(flatten)]
    place: ReplyPlace<'a>,
    /// The reply's message with the text up to where it broke off.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<&'a RawValue>,
}

/// A prompt that was stored.
struct Asked {
    slug: String,
    client_id: ClientId,
    posted: Posted,
    /// Kept until the stream has its own.
    _feed: Option<Attachment>,
}

/// Asks the assistant and waits for its reply; with `Accept: text/event-stream` streams it.
///
/// A failed or interrupted reply is a problem with the reply's own code; `reply` in it holds the text there is.
#[utoipa::path(post, path = "/api/chat", tag = "messages", request_body = Prompt,
    responses((status = 200, description = "The reply; or events `accepted`, `delta`, then `message` or `error`", content(
        (ChatAnswer<'_> = "application/json"), (String = "text/event-stream"))), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn ask(
    State(app): State<Arc<App>>,
    Extension(consumers): Extension<Arc<Consumers>>,
    Payer(who, client): Payer,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    if app.shutdown.is_draining() {
        return Err(shutting_down().into());
    }
    let connections = &consumers.connections;
    let registered = connections.register_stream(&who, client.open().await?)?;
    let streams = wants_events(&headers);
    let asking = async {
        let JsonBody(prompt) = JsonBody::<Prompt>::from_request(request, &()).await?;
        check_body(&prompt.message)?;
        app.sends
            .take(who.user.id, Instant::now())
            .map_err(too_fast)?;
        client.take_now(Operation::Send)?;
        let (view, body, client_id) = find(&app, &who, prompt).await?;
        let feed = match streams {
            true => hold_feed(&app.chat, who.user.id, &view).await,
            false => None,
        };
        let slug = view.room.slug;
        let draft = Draft {
            client_id,
            body,
            reply_to: None,
        };
        let pace = Pace::sent(client);
        let posted = app.chat.post(&who, &slug, draft, pace).await?;
        Ok::<_, Problem>(Asked {
            slug,
            client_id,
            posted,
            _feed: feed,
        })
    };
    let asked = tokio::time::timeout(limits::REQUEST_TIMEOUT, asking)
        .await
        .map_err(|_late| ErrorCode::OutcomeUnknown)??;
    let Some(seq) = asked.posted.reply_seq else {
        let code = asked.posted.reply_refused.unwrap_or(ErrorCode::NoAssistant);
        return Ok(asked.problem(refused(code, asked.posted.refused_until), None));
    };
    let wanted = Wanted {
        who,
        slug: asked.slug.clone(),
        seq,
        place: Place::default(),
        grace: if streams {
            spread()
        } else {
            limits::CHAT_GRACE
        },
    };
    let reply = ReplyStream::new(&app, registered, wanted);
    if streams {
        let slug = asked.slug.clone();
        return Ok(events(Some(asked.accepted_event()), reply, slug));
    }
    Ok(match reply.settled().await {
        Ok(settled) => asked.answer(&settled),
        Err(refusal) => asked.problem(refusal, None),
    })
}

/// The room to ask in, and what to post there under which id.
async fn find(
    app: &App,
    who: &Identity,
    prompt: Prompt,
) -> Result<(RoomView, String, ClientId), Refusal> {
    let client_id = prompt.client_id.unwrap_or_default();
    let view = match prompt.room {
        None => app.chat.direct_room(who).await?,
        Some(slug) if names::is_slug(&slug) => app.chat.prove(who.user.id, &slug).await?.view,
        Some(_) => return Err(ErrorCode::RoomNotFound.into()),
    };
    let alone = view.room.visibility == Visibility::Direct && view.room.people == 0;
    let body = if alone {
        prompt.message
    } else {
        called(prompt.message, &app.chat.assistant().await?.name)
    };
    Ok((view, body, client_id))
}

/// The message with a call of the assistant in it: among other people it only answers when it is called.
fn called(message: String, assistant: &str) -> String {
    if mentions_assistant(&message, assistant) {
        message
    } else {
        format!("@{assistant} {message}")
    }
}

impl Asked {
    fn place(&self) -> ReplyPlace<'_> {
        ReplyPlace {
            room: &self.slug,
            client_id: self.client_id,
            prompt_seq: self.posted.seq,
            reply_seq: self.posted.reply_seq,
        }
    }

    fn answer(&self, settled: &Settled) -> Response {
        let code = match settled.state {
            MessageState::Complete | MessageState::Stopped | MessageState::Queued => {
                let reply = &*settled.message;
                let place = self.place();
                return Json(ChatAnswer { reply, place }).into_response();
            }
            MessageState::Failed => settled.error.unwrap_or(ErrorCode::Internal),
            MessageState::Interrupted => settled.error.unwrap_or(ErrorCode::Unavailable),
        };
        let refusal = match settled.error {
            Some(code) => Refusal::from(code),
            None => Refusal::with_message(code, "The reply broke off; have it written again."),
        };
        self.problem(refusal, Some(&settled.message))
    }

    fn problem(&self, refusal: Refusal, reply: Option<&RawValue>) -> Response {
        let place = self.place();
        Problem(refusal).response_with(&ProblemMembers { place, reply })
    }

    /// The first event: as the answer of `POST …/messages`.
    fn accepted_event(&self) -> Event {
        let accepted = Accepted::of(&self.slug, self.client_id, &self.posted);
        let json = serde_json::to_string(&accepted).unwrap_or_default();
        Event::default().event("accepted").data(json)
    }
}

/// Why a message gets no reply, and when another one may.
fn refused(code: ErrorCode, until: Option<DateTime<Utc>>) -> Refusal {
    match until {
        Some(until) => Refusal::spent_for(until - Utc::now()),
        None => code.into(),
    }
}

/// Whether the client asks for events: any `Accept` line that names them.
fn wants_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|kind| {
            let kind = kind.split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("text/event-stream")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_calls_the_assistant_once() {
        assert_eq!(called("hi".into(), "assistant"), "@assistant hi");
        assert_eq!(called("hi @Assistant".into(), "assistant"), "hi @Assistant");
    }

    #[test]
    fn events_are_streamed_to_those_who_ask() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            wants_events(&headers)
        };
        assert!(
            accepts("text/event-stream") && accepts("application/json, Text/Event-Stream;q=0.9")
        );
        assert!(
            !accepts("application/json") && !accepts("*/*") && !wants_events(&HeaderMap::new())
        );
    }
}

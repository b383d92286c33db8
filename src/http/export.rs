//! `GET /api/rooms/{slug}/export`: all that was said in a room, as NDJSON or Markdown, written out page by page. It says at its end
//! whether it is whole; a file without that end is not.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use super::error::Problem;
use super::extract::{Hangup, Payer, QueryOf, RoomPath};
use super::reply_events::shutting_down;
use crate::app::App;
use crate::chat::export::Export;
use crate::consumer::Consumers;
use crate::consumer::connections::RegisteredStream;
use crate::db::audit::{Act, AuditRoom, NewAudit};
use crate::db::rows::MessageRow;
use crate::error::{ErrorCode, Refusal};
use crate::limits;
use crate::protocol::server::{MessageBody, RoomBody};

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object on each line.
    #[default]
    Ndjson,
    /// For people.
    Markdown,
}

/// Which format.
#[derive(Deserialize, IntoParams)]
pub struct ExportQuery {
    /// `ndjson` or `markdown`; left out: `ndjson`.
    #[serde(default)]
    format: Format,
}

/// A line of an NDJSON export.
#[derive(Serialize)]
#[serde(tag = "type")]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is not moved"
)]
enum Line<'a> {
    /// The first.
    #[serde(rename = "export")]
    Begin {
        room: RoomBody<'a>,
        epoch: crate::ids::Epoch,
    },
    /// A message, as in frames.
    #[serde(rename = "message")]
    Message { message: MessageBody<'a> },
    /// The last: without it, or with `complete` false, the export is not whole.
    #[serde(rename = "end")]
    End {
        complete: bool,
        messages: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<ErrorCode>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    },
}

/// Exports what a room holds now. NDJSON: a line `export` with the room, a line `message` for each message, and at last a line
/// `end`, whose `complete` says whether it is whole. Markdown: the same for people, the last line says so.
#[utoipa::path(get, path = "/api/rooms/{slug}/export", tag = "rooms", params(("slug" = String, Path), ExportQuery),
    responses((status = 200, description = "The export, as long as it takes", content_type = "application/x-ndjson", body = String), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn export_room(
    State(app): State<Arc<App>>,
    Extension(consumers): Extension<Arc<Consumers>>,
    Payer(who, client): Payer,
    RoomPath(slug): RoomPath,
    QueryOf(query): QueryOf<ExportQuery>,
    hangup: Option<Extension<Hangup>>,
) -> Result<Response, Problem> {
    if app.shutdown.is_draining() {
        return Err(shutting_down().into());
    }
    let busy = || Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS);
    let place = Arc::clone(&app.exports)
        .try_acquire_owned()
        .map_err(|_full| busy())?;
    let connections = &consumers.connections;
    let registered = connections.register_stream(&who, client.open().await?)?;
    let reader = who.user.id;
    let export = Arc::clone(&app.chat).export(who, &slug).await?;
    let (pages, written) = mpsc::channel(1);
    app.chat.ledger.note(NewAudit {
        room: AuditRoom::named(&slug),
        ..NewAudit::of(Act::RoomExported).by(reader)
    });
    let writing = Writing {
        stopping: app.shutdown.signal(),
        signed_out: registered.signed_out(),
        format: query.format,
        export,
        pages,
        _held: (place, registered),
    };
    app.shutdown.spawn("export", async move {
        if writing.run().await.is_err()
            && let Some(Extension(hangup)) = hangup
        {
            // Its reader takes nothing any more, and would hold its place for ever.
            hangup.hang_up();
        }
    });
    let (kind, ending) = match query.format {
        Format::Ndjson => ("application/x-ndjson", "ndjson"),
        Format::Markdown => ("text/markdown; charset=utf-8", "md"),
    };
    let headers: [(HeaderName, String); 3] = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{slug}.{ending}\""),
        ),
    ];
    let pages = futures_util::stream::unfold(written, |mut written: mpsc::Receiver<Bytes>| async {
        written.recv().await.map(|page| (page, written))
    });
    let body = Body::from_stream(pages.map(Ok::<_, Infallible>));
    Ok((headers, body).into_response())
}

/// An export on its way to its reader.
struct Writing {
    stopping: CancellationToken,
    signed_out: CancellationToken,
    format: Format,
    export: Export,
    pages: mpsc::Sender<Bytes>,
    _held: (OwnedSemaphorePermit, RegisteredStream),
}

/// The reader took nothing for too long.
struct Stalled;

impl Writing {
    async fn run(mut self) -> Result<(), Stalled> {
        if !self.give(self.format.begin(&self.export)).await? {
            return Ok(());
        }
        let end = loop {
            let page = tokio::select! {
                biased;
                () = self.signed_out.cancelled() => break Err(ErrorCode::Unauthenticated.into()),
                () = self.stopping.cancelled() => break Err(shutting_down()),
                page = self.export.next() => page,
            };
            match page {
                Ok(Some(messages)) => {
                    if !self.give(self.format.page(&messages)).await? {
                        return Ok(());
                    }
                }
                Ok(None) => break self.export.checked(),
                Err(refusal) => break Err(refusal),
            }
        };
        self.give(self.format.end(self.export.count, &end)).await?;
        Ok(())
    }

    /// False when the reader is gone.
    async fn give(&self, text: String) -> Result<bool, Stalled> {
        let given = tokio::time::timeout(limits::EXPORT_STALL, self.pages.send(text.into()));
        given
            .await
            .map(|given| given.is_ok())
            .map_err(|_late| Stalled)
    }
}

impl Format {
    fn begin(self, export: &Export) -> String {
        let view = &export.room;
        match self {
            Self::Ndjson => line(&Line::Begin {
                room: RoomBody::new(view),
                epoch: view.head.epoch,
            }),
            Self::Markdown => format!(
                "# {}\n\nMessages {} to {} of `{}`.\n",
                plain(&view.room.name),
                view.head.first_seq,
                view.head.last_seq,
                view.room.slug
            ),
        }
    }

    fn page(self, messages: &[MessageRow]) -> String {
        let mut text = String::new();
        for message in messages {
            match self {
                Self::Ndjson => text.push_str(&line(&Line::Message {
                    message: message.into(),
                })),
                Self::Markdown => markdown(&mut text, message),
            }
        }
        text
    }

    fn end(self, messages: u64, end: &Result<(), Refusal>) -> String {
        let refusal = end.as_ref().err();
        match (self, refusal) {
            (Self::Ndjson, _) => line(&Line::End {
                complete: refusal.is_none(),
                messages,
                code: refusal.map(|refusal| refusal.code),
                message: refusal.map(|refusal| &*refusal.message),
            }),
            (Self::Markdown, None) => {
                format!("\n---\n\nEnd of the export: complete, {messages} messages.\n")
            }
            (Self::Markdown, Some(refusal)) => format!(
                "\n---\n\nEnd of the export: NOT complete, {messages} messages. {} ({})\n",
                refusal.message,
                refusal.code.as_str()
            ),
        }
    }
}

fn line(line: &Line<'_>) -> String {
    let mut json = serde_json::to_string(line).unwrap_or_default();
    json.push('\n');
    json
}

/// A message's own lines are all quoted: none of them can be taken for a heading or the end of the export.
fn markdown(text: &mut String, message: &MessageRow) {
    let at = message.created_at.format("%Y-%m-%d %H:%M:%S UTC");
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\n## {} · {} · {at}\n\n",
        message.seq,
        plain(&message.author.name)
    );
    if message.deleted_at.is_some() {
        text.push_str("*This message was deleted.*\n");
        return;
    }
    for line in message.body.lines() {
        text.push_str("> ");
        text.push_str(line);
        text.push('\n');
    }
}

/// A name on one line, its marks shown as they are.
fn plain(name: &str) -> String {
    let is_mark = |c: char| c.is_ascii_punctuation();
    name.chars()
        .flat_map(|c| {
            is_mark(c)
                .then_some('\\')
                .into_iter()
                .chain(std::iter::once(if c.is_control() { ' ' } else { c }))
        })
        .collect()
}

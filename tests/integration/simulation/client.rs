//! A simulated client: one person, at most one socket at a time, a book for each room. It follows the documented rules of
//! a client: it comes back with its cursors, resends what was not answered in the order it was asked for, and joins again
//! where it is told to.

use salon::db::rows::{Identity, UserRow};
use salon::ids::{ClientId, Seq};
use serde_json::Value;

use super::book::{Book, Pending, Standing};
use super::frames::{Frames, Incoming};
use super::same::text;
use super::trace::Trace;
use super::{Check, fail};
use crate::support::model_store::{Room, Tables};

/// A client that hears no answer for so long tries elsewhere.
const PATIENCE_MS: u64 = 7_000;
/// Codes after which the same request may work later.
const RETRYABLE: [&str; 6] = [
    "rate_limited",
    "busy",
    "unavailable",
    "shutting_down",
    "outcome_unknown",
    "behind",
];

/// One person.
pub(super) struct Client {
    pub(super) number: usize,
    pub(super) user: UserRow,
    /// The present session.
    pub(super) identity: Identity,
    pub(super) socket: Option<Socket>,
    pub(super) books: Vec<Book>,
    /// When to connect.
    pub(super) connect_at: u64,
    /// Reads nothing until then.
    pub(super) deaf_until: u64,
}

/// An open socket.
pub(super) struct Socket {
    pub(super) frames: Frames,
    /// Which instance it is at.
    pub(super) node: usize,
    /// The session it was opened with.
    pub(super) session: salon::ids::SessionId,
    opened_at: u64,
    welcomed: bool,
}

impl Client {
    /// A socket was opened.
    pub(super) fn connected(&mut self, frames: Frames, node: usize, now_ms: u64) {
        self.socket = Some(Socket {
            frames,
            node,
            session: self.identity.session,
            opened_at: now_ms,
            welcomed: false,
        });
        self.books.iter_mut().for_each(Book::disconnected);
    }

    /// The socket is gone; the client comes back then.
    pub(super) fn disconnect(&mut self, back_at: u64) {
        self.socket = None;
        self.connect_at = back_at;
        self.books.iter_mut().for_each(Book::disconnected);
    }

    /// Wants a message sent.
    pub(super) fn submit(&mut self, place: usize, body: String, above: Seq) {
        let book = &mut self.books[place];
        let client_id = ClientId::new();
        book.submitted.push(client_id);
        book.pending.push_back(Pending {
            client_id,
            body,
            sent_at: None,
            tries: 0,
            above,
        });
    }

    /// Takes what has come, up to so many bytes, and sends what is due.
    pub(super) fn run(&mut self, bytes: usize, tables: &Tables, trace: &mut Trace) -> Check {
        let now = trace.now_ms;
        let Some(socket) = &mut self.socket else {
            return Ok(());
        };
        if now >= self.deaf_until {
            for incoming in socket.frames.receive(bytes) {
                match incoming {
                    Incoming::Text(text) => {
                        let shown = String::from_utf8_lossy(&text);
                        trace.note(format_args!("client {} ← {shown:.420}", self.number));
                        self.take(&text, tables, now)?;
                    }
                    // A consumer that panicked says the first; of its own mistakes a client that obeys makes none.
                    Incoming::Close(code @ (1011 | 1002 | 1007 | 4010)) => {
                        return fail(format!("client {} is closed with {code}", self.number));
                    }
                    Incoming::Close(code) => {
                        trace.note(format_args!("client {} is closed with {code}", self.number));
                        self.disconnect(now + 20);
                        return Ok(());
                    }
                    Incoming::End => {
                        trace.note(format_args!("client {} lost its socket", self.number));
                        self.disconnect(now + 20);
                        return Ok(());
                    }
                }
            }
        }
        self.send_what_is_due(trace);
        if self.has_lost_patience(now) {
            trace.note(format_args!("client {} lost its patience", self.number));
            self.disconnect(now);
        }
        Ok(())
    }

    fn has_lost_patience(&self, now: u64) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let late = |since: u64| now >= since.max(self.deaf_until) + PATIENCE_MS;
        let waits = |book: &Book| match book.standing {
            Standing::Joining { since, .. } => late(since),
            _ => book
                .pending
                .front()
                .and_then(|pending| pending.sent_at)
                .is_some_and(late),
        };
        !socket.welcomed && late(socket.opened_at) || self.books.iter().any(waits)
    }

    fn take(&mut self, frame: &[u8], tables: &Tables, now: u64) -> Check {
        let frame: Value = serde_json::from_slice(frame).unwrap();
        let kind = text(&frame["type"]);
        if kind == "welcome" {
            self.socket.as_mut().unwrap().welcomed = true;
            return Ok(());
        }
        if kind == "pong" || kind == "drain" {
            return Ok(());
        }
        let slug = match kind {
            "room.joined" => text(&frame["room"]["slug"]),
            _ => text(&frame["room"]),
        };
        let book = self.books.iter_mut().find(|book| *book.room.slug == *slug);
        let book = book.unwrap_or_else(|| panic!("no such room: {frame}"));
        let truth = &tables.rooms[&book.room.id];
        match kind {
            "room.joined" => book.joined(&frame, truth),
            "message" | "room.changed" => book.versioned(&frame, truth),
            "reply.delta" => book.delta(&frame),
            "message.accepted" => book.accepted(&frame, truth),
            "room.removed" => {
                book.removed(now + 300);
                Ok(())
            }
            "error" => refused(book, &frame, now, truth),
            "ok" => Ok(()),
            other => fail(format!("an unexpected {other}: {frame}")),
        }
    }

    /// Joins and sends that are due.
    fn send_what_is_due(&mut self, trace: &mut Trace) {
        let now = trace.now_ms;
        let Some(socket) = self.socket.as_mut().filter(|socket| socket.welcomed) else {
            if let Some(socket) = &mut self.socket {
                socket.frames.flush();
            }
            return;
        };
        for book in &mut self.books {
            if let Standing::Out { join_at, again } = book.standing
                && join_at <= now
            {
                join(book, &mut socket.frames, now, again);
                trace.note(format_args!(
                    "client {} joins {} after {}",
                    self.number, book.room.slug, book.cursor
                ));
            }
            if book.standing != Standing::Joined {
                continue;
            }
            if book.resend_at.is_some_and(|at| at <= now) {
                book.resend_at = None;
                book.pending
                    .iter_mut()
                    .for_each(|pending| pending.sent_at = None);
            }
            if book.resend_at.is_some() {
                continue;
            }
            for pending in &mut book.pending {
                if pending.sent_at.is_none() {
                    pending.sent_at = Some(now);
                    pending.tries += 1;
                    let (room, id, body) = (&book.room.slug, pending.client_id, &pending.body);
                    trace.note(format_args!("client {} → {room}: {body}", self.number));
                    socket.frames.send(&format!(
                        r#"{{"type":"message.send","ref":"m","room":"{room}","client_id":"{id}","body":"{body}"}}"#
                    ));
                }
            }
        }
        socket.frames.flush();
    }

    /// Sends something that is not a message.
    pub(super) fn say(&mut self, frame: &str) {
        if let Some(socket) = self.socket.as_mut().filter(|socket| socket.welcomed) {
            socket.frames.send(frame);
        }
    }

    /// Joins a joined room once more.
    pub(super) fn join_again(&mut self, place: usize, now: u64) {
        let book = &mut self.books[place];
        if let Some(socket) = &mut self.socket
            && book.standing == Standing::Joined
        {
            join(book, &mut socket.frames, now, true);
        }
    }
}

fn join(book: &mut Book, frames: &mut Frames, now: u64, again: bool) {
    let room = &book.room.slug;
    let from = match &book.epoch {
        Some(epoch) => format!(r#","after":{},"epoch":"{epoch}""#, book.cursor),
        None => String::new(),
    };
    frames.send(&format!(
        r#"{{"type":"room.join","ref":"j","room":"{room}"{from}}}"#
    ));
    book.standing = Standing::Joining { since: now, again };
    // The client resends from where it stands.
    book.resend_at = None;
    book.pending
        .iter_mut()
        .for_each(|pending| pending.sent_at = None);
}

/// An `error`: of a join, of a send, or of anything else.
fn refused(book: &mut Book, frame: &Value, now: u64, truth: &Room) -> Check {
    let code = text(&frame["code"]);
    let is_retryable = RETRYABLE.contains(&code);
    let wait = frame["retry_after_ms"].as_u64().unwrap_or(100).min(300);
    let may_be = matches!(code, "room_not_found" | "not_a_member" | "forbidden");
    match frame["ref"].as_str() {
        Some("j") if is_retryable || may_be => {
            let again = matches!(book.standing, Standing::Joining { again: true, .. });
            let join_at = now + wait;
            book.standing = Standing::Out { join_at, again };
            Ok(())
        }
        Some("m") if is_retryable => {
            let client_id = text(&frame["client_id"]).parse().unwrap();
            book.refused_for_now(client_id, code, now + wait, truth)
        }
        Some("m") if may_be => {
            book.refused_for_good(text(&frame["client_id"]).parse().unwrap());
            Ok(())
        }
        Some("s") => Ok(()),
        _ => fail(format!("refused without reason: {frame}")),
    }
}

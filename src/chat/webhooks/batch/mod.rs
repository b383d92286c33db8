//! What one delivery holds: from what was read of a room to the body that is posted and the place the webhook stands at then.
//! Pure. It sends what is there now: the text of a message deleted meanwhile is in nothing it makes.

use bytes::Bytes;
use serde::Serialize;

use crate::db::rows::{Changes, MessageRow, MessageState, StoredChange};
use crate::db::webhooks::{ClaimedWebhook, WebhookEvent, WebhookPlace};
use crate::ids::{Epoch, RoomId, Version, WebhookId};
use crate::limits;
use crate::protocol::publication::change_frame;
use crate::protocol::server::ServerFrame;

/// One delivery.
#[derive(Debug)]
pub struct Batch {
    /// The same for every attempt at it.
    pub id: String,
    /// The changes above this version,
    pub from: Version,
    /// up to this one.
    pub to: Version,
    /// How many events it holds.
    pub events: usize,
    /// What to post; none where there is nothing the webhook wants.
    pub body: Option<Bytes>,
    /// Where the webhook stands once it is delivered.
    pub place: WebhookPlace,
    /// Whether more is known to follow.
    pub more: bool,
}

/// The JSON of a delivery, and of a test event.
#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    webhook: WebhookId,
    delivery: &'a str,
    room: Room<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Version>,
    reset: Option<&'a str>,
    events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Room<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<RoomId>,
    slug: &'a str,
}

#[derive(Serialize)]
struct Event<'a> {
    event: WebhookEvent,
    version: Version,
    frame: ServerFrame<'a>,
}

/// What a webhook is to be sent of what was read above its version.
#[must_use]
pub fn next_batch(hook: &ClaimedWebhook, changes: &Changes) -> Batch {
    let (head, place) = (&changes.head, &hook.place);
    let gone_from_here = if head.epoch != place.epoch {
        Some("epoch")
    } else if place.version > head.version {
        Some("ahead")
    } else {
        None
    };
    if let Some(reset) = gone_from_here {
        // Another history: it goes on at its end, as for a webhook just made.
        let place = WebhookPlace {
            epoch: head.epoch,
            version: head.version,
            seen_seq: head.last_seq,
            awaited: Vec::new(),
        };
        let read = (head.version, head.version);
        return finish(hook, read, Some(reset), Vec::new(), place, false);
    }
    let read = match (changes.complete, changes.changes.last()) {
        (true, _) => head.version,
        (false, last) => last.map_or(place.version, StoredChange::version),
    };
    // A delivery that was begun ends where it was to end: its receiver may have it already, under the same id.
    let to = hook.sending_to.map_or(read, |sending| sending.min(read));
    let is_whole = changes.complete && to == head.version;
    let reset = (head.floor > place.version).then_some("retention");
    let mut next = WebhookPlace {
        version: to,
        ..place.clone()
    };
    let mut events = Vec::new();
    let mut prev = place.version;
    for change in &changes.changes {
        let version = change.version();
        if version > to {
            break;
        }
        let Some(event) = event_of(hook, &mut next, change) else {
            continue;
        };
        if hook.events.contains(event) {
            let frame = change_frame(&hook.slug, prev, change);
            events.push(Event {
                event,
                version,
                frame,
            });
            prev = version;
        }
    }
    if is_whole {
        next.seen_seq = head.last_seq;
    }
    let old = next.awaited.len().saturating_sub(limits::WEBHOOK_AWAITED);
    next.awaited.drain(..old);
    let read = (place.version, to);
    finish(hook, read, reset, events, next, !is_whole)
}

/// What a change is to the receiver; none for a reply that is not settled, which is waited for.
fn event_of(
    hook: &ClaimedWebhook,
    place: &mut WebhookPlace,
    change: &StoredChange,
) -> Option<WebhookEvent> {
    let row: &MessageRow = match change {
        StoredChange::Log(_) => return Some(WebhookEvent::RoomChanged),
        StoredChange::Message(row) => row,
    };
    if row.state == MessageState::Queued {
        if !place.awaited.contains(&row.seq) {
            place.awaited.push(row.seq);
        }
        return None;
    }
    let awaited = place.awaited.iter().position(|seq| *seq == row.seq);
    if let Some(index) = awaited {
        place.awaited.remove(index);
    }
    let is_new = row.seq > place.seen_seq || awaited.is_some();
    // Whoever wants changes only must hear of one that befell a message before it was told of it.
    let is_changed = row.edited_at.is_some() || !row.marks.is_empty();
    let is_only_a_change = is_changed && !hook.events.contains(WebhookEvent::Message);
    Some(if is_new && row.deleted_at.is_none() && !is_only_a_change {
        WebhookEvent::Message
    } else {
        WebhookEvent::MessageChanged
    })
}

fn finish(
    hook: &ClaimedWebhook,
    (from, to): (Version, Version),
    reset: Option<&str>,
    events: Vec<Event<'_>>,
    place: WebhookPlace,
    more: bool,
) -> Batch {
    let id = format!("{}_{}_{from}", hook.id, place.epoch);
    let count = events.len();
    let envelope = Envelope {
        kind: "room.events",
        webhook: hook.id,
        delivery: &id,
        room: Room {
            id: Some(hook.room),
            slug: &hook.slug,
        },
        epoch: Some(place.epoch),
        from: Some(from),
        to: Some(to),
        reset,
        events,
    };
    let wanted = count > 0 || reset.is_some();
    // Frames are plain data: they always have a JSON form.
    let body = wanted.then(|| serde_json::to_vec(&envelope).unwrap_or_default().into());
    Batch {
        id,
        from,
        to,
        events: count,
        body,
        place,
        more,
    }
}

/// The body of a test event.
#[must_use]
pub fn test_body(webhook: WebhookId, delivery: &str, slug: &str) -> Bytes {
    let envelope = Envelope {
        kind: "test",
        webhook,
        delivery,
        room: Room { id: None, slug },
        epoch: None,
        from: None,
        to: None,
        reset: None,
        events: Vec::new(),
    };
    serde_json::to_vec(&envelope).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;

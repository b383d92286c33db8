//! `message.accepted`, on the socket and as the answer of `POST …/messages`. Nothing of a message is told here but its place.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::server::millis;
use crate::db::changes::Posted;
use crate::error::ErrorCode;
use crate::ids::{ClientId, Seq, Version};

/// `message.accepted`.
#[derive(Serialize, Debug, utoipa::ToSchema)]
pub struct Accepted<'a> {
    /// The client's.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'a str>,
    /// The slug.
    pub room: &'a str,
    /// The sender's id of the message.
    pub client_id: ClientId,
    /// Its place.
    pub seq: Seq,
    /// The version it was created at.
    pub version: Version,
    /// When.
    #[serde(serialize_with = "millis")]
    pub created_at: DateTime<Utc>,
    /// True for a resend.
    pub duplicate: bool,
    /// The reply it asked for; the first, of several.
    pub reply_seq: Option<Seq>,
    /// All of them, in the order in which their assistants are named; where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reply_seqs: Vec<Seq>,
    /// Why it gets none, or one of those it asked does not answer.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_refused: Option<ErrorCode>,
    /// Until when, where what may be spent is (`spend_limit_reached`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_until: Option<DateTime<Utc>>,
}

impl<'a> Accepted<'a> {
    /// What became of a message of that id.
    #[must_use]
    pub fn of(room: &'a str, client_id: ClientId, posted: &Posted) -> Self {
        let reply_seqs = match posted.more_replies.is_empty() {
            true => Vec::new(),
            false => posted
                .reply_seq
                .into_iter()
                .chain(posted.more_replies.iter().copied())
                .collect(),
        };
        Self {
            reference: None,
            room,
            client_id,
            seq: posted.seq,
            version: posted.version,
            created_at: posted.created_at,
            duplicate: posted.duplicate,
            reply_seq: posted.reply_seq,
            reply_seqs,
            reply_refused: posted.reply_refused,
            refused_until: posted.refused_until,
        }
    }
}

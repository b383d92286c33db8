//! Whether what a client is told is what was written: frames against the model's rows. Called by the books.

use salon::db::rows::{MessageRow, StoredChange};
use serde_json::Value;

use super::{Check, fail};
use crate::support::model_store::Room;

/// Whether a message was written so at its version (P1, C5).
pub(super) fn same_message(told: &Value, truth: &Room) -> Check {
    let version = number(&told["version"]);
    let written = usize::try_from(version - 1).ok();
    match written.and_then(|place| truth.written.get(place)) {
        Some(StoredChange::Message(row)) if is_same(told, row) => Ok(()),
        other => fail(format!("told {told}, and written is {other:?}")),
    }
}

fn is_same(told: &Value, row: &MessageRow) -> bool {
    let client_id = told["client_id"].as_str().map(|id| id.parse().unwrap());
    let attempt = row
        .meta
        .reply
        .as_ref()
        .map(|reply| i64::from(reply.attempt));
    let variants = row.meta.reply.as_ref().and_then(|reply| reply.variants);
    told["seq"] == row.seq
        && told["reply"]["variants"] == serde_json::to_value(variants).unwrap()
        && told["body"] == row.body.as_str()
        && told["state"] == row.state.as_str()
        && told["kind"] == row.kind.as_str()
        && told["author"]["name"] == row.author.name.as_str()
        && client_id == row.client_id
        && told["reply"]["attempt"].as_i64() == attempt
        && told["edited_at"].is_string() == row.edited_at.is_some()
        && told["deleted_at"].is_string() == row.deleted_at.is_some()
        && list(&told["reactions"]) == list(&serde_json::to_value(&row.marks.reactions).unwrap())
        && told["pinned"]["by"].as_str().map(str::to_owned)
            == row.marks.pinned.map(|pin| pin.by.to_string())
}

/// Whether a log entry was written so.
pub(super) fn same_log(told: &Value, truth: &Room) -> Check {
    let place = usize::try_from(number(&told["version"]) - 1).unwrap();
    match truth.written.get(place) {
        Some(StoredChange::Log(row))
            if told["change"] == row.kind.as_str()
                && told["user"]["name"].as_str()
                    == row.user.as_ref().map(|user| user.name.as_str()) =>
        {
            Ok(())
        }
        other => fail(format!("told {told}, and written is {other:?}")),
    }
}

pub(super) fn number(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

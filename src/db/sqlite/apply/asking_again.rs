//! Whether a settled reply may be asked for again, on SQLite: what a message that asks is judged by, before anything is put aside.
//! Called by retries, regenerations and edits that ask again. It writes nothing.

use super::posts::{asked_by, full_until};
use super::replies::{Reply, message};
use super::room::RoomWork;
use crate::db::assistants::{AskedAgain, may_ask_again};
use crate::db::rows::Visibility;
use crate::db::sqlite::assistants::of_room;
use crate::db::sqlite::columns::{StoredId, time};
use crate::db::sqlite::failure::Work;
use crate::db::sqlite::{accounts, runners};
use crate::error::ErrorCode;
use crate::ids::{Seq, UserId};
use crate::spending::Caps;

/// Refuses where a message of `actor` would get no answer of who wrote the reply, beside `before` others of its asker that are
/// about to be queued.
pub(super) fn require(
    work: &mut RoomWork<'_>,
    (actor, seq): (UserId, Seq),
    reply: &Reply,
    (caps, before): (&Caps, i64),
) -> Work<()> {
    let author = message(work, seq)?.author.id;
    let all = of_room(work.conn, work.id)?;
    let kind = accounts::by_id(work.conn, actor)?
        .ok_or(ErrorCode::UserNotFound)?
        .kind;
    let full_until = full_until(work, reply.asker, caps)?;
    let now = time(work.now)?;
    may_ask_again(AskedAgain {
        assistant: all.iter().find(|one| one.user.id == author),
        actor: kind,
        role: work.role(actor)?,
        in_direct: work.settings.visibility == Visibility::Direct && work.people == 0,
        asker_may_prompt: runners::may_prompt(work.conn, work.id, StoredId(reply.asker.0))?,
        asks: asked_by(work, reply.asker)?.saturating_add(before),
        spent_for: full_until.map(|until| until - now),
    })?;
    Ok(())
}

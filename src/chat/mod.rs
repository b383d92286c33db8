//! The rules of rooms and messages, over the writer and the store. REPLACED on main: here only the signatures.

use crate::db::changes::Posted;
use crate::db::rows::{HistoryPage, Identity, MemberRow, MessageRow, RoomView, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{ClientId, Seq, UserId, Version};
use crate::permissions::Role;

/// Rooms and messages.
pub struct Chat;

macro_rules! signatures {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[expect(clippy::unused_async, missing_docs, reason = "replaced on main")]
        impl Chat {
            $(pub async fn $name(&self, _who: &Identity, $($argument: $type),*) -> Result<$answer, Refusal> {
                let _ = ($($argument,)*);
                Err(ErrorCode::Unavailable.into())
            })*
        }
    };
}

signatures! {
    post(slug: &str, client_id: ClientId, body: String, reply_to: Option<Seq>) -> Posted;
    create_room(slug: &str, name: &str, visibility: Visibility) -> RoomView;
    rooms() -> Vec<RoomView>;
    room(slug: &str) -> RoomView;
    join(slug: &str) -> RoomView;
    edit_room(slug: &str, name: Option<String>, visibility: Option<Visibility>) -> RoomView;
    delete_room(slug: &str) -> Version;
    set_member(slug: &str, user_name: &str, role: Role) -> Version;
    remove_member(slug: &str, user: UserId) -> Version;
    members(slug: &str, after: Option<UserId>) -> Vec<MemberRow>;
    history(slug: &str, before: Option<Seq>, limit: i64) -> HistoryPage;
    history_after(slug: &str, after: Seq, limit: i64) -> HistoryPage;
    message(slug: &str, seq: Seq) -> MessageRow;
    stop_reply(slug: &str, seq: Seq) -> Version;
    retry_reply(slug: &str, seq: Seq) -> Version;
}

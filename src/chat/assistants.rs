//! The assistants of a room: read, added, set up, taken away. Called by HTTP handlers. Here is the form of what is set; the
//! rules are the store's, judged inside the transaction.

use super::Chat;
use crate::db::StoreError;
use crate::db::assistants::{AssistantEdit, AssistantSettings, NewAssistant, RoomAssistant};
use crate::db::changes::Change;
use crate::db::rows::Identity;
use crate::error::{ErrorCode, Refusal};
use crate::ids::{UserId, Version};
use crate::limits;

impl Chat {
    /// A room's assistants, the server's own first.
    ///
    /// # Errors
    /// As finding the room.
    pub async fn room_assistants(
        &self,
        who: &Identity,
        slug: &str,
    ) -> Result<Vec<RoomAssistant>, Refusal> {
        self.store
            .room_assistants(who.user.id, slug)
            .await
            .map_err(StoreError::into_refusal)
    }

    /// Adds one; its id and the version. An assistant that another room has under the name is the same user.
    ///
    /// # Errors
    /// `bad_request`, `too_large`, `name_taken`, `too_many`, `forbidden`, as finding the room.
    pub async fn add_assistant(
        &self,
        who: &Identity,
        slug: &str,
        name: &str,
        edit: &AssistantEdit,
    ) -> Result<(UserId, Version), Refusal> {
        check(edit)?;
        let new = NewAssistant {
            actor: who.user.id,
            id: UserId::new(),
            name: name.to_owned(),
            settings: AssistantSettings::default().edited(edit),
        };
        let room = self.find(who, slug).await?;
        let version = self.change(room, Change::AddAssistant(new)).await?;
        let all = self.room_assistants(who, slug).await?;
        let key = name.to_lowercase();
        let added = all.iter().find(|one| one.user.name.to_lowercase() == key);
        let added = added.ok_or(ErrorCode::AssistantNotFound)?;
        Ok((added.user.id, version))
    }

    /// Changes what the room says of one.
    ///
    /// # Errors
    /// `bad_request`, `too_large`, `assistant_not_found`, `forbidden`, as finding the room.
    pub async fn edit_assistant(
        &self,
        who: &Identity,
        slug: &str,
        assistant: UserId,
        edit: AssistantEdit,
    ) -> Result<Version, Refusal> {
        check(&edit)?;
        let room = self.find(who, slug).await?;
        let change = Change::EditAssistant {
            actor: who.user.id,
            assistant,
            edit,
        };
        self.change(room, change).await
    }

    /// Takes one away.
    ///
    /// # Errors
    /// `assistant_not_found`, `forbidden`, as finding the room.
    pub async fn remove_assistant(
        &self,
        who: &Identity,
        slug: &str,
        assistant: UserId,
    ) -> Result<Version, Refusal> {
        let room = self.find(who, slug).await?;
        let change = Change::RemoveAssistant {
            actor: who.user.id,
            assistant,
        };
        self.change(room, change).await
    }
}

/// The form of what is set.
fn check(edit: &AssistantEdit) -> Result<(), Refusal> {
    let bad = |sentence: &'static str| Refusal::with_message(ErrorCode::BadRequest, sentence);
    for name in [&edit.provider, &edit.model] {
        let fits = |name: &str| {
            let length = name.chars().count();
            (1..=limits::MODEL_CHARS).contains(&length) && !name.chars().any(char::is_control)
        };
        if name
            .as_ref()
            .is_some_and(|name| name.as_deref().is_some_and(|name| !fits(name)))
        {
            return Err(bad(
                "`provider` and `model` have 1 to 128 characters, or are null.",
            ));
        }
    }
    if let Some(system) = &edit.system {
        if system.len() > limits::SYSTEM_BYTES {
            return Err(ErrorCode::TooLarge.into());
        }
        if system.contains('\0') {
            return Err(bad("`system` holds no NUL."));
        }
    }
    let within = |set: Option<Option<i32>>, most: i32| {
        set.flatten()
            .is_none_or(|tokens| (1..=most).contains(&tokens))
    };
    let answer = i32::try_from(limits::REPLY_TOKENS).unwrap_or(i32::MAX);
    if !within(edit.max_tokens, answer) || !within(edit.history_tokens, limits::HISTORY_TOKENS) {
        return Err(bad(
            "`max_tokens` is from 1 to 8192, `history_tokens` from 1 to 1000000, or null.",
        ));
    }
    Ok(())
}

//! The assistants of a room: who they are there, what they are told and who may ask them. Rows, pure rules and the part of the
//! contract that reads them; what changes them goes through [`super::Store::apply`]. An assistant is a user that all rooms share
//! by its name; its settings are each room's own. The server's own assistant is in every room, with or without a row.

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::StoreResult;
use super::changes::{NewPost, NewPrompt};
use super::rows::{UserKind, UserRow};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{RoomId, Seq, UserId};
use crate::limits;
use crate::permissions::Role;

/// What a room says of one of its assistants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssistantSettings {
    /// Whether it takes prompts.
    pub enabled: bool,
    /// The provider by its name; none for the server's own.
    pub provider: Option<String>,
    /// The model; none for the provider's own.
    pub model: Option<String>,
    /// What it is told before the conversation, beside what every assistant is told; may be empty.
    pub system: String,
    /// Hundredths; none for the provider's own.
    pub temperature: Option<i32>,
    /// Tokens of an answer at most; none for the server's bound.
    pub max_tokens: Option<i32>,
    /// Tokens of history it is told at most, about; none for the server's bound.
    pub history_tokens: Option<i32>,
    /// The lowest role that may ask it.
    pub may_prompt: Role,
    /// The lowest role that may stop a reply of it that somebody else asked for.
    pub may_stop: Role,
    /// The same for having it written again or selecting a variant.
    pub may_regenerate: Role,
}

impl Default for AssistantSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            provider: None,
            model: None,
            system: String::new(),
            temperature: None,
            max_tokens: None,
            history_tokens: None,
            may_prompt: Role::Member,
            may_stop: Role::Moderator,
            may_regenerate: Role::Moderator,
        }
    }
}

/// What changes of it; what is left out stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AssistantEdit {
    /// See [`AssistantSettings`], as all that follow.
    pub enabled: Option<bool>,
    /// Named, or the server's own again.
    pub provider: Option<Option<String>>,
    /// Named, or the provider's own again.
    pub model: Option<Option<String>>,
    /// What it is told.
    pub system: Option<String>,
    /// In hundredths.
    pub temperature: Option<Option<i32>>,
    /// Of an answer.
    pub max_tokens: Option<Option<i32>>,
    /// Of history.
    pub history_tokens: Option<Option<i32>>,
    /// Who may ask.
    pub may_prompt: Option<Role>,
    /// Who may stop others' replies.
    pub may_stop: Option<Role>,
    /// Who may have others' replies written again.
    pub may_regenerate: Option<Role>,
}

impl AssistantSettings {
    /// With what an edit changes.
    #[must_use]
    pub fn edited(&self, edit: &AssistantEdit) -> Self {
        let old = self.clone();
        let edit = edit.clone();
        Self {
            enabled: edit.enabled.unwrap_or(old.enabled),
            provider: edit.provider.unwrap_or(old.provider),
            model: edit.model.unwrap_or(old.model),
            system: edit.system.unwrap_or(old.system),
            temperature: edit.temperature.unwrap_or(old.temperature),
            max_tokens: edit.max_tokens.unwrap_or(old.max_tokens),
            history_tokens: edit.history_tokens.unwrap_or(old.history_tokens),
            may_prompt: edit.may_prompt.unwrap_or(old.may_prompt),
            may_stop: edit.may_stop.unwrap_or(old.may_stop),
            may_regenerate: edit.may_regenerate.unwrap_or(old.may_regenerate),
        }
    }
}

/// An assistant of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomAssistant {
    /// Who.
    pub user: UserRow,
    /// What the room says of it.
    pub settings: AssistantSettings,
}

/// An assistant to be added to a room.
#[derive(Clone, PartialEq, Debug)]
pub struct NewAssistant {
    /// Who does it.
    pub actor: UserId,
    /// Its id, if no assistant of the server has the name yet.
    pub id: UserId,
    /// By what it is called.
    pub name: String,
    /// What the room says of it.
    pub settings: AssistantSettings,
}

/// What `room.changed` tells of a room's assistants: all of them, without what they are told.
#[must_use]
pub fn told(assistants: &[RoomAssistant]) -> Value {
    let each = assistants.iter().map(|RoomAssistant { user, settings }| {
        json!({
            "id": user.id,
            "name": user.name,
            "enabled": settings.enabled,
            "model": settings.model,
            "may_prompt": settings.may_prompt,
            "may_stop": settings.may_stop,
            "may_regenerate": settings.may_regenerate,
        })
    });
    json!({ "assistants": each.collect::<Vec<_>>() })
}

/// All assistants of a room, the server's own first: its row, or what it is without one. `rows` in the order they were added.
#[must_use]
pub fn with_default(default: UserRow, rows: Vec<RoomAssistant>) -> Vec<RoomAssistant> {
    let (own, others): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|assistant| assistant.user.id == default.id);
    let own = own.into_iter().next().unwrap_or(RoomAssistant {
        user: default,
        settings: AssistantSettings::default(),
    });
    std::iter::once(own).chain(others).collect()
}

/// Whom a post asks, in the order in which it names them, each once: at each place the longest name that a member or an
/// assistant of the room has is meant. `everywhere` is for a direct room, where whoever is not named is the server's own.
/// Names are as they are compared.
pub fn asked(
    post: &NewPost,
    assistants: &[RoomAssistant],
    everywhere: bool,
    is_member: impl Fn(&str) -> bool,
) -> Vec<RoomAssistant> {
    let Some(prompt) = post.prompt else {
        return Vec::new();
    };
    let of_id = |id: UserId| assistants.iter().find(|one| one.user.id == id);
    let mut found: Vec<RoomAssistant> = Vec::new();
    let mut note = |assistant: Option<&RoomAssistant>| {
        let known =
            assistant.is_some_and(|one| found.iter().any(|held| held.user.id == one.user.id));
        if !known && found.len() < limits::ASSISTANTS_PER_MESSAGE {
            found.extend(assistant.cloned());
        }
    };
    for readings in &post.mentions {
        for name in readings {
            let named = assistants
                .iter()
                .find(|one| one.user.name.to_lowercase() == *name);
            if let Some(named) = named {
                // Whether the server's own is meant was found before; a place alone may be cut by the bound on places.
                if named.user.id != prompt.assistant || prompt.mentioned {
                    note(Some(named));
                }
                break;
            }
            if is_member(name) {
                break;
            }
        }
    }
    if prompt.mentioned {
        note(of_id(prompt.assistant));
    }
    if found.is_empty() && everywhere {
        found.extend(of_id(prompt.assistant).cloned());
    }
    found
}

/// Whether somebody of that role, of that kind, gets an answer of an assistant; `in_direct` in its direct room, where it always answers.
///
/// # Errors
/// Why not, as told with the message.
pub fn may_ask(
    assistant: &RoomAssistant,
    author: UserKind,
    role: Option<Role>,
    in_direct: bool,
) -> Result<(), ErrorCode> {
    let settings = &assistant.settings;
    // Two programs that answer each other would never stop.
    if author == UserKind::Bot {
        return Err(ErrorCode::BotsNotAnswered);
    }
    if in_direct {
        return Ok(());
    }
    if !settings.enabled {
        return Err(ErrorCode::NoAssistant);
    }
    if !role.is_some_and(|role| role.is_at_least(settings.may_prompt)) {
        return Err(ErrorCode::Forbidden);
    }
    Ok(())
}

/// Whether an asker with `asks` unsettled replies may ask for another one; `is_spent` where what may be spent is.
///
/// # Errors
/// Why not, as told with the message.
pub fn has_left(prompt: NewPrompt, asks: i64, is_spent: bool) -> Result<(), ErrorCode> {
    // A message that asks the server's own assistant is refused as a whole before it comes here.
    if prompt.over_rate {
        return Err(ErrorCode::RateLimited);
    }
    if asks >= limits::REPLIES_PER_USER {
        return Err(ErrorCode::TooManyPrompts);
    }
    if is_spent {
        return Err(ErrorCode::SpendLimitReached);
    }
    Ok(())
}

/// A settled reply that somebody wants written again, as far as that is a prompt.
#[derive(Clone, Copy, Debug)]
pub struct AskedAgain<'a> {
    /// Who wrote it; none where its room has it no more.
    pub assistant: Option<&'a RoomAssistant>,
    /// What they are who want it, and in the room.
    pub actor: UserKind,
    /// See `actor`.
    pub role: Option<Role>,
    /// Whether the room is its direct room with somebody.
    pub in_direct: bool,
    /// Whether whoever asked for it at first may still ask: the reply stays theirs, and would fail at its claim.
    pub asker_may_prompt: bool,
    /// The asker's unsettled replies, in all rooms.
    pub asks: i64,
    /// How long what the asker may spend here is spent, where it is.
    pub spent_for: Option<TimeDelta>,
}

/// Whether a reply may be asked for again: as a message that asks, before anything of what stands is put aside.
///
/// # Errors
/// `no_assistant`, also of one that was taken away; `bots_not_answered`; `forbidden`, with its own sentence where the asker is gone;
/// `too_many_prompts`; `spend_limit_reached`, with when to try again.
pub fn may_ask_again(asked: AskedAgain<'_>) -> Result<(), Refusal> {
    let assistant = asked.assistant.ok_or(ErrorCode::NoAssistant)?;
    may_ask(assistant, asked.actor, asked.role, asked.in_direct)?;
    if !asked.asker_may_prompt {
        return Err(Refusal::asker_is_gone());
    }
    if asked.asks >= limits::REPLIES_PER_USER {
        return Err(ErrorCode::TooManyPrompts.into());
    }
    if let Some(left) = asked.spent_for {
        return Err(Refusal::spent_for(left));
    }
    Ok(())
}

/// The part of the contract that reads assistants and what they wrote; see [`super::Store`], whose rules hold here too.
#[async_trait]
pub trait AssistantStore: super::variants::VariantStore {
    /// A room's assistants, the server's own first, the others as they were added.
    ///
    /// # Errors
    /// As every read.
    async fn room_assistants(&self, user: UserId, slug: &str) -> StoreResult<Vec<RoomAssistant>>;

    /// The assistant that writes a reply, as its room has it now; one that was taken away is not enabled.
    ///
    /// # Errors
    /// `reply_not_found`.
    async fn replying_assistant(&self, room: RoomId, seq: Seq) -> StoreResult<RoomAssistant>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::changes::NewPrompt;
    use crate::ids::ClientId;

    fn assistant(number: u128, name: &str) -> RoomAssistant {
        RoomAssistant {
            user: UserRow {
                id: UserId(uuid::Uuid::from_u128(number)),
                name: name.to_owned(),
                kind: UserKind::Assistant,
            },
            settings: AssistantSettings::default(),
        }
    }

    fn post(places: &[&[&str]], mentioned: bool) -> NewPost {
        let readings = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        NewPost {
            author: UserId(uuid::Uuid::from_u128(9)),
            client_id: ClientId::new(),
            body: "x".into(),
            html: None,
            reply_to: None,
            prompt: Some(NewPrompt {
                over_rate: false,
                caps: crate::spending::Caps::default(),
                assistant: UserId(uuid::Uuid::from_u128(1)),
                mentioned,
            }),
            mentions: places.iter().map(readings).collect(),
            over_rate: false,
        }
    }

    #[test]
    fn assistants_are_asked_in_the_order_of_mention_each_once() {
        let all = [
            assistant(1, "assistant"),
            assistant(2, "Critic"),
            assistant(3, "poet"),
        ];
        let names = |post: &NewPost, everywhere| -> Vec<String> {
            let found = asked(post, &all, everywhere, |name| name == "poet laureate");
            found.into_iter().map(|one| one.user.name).collect()
        };
        let several: &[&[&str]] = &[&["critic and", "critic"], &["assistant"], &["critic"]];
        assert_eq!(names(&post(several, true), false), ["Critic", "assistant"]);
        assert_eq!(names(&post(&[], true), false), ["assistant"]);
        assert_eq!(names(&post(&[], false), true), ["assistant"]);
        assert_eq!(names(&post(&[&["poet"]], false), true), ["poet"]);
        assert!(names(&post(&[&["somebody"]], false), false).is_empty());
        let longer: &[&[&str]] = &[&["poet laureate", "poet"]];
        assert!(
            names(&post(longer, false), false).is_empty(),
            "a member is meant"
        );
    }

    #[test]
    fn so_many_are_asked_by_one_message() {
        let all: Vec<_> = (1..20)
            .map(|number| assistant(number, &format!("a{number}")))
            .collect();
        let places: Vec<Vec<String>> = (1..20).map(|number| vec![format!("a{number}")]).collect();
        let post = NewPost {
            mentions: places,
            ..post(&[], true)
        };
        let found = asked(&post, &all, false, |_| false);
        assert_eq!(found.len(), limits::ASSISTANTS_PER_MESSAGE);
    }
}
